//! The inspector on real runs: what people do reaches the firmware, what they watch changes nothing, and a
//! window that dies takes nothing along.
#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a test may panic, and says what it skips")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command as Program, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use consort_core::Time;
use consort_core::control::{Command, Next};
use consort_gui::app::App;
use consort_gui::panels::Panel;
use consort_gui::theme;
use consort_gui::wish::Wish;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

const PATIENCE: Duration = Duration::from_secs(300);

/// The emulator's program, built when it is not there: it belongs to another package.
fn consort() -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_consort-gui"));
    let program = std::env::var_os("CONSORT").map_or_else(|| own.with_file_name("consort"), PathBuf::from);
    if !program.is_file() {
        let mut cargo = Program::new(env!("CARGO"));
        cargo.args(["build", "-q", "-p", "consort", "--bin", "consort"]).current_dir(folder());
        assert!(cargo.status().unwrap().success());
    }
    program
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The demo's fleet without its faults and inputs.
fn fleet(name: &str) -> PathBuf {
    let firmware = |name: &str| folder().join(format!("firmware/bin/{name}.elf"));
    let device = |board: &str, name: &str, mac: &str| serde_json::json!({ "board": board, "firmware": firmware(name), "config": { "ethernet": { "mac": mac } } });
    let fleet = serde_json::json!({
        "seed": 42,
        "devices": {
            "hub": device("mps2-an386", "hub", "02:00:00:01:00:01"),
            "watch-1": device("mps2-an386", "watch", "02:00:00:02:00:01"),
            "sensor-1": device("mps2-an385", "sensor", "02:00:00:03:00:01"),
            "sensor-2": device("mps2-an385", "sensor", "02:00:00:03:00:02"),
        },
        "links": { "home": { "kind": "lan", "joins": ["hub", "watch-1", "sensor-1", "sensor-2"] } },
    });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
    std::fs::write(&path, fleet.to_string()).unwrap();
    path
}

fn run(fleet: &Path, more: &[&str]) -> Child {
    let mut program = Program::new(consort());
    program.args(["run", "--quiet", "--json"]).arg(fleet).args(more).stdout(Stdio::piped());
    program.spawn().unwrap()
}

fn digest_of(text: &str) -> String {
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    last["summary"]["digest"].as_str().unwrap().to_owned()
}

/// The digest of a run that nobody watches.
fn alone(fleet: &Path, span: &str) -> String {
    let output = run(fleet, &["--for", span]).wait_with_output().unwrap();
    digest_of(&String::from_utf8(output.stdout).unwrap())
}

/// A run with its door open.
struct Run {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
    token: String,
}

impl Run {
    fn start(fleet: &Path, more: &[&str]) -> Self {
        let mut child = run(fleet, &[&["--control"], more].concat());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let word = |name: &str| line["control"][name].as_str().unwrap().to_owned();
        Self { child, out, address: word("address"), token: word("token") }
    }

    fn digest(mut self) -> String {
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        digest_of(&text)
    }
}

/// A fleet of one device.
fn one(board: &str, firmware: &str) -> PathBuf {
    let device = serde_json::json!({ "board": board, "firmware": folder().join(format!("firmware/bin/{firmware}.elf")) });
    let fleet = serde_json::json!({ "seed": 42, "devices": { (board): device } });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("one-{board}.json"));
    std::fs::write(&path, fleet.to_string()).unwrap();
    path
}

/// The whole inspector on a run, without a window.
fn inspector(run: &Run) -> Harness<'static, App> {
    let mut app = App::new(&egui::Context::default(), None);
    app.attach(&run.address, &run.token, false).unwrap();
    let mut harness = Harness::builder()
        .with_size([1500.0, 900.0])
        .with_context_setup(theme::set)
        .build_ui_state(|ui, app: &mut App| app.draw(ui), app);
    wait(&mut harness, "the fleet", |app| !app.model.fleet.devices.is_empty());
    harness
}

/// Draws on until something is so.
fn wait(harness: &mut Harness<'_, App>, what: &str, is: impl Fn(&App) -> bool) {
    let begin = Instant::now();
    while !is(harness.state()) {
        assert!(begin.elapsed() < PATIENCE, "waiting for {what}, at {}", harness.state().model.status.now);
        harness.run_steps(1);
        std::thread::sleep(Duration::from_millis(5));
    }
    harness.run_steps(2);
}

fn run_until(harness: &mut Harness<'_, App>, until: Time) {
    harness.state_mut().model.ask(Command::Run { until: Some(until) });
    wait(harness, "the pause", |app| app.model.status.now == until && !app.model.status.running);
}

/// Lets the run come to its end.
fn finish(mut harness: Harness<'_, App>, run: Run) -> String {
    harness.state_mut().model.ask(Command::End);
    wait(&mut harness, "the end", |app| app.model.trouble.is_some());
    run.digest()
}

fn said(app: &App, device: &str) -> String {
    let consoles = app.model.consoles.iter().filter(|((known, _), _)| known == device);
    let lines = consoles.flat_map(|(_, console)| console.lines.iter().map(|line| line.text() + "\n"));
    lines.collect()
}

#[test]
fn a_press_on_the_watchs_button_answers_its_alarm() {
    let run = Run::start(&fleet("button"), &["--for", "60s", "--paused"]);
    let mut harness = inspector(&run);
    wait(&mut harness, "the parts", |app| app.model.parts.known.len() == 4);
    run_until(&mut harness, Time::from_secs(12));
    assert!(said(harness.state(), "watch-1").contains("ALARM"), "{}", said(harness.state(), "watch-1"));
    run_until(&mut harness, Time::from_ms(12_500));
    assert!(!said(harness.state(), "watch-1").contains("answered"));
    wait(&mut harness, "the picture", |app| app.model.parts.picture("watch-1", "fpgaio").is_some());
    harness.get_by_label("watch-1 fpgaio button0").click();
    harness.run_steps(3);
    run_until(&mut harness, Time::from_secs(13));
    assert!(said(harness.state(), "watch-1").contains("answered"), "{}", said(harness.state(), "watch-1"));
    finish(harness, run);
}

/// What a part shows at a time.
fn shown(harness: &mut Harness<'_, App>, at: Time, device: &str, part: &str) -> Vec<egui::Color32> {
    run_until(harness, at);
    // Answers come in the order of the questions: that for the picture before this one.
    harness.state_mut().model.digest = None;
    harness.state_mut().model.ask(Command::Digest);
    wait(harness, "the digest", |app| app.model.digest.is_some());
    harness.state().model.parts.picture(device, part).unwrap().colours.clone()
}

#[test]
fn a_finger_and_a_button_on_the_watchs_picture_reach_its_firmware() {
    let run = Run::start(&one("pinetime", "pinetime"), &["--for", "60s", "--paused"]);
    let mut harness = inspector(&run);
    wait(&mut harness, "the parts", |app| app.model.parts.known.contains_key("pinetime"));
    let face = shown(&mut harness, Time::from_ms(2_000), "pinetime", "screen");
    let rest = shown(&mut harness, Time::from_ms(2_500), "pinetime", "screen");
    let lit = face.iter().filter(|pixel| **pixel != theme::pixel([0; 3])).count();
    assert!(lit > 1_000 && face == rest, "the face has {lit} pixels and stays");
    // A finger goes from right to left over the picture: the next page.
    let screen = harness.get_by_label("screen of pinetime").rect();
    let at = |part: f32| screen.min + screen.size() * egui::vec2(part, 0.5);
    harness.hover_at(at(0.8));
    harness.run_steps(1);
    harness.drag_at(at(0.8));
    harness.run_steps(2);
    run_until(&mut harness, Time::from_ms(2_560));
    harness.hover_at(at(0.2));
    harness.run_steps(2);
    run_until(&mut harness, Time::from_ms(2_620));
    harness.drop_at(at(0.2));
    harness.run_steps(2);
    let page = shown(&mut harness, Time::from_ms(3_200), "pinetime", "screen");
    let differs = |other: &[egui::Color32]| face.iter().zip(other).filter(|(a, b)| a != b).count();
    assert!(differs(&page) > 1_000, "only {} pixels are others", differs(&page));
    // The button goes back to the face.
    harness.get_by_label("pinetime button pressed").click();
    harness.run_steps(3);
    let back = shown(&mut harness, Time::from_ms(4_000), "pinetime", "screen");
    assert!(differs(&back) < 200, "{} pixels are others", differs(&back));
    finish(harness, run);
}

#[test]
fn a_phones_interrupt_controller_is_listed() {
    let run = Run::start(&one("phone", "phone"), &["--for", "60s", "--paused"]);
    let mut harness = inspector(&run);
    harness.state_mut().model.wish(Wish::Show(Panel::Interrupts));
    run_until(&mut harness, Time::from_ms(500));
    wait(&mut harness, "its timer", |app| {
        app.model.interrupts.iter().any(|known| known.name.contains("timer") && known.enabled)
    });
    let interrupts = harness.state().model.interrupts.clone();
    let of = |name: &str| interrupts.iter().find(|known| known.name == name).unwrap();
    // What the firmware's board.c enables, and what is wired without being used.
    assert_eq!((of("uart0").enabled, of("uart0").priority), (true, Some(0x80)), "{interrupts:?}");
    assert!(!of("i2c").enabled);
    assert!(harness.query_by_label("softbus").is_some());
    finish(harness, run);
}

#[test]
fn who_looks_at_everything_changes_nothing() {
    let fleet = fleet("looked-at");
    let run = Run::start(&fleet, &["--for", "3s", "--paused"]);
    let mut harness = inspector(&run);
    for (index, panel) in Panel::ALL.into_iter().enumerate() {
        harness.state_mut().model.select(index % 4);
        harness.state_mut().model.wish(Wish::Show(panel));
        run_until(&mut harness, Time::from_ms(100 * (index as u64 + 1)));
        harness.run_steps(3);
    }
    // Breakpoints, steps, searches.
    let device = || "hub".to_owned();
    harness.state_mut().model.select(0);
    wait(&mut harness, "symbols", |app| app.model.code.symbols.is_some());
    let main = harness.state().model.code.address("NodeSleepUntil").unwrap();
    harness.state_mut().model.toggle_breakpoint(main);
    harness.state_mut().model.ask(Command::Run { until: None });
    let halted =
        |app: &App, what: &str| app.model.status.halted.as_ref().is_some_and(|why| why.contains(what));
    wait(&mut harness, "the breakpoint", |app| halted(app, "breakpoint"));
    wait(&mut harness, "its registers", |app| {
        app.model.device.as_ref().is_some_and(|state| state.pc == main)
    });
    harness.state_mut().model.toggle_breakpoint(main);
    harness.state_mut().model.ask(Command::StepInstruction { device: device() });
    harness.state_mut().model.ask(Command::RunTo { next: Next::Interrupt { device: device() } });
    wait(&mut harness, "an interrupt", |app| halted(app, "at the handler of") && !app.model.status.running);
    let before = harness.state().model.status.frames;
    harness.state_mut().model.ask(Command::RunTo { next: Next::Packet });
    wait(&mut harness, "a packet", |app| app.model.status.frames > before && !app.model.status.running);
    assert!(harness.state().model.status.now < Time::from_secs(3));
    harness.state_mut().model.ask(Command::Run { until: None });
    wait(&mut harness, "the end", |app| app.model.trouble.is_some());
    assert_eq!(run.digest(), alone(&fleet, "3s"));
}

/// Passes bytes between a client and a run, and counts those that the run sent.
fn proxy(to: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, passed) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let counted = passed.clone();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(to).unwrap();
        let pump = |mut from: TcpStream, mut to: TcpStream, count: Option<Arc<AtomicUsize>>| {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = from.read(&mut bytes) {
                    if let Some(count) = &count {
                        count.fetch_add(length, Ordering::Relaxed);
                    }
                    if to.write_all(&bytes[..length]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(std::net::Shutdown::Both);
            })
        };
        pump(client.try_clone().unwrap(), server.try_clone().unwrap(), None);
        pump(server, client, Some(counted));
    });
    (address, passed)
}

#[test]
fn a_killed_window_leaves_the_run_going() {
    let mut display = match Program::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
    {
        Ok(display) => display,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "Xvfb is needed: .ci/setup test installs it ({error})");
            eprintln!("skipped: Xvfb is not installed");
            return;
        }
    };
    let mut number = String::new();
    BufReader::new(display.stdout.take().unwrap()).read_line(&mut number).unwrap();
    let fleet = fleet("killed");
    let run = Run::start(&fleet, &["--for", "4s", "--realtime", "--paused"]);
    let (address, passed) = proxy(run.address.clone());
    let mut window = Program::new(env!("CARGO_BIN_EXE_consort-gui"))
        .arg(address)
        .env("CONSORT_TOKEN", &run.token)
        .env("DISPLAY", format!(":{}", number.trim()))
        .env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"))
        .spawn()
        .unwrap();
    let begin = Instant::now();
    // Welcome and the first looks at the paused run.
    while passed.load(Ordering::Relaxed) < 20_000 {
        assert!(begin.elapsed() < PATIENCE, "the window does not come up");
        assert!(window.try_wait().unwrap().is_none(), "the window ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    // SIGKILL; the paused run goes on by itself, to its end.
    window.kill().unwrap();
    window.wait().unwrap();
    assert_eq!(run.digest(), alone(&fleet, "4s"));
    display.kill().unwrap();
    display.wait().unwrap();
}
