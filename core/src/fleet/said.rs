//! What devices have to say in a window.

use crate::device::{Device, Halt, Ran, Sent};
use crate::time::Time;
use crate::trace::Event;

pub(super) struct Outgoing {
    pub device: usize,
    pub sent: Sent,
}

/// Frames and events in the order of each device, in any order among devices; who halted.
#[derive(Default)]
pub(super) struct Said {
    pub outgoing: Vec<Outgoing>,
    pub events: Vec<(usize, Event)>,
    pub halts: Vec<(usize, Halt)>,
    sent: Vec<Sent>,
    happened: Vec<Event>,
}

impl Said {
    /// Runs a device to `end`, listens, and gives when it next has something to do.
    pub fn run(&mut self, index: usize, device: &mut dyn Device, end: Time) -> Time {
        if let Ran::Halted(halt) = device.run_until(end) {
            self.halts.push((index, halt));
        }
        self.listen(index, device);
        device.next_event()
    }

    /// Takes what a device has to say.
    pub fn listen(&mut self, index: usize, device: &mut dyn Device) {
        device.take_sent(&mut self.sent);
        device.take_events(&mut self.happened);
        self.outgoing.extend(self.sent.drain(..).map(|sent| Outgoing { device: index, sent }));
        self.events.extend(self.happened.drain(..).map(|event| (index, event)));
    }

    pub fn is_empty(&self) -> bool {
        self.outgoing.is_empty() && self.events.is_empty() && self.halts.is_empty()
    }

    /// Moves all that `other` holds here.
    pub fn append(&mut self, other: &mut Self) {
        self.outgoing.append(&mut other.outgoing);
        self.events.append(&mut other.events);
        self.halts.append(&mut other.halts);
    }
}
