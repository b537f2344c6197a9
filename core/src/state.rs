//! Saving and restoring: everything that holds state implements [`State`] by deriving serde's traits.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A saved state that does not fit what it is restored into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateError(pub String);

impl StateError {
    /// Puts the owner's name in front: `watch-1: uart0: ...`.
    pub fn within(self, owner: &str) -> Self {
        Self(format!("{owner}: {}", self.0))
    }
}

impl From<postcard::Error> for StateError {
    fn from(error: postcard::Error) -> Self {
        Self(format!("the saved state cannot be read ({error}): was it written by another version?"))
    }
}

/// Something that can be saved and brought back, so that running on is as if it had never stopped.
pub trait State {
    /// The whole state, in a compact binary form.
    fn save(&self) -> Result<Vec<u8>, StateError>;
    /// Becomes what was saved.
    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError>;
}

impl<T: Serialize + DeserializeOwned> State for T {
    fn save(&self) -> Result<Vec<u8>, StateError> {
        to_bytes(self)
    }
    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError> {
        *self = from_bytes(saved)?;
        Ok(())
    }
}

/// Writes any serialisable value in the form snapshots use.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StateError> {
    Ok(postcard::to_stdvec(value)?)
}

/// Reads what [`to_bytes`] wrote; bytes left over are an error.
pub fn from_bytes<T: DeserializeOwned>(saved: &[u8]) -> Result<T, StateError> {
    let (value, rest) = postcard::take_from_bytes(saved)?;
    if rest.is_empty() { Ok(value) } else { Err(StateError(format!("{} bytes too many", rest.len()))) }
}
