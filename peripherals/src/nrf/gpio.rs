//! GPIO ports: pins with direction, pull, sense, DETECT and LATCH.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "GPIO".
//!
//! GPIOTE, PWM and QDEC reach pads without going through this block's registers. On the chip that is a
//! multiplexer at the pad; here it is a [`Signal`] on the event bus, at addresses where no register is, so
//! that no guest access can forge one.

use std::collections::BTreeMap;

use consort_core::component::{Register, ResetCause};
use consort_core::wire::{Drive, Signal as OnWire};
use consort_core::{Addr, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Regs, Series, Spec, array, f};

const OUT: u32 = 0x504;
const OUTSET: u32 = 0x508;
const OUTCLR: u32 = 0x50C;
const IN: u32 = 0x510;
const DIR: u32 = 0x514;
const DIRSET: u32 = 0x518;
const DIRCLR: u32 = 0x51C;
const LATCH: u32 = 0x520;
const DETECTMODE: u32 = 0x524;
const PIN_CNF: u32 = 0x700;

/// What pads and the peripherals behind them tell each other. `pin` counts through both ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The level of a pad changed.
    Level {
        /// 0 to 63.
        pin: u8,
        /// Its level.
        level: bool,
    },
    /// A port's DETECT signal changed.
    Detect {
        /// 0 or 1.
        port: u8,
        /// Its level.
        level: bool,
    },
    /// A peripheral takes over a pad's output (`Some(level)`) or gives it back.
    Take {
        /// 0 to 63.
        pin: u8,
        /// The level it drives.
        level: Option<bool>,
    },
    /// LPCOMP's ANADETECT, which wakes from System OFF.
    AnaDetect,
    /// BPROT or MPU protects a block of 4 KiB of flash until the next reset.
    Protect {
        /// 0 to 127.
        block: u16,
    },
    /// The power-fail comparator: the supply is too low to write flash, or enough again.
    Supply {
        /// Whether it is too low.
        low: bool,
    },
}

/// Signals are at addresses with this bit set, where no Nordic peripheral is. What they say stands in
/// bits 18 to 26, which are zero in every peripheral's base: so it can be read without knowing the base.
const SIGNAL: u32 = 1 << 31;
const PROTECT: u32 = 1 << 27;
/// What PROTECT's code says of the supply, beyond the blocks: low, and enough.
const SUPPLY: [u16; 2] = [510, 511];
const AT: u32 = 18;

impl Signal {
    /// Sends the signal.
    pub fn send(self, io: &mut Io<'_, '_>) {
        io.cx.event(self.addr() as u32);
    }

    /// Its address, from a base of 0.
    pub fn addr(self) -> Addr {
        let (what, pin) = match self {
            Self::Protect { block } => return Addr::from(SIGNAL | PROTECT | u32::from(block & 0x7F) << AT),
            Self::Supply { low } => {
                let code = SUPPLY[usize::from(!low)];
                return Addr::from(SIGNAL | PROTECT | u32::from(code) << AT);
            }
            Self::Level { pin, level } => (u32::from(level), pin),
            Self::Detect { port, level } => (2 + u32::from(level), port),
            Self::Take { pin, level } => (level.map_or(6, |level| 4 + u32::from(level)), pin),
            Self::AnaDetect => (7, 0),
        };
        Addr::from(SIGNAL | (what << 6 | u32::from(pin & 63)) << AT)
    }

    /// The signal at an address of the event bus.
    pub fn parse(addr: Addr) -> Option<Self> {
        let addr = u32::try_from(addr).ok().filter(|addr| addr & SIGNAL != 0)?;
        let code = addr >> AT & 0x1FF;
        if addr & PROTECT != 0 {
            let code = code as u16;
            return Some(match SUPPLY.iter().position(|supply| *supply == code) {
                Some(enough) => Self::Supply { low: enough == 0 },
                None => Self::Protect { block: code },
            });
        }
        let pin = (code & 63) as u8;
        Some(match code >> 6 {
            what @ (0 | 1) => Self::Level { pin, level: what == 1 },
            what @ (2 | 3) => Self::Detect { port: pin, level: what == 3 },
            what @ (4 | 5) => Self::Take { pin, level: Some(what == 5) },
            6 => Self::Take { pin, level: None },
            7 => Self::AnaDetect,
            _ => return None,
        })
    }
}

const CNF: &[consort_core::component::Field] =
    &[f("DIR", 0, 1), f("INPUT", 1, 1), f("PULL", 2, 2), f("DRIVE", 8, 3), f("SENSE", 16, 2)];

/// Where the registers of port 1 are, from those of port 0.
const PORT1: u32 = 0x300;

macro_rules! port {
    ($base:expr, $prefix:literal) => {
        &[
            Register::rw($base + OUT, concat!($prefix, "OUT"), 0),
            Register::rw($base + OUTSET, concat!($prefix, "OUTSET"), 0),
            Register::rw($base + OUTCLR, concat!($prefix, "OUTCLR"), 0),
            Register::ro($base + IN, concat!($prefix, "IN"), 0),
            Register::rw($base + DIR, concat!($prefix, "DIR"), 0),
            Register::rw($base + DIRSET, concat!($prefix, "DIRSET"), 0),
            Register::rw($base + DIRCLR, concat!($prefix, "DIRCLR"), 0),
        ]
    };
}
macro_rules! latch {
    ($base:expr, $prefix:literal) => {
        &[
            Register::rw($base + LATCH, concat!($prefix, "LATCH"), 0),
            Register::rw($base + DETECTMODE, concat!($prefix, "DETECTMODE"), 0).fields(&[f(
                "DETECTMODE",
                0,
                1,
            )]),
        ]
    };
}
const PINS: &[Register] = array!(rw PIN_CNF, 4, "PIN_CNF[", "]", 2, CNF;
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
const PINS1: &[Register] = array!(rw PORT1 + PIN_CNF, 4, "P1.PIN_CNF[", "]", 2, CNF;
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);

static SPEC51: Spec = Spec::new(&[], &[], &[], &[port!(0, ""), PINS]);
static SPEC1: Spec = Spec::new(&[], &[], &[], &[port!(0, ""), latch!(0, ""), PINS]);
static SPEC2: Spec = Spec::new(
    &[],
    &[],
    &[],
    &[port!(0, ""), latch!(0, ""), PINS, port!(PORT1, "P1."), latch!(PORT1, "P1."), PINS1],
);

/// Which chip's pins these are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpioConfig {
    /// The chip's family, default `nrf52`.
    #[serde(default)]
    pub series: Series,
    /// Ports: 1 (default), or 2 on nRF52833 and nRF52840, whose P1.00 is pin `p32`.
    #[serde(default = "one")]
    pub ports: u8,
    /// Pads that a jumper wire joins, in pairs.
    #[serde(default)]
    pub jumpers: Vec<[u8; 2]>,
    /// Pads that resistors or other parts of the board pull high while nobody drives them.
    #[serde(default)]
    pub pulled_up: Vec<u8>,
}

fn one() -> u8 {
    1
}

/// The pads of one port.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Pads {
    /// What comes from outside, and whether anything ever did.
    external: u32,
    wired: u32,
    /// Pads whose output a peripheral has taken, and the levels it gives.
    taken: u32,
    given: u32,
    /// Levels of the pads as last told.
    levels: u32,
    /// Pins whose sense condition holds.
    sensed: u32,
    detect: bool,
}

/// All GPIO ports of the chip. Lines `p0` to `p47` are the levels of the pads, pins `p0` to `p47` what
/// drives them from outside; a pad that nothing ever drove from outside follows its own driver or pull.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gpio {
    config: GpioConfig,
    ports: [Pads; 2],
    /// The pads of each net that jumpers make, as bits.
    nets: Vec<u64>,
    /// What the other ends of wires do to pads, by (pad, end).
    heard: BTreeMap<(u16, u8), Drive>,
    /// What they know of us.
    told: BTreeMap<u16, Drive>,
}

/// What several do to one wire; low wins.
fn join(level: &mut Option<bool>, other: Option<bool>) {
    if let Some(other) = other {
        *level = Some(level.unwrap_or(true) && other);
    }
}

const NAMES: &[&str] = &[
    "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15",
    "p16", "p17", "p18", "p19", "p20", "p21", "p22", "p23", "p24", "p25", "p26", "p27", "p28", "p29", "p30",
    "p31", "p32", "p33", "p34", "p35", "p36", "p37", "p38", "p39", "p40", "p41", "p42", "p43", "p44", "p45",
    "p46", "p47",
];

/// A port and the offset of its registers.
type Port = (usize, u32);
const PORTS: [Port; 2] = [(0, 0), (1, PORT1)];

impl Gpio {
    /// What the chip itself drives onto a pad.
    fn driven(&self, (port, base): Port, pin: u32, io: &Io<'_, '_>) -> Option<bool> {
        let pads = &self.ports[port];
        let bit = |word: u32| word >> pin & 1 != 0;
        let cnf = io.reg(base + PIN_CNF + pin * 4);
        let out = if bit(pads.taken) { bit(pads.given) } else { bit(io.reg(base + OUT)) };
        // PS "GPIO", PIN_CNF, DRIVE: D0S1 and D0H1 do not drive 0, S0D1 and H0D1 do not drive 1.
        let drives = match cnf >> 8 & 7 {
            4 | 5 => out,
            6 | 7 => !out,
            _ => true,
        };
        ((bit(pads.taken) || cnf & 1 != 0) && drives).then_some(out)
    }

    /// The pads that are one wire with this one, itself among them.
    fn net(&self, pin: u32) -> u64 {
        self.nets.iter().copied().find(|net| net >> pin & 1 != 0).unwrap_or(1 << pin)
    }

    /// What this board does to a net: the chip's own drivers, else its parts, else the pulls; low wins.
    fn own(&self, net: u64, io: &Io<'_, '_>) -> Drive {
        let (mut driven, mut outside, mut board, mut pulled) = (None, None, None, None);
        for number in (0..64u32).filter(|number| net >> number & 1 != 0) {
            let (at, pin) = (PORTS[(number / 32) as usize], number % 32);
            let pads = &self.ports[at.0];
            join(&mut driven, self.driven(at, pin, io));
            let external = pads.external >> pin & 1 != 0;
            if self.config.pulled_up.contains(&(number as u8)) && external {
                join(&mut board, Some(true));
            } else {
                join(&mut outside, (pads.wired >> pin & 1 != 0).then_some(external));
            }
            join(
                &mut pulled,
                match io.reg(at.1 + PIN_CNF + pin * 4) >> 2 & 3 {
                    1 => Some(false),
                    3 => Some(true),
                    _ => None,
                },
            );
        }
        Drive { driven: driven.or(outside), pull: board.or(pulled) }
    }

    /// The level of a net, of which `own` is this board's part: all that drive it, else the pulls; low wins.
    fn level(&self, net: u64, own: Drive) -> bool {
        let Drive { mut driven, mut pull } = own;
        for (_, other) in self.heard.iter().filter(|((pad, _), _)| net >> pad & 1 != 0) {
            join(&mut driven, other.driven);
            join(&mut pull, other.pull);
        }
        driven.or(pull).unwrap_or(false)
    }

    /// Tells the other ends of a pad's wire what this board does to it.
    fn tell(&mut self, pad: u16, drive: Drive, io: &mut Io<'_, '_>) {
        if io.cx.wire(pad).is_some() && self.told.get(&pad).copied().unwrap_or_default() != drive {
            self.told.insert(pad, drive);
            io.cx.signal(pad, OnWire::Drive(drive));
        }
    }

    /// Recomputes the pads in `which`, those they are joined to, and all that follows from them.
    fn update(&mut self, (port, base): Port, which: u32, io: &mut Io<'_, '_>) {
        let mut left = u64::from(which) << (32 * port);
        while left != 0 {
            let net = self.net(left.trailing_zeros());
            left &= !net;
            let own = self.own(net, io);
            let level = self.level(net, own);
            for number in (0..64u32).filter(|number| net >> number & 1 != 0) {
                self.tell(number as u16, own, io);
                self.pad(PORTS[(number / 32) as usize], number % 32, level, io);
            }
        }
        self.tell_detect((port, base), io);
    }

    /// A pad has this level now.
    fn pad(&mut self, (port, base): Port, pin: u32, level: bool, io: &mut Io<'_, '_>) {
        let bit = 1 << pin;
        if level != (self.ports[port].levels & bit != 0) {
            self.ports[port].levels ^= bit;
            let number = port as u8 * 32 + pin as u8;
            if usize::from(number) < NAMES.len() {
                io.cx.drive(u16::from(number), level);
            }
            Signal::Level { pin: number, level }.send(io);
        }
        let cnf = io.reg(base + PIN_CNF + pin * 4);
        let senses = cnf & 2 == 0
            && match cnf >> 16 & 3 {
                2 => level,
                3 => !level,
                _ => false,
            };
        let before = self.ports[port].sensed;
        self.ports[port].sensed = if senses { before | bit } else { before & !bit };
        if senses && before & bit == 0 {
            io.set(base + LATCH, io.reg(base + LATCH) | bit);
        }
        // A jumper may lead to the other port.
        self.tell_detect((port, base), io);
    }

    fn tell_detect(&mut self, (port, base): Port, io: &mut Io<'_, '_>) {
        // PS "GPIO", Pin configuration: DETECT is the OR of all pins' signals, or of LATCH when DETECTMODE
        // says so.
        let latched = io.reg(base + DETECTMODE) & 1 != 0;
        let source = if latched { io.reg(base + LATCH) } else { self.ports[port].sensed };
        self.set_detect(port, source != 0, io);
    }

    fn set_detect(&mut self, port: usize, level: bool, io: &mut Io<'_, '_>) {
        if self.ports[port].detect != level {
            self.ports[port].detect = level;
            Signal::Detect { port: port as u8, level }.send(io);
        }
    }

    /// DIR and PIN_CNF's DIR are the same flip-flops (PS "GPIO", DIR, PIN_CNF).
    fn set_dir(base: u32, dir: u32, changed: u32, io: &mut Io<'_, '_>) {
        io.set(base + DIR, dir);
        for pin in (0..32).filter(|pin| changed >> pin & 1 != 0) {
            let cnf = io.reg(base + PIN_CNF + pin * 4);
            io.set(base + PIN_CNF + pin * 4, cnf & !1 | dir >> pin & 1);
        }
    }

    /// PS "UICR", PSELRESET: both PSELRESET registers name the pad that resets the chip when it falls.
    fn is_reset_pin(&self, pin: u16, io: &mut Io<'_, '_>) -> bool {
        const PSELRESET: u64 = 0x1000_1200;
        let mut words = [0; 8];
        self.config.series == Series::Nrf52
            && io.cx.dma_read(PSELRESET, &mut words).is_ok()
            && words.chunks_exact(4).all(|word| word == u32::from(pin).to_le_bytes())
    }

    /// Port 0 has its registers below port 1's.
    fn port_of(offset: u32) -> Port {
        PORTS[usize::from(offset >= PORT1 + OUT)]
    }
}

impl Logic for Gpio {
    const KIND: &'static str = "nordic-gpio";
    const DOC: &'static str = "GPIO: one or two ports of pins with sense, DETECT and LATCH.";
    type Config = GpioConfig;

    fn new(config: GpioConfig) -> Self {
        let mut nets: Vec<u64> = Vec::new();
        for pair in &config.jumpers {
            let mut net = pair.iter().fold(0, |net, pin| net | 1 << (pin & 63));
            nets.retain(|other| {
                let apart = other & net == 0;
                net |= if apart { 0 } else { *other };
                apart
            });
            nets.push(net);
        }
        let pulled = config.pulled_up.iter().fold(0u64, |bits, pad| bits | 1 << (pad & 63));
        let pads = |bits: u32| Pads { external: bits, wired: bits, ..Pads::default() };
        let ports = [pads(pulled as u32), pads((pulled >> 32) as u32)];
        Self { config, ports, nets, heard: BTreeMap::new(), told: BTreeMap::new() }
    }

    fn spec(&self) -> &'static Spec {
        match (self.config.series, self.config.ports) {
            (Series::Nrf51, _) => &SPEC51,
            (Series::Nrf52, 2..) => &SPEC2,
            _ => &SPEC1,
        }
    }

    fn lines(&self) -> &'static [&'static str] {
        NAMES
    }

    fn pins(&self) -> &'static [&'static str] {
        NAMES
    }

    fn wire_pins(&self) -> &'static [&'static str] {
        NAMES
    }

    fn hear(&mut self, pad: u16, from: u8, signal: OnWire, io: &mut Io<'_, '_>) {
        let OnWire::Drive(drive) = signal else { return };
        let at = PORTS[usize::from(pad >= 32)];
        let bit = 1 << (pad & 31);
        let before = self.ports[at.0].levels & bit != 0;
        self.heard.insert((pad, from), drive);
        self.update(at, bit, io);
        if before && self.ports[at.0].levels & bit == 0 && self.is_reset_pin(pad, io) {
            io.cx.reset_machine(ResetCause::Pin);
        }
    }

    fn power_off(&mut self, io: &mut Io<'_, '_>) {
        for (pad, drive) in std::mem::take(&mut self.told) {
            if drive != Drive::default() {
                io.cx.signal(pad, OnWire::Drive(Drive::default()));
            }
        }
    }

    fn listens(&self) -> bool {
        true
    }

    /// What is outside stays as it is.
    fn reset(&mut self, io: &mut Io<'_, '_>) {
        for (port, base) in PORTS {
            let pads = &mut self.ports[port];
            (pads.taken, pads.given) = (0, 0);
            let before = std::mem::take(&mut pads.levels); // the machine has let the lines fall
            self.update((port, base), u32::MAX, io);
            for pin in (0..32).filter(|pin| (before & !self.ports[port].levels) >> pin & 1 != 0) {
                Signal::Level { pin: port as u8 * 32 + pin, level: false }.send(io);
            }
        }
    }

    /// PS "POWER", Reset behavior: waking from System OFF leaves the pads as they were.
    fn survives(&self, cause: ResetCause) -> bool {
        cause == ResetCause::WakeUp
    }

    fn survive(&mut self, io: &mut Io<'_, '_>) {
        for (port, base) in PORTS {
            let pads = &mut self.ports[port];
            (pads.levels, pads.taken) = (0, 0);
            self.update((port, base), u32::MAX, io);
        }
    }

    fn view(&self, offset: u32, regs: &Regs<'_>, _: Time) -> Option<u32> {
        let (port, base) = Self::port_of(offset);
        Some(match offset - base {
            OUTSET | OUTCLR => regs.reg(base + OUT),
            DIRSET | DIRCLR => regs.reg(base + DIR),
            // PS "GPIO", Pin configuration: with the input buffer disconnected the pin reads 0.
            IN => {
                let connected = |pin: &u32| regs.reg(base + PIN_CNF + pin * 4) & 2 == 0;
                (0..32u32).filter(connected).fold(0, |word, pin| word | self.ports[port].levels & 1 << pin)
            }
            _ => return None,
        })
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        let at = Self::port_of(offset);
        let (port, base) = at;
        match offset - base {
            OUT => self.update(at, value ^ old, io),
            which @ (OUTSET | OUTCLR) => {
                let out = io.reg(base + OUT);
                let new = if which == OUTSET { out | value } else { out & !value };
                io.set(base + OUT, new);
                self.update(at, new ^ out, io);
            }
            DIR => {
                Self::set_dir(base, value, value ^ old, io);
                self.update(at, value ^ old, io);
            }
            which @ (DIRSET | DIRCLR) => {
                let dir = io.reg(base + DIR);
                let new = if which == DIRSET { dir | value } else { dir & !value };
                Self::set_dir(base, new, new ^ dir, io);
                self.update(at, new ^ dir, io);
            }
            LATCH => {
                // PS "GPIO", Pin configuration: ones clear; what is still sensed sets its bit again at once,
                // with a new edge.
                io.set(base + LATCH, old & !value);
                let sensed = self.ports[port].sensed;
                if io.reg(base + DETECTMODE) & 1 != 0 && sensed & value != 0 {
                    self.set_detect(port, false, io);
                }
                io.set(base + LATCH, io.reg(base + LATCH) | sensed);
                self.tell_detect(at, io);
            }
            DETECTMODE => self.tell_detect(at, io),
            cnf @ PIN_CNF..0x780 => {
                let pin = (cnf - PIN_CNF) / 4;
                io.set(base + DIR, io.reg(base + DIR) & !(1 << pin) | (value & 1) << pin);
                self.update(at, 1 << pin, io);
            }
            _ => {}
        }
    }

    fn input(&mut self, pin: u16, level: bool, io: &mut Io<'_, '_>) {
        let at = PORTS[usize::from(pin >= 32)];
        let bit = 1 << (pin & 31);
        let falls = !level && self.ports[at.0].wired & self.ports[at.0].external & bit != 0;
        if falls && self.is_reset_pin(pin, io) {
            io.cx.reset_machine(ResetCause::Pin);
        }
        let pads = &mut self.ports[at.0];
        pads.wired |= bit;
        pads.external = if level { pads.external | bit } else { pads.external & !bit };
        self.update(at, bit, io);
    }

    fn bus_event(&mut self, addr: Addr, io: &mut Io<'_, '_>) {
        let Some(Signal::Take { pin, level }) = Signal::parse(addr) else { return };
        let at = PORTS[usize::from(pin >= 32)];
        let pads = &mut self.ports[at.0];
        let bit = 1 << (pin & 31);
        pads.taken = if level.is_some() { pads.taken | bit } else { pads.taken & !bit };
        pads.given = if level == Some(true) { pads.given | bit } else { pads.given & !bit };
        self.update(at, bit, io);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model};
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Gpio>> {
        Rig::new(Block::new(GpioConfig::default()))
    }

    fn signals(rig: &mut Rig<Block<Gpio>>) -> Vec<Signal> {
        let events = std::mem::take(&mut rig.events);
        events.iter().filter_map(|offset| Signal::parse(0x5000_0300 + u64::from(*offset))).collect()
    }

    #[test]
    fn port_1_is_above_port_0() {
        // nRF52840 PS "GPIO", Registers: P1 has the same registers, 0x300 above P0.
        let mut rig = Rig::new(Block::<Gpio>::new(GpioConfig { ports: 2, ..GpioConfig::default() }));
        rig.write(PORT1 + DIRSET, 1 << 2);
        rig.write(PORT1 + OUTSET, 1 << 2);
        assert!(rig.line("p34"));
        assert_eq!((rig.read(OUT), rig.read(PORT1 + OUT)), (0, 4));
        rig.write(PORT1 + PIN_CNF + 12, 0);
        rig.input(35, true);
        assert_eq!((rig.read(PORT1 + IN) >> 3 & 1, rig.read(IN)), (1, 0));
    }

    #[test]
    fn outputs_follow_out_and_dir() {
        // PS "GPIO", Pin configuration, OUT: OUT shows on the pad while DIR is an output.
        let mut rig = rig();
        rig.write(OUTSET, 1 << 13);
        assert!(!rig.lines[13]);
        rig.write(DIRSET, 1 << 13);
        assert!(rig.lines[13]);
        assert_eq!((rig.read(DIR), rig.read(PIN_CNF + 13 * 4)), (1 << 13, 3));
        rig.write(OUTCLR, 1 << 13);
        assert!(!rig.lines[13]);
        assert_eq!(rig.read(OUT), 0);
    }

    #[test]
    fn inputs_read_through_the_input_buffer_with_pulls() {
        // PS "GPIO", Pin configuration: IN reads the pad through the connected input buffer; PULL holds a pad
        // that nobody drives.
        let mut rig = rig();
        rig.write(PIN_CNF + 17 * 4, 0);
        assert_eq!(rig.read(IN), 0);
        rig.write(PIN_CNF + 17 * 4, 3 << 2); // pull-up
        assert_eq!(rig.read(IN), 1 << 17);
        rig.input(17, false);
        assert_eq!(rig.read(IN), 0);
        rig.input(17, true);
        assert_eq!(rig.read(IN), 1 << 17);
        rig.write(PIN_CNF + 17 * 4, 2); // buffer disconnected
        assert_eq!(rig.read(IN), 0);
    }

    #[test]
    fn the_board_pulls_pads_up() {
        let config = serde_json::from_str(r#"{ "pulled_up": [14] }"#).unwrap();
        let mut rig = Rig::new(Block::<Gpio>::new(config));
        assert!(rig.line("p14") && !rig.line("p13"));
        rig.write(DIRSET, 1 << 14);
        assert!(!rig.line("p14"));
    }

    #[test]
    fn open_drain_pins_let_go() {
        // PS "GPIO", PIN_CNF, DRIVE: S0D1 disconnects at one.
        let mut rig = rig();
        rig.write(PIN_CNF, 1 | 3 << 2 | 6 << 8); // output, pull-up, S0D1
        rig.write(OUTCLR, 1);
        assert!(!rig.lines[0]);
        rig.write(OUTSET, 1);
        assert!(rig.lines[0]);
        rig.input(0, false);
        assert!(!rig.lines[0]);
    }

    #[test]
    fn sense_gives_detect_and_latch() {
        // PS "GPIO", Pin configuration: the sense mechanism, DETECT and LATCH.
        let mut rig = rig();
        rig.write(PIN_CNF + 4, 3 << 2 | 3 << 16); // pull-up, sense low
        assert!(signals(&mut rig).contains(&Signal::Level { pin: 1, level: true }));
        rig.input(1, false);
        assert!(signals(&mut rig).contains(&Signal::Detect { port: 0, level: true }));
        assert_eq!(rig.read(LATCH), 2);
        rig.write(LATCH, 2);
        assert_eq!(rig.read(LATCH), 2, "still sensed");
        rig.input(1, true);
        assert!(signals(&mut rig).contains(&Signal::Detect { port: 0, level: false }));
        rig.write(LATCH, 2);
        assert_eq!(rig.read(LATCH), 0);
    }

    #[test]
    fn ldetect_stays_until_the_latch_is_cleared() {
        // PS "GPIO", Pin configuration: DETECTMODE = LDETECT takes DETECT from LATCH.
        let mut rig = rig();
        rig.write(DETECTMODE, 1);
        rig.write(PIN_CNF, 2 << 16);
        rig.input(0, true);
        rig.input(0, false);
        assert!(!signals(&mut rig).contains(&Signal::Detect { port: 0, level: false }));
        rig.write(LATCH, 1);
        assert_eq!(signals(&mut rig), [Signal::Detect { port: 0, level: false }]);
    }

    #[test]
    fn jumpers_join_pads() {
        let jumpers = vec![[2, 0], [33, 2]];
        let mut rig = Rig::new(Block::<Gpio>::new(GpioConfig { ports: 2, jumpers, ..GpioConfig::default() }));
        rig.write(PIN_CNF, 3 << 2); // an input with pull-up
        assert_eq!((rig.read(IN), rig.lines[33]), (1, true));
        rig.write(PIN_CNF + 8, 1 | 6 << 8); // open drain
        assert_eq!(rig.read(IN) & 1, 0);
        rig.write(OUTSET, 4);
        assert_eq!(rig.read(IN) & 1, 1, "let go, the other pad's pull-up shows");
        rig.write(PORT1 + PIN_CNF + 4, 3 << 16); // the third pad senses low
        rig.write(OUTCLR, 4);
        assert_eq!((rig.read(IN) & 1, rig.read(PORT1 + LATCH)), (0, 2));
        assert!(signals(&mut rig).contains(&Signal::Detect { port: 1, level: true }));
    }

    #[test]
    fn a_wire_brings_what_others_drive_and_tells_what_the_chip_does() {
        // PS "GPIO", Pin configuration: drive, pull; two that drive against each other are low.
        let mut rig = rig();
        rig.host.wire = Some(Time::from_us(1));
        let told = |rig: &mut Rig<Block<Gpio>>| {
            rig.signals.drain(..).map(|(_, pad, signal)| (pad, signal)).collect::<Vec<_>>()
        };
        rig.write(PIN_CNF + 5 * 4, 3 << 2); // input, pull-up
        assert_eq!(told(&mut rig), [(5, OnWire::Drive(Drive { driven: None, pull: Some(true) }))]);
        rig.hear(5, OnWire::Drive(Drive { driven: Some(false), pull: None }));
        assert_eq!(rig.read(IN), 0);
        assert_eq!(told(&mut rig), [], "what others drive is not ours to tell");
        rig.hear(5, OnWire::Drive(Drive { driven: None, pull: Some(false) }));
        assert_eq!(rig.read(IN), 0, "two pulls: low");
        rig.hear(5, OnWire::Drive(Drive::default()));
        assert_eq!(rig.read(IN), 1 << 5);
        rig.write(OUTSET, 1 << 5);
        rig.write(DIRSET, 1 << 5);
        assert_eq!(told(&mut rig), [(5, OnWire::Drive(Drive { driven: Some(true), pull: Some(true) }))]);
        rig.hear(5, OnWire::Drive(Drive { driven: Some(false), pull: None }));
        assert!(!rig.line("p5"));
        rig.with(|gpio, cx| gpio.power_off(cx));
        assert_eq!(told(&mut rig), [(5, OnWire::Drive(Drive::default()))]);
    }

    #[test]
    fn pads_stay_over_a_wake_up_and_fall_at_any_other_reset() {
        // PS "POWER", Reset behavior: GPIO is not reset by the wake-up from System OFF.
        let mut rig = rig();
        rig.write(PIN_CNF + 12, 1);
        rig.write(OUTSET, 8);
        rig.lines.fill(false); // as the machine does
        rig.with(|gpio, cx| gpio.restart(ResetCause::WakeUp, cx));
        assert_eq!((rig.lines[3], rig.read(OUT)), (true, 8));
        rig.lines.fill(false);
        rig.with(|gpio, cx| gpio.restart(ResetCause::Software, cx));
        assert_eq!((rig.lines[3], rig.read(OUT), rig.read(PIN_CNF + 12)), (false, 0, 2));
    }

    #[test]
    fn the_pad_that_uicr_names_resets_the_chip() {
        // PS "UICR", PSELRESET: PSELRESET[0] and [1] must agree.
        let mut rig = rig();
        rig.host.base = 0x1000_1200;
        rig.host.memory = [21u32, 21].iter().flat_map(|word| word.to_le_bytes()).collect();
        rig.input(21, true);
        rig.input(20, true);
        rig.input(20, false);
        assert!(rig.resets.is_empty());
        rig.input(21, false);
        assert_eq!(rig.resets, [ResetCause::Pin]);
        rig.host.memory[4] = 22;
        rig.input(21, true);
        rig.input(21, false);
        assert_eq!(rig.resets.len(), 1);
    }

    #[test]
    fn a_peripheral_can_take_a_pad() {
        // PS "GPIO", Pin configuration: a peripheral that owns a pad overrides OUT and DIR.
        let mut rig = rig();
        let mut take = |level| {
            let what = match level {
                Some(level) => 4 + u32::from(level),
                None => 6,
            };
            let addr = u64::from(0x4000_6000 + (SIGNAL | (what << 6 | 5) << AT));
            rig.with(|gpio, cx| gpio.bus_event(addr, cx));
            rig.lines[5]
        };
        assert_eq!(
            [take(Some(true)), take(Some(false)), take(Some(true)), take(None)],
            [true, false, true, false]
        );
    }
}
