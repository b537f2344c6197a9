//! COMP and LPCOMP: comparators on the analog inputs.
//!
//! nRF51 Reference Manual v3.0, "LPCOMP"; nRF52832 PS v1.4, "COMP" and "LPCOMP".

use consort_core::Time;
use consort_core::component::{Channel, NoConfig, Register, SetError, Value};
use serde::{Deserialize, Serialize};

use super::adc::Inputs;
use super::block::{Io, Logic, NRF51_POWER, Spec, erratum, event, f, short, stub, task};
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
const MODE: u32 = 0x534;
const HYST: u32 = 0x538;
/// MODE.MAIN: differential.
const DIFFERENTIAL: u32 = 1 << 8;

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
            Register::rw(REFSEL, "REFSEL", 4).fields(&[f("REFSEL", 0, 4)]),
            Register::rw(EXTREFSEL, "EXTREFSEL", 0).fields(&[f("EXTREFSEL", 0, 3)]),
            Register::rw(ANADETECT, "ANADETECT", 0).fields(&[f("ANADETECT", 0, 2)]),
            Register::rw(TH, "TH", 0).fields(&[f("THDOWN", 0, 6), f("THUP", 8, 6)]),
            Register::rw(MODE, "MODE", 0).fields(&[f("SP", 0, 2), f("MAIN", 8, 1)]),
            Register::rw(HYST, "HYST", 0).fields(&[f("HYST", 0, 1)]),
            stub(0x53C, "ISOURCE", 0),
            erratum(0x540, "ERRATUM_12", 0),
        ],
        NRF51_POWER,
    ],
);

/// COMP when ENABLE is 2, LPCOMP when it is 1. Channels `ain0` to `ain7`, `vdd`.
///
/// The propagation delay of at most 0.6 us, which MODE.SP selects, is not modelled.
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
        let external = self.inputs.pins[(io.reg(EXTREFSEL) & 7) as usize];
        // PS "COMP", "LPCOMP", HYST: 50 mV, half of it on either side.
        let half = if io.reg(HYST) & 1 != 0 { 25_000 } else { 0 };
        if io.reg(ENABLE) == 2 {
            // PS "COMP", Differential mode: VIN- is the pin that EXTREFSEL names.
            if io.reg(MODE) & DIFFERENTIAL != 0 {
                return (external - half, external + half);
            }
            // PS "COMP", Single-ended mode: VREF from REFSEL; V(UP) = VREF * (THUP + 1) / 64.
            let reference = match select & 7 {
                0 => 1_200_000,
                1 => 1_800_000,
                2 => 2_400_000,
                4 => self.inputs.vdd,
                _ => external,
            };
            let th = io.reg(TH);
            let part = |bits: u32| reference * (i64::from(bits & 0x3F) + 1) / 64;
            return (part(th), part(th >> 8));
        }
        // PS "LPCOMP", REFSEL: eighths of the supply, AREF, sixteenths.
        let level = match select & 15 {
            eighths @ 0..=6 => self.inputs.vdd * (i64::from(eighths) + 1) / 8,
            // AREF: AIN0 or AIN1.
            7 => self.inputs.pins[(io.reg(EXTREFSEL) & 1) as usize],
            odd => self.inputs.vdd * (2 * (i64::from(odd) - 8) + 1) / 16,
        };
        (level - half, level + half)
    }

    /// PS "LPCOMP", Electrical specification: t_LPCSTARTUP; "COMP", Electrical specification: t_START, after
    /// t_INT_REF,START where the internal reference is to start.
    fn start_up(io: &Io<'_, '_>) -> Time {
        let internal = io.reg(MODE) & DIFFERENTIAL == 0 && io.reg(REFSEL) & 7 < 3;
        match (io.reg(ENABLE), internal) {
            (2, false) => Time::from_us(3),
            (2, true) => Time::from_us(53),
            _ => Time::from_us(140),
        }
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
            START if io.reg(ENABLE) != 0 => self.ready = io.now() + Self::start_up(io),
            STOP => (self.ready, self.running) = (Time::MAX, false),
            SAMPLE if self.running => {
                self.compare(false, io);
                io.set(RESULT, u32::from(self.above));
            }
            _ => {}
        }
    }

    fn write(&mut self, offset: u32, _: u32, _: u32, io: &mut Io<'_, '_>) {
        if matches!(offset, PSEL | REFSEL | EXTREFSEL | TH | MODE | HYST) {
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

    fn set(rig: &mut Rig<Block<Comp>>, channel: &str, volts: f64) {
        rig.with(|comp, cx| comp.set(channel, &Value::Number(volts), cx)).unwrap();
    }

    #[test]
    fn hysteresis_keeps_the_result_within_25_mv_of_the_level() {
        // PS "LPCOMP", HYST.
        let mut rig = Rig::new(Block::<Comp>::new(NoConfig {}));
        rig.write(ENABLE, 1);
        rig.write(REFSEL, 3); // half of 3 V
        rig.write(HYST, 1);
        rig.write(START, 1);
        rig.run_for(Time::from_us(140));
        for (volts, up, down) in [(1.52, 0, 0), (1.53, 1, 0), (1.48, 0, 0), (1.47, 0, 1), (1.52, 0, 0)] {
            rig.write(UP, 0);
            rig.write(DOWN, 0);
            set(&mut rig, "ain0", volts);
            assert_eq!((rig.read(UP), rig.read(DOWN)), (up, down), "{volts}");
        }
    }

    #[test]
    fn the_differential_mode_compares_two_pins() {
        // PS "COMP", Differential mode, MODE.MAIN; READY after t_START.
        let mut rig = Rig::new(Block::<Comp>::new(NoConfig {}));
        rig.write(ENABLE, 2);
        rig.write(MODE, DIFFERENTIAL);
        rig.write(PSEL, 3);
        rig.write(EXTREFSEL, 5);
        set(&mut rig, "ain5", 0.7);
        rig.write(START, 1);
        rig.run_for(Time::from_us(3));
        assert_eq!(rig.read(READY), 1);
        set(&mut rig, "ain3", 0.71);
        assert_eq!((rig.read(UP), rig.read(DOWN)), (1, 0));
        set(&mut rig, "ain5", 0.72);
        assert_eq!(rig.read(DOWN), 1);
    }

    #[test]
    fn single_ended_thresholds_are_64ths_of_the_reference() {
        // PS "COMP", Single-ended mode: V(UP) = VREF * (THUP + 1) / 64; the internal reference takes time to
        // start.
        let mut rig = Rig::new(Block::<Comp>::new(NoConfig {}));
        rig.write(ENABLE, 2);
        rig.write(REFSEL, 0); // 1.2 V
        rig.write(TH, 47 << 8 | 15); // 0.9 V, 0.3 V
        rig.write(START, 1);
        rig.run_for(Time::from_us(52));
        assert_eq!(rig.read(READY), 0);
        rig.run_for(Time::from_us(1));
        assert_eq!(rig.read(READY), 1);
        for (volts, up, down) in [(0.89, 0, 0), (0.91, 1, 0), (0.31, 0, 0), (0.29, 0, 1)] {
            rig.write(UP, 0);
            rig.write(DOWN, 0);
            set(&mut rig, "ain0", volts);
            assert_eq!((rig.read(UP), rig.read(DOWN)), (up, down), "{volts}");
        }
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
