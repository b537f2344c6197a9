//! Peripherals (on-chip blocks with registers) and parts (off-chip components on a bus), and the
//! context [`Cx`] through which alone they act on the world.
//!
//! A component knows its own registers and state; it knows neither its address, nor its interrupt
//! number, nor other components. What it does is data ([`Effect`]) that the machine carries out.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bus::{Addr, BusError, Memory, Width};
use crate::cpu::Watchpoint;
pub use crate::panel::{Channel, Form, Picture, SetError, Takes, Value};
use crate::rng::Rng;
use crate::state::State;
use crate::time::Time;
use crate::trace::Level;
use crate::wire::{Signal, WireKind};

/// What a register allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and write.
    ReadWrite,
    /// Read only.
    ReadOnly,
    /// Write only.
    WriteOnly,
}

/// How much of a register a model covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Behaves as the manual says.
    Modelled,
    /// Some fields or effects are missing; the register's `doc` says which.
    Partial,
    /// Holds its value and nothing more.
    Stub,
}

/// A field of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The manual's name.
    pub name: &'static str,
    /// Its lowest bit.
    pub lsb: u8,
    /// How many bits it has.
    pub width: u8,
}

impl Field {
    /// Bits `lsb .. lsb + width`.
    pub const fn new(name: &'static str, lsb: u8, width: u8) -> Self {
        Self { name, lsb, width }
    }
}

/// A register as the manual describes it: faults, logs, debuggers and the inspector name it from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Register {
    /// Offset from the peripheral's base, in bytes.
    pub offset: u32,
    /// The manual's name.
    pub name: &'static str,
    /// Reads, writes or both.
    pub access: Access,
    /// Value after reset.
    pub reset: u32,
    /// Its fields; empty when it is one number.
    pub fields: &'static [Field],
    /// How much of it works.
    pub coverage: Coverage,
}

impl Register {
    /// A fully modelled register without named fields.
    pub const fn new(offset: u32, name: &'static str, access: Access, reset: u32) -> Self {
        Self { offset, name, access, reset, fields: &[], coverage: Coverage::Modelled }
    }
    /// A fully modelled read-write register.
    pub const fn rw(offset: u32, name: &'static str, reset: u32) -> Self {
        Self::new(offset, name, Access::ReadWrite, reset)
    }
    /// A fully modelled read-only register.
    pub const fn ro(offset: u32, name: &'static str, reset: u32) -> Self {
        Self::new(offset, name, Access::ReadOnly, reset)
    }
    /// A fully modelled write-only register.
    pub const fn wo(offset: u32, name: &'static str) -> Self {
        Self::new(offset, name, Access::WriteOnly, 0)
    }
    /// Names the fields.
    pub const fn fields(self, fields: &'static [Field]) -> Self {
        Self { fields, ..self }
    }
    /// Says that the model is not complete.
    pub const fn coverage(self, coverage: Coverage) -> Self {
        Self { coverage, ..self }
    }
}

/// What a port carries, so that a link joins only ports it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PortKind {
    /// Bytes of a serial line.
    Uart,
    /// Ethernet frames without preamble and FCS.
    Ethernet,
    /// Packets on the air.
    Radio,
    /// [Signals](Signal) on wires.
    Wire,
}

/// Why a machine is reset. Which state survives which reset is for each component to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetCause {
    /// Power came.
    PowerOn,
    /// The reset pin.
    Pin,
    /// A watchdog.
    Watchdog,
    /// The program asked for it.
    Software,
    /// The processor locked up.
    Lockup,
    /// Something woke the chip out of a state without a running processor.
    WakeUp,
}

impl std::fmt::Display for ResetCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::PowerOn => "power on",
            Self::Pin => "the reset pin",
            Self::Watchdog => "watchdog",
            Self::Software => "requested by the processor",
            Self::Lockup => "the processor locked up",
            Self::WakeUp => "wake-up",
        })
    }
}

/// What an effect asks the machine to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Drive an output line (interrupt request, pin) to a level.
    Line {
        /// Index in the component's [`Component::lines`].
        line: u16,
        /// High or low.
        level: bool,
    },
    /// Raise and drop an output line within this instant: an edge.
    Pulse {
        /// Index in the component's [`Component::lines`].
        line: u16,
    },
    /// Put an analog output line on a voltage.
    Volts {
        /// Index in the component's [`Component::lines`].
        line: u16,
        /// Millionths of a volt.
        microvolts: i64,
    },
    /// Send a frame through the component's port.
    Send {
        /// The frame.
        data: Arc<[u8]>,
    },
    /// Tell the other ends of a wire.
    Signal {
        /// Which of the component's pins; 0 where wires end at the whole component.
        pin: u16,
        /// What.
        signal: Signal,
    },
    /// Write to the trace's log.
    Log {
        /// How serious.
        level: Level,
        /// What.
        text: String,
    },
    /// Write a report to the trace.
    Report {
        /// What happened, in one word.
        what: &'static str,
        /// What there is to know about it.
        details: BTreeMap<String, String>,
    },
    /// The component generated the hardware event whose register is at `offset` (event systems such as
    /// PPI listen).
    Event {
        /// Offset of the event's register.
        offset: u32,
    },
    /// Write a word as a bus master (an event system triggering a task).
    Write {
        /// Where.
        addr: Addr,
        /// What.
        value: u32,
    },
    /// Reset the machine (watchdog, reset controller).
    Reset {
        /// Why.
        cause: ResetCause,
    },
    /// Let the processor execute nothing from ROM before a time; all else goes on.
    Stall {
        /// When it may go on.
        until: Time,
    },
    /// Switch the processor's cache of code in ROM on or off.
    CodeCache {
        /// Whether it is on.
        on: bool,
    },
    /// Ask the component again what it [watches](Component::watches).
    Watch,
    /// Switch the processor and the peripherals' clocks off until the next reset; inputs are still heard.
    PowerDown,
}

/// The other side of a component: guest memory for DMA, and the parts on a bus.
pub trait Host {
    /// DMA read of guest memory.
    fn dma_read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), BusError>;
    /// DMA write to guest memory.
    fn dma_write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError>;
    /// START (or repeated START) with a 7-bit address on `bus`'s I2C wires; true when a part acknowledged.
    fn i2c_start(&mut self, bus: NodeId, address: u8, read: bool) -> bool;
    /// A byte to the addressed part; true when it acknowledged.
    fn i2c_write(&mut self, bus: NodeId, byte: u8) -> bool;
    /// A byte from the addressed part, 0xFF when nobody drives the wire; `last` = the master will not
    /// acknowledge it.
    fn i2c_read(&mut self, bus: NodeId, last: bool) -> u8;
    /// STOP.
    fn i2c_stop(&mut self, bus: NodeId);
    /// Exchanges a word of `bits` bits on `bus`'s SPI wires with whichever part is selected; all ones
    /// when none is.
    fn spi(&mut self, bus: NodeId, mosi: u32, bits: u8) -> u32;
    /// Exchanges bytes, each replaced by its answer: what [`Host::spi`] for one after the other does, faster.
    fn spi_bytes(&mut self, bus: NodeId, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.spi(bus, u32::from(*byte), 8) as u8;
        }
    }
    /// Where a wire ends at a component's pin, how long a signal is underway on it.
    fn wire(&self, node: NodeId, pin: u16) -> Option<Time> {
        let _ = (node, pin);
        None
    }
}

/// A component's index in its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u16);

/// What a component may see and do while it is called: nothing else exists for it.
pub struct Cx<'a> {
    now: Time,
    node: NodeId,
    effects: &'a mut Vec<(NodeId, Effect)>,
    wake: &'a mut Time,
    rng: &'a mut Rng,
    host: &'a mut dyn Host,
}

impl<'a> Cx<'a> {
    /// Made by the machine (or a test rig) for one call of component `node`.
    pub fn new(
        now: Time,
        node: NodeId,
        effects: &'a mut Vec<(NodeId, Effect)>,
        wake: &'a mut Time,
        rng: &'a mut Rng,
        host: &'a mut dyn Host,
    ) -> Self {
        Self { now, node, effects, wake, rng, host }
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Drives output line `line` (see [`Component::lines`]). Driving the level it has is free of effect.
    pub fn drive(&mut self, line: u16, level: bool) {
        self.effects.push((self.node, Effect::Line { line, level }));
    }

    /// Gives an edge on output line `line`.
    pub fn pulse(&mut self, line: u16) {
        self.effects.push((self.node, Effect::Pulse { line }));
    }

    /// Puts analog output line `line` on a voltage: what it is wired to learns it by [`Component::volts`].
    pub fn volts(&mut self, line: u16, microvolts: i64) {
        self.effects.push((self.node, Effect::Volts { line, microvolts }));
    }

    /// Asks for [`Component::wake`] at `at`, instead of any earlier request. A time that is not in the
    /// future means "at once, after this call".
    pub fn wake_at(&mut self, at: Time) {
        *self.wake = at.max(self.now);
    }

    /// Withdraws the request for a wake.
    pub fn no_wake(&mut self) {
        *self.wake = Time::MAX;
    }

    /// Sends a frame through the component's port.
    pub fn send(&mut self, data: impl Into<Arc<[u8]>>) {
        self.effects.push((self.node, Effect::Send { data: data.into() }));
    }

    /// How long a signal is underway on the wire that ends at this component's pin (0 where wires end at the whole
    /// component); `None` without one.
    pub fn wire(&self, pin: u16) -> Option<Time> {
        self.host.wire(self.node, pin)
    }

    /// Tells the other ends of that wire, if there is one.
    pub fn signal(&mut self, pin: u16, signal: Signal) {
        self.effects.push((self.node, Effect::Signal { pin, signal }));
    }

    /// Generates the hardware event whose register is at `offset`.
    pub fn event(&mut self, offset: u32) {
        self.effects.push((self.node, Effect::Event { offset }));
    }

    /// Writes a word as a bus master, after this call.
    pub fn bus_write(&mut self, addr: Addr, value: u32) {
        self.effects.push((self.node, Effect::Write { addr, value }));
    }

    /// The guest did what the manual forbids.
    pub fn guest_error(&mut self, text: impl Into<String>) {
        self.log(Level::GuestError, text);
    }

    /// The guest uses what the model does not have.
    pub fn unimplemented(&mut self, text: impl Into<String>) {
        self.log(Level::Unimplemented, text);
    }

    /// Writes a line to the trace's log.
    pub fn log(&mut self, level: Level, text: impl Into<String>) {
        self.effects.push((self.node, Effect::Log { level, text: text.into() }));
    }

    /// Writes a report to the trace; see [`crate::trace::Report`].
    pub fn report(&mut self, what: &'static str, details: BTreeMap<String, String>) {
        self.effects.push((self.node, Effect::Report { what, details }));
    }

    /// Resets the whole machine after this call.
    pub fn reset_machine(&mut self, cause: ResetCause) {
        self.effects.push((self.node, Effect::Reset { cause }));
    }

    /// The program memory is busy: a processor that runs from ROM waits until then.
    pub fn stall(&mut self, until: Time) {
        self.effects.push((self.node, Effect::Stall { until }));
    }

    /// Switches the cache of code in ROM on or off, behind the present instruction. A reset switches it off.
    pub fn code_cache(&mut self, on: bool) {
        self.effects.push((self.node, Effect::CodeCache { on }));
    }

    /// What [`Component::watches`] says has changed.
    pub fn watch(&mut self) {
        self.effects.push((self.node, Effect::Watch));
    }

    /// Switches the processor and the peripherals' clocks off, until something resets the machine.
    pub fn power_down(&mut self) {
        self.effects.push((self.node, Effect::PowerDown));
    }

    /// The device's stream of random numbers.
    pub fn rng(&mut self) -> &mut Rng {
        self.rng
    }

    /// DMA read of guest memory.
    pub fn dma_read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
        self.host.dma_read(addr, out)
    }

    /// DMA write to guest memory.
    pub fn dma_write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        self.host.dma_write(addr, data)
    }

    /// Addresses a part on this controller's I2C bus; see [`Host::i2c_start`].
    pub fn i2c_start(&mut self, address: u8, read: bool) -> bool {
        self.host.i2c_start(self.node, address, read)
    }

    /// See [`Host::i2c_write`].
    pub fn i2c_write(&mut self, byte: u8) -> bool {
        self.host.i2c_write(self.node, byte)
    }

    /// See [`Host::i2c_read`].
    pub fn i2c_read(&mut self, last: bool) -> u8 {
        self.host.i2c_read(self.node, last)
    }

    /// See [`Host::i2c_stop`].
    pub fn i2c_stop(&mut self) {
        self.host.i2c_stop(self.node);
    }

    /// Exchanges a word on this controller's SPI bus; see [`Host::spi`].
    pub fn spi(&mut self, mosi: u32, bits: u8) -> u32 {
        self.host.spi(self.node, mosi, bits)
    }

    /// Exchanges bytes on this controller's SPI bus; see [`Host::spi_bytes`].
    pub fn spi_bytes(&mut self, bytes: &mut [u8]) {
        self.host.spi_bytes(self.node, bytes);
    }
}

/// What peripherals and parts have in common.
pub trait Component: State + Send {
    /// Names of the output lines; the board wires them to interrupts and inputs by these names.
    fn lines(&self) -> &'static [&'static str] {
        &[]
    }
    /// Names of the input pins other components can be wired to.
    fn pins(&self) -> &'static [&'static str] {
        &[]
    }
    /// What the component's port carries, if it has one.
    fn port(&self) -> Option<PortKind> {
        None
    }
    /// What stimuli can set.
    fn channels(&self) -> Vec<Channel> {
        Vec::new()
    }
    /// Power-on or machine reset. Lines fall and wakes are withdrawn by the machine before this call.
    fn reset(&mut self, cx: &mut Cx<'_>);
    /// The machine's reset, with its cause: for components that some resets leave alone or that tell the
    /// guest about it.
    fn restart(&mut self, cause: ResetCause, cx: &mut Cx<'_>) {
        let _ = cause;
        self.reset(cx);
    }
    /// The time asked for with [`Cx::wake_at`] has come; the request is used up.
    fn wake(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }
    /// An input pin changed its level.
    fn input(&mut self, pin: u16, level: bool, cx: &mut Cx<'_>) {
        let _ = (pin, level, cx);
    }
    /// The voltage at an analog input pin changed.
    fn volts(&mut self, pin: u16, microvolts: i64, cx: &mut Cx<'_>) {
        let _ = (pin, microvolts, cx);
    }
    /// A frame arrived at the port.
    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        let _ = (data, cx);
    }
    /// The kinds of wires that can end at the whole component.
    fn wires(&self) -> &'static [WireKind] {
        &[]
    }
    /// The names of the pins at which single wires can end.
    fn wire_pins(&self) -> &'static [&'static str] {
        &[]
    }
    /// A signal came from the end `from` of the wire at a pin (0 where the wire ends at the whole component).
    fn hear(&mut self, pin: u16, from: u8, signal: Signal, cx: &mut Cx<'_>) {
        let _ = (pin, from, signal, cx);
    }
    /// Power goes off: what it holds on its wires it lets go.
    fn power_off(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }
    /// How long after whatever happens next it can send a frame at the earliest.
    fn headroom(&self) -> Time {
        Time::ZERO
    }
    /// Whether frames that arrive now can wait until something else happens in the device: the component only
    /// remembers them.
    fn is_deaf(&self) -> bool {
        false
    }
    /// Whether [`Component::bus_event`] wants to hear of other components' hardware events.
    fn listens(&self) -> bool {
        false
    }
    /// Another component generated the hardware event whose register is at `addr`.
    fn bus_event(&mut self, addr: Addr, cx: &mut Cx<'_>) {
        let _ = (addr, cx);
    }
    /// Whether [`Component::sleep`] wants to hear of the processor's sleep.
    fn watches_sleep(&self) -> bool {
        false
    }
    /// The processor fell asleep (waits for an interrupt or event) or woke. After a reset it is awake.
    fn sleep(&mut self, asleep: bool, cx: &mut Cx<'_>) {
        let _ = (asleep, cx);
    }
    /// Which of the processor's accesses to memory and registers it wants to hear of, beginning with the instruction
    /// after that which led to [`Cx::watch`]. A reset ends all. One component of a machine can watch.
    fn watches(&self) -> Vec<Watchpoint> {
        Vec::new()
    }
    /// The instruction that was just executed touched the watch of this index.
    fn touched(&mut self, watch: usize, cx: &mut Cx<'_>) {
        let _ = (watch, cx);
    }
    /// A stimulus sets a channel.
    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        let _ = (value, cx);
        Err(SetError::NoChannel(channel.to_owned()))
    }
    /// The present value of a channel, where the model can tell it.
    fn get(&self, channel: &str) -> Option<Value> {
        let _ = channel;
        None
    }
    /// A number that changes whenever [`Component::picture`] does; `None` for what shows nothing.
    fn shows(&self) -> Option<u64> {
        None
    }
    /// The contents of a memory that outlives power (a flash chip, a disk); `None` for what has none.
    fn contents(&self) -> Option<Vec<u8>> {
        None
    }
    /// Replaces these contents, before the device runs; the error says what would fit.
    fn load(&mut self, contents: &[u8]) -> Result<(), String> {
        let _ = contents;
        Err("it has no memory that outlives power".to_owned())
    }
    /// What it shows to the eye.
    fn picture(&self) -> Option<Picture> {
        None
    }
    /// What it shows to the eye when that lies in guest memory: a display controller that scans it out.
    fn scan_out(&self, memory: &dyn Memory) -> Option<Picture> {
        let _ = memory;
        None
    }
}

/// An on-chip block with registers. Offsets are from its base; accesses are naturally aligned and at
/// most a word wide (the machine splits wider ones).
pub trait Peripheral: Component {
    /// All registers, in order of offset.
    fn registers(&self) -> &'static [Register];
    /// The guest reads.
    fn read(&mut self, offset: u32, width: Width, cx: &mut Cx<'_>) -> Result<u32, BusError>;
    /// The guest writes.
    fn write(&mut self, offset: u32, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError>;
    /// The guest writes to read-only memory that the board puts in this peripheral's care (a flash
    /// controller); the default refuses.
    fn rom_write(&mut self, addr: Addr, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        let _ = (width, value, cx);
        Err(BusError::Refused(addr))
    }
    /// What a word read at `now` would give, without any effect; `None` where there is no register.
    fn peek(&self, offset: u32, now: Time) -> Option<u32>;
}

/// An off-chip component on an I2C or SPI bus, or on pins only.
pub trait Part: Component {
    /// The 7-bit I2C addresses it answers.
    fn i2c_addresses(&self) -> &[u8] {
        &[]
    }
    /// It was addressed; true acknowledges.
    fn i2c_start(&mut self, address: u8, read: bool, cx: &mut Cx<'_>) -> bool {
        let _ = (address, read, cx);
        false
    }
    /// A byte for it; true acknowledges.
    fn i2c_write(&mut self, byte: u8, cx: &mut Cx<'_>) -> bool {
        let _ = (byte, cx);
        false
    }
    /// A byte from it; `last` when the master will not acknowledge.
    fn i2c_read(&mut self, last: bool, cx: &mut Cx<'_>) -> u8 {
        let _ = (last, cx);
        0xFF
    }
    /// The transfer ended.
    fn i2c_stop(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }
    /// A word on the SPI bus; `None` when it is not selected (its chip select is an input pin).
    fn spi(&mut self, mosi: u32, bits: u8, cx: &mut Cx<'_>) -> Option<u32> {
        let _ = (mosi, bits, cx);
        None
    }
    /// Bytes on the SPI bus, each to be replaced by its answer; false when it is not selected. The same as
    /// [`Part::spi`] for one after the other: only parts that take many bytes need their own.
    fn spi_bytes(&mut self, bytes: &mut [u8], cx: &mut Cx<'_>) -> bool {
        for byte in bytes {
            let Some(answer) = self.spi(u32::from(*byte), 8, cx) else { return false };
            *byte = answer as u8;
        }
        true
    }
}

/// A model that board files can name: implement it and add one line to the registry.
pub trait Model: Sized + 'static {
    /// The name in board files, `<vendor>-<block>` in kebab case.
    const KIND: &'static str;
    /// One sentence for `consort boards` and the schema.
    const DOC: &'static str;
    /// What the board file may say about an instance.
    type Config: DeserializeOwned + JsonSchema;
    /// An instance, not yet reset.
    fn new(config: Self::Config) -> Self;
}

/// A freshly built component.
pub enum Built {
    /// With registers.
    Peripheral(Box<dyn Peripheral>),
    /// On a bus or pins.
    Part(Box<dyn Part>),
}

/// One entry of a registry of models.
#[derive(Clone, Copy)]
pub struct ModelEntry {
    /// See [`Model::KIND`].
    pub kind: &'static str,
    /// See [`Model::DOC`].
    pub doc: &'static str,
    /// The schema of its configuration.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Builds an instance from the board file's words.
    pub build: fn(serde_json::Value) -> Result<Built, ConfigError>,
}

/// A model's configuration that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Where in the configuration: its fields' names, from the outside in.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
}

fn config<M: Model>(words: serde_json::Value) -> Result<M::Config, ConfigError> {
    serde_path_to_error::deserialize(words).map_err(|error| ConfigError {
        path: error.path().iter().map(ToString::to_string).collect(),
        message: error.into_inner().to_string(),
    })
}

impl ModelEntry {
    /// The entry of a peripheral.
    pub const fn peripheral<M: Model + Peripheral>() -> Self {
        Self {
            kind: M::KIND,
            doc: M::DOC,
            schema: |generator| generator.subschema_for::<M::Config>(),
            build: |words| Ok(Built::Peripheral(Box::new(M::new(config::<M>(words)?)))),
        }
    }

    /// The entry of a part.
    pub const fn part<M: Model + Part>() -> Self {
        Self {
            kind: M::KIND,
            doc: M::DOC,
            schema: |generator| generator.subschema_for::<M::Config>(),
            build: |words| Ok(Built::Part(Box::new(M::new(config::<M>(words)?)))),
        }
    }
}

/// The configuration of a model that has none: `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}
