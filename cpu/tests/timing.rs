//! What instructions and exceptions take, measured by the guest with CYCCNT or SysTick, against the manuals' tables.
#![allow(clippy::unwrap_used, reason = "test code")]

mod cortex_m_rig;

use consort_core::cpu::{Core, Stop};
use consort_core::state::State;
use consort_core::trace::CoreEvent;
use consort_cpu::cortex_m::{Cached, CortexMConfig, CycleTiming, Model, Slow, SlowBus};
use cortex_m_rig::{Rig, WORDS, config};

const RESET: u32 = 0x400;
const HANDLER: u32 = 0x800;
const STACK: u32 = 0x2000_1000;
const POKE: u32 = 0x300;
const DATA: u32 = 0x2000_0100;
const CYCCNT: u32 = 0xE000_1004;
const SYST_CVR: u32 = 0xE000_E018;
const NOP: u16 = 0x46C0; // mov r8, r8: every core has it

/// A core whose cycle counter runs, before `program`.
fn rig(model: Model, timing: CycleTiming, program: &[u16], handler: &[u16]) -> Rig {
    let mut rig = Rig::with(CortexMConfig { timing: Some(timing), ..config(model) });
    let vectors: Vec<(u16, u32)> = (1..64).map(|n| (n, if n == 1 { RESET } else { HANDLER })).collect();
    rig.vectors(STACK, &vectors);
    rig.load_halves(u64::from(RESET), program);
    rig.load_halves(u64::from(HANDLER), handler);
    rig.load_halves(u64::from(POKE), &[0x6011]); // str r1, [r2]
    rig.core.reset();
    if model == Model::M0 || model == Model::M0Plus {
        poke(&mut rig, 0xE000_E014, 0x00FF_FFFF);
        poke(&mut rig, SYST_CVR, 0);
        poke(&mut rig, 0xE000_E010, 5);
    } else {
        poke(&mut rig, 0xE000_EDFC, 1 << 24);
        poke(&mut rig, 0xE000_1000, 1);
        poke(&mut rig, 0xE000_ED88, 0xF << 20);
    }
    rig
}

fn set(rig: &mut Rig, name: &str, value: u32) {
    let index = rig.core.registers().iter().position(|info| info.name == name).unwrap();
    assert!(rig.core.set_register(index, value.into()), "{name}");
}

/// The guest stores a word.
fn poke(rig: &mut Rig, addr: u32, value: u32) {
    let pc = rig.register("pc");
    for (name, value) in [("r1", value), ("r2", addr), ("pc", POKE)] {
        set(rig, name, value);
    }
    assert_eq!(rig.step(), None);
    set(rig, "pc", pc);
}

/// Cycles of a sequence as the guest measures them: it reads the counter, executes, and reads it once more.
fn measure(model: Model, timing: &CycleTiming, sequence: &[u16]) -> u32 {
    // ldr r0, [r7]; nop; the sequence; nop; ldr r7, [r7]; b .
    let program = [&[0x6838, NOP], sequence, &[NOP, 0x683F, 0xE7FE]].concat();
    let mut rig = rig(model, timing.clone(), &program, &[0xE7FE]);
    rig.load_words(u64::from(DATA), &[1, 2, DATA + 16, 4, 5, 6]);
    let baseline = model == Model::M0 || model == Model::M0Plus;
    let counter = if baseline { SYST_CVR } else { CYCCNT };
    let values = [("r2", DATA), ("r3", 1), ("r4", 0x40D), ("r5", 100), ("r6", 8), ("r7", counter)];
    for (name, value) in values {
        set(&mut rig, name, value);
    }
    rig.run(rig.core.now().0 + 400);
    let (before, after) = (rig.register("r0"), rig.register("r7"));
    if baseline { before - after } else { after - before }
}

/// The sequence, its machine code, and its cycles on Cortex-M0, M3 and M4 (DDI 0432C 3.3, DDI 0337I 3.3, 100166 3.3.1).
/// r2 is in RAM, r3 is 1, r5 is 100, r6 is 8. Padding `nop`s are counted.
type Case = (&'static str, &'static [u16], [Option<u32>; 3]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("adds r1, r5, r6", &[0x19A9, 0x46C0], [Some(1), Some(1), Some(1)]),
    ("movs r1, #1; nop", &[0x2101, 0x46C0], [Some(2), Some(2), Some(2)]),
    ("muls r1, r5", &[0x4369, 0x46C0], [Some(1), Some(1), Some(1)]),
    ("mla r1, r5, r6, r3", &[0xFB05, 0x3106], [None, Some(2), Some(1)]),
    ("mls r1, r5, r6, r3", &[0xFB05, 0x3116], [None, Some(2), Some(1)]),
    ("umull r1, r4, r5, r6", &[0xFBA5, 0x1406], [None, Some(4), Some(1)]),
    ("smlal r1, r4, r5, r6", &[0xFBC5, 0x1406], [None, Some(5), Some(1)]),
    ("udiv r1, r6, r5", &[0xFBB6, 0xF1F5], [None, Some(2), Some(2)]),
    ("udiv r1, r5, r6", &[0xFBB5, 0xF1F6], [None, Some(4), Some(4)]),
    ("mvn r1, #0; udiv r1, r1, r3", &[0xF06F, 0x0100, 0xFBB1, 0xF1F3], [None, Some(13), Some(13)]),
    ("sdiv r1, r5, r6", &[0xFB95, 0xF1F6], [None, Some(4), Some(4)]),
    ("clz r1, r5", &[0xFAB5, 0xF185], [None, Some(1), Some(1)]),
    ("ssat r1, #4, r5", &[0xF305, 0x0103], [None, Some(1), Some(1)]),
    ("ldr r1, [r2]", &[0x6811, 0x46C0], [Some(2), Some(2), Some(2)]),
    ("ldrh r1, [r2, #2]", &[0x8851, 0x46C0], [Some(2), Some(2), Some(2)]),
    ("ldr r1, [r2]; ldr r4, [r2, #4]", &[0x6811, 0x6854], [Some(4), Some(3), Some(3)]),
    ("ldr r1, [r2, r6]; ldr r4, [r2]; ldr r5, [r2, #4]", &[0x5991, 0x6814, 0x6855, 0x46C0], [Some(6), Some(4), Some(4)]),
    ("ldr r1, [r2]; str r1, [r2, #20]", &[0x6811, 0x6151], [Some(4), Some(3), Some(3)]),
    ("ldr r1, [r2, r6]; str r4, [r2, r6]", &[0x5991, 0x5194], [Some(4), Some(3), Some(3)]),
    ("ldr r1, [r2, #8]; ldr r4, [r1]", &[0x6891, 0x680C], [Some(4), Some(4), Some(4)]),
    ("adds r2, #4; ldr r1, [r2]", &[0x3204, 0x6811], [Some(3), Some(4), Some(4)]),
    ("str r4, [r2]", &[0x6014, 0x46C0], [Some(2), Some(1), Some(1)]),
    ("str r4, [r2, r6]", &[0x5194, 0x46C0], [Some(2), Some(2), Some(2)]),
    ("push {r1, r4, r5}; pop {r1, r4, r5}", &[0xB432, 0xBC32], [Some(8), Some(8), Some(8)]),
    ("push {r1}; pop {r1}", &[0xB402, 0xBC02], [Some(4), Some(4), Some(4)]),
    ("ldmia r2!, {r1, r4, r5}", &[0xCA32, 0x46C0], [Some(4), Some(4), Some(4)]),
    ("stmia r2!, {r4, r5}", &[0xC230, 0x46C0], [Some(3), Some(3), Some(3)]),
    ("ldrd r4, r5, [r2]", &[0xE9D2, 0x4500], [None, Some(3), Some(3)]),
    ("ldrex r1, [r2]", &[0xE852, 0x1F00], [None, Some(2), Some(2)]),
    ("strex r1, r4, [r2]", &[0xE842, 0x4100], [None, Some(2), Some(2)]),
    ("strex r1, r4, [r2]; ldr r5, [r2]", &[0xE842, 0x4100, 0x6815, 0x46C0], [None, Some(3), Some(3)]),
    ("mov r1, pc; adds r1, #5; push {r1}; pop {pc}; 1:", &[0x4679, 0x3105, 0xB402, 0xBD00], [Some(9), Some(9), Some(9)]),
    ("b 1f; nop; 1:", &[0xE000, 0x46C0], [Some(3), Some(2), Some(2)]),
    ("b 1f; 1: nop", &[0xE7FF, 0x46C0], [Some(4), Some(4), Some(4)]),
    ("cmp r5, r5; bne 1f; 1:", &[0x42AD, 0xD1FF], [Some(2), Some(2), Some(2)]),
    ("cmp r5, r6; nop; bne 1f; nop; 1:", &[0x42B5, 0x46C0, 0xD100, 0x46C0], [Some(5), Some(4), Some(4)]),
    ("movs r1, #3; nop; 1: subs r1, #1; bne 1b", &[0x2103, 0x46C0, 0x3901, 0xD1FD], [Some(12), Some(10), Some(10)]),
    ("cbz r5, 1f; nop; 1: nop", &[0xB105, 0xBF00, 0xBF00, 0xBF00], [None, Some(4), Some(4)]),
    ("cbnz r5, 1f; nop; 1:", &[0xB905, 0xBF00], [None, Some(2), Some(2)]),
    ("bl 1f; b 2f; nop; 1: bx lr; nop; 2:", &[0xF000, 0xF802, 0xE002, 0x46C0, 0x4770, 0x46C0], [Some(10), Some(7), Some(7)]),
    ("movs r1, #0; tbb [pc, r1]; .byte 1, 0", &[0x2100, 0xE8DF, 0xF001, 0x0001], [None, Some(7), Some(7)]),
    ("cmp r5, r5; it ne; addne r1, r5", &[0x42AD, 0xBF18, 0x1949, 0xBF00], [None, Some(3), Some(3)]),
    ("cmp r5, r5; it ne; ldrne r1, [r2]", &[0x42AD, 0xBF18, 0x6811, 0xBF00], [None, Some(3), Some(3)]),
    ("cmp r5, r5; it eq; ldreq r1, [r2]", &[0x42AD, 0xBF08, 0x6811, 0xBF00], [None, Some(4), Some(4)]),
    ("cmp r5, r6; itte ne; ldrne r1, [r2]; nopne; ldreq r1, [r2]", &[0x42B5, 0xBF1A, 0x6811, 0xBF00, 0x6811, 0xBF00], [None, Some(6), Some(6)]),
    ("mrs r1, primask", &[0xF3EF, 0x8110], [Some(4), Some(2), Some(2)]),
    ("cpsid i", &[0xB672, 0x46C0], [Some(1), Some(2), Some(2)]),
    ("dmb", &[0xF3BF, 0x8F5F], [Some(4), Some(1), Some(1)]),
    ("isb", &[0xF3BF, 0x8F6F], [Some(4), Some(3), Some(3)]),
    ("sev", &[0xBF40, 0x46C0], [Some(1), Some(1), Some(1)]),
    ("movw r1, #0x1234", &[0xF241, 0x2134], [None, Some(1), Some(1)]),
    ("mov r1, r5; nop", &[0x4629, 0x46C0], [Some(2), Some(2), Some(2)]),
    ("cmn r5, r6; nop", &[0x42F5, 0x46C0], [Some(2), Some(2), Some(2)]),
    ("rors r1, r6", &[0x41F1, 0xBF00], [Some(1), Some(1), Some(1)]),
    ("rrx r1, r5", &[0xEA4F, 0x0135], [None, Some(1), Some(1)]),
    ("mvns r1, r5", &[0x43E9, 0xBF00], [Some(1), Some(1), Some(1)]),
    ("uxtb r1, r5", &[0xB2E9, 0xBF00], [Some(1), Some(1), Some(1)]),
    ("sxtah r1, r5, r6", &[0xFA05, 0xF186], [None, None, Some(1)]),
    ("ubfx r1, r5, #1, #3", &[0xF3C5, 0x0142], [None, Some(1), Some(1)]),
    ("bfi r1, r5, #1, #3", &[0xF365, 0x0143], [None, Some(1), Some(1)]),
    ("rev r1, r5", &[0xBA29, 0xBF00], [Some(1), Some(1), Some(1)]),
    ("rbit r1, r5", &[0xFA95, 0xF1A5], [None, Some(1), Some(1)]),
    ("usat r1, #4, r5", &[0xF385, 0x0104], [None, Some(1), Some(1)]),
    ("qadd r1, r5, r6", &[0xFA86, 0xF185], [None, None, Some(1)]),
    ("sadd8 r1, r5, r6", &[0xFA85, 0xF106], [None, None, Some(1)]),
    ("smlad r1, r5, r6, r3", &[0xFB25, 0x3106], [None, None, Some(1)]),
    ("smull r1, r4, r5, r6", &[0xFB85, 0x1406], [None, Some(4), Some(1)]),
    ("umlal r1, r4, r5, r6", &[0xFBE5, 0x1406], [None, Some(5), Some(1)]),
    ("umaal r1, r4, r5, r6", &[0xFBE5, 0x1466], [None, None, Some(1)]),
    ("mov pc, r4; nop; nop; nop; 1:", &[0x46A7, 0x46C0, 0x46C0, 0x46C0], [Some(3), Some(3), Some(3)]),
    ("bx r4; nop; nop; nop; 1:", &[0x4720, 0x46C0, 0x46C0, 0x46C0], [Some(3), Some(3), Some(3)]),
    ("blx r4; nop; nop; nop; 1:", &[0x47A0, 0x46C0, 0x46C0, 0x46C0], [Some(3), Some(3), Some(3)]),
    ("movs r1, #0; add pc, r1; nop; 1: nop", &[0x2100, 0x448F, 0x46C0, 0x46C0], [Some(5), Some(5), Some(5)]),
    ("ldrb r1, [r2]", &[0x7811, 0xBF00], [Some(2), Some(2), Some(2)]),
    ("ldrsh r1, [r2, r6]", &[0x5F91, 0xBF00], [Some(2), Some(2), Some(2)]),
    ("ldrt r1, [r2]", &[0xF852, 0x1E00], [None, Some(2), Some(2)]),
    ("ldr r1, [r2], #4", &[0xF852, 0x1B04], [None, Some(2), Some(2)]),
    ("strb r4, [r2]", &[0x7014, 0xBF00], [Some(2), Some(1), Some(1)]),
    ("strh r4, [r2, r6]", &[0x5394, 0xBF00], [Some(2), Some(2), Some(2)]),
    ("str r4, [r2, #4]!", &[0xF842, 0x4F04], [None, Some(1), Some(1)]),
    ("strd r4, r5, [r2]", &[0xE9C2, 0x4500], [None, Some(3), Some(3)]),
    ("push {r4, lr}; nop; pop {r4, r5}; nop", &[0xB510, 0x46C0, 0xBC30, 0x46C0], [Some(8), Some(8), Some(8)]),
    ("ldmdb r2, {r1, r5, r6}", &[0xE912, 0x0062], [None, Some(4), Some(4)]),
    ("movs r1, #0; tbh [pc, r1, lsl #1]; .hword 1; 1:", &[0x2100, 0xE8DF, 0xF011, 0x0001], [None, Some(7), Some(7)]),
    ("msr primask, r3", &[0xF383, 0x8810], [Some(4), Some(2), Some(2)]),
    ("clrex", &[0xF3BF, 0x8F2F], [None, Some(1), Some(1)]),
    ("dsb", &[0xF3BF, 0x8F4F], [Some(4), Some(1), Some(1)]),
    ("yield", &[0xBF10, 0xBF00], [Some(1), Some(1), Some(1)]),
    ("sev; wfe", &[0xBF40, 0xBF20], [Some(3), Some(3), Some(3)]),
    ("adr r1, .+4", &[0xA100, 0x46C0], [Some(1), Some(1), Some(1)]),
    ("ldr r1, [pc]", &[0x4900, 0x46C0], [Some(2), Some(2), Some(2)]),
    // Nothing is pipelined after a store (100166 3.3.3) but another one.
    ("str r4, [r2]; ldr r1, [r2]", &[0x6014, 0x6811], [Some(4), Some(4), Some(4)]),
    ("str r4, [r2]; str r5, [r2, #4]", &[0x6014, 0x6055], [Some(4), Some(2), Some(2)]),
    ("str r4, [r2]; nop; ldr r1, [r2]; nop", &[0x6014, 0xBF00, 0x6811, 0xBF00], [Some(6), Some(5), Some(5)]),
    ("str r4, [r2]; ldmia r2!, {r1, r4}", &[0x6014, 0xCA12], [Some(5), Some(5), Some(5)]),
    ("str r4, [r2]; ldrd r4, r5, [r2]; nop", &[0x6014, 0xE9D2, 0x4500, 0xBF00], [None, Some(6), Some(6)]),
    // An address that comes from the instruction before (3.3.3), of more than one register.
    ("adds r2, #4; ldmia r2!, {r1, r4}", &[0x3204, 0xCA12], [Some(4), Some(5), Some(5)]),
    ("adds r2, #4; ldrd r4, r5, [r2]; nop", &[0x3204, 0xE9D2, 0x4500, 0xBF00], [None, Some(6), Some(6)]),
    // 32-bit instructions in a row: aligned; two, three and four that are not.
    ("movw r1, #0x1234, five times", &[0xF241, 0x2134, 0xF241, 0x2134, 0xF241, 0x2134, 0xF241, 0x2134, 0xF241, 0x2134], [None, Some(5), Some(5)]),
    ("nop; movw twice; nop", &[0xBF00, 0xF241, 0x2134, 0xF241, 0x2134, 0xBF00], [None, Some(4), Some(4)]),
    ("nop; movw three times; nop", &[0xBF00, 0xF241, 0x2134, 0xF241, 0x2134, 0xF241, 0x2134, 0xBF00], [None, Some(6), Some(6)]),
    ("nop; movw four times; nop", &[0xBF00, 0xF241, 0x2134, 0xF241, 0x2134, 0xF241, 0x2134, 0xF241, 0x2134, 0xBF00], [None, Some(7), Some(7)]),
];

#[test]
fn instructions_take_what_the_manuals_say() {
    let models = [Model::M0, Model::M3, Model::M4];
    let empty = models.map(|model| measure(model, &CycleTiming::default(), &[]));
    let mut wrong = Vec::new();
    for (text, code, cycles) in CASES {
        // What pads the code to a word is one cycle.
        let padding = code.iter().rev().take_while(|half| **half == NOP || **half == 0xBF00).count() as u32;
        let padding =
            if text.ends_with("nop") || text.ends_with("1:") || text.ends_with("2:") { 0 } else { padding };
        for ((model, cycles), empty) in models.into_iter().zip(cycles).zip(empty) {
            let Some(cycles) = cycles else { continue };
            let measured = measure(model, &CycleTiming::default(), code) - empty - padding;
            if measured != *cycles {
                wrong.push(format!("{model:?} {text}: {measured}, not {cycles}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A price depends on what is in memory in front of the instruction, too; so a change of that changes it.
#[test]
fn what_stands_in_front_of_an_instruction_may_change() {
    // nop; movw r1, #0x1234, three times
    let program = [NOP, 0xF241, 0x2134, 0xF241, 0x2134, 0xF241, 0x2134, 0xE7FE];
    let mut rig = rig(Model::M4, CycleTiming::default(), &program, &[]);
    let third = |rig: &mut Rig| {
        set(rig, "pc", RESET + 10);
        let before = rig.core.now().0;
        rig.step();
        rig.core.now().0 - before
    };
    assert_eq!([third(&mut rig), third(&mut rig)], [2, 2]);
    // Two 16-bit instructions in place of the first movw.
    poke(&mut rig, RESET + 4, 0xF241_BF00);
    poke(&mut rig, RESET, 0xBF00_BF00);
    assert_eq!([third(&mut rig), third(&mut rig)], [1, 1]);
}

/// The floating-point unit of the Cortex-M4 (100166 7.2.3).
#[rustfmt::skip]
const FLOAT: &[(&str, &[u16], u32)] = &[
    ("vadd.f32 s0, s1, s2", &[0xEE30, 0x0A81], 1),
    ("vmul.f32 s0, s1, s2", &[0xEE20, 0x0A81], 1),
    ("vsub.f32 s0, s1, s2", &[0xEE30, 0x0AC1], 1),
    ("vcmp.f32 s1, s2", &[0xEEF4, 0x0A41], 1),
    ("vcvt.s32.f32 s0, s1", &[0xEEBD, 0x0AE0], 1),
    ("vmla.f32 s0, s1, s2", &[0xEE00, 0x0A81], 3),
    ("vfma.f32 s0, s1, s2", &[0xEEA0, 0x0A81], 3),
    ("vdiv.f32 s0, s1, s2; vneg.f32 s4, s5", &[0xEE80, 0x0A81, 0xEEB1, 0x2A62], 15),
    ("vsqrt.f32 s0, s1; vneg.f32 s4, s5", &[0xEEB1, 0x0AE0, 0xEEB1, 0x2A62], 15),
    // Instructions of the core are executed meanwhile.
    ("vdiv.f32 s0, s1, s2; nop; nop; vneg.f32 s4, s5", &[0xEE80, 0x0A81, 0xBF00, 0xBF00, 0xEEB1, 0x2A62], 15),
    ("vdiv.f32 s0, s1, s2; nop; nop; vneg.f32 s4, s0", &[0xEE80, 0x0A81, 0xBF00, 0xBF00, 0xEEB1, 0x2A40], 15),
    // The next instruction needs the result.
    ("vdiv.f32 s0, s1, s2; vneg.f32 s4, s0", &[0xEE80, 0x0A81, 0xEEB1, 0x2A40], 16),
    ("vadd.f32 s0, s1, s2; vadd.f32 s4, s0, s1", &[0xEE30, 0x0A81, 0xEE30, 0x2A20], 3),
    ("vadd.f32 s0, s1, s2; vadd.f32 s4, s3, s1", &[0xEE30, 0x0A81, 0xEE31, 0x2AA0], 2),
    ("vmul.f32 s0, s1, s2; vstr s0, [r2]", &[0xEE20, 0x0A81, 0xED82, 0x0A00], 4),
    ("vmul.f32 s0, s1, s2; vmov r1, s0", &[0xEE20, 0x0A81, 0xEE10, 0x1A10], 3),
    ("vmul.f32 s0, s1, s2; vmla.f32 s4, s0, s1", &[0xEE20, 0x0A81, 0xEE00, 0x2A20], 5),
    // What a multiplication adds to is needed later.
    ("vmul.f32 s0, s1, s2; vmla.f32 s0, s1, s2", &[0xEE20, 0x0A81, 0xEE00, 0x0A81], 4),
    ("vldr s0, [r2]", &[0xED92, 0x0A00], 2),
    ("vldr d0, [r2]", &[0xED92, 0x0B00], 3),
    ("vstr s0, [r2]", &[0xED82, 0x0A00], 2),
    ("vldmia r2, {s0-s3}", &[0xEC92, 0x0A04], 5),
    ("vpush {d0-d1}", &[0xED2D, 0x0B04], 5),
    ("vmov r1, s0", &[0xEE10, 0x1A10], 1),
    ("vmov r1, r4, s0, s1", &[0xEC54, 0x1A10], 2),
    ("vmrs r1, fpscr", &[0xEEF1, 0x1A10], 1),
    ("vabs.f32 s0, s1", &[0xEEB0, 0x0AE0], 1),
    ("vneg.f32 s0, s1", &[0xEEB1, 0x0A60], 1),
    ("vmov.f32 s0, #1.0", &[0xEEB7, 0x0A00], 1),
    ("vmov.f32 s0, s1", &[0xEEB0, 0x0A60], 1),
    ("vmov s0, r5", &[0xEE00, 0x5A10], 1),
    ("vmov s0, s1, r5, r6", &[0xEC46, 0x5A10], 2),
    ("vmsr fpscr, r3", &[0xEEE1, 0x3A10], 1),
    ("vcmp.f32 s1, #0.0", &[0xEEF5, 0x0A40], 1),
    ("vnmul.f32 s0, s1, s2", &[0xEE20, 0x0AC1], 1),
    ("vmls.f32 s0, s1, s2", &[0xEE00, 0x0AC1], 3),
    ("vnmla.f32 s0, s1, s2", &[0xEE10, 0x0AC1], 3),
    ("vfnms.f32 s0, s1, s2", &[0xEE90, 0x0A81], 3),
    ("vstr d0, [r2]", &[0xED82, 0x0B00], 3),
    ("vstmia r2, {s0-s3}", &[0xEC82, 0x0A04], 5),
    ("vpush {d0-d1}; vpop {d0-d1}", &[0xED2D, 0x0B04, 0xECBD, 0x0B04], 10),
];

#[test]
fn floating_point_takes_what_the_manual_says() {
    let empty = measure(Model::M4F, &CycleTiming::default(), &[]);
    for (text, code, cycles) in FLOAT {
        assert_eq!(measure(Model::M4F, &CycleTiming::default(), code) - empty, *cycles, "{text}");
    }
}

#[test]
fn a_chip_may_have_the_small_multiplier() {
    let small = CycleTiming { multiply: Some(32), ..CycleTiming::default() };
    let muls = [0x4369, NOP];
    let empty = measure(Model::M0, &small, &[NOP]);
    assert_eq!(measure(Model::M0, &small, &muls) - empty, 32);
}

#[test]
fn memory_and_peripherals_add_their_waits() {
    let flash =
        Slow { base: 0, size: 0x1_0000, sequential: 2, branch: 3, data: 2, line: 4, ..Slow::default() };
    let bus = SlowBus { base: WORDS, size: 0x1000, read: 4, write: 1 };
    let slow = CycleTiming { slow: vec![flash], buses: vec![bus], ..CycleTiming::default() };
    let nops = |count: usize| vec![NOP; count];
    let empty = measure(Model::M4, &slow, &[]);
    // Two instructions in a word wait once.
    assert_eq!(measure(Model::M4, &slow, &nops(8)) - empty, 8 + 4 * 2);
    // A branch to a word's second half waits for it; one to its first half waits as the sequence would, and one more.
    let nop = measure(Model::M4, &slow, &nops(2)) - empty;
    assert_eq!(measure(Model::M4, &slow, &[0xE7FF, NOP]) - empty - nop, 3 + 3 - 1);
    assert_eq!(measure(Model::M4, &slow, &[0xE000, NOP]) - empty, 2 + 2 + (3 - 2));
    // ldr r1, [r2]; ldr r1, [r2]; str r1, [r2]; str r1, [r2]; ldr r1, [r2] of a peripheral.
    let mut rig = rig(Model::M4, slow, &[0x6811, 0x6811, 0x6011, 0x6011, 0x6811, 0xE7FE], &[]);
    set(&mut rig, "r2", WORDS as u32);
    rig.bus.log = true;
    rig.run(rig.core.now().0 + 40);
    let at: Vec<u64> = rig.bus.accesses.iter().map(|access| access.0).collect();
    let between: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Two instructions to a word, of which the first waits 2; the first load overlaps the second, the last one waits for
    // the store.
    assert_eq!(between[..4], [1 + 2 + 4, 2 + 4, 1 + 2 + 1, 1 + 1 + 1]);
}

#[test]
fn a_memory_that_reads_ahead_makes_branches_wait() {
    let flash = Slow { size: 0x1_0000, sequential: 2, branch: 2, prefetch: true, line: 8, ..Slow::default() };
    let slow = CycleTiming { slow: vec![flash], ..CycleTiming::default() };
    let empty = measure(Model::M4, &slow, &[]);
    // Straight on, 16-bit instructions never wait; two of 32 bits are faster than their line.
    assert_eq!(measure(Model::M4, &slow, &[NOP; 16]) - empty, 16);
    let wide = [0xF305, 0x0103].repeat(8); // ssat r1, #4, r5
    assert_eq!(measure(Model::M4, &slow, &wide) - empty, 8 + 3);
    // A branch to a line's begin waits for it, and half as long for what was being read; one to its last word waits for
    // the next line, too. Padding brings both to where their halves of a line are the same.
    let skip = |padding: usize| [vec![NOP; padding], vec![0xE000, NOP]].concat();
    let (first, last) = (measure(Model::M4, &slow, &skip(0)), measure(Model::M4, &slow, &skip(2)));
    let mut both = [first - empty, last - empty - 2];
    both.sort_unstable();
    assert_eq!(both, [2 + 2 + 1, 2 + 2 + 1 + 2]);
}

/// Cycles of ten rounds of `subs r0, #1; bne`, step by step.
fn ten_rounds(rig: &mut Rig) -> u64 {
    set(rig, "pc", RESET);
    set(rig, "r0", 11);
    let before = rig.core.now().0;
    for _ in 0..20 {
        rig.step();
    }
    rig.core.now().0 - before
}

/// The nRF52's flash (nRF52832 PS chapter 7: at most 2 wait states without the cache): Nordic's own delay loop, SUBS and a
/// branch in one line, is said to take 7 cycles on the chips of the family that have no cache and 3 on the others.
#[test]
fn a_cache_of_code_takes_the_waits_away_while_it_is_on() {
    let cached = Some(Cached { data: 2, ..Cached::default() });
    let flash = Slow {
        size: 0x1_0000,
        sequential: 2,
        branch: 2,
        prefetch: true,
        data: 2,
        line: 8,
        cached,
        ..Slow::default()
    };
    let timing = CycleTiming { slow: vec![flash], ..CycleTiming::default() };
    let mut rig = rig(Model::M4F, timing.clone(), &[0x3801, 0xD1FD, 0xE7FE], &[]);
    assert_eq!(ten_rounds(&mut rig), 70);
    rig.core.set_code_cache(true);
    assert_eq!(ten_rounds(&mut rig), 30);
    // A core that is restored has it as the saved one had.
    let saved = rig.core.save().unwrap();
    let mut other = self::rig(Model::M4F, timing, &[0x3801, 0xD1FD, 0xE7FE], &[]);
    other.core.restore(&saved).unwrap();
    assert_eq!(ten_rounds(&mut other), 30);
    rig.core.reset();
    assert_eq!(ten_rounds(&mut rig), 70);
}

/// Cycles from a line's rise to its handler's first instruction, which a device sees.
fn latency(model: Model, timing: CycleTiming, program: &[u16]) -> u64 {
    let handler = [0x6838, 0x4770]; // ldr r0, [r7]; bx lr
    let mut rig = rig(model, timing, program, &handler);
    poke(&mut rig, 0xE000_E100, 8);
    set(&mut rig, "r7", WORDS as u32);
    rig.run(rig.core.now().0 + 20);
    let rise = rig.core.now().0;
    rig.core.pulse_line(3);
    rig.bus.log = true;
    assert!(matches!(rig.run(rise + 100), Stop::Reached | Stop::Idle));
    rig.bus.accesses[0].0 - rise
}

#[test]
fn an_interrupt_is_served_in_the_manuals_time() {
    let nops = [vec![NOP; 200], vec![0xE7FE]].concat();
    // wfi; b .-2
    let sleep = [0xBF30, 0xE7FD];
    for (model, cycles) in
        [(Model::M0, 16), (Model::M0Plus, 15), (Model::M3, 12), (Model::M4, 12), (Model::M4F, 12)]
    {
        for program in [&nops[..], &sleep[..]] {
            assert_eq!(latency(model, CycleTiming::default(), program), cycles, "{model:?}");
        }
        // Eight words to a stack that waits one cycle for each.
        let stack = Slow { base: 0x2000_0000, size: 0x1000, data: 1, ..Slow::default() };
        let slow = CycleTiming { slow: vec![stack], ..CycleTiming::default() };
        assert_eq!(latency(model, slow, &nops), cycles + 8, "{model:?}");
    }
}

#[test]
fn handlers_are_chained_and_left_in_the_manuals_time() {
    // The program reads a device, and so does the handler: str r0, [r7]; bx lr.
    let program = [vec![0x6838; 100], vec![0xE7FE]].concat();
    for (model, entry, chained, left) in
        [(Model::M3, 12, 6, 12), (Model::M4, 12, 6, 12), (Model::M0, 16, 10, 16)]
    {
        let mut rig = rig(model, CycleTiming::default(), &program, &[0x6038, 0x4770]);
        poke(&mut rig, 0xE000_E100, 0xF);
        set(&mut rig, "r7", WORDS as u32);
        rig.run(rig.core.now().0 + 10);
        let rise = rig.core.now().0;
        rig.core.pulse_line(2);
        rig.core.pulse_line(3);
        rig.bus.log = true;
        rig.run(rise + 90);
        let at: Vec<u64> = rig.bus.accesses.iter().map(|access| access.0 - rise).collect();
        let store = if model == Model::M0 { 2 } else { 1 };
        let second = entry + store + chained;
        assert_eq!(at[..3], [entry, second, second + store + left], "{model:?}");
        let numbers: Vec<u16> = rig
            .bus
            .notes
            .iter()
            .filter_map(|(_, event)| match event {
                CoreEvent::Entry { number, .. } => Some(*number),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [18, 19], "{model:?}");
    }
}

/// The numbers and times of the first two exceptions taken when interrupt 3 comes, and 4, which is more urgent, later.
fn late(model: Model, cut: bool, after: u64) -> Vec<(u16, u64)> {
    let nops = [vec![NOP; 200], vec![0xE7FE]].concat();
    // str r0, [r7]; bx lr
    let mut rig = rig(model, CycleTiming::default(), &nops, &[0x6038, 0x4770]);
    poke(&mut rig, 0xE000_E100, 0x18);
    poke(&mut rig, 0xE000_E400, 0xC000_0000);
    set(&mut rig, "r7", WORDS as u32);
    rig.run(rig.core.now().0 + 20);
    let rise = rig.core.now().0;
    rig.core.pulse_line(3);
    rig.bus.log = true;
    for at in rise + 1..rise + after {
        if cut {
            rig.run(at);
            // What is saved in the middle of an entry goes on with it.
            let saved = rig.core.save().unwrap();
            rig.core.restore(&saved).unwrap();
        }
    }
    rig.run(rise + after);
    rig.core.pulse_line(4);
    rig.run(rise + 100);
    let numbers = rig.bus.notes.iter().filter_map(|(_, event)| match event {
        CoreEvent::Entry { number, .. } => Some(*number),
        _ => None,
    });
    numbers.zip(rig.bus.accesses.iter().map(|access| access.0 - rise)).collect()
}

/// DDI 0337I 3.9: until stacking has ended, another exception may take the place of the first.
#[test]
fn a_more_urgent_interrupt_may_arrive_late() {
    for cut in [false, true] {
        for after in [1, 6, 12] {
            let chained = 12 + 1 + 6;
            assert_eq!(late(Model::M3, cut, after), [(20, 12), (19, chained)], "{after} {cut}");
        }
        // Behind the first handler's first instruction it preempts that, and stacks again.
        assert_eq!(late(Model::M4, cut, 13), [(19, 12), (20, 13 + 12)], "{cut}");
        assert_eq!(late(Model::M0, cut, 9), [(20, 16), (19, 16 + 2 + 10)], "{cut}");
    }
}
