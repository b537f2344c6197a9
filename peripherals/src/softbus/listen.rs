//! Listening on a wire: the soft bus's conversation in words, whoever speaks, decrypted with the keys that are known.
//!
//! Each frame is heard once, as it was sent, so a connection's bytes come in order but for what is sent again.
//! Nothing here takes part in the emulation.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};

use super::codec::cipher::{self, AuthKey, SessionKey};
use super::codec::data::{Flag, HEAD, Sealed};
use super::codec::discovery::{Datagram, Message, PORT};
use super::codec::packet::{Module, Packet, REPLY};
use super::codec::session::Request;
use super::codec::{MAGIC, word};

/// Connections that are followed at one time, and bytes that wait in one for the rest of a message.
const MOST_FLOWS: usize = 4096;
const MOST_WAITING: usize = 8 << 20;
const SHOWN: usize = 300;

/// One end of a connection.
type End = (Ipv4Addr, u16);

/// A direction of a connection.
#[derive(Debug, Default)]
struct Flow {
    next: Option<u32>,
    waiting: Vec<u8>,
}

/// A listener.
#[derive(Debug, Default)]
pub struct Listener {
    keys: Vec<AuthKey>,
    flows: BTreeMap<(End, End), Flow>,
    /// Keys of sessions, by the end that opened them and the end that took them.
    sessions: BTreeMap<(End, End), SessionKey>,
}

fn shown(text: &[u8]) -> String {
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = String::from_utf8_lossy(&text[..end]);
    match text.char_indices().nth(SHOWN) {
        None => text.into_owned(),
        Some((cut, _)) => format!("{}...", &text[..cut]),
    }
}

impl Listener {
    /// A listener that knows the keys of authenticated connections.
    pub fn new(keys: Vec<AuthKey>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// What a frame says, message by message; mostly nothing.
    pub fn hear(&mut self, frame: &[u8]) -> Vec<String> {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return Vec::new() };
        if frame.ethertype() != EthernetProtocol::Ipv4 {
            return Vec::new();
        }
        let Ok(packet) = Ipv4Packet::new_checked(frame.payload()) else { return Vec::new() };
        if packet.more_frags() || packet.frag_offset() != 0 {
            return Vec::new();
        }
        let (from, to) = (packet.src_addr(), packet.dst_addr());
        match packet.next_header() {
            IpProtocol::Udp => match UdpPacket::new_checked(packet.payload()) {
                Ok(udp) if udp.dst_port() == PORT => vec![discovery(udp.payload(), to)],
                _ => Vec::new(),
            },
            IpProtocol::Tcp => match TcpPacket::new_checked(packet.payload()) {
                Ok(tcp) => self.segment((from, tcp.src_port()), (to, tcp.dst_port()), &tcp),
                Err(_) => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn segment(&mut self, from: End, to: End, tcp: &TcpPacket<&[u8]>) -> Vec<String> {
        let seq = tcp.seq_number().0 as u32;
        if tcp.syn() {
            if self.flows.len() >= MOST_FLOWS {
                self.flows.pop_first();
            }
            self.flows.insert((from, to), Flow { next: Some(seq.wrapping_add(1)), ..Flow::default() });
            self.sessions.remove(&(from, to));
            return Vec::new();
        }
        let Some(flow) = self.flows.get_mut(&(from, to)) else { return Vec::new() };
        let (payload, next) = (tcp.payload(), flow.next.unwrap_or(seq));
        let known = next.wrapping_sub(seq) as usize;
        if let Some(fresh) = payload.get(known..).filter(|fresh| !fresh.is_empty()) {
            flow.next = Some(next.wrapping_add(fresh.len() as u32));
            flow.waiting.extend_from_slice(fresh);
        }
        let mut waiting = std::mem::take(&mut flow.waiting);
        let mut said = Vec::new();
        while let Some(words) = self.message(from, to, &mut waiting) {
            said.push(words);
        }
        if waiting.len() > MOST_WAITING {
            waiting.clear();
        }
        if tcp.fin() || tcp.rst() {
            self.flows.remove(&(from, to));
        } else if let Some(flow) = self.flows.get_mut(&(from, to)) {
            flow.waiting = waiting;
        }
        said
    }

    /// The first whole message of a stream; what is no message of the soft bus is passed over.
    fn message(&mut self, from: End, to: End, stream: &mut Vec<u8>) -> Option<String> {
        if stream.len() < HEAD {
            return None;
        }
        if word(stream, 0) != Some(MAGIC) {
            stream.clear();
            return None;
        }
        // A packet's sequence numbers are below 2^32 in practice, a data frame is never empty.
        if word(stream, 12) != Some(0) {
            return match Sealed::take(stream, MOST_WAITING) {
                Ok(sealed) => Some(self.data(from, to, &sealed?)),
                Err(error) => {
                    stream.clear();
                    Some(format!("malformed: {error}"))
                }
            };
        }
        match Packet::take(stream, MOST_WAITING) {
            Ok(packet) => Some(self.packet(from, to, &packet?)),
            Err(error) => {
                stream.clear();
                Some(format!("malformed: {error}"))
            }
        }
    }

    fn packet(&mut self, from: End, to: End, packet: &Packet) -> String {
        let way = if packet.flag & REPLY != 0 { "reply" } else { "request" };
        let head = format!("{} {way} {}", packet.module.name(), packet.seq);
        if packet.module.is_plain() {
            return format!("{head}: {}", shown(&packet.body));
        }
        let plain = self.keys.iter().find_map(|key| cipher::open_packet(key, &packet.body).ok());
        let Some(plain) = plain else {
            return format!("{head}: {} encrypted bytes, the key is not known", packet.body.len());
        };
        if packet.module == Module::SESSION
            && packet.flag & REPLY == 0
            && let Ok(request) = Request::decode(&plain)
        {
            if self.sessions.len() >= MOST_FLOWS {
                self.sessions.pop_first();
            }
            self.sessions.insert((from, to), request.key);
        }
        format!("{head}: {}", shown(&plain))
    }

    fn data(&self, from: End, to: End, sealed: &Sealed) -> String {
        let what = match sealed.flag {
            Flag::BYTES => "bytes",
            Flag::ACK => "acknowledgement",
            Flag::MESSAGE => "message",
            Flag::ASYNC_MESSAGE => "asynchronous message",
            _ => "frame of another kind",
        };
        let key = self.sessions.get(&(from, to)).or_else(|| self.sessions.get(&(to, from)));
        let Some(key) = key else {
            return format!(
                "{what} {}: {} encrypted bytes, the key is not known",
                sealed.seq,
                sealed.body.len()
            );
        };
        match sealed.open(key) {
            Err(error) => format!("{what} {}: {error}", sealed.seq),
            Ok(frame) if frame.flag == Flag::ACK => {
                let of = frame.payload.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
                of.map_or_else(|| format!("{what} of nothing"), |of| format!("{what} of message {of}"))
            }
            Ok(frame) => format!("{what} {}: {:?}", frame.seq, shown(&frame.payload)),
        }
    }
}

fn discovery(payload: &[u8], to: Ipv4Addr) -> String {
    match Message::decode(payload) {
        Ok(Datagram::Acknowledged(id)) => format!("discovery, acknowledgement of {id:#06x}"),
        Ok(Datagram::Message(message)) => {
            let json = payload.iter().position(|byte| *byte == 0xFF).map_or(&[][..], |at| &payload[at + 1..]);
            let asks = if message.announcement.coap_uri.is_some() { "who is there?" } else { "here I am" };
            format!("discovery to {to}, {asks} {}", shown(json))
        }
        Err(error) => format!("discovery to {to}, malformed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::softbus::node::{How, Service};
    use crate::softbus::{Key, Mac, Node, NodeConfig, Trusted};
    use consort_core::Time;
    use consort_core::rng::Rng;
    use proptest::prelude::*;

    fn node(number: u8, peer: &str) -> Node {
        let trust = vec![Trusted { udid: peer.to_owned(), key: Key([7; 16]), answers: true }];
        let config = NodeConfig {
            udid: format!("N{number}"),
            mac: Mac([2, 0, 0, 0, 0, number]),
            ip: [10, 0, 0, number].into(),
            trust,
            ..NodeConfig::default()
        };
        Node::new(config, Rng::new(1, peer))
    }

    /// What a listener hears of two nodes that meet, and says what the second does when the session is open.
    fn conversation(keys: Vec<AuthKey>) -> Vec<String> {
        let (mut a, mut b) = (node(1, "N2"), node(2, "N1"));
        let (mut listener, mut said, now) = (Listener::new(keys), Vec::new(), Time::ZERO);
        let mut settle = |a: &mut Node, b: &mut Node| {
            for _ in 0..20 {
                for frame in a.take_frames() {
                    said.extend(listener.hear(&frame));
                    b.receive(now, &frame);
                }
                for frame in b.take_frames() {
                    said.extend(listener.hear(&frame));
                    a.receive(now, &frame);
                }
            }
        };
        let service = |how| Service { id: 1, capability: 1, how, ..Service::default() };
        b.publish(now, service(How::Passive)).unwrap();
        b.create_session_server("p", "talk").unwrap();
        a.create_session_server("p", "talk").unwrap();
        a.refresh(now, service(How::Active)).unwrap();
        settle(&mut a, &mut b);
        a.join(now, "N2").unwrap();
        settle(&mut a, &mut b);
        let id = a.open_session(now, "talk", "talk", "N2").unwrap();
        settle(&mut a, &mut b);
        a.send_message(now, id, b"dinner").unwrap();
        settle(&mut a, &mut b);
        said
    }

    #[test]
    fn the_whole_conversation_is_heard() {
        let said = conversation(vec![[1; 16], [7; 16]]).join("\n");
        for words in [
            "who is there? {\"deviceId\"",
            "TRUST_ENGINE request 1: {\"TECmd\":\"getAuthInfo\"",
            "AUTH_SDK",
            "SESSION_PORT",
            "SESSION request",
            "\"BUS_NAME\":\"talk\"",
            "message 1: \"dinner\"",
            "acknowledgement of message 1",
        ] {
            assert!(said.contains(words), "`{words}` is not in:\n{said}");
        }
    }

    #[test]
    fn without_the_key_it_says_so() {
        let said = conversation(Vec::new()).join("\n");
        assert!(said.contains("the key is not known") && !said.contains("dinner"), "{said}");
    }

    proptest! {
        #[test]
        fn anything_may_be_on_the_wire(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..8)) {
            let mut listener = Listener::new(vec![[0; 16]]);
            for frame in frames {
                listener.hear(&frame);
            }
        }
    }
}
