//! Clock drift: a device whose crystal is a little fast or slow, in exact arithmetic.
//!
//! The device lives in a time of its own, which runs `1 + ppm / 1_000_000` times as fast as the fleet's; everything
//! in it (timers, baud rates, schedules) drifts together, as from one crystal. This wrapper converts at the
//! border: an instant of the fleet is the first own instant not before it, an own instant the last of the fleet
//! not after it. The two undo each other, so that how windows are cut changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::component::{PortKind, SetError, Value};
use crate::device::{Action, Activity, Debug, Device, Input, Port, Ran, Sent, Stats, What};
use crate::panel::{Channel, PartState, Picture};
use crate::radio::Packet;
use crate::state::{self, StateError};
use crate::time::Time;
use crate::trace::{Chain, Digest, Event};
use crate::wire::{Signal, WireKind};

const MILLION: u128 = 1_000_000;
/// No crystal is worse, and no clock stands still.
pub const MOST_PPM: i32 = 100_000;
/// The component that stimuli name: `clock.drift`.
const COMPONENT: &str = "clock";
const CHANNEL: &str = "drift";

/// Two times that run at a fixed rate since an instant that both know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    fleet: Time,
    own: Time,
    ppm: i32,
}

impl Rate {
    /// From the beginning on.
    pub fn new(ppm: i32) -> Self {
        Self { fleet: Time::ZERO, own: Time::ZERO, ppm: ppm.clamp(-MOST_PPM, MOST_PPM) }
    }

    fn scale(self) -> u128 {
        (MILLION as i128 + i128::from(self.ppm)) as u128
    }

    /// The first own instant that is not before an instant of the fleet.
    pub fn own(self, fleet: Time) -> Time {
        if fleet == Time::MAX {
            return Time::MAX;
        }
        let span = u128::from(fleet.since(self.fleet).as_ps());
        let own = (span * self.scale()).div_ceil(MILLION) + u128::from(self.own.as_ps());
        Time::from_ps(u64::try_from(own).unwrap_or(u64::MAX))
    }

    /// The last instant of the fleet that is not after an own instant.
    pub fn fleet(self, own: Time) -> Time {
        if own == Time::MAX {
            return Time::MAX;
        }
        let span = u128::from(own.since(self.own).as_ps());
        let fleet = span * MILLION / self.scale() + u128::from(self.fleet.as_ps());
        Time::from_ps(u64::try_from(fleet).unwrap_or(u64::MAX))
    }

    /// Another rate from an instant on.
    fn change(self, at: Time, ppm: i32) -> Self {
        Self { fleet: at, own: self.own(at), ..Self::new(ppm) }
    }
}

/// An input that has not been handed on; actions as JSON, because binary formats cannot read their values back.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Waiting {
    Frame(u16, Arc<[u8]>),
    Action(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Live {
    rate: Rate,
    /// Inputs after the last run, in the fleet's time: the rate may change before they come.
    inbox: BTreeMap<(Time, u32, u64), Waiting>,
}

/// A device with a drifting clock. Stimuli change the drift: `set` of `clock.drift`, in millionths.
pub struct Drifting {
    device: Box<dyn Device>,
    live: Live,
    /// What the device gave and nobody took yet, in the fleet's time.
    sent: Vec<Sent>,
    events: Vec<Event>,
}

fn channel() -> Channel {
    let range = (-f64::from(MOST_PPM), f64::from(MOST_PPM));
    Channel::number(CHANNEL, "how much faster than the fleet's time the device's clocks run", range, "ppm")
}

/// The new drift, when the action is about it.
fn new_drift(action: &Action) -> Option<&Value> {
    match action {
        Action::Set { component, channel, value } if component == COMPONENT && channel == CHANNEL => {
            Some(value)
        }
        _ => None,
    }
}

impl Drifting {
    /// `device`, whose clocks run `ppm` millionths faster than the fleet's time, or slower.
    pub fn new(device: Box<dyn Device>, ppm: i32) -> Self {
        let live = Live { rate: Rate::new(ppm), inbox: BTreeMap::new() };
        Self { device, live, sent: Vec::new(), events: Vec::new() }
    }

    /// Radio packets and signals on wires carry their times: they are converted too.
    fn convert(&self, port: u16, data: &Arc<[u8]>, way: impl Fn(Time) -> Time) -> Arc<[u8]> {
        let kind = self.device.ports().get(usize::from(port)).map(|port| port.kind);
        match kind {
            Some(PortKind::Radio) => {}
            Some(PortKind::Wire) => {
                let signal = Signal::decode(data);
                return signal
                    .map_or_else(|_| data.clone(), |(from, signal)| signal.map_times(way).encode(from));
            }
            _ => return data.clone(),
        }
        let Ok(mut packet) = Packet::decode(data) else { return data.clone() };
        for time in [&mut packet.start, &mut packet.address_end, &mut packet.end] {
            *time = way(*time);
        }
        packet.encode()
    }

    fn hand_on(&mut self, (at, source, seq): (Time, u32, u64), waiting: Waiting) {
        let rate = self.live.rate;
        let what = match waiting {
            Waiting::Frame(port, data) => {
                What::Frame { port, data: self.convert(port, &data, |time| rate.own(time)) }
            }
            Waiting::Action(text) => match serde_json::from_str::<Action>(&text) {
                Ok(action) => match new_drift(&action) {
                    Some(Value::Number(ppm)) => {
                        self.collect();
                        self.live.rate = rate.change(at, *ppm as i32);
                        return;
                    }
                    _ => What::Action(action),
                },
                Err(_) => return,
            },
        };
        self.device.give(Input { at: rate.own(at), source, seq, what });
    }

    /// Takes what the device gives, with the rate at which it was made.
    fn collect(&mut self) {
        let (mut sent, mut events) = (Vec::new(), Vec::new());
        self.device.take_sent(&mut sent);
        self.device.take_events(&mut events);
        let rate = self.live.rate;
        for sent in sent {
            let data = self.convert(sent.port, &sent.data, |time| rate.fleet(time));
            self.sent.push(Sent { at: rate.fleet(sent.at), data, ..sent });
        }
        self.events.extend(events.into_iter().map(|event| Event { at: rate.fleet(event.at), ..event }));
    }

    /// When the next change of the rate comes.
    fn next_change(&self) -> Time {
        let changes = self.live.inbox.iter().filter(|(_, waiting)| match waiting {
            Waiting::Action(text) => {
                serde_json::from_str(text).is_ok_and(|action: Action| new_drift(&action).is_some())
            }
            Waiting::Frame(..) => false,
        });
        changes.map(|((at, ..), _)| *at).next().unwrap_or(Time::MAX)
    }

    /// Hands on what comes before `end`, and at `end` when it is a change of rate.
    fn hand_on_before(&mut self, end: Time) {
        while let Some(entry) = self.live.inbox.first_entry() {
            if entry.key().0 >= end {
                return;
            }
            let (key, waiting) = entry.remove_entry();
            self.hand_on(key, waiting);
        }
    }

    /// Runs with `run` until `end`, with the rate that holds.
    fn run(&mut self, end: Time, run: impl Fn(&mut dyn Device, Time) -> Ran) -> Ran {
        loop {
            let change = self.next_change();
            if change >= end {
                self.hand_on_before(end);
                return run(self.device.as_mut(), self.live.rate.own(end));
            }
            self.hand_on_before(change);
            let ran = run(self.device.as_mut(), self.live.rate.own(change));
            if ran != Ran::Reached {
                return ran;
            }
            // Everything of that instant, so that inputs keep their order around the change.
            self.hand_on_before(change + Time::from_ps(1));
        }
    }
}

impl Device for Drifting {
    fn ports(&self) -> &[Port] {
        self.device.ports()
    }

    fn plug(&mut self, name: &str, kind: WireKind, latency: Time) -> Result<u16, String> {
        self.device.plug(name, kind, latency)
    }

    fn now(&self) -> Time {
        self.live.rate.fleet(self.device.now())
    }

    fn next_event(&self) -> Time {
        let input = self.live.inbox.first_key_value().map_or(Time::MAX, |((at, ..), _)| *at);
        input.min(self.live.rate.fleet(self.device.next_event()))
    }

    fn headroom(&self, port: u16) -> Time {
        // Less than any drift could take from it.
        let own = self.device.headroom(port).as_ps();
        Time::from_ps(own - own / 64)
    }

    fn run_until(&mut self, end: Time) -> Ran {
        self.run(end, |device, end| device.run_until(end))
    }

    fn step(&mut self, end: Time) -> Option<Ran> {
        self.device.debug()?;
        Some(self.run(end, |device, end| device.step(end).unwrap_or(Ran::Reached)))
    }

    fn give(&mut self, input: Input) {
        let waiting = match input.what {
            What::Frame { port, data } => Waiting::Frame(port, data),
            What::Action(action) => Waiting::Action(serde_json::to_string(&action).unwrap_or_default()),
        };
        self.live.inbox.insert((input.at, input.source, input.seq), waiting);
    }

    fn check(&self, action: &Action) -> Result<(), SetError> {
        match new_drift(action) {
            Some(value) => channel().check(value),
            None => self.device.check(action),
        }
    }

    fn take_sent(&mut self, out: &mut Vec<Sent>) {
        self.collect();
        out.append(&mut self.sent);
    }

    fn take_events(&mut self, out: &mut Vec<Event>) {
        self.collect();
        out.append(&mut self.events);
    }

    fn want_events(&mut self, wanted: bool) {
        self.device.want_events(wanted);
    }

    fn settle(&mut self, now: Time) {
        self.run(now, |device, now| {
            device.settle(now);
            Ran::Reached
        });
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        state::to_bytes(&(&self.live, self.device.save()?))
    }

    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError> {
        let (live, device): (Live, Vec<u8>) = state::from_bytes(saved)?;
        self.device.restore(&device)?;
        self.live = live;
        Ok(())
    }

    fn digest(&self) -> Result<Digest, StateError> {
        let mut chain = Chain::default();
        chain.add(Time::ZERO, 0, &self.device.digest()?.0);
        chain.add(Time::ZERO, 1, &state::to_bytes(&self.live)?);
        Ok(chain.digest())
    }

    fn stats(&self) -> Stats {
        self.device.stats()
    }

    fn activity(&self) -> Activity {
        self.device.activity()
    }

    fn parts(&self) -> Vec<PartState> {
        let mut parts = self.device.parts();
        let channels = vec![(channel(), Some(Value::Number(self.live.rate.ppm.into())))];
        parts.push(PartState { name: COMPONENT.to_owned(), channels, shows: None });
        parts
    }

    fn picture(&self, part: &str) -> Option<Picture> {
        self.device.picture(part)
    }

    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        self.device.contents()
    }

    fn debug(&mut self) -> Option<&mut dyn Debug> {
        self.device.debug()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_two_ways_undo_each_other(
            ppm in -MOST_PPM..=MOST_PPM, start in 0u64..1 << 50, span in 0u64..1 << 50, own in 0u64..1 << 50,
        ) {
            let rate = Rate::new(7).change(Time::from_ps(start), ppm);
            let (fleet, own) = (Time::from_ps(start + span), rate.own + Time::from_ps(own));
            // What begins before an instant on one side is what begins before it on the other.
            prop_assert_eq!(own < rate.own(fleet), rate.fleet(own) < fleet);
        }
    }

    #[test]
    fn a_million_seconds_drift_exactly() {
        let rate = Rate::new(20);
        assert_eq!(rate.own(Time::from_secs(1_000_000)), Time::from_secs(1_000_020));
        assert_eq!(rate.fleet(Time::from_secs(1_000_020)), Time::from_secs(1_000_000));
        assert_eq!(Rate::new(-40).own(Time::from_secs(1)), Time::from_us(999_960));
    }
}
