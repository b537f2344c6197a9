//! What whole machines make of their cycles: their clocks, the nRF52's cache of code and its buses.

#![expect(clippy::unwrap_used)]

use std::path::Path;

use consort_core::Time;
use consort_core::fleet::{Fleet, Pace};
use consort_core::trace::Digest;
use consort_machines::board::Timing;
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

/// Reads SysTick, CYCCNT and a timer of the board, goes a thousand times through `subs r0, #1; bne`, reads them once
/// more, and keeps the differences at 0x20000100.
#[rustfmt::skip]
const THREE_CLOCKS: [u16; 44] = [
    0x4911, // ldr r1, =0xE000E010
    0x4A12, // ldr r2, =0xE0001000
    0xF04F, 0x4380, // mov r3, #0x40000000
    0x4C11, // ldr r4, =0xE000EDFC
    0x2001, 0x0600, 0x6020, // movs r0, #1; lsls r0, #24; str r0, [r4]
    0x3801, 0x6048, 0x6088, 0x6098, 0x6058, // subs r0, #1; str r0, [r1, #4], [r1, #8], [r3, #8], [r3, #4]
    0x2005, 0x6008, // movs r0, #5; str r0, [r1]
    0x2001, 0x6018, 0x6010, // movs r0, #1; str r0, [r3]; str r0, [r2]
    0x688D, 0x6856, 0x685F, // ldr r5, [r1, #8]; ldr r6, [r2, #4]; ldr r7, [r3, #4]
    0xF240, 0x30E8, 0xE7FF, // movw r0, #1000; b 1f
    0x3801, 0xD1FD, // 1: subs r0, #1; bne 1b
    0x6889, 0x6852, 0x685B, // ldr r1, [r1, #8]; ldr r2, [r2, #4]; ldr r3, [r3, #4]
    0x1A6D, 0x1B96, 0x1AFF, // subs r5, r5, r1; subs r6, r2, r6; subs r7, r7, r3
    0x4804, 0xC0E0, 0xE7FE, // ldr r0, =0x20000100; stm r0!, {r5-r7}; b .
    0, 0xE010, 0xE000, 0x1000, 0xE000, 0xEDFC, 0xE000, 0x0100, 0x2000,
];

/// The differences and the run's digest.
fn clocks(folder: &Path, timing: Option<Timing>, threads: usize, quantum: Time) -> ([u32; 3], Digest) {
    let file = json!({ "devices": { "dut": {
        "board": "mps2-an385", "firmware": [{ "path": "clocks.bin", "at": "0x0" }]
    } } });
    let (file, document) = FleetFile::parse("test", &file.to_string()).unwrap();
    let overrides = Overrides { timing, ..Overrides::default() };
    let mut fleet = file.build(&document, folder, &overrides).unwrap().fleet;
    fleet.set_pace(Pace { threads, quantum });
    fleet.run_until(Time::from_ms(1), &mut ());
    let mut words = [0; 12];
    fleet.device(0, |device| device.debug().unwrap().read(0x2000_0100, &mut words).unwrap()).unwrap();
    let differences = [0, 4, 8].map(|at| u32::from_le_bytes(words[at..at + 4].try_into().unwrap()));
    (differences, fleet.digest().unwrap())
}

#[test]
fn every_clock_counts_the_cycles_that_the_timing_gives() {
    let folder = tempfile::tempdir().unwrap();
    let mut image = image(&[], [0, 0]);
    image.truncate(0x40);
    image.extend(THREE_CLOCKS.iter().flat_map(|half| half.to_le_bytes()));
    std::fs::write(folder.path().join("clocks.bin"), image).unwrap();
    let run = |timing, threads, quantum| clocks(folder.path(), timing, threads, quantum);
    // Three loads, of which two overlap the next, MOVW, a branch, and a thousand rounds of 3 but the last.
    let cycles = run(None, 1, Time::from_ms(1));
    assert_eq!(cycles.0, [1 + 1 + 2 + 1 + 2 + 999 * 3 + 2; 3]);
    // The same instructions, one cycle each.
    let instructions = run(Some(Timing::Instructions), 1, Time::from_ms(1));
    assert_eq!(instructions.0, [3 + 1 + 1 + 2000; 3]);
    assert_ne!(cycles.1, instructions.1);
    for (threads, quantum) in [(1, Time::from_us(1)), (2, Time::from_us(7))] {
        assert_eq!(run(Some(Timing::Cycles), threads, quantum), cycles);
        assert_eq!(run(Some(Timing::Instructions), threads, quantum), instructions);
    }
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
