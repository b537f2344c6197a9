//! Nordic nRF51 and nRF52 peripherals.

pub mod block;

mod adc;
mod ccm;
mod clock;
mod comp;
mod count;
mod cryptocell;
mod dma;
mod ecb;
mod egu;
mod errata;
mod ficr;
mod gpio;
mod gpiote;
mod lonely;
mod mwu;
mod nvmc;
mod ppi;
mod pwm;
mod qdec;
mod qspi;
mod radio;
mod rng;
mod rtc;
mod saadc;
mod serial;
mod stream;
mod temp;
mod timer;
mod uart;
mod wdt;

use block::Block;
use consort_core::component::ModelEntry;

/// Every Nordic model.
pub const MODELS: &[ModelEntry] = &[
    ModelEntry::peripheral::<Block<adc::Adc>>(),
    ModelEntry::peripheral::<Block<ccm::Ccm>>(),
    ModelEntry::peripheral::<Block<clock::Clock>>(),
    ModelEntry::peripheral::<Block<comp::Comp>>(),
    ModelEntry::peripheral::<Block<cryptocell::CryptoCell>>(),
    ModelEntry::peripheral::<Block<cryptocell::Switch>>(),
    ModelEntry::peripheral::<Block<ecb::Ecb>>(),
    ModelEntry::peripheral::<Block<egu::Egu>>(),
    ModelEntry::peripheral::<Block<errata::Errata>>(),
    ModelEntry::peripheral::<Block<ficr::Ficr>>(),
    ModelEntry::peripheral::<Block<ficr::RomTable>>(),
    ModelEntry::peripheral::<Block<gpio::Gpio>>(),
    ModelEntry::peripheral::<Block<gpiote::Gpiote>>(),
    ModelEntry::peripheral::<Block<mwu::Mwu>>(),
    ModelEntry::peripheral::<Block<lonely::Nfct>>(),
    ModelEntry::peripheral::<Block<lonely::Usbd>>(),
    ModelEntry::peripheral::<Block<nvmc::Nvmc>>(),
    ModelEntry::peripheral::<Block<ppi::Ppi>>(),
    ModelEntry::peripheral::<Block<pwm::Pwm>>(),
    ModelEntry::peripheral::<Block<qdec::Qdec>>(),
    ModelEntry::peripheral::<Block<qspi::Qspi>>(),
    ModelEntry::peripheral::<Block<radio::Radio>>(),
    ModelEntry::peripheral::<Block<rng::Rng>>(),
    ModelEntry::peripheral::<Block<rtc::Rtc>>(),
    ModelEntry::peripheral::<Block<saadc::Saadc>>(),
    ModelEntry::peripheral::<Block<serial::Serial>>(),
    ModelEntry::peripheral::<Block<stream::I2s>>(),
    ModelEntry::peripheral::<Block<stream::Pdm>>(),
    ModelEntry::peripheral::<Block<temp::Temp>>(),
    ModelEntry::peripheral::<Block<timer::Timer>>(),
    ModelEntry::peripheral::<Block<uart::Uart>>(),
    ModelEntry::peripheral::<Block<wdt::Wdt>>(),
];
