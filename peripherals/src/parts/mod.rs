//! Off-chip components: sensors, buttons, displays, memories.

mod backlight;
mod battery;
mod bma42x;
mod button;
mod bytes;
mod cst816s;
mod curve;
mod hrs3300;
mod i2c;
mod led_matrix;
mod lsm303agr;
mod mag3110;
mod mma8653;
mod motion;
mod smart_battery;
mod spi_flash;
mod st7789;
mod steps;
mod vibration;

use consort_core::component::ModelEntry;

/// Every part.
pub const MODELS: &[ModelEntry] = &[
    ModelEntry::part::<battery::Battery>(),
    ModelEntry::part::<bma42x::Bma42x>(),
    ModelEntry::part::<button::Button>(),
    ModelEntry::part::<cst816s::Cst816s>(),
    ModelEntry::part::<hrs3300::Hrs3300>(),
    ModelEntry::part::<led_matrix::LedMatrix>(),
    ModelEntry::part::<lsm303agr::Lsm303agr>(),
    ModelEntry::part::<mag3110::Mag3110>(),
    ModelEntry::part::<mma8653::Mma8653>(),
    ModelEntry::part::<smart_battery::SmartBattery>(),
    ModelEntry::part::<spi_flash::SpiFlash>(),
    ModelEntry::part::<st7789::St7789>(),
    ModelEntry::part::<vibration::Vibration>(),
];
