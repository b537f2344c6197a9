//! Packets with the 24-byte header: magic, module, sequence number, flag, length, then the body.

use super::{CodecError, MAGIC, word};

/// Bytes of the header.
pub const HEAD: usize = 24;
/// The longest body a small device takes.
pub const SMALL_LIMIT: usize = 1512;
/// The longest body a standard device takes.
pub const STANDARD_LIMIT: usize = 64 * 1024;
/// The flag of a reply.
pub const REPLY: u32 = 1;

/// What a packet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Module(pub u32);

impl Module {
    /// Device identities.
    pub const TRUST_ENGINE: Self = Self(1);
    /// Device authentication of HiChain.
    pub const HICHAIN: Self = Self(2);
    /// Device authentication through the authentication SDK.
    pub const AUTH_SDK: Self = Self(3);
    /// Group synchronisation of HiChain.
    pub const HICHAIN_SYNC: Self = Self(4);
    /// Device information.
    pub const CONNECTION: Self = Self(5);
    /// A session request or reply; standard devices use the number on authentication connections to cancel.
    pub const SESSION: Self = Self(6);
    /// Raw bytes of an authentication channel.
    pub const AUTH_CHANNEL: Self = Self(8);
    /// Messages of an authentication channel.
    pub const AUTH_MSG: Self = Self(9);
    /// Device information between standard devices.
    pub const DS_CONNECTION: Self = Self(11);
    /// Requests to open a proxy channel.
    pub const PROXY: Self = Self(13);
    /// Device authentication between standard devices.
    pub const DEVICE_AUTH: Self = Self(14);
    /// Peer-to-peer links.
    pub const P2P_LINK: Self = Self(15);
    /// Channels over UDP.
    pub const UDP_INFO: Self = Self(17);
    /// Time synchronisation.
    pub const TIME_SYNC: Self = Self(19);
    /// Authentication of meta nodes.
    pub const META_AUTH: Self = Self(21);

    /// Whether bodies of this module are sent in the clear.
    pub const fn is_plain(self) -> bool {
        matches!(self.0, 1..=4 | 8 | 9)
    }

    /// Its name, for the trace.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TRUST_ENGINE => "TRUST_ENGINE",
            Self::HICHAIN => "HICHAIN",
            Self::AUTH_SDK => "AUTH_SDK",
            Self::HICHAIN_SYNC => "HICHAIN_SYNC",
            Self::CONNECTION => "CONNECTION",
            Self::SESSION => "SESSION",
            Self::AUTH_CHANNEL => "AUTH_CHANNEL",
            Self::AUTH_MSG => "AUTH_MSG",
            Self::DS_CONNECTION => "CONNECTION (standard)",
            Self::PROXY => "PROXY",
            Self::DEVICE_AUTH => "DEVICE_AUTH",
            Self::P2P_LINK => "P2P_LINK",
            Self::UDP_INFO => "UDP_INFO",
            Self::TIME_SYNC => "TIME_SYNC",
            Self::META_AUTH => "META_AUTH",
            _ => "unknown",
        }
    }
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it is about.
    pub module: Module,
    /// Its number; a reply repeats the request's.
    pub seq: u64,
    /// [`REPLY`] or 0.
    pub flag: u32,
    /// The body, encrypted for most modules.
    pub body: Vec<u8>,
}

impl Packet {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.body.len());
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&self.module.0.to_le_bytes());
        bytes.extend_from_slice(&self.seq.to_le_bytes());
        bytes.extend_from_slice(&self.flag.to_le_bytes());
        bytes.extend_from_slice(&(self.body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Takes the first whole packet out of a stream's bytes; `None` when more must come. Never waits for
    /// more than a header and `limit` bytes.
    pub fn take(stream: &mut Vec<u8>, limit: usize) -> Result<Option<Self>, CodecError> {
        let Some(magic) = word(stream, 0) else { return Ok(None) };
        if magic != MAGIC {
            return Err(CodecError::Magic(magic));
        }
        let (Some(module), Some(low), Some(high), Some(flag), Some(length)) =
            (word(stream, 4), word(stream, 8), word(stream, 12), word(stream, 16), word(stream, 20))
        else {
            return Ok(None);
        };
        let length = length as usize;
        if length > limit {
            return Err(CodecError::TooLong { length, limit });
        }
        if stream.len() < HEAD + length {
            return Ok(None);
        }
        let body = stream[HEAD..HEAD + length].to_vec();
        stream.drain(..HEAD + length);
        Ok(Some(Self { module: Module(module), seq: u64::from(high) << 32 | u64::from(low), flag, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_layout_is_the_wires() {
        let packet =
            Packet { module: Module::CONNECTION, seq: 0x0102_0304, flag: REPLY, body: b"{}".to_vec() };
        let bytes = packet.encode();
        assert_eq!(bytes[..4], [0xCE, 0xFA, 0xBE, 0xBA]);
        assert_eq!(bytes[4..], [5, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'{', b'}']);
    }

    #[test]
    fn bad_heads_are_refused_before_the_body_comes() {
        let mut stream = vec![0; 4];
        assert_eq!(Packet::take(&mut stream, 10), Err(CodecError::Magic(0)));
        let packet = Packet { module: Module(1), seq: 0, flag: 0, body: vec![0; 11] };
        let mut stream = packet.encode()[..HEAD].to_vec();
        assert_eq!(Packet::take(&mut stream, 10), Err(CodecError::TooLong { length: 11, limit: 10 }));
    }

    proptest! {
        #[test]
        fn any_cut_of_a_stream_gives_the_same_packets(
            packets in prop::collection::vec(
                (any::<u32>(), any::<u64>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..40)), 0..5),
            cut in 1_usize..30,
        ) {
            let packets: Vec<Packet> = packets.into_iter()
                .map(|(module, seq, flag, body)| Packet { module: Module(module), seq, flag, body }).collect();
            let bytes: Vec<u8> = packets.iter().flat_map(Packet::encode).collect();
            let (mut stream, mut seen) = (Vec::new(), Vec::new());
            for part in bytes.chunks(cut) {
                stream.extend_from_slice(part);
                while let Some(packet) = Packet::take(&mut stream, SMALL_LIMIT).unwrap() {
                    seen.push(packet);
                }
            }
            prop_assert!(stream.is_empty());
            prop_assert_eq!(seen, packets);
        }

        #[test]
        fn any_bytes_are_a_packet_an_error_or_a_beginning(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            while let Ok(Some(_)) = Packet::take(&mut bytes, SMALL_LIMIT) {}
        }
    }
}
