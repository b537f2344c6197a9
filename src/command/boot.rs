//! `consort boot`: one device, its UART on standard output.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use consort_core::component::PortKind;
use consort_core::device::{Action, Device, Port, Sent};
use consort_core::fleet::{Fleet, Observer, Stimulus, StimulusKind, Stop};
use consort_core::trace::{Event, Kind};
use consort_core::{Addr, Time};
use consort_machines::Machine;
use consort_machines::board::{Board, Num};
use consort_machines::boot::Boot;
use consort_machines::fleet_file::{find_board, load_images, read_bytes, read_file};
use consort_machines::machine::{Options, Semihosting};

use crate::cli::BootArgs;
use crate::console;
use crate::debug::Debuggers;
use crate::failure::{Failure, NO};
use crate::follow::Logs;
use crate::summary::Summary;
use crate::trace::Trace;
use crate::wall::Watch;

const DEVICE: &str = "device";
/// How much of the output a regular expression is tried on: enough for a screenful.
const MATCH_WINDOW: usize = 64 * 1024;

/// Boots and watches.
pub fn run(args: &BootArgs) -> Result<ExitCode, Failure> {
    let until = args.until.as_deref().map(regex::bytes::Regex::new).transpose()?;
    let mut typed = Vec::new();
    for text in &args.send {
        typed.extend(unescape(text)?);
    }
    if let Some(path) = &args.send_file {
        typed.extend(read_bytes(path)?);
    }
    let machine = build(args)?;
    if let Some(path) = &args.dump_dtb {
        return dump_tree(path, &machine);
    }
    let uart = choose_uart(args.uart.as_deref(), &machine)?;
    let mut fleet = Fleet::new(vec![(DEVICE.to_owned(), Box::new(machine))])?;
    let port = fleet.ports(0)[usize::from(uart)].name.clone();
    if !typed.is_empty() {
        let action = Action::Send { port, data: typed };
        fleet.inject(Stimulus { at: args.send_at, what: StimulusKind::Device(DEVICE.to_owned(), action) })?;
    }
    fleet.want_events(args.trace.is_some());
    let mut watcher = Watcher {
        uart,
        until,
        recent: Vec::new(),
        seen: false,
        exit: None,
        logs: Logs::default(),
        trace: args.trace.as_ref().map(|target| Trace::create(target, &fleet)).transpose()?,
    };
    let programs = [args.image.first().map(|image| image_argument(image)).transpose()?.map(|(path, _)| path)];
    let mut debuggers = Debuggers::open(&args.debug, &fleet, &programs)?;
    let watch = Watch::start();
    let stop = debuggers.run_until(&mut fleet, args.duration, &mut watcher);
    drop(debuggers); // tells them that the run is over
    if args.verbose {
        let summary = Summary::new(&mut fleet, Time::ZERO, watch.seconds(), args.seed)?;
        summary.lines().iter().for_each(|line| console::note(line));
    }
    if let Some(trace) = watcher.trace.take() {
        trace.finish()?;
    }
    let fine = match stop {
        Stop::Halted(halts) => {
            for (_, halt) in halts {
                console::error(&format!("the device cannot go on: {halt:?}"));
            }
            false
        }
        Stop::Reached | Stop::Ended => match (&watcher.until, watcher.exit) {
            (Some(_), _) => watcher.seen,
            (None, Some(code)) => code == 0,
            (None, None) => true,
        },
    };
    if let Some(until) = &watcher.until
        && !watcher.seen
    {
        console::error(&format!("`{until}` was not seen within {} s of virtual time", fleet.now()));
    } else if let (None, Some(code)) = (&watcher.until, watcher.exit)
        && code != 0
    {
        console::error(&format!("the guest ended with exit code {code}"));
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn build(args: &BootArgs) -> Result<Machine, Failure> {
    let (board, document) = find_board(&args.board, Path::new(""))?.ok_or_else(|| {
        let names = Board::names().join(", ");
        Failure::bad(format!(
            "there is no board `{}`; there are: {names}; a board file ends in .json",
            args.board
        ))
    })?;
    let images = args.image.iter().map(|image| image_argument(image)).collect::<Result<Vec<_>, _>>()?;
    let firmware = load_images(&images, &board)?;
    let semihosting =
        Semihosting::new(&args.command_line, args.semihosting_dir.as_deref()).map_err(|error| {
            let path = args.semihosting_dir.as_deref().unwrap_or(Path::new(""));
            Failure::bad(format!("{}: {error}", path.display()))
        })?;
    let read = |path: &Option<PathBuf>| path.as_deref().map(read_file).transpose();
    let boot = Boot {
        kernel: read(&args.kernel)?,
        initrd: read(&args.initrd)?,
        append: args.append.clone(),
        tree: read(&args.dtb)?,
    };
    let mut options = Options {
        name: DEVICE.to_owned(),
        seed: args.seed,
        semihosting,
        timing: args.timing.map(Into::into).unwrap_or_default(),
        boot,
        ..Options::default()
    };
    let first_drive = board.peripherals.iter().find(|(_, known)| known.kind == "virtio-block");
    for disk in &args.disk {
        let (name, path) = match (disk.split_once('='), first_drive) {
            (Some((name, path)), _) if !Path::new(disk).exists() => (name, path),
            (_, Some((name, _))) => (name.as_str(), disk.as_str()),
            _ => return Err(Failure::bad(format!("--disk {disk}: the board {} has no drive", args.board))),
        };
        options.contents.insert(name.to_owned(), read_bytes(Path::new(path))?);
    }
    Ok(Machine::build(&board, &document, &firmware, options)?)
}

fn dump_tree(path: &Path, machine: &Machine) -> Result<ExitCode, Failure> {
    let tree = machine.device_tree().ok_or_else(|| Failure::bad("this board has no device tree"))?;
    std::fs::write(path, tree).map_err(|error| Failure::bad(format!("{}: {error}", path.display())))?;
    Ok(ExitCode::SUCCESS)
}

/// `FILE` or `FILE@ADDRESS`; a file whose name has an @ of its own is found first.
fn image_argument(image: &str) -> Result<(PathBuf, Option<Addr>), Failure> {
    let whole = PathBuf::from(image);
    match image.rsplit_once('@') {
        Some((path, address)) if !whole.exists() => {
            let address: Num = address.parse().map_err(|error| Failure::bad(format!("{image}: {error}")))?;
            Ok((PathBuf::from(path), Some(address.0)))
        }
        _ => Ok((whole, None)),
    }
}

fn choose_uart(wanted: Option<&str>, machine: &Machine) -> Result<u16, Failure> {
    let uarts: Vec<(u16, &Port)> =
        (0..).zip(machine.ports()).filter(|(_, port)| port.kind == PortKind::Uart).collect();
    let found = match wanted {
        None => machine.console(),
        Some(wanted) => match wanted.parse::<usize>() {
            Ok(number) => uarts.get(number).map(|(index, _)| *index),
            Err(_) => uarts.iter().find(|(_, port)| port.name == wanted).map(|(index, _)| *index),
        },
    };
    found.ok_or_else(|| {
        let names: Vec<String> =
            uarts.iter().enumerate().map(|(number, (_, port))| format!("{number} ({})", port.name)).collect();
        Failure::bad(format!("there is no UART `{}`; there are: {}", wanted.unwrap_or("0"), names.join(", ")))
    })
}

/// Text with the escapes of C strings.
fn unescape(text: &str) -> Result<Vec<u8>, Failure> {
    let bad =
        |what: &str| Failure::bad(format!("--send: `{what}` is no escape: \\n, \\r, \\t, \\\\, \\xNN are"));
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let mut after = rest[at + 1..].chars();
        let mut used = 1;
        out.push(match after.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits = rest.get(at + 2..at + 4).unwrap_or_default();
                used = 3;
                u8::from_str_radix(digits, 16).map_err(|_| bad(&format!("\\x{digits}")))?
            }
            Some(other) => return Err(bad(&format!("\\{other}"))),
            None => return Err(bad("\\")),
        });
        rest = &rest[at + 1 + used..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

struct Watcher {
    uart: u16,
    until: Option<regex::bytes::Regex>,
    recent: Vec<u8>,
    seen: bool,
    exit: Option<i32>,
    logs: Logs,
    trace: Option<Trace>,
}

impl Observer for Watcher {
    fn sent(&mut self, _: usize, port: &Port, sent: &Sent) {
        if sent.port != self.uart {
            if port.name == "semihosting" {
                console::note(String::from_utf8_lossy(&sent.data).trim_end_matches('\n'));
            }
            return;
        }
        let Some(until) = &self.until else { return console::bytes(&sent.data) };
        // Output ends with the byte that completes the match, whatever the window it came in.
        for byte in sent.data.iter() {
            if self.seen {
                return;
            }
            console::bytes(&[*byte]);
            self.recent.push(*byte);
            self.seen = until.is_match(&self.recent);
            if self.recent.len() > MATCH_WINDOW {
                self.recent.drain(..MATCH_WINDOW / 2);
            }
        }
    }

    fn event(&mut self, device: usize, event: &Event) {
        if let Some(trace) = &mut self.trace {
            trace.add(device, event);
        }
        match &event.kind {
            Kind::Exit { code } => self.exit = Some(*code),
            Kind::Log { level, who, text } => {
                if let Some(message) = self.logs.message(device, DEVICE, event.at, *level, who, text) {
                    console::note(&message);
                }
            }
            _ => {}
        }
    }

    fn window(&mut self, _: Time) -> ControlFlow<()> {
        if self.seen || self.exit.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_understood() {
        assert_eq!(unescape(r"a\n\x41\\b\t").ok(), Some(b"a\nA\\b\t".to_vec()));
        for bad in ["\\", "\\q", "\\x4", "\\xé", "\\xzz"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }
}
