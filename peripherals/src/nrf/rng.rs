//! RNG: random bytes, one at a time.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "RNG".

use consort_core::Time;
use consort_core::component::Register;
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, NRF51_POWER, Series, SeriesConfig, Spec, event, f, short, task};

const START: u32 = 0x000;
const STOP: u32 = 0x004;
const VALRDY: u32 = 0x100;
const CONFIG: u32 = 0x504;
const VALUE: u32 = 0x508;

const TASKS: &[Register] = &[task(START, "TASKS_START"), task(STOP, "TASKS_STOP")];
const REGISTERS: &[Register] = &[
    Register::rw(CONFIG, "CONFIG", 0).fields(&[f("DERCEN", 0, 1)]),
    Register::ro(VALUE, "VALUE", 0).fields(&[f("VALUE", 0, 8)]),
];

static SPEC51: Spec = Spec::new(
    &[TASKS],
    &[&[event(VALRDY, "EVENTS_VALRDY", 0)]],
    &[short(0, VALRDY, STOP)],
    &[REGISTERS, NRF51_POWER],
);
static SPEC52: Spec =
    Spec::new(&[TASKS], &[&[event(VALRDY, "EVENTS_VALRDY", 0)]], &[short(0, VALRDY, STOP)], &[REGISTERS]);

/// RNG. While VALRDY stands uncleared and interrupts nobody, it rests: the next value comes one period
/// after the event is cleared or VALUE is read. So PPI sees only the first VALRDY of a row nobody takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rng {
    series: Series,
    running: bool,
    next: Time,
}

impl Rng {
    /// PS "RNG", Electrical specification: t_RNG,RAW and t_RNG,BC.
    fn period(&self, io: &Io<'_, '_>) -> Time {
        Time::from_us(match (self.series, io.reg(CONFIG) & 1) {
            (Series::Nrf51, 0) => 167,
            (Series::Nrf51, _) => 677,
            (Series::Nrf52, 0) => 30,
            (Series::Nrf52, _) => 120,
        })
    }

    fn go_on(&mut self, io: &Io<'_, '_>) {
        if self.running && self.next == Time::MAX {
            self.next = io.now() + self.period(io);
        }
    }
}

impl Logic for Rng {
    const KIND: &'static str = "nordic-rng";
    const DOC: &'static str = "The random number generator; its bytes follow from the fleet's seed.";
    type Config = SeriesConfig;

    fn new(config: SeriesConfig) -> Self {
        Self { series: config.series, running: false, next: Time::MAX }
    }

    fn spec(&self) -> &'static Spec {
        match self.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        (self.running, self.next) = (false, Time::MAX);
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        self.running = task == START;
        self.next = Time::MAX;
        self.go_on(io);
    }

    fn read(&mut self, offset: u32, io: &mut Io<'_, '_>) {
        if offset == VALUE {
            self.go_on(io);
        }
    }

    fn interrupts_changed(&mut self, io: &mut Io<'_, '_>) {
        self.go_on(io);
    }

    fn deadline(&self) -> Time {
        self.next
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        let waiting = io.raised(VALRDY);
        let byte = io.cx.rng().next_u32() & 0xFF;
        io.set(VALUE, byte);
        self.next = Time::MAX;
        io.raise(VALRDY);
        if !waiting {
            self.go_on(io);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::{Block, SHORTS};
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    #[test]
    fn values_come_in_their_period_until_stopped() {
        // PS "RNG", Speed: VALRDY in the period of a byte.
        let mut rig = Rig::new(Block::<Rng>::new(SeriesConfig::default()));
        rig.write(START, 1);
        let mut values = Vec::new();
        for _ in 0..64 {
            rig.run_for(Time::from_us(30));
            assert_eq!(rig.read(VALRDY), 1);
            rig.write(VALRDY, 0);
            values.push(rig.read(VALUE));
        }
        values.sort_unstable();
        values.dedup();
        assert!(values.len() > 40, "64 bytes are nearly all different");
        rig.write(STOP, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.read(VALRDY), 0);
    }

    #[test]
    fn the_short_stops_after_one() {
        // PS "RNG": VALRDY_STOP.
        let mut rig = Rig::new(Block::<Rng>::new(SeriesConfig::default()));
        rig.write(SHORTS, 1);
        rig.write(CONFIG, 1);
        rig.write(START, 1);
        rig.run_for(Time::from_us(119));
        assert_eq!(rig.read(VALRDY), 0);
        rig.run_for(Time::from_us(1));
        rig.write(VALRDY, 0);
        rig.run_for(Time::from_ms(10));
        assert_eq!(rig.read(VALRDY), 0);
    }

    #[test]
    fn it_rests_while_nobody_takes_the_value() {
        let mut rig = Rig::new(Block::<Rng>::new(SeriesConfig::default()));
        rig.write(START, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.wake, Time::MAX);
        rig.write(VALRDY, 0);
        assert!(rig.wake < Time::MAX);
    }
}
