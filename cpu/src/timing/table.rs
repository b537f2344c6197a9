//! Cycles by class of instruction and core. Zero wait states; `memory.rs` adds those.

/// What a core's manual gives. "Refill" is its P: the cycles of a pipeline refill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Data processing, hints, and whatever has no line of its own.
    pub data: u8,
    /// More, when the next instruction uses the result of data processing as an address.
    pub address_interlock: u8,
    /// `MUL`.
    pub multiply: u8,
    /// `MLA`, `MLS`.
    pub multiply_accumulate: u8,
    /// `SMULL`, `UMULL`.
    pub multiply_long: u8,
    /// `SMLAL`, `UMLAL`, `UMAAL`.
    pub multiply_accumulate_long: u8,
    /// `SDIV`, `UDIV`: with an empty quotient, and with one of 32 bits.
    pub divide: (u8, u8),
    /// A load.
    pub load: u8,
    /// A load that the next instruction's access overlaps.
    pub load_overlapped: u8,
    /// More, when a store is followed by an access to memory other than a store of one register.
    pub store_then_access: u8,
    /// More, for the third of 32-bit instructions in a row that are not aligned.
    pub wide_run: u8,
    /// More, when a branch goes to an address that is no multiple of four.
    pub wide_target: u8,
    /// A store with an immediate offset.
    pub store: u8,
    /// A store with a register as offset.
    pub store_indexed: u8,
    /// `LDM`, `STM`, `LDRD`, `STRD`, `PUSH`, `POP`: beside one for each register.
    pub multiple: u8,
    /// The same with PC among what is loaded, refill included.
    pub multiple_pc: u8,
    /// `LDR` to PC, refill included.
    pub load_pc: u8,
    /// `TBB`, `TBH`, refill included.
    pub table_branch: u8,
    /// `B`, refill included.
    pub branch: u8,
    /// `B` with a condition, `CBZ`, `CBNZ`: taken, refill included; else `data`.
    pub branch_if: u8,
    /// `BL`, refill included.
    pub branch_link: u8,
    /// `BX`, `BLX`, writes of PC, refill included.
    pub branch_register: u8,
    /// `MRS`, `MSR`.
    pub special: u8,
    /// `CPS`.
    pub change_state: u8,
    /// `DMB`, `DSB`.
    pub data_barrier: u8,
    /// `ISB`, refill included.
    pub instruction_barrier: u8,
    /// `WFI`, `WFE`, without the wait.
    pub wait: u8,
    /// `IT`.
    pub if_then: u8,
    /// More, when the next instruction needs the result of floating-point arithmetic.
    pub float_interlock: u8,
    /// `VMLA` and its like.
    pub float_multiply_accumulate: u8,
    /// `VDIV.F32`, `VSQRT.F32`.
    pub float_divide: u8,
    /// `VDIV.F64`, `VSQRT.F64`.
    pub float_divide_double: u8,
    /// Other computations of double precision.
    pub float_double: u8,
    /// From the instruction boundary at which an exception is taken to its handler's first instruction.
    pub entry: u8,
    /// From one handler's return to the next one's first instruction.
    pub tail_chain: u8,
    /// From a handler's last instruction, that included, to where it returns to.
    pub exit: u8,
}

/// Cortex-M0 (DDI 0432C).
pub(crate) const M0: Table = Table {
    data: 1,              // 3.3
    address_interlock: 0, // three stages, the result is forwarded
    multiply: 1,          // 3.3: 1 or 32, as the chip's maker chose
    multiply_accumulate: 1,
    multiply_long: 1,
    multiply_accumulate_long: 1,
    divide: (1, 1),
    load: 2,            // 3.3
    load_overlapped: 2, // 3.3
    store_then_access: 0,
    wide_run: 0,
    wide_target: 0,
    store: 2,         // 3.3
    store_indexed: 2, // 3.3
    multiple: 1,      // 3.3: 1 + N
    multiple_pc: 4,   // 3.3: POP with PC 4 + N, PC counted
    load_pc: 1,
    table_branch: 1,
    branch: 3,              // 3.3
    branch_if: 3,           // 3.3: 1 or 3
    branch_link: 4,         // 3.3
    branch_register: 3,     // 3.3
    special: 4,             // 3.3
    change_state: 1,        // 3.3
    data_barrier: 4,        // 3.3
    instruction_barrier: 4, // 3.3
    wait: 2,                // 3.3
    if_then: 1,
    float_interlock: 0,
    float_multiply_accumulate: 1,
    float_divide: 1,
    float_divide_double: 1,
    float_double: 1,
    entry: 16,      // 3.6.1
    tail_chain: 10, // no figure in the manual: entry without the stacking that is kept
    exit: 16,       // no figure in the manual: as many transfers as entry
};

/// Cortex-M0+ (DDI 0484C).
pub(crate) const M0_PLUS: Table = Table {
    multiple_pc: 3,         // 3.3: 3 + N, PC counted
    branch: 2,              // 3.3
    branch_if: 2,           // 3.3: 1 or 2
    branch_link: 3,         // 3.3
    branch_register: 2,     // 3.3
    special: 3,             // 3.3
    data_barrier: 3,        // 3.3
    instruction_barrier: 3, // 3.3
    entry: 15,              // 3.6.1
    tail_chain: 9,
    exit: 13,
    ..M0
};

/// Cortex-M3 (DDI 0337I).
pub(crate) const M3: Table = Table {
    data: 1,                     // 3.3.1
    address_interlock: 1,        // 3.3.3
    multiply: 1,                 // 3.3.1
    multiply_accumulate: 2,      // 3.3.1
    multiply_long: 4,            // 3.3.1: 3 to 5, by the operands
    multiply_accumulate_long: 5, // 3.3.1: 4 to 7, by the operands
    divide: (2, 12),             // 3.3.1: 2 to 12, by the operands
    load: 2,                     // 3.3.1
    load_overlapped: 1,          // 3.3.3
    store_then_access: 1,        // 3.3.3: nothing can be pipelined after the store
    wide_run: 1,                 // measured: docs/timing.md
    wide_target: 1,              // 3.3.1: the refill depends on alignment and width
    store: 1,                    // 3.3.3: the write buffer takes it
    store_indexed: 2,            // 3.3.1
    multiple: 1,                 // 3.3.1: 1 + N
    multiple_pc: 4,              // 3.3.1: 1 + N + refill
    load_pc: 5,                  // 3.3.3
    table_branch: 6,             // 3.3.3
    branch: 2,                   // 3.3.1: 1 + refill, spoken for early
    branch_if: 2,                // 3.3.1: 1 or 1 + refill
    branch_link: 2,              // 3.3.1: 1 + refill
    branch_register: 3,          // 3.3.1: 1 + refill
    special: 2,                  // 3.3.1: 1 or 2
    change_state: 2,             // 3.3.1: 1 or 2
    data_barrier: 1,             // 3.3.1: 1 + what it waits for; there is no write buffer to drain
    instruction_barrier: 3,      // 3.3.1: 1 + refill
    wait: 2,                     // 3.3.1: 1 + the wait
    if_then: 1,                  // 3.3.1
    float_interlock: 0,
    float_multiply_accumulate: 1,
    float_divide: 1,
    float_divide_double: 1,
    float_double: 1,
    entry: 12,     // 3.9: zero wait states
    tail_chain: 6, // 3.9
    exit: 12,      // 3.9
};

/// Cortex-M4 with or without its FPU (100166).
pub(crate) const M4: Table = Table {
    multiply_accumulate: 1,       // 3.3.1
    multiply_long: 1,             // 3.3.1
    multiply_accumulate_long: 1,  // 3.3.1
    float_interlock: 1,           // 7.2.3
    float_multiply_accumulate: 3, // 7.2.3
    float_divide: 14,             // 7.2.3
    ..M3
};

/// Cortex-M33 (100230): the manual has no figures, these are averages.
pub(crate) const M33: Table = Table {
    address_interlock: 0,
    float_interlock: 0,
    store_then_access: 0,
    wide_run: 0,
    wide_target: 0,
    divide: (2, 11),
    load: 1,
    store_indexed: 1,
    ..M4
};

/// Cortex-M7 (DDI 0489): two instructions may begin in one cycle, which no manual gives figures for. One instruction a
/// cycle, with caches that hit and branches that are foreseen, is on average what is left of that.
pub(crate) const M7: Table = Table {
    address_interlock: 0,
    float_interlock: 0,
    store_then_access: 0,
    wide_run: 0,
    wide_target: 0,
    load: 1,
    load_overlapped: 1,
    store_indexed: 1,
    multiple: 0,
    multiple_pc: 2,
    load_pc: 3,
    table_branch: 4,
    branch: 1,
    branch_if: 1,
    branch_link: 1,
    branch_register: 2,
    float_multiply_accumulate: 1,
    float_divide_double: 28,
    ..M4
};
