//! Floods of anything: a node stays small, says what it saw, and serves its peers afterwards.

use consort_core::Time;
use consort_core::rng::Rng;
use consort_core::state;
use consort_peripherals::softbus::Role;
use consort_peripherals::softbus::codec::packet::{Module, Packet};

use super::lan::{Lan, Stranger};

/// The ports that a node gets first: authentication and sessions.
const PORTS: [u16; 2] = [49_152, 49_153];
/// Thirty connections with a packet of 64 KiB begun and as much in TCP's window, and what else a node holds.
const LARGEST: usize = 30 * 128 * 1024 + (1 << 20);

fn size(lan: &Lan) -> usize {
    state::to_bytes(&lan.nodes[1]).unwrap().len()
}

/// Frames that pass for more and more of what a node understands.
fn noise(rng: &mut Rng) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..14 + rng.below(120)).map(|_| rng.next_u32() as u8).collect();
    frame[..6].copy_from_slice(&if rng.below(2) == 0 { [0xFF; 6] } else { [2, 0, 0, 0, 0, 2] });
    frame[6] &= 0xFE;
    let kind = rng.below(5);
    frame[12..14].copy_from_slice(&if kind == 0 { [8, 6] } else { [8, 0] });
    if kind == 0 && frame.len() >= 42 {
        // Somebody asks for, or tells, an address.
        frame[14..21].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0]);
        frame[21] = 1 + rng.below(2) as u8;
        frame[38..42].copy_from_slice(&[192, 168, 1, 2]);
    }
    if kind >= 2 && frame.len() >= 54 {
        let length = frame.len() as u16 - 14;
        frame[14..16].copy_from_slice(&[0x45, 0]);
        frame[16..18].copy_from_slice(&length.to_be_bytes());
        frame[20..22].copy_from_slice(&[0, 0]);
        frame[22] = 64;
        frame[23] = [6, 17, 1][kind as usize - 2];
        frame[26..28].copy_from_slice(&[192, 168]);
        frame[30..34].copy_from_slice(&[192, 168, 1, 2]);
        if kind == 2 {
            frame[36..38].copy_from_slice(&PORTS[rng.below(2) as usize].to_be_bytes());
            frame[46..48].copy_from_slice(&[0x50, 0x02]);
        } else {
            frame[36..38].copy_from_slice(&5684_u16.to_be_bytes());
            frame[38..40].copy_from_slice(&(length - 20).to_be_bytes());
        }
        checksums(&mut frame);
    }
    frame
}

/// Makes the checksums of an IPv4 frame right: the header's, TCP's and ICMP's; UDP goes without.
fn checksums(frame: &mut [u8]) {
    let sum = |bytes: &[u8], first: u32| {
        let words =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let mut sum = words.sum::<u32>() + first;
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        (!(sum as u16)).to_be_bytes()
    };
    frame[24..26].fill(0);
    let header = sum(&frame[14..34], 0);
    frame[24..26].copy_from_slice(&header);
    let length = frame.len() as u32 - 34;
    let (at, pseudo) = match frame[23] {
        6 => (
            50,
            frame[26..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>()
                + 6
                + length,
        ),
        1 => (36, 0),
        _ => {
            frame[40..42].fill(0);
            return;
        }
    };
    frame[at..at + 2].fill(0);
    let body = sum(&frame[34..], pseudo);
    frame[at..at + 2].copy_from_slice(&body);
}

#[test]
fn a_flood_of_frames_leaves_a_node_small_and_alive() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    let id = lan.meet(Time::from_ms(500))[0];
    let before = size(&lan);
    let mut rng = Rng::new(5, "flood");
    for count in 0..30_000 {
        let frame = noise(&mut rng);
        lan.call(1, |node, now| node.receive(now, &frame));
        if count % 100 == 0 {
            lan.run_for(Time::from_ms(5));
            lan.sent.clear();
            assert!(size(&lan) < 1 << 20, "{}", size(&lan));
        }
    }
    for words in [
        "a bad IPv4",
        "an IPv4 packet from an impossible",
        "a bad ARP",
        "discovery message",
        "too many connections",
    ] {
        assert!(lan.malformed().iter().any(|text| text.contains(words)), "`{words}` was not told");
    }
    // Its peer is still there, and a minute later nothing is left of the flood.
    lan.events.clear();
    lan.call(0, |node, now| node.send_message(now, id, b"still there?")).unwrap();
    lan.run_for(Time::from_secs(60));
    let arrived = |event: &consort_peripherals::softbus::node::Event| matches!(event, consort_peripherals::softbus::node::Event::Message { data, .. } if data == b"still there?");
    assert_eq!(lan.count(arrived), 1);
    assert!(size(&lan) < before + 30_000, "{before} {}", size(&lan));
}

#[test]
fn strangers_with_endless_packets_hold_little_and_not_for_long() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    lan.meet(Time::from_ms(500));
    let before = size(&lan);
    for round in 0..3 {
        let mut stranger = Stranger::new(77);
        let begun = Packet { module: Module::AUTH_SDK, seq: 1, flag: 0, body: vec![7; 64 * 1024] }.encode();
        // The last byte never comes.
        let begun = [&begun[..begun.len() - 1], &[]].concat();
        let connections: Vec<_> =
            (0..60).map(|number| stranger.connect(1, PORTS[usize::from(number % 3 == 0)])).collect();
        for _ in 0..10 {
            for connection in &connections {
                let _ = stranger.net.write(lan.now, *connection, &begun, 0);
            }
            stranger.run_for(&mut lan, Time::from_ms(500));
            assert!(size(&lan) < LARGEST, "round {round}: {}", size(&lan));
        }
        // Nobody ends the connections but the node: at its time-outs.
        stranger.run_for(&mut lan, Time::from_secs(25));
        assert!(size(&lan) < before + 30_000, "round {round}: {before} {}", size(&lan));
    }
    assert!(
        lan.malformed().iter().any(|text| text.contains("too many connections")),
        "{:?}",
        lan.malformed()
    );
    assert!(lan.malformed().iter().any(|text| text.contains("a length of 65536 is more than 32768")));
    assert_eq!(lan.nodes[0].online().count(), 1, "the peer did not notice");
}
