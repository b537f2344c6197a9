//! Packets on the air in the forms that Wireshark knows.

use super::LinkType;
use crate::radio::{Modulation, Packet};

/// BLE: access address, header, CRC.
const ACCESS_ADDRESS: usize = 4;
const PDU_HEADER: usize = 2;
const CRC: usize = 3;
/// Flags of the pseudo-header: de-whitened, signal power valid.
const FLAGS: u16 = 0b11;
const FLAG_2M: u16 = 1 << 14;

/// What a packet is, and its bytes for a capture.
pub fn describe(packet: &Packet) -> (LinkType, Vec<u8>) {
    if packet.modulation == Modulation::Oqpsk250k
        && let Some((length, rest)) = packet.bits.split_first()
        && usize::from(*length & 0x7F) <= rest.len()
    {
        return (LinkType::Ieee802154, rest[..usize::from(*length & 0x7F)].to_vec());
    }
    match bluetooth(packet) {
        Some(bytes) => (LinkType::BluetoothLe, bytes),
        None => (LinkType::Air, plain(packet)),
    }
}

/// A packet that fits Bluetooth LE in everything: frequency, address, and a length that is right once it is
/// de-whitened as its channel asks.
fn bluetooth(packet: &Packet) -> Option<Vec<u8>> {
    let channel = channel(packet.mhz)?;
    if packet.address_bits != 32 || !matches!(packet.modulation, Modulation::Gfsk1M | Modulation::Gfsk2M) {
        return None;
    }
    let mut bits = packet.bits.get(..(packet.bit_count / 8) as usize)?.to_vec();
    whiten(&mut bits, channel);
    if bits.len() != PDU_HEADER + usize::from(*bits.get(1)?) + CRC {
        return None;
    }
    let mut flags = FLAGS;
    if packet.modulation == Modulation::Gfsk2M {
        flags |= FLAG_2M;
    }
    let power = (packet.power / 1_000).clamp(-128, 127) as i8;
    let mut bytes = Vec::with_capacity(10 + ACCESS_ADDRESS + bits.len());
    bytes.extend([((packet.mhz - 2402) / 2) as u8, power as u8, 0, 0]);
    bytes.extend([0; 4]); // reference access address: not given
    bytes.extend(flags.to_le_bytes());
    bytes.extend((packet.address as u32).to_le_bytes());
    bytes.extend(bits);
    Some(bytes)
}

/// The channel index of a frequency (Bluetooth Core, volume 6, part B, section 1.4.1).
pub fn channel(mhz: u16) -> Option<u8> {
    match mhz {
        2402 => Some(37),
        2426 => Some(38),
        2480 => Some(39),
        2404..=2424 if mhz.is_multiple_of(2) => Some(((mhz - 2404) / 2) as u8),
        2428..=2478 if mhz.is_multiple_of(2) => Some(((mhz - 2428) / 2) as u8 + 11),
        _ => None,
    }
}

/// Data whitening, which is its own inverse (section 3.2): x^7 + x^4 + 1, from 1 and the channel index.
pub fn whiten(bytes: &mut [u8], channel: u8) {
    // Position 0 is the highest bit.
    let mut register = 0x40 | channel & 0x3F;
    for byte in bytes {
        for bit in 0..8 {
            let out = register & 1;
            *byte ^= out << bit;
            register = (register >> 1 | out << 6) ^ out << 2;
        }
    }
}

/// docs/capture.md: frequency, modulation, address bits, address, power, bit count, bits.
fn plain(packet: &Packet) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(20 + packet.bits.len());
    bytes.extend(packet.mhz.to_le_bytes());
    bytes.extend([packet.modulation as u8, packet.address_bits]);
    bytes.extend(packet.address.to_le_bytes());
    bytes.extend(packet.power.to_le_bytes());
    bytes.extend(packet.bit_count.to_le_bytes());
    bytes.extend(&packet.bits);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    #[test]
    fn whitening_is_the_shift_register_of_the_core_specification() {
        // Figure 3.4, position by position; channel 37 begins as 1100101.
        let mut positions = [true, true, false, false, true, false, true];
        let mut expected = [0; 4];
        for index in 0..32 {
            let out = positions[6];
            expected[index / 8] |= u8::from(out) << (index % 8);
            positions = [
                out,
                positions[0],
                positions[1],
                positions[2],
                positions[3] ^ out,
                positions[4],
                positions[5],
            ];
        }
        let mut bytes = [0; 4];
        whiten(&mut bytes, 37);
        assert_eq!(bytes, expected);
        whiten(&mut bytes, 37);
        assert_eq!(bytes, [0; 4], "its own inverse");
    }

    #[test]
    fn channels_are_those_of_the_core_specification() {
        let indices = [2402, 2404, 2424, 2426, 2428, 2478, 2480].map(channel);
        assert_eq!(indices, [37, 0, 10, 38, 11, 36, 39].map(Some));
        assert_eq!([2400, 2405, 2481, 2482].map(channel), [None; 4]);
    }

    fn packet(modulation: Modulation, address_bits: u8, bits: Vec<u8>) -> Packet {
        Packet {
            start: Time::ZERO,
            address_end: Time::ZERO,
            end: Time::ZERO,
            mhz: 2402,
            modulation,
            address: 0x8E89_BED6,
            address_bits,
            power: -40_500,
            bit_count: bits.len() as u32 * 8,
            bits,
        }
    }

    #[test]
    fn each_kind_of_packet_has_its_link_type() {
        let mut advert = vec![0x42, 6, 1, 2, 3, 4, 5, 6, 0xA, 0xB, 0xC];
        let plain = advert.clone();
        whiten(&mut advert, 37);
        let (kind, bytes) = describe(&packet(Modulation::Gfsk1M, 32, advert.clone()));
        assert_eq!(kind, LinkType::BluetoothLe);
        assert_eq!(bytes[..4], [0, 0xD8, 0, 0]);
        assert_eq!(bytes[8..14], [0b11, 0, 0xD6, 0xBE, 0x89, 0x8E]);
        assert_eq!(bytes[14..], plain);
        assert_eq!(describe(&packet(Modulation::Gfsk1M, 40, advert.clone())).0, LinkType::Air);
        assert_eq!(describe(&packet(Modulation::Gfsk1M, 32, plain)).0, LinkType::Air);
        let (kind, bytes) = describe(&packet(Modulation::Oqpsk250k, 8, vec![3, 7, 8, 9]));
        assert_eq!((kind, bytes), (LinkType::Ieee802154, vec![7, 8, 9]));
    }
}
