//! What two devices tell each other before sessions: identities (module 1) and information (module 5).

use serde_json::{Value, json};

use super::{CodecError, maybe_number, maybe_text, number, parse_json, text};

/// The longest identifier that is taken.
const LONGEST_ID: usize = 128;

/// Module 1: `getAuthInfo` and `retAuthInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Asks for the peer's identity and gives one's own.
    Get {
        /// The asker's UDID.
        udid: String,
        /// The asker's identity in authentication.
        auth_id: String,
    },
    /// The answer.
    Return {
        /// The answerer's UDID.
        udid: String,
    },
}

impl Identity {
    /// As a packet's body.
    pub fn encode(&self) -> Vec<u8> {
        let json = match self {
            Self::Get { udid, auth_id } => {
                json!({ "TECmd": "getAuthInfo", "TEData": udid, "TEDeviceId": auth_id })
            }
            Self::Return { udid } => json!({ "TECmd": "retAuthInfo", "TEData": udid }),
        };
        json.to_string().into_bytes()
    }

    /// Reads a packet's body.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let json = parse_json(body)?;
        let udid = text(&json, "TEData", LONGEST_ID)?;
        match json.get("TECmd").and_then(Value::as_str) {
            Some("getAuthInfo") => Ok(Self::Get { udid, auth_id: text(&json, "TEDeviceId", LONGEST_ID)? }),
            Some("retAuthInfo") => Ok(Self::Return { udid }),
            _ => Err(CodecError::Field("TECmd")),
        }
    }
}

/// CODE 1, "verify IP": ports, versions and what the device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The newest protocol version it speaks.
    pub max_version: i32,
    /// The oldest.
    pub min_version: i32,
    /// TCP port of authentication.
    pub auth_port: u16,
    /// TCP port of sessions.
    pub session_port: u16,
    /// Media it has, a bit each.
    pub conn_cap: u32,
    /// Its name for people.
    pub name: String,
    /// Its kind in words, such as `DEV_L0`.
    pub device_type: String,
    /// Its UDID.
    pub udid: String,
    /// The version of its software.
    pub version: String,
}

/// Module 5: questions and answers look the same, the packet's flag tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Info {
    /// CODE 1.
    VerifyIp(DeviceInfo),
    /// CODE 2: the identifier.
    VerifyDeviceId(String),
}

impl Info {
    /// As a packet's body before encryption.
    pub fn encode(&self) -> Vec<u8> {
        let json = match self {
            Self::VerifyIp(info) => json!({
                "CODE": 1,
                "BUS_MAX_VERSION": info.max_version,
                "BUS_MIN_VERSION": info.min_version,
                "AUTH_PORT": info.auth_port,
                "SESSION_PORT": info.session_port,
                "CONN_CAP": info.conn_cap,
                "DEVICE_NAME": info.name,
                "DEVICE_TYPE": info.device_type,
                "DEVICE_ID": info.udid,
                "VERSION_TYPE": info.version,
            }),
            Self::VerifyDeviceId(udid) => json!({ "CODE": 2, "DEVICE_ID": udid }),
        };
        json.to_string().into_bytes()
    }

    /// Reads a decrypted body.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let json = parse_json(body)?;
        match number::<i64>(&json, "CODE")? {
            1 => Ok(Self::VerifyIp(DeviceInfo {
                max_version: number(&json, "BUS_MAX_VERSION")?,
                min_version: number(&json, "BUS_MIN_VERSION")?,
                auth_port: number(&json, "AUTH_PORT")?,
                session_port: number(&json, "SESSION_PORT")?,
                conn_cap: maybe_number(&json, "CONN_CAP")?.unwrap_or(0),
                name: text(&json, "DEVICE_NAME", 128)?,
                device_type: text(&json, "DEVICE_TYPE", 64)?,
                udid: maybe_text(&json, "DEVICE_ID", LONGEST_ID)?.unwrap_or_default(),
                version: maybe_text(&json, "VERSION_TYPE", 64)?.unwrap_or_default(),
            })),
            2 => Ok(Self::VerifyDeviceId(text(&json, "DEVICE_ID", LONGEST_ID)?)),
            _ => Err(CodecError::Field("CODE")),
        }
    }
}

/// Module 3 under pre-provisioned trust: both sides name the exchange and its outcome, and the key is the
/// one both were given. HiChain's messages would stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The client begins (HiChain numbers its first message 1).
    Begin,
    /// The server agrees (0x8001).
    Agree,
    /// Either refuses (0x8080).
    Refuse,
}

impl Trust {
    const NUMBERS: [(Self, i64); 3] = [(Self::Begin, 1), (Self::Agree, 0x8001), (Self::Refuse, 0x8080)];

    /// As a packet's body.
    pub fn encode(self) -> Vec<u8> {
        let number =
            Self::NUMBERS.into_iter().find(|(trust, _)| *trust == self).map_or(0, |(_, number)| number);
        json!({ "message": number, "payload": { "trust": "pre-provisioned" } }).to_string().into_bytes()
    }

    /// Reads a packet's body: any message of HiChain that does not refuse agrees.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let message = number::<i64>(&parse_json(body)?, "message")?;
        match message {
            0x8080 => Ok(Self::Refuse),
            1..=0x7FFF => Ok(Self::Begin),
            _ => Ok(Self::Agree),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identities_are_the_wires() {
        let ask = Identity::Get { udid: "A".into(), auth_id: "B".into() };
        assert_eq!(ask.encode(), br#"{"TECmd":"getAuthInfo","TEData":"A","TEDeviceId":"B"}"#);
        let answer = Identity::Return { udid: "C".into() };
        assert_eq!(answer.encode(), br#"{"TECmd":"retAuthInfo","TEData":"C"}"#);
        for identity in [ask, answer] {
            let mut body = identity.encode();
            body.push(0);
            assert_eq!(Identity::decode(&body), Ok(identity));
        }
    }

    #[test]
    fn trust_is_refused_only_in_so_many_words() {
        for (trust, _) in Trust::NUMBERS {
            assert_eq!(Trust::decode(&trust.encode()), Ok(trust));
        }
        assert_eq!(Trust::decode(br#"{"message":32770,"payload":{}}"#), Ok(Trust::Agree));
    }

    proptest! {
        #[test]
        fn information_round_trips(
            ports in any::<(u16, u16)>(), versions in any::<(i32, i32)>(), conn_cap: u32,
            name in "\\PC{0,30}", udid in "[0-9A-F]{0,64}",
        ) {
            let info = DeviceInfo {
                max_version: versions.0, min_version: versions.1, auth_port: ports.0, session_port: ports.1,
                conn_cap, name, device_type: "DEV_L1".into(), udid: udid.clone(), version: "1".into(),
            };
            for info in [Info::VerifyIp(info), Info::VerifyDeviceId(udid)] {
                prop_assert_eq!(Info::decode(&info.encode()), Ok(info));
            }
        }

        #[test]
        fn any_text_is_harmless(body in "\\PC{0,100}", code in -2_i64..5, key in "[A-Z_]{1,15}") {
            let object = format!(r#"{{"CODE":{code},"message":{code},"{key}":{code}}}"#);
            for body in [body.as_bytes(), object.as_bytes()] {
                let _ = (Info::decode(body), Identity::decode(body), Trust::decode(body));
            }
        }
    }
}
