//! What the engine asks of a timing model: the cost of each instruction, once, when it translates it.

/// An instruction about to be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn<'a> {
    /// Its address.
    pub pc: u64,
    /// Its encoding; a 32-bit Thumb instruction has its first halfword above.
    pub code: u32,
    /// The page of memory that it is in (1 KiB on Cortex-M). Thumb only; empty elsewhere.
    pub page: &'a [u8],
    /// Whether a condition outside the instruction (Thumb's IT) decides if it is executed.
    pub conditional: bool,
}

/// Cycles of an instruction. They may depend on memory around it in its page, never on how the program came there: the same
/// instruction must cost the same wherever a run was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The most it takes; of a branch, what it takes without [`taken`](Cost::taken).
    pub cycles: u8,
    /// How many fewer it takes when it does not branch, or its condition fails.
    pub skipped: u8,
    /// How many more it takes when it branches.
    pub taken: u8,
    /// Of a division: how many fewer it takes when the quotient is empty, in proportion to the quotient's length.
    pub short_quotient: u8,
    /// How many bytes in front of the instruction these numbers depend on.
    pub looked_back: u8,
    /// How many bytes behind the instruction these numbers depend on.
    pub looked_ahead: u8,
}

impl Cost {
    /// Always the same number of cycles, at least one.
    pub const fn constant(cycles: u8) -> Self {
        let cycles = if cycles == 0 { 1 } else { cycles };
        Self { cycles, skipped: 0, taken: 0, short_quotient: 0, looked_back: 0, looked_ahead: 0 }
    }
}

/// What the instructions of a core cost.
pub trait Timing: Send + Sync {
    /// The cost of one instruction.
    fn cost(&self, insn: Insn<'_>) -> Cost;

    /// Cycles of an instruction that reads or writes a system register which is the machine's; [`cost`](Timing::cost)
    /// must agree.
    fn system(&self) -> u8 {
        1
    }

    /// Cycles of an exception that the core takes itself, which counts as one instruction.
    fn trap(&self) -> u8 {
        1
    }
}
