//! The inspector: sees and steers a running fleet over the control protocol.
//!
//! Panels draw a [`model::Model`], a plain snapshot that messages fill; what they want is asked of the server.
//! Nothing here knows the emulator.

pub mod app;
pub mod capture;
pub mod client;
pub mod code;
pub mod console;
pub mod decode;
pub mod home;
pub mod lane;
pub mod layout;
pub mod model;
pub mod palette;
pub mod panels;
pub mod parts;
pub mod picture;
pub mod settings;
pub mod svd;
pub mod theme;
pub mod watch;
pub mod wish;
