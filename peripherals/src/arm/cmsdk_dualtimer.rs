//! CMSDK APB dual-input timers (DDI 0479, "APB dual-input timers"): two down-counters of 16 or 32 bits with
//! prescalers; free-running, periodic or one-shot.

use consort_core::component::{Component, Cx, Field, Model, Register};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words, word_registers};

// Offsets within one timer's registers; timer 2 lies 0x20 above timer 1.
const LOAD: u32 = 0x00;
const VALUE: u32 = 0x04;
const CONTROL: u32 = 0x08;
const INTCLR: u32 = 0x0C;
const RIS: u32 = 0x10;
const MIS: u32 = 0x14;
const BGLOAD: u32 = 0x18;
const ITCR: u32 = 0xF00;
const ITOP: u32 = 0xF04;

const CONTROL_ONE_SHOT: u32 = 1 << 0;
const CONTROL_32_BIT: u32 = 1 << 1;
const CONTROL_INTERRUPT: u32 = 1 << 5;
const CONTROL_PERIODIC: u32 = 1 << 6;
const CONTROL_ENABLE: u32 = 1 << 7;
const CONTROL_RESET: u32 = CONTROL_INTERRUPT;
const CONTROL_WRITABLE: u32 = 0xEF;

const CONTROL_FIELDS: &[Field] = &[
    Field::new("ONESHOT", 0, 1),
    Field::new("SIZE", 1, 1),
    Field::new("PRESCALE", 2, 2),
    Field::new("INTEN", 5, 1),
    Field::new("MODE", 6, 1),
    Field::new("ENABLE", 7, 1),
];

static REGISTERS: &[Register] = &block::join::<16, 12, 28>(
    [
        Register::rw(LOAD, "TIMER1LOAD", 0),
        Register::ro(VALUE, "TIMER1VALUE", u32::MAX),
        Register::rw(CONTROL, "TIMER1CONTROL", CONTROL_RESET).fields(CONTROL_FIELDS),
        Register::wo(INTCLR, "TIMER1INTCLR"),
        Register::ro(RIS, "TIMER1RIS", 0),
        Register::ro(MIS, "TIMER1MIS", 0),
        Register::rw(BGLOAD, "TIMER1BGLOAD", 0),
        Register::rw(0x20 + LOAD, "TIMER2LOAD", 0),
        Register::ro(0x20 + VALUE, "TIMER2VALUE", u32::MAX),
        Register::rw(0x20 + CONTROL, "TIMER2CONTROL", CONTROL_RESET).fields(CONTROL_FIELDS),
        Register::wo(0x20 + INTCLR, "TIMER2INTCLR"),
        Register::ro(0x20 + RIS, "TIMER2RIS", 0),
        Register::ro(0x20 + MIS, "TIMER2MIS", 0),
        Register::rw(0x20 + BGLOAD, "TIMER2BGLOAD", 0),
        Register::rw(ITCR, "TIMERITCR", 0).fields(&[Field::new("ITEN", 0, 1)]),
        Register::wo(ITOP, "TIMERITOP").fields(&[Field::new("TIMINT1", 0, 1), Field::new("TIMINT2", 1, 1)]),
    ],
    block::cmsdk_ids(0x23),
);

const TOLD_PRESCALE: u32 = 0;

/// What a board says about a dual timer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// TIMCLK, in Hz.
    clock: Clock,
}

/// One of the two timers.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Timer {
    control: u32,
    /// What comes after 0 in periodic mode: the last write to LOAD or BGLOAD.
    period: u32,
    /// The count at `since`, a tick of the prescaler.
    value: u32,
    since: Cycles,
    raw: bool,
}

impl Timer {
    const fn new() -> Self {
        Self { control: CONTROL_RESET, period: 0, value: u32::MAX, since: Cycles(0), raw: false }
    }

    const fn is(&self, bit: u32) -> bool {
        self.control & bit != 0
    }

    /// The bits that count; the upper half of a 16-bit count stands still.
    const fn counting_bits(&self) -> u32 {
        if self.is(CONTROL_32_BIT) { u32::MAX } else { 0xFFFF }
    }

    /// What the counting bits become after 0.
    const fn wrap(&self) -> u32 {
        let after_zero = if self.is(CONTROL_PERIODIC) { self.period } else { u32::MAX };
        after_zero & self.counting_bits()
    }

    const fn divider(&self) -> u64 {
        match self.control >> 2 & 0b11 {
            0b01 => 16,
            0b10 => 256,
            _ => 1, // 0b11 is undefined
        }
    }

    fn catch_up(&mut self, now: Cycles) {
        if !self.is(CONTROL_ENABLE) {
            self.since = now;
            return;
        }
        let ticks = now.since(self.since) / self.divider();
        self.since += ticks * self.divider();
        let bits = self.counting_bits();
        let count = u64::from(self.value & bits);
        if ticks <= count {
            self.value -= ticks as u32; // at most the counting bits of the value
            self.raw |= ticks == count && ticks > 0;
            return;
        }
        if self.is(CONTROL_ONE_SHOT) {
            self.value &= !bits;
            self.raw |= count > 0;
            return;
        }
        let round = u64::from(self.wrap()) + 1;
        let beyond = ticks - count - 1;
        let upper = if self.is(CONTROL_PERIODIC) { self.period } else { self.value } & !bits;
        self.value = upper | (u64::from(self.wrap()) - beyond % round) as u32;
        self.raw |= count > 0 || beyond + 1 >= round;
    }

    /// When the interrupt status will next be set; call after [`Timer::catch_up`].
    fn next_zero(&self) -> Option<Cycles> {
        let ticks = match u64::from(self.value & self.counting_bits()) {
            0 if self.is(CONTROL_ONE_SHOT) => return None,
            0 => u64::from(self.wrap()) + 1,
            count => count,
        };
        let watched = self.is(CONTROL_ENABLE) && self.is(CONTROL_INTERRUPT) && !self.raw;
        watched.then(|| self.since + ticks * self.divider())
    }

    const fn masked(&self) -> bool {
        self.raw && self.is(CONTROL_INTERRUPT)
    }

    fn load(&mut self, value: u32, now: Cycles) {
        self.period = value;
        self.value = value;
        self.since = now; // a load clears the prescaler
        self.raw |= value & self.counting_bits() == 0;
    }
}

/// The two timers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CmsdkDualtimer {
    clock: Clock,
    timers: [Timer; 2],
    test_enable: bool,
    test_output: u32,
    lines: Lines,
    told: Told,
}

impl CmsdkDualtimer {
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let [one, two] = &self.timers;
        let interrupts = u32::from(one.masked()) | u32::from(two.masked()) << 1;
        let driven = if self.test_enable { self.test_output } else { interrupts };
        self.lines.drive(u64::from(u32::from(driven != 0) | driven << 1), 3, cx);
        match self.timers.iter().filter_map(Timer::next_zero).min() {
            Some(zero) => cx.wake_at(self.clock.time_of(zero)),
            None => cx.no_wake(),
        }
    }

    fn catch_up(&mut self, now: Time) -> Cycles {
        let now = self.clock.cycles_by(now);
        for timer in &mut self.timers {
            timer.catch_up(now);
        }
        now
    }
}

/// Which timer a register belongs to, and its offset within it.
fn split(offset: u32) -> (usize, u32) {
    ((offset >> 5 & 1) as usize, offset & !0x20)
}

impl Words for CmsdkDualtimer {
    fn look(&self, offset: u32, now: Time) -> u32 {
        if offset >= ITCR {
            return if offset == ITCR { self.test_enable.into() } else { block::reset_of(REGISTERS, offset) };
        }
        let (index, register) = split(offset);
        let mut timer = self.timers[index].clone();
        timer.catch_up(self.clock.cycles_by(now));
        match register {
            LOAD | BGLOAD => timer.period,
            VALUE => timer.value,
            CONTROL => timer.control,
            RIS => timer.raw.into(),
            MIS => timer.masked().into(),
            _ => 0,
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let now = self.catch_up(cx.now());
        let (index, register) = split(offset);
        let timer = &mut self.timers[index];
        match (offset, register) {
            (ITCR, _) => self.test_enable = value & 1 != 0,
            (ITOP, _) => self.test_output = value & 0b11,
            (_, LOAD) => timer.load(value, now),
            (_, BGLOAD) => timer.period = value,
            (_, CONTROL) => {
                timer.control = value & CONTROL_WRITABLE;
                if value >> 2 & 0b11 == 0b11 && self.told.first(TOLD_PRESCALE) {
                    cx.guest_error("prescale 0b11 is undefined: it divides by 1");
                }
            }
            (_, INTCLR) => timer.raw = false,
            _ => {}
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(CmsdkDualtimer, REGISTERS);

impl Component for CmsdkDualtimer {
    fn lines(&self) -> &'static [&'static str] {
        &["irq", "irq1", "irq2"]
    }
    fn reset(&mut self, _: &mut Cx<'_>) {
        *self = Self::new(Config { clock: self.clock });
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.catch_up(cx.now());
        self.settle(cx);
    }
}

impl Model for CmsdkDualtimer {
    const KIND: &'static str = "arm-cmsdk-dualtimer";
    const DOC: &'static str = "CMSDK APB dual-input timers: two prescaled 16/32-bit down-counters.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            clock: config.clock,
            timers: [Timer::new(), Timer::new()],
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

    const T2: u32 = 0x20;

    fn rig() -> Rig<CmsdkDualtimer> {
        Rig::new(CmsdkDualtimer::new(Config { clock: Clock::of(25_000_000) }))
    }

    fn cycles(n: u64) -> Time {
        Time::from_ns(40 * n)
    }

    #[test]
    fn periodic_mode_reloads() {
        let mut rig = rig();
        rig.write(LOAD, 1000);
        rig.write(CONTROL, CONTROL_ENABLE | CONTROL_PERIODIC | CONTROL_INTERRUPT | CONTROL_32_BIT);
        rig.run_until(cycles(999));
        assert_eq!((rig.read(VALUE), rig.read(RIS), rig.line("irq1")), (1, 0, false));
        rig.run_until(cycles(1000));
        assert_eq!((rig.read(VALUE), rig.read(RIS), rig.read(MIS)), (0, 1, 1));
        assert!(rig.line("irq") && rig.line("irq1") && !rig.line("irq2"));
        rig.write(INTCLR, 0);
        assert!(!rig.line("irq"));
        rig.run_until(cycles(1001));
        assert_eq!(rig.read(VALUE), 1000);
        rig.write(BGLOAD, 9);
        assert_eq!((rig.read(VALUE), rig.read(LOAD)), (1000, 9), "the background load waits for the wrap");
        rig.run_until(cycles(2001));
        assert!(rig.line("irq"));
        rig.run_until(cycles(2002));
        assert_eq!(rig.read(VALUE), 9);
    }

    #[test]
    fn one_shot_stops_at_zero_until_loaded() {
        let mut rig = rig();
        rig.write(T2 + LOAD, 5);
        rig.write(T2 + CONTROL, CONTROL_ENABLE | CONTROL_ONE_SHOT | CONTROL_INTERRUPT | CONTROL_32_BIT);
        rig.run_until(cycles(100));
        assert_eq!((rig.read(T2 + VALUE), rig.read(T2 + MIS), rig.wake), (0, 1, Time::MAX));
        rig.write(T2 + INTCLR, 1);
        rig.run_until(cycles(200));
        assert!(!rig.line("irq2"));
        rig.write(T2 + LOAD, 3);
        rig.run_until(cycles(203));
        assert!(rig.line("irq2"));
    }

    #[test]
    fn sixteen_bits_free_running_wrap_at_ffff() {
        let mut rig = rig();
        rig.write(LOAD, 0x0012_0002);
        rig.write(CONTROL, CONTROL_ENABLE);
        rig.run_until(cycles(3));
        assert_eq!((rig.read(VALUE), rig.read(RIS), rig.read(MIS)), (0x0012_FFFF, 1, 0));
        assert_eq!(rig.wake, Time::MAX, "a masked timer asks for nothing");
    }

    #[test]
    fn the_prescaler_divides_by_16_and_256() {
        let mut rig = rig();
        for (prescale, divider) in [(1, 16), (2, 256)] {
            rig.write(CONTROL, CONTROL_ENABLE | CONTROL_32_BIT | prescale << 2);
            rig.write(LOAD, 100);
            rig.run_for(cycles(divider * 10 - 1));
            assert_eq!(rig.read(VALUE), 91);
            rig.run_for(cycles(1));
            assert_eq!(rig.read(VALUE), 90);
        }
    }

    #[test]
    fn integration_test_registers_drive_the_lines() {
        let mut rig = rig();
        rig.write(ITCR, 1);
        rig.write(ITOP, 0b10);
        assert!(rig.line("irq2") && rig.line("irq") && !rig.line("irq1"));
        rig.write(ITCR, 0);
        assert!(!rig.line("irq"));
    }

    #[test]
    fn a_saved_timer_goes_on_as_if_never_stopped() {
        let mut straight = rig();
        straight.write(LOAD, 77);
        let on = CONTROL_ENABLE | CONTROL_PERIODIC | CONTROL_INTERRUPT | 1 << 2;
        straight.write(CONTROL, on);
        straight.run_until(cycles(501));
        let mut other = rig();
        other.component.restore(&straight.component.save().unwrap()).unwrap();
        (other.now, other.wake) = (straight.now, straight.wake);
        for rig in [&mut straight, &mut other] {
            rig.run_until(cycles(77 * 16 + 5));
            assert!(rig.line("irq1"));
            rig.write(INTCLR, 0);
            rig.run_for(cycles(333));
        }
        assert_eq!(other.component.save(), straight.component.save());
    }
}
