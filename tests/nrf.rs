//! The Nordic chips as whole machines: reasons of resets, System OFF, busy flash, watched memory,
//! beacons and connections on the air.

#![expect(clippy::unwrap_used)]

use std::path::Path;

use consort_core::Time;
use consort_core::device::{Port, Sent};
use consort_core::fleet::{Carried, Fleet, Observer, Pace};
use consort_core::radio::Packet;
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::{Value, json};

fn firmware(name: &str) -> String {
    format!("{}/firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"))
}

fn build(fleet: &Value) -> Fleet {
    let (file, document) = FleetFile::parse("test", &fleet.to_string()).unwrap();
    file.build(&document, Path::new("/"), &Overrides::default()).unwrap().fleet
}

/// What the first device's UART said, and what was on the air.
#[derive(Default)]
struct Ears {
    said: String,
    air: Vec<Packet>,
}

impl Observer for Ears {
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        if device == 0 && port.name == "uart0" {
            self.said.extend(sent.data.iter().map(|byte| char::from(*byte)));
        }
    }
    fn carried(&mut self, _: usize, frame: &Carried<'_>) {
        self.air.extend(Packet::decode(frame.data));
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

fn flash() -> Fleet {
    build(&json!({
        "devices": { "dk": { "board": "nrf52840dk", "firmware": firmware("nrf-flash") } },
        "stimuli": [{ "at": "1s", "device": "dk", "set": "button1.pressed", "to": true }]
    }))
}

#[test]
fn the_flash_on_qspi_is_read_written_and_erased_and_ram_needs_retention() {
    // nRF52840 PS "QSPI"; "POWER", RAM[n].POWER, System OFF mode.
    let mut ears = Ears::default();
    flash().run_until(Time::from_secs(2), &mut ears);
    let all = "same 00000080";
    let expected = format!(
        "id 001728c2\n{all}\nfour lines without QE: same 00000000\nwith it: {all}\noff\nkept\nlost\n{all}\ndone\n"
    );
    assert_eq!(ears.said, expected);
}

#[test]
fn a_flash_at_work_can_be_saved_and_other_windows_change_nothing() {
    let end = Time::from_secs(2);
    let mut whole = flash();
    whole.run_until(end, &mut ());
    let expected = whole.digest().unwrap();
    let mut windows = flash();
    windows.set_pace(Pace { threads: 2, quantum: Time::from_us(130) });
    windows.run_until(end, &mut ());
    assert_eq!(windows.digest().unwrap(), expected);
    // While it erases, writes and reads; and in System OFF.
    for us in [40_123, 97_500, 98_321, 104_500, 500_000] {
        let mut first = flash();
        first.run_until(Time::from_us(us), &mut ());
        let mut second = flash();
        second.restore(&first.save().unwrap()).unwrap();
        second.run_until(end, &mut ());
        assert_eq!(second.digest().unwrap(), expected, "saved at {us} us");
    }
}

fn watch() -> Fleet {
    build(&json!({ "devices": { "dk": { "board": "nrf52dk", "firmware": firmware("nrf-watch") } } }))
}

#[test]
fn the_memory_watch_unit_tells_of_accesses_to_memory_and_registers() {
    // PS "MWU": regions, subregions of the peripherals, non-maskable interrupts; what the processor stacks and
    // unstacks is an access as any other.
    let mut ears = Ears::default();
    watch().run_until(Time::from_ms(200), &mut ears);
    let told = |what, wrote, read, register| {
        let of = register << 8;
        format!("{what}: wrote {wrote:08x} read {read:08x} register {register:08x} of {of:08x}\n")
    };
    let expected = [
        told("off", 0, 0, 0),
        told("beside it", 0, 0, 0),
        told("written", 1, 0, 0),
        told("its last byte", 2, 0, 0),
        told("read", 2, 1, 0),
        told("the timer", 2, 1, 1),
        told("no more", 2, 1, 1),
        told("no exception", 2, 0, 1),
        told("an exception", 3, 1, 1),
    ];
    assert_eq!(ears.said, expected.concat());
}

#[test]
fn watched_memory_is_watched_after_a_restore_too() {
    let end = Time::from_ms(200);
    let digest = |fleet: &mut Fleet| {
        fleet.run_until(end, &mut ());
        fleet.digest().unwrap()
    };
    let whole = digest(&mut watch());
    for ms in [1, 7, 20, 30] {
        let mut first = watch();
        first.run_until(Time::from_ms(ms), &mut ());
        let mut second = watch();
        second.restore(&first.save().unwrap()).unwrap();
        assert_eq!(digest(&mut second), whole, "saved at {ms} ms");
    }
    let mut slow = watch();
    slow.set_pace(Pace { threads: 1, quantum: Time::from_us(3) });
    assert_eq!(digest(&mut slow), whole);
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
        (ears.air.len(), instructions, fleet.digest().unwrap())
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

fn link(central: &str, peripheral: &str) -> Fleet {
    build(&json!({
        "devices": {
            "central": { "board": central, "firmware": firmware("nrf-central") },
            "peripheral": {
                "board": peripheral, "firmware": firmware("nrf-peripheral"), "position": [3, 0, 0]
            }
        },
        "links": { "air": { "kind": "radio", "joins": ["central", "peripheral"] } }
    }))
}

/// A packet's bytes after its address, without the whitening of its channel: Bluetooth Core v5.0, vol 6, part B,
/// Data whitening.
fn unwhitened(packet: &Packet) -> Vec<u8> {
    let channel = if packet.mhz < 2_426 { (packet.mhz - 2_404) / 2 } else { (packet.mhz - 2_406) / 2 };
    let mut register = channel as u8 | 0x40;
    let byte = |byte: &u8| {
        (0..8).fold(0, |plain, bit| {
            let out = register & 1;
            register = (register >> 1) ^ (out * 0x44);
            plain | (((byte >> bit) & 1) ^ out) << bit
        })
    };
    packet.bits.iter().map(byte).collect()
}

#[test]
fn an_encrypted_connection_holds_for_a_minute_of_hops_and_notifications() {
    // PS "RADIO", Interframe spacing: the answer's address ends 150 us + 40 us after the packet, and 10 us
    // later it has come through the receiver. Interval 983 ticks of 32,768 Hz: 2000 events in a minute.
    // PS "CCM", Encrypting packets on-the-fly in radio transmit mode, Decrypting packets on-the-fly in radio
    // receive mode.
    for boards in [["nrf52dk", "nrf52dk"], ["nrf52840dk", "microbit"]] {
        let mut ears = Ears::default();
        link(boards[0], boards[1]).run_until(Time::from_ms(61_500), &mut ears);
        let values = |name: &str| -> Vec<u32> {
            let numbers = ears.said.lines().filter_map(|line| line.strip_prefix(name));
            numbers.map(|number| number.trim().parse().unwrap()).collect()
        };
        assert!(!ears.said.contains("forged") && !ears.said.contains("silence"), "{}", ears.said);
        assert_eq!(values("heard"), (0..=20).map(|hundred| hundred * 100 + 1).collect::<Vec<_>>());
        assert_eq!(values("number"), values("heard"));
        assert!(values("gap").iter().all(|gap| (199..=203).contains(gap)), "{:?}", values("gap"));
        // The offers of keys are there for everybody; of what follows, only the headers.
        let air: Vec<Vec<u8>> = ears.air.iter().map(unwhitened).collect();
        assert!(air.iter().filter(|bytes| bytes[0] == 3 && bytes[1] == 12).count() >= 2);
        assert!(air.iter().filter(|bytes| bytes[0] == 2 && bytes[1] == 4 + 11 + 4).count() > 2_000);
        assert!(!air.iter().any(|bytes| bytes.windows(10).any(|part| part == b"heart rate")));
    }
}

#[test]
fn a_connection_is_the_same_with_two_threads_and_after_a_restore() {
    let end = Time::from_secs(3);
    let new = || link("nrf52840dk", "microbit-v2");
    let digest = |fleet: &mut Fleet| {
        fleet.run_until(end, &mut ());
        fleet.digest().unwrap()
    };
    let alone = digest(&mut new());
    let mut two = new();
    two.set_pace(Pace { threads: 2, quantum: Time::from_us(500) });
    assert_eq!(digest(&mut two), alone);
    // Between events, and while CCM and the radio are at work.
    for us in [1_500_100, 1_502_333] {
        let mut first = new();
        first.run_until(Time::from_us(us), &mut ());
        let mut second = new();
        second.restore(&first.save().unwrap()).unwrap();
        assert_eq!(digest(&mut second), alone, "saved at {us} us");
    }
}

/// One of every chip writes nonsense to all registers, radios on one air.
fn noise() -> Fleet {
    let boards = ["microbit", "nrf51dk", "nrf52dk", "microbit-v2", "nrf52840dk", "nrf52840dk"];
    let devices: serde_json::Map<String, Value> = (0..)
        .zip(boards)
        .map(|(n, board)| (format!("node-{n}"), json!({ "board": board, "firmware": firmware("nrf-noise") })))
        .collect();
    let names: Vec<&String> = devices.keys().collect();
    build(&json!({ "links": { "air": { "kind": "radio", "joins": names } }, "devices": devices }))
}

#[test]
fn nonsense_in_every_register_stops_nobody_and_is_the_same_every_time() {
    let end = Time::from_ms(400);
    let digest = |fleet: &mut Fleet| {
        fleet.run_until(end, &mut ());
        for index in 0..6 {
            let stats = fleet.stats(index);
            assert!(stats.instructions > 100_000, "device {index}: {stats:?}");
        }
        fleet.digest().unwrap()
    };
    let alone = digest(&mut noise());
    let mut two = noise();
    two.set_pace(Pace { threads: 2, quantum: Time::from_us(300) });
    assert_eq!(digest(&mut two), alone);
    let mut first = noise();
    first.run_until(Time::from_us(177_777), &mut ());
    let mut second = noise();
    second.restore(&first.save().unwrap()).unwrap();
    assert_eq!(digest(&mut second), alone);
}
