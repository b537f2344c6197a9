//! Thumb instructions by what decides their time.

/// What kind of instruction it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Data processing within registers, `NOP` and everything else that takes the core's usual cycle.
    Data,
    /// `MUL`.
    Multiply,
    /// `MLA`, `MLS`.
    MultiplyAccumulate,
    /// `SMULL`, `UMULL`.
    MultiplyLong,
    /// `SMLAL`, `UMLAL`, `UMAAL`.
    MultiplyAccumulateLong,
    /// `SDIV`, `UDIV`.
    Divide,
    /// A load of one register.
    Load(Single),
    /// A store of one register.
    Store(Single),
    /// `LDRD`, `STRD`.
    Dual,
    /// `LDM`, `STM`, `PUSH`, `POP` of that many registers.
    Multiple(u8),
    /// `LDM` or `POP` of that many registers, with PC among them.
    MultiplePc(u8),
    /// `LDR` to PC.
    LoadPc,
    /// `TBB`, `TBH`.
    TableBranch,
    /// `B`.
    Branch(i32),
    /// `B` with a condition.
    BranchIf(i32),
    /// `CBZ`, `CBNZ`.
    CompareBranch(i32),
    /// `BL`.
    BranchLink(i32),
    /// `BX`, `BLX`, and writes of PC by `MOV` and `ADD`.
    BranchRegister,
    /// `MRS`, `MSR`.
    Special,
    /// `CPS`.
    ChangeState,
    /// `DMB`, `DSB`.
    DataBarrier,
    /// `ISB`.
    InstructionBarrier,
    /// `WFI`, `WFE`.
    Wait,
    /// `IT`.
    IfThen,
    /// `VMLA` and its like, fused or not.
    FloatMultiplyAccumulate,
    /// `VDIV`, `VSQRT`; of double precision.
    FloatDivide(bool),
    /// Any other computation of double precision.
    FloatDouble,
    /// `VLDR`, `VSTR` of that many words.
    FloatMemory(u8),
    /// `VLDM`, `VSTM`, `VPUSH`, `VPOP` of that many words.
    FloatMultiple(u8),
    /// `VMOV` of two core registers.
    FloatPair,
}

impl Class {
    /// Whether it loads or stores.
    pub(super) const fn accesses_memory(self) -> bool {
        matches!(
            self,
            Self::Load(_)
                | Self::Store(_)
                | Self::Dual
                | Self::Multiple(_)
                | Self::MultiplePc(_)
                | Self::LoadPc
                | Self::TableBranch
                | Self::FloatMemory(_)
                | Self::FloatMultiple(_)
        )
    }

    /// Whether something else than the instruction behind it may follow.
    pub(super) const fn branches(self) -> bool {
        matches!(
            self,
            Self::MultiplePc(_)
                | Self::LoadPc
                | Self::TableBranch
                | Self::Branch(_)
                | Self::BranchIf(_)
                | Self::CompareBranch(_)
                | Self::BranchLink(_)
                | Self::BranchRegister
        )
    }
}

/// A load or store of one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Single {
    /// What it loads or stores.
    pub register: u8,
    /// The base of its address; 15 is PC.
    pub base: u8,
    /// The index of its address.
    pub index: Option<u8>,
}

const PC: u8 = 15;
const SP: u8 = 13;

/// `count` bits of `code` from bit `from`.
const fn bits(code: u32, from: u32, count: u32) -> u32 {
    code >> from & ((1 << count) - 1)
}

const fn register(code: u32, from: u32, count: u32) -> u8 {
    bits(code, from, count) as u8
}

/// `value`'s lower `count` bits as a signed number.
const fn signed(value: u32, count: u32) -> i32 {
    (value << (32 - count)) as i32 >> (32 - count)
}

/// Whether the encoding, read as [`Insn::code`](crate::engine::Insn::code), has 32 bits.
pub(super) const fn is_wide(code: u32) -> bool {
    code > 0xFFFF
}

/// Its bytes in memory.
pub(super) const fn size(code: u32) -> usize {
    if is_wide(code) { 4 } else { 2 }
}

/// What an encoding is (DDI 0403 A5).
pub(super) const fn decode(code: u32) -> Class {
    if is_wide(code) { wide(code >> 16, code & 0xFFFF) } else { narrow(code) }
}

const fn loaded(is_load: bool, single: Single) -> Class {
    if is_load { Class::Load(single) } else { Class::Store(single) }
}

const fn narrow(code: u32) -> Class {
    match code >> 12 {
        0x0..=0x3 | 0xA => Class::Data,
        0x4 if code & 0x0800 != 0 => {
            Class::Load(Single { register: register(code, 8, 3), base: PC, index: None })
        }
        0x4 if code & 0x0400 == 0 => {
            if bits(code, 6, 4) == 0xD {
                Class::Multiply
            } else {
                Class::Data
            }
        }
        0x4 => match bits(code, 8, 2) {
            1 => Class::Data,
            3 => Class::BranchRegister,
            _ if code & 0x87 == 0x87 => Class::BranchRegister,
            _ => Class::Data,
        },
        0x5 => {
            let single = Single {
                register: register(code, 0, 3),
                base: register(code, 3, 3),
                index: Some(register(code, 6, 3)),
            };
            loaded(bits(code, 9, 3) >= 3, single)
        }
        0x6..=0x8 => {
            let single = Single { register: register(code, 0, 3), base: register(code, 3, 3), index: None };
            loaded(code & 0x0800 != 0, single)
        }
        0x9 => {
            let single = Single { register: register(code, 8, 3), base: SP, index: None };
            loaded(code & 0x0800 != 0, single)
        }
        0xB => miscellaneous(code),
        0xC => Class::Multiple((code & 0xFF).count_ones() as u8),
        0xD if bits(code, 8, 4) >= 0xE => Class::Data,
        0xD => Class::BranchIf(signed(code, 8) * 2),
        _ => Class::Branch(signed(code, 11) * 2),
    }
}

const fn miscellaneous(code: u32) -> Class {
    match bits(code, 8, 4) {
        0x1 | 0x3 | 0x9 | 0xB => Class::CompareBranch((bits(code, 9, 1) << 6 | bits(code, 3, 5) << 1) as i32),
        0x4 | 0x5 | 0xC => Class::Multiple((code & 0x1FF).count_ones() as u8),
        0xD => Class::MultiplePc((code & 0x1FF).count_ones() as u8),
        0x6 => Class::ChangeState,
        0xF if code & 0xF != 0 => Class::IfThen,
        0xF => hint(bits(code, 4, 4)),
        _ => Class::Data,
    }
}

const fn hint(number: u32) -> Class {
    if matches!(number, 2 | 3) { Class::Wait } else { Class::Data }
}

const fn wide(first: u32, second: u32) -> Class {
    match bits(first, 9, 2) | bits(first, 11, 2) << 2 {
        0b0100 if first & 0x40 == 0 => {
            let count = second.count_ones() as u8;
            if first & 0x10 != 0 && second & 0x8000 != 0 {
                Class::MultiplePc(count)
            } else {
                Class::Multiple(count)
            }
        }
        0b0100 => dual_or_exclusive(first, second),
        0b0110 | 0b0111 | 0b1110 | 0b1111 if bits(second, 9, 3) == 0b101 => float(first, second),
        0b1000..=0b1011 if second & 0x8000 != 0 => branch_or_control(first, second),
        0b1100 => single(first, second),
        0b1101 if first & 0xFF00 == 0xFB00 => multiply(first, second),
        _ => Class::Data,
    }
}

const fn dual_or_exclusive(first: u32, second: u32) -> Class {
    let base = register(first, 0, 4);
    let transfer = Single { register: register(second, 12, 4), base, index: None };
    // P and W are both 0 in what is not LDRD or STRD (DDI 0403 A5.3.6).
    if first & 0x0120 != 0 {
        return Class::Dual;
    }
    match bits(first, 4, 4) {
        0xD if second & 0xFFE0 == 0xF000 => Class::TableBranch,
        // LDREX, LDREXB, LDREXH and ARMv8-M's acquiring loads.
        0x5 | 0xD => Class::Load(transfer),
        // A store that waits for its answer is as a load of that (100166 3.3.3): STREX, then STREXB and STREXH.
        0x4 => Class::Load(Single { register: register(second, 8, 4), ..transfer }),
        _ => Class::Load(Single { register: register(second, 0, 4), ..transfer }),
    }
}

const fn single(first: u32, second: u32) -> Class {
    let (target, base) = (register(second, 12, 4), register(first, 0, 4));
    let by_register = first & 0x80 == 0 && second & 0x0FC0 == 0 && base != PC;
    let index = if by_register { Some(register(second, 0, 4)) } else { None };
    let single = Single { register: target, base, index };
    if first & 0x10 == 0 {
        return Class::Store(single);
    }
    match (target, bits(first, 5, 2)) {
        (PC, 2) => Class::LoadPc,
        (PC, _) => Class::Data, // a preload hint
        _ => Class::Load(single),
    }
}

const fn multiply(first: u32, second: u32) -> Class {
    match (bits(first, 4, 4), bits(second, 4, 4)) {
        (0x0, 0x0) if second >> 12 == 0xF => Class::Multiply,
        (0x0, _) => Class::MultiplyAccumulate,
        (0x8 | 0xA, _) => Class::MultiplyLong,
        (0x9 | 0xB, _) => Class::Divide,
        (0xC, 0) | (0xE, _) => Class::MultiplyAccumulateLong,
        _ => Class::Data, // the DSP extension's
    }
}

const fn branch_or_control(first: u32, second: u32) -> Class {
    let sign = bits(first, 10, 1);
    let (j1, j2) = (bits(second, 13, 1), bits(second, 11, 1));
    if second & 0x1000 != 0 {
        // DDI 0403 A7.7.12 and A7.7.18: encodings T4 of B and T1 of BL.
        let (i1, i2) = ((j1 ^ sign ^ 1) & 1, (j2 ^ sign ^ 1) & 1);
        let offset = sign << 24 | i1 << 23 | i2 << 22 | bits(first, 0, 10) << 12 | bits(second, 0, 11) << 1;
        let offset = signed(offset, 25);
        return if second & 0x4000 != 0 { Class::BranchLink(offset) } else { Class::Branch(offset) };
    }
    if bits(first, 7, 3) != 7 {
        let offset = sign << 20 | j2 << 19 | j1 << 18 | bits(first, 0, 6) << 12 | bits(second, 0, 11) << 1;
        return Class::BranchIf(signed(offset, 21));
    }
    match bits(first, 4, 7) {
        0x38 | 0x39 | 0x3E | 0x3F => Class::Special,
        0x3A if second & 0x0700 != 0 => Class::ChangeState,
        0x3A => hint(second & 0xFF),
        0x3B if matches!(bits(second, 4, 4), 4 | 5) => Class::DataBarrier,
        0x3B if bits(second, 4, 4) == 6 => Class::InstructionBarrier,
        _ => Class::Data,
    }
}

/// The floating-point extension's (DDI 0403 A6).
const fn float(first: u32, second: u32) -> Class {
    let double = second & 0x0100 != 0;
    if bits(first, 9, 1) == 0 {
        if first & 0xFFE0 == 0xEC40 {
            return Class::FloatPair;
        }
        if first & 0x0120 == 0x0100 {
            return Class::FloatMemory(if double { 2 } else { 1 });
        }
        return Class::FloatMultiple(second as u8);
    }
    if second & 0x10 != 0 {
        return Class::Data; // transfers of one register
    }
    let fused_or_not = matches!(bits(first, 4, 4) & 0b1011, 0b0000 | 0b0001 | 0b1001 | 0b1010);
    let operation = bits(first, 4, 4) & 0b1011;
    if bits(first, 12, 4) == 0xF {
        return if double { Class::FloatDouble } else { Class::Data };
    }
    match operation {
        _ if fused_or_not => Class::FloatMultiplyAccumulate,
        0b1000 => Class::FloatDivide(double),
        0b1011 if first & 0xF == 1 && second & 0xC0 == 0xC0 => Class::FloatDivide(double),
        _ if double => Class::FloatDouble,
        _ => Class::Data,
    }
}

/// The register that data processing writes, where that is told by a few bits; flags and the less usual are left out.
pub(super) const fn result(code: u32) -> Option<u8> {
    if is_wide(code) {
        let (first, second) = (code >> 16, code & 0xFFFF);
        let target = register(second, 8, 4);
        return match first >> 8 {
            // Shifted register; modified and plain immediates (DDI 0403 A5.3.11, A5.3.1, A5.3.3).
            0xEA | 0xEB => {
                if target == PC {
                    None
                } else {
                    Some(target)
                }
            }
            0xF0..=0xF7 if second & 0x8000 == 0 && target != PC => Some(target),
            // By registers: shifts, extensions, and what counts or reverses bits (A5.3.12).
            0xFA if target != PC => Some(target),
            _ => None,
        };
    }
    match code >> 11 {
        // Shifts, additions, moves (A5.2.1); not the comparison.
        0x00..=0x03 => Some(register(code, 0, 3)),
        0x04 | 0x06 | 0x07 => Some(register(code, 8, 3)),
        // Data processing (A5.2.2) but TST, CMP, CMN.
        0x08 if code & 0x0400 == 0 => match bits(code, 6, 4) {
            0x8 | 0xA | 0xB => None,
            _ => Some(register(code, 0, 3)),
        },
        // ADD and MOV of high registers (A5.2.3).
        0x08 if matches!(bits(code, 8, 2), 0 | 2) => Some(register(code, 0, 3) | register(code, 7, 1) << 3),
        // ADR, ADD to SP (A5.2).
        0x14 | 0x15 => Some(register(code, 8, 3)),
        0x16 => match bits(code, 8, 3) {
            0x0 => Some(SP),
            0x2 => Some(register(code, 0, 3)),
            _ => None,
        },
        0x17 if bits(code, 8, 3) == 2 => Some(register(code, 0, 3)),
        _ => None,
    }
}

/// Whether it is of the floating-point unit.
pub(super) const fn is_float(code: u32) -> bool {
    is_wide(code) && bits(code, 9, 3) == 0b101 && matches!(code >> 24, 0xEC..=0xEE | 0xFE)
}

/// The register that an access to memory takes its address from, of those whose class does not name it.
pub(super) const fn base(code: u32) -> u8 {
    if is_wide(code) {
        register(code >> 16, 0, 4)
    } else if code >> 12 == 0xC {
        register(code, 8, 3)
    } else {
        SP // PUSH and POP
    }
}

/// The single-precision register that floating-point arithmetic writes: not what moves, compares or converts signs.
pub(super) const fn float_result(code: u32) -> Option<u8> {
    let (first, second) = (code >> 16, code & 0xFFFF);
    // Data processing of single precision (DDI 0403 A6.4).
    if first >> 8 != 0xEE || second & 0x0F10 != 0x0A00 {
        return None;
    }
    let other = bits(first, 7, 1) == 1 && bits(first, 4, 2) == 3;
    let arithmetic = match (bits(first, 0, 4), bits(second, 6, 2)) {
        (1, 3) => true,                                        // VSQRT
        (2 | 3 | 8 | 0xA..=0xF, _) => bits(second, 6, 1) == 1, // VCVT
        _ => false,
    };
    if other && !arithmetic { None } else { Some(register(second, 12, 4) << 1 | register(first, 6, 1)) }
}

/// Whether an instruction needs a single-precision register when it begins. Multiplications that accumulate need what
/// they add to later (100166 7.2.3).
pub(super) const fn float_uses(code: u32, single: u8) -> bool {
    let (first, second) = (code >> 16, code & 0xFFFF);
    if !is_wide(code) || bits(second, 9, 3) != 0b101 || first >> 10 != 0b11_1011 {
        return false;
    }
    let n = register(first, 0, 4) << 1 | register(second, 7, 1);
    let m = register(second, 0, 4) << 1 | register(second, 5, 1);
    let d = register(second, 12, 4) << 1 | register(first, 6, 1);
    if bits(first, 9, 1) == 0 {
        let stores = first & 0x10 == 0;
        let count = if first & 0x0120 == 0x0100 { 1 } else { second as u8 };
        return stores && first & 0xFFE0 != 0xEC40 && single >= d && single - d < count;
    }
    if second & 0x10 != 0 {
        return first & 0xF0 == 0x10 && second & 0x0F00 == 0x0A00 && n == single; // VMOV to a core register
    }
    if bits(first, 7, 1) == 1 && bits(first, 4, 2) == 3 {
        if second & 0x40 == 0 {
            return false; // VMOV of a constant
        }
        // One operand, and VCMP's other one.
        return m == single || matches!(first & 0xF, 4 | 5) && d == single;
    }
    n == single || m == single
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(register: u8, base: u8, index: Option<u8>) -> Single {
        Single { register, base, index }
    }

    /// Encodings as GNU as makes them.
    #[test]
    fn encodings_are_told_apart() {
        let cases: &[(u32, &str, Class)] = &[
            (0x1840, "adds r0, r0, r1", Class::Data),
            (0x4348, "muls r0, r1", Class::Multiply),
            (0x4770, "bx lr", Class::BranchRegister),
            (0x4798, "blx r3", Class::BranchRegister),
            (0x46F7, "mov pc, lr", Class::BranchRegister),
            (0x4671, "mov r1, lr", Class::Data),
            (0x4487, "add pc, r0", Class::BranchRegister),
            (0x4A03, "ldr r2, [pc, #12]", Class::Load(at(2, PC, None))),
            (0x5888, "ldr r0, [r1, r2]", Class::Load(at(0, 1, Some(2)))),
            (0x5088, "str r0, [r1, r2]", Class::Store(at(0, 1, Some(2)))),
            (0x568B, "ldrsb r3, [r1, r2]", Class::Load(at(3, 1, Some(2)))),
            (0x6848, "ldr r0, [r1, #4]", Class::Load(at(0, 1, None))),
            (0x8048, "strh r0, [r1, #2]", Class::Store(at(0, 1, None))),
            (0x9801, "ldr r0, [sp, #4]", Class::Load(at(0, SP, None))),
            (0xB5F0, "push {r4-r7, lr}", Class::Multiple(5)),
            (0xBD10, "pop {r4, pc}", Class::MultiplePc(2)),
            (0xBC30, "pop {r4, r5}", Class::Multiple(2)),
            (0xC807, "ldm r0!, {r0-r2}", Class::Multiple(3)),
            (0xB108, "cbz r0, .+6", Class::CompareBranch(2)),
            (0xBB00, "cbnz r0, .+68", Class::CompareBranch(64)),
            (0xB672, "cpsid i", Class::ChangeState),
            (0xBF00, "nop", Class::Data),
            (0xBF30, "wfi", Class::Wait),
            (0xBF08, "it eq", Class::IfThen),
            (0xD1FD, "bne .-2", Class::BranchIf(-6)),
            (0xDF00, "svc 0", Class::Data),
            (0xE7FE, "b .", Class::Branch(-4)),
            (0xF7FF_FFFE, "bl .", Class::BranchLink(-4)),
            (0xF7FF_BFFE, "b.w .", Class::Branch(-4)),
            (0xF43F_AFFE, "beq.w .", Class::BranchIf(-4)),
            (0xE8D0_F001, "tbb [r0, r1]", Class::TableBranch),
            (0xE8D0_F011, "tbh [r0, r1, lsl #1]", Class::TableBranch),
            (0xE9D1_0102, "ldrd r0, r1, [r1, #8]", Class::Dual),
            (0xE8E1_2301, "strd r2, r3, [r1], #4", Class::Dual),
            (0xE851_0F00, "ldrex r0, [r1]", Class::Load(at(0, 1, None))),
            (0xE842_4100, "strex r1, r4, [r2]", Class::Load(at(1, 2, None))),
            (0xE8C2_4F41, "strexb r1, r4, [r2]", Class::Load(at(1, 2, None))),
            (0xE8BD_8FF0, "pop {r4-r11, pc}", Class::MultiplePc(9)),
            (0xE92D_4FF0, "push {r4-r11, lr}", Class::Multiple(9)),
            (0xF8D1_0100, "ldr.w r0, [r1, #256]", Class::Load(at(0, 1, None))),
            (0xF851_0022, "ldr.w r0, [r1, r2, lsl #2]", Class::Load(at(0, 1, Some(2)))),
            (0xF841_0B04, "str.w r0, [r1], #4", Class::Store(at(0, 1, None))),
            (0xF85F_0008, "ldr.w r0, [pc, #-8]", Class::Load(at(0, PC, None))),
            (0xF85D_FB04, "ldr pc, [sp], #4", Class::LoadPc),
            (0xF891_F000, "pld [r1]", Class::Data),
            (0xFB00_F101, "mul.w r1, r0, r1", Class::Multiply),
            (0xFB00_2101, "mla r1, r0, r1, r2", Class::MultiplyAccumulate),
            (0xFB00_2111, "mls r1, r0, r1, r2", Class::MultiplyAccumulate),
            (0xFB80_2301, "smull r2, r3, r0, r1", Class::MultiplyLong),
            (0xFBE0_2301, "umlal r2, r3, r0, r1", Class::MultiplyAccumulateLong),
            (0xFB90_F0F1, "sdiv r0, r0, r1", Class::Divide),
            (0xFBB0_F0F1, "udiv r0, r0, r1", Class::Divide),
            (0xFB20_0101, "smlad r1, r0, r1, r0", Class::Data),
            (0xF3EF_8010, "mrs r0, primask", Class::Special),
            (0xF380_8810, "msr primask, r0", Class::Special),
            (0xF3BF_8F4F, "dsb", Class::DataBarrier),
            (0xF3BF_8F6F, "isb", Class::InstructionBarrier),
            (0xF04F_0001, "mov.w r0, #1", Class::Data),
            (0xEA40_0001, "orr.w r0, r0, r1", Class::Data),
            (0xFA90_F0A0, "rbit r0, r0", Class::Data),
            (0xEE30_0A20, "vadd.f32 s0, s0, s1", Class::Data),
            (0xEE20_0A20, "vmul.f32 s0, s0, s1", Class::Data),
            (0xEE00_0A81, "vmla.f32 s0, s1, s2", Class::FloatMultiplyAccumulate),
            (0xEEA0_0A81, "vfma.f32 s0, s1, s2", Class::FloatMultiplyAccumulate),
            (0xEE80_0A20, "vdiv.f32 s0, s0, s1", Class::FloatDivide(false)),
            (0xEEB1_0AC0, "vsqrt.f32 s0, s0", Class::FloatDivide(false)),
            (0xEEB1_0A40, "vneg.f32 s0, s0", Class::Data),
            (0xEE80_0B01, "vdiv.f64 d0, d0, d1", Class::FloatDivide(true)),
            (0xED90_0A00, "vldr s0, [r0]", Class::FloatMemory(1)),
            (0xED90_0B00, "vldr d0, [r0]", Class::FloatMemory(2)),
            (0xED2D_8B10, "vpush {d8-d15}", Class::FloatMultiple(16)),
            (0xEC90_0A04, "vldm r0, {s0-s3}", Class::FloatMultiple(4)),
            (0xEC51_0B10, "vmov r0, r1, d0", Class::FloatPair),
            (0xEE10_0A10, "vmov r0, s0", Class::Data),
            (0xEEF1_FA10, "vmrs APSR_nzcv, fpscr", Class::Data),
        ];
        for (code, text, class) in cases {
            assert_eq!(decode(*code), *class, "{text}");
        }
    }

    #[test]
    fn floating_point_registers_are_told_apart() {
        let cases: &[(u32, &str, Option<u8>, &[u8])] = &[
            (0xEE30_0A81, "vadd.f32 s0, s1, s2", Some(0), &[1, 2]),
            (0xEE70_0AA1, "vadd.f32 s1, s1, s3", Some(1), &[1, 3]),
            (0xEE00_0A81, "vmla.f32 s0, s1, s2", Some(0), &[1, 2]),
            (0xEE80_0A81, "vdiv.f32 s0, s1, s2", Some(0), &[1, 2]),
            (0xEEB1_0AE0, "vsqrt.f32 s0, s1", Some(0), &[1]),
            (0xEEBD_0AE0, "vcvt.s32.f32 s0, s1", Some(0), &[1]),
            (0xEEB0_0A60, "vmov.f32 s0, s1", None, &[1]),
            (0xEEB0_0AE0, "vabs.f32 s0, s1", None, &[1]),
            (0xEEF4_0A41, "vcmp.f32 s1, s2", None, &[1, 2]),
            (0xEE10_1A10, "vmov r1, s0", None, &[0]),
            (0xEE00_5A10, "vmov s0, r5", None, &[]),
            (0xED82_0A00, "vstr s0, [r2]", None, &[0]),
            (0xED92_0A00, "vldr s0, [r2]", None, &[]),
            (0xEC82_0A03, "vstmia r2, {s0-s2}", None, &[0, 1, 2]),
            (0xEEF1_1A10, "vmrs r1, fpscr", None, &[]),
            (0xF04F_0001, "mov.w r0, #1", None, &[]),
        ];
        for (code, text, result, uses) in cases {
            assert_eq!(float_result(*code), *result, "{text}");
            let used: Vec<u8> = (0..32).filter(|single| float_uses(*code, *single)).collect();
            assert_eq!(used, *uses, "{text}");
        }
    }
}
