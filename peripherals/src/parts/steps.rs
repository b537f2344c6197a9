//! What a step counter makes of acceleration: steps, their rhythm, and turns of the wrist.

use serde::{Deserialize, Serialize};

/// How far the acceleration rises above its mean and falls below it in a step, in mg.
const RISE: i64 = 60;
/// The shortest step, in looks of 20 ms.
const SHORTEST: u16 = 12;
/// Without a step for so many looks nobody walks.
const PAUSE: u16 = 100;
/// Below so many looks between steps somebody runs.
const RUNNING: u16 = 19;

/// What was noticed at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// A step.
    pub step: bool,
    /// Walking, running or standing still changed.
    pub activity: bool,
    /// The acceleration changed.
    pub moved: bool,
    /// The wrist was turned so that the face is up.
    pub turned: bool,
}

/// The detector's state; it looks fifty times a second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Steps so far.
    pub count: u32,
    /// The mean of the acceleration, in 64ths of a mg.
    mean: i64,
    above: bool,
    /// Looks since the last step, and between the last two.
    since: u16,
    rhythm: u16,
    activity: u8,
    last: [i64; 3],
    facing: bool,
}

/// The whole root.
fn root(value: i64) -> i64 {
    value.max(0).isqrt()
}

impl Steps {
    /// Looks at the acceleration along three axes, in mg.
    pub fn look(&mut self, axes: [i64; 3], counting: bool) -> News {
        let mut news = News::default();
        let size = root(axes.iter().map(|axis| axis * axis).sum());
        // The first look finds things as they are.
        let first = self.mean == 0;
        if first {
            self.mean = size * 64;
            self.last = axes;
        }
        let swing = size - self.mean / 64;
        self.mean += (size * 64 - self.mean) / 64;
        self.since = (self.since + 1).min(PAUSE);
        if !self.above && swing > RISE {
            self.above = true;
        } else if self.above && swing < -RISE {
            self.above = false;
            if self.since >= SHORTEST && counting {
                self.count = self.count.wrapping_add(1);
                news.step = true;
                self.rhythm = self.since;
                self.since = 0;
            }
        }
        let activity = match (self.since < PAUSE && self.count > 0, self.rhythm < RUNNING) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        news.activity = activity != self.activity;
        self.activity = activity;
        news.moved = self.last.iter().zip(axes).any(|(old, new)| (old - new).abs() > 50);
        self.last = axes;
        let [_, y, z] = axes;
        // Walking shakes what is up: it takes more to turn away.
        let facing = if self.facing { z > 400 && y < 600 } else { z > 700 && y < 400 };
        news.turned = facing && !self.facing && !first;
        self.facing = facing;
        news
    }

    /// 0 still, 1 walking, 2 running.
    pub fn activity(&self) -> u8 {
        self.activity
    }

    /// Whether looks at this acceleration would notice nothing, however many.
    pub fn rests(&self, axes: [i64; 3]) -> bool {
        let mut next = self.clone();
        next.look(axes, true);
        next == *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shaking_faster_than_legs_is_no_walking() {
        let mut steps = Steps::default();
        for look in 0..500 {
            let swing = if look % 6 < 3 { 300 } else { -300 };
            steps.look([0, 0, 1_000 + swing], true);
        }
        assert!(steps.count <= 500 / u32::from(SHORTEST), "{}", steps.count);
        for _ in 0..1_000 {
            steps.look([0, 0, 1_000], true);
        }
        assert!(steps.rests([0, 0, 1_000]));
        assert_eq!(steps.activity(), 0);
    }
}
