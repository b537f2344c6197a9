//! SysTick as a pure function of the core's cycle count (DDI 0403 B3.3).

use serde::{Deserialize, Serialize};

use consort_core::time::Cycles;

/// SYST_CSR.ENABLE.
pub(super) const ENABLE: u32 = 1 << 0;
/// SYST_CSR.TICKINT.
pub(super) const TICKINT: u32 = 1 << 1;
/// SYST_CSR.CLKSOURCE: the processor clock.
pub(super) const CLKSOURCE: u32 = 1 << 2;
/// SYST_CSR.COUNTFLAG.
pub(super) const COUNTFLAG: u32 = 1 << 16;
/// SYST_CALIB.NOREF: there is no reference clock.
pub(super) const NOREF: u32 = 1 << 31;

const COUNTER: u32 = 0x00FF_FFFF;

/// The external reference clock: `ticks` of it pass in `cycles` of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Core cycles.
    pub cycles: u32,
    /// Reference ticks in that many cycles, at most as many.
    pub ticks: u32,
}

/// The timer. It is never counted: its value is computed from the cycle whenever someone asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SysTick {
    reference: Option<Reference>,
    calibration: u32,
    /// ENABLE, TICKINT and CLKSOURCE.
    control: u32,
    count_flag: bool,
    /// SYST_RVR.
    reload: u32,
    /// The counter at tick `anchor` of its present clock.
    value: u32,
    anchor: u64,
}

impl SysTick {
    pub(super) fn new(reference: Option<Reference>, calibration: u32) -> Self {
        let reference = reference.filter(|r| r.ticks != 0 && r.cycles >= r.ticks);
        let calibration = if reference.is_some() { calibration & !NOREF } else { calibration | NOREF };
        let mut systick =
            Self { reference, calibration, control: 0, count_flag: false, reload: 0, value: 0, anchor: 0 };
        systick.reset();
        systick
    }

    /// Back to the reset state; the reload and current values are UNKNOWN then, here 0.
    pub(super) fn reset(&mut self) {
        self.control = if self.reference.is_some() { 0 } else { CLKSOURCE };
        self.count_flag = false;
        (self.reload, self.value, self.anchor) = (0, 0, 0);
    }

    /// Ticks of the selected clock that have passed by cycle `at`.
    fn tick_of(&self, at: Cycles) -> u64 {
        match self.reference {
            Some(r) if self.control & CLKSOURCE == 0 => {
                (u128::from(at.0) * u128::from(r.ticks) / u128::from(r.cycles)) as u64
            }
            _ => at.0,
        }
    }

    /// The first cycle at which `tick` ticks have passed.
    fn cycle_of(&self, tick: u64) -> Cycles {
        match self.reference {
            Some(r) if self.control & CLKSOURCE == 0 => {
                let cycle = (u128::from(tick) * u128::from(r.cycles)).div_ceil(u128::from(r.ticks));
                Cycles(u64::try_from(cycle).unwrap_or(u64::MAX))
            }
            _ => Cycles(tick),
        }
    }

    fn enabled(&self) -> bool {
        self.control & ENABLE != 0
    }

    /// Ticks from the anchor to the next transition from 1 to 0, if there will be one.
    fn ticks_to_zero(&self) -> Option<u64> {
        match (self.value, self.reload) {
            (0, 0) => None,
            (0, reload) => Some(u64::from(reload) + 1),
            (value, _) => Some(u64::from(value)),
        }
    }

    fn value_after(&self, ticks: u64) -> u32 {
        if ticks <= u64::from(self.value) {
            return self.value - ticks as u32;
        }
        let since_reload = ticks - u64::from(self.value) - 1;
        (u64::from(self.reload) - since_reload % (u64::from(self.reload) + 1)) as u32
    }

    /// Brings the state up to cycle `at`; true when the counter reached zero on the way and TICKINT asks for
    /// the exception.
    #[must_use]
    pub(super) fn advance(&mut self, at: Cycles) -> bool {
        if !self.enabled() {
            return false;
        }
        let tick = self.tick_of(at);
        let ticks = tick.saturating_sub(self.anchor);
        if ticks == 0 {
            return false;
        }
        let wrapped = self.ticks_to_zero().is_some_and(|to_zero| to_zero <= ticks);
        self.value = self.value_after(ticks);
        self.anchor = tick;
        self.count_flag |= wrapped;
        wrapped && self.control & TICKINT != 0
    }

    /// The next cycle at which it will ask for its exception; it must be up to date.
    pub(super) fn deadline(&self) -> Cycles {
        if self.control & (ENABLE | TICKINT) != ENABLE | TICKINT {
            return Cycles::MAX;
        }
        match self.ticks_to_zero() {
            Some(ticks) => self.cycle_of(self.anchor + ticks),
            None => Cycles::MAX,
        }
    }

    /// SYST_CSR without the side effect of reading.
    pub(super) fn peek_csr(&self) -> u32 {
        self.control | if self.count_flag { COUNTFLAG } else { 0 }
    }

    /// SYST_CSR; reading clears COUNTFLAG.
    pub(super) fn read_csr(&mut self) -> u32 {
        let csr = self.peek_csr();
        self.count_flag = false;
        csr
    }

    /// SYST_RVR.
    pub(super) fn rvr(&self) -> u32 {
        self.reload
    }

    /// SYST_CVR; it must be up to date.
    pub(super) fn cvr(&self) -> u32 {
        self.value
    }

    /// SYST_CALIB.
    pub(super) fn calib(&self) -> u32 {
        self.calibration
    }

    /// Writes SYST_CSR at cycle `at`, up to which it must be up to date.
    pub(super) fn write_csr(&mut self, at: Cycles, csr: u32) {
        self.control = csr & (ENABLE | TICKINT | CLKSOURCE);
        if self.reference.is_none() {
            self.control |= CLKSOURCE;
        }
        self.anchor = self.tick_of(at);
    }

    /// Writes SYST_RVR: the value for the next reload.
    pub(super) fn write_rvr(&mut self, value: u32) {
        self.reload = value & COUNTER;
    }

    /// Writes SYST_CVR: any value clears the counter and COUNTFLAG, without the exception.
    pub(super) fn write_cvr(&mut self) {
        self.value = 0;
        self.count_flag = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn running(reload: u32) -> SysTick {
        let mut systick = SysTick::new(None, 0);
        systick.write_rvr(reload);
        systick.write_cvr();
        systick.write_csr(Cycles(0), ENABLE | TICKINT | CLKSOURCE);
        systick
    }

    #[test]
    fn the_period_is_reload_plus_one() {
        let mut systick = running(9);
        for (at, value, fires) in [(0, 0, false), (1, 9, false), (9, 1, false), (10, 0, true), (11, 9, false)]
        {
            assert_eq!((systick.advance(Cycles(at)), systick.cvr()), (fires, value), "cycle {at}");
        }
        assert_eq!(systick.deadline(), Cycles(20));
        assert!(systick.advance(Cycles(1000)));
        assert_eq!((systick.cvr(), systick.deadline()), (0, Cycles(1010)));
    }

    #[test]
    fn count_flag_is_cleared_by_reading_and_by_writing_the_value() {
        let mut systick = running(9);
        let _ = systick.advance(Cycles(10));
        assert_eq!(systick.peek_csr() & COUNTFLAG, COUNTFLAG);
        assert_eq!(systick.read_csr() & COUNTFLAG, COUNTFLAG);
        assert_eq!(systick.read_csr() & COUNTFLAG, 0);
        let _ = systick.advance(Cycles(20));
        systick.write_cvr();
        assert_eq!((systick.read_csr() & COUNTFLAG, systick.cvr()), (0, 0));
        assert_eq!(systick.deadline(), Cycles(30), "the next tick reloads, then nine more count down");
    }

    #[test]
    fn a_new_reload_value_waits_for_the_next_reload() {
        let mut systick = running(9);
        let _ = systick.advance(Cycles(5));
        systick.write_rvr(99);
        assert_eq!((systick.cvr(), systick.deadline()), (5, Cycles(10)));
        assert!(systick.advance(Cycles(10)));
        assert_eq!(systick.deadline(), Cycles(110));
    }

    #[test]
    fn reload_zero_stops_at_the_next_wrap() {
        let mut systick = running(9);
        let _ = systick.advance(Cycles(5));
        systick.write_rvr(0);
        assert!(systick.advance(Cycles(10)));
        assert!(!systick.advance(Cycles(1000)));
        assert_eq!((systick.cvr(), systick.deadline()), (0, Cycles::MAX));
    }

    #[test]
    fn without_tickint_only_the_flag_tells() {
        let mut systick = running(9);
        systick.write_csr(Cycles(0), ENABLE | CLKSOURCE);
        assert_eq!(systick.deadline(), Cycles::MAX);
        assert!(!systick.advance(Cycles(10)));
        assert_eq!(systick.read_csr() & COUNTFLAG, COUNTFLAG);
    }

    #[test]
    fn stopped_it_keeps_its_value() {
        let mut systick = running(9);
        let _ = systick.advance(Cycles(4));
        systick.write_csr(Cycles(4), CLKSOURCE);
        assert!(!systick.advance(Cycles(500)));
        assert_eq!(systick.cvr(), 6);
        systick.write_csr(Cycles(500), ENABLE | TICKINT | CLKSOURCE);
        assert_eq!(systick.deadline(), Cycles(506));
    }

    #[test]
    fn the_reference_clock_divides_exactly() {
        let mut systick = SysTick::new(Some(Reference { cycles: 25, ticks: 1 }), NOREF);
        assert_eq!(systick.calib() & NOREF, 0);
        systick.write_rvr(4);
        systick.write_csr(Cycles(30), ENABLE | TICKINT);
        assert_eq!(systick.deadline(), Cycles(150), "ticks 2 (reload) to 6");
        assert!(!systick.advance(Cycles(149)));
        assert_eq!(systick.cvr(), 1);
        assert!(systick.advance(Cycles(150)));
    }

    #[test]
    fn without_a_reference_clock_the_source_reads_as_one() {
        let mut systick = SysTick::new(None, 0);
        systick.write_csr(Cycles(0), ENABLE);
        assert_eq!((systick.read_csr(), systick.calib()), (ENABLE | CLKSOURCE, NOREF));
    }

    proptest! {
        #[test]
        fn looking_often_changes_nothing(
            reload in 0u32..40, cuts in proptest::collection::vec(1u64..50, 1..40), cycles in 1u32..9,
        ) {
            let start = || {
                let mut systick = SysTick::new(Some(Reference { cycles, ticks: 1 }), 0);
                systick.write_rvr(reload);
                systick.write_csr(Cycles(0), ENABLE | TICKINT);
                systick
            };
            // The truth: count tick by tick.
            let (mut value, mut fired) = (0, 0u32);
            let end: u64 = cuts.iter().sum();
            for _ in 0..end / u64::from(cycles) {
                if value == 0 {
                    value = reload;
                } else {
                    value -= 1;
                    fired += u32::from(value == 0);
                }
            }
            let (mut often, mut at, mut seen) = (start(), Cycles(0), 0);
            for cut in cuts {
                let until = at + cut;
                while often.deadline() <= until {
                    at = often.deadline();
                    prop_assert!(often.advance(at));
                    seen += 1;
                }
                at = until;
                prop_assert!(!often.advance(at));
            }
            prop_assert_eq!((often.cvr(), seen), (value, fired));
            let mut once = start();
            prop_assert_eq!(once.advance(Cycles(end)), fired > 0);
            prop_assert_eq!(once.cvr(), value);
        }
    }
}
