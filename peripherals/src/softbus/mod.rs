//! The soft bus (DSoftBus): its messages, its stack in virtual time, and what speaks it without firmware.
//!
//! | module | what it is |
//! |---|---|
//! | [`codec`] | messages as bytes |
//! | [`net`] | Ethernet, ARP, IPv4, UDP, TCP as savable state |
//! | [`node`] | discovery, authentication and sessions of one device |
//! | [`Adapter`] | a peripheral that gives all of it to bare firmware |
//! | [`Listener`] | the conversation on a wire in words |
//! | [`ScriptedPhone`] | a member of the fleet without firmware |

mod adapter;
pub mod codec;
mod config;
mod error;
mod listen;
pub mod net;
pub mod node;
mod phone;
mod report;

pub use adapter::Adapter;
pub use config::{Capability, DeviceType, Key, Mac, NodeConfig, Role, Trusted};
pub use error::ApiError;
pub use listen::Listener;
pub use node::Node;
pub use phone::{Line, PhoneConfig, PhoneError, ScriptedPhone, Seek, SessionPlan};
