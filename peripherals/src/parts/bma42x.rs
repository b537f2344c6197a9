//! Bosch BMA421 and BMA425: an accelerometer with a feature engine that counts steps.
//!
//! Data sheets BMA421 (BST-BMA421-FL000), BMA423 (BST-BMA423-DS000) and BMA425: 4.4 (power), 4.8 (feature
//! engine), 5 (registers). The engine's program, which firmware writes through FEATURES_IN, is not executed: what
//! it does is modelled.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Model, Part, ResetCause, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bytes;
use super::i2c::Pointer;
use super::motion::{Motion, MotionConfig};
use super::steps::Steps;

const ADDRESS: u8 = 0x18;

const CHIP_ID: u8 = 0x00;
const STATUS: u8 = 0x03;
const DATA_8: u8 = 0x12;
const DATA_13: u8 = 0x17;
const SENSORTIME_0: u8 = 0x18;
const SENSORTIME_2: u8 = 0x1A;
const EVENT: u8 = 0x1B;
const INT_STATUS_0: u8 = 0x1C;
const INT_STATUS_1: u8 = 0x1D;
const STEP_COUNTER_0: u8 = 0x1E;
const STEP_COUNTER_3: u8 = 0x21;
const TEMPERATURE: u8 = 0x22;
const ACTIVITY_TYPE: u8 = 0x27;
const INTERNAL_STATUS: u8 = 0x2A;
const ACC_CONF: u8 = 0x40;
const ACC_RANGE: u8 = 0x41;
const INT1_IO_CTRL: u8 = 0x53;
const INT2_IO_CTRL: u8 = 0x54;
const INT_LATCH: u8 = 0x55;
const INT1_MAP: u8 = 0x56;
const INT2_MAP: u8 = 0x57;
const INT_MAP_DATA: u8 = 0x58;
const INIT_CTRL: u8 = 0x59;
const FEATURES_LOW: u8 = 0x5B;
const FEATURES_HIGH: u8 = 0x5C;
const FEATURES_IN: u8 = 0x5E;
const PWR_CONF: u8 = 0x7C;
const PWR_CTRL: u8 = 0x7D;
const CMD: u8 = 0x7E;

const SOFT_RESET: u8 = 0xB6;
const ACC_EN: u8 = 1 << 2;

/// Where features lie in the engine's memory once it runs, in 16-bit words, and how many bytes they have.
const FEATURES_AT: u16 = 0xC00;
const FEATURES: usize = 128;
/// The size of the engine's program.
const PROGRAM: u16 = 6144;
/// The engine needs this long to start; firmware waits three times as long.
const START: Time = Time::from_ms(50);

/// Offsets of features, and their bits.
const ANY_MOTION: usize = 0x00;
const STEP_COUNTER: usize = 0x3A;
const WRIST_WEAR: usize = 0x40;
const STEP_DETECTOR_EN: u8 = 1 << 3;
const STEP_COUNTER_EN: u8 = 1 << 4;
const STEP_ACTIVITY_EN: u8 = 1 << 5;
const STEP_RESET: u8 = 1 << 2;

/// INT_STATUS_0.
const INT_STEP: u8 = 1 << 1;
const INT_ACTIVITY: u8 = 1 << 2;
const INT_WRIST: u8 = 1 << 3;
const INT_ANY_MOTION: u8 = 1 << 5;
/// INT_STATUS_1.
const ACC_DRDY: u8 = 1 << 7;

/// The engine looks at the acceleration this often.
const TICK: Time = Time::from_ms(20);

/// Which chip it is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chip {
    /// BMA421, in most PineTimes.
    #[default]
    Bma421,
    /// BMA425, in those since 2021.
    Bma425,
}

/// The sensor's settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bma42xConfig {
    /// Which chip, default `bma421`.
    #[serde(default)]
    pub chip: Chip,
    /// How the wearer moves.
    #[serde(default)]
    pub motion: MotionConfig,
    /// Degrees Celsius, default 25.
    #[serde(default = "room")]
    pub temperature: i8,
}

fn room() -> i8 {
    25
}

/// The accelerometer; lines `int1`, `int2`, channels `x`, `y`, `z` in mg and `cadence` in steps per minute.
///
/// Features: step counter with its watermark, step detector, activity, any-motion, wrist wear (a turn of the
/// gravity on y). No FIFO, no taps, no auxiliary sensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bma42x {
    chip: Chip,
    temperature: i8,
    motion: Motion,
    pointer: Pointer,
    #[serde(with = "bytes")]
    registers: Vec<u8>,
    #[serde(with = "bytes")]
    features: Vec<u8>,
    /// Bytes of program that came, and when the engine runs.
    loaded: u16,
    runs_at: Time,
    steps: Steps,
    /// Up to when the engine has looked.
    seen: Time,
    status: [u8; 2],
    raised: bool,
}

impl Bma42x {
    fn register(&self, register: u8) -> u8 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn set_register(&mut self, register: u8, value: u8) {
        if let Some(stored) = self.registers.get_mut(usize::from(register)) {
            *stored = value;
        }
    }

    fn feature(&self, offset: usize) -> u8 {
        self.features.get(offset).copied().unwrap_or(0)
    }

    /// 5.2: the values after power-on and soft reset.
    fn power_up(&mut self, now: Time) {
        self.registers = vec![0; 128];
        let id = match self.chip {
            Chip::Bma421 => 0x11,
            Chip::Bma425 => 0x13,
        };
        for (register, value) in [
            (CHIP_ID, id),
            (STATUS, 0x10),
            (EVENT, 1),
            (ACC_CONF, 0xA8),
            (ACC_RANGE, 1),
            (INIT_CTRL, 0x90),
            (PWR_CONF, 3),
        ] {
            self.set_register(register, value);
        }
        self.features = vec![0; FEATURES];
        (self.loaded, self.runs_at) = (0, Time::MAX);
        (self.steps, self.seen) = (Steps::default(), now);
        (self.status, self.raised) = ([0; 2], false);
    }

    fn runs(&self, now: Time) -> bool {
        now >= self.runs_at
    }

    fn period(&self) -> Option<Time> {
        // 5.2, ACC_CONF.acc_odr: 25/32 Hz at 1, twice as often with each step up to 1600 Hz.
        let odr = u32::from(self.register(ACC_CONF) & 15).clamp(1, 12);
        let on = self.register(PWR_CTRL) & ACC_EN != 0;
        on.then(|| Time::from_ns(1_280_000_000 >> (odr - 1)))
    }

    /// The newest sample of the three axes, 12 bits at the top of 16.
    fn sample(&self, now: Time) -> [i16; 3] {
        let Some(period) = self.period() else { return [0; 3] };
        let at = Time::from_ps(now.as_ps() / period.as_ps().max(1) * period.as_ps());
        let range = 2 << (self.register(ACC_RANGE) & 3);
        self.motion.at(at).map(|mg| (mg * 2_048 / (range * 1_000)).clamp(-2_048, 2_047) as i16 * 16)
    }

    fn counts(&self, now: Time) -> bool {
        self.runs(now) && self.register(PWR_CTRL) & ACC_EN != 0
    }

    /// Lets the engine look at what has happened since it last did. The result does not depend on how often
    /// this is called.
    fn catch_up(&mut self, now: Time) {
        let tick = |time: Time| time.as_ps() / TICK.as_ps();
        let (first, last) = (tick(self.seen), tick(now));
        self.seen = now;
        if !self.counts(now) {
            return;
        }
        let enabled = self.feature(STEP_COUNTER + 1);
        let mut at = first;
        while at < last {
            at += 1;
            let time = Time::from_ps(at * TICK.as_ps());
            let before = self.steps.clone();
            let axes = self.motion.at(time);
            let news = self.steps.look(axes, enabled & (STEP_COUNTER_EN | STEP_DETECTOR_EN) != 0);
            let watermark = u32::from(self.feature(STEP_COUNTER)) | u32::from(enabled & 3) << 8;
            let count = self.steps.count;
            let reached =
                enabled & STEP_COUNTER_EN != 0 && watermark > 0 && count.is_multiple_of(watermark * 20);
            if news.step && (enabled & STEP_DETECTOR_EN != 0 || reached) {
                self.status[0] |= INT_STEP;
            }
            if news.activity && enabled & STEP_ACTIVITY_EN != 0 {
                self.status[0] |= INT_ACTIVITY;
            }
            if news.moved && self.feature(ANY_MOTION + 3) & 0xE0 != 0 {
                self.status[0] |= INT_ANY_MOTION;
            }
            if news.turned && self.feature(WRIST_WEAR) & 1 != 0 {
                self.status[0] |= INT_WRIST;
            }
            // At rest nothing more happens until the motion changes.
            if self.steps == before {
                let steady = tick(self.motion.steady_until(time)).min(last);
                at = at.max(steady);
            }
        }
    }

    /// Puts the interrupt pins where they belong and asks for the next look.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        let [features, data] = self.status;
        let mapped = self.register(INT_MAP_DATA);
        let one = features & self.register(INT1_MAP) != 0 || data & ACC_DRDY != 0 && mapped & 4 != 0;
        let two = features & self.register(INT2_MAP) != 0 || data & ACC_DRDY != 0 && mapped & 0x40 != 0;
        for (line, (on, control)) in (0..).zip([(one, INT1_IO_CTRL), (two, INT2_IO_CTRL)]) {
            let control = self.register(control);
            let (active_high, output) = (control & 2 != 0, control & 8 != 0);
            cx.drive(line, output && on == active_high);
        }
        self.raised = one || two;
        // Without latching the pin falls again; the next sample does it.
        let features = self.register(INT1_MAP) | self.register(INT2_MAP);
        let wanted = features != 0 && self.counts(now);
        let mut next = if self.runs_at > now { self.runs_at } else { Time::MAX };
        if wanted || self.raised && self.register(INT_LATCH) & 1 == 0 {
            let tick = TICK.as_ps();
            next = next.min(Time::from_ps((now.as_ps() / tick + 1) * tick));
            if self.steps.rests(self.motion.at(now)) && !self.raised {
                next = next.max(self.motion.steady_until(now));
            }
        }
        if mapped & 0x44 != 0
            && let Some(period) = self.period()
        {
            next = next.min(Time::from_ps((now.as_ps() / period.as_ps() + 1) * period.as_ps()));
        }
        match next {
            Time::MAX => cx.no_wake(),
            at => cx.wake_at(at),
        }
    }

    fn read(&mut self, register: u8, now: Time) -> u8 {
        match register {
            DATA_8..=DATA_13 => {
                let place = usize::from(register - DATA_8);
                self.status[1] &= !ACC_DRDY;
                let sample = self.sample(now).get(place / 2).copied().unwrap_or(0);
                sample.to_le_bytes()[place % 2]
            }
            STATUS => 0x10 | if self.period().is_some() { 0x80 } else { 0 },
            SENSORTIME_0..=SENSORTIME_2 => {
                // In steps of 39.0625 us.
                let ticks = now.as_ps() / 39_062_500;
                (ticks >> (8 * (register - SENSORTIME_0))) as u8
            }
            EVENT => std::mem::take(self.registers.get_mut(usize::from(EVENT)).unwrap_or(&mut 0)),
            INT_STATUS_0 => std::mem::take(&mut self.status[0]),
            INT_STATUS_1 => std::mem::take(&mut self.status[1]),
            STEP_COUNTER_0..=STEP_COUNTER_3 => (self.steps.count >> (8 * (register - STEP_COUNTER_0))) as u8,
            TEMPERATURE => self.temperature.wrapping_sub(23) as u8,
            ACTIVITY_TYPE => self.steps.activity(),
            INTERNAL_STATUS => match (self.runs(now), self.runs_at) {
                (true, _) => 1,
                // 5.2, INTERNAL_STATUS: initialisation error.
                (false, Time::MAX) if self.register(INIT_CTRL) & 1 != 0 => 2,
                _ => 0,
            },
            FEATURES_IN => {
                let offset = self.feature_offset();
                self.pointer_on();
                self.feature(offset)
            }
            _ => self.register(register),
        }
    }

    /// The word that FEATURES_IN accesses, as FEATURES_LOW (4 bits) and FEATURES_HIGH say.
    fn feature_word(&self) -> u16 {
        u16::from(self.register(FEATURES_HIGH)) << 4 | u16::from(self.register(FEATURES_LOW) & 15)
    }

    /// The next byte of the features: within a burst it moves on past the word that the registers name.
    fn feature_offset(&self) -> usize {
        usize::from(self.feature_word().wrapping_sub(FEATURES_AT)) * 2 + usize::from(self.burst())
    }

    fn burst(&self) -> u8 {
        self.register(FEATURES_IN)
    }

    fn pointer_on(&mut self) {
        self.set_register(FEATURES_IN, self.burst().wrapping_add(1));
    }

    fn write(&mut self, register: u8, value: u8, now: Time) {
        match register {
            0..=0x3F => {}
            CMD => {
                if value == SOFT_RESET {
                    self.power_up(now);
                }
            }
            INIT_CTRL => {
                self.set_register(register, value);
                if value & 1 == 0 {
                    (self.loaded, self.runs_at) = (0, Time::MAX);
                } else if self.loaded >= PROGRAM {
                    self.runs_at = now + START;
                    self.set_register(FEATURES_LOW, (FEATURES_AT & 15) as u8);
                    self.set_register(FEATURES_HIGH, (FEATURES_AT >> 4) as u8);
                }
            }
            FEATURES_IN if self.register(INIT_CTRL) & 1 == 0 => self.loaded = self.loaded.saturating_add(1),
            FEATURES_IN => {
                let offset = self.feature_offset();
                self.pointer_on();
                let resets = offset == STEP_COUNTER + 1 && value & STEP_RESET != 0;
                if let Some(stored) = self.features.get_mut(offset) {
                    *stored = if resets { value & !STEP_RESET } else { value };
                }
                if resets {
                    self.steps.count = 0;
                }
            }
            _ => self.set_register(register, value),
        }
    }
}

impl Model for Bma42x {
    const KIND: &'static str = "bosch-bma42x";
    const DOC: &'static str = "The accelerometer BMA421 or BMA425 on I2C, with its step counter.";
    type Config = Bma42xConfig;
    fn new(config: Bma42xConfig) -> Self {
        let mut sensor = Self {
            chip: config.chip,
            temperature: config.temperature,
            motion: Motion::new(&config.motion),
            pointer: Pointer::default(),
            registers: Vec::new(),
            features: Vec::new(),
            loaded: 0,
            runs_at: Time::MAX,
            steps: Steps::default(),
            seen: Time::ZERO,
            status: [0; 2],
            raised: false,
        };
        sensor.power_up(Time::ZERO);
        sensor
    }
}

impl Component for Bma42x {
    fn lines(&self) -> &'static [&'static str] {
        &["int1", "int2"]
    }

    fn channels(&self) -> Vec<Channel> {
        Motion::channels().to_vec()
    }

    /// The chip on the other side was reset; the sensor keeps power and goes on counting.
    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }

    fn restart(&mut self, cause: ResetCause, cx: &mut Cx<'_>) {
        if cause == ResetCause::PowerOn {
            self.power_up(cx.now());
        }
        self.reset(cx);
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        if self.register(INT_LATCH) & 1 == 0 {
            self.status = [0; 2];
        }
        self.catch_up(cx.now());
        if self.period().is_some() && self.register(INT_MAP_DATA) & 0x44 != 0 {
            self.status[1] |= ACC_DRDY;
        }
        self.settle(cx);
    }

    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        self.catch_up(cx.now());
        self.motion.set(channel, value, cx.now())?;
        self.settle(cx);
        Ok(())
    }

    fn get(&self, channel: &str) -> Option<Value> {
        self.motion.get(channel, self.seen)
    }
}

impl Part for Bma42x {
    fn i2c_addresses(&self) -> &[u8] {
        &[ADDRESS]
    }

    fn i2c_start(&mut self, _: u8, read: bool, cx: &mut Cx<'_>) -> bool {
        self.pointer.start(read);
        self.set_register(FEATURES_IN, 0);
        self.catch_up(cx.now());
        true
    }

    fn i2c_write(&mut self, byte: u8, cx: &mut Cx<'_>) -> bool {
        if let Some(register) = self.pointer.write(byte) {
            self.write(register & 0x7F, byte, cx.now());
            if register & 0x7F != FEATURES_IN {
                self.pointer.set(register.wrapping_add(1) & 0x7F);
            }
            self.settle(cx);
        }
        true
    }

    fn i2c_read(&mut self, _: bool, cx: &mut Cx<'_>) -> u8 {
        let register = self.pointer.register() & 0x7F;
        let value = self.read(register, cx.now());
        if register != FEATURES_IN {
            self.pointer.set(register.wrapping_add(1) & 0x7F);
        }
        self.settle(cx);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    fn rig(config: &str) -> Rig<Bma42x> {
        Rig::new(Bma42x::new(serde_json::from_str(config).unwrap()))
    }

    fn write(rig: &mut Rig<Bma42x>, register: u8, bytes: &[u8]) {
        rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(register, cx);
            bytes.iter().for_each(|byte| assert!(part.i2c_write(*byte, cx)));
        });
    }

    fn read<const N: usize>(rig: &mut Rig<Bma42x>, register: u8) -> [u8; N] {
        rig.with(|part, cx| {
            part.i2c_start(ADDRESS, false, cx);
            part.i2c_write(register, cx);
            part.i2c_start(ADDRESS, true, cx);
            std::array::from_fn(|_| part.i2c_read(false, cx))
        })
    }

    /// What a driver does: the program in pieces, then the engine's start.
    fn start(rig: &mut Rig<Bma42x>) {
        write(rig, PWR_CONF, &[0]);
        write(rig, INIT_CTRL, &[0]);
        for index in 0..PROGRAM / 32 {
            write(rig, FEATURES_LOW, &[((index * 16) & 15) as u8, ((index * 16) >> 4) as u8]);
            write(rig, FEATURES_IN, &[0; 32]);
        }
        write(rig, INIT_CTRL, &[1]);
        rig.run_for(Time::from_ms(150));
        assert_eq!(read(rig, INTERNAL_STATUS), [1]);
        write(rig, PWR_CTRL, &[ACC_EN]);
    }

    /// Changes a byte of the features as drivers do: all are read and written back.
    fn feature(rig: &mut Rig<Bma42x>, offset: usize, value: u8) {
        let mut all: [u8; 70] = read(rig, FEATURES_IN);
        all[offset] = value;
        write(rig, FEATURES_IN, &all);
    }

    fn steps(rig: &mut Rig<Bma42x>) -> u32 {
        u32::from_le_bytes(read(rig, STEP_COUNTER_0))
    }

    #[test]
    fn acceleration_in_the_range_asked_for() {
        let mut rig = rig(r#"{ "chip": "bma425", "motion": { "x": [["1s", -500], ["2s", 500]] } }"#);
        assert_eq!(read(&mut rig, CHIP_ID), [0x13]);
        assert_eq!(read(&mut rig, DATA_8), [0; 6], "suspended");
        write(&mut rig, PWR_CTRL, &[ACC_EN]);
        write(&mut rig, ACC_RANGE, &[0]);
        let [xl, xh, _, _, zl, zh] = read(&mut rig, DATA_8);
        assert_eq!((i16::from_le_bytes([xl, xh]) / 16, i16::from_le_bytes([zl, zh]) / 16), (-512, 1024));
        rig.run_for(Time::from_ms(1_500));
        assert_eq!(i16::from_le_bytes(read(&mut rig, DATA_8)), 0);
    }

    #[test]
    fn the_engine_needs_its_whole_program() {
        let mut rig = rig("{}");
        write(&mut rig, INIT_CTRL, &[0]);
        write(&mut rig, FEATURES_IN, &[0; 32]);
        write(&mut rig, INIT_CTRL, &[1]);
        rig.run_for(Time::from_ms(150));
        assert_eq!(read(&mut rig, INTERNAL_STATUS), [2]);
    }

    #[test]
    fn steps_are_counted_while_enabled_however_seldom_one_looks() {
        let walk =
            r#"{ "motion": { "cadence": [["10s", 0], ["10.001s", 120], ["40s", 120], ["40.001s", 0]] } }"#;
        let (mut once, mut often) = (rig(walk), rig(walk));
        for rig in [&mut once, &mut often] {
            start(rig);
            feature(rig, STEP_COUNTER + 1, STEP_COUNTER_EN);
        }
        for _ in 0..600 {
            often.run_for(Time::from_ms(101));
            steps(&mut often);
        }
        once.run_until(often.now);
        assert_eq!((steps(&mut once), once.wake), (60, Time::MAX));
        assert_eq!(steps(&mut often), 60);
        feature(&mut once, STEP_COUNTER + 1, STEP_COUNTER_EN | STEP_RESET);
        assert_eq!(steps(&mut once), 0);
    }

    #[test]
    fn a_watermark_raises_the_pin() {
        let mut rig = rig(r#"{ "motion": { "cadence": [["0s", 120]] } }"#);
        start(&mut rig);
        write(&mut rig, INT1_IO_CTRL, &[0x0A]);
        write(&mut rig, INT_LATCH, &[1]);
        write(&mut rig, INT1_MAP, &[INT_STEP]);
        feature(&mut rig, STEP_COUNTER, 1);
        feature(&mut rig, STEP_COUNTER + 1, STEP_COUNTER_EN);
        rig.run_for(Time::from_secs(9));
        assert!(!rig.line("int1"));
        rig.run_for(Time::from_secs(2));
        assert!(rig.line("int1"));
        assert_eq!(read(&mut rig, INT_STATUS_0), [INT_STEP]);
        assert!(!rig.line("int1"));
    }

    #[test]
    fn turning_the_wrist_is_noticed() {
        let mut rig = rig("{}");
        start(&mut rig);
        write(&mut rig, INT2_IO_CTRL, &[0x0A]);
        write(&mut rig, INT_LATCH, &[1]);
        write(&mut rig, INT2_MAP, &[INT_WRIST]);
        feature(&mut rig, WRIST_WEAR, 1);
        let mut hold = |y: f64, z: f64| {
            rig.with(|part, cx| {
                part.set("y", &Value::Number(y), cx).unwrap();
                part.set("z", &Value::Number(z), cx).unwrap();
            });
            rig.run_for(Time::from_secs(2));
            rig.line("int2")
        };
        assert!(!hold(950.0, 200.0), "the arm hangs");
        assert!(hold(-300.0, 950.0), "the face is up, towards the eyes");
    }

    #[test]
    fn a_soft_reset_forgets_everything() {
        let mut rig = rig(r#"{ "motion": { "cadence": [["0s", 120]] } }"#);
        start(&mut rig);
        feature(&mut rig, STEP_COUNTER + 1, STEP_COUNTER_EN);
        rig.run_for(Time::from_secs(10));
        assert!(steps(&mut rig) > 15);
        write(&mut rig, CMD, &[SOFT_RESET]);
        assert_eq!((steps(&mut rig), read(&mut rig, INTERNAL_STATUS)), (0, [0]));
    }

    #[test]
    fn activity_and_any_motion_are_told() {
        let mut rig = rig(r#"{ "motion": { "cadence": [["5s", 0], ["5.001s", 100], ["20s", 100],
            ["20.001s", 200], ["40s", 200], ["40.001s", 0]] } }"#);
        start(&mut rig);
        write(&mut rig, INT1_IO_CTRL, &[0x0A]);
        write(&mut rig, INT_LATCH, &[1]);
        write(&mut rig, INT1_MAP, &[INT_ACTIVITY | INT_ANY_MOTION]);
        feature(&mut rig, STEP_COUNTER + 1, STEP_COUNTER_EN | STEP_ACTIVITY_EN);
        feature(&mut rig, ANY_MOTION + 3, 0xE0);
        rig.run_until(Time::from_ms(4_900));
        assert_eq!((rig.line("int1"), read(&mut rig, INT_STATUS_0)), (false, [0]));
        for (until, activity, status) in [
            (10, 1, INT_ACTIVITY | INT_ANY_MOTION),
            (30, 2, INT_ACTIVITY | INT_ANY_MOTION),
            (50, 0, INT_ACTIVITY | INT_ANY_MOTION),
            (60, 0, 0),
        ] {
            rig.run_until(Time::from_secs(until));
            assert_eq!(read(&mut rig, ACTIVITY_TYPE), [activity], "at {until} s");
            assert_eq!(rig.line("int1"), status != 0);
            assert_eq!(read(&mut rig, INT_STATUS_0), [status], "at {until} s");
        }
        assert_eq!(rig.wake, Time::MAX, "at rest it looks no more");
    }

    #[test]
    fn the_step_detector_pulses_without_latching() {
        let mut rig = rig(r#"{ "motion": { "cadence": [["1s", 0], ["1.001s", 60]] } }"#);
        start(&mut rig);
        write(&mut rig, INT1_IO_CTRL, &[0x0A]);
        write(&mut rig, INT1_MAP, &[INT_STEP]);
        feature(&mut rig, STEP_COUNTER + 1, STEP_DETECTOR_EN);
        let (mut rises, mut high) = (0, false);
        for _ in 0..10_000 {
            rig.run_for(Time::from_ms(1));
            rises += u32::from(rig.line("int1") && !high);
            high = rig.line("int1");
        }
        assert_eq!((rises, steps(&mut rig)), (9, 9));
    }

    #[test]
    fn new_data_comes_at_the_rate_asked_for() {
        for (rate, expected) in [(7, 50), (8, 100), (12, 1_600)] {
            let mut rig = rig("{}");
            write(&mut rig, INT1_IO_CTRL, &[0x0A]);
            write(&mut rig, INT_LATCH, &[1]);
            write(&mut rig, ACC_CONF, &[0xA0 | rate]);
            write(&mut rig, INT_MAP_DATA, &[4]);
            write(&mut rig, PWR_CTRL, &[ACC_EN]);
            let mut count = 0;
            for _ in 0..10_000 {
                rig.run_for(Time::from_us(100));
                count += u32::from(rig.line("int1"));
                read::<6>(&mut rig, DATA_8);
            }
            assert_eq!(count, expected, "{rate}");
        }
    }

    #[test]
    fn identity_time_and_temperature() {
        for (config, id, temperature) in
            [("{}", 0x11, 25), (r#"{ "chip": "bma425", "temperature": -5 }"#, 0x13, -5)]
        {
            let mut rig = rig(config);
            assert_eq!(read(&mut rig, CHIP_ID), [id]);
            assert_eq!(read::<1>(&mut rig, TEMPERATURE)[0] as i8 + 23, temperature);
            rig.run_for(Time::from_secs(1));
            let [low, middle, high] = read(&mut rig, SENSORTIME_0);
            assert_eq!(u32::from_le_bytes([low, middle, high, 0]), 25_600);
        }
    }
}
