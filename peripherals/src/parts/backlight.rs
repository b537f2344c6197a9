//! A light on several pins, each lit while its pin has one level, as bright as the eye sees it when pins
//! are switched quickly.

use consort_core::Time;
use serde::{Deserialize, Serialize};

/// Phases as long as this are seen for themselves; shorter ones blend.
const BLEND: Time = Time::from_ms(20);

/// One pin's light.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Lamp {
    on: bool,
    since: Time,
    /// How long it was last dark and lit, while it is switched quickly.
    phases: Option<[u64; 2]>,
}

impl Lamp {
    fn switch(&mut self, on: bool, now: Time) {
        if on == self.on {
            return;
        }
        let (span, was) = (now.since(self.since), usize::from(self.on));
        (self.on, self.since) = (on, now);
        if span >= BLEND {
            self.phases = Some([0; 2]); // The next phase tells whether this was the first of many.
        }
        if let Some(phases) = self.phases.as_mut().filter(|_| span < BLEND) {
            phases[was] = span.as_ps();
        }
    }

    /// From 0 to 255.
    fn light(&self) -> u64 {
        match self.phases {
            Some([dark, lit]) if dark > 0 && lit > 0 => lit * 255 / (dark + lit),
            _ => u64::from(self.on) * 255,
        }
    }
}

/// Up to three lamps of equal strength behind a screen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Backlight {
    lamps: [Lamp; 3],
}

impl Backlight {
    /// A lamp goes on or off.
    pub fn switch(&mut self, lamp: usize, on: bool, now: Time) {
        if let Some(lamp) = self.lamps.get_mut(lamp) {
            lamp.switch(on, now);
        }
    }

    /// When a lamp that was switched quickly counts as steady, if nothing happens until then.
    pub fn deadline(&self) -> Time {
        let blending = self.lamps.iter().filter(|lamp| lamp.phases.is_some());
        blending.map(|lamp| lamp.since + BLEND).min().unwrap_or(Time::MAX)
    }

    /// The deadline has come.
    pub fn settle(&mut self, now: Time) {
        for lamp in &mut self.lamps {
            if now >= lamp.since + BLEND {
                lamp.phases = None;
            }
        }
    }

    /// How bright the first `count` lamps are together, from 0 to 255.
    pub fn level(&self, count: usize) -> u8 {
        let light: u64 = self.lamps.iter().take(count).map(Lamp::light).sum();
        (light / count.clamp(1, 3) as u64).min(255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_switching_blends_and_ends() {
        let (mut light, mut now) = (Backlight::default(), Time::from_secs(1));
        light.switch(0, true, now);
        assert_eq!((light.level(1), light.level(3)), (255, 85));
        for _ in 0..10 {
            now += Time::from_ms(3);
            light.switch(0, false, now);
            now += Time::from_ms(1);
            light.switch(0, true, now);
        }
        assert_eq!(light.level(1), 191);
        now = light.deadline();
        light.settle(now);
        assert_eq!((light.level(1), light.deadline()), (255, Time::MAX));
    }
}
