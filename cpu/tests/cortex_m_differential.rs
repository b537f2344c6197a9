//! Random Thumb-2 programs with exceptions and faults leave the same memory here and on QEMU.
//!
//! Without qemu-system-arm there is nothing to compare with: the test then says so and passes. QEMU runs with one
//! instruction per block, so that it takes interrupts at the same instruction as hardware and this core do.
#![allow(clippy::unwrap_used, reason = "test code")]

mod cortex_m_rig;

use std::process::Command;

use consort_core::cpu::{Core, Stop};
use consort_core::trace::CoreEvent;
use consort_cpu::cortex_m::{CortexMConfig, Model};
use cortex_m_rig::program::{Flavour, Image, RESULTS, image};
use cortex_m_rig::{Rig, config};

/// What the image prints on QEMU, or `None` without QEMU.
fn on_qemu(machine: &str, name: &str, image: &Image) -> Option<Vec<u8>> {
    let dir = std::env::temp_dir().join(format!("consort-differential-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (kernel, serial) = (dir.join("image.bin"), dir.join("uart"));
    let bytes: Vec<u8> = image.halves.iter().flat_map(|half| half.to_le_bytes()).collect();
    std::fs::write(&kernel, bytes).unwrap();
    let status = Command::new("timeout")
        .args([
            "120",
            "qemu-system-arm",
            "-M",
            machine,
            "-display",
            "none",
            "-monitor",
            "none",
            "-singlestep",
        ])
        .args(["-semihosting-config", "enable=on,target=native", "-serial"])
        .arg(format!("file:{}", serial.display()))
        .arg("-kernel")
        .arg(&kernel)
        .output();
    let out = std::fs::read(&serial).unwrap_or_default();
    std::fs::remove_dir_all(&dir).unwrap();
    match status {
        Ok(output) if output.status.code() != Some(127) => {
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            Some(out)
        }
        _ => None,
    }
}

fn here(model: Model, name: &str, image: &Image) -> (Vec<u8>, Vec<(u64, CoreEvent)>) {
    let mut rig = Rig::with(CortexMConfig { semihosting: true, priority_bits: 8, ..config(model) });
    rig.load_halves(0, &image.halves);
    rig.core.reset();
    let stop = rig.run(50_000_000);
    assert_eq!(stop, Stop::Semihosting, "{name} at {:#x}, {:?}", rig.core.pc(), rig.bus.notes.last());
    assert_eq!(rig.core.semihosting().op, 0x18, "{name}");
    (rig.bus.uart, rig.bus.notes)
}

fn compare(model: Model, machine: &str, flavour: Flavour, seeds: std::ops::Range<u64>) {
    const BODIES: usize = 60;
    for seed in seeds {
        let name = format!("{machine}-{}{seed}", if flavour.faults { "faults-" } else { "" });
        let image = image(seed, BODIES, 40, flavour);
        let Some(theirs) = on_qemu(machine, &name, &image) else {
            eprintln_skip();
            return;
        };
        let (ours, notes) = here(model, &name, &image);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let Some(at) = ours.iter().zip(&theirs).position(|(a, b)| a != b) else { continue };
        if let Ok(dir) = std::env::var("CONSORT_KEEP") {
            let bytes: Vec<u8> = image.halves.iter().flat_map(|half| half.to_le_bytes()).collect();
            std::fs::write(format!("{dir}/{name}.bin"), bytes).unwrap();
            std::fs::write(format!("{dir}/{name}.notes"), format!("{notes:#x?}")).unwrap();
        }
        let at = at & !3;
        let base = cortex_m_rig::program::DATA - 0x100;
        let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        // The first body whose results differ says where to look.
        let results = (RESULTS - base) as usize;
        let first = (0..image.bodies).find(|n| {
            let row = results + 64 * n..results + 64 * (n + 1);
            ours[row.clone()] != theirs[row]
        });
        let rows = first.map(|n| {
            let words = |bytes: &[u8]| -> Vec<u32> {
                (0..12).map(|i| word(bytes, results + 64 * n + 4 * i)).collect()
            };
            (words(&ours), words(&theirs))
        });
        panic!(
            "{name}: {:#010x} is {:#010x} here, {:#010x} on QEMU; first body {first:?}: {rows:#x?}",
            base + at as u32,
            word(&ours, at),
            word(&theirs, at)
        );
    }
}

#[expect(clippy::print_stderr, reason = "the one sign that nothing was compared")]
fn eprintln_skip() {
    eprintln!("skipped: qemu-system-arm is not installed");
}

/// More seeds by `CONSORT_SEEDS=from..to`.
fn seeds(default: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CONSORT_SEEDS") else { return default };
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn plain_programs_on_a_cortex_m3() {
    let flavour = Flavour { m4f: false, baseline: false, timed: false, faults: false };
    compare(Model::M3, "mps2-an385", flavour, seeds(0..6));
}

#[test]
fn faulting_programs_on_a_cortex_m3() {
    let flavour = Flavour { m4f: false, baseline: false, timed: false, faults: true };
    compare(Model::M3, "mps2-an385", flavour, seeds(100..106));
}

#[test]
fn dsp_and_fpu_programs_on_a_cortex_m4f() {
    let flavour = Flavour { m4f: true, baseline: false, timed: false, faults: true };
    compare(Model::M4F, "mps2-an386", flavour, seeds(200..206));
}
