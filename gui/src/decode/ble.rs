//! Bluetooth Low Energy link layer (Core Specification 5.4, Vol 6 Part B), with L2CAP and ATT above it.

use consort_core::capture::air::whiten;
use consort_core::radio::Packet;

use super::{Layer, half_le, reversed, text};

const ADVERTISING: u64 = 0x8e89_bed6;

/// A packet with an access address, on a channel of Bluetooth's.
pub fn packet(packet: &Packet, channel: u8, layers: &mut Vec<Layer>) {
    let mut data = packet.bits.clone();
    whiten(&mut data, channel);
    let whole = if packet.address == ADVERTISING {
        advertising(&data, channel, layers)
    } else {
        link(&data, packet.address, channel, layers)
    };
    if whole.is_none() {
        layers.push(Layer::new("BLE", format!("channel {channel}, cut short")));
    }
}

fn advertising(data: &[u8], channel: u8, layers: &mut Vec<Layer>) -> Option<()> {
    let (head, length) = (*data.first()?, usize::from(*data.get(1)?));
    let body = data.get(2..2 + length)?;
    let kind = match head & 0xf {
        0 => "ADV_IND",
        1 => "ADV_DIRECT_IND",
        2 => "ADV_NONCONN_IND",
        3 => "SCAN_REQ",
        4 => "SCAN_RSP",
        5 => "CONNECT_IND",
        6 => "ADV_SCAN_IND",
        7 => "ADV_EXT_IND",
        _ => "reserved",
    };
    let from = body.get(..6).map(reversed).unwrap_or_default();
    let two = matches!(head & 0xf, 1 | 3 | 5);
    let to = body.get(6..12).filter(|_| two).map(reversed);
    let info = match &to {
        Some(to) => format!("{kind} {from} → {to}"),
        None => format!("{kind} {from}"),
    };
    let mut layer = Layer::new("BLE", info)
        .with("channel", channel.to_string())
        .with("type", kind)
        .with("from", format!("{from} ({})", if head & 0x40 != 0 { "random" } else { "public" }))
        .with("length", length.to_string());
    if let Some(to) = to {
        layer = layer.with("to", to);
    }
    if head & 0xf == 5 {
        let address = super::word_le(body, 12)?;
        layer = layer
            .with("access address", format!("{address:#010x}"))
            .with("interval", format!("{:.2} ms", f64::from(half_le(body, 22)?) * 1.25))
            .with("latency", half_le(body, 24)?.to_string())
            .with("supervision", format!("{} ms", u32::from(half_le(body, 26)?) * 10))
            .with("hop", (body.get(33)? & 0x1f).to_string());
    }
    let mut rest = if two || head & 0xf == 7 { &[][..] } else { body.get(6..).unwrap_or_default() };
    // Advertising data (Core Specification Supplement, Part A).
    while let [length, kind, tail @ ..] = rest {
        let Some(value) = usize::from(*length).checked_sub(1).and_then(|length| tail.get(..length)) else {
            break;
        };
        let shown = match kind {
            1 => format!("{:#04x}", value.first().copied().unwrap_or(0)),
            8 | 9 => text(value, 32),
            2 | 3 => reversed(value).replace(':', ""),
            _ => value.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let name = match kind {
            1 => "flags",
            2 | 3 => "services",
            8 | 9 => "name",
            0x16 => "service data",
            0xff => "manufacturer",
            _ => "data",
        };
        if name == "name" {
            layer.info += &format!(" \"{shown}\"");
        }
        layer = layer.with(name, shown);
        rest = &tail[value.len()..];
    }
    layers.push(layer);
    Some(())
}

/// Data and control of a connection.
fn link(data: &[u8], address: u64, channel: u8, layers: &mut Vec<Layer>) -> Option<()> {
    let (head, length) = (*data.first()?, usize::from(*data.get(1)?));
    let body = data.get(2..2 + length)?;
    let (next, number, more) = (head >> 2 & 1, head >> 3 & 1, head >> 4 & 1);
    let (kind, inner) = match head & 3 {
        1 if length == 0 => ("empty", String::new()),
        1 => ("data", format!("{length} bytes, continued")),
        2 => ("data", format!("{length} bytes")),
        3 => ("control", control(*body.first()?)),
        _ => ("reserved", String::new()),
    };
    layers.push(
        Layer::new("BLE", format!("{address:08x} {kind} {inner}"))
            .with("access address", format!("{address:#010x}"))
            .with("channel", channel.to_string())
            .with("kind", format!("{kind} {inner}"))
            .with("sequence", format!("{number}, expects {next}"))
            .with("more data", more.to_string()),
    );
    if head & 3 == 2 && length >= 4 {
        let channel = half_le(body, 2)?;
        let name = match channel {
            4 => "ATT",
            5 => "signalling",
            6 => "SMP",
            _ => "channel",
        };
        layers.push(
            Layer::new("L2CAP", format!("{name} {} bytes", half_le(body, 0)?))
                .with("channel", channel.to_string()),
        );
        if channel == 4 {
            layers.push(attribute(body.get(4..)?)?);
        }
    }
    Some(())
}

fn control(opcode: u8) -> String {
    let names = [
        "LL_CONNECTION_UPDATE_IND",
        "LL_CHANNEL_MAP_IND",
        "LL_TERMINATE_IND",
        "LL_ENC_REQ",
        "LL_ENC_RSP",
        "LL_START_ENC_REQ",
        "LL_START_ENC_RSP",
        "LL_UNKNOWN_RSP",
        "LL_FEATURE_REQ",
        "LL_FEATURE_RSP",
        "LL_PAUSE_ENC_REQ",
        "LL_PAUSE_ENC_RSP",
        "LL_VERSION_IND",
        "LL_REJECT_IND",
        "LL_PERIPHERAL_FEATURE_REQ",
        "LL_CONNECTION_PARAM_REQ",
        "LL_CONNECTION_PARAM_RSP",
        "LL_REJECT_EXT_IND",
        "LL_PING_REQ",
        "LL_PING_RSP",
        "LL_LENGTH_REQ",
        "LL_LENGTH_RSP",
        "LL_PHY_REQ",
        "LL_PHY_RSP",
        "LL_PHY_UPDATE_IND",
    ];
    names.get(usize::from(opcode)).map_or_else(|| format!("opcode {opcode:#04x}"), |name| (*name).to_owned())
}

/// The attribute protocol (Vol 3 Part F).
fn attribute(data: &[u8]) -> Option<Layer> {
    let opcode = *data.first()?;
    let name = match opcode {
        0x01 => "error",
        0x02 => "exchange MTU request",
        0x03 => "exchange MTU response",
        0x04 => "find information request",
        0x05 => "find information response",
        0x06 => "find by type value request",
        0x07 => "find by type value response",
        0x08 => "read by type request",
        0x09 => "read by type response",
        0x0a => "read request",
        0x0b => "read response",
        0x10 => "read by group type request",
        0x11 => "read by group type response",
        0x12 => "write request",
        0x13 => "write response",
        0x1b => "notification",
        0x1d => "indication",
        0x1e => "confirmation",
        0x52 => "write command",
        _ => "unknown",
    };
    let handle = half_le(data, 1).filter(|_| matches!(opcode, 0x0a | 0x12 | 0x1b | 0x1d | 0x52));
    let info = handle.map_or(name.to_owned(), |handle| format!("{name} of {handle:#06x}"));
    let value = data.get(if handle.is_some() { 3 } else { 1 }..).unwrap_or_default();
    let value: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Layer::new("ATT", info).with("opcode", format!("{opcode:#04x}")).with("value", value))
}

#[cfg(test)]
mod tests {
    use consort_core::component::PortKind;
    use consort_core::radio::Modulation;

    use super::*;
    use crate::decode::layers;
    use crate::decode::tests::on_air;

    fn white(pdu: &[u8], channel: u8) -> Vec<u8> {
        let mut bytes = pdu.to_vec();
        whiten(&mut bytes, channel);
        bytes
    }

    #[test]
    fn advertisements_tell_their_names() {
        let mut pdu = vec![0x40, 6 + 3 + 7, 1, 2, 3, 4, 5, 0xc6, 2, 1, 6, 6, 9];
        pdu.extend(b"Watch\0\0\0");
        let frame = on_air(Modulation::Gfsk1M, 2402, ADVERTISING, &white(&pdu, 37));
        let layer = layers(PortKind::Radio, &frame).pop().unwrap();
        assert_eq!(layer.info, "ADV_IND c6:05:04:03:02:01 \"Watch\"");
        assert!(layer.fields.contains(&("flags", "0x06".to_owned())));
    }

    #[test]
    fn notifications_are_found_inside() {
        let pdu = [0x02, 9, 5, 0, 4, 0, 0x1b, 0x0e, 0, 0x48, 0x49];
        let frame = on_air(Modulation::Gfsk1M, 2404, 0x5065_5432, &white(&pdu, 0));
        let layers = layers(PortKind::Radio, &frame);
        let names: Vec<_> = layers.iter().map(|layer| layer.protocol).collect();
        assert_eq!(names, ["radio", "BLE", "L2CAP", "ATT"]);
        assert_eq!(layers[3].info, "notification of 0x000e");
        assert_eq!(layers[3].fields[1].1, "4849");
    }
}
