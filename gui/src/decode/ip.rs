//! Ethernet, ARP, IPv4 and IPv6 with UDP, TCP and ICMP (RFC 826, 791, 8200, 768, 9293).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Layer, half, softbus, text};

fn v4(data: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(data.get(at..at + 4)?).ok()?))
}

fn station(data: &[u8], at: usize) -> Option<String> {
    let pairs: Vec<_> = data.get(at..at + 6)?.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(pairs.join(":"))
}

/// An Ethernet frame without its check sequence.
pub fn ethernet(data: &[u8], layers: &mut Vec<Layer>) {
    let (Some(to), Some(from), Some(kind)) = (station(data, 0), station(data, 6), half(data, 12)) else {
        return;
    };
    layers.push(
        Layer::new("Ethernet", format!("{from} → {to}, type {kind:#06x}"))
            .with("to", to)
            .with("from", from)
            .with("type", format!("{kind:#06x}")),
    );
    let inner = data.get(14..).unwrap_or_default();
    let whole = match kind {
        0x0806 => arp(inner, layers),
        0x0800 => ipv4(inner, layers),
        0x86dd => ipv6(inner, layers),
        _ => Some(()),
    };
    if whole.is_none() {
        layers.push(Layer::new("cut", "the packet ends in the middle of a header"));
    }
}

fn arp(data: &[u8], layers: &mut Vec<Layer>) -> Option<()> {
    let (from, to) = (v4(data, 14)?, v4(data, 24)?);
    let info = match half(data, 6)? {
        1 => format!("who has {to}? tell {from}"),
        2 => format!("{from} is at {}", station(data, 8)?),
        other => format!("operation {other}"),
    };
    layers.push(Layer::new("ARP", info).with("sender", from.to_string()).with("target", to.to_string()));
    Some(())
}

fn ipv4(data: &[u8], layers: &mut Vec<Layer>) -> Option<()> {
    let header = usize::from(data.first()? & 0xf) * 4;
    let (from, to) = (v4(data, 12)?, v4(data, 16)?);
    let (total, protocol) = (usize::from(half(data, 2)?), *data.get(9)?);
    layers.push(
        Layer::new("IPv4", format!("{from} → {to} protocol {protocol}"))
            .with("from", from.to_string())
            .with("to", to.to_string())
            .with("length", total.to_string())
            .with("time to live", data.get(8)?.to_string()),
    );
    // Short frames are padded: what follows the packet is not its own.
    let end = if total >= header { total.min(data.len()) } else { data.len() };
    transport(&from.to_string(), &to.to_string(), protocol, data.get(header..end)?, layers)
}

fn ipv6(data: &[u8], layers: &mut Vec<Layer>) -> Option<()> {
    let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(data.get(at..at + 16)?).ok()?));
    let (from, to, protocol) = (address(8)?, address(24)?, *data.get(6)?);
    layers.push(
        Layer::new("IPv6", format!("{from} → {to} next header {protocol}"))
            .with("from", from.to_string())
            .with("to", to.to_string())
            .with("hop limit", data.get(7)?.to_string()),
    );
    transport(&from.to_string(), &to.to_string(), protocol, data.get(40..)?, layers)
}

fn transport(from: &str, to: &str, protocol: u8, data: &[u8], layers: &mut Vec<Layer>) -> Option<()> {
    match protocol {
        17 => {
            let (source, target) = (half(data, 0)?, half(data, 2)?);
            let payload = data.get(8..)?;
            let said = text(payload, 40);
            let info = format!("{from}:{source} → {to}:{target} {} bytes {said}", payload.len());
            layers.push(
                Layer::new("UDP", info)
                    .with("from port", source.to_string())
                    .with("to port", target.to_string())
                    .with("length", half(data, 4)?.to_string()),
            );
            if softbus::is_discovery(source, target) {
                softbus::discovery(payload, layers);
            }
        }
        6 => {
            let (source, target, flags) = (half(data, 0)?, half(data, 2)?, *data.get(13)?);
            let number = |at: usize| Some(u32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?));
            let names = [(2, "SYN"), (16, "ACK"), (8, "PSH"), (1, "FIN"), (4, "RST")];
            let names: Vec<_> =
                names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
            let payload = data.get(usize::from(data.get(12)? >> 4) * 4..)?;
            let names = names.join(" ");
            let info = format!("{from}:{source} → {to}:{target} [{names}] {} bytes", payload.len());
            layers.push(
                Layer::new("TCP", info)
                    .with("from port", source.to_string())
                    .with("to port", target.to_string())
                    .with("sequence", number(4)?.to_string())
                    .with("acknowledges", number(8)?.to_string())
                    .with("flags", names)
                    .with("window", half(data, 14)?.to_string()),
            );
            softbus::stream(payload, layers);
        }
        1 | 58 => {
            let (kind, code) = (data.first()?, data.get(1)?);
            let what = match (protocol, kind) {
                (1, 8) | (58, 128) => "echo request".to_owned(),
                (1, 0) | (58, 129) => "echo reply".to_owned(),
                (1, 3) | (58, 1) => "unreachable".to_owned(),
                (58, 133) => "router solicitation".to_owned(),
                (58, 134) => "router advertisement".to_owned(),
                (58, 135) => "neighbour solicitation".to_owned(),
                (58, 136) => "neighbour advertisement".to_owned(),
                _ => format!("type {kind} code {code}"),
            };
            let name = if protocol == 1 { "ICMP" } else { "ICMPv6" };
            layers.push(Layer::new(name, format!("{from} → {to} {what}")));
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with an IPv4 packet.
    fn ip(protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut data = vec![0xff; 12];
        data.extend([8, 0, 0x45, 0, 0, 20 + rest.len() as u8, 0, 0, 0, 0, 64, protocol, 0, 0]);
        data.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        data.extend(rest);
        data
    }

    fn last(data: &[u8]) -> Layer {
        let mut layers = Vec::new();
        ethernet(data, &mut layers);
        layers.pop().unwrap()
    }

    #[test]
    fn packets_are_named_by_their_innermost_protocol() {
        let udp = last(&ip(17, &[0x12, 0x34, 0x16, 0x35, 0, 10, 0, 0, b'h', 1]));
        assert_eq!(udp.protocol, "UDP");
        assert_eq!(udp.info, "10.0.0.1:4660 → 10.0.0.2:5685 2 bytes h.");
        let tcp = last(&ip(6, &[0, 80, 0, 81, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0]));
        assert_eq!((tcp.protocol, tcp.info.as_str()), ("TCP", "10.0.0.1:80 → 10.0.0.2:81 [SYN ACK] 0 bytes"));
        assert_eq!(last(&ip(1, &[8, 0])).info, "10.0.0.1 → 10.0.0.2 echo request");
        assert_eq!(last(&ip(6, &[0])).protocol, "cut");
    }

    #[test]
    fn padding_is_no_payload() {
        let mut frame = ip(17, &[0x12, 0x34, 0x16, 0x35, 0, 9, 0, 0, b'h']);
        frame.resize(60, 0);
        assert!(last(&frame).info.ends_with("1 bytes h"), "{}", last(&frame).info);
    }
}
