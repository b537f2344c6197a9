//! What a packet says, in a few words: Ethernet, ARP, IPv4 with UDP, TCP and ICMP.

use std::net::Ipv4Addr;

/// A packet in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The innermost protocol that is known.
    pub protocol: &'static str,
    /// What it says.
    pub info: String,
}

fn half(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?))
}

fn address(data: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(data.get(at..at + 4)?).ok()?))
}

/// A packet in words; what is cut short is named by what is left of it.
pub fn words(data: &[u8]) -> Words {
    ethernet(data).unwrap_or_else(|| Words { protocol: "data", info: format!("{} bytes", data.len()) })
}

fn ethernet(data: &[u8]) -> Option<Words> {
    let kind = half(data, 12)?;
    let inner = match kind {
        0x0806 => arp(&data[14..]),
        0x0800 => ipv4(&data[14..]),
        0x86dd => Some(Words { protocol: "IPv6", info: String::new() }),
        _ => None,
    };
    Some(inner.unwrap_or_else(|| Words { protocol: "Ethernet", info: format!("type {kind:#06x}") }))
}

fn arp(data: &[u8]) -> Option<Words> {
    let (from, to) = (address(data, 14)?, address(data, 24)?);
    let info = match half(data, 6)? {
        1 => format!("who has {to}? tell {from}"),
        2 => format!("{from} is here"),
        other => format!("operation {other}"),
    };
    Some(Words { protocol: "ARP", info })
}

fn ipv4(data: &[u8]) -> Option<Words> {
    let header = usize::from(data.first()? & 0xf) * 4;
    let (from, to) = (address(data, 12)?, address(data, 16)?);
    let rest = data.get(header..)?;
    let ports = || Some((half(rest, 0)?, half(rest, 2)?));
    let (protocol, info) = match data.get(9)? {
        17 => {
            let (source, target) = ports()?;
            let length = half(rest, 4)?.saturating_sub(8);
            let text: String = rest.get(8..)?.iter().take(40).map(|byte| printable(*byte)).collect();
            ("UDP", format!("{from}:{source} → {to}:{target} {length} bytes {text}"))
        }
        6 => {
            let (source, target) = ports()?;
            let flags = rest.get(13)?;
            let names = [(2, "SYN"), (16, "ACK"), (8, "PSH"), (1, "FIN"), (4, "RST")];
            let flags: Vec<_> =
                names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
            ("TCP", format!("{from}:{source} → {to}:{target} [{}]", flags.join(" ")))
        }
        1 => ("ICMP", format!("{from} → {to} type {}", rest.first()?)),
        other => ("IPv4", format!("{from} → {to} protocol {other}")),
    };
    Some(Words { protocol, info })
}

/// A byte as a character, or a dot.
pub fn printable(byte: u8) -> char {
    if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with an IPv4 packet.
    pub fn ip(protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut data = vec![0xff; 12];
        data.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        data.extend(rest);
        data
    }

    #[test]
    fn packets_are_named_by_their_innermost_protocol() {
        let udp = words(&ip(17, &[0x16, 0x34, 0x16, 0x35, 0, 10, 0, 0, b'h', 1]));
        assert_eq!(udp.protocol, "UDP");
        assert_eq!(udp.info, "10.0.0.1:5684 → 10.0.0.2:5685 2 bytes h.");
        let tcp = words(&ip(6, &[0, 80, 0, 81, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x12]));
        assert_eq!((tcp.protocol, tcp.info.as_str()), ("TCP", "10.0.0.1:80 → 10.0.0.2:81 [SYN ACK]"));
        assert_eq!(words(&ip(1, &[8])).protocol, "ICMP");
    }

    #[test]
    fn every_cut_of_a_packet_still_has_words() {
        let whole = ip(17, &[0x16, 0x34, 0x16, 0x35, 0, 10, 0, 0, b'h', 1]);
        for length in 0..whole.len() {
            assert!(!words(&whole[..length]).protocol.is_empty());
        }
    }
}
