//! Packets as a pcapng file (draft-ietf-opsawg-pcapng) for Wireshark: one interface per link and link type.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::decode::on_wire;
use crate::model::Packet;

/// Writes packets to a new file in the present folder, and says where.
pub fn write(packets: &[&Packet]) -> String {
    let name = |number: usize| match number {
        1 => PathBuf::from("packets.pcapng"),
        number => PathBuf::from(format!("packets-{number}.pcapng")),
    };
    let Some(path) = (1..1000).map(name).find(|path| !path.exists()) else {
        return "this folder has a thousand captures already".to_owned();
    };
    write_to(&path, packets)
}

fn write_to(path: &Path, packets: &[&Packet]) -> String {
    match std::fs::write(path, pcapng(packets)) {
        Ok(()) => format!("{} packets in {}", packets.len(), path.display()),
        Err(error) => format!("{}: {error}", path.display()),
    }
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let padding = body.len().next_multiple_of(4) - body.len();
    let length = (12 + body.len() + padding) as u32;
    file.extend(kind.to_le_bytes());
    file.extend(length.to_le_bytes());
    file.extend(body);
    file.extend(std::iter::repeat_n(0, padding));
    file.extend(length.to_le_bytes());
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The file's bytes.
pub fn pcapng(packets: &[&Packet]) -> Vec<u8> {
    let mut file = Vec::new();
    // Section header: byte order, version 1.0, length unknown.
    let mut body = 0x1A2B_3C4Du32.to_le_bytes().to_vec();
    body.extend([1, 0, 0, 0]);
    body.extend([0xFF; 8]);
    block(&mut file, 0x0A0D_0D0A, &body);
    let mut interfaces = BTreeMap::<(String, u16), u32>::new();
    for packet in packets {
        let (link_type, data) = on_wire(packet.kind, &packet.frame.data);
        let next = interfaces.len() as u32;
        let interface = *interfaces.entry((packet.frame.link.clone(), link_type)).or_insert(next);
        if interface == next {
            // Interface description: no limit on length; if_name (2), if_tsresol (9) of 10^-9, end.
            let mut body = u32::from(link_type).to_le_bytes().to_vec();
            body.extend([0; 4]);
            option(&mut body, 2, packet.frame.link.as_bytes());
            option(&mut body, 9, &[9]);
            option(&mut body, 0, &[]);
            block(&mut file, 1, &body);
        }
        let (time, length) = (packet.frame.at.as_ns(), data.len() as u32);
        let mut body = interface.to_le_bytes().to_vec();
        for word in [(time >> 32) as u32, time as u32, length, length] {
            body.extend(word.to_le_bytes());
        }
        body.extend(&data);
        body.resize(body.len().next_multiple_of(4), 0);
        let lost = packet.frame.to.iter().filter(|to| to.at.is_none());
        let lost: Vec<_> = lost.filter_map(|to| to.device.as_deref()).collect();
        let mut comment = format!("{} sent it", packet.frame.from);
        if !lost.is_empty() {
            comment += &format!("; lost for {}", lost.join(", "));
        }
        option(&mut body, 1, comment.as_bytes());
        option(&mut body, 0, &[]);
        block(&mut file, 6, &body);
    }
    file
}

#[cfg(test)]
mod tests {
    use consort_core::Time;
    use consort_core::component::PortKind;
    use consort_core::control::{Arrival, Frame};
    use consort_core::link::Fate;

    use super::*;

    #[test]
    fn blocks_are_whole_and_links_have_interfaces() {
        let packet = |link: &str, lost: bool| Packet {
            number: 1,
            frame: Frame {
                link: link.to_owned(),
                from: "hub".to_owned(),
                at: Time::from_us(5),
                data: vec![1, 2, 3, 4, 5],
                to: vec![Arrival {
                    device: Some("watch".to_owned()),
                    at: (!lost).then_some(Time::from_us(6)),
                    fate: Fate::Delivered,
                }],
            },
            kind: PortKind::Ethernet,
            layers: Vec::new(),
        };
        let (one, two) = (packet("home", false), packet("garden", true));
        let bytes = pcapng(&[&one, &two, &one]);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let (mut at, mut kinds) = (0, Vec::new());
        while at < bytes.len() {
            let length = word(at + 4) as usize;
            assert_eq!((length % 4, word(at + length - 4) as usize), (0, length));
            kinds.push((word(at), if word(at) == 6 { word(at + 8) } else { 0 }));
            at += length;
        }
        assert_eq!(kinds, [(0x0A0D_0D0A, 0), (1, 0), (6, 0), (1, 0), (6, 1), (6, 0)]);
        assert!(bytes.windows(14).any(|piece| piece == b"lost for watch"));
    }
}
