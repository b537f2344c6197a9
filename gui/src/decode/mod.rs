//! What a packet says, layer by layer, from the bytes that a link carried.

mod ble;
mod ieee802154;
mod ip;
mod softbus;

use consort_core::capture::{self, air::channel};
use consort_core::component::PortKind;
use consort_core::radio::{Modulation, Packet};

/// A layer of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Its protocol.
    pub protocol: &'static str,
    /// What it says, in short.
    pub info: String,
    /// Its fields.
    pub fields: Vec<(&'static str, String)>,
}

impl Layer {
    fn new(protocol: &'static str, info: impl Into<String>) -> Self {
        Self { protocol, info: info.into(), fields: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// A packet's layers, outermost first; never none. What is cut short ends with what is left of it.
pub fn layers(kind: PortKind, data: &[u8]) -> Vec<Layer> {
    let mut layers = Vec::new();
    match kind {
        PortKind::Ethernet => ip::ethernet(data, &mut layers),
        PortKind::Radio => radio(data, &mut layers),
        PortKind::Wire => {
            let (_, words) = capture::describe(kind, data);
            layers.push(Layer::new("wire", String::from_utf8_lossy(&words).into_owned()));
        }
        PortKind::Uart => {}
    }
    if layers.is_empty() {
        layers.push(Layer::new("data", format!("{} bytes", data.len())));
    }
    layers
}

/// The air: what was sent how, and then what the modulation and the address promise.
fn radio(data: &[u8], layers: &mut Vec<Layer>) {
    let Ok(packet) = Packet::decode(data) else { return };
    let air = Layer::new("radio", format!("{} MHz, {} bytes", packet.mhz, packet.bit_count.div_ceil(8)))
        .with("frequency", format!("{} MHz", packet.mhz))
        .with("modulation", format!("{:?}", packet.modulation))
        .with("address", format!("{:#x} ({} bits)", packet.address, packet.address_bits))
        .with("on the air", format!("{} to {} s", packet.start, packet.end))
        .with("power", format!("{:.1} dBm", f64::from(packet.power) / 1e3));
    layers.push(air);
    match (packet.modulation, channel(packet.mhz).filter(|_| packet.address_bits == 32)) {
        (Modulation::Oqpsk250k, _) => ieee802154::frame(&packet.bits, layers),
        (
            Modulation::Gfsk1M | Modulation::Gfsk2M | Modulation::Coded125k | Modulation::Coded500k,
            Some(channel),
        ) => ble::packet(&packet, channel, layers),
        _ => layers.push(Layer::new("nRF radio", format!("to {:#x}", packet.address))),
    }
}

fn half(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?))
}

fn half_le(data: &[u8], at: usize) -> Option<u16> {
    half(data, at).map(u16::swap_bytes)
}

fn word_le(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

/// Bytes with colons, the last one first: how little-endian addresses are written.
fn reversed(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// The beginning of some text, whatever its bytes are.
fn text(bytes: &[u8], most: usize) -> String {
    bytes.iter().take(most).map(|byte| printable(*byte)).collect()
}

/// A byte as a character, or a dot.
pub fn printable(byte: u8) -> char {
    if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use consort_core::Time;
    use consort_core::wire::{Character, Signal};

    pub(super) fn on_air(modulation: Modulation, mhz: u16, address: u64, bits: &[u8]) -> Arc<[u8]> {
        let packet = Packet {
            start: Time::ZERO,
            address_end: Time::ZERO,
            end: Time::ZERO,
            mhz,
            modulation,
            address,
            address_bits: 32,
            power: 0,
            bits: bits.to_vec(),
            bit_count: bits.len() as u32 * 8,
        };
        packet.encode()
    }

    #[test]
    fn a_signal_on_a_wire_has_words() {
        let (start, end) = (Time::ZERO, Time::from_us(87));
        let signal = Signal::Character(Character { start, end, levels: 0x282, bits: 10 });
        let layers = super::layers(PortKind::Wire, &signal.encode(0));
        assert_eq!((layers[0].protocol, layers[0].info.as_str()), ("wire", "character 41"));
        assert_eq!(super::layers(PortKind::Wire, &[0xFF; 3])[0].protocol, "wire");
    }

    #[test]
    fn every_cut_of_a_packet_still_has_words() {
        let data: Vec<u8> = (0..120u32).map(|byte| (byte * 37) as u8).collect();
        for kind in [PortKind::Ethernet, PortKind::Radio, PortKind::Uart] {
            for length in 0..data.len() {
                assert!(!layers(kind, &data[..length]).is_empty());
            }
        }
        for modulation in [Modulation::Oqpsk250k, Modulation::Gfsk1M, Modulation::Gfsk250k] {
            for length in 0..data.len() {
                for seed in 0..8u8 {
                    let bits: Vec<u8> =
                        data[..length].iter().map(|byte| byte ^ seed.wrapping_mul(53)).collect();
                    let layers = layers(PortKind::Radio, &on_air(modulation, 2402, 0x8e89_bed6, &bits));
                    assert!(layers.len() > 1);
                }
            }
        }
    }
}
