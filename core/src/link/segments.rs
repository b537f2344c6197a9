//! TCP segments inside Ethernet frames (RFC 791, RFC 9293), cut into pieces and put together: what
//! middleboxes and offloading controllers do to a stream.

use std::sync::Arc;

const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const TCP: u8 = 6;
/// The most of one segment's payload that a coalesced one may have on Ethernet.
pub(super) const MOST: usize = 1460;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const URG: u8 = 0x20;

/// Where things are in a frame that carries a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where TCP's header begins.
    tcp: usize,
    /// Where its payload begins and ends.
    payload: (usize, usize),
    /// The first byte's sequence number.
    seq: u32,
    flags: u8,
}

fn be16(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 2).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])))
}

impl Segment {
    /// Finds the segment in a frame: whole IPv4 without fragments, and lengths that fit.
    pub fn find(frame: &[u8]) -> Option<Self> {
        if frame.get(12..14)? != IPV4 {
            return None;
        }
        let first = *frame.get(ETHERNET)?;
        let header = usize::from(first & 0xF) * 4;
        let total = be16(frame, ETHERNET + 2)?;
        let fragment = be16(frame, ETHERNET + 6)? & 0x3FFF;
        if first >> 4 != 4 || header < 20 || fragment != 0 || *frame.get(ETHERNET + 9)? != TCP {
            return None;
        }
        let (tcp, end) = (ETHERNET + header, ETHERNET + total);
        let data = tcp + usize::from(*frame.get(tcp + 12)? >> 4) * 4;
        let seq = u32::from_be_bytes(frame.get(tcp + 4..tcp + 8)?.try_into().ok()?);
        let flags = *frame.get(tcp + 13)?;
        let fits = data >= tcp + 20 && data <= end && end <= frame.len();
        fits.then_some(Self { tcp, payload: (data, end), seq, flags })
    }

    /// How much payload it has.
    pub fn len(&self) -> usize {
        self.payload.1 - self.payload.0
    }

    /// Whether it is payload in the middle of a stream, which may be cut and joined.
    pub fn is_plain_data(&self) -> bool {
        self.len() > 0 && self.flags & (SYN | FIN | RST | URG) == 0
    }

    /// The connection and direction it belongs to: addresses and ports.
    pub fn flow(&self, frame: &[u8]) -> [u8; 12] {
        let mut flow = [0; 12];
        flow[..8].copy_from_slice(&frame[ETHERNET + 12..ETHERNET + 20]);
        flow[8..].copy_from_slice(&frame[self.tcp..self.tcp + 4]);
        flow
    }

    /// The frame again, with this payload, sequence number and flags, and right checksums.
    fn with(&self, frame: &[u8], seq: u32, flags: u8, payload: &[u8]) -> Arc<[u8]> {
        let mut bytes = frame[..self.payload.0].to_vec();
        bytes.extend_from_slice(payload);
        let total = (bytes.len() - ETHERNET) as u16;
        let tcp = self.tcp;
        bytes[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&total.to_be_bytes());
        bytes[tcp + 4..tcp + 8].copy_from_slice(&seq.to_be_bytes());
        bytes[tcp + 13] = flags;
        bytes[ETHERNET + 10..ETHERNET + 12].fill(0);
        let sum = checksum(0, &bytes[ETHERNET..tcp]);
        bytes[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
        bytes[tcp + 16..tcp + 18].fill(0);
        let pseudo = u32::from(TCP) + (bytes.len() - tcp) as u32;
        let pseudo = bytes[ETHERNET + 12..ETHERNET + 20].chunks(2).fold(pseudo, add);
        let sum = checksum(pseudo, &bytes[tcp..]);
        bytes[tcp + 16..tcp + 18].copy_from_slice(&sum.to_be_bytes());
        bytes.resize(bytes.len().max(60), 0);
        bytes.into()
    }

    /// The frame as several, of at most `most` bytes of payload each.
    pub fn split(&self, frame: &[u8], most: usize) -> Vec<Arc<[u8]>> {
        let payload = &frame[self.payload.0..self.payload.1];
        let pieces = payload.len().div_ceil(most.max(1));
        let cut = |(index, piece): (usize, &[u8])| {
            let seq = self.seq.wrapping_add((index * most) as u32);
            let flags = if index + 1 == pieces { self.flags } else { self.flags & !PSH };
            self.with(frame, seq, flags, piece)
        };
        payload.chunks(most.max(1)).enumerate().map(cut).collect()
    }

    /// One frame of this and the one that follows it in its stream, when they fit together.
    pub fn join(&self, frame: &[u8], next: &Self, next_frame: &[u8]) -> Option<Arc<[u8]>> {
        let follows = next.seq == self.seq.wrapping_add(self.len() as u32);
        if !follows || self.flow(frame) != next.flow(next_frame) || self.len() + next.len() > MOST {
            return None;
        }
        let mut payload = frame[self.payload.0..self.payload.1].to_vec();
        payload.extend_from_slice(&next_frame[next.payload.0..next.payload.1]);
        // The later header has the later acknowledgement and window.
        Some(next.with(next_frame, self.seq, self.flags | next.flags, &payload))
    }
}

fn add(sum: u32, two: &[u8]) -> u32 {
    sum + (u32::from(two[0]) << 8) + u32::from(two.get(1).copied().unwrap_or(0))
}

/// The Internet checksum (RFC 1071).
fn checksum(start: u32, bytes: &[u8]) -> u16 {
    let mut sum = bytes.chunks(2).fold(start, add);
    while sum >> 16 != 0 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame with a TCP segment from port `port` to port 80.
    pub(in crate::link) fn frame(port: u16, seq: u32, flags: u8, payload: &[u8]) -> Arc<[u8]> {
        let mut bytes = vec![0; 54];
        bytes[5] = 2;
        bytes[11] = 1;
        bytes[12..14].copy_from_slice(&IPV4);
        bytes[14] = 0x45;
        bytes[23] = TCP;
        bytes[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        bytes[34..36].copy_from_slice(&port.to_be_bytes());
        bytes[37] = 80;
        bytes[46] = 5 << 4;
        let segment = Segment { tcp: 34, payload: (54, 54), seq, flags };
        segment.with(&bytes, seq, flags, payload)
    }

    pub(in crate::link) fn payload(frame: &[u8]) -> (u32, Vec<u8>) {
        let segment = Segment::find(frame).unwrap();
        (segment.seq, frame[segment.payload.0..segment.payload.1].to_vec())
    }

    fn sums_are_right(frame: &[u8]) -> bool {
        let segment = Segment::find(frame).unwrap();
        let pseudo = frame[26..34].chunks(2).fold(6 + (segment.payload.1 - 34) as u32, add);
        checksum(0, &frame[14..34]) == 0 && checksum(pseudo, &frame[34..segment.payload.1]) == 0
    }

    #[test]
    fn pieces_make_the_stream_again() {
        let whole = frame(9, u32::MAX - 2, PSH | 0x10, b"0123456789");
        assert!(sums_are_right(&whole));
        let segment = Segment::find(&whole).unwrap();
        let pieces = segment.split(&whole, 4);
        let seen: Vec<_> = pieces.iter().map(|piece| payload(piece)).collect();
        let expected = [(u32::MAX - 2, &b"0123"[..]), (1, b"4567"), (5, b"89")];
        assert_eq!(seen, expected.map(|(seq, bytes)| (seq, bytes.to_vec())));
        assert!(pieces.iter().all(|piece| sums_are_right(piece) && piece.len() == 60));
        let joined = pieces.iter().skip(1).fold(pieces[0].clone(), |whole, next| {
            let (a, b) = (Segment::find(&whole).unwrap(), Segment::find(next).unwrap());
            a.join(&whole, &b, next).unwrap()
        });
        assert_eq!(joined, whole);
    }

    #[test]
    fn only_neighbours_of_one_stream_are_joined() {
        let a = frame(9, 100, 0x10, b"abc");
        let segment = Segment::find(&a).unwrap();
        let join = |b: Arc<[u8]>| segment.join(&a, &Segment::find(&b).unwrap(), &b).is_some();
        assert!(join(frame(9, 103, 0x10, b"d")));
        assert!(!join(frame(9, 104, 0x10, b"d")));
        assert!(!join(frame(8, 103, 0x10, b"d")));
        assert!(!join(frame(9, 103, 0x10, &[0; 1458])));
    }

    proptest! {
        #[test]
        fn any_frame_is_cut_without_loss(mut bytes in prop::collection::vec(any::<u8>(), 0..200), most in 0usize..90) {
            // Likely a segment, with any lengths.
            for (at, byte) in [(12, 8), (13, 0), (14, 0x45), (16, 0), (20, 0), (21, 0), (23, TCP)] {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            if let Some(segment) = Segment::find(&bytes) {
                let pieces = segment.split(&bytes, most);
                let whole: Vec<u8> = pieces.iter().flat_map(|piece| payload(piece).1).collect();
                prop_assert_eq!(&whole[..], &bytes[segment.payload.0..segment.payload.1]);
                let _ = segment.join(&bytes, &segment, &bytes);
            }
        }
    }

    #[test]
    fn what_is_no_whole_segment_is_none() {
        let whole = frame(9, 1, 0x10, &[7; 100]);
        for cut in 0..whole.len() {
            assert_eq!(Segment::find(&whole[..cut]), None, "{cut}");
        }
        let mut fragment = whole.to_vec();
        fragment[20] |= 0x20;
        assert_eq!(Segment::find(&fragment), None);
    }
}
