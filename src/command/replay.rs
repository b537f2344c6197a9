//! `consort replay`: runs a failure file again, and says whether it fails the same way.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::device::{Port, Sent};
use consort_core::fleet::{Fleet, Observer};
use consort_core::trace::{Digest, Event};
use consort_machines::fleet_file::read_bytes;
use consort_machines::scenario::{FailureFile, RunOptions};

use crate::cli::ReplayArgs;
use crate::console;
use crate::failure::{Failure, NO};
use crate::follow::Lines;
use crate::guests::Guests;
use crate::trace::Trace;

/// Reads a failure file.
pub fn read(path: &Path) -> Result<FailureFile, Failure> {
    let bytes = read_bytes(path)?;
    FailureFile::from_bytes(&bytes).map_err(|error| Failure::bad(format!("{}: {error}", path.display())))
}

/// Replays.
pub fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let file = read(&args.file)?;
    if file.version != env!("CARGO_PKG_VERSION") {
        console::warning(&format!(
            "this file was written by consort {}, this is {}: models may behave differently",
            file.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    let folder = tempfile::tempdir()?;
    let scenario = file.unpack(folder.path())?;
    let mut loaded = file.fleet(folder.path())?;
    let trace = args.trace.as_ref().map(|target| Trace::create(target, &loaded.fleet)).transpose()?;
    let mut show = Show::new(&loaded.fleet, &loaded.consoles, args.quiet, trace);
    console::note(&format!("{}, seed {}, to {} s", file.name, file.seed, args.until.unwrap_or(file.at)));
    let mut guests = Guests::of_scenario(&args.debug, &args.door, &scenario, file.seed)?;
    if args.inputs_only {
        let end = args.until.unwrap_or(file.at);
        loaded.fleet.want_events(args.trace.is_some());
        guests.run_until(&mut loaded.fleet, end, &mut show);
        guests.finish();
        show.finish()?;
        let digest = loaded.fleet.digest()?;
        console::line(&format!("ran the inputs to {end} s, digest {digest}"));
        if args.until.is_some() {
            return Ok(ExitCode::SUCCESS);
        }
        return Ok(answer(digest == file.digest, "the digest is the same", &file.digest));
    }
    drop(loaded);
    let options =
        RunOptions { every_event: args.trace.is_some(), until: args.until, ..RunOptions::default() };
    let ended = Rc::new(Cell::new(false));
    show.ended = ended.clone();
    let mut drive = |fleet: &mut Fleet, until, observer: &mut dyn Observer| {
        let stop = guests.run_until(fleet, until, observer);
        if guests.has_ended_it() {
            ended.set(true);
            let _ = observer.window(fleet.now());
        }
        stop
    };
    let verdict = scenario.run_driven(file.seed, &options, &mut show, &mut drive);
    guests.finish();
    let verdict = verdict?;
    show.finish()?;
    if !verdict.complete {
        console::line(&format!("stopped at {} s, digest {}", verdict.at, verdict.digest));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(failure) = &verdict.failure else {
        console::line(&format!("passed at {} s, digest {}", verdict.at, verdict.digest));
        console::error(&format!("it does not fail here; the file holds this failure:\n{}", file.failure));
        return Ok(ExitCode::from(NO));
    };
    console::line(&failure.to_string());
    console::line(&format!("ended at {} s, digest {}", verdict.at, verdict.digest));
    if *failure != file.failure {
        console::error(&format!("it fails differently; the file holds this failure:\n{}", file.failure));
        return Ok(ExitCode::from(NO));
    }
    Ok(answer(verdict.digest == file.digest, "the failure is the same, digest and all", &file.digest))
}

fn answer(same: bool, words: &str, wanted: &Digest) -> ExitCode {
    if same {
        console::line(words);
        ExitCode::SUCCESS
    } else {
        console::error(&format!("the digest differs: it was {wanted}"));
        ExitCode::from(NO)
    }
}

/// Shows UART lines as `consort run` does, and keeps the trace.
struct Show {
    names: Vec<String>,
    ports: Vec<Vec<Port>>,
    consoles: Vec<Option<u16>>,
    width: usize,
    quiet: bool,
    lines: Lines,
    trace: Option<Trace>,
    /// A guest wants no more of it.
    ended: Rc<Cell<bool>>,
}

impl Show {
    fn new(fleet: &Fleet, consoles: &[Option<u16>], quiet: bool, trace: Option<Trace>) -> Self {
        let names = fleet.names().to_vec();
        Self {
            ports: (0..names.len()).map(|index| fleet.ports(index).to_vec()).collect(),
            consoles: consoles.to_vec(),
            width: names.iter().map(String::len).max().unwrap_or(0),
            names,
            quiet,
            lines: Lines::default(),
            trace,
            ended: Rc::default(),
        }
    }

    fn line(&self, device: usize, port: u16, at: Time, line: &str) {
        if self.quiet {
            return;
        }
        let name = &self.names[device];
        let label = match self.consoles[device] == Some(port) {
            true => name.clone(),
            false => format!("{name}.{}", self.ports[device][usize::from(port)].name),
        };
        let (dim, style, width) = (console::dim(), console::device_style(device), self.width);
        console::line(&format!("{dim}{at:>12}{dim:#} {style}{label:<width$}{style:#} | {line}"));
    }

    fn finish(&mut self) -> Result<(), Failure> {
        for (device, port, at, line) in self.lines.rest() {
            self.line(device, port, at, &line);
        }
        self.trace.take().map_or(Ok(()), Trace::finish)
    }
}

impl Observer for Show {
    fn window(&mut self, _: Time) -> ControlFlow<()> {
        if self.ended.get() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        if port.kind == PortKind::Uart {
            let mut lines = std::mem::take(&mut self.lines);
            lines.add(device, sent.port, sent.at, &sent.data, |at, line| {
                self.line(device, sent.port, at, line)
            });
            self.lines = lines;
        }
    }

    fn event(&mut self, device: usize, event: &Event) {
        if let Some(trace) = &mut self.trace {
            trace.add(device, event);
        }
    }
}
