//! A GDB server for every device of a fleet: one port per device, one virtual time.
//!
//! The thread that owns the fleet calls [`Hub::drive`] where it would call `Fleet::run_until`. Sockets live on
//! threads of their own and hand over bytes through a channel, so that no client can make the fleet wait for it.
//! The fleet runs while every attached debugger wants its device to run; a device that stops holds all of them
//! in one instant of virtual time. What a debugger only reads, and where it stops, leaves the digest as it is.
//!
//! The protocol, the remote serial protocol of the GDB manual's appendix E, is `gdbstub`'s; here is what a fleet
//! adds to it.

mod arch;
mod client;
mod description;
#[cfg(any(test, feature = "fuzzing"))]
mod fake;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hub;
mod monitor;
mod net;
mod packet;
mod points;
mod seat;
mod threads;

pub use hub::Hub;
pub use net::{ListenError, Tell};
