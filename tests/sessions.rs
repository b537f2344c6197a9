//! What surrounds scenarios: pins and pictures, other firmware, recorded sessions, timelines, differences.

#![expect(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn consort(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
    command.args(args).current_dir(folder).env("NO_COLOR", "1").output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs it, and wants this exit code.
fn ends(code: i32, folder: &Path, args: &[&str]) -> String {
    let output = consort(folder, args);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    text
}

/// All of `expected` are in `text`, in this order.
fn in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for part in expected {
        let Some(at) = rest.find(part) else { panic!("`{part}` is not in the rest of:\n{text}") };
        rest = &rest[at + part.len()..];
    }
}

fn scratch(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sessions").join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn firmware(name: &str) -> String {
    format!("{}/firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"))
}

/// A hub and a sensor.
fn fleet() -> Value {
    let device = |board: &str, image: &str, mac: &str| json!({ "board": board, "firmware": firmware(image), "config": { "ethernet": { "mac": mac } } });
    json!({
        "seed": 3,
        "devices": {
            "hub": device("mps2-an386", "hub", "02:00:00:01:00:01"),
            "sensor": device("mps2-an385", "sensor", "02:00:00:03:00:01"),
        },
        "links": { "home": { "kind": "lan", "joins": ["hub", "sensor"], "faults": [{ "fault": { "loss": 100000 } }] } },
    })
}

fn put(folder: &Path, name: &str, value: &Value) {
    std::fs::write(folder.join(name), serde_json::to_string_pretty(value).unwrap()).unwrap();
}

fn put_scenario(folder: &Path, name: &str, steps: &Value) {
    put(folder, name, &json!({ "fleet": fleet(), "limit": "20s", "steps": steps }));
}

fn digest(text: &str) -> String {
    text.rsplit_once("digest ").unwrap().1.chars().take_while(char::is_ascii_hexdigit).collect()
}

#[test]
fn pins_have_levels_and_edges() {
    let folder = scratch("pins");
    // The sensor's lamp changes with every reading, once a second.
    put_scenario(
        &folder,
        "blink.scenario.json",
        &json!([
            { "wait": { "device": "sensor", "pin": "fpgaio.led0", "level": true, "within": "2s", "mark": "on" } },
            { "expect": { "device": "sensor", "pin": "fpgaio.led0", "is": 1 } },
            { "wait": { "device": "sensor", "pin": "fpgaio.led0", "level": false, "within": "2s", "mark": "off" } },
            { "expect-time": { "from": "on", "to": "off", "at-least": "990ms", "at-most": "1010ms" } },
            { "forbid": { "device": "sensor", "pin": "fpgaio.led0", "for": "900ms" } },
            { "wait": { "device": "sensor", "pin": "fpgaio.led0", "within": "200ms" } },
        ]),
    );
    put_scenario(
        &folder,
        "bad.scenario.json",
        &json!([{ "forbid": { "device": "sensor", "pin": "fpgaio.led0", "level": true, "for": "2s" } }]),
    );
    ends(0, &folder, &["test", "blink.scenario.json"]);
    let text = ends(1, &folder, &["test", "bad.scenario.json"]);
    in_order(
        &text,
        &["on sensor", "no a rising edge of sensor fpgaio.led0, for 2s", "it came: fpgaio.led0 went high"],
    );
    put_scenario(
        &folder,
        "typo.scenario.json",
        &json!([{ "expect": { "device": "sensor", "pin": "fpgaio.lde0", "is": 1 } }]),
    );
    let text = ends(2, &folder, &["check", "typo.scenario.json"]);
    in_order(&text, &["typo.scenario.json:", "did you mean `fpgaio.led0`?", "/steps/0/expect/pin"]);
}

#[test]
fn pictures_are_compared_and_their_difference_is_kept() {
    let folder = scratch("pictures");
    let step = |more: Value| {
        let mut step = json!({ "device": "sensor", "part": "fpgaio", "is": "golden/lamps.png" });
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([{ "run-until": "1500ms" }, { "picture": step }])
    };
    put_scenario(&folder, "lamps.scenario.json", &step(json!({})));
    let text = ends(1, &folder, &["test", "lamps.scenario.json", "--artifacts", "left"]);
    in_order(&text, &["sensor.fpgaio shows golden/lamps.png", "there is no picture to compare with"]);
    // What it shows becomes what it must show.
    std::fs::create_dir(folder.join("golden")).unwrap();
    let left = folder.join("left/lamps.scenario.json");
    std::fs::copy(left.join("sensor.fpgaio.png"), folder.join("golden/lamps.png")).unwrap();
    ends(0, &folder, &["test", "lamps.scenario.json"]);
    put_scenario(&folder, "later.scenario.json", &json!([{ "run-until": "2500ms" }, step(json!({}))[1]]));
    let text = ends(1, &folder, &["test", "later.scenario.json", "--artifacts", "left"]);
    in_order(&text, &["1 of 2 pixels differ"]);
    let left = folder.join("left/later.scenario.json");
    for name in ["sensor.fpgaio.png", "sensor.fpgaio.expected.png", "sensor.fpgaio.difference.png"] {
        assert!(std::fs::read(left.join(name)).unwrap().starts_with(b"\x89PNG"), "{name}");
    }
    // The failure file carries the picture it is compared with.
    std::fs::copy(left.join("failure.consort"), scratch("pictures-elsewhere").join("f")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let elsewhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sessions/pictures-elsewhere");
    in_order(&ends(0, &elsewhere, &["replay", "f", "--quiet"]), &["the failure is the same, digest and all"]);
    for (more, code) in
        [(json!({ "differing": 1 }), 0), (json!({ "tolerance": 255 }), 0), (json!({ "tolerance": 254 }), 1)]
    {
        let folder = scratch("tolerance");
        let lamps =
            json!([step(json!({}))[0], { "picture": { "device": "hub", "part": "fpgaio", "is": "x.png" } }]);
        put_scenario(&folder, "a.scenario.json", &lamps);
        ends(1, &folder, &["test", "a.scenario.json", "--artifacts", "left"]);
        std::fs::copy(folder.join("left/a.scenario.json/hub.fpgaio.png"), folder.join("x.png")).unwrap();
        let mut other = json!({ "device": "hub", "part": "fpgaio", "is": "x.png" });
        other.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        put_scenario(&folder, "b.scenario.json", &json!([{ "run-until": "1ms" }, { "picture": other }]));
        ends(code, &folder, &["test", "b.scenario.json", "--artifacts", "left"]);
    }
}

#[test]
fn a_device_gets_other_firmware_and_a_failure_file_keeps_it() {
    let folder = scratch("program");
    let swap = json!({ "power": { "device": "sensor", "do": "cycle", "firmware": "new.elf" } });
    std::fs::copy(firmware("test-timers"), folder.join("new.elf")).unwrap();
    let before = json!({ "wait": { "device": "sensor", "line": "bpm", "within": "3s" } });
    let after = json!({ "wait": { "device": "sensor", "line": "DONE (?<passed>\\d+) passed, 0 failed", "within": "5s" } });
    put_scenario(
        &folder,
        "swap.scenario.json",
        &json!([before, swap, after, { "expect": { "device": "sensor", "symbol": "ResetHandler", "not": 0 } }]),
    );
    ends(0, &folder, &["test", "swap.scenario.json"]);
    let never = json!({ "wait": { "device": "sensor", "line": "exploded", "within": "1s" } });
    put_scenario(&folder, "fails.scenario.json", &json!([before, swap, after, never]));
    let text = ends(1, &folder, &["test", "fails.scenario.json", "--artifacts", "left"]);
    in_order(&text, &["step wait (/steps/3/wait)", "DONE"]);
    let elsewhere = scratch("program-elsewhere");
    std::fs::copy(folder.join("left/fails.scenario.json/failure.consort"), elsewhere.join("f")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for more in [&[][..], &["--inputs-only"]] {
        ends(0, &elsewhere, &[&["replay", "f", "--quiet"], more].concat());
    }
    let folder = scratch("program-bad");
    std::fs::write(folder.join("new.elf"), "no firmware").unwrap();
    put_scenario(&folder, "s.scenario.json", &json!([swap]));
    in_order(
        &ends(2, &folder, &["check", "s.scenario.json"]),
        &["s.scenario.json:", "new.elf", "/steps/0/power/firmware"],
    );
}

#[test]
fn a_recorded_session_is_a_scenario_with_the_same_digest() {
    let folder = scratch("record");
    put(&folder, "fleet.json", &fleet());
    let stimulus = |at: &str, what: Value| json!({ "at": at, "device": what }).to_string() + "\n";
    let link = json!({ "at": "1500ms", "link": ["home", { "after": "0s", "before": "2s", "from": 1, "to": null, "fault": "cut" }] });
    let journal = [
        stimulus("900ms", json!(["hub", { "do": "send", "port": "uart0", "data": b"report\n" }])),
        link.to_string() + "\n",
        stimulus(
            "700ms",
            json!(["sensor", { "do": "set", "component": "fpgaio", "channel": "button0", "value": true }]),
        ),
        stimulus("2s", json!(["sensor", { "do": "reset" }])),
    ];
    std::fs::write(folder.join("in.jsonl"), journal.concat()).unwrap();
    let run =
        |more: &[&str]| ends(0, &folder, &[&["run", "fleet.json", "--for", "4s", "--quiet"], more].concat());
    let recorded = run(&["--journal", "in.jsonl", "--record", "session.scenario.json"]);
    in_order(&recorded, &["4 inputs recorded: session.scenario.json and session.journal.jsonl"]);
    assert_ne!(digest(&recorded), digest(&run(&[])), "the inputs did something");
    assert_eq!(digest(&recorded), digest(&run(&["--journal", "session.journal.jsonl"])));
    let scenario = std::fs::read_to_string(folder.join("session.scenario.json")).unwrap();
    in_order(
        &scenario,
        &[
            "\"fleet.json\"",
            "\"700ms\"",
            "button0",
            "report\\n",
            "\"cut\"",
            "\"for\": \"500ms\"",
            "reset",
            "\"4s\"",
        ],
    );
    let tested = ends(0, &folder, &["test", "session.scenario.json"]);
    in_order(&tested, &["PASS", &digest(&recorded)]);
    in_order(&ends(2, &folder, &["run", "fleet.json", "--journal", "fleet.json"]), &["fleet.json:1: "]);
}

#[test]
fn a_timeline_is_whole_and_changes_nothing() {
    let folder = scratch("timeline");
    put(&folder, "fleet.json", &fleet());
    let run =
        |more: &[&str]| ends(0, &folder, &[&["run", "fleet.json", "--for", "2s", "--quiet"], more].concat());
    let plain = digest(&run(&[]));
    assert_eq!(plain, digest(&run(&["--trace", "perfetto:t.json"])));
    assert_eq!(plain, digest(&run(&["--trace", "jsonl"])));
    assert!(std::fs::read_to_string(folder.join("trace.jsonl")).unwrap().contains("\"fpgaio.led0\""));
    let trace: Value = serde_json::from_slice(&std::fs::read(folder.join("t.json")).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let mut open = std::collections::BTreeMap::<(u64, u64), (i64, f64)>::new();
    let mut names = std::collections::BTreeSet::new();
    for event in events {
        names.extend(event["name"].as_str());
        let (phase, Some(ts)) = (event["ph"].as_str().unwrap(), event["ts"].as_f64()) else { continue };
        let track = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let (depth, last) = open.entry(track).or_default();
        assert!(ts >= *last || phase == "i" || phase == "C", "{event}");
        if phase == "B" || phase == "E" {
            *depth += if phase == "B" { 1 } else { -1 };
            assert!(*depth >= 0 && ts >= *last, "{event}");
            *last = ts;
        }
    }
    assert!(open.values().all(|(depth, _)| *depth == 0), "{open:?}");
    for name in ["running", "asleep", "exception 15", "fpgaio.led0", "hub: sensor-1 joined", "process_name"] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
}

#[test]
fn the_first_instruction_that_differs_is_named() {
    let folder = scratch("diff");
    let steps = |fault: Value| {
        json!([
            { "run-until": "700ms" },
            { "fault": { "link": "home", "from": "sensor", "fault": fault } },
            { "wait": { "device": "hub", "line": "exploded", "within": "2s" } },
        ])
    };
    for (name, fault) in [("a", json!("cut")), ("b", json!({ "delay": "3ms" }))] {
        put_scenario(&folder, &format!("{name}.scenario.json"), &steps(fault));
        ends(1, &folder, &["test", &format!("{name}.scenario.json"), "--artifacts", "left"]);
        std::fs::copy(folder.join(format!("left/{name}.scenario.json/failure.consort")), folder.join(name))
            .unwrap();
    }
    let text = ends(1, &folder, &["diff", "a", "b"]);
    in_order(
        &text,
        &[
            "the runs differ from event",
            "on hub",
            "the first instruction that differs: hub at ",
            "instruction 0x",
            "<",
        ],
    );
    in_order(&ends(0, &folder, &["diff", "a", "a"]), &["no difference"]);
}

/// The scenario and the message in the README are what a newcomer types and sees.
#[test]
fn the_readmes_first_test_fails_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, section) = readme.split_once("## Your first test").unwrap();
    let block = |from: &str| {
        let (_, rest) = section.split_once(from).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let folder = scratch("readme");
    let scenario =
        block("```json\n").replace("demo/fleet.json", root.join("demo/fleet.json").to_str().unwrap());
    std::fs::write(folder.join("hello.scenario.json"), &scenario).unwrap();
    let text = ends(1, &folder, &["test", "hello.scenario.json"]);
    let told = block("    FAIL [");
    // How long instructions take may be known better one day: figures and what came first do not count.
    let plain = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    for line in told.lines().skip(1).filter(|line| !line.trim().is_empty() && !line.contains("| hub: ")) {
        assert!(plain(&text).contains(plain(line).trim()), "`{line}` is not in:\n{text}");
    }
    let corrected = scenario.replace("ALARM ${who}", "ALARM (?<who>\\\\S+)");
    assert_ne!(corrected, scenario);
    std::fs::write(folder.join("hello.scenario.json"), corrected).unwrap();
    ends(0, &folder, &["test", "hello.scenario.json"]);
}
