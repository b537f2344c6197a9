//! The error codes of the soft bus's public API.

use serde::{Deserialize, Serialize};

/// Why a call failed; [`ApiError::code`] is what the API's users see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ApiError {
    /// An argument that cannot be.
    #[error("invalid parameter")]
    InvalidParam,
    /// It took too long.
    #[error("time-out")]
    Timeout,
    /// A part of the API that is not there (files, streams, BLE).
    #[error("not implemented")]
    NotImplement,
    /// The peer is not trusted.
    #[error("permission denied")]
    PermissionDenied,
    /// The key does not fit.
    #[error("decryption failed")]
    Decrypt,
    /// A frame without the magic.
    #[error("invalid data head")]
    InvalidDataHead,
    /// No such session.
    #[error("invalid session id")]
    InvalidSessionId,
    /// Too many sessions or servers.
    #[error("too many sessions")]
    SessionCount,
    /// The session is not open yet.
    #[error("the session is opening")]
    SessionOpening,
    /// The session is closed.
    #[error("the session is not enabled")]
    SessionNotEnabled,
    /// More than one call can send.
    #[error("too long to send")]
    SendLength,
    /// The peer did not answer the request for a session.
    #[error("handshake time-out")]
    HandshakeTimeout,
    /// The peer has no server of that name.
    #[error("the peer did not create the session")]
    PeerSessionNotCreated,
    /// The device is unknown or offline.
    #[error("network not found")]
    NetworkNotFound,
    /// Authentication was not done in time.
    #[error("authentication time-out")]
    AuthTimeout,
}

impl ApiError {
    /// The code in the public headers.
    pub const fn code(self) -> i32 {
        match self {
            Self::InvalidParam => -426_442_749,
            Self::Timeout => -426_442_750,
            Self::NotImplement => -426_442_747,
            Self::PermissionDenied => -426_442_743,
            Self::Decrypt => -426_442_738,
            Self::InvalidDataHead => -426_442_731,
            Self::InvalidSessionId => -426_115_070,
            Self::SessionCount => -426_115_065,
            Self::SessionOpening => -426_115_063,
            Self::SessionNotEnabled => -426_115_030,
            Self::SendLength => -426_115_018,
            Self::HandshakeTimeout => -426_115_009,
            Self::PeerSessionNotCreated => -426_115_007,
            Self::NetworkNotFound => -426_049_509,
            Self::AuthTimeout => -425_983_980,
        }
    }
}
