//! Reads firmware files: ELF, Intel HEX (micro:bit universal hex too), UF2 and raw binaries.

mod elf;
mod error;
mod hex;
mod segments;
mod symbols;
mod uf2;

use std::fmt;

use consort_core::Addr;
use serde::{Deserialize, Serialize};

pub use error::{ElfProblem, HexProblem, LoadError, Problem, Uf2Problem};
pub use segments::Segment;
pub use symbols::{Symbol, SymbolKind, Symbols};

/// The kind of a firmware file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Executable and Linkable Format.
    Elf,
    /// Intel HEX, including the micro:bit's universal hex.
    Hex,
    /// A raw copy of memory, without addresses.
    Bin,
    /// USB Flashing Format.
    Uf2,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Elf => "ELF",
            Self::Hex => "Intel HEX",
            Self::Bin => "raw binary",
            Self::Uf2 => "UF2",
        })
    }
}

/// The instruction set a file is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// Arm, 32 bits (A32 and Thumb).
    Arm,
    /// Arm, 64 bits.
    Aarch64,
    /// RISC-V, 32 bits.
    RiscV32,
    /// RISC-V, 64 bits.
    RiscV64,
    /// Another one, by ELF's number (`e_machine`).
    Other(u16),
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arm => f.pad("32-bit Arm"),
            Self::Aarch64 => f.pad("64-bit Arm"),
            Self::RiscV32 => f.pad("32-bit RISC-V"),
            Self::RiscV64 => f.pad("64-bit RISC-V"),
            Self::Other(machine) => write!(f, "a processor Consort does not know (ELF machine {machine})"),
        }
    }
}

/// What the caller knows about a file besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The format; recognised by content, then by extension, when absent.
    pub format: Option<Format>,
    /// Where a raw binary belongs.
    pub base: Option<Addr>,
    /// The board identifiers whose blocks of a universal hex are wanted (0x9900 and 0x9901 are the
    /// micro:bit V1's, 0x9903 to 0x9906 the V2's). When empty, the file must hold one board's only.
    pub hex_boards: Vec<u16>,
    /// The family identifiers whose blocks of a UF2 file are wanted. When empty, the file must hold one
    /// family's only.
    pub uf2_families: Vec<u32>,
}

/// A firmware file's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The file, as messages name it.
    pub name: String,
    /// What kind of file it was.
    pub format: Format,
    /// What it puts into memory, in order of address, without overlaps or adjoining neighbours.
    pub segments: Vec<Segment>,
    /// Where the file says that execution begins (bit 0 set means Thumb); a Cortex-M starts from its
    /// vector table instead.
    pub entry: Option<Addr>,
    /// Its symbols.
    pub symbols: Symbols,
    /// What it is made for, when the file says so.
    pub processor: Option<Processor>,
}

impl Image {
    /// Refuses a file that is made for another processor than `wanted`.
    pub fn check_processor(&self, wanted: Processor) -> Result<(), LoadError> {
        match self.processor {
            Some(found) if found != wanted => {
                Err(LoadError::new(&self.name, Problem::WrongProcessor { found, wanted }))
            }
            _ => Ok(()),
        }
    }
}

/// Reads a firmware file. `name` is for messages and, by its extension, for recognition; `base` is where
/// a raw binary belongs. [`load_with`] takes more.
pub fn load(bytes: &[u8], name: &str, hint: Option<Format>, base: Option<Addr>) -> Result<Image, LoadError> {
    load_with(bytes, name, &Options { format: hint, base, ..Options::default() })
}

/// Reads a firmware file.
pub fn load_with(bytes: &[u8], name: &str, options: &Options) -> Result<Image, LoadError> {
    read(bytes, name, options).map_err(|problem| LoadError::new(name, problem))
}

fn read(bytes: &[u8], name: &str, options: &Options) -> Result<Image, Problem> {
    if bytes.is_empty() {
        return Err(Problem::Empty);
    }
    let format = match options.format {
        Some(format) => format,
        None => detect(bytes, name, options.base.is_some()).ok_or(Problem::UnknownFormat)?,
    };
    if format != Format::Bin && options.base.is_some() {
        return Err(Problem::HasAddresses(format));
    }
    let contents = match format {
        Format::Elf => elf::read(bytes)?,
        Format::Hex => hex::read(bytes, &options.hex_boards)?,
        Format::Uf2 => uf2::read(bytes, &options.uf2_families)?,
        Format::Bin => {
            let base = options.base.ok_or(Problem::NeedsBase)?;
            Contents::of(segments::assemble(vec![(base, bytes.into())], Addr::MAX)?)
        }
    };
    if contents.segments.is_empty() {
        return Err(Problem::Nothing);
    }
    let Contents { segments, entry, symbols, processor } = contents;
    Ok(Image { name: name.to_owned(), format, segments, entry, symbols, processor })
}

/// What the reader of a format finds in a file.
struct Contents {
    segments: Vec<Segment>,
    entry: Option<Addr>,
    symbols: Symbols,
    processor: Option<Processor>,
}

impl Contents {
    fn of(segments: Vec<Segment>) -> Self {
        Self { segments, entry: None, symbols: Symbols::default(), processor: None }
    }
}

/// Content decides; what no content gives away, the extension or a given address does.
fn detect(bytes: &[u8], name: &str, has_base: bool) -> Option<Format> {
    if bytes.starts_with(elf::MAGIC) {
        return Some(Format::Elf);
    }
    if bytes.starts_with(uf2::MAGIC) {
        return Some(Format::Uf2);
    }
    if hex::looks_like(bytes) {
        return Some(Format::Hex);
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("elf" | "axf" | "out") => Some(Format::Elf),
        Some("hex" | "ihx" | "ihex") => Some(Format::Hex),
        Some("uf2") => Some(Format::Uf2),
        Some("bin" | "img" | "rom") => Some(Format::Bin),
        _ => has_base.then_some(Format::Bin),
    }
}

/// Several files as one device's firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firmware {
    /// The files, without their symbols.
    pub images: Vec<Image>,
    /// Where execution begins, by the first file that says so.
    pub entry: Option<Addr>,
    /// All files' symbols.
    pub symbols: Symbols,
}

impl Firmware {
    /// What the files put into memory, each with its file's name.
    pub fn segments(&self) -> impl Iterator<Item = (&str, &Segment)> {
        self.images.iter().flat_map(|image| image.segments.iter().map(|segment| (&*image.name, segment)))
    }

    /// Refuses files that are made for another processor than `wanted`.
    pub fn check_processor(&self, wanted: Processor) -> Result<(), LoadError> {
        self.images.iter().try_for_each(|image| image.check_processor(wanted))
    }
}

/// Puts the files of one device together. No two may claim the same byte or different processors.
pub fn merge(images: Vec<Image>) -> Result<Firmware, LoadError> {
    for (index, image) in images.iter().enumerate() {
        for earlier in &images[..index] {
            if let Some((start, end)) = segments::overlap(&earlier.segments, &image.segments) {
                let other = earlier.name.clone();
                return Err(LoadError::new(&image.name, Problem::Overlaps { other, start, end }));
            }
            if let Some(processor) = earlier.processor {
                image.check_processor(processor)?;
            }
        }
    }
    let mut firmware = Firmware { images, ..Firmware::default() };
    for image in &mut firmware.images {
        firmware.symbols.extend(std::mem::take(&mut image.symbols));
        firmware.entry = firmware.entry.or(image.entry);
    }
    Ok(firmware)
}
