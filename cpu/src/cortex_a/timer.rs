//! The generic timer (DDI 0487 D11): a system counter derived from the core's cycles, and the timers that compare
//! with it.

use consort_core::time::Cycles;
use serde::{Deserialize, Serialize};

/// The system counter's frequency, CNTFRQ.
pub const COUNTER_HZ: u64 = 62_500_000;

/// CTL.ENABLE.
const ENABLE: u64 = 1 << 0;
/// CTL.IMASK.
const IMASK: u64 = 1 << 1;
/// CTL.ISTATUS.
const ISTATUS: u64 = 1 << 2;

/// The private peripheral interrupt of each timer: physical, virtual, hypervisor, secure.
pub(super) const INTERRUPTS: [u16; 4] = [30, 27, 26, 29];

/// One timer, as its registers say.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Timer {
    control: u64,
    compare: u64,
}

/// The counter's relation to the core's clock, and four timers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Timers {
    /// The counter is `cycles * ticks / cycles_per`, in lowest terms.
    ticks: u64,
    cycles_per: u64,
    timers: [Timer; 4],
}

impl Timers {
    pub(super) fn new(clock: u64) -> Self {
        let (mut a, mut b) = (clock, COUNTER_HZ);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = a.max(1);
        let (ticks, cycles_per) = (COUNTER_HZ / divisor, (clock / divisor).max(1));
        Self { ticks, cycles_per, timers: [Timer::default(); 4] }
    }

    pub(super) fn reset(&mut self) {
        self.timers = [Timer::default(); 4];
    }

    /// The counter at a cycle.
    pub(super) fn count(&self, at: Cycles) -> u64 {
        // Firmware polls it, and a division is slow: the usual clocks need none.
        let shift = self.cycles_per.trailing_zeros();
        match at.0.checked_mul(self.ticks) {
            Some(product) if self.cycles_per >> shift == 1 => product >> shift,
            Some(product) => product / self.cycles_per,
            None => (u128::from(at.0) * u128::from(self.ticks) / u128::from(self.cycles_per)) as u64,
        }
    }

    /// The first cycle at which the counter has reached `count`.
    fn reached(&self, count: u64) -> Cycles {
        let cycles = (u128::from(count) * u128::from(self.cycles_per)).div_ceil(u128::from(self.ticks));
        u64::try_from(cycles).map_or(Cycles::MAX, Cycles)
    }

    pub(super) fn set_control(&mut self, timer: u8, value: u64) {
        if let Some(timer) = self.timers.get_mut(usize::from(timer)) {
            timer.control = value & (ENABLE | IMASK | ISTATUS);
        }
    }

    pub(super) fn set_compare(&mut self, timer: u8, value: u64) {
        if let Some(timer) = self.timers.get_mut(usize::from(timer)) {
            timer.compare = value;
        }
    }

    /// When the next timer's condition becomes true.
    pub(super) fn deadline(&self) -> Cycles {
        let running = self.timers.iter().filter(|timer| timer.control & (ENABLE | ISTATUS) == ENABLE);
        running.map(|timer| self.reached(timer.compare)).min().unwrap_or(Cycles::MAX)
    }

    /// Gives ISTATUS to the timers whose time has come, and calls `fired` with each one's number and new CTL.
    pub(super) fn tick(&mut self, now: Cycles, mut fired: impl FnMut(u8, u64)) {
        if now < self.deadline() {
            return;
        }
        let count = self.count(now);
        for (number, timer) in (0..).zip(&mut self.timers) {
            if timer.control & (ENABLE | ISTATUS) == ENABLE && count >= timer.compare {
                timer.control |= ISTATUS;
                fired(number, timer.control);
            }
        }
    }

    /// Whether each timer asserts its interrupt.
    pub(super) fn levels(&self) -> [bool; 4] {
        self.timers.map(|timer| timer.control & (ENABLE | IMASK | ISTATUS) == ENABLE | ISTATUS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_and_its_deadline_agree() {
        for clock in [62_500_000, 1_000_000_000, 1_200_000_000, 123_456_789] {
            let mut timers = Timers::new(clock);
            assert_eq!(timers.count(Cycles(clock * 7)), COUNTER_HZ * 7);
            timers.set_compare(1, 1000);
            timers.set_control(1, ENABLE);
            let at = timers.deadline();
            assert!(timers.count(Cycles(at.0 - 1)) < 1000 && timers.count(at) == 1000, "{clock}");
            let mut fired = Vec::new();
            timers.tick(Cycles(at.0 - 1), |timer, _| fired.push(timer));
            assert!(fired.is_empty());
            timers.tick(at, |timer, _| fired.push(timer));
            assert_eq!(fired, [1]);
            assert_eq!(timers.levels(), [false, true, false, false]);
            assert_eq!(timers.deadline(), Cycles::MAX, "it fires once");
            timers.set_control(1, ENABLE | IMASK | ISTATUS);
            assert_eq!(timers.levels(), [false; 4]);
        }
    }

    #[test]
    fn a_comparison_beyond_all_time_never_comes() {
        let mut timers = Timers::new(1_000_000_000);
        timers.set_compare(0, u64::MAX);
        timers.set_control(0, ENABLE);
        assert_eq!(timers.deadline(), Cycles::MAX);
    }
}
