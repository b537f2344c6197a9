//! What a machine sees of a processor core.

use serde::{Deserialize, Serialize};

use crate::bus::{Addr, Bus, Memory};
use crate::state::State;
use crate::time::Cycles;

/// The number that stands for the non-maskable interrupt among external lines.
pub const NMI: u16 = u16::MAX;

/// What a block of guest memory allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegionKind {
    /// Read, write, execute.
    Ram,
    /// Read and execute; guest writes go to the bus.
    Rom,
    /// The memory of another region once more, at a second address.
    Alias {
        /// Where the other region's bytes begin.
        target: Addr,
    },
}

/// A block of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// First address.
    pub base: Addr,
    /// Size in bytes, a multiple of 4 KiB like the base.
    pub size: u64,
    /// What it allows.
    pub kind: RegionKind,
}

/// Memory that cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("memory at {base:#010x}, {size:#x} bytes: {why}")]
pub struct MapError {
    /// First address.
    pub base: Addr,
    /// Size in bytes.
    pub size: u64,
    /// What is wrong with it.
    pub why: String,
}

/// What a register is for, so that front ends need no knowledge of the architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A general register.
    General,
    /// The program counter.
    ProgramCounter,
    /// The stack pointer in use.
    StackPointer,
    /// The return address.
    ReturnAddress,
    /// Flags and state.
    Status,
    /// System control.
    System,
    /// Floating point or vector.
    Float,
}

/// A register of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RegisterInfo {
    /// GDB's name for it.
    pub name: &'static str,
    /// Its width in bits.
    pub bits: u16,
    /// GDB's target description feature it belongs to, such as `org.gnu.gdb.arm.m-profile`.
    pub feature: &'static str,
    /// What it is for.
    pub role: Role,
}

/// What accesses a watchpoint stops at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchKind {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Both.
    Access,
}

/// A watched range of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchpoint {
    /// First address.
    pub addr: Addr,
    /// Size in bytes.
    pub len: u64,
    /// What stops.
    pub kind: WatchKind,
}

/// How many ranges a chip can watch.
pub const CHIP_WATCHES: usize = 20;

/// Why [`Core::run`] came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The cycle asked for is reached, or the bus wants attention.
    Reached,
    /// Asleep with nothing pending; [`Core::deadline`] tells when it would wake by itself.
    Idle,
    /// The instruction at PC has a breakpoint and was not executed.
    Breakpoint,
    /// A watched access happened; the instruction is complete.
    Watchpoint {
        /// The access.
        addr: Addr,
        /// What matched.
        kind: WatchKind,
    },
    /// The architecture's lock-up; only a reset helps.
    Lockup,
    /// A semihosting call; [`Core::semihosting`] has its arguments.
    Semihosting,
    /// The guest asked for a system reset.
    ResetRequest,
    /// The guest switched its machine off.
    PowerOff,
    /// The core cannot go on because Consort does not model something; PC is at it.
    Unimplemented(String),
}

/// A semihosting call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semihosting {
    /// The operation number.
    pub op: u64,
    /// The parameter register: usually the address of a block.
    pub parameter: u64,
    /// The size of a field of that block: 4 or 8 bytes.
    pub word: u64,
}

/// A processor core with its memory and its core-private peripherals (interrupt controller, system timer).
///
/// Time inside is in cycles of its own clock, counted from the device's power-on. The instruction at
/// cycle `c` has its effects at `c`; interrupts are taken between instructions.
pub trait Core: State + Send {
    /// Its name, such as `cortex-m3`.
    fn model(&self) -> &'static str;
    /// Adds a block of memory; only before the first run.
    fn map(&mut self, region: Region) -> Result<(), MapError>;
    /// Guest RAM and ROM.
    fn memory(&self) -> &dyn Memory;
    /// Guest RAM and ROM; writes invalidate translated code.
    fn memory_mut(&mut self) -> &mut dyn Memory;
    /// Where the core's present view of `addr` lies in memory, for debuggers; `addr` itself where nothing translates it.
    fn physical(&self, addr: Addr) -> Addr {
        addr
    }
    /// A word of a core-private peripheral without side effects, or `None` where there is none.
    fn peek_private(&self, addr: Addr) -> Option<u32>;
    /// Where the distributor of its Generic Interrupt Controller is, if it has one.
    fn gic(&self) -> Option<Addr> {
        None
    }

    /// Reset, as the architecture does it: reads its start address from memory, keeps the cycle count.
    fn reset(&mut self);
    /// The present cycle.
    fn now(&self) -> Cycles;
    /// Instructions executed since power-on.
    fn instructions(&self) -> u64;
    /// Runs up to cycle `until`, at least until an instruction boundary at or behind it, or an earlier stop.
    fn run(&mut self, bus: &mut dyn Bus, until: Cycles) -> Stop;
    /// Executes one instruction, or takes the pending exception first as hardware would; asleep, it stops
    /// at once with [`Stop::Idle`].
    fn step(&mut self, bus: &mut dyn Bus) -> Stop;
    /// True while asleep (or locked up) with nothing pending that would wake it.
    fn is_idle(&self) -> bool;
    /// True when only a reset (or NMI) can bring it back.
    fn is_locked_up(&self) -> bool;
    /// When a core-private timer would next change something while idle.
    fn deadline(&self) -> Cycles;
    /// Lets idle time pass up to `cycle`, core-private timers included.
    fn skip_to(&mut self, cycle: Cycles);
    /// Changes the level of external interrupt line `irq`.
    fn set_line(&mut self, irq: u16, level: bool);
    /// An edge on external interrupt line `irq`.
    fn pulse_line(&mut self, irq: u16);
    /// Switches the cache of code in slow memory on or off; off after a reset. A core without one, or without a price
    /// for memory, does nothing.
    fn set_code_cache(&mut self, _on: bool) {}

    /// Replaces what the chip around it watches; the core stops with [`Stop::Reached`] behind an instruction that
    /// touches such a range. A core that cannot do it does nothing. At most [`CHIP_WATCHES`].
    fn set_chip_watches(&mut self, _at: &[Watchpoint]) {}
    /// Which of those, bit n for the nth, were touched since this was last asked.
    fn take_touched(&mut self) -> u32 {
        0
    }

    /// The semihosting call it stopped for.
    fn semihosting(&self) -> Semihosting;
    /// Ends that call with its result.
    fn finish_semihosting(&mut self, result: u64);

    /// All registers a debugger sees, in GDB's order.
    fn registers(&self) -> &'static [RegisterInfo];
    /// A register's value by its index in [`Core::registers`]; `None` past the end.
    fn register(&self, index: usize) -> Option<u128>;
    /// Changes a register; false past the end or when it cannot be written.
    fn set_register(&mut self, index: usize, value: u128) -> bool;
    /// The address of the next instruction.
    fn pc(&self) -> Addr;
    /// The number of the exception being handled, 0 when none.
    fn exception(&self) -> u16;
    /// Replaces all breakpoints.
    fn set_breakpoints(&mut self, at: &[Addr]);
    /// Replaces all watchpoints.
    fn set_watchpoints(&mut self, at: &[Watchpoint]);
}
