//! Virtual time: picoseconds, clock cycles, and the exact conversion between the two.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

const PS_PER_SECOND: u64 = 1_000_000_000_000;

/// An instant of virtual time, or a span of it, in picoseconds since the fleet began (213 days fit).
///
/// In human-readable formats it is written with its unit (`"250ms"`), in binary ones as an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The beginning.
    pub const ZERO: Self = Self(0);
    /// Later than every instant: "never".
    pub const MAX: Self = Self(u64::MAX);

    /// `n` picoseconds.
    pub const fn from_ps(n: u64) -> Self {
        Self(n)
    }
    /// `n` nanoseconds, or [`Time::MAX`] when that is more than the type holds.
    pub const fn from_ns(n: u64) -> Self {
        Self(n.saturating_mul(1_000))
    }
    /// `n` microseconds, saturating.
    pub const fn from_us(n: u64) -> Self {
        Self(n.saturating_mul(1_000_000))
    }
    /// `n` milliseconds, saturating.
    pub const fn from_ms(n: u64) -> Self {
        Self(n.saturating_mul(1_000_000_000))
    }
    /// `n` seconds, saturating.
    pub const fn from_secs(n: u64) -> Self {
        Self(n.saturating_mul(PS_PER_SECOND))
    }
    /// In picoseconds.
    pub const fn as_ps(self) -> u64 {
        self.0
    }
    /// In whole nanoseconds, rounded down.
    pub const fn as_ns(self) -> u64 {
        self.0 / 1_000
    }
    /// In seconds, for people and ratios only: nothing a guest can see may come from it.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / PS_PER_SECOND as f64
    }
    /// `self - earlier`, or zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Time {
    type Output = Self;
    /// Saturates at [`Time::MAX`].
    fn add(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign for Time {
    fn add_assign(&mut self, span: Self) {
        *self = *self + span;
    }
}

impl Sub for Time {
    type Output = Self;
    /// Saturates at [`Time::ZERO`].
    fn sub(self, span: Self) -> Self {
        self.since(span)
    }
}

impl fmt::Display for Time {
    /// Seconds with six decimals (microseconds), rounded down: `1.250000`. `never` for [`Time::MAX`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX {
            return f.pad("never");
        }
        let text = format!("{}.{:06}", self.0 / PS_PER_SECOND, self.0 % PS_PER_SECOND / 1_000_000);
        f.pad(&text)
    }
}

/// A span that could not be read; the message says which forms are accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` {1}")]
pub struct ParseTimeError(String, &'static str);

const NO_SPAN: &str =
    "is not a span of time: write a number with its unit, such as 250ms, 1.5s, 40us, 10ns, 500ps, 2min";
const TOO_LONG: &str = "is longer than virtual time lasts, which is 5124h";

impl FromStr for Time {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let error = || ParseTimeError(text.to_owned(), NO_SPAN);
        let too_long = || ParseTimeError(text.to_owned(), TOO_LONG);
        let trimmed = text.trim();
        let unit_at =
            trimmed.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').ok_or_else(error)?;
        let (number, unit) = trimmed.split_at(unit_at);
        let scale: u64 = match unit.trim() {
            "ps" => 1,
            "ns" => 1_000,
            "us" | "µs" => 1_000_000,
            "ms" => 1_000_000_000,
            "s" => PS_PER_SECOND,
            "min" => 60 * PS_PER_SECOND,
            "h" => 3_600 * PS_PER_SECOND,
            _ => return Err(error()),
        };
        let number = number.replace('_', "");
        let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(error());
        }
        // Digits only, so it can be wrong by its length alone.
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_long())? };
        let mut total = whole.checked_mul(scale).ok_or_else(too_long)?;
        let mut digit_value = scale;
        for digit in fraction.chars() {
            let digit = u64::from(digit.to_digit(10).ok_or_else(error)?);
            if !digit_value.is_multiple_of(10) && digit != 0 {
                return Err(error()); // finer than a picosecond
            }
            digit_value /= 10;
            total = total.checked_add(digit * digit_value).ok_or_else(too_long)?;
        }
        Ok(Self(total))
    }
}

impl Time {
    /// The shortest exact text with a unit, such as `250ms`: the form that [`FromStr`] reads back.
    pub fn to_text(self) -> String {
        let units: [(u64, &str); 5] =
            [(PS_PER_SECOND, "s"), (1_000_000_000, "ms"), (1_000_000, "us"), (1_000, "ns"), (1, "ps")];
        let (scale, unit) =
            units.into_iter().find(|(scale, _)| self.0.is_multiple_of(*scale)).unwrap_or((1, "ps"));
        format!("{}{unit}", self.0 / scale)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_text())
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time with its unit, such as \"250ms\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Text)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

impl schemars::JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^\s*[0-9_]*\.?[0-9_]*\s*(ps|ns|us|µs|ms|s|min|h)\s*$",
            "description": "A span of virtual time with its unit: 250ms, 1.5s, 40us, 10ns, 500ps, 2min."
        })
    }
}

/// A count of a clock's cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cycles(pub u64);

impl Cycles {
    /// Later than every cycle: "never".
    pub const MAX: Self = Self(u64::MAX);

    /// `self - earlier`, or 0 when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Cycles {
    type Output = Self;
    fn add(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }
}

impl AddAssign<u64> for Cycles {
    fn add_assign(&mut self, n: u64) {
        *self = *self + n;
    }
}

/// A clock domain: converts exactly between the cycles of one frequency and [`Time`], without floats.
///
/// Cycle `n` begins at `ceil(n / f)`; hence [`Clock::cycles_by`] of a cycle's own beginning is that cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    hz: u64,
    /// Picoseconds per cycle as a reduced fraction.
    num: u64,
    den: u64,
}

/// A frequency no clock can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a clock of {0} Hz cannot be: 1 Hz to 1 THz")]
pub struct ClockError(pub u64);

impl Clock {
    /// A clock of `hz` cycles per second, 1 to 10¹².
    pub const fn new(hz: u64) -> Result<Self, ClockError> {
        if hz == 0 || hz > PS_PER_SECOND {
            return Err(ClockError(hz));
        }
        let (mut a, mut b) = (PS_PER_SECOND, hz);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Ok(Self { hz, num: PS_PER_SECOND / a, den: hz / a })
    }

    /// A clock of a frequency known to be good when the program is written.
    ///
    /// # Panics
    /// When evaluated with a frequency [`Clock::new`] refuses; use it in `const` items only.
    pub const fn of(hz: u64) -> Self {
        match Self::new(hz) {
            Ok(clock) => clock,
            Err(_) => panic!("a clock's frequency is 1 Hz to 1 THz"),
        }
    }

    /// Cycles per second.
    pub const fn hz(self) -> u64 {
        self.hz
    }

    /// The instant at which `cycle` begins, saturating at [`Time::MAX`].
    pub fn time_of(self, cycle: Cycles) -> Time {
        if self.den == 1 {
            return Time(cycle.0.saturating_mul(self.num));
        }
        let ps = (u128::from(cycle.0) * u128::from(self.num)).div_ceil(u128::from(self.den));
        Time(u64::try_from(ps).unwrap_or(u64::MAX))
    }

    /// How many whole cycles have passed by `time`: the last cycle that began at or before it.
    pub fn cycles_by(self, time: Time) -> Cycles {
        if self.den == 1 {
            return Cycles(time.0 / self.num);
        }
        // f <= 1 THz makes num >= den, so the quotient fits.
        Cycles((u128::from(time.0) * u128::from(self.den) / u128::from(self.num)) as u64)
    }

    /// The first cycle that begins at or after `time`; never for [`Time::MAX`].
    pub fn first_at(self, time: Time) -> Cycles {
        match time {
            Time::ZERO => Cycles(0),
            Time::MAX => Cycles::MAX,
            Time(ps) => self.cycles_by(Time(ps - 1)) + 1,
        }
    }
}

impl schemars::JsonSchema for Clock {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Clock".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "integer",
            "minimum": 1,
            "maximum": PS_PER_SECOND,
            "description": "A frequency in Hz."
        })
    }
}

impl Serialize for Clock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.hz.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_and_written_exactly() {
        for (text, ps) in [
            ("250ms", 250_000_000_000),
            ("1.5s", 1_500_000_000_000),
            ("40us", 40_000_000),
            ("0.5ns", 500),
            (" 7 ps ", 7),
            ("2min", 120 * PS_PER_SECOND),
        ] {
            assert_eq!(text.parse(), Ok(Time(ps)), "{text}");
        }
        for bad in ["", "5", "ms", ".s", "1.5ps", "-1s", "1e3s", "99999999999s", "1..5s", "1 parsec"] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
        assert_eq!(Time(1_250_000_000).to_text(), "1250us");
        assert_eq!(format!("{:>12}", Time::from_us(1_250_000)), "    1.250000");
    }

    #[test]
    fn impossible_clocks_are_refused() {
        assert_eq!(Clock::new(0), Err(ClockError(0)));
        assert!(Clock::new(PS_PER_SECOND + 1).is_err());
    }

    proptest! {
        #[test]
        fn a_cycle_begins_at_its_own_time(hz in 1..=PS_PER_SECOND, n in 0u64..1 << 40) {
            let clock = Clock::new(hz).unwrap();
            let begin = clock.time_of(Cycles(n));
            prop_assume!(begin < Time::MAX);
            prop_assert_eq!(clock.cycles_by(begin), Cycles(n));
            prop_assert_eq!(clock.first_at(begin), Cycles(n));
            prop_assert_eq!(clock.first_at(begin + Time(1)), if begin + Time(1) > clock.time_of(Cycles(n + 1)) { Cycles(n + 2) } else { Cycles(n + 1) });
        }

        #[test]
        fn text_round_trips(ps in 0..u64::MAX) {
            prop_assert_eq!(Time(ps).to_text().parse::<Time>(), Ok(Time(ps)));
        }
    }
}
