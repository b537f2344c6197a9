//! RTC: the 24-bit counter on the 32,768 Hz clock.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "RTC".

use consort_core::component::{Field, Register};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{EventInfo, Io, Logic, NRF51_POWER, Regs, Series, Spec, array, event, f, task};
use super::count::Run;

const START: u32 = 0x000;
const STOP: u32 = 0x004;
const CLEAR: u32 = 0x008;
const TRIGOVRFLW: u32 = 0x00C;
const TICK: u32 = 0x100;
const OVRFLW: u32 = 0x104;
const COMPARE: u32 = 0x140;
const EVTEN: u32 = 0x340;
const EVTENSET: u32 = 0x344;
const EVTENCLR: u32 = 0x348;
const COUNTER: u32 = 0x504;
const PRESCALER: u32 = 0x508;
const CC: u32 = 0x540;

const LFCLK: Clock = Clock::of(32_768);
const MASK: u32 = 0xFF_FFFF;
/// PS "RTC", Overflow features: TRIGOVRFLW sets COUNTER to this.
const ALMOST: u32 = 0xFF_FFF0;

const TASKS: &[Register] = &[
    task(START, "TASKS_START"),
    task(STOP, "TASKS_STOP"),
    task(CLEAR, "TASKS_CLEAR"),
    task(TRIGOVRFLW, "TASKS_TRIGOVRFLW"),
];
const EVENTS: &[EventInfo] = &[event(TICK, "EVENTS_TICK", 0), event(OVRFLW, "EVENTS_OVRFLW", 1)];
const ENABLES: &[Field] = &[
    f("TICK", 0, 1),
    f("OVRFLW", 1, 1),
    f("COMPARE0", 16, 1),
    f("COMPARE1", 17, 1),
    f("COMPARE2", 18, 1),
    f("COMPARE3", 19, 1),
];
const REGISTERS: &[Register] = &[
    Register::rw(EVTEN, "EVTEN", 0).fields(ENABLES),
    Register::rw(EVTENSET, "EVTENSET", 0).fields(ENABLES),
    Register::rw(EVTENCLR, "EVTENCLR", 0).fields(ENABLES),
    Register::ro(COUNTER, "COUNTER", 0).fields(&[f("COUNTER", 0, 24)]),
    Register::rw(PRESCALER, "PRESCALER", 0).fields(&[f("PRESCALER", 0, 12)]),
];
const COMPARE_FIELD: &[Field] = &[f("COMPARE", 0, 24)];

static SPEC51: Spec = Spec::new(
    &[TASKS],
    &[EVENTS, array!(event COMPARE, 4, "EVENTS_COMPARE[", "]", 16, 1; 0 1 2 3)],
    &[],
    &[REGISTERS, array!(rw CC, 4, "CC[", "]", 0, COMPARE_FIELD; 0 1 2 3), NRF51_POWER],
);
static SPEC52: Spec = Spec::new(
    &[TASKS],
    &[EVENTS, array!(event COMPARE, 4, "EVENTS_COMPARE[", "]", 16, 1; 0 1 2 3)],
    &[],
    &[REGISTERS, array!(rw CC, 4, "CC[", "]", 0, COMPARE_FIELD; 0 1 2 3)],
);

/// Which RTC this is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RtcConfig {
    /// The chip's family, default `nrf52`.
    #[serde(default)]
    pub series: Series,
    /// Compare registers: 3 in RTC0, else 4 (default).
    #[serde(default = "four")]
    pub cc: u8,
}

fn four() -> u8 {
    4
}

/// RTC. It counts while its pin `lfclk` (the clock block's line) is high.
///
/// Tasks take effect at the next LFCLK edge; COUNTER shows CLEAR's and TRIGOVRFLW's value at once. Events
/// that neither EVTEN nor INTEN enables do not happen (PS "RTC", Event control feature), so an unused RTC
/// costs nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rtc {
    config: RtcConfig,
    lfclk: bool,
    started: bool,
    /// Its ticks are increments.
    run: Run,
    /// The LFCLK edge at which the run began.
    since: Cycles,
    deadline: Time,
}

impl Rtc {
    fn increments_at(&self, now: Time, prescaler: u32) -> u64 {
        if !(self.started && self.lfclk) {
            return 0;
        }
        LFCLK.cycles_by(now).since(self.since) / (u64::from(prescaler) + 1)
    }

    fn increments(&self, io: &Io<'_, '_>) -> u64 {
        self.increments_at(io.now(), io.reg(PRESCALER))
    }

    fn value(&self, io: &Io<'_, '_>) -> u32 {
        self.run.value(self.increments(io), MASK)
    }

    /// What each enabled event waits for.
    fn waits(&self, io: &Io<'_, '_>) -> [Option<(u32, u64)>; 6] {
        let enabled = io.reg(EVTEN) | io.inten();
        let mut waits = [None; 6];
        if enabled & 1 != 0 {
            waits[0] = Some((TICK, self.run.done + 1));
        }
        if enabled & 2 != 0 {
            waits[1] = Some((OVRFLW, self.run.next(0, MASK)));
        }
        for n in 0..u32::from(self.config.cc.min(4)) {
            if enabled >> (16 + n) & 1 != 0 {
                waits[2 + n as usize] = Some((COMPARE + n * 4, self.run.next(io.reg(CC + n * 4), MASK)));
            }
        }
        waits
    }

    fn advance(&mut self, io: &mut Io<'_, '_>) {
        let increments = self.increments(io);
        if increments == self.run.done {
            return;
        }
        let waits = self.waits(io);
        self.run.done = increments;
        for (event, at) in waits.into_iter().flatten() {
            if at <= increments {
                io.raise(event);
            }
        }
    }

    fn schedule(&mut self, io: &Io<'_, '_>) {
        self.deadline = Time::MAX;
        if !(self.started && self.lfclk) {
            return;
        }
        if let Some(next) = self.waits(io).into_iter().flatten().map(|(_, at)| at).min() {
            let edges = next.saturating_mul(u64::from(io.reg(PRESCALER)) + 1);
            self.deadline = LFCLK.time_of(self.since + edges);
        }
    }

    fn restart(&mut self, value: u32, io: &Io<'_, '_>) {
        (self.run, self.since) = (Run::from(value), LFCLK.first_at(io.now()));
    }
}

impl Logic for Rtc {
    const KIND: &'static str = "nordic-rtc";
    const DOC: &'static str = "The 24-bit real-time counter on the 32,768 Hz clock.";
    type Config = RtcConfig;

    fn new(config: RtcConfig) -> Self {
        Self {
            config,
            lfclk: false,
            started: false,
            run: Run::default(),
            since: Cycles(0),
            deadline: Time::MAX,
        }
    }

    fn spec(&self) -> &'static Spec {
        match self.config.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn pins(&self) -> &'static [&'static str] {
        &["lfclk"]
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self { lfclk: self.lfclk, ..Self::new(self.config) };
    }

    fn view(&self, offset: u32, regs: &Regs<'_>, now: Time) -> Option<u32> {
        match offset {
            COUNTER => {
                let increments = self.increments_at(now, regs.reg(PRESCALER));
                Some(self.run.value(increments, MASK))
            }
            EVTENSET | EVTENCLR => Some(regs.reg(EVTEN)),
            _ => None,
        }
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        self.advance(io);
        match task {
            START if !self.started => {
                self.started = true;
                self.restart(self.run.value(0, MASK), io);
            }
            STOP => {
                self.restart(self.value(io), io);
                self.started = false;
            }
            CLEAR => self.restart(0, io),
            TRIGOVRFLW => self.restart(ALMOST, io),
            _ => {}
        }
        self.schedule(io);
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        io.set(offset, old);
        self.advance(io);
        match offset {
            EVTENSET => io.set(EVTEN, io.reg(EVTEN) | value),
            EVTENCLR => io.set(EVTEN, io.reg(EVTEN) & !value),
            // PS "RTC", Resolution versus overflow and the PRESCALER: PRESCALER can be written only while the
            // RTC is stopped.
            PRESCALER if self.started => io.cx.guest_error("RTC: PRESCALER written while it runs"),
            _ => io.set(offset, value),
        }
        self.schedule(io);
    }

    fn interrupts_changed(&mut self, io: &mut Io<'_, '_>) {
        self.advance(io);
        self.schedule(io);
    }

    fn input(&mut self, _: u16, level: bool, io: &mut Io<'_, '_>) {
        self.advance(io);
        let value = self.value(io);
        self.lfclk = level;
        self.restart(value, io);
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
    use crate::nrf::block::{Block, INTENCLR, INTENSET};
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Rtc>> {
        let mut rig = Rig::new(Block::new(RtcConfig { series: Series::Nrf52, cc: 4 }));
        rig.input(0, true);
        rig
    }

    #[test]
    fn it_counts_only_with_lfclk() {
        // PS "RTC", Clock source: COUNTER runs on LFCLK.
        let mut rig = rig();
        rig.write(START, 1);
        rig.run_for(Time::from_secs(1));
        assert_eq!(rig.read(COUNTER), 32_768);
        rig.input(0, false);
        rig.run_for(Time::from_secs(1));
        assert_eq!(rig.read(COUNTER), 32_768);
        rig.input(0, true);
        rig.run_for(Time::from_secs(1));
        assert_eq!(rig.read(COUNTER), 65_536);
    }

    #[test]
    fn the_prescaler_divides_and_is_locked_while_running() {
        // PS "RTC", Resolution versus overflow and the PRESCALER: f = 32,768 / (PRESCALER + 1), 12 bits.
        let mut rig = rig();
        rig.write(PRESCALER, 327);
        rig.write(START, 1);
        rig.write(PRESCALER, 0);
        assert_eq!(rig.read(PRESCALER), 327);
        rig.run_for(Time::from_secs(1));
        assert_eq!(rig.read(COUNTER), 99);
    }

    #[test]
    fn compare_needs_an_enable_and_comes_when_counter_reaches_it() {
        // PS "RTC", Compare feature: COMPARE when COUNTER goes from N-1 to N.
        let mut rig = rig();
        rig.write(CC, 10);
        rig.write(START, 1);
        assert_eq!(rig.wake, Time::MAX, "nothing is enabled, nothing costs");
        rig.write(EVTENSET, 1 << 16);
        rig.run_until(LFCLK.time_of(Cycles(9)));
        assert_eq!(rig.read(COMPARE), 0);
        rig.run_until(LFCLK.time_of(Cycles(10)));
        assert_eq!((rig.read(COMPARE), rig.read(COUNTER), rig.line("irq")), (1, 10, false));
        rig.write(INTENSET, 1 << 16);
        assert!(rig.line("irq"));
        rig.write(EVTENCLR, 1 << 16);
        rig.write(INTENCLR, 1 << 16);
        assert_eq!(rig.wake, Time::MAX);
    }

    #[test]
    fn overflow_can_be_forced() {
        // PS "RTC", Overflow features: TRIGOVRFLW sets 0xFFFFF0.
        let mut rig = rig();
        rig.write(INTENSET, 2);
        rig.write(TRIGOVRFLW, 1);
        rig.write(START, 1);
        rig.run_until(LFCLK.time_of(Cycles(15)));
        assert_eq!(rig.read(OVRFLW), 0);
        rig.run_until(LFCLK.time_of(Cycles(16)));
        assert_eq!((rig.read(OVRFLW), rig.read(COUNTER)), (1, 0));
    }

    #[test]
    fn tick_comes_at_each_increment() {
        // PS "RTC", TICK event: TICK, when EVTEN or INTEN enables it.
        let mut rig = rig();
        rig.write(INTENSET, 1);
        rig.write(START, 1);
        rig.run_until(LFCLK.time_of(Cycles(1)));
        assert_eq!(rig.read(TICK), 1);
        rig.write(TICK, 0);
        rig.run_until(LFCLK.time_of(Cycles(2)));
        assert_eq!(rig.read(TICK), 1);
    }
}
