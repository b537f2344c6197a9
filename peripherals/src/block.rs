//! What blocks of 32-bit registers have in common: byte lanes, the register table as the law of access,
//! output lines that speak only when they change, and messages said once.

use consort_core::component::{Access, Cx, Register};
use consort_core::{Time, Width};
use serde::{Deserialize, Serialize};

/// A block whose registers are words. The macro `word_registers!` makes a `Peripheral` of it: narrow accesses see
/// the byte lanes of the word, and what the register table does not allow reads as 0, is ignored, and is
/// told once.
pub trait Words {
    /// The guest reads the register at `offset`, which the table has and lets read.
    fn load(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.look(offset, cx.now())
    }
    /// What a read would give, without any effect.
    fn look(&self, offset: u32, now: Time) -> u32;
    /// The guest writes the register at `offset`, which the table has and lets write. A narrow write leaves
    /// the other lanes 0.
    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>);
    /// What this block has told already.
    fn told(&mut self) -> &mut Told;
}

/// Messages that are worth one line each, however often the guest repeats itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told(u32);

impl Told {
    const RESERVED_READ: u32 = 31;
    const RESERVED_WRITE: u32 = 30;
    const READ_ONLY: u32 = 29;
    const WRITE_ONLY: u32 = 28;

    /// True the first time it is asked for `message`, a number below 28 of the block's own choice.
    pub fn first(&mut self, message: u32) -> bool {
        let bit = 1 << (message % 32);
        let first = self.0 & bit == 0;
        self.0 |= bit;
        first
    }
}

/// The register at `offset` in a table sorted by offset.
pub fn find(registers: &'static [Register], offset: u32) -> Option<&'static Register> {
    let index = registers.binary_search_by_key(&offset, |register| register.offset).ok()?;
    registers.get(index)
}

/// The reset value of the register at `offset`: what identification registers always read as.
pub fn reset_of(registers: &'static [Register], offset: u32) -> u32 {
    find(registers, offset).map_or(0, |register| register.reset)
}

/// The lanes of `word` that an access of `width` at `offset` sees.
pub fn pick(word: u32, offset: u32, width: Width) -> u32 {
    (word >> (8 * (offset & 3))) & mask(width)
}

/// The word in which `value`, written with `width` at `offset`, lies in its lanes.
pub fn place(value: u32, offset: u32, width: Width) -> u32 {
    (value & mask(width)) << (8 * (offset & 3))
}

fn mask(width: Width) -> u32 {
    match width {
        Width::Byte => 0xFF,
        Width::Half => 0xFFFF,
        Width::Word | Width::Double => u32::MAX,
    }
}

/// A guest's read, by the law of the table.
pub fn read<W: Words>(
    block: &mut W,
    registers: &'static [Register],
    offset: u32,
    width: Width,
    cx: &mut Cx<'_>,
) -> u32 {
    let word = match find(registers, offset & !3) {
        Some(register) if register.access != Access::WriteOnly => block.load(register.offset, cx),
        Some(register) => {
            if block.told().first(Told::WRITE_ONLY) {
                cx.guest_error(format!("read of {}, which is write-only", register.name));
            }
            0
        }
        None => {
            if block.told().first(Told::RESERVED_READ) {
                cx.guest_error(format!("read of reserved offset {offset:#x}"));
            }
            0
        }
    };
    pick(word, offset, width)
}

/// A guest's write, by the law of the table.
pub fn write<W: Words>(
    block: &mut W,
    registers: &'static [Register],
    offset: u32,
    width: Width,
    value: u32,
    cx: &mut Cx<'_>,
) {
    match find(registers, offset & !3) {
        Some(register) if register.access != Access::ReadOnly => {
            block.store(register.offset, place(value, offset, width), cx);
        }
        Some(register) => {
            if block.told().first(Told::READ_ONLY) {
                cx.guest_error(format!("write of {value:#x} to {}, which is read-only", register.name));
            }
        }
        None => {
            if block.told().first(Told::RESERVED_WRITE) {
                cx.guest_error(format!("write of {value:#x} to reserved offset {offset:#x}"));
            }
        }
    }
}

/// A look without effect, by the law of the table.
pub fn peek<W: Words>(block: &W, registers: &'static [Register], offset: u32, now: Time) -> Option<u32> {
    let register = find(registers, offset & !3)?;
    Some(if register.access == Access::WriteOnly { 0 } else { block.look(register.offset, now) })
}

/// Implements `Peripheral` for a [`Words`] type with the given register table.
macro_rules! word_registers {
    ($block:ty, $registers:expr) => {
        impl consort_core::component::Peripheral for $block {
            fn registers(&self) -> &'static [consort_core::component::Register] {
                $registers
            }
            fn read(
                &mut self,
                offset: u32,
                width: consort_core::Width,
                cx: &mut consort_core::component::Cx<'_>,
            ) -> Result<u32, consort_core::BusError> {
                Ok($crate::block::read(self, $registers, offset, width, cx))
            }
            fn write(
                &mut self,
                offset: u32,
                width: consort_core::Width,
                value: u32,
                cx: &mut consort_core::component::Cx<'_>,
            ) -> Result<(), consort_core::BusError> {
                $crate::block::write(self, $registers, offset, width, value, cx);
                Ok(())
            }
            fn peek(&self, offset: u32, now: consort_core::Time) -> Option<u32> {
                $crate::block::peek(self, $registers, offset, now)
            }
        }
    };
}

pub(crate) use word_registers;

/// Output lines that remember their level, so that only changes become effects. Bit `n` is line `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines(u64);

impl Lines {
    /// Drives lines `0..count` to the bits of `levels`.
    pub fn drive(&mut self, levels: u64, count: u16, cx: &mut Cx<'_>) {
        let mask = 1_u64.checked_shl(u32::from(count)).map_or(u64::MAX, |bit| bit - 1);
        let mut changed = (self.0 ^ levels) & mask;
        while changed != 0 {
            let line = changed.trailing_zeros();
            cx.drive(line as u16, levels >> line & 1 != 0);
            changed &= changed - 1;
        }
        self.0 = levels & mask;
    }
}

/// Appends one register table to another at compile time.
pub const fn join<const A: usize, const B: usize, const N: usize>(
    first: [Register; A],
    second: [Register; B],
) -> [Register; N] {
    assert!(A + B == N);
    let mut all = [Register::ro(0, "", 0); N];
    let mut i = 0;
    while i < N {
        all[i] = if i < A { first[i] } else { second[i - A] };
        i += 1;
    }
    all
}

/// The identification registers of a CMSDK block (0xFD0 to 0xFFC), which differ only in PID0.
pub const fn cmsdk_ids(pid0: u32) -> [Register; 12] {
    [
        Register::ro(0xFD0, "PID4", 0x04),
        Register::ro(0xFD4, "PID5", 0x00),
        Register::ro(0xFD8, "PID6", 0x00),
        Register::ro(0xFDC, "PID7", 0x00),
        Register::ro(0xFE0, "PID0", pid0),
        Register::ro(0xFE4, "PID1", 0xB8),
        Register::ro(0xFE8, "PID2", 0x1B),
        Register::ro(0xFEC, "PID3", 0x00),
        Register::ro(0xFF0, "CID0", 0x0D),
        Register::ro(0xFF4, "CID1", 0xF0),
        Register::ro(0xFF8, "CID2", 0x05),
        Register::ro(0xFFC, "CID3", 0xB1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_accesses_see_their_lanes() {
        assert_eq!(pick(0x4433_2211, 0x10, Width::Word), 0x4433_2211);
        assert_eq!(pick(0x4433_2211, 0x11, Width::Byte), 0x22);
        assert_eq!(pick(0x4433_2211, 0x12, Width::Half), 0x4433);
        assert_eq!(place(0x1FF, 3, Width::Byte), 0xFF00_0000);
        assert_eq!(place(0xABCD, 2, Width::Half), 0xABCD_0000);
    }

    #[test]
    fn a_message_is_said_once() {
        let mut told = Told::default();
        assert!(told.first(3));
        assert!(!told.first(3));
        assert!(told.first(4));
    }
}
