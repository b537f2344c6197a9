//! From a board's processor to a core.

use consort_core::cpu::Core;
use consort_cpu::cortex_a::{self, CortexA, CortexAConfig};
use consort_cpu::cortex_m::{
    Cached, ConfigError, CortexM, CortexMConfig, CycleTiming, Model, Reference, Slow, SlowBus,
};

use crate::board::{Board, CoreKind, Processor, Timing};
use crate::boot::Prepared;

/// Why a board's processor cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CoreError {
    #[error(transparent)]
    M(#[from] ConfigError),
    #[error(transparent)]
    A(#[from] cortex_a::ConfigError),
    #[error("a Cortex-A needs `gic`: the addresses of its interrupt controller")]
    NoGic,
}

/// A core's model in its family.
enum Family {
    M(Model),
    A(cortex_a::Model),
}

fn family(processor: &Processor) -> Family {
    Family::M(match processor.core {
        CoreKind::CortexM0 => Model::M0,
        CoreKind::CortexM0Plus => Model::M0Plus,
        CoreKind::CortexM3 => Model::M3,
        CoreKind::CortexM4 if processor.fpu => Model::M4F,
        CoreKind::CortexM4 => Model::M4,
        CoreKind::CortexM7 => Model::M7,
        CoreKind::CortexM33 => Model::M33,
        CoreKind::CortexA15 => return Family::A(cortex_a::Model::A15),
        CoreKind::CortexA53 => return Family::A(cortex_a::Model::A53),
        CoreKind::CortexA57 => return Family::A(cortex_a::Model::A57),
        CoreKind::CortexA72 => return Family::A(cortex_a::Model::A72),
    })
}

/// A board's core when it is one that runs Linux.
pub(crate) fn application_core(processor: &Processor) -> Option<cortex_a::Model> {
    match family(processor) {
        Family::A(model) => Some(model),
        Family::M(_) => None,
    }
}

/// Builds the core a board names.
pub(crate) fn build(board: &Board, timing: Timing, prepared: &Prepared) -> Result<Box<dyn Core>, CoreError> {
    let processor = &board.processor;
    let model = match family(processor) {
        Family::M(model) => model,
        Family::A(model) => return application(model, processor, timing, prepared),
    };
    let mut config = CortexMConfig {
        mpu_regions: processor.mpu_regions,
        fpu: processor.fpu,
        bit_band: processor.bit_band,
        semihosting: true,
        vector_table: processor.vectors.0 as u32,
        systick_calibration: processor.systick_calibration.0 as u32,
        systick_reference: processor.systick_reference.map(|hz| reference(hz, processor.clock)),
        timing: (timing == Timing::Cycles).then(|| cycles(board)),
        ..CortexMConfig::new(model, processor.interrupts)
    };
    if let Some(bits) = processor.priority_bits {
        config.priority_bits = bits;
    }
    Ok(Box::new(CortexM::new(config)?))
}

/// What the board adds to the cycles of the core's manual.
fn cycles(board: &Board) -> CycleTiming {
    let slow = board.memory.values().filter_map(|memory| {
        let waits = memory.waits?;
        Some(Slow {
            base: memory.at.0,
            size: memory.size.0,
            sequential: waits.sequential,
            branch: waits.branch,
            prefetch: waits.prefetch,
            data: waits.data,
            line: waits.line,
            cached: waits.cached.map(|waits| Cached {
                sequential: waits.sequential,
                branch: waits.branch,
                data: waits.data,
            }),
        })
    });
    let buses = board.processor.buses.values().map(|bus| SlowBus {
        base: bus.at.0,
        size: bus.size.0,
        read: bus.read,
        write: bus.write,
    });
    CycleTiming { multiply: board.processor.multiply_cycles, slow: slow.collect(), buses: buses.collect() }
}

fn application(
    model: cortex_a::Model,
    processor: &Processor,
    timing: Timing,
    prepared: &Prepared,
) -> Result<Box<dyn Core>, CoreError> {
    let gic = processor.gic.ok_or(CoreError::NoGic)?;
    Ok(Box::new(CortexA::new(CortexAConfig {
        model,
        clock: processor.clock,
        interrupts: processor.interrupts,
        hypervisor: processor.hypervisor,
        distributor: gic.distributor.0,
        cpu_interface: gic.cpu_interface.0,
        start: prepared.start.unwrap_or(processor.vectors.0),
        argument: prepared.argument,
        timing: timing == Timing::Cycles,
    })?))
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
