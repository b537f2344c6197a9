//! The Cortex-M cores: the exception model, the core-private peripherals, and instructions by the engine.

mod bitband;
mod config;
mod core;
mod debug;
mod exceptions;
mod fault;
mod live;
mod model;
mod mpu;
mod nvic;
mod pace;
mod registers;
mod scb;
mod state;
mod system;
mod systick;

pub use self::config::{ConfigError, CortexMConfig, CycleTiming};
pub use self::core::{CortexM, NMI_LINE};
pub use self::model::{Architecture, Model};
pub use self::systick::Reference;
pub use crate::timing::{Cached, Slow, SlowBus};
