//! `consort gui`: a run with its door open, and the inspector that shows it, each a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use crate::cli::GuiArgs;
use crate::console;
use crate::failure::{Failure, NO};

/// The inspector's program: it is not linked with the emulator, for its licences do not allow that.
const INSPECTOR: &str = "consort-gui";
/// As long as virtual time lasts, nearly.
const FOR_EVER: &str = "5000h";

/// Starts what is needed, and waits for it.
pub fn run(args: &GuiArgs) -> Result<ExitCode, Failure> {
    let inspector = find()?;
    let show = |address: &str, token: &str, more: &[&str]| {
        // Arguments can be seen by everyone on the computer, the environment cannot.
        let inspector = Command::new(&inspector).args(more).arg(address).env("CONSORT_TOKEN", token).status();
        inspector.map_err(|error| Failure::bad(format!("{INSPECTOR}: {error}")))
    };
    let Some(fleet) = &args.fleet else {
        let place = args.attach.as_deref().unwrap_or_default();
        let (address, token) = place
            .rsplit_once('#')
            .ok_or_else(|| Failure::bad(format!("`{place}` is not what --control printed: ADDRESS#TOKEN")))?;
        let shown = show(address, token, &[])?;
        return Ok(if shown.success() { ExitCode::SUCCESS } else { ExitCode::from(NO) });
    };
    let mut engine = Command::new(std::env::current_exe()?)
        .args(["run", "--quiet", "--json", "--realtime", "--paused", "--control", "--for", FOR_EVER])
        .arg(fleet)
        .stdout(Stdio::piped())
        .spawn()?;
    let out = engine.stdout.take().ok_or_else(|| Failure::bad("the run has no standard output"))?;
    let (mut out, mut line) = (BufReader::new(out), String::new());
    out.read_line(&mut line)?;
    let door: Option<Value> = serde_json::from_str(&line).ok();
    let word = |name: &str| Some(door.as_ref()?.get("control")?.get(name)?.as_str()?.to_owned());
    let (Some(address), Some(token)) = (word("address"), word("token")) else {
        // It has said why.
        let code = engine.wait()?.code().and_then(|code| u8::try_from(code).ok());
        return Ok(ExitCode::from(code.unwrap_or(NO)));
    };
    let shown = show(&address, &token, &["--own"])?;
    if !shown.success() {
        console::note(&format!(
            "the inspector ended by itself; the run goes on until Ctrl-C. \
             Look at it again: consort gui --attach '{address}#{token}'"
        ));
    }
    let mut rest = String::new();
    out.read_to_string(&mut rest)?;
    let ended: Option<Value> = rest.lines().last().and_then(|line| serde_json::from_str(line).ok());
    if let Some(summary) = ended.as_ref().and_then(|line| line.get("summary")) {
        console::line(&format!("{} s virtual, digest {}", summary["virtual_seconds"], summary["digest"]));
    }
    let engine = engine.wait()?;
    Ok(if engine.success() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
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
