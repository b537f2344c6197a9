//! Where a run is cut, saved, moved or watched changes nothing: random programs with SysTick, interrupt lines,
//! sleep and faults leave one trace.
#![allow(clippy::unwrap_used, reason = "test code")]

mod cortex_m_rig;

use consort_core::cpu::{Core, Stop};
use consort_core::state::State;
use consort_core::trace::CoreEvent;
use consort_cpu::cortex_m::{CortexMConfig, CycleTiming, Model, Slow, SlowBus};
use cortex_m_rig::program::{CODE, Flavour, Image, image};
use cortex_m_rig::{Rig, config};
use proptest::prelude::*;

const END: u64 = 20_000;

fn flavour(model: Model) -> Flavour {
    Flavour {
        m4f: model == Model::M4F,
        baseline: model == Model::M0,
        timed: true,
        faults: model != Model::M0,
    }
}

/// A core, and whether it counts cycles (with slow memory and slow peripherals) or instructions.
type How = (Model, bool);

fn start((model, cycles): How, image: &Image) -> Rig {
    let slow =
        Slow { base: 0, size: 0x40_0000, sequential: 1, branch: 2, data: 1, line: 4, ..Slow::default() };
    let bus = SlowBus { base: 0, size: 1 << 32, read: 3, write: 2 };
    let timing = cycles.then(|| CycleTiming { multiply: None, slow: vec![slow], buses: vec![bus] });
    let mut rig = Rig::with(CortexMConfig { timing, ..config(model) });
    rig.load_halves(0, &image.halves);
    rig.core.reset();
    rig.bus.log = true;
    rig
}

/// What a run is judged by.
#[derive(PartialEq)]
struct Outcome {
    now: u64,
    instructions: u64,
    notes: Vec<(u64, CoreEvent)>,
    accesses: Vec<(u64, u64, bool)>,
    state: Vec<u8>,
    memory: Vec<u8>,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} notes {} last {:x?}, {} accesses",
            self.now,
            self.instructions,
            self.notes.len(),
            self.notes.last_chunk::<4>(),
            self.accesses.len()
        )
    }
}

fn outcome(rig: Rig) -> Outcome {
    let mut memory = vec![0; 0x1_0000];
    rig.core.memory().read(0x2000_0000, &mut memory).unwrap();
    Outcome {
        now: rig.core.now().0,
        instructions: rig.core.instructions(),
        notes: rig.bus.notes,
        accesses: rig.bus.accesses,
        state: rig.core.save().unwrap(),
        memory,
    }
}

fn straight(how: How, image: &Image) -> Outcome {
    let mut rig = start(how, image);
    let stop = rig.run(END);
    assert!(matches!(stop, Stop::Reached | Stop::Idle | Stop::Lockup), "{stop:?} at {:#x}", rig.core.pc());
    outcome(rig)
}

/// A core like the other, in a fresh engine.
fn moved(how: How, image: &Image, rig: Rig) -> Rig {
    let mut memory = vec![0; 0x1_0000];
    rig.core.memory().read(0x2000_0000, &mut memory).unwrap();
    let state = rig.core.save().unwrap();
    let mut fresh = start(how, image);
    fresh.load(0x2000_0000, &memory);
    fresh.core.restore(&state).unwrap();
    assert_eq!(fresh.core.save().unwrap(), state, "saved twice");
    fresh.bus = rig.bus;
    fresh
}

fn models() -> impl Strategy<Value = How> {
    let models = prop_oneof![Just(Model::M0), Just(Model::M3), Just(Model::M3), Just(Model::M4F)];
    (models, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(
        how in models(), seed in any::<u64>(), cuts in proptest::collection::vec(1u64..400, 1..60),
    ) {
        let image = image(seed, 8, 40, flavour(how.0));
        let whole = straight(how, &image);
        let mut rig = start(how, &image);
        let mut at = 0;
        for cut in cuts {
            at = END.min(at + cut);
            rig.run(at);
        }
        rig.run(END);
        prop_assert_eq!(outcome(rig), whole);
    }

    #[test]
    fn a_fresh_engine_goes_on_as_if_nothing_had_happened(
        how in models(), seed in any::<u64>(), cuts in proptest::collection::vec(1u64..2000, 1..12),
    ) {
        let image = image(seed, 8, 40, flavour(how.0));
        let whole = straight(how, &image);
        let mut rig = start(how, &image);
        let mut at = 0;
        for cut in cuts {
            at = END.min(at + cut);
            rig.run(at);
            rig = moved(how, &image, rig);
        }
        rig.run(END);
        prop_assert_eq!(outcome(rig), whole);
    }

    #[test]
    fn breakpoints_and_steps_change_nothing(
        how in models(), seed in any::<u64>(),
        at in proptest::collection::vec(0u64..1200, 1..40), steps in 0u32..50,
    ) {
        let image = image(seed, 8, 40, flavour(how.0));
        let whole = straight(how, &image);
        let mut rig = start(how, &image);
        let breakpoints: Vec<u64> = at.iter().map(|at| u64::from(CODE) + 2 * at).collect();
        rig.core.set_breakpoints(&breakpoints);
        while rig.run(END) == Stop::Breakpoint {
            prop_assert!(breakpoints.contains(&rig.core.pc()));
            for _ in 0..steps {
                if rig.core.now().0 + 1 >= END || rig.step().is_some() {
                    break;
                }
            }
        }
        rig.core.set_breakpoints(&[]);
        prop_assert_eq!(outcome(rig), whole);
    }
}

#[test]
fn the_programs_are_worth_running() {
    let mut counts = std::collections::BTreeMap::new();
    let mut sleeps = 0;
    for seed in 0..20 {
        let whole = straight((Model::M3, false), &image(seed, 8, 40, flavour(Model::M3)));
        for (_, event) in whole.notes {
            match event {
                CoreEvent::Entry { number, .. } => *counts.entry(number).or_insert(0u32) += 1,
                CoreEvent::Sleep => sleeps += 1,
                _ => {}
            }
        }
    }
    let at_least = |numbers: std::ops::RangeInclusive<u16>, least: u32| {
        let taken: u32 = numbers.clone().filter_map(|n| counts.get(&n)).sum();
        assert!(taken >= least, "exceptions {numbers:?}: {counts:?}");
    };
    at_least(3..=3, 2);
    at_least(4..=6, 5);
    at_least(11..=11, 5);
    at_least(14..=14, 5);
    at_least(15..=15, 10);
    at_least(16..=23, 20);
    at_least(36..=47, 20);
    assert!(sleeps > 5, "{sleeps}");
}
