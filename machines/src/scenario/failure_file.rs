//! One file with everything a failure needs to happen again elsewhere.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use consort_core::Time;
use consort_core::fleet::Stimulus;
use consort_core::trace::Digest;
use serde::{Deserialize, Serialize};

use super::{Failure, Scenario, Verdict, attachments, packed, place};
use crate::board::Board;
use crate::fleet_file::Overrides;
use crate::fleet_file::{FleetFile, ImageEntry, Images, LoadFleetError, Loaded, find_board, read_bytes};

/// What a failure file begins with: its format and version.
const MAGIC: &[u8] = b"consort failure 1\n";
/// No failure file holds more than this.
const MAX_BYTES: usize = 1 << 30;
/// The fleet file among the files.
const FLEET: &str = "fleet.json";

/// The scenario, the fleet with its boards and firmware, the seed, the inputs, and how it failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureFile {
    /// The version of Consort that wrote it.
    pub version: String,
    /// The scenario file, as it was named.
    pub name: String,
    scenario: String,
    /// The seed.
    pub seed: u64,
    /// The fleet file, boards and firmware, by path; the fleet file's paths are these.
    files: BTreeMap<String, Vec<u8>>,
    /// As JSON lines: stimuli hold untagged values, which binary formats cannot read back.
    journal: Vec<String>,
    /// How it failed.
    pub failure: Failure,
    /// The virtual time at the end of the run.
    pub at: Time,
    /// The digest at the end of the run.
    pub digest: Digest,
}

/// A failure file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FailureFileError {
    /// It is something else, or damaged.
    #[error("is not a failure file of this version of consort")]
    Foreign,
    /// It names a file outside of itself.
    #[error("names a file outside of itself: {0}")]
    Outside(String),
    /// Its files cannot be put down for a run.
    #[error("{path}: {error}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// What it holds cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadFleetError),
    /// Its journal does not fit its fleet.
    #[error("its journal cannot be read: {0}")]
    Journal(String),
}

impl FailureFile {
    /// Collects everything about a failed run; `None` when it passed.
    pub fn new(scenario: &Scenario, verdict: &Verdict) -> Result<Option<Self>, FailureFileError> {
        let Some(failure) = verdict.failure.clone() else { return Ok(None) };
        let (mut fleet, folder) = scenario.fleet_file()?;
        let mut files = BTreeMap::new();
        for (device, entry) in &mut fleet.devices {
            // A board whole, with its chip: the boards of another version may differ.
            if let Some((board, _)) = find_board(&entry.board, &folder)? {
                let stem = Path::new(&entry.board).file_stem().unwrap_or_default().to_string_lossy();
                let path = format!("boards/{}-{device}.json", stem.trim_end_matches(".json"));
                let board = Board { chip: None, schema: None, ..board };
                files.insert(path.clone(), json(&board)?);
                entry.board = path;
            }
            let mut images = Vec::new();
            for (index, image) in entry.firmware.list().iter().enumerate() {
                let (path, _) = place(image, &folder);
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let kept = format!("firmware/{device}/{index}-{name}");
                files.insert(kept.clone(), read_bytes(&path)?);
                images.push(match image {
                    ImageEntry::Path(_) => ImageEntry::Path(kept),
                    ImageEntry::Raw { at, .. } => ImageEntry::Raw { path: kept, at: *at },
                });
            }
            entry.firmware = Images::Many(images);
            let own = [&mut entry.kernel, &mut entry.initrd, &mut entry.dtb].into_iter().flatten();
            for (index, path) in own.chain(entry.contents.values_mut()).enumerate() {
                let source = folder.join(&*path);
                let name = source.file_name().unwrap_or_default().to_string_lossy();
                let kept = format!("files/{device}/{index}-{name}");
                files.insert(kept.clone(), read_bytes(&source)?);
                *path = kept;
            }
        }
        fleet.timing = scenario.timing.unwrap_or(fleet.timing);
        for path in attachments(&scenario.file.steps) {
            // A picture that is not there is what failed.
            if let Ok(bytes) = read_bytes(&scenario.attached(path)) {
                files.insert(packed(path), bytes);
            }
        }
        files.insert(FLEET.to_owned(), json(&FleetFile { schema: None, ..fleet })?);
        let journal = verdict.journal.iter().map(serde_json::to_string).collect::<Result<_, _>>();
        Ok(Some(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: scenario.name.clone(),
            scenario: scenario.text.clone(),
            seed: verdict.seed,
            files,
            journal: journal.map_err(|error| FailureFileError::Journal(error.to_string()))?,
            failure,
            at: verdict.at,
            digest: verdict.digest,
        }))
    }

    /// As bytes, compressed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FailureFileError> {
        let plain = consort_core::state::to_bytes(self).map_err(|_| FailureFileError::Foreign)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(lz4_flex::block::compress_prepend_size(&plain));
        Ok(bytes)
    }

    /// From bytes, which may come from anywhere.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FailureFileError> {
        let packed = bytes.strip_prefix(MAGIC).ok_or(FailureFileError::Foreign)?;
        let (size, _) = lz4_flex::block::uncompressed_size(packed).map_err(|_| FailureFileError::Foreign)?;
        // LZ4 packs at most 255 to 1: a size beyond that is a lie that would only take memory.
        if size > MAX_BYTES || size / 255 > packed.len() {
            return Err(FailureFileError::Foreign);
        }
        let plain =
            lz4_flex::block::decompress_size_prepended(packed).map_err(|_| FailureFileError::Foreign)?;
        consort_core::state::from_bytes(&plain).map_err(|_| FailureFileError::Foreign)
    }

    /// Puts its files into `folder`, and reads the scenario so that it uses them.
    pub fn unpack(&self, folder: &Path) -> Result<Scenario, FailureFileError> {
        for (path, bytes) in &self.files {
            let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
            if !inside || path.contains('\\') || path.contains(':') {
                return Err(FailureFileError::Outside(path.clone()));
            }
            let whole = folder.join(path);
            let parent = whole.parent().unwrap_or(folder);
            let io = |error| FailureFileError::Io { path: whole.display().to_string(), error };
            std::fs::create_dir_all(parent).map_err(io)?;
            std::fs::write(&whole, bytes).map_err(io)?;
        }
        let mut scenario =
            Scenario::parse(&self.name, self.scenario.clone(), folder).map_err(LoadFleetError::from)?;
        scenario.fleet = super::FleetSource::File(folder.join(FLEET));
        scenario.packed = true;
        Ok(scenario)
    }

    /// The fleet with all its inputs given: run it to [`FailureFile::at`], and it ends with the digest, without
    /// any judging. Its files must be in `folder` ([`FailureFile::unpack`]).
    pub fn fleet(&self, folder: &Path) -> Result<Loaded, FailureFileError> {
        let overrides = Overrides { seed: Some(self.seed), ..Overrides::default() };
        let mut loaded = FleetFile::load(&folder.join(FLEET), &overrides)?;
        // The fleet file's own stimuli are the journal's beginning, and given already.
        for stimulus in self.journal()?.into_iter().skip(loaded.fleet.journal().len()) {
            loaded.fleet.inject(stimulus).map_err(|error| FailureFileError::Journal(error.to_string()))?;
        }
        Ok(loaded)
    }

    /// All inputs.
    pub fn journal(&self) -> Result<Vec<Stimulus>, FailureFileError> {
        let journal = self.journal.iter().map(|line| serde_json::from_str(line));
        journal.collect::<Result<_, _>>().map_err(|error| FailureFileError::Journal(error.to_string()))
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, FailureFileError> {
    serde_json::to_vec_pretty(value).map_err(|error| FailureFileError::Journal(error.to_string()))
}
