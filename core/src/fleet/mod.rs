//! Devices and links in one virtual time: the lockstep scheduler.
//!
//! Time advances in *windows*. In a window every device that has work runs on its own, on any thread;
//! the frames it sends reach others in a later window, because a window ends before anything that is sent in
//! it could arrive: after the link's latency, and what a sender needs before (a radio its ramp-up). Frames are handed to links in the order of (time, device, sequence), so how
//! windows are cut, how many threads run them and who watches cannot change the result.

mod points;
mod pool;
mod processor;
mod said;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::component::{PortKind, SetError};
use crate::device::{Action, Device, Halt, Input, Port, Ran, Sent, Stats, What};
use crate::link::{Delivery, Fate, Link, Released, Rule};
use crate::radio::Position;
use crate::state::{self, StateError};
use crate::time::Time;
use crate::trace::{Digest, Event};
use crate::wire::WireKind;

pub use points::Points;
use pool::Pool;
use said::{Outgoing, Said};

/// Where a link ends: a port of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The device's index in the fleet.
    pub device: usize,
    /// The port's index in the device.
    pub port: u16,
}

/// An outside input with its time: what a journal holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stimulus {
    /// When it takes effect.
    pub at: Time,
    /// What it acts on.
    #[serde(flatten)]
    pub what: StimulusKind,
}

/// What a stimulus acts on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StimulusKind {
    /// A device, by name.
    Device(String, Action),
    /// A link, by name.
    Link(String, Rule),
    /// Faults of a link end: the one of this number, or all.
    Mend(String, Option<usize>),
    /// A device is moved: its radios are heard from there.
    Move(String, Position),
}

/// A wrong way to build or steer a fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// Two members have the same name.
    #[error("two members of the fleet are called `{0}`")]
    DuplicateName(String),
    /// There is no such device.
    #[error("the fleet has no device `{0}`")]
    NoDevice(String),
    /// There is no such link.
    #[error("the fleet has no link `{0}`")]
    NoLink(String),
    /// The device has no such port, or it carries something else than the link.
    #[error("link `{link}`: device `{device}` has no {kind} port `{port}`")]
    NoPort {
        /// The link.
        link: String,
        /// The device.
        device: String,
        /// The port.
        port: String,
        /// What the link carries.
        kind: String,
    },
    /// A port is joined twice, by two links or by one.
    #[error("port `{port}` of device `{device}` is joined twice")]
    PortTaken {
        /// The device.
        device: String,
        /// The port.
        port: String,
    },
    /// A stimulus for the past.
    #[error("a stimulus at {at} comes too late: the fleet is at {now}")]
    Past {
        /// The stimulus' time.
        at: Time,
        /// The fleet's.
        now: Time,
    },
    /// A device does not take a stimulus.
    #[error("device `{device}`: {source}")]
    Set {
        /// The device.
        device: String,
        /// Why.
        source: SetError,
    },
    /// The fleet halted in the middle of a window and must first run to its end.
    #[error("the fleet is halted inside a window: let it run on first")]
    MidWindow,
    /// A state cannot be saved or restored.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Someone who watches a run. Nothing a watcher does changes it, except that it may end it.
/// Everything comes in the order of (time, device).
pub trait Observer {
    /// A frame left a device, whether a link takes it or not.
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        let _ = (device, port, sent);
    }
    /// A trace event of a device.
    fn event(&mut self, device: usize, event: &Event) {
        let _ = (device, event);
    }
    /// A link took a frame; `fates` tells, per receiving endpoint, what became of it.
    fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        let _ = (link, frame);
    }
    /// A window is complete; all before `now` has been told. `Break` ends the run here.
    fn window(&mut self, now: Time) -> ControlFlow<()> {
        let _ = now;
        ControlFlow::Continue(())
    }
}

/// Nobody.
impl Observer for () {}

/// A frame on a link.
#[derive(Debug)]
pub struct Carried<'a> {
    /// When it was sent.
    pub at: Time,
    /// The sender's endpoint.
    pub from: usize,
    /// Its bytes.
    pub data: &'a Arc<[u8]>,
    /// What became of it; the fates that arrive have the deliveries' order.
    pub fates: &'a [(Option<usize>, Fate)],
    /// Where and when it arrives.
    pub deliveries: &'a [Delivery],
    /// The link's rules, which fates name by their index.
    pub rules: &'a [Rule],
}

/// How [`Fleet::run_until`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At the time asked for.
    Reached,
    /// Devices halted inside a window (breakpoint, watchpoint, something not modelled); running on finishes it.
    Halted(Vec<(usize, Halt)>),
    /// The observer ended it.
    Ended,
}

/// How a fleet is run; none of it changes what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many host threads run devices; at least 1.
    pub threads: usize,
    /// No window is longer than this.
    pub quantum: Time,
}

impl Default for Pace {
    fn default() -> Self {
        Self { threads: 1, quantum: Time::from_ms(10) }
    }
}

struct LinkSlot {
    name: String,
    link: Box<dyn Link>,
    endpoints: Vec<Endpoint>,
    frames: u64,
}

/// Figures of a fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Windows run.
    pub windows: u64,
    /// Frames that links took.
    pub frames: u64,
}

/// Devices and links in one virtual time.
#[derive(Default)]
pub struct Fleet {
    names: Vec<String>,
    slots: Vec<Mutex<Box<dyn Device>>>,
    /// When each device next has something to do.
    next: Vec<Time>,
    /// How long after that nothing it sends can arrive anywhere.
    margins: Vec<Time>,
    plugs: Vec<Plugs>,
    ports: Vec<Vec<Port>>,
    /// For each device and port, the link and endpoint it is joined to.
    routes: Vec<Vec<Option<(usize, usize)>>>,
    /// Frames each device has sent over links.
    sequence: Vec<u64>,
    links: Vec<LinkSlot>,
    pace: Pace,
    now: Time,
    /// The end of a window that a halt interrupted.
    unfinished: Option<Time>,
    said: Said,
    journal: Vec<Stimulus>,
    windows: u64,
    points: points::Owners,
}

fn lock(slot: &Mutex<Box<dyn Device>>) -> MutexGuard<'_, Box<dyn Device>> {
    // A device that panicked took its thread's scope down with it; nobody sees a poisoned one.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device's ports that lead to other ports.
#[derive(Default)]
struct Plugs {
    /// Each with its link's latency.
    ports: Vec<(u16, Time)>,
    /// Whether one is a radio's, whose headroom changes.
    varies: bool,
}

impl Plugs {
    /// The least time from a device's next event to the arrival of what it then sends.
    fn margin(&self, device: &dyn Device) -> Time {
        let ports = self.ports.iter();
        ports.map(|(port, latency)| device.headroom(*port) + *latency).min().unwrap_or(Time::MAX)
    }
}

impl Fleet {
    /// A fleet of devices, which keep this order everywhere.
    pub fn new(devices: Vec<(String, Box<dyn Device>)>) -> Result<Self, FleetError> {
        let mut fleet = Self { sequence: vec![0; devices.len()], ..Self::default() };
        for (name, device) in devices {
            if fleet.names.contains(&name) {
                return Err(FleetError::DuplicateName(name));
            }
            fleet.names.push(name);
            fleet.next.push(device.next_event());
            fleet.margins.push(Time::MAX);
            fleet.plugs.push(Plugs::default());
            fleet.ports.push(device.ports().to_vec());
            fleet.routes.push(vec![None; device.ports().len()]);
            fleet.slots.push(Mutex::new(device));
        }
        Ok(fleet)
    }

    /// Lets a wire end at a place of a device, as [`Device::plug`] does. Only before the first run.
    pub fn plug(
        &mut self,
        index: usize,
        place: &str,
        kind: WireKind,
        latency: Time,
    ) -> Result<Endpoint, String> {
        let slot = self.slots.get_mut(index).ok_or("there is no such device")?;
        let device = slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        let port = device.plug(place, kind, latency)?;
        self.ports[index] = device.ports().to_vec();
        self.routes[index].resize(self.ports[index].len(), None);
        Ok(Endpoint { device: index, port })
    }

    /// Joins ports by a link. Only before the first run. A port that a wire names twice is joined to itself.
    pub fn join(
        &mut self,
        name: &str,
        link: Box<dyn Link>,
        endpoints: Vec<Endpoint>,
    ) -> Result<(), FleetError> {
        if self.links.iter().any(|slot| slot.name == name) {
            return Err(FleetError::DuplicateName(name.to_owned()));
        }
        let loops = !matches!(link.carries(), PortKind::Ethernet | PortKind::Radio);
        for (index, endpoint) in endpoints.iter().enumerate() {
            let device = self.names.get(endpoint.device).cloned().unwrap_or_default();
            let port =
                self.ports.get(endpoint.device).and_then(|ports| ports.get(usize::from(endpoint.port)));
            let Some(port) = port.filter(|port| port.kind == link.carries()) else {
                return Err(FleetError::NoPort {
                    link: name.to_owned(),
                    device,
                    port: endpoint.port.to_string(),
                    kind: format!("{:?}", link.carries()).to_lowercase(),
                });
            };
            let route = &mut self.routes[endpoint.device][usize::from(endpoint.port)];
            match route {
                Some((known, _)) if loops && *known == self.links.len() => {}
                Some(_) => return Err(FleetError::PortTaken { device, port: port.name.clone() }),
                None => *route = Some((self.links.len(), index)),
            }
        }
        // A single port on a link reaches nobody.
        for Endpoint { device, port } in endpoints.iter().filter(|_| endpoints.len() > 1) {
            let plugs = &mut self.plugs[*device];
            plugs.ports.push((*port, link.latency()));
            plugs.varies |= link.carries() == PortKind::Radio;
            self.margins[*device] = plugs.margin(lock(&self.slots[*device]).as_ref());
        }
        self.links.push(LinkSlot { name: name.to_owned(), link, endpoints, frames: 0 });
        Ok(())
    }

    /// Chooses threads and quantum; neither changes what happens.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = Pace { threads: pace.threads.max(1), quantum: pace.quantum.max(Time::from_ps(1)) };
    }

    /// The fleet's present: every device has run all that begins before it.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Names of the devices, in the fleet's order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Names of the links and where they end.
    pub fn links(&self) -> impl Iterator<Item = (&str, &[Endpoint])> {
        self.links.iter().map(|slot| (slot.name.as_str(), slot.endpoints.as_slice()))
    }

    /// Per link, its fault rules and where the antennas at its ends are now.
    pub fn link_states(&self) -> impl Iterator<Item = (&[Rule], Vec<Position>)> {
        self.links.iter().map(|slot| (slot.link.rules().list(), slot.link.places(self.now)))
    }

    /// The index of a device.
    pub fn find(&self, name: &str) -> Result<usize, FleetError> {
        self.names.iter().position(|known| known == name).ok_or_else(|| FleetError::NoDevice(name.to_owned()))
    }

    /// The ports of a device.
    ///
    /// # Panics
    /// When there is no device `index`.
    pub fn ports(&self, index: usize) -> &[Port] {
        &self.ports[index]
    }

    /// A device, to look at or debug. What a debugger writes changes the run; nothing else does.
    pub fn device<R>(&mut self, index: usize, look: impl FnOnce(&mut dyn Device) -> R) -> Option<R> {
        let slot = self.slots.get_mut(index)?;
        let device = slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        let result = look(device.as_mut());
        self.next[index] = device.next_event();
        self.margins[index] = self.plugs[index].margin(device.as_ref());
        Some(result)
    }

    /// Whether every event goes to the observer, or only logs and exits.
    pub fn want_events(&mut self, wanted: bool) {
        for slot in &mut self.slots {
            slot.get_mut().unwrap_or_else(PoisonError::into_inner).want_events(wanted);
        }
    }

    /// Figures of a device.
    pub fn stats(&mut self, index: usize) -> Stats {
        let now = self.now;
        let settled = |device: &mut dyn Device| {
            device.settle(now);
            device.stats()
        };
        self.device(index, settled).unwrap_or_default()
    }

    /// Figures of the whole fleet.
    pub fn totals(&self) -> Totals {
        Totals { windows: self.windows, frames: self.links.iter().map(|slot| slot.frames).sum() }
    }

    /// All stimuli so far, in the order they were given.
    pub fn journal(&self) -> &[Stimulus] {
        &self.journal
    }

    /// Gives a stimulus, to take effect at its time, which is now or later; it goes into the journal.
    pub fn inject(&mut self, stimulus: Stimulus) -> Result<(), FleetError> {
        let earliest = self.unfinished.unwrap_or(self.now);
        if stimulus.at < earliest {
            return Err(FleetError::Past { at: stimulus.at, now: earliest });
        }
        match &stimulus.what {
            StimulusKind::Device(name, action) => {
                let index = self.find(name)?;
                let (at, seq) = (stimulus.at, self.journal.len() as u64);
                self.device(index, |device| {
                    device.check(action)?;
                    device.give(Input { at, source: 0, seq, what: What::Action(action.clone()) });
                    Ok(())
                })
                .unwrap_or(Ok(()))
                .map_err(|source| FleetError::Set { device: name.clone(), source })?;
            }
            StimulusKind::Link(name, rule) => {
                let slot = self.links.iter_mut().find(|slot| slot.name == *name);
                let slot = slot.ok_or_else(|| FleetError::NoLink(name.clone()))?;
                slot.link.rules_mut().add(Rule { after: rule.after.max(stimulus.at), ..rule.clone() });
            }
            StimulusKind::Mend(name, which) => {
                let slot = self.links.iter_mut().find(|slot| slot.name == *name);
                let slot = slot.ok_or_else(|| FleetError::NoLink(name.clone()))?;
                slot.link.rules_mut().end(*which, stimulus.at);
            }
            StimulusKind::Move(name, position) => {
                let device = self.find(name)?;
                for slot in &mut self.links {
                    for (index, endpoint) in slot.endpoints.iter().enumerate() {
                        if endpoint.device == device {
                            slot.link.place(index, *position, stimulus.at);
                        }
                    }
                }
            }
        }
        self.journal.push(stimulus);
        Ok(())
    }

    /// The longest window that keeps every frame out of the window it was sent in.
    fn lookahead(&self) -> Time {
        let latencies =
            self.links.iter().filter(|slot| slot.endpoints.len() > 1).map(|slot| slot.link.latency());
        latencies.fold(self.pace.quantum, Time::min).max(Time::from_ps(1))
    }

    /// Runs all that begins before `end`.
    pub fn run_until(&mut self, end: Time, observer: &mut dyn Observer) -> Stop {
        let threads = self.pace.threads.min(self.slots.len());
        if threads <= 1 {
            return self.run_windows(end, observer, None);
        }
        // The pool borrows the slots for the whole run, the rest of the fleet stays ours.
        let slots = std::mem::take(&mut self.slots);
        let pool = Pool::new(&slots, threads);
        let stop = pool.scope(|pool| self.run_windows(end, observer, Some(pool)));
        self.slots = slots;
        stop
    }

    fn run_windows(&mut self, end: Time, observer: &mut dyn Observer, pool: Option<&Pool<'_>>) -> Stop {
        let lookahead = self.lookahead();
        let quantum = self.pace.quantum.max(Time::from_ps(1));
        let mut active = Vec::with_capacity(self.next.len());
        loop {
            let window_end = match self.unfinished {
                Some(window_end) => window_end,
                None => {
                    let held = self.links.iter().map(|slot| slot.link.due());
                    let held = held.min().unwrap_or(Time::MAX);
                    let first = self.next.iter().copied().min().unwrap_or(Time::MAX).min(held);
                    if first >= end {
                        self.now = self.now.max(end);
                        return Stop::Reached;
                    }
                    let sends = self.next.iter().zip(&self.margins);
                    let arrives = sends
                        .filter(|(next, margin)| **next < end && **margin < Time::MAX)
                        .map(|(next, margin)| (*next).max(self.now) + *margin)
                        .fold(first.max(self.now) + quantum, Time::min);
                    let released = if held < end { held.max(self.now) + lookahead } else { Time::MAX };
                    arrives.min(released).min(end)
                }
            };
            active.clear();
            active.extend((0..self.next.len()).filter(|index| self.next[*index] < window_end));
            let halts = self.run_devices(&active, window_end, pool);
            self.windows += 1;
            if halts.is_empty() {
                self.unfinished = None;
                self.now = window_end;
                self.exchange(observer, pool);
                if observer.window(window_end).is_break() {
                    return Stop::Ended;
                }
            } else {
                self.unfinished = Some(window_end);
                return Stop::Halted(halts);
            }
        }
    }

    /// Runs the active devices to the window's end and collects what they have to say.
    fn run_devices(&mut self, active: &[usize], end: Time, pool: Option<&Pool<'_>>) -> Vec<(usize, Halt)> {
        let Self { slots, next, margins, plugs, said, .. } = self;
        let slots = pool.map_or(slots.as_slice(), Pool::slots);
        match pool {
            Some(pool) if active.len() > 1 => pool.run(active, end, next, said),
            _ => {
                for &index in active {
                    next[index] = said.run(index, lock(&slots[index]).as_mut(), end);
                }
            }
        }
        for &index in active {
            if plugs[index].varies {
                margins[index] = plugs[index].margin(lock(&slots[index]).as_ref());
            }
        }
        said.halts.sort_by_key(|(index, _)| *index);
        std::mem::take(&mut said.halts)
    }

    /// Tells the observer what happened in the window, and carries its frames.
    fn exchange(&mut self, observer: &mut dyn Observer, pool: Option<&Pool<'_>>) {
        self.said.events.sort_by_key(|(device, event)| (event.at, *device));
        for (device, event) in self.said.events.drain(..) {
            observer.event(device, &event);
        }
        // Stable: a device's own frames of one instant stay in the order it sent them.
        self.said.outgoing.sort_by_key(|outgoing| (outgoing.sent.at, outgoing.device));
        for Outgoing { device, sent } in std::mem::take(&mut self.said.outgoing) {
            let port = usize::from(sent.port);
            observer.sent(device, &self.ports[device][port], &sent);
            let Some((link, from)) = self.routes[device][port] else { continue };
            for earlier in 0..self.links.len() {
                self.release(earlier, sent.at, observer, pool);
            }
            let (mut deliveries, mut fates) = (Vec::new(), Vec::new());
            self.links[link].link.transmit(from, sent.at, &sent.data, &mut deliveries, &mut fates);
            self.links[link].frames += 1;
            let carried = Carried {
                at: sent.at,
                from,
                data: &sent.data,
                fates: &fates,
                deliveries: &deliveries,
                rules: self.links[link].link.rules().list(),
            };
            observer.carried(link, &carried);
            self.deliver(link, from, deliveries, pool);
        }
        for link in 0..self.links.len() {
            self.release(link, self.now, observer, pool);
        }
    }

    /// Carries what a link held back until some time before `before`.
    fn release(&mut self, link: usize, before: Time, observer: &mut dyn Observer, pool: Option<&Pool<'_>>) {
        let (mut deliveries, mut fates) = (Vec::new(), Vec::new());
        while let Some(released) = self.links[link].link.release(before, &mut deliveries, &mut fates) {
            let Released { at, from, data } = &released;
            let carried = Carried {
                at: *at,
                from: *from,
                data,
                fates: &fates,
                deliveries: &deliveries,
                rules: self.links[link].link.rules().list(),
            };
            observer.carried(link, &carried);
            self.deliver(link, released.from, std::mem::take(&mut deliveries), pool);
            fates.clear();
        }
    }

    /// Hands a link's deliveries of a frame to their receivers.
    fn deliver(&mut self, link: usize, from: usize, deliveries: Vec<Delivery>, pool: Option<&Pool<'_>>) {
        let slots = pool.map_or(self.slots.as_slice(), Pool::slots);
        let endpoints = &self.links[link].endpoints;
        let sender = endpoints[from].device;
        for delivery in deliveries {
            let to = endpoints[delivery.to];
            // Each has its own number: several of one frame may reach a receiver at one instant.
            let seq = self.sequence[sender];
            self.sequence[sender] += 1;
            let input = Input {
                at: delivery.at,
                source: 1 + sender as u32,
                seq,
                what: What::Frame { port: to.port, data: delivery.data },
            };
            let mut receiver = lock(&slots[to.device]);
            receiver.give(input);
            self.next[to.device] = receiver.next_event();
        }
    }

    /// Lets one device execute one instruction inside the present window, for a debugger.
    ///
    /// A sleeping device sleeps on to its next event inside the window; when it has none, the rest of the
    /// fleet must run first, and `None` says so.
    pub fn step(&mut self, index: usize) -> Option<Ran> {
        self.step_before(index, Time::MAX)
    }

    /// As [`Fleet::step`], where a window that the step opens ends at `end` at the latest.
    pub fn step_before(&mut self, index: usize, end: Time) -> Option<Ran> {
        let lookahead = self.lookahead();
        let slot = self.slots.get_mut(index)?;
        let device = slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        if self.unfinished.is_none() && self.now >= end {
            return None;
        }
        let end = *self.unfinished.get_or_insert((self.now + lookahead).min(end));
        if device.next_event() >= end {
            return None;
        }
        let ran = device.step(end)?;
        self.next[index] = device.next_event();
        self.margins[index] = self.plugs[index].margin(device.as_ref());
        self.said.listen(index, device.as_mut());
        Some(ran)
    }

    /// The digest of the run so far: of every device's events and state, and every link's state.
    pub fn digest(&mut self) -> Result<Digest, FleetError> {
        let mut hasher = blake3::Hasher::new();
        for (name, slot) in self.names.iter().zip(&self.slots) {
            let mut device = lock(slot);
            device.settle(self.now);
            let digest = device.digest().map_err(|error| error.within(name))?;
            hasher.update(name.as_bytes()).update(&digest.0);
        }
        for slot in &self.links {
            let saved = slot.link.save().map_err(|error| error.within(&slot.name))?;
            hasher.update(slot.name.as_bytes()).update(&saved);
        }
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// The whole state, between windows.
    pub fn save(&self) -> Result<Vec<u8>, FleetError> {
        if self.unfinished.is_some() {
            return Err(FleetError::MidWindow);
        }
        let devices = self.names.iter().zip(&self.slots).map(|(name, slot)| {
            let mut device = lock(slot);
            device.settle(self.now);
            Ok((name.clone(), device.save().map_err(|error| error.within(name))?))
        });
        let links = self.links.iter().map(|slot| {
            let saved = slot.link.save().map_err(|error| error.within(&slot.name))?;
            Ok((slot.name.clone(), slot.frames, saved))
        });
        let saved = Saved {
            now: self.now,
            sequence: self.sequence.clone(),
            journal: self
                .journal
                .iter()
                .map(serde_json::to_string)
                .collect::<Result<_, _>>()
                .map_err(json)?,
            windows: self.windows,
            devices: devices.collect::<Result<_, StateError>>()?,
            links: links.collect::<Result<_, StateError>>()?,
        };
        Ok(state::to_bytes(&saved)?)
    }

    /// Becomes what was saved; the fleet must be built from the same files.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), FleetError> {
        let saved: Saved = state::from_bytes(bytes)?;
        let names = saved.devices.iter().map(|(name, _)| name);
        let links = saved.links.iter().map(|(name, ..)| name);
        if !names.eq(&self.names) || !links.eq(self.links.iter().map(|slot| &slot.name)) {
            return Err(StateError("it was saved from a fleet with other devices or links".to_owned()).into());
        }
        let journal = saved.journal.iter().map(|line| serde_json::from_str(line));
        self.journal = journal.collect::<Result<_, _>>().map_err(json)?;
        for (index, (name, bytes)) in saved.devices.iter().enumerate() {
            let mut device = lock(&self.slots[index]);
            device.restore(bytes).map_err(|error| error.within(name))?;
            self.next[index] = device.next_event();
            self.margins[index] = self.plugs[index].margin(device.as_ref());
        }
        for (slot, (name, frames, bytes)) in self.links.iter_mut().zip(&saved.links) {
            slot.link.restore(bytes).map_err(|error| error.within(name))?;
            slot.frames = *frames;
        }
        (self.now, self.sequence, self.windows) = (saved.now, saved.sequence, saved.windows);
        (self.unfinished, self.said) = (None, Said::default());
        Ok(())
    }
}

fn json(error: serde_json::Error) -> FleetError {
    FleetError::State(StateError(format!("the journal cannot be read: {error}")))
}

#[derive(Serialize, Deserialize)]
struct Saved {
    now: Time,
    sequence: Vec<u64>,
    /// As JSON lines: stimuli hold untagged values, which binary formats cannot read back.
    journal: Vec<String>,
    windows: u64,
    devices: Vec<(String, Vec<u8>)>,
    links: Vec<(String, u64, Vec<u8>)>,
}
