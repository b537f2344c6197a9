//! What the inspector knows of the fleet: a plain snapshot that panels draw and messages fill.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use consort_core::component::PortKind;
use consort_core::control::{
    Answer, Command, DeviceState, FleetInfo, Frame, MemoryState, Message, PeripheralState, Status,
};
use consort_core::cpu::{WatchKind, Watchpoint};
use consort_core::device::{Action, Activity, Interrupt};
use consort_core::fleet::StimulusKind;
use consort_core::trace::{CoreEvent, Kind, Level};
use consort_core::{Addr, Time};
use egui::Pos2;

use crate::client::Arrived;
use crate::code::Code;
use crate::console::Console;
use crate::decode::Layer;
use crate::home::Home;
use crate::lane::Lane;
use crate::parts::Parts;
use crate::svd::Book;
use crate::watch::Watch;
use crate::wish::Wish;

/// Older packets and log lines than this many are forgotten.
const KEPT: usize = 10_000;

/// Everything that is shown.
#[derive(Default)]
pub struct Model {
    /// Why there is nothing to see, or that the run is over.
    pub trouble: Option<String>,
    /// What does not change.
    pub fleet: FleetInfo,
    /// How the run is.
    pub status: Status,
    /// The device whose inside is shown.
    pub selected: usize,
    /// Its registers and figures.
    pub device: Option<DeviceState>,
    /// Registers that differ from what they were before the last step.
    pub changed: BTreeSet<String>,
    /// The memory that is shown.
    pub memory: Memory,
    /// The selected device's program, as far as it is shown.
    pub code: Code,
    /// Addresses of instructions before which each device halts.
    pub breakpoints: BTreeMap<String, BTreeSet<Addr>>,
    /// What of each device's memory is watched.
    pub watches: BTreeMap<String, Vec<Watch>>,
    /// The selected device's interrupts.
    pub interrupts: Vec<Interrupt>,
    /// Screens, buttons and sensors of all devices.
    pub parts: Parts,
    /// What is there when no fleet is open, and what is around it when one is.
    pub home: Home,
    /// The selected device's on-chip blocks.
    pub peripherals: Vec<PeripheralState>,
    /// Register names out of SVD files, by board; what is wrong with a file that cannot be read.
    pub books: BTreeMap<String, Result<Book, String>>,
    /// Names `block.register` of values that differ from the last look.
    pub changed_registers: BTreeSet<(String, u32)>,
    /// UART output by device and port.
    pub consoles: BTreeMap<(String, String), Console>,
    /// Packets, oldest first.
    pub packets: VecDeque<Packet>,
    /// How many packets were seen in all.
    pub packets_seen: u64,
    /// The packet whose bytes are shown, by its number.
    pub packet: Option<u64>,
    /// What each device did when.
    pub lanes: Vec<Lane>,
    /// What models and devices said, oldest first.
    pub log: VecDeque<LogLine>,
    /// The last digest asked for, with its time.
    pub digest: Option<(Time, String)>,
    /// Notices the server dropped because this program was too slow.
    pub dropped: u64,
    /// Millions of instructions per second of host time.
    pub mips: f64,
    /// Where people put devices on the map, in units of its size.
    pub places: BTreeMap<String, Pos2>,
    /// What people typed into panels.
    pub inputs: Inputs,
    asked: Vec<Command>,
    wished: Vec<Wish>,
}

/// The memory panel's state.
#[derive(Default)]
pub struct Memory {
    /// The first address shown.
    pub addr: Addr,
    /// The bytes there, of the device they came from.
    pub state: Option<MemoryState>,
    /// Addresses of bytes that changed with the last step.
    pub changed: BTreeSet<Addr>,
    /// The bytes that were found last.
    pub found: std::ops::Range<Addr>,
    /// What came of the last search, when nothing was found.
    pub missed: Option<String>,
}

/// What people typed into panels.
#[derive(Default)]
pub struct Inputs {
    /// The console that is shown.
    pub console: Option<(String, String)>,
    /// The line for the guest.
    pub line: String,
    /// Only console lines with this.
    pub console_filter: String,
    /// Only packets with this.
    pub packet_filter: String,
    /// What became of the last export of packets.
    pub exported: Option<String>,
    /// Only log lines with this.
    pub log_filter: String,
    /// The address to show.
    pub address: String,
    /// What is searched for in memory.
    pub search: String,
    /// Only blocks with this.
    pub block_filter: String,
    /// The SVD file to read.
    pub book: String,
    /// What is searched for in the console.
    pub console_search: String,
    /// The number of the line that was found.
    pub console_line: Option<u64>,
    /// The console shall scroll to it.
    pub console_scroll: bool,
    /// The symbol or address to show the code of.
    pub code_place: String,
    /// What to watch next.
    pub watch_place: String,
    /// Only sensors with this.
    pub sensor_filter: String,
    /// Only interrupts that are enabled, pending or active.
    pub busy_interrupts: bool,
    /// How wide a screen is drawn, 0 for as wide as all can be seen at once.
    pub screen_width: f32,
    /// The board for an ELF file that was dropped on the window.
    pub board: String,
    /// A path that was typed.
    pub path: String,
    /// The end of the timeline, when it does not follow the present.
    pub timeline_end: Option<Time>,
    /// How much virtual time the timeline shows, 0 for its default.
    pub span: Time,
}

/// A packet with its number.
pub struct Packet {
    /// Counted from 1.
    pub number: u64,
    /// What the link took.
    pub frame: Frame,
    /// What the link carries.
    pub kind: PortKind,
    /// Its layers, outermost first.
    pub layers: Vec<Layer>,
}

impl Packet {
    /// The innermost layer.
    pub fn inner(&self) -> &Layer {
        static NOTHING: Layer = Layer { protocol: "data", info: String::new(), fields: Vec::new() };
        self.layers.last().unwrap_or(&NOTHING)
    }
}

/// A line of the log.
pub struct LogLine {
    /// When.
    pub at: Time,
    /// The device.
    pub device: String,
    /// How serious.
    pub level: Level,
    /// Who and what.
    pub text: String,
}

fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(item);
}

impl Model {
    /// The selected device's name, empty when there is none.
    pub fn name(&self) -> String {
        self.fleet.devices.get(self.selected).map(|device| device.name.clone()).unwrap_or_default()
    }

    /// The selected device's board, empty when there is none.
    pub fn board(&self) -> String {
        self.fleet.devices.get(self.selected).map(|device| device.board.clone()).unwrap_or_default()
    }

    /// A device's number.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.fleet.devices.iter().position(|device| device.name == name)
    }

    /// Shows another device's inside.
    pub fn select(&mut self, index: usize) {
        if index == self.selected || index >= self.fleet.devices.len() {
            return;
        }
        self.selected = index;
        self.device = None;
        self.changed.clear();
        self.peripherals.clear();
        self.changed_registers.clear();
        self.memory.state = None;
        self.memory.changed.clear();
        self.memory.found = 0..0;
        self.code.forget();
        self.interrupts.clear();
        let console = self.fleet.devices[index].console.clone();
        self.inputs.console = console.map(|port| (self.fleet.devices[index].name.clone(), port));
    }

    /// Asks the server for something, after this pass.
    pub fn ask(&mut self, command: Command) {
        self.asked.push(command);
    }

    /// Gives a device an outside input, as soon as possible.
    pub fn act(&mut self, device: &str, action: Action) {
        self.act_after(device, action, Time::ZERO);
    }

    /// The same, so much later.
    pub fn act_after(&mut self, device: &str, action: Action, after: Time) {
        let what = StimulusKind::Device(device.to_owned(), action);
        self.ask(Command::Stimulus { at: None, after, what });
    }

    /// Gives a link or a place an outside input.
    pub fn stimulate(&mut self, what: StimulusKind) {
        self.ask(Command::Stimulus { at: None, after: Time::ZERO, what });
    }

    /// Wants something of the program itself.
    pub fn wish(&mut self, wish: Wish) {
        self.wished.push(wish);
    }

    /// What was wished since the last call.
    pub fn take_wished(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wished)
    }

    /// Sets or removes a breakpoint of the selected device.
    pub fn toggle_breakpoint(&mut self, addr: Addr) {
        let device = self.name();
        let own = self.breakpoints.entry(device.clone()).or_default();
        if !own.remove(&addr) {
            own.insert(addr);
        }
        self.tell_points(&device);
    }

    /// Tells the server where a device shall halt.
    pub fn tell_points(&mut self, device: &str) {
        let breakpoints = self.breakpoints.get(device).into_iter().flatten().copied().collect();
        let watches = self.watches.get(device).map(Vec::as_slice).unwrap_or_default();
        let watchpoints = watches.iter().filter(|watch| watch.halts).map(|watch| Watchpoint {
            addr: watch.addr,
            len: u64::from(watch.form.size()),
            kind: WatchKind::Write,
        });
        let watchpoints = watchpoints.collect();
        self.ask(Command::Points { device: device.to_owned(), breakpoints, watchpoints });
    }

    /// The run is another one: what was seen of the last is forgotten, what people chose stays.
    pub fn begin(&mut self) {
        let before = std::mem::take(self);
        self.home = before.home;
        self.books = before.books;
        self.places = before.places;
        self.breakpoints = before.breakpoints;
        self.watches = before.watches;
        self.inputs = before.inputs;
        self.inputs.timeline_end = None;
        self.inputs.exported = None;
        self.code.follow = before.code.follow;
        self.home.again = Some(before.fleet);
    }

    /// What was asked since the last call.
    pub fn take_asked(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.asked)
    }

    /// Takes in what has arrived.
    pub fn arrive(&mut self, arrived: Arrived) {
        if let (Some(Command::Picture { device, part, .. }), Some(pixels)) = (&arrived.of, arrived.pixels) {
            self.parts.show(device, part, pixels);
        }
        self.apply(arrived.message, arrived.of);
    }

    /// Takes in what the server says; `of` is the request of a reply.
    pub fn apply(&mut self, message: Message, of: Option<Command>) {
        match message {
            Message::Reply { answer, .. } => self.answer(answer, of),
            // A picture that is gone, a device without a processor: panels ask such things by themselves.
            Message::Error { .. } if of.as_ref().is_some_and(is_look) => {}
            Message::Error { message, .. } => self.say(String::new(), Level::Unimplemented, message),
            Message::Uart { device, port, at, data } => {
                if let Some(index) = self.index(&device) {
                    self.lanes[index].uart(at);
                }
                self.consoles.entry((device, port)).or_default().add(at, &data);
            }
            Message::Frame(frame) => {
                for name in frame.to.iter().filter_map(|to| to.device.as_ref()).chain([&frame.from]) {
                    if let Some(index) = self.index(name) {
                        self.lanes[index].packet(frame.at);
                    }
                }
                self.packets_seen += 1;
                let link = self.fleet.links.iter().find(|link| link.name == frame.link);
                let kind = link.map_or(PortKind::Ethernet, |link| link.carries);
                let layers = crate::decode::layers(kind, &frame.data);
                keep(&mut self.packets, Packet { number: self.packets_seen, frame, kind, layers });
            }
            Message::Event { device, at, kind } => self.event(device, at, kind),
            Message::Dropped { count } => self.dropped += count,
            Message::Ended => self.trouble = Some("The run is over.".to_owned()),
        }
    }

    fn answer(&mut self, answer: Answer, of: Option<Command>) {
        match answer {
            Answer::Welcome(welcome) => {
                self.fleet = welcome.fleet;
                let now = welcome.status.now;
                self.lanes = self.fleet.devices.iter().map(|_| Lane::from(now)).collect();
                self.trouble = None;
                self.status(welcome.status);
                self.selected = usize::MAX;
                self.select(0);
                self.watch_again();
            }
            Answer::Done | Answer::Picture(_) => {}
            Answer::Parts(parts) => {
                if let Some(Command::Parts { device }) = of {
                    self.parts.know(&device, parts, self.status.now);
                }
            }
            Answer::Code(state) if state.device == self.name() => {
                let core = self.fleet.devices.get(self.selected).and_then(|device| device.core.as_deref());
                self.code.take(core.unwrap_or_default(), self.device.as_ref(), state);
            }
            Answer::Symbols(symbols) => {
                if matches!(of, Some(Command::Symbols { device, .. }) if device == self.name()) {
                    self.code.know(symbols);
                }
            }
            Answer::Interrupts(interrupts) => {
                if matches!(of, Some(Command::Interrupts { device }) if device == self.name()) {
                    self.interrupts = interrupts;
                }
            }
            Answer::Found(place) => self.found(place, of),
            Answer::Code(_) => {}
            Answer::Status(status) => self.status(status),
            Answer::Device(state) => self.device(state),
            Answer::Memory(state) if matches!(of, Some(Command::Memory { len, .. }) if len <= Watch::MOST) => {
                let watches = self.watches.get_mut(&state.device).into_iter().flatten();
                watches.for_each(|watch| watch.take(&state));
            }
            Answer::Memory(state) => self.memory(state),
            Answer::Peripherals(blocks) => {
                if matches!(of, Some(Command::Peripherals { device }) if device == self.name()) {
                    self.blocks(blocks);
                }
            }
            Answer::Digest(digest) => self.digest = Some((self.status.now, digest)),
        }
    }

    fn status(&mut self, status: Status) {
        for (lane, device) in self.lanes.iter_mut().zip(&status.devices) {
            lane.reach(status.now, device.activity == Activity::Running);
        }
        self.status = status;
    }

    fn device(&mut self, state: DeviceState) {
        if state.device != self.name() {
            return;
        }
        let Some(before) = self.device.replace(state) else { return };
        let Some(now) = &self.device else { return };
        // While nothing moves, the last step's changes stay marked.
        if before.now == now.now && before.registers == now.registers {
            return;
        }
        let differing = now.registers.iter().zip(&before.registers).filter(|(new, old)| new != old);
        self.changed = differing.map(|(new, _)| new.name.clone()).collect();
    }

    fn memory(&mut self, state: MemoryState) {
        if state.device != self.name() || state.addr != self.memory.addr {
            return;
        }
        let before = self.memory.state.replace(state);
        let (Some(before), Some(now)) = (before, &self.memory.state) else { return };
        if before.addr != now.addr {
            self.memory.changed.clear();
        } else if before.data != now.data {
            let differing = (now.addr..).zip(now.data.iter().zip(&before.data));
            self.memory.changed =
                differing.filter(|(_, (new, old))| new != old).map(|(addr, _)| addr).collect();
        }
    }

    fn blocks(&mut self, blocks: Vec<PeripheralState>) {
        let before = std::mem::replace(&mut self.peripherals, blocks);
        if before == self.peripherals {
            return;
        }
        self.changed_registers.clear();
        for (new, old) in self.peripherals.iter().zip(&before) {
            let differing = new.registers.iter().zip(&old.registers).filter(|(new, old)| new != old);
            self.changed_registers.extend(differing.map(|(register, _)| (new.name.clone(), register.offset)));
        }
    }

    /// What was set at a run before is set at this one.
    fn watch_again(&mut self) {
        let Some(before) = self.home.again.take() else { return };
        let known: BTreeSet<_> = self.fleet.devices.iter().map(|device| device.name.clone()).collect();
        if before.file != self.fleet.file {
            self.breakpoints.clear();
            self.watches.clear();
            self.places.clear();
        }
        self.breakpoints.retain(|device, _| known.contains(device));
        self.watches.retain(|device, _| known.contains(device));
        for device in known {
            if self.breakpoints.contains_key(&device) || self.watches.contains_key(&device) {
                self.tell_points(&device);
            }
        }
    }

    fn found(&mut self, place: Option<Addr>, of: Option<Command>) {
        let Some(Command::Find { device, data, addr, .. }) = of else { return };
        if device != self.name() {
            return;
        }
        self.memory.missed = None;
        match place {
            Some(place) => {
                self.memory.addr = place & !0xf;
                self.memory.found = place..place.saturating_add(data.len() as u64);
                self.inputs.address = format!("{place:#x}");
            }
            None => self.memory.missed = Some(format!("not found from {addr:#x} on")),
        }
    }

    fn event(&mut self, device: String, at: Time, kind: Kind) {
        let lane = self.index(&device).map(|index| &mut self.lanes[index]);
        match (kind, lane) {
            (Kind::Core(CoreEvent::Sleep), Some(lane)) => lane.sleep(at),
            (Kind::Core(CoreEvent::Wake | CoreEvent::Reset), Some(lane)) => lane.wake(at),
            (Kind::Core(CoreEvent::Entry { .. }), Some(lane)) => lane.interrupt(at),
            (Kind::Log { level, who, text }, _) => {
                keep(&mut self.log, LogLine { at, device, level, text: format!("{who}: {text}") });
            }
            (Kind::Report(report), _) => {
                let text = format!("{}: {report}", report.who);
                keep(&mut self.log, LogLine { at, device, level: Level::Info, text });
            }
            (Kind::Exit { code }, _) => {
                let text = format!("ended with exit code {code}");
                keep(&mut self.log, LogLine { at, device, level: Level::Info, text });
            }
            (Kind::Stimulus { what }, _) => {
                let text = format!("input {what}");
                keep(&mut self.log, LogLine { at, device, level: Level::Info, text });
            }
            _ => {}
        }
    }

    fn say(&mut self, device: String, level: Level, text: String) {
        keep(&mut self.log, LogLine { at: self.status.now, device, level, text });
    }
}

/// Whether panels ask this by themselves.
fn is_look(command: &Command) -> bool {
    use Command as C;
    matches!(
        command,
        C::Picture { .. }
            | C::Parts { .. }
            | C::Peripherals { .. }
            | C::Interrupts { .. }
            | C::Code { .. }
            | C::Symbols { .. }
            | C::Memory { .. }
            | C::Device { .. }
            | C::Status
    )
}
