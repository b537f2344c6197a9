//! Arm PrimeCell PL011 UART (DDI 0183).

use std::collections::VecDeque;

use consort_core::component::{Component, Cx, Field, Model, PortKind, Register};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words, word_registers};

const DR: u32 = 0x00;
const RSR: u32 = 0x04;
const FR: u32 = 0x18;
const ILPR: u32 = 0x20;
const IBRD: u32 = 0x24;
const FBRD: u32 = 0x28;
const LCR_H: u32 = 0x2C;
const CR: u32 = 0x30;
const IFLS: u32 = 0x34;
const IMSC: u32 = 0x38;
const RIS: u32 = 0x3C;
const MIS: u32 = 0x40;
const ICR: u32 = 0x44;
const DMACR: u32 = 0x48;

const FR_RXFE: u32 = 1 << 4;
const FR_RXFF: u32 = 1 << 6;
const FR_TXFE: u32 = 1 << 7;

const LCR_H_FEN: u32 = 1 << 4;
const CR_UARTEN: u32 = 1 << 0;
const CR_LBE: u32 = 1 << 7;
const CR_TXE: u32 = 1 << 8;
const CR_RXE: u32 = 1 << 9;

/// RIS bits.
const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;
const INTERRUPTS: u32 = 0x7FF;

const FIFO: usize = 16;
/// Start bit, eight data bits, stop bit.
const BITS_PER_CHARACTER: u64 = 10;
/// The receive timeout: 32 bit periods without a character.
const TIMEOUT_BITS: u64 = 32;
/// The divisor of a line whose firmware never set one: 115200 baud of 24 MHz, in 64ths.
const USUAL_DIVISOR: u64 = 13 * 64 + 1;
/// What waits for the receiver at most.
const LONGEST_QUEUE: usize = 64 * 1024;

const TOLD_DISABLED: u32 = 0;
const TOLD_QUEUE: u32 = 1;

static REGISTERS: &[Register] = &[
    Register::rw(DR, "UARTDR", 0),
    Register::rw(RSR, "UARTRSR", 0),
    Register::ro(FR, "UARTFR", 0x90).fields(&[
        Field::new("CTS", 0, 1),
        Field::new("BUSY", 3, 1),
        Field::new("RXFE", 4, 1),
        Field::new("TXFF", 5, 1),
        Field::new("RXFF", 6, 1),
        Field::new("TXFE", 7, 1),
    ]),
    Register::rw(ILPR, "UARTILPR", 0),
    Register::rw(IBRD, "UARTIBRD", 0),
    Register::rw(FBRD, "UARTFBRD", 0),
    Register::rw(LCR_H, "UARTLCR_H", 0).fields(&[Field::new("FEN", 4, 1), Field::new("WLEN", 5, 2)]),
    Register::rw(CR, "UARTCR", 0x300).fields(&[
        Field::new("UARTEN", 0, 1),
        Field::new("LBE", 7, 1),
        Field::new("TXE", 8, 1),
        Field::new("RXE", 9, 1),
    ]),
    Register::rw(IFLS, "UARTIFLS", 0x12)
        .fields(&[Field::new("TXIFLSEL", 0, 3), Field::new("RXIFLSEL", 3, 3)]),
    Register::rw(IMSC, "UARTIMSC", 0),
    Register::ro(RIS, "UARTRIS", 0),
    Register::ro(MIS, "UARTMIS", 0),
    Register::wo(ICR, "UARTICR"),
    Register::rw(DMACR, "UARTDMACR", 0).coverage(consort_core::component::Coverage::Stub),
    Register::ro(0xFE0, "UARTPeriphID0", 0x11),
    Register::ro(0xFE4, "UARTPeriphID1", 0x10),
    Register::ro(0xFE8, "UARTPeriphID2", 0x14),
    Register::ro(0xFEC, "UARTPeriphID3", 0x00),
    Register::ro(0xFF0, "UARTPCellID0", 0x0D),
    Register::ro(0xFF4, "UARTPCellID1", 0xF0),
    Register::ro(0xFF8, "UARTPCellID2", 0x05),
    Register::ro(0xFFC, "UARTPCellID3", 0xB1),
];

/// What a board says about a PL011.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// UARTCLK, in Hz.
    clock: Clock,
}

/// The UART.
///
/// What the guest writes leaves at once, as on other emulators: the transmit FIFO is always empty. Bytes that arrive
/// come at the line's rate and wait outside for room in the receive FIFO, so that nothing typed is lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pl011 {
    clock: Clock,
    line_control: u32,
    control: u32,
    fifo_levels: u32,
    mask: u32,
    raw: u32,
    divisor: (u32, u32),
    low_power: u32,
    dma: u32,
    fifo: VecDeque<u8>,
    queue: VecDeque<u8>,
    /// The earliest cycle at which the next byte can have come.
    next: Cycles,
    /// When the receive timeout is raised.
    timeout: Option<Cycles>,
    lines: Lines,
    told: Told,
}

impl Pl011 {
    fn cycles_per_bit(&self) -> u64 {
        let divisor = u64::from(self.divisor.0) * 64 + u64::from(self.divisor.1);
        let divisor = if divisor == 0 { USUAL_DIVISOR } else { divisor };
        (divisor * 16 / 64).max(1)
    }

    fn capacity(&self) -> usize {
        if self.line_control & LCR_H_FEN != 0 { FIFO } else { 1 }
    }

    /// How full the receive FIFO must be for its interrupt (UARTIFLS, 3.3.10).
    fn trigger(&self) -> usize {
        if self.line_control & LCR_H_FEN == 0 {
            return 1;
        }
        match self.fifo_levels >> 3 & 7 {
            0 => 2,
            1 => 4,
            2 => 8,
            3 => 12,
            _ => 14,
        }
    }

    fn listens(&self) -> bool {
        self.control & (CR_UARTEN | CR_RXE) == CR_UARTEN | CR_RXE && self.fifo.len() < self.capacity()
    }

    fn arrive(&mut self, byte: u8, now: Cycles) {
        if self.fifo.len() >= self.capacity() {
            return; // only in loop-back: from outside, bytes wait for room
        }
        self.fifo.push_back(byte);
        if self.fifo.len() >= self.trigger() {
            self.raw |= RX;
        }
        self.timeout = Some(now + self.cycles_per_bit() * TIMEOUT_BITS);
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let now = self.clock.cycles_by(cx.now());
        while self.listens()
            && self.next <= now
            && let Some(byte) = self.queue.pop_front()
        {
            self.next = now + self.cycles_per_bit() * BITS_PER_CHARACTER;
            self.arrive(byte, now);
        }
        if self.timeout.is_some_and(|at| at <= now) {
            self.timeout = None;
            if !self.fifo.is_empty() {
                self.raw |= RT;
            }
        }
        self.lines.drive((self.raw & self.mask != 0).into(), 1, cx);
        let arrival = (self.listens() && !self.queue.is_empty()).then_some(self.next);
        match arrival.into_iter().chain(self.timeout).min() {
            Some(cycle) => cx.wake_at(self.clock.time_of(cycle)),
            None => cx.no_wake(),
        }
    }

    fn transmit(&mut self, byte: u8, cx: &mut Cx<'_>) {
        if self.control & (CR_UARTEN | CR_TXE) != CR_UARTEN | CR_TXE && self.told.first(TOLD_DISABLED) {
            // Much firmware relies on what emulators (and boot loaders before it) left on.
            cx.guest_error("UARTDR written while UARTCR has the transmitter off: sent all the same");
        }
        if self.control & CR_LBE != 0 {
            let now = self.clock.cycles_by(cx.now());
            self.arrive(byte, now);
        } else {
            cx.send([byte]);
        }
        self.raw |= TX;
    }
}

impl Words for Pl011 {
    fn look(&self, offset: u32, _: Time) -> u32 {
        match offset {
            DR => self.fifo.front().copied().unwrap_or(0).into(),
            FR => {
                let full = if self.fifo.len() >= self.capacity() { FR_RXFF } else { 0 };
                FR_TXFE | full | if self.fifo.is_empty() { FR_RXFE } else { 0 }
            }
            ILPR => self.low_power,
            IBRD => self.divisor.0,
            FBRD => self.divisor.1,
            LCR_H => self.line_control,
            CR => self.control,
            IFLS => self.fifo_levels,
            IMSC => self.mask,
            RIS => self.raw,
            MIS => self.raw & self.mask,
            DMACR => self.dma,
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn load(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        let value = self.look(offset, cx.now());
        if offset == DR {
            self.fifo.pop_front();
            if self.fifo.len() < self.trigger() {
                self.raw &= !RX;
            }
            if self.fifo.is_empty() {
                self.raw &= !RT;
                self.timeout = None;
            }
            self.settle(cx);
        }
        value
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        match offset {
            DR => self.transmit(value as u8, cx),
            ILPR => self.low_power = value & 0xFF,
            IBRD => self.divisor.0 = value & 0xFFFF,
            FBRD => self.divisor.1 = value & 0x3F,
            LCR_H => self.line_control = value & 0xFF,
            CR => self.control = value & 0xFFFF,
            IFLS => self.fifo_levels = value & 0x3F,
            IMSC => self.mask = value & INTERRUPTS,
            ICR => self.raw &= !value,
            DMACR => self.dma = value & 7,
            _ => {}
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(Pl011, REGISTERS);

impl Component for Pl011 {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }
    fn port(&self) -> Option<PortKind> {
        Some(PortKind::Uart)
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        let waiting = std::mem::take(&mut self.queue);
        *self = Self::new(Config { clock: self.clock });
        // What was typed still waits on the host's side of the line.
        self.queue = waiting;
        self.settle(cx);
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }
    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        let room = LONGEST_QUEUE - self.queue.len().min(LONGEST_QUEUE);
        self.queue.extend(&data[..data.len().min(room)]);
        if data.len() > room && self.told.first(TOLD_QUEUE) {
            cx.guest_error("the guest does not read: 64 KiB wait for it, what comes now is lost");
        }
        self.settle(cx);
    }
}

impl Model for Pl011 {
    const KIND: &'static str = "arm-pl011";
    const DOC: &'static str = "PrimeCell PL011 UART: 16-byte receive FIFO, interrupts by level and timeout.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            clock: config.clock,
            line_control: 0,
            control: 0x300,
            fifo_levels: 0x12,
            mask: 0,
            raw: 0,
            divisor: (0, 0),
            low_power: 0,
            dma: 0,
            fifo: VecDeque::new(),
            queue: VecDeque::new(),
            next: Cycles(0),
            timeout: None,
            lines: Lines::default(),
            told: Told::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Pl011> {
        let mut rig = Rig::new(Pl011::new(Config { clock: Clock::of(24_000_000) }));
        rig.write(IBRD, 13);
        rig.write(FBRD, 1);
        rig.write(LCR_H, 0x70);
        rig.write(CR, 0x301);
        rig
    }

    #[test]
    fn what_is_written_is_sent_and_told() {
        let mut rig = rig();
        rig.write(IMSC, TX);
        assert!(!rig.line("irq"), "an empty FIFO alone is no event");
        rig.write(DR, 0x41);
        assert_eq!(rig.sent.len(), 1);
        assert!(rig.line("irq"));
        rig.write(ICR, TX);
        assert!(!rig.line("irq"));
    }

    #[test]
    fn few_characters_are_told_after_a_timeout() {
        let mut rig = rig();
        rig.write(IMSC, RX | RT);
        rig.with(|uart, cx| uart.receive(b"hi", cx));
        rig.run_for(Time::from_us(100));
        assert!(!rig.line("irq"));
        rig.run_for(Time::from_us(400));
        assert!(rig.line("irq"));
        assert_eq!((rig.read(DR), rig.read(DR)), (u32::from(b'h'), u32::from(b'i')));
        assert!(!rig.line("irq"));
        assert_eq!(rig.read(FR) & FR_RXFE, FR_RXFE);
    }

    #[test]
    fn a_full_fifo_keeps_the_rest_outside() {
        let mut rig = rig();
        rig.write(IMSC, RX);
        rig.with(|uart, cx| uart.receive(&[7; 40], cx));
        rig.run_for(Time::from_ms(10));
        assert!(rig.line("irq"));
        assert_eq!(rig.read(FR) & FR_RXFF, FR_RXFF);
        let mut read = 0;
        while rig.read(FR) & FR_RXFE == 0 {
            assert_eq!(rig.read(DR), 7);
            read += 1;
            rig.run_for(Time::from_us(100));
        }
        assert_eq!(read, 40);
        assert_eq!(rig.wake, Time::MAX, "an idle line asks for nothing");
    }
}
