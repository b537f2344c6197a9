//! Arm PrimeCell PL061 GPIO (DDI 0190): eight pins with interrupts by level or edge.

use consort_core::component::{Component, Cx, Model, NoConfig, Peripheral, Register};
use consort_core::{BusError, Time, Width};
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words};

/// GPIODATA: address bits 9:2 are a mask of the pins that an access concerns.
const DATA_END: u32 = 0x400;
/// GPIODATA of all eight pins.
const ALL_PINS: u32 = 0x3FC;
const DIR: u32 = 0x400;
const IS: u32 = 0x404;
const IBE: u32 = 0x408;
const IEV: u32 = 0x40C;
const IE: u32 = 0x410;
const RIS: u32 = 0x414;
const MIS: u32 = 0x418;
const IC: u32 = 0x41C;
const AFSEL: u32 = 0x420;

static REGISTERS: &[Register] = &[
    Register::rw(ALL_PINS, "GPIODATA", 0),
    Register::rw(DIR, "GPIODIR", 0),
    Register::rw(IS, "GPIOIS", 0),
    Register::rw(IBE, "GPIOIBE", 0),
    Register::rw(IEV, "GPIOIEV", 0),
    Register::rw(IE, "GPIOIE", 0),
    Register::ro(RIS, "GPIORIS", 0),
    Register::ro(MIS, "GPIOMIS", 0),
    Register::wo(IC, "GPIOIC"),
    Register::rw(AFSEL, "GPIOAFSEL", 0),
    Register::ro(0xFE0, "GPIOPeriphID0", 0x61),
    Register::ro(0xFE4, "GPIOPeriphID1", 0x10),
    Register::ro(0xFE8, "GPIOPeriphID2", 0x04),
    Register::ro(0xFEC, "GPIOPeriphID3", 0x00),
    Register::ro(0xFF0, "GPIOPCellID0", 0x0D),
    Register::ro(0xFF4, "GPIOPCellID1", 0xF0),
    Register::ro(0xFF8, "GPIOPCellID2", 0x05),
    Register::ro(0xFFC, "GPIOPCellID3", 0xB1),
];

/// The block.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pl061 {
    /// What is driven where a pin is an output.
    data: u32,
    /// Levels that come from outside.
    inputs: u32,
    direction: u32,
    level_sensitive: u32,
    both_edges: u32,
    event: u32,
    enable: u32,
    alternate: u32,
    edges: u32,
    lines: Lines,
    told: Told,
}

impl Pl061 {
    fn pins(&self) -> u32 {
        self.data & self.direction | self.inputs & !self.direction
    }

    fn raw(&self) -> u32 {
        let levels = !(self.pins() ^ self.event) & self.level_sensitive & !self.direction;
        (levels | self.edges & !self.level_sensitive) & 0xFF
    }

    fn settle(&mut self, before: u32, cx: &mut Cx<'_>) {
        let changed = (before ^ self.pins()) & !self.level_sensitive & !self.direction;
        let wanted = !(self.pins() ^ self.event) | self.both_edges;
        self.edges |= changed & wanted & 0xFF;
        let interrupt = self.raw() & self.enable != 0;
        self.lines.drive(u64::from(self.data & self.direction | u32::from(interrupt) << 8), 9, cx);
    }
}

impl Words for Pl061 {
    fn look(&self, offset: u32, _: Time) -> u32 {
        match offset {
            DIR => self.direction,
            IS => self.level_sensitive,
            IBE => self.both_edges,
            IEV => self.event,
            IE => self.enable,
            RIS => self.raw(),
            MIS => self.raw() & self.enable,
            AFSEL => self.alternate,
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let (before, value) = (self.pins(), value & 0xFF);
        match offset {
            DIR => self.direction = value,
            IS => self.level_sensitive = value,
            IBE => self.both_edges = value,
            IEV => self.event = value,
            IE => self.enable = value,
            IC => self.edges &= !value,
            AFSEL => self.alternate = value,
            _ => {}
        }
        self.settle(before, cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

impl Peripheral for Pl061 {
    fn registers(&self) -> &'static [Register] {
        REGISTERS
    }
    fn read(&mut self, offset: u32, width: Width, cx: &mut Cx<'_>) -> Result<u32, BusError> {
        if offset < DATA_END {
            return Ok(block::pick(self.pins() & offset >> 2, offset, width));
        }
        Ok(block::read(self, REGISTERS, offset, width, cx))
    }
    fn write(&mut self, offset: u32, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        if offset < DATA_END {
            let (before, mask) = (self.pins(), offset >> 2 & 0xFF & self.direction);
            self.data = self.data & !mask | block::place(value, offset, width) & mask;
            self.settle(before, cx);
        } else {
            block::write(self, REGISTERS, offset, width, value, cx);
        }
        Ok(())
    }
    fn peek(&self, offset: u32, now: Time) -> Option<u32> {
        if offset < DATA_END {
            return Some(self.pins() & offset >> 2);
        }
        block::peek(self, REGISTERS, offset, now)
    }
}

impl Component for Pl061 {
    fn lines(&self) -> &'static [&'static str] {
        &["out0", "out1", "out2", "out3", "out4", "out5", "out6", "out7", "irq"]
    }
    fn pins(&self) -> &'static [&'static str] {
        &["in0", "in1", "in2", "in3", "in4", "in5", "in6", "in7"]
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        *self = Self { inputs: self.inputs, ..Self::default() };
        self.settle(self.inputs, cx);
    }
    fn input(&mut self, pin: u16, level: bool, cx: &mut Cx<'_>) {
        let before = Self::pins(self);
        self.inputs = self.inputs & !(1 << (pin & 7)) | u32::from(level) << (pin & 7);
        self.settle(before, cx);
    }
}

impl Model for Pl061 {
    const KIND: &'static str = "arm-pl061";
    const DOC: &'static str = "PrimeCell PL061 GPIO: eight pins, interrupts by level or edge.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn the_address_masks_the_pins() {
        let mut rig = Rig::new(Pl061::new(NoConfig {}));
        rig.write(DIR, 0x0F);
        rig.write(0x3FC, 0xFF);
        assert_eq!(rig.read(0x3FC), 0x0F);
        rig.write(0x01 << 2, 0);
        assert_eq!(rig.read(0x3FC), 0x0E);
        assert_eq!(rig.read(0x06 << 2), 0x06);
        assert!(!rig.line("out0") && rig.line("out1"));
    }

    #[test]
    fn edges_and_levels_interrupt() {
        let mut rig = Rig::new(Pl061::new(NoConfig {}));
        rig.write(IE, 0x03);
        rig.write(IS, 0x02);
        rig.write(IEV, 0x03);
        rig.with(|gpio, cx| gpio.input(0, true, cx));
        assert!(rig.line("irq"));
        assert_eq!(rig.read(MIS), 1);
        rig.write(IC, 1);
        assert!(!rig.line("irq"));
        rig.with(|gpio, cx| gpio.input(0, false, cx));
        assert!(!rig.line("irq"), "the other edge is not wanted");
        rig.with(|gpio, cx| gpio.input(1, true, cx));
        rig.write(IC, 2);
        assert!(rig.line("irq"), "a level stays");
        rig.with(|gpio, cx| gpio.input(1, false, cx));
        assert!(!rig.line("irq"));
    }
}
