//! A device's inputs that have not taken effect yet.

use std::collections::BTreeMap;

use consort_core::Time;
use consort_core::device::{Action, Input, What};
use serde::{Deserialize, Serialize};

/// Inputs in the order of (time, source, sequence).
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    inputs: BTreeMap<Key, What>,
    /// Frames from the air, which a receiver that is off need not hear at once.
    air: BTreeMap<Key, What>,
}

/// Time, source, sequence; and the port, for one broadcast gives the same to several ports of a device.
type Key = (Time, u32, u64, u64);

fn first(inputs: &BTreeMap<Key, What>) -> Option<Key> {
    inputs.first_key_value().map(|(key, _)| *key)
}

impl Inbox {
    /// When the first input is due.
    pub fn next(&self) -> Time {
        self.next_but_air().min(first(&self.air).map_or(Time::MAX, |(at, ..)| at))
    }

    /// The same, leaving frames from the air aside.
    pub fn next_but_air(&self) -> Time {
        first(&self.inputs).map_or(Time::MAX, |(at, ..)| at)
    }

    /// How many frames from the air wait.
    pub fn on_air(&self) -> usize {
        self.air.len()
    }

    /// An input; `air` tells a frame that comes through the air.
    pub fn push(&mut self, input: Input, air: bool) {
        let port = match &input.what {
            What::Frame { port, .. } => u64::from(*port),
            What::Action(_) => 0,
        };
        let inputs = if air { &mut self.air } else { &mut self.inputs };
        inputs.insert((input.at, input.source, input.seq, port), input.what);
    }

    pub fn pop(&mut self) -> Option<Input> {
        let air = match (first(&self.inputs), first(&self.air)) {
            (Some(input), Some(frame)) => frame < input,
            (input, _) => input.is_none(),
        };
        let inputs = if air { &mut self.air } else { &mut self.inputs };
        inputs.pop_first().map(|((at, source, seq, _), what)| Input { at, source, seq, what })
    }

    pub fn save(&self) -> Vec<SavedInput> {
        let mut all: Vec<(&Key, &What)> = self.inputs.iter().chain(&self.air).collect();
        all.sort_by_key(|(key, _)| **key);
        let saved = all.into_iter().map(|((at, source, seq, _), what)| SavedInput {
            at: *at,
            source: *source,
            seq: *seq,
            what: match what {
                What::Frame { port, data } => SavedWhat::Frame(*port, data.to_vec()),
                What::Action(action) => SavedWhat::Action(serde_json::to_string(action).unwrap_or_default()),
            },
        });
        saved.collect()
    }

    pub fn restore(saved: Vec<SavedInput>, air: impl Fn(u16) -> bool) -> Result<Self, serde_json::Error> {
        let mut inbox = Self::default();
        for SavedInput { at, source, seq, what } in saved {
            let (what, air) = match what {
                SavedWhat::Frame(port, data) => (What::Frame { port, data: data.into() }, air(port)),
                SavedWhat::Action(text) => (What::Action(serde_json::from_str::<Action>(&text)?), false),
            };
            inbox.push(Input { at, source, seq, what }, air);
        }
        Ok(inbox)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedInput {
    at: Time,
    source: u32,
    seq: u64,
    what: SavedWhat,
}

/// Actions as JSON: they hold untagged values, which binary formats cannot read back.
#[derive(Serialize, Deserialize)]
enum SavedWhat {
    Frame(u16, Vec<u8>),
    Action(String),
}
