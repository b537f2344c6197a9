//! COMP and LPCOMP: comparators on the analog inputs.
//!
//! nRF51 Reference Manual v3.0, "LPCOMP"; nRF52832 PS v1.4, "COMP" and "LPCOMP".

use consort_core::Time;
use consort_core::component::{Channel, Coverage, NoConfig, Register, SetError, Value};
use serde::{Deserialize, Serialize};

use super::adc::Inputs;
use super::block::{Io, Logic, NRF51_POWER, Spec, event, f, short, stub, task};
use super::gpio::Signal;

const START: u32 = 0x000;
const STOP: u32 = 0x004;
const SAMPLE: u32 = 0x008;
const READY: u32 = 0x100;
const DOWN: u32 = 0x104;
const UP: u32 = 0x108;
const CROSS: u32 = 0x10C;
const RESULT: u32 = 0x400;
const ENABLE: u32 = 0x500;
const PSEL: u32 = 0x504;
const REFSEL: u32 = 0x508;
const EXTREFSEL: u32 = 0x50C;
const ANADETECT: u32 = 0x520;
const TH: u32 = 0x530;

static SPEC: Spec = Spec::new(
    &[&[task(START, "TASKS_START"), task(STOP, "TASKS_STOP"), task(SAMPLE, "TASKS_SAMPLE")]],
    &[&[
        event(READY, "EVENTS_READY", 0),
        event(DOWN, "EVENTS_DOWN", 1),
        event(UP, "EVENTS_UP", 2),
        event(CROSS, "EVENTS_CROSS", 3),
    ]],
    &[
        short(0, READY, SAMPLE),
        short(1, READY, STOP),
        short(2, DOWN, STOP),
        short(3, UP, STOP),
        short(4, CROSS, STOP),
    ],
    &[
        &[
            Register::ro(RESULT, "RESULT", 0).fields(&[f("RESULT", 0, 1)]),
            Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 2)]),
            Register::rw(PSEL, "PSEL", 0).fields(&[f("PSEL", 0, 3)]),
            Register::rw(REFSEL, "REFSEL", 4).fields(&[f("REFSEL", 0, 4)]).coverage(Coverage::Partial),
            Register::rw(EXTREFSEL, "EXTREFSEL", 0).fields(&[f("EXTREFSEL", 0, 3)]),
            Register::rw(ANADETECT, "ANADETECT", 0).fields(&[f("ANADETECT", 0, 2)]),
            Register::rw(TH, "TH", 0).fields(&[f("THDOWN", 0, 6), f("THUP", 8, 6)]),
            stub(0x534, "MODE", 0),
            stub(0x538, "HYST", 0),
        ],
        NRF51_POWER,
    ],
);

/// COMP when ENABLE is 2, LPCOMP when it is 1. Channels `ain0` to `ain7`, `vdd`. Hysteresis is not modelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comp {
    inputs: Inputs,
    ready: Time,
    running: bool,
    above: bool,
}

impl Comp {
    /// Lower and upper threshold in microvolts.
    fn thresholds(&self, io: &Io<'_, '_>) -> (i64, i64) {
        let select = io.reg(REFSEL);
        if io.reg(ENABLE) == 2 {
            // PS "COMP", Single-ended mode: VREF from REFSEL; V(UP) = VREF * (THUP + 1) / 64.
            let reference = match select & 7 {
                0 => 1_200_000,
                1 => 1_800_000,
                2 => 2_400_000,
                4 => self.inputs.vdd,
                _ => self.inputs.pins[(io.reg(EXTREFSEL) & 7) as usize],
            };
            let th = io.reg(TH);
            let part = |bits: u32| reference * (i64::from(bits & 0x3F) + 1) / 64;
            return (part(th), part(th >> 8));
        }
        // PS "LPCOMP", REFSEL: eighths of the supply, AREF, sixteenths.
        let level = match select & 15 {
            eighths @ 0..=6 => self.inputs.vdd * (i64::from(eighths) + 1) / 8,
            7 => self.inputs.pins[(io.reg(EXTREFSEL) & 1) as usize],
            odd => self.inputs.vdd * (2 * (i64::from(odd) - 8) + 1) / 16,
        };
        (level, level)
    }

    fn compare(&mut self, events: bool, io: &mut Io<'_, '_>) {
        let (down, up) = self.thresholds(io);
        let input = self.inputs.pins[(io.reg(PSEL) & 7) as usize];
        let above = if self.above { input >= down } else { input > up };
        if above != self.above {
            self.above = above;
            if events && self.running {
                io.raise(if above { UP } else { DOWN });
                io.raise(CROSS);
                // PS "LPCOMP", ANADETECT: which crossing wakes the chip from System OFF.
                let wakes = match io.reg(ANADETECT) & 3 {
                    0 => true,
                    1 => above,
                    _ => !above,
                };
                if wakes && io.reg(ENABLE) == 1 {
                    Signal::AnaDetect.send(io);
                }
            }
        }
    }
}

impl Logic for Comp {
    const KIND: &'static str = "nordic-comp";
    const DOC: &'static str = "COMP and LPCOMP, which share a base; ENABLE selects.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self { inputs: Inputs::default(), ready: Time::MAX, running: false, above: false }
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn channels(&self) -> Vec<Channel> {
        Inputs::channels()
    }

    fn present(&self, channel: &str) -> Option<Value> {
        self.inputs.get(channel)
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        (self.ready, self.running, self.above) = (Time::MAX, false, false);
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        match task {
            START if io.reg(ENABLE) != 0 => self.ready = io.now() + Time::from_us(140),
            STOP => (self.ready, self.running) = (Time::MAX, false),
            SAMPLE if self.running => {
                self.compare(false, io);
                io.set(RESULT, u32::from(self.above));
            }
            _ => {}
        }
    }

    fn write(&mut self, offset: u32, _: u32, _: u32, io: &mut Io<'_, '_>) {
        if matches!(offset, PSEL | REFSEL | EXTREFSEL | TH) {
            self.compare(true, io);
        }
    }

    fn deadline(&self) -> Time {
        self.ready
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        (self.ready, self.running) = (Time::MAX, true);
        self.compare(false, io);
        io.raise(READY);
    }

    fn channel(&mut self, channel: &str, value: &Value, io: &mut Io<'_, '_>) -> Result<(), SetError> {
        self.inputs.set(channel, value)?;
        self.compare(true, io);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model};
    use consort_core::testing::Rig;

    #[test]
    fn crossing_half_the_supply_gives_up_and_down() {
        let mut rig = Rig::new(Block::<Comp>::new(NoConfig {}));
        let set = |rig: &mut Rig<Block<Comp>>, volts: f64| {
            rig.with(|comp, cx| comp.set("ain2", &Value::Number(volts), cx)).unwrap();
        };
        rig.write(ENABLE, 1);
        rig.write(PSEL, 2);
        rig.write(REFSEL, 3); // 4/8 of VDD
        rig.write(START, 1);
        rig.run_for(Time::from_us(140));
        assert_eq!(rig.read(READY), 1);
        set(&mut rig, 1.6);
        assert_eq!((rig.read(UP), rig.read(CROSS), rig.read(DOWN)), (1, 1, 0));
        rig.write(SAMPLE, 1);
        assert_eq!(rig.read(RESULT), 1);
        set(&mut rig, 1.4);
        assert_eq!(rig.read(DOWN), 1);
    }

    #[test]
    fn anadetect_chooses_the_crossing_that_wakes() {
        // PS "LPCOMP", ANADETECT.
        let mut rig = Rig::new(Block::<Comp>::new(NoConfig {}));
        rig.write(ENABLE, 1);
        rig.write(ANADETECT, 2);
        rig.write(START, 1);
        rig.run_for(Time::from_us(140));
        let mut signals = |volts: f64| {
            rig.events.clear();
            rig.with(|comp, cx| comp.set("ain0", &Value::Number(volts), cx)).unwrap();
            let at = Signal::AnaDetect.addr() as u32;
            rig.events.iter().filter(|event| **event == at).count()
        };
        assert_eq!((signals(2.9), signals(0.1)), (0, 1));
    }
}
