//! A battery pack with its gauge (Smart Battery Data Specification 1.1): charge, current and temperature by SMBus.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Model, Part, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curve::{Curve, Points};

const ADDRESS: u8 = 0x0B;

// The specification's commands (section 5.1).
const REMAINING_CAPACITY_ALARM: u8 = 0x01;
const REMAINING_TIME_ALARM: u8 = 0x02;
const BATTERY_MODE: u8 = 0x03;
const AT_RATE: u8 = 0x04;
const AT_RATE_TIME_TO_FULL: u8 = 0x05;
const AT_RATE_TIME_TO_EMPTY: u8 = 0x06;
const AT_RATE_OK: u8 = 0x07;
const TEMPERATURE: u8 = 0x08;
const VOLTAGE: u8 = 0x09;
const CURRENT: u8 = 0x0A;
const AVERAGE_CURRENT: u8 = 0x0B;
const MAX_ERROR: u8 = 0x0C;
const RELATIVE_CHARGE: u8 = 0x0D;
const ABSOLUTE_CHARGE: u8 = 0x0E;
const REMAINING_CAPACITY: u8 = 0x0F;
const FULL_CHARGE_CAPACITY: u8 = 0x10;
const RUN_TIME_TO_EMPTY: u8 = 0x11;
const AVERAGE_TIME_TO_EMPTY: u8 = 0x12;
const AVERAGE_TIME_TO_FULL: u8 = 0x13;
const CHARGING_CURRENT: u8 = 0x14;
const CHARGING_VOLTAGE: u8 = 0x15;
const BATTERY_STATUS: u8 = 0x16;
const DESIGN_CAPACITY: u8 = 0x18;
const DESIGN_VOLTAGE: u8 = 0x19;
const SPECIFICATION_INFO: u8 = 0x1A;
const MANUFACTURE_DATE: u8 = 0x1B;
const SERIAL_NUMBER: u8 = 0x1C;
const MANUFACTURER_NAME: u8 = 0x20;
const DEVICE_NAME: u8 = 0x21;
const CHEMISTRY: u8 = 0x22;

/// BatteryMode: capacities are in 10 mWh instead of mAh.
const CAPACITY_MODE: u16 = 1 << 15;
// BatteryStatus.
const TERMINATE_DISCHARGE: u16 = 1 << 11;
const CAPACITY_ALARM: u16 = 1 << 9;
const TIME_ALARM: u16 = 1 << 8;
const INITIALIZED: u16 = 1 << 7;
const DISCHARGING: u16 = 1 << 6;
const FULLY_CHARGED: u16 = 1 << 5;
const FULLY_DISCHARGED: u16 = 1 << 4;

/// What a time says when there is none.
const NEVER: u16 = 0xFFFF;
/// The voltage of the pack by its charge in percent, in mV.
const VOLTS: [(i64, i64); 6] = [(0, 3_300), (5, 3_600), (20, 3_720), (50, 3_820), (80, 4_020), (100, 4_200)];
const DESIGN_MILLIVOLTS: i64 = 3_800;
const CHARGER_MILLIVOLTS: u16 = 4_200;
/// Picoseconds of an hour: charge is kept in mA times ps.
const HOUR: i128 = 3_600 * 1_000_000_000_000;

/// A pack.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmartBatteryConfig {
    /// Its capacity in mAh, default 3000.
    #[serde(default = "capacity")]
    pub capacity: u16,
    /// Its charge at the beginning in percent, default 80.
    #[serde(default = "charge")]
    pub charge: u8,
    /// What flows into it, in mA: `[["0s", -200], ["60s", 1000]]`; -150, out of it, when absent.
    #[serde(default)]
    pub current: Points,
    /// Its temperature in °C; 25 when absent.
    #[serde(default)]
    pub temperature: Points,
}

fn capacity() -> u16 {
    3_000
}

fn charge() -> u8 {
    80
}

/// The pack; channels `charge` (percent), `current` (mA, negative out of it) and `temperature` (°C). Its charge is
/// the integral of the current, its voltage follows the charge. It sends nothing by itself (no alarm broadcasts) and
/// knows no packet error codes, as version 1.1 without PEC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SmartBattery {
    /// In mAh.
    capacity: i64,
    /// The charge in mA ps at `since`.
    charge: i128,
    since: Time,
    /// In mA.
    current: Curve,
    /// In thousandths of a degree.
    temperature: Curve,
    mode: u16,
    at_rate: i16,
    alarms: [u16; 2],
    command: u8,
    /// The bytes written after the command, and those that are being read.
    written: Vec<u8>,
    answer: Vec<u8>,
    addressed: bool,
}

impl SmartBattery {
    fn full(&self) -> i128 {
        i128::from(self.capacity) * HOUR
    }

    fn charge_at(&self, now: Time) -> i128 {
        let flowed = self.current.area(now) - self.current.area(self.since);
        (self.charge + flowed).clamp(0, self.full())
    }

    /// Full and empty end the integral: it goes on from here.
    fn settle(&mut self, now: Time) {
        (self.charge, self.since) = (self.charge_at(now), now);
    }

    fn percent(&self, now: Time) -> i64 {
        ((self.charge_at(now) * 200 / self.full().max(1) + 1) / 2) as i64
    }

    fn millivolts(&self, now: Time) -> i64 {
        let percent = self.percent(now);
        let pairs = VOLTS.iter().zip(VOLTS.iter().skip(1));
        let found = pairs.into_iter().find(|(_, (to, _))| percent <= *to);
        found.map_or(0, |((from, low), (to, high))| low + (high - low) * (percent - from) / (to - from))
    }

    /// A charge in mA ps in the unit that the host asked for.
    fn capacity_word(&self, charge: i128) -> u16 {
        let milliampere_hours = charge / HOUR;
        let value = if self.mode & CAPACITY_MODE != 0 {
            milliampere_hours * i128::from(DESIGN_MILLIVOLTS) / 10_000
        } else {
            milliampere_hours
        };
        u16::try_from(value).unwrap_or(u16::MAX)
    }

    /// Minutes until empty (at a negative current) or full (at a positive one).
    fn time_to(&self, full: bool, current: i64, now: Time) -> u16 {
        let charge = self.charge_at(now);
        let left = if full { self.full() - charge } else { charge };
        if current == 0 || (current > 0) != full {
            return NEVER;
        }
        u16::try_from(left * 60 / (HOUR * i128::from(current.abs()))).unwrap_or(NEVER)
    }

    fn status(&self, now: Time) -> u16 {
        let (current, percent) = (self.current.at(now), self.percent(now));
        let mut status = INITIALIZED;
        let mut flag = |bit: u16, on: bool| status |= if on { bit } else { 0 };
        flag(DISCHARGING, current <= 0);
        flag(FULLY_CHARGED, percent == 100);
        flag(FULLY_DISCHARGED | TERMINATE_DISCHARGE, percent == 0);
        flag(CAPACITY_ALARM, self.capacity_word(self.charge_at(now)) < self.alarms[0]);
        flag(TIME_ALARM, self.time_to(false, current, now) < self.alarms[1]);
        status
    }

    fn word(&self, command: u8, now: Time) -> Option<u16> {
        let current = self.current.at(now);
        Some(match command {
            REMAINING_CAPACITY_ALARM => self.alarms[0],
            REMAINING_TIME_ALARM => self.alarms[1],
            BATTERY_MODE => self.mode,
            AT_RATE => self.at_rate as u16,
            AT_RATE_TIME_TO_FULL => self.time_to(true, self.at_rate.into(), now),
            AT_RATE_TIME_TO_EMPTY => self.time_to(false, self.at_rate.into(), now),
            AT_RATE_OK => u16::from(self.percent(now) > 0 || self.at_rate >= 0),
            // In tenths of a kelvin.
            TEMPERATURE => ((self.temperature.at(now) + 273_150) / 100) as u16,
            VOLTAGE => self.millivolts(now) as u16,
            CURRENT | AVERAGE_CURRENT => current.clamp(-32_768, 32_767) as i16 as u16,
            MAX_ERROR => 1,
            RELATIVE_CHARGE | ABSOLUTE_CHARGE => self.percent(now) as u16,
            REMAINING_CAPACITY => self.capacity_word(self.charge_at(now)),
            FULL_CHARGE_CAPACITY | DESIGN_CAPACITY => self.capacity_word(self.full()),
            RUN_TIME_TO_EMPTY | AVERAGE_TIME_TO_EMPTY => self.time_to(false, current, now),
            AVERAGE_TIME_TO_FULL => self.time_to(true, current, now),
            CHARGING_CURRENT => (self.capacity / 2) as u16,
            CHARGING_VOLTAGE => CHARGER_MILLIVOLTS,
            BATTERY_STATUS => self.status(now),
            DESIGN_VOLTAGE => DESIGN_MILLIVOLTS as u16,
            // Version 1.1, voltages and currents as they are.
            SPECIFICATION_INFO => 0x0021,
            // 1 January 2020.
            MANUFACTURE_DATE => 40 << 9 | 1 << 5 | 1,
            SERIAL_NUMBER => 1,
            0x00 | 0x17 => 0, // ManufacturerAccess, CycleCount
            _ => return None,
        })
    }

    fn respond(&self, now: Time) -> Vec<u8> {
        let block = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        match self.command {
            MANUFACTURER_NAME => block("Consort"),
            DEVICE_NAME => block("phone"),
            CHEMISTRY => block("LION"),
            command => self.word(command, now).unwrap_or(0).to_le_bytes().to_vec(),
        }
    }
}

impl Model for SmartBattery {
    const KIND: &'static str = "smart-battery";
    const DOC: &'static str = "Battery pack with its gauge (Smart Battery Data Specification, I2C 0x0B).";
    type Config = SmartBatteryConfig;

    fn new(config: SmartBatteryConfig) -> Self {
        let capacity = i64::from(config.capacity.max(1));
        Self {
            capacity,
            charge: i128::from(capacity) * HOUR * i128::from(config.charge.min(100)) / 100,
            since: Time::ZERO,
            current: Curve::new(&config.current, 1.0, -150),
            temperature: Curve::new(&config.temperature, 1_000.0, 25_000),
            mode: 0,
            at_rate: 0,
            alarms: [(capacity / 10) as u16, 10],
            command: 0,
            written: Vec::new(),
            answer: Vec::new(),
            addressed: false,
        }
    }
}

impl Component for SmartBattery {
    fn channels(&self) -> Vec<Channel> {
        vec![
            Channel::number("charge", "how full it is", (0.0, 100.0), "%"),
            Channel::number("current", "what flows into it, negative out of it", (-20_000.0, 20_000.0), "mA"),
            Channel::number("temperature", "the pack's temperature", (-40.0, 100.0), "°C"),
        ]
    }

    /// The pack has its own supply: the machine's reset leaves it as it is.
    fn reset(&mut self, _: &mut Cx<'_>) {}

    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        let known = self.channels().into_iter().find(|known| known.name == channel);
        known.ok_or_else(|| SetError::NoChannel(channel.to_owned()))?.check(value)?;
        let Value::Number(number) = value else { return Ok(()) };
        self.settle(cx.now());
        let thousandths = (number * 1_000.0).round() as i64;
        match channel {
            "charge" => self.charge = self.full() * i128::from(thousandths) / 100_000,
            "current" => self.current.set(number.round() as i64, cx.now()),
            _ => self.temperature.set(thousandths, cx.now()),
        }
        Ok(())
    }

    fn get(&self, channel: &str) -> Option<Value> {
        let value = match channel {
            "charge" => (self.charge_at(self.since) * 1_000 / self.full().max(1)) as f64 / 10.0,
            "current" => self.current.at(self.since) as f64,
            "temperature" => self.temperature.at(self.since) as f64 / 1_000.0,
            _ => return None,
        };
        Some(Value::Number(value))
    }
}

impl Part for SmartBattery {
    fn i2c_addresses(&self) -> &[u8] {
        &[ADDRESS]
    }

    fn i2c_start(&mut self, _: u8, read: bool, cx: &mut Cx<'_>) -> bool {
        self.addressed = !read;
        self.written.clear();
        if read {
            self.settle(cx.now());
            self.answer = self.respond(cx.now());
            self.answer.reverse();
        }
        true
    }

    fn i2c_write(&mut self, byte: u8, cx: &mut Cx<'_>) -> bool {
        if std::mem::take(&mut self.addressed) {
            self.command = byte;
            return self.word(byte, cx.now()).is_some() || (MANUFACTURER_NAME..=CHEMISTRY).contains(&byte);
        }
        self.written.push(byte);
        let [low, high] = self.written[..] else { return self.written.len() < 2 };
        let word = u16::from_le_bytes([low, high]);
        match self.command {
            REMAINING_CAPACITY_ALARM => self.alarms[0] = word,
            REMAINING_TIME_ALARM => self.alarms[1] = word,
            BATTERY_MODE => self.mode = word & CAPACITY_MODE,
            AT_RATE => self.at_rate = word as i16,
            0x00 => {}
            _ => return false,
        }
        true
    }

    /// Behind its last byte the wire stays high.
    fn i2c_read(&mut self, _: bool, _: &mut Cx<'_>) -> u8 {
        self.answer.pop().unwrap_or(0xFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    fn rig(config: &str) -> Rig<SmartBattery> {
        Rig::new(SmartBattery::new(serde_json::from_str(config).unwrap()))
    }

    fn read<const N: usize>(rig: &mut Rig<SmartBattery>, command: u8) -> [u8; N] {
        rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            assert!(part.i2c_write(command, cx));
            part.i2c_start(ADDRESS, true, cx);
            std::array::from_fn(|index| part.i2c_read(index + 1 == N, cx))
        })
    }

    fn word(rig: &mut Rig<SmartBattery>, command: u8) -> u16 {
        u16::from_le_bytes(read(rig, command))
    }

    fn set(rig: &mut Rig<SmartBattery>, channel: &str, value: f64) {
        rig.with(|part, cx| part.set(channel, &Value::Number(value), cx)).unwrap();
    }

    #[test]
    fn the_charge_is_the_integral_of_the_current() {
        let mut rig = rig(r#"{ "capacity": 2000, "charge": 50, "current": [["0s", -1000]] }"#);
        assert_eq!((word(&mut rig, RELATIVE_CHARGE), word(&mut rig, VOLTAGE)), (50, 3_820));
        assert_eq!((word(&mut rig, RUN_TIME_TO_EMPTY), word(&mut rig, AVERAGE_TIME_TO_FULL)), (60, NEVER));
        assert_eq!(word(&mut rig, CURRENT) as i16, -1000);
        assert_eq!(word(&mut rig, BATTERY_STATUS), INITIALIZED | DISCHARGING);
        rig.run_for(Time::from_secs(1_800));
        assert_eq!((word(&mut rig, REMAINING_CAPACITY), word(&mut rig, RELATIVE_CHARGE)), (500, 25));
        // Empty stays empty: charging begins from there.
        rig.run_for(Time::from_secs(3_600));
        let status = word(&mut rig, BATTERY_STATUS);
        assert_eq!(status & (FULLY_DISCHARGED | CAPACITY_ALARM), FULLY_DISCHARGED | CAPACITY_ALARM);
        set(&mut rig, "current", 1_000.0);
        rig.run_for(Time::from_secs(360));
        assert_eq!((word(&mut rig, REMAINING_CAPACITY), word(&mut rig, AVERAGE_TIME_TO_FULL)), (100, 114));
        assert_eq!(word(&mut rig, BATTERY_STATUS) & DISCHARGING, 0);
        set(&mut rig, "charge", 100.0);
        assert_eq!(word(&mut rig, BATTERY_STATUS) & FULLY_CHARGED, FULLY_CHARGED);
        assert!(rig.with(|part, cx| part.set("charge", &Value::Number(101.0), cx)).is_err());
    }

    #[test]
    fn words_and_blocks_are_the_specification_s() {
        let mut rig = rig(r#"{ "capacity": 3000, "charge": 100, "temperature": [["0s", 31.5]] }"#);
        assert_eq!(word(&mut rig, TEMPERATURE), 3_046);
        assert_eq!(read(&mut rig, CHEMISTRY), *b"\x04LION");
        assert_eq!(word(&mut rig, FULL_CHARGE_CAPACITY), 3_000);
        rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            for byte in [BATTERY_MODE, 0x00, 0x80] {
                assert!(part.i2c_write(byte, cx));
            }
            part.i2c_start(ADDRESS, false, cx);
            assert!(!part.i2c_write(0x3F, cx), "an optional command that it does not have");
        });
        assert_eq!(word(&mut rig, FULL_CHARGE_CAPACITY), 1_140, "in 10 mWh");
    }
}
