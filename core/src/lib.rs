//! The foundation of Consort: virtual time, the traits of devices and their insides, links,
//! the lockstep scheduler, traces with their digest, and snapshots.
//!
//! This crate does no I/O, knows no instruction set and holds no `unsafe` code.
//!
//! | module | what it is |
//! |---|---|
//! | [`time`] | [`Time`], [`Cycles`] and the exact [`Clock`] between them |
//! | [`bus`] | addresses, widths, bus errors, and what a processor core sees of its machine |
//! | [`component`] | peripherals and parts, and the context through which alone they act |
//! | [`cpu`] | what a machine sees of a processor core |
//! | [`panel`] | what a device shows and takes: channels, values, pictures |
//! | [`device`] | what the fleet sees of a machine |
//! | [`drift`] | devices whose clocks are fast or slow |
//! | [`link`] | media that join ports |
//! | [`radio`] | the air: path loss, range, packets with their times |
//! | [`fleet`] | devices and links in one virtual time |
//! | [`trace`] | what happened, and its digest |
//! | [`capture`] | frames as files for Wireshark |
//! | [`control`] | how other programs see and steer a run |
//! | [`starter`] | how the inspector has runs started |
//! | [`state`] | saving and restoring |
//! | [`testing`] | a rig for unit tests of peripherals |

pub mod bus;
pub mod capture;
pub mod component;
pub mod control;
pub mod cpu;
pub mod device;
pub mod drift;
pub mod fleet;
pub mod link;
pub mod panel;
pub mod radio;
pub mod rng;
pub mod starter;
pub mod state;
pub mod testing;
pub mod time;
pub mod trace;
pub mod wire;

pub use bus::{Addr, BusError, Width};
pub use time::{Clock, Cycles, Time};
