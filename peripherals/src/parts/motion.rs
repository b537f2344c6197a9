//! How a wearer moves: three axes of acceleration as curves, and walking on top of them.

use consort_core::Time;
use consort_core::component::{Channel, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curve::{Curve, Points};

/// Motion as fleet files give it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MotionConfig {
    /// Acceleration along the sensor's x axis in mg: `[["0s", 0], ["5s", 800]]`; 0 when absent.
    #[serde(default)]
    pub x: Points,
    /// Along its y axis; 0 when absent.
    #[serde(default)]
    pub y: Points,
    /// Along its z axis; 1000 (lying flat, face up) when absent.
    #[serde(default)]
    pub z: Points,
    /// Steps per minute: `[["10s", 110], ["40s", 110], ["40.001s", 0]]`; 0 when absent.
    #[serde(default)]
    pub cadence: Points,
}

/// Swing of the acceleration while walking, in thousandths of what it is at rest.
const SWING: i64 = 350;
/// A step a minute, kept for a minute, in units of [`Curve::area`].
const STEP: i128 = 60_000_000_000_000;

/// The motion and its channels `x`, `y`, `z` (mg) and `cadence` (steps per minute).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Motion {
    axes: [Curve; 3],
    cadence: Curve,
}

const AXES: [&str; 3] = ["x", "y", "z"];

impl Motion {
    /// The motion a fleet file describes.
    pub fn new(config: &MotionConfig) -> Self {
        let axis = |points: &Points, rest| Curve::new(points, 1.0, rest);
        Self {
            axes: [axis(&config.x, 0), axis(&config.y, 0), axis(&config.z, 1000)],
            cadence: Curve::new(&config.cadence, 1.0, 0),
        }
    }

    /// The channels.
    pub fn channels() -> [Channel; 4] {
        [
            Channel::number("x", "acceleration along the x axis", (-16_000.0, 16_000.0), "mg"),
            Channel::number("y", "acceleration along the y axis", (-16_000.0, 16_000.0), "mg"),
            Channel::number("z", "acceleration along the z axis", (-16_000.0, 16_000.0), "mg"),
            Channel::number("cadence", "how fast the wearer walks", (0.0, 240.0), "steps/min"),
        ]
    }

    /// A channel's curve.
    fn curve(&mut self, channel: &str) -> Option<&mut Curve> {
        match AXES.iter().position(|axis| *axis == channel) {
            Some(axis) => self.axes.get_mut(axis),
            None => (channel == "cadence").then_some(&mut self.cadence),
        }
    }

    /// Sets a channel: what its curve said is forgotten.
    pub fn set(&mut self, channel: &str, value: &Value, now: Time) -> Result<(), SetError> {
        let known = Self::channels().into_iter().find(|known| known.name == channel);
        known.ok_or_else(|| SetError::NoChannel(channel.to_owned()))?.check(value)?;
        if let (Some(curve), Value::Number(number)) = (self.curve(channel), value) {
            curve.set(number.round() as i64, now);
        }
        Ok(())
    }

    /// A channel's value at `now`.
    pub fn get(&self, channel: &str, now: Time) -> Option<Value> {
        let axis = AXES.iter().position(|axis| *axis == channel);
        let curve = match axis {
            Some(axis) => self.axes.get(axis)?,
            None if channel == "cadence" => &self.cadence,
            None => return None,
        };
        Some(Value::Number(curve.at(now) as f64))
    }

    /// Acceleration along the three axes at `now`, in mg. A step is a wave of two parabolas, up and down.
    pub fn at(&self, now: Time) -> [i64; 3] {
        let rest = [0, 1, 2].map(|axis: usize| self.axes.get(axis).map_or(0, |curve| curve.at(now)));
        if self.cadence.at(now) == 0 {
            return rest;
        }
        // The phase within the step, in 2000 parts.
        let phase = (self.cadence.area(now).rem_euclid(STEP) * 2_000 / STEP) as i64;
        let (half, up) = (phase % 1_000, phase < 1_000);
        let wave = SWING * 4 * half * (1_000 - half) / 1_000_000;
        rest.map(|value| value * (1_000 + if up { wave } else { -wave }) / 1_000)
    }

    /// Until when nothing changes.
    pub fn steady_until(&self, now: Time) -> Time {
        if self.cadence.at(now) != 0 {
            return now;
        }
        let axes = self.axes.iter().map(|axis| axis.steady_until(now)).min().unwrap_or(now);
        axes.min(self.cadence.steady_until(now))
    }
}
