//! `consort run`: a fleet, its UARTs as lines, and a summary.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::device::{Port, Sent};
use consort_core::fleet::{Carried, Fleet, Observer, Pace, Stop};
use consort_core::link::Fate;
use consort_core::state;
use consort_core::trace::{Event, Kind, Report};
use consort_machines::fleet_file::{FleetFile, Overrides, read_bytes};
use consort_peripherals::softbus::Listener;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::capture::Capture;
use crate::cli::RunArgs;
use crate::console;
use crate::control;
use crate::debug::programs;
use crate::failure::{Failure, NO};
use crate::follow::{Lines, Logs};
use crate::guests::{Guests, Habits};
use crate::keep::{self, Screenshots};
use crate::record;
use crate::summary::Summary;
use crate::trace::Trace;
use crate::wall::Watch;

/// What a state file begins with: its format and version.
const STATE_MAGIC: &str = "consort state 1";

/// Runs and sums up.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let overrides = Overrides {
        seed: args.seed,
        timing: args.timing.map(Into::into),
        semihosting_dir: args.semihosting_dir.clone(),
    };
    let mut loaded = FleetFile::load(&args.fleet, &overrides)?;
    let fleet = &mut loaded.fleet;
    if let Some(path) = &args.restore {
        restore(fleet, path)?;
    }
    let given = fleet.journal().len();
    if let Some(path) = &args.journal {
        record::give(fleet, path)?;
    }
    let begin = fleet.now();
    if begin >= args.duration {
        return Err(Failure::bad(format!("the run begins at {begin} s: --for must be later than that")));
    }
    if let Some(at) = args.at.filter(|at| *at < begin || *at > args.duration) {
        return Err(Failure::bad(format!("--at {at} s is not between {begin} s and {} s", args.duration)));
    }
    fleet.set_pace(Pace { threads: args.threads, quantum: args.quantum });
    fleet.want_events(args.trace.is_some());
    let mut watcher = Watcher::new(args, fleet, &loaded.consoles)?;
    let watch = Watch::start();
    watcher.watch = Some((Watch::start(), begin));
    let programs = programs(&args.fleet)?;
    let habits = Habits { realtime: args.realtime, events: args.trace.is_some(), json: args.json };
    let mut guests = Guests::open(&args.debug, &args.door, fleet, programs, &habits, |fleet| {
        // The fleet is already built from this file: what cannot be read again is only left out.
        let file = crate::debug::read(&args.fleet).ok();
        control::describe(fleet, &args.fleet, file.as_ref(), loaded.seed, &loaded.consoles)
    })?;
    let shots = args.screenshots.as_deref().map(|folder| Screenshots::new(folder, args.every, begin));
    let mut shots = shots.transpose()?;
    let (mut stop, mut to_save) = (Stop::Reached, args.save.as_deref().zip(args.at));
    while stop == Stop::Reached && fleet.now() < args.duration {
        let picture = shots.as_ref().map_or(Time::MAX, |shots| shots.next);
        let until = args.duration.min(picture).min(to_save.map_or(Time::MAX, |(_, at)| at));
        stop = guests.run_until(fleet, until, &mut watcher);
        if stop == Stop::Reached
            && picture <= until
            && let Some(shots) = &mut shots
        {
            shots.take(fleet)?;
        }
        if stop == Stop::Reached
            && let Some((path, _)) = to_save.take_if(|(_, at)| *at <= until)
        {
            save(fleet, path)?;
        }
    }
    guests.finish();
    let wall = watch.seconds();
    watcher.finish()?;
    if let Some(path) = &args.record {
        record::write(path, &args.fleet, fleet, given, loaded.seed)?;
    }
    if let Some(shots) = &mut shots {
        shots.take(fleet)?;
    }
    if let Some(folder) = &args.contents {
        keep::contents(fleet, folder)?;
    }
    let summary = Summary::new(fleet, begin, wall, loaded.seed)?;
    if args.json {
        console::line(&json!({ "summary": summary }).to_string());
    } else {
        console::line("");
        summary.lines().iter().for_each(|line| console::line(line));
    }
    if let Stop::Halted(halts) = stop {
        for (index, halt) in halts {
            console::error(&format!("{}: cannot go on: {halt:?}", fleet.names()[index]));
        }
        return Ok(ExitCode::from(NO));
    }
    Ok(ExitCode::SUCCESS)
}

fn save(fleet: &Fleet, path: &Path) -> Result<(), Failure> {
    let bytes = state::to_bytes(&(STATE_MAGIC, fleet.save()?))?;
    std::fs::write(path, bytes).map_err(|error| Failure::bad(format!("{}: {error}", path.display())))
}

fn restore(fleet: &mut Fleet, path: &Path) -> Result<(), Failure> {
    let within = |error: String| Failure::bad(format!("{}: {error}", path.display()));
    let bytes = read_bytes(path)?;
    let (magic, saved): (String, Vec<u8>) = state::from_bytes(&bytes)
        .map_err(|_| within("is not a state file of this version of consort".to_owned()))?;
    if magic != STATE_MAGIC {
        return Err(within("is not a state file of this version of consort".to_owned()));
    }
    fleet.restore(&saved).map_err(|error| within(error.to_string()))
}

/// A listener that knows the fleet file's keys, and the devices at the ends of each link.
fn listener(args: &RunArgs, fleet: &Fleet) -> Result<(Listener, Vec<Vec<String>>), Failure> {
    let keys = crate::debug::read(&args.fleet)?.softbus_keys();
    let ends =
        fleet.links().map(|(_, ends)| ends.iter().map(|end| fleet.names()[end.device].clone()).collect());
    Ok((Listener::new(keys), ends.collect()))
}

struct Watcher<'a> {
    args: &'a RunArgs,
    names: Vec<String>,
    /// Ports of each device, and which is its console.
    ports: Vec<Vec<Port>>,
    consoles: Vec<Option<u16>>,
    width: usize,
    lines: Lines,
    logs: Logs,
    trace: Option<Trace>,
    capture: Option<Capture>,
    /// For --softbus, with the devices at the ends of each link.
    listener: Option<(Listener, Vec<Vec<String>>)>,
    progress: Option<ProgressBar>,
    watch: Option<(Watch, Time)>,
    interrupted: Arc<AtomicBool>,
}

impl<'a> Watcher<'a> {
    fn new(args: &'a RunArgs, fleet: &Fleet, consoles: &[Option<u16>]) -> Result<Self, Failure> {
        let names = fleet.names().to_vec();
        let progress = (console::is_terminal() && !args.json).then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} [{wide_bar}]");
            let bar = ProgressBar::new(args.duration.as_ns());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = interrupted.clone();
        ctrlc::set_handler(move || {
            // The second Ctrl-C does not wait.
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        })?;
        Ok(Self {
            args,
            ports: (0..names.len()).map(|index| fleet.ports(index).to_vec()).collect(),
            consoles: consoles.to_vec(),
            width: names.iter().map(String::len).max().unwrap_or(0),
            names,
            lines: Lines::default(),
            logs: Logs::default(),
            trace: args.trace.as_ref().map(|target| Trace::create(target, fleet)).transpose()?,
            capture: args.pcap.as_deref().map(|folder| Capture::create(folder, fleet)).transpose()?,
            listener: args.softbus.then(|| listener(args, fleet)).transpose()?,
            progress,
            watch: None,
            interrupted,
        })
    }

    fn say(&self, print: impl FnOnce()) {
        match &self.progress {
            Some(progress) => progress.suspend(print),
            None => print(),
        }
    }

    fn show(&self, device: usize, port: u16, at: Time, line: &str) {
        if self.args.quiet {
            return;
        }
        let (name, port_name) = (&self.names[device], &self.ports[device][usize::from(port)].name);
        if self.args.json {
            let line = json!({ "at": at.as_secs_f64(), "device": name, "port": port_name, "line": line });
            return console::line(&line.to_string());
        }
        let (dim, style) = (console::dim(), console::device_style(device));
        let label =
            if self.consoles[device] == Some(port) { name.clone() } else { format!("{name}.{port_name}") };
        let width = self.width;
        self.say(|| console::line(&format!("{dim}{at:>12}{dim:#} {style}{label:<width$}{style:#} | {line}")));
    }

    fn show_words(&self, from: &str, to: &str, at: Time, words: &str) {
        if self.args.json {
            let line = json!({ "at": at.as_secs_f64(), "from": from, "to": to, "said": words });
            return console::line(&line.to_string());
        }
        let (dim, width) = (console::dim(), self.width);
        self.say(|| console::line(&format!("{dim}{at:>12} {from:<width$} > {to}: {words}{dim:#}")));
    }

    fn show_report(&self, device: usize, at: Time, report: &Report) {
        let name = &self.names[device];
        if self.args.json {
            let line = json!({ "at": at.as_secs_f64(), "device": name, "report": report });
            return console::line(&line.to_string());
        }
        let (dim, style, width) = (console::dim(), console::device_style(device), self.width);
        self.say(|| {
            console::line(&format!(
                "{dim}{at:>12}{dim:#} {style}{name:<width$}{style:#} {dim}*{dim:#} {report}"
            ))
        });
    }

    fn finish(&mut self) -> Result<(), Failure> {
        for (device, port, at, line) in self.lines.rest() {
            self.show(device, port, at, &line);
        }
        if let Some(progress) = self.progress.take() {
            progress.finish_and_clear();
        }
        self.capture.take().map_or(Ok(()), Capture::finish)?;
        self.trace.take().map_or(Ok(()), Trace::finish)
    }
}

impl Observer for Watcher<'_> {
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        if port.kind == PortKind::Uart {
            let mut lines = std::mem::take(&mut self.lines);
            lines.add(device, sent.port, sent.at, &sent.data, |at, line| {
                self.show(device, sent.port, at, line)
            });
            self.lines = lines;
        }
    }

    fn event(&mut self, device: usize, event: &Event) {
        if let Some(trace) = &mut self.trace {
            trace.add(device, event);
        }
        let message = match &event.kind {
            Kind::Exit { code } => {
                Some(format!("{:>12} {}: ended with exit code {code}", event.at, self.names[device]))
            }
            Kind::Log { level, who, text } => {
                self.logs.message(device, &self.names[device], event.at, *level, who, text)
            }
            Kind::Report(report) if self.args.softbus => return self.show_report(device, event.at, report),
            _ => None,
        };
        if let Some(message) = message {
            self.say(|| console::note(&message));
        }
    }

    fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        if let Some(capture) = &mut self.capture {
            capture.carried(link, frame);
        }
        let Some((listener, ends)) = &mut self.listener else { return };
        let said = listener.hear(frame.data);
        if said.is_empty() {
            return;
        }
        let from = ends[link][frame.from].clone();
        let arrives =
            frame.fates.iter().filter(|(_, fate)| fate.arrives() || matches!(fate, Fate::Held { .. }));
        let to: Vec<&str> =
            arrives.filter_map(|(to, _)| to.and_then(|to| ends[link].get(to)).map(String::as_str)).collect();
        let to = if to.is_empty() { "nobody, it is lost".to_owned() } else { to.join(", ") };
        for words in said {
            self.show_words(&from, &to, frame.at, &words);
        }
    }

    fn window(&mut self, now: Time) -> ControlFlow<()> {
        if let Some((watch, begin)) =
            self.watch.as_ref().filter(|_| self.args.realtime && self.args.door.control.is_none())
        {
            watch.wait_for(now.since(*begin));
        }
        if let Some(progress) = &self.progress {
            progress.set_position(now.as_ns());
            if let Some((watch, begin)) = &self.watch {
                let speed = now.since(*begin).as_secs_f64() / watch.seconds().max(1e-9);
                progress.set_message(format!("{now} s, {speed:.1} x real time"));
            }
        }
        if self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
