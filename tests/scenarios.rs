//! The scenarios of this repository, and the command that runs them: verdicts, messages, failure files.

#![expect(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn consort_in(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_consort"))
        .args(args)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn consort(args: &[&str]) -> Output {
    consort_in(Path::new(env!("CARGO_MANIFEST_DIR")), args)
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by itself, not by a signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", stdout(output), String::from_utf8_lossy(&output.stderr))
}

/// An empty folder for one test.
fn scratch(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenarios").join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn firmware(name: &str) -> String {
    format!("{}/firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"))
}

/// A hub and a sensor, with these steps.
fn scenario(steps: &Value) -> Value {
    let device = |board: &str, image: &str, mac: &str| json!({ "board": board, "firmware": firmware(image), "config": { "ethernet": { "mac": mac } } });
    json!({
        "fleet": {
            "devices": {
                "hub": device("mps2-an386", "hub", "02:00:00:01:00:01"),
                "sensor": device("mps2-an385", "sensor", "02:00:00:03:00:01"),
            },
            "links": { "home": {
                "kind": "lan", "joins": ["hub", "sensor"], "faults": [{ "fault": { "loss": 100000 } }],
            } },
        },
        "limit": "10s",
        "steps": steps,
    })
}

fn write(folder: &Path, name: &str, scenario: &Value) -> String {
    let path = folder.join(name);
    std::fs::write(&path, serde_json::to_string_pretty(scenario).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `PASS` and `FAIL` lines without their wall times, sorted.
fn results(output: &Output) -> Vec<String> {
    let text = stdout(output);
    let lines = text.lines().filter(|line| line.contains("] ") && !line.contains("Summary"));
    let mut lines: Vec<String> = lines
        .map(|line| {
            let (word, rest) = line.split_once('[').unwrap();
            format!("{} {}", word.trim(), rest.split_once("] ").unwrap().1)
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn our_scenarios_pass_and_jobs_leave_their_digests_alone() {
    let folder = scratch("ours");
    let artifacts = folder.join("artifacts");
    let run = |jobs: &str, more: &[&str]| {
        let args = ["test", "tests/scenarios", "-j", jobs, "--artifacts", artifacts.to_str().unwrap()];
        let output = consort(&[&args, more].concat());
        assert_eq!(code(&output), 0, "{}", said(&output));
        results(&output)
    };
    let one = run("1", &[]);
    assert!(one.len() >= 9, "{one:?}");
    assert!(one.iter().all(|line| line.starts_with("PASS") && line.contains("digest ")), "{one:?}");
    let frames = folder.join("frames");
    assert_eq!(one, run("2", &["--pcap", frames.to_str().unwrap()]), "captures change nothing");
    assert_eq!(std::fs::read_dir(&frames).unwrap().count(), one.len());
    for capture in std::fs::read_dir(&frames).unwrap() {
        let capture = capture.unwrap().path().join("frames.pcapng");
        assert!(std::fs::metadata(&capture).unwrap().len() > 20, "{}", capture.display());
    }
    assert!(!artifacts.exists(), "what passes leaves nothing behind");
}

#[test]
fn a_failure_says_what_where_and_when_and_replays_elsewhere() {
    let folder = scratch("failure");
    let file = write(
        &folder,
        "late.scenario.json",
        &scenario(&json!([
            { "wait": { "device": "hub", "line": "(?<who>sensor-\\d+) joined", "within": "1s" } },
            { "send": { "device": "hub", "text": "report\n" } },
            { "wait": { "device": "hub", "line": "${who} exploded", "within": "2500ms" } },
        ])),
    );
    let artifacts = folder.join("artifacts");
    let output = consort_in(&folder, &["test", "late.scenario.json", "--artifacts", "artifacts"]);
    let text = said(&output);
    assert_eq!(code(&output), 1, "{text}");
    let line = std::fs::read_to_string(&file).unwrap().lines().position(|line| line.contains("exploded"));
    let wait = std::fs::read_to_string(&file).unwrap();
    let wait =
        wait.lines().take(line.unwrap()).enumerate().filter(|(_, line)| line.contains("\"wait\"")).last();
    let place = format!("late.scenario.json:{}:", wait.unwrap().0 + 1);
    for word in [
        place.as_str(),
        "step wait (/steps/2/wait) failed at 2.6",
        "on hub",
        "`sensor-1 exploded`, within 2500ms",
        "1 line came, and it does not match",
        "last lines of hub.uart0:",
        "| hub: sensor-1 joined",
        "consort replay artifacts/late.scenario.json/failure.consort",
        "1 failed",
    ] {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    let left = artifacts.join("late.scenario.json");
    for name in ["trace.jsonl", "frames.pcapng", "hub.uart0.log", "message.txt", "failure.consort"] {
        assert!(std::fs::metadata(left.join(name)).unwrap().len() > 20, "{name}");
    }

    // In an empty folder, with nothing but the command.
    let elsewhere = scratch("elsewhere");
    let failure = std::fs::read(left.join("failure.consort")).unwrap();
    assert!(failure.len() < 4 << 20);
    std::fs::write(elsewhere.join("f"), &failure).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let output = consort_in(&elsewhere, &["replay", "f", "--trace", "one"]);
    let again = said(&output);
    assert_eq!(code(&output), 0, "{again}");
    assert!(again.contains("the failure is the same, digest and all"), "{again}");
    assert!(again.contains(&place) && again.contains("| hub: sensor-1 joined"), "{again}");
    // The inputs alone, in longer windows and without a judge, come to the same end.
    let output = consort_in(&elsewhere, &["replay", "f", "--inputs-only", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let output = consort_in(&elsewhere, &["replay", "f", "--until", "1s", "--quiet"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("stopped at 1.000000 s"), "{}", said(&output));

    // Two runs are compared, and the first difference is named.
    let output = consort_in(&elsewhere, &["diff", "f", "one"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let trace = std::fs::read_to_string(elsewhere.join("one")).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let mut changed = lines.clone();
    changed.remove(lines.len() / 2);
    std::fs::write(elsewhere.join("two"), changed.join("\n")).unwrap();
    let output = consort_in(&elsewhere, &["diff", "f", "two"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains(&format!("from event {}", lines.len() / 2 + 1)), "{}", said(&output));

    // Damage is told, never a panic.
    for at in (0..failure.len()).step_by(failure.len() / 40) {
        let mut bad = failure.clone();
        bad[at] ^= 0x55;
        std::fs::write(elsewhere.join("bad"), &bad).unwrap();
        let output = consort_in(&elsewhere, &["replay", "bad", "--quiet"]);
        assert!(matches!(code(&output), 0..=2) && !said(&output).contains("panicked"), "{}", said(&output));
    }
    std::fs::write(elsewhere.join("bad"), &failure[..failure.len() / 2]).unwrap();
    assert_eq!(code(&consort_in(&elsewhere, &["replay", "bad"])), 2);
}

#[test]
fn a_difference_that_heals_at_once_is_found() {
    let folder = scratch("heals");
    // ldr r4, =0x40004000; CTRL = 3; BAUDDIV = 16; loop: STATE.RX full?; r0 = DATA; r0 = 0; loop
    let program: [u16; 12] =
        [0xF04F, 0x2440, 0x2003, 0x60A0, 0x2010, 0x6120, 0x6861, 0x0789, 0xD5FC, 0x6820, 0x2000, 0xE7F9];
    let mut image: Vec<u8> = 0x2000_1000u32.to_le_bytes().to_vec();
    image.extend([0x41u32; 15].iter().flat_map(|word| word.to_le_bytes()));
    image.extend(program.iter().flat_map(|half| half.to_le_bytes()));
    std::fs::write(folder.join("poll.bin"), image).unwrap();
    for text in ["x", "y"] {
        let firmware = json!({ "path": "poll.bin", "at": "0x0" });
        let scenario = json!({
            "fleet": { "devices": { "board": { "board": "mps2-an385", "firmware": firmware } } },
            "steps": [
                { "run-for": "10ms" }, { "send": { "text": text } }, { "wait": { "exit": 0, "within": "20ms" } },
            ],
        });
        write(&folder, &format!("{text}.scenario.json"), &scenario);
    }
    let output = consort_in(&folder, &["test", ".", "--artifacts", "left"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let file = |text: &str| format!("left/{text}.scenario.json/failure.consort");
    let output = consort_in(&folder, &["diff", &file("x"), &file("y")]);
    let text = said(&output);
    assert_eq!(code(&output), 1, "{text}");
    for word in
        ["the first instruction that differs: board at 0.01", "instruction 0x00000052", "r0: 0x78, 0x79"]
    {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    let output = consort_in(&folder, &["diff", &file("x"), &file("x")]);
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[test]
fn a_difference_that_no_event_shows_is_found_in_the_state() {
    let folder = scratch("silent");
    // r4 = RNG; r6 = r4 + 0x100; r7 = r4 + 0x500; TASKS_START = 1; loop: EVENTS_VALRDY?; r0 = VALUE;
    // r1 = 0x20000000; [r1] = r0; r0 = 0; for ever
    let program: [u16; 22] = [
        0x2440, 0x0624, 0x25D0, 0x022D, 0x1964, 0x2601, 0x0236, 0x1936, 0x2705, 0x023F, 0x193F, 0x2001,
        0x6020, 0x6830, 0x2800, 0xD0FC, 0x68B8, 0x2120, 0x0609, 0x7008, 0x2000, 0xE7FE,
    ];
    let mut image: Vec<u8> = 0x2000_1000u32.to_le_bytes().to_vec();
    image.extend([0x41u32; 15].iter().flat_map(|word| word.to_le_bytes()));
    image.extend(program.iter().flat_map(|half| half.to_le_bytes()));
    std::fs::write(folder.join("draw.bin"), image).unwrap();
    let firmware = json!({ "path": "draw.bin", "at": "0x0" });
    let scenario = json!({
        "fleet": { "devices": { "board": { "board": "nrf52dk", "firmware": firmware } } },
        "seeds": [1, 2],
        "steps": [{ "wait": { "exit": 0, "within": "20ms" } }],
    });
    write(&folder, "draw.scenario.json", &scenario);
    let output = consort_in(&folder, &["test", ".", "--artifacts", "left"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let names: Vec<_> =
        std::fs::read_dir(folder.join("left")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let file = |index: usize| names[index].join("failure.consort").to_str().unwrap().to_owned();
    let output = consort_in(&folder, &["diff", &file(0), &file(1)]);
    let text = said(&output);
    assert_eq!(code(&output), 1, "{text}");
    for word in [
        "no difference in ",
        "but the state at 0.02",
        "s differs on board",
        "ficr.DEVICEID[0]: 0x",
        "memory 0x20000000: ",
        "the first instruction that differs: board at 0.0000",
        "instruction 0x00000060",
        "r0: 0x",
    ] {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    let output = consort_in(&folder, &["diff", &file(0), &file(0)]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("nor in the state at 0.02"), "{}", said(&output));
}

#[test]
fn each_kind_of_step_can_fail() {
    let folder = scratch("kinds");
    let first = json!({ "wait": { "device": "hub", "line": "joined", "mark": "joined" } });
    let fails = |name: &str, step: Value, words: &[&str]| {
        let file = write(&folder, &format!("{name}.scenario.json"), &scenario(&json!([first, step])));
        let output = consort_in(&folder, &["test", &file, "--artifacts", "artifacts"]);
        let text = said(&output);
        assert_eq!(code(&output), 1, "{name}: {text}");
        for word in words {
            assert!(text.contains(word), "{name}: `{word}` is not in:\n{text}");
        }
    };
    fails(
        "forbid",
        json!({ "forbid": { "device": "sensor", "line": "bpm", "for": "3s" } }),
        &["no line of sensor.uart0", "it came: sensor-1: "],
    );
    fails(
        "symbol",
        json!({ "expect": { "device": "hub", "symbol": "g_hub", "size": 4, "is": "0x7fff_fff1", "within": "5ms" } }),
        &["`g_hub` (4 bytes at 0x2", "within 5ms"],
    );
    fails(
        "register",
        json!({ "expect": { "device": "hub", "register": "uart0.CTRL", "is": 0 } }),
        &["hub's uart0.CTRL is 0", "found:"],
    );
    fails(
        "memory",
        json!({ "expect": { "device": "hub", "memory": "0x9000_0000", "is": 0 } }),
        &["to read hub's memory at 0x90000000"],
    );
    fails(
        "count",
        json!({ "expect": { "device": "hub", "count": "instructions", "at-most": 10 } }),
        &["number of executed instructions is at most 10"],
    );
    fails(
        "time",
        json!({ "expect-time": { "from": "joined", "at-least": "1s" } }),
        &["at least 1s from `joined` to now", "0.001000 s"],
    );
    fails(
        "packet",
        json!({ "wait": { "packet": { "link": "home", "from": "hub", "hex": "deadbeef..01" }, "within": "1s" } }),
        &["on link home", "none matches"],
    );
    fails(
        "forbidden packet",
        json!({ "repeat": { "times": 1, "steps": [
            { "forbid": { "packet": { "link": "home", "hex": "deadbeef..01" }, "for": "100ms" } },
            { "forbid": { "packet": { "link": "home", "from": "sensor" }, "for": "3s" } },
        ] } }),
        &[
            "/steps/1/repeat/steps/1/forbid",
            "on link home, for 3s",
            "it came: on home at ",
            " s, from sensor to hub",
            ": Ethernet, ",
            " bytes: ff ff ff ff ff ff ",
        ],
    );
    fails("limit", json!({ "run-for": "1min" }), &["before its limit of 10.000000 s", "step run-for"]);
    fails(
        "round",
        json!({ "repeat": { "times": 5, "steps": [
            { "parallel": [[{ "run-for": "1s" }], [{ "wait": { "device": "hub", "line": "bpm|joined", "only-new": true, "within": "10ms" } }]] },
        ] } }),
        &["/steps/1/repeat/steps/0/parallel/1/0/wait), round 1 of 5 failed at 0.1"],
    );
    fails("exit", json!({ "wait": { "device": "hub", "exit": 0, "within": "1s" } }), &["with code 0"]);
}

#[test]
fn seeds_shards_filters_and_reports() {
    let folder = scratch("options");
    let steps = json!([{ "wait": { "device": "hub", "line": "joined" } }, { "run-for": "2s" }]);
    write(&folder, "a.scenario.json", &scenario(&steps));
    std::fs::create_dir(folder.join("below")).unwrap();
    write(&folder.join("below"), "b.scenario.json", &scenario(&json!([{ "run-until": "1ms" }])));
    write(&folder, "no-scenario.json", &json!({}));
    let run = |args: &[&str]| consort_in(&folder, &[&["test", "."], args].concat());

    let output = run(&["--seeds", "1..3", "--filter", "/a\\.", "--junit", "out/junit.xml"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let lines = results(&output);
    assert_eq!(lines.len(), 3, "{lines:?}");
    let digest = |line: &str| line.split_once("digest ").unwrap().1.to_owned();
    assert_ne!(digest(&lines[0]), digest(&lines[1]), "the lossy link draws from the seed");
    let junit = std::fs::read_to_string(folder.join("out/junit.xml")).unwrap();
    assert!(junit.contains("tests=\"3\"") && junit.contains("(seed 2)"), "{junit}");

    let parts: Vec<Vec<String>> =
        ["1/2", "2/2"].iter().map(|shard| results(&run(&["--seeds", "1..3", "--shard", shard]))).collect();
    assert_eq!((parts[0].len(), parts[1].len()), (3, 3));
    assert!(parts[0].iter().all(|line| !parts[1].contains(line)));

    let listed = stdout(&run(&["--list"]));
    assert_eq!(listed.lines().count(), 2, "{listed}");
    for (args, word) in [
        (&["--seeds", "9..1"][..], "seeds"),
        (&["--shard", "3/2"], "I/N"),
        (&["--filter", "("], "--filter"),
        (&["--filter", "nowhere"], "nothing to run"),
    ] {
        let output = run(args);
        assert_eq!(code(&output), 2, "{}", said(&output));
        assert!(said(&output).contains(word), "{}", said(&output));
    }
}

#[test]
fn mistakes_are_named_with_line_and_column_and_a_suggestion() {
    let folder = scratch("mistakes");
    let mistake = |name: &str, change: &dyn Fn(&mut Value), words: &[&str]| {
        let mut scenario = scenario(&json!([{ "wait": { "device": "hub", "line": "joined" } }]));
        change(&mut scenario);
        let file = write(&folder, &format!("{name}.scenario.json"), &scenario);
        for command in ["test", "check"] {
            let output = consort(&[command, &file]);
            let text = said(&output);
            assert_eq!(code(&output), 2, "{name}: {text}");
            assert!(text.contains(&format!("{name}.scenario.json:")), "{name}: {text}");
            for word in words {
                assert!(text.contains(word), "{name}: `{word}` is not in:\n{text}");
            }
        }
    };
    let steps = |steps: Value| move |scenario: &mut Value| scenario["steps"] = steps.clone();
    mistake("step", &steps(json!([{ "wiat": {} }])), &["did you mean `wait`?", ":"]);
    mistake(
        "field",
        &steps(json!([{ "wait": { "device": "hub", "lien": "x" } }])),
        &["did you mean `line`?", "/steps/0/wait/lien"],
    );
    mistake(
        "move",
        &steps(json!([{ "move": { "device": "hub", "to": [5, 0, 0] } }])),
        &["`hub` has no radio", "/steps/0/move/device"],
    );
    mistake("time", &steps(json!([{ "run-for": "5" }])), &["250ms", "/steps/0/run-for"]);
    mistake(
        "device",
        &steps(json!([{ "wait": { "device": "hbu", "line": "x" } }])),
        &["did you mean `hub`?"],
    );
    mistake("which", &steps(json!([{ "wait": { "line": "x" } }])), &["say which `device`", "hub, sensor"]);
    mistake("regex", &steps(json!([{ "wait": { "device": "hub", "line": "(" } }])), &["unclosed group"]);
    mistake(
        "name",
        &steps(json!([
            { "wait": { "device": "hub", "line": "(?<who>x)" } },
            { "send": { "device": "hub", "text": "${woh}" } },
        ])),
        &["did you mean `who`?", "/steps/1/send/text"],
    );
    mistake(
        "symbol",
        &steps(json!([{ "expect": { "device": "hub", "symbol": "g_hbu", "is": 1 } }])),
        &["did you mean `g_hub`?"],
    );
    mistake(
        "register",
        &steps(json!([{ "expect": { "device": "hub", "register": "uart0.CTLR", "is": 1 } }])),
        &["did you mean `CTRL`?"],
    );
    mistake(
        "link",
        &steps(json!([{ "fault": { "link": "hoem", "fault": "cut" } }])),
        &["did you mean `home`?"],
    );
    mistake(
        "channel",
        &steps(json!([{ "press": { "device": "hub", "button": "fpgaio.b" } }])),
        &["fpgaio.b"],
    );
    mistake("mark", &steps(json!([{ "expect-time": { "from": "x", "at-most": "1s" } }])), &["mark `x`"]);
    mistake("nested", &steps(json!([{ "parallel": [[{ "send": {} }]] }])), &["/steps/0/parallel/0/0/send"]);
    mistake("fleet", &|s| s["fleet"] = json!("nowhere.json"), &["nowhere.json"]);
    mistake(
        "board",
        &|s| s["fleet"]["devices"]["hub"]["board"] = json!("mps2-an38"),
        &["mps2-an38", "/fleet/"],
    );
    mistake(
        "never",
        &|s| s["never"] = json!([{ "device": "hub", "line": "x", "for": "1s" }]),
        &["whole run"],
    );
}

#[test]
fn the_schema_describes_every_step() {
    let schema: Value = serde_json::from_str(&stdout(&consort(&["schema", "scenario"]))).unwrap();
    let text = schema.to_string();
    for step in [
        "wait",
        "forbid",
        "send",
        "press",
        "touch",
        "picture",
        "power",
        "fault",
        "move",
        "expect",
        "expect-time",
        "parallel",
    ] {
        assert!(text.contains(&format!("\"{step}\"")), "{step}");
        let page = format!("{}/docs/steps/{step}.md", env!("CARGO_MANIFEST_DIR"));
        assert!(Path::new(&page).exists(), "each step has its page: {page}");
    }
}
