//! QDEC: the quadrature decoder.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "QDEC".

use consort_core::component::{NoConfig, Register};
use consort_core::{Addr, Time};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, NRF51_POWER, Spec, event, f, psel, short, task};
use super::gpio::Signal;

const START: u32 = 0x000;
const STOP: u32 = 0x004;
const READCLRACC: u32 = 0x008;
const RDCLRACC: u32 = 0x00C;
const RDCLRDBL: u32 = 0x010;
const SAMPLERDY: u32 = 0x100;
const REPORTRDY: u32 = 0x104;
const ACCOF: u32 = 0x108;
const DBLRDY: u32 = 0x10C;
const STOPPED: u32 = 0x110;
const ENABLE: u32 = 0x500;
const LEDPOL: u32 = 0x504;
const SAMPLEPER: u32 = 0x508;
const SAMPLE: u32 = 0x50C;
const REPORTPER: u32 = 0x510;
const ACC: u32 = 0x514;
const ACCREAD: u32 = 0x518;
const PSEL_LED: u32 = 0x51C;
const PSEL_A: u32 = 0x520;
const PSEL_B: u32 = 0x524;
const DBFEN: u32 = 0x528;
const LEDPRE: u32 = 0x540;
const ACCDBL: u32 = 0x544;
const ACCDBLREAD: u32 = 0x548;

static SPEC: Spec = Spec::new(
    &[&[
        task(START, "TASKS_START"),
        task(STOP, "TASKS_STOP"),
        task(READCLRACC, "TASKS_READCLRACC"),
        task(RDCLRACC, "TASKS_RDCLRACC"),
        task(RDCLRDBL, "TASKS_RDCLRDBL"),
    ]],
    &[&[
        event(SAMPLERDY, "EVENTS_SAMPLERDY", 0),
        event(REPORTRDY, "EVENTS_REPORTRDY", 1),
        event(ACCOF, "EVENTS_ACCOF", 2),
        event(DBLRDY, "EVENTS_DBLRDY", 3),
        event(STOPPED, "EVENTS_STOPPED", 4),
    ]],
    &[
        short(0, REPORTRDY, READCLRACC),
        short(1, SAMPLERDY, STOP),
        short(2, REPORTRDY, RDCLRACC),
        short(3, REPORTRDY, STOP),
        short(4, DBLRDY, RDCLRDBL),
        short(5, DBLRDY, STOP),
        short(6, SAMPLERDY, READCLRACC),
    ],
    &[
        &[
            Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 1)]),
            Register::rw(LEDPOL, "LEDPOL", 0).fields(&[f("LEDPOL", 0, 1)]),
            Register::rw(SAMPLEPER, "SAMPLEPER", 0).fields(&[f("SAMPLEPER", 0, 4)]),
            Register::ro(SAMPLE, "SAMPLE", 0),
            Register::rw(REPORTPER, "REPORTPER", 0).fields(&[f("REPORTPER", 0, 4)]),
            Register::ro(ACC, "ACC", 0),
            Register::ro(ACCREAD, "ACCREAD", 0),
            Register::rw(PSEL_LED, "PSEL.LED", u32::MAX),
            Register::rw(PSEL_A, "PSEL.A", u32::MAX),
            Register::rw(PSEL_B, "PSEL.B", u32::MAX),
            Register::rw(DBFEN, "DBFEN", 0).fields(&[f("DBFEN", 0, 1)]),
            Register::rw(LEDPRE, "LEDPRE", 0x10).fields(&[f("LEDPRE", 0, 9)]),
            Register::ro(ACCDBL, "ACCDBL", 0).fields(&[f("ACCDBL", 0, 4)]),
            Register::ro(ACCDBLREAD, "ACCDBLREAD", 0).fields(&[f("ACCDBLREAD", 0, 4)]),
        ],
        NRF51_POWER,
    ],
);

/// QDEC. Pads are heard by [`Signal`]s.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Qdec {
    levels: u64,
    last: u32,
    samples: u32,
    next: Time,
    /// When the LED goes on for the next sample.
    led: Time,
    /// When an input last changed.
    changed: Time,
    /// The pad that the LED has taken.
    lit: Option<u8>,
}

impl Qdec {
    /// PS "QDEC", SAMPLEPER: 128 us times a power of two.
    fn period(io: &Io<'_, '_>) -> Time {
        Time::from_us(128 << io.reg(SAMPLEPER).min(10))
    }

    fn phase(&self, io: &Io<'_, '_>) -> u32 {
        let level = |offset: u32| psel(io.reg(offset)).is_some_and(|pin| self.levels >> pin & 1 != 0);
        u32::from(level(PSEL_A)) << 1 | u32::from(level(PSEL_B))
    }

    /// PS "QDEC", LED output: on LEDPRE microseconds before the sample.
    fn lead(io: &Io<'_, '_>) -> Time {
        Time::from_us(u64::from(io.reg(LEDPRE)))
    }

    fn light(&mut self, on: bool, io: &mut Io<'_, '_>) {
        if let Some(pin) = self.lit {
            Signal::Take { pin, level: Some(on == (io.reg(LEDPOL) & 1 != 0)) }.send(io);
        }
    }

    fn begin(&mut self, io: &mut Io<'_, '_>) {
        self.next = io.now() + Self::period(io);
        self.led =
            if self.lit.is_some() { self.next - Self::lead(io).min(Self::period(io)) } else { Time::MAX };
    }

    fn stop(&mut self, io: &mut Io<'_, '_>) {
        (self.next, self.led) = (Time::MAX, Time::MAX);
        self.light(false, io);
        if let Some(pin) = self.lit.take() {
            Signal::Take { pin, level: None }.send(io);
        }
    }

    fn sample(&mut self, io: &mut Io<'_, '_>) {
        // PS "QDEC", Debounce filters: what changed while the LED was on is not believed yet.
        let unsteady = io.reg(DBFEN) & 1 != 0 && self.changed + Self::lead(io) > io.now();
        let now = if unsteady { self.last } else { self.phase(io) };
        // PS "QDEC", Sampling and decoding: Gray code steps; both phases at once is a double transition.
        let step: i32 = match (self.last, now) {
            (0b00, 0b01) | (0b01, 0b11) | (0b11, 0b10) | (0b10, 0b00) => -1,
            (0b00, 0b10) | (0b10, 0b11) | (0b11, 0b01) | (0b01, 0b00) => 1,
            (a, b) if a == b => 0,
            _ => 2,
        };
        self.last = now;
        io.set(SAMPLE, step as u32);
        if step == 2 {
            io.set(ACCDBL, (io.reg(ACCDBL) + 1).min(15));
        } else {
            let sum = io.reg(ACC) as i32 + step;
            if (-1024..=1023).contains(&sum) {
                io.set(ACC, sum as u32);
            } else {
                io.raise(ACCOF);
            }
        }
        io.raise(SAMPLERDY);
        self.samples += 1;
        let report = [10, 40, 80, 120, 160, 200, 240, 280, 1][io.reg(REPORTPER).min(8) as usize];
        if self.samples >= report {
            self.samples = 0;
            if io.reg(ACC) != 0 {
                io.raise(REPORTRDY);
            }
            if io.reg(ACCDBL) != 0 {
                io.raise(DBLRDY);
            }
        }
    }
}

impl Logic for Qdec {
    const KIND: &'static str = "nordic-qdec";
    const DOC: &'static str = "The quadrature decoder.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {
            levels: 0,
            last: 0,
            samples: 0,
            next: Time::MAX,
            led: Time::MAX,
            changed: Time::ZERO,
            lit: None,
        }
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn listens(&self) -> bool {
        true
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        let Self { levels, changed, .. } = *self;
        *self = Self { levels, changed, ..Self::new(NoConfig {}) };
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        match task {
            START if io.reg(ENABLE) != 0 => {
                self.last = self.phase(io);
                self.samples = 0;
                self.lit = psel(io.reg(PSEL_LED));
                self.light(false, io);
                self.begin(io);
            }
            STOP => {
                self.stop(io);
                io.raise(STOPPED);
            }
            _ => {}
        }
        if matches!(task, READCLRACC | RDCLRACC) {
            io.set(ACCREAD, io.reg(ACC));
            io.set(ACC, 0);
        }
        if matches!(task, READCLRACC | RDCLRDBL) {
            io.set(ACCDBLREAD, io.reg(ACCDBL));
            io.set(ACCDBL, 0);
        }
    }

    fn bus_event(&mut self, addr: Addr, io: &mut Io<'_, '_>) {
        if let Some(Signal::Level { pin, level }) = Signal::parse(addr) {
            let before = self.phase(io);
            self.levels = self.levels & !(1 << pin) | u64::from(level) << pin;
            if self.phase(io) != before {
                self.changed = io.now();
            }
        }
    }

    fn deadline(&self) -> Time {
        self.next.min(self.led)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        if self.led <= io.now() {
            self.led = Time::MAX;
            self.light(true, io);
        }
        if self.next <= io.now() {
            self.light(false, io);
            self.begin(io);
            self.sample(io);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model};
    use consort_core::testing::Rig;

    fn levels(rig: &mut Rig<Block<Qdec>>, pin: u8, level: bool) {
        let at = Signal::Level { pin, level }.addr();
        rig.with(|qdec, cx| qdec.bus_event(at, cx));
    }

    #[test]
    fn the_led_shines_before_each_sample() {
        // PS "QDEC", LED output, LEDPRE, LEDPOL.
        let mut rig = Rig::new(Block::<Qdec>::new(NoConfig {}));
        rig.write(PSEL_LED, 9);
        rig.write(LEDPRE, 20);
        rig.write(LEDPOL, 1);
        rig.write(ENABLE, 1);
        rig.write(START, 1);
        let mut told = Vec::new();
        for us in 0..=300 {
            rig.run_until(Time::from_us(us));
            told.extend(rig.events.drain(..).filter_map(|event| match Signal::parse(u64::from(event)) {
                Some(Signal::Take { pin: 9, level }) => Some((us, level)),
                _ => None,
            }));
        }
        let expected =
            [(0, false), (108, true), (128, false), (236, true), (256, false)].map(|(us, on)| (us, Some(on)));
        assert_eq!(told, expected);
        rig.write(STOP, 1);
        let last = rig.events.iter().rev().find_map(|event| Signal::parse(u64::from(*event)));
        assert_eq!(last, Some(Signal::Take { pin: 9, level: None }), "GPIO's again");
    }

    #[test]
    fn the_filter_waits_for_a_steady_input() {
        // PS "QDEC", Debounce filters.
        let accumulated = |filter: u32| {
            let mut rig = Rig::new(Block::<Qdec>::new(NoConfig {}));
            rig.write(PSEL_A, 3);
            rig.write(PSEL_B, 4);
            rig.write(DBFEN, filter);
            rig.write(ENABLE, 1);
            rig.write(START, 1);
            rig.run_until(Time::from_us(120));
            levels(&mut rig, 3, true);
            rig.run_until(Time::from_us(130));
            let first = rig.read(ACC);
            rig.run_until(Time::from_us(260));
            [first, rig.read(ACC)]
        };
        assert_eq!([accumulated(0), accumulated(1)], [[1, 1], [0, 1]]);
    }

    #[test]
    fn a_turn_is_counted_and_reported() {
        let mut rig = Rig::new(Block::<Qdec>::new(NoConfig {}));
        rig.write(PSEL_A, 3);
        rig.write(PSEL_B, 4);
        rig.write(ENABLE, 1);
        rig.write(START, 1);
        let level = |rig: &mut Rig<Block<Qdec>>, pin: u64, level: u64| {
            let addr = 1 << 31 | (level << 6 | pin) << 18;
            rig.with(|qdec, cx| qdec.bus_event(addr, cx));
            rig.run_for(Time::from_us(128));
        };
        for (pin, high) in [(3, 1), (4, 1), (3, 0), (4, 0), (3, 1)] {
            level(&mut rig, pin, high);
        }
        assert_eq!(rig.read(ACC), 5);
        rig.run_for(Time::from_us(128 * 5));
        assert_eq!(rig.read(REPORTRDY), 1);
        rig.write(READCLRACC, 1);
        assert_eq!((rig.read(ACC), rig.read(ACCREAD)), (0, 5));
    }
}
