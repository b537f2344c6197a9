//! Translation tables (DDI 0487 D8), walked by software: where a debugger's address lies, with no effect on the core.

use consort_core::bus::Addr;

/// What a walk begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    /// TCR of the exception level.
    pub(super) control: u64,
    /// TTBR0 and, at EL1, TTBR1.
    pub(super) bases: [Option<u64>; 2],
}

/// TCR_ELx.TG0 and TG1: bits of a page's offset, in either encoding.
fn granule(control: u64, upper: bool) -> u32 {
    if upper {
        match control >> 30 & 3 {
            1 => 14,
            3 => 16,
            _ => 12,
        }
    } else {
        match control >> 14 & 3 {
            1 => 16,
            2 => 14,
            _ => 12,
        }
    }
}

impl Tables {
    /// The physical address of `addr`; `None` where nothing is mapped. `read` gives a word of physical memory.
    pub(super) fn physical(self, addr: Addr, read: impl Fn(Addr) -> Option<u64>) -> Option<Addr> {
        let upper = self.bases[1].is_some() && addr >> 55 & 1 != 0;
        let base = self.bases[usize::from(upper)]?;
        let unmapped = self.control >> (if upper { 23 } else { 7 }) & 1 != 0; // EPD
        let size = 64 - (self.control >> (if upper { 16 } else { 0 }) & 0x3F) as u32;
        let page = granule(self.control, upper);
        if (unmapped && self.bases[1].is_some()) || !(page + 1..=52).contains(&size) {
            return None;
        }
        // The bits above must be alike, but for a tag in the top byte.
        let above = addr << 8 >> 8 >> size;
        if above != (if upper { (1 << (56 - size)) - 1 } else { 0 }) {
            return None;
        }
        let stride = page - 3;
        let levels = (size - page).div_ceil(stride);
        let mut table = base & 0xFFFF_FFFF_FFFE;
        for level in (0..levels).rev() {
            let shift = page + stride * level;
            let bits = (size - shift).min(stride);
            let entry = read(table + (addr >> shift & ((1 << bits) - 1)) * 8)?;
            let output = entry & 0xFFFF_FFFF_F000;
            match (entry & 3, level) {
                (3, 0) | (1, 1..) => {
                    let within = (1_u64 << shift) - 1;
                    return Some(output & !within | addr & within);
                }
                (3, _) => table = output >> page << page,
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn pages_and_blocks_of_both_halves_are_found() {
        // 4 KiB pages, 39 bits below, 48 bits above.
        let control = 25 | 16 << 16 | 2 << 30;
        let tables = Tables { control, bases: [Some(0x1000), Some(0x5000 | 1 << 48)] };
        let words = BTreeMap::from([
            (0x1008_u64, 0x2003_u64),        // 0x4000_0000: table
            (0x2000, 0x4000_0701),           // a block of 2 MiB
            (0x2008, 0x3003),                // table
            (0x3010, 0x0060_0000_4567_8703), // a page, with upper attributes
            (0x5000 + 8 * 511, 0x6003),
            (0x6000 + 8 * 511, 0x7003),
            (0x7000, 0x8003),
            (0x8000 + 8 * 3, 0x4123_4003),
        ]);
        let read = |at: Addr| words.get(&at).copied();
        let physical = |addr| tables.physical(addr, read);
        assert_eq!(physical(0x4000_1234), Some(0x4000_1234));
        assert_eq!(physical(0x4020_2ABC), Some(0x4567_8ABC));
        assert_eq!(physical(0x5A00_0000_4020_2ABC), Some(0x4567_8ABC), "a tagged address");
        assert_eq!(physical(0xFFFF_FFFF_C000_3DEF), Some(0x4123_4DEF));
        assert_eq!(physical(0x4020_1000), None, "an empty entry");
        assert_eq!(physical(0x80_0000_0000), None, "beyond the 39 bits");
        let off = Tables { control: control | 1 << 23, ..tables };
        assert_eq!(off.physical(0xFFFF_FFFF_C000_3DEF, read), None, "EPD1");
    }
}
