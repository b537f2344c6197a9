//! Off-chip components: sensors, buttons, displays.

mod button;
mod i2c;
mod led_matrix;
mod lsm303agr;
mod mag3110;
mod mma8653;

use consort_core::component::ModelEntry;

/// Every part.
pub const MODELS: &[ModelEntry] = &[
    ModelEntry::part::<button::Button>(),
    ModelEntry::part::<led_matrix::LedMatrix>(),
    ModelEntry::part::<mag3110::Mag3110>(),
    ModelEntry::part::<mma8653::Mma8653>(),
    ModelEntry::part::<lsm303agr::Lsm303agr>(),
];
