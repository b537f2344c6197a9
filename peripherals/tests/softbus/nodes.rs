//! Nodes meet, talk, lose each other and recover.

use consort_core::Time;
use consort_core::rng::Rng;
use consort_core::state;
use consort_peripherals::softbus::node::{Event, How, Misbehaviour, SessionId};
use consort_peripherals::softbus::{ApiError, Key, Node, Role};
use proptest::prelude::*;

use super::lan::{Lan, config, service, udid};

#[test]
fn a_phone_meets_every_kind_of_device() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard, Role::Small, Role::Mini, Role::Lite]);
    let ids = lan.meet(Time::from_ms(500));
    assert_eq!(lan.count(|event| matches!(event, Event::SessionOpened { result: Ok(()), .. })), 8);
    for id in &ids {
        lan.call(0, |node, now| node.send_bytes(now, *id, b"reading?").unwrap());
        lan.call(0, |node, now| node.send_message(now, *id, b"notification").unwrap());
    }
    lan.run_for(Time::from_ms(10));
    assert_eq!(lan.count(|event| matches!(event, Event::Bytes { data, .. } if data == b"reading?")), 4);
    assert_eq!(lan.count(|event| matches!(event, Event::Message { data, .. } if data == b"notification")), 4);
    assert_eq!(lan.count(|event| matches!(event, Event::MessageSent { result: Ok(()), .. })), 4);
    // The other side sends too.
    let (_, _, opened) = lan
        .events
        .iter()
        .find(|(_, index, event)| *index == 4 && matches!(event, Event::SessionOpened { .. }))
        .unwrap();
    let Event::SessionOpened { id, incoming: true, .. } = *opened else { panic!("{opened:?}") };
    lan.call(4, |node, now| node.send_bytes(now, id, b"21.5").unwrap());
    lan.run_for(Time::from_ms(10));
    assert_eq!(lan.count(|event| matches!(event, Event::Bytes { data, .. } if data == b"21.5")), 1);
    assert_eq!(lan.malformed(), Vec::<&str>::new());
}

#[test]
fn a_lite_device_neither_seeks_nor_opens() {
    let mut lan = Lan::roles(&[Role::Lite, Role::Lite]);
    lan.call(0, |node, now| {
        assert_eq!(node.refresh(now, service(How::Active)), Err(ApiError::NotImplement));
        assert_eq!(node.join(now, &udid(1)), Err(ApiError::NotImplement));
        assert_eq!(node.open_session(now, "a", "b", &udid(1)), Err(ApiError::NotImplement));
        assert_eq!(node.send_file(SessionId(1)), Err(ApiError::NotImplement));
    });
}

#[test]
fn large_bytes_cross_and_limits_hold() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard, Role::Mini]);
    let ids = lan.meet(Time::from_ms(500));
    let big: Vec<u8> = (0..4 << 20).map(|n| (n / 7) as u8).collect();
    lan.call(0, |node, now| node.send_bytes(now, ids[0], &big).unwrap());
    lan.run_for(Time::from_secs(5));
    assert_eq!(lan.count(|event| matches!(event, Event::Bytes { data, .. } if *data == big)), 1);
    lan.call(0, |node, now| {
        assert_eq!(node.send_bytes(now, ids[0], &vec![0; (4 << 20) + 1]), Err(ApiError::SendLength));
        assert_eq!(node.send_message(now, ids[0], &[0; 4097]), Err(ApiError::SendLength));
        assert_eq!(node.send_bytes(now, SessionId(999), b"x"), Err(ApiError::InvalidSessionId));
        assert_eq!(node.open_session(now, "phone", "x", "nobody"), Err(ApiError::NetworkNotFound));
        assert_eq!(node.open_session(now, "nothing", "x", &udid(1)), Err(ApiError::InvalidParam));
        assert_eq!(node.join(now, "nobody"), Err(ApiError::NetworkNotFound));
    });
    for _ in ids.len()..20 {
        lan.call(0, |node, now| node.open_session(now, "phone", "sensor", &udid(1)).unwrap());
    }
    let one_more = lan.call(0, |node, now| node.open_session(now, "phone", "sensor", &udid(1)));
    assert_eq!(one_more, Err(ApiError::SessionCount));
}

#[test]
fn an_unknown_server_a_wrong_key_and_a_stranger_are_refused() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    lan.meet(Time::from_ms(500));
    lan.call(0, |node, now| node.open_session(now, "phone", "no such server", &udid(1)).unwrap());
    lan.run_for(Time::from_secs(1));
    let refused = |event: &Event| {
        matches!(event, Event::SessionOpened { result: Err(ApiError::PeerSessionNotCreated), .. })
    };
    assert_eq!(lan.count(refused), 1);

    let mut wrong = vec![config(0, Role::Standard, 2), config(1, Role::Standard, 2)];
    wrong[1].trust[0].key = Key([0xFF; 16]);
    let mut lan = Lan::new(wrong, 1);
    lan.call(1, |node, now| node.publish(now, service(How::Passive)).unwrap());
    lan.call(0, |node, now| node.refresh(now, service(How::Active)).unwrap());
    lan.run_for(Time::from_secs(1));
    lan.call(0, |node, now| node.join(now, &udid(1)).unwrap());
    lan.run_for(Time::from_secs(1));
    assert_eq!(lan.count(|event| matches!(event, Event::Joined { result: Err(_), .. })), 1);
    assert_eq!(lan.malformed(), ["CONNECTION: the authentication tag is wrong"]);

    let mut strangers = vec![config(0, Role::Standard, 2), config(1, Role::Standard, 2)];
    strangers[1].trust.clear();
    let mut lan = Lan::new(strangers, 1);
    lan.call(1, |node, now| node.publish(now, service(How::Passive)).unwrap());
    lan.call(0, |node, now| node.refresh(now, service(How::Active)).unwrap());
    lan.run_for(Time::from_secs(1));
    lan.call(0, |node, now| node.join(now, &udid(1)).unwrap());
    lan.run_for(Time::from_secs(1));
    let denied =
        |event: &Event| matches!(event, Event::Joined { result: Err(ApiError::PermissionDenied), .. });
    assert_eq!(lan.count(denied), 1);
}

#[test]
fn a_cut_wire_is_noticed_and_everyone_recovers() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Mini]);
    let ids = lan.meet(Time::from_ms(500));
    lan.cut = true;
    lan.call(0, |node, now| node.send_message(now, ids[0], b"lost?").unwrap());
    lan.run_for(Time::from_secs(60));
    assert_eq!(lan.count(|event| matches!(event, Event::Offline { .. })), 2, "both notice");
    assert_eq!(
        lan.count(|event| matches!(event, Event::MessageSent { result: Err(ApiError::Timeout), .. })),
        1
    );
    lan.cut = false;
    lan.events.clear();
    let ids = lan.meet(Time::from_secs(1));
    lan.call(0, |node, now| node.send_message(now, ids[0], b"back").unwrap());
    lan.run_for(Time::from_secs(1));
    assert_eq!(lan.count(|event| matches!(event, Event::Message { data, .. } if data == b"back")), 1);
}

#[test]
fn a_quiet_link_stays_online() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    lan.meet(Time::from_ms(500));
    lan.run_for(Time::from_secs(600));
    assert_eq!(lan.count(|event| matches!(event, Event::Offline { .. } | Event::SessionClosed { .. })), 0);
}

#[test]
fn a_peer_that_restarts_or_moves_leaves_no_sessions_behind() {
    for moves in [false, true] {
        let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
        lan.meet(Time::from_ms(500));
        lan.run_for(Time::from_secs(20));
        // The watch says nothing, so no TCP tells it that the phone forgot everything.
        for round in 1..=25 {
            if moves {
                let ip = [192, 168, 1, 100 + round].into();
                lan.call(0, |node, now| node.set_ip(now, ip));
            } else {
                let fresh = config(0, Role::Standard, 2);
                lan.nodes[0] = Node::new(fresh, Rng::new(round.into(), "restart"));
            }
            lan.events.clear();
            lan.meet(Time::from_secs(6));
            let at_watch = |wanted: fn(&Event) -> bool| {
                lan.events.iter().filter(|(_, index, event)| *index == 1 && wanted(event)).count()
            };
            assert_eq!(at_watch(|event| matches!(event, Event::SessionClosed { .. })), 1, "round {round}");
            assert_eq!(at_watch(|event| matches!(event, Event::Offline { .. })), 1, "round {round}");
            assert_eq!(at_watch(|event| matches!(event, Event::Online { .. })), 1, "round {round}");
        }
    }
}

#[test]
fn two_devices_that_join_each_other_at_once_stay_together() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    for index in 0..2 {
        lan.call(index, |node, now| node.publish(now, service(How::Passive)).unwrap());
        lan.call(index, |node, now| node.refresh(now, service(How::Active)).unwrap());
        lan.call(index, |node, _| node.create_session_server("pkg", "talk").unwrap());
    }
    lan.run_for(Time::from_ms(100));
    for (index, other) in [(0, 1), (1, 0)] {
        lan.call(index, |node, now| node.join(now, &udid(other)).unwrap());
    }
    lan.run_for(Time::from_ms(100));
    let id = lan.call(0, |node, now| node.open_session(now, "talk", "talk", &udid(1))).unwrap();
    lan.run_for(Time::from_secs(60));
    lan.call(0, |node, now| node.send_message(now, id, b"still here")).unwrap();
    lan.run_for(Time::from_secs(1));
    assert_eq!(lan.count(|event| matches!(event, Event::Online { .. })), 2, "once each");
    assert_eq!(lan.count(|event| matches!(event, Event::Joined { result: Ok(()), .. })), 2);
    assert_eq!(lan.count(|event| matches!(event, Event::Offline { .. } | Event::SessionClosed { .. })), 0);
    assert_eq!(lan.count(|event| matches!(event, Event::Message { .. })), 1);
}

#[test]
fn misbehaviour_is_reported_and_harms_nobody_else() {
    for (how, told, survives) in [
        (Misbehaviour::BadMagic, "bad magic", false),
        (Misbehaviour::Replay, "was seen before", true),
        (Misbehaviour::BadTag, "authentication tag", true),
        (Misbehaviour::HugeLength, "a length of", false),
        (Misbehaviour::Garbage, "bad magic", false),
        (Misbehaviour::HalfFrame, "", true),
        (Misbehaviour::Reset, "", false),
        (Misbehaviour::FileFrames, "are not implemented", true),
    ] {
        let mut lan = Lan::roles(&[Role::Standard, Role::Standard, Role::Standard]);
        let ids = lan.meet(Time::from_ms(500));
        lan.call(0, |node, now| node.send_bytes(now, ids[0], b"fine").unwrap());
        lan.call(0, |node, now| node.misbehave(now, ids[0], how).unwrap());
        lan.run_for(Time::from_secs(1));
        let malformed = lan.malformed();
        let frames = if how == Misbehaviour::FileFrames { 5 } else { 1 };
        assert_eq!(malformed.len(), if told.is_empty() { 0 } else { frames }, "{how:?} {malformed:?}");
        assert!(malformed.iter().all(|text| text.contains(told)), "{how:?} {malformed:?}");
        let closed = lan.count(|event| matches!(event, Event::SessionClosed { .. }));
        assert_eq!(closed > 0, !survives, "{how:?}");
        lan.call(0, |node, now| node.send_message(now, ids[1], b"still here").unwrap());
        lan.run_for(Time::from_secs(1));
        assert_eq!(
            lan.count(|event| matches!(event, Event::Message { data, .. } if data == b"still here")),
            1
        );
    }
}

#[test]
fn split_and_coalesced_segments_change_nothing() {
    for (largest, hold) in [(Some(1), None), (Some(7), None), (None, Some(Time::from_ms(3)))] {
        let mut configs = vec![config(0, Role::Standard, 2), config(1, Role::Lite, 2)];
        configs[0].largest_segment = largest;
        configs[0].hold = hold;
        let mut lan = Lan::new(configs, 1);
        let ids = lan.meet(Time::from_secs(1));
        for _ in 0..5 {
            lan.call(0, |node, now| node.send_bytes(now, ids[0], b"one of five").unwrap());
        }
        lan.run_for(Time::from_secs(1));
        assert_eq!(lan.count(|event| matches!(event, Event::Bytes { .. })), 5);
        assert_eq!(lan.malformed(), Vec::<&str>::new());
    }
}

fn story(seed: u64, loss: u64, restores: bool) -> (Vec<(Time, usize, Event)>, usize) {
    let configs = (0..3).map(|index| config(index, Role::Standard, 3)).collect();
    let mut lan = Lan::new(configs, seed);
    (lan.loss, lan.restores) = (loss, restores);
    let ids = lan.meet(Time::from_secs(12));
    for id in ids {
        let _ = lan.call(0, |node, now| node.send_message(now, id, b"story"));
    }
    lan.run_for(Time::from_secs(15));
    (lan.events, lan.sent.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_lossy_wire_only_delays(seed: u64, loss in 0_u64..150) {
        let (events, _) = story(seed, loss, false);
        let arrived = events.iter().filter(|(_, _, event)| matches!(event, Event::Message { .. })).count();
        prop_assert_eq!(arrived, 2);
        prop_assert_eq!(story(seed, loss, false).0, events, "equal seeds, equal runs");
    }

    #[test]
    fn saving_at_every_step_changes_nothing(seed: u64, loss in 0_u64..100) {
        prop_assert_eq!(story(seed, loss, true), story(seed, loss, false));
    }

    #[test]
    fn damaged_frames_never_break_a_node(seed: u64, damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..40)) {
        let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
        lan.meet(Time::from_ms(500));
        let mut rng = Rng::new(seed, "damage");
        for (at, byte) in damage {
            let id = SessionId(1);
            let _ = lan.call(0, |node, now| node.send_bytes(now, id, &[byte; 100]));
            for (_, _, frame) in &mut lan.flying {
                let at = at % frame.len();
                frame[at] ^= byte;
            }
            let garbage: Vec<u8> = (0..rng.below(100)).map(|_| rng.next_u32() as u8).collect();
            lan.call(1, |node, now| node.receive(now, &garbage));
            lan.run_for(Time::from_ms(50));
        }
        prop_assert!(state::to_bytes(&lan.nodes[1]).unwrap().len() < 100_000);
    }
}
