//! The soft bus: whole stacks that talk over one link.

use consort_core::Time;
use consort_core::device::Device;
use consort_core::fleet::{Endpoint, Fleet};
use consort_core::link::{Lan, LanConfig};
use consort_core::rng::Rng;
use consort_peripherals::softbus::ScriptedPhone;
use serde_json::{Value, json};

use crate::figure::{Figure, ROUNDS, on_processor};

/// More devices than one phone may have sessions with: pairs. Each capability is sought by few enough that a list of
/// twenty devices is enough.
const CAPABILITIES: [&str; 9] = [
    "hicall",
    "profile",
    "homevisionPic",
    "castPlus",
    "aaCapability",
    "dvKit",
    "ddmpCapability",
    "osdCapability",
    "share",
];

/// Device `number`; even ones seek the next and write to it every millisecond, odd ones send back what they get.
fn device(number: usize) -> Value {
    let name = |number: usize| format!("N{number}");
    let capability = [CAPABILITIES[number / 2 % CAPABILITIES.len()]];
    let node = json!({
        "udid": name(number), "mac": format!("02:00:00:00:00:{number:02x}"), "ip": format!("10.0.0.{}", number + 1),
        "trust": [{ "udid": name(number ^ 1), "key": "000102030405060708090a0b0c0d0e0f" }],
    });
    if number.is_multiple_of(2) {
        let line = json!({ "session": "talk", "bytes": "a reading of some sixty-four bytes, as a sensor would send them.",
            "every": "1ms" });
        json!({ "node": node, "seek": { "capabilities": capability }, "sessions": [{ "name": "talk" }],
            "lines": [line] })
    } else {
        json!({ "node": node, "publish": capability, "servers": ["talk"], "echo": true })
    }
}

fn fleet(devices: usize) -> Fleet {
    let nodes = (0..devices).map(|number| {
        let config = serde_json::from_value(device(number)).unwrap();
        let phone = ScriptedPhone::new(&format!("n{number}"), 1, config).unwrap();
        (format!("n{number}"), Box::new(phone) as Box<dyn Device>)
    });
    let mut fleet = Fleet::new(nodes.collect()).unwrap();
    let ends = (0..devices).map(|device| Endpoint { device, port: 0 }).collect();
    let lan = Lan::new(LanConfig::default(), devices, Rng::new(1, "lan"));
    fleet.join("lan", Box::new(lan), ends).unwrap();
    fleet
}

/// Frames per second of processor time, each made, carried, decrypted and answered by the stacks.
pub fn throughput(figures: &mut Vec<Figure>) {
    for devices in [2, 10, 100] {
        let rounds = (0..ROUNDS).map(|_| {
            let mut fleet = fleet(devices);
            fleet.run_until(Time::from_secs(10), &mut ());
            let (before, span) = (fleet.totals().frames, Time::from_ms(40_000 / devices as u64));
            let time = on_processor(|| {
                fleet.run_until(Time::from_secs(10) + span, &mut ());
            });
            let frames = fleet.totals().frames - before;
            // Data and its echo, each with an acknowledgement of TCP or upon the echo.
            let least = devices as u64 / 2 * (span.as_ns() / 1_000_000) * 2;
            assert!(frames >= least * 9 / 10, "{devices} devices: {frames} frames of {least}");
            frames as f64 / time.as_secs_f64() / 1e3
        });
        figures.push(Figure::new(format!("softbus/{devices}-devices"), "kfr/s", rounds.collect()));
    }
}
