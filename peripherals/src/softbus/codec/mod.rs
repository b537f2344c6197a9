//! The soft bus's messages as bytes: pure functions without time or state, safe against any input.
//!
//! | module | layer |
//! |---|---|
//! | [`discovery`] | CoAP over UDP 5684 with its JSON |
//! | [`packet`] | the 24-byte header on authentication and session-opening connections |
//! | [`auth`] | device identities and device information |
//! | [`session`] | session request and reply |
//! | [`data`] | the 16-byte data header, the TLV head, and the replay window |
//! | [`cipher`] | AES-GCM as both layers use it |

pub mod auth;
pub mod cipher;
pub mod data;
pub mod discovery;
pub mod packet;
pub mod session;

use serde_json::Value;

/// "0xBABEFACE", the first word of every packet and data frame.
pub const MAGIC: u32 = 0xBABE_FACE;

/// What is wrong with bytes from the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end before the message does.
    #[error("{0} ends early")]
    Short(&'static str),
    /// The first word is not the magic.
    #[error("bad magic {0:#010x}")]
    Magic(u32),
    /// The length word is beyond what the receiver takes.
    #[error("a length of {length} is more than {limit}")]
    TooLong {
        /// What was announced.
        length: usize,
        /// What is taken.
        limit: usize,
    },
    /// The tag does not fit the bytes and the key.
    #[error("the authentication tag is wrong")]
    Decrypt,
    /// Not JSON, or nested too deep.
    #[error("bad JSON: {0}")]
    Json(String),
    /// A field is missing or of another type.
    #[error("the field `{0}` is missing or bad")]
    Field(&'static str),
    /// Not a CoAP message of the soft bus.
    #[error("bad CoAP: {0}")]
    Coap(String),
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Reads a JSON object; peers written in C may send the string's NUL too.
fn parse_json(bytes: &[u8]) -> Result<Value, CodecError> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let value: Value =
        serde_json::from_slice(&bytes[..end]).map_err(|error| CodecError::Json(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(CodecError::Json("not an object".to_owned())) }
}

fn text(value: &Value, field: &'static str, longest: usize) -> Result<String, CodecError> {
    match value.get(field).and_then(Value::as_str) {
        Some(text) if text.len() <= longest => Ok(text.to_owned()),
        _ => Err(CodecError::Field(field)),
    }
}

fn maybe_text(value: &Value, field: &'static str, longest: usize) -> Result<Option<String>, CodecError> {
    if value.get(field).is_some() { text(value, field, longest).map(Some) } else { Ok(None) }
}

fn number<T: TryFrom<i64>>(value: &Value, field: &'static str) -> Result<T, CodecError> {
    let number = value.get(field).and_then(Value::as_i64).ok_or(CodecError::Field(field))?;
    T::try_from(number).map_err(|_| CodecError::Field(field))
}

fn maybe_number<T: TryFrom<i64>>(value: &Value, field: &'static str) -> Result<Option<T>, CodecError> {
    if value.get(field).is_some() { number(value, field).map(Some) } else { Ok(None) }
}
