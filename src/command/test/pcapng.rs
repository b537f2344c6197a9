//! Frames as a pcapng file (draft-ietf-opsawg-pcapng), for Wireshark.

use consort_core::Time;

/// Link type Ethernet (LINKTYPE_ETHERNET).
const ETHERNET: u16 = 1;

/// A capture of one Ethernet link.
pub struct Pcapng(Vec<u8>);

impl Pcapng {
    /// An empty capture of the link `name`, with times in nanoseconds.
    pub fn new(name: &str) -> Self {
        let mut file = Self(Vec::new());
        // Section header: byte order, version 1.0, length unknown.
        let mut body = 0x1A2B_3C4Du32.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]);
        body.extend([0xFF; 8]);
        file.block(0x0A0D_0D0A, &body);
        // Interface description: no limit on length; if_name (2), if_tsresol (9) of 10^-9, end.
        let mut body = u32::from(ETHERNET).to_le_bytes().to_vec();
        body.extend([0; 4]);
        option(&mut body, 2, name.as_bytes());
        option(&mut body, 9, &[9]);
        option(&mut body, 0, &[]);
        file.block(1, &body);
        file
    }

    /// Adds a frame.
    pub fn add(&mut self, at: Time, data: &[u8]) {
        let (time, length) = (at.as_ns(), data.len() as u32);
        let mut body = 0u32.to_le_bytes().to_vec();
        for word in [(time >> 32) as u32, time as u32, length, length] {
            body.extend(word.to_le_bytes());
        }
        body.extend(data);
        self.block(6, &body);
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let padding = body.len().next_multiple_of(4) - body.len();
        let length = (12 + body.len() + padding) as u32;
        self.0.extend(kind.to_le_bytes());
        self.0.extend(length.to_le_bytes());
        self.0.extend(body);
        self.0.extend(std::iter::repeat_n(0, padding));
        self.0.extend(length.to_le_bytes());
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
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
        let mut file = Pcapng::new("home");
        file.add(Time::from_us(5), &[1, 2, 3, 4, 5]);
        let (bytes, mut at, mut kinds) = (file.bytes(), 0, Vec::new());
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        while at < bytes.len() {
            let length = word(at + 4) as usize;
            assert_eq!((length % 4, word(at + length - 4) as usize), (0, length));
            kinds.push(word(at));
            at += length;
        }
        assert_eq!(kinds, [0x0A0D_0D0A, 1, 6]);
        let frame = bytes.len() - 40;
        assert_eq!([word(frame + 12), word(frame + 16), word(frame + 20)], [0, 5_000, 5]);
    }
}
