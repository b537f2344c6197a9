//! Addresses, access widths and errors of a bus, and what a processor core sees of its machine.

use serde::{Deserialize, Serialize};

use crate::time::Cycles;
use crate::trace::CoreEvent;

/// An address of a guest, 32 or 64 bits wide.
pub type Addr = u64;

/// How many bytes one access moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Width {
    /// 8 bits.
    Byte = 1,
    /// 16 bits.
    Half = 2,
    /// 32 bits.
    Word = 4,
    /// 64 bits.
    Double = 8,
}

impl Width {
    /// In bytes.
    pub const fn bytes(self) -> u32 {
        self as u32
    }

    /// The bits that an access of this width moves, as a mask.
    pub const fn mask(self) -> u64 {
        match self {
            Self::Byte => 0xFF,
            Self::Half => 0xFFFF,
            Self::Word => 0xFFFF_FFFF,
            Self::Double => u64::MAX,
        }
    }

    /// The width of `bytes` bytes: 1, 2, 4 or 8.
    pub const fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            1 => Some(Self::Byte),
            2 => Some(Self::Half),
            4 => Some(Self::Word),
            8 => Some(Self::Double),
            _ => None,
        }
    }
}

/// Why an access did not happen; the architecture turns it into its own abort (a precise BusFault on
/// Cortex-M).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum BusError {
    /// Nothing answers at this address.
    #[error("nothing is mapped at {0:#010x}")]
    Unmapped(Addr),
    /// What is there refuses this access (read-only memory, wrong width, a peripheral's error response).
    #[error("the access at {0:#010x} is refused")]
    Refused(Addr),
}

/// A guest's RAM and ROM, as debuggers, DMA and loaders see it.
pub trait Memory {
    /// Copies from guest memory, or fails without copying when a byte of the range is no memory.
    fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError>;
    /// Copies into guest memory, ROM included, or fails without copying.
    fn write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError>;
}

/// What a processor core sees of the machine around it while it runs.
pub trait Bus {
    /// A read that no RAM answered, at cycle `at`, of naturally aligned `addr`.
    fn read(
        &mut self,
        at: Cycles,
        addr: Addr,
        width: Width,
        memory: &mut dyn Memory,
    ) -> Result<u64, BusError>;
    /// A write that no RAM took.
    fn write(
        &mut self,
        at: Cycles,
        addr: Addr,
        width: Width,
        value: u64,
        memory: &mut dyn Memory,
    ) -> Result<(), BusError>;
    /// True when the last access changed an interrupt line or brought the machine's next event forward:
    /// the core then leaves its run before the next instruction.
    fn attention(&self) -> bool;
    /// The core tells what it did; it goes into the device's trace.
    fn note(&mut self, at: Cycles, event: CoreEvent);
}
