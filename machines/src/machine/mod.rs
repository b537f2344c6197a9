//! The machine: a processor core, its memory and the components of a board, as a device of the fleet.

mod build;
mod bus;
mod debug;
mod host;
mod inbox;
mod interrupts;
mod plugs;
mod saved;
mod semihosting;

use consort_core::component::{Channel, NodeId, Picture, PortKind, ResetCause, SetError};
use consort_core::cpu::{Core, Region, RegionKind, Stop};
use consort_core::device::{
    Action, Activity, Debug, Device, Halt, Input, Occasions, Port, Ran, Segment, Sent, Stats, What,
};
use consort_core::panel::PartState;
use consort_core::state::StateError;
use consort_core::trace::{CoreEvent, Digest, Event, Level};
use consort_core::wire::{Signal, WireKind};
use consort_core::{Addr, Clock, Cycles, Time};

use crate::boot::File;
use crate::loader::Symbols;
use bus::{IrqChange, MachineBus};
use inbox::Inbox;

pub use build::{BuildError, Options};
pub use semihosting::Semihosting;

/// A board with its firmware, running.
pub struct Machine {
    core: Box<dyn Core>,
    bus: MachineBus,
    clock: Clock,
    ports: Vec<Port>,
    /// The node behind each port.
    port_nodes: Vec<NodeId>,
    regions: Vec<Region>,
    lockup_resets: bool,
    symbols: Symbols,
    /// Those of firmware that came later.
    programmed: Option<Symbols>,
    /// How often firmware came.
    edition: u64,
    /// What a debugger wants to halt at.
    occasions: Occasions,
    /// A reset that it wants to halt at has come.
    was_reset: bool,
    inbox: Inbox,
    /// Whether inputs take effect at their times even where nobody could tell.
    prompt: bool,
    state: Power,
    /// Whether the components know the processor as asleep. It is what the core says whenever a state is
    /// saved.
    asleep: bool,
    semihosting: Semihosting,
    received: u64,
    sent: u64,
    console: Option<u16>,
    /// What a boot loader puts into memory before each start.
    loads: Vec<(Addr, File)>,
    /// Which of the bus's watches the core's are.
    chip_watches: Vec<usize>,
}

/// Whether the processor may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Power {
    On,
    /// It waits for its program memory; all else goes on.
    Stalled(Time),
    /// The guest switched it off, with the peripherals' clocks; inputs are still heard.
    Down,
    /// The guest ended its program with this code; components live on until this time, so that the last
    /// bytes leave the UART.
    Exited(i32, Time),
    Off,
}

/// How many frames from the air a sleeping device lets wait at most.
const MOST_WAITING: usize = 64;

/// The program counter of a locked up M-profile processor ("Unrecoverable exception cases" of the architecture).
const LOCKED_UP: Addr = 0xFFFF_FFFE;
/// How long components live on after the guest's exit: 20 characters at 9600 baud.
const AFTERGLOW: Time = Time::from_ms(20);

impl Machine {
    /// The present, exactly: the core's cycle in time.
    fn time(&self) -> Time {
        self.clock.time_of(self.core.now())
    }

    /// The index of the port that shows the guest's console.
    pub fn console(&self) -> Option<u16> {
        self.console
    }

    /// The guest's exit code, once it has ended its program.
    pub fn exit_code(&self) -> Option<i32> {
        match self.state {
            Power::Exited(code, _) => Some(code),
            _ => None,
        }
    }

    /// The device tree blob that the guest is given.
    pub fn device_tree(&self) -> Option<&[u8]> {
        self.loads.last().map(|(_, file)| &*file.bytes)
    }

    /// The firmware's symbols.
    pub fn symbols(&self) -> &Symbols {
        self.programmed.as_ref().unwrap_or(&self.symbols)
    }

    fn reset(&mut self, cause: ResetCause) {
        let now = self.time();
        self.bus.recorder.log(now, Level::Info, "machine", format!("reset: {cause}"));
        self.bus.reset(cause, now, self.core.memory_mut());
        for (at, file) in &self.loads {
            // It fitted when the machine was built.
            let _ = self.core.memory_mut().write(*at, &file.bytes);
        }
        // A core keeps its lines' levels over a reset: they must be the new ones before it.
        self.apply_irqs();
        self.core.reset();
        self.bus.recorder.core(now, CoreEvent::Reset);
        self.state = Power::On;
        self.asleep = false;
        self.was_reset = self.occasions.resets;
    }

    /// Tells the core which interrupt lines changed.
    fn apply_irqs(&mut self) {
        for change in self.bus.irqs.drain(..) {
            match change {
                IrqChange::Level(irq, level) => self.core.set_line(irq, level),
                IrqChange::Edge(irq) => self.core.pulse_line(irq),
            }
        }
    }

    /// What components asked of the processor.
    fn obey(&mut self) {
        if matches!(self.state, Power::Exited(..) | Power::Off) {
            return;
        }
        if let Some(cause) = self.bus.reset_request.take() {
            self.reset(cause);
        }
        if std::mem::take(&mut self.bus.power_down) {
            self.state = Power::Down;
            self.bus.stop_clocks();
        }
        if let Some(on) = self.bus.code_cache.take() {
            self.core.set_code_cache(on);
        }
        self.hand_over_watches();
        if let Some(until) = self.bus.stall.take()
            && self.state == Power::On
            && self.runs_from_rom()
        {
            self.state = Power::Stalled(until);
        }
    }

    fn runs_from_rom(&self) -> bool {
        let pc = self.core.pc();
        self.regions.iter().any(|region| {
            matches!(region.kind, RegionKind::Rom) && pc.wrapping_sub(region.base) < region.size
        })
    }

    /// When the next component wants to be woken, and may be.
    fn next_wake(&self) -> Time {
        match self.state {
            Power::On | Power::Stalled(_) | Power::Down => self.bus.next_wake,
            Power::Exited(_, until) if self.bus.next_wake <= until => self.bus.next_wake,
            Power::Exited(..) | Power::Off => Time::MAX,
        }
    }

    /// The earliest cycle at which an input or a component's wake is due.
    ///
    /// A sleeping device whose radios are off does not wake for what others send: these frames wait until
    /// something else happens, and are then taken first, at their own times. So the result is the same.
    fn due(&self) -> Cycles {
        let waits = !self.prompt
            && (1..MOST_WAITING).contains(&self.inbox.on_air())
            && self.core.is_idle()
            && self
                .ports
                .iter()
                .zip(&self.port_nodes)
                .all(|(port, node)| port.kind != PortKind::Radio || self.bus.component(*node).is_deaf());
        let input = if waits { self.inbox.next_but_air() } else { self.inbox.next() };
        self.clock.first_at(input.min(self.next_wake()))
    }

    /// Whether a port is a radio's.
    fn is_air(&self, port: u16) -> bool {
        self.ports.get(usize::from(port)).is_some_and(|port| port.kind == PortKind::Radio)
    }

    /// Inputs and wakes that are due by the core's present cycle, in the order of their times; at one
    /// instant, inputs come first.
    fn catch_up(&mut self) {
        let now = self.core.now();
        loop {
            let wake = self.next_wake();
            let (input, at) = (self.inbox.next(), self.inbox.next().min(wake));
            if self.clock.first_at(at) > now {
                break;
            }
            if input <= wake {
                if let Some(input) = self.inbox.pop() {
                    self.take_input(input);
                }
            } else {
                self.bus.wake_next(self.core.memory_mut());
            }
            self.obey();
        }
        if let Power::Stalled(until) = self.state
            && self.clock.first_at(until) <= now
        {
            self.state = Power::On;
        }
        self.apply_irqs();
    }

    /// Tells the components that care when the processor has fallen asleep or woken.
    fn tell_sleep(&mut self) {
        // What they then do may wake it at once.
        while self.core.is_idle() != self.asleep {
            self.asleep = !self.asleep;
            if !self.bus.sleep_watchers.is_empty() {
                let now = self.time();
                self.bus.sleep(self.asleep, now, self.core.memory_mut());
                self.obey();
                self.apply_irqs();
            }
        }
    }

    fn take_input(&mut self, input: Input) {
        let Input { at, what, .. } = input;
        match what {
            What::Frame { port, data } => {
                if self.state == Power::Off {
                    return;
                }
                let plug = self.bus.plugs.iter().find(|plug| plug.port == port).copied();
                let Some(node) =
                    self.port_nodes.get(usize::from(port)).copied().or(plug.map(|plug| plug.node))
                else {
                    return;
                };
                self.received += 1;
                self.bus.recorder.received(at, port, &data);
                match plug {
                    None => self.bus.receive(node, &data, at, self.core.memory_mut()),
                    Some(plug) => {
                        let Ok((from, signal)) = Signal::decode(&data) else { return };
                        self.bus.hear(&plug, from, signal, at, self.core.memory_mut());
                    }
                }
            }
            What::Action(action) => {
                self.bus.recorder.stimulus(at, &told(&action));
                self.act(at, action);
            }
        }
    }

    fn act(&mut self, at: Time, action: Action) {
        match action {
            Action::Send { port, data } => {
                let index = self.ports.iter().position(|known| known.name == port);
                if let Some(node) = index.and_then(|index| self.port_nodes.get(index).copied())
                    && self.state != Power::Off
                {
                    self.bus.receive(node, &data, at, self.core.memory_mut());
                }
            }
            Action::Set { component, channel, value } => {
                if let Some(node) = self.bus.find(&component) {
                    let result = self.bus.set(node, &channel, &value, at, self.core.memory_mut());
                    if let Err(error) = result {
                        self.bus.recorder.log(at, Level::GuestError, &component, error.to_string());
                    }
                }
            }
            Action::Reset if self.state != Power::Off => self.reset(ResetCause::Pin),
            Action::Reset => {}
            Action::PowerOff => {
                self.state = Power::Off;
                self.bus.power_off(at, self.core.memory_mut());
                self.bus.recorder.log(at, Level::Info, "machine", "power off".to_owned());
            }
            Action::PowerOn if self.state == Power::Off => self.reset(ResetCause::PowerOn),
            Action::PowerOn => {}
            Action::Program { segments, symbols } => {
                for Segment { at: place, data } in segments {
                    if let Err(error) = self.core.memory_mut().write(place, &data) {
                        let text = format!("firmware at {place:#010x}: {error}");
                        self.bus.recorder.log(at, Level::GuestError, "machine", text);
                    }
                }
                self.programmed = Some(symbols.into());
                self.edition += 1;
            }
        }
    }

    /// The one loop in which a machine's time passes.
    fn advance(&mut self, end: Cycles, steps: Option<u64>) -> Ran {
        let mut left = steps;
        loop {
            self.catch_up();
            self.tell_sleep();
            if std::mem::take(&mut self.was_reset) {
                return Ran::Halted(Halt::Reset);
            }
            if self.state != Power::On || self.core.is_idle() {
                let next = self.due().min(self.own_deadline());
                if next >= end {
                    return Ran::Reached;
                }
                self.core.skip_to(next.max(self.core.now()));
                continue;
            }
            if self.core.now() >= end {
                return Ran::Reached;
            }
            let stop = match &mut left {
                Some(0) => return Ran::Reached,
                Some(left) => {
                    *left -= 1;
                    self.bus.horizon = self.core.now();
                    self.core.step(&mut self.bus)
                }
                None => {
                    let until = end.min(self.due());
                    self.bus.horizon = until;
                    self.core.run(&mut self.bus, until)
                }
            };
            self.hand_over_touches();
            match self.stopped(stop) {
                None => {}
                Some(halt) => return Ran::Halted(halt),
            }
        }
    }

    /// The core learns what the chip watches.
    fn hand_over_watches(&mut self) {
        if std::mem::take(&mut self.bus.watches_changed) {
            let watches = self.bus.memory_watches(&self.regions);
            self.chip_watches = watches.iter().map(|(index, _)| *index).collect();
            let ranges: Vec<_> = watches.into_iter().map(|(_, watch)| watch).collect();
            self.core.set_chip_watches(&ranges);
        }
    }

    /// The chip hears which watched memory the last instruction touched.
    fn hand_over_touches(&mut self) {
        let touched = self.core.take_touched();
        if touched != 0 {
            let watches = self.chip_watches.iter().enumerate();
            let mut touched: Vec<usize> =
                watches.filter(|(bit, _)| touched >> bit & 1 != 0).map(|(_, watch)| *watch).collect();
            touched.dedup();
            let now = self.time();
            self.bus.touched(&touched, now, self.core.memory_mut());
        }
    }

    /// When an idle or waiting processor has something to do of its own.
    fn own_deadline(&self) -> Cycles {
        match self.state {
            Power::On => self.core.deadline(),
            Power::Stalled(until) => self.clock.first_at(until),
            Power::Down | Power::Exited(..) | Power::Off => Cycles::MAX,
        }
    }

    fn stopped(&mut self, stop: Stop) -> Option<Halt> {
        match stop {
            Stop::Reached | Stop::Idle => {}
            Stop::Lockup => {
                let (at, pc) = (self.time(), self.core.pc());
                // An M-profile processor stands there when a vector could not be fetched.
                let place = if pc == LOCKED_UP {
                    "without a vector to go to (was the image made for this board, and is its vector table where \
                     the processor looks for it?)"
                        .to_owned()
                } else {
                    format!("at {}", self.place(pc))
                };
                let end = if self.lockup_resets { "the chip resets" } else { "only a reset helps" };
                let text = format!("the processor locked up {place}; {end}");
                self.bus.recorder.log(at, Level::GuestError, self.core.model(), text);
                if self.lockup_resets {
                    self.reset(ResetCause::Lockup);
                }
            }
            Stop::ResetRequest => self.reset(ResetCause::Software),
            Stop::PowerOff => {
                let at = self.time();
                self.state = Power::Exited(0, at + AFTERGLOW);
                self.bus.recorder.exit(at, 0);
            }
            Stop::Semihosting => {
                let call = self.core.semihosting();
                if self.occasions.calls && semihosting::is_for_people(call.op) {
                    return Some(Halt::Call(call));
                }
                self.semihosting_call();
            }
            Stop::Breakpoint => return Some(Halt::Breakpoint),
            Stop::Watchpoint { addr, kind } => return Some(Halt::Watchpoint { addr, kind }),
            Stop::Unimplemented(what) => {
                let text = format!("{what} at {}", self.place(self.core.pc()));
                let at = self.time();
                self.bus.recorder.log(at, Level::Unimplemented, self.core.model(), text.clone());
                return Some(Halt::Unimplemented(text));
            }
        }
        self.obey();
        self.apply_irqs();
        None
    }

    fn semihosting_call(&mut self) {
        let (at, call) = (self.time(), self.core.semihosting());
        let outcome = self.semihosting.call(call, at, self.core.instructions(), self.core.memory_mut());
        if !outcome.console.is_empty()
            && let Some(port) = self.ports.iter().position(|port| port.name == semihosting::PORT)
        {
            let (port, data) = (port as u16, std::sync::Arc::from(outcome.console));
            self.bus.recorder.sent(at, port, &data);
            self.bus.sent.push(Sent { at, port, data });
        }
        if let Some(complaint) = outcome.complaint {
            self.bus.recorder.log(at, Level::Unimplemented, semihosting::PORT, complaint);
        }
        match outcome.exit {
            Some(code) => {
                self.state = Power::Exited(code, at + AFTERGLOW);
                self.bus.recorder.exit(at, code);
            }
            None => self.core.finish_semihosting(outcome.result),
        }
    }

    /// An address as people want to see it: with its symbol.
    fn place(&self, addr: Addr) -> String {
        match self.symbols().at(addr) {
            Some((symbol, 0)) => format!("{addr:#010x} ({})", symbol.name),
            Some((symbol, offset)) => format!("{addr:#010x} ({}+{offset:#x})", symbol.name),
            None => format!("{addr:#010x}"),
        }
    }
}

impl Device for Machine {
    fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn plug(&mut self, name: &str, kind: WireKind, latency: Time) -> Result<u16, String> {
        let port = self.ports.len() as u16;
        let name = self.bus.plug(name, kind, port, latency)?;
        self.ports.push(Port { name, kind: PortKind::Wire });
        Ok(port)
    }

    fn now(&self) -> Time {
        self.time()
    }

    fn next_event(&self) -> Time {
        match self.state {
            Power::On if !self.core.is_idle() => self.time(),
            _ => self.clock.time_of(self.due().min(self.own_deadline())),
        }
    }

    fn headroom(&self, port: u16) -> Time {
        self.port_nodes.get(usize::from(port)).map_or(Time::ZERO, |node| self.bus.component(*node).headroom())
    }

    fn run_until(&mut self, end: Time) -> Ran {
        self.advance(self.clock.first_at(end), None)
    }

    fn give(&mut self, input: Input) {
        let air = matches!(input.what, What::Frame { port, .. } if self.is_air(port));
        self.inbox.push(input, air);
    }

    fn check(&self, action: &Action) -> Result<(), SetError> {
        match action {
            Action::Send { port, .. } if !self.ports.iter().any(|known| known.name == *port) => {
                Err(SetError::NoChannel(port.clone()))
            }
            Action::Set { component, channel, value } => {
                let name = || format!("{component}.{channel}");
                let node = self.bus.find(component).ok_or_else(|| SetError::NoChannel(name()))?;
                let channels = self.bus.component(node).channels();
                let known = channels.iter().find(|known| known.name == channel);
                known.ok_or_else(|| SetError::NoChannel(name()))?.check(value)
            }
            Action::Program { segments, .. } => segments.iter().try_for_each(|Segment { at, data }| {
                let mut present = vec![0; data.len()];
                self.core.memory().read(*at, &mut present).map_err(|_| SetError::BadValue {
                    channel: "memory".to_owned(),
                    expected: format!("firmware within it, not {} bytes at {at:#010x}", data.len()),
                })
            }),
            _ => Ok(()),
        }
    }

    fn take_sent(&mut self, out: &mut Vec<Sent>) {
        self.sent += self.bus.sent.len() as u64;
        out.append(&mut self.bus.sent);
    }

    fn take_events(&mut self, out: &mut Vec<Event>) {
        self.bus.recorder.take(out);
    }

    /// Who watches wants to hear of everything when it happens.
    fn want_events(&mut self, wanted: bool) {
        self.prompt = wanted;
        self.bus.recorder.want(wanted);
    }

    fn settle(&mut self, now: Time) {
        let prompt = std::mem::replace(&mut self.prompt, true);
        if self.inbox.on_air() > 0 {
            self.run_until(now);
        }
        self.prompt = prompt;
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        saved::save(self)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        saved::restore(self, bytes)
    }

    fn digest(&self) -> Result<Digest, StateError> {
        saved::digest(self)
    }

    fn stats(&self) -> Stats {
        Stats {
            instructions: self.core.instructions(),
            exceptions: self.bus.exceptions(),
            sent: self.sent,
            received: self.received,
        }
    }

    fn activity(&self) -> Activity {
        match self.state {
            Power::Off => Activity::Off,
            Power::Exited(..) => Activity::Exited,
            Power::Stalled(_) => Activity::Running,
            Power::Down => Activity::Asleep,
            Power::On if !self.core.is_idle() => Activity::Running,
            Power::On if self.core.is_locked_up() => Activity::LockedUp,
            Power::On => Activity::Asleep,
        }
    }

    fn parts(&self) -> Vec<PartState> {
        let part = |(index, node): (usize, &bus::Node)| {
            let component = self.bus.component(NodeId(index as u16));
            let present = |channel: Channel| {
                let value = component.get(channel.name);
                (channel, value)
            };
            let channels: Vec<_> = component.channels().into_iter().map(present).collect();
            let shows = component.shows().or_else(|| {
                // Pixels in memory have no number of their own: it is made of them.
                let picture = component.scan_out(self.core.memory())?;
                let hash = blake3::Hasher::new().update(&picture.rgb).update(&[picture.backlight]).finalize();
                let (number, _) = hash.as_bytes().split_first_chunk()?;
                Some(u64::from_le_bytes(*number) >> 1)
            });
            let seen = shows.is_some() || !channels.is_empty();
            seen.then(|| PartState { name: node.name.clone(), channels, shows })
        };
        self.bus.nodes.iter().enumerate().filter_map(part).collect()
    }

    fn picture(&self, part: &str) -> Option<Picture> {
        let component = self.bus.component(self.bus.find(part)?);
        component.picture().or_else(|| component.scan_out(self.core.memory()))
    }

    fn lines(&self) -> Vec<(String, bool)> {
        let named = |(index, node): (usize, &bus::Node)| {
            let lines = self.bus.component(NodeId(index as u16)).lines();
            let levels = lines.iter().zip(node.levels.clone());
            levels.map(|(line, level)| (format!("{}.{line}", node.name), level)).collect::<Vec<_>>()
        };
        self.bus.nodes.iter().enumerate().flat_map(named).collect()
    }

    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let nodes = self.bus.nodes.iter().enumerate();
        let contents = |(index, node): (usize, &bus::Node)| {
            Some((node.name.clone(), self.bus.component(NodeId(index as u16)).contents()?))
        };
        nodes.filter_map(contents).collect()
    }

    fn debug(&mut self) -> Option<&mut dyn Debug> {
        Some(self)
    }
}

/// A stimulus as the trace tells it; of firmware, its hash.
fn told(action: &Action) -> String {
    match action {
        Action::Program { segments, .. } => {
            let mut hasher = blake3::Hasher::new();
            for Segment { at, data } in segments {
                hasher.update(&at.to_le_bytes()).update(data);
            }
            let bytes: usize = segments.iter().map(|segment| segment.data.len()).sum();
            format!("{{\"do\":\"program\",\"bytes\":{bytes},\"hash\":\"{}\"}}", hasher.finalize().to_hex())
        }
        action => serde_json::to_string(action).unwrap_or_default(),
    }
}
