//! The conformance images that need no more than a core and a UART say so themselves: every line is ok.
#![allow(clippy::unwrap_used, reason = "test code")]

mod cortex_m_rig;

use consort_core::cpu::{Core, Stop};
use consort_cpu::cortex_m::Model;
use cortex_m_rig::Rig;

fn run(name: &str, model: Model, until: u64) -> Rig {
    let path = format!("{}/../firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"));
    let elf = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut rig = Rig::new(model);
    rig.load_elf(&elf);
    rig.core.reset();
    loop {
        match rig.run(until) {
            Stop::ResetRequest => rig.core.reset(),
            Stop::Idle | Stop::Reached | Stop::Lockup => return rig,
            stop => panic!("{name}: {stop:?} at {:#x}\n{}", rig.core.pc(), rig.text()),
        }
    }
}

/// Runs a conformance image and expects nothing but passed checks; `absent` names checks of what this board lacks.
fn conforms(name: &str, model: Model, absent: &[&str]) {
    let rig = run(name, model, 100_000_000);
    let text = rig.text();
    let failed: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("FAIL") && !absent.iter().any(|check| line.contains(check)))
        .collect();
    let done = text.lines().last().is_some_and(|line| line.starts_with("DONE"));
    let passed = text.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(
        done && failed.is_empty() && passed > 3,
        "{name} on {model:?}, at {:#x} after {passed} checks: {failed:#?}, last {:?}, {:x?}",
        rig.core.pc(),
        text.lines().last(),
        rig.bus.notes.last_chunk::<4>()
    );
}

macro_rules! images {
    ($($test:ident: $image:literal on $($model:ident),+ $(but $absent:literal)*;)*) => {
        $(#[test]
        fn $test() {
            let absent = &[$($absent)*];
            $(conforms($image, Model::$model, absent);)+
        })*
    };
}

// The others need a whole board: they run where boards are.
images! {
    bfhfnmign: "test-bfhfnmign" on M3, M4F;
    bit_band: "test-bitband" on M3, M4F;
    dwt: "test-dwt" on M3;
    exceptions: "test-exceptions" on M3, M4F, M7;
    faults: "test-faults" on M3, M4F;
    fpu: "test-fpu" on M4F;
    mpu: "test-mpu" on M3, M4F;
    nvic: "test-nvic" on M3, M4F;
    sleep: "test-sleep" on M3, M4F;
    stress: "test-stress" on M4F but "the dual timer interrupted";
    systick: "test-systick" on M3, M4F;
}
