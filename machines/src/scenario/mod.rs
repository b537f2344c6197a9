//! Scenarios: a fleet, what is done to it, what is expected of it, and the judge that decides.
//!
//! | module | what it is |
//! |---|---|
//! | `file` | the file's types |
//! | `plan` | its steps, checked against the fleet |
//! | `judge` | runs them |
//! | `matcher`, `seen` | what steps wait for, in what was seen |
//! | `compare` | what steps expect of state and time |
//! | `picture` | what it expects to be shown |
//! | `verdict` | how it went |
//! | `failure_file` | everything a failure needs to happen again elsewhere |

mod compare;
mod failure_file;
mod file;
mod judge;
mod matcher;
mod picture;
mod plan;
mod seen;
#[cfg(test)]
mod tests;
mod verdict;

use std::path::{Path, PathBuf};

use consort_core::fleet::{Fleet, Observer, Stop};
use consort_core::{Addr, Time};

use crate::board::{Board, Timing};
use crate::fleet_file::{
    FleetFile, ImageEntry, LoadFleetError, Loaded, Overrides, find_board, load_images, read_bytes,
};
use crate::json::{Document, JsonError};
use crate::loader::Symbols;
use crate::suggest;

pub use failure_file::{FailureFile, FailureFileError};
pub use file::*;
pub use judge::REACTION;
pub use picture::Image;
pub use verdict::{Failure, LastLines, Verdict};

use judge::{Judge, Never, Terms};
use matcher::Names;
use plan::{Planned, Planner};
use seen::Keep;

/// How the names of scenario files end.
pub const SUFFIX: &str = ".scenario.json";

/// The JSON Schema of scenario files.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(ScenarioFile)
}

/// A scenario, read but not run.
pub struct Scenario {
    name: String,
    text: String,
    document: Document,
    file: ScenarioFile,
    fleet: FleetSource,
    timing: Option<Timing>,
    folder: PathBuf,
    /// The files that steps name are under [`packed`] names: it comes from a failure file.
    packed: bool,
}

/// How the fleet of a scenario is run: as [`Fleet::run_until`] does, or as debuggers let it.
pub type Drive<'a> = dyn FnMut(&mut Fleet, Time, &mut dyn Observer) -> Stop + 'a;

/// Where the fleet is described.
enum FleetSource {
    File(PathBuf),
    Inline { file: Box<FleetFile>, document: Document, folder: PathBuf },
}

/// A fleet that is ready, and what judging it needs to know.
struct Prepared {
    loaded: Loaded,
    steps: Vec<Planned>,
    never: Vec<(String, matcher::Matcher)>,
}

/// What may be asked of a run besides its seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Keep a full trace: the observer gets every event.
    pub every_event: bool,
    /// End undecided at this virtual time.
    pub until: Option<Time>,
    /// Shorter windows than [`REACTION`]; changes nothing but the speed.
    pub quantum: Option<Time>,
}

impl Scenario {
    /// Reads a scenario file.
    pub fn load(path: &Path) -> Result<Self, LoadFleetError> {
        let name = path.display().to_string();
        let bytes = read_bytes(path)?;
        let text = String::from_utf8(bytes).map_err(|_| LoadFleetError::Io {
            path: name.clone(),
            error: std::io::Error::new(std::io::ErrorKind::InvalidData, "is not UTF-8 text"),
        })?;
        Ok(Self::parse(&name, text, path.parent().unwrap_or(Path::new("")))?)
    }

    /// Reads a scenario's text; paths in it are relative to `folder`.
    pub fn parse(name: &str, text: String, folder: &Path) -> Result<Self, JsonError> {
        let document = Document::parse(name, &text)?;
        let file: ScenarioFile = document.read().map_err(hinted)?;
        let fleet = match &file.fleet {
            serde_json::Value::String(path) => FleetSource::File(folder.join(path)),
            serde_json::Value::Object(_) => {
                let part = document.part("/fleet").ok_or_else(|| document.error("/fleet", "has no fleet"))?;
                let file: FleetFile = part.read().map_err(hinted)?;
                if file.devices.is_empty() {
                    return Err(part.error("/devices", "a fleet needs at least one device"));
                }
                FleetSource::Inline { file: Box::new(file), document: part, folder: folder.to_owned() }
            }
            _ => return Err(document.error("/fleet", "expected the path of a fleet file, or a fleet")),
        };
        if file.limit == Time::ZERO {
            return Err(document.error("/limit", "a limit of no time lets nothing happen"));
        }
        let (name, folder) = (name.to_owned(), folder.to_owned());
        Ok(Self { name, text, document, file, fleet, timing: None, folder, packed: false })
    }

    /// Replaces what the fleet file says an instruction takes.
    pub fn set_timing(&mut self, timing: Option<Timing>) {
        self.timing = timing;
    }

    /// Its file, as it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its one sentence.
    pub fn doc(&self) -> &str {
        &self.file.doc
    }

    /// The seeds to run with.
    pub fn seeds(&self) -> Result<Vec<u64>, LoadFleetError> {
        if !self.file.seeds.is_empty() {
            return Ok(self.file.seeds.clone());
        }
        Ok(vec![self.fleet_file()?.0.seed])
    }

    /// Reads everything and checks every step, without running.
    pub fn check(&self) -> Result<usize, LoadFleetError> {
        let seed = self.seeds()?.first().copied().unwrap_or_default();
        Ok(self.prepare(seed)?.steps.len())
    }

    /// Runs it. The same scenario and seed give the same verdict and digest, whoever watches.
    pub fn run(
        &self,
        seed: u64,
        options: &RunOptions,
        also: &mut dyn Observer,
    ) -> Result<Verdict, LoadFleetError> {
        self.run_driven(seed, options, also, &mut |fleet, until, observer| fleet.run_until(until, observer))
    }

    /// As [`Scenario::run`], with a fleet that somebody else lets run.
    pub fn run_driven(
        &self,
        seed: u64,
        options: &RunOptions,
        also: &mut dyn Observer,
        drive: &mut Drive<'_>,
    ) -> Result<Verdict, LoadFleetError> {
        let Prepared { loaded, steps, never } = self.prepare(seed)?;
        let Loaded { mut fleet, consoles, .. } = loaded;
        let asks = |word: &str| self.text.contains(&format!("\"{word}\""));
        let keep = Keep { frames: asks("packet"), pins: asks("pin") };
        fleet.want_events(options.every_event || keep.pins);
        let no_names = Names::from([("seed".to_owned(), seed.to_string())]);
        let watched = never.iter().map(|(pointer, matcher)| {
            let scanner =
                matcher.scanner(0, &no_names).map_err(|error| self.document.error(pointer, error))?;
            Ok(Never { pointer: pointer.clone(), matcher, scanner, hit: None })
        });
        let watched = watched.collect::<Result<_, JsonError>>()?;
        let terms = Terms {
            seed,
            limit: self.file.limit,
            until: options.until,
            quantum: options.quantum.map_or(REACTION, |quantum| quantum.min(REACTION)),
            keep,
        };
        let (mut fleet, outcome) = Judge::new(fleet, consoles, &steps, watched, &terms).run(also, drive);
        let failure = outcome.failure.map(|failure| self.locate(failure));
        let label = |device: usize, port: u16| {
            format!("{}.{}", fleet.names()[device], fleet.ports(device)[usize::from(port)].name)
        };
        let texts = outcome.seen.texts();
        let uarts = texts.map(|(device, port, text)| (label(device, port), text.bytes.clone())).collect();
        Ok(Verdict {
            failure,
            complete: outcome.complete,
            seed,
            at: fleet.now(),
            digest: fleet.digest()?,
            journal: fleet.journal().to_vec(),
            steps: outcome.steps,
            uarts,
            pictures: outcome.pictures,
        })
    }

    /// The fleet alone, as it is before the first step.
    pub fn fleet(&self, seed: u64) -> Result<Loaded, LoadFleetError> {
        let overrides = Overrides { seed: Some(seed), timing: self.timing, ..Overrides::default() };
        match &self.fleet {
            FleetSource::File(path) => FleetFile::load(path, &overrides),
            FleetSource::Inline { file, document, folder } => file.build(document, folder, &overrides),
        }
    }

    /// Its fleet file, and the folder that paths in it are relative to.
    pub fn fleet_file(&self) -> Result<(FleetFile, PathBuf), LoadFleetError> {
        match &self.fleet {
            FleetSource::Inline { file, folder, .. } => Ok(((**file).clone(), folder.clone())),
            FleetSource::File(path) => {
                let bytes = read_bytes(path).map_err(|error| match error {
                    LoadFleetError::Io { path, error } => {
                        self.document.error("/fleet", format!("{path}: {error}")).into()
                    }
                    error => error,
                })?;
                let (file, _) =
                    FleetFile::parse(&path.display().to_string(), &String::from_utf8_lossy(&bytes))
                        .map_err(hinted)?;
                Ok((file, path.parent().unwrap_or(Path::new("")).to_owned()))
            }
        }
    }

    fn prepare(&self, seed: u64) -> Result<Prepared, LoadFleetError> {
        let (file, folder) = self.fleet_file()?;
        let mut loaded = self.fleet(seed)?;
        let symbols = symbols(&file, &folder);
        let located = |(pointer, message): (String, String)| self.document.error(&pointer, message);
        let place = |path: &str| self.attached(path);
        let mut planner = Planner::new(&mut loaded.fleet, &loaded.consoles, symbols, &place);
        let steps = planner.plan(&self.file.steps).map_err(located)?;
        let never = self.file.never.iter().enumerate().map(|(index, forbid)| {
            let pointer = format!("/never/{index}");
            if forbid.span.is_some() {
                return Err((pointer, "`never` holds for the whole run, without `for`".to_owned()));
            }
            let matcher = planner.forbidden(forbid, &pointer)?;
            Ok((pointer, matcher))
        });
        let never = never.collect::<Result<_, _>>().map_err(located)?;
        Ok(Prepared { loaded, steps, never })
    }

    /// The files with the symbols of each device's firmware, for debuggers.
    pub fn programs(&self) -> Result<Vec<Option<PathBuf>>, LoadFleetError> {
        let (file, folder) = self.fleet_file()?;
        let first = |device: &crate::fleet_file::DeviceEntry| {
            device.firmware.list().first().map(|image| place(image, &folder).0)
        };
        Ok(file.devices.values().map(first).collect())
    }

    /// Where a file is that a step names.
    fn attached(&self, path: &str) -> PathBuf {
        self.folder.join(if self.packed { packed(path) } else { path.to_owned() })
    }

    fn locate(&self, mut failure: Failure) -> Failure {
        let place = self.document.error(&failure.pointer, "");
        (failure.file, failure.line, failure.column) = (self.name.clone(), place.line, place.column);
        failure
    }
}

/// The symbols of each device's firmware; a device that could not be loaded is reported when it is built.
fn symbols(file: &FleetFile, folder: &Path) -> Vec<(Option<Board>, Symbols)> {
    let devices = file.devices.values().map(|device| {
        let images = device.firmware.list().iter().map(|image| place(image, folder));
        let Ok(Some((board, _))) = find_board(&device.board, folder) else {
            return (None, Symbols::default());
        };
        let firmware = load_images(&images.collect::<Vec<_>>(), &board);
        (Some(board), firmware.map(|firmware| firmware.symbols).unwrap_or_default())
    });
    devices.collect()
}

/// The name in a failure file of a file that a step names.
fn packed(path: &str) -> String {
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("attached/{}-{name}", &blake3::hash(path.as_bytes()).to_hex()[..16])
}

/// All files that steps name.
fn attachments(steps: &[Step]) -> Vec<&str> {
    fn of(step: &Step) -> Vec<&str> {
        match step {
            Step::Picture(picture) => vec![picture.is.as_str()],
            Step::Power(Power { firmware: Some(images), .. }) => {
                images.list().iter().map(ImageEntry::path).collect()
            }
            Step::Repeat(repeat) => attachments(&repeat.steps),
            Step::Parallel(branches) => branches.iter().flat_map(|branch| attachments(branch)).collect(),
            _ => Vec::new(),
        }
    }
    steps.iter().flat_map(of).collect()
}

/// The file of an image, and its address when it is a raw binary.
fn place(image: &ImageEntry, folder: &Path) -> (PathBuf, Option<Addr>) {
    match image {
        ImageEntry::Path(path) => (folder.join(path), None),
        ImageEntry::Raw { path, at } => (folder.join(path), Some(at.0)),
    }
}

/// Adds the nearest known name to serde's list of what it expected.
fn hinted(mut error: JsonError) -> JsonError {
    let quoted: Vec<&str> = error.message.split('`').skip(1).step_by(2).collect();
    if error.message.starts_with("unknown ")
        && let Some((wrong, known)) = quoted.split_first()
    {
        let near = suggest(wrong, known.iter().copied());
        if near.contains("did you mean") {
            error.message.push_str(&near);
        }
    }
    error
}
