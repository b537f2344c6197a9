//! The soft-bus adapter: a peripheral that gives bare firmware the soft bus, with a command ring, an event ring
//! and one interrupt. `docs/softbus.md` is its manual.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Field, Model, PortKind, Register, SetError, Value};
use consort_core::rng::Rng;
use serde::{Deserialize, Serialize};

use super::config::NodeConfig;
use super::error::ApiError;
use super::node::{Event, Frequency, How, Node, Service, SessionId};
use super::report::report;
use crate::block::{Lines, Told, Words, word_registers};

const ID: u32 = 0x00;
const VERSION: u32 = 0x04;
const CTRL: u32 = 0x08;
const STATUS: u32 = 0x0C;
const INT_STS: u32 = 0x10;
const INT_EN: u32 = 0x14;
const CMD_BASE: u32 = 0x18;
const CMD_SIZE: u32 = 0x1C;
const CMD_HEAD: u32 = 0x20;
const CMD_TAIL: u32 = 0x24;
const EVT_BASE: u32 = 0x28;
const EVT_SIZE: u32 = 0x2C;
const EVT_HEAD: u32 = 0x30;
const EVT_TAIL: u32 = 0x34;

/// "SBUS".
const ID_VALUE: u32 = 0x5355_4253;
const VERSION_VALUE: u32 = 1;
const ENABLE: u32 = 1 << 0;
/// Media of publish and refresh, as the public headers number them.
const MEDIUM_AUTO: u32 = 0;
const MEDIUM_BLE: u32 = 1;
const MEDIUM_COAP: u32 = 2;
const MEDIUM_USB: u32 = 3;
const RUNNING: u32 = 1 << 0;
const EVENTS_WAIT: u32 = 1 << 1;
const EVENTS_LOST: u32 = 1 << 2;
const INT_COMMAND: u32 = 1 << 0;
const INT_EVENT: u32 = 1 << 1;
const INT_ERROR: u32 = 1 << 2;
const ALL_INTS: u32 = INT_COMMAND | INT_EVENT | INT_ERROR;

/// Bytes of a command: op, tag, three arguments, buffer address, buffer length, result.
const COMMAND: u32 = 32;
const RESULT_AT: u32 = 28;
const MOST_COMMANDS: u32 = 256;
/// Bytes of an event's head: length, kind, id, result, extra, text length, data length, 0.
const EVENT_HEAD: u32 = 32;
const SMALLEST_EVENT_RING: u32 = 256;
const LARGEST_EVENT_RING: u32 = 16 << 20;
/// The longest buffer of a command that carries names.
const MOST_NAMES: u32 = 1024;

const TOLD_RING: u32 = 0;
const TOLD_DMA: u32 = 1;
const TOLD_OFF: u32 = 2;
const TOLD_EVENT: u32 = 3;

const INTERRUPT_FIELDS: &[Field] =
    &[Field::new("COMMAND", 0, 1), Field::new("EVENT", 1, 1), Field::new("ERROR", 2, 1)];

static REGISTERS: &[Register] = &[
    Register::ro(ID, "ID", ID_VALUE),
    Register::ro(VERSION, "VERSION", VERSION_VALUE),
    Register::rw(CTRL, "CTRL", 0).fields(&[Field::new("ENABLE", 0, 1)]),
    Register::ro(STATUS, "STATUS", 0).fields(&[
        Field::new("RUNNING", 0, 1),
        Field::new("EVENTS", 1, 1),
        Field::new("LOST", 2, 1),
    ]),
    Register::rw(INT_STS, "INT_STS", 0).fields(INTERRUPT_FIELDS),
    Register::rw(INT_EN, "INT_EN", 0).fields(INTERRUPT_FIELDS),
    Register::rw(CMD_BASE, "CMD_BASE", 0),
    Register::rw(CMD_SIZE, "CMD_SIZE", 0),
    Register::rw(CMD_HEAD, "CMD_HEAD", 0),
    Register::ro(CMD_TAIL, "CMD_TAIL", 0),
    Register::rw(EVT_BASE, "EVT_BASE", 0),
    Register::rw(EVT_SIZE, "EVT_SIZE", 0),
    Register::ro(EVT_HEAD, "EVT_HEAD", 0),
    Register::rw(EVT_TAIL, "EVT_TAIL", 0),
];

/// A command, as the ring holds it.
#[derive(Clone, Copy, Debug)]
struct Command {
    op: u32,
    args: [u32; 3],
    buffer: u32,
    length: u32,
}

impl Command {
    const PUBLISH: u32 = 1;
    const UNPUBLISH: u32 = 2;
    const REFRESH: u32 = 3;
    const STOP_REFRESH: u32 = 4;
    const JOIN: u32 = 5;
    const LEAVE: u32 = 6;
    const CREATE_SERVER: u32 = 7;
    const REMOVE_SERVER: u32 = 8;
    const OPEN_SESSION: u32 = 9;
    const CLOSE_SESSION: u32 = 10;
    const SEND_BYTES: u32 = 11;
    const SEND_MESSAGE: u32 = 12;
    const SEND_FILE: u32 = 13;
    const SEND_STREAM: u32 = 14;
    const LOCAL_UDID: u32 = 15;

    fn decode(bytes: &[u8; COMMAND as usize]) -> Self {
        let word = |index: usize| {
            let at = 4 * index;
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self { op: word(0), args: [word(2), word(3), word(4)], buffer: word(5), length: word(6) }
    }
}

/// An event, as the ring will hold it.
#[derive(Default)]
struct Record {
    kind: u32,
    id: u32,
    result: i32,
    extra: u32,
    text: Vec<u8>,
    data: Vec<u8>,
}

impl Record {
    /// Strings end with a NUL; one that a peer put into a string of its own must not look like the end.
    fn new(kind: u32, id: u32, result: i32, texts: &[&str]) -> Self {
        let strings = texts.iter().map(|text| text.replace('\0', " ") + "\0");
        Self { kind, id, result, text: strings.collect::<String>().into_bytes(), ..Self::default() }
    }

    fn encode(&self) -> Vec<u8> {
        let padded = |length: usize| length.next_multiple_of(4);
        let body = EVENT_HEAD as usize + padded(self.text.len()) + padded(self.data.len());
        let length = body.next_multiple_of(8);
        let mut bytes = Vec::with_capacity(length);
        let words = [
            length as u32,
            self.kind,
            self.id,
            self.result as u32,
            self.extra,
            self.text.len() as u32,
            self.data.len() as u32,
            0,
        ];
        for word in words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for part in [&self.text, &self.data] {
            bytes.extend_from_slice(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes.resize(length, 0);
        bytes
    }
}

fn code(result: &Result<(), ApiError>) -> i32 {
    result.map_or_else(ApiError::code, |()| 0)
}

/// The adapter.
///
/// Commands are carried out when CMD_HEAD is written, in the same instant; what takes time ends with an event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Adapter {
    config: NodeConfig,
    node: Option<Node>,
    int_sts: u32,
    int_en: u32,
    cmd_base: u32,
    cmd_size: u32,
    cmd_head: u32,
    cmd_tail: u32,
    evt_base: u32,
    evt_size: u32,
    evt_head: u32,
    evt_tail: u32,
    /// An event that did not fit the ring yet, as its bytes.
    waiting: Option<Vec<u8>>,
    lost: bool,
    lines: Lines,
    told: Told,
}

impl Adapter {
    fn status(&self) -> u32 {
        let mut status = 0;
        if self.node.is_some() {
            status |= RUNNING;
        }
        if self.evt_head != self.evt_tail {
            status |= EVENTS_WAIT;
        }
        if self.lost || self.node.as_ref().is_some_and(|node| node.events_lost() > 0) {
            status |= EVENTS_LOST;
        }
        status
    }

    fn enable(&mut self, on: bool, cx: &mut Cx<'_>) {
        if on == self.node.is_some() {
            return;
        }
        self.node = on.then(|| Node::new(self.config.clone(), Rng::new(cx.rng().next_u64(), "softbus")));
        (self.cmd_head, self.cmd_tail, self.evt_head, self.evt_tail) = (0, 0, 0, 0);
        self.waiting = None;
        self.lost = false;
    }

    fn fail(&mut self, message: u32, cx: &mut Cx<'_>, text: &str) {
        self.int_sts |= INT_ERROR;
        if self.told.first(message) {
            cx.guest_error(text);
        }
    }

    fn ring_doorbell(&mut self, head: u32, cx: &mut Cx<'_>) {
        if self.node.is_none() {
            return self.fail(TOLD_OFF, cx, "CMD_HEAD is written while CTRL.ENABLE is clear");
        }
        if self.cmd_size == 0 || head >= self.cmd_size {
            return self.fail(TOLD_RING, cx, "CMD_HEAD is not below CMD_SIZE");
        }
        self.cmd_head = head;
        while self.cmd_tail != self.cmd_head {
            let at = u64::from(self.cmd_base) + u64::from(self.cmd_tail * COMMAND);
            let mut bytes = [0; COMMAND as usize];
            if cx.dma_read(at, &mut bytes).is_err() {
                self.fail(TOLD_DMA, cx, "the command ring is not in memory");
                self.cmd_tail = self.cmd_head;
                return;
            }
            let result = self.carry_out(&Command::decode(&bytes), cx);
            if cx.dma_write(at + u64::from(RESULT_AT), &result.to_le_bytes()).is_err() {
                self.fail(TOLD_DMA, cx, "the command ring is not in writable memory");
            }
            self.cmd_tail = (self.cmd_tail + 1) % self.cmd_size;
            self.int_sts |= INT_COMMAND;
        }
    }

    fn buffer(&mut self, command: &Command, most: usize, cx: &mut Cx<'_>) -> Result<Vec<u8>, ApiError> {
        if command.length as usize > most {
            return Err(ApiError::SendLength);
        }
        let mut bytes = vec![0; command.length as usize];
        if !bytes.is_empty() && cx.dma_read(command.buffer.into(), &mut bytes).is_err() {
            self.fail(TOLD_DMA, cx, "a command's buffer is not in memory");
            return Err(ApiError::InvalidParam);
        }
        Ok(bytes)
    }

    /// The strings in a command's buffer, NUL between them (and maybe behind).
    fn names<const N: usize>(&mut self, command: &Command, cx: &mut Cx<'_>) -> Result<[String; N], ApiError> {
        let bytes = self.buffer(command, MOST_NAMES as usize, cx).map_err(|_| ApiError::InvalidParam)?;
        let text = String::from_utf8(bytes).map_err(|_| ApiError::InvalidParam)?;
        let names: Vec<String> =
            text.strip_suffix('\0').unwrap_or(&text).split('\0').map(str::to_owned).collect();
        names.try_into().map_err(|_| ApiError::InvalidParam)
    }

    fn service(&mut self, command: &Command, cx: &mut Cx<'_>) -> Result<Service, ApiError> {
        let [id, capability, way] = command.args;
        let how = match way & 0xFF {
            0x55 => How::Passive,
            0xAA => How::Active,
            _ => return Err(ApiError::InvalidParam),
        };
        match way >> 16 {
            MEDIUM_AUTO | MEDIUM_COAP => {}
            MEDIUM_BLE | MEDIUM_USB => return Err(ApiError::NotImplement),
            _ => return Err(ApiError::InvalidParam),
        }
        let frequency = match way >> 8 & 0xFF {
            0 => Frequency::Low,
            1 => Frequency::Mid,
            2 => Frequency::High,
            3 => Frequency::SuperHigh,
            4 => Frequency::Standard,
            _ => return Err(ApiError::InvalidParam),
        };
        let data = self.buffer(command, MOST_NAMES as usize, cx).map_err(|_| ApiError::InvalidParam)?;
        Ok(Service { id, capability, how, frequency, data })
    }

    /// A value of 0 or more, or an error code of the public API.
    fn carry_out(&mut self, command: &Command, cx: &mut Cx<'_>) -> i32 {
        self.try_carry_out(command, cx).unwrap_or_else(ApiError::code)
    }

    fn try_carry_out(&mut self, command: &Command, cx: &mut Cx<'_>) -> Result<i32, ApiError> {
        let now = cx.now();
        let id = command.args[0];
        let session = SessionId(id);
        match command.op {
            Command::PUBLISH => {
                let service = self.service(command, cx)?;
                self.node()?.publish(now, service)?;
            }
            Command::UNPUBLISH => self.node()?.unpublish(id)?,
            Command::REFRESH => {
                let service = self.service(command, cx)?;
                self.node()?.refresh(now, service)?;
            }
            Command::STOP_REFRESH => self.node()?.stop_refresh(id)?,
            Command::JOIN => {
                let [udid] = self.names(command, cx)?;
                self.node()?.join(now, &udid)?;
            }
            Command::LEAVE => {
                let [udid] = self.names(command, cx)?;
                self.node()?.leave(now, &udid)?;
            }
            Command::CREATE_SERVER => {
                let [package, name] = self.names(command, cx)?;
                self.node()?.create_session_server(&package, &name)?;
            }
            Command::REMOVE_SERVER => {
                let [name] = self.names(command, cx)?;
                self.node()?.remove_session_server(&name)?;
            }
            Command::OPEN_SESSION => {
                let [name, peer, udid] = self.names(command, cx)?;
                return Ok(self.node()?.open_session(now, &name, &peer, &udid)?.0 as i32);
            }
            Command::CLOSE_SESSION => self.node()?.close_session(now, session)?,
            Command::SEND_BYTES => {
                let data = self.buffer(command, self.config.role.most_bytes(), cx)?;
                self.node()?.send_bytes(now, session, &data)?;
            }
            Command::SEND_MESSAGE => {
                let data = self.buffer(command, self.config.role.most_message(), cx)?;
                return self.node()?.send_message(now, session, &data);
            }
            Command::SEND_FILE => self.node()?.send_file(session)?,
            Command::SEND_STREAM => self.node()?.send_stream(session)?,
            Command::LOCAL_UDID => {
                let mut text = self.node()?.udid().as_bytes().to_vec();
                text.push(0);
                if text.len() > command.length as usize {
                    return Err(ApiError::InvalidParam);
                }
                if cx.dma_write(command.buffer.into(), &text).is_err() {
                    self.fail(TOLD_DMA, cx, "a command's buffer is not in writable memory");
                    return Err(ApiError::InvalidParam);
                }
                return Ok(text.len() as i32 - 1);
            }
            _ => return Err(ApiError::InvalidParam),
        }
        Ok(0)
    }

    fn node(&mut self) -> Result<&mut Node, ApiError> {
        self.node.as_mut().ok_or(ApiError::SessionNotEnabled)
    }

    /// What an event is in the ring; `None` for those that only the trace is told.
    fn record(event: Event) -> Option<Record> {
        Some(match event {
            Event::Published { id } => Record::new(1, id, 0, &[]),
            Event::Discovering { id } => Record::new(2, id, 0, &[]),
            Event::Found(found) => {
                let ip = found.ip.to_string();
                let mut record = Record::new(3, found.device_type, 0, &[&found.udid, &found.name, &ip]);
                record.extra = found.capability;
                record
            }
            Event::Joined { udid, result } => Record::new(4, 0, code(&result), &[&udid]),
            Event::Online { udid, name, ip } => Record::new(5, 0, 0, &[&udid, &name, &ip.to_string()]),
            Event::Offline { udid } => Record::new(6, 0, 0, &[&udid]),
            Event::SessionOpened { id, name, udid, incoming, result } => {
                let mut record = Record::new(7, id.0, code(&result), &[&name, &udid]);
                record.extra = incoming.into();
                record
            }
            Event::SessionClosed { id, .. } => Record::new(8, id.0, 0, &[]),
            Event::Bytes { id, data } => Record { data, ..Record::new(9, id.0, 0, &[]) },
            Event::Message { id, data } => Record { data, ..Record::new(10, id.0, 0, &[]) },
            Event::MessageSent { id, seq, result } => {
                Record { extra: seq as u32, ..Record::new(11, id.0, code(&result), &[]) }
            }
            Event::Left { udid, result } => Record::new(12, 0, code(&result), &[&udid]),
            Event::Malformed { .. } => return None,
        })
    }

    /// Room from the head on, without wrapping and with it.
    fn room(&self) -> (u32, u32) {
        let (head, tail, size) = (self.evt_head, self.evt_tail, self.evt_size);
        // Eight bytes stay free, so that a full ring is not an empty one.
        if tail > head {
            ((tail - head).saturating_sub(8), 0)
        } else if tail == 0 {
            (size.saturating_sub(head + 8), 0)
        } else {
            (size.saturating_sub(head), tail.saturating_sub(8))
        }
    }

    fn fill_ring(&mut self, cx: &mut Cx<'_>) {
        if self.evt_size == 0 {
            return;
        }
        loop {
            let bytes = match self.waiting.take() {
                Some(bytes) => bytes,
                None => {
                    let Some(node) = &mut self.node else { return };
                    let Some(event) = node.take_event() else { return };
                    let (what, details) = report(node, &event);
                    cx.report(what, details);
                    let Some(record) = Self::record(event) else { continue };
                    record.encode()
                }
            };
            let length = bytes.len() as u32;
            if length > self.evt_size - 8 {
                self.lost = true;
                self.fail(TOLD_EVENT, cx, "an event is larger than the event ring");
                continue;
            }
            let (here, wrapped) = self.room();
            let mut done = Ok(());
            if length > here {
                if length > wrapped {
                    self.waiting = Some(bytes);
                    return;
                }
                let mut skip = (self.evt_size - self.evt_head).to_le_bytes().to_vec();
                skip.extend_from_slice(&[0; 4]);
                done = cx.dma_write(u64::from(self.evt_base) + u64::from(self.evt_head), &skip);
                self.evt_head = 0;
            }
            let at = u64::from(self.evt_base) + u64::from(self.evt_head);
            if done.and_then(|()| cx.dma_write(at, &bytes)).is_err() {
                self.lost = true;
                self.fail(TOLD_DMA, cx, "the event ring is not in writable memory");
                continue;
            }
            self.evt_head = (self.evt_head + length) % self.evt_size;
            self.int_sts |= INT_EVENT;
        }
    }

    /// Ends every call: frames leave, events arrive, the next wake and the interrupt line are set.
    fn finish(&mut self, cx: &mut Cx<'_>) {
        self.fill_ring(cx);
        let mut next = Time::MAX;
        if let Some(node) = &mut self.node {
            for frame in node.take_frames() {
                cx.send(frame);
            }
            next = node.next_wake();
        }
        if next == Time::MAX {
            cx.no_wake()
        } else {
            cx.wake_at(next)
        }
        self.lines.drive(u64::from(self.int_sts & self.int_en != 0), 1, cx);
    }
}

impl Words for Adapter {
    fn look(&self, offset: u32, _: Time) -> u32 {
        match offset {
            ID => ID_VALUE,
            VERSION => VERSION_VALUE,
            CTRL => self.node.is_some().into(),
            STATUS => self.status(),
            INT_STS => self.int_sts,
            INT_EN => self.int_en,
            CMD_BASE => self.cmd_base,
            CMD_SIZE => self.cmd_size,
            CMD_HEAD => self.cmd_head,
            CMD_TAIL => self.cmd_tail,
            EVT_BASE => self.evt_base,
            EVT_SIZE => self.evt_size,
            EVT_HEAD => self.evt_head,
            EVT_TAIL => self.evt_tail,
            _ => 0,
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let rings_fixed = self.node.is_some();
        match offset {
            CTRL => self.enable(value & ENABLE != 0, cx),
            INT_STS => self.int_sts &= !value,
            INT_EN => self.int_en = value & ALL_INTS,
            CMD_BASE | CMD_SIZE | EVT_BASE | EVT_SIZE if rings_fixed => {
                self.fail(TOLD_RING, cx, "a ring is moved while CTRL.ENABLE is set");
            }
            CMD_BASE => self.cmd_base = value & !3,
            CMD_SIZE if value <= MOST_COMMANDS => self.cmd_size = value,
            EVT_BASE => self.evt_base = value & !7,
            EVT_SIZE
                if value == 0
                    || value.is_multiple_of(8)
                        && (SMALLEST_EVENT_RING..=LARGEST_EVENT_RING).contains(&value) =>
            {
                self.evt_size = value;
            }
            CMD_SIZE | EVT_SIZE => self.fail(TOLD_RING, cx, "a ring's size cannot be"),
            CMD_HEAD => self.ring_doorbell(value, cx),
            EVT_TAIL if value < self.evt_size && value.is_multiple_of(8) => self.evt_tail = value,
            EVT_TAIL => self.fail(TOLD_RING, cx, "EVT_TAIL is not a place in the event ring"),
            _ => {}
        }
        self.finish(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(Adapter, REGISTERS);

impl Component for Adapter {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }

    fn port(&self) -> Option<PortKind> {
        Some(PortKind::Ethernet)
    }

    fn channels(&self) -> Vec<Channel> {
        vec![Channel::text("ip", "another IPv4 address, as when a lease ends")]
    }

    fn get(&self, _: &str) -> Option<Value> {
        let ip = self.node.as_ref().map_or(self.config.ip, Node::ip);
        Some(Value::Text(ip.to_string()))
    }

    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        let ip = match value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let expected = "an IPv4 address such as 10.0.0.9".to_owned();
        let ip = ip.ok_or_else(|| SetError::BadValue { channel: channel.to_owned(), expected })?;
        if let Some(node) = &mut self.node {
            node.set_ip(cx.now(), ip);
        }
        self.finish(cx);
        Ok(())
    }

    fn reset(&mut self, _: &mut Cx<'_>) {
        *self = Self::new(self.config.clone());
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        if let Some(node) = &mut self.node {
            node.wake(now);
        }
        self.finish(cx);
    }

    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        let now = cx.now();
        if let Some(node) = &mut self.node {
            node.receive(now, data);
        }
        self.finish(cx);
    }
}

impl Model for Adapter {
    const KIND: &'static str = "consort-softbus";
    const DOC: &'static str = "Soft-bus adapter: discovery, trust and sessions for bare firmware.";
    type Config = NodeConfig;

    fn new(config: NodeConfig) -> Self {
        Self {
            config,
            node: None,
            int_sts: 0,
            int_en: 0,
            cmd_base: 0,
            cmd_size: 0,
            cmd_head: 0,
            cmd_tail: 0,
            evt_base: 0,
            evt_size: 0,
            evt_head: 0,
            evt_tail: 0,
            waiting: None,
            lost: false,
            lines: Lines::default(),
            told: Told::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    const COMMANDS: u32 = 0x100;
    const EVENTS: u32 = 0x400;
    const BUFFER: u32 = 0x1000;
    const EVENT_BYTES: u32 = 512;

    fn adapter(number: u8, peer: &str) -> Rig<Adapter> {
        let config = serde_json::json!({
            "udid": format!("U{number}"), "name": format!("node-{number}"),
            "mac": format!("02:00:00:00:00:{number:02x}"), "ip": format!("10.0.0.{number}"),
            "trust": [{"udid": peer, "key": "00112233445566778899aabbccddeeff"}],
        });
        let mut rig = Rig::new(Adapter::new(serde_json::from_value(config).unwrap()));
        rig.host.memory = vec![0; 0x2000];
        for (offset, value) in [
            (CMD_BASE, COMMANDS),
            (CMD_SIZE, 4),
            (EVT_BASE, EVENTS),
            (EVT_SIZE, EVENT_BYTES),
            (INT_EN, INT_EVENT),
            (CTRL, ENABLE),
        ] {
            rig.write(offset, value);
        }
        rig
    }

    fn command(rig: &mut Rig<Adapter>, op: u32, args: [u32; 3], buffer: &[u8]) -> i32 {
        let head = rig.read(CMD_HEAD);
        let at = (COMMANDS + head * COMMAND) as usize;
        let words = [op, 7, args[0], args[1], args[2], BUFFER, buffer.len() as u32, 0x5A5A_5A5A];
        for (index, word) in words.into_iter().enumerate() {
            rig.host.memory[at + 4 * index..at + 4 * index + 4].copy_from_slice(&word.to_le_bytes());
        }
        rig.host.memory[BUFFER as usize..BUFFER as usize + buffer.len()].copy_from_slice(buffer);
        rig.write(CMD_HEAD, (head + 1) % 4);
        assert_eq!(rig.read(CMD_TAIL), rig.read(CMD_HEAD));
        let result = &rig.host.memory[at + 28..at + 32];
        i32::from_le_bytes(result.try_into().unwrap())
    }

    fn word(rig: &Rig<Adapter>, at: u32) -> u32 {
        let at = at as usize;
        u32::from_le_bytes(rig.host.memory[at..at + 4].try_into().unwrap())
    }

    /// Events as firmware reads them: kind, id, result, text, data.
    fn events(rig: &mut Rig<Adapter>) -> Vec<(u32, u32, i32, String, Vec<u8>)> {
        let mut all = Vec::new();
        let mut tail = rig.read(EVT_TAIL);
        while tail != rig.read(EVT_HEAD) {
            let at = EVENTS + tail;
            let length = word(rig, at);
            assert!(length >= 8 && length.is_multiple_of(8) && tail + length <= EVENT_BYTES);
            if word(rig, at + 4) != 0 {
                let (text, data) = (word(rig, at + 20) as usize, word(rig, at + 24) as usize);
                let start = (at + 32) as usize;
                let data_at = start + text.next_multiple_of(4);
                all.push((
                    word(rig, at + 4),
                    word(rig, at + 8),
                    word(rig, at + 12) as i32,
                    String::from_utf8(rig.host.memory[start..start + text].to_vec()).unwrap(),
                    rig.host.memory[data_at..data_at + data].to_vec(),
                ));
            }
            tail = (tail + length) % EVENT_BYTES;
            rig.write(EVT_TAIL, tail);
        }
        rig.write(INT_STS, ALL_INTS);
        all
    }

    /// Lets both live for a while, on a wire without delay.
    fn run(a: &mut Rig<Adapter>, b: &mut Rig<Adapter>, span: Time) {
        let end = a.now + span;
        loop {
            while !a.sent.is_empty() || !b.sent.is_empty() {
                for (_, frame) in std::mem::take(&mut a.sent) {
                    b.receive(&frame);
                }
                for (_, frame) in std::mem::take(&mut b.sent) {
                    a.receive(&frame);
                }
            }
            let next = a.wake.min(b.wake);
            if next > end {
                break;
            }
            a.run_until(next);
            b.run_until(next);
        }
        a.run_until(end);
        b.run_until(end);
    }

    #[test]
    fn firmware_discovers_joins_and_talks() {
        let (mut phone, mut watch) = (adapter(1, "U2"), adapter(2, "U1"));
        assert_eq!(command(&mut watch, Command::PUBLISH, [1, 64, 0x55], b""), 0);
        assert_eq!(command(&mut watch, Command::CREATE_SERVER, [0; 3], b"pkg\0watch\0"), 0);
        assert_eq!(command(&mut phone, Command::CREATE_SERVER, [0; 3], b"pkg\0phone"), 0);
        assert_eq!(command(&mut phone, Command::REFRESH, [1, 64, 0xAA], b""), 0);
        run(&mut phone, &mut watch, Time::from_ms(100));
        assert!(phone.line("irq"));
        let seen = events(&mut phone);
        assert!(!phone.line("irq"));
        assert_eq!(seen[0].0, 2);
        assert_eq!((seen[1].0, seen[1].3.as_str()), (3, "U2\x00node-2\x0010.0.0.2\x00"));

        assert_eq!(command(&mut phone, Command::JOIN, [0; 3], b"U2"), 0);
        run(&mut phone, &mut watch, Time::from_ms(100));
        let kinds: Vec<u32> = events(&mut phone).iter().map(|event| event.0).collect();
        assert_eq!(kinds, [5, 4]);
        events(&mut watch);
        let id = command(&mut phone, Command::OPEN_SESSION, [0; 3], b"phone\0watch\0U2");
        assert_eq!(id, 1);
        run(&mut phone, &mut watch, Time::from_ms(100));
        assert_eq!(events(&mut phone)[0].0, 7);
        assert_eq!(events(&mut watch)[0].3, "watch\0U1\0");

        for _ in 0..50 {
            assert_eq!(command(&mut phone, Command::SEND_BYTES, [1, 0, 0], b"thirteen long"), 0);
            assert!(command(&mut phone, Command::SEND_MESSAGE, [1, 0, 0], b"ring") > 0);
            run(&mut phone, &mut watch, Time::from_ms(10));
            let got: Vec<_> = events(&mut watch).into_iter().map(|event| (event.0, event.4)).collect();
            assert_eq!(got, [(9, b"thirteen long".to_vec()), (10, b"ring".to_vec())]);
            let told: Vec<_> = events(&mut phone).into_iter().map(|event| (event.0, event.2)).collect();
            assert_eq!(told, [(11, 0)]);
        }
        assert_eq!(command(&mut phone, Command::CLOSE_SESSION, [1, 0, 0], b""), 0);
        run(&mut phone, &mut watch, Time::from_ms(10));
        assert_eq!(events(&mut watch)[0].0, 8);
        assert_eq!(command(&mut phone, Command::LEAVE, [0; 3], b"U2"), 0);
        run(&mut phone, &mut watch, Time::from_ms(10));
        let told: Vec<_> = events(&mut phone).into_iter().map(|event| (event.0, event.2, event.3)).collect();
        assert_eq!(told, [(6, 0, "U2\0".to_owned()), (12, 0, "U2\0".to_owned())]);
        assert_eq!(events(&mut watch)[0].0, 6);
    }

    #[test]
    fn what_is_wrong_has_its_code() {
        let mut rig = adapter(1, "U2");
        for (op, args, buffer, error) in [
            (99, [0; 3], &b""[..], ApiError::InvalidParam),
            (Command::SEND_FILE, [1, 0, 0], b"", ApiError::NotImplement),
            (Command::SEND_BYTES, [5, 0, 0], b"x", ApiError::InvalidSessionId),
            (Command::JOIN, [0; 3], b"U2", ApiError::NetworkNotFound),
            (Command::JOIN, [0; 3], &[0xFF], ApiError::InvalidParam),
            (Command::PUBLISH, [1, 64, 0], b"", ApiError::InvalidParam),
            (Command::PUBLISH, [1, 64, 0x1_0055], b"", ApiError::NotImplement),
            (Command::REFRESH, [1, 64, 0x1_00AA], b"", ApiError::NotImplement),
            (Command::REFRESH, [1, 64, 0x3_00AA], b"", ApiError::NotImplement),
            (Command::REFRESH, [1, 64, 0x4_00AA], b"", ApiError::InvalidParam),
            (Command::REFRESH, [1, 64, 0x5AA], b"", ApiError::InvalidParam),
            (Command::SEND_STREAM, [1, 0, 0], b"", ApiError::NotImplement),
        ] {
            assert_eq!(command(&mut rig, op, args, buffer), error.code(), "{op}");
        }
        assert_eq!(command(&mut rig, Command::LOCAL_UDID, [0; 3], &[0; 16]), 2);
        assert_eq!(&rig.host.memory[0x1000..0x1003], b"U1\0");
    }

    #[test]
    fn a_full_ring_waits_for_its_reader() {
        let mut rig = adapter(1, "U2");
        for id in 0..18 {
            command(&mut rig, Command::PUBLISH, [id, 1, 0x55], b"");
        }
        let mut seen = events(&mut rig);
        assert_eq!(seen.len(), 18);
        seen.dedup();
        assert_eq!(seen.len(), 18);
        assert_eq!(rig.read(STATUS), RUNNING);
    }
}
