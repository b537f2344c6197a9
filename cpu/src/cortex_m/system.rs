//! The core-private peripherals together: the System Control Space and the debug blocks on the private peripheral
//! bus, 0xE0000000 to 0xE00FFFFF (DDI 0403 B3.1, C1.2).

use serde::{Deserialize, Serialize};

use consort_core::state::StateError;
use consort_core::time::Cycles;

use super::CortexMConfig;
use super::debug::{DebugBlocks, MON_PEND};
use super::model::Architecture;
use super::mpu::{self, Mpu};
use super::nvic::{IRQ_GROUPS, Nvic, number};
use super::registers::Registers;
use super::scb::{self, Scb, ccr, fpccr, reg, shcsr};
use super::systick::SysTick;
use crate::engine::Reg;

/// Why a core does not execute instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Rest {
    /// After WFI, or by SLEEPONEXIT.
    WaitForInterrupt,
    /// After WFE.
    WaitForEvent,
    /// Locked up, at this PC.
    Lockup { pc: u32 },
}

/// A reset that the guest asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ResetRequest {
    /// AIRCR.SYSRESETREQ: the whole machine.
    System,
    /// AIRCR.VECTRESET: the core alone.
    Local,
}

/// Everything private to the core but its registers and its memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct System {
    #[serde(skip, default = "CortexMConfig::for_restore")]
    pub(super) config: CortexMConfig,
    pub(super) nvic: Nvic,
    pub(super) systick: SysTick,
    pub(super) scb: Scb,
    pub(super) mpu: Mpu,
    pub(super) debug: DebugBlocks,
    /// The Event Register of WFE and SEV.
    pub(super) event: bool,
    pub(super) rest: Option<Rest>,
    /// An exception's stacking is under way until then.
    pub(super) stacking: Option<Cycles>,
    pub(super) reset_request: Option<ResetRequest>,
    /// Whether the engine believes that the execution priority is negative.
    negative: bool,
}

/// How a write touches the other bytes of its word.
enum Merge {
    /// They keep their value.
    Keep,
    /// Zeros there change nothing.
    Zero,
}

impl System {
    pub(super) fn new(config: CortexMConfig) -> Self {
        let model = config.model;
        let mut system = Self {
            nvic: Nvic::new(config.interrupts, config.priority_bits, model.is_mainline()),
            systick: SysTick::new(config.systick_reference, config.systick_calibration),
            scb: Scb::default(),
            mpu: Mpu::new(config.mpu_regions, model.architecture() == Architecture::V8M),
            debug: DebugBlocks::new(config.has_cache(), config.is_v8()),
            event: false,
            rest: None,
            stacking: None,
            reset_request: None,
            negative: false,
            config,
        };
        system.reset();
        system
    }

    /// A system reset; the core's registers are the caller's.
    pub(super) fn reset(&mut self) {
        let config = &self.config;
        self.nvic.reset();
        self.systick.reset();
        self.scb.reset(config.model.architecture(), config.vector_table, config.has_cache());
        self.mpu.reset();
        self.debug.reset();
        (self.event, self.rest, self.stacking, self.reset_request) = (false, None, None, None);
    }

    pub(super) fn architecture(&self) -> Architecture {
        self.config.model.architecture()
    }

    pub(super) fn is_mainline(&self) -> bool {
        self.config.model.is_mainline()
    }

    /// Brings SysTick up to `at`; its exception becomes pending when it expired.
    pub(super) fn tick(&mut self, at: Cycles) {
        if self.systick.advance(at) {
            self.nvic.pend(number::SYSTICK);
            self.notice_pending();
        }
    }

    /// Lets SCR.SEVONPEND turn newly pending exceptions into events.
    pub(super) fn notice_pending(&mut self) {
        if self.nvic.take_newly_pending() && self.scb.scr & scb::SEVONPEND != 0 {
            self.event = true;
        }
    }

    /// Whether the core would go on executing at once (DDI 0403 B1.5.17, B1.5.18).
    pub(super) fn would_wake(&self, regs: &dyn Registers) -> bool {
        let masks = regs.masks();
        match self.rest {
            None => true,
            Some(Rest::WaitForInterrupt) => {
                self.nvic.takeable(super::nvic::Masks { primask: false, ..masks }).is_some()
            }
            Some(Rest::WaitForEvent) => self.event || self.nvic.takeable(masks).is_some(),
            Some(Rest::Lockup { .. }) => self.nvic.takeable(masks) == Some(number::NMI),
        }
    }

    /// The next cycle at which SysTick could change what an idle core does.
    pub(super) fn idle_deadline(&self) -> Cycles {
        if self.nvic.is_pending(number::SYSTICK) { Cycles::MAX } else { self.systick.deadline() }
    }

    /// Becomes a saved state of the same configuration.
    pub(super) fn adopt(&mut self, saved: Self) -> Result<(), StateError> {
        if saved.nvic.lines() != self.nvic.lines() || saved.nvic.priority_mask() != self.nvic.priority_mask()
        {
            return Err(StateError("the saved core has another interrupt controller".into()));
        }
        let config = self.config.clone();
        *self = Self { config, ..saved };
        Ok(())
    }

    /// The offset of an address within the private peripheral bus that this core answers itself: everything but
    /// the vendor's part of the external one.
    pub(super) fn private_offset(addr: u32) -> Option<u32> {
        let offset = addr & 0x000F_FFFF;
        (addr >> 20 == 0xE00 && !(0x4_1000..0xF_F000).contains(&offset)).then_some(offset)
    }

    /// A word without side effects, at cycle `at`.
    pub(super) fn peek(&self, offset: u32, at: Cycles, regs: &dyn Registers) -> u32 {
        match offset {
            0xE000..0xF000 => {
                let offset = offset - 0xE000;
                if (reg::SYST_CSR..=reg::SYST_CALIB).contains(&offset) {
                    let mut systick = self.systick.clone();
                    let _ = systick.advance(at);
                    return systick_word(&systick, offset);
                }
                self.scs_word(offset, regs)
            }
            _ if !self.is_mainline() => 0,
            _ => self.debug.word(offset, at),
        }
    }

    /// A read of 1, 2 or 4 bytes; SysTick must be up to date.
    pub(super) fn read(&mut self, offset: u32, size: u32, at: Cycles, regs: &dyn Registers) -> u32 {
        let word = if offset & !3 == 0xE000 + reg::SYST_CSR {
            self.systick.read_csr()
        } else {
            self.peek(offset & !3, at, regs)
        };
        self.debug.was_read(offset);
        let shifted = word >> (8 * (offset & 3));
        if size < 4 { shifted & ((1 << (8 * size)) - 1) } else { shifted }
    }

    /// A write of 1, 2 or 4 bytes; SysTick must be up to date.
    pub(super) fn write(&mut self, offset: u32, size: u32, value: u32, at: Cycles, regs: &mut dyn Registers) {
        let scs = offset.wrapping_sub(0xE000);
        if size < 4 && is_priority(scs & !3) {
            for i in 0..size {
                self.write_priority_byte(scs + i, (value >> (8 * i)) as u8);
            }
            self.notice_pending();
            return;
        }
        let (aligned, shift) = (offset & !3, 8 * (offset & 3));
        let mut word = value << shift;
        if size < 4 {
            let lanes = ((1 << (8 * size)) - 1) << shift;
            word &= lanes;
            if matches!(merge(aligned.wrapping_sub(0xE000)), Merge::Keep) {
                word |= self.peek(aligned, at, regs) & !lanes;
            }
        }
        match aligned {
            0xE000..0xF000 => self.write_scs(aligned - 0xE000, word, at, regs),
            _ if !self.is_mainline() => {}
            _ => self.debug.write(aligned, at, word),
        }
        self.update_negative(regs);
        self.notice_pending();
    }

    fn scs_word(&self, offset: u32, regs: &dyn Registers) -> u32 {
        let (model, mainline) = (self.config.model, self.is_mainline());
        let groups = if mainline { IRQ_GROUPS } else { 1 };
        let index = (offset & 0x7F) as u16 / 4;
        match offset {
            reg::NVIC_ISER..reg::NVIC_IPR if index >= groups => 0,
            reg::NVIC_ISER..reg::NVIC_ISPR => self.nvic.enabled_word(index),
            reg::NVIC_ISPR..reg::NVIC_IABR => self.nvic.pending_word(index),
            reg::NVIC_IABR..0x380 if mainline => self.nvic.active_word(index),
            _ if is_priority(offset) => {
                u32::from_le_bytes(std::array::from_fn(|i| self.priority_byte(offset + i as u32)))
            }
            reg::CPUID => model.cpuid(),
            reg::ICSR => self.icsr(regs),
            reg::VTOR => self.scb.vtor,
            reg::AIRCR => 0xFA05_0000 | u32::from(self.nvic.prigroup()) << 8,
            reg::SCR => self.scb.scr,
            reg::CCR => self.scb.ccr,
            reg::SHCSR => self.shcsr(),
            reg::DFSR => self.scb.dfsr,
            reg::DHCSR => 0,
            reg::DEMCR => {
                let pending = self.nvic.is_pending(number::DEBUG_MONITOR);
                self.debug.demcr() & !MON_PEND | if pending { MON_PEND } else { 0 }
            }
            reg::ACTLR => self.scb.actlr,
            reg::MPU_TYPE..=reg::MPU_MAIR1 => self.mpu.word(offset),
            reg::PID4.. => scs_identity(offset),
            _ if !mainline => 0,
            reg::ICTR => u32::from(self.nvic.lines().div_ceil(32).max(1) - 1),
            reg::CFSR => self.scb.cfsr,
            reg::HFSR => self.scb.hfsr,
            reg::MMFAR => self.scb.mmfar,
            reg::BFAR => self.scb.bfar,
            reg::AFSR => self.scb.afsr,
            reg::ID_PFR0..=reg::ID_ISAR4 => {
                model.id_registers().get((offset - reg::ID_PFR0) as usize / 4).copied().unwrap_or(0)
            }
            reg::CLIDR if self.config.has_cache() => 0x0900_0003,
            reg::CTR if self.config.has_cache() => 0x8303_C003,
            // 16 KiB of instruction cache in two ways, 16 KiB of data cache in four.
            reg::CCSIDR if self.config.has_cache() => {
                if self.scb.csselr & 1 != 0 {
                    0xF01F_E009
                } else {
                    0xF00F_E019
                }
            }
            reg::CSSELR if self.config.has_cache() => self.scb.csselr,
            _ if !self.config.has_fpu() => 0,
            reg::CPACR => regs.get(Reg::CPACR),
            reg::FPCCR => regs.get(Reg::FPCCR),
            reg::FPCAR => regs.get(Reg::FPCAR),
            reg::FPDSCR => regs.get(Reg::FPDSCR),
            reg::MVFR0..=reg::MVFR2 => {
                model.mvfr().get((offset - reg::MVFR0) as usize / 4).copied().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// A byte of NVIC_IPRn or SHPRn.
    fn priority_byte(&self, offset: u32) -> u8 {
        exception_of_priority(offset).map_or(0, |n| self.nvic.priority(n))
    }

    fn write_priority_byte(&mut self, offset: u32, value: u8) {
        if let Some(n) = exception_of_priority(offset) {
            self.nvic.set_priority(n, value);
        }
    }

    /// ICSR (DDI 0403 B3.2.4). VECTPENDING heeds BASEPRI and FAULTMASK, but not PRIMASK.
    fn icsr(&self, regs: &dyn Registers) -> u32 {
        let masks = super::nvic::Masks { primask: false, ..regs.masks() };
        let boosted = self.nvic.mask_priority(masks);
        let pending = self.nvic.highest_pending().filter(|n| self.nvic.group_priority(*n) < boosted);
        let ipsr = regs.ipsr();
        let others_active = self.nvic.active_count() > u32::from(self.nvic.is_active(ipsr));
        u32::from(ipsr)
            | u32::from(self.is_mainline() && !others_active) << 11
            | u32::from(pending.unwrap_or(0)) << 12
            | u32::from(self.nvic.any_irq_pending()) << 22
            | u32::from(self.nvic.is_pending(number::SYSTICK)) << 26
            | u32::from(self.nvic.is_pending(number::PENDSV)) << 28
            | u32::from(self.nvic.is_pending(number::NMI)) << 31
    }

    fn write_icsr(&mut self, value: u32) {
        for (clear, set, n) in
            [(None, 31, number::NMI), (Some(27), 28, number::PENDSV), (Some(25), 26, number::SYSTICK)]
        {
            if value >> set & 1 != 0 {
                self.nvic.pend(n);
            } else if clear.is_some_and(|bit: u32| value >> bit & 1 != 0) {
                self.nvic.unpend(n);
            }
        }
    }

    fn shcsr(&self) -> u32 {
        let bits = |table: &[(u32, u16)], holds: &dyn Fn(u16) -> bool| {
            table.iter().fold(0, |word, (bit, n)| word | u32::from(holds(*n)) << bit)
        };
        if !self.is_mainline() {
            return u32::from(self.nvic.is_pending(number::SVCALL)) << 15;
        }
        bits(&shcsr::ACTIVE, &|n| self.nvic.is_active(n))
            | bits(&shcsr::PENDED, &|n| self.nvic.is_pending(n))
            | bits(&shcsr::ENABLED, &|n| self.nvic.is_enabled(n))
    }

    fn write_shcsr(&mut self, value: u32) {
        if !self.is_mainline() {
            return;
        }
        for (bit, n) in shcsr::ACTIVE {
            self.nvic.set_active(n, value >> bit & 1 != 0);
        }
        for (bit, n) in shcsr::PENDED {
            if value >> bit & 1 != 0 { self.nvic.pend(n) } else { self.nvic.unpend(n) }
        }
        for (bit, n) in shcsr::ENABLED {
            self.nvic.enable(n, value >> bit & 1 != 0);
        }
    }

    fn write_aircr(&mut self, value: u32) {
        if value >> 16 != 0x05FA {
            return;
        }
        if self.is_mainline() {
            self.nvic.set_prigroup((value >> 8) as u8);
        }
        if value & 2 != 0 {
            self.nvic.clear_active();
        }
        if value & 4 != 0 {
            self.reset_request = Some(ResetRequest::System);
        } else if value & 1 != 0 && self.is_mainline() {
            self.reset_request = Some(ResetRequest::Local);
        }
    }

    fn write_scs(&mut self, offset: u32, value: u32, at: Cycles, regs: &mut dyn Registers) {
        let mainline = self.is_mainline();
        let groups = if mainline { IRQ_GROUPS } else { 1 };
        let index = (offset & 0x7F) as u16 / 4;
        match offset {
            reg::SYST_CSR => self.systick.write_csr(at, value),
            reg::SYST_RVR => self.systick.write_rvr(value),
            reg::SYST_CVR => self.systick.write_cvr(),
            reg::NVIC_ISER..reg::NVIC_IPR if index >= groups => {}
            reg::NVIC_ISER..reg::NVIC_ICER => self.nvic.write_enable(index, value, true),
            reg::NVIC_ICER..reg::NVIC_ISPR => self.nvic.write_enable(index, value, false),
            reg::NVIC_ISPR..reg::NVIC_ICPR => self.nvic.write_pending(index, value, true),
            reg::NVIC_ICPR..reg::NVIC_IABR => self.nvic.write_pending(index, value, false),
            _ if is_priority(offset) => {
                for (i, byte) in (0..).zip(value.to_le_bytes()) {
                    self.write_priority_byte(offset + i, byte);
                }
            }
            reg::ICSR => self.write_icsr(value),
            reg::VTOR => self.scb.vtor = value & self.config.model.vtor_mask(),
            reg::AIRCR => self.write_aircr(value),
            reg::SCR => self.scb.scr = value & 0x16,
            reg::SHCSR => self.write_shcsr(value),
            reg::DFSR => self.scb.dfsr &= !value,
            reg::ACTLR => self.scb.actlr = value,
            reg::MPU_TYPE..=reg::MPU_MAIR1 => self.mpu.write(offset, value, regs),
            _ if !mainline => {}
            reg::CCR => {
                self.scb.write_ccr(self.architecture(), self.config.has_cache(), value);
                regs.set(Reg::CCR, self.scb.ccr);
            }
            reg::CFSR => self.scb.cfsr &= !value,
            reg::HFSR => self.scb.hfsr &= !value,
            reg::MMFAR => self.scb.mmfar = value,
            reg::BFAR => self.scb.bfar = value,
            reg::AFSR => self.scb.afsr &= !value,
            reg::CSSELR => self.scb.csselr = value & 0xF,
            reg::DEMCR => {
                self.debug.write_demcr(at, value);
                if value & MON_PEND != 0 {
                    self.nvic.pend(number::DEBUG_MONITOR);
                } else {
                    self.nvic.unpend(number::DEBUG_MONITOR);
                }
            }
            reg::STIR => self.nvic.pend(number::IRQ0 + (value & 0x1FF) as u16),
            _ if !self.config.has_fpu() => {}
            reg::CPACR => regs.set(Reg::CPACR, value & scb::CPACR_FPU),
            reg::FPCCR => regs.set(Reg::FPCCR, value & fpccr::WRITABLE),
            reg::FPCAR => regs.set(Reg::FPCAR, value & !7),
            reg::FPDSCR => regs.set(Reg::FPDSCR, value & 0x07C0_0000),
            _ => {}
        }
    }

    /// Whether unprivileged code may make this access: only STIR, when CCR.USERSETMPEND allows it.
    pub(super) fn allows_unprivileged(&self, offset: u32, write: bool) -> bool {
        write && offset == 0xE000 + reg::STIR && self.scb.ccr & ccr::USERSETMPEND != 0
    }

    /// Tells the engine whether HardFault or NMI is active, which exempts from the MPU.
    pub(super) fn update_negative(&mut self, regs: &mut dyn Registers) {
        let negative = self.nvic.running_priority() < 0;
        if negative != self.negative {
            self.negative = negative;
            regs.set(Reg::NEGATIVE_PRIORITY, u32::from(negative));
        }
    }

    /// Gives the engine its copies of the registers it heeds.
    pub(super) fn load_into(&mut self, regs: &mut dyn Registers) {
        regs.set(Reg::CCR, self.scb.ccr);
        self.negative = self.nvic.running_priority() < 0;
        regs.set(Reg::NEGATIVE_PRIORITY, u32::from(self.negative));
        self.mpu.load_into(regs);
    }
}

fn systick_word(systick: &SysTick, offset: u32) -> u32 {
    match offset {
        reg::SYST_CSR => systick.peek_csr(),
        reg::SYST_RVR => systick.rvr(),
        reg::SYST_CVR => systick.cvr(),
        _ => systick.calib(),
    }
}

fn is_priority(offset: u32) -> bool {
    (reg::NVIC_IPR..0x5F0).contains(&offset) || (reg::SHPR1..=reg::SHPR3).contains(&offset)
}

fn exception_of_priority(offset: u32) -> Option<u16> {
    match offset {
        reg::NVIC_IPR..0x5F0 => Some(number::IRQ0 + (offset - reg::NVIC_IPR) as u16),
        reg::SHPR1..0xD24 => Some((offset - reg::SHPR1) as u16 + number::MEM_MANAGE),
        _ => None,
    }
}

fn merge(offset: u32) -> Merge {
    match offset {
        reg::NVIC_ISER..reg::NVIC_IPR | reg::ICSR | reg::CFSR..=reg::DFSR | reg::AFSR | reg::STIR => {
            Merge::Zero
        }
        _ => Merge::Keep,
    }
}

/// The CoreSight identity of the System Control Space.
fn scs_identity(offset: u32) -> u32 {
    match offset {
        0xFD0 => 0x04,
        0xFE4 => 0xB0,
        0xFE8 => 0x0B,
        0xFF0 => 0x0D,
        0xFF4 => 0xE0,
        0xFF8 => 0x05,
        0xFFC => 0xB1,
        _ => 0,
    }
}

// The MPU's own offsets are those of the block.
const _: () = assert!(mpu::reg::TYPE == reg::MPU_TYPE && mpu::reg::MAIR1 == reg::MPU_MAIR1);
