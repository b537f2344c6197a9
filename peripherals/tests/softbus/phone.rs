//! Scripted nodes as members of a fleet.

use std::sync::{Arc, Mutex};

use consort_core::Time;
use consort_core::component::Value;
use consort_core::device::{Action, Device};
use consort_core::fleet::{Endpoint, Fleet, Observer, Pace, Stimulus, StimulusKind};
use consort_core::link::{Fault, Lan, LanConfig, Link as _, Rule};
use consort_core::rng::Rng;
use consort_core::trace::{Event, Kind};
use consort_peripherals::softbus::{PhoneConfig, ScriptedPhone};

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn phone() -> PhoneConfig {
    serde_json::from_value(serde_json::json!({
        "node": {
            "name": "phone", "device-type": "phone", "udid": "PHONE", "mac": "02:00:00:00:00:01", "ip": "10.0.0.1",
            "trust": [{"udid": "WATCH", "key": KEY}, {"udid": "SENSOR", "key": KEY}],
        },
        "seek": {"capabilities": ["ddmpCapability"]},
        "sessions": [{"name": "readings"}],
        "lines": [{"session": "readings", "after": "100ms", "message": "ring", "every": "2s", "times": 3}],
    }))
    .unwrap()
}

fn other(name: &str, number: u8, extra: serde_json::Value) -> PhoneConfig {
    let mut config = serde_json::json!({
        "node": {
            "name": name.to_lowercase(), "udid": name, "role": "mini", "device-type": "watch",
            "mac": format!("02:00:00:00:00:{number:02x}"), "ip": format!("10.0.0.{number}"),
            "trust": [{"udid": "PHONE", "key": KEY}],
        },
        "publish": ["ddmpCapability"],
        "servers": ["readings"],
        "lines": [{"session": "readings", "bytes": "21.5", "every": "1s"}],
    });
    for (key, value) in extra.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).unwrap()
}

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Observer for Log {
    fn event(&mut self, device: usize, event: &Event) {
        let text = match &event.kind {
            Kind::Log { text, .. } => text.clone(),
            Kind::Report(report) => report.to_string(),
            _ => return,
        };
        self.0.lock().unwrap().push(format!("{} {device} {text}", event.at));
    }
}

impl Log {
    fn count(&self, words: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }
}

fn fleet(configs: Vec<(&str, PhoneConfig)>, rules: &[Rule]) -> Fleet {
    let devices: Vec<(String, Box<dyn Device>)> = configs
        .into_iter()
        .map(|(name, config)| {
            let device = ScriptedPhone::new(name, 7, config).unwrap();
            (name.to_owned(), Box::new(device) as Box<dyn Device>)
        })
        .collect();
    let ends = (0..devices.len()).map(|device| Endpoint { device, port: 0 }).collect::<Vec<_>>();
    let mut fleet = Fleet::new(devices).unwrap();
    let mut lan = Lan::new(LanConfig::default(), ends.len(), Rng::new(7, "lan"));
    for rule in rules {
        lan.rules_mut().add(rule.clone());
    }
    fleet.join("lan", Box::new(lan), ends).unwrap();
    fleet
}

fn three() -> Vec<(&'static str, PhoneConfig)> {
    vec![
        ("phone", phone()),
        ("watch", other("WATCH", 2, serde_json::json!({}))),
        ("sensor", other("SENSOR", 3, serde_json::json!({}))),
    ]
}

#[test]
fn a_phone_finds_a_watch_and_a_sensor_and_hears_them() {
    let mut fleet = fleet(three(), &[]);
    let mut log = Log::default();
    fleet.run_until(Time::from_secs(10), &mut log);
    assert_eq!(log.count("0 found"), 2);
    assert_eq!(log.count("online"), 4);
    assert_eq!(log.count("0 bytes data=21.5 length=4 name=readings session=1"), 10);
    assert_eq!(log.count("message data=ring"), 6);
    assert_eq!(log.count("message-sent"), 6);
    assert_eq!(log.count("malformed"), 0);
}

#[test]
fn equal_fleets_have_equal_digests_however_they_are_run() {
    let run = |pieces: u64, threads: usize| {
        let mut fleet = fleet(three(), &[]);
        fleet.set_pace(Pace { threads, ..Pace::default() });
        for piece in 1..=pieces {
            fleet.run_until(Time::from_ps(Time::from_secs(8).as_ps() / pieces * piece), &mut Log::default());
        }
        fleet.digest().unwrap()
    };
    let whole = run(1, 1);
    assert_eq!(run(1, 1), whole);
    assert_eq!(run(16, 1), whole);
    assert_eq!(run(4, 2), whole);
}

#[test]
fn a_saved_fleet_goes_on_as_if_it_had_not_stopped() {
    let mut straight = fleet(three(), &[]);
    straight.run_until(Time::from_secs(3), &mut Log::default());
    let saved = straight.save().unwrap();
    straight.run_until(Time::from_secs(6), &mut Log::default());
    let mut restored = fleet(three(), &[]);
    restored.restore(&saved).unwrap();
    restored.run_until(Time::from_secs(6), &mut Log::default());
    assert_eq!(restored.digest().unwrap(), straight.digest().unwrap());
}

#[test]
fn everyone_recovers_after_a_cut() {
    let cut = Rule {
        after: Time::from_secs(5),
        before: Time::from_secs(50),
        from: None,
        to: None,
        fault: Fault::Cut,
    };
    let mut fleet = fleet(three(), &[cut]);
    let mut log = Log::default();
    fleet.run_until(Time::from_secs(50), &mut log);
    assert_eq!(log.count("offline"), 4);
    let before = log.count("bytes data=21.5");
    fleet.run_until(Time::from_secs(70), &mut log);
    assert_eq!(log.count("online"), 8);
    assert!(log.count("bytes data=21.5") > before + 20);
}

#[test]
fn stimuli_speak_and_misbehave_and_power_ends_it() {
    let mut fleet = fleet(three(), &[]);
    let mut log = Log::default();
    let set = |channel: &str, text: &str| Action::Set {
        component: "phone".into(),
        channel: channel.into(),
        value: Value::Text(text.into()),
    };
    for (at, device, action) in [
        (3, "phone", set("message", "dinner")),
        (4, "phone", set("misbehave", "bad-tag")),
        (6, "watch", Action::PowerOff),
        (60, "watch", Action::PowerOn),
    ] {
        let what = StimulusKind::Device(device.into(), action);
        fleet.inject(Stimulus { at: Time::from_secs(at), what }).unwrap();
    }
    let wrong = StimulusKind::Device("phone".into(), set("misbehave", "politely"));
    assert!(fleet.inject(Stimulus { at: Time::from_secs(5), what: wrong }).is_err());
    fleet.run_until(Time::from_secs(59), &mut log);
    assert_eq!(log.count("message data=dinner"), 2);
    assert_eq!(log.count("authentication tag is wrong"), 2);
    assert_eq!(log.count("0 offline udid=WATCH"), 1);
    fleet.run_until(Time::from_secs(75), &mut log);
    assert_eq!(log.count("0 online ip=10.0.0.2 name=watch"), 2);
}

#[test]
fn a_device_with_another_address_is_found_again() {
    let mut fleet = fleet(three(), &[]);
    let mut log = Log::default();
    let set = |text: &str| Action::Set {
        component: "phone".into(),
        channel: "ip".into(),
        value: Value::Text(text.into()),
    };
    let stimulus =
        |text| Stimulus { at: Time::from_secs(5), what: StimulusKind::Device("watch".into(), set(text)) };
    assert!(fleet.inject(stimulus("10.0.0.300")).is_err());
    fleet.inject(stimulus("10.0.0.99")).unwrap();
    fleet.run_until(Time::from_secs(60), &mut log);
    assert_eq!(log.count("0 offline udid=WATCH"), 1);
    assert_eq!(log.count("0 online ip=10.0.0.99 name=watch"), 1);
    assert!(log.count("1 message data=ring") > 3, "{log:?}");
}

#[test]
fn contradictions_in_a_script_are_refused() {
    let mut config = phone();
    config.lines[0].bytes = Some("x".into());
    assert!(ScriptedPhone::new("phone", 0, config).is_err());
    let mut config = phone();
    config.lines[0].session = "nowhere".into();
    assert!(ScriptedPhone::new("phone", 0, config).is_err());
}
