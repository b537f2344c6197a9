//! SAADC: the successive approximation converter of nRF52.
//!
//! nRF52832 PS v1.4, "SAADC".

use consort_core::Time;
use consort_core::component::{Channel, Field, NoConfig, Register, SetError, Value};
use serde::{Deserialize, Serialize};

use super::adc::Inputs;
use super::block::{EventInfo, Io, Logic, NRF51_POWER, Regs, Spec, array, event, f, task};
use super::dma;

const START: u32 = 0x000;
const SAMPLE: u32 = 0x004;
const STOP: u32 = 0x008;
const CALIBRATEOFFSET: u32 = 0x00C;
const STARTED: u32 = 0x100;
const END: u32 = 0x104;
const DONE: u32 = 0x108;
const RESULTDONE: u32 = 0x10C;
const CALIBRATEDONE: u32 = 0x110;
const STOPPED: u32 = 0x114;
const LIMITH: u32 = 0x118;
const STATUS: u32 = 0x400;
const ENABLE: u32 = 0x500;
const PSELP: u32 = 0x510;
const PSELN: u32 = 0x514;
const CONFIG: u32 = 0x518;
const LIMIT: u32 = 0x51C;
const RESOLUTION: u32 = 0x5F0;
const OVERSAMPLE: u32 = 0x5F4;
const SAMPLERATE: u32 = 0x5F8;
const RESULT_PTR: u32 = 0x62C;
const RESULT_MAXCNT: u32 = 0x630;
const RESULT_AMOUNT: u32 = 0x634;

const EVENTS: &[EventInfo] = &[
    event(STARTED, "EVENTS_STARTED", 0),
    event(END, "EVENTS_END", 1),
    event(DONE, "EVENTS_DONE", 2),
    event(RESULTDONE, "EVENTS_RESULTDONE", 3),
    event(CALIBRATEDONE, "EVENTS_CALIBRATEDONE", 4),
    event(STOPPED, "EVENTS_STOPPED", 5),
];
const INPUT: &[Field] = &[f("PSEL", 0, 5)];
const CONFIG_FIELDS: &[Field] = &[
    f("RESP", 0, 2),
    f("RESN", 4, 2),
    f("GAIN", 8, 3),
    f("REFSEL", 12, 1),
    f("TACQ", 16, 3),
    f("MODE", 20, 1),
    f("BURST", 24, 1),
];
const REGISTERS: &[Register] = &[
    Register::ro(STATUS, "STATUS", 0).fields(&[f("STATUS", 0, 1)]),
    Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 1)]),
    Register::rw(RESOLUTION, "RESOLUTION", 1).fields(&[f("VAL", 0, 3)]),
    Register::rw(OVERSAMPLE, "OVERSAMPLE", 0).fields(&[f("OVERSAMPLE", 0, 4)]),
    Register::rw(SAMPLERATE, "SAMPLERATE", 0).fields(&[f("CC", 0, 11), f("MODE", 12, 1)]),
    Register::rw(RESULT_PTR, "RESULT.PTR", 0),
    Register::rw(RESULT_MAXCNT, "RESULT.MAXCNT", 0).fields(&[f("MAXCNT", 0, 15)]),
    Register::ro(RESULT_AMOUNT, "RESULT.AMOUNT", 0).fields(&[f("AMOUNT", 0, 15)]),
];

static SPEC: Spec = Spec::new(
    &[&[
        task(START, "TASKS_START"),
        task(SAMPLE, "TASKS_SAMPLE"),
        task(STOP, "TASKS_STOP"),
        task(CALIBRATEOFFSET, "TASKS_CALIBRATEOFFSET"),
    ]],
    &[
        EVENTS,
        array!(event LIMITH, 8, "EVENTS_CH[", "].LIMITH", 6, 2; 0 1 2 3 4 5 6 7),
        array!(event LIMITH + 4, 8, "EVENTS_CH[", "].LIMITL", 7, 2; 0 1 2 3 4 5 6 7),
    ],
    &[],
    &[
        REGISTERS,
        array!(rw PSELP, 0x10, "CH[", "].PSELP", 0, INPUT; 0 1 2 3 4 5 6 7),
        array!(rw PSELN, 0x10, "CH[", "].PSELN", 0, INPUT; 0 1 2 3 4 5 6 7),
        array!(rw CONFIG, 0x10, "CH[", "].CONFIG", 0x2_0000, CONFIG_FIELDS; 0 1 2 3 4 5 6 7),
        array!(rw LIMIT, 0x10, "CH[", "].LIMIT", 0x7FFF_8000; 0 1 2 3 4 5 6 7),
        array!(stub 0x640, 4, "ERRATUM_212[", "]", 0; 0 1 2),
        NRF51_POWER,
    ],
);

/// SAADC; channels `ain0` to `ain7` and `vdd` are voltages.
///
/// With oversampling every SAMPLE gives a result when BURST is on or one channel was sampled often enough;
/// inputs do not change within a conversion, so averages equal single samples.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saadc {
    inputs: Inputs,
    started: bool,
    ptr: u32,
    left: u32,
    amount: u32,
    /// Samples taken toward the next oversampled result.
    collected: u32,
    conversion: Time,
    timer: Time,
    calibrated: Time,
}

impl Saadc {
    fn enabled(io: &Io<'_, '_>) -> impl Iterator<Item = u32> {
        let set = (0..8).fold(0u32, |set, n| set | u32::from(io.reg(PSELP + n * 0x10) != 0) << n);
        (0..8).filter(move |n| set >> n & 1 != 0)
    }

    fn input(&self, select: u32) -> i64 {
        match select {
            1..=8 => self.inputs.pins[(select - 1) as usize],
            9 => self.inputs.vdd,
            0xD => self.inputs.vdd / 5,
            _ => 0,
        }
    }

    /// PS "SAADC", Digital output, equation 1: RESULT = [V(P) - V(N)] * GAIN / REFERENCE * 2^(RESOLUTION -
    /// m).
    fn convert(&self, channel: u32, io: &Io<'_, '_>) -> i16 {
        let config = io.reg(CONFIG + channel * 0x10);
        let differential = config >> 20 & 1 != 0;
        let negative = if differential { self.input(io.reg(PSELN + channel * 0x10)) } else { 0 };
        let volts = self.input(io.reg(PSELP + channel * 0x10)) - negative;
        let (times, by) =
            [(1, 6), (1, 5), (1, 4), (1, 3), (1, 2), (1, 1), (2, 1), (4, 1)][(config >> 8 & 7) as usize];
        let reference = if config >> 12 & 1 != 0 { self.inputs.vdd / 4 } else { 600_000 };
        let bits = 8 + 2 * io.reg(RESOLUTION).min(3) - u32::from(differential);
        let most = (1i64 << bits) - 1;
        let result = volts * times * (most + 1) / (by * reference).max(1);
        let least = if differential || volts < 0 { -most - 1 } else { 0 };
        result.clamp(least, most) as i16
    }

    /// PS "SAADC", Acquisition time: t_ACQ + t_CONV of all channels, times the samples of a burst.
    fn duration(io: &Io<'_, '_>) -> Time {
        let us: u64 = Self::enabled(io)
            .map(|n| {
                let config = io.reg(CONFIG + n * 0x10);
                let acquire = [3, 5, 10, 15, 20, 40, 40, 40][(config >> 16 & 7) as usize];
                let burst = if config >> 24 & 1 != 0 { 1 << io.reg(OVERSAMPLE).min(8) } else { 1 };
                (acquire + 2) * burst
            })
            .sum();
        Time::from_us(us.max(1))
    }

    fn sample(&mut self, io: &mut Io<'_, '_>) {
        if self.started && self.conversion == Time::MAX && io.reg(ENABLE) != 0 {
            self.conversion = io.now() + Self::duration(io);
        }
    }

    fn converted(&mut self, io: &mut Io<'_, '_>) {
        self.conversion = Time::MAX;
        let burst = Self::enabled(io).any(|n| io.reg(CONFIG + n * 0x10) >> 24 & 1 != 0);
        let needed = if burst { 1 } else { 1 << io.reg(OVERSAMPLE).min(8) };
        self.collected += 1;
        io.raise(DONE);
        if self.collected < needed {
            return;
        }
        self.collected = 0;
        let channels: Vec<u32> = Self::enabled(io).collect();
        for channel in channels {
            if self.left == 0 {
                break;
            }
            let result = self.convert(channel, io);
            dma::write(io, self.ptr.wrapping_add(self.amount * 2), &result.to_le_bytes());
            self.amount += 1;
            self.left -= 1;
            io.set(RESULT_AMOUNT, self.amount);
            io.raise(RESULTDONE);
            let limit = io.reg(LIMIT + channel * 0x10);
            if result >= (limit >> 16) as u16 as i16 {
                io.raise(LIMITH + channel * 8);
            }
            if result <= limit as u16 as i16 {
                io.raise(LIMITH + 4 + channel * 8);
            }
        }
        if self.left == 0 {
            self.started = false;
            self.timer = Time::MAX;
            io.raise(END);
        }
    }
}

impl Logic for Saadc {
    const KIND: &'static str = "nordic-saadc";
    const DOC: &'static str = "The analog to digital converter of nRF52.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {
            inputs: Inputs::default(),
            started: false,
            ptr: 0,
            left: 0,
            amount: 0,
            collected: 0,
            conversion: Time::MAX,
            timer: Time::MAX,
            calibrated: Time::MAX,
        }
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn pins(&self) -> &'static [&'static str] {
        &["ain0", "ain1", "ain2", "ain3", "ain4", "ain5", "ain6", "ain7"]
    }

    fn volts(&mut self, pin: u16, microvolts: i64) {
        if let Some(input) = self.inputs.pins.get_mut(usize::from(pin)) {
            *input = microvolts;
        }
    }

    fn channels(&self) -> Vec<Channel> {
        Inputs::channels()
    }

    fn present(&self, channel: &str) -> Option<Value> {
        self.inputs.get(channel)
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self { inputs: self.inputs.clone(), ..Self::new(NoConfig {}) };
    }

    fn view(&self, offset: u32, _: &Regs<'_>, _: Time) -> Option<u32> {
        let busy = self.conversion != Time::MAX || self.calibrated != Time::MAX;
        (offset == STATUS).then(|| u32::from(busy))
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        if io.reg(ENABLE) == 0 {
            return;
        }
        match task {
            START => {
                (self.ptr, self.left) = (io.reg(RESULT_PTR), io.reg(RESULT_MAXCNT));
                (self.amount, self.collected, self.started) = (0, 0, true);
                io.set(RESULT_AMOUNT, 0);
                io.raise(STARTED);
            }
            SAMPLE => {
                self.sample(io);
                let rate = io.reg(SAMPLERATE);
                // PS "SAADC", SAMPLERATE: in timer mode the first SAMPLE starts sampling at 16 MHz / CC.
                if rate >> 12 & 1 != 0 && self.started {
                    self.timer = io.now() + Time::from_ps(u64::from((rate & 0x7FF).max(80)) * 62_500);
                }
            }
            STOP => {
                self.started = false;
                (self.conversion, self.timer) = (Time::MAX, Time::MAX);
                io.raise(STOPPED);
            }
            _ => self.calibrated = io.now() + Time::from_us(8),
        }
    }

    fn deadline(&self) -> Time {
        self.conversion.min(self.timer).min(self.calibrated)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        let now = io.now();
        if self.calibrated <= now {
            self.calibrated = Time::MAX;
            io.raise(CALIBRATEDONE);
        }
        if self.conversion <= now {
            self.converted(io);
        }
        if self.timer <= now {
            self.timer = Time::MAX;
            self.task(SAMPLE, io);
        }
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

    /// One channel on AIN0 at 3.6 V full scale, ten bits, into a buffer of `count`.
    fn single(count: u32) -> Rig<Block<Saadc>> {
        let mut rig = Rig::new(Block::<Saadc>::new(NoConfig {}));
        rig.host.base = 0x2000_0000;
        rig.host.memory = vec![0; 64];
        rig.write(ENABLE, 1);
        rig.write(PSELP, 1);
        rig.write(RESULT_PTR, 0x2000_0000);
        rig.write(RESULT_MAXCNT, count);
        rig
    }

    fn feed(rig: &mut Rig<Block<Saadc>>, volts: f64) {
        rig.with(|adc, cx| adc.set("ain0", &Value::Number(volts), cx)).unwrap();
    }

    #[test]
    fn the_internal_timer_samples_until_the_buffer_is_full() {
        // PS "SAADC", SAMPLERATE: 16 MHz / CC; END once RESULT.MAXCNT results are in RAM.
        let mut rig = single(3);
        feed(&mut rig, 1.8);
        rig.write(SAMPLERATE, 1 << 12 | 1_600);
        rig.write(START, 1);
        rig.write(SAMPLE, 1);
        rig.run_for(Time::from_us(211));
        assert_eq!((rig.read(RESULT_AMOUNT), rig.read(END)), (2, 0));
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(RESULT_AMOUNT), rig.read(END), rig.wake), (3, 1, Time::MAX));
        assert_eq!(rig.host.memory[..8], [0, 2, 0, 2, 0, 2, 0, 0]);
    }

    #[test]
    fn limits_are_watched_and_calibration_and_stop_answer() {
        // PS "SAADC", CH[n].LIMIT, EVENTS_CALIBRATEDONE, EVENTS_STOPPED.
        let mut rig = single(8);
        rig.write(LIMIT, 600 << 16 | 100);
        rig.write(START, 1);
        for (volts, high, low) in [(1.8, 0, 0), (2.2, 1, 0), (0.3, 0, 1)] {
            feed(&mut rig, volts);
            rig.write(LIMITH, 0);
            rig.write(LIMITH + 4, 0);
            rig.write(SAMPLE, 1);
            rig.run_for(Time::from_us(12));
            assert_eq!((rig.read(LIMITH), rig.read(LIMITH + 4)), (high, low), "{volts}");
        }
        rig.write(STOP, 1);
        assert_eq!(rig.read(STOPPED), 1);
        rig.write(CALIBRATEOFFSET, 1);
        rig.run_for(Time::from_us(8));
        assert_eq!(rig.read(CALIBRATEDONE), 1);
    }

    #[test]
    fn channels_are_scanned_into_ram() {
        let mut rig = Rig::new(Block::<Saadc>::new(NoConfig {}));
        rig.host.base = 0x2000_0000;
        rig.host.memory = vec![0; 16];
        rig.with(|adc, cx| adc.set("ain1", &Value::Number(1.8), cx)).unwrap();
        rig.write(ENABLE, 1);
        rig.write(PSELP, 2); // AIN1, gain 1/6, 0.6 V: 3.6 V full scale
        rig.write(PSELP + 0x10, 9); // VDD
        rig.write(LIMIT, 0x0100_0000);
        rig.write(RESOLUTION, 2); // 12 bits
        rig.write(RESULT_PTR, 0x2000_0000);
        rig.write(RESULT_MAXCNT, 2);
        rig.write(START, 1);
        assert_eq!(rig.read(STARTED), 1);
        rig.write(SAMPLE, 1);
        rig.run_for(Time::from_us(23));
        assert_eq!((rig.read(END), rig.read(STATUS)), (0, 1));
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(END), rig.read(RESULT_AMOUNT), rig.read(LIMITH)), (1, 2, 1));
        let word = |at: usize| u16::from_le_bytes([rig.host.memory[at], rig.host.memory[at + 1]]);
        assert_eq!((word(0), word(2)), (2_048, 3_413));
    }
}
