//! Register names of the engine: plain state, visible in every mode and privilege.

use unicorn_engine::{RegisterARM, RegisterARM64, RegisterRISCV};

use super::Isa;

/// A register. M-profile names are fields, not what `MRS` would show: they read and write in any mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reg(pub(super) u32);

impl Reg {
    /// R13, the stack pointer in use.
    pub const SP: Reg = Reg(13);
    /// R14.
    pub const LR: Reg = Reg(14);
    /// The address of the next instruction. Writing it keeps EPSR.T: use [`Reg::XPSR`] to change that.
    pub const PC: Reg = Reg(15);
    /// XPSR whole: flags, Q, GE, ICI/IT, T and IPSR. Writing it swaps the stack pointers when the mode changes.
    pub const XPSR: Reg = Reg(16);
    /// The main stack pointer, in use or not.
    pub const MSP: Reg = Reg(17);
    /// The process stack pointer, in use or not.
    pub const PSP: Reg = Reg(18);
    /// PRIMASK bit 0.
    pub const PRIMASK: Reg = Reg(19);
    /// BASEPRI bits 7:0.
    pub const BASEPRI: Reg = Reg(20);
    /// FAULTMASK bit 0.
    pub const FAULTMASK: Reg = Reg(21);
    /// CONTROL: nPRIV, SPSEL, FPCA. Writing SPSEL in thread mode swaps the stack pointers.
    pub const CONTROL: Reg = Reg(22);
    /// The exception number; nonzero is handler mode. Writing it swaps the stack pointers when the mode changes.
    pub const IPSR: Reg = Reg(23);
    /// FPSCR.
    pub const FPSCR: Reg = Reg(24);
    /// CPACR: denied FPU instructions stop with [`Exception::NoCoprocessor`](super::Exception::NoCoprocessor).
    pub const CPACR: Reg = Reg(25);
    /// FPCCR. With ASPEN set the first FPU instruction sets CONTROL.FPCA; with LSPACT set it stops with
    /// [`Exception::LazyStacking`](super::Exception::LazyStacking).
    pub const FPCCR: Reg = Reg(26);
    /// FPCAR.
    pub const FPCAR: Reg = Reg(27);
    /// FPDSCR.
    pub const FPDSCR: Reg = Reg(28);
    /// MPU_CTRL: ENABLE, HFNMIENA, PRIVDEFENA.
    pub const MPU_CTRL: Reg = Reg(29);
    /// MPU_MAIR0 (ARMv8-M).
    pub const MPU_MAIR0: Reg = Reg(30);
    /// MPU_MAIR1 (ARMv8-M).
    pub const MPU_MAIR1: Reg = Reg(31);
    /// The number of MPU regions; read-only.
    pub const MPU_REGIONS: Reg = Reg(32);
    /// CCR: only DIV_0_TRP and UNALIGN_TRP have an effect here (and STKOFHFNMIGN on ARMv8-M).
    pub const CCR: Reg = Reg(33);
    /// 1 while the execution priority is negative (HardFault or NMI active, or FAULTMASK): the MPU is then off
    /// unless MPU_CTRL.HFNMIENA. FAULTMASK alone and IPSR 2 and 3 count without it.
    pub const NEGATIVE_PRIORITY: Reg = Reg(34);
    /// MSPLIM (ARMv8-M).
    pub const MSPLIM: Reg = Reg(35);
    /// PSPLIM (ARMv8-M).
    pub const PSPLIM: Reg = Reg(36);
    /// The exclusive monitor's address; all ones when it is clear.
    pub const EXCLUSIVE_ADDRESS: Reg = Reg(37);
    /// The exclusive monitor's remembered value.
    pub const EXCLUSIVE_VALUE: Reg = Reg(38);
    /// AArch64: the second register's value, of a pair.
    pub const EXCLUSIVE_HIGH: Reg = Reg(39);

    /// AArch64 and RISC-V: the address of the next instruction.
    pub const PC64: Reg = Reg(544);
    /// AArch64: PSTATE as SPSR shows it. Writing it changes the exception level and swaps the stack pointers.
    pub const PSTATE: Reg = Reg(545);
    /// AArch64: FPCR.
    pub const FPCR: Reg = Reg(546);
    /// AArch64: FPSR.
    pub const FPSR: Reg = Reg(547);
    /// RISC-V: the privilege mode, 0 U, 1 S, 3 M.
    pub const PRIVILEGE: Reg = Reg(552);
    /// The levels of the interrupt lines of a core that takes its interrupts itself. AArch64 and A-profile: bit 0 IRQ,
    /// bit 1 FIQ. RISC-V: MSIP, MTIP, MEIP, SEIP at their bits of `mip`.
    pub const INTERRUPTS: Reg = Reg(553);
    /// Instructions executed in all runs, behind `minstret`.
    pub const INSTRET: Reg = Reg(554);
    /// Cycles taken in all runs, behind `mcycle` and PMCCNTR.
    pub const CYCLES: Reg = Reg(555);

    /// X0 to X31 of RISC-V and AArch64, where X31 is the stack pointer in use.
    pub const fn x(n: u8) -> Reg {
        Reg(if n < 32 { 512 + n as u32 } else { Reg::NONE })
    }

    /// Arm generic timers (0 physical, 1 virtual, 2 hypervisor, 3 secure): CTL. The machine sets ISTATUS (bit 2) when
    /// the timer's condition becomes true.
    pub const fn timer_ctl(timer: u8) -> Reg {
        Reg(if timer < 4 { 560 + timer as u32 } else { Reg::NONE })
    }

    /// Arm generic timers: CVAL.
    pub const fn timer_cval(timer: u8) -> Reg {
        Reg(if timer < 4 { 564 + timer as u32 } else { Reg::NONE })
    }

    /// RISC-V: F0 to F31.
    pub const fn f(n: u8) -> Reg {
        Reg(if n < 32 { 576 + n as u32 } else { Reg::NONE })
    }

    /// AArch64: a half (0 low, 1 high) of V0 to V31.
    pub const fn v(n: u8, half: u8) -> Reg {
        Reg(if n < 32 && half < 2 { 576 + n as u32 * 2 + half as u32 } else { Reg::NONE })
    }

    /// AArch64: SP_EL0 to SP_EL3.
    pub const fn sp_el(level: u8) -> Reg {
        Reg(if level < 4 { 548 + level as u32 } else { Reg::NONE })
    }

    /// RISC-V: a control and status register as machine mode sees it.
    pub const fn csr(number: u16) -> Reg {
        Reg(if number < 0x1000 { 0x2_0000 + number as u32 } else { Reg::NONE })
    }

    /// AArch64: a system register by its encoding (op0, op1, CRn, CRm, op2).
    pub const fn system(op0: u8, op1: u8, crn: u8, crm: u8, op2: u8) -> Reg {
        let (op0, op1, crn, crm, op2) = (op0 as u32, op1 as u32, crn as u32, crm as u32, op2 as u32);
        if op0 < 4 && op1 < 8 && crn < 16 && crm < 16 && op2 < 8 {
            Reg(0x1_0000 | op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
        } else {
            Reg(Reg::NONE)
        }
    }

    /// AArch64 and A-profile: how many words [`Reg::plain`] has.
    pub const PLAIN_COUNT: Reg = Reg(0x2_FFFF);

    /// AArch64 and A-profile: the integer registers with their banks, flags and system registers, as the engine keeps
    /// them. Written in order from the first to the last, they put a core of the same kind into the same state.
    pub const fn plain(n: u16) -> Reg {
        Reg(0x3_0000 + n as u32)
    }

    /// R0 to R15 of the 32-bit Arm cores.
    pub const fn r(n: u8) -> Reg {
        Reg(if n < 16 { n as u32 } else { Reg::NONE })
    }

    /// S0 to S31.
    pub const fn s(n: u8) -> Reg {
        Reg(if n < 32 { 64 + n as u32 } else { Reg::NONE })
    }

    /// D0 to D31.
    pub const fn d(n: u8) -> Reg {
        Reg(if n < 32 { 96 + n as u32 } else { Reg::NONE })
    }

    /// MPU_RBAR of a region: bits 31:5 of the base (ARMv8-M: with SH, AP, XN).
    pub const fn mpu_rbar(region: u8) -> Reg {
        Reg(if region < 16 { 128 + region as u32 } else { Reg::NONE })
    }

    /// MPU_RASR of a region (ARMv8-M: MPU_RLAR).
    pub const fn mpu_rasr(region: u8) -> Reg {
        Reg(if region < 16 { 144 + region as u32 } else { Reg::NONE })
    }

    /// The number by which Unicorn knows it, where that means the same: general and floating-point registers. The
    /// others are state that Unicorn lacks, or filters by the core's mode and privilege.
    pub(super) fn unicorn(self, isa: Isa) -> Option<i32> {
        let Reg(n) = self;
        let number = |first: i32, from: u32| Some(first + (n - from) as i32);
        match isa {
            Isa::CortexA53 | Isa::CortexA57 | Isa::CortexA72 => match n {
                512..541 => number(RegisterARM64::X0 as i32, 512),
                541..543 => number(RegisterARM64::X29 as i32, 541),
                543 => Some(RegisterARM64::SP as i32),
                _ => None,
            },
            Isa::Rv32 | Isa::Rv64 => match n {
                513..544 => number(RegisterRISCV::X0 as i32, 512),
                576..608 => number(RegisterRISCV::F0 as i32, 576),
                _ => None,
            },
            _ => match n {
                0..=12 => number(RegisterARM::R0 as i32, 0),
                14 => Some(RegisterARM::LR as i32),
                64..96 => number(RegisterARM::S0 as i32, 64),
                96..128 => number(RegisterARM::D0 as i32, 96),
                _ => None,
            },
        }
    }

    /// Reads as 0, ignores writes.
    const NONE: u32 = u32::MAX;
}
