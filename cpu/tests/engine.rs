//! The engine's promises, one by one: counts, stops, faults, memory, registers.

mod engine_rig;

use consort_cpu::engine::{Access, AccessKind, BusError, Engine, Exception, FaultCause, Io, Isa, Reg, Stop};
use engine_rig::{DEVICE, LOOP, Log, RAM, engine, load};

#[test]
fn a_budget_is_exact_wherever_it_ends() {
    let mut engine = engine(Isa::CortexM3, LOOP);
    let mut total = 0;
    for budget in [1, 2, 3, 4, 5, 7, 1000, 1001, 1_000_000, 1, 1, 1, 6] {
        let exit = engine.run(&mut Log::default(), budget);
        assert_eq!((exit.executed, exit.stop), (budget, Stop::Budget));
        total += budget;
        assert_eq!(engine.reg(Reg::r(0)), total / 4 + u64::from(total % 4 >= 1));
        assert_eq!(engine.reg(Reg::PC), 0x100 + total % 4 * 2);
    }
    assert_eq!(engine.run(&mut Log::default(), 0).executed, 0);
}

#[test]
fn a_run_of_more_than_two_thousand_million_instructions_is_one_run() {
    let mut engine = engine(Isa::CortexM3, LOOP);
    let exit = engine.run(&mut Log::default(), 2_500_000_001);
    assert_eq!((exit.executed, exit.stop), (2_500_000_001, Stop::Budget));
    assert_eq!(engine.reg(Reg::r(0)), 625_000_001);
}

#[test]
fn a_device_access_knows_the_exact_count_and_pc() {
    // adds r0, #1; ldr r1, [r4]; adds r0, #1; str r0, [r4, #4]; strb r0, [r4, #8]; ldrh r2, [r4, #2]; b start
    let mut engine = engine(Isa::CortexM3, &[0x3001, 0x6821, 0x3001, 0x6060, 0x7220, 0x8862, 0xe7f8]);
    engine.set_reg(Reg::r(4), DEVICE.into());
    let mut log = Log::default();
    for budget in [3, 11, 700] {
        engine.run(&mut log, budget);
    }
    // Counts start anew with each run.
    let mut expected = Vec::new();
    let (mut run, mut left, mut r0) = (0, vec![700, 11, 3], 0);
    let mut budget = left.pop().unwrap();
    for n in 0.. {
        if run == budget {
            let Some(next) = left.pop() else { break };
            (run, budget) = (0, next);
        }
        let device = u64::from(DEVICE);
        match n % 7 {
            0 | 2 => r0 += 1,
            1 => expected.push((run, 0x102, device, 4, None)),
            3 => expected.push((run, 0x106, device + 4, 4, Some(r0))),
            4 => expected.push((run, 0x108, device + 8, 1, Some(r0 & 0xff))),
            5 => expected.push((run, 0x10a, device + 2, 2, None)),
            _ => {}
        }
        run += 1;
    }
    assert_eq!(log.accesses, expected);
}

#[test]
fn a_device_can_stop_the_run_after_its_instruction() {
    // ldr r1, [r4]; adds r0, #1; str r0, [r4, #4]; adds r0, #1; b start
    let mut engine = engine(Isa::CortexM3, &[0x6821, 0x3001, 0x6060, 0x3001, 0xe7fa]);
    engine.set_reg(Reg::r(4), DEVICE.into());
    for round in 0..3 {
        let mut log = Log { stop_at: Some(u64::from(DEVICE) + 4), ..Log::default() };
        let exit = engine.run(&mut log, 1_000_000);
        assert_eq!((exit.executed, exit.stop), (if round == 0 { 3 } else { 5 }, Stop::Requested));
        assert_eq!(engine.reg(Reg::PC), 0x106);
        let mut log = Log { stop_at: Some(u64::from(DEVICE)), ..Log::default() };
        let exit = engine.run(&mut log, 1_000_000);
        assert_eq!((exit.executed, exit.stop), (3, Stop::Requested));
        assert_eq!(engine.reg(Reg::PC), 0x102);
        assert_eq!(engine.reg(Reg::r(1)), 2);
        let mut log = Log { stop_at: Some(u64::from(DEVICE) + 4), ..Log::default() };
        assert_eq!(engine.run(&mut log, 1_000_000).executed, 2);
    }
}

#[test]
fn a_device_can_shorten_the_run() {
    let mut engine = engine(Isa::CortexM3, &[0x6821, 0x3001, 0x6060, 0x3001, 0xe7fa]);
    engine.set_reg(Reg::r(4), DEVICE.into());
    for (total, executed) in [(100, 100), (7, 7), (1, 1), (0, 1), (5_000_000_000, 1_000_000)] {
        engine.set_reg(Reg::PC, 0x100);
        let mut log = Log { shorten_at: Some((DEVICE.into(), total)), ..Log::default() };
        let exit = engine.run(&mut log, 1_000_000);
        assert_eq!((exit.executed, exit.stop), (executed, Stop::Budget));
    }
}

#[test]
fn a_refused_access_faults_at_its_instruction() {
    // adds r0, #1; ldr r1, [r4]; adds r0, #1; str r0, [r4, #4]; b start
    let mut engine = engine(Isa::CortexM3, &[0x3001, 0x6821, 0x3001, 0x6060, 0xe7fa]);
    engine.set_reg(Reg::r(4), DEVICE.into());
    engine.set_reg(Reg::r(1), 77);
    let mut log = Log { refuse: Some(DEVICE.into()), ..Log::default() };
    let exit = engine.run(&mut log, 1000);
    let fault =
        |access, address| Stop::Exception(Exception::Fault { access, cause: FaultCause::Bus, address });
    assert_eq!((exit.executed, exit.stop), (1, fault(AccessKind::Read, DEVICE.into())));
    assert_eq!((engine.reg(Reg::PC), engine.reg(Reg::r(1)), engine.reg(Reg::r(0))), (0x102, 77, 1));
    let mut log = Log { refuse: Some(u64::from(DEVICE) + 4), ..Log::default() };
    let exit = engine.run(&mut log, 1000);
    assert_eq!((exit.executed, exit.stop), (2, fault(AccessKind::Write, u64::from(DEVICE) + 4)));
    assert_eq!(engine.reg(Reg::PC), 0x106);
}

#[test]
fn a_fetch_outside_memory_is_a_bus_fault_and_from_a_device_region_a_protection_fault() {
    let mut engine = engine(Isa::CortexM3, &[0x3001, 0x4720]); // adds r0, #1; bx r4
    for (target, cause) in [(0x0800_0000, FaultCause::Bus), (0x4000_0000, FaultCause::Protection)] {
        engine.set_reg(Reg::PC, 0x100);
        engine.set_reg(Reg::r(4), target | 1);
        let exit = engine.run(&mut Log::default(), 1000);
        assert_eq!(exit.executed, 2);
        assert_eq!(
            exit.stop,
            Stop::Exception(Exception::Fault { access: AccessKind::Fetch, cause, address: target })
        );
        assert_eq!(engine.reg(Reg::PC), target);
    }
}

#[test]
fn writes_to_rom_reach_the_machine_and_host_writes_change_it() {
    let mut engine = engine(Isa::CortexM3, &[0x6020, 0x6821]); // str r0, [r4]; ldr r1, [r4]
    engine.set_reg(Reg::r(0), 0x1234);
    engine.set_reg(Reg::r(4), 0x8000);
    engine.write_memory(0x8000, &0xcafe_u32.to_le_bytes()).unwrap();
    let mut log = Log::default();
    engine.run(&mut log, 2);
    assert_eq!(log.accesses, [(0, 0x100, 0x8000, 4, Some(0x1234))]);
    assert_eq!(engine.reg(Reg::r(1)), 0xcafe);
}

#[test]
fn special_instructions_are_distinct_stops() {
    let cases: &[(&[u16], Stop, u64, u64)] = &[
        (&[0xdf2a], Stop::Exception(Exception::Svc { number: 0x2a }), 1, 0x102),
        (&[0xbeab], Stop::Exception(Exception::Bkpt { number: 0xab }), 0, 0x100),
        (&[0xde00], Stop::Exception(Exception::Undefined), 0, 0x100),
        (&[0xbf30], Stop::Wfi, 1, 0x102),
        (&[0xbf20], Stop::Wfe, 1, 0x102),
        (&[0xbf40], Stop::Sev, 1, 0x102),
        (&[0xbf10], Stop::Yield, 1, 0x102),
        (&[0xf3af, 0x8003], Stop::Wfi, 1, 0x104),
        (&[0xf3af, 0x8004], Stop::Sev, 1, 0x104),
    ];
    for (code, stop, executed, pc) in cases {
        let mut engine = engine(Isa::CortexM4, code);
        let exit = engine.run(&mut Log::default(), 10);
        assert_eq!((exit.stop, exit.executed, engine.reg(Reg::PC)), (*stop, *executed, *pc));
    }
}

#[test]
fn a_jump_without_the_thumb_bit_is_an_invalid_state() {
    let mut engine = engine(Isa::CortexM3, &[0x3001, 0x4720]); // adds r0, #1; bx r4
    engine.set_reg(Reg::r(4), 0x200);
    let exit = engine.run(&mut Log::default(), 10);
    assert_eq!((exit.stop, exit.executed), (Stop::Exception(Exception::InvalidState), 2));
    assert_eq!((engine.reg(Reg::PC), engine.reg(Reg::XPSR) >> 24 & 1), (0x200, 0));
}

#[test]
fn an_exception_return_stops_in_handler_mode_and_faults_in_thread_mode() {
    let mut engine = engine(Isa::CortexM3, &[0x3001, 0x4770]); // adds r0, #1; bx lr
    engine.set_reg(Reg::LR, 0xffff_fff9);
    engine.set_reg(Reg::IPSR, 15);
    let exit = engine.run(&mut Log::default(), 10);
    let value = 0xffff_fff9;
    assert_eq!((exit.stop, exit.executed), (Stop::Exception(Exception::ExceptionReturn { value }), 2));
    engine.set_reg(Reg::IPSR, 0);
    engine.set_reg(Reg::PC, 0x100);
    let exit = engine.run(&mut Log::default(), 10);
    let fault =
        Exception::Fault { access: AccessKind::Fetch, cause: FaultCause::Protection, address: 0xffff_fff8 };
    assert_eq!((exit.stop, exit.executed), (Stop::Exception(fault), 2));
}

#[test]
fn stack_pointers_follow_the_mode_and_are_visible_in_any() {
    let mut engine = engine(Isa::CortexM3, LOOP);
    engine.set_reg(Reg::MSP, 0x2000_1000);
    engine.set_reg(Reg::PSP, 0x2000_2000);
    assert_eq!(engine.reg(Reg::SP), 0x2000_1000);
    engine.set_reg(Reg::CONTROL, 3);
    assert_eq!(engine.reg(Reg::SP), 0x2000_2000);
    engine.set_reg(Reg::IPSR, 3);
    assert_eq!(engine.reg(Reg::SP), 0x2000_1000);
    assert_eq!((engine.reg(Reg::MSP), engine.reg(Reg::PSP)), (0x2000_1000, 0x2000_2000));
    engine.set_reg(Reg::SP, 0x2000_0f00);
    engine.set_reg(Reg::XPSR, 0x0100_0000);
    assert_eq!((engine.reg(Reg::SP), engine.reg(Reg::MSP)), (0x2000_2000, 0x2000_0f00));
    engine.set_reg(Reg::CONTROL, 0);
    assert_eq!(engine.reg(Reg::SP), 0x2000_0f00);
}

#[test]
fn unmasking_stops_only_while_watched() {
    // cpsid i; adds r0, #1; cpsie i; adds r0, #1; msr basepri, r1; adds r0, #1; msr primask, r1; wfi
    let code = &[0xb672, 0x3001, 0xb662, 0x3001, 0xf381, 0x8811, 0x3001, 0xf381, 0x8810, 0xbf30];
    let mut engine = engine(Isa::CortexM3, code);
    assert_eq!(engine.run(&mut Log::default(), 100).stop, Stop::Wfi);
    engine.watch_unmask(true);
    engine.set_reg(Reg::PC, 0x100);
    let mut stops = Vec::new();
    loop {
        let exit = engine.run(&mut Log::default(), 100);
        stops.push((exit.executed, exit.stop, engine.reg(Reg::PC)));
        if exit.stop == Stop::Wfi {
            break;
        }
    }
    let unmasked = Stop::Unmasked;
    assert_eq!(
        stops,
        [
            (1, unmasked, 0x102),
            (2, unmasked, 0x106),
            (2, unmasked, 0x10c),
            (2, unmasked, 0x112),
            (1, Stop::Wfi, 0x114)
        ]
    );
}

#[test]
fn traps_of_ccr_come_and_go() {
    // adds r0, #1; udiv r2, r0, r1; ldr r3, [r4]; adds r0, #1; wfi
    let mut engine = engine(Isa::CortexM3, &[0x3001, 0xfbb0, 0xf2f1, 0x6823, 0x3001, 0xbf30]);
    engine.set_reg(Reg::r(4), RAM + 1);
    for (ccr, stop, executed) in [
        (0, Stop::Wfi, 5),
        (0x10, Stop::Exception(Exception::DivideByZero), 1),
        (
            0x08,
            Stop::Exception(Exception::Fault {
                access: AccessKind::Read,
                cause: FaultCause::Unaligned,
                address: RAM + 1,
            }),
            2,
        ),
        (0, Stop::Wfi, 5),
    ] {
        engine.set_reg(Reg::CCR, ccr);
        engine.set_reg(Reg::PC, 0x100);
        let exit = engine.run(&mut Log::default(), 100);
        assert_eq!((exit.stop, exit.executed), (stop, executed));
    }
}

#[test]
fn the_fpu_obeys_cpacr_and_stops_for_lazy_stacking() {
    let mut engine = engine(Isa::CortexM4, &[0x3001, 0xee30, 0x0a20, 0xbf30]); // adds r0, #1; vadd.f32 s0, s0, s1; wfi
    let run = |engine: &mut Engine| {
        engine.set_reg(Reg::PC, 0x100);
        let exit = engine.run(&mut Log::default(), 100);
        (exit.stop, exit.executed)
    };
    assert_eq!(run(&mut engine), (Stop::Exception(Exception::NoCoprocessor), 1));
    assert_eq!(engine.reg(Reg::PC), 0x102);
    engine.set_reg(Reg::CPACR, 0xf0_0000);
    engine.set_reg(Reg::s(0), 1.5f32.to_bits().into());
    engine.set_reg(Reg::s(1), 2.25f32.to_bits().into());
    assert_eq!(engine.reg(Reg::CONTROL) & 4, 0);
    assert_eq!(run(&mut engine), (Stop::Wfi, 3));
    assert_eq!(engine.reg(Reg::s(0)), u64::from(3.75f32.to_bits()));
    assert_eq!(engine.reg(Reg::CONTROL) & 4, 4);
    let fpccr = engine.reg(Reg::FPCCR);
    engine.set_reg(Reg::FPCCR, fpccr | 1);
    assert_eq!(run(&mut engine), (Stop::Exception(Exception::LazyStacking), 1));
    assert_eq!(engine.reg(Reg::PC), 0x102);
    engine.set_reg(Reg::FPCCR, fpccr);
    let exit = engine.run(&mut Log::default(), 100);
    assert_eq!((exit.stop, exit.executed), (Stop::Wfi, 2));
}

#[test]
fn the_mpu_of_the_core_protects() {
    let mut engine = engine(Isa::CortexM4, &[0x6821, 0x6021, 0xbf30]); // ldr r1, [r4]; str r1, [r4]; wfi
    engine.set_reg(Reg::r(4), RAM + 0x1004);
    engine.set_reg(Reg::mpu_rbar(0), RAM + 0x1000);
    engine.set_reg(Reg::mpu_rasr(0), 0x0600_0000 | 7 << 1 | 1); // 256 bytes, privileged read-only... AP = 110
    assert_eq!(engine.reg(Reg::mpu_rasr(0)), 0x0600_000f);
    let run = |engine: &mut Engine| {
        engine.set_reg(Reg::PC, 0x100);
        engine.run(&mut Log::default(), 100)
    };
    assert_eq!(run(&mut engine).stop, Stop::Wfi);
    engine.set_reg(Reg::MPU_CTRL, 5);
    let exit = run(&mut engine);
    let fault =
        Exception::Fault { access: AccessKind::Write, cause: FaultCause::Protection, address: RAM + 0x1004 };
    assert_eq!((exit.stop, exit.executed), (Stop::Exception(fault), 1));
    // HardFault priority ignores the MPU without HFNMIENA.
    engine.set_reg(Reg::IPSR, 3);
    assert_eq!(run(&mut engine).stop, Stop::Wfi);
    engine.set_reg(Reg::IPSR, 11);
    assert_eq!(run(&mut engine).stop, Stop::Exception(fault));
    engine.set_reg(Reg::FAULTMASK, 1);
    assert_eq!(run(&mut engine).stop, Stop::Wfi);
    engine.set_reg(Reg::MPU_CTRL, 7);
    assert_eq!(run(&mut engine).stop, Stop::Exception(fault));
    engine.set_reg(Reg::MPU_CTRL, 0);
    assert_eq!(run(&mut engine).stop, Stop::Wfi);
}

#[test]
fn breakpoints_stop_before_and_do_not_count() {
    let mut engine = engine(Isa::CortexM3, LOOP);
    engine.run(&mut Log::default(), 400);
    engine.add_breakpoint(0x104);
    for round in 0..3 {
        let exit = engine.run(&mut Log::default(), 1000);
        assert_eq!((exit.stop, exit.executed), (Stop::Breakpoint, if round == 0 { 2 } else { 4 }));
        assert_eq!(engine.reg(Reg::PC), 0x104);
    }
    engine.add_breakpoint(0x100);
    assert_eq!(engine.run(&mut Log::default(), 1000).executed, 2);
    assert_eq!(engine.run(&mut Log::default(), 1).stop, Stop::Budget);
    assert_eq!(engine.run(&mut Log::default(), 1).stop, Stop::Budget);
    let exit = engine.run(&mut Log::default(), 1);
    assert_eq!((exit.stop, exit.executed), (Stop::Breakpoint, 0));
    assert_eq!(engine.run(&mut Log::default(), 1).executed, 1);
    engine.remove_breakpoint(0x104);
    engine.remove_breakpoint(0x100);
    assert_eq!(engine.run(&mut Log::default(), 1000).executed, 1000);
}

#[test]
fn watchpoints_stop_after_their_access() {
    // adds r0, #1; str r0, [r4]; ldr r1, [r4]; ldrb r2, [r4, #3]; b start
    let mut engine = engine(Isa::CortexM3, &[0x3001, 0x6020, 0x6821, 0x78e2, 0xe7fa]);
    engine.set_reg(Reg::r(4), RAM + 0x10);
    engine.run(&mut Log::default(), 500);
    engine.add_watchpoint(0, RAM + 0x13, 1, AccessKind::Read);
    let stops: Vec<_> = (0..3)
        .map(|_| {
            let exit = engine.run(&mut Log::default(), 1000);
            (exit.stop, exit.executed)
        })
        .collect();
    let read = |address, size| Stop::Watchpoint { address, size, access: AccessKind::Read };
    assert_eq!(stops, [(read(RAM + 0x10, 4), 3), (read(RAM + 0x13, 1), 1), (read(RAM + 0x10, 4), 4)]);
    engine.remove_watchpoint(0, RAM + 0x13, 1, AccessKind::Read);
    engine.add_watchpoint(0, RAM + 0x10, 2, AccessKind::Write);
    let exit = engine.run(&mut Log::default(), 1000);
    let write = Stop::Watchpoint { address: RAM + 0x10, size: 4, access: AccessKind::Write };
    assert_eq!((exit.stop, exit.executed, engine.reg(Reg::PC)), (write, 4, 0x104));
    engine.remove_watchpoint(0, RAM + 0x10, 2, AccessKind::Write);
    assert_eq!(engine.run(&mut Log::default(), 1000).executed, 1000);
}

#[test]
fn watchpoints_of_all_slots_are_told_whatever_the_stop() {
    // ldm r4!, {r1, r2, r3}; wfi
    let mut engine = engine(Isa::CortexM3, &[0xcc0e, 0xbf30]);
    engine.add_watchpoint(3, RAM + 0x10, 4, AccessKind::Read);
    engine.add_watchpoint(0, RAM + 0x18, 1, AccessKind::Read);
    engine.add_watchpoint(5, RAM + 0x14, 4, AccessKind::Write);
    let run = |engine: &mut Engine, io: &mut Log| {
        engine.set_reg(Reg::PC, 0x100);
        engine.set_reg(Reg::r(4), RAM + 0x10);
        engine.run(io, 10)
    };
    for _ in 0..2 {
        let exit = run(&mut engine, &mut Log::default());
        let stop = Stop::Watchpoint { address: RAM + 0x18, size: 4, access: AccessKind::Read };
        assert_eq!((exit.stop, exit.executed, engine.watched()), (stop, 1, 0b1001));
        assert_eq!((engine.run(&mut Log::default(), 1).stop, engine.watched()), (Stop::Wfi, 0));
    }
    engine.remove_watchpoint(0, RAM + 0x18, 1, AccessKind::Read);
    let exit = run(&mut engine, &mut Log::default());
    let stop = Stop::Watchpoint { address: RAM + 0x10, size: 4, access: AccessKind::Read };
    assert_eq!((exit.stop, engine.watched()), (stop, 0b1000));
    // The device stops the run first.
    engine.remove_watchpoint(3, RAM + 0x10, 4, AccessKind::Read);
    engine.add_watchpoint(4, u64::from(DEVICE) + 8, 4, AccessKind::Read);
    engine.set_reg(Reg::PC, 0x100);
    engine.set_reg(Reg::r(4), DEVICE.into());
    let exit = engine.run(&mut Log { stop_at: Some(DEVICE.into()), ..Log::default() }, 10);
    assert_eq!((exit.stop, exit.executed, engine.watched()), (Stop::Requested, 1, 0b10000));
}

#[test]
fn self_modifying_code_takes_effect_at_the_next_instruction() {
    // strh r5, [r4]; nop; adds r0, #1 (becomes adds r0, #7); wfi; executed from RAM
    let code = &[0x8025, 0xbf00, 0x3001, 0xbf30];
    for alias in [0, 0x0100_0000] {
        let mut engine = engine(Isa::CortexM3, &[]);
        engine.map_alias(RAM + 0x0100_0000, RAM, 0x1_0000).unwrap();
        load(&mut engine, RAM + 0x100, code);
        engine.set_reg(Reg::PC, RAM + 0x100);
        engine.set_reg(Reg::r(4), RAM + alias + 0x104);
        engine.set_reg(Reg::r(5), 0x3007);
        let exit = engine.run(&mut Log::default(), 100);
        assert_eq!((exit.stop, exit.executed, engine.reg(Reg::r(0))), (Stop::Wfi, 4, 7));
        // The host's own writes, after the code has been translated.
        load(&mut engine, RAM + alias + 0x104, &[0x3009]);
        engine.set_reg(Reg::r(5), 0x3009);
        engine.set_reg(Reg::PC, RAM + 0x100);
        engine.run(&mut Log::default(), 100);
        assert_eq!(engine.reg(Reg::r(0)), 16);
    }
}

#[test]
fn an_alias_is_the_same_memory() {
    let mut engine = engine(Isa::CortexM3, &[0x6020, 0x6829, 0xbf30]); // str r0, [r4]; ldr r1, [r5]; wfi
    engine.map_alias(0x1000_0000, RAM + 0x2000, 0x1000).unwrap();
    engine.set_reg(Reg::r(0), 0x55aa);
    engine.set_reg(Reg::r(4), 0x1000_0040);
    engine.set_reg(Reg::r(5), RAM + 0x2040);
    engine.run(&mut Log::default(), 100);
    assert_eq!(engine.reg(Reg::r(1)), 0x55aa);
    let mut word = [0; 4];
    engine.read_memory(0x1000_0040, &mut word).unwrap();
    assert_eq!(u32::from_le_bytes(word), 0x55aa);
    assert!(engine.map_alias(0x1000_0000, RAM, 0x1000).is_err());
    assert!(engine.map_alias(0x1800_0000, RAM + 0xf000, 0x2000).is_err());
    assert!(engine.map_alias(0x1800_0000, 0x5000_0000, 0x1000).is_err());
}

#[test]
fn written_pages_are_known() {
    let mut engine = engine(Isa::CortexM3, &[0x6020, 0x6020, 0xbf30]); // str r0, [r4] twice; wfi
    engine.set_reg(Reg::r(4), RAM + 0x3000);
    assert!(engine.is_dirty(RAM));
    engine.run(&mut Log::default(), 100);
    for _ in 0..2 {
        engine.mark_clean();
        assert!(!engine.is_dirty(RAM + 0x3000) && !engine.is_dirty(0));
        engine.set_reg(Reg::PC, 0x100);
        engine.run(&mut Log::default(), 100);
        let dirty: Vec<bool> = (0..16).map(|page| engine.is_dirty(RAM + page * 0x1000)).collect();
        assert_eq!(dirty.iter().filter(|dirty| **dirty).count(), 1);
        assert!(dirty[3]);
        engine.write_memory(0x4000, &[1]).unwrap();
        assert!(engine.is_dirty(0x4000));
    }
}

#[test]
fn a_device_may_use_registers_and_memory_of_the_core_that_waits() {
    struct Dma;
    impl Io for Dma {
        fn read(&mut self, cx: &mut Access<'_>, _: u64, _: u8) -> Result<u64, BusError> {
            // Overwrites the instruction after the next one and masks interrupts.
            cx.write_memory(RAM + 0x104, &0x3009_u16.to_le_bytes()).unwrap();
            cx.set_reg(Reg::PRIMASK, 1);
            cx.set_reg(Reg::MPU_CTRL, 0);
            Ok(cx.reg(Reg::r(7)) + cx.reg(Reg::MSP))
        }

        fn write(&mut self, _: &mut Access<'_>, _: u64, _: u8, _: u64) -> Result<(), BusError> {
            Ok(())
        }
    }
    let mut engine = engine(Isa::CortexM3, &[]);
    load(&mut engine, RAM + 0x100, &[0x6821, 0xbf00, 0x3001, 0xbf30]); // ldr r1, [r4]; nop; adds r0, #1; wfi
    engine.set_reg(Reg::PC, RAM + 0x100);
    engine.set_reg(Reg::r(4), DEVICE.into());
    engine.set_reg(Reg::r(7), 5);
    let exit = engine.run(&mut Dma, 100);
    assert_eq!((exit.stop, exit.executed), (Stop::Wfi, 4));
    assert_eq!((engine.reg(Reg::r(0)), engine.reg(Reg::r(1))), (9, RAM + 0x8005));
    assert_eq!(engine.reg(Reg::PRIMASK), 1);
}

#[test]
fn a_run_can_be_cut_inside_an_it_block_and_go_on_in_another_engine() {
    // cmp r0, #5; ittee eq; addeq r1, #1; addeq r2, #1; addne r3, #1; addne r5, #1; adds r0, #1; b start
    let code = &[0x2805, 0xbf03, 0x3101, 0x3201, 0x3301, 0x3501, 0x3001, 0xe7f7];
    let mut whole = engine(Isa::CortexM3, code);
    whole.run(&mut Log::default(), 100);
    for cut in 1..100 {
        let mut first = engine(Isa::CortexM3, code);
        first.run(&mut Log::default(), cut);
        let mut second = engine(Isa::CortexM3, code);
        let regs = (0..16).map(Reg::r).chain([Reg::XPSR]);
        for reg in regs.clone() {
            second.set_reg(reg, first.reg(reg));
        }
        assert_eq!(second.run(&mut Log::default(), 100 - cut).executed, 100 - cut);
        for reg in regs {
            assert_eq!(second.reg(reg), whole.reg(reg), "{reg:?} after a cut at {cut}");
        }
    }
}

#[test]
fn engines_move_between_threads() {
    let mut engines: Vec<Engine> = (0..4).map(|_| engine(Isa::CortexM3, LOOP)).collect();
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for engine in &mut engines {
                scope.spawn(move || engine.run(&mut Log::default(), 1001));
            }
        });
    }
    assert!(engines.iter().all(|engine| engine.reg(Reg::r(0)) == 751));
}

#[test]
fn multiple_and_dual_accesses_are_always_aligned() {
    let fault =
        |access| Stop::Exception(Exception::Fault { access, cause: FaultCause::Unaligned, address: RAM + 2 });
    for (code, stop) in [
        (&[0x6821, 0xbf30][..], Stop::Wfi),                    // ldr r1, [r4]
        (&[0xcc06, 0xbf30], fault(AccessKind::Read)),          // ldm r4!, {r1, r2}
        (&[0xe884, 0x0006, 0xbf30], fault(AccessKind::Write)), // stm.w r4, {r1, r2}
        (&[0xe9d4, 0x1200, 0xbf30], fault(AccessKind::Read)),  // ldrd r1, r2, [r4]
        (&[0xe854, 0x1f00, 0xbf30], fault(AccessKind::Read)),  // ldrex r1, [r4]
        (&[0xed94, 0x0a00, 0xbf30], fault(AccessKind::Read)),  // vldr s0, [r4]
        (&[0xed84, 0x0b00, 0xbf30], fault(AccessKind::Write)), // vstr d0, [r4]
    ] {
        let mut engine = engine(Isa::CortexM4, code);
        engine.set_reg(Reg::CPACR, 0xf0_0000);
        engine.set_reg(Reg::r(4), RAM + 2);
        assert_eq!(engine.run(&mut Log::default(), 10).stop, stop, "{code:x?}");
        if stop != Stop::Wfi {
            assert_eq!((engine.reg(Reg::PC), engine.reg(Reg::r(4))), (0x100, RAM + 2));
        }
    }
}

#[test]
fn a_breakpoint_is_passed_even_when_its_instruction_starts_again() {
    // 1: ldr r1, [r5]; strh r3, [r4]; adds r0, #1; b 1b, where the store rewrites the instruction after it.
    let mut engine = engine(Isa::CortexM3, &[]);
    load(&mut engine, RAM + 0x100, &[0x6829, 0x8023, 0x3001, 0xe7fb]);
    engine.set_reg(Reg::PC, RAM + 0x100);
    engine.set_reg(Reg::r(3), 0x3001);
    engine.set_reg(Reg::r(4), RAM + 0x104);
    engine.set_reg(Reg::r(5), DEVICE.into());
    engine.add_breakpoint(RAM + 0x100);
    engine.add_breakpoint(RAM + 0x102);
    let mut executed = Vec::new();
    for _ in 0..5 {
        let exit = engine.run(&mut Log::default(), 1000);
        assert_eq!(exit.stop, Stop::Breakpoint);
        executed.push(exit.executed);
    }
    assert_eq!(executed, [0, 1, 3, 1, 3]);
}

#[test]
fn a_context_moves_the_whole_core() {
    // 1: vadd.f32 s0, s0, s1; push {r0}; pop {r0}; adds r0, #1; udiv r1, r0, r2; b 1b, unprivileged on PSP with an MPU
    let code = &[0xee30, 0x0a20, 0xb401, 0xbc01, 0x3001, 0xfbb0, 0xf1f2, 0xe7f7];
    let prepare = || {
        let mut engine = engine(Isa::CortexM4, code);
        for (reg, value) in [
            (Reg::CPACR, 0xf0_0000),
            (Reg::CONTROL, 3),
            (Reg::PSP, RAM + 0x4000),
            (Reg::MSP, RAM + 0x7000),
            (Reg::CCR, 0x10),
            (Reg::mpu_rbar(0), 0),
            (Reg::mpu_rasr(0), 0x0300_0000 | 31 << 1 | 1),
            (Reg::MPU_CTRL, 1),
            (Reg::s(1), 1.5f32.to_bits().into()),
            (Reg::r(2), 3),
        ] {
            engine.set_reg(reg, value);
        }
        engine
    };
    let finish = |mut engine: Engine, budget: u64| {
        let exit = engine.run(&mut Log::default(), budget);
        assert_eq!((exit.executed, exit.stop), (budget, Stop::Budget));
        // What was moved still holds: the trap of a division by zero, and the MPU's refusal.
        engine.set_reg(Reg::r(2), 0);
        let exit = engine.run(&mut Log::default(), 100);
        assert_eq!(exit.stop, Stop::Exception(Exception::DivideByZero));
        engine.set_reg(Reg::mpu_rasr(0), 0x0200_0000 | 31 << 1 | 1);
        let exit = engine.run(&mut Log::default(), 100);
        assert_eq!(exit.stop, Stop::Exception(Exception::DivideByZero));
        engine.set_reg(Reg::r(2), 1);
        let exit = engine.run(&mut Log::default(), 100);
        assert!(matches!(exit.stop, Stop::Exception(Exception::Fault { access: AccessKind::Write, .. })));
        let regs = (0..16).map(Reg::r).chain((0..4).map(Reg::s)).chain([Reg::XPSR, Reg::MSP, Reg::PSP]);
        regs.map(|reg| engine.reg(reg)).collect::<Vec<_>>()
    };
    let whole = finish(prepare(), 100);
    for cut in 1..100 {
        let (mut first, mut second) = (prepare(), engine(Isa::CortexM4, code));
        first.run(&mut Log::default(), cut);
        second.run(&mut Log::default(), cut % 7);
        second.restore_context(&first.context().unwrap()).unwrap();
        let mut stack = [0; 16];
        first.read_memory(RAM + 0x3ff0, &mut stack).unwrap();
        second.write_memory(RAM + 0x3ff0, &stack).unwrap();
        drop(first);
        assert_eq!(finish(second, 100 - cut), whole, "moved at {cut}");
    }
}

#[test]
fn an_access_inside_an_it_block_leaves_the_blocks_conditions() {
    // cmp r0, #n; itete eq; ldreq r1, [r4]; ldrne r2, [r5]; streq r0, [r4]; addne r3, #1; itt ne; addne r6, #1;
    // addne r6, #1; adds r0, #1; b start, where r4 and r5 are on pages that no one has touched, a watched page, or a
    // device's
    let code =
        |n: u16| [0x2800 | n, 0xbf0b, 0x6821, 0x682a, 0x6020, 0x3301, 0xbf1c, 0x3601, 0x3601, 0x3001, 0xe7f4];
    let places = [RAM + 0x2000, RAM + 0x5000, RAM + 0x6ffe, u64::from(DEVICE)];
    for (r4, r5) in places.iter().flat_map(|r4| places.map(|r5| (*r4, r5))) {
        for watched in [false, true] {
            let run = |budget: u64| {
                let mut engine = engine(Isa::CortexM3, &code(2));
                engine.set_reg(Reg::r(4), r4);
                engine.set_reg(Reg::r(5), r5);
                if watched {
                    engine.add_watchpoint(0, RAM + 0x2000, 4, AccessKind::Read);
                    engine.add_watchpoint(0, RAM + 0x5000, 4, AccessKind::Write);
                }
                let mut left = 43;
                while left > 0 {
                    left -= engine.run(&mut Log::default(), budget.min(left)).executed;
                }
                [0, 3, 6, 15]
                    .map(|n| engine.reg(Reg::r(n)))
                    .into_iter()
                    .chain([engine.reg(Reg::XPSR)])
                    .collect()
            };
            let whole: Vec<u64> = run(43);
            // Four rounds, of which one compares equal.
            assert_eq!(whole[..3], [4, 3, 6], "{r4:#x} {r5:#x}");
            for budget in 1..12 {
                assert_eq!(run(budget), whole, "{r4:#x} {r5:#x} in pieces of {budget}");
            }
        }
    }
}

#[test]
fn writes_of_the_safe_crate_are_seen_by_translated_code() {
    let mut engine = engine(Isa::CortexM3, LOOP);
    engine.run(&mut Log::default(), 400);
    load(&mut engine, 0x102, &[0x3105]); // adds r1, #5
    engine.run(&mut Log::default(), 400);
    assert_eq!(engine.reg(Reg::r(1)), 700);
    // All or nothing.
    let mut bytes = [0xaa; 8];
    assert!(engine.write_memory(RAM + 0xfffc, &bytes).is_err());
    assert!(engine.read_memory(RAM + 0xfffc, &mut bytes).is_err());
    assert_eq!(bytes, [0xaa; 8]);
    engine.read_memory(RAM + 0xfff8, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 8]);
}
