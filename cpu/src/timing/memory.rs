//! What memory and buses add to the cycles of instructions: wait states of the code's region and of peripherals.

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
    /// Whether the next line, of 8 bytes or more, is read ahead: code that goes straight on then seldom waits.
    pub prefetch: bool,
    /// Cycles that a load of data waits.
    pub data: u8,
    /// Bytes that one access brings, a power of two.
    pub line: u8,
    /// What takes the place of the cycles above while the chip's cache of code is on.
    pub cached: Option<Cached>,
}

impl Slow {
    fn reads_ahead(&self) -> bool {
        self.prefetch && self.line >= 8
    }
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

/// Peripherals behind a bus that makes the core wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowBus {
    /// First address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// Cycles that a read adds to its instruction.
    pub read: u8,
    /// Cycles that a write adds to its instruction.
    pub write: u8,
}

impl SlowBus {
    /// Cycles that an access adds where one of these buses is in its way.
    pub(crate) fn stall(buses: &[Self], addr: u64, write: bool) -> u32 {
        let bus = buses.iter().find(|bus| addr.wrapping_sub(bus.base) < bus.size);
        bus.map_or(0, |bus| u32::from(if write { bus.write } else { bus.read }))
    }
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

    /// Whether what an instruction waits depends on the next one.
    pub(crate) fn looks(&self, pc: u64) -> bool {
        self.at(pc).is_some_and(|slow| slow.reads_ahead() && slow.sequential != 0)
    }

    /// Cycles for the fetch of an instruction in sequence: it waits where it begins a line or reaches into the next.
    /// Where lines are read ahead, only those of 8 bytes with nothing but two instructions of one cycle are late.
    pub(crate) fn fetch(&self, pc: u64, wide: bool, next_wide: bool) -> u8 {
        let Some(slow) = self.at(pc) else { return 0 };
        let line = u64::from(slow.line.max(2));
        if slow.reads_ahead() {
            let pair = line == 8 && wide && next_wide && matches!(pc % 8, 0 | 6);
            return if pair { slow.sequential / 2 } else { 0 };
        }
        let last = if wide { pc + 2 } else { pc };
        if pc.is_multiple_of(line) || pc / line != last / line { slow.sequential } else { 0 }
    }

    /// Cycles for the fetch of a branch's target. One at the beginning of a line pays there for the line; for one that
    /// only the program knows, both are assumed to be as likely.
    ///
    /// A memory that reads ahead is still at it when a branch follows soon on another: it waits for that in loops of two
    /// or three instructions, elsewhere half as long on average. And code that is entered in the last word of a line is
    /// at the next one before that has come.
    pub(crate) fn refill(&self, pc: u64, target: Option<u64>) -> u8 {
        let Some(slow) = self.at(target.unwrap_or(pc)) else { return 0 };
        let line = u64::from(slow.line.max(2));
        if slow.reads_ahead() {
            let tight = target.is_some_and(|target| target <= pc && pc - target <= 4);
            let late = target.is_some_and(|target| target % line + 4 >= line);
            let busy = if tight { slow.sequential } else { slow.sequential / 2 };
            return slow.branch.saturating_add(busy).saturating_add(if late { slow.sequential } else { 0 });
        }
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
