//! What firmware sees of a Cortex-M core, instruction by instruction.
#![allow(clippy::unwrap_used, reason = "test code")]

mod cortex_m_rig;

use consort_core::bus::Bus as _;
use consort_core::cpu::{Core, MapError, Region, RegionKind, Stop, WatchKind, Watchpoint};
use consort_core::state::State;
use consort_core::time::Cycles;
use consort_core::trace::CoreEvent;
use consort_cpu::cortex_m::{ConfigError, CortexM, CortexMConfig, Model, NMI_LINE};
use cortex_m_rig::{LINES, Rig, code, config};

const RESET: u32 = 0x400;
const HANDLER: u32 = 0x800;
const STACK: u32 = 0x2000_1000;

/// A core at the beginning of `program`; every exception's handler is `handler`.
fn rig(model: Model, program: &[u16], handler: &[u16]) -> Rig {
    let mut rig = Rig::with(CortexMConfig { semihosting: true, ..config(model) });
    let vectors: Vec<(u16, u32)> = (1..64).map(|n| (n, if n == 1 { RESET } else { HANDLER })).collect();
    rig.vectors(STACK, &vectors);
    rig.load_halves(u64::from(RESET), program);
    rig.load_halves(u64::from(HANDLER), handler);
    rig.core.reset();
    rig
}

/// The exceptions taken: cycle, number, return address relative to the program.
fn entries(rig: &Rig) -> Vec<(u64, u16, u64)> {
    let entry = |(at, event): &(u64, CoreEvent)| match event {
        CoreEvent::Entry { number, pc } => Some((*at, *number, pc.wrapping_sub(u64::from(RESET)))),
        _ => None,
    };
    rig.bus.notes.iter().filter_map(entry).collect()
}

const ALL: [Model; 7] = [Model::M0, Model::M0Plus, Model::M3, Model::M4, Model::M4F, Model::M7, Model::M33];

#[test]
fn every_model_calls_its_supervisor() {
    for model in ALL {
        let mut rig = rig(model, code::SVC, code::COUNT);
        assert_eq!(rig.run(100), Stop::Reached);
        assert_eq!(entries(&rig), [(1, 11, 2)], "{model:?}");
        assert_eq!((rig.register("r5"), rig.register("r6")), (1, 1), "{model:?}");
        assert_eq!(rig.register("sp"), STACK);
        assert_eq!((rig.core.now(), rig.core.instructions()), (Cycles(100), 100));
    }
}

#[test]
fn systick_expires_at_its_cycle_and_reads_exactly() {
    let mut rig = rig(Model::M3, code::SYSTICK, code::COUNT);
    rig.run(330);
    // Enabled at cycle 6; the next tick loads 99, the 99th after it is zero.
    assert_eq!(
        entries(&rig).iter().map(|(at, n, _)| (*at, *n)).collect::<Vec<_>>(),
        [(106, 15), (206, 15), (306, 15)]
    );
    assert_eq!((rig.register("r2"), rig.register("r3")), (99, 98));
    assert_eq!(rig.core.peek_private(0xE000_E018), Some(76));
    assert_eq!(rig.core.peek_private(0xE000_E018), Some(76), "looking changes nothing");
}

#[test]
fn an_unmasked_interrupt_comes_before_the_next_instruction() {
    let mut rig = rig(Model::M3, code::UNMASK, code::COUNT);
    rig.run(200);
    let returns: Vec<(u16, u64)> = entries(&rig).iter().map(|(_, n, pc)| (*n, *pc)).collect();
    // After CPSIE, after the store to ISPR, after BASEPRI rises to 0.
    assert_eq!(returns, [(16, 0x1E), (17, 0x26), (16, 0x3C)]);
}

#[test]
fn a_level_line_comes_back_until_it_falls() {
    for model in ALL {
        let mut rig = rig(model, code::ENABLE_AND_SPIN, code::BX_LR);
        rig.run(20);
        rig.core.set_line(2, true);
        rig.run(30);
        let storm = entries(&rig);
        assert_eq!(storm.len(), 11, "{model:?}: each handler is one instruction, the last has yet to run");
        assert!(storm.iter().all(|(_, n, _)| *n == 18));
        rig.core.set_line(2, false);
        rig.core.pulse_line(3);
        rig.run(100);
        let last: Vec<u16> = entries(&rig)[11..].iter().map(|(_, n, _)| *n).collect();
        assert_eq!(last, [19], "{model:?}");
    }
}

#[test]
fn a_line_raised_by_a_store_interrupts_right_after_it() {
    let mut rig = rig(Model::M3, code::LINE, code::BX_LR);
    rig.bus.log = true;
    rig.run(10);
    assert_eq!(rig.bus.accesses, [(7, LINES, true)]);
    assert_eq!(entries(&rig)[0], (8, 21, 0x1A));
}

#[test]
fn sleep_costs_nothing_and_ends_with_the_line() {
    for model in ALL {
        let mut rig = rig(model, code::ENABLE_AND_WFI, code::COUNT);
        assert_eq!(rig.run(1_000_000), Stop::Idle, "{model:?}");
        assert!(rig.core.is_idle());
        assert_eq!((rig.core.now(), rig.core.instructions()), (Cycles(1_000_000), 5));
        rig.core.pulse_line(0);
        assert!(!rig.core.is_idle());
        rig.run(2_000_000);
        assert_eq!(entries(&rig), [(1_000_000, 16, 10)]);
        assert_eq!((rig.register("r4"), rig.register("r6")), (1, 1));
    }
}

#[test]
fn a_masked_interrupt_wakes_without_being_taken() {
    let mut rig = rig(Model::M0, code::MASKED_WFI, code::COUNT);
    rig.run(100);
    rig.core.set_line(0, true);
    rig.run(102);
    assert_eq!((rig.register("r4"), entries(&rig).len()), (1, 0));
    rig.run(103);
    assert_eq!(entries(&rig).len(), 1);
}

#[test]
fn sev_lets_one_wfe_pass() {
    let mut rig = rig(Model::M4, code::EVENTS, code::BX_LR);
    assert_eq!(rig.run(100), Stop::Idle);
    assert_eq!((rig.register("r4"), rig.core.instructions()), (1, 4));
}

#[test]
fn rubbish_gives_the_fault_the_architecture_names() {
    // program, CFSR, the fault's return address
    for (program, cfsr, pc) in [
        (code::JUMP, 1, 0xFFFF_FFFE_u32.wrapping_sub(RESET)),
        (code::UDF, 1 << 16, 0),
        (code::ROM_WRITE, 0x8200, 18),
        (code::FPU_OFF, 1 << 19, 0),
    ] {
        let mut rig = rig(Model::M4F, program, code::SPIN);
        rig.run(50);
        let n = if cfsr == 0x8200 { 5 } else { 3 };
        assert_eq!(
            entries(&rig).iter().map(|e| (e.1, e.2 as u32)).collect::<Vec<_>>(),
            [(n, pc)],
            "{cfsr:#x}"
        );
        assert_eq!(rig.core.peek_private(0xE000_ED28), Some(cfsr));
        assert_eq!(rig.core.exception(), n);
    }
}

#[test]
fn a_wild_stack_is_a_stacking_fault_and_then_a_lockup_of_nobody_else() {
    let mut rig = rig(Model::M3, code::BAD_STACK, code::SPIN);
    rig.run(50);
    assert_eq!(entries(&rig).iter().map(|e| e.1).collect::<Vec<_>>(), [3]);
    assert_eq!(rig.core.peek_private(0xE000_ED28), Some(1 << 12));
    assert_eq!(rig.core.peek_private(0xE000_ED2C), Some(1 << 30));
}

#[test]
fn vectors_in_rubbish_lock_up_and_only_reset_helps() {
    let mut rig = rig(Model::M3, code::UDF, code::SPIN);
    rig.vectors(STACK, &[(1, RESET)]); // HardFault leads to 0xFFFFFFFF
    assert_eq!(rig.run(1000), Stop::Lockup);
    assert!(rig.core.is_locked_up() && rig.core.is_idle());
    assert_eq!(rig.core.deadline(), Cycles::MAX);
    rig.load_halves(u64::from(RESET), code::SPIN);
    rig.core.reset();
    assert_eq!(rig.run(1010), Stop::Reached);
    assert_eq!(rig.core.now(), Cycles(1010), "a reset keeps the cycles");
}

#[test]
fn nmi_gets_through_a_lockup() {
    let mut rig = rig(Model::M3, code::UDF, code::FAULT_IN_FAULT);
    rig.load_halves(0xC00, code::COUNT);
    rig.load_words(8, &[0xC01]);
    assert_eq!(rig.run(100), Stop::Lockup);
    rig.core.pulse_line(NMI_LINE);
    assert!(!rig.core.is_idle());
    assert_eq!(rig.run(200), Stop::Lockup);
    assert_eq!(rig.register("r6"), 1);
    assert_eq!(entries(&rig).last().unwrap().2 as u32, 0xFFFF_FFFE_u32.wrapping_sub(RESET));
}

#[test]
fn armv6m_knows_only_the_hardfault() {
    for program in [code::UDF, code::UNALIGNED, code::PPB_BYTE, code::JUMP] {
        let mut rig = rig(Model::M0, program, code::SPIN);
        rig.run(50);
        assert_eq!(entries(&rig).iter().map(|e| e.1).collect::<Vec<_>>(), [3], "{program:x?}");
        for absent in [0xE000_ED28_u64, 0xE000_ED2C, 0xE000_ED24, 0xE000_EF00, 0xE000_ED08] {
            assert_eq!(rig.core.peek_private(absent), Some(0));
        }
    }
    let mut rig = rig(Model::M3, code::UNALIGNED, code::SPIN);
    rig.run(50);
    assert_eq!(entries(&rig), []);
}

#[test]
fn unprivileged_code_reaches_nothing_private_but_stir() {
    let mut rig = rig(Model::M3, code::UNPRIVILEGED, code::SPIN);
    rig.load_halves(0xC00, code::BX_LR);
    rig.load_words(64, &[0xC01]);
    rig.run(50);
    assert_eq!(entries(&rig).iter().map(|e| (e.1, e.2)).collect::<Vec<_>>(), [(16, 0x24), (3, 0x26)]);
    assert_eq!(rig.core.peek_private(0xE000_ED38), Some(0xE000_ED00));
}

#[test]
fn the_m0_plus_protects_memory_from_unprivileged_code() {
    // Region 0 is everything for everyone; region 1, 256 bytes at 0x20000300, is read-only to unprivileged code. After
    // the MPU is on: str r2, [r2]; msr control, 1; ldr r3, [r2]; str r3, [r2].
    const PROGRAM: &[u16] = &[
        0x480A, 0x2100, 0x6001, 0x6041, 0x4909, 0x6081, 0x2101, 0x6001, 0x4908, 0x6041, 0x4908, 0x6081,
        0x3804, 0x2101, 0x6001, 0x4A07, 0x6012, 0xF381, 0x8814, 0x6813, 0x6013, 0xE7FE, 0xED98, 0xE000,
        0x003F, 0x0300, 0x0300, 0x2000, 0x000F, 0x0200, 0x0310, 0x2000,
    ];
    for (model, mpu_regions) in [(Model::M0Plus, 8), (Model::M0Plus, 0), (Model::M0, 0)] {
        let mut rig = Rig::with(CortexMConfig { mpu_regions, ..config(model) });
        rig.vectors(STACK, &[(1, RESET), (3, HANDLER)]);
        rig.load_halves(u64::from(RESET), PROGRAM);
        rig.load_halves(u64::from(HANDLER), code::SPIN);
        rig.core.reset();
        rig.run(100);
        let protects = mpu_regions != 0;
        assert_eq!(rig.core.peek_private(0xE000_ED90), Some(u32::from(mpu_regions) << 8));
        let expected: &[_] = if protects { &[(3, 0x28)] } else { &[] };
        let taken: Vec<(u16, u64)> = entries(&rig).iter().map(|(_, n, pc)| (*n, *pc)).collect();
        assert_eq!(taken, expected, "{model:?} with {mpu_regions} regions");
        assert_eq!(rig.register("control"), u32::from(model == Model::M0Plus));
        assert_eq!(rig.register("r3"), 0x2000_0310);
    }
}

#[test]
fn vtor_keeps_what_is_written() {
    let mut rig = rig(Model::M3, code::VTOR, code::SPIN);
    rig.load_halves(0xC00, code::COUNT);
    rig.load_words(0x100 + 44, &[0xC01]);
    rig.run(20);
    assert_eq!((rig.register("r2"), rig.register("r6")), (0x100, 1));
}

#[test]
fn bit_band_aliases_reach_memory_and_the_bus() {
    let mut rig = rig(Model::M3, code::BITBAND, code::SPIN);
    rig.load_words(0x2000_0000, &[0x8000_0001]);
    // 0x4001F100 as seen from the alias at 0x42000000 + 0x1F100 * 32.
    rig.bus.words.insert(0x4001_F100, 0xF0);
    assert_eq!(rig.run(15), Stop::Reached);
    assert_eq!(rig.word(0x2000_0000), 0x8000_0121);
    assert_eq!((rig.register("r2"), rig.register("r3")), (1, 0));
    assert_eq!((rig.bus.words.get(&0x4001_F100), rig.register("r5")), (Some(&0xF8), 1));
}

#[test]
fn probing_with_bfhfnmign_survives() {
    let mut rig = rig(Model::M3, code::PROBE, code::SPIN);
    rig.run(30);
    assert_eq!(entries(&rig), []);
    assert_eq!((rig.register("r3"), rig.register("r4"), rig.register("r5")), (0, 0x8200, 0x6000_0000));
}

#[test]
fn semihosting_stops_at_the_call_and_goes_on_behind_it() {
    let mut rig = rig(Model::M0, code::SEMIHOST, code::SPIN);
    assert_eq!(rig.run(100), Stop::Semihosting);
    assert_eq!(rig.run(100), Stop::Semihosting, "nobody answered");
    let call = rig.core.semihosting();
    assert_eq!((call.op, call.parameter, call.word), (4, 0x55, 4));
    rig.core.finish_semihosting(9);
    rig.run(100);
    assert_eq!((rig.register("r0"), rig.register("r5"), rig.core.instructions()), (9, 1, 100));
    let mut deaf = Rig::new(Model::M0);
    deaf.vectors(STACK, &[(1, RESET), (3, HANDLER)]);
    deaf.load_halves(u64::from(RESET), code::SEMIHOST);
    deaf.load_halves(u64::from(HANDLER), code::SPIN);
    deaf.core.reset();
    deaf.run(100);
    assert_eq!(deaf.core.exception(), 3, "without a host it is a HardFault");
}

#[test]
fn sysresetreq_stops_right_after_the_store() {
    let mut rig = rig(Model::M0, code::RESET, code::SPIN);
    assert_eq!(rig.run(100), Stop::ResetRequest);
    assert_eq!((rig.core.now(), rig.register("r5")), (Cycles(3), 0));
    rig.core.reset();
    assert_eq!(rig.run(100), Stop::ResetRequest);
    let resets = rig.bus.notes.iter().filter(|(_, event)| *event == CoreEvent::Reset).count();
    assert_eq!(resets, 2);
}

#[test]
fn watchpoints_stop_behind_the_access() {
    for (kind, stops) in [
        (WatchKind::Write, vec![(3, WatchKind::Write)]),
        (WatchKind::Read, vec![(4, WatchKind::Read), (5, WatchKind::Read)]),
        (WatchKind::Access, vec![(3, WatchKind::Write), (4, WatchKind::Read), (5, WatchKind::Read)]),
    ] {
        let mut rig = rig(Model::M3, code::STORE, code::SPIN);
        rig.core.set_watchpoints(&[Watchpoint { addr: 0x2000_0010, len: 4, kind }]);
        let mut seen = Vec::new();
        while let Stop::Watchpoint { kind, .. } = rig.run(50) {
            seen.push((rig.core.now().0, kind));
        }
        assert_eq!(seen, stops, "{kind:?}");
    }
}

/// Unlocks the DWT, enables DebugMonitor, lets comparator 0 watch writes to the word at 0x20000310 and comparator 1 the
/// instruction at 0x3C. Then: ldr; str (matches); strb behind the word; strb at its end (matches); nop; cpsid i; str
/// (matches, but DebugMonitor is masked); cpsie i; adds (matches); DWT_FUNCTION0 twice to r5, r6.
fn comparing_program(model: Model) -> Vec<u16> {
    let movw_r1 = |value: u16| {
        [0xF240 | value >> 12 | (value >> 11 & 1) << 10, (value >> 8 & 7) << 12 | 0x100 | value & 0xFF]
    };
    let [write, instruction] = if model == Model::M33 { [0x815, 0x412] } else { [6, 4] }.map(movw_r1);
    vec![
        0x4C10,
        0x4911,
        0x6021,
        0x4811,
        0x4911,
        0x6001,
        0x4811,
        0x4A12,
        0x6002,
        0x2102,
        0x6041,
        write[0],
        write[1],
        0x6081,
        0xA107,
        0x6101,
        0x2100,
        0x6141,
        instruction[0],
        instruction[1],
        0x6181,
        0x2307,
        0x6814,
        0x6013,
        0x7113,
        0x70D3,
        0xBF00,
        0xB672,
        0x6013,
        0xB662,
        0x3301,
        0x6885,
        0x6886,
        0xE7FE,
        0x1FB0,
        0xE000,
        0xCE55,
        0xC5AC,
        0xEDFC,
        0xE000,
        0x0000,
        0x0101,
        0x1020,
        0xE000,
        0x0310,
        0x2000,
    ]
}

#[test]
fn dwt_comparators_call_the_debug_monitor_whoever_else_watches() {
    for model in [Model::M3, Model::M4F, Model::M7, Model::M33] {
        let program = comparing_program(model);
        let mut all = Vec::new();
        for way in 0..4 {
            let mut rig = rig(model, &program, code::BX_LR);
            match way {
                1 => {
                    while rig.core.now().0 < 100 {
                        assert_eq!(rig.step(), None);
                    }
                }
                2 => {
                    // A debugger at the same places.
                    let kind = WatchKind::Access;
                    rig.core.set_watchpoints(&[Watchpoint { addr: 0x2000_0310, len: 8, kind }]);
                    rig.core.set_breakpoints(&[0x34, 0x3C, 0x3E].map(|at| u64::from(RESET) + at));
                    let mut stops = 0;
                    while rig.run(100) != Stop::Reached {
                        stops += 1;
                    }
                    assert_eq!(stops, 8, "{model:?}");
                }
                3 => (1..=100).for_each(|until| {
                    // Saved, and on in another core.
                    rig.run(until);
                    let saved = rig.core.save().unwrap();
                    rig.core.restore(&saved).unwrap();
                }),
                _ => drop(rig.run(100)),
            }
            let taken: Vec<(u16, u64)> = entries(&rig).iter().map(|(_, n, pc)| (*n, *pc)).collect();
            assert_eq!(taken, [(12, 0x30), (12, 0x34), (12, 0x3E)], "{model:?}, way {way}");
            let function = if model == Model::M33 { 0x815 } else { 6 };
            assert_eq!((rig.register("r5"), rig.register("r6")), (1 << 24 | function, function));
            assert_eq!(rig.core.peek_private(0xE000_ED30), Some(4), "DFSR.DWTTRAP");
            all.push(entries(&rig));
        }
        assert!(all.iter().all(|entries| *entries == all[0]), "{model:?}: {all:?}");
    }
}

#[test]
fn a_breakpoint_at_a_cut_is_not_missed() {
    let mut rig = rig(Model::M3, code::STORE, code::SPIN);
    rig.core.set_breakpoints(&[u64::from(RESET) + 4]);
    assert_eq!(rig.run(1), Stop::Reached);
    assert_eq!(rig.run(50), Stop::Breakpoint);
    assert_eq!((rig.core.pc(), rig.core.now()), (u64::from(RESET) + 4, Cycles(1)));
    assert_eq!(rig.run(50), Stop::Reached, "the next run passes it");
}

#[test]
fn registers_are_what_the_guest_has() {
    let mut rig = rig(Model::M4F, code::SPIN, code::SPIN);
    let names: Vec<&str> = rig.core.registers().iter().map(|info| info.name).collect();
    for (index, name) in names.iter().enumerate() {
        let value = match *name {
            "pc" => 0x1234,
            "xpsr" => 0x0100_0000,
            "control" | "primask" | "faultmask" => 1,
            "basepri" => 0x40,
            "fpscr" => 0x0300_0000,
            "sp" | "msp" | "psp" => 0x2000_0800,
            _ => 0x5A5A_0000 + index as u128,
        };
        assert!(rig.core.set_register(index, value));
        assert_eq!(rig.core.register(index), Some(value), "{name}");
    }
    assert_eq!(rig.core.register(names.len()), None);
    assert!(!rig.core.set_register(names.len(), 0));
    assert_eq!(rig.core.pc(), 0x1234);
}

#[test]
fn what_cannot_be_built_is_refused_by_name() {
    let error = |config: CortexMConfig| CortexM::new(config).err().unwrap().to_string();
    let base = |model| CortexMConfig::new(model, 32);
    assert_eq!(
        error(CortexMConfig { interrupts: 33, ..base(Model::M0) }),
        "cortex-m0 has at most 32 external interrupts, not 33"
    );
    assert!(error(CortexMConfig { priority_bits: 2, ..base(Model::M3) }).contains("2 priority bits"));
    assert!(error(CortexMConfig { mpu_regions: 8, ..base(Model::M0) }).contains("MPU of 8 regions"));
    assert!(error(CortexMConfig { mpu_regions: 16, ..base(Model::M0Plus) }).contains("MPU of 16 regions"));
    let reference = Some(consort_cpu::cortex_m::Reference { cycles: 1, ticks: 2 });
    let fast = CortexMConfig { systick_reference: reference, ..base(Model::M3) };
    assert_eq!(CortexM::new(fast).err(), Some(ConfigError::Reference));
    let mut core = CortexM::new(base(Model::M3)).unwrap();
    for (region, why) in [
        (Region { base: 0xFFFF_F000, size: 0x2000, kind: RegionKind::Ram }, "address space"),
        (Region { base: 0x100, size: 0x1000, kind: RegionKind::Ram }, "unaligned"),
        (Region { base: 0x1000, size: 0x1000, kind: RegionKind::Alias { target: 0x8000 } }, "0x1000"),
    ] {
        let MapError { why: said, .. } = core.map(region).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    core.reset();
    assert!(core.is_locked_up(), "no memory, no vectors");
}

#[test]
fn a_foreign_or_damaged_state_is_refused() {
    let mut rig = rig(Model::M3, code::SPIN, code::SPIN);
    let saved = rig.core.save().unwrap();
    let mut other = Rig::new(Model::M4);
    assert!(other.core.restore(&saved).unwrap_err().to_string().contains("cortex-m3"));
    let mut fewer = Rig::with(CortexMConfig { interrupts: 8, ..config(Model::M3) });
    assert!(fewer.core.restore(&saved).is_err());
    for cut in [0, 1, saved.len() / 2, saved.len() - 1] {
        assert!(rig.core.restore(&saved[..cut]).is_err());
    }
    rig.core.restore(&saved).unwrap();
    assert_eq!(rig.core.save().unwrap(), saved);
}

#[test]
fn a_run_to_the_past_does_nothing() {
    let mut rig = rig(Model::M3, code::SPIN, code::SPIN);
    rig.run(10);
    assert_eq!(rig.core.run(&mut rig.bus, Cycles(5)), Stop::Reached);
    assert_eq!(rig.core.now(), Cycles(10));
    assert!(!rig.bus.attention());
}
