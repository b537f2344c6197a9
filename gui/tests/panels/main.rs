//! Each panel on a made-up fleet: what it shows, and what it asks for when people click and type.

mod console;
mod fleet;
mod fleet_map;
mod memory;
mod packets;
mod parts;
mod peripherals;
mod program;
mod raster;
mod run_bar;
mod whole;
