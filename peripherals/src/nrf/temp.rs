//! TEMP: the die temperature sensor.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "TEMP".

use consort_core::Time;
use consort_core::component::{Channel, Register, SetError, Value};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, NRF51_POWER, Series, SeriesConfig, Spec, erratum, event, number, stub, task};

const START: u32 = 0x000;
const STOP: u32 = 0x004;
const DATARDY: u32 = 0x100;
const TEMP: u32 = 0x508;

/// PS "TEMP", Electrical specification: t_TEMP.
const MEASURE: Time = Time::from_us(36);

const TASKS: &[Register] = &[task(START, "TASKS_START"), task(STOP, "TASKS_STOP")];
const SLOPES: &[Register] = &[
    stub(0x520, "A0", 0x326),
    stub(0x524, "A1", 0x348),
    stub(0x528, "A2", 0x3AA),
    stub(0x52C, "A3", 0x40E),
    stub(0x530, "A4", 0x4BD),
    stub(0x534, "A5", 0x5A3),
    stub(0x540, "B0", 0x3FEF),
    stub(0x544, "B1", 0x3FBE),
    stub(0x548, "B2", 0x3FBE),
    stub(0x54C, "B3", 0x12),
    stub(0x550, "B4", 0x124),
    stub(0x554, "B5", 0x27C),
    stub(0x560, "T0", 0xE2),
    stub(0x564, "T1", 0),
    stub(0x568, "T2", 0x19),
    stub(0x56C, "T3", 0x3C),
    stub(0x570, "T4", 0x50),
];

static SPEC51: Spec = Spec::new(
    &[TASKS],
    &[&[event(DATARDY, "EVENTS_DATARDY", 0)]],
    &[],
    &[&[Register::ro(TEMP, "TEMP", 0), erratum(0x504, "ERRATUM_31", 0)], NRF51_POWER],
);
static SPEC52: Spec = Spec::new(
    &[TASKS],
    &[&[event(DATARDY, "EVENTS_DATARDY", 0)]],
    &[],
    &[&[Register::ro(TEMP, "TEMP", 0)], SLOPES],
);

/// TEMP; channel `temperature` is what the die has. The linearisation registers are not needed for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Temp {
    series: Series,
    quarters: i32,
    ready: Time,
}

impl Logic for Temp {
    const KIND: &'static str = "nordic-temp";
    const DOC: &'static str = "The die temperature sensor; channel `temperature` in degrees Celsius.";
    type Config = SeriesConfig;

    fn new(config: SeriesConfig) -> Self {
        Self { series: config.series, quarters: 4 * 25, ready: Time::MAX }
    }

    fn spec(&self) -> &'static Spec {
        match self.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn channels(&self) -> Vec<Channel> {
        vec![Channel::number(
            "temperature",
            "temperature of the chip, in steps of 0.25",
            (-40.0, 125.0),
            "°C",
        )]
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        self.ready = Time::MAX;
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        self.ready = if task == START { io.now() + MEASURE } else { Time::MAX };
    }

    fn deadline(&self) -> Time {
        self.ready
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        self.ready = Time::MAX;
        io.set(TEMP, self.quarters as u32);
        io.raise(DATARDY);
    }

    fn channel(&mut self, channel: &str, value: &Value, _: &mut Io<'_, '_>) -> Result<(), SetError> {
        if channel != "temperature" {
            return Err(SetError::NoChannel(channel.to_owned()));
        }
        let celsius = number(channel, value, -40.0, 125.0, "°C")?;
        self.quarters = (celsius * 4.0).round() as i32;
        Ok(())
    }

    fn present(&self, channel: &str) -> Option<Value> {
        (channel == "temperature").then(|| Value::Number(f64::from(self.quarters) / 4.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model};
    use consort_core::testing::Rig;

    #[test]
    fn a_measurement_takes_its_time_and_is_in_quarters_of_a_degree() {
        // PS "TEMP": DATARDY after t_TEMP, steps of 0.25 degrees.
        let mut rig = Rig::new(Block::<Temp>::new(SeriesConfig::default()));
        let set = |rig: &mut Rig<Block<Temp>>, value: f64| {
            rig.with(|temp, cx| temp.set("temperature", &Value::Number(value), cx))
        };
        set(&mut rig, -3.25).unwrap();
        rig.write(START, 1);
        rig.run_for(Time::from_us(35));
        assert_eq!(rig.read(DATARDY), 0);
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(DATARDY), rig.read(TEMP) as i32), (1, -13));
        assert!(set(&mut rig, 1000.0).is_err());
    }
}
