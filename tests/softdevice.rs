//! Nordic's own Bluetooth stacks, unmodified: a peripheral on nRF51 or nRF52 and a central on nRF52 connect,
//! exchange notifications for a minute, pair and encrypt.
//!
//! The images are the connectivity firmware of the registry package `pc-ble-driver-py`: a SoftDevice (S130,
//! S132) with a program that makes its calls for a computer on the UART. The test is that computer. It speaks
//! the three-wire UART transport of the Bluetooth Core Specification (vol 4, part D) and, in it, the calls and
//! events of the SoftDevices' API, version 2, as bytes.

#![expect(clippy::unwrap_used)]

mod registry;

use std::collections::VecDeque;
use std::path::Path;

use consort_core::Time;
use consort_core::device::{Action, Port, Sent};
use consort_core::fleet::{Carried, Fleet, Observer, Pace, Stimulus, StimulusKind};
use consort_core::radio::Packet;
use consort_core::trace::Digest;
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::json;

const NAMES: [&str; 2] = ["central", "peripheral"];
const CENTRAL: usize = 0;
const PERIPHERAL: usize = 1;

/// The computer at one device's UART.
#[derive(Default)]
struct Computer {
    line: Vec<u8>,
    escaped: bool,
    to_send: Vec<u8>,
    /// Its own configuration and the device's are answered: before that, either drops calls.
    agreed: [bool; 2],
    sent: u8,
    seen: u8,
    answer: Option<Vec<u8>>,
    events: VecDeque<Vec<u8>>,
}

const END: u8 = 0xC0;
const ESCAPE: u8 = 0xDB;
const LINK_CONTROL: u8 = 15;
const VENDOR: u8 = 14;

fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 }
            },
        )
    })
}

impl Computer {
    /// Part D, 4 and 3: header with its checksum, data, CRC; between END bytes.
    fn packet(&mut self, kind: u8, reliable: bool, data: &[u8]) {
        let crc_too = reliable;
        let first = self.sent & 7 | self.seen << 3 | u8::from(crc_too) << 6 | u8::from(reliable) << 7;
        let length = data.len() as u16;
        let mut bytes = vec![first, kind | (length << 4) as u8, (length >> 4) as u8];
        bytes.push(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg());
        bytes.extend(data);
        if crc_too {
            bytes.extend(crc(&bytes).to_le_bytes());
        }
        self.to_send.push(END);
        for byte in bytes {
            match byte {
                END => self.to_send.extend([ESCAPE, 0xDC]),
                ESCAPE => self.to_send.extend([ESCAPE, 0xDD]),
                byte => self.to_send.push(byte),
            }
        }
        self.to_send.push(END);
    }

    fn hear(&mut self, byte: u8) {
        match byte {
            END => {
                let packet = std::mem::take(&mut self.line);
                if packet.len() >= 4 {
                    self.heard(&packet);
                }
            }
            ESCAPE => self.escaped = true,
            byte if std::mem::take(&mut self.escaped) => {
                self.line.push(if byte == 0xDC { END } else { ESCAPE });
            }
            byte => self.line.push(byte),
        }
    }

    fn heard(&mut self, packet: &[u8]) {
        let data = &packet[4..packet.len() - if packet[0] & 0x40 != 0 { 2 } else { 0 }];
        match (packet[1] & 0xF, data) {
            // Part D, 8.4 to 8.6: SYNC, CONFIG and their answers.
            (LINK_CONTROL, [0x01, 0x7E, ..]) => {
                self.packet(LINK_CONTROL, false, &[0x02, 0x7D]);
                self.packet(LINK_CONTROL, false, &[0x01, 0x7E]);
            }
            (LINK_CONTROL, [0x02, 0x7D, ..]) => self.packet(LINK_CONTROL, false, &[0x03, 0xFC, 0x11]),
            (LINK_CONTROL, [0x03, 0xFC, ..]) => {
                self.packet(LINK_CONTROL, false, &[0x04, 0x7B, 0x11]);
                self.agreed[1] = true;
            }
            (LINK_CONTROL, [0x04, 0x7B, ..]) => self.agreed[0] = true,
            (VENDOR, data) => {
                if packet[0] & 7 == self.seen {
                    self.seen = (self.seen + 1) & 7;
                    match data[0] {
                        1 => self.answer = Some(data[1..].to_vec()),
                        2 => self.events.push_back(data[1..].to_vec()),
                        _ => {}
                    }
                }
                self.packet(0, false, &[]);
            }
            _ => {}
        }
    }
}

/// What leaves the devices: bytes of the UARTs, packets on the air.
#[derive(Default)]
struct Ears {
    bytes: [Vec<u8>; 2],
    air: Vec<Packet>,
}

impl Observer for Ears {
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        if port.name == "uart0" {
            self.bytes[device].extend(sent.data.iter());
        }
    }
    fn carried(&mut self, _: usize, frame: &Carried<'_>) {
        self.air.extend(Packet::decode(frame.data));
    }
}

/// Numbers of calls and events (API version 2).
mod api {
    pub const ENABLE: u8 = 0x60;
    pub const ADV_DATA_SET: u8 = 0x72;
    pub const ADV_START: u8 = 0x73;
    pub const AUTHENTICATE: u8 = 0x7E;
    pub const SEC_PARAMS_REPLY: u8 = 0x7F;
    pub const SCAN_START: u8 = 0x8A;
    pub const CONNECT: u8 = 0x8C;
    pub const WRITE: u8 = 0x98;
    pub const SERVICE_ADD: u8 = 0xA0;
    pub const CHARACTERISTIC_ADD: u8 = 0xA2;
    pub const HVX: u8 = 0xA6;
    pub const SYS_ATTR_SET: u8 = 0xA9;
    pub const TX_COMPLETE: u8 = 0x01;
    pub const CONNECTED: u8 = 0x10;
    pub const DISCONNECTED: u8 = 0x11;
    pub const SEC_PARAMS_REQUEST: u8 = 0x13;
    pub const AUTH_STATUS: u8 = 0x19;
    pub const CONN_SEC_UPDATE: u8 = 0x1A;
    pub const ADV_REPORT: u8 = 0x1D;
    pub const WRITE_RSP: u8 = 0x38;
    pub const NOTIFIED: u8 = 0x39;
    pub const WRITTEN: u8 = 0x50;
}

struct World {
    fleet: Fleet,
    computers: [Computer; 2],
    air: Vec<Packet>,
}

impl World {
    fn new(peripheral: &str, threads: usize) -> Option<Self> {
        // Wheels for Python 3.10 are the newest; only the images in them are used.
        let wheel =
            ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--python-version", "310"];
        let platform = ["--implementation", "cp", "--platform", "manylinux2014_x86_64"];
        let package = registry::package("pc-ble-driver-py", &[&wheel[..], &platform[..]].concat())?;
        let image = |softdevice: &str| {
            let name = format!("connectivity_4.1.4_1m_with_{softdevice}_2.0.1.hex");
            package.join("pc_ble_driver_py/hex/sd_api_v2").join(name)
        };
        let softdevice = if peripheral == "nrf51dk" { "s130" } else { "s132" };
        let file = json!({
            "seed": 12,
            "devices": {
                "central": { "board": "nrf52dk", "firmware": image("s132") },
                "peripheral": { "board": peripheral, "firmware": image(softdevice), "position": [2, 0, 0] }
            },
            "links": { "air": { "kind": "radio", "joins": NAMES } }
        });
        let (file, document) = FleetFile::parse("test", &file.to_string()).unwrap();
        let mut fleet = file.build(&document, Path::new("/"), &Overrides::default()).unwrap().fleet;
        fleet.set_pace(Pace { threads, quantum: Time::from_ms(1) });
        let mut world = Self { fleet, computers: Default::default(), air: Vec::new() };
        world.run(|world| world.computers.iter().all(|computer| computer.agreed == [true; 2]));
        Some(world)
    }

    /// A millisecond; then the computers answer what they heard.
    fn tick(&mut self) {
        let mut ears = Ears::default();
        self.fleet.run_until(self.fleet.now() + Time::from_ms(1), &mut ears);
        self.air.extend(ears.air);
        for (index, computer) in self.computers.iter_mut().enumerate() {
            for byte in &ears.bytes[index] {
                computer.hear(*byte);
            }
            let data = std::mem::take(&mut computer.to_send);
            if !data.is_empty() {
                let what = Action::Send { port: "uart0".to_owned(), data };
                let what = StimulusKind::Device(NAMES[index].to_owned(), what);
                self.fleet.inject(Stimulus { at: self.fleet.now(), what }).unwrap();
            }
        }
    }

    fn run(&mut self, until: impl Fn(&Self) -> bool) {
        let latest = self.fleet.now() + Time::from_secs(10);
        while !until(self) {
            assert!(self.fleet.now() < latest, "nothing came for ten seconds");
            self.tick();
        }
    }

    fn run_for(&mut self, span: Time) {
        let end = self.fleet.now() + span;
        while self.fleet.now() < end {
            self.tick();
        }
    }

    /// Makes a call of the SoftDevice, which must succeed; gives what it returns.
    fn call(&mut self, who: usize, function: u8, parameters: &[u8]) -> Vec<u8> {
        let computer = &mut self.computers[who];
        computer.packet(VENDOR, true, &[&[0, function], parameters].concat());
        computer.sent = (computer.sent + 1) & 7;
        self.run(|world| world.computers[who].answer.is_some());
        let answer = self.computers[who].answer.take().unwrap();
        assert_eq!(answer[..5], [function, 0, 0, 0, 0], "{} {parameters:02x?}", NAMES[who]);
        answer[5..].to_vec()
    }

    /// The next event of this kind, without its number; others before it are dropped, but no lost connection.
    fn event(&mut self, who: usize, kind: u8) -> Vec<u8> {
        loop {
            self.run(|world| !world.computers[who].events.is_empty());
            let event = self.computers[who].events.pop_front().unwrap();
            assert_ne!(event[0], api::DISCONNECTED, "{}: disconnected {event:02x?}", NAMES[who]);
            if event[0] == kind {
                return event[2..].to_vec();
            }
        }
    }
}

/// A pointer of the API to a structure that is there, or to none.
const PRESENT: u8 = 1;
const NONE: u8 = 0;
/// Scan interval and window, both 100 ms, no time limit; passive, no white list.
const SCAN: [u8; 8] = [0, NONE, 160, 0, 160, 0, 0, 0];

/// Both enabled, connected, and notifications on: connection handles and the value's handle.
fn connect(world: &mut World) -> ([u8; 2], [u8; 2], [u8; 2]) {
    use api::*;
    // One connection as peripheral, one as central with pairing; the default attribute table.
    world.call(PERIPHERAL, ENABLE, &[PRESENT, 0, 0, NONE, 1, 0, 0, 0, 0, 0, 0, 0]);
    world.call(CENTRAL, ENABLE, &[PRESENT, 0, 0, NONE, 0, 1, 1, 0, 0, 0, 0, 0]);
    // Heart Rate service, its measurement: notify, a CCCD that anybody writes, 20 bytes of any length.
    let service = world.call(PERIPHERAL, SERVICE_ADD, &[1, PRESENT, 0x0D, 0x18, 1, PRESENT]);
    let open = [0x11, 0x11, 2];
    let characteristic = [
        &service[..2],
        &[PRESENT, 0x10, 0, 0, 0, 0, 0, NONE, NONE, NONE, PRESENT],
        &open,
        &[NONE, PRESENT, PRESENT, 0x37, 0x2A, 1, PRESENT, 0x11, 0x11, 3, 0, 0, 20, 0, 0, 0, NONE, PRESENT],
    ];
    let handles = world.call(PERIPHERAL, CHARACTERISTIC_ADD, &characteristic.concat());
    let (value, cccd) = ([handles[1], handles[2]], [handles[5], handles[6]]);
    let name = b"\x02\x01\x06\x08\x09Consort";
    let data = [&[name.len() as u8, PRESENT][..], name, &[0, NONE]].concat();
    world.call(PERIPHERAL, ADV_DATA_SET, &data);
    // Undirected, anybody, every 40 ms, for ever, on all three channels.
    world.call(PERIPHERAL, ADV_START, &[PRESENT, 0, NONE, 0, NONE, 64, 0, 0, 0, 0]);
    world.call(CENTRAL, SCAN_START, &[&[PRESENT][..], &SCAN].concat());
    let report = world.event(CENTRAL, ADV_REPORT);
    assert!(report.windows(name.len()).any(|part| part == name), "{report:02x?}");
    // Interval 30 ms, no latency, supervision 4 s.
    let parameters = [24, 0, 24, 0, 0, 0, 0x90, 0x01];
    let peer = &report[2..9];
    let to = [&[PRESENT][..], peer, &[PRESENT], &SCAN, &[PRESENT], &parameters].concat();
    world.call(CENTRAL, CONNECT, &to);
    let first = |event: Vec<u8>| [event[0], event[1]];
    let central = first(world.event(CENTRAL, CONNECTED));
    let peripheral = first(world.event(PERIPHERAL, CONNECTED));
    world.call(PERIPHERAL, SYS_ATTR_SET, &[&peripheral[..], &[NONE, 0, 0, 0, 0]].concat());
    let write = [&central[..], &[PRESENT, 1, 0], &cccd, &[0, 0, 2, 0, PRESENT, 1, 0]].concat();
    world.call(CENTRAL, WRITE, &write);
    world.event(PERIPHERAL, WRITTEN);
    let answer = world.event(CENTRAL, WRITE_RSP);
    assert_eq!(answer[2..4], [0, 0], "ATT status");
    (central, peripheral, value)
}

/// A notification from the peripheral; what the central got.
fn notify(world: &mut World, connection: [u8; 2], value: [u8; 2], text: &[u8]) -> Vec<u8> {
    let length = text.len() as u8;
    let call = [&connection[..], &[PRESENT], &value, &[1, 0, 0, PRESENT, length, 0, PRESENT], text].concat();
    world.call(PERIPHERAL, api::HVX, &call);
    world.event(PERIPHERAL, api::TX_COMPLETE);
    let event = world.event(CENTRAL, api::NOTIFIED);
    assert_eq!(event[6..8], value);
    event[11..].to_vec()
}

/// Pairs ("just works") and waits until both ends say that the link is encrypted with a key of 16 bytes.
fn encrypt(world: &mut World, connections: [[u8; 2]; 2]) {
    use api::*;
    // No bond, nobody in the middle is kept out, no input nor output; keys of 7 to 16 bytes; none distributed.
    let parameters = [0x30, 7, 16, 0, 0];
    let keys = [&[PRESENT][..], &[NONE; 8]].concat();
    let ask = [&connections[CENTRAL][..], &[PRESENT], &parameters].concat();
    world.call(CENTRAL, AUTHENTICATE, &ask);
    world.event(PERIPHERAL, SEC_PARAMS_REQUEST);
    let agree = [&connections[PERIPHERAL][..], &[0, PRESENT], &parameters, &keys].concat();
    world.call(PERIPHERAL, SEC_PARAMS_REPLY, &agree);
    world.event(CENTRAL, SEC_PARAMS_REQUEST);
    let agree = [&connections[CENTRAL][..], &[0, NONE], &keys].concat();
    world.call(CENTRAL, SEC_PARAMS_REPLY, &agree);
    for who in [CENTRAL, PERIPHERAL] {
        // Security mode 1, level 2: encrypted without authentication.
        assert_eq!(world.event(who, CONN_SEC_UPDATE)[2..4], [0x21, 16], "{}", NAMES[who]);
        assert_eq!(world.event(who, AUTH_STATUS)[2], 0, "{}", NAMES[who]);
    }
}

/// A packet's bytes after its address, without the whitening of its channel (Core v5.0, vol 6, part B, 3.2).
fn plain(packet: &Packet) -> Vec<u8> {
    let channel = match packet.mhz {
        2402 => 37,
        2426 => 38,
        2480 => 39,
        mhz if mhz < 2426 => (mhz - 2404) / 2,
        mhz => (mhz - 2406) / 2,
    };
    let mut register = channel as u8 | 0x40;
    let byte = |byte: &u8| {
        (0..8).fold(0, |plain, bit| {
            let out = register & 1;
            register = (register >> 1) ^ (out * 0x44);
            plain | (byte >> bit & 1 ^ out) << bit
        })
    };
    packet.bits.iter().map(byte).collect()
}

/// How many packets on the air since the last call hold `text` for everybody to read.
fn overheard(world: &mut World, text: &[u8]) -> usize {
    let air = std::mem::take(&mut world.air);
    air.iter().filter(|packet| plain(packet).windows(text.len()).any(|part| part == text)).count()
}

fn encrypted(peripheral: &str, threads: usize) -> Option<Digest> {
    let mut world = World::new(peripheral, threads)?;
    let (central, connection, value) = connect(&mut world);
    let text = b"secret message";
    overheard(&mut world, text);
    assert_eq!(notify(&mut world, connection, value, text), text);
    assert_eq!(overheard(&mut world, text), 1, "before pairing everybody hears it");
    encrypt(&mut world, [central, connection]);
    for _ in 0..5 {
        assert_eq!(notify(&mut world, connection, value, text), text);
    }
    assert_eq!(overheard(&mut world, text), 0, "CCM hides it");
    Some(world.fleet.digest().unwrap())
}

#[test]
#[ignore = "S132 writes through a null pointer when the central is told to write a descriptor: not understood yet"]
fn two_softdevices_pair_and_encrypt_alike_with_two_threads() {
    assert_eq!(encrypted("nrf52dk", 1), encrypted("nrf52dk", 2));
}

#[test]
#[ignore = "S132 writes through a null pointer when the central is told to write a descriptor: not understood yet"]
fn an_nrf51_encrypts_with_an_nrf52() {
    encrypted("nrf51dk", 1);
}

/// A minute of notifications, four a second.
fn minute(peripheral: &str) {
    let Some(mut world) = World::new(peripheral, 1) else { return };
    let (_, connection, value) = connect(&mut world);
    let end = world.fleet.now() + Time::from_secs(60);
    let mut count = 0u32;
    while world.fleet.now() < end {
        let text = format!("notification {count}");
        assert_eq!(notify(&mut world, connection, value, text.as_bytes()), text.as_bytes());
        world.run_for(Time::from_ms(200));
        count += 1;
    }
    assert!(count > 200, "{count}");
}

#[test]
#[ignore = "S132 writes through a null pointer when the central is told to write a descriptor: not understood yet"]
fn a_softdevice_on_nrf51_notifies_one_on_nrf52_for_a_minute() {
    minute("nrf51dk");
}

#[test]
#[ignore = "S132 writes through a null pointer when the central is told to write a descriptor: not understood yet"]
fn a_softdevice_on_nrf52_notifies_another_for_a_minute() {
    minute("nrf52dk");
}
