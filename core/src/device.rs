//! What the fleet sees of a device.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bus::{Addr, BusError};
use crate::component::{PortKind, SetError, Value};
use crate::cpu::{RegisterInfo, Semihosting, WatchKind, Watchpoint};
use crate::panel::{PartState, Picture};
use crate::state::StateError;
use crate::time::Time;
use crate::trace::{Digest, Event};
use crate::wire::WireKind;

/// A device's plug to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name within the device, such as `uart0`.
    pub name: String,
    /// What it carries.
    pub kind: PortKind,
}

/// A frame that left a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Time,
    /// Through which port (index in [`Device::ports`]).
    pub port: u16,
    /// Its bytes.
    pub data: Arc<[u8]>,
}

/// An outside input, as a scenario, a person or a debugger gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// Bytes arrive at a port that no link drives (what a person types).
    Send {
        /// The port's name.
        port: String,
        /// The bytes.
        data: Vec<u8>,
    },
    /// A channel of a component changes: a button, a sensor.
    Set {
        /// The component's name.
        component: String,
        /// Its channel.
        channel: String,
        /// The new value.
        value: Value,
    },
    /// The reset pin.
    Reset,
    /// Power goes off: nothing runs, inputs are lost.
    PowerOff,
    /// Power comes on: a cold start; RAM keeps its bytes as real SRAM may.
    PowerOn,
    /// Other firmware is written to memory, as a programmer does; nothing is reset.
    Program {
        /// What is written, and where.
        segments: Vec<Segment>,
        /// What is where in it, in order of address; functions before data, what others can see before the rest.
        #[serde(default)]
        symbols: Vec<Named>,
    },
}

/// A named place in a firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name, mangled.
    pub name: String,
    /// Where it begins.
    pub at: Addr,
    /// In bytes; 0 when nobody knows.
    pub size: u64,
}

/// Bytes for a place in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The first address.
    pub at: Addr,
    /// The bytes; as text, pairs of hexadecimal digits.
    #[serde(with = "hex")]
    pub data: Vec<u8>,
}

/// Bytes as pairs of hexadecimal digits.
mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
        let pair = |pair: &[u8]| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        };
        let bytes = text.as_bytes().chunks(2).map(pair).collect::<Option<_>>();
        bytes.ok_or_else(|| D::Error::custom("expected pairs of hexadecimal digits"))
    }
}

/// What a device is given, at a virtual time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// A frame from a link.
    Frame {
        /// The port it arrives at.
        port: u16,
        /// Its bytes.
        data: Arc<[u8]>,
    },
    /// A stimulus.
    Action(Action),
}

/// An input with its place in the order of all inputs: (time, source, sequence).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// When it takes effect.
    pub at: Time,
    /// Who gave it: 0 for stimuli, 1 + the sender's index for frames.
    pub source: u32,
    /// Its number among the source's inputs.
    pub seq: u64,
    /// What it is.
    pub what: What,
}

/// Why a device halted in the middle of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// A breakpoint, at the PC.
    Breakpoint,
    /// A watchpoint.
    Watchpoint {
        /// The access.
        addr: Addr,
        /// What matched.
        kind: WatchKind,
    },
    /// A semihosting call that a debugger answers ([`Debug::finish_call`]).
    Call(Semihosting),
    /// A reset; the first instruction comes next.
    Reset,
    /// Consort does not model what the guest needs; the message names it.
    Unimplemented(String),
}

/// What besides instructions and accesses halts a device, where somebody wants it to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occasions {
    /// Semihosting calls for console and files, which a debugger then answers.
    pub calls: bool,
    /// Resets.
    pub resets: bool,
}

/// How a run of a device ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// At the end of the window.
    Reached,
    /// Before it.
    Halted(Halt),
}

/// Figures of a device's run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Instructions executed.
    pub instructions: u64,
    /// Exceptions taken.
    pub exceptions: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames received.
    pub received: u64,
}

/// What a device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Executing instructions.
    Running,
    /// Waiting for an event.
    Asleep,
    /// Locked up; only a reset helps.
    LockedUp,
    /// Its guest ended its program.
    Exited,
    /// Without power.
    Off,
}

/// A member of the fleet. Its run depends on its own state and the inputs given to it, on nothing else.
pub trait Device: Send {
    /// Its plugs.
    fn ports(&self) -> &[Port];
    /// Lets a wire of a kind end at `component` or `component.pin`: a new port, on whose wire signals are underway for
    /// `latency`. Only before the first run.
    fn plug(&mut self, name: &str, kind: WireKind, latency: Time) -> Result<u16, String> {
        let _ = (name, latency);
        Err(format!("the device has no {kind} wires"))
    }
    /// The device's own present: at most one instruction behind the last `end` it ran to, or earlier
    /// when it sleeps or halted.
    fn now(&self) -> Time;
    /// When it next has something to do: its present while it runs, [`Time::MAX`] for never.
    fn next_event(&self) -> Time;
    /// How long after its next event the device can send through a port at the earliest, whatever happens until
    /// then. A radio needs its ramp-up; the longer this is, the longer are the fleet's windows.
    fn headroom(&self, port: u16) -> Time {
        let _ = port;
        Time::ZERO
    }
    /// Runs everything that begins before `end`.
    fn run_until(&mut self, end: Time) -> Ran;
    /// One instruction for a debugger, as [`Debug::step`]; `None` without a processor.
    fn step(&mut self, end: Time) -> Option<Ran> {
        Some(self.debug()?.step(end))
    }
    /// Gives it an input, in any order; inputs take effect in the order of (time, source, sequence).
    fn give(&mut self, input: Input);
    /// Checks that an action could be given, without giving it.
    fn check(&self, action: &Action) -> Result<(), SetError>;
    /// Moves the frames sent since the last call to `out`, in order of time.
    fn take_sent(&mut self, out: &mut Vec<Sent>);
    /// Moves the trace events since the last call to `out`, in order of time.
    fn take_events(&mut self, out: &mut Vec<Event>);
    /// Whether every event is wanted (a trace), or only logs and exits.
    fn want_events(&mut self, wanted: bool);
    /// Brings the state up to `now`, until which the device has run: what nobody could notice may have been put
    /// off. Comes before [`Device::save`] and [`Device::digest`].
    fn settle(&mut self, now: Time) {
        let _ = now;
    }
    /// The whole state.
    fn save(&self) -> Result<Vec<u8>, StateError>;
    /// Becomes what was saved; the device must be built from the same board and firmware.
    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError>;
    /// The digest of its events and its present state.
    fn digest(&self) -> Result<Digest, StateError>;
    /// Figures of its run.
    fn stats(&self) -> Stats;
    /// What it is doing.
    fn activity(&self) -> Activity;
    /// What of it shows or takes something, in the board's order.
    fn parts(&self) -> Vec<PartState> {
        Vec::new()
    }
    /// What a part shows.
    fn picture(&self, part: &str) -> Option<Picture> {
        let _ = part;
        None
    }
    /// The output lines of its components, `component.line`, with their present levels.
    fn lines(&self) -> Vec<(String, bool)> {
        Vec::new()
    }
    /// The contents of its parts' memories that outlive power, by the parts' names.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }
    /// The debugger's door, where the device has a processor.
    fn debug(&mut self) -> Option<&mut dyn Debug>;
}

/// A device with a processor, as a debugger sees it. Nothing here changes the run except the writes.
pub trait Debug {
    /// The core's name.
    fn core(&self) -> &'static str;
    /// All registers, in GDB's order.
    fn registers(&self) -> &'static [RegisterInfo];
    /// A register's value.
    fn register(&self, index: usize) -> Option<u128>;
    /// Changes a register.
    fn set_register(&mut self, index: usize, value: u128) -> bool;
    /// The address of the next instruction.
    fn pc(&self) -> Addr;
    /// Memory and, by side-effect-free peeks, peripherals.
    fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError>;
    /// Memory (ROM too); peripheral registers are written as the guest would.
    fn write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError>;
    /// Replaces all breakpoints.
    fn set_breakpoints(&mut self, at: &[Addr]);
    /// Replaces all watchpoints.
    fn set_watchpoints(&mut self, at: &[Watchpoint]);
    /// Replaces what else halts it.
    fn set_occasions(&mut self, occasions: Occasions) {
        let _ = occasions;
    }
    /// Ends the call it halted for: with the debugger's result and error number, or without them as if nobody had
    /// wanted to answer. A call that is not ended happens again.
    fn finish_call(&mut self, answer: Option<(u64, u32)>) {
        let _ = answer;
    }
    /// One instruction; a sleeping core first sleeps on until it wakes, but not beyond `end`.
    fn step(&mut self, end: Time) -> Ran;
    /// The address ranges of memory (`true` = writable), for GDB's memory map.
    fn memory_map(&self) -> Vec<(Addr, u64, bool)>;
    /// Peripherals by name with base address and registers.
    fn peripherals(&self) -> Vec<PeripheralView>;
    /// Another number whenever the firmware's symbols are others.
    fn edition(&self) -> u64 {
        0
    }
    /// The symbol that holds `addr`, with the offset in it.
    fn symbol_at(&self, addr: Addr) -> Option<(&str, u64)>;
    /// The address and size of the symbol of this name.
    fn symbol_named(&self, name: &str) -> Option<(Addr, u64)> {
        let _ = name;
        None
    }
    /// At most `most` symbols whose name has `text` in it (in any case), with address and size; the ones that
    /// begin with it first.
    fn find_symbols(&self, text: &str, most: usize) -> Vec<(&str, Addr, u64)> {
        let _ = (text, most);
        Vec::new()
    }
    /// Exceptions and interrupts as the processor's controller has them; empty where it is not known.
    fn interrupts(&self) -> Vec<Interrupt> {
        Vec::new()
    }
}

/// An exception or interrupt of a processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupt {
    /// The architecture's exception number.
    pub number: u16,
    /// What raises it: a component's output, or the architecture's name.
    pub name: String,
    /// Whether it may be taken.
    pub enabled: bool,
    /// Whether it waits to be taken.
    pub pending: bool,
    /// Whether it is being handled.
    pub active: bool,
    /// Its priority, lower is more urgent; absent when it is fixed.
    pub priority: Option<u8>,
    /// Where its handler begins.
    pub handler: Option<Addr>,
}

/// A peripheral as a debugger sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeripheralView {
    /// Its name in the board file.
    pub name: String,
    /// Its base address.
    pub base: Addr,
    /// Its registers with their present values.
    pub registers: Vec<(&'static crate::component::Register, Option<u32>)>,
}
