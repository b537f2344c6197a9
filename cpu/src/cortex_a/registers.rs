//! The tables of registers that debuggers read.

use consort_core::cpu::{RegisterInfo, Role};

use super::config::Model;
use crate::engine::Reg;

const A64_CORE: &str = "org.gnu.gdb.aarch64.core";
const A64_FPU: &str = "org.gnu.gdb.aarch64.fpu";
const A32_CORE: &str = "org.gnu.gdb.arm.core";
const A32_VFP: &str = "org.gnu.gdb.arm.vfp";
const SYSTEM: &str = "org.consort.aarch64.system";

/// What the engine knows a register of a table by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    One(Reg),
    /// The low and the high half.
    Pair(Reg, Reg),
}

/// A register of a table and the engine's name for it.
type Row = (RegisterInfo, Name);

const fn row(name: &'static str, bits: u16, feature: &'static str, role: Role, reg: Reg) -> Row {
    (RegisterInfo { name, bits, feature, role }, Name::One(reg))
}

const fn x(name: &'static str, n: u8) -> Row {
    row(name, 64, A64_CORE, if n == 30 { Role::ReturnAddress } else { Role::General }, Reg::x(n))
}

const fn v(name: &'static str, n: u8) -> Row {
    let info = RegisterInfo { name, bits: 128, feature: A64_FPU, role: Role::Float };
    (info, Name::Pair(Reg::v(n, 0), Reg::v(n, 1)))
}

const fn r(name: &'static str, n: u8) -> Row {
    row(name, 32, A32_CORE, Role::General, Reg::r(n))
}

const fn d(name: &'static str, n: u8) -> Row {
    row(name, 64, A32_VFP, Role::Float, Reg::d(n))
}

const fn s(name: &'static str, op1: u8, crn: u8, crm: u8, op2: u8) -> Row {
    row(name, 64, SYSTEM, Role::System, Reg::system(3, op1, crn, crm, op2))
}

const A64: &[Row] = &[
    x("x0", 0),
    x("x1", 1),
    x("x2", 2),
    x("x3", 3),
    x("x4", 4),
    x("x5", 5),
    x("x6", 6),
    x("x7", 7),
    x("x8", 8),
    x("x9", 9),
    x("x10", 10),
    x("x11", 11),
    x("x12", 12),
    x("x13", 13),
    x("x14", 14),
    x("x15", 15),
    x("x16", 16),
    x("x17", 17),
    x("x18", 18),
    x("x19", 19),
    x("x20", 20),
    x("x21", 21),
    x("x22", 22),
    x("x23", 23),
    x("x24", 24),
    x("x25", 25),
    x("x26", 26),
    x("x27", 27),
    x("x28", 28),
    x("x29", 29),
    x("x30", 30),
    row("sp", 64, A64_CORE, Role::StackPointer, Reg::x(31)),
    row("pc", 64, A64_CORE, Role::ProgramCounter, Reg::PC64),
    row("cpsr", 32, A64_CORE, Role::Status, Reg::PSTATE),
    v("v0", 0),
    v("v1", 1),
    v("v2", 2),
    v("v3", 3),
    v("v4", 4),
    v("v5", 5),
    v("v6", 6),
    v("v7", 7),
    v("v8", 8),
    v("v9", 9),
    v("v10", 10),
    v("v11", 11),
    v("v12", 12),
    v("v13", 13),
    v("v14", 14),
    v("v15", 15),
    v("v16", 16),
    v("v17", 17),
    v("v18", 18),
    v("v19", 19),
    v("v20", 20),
    v("v21", 21),
    v("v22", 22),
    v("v23", 23),
    v("v24", 24),
    v("v25", 25),
    v("v26", 26),
    v("v27", 27),
    v("v28", 28),
    v("v29", 29),
    v("v30", 30),
    v("v31", 31),
    row("fpsr", 32, A64_FPU, Role::Float, Reg::FPSR),
    row("fpcr", 32, A64_FPU, Role::Float, Reg::FPCR),
    s("sctlr_el1", 0, 1, 0, 0),
    s("ttbr0_el1", 0, 2, 0, 0),
    s("ttbr1_el1", 0, 2, 0, 1),
    s("tcr_el1", 0, 2, 0, 2),
    s("mair_el1", 0, 10, 2, 0),
    s("vbar_el1", 0, 12, 0, 0),
    s("esr_el1", 0, 5, 2, 0),
    s("far_el1", 0, 6, 0, 0),
    s("elr_el1", 0, 4, 0, 1),
    s("spsr_el1", 0, 4, 0, 0),
    s("tpidr_el0", 3, 13, 0, 2),
    s("tpidr_el1", 0, 13, 0, 4),
];

const A32: &[Row] = &[
    r("r0", 0),
    r("r1", 1),
    r("r2", 2),
    r("r3", 3),
    r("r4", 4),
    r("r5", 5),
    r("r6", 6),
    r("r7", 7),
    r("r8", 8),
    r("r9", 9),
    r("r10", 10),
    r("r11", 11),
    r("r12", 12),
    row("sp", 32, A32_CORE, Role::StackPointer, Reg::SP),
    row("lr", 32, A32_CORE, Role::ReturnAddress, Reg::LR),
    row("pc", 32, A32_CORE, Role::ProgramCounter, Reg::PC),
    row("cpsr", 32, A32_CORE, Role::Status, Reg::XPSR),
    d("d0", 0),
    d("d1", 1),
    d("d2", 2),
    d("d3", 3),
    d("d4", 4),
    d("d5", 5),
    d("d6", 6),
    d("d7", 7),
    d("d8", 8),
    d("d9", 9),
    d("d10", 10),
    d("d11", 11),
    d("d12", 12),
    d("d13", 13),
    d("d14", 14),
    d("d15", 15),
    d("d16", 16),
    d("d17", 17),
    d("d18", 18),
    d("d19", 19),
    d("d20", 20),
    d("d21", 21),
    d("d22", 22),
    d("d23", 23),
    d("d24", 24),
    d("d25", 25),
    d("d26", 26),
    d("d27", 27),
    d("d28", 28),
    d("d29", 29),
    d("d30", 30),
    d("d31", 31),
    row("fpscr", 32, A32_VFP, Role::Float, Reg::FPSCR),
];

const fn infos<const N: usize>(rows: &[Row]) -> [RegisterInfo; N] {
    let mut out = [rows[0].0; N];
    let mut i = 0;
    while i < N {
        out[i] = rows[i].0;
        i += 1;
    }
    out
}

static A64_INFOS: [RegisterInfo; A64.len()] = infos(A64);
static A32_INFOS: [RegisterInfo; A32.len()] = infos(A32);

/// The registers a debugger sees.
pub(super) fn table(model: Model) -> &'static [RegisterInfo] {
    if model.is_64() { &A64_INFOS } else { &A32_INFOS }
}

/// The engine's name of a register of [`table`].
pub(super) fn name(model: Model, index: usize) -> Option<Name> {
    let rows = if model.is_64() { A64 } else { A32 };
    rows.get(index).map(|(_, name)| *name)
}
