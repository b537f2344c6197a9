//! Random fleets of real guests: threads, quantum, watching and snapshots never change what happens.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use consort_core::Time;
use consort_core::fleet::{Fleet, Observer, Pace};
use consort_core::trace::{Digest, Event};
use consort_machines::fleet_file::{FleetFile, Overrides};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What guests do: talk over the LAN, sleep and wake, compute, nest interrupts, drive every timer and UART, fault.
const GUESTS: [&str; 12] = [
    "hub",
    "watch",
    "sensor",
    "sensor",
    "bench-sleep1ms",
    "bench-compute",
    "bench-branchy",
    "bench-mmio",
    "test-nvic",
    "test-timers",
    "test-systick",
    "test-faults",
];

/// A fleet file: guests by number with their boards, the link, what is sent to their consoles.
fn fleet_file() -> impl Strategy<Value = Value> {
    let device = (0..GUESTS.len(), any::<bool>());
    let stimulus = (0..8_usize, 1..120_000_u64, "[a-z]{1,8}\n");
    (
        prop::collection::vec(device, 1..6),
        (20..3_000_u64, prop::option::of(0..300_000_u32), any::<u32>()),
        prop::collection::vec(stimulus, 0..4),
    )
        .prop_map(|(devices, (latency, loss, seed), stimuli)| {
            let names: Vec<String> = (0..devices.len()).map(|n| format!("device-{n}")).collect();
            let entry = |(n, (guest, fpu)): (usize, &(usize, bool))| {
                let guest = GUESTS[*guest];
                let board = if guest.contains('-') && !fpu { "mps2-an385" } else { "mps2-an386" };
                let mac = format!("02:00:00:00:00:{n:02x}");
                let device = json!({
                    "board": board,
                    "firmware": format!("firmware/bin/{guest}.elf"),
                    "config": { "ethernet": { "mac": mac } },
                });
                (names[n].clone(), device)
            };
            let devices: serde_json::Map<_, _> = devices.iter().enumerate().map(entry).collect();
            let mut link = json!({ "kind": "lan", "joins": names, "latency": format!("{latency}us") });
            if let Some(loss) = loss {
                link["faults"] = json!([{ "after": "10ms", "fault": { "loss": loss } }]);
            }
            let stimulus = |(device, at, text): (usize, u64, String)| {
                json!({ "at": format!("{at}us"), "device": names[device % names.len()], "send": text })
            };
            let stimuli: Vec<Value> = stimuli.into_iter().map(stimulus).collect();
            json!({ "seed": seed, "devices": devices, "links": { "lan": link }, "stimuli": stimuli })
        })
}

/// How a fleet is run.
#[derive(Clone, Debug)]
struct Way {
    threads: usize,
    quantum: Time,
    watched: bool,
    /// When it is saved, and goes on in a fleet that was built anew.
    saves: Vec<Time>,
}

const STRAIGHT: Way = Way { threads: 1, quantum: Time::from_ms(10), watched: false, saves: Vec::new() };
const END: Time = Time::from_ms(150);

fn way() -> impl Strategy<Value = Way> {
    let quantum = prop_oneof![1..10_u64, 10..1_000_u64, 1_000..20_000_u64];
    (1..4_usize, quantum, any::<bool>(), prop::collection::vec(1..150_000_u64, 0..3)).prop_map(
        |(threads, quantum, watched, mut saves)| {
            saves.sort_unstable();
            let saves = saves.into_iter().map(Time::from_us).collect();
            Way { threads, quantum: Time::from_us(quantum), watched, saves }
        },
    )
}

struct Watcher(u64);

impl Observer for Watcher {
    fn event(&mut self, _: usize, _: &Event) {
        self.0 += 1;
    }
}

fn build(file: &Value, way: &Way) -> Fleet {
    let (file, document) = FleetFile::parse("fleet.json", &file.to_string()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut fleet = file.build(&document, folder, &Overrides::default()).unwrap().fleet;
    fleet.set_pace(Pace { threads: way.threads, quantum: way.quantum });
    fleet.want_events(way.watched);
    fleet
}

/// The digest at the end, and how much happened.
fn run(file: &Value, way: &Way) -> (Digest, Vec<u64>, u64) {
    let mut fleet = build(file, way);
    for save in &way.saves {
        fleet.run_until(*save, &mut Watcher(0));
        let saved = fleet.save().unwrap();
        fleet = build(file, way);
        fleet.restore(&saved).unwrap();
    }
    fleet.run_until(END, &mut Watcher(0));
    let instructions = (0..fleet.names().len()).map(|index| fleet.stats(index).instructions).collect();
    (fleet.digest().unwrap(), instructions, fleet.totals().frames)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_way_of_running_changes_a_fleet_of_real_guests(file in fleet_file(), way in way()) {
        let straight = run(&file, &STRAIGHT);
        prop_assert_eq!(run(&file, &way), straight);
    }
}

#[test]
fn random_fleets_talk() {
    // The property above says something only if guests do: this fleet of its kind sends frames and computes.
    let device = |guest, n: u8| {
        json!({
            "board": "mps2-an386",
            "firmware": format!("firmware/bin/{guest}.elf"),
            "config": { "ethernet": { "mac": format!("02:00:00:00:00:{n:02x}") } },
        })
    };
    let file = json!({
        "devices": { "hub": device("hub", 1), "sensor": device("sensor", 2), "busy": device("bench-compute", 3) },
        "links": { "lan": { "kind": "lan", "joins": ["hub", "sensor"], "latency": "100us" } },
    });
    let (_, instructions, frames) = run(&file, &STRAIGHT);
    assert!(
        frames > 0 && instructions.iter().all(|count| *count > 1_000),
        "{frames} frames, {instructions:?}"
    );
}
