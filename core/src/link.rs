//! Links: media that join ports, with latency, bandwidth and faults.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::PortKind;
use crate::rng::Rng;
use crate::state::State;
use crate::time::Time;

/// A frame on its way to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The endpoint (index among the link's endpoints) it goes to.
    pub to: usize,
    /// When it is there; at least the link's latency after it was sent.
    pub at: Time,
    /// Its bytes.
    pub data: Arc<[u8]>,
}

/// What became of a frame, for the trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fate")]
pub enum Fate {
    /// Delivered, or on its way.
    Delivered,
    /// Dropped by a fault rule.
    Dropped {
        /// Which rule (index in the link's rules).
        rule: usize,
    },
    /// Dropped because the receiver's queue was full.
    Overflow,
    /// Too weak to be heard where the receiver is.
    OutOfRange,
}

/// A medium. Frames come to it in the order of (time, source, sequence), whatever the windows are.
pub trait Link: State + Send {
    /// What it carries.
    fn carries(&self) -> PortKind;
    /// The least time between sending and arriving: the fleet's lookahead is the smallest of these.
    fn latency(&self) -> Time;
    /// Carries a frame that endpoint `from` sent at `at`, and tells what becomes of it, one fate for each
    /// delivery or loss.
    fn transmit(
        &mut self,
        from: usize,
        at: Time,
        data: &Arc<[u8]>,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    );
    /// Adds a fault rule from now on; rules hold between their own times.
    fn add_rule(&mut self, rule: Rule);
}

/// A fault: what happens to frames between two instants on some paths of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// From when; the beginning when absent.
    #[serde(default)]
    pub after: Time,
    /// Until when; for ever when absent.
    #[serde(default = "never")]
    pub before: Time,
    /// Only frames of this endpoint; of all when absent.
    #[serde(default)]
    pub from: Option<usize>,
    /// Only frames to this endpoint; to all when absent.
    #[serde(default)]
    pub to: Option<usize>,
    /// What happens to them.
    pub fault: Fault,
}

fn never() -> Time {
    Time::MAX
}

/// What a [`Rule`] does to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// All are lost: a cut wire.
    Cut,
    /// Some are lost: this many of a million, drawn from the link's seeded stream.
    Loss(u32),
    /// All arrive this much later.
    Delay(Time),
}

/// The settings of a [`Lan`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LanConfig {
    /// From the end of sending to the beginning of arriving, default 500 us (a quiet Wi-Fi access point).
    #[serde(default = "default_latency")]
    pub latency: Time,
    /// Bits per second of each device's connection, default 100 Mbit/s; full duplex.
    #[serde(default = "default_bandwidth")]
    pub bandwidth: u64,
}

fn default_latency() -> Time {
    Time::from_us(500)
}

fn default_bandwidth() -> u64 {
    100_000_000
}

impl Default for LanConfig {
    fn default() -> Self {
        Self { latency: default_latency(), bandwidth: default_bandwidth() }
    }
}

/// An Ethernet switch: it learns addresses as IEEE 802.1D bridges do, stores and forwards, and queues
/// at each receiver's port.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lan {
    config: LanConfig,
    rules: Vec<Rule>,
    rng: Rng,
    /// Until when each endpoint's connection is busy, toward the switch and from it.
    busy: Vec<(Time, Time)>,
    /// Station addresses seen, with their endpoint.
    stations: Vec<([u8; 6], usize)>,
}

/// Preamble, start delimiter, FCS and the gap between frames: what a frame costs on the wire besides
/// its bytes (IEEE 802.3 clauses 3 and 4).
const FRAME_OVERHEAD: u64 = 8 + 4 + 12;
/// Shorter frames are padded (IEEE 802.3 clause 4.2.3.3), FCS not counted.
const MIN_FRAME: u64 = 60;
/// What a switch port holds before it drops.
const QUEUE_BYTES: u64 = 512 * 1024;
/// What a switch remembers.
const MAX_STATIONS: usize = 1024;

impl Lan {
    /// A switch with `endpoints` connections, drawing its random numbers from `rng`.
    ///
    /// A latency below 1 ns or a bandwidth of 0 would stop the fleet: they are raised to the least that
    /// works; fleet files are checked before.
    pub fn new(config: LanConfig, endpoints: usize, rng: Rng) -> Self {
        let config =
            LanConfig { latency: config.latency.max(Time::from_ns(1)), bandwidth: config.bandwidth.max(1) };
        Self {
            config,
            rules: Vec::new(),
            rng,
            busy: vec![(Time::ZERO, Time::ZERO); endpoints],
            stations: Vec::new(),
        }
    }

    fn wire_time(&self, bytes: u64) -> Time {
        let bits = u128::from((bytes.max(MIN_FRAME) + FRAME_OVERHEAD) * 8);
        let ps = (bits * 1_000_000_000_000).div_ceil(u128::from(self.config.bandwidth));
        Time::from_ps(u64::try_from(ps).unwrap_or(u64::MAX))
    }

    fn learn(&mut self, data: &[u8], from: usize) {
        let Some(source) = data.get(6..12).and_then(|bytes| <[u8; 6]>::try_from(bytes).ok()) else { return };
        if source[0] & 1 != 0 {
            return; // no station has a group address
        }
        match self.stations.iter_mut().find(|(station, _)| *station == source) {
            Some((_, endpoint)) => *endpoint = from,
            None => {
                if self.stations.len() == MAX_STATIONS {
                    self.stations.remove(0);
                }
                self.stations.push((source, from));
            }
        }
    }

    fn destination(&self, data: &[u8]) -> Option<usize> {
        let target = data.get(..6)?;
        self.stations.iter().find(|(station, _)| station == target).map(|(_, endpoint)| *endpoint)
    }

    /// The rule that loses the frame, or how much the rules delay it.
    fn judge(&mut self, from: usize, to: usize, at: Time) -> Result<Time, usize> {
        let mut delay = Time::ZERO;
        for (index, rule) in self.rules.iter().enumerate() {
            let applies = (rule.after..rule.before).contains(&at)
                && rule.from.is_none_or(|endpoint| endpoint == from)
                && rule.to.is_none_or(|endpoint| endpoint == to);
            if !applies {
                continue;
            }
            match rule.fault {
                Fault::Cut => return Err(index),
                Fault::Loss(ppm) if self.rng.below(1_000_000) < u64::from(ppm) => return Err(index),
                Fault::Loss(_) => {}
                Fault::Delay(more) => delay += more,
            }
        }
        Ok(delay)
    }
}

impl Link for Lan {
    fn carries(&self) -> PortKind {
        PortKind::Ethernet
    }

    fn latency(&self) -> Time {
        self.config.latency
    }

    fn transmit(
        &mut self,
        from: usize,
        at: Time,
        data: &Arc<[u8]>,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    ) {
        let wire = self.wire_time(data.len() as u64);
        let stored = self.busy[from].0.max(at) + wire;
        self.busy[from].0 = stored;
        self.learn(data, from);
        let known = self.destination(data);
        for to in 0..self.busy.len() {
            if to == from || known.is_some_and(|endpoint| endpoint != to) {
                continue;
            }
            let delay = match self.judge(from, to, at) {
                Ok(delay) => delay,
                Err(rule) => {
                    fates.push((Some(to), Fate::Dropped { rule }));
                    continue;
                }
            };
            let ready = stored + self.config.latency + delay;
            let begin = self.busy[to].1.max(ready);
            if begin.since(ready) > self.wire_time(QUEUE_BYTES) {
                fates.push((Some(to), Fate::Overflow));
                continue;
            }
            let there = begin + wire;
            self.busy[to].1 = there;
            out.push(Delivery { to, at: there, data: data.clone() });
            fates.push((Some(to), Fate::Delivered));
        }
    }

    fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(to: u8, from: u8, len: usize) -> Arc<[u8]> {
        let mut data = vec![0; len];
        data[5] = to;
        data[11] = from;
        Arc::from(data)
    }

    fn send(lan: &mut Lan, from: usize, at: Time, data: &Arc<[u8]>) -> (Vec<Delivery>, Vec<Fate>) {
        let (mut out, mut fates) = (Vec::new(), Vec::new());
        lan.transmit(from, at, data, &mut out, &mut fates);
        (out, fates.into_iter().map(|(_, fate)| fate).collect())
    }

    #[test]
    fn unknown_addresses_flood_and_known_ones_do_not() {
        let mut lan = Lan::new(LanConfig::default(), 3, Rng::new(0, "lan"));
        let to = |deliveries: Vec<Delivery>| deliveries.iter().map(|d| d.to).collect::<Vec<_>>();
        assert_eq!(to(send(&mut lan, 0, Time::ZERO, &frame(2, 1, 100)).0), [1, 2]);
        assert_eq!(to(send(&mut lan, 1, Time::ZERO, &frame(1, 2, 100)).0), [0]);
        assert_eq!(to(send(&mut lan, 2, Time::ZERO, &frame(3, 3, 100)).0), Vec::<usize>::new());
    }

    #[test]
    fn frames_take_their_wire_time_and_queue_behind_each_other() {
        let config = LanConfig { latency: Time::from_us(100), bandwidth: 10_000_000 };
        let mut lan = Lan::new(config, 2, Rng::new(0, "lan"));
        // 76 + 24 bytes at 10 Mbit/s take 80 us, once toward the switch and once from it.
        let first = send(&mut lan, 0, Time::ZERO, &frame(9, 1, 76)).0[0].at;
        let second = send(&mut lan, 0, Time::ZERO, &frame(9, 1, 76)).0[0].at;
        assert_eq!((first, second), (Time::from_us(260), Time::from_us(340)));
    }

    #[test]
    fn rules_hold_between_their_times_and_on_their_paths() {
        let mut lan = Lan::new(LanConfig::default(), 3, Rng::new(0, "lan"));
        lan.add_rule(Rule {
            after: Time::from_ms(1),
            before: Time::from_ms(2),
            from: None,
            to: Some(1),
            fault: Fault::Cut,
        });
        let fates = |lan: &mut Lan, us| send(lan, 0, Time::from_us(us), &frame(9, 1, 60)).1;
        assert_eq!(fates(&mut lan, 999), [Fate::Delivered, Fate::Delivered]);
        assert_eq!(fates(&mut lan, 1_000), [Fate::Dropped { rule: 0 }, Fate::Delivered]);
        assert_eq!(fates(&mut lan, 2_000), [Fate::Delivered, Fate::Delivered]);
    }

    #[test]
    fn a_full_queue_drops() {
        let config = LanConfig { latency: Time::from_us(1), bandwidth: 1_000_000 };
        let mut lan = Lan::new(config, 3, Rng::new(0, "lan"));
        let mut dropped = 0;
        for i in 0..2_000u64 {
            for from in [0, 1] {
                let (_, fates) = send(&mut lan, from, Time::from_us(i), &frame(9, from as u8 + 1, 1_500));
                dropped += fates.iter().filter(|fate| **fate == Fate::Overflow).count();
            }
        }
        assert!(dropped > 0);
    }
}
