//! From a board's processor to a core.

use consort_core::cpu::Core;
use consort_cpu::cortex_m::{ConfigError, CortexM, CortexMConfig, Model, Reference};

use crate::board::{CoreKind, Processor};

/// Builds the core a board names.
pub(crate) fn build(processor: &Processor) -> Result<Box<dyn Core>, ConfigError> {
    let model = match processor.core {
        CoreKind::CortexM0 => Model::M0,
        CoreKind::CortexM0Plus => Model::M0Plus,
        CoreKind::CortexM3 => Model::M3,
        CoreKind::CortexM4 if processor.fpu => Model::M4F,
        CoreKind::CortexM4 => Model::M4,
        CoreKind::CortexM7 => Model::M7,
        CoreKind::CortexM33 => Model::M33,
    };
    let mut config = CortexMConfig {
        mpu_regions: processor.mpu_regions,
        fpu: processor.fpu,
        bit_band: processor.bit_band,
        semihosting: true,
        vector_table: processor.vectors.0 as u32,
        systick_calibration: processor.systick_calibration.0 as u32,
        systick_reference: processor.systick_reference.map(|hz| reference(hz, processor.clock)),
        ..CortexMConfig::new(model, processor.interrupts)
    };
    if let Some(bits) = processor.priority_bits {
        config.priority_bits = bits;
    }
    Ok(Box::new(CortexM::new(config)?))
}

/// The reduced ratio of two frequencies; one too fine for 32 bits is refused by the core.
fn reference(hz: u64, core_hz: u64) -> Reference {
    let (mut a, mut b) = (core_hz, hz);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let narrow = |number: u64| u32::try_from(number / a.max(1)).unwrap_or(0);
    Reference { cycles: narrow(core_hz), ticks: narrow(hz) }
}
