//! The request that opens a session, and its reply.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::cipher::SessionKey;
use super::{CodecError, maybe_number, maybe_text, number, parse_json, text};

/// The longest name of a session or package.
pub const LONGEST_NAME: usize = 255;
const API_VERSION: i32 = 2;

/// Asks for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The session server's name.
    pub bus_name: String,
    /// The asker's own session server, which may have another name.
    pub client_bus_name: String,
    /// The asker's package.
    pub pkg_name: String,
    /// Restricts the session to a group.
    pub group_id: String,
    /// The key of everything the session carries.
    pub key: SessionKey,
    /// The largest content of one frame.
    pub mtu: u32,
    /// The medium.
    pub route_type: i32,
    /// Bytes, messages, files or streams.
    pub business_type: i32,
    /// Optional features the asker can use.
    pub capability: u32,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The session is open.
    Opened {
        /// The answerer's UDID.
        udid: String,
        /// Its package.
        pkg_name: String,
    },
    /// It is not.
    Refused {
        /// A code of the public API.
        code: i32,
        /// In words.
        why: String,
    },
}

impl Request {
    /// As a packet's body before encryption.
    pub fn encode(&self) -> Vec<u8> {
        json!({
            "CODE": 1,
            "API_VERSION": API_VERSION,
            "BUS_NAME": self.bus_name,
            "GROUP_ID": self.group_id,
            "UID": -1,
            "PID": -1,
            "SESSION_KEY": BASE64.encode(self.key),
            "MTU_SIZE": self.mtu,
            "PKG_NAME": self.pkg_name,
            "CLIENT_BUS_NAME": self.client_bus_name,
            "AUTH_STATE": "",
            "ROUTE_TYPE": self.route_type,
            "BUSINESS_TYPE": self.business_type,
            "TRANS_FLAGS": 0,
            "TRANS_CAPABILITY": self.capability,
        })
        .to_string()
        .into_bytes()
    }

    /// Reads a decrypted body. Only the name and the key must be there.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let json = parse_json(body)?;
        let bus_name = text(&json, "BUS_NAME", LONGEST_NAME)?;
        let key =
            BASE64.decode(text(&json, "SESSION_KEY", 64)?).map_err(|_| CodecError::Field("SESSION_KEY"))?;
        Ok(Self {
            client_bus_name: maybe_text(&json, "CLIENT_BUS_NAME", LONGEST_NAME)?
                .unwrap_or_else(|| bus_name.clone()),
            bus_name,
            pkg_name: maybe_text(&json, "PKG_NAME", LONGEST_NAME)?.unwrap_or_default(),
            group_id: maybe_text(&json, "GROUP_ID", LONGEST_NAME)?.unwrap_or_default(),
            key: key.try_into().map_err(|_| CodecError::Field("SESSION_KEY"))?,
            mtu: maybe_number(&json, "MTU_SIZE")?.unwrap_or(0),
            route_type: maybe_number(&json, "ROUTE_TYPE")?.unwrap_or(0),
            business_type: maybe_number(&json, "BUSINESS_TYPE")?.unwrap_or(0),
            capability: maybe_number(&json, "TRANS_CAPABILITY")?.unwrap_or(0),
        })
    }
}

impl Reply {
    /// As a packet's body before encryption.
    pub fn encode(&self) -> Vec<u8> {
        let json = match self {
            Self::Opened { udid, pkg_name } => json!({
                "CODE": 1,
                "API_VERSION": API_VERSION,
                "DEVICE_ID": udid,
                "UID": -1,
                "PID": -1,
                "PKG_NAME": pkg_name,
                "CLIENT_BUS_NAME": pkg_name,
                "AUTH_STATE": "",
                "CHANNEL_TYPE": 1,
            }),
            Self::Refused { code, why } => json!({ "CODE": 1, "ERR_CODE": code, "ERR_DESC": why }),
        };
        json.to_string().into_bytes()
    }

    /// Reads a decrypted body.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        let json = parse_json(body)?;
        if number::<i64>(&json, "CODE")? != 1 {
            return Err(CodecError::Field("CODE"));
        }
        if let Some(code) = maybe_number(&json, "ERR_CODE")?.filter(|code| *code != 0) {
            return Ok(Self::Refused { code, why: maybe_text(&json, "ERR_DESC", 256)?.unwrap_or_default() });
        }
        Ok(Self::Opened {
            udid: maybe_text(&json, "DEVICE_ID", 128)?.unwrap_or_default(),
            pkg_name: maybe_text(&json, "PKG_NAME", LONGEST_NAME)?.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lite_peer_finds_what_it_reads() {
        let body = br#"{"BUS_NAME":"lamp","SESSION_KEY":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}"#;
        let request = Request::decode(body).unwrap();
        assert_eq!((request.bus_name.as_str(), request.client_bus_name.as_str()), ("lamp", "lamp"));
        assert_eq!(request.key[31], 31);
        let short = br#"{"BUS_NAME":"lamp","SESSION_KEY":"AAEC"}"#;
        assert_eq!(Request::decode(short), Err(CodecError::Field("SESSION_KEY")));
    }

    proptest! {
        #[test]
        fn requests_and_replies_round_trip(
            name in "\\PC{0,40}", own in "\\PC{0,40}", key: [u8; 32], mtu: u32, code in prop::num::i32::ANY,
        ) {
            let request = Request {
                bus_name: name.clone(), client_bus_name: own.clone(), pkg_name: own.clone(),
                group_id: String::new(), key, mtu, route_type: 1, business_type: 2, capability: 0,
            };
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
            prop_assume!(code != 0);
            for reply in [Reply::Opened { udid: name, pkg_name: own }, Reply::Refused { code, why: "no".into() }] {
                prop_assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
            }
        }

        #[test]
        fn any_bytes_are_harmless(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = (Request::decode(&body), Reply::decode(&body));
        }
    }
}
