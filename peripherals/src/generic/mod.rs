//! Blocks that belong to no vendor.

mod cfi_flash;
mod framebuffer;
mod fw_cfg;
mod unmodelled;

pub use cfi_flash::CfiFlash;
pub use framebuffer::Framebuffer;
pub use fw_cfg::FwCfg;
pub use unmodelled::Unmodelled;
