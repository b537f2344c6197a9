//! The split virtqueue (Virtio 1.1, 2.6), from the device's side.

use consort_core::component::Cx;
use consort_core::{Addr, BusError};
use serde::{Deserialize, Serialize};

/// The most descriptors a queue can have.
pub(super) const MOST: u32 = 256;
/// More bytes than this in one chain are refused. UEFI reads a whole kernel at once.
const LONGEST: u64 = 256 << 20;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const NO_INTERRUPT: u16 = 1;

/// A piece of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    addr: Addr,
    len: u32,
}

/// What the driver made available: pieces to read, then pieces to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    head: u16,
    readable: Vec<Piece>,
    writable: Vec<Piece>,
}

impl Chain {
    /// How many bytes the device may write.
    pub(super) fn room(&self) -> usize {
        self.writable.iter().map(|piece| piece.len as usize).sum()
    }

    /// Everything the driver wrote.
    pub(super) fn read(&self, cx: &mut Cx<'_>) -> Result<Vec<u8>, BusError> {
        let mut all = vec![0; self.readable.iter().map(|piece| piece.len as usize).sum()];
        let mut rest = &mut all[..];
        for piece in &self.readable {
            let (now, later) = rest.split_at_mut(piece.len as usize);
            cx.dma_read(piece.addr, now)?;
            rest = later;
        }
        Ok(all)
    }

    /// Writes as much of `data` as there is room for; how much that was.
    pub(super) fn write(&self, mut data: &[u8], cx: &mut Cx<'_>) -> Result<u32, BusError> {
        let mut written = 0;
        for piece in &self.writable {
            let (now, later) = data.split_at(data.len().min(piece.len as usize));
            cx.dma_write(piece.addr, now)?;
            written += now.len() as u32;
            data = later;
        }
        Ok(written)
    }
}

/// One queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) size: u32,
    pub(super) ready: bool,
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
    /// The next entry of the available ring that the device has not seen.
    seen: u16,
    /// The used ring's index.
    returned: u16,
}

fn half(addr: Addr, cx: &mut Cx<'_>) -> Result<u16, BusError> {
    let mut bytes = [0; 2];
    cx.dma_read(addr, &mut bytes)?;
    Ok(u16::from_le_bytes(bytes))
}

impl Queue {
    /// The next chain, if the driver made one available. An error is the guest's: a chain that leaves memory or has
    /// no end.
    pub(super) fn pop(&mut self, cx: &mut Cx<'_>) -> Result<Option<Chain>, BusError> {
        if !self.ready || self.size == 0 {
            return Ok(None);
        }
        let waiting = half(self.available.wrapping_add(2), cx)?.wrapping_sub(self.seen);
        if waiting == 0 {
            return Ok(None);
        }
        // More than the ring holds cannot wait in it.
        if u32::from(waiting) > self.size {
            return Err(BusError::Refused(self.available));
        }
        let slot = u64::from(u32::from(self.seen) % self.size);
        let head = half(self.available.wrapping_add(4 + 2 * slot), cx)?;
        self.seen = self.seen.wrapping_add(1);
        let mut chain = Chain { head, readable: Vec::new(), writable: Vec::new() };
        let (mut next, mut total) = (head, 0);
        for _ in 0..self.size {
            let at = self.descriptors.wrapping_add(16 * u64::from(u32::from(next) % self.size));
            let mut bytes = [0; 16];
            cx.dma_read(at, &mut bytes)?;
            let [a, b, c, d, e, f, g, h, l0, l1, l2, l3, f0, f1, n0, n1] = bytes;
            let addr = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            let piece = Piece { addr, len: u32::from_le_bytes([l0, l1, l2, l3]) };
            let flags = u16::from_le_bytes([f0, f1]);
            total += u64::from(piece.len);
            if total > LONGEST {
                return Err(BusError::Refused(addr));
            }
            if flags & WRITE != 0 { &mut chain.writable } else { &mut chain.readable }.push(piece);
            if flags & NEXT == 0 {
                return Ok(Some(chain));
            }
            next = u16::from_le_bytes([n0, n1]);
        }
        Err(BusError::Refused(self.descriptors))
    }

    /// Gives a chain back with the number of bytes written to it; true when the driver wants to be told.
    pub(super) fn push(&mut self, chain: &Chain, written: u32, cx: &mut Cx<'_>) -> Result<bool, BusError> {
        let slot = u64::from(u32::from(self.returned) % self.size.max(1));
        let mut element = [0; 8];
        element[..4].copy_from_slice(&u32::from(chain.head).to_le_bytes());
        element[4..].copy_from_slice(&written.to_le_bytes());
        cx.dma_write(self.used.wrapping_add(4 + 8 * slot), &element)?;
        self.returned = self.returned.wrapping_add(1);
        cx.dma_write(self.used.wrapping_add(2), &self.returned.to_le_bytes())?;
        Ok(half(self.available, cx)? & NO_INTERRUPT == 0)
    }
}
