//! Intel HEX (Intel's Hexadecimal Object File Format Specification, revision A) with the record types
//! that the micro:bit's Universal Hex Specification 0.4.0 adds.

use std::borrow::Cow;

use consort_core::Addr;

use super::error::{HexProblem, Problem, Wanted};
use super::{Contents, segments};

/// Record types of Intel HEX and, from 0x0A, of universal hex.
mod kind {
    pub(super) const DATA: u8 = 0x00;
    pub(super) const END: u8 = 0x01;
    pub(super) const EXTENDED_SEGMENT: u8 = 0x02;
    pub(super) const START_SEGMENT: u8 = 0x03;
    pub(super) const EXTENDED_LINEAR: u8 = 0x04;
    pub(super) const START_LINEAR: u8 = 0x05;
    pub(super) const BLOCK_START: u8 = 0x0A;
    pub(super) const BLOCK_END: u8 = 0x0B;
    pub(super) const PADDED_DATA: u8 = 0x0C;
    pub(super) const CUSTOM_DATA: u8 = 0x0D;
    pub(super) const OTHER_DATA: u8 = 0x0E;
}

/// Whether a file begins like Intel HEX: a colon and the eight digits that every record has.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.len() > 8 && text[0] == b':' && text[1..9].iter().all(u8::is_ascii_hexdigit)
}

struct Record {
    offset: u16,
    kind: u8,
    data: Vec<u8>,
}

/// How a data record's 16-bit offset becomes an address.
enum Base {
    /// Record type 02: offsets wrap within 64 KiB.
    Segment(u32),
    /// Record type 04, and the beginning of a file.
    Linear(u32),
}

pub(super) fn read(bytes: &[u8], boards: &[u16]) -> Result<Contents, Problem> {
    let mut base = Base::Linear(0);
    let mut block: Option<u16> = None;
    let mut pieces: Vec<(Option<u16>, Addr, Vec<u8>)> = Vec::new();
    let mut entry = None;
    let mut end = None;
    let mut last_line = 0;

    for (line, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let (line, text) = (line + 1, text.trim_ascii());
        if text.is_empty() {
            continue;
        }
        let at_line = |problem| Problem::Hex { line, problem };
        if let Some(end) = end {
            return Err(at_line(HexProblem::AfterEnd { end }));
        }
        last_line = line;
        let record = decode(text).map_err(at_line)?;
        match record.kind {
            kind::DATA | kind::CUSTOM_DATA => match base {
                Base::Linear(high) => {
                    pieces.push((block, (high | u32::from(record.offset)).into(), record.data));
                }
                Base::Segment(low) => {
                    let room = 0x1_0000 - usize::from(record.offset);
                    let (before, wrapped) = record.data.split_at(room.min(record.data.len()));
                    pieces.push((block, (low + u32::from(record.offset)).into(), before.to_vec()));
                    pieces.push((block, low.into(), wrapped.to_vec()));
                }
            },
            kind::END => end = Some(line),
            kind::EXTENDED_SEGMENT => {
                base = Base::Segment(u32::from(u16::from_be_bytes(exact(&record).map_err(at_line)?)) << 4);
            }
            kind::EXTENDED_LINEAR => {
                base = Base::Linear(u32::from(u16::from_be_bytes(exact(&record).map_err(at_line)?)) << 16);
            }
            kind::START_SEGMENT => {
                let [cs_high, cs_low, ip_high, ip_low] = exact(&record).map_err(at_line)?;
                let (cs, ip) = (u16::from_be_bytes([cs_high, cs_low]), u16::from_be_bytes([ip_high, ip_low]));
                entry = Some((Addr::from(cs) << 4) + Addr::from(ip));
            }
            kind::START_LINEAR => {
                entry = Some(u32::from_be_bytes(exact(&record).map_err(at_line)?).into());
            }
            kind::BLOCK_START => {
                let Some(id) = record.data.first_chunk() else {
                    let found = record.data.len();
                    return Err(at_line(HexProblem::WrongLength { kind: record.kind, wanted: 4, found }));
                };
                block = Some(u16::from_be_bytes(*id));
            }
            kind::BLOCK_END => block = None,
            // Padding to a block's end; metadata and source text of an editor.
            kind::PADDED_DATA | kind::OTHER_DATA => {}
            other => return Err(at_line(HexProblem::UnknownType(other))),
        }
    }
    if end.is_none() {
        return Err(Problem::Hex { line: last_line.max(1), problem: HexProblem::NoEnd });
    }

    let mine = chosen(&pieces, boards)?;
    let pieces = pieces
        .into_iter()
        .filter(|(block, ..)| block.is_none_or(|id| mine.contains(&id)))
        .map(|(_, addr, data)| (addr, Cow::Owned(data)));
    let segments = segments::assemble(pieces.collect(), u32::MAX.into())?;
    Ok(Contents { entry, ..Contents::of(segments) })
}

/// Which boards' blocks to load. Data outside of blocks is for every board.
fn chosen(pieces: &[(Option<u16>, Addr, Vec<u8>)], boards: &[u16]) -> Result<Vec<u16>, Problem> {
    let mut found: Vec<u16> = pieces.iter().filter_map(|(block, ..)| *block).collect();
    found.sort_unstable();
    found.dedup();
    let mine: Vec<u16> = if boards.is_empty() && found.len() == 1 {
        found.clone()
    } else {
        found.iter().copied().filter(|id| boards.contains(id)).collect()
    };
    if mine.is_empty() && !found.is_empty() {
        let widen = |ids: &[u16]| ids.iter().map(|id| u32::from(*id)).collect();
        return Err(Problem::HexBoards { found: widen(&found), wanted: Wanted(widen(boards)) });
    }
    Ok(mine)
}

/// The data of a record that must have exactly this many bytes.
fn exact<const N: usize>(record: &Record) -> Result<[u8; N], HexProblem> {
    record.data.as_slice().try_into().map_err(|_| HexProblem::WrongLength {
        kind: record.kind,
        wanted: N,
        found: record.data.len(),
    })
}

/// Byte count, offset, type, data, checksum: two digits a byte after a colon.
fn decode(text: &[u8]) -> Result<Record, HexProblem> {
    let digits = text.strip_prefix(b":").ok_or(HexProblem::NoColon)?;
    let digit = |index: usize| {
        let value =
            char::from(digits[index]).to_digit(16).ok_or(HexProblem::BadDigit { column: index + 2 })?;
        Ok(value as u8)
    };
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in 0..digits.len() / 2 {
        bytes.push(digit(2 * pair)? << 4 | digit(2 * pair + 1)?);
    }
    let [count, high, low, kind, data @ .., checksum] = bytes.as_slice() else {
        return Err(HexProblem::TooShort);
    };
    if usize::from(*count) != data.len() || digits.len() % 2 != 0 {
        return Err(HexProblem::WrongCount { said: usize::from(*count), found: data.len() });
    }
    let sum = bytes[..bytes.len() - 1].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let computed = sum.wrapping_neg();
    if *checksum != computed {
        return Err(HexProblem::Checksum { found: *checksum, computed });
    }
    Ok(Record { offset: u16::from_be_bytes([*high, *low]), kind: *kind, data: data.to_vec() })
}
