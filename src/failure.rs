//! How a command fails: what it says, and its exit code.

use std::fmt;
use std::process::ExitCode;

/// The run did what was asked, and the answer is no: text not seen, guest failed.
pub const NO: u8 = 1;
/// Bad usage or bad files.
pub const BAD: u8 = 2;

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Bad usage or bad files.
    pub fn bad(message: impl fmt::Display) -> Self {
        Self { code: BAD, message: message.to_string() }
    }

    /// Says it on standard error.
    pub fn report(self) -> ExitCode {
        crate::console::error(&self.message);
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::bad(error)
    }
}
