//! CMSDK AHB GPIO (DDI 0479, "AHB general purpose I/O"): 16 pins, masked access, an interrupt per pin.

use std::collections::BTreeMap;

use consort_core::component::{Component, Coverage, Cx, Model, Peripheral, Register};
use consort_core::wire::{Drive, Signal};
use consort_core::{BusError, Time, Width};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words};

const DATA: u32 = 0x00;
const DATAOUT: u32 = 0x04;
const OUTENSET: u32 = 0x10;
const OUTENCLR: u32 = 0x14;
const ALTFUNCSET: u32 = 0x18;
const ALTFUNCCLR: u32 = 0x1C;
const INTENSET: u32 = 0x20;
const INTENCLR: u32 = 0x24;
const INTTYPESET: u32 = 0x28;
const INTTYPECLR: u32 = 0x2C;
const INTPOLSET: u32 = 0x30;
const INTPOLCLR: u32 = 0x34;
const INTSTATUS: u32 = 0x38;
const MASKLOWBYTE: u32 = 0x400;
const MASKHIGHBYTE: u32 = 0x800;
const MASKED_END: u32 = 0xC00;

const PINS: u32 = 0xFFFF;

/// The 256 words of each masked area appear as one entry: bits 9:2 of the address are the mask.
static REGISTERS: &[Register] = &block::join::<15, 12, 27>(
    [
        Register::rw(DATA, "DATA", 0),
        Register::rw(DATAOUT, "DATAOUT", 0),
        Register::rw(OUTENSET, "OUTENSET", 0),
        Register::rw(OUTENCLR, "OUTENCLR", 0),
        Register::rw(ALTFUNCSET, "ALTFUNCSET", 0).coverage(Coverage::Stub),
        Register::rw(ALTFUNCCLR, "ALTFUNCCLR", 0).coverage(Coverage::Stub),
        Register::rw(INTENSET, "INTENSET", 0),
        Register::rw(INTENCLR, "INTENCLR", 0),
        Register::rw(INTTYPESET, "INTTYPESET", 0),
        Register::rw(INTTYPECLR, "INTTYPECLR", 0),
        Register::rw(INTPOLSET, "INTPOLSET", 0),
        Register::rw(INTPOLCLR, "INTPOLCLR", 0),
        Register::rw(INTSTATUS, "INTSTATUS", 0),
        Register::rw(MASKLOWBYTE, "MASKLOWBYTE", 0),
        Register::rw(MASKHIGHBYTE, "MASKHIGHBYTE", 0),
    ],
    block::cmsdk_ids(0x20),
);

/// What a board says about a CMSDK GPIO.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The pins that have their alternate function after reset, one bit each.
    #[serde(default)]
    alternate: u16,
    /// The levels of input pins that nothing drives (pull-ups), one bit each.
    #[serde(default)]
    pulls: u16,
}

/// The GPIO. A pin whose output is enabled reads back its own level; `out` lines are low while it is not.
/// Alternate functions are remembered only: what they connect is fixed by the board file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CmsdkGpio {
    alternate_reset: u32,
    /// Levels of pins that nothing drives.
    pulls: u32,
    /// Levels from outside.
    external: u32,
    /// What the other ends of wires do to pins, by (pin, end).
    heard: BTreeMap<(u16, u8), Drive>,
    /// Outputs and their levels as the other ends know them.
    shown: (u32, u32),
    out: u32,
    out_enable: u32,
    alternate: u32,
    interrupt_enable: u32,
    /// 1 = edge, 0 = level.
    interrupt_type: u32,
    /// 1 = high or rising, 0 = low or falling.
    interrupt_polarity: u32,
    interrupt_status: u32,
    /// The levels at the last look, for edges.
    last: u32,
    lines: Lines,
    told: Told,
}

impl CmsdkGpio {
    fn levels(&self) -> u32 {
        (self.out & self.out_enable) | (self.external & !self.out_enable)
    }

    /// Lets levels and edges set interrupts, and drives the lines.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let levels = self.levels();
        let active = !(levels ^ self.interrupt_polarity); // at the level that matters
        let changed = levels ^ self.last;
        let raised = active & (!self.interrupt_type | changed);
        self.interrupt_status |= raised & self.interrupt_enable & PINS;
        self.last = levels;
        self.tell(cx);
        let status = u64::from(self.interrupt_status);
        let driven = u64::from(self.out & self.out_enable);
        self.lines.drive(u64::from(status != 0) | status << 1 | driven << 17, 33, cx);
    }

    /// Tells the other ends of wires which pins are driven, and how.
    fn tell(&mut self, cx: &mut Cx<'_>) {
        let now = (self.out_enable, self.out & self.out_enable);
        let changed = (now.0 ^ self.shown.0) | (now.1 ^ self.shown.1);
        self.shown = now;
        for pin in (0..16).filter(|pin| changed >> pin & 1 != 0) {
            if cx.wire(pin).is_some() {
                let driven = (now.0 >> pin & 1 != 0).then_some(now.1 >> pin & 1 != 0);
                cx.signal(pin, Signal::Drive(Drive { driven, pull: None }));
            }
        }
    }

    /// The level that the other ends of a pin's wire give it; low wins.
    fn level_of_wire(&self, pin: u16) -> bool {
        let ends = self.heard.range((pin, 0)..=(pin, u8::MAX)).map(|(_, drive)| drive);
        let all_high = |levels: &mut dyn Iterator<Item = bool>| levels.reduce(|a, b| a && b);
        let driven = all_high(&mut ends.clone().filter_map(|drive| drive.driven));
        let pulled = all_high(&mut ends.filter_map(|drive| drive.pull));
        driven.or(pulled).unwrap_or(self.pulls >> pin & 1 != 0)
    }

    /// The register an offset stands for, and the mask of a masked access.
    fn decode(offset: u32) -> (u32, u32) {
        match offset & !3 {
            word @ MASKLOWBYTE..MASKHIGHBYTE => (MASKLOWBYTE, word >> 2 & 0xFF),
            word @ MASKHIGHBYTE..MASKED_END => (MASKHIGHBYTE, (word >> 2 & 0xFF) << 8),
            word => (word, PINS),
        }
    }
}

impl Words for CmsdkGpio {
    fn look(&self, offset: u32, _: Time) -> u32 {
        match offset {
            DATA => self.levels(),
            DATAOUT => self.out,
            OUTENSET | OUTENCLR => self.out_enable,
            ALTFUNCSET | ALTFUNCCLR => self.alternate,
            INTENSET | INTENCLR => self.interrupt_enable,
            INTTYPESET | INTTYPECLR => self.interrupt_type,
            INTPOLSET | INTPOLCLR => self.interrupt_polarity,
            INTSTATUS => self.interrupt_status,
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let value = value & PINS;
        match offset {
            DATA | DATAOUT => self.out = value,
            OUTENSET => self.out_enable |= value,
            OUTENCLR => self.out_enable &= !value,
            ALTFUNCSET => self.alternate |= value,
            ALTFUNCCLR => self.alternate &= !value,
            INTENSET => self.interrupt_enable |= value,
            INTENCLR => self.interrupt_enable &= !value,
            INTTYPESET => self.interrupt_type |= value,
            INTTYPECLR => self.interrupt_type &= !value,
            INTPOLSET => self.interrupt_polarity |= value,
            INTPOLCLR => self.interrupt_polarity &= !value,
            INTSTATUS => self.interrupt_status &= !value,
            _ => {}
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

impl Peripheral for CmsdkGpio {
    fn registers(&self) -> &'static [Register] {
        REGISTERS
    }
    fn read(&mut self, offset: u32, width: Width, cx: &mut Cx<'_>) -> Result<u32, BusError> {
        Ok(match Self::decode(offset) {
            (MASKLOWBYTE | MASKHIGHBYTE, mask) => block::pick(self.levels() & mask, offset, width),
            _ => block::read(self, REGISTERS, offset, width, cx),
        })
    }
    fn write(&mut self, offset: u32, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        let lanes = block::place(u32::MAX, offset, width);
        let word = block::place(value, offset, width);
        match Self::decode(offset) {
            (DATA | DATAOUT | MASKLOWBYTE | MASKHIGHBYTE, mask) => {
                let mask = mask & lanes;
                self.store(DATAOUT, (self.out & !mask) | (word & mask), cx);
            }
            _ => block::write(self, REGISTERS, offset, width, value, cx),
        }
        Ok(())
    }
    fn peek(&self, offset: u32, now: Time) -> Option<u32> {
        match Self::decode(offset) {
            (MASKLOWBYTE | MASKHIGHBYTE, mask) => Some(self.levels() & mask),
            _ => block::peek(self, REGISTERS, offset, now),
        }
    }
}

impl Component for CmsdkGpio {
    fn lines(&self) -> &'static [&'static str] {
        &[
            "irq", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13",
            "p14", "p15", "out0", "out1", "out2", "out3", "out4", "out5", "out6", "out7", "out8", "out9",
            "out10", "out11", "out12", "out13", "out14", "out15",
        ]
    }
    fn pins(&self) -> &'static [&'static str] {
        &[
            "in0", "in1", "in2", "in3", "in4", "in5", "in6", "in7", "in8", "in9", "in10", "in11", "in12",
            "in13", "in14", "in15",
        ]
    }
    fn wire_pins(&self) -> &'static [&'static str] {
        &[
            "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14",
            "p15",
        ]
    }
    fn hear(&mut self, pin: u16, from: u8, signal: Signal, cx: &mut Cx<'_>) {
        if let Signal::Drive(drive) = signal {
            self.heard.insert((pin, from), drive);
            self.input(pin, self.level_of_wire(pin), cx);
        }
    }
    fn power_off(&mut self, cx: &mut Cx<'_>) {
        (self.out, self.out_enable) = (0, 0);
        self.tell(cx);
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        let (external, heard, shown) = (self.external, std::mem::take(&mut self.heard), self.shown);
        let config = Config { alternate: self.alternate_reset as u16, pulls: self.pulls as u16 };
        *self = Self { external, last: external, heard, shown, ..Self::new(config) };
        self.tell(cx);
    }
    fn input(&mut self, pin: u16, level: bool, cx: &mut Cx<'_>) {
        let bit = 1_u32.checked_shl(pin.into()).unwrap_or(0) & PINS;
        self.external = if level { self.external | bit } else { self.external & !bit };
        self.settle(cx);
    }
}

impl Model for CmsdkGpio {
    const KIND: &'static str = "arm-cmsdk-gpio";
    const DOC: &'static str = "CMSDK AHB GPIO: 16 pins, each with an interrupt.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            alternate_reset: config.alternate.into(),
            pulls: config.pulls.into(),
            external: config.pulls.into(),
            heard: BTreeMap::new(),
            shown: (0, 0),
            out: 0,
            out_enable: 0,
            alternate: config.alternate.into(),
            interrupt_enable: 0,
            interrupt_type: 0,
            interrupt_polarity: 0,
            interrupt_status: 0,
            last: config.pulls.into(),
            lines: Lines::default(),
            told: Told::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::state::State as _;
    use consort_core::testing::Rig;

    fn rig() -> Rig<CmsdkGpio> {
        Rig::new(CmsdkGpio::new(Config::default()))
    }

    #[test]
    fn outputs_reach_their_lines_only_when_enabled() {
        let mut rig = rig();
        rig.write(DATAOUT, 0b101);
        assert!(!rig.line("out0"));
        assert_eq!(rig.read(DATA), 0, "DATA reads the pins");
        rig.write(OUTENSET, 0b001);
        assert!(rig.line("out0") && !rig.line("out2"));
        assert_eq!((rig.read(DATA), rig.read(DATAOUT)), (1, 5));
        rig.input(2, true);
        assert_eq!(rig.read(DATA), 0b101);
        rig.write(OUTENCLR, 1);
        assert!(!rig.line("out0"));
    }

    #[test]
    fn masked_access_touches_only_the_masked_pins() {
        let mut rig = rig();
        rig.write(OUTENSET, 0xFFFF);
        rig.write(DATAOUT, 0xAAAA);
        rig.write(MASKLOWBYTE + 4 * 0x0F, 0x55);
        assert_eq!(rig.read(DATAOUT), 0xAAA5);
        rig.write(MASKHIGHBYTE + 4 * 0xF0, 0x5555);
        assert_eq!(rig.read(DATAOUT), 0x5AA5);
        assert_eq!(rig.read(MASKLOWBYTE + 4 * 0xF0), 0xA0);
        assert_eq!(rig.read(MASKHIGHBYTE + 4 * 0x0F), 0x0A00);
        rig.try_write(DATAOUT + 1, Width::Byte, 0x11).unwrap();
        assert_eq!(rig.read(DATAOUT), 0x11A5, "byte strobes");
    }

    #[test]
    fn edges_are_latched_until_cleared() {
        let mut rig = rig();
        rig.write(INTTYPESET, 0b11);
        rig.write(INTPOLSET, 0b01);
        rig.write(INTENSET, 0b11);
        rig.input(0, true);
        assert!(rig.line("irq") && rig.line("p0"));
        rig.input(0, false);
        assert_eq!(rig.read(INTSTATUS), 1);
        rig.write(INTSTATUS, 1);
        assert!(!rig.line("irq"));
        rig.input(1, true);
        assert!(!rig.line("p1"));
        rig.input(1, false);
        assert!(rig.line("p1") && !rig.line("p0"));
    }

    #[test]
    fn a_level_interrupt_returns_while_the_level_lasts() {
        let mut rig = rig();
        rig.write(INTPOLSET, 8);
        rig.write(INTENSET, 8);
        rig.input(3, true);
        rig.write(INTSTATUS, 8);
        assert!(rig.line("p3"));
        rig.input(3, false);
        assert!(rig.line("p3"), "the status is latched");
        rig.write(INTSTATUS, 8);
        assert!(!rig.line("p3"));
        rig.write(INTPOLCLR, 8);
        assert!(rig.line("irq"), "now low is the level that matters");
    }

    #[test]
    fn an_output_can_interrupt_itself() {
        let mut rig = rig();
        rig.write(INTTYPESET, 1);
        rig.write(INTPOLSET, 1);
        rig.write(INTENSET, 1);
        rig.write(OUTENSET, 1);
        rig.write(DATAOUT, 1);
        assert!(rig.line("p0"));
    }

    #[test]
    fn a_saved_gpio_goes_on_as_if_never_stopped() {
        let mut straight = rig();
        straight.write(INTTYPESET, 1);
        straight.write(INTENSET, 1);
        straight.input(0, true);
        let mut other = rig();
        other.component.restore(&straight.component.save().unwrap()).unwrap();
        other.input(0, false);
        assert!(other.line("p0"), "the falling edge is seen across the restore");
    }
}
