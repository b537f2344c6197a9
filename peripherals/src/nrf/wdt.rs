//! WDT: the watchdog.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "WDT".

use consort_core::component::{Field, Register, ResetCause};
use consort_core::{Clock, Time};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, NRF51_POWER, Regs, Series, SeriesConfig, Spec, array, event, f, task};

const START: u32 = 0x000;
const TIMEOUT: u32 = 0x100;
const RUNSTATUS: u32 = 0x400;
const REQSTATUS: u32 = 0x404;
const CRV: u32 = 0x504;
const RREN: u32 = 0x508;
const CONFIG: u32 = 0x50C;
const RR: u32 = 0x600;

/// PS "WDT", Reload criteria: what reloads.
const RELOAD: u32 = 0x6E52_4635;

const LFCLK: Clock = Clock::of(32_768);

const EIGHT: &[Field] = &[f("RR", 0, 8)];
const REGISTERS: &[Register] = &[
    Register::ro(RUNSTATUS, "RUNSTATUS", 0).fields(&[f("RUNSTATUS", 0, 1)]),
    Register::ro(REQSTATUS, "REQSTATUS", 1).fields(EIGHT),
    Register::rw(CRV, "CRV", u32::MAX),
    Register::rw(RREN, "RREN", 1).fields(EIGHT),
    Register::rw(CONFIG, "CONFIG", 1).fields(&[f("SLEEP", 0, 1), f("HALT", 3, 1)]),
];

static SPEC51: Spec = Spec::new(
    &[&[task(START, "TASKS_START")]],
    &[&[event(TIMEOUT, "EVENTS_TIMEOUT", 0)]],
    &[],
    &[REGISTERS, array!(wo RR, 4, "RR[", "]"; 0 1 2 3 4 5 6 7), NRF51_POWER],
);
static SPEC52: Spec = Spec::new(
    &[&[task(START, "TASKS_START")]],
    &[&[event(TIMEOUT, "EVENTS_TIMEOUT", 0)]],
    &[],
    &[REGISTERS, array!(wo RR, 4, "RR[", "]"; 0 1 2 3 4 5 6 7)],
);

/// WDT. It starts LFCLK for itself.
///
/// CONFIG.HALT needs no code: while a debugger halts the CPU, virtual time stands still, so nothing counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wdt {
    series: Series,
    running: bool,
    requests: u32,
    expires: Time,
    bites: Time,
    asleep: bool,
    /// Ticks left, while it pauses.
    paused: Option<u64>,
}

impl Wdt {
    /// PS "WDT": timeout = (CRV + 1) / 32768 seconds; CRV is at least 15.
    fn reload(&mut self, io: &Io<'_, '_>) {
        self.requests = io.reg(RREN);
        let ticks = u64::from(io.reg(CRV).max(15)) + 1;
        match &mut self.paused {
            Some(left) => *left = ticks,
            None => self.expires = LFCLK.time_of(LFCLK.first_at(io.now()) + ticks),
        }
    }

    /// PS "WDT", Temporarily pausing the watchdog: with CONFIG.SLEEP clear it stands still while the CPU
    /// sleeps, and then counts on.
    fn pause(&mut self, io: &Io<'_, '_>) {
        let pauses = self.asleep && io.reg(CONFIG) & 1 == 0;
        if pauses && self.running && self.expires != Time::MAX {
            let due = LFCLK.first_at(self.expires);
            self.paused = Some(due.since(LFCLK.cycles_by(io.now())));
            self.expires = Time::MAX;
        } else if !pauses && let Some(left) = self.paused.take() {
            self.expires = LFCLK.time_of(LFCLK.cycles_by(io.now()) + left);
        }
    }
}

impl Logic for Wdt {
    const KIND: &'static str = "nordic-wdt";
    const DOC: &'static str = "The watchdog timer.";
    type Config = SeriesConfig;

    fn new(config: SeriesConfig) -> Self {
        Self {
            series: config.series,
            running: false,
            requests: 0,
            expires: Time::MAX,
            bites: Time::MAX,
            asleep: false,
            paused: None,
        }
    }

    fn spec(&self) -> &'static Spec {
        match self.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self::new(SeriesConfig { series: self.series });
    }

    /// PS "POWER", Reset behavior: a soft reset and a lock-up leave the watchdog running.
    fn survives(&self, cause: ResetCause) -> bool {
        matches!(cause, ResetCause::Software | ResetCause::Lockup)
    }

    /// A reset wakes the CPU.
    fn survive(&mut self, io: &mut Io<'_, '_>) {
        self.sleep(false, io);
    }

    fn watches_sleep(&self) -> bool {
        true
    }

    fn sleep(&mut self, asleep: bool, io: &mut Io<'_, '_>) {
        self.asleep = asleep;
        self.pause(io);
    }

    fn view(&self, offset: u32, regs: &Regs<'_>, _: Time) -> Option<u32> {
        match offset {
            RUNSTATUS => Some(u32::from(self.running)),
            REQSTATUS => Some(if self.running { self.requests } else { regs.reg(RREN) }),
            _ => None,
        }
    }

    fn task(&mut self, _: u32, io: &mut Io<'_, '_>) {
        if !self.running {
            self.running = true;
            self.reload(io);
            self.pause(io);
        }
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        match offset {
            // PS "WDT": the configuration is locked once the watchdog runs.
            CRV | RREN | CONFIG if self.running => io.set(offset, old),
            RR.. if value == RELOAD && self.running && self.bites == Time::MAX => {
                self.requests &= !(1 << ((offset - RR) / 4));
                if self.requests == 0 {
                    self.reload(io);
                }
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Time {
        self.expires.min(self.bites)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        if self.bites <= io.now() {
            self.bites = Time::MAX;
            io.cx.reset_machine(ResetCause::Watchdog);
        } else if self.expires <= io.now() {
            // PS "WDT": the reset comes two LFCLK cycles after TIMEOUT.
            self.expires = Time::MAX;
            self.bites = LFCLK.time_of(LFCLK.cycles_by(io.now()) + 2);
            io.raise(TIMEOUT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model};
    use consort_core::testing::Rig;

    #[test]
    fn it_bites_unless_all_enabled_registers_are_reloaded() {
        // PS "WDT", Reload criteria: every enabled reload register must be reloaded; the configuration is
        // locked.
        let mut rig = Rig::new(Block::<Wdt>::new(SeriesConfig::default()));
        rig.write(CRV, 32_767);
        rig.write(RREN, 0b101);
        rig.write(START, 1);
        rig.write(CRV, 5);
        assert_eq!((rig.read(RUNSTATUS), rig.read(CRV), rig.read(REQSTATUS)), (1, 32_767, 0b101));
        rig.run_for(Time::from_ms(900));
        rig.write(RR, RELOAD);
        rig.write(RR + 8, 1);
        assert_eq!(rig.read(REQSTATUS), 0b100);
        rig.write(RR + 8, RELOAD);
        assert_eq!(rig.read(REQSTATUS), 0b101);
        rig.run_for(Time::from_ms(999));
        assert_eq!((rig.read(TIMEOUT), rig.resets.len()), (0, 0));
        rig.run_for(Time::from_ms(2));
        assert_eq!((rig.read(TIMEOUT), rig.resets.as_slice()), (1, [ResetCause::Watchdog].as_slice()));
    }

    #[test]
    fn it_pauses_while_the_cpu_sleeps_when_told_to() {
        // PS "WDT", Temporarily pausing the watchdog: CONFIG.SLEEP.
        for (config, bites) in [(1, true), (0, false)] {
            let mut rig = Rig::new(Block::<Wdt>::new(SeriesConfig::default()));
            rig.write(CRV, 32_767);
            rig.write(CONFIG, config);
            rig.write(START, 1);
            rig.run_for(Time::from_ms(600));
            rig.with(|wdt, cx| wdt.sleep(true, cx));
            rig.run_for(Time::from_secs(5));
            assert_eq!(rig.read(TIMEOUT) == 1, bites);
            if !bites {
                rig.with(|wdt, cx| wdt.sleep(false, cx));
                rig.run_for(Time::from_ms(399));
                assert_eq!(rig.read(TIMEOUT), 0);
                rig.run_for(Time::from_ms(2));
                assert_eq!(rig.read(TIMEOUT), 1);
            }
        }
    }

    #[test]
    fn only_strong_resets_stop_it() {
        // PS "POWER", Reset behavior: soft reset and lock-up leave the watchdog as it is.
        let mut rig = Rig::new(Block::<Wdt>::new(SeriesConfig::default()));
        rig.write(CRV, 32_767);
        rig.write(START, 1);
        rig.run_for(Time::from_ms(500));
        rig.wake = Time::MAX; // as the machine does
        rig.with(|wdt, cx| wdt.restart(ResetCause::Software, cx));
        assert_eq!((rig.read(RUNSTATUS), rig.read(CRV)), (1, 32_767));
        rig.run_for(Time::from_ms(502));
        assert_eq!(rig.resets, [ResetCause::Watchdog]);
        rig.with(|wdt, cx| wdt.restart(ResetCause::Watchdog, cx));
        assert_eq!((rig.read(RUNSTATUS), rig.wake), (0, Time::MAX));
    }
}
