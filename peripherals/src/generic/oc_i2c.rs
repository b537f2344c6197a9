//! The OpenCores I2C master (I2C-Master Core Specification 0.9), its 8-bit registers 4 bytes apart.

use consort_core::component::{Component, Cx, Field, Model, Register};
use consort_core::time::Cycles;
use consort_core::{Clock, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{Lines, Told, Words, word_registers};

const PRERLO: u32 = 0x00;
const PRERHI: u32 = 0x04;
const CTR: u32 = 0x08;
const DATA: u32 = 0x0C;
const COMMAND: u32 = 0x10;

/// CTR: the core is on; it interrupts.
const EN: u8 = 0x80;
const IEN: u8 = 0x40;
/// CR: START, STOP, read, write, no acknowledge for what is read, interrupt acknowledge.
const STA: u8 = 0x80;
const STO: u8 = 0x40;
const RD: u8 = 0x20;
const WR: u8 = 0x10;
const NACK: u8 = 0x08;
const IACK: u8 = 0x01;
/// SR: nobody acknowledged, the bus is taken, a command is under way, an interrupt is pending.
const RXACK: u8 = 0x80;
const BUSY: u8 = 0x40;
const TIP: u8 = 0x02;
const IF: u8 = 0x01;

const ON: &[Field] = &[Field::new("IEN", 6, 1), Field::new("EN", 7, 1)];
const STATUS: &[Field] = &[
    Field::new("IF", 0, 1),
    Field::new("TIP", 1, 1),
    Field::new("AL", 5, 1),
    Field::new("Busy", 6, 1),
    Field::new("RxACK", 7, 1),
];

/// What is written at DATA is TXR, at COMMAND CR.
static REGISTERS: &[Register] = &[
    Register::rw(PRERLO, "PRERlo", 0xFF),
    Register::rw(PRERHI, "PRERhi", 0xFF),
    Register::rw(CTR, "CTR", 0).fields(ON),
    Register::rw(DATA, "RXR", 0),
    Register::rw(COMMAND, "SR", 0).fields(STATUS),
];

/// What a board says about the controller.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its clock in Hz, which the prescaler divides.
    clock: Clock,
}

/// The controller, alone on its bus: it never loses arbitration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OcI2c {
    clock: Clock,
    prescale: u16,
    control: u8,
    transmit: u8,
    receive: u8,
    status: u8,
    /// The command under way.
    command: u8,
    /// START was sent, the next byte is the address.
    started: bool,
    lines: Lines,
    told: Told,
}

impl OcI2c {
    /// Carries `command` out; the guest learns of it when the wires would have.
    fn begin(&mut self, command: u8, cx: &mut Cx<'_>) {
        if command & STA != 0 {
            self.started = true;
            self.status |= BUSY;
        }
        if command & WR != 0 {
            let byte = self.transmit;
            let answered = if std::mem::take(&mut self.started) {
                cx.i2c_start(byte >> 1, byte & 1 != 0)
            } else {
                cx.i2c_write(byte)
            };
            self.status = self.status & !RXACK | if answered { 0 } else { RXACK };
        } else if command & RD != 0 {
            self.receive = cx.i2c_read(command & NACK != 0);
        }
        if command & STO != 0 {
            self.started = false;
            cx.i2c_stop();
        }
        self.command = command;
        self.status |= TIP;
        let bits = |mask: u8, bits: u64| if command & mask != 0 { bits } else { 0 };
        // Section 3.2.1: the wires' clock is the core's by five and the prescaler.
        let ticks = 5 * (u64::from(self.prescale) + 1) * (bits(STA, 1) + bits(RD | WR, 9) + bits(STO, 1));
        cx.wake_at(cx.now() + self.clock.time_of(Cycles(ticks)));
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let line = self.status & IF != 0 && self.control & IEN != 0;
        self.lines.drive(line.into(), 1, cx);
    }
}

impl Words for OcI2c {
    fn look(&self, offset: u32, _: Time) -> u32 {
        let [low, high] = self.prescale.to_le_bytes();
        u32::from(match offset {
            PRERLO => low,
            PRERHI => high,
            CTR => self.control,
            DATA => self.receive,
            _ => self.status,
        })
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let value = value as u8;
        match offset {
            PRERLO => self.prescale = self.prescale & 0xFF00 | u16::from(value),
            PRERHI => self.prescale = self.prescale & 0x00FF | u16::from(value) << 8,
            CTR => {
                self.control = value & (EN | IEN);
                if value & EN == 0 && self.status & TIP != 0 {
                    self.status &= !(TIP | BUSY);
                    cx.no_wake();
                }
            }
            DATA => self.transmit = value,
            _ => {
                if value & IACK != 0 {
                    self.status &= !IF;
                }
                let ready = self.control & EN != 0 && self.status & TIP == 0;
                match value & (STA | STO | RD | WR) {
                    0 => {}
                    _ if ready => self.begin(value, cx),
                    _ if self.told.first(0) => {
                        cx.guest_error("a command while CTR.EN is 0 or another is under way is ignored");
                    }
                    _ => {}
                }
            }
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(OcI2c, REGISTERS);

impl Component for OcI2c {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }
    fn reset(&mut self, _: &mut Cx<'_>) {
        *self = Self::new(Config { clock: self.clock });
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.status = self.status & !TIP | IF;
        if self.command & STO != 0 {
            self.status &= !BUSY;
        }
        self.settle(cx);
    }
}

impl Model for OcI2c {
    const KIND: &'static str = "opencores-i2c";
    const DOC: &'static str = "OpenCores I2C master.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            clock: config.clock,
            prescale: 0xFFFF,
            control: 0,
            transmit: 0,
            receive: 0,
            status: 0,
            command: 0,
            started: false,
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

    fn rig() -> Rig<OcI2c> {
        let config = serde_json::from_str(r#"{"clock": 24000000}"#).unwrap();
        let mut rig = Rig::new(OcI2c::new(config));
        rig.host.i2c_address = Some(0x1D);
        rig.write(PRERLO, 11); // 400 kHz
        rig.write(PRERHI, 0);
        rig.write(CTR, (EN | IEN).into());
        rig
    }

    /// Gives a command and waits for its end.
    fn command(rig: &mut Rig<OcI2c>, command: u8) -> u8 {
        rig.write(COMMAND, command.into());
        rig.run_for(Time::from_us(30));
        assert!(rig.line("irq"), "{command:#x}");
        rig.write(COMMAND, IACK.into());
        assert!(!rig.line("irq"));
        rig.read(COMMAND) as u8
    }

    #[test]
    fn a_register_is_read_at_the_bus_speed() {
        let mut rig = rig();
        rig.host.bus_data = [0xA5, 0x3C].into();
        rig.write(DATA, 0x1D << 1);
        rig.write(COMMAND, (STA | WR).into());
        rig.run_for(Time::from_us(24));
        assert_eq!(rig.read(COMMAND) as u8, BUSY | TIP);
        rig.run_for(Time::from_us(1)); // ten bits of 2.5 us
        assert_eq!(rig.read(COMMAND) as u8, BUSY | IF);
        assert!(rig.line("irq"));
        rig.write(DATA, 0x01);
        assert_eq!(command(&mut rig, WR), BUSY);
        rig.write(DATA, 0x1D << 1 | 1);
        assert_eq!(command(&mut rig, STA | WR), BUSY);
        assert_eq!((command(&mut rig, RD), rig.read(DATA)), (BUSY, 0xA5));
        assert_eq!((command(&mut rig, RD | NACK | STO), rig.read(DATA)), (0, 0x3C));
        assert_eq!(rig.host.bus_log, ["start 1d w", "w 01", "start 1d r", "r", "r last", "stop"]);
    }

    #[test]
    fn nobody_answers_and_a_disabled_core_does_nothing() {
        let mut rig = rig();
        rig.write(DATA, 0x42 << 1);
        assert_eq!(command(&mut rig, STA | WR), BUSY | RXACK);
        assert_eq!(command(&mut rig, STO), RXACK);
        rig.write(CTR, 0);
        rig.write(COMMAND, (STA | WR).into());
        assert_eq!(rig.read(COMMAND) as u8, RXACK);
    }

    #[test]
    fn a_saved_command_goes_on() {
        let mut rig = rig();
        rig.write(DATA, 0x1D << 1);
        rig.write(COMMAND, (STA | WR).into());
        let (saved, wake) = (rig.component.save().unwrap(), rig.wake);
        let mut other = self::rig();
        other.component.restore(&saved).unwrap();
        other.wake = wake;
        other.run_for(Time::from_us(25));
        assert!(other.line("irq"));
    }
}
