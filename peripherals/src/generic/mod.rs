//! Blocks that belong to no vendor.

mod cfi_flash;
mod framebuffer;
mod fw_cfg;
mod oc_i2c;
mod unmodelled;

pub use cfi_flash::CfiFlash;
pub use framebuffer::Framebuffer;
pub use fw_cfg::FwCfg;
pub use oc_i2c::OcI2c;
pub use unmodelled::Unmodelled;
