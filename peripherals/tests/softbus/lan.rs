//! Nodes on a simulated wire.

use std::net::Ipv4Addr;

use consort_core::Time;
use consort_core::rng::Rng;
use consort_core::state;
use consort_peripherals::softbus::codec::discovery::{Datagram, Message, PORT};
use consort_peripherals::softbus::net::tcp::Cut;
use consort_peripherals::softbus::net::{Handle, Net, Station};
use consort_peripherals::softbus::node::{Event, Frequency, How, Service, SessionId};
use consort_peripherals::softbus::{DeviceType, Key, Mac, Node, NodeConfig, Role, Trusted};

pub const LATENCY: Time = Time::from_us(200);
pub const DDMP: u32 = 1 << 6;

pub fn udid(index: usize) -> String {
    format!("{index:064X}")
}

pub fn config(index: usize, role: Role, of: usize) -> NodeConfig {
    NodeConfig {
        name: format!("device-{index}"),
        role,
        device_type: DeviceType(if index == 0 { 0x0E } else { 0x6D }),
        udid: udid(index),
        mac: Mac([2, 0, 0, 0, 0, index as u8 + 1]),
        ip: [192, 168, 1, index as u8 + 1].into(),
        trust: (0..of)
            .filter(|other| *other != index)
            .map(|other| Trusted { udid: udid(other), key: Key([(other + index) as u8; 16]), answers: true })
            .collect(),
        ..NodeConfig::default()
    }
}

/// Nodes on one switch, in their own virtual time.
pub struct Lan {
    pub nodes: Vec<Node>,
    pub now: Time,
    pub flying: Vec<(Time, usize, Vec<u8>)>,
    pub rng: Rng,
    /// Frames lost, of 1000.
    pub loss: u64,
    pub cut: bool,
    /// What was sent, by whom.
    pub sent: Vec<(Time, usize, Vec<u8>)>,
    pub events: Vec<(Time, usize, Event)>,
    /// Saved and restored after every step.
    pub restores: bool,
}

impl Lan {
    pub fn new(configs: Vec<NodeConfig>, seed: u64) -> Self {
        let nodes = configs
            .into_iter()
            .enumerate()
            .map(|(index, config)| Node::new(config, Rng::new(seed, &udid(index))));
        Self {
            nodes: nodes.collect(),
            now: Time::ZERO,
            flying: Vec::new(),
            rng: Rng::new(seed, "lan"),
            loss: 0,
            cut: false,
            sent: Vec::new(),
            events: Vec::new(),
            restores: false,
        }
    }

    pub fn roles(roles: &[Role]) -> Self {
        let all = roles.iter().enumerate().map(|(index, role)| config(index, *role, roles.len()));
        Self::new(all.collect(), 1)
    }

    pub fn collect(&mut self, index: usize) {
        for frame in self.nodes[index].take_frames() {
            self.sent.push((self.now, index, frame.clone()));
            for other in 0..self.nodes.len() {
                if other != index && !self.cut && self.rng.below(1000) >= self.loss {
                    self.flying.push((self.now + LATENCY, other, frame.clone()));
                }
            }
        }
        while let Some(event) = self.nodes[index].take_event() {
            self.events.push((self.now, index, event));
        }
        if self.restores {
            let saved = state::to_bytes(&self.nodes[index]).unwrap();
            self.nodes[index] = state::from_bytes(&saved).unwrap();
        }
    }

    pub fn call<R>(&mut self, index: usize, call: impl FnOnce(&mut Node, Time) -> R) -> R {
        let result = call(&mut self.nodes[index], self.now);
        self.collect(index);
        result
    }

    /// When the next thing happens.
    pub fn next(&self) -> Time {
        let wakes = self.nodes.iter().map(Node::next_wake);
        wakes.chain(self.flying.iter().map(|(at, ..)| *at)).min().unwrap_or(Time::MAX)
    }

    pub fn run_for(&mut self, span: Time) {
        let end = self.now + span;
        let mut steps = 0;
        loop {
            let wake =
                (0..self.nodes.len()).map(|index| (self.nodes[index].next_wake(), index)).min().unwrap();
            let flying = self.flying.first().map_or(Time::MAX, |(at, ..)| *at);
            let next = wake.0.min(flying);
            if next >= end {
                break;
            }
            steps = if next > self.now { 0 } else { steps + 1 };
            assert!(steps < 10_000, "time stands still at {}", self.now);
            self.now = self.now.max(next);
            if flying <= wake.0 {
                let (_, index, frame) = self.flying.remove(0);
                self.call(index, |node, now| node.receive(now, &frame));
            } else {
                self.call(wake.1, |node, now| node.wake(now));
            }
        }
        self.now = end;
    }

    /// The discovery messages that a node sent.
    pub fn said(&self, index: usize) -> Vec<(Time, Datagram)> {
        let own = self.sent.iter().filter(|(_, sender, frame)| *sender == index && port(frame) == Some(PORT));
        own.map(|(at, _, frame)| (*at, Message::decode(datagram(frame)).unwrap())).collect()
    }

    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, _, event)| wanted(event)).count()
    }

    pub fn malformed(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|(_, _, event)| match event {
            Event::Malformed { what, .. } => Some(what.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Node 0 finds, joins and opens a session with every other node.
    pub fn meet(&mut self, patience: Time) -> Vec<SessionId> {
        for index in 1..self.nodes.len() {
            self.call(index, |node, now| node.publish(now, service(How::Passive)).unwrap());
            self.call(index, |node, _| node.create_session_server("pkg", "sensor").unwrap());
        }
        self.call(0, |node, _| node.create_session_server("pkg", "phone").unwrap());
        self.call(0, |node, now| node.refresh(now, service(How::Active)).unwrap());
        self.run_for(patience);
        assert_eq!(self.nodes[0].found().count(), self.nodes.len() - 1);
        let mut ids = Vec::new();
        for index in 1..self.nodes.len() {
            // On a bad wire a time-out may come first: who wants to meet tries again.
            for _ in 0..6 {
                if !self.nodes[0].online().any(|online| online == udid(index)) {
                    self.call(0, |node, now| node.join(now, &udid(index)).unwrap());
                    self.run_for(patience);
                }
            }
            assert!(self.nodes[0].online().any(|online| online == udid(index)), "{:?}", self.events);
            let open =
                |node: &mut Node, now| node.open_session(now, "phone", "sensor", &udid(index)).unwrap();
            let mut id = self.call(0, open);
            self.run_for(patience);
            for _ in 0..6 {
                if self.nodes[0].session_name(id).is_none() {
                    id = self.call(0, open);
                }
                let opened =
                    |event: &Event| matches!(event, Event::SessionOpened { id: known, .. } if *known == id);
                if !self.events.iter().any(|(_, index, event)| *index == 0 && opened(event)) {
                    self.run_for(patience);
                }
            }
            ids.push(id);
        }
        ids
    }
}

pub fn service(how: How) -> Service {
    Service { id: 1, capability: DDMP, how, frequency: Frequency::Low, data: Vec::new() }
}

/// The UDP port that a frame goes to.
fn port(frame: &[u8]) -> Option<u16> {
    let udp = frame[12..14] == [8, 0] && frame[23] == 17;
    udp.then(|| u16::from_be_bytes([frame[36], frame[37]]))
}

/// A UDP frame's datagram, without padding.
fn datagram(frame: &[u8]) -> &[u8] {
    &frame[42..34 + usize::from(u16::from_be_bytes([frame[38], frame[39]]))]
}

/// A station that is no node, for peers that do what nodes do not.
pub struct Stranger {
    pub net: Net,
    rng: Rng,
    heard: usize,
}

impl Stranger {
    pub fn new(number: u8) -> Self {
        let station = Station { mac: [2, 0, 0, 0, 9, number], ip: [192, 168, 1, number].into(), prefix: 24 };
        Self { net: Net::new(station, Cut::default()), rng: Rng::new(1, "stranger"), heard: 0 }
    }

    /// A discovery message as a broadcast frame.
    pub fn shout(&mut self, message: &[u8]) -> Vec<u8> {
        self.net.send_udp(Time::ZERO, PORT, (Ipv4Addr::new(192, 168, 1, 255), PORT), message);
        self.net.take_frames().remove(0)
    }

    pub fn connect(&mut self, to: usize, port: u16) -> Handle {
        self.net.connect([192, 168, 1, to as u8 + 1].into(), port, &mut self.rng).unwrap()
    }

    /// Lives with the nodes for a while, without delay on the wire.
    pub fn run_for(&mut self, lan: &mut Lan, span: Time) {
        let end = lan.now + span;
        loop {
            while let Some((_, _, frame)) = lan.sent.get(self.heard) {
                self.heard += 1;
                let _ = self.net.receive(lan.now, frame, &mut self.rng);
            }
            self.net.poll(lan.now);
            for frame in self.net.take_frames() {
                for index in 0..lan.nodes.len() {
                    lan.call(index, |node, now| node.receive(now, &frame));
                }
            }
            if self.heard < lan.sent.len() {
                continue;
            }
            let next = self.net.due().min(lan.next());
            if next >= end {
                break;
            }
            lan.run_for(next.since(lan.now) + Time::from_ns(1));
        }
        lan.run_for(end.since(lan.now));
    }
}
