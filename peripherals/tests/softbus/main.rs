//! The soft bus: what it says on the wire, nodes against each other, and scripted nodes in fleets.

#![expect(clippy::unwrap_used)]

mod api;
mod flood;
mod lan;
mod nodes;
mod peers;
mod phone;
mod schedule;
mod speed;
mod wire;
