//! Frames of an open session: the 16-byte header, the TLV head of newer peers, and the replay window.

use serde::{Deserialize, Serialize};

use super::cipher::{self, DATA_OVERHEAD, IV, SessionKey};
use super::{CodecError, MAGIC, word};

/// Bytes of the header.
pub const HEAD: usize = 16;

/// What a data frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub u32);

impl Flag {
    /// Bytes, not acknowledged.
    pub const BYTES: Self = Self(0);
    /// Acknowledges a message: its sequence number, big-endian.
    pub const ACK: Self = Self(1);
    /// A message, acknowledged.
    pub const MESSAGE: Self = Self(2);
    /// The first frame of a file; 4 to 7 are the others.
    pub const FILE_FIRST: Self = Self(3);
    /// The last of the file frames' flags: everything was sent.
    pub const FILE_ALL_SENT: Self = Self(7);
    /// A message whose sender does not wait.
    pub const ASYNC_MESSAGE: Self = Self(8);
}

/// A data frame, decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its number.
    pub seq: i32,
    /// What it carries.
    pub flag: Flag,
    /// Its content.
    pub payload: Vec<u8>,
}

/// A data frame as it came, still encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its number.
    pub seq: i32,
    /// What it carries.
    pub flag: Flag,
    /// IV, ciphertext and tag.
    pub body: Vec<u8>,
}

impl Frame {
    /// Encrypts; the IV is the sequence number and 8 random bytes.
    pub fn encode(&self, key: &SessionKey, random: [u8; 8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + DATA_OVERHEAD + self.payload.len());
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&self.seq.to_le_bytes());
        bytes.extend_from_slice(&self.flag.0.to_le_bytes());
        bytes.extend_from_slice(&((self.payload.len() + DATA_OVERHEAD) as u32).to_le_bytes());
        bytes.extend_from_slice(&cipher::seal_data(key, iv(self.seq, random), &self.payload));
        bytes
    }

    /// Encrypts behind a TLV head, for peers that negotiated one.
    pub fn encode_tlv(&self, key: &SessionKey, random: [u8; 8], head: &TlvHead) -> Vec<u8> {
        let body = cipher::seal_data(key, iv(self.seq, random), &self.payload);
        let mut bytes = TlvHead { data_len: body.len() as u32, ..*head }.encode();
        bytes.extend_from_slice(&body);
        bytes
    }
}

fn iv(seq: i32, random: [u8; 8]) -> [u8; IV] {
    let mut iv = [0; IV];
    iv[..4].copy_from_slice(&seq.to_le_bytes());
    iv[4..].copy_from_slice(&random);
    iv
}

impl Sealed {
    /// Takes the first whole frame out of a stream's bytes; `None` when more must come. `limit` is the
    /// longest content the receiver takes.
    pub fn take(stream: &mut Vec<u8>, limit: usize) -> Result<Option<Self>, CodecError> {
        let Some(magic) = word(stream, 0) else { return Ok(None) };
        if magic != MAGIC {
            return Err(CodecError::Magic(magic));
        }
        let (Some(seq), Some(flag), Some(length)) = (word(stream, 4), word(stream, 8), word(stream, 12))
        else {
            return Ok(None);
        };
        let length = length as usize;
        if length > limit + DATA_OVERHEAD {
            return Err(CodecError::TooLong { length, limit: limit + DATA_OVERHEAD });
        }
        if length < DATA_OVERHEAD {
            return Err(CodecError::Short("a data frame"));
        }
        if stream.len() < HEAD + length {
            return Ok(None);
        }
        let body = stream[HEAD..HEAD + length].to_vec();
        stream.drain(..HEAD + length);
        Ok(Some(Self { seq: seq as i32, flag: Flag(flag), body }))
    }

    /// Takes all bytes for one frame without a look at its magic and length, as the lite stack does with what one read
    /// gave it.
    pub fn take_all(stream: &mut Vec<u8>) -> Result<Option<Self>, CodecError> {
        if stream.is_empty() {
            return Ok(None);
        }
        let bytes = std::mem::take(stream);
        let (Some(seq), Some(flag), Some(body)) = (word(&bytes, 4), word(&bytes, 8), bytes.get(HEAD..))
        else {
            return Err(CodecError::Short("a data frame"));
        };
        Ok(Some(Self { seq: seq as i32, flag: Flag(flag), body: body.to_vec() }))
    }

    /// Decrypts.
    pub fn open(&self, key: &SessionKey) -> Result<Frame, CodecError> {
        let payload = cipher::open_data(key, &self.body)?;
        Ok(Frame { seq: self.seq, flag: self.flag, payload })
    }
}

/// The head that standard devices agree on by TRANS_CAPABILITY: magic, a count, then type, length and value
/// of each field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlvHead {
    /// Type 0: the frame's number.
    pub seq: i32,
    /// Type 1: the number of the data the frame belongs to.
    pub data_seq: u32,
    /// Type 2: see [`Flag`].
    pub flag: u32,
    /// Type 3: whether an acknowledgement is wanted.
    pub need_ack: bool,
    /// Type 4: bytes that follow the head.
    pub data_len: u32,
}

impl TlvHead {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.push(5);
        for (kind, value) in [(0, self.seq as u32), (1, self.data_seq), (2, self.flag)] {
            bytes.extend_from_slice(&[kind, 4]);
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.extend_from_slice(&[3, 1, u8::from(self.need_ack), 4, 4]);
        bytes.extend_from_slice(&self.data_len.to_le_bytes());
        bytes
    }

    /// Reads a head and tells how long it is; `None` when more bytes must come. Unknown fields are passed
    /// over, as newer peers may add some.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, CodecError> {
        let Some(magic) = word(bytes, 0) else { return Ok(None) };
        if magic != MAGIC {
            return Err(CodecError::Magic(magic));
        }
        let Some(count) = bytes.get(4) else { return Ok(None) };
        let (mut head, mut at) = (Self::default(), 5);
        for _ in 0..*count {
            let Some([kind, length]) = bytes.get(at..at + 2) else { return Ok(None) };
            let end = at + 2 + usize::from(*length);
            let Some(value) = bytes.get(at + 2..end) else { return Ok(None) };
            let mut number = [0; 4];
            for (to, from) in number.iter_mut().zip(value) {
                *to = *from;
            }
            let number = u32::from_le_bytes(number);
            match (kind, length) {
                (0, 4) => head.seq = number as i32,
                (1, 4) => head.data_seq = number,
                (2, 1..=4) => head.flag = number,
                (3, 1..=4) => head.need_ack = number != 0,
                (4, 4) => head.data_len = number,
                (0..=4, _) => return Err(CodecError::Field("TLV length")),
                _ => {}
            }
            at = end;
        }
        Ok(Some((head, at)))
    }
}

/// Which of the latest sequence numbers were seen: 64 bits, of which 60 count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayWindow {
    /// The highest number, once there was one.
    top: Option<i32>,
    /// Bit `n`: `top - n` was seen.
    seen: u64,
}

impl ReplayWindow {
    /// How far behind the highest number a frame may be.
    pub const WIDTH: u32 = 60;

    /// Notes a number; false when it was seen before or is too old to tell.
    pub fn accept(&mut self, seq: i32) -> bool {
        let Some(top) = self.top else {
            *self = Self { top: Some(seq), seen: 1 };
            return true;
        };
        let ahead = i64::from(seq) - i64::from(top);
        if ahead > 0 {
            self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
            self.top = Some(seq);
            return true;
        }
        let bit = match u32::try_from(-ahead) {
            Ok(behind) if behind < Self::WIDTH => 1 << behind,
            _ => return false,
        };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_layout_is_the_wires() {
        let frame = Frame { seq: 3, flag: Flag::MESSAGE, payload: b"hi".to_vec() };
        let bytes = frame.encode(&[9; 32], [7; 8]);
        assert_eq!(bytes[..16], [0xCE, 0xFA, 0xBE, 0xBA, 3, 0, 0, 0, 2, 0, 0, 0, 30, 0, 0, 0]);
        assert_eq!(bytes[16..28], [3, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]);
        assert_eq!(bytes.len(), 16 + 12 + 2 + 16);
    }

    #[test]
    fn a_window_remembers_sixty_numbers() {
        let mut window = ReplayWindow::default();
        assert!(window.accept(100));
        assert!(!window.accept(100));
        assert!(window.accept(41));
        assert!(!window.accept(41));
        assert!(!window.accept(40), "61 numbers back");
        assert!(window.accept(i32::MAX));
        assert!(!window.accept(100));
        assert!(!window.accept(i32::MIN));
    }

    proptest! {
        #[test]
        fn frames_round_trip_through_any_cut(
            frames in prop::collection::vec((any::<i32>(), 0_u32..9, prop::collection::vec(any::<u8>(), 0..50)), 1..5),
            cut in 1_usize..40,
        ) {
            let key = [5; 32];
            let frames: Vec<Frame> = frames.into_iter()
                .map(|(seq, flag, payload)| Frame { seq, flag: Flag(flag), payload }).collect();
            let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.encode(&key, [1; 8])).collect();
            let (mut stream, mut seen) = (Vec::new(), Vec::new());
            for part in bytes.chunks(cut) {
                stream.extend_from_slice(part);
                while let Some(sealed) = Sealed::take(&mut stream, 50).unwrap() {
                    seen.push(sealed.open(&key).unwrap());
                }
            }
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn tlv_heads_round_trip(seq: i32, data_seq: u32, flag: u32, need_ack: bool, data_len: u32) {
            let head = TlvHead { seq, data_seq, flag, need_ack, data_len };
            let bytes = head.encode();
            prop_assert_eq!(TlvHead::decode(&bytes), Ok(Some((head, bytes.len()))));
            prop_assert_eq!(TlvHead::decode(&bytes[..bytes.len() - 1]), Ok(None));
        }

        #[test]
        fn any_bytes_are_harmless(mut bytes in prop::collection::vec(any::<u8>(), 0..80), magic: bool) {
            if magic && bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
            }
            let _ = TlvHead::decode(&bytes);
            while let Ok(Some(sealed)) = Sealed::take(&mut bytes, 64) {
                prop_assert!(sealed.open(&[0; 32]).is_err());
            }
        }

        #[test]
        fn a_number_is_never_taken_twice(seqs in prop::collection::vec(-100_i32..100, 0..200)) {
            let (mut window, mut taken) = (ReplayWindow::default(), BTreeSet::new());
            for seq in seqs {
                let top = taken.last().copied();
                let fresh = !taken.contains(&seq) && top.is_none_or(|top| top - seq < 60);
                prop_assert_eq!(window.accept(seq), fresh);
                taken.insert(seq);
            }
        }
    }
}
