//! What the inspector knows of the fleet: a plain snapshot that panels draw and messages fill.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use consort_core::control::{
    Answer, Command, DeviceState, FleetInfo, Frame, MemoryState, Message, PeripheralState, Status,
};
use consort_core::device::{Action, Activity};
use consort_core::fleet::StimulusKind;
use consort_core::trace::{CoreEvent, Kind, Level};
use consort_core::{Addr, Time};
use egui::Pos2;

use crate::console::Console;
use crate::lane::Lane;

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
    /// The selected device's on-chip blocks.
    pub peripherals: Vec<PeripheralState>,
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
    /// Only log lines with this.
    pub log_filter: String,
    /// The address to show.
    pub address: String,
    /// Only blocks with this.
    pub block_filter: String,
    /// How much virtual time the timeline shows, 0 for its default.
    pub span: Time,
}

/// A packet with its number.
pub struct Packet {
    /// Counted from 1.
    pub number: u64,
    /// What the link took.
    pub frame: Frame,
    /// The protocol and what it says.
    pub words: crate::decode::Words,
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
        let console = self.fleet.devices[index].console.clone();
        self.inputs.console = console.map(|port| (self.fleet.devices[index].name.clone(), port));
    }

    /// Asks the server for something, after this pass.
    pub fn ask(&mut self, command: Command) {
        self.asked.push(command);
    }

    /// Gives a device an outside input, as soon as possible.
    pub fn act(&mut self, device: &str, action: Action) {
        self.ask(Command::Stimulus { at: None, what: StimulusKind::Device(device.to_owned(), action) });
    }

    /// What was asked since the last call.
    pub fn take_asked(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.asked)
    }

    /// Takes in what the server says; `of` is the request of a reply.
    pub fn apply(&mut self, message: Message, of: Option<Command>) {
        match message {
            Message::Reply { answer, .. } => self.answer(answer, of),
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
                let words = crate::decode::words(&frame.data);
                keep(&mut self.packets, Packet { number: self.packets_seen, frame, words });
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
            }
            Answer::Done | Answer::Parts(_) | Answer::Picture(_) => {}
            Answer::Status(status) => self.status(status),
            Answer::Device(state) => self.device(state),
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
