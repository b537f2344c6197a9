//! All debuggers of a fleet, and the loop that lets the fleet run as they want.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use consort_core::Time;
use consort_core::device::{Activity, Halt, Port, Ran, Sent};
use consort_core::fleet::{Carried, Fleet, Observer, Points, Stop};
use consort_core::trace::{Event, Kind};
use crossbeam::channel::Receiver;

use gdbstub::common::Signal;

use crate::client::{Client, signalled};
use crate::monitor::Room;
use crate::net::{Incoming, ListenError, Listeners, Tell};
use crate::points::OWNER;
use crate::seat::{CORE, Wants, debug};

/// Messages taken before the fleet gets its turn, so that a talkative client cannot keep it from running.
const MESSAGES_PER_TURN: usize = 64;
/// How often the observer is asked, while the fleet is held, whether the run is to end.
const HELD_POLL: Duration = Duration::from_millis(if cfg!(test) { 3 } else { 100 });
/// How many instructions of one range are executed between two looks at the messages.
const STEPS_PER_TURN: usize = 1_000;

/// A GDB server for each device of a fleet.
pub struct Hub {
    clients: BTreeMap<usize, Client>,
    /// Devices whose points may differ from what they know: their client left.
    orphans: BTreeSet<usize>,
    /// Devices at which the fleet waits for a first debugger.
    held: BTreeSet<usize>,
    snapshots: BTreeMap<String, Vec<u8>>,
    exits: BTreeMap<usize, i32>,
    addresses: Vec<SocketAddr>,
    incoming: Receiver<Incoming>,
    _listeners: Option<Listeners>,
}

impl Hub {
    /// Listens on consecutive ports from `base`, one per device in their order; on free ones when `base` is 0.
    /// `tell` hears of debuggers that were refused, from the threads that refused them.
    pub fn listen(address: IpAddr, base: u16, names: &[String], tell: Tell) -> Result<Self, ListenError> {
        let (listeners, incoming) = Listeners::open(address, base, names, tell)?;
        Ok(Self::over(listeners.addresses().to_vec(), incoming, Some(listeners)))
    }

    pub(crate) fn over(
        addresses: Vec<SocketAddr>,
        incoming: Receiver<Incoming>,
        listeners: Option<Listeners>,
    ) -> Self {
        Self {
            clients: BTreeMap::new(),
            orphans: BTreeSet::new(),
            held: BTreeSet::new(),
            snapshots: BTreeMap::new(),
            exits: BTreeMap::new(),
            addresses,
            incoming,
            _listeners: listeners,
        }
    }

    /// Where the debugger of each device connects to.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The fleet shall not begin before a debugger has let this device go on.
    pub fn wait_for(&mut self, device: usize) {
        self.held.insert(device);
    }

    /// Runs all that begins before `until`, as `Fleet::run_until` does, but stops and steps as the debuggers want.
    pub fn drive(&mut self, fleet: &mut Fleet, until: Time, observer: &mut dyn Observer) -> Stop {
        loop {
            self.take_messages(fleet);
            self.apply_points(fleet);
            let (moved, starved) = self.step(fleet, until);
            if moved {
                continue;
            }
            let waits_for = self.waits_for(fleet);
            if let Some(holder) = waits_for {
                self.tell_waiting(&holder);
                if self.wait(fleet, observer) {
                    return Stop::Ended;
                }
                continue;
            }
            let limit = self.clients.values().map(|client| client.seat.wants.limit()).fold(until, Time::min);
            let mut tap = Tap {
                observer: &mut *observer,
                incoming: &self.incoming,
                exits: &mut self.exits,
                one_window: starved,
                ended: false,
            };
            let stop = fleet.run_until(limit, &mut tap);
            let ended = tap.ended;
            match stop {
                Stop::Halted(halts) => {
                    if let Some(stop) = self.halted(fleet, halts) {
                        return stop;
                    }
                }
                Stop::Ended if ended => return Stop::Ended,
                Stop::Ended => {}
                Stop::Reached => {
                    for client in self.clients.values_mut() {
                        if client.seat.wants.limit() <= fleet.now() {
                            client.stop(fleet, signalled(Signal::SIGTRAP));
                        }
                    }
                    if fleet.now() >= until {
                        return Stop::Reached;
                    }
                }
            }
        }
    }

    /// Answers what can be answered while somebody else keeps the fleet from running.
    pub fn serve(&mut self, fleet: &mut Fleet) {
        self.take_messages(fleet);
        self.apply_points(fleet);
    }

    fn take_messages(&mut self, fleet: &mut Fleet) {
        for _ in 0..MESSAGES_PER_TURN {
            let Ok(message) = self.incoming.try_recv() else { return };
            self.take(message, fleet);
        }
    }

    fn take(&mut self, message: Incoming, fleet: &mut Fleet) {
        match message {
            Incoming::Connected(caller, line) => {
                let client = Client::new(caller.id, caller.device, line, fleet);
                if let Some(old) = self.clients.insert(caller.device, client) {
                    old.line.cut();
                    self.orphans.insert(caller.device);
                }
            }
            Incoming::Bytes(caller, bytes) => {
                // Out of the map, so that it can be told of the others.
                let Some(mut client) = self.clients.remove(&caller.device) else { return };
                if client.id == caller.id {
                    self.hear(&mut client, &bytes, fleet);
                }
                self.clients.insert(caller.device, client);
            }
            Incoming::Closed(caller) => {
                if self.clients.get(&caller.device).is_some_and(|client| client.id == caller.id)
                    && let Some(client) = self.clients.remove(&caller.device)
                {
                    self.orphans.insert(caller.device);
                    if client.seat.wants != Wants::Nothing {
                        self.held.remove(&caller.device);
                    }
                }
            }
        }
    }

    fn hear(&mut self, client: &mut Client, bytes: &[u8], fleet: &mut Fleet) {
        let device = client.seat.device;
        client.seat.room = Room {
            addresses: self.addresses.clone(),
            others: self.clients.iter().map(|(device, other)| (*device, other.seat.wants.clone())).collect(),
            held: self.held.iter().copied().filter(|held| *held != device).collect(),
            snapshots: std::mem::take(&mut self.snapshots),
        };
        client.hear(bytes, fleet);
        self.snapshots = std::mem::take(&mut client.seat.room).snapshots;
        if bytes.contains(&b'$') && !client.seat.wants.holds() {
            self.held.remove(&device);
        }
    }

    fn apply_points(&mut self, fleet: &mut Fleet) {
        while let Some(device) = self.orphans.pop_first() {
            fleet.set_points(device, OWNER, Points::default());
        }
        for client in self.clients.values_mut().filter(|client| client.seat.points.is_changed()) {
            // While it halts, GDB takes all points out and puts them back in.
            if !client.seat.wants.holds() {
                client.seat.points.apply(fleet, client.seat.device);
            }
        }
    }

    /// Steps the devices whose debuggers want it. Tells whether any moved, and whether any cannot before the
    /// rest of the fleet has moved.
    fn step(&mut self, fleet: &mut Fleet, until: Time) -> (bool, bool) {
        let (mut moved, mut starved) = (false, false);
        for client in self.clients.values_mut() {
            let Wants::Step { tid, range } = client.seat.wants else { continue };
            let device = client.seat.device;
            let mut turns = 0;
            loop {
                let activity = fleet.device(device, |device| device.activity());
                if matches!(activity, Some(Activity::Off | Activity::Exited | Activity::LockedUp) | None) {
                    let what = activity.map_or("gone".to_owned(), |activity| format!("{activity:?}"));
                    client.say(&format!("there is no next instruction: the processor is {what}\n"));
                    client.stop(fleet, signalled(Signal::SIGTRAP));
                    break;
                }
                let progress = |fleet: &mut Fleet| {
                    let stats = fleet.stats(device);
                    (stats.instructions, stats.exceptions)
                };
                let before = progress(fleet);
                match fleet.step_before(device, until) {
                    Some(Ran::Halted(halt)) => {
                        moved = true;
                        client.halted(fleet, &halt);
                        break;
                    }
                    Some(Ran::Reached) if progress(fleet) != before => {
                        moved = true;
                        let pc = debug(fleet, device, |debug| debug.pc()).unwrap_or_default();
                        let inside = range.is_some_and(|(start, end)| (start..end).contains(&pc));
                        let other = client.thread(fleet) != tid && tid != CORE;
                        if !(inside || other) || client.seat.points.breakpoint_at(pc).is_some() {
                            let reason = client.seat.points.reason_at(pc);
                            client.stop(fleet, reason);
                            break;
                        }
                        turns += 1;
                        if turns >= STEPS_PER_TURN {
                            break;
                        }
                    }
                    Some(Ran::Reached) | None => {
                        starved = true;
                        break;
                    }
                }
            }
        }
        (moved, starved)
    }

    /// Who keeps the fleet from running.
    fn waits_for(&self, fleet: &Fleet) -> Option<String> {
        let holding =
            self.clients.iter().find(|(_, client)| client.seat.wants.holds()).map(|(device, _)| *device);
        let device = holding.or_else(|| self.held.first().copied())?;
        Some(fleet.names().get(device).cloned().unwrap_or_default())
    }

    /// A step that cannot end before another debugger continues looks like a debugger that hangs.
    fn tell_waiting(&mut self, holder: &str) {
        for client in self.clients.values_mut() {
            if matches!(client.seat.wants, Wants::Step { .. }) && !client.knows_it_waits {
                client.knows_it_waits = true;
                client.say(&format!("the step goes on when the debugger of {holder} continues\n"));
            }
        }
    }

    /// Waits for a message while the fleet stands still; true when the observer ends the run.
    fn wait(&mut self, fleet: &mut Fleet, observer: &mut dyn Observer) -> bool {
        match self.incoming.recv_timeout(HELD_POLL) {
            Ok(message) => {
                self.take(message, fleet);
                false
            }
            Err(_) => observer.window(fleet.now()).is_break(),
        }
    }

    /// Devices halted. Gives the stop that nobody is there to look at.
    fn halted(&mut self, fleet: &mut Fleet, halts: Vec<(usize, Halt)>) -> Option<Stop> {
        let mut unseen = Vec::new();
        for (device, halt) in halts {
            match self.clients.get_mut(&device) {
                Some(client) if client.seat.wants != Wants::Nothing => client.halted(fleet, &halt),
                // Others, such as an inspector, have their own points.
                // Whoever wanted to answer is gone: the machine does, when the call comes again.
                _ if matches!(halt, Halt::Call(_)) => drop(self.orphans.insert(device)),
                _ if matches!(halt, Halt::Unimplemented(_)) || fleet.has_points_besides(device, OWNER) => {
                    unseen.push((device, halt));
                }
                _ => drop(self.orphans.insert(device)),
            }
        }
        if unseen.is_empty() { None } else { Some(Stop::Halted(unseen)) }
    }
}

impl Drop for Hub {
    /// The run is over: debuggers that wait for their device learn that it is gone.
    fn drop(&mut self) {
        while let Some((device, client)) = self.clients.pop_first() {
            client.end(self.exits.get(&device).copied().unwrap_or(0) as u8);
        }
    }
}

/// The caller's observer, and an ear for messages between windows.
struct Tap<'a> {
    observer: &'a mut dyn Observer,
    incoming: &'a Receiver<Incoming>,
    exits: &'a mut BTreeMap<usize, i32>,
    one_window: bool,
    /// The caller's observer ended the run.
    ended: bool,
}

impl Observer for Tap<'_> {
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        self.observer.sent(device, port, sent);
    }

    fn event(&mut self, device: usize, event: &Event) {
        if let Kind::Exit { code } = &event.kind {
            self.exits.insert(device, *code);
        }
        self.observer.event(device, event);
    }

    fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        self.observer.carried(link, frame);
    }

    fn window(&mut self, now: Time) -> ControlFlow<()> {
        self.ended = self.observer.window(now).is_break();
        if self.ended || self.one_window || !self.incoming.is_empty() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
