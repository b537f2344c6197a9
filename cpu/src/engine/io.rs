//! What the engine asks of the machine around it: every access that is not RAM or ROM.

use super::core::Core;
use super::{EngineError, Reg};

/// The machine around a core. Addresses are physical.
pub trait Io {
    /// A read of `size` (1, 2, 4 or 8) bytes at an address that is not RAM or ROM.
    fn read(&mut self, cx: &mut Access<'_>, address: u64, size: u8) -> Result<u64, BusError>;

    /// A write of the low `size` bytes of `value` to an address that is not RAM, ROM included.
    fn write(&mut self, cx: &mut Access<'_>, address: u64, size: u8, value: u64) -> Result<(), BusError>;

    /// A read of a system register whose state is the machine's; `None` when it has no such register.
    fn read_system(&mut self, _cx: &mut Access<'_>, _register: SystemReg) -> Option<u64> {
        None
    }

    /// A write of a system register whose state the machine needs to know.
    fn write_system(&mut self, _cx: &mut Access<'_>, _register: SystemReg, _value: u64) {}
}

/// A system register that is the machine's, not the core's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemReg {
    /// RISC-V: the `time` CSR.
    Time,
    /// Arm: the system counter behind CNTPCT and CNTVCT, before offsets.
    Counter,
    /// Arm: CTL of a generic timer (0 physical, 1 virtual, 2 hypervisor, 3 secure) was written; ENABLE and IMASK.
    TimerControl(u8),
    /// Arm: CVAL of a generic timer was written, directly or through TVAL.
    TimerCompare(u8),
}

/// The bus refuses the access; the core takes its architecture's fault and the instruction is not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError;

/// What a machine may ask and do while the core waits for an access.
///
/// The accessing instruction has not completed. Registers that it will write (its destination, a written-back base)
/// are not for [`set_reg`](Access::set_reg).
pub struct Access<'a> {
    core: &'a mut Core,
}

impl<'a> Access<'a> {
    pub(super) fn new(core: &'a mut Core) -> Self {
        Access { core }
    }

    /// Instructions of this run completed before the accessing one.
    pub fn executed(&self) -> u64 {
        self.core.executed()
    }

    /// Cycles of this run that passed before the accessing instruction.
    pub fn cycles(&self) -> u64 {
        self.core.cycles()
    }

    /// Makes the accessing instruction take so many cycles more.
    pub fn stall(&mut self, cycles: u32) {
        self.core.stall(cycles);
    }

    /// The address of the accessing instruction.
    pub fn pc(&self) -> u64 {
        self.core.access_pc()
    }

    /// Ends the run after this instruction, with [`Stop::Requested`](super::Stop::Requested).
    pub fn stop_after(&mut self) {
        self.core.stop_after();
    }

    /// The run now ends at the first instruction boundary at or behind `total` cycles, counted from its start. It never
    /// ends before the accessing instruction is complete, and never gets longer.
    pub fn shorten(&mut self, total: u64) {
        self.core.shorten(total);
    }

    /// A register's value.
    pub fn reg(&self, reg: Reg) -> u64 {
        self.core.reg(reg)
    }

    /// Sets a register; the change holds from the next instruction on.
    pub fn set_reg(&mut self, reg: Reg, value: u64) {
        self.core.set_reg(reg, value);
    }

    /// Reads RAM or ROM, as a DMA master does.
    pub fn read_memory(&self, address: u64, out: &mut [u8]) -> Result<(), EngineError> {
        self.core.read_memory(address, out)
    }

    /// Writes RAM or ROM, as a DMA master does; code that was there is translated anew.
    pub fn write_memory(&mut self, address: u64, data: &[u8]) -> Result<(), EngineError> {
        self.core.write_memory(address, data)
    }

    /// The levels of the core's own interrupt lines, as [`Reg::INTERRUPTS`] describes them; they take effect after this
    /// instruction, without ending the run.
    pub fn set_interrupts(&mut self, lines: u64) {
        self.core.set_reg(Reg::INTERRUPTS, lines);
    }

    /// Turns [`Engine::watch_unmask`](super::Engine::watch_unmask) on or off; it holds from this instruction on.
    pub fn watch_unmask(&mut self, on: bool) {
        self.core.watch_unmask(on);
    }
}
