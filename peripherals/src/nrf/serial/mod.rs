//! SPI, SPIM, SPIS, TWI, TWIM and TWIS: the serial interfaces that share one base, told apart by ENABLE.
//!
//! nRF51 Reference Manual v3.0, "SPI", "SPIS", "TWI"; nRF52832 PS v1.4, "SPIM",
//! "SPIS", "TWIM", "TWIS".

mod spi;
mod spis;
mod twi;
mod twis;

use consort_core::Time;
use consort_core::component::{Coverage, Field, Register};
use consort_core::wire::{Signal, WireKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{
    EventInfo, Io, Logic, NRF51_POWER, Regs, Series, Short, Spec, event, f, psel, short, stub, task,
};

const STARTRX: u32 = 0x000;
const STARTTX: u32 = 0x008;
const START: u32 = 0x010;
const STOP: u32 = 0x014;
const SUSPEND: u32 = 0x01C;
const RESUME: u32 = 0x020;
const ACQUIRE: u32 = 0x024;
const RELEASE: u32 = 0x028;
const PREPARERX: u32 = 0x030;
const PREPARETX: u32 = 0x034;
const STOPPED: u32 = 0x104;
const READY: u32 = 0x108;
const ENDRX: u32 = 0x110;
const END: u32 = 0x118;
const TXDSENT: u32 = 0x11C;
const ENDTX: u32 = 0x120;
const ERROR: u32 = 0x124;
const ACQUIRED: u32 = 0x128;
const BB: u32 = 0x138;
const SUSPENDED: u32 = 0x148;
const STARTED: u32 = 0x14C;
const TXSTARTED: u32 = 0x150;
const LASTRX: u32 = 0x15C;
const LASTTX: u32 = 0x160;
const WRITE: u32 = 0x164;
const READ: u32 = 0x168;
const SEMSTAT: u32 = 0x400;
const STATUS: u32 = 0x440;
const ERRORSRC: u32 = 0x4C4;
const TWIS_ERRORSRC: u32 = 0x4D0;
const MATCH: u32 = 0x4D4;
const ENABLE: u32 = 0x500;
const PSEL0: u32 = 0x508;
const PSEL1: u32 = 0x50C;
const PSEL_CSN: u32 = 0x514;
const RXD: u32 = 0x518;
const TXD: u32 = 0x51C;
const FREQUENCY: u32 = 0x524;
const RXD_PTR: u32 = 0x534;
const RXD_MAXCNT: u32 = 0x538;
const RXD_AMOUNT: u32 = 0x53C;
const TXD_PTR: u32 = 0x544;
const TXD_MAXCNT: u32 = 0x548;
const TXD_AMOUNT: u32 = 0x54C;
const CONFIG: u32 = 0x554;
const DEF: u32 = 0x55C;
const ADDRESS: u32 = 0x588;
const ADDRESS1: u32 = 0x58C;
const TWIS_CONFIG: u32 = 0x594;
const ORC: u32 = 0x5C0;

const TASKS: &[Register] = &[
    task(STARTRX, "TASKS_STARTRX"),
    task(STARTTX, "TASKS_STARTTX"),
    task(STOP, "TASKS_STOP"),
    task(SUSPEND, "TASKS_SUSPEND"),
    task(RESUME, "TASKS_RESUME"),
    task(ACQUIRE, "TASKS_ACQUIRE"),
    task(RELEASE, "TASKS_RELEASE"),
];
const TASKS52: &[Register] =
    &[task(START, "TASKS_START"), task(PREPARERX, "TASKS_PREPARERX"), task(PREPARETX, "TASKS_PREPARETX")];
const EVENTS: &[EventInfo] = &[
    event(STOPPED, "EVENTS_STOPPED", 1),
    event(READY, "EVENTS_READY", 2),
    event(ENDRX, "EVENTS_ENDRX", 4),
    event(TXDSENT, "EVENTS_TXDSENT", 7),
    event(ERROR, "EVENTS_ERROR", 9),
    event(ACQUIRED, "EVENTS_ACQUIRED", 10),
    event(BB, "EVENTS_BB", 14),
    event(SUSPENDED, "EVENTS_SUSPENDED", 18),
];
const EVENTS52: &[EventInfo] = &[
    event(END, "EVENTS_END", 6),
    event(ENDTX, "EVENTS_ENDTX", 8),
    event(STARTED, "EVENTS_STARTED", 19),
    event(TXSTARTED, "EVENTS_TXSTARTED", 20),
    event(LASTRX, "EVENTS_LASTRX", 23),
    event(LASTTX, "EVENTS_LASTTX", 24),
    event(WRITE, "EVENTS_WRITE", 25),
    event(READ, "EVENTS_READ", 26),
];
const SHORTS51: [Short; 3] = [short(0, BB, SUSPEND), short(1, BB, STOP), short(2, STOPPED, ACQUIRE)];
const SHORTS52: &[Short] = &[
    SHORTS51[0],
    SHORTS51[1],
    SHORTS51[2],
    short(7, LASTTX, STARTRX),
    short(8, LASTTX, SUSPEND),
    short(9, LASTTX, STOP),
    short(10, LASTRX, STARTTX),
    short(11, LASTRX, SUSPEND),
    short(12, LASTRX, STOP),
    short(13, WRITE, SUSPEND),
    short(14, READ, SUSPEND),
    short(17, END, START),
];
const BYTE: &[Field] = &[f("DATA", 0, 8)];
const COUNT: &[Field] = &[f("MAXCNT", 0, 16)];
const REGISTERS: &[Register] = &[
    Register::ro(SEMSTAT, "SEMSTAT", 1).fields(&[f("SEMSTAT", 0, 2)]),
    Register::rw(STATUS, "STATUS", 0).fields(&[f("OVERREAD", 0, 1), f("OVERFLOW", 1, 1)]),
    Register::rw(ERRORSRC, "ERRORSRC", 0)
        .fields(&[f("OVERRUN", 0, 1), f("ANACK", 1, 1), f("DNACK", 2, 1)])
        .coverage(Coverage::Partial),
    Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 4)]),
    Register::rw(PSEL0, "PSELSCK / PSELSCL", u32::MAX),
    Register::rw(PSEL1, "PSELMOSI / PSELSDA", u32::MAX),
    Register::rw(0x510, "PSELMISO", u32::MAX).coverage(Coverage::Partial),
    Register::rw(PSEL_CSN, "PSELCSN", u32::MAX),
    Register::ro(RXD, "RXD", 0).fields(BYTE),
    Register::rw(TXD, "TXD", 0).fields(BYTE),
    Register::rw(FREQUENCY, "FREQUENCY", 0x0400_0000),
    Register::rw(RXD_PTR, "RXD.PTR / RXDPTR", 0),
    Register::rw(RXD_MAXCNT, "RXD.MAXCNT / MAXRX", 0).fields(COUNT),
    Register::ro(RXD_AMOUNT, "RXD.AMOUNT / AMOUNTRX", 0),
    Register::rw(TXD_PTR, "TXD.PTR / TXDPTR", 0),
    Register::rw(TXD_MAXCNT, "TXD.MAXCNT / MAXTX", 0).fields(COUNT),
    Register::ro(TXD_AMOUNT, "TXD.AMOUNT / AMOUNTTX", 0),
    Register::rw(CONFIG, "CONFIG", 0)
        .fields(&[f("ORDER", 0, 1), f("CPHA", 1, 1), f("CPOL", 2, 1)])
        .coverage(Coverage::Partial),
    Register::rw(DEF, "DEF", 0).fields(&[f("DEF", 0, 8)]),
    Register::rw(ADDRESS, "ADDRESS", 0).fields(&[f("ADDRESS", 0, 7)]),
    Register::rw(ORC, "ORC", 0).fields(&[f("ORC", 0, 8)]),
];
const REGISTERS52: &[Register] = &[
    Register::rw(TWIS_ERRORSRC, "TWIS ERRORSRC", 0).fields(&[
        f("OVERFLOW", 0, 1),
        f("DNACK", 2, 1),
        f("OVERREAD", 3, 1),
    ]),
    Register::ro(MATCH, "MATCH", 0),
    stub(0x540, "RXD.LIST", 0),
    stub(0x550, "TXD.LIST", 0),
    stub(0x560, "IFTIMING.RXDELAY", 2),
    stub(0x564, "IFTIMING.CSNDUR", 2),
    stub(0x568, "CSNPOL", 0),
    stub(0x56C, "PSELDCX", u32::MAX),
    stub(0x570, "DCXCNT", 0),
    Register::rw(ADDRESS1, "ADDRESS[1]", 0).fields(&[f("ADDRESS", 0, 7)]),
    Register::rw(TWIS_CONFIG, "TWIS CONFIG", 1).fields(&[f("ADDRESS0", 0, 1), f("ADDRESS1", 1, 1)]),
];

static SPEC51: Spec = Spec::new(&[TASKS], &[EVENTS], &SHORTS51, &[REGISTERS, NRF51_POWER]);
static SPEC52: Spec = Spec::new(&[TASKS, TASKS52], &[EVENTS, EVENTS52], SHORTS52, &[REGISTERS, REGISTERS52]);

/// Which wires lead from the chip to the parts on this bus. Absent: any connected pin reaches them.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SerialConfig {
    /// The chip's family, default `nrf52`.
    #[serde(default)]
    pub series: Series,
    /// The pin (P1 from 32) of the I2C bus's clock: with other pins selected, nobody answers.
    #[serde(default)]
    pub scl: Option<u8>,
    /// The pin of the I2C bus's data.
    #[serde(default)]
    pub sda: Option<u8>,
    /// The pin of the SPI bus's clock.
    #[serde(default)]
    pub sck: Option<u8>,
}

/// Which of the six interfaces ENABLE selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    Spi,
    Spis,
    Spim,
    Twi,
    Twim,
    Twis,
}

impl Mode {
    fn of(enable: u32) -> Self {
        match enable {
            1 => Self::Spi,
            2 => Self::Spis,
            5 => Self::Twi,
            6 => Self::Twim,
            7 => Self::Spim,
            9 => Self::Twis,
            _ => Self::Off,
        }
    }
}

/// A serial interface. As a master (SPI, SPIM, TWI, TWIM) it reaches the board's parts and what a wire joins; as a slave
/// (SPIS, TWIS) it hears the masters of a wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Serial {
    config: SerialConfig,
    spi: spi::Spi,
    spis: spis::Spis,
    twi: twi::Twi,
    twis: twis::Twis,
    /// The wire to CSN is low.
    selected: bool,
    /// It was said that the wire does not allow this rate.
    refused: bool,
}

/// CPOL and CPHA.
fn mode_of(io: &Io<'_, '_>) -> u8 {
    (io.reg(CONFIG) >> 1 & 3) as u8
}

/// Bits as one sees them who samples each one place late; the wire rests high.
fn shifted(bytes: &[u8]) -> Vec<u8> {
    let mut carry = 0x80;
    let shift = |byte: &u8| {
        let late = byte >> 1 | carry;
        carry = byte << 7;
        late
    };
    bytes.iter().map(shift).collect()
}

/// Whether a master's wire has the time for question and answer within a span; says once when not.
fn keeps_up(span: Time, refused: &mut bool, io: &mut Io<'_, '_>) -> bool {
    let Some(latency) = io.cx.wire(0) else { return false };
    let keeps_up = latency + latency <= span;
    if !keeps_up && !std::mem::replace(refused, true) {
        io.cx.unimplemented(format!(
            "a byte takes {} ns, less than the {} ns that question and answer need on this interface's wire: nobody \
             there hears it; raise the link's `fastest`",
            span.as_ns(),
            (latency + latency).as_ns()
        ));
    }
    keeps_up
}

/// PS "SPIM" and "TWIM", FREQUENCY: it is the rate times 2^32 / 16 MHz, but for the two fastest.
fn bit_time(frequency: u32, bits: u64) -> Time {
    let hz = match frequency {
        0 => 100_000,
        0x0A00_0000 => 16_000_000,
        0x1400_0000 => 32_000_000,
        other => ((u64::from(other) * 16_000_000) >> 32).max(1),
    };
    Time::from_ps(bits.saturating_mul(1_000_000_000_000) / hz)
}

impl Serial {
    /// Nothing is under way.
    fn clear(&mut self) {
        (self.spi, self.spis) = Default::default();
        (self.twi, self.twis) = Default::default();
    }
}

impl Logic for Serial {
    const KIND: &'static str = "nordic-serial";
    const DOC: &'static str = "SPI(M/S) and TWI(M/S), which share a base; ENABLE selects.";
    type Config = SerialConfig;

    fn new(config: SerialConfig) -> Self {
        Self {
            config,
            spi: spi::Spi::default(),
            spis: spis::Spis::default(),
            twi: twi::Twi::default(),
            twis: twis::Twis::default(),
            selected: false,
            refused: false,
        }
    }

    fn spec(&self) -> &'static Spec {
        match self.config.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn wires(&self) -> &'static [WireKind] {
        &[WireKind::Spi, WireKind::I2c]
    }

    fn reset(&mut self, io: &mut Io<'_, '_>) {
        self.twis.release(io);
        self.clear();
    }

    fn power_off(&mut self, io: &mut Io<'_, '_>) {
        self.twis.release(io);
    }

    fn hear(&mut self, _: u16, _: u8, signal: Signal, io: &mut Io<'_, '_>) {
        if let Signal::Select(selected) = signal {
            self.selected = selected;
        }
        match (Mode::of(io.reg(ENABLE)), signal) {
            (Mode::Spi | Mode::Spim, Signal::Answer(bytes)) => self.spi.answered(bytes),
            (Mode::Twi | Mode::Twim, Signal::Slave(since, act)) => self.twi.answered(since, act, io),
            (Mode::Spis, signal) => self.spis.hear(signal, self.selected, io),
            (Mode::Twis, signal) => self.twis.hear(&signal, io),
            _ => {}
        }
    }

    fn view(&self, offset: u32, regs: &Regs<'_>, _: Time) -> Option<u32> {
        match (offset, Mode::of(regs.reg(ENABLE))) {
            (RXD, Mode::Spi) => Some(self.spi.rxd()),
            (RXD, Mode::Twi) => Some(self.twi.rxd()),
            _ => None,
        }
    }

    fn read(&mut self, offset: u32, io: &mut Io<'_, '_>) {
        match (offset, Mode::of(io.reg(ENABLE))) {
            (RXD, Mode::Spi) => self.spi.rxd_read(io),
            (RXD, Mode::Twi) => self.twi.rxd_read(&mut self.refused, io),
            _ => {}
        }
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        match Mode::of(io.reg(ENABLE)) {
            Mode::Spim => self.spi.task(task, &mut self.refused, io),
            Mode::Twi | Mode::Twim => self.twi.task(task, &mut self.refused, io),
            Mode::Spis => self.spis.task(task, io),
            Mode::Twis => self.twis.task(task, io),
            Mode::Off | Mode::Spi => {}
        }
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        match (offset, Mode::of(io.reg(ENABLE))) {
            (ENABLE, mode) if value != old => {
                match Mode::of(old) {
                    Mode::Spi | Mode::Spim => self.spi.abort(io),
                    Mode::Twi | Mode::Twim => self.twi.release(io),
                    Mode::Twis => self.twis.release(io),
                    Mode::Spis | Mode::Off => {}
                }
                self.clear();
                // PS "SPIS", Semaphore operation: by default the CPU owns it.
                io.set(SEMSTAT, 1);
                if mode == Mode::Off && value != 0 {
                    io.cx.guest_error(format!("ENABLE = {value} selects no interface"));
                }
            }
            (TXD, Mode::Spi) => self.spi.txd(value as u8, &mut self.refused, io),
            (TXD, Mode::Twi) => self.twi.txd(value as u8, &mut self.refused, io),
            (ERRORSRC | TWIS_ERRORSRC | STATUS, _) => io.set(offset, old & !value),
            _ => {}
        }
    }

    fn deadline(&self) -> Time {
        let masters = self.spi.deadline().min(self.twi.deadline());
        masters.min(self.spis.deadline()).min(self.twis.deadline())
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        match Mode::of(io.reg(ENABLE)) {
            Mode::Spi | Mode::Spim => self.spi.wake(&self.config, &mut self.refused, io),
            Mode::Twi | Mode::Twim => self.twi.wake(&self.config, &mut self.refused, io),
            Mode::Spis => self.spis.wake(io),
            Mode::Twis => self.twis.wake(io),
            Mode::Off => self.clear(),
        }
    }
}
