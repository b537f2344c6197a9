//! From the engine's exceptions to the architecture's: status registers, and which exception follows
//! (DDI 0403 B1.5.14, DDI 0419 B1.5.11).

use super::exceptions::Lockup;
use super::nvic::number::{BUS_FAULT, DEBUG_MONITOR, HARD_FAULT, MEM_MANAGE, SVCALL, USAGE_FAULT};
use super::registers::Registers;
use super::scb::{DFSR_BKPT, DFSR_DWTTRAP, ccr, cfsr, hfsr};
use super::system::System;
use crate::engine::{AccessKind, Exception, FaultCause};

/// What to do about an exception of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is pending now.
    Pending,
    /// Return from the exception by this EXC_RETURN value.
    Return(u32),
    /// Store the FPU's registers, then try again.
    PreserveFp,
    /// A semihosting call.
    Semihosting,
    /// Nothing the architecture knows.
    Unknown(String),
}

impl System {
    /// Judges an exception that the engine stopped for.
    pub(super) fn judge(&mut self, exception: Exception, regs: &dyn Registers) -> Result<Verdict, Lockup> {
        match exception {
            Exception::Svc { .. } => self.raise(SVCALL, regs)?,
            Exception::Bkpt { number: 0xAB } if self.config.semihosting => return Ok(Verdict::Semihosting),
            Exception::Bkpt { .. } => self.debug_event(regs)?,
            Exception::Undefined => self.usage(cfsr::UNDEFINSTR, regs)?,
            Exception::NoCoprocessor => self.usage(cfsr::NOCP, regs)?,
            Exception::InvalidState => self.usage(cfsr::INVSTATE, regs)?,
            Exception::DivideByZero => self.usage(cfsr::DIVBYZERO, regs)?,
            Exception::StackOverflow => self.usage(cfsr::STKOF, regs)?,
            Exception::Fault { cause: FaultCause::Unaligned, .. } => self.usage(cfsr::UNALIGNED, regs)?,
            Exception::Fault { access, cause: FaultCause::Protection, address } => {
                if access == AccessKind::Fetch {
                    self.scb.cfsr |= cfsr::IACCVIOL;
                } else {
                    self.scb.cfsr |= cfsr::DACCVIOL | cfsr::MMARVALID;
                    self.scb.mmfar = address as u32;
                }
                self.raise(MEM_MANAGE, regs)?;
            }
            Exception::Fault { access, cause: FaultCause::Bus, address } => {
                if access == AccessKind::Fetch {
                    self.scb.cfsr |= cfsr::IBUSERR;
                } else {
                    self.bus_error(address as u32);
                }
                self.raise(BUS_FAULT, regs)?;
            }
            Exception::ExceptionReturn { value } => return Ok(Verdict::Return(value)),
            Exception::LazyStacking => return Ok(Verdict::PreserveFp),
            Exception::Other { number, .. } => {
                return Ok(Verdict::Unknown(format!("the engine stopped with exception {number}")));
            }
        }
        Ok(Verdict::Pending)
    }

    fn usage(&mut self, status: u32, regs: &dyn Registers) -> Result<(), Lockup> {
        self.scb.cfsr |= status;
        self.raise(USAGE_FAULT, regs)
    }

    /// BKPT without a debugger (DDI 0403 C1.4).
    fn debug_event(&mut self, regs: &dyn Registers) -> Result<(), Lockup> {
        self.scb.dfsr |= DFSR_BKPT;
        let running = self.nvic.execution_priority(regs.masks());
        if self.debug.monitor_enabled() && self.nvic.group_priority(DEBUG_MONITOR) < running {
            self.nvic.pend(DEBUG_MONITOR);
            return Ok(());
        }
        self.scb.hfsr |= hfsr::DEBUGEVT;
        self.raise(HARD_FAULT, regs)
    }

    /// Watchpoint debug events: comparators, a bit each, matched. Without DebugMonitor, or at a priority that is not
    /// below its own, they are ignored (DDI 0403 C1.4.1, C1.8.1).
    pub(super) fn comparators_match(&mut self, comparators: u8, regs: &dyn Registers) {
        self.debug.note_match(comparators);
        let running = self.nvic.execution_priority(regs.masks());
        if self.debug.monitor_enabled() && self.nvic.group_priority(DEBUG_MONITOR) < running {
            self.scb.dfsr |= DFSR_DWTTRAP;
            self.nvic.pend(DEBUG_MONITOR);
            self.notice_pending();
        }
    }

    fn bus_error(&mut self, addr: u32) {
        self.scb.cfsr |= cfsr::PRECISERR | cfsr::BFARVALID;
        self.scb.bfar = addr;
    }

    /// Whether a failing data access goes on as if nothing had happened, but for the status bits: CCR.BFHFNMIGN
    /// at a negative priority (DDI 0403 B3.2.8).
    pub(super) fn ignores_bus_error(&mut self, addr: u32, regs: &dyn Registers) -> bool {
        let ignores = self.scb.ccr & ccr::BFHFNMIGN != 0 && self.nvic.execution_priority(regs.masks()) < 0;
        if ignores {
            self.bus_error(addr);
        }
        ignores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cortex_m::registers::testing::FakeRegisters;
    use crate::cortex_m::{CortexMConfig, Model};
    use crate::engine::Reg;

    fn system(model: Model) -> System {
        System::new(CortexMConfig::new(model, 8))
    }

    const DATA: Exception =
        Exception::Fault { access: AccessKind::Read, cause: FaultCause::Bus, address: 0x4000_0004 };

    #[test]
    fn a_disabled_fault_escalates() {
        let mut system = system(Model::M3);
        assert_eq!(system.judge(DATA, &FakeRegisters::default()), Ok(Verdict::Pending));
        assert!(system.nvic.is_pending(HARD_FAULT) && !system.nvic.is_pending(BUS_FAULT));
        assert_eq!(system.scb.hfsr, hfsr::FORCED);
        assert_eq!((system.scb.cfsr, system.scb.bfar), (0x8200, 0x4000_0004));
    }

    #[test]
    fn an_enabled_fault_is_taken_unless_its_priority_forbids() {
        for (active, n) in [(None, BUS_FAULT), (Some(16), HARD_FAULT)] {
            let mut system = system(Model::M3);
            system.nvic.enable(BUS_FAULT, true);
            if let Some(active) = active {
                system.nvic.activate(active);
            }
            assert_eq!(system.judge(DATA, &FakeRegisters::default()), Ok(Verdict::Pending));
            assert!(system.nvic.is_pending(n), "{active:?}");
        }
    }

    #[test]
    fn a_fault_in_hardfault_locks_up() {
        let mut system = system(Model::M3);
        system.nvic.activate(HARD_FAULT);
        assert_eq!(system.judge(Exception::Undefined, &FakeRegisters::default()), Err(Lockup));
        let mut masked = FakeRegisters::default();
        masked.set(Reg::FAULTMASK, 1);
        assert_eq!(self::system(Model::M3).judge(DATA, &masked), Err(Lockup));
    }

    #[test]
    fn on_armv6m_every_fault_is_a_hardfault() {
        for exception in [DATA, Exception::Undefined, Exception::Bkpt { number: 0 }] {
            let mut system = system(Model::M0);
            assert_eq!(system.judge(exception, &FakeRegisters::default()), Ok(Verdict::Pending));
            assert!(system.nvic.is_pending(HARD_FAULT));
        }
    }

    #[test]
    fn svc_escalates_when_it_cannot_be_taken() {
        let mut system = system(Model::M4);
        let mut regs = FakeRegisters::default();
        regs.set(Reg::PRIMASK, 1);
        assert_eq!(system.judge(Exception::Svc { number: 0 }, &regs), Ok(Verdict::Pending));
        assert!(system.nvic.is_pending(HARD_FAULT) && !system.nvic.is_pending(SVCALL));
    }

    #[test]
    fn breakpoints_go_to_the_monitor_when_it_is_enabled() {
        let mut system = system(Model::M3);
        let regs = FakeRegisters::default();
        assert_eq!(system.judge(Exception::Bkpt { number: 0xAB }, &regs), Ok(Verdict::Pending));
        assert_eq!((system.scb.hfsr, system.scb.dfsr), (hfsr::DEBUGEVT, DFSR_BKPT));
        system.reset();
        system.debug.write_demcr(consort_core::time::Cycles(0), crate::cortex_m::debug::MON_EN);
        assert_eq!(system.judge(Exception::Bkpt { number: 1 }, &regs), Ok(Verdict::Pending));
        assert!(system.nvic.is_pending(DEBUG_MONITOR));
    }

    #[test]
    fn probing_with_bfhfnmign_leaves_only_the_status() {
        let mut system = system(Model::M3);
        let mut regs = FakeRegisters::default();
        system.scb.ccr |= ccr::BFHFNMIGN;
        assert!(!system.ignores_bus_error(4, &regs));
        regs.set(Reg::FAULTMASK, 1);
        assert!(system.ignores_bus_error(4, &regs));
        assert_eq!((system.scb.cfsr, system.scb.bfar), (0x8200, 4));
    }
}
