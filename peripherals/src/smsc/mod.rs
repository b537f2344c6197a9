//! SMSC (now Microchip) network controllers.

mod lan9118;

pub use lan9118::Lan9118;
