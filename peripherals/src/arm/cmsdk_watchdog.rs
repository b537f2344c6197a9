//! CMSDK APB watchdog (DDI 0479, "APB watchdog"): first time at zero an interrupt, second time a reset.

use consort_core::component::{Component, Cx, Field, Model, Register, ResetCause};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words, word_registers};
use crate::count::DownCounter;

const WDOGLOAD: u32 = 0x00;
const WDOGVALUE: u32 = 0x04;
const WDOGCONTROL: u32 = 0x08;
const WDOGINTCLR: u32 = 0x0C;
const WDOGRIS: u32 = 0x10;
const WDOGMIS: u32 = 0x14;
const WDOGLOCK: u32 = 0xC00;
const WDOGITCR: u32 = 0xF00;
const WDOGITOP: u32 = 0xF04;

const CONTROL_INTEN: u32 = 1 << 0;
const CONTROL_RESEN: u32 = 1 << 1;
const UNLOCK: u32 = 0x1ACC_E551;
const ITOP_RESET: u32 = 1 << 0;
const ITOP_INTERRUPT: u32 = 1 << 1;

const TOLD_LOCKED: u32 = 0;

static REGISTERS: &[Register] = &block::join::<9, 12, 21>(
    [
        Register::rw(WDOGLOAD, "WDOGLOAD", u32::MAX),
        Register::ro(WDOGVALUE, "WDOGVALUE", u32::MAX),
        Register::rw(WDOGCONTROL, "WDOGCONTROL", 0)
            .fields(&[Field::new("INTEN", 0, 1), Field::new("RESEN", 1, 1)]),
        Register::wo(WDOGINTCLR, "WDOGINTCLR"),
        Register::ro(WDOGRIS, "WDOGRIS", 0),
        Register::ro(WDOGMIS, "WDOGMIS", 0),
        Register::rw(WDOGLOCK, "WDOGLOCK", 0),
        Register::rw(WDOGITCR, "WDOGITCR", 0).fields(&[Field::new("ITEN", 0, 1)]),
        Register::wo(WDOGITOP, "WDOGITOP")
            .fields(&[Field::new("WDOGRES", 0, 1), Field::new("WDOGINT", 1, 1)]),
    ],
    block::cmsdk_ids(0x24),
);

/// What a board says about a CMSDK watchdog.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// WDOGCLK, in Hz.
    clock: Clock,
}

/// The watchdog. Its line `irq` usually goes to NMI; its reset resets the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CmsdkWatchdog {
    clock: Clock,
    load: u32,
    control: u32,
    counter: DownCounter,
    /// Up to this cycle the counter's zeros have been looked at.
    seen: Cycles,
    raw: bool,
    locked: bool,
    test_enable: bool,
    test_output: u32,
    lines: Lines,
    told: Told,
}

impl CmsdkWatchdog {
    /// Takes what happened up to `now` into account; true when the watchdog resets the machine.
    fn catch_up(&mut self, now: Cycles) -> bool {
        let zero = self.counter.reached_zero(self.load, self.seen, now);
        self.seen = now;
        if !zero {
            return false;
        }
        if self.raw && self.control & CONTROL_RESEN != 0 {
            // It stands still until it is loaded again.
            self.counter.load(0, now);
            self.counter.pace(0, self.load, now);
            return true;
        }
        self.raw = true;
        false
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let interrupt = match self.test_enable {
            true => self.test_output & ITOP_INTERRUPT != 0,
            false => self.raw && self.control & CONTROL_INTEN != 0,
        };
        self.lines.drive(interrupt.into(), 1, cx);
        // With the interrupt pending and no reset to give, passing zero again changes nothing.
        let watched = !self.raw || self.control & CONTROL_RESEN != 0;
        match self.counter.next_zero(self.load, self.seen).filter(|_| watched) {
            Some(zero) => cx.wake_at(self.clock.time_of(zero)),
            None => cx.no_wake(),
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        if self.catch_up(self.clock.cycles_by(cx.now())) {
            cx.reset_machine(ResetCause::Watchdog);
        }
    }
}

impl Words for CmsdkWatchdog {
    fn look(&self, offset: u32, now: Time) -> u32 {
        let now = self.clock.cycles_by(now);
        let raw = || {
            let mut present = self.clone();
            present.catch_up(now);
            present.raw
        };
        match offset {
            WDOGLOAD => self.load,
            WDOGVALUE => self.counter.value(self.load, now),
            WDOGCONTROL => self.control,
            WDOGRIS => raw().into(),
            WDOGMIS => u32::from(raw()) & self.control & CONTROL_INTEN,
            WDOGLOCK => self.locked.into(),
            WDOGITCR => self.test_enable.into(),
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        self.advance(cx);
        let now = self.seen;
        if offset == WDOGLOCK {
            self.locked = value != UNLOCK;
            return;
        }
        if self.locked {
            if self.told.first(TOLD_LOCKED) {
                cx.guest_error(format!("write of {value:#x} to offset {offset:#x} while WDOGLOCK is locked"));
            }
            return;
        }
        match offset {
            WDOGLOAD => {
                self.load = value;
                self.counter.load(value, now);
                self.counter.pace(self.control & CONTROL_INTEN, value, now);
            }
            WDOGCONTROL => {
                let enabled = value & !self.control & CONTROL_INTEN != 0;
                self.control = value & (CONTROL_INTEN | CONTROL_RESEN);
                self.counter.pace(self.control & CONTROL_INTEN, self.load, now);
                if enabled {
                    self.counter.load(self.load, now);
                }
            }
            WDOGINTCLR => {
                self.raw = false;
                if self.counter.runs() {
                    self.counter.load(self.load, now);
                }
            }
            WDOGITCR => self.test_enable = value & 1 != 0,
            WDOGITOP => self.test_output = value & (ITOP_RESET | ITOP_INTERRUPT),
            _ => {}
        }
        if self.test_enable && self.test_output & ITOP_RESET != 0 {
            cx.reset_machine(ResetCause::Watchdog);
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(CmsdkWatchdog, REGISTERS);

impl Component for CmsdkWatchdog {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }
    fn reset(&mut self, _: &mut Cx<'_>) {
        *self = Self::new(Config { clock: self.clock });
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.advance(cx);
        self.settle(cx);
    }
}

impl Model for CmsdkWatchdog {
    const KIND: &'static str = "arm-cmsdk-watchdog";
    const DOC: &'static str = "CMSDK APB watchdog: interrupts, then resets the machine.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            clock: config.clock,
            load: u32::MAX,
            control: 0,
            counter: DownCounter::stopped(u32::MAX),
            seen: Cycles(0),
            raw: false,
            locked: false,
            test_enable: false,
            test_output: 0,
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

    fn rig() -> Rig<CmsdkWatchdog> {
        Rig::new(CmsdkWatchdog::new(Config { clock: Clock::of(25_000_000) }))
    }

    fn cycles(n: u64) -> Time {
        Time::from_ns(40 * n)
    }

    #[test]
    fn first_an_interrupt_then_a_reset() {
        let mut rig = rig();
        rig.write(WDOGLOAD, 99);
        rig.write(WDOGCONTROL, CONTROL_INTEN | CONTROL_RESEN);
        rig.run_until(cycles(98));
        assert_eq!((rig.read(WDOGVALUE), rig.line("irq")), (1, false));
        rig.run_until(cycles(99));
        assert!(rig.line("irq") && rig.resets.is_empty());
        assert_eq!((rig.read(WDOGRIS), rig.read(WDOGMIS)), (1, 1));
        rig.run_until(cycles(199));
        assert_eq!(rig.resets, [ResetCause::Watchdog]);
        rig.run_until(cycles(10_000));
        assert_eq!(rig.resets.len(), 1);
    }

    #[test]
    fn a_fed_watchdog_never_bites() {
        let mut rig = rig();
        rig.write(WDOGLOAD, 100);
        rig.write(WDOGCONTROL, CONTROL_INTEN | CONTROL_RESEN);
        for _ in 0..20 {
            rig.run_for(cycles(90));
            rig.write(WDOGINTCLR, 1);
        }
        assert!(!rig.line("irq") && rig.resets.is_empty());
        rig.run_for(cycles(100));
        assert!(rig.line("irq"));
        rig.write(WDOGINTCLR, 1);
        rig.run_for(cycles(99));
        assert!(!rig.line("irq"), "clearing reloads");
    }

    #[test]
    fn without_resen_it_only_interrupts_and_then_rests() {
        let mut rig = rig();
        rig.write(WDOGLOAD, 9);
        rig.write(WDOGCONTROL, CONTROL_INTEN);
        rig.run_until(cycles(1000));
        assert!(rig.line("irq") && rig.resets.is_empty());
        assert_eq!(rig.wake, Time::MAX);
        rig.write(WDOGCONTROL, CONTROL_INTEN | CONTROL_RESEN);
        rig.run_until(cycles(1010));
        assert_eq!(rig.resets.len(), 1, "zeros count again from when RESEN is set");
    }

    #[test]
    fn the_lock_refuses_writes() {
        let mut rig = rig();
        rig.write(WDOGLOCK, 1);
        assert_eq!(rig.read(WDOGLOCK), 1);
        rig.write(WDOGLOAD, 5);
        assert_eq!((rig.read(WDOGLOAD), rig.log.len()), (u32::MAX, 1));
        rig.write(WDOGLOCK, UNLOCK);
        rig.write(WDOGLOAD, 5);
        assert_eq!((rig.read(WDOGLOCK), rig.read(WDOGLOAD)), (0, 5));
    }

    #[test]
    fn integration_test_registers_drive_the_outputs() {
        let mut rig = rig();
        rig.write(WDOGITCR, 1);
        rig.write(WDOGITOP, ITOP_INTERRUPT);
        assert!(rig.line("irq") && rig.resets.is_empty());
        rig.write(WDOGITOP, ITOP_RESET);
        assert!(!rig.line("irq") && rig.resets.len() == 1);
    }

    #[test]
    fn a_saved_watchdog_goes_on_as_if_never_stopped() {
        let mut straight = rig();
        straight.write(WDOGLOAD, 500);
        straight.write(WDOGCONTROL, CONTROL_INTEN | CONTROL_RESEN);
        straight.run_until(cycles(600));
        let mut other = rig();
        other.component.restore(&straight.component.save().unwrap()).unwrap();
        (other.now, other.wake) = (straight.now, straight.wake);
        straight.run_until(cycles(5000));
        other.run_until(cycles(5000));
        assert_eq!((&other.resets, other.resets.len()), (&straight.resets, 1));
        assert_eq!(other.component.save(), straight.component.save());
    }
}
