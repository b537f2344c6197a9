//! The Cortex-A cores: GICv2, generic timers and PSCI around instructions by the engine.

mod config;
mod core;
mod gic;
mod live;
mod psci;
mod registers;
mod state;
mod timer;
mod walk;

pub use self::config::{ConfigError, CortexAConfig, Model};
pub use self::core::CortexA;
pub use self::timer::COUNTER_HZ;
