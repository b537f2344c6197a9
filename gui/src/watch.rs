//! Pieces of a device's memory under watch, as the types their programmer gave them.

use std::collections::VecDeque;

use consort_core::control::MemoryState;
use consort_core::{Addr, Time};

/// Older values than this many are forgotten.
const KEPT: usize = 240;

/// How bytes are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    #[default]
    U32,
    /// Signed, 32 bits.
    I32,
    /// Floating point, 32 bits.
    F32,
    /// Unsigned, 64 bits.
    U64,
    /// Text up to the first zero.
    Text,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::U8, Self::U16, Self::U32, Self::I32, Self::F32, Self::U64, Self::Text];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::U64 => "u64",
            Self::Text => "text",
        }
    }

    /// In bytes.
    pub fn size(self) -> u32 {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 => 8,
            Self::Text => 32,
        }
    }
}

/// A watched place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watch {
    /// How people called it.
    pub name: String,
    /// Where it is.
    pub addr: Addr,
    /// What it is.
    pub form: Form,
    /// Whether the device halts when it is written.
    pub halts: bool,
    /// Its value as text.
    pub shown: String,
    /// Whether the last look found another one than the look before.
    pub changed: bool,
    /// Its values so far, as numbers.
    pub curve: VecDeque<f64>,
}

impl Watch {
    /// The longest piece that is watched.
    pub const MOST: u32 = 32;

    /// Takes in what a look at memory found, when it was this place's.
    pub fn take(&mut self, state: &MemoryState) {
        let size = self.form.size() as usize;
        if state.addr != self.addr || state.data.len() != size {
            return;
        }
        let bytes: Option<Vec<u8>> = state.data.iter().copied().collect();
        let Some(bytes) = bytes else {
            self.shown = "not readable".to_owned();
            return;
        };
        let number = bytes.iter().take(8).rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let (shown, value) = match self.form {
            Form::Text => {
                let text = bytes.iter().take_while(|byte| **byte != 0);
                (text.map(|byte| crate::decode::printable(*byte)).collect(), 0.0)
            }
            Form::I32 => ((number as u32 as i32).to_string(), f64::from(number as u32 as i32)),
            Form::F32 => {
                let value = f32::from_bits(number as u32);
                (value.to_string(), f64::from(value))
            }
            _ => (format!("{number} ({number:#x})"), number as f64),
        };
        self.changed = !self.shown.is_empty() && self.shown != shown;
        self.shown = shown;
        if self.form != Form::Text && value.is_finite() {
            if self.curve.len() == KEPT {
                self.curve.pop_front();
            }
            self.curve.push_back(value);
        }
    }
}

/// A curve of values at their times, bounded.
#[derive(Clone, Debug, Default)]
pub struct Curve(pub VecDeque<(Time, f64)>);

impl Curve {
    /// Adds the value at `now`, unless time stands still.
    pub fn add(&mut self, now: Time, value: f64) {
        match self.0.back_mut() {
            Some(last) if last.0 >= now => *last = (now, value),
            _ => self.0.push_back((now, value)),
        }
        if self.0.len() > 2 * KEPT {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(form: Form, looks: &[&[u8]]) -> Watch {
        let mut watch = Watch { addr: 0x10, form, ..Watch::default() };
        for bytes in looks {
            let data = bytes.iter().copied().map(Some).collect();
            watch.take(&MemoryState { device: "a".to_owned(), addr: 0x10, data });
        }
        watch
    }

    #[test]
    fn bytes_are_read_as_their_type() {
        assert_eq!(seen(Form::U16, &[&[0x34, 0x12]]).shown, "4660 (0x1234)");
        assert_eq!(seen(Form::I32, &[&[0xff; 4]]).shown, "-1");
        assert_eq!(seen(Form::F32, &[&1.5f32.to_le_bytes()]).shown, "1.5");
        let mut text = *b"bpm 72\0\x01                        ";
        text[31] = 0;
        assert_eq!(seen(Form::Text, &[&text]).shown, "bpm 72");
        assert_eq!(seen(Form::U32, &[&[1, 2]]).shown, "", "of another size: not its own");
    }

    #[test]
    fn changes_are_marked_and_curves_are_kept() {
        let watch = seen(Form::U8, &[&[1], &[1], &[2]]);
        assert!(watch.changed);
        assert_eq!(watch.curve, [1.0, 1.0, 2.0]);
        assert!(!seen(Form::U8, &[&[1], &[1]]).changed);
    }
}
