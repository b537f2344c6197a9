//! Arm's Cortex-M System Design Kit (CMSDK, DDI 0479), PrimeCells, and the MPS2 board's own blocks.

mod cmsdk_timer;
mod cmsdk_uart;
mod mps2_fpgaio;
mod mps2_scc;

pub use cmsdk_timer::CmsdkTimer;
pub use cmsdk_uart::CmsdkUart;
pub use mps2_fpgaio::Mps2Fpgaio;
pub use mps2_scc::Mps2Scc;
