//! The MPU's registers (DDI 0403 B3.5, DDI 0553 D1.2), and its verdict on the accesses that stacking makes.
//!
//! Accesses of instructions are checked by the engine's own unit, which gets every change.

use serde::{Deserialize, Serialize};

use super::registers::Registers;
use crate::engine::Reg;

/// Offsets from 0xE000E000.
pub(super) mod reg {
    pub(in crate::cortex_m) const TYPE: u32 = 0xD90;
    pub(in crate::cortex_m) const CTRL: u32 = 0xD94;
    pub(in crate::cortex_m) const RNR: u32 = 0xD98;
    pub(in crate::cortex_m) const RBAR: u32 = 0xD9C;
    pub(in crate::cortex_m) const RASR_A3: u32 = 0xDB8;
    pub(in crate::cortex_m) const MAIR0: u32 = 0xDC0;
    pub(in crate::cortex_m) const MAIR1: u32 = 0xDC4;
}

const ENABLE: u32 = 1 << 0;
const HFNMIENA: u32 = 1 << 1;
const PRIVDEFENA: u32 = 1 << 2;
/// MPU_RBAR.VALID.
const VALID: u32 = 1 << 4;

/// The most regions the engine has.
pub(super) const MAX_REGIONS: u8 = 16;

/// The MPU's registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mpu {
    regions: u8,
    v8: bool,
    ctrl: u32,
    rnr: u8,
    rbar: [u32; MAX_REGIONS as usize],
    /// MPU_RASR, or MPU_RLAR on ARMv8-M.
    rasr: [u32; MAX_REGIONS as usize],
    mair: [u32; 2],
}

impl Mpu {
    pub(super) fn new(regions: u8, v8: bool) -> Self {
        let zero = [0; MAX_REGIONS as usize];
        Self { regions: regions.min(MAX_REGIONS), v8, ctrl: 0, rnr: 0, rbar: zero, rasr: zero, mair: [0; 2] }
    }

    /// Back to the reset state: off. Region contents are UNKNOWN then, here 0.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.regions, self.v8);
    }

    /// Whether it checks anything.
    pub(super) fn is_enabled(&self) -> bool {
        self.ctrl & ENABLE != 0
    }

    /// Gives the engine everything.
    pub(super) fn load_into(&self, regs: &mut dyn Registers) {
        if self.regions == 0 {
            return;
        }
        for (n, (rbar, rasr)) in (0..self.regions).zip(self.rbar.iter().zip(&self.rasr)) {
            regs.set(Reg::mpu_rbar(n), *rbar);
            regs.set(Reg::mpu_rasr(n), *rasr);
        }
        regs.set(Reg::MPU_MAIR0, self.mair[0]);
        regs.set(Reg::MPU_MAIR1, self.mair[1]);
        regs.set(Reg::MPU_CTRL, self.ctrl);
    }

    /// The region that the register pair at `offset` means: ARMv8-M has four windows, ARMv7-M four names for one.
    fn region_at(&self, offset: u32) -> u8 {
        let window = ((offset - reg::RBAR) / 8) as u8;
        if self.v8 && window != 0 { self.rnr & !3 | window } else { self.rnr }
    }

    /// A register's value; the MPU_TYPE of a core without MPU reads as 0, like everything else.
    pub(super) fn word(&self, offset: u32) -> u32 {
        if self.regions == 0 {
            return 0;
        }
        match offset {
            reg::TYPE => u32::from(self.regions) << 8,
            reg::CTRL => self.ctrl,
            reg::RNR => u32::from(self.rnr),
            reg::RBAR..=reg::RASR_A3 => {
                let region = usize::from(self.region_at(offset));
                let is_base = (offset - reg::RBAR).is_multiple_of(8);
                let value = if is_base { self.rbar.get(region) } else { self.rasr.get(region) };
                let value = value.copied().unwrap_or(0);
                if is_base && !self.v8 { value & !0x1F | region as u32 } else { value }
            }
            reg::MAIR0 if self.v8 => self.mair[0],
            reg::MAIR1 if self.v8 => self.mair[1],
            _ => 0,
        }
    }

    /// Writes a register and tells the engine.
    pub(super) fn write(&mut self, offset: u32, value: u32, regs: &mut dyn Registers) {
        if self.regions == 0 {
            return;
        }
        match offset {
            reg::CTRL => {
                self.ctrl = value & (ENABLE | HFNMIENA | PRIVDEFENA);
                regs.set(Reg::MPU_CTRL, self.ctrl);
            }
            reg::RNR if value < u32::from(self.regions) => self.rnr = value as u8,
            reg::RBAR..=reg::RASR_A3 => self.write_region(offset, value, regs),
            reg::MAIR0 if self.v8 => {
                self.mair[0] = value;
                regs.set(Reg::MPU_MAIR0, value);
            }
            reg::MAIR1 if self.v8 => {
                self.mair[1] = value;
                regs.set(Reg::MPU_MAIR1, value);
            }
            _ => {}
        }
    }

    fn write_region(&mut self, offset: u32, value: u32, regs: &mut dyn Registers) {
        let is_base = (offset - reg::RBAR).is_multiple_of(8);
        if is_base && !self.v8 && value & VALID != 0 {
            let region = (value & 0xF) as u8;
            if region >= self.regions {
                return;
            }
            self.rnr = region;
        }
        let region = self.region_at(offset);
        let index = usize::from(region);
        if region >= self.regions {
            return;
        }
        if is_base {
            self.rbar[index] = if self.v8 { value } else { value & !0x1F };
            regs.set(Reg::mpu_rbar(region), self.rbar[index]);
        } else {
            self.rasr[index] = if self.v8 { value & !0x10 } else { value & 0x173F_FF3F };
            regs.set(Reg::mpu_rasr(region), self.rasr[index]);
        }
    }

    /// Whether a data access at `addr` is allowed (ValidateAddress, DDI 0403 B3.5.3).
    pub(super) fn allows(&self, addr: u32, write: bool, privileged: bool, negative_priority: bool) -> bool {
        if addr >> 20 == 0xE00 {
            return privileged;
        }
        if self.ctrl & ENABLE == 0 || (negative_priority && self.ctrl & HFNMIENA == 0) {
            return true;
        }
        let background = privileged && self.ctrl & PRIVDEFENA != 0;
        if self.v8 {
            let mut hits = (0..usize::from(self.regions)).filter(|n| {
                let (base, limit) = (self.rbar[*n] & !0x1F, self.rasr[*n] | 0x1F);
                self.rasr[*n] & 1 != 0 && (base..=limit).contains(&addr)
            });
            return match (hits.next(), hits.next()) {
                (None, _) => background,
                (Some(n), None) => {
                    let (any_privilege, read_only) = (self.rbar[n] >> 1 & 1 != 0, self.rbar[n] >> 2 & 1 != 0);
                    (privileged || any_privilege) && !(write && read_only)
                }
                _ => false,
            };
        }
        let hit =
            (0..usize::from(self.regions)).rev().find(|n| v7_covers(self.rbar[*n], self.rasr[*n], addr));
        let Some(n) = hit else { return background };
        match (self.rasr[n] >> 24 & 7, privileged) {
            (1, true) | (2, true) | (3, _) => true,
            (2, false) | (5, true) | (6 | 7, _) => !write,
            _ => false,
        }
    }
}

/// Whether an ARMv7-M region is enabled and covers an address, subregions considered.
fn v7_covers(rbar: u32, rasr: u32, addr: u32) -> bool {
    let log2 = (rasr >> 1 & 0x1F) + 1;
    if rasr & 1 == 0 || log2 < 5 {
        return false;
    }
    let mask = if log2 >= 32 { u32::MAX } else { (1 << log2) - 1 };
    if (addr ^ rbar) & !mask != 0 {
        return false;
    }
    log2 < 8 || rasr >> (8 + ((addr & mask) >> (log2 - 3))) & 1 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cortex_m::registers::testing::FakeRegisters;

    fn with_regions(regions: &[(u32, u32)], ctrl: u32) -> Mpu {
        let mut mpu = Mpu::new(8, false);
        let mut regs = FakeRegisters::default();
        for (n, (base, rasr)) in (0u32..).zip(regions) {
            mpu.write(reg::RBAR, base | VALID | n, &mut regs);
            mpu.write(reg::RBAR + 4, *rasr, &mut regs);
            assert_eq!(regs.get(Reg::mpu_rasr(n as u8)), *rasr);
        }
        mpu.write(reg::CTRL, ctrl, &mut regs);
        mpu
    }

    #[test]
    fn the_highest_region_decides() {
        let full = 3 << 24 | 15 << 1 | 1; // 64 KiB
        let read_only = 6 << 24 | 7 << 1 | 1; // 256 bytes
        let mpu = with_regions(&[(0x2000_0000, full), (0x2000_0100, read_only)], ENABLE);
        assert!(mpu.allows(0x2000_0000, true, false, false));
        assert!(!mpu.allows(0x2000_0100, true, true, false));
        assert!(mpu.allows(0x2000_0100, false, false, false));
        assert!(!mpu.allows(0x2001_0000, false, true, false), "no background");
        assert!(mpu.allows(0x2001_0000, true, true, true), "off at negative priority");
    }

    #[test]
    fn subregions_make_holes() {
        let hole = 3 << 24 | 0x02 << 8 | 10 << 1 | 1; // 2 KiB, second eighth disabled
        let mpu = with_regions(&[(0x2000_0000, hole)], ENABLE | HFNMIENA);
        assert!(mpu.allows(0x2000_00FF, true, false, true));
        assert!(!mpu.allows(0x2000_0100, true, true, true));
        assert!(mpu.allows(0x2000_0200, true, true, true));
    }

    #[test]
    fn the_background_is_for_the_privileged() {
        let mpu = with_regions(&[], ENABLE | PRIVDEFENA);
        assert!(mpu.allows(0x2000_0000, true, true, false));
        assert!(!mpu.allows(0x2000_0000, false, false, false));
    }

    #[test]
    fn a_region_may_cover_everything() {
        let mpu = with_regions(&[(0, 1 << 24 | 31 << 1 | 1)], ENABLE);
        assert!(mpu.allows(0xDFFF_FFFF, true, true, false));
        assert!(!mpu.allows(0, false, false, false));
    }

    #[test]
    fn registers_read_back_as_the_manual_says() {
        let mut mpu = Mpu::new(8, false);
        let mut regs = FakeRegisters::default();
        assert_eq!(mpu.word(reg::TYPE), 0x800);
        mpu.write(reg::RBAR + 8, 0x2000_0000 | VALID | 5, &mut regs);
        assert_eq!((mpu.word(reg::RNR), mpu.word(reg::RBAR)), (5, 0x2000_0005));
        mpu.write(reg::RNR, 99, &mut regs);
        assert_eq!(mpu.word(reg::RNR), 5);
        mpu.write(reg::RBAR, VALID | 9, &mut regs);
        assert_eq!(mpu.word(reg::RNR), 5, "no such region");
        assert_eq!(Mpu::new(0, false).word(reg::TYPE), 0);
    }

    #[test]
    fn version_eight_has_limits_and_refuses_overlap() {
        let mut mpu = Mpu::new(8, true);
        let mut regs = FakeRegisters::default();
        mpu.write(reg::RNR, 4, &mut regs);
        mpu.write(reg::RBAR, 0x2000_0000 | 1 << 1, &mut regs);
        mpu.write(reg::RBAR + 4, 0x2000_0FE0 | 1, &mut regs);
        mpu.write(reg::RBAR + 8, 0x2000_0800 | 3 << 1, &mut regs);
        mpu.write(reg::RBAR + 12, 0x2000_17E0 | 1, &mut regs);
        mpu.write(reg::CTRL, ENABLE, &mut regs);
        assert!(mpu.allows(0x2000_0000, true, false, false));
        assert!(!mpu.allows(0x2000_0800, false, true, false), "two regions");
        assert!(!mpu.allows(0x2000_1000, true, true, false), "read-only");
        assert!(mpu.allows(0x2000_1000, false, false, false));
    }
}
