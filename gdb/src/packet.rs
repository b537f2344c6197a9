//! Packets as bytes on the wire ("Overview" of the remote protocol): framing, escapes, checksums.

/// The longest packet either side sends, in bytes between `$` and `#`.
pub(crate) const MAX_PACKET: usize = 0x4000;
/// So much that is no packet may come before the sender is taken for something other than a debugger.
const MAX_RUBBISH: usize = 0x1_0000;

/// What a stream of bytes turns out to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A packet's contents, unescaped.
    Packet(Vec<u8>),
    /// A packet whose checksum is wrong.
    Corrupt,
    /// `-`: the last packet came in corrupt.
    Nak,
    /// A bare 0x03: Ctrl-C.
    Interrupt,
    /// This is no debugger.
    Rubbish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Between,
    Inside,
    FirstDigit,
    SecondDigit(u8),
}

/// Cuts a stream of bytes into items.
#[derive(Debug)]
pub(crate) struct Parser {
    place: Place,
    raw: Vec<u8>,
    rubbish: usize,
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self { place: Place::Between, raw: Vec::new(), rubbish: 0 }
    }

    /// Takes a byte; gives what it completes.
    pub(crate) fn take(&mut self, byte: u8) -> Option<Item> {
        match (self.place, byte) {
            // `$` never stands unescaped in a packet: what came before it lost its end.
            (Place::Inside, b'$') => {
                let lost = self.raw.len();
                self.raw.clear();
                self.waste(lost)
            }
            (Place::Between, b'$') => {
                self.raw.clear();
                self.place = Place::Inside;
                None
            }
            (Place::Between, b'-') => Some(Item::Nak),
            (Place::Between, 3) => Some(Item::Interrupt),
            (Place::Between, b'+') => None,
            (Place::Between, _) => self.waste(1),
            (Place::Inside, b'#') => {
                self.place = Place::FirstDigit;
                None
            }
            (Place::Inside, byte) => {
                self.raw.push(byte);
                // Every byte may have been escaped.
                if self.raw.len() > 2 * MAX_PACKET {
                    self.place = Place::Between;
                    return self.waste(self.raw.len());
                }
                None
            }
            (Place::FirstDigit, byte) => {
                self.place = Place::SecondDigit(byte);
                None
            }
            (Place::SecondDigit(first), second) => {
                self.place = Place::Between;
                let given = crate::text::number(&[first, second]);
                let contents = unescape(&self.raw);
                if given != Some(u64::from(checksum(&self.raw))) {
                    return self.waste(self.raw.len() + 4).or(Some(Item::Corrupt));
                }
                self.rubbish = 0;
                Some(Item::Packet(contents))
            }
        }
    }

    fn waste(&mut self, bytes: usize) -> Option<Item> {
        self.rubbish += bytes;
        (self.rubbish > MAX_RUBBISH).then_some(Item::Rubbish)
    }
}

fn checksum(raw: &[u8]) -> u8 {
    raw.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'}' => out.extend(bytes.next().map(|escaped| escaped ^ 0x20)),
            byte => out.push(*byte),
        }
    }
    out
}

/// Escapes bytes that mean something to the framing.
pub(crate) fn escape(contents: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(contents.len());
    for byte in contents {
        if matches!(byte, b'$' | b'#' | b'}' | b'*') {
            out.extend([b'}', byte ^ 0x20]);
        } else {
            out.push(*byte);
        }
    }
    out
}

/// A packet ready to send.
pub(crate) fn frame(contents: &[u8]) -> Vec<u8> {
    let raw = escape(contents);
    let sum = checksum(&raw);
    let mut out = Vec::with_capacity(raw.len() + 4);
    out.push(b'$');
    out.extend(raw);
    out.extend(format!("#{sum:02x}").bytes());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(bytes: &[u8]) -> Vec<Item> {
        let mut parser = Parser::new();
        bytes.iter().filter_map(|byte| parser.take(*byte)).collect()
    }

    #[test]
    fn the_manuals_packets_are_understood() {
        assert_eq!(items(b"+$m0,4#fd"), [Item::Packet(b"m0,4".to_vec())]);
        assert_eq!(items(b"$m0,4#fe"), [Item::Corrupt]);
        assert_eq!(items(b"-\x03"), [Item::Nak, Item::Interrupt]);
        assert_eq!(items(b"$los$?#3f"), [Item::Packet(b"?".to_vec())]);
        assert_eq!(items(b"$?#zz$?#3f"), [Item::Corrupt, Item::Packet(b"?".to_vec())]);
    }

    #[test]
    fn a_flood_is_no_debugger() {
        assert_eq!(items(&vec![b'G'; MAX_RUBBISH]), []);
        assert!(items(&vec![b'G'; MAX_RUBBISH + 1]).contains(&Item::Rubbish));
        let endless: Vec<u8> = [b"$".to_vec(), vec![b'a'; 5 * MAX_RUBBISH]].concat();
        assert!(items(&endless).contains(&Item::Rubbish));
        let mut parser = Parser::new();
        let fine = [&vec![b'G'; MAX_RUBBISH][..], b"$?#3f", &vec![b'G'; MAX_RUBBISH][..]].concat();
        assert!(!fine.iter().filter_map(|byte| parser.take(*byte)).any(|item| item == Item::Rubbish));
    }

    proptest! {
        #[test]
        fn whatever_is_framed_is_read_back(contents in prop::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(items(&frame(&contents)), [Item::Packet(contents)]);
        }

        #[test]
        fn after_any_noise_a_packet_gets_through(noise in prop::collection::vec(any::<u8>(), 0..300)) {
            // The noise may have begun a packet that eats one; the sender repeats, as GDB does.
            let mut stream = noise;
            stream.extend(frame(b"?"));
            stream.extend(frame(b"?"));
            prop_assert!(items(&stream).contains(&Item::Packet(b"?".to_vec())));
        }
    }
}
