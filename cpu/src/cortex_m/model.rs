//! The Cortex-M family: what each core has, and the constants by which firmware recognises it.

use serde::{Deserialize, Serialize};

use crate::engine::Isa;

/// A core of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Cortex-M0, ARMv6-M.
    M0,
    /// Cortex-M0+, ARMv6-M with a vector table offset, unprivileged code and an optional MPU.
    M0Plus,
    /// Cortex-M3, ARMv7-M.
    M3,
    /// Cortex-M4 without FPU, ARMv7E-M.
    M4,
    /// Cortex-M4 with its single-precision FPU.
    M4F,
    /// Cortex-M7 with a double-precision FPU.
    M7,
    /// Cortex-M33 without the Security Extension, ARMv8-M Mainline.
    M33,
}

/// The version of the architecture that a core implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Architecture {
    /// ARMv6-M (DDI 0419).
    V6M,
    /// ARMv7-M (DDI 0403).
    V7M,
    /// ARMv8-M Mainline (DDI 0553).
    V8M,
}

/// The identification registers at 0xE000ED40 (DDI 0403 B4): PFR0-1, DFR0, AFR0, MMFR0-3, ISAR0-4.
pub(super) type IdRegisters = [u32; 13];

impl Model {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M0 => "cortex-m0",
            Self::M0Plus => "cortex-m0plus",
            Self::M3 => "cortex-m3",
            Self::M4 => "cortex-m4",
            Self::M4F => "cortex-m4f",
            Self::M7 => "cortex-m7",
            Self::M33 => "cortex-m33",
        }
    }

    /// The architecture it implements.
    pub const fn architecture(self) -> Architecture {
        match self {
            Self::M0 | Self::M0Plus => Architecture::V6M,
            Self::M3 | Self::M4 | Self::M4F | Self::M7 => Architecture::V7M,
            Self::M33 => Architecture::V8M,
        }
    }

    /// Whether it has BASEPRI, FAULTMASK and configurable faults: everything but ARMv6-M.
    pub const fn is_mainline(self) -> bool {
        !matches!(self.architecture(), Architecture::V6M)
    }

    /// Whether it has a floating-point unit.
    pub const fn has_fpu(self) -> bool {
        matches!(self, Self::M4F | Self::M7 | Self::M33)
    }

    /// Whether it has the two bit-band regions.
    pub const fn has_bit_band(self) -> bool {
        matches!(self, Self::M3 | Self::M4 | Self::M4F)
    }

    /// Which exception priority bits exist on ARMv6-M, and how many a typical other implementation has.
    pub const fn default_priority_bits(self) -> u8 {
        if self.is_mainline() { 3 } else { 2 }
    }

    /// The writable bits of VTOR (DDI 0403 B3.2.5, DDI 0419 B3.2.5).
    pub(super) const fn vtor_mask(self) -> u32 {
        match self {
            Self::M0 => 0,
            _ => 0xFFFF_FF80,
        }
    }

    /// CPUID (DDI 0403 B3.2.3): M0 r0p0, M0+ r0p1, M3 r0p1, M4 r0p0, M7 r1p2, M33 r0p3.
    pub(super) const fn cpuid(self) -> u32 {
        match self {
            Self::M0 => 0x410C_C200,
            Self::M0Plus => 0x410C_C601,
            Self::M3 => 0x410F_C231,
            Self::M4 | Self::M4F => 0x410F_C240,
            Self::M7 => 0x411F_C272,
            Self::M33 => 0x410F_D213,
        }
    }

    pub(super) const fn isa(self) -> Isa {
        match self {
            Self::M0 => Isa::CortexM0,
            Self::M0Plus => Isa::CortexM0Plus,
            Self::M3 => Isa::CortexM3,
            Self::M4 | Self::M4F => Isa::CortexM4,
            Self::M7 => Isa::CortexM7,
            Self::M33 => Isa::CortexM33,
        }
    }

    pub(super) const fn id_registers(self) -> IdRegisters {
        match self {
            Self::M0 | Self::M0Plus => [0; 13],
            Self::M3 => [
                0x30,
                0x200,
                0x0010_0000,
                0,
                0x30,
                0,
                0,
                0,
                0x0114_1110,
                0x0211_1000,
                0x2111_2231,
                0x0111_1110,
                0x0131_0102,
            ],
            Self::M4 | Self::M4F => [
                0x30,
                0x200,
                0x0010_0000,
                0,
                0x30,
                0,
                0,
                0,
                0x0114_1110,
                0x0211_2000,
                0x2111_2231,
                0x0111_1131,
                0x0131_0132,
            ],
            Self::M7 => [
                0x30,
                0x200,
                0x0010_0000,
                0,
                0x0010_0030,
                0,
                0x0100_0000,
                0,
                0x0110_1110,
                0x0211_2000,
                0x2023_2231,
                0x0111_1131,
                0x0131_0132,
            ],
            Self::M33 => [
                0x30,
                0x200,
                0x0020_0000,
                0,
                0x0010_1F40,
                0,
                0x0100_0000,
                0,
                0x0110_1110,
                0x0221_2000,
                0x2023_2232,
                0x0111_1131,
                0x0131_0132,
            ],
        }
    }

    /// MVFR0 to MVFR2 (DDI 0403 B4.7).
    pub(super) const fn mvfr(self) -> [u32; 3] {
        match self {
            Self::M4F => [0x1011_0021, 0x1100_0011, 0],
            Self::M7 => [0x1011_0221, 0x1200_0011, 0x40],
            Self::M33 => [0x1011_0021, 0x1100_0011, 0x40],
            _ => [0; 3],
        }
    }
}
