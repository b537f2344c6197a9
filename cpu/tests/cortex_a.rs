//! A Cortex-A53 between interrupts, exception levels and vectors: wherever its run is cut, and into whatever fresh
//! core its saved state goes, it ends the same.

#![expect(clippy::unwrap_used, reason = "tests")]

use consort_core::bus::{Addr, Bus, BusError, Memory, Width};
use consort_core::cpu::{Core, Region, RegionKind, Stop};
use consort_core::state::State as _;
use consort_core::time::Cycles;
use consort_core::trace::CoreEvent;
use consort_cpu::cortex_a::{CortexA, CortexAConfig, Model};
use proptest::prelude::*;

const RAM: Addr = 0x4000_0000;

/// EL1 sets up vectors, GIC and virtual timer; EL0 then computes with vectors until five interrupts were taken, and
/// calls EL1, which powers off by PSCI through SMC.
const START: &[u32] = &[
    0x1000_4000, // start: adr x0, vectors
    0xD518_C000, // msr vbar_el1, x0
    0xD2A1_0000, // mov x0, #0x08000000
    0x5280_0021, // mov w1, #1
    0xB900_0001, // str w1, [x0]           GICD_CTLR
    0x52A1_0001, // mov w1, #0x08000000
    0xB901_0001, // str w1, [x0, #0x100]   GICD_ISENABLER0: 27
    0x9140_4000, // add x0, x0, #0x10000
    0x5280_1E01, // mov w1, #0xf0
    0xB900_0401, // str w1, [x0, #4]       GICC_PMR
    0x5280_0021, // mov w1, #1
    0xB900_0001, // str w1, [x0]           GICC_CTLR
    0xD280_0281, // mov x1, #20
    0xD51B_E301, // msr cntv_tval_el0, x1
    0xD51B_E321, // msr cntv_ctl_el0, x1   still off
    0xD280_0021, // mov x1, #1
    0xD51B_E321, // msr cntv_ctl_el0, x1
    0xD280_0014, // mov x20, #0
    0x1000_0080, // adr x0, user
    0xD518_4020, // msr elr_el1, x0
    0xD518_401F, // msr spsr_el1, xzr
    0xD69F_03E0, // eret
    0x6F03_F700, // user: fmov v0.2d, #1.5
    0x6F03_F501, // fmov v1.2d, #0.75
    0x4F00_E462, // movi v2.16b, #3
    0x4F00_F41E, // fmov v30.4s, #2.0
    0x4E61_CC03, // 1: fmla v3.2d, v0.2d, v1.2d
    0x4E61_D400, // fadd v0.2d, v0.2d, v1.2d
    0x4E22_8442, // add v2.16b, v2.16b, v2.16b
    0x6E23_1C84, // eor v4.16b, v4.16b, v3.16b
    0x6EA1_FBC5, // fsqrt v5.4s, v30.4s
    0x4E25_D7DE, // fadd v30.4s, v30.4s, v5.4s
    0x9100_04A5, // add x5, x5, #1
    0xF100_169F, // cmp x20, #5
    0x54FF_FF03, // b.lo 1b
    0xD400_0021, // svc #1
];
/// Synchronous exceptions from EL0.
const CALL: (Addr, &[u32]) = (
    0xC00,
    &[
        0x1800_0060, // ldr w0, =0x84000008    SYSTEM_OFF
        0xD400_0003, // smc #0
        0x1400_0000, // b .
        0x8400_0008,
    ],
);
/// Interrupts from EL0.
const INTERRUPT: (Addr, &[u32]) = (
    0xC80,
    &[
        0xD2A1_002A, // mov x10, #0x08010000
        0xB940_0D4B, // ldr w11, [x10, #0xc]   GICC_IAR
        0x9100_0694, // add x20, x20, #1
        0xD280_028C, // mov x12, #20
        0xD51B_E30C, // msr cntv_tval_el0, x12
        0xB900_114B, // str w11, [x10, #0x10]  GICC_EOIR
        0xD69F_03E0, // eret
    ],
);

/// Nothing but ears.
#[derive(Default)]
struct Ears(Vec<(u64, CoreEvent)>);

impl Bus for Ears {
    fn read(&mut self, _: Cycles, addr: Addr, _: Width, _: &mut dyn Memory) -> Result<u64, BusError> {
        Err(BusError::Unmapped(addr))
    }
    fn write(&mut self, _: Cycles, addr: Addr, _: Width, _: u64, _: &mut dyn Memory) -> Result<(), BusError> {
        Err(BusError::Unmapped(addr))
    }
    fn note(&mut self, at: Cycles, event: CoreEvent) {
        self.0.push((at.0, event));
    }
    fn attention(&self) -> bool {
        false
    }
}

fn core(timing: bool) -> CortexA {
    let mut core = CortexA::new(CortexAConfig {
        model: Model::A53,
        clock: 1_000_000_000,
        interrupts: 32,
        hypervisor: false,
        distributor: 0x0800_0000,
        cpu_interface: 0x0801_0000,
        start: RAM,
        argument: 0,
        timing,
    })
    .unwrap();
    core.map(Region { base: RAM, size: 0x1_0000, kind: RegionKind::Ram }).unwrap();
    for (offset, words) in [(0, START), CALL, INTERRUPT] {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        core.memory_mut().write(RAM + offset, &bytes).unwrap();
    }
    core.reset();
    core
}

/// All registers that a debugger sees, time, instructions and what was noted.
type Outcome = (Vec<Option<u128>>, u64, u64, Vec<(u64, CoreEvent)>);

/// Runs to the power-off, cut after each of `spans` cycles and going on in a fresh core each time.
fn run(spans: &[u64], timing: bool) -> Outcome {
    let (mut core, mut ears) = (core(timing), Ears::default());
    for span in spans {
        let until = core.now() + *span;
        while core.now() < until {
            assert_eq!(core.run(&mut ears, until), Stop::Reached);
        }
        let mut fresh = self::core(timing);
        let mut ram = vec![0; 0x1_0000];
        core.memory().read(RAM, &mut ram).unwrap();
        fresh.memory_mut().write(RAM, &ram).unwrap();
        fresh.restore(&core.save().unwrap()).unwrap();
        core = fresh;
    }
    assert_eq!(core.run(&mut ears, Cycles(1_000_000)), Stop::PowerOff);
    let registers = (0..core.registers().len()).map(|index| core.register(index)).collect();
    (registers, core.now().0, core.instructions(), ears.0)
}

fn register(outcome: &Outcome, name: &str) -> u128 {
    let index = core(false).registers().iter().position(|known| known.name == name).unwrap();
    outcome.0[index].unwrap()
}

#[test]
fn interrupts_reach_el1_and_vectors_compute_in_el0() {
    let outcome = run(&[], false);
    assert_eq!(register(&outcome, "x20"), 5);
    let entries = outcome.3.iter().filter(|(_, event)| matches!(event, CoreEvent::Entry { number: 27, .. }));
    assert_eq!(entries.count(), 5);
    // What the loop computes, as this machine's own processor does.
    let rounds = register(&outcome, "x5");
    let (mut a, mut sum, mut mixed, mut root) = (1.5_f64, 0.0_f64, 0_u64, 2.0_f32);
    for _ in 0..rounds {
        sum = a.mul_add(0.75, sum);
        a += 0.75;
        mixed ^= sum.to_bits();
        root += root.sqrt();
    }
    let twice = |bits: u64| u128::from(bits) << 64 | u128::from(bits);
    assert_eq!(register(&outcome, "v3"), twice(sum.to_bits()));
    assert_eq!(register(&outcome, "v4"), twice(mixed));
    let word = u64::from(root.to_bits());
    assert_eq!(register(&outcome, "v30"), twice(word << 32 | word));
    assert!(rounds > 50, "{rounds}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn cuts_and_fresh_cores_change_nothing(
        spans in proptest::collection::vec(1_u64..250, 1..6),
        timing in any::<bool>(),
    ) {
        prop_assert_eq!(run(&spans, timing), run(&[], timing));
    }
}
