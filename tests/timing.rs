//! What whole machines make of their cycles: the nRF52's cache of code.

#![expect(clippy::unwrap_used)]

use std::path::Path;

use consort_core::Time;
use consort_core::fleet::{Fleet, Pace};
use consort_core::trace::Digest;
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::json;

const END: Time = Time::from_ms(10);

/// Vectors; at 0x40 `ldr r1, =NVMC.ICACHECNF; str r0, [r1]` with r0 as `cache` says; at 0x50 `subs r2, #1; bne .-2`
/// for as long as r2, -1 at first, lasts.
fn image(cache: bool) -> Vec<u8> {
    let mut image = vec![0; 0x60];
    image[..8].copy_from_slice(&[0, 0x10, 0, 0x20, 0x41, 0, 0, 0]);
    let code: [u16; 10] =
        [0x4905, 0x2000 | u16::from(cache), 0x6008, 0x2200, 0x43D2, 0xE001, 0, 0, 0x3A01, 0xD1FD];
    for (at, half) in code.into_iter().enumerate() {
        image[0x40 + 2 * at..][..2].copy_from_slice(&half.to_le_bytes());
    }
    image[0x58..0x5C].copy_from_slice(&0x4001_E540_u32.to_le_bytes());
    image
}

fn build(folder: &Path, pace: Pace) -> Fleet {
    let file = json!({ "devices": { "dk": {
        "board": "nrf52dk", "firmware": [{ "path": "image.bin", "at": "0x0" }]
    } } });
    let (file, document) = FleetFile::parse("test", &file.to_string()).unwrap();
    let mut fleet = file.build(&document, folder, &Overrides::default()).unwrap().fleet;
    fleet.set_pace(pace);
    fleet
}

/// The digest and the instructions after 10 ms; `saved` in between when asked for.
fn run(folder: &Path, pace: Pace, saves: Option<Time>) -> (Digest, u64) {
    let mut fleet = build(folder, pace);
    if let Some(at) = saves {
        fleet.run_until(at, &mut ());
        let saved = fleet.save().unwrap();
        fleet = build(folder, pace);
        fleet.restore(&saved).unwrap();
    }
    fleet.run_until(END, &mut ());
    (fleet.digest().unwrap(), fleet.stats(0).instructions)
}

#[test]
fn the_nrf52_runs_its_flash_with_waits_until_it_switches_its_cache_on() {
    // 10 ms at 64 MHz; a round of two instructions takes 7 cycles, or 3 from the cache.
    let folder = tempfile::tempdir().unwrap();
    for (cache, round) in [(false, 7_u64), (true, 3)] {
        std::fs::write(folder.path().join("image.bin"), image(cache)).unwrap();
        let straight = run(folder.path(), Pace { threads: 1, quantum: END }, None);
        assert!((640_000 * 2 / round).abs_diff(straight.1) < 20, "{straight:?} with {cache}");
        for (quantum, saves) in [(Time::from_us(1), None), (Time::from_ms(1), Some(Time::from_us(1_234)))] {
            assert_eq!(run(folder.path(), Pace { threads: 2, quantum }, saves), straight);
        }
    }
}
