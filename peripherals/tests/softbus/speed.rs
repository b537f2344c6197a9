//! Sessions are as fast as their link lets them be.

use consort_core::Time;
use consort_core::device::Device;
use consort_core::fleet::{Endpoint, Fleet, Observer};
use consort_core::link::{Lan, LanConfig};
use consort_core::rng::Rng;
use consort_core::trace::{Event, Kind};
use consort_peripherals::softbus::ScriptedPhone;
use serde_json::json;

const LENGTH: usize = 1 << 20;
const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// When the session opened, and when everything had arrived or was acknowledged.
#[derive(Default)]
struct Times(Option<Time>, Option<Time>);

impl Observer for Times {
    fn event(&mut self, device: usize, event: &Event) {
        let Kind::Report(report) = &event.kind else { return };
        match (device, report.what.as_str()) {
            (0, "session-opened") => self.0 = Some(event.at),
            (0, "message-sent") => self.1 = Some(event.at),
            (1, "bytes") if report.details["length"] == LENGTH.to_string() => self.1 = Some(event.at),
            _ => {}
        }
    }
}

fn node(name: &str, number: u8, peer: &str) -> serde_json::Value {
    json!({
        "udid": name, "mac": format!("02:00:00:00:00:{number:02x}"), "ip": format!("10.0.0.{number}"),
        "trust": [{"udid": peer, "key": KEY}],
    })
}

/// One device says a line to another over a link, once their session is open.
fn times(config: LanConfig, line: serde_json::Value) -> Times {
    let sender = json!({
        "node": node("A", 1, "B"), "seek": {"capabilities": ["share"]}, "sessions": [{"name": "load"}],
        "lines": [line],
    });
    let receiver = json!({"node": node("B", 2, "A"), "publish": ["share"], "servers": ["load"]});
    let device = |name: &str, config| {
        let phone = ScriptedPhone::new(name, 1, serde_json::from_value(config).unwrap()).unwrap();
        (name.to_owned(), Box::new(phone) as Box<dyn Device>)
    };
    let mut fleet = Fleet::new(vec![device("a", sender), device("b", receiver)]).unwrap();
    let lan = Lan::new(config, 2, Rng::new(1, "lan"));
    let ends = [0, 1].map(|device| Endpoint { device, port: 0 });
    fleet.join("lan", Box::new(lan), ends.to_vec()).unwrap();
    let mut times = Times::default();
    fleet.run_until(Time::from_secs(60), &mut times);
    times
}

/// Bits per second of a MiB in one session.
fn throughput(latency: Time, bandwidth: u64) -> f64 {
    let line = json!({"session": "load", "bytes": "x".repeat(LENGTH)});
    let times = times(LanConfig { latency, bandwidth }, line);
    let span = times.1.unwrap().since(times.0.unwrap());
    LENGTH as f64 * 8.0 / span.as_secs_f64()
}

#[test]
fn a_message_and_its_acknowledgement_take_the_links_time() {
    for (latency, bandwidth) in
        [(1, 100_000_000), (20, 100_000_000), (250, 100_000_000), (1, 1_000_000), (20, 50_000)]
    {
        let config = LanConfig { latency: Time::from_ms(latency), bandwidth };
        let times = times(config, json!({"session": "load", "message": "ring", "after": "5s"}));
        let round_trip = times.1.unwrap().since(times.0.unwrap() + Time::from_secs(5));
        // 102 bytes and 24 of overhead, each way once to the switch and once from it.
        let wire = Time::from_ps(126 * 8 * 1_000_000_000_000 / bandwidth);
        let expected = Time::from_ms(2 * latency) + wire + wire + wire + wire;
        assert_eq!(round_trip, expected, "{latency} ms, {bandwidth} bit/s");
    }
}

#[test]
fn a_narrow_link_is_filled() {
    // 1460 bytes of a session's 1538 on the wire, and two milliseconds until the first arrives.
    for bandwidth in [1_000_000, 10_000_000] {
        let share = throughput(Time::from_ms(1), bandwidth) / bandwidth as f64;
        assert!((0.90..0.95).contains(&share), "{bandwidth} bit/s: {share}");
    }
}

#[test]
fn a_long_link_is_bound_by_tcps_window() {
    // 65535 bytes per round trip, whatever the bandwidth.
    for latency in [20, 50] {
        let round_trip = 2.0 * latency as f64 / 1_000.0;
        let expected = 65_535.0 * 8.0 / round_trip;
        let share = throughput(Time::from_ms(latency), 1_000_000_000) / expected;
        assert!((0.85..1.15).contains(&share), "{latency} ms: {share}");
    }
}
