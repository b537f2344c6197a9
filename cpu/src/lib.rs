//! Processor cores over Unicorn: the engine wrapper and the architectures' exception models.
#![allow(
    unsafe_code,
    reason = "all unsafe code of the project lives in this crate, behind the engine wrapper"
)]

pub mod cortex_a;
pub mod cortex_m;
pub mod engine;
mod regions;
pub mod timing;
mod watch;
