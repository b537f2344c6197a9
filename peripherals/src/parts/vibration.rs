//! A vibration motor on a pin.

use consort_core::Time;
use consort_core::component::{Component, Cx, Model, NoConfig, Part, Picture};
use consort_core::trace::Level;
use serde::{Deserialize, Serialize};

/// The motor; pin `on`, which runs it while low. It is seen as a lamp, and each turn is told in the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Vibration {
    since: Option<Time>,
    changes: u64,
}

impl Model for Vibration {
    const KIND: &'static str = "vibration-motor";
    const DOC: &'static str = "A vibration motor on a pin; each turn is told in the log.";
    type Config = NoConfig;
    fn new(_: NoConfig) -> Self {
        Self { since: None, changes: 0 }
    }
}

impl Component for Vibration {
    fn pins(&self) -> &'static [&'static str] {
        &["on"]
    }

    fn reset(&mut self, _: &mut Cx<'_>) {
        self.since = None;
    }

    fn input(&mut self, _: u16, level: bool, cx: &mut Cx<'_>) {
        self.changes += 1;
        match self.since.take() {
            None if !level => self.since = Some(cx.now()),
            Some(since) if level => {
                let us = cx.now().since(since).as_ps() / 1_000_000;
                cx.log(Level::Info, format!("vibrated for {}.{} ms", us / 1_000, us / 100 % 10));
            }
            since => self.since = since,
        }
    }

    fn shows(&self) -> Option<u64> {
        Some(self.changes)
    }

    fn picture(&self) -> Option<Picture> {
        Some(Picture::row_of_lamps(self.since.is_some().into(), 1, [255, 200, 80]))
    }
}

impl Part for Vibration {}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn each_turn_is_told() {
        let mut rig = Rig::new(Vibration::new(NoConfig {}));
        rig.input(0, true);
        rig.input(0, false);
        assert_eq!(rig.component.picture().unwrap().rgb, [255, 200, 80]);
        rig.run_for(Time::from_ms(50));
        rig.input(0, true);
        assert_eq!(rig.log.last().unwrap().1, "vibrated for 50.0 ms");
        assert_eq!(rig.component.picture().unwrap().rgb, [0, 0, 0]);
    }
}
