//! What the ends of wires tell each other: characters of a UART, transfers of an SPI or I2C bus, levels of pins.
//!
//! A signal leaves when what it tells of *begins* on the wire, and says when that ends. So it is underway while the
//! wire is busy with it, and the wire's latency costs no time of its own: it is a part of the character or byte.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::state::{self, StateError};
use crate::time::Time;

/// Kinds of wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WireKind {
    /// Two UARTs: what one sends, the other receives.
    Uart,
    /// Clock, MOSI and MISO of an SPI bus, with the wires that select slaves.
    Spi,
    /// Clock and data of an I2C bus.
    I2c,
    /// One wire between pins.
    Pin,
}

impl fmt::Display for WireKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Uart => "UART",
            Self::Spi => "SPI",
            Self::I2c => "I2C",
            Self::Pin => "pin",
        })
    }
}

impl WireKind {
    /// Bits per second that a wire allows where nobody says more.
    pub fn usual_rate(self) -> u64 {
        match self {
            Self::Uart | Self::Spi => 1_000_000,
            Self::I2c => 400_000,
            Self::Pin => 0,
        }
    }

    /// How long a signal may be underway on a wire that allows so many bits per second: what a receiver need not know
    /// earlier. A character is received when its stop bit is sampled; question and answer of a bus share a byte.
    pub fn latency(self, rate: u64) -> Time {
        // In half bit times. An eighth of the byte is left over, for clocks that drift.
        let halves = match self {
            Self::Uart => 18,
            Self::Spi => 7,
            Self::I2c => 8,
            Self::Pin => return Time::from_us(1),
        };
        Time::from_ps(halves * 500_000_000_000 / rate.max(1))
    }
}

/// What drives a pin's wire from one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// The level that is driven, if one is.
    pub driven: Option<bool>,
    /// Where a resistor pulls.
    pub pull: Option<bool>,
}

/// A character on a UART's wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Character {
    /// When its start bit begins.
    pub start: Time,
    /// When its last stop bit ends.
    pub end: Time,
    /// The level in each bit time, the start bit's lowest.
    pub levels: u16,
    /// How many bit times it has.
    pub bits: u8,
}

/// A master's transfer on an SPI bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// When its first bit begins.
    pub start: Time,
    /// When its last bit ends.
    pub end: Time,
    /// CPOL (bit 1) and CPHA (bit 0).
    pub mode: u8,
    /// What MOSI carries, each byte's first bit on the wire highest.
    pub bytes: Vec<u8>,
}

/// What an I2C master does on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Master {
    /// START, or repeated START, with an address, for reading or not.
    Start(u8, bool),
    /// A byte to the slave.
    Write(u8),
    /// Clock for a byte from the slave.
    Read,
    /// STOP.
    Stop,
}

/// What an I2C slave does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slave {
    /// It holds the clock low: the answer comes later.
    Hold,
    /// It acknowledges an address or a byte, or lets the data wire go.
    Acknowledge(bool),
    /// The byte that was asked for.
    Byte(u8),
}

/// A signal on a wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// A UART's character.
    Character(Character),
    /// A UART's RTS: whether it can take characters.
    Ready(bool),
    /// What drives a pin changed.
    Drive(Drive),
    /// An SPI slave is selected or not.
    Select(bool),
    /// An SPI master begins a transfer.
    Transfer(Transfer),
    /// An SPI master ends its transfer now, early.
    Abort,
    /// What an SPI slave gives in a transfer.
    Answer(Vec<u8>),
    /// An I2C master's next act: from when, until when.
    Master(Time, Time, Master),
    /// An I2C slave's answer, with the time since which it lets the clock go.
    Slave(Time, Slave),
}

impl Signal {
    /// As a frame from the link's end `from`.
    pub fn encode(&self, from: u8) -> Arc<[u8]> {
        // Writing to memory cannot fail.
        state::to_bytes(&(from, self)).unwrap_or_default().into()
    }

    /// From a frame.
    pub fn decode(frame: &[u8]) -> Result<(u8, Self), StateError> {
        state::from_bytes(frame)
    }

    /// The same with its times changed.
    pub fn map_times(self, mut change: impl FnMut(Time) -> Time) -> Self {
        match self {
            Self::Character(sent) => {
                Self::Character(Character { start: change(sent.start), end: change(sent.end), ..sent })
            }
            Self::Transfer(sent) => {
                Self::Transfer(Transfer { start: change(sent.start), end: change(sent.end), ..sent })
            }
            Self::Master(start, end, act) => Self::Master(change(start), change(end), act),
            Self::Slave(since, act) => Self::Slave(change(since), act),
            other => other,
        }
    }

    /// When what it tells of is over, where that is known.
    pub fn end(&self) -> Option<Time> {
        match self {
            Self::Character(sent) => Some(sent.end),
            _ => None,
        }
    }

    /// How many bits of it noise can change, and the same with one of them changed.
    pub fn flipped(mut self, bit: u64) -> Self {
        let flip = |bytes: &mut [u8]| {
            if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                *byte ^= 0x80 >> (bit % 8);
            }
        };
        match &mut self {
            Self::Character(sent) => sent.levels ^= 1 << (bit % 8 + 1),
            Self::Transfer(sent) => flip(&mut sent.bytes),
            Self::Answer(bytes) => flip(bytes),
            Self::Master(_, _, Master::Write(byte)) | Self::Slave(_, Slave::Byte(byte)) => {
                *byte ^= 0x80 >> (bit % 8);
            }
            _ => {}
        }
        self
    }

    /// How many bits of data it has.
    pub fn data_bits(&self) -> u64 {
        match self {
            Self::Character(_) | Self::Master(_, _, Master::Write(_)) | Self::Slave(_, Slave::Byte(_)) => 8,
            Self::Transfer(sent) => sent.bytes.len() as u64 * 8,
            Self::Answer(bytes) => bytes.len() as u64 * 8,
            _ => 0,
        }
    }
}

/// In the words of a logic analyser.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
        };
        match self {
            Self::Character(sent) => write!(f, "character {:02x}", sent.levels >> 1 & 0xFF),
            Self::Ready(ready) => f.write_str(if *ready { "RTS low: ready" } else { "RTS high: not ready" }),
            Self::Drive(drive) => f.write_str(match (drive.driven, drive.pull) {
                (Some(true), _) => "drives high",
                (Some(false), _) => "drives low",
                (None, Some(true)) => "pulls high",
                (None, Some(false)) => "pulls low",
                (None, None) => "lets go",
            }),
            Self::Select(on) => f.write_str(if *on { "selected" } else { "deselected" }),
            Self::Transfer(sent) => {
                write!(f, "MOSI")?;
                hex(f, &sent.bytes)
            }
            Self::Abort => f.write_str("transfer ends early"),
            Self::Answer(bytes) => {
                write!(f, "MISO")?;
                hex(f, bytes)
            }
            Self::Master(_, _, Master::Start(address, read)) => {
                write!(f, "START {address:02x} {}", if *read { "read" } else { "write" })
            }
            Self::Master(_, _, Master::Write(byte)) => write!(f, "write {byte:02x}"),
            Self::Master(_, _, Master::Read) => f.write_str("read"),
            Self::Master(_, _, Master::Stop) => f.write_str("STOP"),
            Self::Slave(_, Slave::Hold) => f.write_str("clock held"),
            Self::Slave(_, Slave::Acknowledge(yes)) => f.write_str(if *yes { "ACK" } else { "NACK" }),
            Self::Slave(_, Slave::Byte(byte)) => write!(f, "gives {byte:02x}"),
        }
    }
}

/// A UART's parity bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parity {
    /// There is none.
    #[default]
    None,
    /// It makes the number of ones even.
    Even,
    /// It makes it odd.
    Odd,
    /// It is always this.
    Fixed(bool),
}

impl Parity {
    fn of(self, byte: u8) -> Option<bool> {
        let odd = byte.count_ones() % 2 == 1;
        match self {
            Self::None => None,
            Self::Even => Some(odd),
            Self::Odd => Some(!odd),
            Self::Fixed(level) => Some(level),
        }
    }
}

/// How a UART is set: what its characters look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// How long a whole character takes, start and stop bits with it.
    pub length: Time,
    /// Data bits, 5 to 8.
    pub data: u8,
    /// The parity bit.
    pub parity: Parity,
    /// Stop bits.
    pub stops: u8,
}

/// A character as a receiver sampled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When its stop bit ends, in the receiver's own bit times.
    pub at: Time,
    /// Its data bits.
    pub byte: u8,
    /// The parity bit is wrong.
    pub parity: bool,
    /// The stop bit is low.
    pub framing: bool,
    /// And so are all others.
    pub line_break: bool,
}

impl Format {
    fn bits(self) -> u64 {
        1 + u64::from(self.data) + u64::from(self.parity != Parity::None) + u64::from(self.stops)
    }

    /// `byte` on the wire from `start` on.
    pub fn send(self, byte: u8, start: Time) -> Character {
        let byte = byte & (0xFF >> (8 - self.data.clamp(1, 8)));
        let mut levels = u16::from(byte) << 1;
        let mut next = 1 + self.data;
        if let Some(level) = self.parity.of(byte) {
            levels |= u16::from(level) << next;
            next += 1;
        }
        for stop in 0..self.stops {
            levels |= 1 << (next + stop);
        }
        Character { start, end: start + self.length, levels, bits: self.bits() as u8 }
    }

    /// Half a bit time after how many: an instant in the receiver's character that began at `edge`.
    fn sample(self, edge: Time, bit: u64) -> Time {
        edge + Time::from_ps(self.length.as_ps() * (2 * bit + 1) / (2 * self.bits()))
    }

    /// What a receiver that waits for a start bit since `from` hears of a character, sampling each bit once in its
    /// middle. After the character the line is taken as idle.
    fn hear(self, sent: &Character, mut from: Time) -> Vec<Heard> {
        let span = sent.end.since(sent.start).as_ps().max(1);
        let bits = u64::from(sent.bits.max(1));
        let level = |bit: u64| bit >= bits || sent.levels >> bit & 1 != 0;
        let level_at = |at: Time| {
            let bit = u128::from(at.since(sent.start).as_ps()) * u128::from(bits) / u128::from(span);
            level(bit as u64)
        };
        let mut heard = Vec::new();
        for bit in 0..bits {
            let falls = !level(bit) && (bit == 0 || level(bit - 1));
            let edge = sent.start + Time::from_ps(span * bit / bits);
            if !falls || edge < from || level_at(self.sample(edge, 0)) {
                continue;
            }
            let data = u64::from(self.data);
            let sampled = |bit: u64| level_at(self.sample(edge, bit));
            let byte = (0..data).fold(0, |byte, bit| byte | u8::from(sampled(1 + bit)) << bit);
            let parity = self.parity.of(byte);
            let wrong = parity.is_some_and(|level| sampled(1 + data) != level);
            let stop = 1 + data + u64::from(parity.is_some());
            let framing = !sampled(stop);
            let line_break = framing && byte == 0 && (parity.is_none() || !sampled(1 + data));
            heard.push(Heard { at: edge + self.length, byte, parity: wrong, framing, line_break });
            from = self.sample(edge, stop);
        }
        heard
    }

    /// From when the receiver waits for the next start bit.
    fn waits_again(self, heard: &Heard) -> Time {
        let last_stop = u64::from(self.stops.saturating_sub(1));
        self.sample(heard.at - self.length, self.bits() - 1 - last_stop)
    }
}

/// A UART's receiver up to its shift register: characters that are still arriving.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ear {
    arriving: VecDeque<Heard>,
    waits_from: Time,
}

impl Ear {
    /// Hears a character with the receiver's own setting.
    pub fn hear(&mut self, sent: &Character, format: Format) {
        for heard in format.hear(sent, self.waits_from) {
            self.waits_from = format.waits_again(&heard);
            self.arriving.push_back(heard);
        }
    }

    /// When the next character is complete.
    pub fn due(&self) -> Time {
        self.arriving.front().map_or(Time::MAX, |heard| heard.at)
    }

    /// The next character that is complete by `now`.
    pub fn take(&mut self, now: Time) -> Option<Heard> {
        self.arriving.pop_front_if(|heard| heard.at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(baud: u64) -> Format {
        let bits = 10;
        Format {
            length: Time::from_ps(bits * 1_000_000_000_000 / baud),
            data: 8,
            parity: Parity::None,
            stops: 1,
        }
    }

    fn heard(from: Format, to: Format, byte: u8) -> Vec<Heard> {
        to.hear(&from.send(byte, Time::from_ms(1)), Time::ZERO)
    }

    proptest! {
        #[test]
        fn equal_settings_understand_each_other_and_near_ones_too(byte: u8, percent in 96u64..=104) {
            let (a, b) = (format(115_200), format(115_200 * percent / 100));
            let all = heard(a, b, byte);
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!((all[0].byte, all[0].framing, all[0].parity), (byte, false, false));
        }

        #[test]
        fn any_settings_are_survived(byte: u8, a in 1u64..10_000_000, b in 1u64..10_000_000) {
            let all = heard(format(a), format(b), byte);
            prop_assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
        }

        #[test]
        fn signals_are_read_as_they_were_written(from: u8, byte: u8, time: u32) {
            let at = Time::from_ns(time.into());
            for signal in [
                Signal::Character(format(9600).send(byte, at)),
                Signal::Master(at, at + at, Master::Write(byte)),
                Signal::Answer(vec![byte; 3]),
                Signal::Drive(Drive { driven: Some(byte & 1 != 0), pull: None }),
            ] {
                let frame = signal.encode(from);
                prop_assert_eq!(Signal::decode(&frame), Ok((from, signal)));
                prop_assert!(Signal::decode(&frame[1..]).map_or(true, |other| other.0 != from || byte == from));
            }
        }
    }

    #[test]
    fn a_receiver_that_is_ten_percent_slow_samples_the_next_state_of_the_line() {
        // The stop bit of the slow receiver is after the character: the line is idle, and the data has slipped.
        let all = heard(format(115_200), format(103_680), 0x80);
        assert_eq!((all[0].byte, all[0].framing), (0xC0, false));
        // A fast one samples the last data bit as its stop bit.
        let all = heard(format(115_200), format(130_000), 0x40);
        assert_eq!((all[0].byte, all[0].framing, all[0].line_break), (0x80, true, false));
    }

    #[test]
    fn a_much_slower_sender_is_several_characters_and_errors() {
        let all = heard(format(9_600), format(115_200), 0x55);
        // Five low bits of the slow character, each a break of its own to the fast receiver.
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|heard| heard.framing && heard.line_break && heard.byte == 0));
        // And a much faster one is one character that begins low.
        let all = heard(format(115_200), format(9_600), 0x00);
        assert_eq!(all.iter().map(|heard| (heard.byte, heard.framing)).collect::<Vec<_>>(), [(0xFF, false)]);
    }

    #[test]
    fn parity_is_seen() {
        let even = Format { parity: Parity::Even, ..format(100_000) };
        let odd = Format { parity: Parity::Odd, ..format(100_000) };
        assert!(heard(even, even, 7).iter().all(|heard| !heard.parity && heard.byte == 7));
        assert!(heard(even, odd, 7).iter().all(|heard| heard.parity && heard.byte == 7));
    }

    #[test]
    fn characters_back_to_back_are_all_heard() {
        let (fast, slow) = (format(115_200 * 102 / 100), format(115_200));
        let mut ear = Ear::default();
        let mut start = Time::from_us(3);
        for byte in 0..=255 {
            let sent = fast.send(byte, start);
            start = sent.end;
            ear.hear(&sent, slow);
        }
        let got: Vec<u8> = std::iter::from_fn(|| ear.take(Time::MAX)).map(|heard| heard.byte).collect();
        assert_eq!(got, (0..=255).collect::<Vec<u8>>());
        assert_eq!(ear.due(), Time::MAX);
    }
}
