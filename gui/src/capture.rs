//! Packets as a capture file for Wireshark.

use std::io;
use std::path::{Path, PathBuf};

use consort_core::capture::Writer;

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
    match pcapng(packets).and_then(|bytes| std::fs::write(path, bytes)) {
        Ok(()) => format!("{} packets in {}", packets.len(), path.display()),
        Err(error) => format!("{}: {error}", path.display()),
    }
}

/// The file's bytes.
pub fn pcapng(packets: &[&Packet]) -> io::Result<Vec<u8>> {
    let mut file = Writer::new(Vec::new(), concat!("consort-gui ", env!("CARGO_PKG_VERSION")))?;
    for packet in packets {
        let frame = &packet.frame;
        let lost = frame.to.iter().filter(|to| to.at.is_none());
        let lost: Vec<_> = lost.filter_map(|to| to.device.as_deref()).collect();
        let mut comment = format!("{} sent it", frame.from);
        if !lost.is_empty() {
            comment += &format!("; lost for {}", lost.join(", "));
        }
        file.frame(&frame.link, packet.kind, frame.at, &frame.data, &comment)?;
    }
    file.finish()
}

#[cfg(test)]
mod tests {
    use consort_core::Time;
    use consort_core::component::PortKind;
    use consort_core::control::{Arrival, Frame};
    use consort_core::link::Fate;

    use super::*;

    #[test]
    fn frames_say_who_sent_them_and_who_lost_them() {
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
        let bytes = pcapng(&[&packet("home", false), &packet("garden", true)]).unwrap();
        let count = |words: &[u8]| bytes.windows(words.len()).filter(|piece| *piece == words).count();
        assert_eq!([count(b"home"), count(b"garden"), count(b"hub sent it")], [1, 1, 2]);
        assert_eq!(count(b"lost for watch"), 1);
    }
}
