//! What a board says about its Cortex-A core.

use consort_core::Addr;
use serde::{Deserialize, Serialize};

use super::timer::COUNTER_HZ;
use crate::engine::{EngineError, Isa, Timing};
use crate::timing;

/// A core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Model {
    /// ARMv7-A Cortex-A15.
    A15,
    /// ARMv8-A Cortex-A53.
    A53,
    /// ARMv8-A Cortex-A57.
    A57,
    /// ARMv8-A Cortex-A72.
    A72,
}

impl Model {
    /// Its name, such as `cortex-a53`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A15 => "cortex-a15",
            Self::A53 => "cortex-a53",
            Self::A57 => "cortex-a57",
            Self::A72 => "cortex-a72",
        }
    }

    /// Whether it resets into AArch64.
    pub const fn is_64(self) -> bool {
        !matches!(self, Self::A15)
    }

    pub(super) fn timing(self) -> Box<dyn Timing> {
        match self {
            Self::A53 => Box::new(timing::CortexA53),
            Self::A15 | Self::A57 | Self::A72 => Box::new(timing::OutOfOrder),
        }
    }

    pub(super) const fn isa(self) -> Isa {
        match self {
            Self::A15 => Isa::CortexA15,
            Self::A53 => Isa::CortexA53,
            Self::A57 => Isa::CortexA57,
            Self::A72 => Isa::CortexA72,
        }
    }
}

/// A core as its chip's maker built it in, with its interrupt controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CortexAConfig {
    /// Which core.
    pub model: Model,
    /// Core clock in Hz, to which the generic timer's counter is related.
    pub clock: u64,
    /// Shared peripheral interrupts of the GIC, at most 988.
    pub interrupts: u16,
    /// Where the GIC's distributor is.
    pub distributor: Addr,
    /// Where the GIC's CPU interface is.
    pub cpu_interface: Addr,
    /// Whether it has EL2, where it then starts (ARMv8-A).
    pub hypervisor: bool,
    /// Where execution begins after reset.
    pub start: Addr,
    /// What the first register holds then: the device tree's address, by Linux' boot protocol.
    pub argument: u64,
    /// Whether instructions cost the model's average; otherwise each takes one cycle.
    pub timing: bool,
}

/// A core that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// More lines than the architecture knows.
    #[error("a GICv2 has at most 988 shared interrupts, not {0}")]
    Interrupts(u16),
    /// The counter would tick faster than the core.
    #[error("the core's clock of {0} Hz is below the system counter's {COUNTER_HZ} Hz")]
    Clock(u64),
    /// A hypervisor's level on a core that starts in AArch32.
    #[error("a {0} has no EL2 here: `hypervisor` is for ARMv8-A")]
    Hypervisor(&'static str),
    /// The GIC's two halves are one another's.
    #[error("the GIC's distributor and CPU interface overlap")]
    Overlap,
    /// The engine refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl CortexAConfig {
    /// Checks it against the architecture.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.interrupts > 988 {
            return Err(ConfigError::Interrupts(self.interrupts));
        }
        if self.hypervisor && !self.model.is_64() {
            return Err(ConfigError::Hypervisor(self.model.name()));
        }
        if self.clock < COUNTER_HZ {
            return Err(ConfigError::Clock(self.clock));
        }
        if self.distributor.abs_diff(self.cpu_interface) < 0x2000 {
            return Err(ConfigError::Overlap);
        }
        Ok(())
    }
}
