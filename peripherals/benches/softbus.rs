//! How fast the soft bus runs: pairs of nodes on one switch, each with an encrypted session that sends 1000 bytes
//! every 10 ms and a message every 100 ms. `cargo bench -p consort-peripherals --bench softbus`

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::time::Instant;

use consort_core::Time;
use consort_core::device::Device;
use consort_core::fleet::{Endpoint, Fleet};
use consort_core::link::{Lan, LanConfig};
use consort_core::rng::Rng;
use consort_peripherals::softbus::ScriptedPhone;
use serde_json::{Value, json};

/// By then all sessions are open.
const WARM: Time = Time::from_secs(5);

fn node(number: usize, peer: usize) -> Value {
    json!({
        "udid": format!("N{number}"), "mac": format!("02:00:00:00:00:{number:02x}"),
        "ip": format!("10.0.0.{number}"),
        "trust": [{"udid": format!("N{peer}"), "key": "000102030405060708090a0b0c0d0e0f"}],
    })
}

fn fleet(devices: usize) -> Fleet {
    let configs = (1..=devices).map(|number| {
        if number % 2 == 1 {
            json!({
                "node": node(number, number + 1), "seek": {"capabilities": ["ddmpCapability"]},
                "sessions": [{"name": "load"}],
                "lines": [
                    {"session": "load", "bytes": "x".repeat(1_000), "every": "10ms"},
                    {"session": "load", "message": "ring", "every": "100ms"},
                ],
            })
        } else {
            json!({"node": node(number, number - 1), "publish": ["ddmpCapability"], "servers": ["load"]})
        }
    });
    let devices: Vec<(String, Box<dyn Device>)> = configs
        .enumerate()
        .map(|(index, config)| {
            let name = format!("n{index}");
            let phone = ScriptedPhone::new(&name, 1, serde_json::from_value(config).unwrap()).unwrap();
            (name, Box::new(phone) as Box<dyn Device>)
        })
        .collect();
    let ends: Vec<_> = (0..devices.len()).map(|device| Endpoint { device, port: 0 }).collect();
    let mut fleet = Fleet::new(devices).unwrap();
    let lan = Lan::new(LanConfig::default(), ends.len(), Rng::new(1, "lan"));
    fleet.join("lan", Box::new(lan), ends).unwrap();
    fleet
}

fn main() {
    println!("devices   frames/virtual s   frames/wall s   x real time");
    for devices in [2, 10, 100] {
        let mut fleet = fleet(devices);
        fleet.run_until(WARM, &mut ());
        let (before, seconds) = (fleet.totals().frames, 1_000 / devices as u64);
        let start = Instant::now();
        fleet.run_until(WARM + Time::from_secs(seconds), &mut ());
        let wall = start.elapsed().as_secs_f64();
        let frames = (fleet.totals().frames - before) as f64;
        println!(
            "{devices:>7} {:>18.0} {:>15.0} {:>13.1}",
            frames / seconds as f64,
            frames / wall,
            seconds as f64 / wall
        );
    }
}
