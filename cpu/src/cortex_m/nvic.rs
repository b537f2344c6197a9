//! The exceptions of a core: which are pending, active and enabled, and which one is next (DDI 0403 B1.5, B3.4).

use serde::{Deserialize, Serialize};

/// Exception numbers (DDI 0403 B1.5.2).
pub(super) mod number {
    pub(in crate::cortex_m) const NMI: u16 = 2;
    pub(in crate::cortex_m) const HARD_FAULT: u16 = 3;
    pub(in crate::cortex_m) const MEM_MANAGE: u16 = 4;
    pub(in crate::cortex_m) const BUS_FAULT: u16 = 5;
    pub(in crate::cortex_m) const USAGE_FAULT: u16 = 6;
    pub(in crate::cortex_m) const SVCALL: u16 = 11;
    pub(in crate::cortex_m) const DEBUG_MONITOR: u16 = 12;
    pub(in crate::cortex_m) const PENDSV: u16 = 14;
    pub(in crate::cortex_m) const SYSTICK: u16 = 15;
    /// External interrupt 0.
    pub(in crate::cortex_m) const IRQ0: u16 = 16;
}

use number::{HARD_FAULT, IRQ0, NMI};

/// The most external interrupts an implementation may have (DDI 0403 B3.4).
pub(super) const MAX_LINES: u16 = 496;

/// Words of each of NVIC_ISERn and its like.
pub(super) const IRQ_GROUPS: u16 = 16;

/// The priority of a core that handles nothing: lower than every exception's.
pub(super) const IDLE_PRIORITY: i16 = 256;

/// One bit for each exception number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bits([u64; 8]);

impl Bits {
    const fn has(&self, n: u16) -> bool {
        n < 512 && self.0[n as usize / 64] >> (n % 64) & 1 != 0
    }

    fn put(&mut self, n: u16, on: bool) {
        if let Some(word) = self.0.get_mut(usize::from(n / 64)) {
            let bit = 1 << (n % 64);
            if on { *word |= bit } else { *word &= !bit }
        }
    }

    fn iter(self) -> impl Iterator<Item = u16> {
        self.0.into_iter().zip((0u16..).step_by(64)).flat_map(|(mut word, base)| {
            std::iter::from_fn(move || {
                (word != 0).then(|| {
                    let bit = word.trailing_zeros() as u16;
                    word &= word - 1;
                    base + bit
                })
            })
        })
    }

    fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    fn is_empty(&self) -> bool {
        self.0 == [0; 8]
    }

    /// The 32 bits of external interrupts `32 * index` and up.
    fn word(&self, index: u16) -> u32 {
        let first = IRQ0 + 32 * index;
        let (at, shift) = (usize::from(first / 64), first % 64);
        let low = self.0.get(at).copied().unwrap_or(0) >> shift;
        let high = if shift > 32 { self.0.get(at + 1).copied().unwrap_or(0) << (64 - shift) } else { 0 };
        (low | high) as u32
    }
}

/// The priority masks, which live in the core's registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// PRIMASK.
    pub primask: bool,
    /// FAULTMASK.
    pub faultmask: bool,
    /// BASEPRI.
    pub basepri: u8,
}

/// The interrupt controller and the states of all exceptions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Nvic {
    lines: u16,
    priority_bits: u8,
    /// Which system exceptions have a priority register.
    mainline: bool,
    /// AIRCR.PRIGROUP.
    prigroup: u8,
    /// By exception number.
    priority: Vec<u8>,
    pending: Bits,
    active: Bits,
    enabled: Bits,
    /// Levels of the external lines, and of NMI.
    level: Bits,
    /// An exception became pending since [`Nvic::take_newly_pending`].
    newly_pending: bool,
    /// The running priority, kept because it is asked for far more often than it changes.
    running: i16,
}

impl Nvic {
    pub(super) fn new(lines: u16, priority_bits: u8, mainline: bool) -> Self {
        let lines = lines.min(MAX_LINES);
        let mut nvic = Self {
            lines,
            priority_bits: priority_bits.clamp(1, 8),
            mainline,
            prigroup: 0,
            priority: vec![0; usize::from(IRQ0 + lines)],
            pending: Bits::default(),
            active: Bits::default(),
            enabled: Bits::default(),
            level: Bits::default(),
            newly_pending: false,
            running: IDLE_PRIORITY,
        };
        nvic.reset();
        nvic
    }

    /// Back to the reset state; lines keep their levels, and those that are high pend.
    pub(super) fn reset(&mut self) {
        self.prigroup = 0;
        self.priority.fill(0);
        self.active = Bits::default();
        self.pending = self.level;
        self.enabled = Bits::default();
        for n in [NMI, HARD_FAULT, number::SVCALL, number::DEBUG_MONITOR, number::PENDSV, number::SYSTICK] {
            self.enabled.put(n, true);
        }
        self.newly_pending = false;
        self.running = IDLE_PRIORITY;
    }

    /// The number of external lines.
    pub(super) fn lines(&self) -> u16 {
        self.lines
    }

    /// The bits of a priority that exist.
    pub(super) fn priority_mask(&self) -> u8 {
        (0xFF00u16 >> self.priority_bits) as u8
    }

    /// Whether there is such an exception, other than reset.
    pub(super) fn exists(&self, n: u16) -> bool {
        let system = match n {
            4..=6 | 12 => self.mainline,
            2 | 3 | 11 | 14 | 15 => true,
            _ => false,
        };
        system || (IRQ0..IRQ0 + self.lines).contains(&n)
    }

    fn raw_priority(&self, n: u16) -> i16 {
        match n {
            NMI => -2,
            HARD_FAULT => -1,
            _ => self.priority.get(usize::from(n)).map_or(0, |p| i16::from(*p)),
        }
    }

    /// The part of a priority that decides preemption (DDI 0403 B1.5.4, AIRCR.PRIGROUP).
    fn group_of(&self, priority: i16) -> i16 {
        if priority < 0 { priority } else { priority & !((2 << self.prigroup) - 1) }
    }

    /// The group priority of an exception.
    pub(super) fn group_priority(&self, n: u16) -> i16 {
        self.group_of(self.raw_priority(n))
    }

    fn update_running(&mut self) {
        let lowest = self.active.iter().map(|n| self.raw_priority(n)).min();
        self.running = lowest.map_or(IDLE_PRIORITY, |priority| self.group_of(priority));
    }

    /// The priority of what is being handled, without the masks.
    pub(super) fn running_priority(&self) -> i16 {
        self.running
    }

    /// The priority that the masks alone give.
    pub(super) fn mask_priority(&self, masks: Masks) -> i16 {
        let basepri = i16::from(masks.basepri & self.priority_mask());
        if masks.faultmask {
            -1
        } else if masks.primask {
            0
        } else if basepri != 0 {
            self.group_of(basepri)
        } else {
            IDLE_PRIORITY
        }
    }

    /// ExecutionPriority() (DDI 0403 B1.5.4).
    pub(super) fn execution_priority(&self, masks: Masks) -> i16 {
        self.mask_priority(masks).min(self.running)
    }

    /// Whether anything is pending and enabled: the quick answer before the masks are asked for.
    pub(super) fn has_candidate(&self) -> bool {
        !self.pending.and(self.enabled).is_empty()
    }

    /// The pending and enabled exception of the highest priority.
    pub(super) fn highest_pending(&self) -> Option<u16> {
        let candidates = self.pending.and(self.enabled);
        if candidates.is_empty() {
            return None;
        }
        candidates.iter().min_by_key(|n| (self.raw_priority(*n), *n))
    }

    /// The exception that would be taken before the next instruction.
    pub(super) fn takeable(&self, masks: Masks) -> Option<u16> {
        let n = self.highest_pending()?;
        (self.group_priority(n) < self.execution_priority(masks)).then_some(n)
    }

    /// Whether a change of the masks alone could make an exception takeable.
    pub(super) fn is_masked_only(&self) -> bool {
        self.highest_pending().is_some_and(|n| self.group_priority(n) < self.running)
    }

    /// Makes an exception pending.
    pub(super) fn pend(&mut self, n: u16) {
        if self.exists(n) && !self.pending.has(n) {
            self.pending.put(n, true);
            self.newly_pending = true;
        }
    }

    /// Withdraws a pending exception; a line that is still high pends it again (DDI 0403 B3.4.1).
    pub(super) fn unpend(&mut self, n: u16) {
        self.pending.put(n, self.level.has(n) && !self.active.has(n) && self.exists(n));
    }

    /// Whether an exception became pending since the last call, for SCR.SEVONPEND.
    pub(super) fn take_newly_pending(&mut self) -> bool {
        std::mem::take(&mut self.newly_pending)
    }

    pub(super) fn is_pending(&self, n: u16) -> bool {
        self.pending.has(n)
    }

    pub(super) fn is_active(&self, n: u16) -> bool {
        self.active.has(n)
    }

    pub(super) fn is_enabled(&self, n: u16) -> bool {
        self.enabled.has(n)
    }

    /// Enables a configurable system exception.
    pub(super) fn enable(&mut self, n: u16, on: bool) {
        self.enabled.put(n, on && self.exists(n));
    }

    /// How many exceptions are active (ExceptionActiveBitCount).
    pub(super) fn active_count(&self) -> u32 {
        self.active.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether an external interrupt is pending (ICSR.ISRPENDING).
    pub(super) fn any_irq_pending(&self) -> bool {
        self.pending.0[0] >> IRQ0 != 0 || self.pending.0[1..].iter().any(|word| *word != 0)
    }

    /// The exception begins.
    pub(super) fn activate(&mut self, n: u16) {
        self.pending.put(n, false);
        self.set_active(n, true);
    }

    /// The exception ends; a line that is still high pends it again.
    pub(super) fn deactivate(&mut self, n: u16) {
        self.set_active(n, false);
        if self.level.has(n) {
            self.pend(n);
        }
    }

    /// Sets or clears an active bit, as SHCSR may.
    pub(super) fn set_active(&mut self, n: u16, on: bool) {
        self.active.put(n, on && self.exists(n));
        self.update_running();
    }

    /// AIRCR.VECTCLRACTIVE.
    pub(super) fn clear_active(&mut self) {
        self.active = Bits::default();
        self.update_running();
    }

    /// The level of an input line, by exception number: an external line or NMI.
    pub(super) fn set_level(&mut self, n: u16, level: bool) {
        if !self.exists(n) || level == self.level.has(n) {
            return;
        }
        self.level.put(n, level);
        if level {
            self.pend(n);
        }
    }

    /// NVIC_ISERn / NVIC_ICERn read.
    pub(super) fn enabled_word(&self, index: u16) -> u32 {
        self.enabled.word(index)
    }

    /// NVIC_ISPRn / NVIC_ICPRn read.
    pub(super) fn pending_word(&self, index: u16) -> u32 {
        self.pending.word(index)
    }

    /// NVIC_IABRn.
    pub(super) fn active_word(&self, index: u16) -> u32 {
        self.active.word(index)
    }

    fn each_set(&mut self, index: u16, word: u32, mut act: impl FnMut(&mut Self, u16)) {
        for bit in (0..32).filter(|bit| word >> bit & 1 != 0) {
            let n = IRQ0 + 32 * index + bit;
            if self.exists(n) {
                act(self, n);
            }
        }
    }

    /// NVIC_ISERn (`on`) or NVIC_ICERn write.
    pub(super) fn write_enable(&mut self, index: u16, word: u32, on: bool) {
        self.each_set(index, word, |nvic, n| nvic.enabled.put(n, on));
    }

    /// NVIC_ISPRn (`on`) or NVIC_ICPRn write.
    pub(super) fn write_pending(&mut self, index: u16, word: u32, on: bool) {
        self.each_set(index, word, |nvic, n| if on { nvic.pend(n) } else { nvic.unpend(n) });
    }

    /// The priority register of an exception; 0 where there is none.
    pub(super) fn priority(&self, n: u16) -> u8 {
        self.priority.get(usize::from(n)).copied().unwrap_or(0)
    }

    /// Writes a priority register; bits that do not exist stay 0.
    pub(super) fn set_priority(&mut self, n: u16, priority: u8) {
        let mask = self.priority_mask();
        if n > HARD_FAULT
            && self.exists(n)
            && let Some(slot) = self.priority.get_mut(usize::from(n))
        {
            *slot = priority & mask;
            self.update_running();
        }
    }

    pub(super) fn prigroup(&self) -> u8 {
        self.prigroup
    }

    pub(super) fn set_prigroup(&mut self, prigroup: u8) {
        self.prigroup = prigroup & 7;
        self.update_running();
    }
}

#[cfg(test)]
mod tests {
    use super::number::*;
    use super::*;
    use proptest::prelude::*;

    fn nvic() -> Nvic {
        let mut nvic = Nvic::new(64, 3, true);
        nvic.write_enable(0, u32::MAX, true);
        nvic
    }

    const NONE: Masks = Masks { primask: false, faultmask: false, basepri: 0 };

    #[test]
    fn the_lower_number_wins_among_equals_and_the_lower_value_always() {
        let mut nvic = nvic();
        nvic.pend(IRQ0 + 5);
        nvic.pend(IRQ0 + 3);
        assert_eq!(nvic.takeable(NONE), Some(IRQ0 + 3));
        nvic.set_priority(IRQ0 + 3, 0x20);
        assert_eq!(nvic.takeable(NONE), Some(IRQ0 + 5));
        nvic.pend(NMI);
        assert_eq!(nvic.takeable(NONE), Some(NMI));
    }

    #[test]
    fn only_a_higher_group_preempts() {
        let mut nvic = nvic();
        nvic.set_prigroup(6); // two groups: bit 7
        nvic.set_priority(IRQ0, 0x60);
        nvic.set_priority(IRQ0 + 1, 0x20);
        nvic.set_priority(IRQ0 + 2, 0xA0);
        nvic.activate(IRQ0);
        nvic.pend(IRQ0 + 1);
        assert_eq!(nvic.takeable(NONE), None, "same group");
        nvic.deactivate(IRQ0);
        nvic.activate(IRQ0 + 2);
        assert_eq!(nvic.takeable(NONE), Some(IRQ0 + 1));
        nvic.pend(IRQ0);
        assert_eq!(nvic.takeable(NONE), Some(IRQ0 + 1), "the subpriority orders them");
    }

    #[test]
    fn masks_hold_back_what_they_should() {
        let mut nvic = nvic();
        nvic.set_priority(IRQ0, 0x40);
        nvic.pend(IRQ0);
        for (masks, taken) in [
            (NONE, true),
            (Masks { basepri: 0x40, ..NONE }, false),
            (Masks { basepri: 0x60, ..NONE }, true),
            (Masks { basepri: 0x1F, ..NONE }, true), // below the implemented bits: no mask
            (Masks { primask: true, ..NONE }, false),
            (Masks { faultmask: true, ..NONE }, false),
        ] {
            assert_eq!(nvic.takeable(masks), taken.then_some(IRQ0), "{masks:?}");
        }
        assert!(nvic.is_masked_only());
        nvic.pend(NMI);
        assert_eq!(nvic.takeable(Masks { faultmask: true, ..NONE }), Some(NMI));
        nvic.activate(NMI);
        nvic.pend(HARD_FAULT);
        assert_eq!(nvic.takeable(NONE), None);
    }

    #[test]
    fn a_high_line_pends_again_at_return_and_survives_a_clear() {
        let mut nvic = nvic();
        nvic.set_level(IRQ0, true);
        nvic.unpend(IRQ0);
        assert!(nvic.is_pending(IRQ0));
        nvic.activate(IRQ0);
        assert!(!nvic.is_pending(IRQ0));
        nvic.deactivate(IRQ0);
        assert!(nvic.is_pending(IRQ0));
        nvic.activate(IRQ0);
        nvic.set_level(IRQ0, false);
        nvic.deactivate(IRQ0);
        assert!(!nvic.is_pending(IRQ0));
        nvic.set_level(IRQ0, true);
        nvic.set_level(IRQ0, false);
        assert!(nvic.is_pending(IRQ0), "a line that came and went stays latched");
        nvic.unpend(IRQ0);
        assert!(!nvic.is_pending(IRQ0));
    }

    #[test]
    fn words_address_interrupts_not_exceptions() {
        let mut nvic = Nvic::new(64, 8, true);
        nvic.write_enable(1, 1 << 31 | 1, true);
        assert!(nvic.is_enabled(IRQ0 + 32) && nvic.is_enabled(IRQ0 + 63));
        assert_eq!((nvic.enabled_word(0), nvic.enabled_word(1), nvic.enabled_word(2)), (0, 1 << 31 | 1, 0));
        nvic.write_enable(2, u32::MAX, true);
        assert_eq!(nvic.enabled_word(2), 0, "lines that do not exist");
        assert_eq!(nvic.enabled_word(15), 0);
    }

    #[test]
    fn unimplemented_priority_bits_read_as_zero() {
        let mut nvic = nvic();
        nvic.set_priority(IRQ0, 0xFF);
        nvic.set_priority(HARD_FAULT, 0xFF);
        assert_eq!((nvic.priority(IRQ0), nvic.priority(HARD_FAULT), nvic.priority(400)), (0xE0, 0, 0));
    }

    proptest! {
        #[test]
        fn the_choice_is_the_architectures(
            priorities in proptest::collection::vec(any::<u8>(), 64),
            pending in any::<u64>(), active in any::<u64>(), prigroup in 0u8..8,
            primask in any::<bool>(), faultmask in any::<bool>(), basepri in any::<u8>(),
        ) {
            let masks = Masks { primask, faultmask, basepri };
            let mut nvic = Nvic::new(64, 8, true);
            nvic.set_prigroup(prigroup);
            for (line, priority) in (0u16..).zip(&priorities) {
                nvic.set_priority(IRQ0 + line, *priority);
                nvic.set_active(IRQ0 + line, active >> line & 1 != 0);
                if pending >> line & 1 != 0 { nvic.pend(IRQ0 + line); }
            }
            for index in 0..2 { nvic.write_enable(index, 0xFFFF_0FFF, true); }
            // The pseudocode of DDI 0403 B1.5.4, word by word.
            let group = 2i16 << prigroup;
            let mut highest = 256;
            for (line, priority) in priorities.iter().enumerate().take(64) {
                if active >> line & 1 != 0 && i16::from(*priority) < highest {
                    highest = i16::from(*priority);
                    highest -= highest % group;
                }
            }
            let mut boosted = 256;
            if basepri != 0 { boosted = i16::from(basepri); boosted -= boosted % group; }
            if primask { boosted = 0; }
            if faultmask { boosted = -1; }
            let execution = highest.min(boosted);
            prop_assert_eq!(nvic.execution_priority(masks), execution);
            let best = (0..64u16)
                .filter(|line| pending >> line & 1 != 0 && 0xFFFF_0FFF_u32 >> (line % 32) & 1 != 0)
                .min_by_key(|line| (priorities[usize::from(*line)], *line));
            let expected = best.filter(|line| {
                let p = i16::from(priorities[usize::from(*line)]);
                p - p % group < execution
            });
            prop_assert_eq!(nvic.takeable(masks), expected.map(|line| IRQ0 + line));
        }
    }
}
