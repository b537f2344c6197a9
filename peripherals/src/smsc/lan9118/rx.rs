//! The LAN9118's RX FIFOs (data sheet, "RX data path operation"): frames with their start offset and end
//! alignment as the host reads them, word by word.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// A frame in the data FIFO.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Frame {
    bytes: Vec<u8>,
    /// Bytes before the frame in the words the host reads.
    offset: u32,
    /// Words the host reads for this frame, alignment included.
    words: u32,
    /// Words it has read.
    read: u32,
}

impl Frame {
    fn new(bytes: Vec<u8>, offset: u32, alignment: u32) -> Self {
        let end = offset + bytes.len() as u32; // a frame has at most 2 KiB
        Self { bytes, offset, words: end.next_multiple_of(alignment) / 4, read: 0 }
    }

    /// The words the frame itself takes in the FIFO: whole words of offset and alignment are not stored.
    fn stored(&self) -> std::ops::Range<u32> {
        let end = self.offset + self.bytes.len() as u32;
        self.offset / 4..end.div_ceil(4)
    }

    /// How many of them are left.
    fn left(&self) -> u32 {
        let stored = self.stored();
        stored.end.saturating_sub(self.read.max(stored.start))
    }

    fn word(&self) -> u32 {
        let byte = |lane: u32| {
            let position = (self.read * 4 + lane).checked_sub(self.offset)?;
            self.bytes.get(position as usize).copied()
        };
        u32::from_le_bytes([0, 1, 2, 3].map(|lane| byte(lane).unwrap_or(0)))
    }
}

/// How a frame goes into the FIFOs, from RX_CFG and HW_CFG.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// RX_CFG.RXDOFF, in bytes.
    pub offset: u32,
    /// RX_CFG.RX_EA, in bytes: 4, 16 or 32.
    pub alignment: u32,
    /// The data FIFO's size in words.
    pub data_words: u32,
    /// The status FIFO's size in words.
    pub status_words: usize,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RxFifo {
    frames: VecDeque<Frame>,
    status: VecDeque<u32>,
}

impl RxFifo {
    /// Takes a frame in; false when there is no room for it or its status.
    pub fn push(&mut self, status: u32, bytes: Vec<u8>, layout: Layout) -> bool {
        let length = bytes.len() as u32;
        let frame = Frame::new(bytes, layout.offset, layout.alignment);
        let room = self.used_words() + frame.left() <= layout.data_words;
        if !room || self.status.len() >= layout.status_words {
            return false;
        }
        self.frames.push_back(frame);
        self.status.push_back(status | (length & 0x3FFF) << 16);
        true
    }

    pub fn used_words(&self) -> u32 {
        self.frames.iter().map(Frame::left).sum()
    }

    pub fn status_used(&self) -> usize {
        self.status.len()
    }

    pub fn status_front(&self) -> Option<u32> {
        self.status.front().copied()
    }

    pub fn pop_status(&mut self) -> Option<u32> {
        self.status.pop_front()
    }

    /// The word the host would read next.
    pub fn front(&self) -> Option<u32> {
        self.frames.front().map(Frame::word)
    }

    pub fn pop(&mut self) -> Option<u32> {
        let frame = self.frames.front_mut()?;
        let word = frame.word();
        frame.read += 1;
        if frame.read >= frame.words {
            self.frames.pop_front();
        }
        Some(word)
    }

    /// RX_DP_CTRL.RX_FFWD: drops what is left of the frame at the head.
    pub fn fast_forward(&mut self) {
        self.frames.pop_front();
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { offset: 0, alignment: 4, data_words: 8, status_words: 3 };

    fn words(fifo: &mut RxFifo) -> Vec<u32> {
        std::iter::from_fn(|| fifo.pop()).collect()
    }

    #[test]
    fn offset_and_alignment_shape_what_the_host_reads() {
        let mut fifo = RxFifo::default();
        let layout = Layout { offset: 6, alignment: 16, ..LAYOUT };
        assert!(fifo.push(1, vec![0x11, 0x22, 0x33, 0x44, 0x55], layout));
        assert_eq!(fifo.used_words(), 2, "neither the offset's whole word nor the alignment is stored");
        assert_eq!(fifo.front(), Some(0));
        assert_eq!(words(&mut fifo), [0, 0x2211_0000, 0x0055_4433, 0]);
        assert_eq!((fifo.used_words(), fifo.pop_status()), (0, Some(5 << 16 | 1)));
    }

    #[test]
    fn a_full_fifo_refuses() {
        let mut fifo = RxFifo::default();
        assert!(fifo.push(0, vec![0; 20], LAYOUT));
        assert!(!fifo.push(0, vec![0; 13], LAYOUT));
        assert!(fifo.push(0, vec![0; 4], LAYOUT));
        assert!(fifo.push(0, vec![0; 4], LAYOUT));
        assert!(!fifo.push(0, vec![0; 4], LAYOUT), "the status FIFO is full");
        fifo.fast_forward();
        assert_eq!((fifo.used_words(), fifo.status_used()), (2, 3));
    }
}
