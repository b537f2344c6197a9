//! The locked trim registers that are in no manual and that work-arounds of errata open and write.
//!
//! Anomaly 76 of the nRF51822; anomalies 16, 171, 187 and 211 of nRF52832, nRF52833 and nRF52840.

use consort_core::component::{NoConfig, Register};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Spec, erratum};

const LOCK: u32 = 0xC00;
/// Writing this opens the lock, and closes it when it is open.
const KEY: u32 = 0x9375;

static SPEC: Spec = Spec::new(
    &[],
    &[],
    &[],
    &[&[
        erratum(0x074, "ERRATUM_16", 0),
        Register::rw(LOCK, "LOCK", 0),
        erratum(0xC14, "ERRATUM_171", 0),
        erratum(0xD14, "ERRATUM_187", 0),
    ]],
);

/// What the work-arounds show of these registers: a lock that reads 1 while it is open, and storage behind it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Errata {}

impl Logic for Errata {
    const KIND: &'static str = "nordic-errata";
    const DOC: &'static str = "Trim registers in no manual, as work-arounds of errata use them.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {}
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn lines(&self) -> &'static [&'static str] {
        &[]
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        match offset {
            LOCK => io.set(LOCK, if value == KEY { old ^ 1 } else { old }),
            0xC14 | 0xD14 if io.reg(LOCK) == 0 => io.set(offset, old),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    #[test]
    fn the_key_opens_and_closes_the_lock() {
        // The sequence of nrfx's drivers for anomaly 171.
        let mut rig = Rig::new(Block::<Errata>::new(NoConfig {}));
        rig.write(0xC14, 0xC0);
        assert_eq!(rig.read(0xC14), 0, "locked");
        rig.write(LOCK, KEY);
        assert_eq!(rig.read(LOCK), 1);
        rig.write(0xC14, 0xC0);
        rig.write(LOCK, KEY);
        assert_eq!((rig.read(LOCK), rig.read(0xC14)), (0, 0xC0));
        rig.write(LOCK, 1);
        assert_eq!(rig.read(LOCK), 0);
    }
}
