//! Virtio devices on the memory-mapped transport (Virtio 1.1, 4.2, the version 2 layout).
//!
//! | file | what it is |
//! |---|---|
//! | `transport` | registers, status and queues that every device has |
//! | `queue` | the split virtqueue |
//! | `block`, `console`, `input`, `net`, `rng` | the devices |

mod block;
mod console;
mod input;
mod net;
mod queue;
mod rng;
mod transport;

use consort_core::component::ModelEntry;

pub use transport::{Device, Virtio};

/// Every model of this folder.
pub(crate) const MODELS: &[ModelEntry] = &[
    ModelEntry::peripheral::<Virtio<block::Block>>(),
    ModelEntry::peripheral::<Virtio<console::Console>>(),
    ModelEntry::peripheral::<Virtio<input::Input>>(),
    ModelEntry::peripheral::<Virtio<net::Net>>(),
    ModelEntry::peripheral::<Virtio<rng::Entropy>>(),
];
