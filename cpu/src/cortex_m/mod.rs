//! The Cortex-M exception model.
