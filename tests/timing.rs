//! What whole machines make of their cycles: the nRF52's cache of code and its buses.

#![expect(clippy::unwrap_used)]

use std::path::Path;

use consort_core::Time;
use consort_core::fleet::{Fleet, Pace};
use consort_core::trace::Digest;
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::json;

const END: Time = Time::from_ms(10);

/// Vectors; at 0x40 the code, at 0x58 two words.
fn image(code: &[u16], words: [u32; 2]) -> Vec<u8> {
    let mut image = vec![0; 0x60];
    image[..8].copy_from_slice(&[0, 0x10, 0, 0x20, 0x41, 0, 0, 0]);
    for (at, half) in code.iter().enumerate() {
        image[0x40 + 2 * at..][..2].copy_from_slice(&half.to_le_bytes());
    }
    for (at, word) in words.iter().enumerate() {
        image[0x58 + 4 * at..][..4].copy_from_slice(&word.to_le_bytes());
    }
    image
}

const ICACHECNF: u32 = 0x4001_E540;

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
        // ldr r1, =ICACHECNF; movs r0, #cache; str r0, [r1]; movs r2, #0; mvns r2, r2; b 1f; at 0x50 1: subs r2, #1;
        // bne 1b
        let code = [0x4905, 0x2000 | u16::from(cache), 0x6008, 0x2200, 0x43D2, 0xE001, 0, 0, 0x3A01, 0xD1FD];
        std::fs::write(folder.path().join("image.bin"), image(&code, [ICACHECNF, 0])).unwrap();
        let straight = run(folder.path(), Pace { threads: 1, quantum: END }, None);
        assert!((640_000 * 2 / round).abs_diff(straight.1) < 20, "{straight:?} with {cache}");
        for (quantum, saves) in [(Time::from_us(1), None), (Time::from_ms(1), Some(Time::from_us(1_234)))] {
            assert_eq!(run(folder.path(), Pace { threads: 2, quantum }, saves), straight);
        }
    }
}

#[test]
fn a_read_over_the_nrf52s_apb_waits_and_one_of_its_gpio_does_not() {
    // A load and a branch take 4 cycles from the cache; TIMER0 is on the APB.
    let folder = tempfile::tempdir().unwrap();
    for (register, round) in [(0x4000_8508_u32, 4 + 2), (0x5000_0510, 4_u64)] {
        // ldr r1, =ICACHECNF; movs r0, #1; str r0, [r1]; ldr r1, =register; 1: ldr r0, [r1]; b 1b
        let code = [0x4905, 0x2001, 0x6008, 0x4905, 0x6808, 0xE7FD];
        std::fs::write(folder.path().join("image.bin"), image(&code, [ICACHECNF, register])).unwrap();
        let straight = run(folder.path(), Pace { threads: 1, quantum: END }, None);
        assert!((640_000 * 2 / round).abs_diff(straight.1) < 20, "{straight:?} of {register:#x}");
        let pace = Pace { threads: 2, quantum: Time::from_us(7) };
        assert_eq!(run(folder.path(), pace, Some(Time::from_us(1_234))), straight);
    }
}
