//! Why a run ended.

/// The outcome of one [`Engine::run`](super::Engine::run).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Instructions completed in this run. An instruction that faulted, hit a breakpoint, is undefined or `BKPT`
    /// is not counted; `SVC`, `WFI`, `WFE`, `SEV` and `YIELD` are; so is the branch that an
    /// [`Exception::ExceptionReturn`] comes from. An instruction whose condition failed counts as one.
    pub executed: u64,
    /// The cycles that these took.
    pub cycles: u64,
    /// The reason.
    pub stop: Stop,
}

/// Why a run ended. PC is at the next instruction to execute unless a variant says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The budget is used up.
    Budget,
    /// [`Access::stop_after`](super::Access::stop_after) was called; the accessing instruction is complete.
    Requested,
    /// An instruction that may have unmasked an interrupt completed while
    /// [`Engine::watch_unmask`](super::Engine::watch_unmask) was on.
    Unmasked,
    /// `WFI` completed.
    Wfi,
    /// `WFE` completed; the event register is the caller's.
    Wfe,
    /// `SEV` completed.
    Sev,
    /// `YIELD` completed.
    Yield,
    /// The instruction at PC has a breakpoint and was not executed.
    Breakpoint,
    /// An access touched a watched range; the accessing instruction is complete.
    Watchpoint {
        /// The first byte of the access.
        address: u64,
        /// Its width in bytes.
        size: u8,
        /// Read or write.
        access: AccessKind,
    },
    /// The architecture raises an exception.
    Exception(Exception),
}

/// What kind of access a fault or a watchpoint was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// A data read.
    Read,
    /// A data write.
    Write,
    /// An instruction fetch.
    Fetch,
}

/// An exception that the core raises on itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// Supervisor call; PC is after it and it counts as executed.
    Svc {
        /// The instruction's immediate.
        number: u32,
    },
    /// `BKPT`, semihosting's `BKPT 0xAB` included; PC is at it.
    Bkpt {
        /// The instruction's immediate.
        number: u32,
    },
    /// An undefined instruction; PC is at it.
    Undefined,
    /// A coprocessor or FPU instruction that CPACR denies (UsageFault NOCP); PC is at it.
    NoCoprocessor,
    /// Execution without the Thumb bit (UsageFault INVSTATE); PC is at the instruction.
    InvalidState,
    /// A branch to an EXC_RETURN value in handler mode. PC is not meaningful until the caller unstacked.
    ExceptionReturn {
        /// The whole EXC_RETURN value.
        value: u32,
    },
    /// An FPU instruction found FPCCR.LSPACT set: the caller stores S0-S15 and FPSCR at FPCAR, clears LSPACT and
    /// runs on. PC is at the instruction.
    LazyStacking,
    /// A division by zero while CCR.DIV_0_TRP is set; PC is at it.
    DivideByZero,
    /// A stack pointer went below its limit (ARMv8-M UsageFault STKOF); PC is at the instruction.
    StackOverflow,
    /// An access or fetch was refused; PC is at the instruction, whose register results are not written.
    Fault {
        /// What it tried to do.
        access: AccessKind,
        /// Who refused.
        cause: FaultCause,
        /// The address it used; for a fetch, of the instruction.
        address: u64,
    },
    /// Any other exception, by the number QEMU gives it (A-profile and RISC-V use this when exceptions are not
    /// delivered by the engine).
    Other {
        /// `EXCP_*` of QEMU's target.
        number: u32,
        /// The syndrome (`ESR_ELx`), when the architecture has one.
        syndrome: u64,
        /// The fault address (`FAR_ELx`, `tval`), when there is one.
        address: u64,
    },
}

/// Who refused an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultCause {
    /// The MPU or the default memory map (MemManage).
    Protection,
    /// The bus: [`Io`](super::Io) answered [`BusError`](super::BusError), or a fetch met no memory.
    Bus,
    /// Alignment: CCR.UNALIGN_TRP, or an instruction that always needs it.
    Unaligned,
}
