//! Arm's Cortex-M System Design Kit (CMSDK, DDI 0479), PrimeCells, and the MPS2 board's own blocks.

mod cmsdk_dualtimer;
mod cmsdk_gpio;
mod cmsdk_timer;
mod cmsdk_uart;
mod cmsdk_watchdog;
mod mps2_fpgaio;
mod mps2_scc;
mod pl011;
mod pl022;
mod pl031;
mod pl061;
mod versatile_i2c;

pub use cmsdk_dualtimer::CmsdkDualtimer;
pub use cmsdk_gpio::CmsdkGpio;
pub use cmsdk_timer::CmsdkTimer;
pub use cmsdk_uart::CmsdkUart;
pub use cmsdk_watchdog::CmsdkWatchdog;
pub use mps2_fpgaio::Mps2Fpgaio;
pub use mps2_scc::Mps2Scc;
pub use pl011::Pl011;
pub use pl022::Pl022;
pub use pl031::Pl031;
pub use pl061::Pl061;
pub use versatile_i2c::VersatileI2c;
