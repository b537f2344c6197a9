//! From a board's processor to a core.

use consort_core::cpu::Core;

use crate::board::Processor;

/// Builds the core a board names.
pub(crate) fn build(processor: &Processor) -> Result<Box<dyn Core>, String> {
    let _ = processor;
    Err("no core yet".to_owned())
}
