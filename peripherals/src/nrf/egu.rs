//! EGU: software-generated events (SWI's place on nRF52).
//!
//! nRF52832 PS v1.4, "EGU". nRF51's SWI has no registers: software pends its interrupt in the NVIC.

use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Spec, array};
use consort_core::component::NoConfig;

const TRIGGER: u32 = 0x000;
const TRIGGERED: u32 = 0x100;

static SPEC: Spec = Spec::new(
    &[array!(wo TRIGGER, 4, "TASKS_TRIGGER[", "]"; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)],
    &[array!(event TRIGGERED, 4, "EVENTS_TRIGGERED[", "]", 0, 1; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)],
    &[],
    &[],
);

/// EGU: a task for each event.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Egu {}

impl Logic for Egu {
    const KIND: &'static str = "nordic-egu";
    const DOC: &'static str = "Event generator unit: sixteen events that software or PPI triggers.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {}
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        io.raise(TRIGGERED + task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::{Block, INTENSET};
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    #[test]
    fn each_task_gives_its_event() {
        // PS "EGU": task n triggers event n.
        let mut rig = Rig::new(Block::<Egu>::new(NoConfig {}));
        rig.write(INTENSET, 1 << 3);
        rig.write(TRIGGER + 8, 1);
        assert_eq!((rig.read(TRIGGERED + 8), rig.line("irq")), (1, false));
        rig.write(TRIGGER + 12, 1);
        assert!(rig.line("irq"));
    }
}
