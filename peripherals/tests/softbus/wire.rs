//! The wire format byte by byte: every message is written and read as the golden frames of `wire.txt`.

use std::collections::BTreeMap;
use std::fmt::Debug;

use consort_peripherals::softbus::codec::auth::{DeviceInfo, Identity, Info, Trust};
use consort_peripherals::softbus::codec::cipher::{key_index, open_packet, seal_packet};
use consort_peripherals::softbus::codec::data::{Flag, Frame, Sealed, TlvHead};
use consort_peripherals::softbus::codec::discovery::{Announcement, Datagram, Message, Mode, Path, Style};
use consort_peripherals::softbus::codec::packet::{Module, Packet, REPLY, STANDARD_LIMIT};
use consort_peripherals::softbus::codec::session::{Reply, Request};
use consort_peripherals::softbus::{ApiError, Capability, DeviceType};

const AUTH_KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const INDEX: u32 = 3;
/// The random bytes behind the sequence number in data frames' IVs.
const RANDOM: [u8; 8] = [0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7];

fn session_key() -> [u8; 32] {
    std::array::from_fn(|index| 100 + index as u8)
}

/// A line's bytes: hexadecimal digits, and text in quotes.
fn bytes(line: &str) -> Vec<u8> {
    let mut all = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            all.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        let digits = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        all.extend(digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
    }
    all
}

/// The golden frames, each to be used once.
struct Golden(BTreeMap<&'static str, Vec<u8>>);

impl Golden {
    fn new() -> Self {
        let mut frames = BTreeMap::<_, Vec<u8>>::new();
        let mut name = "";
        for line in include_str!("wire.txt").lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(title) => name = title,
                None => frames.entry(name).or_default().extend(bytes(line)),
            }
        }
        frames.remove("");
        Self(frames)
    }

    fn take(&mut self, name: &str) -> Vec<u8> {
        self.0.remove(name).unwrap_or_else(|| panic!("there is no frame `{name}`"))
    }

    fn discovery(&mut self, name: &str, style: Style, message: Message) {
        let golden = self.take(name);
        same(name, &message.encode(style).unwrap(), &golden);
        assert_eq!(Message::decode(&golden), Ok(Datagram::Message(Box::new(message))), "{name}");
    }

    /// A packet, with the last four bytes of its IV when its body is encrypted; gives its plain body.
    fn packet(
        &mut self,
        name: &str,
        head: (Module, u64, u32),
        plain: &[u8],
        random: Option<[u8; 4]>,
    ) -> Vec<u8> {
        let (module, seq, flag) = head;
        let iv = random.map(|random| {
            let mut iv = [0; 12];
            iv[..8].copy_from_slice(&seq.to_le_bytes());
            iv[8..].copy_from_slice(&random);
            iv
        });
        let body = iv.map_or(plain.to_vec(), |iv| seal_packet(&AUTH_KEY, INDEX, iv, plain));
        let golden = self.take(name);
        same(name, &Packet { module, seq, flag, body }.encode(), &golden);
        opened(&golden, head)
    }

    fn frame(&mut self, name: &str, seq: i32, flag: Flag, payload: &[u8]) {
        let golden = self.take(name);
        let frame = Frame { seq, flag, payload: payload.to_vec() };
        same(name, &frame.encode(&session_key(), RANDOM), &golden);
        let mut stream = golden;
        let sealed = Sealed::take(&mut stream, 4096).unwrap().unwrap();
        assert!(stream.is_empty());
        assert_eq!(sealed.open(&session_key()), Ok(frame), "{name}");
    }
}

/// Takes a packet apart, whose head is known, and opens its body.
fn opened(golden: &[u8], (module, seq, flag): (Module, u64, u32)) -> Vec<u8> {
    let mut stream = golden.to_vec();
    let packet = Packet::take(&mut stream, STANDARD_LIMIT).unwrap().unwrap();
    assert!(stream.is_empty());
    assert_eq!((packet.module, packet.seq, packet.flag), (module, seq, flag));
    if module.is_plain() {
        return packet.body;
    }
    assert_eq!(key_index(&packet.body), Ok(INDEX));
    open_packet(&AUTH_KEY, &packet.body).unwrap()
}

#[track_caller]
fn same(name: &str, ours: &[u8], golden: &[u8]) {
    let text = String::from_utf8_lossy;
    let at = ours.iter().zip(golden).take_while(|(ours, golden)| ours == golden).count();
    assert!(ours == golden, "`{name}` differs from byte {at} on:\n{}\n{}", text(ours), text(golden));
}

#[track_caller]
fn read<T: Debug + PartialEq, E: Debug + PartialEq>(name: &str, read: Result<T, E>, value: T) {
    assert_eq!(read, Ok(value), "{name}");
}

#[test]
fn every_message_is_what_the_wire_carries() {
    let mut golden = Golden::new();

    let asked = Announcement {
        udid: "ABCD".into(),
        name: "watch".into(),
        device_type: 0x6D,
        mode: Mode::DISCOVER,
        device_hash: "7".into(),
        auth_port: Some(5000),
        ip: Some([192, 168, 1, 2].into()),
        capability: vec![192, 1],
        extend_service_data: Some("e".into()),
        business_type: Some(2),
        business_data: Some("b".into()),
        seq_no: Some(9),
        hicom_version: None,
        coap_uri: Some("coap://192.168.1.2/device_discover".into()),
    };
    let answered = Announcement {
        mode: Mode::DEFAULT,
        extend_service_data: None,
        business_data: None,
        coap_uri: None,
        ..asked.clone()
    };
    let lite = Announcement {
        name: "lamp".into(),
        device_type: 0xF2,
        device_hash: "0".into(),
        capability: vec![64],
        business_type: None,
        seq_no: None,
        hicom_version: Some("hm.1.0.0".into()),
        ..answered.clone()
    };
    let upline = Announcement {
        device_type: 2607,
        mode: Mode::UPLINE,
        capability: vec![192],
        extend_service_data: None,
        business_type: Some(0),
        business_data: None,
        seq_no: Some(1),
        ..asked.clone()
    };
    let all = |host: &str, id, announcement: &Announcement| Message {
        path: Path::DeviceDiscover,
        id,
        confirmable: false,
        host: host.into(),
        announcement: announcement.clone(),
    };
    let (everyone, one) = ("192.168.1.255", "192.168.1.9");
    let answer = all(one, 0x1235, &answered);
    golden.discovery(
        "discovery, broadcast of the full stack",
        Style::Standard,
        all(everyone, 0x1234, &asked),
    );
    golden.discovery("discovery, answer without confirmation", Style::Standard, answer.clone());
    let confirmable = Message { confirmable: true, ..answer.clone() };
    golden.discovery("discovery, answer with confirmation", Style::Standard, confirmable);
    golden.discovery("discovery, answer of the lite stack", Style::Lite, all(one, 1, &lite));
    golden.discovery("discovery, a large type comes online", Style::Standard, all(everyone, 0x1236, &upline));
    for (name, id, path) in [
        ("discovery, service message", 0x1237, Path::ServiceMsg),
        ("discovery, short notification", 0x1238, Path::ShortNotification),
    ] {
        golden.discovery(name, Style::Standard, Message { id, path, ..answer.clone() });
    }
    let name = "discovery, acknowledgement";
    let acknowledged = golden.take(name);
    same(name, &Message::acknowledge(0x1235), &acknowledged);
    read(name, Message::decode(&acknowledged), Datagram::Acknowledged(0x1235));

    for (name, flag, identity) in [
        ("identity, asked", 0, Identity::Get { udid: "ABCD".into(), auth_id: "AUTH".into() }),
        ("identity, answered", REPLY, Identity::Return { udid: "EF01".into() }),
    ] {
        let body = golden.packet(name, (Module::TRUST_ENGINE, 1, flag), &identity.encode(), None);
        read(name, Identity::decode(&body), identity);
    }
    for (name, trust) in
        [("trust, begun", Trust::Begin), ("trust, agreed", Trust::Agree), ("trust, refused", Trust::Refuse)]
    {
        let body = golden.packet(name, (Module::AUTH_SDK, 3, 0), &trust.encode(), None);
        read(name, Trust::decode(&body), trust);
    }

    let info = Info::VerifyIp(DeviceInfo {
        max_version: 2,
        min_version: 2,
        auth_port: 49152,
        session_port: 49153,
        conn_cap: 31,
        name: "watch".into(),
        device_type: "WATCH".into(),
        udid: "ABCD".into(),
        version: "1.0.0".into(),
    });
    let id = Info::VerifyDeviceId("ABCD".into());
    for (name, seq, flag, random, info) in [
        ("device information", 4, 0, [0xA1, 0xA2, 0xA3, 0xA4], info),
        ("device id, answered", 0x0102_0304_0506_0708, REPLY, [0xB1, 0xB2, 0xB3, 0xB4], id.clone()),
    ] {
        let body = golden.packet(name, (Module::CONNECTION, seq, flag), &info.encode(), Some(random));
        read(name, Info::decode(&body), info);
    }
    // The full stack begins its IVs with the key index: a receiver takes any.
    let name = "device id, with the full stack's IV";
    read(name, Info::decode(&opened(&golden.take(name), (Module::CONNECTION, 7, REPLY))), id);

    let name = "session, asked";
    let request = Request {
        bus_name: "lamp".into(),
        client_bus_name: "phone".into(),
        pkg_name: "pkg".into(),
        group_id: String::new(),
        key: session_key(),
        mtu: 4096,
        route_type: 1,
        business_type: 0,
        capability: 0,
    };
    let random = Some([0xD1, 0xD2, 0xD3, 0xD4]);
    let body = golden.packet(name, (Module::SESSION, 1, 0), &request.encode(), random);
    read(name, Request::decode(&body), request);
    let refused = ApiError::PeerSessionNotCreated.code();
    for (name, reply) in [
        ("session, opened", Reply::Opened { udid: "ABCD".into(), pkg_name: "lamp".into() }),
        ("session, refused", Reply::Refused { code: refused, why: "no".into() }),
    ] {
        let random = Some([0xE1, 0xE2, 0xE3, 0xE4]);
        let body = golden.packet(name, (Module::SESSION, 1, REPLY), &reply.encode(), random);
        read(name, Reply::decode(&body), reply);
    }

    golden.frame("data, bytes", 1, Flag::BYTES, b"21.5");
    golden.frame("data, message", 2, Flag::MESSAGE, b"ring");
    golden.frame("data, acknowledgement", 2, Flag::ACK, &[0, 0, 0, 2]);
    golden.frame("data, asynchronous message", -3, Flag::ASYNC_MESSAGE, b"x");
    golden.frame("data, first of a file", 4, Flag::FILE_FIRST, b"f");

    let name = "data, behind a TLV head";
    let behind = golden.take(name);
    let head = TlvHead { seq: 5, data_seq: 9, flag: 2, need_ack: true, data_len: 32 };
    let frame = Frame { seq: 5, flag: Flag::MESSAGE, payload: b"21.5".to_vec() };
    same(name, &frame.encode_tlv(&session_key(), RANDOM, &head), &behind);
    let (read_head, length) = TlvHead::decode(&behind).unwrap().unwrap();
    assert_eq!(read_head, head);
    let sealed = Sealed { seq: 5, flag: Flag::MESSAGE, body: behind[length..].to_vec() };
    read(name, sealed.open(&session_key()), frame);

    assert!(golden.0.is_empty(), "never compared: {:?}", golden.0.keys());
}

#[test]
fn every_module_has_its_number_and_those_in_the_clear_are_few() {
    let modules = [
        (1, Module::TRUST_ENGINE, true),
        (2, Module::HICHAIN, true),
        (3, Module::AUTH_SDK, true),
        (4, Module::HICHAIN_SYNC, true),
        (5, Module::CONNECTION, false),
        (6, Module::SESSION, false),
        (8, Module::AUTH_CHANNEL, true),
        (9, Module::AUTH_MSG, true),
        (11, Module::DS_CONNECTION, false),
        (13, Module::PROXY, false),
        (14, Module::DEVICE_AUTH, false),
        (15, Module::P2P_LINK, false),
        (17, Module::UDP_INFO, false),
        (19, Module::TIME_SYNC, false),
        (21, Module::META_AUTH, false),
    ];
    for (number, module, plain) in modules {
        let packet = Packet { module, seq: 0x0807_0605_0403_0201, flag: 0, body: vec![0xAA] };
        let mut golden = bytes("cefabeba 00000000 0102030405060708 00000000 01000000 aa");
        golden[4] = number;
        same(module.name(), &packet.encode(), &golden);
        assert_eq!(Packet::take(&mut golden, 1), Ok(Some(packet)));
        assert_eq!(module.is_plain(), plain, "{}", module.name());
    }
    // What nobody has named yet is a packet all the same.
    for number in (0..300).filter(|number| modules.iter().all(|known| u32::from(known.0) != *number)) {
        assert_eq!((Module(number).name(), Module(number).is_plain()), ("unknown", false));
    }
}

#[test]
fn types_capabilities_and_error_codes_have_their_numbers() {
    for (name, number) in [
        ("phone", 0x0E),
        ("pad", 0x11),
        ("tv", 0x9C),
        ("pc", 0x0C),
        ("audio", 0x0A),
        ("car", 0x83),
        ("watch", 0x6D),
        ("l0", 0xF1),
        ("l1", 0xF2),
    ] {
        assert_eq!(serde_json::from_value::<DeviceType>(name.into()).unwrap().0, number, "{name}");
    }
    let names = [
        "hicall",
        "profile",
        "homevisionPic",
        "castPlus",
        "aaCapability",
        "dvKit",
        "ddmpCapability",
        "osdCapability",
        "share",
    ];
    for (bit, name) in names.into_iter().enumerate() {
        assert_eq!(serde_json::from_value::<Capability>(name.into()).unwrap().bit(), 1 << bit, "{name}");
    }
    for (error, code) in [
        (ApiError::InvalidParam, -426442749),
        (ApiError::Timeout, -426442750),
        (ApiError::NotImplement, -426442747),
        (ApiError::PermissionDenied, -426442743),
        (ApiError::Decrypt, -426442738),
        (ApiError::InvalidDataHead, -426442731),
        (ApiError::InvalidSessionId, -426115070),
        (ApiError::SessionCount, -426115065),
        (ApiError::SessionOpening, -426115063),
        (ApiError::SessionNotEnabled, -426115030),
        (ApiError::SendLength, -426115018),
        (ApiError::HandshakeTimeout, -426115009),
        (ApiError::PeerSessionNotCreated, -426115007),
        (ApiError::NetworkNotFound, -426049509),
        (ApiError::AuthTimeout, -425983980),
    ] {
        assert_eq!(error.code(), code, "{error}");
    }
}
