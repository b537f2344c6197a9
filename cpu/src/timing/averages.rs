//! Cores whose manuals give no cycles, or give them for too many cases: averages by a few classes.

use crate::engine::{Cost, Insn, Timing};

/// Cortex-A53, AArch64. Two instructions may begin in one cycle and each may have to wait; on average that is one
/// instruction a cycle (about what its CoreMark/MHz says), with caches that hit and branches that are foreseen.
#[derive(Clone, Copy, Debug)]
pub struct CortexA53;

/// Cycles of `MRS`, `MSR`, `SYS`: they wait for what is under way.
const A53_SYSTEM: u8 = 4;

impl Timing for CortexA53 {
    fn cost(&self, insn: Insn<'_>) -> Cost {
        let code = insn.code;
        let cycles = if code >> 22 == 0xD500_0000 >> 22 {
            // System instructions, barriers among them (DDI 0487 C4.1.3).
            A53_SYSTEM
        } else if code & 0x7FE0_F800 == 0x1AC0_0800 {
            // UDIV, SDIV (C4.1.5): by the quotient's length, on average of programs.
            8
        } else if code & 0x7F00_0000 == 0x1B00_0000 {
            // Multiplications: of 64 bits, and long ones, two.
            if code >> 31 == 1 { 2 } else { 1 }
        } else if code & 0xFF20_FC00 == 0x1E20_1800 {
            // FDIV: single 13, double 22.
            if code >> 22 & 1 == 1 { 22 } else { 13 }
        } else if code & 0x3C00_0000 == 0x2800_0000 && code & 0x8000_0000 != 0 {
            // Pairs of 64-bit registers.
            2
        } else {
            1
        };
        Cost::constant(cycles)
    }

    fn system(&self) -> u8 {
        A53_SYSTEM
    }

    fn trap(&self) -> u8 {
        20
    }
}

/// Cortex-A15, A57 and A72: up to three instructions begin in a cycle and leave it out of their order, so that no class
/// has a time of its own. One instruction a cycle is an average of programs that miss their caches now and then.
#[derive(Clone, Copy, Debug)]
pub struct OutOfOrder;

impl Timing for OutOfOrder {
    fn cost(&self, _: Insn<'_>) -> Cost {
        Cost::constant(1)
    }

    fn trap(&self) -> u8 {
        20
    }
}

/// A 32-bit RISC-V core of five stages and one instruction at a time. A load waits on average half the time for its
/// use; a branch is taken when it goes back and not when it goes on. Multiplications take 1 to 5 cycles on such cores,
/// divisions 3 to 35, by core and operands.
#[derive(Clone, Copy, Debug)]
pub struct Rv32;

impl Timing for Rv32 {
    fn cost(&self, insn: Insn<'_>) -> Cost {
        let code = insn.code as u16;
        let cycles = match (code & 3, code >> 13) {
            // Unprivileged ISA, table of major opcodes: bits 6:2.
            (3, _) => match code >> 2 & 0x1F {
                0x19 | 0x1B => 3, // JALR, JAL
                0x18 => 2,        // BRANCH, of either direction
                0x0B => 4,        // AMO
                // OP with the M extension's funct7: MUL to MULHU, DIV to REMU.
                0x0C if insn.code >> 25 == 1 => {
                    if insn.code >> 14 & 1 == 0 {
                        3
                    } else {
                        20
                    }
                }
                // LOAD: loads wait for their use in one of two places; the address tells apart no better than a coin.
                0x00 if insn.pc & 4 == 0 => 2,
                _ => 1,
            },
            // C.LW; C.LWSP.
            (0 | 2, 2) if insn.pc & 4 == 0 => 2,
            // C.JAL, C.J; C.BEQZ, C.BNEZ with the offset's sign in bit 12.
            (1, 1 | 5) => 3,
            (1, 6 | 7) if code >> 12 & 1 == 1 => 3,
            // C.JR, C.JALR: no second register, but a first.
            (2, 4) if code & 0x7C == 0 && code & 0x0F80 != 0 => 3,
            _ => 1,
        };
        Cost::constant(cycles)
    }

    fn trap(&self) -> u8 {
        4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(timing: &dyn Timing, code: u32) -> u8 {
        timing.cost(Insn { pc: 0x1000, code, page: &[], conditional: false }).cycles
    }

    #[test]
    fn the_a53_is_told_by_class() {
        for (code, text, expected) in [
            (0x8B02_0020_u32, "add x0, x1, x2", 1),
            (0xD538_0000, "mrs x0, midr_el1", A53_SYSTEM),
            (0xD503_3FDF, "isb", A53_SYSTEM),
            (0x9AC2_0820, "udiv x0, x1, x2", 8),
            (0x1AC2_0C20, "sdiv w0, w1, w2", 8),
            (0x9B02_7C20, "mul x0, x1, x2", 2),
            (0x1B02_7C20, "mul w0, w1, w2", 1),
            (0x1E62_1820, "fdiv d0, d1, d2", 22),
            (0xA940_0440, "ldp x0, x1, [x2]", 2),
            (0xF940_0020, "ldr x0, [x1]", 1),
            (0x54FF_FFE1, "b.ne .-4", 1),
        ] {
            assert_eq!(cycles(&CortexA53, code), expected, "{text}");
        }
    }

    #[test]
    fn the_rv32_is_told_by_class() {
        for (code, text, expected) in [
            (0x0533_u32, "add a0, ...", 1),
            (0x2503, "lw a0, ...", 2),
            (0x1063, "bne ...", 2),
            (0x02B5_0533, "mul a0, a0, a1", 3),
            (0x02B5_3533, "mulhu a0, a0, a1", 3),
            (0x02B5_4533, "div a0, a0, a1", 20),
            (0x02B5_7533, "remu a0, a0, a1", 20),
            (0x40B5_0533, "sub a0, a0, a1", 1),
            (0x00EF, "jal ...", 3),
            (0x8067, "ret", 3),
            (0x2573, "csrr a0, ...", 1),
            (0x4108, "c.lw a0, 0(a0)", 2),
            (0xBFFD, "c.j .-2", 3),
            (0xFD7D, "c.bnez a0, .-2", 3),
            (0x8082, "c.jr ra", 3),
            (0x852E, "c.mv a0, a1", 1),
        ] {
            assert_eq!(cycles(&Rv32, code), expected, "{text}");
        }
    }
}
