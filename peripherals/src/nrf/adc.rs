//! ADC of nRF51.
//!
//! nRF51 Reference Manual v3.0, "ADC".

use consort_core::Time;
use consort_core::component::{Channel, NoConfig, Register, SetError, Value};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, NRF51_POWER, Regs, Spec, event, f, number, task};

const START: u32 = 0x000;
const STOP: u32 = 0x004;
const END: u32 = 0x100;
const BUSY: u32 = 0x400;
const ENABLE: u32 = 0x500;
const CONFIG: u32 = 0x504;
const RESULT: u32 = 0x508;

static SPEC: Spec = Spec::new(
    &[&[task(START, "TASKS_START"), task(STOP, "TASKS_STOP")]],
    &[&[event(END, "EVENTS_END", 0)]],
    &[],
    &[
        &[
            Register::ro(BUSY, "BUSY", 0).fields(&[f("BUSY", 0, 1)]),
            Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 2)]),
            Register::rw(CONFIG, "CONFIG", 0x18).fields(&[
                f("RES", 0, 2),
                f("INPSEL", 2, 3),
                f("REFSEL", 5, 2),
                f("PSEL", 8, 8),
                f("EXTREFSEL", 16, 2),
            ]),
            Register::ro(RESULT, "RESULT", 0).fields(&[f("RESULT", 0, 10)]),
        ],
        NRF51_POWER,
    ],
);

/// Channels of analog blocks: the voltage at each input.
pub const ANALOG: [Channel; 8] = [
    Channel::number("ain0", "voltage at AIN0", (0.0, 3.6), "V"),
    Channel::number("ain1", "voltage at AIN1", (0.0, 3.6), "V"),
    Channel::number("ain2", "voltage at AIN2", (0.0, 3.6), "V"),
    Channel::number("ain3", "voltage at AIN3", (0.0, 3.6), "V"),
    Channel::number("ain4", "voltage at AIN4", (0.0, 3.6), "V"),
    Channel::number("ain5", "voltage at AIN5", (0.0, 3.6), "V"),
    Channel::number("ain6", "voltage at AIN6", (0.0, 3.6), "V"),
    Channel::number("ain7", "voltage at AIN7", (0.0, 3.6), "V"),
];

/// What the analog inputs have, in microvolts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inputs {
    /// AIN0 to AIN7.
    pub pins: [i64; 8],
    /// The supply.
    pub vdd: i64,
}

impl Default for Inputs {
    fn default() -> Self {
        Self { pins: [0; 8], vdd: 3_000_000 }
    }
}

impl Inputs {
    /// The channels.
    pub fn channels() -> Vec<Channel> {
        let vdd = Channel::number("vdd", "voltage of the supply", (1.7, 3.6), "V");
        ANALOG.iter().cloned().chain([vdd]).collect()
    }

    /// Sets a channel.
    pub fn set(&mut self, channel: &str, value: &Value) -> Result<(), SetError> {
        let volts = |least| number(channel, value, least, 3.6, "V");
        let micro = |volts: f64| (volts * 1e6).round() as i64;
        if channel == "vdd" {
            self.vdd = micro(volts(1.7)?);
            return Ok(());
        }
        let index = ANALOG.iter().position(|known| known.name == channel);
        let index = index.ok_or_else(|| SetError::NoChannel(channel.to_owned()))?;
        self.pins[index] = micro(volts(0.0)?);
        Ok(())
    }

    /// A channel's present value.
    pub fn get(&self, channel: &str) -> Option<Value> {
        let index = ANALOG.iter().position(|known| known.name == channel);
        let micro = if channel == "vdd" { self.vdd } else { self.pins[index?] };
        Some(Value::Number(micro as f64 / 1e6))
    }
}

/// ADC; channels `ain0` to `ain7` are the voltages at its inputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Adc {
    inputs: Inputs,
    end: Time,
}

impl Adc {
    fn convert(&self, config: u32) -> u32 {
        let pin = match config >> 8 & 0xFF {
            0 => 0,
            bits => self.inputs.pins[(bits.trailing_zeros() & 7) as usize],
        };
        // RM "ADC", CONFIG INPSEL: input or supply, whole, two thirds, one third.
        let input = match config >> 2 & 7 {
            0 => pin,
            1 => pin * 2 / 3,
            2 => pin / 3,
            5 => self.inputs.vdd * 2 / 3,
            6 => self.inputs.vdd / 3,
            _ => 0,
        };
        let reference = match config >> 5 & 3 {
            0 => 1_200_000,
            1 => match config >> 16 & 3 {
                1 => self.inputs.pins[0],
                2 => self.inputs.pins[6],
                _ => 0,
            },
            2 => self.inputs.vdd / 2,
            _ => self.inputs.vdd / 3,
        };
        let most = (1 << (8 + (config & 3).min(2))) - 1;
        if reference <= 0 {
            return most as u32;
        }
        (input * (most + 1) / reference).clamp(0, most) as u32
    }
}

impl Logic for Adc {
    const KIND: &'static str = "nordic-adc";
    const DOC: &'static str = "The analog to digital converter of nRF51.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self { inputs: Inputs::default(), end: Time::MAX }
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn channels(&self) -> Vec<Channel> {
        Inputs::channels()
    }

    fn present(&self, channel: &str) -> Option<Value> {
        self.inputs.get(channel)
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        self.end = Time::MAX;
    }

    fn view(&self, offset: u32, _: &Regs<'_>, _: Time) -> Option<u32> {
        (offset == BUSY).then(|| u32::from(self.end != Time::MAX))
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        self.end = Time::MAX;
        if task == START && io.reg(ENABLE) == 1 {
            // nRF51822 PS v3.1, ADC's electrical specification: 8, 9, 10 bits.
            let us = [20, 36, 68][(io.reg(CONFIG) & 3).min(2) as usize];
            self.end = io.now() + Time::from_us(us);
        }
    }

    fn deadline(&self) -> Time {
        self.end
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        self.end = Time::MAX;
        let result = self.convert(io.reg(CONFIG));
        io.set(RESULT, result);
        io.raise(END);
    }

    fn channel(&mut self, channel: &str, value: &Value, _: &mut Io<'_, '_>) -> Result<(), SetError> {
        self.inputs.set(channel, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model};
    use consort_core::testing::Rig;

    #[test]
    fn a_conversion_follows_input_prescaling_and_reference() {
        // RM "ADC": RESULT = input * prescaling * 2^RES / reference.
        let mut rig = Rig::new(Block::<Adc>::new(NoConfig {}));
        rig.with(|adc, cx| adc.set("ain3", &Value::Number(1.5), cx)).unwrap();
        rig.write(ENABLE, 1);
        rig.write(CONFIG, 2 | 2 << 2 | 3 << 5 | 1 << 11); // 10 bits, a third, VDD / 3, AIN3
        rig.write(START, 1);
        rig.run_for(Time::from_us(67));
        assert_eq!((rig.read(BUSY), rig.read(END)), (1, 0));
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(BUSY), rig.read(END), rig.read(RESULT)), (0, 1, 512));
    }
}
