//! Parallel NOR flash with the Common Flash Interface (JESD68) and Intel's command set (JEP137, 0x0001), as two
//! 16-bit chips side by side.
//!
//! The array is the board's memory, so that code runs from it at full speed; this block takes the writes. What a
//! chip answers outside of array mode (query, identification, status) is put into that memory for as long as the
//! mode lasts: the query table at the bank's beginning, the status at the address of the command and at the
//! beginning of its block, which is where drivers look. Other addresses go on reading as the array.

use std::collections::BTreeMap;

use consort_core::component::{Component, Cx, Model, Peripheral, Register};
use consort_core::{Addr, BusError, Time, Width};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes that the two chips give at once.
const WORD: u64 = 4;
/// Two chips' erase blocks side by side.
const BLOCK: u64 = 256 * 1024;
/// Two chips' write buffers side by side.
const BUFFER: u64 = 4096;
/// Status: ready, no error.
const READY: u16 = 0x80;

/// What a board says about a bank of flash.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Bytes of the bank, a power of two from 512 KiB to 256 MiB; the bank lies at a multiple of it.
    size: u64,
}

/// What the next write means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// A command.
    #[default]
    Command,
    /// The word to program.
    Program,
    /// The confirmation of an erasure of this block.
    Erase(Addr),
    /// The confirmation of a change of this block's lock.
    Lock(Addr),
    /// The number of words to buffer for this block, less one.
    Count(Addr),
    /// Words to buffer: how many are still to come.
    Fill(Addr, u64),
    /// The confirmation of the buffer.
    Confirm(Addr),
}

/// One bank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CfiFlash {
    config: Config,
    phase: Phase,
    /// Array words that the present mode hides, by address.
    hidden: BTreeMap<Addr, u32>,
    buffer: BTreeMap<Addr, u32>,
}

impl CfiFlash {
    /// Both chips give the same value.
    fn both(value: u16) -> u32 {
        u32::from(value) << 16 | u32::from(value)
    }

    fn array(&self, at: Addr, cx: &mut Cx<'_>) -> Result<u32, BusError> {
        if let Some(word) = self.hidden.get(&at) {
            return Ok(*word);
        }
        let mut bytes = [0; 4];
        cx.dma_read(at, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn show(&mut self, at: Addr, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        let array = self.array(at, cx)?;
        self.hidden.insert(at, array);
        cx.dma_write(at, &value.to_le_bytes())
    }

    fn show_array(&mut self, cx: &mut Cx<'_>) -> Result<(), BusError> {
        while let Some((at, word)) = self.hidden.pop_first() {
            cx.dma_write(at, &word.to_le_bytes())?;
        }
        Ok(())
    }

    fn show_status(&mut self, at: Addr, cx: &mut Cx<'_>) -> Result<(), BusError> {
        self.show_array(cx)?;
        // Where drivers ask: at the address of the command, at its block, and at its chip's block, which is what a driver
        // takes for one that found a chip alone.
        for at in [at, at & !(BLOCK - 1), at & !(BLOCK / 2 - 1)] {
            self.show(at, Self::both(READY), cx)?;
        }
        Ok(())
    }

    /// The table of JESD68 and Intel's extension, from its offset 0x10.
    fn query(&self) -> Vec<u8> {
        let blocks = self.config.size / BLOCK;
        let per_chip = (BLOCK / 2 / 256) as u16;
        let mut table = vec![b'Q', b'R', b'Y', 1, 0, 0x31, 0, 0, 0, 0, 0];
        // Vcc 4.5 to 5.5 V, no Vpp; typical and longest times.
        table.extend([0x45, 0x55, 0, 0, 7, 7, 10, 0, 4, 4, 4, 0]);
        table.push((self.config.size / 2).trailing_zeros() as u8);
        table.extend([2, 0]); // 8 and 16 bits wide
        table.extend([(BUFFER / 2).trailing_zeros() as u8, 0]);
        table.push(1); // one region of equal blocks
        table.extend(((blocks.max(1) - 1) as u16).to_le_bytes());
        table.extend(per_chip.to_le_bytes());
        // Extension 1.0 at 0x31: no optional features.
        table.extend([b'P', b'R', b'I', b'1', b'0', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        table
    }

    fn command(&mut self, at: Addr, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        let (base, block) = (at & !(self.config.size - 1), at & !(BLOCK - 1));
        match value & 0xFF {
            0xFF | 0xF0 => self.show_array(cx)?,
            0x98 => {
                self.show_array(cx)?;
                for (n, byte) in (0x10..).zip(self.query()) {
                    self.show(base + n * WORD, Self::both(byte.into()), cx)?;
                }
            }
            0x90 => {
                self.show_array(cx)?;
                // Intel, 28F256; the block is not locked.
                for (n, code) in [(0, 0x89), (1, 0x18), (2, 0)] {
                    self.show(base + n * WORD, Self::both(code), cx)?;
                    if base != block {
                        self.show(block + n * WORD, Self::both(code), cx)?;
                    }
                }
            }
            0x70 => self.show_status(at, cx)?,
            0x50 => {}
            0x10 | 0x40 => {
                self.show_status(at, cx)?;
                self.phase = Phase::Program;
            }
            0x20 => {
                self.show_status(at, cx)?;
                self.phase = Phase::Erase(block);
            }
            0x60 => {
                self.show_status(at, cx)?;
                self.phase = Phase::Lock(block);
            }
            0xE8 => {
                self.show_status(at, cx)?;
                self.buffer.clear();
                self.phase = Phase::Count(block);
            }
            other => cx.guest_error(format!("{other:#04x} is no command of this flash")),
        }
        Ok(())
    }

    /// Programs a word: bits only fall.
    fn program(&mut self, at: Addr, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        let word = self.array(at, cx)? & value;
        match self.hidden.get_mut(&at) {
            Some(hidden) => *hidden = word,
            None => cx.dma_write(at, &word.to_le_bytes())?,
        }
        Ok(())
    }

    fn erase(&mut self, block: Addr, cx: &mut Cx<'_>) -> Result<(), BusError> {
        self.show_array(cx)?;
        cx.dma_write(block, &vec![0xFF; BLOCK as usize])
    }

    fn take(&mut self, at: Addr, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        match std::mem::take(&mut self.phase) {
            Phase::Command => self.command(at, value, cx)?,
            Phase::Program => {
                self.program(at, value, cx)?;
                self.show_status(at, cx)?;
            }
            Phase::Erase(block) => {
                if value & 0xFF == 0xD0 {
                    self.erase(block, cx)?;
                } else {
                    cx.guest_error("an erasure that was not confirmed");
                }
                self.show_status(at, cx)?;
            }
            // Locks are not kept: every block is unlocked.
            Phase::Lock(_) => self.show_status(at, cx)?,
            Phase::Count(block) => {
                let most = BUFFER / WORD;
                let words = (u64::from(value & 0xFFFF) + 1).min(most);
                self.phase = Phase::Fill(block, words);
            }
            Phase::Fill(block, left) => {
                // A narrow write leaves the word's other lanes to those beside it.
                *self.buffer.entry(at).or_insert(u32::MAX) &= value;
                self.phase = if left > 1 { Phase::Fill(block, left - 1) } else { Phase::Confirm(block) };
            }
            Phase::Confirm(_) => {
                if value & 0xFF == 0xD0 {
                    for (at, value) in std::mem::take(&mut self.buffer) {
                        self.program(at, value, cx)?;
                    }
                } else {
                    cx.guest_error("a buffer that was not confirmed");
                }
                self.show_status(at, cx)?;
            }
        }
        Ok(())
    }
}

impl Component for CfiFlash {
    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Command;
        self.buffer.clear();
        // The bank's own memory takes every write.
        let _ = self.show_array(cx);
    }
}

impl Peripheral for CfiFlash {
    fn registers(&self) -> &'static [Register] {
        &[]
    }
    fn read(&mut self, offset: u32, _: Width, _: &mut Cx<'_>) -> Result<u32, BusError> {
        Err(BusError::Refused(offset.into()))
    }
    fn write(&mut self, offset: u32, _: Width, _: u32, _: &mut Cx<'_>) -> Result<(), BusError> {
        Err(BusError::Refused(offset.into()))
    }
    fn rom_write(&mut self, addr: Addr, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        // A narrow write drives its lanes alone: commands reach one chip, data leaves the others' bits.
        let shift = 8 * (addr & 3) as u32;
        let mask = (width.mask() as u32) << shift;
        let quiet = matches!(self.phase, Phase::Program | Phase::Fill(..));
        let word = (value << shift) & mask | if quiet { !mask } else { 0 };
        let command = if quiet { word } else { value & 0xFFFF };
        self.take(addr & !3, command, cx)
    }
    fn peek(&self, _: u32, _: Time) -> Option<u32> {
        None
    }
}

impl Model for CfiFlash {
    const KIND: &'static str = "cfi-flash";
    const DOC: &'static str =
        "Parallel NOR flash (CFI, Intel command set) over a block of ROM whose writes it takes.";
    type Config = Config;

    fn new(config: Config) -> Self {
        let size = config.size.clamp(2 * BLOCK, 1 << 28).next_power_of_two();
        Self {
            config: Config { size },
            phase: Phase::Command,
            hidden: BTreeMap::new(),
            buffer: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    const SIZE: u64 = 4 * BLOCK;

    struct Bank(Rig<CfiFlash>);

    impl Bank {
        fn new() -> Self {
            let mut rig = Rig::new(CfiFlash::new(Config { size: SIZE }));
            rig.host.memory = vec![0xFF; SIZE as usize];
            Self(rig)
        }
        fn write(&mut self, at: u64, value: u32) {
            self.0.with(|flash, cx| flash.rom_write(at, Width::Word, value, cx)).unwrap();
        }
        fn read(&self, at: u64) -> u32 {
            let at = at as usize;
            u32::from_le_bytes(self.0.host.memory[at..at + 4].try_into().unwrap())
        }
    }

    #[test]
    fn the_query_table_appears_and_goes() {
        let mut bank = Bank::new();
        bank.write(0x55 * 4, 0x0098_0098);
        let text: Vec<u32> = (0x10..0x13).map(|n| bank.read(n * 4)).collect();
        assert_eq!(text, [0x51_0051, 0x52_0052, 0x59_0059]);
        assert_eq!(bank.read(0x27 * 4) & 0xFF, 19, "each chip has 512 KiB");
        assert_eq!(bank.read(0x2D * 4) & 0xFF, 3, "four blocks");
        assert_eq!(bank.read(0x31 * 4) & 0xFF, u32::from(b'P'));
        bank.write(0, 0x00FF_00FF);
        assert!(bank.0.host.memory.iter().all(|byte| *byte == 0xFF));
    }

    #[test]
    fn words_are_programmed_and_blocks_erased() {
        let mut bank = Bank::new();
        bank.write(BLOCK + 8, 0x0040_0040);
        bank.write(BLOCK + 8, 0x1234_5678);
        assert_eq!((bank.read(BLOCK + 8), bank.read(BLOCK)), (0x80_0080, 0x80_0080));
        bank.write(0, 0x00FF_00FF);
        assert_eq!((bank.read(BLOCK + 8), bank.read(BLOCK)), (0x1234_5678, u32::MAX));
        bank.write(BLOCK + 8, 0x0010_0010);
        bank.write(BLOCK + 8, 0xFFFF_0000);
        bank.write(0, 0x00FF_00FF);
        assert_eq!(bank.read(BLOCK + 8), 0x1234_0000, "bits only fall");
        bank.write(BLOCK, 0x0020_0020);
        bank.write(BLOCK, 0x00D0_00D0);
        bank.write(0, 0x00FF_00FF);
        assert_eq!(bank.read(BLOCK + 8), u32::MAX);
    }

    #[test]
    fn buffers_are_programmed_at_once() {
        let mut bank = Bank::new();
        bank.write(BLOCK, 0x00E8_00E8);
        bank.write(BLOCK, 0x0001_0001);
        bank.write(BLOCK, 0x1111_1111);
        bank.write(BLOCK + 4, 0x2222_2222);
        bank.write(BLOCK, 0x00D0_00D0);
        bank.write(0, 0x00FF_00FF);
        assert_eq!((bank.read(BLOCK), bank.read(BLOCK + 4)), (0x1111_1111, 0x2222_2222));
    }

    #[test]
    fn a_buffer_takes_halves_of_words() {
        let mut bank = Bank::new();
        let mut half = |at: u64, value: u32| {
            bank.0.with(|flash, cx| flash.rom_write(at, Width::Half, value, cx)).unwrap();
        };
        half(BLOCK, 0xE8);
        half(BLOCK, 3);
        for (at, value) in [(0, 0x1111), (2, 0x2222), (4, 0x3333), (6, 0x4444)] {
            half(BLOCK + at, value);
        }
        half(BLOCK, 0xD0);
        half(BLOCK, 0xFF);
        assert_eq!((bank.read(BLOCK), bank.read(BLOCK + 4)), (0x2222_1111, 0x4444_3333));
    }
}
