//! What one Cortex-M has and another has not: instructions, registers, protection, stack limits.

mod engine_rig;

use consort_cpu::engine::{AccessKind, Engine, Exception, FaultCause, Isa, Options, Perms, Reg, Stop};
use engine_rig::{FLASH, Log, RAM, engine, load};

/// Executes one instruction and tells whether it is undefined.
fn is_undefined(engine: &mut Engine, code: &[u16]) -> bool {
    engine.set_reg(Reg::XPSR, 0x0100_0000);
    for n in 0..13 {
        engine.set_reg(Reg::r(n), RAM + 0x4000);
    }
    engine.set_reg(Reg::SP, RAM + 0x4000);
    engine.set_reg(Reg::PC, RAM);
    load(engine, RAM, code);
    engine.run(&mut Log::default(), 1).stop == Stop::Exception(Exception::Undefined)
}

#[test]
fn dsp_instructions_are_undefined_without_the_extension() {
    let dsp: &[[u16; 2]] = &[
        [0xfb21, 0x3002], // smlad r0, r1, r2, r3
        [0xfb21, 0x3012], // smladx
        [0xfb41, 0x3002], // smlsd
        [0xfb21, 0xf002], // smuad r0, r1, r2
        [0xfb41, 0xf002], // smusd
        [0xfbc1, 0x20c3], // smlald r2, r0, r1, r3
        [0xfbd1, 0x20c3], // smlsld
        [0xfb11, 0x3002], // smlabb r0, r1, r2, r3
        [0xfb11, 0xf012], // smulbt
        [0xfb31, 0x3002], // smlawb
        [0xfb31, 0xf002], // smulwb
        [0xfbc1, 0x2083], // smlalbb r2, r0, r1, r3
        [0xfb51, 0x3002], // smmla
        [0xfb51, 0xf002], // smmul
        [0xfb61, 0x3002], // smmls
        [0xfbe1, 0x2063], // umaal
        [0xfb71, 0xf002], // usad8
        [0xfb71, 0x3002], // usada8
        [0xfa81, 0xf082], // qadd
        [0xfa81, 0xf092], // qdadd
        [0xfa81, 0xf0a2], // qsub
        [0xfaa1, 0xf082], // sel
        [0xfa91, 0xf002], // sadd16
        [0xfa81, 0xf042], // uadd8
        [0xfac1, 0xf022], // shsub8
        [0xfa41, 0xf082], // sxtab r0, r1, r2
        [0xfa01, 0xf082], // sxtah
        [0xfa21, 0xf082], // sxtab16
        [0xfa51, 0xf082], // uxtab
        [0xfa11, 0xf082], // uxtah
        [0xfa31, 0xf082], // uxtab16
        [0xfa2f, 0xf082], // sxtb16
        [0xfa3f, 0xf082], // uxtb16
        [0xeac1, 0x0002], // pkhbt
        [0xf321, 0x0003], // ssat16 r0, #4, r1
        [0xf3a1, 0x0003], // usat16
    ];
    let base: &[[u16; 2]] = &[
        [0xfa4f, 0xf081], // sxtb.w
        [0xfa0f, 0xf081], // sxth.w
        [0xfa5f, 0xf081], // uxtb.w
        [0xfa1f, 0xf081], // uxth.w
        [0xfb01, 0x3002], // mla
        [0xfb01, 0x3012], // mls
        [0xfb81, 0x0203], // smull
        [0xfbe1, 0x0203], // umlal
        [0xf301, 0x0003], // ssat
        [0xf381, 0x0003], // usat
        [0xfab1, 0xf081], // clz
        [0xfa91, 0xf0a1], // rbit
        [0xfb91, 0xf0f2], // sdiv
    ];
    for (isa, has) in
        [(Isa::CortexM3, false), (Isa::CortexM4, true), (Isa::CortexM7, true), (Isa::CortexM33, true)]
    {
        let mut engine = engine(isa, &[]);
        let wrong: Vec<_> = dsp.iter().filter(|code| is_undefined(&mut engine, *code) == has).collect();
        assert!(wrong.is_empty(), "{wrong:x?} on {isa:?}");
        for code in base {
            assert!(!is_undefined(&mut engine, code), "{code:x?} on {isa:?}");
        }
        // Neither of the profile: setend be; blx to a label.
        assert!(is_undefined(&mut engine, &[0xb658]) && is_undefined(&mut engine, &[0xf000, 0xe800]));
    }
}

#[test]
fn armv6m_has_its_instructions_and_no_others() {
    // DDI 0419 A5.2: what the 16-bit space leaves undefined.
    let undefined = |code: u16| match code >> 8 {
        0xb1 | 0xb3 | 0xb7..=0xb9 | 0xbb => true,
        0xb6 => code & 0xe0 != 0x60,
        0xba => code & 0xc0 == 0x80,
        0xbf => code & 0xf != 0,
        0xde => true,
        _ => false,
    };
    let mut engine = engine(Isa::CortexM0, &[]);
    // Unpredictable: BX, BLX and CPS with bits that should be otherwise, PUSH, POP, LDM and STM of nothing.
    let predictable = |code: &u16| match code >> 8 {
        0xb6 => code & 0xef == 0x62 || code & 0xe0 != 0x60,
        0x47 => code & 7 == 0,
        0xb4 | 0xbc | 0xc0..=0xcf => code & 0xff != 0,
        _ => true,
    };
    let wrong: Vec<u16> = (0..0xe800)
        .filter(predictable)
        .filter(|code| is_undefined(&mut engine, &[*code, 0xbf00]) != undefined(*code))
        .collect();
    assert!(wrong.is_empty(), "{wrong:x?}");
    // A5.3: MSR, MRS, DSB, DMB, ISB and BL are all there is of 32 bits.
    for code in [
        [0xf380, 0x8808],
        [0xf3ef, 0x8010],
        [0xf3bf, 0x8f4f],
        [0xf3bf, 0x8f5f],
        [0xf3bf, 0x8f6f],
        [0xf000, 0xf810],
    ] {
        assert!(!is_undefined(&mut engine, &code), "{code:x?}");
    }
    for first in 0xe800..=0xffff {
        for second in [0x0000, 0x7f01, 0xe810, 0x8a12] {
            let known = match (first, second) {
                (0xf000..=0xf7ff, _) if second & 0xd000 == 0xd000 => true,
                (0xf380..=0xf39f | 0xf3e0..=0xf3ff, _) if second & 0xd000 == 0x8000 => true,
                (0xf3b0..=0xf3bf, _) => second & 0xd000 == 0x8000 && matches!(second >> 4 & 0xf, 4..=6),
                _ => false,
            };
            let code = [first, second];
            assert!(known || is_undefined(&mut engine, &code), "{code:x?}");
        }
    }
}

#[test]
fn basepri_has_the_bits_that_priorities_have() {
    // msr basepri, r0; msr basepri_max, r1; wfi
    let code = &[0xf380, 0x8811, 0xf381, 0x8812, 0xbf30];
    for (bits, r0, r1, basepri) in [
        (8, 0xff, 0x41, 0x41),
        (3, 0xff, 0, 0xe0),
        (3, 0xff, 0x1f, 0xe0),
        (3, 0xff, 0x5f, 0x40),
        (4, 0x0f, 0x5f, 0x50),
    ] {
        let mut engine =
            Engine::new(Isa::CortexM3, Options { priority_bits: bits, ..Options::default() }).unwrap();
        engine.map_ram(FLASH, 0x1000, Perms::Rx).unwrap();
        load(&mut engine, 0x100, code);
        engine.set_reg(Reg::PC, 0x100);
        engine.set_reg(Reg::r(0), r0);
        engine.set_reg(Reg::r(1), r1);
        assert_eq!(engine.run(&mut Log::default(), 10).stop, Stop::Wfi);
        assert_eq!(engine.reg(Reg::BASEPRI), basepri, "{bits} bits, {r0:#x}, {r1:#x}");
        engine.set_reg(Reg::BASEPRI, 0xff);
        assert_eq!(engine.reg(Reg::BASEPRI), 0xff00 >> bits & 0xff);
    }
}

#[test]
fn the_m0_plus_has_unprivileged_code_and_an_mpu() {
    // msr control, r0; ldr r1, [r4]; str r1, [r4]; wfi
    let code = &[0xf380, 0x8814, 0x6821, 0x6021, 0xbf30];
    for (isa, r0, stops) in
        [(Isa::CortexM0, 1, false), (Isa::CortexM0Plus, 0, false), (Isa::CortexM0Plus, 1, true)]
    {
        let mut engine = engine(isa, code);
        engine.set_reg(Reg::r(0), r0);
        engine.set_reg(Reg::r(4), RAM + 0x1080);
        // Two regions over all, one of 256 bytes at RAM + 0x1000 read-only to unprivileged code.
        for (n, base, rasr) in [(0, 0, 0x0300_003f), (1, RAM + 0x1000, 0x0200_000f)] {
            engine.set_reg(Reg::mpu_rbar(n), base);
            engine.set_reg(Reg::mpu_rasr(n), rasr);
        }
        engine.set_reg(Reg::MPU_CTRL, 1);
        let exit = engine.run(&mut Log::default(), 10);
        let denied = Stop::Exception(Exception::Fault {
            access: AccessKind::Write,
            cause: FaultCause::Protection,
            address: RAM + 0x1080,
        });
        let expected = if stops { (denied, 2) } else { (Stop::Wfi, 4) };
        assert_eq!((exit.stop, exit.executed), expected, "{isa:?} {r0}");
        assert_eq!(engine.reg(Reg::CONTROL), u64::from(stops));
        engine.reset();
        assert_eq!((engine.reg(Reg::mpu_rasr(1)), engine.reg(Reg::MPU_CTRL)), (0, 0));
    }
}

#[test]
fn the_m33_checks_its_stack_limits() {
    // msr msplim, r0; msr psplim, r1; push {r2, r3}; push {r2, r3}; wfi
    let code = &[0xf380, 0x880a, 0xf381, 0x880b, 0xb40c, 0xb40c, 0xbf30];
    for process in [false, true] {
        let sp = if process { Reg::PSP } else { Reg::MSP };
        for (isa, limit, stop, executed) in [
            (Isa::CortexM33, RAM + 0x1000, Stop::Wfi, 5),
            (Isa::CortexM33, RAM + 0x1008, Stop::Exception(Exception::StackOverflow), 3),
            (Isa::CortexM33, RAM + 0x1010, Stop::Exception(Exception::StackOverflow), 2),
            // The low three bits are zero; ARMv7-M has no such registers.
            (Isa::CortexM33, RAM + 0x1007, Stop::Wfi, 5),
            (Isa::CortexM4, RAM + 0x1010, Stop::Wfi, 5),
        ] {
            let mut engine = engine(isa, code);
            engine.set_reg(Reg::CONTROL, if process { 2 } else { 0 });
            engine.set_reg(sp, RAM + 0x1010);
            engine.set_reg(Reg::r(0), if process { 0 } else { limit });
            engine.set_reg(Reg::r(1), if process { limit } else { 0 });
            let exit = engine.run(&mut Log::default(), 100);
            assert_eq!((exit.stop, exit.executed), (stop, executed), "{isa:?} {limit:#x}");
            let limits = (engine.reg(Reg::MSPLIM), engine.reg(Reg::PSPLIM));
            let held = if isa == Isa::CortexM33 { limit & !7 } else { 0 };
            assert_eq!(limits, if process { (0, held) } else { (held, 0) });
            if stop != Stop::Wfi {
                // Neither stored nor moved.
                assert_eq!(engine.reg(sp), RAM + 0x1010 - (executed - 2) * 8);
            }
        }
    }
}
