//! NXP MMA8653FC: a three-axis accelerometer, 10 bits.
//!
//! Data sheet MMA8653FC, revision 8.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Model, Part, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::i2c::{Axes, Pointer, Sampler};

const ADDRESS: u8 = 0x1D;
const STATUS: u8 = 0x00;
const OUT_X_MSB: u8 = 0x01;
const OUT_Z_LSB: u8 = 0x06;
const SYSMOD: u8 = 0x0B;
const INT_SOURCE: u8 = 0x0C;
const WHO_AM_I: u8 = 0x0D;
const XYZ_DATA_CFG: u8 = 0x0E;
const CTRL_REG1: u8 = 0x2A;
const CTRL_REG2: u8 = 0x2B;
const CTRL_REG3: u8 = 0x2C;
const CTRL_REG4: u8 = 0x2D;
const CTRL_REG5: u8 = 0x2E;
const LAST: u8 = 0x31;

/// How the chip sits on the board.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mma8653Config {
    /// Which of the chip's axes point against the board's x, y, z.
    #[serde(default)]
    pub invert: [bool; 3],
}

/// MMA8653FC. Lines `int1`, `int2`; channels `x`, `y`, `z` in thousandths of g along the board's axes.
/// Only data-ready interrupts; no motion or orientation detection, no offsets, no fast-read wake modes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mma8653 {
    config: Mma8653Config,
    registers: Vec<u8>,
    pointer: Pointer,
    sampler: Sampler,
    axes: Axes,
    /// The last sample, which standby keeps.
    held: [[u8; 2]; 3],
}

impl Mma8653 {
    fn reg(&self, register: u8) -> u8 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn active(&self) -> bool {
        self.reg(CTRL_REG1) & 1 != 0
    }

    /// Data sheet table 36: output data rates.
    fn period(&self) -> Option<Time> {
        const US: [u64; 8] = [1_250, 2_500, 5_000, 10_000, 20_000, 80_000, 160_000, 640_000];
        self.active().then(|| Time::from_us(US[usize::from(self.reg(CTRL_REG1) >> 3 & 7)]))
    }

    fn output(&self, axis: usize) -> [u8; 2] {
        if !self.active() {
            return self.held[axis];
        }
        let mg = if self.config.invert[axis] { -self.axes.0[axis] } else { self.axes.0[axis] };
        // 2 g full scale: 256 counts per g; left-justified 10 bits.
        let counts = (mg * 256 / 1000) >> (self.reg(XYZ_DATA_CFG) & 3).min(2);
        ((counts.clamp(-512, 511) as i16) << 6).to_be_bytes()
    }

    fn read(&mut self, register: u8, now: Time) -> u8 {
        match register {
            STATUS if self.sampler.ready(now) => 0x0F,
            STATUS => 0,
            OUT_X_MSB..=OUT_Z_LSB => {
                let byte = register - OUT_X_MSB;
                self.sampler.take(now);
                self.output(usize::from(byte / 2))[usize::from(byte % 2)]
            }
            SYSMOD => u8::from(self.active()),
            INT_SOURCE => u8::from(self.sampler.ready(now)),
            WHO_AM_I => 0x5A,
            _ => self.reg(register),
        }
    }

    /// The interrupt lines and the next wake follow from the state.
    fn settle(&self, cx: &mut Cx<'_>) {
        let (ready, enabled) = (self.sampler.ready(cx.now()), self.reg(CTRL_REG4) & 1 != 0);
        let to_int1 = self.reg(CTRL_REG5) & 1 != 0;
        let active_high = self.reg(CTRL_REG3) & 2 != 0;
        for (line, mine) in [(0, to_int1), (1, !to_int1)] {
            cx.drive(line, (ready && enabled && mine) == active_high);
        }
        if enabled && !ready { cx.wake_at(self.sampler.next(cx.now())) } else { cx.no_wake() }
    }

    fn clear(&mut self) {
        self.registers = vec![0; usize::from(LAST) + 1];
        self.sampler = Sampler::default();
        self.held = [[0; 2]; 3];
    }
}

impl Model for Mma8653 {
    const KIND: &'static str = "nxp-mma8653";
    const DOC: &'static str = "NXP MMA8653FC accelerometer (I2C 0x1D).";
    type Config = Mma8653Config;
    fn new(config: Mma8653Config) -> Self {
        let mut part = Self {
            config,
            registers: Vec::new(),
            pointer: Pointer::default(),
            sampler: Sampler::default(),
            axes: Axes([0, 0, -1000]),
            held: [[0; 2]; 3],
        };
        part.clear();
        part
    }
}

impl Component for Mma8653 {
    fn lines(&self) -> &'static [&'static str] {
        &["int1", "int2"]
    }
    fn channels(&self) -> Vec<Channel> {
        vec![
            Channel::number("x", "acceleration along the board's x axis", (-8_000.0, 8_000.0), "mg"),
            Channel::number("y", "acceleration along the board's y axis", (-8_000.0, 8_000.0), "mg"),
            Channel::number("z", "acceleration along the board's z axis", (-8_000.0, 8_000.0), "mg"),
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
        self.axes.set(channel, "", value, (8_000.0, 1.0, "mg"))
    }
    fn get(&self, channel: &str) -> Option<Value> {
        self.axes.get(channel, "", 1.0)
    }
}

impl Part for Mma8653 {
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
        match register {
            CTRL_REG2 if byte & 0x40 != 0 => self.clear(),
            STATUS..=WHO_AM_I => {}
            CTRL_REG1 if self.active() && byte & 1 == 0 => {
                self.held = std::array::from_fn(|axis| self.output(axis));
                self.registers[usize::from(CTRL_REG1)] = byte;
            }
            _ => {
                if let Some(stored) = self.registers.get_mut(usize::from(register)) {
                    *stored = byte;
                }
            }
        }
        let period = self.period();
        self.sampler.run(period, cx.now());
        self.settle(cx);
        true
    }
    fn i2c_read(&mut self, _: bool, cx: &mut Cx<'_>) -> u8 {
        let register = self.pointer.register();
        let value = self.read(register, cx.now());
        // Data sheet 5.3: with F_READ, least significant bytes are skipped; after the last output: STATUS.
        let fast = self.reg(CTRL_REG1) & 2 != 0;
        let next = match register {
            OUT_Z_LSB => STATUS,
            5 if fast => STATUS,
            1 | 3 if fast => register + 2,
            _ => register.wrapping_add(1),
        };
        self.pointer.set(next);
        self.settle(cx);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    fn write(rig: &mut Rig<Mma8653>, register: u8, value: u8) {
        rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(register, cx);
            part.i2c_write(value, cx);
        });
    }

    fn read<const N: usize>(rig: &mut Rig<Mma8653>, register: u8) -> [u8; N] {
        rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(register, cx);
            part.i2c_start(ADDRESS, true, cx);
            std::array::from_fn(|index| part.i2c_read(index + 1 == N, cx))
        })
    }

    #[test]
    fn samples_come_at_the_data_rate_and_pull_the_interrupt() {
        // MMA8653FC data sheet rev. 8, 5.1, 6.1: OUT registers at the data rate of CTRL_REG1, DRDY interrupt.
        let mut rig = Rig::new(Mma8653::new(Mma8653Config::default()));
        assert_eq!(read(&mut rig, WHO_AM_I), [0x5A]);
        rig.with(|part, cx| part.set("x", &Value::Number(500.0), cx)).unwrap();
        write(&mut rig, CTRL_REG4, 1);
        write(&mut rig, CTRL_REG5, 1);
        write(&mut rig, CTRL_REG1, 4 << 3 | 1); // 50 Hz, active
        rig.run_for(Time::from_ms(19));
        assert!(rig.line("int1"));
        rig.run_for(Time::from_ms(1));
        assert!(!rig.line("int1"));
        // 0.5 g is 128 counts, left-justified in 16 bits; -1 g on z.
        assert_eq!(read(&mut rig, STATUS), [0x0F, 0x20, 0, 0, 0, 0xC0, 0]);
        assert!(rig.line("int1"));
        // Standby keeps the sample that nobody took, and says so (table 2: registers preserved from active mode).
        rig.run_for(Time::from_ms(20));
        write(&mut rig, CTRL_REG1, 4 << 3);
        rig.with(|part, cx| part.set("x", &Value::Number(0.0), cx)).unwrap();
        rig.run_for(Time::from_secs(2));
        assert_eq!(read(&mut rig, STATUS), [0x0F, 0x20, 0, 0, 0, 0xC0, 0]);
        assert_eq!(read(&mut rig, STATUS), [0]);
    }
}
