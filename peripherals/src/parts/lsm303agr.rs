//! ST LSM303AGR: an accelerometer and a magnetometer in one package.
//!
//! Data sheet LSM303AGR, revision 10.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Model, Part, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::i2c::{Axes, Pointer, Sampler};

const ACCEL: u8 = 0x19;
const MAG: u8 = 0x1E;

const WHO_AM_I_A: u8 = 0x0F;
const CTRL_REG1_A: u8 = 0x20;
const CTRL_REG3_A: u8 = 0x22;
const CTRL_REG4_A: u8 = 0x23;
const CTRL_REG5_A: u8 = 0x24;
const CTRL_REG6_A: u8 = 0x25;
const STATUS_REG_A: u8 = 0x27;
const OUT_X_L_A: u8 = 0x28;
const OUT_Z_H_A: u8 = 0x2D;
const WHO_AM_I_M: u8 = 0x4F;
const CFG_REG_A_M: u8 = 0x60;
const CFG_REG_C_M: u8 = 0x62;
const STATUS_REG_M: u8 = 0x67;
const OUTX_L_REG_M: u8 = 0x68;
const OUTZ_H_REG_M: u8 = 0x6D;

/// How the chip sits on the board.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lsm303agrConfig {
    /// Which of the chip's axes point against the board's x, y, z.
    #[serde(default)]
    pub invert: [bool; 3],
    /// Whether the chip's x and y are the board's y and x.
    #[serde(default)]
    pub swap: bool,
    /// Whether a transistor between the pins and the processor inverts `int1` and `drdy`.
    #[serde(default)]
    pub inverted: bool,
}

/// LSM303AGR. Lines `int1` (accelerometer) and `drdy` (magnetometer); channels `x`, `y`, `z` in mg and
/// `field-x`, `field-y`, `field-z` in microtesla along the board's axes.
/// Only data-ready interrupts; no FIFO, click, motion or orientation detection, no self test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lsm303agr {
    config: Lsm303agrConfig,
    registers: Vec<u8>,
    pointer: Pointer,
    accel: Sampler,
    mag: Sampler,
    acceleration: Axes,
    field: Axes,
}

impl Lsm303agr {
    fn reg(&self, register: u8) -> u8 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn axis(&self, axes: &Axes, axis: usize) -> i64 {
        let from = if self.config.swap { [1, 0, 2][axis] } else { axis };
        if self.config.invert[axis] { -axes.0[from] } else { axes.0[from] }
    }

    /// Data sheet table 35: ODR of the accelerometer.
    fn accel_period(&self) -> Option<Time> {
        let control = self.reg(CTRL_REG1_A);
        let hz = [0, 1, 10, 25, 50, 100, 200, 400, 1620, 1344][usize::from(control >> 4).min(9)];
        (hz != 0).then(|| Time::from_us(1_000_000 / hz))
    }

    /// Data sheet table 65: ODR of the magnetometer, in continuous (or single) mode.
    fn mag_period(&self) -> Option<Time> {
        let config = self.reg(CFG_REG_A_M);
        let hz = [10, 20, 50, 100][usize::from(config >> 2 & 3)];
        (config & 3 < 2).then(|| Time::from_us(1_000_000 / hz))
    }

    fn output(&self, axis: usize) -> [u8; 2] {
        let scale = self.reg(CTRL_REG4_A) >> 4 & 3;
        // At 2 g: 16 counts per mg / 1000 of a left-justified 16-bit number, 16384 per g; halved by FS.
        let raw = (self.axis(&self.acceleration, axis) * 16_384 / 1_000) >> scale;
        let raw = raw.clamp(-32_768, 32_767) as i16;
        // Data sheet 3.2.1: 12 bits (high resolution), 10 (normal) or 8 (low power).
        let low_power = self.reg(CTRL_REG1_A) & 8 != 0;
        let high = self.reg(CTRL_REG4_A) & 8 != 0;
        let drop = if low_power {
            8
        } else if high {
            4
        } else {
            6
        };
        (raw >> drop << drop).to_le_bytes()
    }

    fn read(&mut self, register: u8, now: Time) -> u8 {
        match register {
            WHO_AM_I_A => 0x33,
            STATUS_REG_A if self.accel.ready(now) => 0x0F,
            STATUS_REG_A => 0,
            OUT_X_L_A..=OUT_Z_H_A => {
                let byte = register - OUT_X_L_A;
                self.accel.take(now);
                self.output(usize::from(byte / 2))[usize::from(byte % 2)]
            }
            WHO_AM_I_M => 0x40,
            STATUS_REG_M if self.mag.ready(now) => 0x0F,
            STATUS_REG_M => 0,
            OUTX_L_REG_M..=OUTZ_H_REG_M => {
                let byte = register - OUTX_L_REG_M;
                self.mag.take(now);
                // 1.5 milligauss = 150 nT for each count; the field is kept in nanotesla.
                let counts = self.axis(&self.field, usize::from(byte / 2)) / 150;
                (counts.clamp(-32_768, 32_767) as i16).to_le_bytes()[usize::from(byte % 2)]
            }
            _ => self.reg(register),
        }
    }

    fn settle(&self, cx: &mut Cx<'_>) {
        let now = cx.now();
        let active_high = self.reg(CTRL_REG6_A) & 2 == 0;
        let accel_wanted = self.reg(CTRL_REG3_A) & 0x10 != 0;
        let mag_wanted = self.reg(CFG_REG_C_M) & 1 != 0;
        let inverted = self.config.inverted;
        cx.drive(0, ((self.accel.ready(now) && accel_wanted) == active_high) != inverted);
        cx.drive(1, (self.mag.ready(now) && mag_wanted) != inverted);
        let mut next = Time::MAX;
        for (sampler, wanted) in [(&self.accel, accel_wanted), (&self.mag, mag_wanted)] {
            if wanted && !sampler.ready(now) {
                next = next.min(sampler.next(now));
            }
        }
        if next < Time::MAX { cx.wake_at(next) } else { cx.no_wake() }
    }

    fn clear(&mut self) {
        self.registers = vec![0; 0x70];
        self.registers[usize::from(CTRL_REG1_A)] = 0x07;
        self.registers[usize::from(CFG_REG_A_M)] = 0x03;
    }
}

impl Model for Lsm303agr {
    const KIND: &'static str = "st-lsm303agr";
    const DOC: &'static str = "ST LSM303AGR accelerometer (I2C 0x19) and magnetometer (0x1E).";
    type Config = Lsm303agrConfig;
    fn new(config: Lsm303agrConfig) -> Self {
        let mut part = Self {
            config,
            registers: Vec::new(),
            pointer: Pointer::default(),
            accel: Sampler::default(),
            mag: Sampler::default(),
            acceleration: Axes([0, 0, -1000]),
            field: Axes([20_000, 0, 45_000]),
        };
        part.clear();
        part
    }
}

impl Component for Lsm303agr {
    fn lines(&self) -> &'static [&'static str] {
        &["int1", "drdy"]
    }
    fn channels(&self) -> Vec<Channel> {
        vec![
            Channel::number("x", "acceleration along the board's x axis", (-16_000.0, 16_000.0), "mg"),
            Channel::number("y", "acceleration along the board's y axis", (-16_000.0, 16_000.0), "mg"),
            Channel::number("z", "acceleration along the board's z axis", (-16_000.0, 16_000.0), "mg"),
            Channel::number("field-x", "field along the board's x axis", (-4_900.0, 4_900.0), "µT"),
            Channel::number("field-y", "field along the board's y axis", (-4_900.0, 4_900.0), "µT"),
            Channel::number("field-z", "field along the board's z axis", (-4_900.0, 4_900.0), "µT"),
        ]
    }
    /// The chip has no reset pin: the machine's reset leaves it as it is.
    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }
    fn set(&mut self, channel: &str, value: &Value, _: &mut Cx<'_>) -> Result<(), SetError> {
        if channel.starts_with("field-") {
            self.field.set(channel, "field-", value, (4_900.0, 1_000.0, "µT"))
        } else {
            self.acceleration.set(channel, "", value, (16_000.0, 1.0, "mg"))
        }
    }
    fn get(&self, channel: &str) -> Option<Value> {
        if channel.starts_with("field-") {
            self.field.get(channel, "field-", 1_000.0)
        } else {
            self.acceleration.get(channel, "", 1.0)
        }
    }
}

impl Part for Lsm303agr {
    fn i2c_addresses(&self) -> &[u8] {
        &[ACCEL, MAG]
    }
    fn i2c_start(&mut self, _: u8, read: bool, _: &mut Cx<'_>) -> bool {
        self.pointer.start(read);
        true
    }
    fn i2c_write(&mut self, byte: u8, cx: &mut Cx<'_>) -> bool {
        // Both halves have their own register numbers, so one file serves both. Bit 7 asks for more than one.
        let Some(pointer) = self.pointer.write(byte) else { return true };
        let register = pointer & 0x7F;
        let read_only = matches!(register, WHO_AM_I_A | STATUS_REG_A..=OUT_Z_H_A | WHO_AM_I_M | 0x67..=0x6D);
        match self.registers.get_mut(usize::from(register)) {
            Some(stored) if !read_only => *stored = byte,
            _ => {}
        }
        match register {
            CTRL_REG5_A if byte & 0x80 != 0 => self.registers[usize::from(register)] &= 0x7F, // BOOT is done
            CFG_REG_A_M if byte & 0x20 != 0 => self.registers[usize::from(register)] = 0x03,  // SOFT_RST
            _ => {}
        }
        if pointer & 0x80 != 0 {
            self.pointer.set(pointer.wrapping_add(1) | 0x80);
        }
        let (accel, mag) = (self.accel_period(), self.mag_period());
        self.accel.run(accel, cx.now());
        self.mag.run(mag, cx.now());
        self.settle(cx);
        true
    }
    fn i2c_read(&mut self, _: bool, cx: &mut Cx<'_>) -> u8 {
        let pointer = self.pointer.register();
        let value = self.read(pointer & 0x7F, cx.now());
        if pointer & 0x80 != 0 {
            self.pointer.set(pointer.wrapping_add(1) | 0x80);
        }
        self.settle(cx);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    fn write(rig: &mut Rig<Lsm303agr>, address: u8, register: u8, value: u8) {
        rig.with(|part, cx| {
            part.i2c_start(address, false, cx);
            part.i2c_write(register, cx);
            part.i2c_write(value, cx);
        });
    }

    fn read<const N: usize>(rig: &mut Rig<Lsm303agr>, address: u8, register: u8) -> [u8; N] {
        rig.with(|part, cx| {
            part.i2c_start(address, false, cx);
            part.i2c_write(register, cx);
            part.i2c_start(address, true, cx);
            std::array::from_fn(|_| part.i2c_read(false, cx))
        })
    }

    #[test]
    fn acceleration_in_high_resolution() {
        // LSM303AGR data sheet rev. 10, 4.1, 8: OUT_X_A, high-resolution mode, 12 bits left aligned.
        let mut rig = Rig::new(Lsm303agr::new(Lsm303agrConfig::default()));
        assert_eq!(read(&mut rig, ACCEL, WHO_AM_I_A), [0x33]);
        rig.with(|part, cx| part.set("x", &Value::Number(250.0), cx)).unwrap();
        write(&mut rig, ACCEL, CTRL_REG4_A, 0x08);
        write(&mut rig, ACCEL, CTRL_REG3_A, 0x10);
        write(&mut rig, ACCEL, CTRL_REG1_A, 0x57); // 100 Hz
        rig.run_for(Time::from_ms(9));
        assert!(!rig.line("int1"));
        rig.run_for(Time::from_ms(1));
        assert!(rig.line("int1"));
        let [low, high] = read(&mut rig, ACCEL, OUT_X_L_A | 0x80);
        assert_eq!(i16::from_le_bytes([low, high]), 4_096);
        assert!(!rig.line("int1"));
    }

    #[test]
    fn the_field_in_its_own_unit() {
        // LSM303AGR data sheet rev. 10, 4.3: 1.5 mgauss per digit.
        let mut rig = Rig::new(Lsm303agr::new(Lsm303agrConfig::default()));
        assert_eq!(read(&mut rig, MAG, WHO_AM_I_M), [0x40]);
        rig.with(|part, cx| part.set("field-z", &Value::Number(-30.0), cx)).unwrap();
        write(&mut rig, MAG, CFG_REG_A_M, 0);
        rig.run_for(Time::from_ms(100));
        assert_eq!(read(&mut rig, MAG, STATUS_REG_M), [0x0F]);
        let [low, high] = read(&mut rig, MAG, (OUTX_L_REG_M + 4) | 0x80);
        assert_eq!(i16::from_le_bytes([low, high]), -200);
    }
}
