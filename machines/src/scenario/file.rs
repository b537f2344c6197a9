//! The scenario file: a fleet, a limit, and the steps that drive and judge it, as data.

use std::collections::BTreeMap;

use consort_core::Time;
use consort_core::component::Value;
use consort_core::link::Fault;
use consort_core::radio::Position;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::board::Num;
use crate::fleet_file::{FleetFile, Images};

/// A test of a fleet described by data.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScenarioFile {
    /// Where the schema is, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// One sentence: what holds when this passes.
    #[serde(default)]
    pub doc: String,
    /// The fleet: the path of a fleet file (relative to this file), or a whole fleet.
    #[schemars(schema_with = "fleet_schema")]
    pub fleet: serde_json::Value,
    /// Seeds to run with, each a run of its own; the fleet's own seed when absent.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// The run fails when it is not over at this virtual time, default 1min.
    #[serde(default = "default_limit")]
    pub limit: Time,
    /// What must not happen at any time of the run.
    #[serde(default)]
    pub never: Vec<Happening>,
    /// What is done and expected, one after the other.
    pub steps: Vec<Step>,
}

fn default_limit() -> Time {
    Time::from_secs(60)
}

fn fleet_schema(generator: &mut SchemaGenerator) -> Schema {
    let fleet = generator.subschema_for::<FleetFile>();
    schemars::json_schema!({
        "description": "The path of a fleet file, relative to this file, or a whole fleet.",
        "anyOf": [{ "type": "string" }, fleet]
    })
}

/// One thing done or expected.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Wait until something happens; the next step acts 1 ms after it.
    Wait(Happening),
    /// Let time pass in which something must not happen.
    Forbid(Happening),
    /// Let time pass.
    RunFor(Time),
    /// Let time pass until this time of the run.
    RunUntil(Time),
    /// Type text on a UART.
    Send(Send),
    /// Change a channel of a component: a sensor's reading, a switch.
    Set(Set),
    /// Press a button, hold it, and release it.
    Press(Press),
    /// Touch a panel, or swipe over it.
    Touch(Touch),
    /// Compare what a part shows with a PNG file.
    Picture(PictureStep),
    /// Reset or power, with other firmware if wanted.
    Power(Power),
    /// Disturb a link, from now on or for a while.
    Fault(FaultStep),
    /// Carry a device somewhere else: its radios are heard from there.
    Move(Move),
    /// Compare memory, a register, a count or a captured value.
    Expect(Expect),
    /// Compare the time between two marks.
    ExpectTime(ExpectTime),
    /// Remember the present under a name, for `expect-time`.
    Mark(String),
    /// The same steps several times.
    Repeat(Repeat),
    /// Branches that run at the same time; the next step acts when the last of them has ended.
    Parallel(Vec<Vec<Step>>),
}

impl Step {
    /// Its name in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Wait(_) => "wait",
            Self::Forbid(_) => "forbid",
            Self::RunFor(_) => "run-for",
            Self::RunUntil(_) => "run-until",
            Self::Send(_) => "send",
            Self::Set(_) => "set",
            Self::Press(_) => "press",
            Self::Touch(_) => "touch",
            Self::Picture(_) => "picture",
            Self::Power(_) => "power",
            Self::Fault(_) => "fault",
            Self::Move(_) => "move",
            Self::Expect(_) => "expect",
            Self::ExpectTime(_) => "expect-time",
            Self::Mark(_) => "mark",
            Self::Repeat(_) => "repeat",
            Self::Parallel(_) => "parallel",
        }
    }
}

/// `wait`, `forbid` and `never`: one of `line`, `text`, `log`, `report`, `exit`, `packet` and `pin`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Happening {
    /// On which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// Which UART; the board's console when absent.
    #[serde(default)]
    pub uart: Option<String>,
    /// A regular expression that a complete line of the UART matches; named groups `(?<name>...)` are captured.
    #[serde(default)]
    pub line: Option<String>,
    /// A regular expression tried at each character, for prompts that no line end follows.
    #[serde(default)]
    pub text: Option<String>,
    /// A regular expression that a message of the device's models matches (`component: text`).
    #[serde(default)]
    pub log: Option<String>,
    /// What a model reports above the level of bytes: on the soft bus, who is found, online, in session.
    #[serde(default)]
    pub report: Option<ReportStep>,
    /// The code with which the guest ends its program.
    #[serde(default)]
    pub exit: Option<i32>,
    /// A frame on a link.
    #[serde(default)]
    pub packet: Option<Packet>,
    /// An edge of an output, `component.line`: `"gpio.p13"`.
    #[serde(default)]
    pub pin: Option<String>,
    /// The level that the pin changes to: true for a rising edge, false for a falling one; either when absent.
    #[serde(default)]
    pub level: Option<bool>,
    /// `wait`: how long, default until the limit.
    #[serde(default)]
    pub within: Option<Time>,
    /// `wait`: only what happens from now on counts, not what came since the last match.
    #[serde(default)]
    pub only_new: bool,
    /// `wait`: remember the time of it under this name, for `expect-time`.
    #[serde(default)]
    pub mark: Option<String>,
    /// `forbid`: for how long, which must be said.
    #[serde(default, rename = "for")]
    pub span: Option<Time>,
}

/// Which reports of a device's models.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReportStep {
    /// Its word, such as `online`; those of the soft bus are in its documentation.
    pub what: String,
    /// Only of this component.
    #[serde(default)]
    pub who: Option<String>,
    /// Regular expressions for its details, by name; named groups are captured.
    #[serde(default)]
    pub details: BTreeMap<String, String>,
}

/// Which frames of a link.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Packet {
    /// The link.
    pub link: String,
    /// Only frames that this device sent.
    #[serde(default)]
    pub from: Option<String>,
    /// Only frames for this device.
    #[serde(default)]
    pub to: Option<String>,
    /// The frame holds these bytes somewhere: hexadecimal, `..` for any byte.
    #[serde(default)]
    pub hex: Option<String>,
    /// Where the bytes of `hex` begin in the frame; anywhere when absent.
    #[serde(default)]
    pub at: Option<usize>,
    /// True: only frames that were lost on the way; false: only frames that arrive.
    #[serde(default)]
    pub lost: Option<bool>,
}

/// `send`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Send {
    /// On which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// Which UART; the board's console when absent.
    #[serde(default)]
    pub uart: Option<String>,
    /// What to type; `${name}` stands for a captured value.
    pub text: String,
}

/// `set`: `to`, or `curve`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Set {
    /// On which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// `component.channel`, such as `"fpgaio.button0"`.
    pub channel: String,
    /// What to set it to, now.
    #[serde(default)]
    pub to: Option<Value>,
    /// What to set it to, and how long after now; the next step does not wait for it.
    #[serde(default)]
    pub curve: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CurvePoint {
    /// How long after the step begins.
    pub after: Time,
    /// The value from then on.
    pub to: Value,
}

/// `press`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Press {
    /// On which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// `component.channel`, such as `"fpgaio.button0"`.
    pub button: String,
    /// How long it is held, default 100ms; the next step acts when it is released.
    #[serde(default = "default_press", rename = "for")]
    pub span: Time,
}

fn default_press() -> Time {
    Time::from_ms(100)
}

/// `touch`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Touch {
    /// On which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// `component.channel`, such as `"screen.finger"`.
    pub panel: String,
    /// Where: pixels from the left, and from the top.
    pub at: [f64; 2],
    /// Where the finger goes, evenly; it stays when absent.
    #[serde(default)]
    pub to: Option<[f64; 2]>,
    /// How long it touches, default 100ms; the next step acts when it is lifted.
    #[serde(default = "default_press", rename = "for")]
    pub span: Time,
}

/// `picture`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PictureStep {
    /// On which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// What shows it: a component's name, such as `"display"`.
    pub part: String,
    /// A PNG file, relative to this file.
    pub is: String,
    /// By how much red, green and blue of a pixel may differ, of 255; default 0.
    #[serde(default)]
    pub tolerance: u8,
    /// How many pixels may differ by more, default 0.
    #[serde(default)]
    pub differing: u32,
    /// Look again every millisecond until it is so, for this long; only now when absent.
    #[serde(default)]
    pub within: Option<Time>,
}

/// `power`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Power {
    /// On which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// What to do.
    #[serde(rename = "do")]
    pub what: PowerWhat,
    /// How long `cycle` stays off, default 100ms; the next step acts when power is back.
    #[serde(default = "default_press", rename = "for")]
    pub span: Time,
    /// Firmware that replaces the device's own from now on, before it starts again: files relative to this one.
    #[serde(default)]
    pub firmware: Option<Images>,
}

/// What can be done to a device's power and reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerWhat {
    /// The reset pin.
    Reset,
    /// Power off.
    Off,
    /// Power on.
    On,
    /// Power off, and on again after a while.
    Cycle,
}

/// `fault`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultStep {
    /// The link.
    pub link: String,
    /// Only frames of this device.
    #[serde(default)]
    pub from: Option<String>,
    /// Only frames to this device.
    #[serde(default)]
    pub to: Option<String>,
    /// `"cut"`, `{"loss": 50000}` (of a million), `{"delay": "2ms"}`.
    pub fault: Fault,
    /// For how long, default to the end of the run; the next step does not wait for it.
    #[serde(default, rename = "for")]
    pub span: Option<Time>,
}

/// `move`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Move {
    /// Which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// Where to, in metres.
    pub to: Position,
}

/// `expect`: one of `symbol`, `memory`, `register`, `core`, `pin`, `count` and `value`, and what it must be.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Expect {
    /// On which device; may be absent in a fleet of one.
    #[serde(default)]
    pub device: Option<String>,
    /// A variable, by its name in the ELF's symbol table.
    #[serde(default)]
    pub symbol: Option<String>,
    /// An address.
    #[serde(default)]
    pub memory: Option<Num>,
    /// `peripheral.REGISTER` with the manual's name, such as `"fpgaio.LED0"`; reading it has no side effect.
    #[serde(default)]
    pub register: Option<String>,
    /// A register of the processor, by GDB's name: `"pc"`, `"r0"`.
    #[serde(default)]
    pub core: Option<String>,
    /// The level of an output, `component.line`: 0 or 1.
    #[serde(default)]
    pub pin: Option<String>,
    /// A figure of the device's run.
    #[serde(default)]
    pub count: Option<Count>,
    /// A captured value: `"${bpm}"`.
    #[serde(default)]
    pub value: Option<String>,
    /// Bytes after the beginning of the symbol.
    #[serde(default)]
    pub offset: Option<Num>,
    /// 1, 2, 4 or 8 bytes, little endian; default the symbol's size, or 4.
    #[serde(default)]
    pub size: Option<u8>,
    /// The number in memory is a two's complement one.
    #[serde(default)]
    pub signed: bool,
    /// Only these bits are compared.
    #[serde(default)]
    pub mask: Option<Num>,
    /// It is this.
    #[serde(default)]
    pub is: Option<Operand>,
    /// It is anything but this.
    #[serde(default)]
    pub not: Option<Operand>,
    /// It is this or more.
    #[serde(default)]
    pub at_least: Option<Operand>,
    /// It is this or less.
    #[serde(default)]
    pub at_most: Option<Operand>,
    /// Look again every millisecond until it holds, for this long; only now when absent.
    #[serde(default)]
    pub within: Option<Time>,
}

/// Figures of a device's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// Instructions executed.
    Instructions,
    /// Exceptions taken.
    Exceptions,
    /// Frames and UART bytes sent.
    Sent,
    /// Frames received.
    Received,
}

/// A number, or text: `"0x20"`, `"-5"`, `"${name}"` for a captured value.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Operand {
    /// A number.
    Number(i64),
    /// Text.
    Text(String),
}

/// `expect-time`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectTime {
    /// The earlier mark; the beginning of the run when absent.
    #[serde(default)]
    pub from: Option<String>,
    /// The later mark; the present when absent.
    #[serde(default)]
    pub to: Option<String>,
    /// No less than this between them.
    #[serde(default)]
    pub at_least: Option<Time>,
    /// No more than this.
    #[serde(default)]
    pub at_most: Option<Time>,
}

/// `repeat`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub times: u32,
    /// What.
    pub steps: Vec<Step>,
}
