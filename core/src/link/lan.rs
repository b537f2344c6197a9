//! An Ethernet switch.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{Fault, Rules};
use super::segments::Segment;
use super::{Delivery, Fate, Link, Released};
use crate::component::PortKind;
use crate::rng::Rng;
use crate::time::Time;

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
    rules: Rules,
    /// Until when each endpoint's connection is busy, toward the switch and from it.
    busy: Vec<(Time, Time)>,
    /// Station addresses seen, with their endpoint.
    stations: Vec<([u8; 6], usize)>,
    /// Until when each bottleneck, by (rule, receiver), is busy.
    bottlenecks: BTreeMap<(usize, usize), Time>,
    /// The last arrival on each path, by (from, to), that jitter keeps in order.
    last: BTreeMap<(usize, usize), Time>,
    /// TCP segments that wait for what follows them, in the order they will be let go at one instant.
    held: Vec<Held>,
}

/// A frame that is held back.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    due: Time,
    from: usize,
    flow: [u8; 12],
    data: Arc<[u8]>,
}

/// Preamble, start delimiter, FCS and the gap between frames: what a frame costs on the wire besides
/// its bytes (IEEE 802.3 clauses 3 and 4).
const FRAME_OVERHEAD: u64 = 8 + 4 + 12;
/// Shorter frames are padded (IEEE 802.3 clause 4.2.3.3), FCS not counted.
const MIN_FRAME: u64 = 60;
/// What a switch port holds before it drops.
const QUEUE_BYTES: u64 = 512 * 1024;
/// Frames that are held back at one time; more pass as they come.
const MOST_HELD: usize = 4096;
/// What a switch remembers.
const MAX_STATIONS: usize = 1024;

/// How long a frame of so many bytes takes at so many bits per second.
fn wire_time(bytes: u64, bandwidth: u64) -> Time {
    let bits = u128::from((bytes.max(MIN_FRAME) + FRAME_OVERHEAD) * 8);
    let ps = (bits * 1_000_000_000_000).div_ceil(u128::from(bandwidth));
    Time::from_ps(u64::try_from(ps).unwrap_or(u64::MAX))
}

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
            rules: Rules::new(rng),
            busy: vec![(Time::ZERO, Time::ZERO); endpoints],
            stations: Vec::new(),
            bottlenecks: BTreeMap::new(),
            last: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    fn wire_time(&self, bytes: u64) -> Time {
        wire_time(bytes, self.config.bandwidth)
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

    /// Holds a frame back when a rule says so; what belongs to a stream that is held back stays behind it.
    fn hold(&mut self, from: usize, to: usize, at: Time, data: &Arc<[u8]>) -> Option<usize> {
        let coalesce = self.rules.holding(from, Some(to), at).find_map(|(index, fault)| match fault {
            Fault::Coalesce(span) => Some((index, span)),
            _ => None,
        });
        let (rule, span) = coalesce?;
        let segment = Segment::find(data)?;
        let flow = segment.flow(data);
        let before = self.held.iter_mut().rfind(|held| held.from == from && held.flow == flow);
        let mut held = Held { due: at + span, from, flow, data: data.clone() };
        if let Some(before) = before {
            let joined = Segment::find(&before.data)
                .filter(|first| first.is_plain_data() && segment.is_plain_data())
                .and_then(|first| first.join(&before.data, &segment, data));
            if let Some(joined) = joined {
                before.data = joined;
                return Some(rule);
            }
            before.due = at;
        } else if !segment.is_plain_data() || self.held.len() >= MOST_HELD {
            return None;
        }
        if !segment.is_plain_data() {
            held.due = at;
        }
        self.held.push(held);
        Some(rule)
    }

    /// Carries a frame from the switch's store to all it is for.
    fn forward(
        &mut self,
        from: usize,
        at: Time,
        data: &Arc<[u8]>,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    ) {
        let stored = self.busy[from].0.max(at);
        let known = self.destination(data);
        for to in 0..self.busy.len() {
            if to == from || known.is_some_and(|endpoint| endpoint != to) {
                continue;
            }
            let split = self.rules.holding(from, Some(to), at).filter_map(|(index, fault)| match fault {
                Fault::Split(most) => Some((most as usize, index)),
                _ => None,
            });
            let pieces = split.min().and_then(|(most, rule)| {
                let segment = Segment::find(data)?;
                (segment.len() > most).then(|| (segment.split(data, most), rule))
            });
            match pieces {
                None => self.deliver((from, to), at, stored, data, Fate::Delivered, out, fates),
                Some((pieces, rule)) => {
                    for piece in &pieces {
                        self.deliver((from, to), at, stored, piece, Fate::Split { rule }, out, fates);
                    }
                }
            }
        }
    }

    /// Carries a frame that is stored at `stored` on one path.
    #[expect(clippy::too_many_arguments, reason = "the frame, its path and times, and where the result goes")]
    fn deliver(
        &mut self,
        (from, to): (usize, usize),
        at: Time,
        stored: Time,
        data: &Arc<[u8]>,
        fate: Fate,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    ) {
        let verdict = match self.rules.judge(from, to, at, data.len() as u64 * 8) {
            Ok(verdict) => verdict,
            Err(rule) => return fates.push((Some(to), Fate::Dropped { rule })),
        };
        let length = data.len() as u64;
        let mut ready = stored + self.config.latency;
        if let Some((rule, bandwidth)) = verdict.bottleneck {
            let free = self.bottlenecks.entry((rule, to)).or_default();
            let begin = ready.max(*free);
            if begin.since(ready) > wire_time(QUEUE_BYTES, bandwidth) {
                return fates.push((Some(to), Fate::Overflow));
            }
            *free = begin + wire_time(length, bandwidth);
            ready = *free;
        }
        let copies = if verdict.twice.is_some() { 2 } else { 1 };
        for copy in 0..copies {
            let begin = self.busy[to].1.max(ready);
            if begin.since(ready) > self.wire_time(QUEUE_BYTES) {
                fates.push((Some(to), Fate::Overflow));
                continue;
            }
            let there = begin + self.wire_time(length);
            self.busy[to].1 = there;
            let mut arrival = there + verdict.delay;
            if verdict.in_order {
                let last = self.last.entry((from, to)).or_default();
                arrival = arrival.max(*last);
                *last = arrival;
            }
            let mut data = data.clone();
            let mut fate = fate.clone();
            if let Some(rule) = verdict.late {
                fate = Fate::Late { rule };
            }
            if let Some((rule, bit)) = verdict.corrupt {
                let mut bytes = data.to_vec();
                if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                    *byte ^= 1 << (bit % 8);
                }
                data = bytes.into();
                fate = Fate::Corrupted { rule };
            }
            if let Some(rule) = verdict.twice.filter(|_| copy > 0) {
                fate = Fate::Duplicated { rule };
            }
            out.push(Delivery { to, at: arrival, data });
            fates.push((Some(to), fate));
        }
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
        let stored = self.busy[from].0.max(at) + self.wire_time(data.len() as u64);
        self.busy[from].0 = stored;
        self.learn(data, from);
        if let Some(to) = self.destination(data).filter(|to| *to != from)
            && let Some(rule) = self.hold(from, to, at, data)
        {
            return fates.push((Some(to), Fate::Held { rule }));
        }
        self.forward(from, at, data, out, fates);
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn rules_mut(&mut self) -> &mut Rules {
        &mut self.rules
    }

    fn due(&self) -> Time {
        self.held.iter().map(|held| held.due).min().unwrap_or(Time::MAX)
    }

    fn release(
        &mut self,
        before: Time,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    ) -> Option<Released> {
        let due = self.due();
        if due >= before {
            return None;
        }
        let index = self.held.iter().position(|held| held.due == due)?;
        let held = self.held.remove(index);
        self.forward(held.from, held.due, &held.data, out, fates);
        Some(Released { at: held.due, from: held.from, data: held.data })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::{Reorder, Rule};
    use super::super::segments::tests as segments;
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
        lan.rules_mut().add(Rule {
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
    fn an_ended_rule_keeps_its_number() {
        let mut lan = Lan::new(LanConfig::default(), 3, Rng::new(0, "lan"));
        for to in [1, 2] {
            let rule =
                Rule { after: Time::ZERO, before: Time::MAX, from: None, to: Some(to), fault: Fault::Cut };
            lan.rules_mut().add(rule);
        }
        lan.rules_mut().end(Some(0), Time::from_ms(1));
        let fates = |lan: &mut Lan, us| send(lan, 0, Time::from_us(us), &frame(9, 1, 60)).1;
        assert_eq!(fates(&mut lan, 999), [Fate::Dropped { rule: 0 }, Fate::Dropped { rule: 1 }]);
        assert_eq!(fates(&mut lan, 1_000), [Fate::Delivered, Fate::Dropped { rule: 1 }]);
        lan.rules_mut().end(None, Time::from_ms(2));
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

    fn always(fault: Fault) -> Rule {
        Rule { after: Time::ZERO, before: Time::MAX, from: None, to: None, fault }
    }

    /// A lan of two with a rule, which knows where they are.
    fn two(fault: Fault) -> Lan {
        let mut lan = Lan::new(LanConfig::default(), 2, Rng::new(3, "lan"));
        send(&mut lan, 1, Time::ZERO, &frame(1, 2, 60));
        lan.rules_mut().add(always(fault));
        lan
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        for (fault, ordered) in [
            (Fault::Jitter(Time::from_ms(5)), true),
            (Fault::Reorder(Reorder { share: 200_000, by: Time::from_ms(5) }), false),
        ] {
            let mut lan = two(fault);
            let times: Vec<Time> =
                (1..100).map(|i| send(&mut lan, 0, Time::from_ms(i), &frame(2, 1, 60)).0[0].at).collect();
            assert_eq!(times.is_sorted(), ordered, "{fault:?}");
            assert!(times.iter().zip(1..).all(|(at, i)| *at > Time::from_ms(i)));
        }
    }

    #[test]
    fn a_delayed_path_does_not_hold_up_another() {
        let mut lan = Lan::new(LanConfig::default(), 3, Rng::new(0, "lan"));
        lan.rules_mut().add(Rule { from: Some(0), ..always(Fault::Delay(Time::from_secs(1))) });
        send(&mut lan, 0, Time::ZERO, &frame(9, 1, 60));
        let other = send(&mut lan, 1, Time::from_us(1), &frame(9, 2, 60)).0;
        assert!(other.iter().all(|delivery| delivery.at < Time::from_ms(1)));
    }

    #[test]
    fn a_bottleneck_sets_the_pace_and_drops_what_waits_too_long() {
        let mut lan = two(Fault::Bandwidth(1_000_000));
        // 1226 + 24 bytes at 1 Mbit/s take 10 ms.
        let big = frame(2, 1, 1_226);
        let times: Vec<_> = (0..3)
            .map(|_| send(&mut lan, 0, Time::from_ms(1), &big).0[0].at.as_ps() / 1_000_000_000)
            .collect();
        assert_eq!(times, [11, 21, 31]);
        let fates: Vec<_> = (0..600).flat_map(|_| send(&mut lan, 0, Time::from_ms(1), &big).1).collect();
        assert!(fates.contains(&Fate::Overflow));
    }

    #[test]
    fn copies_and_changed_bits_say_so() {
        let (out, fates) = send(&mut two(Fault::Duplicate(1_000_000)), 0, Time::from_ms(1), &frame(2, 1, 60));
        assert_eq!(fates, [Fate::Delivered, Fate::Duplicated { rule: 0 }]);
        assert!(out[0].at < out[1].at && out[0].data == out[1].data);
        let sent = frame(2, 1, 60);
        let (out, fates) = send(&mut two(Fault::Corrupt(1_000_000)), 0, Time::from_ms(1), &sent);
        assert_eq!(fates, [Fate::Corrupted { rule: 0 }]);
        let differing: u32 = out[0].data.iter().zip(&*sent).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!(differing, 1);
    }

    #[test]
    fn segments_are_cut_and_joined() {
        let segment = |seq, bytes: &[u8]| segments::frame(9, seq, 0x10, bytes);
        let (out, fates) = send(&mut two(Fault::Split(2)), 0, Time::from_ms(1), &segment(5, b"abc"));
        assert_eq!(fates, [Fate::Split { rule: 0 }, Fate::Split { rule: 0 }]);
        let seen: Vec<_> = out.iter().map(|delivery| segments::payload(&delivery.data)).collect();
        assert_eq!(seen, [(5, b"ab".to_vec()), (7, b"c".to_vec())]);
        assert!(out[0].at < out[1].at);

        let mut lan = two(Fault::Coalesce(Time::from_ms(5)));
        for (at, bytes, seq) in [(1, b"abc", 5), (3, b"def", 8), (4, b"xyz", 99)] {
            assert_eq!(
                send(&mut lan, 0, Time::from_ms(at), &segment(seq, bytes)).1,
                [Fate::Held { rule: 0 }]
            );
        }
        let (mut out, mut fates) = (Vec::new(), Vec::new());
        // The third does not follow: the first two go at once, and it waits its own time.
        assert_eq!(lan.due(), Time::from_ms(4));
        assert_eq!(lan.release(Time::from_ms(4), &mut out, &mut fates), None);
        let released = lan.release(Time::from_ms(5), &mut out, &mut fates).unwrap();
        assert_eq!(segments::payload(&released.data), (5, b"abcdef".to_vec()));
        assert!(out[0].at >= Time::from_ms(4) + lan.latency());
        // A FIN stays behind what waits before it.
        let fin = segments::frame(9, 102, 0x11, b"");
        assert_eq!(send(&mut lan, 0, Time::from_ms(6), &fin).1, [Fate::Held { rule: 0 }]);
        let seqs: Vec<u32> = std::iter::from_fn(|| lan.release(Time::from_ms(7), &mut out, &mut fates))
            .map(|released| segments::payload(&released.data).0)
            .collect();
        assert_eq!((seqs, lan.due()), (vec![99, 102], Time::MAX));
    }
}
