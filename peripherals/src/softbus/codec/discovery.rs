//! Discovery messages: a CoAP POST with JSON, broadcast to UDP port 5684 or sent to one device.

use std::net::Ipv4Addr;

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{CodecError, maybe_number, maybe_text, number, parse_json, text};

/// The UDP port that all nodes listen on.
pub const PORT: u16 = 5684;
/// The longest message that is sent or taken.
pub const LONGEST: usize = 1472;
/// Words of a capability bitmap.
pub const CAPABILITY_WORDS: usize = 2;
/// The longest device type that fits `type`; larger ones go to `typeEx`.
const LARGEST_TYPE: u32 = 255;

/// The Uri-Path of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Path {
    /// Who is there, and its answer.
    DeviceDiscover,
    /// Data between services.
    ServiceMsg,
    /// A short notification.
    ShortNotification,
}

impl Path {
    const ALL: [Self; 3] = [Self::DeviceDiscover, Self::ServiceMsg, Self::ShortNotification];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceDiscover => "device_discover",
            Self::ServiceMsg => "service_msg",
            Self::ShortNotification => "short_notification_message",
        }
    }
}

/// Why a node speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode(pub u8);

impl Mode {
    /// Answers, and seekers that say nothing else.
    pub const DEFAULT: Self = Self(0);
    /// It seeks.
    pub const DISCOVER: Self = Self(1);
    /// It came online.
    pub const UPLINE: Self = Self(2);
    /// It goes offline.
    pub const OFFLINE: Self = Self(3);
    /// It publishes of its own accord.
    pub const PUBLISH: Self = Self(10);

    /// Whether nobody answers this mode.
    pub const fn is_silent(self) -> bool {
        matches!(self.0, 2 | 3 | 10)
    }
}

/// How a peer writes its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    /// The full stack: business fields, the string's NUL.
    Standard,
    /// The lite stack: `hicomversion`, no NUL.
    Lite,
}

/// What a node tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The unique device identifier.
    pub udid: String,
    /// Its name for people.
    pub name: String,
    /// Its kind as a number.
    pub device_type: u32,
    /// Why it speaks.
    pub mode: Mode,
    /// Tells answers to equal questions apart.
    pub device_hash: String,
    /// The TCP port where it takes authentication.
    pub auth_port: Option<u16>,
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// What it can do, a bit each.
    pub capability: Vec<u32>,
    /// Data of the standard stack.
    pub extend_service_data: Option<String>,
    /// Business type of the standard stack.
    pub business_type: Option<u8>,
    /// Business data of the standard stack.
    pub business_data: Option<String>,
    /// Number of the message within a business.
    pub seq_no: Option<u16>,
    /// Version of the lite stack.
    pub hicom_version: Option<String>,
    /// Where to answer: only broadcasts have it.
    pub coap_uri: Option<String>,
}

/// A discovery message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What for.
    pub path: Path,
    /// CoAP's message ID.
    pub id: u16,
    /// CON rather than NON: the receiver acknowledges.
    pub confirmable: bool,
    /// Uri-Host: the receiver's address as text.
    pub host: String,
    /// The content.
    pub announcement: Announcement,
}

/// What a datagram to port 5684 turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// A message.
    Message(Box<Message>),
    /// An acknowledgement or a reset of the message with this ID.
    Acknowledged(u16),
}

impl Announcement {
    fn to_json(&self, style: Style) -> Value {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| {
            object.insert(key.to_owned(), value);
        };
        put("deviceId", json!({ "UDID": self.udid }).to_string().into());
        put("devicename", self.name.as_str().into());
        if self.device_type <= LARGEST_TYPE {
            put("type", self.device_type.into());
        } else {
            put("type", 0.into());
            put("typeEx", self.device_type.into());
        }
        if style == Style::Lite {
            put("hicomversion", self.hicom_version.as_deref().unwrap_or("hm.1.0.0").into());
        }
        put("mode", self.mode.0.into());
        put("deviceHash", self.device_hash.as_str().into());
        let service_data = self.auth_port.map(|port| format!("port:{port},")).unwrap_or_default();
        put("serviceData", service_data.into());
        if let Some(ip) = self.ip {
            put("wlanIp", ip.to_string().into());
        }
        if !self.capability.is_empty() {
            put("capabilityBitmap", self.capability.as_slice().into());
        }
        if style == Style::Standard {
            if let Some(data) = &self.extend_service_data {
                put("extendServiceData", data.as_str().into());
            }
            if let Some(business_type) = self.business_type {
                put("bType", business_type.into());
            }
            if let Some(data) = &self.business_data {
                put("bData", data.as_str().into());
            }
            if let Some(seq_no) = self.seq_no {
                put("seqNo", seq_no.into());
            }
        }
        if let Some(uri) = &self.coap_uri {
            put("coapUri", uri.as_str().into());
        }
        Value::Object(object)
    }

    fn from_json(json: &Value) -> Result<Self, CodecError> {
        let device_id = text(json, "deviceId", 256)?;
        // The lite stack may give the bare identifier.
        let udid = serde_json::from_str::<Value>(&device_id)
            .ok()
            .and_then(|inner| Some(inner.get("UDID")?.as_str()?.to_owned()))
            .unwrap_or(device_id);
        if udid.is_empty() {
            return Err(CodecError::Field("deviceId"));
        }
        let small: u32 = number::<u8>(json, "type")?.into();
        let capability = match json.get("capabilityBitmap") {
            None => Vec::new(),
            Some(Value::Array(words)) => words
                .iter()
                .filter_map(|word| u32::try_from(word.as_u64()?).ok())
                .take(CAPABILITY_WORDS)
                .collect(),
            Some(_) => return Err(CodecError::Field("capabilityBitmap")),
        };
        let service_data = maybe_text(json, "serviceData", 64)?.unwrap_or_default();
        Ok(Self {
            udid,
            name: text(json, "devicename", 128)?,
            device_type: maybe_number(json, "typeEx")?.unwrap_or(small),
            mode: Mode(maybe_number(json, "mode")?.unwrap_or(0)),
            device_hash: maybe_text(json, "deviceHash", 64)?.unwrap_or_default(),
            auth_port: service_data
                .split(',')
                .find_map(|entry| entry.strip_prefix("port:")?.trim().parse().ok())
                .filter(|port| *port != 0),
            ip: maybe_text(json, "wlanIp", 64)?.and_then(|ip| ip.parse().ok()),
            capability,
            extend_service_data: maybe_text(json, "extendServiceData", 128)?,
            business_type: maybe_number(json, "bType")?,
            business_data: maybe_text(json, "bData", 512)?,
            seq_no: maybe_number(json, "seqNo")?,
            hicom_version: maybe_text(json, "hicomversion", 64)?,
            coap_uri: maybe_text(json, "coapUri", 256)?,
        })
    }
}

impl Message {
    /// As the datagram of a peer of the given style; an error when it is too long for one.
    pub fn encode(&self, style: Style) -> Result<Vec<u8>, CodecError> {
        let mut packet = Packet::new();
        packet.header.set_type(if self.confirmable {
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        });
        packet.header.code = MessageClass::Request(RequestType::Post);
        packet.header.message_id = self.id;
        packet.add_option(CoapOption::UriHost, self.host.clone().into_bytes());
        packet.add_option(CoapOption::UriPath, self.path.name().as_bytes().to_vec());
        packet.payload = self.announcement.to_json(style).to_string().into_bytes();
        if style == Style::Standard {
            packet.payload.push(0);
        }
        packet.to_bytes_with_limit(LONGEST).map_err(|error| CodecError::Coap(error.to_string()))
    }

    /// The empty message that acknowledges a CON message.
    pub fn acknowledge(id: u16) -> Vec<u8> {
        // Version 1, type ACK, no token; code 0.00 (RFC 7252, section 4.1).
        let [high, low] = id.to_be_bytes();
        vec![0x60, 0, high, low]
    }

    /// Reads a datagram.
    pub fn decode(bytes: &[u8]) -> Result<Datagram, CodecError> {
        let bad = |what: &str| CodecError::Coap(what.to_owned());
        if bytes.len() > LONGEST {
            return Err(CodecError::TooLong { length: bytes.len(), limit: LONGEST });
        }
        let packet = Packet::from_bytes(bytes).map_err(|error| CodecError::Coap(error.to_string()))?;
        if packet.header.get_version() != 1 {
            return Err(bad("not version 1"));
        }
        let id = packet.header.message_id;
        let confirmable = match packet.header.get_type() {
            MessageType::Acknowledgement | MessageType::Reset => return Ok(Datagram::Acknowledged(id)),
            MessageType::Confirmable => true,
            MessageType::NonConfirmable => false,
        };
        if packet.header.code != MessageClass::Request(RequestType::Post) {
            return Err(bad("not a POST"));
        }
        let option = |option| {
            let values = packet.get_option(option)?;
            String::from_utf8(values.front()?.clone()).ok()
        };
        let name = option(CoapOption::UriPath).unwrap_or_default();
        let path = Path::ALL.into_iter().find(|path| path.name() == name);
        let path = path.ok_or_else(|| bad("an unknown Uri-Path"))?;
        let announcement = Announcement::from_json(&parse_json(&packet.payload)?)?;
        let host = option(CoapOption::UriHost).unwrap_or_default();
        Ok(Datagram::Message(Box::new(Self { path, id, confirmable, host, announcement })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn watch() -> Message {
        Message {
            path: Path::DeviceDiscover,
            id: 0x1234,
            confirmable: false,
            host: "192.168.1.255".into(),
            announcement: Announcement {
                udid: "ABCD".into(),
                name: "watch".into(),
                device_type: 0x6D,
                mode: Mode::DISCOVER,
                device_hash: "7".into(),
                auth_port: Some(5000),
                ip: Some(Ipv4Addr::new(192, 168, 1, 2)),
                capability: vec![192],
                coap_uri: Some("coap://192.168.1.2/device_discover".into()),
                ..Announcement::default()
            },
        }
    }

    #[test]
    fn a_standard_broadcast_is_what_the_wire_carries() {
        let bytes = watch().encode(Style::Standard).unwrap();
        // Version 1, NON, no token; POST; ID; option 3 (13 bytes), option 11 (delta 8, 15 bytes).
        assert_eq!(bytes[..6], [0x50, 0x02, 0x12, 0x34, 0x3D, 0x00]);
        assert_eq!(&bytes[6..19], b"192.168.1.255");
        assert_eq!(bytes[19..21], [0x8D, 0x02]);
        assert_eq!(&bytes[21..36], b"device_discover");
        assert_eq!(bytes[36], 0xFF);
        let expected = concat!(
            r#"{"deviceId":"{\"UDID\":\"ABCD\"}","devicename":"watch","type":109,"mode":1,"deviceHash":"7","#,
            r#""serviceData":"port:5000,","wlanIp":"192.168.1.2","capabilityBitmap":[192],"#,
            r#""coapUri":"coap://192.168.1.2/device_discover"}"#,
            "\0"
        );
        assert_eq!(std::str::from_utf8(&bytes[37..]).unwrap(), expected);
    }

    #[test]
    fn a_lite_answer_names_its_version_and_has_no_nul() {
        let bytes = watch().encode(Style::Lite).unwrap();
        assert_eq!(bytes.last(), Some(&b'}'));
        assert!(String::from_utf8_lossy(&bytes).contains(r#""type":109,"hicomversion":"hm.1.0.0","mode":1"#));
    }

    #[test]
    fn large_types_go_to_type_ex() {
        let mut message = watch();
        message.announcement.device_type = 0xA2F;
        let bytes = message.encode(Style::Standard).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(r#""type":0,"typeEx":2607"#));
        assert_eq!(Message::decode(&bytes), Ok(Datagram::Message(Box::new(message))));
    }

    #[test]
    fn an_acknowledgement_is_recognised() {
        assert_eq!(Message::decode(&Message::acknowledge(7)), Ok(Datagram::Acknowledged(7)));
    }

    prop_compose! {
        fn announcement()(
            udid in "[ -~]{1,64}", name in "\\PC{0,30}", device_type: u32, mode: u8, hash in "[0-9]{0,20}",
            auth_port in proptest::option::of(1_u16..), ip in proptest::option::of(any::<u32>()),
            capability in prop::collection::vec(any::<u32>(), 0..=2),
            extend in proptest::option::of("[a-z]{0,20}"), business: Option<u8>, seq_no: Option<u16>,
            uri in proptest::option::of("[a-z:/.]{0,40}"),
        ) -> Announcement {
            Announcement {
                udid, name, device_type, mode: Mode(mode), device_hash: hash, auth_port,
                ip: ip.map(Ipv4Addr::from), capability, business_data: extend.clone(),
                extend_service_data: extend, business_type: business, seq_no, hicom_version: None, coap_uri: uri,
            }
        }
    }

    proptest! {
        #[test]
        fn messages_round_trip(announcement in announcement(), id: u16, confirmable: bool, path in 0_usize..3) {
            let message =
                Message { path: Path::ALL[path], id, confirmable, host: "10.0.0.1".into(), announcement };
            let bytes = message.encode(Style::Standard).unwrap();
            prop_assert_eq!(Message::decode(&bytes), Ok(Datagram::Message(Box::new(message))));
        }

        #[test]
        fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::decode(&bytes);
        }

        #[test]
        fn a_damaged_message_is_harmless(at in 0_usize..200, byte: u8, cut in 0_usize..300) {
            let mut bytes = watch().encode(Style::Standard).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _ = Message::decode(&bytes);
        }
    }
}
