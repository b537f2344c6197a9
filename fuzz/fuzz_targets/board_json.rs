//! Any text as a board file: an error that names its place, or a board that builds and runs or says why not.

#![no_main]

use consort_core::Time;
use consort_core::device::Device as _;
use consort_machines::Machine;
use consort_machines::board::Board;
use consort_machines::loader::Firmware;
use consort_machines::machine::Options;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (board, document) = match Board::parse("fuzzed.json", text) {
        Ok(parsed) => parsed,
        Err(error) => return assert!(error.to_string().starts_with("fuzzed.json")),
    };
    // Large memories are fine but slow to build many times a second.
    if board.memory.values().map(|memory| memory.size.0).fold(0, u64::saturating_add) > 1 << 20 {
        return;
    }
    if let Ok(mut machine) = Machine::build(&board, &document, &Firmware::default(), Options::default()) {
        machine.run_until(Time::from_us(20));
        machine.save().expect("a machine can be saved at any time");
    }
});
