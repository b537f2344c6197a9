//! What can be wrong with a firmware file, said so that the reader knows what to do.

use consort_core::Addr;
use thiserror::Error;

use super::{Format, Processor};

/// A firmware file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}: {problem}")]
pub struct LoadError {
    /// The file, as the caller named it.
    pub file: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl LoadError {
    pub(super) fn new(file: &str, problem: Problem) -> Self {
        Self { file: file.to_owned(), problem }
    }
}

/// What is wrong with a firmware file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// No bytes at all.
    #[error("the file is empty; build or copy the firmware again")]
    Empty,
    /// Neither content nor extension say what it is.
    #[error(
        "this is no ELF, Intel HEX or UF2 file; to load it as a raw binary, give the address it belongs at"
    )]
    UnknownFormat,
    /// A raw binary without an address.
    #[error("a raw binary does not say where it belongs; give its address")]
    NeedsBase,
    /// An address for a file that has its own.
    #[error("{0} files bring their own addresses; leave the address out")]
    HasAddresses(Format),
    /// Well-formed, but without anything for memory.
    #[error("the file holds nothing to load; is it the linked firmware?")]
    Nothing,
    /// The data does not fit below the highest address.
    #[error("{len} bytes at {addr:#x} reach beyond the highest address {top:#x}; correct the address")]
    BeyondAddresses {
        /// Where the data begins.
        addr: Addr,
        /// Its length.
        len: u64,
        /// The highest address there is.
        top: Addr,
    },
    /// Two parts of one file disagree.
    #[error("two parts of the file put different bytes at {0:#x}; correct the linker script or the merge")]
    Clash(Addr),
    /// Two files of one device claim the same bytes.
    #[error(
        "it overlaps {other} at {start:#x} to {last:#x}; leave one of them out or link them to different addresses",
        last = end - 1
    )]
    Overlaps {
        /// The other file.
        other: String,
        /// The first common address.
        start: Addr,
        /// The address after the first common range.
        end: Addr,
    },
    /// Made for another machine.
    #[error(
        "it is made for {found}, but {wanted} is needed; build it for this board or choose another board"
    )]
    WrongProcessor {
        /// What the file says.
        found: Processor,
        /// What the board or the other files have.
        wanted: Processor,
    },
    /// A broken or unsuitable ELF file.
    #[error(transparent)]
    Elf(#[from] ElfProblem),
    /// A broken or unsuitable Intel HEX file.
    #[error("line {line}: {problem}")]
    Hex {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        problem: HexProblem,
    },
    /// A universal hex with several boards' data, none of which was asked for.
    #[error("this universal hex holds firmware for the boards {}; {wanted}", list(.found))]
    HexBoards {
        /// The board identifiers in the file.
        found: Vec<u32>,
        /// What was asked for.
        wanted: Wanted,
    },
    /// A broken or unsuitable UF2 file.
    #[error("block {block} (offset {offset:#x}): {problem}", offset = *block as u64 * 512)]
    Uf2 {
        /// The block's index in the file, from 0.
        block: usize,
        /// What is wrong with it.
        problem: Uf2Problem,
    },
    /// A UF2 file with blocks for several processor families, none of which was asked for.
    #[error("this UF2 file holds firmware for the families {}; {wanted}", list(.found))]
    Uf2Families {
        /// The family identifiers in the file.
        found: Vec<u32>,
        /// What was asked for.
        wanted: Wanted,
    },
    /// A UF2 file that is not complete.
    #[error("block {number} of {total} is missing; copy the file again")]
    Uf2Missing {
        /// The first missing number.
        number: u32,
        /// How many the file says there are.
        total: u32,
    },
}

/// The identifiers asked for in a file that serves several targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted(pub Vec<u32>);

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            f.write_str("this board does not say which of them it takes")
        } else {
            write!(f, "this board takes {}", list(&self.0))
        }
    }
}

fn list(ids: &[u32]) -> String {
    const SHOWN: usize = 8;
    let mut text = ids.iter().take(SHOWN).map(|id| format!("{id:#x}")).collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN {
        text.push_str(" ...");
    }
    text
}

/// What is wrong with an ELF file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ElfProblem {
    /// It does not begin as ELF files do.
    #[error("the file does not begin with 7f 45 4c 46 (\".ELF\"): it is no ELF file")]
    Magic,
    /// A value in the file header has no meaning.
    #[error(
        "ELF header, offset {offset:#x}: {what} is {value:#x}, which no ELF file has; the file is damaged"
    )]
    Header {
        /// Which field.
        what: &'static str,
        /// Where it stands.
        offset: u64,
        /// Its value.
        value: u64,
    },
    /// Something the headers point to is not there.
    #[error(
        "{what} (offset {offset:#x}, {size} bytes) lies beyond the end of the file ({len} bytes): the file is truncated or damaged; build or copy it again"
    )]
    BeyondEnd {
        /// What is missing.
        what: String,
        /// Where it should begin.
        offset: u64,
        /// Its size.
        size: u64,
        /// The file's length.
        len: u64,
    },
    /// A table that contradicts itself.
    #[error("{what} (offset {offset:#x}) {why}; the file is damaged")]
    Malformed {
        /// Which table.
        what: String,
        /// Where it begins.
        offset: u64,
        /// What it contradicts.
        why: &'static str,
    },
    /// Not an executable.
    #[error("this is {0}; link it into an executable first")]
    NotExecutable(&'static str),
    /// Most significant byte first.
    #[error("this is a big-endian program; build it little-endian")]
    BigEndian,
}

/// What is wrong with a line of Intel HEX.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HexProblem {
    /// Not a record.
    #[error("a record begins with `:`; the file is damaged or no Intel HEX")]
    NoColon,
    /// Not a digit.
    #[error("column {column} is no hexadecimal digit; the file is damaged")]
    BadDigit {
        /// From 1.
        column: usize,
    },
    /// The record's length does not fit its byte count.
    #[error("the record says {said} data bytes but has {found}; the line is cut or damaged")]
    WrongCount {
        /// By the record's first byte.
        said: usize,
        /// In the line.
        found: usize,
    },
    /// Too short to be a record.
    #[error("the record is cut short; the line is damaged")]
    TooShort,
    /// The sum is wrong.
    #[error("the checksum is {found:02X} but the record's bytes give {computed:02X}; the line is damaged")]
    Checksum {
        /// In the line.
        found: u8,
        /// Of the bytes before it.
        computed: u8,
    },
    /// A type that is neither Intel's nor the micro:bit's.
    #[error("record type {0:02X} is unknown; known are 00 to 05 and, of universal hex, 0A to 0E")]
    UnknownType(u8),
    /// An address record of a wrong length.
    #[error("a record of type {kind:02X} has {wanted} data bytes, this one has {found}")]
    WrongLength {
        /// The record's type.
        kind: u8,
        /// How many it must have.
        wanted: usize,
        /// How many it has.
        found: usize,
    },
    /// No end-of-file record.
    #[error("the file ends without an end-of-file record (:00000001FF): it is truncated; copy it again")]
    NoEnd,
    /// More after the end.
    #[error("there is more after the end-of-file record of line {end}; give joined files one by one instead")]
    AfterEnd {
        /// The line of the end-of-file record.
        end: usize,
    },
}

/// What is wrong with a block of UF2.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Uf2Problem {
    /// Not whole.
    #[error("it has {0} of 512 bytes: the file is truncated; copy it again")]
    Truncated(usize),
    /// A magic number is wrong.
    #[error("the magic number at offset {offset:#x} of the block is {found:#010x}; the file is damaged")]
    Magic {
        /// Within the block.
        offset: usize,
        /// What stands there.
        found: u32,
    },
    /// The payload cannot fit.
    #[error("it says {found} bytes of payload, more than the {most} that fit; the file is damaged")]
    Payload {
        /// What it says.
        found: u32,
        /// What fits.
        most: u32,
    },
    /// The numbering contradicts itself.
    #[error("it calls itself number {number} of {total}; the file is damaged")]
    Number {
        /// What it says, from 0.
        number: u32,
        /// How many there are by this block.
        total: u32,
    },
    /// Another count than the family's first block says.
    #[error("it says the file has {found} blocks, earlier ones said {total}; the file is damaged")]
    Total {
        /// What it says.
        found: u32,
        /// What earlier blocks said.
        total: u32,
    },
}
