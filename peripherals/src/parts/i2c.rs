//! What parts with byte registers on I2C have in common: the register pointer, and the rate of samples.

use consort_core::Time;
use consort_core::component::{SetError, Value};
use serde::{Deserialize, Serialize};

/// The register pointer: the first byte written after the address, then one register after the other.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Pointer {
    register: u8,
    expected: bool,
}

impl Pointer {
    /// The part was addressed.
    pub fn start(&mut self, read: bool) {
        self.expected = !read;
    }
    /// A byte came: a new pointer (`None`), or data for a register.
    pub fn write(&mut self, byte: u8) -> Option<u8> {
        if std::mem::take(&mut self.expected) {
            self.register = byte;
            return None;
        }
        Some(self.register)
    }
    /// The register to read.
    pub fn register(&self) -> u8 {
        self.register
    }
    /// On to another register.
    pub fn set(&mut self, register: u8) {
        self.register = register;
    }
}

/// Samples at a rate: nothing happens at a sample that nobody waits for.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sampler {
    since: Time,
    period: Option<Time>,
    taken: u64,
    /// The last sample waits, though no more are taken.
    left: bool,
}

impl Sampler {
    /// Samples every `period` from now on, or not at all: then the last one still waits for who did not take it.
    pub fn run(&mut self, period: Option<Time>, now: Time) {
        let period = period.filter(|period| *period > Time::ZERO);
        if self.period != period {
            *self = Self { since: now, period, taken: 0, left: period.is_none() && self.ready(now) };
        }
    }
    fn count(&self, now: Time) -> u64 {
        self.period.map_or(0, |period| now.since(self.since).as_ps() / period.as_ps())
    }
    /// Whether there is a sample that was not taken yet.
    pub fn ready(&self, now: Time) -> bool {
        self.left || self.count(now) > self.taken
    }
    /// Takes the newest sample.
    pub fn take(&mut self, now: Time) {
        self.taken = self.count(now);
        self.left = false;
    }
    /// When the next sample comes.
    pub fn next(&self, now: Time) -> Time {
        let Some(period) = self.period else { return Time::MAX };
        Time::from_ps(period.as_ps().saturating_mul(self.count(now) + 1)) + self.since
    }
}

/// Three axes, set by channels `x`, `y`, `z`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Axes(pub [i64; 3]);

impl Axes {
    /// Sets an axis to `value * scale`, when `channel` ends with its name after `prefix`.
    pub fn set(
        &mut self,
        channel: &str,
        prefix: &str,
        value: &Value,
        (most, scale, unit): (f64, f64, &str),
    ) -> Result<(), SetError> {
        let axis =
            channel.strip_prefix(prefix).and_then(|axis| ["x", "y", "z"].iter().position(|n| *n == axis));
        let axis = axis.ok_or_else(|| SetError::NoChannel(channel.to_owned()))?;
        match value {
            Value::Number(number) if number.abs() <= most => {
                self.0[axis] = (number * scale).round() as i64;
                Ok(())
            }
            _ => Err(SetError::BadValue {
                channel: channel.to_owned(),
                expected: format!("a number from -{most} to {most} ({unit})"),
            }),
        }
    }

    /// The present value of an axis, in the unit in which [`Axes::set`] sets it.
    pub fn get(&self, channel: &str, prefix: &str, scale: f64) -> Option<Value> {
        let axis = channel.strip_prefix(prefix)?;
        let axis = ["x", "y", "z"].iter().position(|name| *name == axis)?;
        Some(Value::Number(self.0[axis] as f64 / scale))
    }
}
