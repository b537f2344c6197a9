//! The public API: limits, time-outs, and every error code where it belongs.

use consort_core::Time;
use consort_peripherals::softbus::node::{Event, How, SessionId};
use consort_peripherals::softbus::{ApiError, Role};

use super::lan::{Lan, Stranger, service, udid};

/// How joins ended, and when.
fn joins(lan: &Lan) -> Vec<(Time, Result<(), ApiError>)> {
    let ends = lan.events.iter().filter_map(|(at, _, event)| match event {
        Event::Joined { result, .. } => Some((*at, *result)),
        _ => None,
    });
    ends.collect()
}

/// How node 0's own sessions opened, and when.
fn opened(lan: &Lan) -> Vec<(Time, Result<(), ApiError>)> {
    let ends = lan.events.iter().filter_map(|(at, index, event)| match event {
        Event::SessionOpened { result, .. } if *index == 0 => Some((*at, *result)),
        _ => None,
    });
    ends.collect()
}

/// Two nodes that have met, and the session between them.
fn pair() -> (Lan, SessionId) {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    let id = lan.meet(Time::from_ms(500))[0];
    (lan, id)
}

#[test]
fn a_join_takes_no_longer_than_fifteen_seconds() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    lan.call(1, |node, now| node.publish(now, service(How::Passive))).unwrap();
    lan.call(0, |node, now| node.refresh(now, service(How::Active))).unwrap();
    lan.run_for(Time::from_secs(1));
    lan.cut = true;
    let begin = lan.now;
    lan.call(0, |node, now| node.join(now, &udid(1))).unwrap();
    lan.run_for(Time::from_secs(60));
    assert_eq!(joins(&lan), [(begin + Time::from_secs(15), Err(ApiError::Timeout))]);
}

#[test]
fn authentication_takes_no_longer_than_ten() {
    // The peer takes the connection, and says nothing.
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    lan.call(1, |node, now| node.publish(now, service(How::Passive))).unwrap();
    lan.call(0, |node, now| node.refresh(now, service(How::Active))).unwrap();
    lan.run_for(Time::from_secs(1));
    lan.call(0, |node, _| node.stop_refresh(1)).unwrap();
    lan.call(1, |node, now| node.set_ip(now, [192, 168, 1, 200].into()));
    let mut silent = Stranger::new(77);
    silent.net.move_to([192, 168, 1, 2].into());
    (0xC000..0xC010).for_each(|port| silent.net.listen(port));
    silent.run_for(&mut lan, Time::from_secs(1));
    let begin = lan.now;
    lan.call(0, |node, now| node.join(now, &udid(1))).unwrap();
    silent.run_for(&mut lan, Time::from_secs(60));
    assert_eq!(joins(&lan).len(), 1);
    let (at, result) = joins(&lan)[0];
    assert_eq!(result, Err(ApiError::AuthTimeout));
    assert!(at.since(begin + Time::from_secs(10)) < Time::from_ms(10), "{at}");
}

#[test]
fn a_device_that_is_left_has_five_seconds_to_let_go() {
    let left = |lan: &Lan| -> Vec<(Time, Result<(), ApiError>)> {
        let ends = lan.events.iter().filter_map(|(at, _, event)| match event {
            Event::Left { result, .. } => Some((*at, *result)),
            _ => None,
        });
        ends.collect()
    };
    let offline = |lan: &Lan, wanted: usize| {
        lan.events
            .iter()
            .filter(|(_, index, event)| *index == wanted && matches!(event, Event::Offline { .. }))
            .count()
    };
    for cut in [false, true] {
        let (mut lan, id) = pair();
        lan.cut = cut;
        lan.call(0, |node, now| node.send_message(now, id, b"last words")).unwrap();
        let begin = lan.now;
        lan.call(0, |node, now| node.leave(now, &udid(1))).unwrap();
        // To its owner the device is gone at once.
        assert_eq!(offline(&lan, 0), 1);
        assert_eq!(lan.count(|event| matches!(event, Event::SessionClosed { .. })), 1);
        let lost = |event: &Event| {
            matches!(event, Event::MessageSent { result: Err(ApiError::NetworkNotFound), .. })
        };
        assert_eq!(lan.count(lost), 1);
        let again = lan.call(0, |node, now| node.leave(now, &udid(1)));
        assert_eq!(again, Err(ApiError::NetworkNotFound));
        lan.run_for(Time::from_secs(6));
        if cut {
            assert_eq!(left(&lan), [(begin + Time::from_secs(5), Err(ApiError::Timeout))]);
            lan.run_for(Time::from_secs(40));
        } else {
            assert_eq!(left(&lan).len(), 1);
            assert!(left(&lan)[0].1.is_ok() && left(&lan)[0].0.since(begin) < Time::from_ms(5));
        }
        assert_eq!((offline(&lan, 0), offline(&lan, 1)), (1, 1), "each is told once");
        // They can meet again, even before the five seconds are over.
        lan.cut = false;
        lan.meet(Time::from_ms(500));
        lan.call(0, |node, now| node.leave(now, &udid(1))).unwrap();
        lan.call(0, |node, now| node.join(now, &udid(1))).unwrap();
        lan.run_for(Time::from_secs(10));
        assert_eq!(lan.nodes[0].online().count(), 1);
    }
}

#[test]
fn requests_and_messages_have_their_time_outs() {
    let (mut lan, id) = pair();
    lan.events.clear();
    lan.cut = true;
    let begin = lan.now;
    lan.call(0, |node, now| node.open_session(now, "phone", "sensor", &udid(1))).unwrap();
    lan.call(0, |node, now| node.send_message(now, id, b"anybody?")).unwrap();
    lan.run_for(Time::from_ms(20_001));
    assert_eq!(opened(&lan), [(begin + Time::from_secs(19), Err(ApiError::HandshakeTimeout))]);
    let sent = lan.events.iter().find(|(_, _, event)| matches!(event, Event::MessageSent { .. })).unwrap();
    assert!(matches!(sent.2, Event::MessageSent { result: Err(ApiError::Timeout), .. }));
    assert_eq!(sent.0, begin + Time::from_secs(20));
}

#[test]
fn a_session_is_used_between_its_opening_and_its_end() {
    let (mut lan, id) = pair();
    let next = lan.call(0, |node, now| node.open_session(now, "phone", "sensor", &udid(1))).unwrap();
    let send = |lan: &mut Lan, id, length: usize| {
        lan.call(0, |node, now| node.send_bytes(now, id, &vec![7; length]))
    };
    assert_eq!(send(&mut lan, next, 1), Err(ApiError::SessionOpening));
    lan.run_for(Time::from_ms(10));
    assert_eq!(send(&mut lan, next, 1), Ok(()));
    assert_eq!(send(&mut lan, next, 0), Err(ApiError::InvalidParam));
    lan.call(0, |node, now| node.close_session(now, next)).unwrap();
    assert_eq!(send(&mut lan, next, 1), Err(ApiError::InvalidSessionId));
    assert_eq!(lan.call(0, |node, now| node.close_session(now, next)), Err(ApiError::InvalidSessionId));
    // What nobody takes fills the connection: no memory without bound on this side either.
    lan.cut = true;
    assert_eq!(send(&mut lan, id, 4 << 20), Ok(()));
    assert_eq!(send(&mut lan, id, 4 << 20), Err(ApiError::SessionNotEnabled));
}

#[test]
fn messages_wait_for_their_acknowledgement_in_numbers() {
    let (mut lan, id) = pair();
    lan.cut = true;
    for _ in 0..64 {
        lan.call(0, |node, now| node.send_message(now, id, b"ring")).unwrap();
    }
    assert_eq!(lan.call(0, |node, now| node.send_message(now, id, b"ring")), Err(ApiError::Timeout));
    lan.cut = false;
    lan.run_for(Time::from_secs(5));
    assert_eq!(lan.count(|event| matches!(event, Event::MessageSent { result: Ok(()), .. })), 64);
}

#[test]
fn what_is_later_work_says_so() {
    let (mut lan, id) = pair();
    lan.call(0, |node, _| {
        assert_eq!(node.send_file(id), Err(ApiError::NotImplement));
        assert_eq!(node.send_stream(id), Err(ApiError::NotImplement));
    });
}

#[test]
fn payloads_have_the_limits_of_their_role() {
    for (role, bytes, message) in [
        (Role::Standard, 4 << 20, 4096),
        (Role::Small, 1 << 20, 4096),
        (Role::Mini, 2048, 1024),
        (Role::Lite, 4048, 4048),
    ] {
        let mut lan = Lan::roles(&[Role::Standard, role]);
        lan.meet(Time::from_ms(500));
        let session = lan.events.iter().find_map(|(_, index, event)| match event {
            Event::SessionOpened { id, result: Ok(()), .. } if *index == 1 => Some(*id),
            _ => None,
        });
        let id = session.unwrap();
        lan.call(1, |node, now| {
            assert_eq!(node.send_bytes(now, id, &vec![1; bytes + 1]), Err(ApiError::SendLength), "{role:?}");
            assert_eq!(node.send_message(now, id, &vec![1; message + 1]), Err(ApiError::SendLength));
            assert_eq!(node.send_message(now, id, &vec![1; message]), Ok(1));
            assert_eq!(node.send_bytes(now, id, &vec![1; bytes]), Ok(()));
        });
        lan.run_for(Time::from_secs(5));
        let lengths: Vec<usize> = lan
            .events
            .iter()
            .filter_map(|(_, index, event)| match event {
                Event::Bytes { data, .. } | Event::Message { data, .. } if *index == 0 => Some(data.len()),
                _ => None,
            })
            .collect();
        assert_eq!(lengths, [message, bytes], "{role:?}");
    }
}

#[test]
fn a_device_takes_as_many_sessions_and_servers_as_its_role() {
    for (role, most) in [(Role::Standard, 32), (Role::Lite, 8)] {
        let mut lan = Lan::roles(&[role]);
        let mut create =
            |package: &str, name: &str| lan.call(0, |node, _| node.create_session_server(package, name));
        for number in 0..most {
            assert_eq!(create("pkg", &format!("server-{number}")), Ok(()));
        }
        assert_eq!(create("pkg", "server-0"), Ok(()), "known");
        assert_eq!(create("pkg", "one more"), Err(ApiError::SessionCount));
        assert_eq!(create(&"p".repeat(65), "server-0"), Err(ApiError::InvalidParam));
        assert_eq!(create("pkg", &"n".repeat(256)), Err(ApiError::InvalidParam));
        assert_eq!(create("", "server-0"), Err(ApiError::InvalidParam));
    }
    // Two phones ask a lite device for more than its 24.
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard, Role::Lite]);
    lan.call(2, |node, now| node.publish(now, service(How::Passive))).unwrap();
    lan.call(2, |node, _| node.create_session_server("pkg", "sensor")).unwrap();
    for (phone, sessions) in [(0, 20), (1, 5)] {
        lan.call(phone, |node, _| node.create_session_server("pkg", "phone")).unwrap();
        lan.call(phone, |node, now| node.refresh(now, service(How::Active))).unwrap();
        lan.run_for(Time::from_secs(1));
        lan.call(phone, |node, now| node.join(now, &udid(2))).unwrap();
        lan.run_for(Time::from_secs(1));
        for _ in 0..sessions {
            lan.call(phone, |node, now| node.open_session(now, "phone", "sensor", &udid(2))).unwrap();
            lan.run_for(Time::from_ms(10));
        }
    }
    let results = |phone: usize, wanted: Result<(), ApiError>| {
        let all = lan.events.iter().filter(|(_, index, event)| {
            *index == phone && matches!(event, Event::SessionOpened { result, .. } if *result == wanted)
        });
        all.count()
    };
    assert_eq!((results(0, Ok(())), results(1, Ok(()))), (20, 4));
    assert_eq!(results(1, Err(ApiError::SessionCount)), 1, "the peer's code comes through");
    assert_eq!(lan.malformed(), Vec::<&str>::new());
}

#[test]
fn packets_carry_their_type_of_service() {
    let (mut lan, id) = pair();
    let services = |lan: &mut Lan| {
        lan.run_for(Time::from_ms(10));
        let tcp =
            lan.sent.iter().filter(|(_, index, frame)| *index == 0 && frame[23] == 6 && frame.len() > 60);
        let services: Vec<u8> = tcp.map(|(_, _, frame)| frame[15]).collect();
        lan.sent.clear();
        services
    };
    lan.sent.clear();
    lan.call(0, |node, now| node.send_bytes(now, id, b"reading")).unwrap();
    assert_eq!(services(&mut lan), [0x60]);
    lan.call(0, |node, now| node.send_message(now, id, b"ring")).unwrap();
    assert_eq!(services(&mut lan), [0xC0]);
}
