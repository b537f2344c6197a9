//! Nordic nRF51 and nRF52 peripherals.

pub mod block;

mod clock;
mod gpio;
mod gpiote;
mod rtc;
mod timer;

use block::Block;
use consort_core::component::ModelEntry;

pub use clock::Clock;
pub use gpio::Gpio;
pub use gpiote::Gpiote;
pub use rtc::Rtc;
pub use timer::Timer;

/// Every Nordic model.
pub const MODELS: &[ModelEntry] = &[
    ModelEntry::peripheral::<Block<Clock>>(),
    ModelEntry::peripheral::<Block<Gpio>>(),
    ModelEntry::peripheral::<Block<Gpiote>>(),
    ModelEntry::peripheral::<Block<Rtc>>(),
    ModelEntry::peripheral::<Block<Timer>>(),
];
