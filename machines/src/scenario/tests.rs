//! Verdicts of whole scenarios, which nothing about a run's windows may move.

use std::path::{Path, PathBuf};

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios")
}

fn verdict(scenario: &Scenario, quantum: Time, every_event: bool) -> Verdict {
    let options = RunOptions { quantum: Some(quantum), every_event, until: None };
    scenario.run(1, &options, &mut ()).unwrap()
}

#[test]
fn windows_do_not_move_a_verdict() {
    let passing = std::fs::read_to_string(folder().join("alarm.scenario.json")).unwrap();
    let failing = passing.replace("watch-1 answered for sensor-2", "never said");
    assert_ne!(passing, failing);
    for (text, passes) in [(passing, true), (failing, false)] {
        let scenario = Scenario::parse("s", text, &folder()).unwrap();
        let whole = verdict(&scenario, REACTION, false);
        assert_eq!(whole.failure.is_none(), passes, "{:?}", whole.failure);
        for (quantum, every_event) in
            [(Time::from_us(731), false), (Time::from_us(37), true), (Time::from_secs(1), true)]
        {
            let other = verdict(&scenario, quantum, every_event);
            assert_eq!(whole.digest, other.digest, "{quantum:?}");
            assert_eq!(whole.failure, other.failure, "{quantum:?}");
            assert_eq!((whole.at, whole.steps, &whole.journal), (other.at, other.steps, &other.journal));
        }
    }
}

#[test]
fn a_failure_file_keeps_everything() {
    let text = std::fs::read_to_string(folder().join("conformance.scenario.json")).unwrap();
    let scenario = Scenario::parse("s", text.replace("0 failed", "999 failed"), &folder()).unwrap();
    let whole = verdict(&scenario, REACTION, false);
    let file = FailureFile::new(&scenario, &whole).unwrap().unwrap();
    let bytes = file.to_bytes().unwrap();
    let back = FailureFile::from_bytes(&bytes).unwrap();
    assert_eq!(file, back);
    for cut in [0, 17, 18, 30, bytes.len() / 2, bytes.len() - 1] {
        assert!(FailureFile::from_bytes(&bytes[..cut]).is_err());
    }
    // A size that would take all memory is not believed.
    let mut lie = bytes[..18].to_vec();
    lie.extend([0xFF, 0xFF, 0xFF, 0x3F, 0, 0]);
    assert!(matches!(FailureFile::from_bytes(&lie), Err(FailureFileError::Foreign)));
}

#[test]
fn firmware_that_comes_later_brings_its_symbols() {
    let text = r#"{
        "fleet": { "devices": { "board": { "board": "mps2-an385", "firmware": "../../firmware/bin/sensor.elf" } } },
        "steps": [
            { "run-for": "2ms" },
            { "power": { "do": "reset", "firmware": "../../firmware/bin/test-systick.elf" } },
            { "run-for": "3ms" }
        ]
    }"#;
    let scenario = Scenario::parse("s", text.to_owned(), &folder()).unwrap();
    let whole = verdict(&scenario, REACTION, false);
    assert_eq!(whole.failure, None);
    let mut fleet = scenario.fleet(1).unwrap().fleet;
    whole.journal.into_iter().for_each(|stimulus| fleet.inject(stimulus).unwrap());
    let known = |fleet: &mut consort_core::fleet::Fleet| {
        let names = ["MessageSend", "CheckDone"];
        let found = fleet.device(0, |device| {
            let debug = device.debug().unwrap();
            (names.map(|name| debug.symbol_named(name).is_some()), debug.edition())
        });
        found.unwrap()
    };
    let (before, edition) = known(&mut fleet);
    fleet.run_until(Time::from_ms(5), &mut ());
    let (after, later) = known(&mut fleet);
    assert_eq!((before, after), ([true, false], [false, true]));
    assert_ne!(edition, later, "a debugger must notice");
    // They are part of the state.
    let saved = fleet.save().unwrap();
    let mut other = scenario.fleet(1).unwrap().fleet;
    other.restore(&saved).unwrap();
    assert_eq!(known(&mut other).0, after);
}
