//! What a run of a scenario came to.

use std::fmt;

use consort_core::Time;
use consort_core::fleet::Stimulus;
use consort_core::trace::Digest;
use serde::{Deserialize, Serialize};

use super::picture::Image;

/// How a run of a scenario went.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Why it failed; `None` when it passed.
    pub failure: Option<Failure>,
    /// False when it was ended from outside before it was decided.
    pub complete: bool,
    /// The seed it ran with.
    pub seed: u64,
    /// The virtual time at its end.
    pub at: Time,
    /// The digest at its end.
    pub digest: Digest,
    /// All inputs.
    pub journal: Vec<Stimulus>,
    /// Steps done.
    pub steps: u64,
    /// What each UART said: `device.uart` and the bytes.
    pub uarts: Vec<(String, Vec<u8>)>,
    /// Pictures that show why it failed, by names of files.
    pub pictures: Vec<(String, Image)>,
}

/// A failed expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step's name in the file, such as `wait`; empty when no step is at fault.
    pub step: String,
    /// JSON pointer to the step.
    pub pointer: String,
    /// The file, as it was named.
    pub file: String,
    /// Line of the step, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The round of each `repeat` around the step, and of how many.
    pub rounds: Vec<(u32, u32)>,
    /// The device at fault.
    pub device: Option<String>,
    /// When.
    pub at: Time,
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub found: String,
    /// The last lines of the UARTs that matter.
    pub last_lines: Vec<LastLines>,
}

/// The last lines of a UART.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLines {
    /// `device.uart`.
    pub uart: String,
    /// The lines.
    pub lines: Vec<String>,
}

impl Failure {
    pub(super) fn new(step: &str, pointer: &str, at: Time, expected: String, found: String) -> Self {
        Self {
            step: step.to_owned(),
            pointer: pointer.to_owned(),
            file: String::new(),
            line: 0,
            column: 0,
            rounds: Vec::new(),
            device: None,
            at,
            expected,
            found,
            last_lines: Vec::new(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.step.is_empty() {
            write!(f, "step {} ({})", self.step, self.pointer)?;
        }
        for (round, times) in &self.rounds {
            write!(f, ", round {round} of {times}")?;
        }
        write!(f, " failed at {} s", self.at)?;
        if let Some(device) = &self.device {
            write!(f, " on {device}")?;
        }
        write!(f, "\n  expected: {}\n  found:    {}", self.expected, self.found)?;
        for LastLines { uart, lines } in &self.last_lines {
            match lines.as_slice() {
                [] => write!(f, "\n  {uart} said nothing")?,
                lines => {
                    write!(f, "\n  last lines of {uart}:")?;
                    lines.iter().try_for_each(|line| write!(f, "\n    | {line}"))?;
                }
            }
        }
        Ok(())
    }
}
