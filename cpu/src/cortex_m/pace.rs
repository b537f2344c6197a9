//! The relation between instructions and cycles: the only place that knows it.

/// Cycles that `instructions` instructions take.
pub(super) const fn cycles_of(instructions: u64) -> u64 {
    instructions
}

/// The fewest instructions that take at least `cycles` cycles.
pub(super) const fn instructions_for(cycles: u64) -> u64 {
    cycles
}

/// Cycles between the last instruction before an exception and its handler's first.
pub(super) const ENTRY: u64 = 0;

/// Cycles of an exception return, tail-chained or not, beyond those of its branch.
pub(super) const RETURN: u64 = 0;
