//! Links: media that join ports, with latency, bandwidth and faults.

mod lan;
mod rules;
mod segments;
mod wire;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::component::PortKind;
use crate::radio::Position;
use crate::state::State;
use crate::time::Time;

pub use lan::{Lan, LanConfig};
pub use rules::{Burst, Fault, Reorder, Rule, Rules, Verdict};
pub use wire::{Wire, WireConfig};

/// A frame on its way to a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The endpoint (index among the link's endpoints) it goes to.
    pub to: usize,
    /// When it is there; at least the link's latency after it was sent.
    pub at: Time,
    /// Its bytes.
    pub data: Arc<[u8]>,
}

/// What became of a frame, for the trace. A rule is named by its index in the link's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fate")]
pub enum Fate {
    /// Delivered, or on its way.
    Delivered,
    /// Delivered later than it would have been.
    Late {
        /// Which rule.
        rule: usize,
    },
    /// Delivered once more.
    Duplicated {
        /// Which rule.
        rule: usize,
    },
    /// Delivered with a bit changed.
    Corrupted {
        /// Which rule.
        rule: usize,
    },
    /// Delivered as one of the pieces that its TCP segment was cut into.
    Split {
        /// Which rule.
        rule: usize,
    },
    /// Held back, to arrive together with what follows it in its TCP stream.
    Held {
        /// Which rule.
        rule: usize,
    },
    /// Dropped by a fault rule.
    Dropped {
        /// Which rule.
        rule: usize,
    },
    /// Dropped because the receiver's queue was full.
    Overflow,
    /// Too weak to be heard where the receiver is.
    OutOfRange,
}

impl Fate {
    /// Whether the receiver gets it, in whatever form.
    pub fn arrives(&self) -> bool {
        match self {
            Self::Delivered
            | Self::Late { .. }
            | Self::Duplicated { .. }
            | Self::Corrupted { .. }
            | Self::Split { .. } => true,
            Self::Held { .. } | Self::Dropped { .. } | Self::Overflow | Self::OutOfRange => false,
        }
    }
}

/// A frame that a link held back and now lets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// When.
    pub at: Time,
    /// The endpoint whose frame it is.
    pub from: usize,
    /// Its bytes.
    pub data: Arc<[u8]>,
}

/// A medium. Frames come to it in the order of (time, source, sequence), whatever the windows are.
pub trait Link: State + Send {
    /// What it carries.
    fn carries(&self) -> PortKind;
    /// The least time between sending and arriving: it bounds the fleet's windows.
    fn latency(&self) -> Time;
    /// Carries a frame that endpoint `from` sent at `at`, and tells what becomes of it: a fate for each loss and
    /// each delivery, those of deliveries in their order.
    fn transmit(
        &mut self,
        from: usize,
        at: Time,
        data: &Arc<[u8]>,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    );
    /// Its fault rules.
    fn rules(&self) -> &Rules;
    /// Its fault rules, to add to or to end; they hold between their own times.
    fn rules_mut(&mut self) -> &mut Rules;
    /// Where each endpoint's antenna is at `at`; empty for media without places.
    fn places(&self, at: Time) -> Vec<Position> {
        let _ = at;
        Vec::new()
    }
    /// Moves an endpoint's antenna at `at`; means nothing to media without places.
    fn place(&mut self, endpoint: usize, position: Position, at: Time) {
        let _ = (endpoint, position, at);
    }
    /// When it next lets go what it holds back; [`Time::MAX`] for never.
    fn due(&self) -> Time {
        Time::MAX
    }
    /// Lets go the earliest of what is due before `before`, and carries it like a frame sent at that time.
    fn release(
        &mut self,
        before: Time,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    ) -> Option<Released> {
        let _ = (before, out, fates);
        None
    }
}
