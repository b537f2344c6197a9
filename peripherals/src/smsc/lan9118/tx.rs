//! The LAN9118's TX data FIFO (data sheet, "TX data path operation"): buffers with their commands become
//! packets.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const A_INTERRUPT: u32 = 1 << 31;
const A_FIRST: u32 = 1 << 13;
const A_LAST: u32 = 1 << 12;
const B_CRC_DISABLE: u32 = 1 << 13;
const B_PAD_DISABLE: u32 = 1 << 12;

/// Where in a buffer the host's next word belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Expect {
    CommandA,
    CommandB,
    /// So many words of the buffer have come.
    Data(u32),
}

/// What a word written to the FIFO led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A buffer with Interrupt on Completion is complete.
    pub interrupt: bool,
    /// INT_STS.TXE: commands that do not fit each other or the data.
    pub error: bool,
    /// INT_STS.TDFO: there was no room; the word is lost.
    pub overrun: bool,
}

/// A packet that waits for the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    pub bytes: Vec<u8>,
    /// TX command B: tag, flags, length.
    command: u32,
    /// What it takes in the FIFO.
    words: u32,
}

impl Packet {
    pub const fn tag(&self) -> u32 {
        self.command >> 16
    }
    pub const fn has_own_crc(&self) -> bool {
        self.command & B_CRC_DISABLE != 0
    }
    pub const fn is_padded(&self) -> bool {
        self.command & (B_PAD_DISABLE | B_CRC_DISABLE) == 0
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TxFifo {
    expect: Expect,
    a: u32,
    b: u32,
    /// The packet being assembled.
    packet: Option<Packet>,
    queue: VecDeque<Packet>,
    /// Words in use: the packet being assembled, the queue, and the one on the wire until it is released.
    used: u32,
}

impl TxFifo {
    pub const fn new() -> Self {
        Self { expect: Expect::CommandA, a: 0, b: 0, packet: None, queue: VecDeque::new(), used: 0 }
    }

    pub const fn used_words(&self) -> u32 {
        self.used
    }

    pub fn has_packet(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes the oldest packet for the wire when `ready`; its room is free after [`TxFifo::release`].
    pub fn take_if(&mut self, ready: bool) -> Option<Packet> {
        if ready { self.queue.pop_front() } else { None }
    }

    pub fn release(&mut self, packet: &Packet) {
        self.used = self.used.saturating_sub(packet.words);
    }

    /// TX_CFG.TXD_DUMP: all but the packet on the wire.
    pub fn dump(&mut self, on_wire: Option<&Packet>) {
        *self = Self { used: on_wire.map_or(0, |packet| packet.words), ..Self::new() };
    }

    const fn size(&self) -> u32 {
        self.a & 0x7FF
    }
    const fn offset(&self) -> u32 {
        self.a >> 16 & 0x1F
    }

    /// Words the host writes for the buffer: offset, data, and padding up to the end alignment.
    const fn buffer_words(&self) -> u32 {
        let alignment = match self.a >> 24 & 0b11 {
            0b00 => 4,
            0b01 => 16,
            _ => 32,
        };
        (self.offset() + self.size()).next_multiple_of(alignment) / 4
    }

    /// Counts words as used by the packet in assembly; false when they do not fit.
    fn occupy(&mut self, words: u32, capacity: u32) -> bool {
        if self.used + words > capacity {
            return false;
        }
        self.used += words;
        if let Some(packet) = &mut self.packet {
            packet.words += words;
        }
        true
    }

    /// The host writes a word.
    pub fn push(&mut self, word: u32, capacity: u32) -> Outcome {
        match self.expect {
            Expect::CommandA => {
                self.a = word;
                self.expect = Expect::CommandB;
                Outcome::default()
            }
            Expect::CommandB => self.begin_buffer(word, capacity),
            Expect::Data(index) => self.data(index, word, capacity),
        }
    }

    fn begin_buffer(&mut self, b: u32, capacity: u32) -> Outcome {
        let first = self.a & A_FIRST != 0;
        let mut outcome = Outcome::default();
        if first == self.packet.is_some() {
            // A first segment inside a packet, or a later one outside: start anew either way.
            outcome.error = true;
        }
        outcome.error |= !first && self.packet.as_ref().is_some_and(|packet| packet.command != b);
        if first || self.packet.is_none() {
            if let Some(abandoned) = self.packet.take() {
                self.release(&abandoned);
            }
            // Command A is stored for every buffer, command B for the first. Without room for them there
            // is no packet, and what follows is lost.
            if self.occupy(2, capacity) {
                self.packet = Some(Packet { bytes: Vec::new(), command: b, words: 2 });
            } else {
                outcome.overrun = true;
            }
        } else {
            outcome.overrun |= !self.occupy(1, capacity);
        }
        self.b = b;
        self.expect = Expect::Data(0);
        if self.buffer_words() == 0 {
            self.end_buffer(&mut outcome);
        }
        outcome.error |= outcome.overrun;
        outcome
    }

    fn data(&mut self, index: u32, word: u32, capacity: u32) -> Outcome {
        let mut outcome = Outcome::default();
        let (start, end) = (self.offset(), self.offset() + self.size());
        let holds_data = index >= start / 4 && index < end.div_ceil(4) && self.size() > 0;
        if holds_data && self.packet.is_some() && self.occupy(1, capacity) {
            if let Some(packet) = &mut self.packet {
                for (lane, byte) in (index * 4..).zip(word.to_le_bytes()) {
                    if (start..end).contains(&lane) {
                        packet.bytes.push(byte);
                    }
                }
            }
        } else if holds_data {
            outcome.overrun = true;
            outcome.error = true;
        }
        self.expect = Expect::Data(index + 1);
        if index + 1 >= self.buffer_words() {
            self.end_buffer(&mut outcome);
        }
        outcome
    }

    fn end_buffer(&mut self, outcome: &mut Outcome) {
        self.expect = Expect::CommandA;
        outcome.interrupt |= self.a & A_INTERRUPT != 0;
        if self.a & A_LAST != 0
            && let Some(packet) = self.packet.take()
        {
            outcome.error |= packet.bytes.len() != (self.b & 0x7FF) as usize;
            self.queue.push_back(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: u32 = 1152; // 4,608 bytes

    fn write(fifo: &mut TxFifo, words: &[u32]) -> Outcome {
        let mut all = Outcome::default();
        for word in words {
            let one = fifo.push(*word, CAPACITY);
            all.interrupt |= one.interrupt;
            all.error |= one.error;
            all.overrun |= one.overrun;
        }
        all
    }

    #[test]
    fn the_manuals_three_buffer_example_assembles() {
        // "TX example 1": 79 bytes offset 7 with 16-byte end alignment, 15 bytes offset 0, 17 bytes offset 10.
        let mut fifo = TxFifo::new();
        let b = 0x1234 << 16 | 111;
        let mut words = vec![1 << 24 | 7 << 16 | A_FIRST | 79, b];
        words.extend((0..24).map(|n| n * 0x0404_0404 + 0x0302_0100));
        assert_eq!(write(&mut fifo, &words), Outcome::default());
        let mut words = vec![1 << 24 | 15, b];
        words.extend([0xAAAA_AAAA; 4]);
        assert_eq!(write(&mut fifo, &words), Outcome::default());
        assert!(!fifo.has_packet());
        let mut words = vec![A_INTERRUPT | 1 << 24 | 10 << 16 | A_LAST | 17, b];
        words.extend([0xBBBB_BBBB; 8]);
        assert_eq!(write(&mut fifo, &words), Outcome { interrupt: true, ..Outcome::default() });
        let packet = fifo.take_if(true).unwrap();
        assert_eq!((packet.bytes.len(), packet.tag()), (111, 0x1234));
        assert_eq!(packet.bytes[..3], [7, 8, 9]);
        assert_eq!(packet.bytes[78..80], [85, 0xAA]);
        assert_eq!(packet.bytes[94], 0xBB);
        // Stored: 2 + 21 (of 24: one offset word and two padding words are removed) + 1 + 4 + 1 + 5.
        assert_eq!(fifo.used_words(), 34);
        fifo.release(&packet);
        assert_eq!(fifo.used_words(), 0);
    }

    #[test]
    fn lengths_and_commands_that_disagree_are_errors() {
        let mut fifo = TxFifo::new();
        assert!(write(&mut fifo, &[A_FIRST | A_LAST | 4, 5, 0]).error);
        assert!(fifo.has_packet(), "the transmitter goes on");
        assert!(!write(&mut fifo, &[A_FIRST | 4, 8, 0]).error);
        assert!(write(&mut fifo, &[A_LAST | 4, 9, 0]).error);
        assert!(write(&mut fifo, &[A_LAST | 4, 4, 0]).error, "no first segment");
        assert!(!write(&mut fifo, &[A_FIRST | 4, 8, 0]).error);
        assert!(write(&mut fifo, &[A_FIRST | A_LAST | 4, 4, 0]).error, "two first segments");
    }

    #[test]
    fn an_overrun_loses_words_but_grows_nothing() {
        let mut fifo = TxFifo::new();
        let mut overruns = 0;
        for n in 0..10_000 {
            let words = [if n == 0 { A_FIRST } else { 0 } | 8, 8, 1, 2];
            overruns += u32::from(write(&mut fifo, &words).overrun);
        }
        assert!(overruns > 0 && fifo.used_words() <= CAPACITY);
    }

    #[test]
    fn an_empty_buffer_ends_with_its_commands() {
        let mut fifo = TxFifo::new();
        assert!(write(&mut fifo, &[A_FIRST | A_LAST | A_INTERRUPT, 0]).interrupt);
        assert_eq!(fifo.take_if(true).unwrap().bytes.len(), 0);
    }
}
