//! The registers of the System Control Block (DDI 0403 B3.2), as plain state.

use serde::{Deserialize, Serialize};

use super::model::Architecture;

/// Offsets from 0xE000E000, named as in the manual.
pub(super) mod reg {
    pub(in crate::cortex_m) const ICTR: u32 = 0x004;
    pub(in crate::cortex_m) const ACTLR: u32 = 0x008;
    pub(in crate::cortex_m) const SYST_CSR: u32 = 0x010;
    pub(in crate::cortex_m) const SYST_RVR: u32 = 0x014;
    pub(in crate::cortex_m) const SYST_CVR: u32 = 0x018;
    pub(in crate::cortex_m) const SYST_CALIB: u32 = 0x01C;
    pub(in crate::cortex_m) const NVIC_ISER: u32 = 0x100;
    pub(in crate::cortex_m) const NVIC_ICER: u32 = 0x180;
    pub(in crate::cortex_m) const NVIC_ISPR: u32 = 0x200;
    pub(in crate::cortex_m) const NVIC_ICPR: u32 = 0x280;
    pub(in crate::cortex_m) const NVIC_IABR: u32 = 0x300;
    pub(in crate::cortex_m) const NVIC_IPR: u32 = 0x400;
    pub(in crate::cortex_m) const CPUID: u32 = 0xD00;
    pub(in crate::cortex_m) const ICSR: u32 = 0xD04;
    pub(in crate::cortex_m) const VTOR: u32 = 0xD08;
    pub(in crate::cortex_m) const AIRCR: u32 = 0xD0C;
    pub(in crate::cortex_m) const SCR: u32 = 0xD10;
    pub(in crate::cortex_m) const CCR: u32 = 0xD14;
    pub(in crate::cortex_m) const SHPR1: u32 = 0xD18;
    pub(in crate::cortex_m) const SHPR3: u32 = 0xD20;
    pub(in crate::cortex_m) const SHCSR: u32 = 0xD24;
    pub(in crate::cortex_m) const CFSR: u32 = 0xD28;
    pub(in crate::cortex_m) const HFSR: u32 = 0xD2C;
    pub(in crate::cortex_m) const DFSR: u32 = 0xD30;
    pub(in crate::cortex_m) const MMFAR: u32 = 0xD34;
    pub(in crate::cortex_m) const BFAR: u32 = 0xD38;
    pub(in crate::cortex_m) const AFSR: u32 = 0xD3C;
    pub(in crate::cortex_m) const ID_PFR0: u32 = 0xD40;
    pub(in crate::cortex_m) const ID_ISAR4: u32 = 0xD70;
    pub(in crate::cortex_m) const CLIDR: u32 = 0xD78;
    pub(in crate::cortex_m) const CTR: u32 = 0xD7C;
    pub(in crate::cortex_m) const CCSIDR: u32 = 0xD80;
    pub(in crate::cortex_m) const CSSELR: u32 = 0xD84;
    pub(in crate::cortex_m) const CPACR: u32 = 0xD88;
    pub(in crate::cortex_m) const MPU_TYPE: u32 = 0xD90;
    pub(in crate::cortex_m) const MPU_MAIR1: u32 = 0xDC4;
    pub(in crate::cortex_m) const DHCSR: u32 = 0xDF0;
    pub(in crate::cortex_m) const DEMCR: u32 = 0xDFC;
    pub(in crate::cortex_m) const STIR: u32 = 0xF00;
    pub(in crate::cortex_m) const FPCCR: u32 = 0xF34;
    pub(in crate::cortex_m) const FPCAR: u32 = 0xF38;
    pub(in crate::cortex_m) const FPDSCR: u32 = 0xF3C;
    pub(in crate::cortex_m) const MVFR0: u32 = 0xF40;
    pub(in crate::cortex_m) const MVFR2: u32 = 0xF48;
    pub(in crate::cortex_m) const PID4: u32 = 0xFD0;
}

/// SCR.SLEEPONEXIT.
pub(super) const SLEEPONEXIT: u32 = 1 << 1;
/// SCR.SEVONPEND.
pub(super) const SEVONPEND: u32 = 1 << 4;

/// Fields of CCR (DDI 0403 B3.2.8).
pub(super) mod ccr {
    pub(in crate::cortex_m) const NONBASETHRDENA: u32 = 1 << 0;
    pub(in crate::cortex_m) const USERSETMPEND: u32 = 1 << 1;
    pub(in crate::cortex_m) const UNALIGN_TRP: u32 = 1 << 3;
    pub(in crate::cortex_m) const DIV_0_TRP: u32 = 1 << 4;
    pub(in crate::cortex_m) const BFHFNMIGN: u32 = 1 << 8;
    pub(in crate::cortex_m) const STKALIGN: u32 = 1 << 9;
    /// DC and IC of the Cortex-M7.
    pub(in crate::cortex_m) const CACHES: u32 = 3 << 16;
    /// BP of the Cortex-M7, always set.
    pub(in crate::cortex_m) const BP: u32 = 1 << 18;
}

/// Fields of CFSR (DDI 0403 B3.2.15).
pub(super) mod cfsr {
    pub(in crate::cortex_m) const IACCVIOL: u32 = 1 << 0;
    pub(in crate::cortex_m) const DACCVIOL: u32 = 1 << 1;
    pub(in crate::cortex_m) const MUNSTKERR: u32 = 1 << 3;
    pub(in crate::cortex_m) const MSTKERR: u32 = 1 << 4;
    pub(in crate::cortex_m) const MLSPERR: u32 = 1 << 5;
    pub(in crate::cortex_m) const MMARVALID: u32 = 1 << 7;
    pub(in crate::cortex_m) const IBUSERR: u32 = 1 << 8;
    pub(in crate::cortex_m) const PRECISERR: u32 = 1 << 9;
    pub(in crate::cortex_m) const UNSTKERR: u32 = 1 << 11;
    pub(in crate::cortex_m) const STKERR: u32 = 1 << 12;
    pub(in crate::cortex_m) const LSPERR: u32 = 1 << 13;
    pub(in crate::cortex_m) const BFARVALID: u32 = 1 << 15;
    pub(in crate::cortex_m) const UNDEFINSTR: u32 = 1 << 16;
    pub(in crate::cortex_m) const INVSTATE: u32 = 1 << 17;
    pub(in crate::cortex_m) const INVPC: u32 = 1 << 18;
    pub(in crate::cortex_m) const NOCP: u32 = 1 << 19;
    /// ARMv8-M.
    pub(in crate::cortex_m) const STKOF: u32 = 1 << 20;
    pub(in crate::cortex_m) const UNALIGNED: u32 = 1 << 24;
    pub(in crate::cortex_m) const DIVBYZERO: u32 = 1 << 25;
}

/// Fields of HFSR (DDI 0403 B3.2.16).
pub(super) mod hfsr {
    pub(in crate::cortex_m) const VECTTBL: u32 = 1 << 1;
    pub(in crate::cortex_m) const FORCED: u32 = 1 << 30;
    pub(in crate::cortex_m) const DEBUGEVT: u32 = 1 << 31;
}

/// DFSR.BKPT.
pub(super) const DFSR_BKPT: u32 = 1 << 1;
/// DFSR.DWTTRAP.
pub(super) const DFSR_DWTTRAP: u32 = 1 << 2;

/// Fields of SHCSR (DDI 0403 B3.2.13) with the exception each belongs to.
pub(super) mod shcsr {
    use crate::cortex_m::nvic::number::{
        BUS_FAULT, DEBUG_MONITOR, MEM_MANAGE, PENDSV, SVCALL, SYSTICK, USAGE_FAULT,
    };

    pub(in crate::cortex_m) const ACTIVE: [(u32, u16); 7] = [
        (0, MEM_MANAGE),
        (1, BUS_FAULT),
        (3, USAGE_FAULT),
        (7, SVCALL),
        (8, DEBUG_MONITOR),
        (10, PENDSV),
        (11, SYSTICK),
    ];
    pub(in crate::cortex_m) const PENDED: [(u32, u16); 4] =
        [(12, USAGE_FAULT), (13, MEM_MANAGE), (14, BUS_FAULT), (15, SVCALL)];
    pub(in crate::cortex_m) const ENABLED: [(u32, u16); 3] =
        [(16, MEM_MANAGE), (17, BUS_FAULT), (18, USAGE_FAULT)];
}

/// Fields of FPCCR (DDI 0403 B3.2.21).
pub(super) mod fpccr {
    pub(in crate::cortex_m) const LSPACT: u32 = 1 << 0;
    pub(in crate::cortex_m) const USER: u32 = 1 << 1;
    pub(in crate::cortex_m) const THREAD: u32 = 1 << 3;
    pub(in crate::cortex_m) const HFRDY: u32 = 1 << 4;
    pub(in crate::cortex_m) const MMRDY: u32 = 1 << 5;
    pub(in crate::cortex_m) const BFRDY: u32 = 1 << 6;
    pub(in crate::cortex_m) const MONRDY: u32 = 1 << 8;
    pub(in crate::cortex_m) const LSPEN: u32 = 1 << 30;
    pub(in crate::cortex_m) const ASPEN: u32 = 1 << 31;
    /// What software may write.
    pub(in crate::cortex_m) const WRITABLE: u32 =
        LSPACT | USER | THREAD | HFRDY | MMRDY | BFRDY | MONRDY | LSPEN | ASPEN;
}

/// The bits of CPACR for CP10 and CP11.
pub(super) const CPACR_FPU: u32 = 0xF << 20;

/// The plain registers of the block.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Scb {
    pub(super) vtor: u32,
    pub(super) scr: u32,
    pub(super) ccr: u32,
    pub(super) cfsr: u32,
    pub(super) hfsr: u32,
    pub(super) dfsr: u32,
    pub(super) mmfar: u32,
    pub(super) bfar: u32,
    pub(super) afsr: u32,
    pub(super) actlr: u32,
    pub(super) csselr: u32,
}

impl Scb {
    /// The reset state.
    pub(super) fn reset(&mut self, architecture: Architecture, vtor: u32, has_cache: bool) {
        *self = Self { vtor, ..Self::default() };
        self.ccr = match architecture {
            Architecture::V6M => ccr::STKALIGN | ccr::UNALIGN_TRP,
            Architecture::V7M => ccr::STKALIGN,
            Architecture::V8M => ccr::STKALIGN | ccr::NONBASETHRDENA,
        };
        if has_cache {
            self.ccr |= ccr::BP;
        }
    }

    /// CCR write.
    pub(super) fn write_ccr(&mut self, architecture: Architecture, has_cache: bool, value: u32) {
        let common = ccr::USERSETMPEND | ccr::UNALIGN_TRP | ccr::DIV_0_TRP | ccr::BFHFNMIGN;
        let mut writable = match architecture {
            Architecture::V6M => return,
            Architecture::V7M => common | ccr::NONBASETHRDENA | ccr::STKALIGN,
            Architecture::V8M => common,
        };
        if has_cache {
            writable |= ccr::CACHES;
        }
        self.ccr = self.ccr & !writable | value & writable;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ccr_keeps_the_bits_that_each_architecture_fixes() {
        for (architecture, at_reset, after_zero, after_ones) in [
            (Architecture::V6M, 0x208, 0x208, 0x208),
            (Architecture::V7M, 0x200, 0, 0x31B),
            (Architecture::V8M, 0x201, 0x201, 0x31B),
        ] {
            let mut scb = Scb::default();
            scb.reset(architecture, 0x100, false);
            assert_eq!((scb.ccr, scb.vtor), (at_reset, 0x100));
            scb.write_ccr(architecture, false, 0);
            assert_eq!(scb.ccr, after_zero);
            scb.write_ccr(architecture, false, u32::MAX);
            assert_eq!(scb.ccr, after_ones);
        }
    }
}
