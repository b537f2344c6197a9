//! Timing models: what instructions cost, as data for each core. See `docs/timing.md`.

mod around;
mod averages;
mod cortex_m;
mod memory;
mod table;
mod thumb;

pub use averages::{CortexA53, OutOfOrder, Rv32};
pub(crate) use cortex_m::CortexM;
pub(crate) use memory::Waits;
pub use memory::{Cached, Slow, SlowBus};
pub(crate) use table::Table;
pub(crate) mod tables {
    //! The cores' tables.
    pub(crate) use super::table::{M0, M0_PLUS, M3, M4, M7, M33};
}
