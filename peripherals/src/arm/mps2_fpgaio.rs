//! MPS2 FPGA I/O (AN385, "FPGA system control and I/O"): LEDs, buttons, counters, chip selects.

use consort_core::component::{Channel, Component, Cx, Field, Model, Picture, Register, SetError, Value};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{Lines, Told, Words, word_registers};
use crate::count::DownCounter;

const LED0: u32 = 0x00;
const BUTTON: u32 = 0x08;
const CLK1HZ: u32 = 0x10;
const CLK100HZ: u32 = 0x14;
const COUNTER: u32 = 0x18;
const PRESCALE: u32 = 0x1C;
const PSCNTR: u32 = 0x20;
const MISC: u32 = 0x4C;

static REGISTERS: &[Register] = &[
    Register::rw(LED0, "LED0", 0).fields(&[Field::new("LED", 0, 2)]),
    Register::ro(BUTTON, "BUTTON", 0).fields(&[Field::new("BUTTON", 0, 2)]),
    Register::rw(CLK1HZ, "CLK1HZ", 0),
    Register::rw(CLK100HZ, "CLK100HZ", 0),
    Register::rw(COUNTER, "COUNTER", 0),
    Register::rw(PRESCALE, "PRESCALE", 0),
    Register::rw(PSCNTR, "PSCNTR", 0),
    Register::rw(MISC, "MISC", 0).fields(&[
        Field::new("CLCD_CS", 0, 1),
        Field::new("SPI_nSS", 1, 1),
        Field::new("CLCD_RESET", 3, 1),
        Field::new("CLCD_RS", 4, 1),
        Field::new("CLCD_RD", 5, 1),
        Field::new("CLCD_BL_CTRL", 6, 1),
        Field::new("ADC_SPI_nCS", 7, 1),
        Field::new("SHIELD_0_SPI_nCS", 8, 1),
        Field::new("SHIELD_1_SPI_nCS", 9, 1),
    ]),
];

const MISC_WRITABLE: u32 = 0x3FB;
const HZ_1: Clock = Clock::of(1);
const HZ_100: Clock = Clock::of(100);

/// What a board says about the FPGA I/O block.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The clock of the cycle counter and its prescaler, in Hz.
    clock: Clock,
}

/// A counter that a clock counts up.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct UpCounter {
    value: u32,
    since: Time,
}

impl UpCounter {
    fn value(self, clock: Clock, now: Time) -> u32 {
        self.value.wrapping_add(clock.cycles_by(now.since(self.since)).0 as u32)
    }
}

/// The block. LEDs and MISC bits are output lines, the two buttons are channels (1 = pressed).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mps2Fpgaio {
    clock: Clock,
    led: u32,
    button: u32,
    misc: u32,
    clk1hz: UpCounter,
    clk100hz: UpCounter,
    /// COUNTER as of the beginning of `prescaler`.
    counter: u32,
    prescale: u32,
    prescaler: DownCounter,
    lines: Lines,
    told: Told,
}

impl Mps2Fpgaio {
    /// The cycle counter advances each time the prescale counter reaches 0.
    fn catch_up(&mut self, now: Cycles) {
        self.counter = self.counter.wrapping_add(self.prescaler.settle(self.prescale, now) as u32);
    }

    fn drive(&mut self, cx: &mut Cx<'_>) {
        let misc = (self.misc & 0b11) | (self.misc >> 1 & 0x1FC); // bit 2 is reserved
        self.lines.drive(u64::from(self.led | misc << 2), 11, cx);
    }
}

impl Words for Mps2Fpgaio {
    fn look(&self, offset: u32, now: Time) -> u32 {
        // A division, which a poll of the LEDs need not pay for.
        let cycle = || self.clock.cycles_by(now);
        match offset {
            LED0 => self.led,
            BUTTON => self.button,
            CLK1HZ => self.clk1hz.value(HZ_1, now),
            CLK100HZ => self.clk100hz.value(HZ_100, now),
            COUNTER => self.counter.wrapping_add(self.prescaler.zeros(self.prescale, cycle()) as u32),
            PRESCALE => self.prescale,
            PSCNTR => self.prescaler.value(self.prescale, cycle()),
            MISC => self.misc,
            _ => 0,
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let now = cx.now();
        self.catch_up(self.clock.cycles_by(now));
        match offset {
            LED0 => self.led = value & 0b11,
            CLK1HZ => self.clk1hz = UpCounter { value, since: now },
            CLK100HZ => self.clk100hz = UpCounter { value, since: now },
            COUNTER => self.counter = value,
            PRESCALE => self.prescale = value,
            PSCNTR => self.prescaler.load(value, self.clock.cycles_by(now)),
            MISC => self.misc = value & MISC_WRITABLE,
            _ => {}
        }
        self.drive(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(Mps2Fpgaio, REGISTERS);

impl Component for Mps2Fpgaio {
    fn lines(&self) -> &'static [&'static str] {
        &[
            "led0",
            "led1",
            "clcd-cs",
            "spi-nss",
            "clcd-reset",
            "clcd-rs",
            "clcd-rd",
            "clcd-bl",
            "adc-ncs",
            "shield0-ncs",
            "shield1-ncs",
        ]
    }
    fn channels(&self) -> Vec<Channel> {
        vec![
            Channel::switch("button0", "the user button PB1 is pressed"),
            Channel::switch("button1", "the user button PB2 is pressed"),
        ]
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        let button = self.button;
        *self = Self::new(Config { clock: self.clock });
        self.button = button;
        self.clk1hz.since = cx.now();
        self.clk100hz.since = cx.now();
        self.prescaler.pace(1, 0, self.clock.cycles_by(cx.now()));
    }
    fn set(&mut self, channel: &str, value: &Value, _: &mut Cx<'_>) -> Result<(), SetError> {
        let bit = match channel {
            "button0" => 1,
            "button1" => 2,
            _ => return Err(SetError::NoChannel(channel.to_owned())),
        };
        let Value::Bool(pressed) = value else {
            let expected = "true (pressed) or false".to_owned();
            return Err(SetError::BadValue { channel: channel.to_owned(), expected });
        };
        self.button = if *pressed { self.button | bit } else { self.button & !bit };
        Ok(())
    }
    fn get(&self, channel: &str) -> Option<Value> {
        let bit = match channel {
            "button0" => 1,
            "button1" => 2,
            _ => return None,
        };
        Some(Value::Bool(self.button & bit != 0))
    }
    fn shows(&self) -> Option<u64> {
        Some(u64::from(self.led))
    }
    fn picture(&self) -> Option<Picture> {
        Some(Picture::row_of_lamps(self.led, 2, [0, 255, 0]))
    }
}

impl Model for Mps2Fpgaio {
    const KIND: &'static str = "arm-mps2-fpgaio";
    const DOC: &'static str = "MPS2 FPGA I/O: LEDs, buttons, 1 Hz, 100 Hz and cycle counters, chip selects.";
    type Config = Config;

    fn new(config: Config) -> Self {
        let zero = UpCounter { value: 0, since: Time::ZERO };
        Self {
            clock: config.clock,
            led: 0,
            button: 0,
            misc: 0,
            clk1hz: zero,
            clk100hz: zero,
            counter: 0,
            prescale: 0,
            prescaler: DownCounter::stopped(0),
            lines: Lines::default(),
            told: Told::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::state::State as _;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Mps2Fpgaio> {
        Rig::new(Mps2Fpgaio::new(Config { clock: Clock::of(25_000_000) }))
    }

    #[test]
    fn the_clocks_count_from_what_was_written() {
        let mut rig = rig();
        rig.run_until(Time::from_ms(1999));
        assert_eq!((rig.read(CLK1HZ), rig.read(CLK100HZ)), (1, 199));
        rig.write(CLK1HZ, 0xFFFF_FFFF);
        rig.run_for(Time::from_secs(1));
        assert_eq!(rig.read(CLK1HZ), 0, "32 bits wrap");
    }

    #[test]
    fn the_cycle_counter_counts_prescaled_cycles() {
        let mut rig = rig();
        rig.run_until(Time::from_us(1));
        assert_eq!(rig.read(COUNTER), 25);
        rig.write(PRESCALE, 24);
        rig.write(PSCNTR, 24);
        rig.write(COUNTER, 1000);
        rig.run_for(Time::from_ns(23 * 40));
        assert_eq!((rig.read(PSCNTR), rig.read(COUNTER)), (1, 1000));
        rig.run_for(Time::from_ns(40));
        assert_eq!((rig.read(PSCNTR), rig.read(COUNTER)), (0, 1001));
        rig.run_for(Time::from_us(10));
        assert_eq!(rig.read(COUNTER), 1011);
    }

    #[test]
    fn leds_and_chip_selects_are_lines() {
        let mut rig = rig();
        rig.write(LED0, 0b10);
        assert!(!rig.line("led0") && rig.line("led1"));
        rig.write(MISC, 1 << 8 | 1 << 3 | 1 << 2);
        assert_eq!(rig.read(MISC), 1 << 8 | 1 << 3);
        assert!(rig.line("shield0-ncs") && rig.line("clcd-reset"));
        assert!(!rig.line("shield1-ncs") && !rig.line("clcd-rs") && !rig.line("spi-nss"));
    }

    #[test]
    fn buttons_follow_their_channels() {
        let mut rig = rig();
        let mut set = |channel: &str, value| rig.with(|io, cx| io.set(channel, &value, cx));
        assert_eq!(set("button1", Value::Bool(true)), Ok(()));
        assert!(matches!(set("button2", Value::Bool(true)), Err(SetError::NoChannel(_))));
        assert!(matches!(set("button0", Value::Number(1.0)), Err(SetError::BadValue { .. })));
        assert_eq!(rig.read(BUTTON), 0b10);
        rig.write(BUTTON, 0);
        assert_eq!(rig.read(BUTTON), 0b10);
    }

    #[test]
    fn a_saved_block_goes_on_as_if_never_stopped() {
        let mut straight = rig();
        straight.write(PRESCALE, 6);
        straight.run_until(Time::from_us(333));
        let mut other = rig();
        other.component.restore(&straight.component.save().unwrap()).unwrap();
        other.now = straight.now;
        for offset in [CLK100HZ, COUNTER, PSCNTR] {
            straight.run_for(Time::from_ms(77));
            other.run_for(Time::from_ms(77));
            assert_eq!(other.read(offset), straight.read(offset));
        }
    }
}
