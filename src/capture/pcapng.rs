//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng), for Wireshark.

use std::io::{Result, Write};

use consort_core::Time;

/// What the frames of an interface are (the registry of LINKTYPE_ values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum LinkType {
    /// LINKTYPE_ETHERNET.
    Ethernet = 1,
    /// LINKTYPE_USER0: a radio packet that is nothing more special, in Consort's own words.
    Air = 147,
    /// LINKTYPE_IEEE802_15_4_WITHFCS.
    Ieee802154 = 195,
    /// LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR.
    BluetoothLe = 256,
}

/// Writes the section header, which comes first: byte order, version 1.0, length unknown.
pub fn section(out: &mut impl Write, application: &str) -> Result<()> {
    let mut body = 0x1A2B_3C4Du32.to_le_bytes().to_vec();
    body.extend([1, 0, 0, 0]);
    body.extend([0xFF; 8]);
    option(&mut body, 4, application.as_bytes()); // shb_userappl
    option(&mut body, 0, &[]);
    block(out, 0x0A0D_0D0A, &body)
}

/// Writes an interface, which frames name by its number in the order of writing; times are in nanoseconds.
pub fn interface(out: &mut impl Write, kind: LinkType, name: &str) -> Result<()> {
    let mut body = u32::from(kind as u16).to_le_bytes().to_vec();
    body.extend([0; 4]); // no limit on length
    option(&mut body, 2, name.as_bytes()); // if_name
    option(&mut body, 9, &[9]); // if_tsresol: 10^-9
    option(&mut body, 0, &[]);
    block(out, 1, &body)
}

/// Writes a frame; an empty comment is none.
pub fn frame(out: &mut impl Write, interface: u32, at: Time, data: &[u8], comment: &str) -> Result<()> {
    let (time, length) = (at.as_ns(), data.len() as u32);
    let mut body = Vec::with_capacity(data.len() + comment.len() + 40);
    for word in [interface, (time >> 32) as u32, time as u32, length, length] {
        body.extend(word.to_le_bytes());
    }
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    if !comment.is_empty() {
        option(&mut body, 1, comment.as_bytes()); // opt_comment
        option(&mut body, 0, &[]);
    }
    block(out, 6, &body)
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> Result<()> {
    let padding = body.len().next_multiple_of(4) - body.len();
    let length = ((12 + body.len() + padding) as u32).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&[0; 3][..padding])?;
    out.write_all(&length)
}

/// Options are at most 64 KiB; a longer comment is cut.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_padded_and_closed_by_their_length() {
        let (mut bytes, mut at, mut kinds) = (Vec::new(), 0, Vec::new());
        section(&mut bytes, "consort").unwrap();
        interface(&mut bytes, LinkType::Ethernet, "home").unwrap();
        frame(&mut bytes, 0, Time::from_us(5), &[1, 2, 3, 4, 5], "").unwrap();
        let last = bytes.len() - 40;
        let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([last + 12, last + 16, last + 20].map(|at| word(&bytes, at)), [0, 5_000, 5]);
        frame(&mut bytes, 0, Time::from_us(6), &[1], "lost").unwrap();
        while at < bytes.len() {
            let length = word(&bytes, at + 4) as usize;
            assert_eq!((length % 4, word(&bytes, at + length - 4) as usize), (0, length));
            kinds.push(word(&bytes, at));
            at += length;
        }
        assert_eq!(kinds, [0x0A0D_0D0A, 1, 6, 6]);
    }
}
