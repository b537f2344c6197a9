//! The Generic Interrupt Controller, architecture version 2.0 without Security Extensions (IHI 0048B): distributor
//! and CPU interface, for one core.
//!
//! Priorities have all eight bits. Group 0 interrupts are signalled by IRQ unless GICC_CTLR.FIQEn. What is private
//! to a core (interrupts 0 to 31 and the CPU interface) would be one per core in a machine with more.

use consort_core::bus::Width;
use serde::{Deserialize, Serialize};

/// No interrupt is pending for the reader.
const SPURIOUS: u32 = 1023;
/// The pending interrupt belongs to the other group.
const OTHER_GROUP: u32 = 1022;
/// Software generated interrupts come first.
const SGIS: usize = 16;
/// Interrupts before the shared ones.
pub(super) const PRIVATE: u16 = 32;

/// GICC_CTLR.
mod control {
    pub(super) const ENABLE_GROUP0: u32 = 1 << 0;
    pub(super) const ENABLE_GROUP1: u32 = 1 << 1;
    pub(super) const ACK_CTL: u32 = 1 << 2;
    pub(super) const FIQ_EN: u32 = 1 << 3;
    pub(super) const CBPR: u32 = 1 << 4;
    pub(super) const EOI_MODE: u32 = 1 << 9;
    pub(super) const WRITABLE: u32 = 0x21F;
}

/// A set of interrupts, a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Set(Vec<u32>);

impl Set {
    fn new(words: usize) -> Self {
        Self(vec![0; words])
    }
    fn word(&self, index: usize) -> u32 {
        self.0.get(index).copied().unwrap_or(0)
    }
    fn has(&self, irq: usize) -> bool {
        self.word(irq / 32) >> (irq % 32) & 1 != 0
    }
    fn put(&mut self, irq: usize, on: bool) {
        if let Some(word) = self.0.get_mut(irq / 32) {
            *word = *word & !(1 << (irq % 32)) | u32::from(on) << (irq % 32);
        }
    }
    fn set_bits(&mut self, index: usize, bits: u32) {
        if let Some(word) = self.0.get_mut(index) {
            *word |= bits;
        }
    }
    fn clear_bits(&mut self, index: usize, bits: u32) {
        if let Some(word) = self.0.get_mut(index) {
            *word &= !bits;
        }
    }
}

/// What an access did that the core must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The core began to handle this interrupt.
    Acknowledged(u16),
    /// The core ended it.
    Ended(u16),
}

/// The controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gic {
    /// How many interrupts there are, a multiple of 32.
    count: usize,
    /// GICD_CTLR.
    distributor: u32,
    enabled: Set,
    /// Group 1.
    group: Set,
    /// Pending by an edge, by software or as an SGI.
    latched: Set,
    /// The input lines.
    level: Set,
    active: Set,
    /// Edge-triggered.
    edge: Set,
    priority: Vec<u8>,
    /// GICC_CTLR.
    control: u32,
    mask: u8,
    binary_point: u8,
    aliased_binary_point: u8,
    /// The priority groups of the interrupts that are being handled, the latest last.
    running: Vec<(u16, u8)>,
    /// The best pending interrupt: kept up to date by [`Gic::update`].
    best: Option<(u16, u8)>,
}

impl Gic {
    pub(super) fn new(shared: u16) -> Self {
        let count = (usize::from(PRIVATE + shared)).next_multiple_of(32).min(1024);
        let words = count / 32;
        let mut gic = Self {
            count,
            distributor: 0,
            enabled: Set::new(words),
            group: Set::new(words),
            latched: Set::new(words),
            level: Set::new(words),
            active: Set::new(words),
            edge: Set::new(words),
            priority: vec![0; count],
            control: 0,
            mask: 0,
            binary_point: 0,
            aliased_binary_point: 1,
            running: Vec::new(),
            best: None,
        };
        gic.reset();
        gic
    }

    /// Reset; the input lines keep their levels.
    pub(super) fn reset(&mut self) {
        let words = self.count / 32;
        for set in [&mut self.enabled, &mut self.group, &mut self.latched, &mut self.active, &mut self.edge] {
            *set = Set::new(words);
        }
        // SGIs are always enabled and edge-triggered.
        self.enabled.set_bits(0, 0xFFFF);
        self.edge.set_bits(0, 0xFFFF);
        self.priority.fill(0);
        (self.distributor, self.control, self.mask) = (0, 0, 0);
        (self.binary_point, self.aliased_binary_point) = (0, 1);
        self.running.clear();
        self.update();
    }

    /// Changes the level of an input.
    pub(super) fn set_level(&mut self, irq: u16, level: bool) {
        let irq = usize::from(irq);
        if irq >= self.count || self.level.has(irq) == level {
            return;
        }
        self.level.put(irq, level);
        if level && self.edge.has(irq) {
            self.latched.put(irq, true);
        }
        self.update();
    }

    /// An edge on an input.
    pub(super) fn pulse(&mut self, irq: u16) {
        if self.edge.has(usize::from(irq)) {
            self.latched.put(usize::from(irq), true);
            self.update();
        }
    }

    /// The lines to the core: bit 0 IRQ, bit 1 FIQ.
    pub(super) fn lines(&self) -> u64 {
        let Some((irq, priority)) = self.best else { return 0 };
        let group1 = self.group.has(usize::from(irq));
        let enable = if group1 { control::ENABLE_GROUP1 } else { control::ENABLE_GROUP0 };
        if self.control & enable == 0 || priority >= self.mask {
            return 0;
        }
        // Both sides in the group priority bits of the interrupt that is pending (3.3.3).
        let running = self.running.last().map(|(_, running)| self.group_priority(*running, group1));
        if running.is_some_and(|running| self.group_priority(priority, group1) >= running) {
            return 0;
        }
        if !group1 && self.control & control::FIQ_EN != 0 { 2 } else { 1 }
    }

    /// The interrupt that is being handled.
    pub(super) fn running(&self) -> Option<u16> {
        self.running.last().map(|(irq, _)| *irq)
    }

    fn pending(&self, word: usize) -> u32 {
        self.latched.word(word) | self.level.word(word) & !self.edge.word(word)
    }

    fn update(&mut self) {
        self.best = None;
        for word in 0..self.count / 32 {
            let mut group = 0;
            if self.distributor & 1 != 0 {
                group |= !self.group.word(word);
            }
            if self.distributor & 2 != 0 {
                group |= self.group.word(word);
            }
            let mut candidates =
                self.pending(word) & self.enabled.word(word) & !self.active.word(word) & group;
            while candidates != 0 {
                let irq = word * 32 + candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                let priority = self.priority.get(irq).copied().unwrap_or(0xFF);
                if self.best.is_none_or(|(_, best)| priority < best) {
                    self.best = Some((irq as u16, priority));
                }
            }
        }
    }

    /// The part of a priority that decides about preemption.
    fn group_priority(&self, priority: u8, group1: bool) -> u8 {
        let point = if group1 && self.control & control::CBPR == 0 {
            self.aliased_binary_point.max(1) - 1
        } else {
            self.binary_point
        };
        // Binary point n: the lowest n + 1 bits are the subpriority.
        (u32::from(priority) & (0xFFFF_FFFE << point)) as u8
    }

    fn running_priority(&self) -> u32 {
        self.running.last().map_or(0x100, |(_, priority)| u32::from(*priority))
    }

    fn acknowledge(&mut self, alias: bool) -> (u32, Option<Event>) {
        if self.lines() == 0 {
            return (SPURIOUS, None);
        }
        let Some((irq, priority)) = self.best else { return (SPURIOUS, None) };
        let group1 = self.group.has(usize::from(irq));
        if alias != group1 && (alias || self.control & control::ACK_CTL == 0) {
            return (if alias { SPURIOUS } else { OTHER_GROUP }, None);
        }
        self.running.push((irq, self.group_priority(priority, group1)));
        self.active.put(usize::from(irq), true);
        self.latched.put(usize::from(irq), false);
        self.update();
        (u32::from(irq), Some(Event::Acknowledged(irq)))
    }

    fn end(&mut self, value: u32) -> Option<Event> {
        let irq = value & 0x3FF;
        if irq as usize >= self.count {
            return None;
        }
        let dropped = self.running.pop();
        if self.control & control::EOI_MODE == 0 {
            self.active.put(irq as usize, false);
        }
        self.update();
        dropped.map(|_| Event::Ended(irq as u16))
    }

    /// Reads the CPU interface.
    pub(super) fn read_interface(&mut self, offset: u32) -> (u32, Option<Event>) {
        match offset {
            0x0C => self.acknowledge(false),
            0x20 => self.acknowledge(true),
            _ => (self.peek_interface(offset), None),
        }
    }

    /// What a read of the CPU interface would give.
    pub(super) fn peek_interface(&self, offset: u32) -> u32 {
        let pending = |group1: bool| match self.best {
            Some((irq, _)) if self.group.has(usize::from(irq)) == group1 => u32::from(irq),
            _ => SPURIOUS,
        };
        match offset {
            0x00 => self.control,
            0x04 => self.mask.into(),
            0x08 => self.binary_point.into(),
            0x14 => self.running_priority().min(0xFF),
            0x0C | 0x18 => match self.best {
                Some((irq, _))
                    if self.group.has(usize::from(irq)) && self.control & control::ACK_CTL == 0 =>
                {
                    OTHER_GROUP
                }
                Some((irq, _)) => irq.into(),
                None => SPURIOUS,
            },
            0x1C => self.aliased_binary_point.into(),
            0x20 | 0x28 => pending(true),
            0xD0..=0xDC => {
                // GICC_APRn: a bit per group priority in use.
                let word = (offset - 0xD0) / 4;
                let bits = self.running.iter().map(|(_, priority)| u32::from(*priority) >> 1);
                bits.filter(|bit| bit / 32 == word).fold(0, |all, bit| all | 1 << (bit % 32))
            }
            0xFC => 0x0002_043B, // architecture version 2, implementer Arm
            _ => 0,
        }
    }

    /// Writes the CPU interface.
    pub(super) fn write_interface(&mut self, offset: u32, value: u32) -> Option<Event> {
        match offset {
            0x00 => self.control = value & control::WRITABLE,
            0x04 => self.mask = value as u8,
            0x08 => self.binary_point = (value & 7) as u8,
            0x10 | 0x24 => return self.end(value),
            0x1C => self.aliased_binary_point = (value & 7).max(1) as u8,
            0xD0..=0xDC if value == 0 => self.running.clear(),
            0x1000 if self.control & control::EOI_MODE != 0 => {
                self.active.put((value & 0x3FF) as usize, false);
                self.update();
            }
            _ => {}
        }
        None
    }

    /// Reads the distributor.
    pub(super) fn read_distributor(&self, offset: u32, width: Width) -> u32 {
        let index = (offset & 0x7F) as usize / 4;
        let word = match offset & !3 {
            0x000 => self.distributor,
            0x004 => (self.count / 32 - 1) as u32,
            0x080..=0x0FC => self.group.word(index),
            0x100..=0x1FC => self.enabled.word(index),
            0x200..=0x2FC => self.pending(index),
            0x300..=0x3FC => self.active.word(index),
            0x400..=0x7FC => Self::bytes(&self.priority, offset - 0x400),
            // GICD_ITARGETSRn (4.3.12): with one core they read 0 and are not written; all interrupts are its.
            0xC00..=0xCFC => self.configuration((offset - 0xC00) as usize / 4),
            0xF10..=0xF2C => {
                let first = (offset & 0xC) as usize;
                (0..4).fold(0, |all, n| all | u32::from(self.latched.has(first + n)) << (8 * n))
            }
            0xFD0 => 0x04,
            0xFE0 => 0x90,
            0xFE4 => 0xB4,
            0xFE8 => 0x2B,
            0xFF0 => 0x0D,
            0xFF4 => 0xF0,
            0xFF8 => 0x05,
            0xFFC => 0xB1,
            _ => 0,
        };
        (word >> (8 * (offset & 3))) & width.mask() as u32
    }

    fn bytes(of: &[u8], offset: u32) -> u32 {
        let first = (offset & !3) as usize;
        (0..4).fold(0, |all, n| all | u32::from(of.get(first + n).copied().unwrap_or(0)) << (8 * n))
    }

    /// GICD_ICFGRn: two bits for each of sixteen interrupts, the upper one set for an edge.
    fn configuration(&self, index: usize) -> u32 {
        (0..16).fold(0, |all, n| all | u32::from(self.edge.has(index * 16 + n)) << (2 * n + 1))
    }

    /// Writes the distributor.
    pub(super) fn write_distributor(&mut self, offset: u32, width: Width, value: u32) {
        let lanes = (value & width.mask() as u32) << (8 * (offset & 3));
        let index = (offset & 0x7F) as usize / 4;
        match offset & !3 {
            0x000 => self.distributor = value & 3,
            0x080..=0x0FC => {
                let mask = (width.mask() as u32) << (8 * (offset & 3));
                self.group.clear_bits(index, mask);
                self.group.set_bits(index, lanes);
            }
            0x100..=0x17C => self.enabled.set_bits(index, lanes),
            0x180..=0x1FC => {
                self.enabled.clear_bits(index, if index == 0 { lanes & !0xFFFF } else { lanes });
            }
            // SGIs are made pending by their own registers.
            0x200..=0x27C => self.latched.set_bits(index, if index == 0 { lanes & !0xFFFF } else { lanes }),
            0x280..=0x2FC => {
                self.latched.clear_bits(index, if index == 0 { lanes & !0xFFFF } else { lanes });
            }
            0x300..=0x37C => self.active.set_bits(index, lanes),
            0x380..=0x3FC => self.active.clear_bits(index, lanes),
            0x400..=0x7FC => Self::set_bytes(&mut self.priority, offset - 0x400, width, value),
            0xC00..=0xCFC => {
                let (first, bits) = ((offset - 0xC00) as usize / 4 * 16, 4 * width.bytes() as usize);
                let skip = 4 * (offset & 3) as usize;
                for n in skip..(skip + bits).min(16) {
                    if first + n >= SGIS {
                        self.edge.put(first + n, lanes >> (2 * n + 1) & 1 != 0);
                    }
                }
            }
            0xF00 => self.generate(value),
            0xF10..=0xF1C | 0xF20..=0xF2C => {
                let (first, set) = ((offset & 0xF) as usize, offset & 0x20 != 0);
                for n in 0..width.bytes() as usize {
                    if value >> (8 * n) & 1 != 0 {
                        self.latched.put(first + n, set);
                    }
                }
            }
            _ => {}
        }
        self.update();
    }

    fn set_bytes(of: &mut [u8], offset: u32, width: Width, value: u32) {
        for n in 0..width.bytes() as usize {
            if let Some(byte) = of.get_mut(offset as usize + n) {
                *byte = (value >> (8 * n)) as u8;
            }
        }
    }

    /// GICD_SGIR.
    fn generate(&mut self, value: u32) {
        let to_us = match value >> 24 & 3 {
            0 => value >> 16 & 1 != 0, // the list of targets
            2 => true,                 // the requester itself
            _ => false,                // all others
        };
        if to_us {
            self.latched.put((value & 0xF) as usize, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gic() -> Gic {
        let mut gic = Gic::new(256);
        gic.write_distributor(0, Width::Word, 1);
        gic.write_interface(0, 1);
        gic.write_interface(4, 0xF0);
        gic
    }

    fn enable(gic: &mut Gic, irq: u32, priority: u32) {
        gic.write_distributor(0x100 + irq / 32 * 4, Width::Word, 1 << (irq % 32));
        gic.write_distributor(0x400 + irq, Width::Byte, priority);
    }

    #[test]
    fn a_level_is_pending_until_it_falls() {
        let mut gic = gic();
        enable(&mut gic, 33, 0xA0);
        assert_eq!(gic.lines(), 0);
        gic.set_level(33, true);
        assert_eq!(gic.lines(), 1);
        assert_eq!(gic.read_interface(0x0C), (33, Some(Event::Acknowledged(33))));
        assert_eq!((gic.lines(), gic.read_interface(0x0C).0), (0, SPURIOUS));
        assert_eq!(gic.write_interface(0x10, 33), Some(Event::Ended(33)));
        assert_eq!(gic.lines(), 1, "the device still asks");
        gic.set_level(33, false);
        assert_eq!(gic.lines(), 0);
    }

    #[test]
    fn an_edge_is_pending_until_it_is_acknowledged() {
        let mut gic = gic();
        enable(&mut gic, 48, 0xA0);
        gic.write_distributor(0xC0C, Width::Word, 2);
        assert_eq!(gic.read_distributor(0xC0C, Width::Word), 2);
        gic.set_level(48, true);
        gic.set_level(48, false);
        assert_eq!(gic.read_interface(0x0C).0, 48);
        gic.set_level(48, true);
        gic.write_interface(0x10, 48);
        assert_eq!(gic.lines(), 1, "the edge meanwhile counts");
    }

    #[test]
    fn a_higher_priority_preempts() {
        let mut gic = gic();
        enable(&mut gic, 40, 0xA0);
        enable(&mut gic, 41, 0x80);
        gic.set_level(40, true);
        assert_eq!(gic.read_interface(0x0C).0, 40);
        gic.set_level(41, true);
        assert_eq!(gic.lines(), 1);
        assert_eq!(gic.read_interface(0x0C).0, 41);
        assert_eq!(gic.peek_interface(0x14), 0x80);
        gic.write_interface(0x10, 41);
        assert_eq!(gic.peek_interface(0x14), 0xA0);
        gic.write_interface(0x04, 0x80);
        gic.write_interface(0x10, 40);
        assert_eq!(gic.lines(), 0, "the mask keeps both away");
    }

    #[test]
    fn software_generates_interrupts_for_itself() {
        let mut gic = gic();
        gic.write_distributor(0xF00, Width::Word, 0x0201_0003 & !0x200_0000);
        assert_eq!(gic.read_interface(0x0C).0, 3);
        gic.write_interface(0x10, 3);
        assert_eq!(gic.read_interface(0x0C).0, SPURIOUS);
    }

    #[test]
    fn the_split_end_deactivates_later() {
        let mut gic = gic();
        gic.write_interface(0, 1 | control::EOI_MODE);
        enable(&mut gic, 40, 0xA0);
        gic.set_level(40, true);
        gic.read_interface(0x0C);
        gic.write_interface(0x10, 40);
        assert_eq!(gic.lines(), 0, "still active");
        gic.write_interface(0x1000, 40);
        assert_eq!(gic.lines(), 1);
    }

    #[test]
    fn groups_choose_the_line() {
        let mut gic = gic();
        enable(&mut gic, 40, 0xA0);
        gic.write_distributor(0, Width::Word, 3);
        gic.write_interface(0, 3 | control::FIQ_EN);
        gic.set_level(40, true);
        assert_eq!(gic.lines(), 2);
        gic.write_distributor(0x084, Width::Word, 1 << 8);
        assert_eq!(gic.lines(), 1);
        assert_eq!(gic.read_interface(0x0C).0, OTHER_GROUP);
        assert_eq!(gic.read_interface(0x20).0, 40);
    }

    #[test]
    fn no_access_panics() {
        let mut gic = Gic::new(988);
        for offset in 0..0x1000 {
            for width in [Width::Byte, Width::Half, Width::Word] {
                gic.write_distributor(offset, width, u32::MAX);
                gic.read_distributor(offset, width);
            }
        }
        for offset in (0..0x2000).step_by(4) {
            gic.write_interface(offset, u32::MAX);
            gic.read_interface(offset);
        }
    }
}
