//! Boards whose pins wires join: UARTs that talk, buses with a master on one board and a slave on another, single pins.

#![expect(clippy::unwrap_used)]

use std::path::Path;

use consort_core::Time;
use consort_core::device::{Port, Sent};
use consort_core::fleet::{Carried, Fleet, Observer, Pace};
use consort_core::trace::{Digest, Event, Kind};
use consort_core::wire::Signal;
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::{Value, json};

fn firmware(name: &str) -> String {
    format!("{}/firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"))
}

fn try_build(fleet: &Value) -> Result<Fleet, String> {
    let (file, document) = FleetFile::parse("test", &fleet.to_string()).map_err(|error| error.to_string())?;
    let loaded = file.build(&document, Path::new("/"), &Overrides::default());
    loaded.map(|loaded| loaded.fleet).map_err(|error| error.to_string())
}

fn build(fleet: &Value) -> Fleet {
    try_build(fleet).unwrap_or_else(|error| panic!("{error}"))
}

/// What the first device's console said, what was on the wires, and complaints.
#[derive(Default)]
struct Ears {
    said: String,
    wires: Vec<(Time, String)>,
    complaints: Vec<String>,
}

impl Observer for Ears {
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        if device == 0 && port.name == "uart0" {
            self.said.extend(sent.data.iter().map(|byte| char::from(*byte)));
        }
    }
    fn event(&mut self, _: usize, event: &Event) {
        if let Kind::Log { text, .. } = &event.kind {
            self.complaints.push(text.clone());
        }
    }
    fn carried(&mut self, _: usize, frame: &Carried<'_>) {
        self.wires.push((frame.at, Signal::decode(frame.data).unwrap().1.to_string()));
    }
}

fn run(fleet: &Value, until: Time) -> Ears {
    let mut ears = Ears::default();
    build(fleet).run_until(until, &mut ears);
    ears
}

/// However a fleet is run, it is the same run.
fn same_however_it_runs(fleet: &Value, cut: Time, end: Time) {
    let digest = |pace: Pace| -> Digest {
        let mut fleet = build(fleet);
        fleet.set_pace(pace);
        fleet.run_until(end, &mut ());
        fleet.digest().unwrap()
    };
    let plain = digest(Pace::default());
    assert_eq!(digest(Pace { threads: 2, ..Pace::default() }), plain, "two threads");
    assert_eq!(digest(Pace { quantum: Time::from_ns(777), ..Pace::default() }), plain, "short windows");
    let mut first = build(fleet);
    first.run_until(cut, &mut ());
    let mut second = build(fleet);
    second.restore(&first.save().unwrap()).unwrap();
    second.want_events(true);
    second.run_until(end, &mut ());
    assert_eq!(second.digest().unwrap(), plain, "saved at {cut}");
}

fn callers(board: &str, extra: Value) -> Value {
    let mut fleet = json!({
        "devices": {
            "hub": { "board": "mps2-an385", "firmware": firmware("caller") },
            "sensor": { "board": board, "firmware": firmware("nrf-echo") }
        },
        "links": { "serial": { "kind": "uart", "joins": ["hub.uart1", "sensor.uart0"] } }
    });
    json_patch::merge(&mut fleet, &extra);
    fleet
}

#[test]
fn two_boards_talk_over_their_uarts() {
    for board in ["nrf51dk", "nrf52dk", "nrf52840dk"] {
        let ears = run(&callers(board, json!({})), Time::from_ms(20));
        assert_eq!(ears.said, "call 1: IS ANYBODY THERE\n", "{board}: {:?}", ears.complaints);
        let first: Vec<&str> = ears.wires.iter().take(4).map(|(_, words)| words.as_str()).collect();
        assert_eq!(first, ["character 69", "character 49", "character 73", "character 53"]);
    }
}

#[test]
fn a_uart_keeps_its_line_rate_and_is_answered_after_its_last_bit() {
    let ears = run(&callers("nrf52dk", json!({})), Time::from_ms(20));
    let at: Vec<u64> = ears.wires.iter().map(|(at, _)| at.as_ns()).collect();
    // A character of the hub takes 2170 cycles of 40 ns; the sensor answers after that, within a few instructions.
    let turns = at.windows(2).step_by(2).map(|pair| pair[1] - pair[0]);
    assert!(turns.clone().all(|turn| (86_800..90_000).contains(&turn)), "{:?}", turns.collect::<Vec<_>>());
}

#[test]
fn uart_wires_do_not_depend_on_how_the_fleet_runs() {
    // In the middle of a character.
    same_however_it_runs(&callers("nrf52dk", json!({})), Time::from_us(1_040), Time::from_ms(12));
}

#[test]
fn clocks_that_drift_too_far_apart_do_not_understand_each_other() {
    let drifting = |ppm: i32| callers("nrf52dk", json!({ "devices": { "sensor": { "drift": ppm } } }));
    for ppm in [-30_000, 30_000] {
        assert_eq!(run(&drifting(ppm), Time::from_ms(20)).said, "call 1: IS ANYBODY THERE\n", "{ppm}");
    }
    let said = run(&drifting(-90_000), Time::from_ms(100)).said;
    assert!(!said.is_empty() && !said.contains("THERE"), "{said:?}");
    same_however_it_runs(&drifting(-20_000), Time::from_us(1_040), Time::from_ms(5));
}

#[test]
fn faults_of_a_uart_wire_lose_and_damage_characters() {
    let fault = |fault: Value| callers("nrf52dk", json!({ "links": { "serial": { "faults": [fault] } } }));
    let cut = fault(json!({ "from": "sensor", "fault": "cut" }));
    assert_eq!(run(&cut, Time::from_ms(100)).said, format!("call 1: {}\n", "?".repeat(16)));
    let noise = fault(json!({ "fault": { "corrupt": 1_000_000 } }));
    let said = run(&noise, Time::from_ms(100)).said;
    assert!(!said.is_empty() && !said.contains("THERE"), "{said:?}");
}

#[test]
fn a_uart_can_be_joined_to_itself() {
    let fleet = json!({
        "devices": { "hub": { "board": "mps2-an385", "firmware": firmware("caller") } },
        "links": { "loop": { "kind": "uart", "joins": ["hub.uart1", "hub.uart1"] } }
    });
    assert_eq!(run(&fleet, Time::from_ms(20)).said, "call 1: is anybody there\n");
    same_however_it_runs(&fleet, Time::from_us(1_040), Time::from_ms(3));
}

#[test]
fn a_sender_that_is_too_fast_for_its_wire_is_told_so() {
    let slow = callers("nrf52dk", json!({ "links": { "serial": { "fastest": 57_600 } } }));
    let ears = run(&slow, Time::from_ms(10));
    let told = ears.complaints.iter().find(|text| text.contains("raise the link's `fastest`")).unwrap();
    assert!(told.contains("86800 ns"), "{told}");
    assert!(ears.wires.is_empty());
}

#[test]
fn mistakes_in_wires_are_named() {
    let with = |link: Value| {
        let mut fleet = callers("nrf52dk", json!({}));
        fleet["links"]["serial"] = link;
        try_build(&fleet).err().unwrap_or_default()
    };
    for (link, told) in [
        (json!({ "kind": "uart", "joins": ["hub.uart1"] }), "UART wires have two ends, not 1"),
        (json!({ "kind": "uart", "joins": ["hub.uart9", "sensor.uart0"] }), "there is: uart0, uart1"),
        (
            json!({ "kind": "uart", "joins": ["hub", "sensor"] }),
            "say where on the board the UART wire ends: uart0, ",
        ),
        (
            json!({ "kind": "uart", "joins": ["hbu.uart1", "sensor.uart0"] }),
            "no device `hbu` (did you mean `hub`?",
        ),
        (
            json!({ "kind": "uart", "joins": ["hub.uart1", "sensor.uart0"], "latency": "1ms" }),
            "follows from `fastest`",
        ),
        (
            json!({ "kind": "uart", "joins": ["hub.uart1", "sensor.uart0"], "fastest": 1 }),
            "a rate is from 100 to",
        ),
        (
            json!({ "kind": "uart", "joins": ["hub.uart1", "sensor.uart0"], "bandwidth": 1 }),
            "wires have no such thing",
        ),
        (
            json!({ "kind": "uart", "joins": ["hub.uart1", "sensor.uart0"], "faults": [{ "fault": { "duplicate": 1 } }] }),
            "a wire neither repeats nor reorders",
        ),
        (json!({ "kind": "i2c", "joins": ["hub.uart1", "sensor.uart0"] }), "no place where I2C wires end"),
        (json!({ "kind": "lan", "joins": ["hub", "sensor"], "fastest": 9600 }), ""),
    ] {
        let error = with(link.clone());
        assert!(error.contains(told) && !error.is_empty(), "{link}: {error}");
    }
    let taken = json!({ "links": { "again": { "kind": "uart", "joins": ["hub.uart2", "sensor.uart0"] } } });
    let error = try_build(&callers("nrf52dk", taken)).err().unwrap();
    assert!(error.contains("another wire ends at `uart0` already"), "{error}");
}

/// A master and a slave, joined by SPI, I2C and a pin on which the slave says that it is ready.
fn buses(extra: Value) -> Value {
    let mut fleet = json!({
        "devices": {
            "hub": { "board": "nrf52dk", "firmware": firmware("nrf-master") },
            "sensor": { "board": "nrf52840dk", "firmware": firmware("nrf-slave") }
        },
        "links": {
            "spi": {
                "kind": "spi",
                "joins": ["hub.serial0", "sensor.serial0"],
                "select": { "sensor.serial0": "hub.gpio.p22" }
            },
            "i2c": { "kind": "i2c", "joins": ["hub.serial1", "sensor.serial1"] },
            "ready": { "kind": "pin", "joins": ["sensor.gpio.p5", "hub.gpio.p11"] }
        }
    });
    json_patch::merge(&mut fleet, &extra);
    fleet
}

#[test]
fn masters_reach_slaves_on_another_board() {
    let ears = run(&buses(json!({})), Time::from_ms(10));
    let said: Vec<&str> = ears.said.lines().take(6).collect();
    // The slave's buffer, then its ORC; what it heard the time before; I2C counts up from what was written.
    let expected = [
        "spi 5e 5e 5e 5e ee",
        "i2c 01 02 03",
        "spi c0 01 aa aa ee",
        "i2c 02 03 04",
        "spi c0 02 aa aa ee",
        "i2c 03 04 05",
    ];
    assert_eq!(said, expected, "{:?}", ears.complaints);
    // It let the master wait twice in each transfer: before the first byte of each direction.
    let held = ears.wires.iter().filter(|(_, words)| words == "clock held").count();
    let starts = ears.wires.iter().filter(|(_, words)| words.starts_with("START")).count();
    assert!(held == starts && starts >= 6, "{held} of {starts}");
}

#[test]
fn buses_do_not_depend_on_how_the_fleet_runs() {
    // In the middle of an SPI transfer, and of an I2C transfer whose clock is held.
    let wires = run(&buses(json!({})), Time::from_ms(4)).wires;
    let at = |words: &str| wires.iter().find(|(_, told)| told.starts_with(words)).unwrap().0;
    for cut in [at("MOSI") + Time::from_us(20), at("clock held") + Time::from_us(15)] {
        same_however_it_runs(&buses(json!({})), cut, Time::from_ms(4));
    }
    let drifting = json!({ "devices": { "sensor": { "drift": -20_000 }, "hub": { "drift": 30_000 } } });
    let drifting = buses(drifting);
    let said = run(&drifting, Time::from_ms(10)).said;
    assert!(said.contains("spi c0 02 aa aa ee\ni2c 03 04 05\n"), "{said}");
    same_however_it_runs(&drifting, at("MOSI") + Time::from_us(20), Time::from_ms(3));
}

#[test]
fn who_is_not_there_does_not_answer() {
    let cut = |link: &str, after: &str| {
        let mut links = json!({});
        links[link] = json!({ "faults": [{ "after": after, "fault": "cut" }] });
        run(&buses(json!({ "links": links })), Time::from_ms(12)).said
    };
    let spi = cut("spi", "0s");
    assert!(spi.starts_with("spi ff ff ff ff ff\ni2c 01 02 03\n"), "{spi}");
    let i2c = cut("i2c", "0s");
    assert!(i2c.contains("ee\ni2c error 02\nspi c0 01 aa aa ee\n"), "{i2c}");
    assert_eq!(cut("ready", "0s"), "", "the wire to the pin is pulled down");
    // Power off: the slave lets go the wire on which it says that it is ready.
    let off = json!({ "stimuli": [{ "at": "5ms", "device": "sensor", "power": "off" }] });
    let (before, after) = (run(&buses(off.clone()), Time::from_ms(9)), run(&buses(off), Time::from_ms(50)));
    assert_eq!(before.said, after.said);
    assert!(before.said.lines().count() > 2, "{}", before.said);
}
