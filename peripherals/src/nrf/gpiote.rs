//! GPIOTE: tasks that drive pins and events that pins give.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "GPIOTE".

use consort_core::Addr;
use consort_core::component::{Field, Register};
use serde::{Deserialize, Serialize};

use super::block::{EventInfo, Io, Logic, NRF51_POWER, Series, SeriesConfig, Spec, array, erratum, event, f};
use super::gpio::Signal;

const OUT: u32 = 0x000;
const SET: u32 = 0x030;
const CLR: u32 = 0x060;
const IN: u32 = 0x100;
const PORT: u32 = 0x17C;
const CONFIG: u32 = 0x510;

const FIELDS: &[Field] =
    &[f("MODE", 0, 2), f("PSEL", 8, 5), f("PORT", 13, 1), f("POLARITY", 16, 2), f("OUTINIT", 20, 1)];
const PORT_EVENT: &[EventInfo] = &[event(PORT, "EVENTS_PORT", 31)];

static SPEC51: Spec = Spec::new(
    &[array!(wo OUT, 4, "TASKS_OUT[", "]"; 0 1 2 3)],
    &[array!(event IN, 4, "EVENTS_IN[", "]", 0, 1; 0 1 2 3), PORT_EVENT],
    &[],
    &[
        array!(rw CONFIG, 4, "CONFIG[", "]", 0, FIELDS; 0 1 2 3),
        &[erratum(0xC18, "ERRATUM_26", 0)],
        NRF51_POWER,
    ],
);
const TASKS52: &[&[Register]] = &[
    array!(wo OUT, 4, "TASKS_OUT[", "]"; 0 1 2 3 4 5 6 7),
    array!(wo SET, 4, "TASKS_SET[", "]"; 0 1 2 3 4 5 6 7),
    array!(wo CLR, 4, "TASKS_CLR[", "]"; 0 1 2 3 4 5 6 7),
];
static SPEC52: Spec = Spec::new(
    TASKS52,
    &[array!(event IN, 4, "EVENTS_IN[", "]", 0, 1; 0 1 2 3 4 5 6 7), PORT_EVENT],
    &[],
    &[
        array!(rw CONFIG, 4, "CONFIG[", "]", 0, FIELDS; 0 1 2 3 4 5 6 7),
        array!(stub 0x600, 4, "ERRATUM_155[", "]", 0; 0 1 2 3 4 5 6 7),
    ],
);

const EVENT_MODE: u32 = 1;
const TASK_MODE: u32 = 3;
const LO_TO_HI: u32 = 1;
const HI_TO_LO: u32 = 2;
const TOGGLE: u32 = 3;

/// GPIOTE. It hears the pads' levels and drives pads by [`Signal`]s.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gpiote {
    series: Series,
    /// The level each channel in task mode drives.
    outputs: u8,
}

impl Gpiote {
    fn channels(&self) -> u32 {
        match self.series {
            Series::Nrf51 => 4,
            Series::Nrf52 => 8,
        }
    }

    fn pin(config: u32) -> u8 {
        (config >> 8 & 0x3F) as u8
    }

    fn drive(&mut self, channel: u32, level: bool, io: &mut Io<'_, '_>) {
        let config = io.reg(CONFIG + channel * 4);
        if config & 3 != TASK_MODE {
            return;
        }
        self.outputs = self.outputs & !(1 << channel) | u8::from(level) << channel;
        Signal::Take { pin: Self::pin(config), level: Some(level) }.send(io);
    }
}

impl Logic for Gpiote {
    const KIND: &'static str = "nordic-gpiote";
    const DOC: &'static str = "GPIO tasks and events.";
    type Config = SeriesConfig;

    fn new(config: SeriesConfig) -> Self {
        Self { series: config.series, outputs: 0 }
    }

    fn spec(&self) -> &'static Spec {
        match self.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn listens(&self) -> bool {
        true
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        self.outputs = 0;
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        let (base, what) = match task {
            ..SET => (OUT, None),
            SET..CLR => (SET, Some(true)),
            _ => (CLR, Some(false)),
        };
        let channel = (task - base) / 4;
        let level = what.unwrap_or_else(|| match io.reg(CONFIG + channel * 4) >> 16 & 3 {
            LO_TO_HI => true,
            HI_TO_LO => false,
            TOGGLE => self.outputs >> channel & 1 == 0,
            _ => self.outputs >> channel & 1 != 0,
        });
        self.drive(channel, level, io);
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        if !(CONFIG..CONFIG + 0x20).contains(&offset) {
            return;
        }
        let channel = (offset - CONFIG) / 4;
        let moved = value & 3 != TASK_MODE || Self::pin(value) != Self::pin(old);
        if old & 3 == TASK_MODE && moved {
            Signal::Take { pin: Self::pin(old), level: None }.send(io);
        }
        // PS "GPIOTE", CONFIG, OUTINIT: the level when the channel is configured, again with each write of
        // CONFIG.
        if value & 3 == TASK_MODE {
            self.drive(channel, value >> 20 & 1 != 0, io);
        }
    }

    fn bus_event(&mut self, addr: Addr, io: &mut Io<'_, '_>) {
        match Signal::parse(addr) {
            Some(Signal::Level { pin, level }) => {
                for channel in 0..self.channels() {
                    let config = io.reg(CONFIG + channel * 4);
                    let wanted = match config >> 16 & 3 {
                        LO_TO_HI => level,
                        HI_TO_LO => !level,
                        TOGGLE => true,
                        _ => false,
                    };
                    if config & 3 == EVENT_MODE && Self::pin(config) == pin && wanted {
                        io.raise(IN + channel * 4);
                    }
                }
            }
            Some(Signal::Detect { level: true, .. }) => io.raise(PORT),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::{Block, INTENSET};
    use crate::nrf::gpio::{Gpio, GpioConfig};
    use consort_core::component::{Component, Model};
    use consort_core::testing::Rig;

    /// A port and GPIOTE with the event bus between them.
    struct Bench {
        gpio: Rig<Block<Gpio>>,
        gpiote: Rig<Block<Gpiote>>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                gpio: Rig::new(Block::new(GpioConfig::default())),
                gpiote: Rig::new(Block::new(SeriesConfig::default())),
            }
        }
        fn settle(&mut self) {
            for offset in std::mem::take(&mut self.gpio.events) {
                self.gpiote.with(|gpiote, cx| gpiote.bus_event(0x5000_0000 + u64::from(offset), cx));
            }
            for offset in std::mem::take(&mut self.gpiote.events) {
                self.gpio.with(|gpio, cx| gpio.bus_event(0x4000_6000 + u64::from(offset), cx));
            }
        }
        fn write(&mut self, offset: u32, value: u32) {
            self.gpiote.write(offset, value);
            self.settle();
        }
        fn input(&mut self, pin: u16, level: bool) {
            self.gpio.input(pin, level);
            self.settle();
        }
    }

    #[test]
    fn tasks_drive_the_pin_whatever_out_and_dir_say() {
        // PS "GPIOTE", Pin events and tasks: in task mode GPIOTE owns the pin; OUTINIT is its first level.
        let mut bench = Bench::new();
        bench.write(CONFIG, TASK_MODE | 5 << 8 | TOGGLE << 16 | 1 << 20);
        assert!(bench.gpio.lines[5]);
        bench.write(OUT, 1);
        assert!(!bench.gpio.lines[5]);
        bench.write(SET, 1);
        assert!(bench.gpio.lines[5]);
        bench.write(CLR, 1);
        assert!(!bench.gpio.lines[5]);
        bench.write(CONFIG, TASK_MODE | 5 << 8 | TOGGLE << 16 | 1 << 20);
        assert!(bench.gpio.lines[5], "configured again");
        bench.write(OUT, 1);
        bench.write(CONFIG, 0);
        assert!(!bench.gpio.lines[5], "given back to OUT and DIR");
    }

    #[test]
    fn edges_of_the_chosen_polarity_give_events() {
        // PS "GPIOTE", Pin events and tasks, CONFIG: an IN event for the edges that POLARITY chooses.
        let mut bench = Bench::new();
        bench.write(CONFIG + 4, EVENT_MODE | 7 << 8 | HI_TO_LO << 16);
        bench.write(INTENSET, 2);
        bench.input(7, true);
        assert_eq!(bench.gpiote.read(IN + 4), 0);
        bench.input(7, false);
        assert_eq!((bench.gpiote.read(IN + 4), bench.gpiote.line("irq")), (1, true));
    }

    #[test]
    fn detect_gives_the_port_event() {
        // PS "GPIOTE", Port event: PORT comes with a rising DETECT.
        let mut bench = Bench::new();
        bench.gpio.write(0x700 + 3 * 4, 2 << 16);
        bench.input(3, true);
        assert_eq!(bench.gpiote.read(PORT), 1);
        bench.write(PORT, 0);
        bench.input(3, false);
        assert_eq!(bench.gpiote.read(PORT), 0);
    }
}
