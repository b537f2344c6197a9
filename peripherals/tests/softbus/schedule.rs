//! Discovery: when nodes speak, whom they answer and how, and whom they remember.

use consort_core::Time;
use consort_peripherals::softbus::codec::discovery::{Announcement, Datagram, Message, Mode, Path, Style};
use consort_peripherals::softbus::node::{Event, Frequency, How, Service};
use consort_peripherals::softbus::{ApiError, Role};

use super::lan::{DDMP, Lan, Stranger, service, udid};

fn messages(lan: &Lan, index: usize) -> Vec<(Time, Message)> {
    let all = lan.said(index).into_iter().filter_map(|(at, datagram)| match datagram {
        Datagram::Message(message) => Some((at, *message)),
        Datagram::Acknowledged(_) => None,
    });
    all.collect()
}

/// What a stranger says; a question unless told otherwise.
fn call(number: u8, mode: Mode, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let ip = format!("192.168.1.{number}");
    let mut message = Message {
        path: Path::DeviceDiscover,
        id: number.into(),
        confirmable: false,
        host: "192.168.1.255".into(),
        announcement: Announcement {
            udid: format!("STRANGER-{number}"),
            name: "stranger".into(),
            device_type: 0x0E,
            mode,
            auth_port: Some(5000),
            capability: vec![DDMP],
            coap_uri: Some(format!("coap://{ip}/device_discover")),
            ..Announcement::default()
        },
    };
    change(&mut message);
    Stranger::new(number).shout(&message.encode(Style::Standard).unwrap())
}

#[test]
fn broadcasts_keep_their_schedule() {
    let even =
        |count: u64, seconds: u64| (0..count).map(|n| n * seconds * 1_000_000 / count).collect::<Vec<_>>();
    let standard =
        [0, 100, 300, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500].map(|ms| ms * 1000).to_vec();
    for (frequency, moments) in [
        (Frequency::Standard, standard),
        (Frequency::Low, even(12, 5)),
        (Frequency::Mid, even(24, 5)),
        (Frequency::High, even(36, 5)),
        (Frequency::SuperHigh, even(48, 10)),
    ] {
        for seeks in [true, false] {
            let mut lan = Lan::roles(&[Role::Standard]);
            let active = Service { frequency, ..service(How::Active) };
            lan.call(
                0,
                |node, now| if seeks { node.refresh(now, active) } else { node.publish(now, active) },
            )
            .unwrap();
            lan.run_for(Time::from_secs(60));
            let said = messages(&lan, 0);
            assert_eq!(said.len(), moments.len(), "{frequency:?}");
            for ((at, message), moment) in said.iter().zip(&moments) {
                let off = (at.as_ns() / 1000).abs_diff(*moment);
                assert!(off <= moments.len() as u64, "{frequency:?}: {at} instead of {moment} us");
                let announcement = &message.announcement;
                assert_eq!(announcement.mode, if seeks { Mode::DISCOVER } else { Mode::PUBLISH });
                assert_eq!(announcement.capability, [DDMP]);
                assert_eq!(announcement.coap_uri.as_deref(), Some("coap://192.168.1.1/device_discover"));
                assert!(!message.confirmable);
            }
        }
    }
}

#[test]
fn only_questions_are_answered() {
    for (mode, uri, path, answers) in [
        (Mode::DEFAULT, true, Path::DeviceDiscover, 1),
        (Mode::DISCOVER, true, Path::DeviceDiscover, 1),
        (Mode::DISCOVER, false, Path::DeviceDiscover, 0),
        (Mode::UPLINE, true, Path::DeviceDiscover, 0),
        (Mode::OFFLINE, true, Path::DeviceDiscover, 0),
        (Mode::PUBLISH, true, Path::DeviceDiscover, 0),
        (Mode::DISCOVER, true, Path::ServiceMsg, 0),
        (Mode::DISCOVER, true, Path::ShortNotification, 0),
    ] {
        for role in [Role::Standard, Role::Lite] {
            let mut lan = Lan::roles(&[role]);
            lan.call(0, |node, now| node.publish(now, service(How::Passive))).unwrap();
            let frame = call(77, mode, |message| {
                message.path = path;
                if !uri {
                    message.announcement.coap_uri = None;
                }
            });
            lan.call(0, |node, now| node.receive(now, &frame));
            // The answer waits for the stranger's address.
            let arp = lan.sent.iter().filter(|(_, _, frame)| frame[12..14] == [8, 6]).count();
            assert_eq!(arp, answers, "{mode:?} {uri} {path:?}");
        }
    }
}

#[test]
fn answers_have_the_style_of_their_stack() {
    for (role, business, confirmable) in [
        (Role::Standard, None, false),
        (Role::Standard, Some(0), false),
        (Role::Standard, Some(3), false),
        (Role::Standard, Some(2), true),
        (Role::Small, Some(4), true),
        (Role::Small, Some(5), true),
        (Role::Mini, None, true),
        (Role::Lite, None, false),
        (Role::Lite, Some(2), false),
    ] {
        let mut lan = Lan::roles(&[role]);
        let mut asker = Stranger::new(77);
        lan.call(0, |node, now| node.publish(now, service(How::Passive))).unwrap();
        let question = call(77, Mode::DISCOVER, |message| message.announcement.business_type = business);
        lan.call(0, |node, now| node.receive(now, &question));
        // The asker's address is asked for, told, and the answer comes.
        asker.run_for(&mut lan, Time::from_ms(1));
        let said = messages(&lan, 0);
        assert_eq!(said.len(), 1, "{role:?} {business:?}");
        let answer = &said[0].1;
        assert_eq!(answer.confirmable, confirmable, "{role:?} {business:?}");
        assert_eq!((answer.host.as_str(), answer.announcement.mode), ("192.168.1.77", Mode::DEFAULT));
        assert_eq!(answer.announcement.coap_uri, None, "only broadcasts have it");
        let lite = role == Role::Lite;
        assert_eq!(answer.announcement.hicom_version.is_some(), lite);
        assert_eq!(answer.announcement.business_type, (!lite).then_some(business.unwrap_or(0)));
        // RFC 7252, section 4.2: four more, each after twice the time, until it is acknowledged.
        let id = answer.id;
        lan.run_for(Time::from_secs(100));
        let times: Vec<Time> = messages(&lan, 0).iter().map(|(at, _)| *at).collect();
        assert_eq!(times.len(), if confirmable { 5 } else { 1 });
        if confirmable {
            let gaps: Vec<u64> =
                times.windows(2).map(|pair| pair[1].since(pair[0]).as_ns() / 1_000_000).collect();
            assert!((2000..=3000).contains(&gaps[0]), "{gaps:?}");
            assert!(gaps.windows(2).all(|pair| pair[1].abs_diff(2 * pair[0]) <= 1), "{gaps:?}");
            lan.call(0, |node, now| node.receive(now, &question));
            asker.run_for(&mut lan, Time::from_ms(1));
            assert_eq!(messages(&lan, 0).len(), 6);
            let acknowledgement = asker.shout(&Message::acknowledge(id.wrapping_add(1)));
            lan.call(0, |node, now| node.receive(now, &acknowledgement));
            lan.run_for(Time::from_secs(100));
            assert_eq!(messages(&lan, 0).len(), 6, "an acknowledged answer is not repeated");
        }
    }
}

#[test]
fn a_confirmable_message_is_acknowledged() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Mini]);
    lan.call(1, |node, now| node.publish(now, service(How::Passive))).unwrap();
    lan.call(0, |node, now| node.refresh(now, service(How::Active))).unwrap();
    lan.run_for(Time::from_ms(100));
    let acknowledged = |(_, datagram): &(Time, Datagram)| matches!(datagram, Datagram::Acknowledged(_));
    assert_eq!(lan.said(0).iter().filter(|said| acknowledged(said)).count(), 1);
    assert_eq!(messages(&lan, 1).len(), 1);
}

#[test]
fn twenty_devices_are_remembered_and_the_oldest_gives_way_after_a_second() {
    let mut lan = Lan::roles(&[Role::Standard]);
    lan.call(0, |node, now| node.refresh(now, service(How::Active))).unwrap();
    let answer = |number| call(number, Mode::DEFAULT, |message| message.announcement.coap_uri = None);
    for number in 100..125 {
        lan.call(0, |node, now| node.receive(now, &answer(number)));
        lan.run_for(Time::from_ms(1));
    }
    let knows =
        |lan: &Lan, number: u8| lan.nodes[0].found().any(|found| found.udid == format!("STRANGER-{number}"));
    assert_eq!(lan.nodes[0].found().count(), 20);
    assert!(knows(&lan, 119) && !knows(&lan, 120));
    lan.run_for(Time::from_secs(1));
    lan.call(0, |node, now| node.receive(now, &answer(120)));
    assert_eq!(lan.nodes[0].found().count(), 20);
    assert!(knows(&lan, 120) && !knows(&lan, 100) && knows(&lan, 101));
}

#[test]
fn two_hundred_messages_a_second_are_looked_at() {
    let mut lan = Lan::roles(&[Role::Standard]);
    lan.call(0, |node, now| node.refresh(now, service(How::Active))).unwrap();
    lan.run_for(Time::from_secs(10));
    let known = call(50, Mode::DEFAULT, |message| message.announcement.coap_uri = None);
    for _ in 0..500 {
        lan.call(0, |node, now| node.receive(now, &known));
    }
    let fresh = call(51, Mode::DEFAULT, |message| message.announcement.coap_uri = None);
    lan.call(0, |node, now| node.receive(now, &fresh));
    assert_eq!(lan.nodes[0].found().count(), 1);
    assert_eq!(lan.malformed().len(), 1, "{:?}", lan.malformed());
    lan.run_for(Time::from_secs(1));
    lan.call(0, |node, now| node.receive(now, &fresh));
    assert_eq!(lan.nodes[0].found().count(), 2);
}

#[test]
fn who_comes_online_is_found_and_who_goes_offline_is_forgotten() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard]);
    lan.call(1, |node, now| node.publish(now, service(How::Passive))).unwrap();
    lan.call(0, |node, now| node.refresh(now, service(How::Passive))).unwrap();
    lan.call(1, |node, now| node.say_presence(now, true));
    lan.run_for(Time::from_ms(10));
    assert_eq!(lan.nodes[0].found().map(|found| found.udid.clone()).collect::<Vec<_>>(), [udid(1)]);
    lan.call(1, |node, now| node.say_presence(now, false));
    lan.run_for(Time::from_ms(10));
    assert_eq!(lan.nodes[0].found().count(), 0);
    let modes: Vec<Mode> = messages(&lan, 1).iter().map(|(_, message)| message.announcement.mode).collect();
    assert_eq!(modes, [Mode::UPLINE, Mode::OFFLINE]);
    assert_eq!(lan.said(0).len(), 0, "nobody answers");
}

#[test]
fn devices_are_found_by_what_they_offer() {
    let mut lan = Lan::roles(&[Role::Standard, Role::Standard, Role::Standard]);
    for (index, capability) in [(1, 1 << 3), (2, DDMP)] {
        lan.call(index, |node, now| node.publish(now, Service { capability, ..service(How::Passive) }))
            .unwrap();
    }
    lan.call(0, |node, now| node.refresh(now, Service { capability: 1 << 3, ..service(How::Active) }))
        .unwrap();
    lan.run_for(Time::from_ms(100));
    let found: Vec<_> = lan.nodes[0].found().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].udid.as_str(), found[0].device_type, found[0].capability),
        (udid(1).as_str(), 0x6D, 8)
    );
    assert_eq!(lan.count(|event| matches!(event, Event::Found(_))), 1, "told once, not with each answer");
    // The other answers too: what it offers is for the seeker to judge.
    lan.call(0, |node, _| node.stop_refresh(1)).unwrap();
    lan.run_for(Time::from_secs(60));
    assert_eq!(messages(&lan, 0).len(), 1, "who stops seeking broadcasts no more");
}

#[test]
fn services_have_their_limits() {
    for (role, most) in [(Role::Standard, 20), (Role::Lite, 3)] {
        let mut lan = Lan::roles(&[role]);
        let publish = |lan: &mut Lan, id, data: usize, capability| {
            let service = Service { id, capability, data: vec![0; data], ..Service::default() };
            lan.call(0, |node, now| node.publish(now, service))
        };
        for id in 0..most {
            assert_eq!(publish(&mut lan, id, 512, 1), Ok(()));
        }
        assert_eq!(publish(&mut lan, most, 0, 1), Err(ApiError::InvalidParam));
        assert_eq!(publish(&mut lan, 0, 0, 2), Ok(()), "a known number is published anew");
        assert_eq!(publish(&mut lan, 0, 513, 1), Err(ApiError::InvalidParam));
        assert_eq!(publish(&mut lan, 0, 0, 0), Err(ApiError::InvalidParam));
        assert_eq!(lan.call(0, |node, _| node.unpublish(99)), Err(ApiError::InvalidParam));
    }
}
