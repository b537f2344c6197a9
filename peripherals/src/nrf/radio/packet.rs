//! What a packet is between RAM and the air: fields, bit order, CRC and whitening.
//!
//! nRF52832 PS v1.4 and nRF52840 PS v1.1, "RADIO": Packet configuration, Maximum packet length, Address
//! configuration, Data whitening, CRC.

use super::block::Io;
use super::{BASE0, BASE1, CRCCNF, CRCINIT, CRCPOLY, DATAWHITEIV, MODE, PCNF0, PCNF1, PREFIX0, SFD};
use consort_core::radio::Modulation;

/// A row of bits, the first one lowest in the first byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    /// The bits.
    pub bytes: Vec<u8>,
    /// How many there are.
    pub len: u32,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let (true, Some(last)) = (bit, self.bytes.last_mut()) {
            *last |= 1 << (self.len % 8);
        }
        self.len += 1;
    }

    /// Bit `index`, zero beyond the end.
    pub fn bit(&self, index: u32) -> bool {
        self.bytes.get((index / 8) as usize).is_some_and(|byte| byte >> (index % 8) & 1 != 0)
    }

    /// Appends the lowest `count` bits of `value`, lowest or highest first.
    fn push_field(&mut self, value: u32, count: u32, big: bool) {
        for index in 0..count {
            let at = if big { count - 1 - index } else { index };
            self.push(value >> at & 1 != 0);
        }
    }

    /// Reads `count` bits from `at`.
    fn field(&self, at: u32, count: u32, big: bool) -> u32 {
        (0..count).fold(0, |value, index| {
            let bit = u32::from(self.bit(at + index));
            if big { value << 1 | bit } else { value | bit << index }
        })
    }
}

/// The layout of packets, from PCNF0, PCNF1, CRCCNF and MODE.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    s0: u32,
    length: u32,
    s1: u32,
    s1_in_ram: bool,
    crc_in_length: bool,
    most: u32,
    fixed: u32,
    big: bool,
    whitening: Option<u8>,
    crc_bytes: u32,
    crc_poly: u32,
    crc_init: u32,
    crc_address: bool,
    crc_after_length: bool,
}

/// Modulation of MODE's value (PS "RADIO", MODE), or none when it is reserved.
pub fn modulation(mode: u32) -> Option<Modulation> {
    Some(match mode {
        0 | 3 => Modulation::Gfsk1M,
        1 | 4 => Modulation::Gfsk2M,
        2 => Modulation::Gfsk250k,
        5 => Modulation::Coded125k,
        6 => Modulation::Coded500k,
        15 => Modulation::Oqpsk250k,
        _ => return None,
    })
}

/// Nanoseconds of a bit.
pub fn bit_ns(modulation: Modulation) -> u64 {
    match modulation {
        Modulation::Gfsk250k | Modulation::Oqpsk250k => 4_000,
        Modulation::Gfsk1M => 1_000,
        Modulation::Gfsk2M => 500,
        Modulation::Coded125k => 8_000,
        Modulation::Coded500k => 2_000,
    }
}

/// Nanoseconds of the preamble: PCNF0.PLEN 8, 16, 32 zero bits, or BLE coded's ten symbols.
pub fn preamble_ns(io: &Io<'_, '_>, modulation: Modulation) -> u64 {
    match modulation {
        Modulation::Coded125k | Modulation::Coded500k => 80_000,
        Modulation::Oqpsk250k => 128_000,
        _ if io.reg(MODE) == 4 => 16 * bit_ns(modulation),
        _ => bit_ns(modulation) * [8, 16, 32, 8][(io.reg(PCNF0) >> 24 & 3) as usize],
    }
}

/// Nanoseconds of the address on the air; coded PHYs send it at 125 kbit/s and add CI and TERM1.
pub fn address_ns(modulation: Modulation, bits: u32) -> u64 {
    match modulation {
        Modulation::Coded125k | Modulation::Coded500k => u64::from(bits) * 8_000,
        _ => u64::from(bits) * bit_ns(modulation),
    }
}

/// Nanoseconds between the address and the first bit after it: CI and TERM1 of coded PHYs.
pub fn gap_ns(modulation: Modulation) -> u64 {
    match modulation {
        Modulation::Coded125k | Modulation::Coded500k => 16_000 + 24_000,
        _ => 0,
    }
}

/// Nanoseconds after the last bit: TERM2 of coded PHYs.
pub fn tail_ns(modulation: Modulation) -> u64 {
    match modulation {
        Modulation::Coded125k | Modulation::Coded500k => 3 * bit_ns(modulation),
        _ => 0,
    }
}

/// The address on the air of logical address `n`, with its length in bits (PS "RADIO", Address
/// configuration): base, then prefix,
/// least significant bit first; in IEEE 802.15.4 mode the start-of-frame delimiter.
pub fn address(io: &Io<'_, '_>, n: u32) -> (u64, u8) {
    if io.reg(MODE) == 15 {
        return (u64::from(io.reg(SFD) & 0xFF), 8);
    }
    let bytes = (io.reg(PCNF1) >> 16 & 7).min(4);
    let base = io.reg(if n == 0 { BASE0 } else { BASE1 });
    let base = if bytes == 0 { 0 } else { base >> (32 - 8 * bytes) };
    let prefix = io.reg(PREFIX0 + (n & 4)) >> (8 * (n & 3)) & 0xFF;
    (u64::from(base) | u64::from(prefix) << (8 * bytes), (8 * bytes + 8) as u8)
}

/// The linear feedback register of PS "RADIO", CRC.
struct Crc {
    value: u32,
    poly: u32,
    bits: u32,
}

impl Crc {
    fn feed(&mut self, bit: bool) {
        if self.bits == 0 {
            return;
        }
        let out = self.value >> (self.bits - 1) & 1 != 0;
        self.value = self.value << 1 & self.mask();
        if out != bit {
            self.value ^= self.poly & self.mask();
        }
    }
    fn mask(&self) -> u32 {
        u32::MAX >> (32 - self.bits.clamp(1, 32))
    }
}

/// The whitening of PS "RADIO", Data whitening: x^7 + x^4 + 1, position 0 always one.
struct Whitener(u8);

impl Whitener {
    fn new(iv: u8) -> Self {
        // The manual numbers positions from the output's far end: bit 6 of the register is position 0.
        Self(iv & 0x3F | 0x40)
    }
    fn next(&mut self) -> bool {
        let out = self.0 & 1 != 0;
        self.0 >>= 1;
        if out {
            self.0 ^= 0b100_0100;
        }
        out
    }
}

/// A received packet, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What RAM gets: S0, LENGTH, S1 bytes, then the payload.
    pub ram: Vec<u8>,
    /// How many of these bytes come before the payload.
    pub head: usize,
    /// Bits before the payload.
    pub head_bits: u32,
    /// Bits until the end of the payload.
    pub payload_bits: u32,
    /// All bits, with CRC.
    pub bits: u32,
    /// The CRC as received.
    pub crc: u32,
    /// Whether it is right (always, without CRC).
    pub crc_ok: bool,
    /// Its LENGTH asks for more than PCNF1.MAXLEN.
    pub cut: bool,
}

impl Layout {
    /// The present layout.
    pub fn of(io: &Io<'_, '_>) -> Self {
        let (pcnf0, pcnf1, crccnf) = (io.reg(PCNF0), io.reg(PCNF1), io.reg(CRCCNF));
        let ieee = crccnf >> 8 & 3 == 2;
        Self {
            s0: 8 * (pcnf0 >> 8 & 1),
            length: (pcnf0 & 0xF).min(8),
            s1: (pcnf0 >> 16 & 0xF).min(8),
            s1_in_ram: pcnf0 >> 20 & 1 != 0,
            crc_in_length: pcnf0 >> 26 & 1 != 0,
            most: pcnf1 & 0xFF,
            fixed: pcnf1 >> 8 & 0xFF,
            big: pcnf1 >> 24 & 1 != 0,
            whitening: (pcnf1 >> 25 & 1 != 0).then(|| (io.reg(DATAWHITEIV) & 0x7F) as u8),
            crc_bytes: crccnf & 3,
            crc_poly: io.reg(CRCPOLY),
            crc_init: io.reg(CRCINIT),
            crc_address: crccnf >> 8 & 3 == 0,
            crc_after_length: ieee,
        }
    }

    /// Bytes in RAM before the payload.
    fn head_bytes(&self) -> usize {
        usize::from(self.s0 > 0) + usize::from(self.length > 0) + usize::from(self.s1 > 0 || self.s1_in_ram)
    }

    /// Bytes that a transmission reads from RAM at most.
    pub fn ram_bytes(&self) -> usize {
        self.head_bytes() + self.most as usize
    }

    fn crc(&self, address: (u64, u8)) -> Crc {
        let mut crc = Crc { value: self.crc_init, poly: self.crc_poly, bits: 8 * self.crc_bytes };
        crc.value &= crc.mask();
        if self.crc_address {
            for index in 0..address.1 {
                crc.feed(address.0 >> index & 1 != 0);
            }
        }
        crc
    }

    /// How many payload bytes a LENGTH field stands for.
    fn payload(&self, length: u32) -> u32 {
        self.wanted(length).min(self.most)
    }

    fn wanted(&self, length: u32) -> u32 {
        self.fixed + if self.crc_in_length { length.saturating_sub(self.crc_bytes) } else { length }
    }

    /// Puts the packet in `ram` on the air; also tells how many bits end with the payload.
    pub fn encode(&self, ram: &[u8], address: (u64, u8)) -> (Bits, u32) {
        let mut bits = Bits::default();
        let mut bytes = ram.iter().copied();
        let mut next = || u32::from(bytes.next().unwrap_or(0));
        let mut length = 0;
        if self.s0 > 0 {
            bits.push_field(next(), 8, self.big);
        }
        if self.length > 0 {
            length = next() & ((1 << self.length) - 1);
            bits.push_field(length, self.length, self.big);
        }
        if self.s1 > 0 || self.s1_in_ram {
            bits.push_field(next(), self.s1, self.big);
        }
        let head = bits.len;
        for _ in 0..self.payload(length) {
            bits.push_field(next(), 8, self.big);
        }
        let payload_bits = bits.len;
        let mut crc = self.crc(address);
        for index in if self.crc_after_length { head } else { 0 }..bits.len {
            crc.feed(bits.bit(index));
        }
        bits.push_field(crc.value, 8 * self.crc_bytes, true);
        (self.whiten(&bits), payload_bits)
    }

    /// Whitens or, the same again, undoes it.
    pub fn whiten(&self, bits: &Bits) -> Bits {
        let Some(iv) = self.whitening else { return bits.clone() };
        let mut whitener = Whitener::new(iv);
        let mut out = Bits::default();
        for index in 0..bits.len {
            out.push(bits.bit(index) ^ whitener.next());
        }
        out
    }

    /// Takes what came from the air (no longer whitened) apart, by this receiver's own layout.
    pub fn parse(&self, bits: &Bits, address: (u64, u8)) -> Parsed {
        let mut ram = Vec::new();
        let mut at = 0;
        let mut length = 0;
        if self.s0 > 0 {
            ram.push(bits.field(at, 8, self.big) as u8);
            at += 8;
        }
        if self.length > 0 {
            length = bits.field(at, self.length, self.big);
            ram.push(length as u8);
            at += self.length;
        }
        if self.s1 > 0 || self.s1_in_ram {
            ram.push(bits.field(at, self.s1, self.big) as u8);
            at += self.s1;
        }
        let (head, head_bits) = (ram.len(), at);
        for _ in 0..self.payload(length) {
            ram.push(bits.field(at, 8, self.big) as u8);
            at += 8;
        }
        let payload_bits = at;
        let mut crc = self.crc(address);
        for index in if self.crc_after_length { head_bits } else { 0 }..at {
            crc.feed(bits.bit(index));
        }
        let received = bits.field(at, 8 * self.crc_bytes, true);
        let total = at + 8 * self.crc_bytes;
        // A packet that ended before its LENGTH says has lost its CRC.
        let whole = bits.len >= total;
        let crc_ok = self.crc_bytes == 0 || whole && received == crc.value;
        let cut = self.wanted(length) > self.most;
        Parsed { ram, head, head_bits, payload_bits, bits: total, crc: received, crc_ok, cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ble() -> Layout {
        Layout {
            s0: 8,
            length: 8,
            s1: 0,
            s1_in_ram: false,
            crc_in_length: false,
            most: 255,
            fixed: 0,
            big: false,
            whitening: Some(37 | 0x40),
            crc_bytes: 3,
            crc_poly: 0x65B,
            crc_init: 0x55_5555,
            crc_address: false,
            crc_after_length: false,
        }
    }

    #[test]
    fn an_advertising_packet_is_on_the_air_as_the_core_specification_says() {
        // Bluetooth Core v5.0, vol 6, part C, 3.3.2: CRC of a sample advertising PDU is checked here against
        // an
        // independent bit-by-bit division by the polynomial.
        let ram = [0x00, 6, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6];
        let layout = Layout { whitening: None, ..ble() };
        let (bits, payload) = layout.encode(&ram, (0, 32));
        assert_eq!((bits.len, payload), (8 * 8 + 24, 64));
        let mut remainder: u64 = 0x55_5555;
        for byte in ram {
            for bit in 0..8 {
                let top = remainder >> 23 & 1;
                remainder = remainder << 1 & 0xFF_FFFF;
                if top != u64::from(byte >> bit & 1) {
                    remainder ^= 0x00_065B;
                }
            }
        }
        assert_eq!(u64::from(bits.field(64, 24, true)), remainder);
    }

    #[test]
    fn whitening_gives_the_sequence_of_the_core_specification() {
        // Bluetooth Core v5.0, vol 6, part B, 3.2: channel 37 = register 1100101 (position 0 first). The
        // first
        // output bits are computed from the shift register of figure 3.4 written out position by position.
        let mut positions = [true, true, false, false, true, false, true];
        let mut expected = Vec::new();
        for _ in 0..32 {
            let out = positions[6];
            expected.push(out);
            let mut next = [false; 7];
            next[1..7].copy_from_slice(&positions[..6]);
            next[0] = out;
            next[4] ^= out;
            positions = next;
        }
        let mut whitener = Whitener::new(37);
        let got: Vec<bool> = (0..32).map(|_| whitener.next()).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn what_is_sent_is_received() {
        // PS "RADIO", Address configuration, CRC, Data whitening: packet, CRC, whitening.
        let ram: Vec<u8> = [0x42, 20].into_iter().chain(0..20).collect();
        let layout = ble();
        let (bits, _) = layout.encode(&ram, (0x8E89_BED6, 32));
        let parsed = layout.parse(&layout.whiten(&bits), (0x8E89_BED6, 32));
        assert_eq!((parsed.ram.clone(), parsed.crc_ok), (ram, true));
        let mut broken = bits.clone();
        broken.bytes[5] ^= 0x10;
        assert!(!layout.parse(&layout.whiten(&broken), (0, 0)).crc_ok);
        let other = Layout { whitening: Some(0x40 | 38), ..ble() };
        assert!(!other.parse(&other.whiten(&bits), (0, 0)).crc_ok);
    }

    #[test]
    fn big_endian_fields_and_s1() {
        // PS "RADIO", Packet configuration: S1 and ENDIAN.
        let layout =
            Layout { s0: 0, length: 6, s1: 3, big: true, most: 32, fixed: 1, whitening: None, ..ble() };
        let ram = [2, 5, 0xAA, 0xBB, 0xCC];
        let (bits, payload) = layout.encode(&ram, (0, 0));
        assert_eq!(payload, 6 + 3 + 24);
        assert_eq!(
            (0..9).map(|n| bits.bit(n)).collect::<Vec<_>>(),
            [false, false, false, false, true, false, true, false, true]
        );
        assert_eq!(layout.parse(&bits, (0, 0)).ram, ram);
    }

    #[test]
    fn ieee_802_15_4_length_counts_its_crc() {
        let layout = Layout {
            s0: 0,
            length: 8,
            crc_in_length: true,
            crc_bytes: 2,
            crc_poly: 0x1_1021,
            crc_init: 0,
            crc_after_length: true,
            most: 127,
            whitening: None,
            ..ble()
        };
        let ram = [5, 0x02, 0x00, 0x6A];
        let (bits, _) = layout.encode(&ram, (0xA7, 8));
        // IEEE 802.15.4-2006, 7.2.1.9: the example frame's FCS, bit 0 first.
        let fcs = (0..16).map(|n| u32::from(bits.bit(32 + n)) << n).sum::<u32>();
        assert_eq!(fcs, 0x79E4);
        assert!(layout.parse(&bits, (0xA7, 8)).crc_ok);
    }
}
