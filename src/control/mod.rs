//! `--control`: other programs see and steer the run, over the protocol of [`consort_core::control`].
//!
//! The thread that owns the fleet looks for requests between windows and answers them itself; everything
//! that can wait for a client has a thread of its own. Nothing a client asks changes the run except stimuli.

mod answer;
mod outbox;
mod server;
mod source;
mod tap;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use consort_core::Time;
use consort_core::control::{
    Answer, Command, FleetInfo, LinkStatus, Message, Next, Status, Topic, VERSION, Welcome,
};
use consort_core::device::Halt;
use consort_core::fleet::{Fleet, FleetError, Observer, Points, Stimulus, StimulusKind, Stop};
use consort_core::link::Rule;
use consort_core::radio::Position;

use crate::debug::Debuggers;
use crate::failure::Failure;
use crate::wall::Watch;
use server::{Asked, Client, Server};
use source::Sources;
use tap::{Seek, Tap, bit};

pub use answer::describe;

/// How long a paused or paced run waits before it looks whether the user interrupted it.
const LONGEST_WAIT: f64 = 0.05;
/// The same while there are debuggers, which ask much and wait for each answer.
const DEBUGGERS_WAIT: f64 = 0.002;
/// A run that is later than this gives up catching up.
const LATEST: f64 = 0.2;
/// Owners of breakpoints: debuggers count from 0, clients from here, and the last one is the search for an
/// interrupt.
const FIRST_OWNER: u64 = 1 << 32;
const SEEKER: u64 = u64::MAX;
/// Nobody needs more, and each costs.
const MOST_POINTS: usize = 10_000;

/// A run under control.
pub struct Control {
    server: Server,
    info: FleetInfo,
    clients: Vec<Arc<Client>>,
    sources: Sources,
    seek: Option<Seek>,
    running: bool,
    until: Option<Time>,
    speed: Option<f64>,
    /// The speed when nobody has chosen one.
    own_speed: Option<f64>,
    halted: Option<String>,
    /// Since when, on both clocks, the pace is kept.
    anchor: Option<(Watch, Time)>,
    /// Events are wanted whether clients want them or not.
    trace: bool,
    ending: bool,
}

impl Control {
    /// Opens the door at `address` for the fleet that `info` describes.
    /// `programs` are the devices' files with symbols, as far as they have any.
    pub fn open(
        address: &str,
        info: FleetInfo,
        programs: Vec<Option<PathBuf>>,
        paused: bool,
        realtime: bool,
    ) -> Result<Self, Failure> {
        let speed = realtime.then_some(1.0);
        Ok(Self {
            server: Server::open(address)?,
            info,
            clients: Vec::new(),
            sources: Sources::new(programs),
            seek: None,
            running: !paused,
            until: None,
            speed,
            own_speed: speed,
            halted: None,
            anchor: None,
            trace: false,
            ending: false,
        })
    }

    /// Keeps all events coming, for a trace.
    pub fn keep_events(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// Where clients connect, and the token they need.
    pub fn address(&self) -> (&str, &str) {
        (&self.server.address, &self.server.token)
    }

    /// Runs to `end` as clients let it: like [`Fleet::run_until`], and with the same result.
    pub fn run_until(
        &mut self,
        fleet: &mut Fleet,
        end: Time,
        observer: &mut dyn Observer,
        debuggers: &mut Debuggers,
    ) -> Stop {
        loop {
            while let Ok(asked) = self.server.asked.try_recv() {
                self.answer(asked, fleet, end, observer, debuggers);
            }
            self.forget_the_gone(fleet);
            if self.ending {
                return Stop::Ended;
            }
            if fleet.now() >= end {
                return Stop::Reached;
            }
            let wait = if self.running { self.ahead(fleet.now()) } else { LONGEST_WAIT };
            if wait > 0.0 {
                // Debuggers may look and set breakpoints while the run is paused.
                let longest = if debuggers.serve(fleet) { DEBUGGERS_WAIT } else { LONGEST_WAIT };
                let wait = Duration::from_secs_f64(wait.min(longest));
                if let Ok(asked) = self.server.asked.recv_timeout(wait) {
                    self.answer(asked, fleet, end, observer, debuggers);
                } else if observer.window(fleet.now()).is_break() {
                    return Stop::Ended;
                }
                continue;
            }
            let target = end.min(self.until.unwrap_or(Time::MAX)).min(fleet.now() + self.slice());
            let (stop, ended, found) = self.go(fleet, target, observer, debuggers, false);
            match stop {
                Stop::Halted(halts) => {
                    if self.clients.is_empty() {
                        return Stop::Halted(halts);
                    }
                    self.halt(fleet, &halts);
                    self.pause(fleet);
                }
                Stop::Ended if ended => return Stop::Ended,
                Stop::Ended | Stop::Reached => {}
            }
            if found || self.until.is_some_and(|until| fleet.now() >= until) {
                self.pause(fleet);
            }
        }
    }

    /// Whether a client wants the run to end.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Says goodbye to all clients.
    pub fn finish(self) {
        for client in &self.clients {
            client.outbox.answer(&Message::Ended);
            client.close();
        }
        self.server.drain();
    }

    fn pause(&mut self, fleet: &mut Fleet) {
        (self.running, self.until, self.anchor) = (false, None, None);
        match self.seek.take() {
            Some(Seek::Handler(index)) => fleet.set_points(index, SEEKER, Points::default()),
            Some(Seek::Entry(..)) => self.choose_events(fleet),
            Some(Seek::Packet) | None => {}
        }
    }

    /// Remembers why devices halted, in words.
    fn halt(&mut self, fleet: &mut Fleet, halts: &[(usize, Halt)]) {
        let words = halts.iter().map(|(index, halt)| {
            let name = fleet.names()[*index].clone();
            let entered = fleet.device(*index, |device| {
                let debug = device.debug().filter(|_| self.seek == Some(Seek::Handler(*index)))?;
                let pc = debug.pc();
                let entered = debug.interrupts().into_iter().find(|known| known.handler == Some(pc))?;
                Some(format!("{name}: at the handler of {}", entered.name))
            });
            entered.flatten().unwrap_or_else(|| answer::halt(&name, halt))
        });
        self.halted = Some(words.collect::<Vec<_>>().join("; "));
    }

    /// Lets the fleet go until a packet or an interrupt comes.
    fn seek(&mut self, fleet: &mut Fleet, next: &Next) -> Result<(), String> {
        let seek = match next {
            Next::Packet => Seek::Packet,
            Next::Interrupt { device } => {
                let index = fleet.find(device).map_err(|error| error.to_string())?;
                let handlers = look(fleet, device, |debug| {
                    debug.interrupts().into_iter().filter_map(|known| known.handler).collect::<Vec<_>>()
                })?;
                if handlers.is_empty() {
                    // The window in which it takes an exception is the next best.
                    fleet.want_events(true);
                    let now = fleet.device(index, |device| device.now()).unwrap_or_default();
                    Seek::Entry(index, now.max(fleet.now()))
                } else {
                    let points = Points { breakpoints: handlers, ..Points::default() };
                    fleet.set_points(index, SEEKER, points);
                    Seek::Handler(index)
                }
            }
        };
        (self.running, self.halted, self.seek) = (true, None, Some(seek));
        Ok(())
    }

    /// How much virtual time passes between two looks at the host's clock.
    fn slice(&self) -> Time {
        let most = Time::from_ms(100);
        match self.speed {
            // Requests end a slice anyway.
            None => most,
            Some(times) => Time::from_ns((times * 1e7) as u64).max(Time::from_us(10)).min(most),
        }
    }

    /// Seconds of host time until the fleet's present is due.
    fn ahead(&mut self, now: Time) -> f64 {
        let Some(speed) = self.speed else { return 0.0 };
        let (watch, since) = self.anchor.get_or_insert_with(|| (Watch::start(), now));
        let ahead = now.since(*since).as_secs_f64() / speed - watch.seconds();
        if ahead < -LATEST {
            self.anchor = None;
        }
        ahead
    }

    /// Runs, and tells clients; whether the observer ended it, and whether what is sought has come.
    fn go(
        &self,
        fleet: &mut Fleet,
        end: Time,
        observer: &mut dyn Observer,
        debuggers: &mut Debuggers,
        one: bool,
    ) -> (Stop, bool, bool) {
        let mut tap = Tap {
            inner: observer,
            fleet: &self.info,
            clients: &self.clients,
            waiting: &self.server.waiting,
            one,
            seek: self.seek.as_ref(),
            found: false,
            ended: false,
        };
        let stop = debuggers.run_until(fleet, end, &mut tap);
        (stop, tap.ended, tap.found)
    }

    /// A run that clients paused goes on when the last of them has left.
    fn forget_the_gone(&mut self, fleet: &mut Fleet) {
        let (gone, clients): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.clients).into_iter().partition(|client| client.outbox.is_closed());
        self.clients = clients;
        if gone.is_empty() {
            return;
        }
        for client in gone {
            (0..self.info.devices.len())
                .for_each(|device| fleet.set_points(device, FIRST_OWNER + client.number, Points::default()));
        }
        self.choose_events(fleet);
        if self.clients.is_empty() {
            self.pause(fleet);
            (self.running, self.speed) = (true, self.own_speed);
        }
    }

    fn choose_events(&self, fleet: &mut Fleet) {
        let wants = |client: &Arc<Client>| client.topics.load(Ordering::Relaxed) & bit(Topic::Events) != 0;
        fleet.want_events(self.trace || self.clients.iter().any(wants));
    }

    fn answer(
        &mut self,
        asked: Asked,
        fleet: &mut Fleet,
        end: Time,
        observer: &mut dyn Observer,
        debuggers: &mut Debuggers,
    ) {
        self.server.waiting.fetch_sub(1, Ordering::AcqRel);
        let Asked { client, request } = asked;
        let id = request.id;
        let message = match self.carry_out(&client, request.command, fleet, end, observer, debuggers) {
            Ok(answer) => Message::Reply { id, answer },
            Err(message) => Message::Error { id, message },
        };
        client.outbox.answer(&message);
    }

    fn carry_out(
        &mut self,
        client: &Arc<Client>,
        command: Command,
        fleet: &mut Fleet,
        end: Time,
        observer: &mut dyn Observer,
        debuggers: &mut Debuggers,
    ) -> Result<Answer, String> {
        match command {
            Command::Hello { .. } => {
                if !self.clients.iter().any(|known| Arc::ptr_eq(known, client)) {
                    self.clients.push(client.clone());
                }
                return Ok(Answer::Welcome(Box::new(Welcome {
                    version: VERSION,
                    server: concat!("consort ", env!("CARGO_PKG_VERSION")).to_owned(),
                    fleet: self.info.clone(),
                    status: self.status(fleet),
                })));
            }
            Command::Subscribe { topics } => {
                let bits = topics.into_iter().fold(0, |bits, topic| bits | bit(topic));
                client.topics.store(bits, Ordering::Relaxed);
                self.choose_events(fleet);
            }
            Command::Run { until } => {
                if until.is_some_and(|until| until <= fleet.now()) {
                    return Err(format!("the fleet is at {} s already", fleet.now()));
                }
                self.pause(fleet);
                (self.running, self.until, self.halted) = (true, until, None);
            }
            Command::RunTo { next } => {
                self.pause(fleet);
                self.seek(fleet, &next)?;
            }
            Command::Pause => self.pause(fleet),
            Command::Points { device, breakpoints, watchpoints } => {
                if breakpoints.len() + watchpoints.len() > MOST_POINTS {
                    return Err(format!("at most {MOST_POINTS} breakpoints and watchpoints"));
                }
                let index = fleet.find(&device).map_err(|error| error.to_string())?;
                fleet.set_points(
                    index,
                    FIRST_OWNER + client.number,
                    Points { breakpoints, watchpoints, ..Points::default() },
                );
            }
            Command::StepInstruction { device } => {
                let index = fleet.find(&device).map_err(|error| error.to_string())?;
                self.step(fleet, index, end, observer, debuggers)?;
            }
            Command::StepWindow => {
                self.pause(fleet);
                check_awake(fleet, end)?;
                self.run_window(fleet, end, observer, debuggers);
            }
            Command::Speed { times } => {
                if times.is_some_and(|times| !(1e-6..=1e6).contains(&times)) {
                    return Err("a speed is 0.000001 to 1000000 times real time".to_owned());
                }
                (self.speed, self.anchor) = (times, None);
            }
            Command::Status => return Ok(Answer::Status(self.status(fleet))),
            Command::Device { device: name } => {
                let index = fleet.find(&name).map_err(|error| error.to_string())?;
                let state = fleet.device(index, |device| answer::device(&name, device));
                return state.map(Answer::Device).ok_or_else(|| "it is gone".to_owned());
            }
            Command::Memory { device: name, addr, len } => {
                return look(fleet, &name, |debug| answer::memory(&name, debug, addr, len))?
                    .map(Answer::Memory);
            }
            Command::Find { device, addr, len, data } => {
                return look(fleet, &device, |debug| answer::find(debug, addr, len, &data))
                    .map(Answer::Found);
            }
            Command::Code { device: name, addr, len } => {
                let index = fleet.find(&name).map_err(|error| error.to_string())?;
                let mut state = look(fleet, &name, |debug| answer::code(&name, debug, addr, len))??;
                state.lines = self.sources.lines(index, addr, len);
                return Ok(Answer::Code(state));
            }
            Command::Symbols { device, text } => {
                return look(fleet, &device, |debug| answer::symbols(debug, &text)).map(Answer::Symbols);
            }
            Command::Interrupts { device } => {
                return look(fleet, &device, |debug| debug.interrupts()).map(Answer::Interrupts);
            }
            Command::Peripherals { device } => {
                return look(fleet, &device, |debug| answer::peripherals(debug)).map(Answer::Peripherals);
            }
            Command::Parts { device: name } => {
                let index = fleet.find(&name).map_err(|error| error.to_string())?;
                let parts = fleet.device(index, |device| answer::parts(device)).unwrap_or_default();
                return Ok(Answer::Parts(parts));
            }
            Command::Picture { device: name, part, after } => {
                let index = fleet.find(&name).map_err(|error| error.to_string())?;
                let picture = fleet.device(index, |device| answer::picture(device, &part, after));
                return Ok(Answer::Picture(picture.unwrap_or(Ok(None))?));
            }
            Command::Stimulus { at, after, what } => {
                inject(fleet, at, after, what).map_err(|error| error.to_string())?
            }
            Command::Digest => {
                let digest = fleet.digest().map_err(|error| error.to_string())?;
                return Ok(Answer::Digest(digest.to_string()));
            }
            Command::End => self.ending = true,
        }
        Ok(Answer::Done)
    }

    fn status(&self, fleet: &mut Fleet) -> Status {
        let totals = fleet.totals();
        Status {
            now: fleet.now(),
            running: self.running,
            until: self.until,
            speed: self.speed,
            halted: self.halted.clone(),
            windows: totals.windows,
            frames: totals.frames,
            devices: answer::devices(fleet),
            links: fleet
                .link_states()
                .map(|(rules, places)| link_status(fleet.now(), rules, places))
                .collect(),
        }
    }

    fn run_window(
        &mut self,
        fleet: &mut Fleet,
        end: Time,
        observer: &mut dyn Observer,
        debuggers: &mut Debuggers,
    ) {
        let (stop, ended, _) = self.go(fleet, end, observer, debuggers, true);
        self.ending |= ended;
        if let Stop::Halted(halts) = stop {
            self.halt(fleet, &halts);
        } else {
            self.halted = None;
        }
    }

    /// One instruction of a device; while it sleeps, the others run on, window by window.
    fn step(
        &mut self,
        fleet: &mut Fleet,
        index: usize,
        end: Time,
        observer: &mut dyn Observer,
        debuggers: &mut Debuggers,
    ) -> Result<(), String> {
        self.pause(fleet);
        self.halted = None;
        loop {
            if let Some(ran) = fleet.step_before(index, end) {
                if let consort_core::device::Ran::Halted(halt) = ran {
                    self.halted = Some(answer::halt(&fleet.names()[index], &halt));
                }
                return Ok(());
            }
            check_awake(fleet, end)?;
            let next = fleet.device(index, |device| device.next_event()).unwrap_or(Time::MAX);
            self.run_window(fleet, next.min(end), observer, debuggers);
            if self.ending || self.halted.is_some() {
                return Ok(());
            }
            if self.server.waiting.load(Ordering::Acquire) > 0 {
                return Err(format!("it still sleeps; the fleet is at {} s", fleet.now()));
            }
        }
    }
}

/// Refuses to step through a fleet that sleeps to the end: the step would be the whole run.
fn check_awake(fleet: &mut Fleet, end: Time) -> Result<(), String> {
    let mut devices = 0..fleet.names().len();
    let awake = devices.any(|index| fleet.device(index, |device| device.next_event() < end) == Some(true));
    awake.then_some(()).ok_or_else(|| "nothing more will happen before the run's end".to_owned())
}

/// Looks at a device through the debugger's door.
fn look<R>(
    fleet: &mut Fleet,
    name: &str,
    look: impl FnOnce(&dyn consort_core::device::Debug) -> R,
) -> Result<R, String> {
    let index = fleet.find(name).map_err(|error| error.to_string())?;
    let result = fleet.device(index, |device| device.debug().map(|debug| look(debug)));
    result.flatten().ok_or_else(|| format!("device `{name}` has no processor"))
}

/// How a link is: what is over is not told.
fn link_status(now: Time, rules: &[Rule], places: Vec<Position>) -> LinkStatus {
    let faults = rules.iter().enumerate().filter(|(_, rule)| rule.before > now);
    LinkStatus { faults: faults.map(|(index, rule)| (index, rule.clone())).collect(), places }
}

/// Gives a stimulus at its time, or as soon as one can take effect.
fn inject(fleet: &mut Fleet, at: Option<Time>, after: Time, what: StimulusKind) -> Result<(), FleetError> {
    let stimulus = Stimulus { at: at.unwrap_or(fleet.now()) + after, what };
    match fleet.inject(stimulus.clone()) {
        Err(FleetError::Past { now, .. }) if at.is_none() => {
            fleet.inject(Stimulus { at: now + after, ..stimulus })
        }
        result => result,
    }
}
