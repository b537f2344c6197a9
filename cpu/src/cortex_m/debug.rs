//! The debug blocks that firmware touches: DWT, ITM, FPB, TPIU, ROM table, DEMCR (DDI 0403 C1).
//!
//! No debugger is ever attached, DWT counts cycles only, and what is written to the trace ports is lost. Other
//! registers of these blocks keep what is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use consort_core::time::Cycles;

/// Offsets from 0xE0000000.
mod reg {
    pub(super) const ITM_TER: u32 = 0xE00;
    pub(super) const ITM_TCR: u32 = 0xE80;
    pub(super) const DWT_CTRL: u32 = 0x1000;
    pub(super) const DWT_CYCCNT: u32 = 0x1004;
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
/// What LAR wants.
const UNLOCK: u32 = 0xC5AC_CE55;

/// The blocks' state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct DebugBlocks {
    /// Cortex-M7: the blocks refuse software until LAR is written.
    has_lock: bool,
    unlocked: bool,
    demcr: u32,
    dwt_ctrl: u32,
    /// CYCCNT at cycle `anchor`.
    cyccnt: u32,
    anchor: Cycles,
    others: BTreeMap<u32, u32>,
}

impl DebugBlocks {
    pub(super) fn new(has_lock: bool) -> Self {
        Self { has_lock, ..Self::default() }
    }

    /// Back to the state after power-on.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.has_lock);
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

    /// Writes DEMCR.
    pub(super) fn write_demcr(&mut self, at: Cycles, value: u32) {
        self.settle(at);
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
            0x1008..0x101C => {} // counters of events that are not counted, and PCSR
            _ if offset & 0xFFF >= 0xFB0 => {}
            _ => {
                self.others.insert(offset & !3, value);
            }
        }
    }
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
        let mut blocks = DebugBlocks::new(false);
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
        let mut blocks = DebugBlocks::new(true);
        blocks.write_demcr(Cycles(0), TRCENA);
        blocks.write(reg::DWT_CTRL, Cycles(0), CYCCNTENA);
        assert_eq!(blocks.word(reg::DWT_CYCCNT, Cycles(9)), 0);
        blocks.write(0x1000 | reg::LAR, Cycles(9), UNLOCK);
        blocks.write(reg::DWT_CTRL, Cycles(9), CYCCNTENA);
        assert_eq!(blocks.word(reg::DWT_CYCCNT, Cycles(19)), 10);
    }

    #[test]
    fn an_enabled_trace_port_is_always_ready() {
        let mut blocks = DebugBlocks::new(false);
        assert_eq!(blocks.word(0, Cycles(0)), 0);
        blocks.write(reg::ITM_TER, Cycles(0), 1);
        blocks.write(reg::ITM_TCR, Cycles(0), 1);
        assert_eq!((blocks.word(0, Cycles(0)), blocks.word(4, Cycles(0))), (1, 0));
    }
}
