//! The soft bus (DSoftBus): its messages, its stack in virtual time, and what speaks it without firmware.

pub mod codec;
mod error;

pub use error::ApiError;
