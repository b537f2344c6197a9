//! The relation between instructions and cycles of a Cortex-A: the only place that knows it.

/// Cycles that `instructions` instructions take.
pub(super) const fn cycles_of(instructions: u64) -> u64 {
    instructions
}

/// The fewest instructions that take at least `cycles` cycles.
pub(super) const fn instructions_for(cycles: u64) -> u64 {
    cycles
}
