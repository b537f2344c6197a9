//! Fleet files: devices, boards, firmware, links, stimuli and the seed, as data.

mod files;
mod links;
mod stimuli;

use std::path::{Path, PathBuf};

use consort_core::device::Device;
use consort_core::drift::{Drifting, MOST_PPM};
use consort_core::fleet::{Fleet, FleetError};
use consort_core::radio::Position;
use consort_peripherals::softbus::{PhoneConfig, ScriptedPhone, Trusted};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::board::{Board, Num, Timing};
use crate::boot::Boot;
use crate::json::{Document, JsonError, pointer_of};
use crate::loader::LoadError;
use crate::machine::{BuildError, Machine, Options, Semihosting};
use crate::suggest;

use files::read_text;
pub use files::{ImageError, find_board, load_images, read_bytes, read_file};
pub use links::{FaultEntry, LinkEntry, LinkKind};
pub(crate) use stimuli::has_antenna;
pub use stimuli::{PowerAction, StimulusEntry};

/// The longest name of a device, in bytes.
const LONGEST_NAME: usize = 100;

/// A fleet described by data.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FleetFile {
    /// Where the schema is, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// One sentence about the fleet.
    #[serde(default)]
    pub doc: String,
    /// Where all random numbers come from, default 0.
    #[serde(default)]
    pub seed: u64,
    /// What an instruction takes, default `cycles`.
    #[serde(default)]
    pub timing: Timing,
    /// The devices, in the order in which they act at one instant.
    pub devices: IndexMap<String, DeviceEntry>,
    /// The links that join them.
    #[serde(default)]
    pub links: IndexMap<String, LinkEntry>,
    /// Outside inputs at their times.
    #[serde(default)]
    pub stimuli: Vec<StimulusEntry>,
}

/// A device.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeviceEntry {
    /// A board that comes with Consort, by name, or the path of a board file (relative to this file).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub board: String,
    /// Firmware images, by path relative to this file; all are loaded.
    #[serde(default, skip_serializing_if = "Images::is_empty")]
    pub firmware: Images,
    /// Instead of a board with firmware: a soft-bus node that follows a script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripted: Option<Box<PhoneConfig>>,
    /// A Linux kernel to start instead of firmware, on a board with a device tree, by path relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The kernel's initial RAM disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initrd: Option<String>,
    /// The kernel's command line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub append: String,
    /// A device tree blob instead of the one made from the board file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtb: Option<String>,
    /// Settings of components that replace the board's: `{"ethernet": {"mac": "02:00:00:00:00:01"}}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub config: IndexMap<String, Value>,
    /// Files with the contents of disks and of memories beside the chip, by the component's name:
    /// `{"flash": "watch.flash"}`.
    /// They are read, never written; `consort run --contents` writes what the memories hold at the end.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub contents: IndexMap<String, String>,
    /// What the firmware is told as its command line (semihosting).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command_line: String,
    /// How many millionths faster than the fleet's time its clocks run, or slower; stimuli change it by setting
    /// `clock.drift`. Without it the device keeps the fleet's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -100_000, max = 100_000))]
    pub drift: Option<i32>,
    /// Where the device is, in metres (east, north, up), for radio links; the origin when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl DeviceEntry {
    /// Reads the files besides the firmware; a fault with the pointer to the field that names the file.
    #[expect(clippy::type_complexity, reason = "two halves of the machine's options")]
    fn files(&self, folder: &Path) -> Result<(Boot, IndexMap<String, Vec<u8>>), (String, String)> {
        let file = |field: &[&str], path: &String| {
            read_file(&folder.join(path)).map_err(|error| (pointer_of(field), error.to_string()))
        };
        let read =
            |field: &str, path: &Option<String>| path.as_ref().map(|path| file(&[field], path)).transpose();
        let boot = Boot {
            kernel: read("kernel", &self.kernel)?,
            initrd: read("initrd", &self.initrd)?,
            append: self.append.clone(),
            tree: read("dtb", &self.dtb)?,
        };
        let mut contents = IndexMap::new();
        for (name, path) in &self.contents {
            contents.insert(name.clone(), file(&["contents", name], path)?.bytes.to_vec());
        }
        Ok((boot, contents))
    }
}

/// One image or several.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "an image is a path, or `{\"path\": ..., \"at\": ...}` for a raw binary")]
pub enum Images {
    /// One image.
    One(ImageEntry),
    /// Several images.
    Many(Vec<ImageEntry>),
}

impl Default for Images {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Images {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    /// All images.
    pub fn list(&self) -> &[ImageEntry] {
        match self {
            Self::One(image) => std::slice::from_ref(image),
            Self::Many(images) => images,
        }
    }
}

/// A firmware image.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "an image is a path, or `{\"path\": ..., \"at\": ...}` for a raw binary")]
pub enum ImageEntry {
    /// A file with addresses inside: ELF, Intel HEX, UF2.
    Path(String),
    /// A raw binary with its address.
    Raw {
        /// The file.
        path: String,
        /// Where its first byte goes.
        at: Num,
    },
}

impl ImageEntry {
    /// The file.
    pub fn path(&self) -> &str {
        match self {
            Self::Path(path) | Self::Raw { path, .. } => path,
        }
    }
}

/// Why a fleet cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadFleetError {
    /// A file that cannot be read at all.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A fault in a JSON file.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A bad firmware file.
    #[error("device `{device}`: {error}")]
    Firmware {
        /// The device.
        device: String,
        /// Why.
        error: LoadError,
    },
    /// A board that cannot be built.
    #[error("device `{device}`: {error}")]
    Build {
        /// The device.
        device: String,
        /// Why.
        error: BuildError,
    },
    /// Devices and links that do not fit together.
    #[error("{0}")]
    Fleet(#[from] FleetError),
}

/// What the command line may change in a fleet file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The seed.
    pub seed: Option<u64>,
    /// What an instruction takes.
    pub timing: Option<Timing>,
    /// The directory for the guests' semihosting files.
    pub semihosting_dir: Option<PathBuf>,
}

/// A fleet and what its file said that the fleet itself does not know.
pub struct Loaded {
    /// Ready to run.
    pub fleet: Fleet,
    /// The seed in force.
    pub seed: u64,
    /// The console port of each device.
    pub consoles: Vec<Option<u16>>,
}

/// The JSON Schema of fleet files.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(FleetFile)
}

impl FleetFile {
    /// Reads a fleet file's text, without reading what it names.
    pub fn parse(file: &str, text: &str) -> Result<(Self, Document), JsonError> {
        let document = Document::parse(file, text)?;
        let fleet: Self = document.read()?;
        if fleet.devices.is_empty() {
            return Err(document.error("/devices", "a fleet needs at least one device"));
        }
        Ok((fleet, document))
    }

    /// The keys of the soft bus that its devices were given in advance, for whoever listens on the wire.
    pub fn softbus_keys(&self) -> Vec<[u8; 16]> {
        let scripted = self.devices.values().filter_map(|device| device.scripted.as_ref());
        let scripted = scripted.flat_map(|script| script.node.trust.clone());
        let components = self.devices.values().flat_map(|device| device.config.values());
        let adapters = components
            .filter_map(|config| config.get("trust").cloned())
            .filter_map(|trust| serde_json::from_value::<Vec<Trusted>>(trust).ok())
            .flatten();
        let mut keys: Vec<_> = scripted.chain(adapters).map(|trusted| trusted.key.0).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Reads a fleet file and everything it names, and builds the fleet.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, LoadFleetError> {
        let (file, document) = Self::parse(&path.display().to_string(), &read_text(path)?)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        file.build(&document, folder, overrides)
    }

    /// Builds the fleet; `document` is the text it was read from, `folder` what its paths are relative to.
    pub fn build(
        &self,
        document: &Document,
        folder: &Path,
        overrides: &Overrides,
    ) -> Result<Loaded, LoadFleetError> {
        let seed = overrides.seed.unwrap_or(self.seed);
        let (mut devices, mut consoles) = (Vec::new(), Vec::new());
        for (name, entry) in &self.devices {
            let (device, console): (Box<dyn Device>, _) = match &entry.scripted {
                Some(script) => (Box::new(build_scripted(name, entry, script, document, seed)?), None),
                None => {
                    let machine = self.build_device(name, entry, document, folder, seed, overrides)?;
                    let console = machine.console();
                    (Box::new(machine), console)
                }
            };
            let device = match entry.drift {
                Some(ppm) if !(-MOST_PPM..=MOST_PPM).contains(&ppm) => {
                    let message = format!("a drift is at most {MOST_PPM} millionths");
                    return Err(document.error(&format!("/devices/{name}/drift"), message).into());
                }
                Some(ppm) => Box::new(Drifting::new(device, ppm)),
                None => device,
            };
            consoles.push(console);
            devices.push((name.clone(), device));
        }
        let mut fleet = Fleet::new(devices)?;
        for (name, entry) in &self.links {
            self.join(name, entry, document, seed, &mut fleet)?;
        }
        for (index, entry) in self.stimuli.iter().enumerate() {
            let pointer = format!("/stimuli/{index}");
            let stimuli =
                entry.stimuli(&fleet, &consoles).map_err(|message| document.error(&pointer, message))?;
            for stimulus in stimuli {
                fleet.inject(stimulus).map_err(|error| document.error(&pointer, error.to_string()))?;
            }
        }
        Ok(Loaded { fleet, seed, consoles })
    }

    fn build_device(
        &self,
        name: &str,
        entry: &DeviceEntry,
        document: &Document,
        folder: &Path,
        seed: u64,
        overrides: &Overrides,
    ) -> Result<Machine, LoadFleetError> {
        let pointer = device_pointer(name, document)?;
        if entry.board.is_empty() || (entry.firmware.is_empty() && entry.kernel.is_none()) {
            let message = "a device needs `board` and `firmware`, or `scripted` instead of both";
            return Err(document.error(&pointer, message).into());
        }
        let (board, board_document) = find_board(&entry.board, folder)?.ok_or_else(|| {
            let message = format!(
                "there is no board `{}`{}; a path of a board file ends in .json",
                entry.board,
                suggest(&entry.board, Board::names().into_iter())
            );
            document.error(&format!("{pointer}/board"), message)
        })?;
        let images: Vec<_> = entry
            .firmware
            .list()
            .iter()
            .map(|image| match image {
                ImageEntry::Path(path) => (folder.join(path), None),
                ImageEntry::Raw { path, at } => (folder.join(path), Some(at.0)),
            })
            .collect();
        let firmware = load_images(&images, &board).map_err(|error| match error {
            ImageError::Read(error) => match *error {
                LoadFleetError::Io { path, error } => {
                    document.error(&format!("{pointer}/firmware"), format!("{path}: {error}")).into()
                }
                error => error,
            },
            ImageError::Load(error) => LoadFleetError::Firmware { device: name.to_owned(), error },
        })?;
        let semihosting = Semihosting::new(&entry.command_line, overrides.semihosting_dir.as_deref());
        let semihosting = semihosting.map_err(|error| LoadFleetError::Io {
            path: overrides.semihosting_dir.as_deref().unwrap_or(Path::new("")).display().to_string(),
            error,
        })?;
        let timing = overrides.timing.unwrap_or(self.timing);
        let (boot, contents) = entry
            .files(folder)
            .map_err(|(field, message)| document.error(&format!("{pointer}{field}"), message))?;
        let config = entry.config.clone();
        let name_of = name.to_owned();
        let options = Options { name: name_of, seed, config, contents, semihosting, timing, boot };
        Machine::build(&board, &board_document, &firmware, options).map_err(|error| match error {
            BuildError::Config { path, message } => {
                document.error(&format!("{pointer}/config{}", pointer_of(&path)), message).into()
            }
            error => LoadFleetError::Build { device: name.to_owned(), error },
        })
    }
}

/// Where a device's entry is in its file, when its name can be one.
fn device_pointer(name: &str, document: &Document) -> Result<String, JsonError> {
    let pointer = format!("/devices{}", pointer_of([name]));
    // Files are named after devices.
    let strange = |c: char| matches!(c, '.' | '/' | '\\') || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(strange) {
        let message = format!(
            "a device's name has 1 to {LONGEST_NAME} characters, and no dots, slashes, spaces or control characters"
        );
        return Err(document.error(&pointer, message));
    }
    Ok(pointer)
}

fn build_scripted(
    name: &str,
    entry: &DeviceEntry,
    script: &PhoneConfig,
    document: &Document,
    seed: u64,
) -> Result<ScriptedPhone, JsonError> {
    let pointer = device_pointer(name, document)?;
    if !entry.board.is_empty() || !entry.firmware.is_empty() || !entry.config.is_empty() {
        let message = "a scripted device has neither `board` nor `firmware` nor `config`";
        return Err(document.error(&pointer, message));
    }
    ScriptedPhone::new(name, seed, script.clone())
        .map_err(|error| document.error(&format!("{pointer}/scripted"), error.to_string()))
}

/// Which device has a name.
fn device_index(fleet: &Fleet, name: &str) -> Result<usize, String> {
    let names = fleet.names();
    names.iter().position(|known| known == name).ok_or_else(|| {
        format!("there is no device `{name}`{}", suggest(name, names.iter().map(String::as_str)))
    })
}
