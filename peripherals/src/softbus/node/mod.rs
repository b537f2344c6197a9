//! A node of the soft bus in virtual time: it is given frames, calls and the time, and gives frames and events.
//!
//! Everything it holds is plain state, so a node can be saved at any instant. Its owner calls
//! [`Node::receive`] for each frame, [`Node::wake`] at the time [`Node::next_wake`] told, and after each call
//! takes what [`Node::take_frames`] and [`Node::take_event`] give.

mod discovery;
mod link;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use consort_core::Time;
use consort_core::rng::Rng;
use serde::{Deserialize, Serialize};

use super::codec::discovery as wire;
use super::config::{DeviceType, NodeConfig};
use super::error::ApiError;
use super::net::{Handle, Net, Station};

pub use discovery::{Found, Frequency, How, Service};
pub use session::{Misbehaviour, SessionId};

/// Events, and bytes of payload in them, that wait for an owner who does not fetch them.
const MOST_EVENTS: usize = 1024;
const MOST_EVENT_BYTES: usize = 8 << 20;

/// What happened to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A published service is announced.
    Published {
        /// The caller's number of it.
        id: u32,
    },
    /// A search began.
    Discovering {
        /// The caller's number of it.
        id: u32,
    },
    /// A device was found, or tells something new.
    Found(Box<Found>),
    /// A join ended.
    Joined {
        /// The device.
        udid: String,
        /// How.
        result: Result<(), ApiError>,
    },
    /// A device is authenticated and reachable.
    Online {
        /// The device.
        udid: String,
        /// Its name.
        name: String,
        /// Its address.
        ip: Ipv4Addr,
    },
    /// It no longer is.
    Offline {
        /// The device.
        udid: String,
    },
    /// A device that was left let go too, or did not in time.
    Left {
        /// The device.
        udid: String,
        /// How.
        result: Result<(), ApiError>,
    },
    /// A session is open, or could not be opened.
    SessionOpened {
        /// The session.
        id: SessionId,
        /// The own session server's name.
        name: String,
        /// The device at the other end.
        udid: String,
        /// Whether the other end asked for it.
        incoming: bool,
        /// How.
        result: Result<(), ApiError>,
    },
    /// A session is over.
    SessionClosed {
        /// The session.
        id: SessionId,
        /// The own session server's name.
        name: String,
    },
    /// Bytes came.
    Bytes {
        /// The session.
        id: SessionId,
        /// They.
        data: Vec<u8>,
    },
    /// A message came.
    Message {
        /// The session.
        id: SessionId,
        /// It.
        data: Vec<u8>,
    },
    /// A message was acknowledged, or was not.
    MessageSent {
        /// The session.
        id: SessionId,
        /// Its number.
        seq: i32,
        /// How it ended.
        result: Result<(), ApiError>,
    },
    /// Something came from the wire that should not have.
    Malformed {
        /// Whom it came from, where that is known.
        from: Option<Ipv4Addr>,
        /// What.
        what: String,
    },
}

impl Event {
    fn payload(&self) -> usize {
        match self {
            Self::Bytes { data, .. } | Self::Message { data, .. } => data.len(),
            _ => 0,
        }
    }
}

/// A node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    config: NodeConfig,
    udid: String,
    rng: Rng,
    net: Net,
    auth_port: u16,
    session_port: u16,
    discovery: discovery::Discovery,
    links: BTreeMap<Handle, link::Link>,
    sessions: session::Sessions,
    events: VecDeque<Event>,
    event_bytes: usize,
    events_lost: u64,
}

impl Node {
    /// A node that has not said anything yet.
    pub fn new(config: NodeConfig, mut rng: Rng) -> Self {
        let station = Station { mac: config.mac.0, ip: config.ip, prefix: config.prefix };
        let mut net = Net::new(station, config.cut());
        net.bind(wire::PORT);
        let (auth_port, session_port) = (net.ephemeral(), net.ephemeral());
        net.listen(auth_port);
        net.listen(session_port);
        Self {
            udid: config.udid(),
            discovery: discovery::Discovery::new(&mut rng),
            config,
            rng,
            net,
            auth_port,
            session_port,
            links: BTreeMap::new(),
            sessions: session::Sessions::default(),
            events: VecDeque::new(),
            event_bytes: 0,
            events_lost: 0,
        }
    }

    /// Its UDID.
    pub fn udid(&self) -> &str {
        &self.udid
    }

    /// Its present address.
    pub fn ip(&self) -> Ipv4Addr {
        self.net.station().ip
    }

    /// What it was made of.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Gets another IPv4 address: everyone is offline until joined anew.
    pub fn set_ip(&mut self, now: Time, ip: Ipv4Addr) {
        self.net.move_to(ip);
        for handle in self.links.keys().copied().collect::<Vec<_>>() {
            self.drop_link(now, handle, ApiError::NetworkNotFound);
        }
        self.settle(now);
    }

    /// Takes a frame from the wire.
    pub fn receive(&mut self, now: Time, frame: &[u8]) {
        if let Err(what) = self.net.receive(now, frame, &mut self.rng) {
            self.tell(Event::Malformed { from: None, what: what.to_owned() });
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Time) {
        self.net.poll(now);
        self.poll_discovery(now);
        self.settle(now);
    }

    /// When it next has something to do; [`Time::MAX`] for never.
    pub fn next_wake(&self) -> Time {
        let links = self.links.values().map(link::Link::due).min().unwrap_or(Time::MAX);
        self.net.due().min(self.discovery.due()).min(links).min(self.sessions.due())
    }

    /// The Ethernet frames that were sent since the last call.
    pub fn take_frames(&mut self) -> Vec<Vec<u8>> {
        self.net.take_frames()
    }

    /// The next thing that happened.
    pub fn take_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.event_bytes -= event.payload();
        Some(event)
    }

    /// Events that were lost because nobody took them.
    pub fn events_lost(&self) -> u64 {
        self.events_lost
    }

    fn tell(&mut self, event: Event) {
        self.event_bytes += event.payload();
        self.events.push_back(event);
        while self.events.len() > MOST_EVENTS || self.event_bytes > MOST_EVENT_BYTES {
            self.take_event();
            self.events_lost += 1;
        }
    }

    fn malformed(&mut self, from: Ipv4Addr, what: impl Into<String>) {
        self.tell(Event::Malformed { from: Some(from), what: what.into() });
    }

    /// Carries what came up through all layers, then what that caused down again. Calls end with it too.
    fn settle(&mut self, now: Time) {
        // Twice: sending may find that a connection is over.
        for _ in 0..2 {
            while let Some(datagram) = self.net.datagram() {
                self.take_datagram(now, &datagram);
            }
            while let Some((handle, port)) = self.net.accepted() {
                let Some(connection) = self.net.connection(handle) else { continue };
                let from = connection.remote.0;
                if port == self.auth_port {
                    self.accept_link(now, handle, from);
                } else {
                    self.accept_session(now, handle, from);
                }
            }
            self.poll_links(now);
            self.poll_sessions(now);
            self.net.poll(now);
        }
        self.net.sweep();
    }

    /// Sending files is not part of this stack.
    pub fn send_file(&mut self, id: SessionId) -> Result<(), ApiError> {
        let _ = id;
        Err(ApiError::NotImplement)
    }

    /// Sending streams is not part of this stack.
    pub fn send_stream(&mut self, id: SessionId) -> Result<(), ApiError> {
        let _ = id;
        Err(ApiError::NotImplement)
    }

    fn announcement(&self, mode: wire::Mode, seeking: Option<u32>) -> wire::Announcement {
        let bits = seeking.unwrap_or_else(|| self.discovery.published());
        let standard = self.config.role.style() == wire::Style::Standard;
        wire::Announcement {
            udid: self.udid.clone(),
            name: self.config.name(),
            device_type: self.config.device_type.0,
            mode,
            device_hash: self.discovery.hash().to_string(),
            auth_port: Some(self.auth_port),
            ip: Some(self.net.station().ip),
            capability: vec![bits],
            business_type: standard.then_some(0),
            seq_no: standard.then_some(self.discovery.seq_no()),
            ..wire::Announcement::default()
        }
    }
}

/// What a device's type is called.
pub fn type_name(device_type: u32) -> String {
    DeviceType(device_type).name()
}
