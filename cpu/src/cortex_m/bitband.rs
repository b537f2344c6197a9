//! The bit-band aliases of the Cortex-M3 and M4: one word for each bit of two 1 MiB regions (DDI 0337 3.7).

/// The bit behind an address of an alias region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bit {
    /// The naturally aligned unit of the access's size that holds the bit.
    pub(super) addr: u32,
    /// The bit's place in that unit.
    pub(super) shift: u32,
}

/// The bit that an access of `size` bytes at `addr` means, if `addr` lies in an alias region.
pub(super) fn bit_of(addr: u32, size: u32) -> Option<Bit> {
    let region = addr & 0xFE00_0000;
    if region != 0x2200_0000 && region != 0x4200_0000 {
        return None;
    }
    let index = (addr & 0x01FF_FFFF) / 4;
    let byte = (region & 0xF000_0000) + index / 8;
    let addr = byte & !(size - 1);
    Some(Bit { addr, shift: index % 8 + 8 * (byte - addr) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_has_its_word() {
        assert_eq!(bit_of(0x2200_0000, 4), Some(Bit { addr: 0x2000_0000, shift: 0 }));
        assert_eq!(bit_of(0x2200_0000 + 0x300 * 32 + 5 * 4, 1), Some(Bit { addr: 0x2000_0300, shift: 5 }));
        assert_eq!(bit_of(0x23FF_FFFC, 4), Some(Bit { addr: 0x200F_FFFC, shift: 31 }));
        assert_eq!(bit_of(0x4200_0000 + 0x4001 * 32 + 7 * 4, 4), Some(Bit { addr: 0x4000_4000, shift: 15 }));
        assert_eq!(bit_of(0x2400_0000, 4), None);
        assert_eq!(bit_of(0x2000_0000, 4), None);
    }
}
