//! The core's registers: the door to the engine's, and the table that debuggers read.

use consort_core::cpu::{RegisterInfo, Role};

use super::nvic::Masks;
use crate::engine::{Access, Engine, Reg};

/// CONTROL.nPRIV.
pub(super) const NPRIV: u32 = 1 << 0;
/// CONTROL.SPSEL.
pub(super) const SPSEL: u32 = 1 << 1;
/// CONTROL.FPCA.
pub(super) const FPCA: u32 = 1 << 2;
/// EPSR.T.
pub(super) const THUMB: u32 = 1 << 24;
/// EPSR.IT and ICI.
pub(super) const IT: u32 = 0x0600_FC00;
/// IPSR.
pub(super) const IPSR: u32 = 0x1FF;
/// APSR: N, Z, C, V, Q and GE.
pub(super) const APSR: u32 = 0xF80F_0000;

/// Registers of the core, whoever holds them at the moment.
pub(super) trait Registers {
    fn get(&self, reg: Reg) -> u32;
    fn set(&mut self, reg: Reg, value: u32);

    /// The exception being handled, 0 in thread mode.
    fn ipsr(&self) -> u16 {
        self.get(Reg::IPSR) as u16
    }

    /// Whether the present code is privileged.
    fn is_privileged(&self) -> bool {
        self.get(Reg::CONTROL) & NPRIV == 0 || self.ipsr() != 0
    }

    fn masks(&self) -> Masks {
        Masks {
            primask: self.get(Reg::PRIMASK) != 0,
            faultmask: self.get(Reg::FAULTMASK) != 0,
            basepri: self.get(Reg::BASEPRI) as u8,
        }
    }
}

impl Registers for Engine {
    fn get(&self, reg: Reg) -> u32 {
        self.reg(reg) as u32
    }
    fn set(&mut self, reg: Reg, value: u32) {
        self.set_reg(reg, u64::from(value));
    }
}

impl Registers for Access<'_> {
    fn get(&self, reg: Reg) -> u32 {
        self.reg(reg) as u32
    }
    fn set(&mut self, reg: Reg, value: u32) {
        self.set_reg(reg, u64::from(value));
    }
}

const M_PROFILE: &str = "org.gnu.gdb.arm.m-profile";
const M_SYSTEM: &str = "org.gnu.gdb.arm.m-system";
const VFP: &str = "org.gnu.gdb.arm.vfp";

/// A register of the table and the engine's name for it.
type Row = (RegisterInfo, Reg);

const fn row(name: &'static str, bits: u16, feature: &'static str, role: Role, reg: Reg) -> Row {
    (RegisterInfo { name, bits, feature, role }, reg)
}

const fn general(name: &'static str, n: u8) -> Row {
    row(name, 32, M_PROFILE, Role::General, Reg::r(n))
}

const fn system(name: &'static str, reg: Reg) -> Row {
    row(name, 32, M_SYSTEM, Role::System, reg)
}

const fn double(name: &'static str, n: u8) -> Row {
    row(name, 64, VFP, Role::Float, Reg::d(n))
}

const ROWS: [Row; 40] = [
    general("r0", 0),
    general("r1", 1),
    general("r2", 2),
    general("r3", 3),
    general("r4", 4),
    general("r5", 5),
    general("r6", 6),
    general("r7", 7),
    general("r8", 8),
    general("r9", 9),
    general("r10", 10),
    general("r11", 11),
    general("r12", 12),
    row("sp", 32, M_PROFILE, Role::StackPointer, Reg::SP),
    row("lr", 32, M_PROFILE, Role::ReturnAddress, Reg::LR),
    row("pc", 32, M_PROFILE, Role::ProgramCounter, Reg::PC),
    row("xpsr", 32, M_PROFILE, Role::Status, Reg::XPSR),
    system("msp", Reg::MSP),
    system("psp", Reg::PSP),
    system("primask", Reg::PRIMASK),
    system("basepri", Reg::BASEPRI),
    system("faultmask", Reg::FAULTMASK),
    system("control", Reg::CONTROL),
    double("d0", 0),
    double("d1", 1),
    double("d2", 2),
    double("d3", 3),
    double("d4", 4),
    double("d5", 5),
    double("d6", 6),
    double("d7", 7),
    double("d8", 8),
    double("d9", 9),
    double("d10", 10),
    double("d11", 11),
    double("d12", 12),
    double("d13", 13),
    double("d14", 14),
    double("d15", 15),
    row("fpscr", 32, VFP, Role::Float, Reg::FPSCR),
];

const fn infos<const N: usize>(rows: [usize; N]) -> [RegisterInfo; N] {
    let mut out = [ROWS[0].0; N];
    let mut i = 0;
    while i < N {
        out[i] = ROWS[rows[i]].0;
        i += 1;
    }
    out
}

const fn first<const N: usize>() -> [usize; N] {
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = i;
        i += 1;
    }
    out
}

/// ARMv6-M has neither BASEPRI nor FAULTMASK.
const BASELINE_ROWS: [usize; 21] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 22];
static BASELINE: [RegisterInfo; 21] = infos(BASELINE_ROWS);
static MAINLINE: [RegisterInfo; 40] = infos(first());

/// The registers a debugger sees.
pub(super) fn table(mainline: bool, fpu: bool) -> &'static [RegisterInfo] {
    match (mainline, fpu) {
        (false, _) => &BASELINE,
        (true, false) => &MAINLINE[..23],
        (true, true) => &MAINLINE,
    }
}

/// The engine's name of a register of [`table`].
pub(super) fn engine_register(mainline: bool, fpu: bool, index: usize) -> Option<Reg> {
    table(mainline, fpu).get(index)?;
    let row = if mainline { index } else { BASELINE_ROWS[index] };
    Some(ROWS[row].1)
}

#[cfg(test)]
pub(super) mod testing {
    use std::collections::BTreeMap;

    use super::*;

    /// Registers that are nothing but numbers.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub(in crate::cortex_m) struct FakeRegisters(pub BTreeMap<Reg, u32>);

    impl Registers for FakeRegisters {
        fn get(&self, reg: Reg) -> u32 {
            if reg == Reg::IPSR {
                return self.get(Reg::XPSR) & IPSR;
            }
            self.0.get(&reg).copied().unwrap_or(0)
        }
        fn set(&mut self, reg: Reg, value: u32) {
            if reg == Reg::IPSR {
                let rest = self.get(Reg::XPSR) & !IPSR;
                self.0.insert(Reg::XPSR, rest | value);
                return;
            }
            self.0.insert(reg, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_gdbs_order() {
        let names = |mainline, fpu| table(mainline, fpu).iter().map(|info| info.name).collect::<Vec<_>>();
        assert_eq!(names(false, false)[15..], ["pc", "xpsr", "msp", "psp", "primask", "control"]);
        assert_eq!(names(true, false)[17..], ["msp", "psp", "primask", "basepri", "faultmask", "control"]);
        assert_eq!(names(true, true)[38..], ["d15", "fpscr"]);
        assert_eq!(engine_register(false, false, 20), Some(Reg::CONTROL));
        assert_eq!(engine_register(true, false, 23), None);
    }
}
