//! A block that the board has and Consort does not model: reads as a constant, ignores writes, and says so
//! once per offset.

use std::collections::BTreeSet;

use consort_core::component::{Component, Cx, Model, Peripheral, Register};
use consort_core::{BusError, Time, Width};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block;

/// More offsets than this are not told one by one.
const MOST_TOLD: usize = 64;

/// What a board says about a block without a model.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What every word of it reads as; 0 unless a guest waits for something else.
    #[serde(default)]
    reads: u32,
}

/// The block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unmodelled {
    config: Config,
    told: BTreeSet<u32>,
}

impl Unmodelled {
    fn tell(&mut self, offset: u32, what: impl FnOnce() -> String, cx: &mut Cx<'_>) {
        let word = offset & !3;
        if self.told.len() > MOST_TOLD || self.told.contains(&word) {
            return;
        }
        if self.told.len() == MOST_TOLD {
            cx.unimplemented("accesses at further offsets are not told");
        } else {
            cx.unimplemented(what());
        }
        self.told.insert(word);
    }
}

impl Component for Unmodelled {
    fn reset(&mut self, _: &mut Cx<'_>) {}
}

impl Peripheral for Unmodelled {
    fn registers(&self) -> &'static [Register] {
        &[]
    }
    fn read(&mut self, offset: u32, width: Width, cx: &mut Cx<'_>) -> Result<u32, BusError> {
        let value = block::pick(self.config.reads, offset, width);
        self.tell(offset, || format!("no model: offset {offset:#x} reads as {value:#x}"), cx);
        Ok(value)
    }
    fn write(&mut self, offset: u32, _: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        self.tell(offset, || format!("no model: write of {value:#x} to offset {offset:#x} ignored"), cx);
        Ok(())
    }
    fn peek(&self, _: u32, _: Time) -> Option<u32> {
        None
    }
}

impl Model for Unmodelled {
    const KIND: &'static str = "unmodelled";
    const DOC: &'static str = "A named block without a model: reads as a constant, ignores writes, says so.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self { config, told: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn each_offset_is_told_once() {
        let mut rig = Rig::new(Unmodelled::new(Config { reads: 0x8000_0001 }));
        assert_eq!(rig.read(0x10), 0x8000_0001);
        assert_eq!(rig.try_read(0x13, Width::Byte), Ok(0x80));
        rig.write(0x10, 5);
        rig.write(0x20, 5);
        assert_eq!(rig.log.len(), 2);
        for offset in 0..1000 {
            rig.read(4 * offset);
        }
        assert_eq!(rig.log.len(), MOST_TOLD + 1);
    }
}
