//! Any bytes from the wire: the soft bus's codecs answer with a message or an error, and a node stays small.

#![no_main]

use consort_core::Time;
use consort_core::rng::Rng;
use consort_core::state::to_bytes;
use consort_peripherals::softbus::codec::auth::{Identity, Info, Trust};
use consort_peripherals::softbus::codec::data::{Sealed, TlvHead};
use consort_peripherals::softbus::codec::discovery::Message;
use consort_peripherals::softbus::codec::packet::Packet;
use consort_peripherals::softbus::codec::session::{Reply, Request};
use consort_peripherals::softbus::node::Service;
use consort_peripherals::softbus::{Node, NodeConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    match choice % 8 {
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
        _ => node(rest),
    }
});

/// Frames to a node, each with its length in front.
fn node(mut bytes: &[u8]) {
    let mut node = Node::new(NodeConfig::default(), Rng::new(0, "fuzz"));
    let mut now = Time::ZERO;
    drop(node.publish(now, Service { id: 1, capability: 64, ..Service::default() }));
    while let Some((length, rest)) = bytes.split_first() {
        let (frame, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        node.receive(now, frame);
        now = node.next_wake().min(now + Time::from_ms(100)).max(now);
        node.wake(now);
        node.take_frames();
        while node.take_event().is_some() {}
    }
    assert!(to_bytes(&node).map_or(0, |saved| saved.len()) < 1 << 20);
}
