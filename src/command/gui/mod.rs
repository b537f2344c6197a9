//! `consort gui`: starts the inspector, and the runs that it asks for, each a process of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "pipes have threads of their own; no fleet runs in this process"
)]

mod engine;
mod gallery;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use consort_core::starter::{Ask, Said};

use crate::cli::GuiArgs;
use crate::console;
use crate::failure::{Failure, NO};
use engine::Engine;
use gallery::Gallery;

/// The inspector's program: it is not linked with the emulator, for its licences do not allow that.
const INSPECTOR: &str = "consort-gui";
/// How often files are looked at for changes.
const LOOK: Duration = Duration::from_millis(500);

/// Starts what is needed, and waits for it.
pub fn run(args: &GuiArgs) -> Result<ExitCode, Failure> {
    let inspector = find()?;
    if let Some(place) = &args.attach {
        let (address, token) = place
            .rsplit_once('#')
            .ok_or_else(|| Failure::bad(format!("`{place}` is not what --control printed: ADDRESS#TOKEN")))?;
        // Arguments can be seen by everyone on the computer, the environment cannot.
        let shown = Command::new(&inspector).arg(address).env("CONSORT_TOKEN", token).status();
        let shown = shown.map_err(|error| Failure::bad(format!("{INSPECTOR}: {error}")))?;
        return Ok(if shown.success() { ExitCode::SUCCESS } else { ExitCode::from(NO) });
    }
    let mut window = Window::open(&inspector, args.fleet.as_deref())?;
    let mut gallery = Gallery::default();
    window.say(&Said::Offer { examples: gallery.examples(), boards: gallery::boards() });
    let mut engines: Vec<Engine> = Vec::new();
    loop {
        match window.asked.recv_timeout(LOOK) {
            Ok(ask) => {
                let answer = answer(ask, &args.debug.words(), &mut gallery, &mut engines);
                window.say(&answer);
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(file) = engines.last_mut().and_then(Engine::changed_file) {
                    window.say(&Said::Changed { file });
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // The inspector ends runs that it leaves.
        engines.retain_mut(|engine| !engine.is_over());
    }
    let shown = window.child.wait()?;
    if !shown.success()
        && let Some(engine) = engines.last()
    {
        console::note(&format!(
            "the inspector ended by itself; the run goes on until Ctrl-C. \
             Look at it again: consort gui --attach '{}#{}'",
            engine.address, engine.token
        ));
    }
    let well = engines.into_iter().map(Engine::finish).collect::<Result<Vec<_>, _>>()?;
    let well = shown.success() && well.into_iter().all(|well| well);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// Does what the inspector asks.
fn answer(ask: Ask, options: &[String], gallery: &mut Gallery, engines: &mut Vec<Engine>) -> Said {
    let (file, written) = match ask {
        Ask::Open { file } => (file, Ok(())),
        Ask::Boot { file, board } => match gallery.boot(&file, &board) {
            Ok(path) => (path, Ok(())),
            Err(error) => (file, Err(error)),
        },
        Ask::Example { name } => match gallery.unpack(&name) {
            Ok(path) => (path, Ok(())),
            Err(error) => (PathBuf::from(name), Err(error)),
        },
    };
    match written.map_err(|error| error.to_string()).and_then(|()| Engine::start(&file, options)) {
        Ok(engine) => {
            let said = Said::Opened { file, address: engine.address.clone(), token: engine.token.clone() };
            engines.push(engine);
            said
        }
        Err(message) => {
            // When it is another file than now, the inspector may try again.
            engines.push(Engine::watcher(&file));
            Said::Failed { file, message }
        }
    }
}

/// The inspector's process.
struct Window {
    child: Child,
    tell: ChildStdin,
    asked: Receiver<Ask>,
}

impl Window {
    fn open(inspector: &Path, fleet: Option<&Path>) -> Result<Self, Failure> {
        let mut command = Command::new(inspector);
        command.arg("--starter").args(fleet).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Failure::bad(format!("{INSPECTOR}: {error}")))?;
        let (Some(tell), Some(hear)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::bad(format!("{INSPECTOR} has no standard input and output")));
        };
        let (give, asked) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(hear).lines() {
                let Ok(line) = line else { return };
                let Ok(ask) = serde_json::from_str(&line) else {
                    console::note(&line);
                    continue;
                };
                if give.send(ask).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, tell, asked })
    }

    fn say(&mut self, said: &Said) {
        let line = serde_json::to_string(said).unwrap_or_default();
        // A window that is gone is noticed by its silence.
        let _ = writeln!(self.tell, "{line}").and_then(|()| self.tell.flush());
    }
}

/// The inspector beside this program, or in PATH.
fn find() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = beside.into_iter().chain(std::env::split_paths(&path));
    places.map(|place| place.join(INSPECTOR)).find(|file| file.is_file()).ok_or_else(|| {
        Failure::bad(format!(
            "the inspector is a program of its own, and {INSPECTOR} is neither beside consort nor in PATH: \
             build it with `cargo build --release -p {INSPECTOR}`"
        ))
    })
}
