//! A safe wrapper around the patched Unicorn engine.

mod core;
mod io;
mod reg;
mod stop;
mod timing;

use core::Core;

pub use io::{Access, BusError, Io, SystemReg};
pub use reg::Reg;
pub use stop::{AccessKind, Exception, Exit, FaultCause, Stop};
pub use timing::{Cost, Insn, Timing};

/// The core an engine executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// ARMv6-M.
    CortexM0,
    /// ARMv6-M with unprivileged execution and, if it has regions, an MPU.
    CortexM0Plus,
    /// ARMv7-M.
    CortexM3,
    /// ARMv7E-M with a single-precision FPU.
    CortexM4,
    /// ARMv7E-M with a double-precision FPU.
    CortexM7,
    /// ARMv8-M without the Security Extension.
    CortexM33,
    /// ARMv7-A.
    CortexA15,
    /// ARMv8-A.
    CortexA53,
    /// ARMv8-A.
    CortexA57,
    /// ARMv8-A.
    CortexA72,
    /// RV32GC.
    Rv32,
    /// RV64GC.
    Rv64,
}

/// What an engine is created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Address space for translated code. Only what is touched costs memory; less than the guest's hot code is
    /// catastrophically slow.
    pub translation_buffer: usize,
    /// MPU regions (PMSAv7 / PMSAv8); 0 for a core without an MPU.
    pub mpu_regions: u8,
    /// M-profile: implemented bits of an exception's priority, which BASEPRI has too.
    pub priority_bits: u8,
    /// AArch64: whether the core has EL2, where it then starts.
    pub hypervisor: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { translation_buffer: 16 << 20, mpu_regions: 8, priority_bits: 8, hypervisor: false }
    }
}

/// What the guest may do with mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Perms {
    /// RAM.
    Rwx,
    /// ROM or flash: writes reach [`Io::write`].
    Rx,
}

/// Why an engine refuses a request of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The host has no memory for it, or the core is not built in.
    #[error("the engine cannot be created")]
    Create,
    /// Bases and sizes must be multiples of 4 KiB, nonzero, and must not overlap what is mapped.
    #[error("memory at {base:#x} (size {size:#x}) is unaligned or overlaps what is mapped")]
    Map {
        /// The requested base.
        base: u64,
        /// The requested size.
        size: u64,
    },
    /// A host access that is not wholly RAM or ROM; nothing was read or written.
    #[error("the bytes at {address:#x} are not all memory")]
    NoMemory {
        /// Where the access begins.
        address: u64,
    },
}

/// The registers of a core at one instant, for this engine or another of the same [`Isa`] and [`Options`].
pub struct Context {
    registers: unicorn_engine::Context,
    /// State that the patch keeps beside Unicorn's.
    beside: [u64; BESIDE.len()],
}

/// What a context needs besides Unicorn's; registers that a core does not have ignore it.
const BESIDE: [Reg; 7] =
    [Reg::CCR, Reg::NEGATIVE_PRIORITY, Reg::INTERRUPTS, Reg::INSTRET, Reg::CYCLES, Reg::PC, Reg::PC64];

/// One core and the memory it executes from.
///
/// Engines are independent: they may run on different threads at once and move between threads between runs.
pub struct Engine {
    core: Core,
    /// The C side points at the inner box.
    timing: Option<Box<Box<dyn Timing>>>,
    /// The slots of watchpoints that the last run's last instruction touched.
    hits: u32,
}

// SAFETY: the C side keeps no thread-local state, an engine shares nothing with another, and `&mut self` (or
// exclusive ownership) guards every call that changes it. The counted reference that `Unicorn` is stays within its
// engine: other counts of it exist only during a call of `run`, on the thread that runs.
unsafe impl Send for Engine {}

impl Engine {
    /// Creates a core in its reset state with no memory.
    pub fn new(isa: Isa, options: Options) -> Result<Self, EngineError> {
        Core::open(isa, options).map(|core| Engine { core, timing: None, hits: 0 })
    }

    /// Puts the registers back to their reset values; memory, breakpoints and watchpoints stay.
    ///
    /// An M-profile core's MSP and PC become 0 (with EPSR.T set): the caller loads them from the vector table.
    pub fn reset(&mut self) {
        self.core.reset();
    }

    /// Maps zeroed memory. Everything that is not mapped reaches [`Io`].
    pub fn map_ram(&mut self, base: u64, size: u64, perms: Perms) -> Result<(), EngineError> {
        self.core.map(base, size, perms)
    }

    /// Makes `[target, target + size)`, which must be inside one mapped block, visible at `base` too.
    pub fn map_alias(&mut self, base: u64, target: u64, size: u64) -> Result<(), EngineError> {
        self.core.map_alias(base, target, size)
    }

    /// Reads RAM or ROM without side effects.
    pub fn read_memory(&self, address: u64, out: &mut [u8]) -> Result<(), EngineError> {
        self.core.read_memory(address, out)
    }

    /// Writes RAM or ROM; code that was there is translated anew.
    pub fn write_memory(&mut self, address: u64, data: &[u8]) -> Result<(), EngineError> {
        self.core.write_memory(address, data)
    }

    /// Starts to note which pages are written, by the guest or the host: for snapshots that share unchanged pages.
    pub fn mark_clean(&mut self) {
        self.core.clean();
    }

    /// Whether the 4 KiB page of RAM or ROM at `address` was written since [`mark_clean`](Engine::mark_clean); true
    /// before its first call.
    pub fn is_dirty(&self, address: u64) -> bool {
        self.core.is_dirty(address)
    }

    /// A register's value; 0 for one the core does not have.
    pub fn reg(&self, reg: Reg) -> u64 {
        self.core.reg(reg)
    }

    /// Sets a register; ignored for one the core does not have.
    pub fn set_reg(&mut self, reg: Reg, value: u64) {
        self.core.set_reg(reg, value);
    }

    /// All registers, far faster than one by one.
    pub fn context(&self) -> Result<Context, EngineError> {
        let registers = self.core.context()?;
        Ok(Context { registers, beside: BESIDE.map(|reg| self.reg(reg)) })
    }

    /// Puts all registers back. Memory, breakpoints and watchpoints stay as they are.
    pub fn restore_context(&mut self, context: &Context) -> Result<(), EngineError> {
        self.core.restore_context(&context.registers)?;
        for (reg, value) in BESIDE.into_iter().zip(context.beside) {
            self.set_reg(reg, value);
        }
        Ok(())
    }

    /// Prices instructions; without a model each takes one cycle. Translated code is dropped.
    pub fn set_timing(&mut self, timing: Option<Box<dyn Timing>>) {
        let timing = timing.map(Box::new);
        self.core.set_timing(timing.as_deref());
        self.timing = timing;
    }

    /// Runs from the current PC to the first instruction boundary at or behind `budget` cycles.
    pub fn run(&mut self, io: &mut dyn Io, budget: u64) -> Exit {
        let (exit, hits) = self.core.run(io, budget);
        self.hits = hits;
        exit
    }

    /// M-profile, whose interrupt controller is outside: while on, [`Stop::Unmasked`] follows every instruction that
    /// may unmask an interrupt (CPSIE, MSR to PRIMASK, BASEPRI or FAULTMASK). Switch it on when something masked is
    /// pending. The other cores take a pending interrupt themselves right after the instruction that unmasks it.
    pub fn watch_unmask(&mut self, on: bool) {
        self.core.watch_unmask(on);
    }

    /// Stops before the instruction at an address. A run that goes on from [`Stop::Breakpoint`] executes it first; a
    /// run that arrives there with its budget used up reports [`Stop::Budget`], and the next one the breakpoint.
    pub fn add_breakpoint(&mut self, address: u64) {
        self.core.breakpoint(address, true);
    }

    /// Removes a breakpoint.
    pub fn remove_breakpoint(&mut self, address: u64) {
        self.core.breakpoint(address, false);
    }

    /// Stops after an instruction that reads (`AccessKind::Read`) or writes the bytes. Peripherals' registers can be
    /// watched like RAM. The slot, 0 to 31, tells who watches: see [`watched`](Engine::watched).
    pub fn add_watchpoint(&mut self, slot: u8, address: u64, size: u64, access: AccessKind) {
        self.core.watchpoint(slot, address, size, access, true);
    }

    /// Removes a watchpoint added with the same values.
    pub fn remove_watchpoint(&mut self, slot: u8, address: u64, size: u64, access: AccessKind) {
        self.core.watchpoint(slot, address, size, access, false);
    }

    /// The slots, bit n for slot n, of all watchpoints that the last instruction of the last run touched, whatever
    /// ended that run. [`Stop::Watchpoint`] tells of one of slot 0 if it is among them.
    pub fn watched(&self) -> u32 {
        self.hits
    }
}
