//! Peers that are no nodes of ours: what they answer wrongly, and what that does to us.

use consort_core::Time;
use consort_core::rng::Rng;
use consort_core::state;
use consort_peripherals::softbus::codec::auth::{DeviceInfo, Identity, Info, Trust};
use consort_peripherals::softbus::codec::cipher::{self, AuthKey, SessionKey};
use consort_peripherals::softbus::codec::data::{Flag, Frame};
use consort_peripherals::softbus::codec::packet::{Module, Packet, REPLY};
use consort_peripherals::softbus::codec::session::{Reply, Request};
use consort_peripherals::softbus::net::Handle;
use consort_peripherals::softbus::node::{Event, How, Misbehaviour, SessionId};
use consort_peripherals::softbus::{ApiError, Node, NodeConfig, Role};

use super::lan::{Lan, Stranger, config, service, udid};

/// The key that nodes 0 and 1 share.
const KEY: AuthKey = [1; 16];
const SESSION_PORT: u16 = 0xC00A;

/// Which of its answers is wrong, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    Identity,
    Refusal,
    InfoKey,
    InfoIndex,
    InfoMagic,
    InfoLength,
    InfoText,
    ReplyKey,
    ReplyMagic,
    ReplyModule,
}

/// A stranger at the address of node 1 that plays its part by hand.
struct Impostor {
    stranger: Stranger,
    wrong: Wrong,
    key_index: u32,
    links: Vec<(Handle, u16)>,
    session: Option<(Handle, SessionKey)>,
}

impl Impostor {
    /// Node 0 has found node 1, which has gone since.
    fn new(wrong: Wrong) -> (Self, Lan) {
        let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
        lan.call(1, |node, now| node.publish(now, service(How::Passive))).unwrap();
        lan.call(0, |node, _| node.create_session_server("pkg", "phone")).unwrap();
        lan.call(0, |node, now| node.refresh(now, service(How::Active))).unwrap();
        lan.run_for(Time::from_secs(1));
        lan.call(0, |node, _| node.stop_refresh(1)).unwrap();
        lan.call(1, |node, now| node.set_ip(now, [192, 168, 1, 200].into()));
        let mut stranger = Stranger::new(77);
        stranger.net.move_to([192, 168, 1, 2].into());
        (0xC000..0xC010).for_each(|port| stranger.net.listen(port));
        stranger.run_for(&mut lan, Time::from_secs(1));
        (Self { stranger, wrong, key_index: 0, links: Vec::new(), session: None }, lan)
    }

    fn run_for(&mut self, lan: &mut Lan, span: Time) {
        let end = lan.now + span;
        while lan.now < end {
            self.stranger.run_for(lan, Time::from_ms(5));
            while let Some(link) = self.stranger.net.accepted() {
                self.links.push(link);
            }
            for (handle, port) in self.links.clone() {
                let Some(connection) = self.stranger.net.connection(handle) else { continue };
                if self.session.is_some_and(|(session, _)| session == handle) {
                    continue;
                }
                let Ok(Some(packet)) = Packet::take(connection.input(), 1 << 16) else { continue };
                let answer =
                    if port == SESSION_PORT { self.open(handle, &packet) } else { self.answer(&packet) };
                let _ = self.stranger.net.write(lan.now, handle, &answer, 0);
            }
        }
    }

    fn sealed(&self, key: &AuthKey, module: Module, seq: u64, plain: &[u8]) -> Vec<u8> {
        let index = self.key_index + u32::from(self.wrong == Wrong::InfoIndex);
        Packet { module, seq, flag: REPLY, body: cipher::seal_packet(key, index, [9; 12], plain) }.encode()
    }

    fn answer(&mut self, packet: &Packet) -> Vec<u8> {
        let plain = |body| Packet { module: packet.module, seq: packet.seq, flag: REPLY, body }.encode();
        match packet.module {
            Module::TRUST_ENGINE => {
                let udid = if self.wrong == Wrong::Identity { udid(7) } else { udid(1) };
                plain(Identity::Return { udid }.encode())
            }
            Module::AUTH_SDK => {
                self.key_index = packet.seq as u32;
                plain(if self.wrong == Wrong::Refusal { Trust::Refuse } else { Trust::Agree }.encode())
            }
            Module::CONNECTION => {
                assert!(cipher::open_packet(&KEY, &packet.body).is_ok());
                let info = DeviceInfo {
                    max_version: 2,
                    min_version: 2,
                    auth_port: 0xC000,
                    session_port: SESSION_PORT,
                    conn_cap: 31,
                    name: "impostor".into(),
                    device_type: "WATCH".into(),
                    udid: udid(1),
                    version: "1".into(),
                };
                let text = match self.wrong {
                    Wrong::InfoText => b"{\"CODE\":1}".to_vec(),
                    _ => Info::VerifyIp(info).encode(),
                };
                let key = if self.wrong == Wrong::InfoKey { [0xFF; 16] } else { KEY };
                let mut bytes = self.sealed(&key, packet.module, packet.seq, &text);
                match self.wrong {
                    Wrong::InfoMagic => bytes[0] = 0,
                    Wrong::InfoLength => bytes[22] = 0xFF,
                    _ => {}
                }
                bytes
            }
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self, handle: Handle, packet: &Packet) -> Vec<u8> {
        let request = Request::decode(&cipher::open_packet(&KEY, &packet.body).unwrap()).unwrap();
        self.session = Some((handle, request.key));
        let reply = Reply::Opened { udid: udid(1), pkg_name: "pkg".into() }.encode();
        let key = if self.wrong == Wrong::ReplyKey { [0xFF; 16] } else { KEY };
        let module = if self.wrong == Wrong::ReplyModule { Module::PROXY } else { packet.module };
        let mut bytes = self.sealed(&key, module, packet.seq, &reply);
        if self.wrong == Wrong::ReplyMagic {
            bytes[3] ^= 1;
        }
        bytes
    }

    /// Sends frames in the session.
    fn say(&mut self, lan: &mut Lan, bytes: &[u8]) {
        let (handle, _) = self.session.unwrap();
        assert!(self.stranger.net.write(lan.now, handle, bytes, 0));
        self.run_for(lan, Time::from_ms(50));
    }
}

/// Every wrong answer, and what the API says of it.
#[test]
fn a_wrong_answer_ends_what_it_answers_with_its_code() {
    for (wrong, join, open) in [
        (Wrong::Nothing, Ok(()), Ok(())),
        (Wrong::Identity, Err(ApiError::PermissionDenied), Ok(())),
        (Wrong::Refusal, Err(ApiError::PermissionDenied), Ok(())),
        (Wrong::InfoKey, Err(ApiError::Decrypt), Ok(())),
        (Wrong::InfoIndex, Err(ApiError::Decrypt), Ok(())),
        (Wrong::InfoMagic, Err(ApiError::InvalidDataHead), Ok(())),
        (Wrong::InfoLength, Err(ApiError::InvalidDataHead), Ok(())),
        (Wrong::InfoText, Err(ApiError::InvalidParam), Ok(())),
        (Wrong::ReplyKey, Ok(()), Err(ApiError::Decrypt)),
        (Wrong::ReplyMagic, Ok(()), Err(ApiError::InvalidDataHead)),
        (Wrong::ReplyModule, Ok(()), Err(ApiError::InvalidDataHead)),
    ] {
        let (mut impostor, mut lan) = Impostor::new(wrong);
        lan.call(0, |node, now| node.join(now, &udid(1))).unwrap();
        impostor.run_for(&mut lan, Time::from_secs(2));
        let joined = lan.events.iter().find_map(|(_, _, event)| match event {
            Event::Joined { result, .. } => Some(*result),
            _ => None,
        });
        assert_eq!(joined, Some(join), "{wrong:?}");
        if join.is_ok() {
            lan.call(0, |node, now| node.open_session(now, "phone", "sensor", &udid(1))).unwrap();
            impostor.run_for(&mut lan, Time::from_secs(1));
            let opened = lan.events.iter().find_map(|(_, _, event)| match event {
                Event::SessionOpened { result, .. } => Some(*result),
                _ => None,
            });
            assert_eq!(opened, Some(open), "{wrong:?}");
        }
        assert_eq!(lan.malformed().len(), usize::from(wrong != Wrong::Nothing), "{:?}", lan.malformed());
    }
}

#[test]
fn frames_without_the_magic_end_a_session_and_its_messages_with_their_code() {
    let (mut impostor, mut lan) = Impostor::new(Wrong::Nothing);
    lan.call(0, |node, now| node.join(now, &udid(1))).unwrap();
    impostor.run_for(&mut lan, Time::from_secs(1));
    let id = lan.call(0, |node, now| node.open_session(now, "phone", "sensor", &udid(1))).unwrap();
    impostor.run_for(&mut lan, Time::from_secs(1));
    lan.call(0, |node, now| node.send_message(now, id, b"anybody?")).unwrap();
    impostor.say(&mut lan, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(
        lan.count(|event| matches!(event, Event::MessageSent { result: Err(ApiError::InvalidDataHead), .. })),
        1
    );
    assert_eq!(lan.count(|event| matches!(event, Event::SessionClosed { .. })), 1);
    assert_eq!(lan.call(0, |node, now| node.send_bytes(now, id, b"x")), Err(ApiError::InvalidSessionId));
    assert_eq!(lan.nodes[0].online().count(), 1, "the device is there still");
}

#[test]
fn frames_of_files_are_told_and_passed_over() {
    let (mut impostor, mut lan) = Impostor::new(Wrong::Nothing);
    lan.call(0, |node, now| node.join(now, &udid(1))).unwrap();
    impostor.run_for(&mut lan, Time::from_secs(1));
    let id = lan.call(0, |node, now| node.open_session(now, "phone", "sensor", &udid(1))).unwrap();
    impostor.run_for(&mut lan, Time::from_secs(1));
    let (_, key) = impostor.session.unwrap();
    for (index, flag) in (3..=7).enumerate() {
        let frame = Frame { seq: index as i32 + 1, flag: Flag(flag), payload: vec![7; 1000] };
        impostor.say(&mut lan, &frame.encode(&key, [0; 8]));
        let told = format!("session {}: frames with flag {flag} are not implemented", id.0);
        assert_eq!(lan.malformed().last(), Some(&told.as_str()));
    }
    assert_eq!(lan.malformed().len(), 5);
    // The session goes on, and so does the numbering.
    let frame = Frame { seq: 6, flag: Flag::BYTES, payload: b"21.5".to_vec() };
    impostor.say(&mut lan, &frame.encode(&key, [0; 8]));
    assert_eq!(lan.count(|event| matches!(event, Event::Bytes { data, .. } if data == b"21.5")), 1);
    assert_eq!(lan.call(0, |node, now| node.send_bytes(now, id, b"ok")), Ok(()));
}

/// A phone or two, and a lite device with the flaws of OpenHarmony's.
fn flawed(phones: usize, change: impl FnOnce(&mut NodeConfig)) -> Lan {
    let mut configs: Vec<_> = (0..=phones).map(|index| config(index, Role::Standard, phones + 1)).collect();
    configs[phones].role = Role::Lite;
    configs[phones].flaws = true;
    change(&mut configs[0]);
    let mut lan = Lan::new(configs, 1);
    lan.call(phones, |node, now| node.publish(now, service(How::Passive))).unwrap();
    lan.call(phones, |node, _| node.create_session_server("pkg", "sensor")).unwrap();
    for phone in 0..phones {
        lan.call(phone, |node, _| node.create_session_server("pkg", "phone")).unwrap();
        lan.call(phone, |node, now| node.refresh(now, service(How::Active))).unwrap();
    }
    lan.run_for(Time::from_secs(1));
    lan
}

fn meet(lan: &mut Lan, phone: usize, device: usize) -> SessionId {
    lan.call(phone, |node, now| node.join(now, &udid(device))).unwrap();
    lan.run_for(Time::from_ms(200));
    let id = lan.call(phone, |node, now| node.open_session(now, "phone", "sensor", &udid(device))).unwrap();
    lan.run_for(Time::from_ms(200));
    id
}

fn taken(lan: &Lan, text: &str) -> usize {
    lan.count(|event| matches!(event, Event::Bytes { data, .. } if data == text.as_bytes()))
}

#[test]
fn a_flawed_peer_takes_what_came_at_once_for_one_frame() {
    let mut lan = flawed(1, |phone| phone.hold = Some(Time::from_ms(20)));
    let id = meet(&mut lan, 0, 1);
    for _ in 0..2 {
        lan.call(0, |node, now| node.send_bytes(now, id, b"together")).unwrap();
    }
    lan.run_for(Time::from_ms(100));
    assert_eq!(taken(&lan, "together"), 0);
    assert_eq!(lan.malformed(), ["session 1: frame 1: the authentication tag is wrong"]);
    lan.call(0, |node, now| node.send_bytes(now, id, b"alone")).unwrap();
    lan.run_for(Time::from_ms(100));
    assert_eq!(taken(&lan, "alone"), 1);
    assert_eq!(lan.count(|event| matches!(event, Event::SessionClosed { .. })), 0);
}

#[test]
fn a_flawed_peer_cannot_be_joined_in_ragged_pieces() {
    for flaws in [true, false] {
        let mut lan = flawed(1, |phone| {
            phone.hold = Some(Time::from_ms(200));
            phone.largest_segment = Some(50);
            phone.trust[0].answers = false;
        });
        if !flaws {
            let sane = NodeConfig { flaws, ..lan.nodes[1].config().clone() };
            lan.nodes[1] = Node::new(sane, Rng::new(1, "sane"));
            lan.call(1, |node, now| node.publish(now, service(How::Passive))).unwrap();
            lan.call(0, |node, now| node.refresh(now, service(How::Active))).unwrap();
            lan.run_for(Time::from_secs(1));
        }
        lan.call(0, |node, now| node.join(now, &udid(1))).unwrap();
        lan.run_for(Time::from_secs(60));
        let joined = |event: &Event| matches!(event, Event::Joined { result: Ok(()), .. });
        let failed = |event: &Event| matches!(event, Event::Joined { result: Err(_), .. });
        let (good, bad) = (usize::from(!flaws), usize::from(flaws));
        assert_eq!((lan.count(joined), lan.count(failed)), (good, bad), "{:?}", lan.events);
    }
}

#[test]
fn a_flawed_peer_ends_the_session_over_a_piece_of_a_head() {
    let mut lan = flawed(1, |phone| phone.largest_segment = Some(7));
    let id = meet(&mut lan, 0, 1);
    lan.call(0, |node, now| node.send_bytes(now, id, b"reading")).unwrap();
    lan.run_for(Time::from_ms(100));
    assert_eq!(lan.malformed(), ["session 1: a data frame ends early"]);
    assert_eq!(lan.count(|event| matches!(event, Event::SessionClosed { .. })), 2);
    // The phone is still on good terms with it.
    lan.run_for(Time::from_secs(60));
    assert_eq!(lan.count(|event| matches!(event, Event::Offline { .. })), 0);
    let open = |node: &mut Node, now| node.open_session(now, "phone", "sensor", &udid(1));
    assert!(lan.call(0, open).is_ok());
}

#[test]
fn a_flawed_peer_takes_a_frame_again_and_its_phone_does_not() {
    let mut lan = flawed(1, |_| {});
    let id = meet(&mut lan, 0, 1);
    lan.call(0, |node, now| node.send_bytes(now, id, b"unlock")).unwrap();
    lan.run_for(Time::from_ms(10));
    lan.call(0, |node, now| node.misbehave(now, id, Misbehaviour::Replay)).unwrap();
    lan.run_for(Time::from_ms(10));
    assert_eq!(taken(&lan, "unlock"), 2);
    let back = SessionId(1);
    lan.call(1, |node, now| node.send_bytes(now, back, b"done")).unwrap();
    lan.run_for(Time::from_ms(10));
    lan.call(1, |node, now| node.misbehave(now, back, Misbehaviour::Replay)).unwrap();
    lan.run_for(Time::from_ms(10));
    assert_eq!(taken(&lan, "done"), 1);
    assert_eq!(lan.malformed(), ["session 1: frame 1 was seen before or is too old"]);
}

#[test]
fn a_flawed_peers_second_phone_costs_the_first_its_place_and_no_more() {
    let mut lan = flawed(2, |_| {});
    let first = meet(&mut lan, 0, 2);
    let second = meet(&mut lan, 1, 2);
    lan.call(1, |node, now| node.send_bytes(now, second, b"the second")).unwrap();
    // What is open goes on: a session has a key of its own.
    lan.call(0, |node, now| node.send_bytes(now, first, b"the first")).unwrap();
    lan.run_for(Time::from_ms(100));
    assert_eq!((taken(&lan, "the first"), taken(&lan, "the second")), (1, 1));
    // But what the peer seals for the first phone is for the second's eyes.
    lan.call(0, |node, now| node.open_session(now, "phone", "sensor", &udid(2))).unwrap();
    lan.run_for(Time::from_ms(100));
    let failed = |event: &Event| matches!(event, Event::SessionOpened { result: Err(ApiError::Decrypt), .. });
    assert_eq!(lan.count(failed), 1);
    // The heartbeat's answer shows it too; they throw each other out for as long as both come back.
    let mut offline = 0;
    for round in 0..20 {
        lan.events.clear();
        lan.sent.clear();
        lan.run_for(Time::from_secs(11));
        offline += lan.count(|event| matches!(event, Event::Offline { .. }));
        for phone in 0..2 {
            if lan.nodes[phone].online().count() == 0 {
                let _ = lan.call(phone, |node, now| node.join(now, &udid(2)));
            }
        }
        for node in &lan.nodes {
            let size = state::to_bytes(node).unwrap().len();
            assert!(size < 20_000, "round {round}: {size}");
        }
    }
    assert!(offline >= 10, "{offline}");
}
