//! A device's inputs that have not taken effect yet.

use std::collections::BTreeMap;

use consort_core::Time;
use consort_core::device::{Action, Input, What};
use serde::{Deserialize, Serialize};

/// Inputs in the order of (time, source, sequence).
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox(BTreeMap<(Time, u32, u64, u64), What>);

impl Inbox {
    /// When the first input is due.
    pub fn next(&self) -> Time {
        self.0.first_key_value().map_or(Time::MAX, |((at, ..), _)| *at)
    }

    pub fn push(&mut self, input: Input) {
        // One broadcast gives the same (time, source, sequence) to several ports of a device: the port
        // tells them apart.
        let port = match &input.what {
            What::Frame { port, .. } => u64::from(*port),
            What::Action(_) => 0,
        };
        self.0.insert((input.at, input.source, input.seq, port), input.what);
    }

    pub fn pop(&mut self) -> Option<Input> {
        self.0.pop_first().map(|((at, source, seq, _), what)| Input { at, source, seq, what })
    }

    pub fn save(&self) -> Vec<SavedInput> {
        let saved = self.0.iter().map(|((at, source, seq, _), what)| SavedInput {
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

    pub fn restore(saved: Vec<SavedInput>) -> Result<Self, serde_json::Error> {
        let mut inbox = Self::default();
        for SavedInput { at, source, seq, what } in saved {
            let what = match what {
                SavedWhat::Frame(port, data) => What::Frame { port, data: data.into() },
                SavedWhat::Action(text) => What::Action(serde_json::from_str::<Action>(&text)?),
            };
            inbox.push(Input { at, source, seq, what });
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
