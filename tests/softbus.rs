//! The soft bus in whole fleets: the demo's firmware and scripted nodes, faults, captures.

#![expect(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Where the link's fault begins and ends in the demo: long enough that everyone takes the phone for gone.
const CUT: &str = "\"after\": \"20s\", \"before\": \"60s\"";

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/softbus.json")
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("softbus").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a fleet and gives what it printed.
fn run(fleet: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
    let output = command.arg("run").arg(fleet).args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn digest(text: &str) -> &str {
    text.rsplit("digest ").next().unwrap().trim()
}

/// How often a pattern with `*` for anything stands in a line.
fn count(text: &str, pattern: &str) -> usize {
    let pattern = pattern.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
    let pattern = regex::Regex::new(&pattern).unwrap();
    text.lines().filter(|line| pattern.is_match(line)).count()
}

#[test]
fn the_demo_is_found_read_notified_cut_and_recovers() {
    let story = run(&demo(), &["--for", "80s", "--threads", "1"]);
    for device in ["watch-1", "sensor-1", "sensor-2"] {
        assert_eq!(count(&story, &format!("phone: found {device} *")), 1, "{story}");
        assert_eq!(count(&story, &format!("phone: {device} offline")), 1, "{story}");
        assert_eq!(count(&story, &format!("phone: {device} online")), 2, "{story}");
    }
    for sensor in ["sensor-1", "sensor-2"] {
        assert_eq!(count(&story, &format!("phone: session readings with {sensor}: done")), 2, "{story}");
        assert!(count(&story, &format!("phone: ALARM {sensor} * bpm")) > 0, "{story}");
    }
    assert!(count(&story, "watch-1: ALARM of sensor-*, type ok") > 0, "{story}");
    assert!(count(&story, "phone: watch-1 answers: ok") > 0, "{story}");
    assert!(count(&story, "phone: 3 of 3 here, * readings") > 0, "{story}");
    assert!(count(&story, "phone: 0 of 3 here, * readings") > 0, "{story}");
    assert!(std::fs::read_to_string(demo()).unwrap().contains(CUT), "the test is about another demo");

    // However it is run, it is the same run.
    let again =
        run(&demo(), &["--for", "80s", "--threads", "3", "--quantum", "137us", "--softbus", "--quiet"]);
    assert_eq!(digest(&again), digest(&story));
    let folder = scratch("demo");
    let state = folder.join("half.consort");
    let state = state.to_str().unwrap();
    let saved = run(&demo(), &["--for", "80s", "--quiet", "--save", state, "--at", "33s"]);
    assert_eq!(digest(&saved), digest(&story));
    let pcap = folder.to_str().unwrap();
    let restored = run(&demo(), &["--for", "80s", "--quiet", "--restore", state, "--pcap", pcap]);
    assert_eq!(digest(&restored), digest(&story));
}

/// A phone and a watch without firmware, and faults of every kind.
fn scripted(extra: Value) -> Value {
    let key = "000102030405060708090a0b0c0d0e0f";
    json!({
        "seed": 3,
        "devices": {
            "phone": { "scripted": {
                "node": { "udid": "PHONE", "device-type": "phone", "mac": "02:00:00:00:00:01", "ip": "10.0.0.1",
                    "trust": [{ "udid": "WATCH", "key": key }] },
                "seek": { "capabilities": ["ddmpCapability"] },
                "sessions": [{ "name": "talk" }],
                "lines": [{ "session": "talk", "message": "ring", "every": "500ms" },
                    { "session": "talk", "bytes": "some words that make a longer frame", "every": "300ms" }]
            } },
            "watch": { "scripted": {
                "node": { "udid": "WATCH", "device-type": "watch", "mac": "02:00:00:00:00:02", "ip": "10.0.0.2",
                    "trust": [{ "udid": "PHONE", "key": key }] },
                "publish": ["ddmpCapability"], "servers": ["talk"]
            }, "drift": -500 }
        },
        "links": { "air": { "kind": "lan", "joins": ["phone", "watch"], "latency": "1ms", "faults": extra } }
    })
}

fn write(name: &str, fleet: &Value) -> PathBuf {
    let path = scratch(name).join("fleet.json");
    std::fs::write(&path, fleet.to_string()).unwrap();
    path
}

#[test]
fn every_fault_is_survived_and_repeats() {
    let faults = [
        json!({ "loss": 100_000 }),
        json!({ "burst-loss": { "begin": 30_000, "end": 300_000 } }),
        json!({ "jitter": "20ms" }),
        json!({ "bandwidth": 200_000 }),
        json!({ "duplicate": 300_000 }),
        json!({ "reorder": { "share": 200_000, "by": "5ms" } }),
        json!({ "corrupt": 50_000 }),
        json!({ "split": 7 }),
        json!({ "coalesce": "30ms" }),
    ];
    for fault in faults {
        let fleet = write("faults", &scripted(json!([{ "after": "1s", "fault": fault }])));
        let story = run(&fleet, &["--for", "12s", "--softbus"]);
        assert!(count(&story, "watch *message data=ring") >= 15, "{fault}:\n{story}");
        assert!(count(&story, "watch *bytes data=*") >= 20, "{fault}:\n{story}");
        let again = run(&fleet, &["--for", "12s", "--softbus", "--quantum", "200us", "--threads", "2"]);
        assert_eq!(digest(&story), digest(&again), "{fault}");
    }
}

/// Partitions, another address, power, drift and every fault of a link, at their times; the last step fails on purpose,
/// so that what was recorded can be replayed without the scenario.
#[test]
fn what_is_done_to_a_fleet_is_in_its_journal() {
    let mut fleet = scripted(json!([
        { "after": "60s", "before": "120s", "between": [["phone"], ["watch", "sensor"]], "fault": "cut" }
    ]));
    fleet["links"]["air"]["joins"] = json!(["phone", "watch", "sensor"]);
    let mut sensor = fleet["devices"]["watch"].clone();
    for (word, value) in [("udid", "SENSOR"), ("mac", "02:00:00:00:00:03"), ("ip", "10.0.0.3")] {
        sensor["scripted"]["node"][word] = json!(value);
    }
    let trust = &mut fleet["devices"]["phone"]["scripted"]["node"]["trust"];
    let mut more = trust[0].clone();
    more["udid"] = json!("SENSOR");
    trust.as_array_mut().unwrap().push(more);
    fleet["devices"]["sensor"] = sensor;
    let folder = write("journal", &fleet);
    let folder = folder.parent().unwrap();

    let told = |device: &str, what: &str, details: Value, within: &str| {
        let report = json!({ "what": what, "details": details });
        json!({ "wait": { "device": device, "report": report, "only-new": true, "within": within } })
    };
    let phone = |what: &str, udid: &str| told("phone", what, json!({ "udid": format!("^{udid}$") }), "60s");
    let both = json!({ "parallel": [[phone("online", "WATCH")], [phone("online", "SENSOR")]] });
    let mut steps = vec![
        both.clone(),
        // A one-way partition: the watch hears, and is not heard.
        json!({ "fault": { "link": "air", "from": "watch", "to": "phone", "fault": "cut", "for": "45s" } }),
        phone("offline", "WATCH"),
        phone("offline", "SENSOR"),
        both,
        json!({ "set": { "device": "phone", "channel": "phone.ip", "to": "10.0.0.9" } }),
        told("watch", "online", json!({ "ip": "^10.0.0.9$" }), "40s"),
        json!({ "set": { "device": "sensor", "channel": "phone.presence", "to": "offline" } }),
        json!({ "power": { "device": "watch", "do": "cycle", "for": "2s" } }),
        phone("offline", "WATCH"),
        phone("online", "WATCH"),
        json!({ "set": { "device": "watch", "channel": "clock.drift", "to": 2000 } }),
    ];
    for fault in [
        json!({ "loss": 100_000 }),
        json!({ "burst-loss": { "begin": 50_000, "end": 300_000 } }),
        json!({ "delay": "30ms" }),
        json!({ "jitter": "20ms" }),
        json!({ "reorder": { "share": 300_000, "by": "5ms" } }),
        json!({ "duplicate": 500_000 }),
        json!({ "corrupt": 100_000 }),
        json!({ "bandwidth": 200_000 }),
        json!({ "split": 7 }),
        json!({ "coalesce": "30ms" }),
    ] {
        steps.push(json!({ "fault": { "link": "air", "fault": fault, "for": "1s" } }));
        steps.push(json!({ "run-for": "1s" }));
    }
    steps.push(json!({ "power": { "device": "sensor", "do": "reset" } }));
    steps.push(told("watch", "message", json!({ "data": "ring" }), "5s"));
    let last = format!("/steps/{}/wait", steps.len());
    steps.push(told("watch", "message", json!({ "data": "never said" }), "3s"));
    let scenario = json!({ "fleet": "fleet.json", "limit": "300s", "steps": steps });
    std::fs::write(folder.join("all.scenario.json"), scenario.to_string()).unwrap();

    let consort = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_consort")).current_dir(folder).args(args).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let failure = "a/all.scenario.json/failure.consort";
    let text = consort(&["test", "all.scenario.json", "--artifacts", "a"]);
    assert!(text.contains(&last), "another step failed:\n{text}");
    let text = consort(&["replay", failure, "--quiet"]);
    assert!(text.contains("the failure is the same, digest and all"), "{text}");
    let text = consort(&["replay", failure, "--inputs-only", "--quiet"]);
    assert!(text.contains("the digest is the same"), "{text}");
}

/// A peer as weak as OpenHarmony's lite stack, alone, with coalesced segments, with a replayed frame and with a second
/// phone: what it loses is its own, and the phones know where they stand.
#[test]
fn a_peer_with_the_lite_stacks_flaws_is_held_and_lived_with() {
    let lite = |mut fleet: Value| {
        let watch = &mut fleet["devices"]["watch"]["scripted"];
        watch["node"]["role"] = json!("lite");
        watch["node"]["device-type"] = json!("l0");
        watch["node"]["flaws"] = json!(true);
        watch["echo"] = json!(true);
        fleet["devices"]["phone"]["scripted"]["lines"] = json!([
            { "session": "talk", "bytes": "first", "after": "10ms", "every": "500ms" },
            { "session": "talk", "bytes": "second", "after": "20ms", "every": "500ms" },
        ]);
        fleet
    };
    let play = |fleet: &Value, name: &str| {
        let path = write(name, fleet);
        let story = run(&path, &["--for", "40s", "--softbus"]);
        let again = run(&path, &["--for", "40s", "--softbus", "--quantum", "333us", "--threads", "2"]);
        assert_eq!(digest(&story), digest(&again));
        story
    };
    let alone = play(&lite(scripted(json!([]))), "flaws-alone");
    assert!(count(&alone, "phone *bytes data=first") > 75, "{alone}");
    assert_eq!(count(&alone, "malformed") + count(&alone, "offline"), 0, "{alone}");

    let coalesce = json!([{ "after": "5s", "before": "20s", "fault": { "coalesce": "100ms" } }]);
    let coalesced = play(&lite(scripted(coalesce)), "flaws-coalesced");
    assert!(count(&coalesced, "watch *malformed *the authentication tag is wrong") > 20, "{coalesced}");
    let echoes = count(&coalesced, "phone *bytes data=first");
    assert!((40..60).contains(&echoes), "{echoes}: {coalesced}");
    assert_eq!(count(&coalesced, "phone *offline") + count(&coalesced, "phone *session-closed"), 0);

    let mut replaying = lite(scripted(json!([])));
    let lines = replaying["devices"]["phone"]["scripted"]["lines"].as_array_mut().unwrap();
    lines.push(json!({ "session": "talk", "misbehave": "replay", "after": "5s" }));
    let replayed = play(&replaying, "flaws-replayed");
    assert_eq!(count(&replayed, "watch *bytes data=second"), count(&replayed, "watch *bytes data=first") + 1);

    let mut two = lite(scripted(json!([])));
    let mut second = two["devices"]["phone"].clone();
    for (word, value) in [("udid", "PHONE-2"), ("mac", "02:00:00:00:00:07"), ("ip", "10.0.0.7")] {
        second["scripted"]["node"][word] = json!(value);
    }
    let other = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    second["scripted"]["node"]["trust"][0]["key"] = json!(other);
    two["devices"]["phone-2"] = second;
    let trust = two["devices"]["watch"]["scripted"]["node"]["trust"].as_array_mut().unwrap();
    trust.push(json!({ "udid": "PHONE-2", "key": other }));
    two["links"]["air"]["joins"] = json!(["phone", "watch", "phone-2"]);
    let two = play(&two, "flaws-two");
    // The heartbeats, each 10 s, cost whoever joined first its place; both come back.
    let lost = count(&two, "phone* offline udid=WATCH");
    assert!((1..=8).contains(&lost), "{two}");
    assert!(count(&two, "phone* online *udid=WATCH") >= 2 + lost - 1, "{two}");
    assert!(count(&two, "phone* malformed *CONNECTION: the authentication tag is wrong") >= lost, "{two}");
}

/// The sensor has room for four sessions, and its callback returns other than 0 for the fifth.
#[test]
fn firmware_rejects_a_session_by_what_its_callback_returns() {
    let key = "101112131415161718191a1b1c1d1e1f";
    let plans: Vec<Value> =
        (0..5).map(|number| json!({ "name": format!("own-{number}"), "peer": "readings" })).collect();
    let fleet = json!({
        "seed": 1,
        "devices": {
            "sensor": {
                "board": "mps2-an385-softbus",
                "firmware": format!("{}/firmware/bin/bus-sensor.elf", env!("CARGO_MANIFEST_DIR")),
                "config": { "softbus": {
                    "udid": "SENSOR", "role": "mini", "mac": "02:00:00:03:00:01", "ip": "10.0.0.3",
                    "trust": [{ "udid": "PHONE", "key": key }]
                } }
            },
            "phone": { "scripted": {
                "node": { "udid": "PHONE", "mac": "02:00:00:00:00:01", "ip": "10.0.0.1",
                    "trust": [{ "udid": "SENSOR", "key": key }] },
                "seek": { "capabilities": ["ddmpCapability"] },
                "sessions": plans, "every": "20s"
            } }
        },
        "links": { "air": { "kind": "lan", "joins": ["sensor", "phone"], "latency": "1ms" } }
    });
    let story = run(&write("rejected", &fleet), &["--for", "3s", "--softbus"]);
    assert_eq!(count(&story, "phone *session-opened *result=ok"), 5, "{story}");
    assert_eq!(count(&story, "phone *session-closed name=own-4"), 1, "{story}");
    assert_eq!(count(&story, "session-closed"), 1, "{story}");
}

#[test]
fn impossible_faults_and_devices_are_named() {
    let refused = |fleet: Value, word: &str| {
        let path = write("refused", &fleet);
        let output = Command::new(env!("CARGO_BIN_EXE_consort")).arg("check").arg(path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(word), "`{word}` is not in:\n{text}");
    };
    refused(scripted(json!([{ "fault": { "loss": 1_000_001 } }])), "a share is of a million");
    refused(
        scripted(json!([{ "fault": "cut", "between": [["phone"], ["toaster"]] }])),
        "does not join `toaster`",
    );
    refused(
        scripted(json!([{ "fault": "cut", "from": "phone", "between": [["phone"], ["watch"]] }])),
        "between",
    );
    let mut both = scripted(json!([]));
    both["devices"]["phone"]["board"] = json!("mps2-an386");
    refused(both, "neither `board` nor `firmware`");
    let mut neither = scripted(json!([]));
    neither["devices"]["phone"] = json!({});
    refused(neither, "a device needs `board` and `firmware`");
    let mut line = scripted(json!([]));
    line["devices"]["phone"]["scripted"]["lines"][0]["session"] = json!("nowhere");
    refused(line, "there is no session `nowhere`");
}

/// What tshark says of a capture; `None` when it is not installed, which CI does not allow.
fn tshark(capture: &Path, args: &[&str]) -> Option<String> {
    let lua = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/consort-dsoftbus.lua");
    let script = format!("lua_script:{}", lua.display());
    let output = Command::new("tshark").args(["-X", &script, "-r"]).arg(capture).args(args).output();
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && !errors.contains("Lua"), "{text}\n{errors}");
            Some(text)
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "tshark is required in CI: {error}");
            eprintln!("skipped: tshark is not installed ({error})");
            None
        }
    }
}

#[test]
fn tshark_reads_the_capture_with_faults_and_all_layers() {
    let faults = json!([
        { "after": "3s", "before": "4s", "fault": "cut" },
        { "after": "5s", "before": "6s", "fault": { "split": 7 } }
    ]);
    let fleet = write("tshark", &scripted(faults));
    let folder = fleet.parent().unwrap().join("pcap");
    run(&fleet, &["--for", "8s", "--quiet", "--pcap", folder.to_str().unwrap()]);
    let capture = folder.join("frames.pcapng");
    let fields = |filter: &str, fields: &[&str]| {
        let mut args = vec!["-Y", filter, "-T", "fields", "-E", "separator=|"];
        for field in fields {
            args.extend(["-e", field]);
        }
        tshark(&capture, &args)
    };
    let Some(found) = fields("dsoftbus.discovery.path", &["frame.interface_name", "dsoftbus.discovery.path"])
    else {
        return;
    };
    assert!(found.lines().count() >= 2 && found.lines().all(|line| line == "air|device_discover"), "{found}");
    let modules = fields("dsoftbus.module", &["dsoftbus.module"]).unwrap();
    for module in ["1", "3", "5", "6"] {
        assert!(modules.lines().any(|line| line == module), "module {module}:\n{modules}");
    }
    let frames = fields("dsoftbus.flag", &["dsoftbus.flag"]).unwrap();
    for flag in ["0", "1", "2"] {
        assert!(frames.lines().any(|line| line.split(',').any(|one| one == flag)), "flag {flag}:\n{frames}");
    }
    let lost = fields("frame.comment contains \"LOST\"", &["frame.time_relative", "frame.comment"]).unwrap();
    assert!(lost.contains("by rule 0, \"cut\""), "{lost}");
    let pieces = fields("frame.comment contains \"as received\"", &["tcp.len"]).unwrap();
    assert!(
        pieces.lines().count() > 10 && pieces.lines().all(|line| line.parse::<u32>().unwrap() <= 7),
        "{pieces}"
    );
    let bad =
        fields("_ws.malformed or dsoftbus.malformed or ip.checksum.status == 0", &["frame.number"]).unwrap();
    assert_eq!(bad, "");
}
