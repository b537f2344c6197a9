//! Nanjing TianYiHeXin HRS3300: an optical heart-rate sensor, on the light that a pulse lets through.
//!
//! Data sheet HRS3300, register description.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Model, Part, ResetCause, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curve::{Curve, Points};
use super::i2c::Pointer;

const ADDRESS: u8 = 0x44;

const ID: u8 = 0x00;
const ENABLE: u8 = 0x01;
const C1DATAM: u8 = 0x08;
const C0DATAM: u8 = 0x09;
const C0DATAH: u8 = 0x0A;
const PDRIVER: u8 = 0x0C;
const C1DATAH: u8 = 0x0D;
const C1DATAL: u8 = 0x0E;
const C0DATAL: u8 = 0x0F;
const RES: u8 = 0x16;
const HGAIN: u8 = 0x17;
const REGISTERS: usize = 0x18;

/// ENABLE: the sensor runs; PDRIVER: the LED's driver has power.
const HEN: u8 = 0x80;
const PON: u8 = 0x20;

/// A beat a minute, kept for a minute, in units of [`Curve::area`].
const BEAT: i128 = 60_000_000_000_000;

/// The wearer.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hrs3300Config {
    /// Beats per minute: `[["0s", 62], ["30s", 62], ["90s", 140]]`; 0 while nobody wears it. 0 when absent.
    #[serde(default)]
    pub pulse: Points,
    /// Light around a sensor that nobody wears, in lux; 300 when absent.
    #[serde(default)]
    pub ambient: Points,
}

/// The sensor; channels `pulse` (beats per minute) and `ambient` (lux).
///
/// Skin gives back a part of the LED's light, a little less with each beat: falling quickly, rising slowly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hrs3300 {
    pulse: Curve,
    ambient: Curve,
    pointer: Pointer,
    registers: [u8; REGISTERS],
    seen: Time,
}

impl Hrs3300 {
    fn power_up(&mut self) {
        self.registers = [0; REGISTERS];
        for (register, value) in [(ID, 0x21), (PDRIVER, 0x68), (RES, 0x66), (HGAIN, 0x10)] {
            self.store(register, value);
        }
    }

    fn register(&self, register: u8) -> u8 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn store(&mut self, register: u8, value: u8) {
        if let Some(stored) = self.registers.get_mut(usize::from(register)) {
            *stored = value;
        }
    }

    /// ENABLE.HWT: the pause between two conversions, each of which takes about 25 ms.
    fn period(&self) -> Time {
        let pause_us = [800_000, 400_000, 200_000, 100_000, 75_000, 50_000, 12_500, 0];
        let pause = pause_us.get(usize::from(self.register(ENABLE) >> 4 & 7)).copied().unwrap_or(0);
        Time::from_us(25_000 + pause)
    }

    /// The newest conversions: reflected light and surrounding light, in 2^-18 of what the sensor can see.
    fn light(&self, now: Time) -> (i64, i64) {
        if self.register(ENABLE) & HEN == 0 {
            return (0, 0);
        }
        let period = self.period().as_ps();
        let at = Time::from_ps(now.as_ps() / period * period);
        if self.pulse.at(at) == 0 {
            let ambient = self.ambient.at(at) * 8;
            return (ambient, ambient);
        }
        let phase = (self.pulse.area(at).rem_euclid(BEAT) * 1_000 / BEAT) as i64;
        // A third of the beat down, two thirds up, along parabolas that meet without a kink.
        let (x, length) = if phase < 333 { (phase, 333) } else { (1_000 - phase, 667) };
        let half = |x: i64| 2 * x * x * 1_000 / (length * length);
        let depth = if x * 2 < length { half(x) } else { 1_000 - half(length - x) };
        let enable = self.register(ENABLE);
        let driver = self.register(PDRIVER);
        // PDRIVE1 in ENABLE, PDRIVE0 in PDRIVER: tenths of a mA.
        let current = match (enable & 0x08 != 0, driver & 0x40 != 0) {
            (false, false) => 125,
            (false, true) => 200,
            (true, false) => 300,
            (true, true) => 400,
        };
        let lit = if driver & PON != 0 { current * 400 } else { 0 };
        (lit - lit * depth * 3 / 100_000, 160)
    }

    /// RES and HGAIN: bits of a result, and how much it is amplified.
    fn convert(&self, light: i64, resolution: u8) -> u32 {
        let bits = 8 + u32::from(resolution & 15).min(10);
        let gain = [1, 2, 4, 8, 64].get(usize::from(self.register(HGAIN) >> 2 & 7)).copied().unwrap_or(1);
        (light * gain).clamp(0, (1 << 18) - 1) as u32 >> (18 - bits)
    }

    fn read(&self, register: u8, now: Time) -> u8 {
        let (reflected, around) = self.light(now);
        let c0 = self.convert(reflected, self.register(RES));
        let c1 = self.convert(around, self.register(RES) >> 4);
        match register {
            C0DATAM => (c0 >> 8) as u8,
            C0DATAH => (c0 >> 4 & 15) as u8,
            C0DATAL => ((c0 >> 16 & 3) << 4 | c0 & 15) as u8,
            C1DATAM => (c1 >> 3) as u8,
            C1DATAH => (c1 >> 11 & 0x7F) as u8,
            C1DATAL => (c1 & 7) as u8,
            _ => self.register(register),
        }
    }

    fn channel(&self, channel: &str) -> Option<&Curve> {
        match channel {
            "pulse" => Some(&self.pulse),
            "ambient" => Some(&self.ambient),
            _ => None,
        }
    }
}

impl Model for Hrs3300 {
    const KIND: &'static str = "tyhx-hrs3300";
    const DOC: &'static str = "An optical heart-rate sensor on I2C that sees the light of a given pulse.";
    type Config = Hrs3300Config;
    fn new(config: Hrs3300Config) -> Self {
        let mut sensor = Self {
            pulse: Curve::new(&config.pulse, 1.0, 0),
            ambient: Curve::new(&config.ambient, 1.0, 300),
            pointer: Pointer::default(),
            registers: [0; REGISTERS],
            seen: Time::ZERO,
        };
        sensor.power_up();
        sensor
    }
}

impl Component for Hrs3300 {
    fn channels(&self) -> Vec<Channel> {
        vec![
            Channel::number("pulse", "the wearer's pulse, 0 while nobody wears it", (0.0, 240.0), "1/min"),
            Channel::number("ambient", "light around it while nobody wears it", (0.0, 10_000.0), "lx"),
        ]
    }

    /// The chip on the other side was reset; the sensor keeps power.
    fn reset(&mut self, _: &mut Cx<'_>) {}

    fn restart(&mut self, cause: ResetCause, cx: &mut Cx<'_>) {
        if cause == ResetCause::PowerOn {
            self.power_up();
        }
        self.reset(cx);
    }

    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        let known = self.channels().into_iter().find(|known| known.name == channel);
        known.ok_or_else(|| SetError::NoChannel(channel.to_owned()))?.check(value)?;
        self.seen = cx.now();
        let curve = if channel == "pulse" { &mut self.pulse } else { &mut self.ambient };
        if let Value::Number(number) = value {
            curve.set(number.round() as i64, cx.now());
        }
        Ok(())
    }

    fn get(&self, channel: &str) -> Option<Value> {
        Some(Value::Number(self.channel(channel)?.at(self.seen) as f64))
    }
}

impl Part for Hrs3300 {
    fn i2c_addresses(&self) -> &[u8] {
        &[ADDRESS]
    }

    fn i2c_start(&mut self, _: u8, read: bool, cx: &mut Cx<'_>) -> bool {
        self.pointer.start(read);
        self.seen = cx.now();
        true
    }

    fn i2c_write(&mut self, byte: u8, _: &mut Cx<'_>) -> bool {
        let Some(register) = self.pointer.write(byte) else { return true };
        self.pointer.set(register.wrapping_add(1));
        if !matches!(register, ID | C1DATAM..=C0DATAH | C1DATAH..=C0DATAL) {
            self.store(register, byte);
        }
        true
    }

    fn i2c_read(&mut self, _: bool, cx: &mut Cx<'_>) -> u8 {
        let register = self.pointer.register();
        self.pointer.set(register.wrapping_add(1));
        self.read(register, cx.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    fn write(rig: &mut Rig<Hrs3300>, register: u8, value: u8) {
        rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(register, cx) && part.i2c_write(value, cx)
        });
    }

    fn hrs(rig: &mut Rig<Hrs3300>) -> u32 {
        let [m, h, _, _, _, _, l]: [u8; 7] = rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(C0DATAM, cx);
            std::array::from_fn(|_| part.i2c_read(false, cx))
        });
        u32::from(m) << 8 | u32::from(h & 15) << 4 | u32::from(l & 15)
    }

    #[test]
    fn the_light_dips_with_every_beat() {
        let config = serde_json::from_str(r#"{ "pulse": [["0s", 90]] }"#).unwrap();
        let mut rig = Rig::new(Hrs3300::new(config));
        assert_eq!(hrs(&mut rig), 0, "off");
        for (register, value) in [(RES, 0x77), (HGAIN, 0), (PDRIVER, 0x2F), (ENABLE, 0xD0)] {
            write(&mut rig, register, value);
        }
        // Down through the middle between the extremes, in 20 s.
        let samples: Vec<u32> = (0..800)
            .map(|_| {
                rig.run_for(Time::from_ms(25));
                hrs(&mut rig)
            })
            .collect();
        let middle = (samples.iter().min().unwrap() + samples.iter().max().unwrap()) / 2;
        let dips = samples.windows(2).filter(|pair| pair[0] >= middle && pair[1] < middle).count();
        assert_eq!(dips, 30);
        assert!(middle > 5_000 && middle < 7_000, "{middle}");
        rig.with(|part, cx| part.set("pulse", &Value::Number(0.0), cx)).unwrap();
        rig.run_for(Time::from_ms(100));
        assert_eq!(hrs(&mut rig), 300);
    }

    fn worn(settings: &[(u8, u8)]) -> Rig<Hrs3300> {
        let mut rig = Rig::new(Hrs3300::new(serde_json::from_str(r#"{ "pulse": [["0s", 60]] }"#).unwrap()));
        let usual = [(RES, 0x77), (HGAIN, 0), (PDRIVER, 0x2F), (ENABLE, 0xD0)];
        usual.iter().chain(settings).for_each(|(register, value)| write(&mut rig, *register, *value));
        rig.run_for(Time::from_secs(2));
        rig
    }

    #[test]
    fn current_gain_and_resolution_scale_what_is_seen() {
        let usual = hrs(&mut worn(&[]));
        // 12.5, 20, 30 and 40 mA; gains 2 and 4; one bit more, one less.
        for (settings, factor) in [
            (&[(PDRIVER, 0x6F)][..], 1.6),
            (&[(ENABLE, 0xD8)], 2.4),
            (&[(PDRIVER, 0x6F), (ENABLE, 0xD8)], 3.2),
            (&[(HGAIN, 1 << 2)], 2.0),
            (&[(HGAIN, 2 << 2)], 4.0),
            (&[(RES, 0x78)], 2.0),
            (&[(RES, 0x76)], 0.5),
        ] {
            let seen = f64::from(hrs(&mut worn(settings)));
            let expected = f64::from(usual) * factor;
            assert!((seen - expected).abs() < 0.01 * expected, "{settings:x?}: {seen}, not {expected}");
        }
        assert!(hrs(&mut worn(&[(PDRIVER, 0)])) < 300, "the LED is off");
        assert_eq!(hrs(&mut worn(&[(ENABLE, 0x50)])), 0, "the sensor is off");
    }

    #[test]
    fn a_conversion_stands_until_the_next_pause_is_over() {
        for (enable, ms) in [(0xD0, 75), (0xE0, 37), (0xF0, 25), (0x80, 825)] {
            let mut rig = worn(&[(ENABLE, enable)]);
            let mut changes = 0;
            let mut last = hrs(&mut rig);
            for _ in 0..8_250 {
                rig.run_for(Time::from_ms(1));
                let now = hrs(&mut rig);
                changes += u64::from(now != last);
                last = now;
            }
            // Two conversions of a pulse may see the same light.
            let most = 8_250 / ms + 1;
            assert!(changes <= most && changes * 10 >= most * 7, "{enable:#x}: {changes} of {most}");
        }
    }

    #[test]
    fn it_says_who_it_is_and_data_cannot_be_written() {
        let mut rig = worn(&[(ID, 7), (C0DATAM, 7)]);
        rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(ID, cx);
            part.i2c_start(ADDRESS, true, cx);
            assert_eq!(part.i2c_read(true, cx), 0x21);
        });
        assert_ne!(hrs(&mut rig) >> 8, 7);
        rig.with(|part, cx| part.restart(ResetCause::PowerOn, cx));
        assert_eq!(hrs(&mut rig), 0);
    }
}
