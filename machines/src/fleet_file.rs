//! Fleet files: devices, boards, firmware, links, stimuli and the seed, as data.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use consort_core::component::PortKind;
use consort_core::device::{Action, Device, Port};
use consort_core::drift::{Drifting, MOST_PPM};
use consort_core::fleet::{Endpoint, Fleet, FleetError, Stimulus, StimulusKind};
use consort_core::link::{Fault, Lan, LanConfig, Link, Rule, Wire, WireConfig};
use consort_core::radio::{Position, Radio, RadioConfig};
use consort_core::rng::Rng;
use consort_core::wire::WireKind;
use consort_core::{Addr, Time};
use consort_peripherals::softbus::{PhoneConfig, ScriptedPhone, Trusted};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::board::{Board, Num, Timing};
use crate::boot::{Boot, File};
use crate::json::{Document, JsonError, pointer_of};
use crate::loader::{self, Firmware, LoadError};
use crate::machine::{BuildError, Machine, Options, Semihosting};
use crate::suggest;

/// The largest file that is read into memory.
const LARGEST: u64 = 4 << 30;

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

/// A link.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LinkEntry {
    /// The medium.
    pub kind: LinkKind,
    /// What it joins: `device.port`, or `device` when the device has only one port the link can carry. Wires end at
    /// components, `device.uart0`, or at pins, `device.gpio.p5`; one that is named twice talks to itself.
    pub joins: Vec<String>,
    /// From the end of sending to the beginning of arriving; the shortest latency of all links bounds how long
    /// devices run between two exchanges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Time>,
    /// The highest rate, in bits per second, that a `uart`, `spi` or `i2c` wire allows; default 1000000, for `i2c`
    /// 400000. The higher it is, the shorter are the fleet's windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastest: Option<u64>,
    /// Which pin selects each slave of an `spi` wire, by the slave's name in `joins`:
    /// `{"sensor.serial1": "hub.gpio.p22"}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub select: IndexMap<String, String>,
    /// Bits per second of each device's connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
    /// Path loss and range of a radio link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub air: Option<RadioConfig>,
    /// Faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultEntry>,
}

/// Kinds of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// An Ethernet switch.
    Lan,
    /// The air between radios; `air` says how signals fade.
    Radio,
    /// Two UARTs, TXD to RXD both ways, RTS to CTS.
    Uart,
    /// Clock, MOSI and MISO of an SPI bus; `select` says what selects its slaves.
    Spi,
    /// Clock and data of an I2C bus.
    I2c,
    /// One wire between pins.
    Pin,
}

impl LinkKind {
    fn wire(self) -> Option<WireKind> {
        match self {
            Self::Lan | Self::Radio => None,
            Self::Uart => Some(WireKind::Uart),
            Self::Spi => Some(WireKind::Spi),
            Self::I2c => Some(WireKind::I2c),
            Self::Pin => Some(WireKind::Pin),
        }
    }
}

/// A fault on a link.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultEntry {
    /// From when; the beginning when absent.
    #[serde(default)]
    pub after: Time,
    /// Until when; the end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Time>,
    /// Only frames of this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only frames to this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only between a device of the first list and one of the second, both ways: with `"cut"`, a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<[Vec<String>; 2]>,
    /// `"cut"`, `{"loss": 50000}` (of a million), `{"delay": "2ms"}`, ...
    pub fault: Fault,
}

/// An outside input at its time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StimulusEntry {
    /// When.
    pub at: Time,
    /// On which device.
    pub device: String,
    /// Text for a UART.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// Which UART the text goes to; the board's console when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// `component.channel` to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// What to set it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<consort_core::component::Value>,
    /// Instead of `to`: a curve of `[time after at, number]` in order of time, with straight lines between.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(Time, f64)>,
    /// How often the curve's value is set, default 100ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Time>,
    /// Reset and power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerAction>,
    /// Where the device is carried, in metres: its radios are heard from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// What can be done to a device's power and reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerAction {
    /// The reset pin.
    Reset,
    /// Power off.
    Off,
    /// Power on.
    On,
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

fn read_text(path: &Path) -> Result<String, LoadFleetError> {
    String::from_utf8(read_bytes(path)?).map_err(|_| LoadFleetError::Io {
        path: path.display().to_string(),
        error: io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8 text"),
    })
}

/// Reads a file that is no text.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, LoadFleetError> {
    bounded(path).map_err(|error| LoadFleetError::Io { path: path.display().to_string(), error })
}

/// The bytes of a file or pipe. What never ends, such as `/dev/zero`, must not take the host's memory.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let about = file.metadata()?;
    if about.file_type().is_char_device() || about.file_type().is_block_device() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a device; name a file"));
    }
    let mut bytes = Vec::new();
    if about.len() <= LARGEST {
        bytes.reserve_exact(usize::try_from(about.len()).unwrap_or_default());
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    }
    if about.len().max(bytes.len() as u64) > LARGEST {
        let most = format!("is larger than {} GiB", LARGEST >> 30);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, most));
    }
    Ok(bytes)
}

/// Reads a file that is put into memory or a drive.
pub fn read_file(path: &Path) -> Result<File, LoadFleetError> {
    Ok(File { name: path.display().to_string(), bytes: read_bytes(path)?.into() })
}

/// Moving a device that nobody can hear is a mistake.
pub(crate) fn has_antenna(fleet: &Fleet, device: usize) -> Result<(), String> {
    if fleet.ports(device).iter().any(|port| port.kind == PortKind::Radio) {
        return Ok(());
    }
    Err(format!("`{}` has no radio: where it is changes nothing", fleet.names()[device]))
}

/// Finds a board: by name among those that come with Consort, or by the path of a file.
pub fn find_board(name: &str, relative_to: &Path) -> Result<Option<(Board, Document)>, LoadFleetError> {
    if let Some(found) = Board::builtin(name) {
        return Ok(Some(found?));
    }
    if !name.ends_with(".json") {
        return Ok(None);
    }
    let path = relative_to.join(name);
    Ok(Some(Board::parse(&path.display().to_string(), &read_text(&path)?)?))
}

/// Reads several images as one firmware, for `board`.
pub fn load_images(images: &[(PathBuf, Option<Addr>)], board: &Board) -> Result<Firmware, ImageError> {
    // Identifiers have 16 bits; a larger number in a board file names no block.
    let hex_boards: Vec<u16> = board.hex_boards.iter().filter_map(|id| id.0.try_into().ok()).collect();
    let mut loaded = Vec::new();
    for (path, base) in images {
        let bytes = read_bytes(path).map_err(|error| ImageError::Read(Box::new(error)))?;
        let options =
            loader::Options { base: *base, hex_boards: hex_boards.clone(), ..loader::Options::default() };
        loaded.push(loader::load_with(&bytes, &path.display().to_string(), &options)?);
    }
    Ok(loader::merge(loaded)?)
}

/// Why images cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(Box<LoadFleetError>),
    /// Its contents are bad.
    #[error(transparent)]
    Load(#[from] LoadError),
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

    fn join(
        &self,
        name: &str,
        entry: &LinkEntry,
        document: &Document,
        seed: u64,
        fleet: &mut Fleet,
    ) -> Result<(), LoadFleetError> {
        let pointer = format!("/links{}", pointer_of([name]));
        let carries = match entry.kind {
            LinkKind::Lan => PortKind::Ethernet,
            LinkKind::Radio => PortKind::Radio,
            LinkKind::Uart | LinkKind::Spi | LinkKind::I2c | LinkKind::Pin => PortKind::Wire,
        };
        let rng = Rng::new(seed, &format!("link {name}"));
        let mut endpoints = Vec::new();
        let wire = entry.kind.wire().map(|kind| entry.wire(kind, &pointer, document, fleet, &mut endpoints));
        let wire = wire.transpose()?;
        for (index, plug) in entry.joins.iter().enumerate().filter(|_| wire.is_none()) {
            let endpoint = find_port(fleet, plug, carries)
                .map_err(|message| document.error(&format!("{pointer}/joins/{index}"), message))?;
            endpoints.push(endpoint);
        }
        let error = |field: &str, message: &str| document.error(&format!("{pointer}/{field}"), message);
        if entry.latency.is_some_and(|latency| latency < Time::from_us(1)) {
            return Err(error("latency", "a latency is at least 1us: it is the fleet's lookahead").into());
        }
        if wire.is_none() && entry.fastest.is_some() {
            return Err(error("fastest", "only `uart`, `spi` and `i2c` wires have a highest rate").into());
        }
        if entry.kind != LinkKind::Spi && !entry.select.is_empty() {
            return Err(error("select", "only `spi` wires have slaves to select").into());
        }
        let mut link: Box<dyn Link> = match (entry.kind, wire) {
            (_, Some(config)) => Box::new(Wire::new(config, endpoints.len(), rng)),
            (LinkKind::Lan, None) => {
                if entry.air.is_some() {
                    return Err(error("air", "only radio links go through the air").into());
                }
                let defaults = LanConfig::default();
                let config = LanConfig {
                    latency: entry.latency.unwrap_or(defaults.latency),
                    bandwidth: entry.bandwidth.unwrap_or(defaults.bandwidth),
                };
                if config.bandwidth == 0 {
                    return Err(error("bandwidth", "a bandwidth of 0 carries nothing").into());
                }
                Box::new(Lan::new(config, endpoints.len(), rng))
            }
            (_, None) => {
                if entry.bandwidth.is_some() {
                    return Err(error("bandwidth", "a radio's bandwidth is its own mode's").into());
                }
                let mut config = entry.air.clone().unwrap_or_default();
                config.latency = entry.latency.unwrap_or(config.latency);
                let position = |device: usize| self.devices.get_index(device).and_then(|(_, d)| d.position);
                let positions: Vec<Position> =
                    endpoints.iter().map(|end| position(end.device).unwrap_or_default()).collect();
                Box::new(Radio::new(config, &positions, rng))
            }
        };
        for (index, fault) in entry.faults.iter().enumerate() {
            let at = format!("{pointer}/faults/{index}");
            let end = |device: &String| {
                let index = fleet.names().iter().position(|known| known == device);
                let end = endpoints.iter().position(|endpoint| Some(endpoint.device) == index);
                end.ok_or_else(|| document.error(&at, format!("the link does not join `{device}`")))
            };
            let ends = |devices: &[String]| devices.iter().map(end).collect::<Result<Vec<_>, _>>();
            fault.fault.check(carries).map_err(|message| document.error(&format!("{at}/fault"), message))?;
            let paths = match &fault.between {
                None => {
                    vec![(fault.from.as_ref().map(end).transpose()?, fault.to.as_ref().map(end).transpose()?)]
                }
                Some(_) if fault.from.is_some() || fault.to.is_some() => {
                    return Err(document.error(&at, "a fault has `between`, or `from` and `to`").into());
                }
                Some([one, other]) => {
                    let (one, other) = (ends(one)?, ends(other)?);
                    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
                    pairs.flat_map(|(a, b)| [(Some(a), Some(b)), (Some(b), Some(a))]).collect()
                }
            };
            for (from, to) in paths {
                let before = fault.before.unwrap_or(Time::MAX);
                link.add_rule(Rule { after: fault.after, before, from, to, fault: fault.fault });
            }
        }
        fleet.join(name, link, endpoints).map_err(|error| document.error(&pointer, error.to_string()))?;
        Ok(())
    }
}

/// No wire has more ends.
const MOST_ENDS: usize = 32;
/// What a wire's highest rate can be.
const RATES: std::ops::RangeInclusive<u64> = 100..=50_000_000;

impl LinkEntry {
    /// Lets the wires end where the entry says; the ends of an SPI bus are followed by the pins that select them.
    fn wire(
        &self,
        kind: WireKind,
        pointer: &str,
        document: &Document,
        fleet: &mut Fleet,
        ends: &mut Vec<Endpoint>,
    ) -> Result<WireConfig, JsonError> {
        let error = |field: &str, message: String| document.error(&format!("{pointer}/{field}"), message);
        if self.air.is_some() || self.bandwidth.is_some() {
            let field = if self.air.is_some() { "air" } else { "bandwidth" };
            return Err(error(field, "wires have no such thing".to_owned()));
        }
        let latency = match (kind, self.latency, self.fastest) {
            (WireKind::Pin, _, Some(_)) => {
                return Err(error("fastest", "a wire between pins has a `latency`, and no rate".to_owned()));
            }
            (WireKind::Pin, latency, None) => latency.unwrap_or(kind.latency(0)),
            (_, Some(_), _) => {
                let message = format!("the latency of {kind} wires follows from `fastest`, its highest rate");
                return Err(error("latency", message));
            }
            (_, None, rate) => {
                let rate = rate.unwrap_or(kind.usual_rate());
                if !RATES.contains(&rate) {
                    let message =
                        format!("a rate is from {} to {} bits per second", RATES.start(), RATES.end());
                    return Err(error("fastest", message));
                }
                kind.latency(rate)
            }
        };
        let loops = matches!(self.joins.as_slice(), [one, other] if one == other);
        let right = match (kind, self.joins.len()) {
            (WireKind::Uart, count) => count == 2,
            (_, count) => (2..=MOST_ENDS).contains(&count),
        };
        if !right {
            let many =
                if kind == WireKind::Uart { "two ends".to_owned() } else { format!("2 to {MOST_ENDS} ends") };
            return Err(error("joins", format!("{kind} wires have {many}, not {}", self.joins.len())));
        }
        if loops && matches!(kind, WireKind::I2c | WireKind::Pin) {
            return Err(error("joins", format!("{kind} wires from a place to itself join nothing")));
        }
        for (index, place) in self.joins.iter().enumerate() {
            if loops && let Some(end) = ends.first().copied() {
                ends.push(end);
                continue;
            }
            let end = plug(fleet, place, kind, latency);
            ends.push(end.map_err(|message| error(&format!("joins/{index}"), message))?);
        }
        let mut selects = Vec::new();
        for (slave, pin) in &self.select {
            let at = format!("select{}", pointer_of([slave]));
            let to = self.joins.iter().position(|place| place == slave);
            let to = to.ok_or_else(|| {
                let known = suggest(slave, self.joins.iter().map(String::as_str));
                error(&at, format!("the wire does not join `{slave}`{known}"))
            })?;
            selects.push((ends.len(), to));
            let end = plug(fleet, pin, WireKind::Pin, latency);
            ends.push(end.map_err(|message| error(&at, message))?);
        }
        if kind == WireKind::Spi && !loops && selects.is_empty() {
            let message =
                "say in `select` which pin selects the slave: {\"sensor.serial1\": \"hub.gpio.p22\"}";
            return Err(document.error(pointer, message));
        }
        Ok(WireConfig { kind, latency, selects, loops })
    }
}

/// Lets a wire end at `device.component` or `device.component.pin`.
fn plug(fleet: &mut Fleet, place: &str, kind: WireKind, latency: Time) -> Result<Endpoint, String> {
    let (device, at) = place.split_once('.').unwrap_or((place, ""));
    let names = fleet.names();
    let index = names.iter().position(|known| known == device).ok_or_else(|| {
        format!("there is no device `{device}`{}", suggest(device, names.iter().map(String::as_str)))
    })?;
    fleet.plug(index, at, kind, latency)
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

/// Finds `device.port`, or a device's only port of a kind.
fn find_port(fleet: &Fleet, plug: &str, kind: PortKind) -> Result<Endpoint, String> {
    let (device, port) = plug.split_once('.').map_or((plug, None), |(device, port)| (device, Some(port)));
    let names = fleet.names();
    let index = names.iter().position(|known| known == device).ok_or_else(|| {
        format!("there is no device `{device}`{}", suggest(device, names.iter().map(String::as_str)))
    })?;
    let fitting: Vec<(usize, &Port)> =
        fleet.ports(index).iter().enumerate().filter(|(_, port)| port.kind == kind).collect();
    let listed = || fitting.iter().map(|(_, port)| port.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = match port {
        Some(port) => fitting.iter().find(|(_, known)| known.name == port),
        None if fitting.len() == 1 => fitting.first(),
        None => None,
    };
    match found {
        Some((port, _)) => Ok(Endpoint { device: index, port: *port as u16 }),
        None if fitting.is_empty() => Err(format!("`{device}` has no port that this link can carry")),
        None => Err(format!("say which port of `{device}`: {}", listed())),
    }
}

/// A curve longer than this is a mistake.
const MOST_POINTS: usize = 100_000;

impl StimulusEntry {
    fn stimuli(&self, fleet: &Fleet, consoles: &[Option<u16>]) -> Result<Vec<Stimulus>, String> {
        let names = fleet.names();
        let index = names.iter().position(|known| *known == self.device).ok_or_else(|| {
            format!(
                "there is no device `{}`{}",
                self.device,
                suggest(&self.device, names.iter().map(String::as_str))
            )
        })?;
        let action = match (&self.send, &self.set, self.power, self.position) {
            (Some(text), None, None, None) => {
                let port = match &self.port {
                    Some(port) => port.clone(),
                    None => {
                        let console = consoles[index].ok_or("the device has no UART")?;
                        fleet.ports(index)[usize::from(console)].name.clone()
                    }
                };
                Action::Send { port, data: text.clone().into_bytes() }
            }
            (None, Some(target), None, None) => {
                let (component, channel) = target
                    .split_once('.')
                    .ok_or("`set` names component.channel, such as \"fpgaio.button0\"")?;
                let values = match &self.to {
                    Some(value) if self.curve.is_empty() => vec![(self.at, value.clone())],
                    None if !self.curve.is_empty() => self.points()?,
                    _ => return Err("`set` needs `to`: the value, or `curve`".to_owned()),
                };
                let stimulus = |(at, value)| {
                    let (component, channel) = (component.to_owned(), channel.to_owned());
                    let action = Action::Set { component, channel, value };
                    Stimulus { at, what: StimulusKind::Device(self.device.clone(), action) }
                };
                return Ok(values.into_iter().map(stimulus).collect());
            }
            (None, None, Some(PowerAction::Reset), None) => Action::Reset,
            (None, None, Some(PowerAction::Off), None) => Action::PowerOff,
            (None, None, Some(PowerAction::On), None) => Action::PowerOn,
            (None, None, None, Some(to)) => {
                has_antenna(fleet, index)?;
                return Ok(vec![Stimulus { at: self.at, what: StimulusKind::Move(self.device.clone(), to) }]);
            }
            _ => return Err("a stimulus does one thing: `send`, `set`, `power` or `position`".to_owned()),
        };
        Ok(vec![Stimulus { at: self.at, what: StimulusKind::Device(self.device.clone(), action) }])
    }

    /// The values of the curve at its points and every so often between them.
    fn points(&self) -> Result<Vec<(Time, consort_core::component::Value)>, String> {
        let every = self.every.unwrap_or(Time::from_ms(100));
        if every < Time::from_us(1) {
            return Err("`every` is at least 1us".to_owned());
        }
        if self.curve.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err("the points of `curve` are not in order of time".to_owned());
        }
        let set =
            |after: Time, number: f64| (self.at + after, consort_core::component::Value::Number(number));
        let mut values = Vec::new();
        for pair in self.curve.windows(2) {
            let ((from, low), (to, high)) = (pair[0], pair[1]);
            let mut after = from;
            while after < to {
                let part = (after - from).as_ps() as f64 / (to - from).as_ps() as f64;
                values.push(set(after, low + (high - low) * part));
                if values.len() > MOST_POINTS {
                    return Err(format!("the curve has more than {MOST_POINTS} values: make `every` longer"));
                }
                after += every;
            }
        }
        values.extend(self.curve.last().map(|(after, number)| set(*after, *number)));
        Ok(values)
    }
}
