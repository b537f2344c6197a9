//! The Nordic chips as whole machines: reasons of resets, System OFF, busy flash, beacons on the air.

#![expect(clippy::unwrap_used)]

use std::path::Path;

use consort_core::Time;
use consort_core::device::{Port, Sent};
use consort_core::fleet::{Carried, Fleet, Observer, Pace};
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::{Value, json};

fn firmware(name: &str) -> String {
    format!("{}/firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"))
}

fn build(fleet: &Value) -> Fleet {
    let (file, document) = FleetFile::parse("test", &fleet.to_string()).unwrap();
    file.build(&document, Path::new("/"), &Overrides::default()).unwrap().fleet
}

/// What the first device's UART said, and how many packets went on the air.
#[derive(Default)]
struct Ears {
    said: String,
    packets: usize,
}

impl Observer for Ears {
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        if device == 0 && port.name == "uart0" {
            self.said.extend(sent.data.iter().map(|byte| char::from(*byte)));
        }
    }
    fn carried(&mut self, _: usize, _: &Carried<'_>) {
        self.packets += 1;
    }
}

fn resets() -> Value {
    json!({
        "devices": { "dk": { "board": "nrf52dk", "firmware": firmware("nrf-resets") } },
        "stimuli": [
            { "at": "2s", "device": "dk", "set": "button1.pressed", "to": true },
            { "at": "2.1s", "device": "dk", "set": "button1.pressed", "to": false }
        ]
    })
}

const STORY: [&str; 6] = [
    "reason 00000000 step 00000000",
    "soft",
    "reason 00000004 step 00000001\nlock-up",
    "reason 00000008 step 00000002\nwatchdog",
    "reason 00000002 step 00000000\noff\nreason 00010000 step 00000000",
    "done\n",
];

#[test]
fn every_reset_tells_its_reason_and_system_off_ends_by_detect() {
    // nRF52832 PS "POWER", Reset behavior, RESETREAS, System OFF mode; "WDT".
    let mut fleet = build(&resets());
    let mut ears = Ears::default();
    fleet.run_until(Time::from_ms(1_900), &mut ears);
    assert!(ears.said.ends_with("off\n"), "{}", ears.said);
    fleet.run_until(Time::from_secs(3), &mut ears);
    let mut rest = ears.said.as_str();
    for part in STORY {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in {:?}", ears.said));
        rest = &rest[at + part.len()..];
    }
    assert_eq!(rest, "");
}

#[test]
fn the_cpu_waits_while_its_flash_is_erased() {
    // PS "NVMC", Electrical specification: t_ERASEPAGE is 85 ms, 2785 ticks of LFCLK.
    let mut ears = Ears::default();
    build(&resets()).run_until(Time::from_ms(500), &mut ears);
    let ticks = ears.said.lines().find_map(|line| line.strip_prefix("erase ")).unwrap();
    let ticks = u32::from_str_radix(ticks, 16).unwrap();
    assert!((2_784..=2_786).contains(&ticks), "{ticks}");
}

#[test]
fn a_chip_that_is_off_or_waits_for_its_flash_can_be_saved() {
    let whole = {
        let mut fleet = build(&resets());
        fleet.run_until(Time::from_secs(3), &mut ());
        fleet.digest().unwrap()
    };
    for ms in [40, 1_900] {
        let mut first = build(&resets());
        first.run_until(Time::from_ms(ms), &mut ());
        let mut second = build(&resets());
        second.restore(&first.save().unwrap()).unwrap();
        second.run_until(Time::from_secs(3), &mut ());
        assert_eq!(second.digest().unwrap(), whole, "saved at {ms} ms");
    }
}

fn beacons() -> Value {
    let devices: serde_json::Map<String, Value> = (0..8)
        .map(|n| {
            let board = ["microbit", "microbit-v2", "nrf52dk", "nrf52840dk"][n % 4];
            (format!("node-{n}"), json!({ "board": board, "firmware": firmware("nrf-beacon") }))
        })
        .collect();
    let names: Vec<&String> = devices.keys().collect();
    json!({ "links": { "air": { "kind": "radio", "joins": names } }, "devices": devices })
}

#[test]
fn beacons_sleep_between_their_packets() {
    let fleet = &beacons();
    let run = |threads| {
        let mut fleet = build(fleet);
        fleet.set_pace(Pace { threads, quantum: Time::from_ms(10) });
        let mut ears = Ears::default();
        fleet.run_until(Time::from_secs(4), &mut ears);
        let instructions = (0..8).map(|index| fleet.stats(index).instructions).max().unwrap();
        (ears.packets, instructions, fleet.digest().unwrap())
    };
    let (packets, instructions, digest) = run(1);
    assert!((24..=32).contains(&packets), "{packets}");
    assert!(instructions < 100_000, "{instructions}");
    assert_eq!(run(2), (packets, instructions, digest));
}

#[test]
fn what_sleepers_do_not_hear_at_once_changes_nothing() {
    // Radios that are off let packets wait; watched, cut into short runs or restored, the end is the same.
    let end = Time::from_ms(3_500);
    let mut plain = build(&beacons());
    plain.run_until(end, &mut ());
    let expected = plain.digest().unwrap();
    let mut watched = build(&beacons());
    watched.want_events(true);
    watched.run_until(end, &mut ());
    assert_eq!(watched.digest().unwrap(), expected, "watched");
    let mut cut = build(&beacons());
    cut.set_pace(Pace { threads: 1, quantum: Time::from_us(7) });
    for ms in (1..=3_500).step_by(7) {
        cut.run_until(Time::from_ms(ms), &mut ());
    }
    cut.run_until(end, &mut ());
    assert_eq!(cut.digest().unwrap(), expected, "in pieces");
    let mut first = build(&beacons());
    first.run_until(Time::from_us(1_234_567), &mut ());
    let mut second = build(&beacons());
    second.restore(&first.save().unwrap()).unwrap();
    assert!((0..8).all(|index| second.stats(index) == first.stats(index)));
    second.run_until(end, &mut ());
    assert_eq!(second.digest().unwrap(), expected, "restored");
}

fn link(board: &str) -> Fleet {
    build(&json!({
        "devices": {
            "central": { "board": board, "firmware": firmware("nrf-central") },
            "peripheral": { "board": board, "firmware": firmware("nrf-peripheral"), "position": [3, 0, 0] }
        },
        "links": { "air": { "kind": "radio", "joins": ["central", "peripheral"] } }
    }))
}

#[test]
fn a_connection_holds_for_a_minute_of_hops_and_notifications() {
    // PS "RADIO", Interframe spacing: the answer's address ends 150 us + 40 us after the packet, and 10 us
    // later it has come
    // through the receiver. Interval 983 ticks of 32,768 Hz: 2000 events in a minute.
    let mut ears = Ears::default();
    link("nrf52dk").run_until(Time::from_ms(61_500), &mut ears);
    let values = |name: &str| -> Vec<u32> {
        let numbers = ears.said.lines().filter_map(|line| line.strip_prefix(name));
        numbers.map(|number| number.trim().parse().unwrap()).collect()
    };
    assert!(!ears.said.contains("missed") && !ears.said.contains("silence"), "{}", ears.said);
    assert_eq!(values("heard"), (0..=20).map(|hundred| hundred * 100 + 1).collect::<Vec<_>>());
    assert_eq!(values("number"), values("heard"));
    assert!(values("gap").iter().all(|gap| (199..=201).contains(gap)), "{:?}", values("gap"));
}

#[test]
fn a_connection_is_the_same_with_two_threads_and_after_a_restore() {
    let end = Time::from_secs(3);
    let digest = |fleet: &mut Fleet| {
        fleet.run_until(end, &mut ());
        fleet.digest().unwrap()
    };
    let alone = digest(&mut link("nrf52840dk"));
    let mut two = link("nrf52840dk");
    two.set_pace(Pace { threads: 2, quantum: Time::from_us(500) });
    assert_eq!(digest(&mut two), alone);
    let mut first = link("nrf52840dk");
    first.run_until(Time::from_us(1_500_100), &mut ());
    let mut second = link("nrf52840dk");
    second.restore(&first.save().unwrap()).unwrap();
    assert_eq!(digest(&mut second), alone);
}
