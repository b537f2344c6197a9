//! A hundred micro:bits that beacon once a second over the radio.

use std::path::Path;

use consort_core::Time;
use consort_core::fleet::{Fleet, Pace};
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::{Value, json};

use crate::figure::{Figure, ROUNDS, resident, timed};

const NODES: usize = 100;
const SPAN: Time = Time::from_secs(10);

fn micro_bits(threads: usize) -> Fleet {
    let firmware = format!("{}/firmware/bin/nrf-beacon.elf", env!("CARGO_MANIFEST_DIR"));
    // A grid of ten by ten metres: all in range of each other.
    let device =
        |n: usize| json!({ "board": "microbit", "firmware": firmware, "position": [n % 10, n / 10, 0] });
    let devices: serde_json::Map<String, Value> =
        (0..NODES).map(|n| (format!("bit-{n}"), device(n))).collect();
    let joins: Vec<&String> = devices.keys().collect();
    let file = json!({ "links": { "air": { "kind": "radio", "joins": joins } }, "devices": devices });
    let (file, document) = FleetFile::parse("beacons", &file.to_string()).unwrap();
    let mut fleet = file.build(&document, Path::new("/"), &Overrides::default()).unwrap().fleet;
    fleet.set_pace(Pace { threads, quantum: Time::from_ms(10) });
    fleet
}

/// Times real time with one and two threads, and memory of a node.
pub fn beacons(figures: &mut Vec<Figure>) {
    let before = resident();
    let mut fleet = micro_bits(1);
    fleet.run_until(Time::from_secs(2), &mut ());
    let each = (resident() - before) / NODES as f64 / f64::from(1 << 20);
    figures.push(Figure::new("beacons/memory-per-node", "MiB", vec![each]));
    drop(fleet);
    for threads in [1, 2] {
        let rounds = (0..ROUNDS).map(|_| {
            let mut fleet = micro_bits(threads);
            // The first second starts clocks and translates the code.
            fleet.run_until(Time::from_secs(1), &mut ());
            let time = timed(|| {
                fleet.run_until(Time::from_secs(1) + SPAN, &mut ());
            });
            assert!(fleet.totals().frames >= 9 * NODES as u64, "every node sends once a second");
            SPAN.as_secs_f64() / time.as_secs_f64()
        });
        figures.push(Figure::new(format!("beacons/100-micro-bits-{threads}-threads"), "x", rounds.collect()));
    }
}
