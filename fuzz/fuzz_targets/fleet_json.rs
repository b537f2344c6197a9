//! Any text as a fleet file: an error that names its place, or a fleet that can be written and read back.

#![no_main]

use consort_machines::fleet_file::FleetFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match FleetFile::parse("fuzzed.json", text) {
        Ok((fleet, _)) => {
            let written = serde_json::to_string(&fleet).expect("what was read can be written");
            let (again, _) = FleetFile::parse("written.json", &written).expect("and read back");
            assert_eq!(serde_json::to_string(&again).ok(), Some(written));
        }
        Err(error) => assert!(error.to_string().starts_with("fuzzed.json")),
    }
});
