//! Register models of on-chip blocks and off-chip parts, and the registry that board files name them from.
//!
//! One file is one IP block, in a folder of its vendor: chip logic as plain serialisable state, its table of
//! registers, and unit tests written from the manual. [`models`] is the only list of what exists.
//!
//! | module | what it is |
//! |---|---|
//! | [`arm`] | Arm's CMSDK blocks, PrimeCells and the MPS2 board's own blocks |
//! | [`smsc`] | the LAN9118 Ethernet controller |
//! | [`nrf`] | Nordic nRF51 and nRF52 |
//! | [`parts`] | sensors, buttons and displays beside the chip |
//! | [`softbus`] | the soft bus: codec, stack, adapter, scripted phones |
//! | [`virtio`] | virtio devices on the memory-mapped transport |
//! | [`generic`] | blocks that belong to no vendor |
//! | [`block`] | what register blocks have in common |
//! | [`mod@line`] | a UART's end of a wire |
//! | [`count`] | counters computed from time |

pub mod arm;
pub mod block;
pub mod count;
pub mod generic;
pub mod line;
pub mod nrf;
pub mod parts;
pub mod smsc;
pub mod softbus;
pub mod virtio;

use std::sync::LazyLock;

use consort_core::component::ModelEntry;

/// Every model a board file can name, sorted by kind.
pub fn models() -> &'static [ModelEntry] {
    static MODELS: LazyLock<Vec<ModelEntry>> = LazyLock::new(|| {
        let mut models = vec![
            ModelEntry::peripheral::<arm::CmsdkDualtimer>(),
            ModelEntry::peripheral::<arm::CmsdkGpio>(),
            ModelEntry::peripheral::<arm::CmsdkTimer>(),
            ModelEntry::peripheral::<arm::CmsdkUart>(),
            ModelEntry::peripheral::<arm::CmsdkWatchdog>(),
            ModelEntry::peripheral::<arm::Mps2Fpgaio>(),
            ModelEntry::peripheral::<arm::Mps2Scc>(),
            ModelEntry::peripheral::<arm::Pl011>(),
            ModelEntry::peripheral::<arm::Pl022>(),
            ModelEntry::peripheral::<arm::Pl031>(),
            ModelEntry::peripheral::<arm::Pl061>(),
            ModelEntry::peripheral::<arm::VersatileI2c>(),
            ModelEntry::peripheral::<smsc::Lan9118>(),
            ModelEntry::peripheral::<generic::CfiFlash>(),
            ModelEntry::peripheral::<generic::Framebuffer>(),
            ModelEntry::peripheral::<generic::FwCfg>(),
            ModelEntry::peripheral::<generic::OcI2c>(),
            ModelEntry::peripheral::<generic::Unmodelled>(),
            ModelEntry::peripheral::<softbus::Adapter>(),
        ];
        models.extend_from_slice(nrf::MODELS);
        models.extend_from_slice(parts::MODELS);
        models.extend_from_slice(virtio::MODELS);
        models.sort_by_key(|model| model.kind);
        models
    });
    &MODELS
}
