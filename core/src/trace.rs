//! What happened in a run, and the digest that two equal runs share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bus::Addr;
use crate::time::Time;

/// A hash over a run or a part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    /// The first 128 bits in hexadecimal: enough to compare, short enough to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..16].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A digest that grows with each event: the next link hashes the last one and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain(Digest);

impl Default for Chain {
    fn default() -> Self {
        Self(Digest([0; 32]))
    }
}

impl Chain {
    /// Takes in what happened at `at`: `kind` tells the meaning of `data`.
    pub fn add(&mut self, at: Time, kind: u8, data: &[u8]) {
        let mut head = [0; 9];
        head[0] = kind;
        head[1..].copy_from_slice(&at.as_ps().to_le_bytes());
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0.0).update(&head).update(data);
        self.0 = Digest(*hasher.finalize().as_bytes());
    }

    /// The digest so far.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

/// Something a processor core did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "core")]
pub enum CoreEvent {
    /// It took an exception; `pc` is where it will return to.
    Entry {
        /// The architecture's exception number.
        number: u16,
        /// Return address.
        pc: Addr,
    },
    /// It returned from an exception to `pc`.
    Return {
        /// The exception that ended.
        number: u16,
        /// Where it goes on.
        pc: Addr,
    },
    /// It went to sleep (WFI, WFE, sleep on exit).
    Sleep,
    /// It woke up.
    Wake,
    /// It was reset.
    Reset,
    /// It locked up (a fault while handling a fault).
    Lockup {
        /// Where.
        pc: Addr,
    },
}

/// How serious a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Details of a model's working.
    Debug,
    /// Something worth knowing.
    Info,
    /// The guest did what the manual forbids or leaves unpredictable.
    GuestError,
    /// The guest used what Consort does not model (yet).
    Unimplemented,
}

/// What a model tells above the level of bytes, such as a soft-bus device that came online: for scenarios,
/// tools and people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which component.
    pub who: String,
    /// What happened, in one word such as `online`; the model's documentation lists its words.
    pub what: String,
    /// What there is to know about it, by name.
    pub details: BTreeMap<String, String>,
}

impl fmt::Display for Report {
    /// `online ip=10.0.0.2 name=watch`, without the component; texts with blanks in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.details.iter().try_for_each(|(name, value)| {
            let plain =
                !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || "-_.:/+".contains(c));
            if plain { write!(f, " {name}={value}") } else { write!(f, " {name}={value:?}") }
        })
    }
}

/// What happened on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Kind {
    /// Its processor did something.
    Core(CoreEvent),
    /// A frame left through a port.
    Sent {
        /// Index in the device's ports.
        port: u16,
        /// Its bytes.
        data: Arc<[u8]>,
    },
    /// A frame arrived at a port.
    Received {
        /// Index in the device's ports.
        port: u16,
        /// Its bytes.
        data: Arc<[u8]>,
    },
    /// An output line of a component changed: a pin, an interrupt request.
    Line {
        /// `component.line`.
        line: String,
        /// High or low.
        level: bool,
    },
    /// An outside input other than a frame took effect.
    Stimulus {
        /// In words.
        what: String,
    },
    /// A model has something to say.
    Log {
        /// How serious.
        level: Level,
        /// Which component.
        who: String,
        /// What.
        text: String,
    },
    /// A model tells what happened above the level of bytes.
    Report(Report),
    /// The guest ended its program (semihosting).
    Exit {
        /// Its exit code.
        code: i32,
    },
}

/// An event of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Time,
    /// What.
    #[serde(flatten)]
    pub kind: Kind,
}

/// A device's record of itself: the digest always grows, events are kept only while someone wants them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recorder {
    chain: Chain,
    #[serde(skip)]
    wanted: bool,
    #[serde(skip)]
    events: Vec<Event>,
}

impl Recorder {
    /// Whether [`Recorder::take`] shall find every event, or only logs, reports and exits.
    pub fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Records an event of the core. Sleeping and waking are for the timeline only: they are
    /// consequences of what the digest holds anyway.
    pub fn core(&mut self, at: Time, event: CoreEvent) {
        let (kind, number, pc) = match event {
            CoreEvent::Entry { number, pc } => (0, number, pc),
            CoreEvent::Return { number, pc } => (1, number, pc),
            CoreEvent::Reset => (2, 0, 0),
            CoreEvent::Lockup { pc } => (3, 0, pc),
            CoreEvent::Sleep | CoreEvent::Wake => {
                if self.wanted {
                    self.events.push(Event { at, kind: Kind::Core(event) });
                }
                return;
            }
        };
        let mut data = [0; 10];
        data[..2].copy_from_slice(&number.to_le_bytes());
        data[2..].copy_from_slice(&pc.to_le_bytes());
        self.chain.add(at, kind, &data);
        if self.wanted {
            self.events.push(Event { at, kind: Kind::Core(event) });
        }
    }

    /// Records a frame that leaves.
    pub fn sent(&mut self, at: Time, port: u16, data: &Arc<[u8]>) {
        self.frame(at, 16, port, data, |port, data| Kind::Sent { port, data });
    }

    /// Records a frame that arrives.
    pub fn received(&mut self, at: Time, port: u16, data: &Arc<[u8]>) {
        self.frame(at, 17, port, data, |port, data| Kind::Received { port, data });
    }

    fn frame(&mut self, at: Time, kind: u8, port: u16, data: &Arc<[u8]>, make: fn(u16, Arc<[u8]>) -> Kind) {
        let mut bytes = Vec::with_capacity(data.len() + 2);
        bytes.extend_from_slice(&port.to_le_bytes());
        bytes.extend_from_slice(data);
        self.chain.add(at, kind, &bytes);
        if self.wanted {
            self.events.push(Event { at, kind: make(port, data.clone()) });
        }
    }

    /// Records that an output line of a component changed. Like sleeping and waking it is a consequence of what
    /// the digest holds anyway.
    pub fn line(&mut self, at: Time, component: &str, line: &str, level: bool) {
        if self.wanted {
            self.events.push(Event { at, kind: Kind::Line { line: format!("{component}.{line}"), level } });
        }
    }

    /// Records a stimulus.
    pub fn stimulus(&mut self, at: Time, what: &str) {
        self.chain.add(at, 18, what.as_bytes());
        if self.wanted {
            self.events.push(Event { at, kind: Kind::Stimulus { what: what.to_owned() } });
        }
    }

    /// Records the guest's exit; always kept.
    pub fn exit(&mut self, at: Time, code: i32) {
        self.chain.add(at, 19, &code.to_le_bytes());
        self.events.push(Event { at, kind: Kind::Exit { code } });
    }

    /// Records a log line; always kept, never part of the digest.
    pub fn log(&mut self, at: Time, level: Level, who: &str, text: String) {
        self.events.push(Event { at, kind: Kind::Log { level, who: who.to_owned(), text } });
    }

    /// Records a report; always kept, never part of the digest: it follows from what is.
    pub fn report(&mut self, at: Time, report: Report) {
        self.events.push(Event { at, kind: Kind::Report(report) });
    }

    /// Moves the kept events to `out`.
    pub fn take(&mut self, out: &mut Vec<Event>) {
        out.append(&mut self.events);
    }

    /// The digest of all events so far.
    pub fn digest(&self) -> Digest {
        self.chain.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanting_events_does_not_change_the_digest() {
        let [mut quiet, mut wanted] = [Recorder::default(), Recorder::default()];
        wanted.want(true);
        for recorder in [&mut quiet, &mut wanted] {
            recorder.core(Time::from_us(1), CoreEvent::Entry { number: 15, pc: 0x100 });
            recorder.core(Time::from_us(2), CoreEvent::Sleep);
            recorder.sent(Time::from_us(3), 0, &Arc::from(*b"x"));
            recorder.log(Time::from_us(3), Level::Info, "uart0", "hello".into());
        }
        assert_eq!(quiet.digest(), wanted.digest());
        let [mut few, mut all] = [Vec::new(), Vec::new()];
        quiet.take(&mut few);
        wanted.take(&mut all);
        assert_eq!((few.len(), all.len()), (1, 4));
    }

    #[test]
    fn order_time_and_content_all_count() {
        let digest = |events: &[(u64, u8)]| {
            let mut chain = Chain::default();
            for (at, data) in events {
                chain.add(Time::from_ps(*at), 0, &[*data]);
            }
            chain.digest()
        };
        let base = digest(&[(1, 1), (2, 2)]);
        assert_eq!(base, digest(&[(1, 1), (2, 2)]));
        for other in [&[(1, 2), (2, 1)][..], &[(1, 1), (3, 2)], &[(1, 1)]] {
            assert_ne!(base, digest(other));
        }
    }
}
