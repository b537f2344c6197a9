//! Any bytes from the wire: the soft bus's codecs answer with a message or an error, and a node stays small.

#![no_main]

use consort_core::Time;
use consort_core::rng::Rng;
use consort_core::state::to_bytes;
use consort_peripherals::softbus::codec::auth::{Identity, Info, Trust};
use consort_peripherals::softbus::codec::cipher::{open_packet, seal_packet};
use consort_peripherals::softbus::codec::data::{Flag, Frame, Sealed, TlvHead};
use consort_peripherals::softbus::codec::discovery::Message;
use consort_peripherals::softbus::codec::packet::{Module, Packet};
use consort_peripherals::softbus::codec::session::{Reply, Request};
use consort_peripherals::softbus::net::tcp::Cut;
use consort_peripherals::softbus::net::{Handle, Net, Station};
use consort_peripherals::softbus::node::Service;
use consort_peripherals::softbus::{Key, Listener, Node, NodeConfig, Trusted};
use libfuzzer_sys::fuzz_target;

const KEY: [u8; 16] = [7; 16];
/// The ports that a node gets first.
const AUTH_PORT: u16 = 49_152;
const SESSION_PORT: u16 = 49_153;
const LARGEST: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    match choice % 10 {
        0 => drop(Message::decode(rest)),
        1 => drop((Identity::decode(rest), Info::decode(rest), Trust::decode(rest))),
        2 => drop((Request::decode(rest), Reply::decode(rest))),
        3 => drop(TlvHead::decode(rest)),
        4 => {
            let mut stream = rest.to_vec();
            while let Ok(Some(_)) = Packet::take(&mut stream, 1512) {}
        }
        5 => {
            let mut stream = rest.to_vec();
            while let Ok(Some(sealed)) = Sealed::take(&mut stream, 4096) {
                assert!(sealed.open(&[0; 32]).is_err());
            }
        }
        6 => frames(rest),
        7 => stream(rest),
        8 => sealed(rest),
        _ => {
            let mut listener = Listener::new(vec![KEY]);
            while_pieces(rest, |frame| drop(listener.hear(&repaired(frame))));
        }
    }
});

/// Pieces with two bytes of length in front.
fn while_pieces(mut bytes: &[u8], mut take: impl FnMut(&[u8])) {
    while let Some(([low, high], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        bytes = rest;
        take(piece);
    }
}

fn node() -> Node {
    let trust = vec![Trusted { udid: "PEER".into(), key: Key(KEY), answers: true }];
    let mut node = Node::new(NodeConfig { trust, ..NodeConfig::default() }, Rng::new(0, "fuzz"));
    let _ = node.publish(Time::ZERO, Service { id: 1, capability: 64, ..Service::default() });
    let _ = node.refresh(Time::ZERO, Service { id: 1, capability: 192, ..Service::default() });
    let _ = node.create_session_server("p", "talk");
    node
}

fn is_small(node: &Node) {
    assert!(to_bytes(node).map_or(0, |saved| saved.len()) < LARGEST);
}

/// Frames to a node; its own answers go nowhere.
fn frames(bytes: &[u8]) {
    let (mut node, mut now) = (node(), Time::ZERO);
    while_pieces(bytes, |frame| {
        node.receive(now, &repaired(frame));
        now = node.next_wake().min(now + Time::from_ms(100)).max(now);
        node.wake(now);
        node.take_frames();
        while node.take_event().is_some() {}
    });
    is_small(&node);
}

/// A frame with its checksums made right, so that more than the check of checksums is tried.
fn repaired(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if frame.len() < 42 || frame[12..14] != [8, 0] || frame[14] != 0x45 {
        return frame;
    }
    let sum = |bytes: &[u8], first: u32| {
        let words =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let mut sum = words.sum::<u32>() + first;
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        (!(sum as u16)).to_be_bytes()
    };
    let length = (frame.len() as u16 - 14).to_be_bytes();
    frame[16..18].copy_from_slice(&length);
    frame[24..26].fill(0);
    let header = sum(&frame[14..34], 0);
    frame[24..26].copy_from_slice(&header);
    let body = frame.len() as u32 - 34;
    let pseudo =
        frame[26..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
    let (at, first) = match frame[23] {
        6 if frame.len() >= 54 => (50, pseudo + 6 + body),
        17 => (40, pseudo + 17 + body),
        1 => (36, 0),
        _ => return frame,
    };
    if frame[23] == 17 {
        frame[38..40].copy_from_slice(&(body as u16).to_be_bytes());
    }
    frame[at..at + 2].fill(0);
    let whole = sum(&frame[34..], first);
    frame[at..at + 2].copy_from_slice(&whole);
    frame
}

/// A peer with a TCP of its own beside a node.
struct Peer {
    node: Node,
    net: Net,
    rng: Rng,
    now: Time,
}

impl Peer {
    fn new() -> Self {
        let station = Station { mac: [2, 0, 0, 0, 0, 9], ip: [192, 168, 0, 9].into(), prefix: 24 };
        let net = Net::new(station, Cut::default());
        Self { node: node(), net, rng: Rng::new(1, "peer"), now: Time::ZERO }
    }

    fn connect(&mut self, port: u16) -> Option<Handle> {
        let handle = self.net.connect([192, 168, 0, 2].into(), port, &mut self.rng)?;
        self.settle();
        Some(handle)
    }

    fn send(&mut self, to: Handle, bytes: &[u8]) {
        let _ = self.net.write(self.now, to, bytes, 0);
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..6 {
            self.now = self.now + Time::from_us(10);
            self.net.poll(self.now);
            for frame in self.net.take_frames() {
                self.node.receive(self.now, &frame);
            }
            self.node.wake(self.now);
            for frame in self.node.take_frames() {
                let _ = self.net.receive(self.now, &frame, &mut self.rng);
            }
            while self.node.take_event().is_some() {}
        }
    }
}

/// A stream to the authentication port, in pieces of the size its first byte tells.
fn stream(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first() else { return };
    let mut peer = Peer::new();
    let Some(handle) = peer.connect(AUTH_PORT) else { return };
    for piece in rest.chunks(usize::from(*size).max(1)) {
        peer.send(handle, piece);
    }
    is_small(&peer.node);
}

/// What a trusted peer may say: bodies that are sealed with the right key. Each piece has a byte in front: 5 for device
/// information, 6 to ask for a session, others are frames of the last session.
fn sealed(mut bytes: &[u8]) {
    let mut peer = Peer::new();
    let Some(auth) = peer.connect(AUTH_PORT) else { return };
    let plain = |module, seq, body| Packet { module, seq, flag: 0, body }.encode();
    let identity = Identity::Get { udid: "PEER".into(), auth_id: "PEER".into() };
    peer.send(auth, &plain(Module::TRUST_ENGINE, 1, identity.encode()));
    peer.send(auth, &plain(Module::AUTH_SDK, 2, Trust::Begin.encode()));
    let (mut session, mut key, mut seq) = (None, [0; 32], 0);
    while let Some(([what, low, high], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (body, rest) = rest.split_at(length);
        bytes = rest;
        seq += 1;
        let shut = seal_packet(&KEY, 2, [seq as u8; 12], body);
        assert!(open_packet(&KEY, &shut).is_ok_and(|opened| opened == body));
        match what {
            5 => peer.send(auth, &plain(Module::CONNECTION, seq, shut)),
            6 => {
                session = peer.connect(SESSION_PORT);
                key = Request::decode(body).map_or([0; 32], |request| request.key);
                session
                    .into_iter()
                    .for_each(|session| peer.send(session, &plain(Module::SESSION, seq, shut.clone())));
            }
            flag => {
                let frame = Frame { seq: seq as i32, flag: Flag((*flag).into()), payload: body.to_vec() };
                session.into_iter().for_each(|session| peer.send(session, &frame.encode(&key, [1; 8])));
            }
        }
    }
    is_small(&peer.node);
}
