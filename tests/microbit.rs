//! MicroPython as people download it, on both micro:bits: REPL, sensors, display, buttons and `radio`.
//!
//! The images come from the registry package `micropython-microbit-fs`, whose own command also puts a
//! script into them.

#![expect(clippy::unwrap_used)]

mod registry;

use std::path::{Path, PathBuf};
use std::process::Command;

use consort_core::Time;
use consort_core::device::Port;
use consort_core::fleet::{Observer, Pace};
use consort_core::trace::Digest;
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::{Value, json};

fn package() -> Option<PathBuf> {
    registry::package("micropython-microbit-fs", &[])
}

/// The package's image for a micro:bit V1 or V2.
fn image(package: &Path, version: u8) -> PathBuf {
    let folder = package.join(format!("micropython_microbit_fs/hexes/microbitv{version}"));
    let release = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::read_dir(release).unwrap().next().unwrap().unwrap().path()
}

/// That image with a script in it.
fn with_script(package: &Path, version: u8, test: &str, script: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{version}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("main.py"), script).unwrap();
    let output = folder.join("main.hex");
    let add = Command::new("python3")
        .args(["-c", "from micropython_microbit_fs.cli import main; main()", "add", "main.py", "--hex-file"])
        .arg(image(package, version))
        .arg("--output")
        .arg(&output)
        .current_dir(&folder)
        .env("PYTHONPATH", package)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&add.stderr);
    assert!(add.status.success() && output.exists(), "microbit-fs add: {said}");
    output
}

fn board(version: u8) -> &'static str {
    if version == 1 { "microbit" } else { "microbit-v2" }
}

/// What each device said on its UART.
#[derive(Default)]
struct Ears(Vec<String>);

impl Observer for Ears {
    fn sent(&mut self, device: usize, port: &Port, sent: &consort_core::device::Sent) {
        self.0.resize(self.0.len().max(device + 1), String::new());
        if port.name == "uart0" {
            self.0[device].extend(sent.data.iter().map(|byte| char::from(*byte)));
        }
    }
}

/// The end of a run: what was said, the display of the first device as digits, and the digest.
struct Outcome {
    said: Vec<String>,
    display: String,
    digest: Digest,
}

fn run(fleet: &Value, until: Time, threads: usize) -> Outcome {
    let (file, document) = FleetFile::parse("test", &fleet.to_string()).unwrap();
    let mut fleet = file.build(&document, Path::new("/"), &Overrides::default()).unwrap().fleet;
    fleet.set_pace(Pace { threads, quantum: Time::from_ms(10) });
    let mut ears = Ears::default();
    fleet.run_until(until, &mut ears);
    let picture = fleet.device(0, |device| device.picture("display")).unwrap().unwrap();
    let lamps: Vec<String> =
        picture.rgb.chunks(3).map(|rgb| (u16::from(rgb[0]) * 9 / 255).to_string()).collect();
    let lines: Vec<String> = lamps.chunks(usize::from(picture.width)).map(|line| line.concat()).collect();
    Outcome { said: ears.0, display: lines.join(":"), digest: fleet.digest().unwrap() }
}

fn the_repl_answers(version: u8) {
    let Some(package) = package() else { return };
    let line = |at: &str, text: &str| json!({ "at": at, "device": "bit", "send": format!("{text}\r\n") });
    let fleet = json!({
        "devices": { "bit": { "board": board(version), "firmware": image(&package, version) } },
        "stimuli": [
            { "at": "100ms", "device": "bit", "set": "temp.temperature", "to": 31.5 },
            { "at": "100ms", "device": "bit", "set": "accelerometer.x", "curve": [["0ms", 0], ["1s", -512]] },
            line("1s", "from microbit import *"),
            line("1.2s", "print('temperature', temperature(), 'x', accelerometer.get_x(), 2 ** 70)"),
            line("1.5s", "display.show(Image.HEART)"),
        ]
    });
    let outcome = run(&fleet, Time::from_ms(2_200), 1);
    let said = &outcome.said[0];
    assert!(said.contains("MicroPython"), "{said}");
    // 0.25 degrees is the sensor's step, and MicroPython rounds; the accelerometer has steps of 4 mg or more.
    let answer = said.lines().find(|line| line.starts_with("temperature ")).unwrap_or_default();
    let words: Vec<&str> = answer.split_whitespace().collect();
    let number =
        |index: usize| words.get(index).and_then(|word| word.parse::<i64>().ok()).unwrap_or(i64::MIN);
    assert!((31..=32).contains(&number(1)), "{said}");
    assert!((-540..=-484).contains(&number(3)), "{said}");
    assert_eq!(words.last(), Some(&"1180591620717411303424"), "{said}");
    assert_eq!(outcome.display, "09090:99999:99999:09990:00900");
}

#[test]
fn the_repl_of_v1_answers_and_its_sensors_and_display_follow_the_world() {
    the_repl_answers(1);
}

#[test]
fn the_repl_of_v2_answers_and_its_sensors_and_display_follow_the_world() {
    the_repl_answers(2);
}

const SCRIPT: &str = "
import radio
from microbit import *
radio.on()
radio.config(channel=CHANNEL, power=6)
n = 0
while True:
    if button_a.was_pressed():
        n += 1
        radio.send('NAME ' + str(n))
    if button_b.was_pressed():
        display.show(Image.HAPPY)
    m = radio.receive()
    if m:
        print('got', m)
        if m.startswith('first'):
            radio.send('NAME heard ' + m)
    sleep(10)
";

fn radios_talk(version: u8) {
    let Some(package) = package() else { return };
    let device = |name: &str, channel: u8, metres: u32| {
        let script = SCRIPT.replace("NAME", name).replace("CHANNEL", &channel.to_string());
        let firmware = with_script(&package, version, &format!("radio-{name}"), &script);
        json!({ "board": board(version), "firmware": firmware, "position": [metres, 0, 0] })
    };
    let press = |at: u32, button: &str| {
        let to = |at: u32, to: bool| json!({ "at": format!("{at}ms"), "device": "first", "set": format!("{button}.pressed"), "to": to });
        [to(at, true), to(at + 100, false)]
    };
    let stimuli: Vec<Value> =
        [press(1_000, "button-a"), press(1_400, "button-a"), press(1_600, "button-b")].concat();
    let fleet = json!({
        "seed": 4,
        "devices": {
            "first": device("first", 7, 0),
            "second": device("second", 7, 5),
            "elsewhere": device("elsewhere", 8, 5),
            "far": device("far", 7, 2_000)
        },
        "links": { "air": { "kind": "radio", "joins": ["first", "second", "elsewhere", "far"] } },
        "stimuli": stimuli
    });
    let until = Time::from_ms(2_000);
    let outcome = run(&fleet, until, 1);
    let heard = |device: usize| -> Vec<&str> {
        let said = outcome.said.get(device).map_or("", String::as_str);
        // The UART begins with a zero byte.
        said.lines().filter_map(|line| line.trim_start_matches('\0').strip_prefix("got ")).collect()
    };
    assert_eq!(heard(0), ["second heard first 1", "second heard first 2"]);
    assert_eq!(heard(1), ["first 1", "first 2"]);
    assert_eq!((heard(2), heard(3)), (vec![], vec![]), "another channel, out of range");
    assert_eq!(outcome.display, "00000:09090:00000:90009:09990");
    assert_eq!(run(&fleet, until, 2).digest, outcome.digest, "threads change nothing");
}

#[test]
fn v1_talks_by_radio_with_those_in_range_on_its_channel() {
    radios_talk(1);
}

#[test]
fn v2_talks_by_radio_with_those_in_range_on_its_channel() {
    radios_talk(2);
}

#[test]
fn the_demos_scenario_passes() {
    let Some(package) = package() else { return };
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("microbit-demo");
    std::fs::create_dir_all(folder.join("microbit")).unwrap();
    let mut fleet = std::fs::read_to_string(demo.join("microbit.json")).unwrap();
    for name in ["ping", "pong"] {
        let script = std::fs::read_to_string(demo.join(format!("microbit/{name}.py"))).unwrap();
        let image = with_script(&package, 1, &format!("demo-{name}"), &script);
        fleet = fleet.replace(&format!("../target/microbit/{name}.hex"), image.to_str().unwrap());
    }
    std::fs::write(folder.join("microbit.json"), fleet).unwrap();
    for name in ["radio.scenario.json", "heart.png"] {
        std::fs::copy(demo.join("microbit").join(name), folder.join("microbit").join(name)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
    command.arg("test").arg(folder.join("microbit")).arg("--artifacts").arg(folder.join("artifacts"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
