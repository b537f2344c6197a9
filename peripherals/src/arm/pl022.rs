//! PrimeCell synchronous serial port PL022 (DDI 0194): an SPI master with FIFOs of eight words.

use std::collections::VecDeque;

use consort_core::component::{Component, Coverage, Cx, Field, Model, Register};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words, word_registers};

const SSPCR0: u32 = 0x00;
const SSPCR1: u32 = 0x04;
const SSPDR: u32 = 0x08;
const SSPSR: u32 = 0x0C;
const SSPCPSR: u32 = 0x10;
const SSPIMSC: u32 = 0x14;
const SSPRIS: u32 = 0x18;
const SSPMIS: u32 = 0x1C;
const SSPICR: u32 = 0x20;
const SSPDMACR: u32 = 0x24;
const SSPTCR: u32 = 0x80;
const SSPITIP: u32 = 0x84;
const SSPITOP: u32 = 0x88;
const SSPTDR: u32 = 0x8C;

const CR0_SPH: u32 = 1 << 7;
const CR1_LBM: u32 = 1 << 0;
const CR1_SSE: u32 = 1 << 1;
const CR1_MS: u32 = 1 << 2;
const SR_TFE: u32 = 1 << 0;
const SR_TNF: u32 = 1 << 1;
const SR_RNE: u32 = 1 << 2;
const SR_RFF: u32 = 1 << 3;
const SR_BSY: u32 = 1 << 4;
const INT_ROR: u32 = 1 << 0;
const INT_RT: u32 = 1 << 1;
const INT_RX: u32 = 1 << 2;
const INT_TX: u32 = 1 << 3;
const DMACR_RXDMAE: u32 = 1 << 0;
const DMACR_TXDMAE: u32 = 1 << 1;
const TCR_TESTFIFO: u32 = 1 << 1;

const FIFO_DEPTH: usize = 8;
/// The receive FIFO has been left alone for so many bit times: SSPRTINTR.
const TIMEOUT_BITS: u64 = 32;

const TOLD_SLAVE: u32 = 0;
const TOLD_SIZE: u32 = 1;
const TOLD_PRESCALE: u32 = 2;
const TOLD_FULL: u32 = 3;

const INTERRUPT_FIELDS: &[Field] =
    &[Field::new("ROR", 0, 1), Field::new("RT", 1, 1), Field::new("RX", 2, 1), Field::new("TX", 3, 1)];

static REGISTERS: &[Register] = &block::join::<14, 8, 22>(
    [
        Register::rw(SSPCR0, "SSPCR0", 0).fields(&[
            Field::new("DSS", 0, 4),
            Field::new("FRF", 4, 2),
            Field::new("SPO", 6, 1),
            Field::new("SPH", 7, 1),
            Field::new("SCR", 8, 8),
        ]),
        // The slave mode is missing: no board wires one.
        Register::rw(SSPCR1, "SSPCR1", 0)
            .fields(&[
                Field::new("LBM", 0, 1),
                Field::new("SSE", 1, 1),
                Field::new("MS", 2, 1),
                Field::new("SOD", 3, 1),
            ])
            .coverage(Coverage::Partial),
        Register::rw(SSPDR, "SSPDR", 0),
        Register::ro(SSPSR, "SSPSR", SR_TFE | SR_TNF).fields(&[
            Field::new("TFE", 0, 1),
            Field::new("TNF", 1, 1),
            Field::new("RNE", 2, 1),
            Field::new("RFF", 3, 1),
            Field::new("BSY", 4, 1),
        ]),
        Register::rw(SSPCPSR, "SSPCPSR", 0).fields(&[Field::new("CPSDVSR", 0, 8)]),
        Register::rw(SSPIMSC, "SSPIMSC", 0).fields(INTERRUPT_FIELDS),
        Register::ro(SSPRIS, "SSPRIS", INT_TX).fields(INTERRUPT_FIELDS),
        Register::ro(SSPMIS, "SSPMIS", 0).fields(INTERRUPT_FIELDS),
        Register::wo(SSPICR, "SSPICR").fields(&[Field::new("RORIC", 0, 1), Field::new("RTIC", 1, 1)]),
        Register::rw(SSPDMACR, "SSPDMACR", 0)
            .fields(&[Field::new("RXDMAE", 0, 1), Field::new("TXDMAE", 1, 1)]),
        Register::rw(SSPTCR, "SSPTCR", 0)
            .fields(&[Field::new("ITEN", 0, 1), Field::new("TESTFIFO", 1, 1)])
            .coverage(Coverage::Partial),
        Register::rw(SSPITIP, "SSPITIP", 0).coverage(Coverage::Stub),
        Register::rw(SSPITOP, "SSPITOP", 0).coverage(Coverage::Stub),
        Register::rw(SSPTDR, "SSPTDR", 0),
    ],
    [
        Register::ro(0xFE0, "SSPPeriphID0", 0x22),
        Register::ro(0xFE4, "SSPPeriphID1", 0x10),
        Register::ro(0xFE8, "SSPPeriphID2", 0x24),
        Register::ro(0xFEC, "SSPPeriphID3", 0x00),
        Register::ro(0xFF0, "SSPPCellID0", 0x0D),
        Register::ro(0xFF4, "SSPPCellID1", 0xF0),
        Register::ro(0xFF8, "SSPPCellID2", 0x05),
        Register::ro(0xFFC, "SSPPCellID3", 0xB1),
    ],
);

/// What a board says about a PL022.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// SSPCLK, in Hz.
    clock: Clock,
}

/// The port. A word is exchanged with the selected part when its last bit has been clocked. The line `fss`
/// is SSPFSSOUT as in SPI mode: low while a word is on the wires, with a pulse between words when SPH is 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pl022 {
    clock: Clock,
    cr0: u32,
    cr1: u32,
    cpsr: u32,
    mask: u32,
    dma: u32,
    test: u32,
    test_in: u32,
    test_out: u32,
    tx: VecDeque<u16>,
    rx: VecDeque<u16>,
    /// The word being clocked out, and the cycle its last bit ends.
    shift: Option<(u16, Cycles)>,
    overrun: bool,
    timed_out: bool,
    /// When the receive FIFO will have been left alone too long.
    timeout_at: Option<Cycles>,
    lines: Lines,
    told: Told,
}

impl Pl022 {
    const LINES: u16 = 8;

    /// DSS + 1; fewer than 4 bits are reserved.
    const fn bits(&self) -> u8 {
        let bits = (self.cr0 & 0xF) as u8 + 1;
        if bits < 4 { 4 } else { bits }
    }

    fn mask_word(&self, word: u32) -> u16 {
        (word & ((1 << self.bits()) - 1)) as u16
    }

    /// SSPCLK cycles of one bit: CPSDVSR × (1 + SCR).
    fn cycles_per_bit(&self) -> u64 {
        u64::from(self.cpsr.max(2)) * (1 + u64::from(self.cr0 >> 8 & 0xFF))
    }

    fn receive_word(&mut self, word: u16, now: Cycles) {
        if self.rx.len() == FIFO_DEPTH {
            self.overrun = true;
        } else {
            self.rx.push_back(word);
        }
        self.timed_out = false;
        self.watch_timeout(now);
    }

    fn watch_timeout(&mut self, now: Cycles) {
        let wait = TIMEOUT_BITS * self.cycles_per_bit();
        self.timeout_at = (!self.rx.is_empty()).then(|| now + wait);
    }

    /// Ends and begins words up to `now`.
    fn clock_words(&mut self, now: Cycles, cx: &mut Cx<'_>) {
        let mut at = now;
        loop {
            if let Some((word, end)) = self.shift {
                if end > now {
                    return;
                }
                at = end;
                let answer = if self.cr1 & CR1_LBM != 0 {
                    word
                } else {
                    let answer = cx.spi(word.into(), self.bits());
                    self.mask_word(answer)
                };
                self.shift = None;
                self.receive_word(answer, at);
                if self.cr0 & CR0_SPH == 0 || self.tx.is_empty() {
                    self.drive(cx);
                }
            }
            if self.cr1 & CR1_SSE == 0 || self.cr1 & CR1_MS != 0 {
                return;
            }
            let Some(word) = self.tx.pop_front() else { return };
            self.complain(cx);
            self.shift = Some((word, at + u64::from(self.bits()) * self.cycles_per_bit()));
        }
    }

    fn complain(&mut self, cx: &mut Cx<'_>) {
        if self.cr0 & 0xF < 3 && self.told.first(TOLD_SIZE) {
            cx.guest_error("SSPCR0.DSS below 3 is reserved: words have 4 bits");
        }
        if self.cpsr < 2 && self.told.first(TOLD_PRESCALE) {
            cx.guest_error("SSPCPSR must be an even number from 2 to 254: 2 is used");
        }
    }

    fn raw(&self, now: Cycles) -> u32 {
        let late = self.shift.is_none() && self.timeout_at.is_some_and(|at| at <= now);
        let sources = [
            (INT_ROR, self.overrun),
            (INT_RT, self.timed_out || late),
            (INT_RX, self.rx.len() >= FIFO_DEPTH / 2),
            (INT_TX, self.tx.len() <= FIFO_DEPTH / 2),
        ];
        sources.iter().filter(|(_, active)| *active).map(|(bit, _)| bit).sum()
    }

    fn drive(&mut self, cx: &mut Cx<'_>) {
        let masked = self.raw(self.clock.cycles_by(cx.now())) & self.mask;
        let receive_dma = self.dma & DMACR_RXDMAE != 0 && !self.rx.is_empty();
        let transmit_dma = self.dma & DMACR_TXDMAE != 0 && self.tx.len() < FIFO_DEPTH;
        let levels = u32::from(masked != 0)
            | masked << 1
            | u32::from(self.shift.is_none()) << 5
            | u32::from(receive_dma) << 6
            | u32::from(transmit_dma) << 7;
        self.lines.drive(levels.into(), Self::LINES, cx);
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let now = self.clock.cycles_by(cx.now());
        self.clock_words(now, cx);
        if self.shift.is_none() && self.timeout_at.is_some_and(|at| at <= now) {
            self.timed_out = true;
            self.timeout_at = None;
        }
        self.drive(cx);
        let word_ends = self.shift.map(|(_, end)| end);
        let timeout = self.timeout_at.filter(|_| self.mask & INT_RT != 0 && self.shift.is_none());
        match word_ends.into_iter().chain(timeout).min() {
            Some(cycle) => cx.wake_at(self.clock.time_of(cycle)),
            None => cx.no_wake(),
        }
    }

    fn pop_received(&mut self, now: Cycles) -> u32 {
        let word = self.rx.pop_front().unwrap_or(0);
        if self.rx.is_empty() {
            self.timed_out = false;
        }
        self.watch_timeout(now);
        word.into()
    }

    fn push_transmit(&mut self, value: u32, cx: &mut Cx<'_>) {
        if self.tx.len() < FIFO_DEPTH {
            self.tx.push_back(self.mask_word(value));
        } else if self.told.first(TOLD_FULL) {
            cx.guest_error(format!("write of {value:#x} to SSPDR while the transmit FIFO is full is lost"));
        }
    }
}

impl Words for Pl022 {
    fn look(&self, offset: u32, now: Time) -> u32 {
        let now = self.clock.cycles_by(now);
        match offset {
            SSPCR0 => self.cr0,
            SSPCR1 => self.cr1,
            SSPDR => self.rx.front().copied().unwrap_or(0).into(),
            SSPSR => {
                let flags = [
                    (SR_TFE, self.tx.is_empty()),
                    (SR_TNF, self.tx.len() < FIFO_DEPTH),
                    (SR_RNE, !self.rx.is_empty()),
                    (SR_RFF, self.rx.len() == FIFO_DEPTH),
                    (SR_BSY, self.shift.is_some() || !self.tx.is_empty()),
                ];
                flags.iter().filter(|(_, set)| *set).map(|(bit, _)| bit).sum()
            }
            SSPCPSR => self.cpsr,
            SSPIMSC => self.mask,
            SSPRIS => self.raw(now),
            SSPMIS => self.raw(now) & self.mask,
            SSPDMACR => self.dma,
            SSPTCR => self.test,
            SSPITIP => self.test_in,
            SSPITOP => self.test_out,
            SSPTDR => match self.test & TCR_TESTFIFO {
                0 => 0,
                _ => self.tx.front().copied().unwrap_or(0).into(),
            },
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn load(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        let value = match offset {
            SSPDR => self.pop_received(self.clock.cycles_by(cx.now())),
            SSPTDR if self.test & TCR_TESTFIFO != 0 => self.tx.pop_front().unwrap_or(0).into(),
            _ => return self.look(offset, cx.now()),
        };
        self.settle(cx);
        value
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        match offset {
            SSPCR0 => self.cr0 = value & 0xFFFF,
            SSPCR1 => {
                self.cr1 = value & 0xF;
                if self.cr1 & (CR1_SSE | CR1_MS) == CR1_SSE | CR1_MS && self.told.first(TOLD_SLAVE) {
                    cx.unimplemented("slave mode: nothing clocks the port");
                }
            }
            SSPDR => self.push_transmit(value, cx),
            SSPCPSR => self.cpsr = value & 0xFE,
            SSPIMSC => self.mask = value & 0xF,
            SSPICR => {
                self.overrun &= value & INT_ROR == 0;
                if value & INT_RT != 0 {
                    self.timed_out = false;
                    self.timeout_at = self.timeout_at.filter(|at| *at > self.clock.cycles_by(cx.now()));
                }
            }
            SSPDMACR => self.dma = value & (DMACR_RXDMAE | DMACR_TXDMAE),
            SSPTCR => self.test = value & 0b11,
            SSPITIP => self.test_in = value & 0x1F,
            SSPITOP => self.test_out = value & 0x3FFF,
            SSPTDR if self.test & TCR_TESTFIFO != 0 => {
                let word = self.mask_word(value);
                self.receive_word(word, self.clock.cycles_by(cx.now()));
            }
            _ => {}
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(Pl022, REGISTERS);

impl Component for Pl022 {
    fn lines(&self) -> &'static [&'static str] {
        &["irq", "ror", "rt", "rx", "tx", "fss", "rx-dma", "tx-dma"]
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        *self = Self::new(Config { clock: self.clock });
        self.settle(cx);
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }
}

impl Model for Pl022 {
    const KIND: &'static str = "arm-pl022";
    const DOC: &'static str = "PrimeCell SSP (PL022): SPI master with FIFOs.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            clock: config.clock,
            cr0: 0,
            cr1: 0,
            cpsr: 0,
            mask: 0,
            dma: 0,
            test: 0,
            test_in: 0,
            test_out: 0,
            tx: VecDeque::new(),
            rx: VecDeque::new(),
            shift: None,
            overrun: false,
            timed_out: false,
            timeout_at: None,
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

    /// 8-bit words at 25 MHz / (2 × (1 + 4)): a bit takes 10 cycles.
    fn rig() -> Rig<Pl022> {
        let mut rig = Rig::new(Pl022::new(Config { clock: Clock::of(25_000_000) }));
        rig.write(SSPCR0, 4 << 8 | 7);
        rig.write(SSPCPSR, 2);
        rig.write(SSPCR1, CR1_SSE);
        rig
    }

    fn cycles(n: u64) -> Time {
        Time::from_ns(40 * n)
    }

    #[test]
    fn a_word_takes_its_bits() {
        let mut rig = rig();
        rig.host.bus_data = [0x1A5].into();
        assert!(rig.line("fss"));
        rig.write(SSPDR, 0x9F);
        assert_eq!(rig.read(SSPSR), SR_TFE | SR_TNF | SR_BSY);
        assert!(!rig.line("fss"));
        rig.run_until(cycles(79));
        assert!(rig.host.bus_log.is_empty());
        rig.run_until(cycles(80));
        assert_eq!(rig.host.bus_log, ["spi 9f/8"]);
        assert_eq!(rig.read(SSPSR), SR_TFE | SR_TNF | SR_RNE);
        assert!(rig.line("fss"));
        assert_eq!((rig.peek(SSPDR), rig.read(SSPDR)), (Some(0xA5), 0xA5));
        assert_eq!(rig.read(SSPSR), SR_TFE | SR_TNF);
    }

    #[test]
    fn fifos_hold_eight_words_and_interrupt_at_half() {
        let mut rig = rig();
        rig.write(SSPCR1, 0);
        rig.write(SSPIMSC, INT_TX | INT_RX);
        assert!(rig.line("tx") && rig.line("irq"), "the transmit interrupt does not need SSE");
        for word in 0..9 {
            rig.write(SSPDR, word);
        }
        assert_eq!((rig.read(SSPSR) & (SR_TNF | SR_TFE), rig.line("tx"), rig.log.len()), (0, false, 1));
        rig.write(SSPCR1, CR1_SSE);
        rig.run_for(cycles(80 * 3));
        assert!(rig.line("tx"), "four words wait and one is on the wires");
        assert!(!rig.line("rx"));
        rig.run_for(cycles(80));
        assert!(rig.line("rx"));
        rig.run_for(cycles(80 * 4));
        assert_eq!(rig.host.bus_log.len(), 8);
        assert_eq!(rig.read(SSPSR), SR_TFE | SR_TNF | SR_RNE | SR_RFF);
        rig.write(SSPIMSC, INT_ROR);
        rig.write(SSPDR, 1);
        rig.run_for(cycles(80));
        assert!(rig.line("ror"));
        rig.write(SSPICR, INT_ROR);
        assert!(!rig.line("irq"));
    }

    #[test]
    fn the_receive_timeout_takes_32_bits() {
        let mut rig = rig();
        rig.write(SSPIMSC, INT_RT);
        rig.write(SSPDR, 1);
        rig.run_until(cycles(80 + 319));
        assert!(!rig.line("rt"));
        rig.run_until(cycles(80 + 320));
        assert!(rig.line("rt"));
        rig.read(SSPDR);
        assert!(!rig.line("rt"), "an empty FIFO has nothing to time out");
        assert_eq!(rig.wake, Time::MAX);
    }

    #[test]
    fn loop_back_and_test_fifo() {
        let mut rig = rig();
        rig.write(SSPCR1, CR1_SSE | CR1_LBM);
        rig.write(SSPDR, 0x5A);
        rig.run_for(cycles(80));
        assert_eq!((rig.read(SSPDR), rig.host.bus_log.len()), (0x5A, 0));
        rig.write(SSPCR1, 0);
        rig.write(SSPTCR, TCR_TESTFIFO);
        rig.write(SSPTDR, 0x77);
        rig.write(SSPDR, 0x66);
        assert_eq!((rig.read(SSPDR), rig.read(SSPTDR)), (0x77, 0x66));
    }

    #[test]
    fn a_saved_port_goes_on_as_if_never_stopped() {
        let mut straight = rig();
        straight.write(SSPIMSC, INT_RT);
        for word in 0..5 {
            straight.write(SSPDR, word);
        }
        straight.run_until(cycles(123));
        let mut other = rig();
        other.component.restore(&straight.component.save().unwrap()).unwrap();
        (other.now, other.wake) = (straight.now, straight.wake);
        straight.run_until(cycles(1000));
        other.run_until(cycles(1000));
        assert_eq!(straight.host.bus_log.len(), 5);
        assert_eq!(other.host.bus_log.len(), 4);
        assert_eq!(other.component.save(), straight.component.save());
    }
}
