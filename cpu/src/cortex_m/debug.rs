//! The debug blocks that firmware touches: DWT, ITM, FPB, TPIU, ROM table, DEMCR (DDI 0403 C1).
//!
//! No debugger is ever attached, DWT counts cycles and compares addresses, and what is written to the trace ports is
//! lost. Other registers of these blocks keep what is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use consort_core::time::Cycles;

/// Offsets from 0xE0000000.
mod reg {
    pub(super) const ITM_TER: u32 = 0xE00;
    pub(super) const ITM_TCR: u32 = 0xE80;
    pub(super) const DWT_CTRL: u32 = 0x1000;
    pub(super) const DWT_CYCCNT: u32 = 0x1004;
    /// COMP, MASK (ARMv7-M) and FUNCTION of each comparator, 16 bytes apart.
    pub(super) const DWT_COMP0: u32 = 0x1020;
    pub(super) const DWT_COMP_END: u32 = 0x1060;
    pub(super) const DWT_FUNCTION0: u32 = 0x1028;
    pub(super) const FP_CTRL: u32 = 0x2000;
    pub(super) const TPIU_FFSR: u32 = 0x4_0300;
    pub(super) const ROM_TABLE: u32 = 0xF_F000;
    /// Lock registers within each block.
    pub(super) const LAR: u32 = 0xFB0;
    pub(super) const LSR: u32 = 0xFB4;
}

/// DEMCR.TRCENA.
const TRCENA: u32 = 1 << 24;
/// DEMCR.MON_PEND.
pub(super) const MON_PEND: u32 = 1 << 17;
/// DEMCR.MON_EN.
pub(super) const MON_EN: u32 = 1 << 16;
/// DEMCR: MON_REQ, MON_STEP, MON_PEND, MON_EN; the VC bits are the debugger's.
const DEMCR_WRITABLE: u32 = TRCENA | 0xF << 16;

/// DWT_CTRL.CYCCNTENA.
const CYCCNTENA: u32 = 1 << 0;
/// DWT_CTRL of a core with four comparators and every counter.
const DWT_CTRL_RESET: u32 = 0x4000_0000;
/// How many comparators there are.
const COMPARATORS: u32 = 4;
/// DWT_FUNCTION.MATCHED.
const MATCHED: u32 = 1 << 24;
/// What LAR wants.
const UNLOCK: u32 = 0xC5AC_CE55;

/// What a comparator compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// The addresses of instructions that execute.
    Instruction,
    /// Those of data reads, writes, or both.
    Data { read: bool, write: bool },
}

/// A comparator at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Comparator {
    pub(super) number: u8,
    pub(super) compared: Compared,
    pub(super) base: u32,
    pub(super) size: u32,
}

/// The blocks' state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct DebugBlocks {
    /// Cortex-M7: the blocks refuse software until LAR is written.
    has_lock: bool,
    /// The comparators are ARMv8-M's.
    v8: bool,
    /// The comparators that matched since their DWT_FUNCTION was read, a bit each.
    matched: u8,
    /// Whether comparators may have changed since they were last asked for.
    #[serde(skip, default = "changed")]
    changed: bool,
    unlocked: bool,
    demcr: u32,
    dwt_ctrl: u32,
    /// CYCCNT at cycle `anchor`.
    cyccnt: u32,
    anchor: Cycles,
    others: BTreeMap<u32, u32>,
}

impl DebugBlocks {
    pub(super) fn new(has_lock: bool, v8: bool) -> Self {
        Self { has_lock, v8, changed: true, ..Self::default() }
    }

    /// Back to the state after power-on.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.has_lock, self.v8);
    }

    /// DEMCR.
    pub(super) fn demcr(&self) -> u32 {
        self.demcr
    }

    /// Whether the DebugMonitor exception is enabled.
    pub(super) fn monitor_enabled(&self) -> bool {
        self.demcr & MON_EN != 0
    }

    fn counting(&self) -> bool {
        self.dwt_ctrl & CYCCNTENA != 0 && self.demcr & TRCENA != 0
    }

    fn cyccnt(&self, at: Cycles) -> u32 {
        if self.counting() { self.cyccnt.wrapping_add(at.since(self.anchor) as u32) } else { self.cyccnt }
    }

    /// Fixes the count so far, before something changes how it goes on.
    fn settle(&mut self, at: Cycles) {
        self.cyccnt = self.cyccnt(at);
        self.anchor = at;
    }

    /// The comparators at work, if they may have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Option<Vec<Comparator>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let on = self.demcr & TRCENA != 0;
        Some((0..COMPARATORS).filter(|_| on).filter_map(|n| self.comparator(n)).collect())
    }

    /// Whether the engine does not know the comparators yet.
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// What DWT_FUNCTION makes a comparator do: watchpoint debug events alone (DDI 0403 C1.8.5, DDI 0553 D1.2.82).
    fn comparator(&self, n: u32) -> Option<Comparator> {
        let register = |offset: u32| self.others.get(&(offset + 16 * n)).copied().unwrap_or(0);
        let function = register(reg::DWT_FUNCTION0);
        let data = |read, write| Compared::Data { read, write };
        let (compared, bits) = if self.v8 {
            // ACTION must be a debug event.
            if function >> 4 & 3 != 1 {
                return None;
            }
            let compared = match function & 0xF {
                2 => Compared::Instruction,
                4 => data(true, true),
                5 => data(false, true),
                6 => data(true, false),
                _ => return None,
            };
            (compared, function >> 10 & 3)
        } else {
            let compared = match function & 0xF {
                4 => Compared::Instruction,
                5 => data(true, false),
                6 => data(false, true),
                7 => data(true, true),
                _ => return None,
            };
            (compared, register(reg::DWT_COMP0 + 4))
        };
        let size = 1 << bits;
        let base = register(reg::DWT_COMP0) & !(size - 1);
        Some(Comparator { number: n as u8, compared, base, size })
    }

    /// Notes that comparators, a bit each, have matched.
    pub(super) fn note_match(&mut self, comparators: u8) {
        self.matched |= comparators;
    }

    /// What reading a register changes: DWT_FUNCTION.MATCHED.
    pub(super) fn was_read(&mut self, offset: u32) {
        if (reg::DWT_COMP0..reg::DWT_COMP_END).contains(&offset) && offset & 0xC == 8 {
            self.matched &= !(1 << ((offset - reg::DWT_COMP0) / 16));
        }
    }

    /// A register of a comparator: what it keeps of a write.
    fn write_comparator(&mut self, offset: u32, value: u32) {
        let kept = match (offset & 0xC, self.v8) {
            (0, _) => value,
            // At most 32 KiB, as on the Cortex-M3 and M4.
            (4, false) => value & 0xF,
            // No cycle match, no data value match.
            (8, false) => value & 0x2F,
            (8, true) => value & 0xC3F,
            _ => 0,
        };
        self.others.insert(offset, kept);
        self.changed = true;
    }

    /// Writes DEMCR.
    pub(super) fn write_demcr(&mut self, at: Cycles, value: u32) {
        self.settle(at);
        self.changed = true;
        self.demcr = value & DEMCR_WRITABLE;
    }

    /// A register of the blocks by its offset from 0xE0000000, at cycle `at`.
    pub(super) fn word(&self, offset: u32, at: Cycles) -> u32 {
        let stored = || self.others.get(&offset).copied().unwrap_or(0);
        match offset {
            // A stimulus port reads 1 when it can take a word.
            0..0x400 => {
                let port = offset / 4;
                let enables = self.others.get(&(reg::ITM_TER + port / 32 * 4)).copied().unwrap_or(0);
                let itm_on = self.others.get(&reg::ITM_TCR).copied().unwrap_or(0) & 1 != 0;
                u32::from(itm_on && enables >> (port % 32) & 1 != 0)
            }
            reg::DWT_CTRL => DWT_CTRL_RESET | self.dwt_ctrl,
            reg::DWT_CYCCNT => self.cyccnt(at),
            reg::DWT_COMP0..reg::DWT_COMP_END if offset & 0xC == 8 => {
                let n = (offset - reg::DWT_COMP0) / 16;
                stored() | if self.matched >> n & 1 != 0 { MATCHED } else { 0 }
            }
            reg::FP_CTRL => 0x260 | stored() & 1,
            reg::TPIU_FFSR => 8, // FtNonStop
            reg::ROM_TABLE.. => rom_table(offset - reg::ROM_TABLE),
            _ if offset & 0xFFF == reg::LSR => match (self.has_lock, self.unlocked) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => 3,
            },
            _ if offset & 0xFFF == reg::LAR => 0,
            _ => stored(),
        }
    }

    /// Writes a register of the blocks.
    pub(super) fn write(&mut self, offset: u32, at: Cycles, value: u32) {
        if offset & 0xFFF == reg::LAR {
            self.unlocked = value == UNLOCK;
            return;
        }
        if self.has_lock && !self.unlocked && offset < 0x3000 {
            return;
        }
        match offset {
            0..0x400 | reg::ROM_TABLE.. => {}
            reg::DWT_CTRL => {
                self.settle(at);
                self.dwt_ctrl = value & 0x007F_1FFF;
            }
            reg::DWT_CYCCNT => (self.cyccnt, self.anchor) = (value, at),
            reg::DWT_COMP0..reg::DWT_COMP_END => self.write_comparator(offset & !3, value),
            0x1008..0x101C => {} // counters of events that are not counted, and PCSR
            _ if offset & 0xFFF >= 0xFB0 => {}
            _ => {
                self.others.insert(offset & !3, value);
            }
        }
    }
}

/// A restored core tells its engine everything anew.
fn changed() -> bool {
    true
}

/// The ROM table of a Cortex-M3 or M4: where the blocks are, and its own identity (DDI 0403 C1.2.2).
fn rom_table(offset: u32) -> u32 {
    match offset {
        0x00 => 0xFFF0_F003,
        0x04 => 0xFFF0_2003,
        0x08 => 0xFFF0_3003,
        0x0C => 0xFFF0_1003,
        0x10 => 0xFFF4_1003,
        0x14 => 0xFFF4_2002,
        0xFCC => 1,
        0xFD0 => 0x04,
        0xFE0 => 0xC4,
        0xFE4 => 0xB4,
        0xFE8 => 0x0B,
        0xFF0 => 0x0D,
        0xFF4 => 0x10,
        0xFF8 => 0x05,
        0xFFC => 0xB1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> DebugBlocks {
        let mut blocks = DebugBlocks::new(false, false);
        blocks.write_demcr(Cycles(0), TRCENA);
        blocks.write(reg::DWT_CTRL, Cycles(10), CYCCNTENA);
        blocks
    }

    #[test]
    fn cyccnt_is_the_cycles_since_it_was_written() {
        let mut blocks = counting();
        assert_eq!(blocks.word(reg::DWT_CYCCNT, Cycles(25)), 15);
        blocks.write(reg::DWT_CYCCNT, Cycles(30), 0xFFFF_FFFF);
        assert_eq!(blocks.word(reg::DWT_CYCCNT, Cycles(32)), 1, "it wraps");
        blocks.write(reg::DWT_CTRL, Cycles(40), 0);
        assert_eq!(blocks.word(reg::DWT_CYCCNT, Cycles(99)), 9);
        assert_eq!(blocks.word(reg::DWT_CTRL, Cycles(99)), DWT_CTRL_RESET);
    }

    #[test]
    fn without_trcena_nothing_counts() {
        let mut blocks = counting();
        blocks.write_demcr(Cycles(20), 0);
        assert_eq!(blocks.word(reg::DWT_CYCCNT, Cycles(99)), 10);
    }

    #[test]
    fn a_locked_dwt_waits_for_the_key() {
        let mut blocks = DebugBlocks::new(true, false);
        blocks.write_demcr(Cycles(0), TRCENA);
        blocks.write(reg::DWT_CTRL, Cycles(0), CYCCNTENA);
        assert_eq!(blocks.word(reg::DWT_CYCCNT, Cycles(9)), 0);
        blocks.write(0x1000 | reg::LAR, Cycles(9), UNLOCK);
        blocks.write(reg::DWT_CTRL, Cycles(9), CYCCNTENA);
        assert_eq!(blocks.word(reg::DWT_CYCCNT, Cycles(19)), 10);
    }

    #[test]
    fn comparators_are_what_their_registers_say() {
        let at = Cycles(0);
        let one = |v8: bool, registers: [u32; 3]| {
            let mut blocks = DebugBlocks::new(false, v8);
            blocks.write_demcr(at, TRCENA);
            for (offset, value) in [0, 4, 8].into_iter().zip(registers) {
                blocks.write(0x1030 + offset, at, value);
            }
            let comparators = blocks.take_changed().unwrap();
            assert_eq!(blocks.take_changed(), None, "nothing new");
            (comparators.first().map(|c| (c.number, c.compared, c.base, c.size)), blocks.word(0x1038, at))
        };
        let data = |read, write| Compared::Data { read, write };
        let base = 0x2000_0008;
        assert_eq!(one(false, [0x2000_000A, 3, 5]), (Some((1, data(true, false), base, 8)), 5));
        assert_eq!(one(false, [0x2000_0008, 0, 0xFFFF_FFF6]), (Some((1, data(false, true), base, 1)), 0x26));
        assert_eq!(one(false, [0x400, 0, 4]), (Some((1, Compared::Instruction, 0x400, 1)), 4));
        assert_eq!(one(false, [0x400, 0, 2]).0, None, "a trace packet");
        assert_eq!(one(true, [0x2000_000A, 0, 0x814]), (Some((1, data(true, true), base, 4)), 0x814));
        assert_eq!(one(true, [0x2000_000A, 0, 0x804]).0, None, "no debug event");
        let mut off = DebugBlocks::new(false, false);
        off.write(0x1028, at, 7);
        assert_eq!(off.take_changed(), Some(vec![]), "without TRCENA");
    }

    #[test]
    fn a_match_is_told_once() {
        let mut blocks = DebugBlocks::new(false, false);
        blocks.note_match(0b100);
        assert_eq!(blocks.word(0x1048, Cycles(0)), MATCHED);
        blocks.was_read(0x1028);
        assert_eq!(blocks.word(0x1048, Cycles(0)), MATCHED);
        blocks.was_read(0x1048);
        assert_eq!(blocks.word(0x1048, Cycles(0)), 0);
    }

    #[test]
    fn an_enabled_trace_port_is_always_ready() {
        let mut blocks = DebugBlocks::new(false, false);
        assert_eq!(blocks.word(0, Cycles(0)), 0);
        blocks.write(reg::ITM_TER, Cycles(0), 1);
        blocks.write(reg::ITM_TCR, Cycles(0), 1);
        assert_eq!((blocks.word(0, Cycles(0)), blocks.word(4, Cycles(0))), (1, 0));
    }
}
