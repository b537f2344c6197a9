//! What a board says about its Cortex-M core.

use serde::{Deserialize, Serialize};

use super::model::{Architecture, Model};
use super::mpu;
use super::nvic::MAX_LINES;
use super::systick::Reference;
use crate::timing::{Slow, SlowBus};

/// What the chip and board around a core add to its manual's cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleTiming {
    /// Cycles of MULS where the maker of the chip had the choice (Cortex-M0 and M0+: 1 or 32); the model's when absent.
    pub multiply: Option<u8>,
    /// Memory with wait states.
    pub slow: Vec<Slow>,
    /// Peripherals that make the core wait.
    pub buses: Vec<SlowBus>,
}

/// A core as its chip's maker built it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CortexMConfig {
    /// Which core.
    pub model: Model,
    /// External interrupt lines: up to 32 on ARMv6-M, 496 elsewhere.
    pub interrupts: u16,
    /// Implemented bits of a priority: 2 on ARMv6-M, 3 to 8 elsewhere.
    pub priority_bits: u8,
    /// SysTick's reference clock (STCLK), if there is one.
    pub systick_reference: Option<Reference>,
    /// SYST_CALIB's SKEW and TENMS.
    pub systick_calibration: u32,
    /// VTOR after reset.
    pub vector_table: u32,
    /// Regions of the MPU: 0, 8 (the M0+ has no more), or 16; the M0 has none.
    pub mpu_regions: u8,
    /// Whether the FPU of a core that can have one was built in.
    pub fpu: bool,
    /// Whether the bit-band aliases of a Cortex-M3 or M4 were built in.
    pub bit_band: bool,
    /// Whether `BKPT 0xAB` is a semihosting call; otherwise it is a debug event.
    pub semihosting: bool,
    /// How cycles are counted; without it each instruction takes one and exceptions none.
    pub timing: Option<CycleTiming>,
}

/// A core that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Too many lines for the architecture.
    #[error("{model} has at most {most} external interrupts, not {interrupts}", model = model.name())]
    Interrupts {
        /// The core.
        model: Model,
        /// What was asked for.
        interrupts: u16,
        /// What is possible.
        most: u16,
    },
    /// A number of priority bits the architecture does not allow.
    #[error("{model} cannot have {bits} priority bits", model = model.name())]
    PriorityBits {
        /// The core.
        model: Model,
        /// What was asked for.
        bits: u8,
    },
    /// More MPU regions than the engine has.
    #[error("{model} cannot have an MPU of {regions} regions", model = model.name())]
    MpuRegions {
        /// The core.
        model: Model,
        /// What was asked for.
        regions: u8,
    },
    /// A reference clock that stands still or outruns the core.
    #[error("SysTick's reference clock must tick, and not faster than the core")]
    Reference,
    /// The engine refuses.
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
}

impl CortexMConfig {
    /// A core with everything its model usually has: MPU of eight regions except on ARMv6-M, no reference clock,
    /// vectors at 0, no semihosting.
    pub fn new(model: Model, interrupts: u16) -> Self {
        Self {
            model,
            interrupts,
            priority_bits: model.default_priority_bits(),
            systick_reference: None,
            systick_calibration: 0,
            vector_table: 0,
            mpu_regions: if matches!(model, Model::M0 | Model::M0Plus) { 0 } else { 8 },
            fpu: model.has_fpu(),
            bit_band: model.has_bit_band(),
            semihosting: false,
            timing: None,
        }
    }

    /// Stands in for the configuration while a saved state is read; the core puts its own back.
    pub(super) fn for_restore() -> Self {
        Self::new(Model::M3, 0)
    }

    /// Checks it against the architecture.
    pub fn check(&self) -> Result<(), ConfigError> {
        let model = self.model;
        let (most, bits) = if model.is_mainline() { (MAX_LINES, 3..=8) } else { (32, 2..=2) };
        if self.interrupts > most {
            return Err(ConfigError::Interrupts { model, interrupts: self.interrupts, most });
        }
        if !bits.contains(&self.priority_bits) {
            return Err(ConfigError::PriorityBits { model, bits: self.priority_bits });
        }
        let most_regions = match model {
            Model::M0 => 0,
            Model::M0Plus => 8, // DDI 0419 B3.5
            _ => mpu::MAX_REGIONS,
        };
        if self.mpu_regions > most_regions {
            return Err(ConfigError::MpuRegions { model, regions: self.mpu_regions });
        }
        if self.systick_reference.is_some_and(|r| r.ticks == 0 || r.ticks > r.cycles) {
            return Err(ConfigError::Reference);
        }
        Ok(())
    }

    pub(super) fn has_fpu(&self) -> bool {
        self.fpu && self.model.has_fpu()
    }

    pub(super) fn has_bit_band(&self) -> bool {
        self.bit_band && self.model.has_bit_band()
    }

    pub(super) fn has_cache(&self) -> bool {
        self.model == Model::M7
    }

    pub(super) fn is_v8(&self) -> bool {
        self.model.architecture() == Architecture::V8M
    }
}
