//! Two cores of truth: random programs run in one go, cut at random places, moved to fresh engines and single-stepped
//! must agree in registers, memory, device accesses and counts.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use consort_cpu::engine::{
    Access, AccessKind, BusError, Cost, Engine, Exception, Insn, Io, Isa, Options, Perms, Reg, Stop, Timing,
};
use proptest::prelude::*;

const RAM: u64 = 0x2000_0000;
const CODE: u64 = RAM + 0x1000;
const DATA: u64 = RAM + 0x4000;
const DEVICE: u64 = 0x4000_0000;
const TOTAL: u64 = 3000;

/// One piece of a program. Registers: r0-r5 compute, r6 is the loop counter, r7 the RAM buffer, r8 the device.
#[derive(Clone, Debug)]
enum Piece {
    /// A 16- or 32-bit computation on r0-r5.
    Compute(u8, u8, u8, u8),
    /// A load or store of some width in the RAM buffer.
    Memory { store: bool, width: u8, register: u8, offset: u8 },
    /// A load or store of some width at the device; `multiple` uses LDM / STM of two registers.
    Device { store: bool, multiple: bool, register: u8, offset: u8 },
    /// A floating-point instruction on s0-s15, r0-r5 and the RAM buffer; left out on a core without FPU.
    Float(u8, u8, u8, u8),
    /// An IT block of up to four of the above, each a single instruction.
    It { condition: u8, mask: u8, pieces: Vec<Piece> },
    /// A conditional branch over the next pieces.
    Skip { condition: u8, pieces: Vec<Piece> },
    /// A small counted loop.
    Loop { rounds: u8, pieces: Vec<Piece> },
    /// Rewrites an instruction a little further on, then runs into it.
    Patch { immediate: u8, distance: u8 },
    /// A supervisor call.
    Svc(u8),
}

fn assemble(pieces: &[Piece], fpu: bool, code: &mut Vec<u16>, depth: usize) {
    for piece in pieces {
        match piece {
            Piece::Compute(kind, d, n, m) => compute(*kind, *d, *n, *m, code),
            Piece::Memory { store, width, register, offset } => {
                // STRB / LDRB / STRH / LDRH / STR / LDR / LDRSB / LDRD register, [r7, #imm8]; T32, unaligned allowed.
                let (rt, offset) = (u16::from(register % 6), u16::from(*offset));
                match (store, width % 4) {
                    (true, 0) => code.extend([0xf887, rt << 12 | offset]),
                    (false, 0) => code.extend([0xf897, rt << 12 | offset]),
                    (true, 1) => code.extend([0xf8a7, rt << 12 | offset]),
                    (false, 1) => code.extend([0xf8b7, rt << 12 | offset]),
                    (true, 2) => code.extend([0xf8c7, rt << 12 | offset]),
                    (false, 2) => code.extend([0xf8d7, rt << 12 | offset]),
                    (true, _) => code.extend([0xe9c7, rt << 12 | ((rt + 1) % 6) << 8 | offset]),
                    (false, _) => code.extend([0xe9d7, rt << 12 | ((rt + 1) % 6) << 8 | offset]),
                }
            }
            Piece::Device { store, multiple, register, offset } => {
                let (rt, offset) = (u16::from(register % 6), u16::from(*offset) & !3);
                match (store, multiple) {
                    (true, false) => code.extend([0xf8c8, rt << 12 | offset]),
                    (false, false) => code.extend([0xf8d8, rt << 12 | offset]),
                    (true, true) => code.extend([0xe888, 1 << rt | 1 << ((rt + 1) % 6)]),
                    (false, true) => code.extend([0xe898, 1 << rt | 1 << ((rt + 1) % 6)]),
                }
            }
            Piece::Float(kind, d, n, m) if fpu => float(*kind, *d, *n, *m, code),
            Piece::Float(..) => code.push(0xbf00),
            Piece::It { condition, mask, pieces } => {
                // Pieces beyond the mask's length are unconditional: both kinds are wanted.
                let condition = u16::from(condition % 14);
                let mask = match mask % 15 + 1 {
                    // An IT of AL must not have an "else".
                    mask if condition == 14 => mask & mask.wrapping_neg(),
                    mask => mask,
                };
                code.push(0xbf00 | condition << 4 | u16::from(mask));
                assemble(pieces, fpu, code, depth);
            }
            Piece::Skip { condition, pieces } => {
                let at = code.len();
                code.push(0);
                assemble(pieces, fpu, code, depth);
                let distance = code.len() - at - 2;
                code[at] = if code.len() - at >= 2 && distance < 120 {
                    0xd000 | u16::from(condition % 14) << 8 | distance as u16
                } else {
                    0xbf00
                };
            }
            Piece::Loop { rounds, pieces } if depth == 0 => {
                code.push(0x2600 | u16::from(rounds % 20 + 1)); // movs r6, #rounds
                let start = code.len();
                assemble(pieces, fpu, code, depth + 1);
                code.push(0x3e01); // subs r6, #1
                let back = (code.len() - start + 2) as u16;
                // beq over the long branch, then b back
                code.push(0xd000);
                code.push(0xe000 | (0x800 - (back + 1)) & 0x7ff);
            }
            Piece::Loop { pieces, .. } => assemble(pieces, fpu, code, depth),
            Piece::Patch { immediate, distance } => {
                // movw r5, #(adds r0, #imm); adr r4, target; strh r5, [r4]; nops; target: adds r0, #0
                let value = 0x3000 | u16::from(*immediate);
                let (i, imm3, imm8) = (value >> 11 & 1, value >> 8 & 7, value & 0xff);
                let distance = usize::from(distance % 6);
                code.extend([0xf240 | i << 10 | value >> 12, imm3 << 12 | 5 << 8 | imm8]);
                // ADR.W counts from the word-aligned PC.
                let adr = code.len();
                let target = adr + 2 + 1 + distance;
                let base = (adr * 2 + 4) & !3;
                code.extend([0xf20f, 4 << 8 | (target * 2 - base) as u16]);
                code.push(0x8025);
                code.extend(std::iter::repeat_n(0xbf00, distance));
                code.push(0x3000);
            }
            Piece::Svc(number) => code.push(0xdf00 | u16::from(*number)),
        }
    }
}

fn compute(kind: u8, d: u8, n: u8, m: u8, code: &mut Vec<u16>) {
    let (d, n, m) = (u16::from(d % 6), u16::from(n % 6), u16::from(m % 6));
    match kind % 12 {
        0 => code.push(0x1800 | m << 6 | n << 3 | d), // adds rd, rn, rm
        1 => code.push(0x1a00 | m << 6 | n << 3 | d), // subs rd, rn, rm
        2 => code.push(0x4040 | n << 3 | d),          // eors rd, rn
        3 => code.push(0x4340 | n << 3 | d),          // muls rd, rn
        4 => code.push(0x4140 | n << 3 | d),          // adcs rd, rn
        5 => code.push(0x41c0 | n << 3 | d),          // rors rd, rn
        6 => code.push(0x4280 | n << 3 | d),          // cmp rd, rn
        7 => code.extend([0xfbb0 | n, 0xf0f0 | d << 8 | m]), // udiv rd, rn, rm
        8 => code.extend([0xfb00 | n, d << 12 | d << 8 | m]), // mla rd, rn, rm, rd
        9 => code.extend([0xfab0 | n, 0xf080 | d << 8 | n]), // clz rd, rn
        10 => code.push(0x3000 | d << 8 | (n * 37 + m)), // adds rd, #imm
        _ => code.extend([0xfa90 | n, 0xf0a0 | d << 8 | n]), // rbit rd, rn
    }
}

fn float(kind: u8, d: u8, n: u8, m: u8, code: &mut Vec<u16>) {
    let r = u16::from(n % 6);
    let offset = u16::from(m);
    // A register's number is split: four bits and one.
    let [(vd, d), (vn, n), (vm, m)] = [d, n, m].map(|s| (u16::from(s % 16 / 2), u16::from(s % 2)));
    let three = |op: u16, x: u16| [op | d << 6 | vn, vd << 12 | 0x0a00 | n << 7 | x | m << 5 | vm];
    let two = |op: u16, x: u16| [op | d << 6, vd << 12 | 0x0a40 | x | m << 5 | vm];
    code.extend(match kind % 20 {
        0 => three(0xee30, 0),                               // vadd.f32 sd, sn, sm
        1 => three(0xee30, 0x40),                            // vsub.f32
        2 => three(0xee20, 0),                               // vmul.f32
        3 => three(0xee80, 0),                               // vdiv.f32
        4 => three(0xeea0, 0),                               // vfma.f32
        5 => three(0xee00, 0x40),                            // vmls.f32
        6 => two(0xeeb4, 0),                                 // vcmp.f32 sd, sm
        7 => two(0xeeb1, 0x80),                              // vsqrt.f32
        8 => two(0xeebd, 0x80),                              // vcvt.s32.f32
        9 => two(0xeeb8, 0x80),                              // vcvt.f32.s32
        10 => two(0xeeb0, 0x80),                             // vabs.f32
        11 => [0xeef1, 0xfa10],                              // vmrs apsr_nzcv, fpscr
        12 => [0xeef1, r << 12 | 0x0a10],                    // vmrs rt, fpscr
        13 => [0xeee1, r << 12 | 0x0a10],                    // vmsr fpscr, rt
        14 => [0xee00 | vn, r << 12 | 0x0a10 | n << 7],      // vmov sn, rt
        15 => [0xee10 | vn, r << 12 | 0x0a10 | n << 7],      // vmov rt, sn
        16 => [0xed97 | d << 6, vd << 12 | 0x0a00 | offset], // vldr sd, [r7, #imm]
        17 => [0xed87 | d << 6, vd << 12 | 0x0a00 | offset], // vstr sd, [r7, #imm]
        18 => [0xec98, vd << 12 | 0x0a00 | 2],               // vldmia r8, {sd, sd+1}: the device
        _ => [0xec87, vd << 12 | 0x0a00 | 6],                // vstmia r7, {sd ...}
    });
}

fn has_fpu(isa: Isa) -> bool {
    matches!(isa, Isa::CortexM4 | Isa::CortexM7 | Isa::CortexM33)
}

fn program(isa: Isa, pieces: &[Piece]) -> Vec<u16> {
    let mut code = Vec::new();
    assemble(pieces, has_fpu(isa), &mut code, 0);
    // Around again, forever.
    let back = code.len() as i32 + 2;
    let imm = (-back) as u32;
    let (s, i1, i2) = (imm >> 31 & 1, imm >> 22 & 1, imm >> 21 & 1);
    let (j1, j2) = (!(i1 ^ s) & 1, !(i2 ^ s) & 1);
    code.push((0xf000 | s << 10 | imm >> 11 & 0x3ff) as u16);
    code.push((0x9000 | j1 << 13 | j2 << 11 | imm & 0x7ff) as u16);
    code
}

/// Prices that follow no rule but the one that matters: they are of the instruction and what is in memory around it.
struct Odd(u64);

impl Timing for Odd {
    fn cost(&self, insn: Insn<'_>) -> Cost {
        let at = insn.pc as usize % insn.page.len().max(1);
        let end = insn.page.len().min(at + 8);
        let around = insn.page[at.saturating_sub(6)..end]
            .iter()
            .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let mixed =
            (insn.pc ^ u64::from(insn.code) << 20 ^ around << 7 ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (low, high) = ((mixed >> 32) as u8, (mixed >> 40) as u8);
        let cycles = if low.is_multiple_of(3) { 1 } else { low % 14 + 1 };
        let less = if high.is_multiple_of(4) { 0 } else { high % cycles };
        let conditional = insn.conditional || insn.code >> 12 == 0xd;
        let divides = insn.code >> 20 == 0xfbb;
        Cost {
            cycles,
            skipped: if conditional && !divides { less } else { 0 },
            taken: (mixed >> 50) as u8 % 5,
            short_quotient: if divides { less } else { 0 },
            looked_back: 6,
            looked_ahead: 6,
        }
    }
}

/// A device whose answers depend on when it is asked, so that a wrong count shows in registers too.
struct Device {
    base: u64,
    cycles: u64,
    stalls: bool,
    log: Vec<(u64, u64, u64, Option<u64>)>,
    stop_every: Option<u64>,
}

impl Device {
    fn note(&mut self, cx: &mut Access<'_>, address: u64, value: Option<u64>) -> u64 {
        let now = self.base.wrapping_add(cx.executed());
        let cycle = self.cycles.wrapping_add(cx.cycles());
        self.log.push((now << 32 | cycle, cx.pc(), address, value));
        if self.stalls {
            cx.stall((cycle % 3) as u32);
        }
        if self.stop_every.is_some_and(|every| now.is_multiple_of(every)) {
            cx.stop_after();
        }
        cycle
    }
}

impl Io for Device {
    fn read(&mut self, cx: &mut Access<'_>, address: u64, _: u8) -> Result<u64, BusError> {
        let now = self.note(cx, address, None);
        Ok(now.wrapping_mul(0x9e37_79b9) >> 3 ^ address)
    }

    fn write(&mut self, cx: &mut Access<'_>, address: u64, _: u8, value: u64) -> Result<(), BusError> {
        self.note(cx, address, Some(value));
        Ok(())
    }
}

fn registers() -> impl Iterator<Item = Reg> + Clone {
    const FPU: [Reg; 6] = [Reg::CONTROL, Reg::CPACR, Reg::FPCCR, Reg::FPCAR, Reg::FPDSCR, Reg::FPSCR];
    let others = [Reg::XPSR, Reg::EXCLUSIVE_ADDRESS, Reg::EXCLUSIVE_VALUE];
    (0..16).map(Reg::r).chain(others).chain(FPU).chain((0..32).map(Reg::s))
}

fn engine(isa: Isa, code: &[u16]) -> Engine {
    let mut engine = Engine::new(isa, Options { translation_buffer: 4 << 20, ..Options::default() }).unwrap();
    engine.map_ram(RAM, 0x8000, Perms::Rwx).unwrap();
    let bytes: Vec<u8> = code.iter().flat_map(|half| half.to_le_bytes()).collect();
    engine.write_memory(CODE, &bytes).unwrap();
    for n in 0..6 {
        engine.set_reg(Reg::r(n), u64::from(n) * 0x0123_4567);
    }
    if has_fpu(isa) {
        engine.set_reg(Reg::CPACR, 0xf0_0000);
        for n in 0..16 {
            engine.set_reg(Reg::s(n), (f32::from(n) * 1.375 - 4.0).to_bits().into());
        }
    }
    engine.set_reg(Reg::r(7), DATA);
    engine.set_reg(Reg::r(8), DEVICE);
    engine.set_reg(Reg::SP, RAM + 0x8000);
    engine.set_reg(Reg::PC, CODE);
    engine
}

#[derive(Debug, PartialEq)]
struct Outcome {
    executed: u64,
    cycles: u64,
    registers: Vec<u64>,
    memory: Vec<u8>,
    accesses: Vec<(u64, u64, u64, Option<u64>)>,
    calls: Vec<(u64, u32)>,
}

/// How a run is disturbed.
#[derive(Clone, Debug, Default)]
struct Cuts {
    budgets: Vec<u64>,
    /// Continue in a fresh engine after every n-th cut.
    move_every: Option<usize>,
    /// Move the registers as a context instead of one by one.
    move_context: bool,
    breakpoints: Vec<u64>,
    watch: Option<(u64, u64)>,
    stop_every: Option<u64>,
    watch_unmask: bool,
    /// Prices instructions oddly, from this seed.
    odd: Option<u64>,
}

fn run(isa: Isa, code: &[u16], cuts: &Cuts) -> Outcome {
    let mut core = engine(isa, code);
    let mut device = Device {
        base: 0,
        cycles: 0,
        stalls: cuts.odd.is_some(),
        log: Vec::new(),
        stop_every: cuts.stop_every,
    };
    let mut calls = Vec::new();
    let mut budgets = cuts.budgets.iter().copied().cycle();
    let prepare = |core: &mut Engine| {
        core.set_timing(cuts.odd.map(|seed| Box::new(Odd(seed)) as Box<dyn Timing>));
        for at in &cuts.breakpoints {
            core.add_breakpoint(CODE + at * 2);
        }
        if let Some((at, size)) = cuts.watch {
            core.add_watchpoint(0, DATA + at, size, AccessKind::Read);
            core.add_watchpoint(0, DATA + at, size, AccessKind::Write);
        }
        core.watch_unmask(cuts.watch_unmask);
    };
    prepare(&mut core);
    let (mut cut, mut idle) = (0, 0);
    while device.cycles < TOTAL {
        let budget = budgets.next().unwrap_or(TOTAL).min(TOTAL - device.cycles);
        let exit = core.run(&mut device, budget);
        assert!(cuts.odd.is_some() || (exit.cycles <= budget && exit.executed == exit.cycles), "{exit:?}");
        idle = if exit.executed == 0 { idle + 1 } else { 0 };
        assert!(idle < 3, "no progress at {:#x}: {exit:?}", core.reg(Reg::PC));
        device.base += exit.executed;
        device.cycles += exit.cycles;
        match exit.stop {
            Stop::Budget => assert!(exit.cycles >= budget && (cuts.odd.is_some() || exit.cycles == budget)),
            Stop::Exception(Exception::Svc { number }) => calls.push((device.base, number)),
            Stop::Requested | Stop::Breakpoint | Stop::Watchpoint { .. } => {}
            other => panic!("{other:?} at {:#x}", core.reg(Reg::PC)),
        }
        cut += 1;
        if cuts.move_every.is_some_and(|every| cut % every == 0) && cut < 40 {
            let mut next = engine(isa, &[]);
            let mut memory = vec![0; 0x8000];
            core.read_memory(RAM, &mut memory).unwrap();
            next.write_memory(RAM, &memory).unwrap();
            if cuts.move_context {
                next.restore_context(&core.context().unwrap()).unwrap();
            } else {
                for reg in registers() {
                    next.set_reg(reg, core.reg(reg));
                }
            }
            core = next;
            prepare(&mut core);
            if exit.stop == Stop::Breakpoint {
                // A fresh engine has not reported the breakpoint yet: it does so at once.
                assert_eq!(core.run(&mut device, 1).stop, Stop::Breakpoint);
            }
        }
    }
    let mut memory = vec![0; 0x8000];
    core.read_memory(RAM, &mut memory).unwrap();
    Outcome {
        executed: device.base,
        cycles: device.cycles,
        registers: registers().map(|reg| core.reg(reg)).collect(),
        memory,
        accesses: device.log,
        calls,
    }
}

/// The first difference, in words short enough to read.
fn difference(left: &Outcome, right: &Outcome) -> Option<String> {
    let first = left.accesses.iter().zip(&right.accesses).position(|(l, r)| l != r);
    if let Some(at) = first {
        return Some(format!("access {at}: {:?} against {:?}", left.accesses[at], right.accesses[at]));
    }
    if left.accesses.len() != right.accesses.len() {
        return Some(format!("{} accesses against {}", left.accesses.len(), right.accesses.len()));
    }
    if left.calls != right.calls {
        return Some(format!("calls {:?} against {:?}", left.calls, right.calls));
    }
    if let Some(at) = left.memory.iter().zip(&right.memory).position(|(l, r)| l != r) {
        return Some(format!("memory at {at:#x}: {:#x} against {:#x}", left.memory[at], right.memory[at]));
    }
    (left != right).then(|| {
        format!(
            "{} in {}, {:x?} against {} in {}, {:x?}",
            left.executed, left.cycles, left.registers, right.executed, right.cycles, right.registers
        )
    })
}

/// Pieces of one instruction each.
fn single() -> impl Strategy<Value = Piece> {
    prop_oneof![
        6 => any::<(u8, u8, u8, u8)>().prop_map(|(k, d, n, m)| Piece::Compute(k, d, n, m)),
        3 => any::<(bool, u8, u8, u8)>()
            .prop_map(|(store, width, register, offset)| Piece::Memory { store, width, register, offset }),
        2 => any::<(bool, bool, u8, u8)>()
            .prop_map(|(store, multiple, register, offset)| Piece::Device { store, multiple, register, offset }),
        4 => any::<(u8, u8, u8, u8)>().prop_map(|(k, d, n, m)| Piece::Float(k, d, n, m)),
        1 => any::<u8>().prop_map(Piece::Svc),
    ]
}

fn leaf() -> impl Strategy<Value = Piece> {
    prop_oneof![
        12 => single(),
        2 => (any::<u8>(), any::<u8>(), prop::collection::vec(single(), 4..5))
            .prop_map(|(condition, mask, pieces)| Piece::It { condition, mask, pieces }),
        1 => any::<(u8, u8)>().prop_map(|(immediate, distance)| Piece::Patch { immediate, distance }),
    ]
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let tree = leaf().prop_recursive(2, 24, 6, |inner| {
        prop_oneof![
            (any::<u8>(), prop::collection::vec(inner.clone(), 1..5))
                .prop_map(|(condition, pieces)| Piece::Skip { condition, pieces }),
            (any::<u8>(), prop::collection::vec(inner, 1..6))
                .prop_map(|(rounds, pieces)| Piece::Loop { rounds, pieces }),
        ]
    });
    prop::collection::vec(tree, 1..24)
}

fn cuts() -> impl Strategy<Value = Cuts> {
    (
        prop::collection::vec(prop_oneof![1..4u64, 1..60u64, 1..900u64], 1..12),
        prop::option::of(1..9usize),
        prop::collection::vec(0..200u64, 0..3),
        prop::option::of((0..256u64, 1..9u64)),
        prop::option::of(1..4u64),
        any::<(bool, bool)>(),
        prop::option::of(any::<u64>()),
    )
        .prop_map(
            |(budgets, move_every, breakpoints, watch, stop_every, (move_context, watch_unmask), odd)| Cuts {
                budgets,
                move_every,
                move_context,
                breakpoints,
                watch,
                stop_every,
                watch_unmask,
                odd,
            },
        )
}

fn isa() -> impl Strategy<Value = Isa> {
    prop::sample::select(vec![Isa::CortexM3, Isa::CortexM4, Isa::CortexM7, Isa::CortexM33])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn cuts_do_not_change_a_run(pieces in pieces(), cuts in cuts(), isa in isa()) {
        let code = program(isa, &pieces);
        let whole = run(isa, &code, &Cuts { budgets: vec![TOTAL], odd: cuts.odd, ..Cuts::default() });
        prop_assert_eq!(difference(&run(isa, &code, &cuts), &whole), None);
    }

    #[test]
    fn single_steps_make_the_same_run(pieces in pieces(), isa in isa(), odd in prop::option::of(any::<u64>())) {
        let code = program(isa, &pieces);
        let whole = run(isa, &code, &Cuts { budgets: vec![TOTAL], odd, ..Cuts::default() });
        let steps = run(isa, &code, &Cuts { budgets: vec![1], odd, ..Cuts::default() });
        prop_assert_eq!(difference(&steps, &whole), None);
    }
}
