//! CMSDK APB timer (DDI 0479, "APB timer"): a 32-bit down-counter with reload and one interrupt.

use consort_core::component::{Component, Cx, Field, Model, Register};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words, word_registers};
use crate::count::DownCounter;

const CTRL: u32 = 0x00;
const VALUE: u32 = 0x04;
const RELOAD: u32 = 0x08;
const INTSTATUS: u32 = 0x0C;

const CTRL_ENABLE: u32 = 1 << 0;
const CTRL_EXTERNAL_ENABLE: u32 = 1 << 1;
const CTRL_EXTERNAL_CLOCK: u32 = 1 << 2;
const CTRL_INTERRUPT: u32 = 1 << 3;

static REGISTERS: &[Register] = &block::join::<4, 12, 16>(
    [
        Register::rw(CTRL, "CTRL", 0).fields(&[
            Field::new("EN", 0, 1),
            Field::new("SELEXTEN", 1, 1),
            Field::new("SELEXTCLK", 2, 1),
            Field::new("IRQEN", 3, 1),
        ]),
        Register::rw(VALUE, "VALUE", 0),
        Register::rw(RELOAD, "RELOAD", 0),
        Register::rw(INTSTATUS, "INTSTATUS", 0).fields(&[Field::new("IRQ", 0, 1)]),
    ],
    block::cmsdk_ids(0x22),
);

/// What a board says about a CMSDK timer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// PCLK, in Hz.
    clock: Clock,
}

/// The timer. Its input pin `extin` can gate it (SELEXTEN) or clock it (SELEXTCLK).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CmsdkTimer {
    clock: Clock,
    ctrl: u32,
    reload: u32,
    counter: DownCounter,
    /// The interrupt status, latched when the count becomes 0 while IRQEN is set.
    pending: bool,
    /// Up to this cycle the counter's zeros have been looked at.
    seen: Cycles,
    extin: bool,
    lines: Lines,
    told: Told,
}

impl CmsdkTimer {
    /// Latches what happened up to `now` under the settings so far.
    fn catch_up(&mut self, now: Cycles) {
        if self.ctrl & CTRL_INTERRUPT != 0 && self.counter.reached_zero(self.reload, self.seen, now) {
            self.pending = self.pending || self.reload != 0 || self.counter.value(0, self.seen) != 0;
        }
        self.seen = now;
    }

    /// Applies the settings from `now` on.
    fn settle(&mut self, now: Cycles, cx: &mut Cx<'_>) {
        let runs = self.ctrl & CTRL_ENABLE != 0
            && self.ctrl & CTRL_EXTERNAL_CLOCK == 0
            && (self.ctrl & CTRL_EXTERNAL_ENABLE == 0 || self.extin);
        self.counter.pace(u32::from(runs), self.reload, now);
        self.lines.drive(self.pending.into(), 1, cx);
        // A pending interrupt stays pending whatever the counter does: nothing to wake for.
        let watched = self.ctrl & CTRL_INTERRUPT != 0 && !self.pending;
        // With reload 0 the count rests at 0: it only becomes 0 from above.
        let rests = self.reload == 0 && self.counter.value(0, now) == 0;
        match self.counter.next_zero(self.reload, now).filter(|_| watched && !rests) {
            Some(zero) => cx.wake_at(self.clock.time_of(zero)),
            None => cx.no_wake(),
        }
    }
}

impl Words for CmsdkTimer {
    fn look(&self, offset: u32, now: Time) -> u32 {
        match offset {
            CTRL => self.ctrl,
            VALUE => self.counter.value(self.reload, self.clock.cycles_by(now)),
            RELOAD => self.reload,
            INTSTATUS => {
                let mut present = self.clone();
                present.catch_up(self.clock.cycles_by(now));
                present.pending.into()
            }
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let now = self.clock.cycles_by(cx.now());
        self.catch_up(now);
        match offset {
            CTRL => self.ctrl = value & 0xF,
            VALUE => self.counter.load(value, now),
            RELOAD => {
                // "A write to this register sets the current value."
                self.reload = value;
                self.counter.load(value, now);
            }
            INTSTATUS => self.pending &= value & 1 == 0,
            _ => {}
        }
        self.settle(now, cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(CmsdkTimer, REGISTERS);

impl Component for CmsdkTimer {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }
    fn pins(&self) -> &'static [&'static str] {
        &["extin"]
    }
    fn reset(&mut self, _: &mut Cx<'_>) {
        let extin = self.extin;
        *self = Self::new(Config { clock: self.clock });
        self.extin = extin;
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        let now = self.clock.cycles_by(cx.now());
        self.catch_up(now);
        self.settle(now, cx);
    }
    fn input(&mut self, _: u16, level: bool, cx: &mut Cx<'_>) {
        let now = self.clock.cycles_by(cx.now());
        self.catch_up(now);
        let rises = level && !self.extin;
        self.extin = level;
        if rises && self.ctrl & (CTRL_ENABLE | CTRL_EXTERNAL_CLOCK) == CTRL_ENABLE | CTRL_EXTERNAL_CLOCK {
            let was = self.counter.value(self.reload, now);
            let zero = self.counter.tick(self.reload);
            self.pending |= zero && was != 0 && self.ctrl & CTRL_INTERRUPT != 0;
        }
        self.settle(now, cx);
    }
}

impl Model for CmsdkTimer {
    const KIND: &'static str = "arm-cmsdk-timer";
    const DOC: &'static str = "CMSDK APB timer: 32-bit down-counter with reload.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            clock: config.clock,
            ctrl: 0,
            reload: 0,
            counter: DownCounter::stopped(0),
            pending: false,
            seen: Cycles(0),
            extin: false,
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

    fn rig() -> Rig<CmsdkTimer> {
        Rig::new(CmsdkTimer::new(Config { clock: Clock::of(25_000_000) }))
    }

    fn cycles(n: u64) -> Time {
        Time::from_ns(40 * n)
    }

    #[test]
    fn it_interrupts_every_reload_plus_one_cycles() {
        let mut rig = rig();
        rig.write(RELOAD, 99);
        assert_eq!(rig.read(VALUE), 99, "writing RELOAD sets the value");
        rig.write(CTRL, CTRL_ENABLE | CTRL_INTERRUPT);
        rig.run_until(cycles(98));
        assert_eq!((rig.read(VALUE), rig.read(INTSTATUS)), (1, 0));
        rig.run_until(cycles(99));
        assert_eq!((rig.read(VALUE), rig.read(INTSTATUS)), (0, 1));
        assert!(rig.line("irq"));
        assert_eq!(rig.wake, Time::MAX, "a pending interrupt needs no wake");
        rig.write(INTSTATUS, 1);
        assert!(!rig.line("irq"));
        rig.run_until(cycles(198));
        assert_eq!((rig.read(VALUE), rig.line("irq")), (1, false));
        rig.run_until(cycles(199));
        assert!(rig.line("irq"));
    }

    #[test]
    fn without_irqen_it_counts_silently() {
        let mut rig = rig();
        rig.write(RELOAD, 9);
        rig.write(CTRL, CTRL_ENABLE);
        assert_eq!(rig.wake, Time::MAX);
        rig.run_until(cycles(1003));
        assert_eq!((rig.read(VALUE), rig.read(INTSTATUS)), (6, 0));
        rig.write(CTRL, CTRL_ENABLE | CTRL_INTERRUPT);
        assert_eq!(rig.read(INTSTATUS), 0, "what passed before IRQEN is past");
        rig.write(CTRL, 0);
        rig.run_until(cycles(2000));
        assert_eq!(rig.read(VALUE), 6, "a stopped timer keeps its value");
    }

    #[test]
    fn with_reload_zero_it_fires_once() {
        let mut rig = rig();
        rig.write(VALUE, 5);
        rig.write(CTRL, CTRL_ENABLE | CTRL_INTERRUPT);
        rig.run_until(cycles(5));
        assert!(rig.line("irq"));
        rig.write(INTSTATUS, 1);
        rig.run_until(cycles(1000));
        assert_eq!((rig.line("irq"), rig.read(VALUE), rig.wake), (false, 0, Time::MAX));
    }

    #[test]
    fn extin_gates_or_clocks() {
        let mut rig = rig();
        rig.write(RELOAD, 2);
        rig.write(CTRL, CTRL_ENABLE | CTRL_EXTERNAL_ENABLE);
        rig.run_until(cycles(100));
        assert_eq!(rig.read(VALUE), 2);
        rig.input(0, true);
        rig.run_until(cycles(101));
        assert_eq!(rig.read(VALUE), 1);
        rig.input(0, false);
        rig.write(CTRL, CTRL_ENABLE | CTRL_EXTERNAL_CLOCK | CTRL_INTERRUPT);
        rig.input(0, true);
        assert!(rig.line("irq"), "one edge from 1 to 0");
        rig.input(0, false);
        rig.input(0, true);
        assert_eq!(rig.read(VALUE), 2);
    }

    #[test]
    fn a_saved_timer_goes_on_as_if_never_stopped() {
        let mut straight = rig();
        straight.write(RELOAD, 1234);
        straight.write(CTRL, CTRL_ENABLE | CTRL_INTERRUPT);
        straight.run_until(cycles(777));
        let mut other = rig();
        other.component.restore(&straight.component.save().unwrap()).unwrap();
        (other.now, other.wake) = (straight.now, straight.wake);
        for rig in [&mut straight, &mut other] {
            rig.run_until(cycles(1234));
            assert!(rig.line("irq"));
            rig.write(INTSTATUS, 1);
            rig.run_until(cycles(2000));
        }
        assert_eq!(other.component.save(), straight.component.save());
        assert_eq!(other.read(VALUE), straight.read(VALUE));
    }

    #[test]
    fn identification_reads_as_the_manual_says() {
        let mut rig = rig();
        let id: Vec<u32> = (0xFD0..0x1000).step_by(4).map(|offset| rig.read(offset)).collect();
        assert_eq!(id, [4, 0, 0, 0, 0x22, 0xB8, 0x1B, 0, 0x0D, 0xF0, 0x05, 0xB1]);
    }
}
