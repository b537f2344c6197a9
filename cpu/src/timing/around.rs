//! The Thumb instructions around another one, as they lie in its page of memory.

use super::thumb;
use crate::engine::Insn;

/// Bytes in front of an instruction that [`Around::before`] looks at.
pub(super) const BACK: u8 = 24;

/// Where an instruction is in its page.
pub(super) struct Around<'a> {
    page: &'a [u8],
    at: usize,
}

impl<'a> Around<'a> {
    pub(super) fn new(insn: Insn<'a>) -> Self {
        let at = match insn.page.len() {
            0 => 0,
            size => (insn.pc % size as u64) as usize,
        };
        Self { page: insn.page, at }
    }

    fn half(&self, at: usize) -> Option<u32> {
        match self.page.get(at..)? {
            [low, high, ..] => Some(u32::from(u16::from_le_bytes([*low, *high]))),
            _ => None,
        }
    }

    /// Whether the halfword there begins a 32-bit instruction, if it begins one (DDI 0403 A5.1).
    fn is_first(half: u32) -> bool {
        half >> 11 >= 0x1D
    }

    /// The instruction that begins there, read as [`Insn::code`].
    fn code(&self, at: usize) -> Option<u32> {
        let first = self.half(at)?;
        if Self::is_first(first) { Some(first << 16 | self.half(at + 2)?) } else { Some(first) }
    }

    /// What follows this instruction.
    pub(super) fn after(self) -> impl Iterator<Item = u32> + 'a {
        let mut at = self.at;
        std::iter::from_fn(move || {
            at += thumb::size(self.code(at)?);
            self.code(at)
        })
    }

    /// The three instructions in front of this one, the nearest first; 0 where that cannot be told. Behind a halfword
    /// that begins no 32-bit instruction there always begins one, whatever that halfword is.
    pub(super) fn before(&self) -> [u32; 3] {
        let from = self.at.saturating_sub(usize::from(BACK) - 2);
        let begins = |at: &usize| self.half(at.wrapping_sub(2)).is_some_and(|half| !Self::is_first(half));
        let Some(mut at) = (from..=self.at).step_by(2).find(begins) else { return [0; 3] };
        let mut found = [0; 3];
        while at < self.at {
            let Some(code) = self.code(at) else { return [0; 3] };
            found = [code, found[0], found[1]];
            at += thumb::size(code);
        }
        if at == self.at { found } else { [0; 3] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(page: &[u8], pc: u64) -> Around<'_> {
        Around::new(Insn { pc, code: 0, page, conditional: false })
    }

    #[test]
    fn instructions_are_found_on_both_sides() {
        // nop; movw r1, #0; a 32-bit instruction whose second half looks like a first one; nop
        let halves: [u16; 8] = [0xBF00, 0xF240, 0x0100, 0xF8D0, 0xE800, 0xBF00, 0xF240, 0x0100];
        let page: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        assert_eq!(around(&page, 10).before(), [0xF8D0_E800, 0xF240_0100, 0]);
        assert_eq!(around(&page, 2).after().collect::<Vec<_>>(), [0xF8D0_E800, 0xBF00, 0xF240_0100]);
        // In the middle of an instruction, in front of the page's first, outside of any page.
        assert_eq!(around(&page, 8).before(), [0; 3]);
        assert_eq!(around(&page, 0).before(), [0; 3]);
        assert_eq!(around(&[], 8).before(), [0; 3]);
        assert_eq!(around(&[], 8).after().next(), None);
        assert_eq!(around(&page, 12).after().next(), None);
    }
}
