//! TIMER: a 16 MHz timer and counter with compare and capture.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "TIMER".

use consort_core::Time;
use consort_core::component::Register;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, NRF51_POWER, Series, Short, Spec, array, erratum, f, short, task};
use super::count::Run;

const START: u32 = 0x000;
const STOP: u32 = 0x004;
const COUNT: u32 = 0x008;
const CLEAR: u32 = 0x00C;
const SHUTDOWN: u32 = 0x010;
const CAPTURE: u32 = 0x040;
const COMPARE: u32 = 0x140;
const MODE: u32 = 0x504;
const BITMODE: u32 = 0x508;
const PRESCALER: u32 = 0x510;
const CC: u32 = 0x540;

/// One cycle of PCLK16M.
const CYCLE_PS: u64 = 62_500;

const TASKS: &[Register] = &[
    task(START, "TASKS_START"),
    task(STOP, "TASKS_STOP"),
    task(COUNT, "TASKS_COUNT"),
    task(CLEAR, "TASKS_CLEAR"),
    task(SHUTDOWN, "TASKS_SHUTDOWN"),
];
const REGISTERS: &[Register] = &[
    Register::rw(MODE, "MODE", 0).fields(&[f("MODE", 0, 2)]),
    Register::rw(BITMODE, "BITMODE", 0).fields(&[f("BITMODE", 0, 2)]),
    Register::rw(PRESCALER, "PRESCALER", 4).fields(&[f("PRESCALER", 0, 4)]),
];

macro_rules! shorts {
    ($($n:literal)*) => {
        &[$(short($n, COMPARE + $n * 4, CLEAR), short(8 + $n, COMPARE + $n * 4, STOP)),*]
    };
}
const SHORTS4: &[Short] = shorts!(0 1 2 3);
const SHORTS6: &[Short] = shorts!(0 1 2 3 4 5);

static SPEC51: Spec = Spec::new(
    &[TASKS, array!(wo CAPTURE, 4, "TASKS_CAPTURE[", "]"; 0 1 2 3)],
    &[array!(event COMPARE, 4, "EVENTS_COMPARE[", "]", 16, 1; 0 1 2 3)],
    SHORTS4,
    &[REGISTERS, array!(rw CC, 4, "CC[", "]", 0; 0 1 2 3), &[erratum(0xC0C, "ERRATUM_73", 0)], NRF51_POWER],
);
static SPEC4: Spec = Spec::new(
    &[TASKS, array!(wo CAPTURE, 4, "TASKS_CAPTURE[", "]"; 0 1 2 3)],
    &[array!(event COMPARE, 4, "EVENTS_COMPARE[", "]", 16, 1; 0 1 2 3)],
    SHORTS4,
    &[REGISTERS, array!(rw CC, 4, "CC[", "]", 0; 0 1 2 3)],
);
static SPEC6: Spec = Spec::new(
    &[TASKS, array!(wo CAPTURE, 4, "TASKS_CAPTURE[", "]"; 0 1 2 3 4 5)],
    &[array!(event COMPARE, 4, "EVENTS_COMPARE[", "]", 16, 1; 0 1 2 3 4 5)],
    SHORTS6,
    &[REGISTERS, array!(rw CC, 4, "CC[", "]", 0; 0 1 2 3 4 5)],
);

/// Which timer this is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimerConfig {
    /// The chip's family, default `nrf52`.
    #[serde(default)]
    pub series: Series,
    /// Compare registers: 4 (default) or, TIMER3 and TIMER4 of nRF52, 6.
    #[serde(default = "four")]
    pub cc: u8,
    /// Counter width of nRF51's TIMER1 and TIMER2 (16); 32 (default) elsewhere.
    #[serde(default = "thirty_two")]
    pub bits: u8,
}

fn four() -> u8 {
    4
}

fn thirty_two() -> u8 {
    32
}

/// TIMER: its value is computed from the time since it started; it wakes only when a compare register
/// is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timer {
    config: TimerConfig,
    running: bool,
    /// In counter mode it has no ticks: its base is the counter.
    run: Run,
    /// When the run began.
    since: Time,
    deadline: Time,
}

impl Timer {
    fn compares(&self) -> u32 {
        if self.config.cc >= 6 { 6 } else { 4 }
    }

    fn mask(&self, io: &Io<'_, '_>) -> u32 {
        let bits = match io.reg(BITMODE) {
            0 => 16,
            1 => 8,
            2 => 24,
            _ => 32,
        };
        u32::MAX >> (32 - bits.min(u32::from(self.config.bits.clamp(8, 32))))
    }

    fn period(io: &Io<'_, '_>) -> u64 {
        CYCLE_PS << io.reg(PRESCALER).min(9)
    }

    fn counts(&self, io: &Io<'_, '_>) -> bool {
        io.reg(MODE) != 0
    }

    fn ticks(&self, io: &Io<'_, '_>) -> u64 {
        if self.running && !self.counts(io) {
            io.now().since(self.since).as_ps() / Self::period(io)
        } else {
            0
        }
    }

    fn value(&self, io: &Io<'_, '_>) -> u32 {
        self.run.value(self.ticks(io), self.mask(io))
    }

    /// The first tick after those done at which compare register `n` is reached.
    fn next(&self, n: u32, io: &Io<'_, '_>) -> u64 {
        self.run.next(io.reg(CC + n * 4), self.mask(io))
    }

    /// Gives the events of all ticks up to now.
    fn advance(&mut self, io: &mut Io<'_, '_>) {
        let ticks = self.ticks(io);
        if ticks == self.run.done {
            return;
        }
        let reached: u32 =
            (0..self.compares()).filter(|n| self.next(*n, io) <= ticks).fold(0, |set, n| set | 1 << n);
        self.run.done = ticks;
        for n in 0..self.compares() {
            if reached >> n & 1 != 0 {
                io.raise(COMPARE + n * 4);
            }
        }
    }

    fn schedule(&mut self, io: &Io<'_, '_>) {
        self.deadline = Time::MAX;
        if self.running && !self.counts(io) {
            let next = (0..self.compares()).map(|n| self.next(n, io)).min().unwrap_or(u64::MAX);
            self.deadline = self.since + Time::from_ps(next.saturating_mul(Self::period(io)));
        }
    }

    /// The run begins anew, now, from `value`.
    fn restart(&mut self, value: u32, io: &Io<'_, '_>) {
        (self.run, self.since) = (Run::from(value), io.now());
    }
}

impl Logic for Timer {
    const KIND: &'static str = "nordic-timer";
    const DOC: &'static str = "A 16 MHz timer / counter with four or six compare and capture registers.";
    type Config = TimerConfig;

    fn new(config: TimerConfig) -> Self {
        Self { config, running: false, run: Run::default(), since: Time::ZERO, deadline: Time::MAX }
    }

    fn spec(&self) -> &'static Spec {
        match (self.config.series, self.compares()) {
            (Series::Nrf51, _) => &SPEC51,
            (_, 6) => &SPEC6,
            _ => &SPEC4,
        }
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self::new(self.config);
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        self.advance(io);
        match task {
            START if !self.running => {
                let value = self.value(io);
                self.running = true;
                self.restart(value, io);
            }
            STOP | SHUTDOWN => {
                self.restart(self.value(io), io);
                self.running = false;
            }
            COUNT if self.counts(io) && self.running => {
                let value = self.run.value(1, self.mask(io));
                self.restart(value, io);
                for n in 0..self.compares() {
                    if io.reg(CC + n * 4) & self.mask(io) == value {
                        io.raise(COMPARE + n * 4);
                    }
                }
            }
            CLEAR => self.restart(0, io),
            CAPTURE.. if task < CAPTURE + 4 * self.compares() => {
                io.set(CC + (task - CAPTURE), self.value(io));
            }
            _ => {}
        }
        self.schedule(io);
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        // What was true until now was counted under the old setting.
        io.set(offset, old);
        self.advance(io);
        if matches!(offset, MODE | BITMODE | PRESCALER) {
            self.restart(self.value(io), io);
        }
        io.set(offset, value);
        self.schedule(io);
    }

    fn deadline(&self) -> Time {
        self.deadline
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        self.advance(io);
        self.schedule(io);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::{Block, INTENSET, SHORTS};
    use consort_core::component::Model;
    use consort_core::state::State;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Timer>> {
        Rig::new(Block::new(TimerConfig { series: Series::Nrf52, cc: 4, bits: 32 }))
    }

    fn value(rig: &mut Rig<Block<Timer>>) -> u32 {
        rig.write(CAPTURE + 12, 1);
        rig.read(CC + 12)
    }

    #[test]
    fn it_counts_pclk16m_divided_by_the_prescaler() {
        // PS "TIMER": f = 16 MHz / 2^PRESCALER.
        let mut rig = rig();
        rig.write(BITMODE, 3);
        rig.write(PRESCALER, 4);
        rig.write(START, 1);
        rig.run_for(Time::from_us(1_234));
        assert_eq!(value(&mut rig), 1_234);
        rig.write(STOP, 1);
        rig.run_for(Time::from_us(10));
        assert_eq!(value(&mut rig), 1_234);
        rig.write(START, 1);
        rig.run_for(Time::from_us(6));
        assert_eq!(value(&mut rig), 1_240);
        rig.write(CLEAR, 1);
        assert_eq!(value(&mut rig), 0);
    }

    #[test]
    fn compare_gives_an_event_and_shorts_act_at_once() {
        // PS "TIMER", Compare, SHORTS: COMPARE and its shorts to CLEAR and STOP.
        let mut rig = rig();
        rig.write(PRESCALER, 4);
        rig.write(CC, 100);
        rig.write(SHORTS, 1); // COMPARE[0] clears
        rig.write(INTENSET, 1 << 16);
        rig.write(START, 1);
        rig.run_for(Time::from_us(99));
        assert_eq!(rig.read(COMPARE), 0);
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(COMPARE), rig.line("irq"), value(&mut rig)), (1, true, 0));
        rig.write(COMPARE, 0);
        rig.run_for(Time::from_us(100));
        assert_eq!(rig.read(COMPARE), 1);
        rig.write(SHORTS, 1 << 8); // COMPARE[0] stops
        rig.run_for(Time::from_ms(1));
        assert_eq!(value(&mut rig), 100);
    }

    #[test]
    fn the_width_wraps() {
        // PS "TIMER", BITMODE.
        let mut rig = rig();
        rig.write(BITMODE, 1);
        rig.write(PRESCALER, 0);
        rig.write(START, 1);
        rig.run_for(Time::from_us(17)); // 272 cycles
        assert_eq!(value(&mut rig), 16);
    }

    #[test]
    fn counter_mode_counts_tasks() {
        // PS "TIMER": in counter mode COUNT increments.
        let mut rig = rig();
        rig.write(MODE, 1);
        rig.write(CC, 2);
        rig.write(START, 1);
        rig.write(COUNT, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!((value(&mut rig), rig.read(COMPARE)), (1, 0));
        rig.write(COUNT, 1);
        assert_eq!((value(&mut rig), rig.read(COMPARE)), (2, 1));
    }

    #[test]
    fn saved_in_the_middle_it_goes_on_the_same() {
        let mut rig = rig();
        rig.write(PRESCALER, 4);
        rig.write(CC, 50);
        rig.write(START, 1);
        rig.run_for(Time::from_us(20));
        let saved = rig.component.save().unwrap();
        let mut other = self::rig();
        other.component.restore(&saved).unwrap();
        (other.now, other.wake) = (rig.now, rig.wake);
        rig.run_for(Time::from_us(30));
        other.run_for(Time::from_us(30));
        assert_eq!((rig.read(COMPARE), other.read(COMPARE)), (1, 1));
    }
}
