//! UF2 (Microsoft's USB Flashing Format): blocks of 512 bytes, each with its own address.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::error::{Problem, Uf2Problem, Wanted};
use super::segments::Piece;
use super::{Contents, segments};

/// "UF2\n", what every block begins with.
pub(super) const MAGIC: &[u8] = b"UF2\n";

const BLOCK: usize = 512;
/// The second and the last word of every block, and where they stand.
const MAGICS: [(usize, u32); 3] = [(0, 0x0A32_4655), (4, 0x9E5D_5157), (508, 0x0AB1_6F30)];
const DATA: usize = 32;
const MAX_PAYLOAD: u32 = 476;

/// Flags of a block.
mod flag {
    /// A comment: not for the device's memory.
    pub(super) const NOT_MAIN_FLASH: u32 = 0x0000_0001;
    /// Part of a file for the device's file system: its address is an offset in that file.
    pub(super) const FILE_CONTAINER: u32 = 0x0000_1000;
    /// The last header word is the family identifier, not the file's size.
    pub(super) const FAMILY_ID: u32 = 0x0000_2000;
}

/// The blocks of one family.
#[derive(Default)]
struct Family<'a> {
    total: u32,
    seen: BTreeSet<u32>,
    pieces: Vec<Piece<'a>>,
}

pub(super) fn read<'a>(bytes: &'a [u8], wanted: &[u32]) -> Result<Contents, Problem> {
    let mut families: BTreeMap<Option<u32>, Family<'a>> = BTreeMap::new();
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        let in_block = |problem| Problem::Uf2 { block: index, problem };
        if block.len() < BLOCK {
            return Err(in_block(Uf2Problem::Truncated(block.len())));
        }
        for (offset, magic) in MAGICS {
            let found = word(block, offset);
            if found != magic {
                return Err(in_block(Uf2Problem::Magic { offset, found }));
            }
        }
        let flags = word(block, 8);
        let (addr, payload, number, total) =
            (word(block, 12), word(block, 16), word(block, 20), word(block, 24));
        if payload > MAX_PAYLOAD {
            return Err(in_block(Uf2Problem::Payload { found: payload, most: MAX_PAYLOAD }));
        }
        if number >= total {
            return Err(in_block(Uf2Problem::Number { number, total }));
        }
        let family = families.entry((flags & flag::FAMILY_ID != 0).then(|| word(block, 28))).or_default();
        if family.total == 0 {
            family.total = total;
        } else if family.total != total {
            return Err(in_block(Uf2Problem::Total { found: total, total: family.total }));
        }
        family.seen.insert(number);
        if flags & (flag::NOT_MAIN_FLASH | flag::FILE_CONTAINER) != 0 {
            continue;
        }
        family.pieces.push((addr.into(), Cow::Borrowed(&block[DATA..DATA + payload as usize])));
    }

    let found: Vec<u32> = families.keys().filter_map(|family| *family).collect();
    let any = wanted.is_empty() && found.len() == 1;
    if !found.is_empty() && !any && !found.iter().any(|family| wanted.contains(family)) {
        return Err(Problem::Uf2Families { found, wanted: Wanted(wanted.to_vec()) });
    }
    let mut pieces = Vec::new();
    for (id, family) in families {
        if id.is_some_and(|id| !any && !wanted.contains(&id)) {
            continue;
        }
        if (family.seen.len() as u64) < u64::from(family.total) {
            let number = (0..family.total).find(|number| !family.seen.contains(number)).unwrap_or_default();
            return Err(Problem::Uf2Missing { number, total: family.total });
        }
        pieces.extend(family.pieces);
    }
    Ok(Contents::of(segments::assemble(pieces, u32::MAX.into())?))
}

/// The little-endian word at `offset` of a whole block.
fn word(block: &[u8], offset: usize) -> u32 {
    block[offset..].first_chunk().copied().map_or(0, u32::from_le_bytes)
}
