//! Counters that are computed from time when somebody looks, instead of ticking.

use consort_core::Cycles;
use serde::{Deserialize, Serialize};

/// A down-counter with reload: after 0 comes the reload value. Its ticks are cycles of its owner's clock,
/// possibly divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownCounter {
    /// The count at `since`.
    value: u32,
    /// The cycle at which the count had `value`.
    since: Cycles,
    /// Cycles per tick; 0 while it stands still.
    divider: u32,
}

impl DownCounter {
    /// Standing still at `value`.
    pub const fn stopped(value: u32) -> Self {
        Self { value, since: Cycles(0), divider: 0 }
    }

    /// Begins at `value` in cycle `now`, keeping its pace.
    pub fn load(&mut self, value: u32, now: Cycles) {
        self.value = value;
        self.since = now;
    }

    /// Sets the pace from cycle `now` on: `divider` cycles per tick, 0 stops. A part of a tick that has
    /// passed is kept when the pace stays the same, and lost when it changes.
    pub fn pace(&mut self, divider: u32, reload: u32, now: Cycles) {
        if divider != self.divider {
            self.value = self.value(reload, now);
            self.since = now;
            self.divider = divider;
        }
    }

    /// Takes the count so far as the new beginning, because `reload` is about to change; says how often the
    /// count became 0 on the way.
    pub fn settle(&mut self, reload: u32, now: Cycles) -> u64 {
        if self.divider == 0 {
            return 0;
        }
        let zeros = self.zeros(reload, now);
        let ticks = now.since(self.since) / u64::from(self.divider);
        self.value = after(self.value, ticks, reload);
        self.since += ticks * u64::from(self.divider);
        zeros
    }

    /// How often the count became 0 since its beginning.
    pub fn zeros(&self, reload: u32, now: Cycles) -> u64 {
        if self.divider == 0 {
            return 0;
        }
        let ticks = now.since(self.since) / u64::from(self.divider);
        let (value, round) = (u64::from(self.value), u64::from(reload) + 1);
        match value {
            0 => ticks / round,
            _ if ticks < value => 0,
            _ => 1 + (ticks - value) / round,
        }
    }

    /// One tick from outside, for a counter that stands still by itself; true when the count became 0.
    pub fn tick(&mut self, reload: u32) -> bool {
        self.value = after(self.value, 1, reload);
        self.value == 0
    }

    /// Whether it counts.
    pub const fn runs(&self) -> bool {
        self.divider != 0
    }

    /// The count in cycle `now`.
    pub fn value(&self, reload: u32, now: Cycles) -> u32 {
        if self.divider == 0 {
            return self.value;
        }
        after(self.value, now.since(self.since) / u64::from(self.divider), reload)
    }

    /// The first cycle after `now` in which the count becomes 0; `None` while it stands still.
    pub fn next_zero(&self, reload: u32, now: Cycles) -> Option<Cycles> {
        if self.divider == 0 {
            return None;
        }
        let passed = now.since(self.since) / u64::from(self.divider);
        let value = u64::from(after(self.value, passed, reload));
        let to_go = if value == 0 { u64::from(reload) + 1 } else { value };
        Some(self.since + (passed + to_go).saturating_mul(u64::from(self.divider)))
    }

    /// Whether the count became 0 after cycle `from` and not later than `now`.
    pub fn reached_zero(&self, reload: u32, from: Cycles, now: Cycles) -> bool {
        self.next_zero(reload, from.max(self.since)).is_some_and(|zero| zero <= now)
    }
}

/// The count that `ticks` ticks make of `value`.
fn after(value: u32, ticks: u64, reload: u32) -> u32 {
    let value = u64::from(value);
    let count = if ticks <= value {
        value - ticks
    } else {
        u64::from(reload) - (ticks - value - 1) % (u64::from(reload) + 1)
    };
    count as u32 // both cases are at most u32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_counts_like_one_that_ticks(value in 0u32..20, reload in 0u32..9, divider in 1u32..4, cycles in 0u64..200) {
            let mut counter = DownCounter::stopped(value);
            counter.pace(divider, reload, Cycles(100));
            let mut ticking = value;
            let mut zero = None;
            let mut zeros = 0;
            for tick in 1..=cycles {
                if tick % u64::from(divider) == 0 {
                    ticking = ticking.checked_sub(1).unwrap_or(reload);
                    zeros += u64::from(ticking == 0);
                    if ticking == 0 && zero.is_none() {
                        zero = Some(Cycles(100 + tick));
                    }
                }
                prop_assert_eq!(counter.value(reload, Cycles(100 + tick)), ticking);
                prop_assert_eq!(counter.zeros(reload, Cycles(100 + tick)), zeros);
            }
            if let Some(zero) = zero {
                prop_assert_eq!(counter.next_zero(reload, Cycles(100)), Some(zero));
                prop_assert!(counter.reached_zero(reload, Cycles(100), Cycles(100 + cycles)));
            } else {
                prop_assert!(!counter.reached_zero(reload, Cycles(100), Cycles(100 + cycles)));
            }
            let mut settled = counter;
            prop_assert_eq!(settled.settle(reload, Cycles(100 + cycles)), zeros);
            prop_assert_eq!(settled.value(reload, Cycles(100 + 2 * cycles)), counter.value(reload, Cycles(100 + 2 * cycles)));
        }
    }
}
