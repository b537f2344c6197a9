//! Arm PrimeCell PL011 UART (DDI 0183).

use std::collections::VecDeque;

use consort_core::component::{Component, Cx, Field, Model, PortKind, Register};
use consort_core::wire::{Format, Heard, Parity, Signal, WireKind};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words, word_registers};
use crate::line::Line;

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

const FR_CTS: u32 = 1 << 0;
const FR_BUSY: u32 = 1 << 3;
const FR_TXFF: u32 = 1 << 5;
const FR_RXFE: u32 = 1 << 4;
const FR_RXFF: u32 = 1 << 6;
const FR_TXFE: u32 = 1 << 7;

const LCR_H_PEN: u32 = 1 << 1;
const LCR_H_EPS: u32 = 1 << 2;
const LCR_H_STP2: u32 = 1 << 3;
const LCR_H_SPS: u32 = 1 << 7;
const LCR_H_FEN: u32 = 1 << 4;
const CR_UARTEN: u32 = 1 << 0;
const CR_LBE: u32 = 1 << 7;
const CR_TXE: u32 = 1 << 8;
const CR_RXE: u32 = 1 << 9;

const CR_RTS: u32 = 1 << 11;
const CR_RTSEN: u32 = 1 << 14;
const CR_CTSEN: u32 = 1 << 15;

/// UARTDR's error bits, above the character; UARTRSR has them from bit 0, UARTRIS from bit 7.
const DR_FE: u16 = 1 << 8;
const DR_PE: u16 = 1 << 9;
const DR_BE: u16 = 1 << 10;
const DR_OE: u16 = 1 << 11;

/// RIS bits.
const CTS: u32 = 1 << 1;
const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;
const INTERRUPTS: u32 = 0x7FF;

const FIFO: usize = 16;
/// The receive timeout: 32 bit periods without a character.
const TIMEOUT_BITS: u64 = 32;
/// The divisor of a line whose firmware never set one: 115200 baud of 24 MHz, in 64ths.
const USUAL_DIVISOR: u64 = 13 * 64 + 1;
/// What waits for the receiver at most.
const LONGEST_QUEUE: usize = 64 * 1024;

const TOLD_DISABLED: u32 = 0;
const TOLD_QUEUE: u32 = 1;
const TOLD_FULL: u32 = 2;

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
    Register::rw(LCR_H, "UARTLCR_H", 0).fields(&[
        Field::new("PEN", 1, 1),
        Field::new("EPS", 2, 1),
        Field::new("STP2", 3, 1),
        Field::new("FEN", 4, 1),
        Field::new("WLEN", 5, 2),
        Field::new("SPS", 7, 1),
    ]),
    Register::rw(CR, "UARTCR", 0x300).fields(&[
        Field::new("UARTEN", 0, 1),
        Field::new("LBE", 7, 1),
        Field::new("TXE", 8, 1),
        Field::new("RXE", 9, 1),
        Field::new("RTS", 11, 1),
        Field::new("RTSEN", 14, 1),
        Field::new("CTSEN", 15, 1),
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
/// come at the line's rate and wait outside for room in the receive FIFO, so that nothing typed is lost. With a wire the
/// transmitter keeps the line's rate nonetheless, through its FIFO, and what comes over the wire waits for nobody.
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
    /// Characters with their error bits, as UARTDR shows them.
    fifo: VecDeque<u16>,
    /// The next character to come lost one before it.
    overrun: u16,
    errors: u32,
    sending: VecDeque<u8>,
    /// The character on the wire and when it ends.
    shifting: Option<(u8, Time)>,
    wire: Line,
    queue: VecDeque<u8>,
    /// The earliest cycle at which the next byte can have come.
    next: Cycles,
    /// When the receive timeout is raised.
    timeout: Option<Cycles>,
    lines: Lines,
    told: Told,
}

impl Pl011 {
    /// Data bits of a character.
    fn data_bits(&self) -> u8 {
        5 + (self.line_control >> 5 & 3) as u8
    }

    /// How long a character takes (UARTLCR_H, 3.3.7). Firmware that never set it relies on eight bits.
    fn format(&self) -> Format {
        let has = |bit| self.line_control & bit != 0;
        let parity = match (has(LCR_H_PEN), has(LCR_H_EPS), has(LCR_H_SPS)) {
            (false, ..) => Parity::None,
            (true, true, false) => Parity::Even,
            (true, false, false) => Parity::Odd,
            (true, even, true) => Parity::Fixed(!even),
        };
        let data = if self.line_control == 0 { 8 } else { self.data_bits() };
        let stops = if has(LCR_H_STP2) { 2 } else { 1 };
        let bits = 1 + u64::from(data) + u64::from(parity != Parity::None) + u64::from(stops);
        Format { length: self.clock.time_of(Cycles(self.cycles_per_bit() * bits)), data, parity, stops }
    }

    /// Whether CTS keeps the transmitter from the next character.
    fn held(&self) -> bool {
        self.control & CR_CTSEN != 0 && self.wire.is_held()
    }

    /// The transmit FIFO's level for its interrupt (UARTIFLS, 3.3.10).
    fn send_trigger(&self) -> usize {
        if self.line_control & LCR_H_FEN == 0 {
            return 0;
        }
        match self.fifo_levels & 7 {
            0 => 2,
            1 => 4,
            2 => 8,
            3 => 12,
            _ => 14,
        }
    }

    /// Characters leave one after the other.
    fn shift(&mut self, cx: &mut Cx<'_>) {
        loop {
            match self.shifting {
                Some((_, end)) if end > cx.now() => return,
                Some((byte, _)) => {
                    cx.send([byte]);
                    self.shifting = None;
                }
                None if self.held() => return,
                None => {
                    let Some(byte) = self.sending.pop_front() else { return };
                    if self.sending.len() <= self.send_trigger() {
                        self.raw |= TX;
                    }
                    let format = self.format();
                    self.wire.send(byte, cx.now(), format, cx);
                    self.shifting = Some((byte, cx.now() + format.length));
                }
            }
        }
    }

    /// A character came over the wire.
    fn heard(&mut self, heard: Heard, now: Cycles) {
        let errors = [(heard.framing, DR_FE), (heard.parity, DR_PE), (heard.line_break, DR_BE)];
        let bits = errors.iter().filter(|(is, _)| *is).fold(0, |all, (_, bit)| all | bit);
        if self.fifo.len() >= self.capacity() {
            self.overrun = DR_OE;
            self.raw |= u32::from(DR_OE) >> 1;
            return;
        }
        self.raw |= u32::from(bits) >> 1;
        let overrun = std::mem::take(&mut self.overrun);
        self.arrive(u16::from(heard.byte) | bits | overrun, now);
    }

    /// UARTCR 3.3.8: RTS is software's, or follows the receive FIFO.
    fn tell_ready(&mut self, cx: &mut Cx<'_>) {
        let ready = match self.control & CR_RTSEN {
            0 => self.control & CR_RTS != 0,
            _ => self.control & CR_UARTEN != 0 && self.fifo.len() < self.trigger(),
        };
        if ready || self.wire.has_told() {
            self.wire.tell_ready(ready, cx);
        }
    }

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

    fn arrive(&mut self, character: u16, now: Cycles) {
        if self.fifo.len() >= self.capacity() {
            return; // only in loop-back: from outside, bytes wait for room
        }
        self.fifo.push_back(character);
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
            self.next = now + self.clock.cycles_by(self.format().length).0;
            self.arrive(byte.into(), now);
        }
        while let Some(heard) = self.wire.take(cx.now()) {
            self.heard(heard, now);
        }
        self.shift(cx);
        self.tell_ready(cx);
        if self.timeout.is_some_and(|at| at <= now) {
            self.timeout = None;
            if !self.fifo.is_empty() {
                self.raw |= RT;
            }
        }
        self.lines.drive((self.raw & self.mask != 0).into(), 1, cx);
        let arrival = (self.listens() && !self.queue.is_empty()).then_some(self.next);
        let next = arrival.into_iter().chain(self.timeout).min();
        let next = next.map_or(Time::MAX, |cycle| self.clock.time_of(cycle)).min(self.wire.due());
        match self.shifting.map_or(next, |(_, end)| end.min(next)) {
            Time::MAX => cx.no_wake(),
            at => cx.wake_at(at),
        }
    }

    fn transmit(&mut self, byte: u8, cx: &mut Cx<'_>) {
        if self.control & (CR_UARTEN | CR_TXE) != CR_UARTEN | CR_TXE && self.told.first(TOLD_DISABLED) {
            // Much firmware relies on what emulators (and boot loaders before it) left on.
            cx.guest_error("UARTDR written while UARTCR has the transmitter off: sent all the same");
        }
        if self.control & CR_LBE != 0 {
            let now = self.clock.cycles_by(cx.now());
            self.arrive(byte.into(), now);
        } else if cx.wire(0).is_some() {
            if self.sending.len() < self.capacity() {
                self.sending.push_back(byte);
                if self.sending.len() > self.send_trigger() {
                    self.raw &= !TX;
                }
            } else if self.told.first(TOLD_FULL) {
                cx.guest_error("UARTDR written while UARTFR.TXFF is 1: the character is lost");
            }
            return;
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
                let empty = if self.fifo.is_empty() { FR_RXFE } else { 0 };
                let sends = match self.sending.len() {
                    0 => FR_TXFE,
                    count if count >= self.capacity() => FR_TXFF,
                    _ => 0,
                };
                let busy = if self.shifting.is_some() || !self.sending.is_empty() { FR_BUSY } else { 0 };
                let clear = if self.wire.was_told() && !self.wire.is_held() { FR_CTS } else { 0 };
                full | empty | sends | busy | clear
            }
            RSR => self.errors,
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
            if let Some(character) = self.fifo.pop_front() {
                self.errors = u32::from(character >> 8);
            }
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
            RSR => self.errors = 0,
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
        let (waiting, mut wire) = (std::mem::take(&mut self.queue), std::mem::take(&mut self.wire));
        wire.reset();
        *self = Self::new(Config { clock: self.clock });
        // What was typed still waits on the host's side of the line.
        (self.queue, self.wire) = (waiting, wire);
        self.settle(cx);
    }
    fn wires(&self) -> &'static [WireKind] {
        &[WireKind::Uart]
    }
    fn hear(&mut self, _: u16, _: u8, signal: Signal, cx: &mut Cx<'_>) {
        let hears = self.control & (CR_UARTEN | CR_RXE) == CR_UARTEN | CR_RXE;
        if self.wire.hear(&signal, hears.then(|| self.format())) {
            self.raw |= CTS;
        }
        self.settle(cx);
    }
    fn power_off(&mut self, cx: &mut Cx<'_>) {
        if self.wire.has_told() {
            self.wire.tell_ready(false, cx);
        }
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
            overrun: 0,
            errors: 0,
            sending: VecDeque::new(),
            shifting: None,
            wire: Line::default(),
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

    fn hear(rig: &mut Rig<Pl011>, bytes: &[u8]) {
        for byte in bytes {
            let sent = rig.component.format().send(*byte, rig.now);
            rig.run_until(sent.end);
            rig.hear(0, Signal::Character(sent));
        }
    }

    #[test]
    fn with_a_wire_the_transmit_fifo_empties_at_the_lines_rate() {
        // DDI 0183, 2.4.2, 3.3.3, 3.3.10: sixteen characters and the one on the wire; the interrupt comes on the way
        // down.
        let mut rig = rig();
        rig.host.wire = Some(Time::from_us(9));
        rig.write(IMSC, TX);
        for byte in 0..18 {
            rig.write(DR, byte);
        }
        assert_eq!(rig.read(FR) & (FR_TXFF | FR_TXFE | FR_BUSY), FR_TXFF | FR_BUSY);
        assert_eq!((rig.log.len(), rig.line("irq")), (1, false), "the eighteenth is lost");
        rig.run_for(Time::from_us(87 * 9));
        assert!(rig.line("irq"));
        rig.run_for(Time::from_ms(2));
        assert_eq!(rig.read(FR) & (FR_TXFF | FR_TXFE | FR_BUSY), FR_TXFE);
        let bytes: Vec<u8> = rig.sent.iter().map(|(_, data)| data[0]).collect();
        assert_eq!(bytes, (0..17).collect::<Vec<u8>>());
        assert_eq!((rig.signals.len(), rig.wake), (17, Time::MAX));
    }

    #[test]
    fn what_comes_over_a_wire_overruns_and_brings_its_errors() {
        // DDI 0183, 3.3.1, 3.3.2: UARTDR's error bits go with their character, OE with the one after the lost ones.
        let mut rig = rig();
        rig.host.wire = Some(Time::from_us(9));
        hear(&mut rig, &[7; 17]);
        assert_eq!(rig.read(RIS) >> 7 & 15, 8);
        assert_eq!(rig.read(DR), 7);
        hear(&mut rig, &[8]);
        let slow = Format { length: Time::from_ms(1), ..rig.component.format() };
        while rig.read(FR) & FR_RXFE == 0 {
            let character = rig.read(DR);
            assert!(character == 7 || character == 8 | u32::from(DR_OE), "{character:#x}");
        }
        let sent = slow.send(0, rig.now);
        rig.run_until(sent.end);
        rig.hear(0, Signal::Character(sent));
        assert_eq!(rig.read(DR), u32::from(DR_FE | DR_BE));
        assert_eq!(rig.read(RSR), 5);
        rig.write(RSR, 0);
        assert_eq!(rig.read(RSR), 0);
    }

    #[test]
    fn rts_and_cts_hold_back() {
        // DDI 0183, 3.3.8: RTSEn, CTSEn.
        let mut rig = rig();
        rig.host.wire = Some(Time::from_us(9));
        rig.write(IFLS, 0);
        rig.write(CR, 0x301 | CR_RTSEN | CR_CTSEN);
        hear(&mut rig, b"ab");
        rig.read(DR);
        let told: Vec<_> = rig.signals.drain(..).map(|(.., signal)| signal).collect();
        assert_eq!(told, [Signal::Ready(true), Signal::Ready(false), Signal::Ready(true)]);
        rig.hear(0, Signal::Ready(false));
        assert_eq!((rig.read(FR) & FR_CTS, rig.read(RIS) & CTS), (0, CTS));
        rig.write(DR, 1);
        rig.run_for(Time::from_ms(1));
        assert!(rig.signals.is_empty());
        rig.hear(0, Signal::Ready(true));
        assert_eq!((rig.signals.len(), rig.read(FR) & FR_CTS), (1, FR_CTS));
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
