//! What TIMER and RTC share: a wrapping counter that is computed from the ticks since its run began.

use serde::{Deserialize, Serialize};

/// A run of a counter. Who owns it knows how many ticks have passed since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The counter when the run began.
    base: u32,
    /// Ticks whose events have been given.
    pub done: u64,
}

impl Run {
    /// A run that begins at `base`.
    pub fn from(base: u32) -> Self {
        Self { base, done: 0 }
    }

    /// The counter after `ticks`.
    pub fn value(self, ticks: u64, mask: u32) -> u32 {
        self.base.wrapping_add(ticks as u32) & mask
    }

    /// The first tick after those done at which the counter is `target`.
    pub fn next(self, target: u32, mask: u32) -> u64 {
        let away = target.wrapping_sub(self.value(self.done, mask)).wrapping_sub(1) & mask;
        self.done + u64::from(away) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_reached_after_now_and_beyond_the_wrap() {
        let run = Run { base: 250, done: 3 };
        assert_eq!(run.value(3, 0xFF), 253);
        assert_eq!([run.next(254, 0xFF), run.next(253, 0xFF), run.next(0x102, 0xFF)], [4, 259, 8]);
    }
}
