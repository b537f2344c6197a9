//! What a device shows to the world and takes from it: channels (buttons, sensors' readings), their values,
//! and pictures (screens, lamps).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A quantity of a component that a stimulus can set: a button, a sensor's reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its name within the component.
    pub name: &'static str,
    /// What it is, for people.
    pub doc: &'static str,
    /// What it takes.
    pub takes: Takes,
}

/// What a channel takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Takes {
    /// `true` or `false`: pressed or not, plugged or not.
    Switch,
    /// A reading.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
        /// Its unit as people write it: `°C`, `V`, `mg`.
        unit: Cow<'static, str>,
    },
    /// Words that the component understands.
    Text,
    /// A finger on a panel: `[x, y]` in pixels from the top left while it touches, `false` once it is lifted.
    Touch {
        /// Pixels in a line.
        width: u16,
        /// Lines.
        height: u16,
    },
}

impl Channel {
    /// A channel of `true` and `false`.
    pub const fn switch(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, takes: Takes::Switch }
    }
    /// A reading from `min` to `max`.
    pub const fn number(
        name: &'static str,
        doc: &'static str,
        (min, max): (f64, f64),
        unit: &'static str,
    ) -> Self {
        Self { name, doc, takes: Takes::Number { min, max, unit: Cow::Borrowed(unit) } }
    }
    /// A channel of words.
    pub const fn text(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, takes: Takes::Text }
    }
    /// A touch panel.
    pub const fn touch(name: &'static str, doc: &'static str, width: u16, height: u16) -> Self {
        Self { name, doc, takes: Takes::Touch { width, height } }
    }

    /// Whether the channel takes the value.
    pub fn check(&self, value: &Value) -> Result<(), SetError> {
        let fits = match (&self.takes, value) {
            (Takes::Switch, Value::Bool(_)) | (Takes::Touch { .. }, Value::Bool(false)) => true,
            (Takes::Text, Value::Text(_)) => true,
            (Takes::Number { min, max, .. }, Value::Number(number)) => (min..=max).contains(&number),
            (Takes::Touch { width, height }, Value::Numbers(place)) => {
                let within = |value: &f64, size: &u16| (0.0..f64::from(*size)).contains(value);
                matches!(&place[..], [x, y] if within(x, width) && within(y, height))
            }
            _ => false,
        };
        let wrong = || SetError::BadValue { channel: self.name.to_owned(), expected: self.takes.to_string() };
        fits.then_some(()).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Takes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch => out.write_str("true or false"),
            Self::Number { min, max, unit } => write!(out, "a number from {min} to {max} ({unit})"),
            Self::Text => out.write_str("text"),
            Self::Touch { width, height } => {
                write!(out, "[x, y] below [{width}, {height}] (pixels), or false when the finger is lifted")
            }
        }
    }
}

/// The value a stimulus sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// On or off, pressed or not.
    Bool(bool),
    /// A reading in the channel's unit.
    Number(f64),
    /// Words.
    Text(String),
    /// Several numbers: a place on a touch panel.
    Numbers(Vec<f64>),
}

/// Why a stimulus cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// The component has no such channel.
    #[error("there is no channel `{0}` (`consort boards` with the name of the board lists them)")]
    NoChannel(String),
    /// The channel takes another kind of value or range.
    #[error("channel `{channel}` takes {expected}")]
    BadValue {
        /// The channel.
        channel: String,
        /// What it takes.
        expected: String,
    },
}

/// What a component shows to the eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// What a pixel is.
    pub form: Form,
    /// How bright the light behind it is, from 0 (dark) to 255.
    pub backlight: u8,
    /// Red, green and blue of each pixel, line after line from the top left.
    pub rgb: Vec<u8>,
}

/// What a picture's pixels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Square dots of a screen.
    Pixels,
    /// Lamps with gaps between them.
    Lamps,
}

impl Picture {
    /// A row of lamps, lit where `lit` has a bit, the lowest bit on the left.
    pub fn row_of_lamps(lit: u32, count: u8, colour: [u8; 3]) -> Self {
        let lamp =
            |index: u8| if lit.checked_shr(index.into()).unwrap_or(0) & 1 != 0 { colour } else { [0; 3] };
        let rgb = (0..count).flat_map(lamp).collect();
        Self { width: count.into(), height: 1, form: Form::Lamps, backlight: 255, rgb }
    }

    /// The colours that reach the eye: dimmed by the backlight.
    pub fn seen(&self) -> Vec<u8> {
        let dim = |value: &u8| (u16::from(*value) * u16::from(self.backlight) / 255) as u8;
        self.rgb.iter().map(dim).collect()
    }
}

/// A part of a device that shows or takes something, at present.
#[derive(Clone, Debug, PartialEq)]
pub struct PartState {
    /// Its name in the board file.
    pub name: String,
    /// Its channels with their present values, where the model can tell them.
    pub channels: Vec<(Channel, Option<Value>)>,
    /// A number that changes whenever its picture does; absent when it shows nothing.
    pub shows: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_take_what_they_say() {
        let number = Channel::number("t", "temperature", (-40.0, 125.0), "°C");
        let touch = Channel::touch("touch", "a finger", 240, 240);
        let switch = Channel::switch("pressed", "a button");
        for (channel, value, fits) in [
            (&number, Value::Number(-40.0), true),
            (&number, Value::Number(125.1), false),
            (&number, Value::Number(f64::NAN), false),
            (&number, Value::Bool(true), false),
            (&touch, Value::Numbers(vec![0.0, 239.0]), true),
            (&touch, Value::Numbers(vec![0.0, 240.0]), false),
            (&touch, Value::Numbers(vec![-1.0, 0.0]), false),
            (&touch, Value::Numbers(vec![1.0]), false),
            (&touch, Value::Bool(false), true),
            (&touch, Value::Bool(true), false),
            (&switch, Value::Bool(true), true),
            (&switch, Value::Text("yes".to_owned()), false),
        ] {
            assert_eq!(channel.check(&value).is_ok(), fits, "{channel:?} {value:?}");
        }
        let error = number.check(&Value::Number(200.0)).unwrap_err().to_string();
        assert_eq!(error, "channel `t` takes a number from -40 to 125 (°C)");
    }

    #[test]
    fn the_backlight_dims_what_is_seen() {
        let picture =
            Picture { width: 1, height: 1, form: Form::Pixels, backlight: 128, rgb: vec![255, 2, 0] };
        assert_eq!(picture.seen(), [128, 1, 0]);
    }
}
