//! Board data, the machine builder and the firmware loader.

pub mod loader;
