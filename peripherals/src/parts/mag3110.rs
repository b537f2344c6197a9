//! NXP MAG3110: a three-axis magnetometer.
//!
//! Data sheet MAG3110, revision 9.2.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Model, NoConfig, Part, SetError, Value};
use serde::{Deserialize, Serialize};

use super::i2c::{Axes, Pointer, Sampler};

const ADDRESS: u8 = 0x0E;
const DR_STATUS: u8 = 0x00;
const OUT_X_MSB: u8 = 0x01;
const OUT_Z_LSB: u8 = 0x06;
const WHO_AM_I: u8 = 0x07;
const SYSMOD: u8 = 0x08;
const DIE_TEMP: u8 = 0x0F;
const CTRL_REG1: u8 = 0x10;
const CTRL_REG2: u8 = 0x11;

/// MAG3110. Line `int1` is high while a sample waits; channels `x`, `y`, `z` in microtesla along the
/// chip's axes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mag3110 {
    registers: [u8; 0x12],
    pointer: Pointer,
    sampler: Sampler,
    /// In tenths of a microtesla.
    axes: Axes,
}

impl Mag3110 {
    /// Data sheet table 32: 80 Hz halved by DR and by the oversampling ratio.
    fn period(&self) -> Option<Time> {
        let control = self.registers[usize::from(CTRL_REG1)];
        (control & 1 != 0).then(|| Time::from_us(12_500 << (control >> 5) << (control >> 3 & 3)))
    }

    fn read(&mut self, register: u8, now: Time) -> u8 {
        match register {
            DR_STATUS if self.sampler.ready(now) => 0x0F,
            DR_STATUS => 0,
            OUT_X_MSB..=OUT_Z_LSB => {
                let byte = register - OUT_X_MSB;
                self.sampler.take(now);
                let counts = self.axes.0[usize::from(byte / 2)].clamp(-30_000, 30_000) as i16;
                counts.to_be_bytes()[usize::from(byte % 2)]
            }
            WHO_AM_I => 0xC4,
            SYSMOD => self.registers[usize::from(CTRL_REG1)] & 1,
            DIE_TEMP => 25,
            _ => self.registers.get(usize::from(register)).copied().unwrap_or(0),
        }
    }

    fn settle(&self, cx: &mut Cx<'_>) {
        let ready = self.sampler.ready(cx.now());
        cx.drive(0, ready);
        if ready { cx.no_wake() } else { cx.wake_at(self.sampler.next(cx.now())) }
    }
}

impl Model for Mag3110 {
    const KIND: &'static str = "nxp-mag3110";
    const DOC: &'static str = "NXP MAG3110 magnetometer (I2C 0x0E).";
    type Config = NoConfig;
    fn new(_: NoConfig) -> Self {
        // Europe: about 20 uT to the north, 45 uT down.
        let axes = Axes([200, 0, 450]);
        Self { registers: [0; 0x12], pointer: Pointer::default(), sampler: Sampler::default(), axes }
    }
}

impl Component for Mag3110 {
    fn lines(&self) -> &'static [&'static str] {
        &["int1"]
    }
    fn channels(&self) -> Vec<Channel> {
        vec![
            Channel::number("x", "field along the chip's x axis", (-1_000.0, 1_000.0), "µT"),
            Channel::number("y", "field along the chip's y axis", (-1_000.0, 1_000.0), "µT"),
            Channel::number("z", "field along the chip's z axis", (-1_000.0, 1_000.0), "µT"),
        ]
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }
    fn set(&mut self, channel: &str, value: &Value, _: &mut Cx<'_>) -> Result<(), SetError> {
        self.axes.set(channel, "", value, (1_000.0, 10.0, "µT"))
    }
    fn get(&self, channel: &str) -> Option<Value> {
        self.axes.get(channel, "", 10.0)
    }
}

impl Part for Mag3110 {
    fn i2c_addresses(&self) -> &[u8] {
        &[ADDRESS]
    }
    fn i2c_start(&mut self, _: u8, read: bool, _: &mut Cx<'_>) -> bool {
        self.pointer.start(read);
        true
    }
    fn i2c_write(&mut self, byte: u8, cx: &mut Cx<'_>) -> bool {
        let Some(register) = self.pointer.write(byte) else { return true };
        self.pointer.set(register.wrapping_add(1));
        if register > SYSMOD
            && let Some(stored) = self.registers.get_mut(usize::from(register))
        {
            *stored = byte;
        }
        if register == CTRL_REG2 {
            self.registers[usize::from(CTRL_REG2)] &= !0x10; // the sensor reset is done at once
        }
        let period = self.period();
        self.sampler.run(period, cx.now());
        self.settle(cx);
        true
    }
    fn i2c_read(&mut self, _: bool, cx: &mut Cx<'_>) -> u8 {
        let register = self.pointer.register();
        let value = self.read(register, cx.now());
        self.pointer.set(register.wrapping_add(1));
        self.settle(cx);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn the_field_is_read_in_tenths_of_microtesla() {
        // MAG3110 data sheet rev. 9.2, 5.2: 0.1 uT per digit.
        let mut rig = Rig::new(Mag3110::new(NoConfig {}));
        rig.with(|part, cx| {
            part.set("y", &Value::Number(-12.5), cx).unwrap();
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(CTRL_REG1, cx);
            part.i2c_write(1, cx);
        });
        rig.run_for(Time::from_us(12_500));
        assert!(rig.line("int1"));
        let bytes: [u8; 7] = rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(DR_STATUS, cx);
            part.i2c_start(ADDRESS, true, cx);
            std::array::from_fn(|_| part.i2c_read(false, cx))
        });
        assert_eq!((bytes[0], i16::from_be_bytes([bytes[3], bytes[4]])), (0x0F, -125));
        assert!(!rig.line("int1"));
    }
}
