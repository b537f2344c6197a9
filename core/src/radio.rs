//! The air: packets with their times and power, path loss from positions, range, and fault rules.
//!
//! A transmitter hands a packet over when it begins; every receiver in range gets it one latency later, with
//! the power that arrives there. Whether it is received is the receiver's affair: it knows its own
//! frequency, mode, addresses, sensitivity, and everything else that is on the air at the same time
//! (collisions and capture). So the medium keeps no state between packets.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::PortKind;
use crate::link::{Delivery, Fate, Link, Rules};
use crate::rng::Rng;
use crate::state::StateError;
use crate::time::Time;

/// How bits are put on the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Modulation {
    /// GFSK at 250 kbit/s (nRF proprietary).
    Gfsk250k,
    /// GFSK at 1 Mbit/s (nRF proprietary, BLE 1M).
    Gfsk1M,
    /// GFSK at 2 Mbit/s (nRF proprietary, BLE 2M).
    Gfsk2M,
    /// BLE coded, 125 kbit/s.
    Coded125k,
    /// BLE coded, 500 kbit/s.
    Coded500k,
    /// IEEE 802.15.4 O-QPSK, 250 kbit/s.
    Oqpsk250k,
}

const MODULATIONS: [Modulation; 6] = [
    Modulation::Gfsk250k,
    Modulation::Gfsk1M,
    Modulation::Gfsk2M,
    Modulation::Coded125k,
    Modulation::Coded500k,
    Modulation::Oqpsk250k,
];

/// A packet on the air.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// When its first bit leaves the antenna.
    pub start: Time,
    /// When the last bit of its address (or start-of-frame delimiter) does.
    pub address_end: Time,
    /// When its last bit does.
    pub end: Time,
    /// Carrier frequency in MHz.
    pub mhz: u16,
    /// How.
    pub modulation: Modulation,
    /// The address, first bit on the air lowest.
    pub address: u64,
    /// Bits of the address.
    pub address_bits: u8,
    /// In thousandths of dBm: as sent, or, in a delivered packet, as it arrives.
    pub power: i32,
    /// What follows the address, as it is on the air (whitened, with CRC), first bit lowest in the first byte.
    pub bits: Vec<u8>,
    /// How many bits of `bits` count.
    pub bit_count: u32,
}

/// Where a frame holds what: fields little-endian, then the bits. A broadcast changes a frame for each receiver
/// in place instead of making it anew.
mod layout {
    pub const START: usize = 0;
    pub const ADDRESS_END: usize = 8;
    pub const END: usize = 16;
    pub const ADDRESS: usize = 24;
    pub const POWER: usize = 32;
    pub const BIT_COUNT: usize = 36;
    pub const MHZ: usize = 40;
    pub const MODULATION: usize = 42;
    pub const ADDRESS_BITS: usize = 43;
    pub const BITS: usize = 44;
}

/// The `N` bytes at a place of a frame.
fn field<const N: usize>(frame: &[u8], at: usize) -> Option<[u8; N]> {
    frame.get(at..)?.first_chunk().copied()
}

impl Packet {
    /// As a frame.
    pub fn encode(&self) -> Arc<[u8]> {
        let mut frame = Vec::with_capacity(layout::BITS + self.bits.len());
        for time in [self.start, self.address_end, self.end] {
            frame.extend(time.as_ps().to_le_bytes());
        }
        frame.extend(self.address.to_le_bytes());
        frame.extend(self.power.to_le_bytes());
        frame.extend(self.bit_count.to_le_bytes());
        frame.extend(self.mhz.to_le_bytes());
        frame.extend([self.modulation as u8, self.address_bits]);
        frame.extend(&self.bits);
        frame.into()
    }

    /// From a frame.
    pub fn decode(frame: &[u8]) -> Result<Self, StateError> {
        Self::parse(frame).ok_or_else(|| StateError("these bytes are no packet".to_owned()))
    }

    fn parse(frame: &[u8]) -> Option<Self> {
        let time = |at| Some(Time::from_ps(u64::from_le_bytes(field(frame, at)?)));
        Some(Self {
            start: time(layout::START)?,
            address_end: time(layout::ADDRESS_END)?,
            end: time(layout::END)?,
            mhz: u16::from_le_bytes(field(frame, layout::MHZ)?),
            modulation: *MODULATIONS.get(usize::from(*frame.get(layout::MODULATION)?))?,
            address: u64::from_le_bytes(field(frame, layout::ADDRESS)?),
            address_bits: *frame.get(layout::ADDRESS_BITS)?,
            power: i32::from_le_bytes(field(frame, layout::POWER)?),
            bits: frame.get(layout::BITS..)?.to_vec(),
            bit_count: u32::from_le_bytes(field(frame, layout::BIT_COUNT)?),
        })
    }

    /// The frame as it arrives somewhere: with another power and later.
    fn arriving(frame: &[u8], power: i32, later: Time, flipped: Option<u64>) -> Arc<[u8]> {
        let mut arriving: Arc<[u8]> = frame.into();
        if let Some(bytes) = Arc::get_mut(&mut arriving) {
            put(bytes, layout::POWER, &power.to_le_bytes());
            if later > Time::ZERO {
                for at in [layout::START, layout::ADDRESS_END, layout::END] {
                    let time = field(bytes, at).map_or(0, u64::from_le_bytes);
                    put(bytes, at, &time.saturating_add(later.as_ps()).to_le_bytes());
                }
            }
            if let Some(bit) = flipped
                && let Some(byte) = bytes.get_mut(layout::BITS + (bit / 8) as usize)
            {
                *byte ^= 1 << (bit % 8);
            }
        }
        arriving
    }
}

fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// A place in metres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Position(
    /// East, north, up.
    pub [f64; 3],
);

impl Position {
    /// In whole millimetres, so that nothing after this depends on floating point.
    fn millimetres(self) -> [i64; 3] {
        self.0.map(|metres| (metres.clamp(-1e6, 1e6) * 1e3).round() as i64)
    }
}

/// The settings of a [`Radio`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RadioConfig {
    /// From a packet's beginning to the receivers' knowing of it. Default 24 us, the shortest preamble and
    /// address of BLE 2M: a receiver needs a packet no earlier than its address is complete. Shorter
    /// addresses at 2 Mbit/s are noticed that little later.
    #[serde(default = "default_latency")]
    pub latency: Time,
    /// Path loss at one metre in dB, default 40 (2.45 GHz in free space).
    #[serde(default = "default_reference")]
    pub loss_at_one_metre: f64,
    /// How fast the loss grows with distance: loss = loss at one metre + 10 * exponent * log10(metres).
    /// Default 2.5 (indoors, between free space's 2 and thick walls' 4).
    #[serde(default = "default_exponent")]
    pub exponent: f64,
    /// Packets that arrive with less than this power (dBm) are neither heard nor disturb, default -110.
    #[serde(default = "default_floor")]
    pub floor: f64,
}

fn default_latency() -> Time {
    Time::from_us(24)
}
fn default_reference() -> f64 {
    40.0
}
fn default_exponent() -> f64 {
    2.5
}
fn default_floor() -> f64 {
    -110.0
}

impl Default for RadioConfig {
    fn default() -> Self {
        Self {
            latency: default_latency(),
            loss_at_one_metre: default_reference(),
            exponent: default_exponent(),
            floor: default_floor(),
        }
    }
}

/// The air between antennas.
#[derive(Debug, Serialize, Deserialize)]
pub struct Radio {
    latency: Time,
    /// All in thousandths (of dB, of dBm, of the exponent).
    reference: i64,
    exponent: i64,
    floor: i64,
    /// Per antenna, where it is since when, in millimetres; in order of time.
    places: Vec<Vec<(Time, [i64; 3])>>,
    rules: Rules,
    /// The last arrival on each path, by (from, to), that jitter keeps in order.
    last: BTreeMap<(usize, usize), Time>,
}

/// Closer than this is the same place: the model means nothing there.
const NEAREST_MM: u128 = 100;

/// `log2(x)` in units of 2^-16, rounded down, by repeated squaring: exact on every machine.
fn log2_fixed(x: u128) -> i64 {
    let whole = x.max(1).ilog2();
    // The mantissa in [1, 2) with 62 bits after the point.
    let mut mantissa = if whole > 62 { x.max(1) >> (whole - 62) } else { x.max(1) << (62 - whole) };
    let mut log = i64::from(whole) << 16;
    for bit in (0..16).rev() {
        mantissa = (mantissa >> 31) * (mantissa >> 31);
        if mantissa >> 63 != 0 {
            mantissa >>= 1;
            log |= 1 << bit;
        }
    }
    log
}

impl Radio {
    /// The air with an antenna at each position, drawing its random numbers from `rng`.
    pub fn new(config: RadioConfig, positions: &[Position], rng: Rng) -> Self {
        let milli = |value: f64, least: f64, most: f64| (value.clamp(least, most) * 1e3).round() as i64;
        Self {
            latency: config.latency.max(Time::from_ns(100)),
            reference: milli(config.loss_at_one_metre, 0.0, 200.0),
            exponent: milli(config.exponent, 0.0, 10.0),
            floor: milli(config.floor, -300.0, 100.0),
            places: positions.iter().map(|position| vec![(Time::ZERO, position.millimetres())]).collect(),
            rules: Rules::new(rng),
            last: BTreeMap::new(),
        }
    }

    /// Where an antenna is at `at`.
    fn position(&self, endpoint: usize, at: Time) -> [i64; 3] {
        let places = self.places.get(endpoint).map(Vec::as_slice).unwrap_or_default();
        places.iter().rev().find(|(since, _)| *since <= at).map(|(_, place)| *place).unwrap_or_default()
    }

    /// Path loss between two endpoints at `at`, in thousandths of dB.
    fn loss(&self, from: usize, to: usize, at: Time) -> i64 {
        let (a, b) = (self.position(from, at), self.position(to, at));
        let square: u128 = (0..3)
            .map(|axis| u128::from(a[axis].abs_diff(b[axis])))
            .map(|distance| distance * distance)
            .sum();
        let square = square.max(NEAREST_MM * NEAREST_MM);
        // 10 log10(d) = 5 log10(d^2) = 5 log10(2) log2(d^2); d in millimetres, hence 30 dB less for metres.
        let decibels = i128::from(log2_fixed(square)) * 1_505_150 / (1 << 16); // in 10^-6
        let distance = (decibels - 30_000_000) as i64;
        self.reference + self.exponent * distance / 1_000_000
    }
}

impl Link for Radio {
    fn carries(&self) -> PortKind {
        PortKind::Radio
    }

    fn latency(&self) -> Time {
        self.latency
    }

    fn transmit(
        &mut self,
        from: usize,
        at: Time,
        data: &Arc<[u8]>,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    ) {
        let Ok(packet) = Packet::decode(data) else { return };
        let sent = i64::from(packet.power);
        let bits = u64::from(packet.bit_count).min(packet.bits.len() as u64 * 8);
        let length = packet.end.since(packet.start);
        for to in (0..self.places.len()).filter(|to| *to != from) {
            let power = sent - self.loss(from, to, at);
            if power < self.floor {
                fates.push((Some(to), Fate::OutOfRange));
                continue;
            }
            let verdict = match self.rules.judge(from, to, at, bits) {
                Ok(verdict) => verdict,
                Err(rule) => {
                    fates.push((Some(to), Fate::Dropped { rule }));
                    continue;
                }
            };
            let mut delay = verdict.delay;
            if verdict.in_order {
                let last = self.last.entry((from, to)).or_default();
                delay = delay.max(last.since(at));
                *last = at + delay;
            }
            let fate = match (verdict.corrupt, verdict.late) {
                (Some((rule, _)), _) => Fate::Corrupted { rule },
                (None, Some(rule)) => Fate::Late { rule },
                (None, None) => Fate::Delivered,
            };
            let flipped = verdict.corrupt.map(|(_, bit)| bit);
            // A copy follows the packet at once, as an echo would.
            let copies =
                [Some((Time::ZERO, fate)), verdict.twice.map(|rule| (length, Fate::Duplicated { rule }))];
            for (later, fate) in copies.into_iter().flatten() {
                let data = Packet::arriving(data, power as i32, delay + later, flipped);
                out.push(Delivery { to, at: at + self.latency + delay + later, data });
                fates.push((Some(to), fate));
            }
        }
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn rules_mut(&mut self) -> &mut Rules {
        &mut self.rules
    }

    fn places(&self, at: Time) -> Vec<Position> {
        let metres = |endpoint| Position(self.position(endpoint, at).map(|place| place as f64 / 1e3));
        (0..self.places.len()).map(metres).collect()
    }

    fn place(&mut self, endpoint: usize, position: Position, at: Time) {
        let Some(places) = self.places.get_mut(endpoint) else { return };
        let after = places.partition_point(|(since, _)| *since <= at);
        // A hand that drags sends many moves: those of one instant are one.
        match after.checked_sub(1).and_then(|last| places.get_mut(last)).filter(|last| last.0 == at) {
            Some(last) => last.1 = position.millimetres(),
            None => places.insert(after, (at, position.millimetres())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Fault, Rule};

    fn packet() -> Packet {
        Packet {
            start: Time::from_us(1),
            address_end: Time::from_us(41),
            end: Time::from_us(100),
            mhz: 2402,
            modulation: Modulation::Gfsk1M,
            address: 0x8E89_BED6,
            address_bits: 32,
            power: 0,
            bits: vec![1, 2, 3],
            bit_count: 24,
        }
    }

    fn air(places: &[f64]) -> Radio {
        let positions: Vec<_> = places.iter().map(|x| Position([*x, 0.0, 0.0])).collect();
        Radio::new(RadioConfig::default(), &positions, Rng::new(0, "air"))
    }

    fn send(air: &mut Radio) -> (Vec<Delivery>, Vec<Fate>) {
        let (mut out, mut fates) = (Vec::new(), Vec::new());
        air.transmit(0, Time::ZERO, &packet().encode(), &mut out, &mut fates);
        (out, fates.into_iter().map(|(_, fate)| fate).collect())
    }

    #[test]
    fn a_frame_is_the_packet_again_and_other_bytes_are_none() {
        let frame = packet().encode();
        assert_eq!(Packet::decode(&frame).unwrap(), packet());
        assert!(Packet::decode(&frame[..layout::BITS - 1]).is_err());
        let later = Packet::arriving(&frame, -7, Time::from_us(1), Some(9));
        let expected = Packet {
            start: Time::from_us(2),
            address_end: Time::from_us(42),
            end: Time::from_us(101),
            power: -7,
            bits: vec![1, 0, 3],
            ..packet()
        };
        assert_eq!(Packet::decode(&later).unwrap(), expected);
    }

    #[test]
    fn logarithms_are_right() {
        for x in [1u128, 2, 3, 10, 1_000, 123_456_789, u128::from(u64::MAX)] {
            let exact = (x as f64).log2() * 65_536.0;
            assert!((log2_fixed(x) as f64 - exact).abs() < 2.0, "{x}");
        }
    }

    #[test]
    fn power_falls_with_distance_by_the_exponent() {
        // 40 dB at 1 m, then 25 dB for each decade.
        let mut air = air(&[0.0, 1.0, 10.0, 100.0]);
        let (out, _) = send(&mut air);
        let powers: Vec<_> =
            out.iter().map(|delivery| Packet::decode(&delivery.data).unwrap().power).collect();
        for (power, expected) in powers.iter().zip([-40_000, -65_000, -90_000]) {
            assert!((power - expected).abs() <= 2, "{powers:?}");
        }
        assert!(out.iter().all(|delivery| delivery.at == Time::from_us(24)));
    }

    #[test]
    fn who_moves_is_heard_from_where_it_is_then() {
        let mut air = air(&[0.0, 1.0]);
        air.place(1, Position([10.0, 0.0, 0.0]), Time::from_ms(2));
        air.place(1, Position([100.0, 0.0, 0.0]), Time::from_ms(1));
        let mut power = |ms| {
            let (mut out, mut fates) = (Vec::new(), Vec::new());
            let data = packet().encode();
            air.transmit(0, Time::from_ms(ms), &data, &mut out, &mut fates);
            (Packet::decode(&out[0].data).unwrap().power as f64 / 1e3).round()
        };
        assert_eq!([power(0), power(1), power(2), power(3)], [-40.0, -90.0, -65.0, -65.0]);
        assert_eq!(air.places(Time::from_ms(1))[1], Position([100.0, 0.0, 0.0]));
    }

    #[test]
    fn what_is_too_far_is_not_heard() {
        let (out, fates) = send(&mut air(&[0.0, 10_000.0, 2.0]));
        assert_eq!((out.len(), fates), (1, vec![Fate::OutOfRange, Fate::Delivered]));
    }

    #[test]
    fn rules_cut_paths() {
        let mut air = air(&[0.0, 1.0, 2.0]);
        air.rules_mut().add(Rule {
            after: Time::ZERO,
            before: Time::MAX,
            from: None,
            to: Some(1),
            fault: Fault::Cut,
        });
        assert_eq!(send(&mut air).1, [Fate::Dropped { rule: 0 }, Fate::Delivered]);
    }
}
