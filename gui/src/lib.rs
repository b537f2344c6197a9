//! The inspector: sees and steers a running fleet over the control protocol.
//!
//! Panels draw a [`model::Model`], a plain snapshot that messages fill; what they want is asked of the server.
//! Nothing here knows the emulator.

pub mod app;
pub mod client;
pub mod console;
pub mod decode;
pub mod lane;
pub mod layout;
pub mod model;
pub mod panels;
pub mod theme;
