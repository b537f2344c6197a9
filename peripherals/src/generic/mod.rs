//! Blocks that belong to no vendor.

mod unmodelled;

pub use unmodelled::Unmodelled;
