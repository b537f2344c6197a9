//! Frames as pcapng files (draft-ietf-opsawg-pcapng) for Wireshark: an interface per link and kind of frame, and virtual
//! time in nanoseconds.

pub mod air;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness};

use crate::component::PortKind;
use crate::radio::Packet;
use crate::time::Time;
use crate::wire::Signal;

/// What the frames of an interface are (the registry of LINKTYPE_ values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum LinkType {
    /// LINKTYPE_ETHERNET.
    Ethernet = 1,
    /// LINKTYPE_USER0: a radio packet that is nothing more special, in Consort's own words.
    Air = 147,
    /// LINKTYPE_USER1: a signal on a wire, in words.
    Wire = 148,
    /// LINKTYPE_IEEE802_15_4_WITHFCS.
    Ieee802154 = 195,
    /// LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR.
    BluetoothLe = 256,
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ethernet => "Ethernet",
            Self::Air => "radio",
            Self::Wire => "wire",
            Self::Ieee802154 => "IEEE 802.15.4",
            Self::BluetoothLe => "Bluetooth LE",
        })
    }
}

/// What a frame of a link is in a capture, and its bytes there.
pub fn describe(kind: PortKind, data: &[u8]) -> (LinkType, Cow<'_, [u8]>) {
    if kind == PortKind::Wire {
        let words = Signal::decode(data).map(|(_, signal)| signal.to_string().into_bytes());
        return (LinkType::Wire, words.map_or(data.into(), Cow::Owned));
    }
    match (kind == PortKind::Radio).then(|| Packet::decode(data)) {
        None => (LinkType::Ethernet, data.into()),
        Some(Ok(packet)) => {
            let (kind, bytes) = air::describe(&packet);
            (kind, bytes.into())
        }
        Some(Err(_)) => (LinkType::Air, data.into()),
    }
}

/// A capture that is being written.
pub struct Writer<W: Write> {
    out: PcapNgWriter<W>,
    interfaces: BTreeMap<(String, LinkType), u32>,
}

impl<W: Write> Writer<W> {
    /// Begins a capture that names its maker.
    pub fn new(out: W, application: &str) -> io::Result<Self> {
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(application.into())],
            ..SectionHeaderBlock::default()
        };
        let out = PcapNgWriter::with_section_header(out, section).map_err(io::Error::other)?;
        Ok(Self { out, interfaces: BTreeMap::new() })
    }

    /// The number of a link's interface for a kind of frame, which is declared when it is first asked for.
    pub fn interface(&mut self, link: &str, kind: LinkType) -> io::Result<u32> {
        let key = (link.to_owned(), kind);
        if let Some(number) = self.interfaces.get(&key) {
            return Ok(*number);
        }
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::from(u32::from(kind as u16)),
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(link.into()),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        self.out.write_pcapng_block(block).map_err(io::Error::other)?;
        let number = self.interfaces.len() as u32;
        self.interfaces.insert(key, number);
        Ok(number)
    }

    /// Adds a frame, as a port of a kind sent it at a time; an empty comment is none.
    pub fn frame(
        &mut self,
        link: &str,
        kind: PortKind,
        at: Time,
        data: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        let (kind, data) = describe(kind, data);
        let comment = (!comment.is_empty()).then(|| CommonOption::Comment(cut(comment).into()));
        let block = EnhancedPacketBlock {
            interface_id: self.interface(link, kind)?,
            timestamp: Duration::from_nanos(at.as_ns()),
            original_len: data.len() as u32,
            data,
            options: comment.map(EnhancedPacketOption::Common).into_iter().collect(),
        };
        self.out.write_pcapng_block(block).map(|_| ()).map_err(io::Error::other)
    }

    /// Ends the capture.
    pub fn finish(self) -> io::Result<W> {
        let mut out = self.out.into_inner();
        out.flush()?;
        Ok(out)
    }
}

/// Options have at most 64 KiB.
fn cut(comment: &str) -> &str {
    &comment[..comment.floor_char_boundary(usize::from(u16::MAX))]
}

#[cfg(test)]
mod tests {
    use pcap_file::pcapng::{Block, PcapNgReader};

    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let mut writer = Writer::new(Vec::new(), "consort").unwrap();
        let frame = |writer: &mut Writer<_>, link: &str, ns, data: &[u8], comment: &str| {
            writer.frame(link, PortKind::Ethernet, Time::from_ns(ns), data, comment).unwrap();
        };
        frame(&mut writer, "home", 5_001, &[1, 2, 3, 4, 5], "");
        frame(&mut writer, "garden", 1 << 40, &[], "lost");
        frame(&mut writer, "home", u64::MAX / 1000, &[7], &"é".repeat(40_000));
        // A radio frame that is none is kept as it is.
        writer.frame("air", PortKind::Radio, Time::ZERO, &[9], "").unwrap();
        let bytes = writer.finish().unwrap();
        let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
        let (mut interfaces, mut frames) = (Vec::new(), Vec::new());
        while let Some(block) = reader.next_block() {
            match block.unwrap().0 {
                Block::InterfaceDescription(interface) => {
                    interfaces.push((interface.linktype, format!("{:?}", interface.options)));
                }
                Block::EnhancedPacket(frame) => {
                    let comment = frame.options.first().map_or(0, |option| match option {
                        EnhancedPacketOption::Common(CommonOption::Comment(text)) => text.len(),
                        _ => 0,
                    });
                    frames.push((
                        frame.interface_id,
                        frame.timestamp.as_nanos() as u64,
                        frame.data.to_vec(),
                        comment,
                    ));
                }
                _ => panic!("another block"),
            }
        }
        let links: Vec<DataLink> = interfaces.iter().map(|(link, _)| *link).collect();
        assert_eq!(links, [DataLink::ETHERNET, DataLink::ETHERNET, DataLink::USER0]);
        assert!(interfaces[1].1.contains("garden"), "{interfaces:?}");
        assert_eq!(
            frames,
            [
                (0, 5_001, vec![1, 2, 3, 4, 5], 0),
                (1, 1 << 40, vec![], 4),
                (0, u64::MAX / 1000, vec![7], 65_534),
                (2, 0, vec![9], 0),
            ]
        );
    }
}
