//! What memory adds to the cycles of instructions: wait states of the code's region.

use serde::{Deserialize, Serialize};

/// A region of memory that does not answer at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// First address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// Cycles that an instruction waits when its fetch crosses into a new line, straight on.
    pub sequential: u8,
    /// Cycles that a taken branch waits for its target.
    pub branch: u8,
    /// Cycles that a load of data waits.
    pub data: u8,
    /// Bytes that one access brings, a power of two.
    pub line: u8,
    /// What takes the place of the cycles above while the chip's cache of code is on.
    pub cached: Option<Cached>,
}

/// The cycles of [`Slow`] behind a cache that always hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cached {
    /// As in [`Slow`].
    pub sequential: u8,
    /// As in [`Slow`].
    pub branch: u8,
    /// As in [`Slow`].
    pub data: u8,
}

/// The slow regions around a core.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(Vec<Slow>);

impl Waits {
    /// The waits of these regions, with the cache of code on or off.
    pub(crate) fn new(slow: &[Slow], cache: bool) -> Self {
        let of = |slow: &Slow| match slow.cached {
            Some(Cached { sequential, branch, data }) if cache => Slow { sequential, branch, data, ..*slow },
            _ => *slow,
        };
        Self(slow.iter().map(of).collect())
    }

    fn at(&self, addr: u64) -> Option<&Slow> {
        self.0.iter().find(|slow| addr.wrapping_sub(slow.base) < slow.size)
    }

    /// Cycles for the fetch of an instruction in sequence: it waits where it begins a line or reaches into the next.
    pub(crate) fn fetch(&self, pc: u64, wide: bool) -> u8 {
        let Some(slow) = self.at(pc) else { return 0 };
        let line = u64::from(slow.line.max(2));
        let last = if wide { pc + 2 } else { pc };
        if pc.is_multiple_of(line) || pc / line != last / line { slow.sequential } else { 0 }
    }

    /// Cycles for the fetch of a branch's target. One at the beginning of a line pays there for the line; for one that
    /// only the program knows, both are assumed to be as likely.
    pub(crate) fn refill(&self, pc: u64, target: Option<u64>) -> u8 {
        let Some(slow) = self.at(target.unwrap_or(pc)) else { return 0 };
        let line = u64::from(slow.line.max(2));
        match target {
            Some(target) if target.is_multiple_of(line) => slow.branch.saturating_sub(slow.sequential),
            Some(_) => slow.branch,
            None => slow.branch.saturating_sub(slow.sequential / 2),
        }
    }

    /// Cycles for a load relative to PC, whose data is where the code is.
    pub(crate) fn literal(&self, pc: u64) -> u8 {
        self.data(pc)
    }

    /// Cycles for a load of data at an address.
    pub(crate) fn data(&self, addr: u64) -> u8 {
        self.at(addr).map_or(0, |slow| slow.data)
    }
}
