//! The real `gdb-multiarch` against the running command: three devices of one fleet at once, and equal digests.

#![expect(clippy::unwrap_used)]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use serde_json::{Value, json};

const NAMES: [&str; 3] = ["hub", "watch-1", "sensor-1"];
/// Long enough for hellos, answers and readings.
const SPAN: &str = "2500ms";

/// Whether GDB is here; without it the tests say so, but never where results are relied upon.
fn gdb_is_here(test: &str) -> bool {
    let here = Command::new("gdb-multiarch").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(here || std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI needs gdb-multiarch");
    if !here {
        eprintln!("{test}: SKIPPED, gdb-multiarch is not installed");
    }
    here
}

fn scratch(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gdb").join(test);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn firmware(name: &str) -> String {
    format!("{}/firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"))
}

/// A hub, a watch and a sensor on one LAN.
fn fleet_file(test: &str) -> String {
    let device = |board: &str, program: &str, mac: &str| json!({ "board": board, "firmware": firmware(program), "config": { "ethernet": { "mac": mac } } });
    let fleet = json!({
        "seed": 7,
        "devices": {
            "hub": device("mps2-an386", "hub", "02:00:00:01:00:01"),
            "watch-1": device("mps2-an386", "watch", "02:00:00:02:00:01"),
            "sensor-1": device("mps2-an385", "sensor", "02:00:00:03:00:01"),
        },
        "links": { "home": { "kind": "lan", "joins": NAMES, "latency": "500us" } },
    });
    let path = scratch(test).join("fleet.json");
    std::fs::write(&path, fleet.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A running `consort run`, ended with the test.
struct Run {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// The debuggers' ports, in the order of the devices.
    ports: Vec<u16>,
}

impl Run {
    fn start(fleet: &str, debuggers: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
        command.args(["run", fleet, "--for", SPAN, "--threads", "2", "--quiet", "--json"]);
        if debuggers {
            command.args(["--gdb", "0", "--wait-gdb"]);
        }
        let mut child =
            command.env("NO_COLOR", "1").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut ports = Vec::new();
        while debuggers && ports.len() < NAMES.len() {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the command ended early");
            let Some(rest) = line.strip_prefix("gdb ") else { continue };
            assert!(rest.starts_with(NAMES[ports.len()]), "{line}");
            let (_, rest) = rest.split_once("gdb-multiarch -ex 'target remote :").unwrap();
            ports.push(rest.split_once('\'').unwrap().0.parse().unwrap());
        }
        Self { child, stderr, ports }
    }

    /// Waits for the end and gives the digest.
    fn digest(mut self) -> String {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let mut errors = String::new();
        self.stderr.read_to_string(&mut errors).unwrap();
        assert!(self.child.wait().unwrap().success(), "{errors}");
        let summary: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        summary["summary"]["digest"].as_str().unwrap().to_owned()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What GDB printed, and what it printed on standard error, where monitor commands and warnings go.
struct Printed {
    out: String,
    err: String,
}

impl Printed {
    fn has_no_complaint(&self) {
        for bad in ["Remote failure", "Ignoring packet", "timed out", "Invalid remote reply", "annot access"]
        {
            assert!(!self.err.contains(bad), "`{bad}` in:\n{}", self.err);
        }
    }
}

/// Runs a script in GDB.
fn gdb(program: &str, port: u16, script: &str) -> Printed {
    let mut command = Command::new("timeout");
    command.args(["240", "gdb-multiarch", "-nx", "-batch"]);
    let target = format!("target remote 127.0.0.1:{port}");
    let settings = ["set pagination off", "set confirm off", "set width 0", "set remotetimeout 60", &target];
    for line in settings.into_iter().chain(script.lines().map(str::trim).filter(|line| !line.is_empty())) {
        command.args(["-ex", line]);
    }
    let output = command.arg(firmware(program)).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Printed { out: text(&output.stdout), err: text(&output.stderr) }
}

/// All of `expected` are in `text`, in this order.
fn in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for part in expected {
        let Some(at) = rest.find(part) else { panic!("`{part}` is not in the rest of:\n{text}") };
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn three_debuggers_at_once_leave_the_digest_alone() {
    if !gdb_is_here("three_debuggers_at_once_leave_the_digest_alone") {
        return;
    }
    let fleet = fleet_file("three");
    let alone = Run::start(&fleet, false).digest();
    let run = Run::start(&fleet, true);
    let ports = run.ports.clone();
    let (hub, watch, sensor) = thread::scope(|scope| {
        let hub = scope.spawn(|| {
            let script = "
                break SysTickHandler
                ignore 1 9
                continue
                print g_now
                stepi 4
                print g_now
                info breakpoints
                delete
                detach";
            gdb("hub", ports[0], script)
        });
        let watch = scope.spawn(|| {
            let script = "
                break EthernetHandler
                continue
                backtrace
                print $xpsr & 0x1ff
                print $msp == $sp
                print (unsigned) $control
                stepi
                print (unsigned) $pc - (unsigned) &EthernetHandler
                delete
                watch g_watch.sensorCount
                continue
                backtrace 1
                monitor time
                monitor irqs
                info threads
                x/2xw 0
                print *(unsigned *) 0x40200064
                delete
                detach";
            gdb("watch", ports[1], script)
        });
        let sensor = scope.spawn(|| {
            let script = "
                tbreak main
                continue
                next
                break NodeSleepUntil
                continue
                delete
                finish
                info registers pc
                stepi 30
                detach";
            gdb("sensor", ports[2], script)
        });
        (hub.join().unwrap(), watch.join().unwrap(), sensor.join().unwrap())
    });
    in_order(
        &hub.out,
        &[
            "Breakpoint 1, SysTickHandler ()",
            "$1 = 9",
            "$2 = 10",
            "breakpoint already hit 10 times",
            "detached]",
        ],
    );
    in_order(
        &watch.out,
        &[
            "Breakpoint 1, EthernetHandler ()",
            "#0  EthernetHandler ()",
            "#1  <signal handler called>",
            "main ()",
            "$1 = 29", // 16 and interrupt 13
            "$2 = 1",
            "$3 = 0",
            "$4 = 2",
            "Hardware watchpoint 2: g_watch.sensorCount",
            "Old value = 0",
            "New value = 1",
            "#0  ",
            "(watch-1: cortex-m4",
            "0x20400000",
            "$5 = 2271560481", // BYTE_TEST of the LAN9118
            "detached]",
        ],
    );
    in_order(&watch.err, &["watch-1 at ", "irq 13        enabled", "<EthernetHandler>"]);
    in_order(
        &sensor.out,
        &[
            "Temporary breakpoint 1, main ()",
            "Breakpoint 2, NodeSleepUntil",
            "main ()",
            "<main+",
            "detached]",
        ],
    );
    [&hub, &watch, &sensor].into_iter().for_each(Printed::has_no_complaint);
    assert_eq!(run.digest(), alone);
}

#[test]
fn a_debugger_can_change_reset_and_load_a_device() {
    if !gdb_is_here("a_debugger_can_change_reset_and_load_a_device") {
        return;
    }
    let fleet = fleet_file("change");
    let alone = Run::start(&fleet, false).digest();
    let run = Run::start(&fleet, true);
    let ports = run.ports.clone();
    let printed = thread::scope(|scope| {
        let others = [("hub", ports[0]), ("sensor", ports[2])]
            .map(|(program, port)| scope.spawn(move || gdb(program, port, "detach")));
        others.into_iter().for_each(|other| {
            let text = other.join().unwrap();
            assert!(text.out.contains("detached]"), "{}", text.out);
        });
        let script = "
            break UartInit
            continue
            set var $r7 = 0x12345678
            print/x $r7
            set var $s0 = 1.5
            print $d0 != 0
            set var g_watch.buttons = 77
            print g_watch.buttons
            monitor run-for 3ms
            maintenance flush register-cache
            monitor devices
            monitor peripherals uart0
            monitor link home cut 1ms
            monitor link nowhere cut
            monitor snapshot save here
            monitor reset halt
            maintenance flush register-cache
            print $pc == (unsigned) &ResetHandler
            load
            compare-sections
            delete
            tbreak main
            continue
            kill";
        gdb("watch", ports[1], script)
    });
    in_order(
        &printed.out,
        &[
            "Breakpoint 1, UartInit",
            "$1 = 0x12345678",
            "$2 = 1",
            "$3 = 77",
            "$4 = 1",
            "Loading section .text",
            "Transfer rate",
            ": matched.",
            "Temporary breakpoint 2, main ()",
            "killed]",
        ],
    );
    in_order(
        &printed.err,
        &[
            "watch-1 at 0.0",
            "this debugger",
            "CTRL ",
            "home: Cut from",
            "error: the fleet has no link `nowhere`",
            "kept as here",
            "<ResetHandler>",
        ],
    );
    printed.has_no_complaint();
    assert_ne!(run.digest(), alone, "a reset is no detail");
}

/// What a command says until it has named the debuggers' ports, and those ports.
fn ports_of(child: &mut Child, count: usize) -> (BufReader<ChildStderr>, Vec<u16>) {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut ports = Vec::new();
    while ports.len() < count {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the command ended early");
        let Some((_, rest)) = line.split_once("gdb-multiarch -ex 'target remote :") else { continue };
        ports.push(rest.split_once('\'').unwrap().0.parse().unwrap());
    }
    (stderr, ports)
}

#[test]
fn scenarios_and_paused_runs_are_debugged_too() {
    if !gdb_is_here("scenarios_and_paused_runs_are_debugged_too") {
        return;
    }
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
        command.args(args).env("NO_COLOR", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let fleet: Value = serde_json::from_str(&std::fs::read_to_string(fleet_file("judged")).unwrap()).unwrap();
    let scenario = json!({ "fleet": fleet, "limit": "5s", "steps": [
        { "wait": { "device": "hub", "line": "watch-1 joined", "within": "2s" } }, { "run-for": "100ms" },
    ] });
    let path = scratch("judged").join("join.scenario.json");
    std::fs::write(&path, scenario.to_string()).unwrap();
    let path = path.to_str().unwrap();
    let digest = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        let (_, digest) = text.split_once("digest ").unwrap_or_else(|| panic!("no digest in {text}"));
        digest.lines().next().unwrap().to_owned()
    };
    let alone = command(&["test", path]).output().unwrap();
    let mut judged = command(&["test", path, "--gdb", "0", "--wait-gdb", "hub"]).spawn().unwrap();
    let (_stderr, ports) = ports_of(&mut judged, NAMES.len());
    let printed = gdb("hub", ports[0], "tbreak SysTickHandler\ncontinue\nbacktrace 1\nstepi\ndetach");
    in_order(&printed.out, &["Temporary breakpoint 1, SysTickHandler", "#0", "detached]"]);
    assert_eq!(digest(&judged.wait_with_output().unwrap().stdout), digest(&alone.stdout));

    // The inspector's door and the debuggers' at once: a paused run can be looked at.
    let fleet = fleet_file("paused");
    let mut paused = command(&["run", &fleet, "--control", "--paused", "--gdb", "0", "--json", "--quiet"]);
    let mut paused = paused.spawn().unwrap();
    let (_stderr, ports) = ports_of(&mut paused, NAMES.len());
    let printed =
        gdb("watch", ports[1], "print $pc == (unsigned) &ResetHandler\nbreak main\nmonitor time\ndetach");
    paused.kill().unwrap();
    paused.wait().unwrap();
    in_order(&printed.out, &["$1 = 1", "Breakpoint 1 at", "detached]"]);
    in_order(&printed.err, &["watch-1 at 0.000000 s, 0 instructions"]);
    printed.has_no_complaint();
}

#[test]
fn a_replayed_failure_is_debugged_and_fails_the_same_way() {
    if !gdb_is_here("a_replayed_failure_is_debugged_and_fails_the_same_way") {
        return;
    }
    let fleet = fleet_file("replayed");
    let folder = scratch("replayed");
    let scenario = json!({ "fleet": "fleet.json", "limit": "5s", "steps": [
        { "wait": { "device": "hub", "line": "watch-1 joined", "within": "2s" } },
        { "wait": { "device": "hub", "line": "never said", "within": "100ms" } },
    ] });
    assert!(Path::new(&fleet).starts_with(&folder));
    std::fs::write(folder.join("late.scenario.json"), scenario.to_string()).unwrap();
    let consort = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
        command.args(args).current_dir(&folder).env("NO_COLOR", "1");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    assert!(!consort(&["test", "late.scenario.json", "--artifacts", "a"]).output().unwrap().status.success());
    let failure = "a/late.scenario.json/failure.consort";
    let mut replay =
        consort(&["replay", failure, "--quiet", "--gdb", "0", "--wait-gdb", "hub"]).spawn().unwrap();
    let (_stderr, ports) = ports_of(&mut replay, NAMES.len());
    let script = "tbreak SysTickHandler\ncontinue\nbacktrace 1\nstepi 20\ndetach";
    let printed = gdb("hub", ports[0], script);
    in_order(&printed.out, &["Temporary breakpoint 1, SysTickHandler", "#0", "detached]"]);
    printed.has_no_complaint();
    let output = replay.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("the failure is the same, digest and all"), "{text}");
}

/// A stand-in for the inspector: it opens a fleet, lets it run for a span, notes the digest and ends.
const STAND_IN: &str = r#"#!/usr/bin/env python3
import json, sys
sys.path.insert(0, "@DOCS@")
from client import Client
print(json.dumps({"do": "open", "file": "@FLEET@"}), flush=True)
for line in sys.stdin:
    said = json.loads(line)
    if said["is"] == "opened":
        break
client = Client(said["address"], said["token"])
client.run_for("@SPAN@")
with open("@OUT@", "w") as out:
    out.write(client.ask("digest")["digest"])
client.ask("end")
"#;

#[test]
fn the_inspectors_run_is_debugged_too() {
    if !gdb_is_here("the_inspectors_run_is_debugged_too") {
        return;
    }
    let fleet = fleet_file("inspected");
    let folder = scratch("inspected");
    let alone = Run::start(&fleet, false).digest();
    // The command looks for the inspector beside itself.
    let consort = folder.join("consort");
    let _ = std::fs::remove_file(&consort);
    std::fs::copy(env!("CARGO_BIN_EXE_consort"), &consort).unwrap();
    let (inspector, out) = (folder.join("consort-gui"), folder.join("digest"));
    let _ = std::fs::remove_file(&out);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let script = STAND_IN
        .replace("@DOCS@", docs.to_str().unwrap())
        .replace("@FLEET@", &fleet)
        .replace("@SPAN@", SPAN)
        .replace("@OUT@", out.to_str().unwrap());
    std::fs::write(&inspector, script).unwrap();
    std::fs::set_permissions(&inspector, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(&consort);
    command.args(["gui", &fleet, "--gdb", "0", "--wait-gdb", "hub"]).env("NO_COLOR", "1");
    let mut gui = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stderr, ports) = ports_of(&mut gui, NAMES.len());
    let script =
        "break SysTickHandler\nignore 1 99\ncontinue\nprint g_now\nstepi 3\nmonitor time\ndelete\ndetach";
    let printed = gdb("hub", ports[0], script);
    in_order(&printed.out, &["Breakpoint 1, SysTickHandler", "$1 = 99", "detached]"]);
    in_order(&printed.err, &["hub at 0.1"]);
    printed.has_no_complaint();
    let mut errors = String::new();
    stderr.read_to_string(&mut errors).unwrap();
    assert!(gui.wait().unwrap().success(), "{errors}");
    assert_eq!(std::fs::read_to_string(out).unwrap(), alone);
}

/// Says hello, writes a file and asks for its length, and for one that is not there, all by semihosting.
fn calling_image() -> Vec<u8> {
    let mut image: Vec<u8> = 0x2000_1000u32.to_le_bytes().to_vec();
    image.extend([0x41u32; 15].iter().flat_map(|word| word.to_le_bytes()));
    let code: [u16; 34] = [
        0x2004, 0x4927, 0xBEAB, // SYS_WRITE0 hello
        0x2001, 0x4926, 0xBEAB, // SYS_OPEN out.txt, w+
        0x4C26, 0x6020, 0x4A26, 0x6062, 0x2215, 0x60A2, // block at r4: the handle, the text, 21
        0x2005, 0x4621, 0xBEAB, 0x0005, // r5 = SYS_WRITE
        0x200C, 0x4621, 0xBEAB, 0x0006, // r6 = SYS_FLEN
        0x2002, 0x4621, 0xBEAB, // SYS_CLOSE
        0x2001, 0x491F, 0xBEAB, 0x0007, // r7 = SYS_OPEN absent, r
        0x2013, 0xBEAB, 0x4680, // r8 = SYS_ERRNO
        0x2020, 0x491D, 0xBEAB, // SYS_EXIT_EXTENDED
        0xE7FE,
    ];
    image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    let blocks: [u32; 8] = [0xBA, 6, 7, 0xC2, 0, 6, 0x20026, 0];
    image.extend(blocks.iter().flat_map(|word| word.to_le_bytes()));
    image.extend(b"hello from the guest\n\0out.txt\0absent\0written by the guest\n\0\0");
    let pool: [u32; 6] = [0xA4, 0x84, 0x2000_0000, 0xC9, 0x90, 0x9C];
    image.extend(pool.iter().flat_map(|word| word.to_le_bytes()));
    image
}

#[test]
fn the_debugger_is_console_and_files_of_semihosting() {
    if !gdb_is_here("the_debugger_is_console_and_files_of_semihosting") {
        return;
    }
    let folder = scratch("semihosting");
    let _ = std::fs::remove_file(folder.join("out.txt"));
    std::fs::write(folder.join("calls.bin"), calling_image()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
    command.args(["boot", "mps2-an385", "calls.bin@0", "--for", "10ms", "--gdb", "0", "--wait-gdb"]);
    command.current_dir(&folder).env("NO_COLOR", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (_stderr, ports) = ports_of(&mut child, 1);
    let mut command = Command::new("timeout");
    command.args(["240", "gdb-multiarch", "-nx", "-batch"]).current_dir(&folder);
    let target = format!("target remote 127.0.0.1:{}", ports[0]);
    for line in [
        "set remotetimeout 60",
        &target,
        "monitor semihosting gdb",
        "hbreak *0x44",
        "continue",
        "stepi",
        "print/x $pc",
        "hbreak *0x7c",
        "continue",
        "info registers r5 r6 r7 r8",
        "print *(unsigned *) 0x20000000 >= 0x100",
        "continue",
    ] {
        command.args(["-ex", line]);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    in_order(
        &text,
        &[
            "$1 = 0x46", // one step over the call
            "r5             0x0",
            "r6             0x15",
            "r7             0xffffffff",
            "r8             0x2", // ENOENT
            "$2 = 1",
            "exited normally",
        ],
    );
    // GDB writes what its target says where it writes errors.
    assert!(String::from_utf8_lossy(&output.stderr).contains("hello from the guest\n"));
    assert_eq!(std::fs::read_to_string(folder.join("out.txt")).unwrap(), "written by the guest\n");
    let rest = child.wait_with_output().unwrap();
    assert!(rest.status.success());
    assert!(rest.stdout.is_empty(), "the console was the debugger's");
}

#[test]
fn a_second_debugger_learns_why_it_is_refused() {
    if !gdb_is_here("a_second_debugger_learns_why_it_is_refused") {
        return;
    }
    let mut run = Run::start(&fleet_file("second"), true);
    let first = TcpStream::connect(("127.0.0.1", run.ports[0])).unwrap();
    let second = gdb("hub", run.ports[0], "");
    assert!(second.err.contains("hub has a debugger already"), "{}", second.err);
    let mut line = String::new();
    run.stderr.read_line(&mut line).unwrap();
    assert!(line.contains("was refused: hub has one already"), "{line}");
    drop(first);
    assert!(gdb("hub", run.ports[0], "print $pc").out.contains("$1 = "));
}

#[test]
fn gdb_reads_the_file_that_gdb_config_writes() {
    let dir = scratch("config");
    let _ = std::fs::remove_dir_all(&dir);
    // As people have it: everything in one folder, and they are in it.
    let fleet = std::fs::read_to_string(fleet_file("config")).unwrap();
    std::fs::write(dir.join("fleet.json"), fleet.replace(&firmware("watch"), "the watch.elf")).unwrap();
    std::fs::copy(firmware("watch"), dir.join("the watch.elf")).unwrap();
    let config = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
        command.args(["gdb-config", "fleet.json"]).args(args).current_dir(&dir).output().unwrap()
    };
    let launch: Value = serde_json::from_slice(&config(&[]).stdout).unwrap();
    assert_eq!(launch["configurations"][1]["gdbTarget"], "localhost:3334");
    assert_eq!(
        launch["configurations"][3]["chainedConfigurations"]["launches"][1]["name"],
        "consort: sensor-1"
    );
    let folder = dir.to_str().unwrap();
    assert!(config(&["--write", folder, "--gdb", "4000"]).status.success());
    let written: Value =
        serde_json::from_slice(&std::fs::read(dir.join(".vscode/launch.json")).unwrap()).unwrap();
    let program = written["configurations"][1]["executable"].as_str().unwrap();
    assert!(Path::new(program).is_absolute(), "{program}");
    assert_eq!(config(&["--write", folder]).status.code(), Some(2), "nothing is written over");
    if gdb_is_here("gdb_reads_the_file_that_gdb_config_writes") {
        let mut command = Command::new("gdb-multiarch");
        command.args(["-nx", "-batch", "-x"]).arg(dir.join("consort.gdb"));
        command.args(["-ex", "show user consort-watch-1", "-ex", "consort-watch-1", "-ex", "info files"]);
        // Nobody listens at the port, but the file is found from anywhere.
        let output = command.current_dir("/").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("target remote :4001"), "{text}{complaints}");
        assert!(!complaints.contains("No such file"), "{complaints}");
    }
}
