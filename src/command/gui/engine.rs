//! A run in a process of its own, with its door open, and an eye on the files it was made of.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::SystemTime;

use consort_machines::fleet_file::{FleetFile, ImageEntry, read_bytes};
use serde_json::Value;

use crate::console;
use crate::failure::Failure;

/// As long as virtual time lasts, nearly.
const FOR_EVER: &str = "5000h";

/// What is seen of a file without reading it.
type Look = Option<(SystemTime, u64)>;

/// A run, or only the files of one that could not be.
pub struct Engine {
    /// Where its door is.
    pub address: String,
    /// The secret.
    pub token: String,
    run: Option<(Child, BufReader<ChildStdout>)>,
    files: Vec<(PathBuf, Look)>,
}

impl Engine {
    /// Starts a run of a fleet file, paused; what is wrong with the file otherwise. `options` are those of `run`.
    pub fn start(file: &Path, options: &[String]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .args(["run", "--quiet", "--json", "--realtime", "--paused", "--control", "--for", FOR_EVER])
            .args(options)
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let files = files(file);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (Some(out), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("the run has no standard output".to_owned());
        };
        let complaints = pass_on(errors);
        let (mut out, mut line) = (BufReader::new(out), String::new());
        let read = out.read_line(&mut line);
        let door: Option<Value> = read.ok().and_then(|_| serde_json::from_str(&line).ok());
        let word = |name: &str| Some(door.as_ref()?.get("control")?.get(name)?.as_str()?.to_owned());
        if let (Some(address), Some(token)) = (word("address"), word("token")) {
            return Ok(Self { address, token, run: Some((child, out)), files });
        }
        let status = child.wait();
        let said = complaints.join().unwrap_or_default();
        if said.is_empty() { Err(format!("the run ended at once: {status:?}")) } else { Err(said) }
    }

    /// No run, only an eye on its files.
    pub fn watcher(file: &Path) -> Self {
        Self { address: String::new(), token: String::new(), run: None, files: files(file) }
    }

    /// A file that is another one than when this was last asked.
    pub fn changed_file(&mut self) -> Option<PathBuf> {
        let mut changed = None;
        for (file, before) in &mut self.files {
            let now = look(file);
            // A file that is being written anew may be gone for a moment.
            if now.is_some() && now != *before {
                *before = now;
                changed = Some(file.clone());
            }
        }
        changed
    }

    /// Whether the run has ended; its last words are passed on.
    pub fn is_over(&mut self) -> bool {
        let Some((child, out)) = &mut self.run else { return false };
        match child.try_wait() {
            Ok(Some(_)) => {
                sum_up(out);
                true
            }
            _ => false,
        }
    }

    /// Waits for the run's end; whether it went well.
    pub fn finish(self) -> Result<bool, Failure> {
        let Some((mut child, mut out)) = self.run else { return Ok(true) };
        sum_up(&mut out);
        Ok(child.wait()?.success())
    }
}

/// Passes a run's complaints on to people as they come, and keeps the first of them.
fn pass_on(errors: std::process::ChildStderr) -> JoinHandle<String> {
    const MOST: usize = 16 * 1024;
    std::thread::spawn(move || {
        let mut said = String::new();
        for line in BufReader::new(errors).lines() {
            let Ok(line) = line else { break };
            console::note(&line);
            if said.len() < MOST {
                said += &line;
                said.push('\n');
            }
        }
        said
    })
}

/// Reads to the run's end and says how it was.
fn sum_up(out: &mut BufReader<ChildStdout>) {
    let mut rest = String::new();
    if out.read_to_string(&mut rest).is_err() {
        return;
    }
    let ended: Option<Value> = rest.lines().last().and_then(|line| serde_json::from_str(line).ok());
    if let Some(summary) = ended.as_ref().and_then(|line| line.get("summary")) {
        let digest = summary["digest"].as_str().unwrap_or_default();
        console::note(&format!("{} s virtual, digest {digest}", summary["virtual_seconds"]));
    }
}

fn look(file: &Path) -> Look {
    let about = std::fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// The files that a fleet is made of, as far as they can be told.
fn files(path: &Path) -> Vec<(PathBuf, Look)> {
    let mut files = vec![path.to_owned()];
    let text = read_bytes(path).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    if let Ok((fleet, _)) = FleetFile::parse(&path.display().to_string(), &text) {
        for entry in fleet.devices.values() {
            if entry.board.ends_with(".json") {
                files.push(folder.join(&entry.board));
            }
            files.extend(entry.firmware.list().iter().map(|image| match image {
                ImageEntry::Path(path) | ImageEntry::Raw { path, .. } => folder.join(path),
            }));
        }
    }
    files.sort();
    files.dedup();
    files.into_iter().map(|file| (file.clone(), look(&file))).collect()
}
