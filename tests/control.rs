//! The control protocol from a client's side: it sees everything, steers, and changes nothing else.

#![expect(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};

use consort_core::Time;
use consort_core::control::{Answer, Command, Message, Next, Request, Topic, VERSION, Welcome};
use consort_core::device::Action;
use consort_core::fleet::StimulusKind;
use consort_core::link::{Fate, Fault, Rule};
use serde_json::{Value, json};

const ALL: [Topic; 4] = [Topic::Uart, Topic::Frames, Topic::Events, Topic::Logs];

fn fleet(name: &str, stimuli: Value) -> PathBuf {
    let image = |name: &str| format!("{}/firmware/bin/{name}.elf", env!("CARGO_MANIFEST_DIR"));
    let device = |image_name: &str, mac: &str| json!({ "board": "mps2-an386", "firmware": image(image_name), "config": { "ethernet": { "mac": mac } } });
    let fleet = json!({
        "seed": 7,
        "devices": {
            "hub": device("hub", "02:00:00:01:00:01"),
            "watch": device("watch", "02:00:00:02:00:01"),
            "sensor": device("sensor", "02:00:00:03:00:01"),
        },
        "links": { "home": { "kind": "lan", "joins": ["hub", "watch", "sensor"], "latency": "500us" } },
        "stimuli": stimuli,
    });
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("control");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(format!("{name}.json"));
    std::fs::write(&path, fleet.to_string()).unwrap();
    path
}

fn consort(fleet: &Path, more: &[&str]) -> Child {
    Program::new(env!("CARGO_BIN_EXE_consort"))
        .args(["run", "--quiet", "--json", "--for", "3s"])
        .arg(fleet)
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The digest of a run that nobody watches.
fn alone(fleet: &Path) -> String {
    let output = consort(fleet, &[]).wait_with_output().unwrap();
    digest_of(&String::from_utf8(output.stdout).unwrap())
}

fn digest_of(text: &str) -> String {
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    last["summary"]["digest"].as_str().unwrap().to_owned()
}

/// A run with its door open.
struct Run {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    address: String,
    token: String,
}

impl Run {
    fn start(fleet: &Path, more: &[&str]) -> Self {
        let mut child = consort(fleet, &[&["--control", "--paused"], more].concat());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let word = |name: &str| line["control"][name].as_str().unwrap().to_owned();
        Self { child, out, address: word("address"), token: word("token") }
    }

    fn connect(&self) -> Client {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let lines = BufReader::new(socket.try_clone().unwrap());
        Client { socket, lines, id: 0, notices: Vec::new() }
    }

    fn client(&self) -> (Client, Welcome) {
        let mut client = self.connect();
        let hello = Command::Hello { version: VERSION, token: self.token.clone() };
        let Ok(Answer::Welcome(welcome)) = client.ask(hello) else { panic!("not welcome") };
        (client, *welcome)
    }

    /// Waits for the run's end, and gives its digest.
    fn digest(mut self) -> String {
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        digest_of(&text)
    }
}

struct Client {
    socket: TcpStream,
    lines: BufReader<TcpStream>,
    id: u64,
    notices: Vec<Message>,
}

impl Client {
    fn send(&mut self, command: Command) {
        self.id += 1;
        let mut line = serde_json::to_string(&Request { id: self.id, command }).unwrap();
        line.push('\n');
        self.socket.write_all(line.as_bytes()).unwrap();
    }

    fn next(&mut self) -> Option<Message> {
        let mut line = String::new();
        self.lines.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(serde_json::from_str(&line).unwrap())
    }

    fn ask(&mut self, command: Command) -> Result<Answer, String> {
        self.send(command);
        loop {
            match self.next().ok_or("the connection ended")? {
                Message::Reply { id, answer } if id == self.id => return Ok(answer),
                Message::Error { id, message } if id == self.id => return Err(message),
                notice => self.notices.push(notice),
            }
        }
    }

    fn done(&mut self, command: Command) {
        assert_eq!(self.ask(command), Ok(Answer::Done));
    }

    fn run_until(&mut self, until: Time) {
        self.done(Command::Run { until: Some(until) });
        loop {
            let Ok(Answer::Status(status)) = self.ask(Command::Status) else { panic!("no status") };
            if !status.running {
                assert_eq!(status.now, until);
                return;
            }
        }
    }

    /// Reads notices until the run ends.
    fn drain(&mut self) {
        while let Some(message) = self.next() {
            self.notices.push(message);
        }
        assert_eq!(self.notices.last(), Some(&Message::Ended));
    }
}

#[test]
fn who_watches_and_steps_does_not_change_the_run() {
    let fleet = fleet("watched", json!([]));
    let run = Run::start(&fleet, &["--threads", "2"]);
    let (mut client, welcome) = run.client();
    assert_eq!(welcome.fleet.devices.len(), 3);
    assert_eq!(welcome.fleet.devices[1].board, "mps2-an386");
    assert_eq!(welcome.fleet.links[0].joins[2].device, "sensor");
    assert!(!welcome.status.running);
    client.done(Command::Subscribe { topics: ALL.to_vec() });
    client.run_until(Time::from_us(731_417));
    for name in ["hub", "watch", "sensor"] {
        let device = || name.to_owned();
        let Ok(Answer::Device(before)) = client.ask(Command::Device { device: device() }) else { panic!() };
        assert!(before.registers.iter().any(|register| register.name == "pc"));
        for _ in 0..20 {
            client.done(Command::StepInstruction { device: device() });
        }
        let Ok(Answer::Device(after)) = client.ask(Command::Device { device: device() }) else { panic!() };
        // A step may be an exception's entry instead of an instruction.
        let steps = after.stats.instructions - before.stats.instructions;
        let entries = after.stats.exceptions - before.stats.exceptions;
        assert!((10..=20).contains(&steps) && steps + entries >= 20, "{name}: {steps} and {entries}");
        client.done(Command::StepWindow);
        let memory = Command::Memory { device: device(), addr: 0x2000_0000, len: 4096 };
        let Ok(Answer::Memory(memory)) = client.ask(memory) else { panic!() };
        assert!(memory.data.iter().all(Option::is_some));
        let nothing = Command::Memory { device: device(), addr: u64::MAX - 3, len: 8 };
        let Ok(Answer::Memory(nothing)) = client.ask(nothing) else { panic!() };
        assert_eq!(nothing.data, [None; 8]);
        let Ok(Answer::Peripherals(blocks)) = client.ask(Command::Peripherals { device: device() }) else {
            panic!()
        };
        assert!(blocks.iter().any(|block| block.registers.iter().any(|register| register.value.is_some())));
    }
    client.done(Command::Run { until: None });
    client.drain();
    assert_eq!(run.digest(), alone(&fleet));
    let seen = |wanted: fn(&Message) -> bool| client.notices.iter().filter(|notice| wanted(notice)).count();
    assert!(seen(|notice| matches!(notice, Message::Uart { .. })) > 3);
    assert!(seen(|notice| matches!(notice, Message::Event { .. })) > 1_000);
    assert!(
        seen(
            |notice| matches!(notice, Message::Frame(frame) if frame.to.iter().any(|to| to.at > Some(frame.at)))
        ) > 3
    );
}

#[test]
fn a_test_is_watched_as_a_run_is() {
    let fleet = fleet("judged", json!([]));
    let folder = fleet.parent().unwrap().join("judged");
    std::fs::create_dir_all(&folder).unwrap();
    let scenario = json!({
        "fleet": "../judged.json",
        "steps": [
            { "wait": { "device": "hub", "line": "sensor-1 joined", "within": "1s" } },
            { "wait": { "device": "sensor", "pin": "fpgaio.led0", "level": true, "within": "2s" } },
            { "run-for": "500ms" },
        ],
    });
    std::fs::write(folder.join("judged.scenario.json"), scenario.to_string()).unwrap();
    let test = |more: &[&str]| {
        let mut program = Program::new(env!("CARGO_BIN_EXE_consort"));
        program.args(["test", "judged.scenario.json"]).args(more).current_dir(&folder).env("NO_COLOR", "1");
        program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let told = |child: Child| {
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, alone) = told(test(&[]));
    assert_eq!(code, Some(0), "{alone}");
    let watched = |more: &[&str]| {
        let mut child = test(&[&["--control", "--paused"], more].concat());
        let mut line = String::new();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        err.read_line(&mut line).unwrap();
        let (_, door) = line.trim().split_once("control at ").unwrap();
        let (address, token) = door.split_once('#').unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Run { child, out, address: address.to_owned(), token: token.to_owned() }
    };
    let run = watched(&[]);
    let (mut client, welcome) = run.client();
    assert_eq!((welcome.fleet.devices.len(), welcome.fleet.seed, welcome.status.running), (3, 7, false));
    assert_eq!(welcome.fleet.devices[0].board, "mps2-an386");
    client.done(Command::Subscribe { topics: ALL.to_vec() });
    client.run_until(Time::from_ms(300));
    client.done(Command::StepInstruction { device: "hub".to_owned() });
    client.done(Command::StepWindow);
    client.done(Command::Run { until: None });
    client.drain();
    let mut text = String::new();
    let Run { mut child, mut out, .. } = run;
    out.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    let figures = |text: &str| text.split_once(" s virtual").unwrap().1.lines().next().unwrap().to_owned();
    assert_eq!(figures(&text), figures(&alone));
    // Who has seen enough ends it.
    let run = watched(&[]);
    let (mut client, _) = run.client();
    client.run_until(Time::from_ms(100));
    client.done(Command::End);
    let Run { mut child, mut out, .. } = run;
    text.clear();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{text}");
    assert!(text.contains("interrupted at 0.1"), "{text}");
}

#[test]
fn a_stimulus_of_a_client_is_the_stimulus_of_the_file() {
    let text = || b"ok\n".to_vec();
    let with = fleet("with", json!([{ "at": "2500ms", "device": "watch", "send": "ok\n" }]));
    let without = fleet("without", json!([]));
    let run = Run::start(&without, &[]);
    let (mut client, welcome) = run.client();
    let port = welcome.fleet.devices[1].console.clone().unwrap();
    let what = |action| StimulusKind::Device("watch".to_owned(), action);
    let send = what(Action::Send { port, data: text() });
    client.done(Command::Stimulus { at: Some(Time::from_ms(2_500)), after: Time::ZERO, what: send });
    let nowhere = what(Action::Send { port: "uart99".to_owned(), data: text() });
    let refused = client.ask(Command::Stimulus { at: None, after: Time::ZERO, what: nowhere }).unwrap_err();
    assert!(refused.contains("uart99"), "{refused}");
    client.done(Command::Run { until: None });
    client.drain();
    let digest = run.digest();
    assert_eq!(digest, alone(&with));
    assert_ne!(digest, alone(&without));
}

#[test]
fn a_cut_link_carries_nothing() {
    let run = Run::start(&fleet("cut", json!([])), &[]);
    let (mut client, _) = run.client();
    client.done(Command::Subscribe { topics: vec![Topic::Frames] });
    let rule = Rule { after: Time::ZERO, before: Time::MAX, from: None, to: None, fault: Fault::Cut };
    client.done(Command::Stimulus {
        at: None,
        after: Time::ZERO,
        what: StimulusKind::Link("home".to_owned(), rule),
    });
    client.done(Command::Run { until: None });
    client.drain();
    let fates = client.notices.iter().filter_map(|notice| match notice {
        Message::Frame(frame) => Some(frame.to.iter().map(|to| (to.at, to.fate.clone()))),
        _ => None,
    });
    let fates: Vec<_> = fates.flatten().collect();
    assert!(fates.len() > 3);
    assert!(fates.iter().all(|fate| *fate == (None, Fate::Dropped { rule: 0 })), "{fates:?}");
    run.digest();
}

#[test]
fn a_mended_link_carries_again() {
    let run = Run::start(&fleet("mended", json!([])), &[]);
    let (mut client, _) = run.client();
    client.done(Command::Subscribe { topics: vec![Topic::Frames] });
    let stimulus = |at, what| Command::Stimulus { at: Some(at), after: Time::ZERO, what };
    let rule = Rule { after: Time::ZERO, before: Time::MAX, from: None, to: None, fault: Fault::Cut };
    client.done(stimulus(Time::ZERO, StimulusKind::Link("home".to_owned(), rule)));
    let status = |client: &mut Client| match client.ask(Command::Status) {
        Ok(Answer::Status(status)) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(&mut client).links[0].faults.len(), 1);
    let end = Time::from_ms(1_500);
    client.done(stimulus(end, StimulusKind::Mend("home".to_owned(), Some(0))));
    client.run_until(end);
    assert!(status(&mut client).links[0].faults.is_empty(), "what is over is not told");
    client.done(Command::Run { until: None });
    client.drain();
    let mut seen = [0, 0];
    for notice in &client.notices {
        let Message::Frame(frame) = notice else { continue };
        let cut = frame.at < end;
        assert_eq!(frame.to.iter().any(|to| to.fate == Fate::Dropped { rule: 0 }), cut, "{}", frame.at);
        seen[usize::from(cut)] += 1;
    }
    assert!(seen[0] > 1 && seen[1] > 1, "{seen:?}");
    run.digest();
}

#[test]
fn breakpoints_and_searches_of_a_client_change_nothing() {
    let fleet = fleet("points", json!([]));
    let run = Run::start(&fleet, &[]);
    let (mut client, _) = run.client();
    // Whether anybody hears of exceptions must not matter to a search for one.
    client.done(Command::Subscribe { topics: vec![Topic::Events] });
    let (mut other, _) = run.client();
    let device = || "watch".to_owned();
    let symbols = Command::Symbols { device: device(), text: "nodesleepuntil".to_owned() };
    let Ok(Answer::Symbols(symbols)) = client.ask(symbols) else { panic!() };
    let place = symbols.iter().find(|symbol| symbol.name == "NodeSleepUntil").unwrap().addr;
    let points = |breakpoints| Command::Points { device: device(), breakpoints, watchpoints: Vec::new() };
    client.done(points(vec![place]));
    let halt = |client: &mut Client, command| {
        client.done(command);
        loop {
            let Ok(Answer::Status(status)) = client.ask(Command::Status) else { panic!("no status") };
            if !status.running {
                return status.halted.unwrap_or_default();
            }
        }
    };
    let at = |client: &mut Client| match client.ask(Command::Device { device: device() }) {
        Ok(Answer::Device(state)) => state.pc,
        other => panic!("{other:?}"),
    };
    // Another client without points of its own takes none away.
    other.done(points(Vec::new()));
    for _ in 0..3 {
        assert!(halt(&mut client, Command::Run { until: None }).contains("breakpoint"));
        assert_eq!(at(&mut client), place);
    }
    let Ok(Answer::Code(code)) = client.ask(Command::Code { device: device(), addr: place, len: 64 }) else {
        panic!()
    };
    assert!(code.data.iter().all(Option::is_some));
    let data: Vec<u8> = code.data.iter().take(16).copied().map(Option::unwrap).collect();
    let find = Command::Find { device: device(), addr: 0, len: u64::MAX, data };
    assert_eq!(client.ask(find), Ok(Answer::Found(Some(place))));
    client.done(points(Vec::new()));
    let Ok(Answer::Interrupts(all)) = client.ask(Command::Interrupts { device: device() }) else { panic!() };
    let tick = all.iter().find(|known| known.name == "SysTick").unwrap();
    assert!(all.iter().any(|known| known.name.starts_with("ethernet")), "{all:?}");
    let next = Command::RunTo { next: Next::Interrupt { device: device() } };
    let why = halt(&mut client, next);
    assert!(why.contains("at the handler of"), "{why}");
    let entered = at(&mut client);
    assert!(all.iter().any(|known| known.handler == Some(entered)) && tick.handler.is_some());
    let before = client.ask(Command::Status);
    assert_eq!(halt(&mut client, Command::RunTo { next: Next::Packet }), "");
    let (Ok(Answer::Status(before)), Ok(Answer::Status(after))) = (before, client.ask(Command::Status))
    else {
        panic!()
    };
    assert!(after.frames > before.frames && after.now < Time::from_secs(3));
    client.done(Command::Run { until: None });
    client.drain();
    assert_eq!(run.digest(), alone(&fleet));
}

#[test]
fn clients_that_hang_or_vanish_hold_nothing_up() {
    let fleet = fleet("hanging", json!([]));
    let run = Run::start(&fleet, &[]);
    // One wants everything and never reads, one pauses the run and vanishes.
    let (mut hanging, _) = run.client();
    hanging.done(Command::Subscribe { topics: ALL.to_vec() });
    let (mut vanishing, _) = run.client();
    vanishing.done(Command::Run { until: None });
    vanishing.done(Command::Pause);
    drop(vanishing);
    hanging.send(Command::Run { until: None });
    assert_eq!(run.digest(), alone(&fleet));

    let run = Run::start(&fleet, &[]);
    let (mut pausing, _) = run.client();
    pausing.done(Command::Pause);
    drop(pausing);
    assert_eq!(run.digest(), alone(&fleet), "a run that nobody holds goes on");
}

#[test]
fn strangers_are_told_why_and_sent_away() {
    let run = Run::start(&fleet("strangers", json!([])), &[]);
    let hello = |version, token: &str| Command::Hello { version, token: token.to_owned() };
    for (command, word) in [
        (hello(VERSION, "0"), "token"),
        (hello(VERSION, &run.token[1..]), "token"),
        (hello(VERSION + 1, &run.token), "version"),
        (Command::Status, "hello"),
    ] {
        let mut client = run.connect();
        let message = client.ask(command).unwrap_err();
        assert!(message.contains(word), "{message}");
        assert_eq!(client.next(), None, "the connection ends");
    }
    for garbage in ["GET / HTTP/1.1\r\n\r\n".as_bytes(), &[0xff; 4096], &[b'['; (1 << 20) + 9]] {
        let mut client = run.connect();
        // The server may hang up before it has read all of it.
        let _ =
            client.socket.write_all(garbage).and_then(|()| client.socket.shutdown(std::net::Shutdown::Write));
        assert!(!matches!(client.next(), Some(Message::Reply { .. })));
    }
    let (mut client, _) = run.client();
    assert!(client.ask(Command::Device { device: "clock".to_owned() }).unwrap_err().contains("clock"));
    assert!(client.ask(Command::Speed { times: Some(-1.0) }).is_err());
    assert!(client.ask(Command::Memory { device: "hub".to_owned(), addr: 0, len: u32::MAX }).is_err());
    client.socket.write_all(b"{\"id\":77,\"do\":\"fly\"}\n").unwrap();
    assert!(matches!(client.next(), Some(Message::Error { id: 77, .. })), "and the connection goes on");
    client.done(Command::End);
    client.drain();
    run.digest();
}
