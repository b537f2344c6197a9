//! SMSC (now Microchip) network controllers.

mod lan9118;
mod lan9118_eeprom;
mod lan9118_mac;
mod lan9118_phy;
mod lan9118_rx;
mod lan9118_tx;

pub use lan9118::Lan9118;
