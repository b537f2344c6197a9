//! What `gdbstub` is told of an architecture: as little as can be, for the target description of each device
//! says at run time what its registers are.

use std::num::NonZeroUsize;

use gdbstub::arch::{Arch, RegId, Registers};

/// Any architecture with addresses of at most 64 bits.
pub(crate) enum AnyArch {}

impl Arch for AnyArch {
    type Usize = u64;
    type Registers = Bytes;
    type BreakpointKind = usize;
    type RegId = Number;
}

/// All registers in GDB's order, as they stand in a packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bytes(pub Vec<u8>);

impl Registers for Bytes {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        // Only implicit software breakpoints would ask, which are not offered.
        0
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        self.0.iter().for_each(|byte| write_byte(Some(*byte)));
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.0 = bytes.to_vec();
        Ok(())
    }
}

/// A register by its place in the target description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub usize);

impl RegId for Number {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        Some((Self(id), None))
    }

    fn to_raw_id(&self) -> Option<usize> {
        Some(self.0)
    }
}
