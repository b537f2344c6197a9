//! The control protocol: how inspectors and scripts see and steer a run from another process.
//!
//! Both sides write JSON objects, one a line. A client sends [`Request`]s; the server answers each with one
//! [`Message::Reply`] or [`Message::Error`] of the same `id`, and sends notices of the [`Topic`]s the client
//! subscribed to. The first request must be [`Command::Hello`]. Here are only the types; who reads and
//! writes them owns the sockets.

use serde::{Deserialize, Serialize};

use crate::bus::Addr;
use crate::component::{Access, Coverage, PortKind};
use crate::cpu::{Role, Watchpoint};
use crate::device::{Activity, Interrupt, Port, Stats};
use crate::fleet::StimulusKind;
use crate::link::{Fate, Rule};
use crate::panel::{Form, Takes, Value};
use crate::radio::Position;
use crate::time::Time;
use crate::trace::Kind;

/// The protocol's version: both sides must have the same.
pub const VERSION: u32 = 1;

/// A longer line ends the connection.
pub const LONGEST_REQUEST: usize = 1 << 20;

/// The most bytes one [`Command::Memory`] reads.
pub const MOST_MEMORY: u32 = 1 << 16;

/// The most symbols one [`Command::Symbols`] lists.
pub const MOST_SYMBOLS: usize = 20_000;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The client's own number, which the answer repeats.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub command: Command,
}

/// What can be asked. Only [`Command::Stimulus`] changes what the guests see, and goes into the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Command {
    /// Begins; answered by [`Answer::Welcome`].
    Hello {
        /// The client's [`VERSION`].
        version: u32,
        /// The secret that the server printed when it started.
        token: String,
    },
    /// Replaces the client's topics.
    Subscribe {
        /// What it wants to hear of.
        topics: Vec<Topic>,
    },
    /// Lets the fleet run.
    Run {
        /// Pauses there; goes on without end when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// Stops between two windows.
    Pause,
    /// One instruction of one device, after which the fleet is paused; a sleeping device first sleeps on.
    StepInstruction {
        /// The device.
        device: String,
    },
    /// To the end of the next window in which anything happens, then paused.
    StepWindow,
    /// Lets the fleet run until something happens, then pauses: at the beginning of an interrupt's handler, or
    /// at the end of the window in which a frame was sent.
    RunTo {
        /// What.
        #[serde(flatten)]
        next: Next,
    },
    /// Replaces what this client wants a device to halt at. A halt pauses the fleet; it changes nothing.
    Points {
        /// The device.
        device: String,
        /// Addresses of instructions.
        #[serde(default)]
        breakpoints: Vec<Addr>,
        /// Accesses to memory.
        #[serde(default)]
        watchpoints: Vec<Watchpoint>,
    },
    /// How fast virtual time may go.
    Speed {
        /// Times real time; as fast as possible when absent.
        #[serde(default)]
        times: Option<f64>,
    },
    /// [`Answer::Status`].
    Status,
    /// [`Answer::Device`]: registers and figures of a device.
    Device {
        /// The device.
        device: String,
    },
    /// [`Answer::Memory`]: memory and, by peeks without side effects, peripherals.
    Memory {
        /// The device.
        device: String,
        /// The first address.
        addr: Addr,
        /// How many bytes, at most [`MOST_MEMORY`].
        len: u32,
    },
    /// [`Answer::Found`]: where some bytes are next in a device's memory.
    Find {
        /// The device.
        device: String,
        /// Where the search begins.
        addr: Addr,
        /// How many bytes are searched.
        len: u64,
        /// What is looked for.
        #[serde(with = "hex")]
        data: Vec<u8>,
    },
    /// [`Answer::Code`]: memory with the source lines that begin there.
    Code {
        /// The device.
        device: String,
        /// The first address.
        addr: Addr,
        /// How many bytes, at most [`MOST_MEMORY`].
        len: u32,
    },
    /// [`Answer::Symbols`]: those whose names have the text in them; nearly all, when it is empty.
    Symbols {
        /// The device.
        device: String,
        /// A part of their names, in any case.
        text: String,
    },
    /// [`Answer::Interrupts`].
    Interrupts {
        /// The device.
        device: String,
    },
    /// [`Answer::Peripherals`].
    Peripherals {
        /// The device.
        device: String,
    },
    /// [`Answer::Parts`]: what of a device shows or takes something.
    Parts {
        /// The device.
        device: String,
    },
    /// [`Answer::Picture`]: what a part shows.
    Picture {
        /// The device.
        device: String,
        /// The part.
        part: String,
        /// The client has the picture of this number: answered by `null` as long as it is the present one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// An outside input: UART bytes, a button, a sensor's value, power, a link's fault, a move.
    Stimulus {
        /// When it takes effect; as soon as possible when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Time>,
        /// So much later than that: how long a finger stays.
        #[serde(default, skip_serializing_if = "is_zero")]
        after: Time,
        /// On what it acts, and how.
        what: StimulusKind,
    },
    /// [`Answer::Digest`].
    Digest,
    /// Ends the run as if its time were over.
    End,
}

fn is_zero(time: &Time) -> bool {
    *time == Time::ZERO
}

/// What a run goes on to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "next", rename_all = "kebab-case")]
pub enum Next {
    /// The next frame on any link.
    Packet,
    /// The next interrupt or exception of a device.
    Interrupt {
        /// The device.
        device: String,
    },
}

/// A kind of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// [`Message::Uart`].
    Uart,
    /// [`Message::Frame`].
    Frames,
    /// [`Message::Event`] of processors and stimuli: many.
    Events,
    /// [`Message::Event`] of logs and exits.
    Logs,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Message {
    /// The answer to a request.
    Reply {
        /// The request's.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// A request that cannot be met.
    Error {
        /// The request's.
        id: u64,
        /// Why.
        message: String,
    },
    /// Bytes left a device's UART.
    Uart {
        /// The device.
        device: String,
        /// Its port.
        port: String,
        /// When.
        at: Time,
        /// The bytes.
        #[serde(with = "hex")]
        data: Vec<u8>,
    },
    /// A link took a frame.
    Frame(Frame),
    /// A trace event of a device.
    Event {
        /// The device.
        device: String,
        /// When.
        at: Time,
        /// What.
        #[serde(flatten)]
        kind: Kind,
    },
    /// The client reads too slowly: so many notices were dropped here.
    Dropped {
        /// How many.
        count: u64,
    },
    /// The run is over; the connection ends.
    Ended,
}

/// The answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Command::Hello`].
    Welcome(Box<Welcome>),
    /// Done; there is nothing to tell.
    Done,
    /// How the run is.
    Status(Status),
    /// How a device is.
    Device(DeviceState),
    /// Memory.
    Memory(MemoryState),
    /// Where the bytes are; `null` when they are not there.
    Found(Option<Addr>),
    /// A piece of a program.
    Code(CodeState),
    /// Symbols, the best matches first, at most [`MOST_SYMBOLS`].
    Symbols(Vec<Symbol>),
    /// Exceptions and interrupts; empty where the controller is not known.
    Interrupts(Vec<Interrupt>),
    /// All on-chip blocks of a device.
    Peripherals(Vec<PeripheralState>),
    /// What of a device shows or takes something, in the board's order.
    Parts(Vec<PartInfo>),
    /// What a part shows; `null` when the client has it already.
    Picture(Option<PictureInfo>),
    /// The digest of the run so far.
    Digest(String),
}

/// What a client learns first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The server's [`VERSION`].
    pub version: u32,
    /// The server's program and its version.
    pub server: String,
    /// The fleet.
    pub fleet: FleetInfo,
    /// How it is.
    pub status: Status,
}

/// What does not change in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetInfo {
    /// The fleet file's name.
    pub file: String,
    /// Its sentence about the fleet.
    pub doc: String,
    /// The seed in force.
    pub seed: u64,
    /// The devices, in the fleet's order.
    pub devices: Vec<DeviceInfo>,
    /// The links.
    pub links: Vec<LinkInfo>,
}

/// What does not change about a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Its name.
    pub name: String,
    /// Its board.
    pub board: String,
    /// Its processor core, if it has one.
    pub core: Option<String>,
    /// Its plugs.
    pub ports: Vec<Port>,
    /// The port that shows its console.
    pub console: Option<String>,
    /// Its memory.
    pub memory: Vec<MemoryRange>,
}

/// A range of a device's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRange {
    /// First address.
    pub base: Addr,
    /// Size in bytes.
    pub size: u64,
    /// Whether the guest can write it.
    pub writable: bool,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkInfo {
    /// Its name.
    pub name: String,
    /// What it carries.
    pub carries: PortKind,
    /// Where it ends; rules of [`StimulusKind::Link`] count these from 0.
    pub joins: Vec<LinkEnd>,
}

/// An end of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEnd {
    /// The device.
    pub device: String,
    /// Its port.
    pub port: String,
}

/// How the run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The fleet's virtual time.
    pub now: Time,
    /// Whether virtual time passes.
    pub running: bool,
    /// Where it will pause.
    pub until: Option<Time>,
    /// Times real time; as fast as possible when absent.
    pub speed: Option<f64>,
    /// Why it stopped by itself.
    pub halted: Option<String>,
    /// Windows run.
    pub windows: u64,
    /// Frames that links took.
    pub frames: u64,
    /// Each device, in the fleet's order.
    pub devices: Vec<DeviceStatus>,
    /// Each link, in the fleet's order.
    pub links: Vec<LinkStatus>,
}

/// How a link is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Its faults that are not over, with their numbers.
    pub faults: Vec<(usize, Rule)>,
    /// Where the antennas at its ends are; empty for media without places.
    pub places: Vec<Position>,
}

/// How a device is, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// What it is doing.
    pub activity: Activity,
    /// Figures of its run.
    pub stats: Stats,
}

/// How a device is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceState {
    /// The device.
    pub device: String,
    /// Its own present.
    pub now: Time,
    /// What it is doing.
    pub activity: Activity,
    /// Figures of its run.
    pub stats: Stats,
    /// The address of the next instruction.
    pub pc: Addr,
    /// The symbol that holds it, with the offset: `main+0x12`.
    pub symbol: Option<String>,
    /// All registers.
    pub registers: Vec<RegisterState>,
}

/// A register of a core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterState {
    /// GDB's name for it.
    pub name: String,
    /// Its width in bits.
    pub bits: u16,
    /// What it is for.
    pub role: Role,
    /// Its value in hexadecimal, without a prefix and in full width: up to 128 bits.
    pub value: String,
}

/// A piece of memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryState {
    /// The device.
    pub device: String,
    /// The first address.
    pub addr: Addr,
    /// The bytes in hexadecimal, `??` where nothing answers.
    #[serde(with = "patchy")]
    pub data: Vec<Option<u8>>,
}

/// A piece of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeState {
    /// The device.
    pub device: String,
    /// The first address.
    pub addr: Addr,
    /// The bytes in hexadecimal, `??` where nothing answers.
    #[serde(with = "patchy")]
    pub data: Vec<Option<u8>>,
    /// The source lines that begin in it.
    pub lines: Vec<SourceLine>,
}

/// A named place of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its address.
    pub addr: Addr,
    /// Its size in bytes; 0 when the firmware does not tell.
    pub size: u64,
}

/// Where a line of source begins in a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// The address of its first instruction here.
    pub addr: Addr,
    /// The file, as the compiler was given it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// An on-chip block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeripheralState {
    /// Its name in the board file.
    pub name: String,
    /// Its base address.
    pub base: Addr,
    /// Its registers.
    pub registers: Vec<PeripheralRegister>,
}

/// A register of an on-chip block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeripheralRegister {
    /// The manual's name.
    pub name: String,
    /// Offset from the block's base.
    pub offset: u32,
    /// Reads, writes or both.
    pub access: Access,
    /// How much of it is modelled.
    pub coverage: Coverage,
    /// Value after reset.
    pub reset: u32,
    /// Its present value, where it can be told without side effects.
    pub value: Option<u32>,
    /// Its fields.
    pub fields: Vec<RegisterField>,
}

/// A field of a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterField {
    /// The manual's name.
    pub name: String,
    /// Its lowest bit.
    pub lsb: u8,
    /// How many bits it has.
    pub width: u8,
}

impl RegisterField {
    /// The field's value in a register's.
    pub fn of(&self, value: u32) -> u32 {
        let mask = 1u64.checked_shl(u32::from(self.width)).unwrap_or(0).wrapping_sub(1);
        (u64::from(value).checked_shr(u32::from(self.lsb)).unwrap_or(0) & mask) as u32
    }
}

/// A part of a device that shows or takes something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartInfo {
    /// Its name in the board file.
    pub name: String,
    /// What stimuli can set.
    pub channels: Vec<ChannelInfo>,
    /// The number of its present picture; absent when it shows nothing.
    pub shows: Option<u64>,
}

/// A channel of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// Its name within the part.
    pub name: String,
    /// What it is, for people.
    pub doc: String,
    /// What it takes.
    pub takes: Takes,
    /// Its present value, where the model can tell it.
    pub value: Option<Value>,
}

/// What a part shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureInfo {
    /// Its number: another one means another picture.
    pub number: u64,
    /// Pixels in a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// What a pixel is.
    pub form: Form,
    /// How bright the light behind it is, from 0 (dark) to 255; the pixels are not dimmed by it.
    pub backlight: u8,
    /// The pixels as a PNG file, in Base64.
    pub png: String,
}

/// A frame on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The link.
    pub link: String,
    /// The device that sent it.
    pub from: String,
    /// When.
    pub at: Time,
    /// Its bytes.
    #[serde(with = "hex")]
    pub data: Vec<u8>,
    /// What became of it, per receiver.
    pub to: Vec<Arrival>,
}

/// What became of a frame for one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The receiver; absent when the frame was lost before it had one.
    pub device: Option<String>,
    /// When it arrives; absent when it does not.
    pub at: Option<Time>,
    /// Its fate.
    #[serde(flatten)]
    pub fate: Fate,
}

fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Bytes as hexadecimal text.
mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let all: Option<Vec<u8>> = super::patchy::deserialize(deserializer)?.into_iter().collect();
        all.ok_or_else(|| D::Error::custom("bytes may not be missing here"))
    }

    pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

/// Bytes as hexadecimal text, some of them unknown.
mod patchy {
    use serde::{Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[Option<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        let pair = |byte: &Option<u8>| byte.map_or_else(|| "??".to_owned(), |byte| format!("{byte:02x}"));
        serializer.serialize_str(&bytes.iter().map(pair).collect::<String>())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Option<u8>>, D::Error> {
        let text = super::hex::text(deserializer)?;
        let pair = |pair: &[u8]| match pair {
            b"??" => Some(None),
            [high, low] => Some(Some(super::digit(*high)? << 4 | super::digit(*low)?)),
            _ => None,
        };
        let bytes: Option<Vec<_>> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.ok_or_else(|| D::Error::custom("bytes are pairs of hexadecimal digits, or ??"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Action;
    use crate::link::{Fault, Rule};
    use crate::trace::{CoreEvent, Level};

    fn same<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> String {
        let text = serde_json::to_string(value).unwrap();
        assert!(!text.contains('\n'), "one line: {text}");
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
        text
    }

    #[test]
    fn requests_come_back_as_they_went() {
        let device = || "watch-1".to_owned();
        let on = |action| Command::Stimulus {
            at: Some(Time::from_us(2_500)),
            after: Time::ZERO,
            what: StimulusKind::Device(device(), action),
        };
        let rule =
            Rule { after: Time::ZERO, before: Time::MAX, from: Some(1), to: None, fault: Fault::Loss(5) };
        for command in [
            Command::Hello { version: VERSION, token: "x".to_owned() },
            Command::Subscribe { topics: vec![Topic::Uart, Topic::Logs] },
            Command::Run { until: None },
            Command::Run { until: Some(Time::from_ps(u64::MAX - 1)) },
            Command::Pause,
            Command::RunTo { next: Next::Packet },
            Command::RunTo { next: Next::Interrupt { device: device() } },
            Command::Find { device: device(), addr: 0, len: 1 << 33, data: vec![0xba, 0xbe] },
            Command::StepInstruction { device: device() },
            Command::Speed { times: Some(0.1) },
            Command::Speed { times: None },
            Command::Memory { device: device(), addr: u64::MAX, len: 16 },
            on(Action::Send { port: "uart0".to_owned(), data: b"ok\n".to_vec() }),
            on(Action::Set {
                component: "a".to_owned(),
                channel: "b".to_owned(),
                value: Value::Number(-1.5),
            }),
            on(Action::PowerOff),
            Command::Stimulus {
                at: None,
                after: Time::from_ms(100),
                what: StimulusKind::Link("home".to_owned(), rule),
            },
            Command::End,
        ] {
            same(&Request { id: u64::MAX, command });
        }
    }

    #[test]
    fn requests_can_be_written_by_hand() {
        let request: Request = serde_json::from_str(r#"{"do":"run","until":"1.5s","id":7}"#).unwrap();
        assert_eq!(request, Request { id: 7, command: Command::Run { until: Some(Time::from_ms(1_500)) } });
        assert!(serde_json::from_str::<Request>(r#"{"do":"fly","id":7}"#).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"do":"pause"}"#).is_err(), "an id is needed");
    }

    #[test]
    fn messages_come_back_as_they_went() {
        let at = Time::from_us(1);
        let event = |kind| Message::Event { device: "hub".to_owned(), at, kind };
        let arrival =
            |device: Option<&str>, at, fate| Arrival { device: device.map(str::to_owned), at, fate };
        for message in [
            Message::Reply { id: 1, answer: Answer::Done },
            Message::Reply { id: 1, answer: Answer::Digest("00ff".to_owned()) },
            Message::Reply { id: 1, answer: Answer::Status(Status::default()) },
            Message::Error { id: 2, message: "no".to_owned() },
            Message::Dropped { count: 3 },
            event(Kind::Core(CoreEvent::Entry { number: 15, pc: 0x100 })),
            event(Kind::Core(CoreEvent::Sleep)),
            event(Kind::Log { level: Level::GuestError, who: "uart0".to_owned(), text: "!".to_owned() }),
            event(Kind::Exit { code: -1 }),
            Message::Frame(Frame {
                link: "home".to_owned(),
                from: "hub".to_owned(),
                at,
                data: vec![0, 0xff],
                to: vec![
                    arrival(Some("watch-1"), Some(at), Fate::Delivered),
                    arrival(None, None, Fate::Dropped { rule: 3 }),
                ],
            }),
            Message::Ended,
        ] {
            same(&message);
        }
        let text = same(&Message::Uart {
            device: "hub".to_owned(),
            port: "uart0".to_owned(),
            at,
            data: b"A\n".to_vec(),
        });
        assert_eq!(text, r#"{"is":"uart","device":"hub","port":"uart0","at":"1us","data":"410a"}"#);
    }

    #[test]
    fn memory_tells_what_does_not_answer() {
        let text = same(&MemoryState {
            device: "hub".to_owned(),
            addr: 0x1000,
            data: vec![Some(0x1f), None, Some(0)],
        });
        assert!(text.contains(r#""1f??00""#), "{text}");
        for bad in ["1", "zz", "1f?", "é0"] {
            let text = format!(r#"{{"device":"hub","addr":0,"data":"{bad}"}}"#);
            assert!(serde_json::from_str::<MemoryState>(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_are_cut_out_of_registers() {
        let field = |lsb, width| RegisterField { name: String::new(), lsb, width };
        assert_eq!(field(0, 32).of(0xffff_ffff), 0xffff_ffff);
        assert_eq!(field(4, 3).of(0x7f), 7);
        assert_eq!(field(31, 1).of(0x8000_0000), 1);
        assert_eq!(field(40, 200).of(1), 0, "nonsense from the other side is harmless");
    }
}
