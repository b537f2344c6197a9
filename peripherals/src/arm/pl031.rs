//! Arm PrimeCell PL031 real-time clock (DDI 0224): seconds of virtual time since a date that the board states.

use consort_core::Time;
use consort_core::component::{Component, Cx, Model, Register};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words, word_registers};

const DR: u32 = 0x00;
const MR: u32 = 0x04;
const LR: u32 = 0x08;
const CR: u32 = 0x0C;
const IMSC: u32 = 0x10;
const RIS: u32 = 0x14;
const MIS: u32 = 0x18;
const ICR: u32 = 0x1C;

static REGISTERS: &[Register] = &[
    Register::ro(DR, "RTCDR", 0),
    Register::rw(MR, "RTCMR", 0),
    Register::rw(LR, "RTCLR", 0),
    Register::rw(CR, "RTCCR", 1),
    Register::rw(IMSC, "RTCIMSC", 0),
    Register::ro(RIS, "RTCRIS", 0),
    Register::ro(MIS, "RTCMIS", 0),
    Register::wo(ICR, "RTCICR"),
    Register::ro(0xFE0, "RTCPeriphID0", 0x31),
    Register::ro(0xFE4, "RTCPeriphID1", 0x10),
    Register::ro(0xFE8, "RTCPeriphID2", 0x14),
    Register::ro(0xFEC, "RTCPeriphID3", 0x00),
    Register::ro(0xFF0, "RTCPCellID0", 0x0D),
    Register::ro(0xFF4, "RTCPCellID1", 0xF0),
    Register::ro(0xFF8, "RTCPCellID2", 0x05),
    Register::ro(0xFFC, "RTCPCellID3", 0xB1),
];

/// 2020-01-01 00:00:00 UTC.
const USUAL_START: u32 = 1_577_836_800;

fn usual_start() -> u32 {
    USUAL_START
}

/// What a board says about a PL031.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The clock's seconds at the beginning of virtual time; 2020-01-01 00:00:00 UTC of Unix time when absent.
    #[serde(default = "usual_start")]
    start: u32,
}

/// The clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pl031 {
    config: Config,
    /// What is added to the seconds since the beginning.
    offset: u32,
    alarm: u32,
    load: u32,
    mask: bool,
    raw: bool,
    lines: Lines,
    told: Told,
}

/// Whole seconds since the beginning.
fn seconds(now: Time) -> u64 {
    now.as_ps() / Time::from_secs(1).as_ps()
}

impl Pl031 {
    fn count(&self, now: Time) -> u32 {
        (seconds(now) as u32).wrapping_add(self.offset)
    }

    /// Drives the line, and asks to be woken when the count will be the alarm.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        self.lines.drive((self.raw && self.mask).into(), 1, cx);
        let ahead = self.alarm.wrapping_sub(self.count(cx.now()));
        if ahead == 0 {
            cx.no_wake();
        } else {
            cx.wake_at(Time::from_secs(seconds(cx.now()) + u64::from(ahead)));
        }
    }
}

impl Words for Pl031 {
    fn look(&self, offset: u32, now: Time) -> u32 {
        match offset {
            DR => self.count(now),
            MR => self.alarm,
            LR => self.load,
            CR => 1,
            IMSC => self.mask.into(),
            RIS => self.raw.into(),
            MIS => (self.raw && self.mask).into(),
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        match offset {
            MR => self.alarm = value,
            LR => {
                self.load = value;
                self.offset = value.wrapping_sub(seconds(cx.now()) as u32);
            }
            IMSC => self.mask = value & 1 != 0,
            ICR if value & 1 != 0 => self.raw = false,
            _ => {}
        }
        if matches!(offset, MR | LR) && self.alarm == self.count(cx.now()) {
            self.raw = true;
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(Pl031, REGISTERS);

impl Component for Pl031 {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        // The time survives: a battery keeps it.
        (self.mask, self.raw) = (false, false);
        self.lines = Lines::default();
        self.settle(cx);
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        if self.count(cx.now()) == self.alarm {
            self.raw = true;
        }
        self.settle(cx);
    }
}

impl Model for Pl031 {
    const KIND: &'static str = "arm-pl031";
    const DOC: &'static str = "PrimeCell PL031 real-time clock, in virtual time.";
    type Config = Config;

    fn new(config: Config) -> Self {
        let offset = config.start;
        Self {
            config,
            offset,
            alarm: 0,
            load: 0,
            mask: false,
            raw: false,
            lines: Lines::default(),
            told: Told::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn it_counts_virtual_seconds_and_alarms() {
        let mut rig = Rig::new(Pl031::new(Config { start: 1000 }));
        assert_eq!(rig.read(DR), 1000);
        rig.run_until(Time::from_ms(2500));
        assert_eq!(rig.read(DR), 1002);
        rig.write(IMSC, 1);
        rig.write(MR, 1005);
        rig.run_until(Time::from_ms(4999));
        assert!(!rig.line("irq"));
        rig.run_until(Time::from_ms(5000));
        assert!(rig.line("irq"));
        rig.write(ICR, 1);
        assert!(!rig.line("irq"));
        rig.write(LR, 50);
        rig.run_until(Time::from_ms(6000));
        assert_eq!((rig.read(DR), rig.read(LR)), (51, 50));
    }
}
