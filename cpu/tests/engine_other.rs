//! The engine's cores that take their exceptions and interrupts themselves: RISC-V and AArch64.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use consort_cpu::engine::{
    Access, BusError, Engine, Exception, Io, Isa, Options, Perms, Reg, Stop, SystemReg,
};

/// Answers each system register with the count, and notes what it is asked.
#[derive(Default)]
struct Machine {
    reads: Vec<(u64, u64)>,
    system: Vec<(u64, SystemReg, Option<u64>)>,
    raise: Option<u64>,
}

impl Io for Machine {
    fn read(&mut self, cx: &mut Access<'_>, address: u64, _: u8) -> Result<u64, BusError> {
        self.reads.push((cx.executed(), address));
        if let Some(lines) = self.raise.take() {
            cx.set_interrupts(lines);
        }
        if address < 0x1000_0000 { Err(BusError) } else { Ok(0x1234_5678) }
    }

    fn write(&mut self, _: &mut Access<'_>, _: u64, _: u8, _: u64) -> Result<(), BusError> {
        Err(BusError)
    }

    fn read_system(&mut self, cx: &mut Access<'_>, register: SystemReg) -> Option<u64> {
        self.system.push((cx.executed(), register, None));
        Some(1000 + cx.executed())
    }

    fn write_system(&mut self, cx: &mut Access<'_>, register: SystemReg, value: u64) {
        self.system.push((cx.executed(), register, Some(value)));
    }
}

fn engine(isa: Isa, base: u64, code: &[u32]) -> Engine {
    let mut engine = Engine::new(isa, Options::default()).unwrap();
    engine.map_ram(base, 0x1_0000, Perms::Rwx).unwrap();
    let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    engine.write_memory(base, &bytes).unwrap();
    engine.set_reg(Reg::PC64, base);
    engine
}

/// la t0, handler; csrw mtvec, t0; li t0, 0x80; csrw mie, t0; csrsi mstatus, 8;
/// 1: addi a0, a0, 1; ecall; lw a1, 0(a4); csrr a2, minstret; rdtime a5; wfi; j 1b;
/// handler: csrr s2, mcause; csrr s3, mepc; addi s4, s4, 1; bltz s2, 2f; addi s3, s3, 4; csrw mepc, s3; mret;
/// 2: addi s5, s5, 1; li t1, 0x80; csrc mie, t1; mret
const RISCV: &[u32] = &[
    0x0000_0297,
    0x0342_8293,
    0x3052_9073,
    0x0800_0293,
    0x3042_9073,
    0x3004_6073,
    0x0015_0513,
    0x0000_0073,
    0x0007_2583,
    0xb020_2673,
    0xc010_27f3,
    0x1050_0073,
    0xfe9f_f06f,
    0x3420_2973,
    0x3410_29f3,
    0x001a_0a13,
    0x0009_4863,
    0x0049_8993,
    0x3419_9073,
    0x3020_0073,
    0x001a_8a93,
    0x0800_0313,
    0x3043_3073,
    0x3020_0073,
];

#[test]
fn riscv_takes_its_traps_and_interrupts_and_counts_them() {
    for isa in [Isa::Rv32, Isa::Rv64] {
        let mut engine = engine(isa, 0x8000_0000, RISCV);
        engine.set_reg(Reg::x(14), 0x1000_0000);
        let mut machine = Machine::default();
        let exit = engine.run(&mut machine, 1000);
        // A trapping instruction counts as one.
        assert_eq!((exit.stop, exit.executed), (Stop::Wfi, 19));
        assert_eq!(machine.reads, [(15, 0x1000_0000)]);
        assert_eq!(machine.system, [(17, SystemReg::Time, None)]);
        assert_eq!(
            (engine.reg(Reg::x(11)), engine.reg(Reg::x(12)), engine.reg(Reg::x(15))),
            (0x1234_5678, 16, 1017)
        );
        assert_eq!((engine.reg(Reg::x(18)), engine.reg(Reg::x(20))), (11, 1));
        engine.set_reg(Reg::INTERRUPTS, 0x80);
        let exit = engine.run(&mut machine, 1000);
        assert_eq!((exit.stop, exit.executed, engine.reg(Reg::x(21))), (Stop::Wfi, 22, 1));
        assert_eq!(engine.reg(Reg::csr(0x344)) & 0x80, 0x80);
        // An interrupt that a device raises is taken after the accessing instruction.
        engine.set_reg(Reg::csr(0x304), 0x80);
        engine.set_reg(Reg::INTERRUPTS, 0);
        let mut machine = Machine { raise: Some(0x80), ..Machine::default() };
        let exit = engine.run(&mut machine, 12);
        assert_eq!((exit.stop, exit.executed), (Stop::Budget, 12));
        assert_eq!(engine.reg(Reg::PC64), 0x8000_0038);
        assert_eq!(engine.reg(Reg::csr(0x341)), 0x8000_0024);
    }
}

#[test]
fn riscv_cuts_do_not_change_a_run() {
    let run = |budgets: &[u64]| {
        let mut engine = engine(Isa::Rv32, 0x8000_0000, RISCV);
        engine.set_reg(Reg::x(14), 0x1000_0000);
        let (mut total, mut next) = (0, budgets.iter().cycle());
        while total < 500 {
            let budget = *next.next().unwrap();
            let mut machine = Machine::default();
            total += engine.run(&mut machine, budget.min(500 - total)).executed;
        }
        let registers = (0..32).filter(|n| *n != 15).map(Reg::x);
        registers.chain([Reg::PC64]).map(|reg| engine.reg(reg)).collect::<Vec<_>>()
    };
    let whole = run(&[500]);
    for budgets in [&[1][..], &[2, 3], &[7, 1, 19], &[100, 1]] {
        assert_eq!(run(budgets), whole);
    }
}

#[test]
fn a_handler_that_faults_again_uses_up_its_budget() {
    // lw a1, 0(a4) with mtvec = 0, where nothing is.
    let mut engine = engine(Isa::Rv32, 0x8000_0000, &[0x0007_2583]);
    let exit = engine.run(&mut Machine::default(), 1000);
    assert_eq!((exit.stop, exit.executed), (Stop::Budget, 1000));
    assert_eq!(engine.reg(Reg::csr(0x342)), 1);
}

/// adr x0, vectors; msr vbar_el1, x0; msr daifclr, #2; 1: add x1, x1, #1; svc #7; ldr w2, [x4];
/// mrs x5, cntvct_el0; msr cntv_cval_el0, x6; mov x7, #1; msr cntv_ctl_el0, x7; hvc #0; wfi; b 1b
const AARCH64: &[u32] = &[
    0x1000_4000,
    0xd518_c000,
    0xd503_42ff,
    0x9100_0421,
    0xd400_00e1,
    0xb940_0082,
    0xd53b_e045,
    0xd51b_e346,
    0xd280_0027,
    0xd51b_e327,
    0xd400_0002,
    0xd503_207f,
    0x17ff_fff7,
];

/// mrs x20, esr_el1; add x21, x21, #1; eret
const SYNCHRONOUS: &[u32] = &[0xd538_5214, 0x9100_06b5, 0xd69f_03e0];

/// add x22, x22, #1; mrs x23, elr_el1; mov x24, #0xc5; orr x24, x24, #0x100; msr spsr_el1, x24; eret
const INTERRUPT: &[u32] = &[0x9100_06d6, 0xd538_4037, 0xd280_18b8, 0xb278_0318, 0xd518_4018, 0xd69f_03e0];

#[test]
fn aarch64_takes_its_exceptions_and_interrupts_and_counts_them() {
    let base = 0x4000_0000;
    let mut engine = engine(Isa::CortexA53, base, AARCH64);
    for (offset, code) in [(0xa00, SYNCHRONOUS), (0xa80, INTERRUPT)] {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        engine.write_memory(base + offset, &bytes).unwrap();
    }
    engine.set_reg(Reg::x(4), 0x1000_0000);
    engine.set_reg(Reg::x(6), 5000);
    let mut machine = Machine::default();
    let exit = engine.run(&mut machine, 1000);
    let hvc = |exit: &consort_cpu::engine::Exit| {
        matches!(exit.stop, Stop::Exception(Exception::Other { number: 11, .. }))
    };
    assert!(hvc(&exit), "{exit:?}");
    assert_eq!(exit.executed, 14);
    assert_eq!(machine.reads, [(8, 0x1000_0000)]);
    assert_eq!(engine.reg(Reg::x(5)), 1009);
    assert!(machine.system.contains(&(10, SystemReg::TimerCompare(1), Some(5000))), "{:?}", machine.system);
    assert!(machine.system.contains(&(12, SystemReg::TimerControl(1), Some(1))), "{:?}", machine.system);
    assert_eq!((engine.reg(Reg::x(20)), engine.reg(Reg::x(21))), (0x5600_0007, 1));
    assert_eq!(engine.reg(Reg::system(3, 0, 12, 0, 0)), base + 0x800);
    assert_eq!(engine.run(&mut machine, 1000).stop, Stop::Wfi);
    engine.set_reg(Reg::INTERRUPTS, 1);
    let exit = engine.run(&mut machine, 1000);
    assert!(hvc(&exit), "{exit:?}");
    assert_eq!((exit.executed, engine.reg(Reg::x(22)), engine.reg(Reg::x(23))), (18, 1, base + 0x30));
    // A device refuses: the data abort's syndrome and address are the guest's to see.
    engine.set_reg(Reg::x(4), 0x100_0000);
    engine.set_reg(Reg::PC64, base + 0x14);
    engine.run(&mut machine, 2);
    assert_eq!(engine.reg(Reg::system(3, 0, 6, 0, 0)), 0x100_0000);
    assert_eq!(engine.reg(Reg::system(3, 0, 5, 2, 0)) >> 26, 0x25);
}

#[test]
fn the_a_profile_takes_its_exceptions_too() {
    // At 0x100: add r1, r1, #1; svc #0; ldr r4, [r5]; cpsie i; wfi
    let mut engine = engine(Isa::CortexA15, 0, &[]);
    let place = |engine: &mut Engine, at: u64, code: &[u32]| {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        engine.write_memory(at, &bytes).unwrap();
    };
    place(&mut engine, 0x100, &[0xe281_1001, 0xef00_0000, 0xe595_4000, 0xf108_0080, 0xe320_f003]);
    // SVC: b 0x40: add r2, r2, #1; movs pc, lr. IRQ: b 0x60: add r3, r3, #1; b .
    place(&mut engine, 0x8, &[0xea00_000c]);
    place(&mut engine, 0x40, &[0xe282_2001, 0xe1b0_f00e]);
    place(&mut engine, 0x18, &[0xea00_0010]);
    place(&mut engine, 0x60, &[0xe283_3001, 0xeaff_fffe]);
    engine.set_reg(Reg::PC, 0x100);
    engine.set_reg(Reg::r(5), 0x1000_0000);
    let mut machine = Machine { raise: Some(1), ..Machine::default() };
    // add, svc, b, add, movs, ldr, cpsie, then the interrupt: b, add.
    let exit = engine.run(&mut machine, 9);
    assert_eq!((exit.stop, exit.executed), (Stop::Budget, 9));
    assert_eq!(machine.reads, [(5, 0x1000_0000)]);
    let registers = [1, 2, 3, 4, 15].map(|n| engine.reg(Reg::r(n)));
    assert_eq!(registers, [1, 1, 1, 0x1234_5678, 0x64]);
    assert_eq!(engine.reg(Reg::LR), 0x114);
    assert_eq!(engine.reg(Reg::XPSR) & 0x1f, 0x12);
}

/// What unmasks an interrupt: the core, registers set before, the code, where it is unmasked, and where the next
/// instruction is; an endless loop is at 0x80 and the handler, endless too, where each core has it.
struct Unmasking {
    isa: Isa,
    set: Vec<(Reg, u64)>,
    code: Vec<u32>,
    next: u64,
}

const UNMASKED_AT: u64 = 0x4000_0000;

fn unmaskings() -> Vec<Unmasking> {
    let base = UNMASKED_AT;
    let mut all = Vec::new();
    // addi x1, x1, 1; the instruction; addi x2, x2, 1; j .
    let mut riscv = |isa, mstatus: u64, mie: u64, instruction, next| {
        let set = vec![
            (Reg::csr(0x305), base + 0x800),
            (Reg::csr(0x300), mstatus),
            (Reg::csr(0x304), mie),
            (Reg::csr(0x341), base + 0x80),
            (Reg::csr(0x141), base + 0x80),
            (Reg::x(5), 0x80),
            (Reg::x(6), 0x1808),
            (Reg::PRIVILEGE, 3),
        ];
        all.push(Unmasking {
            isa,
            set,
            code: vec![0x0010_8093, instruction, 0x0011_0113, 0x0000_006f],
            next,
        });
    };
    for isa in [Isa::Rv32, Isa::Rv64] {
        riscv(isa, 0, 0x80, 0x3004_6073, 8); // csrsi mstatus, 8
        riscv(isa, 0, 0x80, 0x3003_1073, 8); // csrw mstatus, t1
        riscv(isa, 0x8, 0, 0x3042_9073, 8); // csrw mie, t0
        riscv(isa, 0x1880, 0x80, 0x3020_0073, 0x80); // mret to M with MPIE
        riscv(isa, 0x800, 0x80, 0x3020_0073, 0x80); // mret to S: M's interrupts are always unmasked there
        riscv(isa, 0, 0x80, 0x1020_0073, 0x80); // sret to U
    }
    // add x1, x1, #1; the instruction; add x2, x2, #1; b .
    let mut a64 = |instruction, next| {
        let set = vec![
            (Reg::system(3, 0, 12, 0, 0), base + 0x800 - 0x280),
            (Reg::system(3, 0, 4, 0, 1), base + 0x80),
            (Reg::system(3, 0, 4, 0, 0), 0x345),
            (Reg::PSTATE, 0x3c5),
            (Reg::x(5), 0x340),
        ];
        let code = vec![0x9100_0421, instruction, 0x9100_0442, 0x1400_0000];
        all.push(Unmasking { isa: Isa::CortexA53, set, code, next });
    };
    a64(0xd503_42ff, 8); // msr daifclr, #2
    a64(0xd51b_4225, 8); // msr daif, x5
    a64(0xd69f_03e0, 0x80); // eret
    // add r1, r1, #1; msr spsr_cxsf, r5; the instruction; add r2, r2, #1; b .
    let mut a32 = |instruction, next| {
        let set =
            vec![(Reg::XPSR, 0x1d3), (Reg::r(5), 0x153), (Reg::SP, base + 0x1000), (Reg::LR, base + 0x80)];
        let code = vec![0xe281_1001, 0xe16f_f005, instruction, 0xe282_2001, 0xeaff_fffe];
        all.push(Unmasking { isa: Isa::CortexA15, set, code, next });
    };
    a32(0xf108_0080, 0xc); // cpsie i
    a32(0xe121_f005, 0xc); // msr cpsr_c, r5
    a32(0xe1b0_f00e, 0x80); // movs pc, lr
    a32(0xe8dd_8000, 0x80); // ldm sp, {pc}^
    a32(0xf89d_0a00, 0x80); // rfeia sp
    all
}

#[test]
fn a_pending_interrupt_is_taken_right_after_the_instruction_that_unmasks_it() {
    for Unmasking { isa, set, code, next } in unmaskings() {
        let base = UNMASKED_AT;
        let a32 = isa == Isa::CortexA15;
        let pc = if a32 { Reg::PC } else { Reg::PC64 };
        let (branch, handler) = match isa {
            Isa::CortexA15 => (0xeaff_fffe, 0x18),
            Isa::CortexA53 => (0x1400_0000, base + 0x800),
            _ => (0x6f, base + 0x800),
        };
        for budgets in [&[64][..], &[1], &[2, 3]] {
            let mut engine = engine(isa, base, &code);
            let loop_forever = |at: u64, engine: &mut Engine| {
                engine.write_memory(at, &u32::to_le_bytes(branch)).unwrap();
            };
            if a32 {
                engine.map_ram(0, 0x1000, Perms::Rwx).unwrap();
            }
            loop_forever(base + 0x80, &mut engine);
            loop_forever(handler, &mut engine);
            // What LDM and RFE load: the return address and CPSR.
            engine.write_memory(base + 0x1000, &(base as u32 + 0x80).to_le_bytes()).unwrap();
            engine.write_memory(base + 0x1004, &0x153_u32.to_le_bytes()).unwrap();
            let line = if matches!(isa, Isa::Rv32 | Isa::Rv64) { 0x80 } else { 1 };
            // The first round translates and chains the blocks, with the line low.
            for (lines, taken) in [(0, false), (line, true)] {
                for (reg, value) in &set {
                    engine.set_reg(*reg, *value);
                }
                engine.set_reg(Reg::INTERRUPTS, lines);
                engine.set_reg(pc, base);
                let (mut left, mut budgets) = (64, budgets.iter().cycle());
                while left > 0 {
                    let exit = engine.run(&mut Machine::default(), left.min(*budgets.next().unwrap()));
                    assert_eq!(exit.stop, Stop::Budget, "{isa:?} {code:x?}");
                    left -= exit.executed;
                }
                let expected = if taken {
                    handler
                } else if next == 0x80 {
                    base + 0x80
                } else {
                    base + next + 4
                };
                assert_eq!(engine.reg(pc), expected, "{isa:?} {code:x?} {taken}");
                if taken {
                    let returns = match isa {
                        Isa::CortexA15 => engine.reg(Reg::LR) - 4,
                        Isa::CortexA53 => engine.reg(Reg::system(3, 0, 4, 0, 1)),
                        _ => engine.reg(Reg::csr(0x341)),
                    };
                    assert_eq!(returns, base + next, "{isa:?} {code:x?}");
                }
            }
        }
    }
}
