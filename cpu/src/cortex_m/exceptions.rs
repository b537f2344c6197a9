//! Exception entry and return (DDI 0403 B1.5.5 to B1.5.8), over anything that has registers and memory.

use consort_core::bus::BusError;
use consort_core::trace::CoreEvent;

use super::nvic::number::{BUS_FAULT, HARD_FAULT, MEM_MANAGE, NMI, USAGE_FAULT};
use super::pace::FRAME;
use super::registers::{APSR, FPCA, IPSR, IT, NPRIV, Registers, SPSEL, THUMB};
use super::scb::{CPACR_FPU, SLEEPONEXIT, ccr, cfsr, fpccr, hfsr};
use super::system::{Rest, System};
use crate::engine::Reg;

/// What entry and return need of a core.
pub(super) trait Hart: Registers {
    /// A word of data at an aligned address, as the bus sees it: no MPU.
    fn load(&mut self, addr: u32) -> Result<u32, BusError>;
    /// Writes a word.
    fn store(&mut self, addr: u32, value: u32) -> Result<(), BusError>;
    /// A word of memory without side effects.
    fn peek(&self, addr: u32) -> Option<u32>;
    /// For the trace.
    fn note(&mut self, event: CoreEvent);

    /// Words from consecutive addresses.
    fn load_block(&mut self, addr: u32, out: &mut [u32]) -> Result<(), BusError> {
        for (addr, word) in (addr..).step_by(4).zip(out) {
            *word = self.load(addr)?;
        }
        Ok(())
    }
    /// Words to consecutive addresses.
    fn store_block(&mut self, addr: u32, words: &[u32]) -> Result<(), BusError> {
        (addr..).step_by(4).zip(words).try_for_each(|(addr, word)| self.store(addr, *word))
    }
}

/// The core cannot take the exception that it must take (DDI 0403 B1.5.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lockup;

/// Why a stack frame could not be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StackFault {
    Mpu,
    Bus,
    /// The frame has floating-point registers that CPACR forbids.
    NoCoprocessor,
    /// ARMv8-M: below the stack's limit.
    Limit,
}

/// Bytes of a frame without and with floating-point registers.
const BASIC_FRAME: u32 = 4 * FRAME;
const EXTENDED_FRAME: u32 = 0x68;
/// S0 to S15, FPSCR and a word that aligns.
pub(super) const FP_WORDS: u32 = 18;
/// The bit of the stacked xPSR that tells of a realigned stack pointer.
const REALIGNED: u32 = 1 << 9;
/// EXC_RETURN: the frame has no floating-point registers.
const BASIC: u32 = 1 << 4;
/// EXC_RETURN: to Thread mode.
const TO_THREAD: u32 = 1 << 3;
/// EXC_RETURN: the process stack.
const TO_PSP: u32 = 1 << 2;
/// CFSR's status bits for stacking, by the fault's kind.
const STACKING: (u32, u32) = (cfsr::MSTKERR, cfsr::STKERR);
const UNSTACKING: (u32, u32) = (cfsr::MUNSTKERR, cfsr::UNSTKERR);
const LAZY: (u32, u32) = (cfsr::MLSPERR, cfsr::LSPERR);

/// Where an EXC_RETURN value leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReturnTarget {
    thread: bool,
    psp: bool,
    extended: bool,
}

impl System {
    /// Makes a synchronous exception pending, or HardFault when its own priority does not allow it
    /// (DDI 0403 B1.5.14).
    pub(super) fn raise(&mut self, n: u16, regs: &dyn Registers) -> Result<(), Lockup> {
        let running = self.nvic.execution_priority(regs.masks());
        if self.nvic.is_enabled(n) && self.nvic.group_priority(n) < running {
            self.nvic.pend(n);
        } else {
            if running <= -1 {
                return Err(Lockup);
            }
            if n != HARD_FAULT {
                self.scb.hfsr |= hfsr::FORCED;
            }
            self.nvic.pend(HARD_FAULT);
        }
        self.notice_pending();
        Ok(())
    }

    fn raise_usage(&mut self, status: u32, regs: &dyn Registers) -> Result<(), Lockup> {
        self.scb.cfsr |= status;
        self.raise(USAGE_FAULT, regs)
    }

    fn raise_stack(
        &mut self,
        fault: StackFault,
        (mpu, bus): (u32, u32),
        regs: &dyn Registers,
    ) -> Result<(), Lockup> {
        match fault {
            StackFault::Mpu => {
                self.scb.cfsr |= mpu;
                self.raise(MEM_MANAGE, regs)
            }
            StackFault::Bus => {
                self.scb.cfsr |= bus;
                self.raise(BUS_FAULT, regs)
            }
            StackFault::NoCoprocessor => self.raise_usage(cfsr::NOCP, regs),
            StackFault::Limit => self.raise_usage(cfsr::STKOF, regs),
        }
    }

    /// How many words the entry to the pending exception of the highest priority stacks, if that may preempt.
    pub(super) fn stacks(&self, regs: &dyn Registers) -> Option<u32> {
        if !self.nvic.has_candidate() || self.nvic.takeable(regs.masks()).is_none() {
            return None;
        }
        let extended = self.config.has_fpu() && regs.get(Reg::CONTROL) & FPCA != 0;
        let lazy = extended && regs.get(Reg::FPCCR) & fpccr::LSPEN != 0;
        Some(if extended && !lazy { FRAME + FP_WORDS } else { FRAME })
    }

    /// Takes the pending exception of the highest priority; false when there is none any more.
    pub(super) fn take(&mut self, hart: &mut dyn Hart) -> Result<bool, Lockup> {
        if self.nvic.takeable(hart.masks()).is_none() {
            return Ok(false);
        }
        let return_address = match self.rest {
            // DDI 0403 B1.5.15: NMI taken in lock-up returns to the lock-up address.
            Some(Rest::Lockup { .. }) => 0xFFFF_FFFE,
            _ => hart.get(Reg::PC),
        };
        self.rest = None;
        let exc_return = self.push(hart, return_address)?;
        self.enter(hart, exc_return, return_address)?;
        Ok(true)
    }

    fn stack_allows(&self, addr: u32, words: u32, write: bool, privileged: bool) -> Result<(), StackFault> {
        let negative = self.nvic.running_priority() < 0;
        let allowed = !self.mpu.is_enabled()
            || (0..words).all(|i| self.mpu.allows(addr.wrapping_add(4 * i), write, privileged, negative));
        if allowed { Ok(()) } else { Err(StackFault::Mpu) }
    }

    /// PushStack() (DDI 0403 B1.5.6): stacks the frame and gives the EXC_RETURN value.
    fn push(&mut self, hart: &mut dyn Hart, return_address: u32) -> Result<u32, Lockup> {
        let (psr, control) = (hart.get(Reg::XPSR), hart.get(Reg::CONTROL));
        let thread = psr & IPSR == 0;
        let psp = thread && control & SPSEL != 0;
        let extended = self.config.has_fpu() && control & FPCA != 0;
        let sp_reg = if psp { Reg::PSP } else { Reg::MSP };
        let sp = hart.get(sp_reg);
        let align = extended || self.config.is_v8() || self.scb.ccr & ccr::STKALIGN != 0;
        let size = if extended { EXTENDED_FRAME } else { BASIC_FRAME };
        let frame = sp.wrapping_sub(size) & if align { !7 } else { !3 };
        let result = match self.below_limit(hart, psp, frame) {
            Some(limit) => {
                hart.set(sp_reg, limit);
                Err(StackFault::Limit)
            }
            None => {
                hart.set(sp_reg, frame);
                let realigned = if align && sp & 4 != 0 { REALIGNED } else { 0 };
                let psr = psr & !REALIGNED | realigned;
                self.write_frame(hart, frame, return_address, psr, extended)
            }
        };
        if let Err(fault) = result {
            self.raise_stack(fault, STACKING, hart)?;
        }
        let basic = if extended { 0 } else { BASIC };
        let to = if thread { TO_THREAD } else { 0 } | if psp { TO_PSP } else { 0 };
        Ok(if self.config.is_v8() { 0xFFFF_FFA0 } else { 0xFFFF_FFE1 } | basic | to)
    }

    fn below_limit(&self, hart: &dyn Hart, psp: bool, frame: u32) -> Option<u32> {
        if !self.config.is_v8() {
            return None;
        }
        let limit = hart.get(if psp { Reg::PSPLIM } else { Reg::MSPLIM });
        (frame < limit).then_some(limit)
    }

    fn write_frame(
        &mut self,
        hart: &mut dyn Hart,
        frame: u32,
        return_address: u32,
        psr: u32,
        extended: bool,
    ) -> Result<(), StackFault> {
        let privileged = hart.is_privileged();
        let mut words = [0; 8];
        for (word, n) in words.iter_mut().zip([0, 1, 2, 3, 12, 14]) {
            *word = hart.get(Reg::r(n));
        }
        (words[6], words[7]) = (return_address, psr);
        self.stack_allows(frame, 8, true, privileged)?;
        hart.store_block(frame, &words).map_err(|_| StackFault::Bus)?;
        if !extended {
            return Ok(());
        }
        let fpccr = hart.get(Reg::FPCCR);
        if fpccr & fpccr::LSPEN == 0 {
            self.store_fp(hart, frame.wrapping_add(BASIC_FRAME), privileged)
        } else {
            self.promise_fp(hart, frame.wrapping_add(BASIC_FRAME), privileged, fpccr);
            Ok(())
        }
    }

    /// CheckVFPEnabled() (DDI 0403 B1.4.7): whether CPACR lets this code use the FPU.
    fn fp_allowed(&self, hart: &dyn Hart, privileged: bool) -> bool {
        match (hart.get(Reg::CPACR) & CPACR_FPU) >> 20 & 3 {
            0 | 2 => false,
            1 => privileged,
            _ => true,
        }
    }

    fn store_fp(&mut self, hart: &mut dyn Hart, at: u32, privileged: bool) -> Result<(), StackFault> {
        if !self.fp_allowed(&*hart, privileged) {
            return Err(StackFault::NoCoprocessor);
        }
        let mut words = [0; 17];
        for (word, n) in words.iter_mut().zip(0..16) {
            *word = hart.get(Reg::s(n));
        }
        words[16] = hart.get(Reg::FPSCR);
        self.stack_allows(at, 17, true, privileged)?;
        hart.store_block(at, &words).map_err(|_| StackFault::Bus)
    }

    /// UpdateFPCCR() (DDI 0403 B1.5.7): the FPU's registers will be stored when someone needs them.
    fn promise_fp(&mut self, hart: &mut dyn Hart, at: u32, privileged: bool, old: u32) {
        let running = self.nvic.execution_priority(hart.masks());
        let ready = |n: u16| self.nvic.is_enabled(n) && self.nvic.group_priority(n) < running;
        let mut value = old & (fpccr::LSPEN | fpccr::ASPEN) | fpccr::LSPACT;
        for (bit, set) in [
            (fpccr::USER, !privileged),
            (fpccr::THREAD, hart.ipsr() == 0),
            (fpccr::HFRDY, running > -1),
            (fpccr::BFRDY, ready(BUS_FAULT)),
            (fpccr::MMRDY, ready(MEM_MANAGE)),
            (fpccr::MONRDY, self.debug.monitor_enabled() && ready(super::nvic::number::DEBUG_MONITOR)),
        ] {
            if set {
                value |= bit;
            }
        }
        hart.set(Reg::FPCAR, at & !7);
        hart.set(Reg::FPCCR, value);
    }

    /// PreserveFPState() (DDI 0403 B1.5.7): keeps the promise, before an FPU instruction runs. Its faults are of
    /// the context that made the promise.
    pub(super) fn preserve_fp(&mut self, hart: &mut dyn Hart) -> Result<(), Lockup> {
        let (at, fpccr) = (hart.get(Reg::FPCAR) & !7, hart.get(Reg::FPCCR));
        let result = self.store_fp(hart, at, fpccr & fpccr::USER == 0);
        if let Err(fault) = result {
            let (status, ready, n) = match fault {
                StackFault::Mpu => (LAZY.0, fpccr::MMRDY, MEM_MANAGE),
                StackFault::Bus => (LAZY.1, fpccr::BFRDY, BUS_FAULT),
                StackFault::NoCoprocessor | StackFault::Limit => {
                    return self.raise_usage(cfsr::NOCP, hart);
                }
            };
            self.scb.cfsr |= status;
            if fpccr & ready != 0 {
                self.nvic.pend(n);
            } else if fpccr & fpccr::HFRDY != 0 {
                self.scb.hfsr |= hfsr::FORCED;
                self.nvic.pend(HARD_FAULT);
            } else {
                return Err(Lockup);
            }
            if self.nvic.takeable(hart.masks()).is_some() {
                return Ok(()); // the instruction is tried again after the handler
            }
        }
        hart.set(Reg::FPCCR, fpccr & !fpccr::LSPACT);
        Ok(())
    }

    /// ExceptionTaken() (DDI 0403 B1.5.6), with the choice made again: stacking may have pended a fault that
    /// comes first.
    fn enter(&mut self, hart: &mut dyn Hart, exc_return: u32, return_address: u32) -> Result<(), Lockup> {
        loop {
            let n = self.nvic.takeable(hart.masks()).ok_or(Lockup)?;
            let Ok(vector) = hart.load(self.scb.vtor.wrapping_add(4 * u32::from(n))) else {
                self.scb.hfsr |= hfsr::VECTTBL;
                if self.nvic.group_priority(n) <= -1 {
                    return Err(Lockup);
                }
                self.nvic.pend(HARD_FAULT);
                continue;
            };
            let psr = hart.get(Reg::XPSR) & APSR;
            let thumb = if vector & 1 != 0 { THUMB } else { 0 };
            hart.set(Reg::XPSR, psr | thumb | u32::from(n));
            let control = hart.get(Reg::CONTROL);
            if control & (SPSEL | FPCA) != 0 {
                hart.set(Reg::CONTROL, control & !(SPSEL | FPCA));
            }
            hart.set(Reg::LR, exc_return);
            hart.set(Reg::PC, vector & !1);
            self.nvic.activate(n);
            self.synchronise(hart);
            hart.note(CoreEvent::Entry { number: n, pc: u64::from(return_address) });
            return Ok(());
        }
    }

    /// What entry and return have in common: the exclusive monitor, the event register, the MPU's exemption.
    fn synchronise(&mut self, hart: &mut dyn Hart) {
        hart.set(Reg::EXCLUSIVE_ADDRESS, u32::MAX);
        self.event = true;
        self.update_negative(hart);
    }

    fn target_of(&self, value: u32) -> Option<ReturnTarget> {
        let extended = value & BASIC == 0;
        let target = ReturnTarget { thread: value & TO_THREAD != 0, psp: value & TO_PSP != 0, extended };
        let legal = if self.config.is_v8() {
            value | 0x1C == 0xFFFF_FFBC
        } else {
            value | 0x1C == 0xFFFF_FFFD && (target.thread || !target.psp)
        };
        (legal && (!extended || self.config.has_fpu())).then_some(target)
    }

    /// ExceptionReturn() (DDI 0403 B1.5.8) for the value that was branched to. Tells how many words it unstacked, 0
    /// when it tail-chained.
    pub(super) fn exception_return(&mut self, hart: &mut dyn Hart, value: u32) -> Result<u32, Lockup> {
        let n = hart.ipsr();
        let was_active = self.nvic.is_active(n);
        let to_base = self.nvic.active_count() <= 1;
        if n != NMI && self.is_mainline() {
            hart.set(Reg::FAULTMASK, 0);
        }
        if was_active {
            self.nvic.deactivate(n);
            self.notice_pending();
        }
        self.update_negative(hart);
        let target = self.target_of(value).filter(|target| {
            let nests = !target.thread || to_base || self.scb.ccr & ccr::NONBASETHRDENA != 0;
            was_active && nests
        });
        let Some(target) = target else {
            self.raise_usage(cfsr::INVPC, hart)?;
            return self.chain(hart, n, value, None);
        };
        let sp_reg = if target.psp && target.thread { Reg::PSP } else { Reg::MSP };
        let frame = hart.get(sp_reg);
        if self.nvic.takeable(hart.masks()).is_some() {
            return self.chain(hart, n, value, Some(frame));
        }
        let stacked = target.extended && hart.get(Reg::FPCCR) & fpccr::LSPACT == 0;
        match self.pop(hart, frame, target, sp_reg) {
            Ok(Some(pc)) => {
                self.synchronise(hart);
                hart.note(CoreEvent::Return { number: n, pc: u64::from(pc) });
                if target.thread && to_base && self.scb.scr & SLEEPONEXIT != 0 {
                    self.rest = Some(Rest::WaitForInterrupt);
                }
                Ok(if stacked { FRAME + FP_WORDS } else { FRAME })
            }
            Ok(None) => {
                self.raise_usage(cfsr::INVPC, hart)?;
                self.chain(hart, n, value, Some(frame))
            }
            Err(fault) => {
                self.raise_stack(fault, UNSTACKING, hart)?;
                self.chain(hart, n, value, Some(frame))
            }
        }
    }

    /// Tail-chains: the next exception begins on the frame of the one that ended.
    fn chain(
        &mut self,
        hart: &mut dyn Hart,
        ended: u16,
        value: u32,
        frame: Option<u32>,
    ) -> Result<u32, Lockup> {
        let pc = frame.and_then(|frame| hart.peek(frame.wrapping_add(0x18))).unwrap_or(value);
        hart.note(CoreEvent::Return { number: ended, pc: u64::from(pc) });
        self.enter(hart, value, pc).map(|()| 0)
    }

    /// PopStack(): `None` when the stacked IPSR contradicts the mode to return to.
    fn pop(
        &mut self,
        hart: &mut dyn Hart,
        frame: u32,
        target: ReturnTarget,
        sp_reg: Reg,
    ) -> Result<Option<u32>, StackFault> {
        let control = hart.get(Reg::CONTROL);
        let privileged = !target.thread || control & NPRIV == 0;
        let mut words = [0; 8];
        self.stack_allows(frame, 8, false, privileged)?;
        hart.load_block(frame, &mut words).map_err(|_| StackFault::Bus)?;
        let psr = words[7];
        if (psr & IPSR == 0) != target.thread {
            return Ok(None);
        }
        if target.extended {
            self.pop_fp(hart, frame.wrapping_add(BASIC_FRAME), privileged)?;
        }
        for (word, n) in words.iter().zip([0, 1, 2, 3, 12, 14]) {
            hart.set(Reg::r(n), *word);
        }
        // Software may have set bit 0 of the stacked PC, as if it were a branch target.
        let pc = words[6] & !1;
        let new_control =
            control & NPRIV | if target.psp { SPSEL } else { 0 } | if target.extended { FPCA } else { 0 };
        if new_control != control {
            hart.set(Reg::CONTROL, new_control);
        }
        hart.set(Reg::XPSR, psr & (APSR | IT | THUMB | IPSR));
        let align = target.extended || self.config.is_v8() || self.scb.ccr & ccr::STKALIGN != 0;
        let size = if target.extended { EXTENDED_FRAME } else { BASIC_FRAME };
        let realign = if align && psr & REALIGNED != 0 { 4 } else { 0 };
        hart.set(sp_reg, frame.wrapping_add(size) | realign);
        hart.set(Reg::PC, pc);
        Ok(Some(pc))
    }

    fn pop_fp(&mut self, hart: &mut dyn Hart, at: u32, privileged: bool) -> Result<(), StackFault> {
        let fpccr = hart.get(Reg::FPCCR);
        if fpccr & fpccr::LSPACT != 0 {
            hart.set(Reg::FPCCR, fpccr & !fpccr::LSPACT);
            return Ok(());
        }
        if !self.fp_allowed(&*hart, privileged) {
            return Err(StackFault::NoCoprocessor);
        }
        let mut words = [0; 17];
        self.stack_allows(at, 17, false, privileged)?;
        hart.load_block(at, &mut words).map_err(|_| StackFault::Bus)?;
        for (word, n) in words.iter().zip(0..16) {
            hart.set(Reg::s(n), *word);
        }
        hart.set(Reg::FPSCR, words[16]);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
