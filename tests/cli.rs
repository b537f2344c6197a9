//! The `consort` command as people and scripts meet it: exit codes, streams, messages, equal digests.

#![expect(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn consort(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_consort"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by itself, not by a signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Where one test writes its files.
fn scratch(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn firmware(name: &str) -> String {
    format!("{}/firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"))
}

/// Thumb code behind a vector table with `handlers` for exceptions 1 to 15, loaded at 0.
fn raw_image(handlers: &[u32], code: &[u16]) -> Vec<u8> {
    let mut words = vec![0x2000_1000u32];
    words.extend((0..15).map(|index| handlers.get(index).copied().unwrap_or(0x41)));
    let mut image: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    image
}

/// Ends by semihosting SYS_EXIT_EXTENDED with this code.
fn exits_with(code: u16) -> Vec<u8> {
    // movs r0, #0x20; adr r1, block; bkpt 0xAB; b .; block: ADP_Stopped_ApplicationExit, code
    raw_image(&[], &[0x2020, 0xA101, 0xBEAB, 0xE7FE, 0x0026, 0x0002, code, 0])
}

/// The output is refused with exit code 2, and one error that holds all of `words`.
fn refused(args: &[&str], words: &[&str]) {
    let output = consort(args);
    let message = stderr(&output);
    assert_eq!(code(&output), 2, "{args:?}: {message}");
    assert_eq!(stdout(&output), "", "{args:?}");
    for word in words {
        assert!(message.contains(word), "{args:?}: `{word}` is not in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn boot_writes_the_uart_to_standard_output_and_nothing_else() {
    let image = firmware("test-systick");
    let output = consort(&["boot", "mps2-an385", &image, "--until", "DONE [^\n]*\n", "--verbose"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    for line in text.lines() {
        let word = line.split_whitespace().next();
        assert!(matches!(word, Some("ok" | "FAIL" | "skip" | "DONE" | "#")), "not the guest's: {line}");
    }
    assert!(text.lines().last().unwrap().starts_with("DONE "));
    assert!(text.ends_with('\n'), "output ends with the match");
    assert!(stderr(&output).contains("digest"), "the summary goes to standard error");
}

#[test]
fn the_exit_code_says_whether_it_went_as_asked() {
    let dir = scratch("exit-codes");
    let fine = write(&dir, "exit-0.bin", exits_with(0)) + "@0";
    let failing = write(&dir, "exit-3.bin", exits_with(3)) + "@0x0";
    let endless = write(&dir, "endless.bin", raw_image(&[], &[0xE7FE])) + "@0";

    assert_eq!(code(&consort(&["boot", "mps2-an385", &fine])), 0);
    let output = consort(&["boot", "mps2-an385", &failing]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("exit code 3"), "{}", stderr(&output));

    // Never sleeps, never ends: the virtual time passes, and that is what was asked.
    assert_eq!(code(&consort(&["boot", "mps2-an385", &endless, "--for", "100ms"])), 0);
    let output = consort(&["boot", "mps2-an385", &endless, "--for", "10ms", "--until", "login:"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("`login:` was not seen"), "{}", stderr(&output));
    // The guest ended well, but what was waited for did not come.
    assert_eq!(code(&consort(&["boot", "mps2-an385", &fine, "--until", "login:"])), 1);
}

#[test]
fn bad_usage_is_refused_with_a_hint() {
    let image = firmware("sensor");
    refused(&["frobnicate"], &["frobnicate", "--help"]);
    refused(&["boot"], &["BOARD", "IMAGE"]);
    refused(&["boot", "mps2-an999", &image], &["mps2-an999", "mps2-an385"]);
    refused(&["boot", "mps2-an385", &image, "--for", "5"], &["--for", "250ms"]);
    refused(&["boot", "mps2-an385", &image, "--until", "("], &["("]);
    refused(&["boot", "mps2-an385", &image, "--send", "\\q"], &["--send", "\\q"]);
    refused(&["boot", "mps2-an385", &image, "--uart", "17"], &["17", "uart0"]);
    refused(&["run", "nowhere.json"], &["nowhere.json"]);
    refused(&["check", "nowhere.elf"], &["nowhere.elf"]);
    refused(&["schema", "poem"], &["poem", "fleet", "board"]);
    assert_eq!(code(&consort(&[])), 2);
}

#[test]
fn bad_firmware_is_refused_by_name() {
    let dir = scratch("bad-firmware");
    let good = std::fs::read(firmware("sensor")).unwrap();
    let boot = |image: &str, words: &[&str]| refused(&["boot", "mps2-an385", image], words);
    boot("nowhere.elf", &["nowhere.elf"]);
    boot(&write(&dir, "cut.elf", &good[..5000]), &["cut.elf", "truncated"]);
    boot(&write(&dir, "head.elf", &good[..20]), &["head.elf"]);
    boot(&write(&dir, "empty.elf", ""), &["empty.elf", "empty"]);
    boot(&write(&dir, "text.elf", "hello"), &["text.elf", "ELF"]);
    boot(&write(&dir, "raw.bin", "hello"), &["raw.bin", "address"]);
    boot(&write(&dir, "bad.hex", ":0400000001020304F3\n"), &["bad.hex", "line 1", "checksum"]);
    let mut riscv = good.clone();
    riscv[0x12..0x14].copy_from_slice(&243u16.to_le_bytes());
    boot(&write(&dir, "riscv.elf", riscv), &["riscv.elf", "RISC-V"]);
    let nowhere = write(&dir, "far.bin", "hello") + "@0x7000_0000";
    boot(&nowhere, &["far.bin", "0x7000"]);
    let over = write(&dir, "over.bin", "hello") + "@0x10";
    refused(&["boot", "mps2-an385", &firmware("sensor"), &over], &["over.bin", "sensor.elf", "overlaps"]);
}

#[test]
fn misbehaving_guests_meet_the_architecture_not_a_panic() {
    let dir = scratch("guests");
    let handlers = [0x41; 15];
    for (name, handlers, thumb) in [
        // ldr r0, =0xFFFFFFFF; bx r0
        ("far-jump", &handlers[..], &[0x4800u16, 0x4700, 0xFFFF, 0xFFFF][..]),
        // Overwrites its vectors with ones, then SVC: movs r0, #0; mvns r1, r0; str at 0..0x3C; svc
        ("no-vectors", &handlers, &[0x2000, 0x43C1, 0x6001, 0x6041, 0x6081, 0x60C1, 0x62C1, 0xDF00]),
        // Vectors that lead nowhere.
        ("wild-reset", &[0xFFFF_FFFF; 15], &[0xE7FE]),
        ("even-reset", &[0x40; 15], &[0xE7FE]),
        // udf in the HardFault handler too: lock-up.
        ("lock-up", &handlers, &[0xDE00]),
        // A stack pointer into nothing, then SVC: ldr r0, =0x50000000; mov sp, r0; svc
        ("wild-stack", &handlers, &[0x4801, 0x4685, 0xDF00, 0xE7FE, 0x0000, 0x5000]),
    ] {
        let image = write(&dir, &format!("{name}.bin"), raw_image(handlers, thumb)) + "@0";
        let output = consort(&["boot", "mps2-an385", &image, "--for", "20ms", "--verbose"]);
        let said = stderr(&output);
        assert!(matches!(code(&output), 0 | 1), "{name}: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
        assert!(said.contains("digest"), "{name}: the run came to its end: {said}");
    }
    let empty = write(&dir, "nothing.bin", vec![0; 1024]) + "@0";
    assert!(matches!(code(&consort(&["boot", "mps2-an385", &empty, "--for", "20ms"])), 0 | 1));
}

fn fleet() -> Value {
    let device = |board: &str, image: &str, mac: &str| json!({ "board": board, "firmware": firmware(image), "config": { "ethernet": { "mac": mac } } });
    json!({
        "seed": 7,
        "devices": {
            "hub": device("mps2-an386", "hub", "02:00:00:01:00:01"),
            "watch": device("mps2-an386", "watch", "02:00:00:02:00:01"),
            "sensor-1": device("mps2-an385", "sensor", "02:00:00:03:00:01"),
            "sensor-2": device("mps2-an385", "sensor", "02:00:00:03:00:02"),
        },
        "links": { "home": {
            "kind": "lan", "joins": ["hub", "watch", "sensor-1", "sensor-2"], "latency": "500us",
            "faults": [{ "after": "1s", "fault": { "loss": 100000 } }],
        } },
        "stimuli": [{ "at": "2500ms", "device": "watch", "send": "ok\n" }],
    })
}

/// The summary of a run that must go well.
fn summary(args: &[&str]) -> Value {
    let output = consort(&[&["run", "--quiet", "--json"], args].concat());
    assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
    let text = stdout(&output);
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    last["summary"].clone()
}

fn digest(args: &[&str]) -> String {
    summary(args)["digest"].as_str().unwrap().to_owned()
}

#[test]
fn threads_quantum_and_trace_leave_the_digest_alone() {
    let dir = scratch("digest");
    let file = write(&dir, "fleet.json", fleet().to_string());
    let run = |more: &[&str]| digest(&[&[file.as_str(), "--for", "3s"], more].concat());
    let trace = dir.join("trace.jsonl");
    let base = run(&["--threads", "1"]);
    assert_eq!(base, run(&["--threads", "1"]), "twice the same");
    assert_eq!(base, run(&["--threads", "2"]));
    assert_eq!(base, run(&["--threads", "4", "--quantum", "37us"]));
    assert_eq!(base, run(&["--threads", "1", "--quantum", "1us"]));
    assert_eq!(base, run(&["--threads", "2", "--trace", trace.to_str().unwrap()]));
    assert_ne!(base, run(&["--seed", "8"]), "the lossy link draws from the seed");
    assert_ne!(base, digest(&[&file, "--for", "2900ms"]), "the digest tells runs apart");

    let lines = std::fs::read_to_string(trace).unwrap();
    assert!(lines.lines().count() > 1000);
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn a_restored_run_ends_like_one_that_never_stopped() {
    let dir = scratch("restore");
    let file = write(&dir, "fleet.json", fleet().to_string());
    let whole = digest(&[&file, "--for", "3s"]);
    for at in ["1ms", "731417us", "2500ms", "2999999us"] {
        let state = dir.join("state");
        let state = state.to_str().unwrap();
        assert_eq!(whole, digest(&[&file, "--for", "3s", "--save", state, "--at", at]), "saved at {at}");
        assert_eq!(whole, digest(&[&file, "--for", "3s", "--restore", state]), "restored at {at}");
    }
    let cut = std::fs::read(dir.join("state")).unwrap();
    let cut = write(&dir, "cut", &cut[..cut.len() / 2]);
    refused(&["run", &file, "--restore", &cut], &["cut"]);
    let firmware = firmware("sensor");
    refused(&["run", &file, "--restore", &firmware], &["sensor.elf", "state"]);
}

#[test]
fn run_shows_lines_with_time_and_device_and_sums_up() {
    let dir = scratch("story");
    let file = write(&dir, "fleet.json", fleet().to_string());
    let output = consort(&["run", &file, "--for", "3s"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    let joined = text.lines().find(|line| line.contains("joined")).expect("the hub meets the others");
    assert!(joined.contains("hub") && joined.contains(" | "), "{joined}");
    assert!(text.contains("x real time") && text.contains("digest "), "{text}");

    let summary = summary(&[&file, "--for", "3s"]);
    assert_eq!(summary["virtual_seconds"], 3.0);
    assert_eq!(summary["devices"].as_array().unwrap().len(), 4);
    assert!(summary["frames"].as_u64().unwrap() > 4);
    for device in summary["devices"].as_array().unwrap() {
        assert!(device["instructions"].as_u64().unwrap() > 10_000, "{device}");
        assert_eq!(device["activity"], "asleep", "{device}");
    }
}

#[test]
fn mistakes_in_fleet_files_are_named() {
    let dir = scratch("mistakes");
    let mistake = |name: &str, change: &dyn Fn(&mut Value), words: &[&str]| {
        let mut fleet = fleet();
        change(&mut fleet);
        let file = write(&dir, name, serde_json::to_string_pretty(&fleet).unwrap());
        refused(&["run", &file], &[&[name], words].concat());
        refused(&["check", &file], &[&[name], words].concat());
    };
    mistake("board.json", &|f| f["devices"]["hub"]["board"] = json!("mps2-an38"), &["mps2-an38"]);
    mistake("word.json", &|f| f["devcies"] = json!({}), &["devcies"]);
    mistake("link.json", &|f| f["links"]["home"]["joins"][0] = json!("hbu"), &["hbu", "hub"]);
    mistake("port.json", &|f| f["links"]["home"]["joins"][0] = json!("hub.uart0"), &["hub", "ethernet"]);
    mistake("twice.json", &|f| f["links"]["home"]["joins"][0] = json!("watch"), &["watch"]);
    mistake("time.json", &|f| f["links"]["home"]["latency"] = json!("5"), &["latency", "250ms"]);
    mistake("kind.json", &|f| f["links"]["home"]["kind"] = json!("string"), &["string"]);
    mistake("stimulus.json", &|f| f["stimuli"][0]["device"] = json!("clock"), &["clock"]);

    mistake(
        "mac.json",
        &|f| f["devices"]["hub"]["config"]["ethernet"]["mac"] = json!("x"),
        &["MAC address", "/devices/hub/config/ethernet/mac"],
    );
    mistake(
        "component.json",
        &|f| f["devices"]["hub"]["config"]["ethernt"] = json!({}),
        &["`ethernet`?", "/devices/hub/config/ethernt"],
    );

    // Screenshots and logs are files named after devices.
    for name in ["/abs", "../up", "bell\u{7}", ""] {
        let named = |f: &mut Value| f["devices"][name] = f["devices"]["hub"].clone();
        mistake("device-name.json", &named, &["no dots, slashes, spaces or control characters"]);
    }
    let text = fleet().to_string();
    let twice = text.replace("\"sensor-2\":", "\"sensor-1\":");
    refused(&["check", &write(&dir, "name.json", twice)], &["name.json", "sensor-1"]);
    refused(&["check", &write(&dir, "cut.json", &text[..text.len() - 9])], &["cut.json"]);
    refused(&["check", &write(&dir, "deep.json", "[".repeat(100_000))], &["deep.json"]);
    refused(&["check", &write(&dir, "latin.json", b"{\"doc\": \"\xE9\"}")], &["latin.json", "UTF-8"]);
    let missing = fleet().to_string().replace("watch.elf", "clock.elf");
    refused(&["check", &write(&dir, "missing.json", missing)], &["clock.elf"]);
}

#[test]
fn mistakes_in_board_files_are_named() {
    let dir = scratch("boards");
    let board = json!({
        "doc": "Small",
        "processor": { "core": "cortex-m3", "clock": 48_000_000, "interrupts": 32 },
        "memory": {
            "flash": { "at": 0, "size": "256K", "kind": "rom" },
            "ram": { "at": "0x2000_0000", "size": "64K" },
        },
        "peripherals": {
            "uart0": { "kind": "arm-cmsdk-uart", "at": "0x4000_4000", "config": { "clock": 48_000_000 },
                       "irq": { "rx": 0, "tx": 1 } },
        },
    });
    let file = write(&dir, "good.json", board.to_string());
    let output = consort(&["check", &file]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let image = write(&dir, "exit-9.bin", exits_with(9)) + "@0";
    let output = consort(&["boot", &file, &image]);
    assert!(stderr(&output).contains("exit code 9"), "a board of one file runs: {}", stderr(&output));

    let mistake = |name: &str, change: &dyn Fn(&mut Value), words: &[&str]| {
        let mut board = board.clone();
        change(&mut board);
        let file = write(&dir, name, serde_json::to_string_pretty(&board).unwrap());
        refused(&["check", &file], &[&[name], words].concat());
    };
    let uart = "/peripherals/uart0";
    let at = |board: &mut Value, pointer: &str, value: Value| *board.pointer_mut(pointer).unwrap() = value;
    mistake("kind.json", &|b| at(b, &format!("{uart}/kind"), json!("arm-cmsdk-uatr")), &["arm-cmsdk-uart"]);
    mistake("overlap.json", &|b| at(b, "/memory/ram/at", json!("0x1000")), &["overlap"]);
    mistake("blocks.json", &|b| at(b, &format!("{uart}/at"), json!("0x2000_0000")), &["overlap"]);
    mistake("uneven.json", &|b| at(b, "/memory/ram/size", json!("65000")), &["4 KiB"]);
    mistake("huge.json", &|b| at(b, "/memory/ram/size", json!("8G")), &["ram"]);
    mistake("core.json", &|b| at(b, "/processor/core", json!("z80")), &["z80"]);
    mistake("clock.json", &|b| at(b, "/processor/clock", json!(0)), &["clock"]);
    mistake("irq.json", &|b| at(b, &format!("{uart}/irq/rx"), json!(99)), &["99"]);
    mistake("line.json", &|b| at(b, &format!("{uart}/irq"), json!({ "rxx": 1 })), &["rxx"]);
    mistake(
        "config.json",
        &|b| at(b, &format!("{uart}/config/clock"), json!("fast")),
        &["arm-cmsdk-uart", "fast"],
    );
    mistake("chip.json", &|b| b["chip"] = json!("mps3"), &["mps3", "mps2"]);
}

#[test]
fn what_cannot_be_printed_is_no_success() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
    let output = command.arg("boards").stdout(full).output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("standard output: No space left"), "{}", stderr(&output));
}

#[test]
fn boards_schemas_and_completions_come_out_whole() {
    let listed: Value = serde_json::from_str(&stdout(&consort(&["boards", "--json"]))).unwrap();
    let listed = listed.as_array().unwrap();
    assert!(listed.len() >= 3);
    for board in listed {
        let name = board["name"].as_str().unwrap();
        let shown = consort(&["boards", name]);
        assert_eq!(code(&shown), 0, "{name}: {}", stderr(&shown));
        assert!(stdout(&shown).contains("processor"), "{name}");
    }
    let microbit = stdout(&consort(&["boards", "microbit"]));
    for line in [
        "port  radio (radio)",
        "set   button-a.pressed (true or false): ",
        "set   temp.temperature (-40 to ",
        "shows display",
    ] {
        assert!(microbit.contains(line), "`{line}` is not in:\n{microbit}");
    }
    for kind in ["fleet", "board"] {
        let schema: Value = serde_json::from_str(&stdout(&consort(&["schema", kind]))).unwrap();
        assert!(schema["$schema"].is_string() && schema["properties"].is_object(), "{kind}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&consort(&["completions", shell]));
        assert!(script.contains("consort") && script.contains("boot"), "{shell}");
    }
    for command in ["boot", "run", "check", "boards", "schema", "completions"] {
        let help = consort(&[command, "--help"]);
        assert_eq!(code(&help), 0);
        assert!(stdout(&help).contains("Usage: consort"), "{command}");
    }
}
