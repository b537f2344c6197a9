//! CMSDK APB UART (DDI 0479, "APB UART"): 8N1, one byte of buffer in each direction, no FIFO.

use std::collections::VecDeque;

use consort_core::component::{Component, Cx, Field, Model, PortKind, Register};
use consort_core::wire::{Format, Parity, Signal, WireKind};
use consort_core::{Clock, Cycles, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Lines, Told, Words, word_registers};
use crate::line::Line;

const DATA: u32 = 0x00;
const STATE: u32 = 0x04;
const CTRL: u32 = 0x08;
const INTSTATUS: u32 = 0x0C;
const BAUDDIV: u32 = 0x10;

const TX: u32 = 1 << 0;
const RX: u32 = 1 << 1;
const TX_OVERRUN: u32 = 1 << 2;
const RX_OVERRUN: u32 = 1 << 3;

const CTRL_TX_ENABLE: u32 = 1 << 0;
const CTRL_RX_ENABLE: u32 = 1 << 1;
const CTRL_TX_INTERRUPT: u32 = 1 << 2;
const CTRL_RX_INTERRUPT: u32 = 1 << 3;
const CTRL_OVERRUN_SHIFT: u32 = 2; // CTRL[5:4] enable what STATE[3:2] say
const CTRL_HIGH_SPEED_TEST: u32 = 1 << 6;

/// "The minimum number is 16": the divider's integer part never counts below 1.
const SMALLEST_BAUDDIV: u32 = 16;
/// Start bit, eight data bits, stop bit.
const BITS_PER_CHARACTER: u64 = 10;
/// What waits for the receiver at most; more than that is lost, as a guest that never reads deserves.
const LONGEST_QUEUE: usize = 64 * 1024;

const TOLD_BAUDDIV: u32 = 0;
const TOLD_TX_DISABLED: u32 = 1;
const TOLD_QUEUE: u32 = 2;

static REGISTERS: &[Register] = &block::join::<5, 12, 17>(
    [
        Register::rw(DATA, "DATA", 0),
        Register::rw(STATE, "STATE", 0).fields(&[
            Field::new("TXBF", 0, 1),
            Field::new("RXBF", 1, 1),
            Field::new("TXOR", 2, 1),
            Field::new("RXOR", 3, 1),
        ]),
        Register::rw(CTRL, "CTRL", 0).fields(&[
            Field::new("TXEN", 0, 1),
            Field::new("RXEN", 1, 1),
            Field::new("TXIE", 2, 1),
            Field::new("RXIE", 3, 1),
            Field::new("TXORIE", 4, 1),
            Field::new("RXORIE", 5, 1),
            Field::new("HSTM", 6, 1),
        ]),
        Register::rw(INTSTATUS, "INTSTATUS", 0).fields(&[
            Field::new("TXINT", 0, 1),
            Field::new("RXINT", 1, 1),
            Field::new("TXORINT", 2, 1),
            Field::new("RXORINT", 3, 1),
        ]),
        Register::rw(BAUDDIV, "BAUDDIV", 0).fields(&[Field::new("DIV", 0, 20)]),
    ],
    block::cmsdk_ids(0x21),
);

/// What a board says about a CMSDK UART.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// PCLK, in Hz.
    clock: Clock,
    /// The bare hardware: bytes leave at the line's rate, and overruns lose bytes both ways. Otherwise bytes
    /// that arrive wait for the guest to read, and what it writes leaves at once, so that nothing typed or
    /// printed is lost: much firmware that was only ever run on emulators drops what the buffer has no room for.
    #[serde(default)]
    lossy: bool,
}

/// The UART.
///
/// A byte leaves the port when its stop bit ends. Bytes that arrive come at the line's rate, one per
/// character time however many the frame holds. Unless the board says `lossy`, each also waits until the
/// receiver is on, the buffer is free and one character time has passed since the guest read it; so text
/// typed on the host arrives whole, and the overrun bits stay clear.
/// What the guest writes leaves at once then, as on other emulators: the transmitter is never full. With a wire the
/// transmitter keeps the line's rate nonetheless, and what comes over the wire waits for nobody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CmsdkUart {
    clock: Clock,
    lossy: bool,
    ctrl: u32,
    bauddiv: u32,
    /// STATE[3:2], which both STATE and INTCLEAR clear.
    overruns: u32,
    /// INTSTATUS[1:0], latched.
    interrupts: u32,
    tx_buffer: Option<u8>,
    /// The byte in the shift register and the cycle its stop bit ends.
    tx_shift: Option<(u8, Cycles)>,
    rx_buffer: u8,
    rx_full: bool,
    rx_queue: VecDeque<u8>,
    /// The earliest cycle at which the next byte's last bit can have come.
    rx_next: Cycles,
    wire: Line,
    lines: Lines,
    told: Told,
}

impl CmsdkUart {
    fn cycles_per_character(&self) -> u64 {
        if self.ctrl & CTRL_HIGH_SPEED_TEST != 0 {
            return BITS_PER_CHARACTER;
        }
        BITS_PER_CHARACTER * u64::from(self.bauddiv.max(SMALLEST_BAUDDIV))
    }

    fn format(&self) -> Format {
        let length = self.clock.time_of(Cycles(self.cycles_per_character()));
        Format { length, data: 8, parity: Parity::None, stops: 1 }
    }

    /// The buffer moves to the idle shift register. That happens even while the transmitter is off: the
    /// byte then never reaches the wire and raises no interrupt.
    fn load_shift(&mut self, now: Cycles, cx: &mut Cx<'_>) {
        if self.tx_shift.is_some() {
            return;
        }
        let Some(byte) = self.tx_buffer.take() else { return };
        if self.transmitter_is_on(byte, cx) {
            self.tx_shift = Some((byte, now + self.cycles_per_character()));
            self.wire.send(byte, self.clock.time_of(now), self.format(), cx);
        }
    }

    /// A byte of a line that is not lossy.
    fn print(&mut self, byte: u8, cx: &mut Cx<'_>) {
        if self.transmitter_is_on(byte, cx) {
            cx.send([byte]);
        }
    }

    /// Whether a byte that leaves the buffer reaches the wire; if so, its interrupt is raised.
    fn transmitter_is_on(&mut self, byte: u8, cx: &mut Cx<'_>) -> bool {
        if self.ctrl & CTRL_TX_ENABLE == 0 {
            if self.told.first(TOLD_TX_DISABLED) {
                cx.guest_error(format!("byte {byte:#04x} written to DATA while CTRL.TXEN is 0 is lost"));
            }
            return false;
        }
        if self.bauddiv < SMALLEST_BAUDDIV && self.told.first(TOLD_BAUDDIV) {
            cx.guest_error(format!(
                "BAUDDIV is {}, its minimum is 16: the line runs as with 16",
                self.bauddiv
            ));
        }
        if self.ctrl & CTRL_TX_INTERRUPT != 0 {
            self.interrupts |= TX;
        }
        true
    }

    fn finish_characters(&mut self, now: Cycles, cx: &mut Cx<'_>) {
        while let Some((byte, end)) = self.tx_shift
            && end <= now
        {
            cx.send([byte]);
            self.tx_shift = None;
            self.load_shift(end, cx);
        }
    }

    /// When the next byte of the queue can enter the buffer.
    fn next_arrival(&self) -> Option<Cycles> {
        let welcome = self.lossy || (self.ctrl & CTRL_RX_ENABLE != 0 && !self.rx_full);
        (welcome && !self.rx_queue.is_empty()).then_some(self.rx_next)
    }

    fn take_arrivals(&mut self, now: Cycles) {
        while self.next_arrival().is_some_and(|at| at <= now) {
            let Some(byte) = self.rx_queue.pop_front() else { return };
            self.rx_next = now + self.cycles_per_character();
            self.arrive(byte);
        }
    }

    fn arrive(&mut self, byte: u8) {
        if self.ctrl & CTRL_RX_ENABLE == 0 {
            return;
        }
        if self.rx_full {
            self.overruns |= RX_OVERRUN;
        }
        self.rx_buffer = byte;
        self.rx_full = true;
        if self.ctrl & CTRL_RX_INTERRUPT != 0 {
            self.interrupts |= RX;
        }
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let now = self.clock.cycles_by(cx.now());
        self.finish_characters(now, cx);
        self.load_shift(now, cx);
        self.take_arrivals(now);
        // The receiver has no check of the stop bit.
        while let Some(heard) = self.wire.take(cx.now()) {
            self.arrive(heard.byte);
        }
        let status = self.interrupt_status();
        let overrun = status & (TX_OVERRUN | RX_OVERRUN) != 0;
        let levels = status | u32::from(overrun) << 4 | u32::from(status != 0) << 5;
        self.lines.drive(levels.into(), 6, cx);
        let next = self.tx_shift.map(|(_, end)| end).into_iter().chain(self.next_arrival()).min();
        match next.map_or(Time::MAX, |cycle| self.clock.time_of(cycle)).min(self.wire.due()) {
            Time::MAX => cx.no_wake(),
            at => cx.wake_at(at),
        }
    }

    fn state(&self) -> u32 {
        let full = if self.tx_buffer.is_some() { TX } else { 0 } | if self.rx_full { RX } else { 0 };
        self.overruns | full
    }

    fn interrupt_status(&self) -> u32 {
        let overruns = self.overruns & (self.ctrl >> CTRL_OVERRUN_SHIFT) & (TX_OVERRUN | RX_OVERRUN);
        self.interrupts | overruns
    }
}

impl Words for CmsdkUart {
    fn look(&self, offset: u32, _: Time) -> u32 {
        match offset {
            DATA => self.rx_buffer.into(),
            STATE => self.state(),
            CTRL => self.ctrl,
            INTSTATUS => self.interrupt_status(),
            BAUDDIV => self.bauddiv,
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn load(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        let value = self.look(offset, cx.now());
        if offset == DATA && self.rx_full {
            self.rx_full = false;
            if !self.lossy {
                let now = self.clock.cycles_by(cx.now());
                self.rx_next = self.rx_next.max(now + self.cycles_per_character());
            }
            self.settle(cx);
        }
        value
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        match offset {
            DATA => {
                if self.lossy || cx.wire(0).is_some() {
                    if self.tx_buffer.is_some() {
                        self.overruns |= TX_OVERRUN;
                    }
                    self.tx_buffer = Some(value as u8);
                } else {
                    self.print(value as u8, cx);
                }
            }
            STATE => self.overruns &= !value,
            CTRL => {
                self.ctrl = value & 0x7F;
                // What waited on the host's side may have entered the buffer before the driver was ready.
                if !self.lossy && self.rx_full && self.ctrl & CTRL_RX_INTERRUPT != 0 {
                    self.interrupts |= RX;
                }
            }
            INTSTATUS => {
                self.interrupts &= !value;
                self.overruns &= !value;
            }
            BAUDDIV => self.bauddiv = value & 0xF_FFFF,
            _ => {}
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(CmsdkUart, REGISTERS);

impl Component for CmsdkUart {
    fn lines(&self) -> &'static [&'static str] {
        &["tx", "rx", "tx-overrun", "rx-overrun", "overflow", "irq"]
    }
    fn port(&self) -> Option<PortKind> {
        Some(PortKind::Uart)
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        let (waiting, mut wire) = (std::mem::take(&mut self.rx_queue), std::mem::take(&mut self.wire));
        wire.reset();
        *self = Self::new(Config { clock: self.clock, lossy: self.lossy });
        // What was typed still waits on the host's side of the line.
        (self.rx_queue, self.wire) = (waiting, wire);
        self.settle(cx);
    }
    fn wires(&self) -> &'static [WireKind] {
        &[WireKind::Uart]
    }
    fn hear(&mut self, _: u16, _: u8, signal: Signal, cx: &mut Cx<'_>) {
        let format = (self.ctrl & CTRL_RX_ENABLE != 0).then(|| self.format());
        self.wire.hear(&signal, format);
        self.settle(cx);
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }
    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        let room = LONGEST_QUEUE - self.rx_queue.len().min(LONGEST_QUEUE);
        self.rx_queue.extend(&data[..data.len().min(room)]);
        if data.len() > room && self.told.first(TOLD_QUEUE) {
            cx.guest_error("the guest does not read: 64 KiB wait for it, what comes now is lost");
        }
        self.settle(cx);
    }
}

impl Model for CmsdkUart {
    const KIND: &'static str = "arm-cmsdk-uart";
    const DOC: &'static str = "CMSDK APB UART: 8N1 at a divided clock, one byte of buffer each way.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            clock: config.clock,
            lossy: config.lossy,
            ctrl: 0,
            bauddiv: 0,
            overruns: 0,
            interrupts: 0,
            tx_buffer: None,
            tx_shift: None,
            rx_buffer: 0,
            rx_full: false,
            rx_queue: VecDeque::new(),
            rx_next: Cycles(0),
            wire: Line::default(),
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

    const CYCLE: Time = Time::from_ns(40);

    fn rig(lossy: bool) -> Rig<CmsdkUart> {
        let mut rig = Rig::new(CmsdkUart::new(Config { clock: Clock::of(25_000_000), lossy }));
        rig.write(BAUDDIV, 217); // 115200 baud
        rig
    }

    fn after(cycles: u64) -> Time {
        Time::from_ps(CYCLE.as_ps() * cycles)
    }

    fn sent(rig: &Rig<CmsdkUart>) -> Vec<u8> {
        rig.sent.iter().flat_map(|(_, data)| data.iter().copied()).collect()
    }

    #[test]
    fn a_character_takes_ten_bit_times() {
        let mut rig = rig(true);
        rig.write(CTRL, CTRL_TX_ENABLE);
        rig.write(DATA, u32::from(b'A'));
        assert_eq!(rig.read(STATE), 0, "the buffer moved to the shift register");
        rig.write(DATA, u32::from(b'B'));
        assert_eq!(rig.read(STATE), TX, "the buffer waits for the shift register");
        rig.run_until(after(2169));
        assert!(rig.sent.is_empty());
        rig.run_until(after(2170));
        assert_eq!(rig.read(STATE), 0);
        rig.run_until(after(4340));
        assert_eq!(sent(&rig), b"AB");
        assert_eq!(rig.sent[1].0, after(4340));
        assert_eq!(rig.wake, Time::MAX, "an idle line asks for nothing");
    }

    #[test]
    fn the_tx_interrupt_comes_when_the_buffer_empties() {
        let mut rig = rig(true);
        rig.write(CTRL, CTRL_TX_ENABLE | CTRL_TX_INTERRUPT);
        assert!(!rig.line("tx"), "an empty buffer is not an event");
        rig.write(DATA, 1);
        assert!(rig.line("tx") && rig.line("irq"));
        assert_eq!(rig.read(INTSTATUS), TX);
        rig.write(INTSTATUS, TX);
        rig.write(DATA, 2);
        assert!(!rig.line("tx"));
        rig.run_for(after(2170));
        assert!(rig.line("tx"));
    }

    #[test]
    fn a_patient_line_loses_nothing_that_is_printed() {
        let mut rig = rig(false);
        rig.write(CTRL, CTRL_TX_ENABLE);
        for byte in *b"hello" {
            rig.write(DATA, byte.into());
        }
        assert_eq!(rig.read(STATE), 0);
        assert_eq!(sent(&rig), b"hello");
    }

    #[test]
    fn a_write_to_a_full_buffer_replaces_it_and_overruns() {
        let mut rig = rig(true);
        rig.write(CTRL, CTRL_TX_ENABLE | 1 << 4);
        for byte in [1, 2, 3] {
            rig.write(DATA, byte);
        }
        assert_eq!(rig.read(STATE), TX | TX_OVERRUN);
        assert_eq!(rig.read(INTSTATUS), TX_OVERRUN);
        assert!(rig.line("tx-overrun") && rig.line("overflow") && rig.line("irq") && !rig.line("tx"));
        rig.write(STATE, TX_OVERRUN);
        assert_eq!(rig.read(STATE), TX);
        assert!(!rig.line("overflow"));
        rig.run_for(after(5000));
        assert_eq!(sent(&rig), [1, 3]);
    }

    #[test]
    fn a_disabled_transmitter_swallows_bytes_and_says_so_once() {
        let mut rig = rig(false);
        rig.write(DATA, 1);
        rig.write(DATA, 2);
        rig.write(CTRL, CTRL_TX_ENABLE);
        rig.run_for(after(5000));
        assert!(rig.sent.is_empty());
        assert_eq!(rig.log.len(), 1);
    }

    #[test]
    fn a_divider_below_its_minimum_counts_as_sixteen() {
        let mut rig = rig(true);
        rig.write(BAUDDIV, 0);
        rig.write(CTRL, CTRL_TX_ENABLE);
        rig.write(DATA, 7);
        rig.run_until(after(159));
        assert!(rig.sent.is_empty());
        rig.run_until(after(160));
        assert_eq!(sent(&rig), [7]);
        assert_eq!(rig.log.len(), 1);
    }

    #[test]
    fn high_speed_test_mode_sends_a_bit_per_cycle() {
        let mut rig = rig(false);
        rig.write(CTRL, CTRL_TX_ENABLE | CTRL_HIGH_SPEED_TEST);
        rig.write(DATA, 7);
        rig.run_until(after(10));
        assert_eq!(sent(&rig), [7]);
    }

    #[test]
    fn typed_text_arrives_whole_at_the_guests_pace() {
        let mut rig = rig(false);
        rig.receive(b"hi!");
        rig.run_for(after(10_000));
        assert_eq!(rig.read(STATE), 0, "a receiver that is off takes nothing");
        rig.write(CTRL, CTRL_RX_ENABLE | CTRL_RX_INTERRUPT);
        let mut text = Vec::new();
        for _ in 0..3 {
            rig.run_for(after(30_000));
            assert!(rig.line("rx"));
            assert_eq!(rig.peek(DATA), Some(rig.read(DATA)));
            text.push(rig.read(DATA) as u8);
            assert_eq!(rig.read(STATE), 0, "the next one takes its character time");
            rig.write(INTSTATUS, RX);
            assert!(!rig.line("rx"));
        }
        assert_eq!(text, b"hi!");
        rig.run_for(after(30_000));
        assert_eq!((rig.read(STATE), rig.wake), (0, Time::MAX));
    }

    #[test]
    fn a_bare_wire_overruns() {
        let mut rig = rig(true);
        rig.write(CTRL, CTRL_RX_ENABLE | 1 << 5);
        rig.receive(b"ab");
        assert_eq!(rig.read(STATE), RX);
        rig.run_for(after(2170));
        assert_eq!(rig.read(STATE), RX | RX_OVERRUN);
        assert!(rig.line("rx-overrun") && rig.line("overflow"));
        assert_eq!(rig.read(DATA), u32::from(b'b'), "the newer byte replaced the older");
        rig.write(INTSTATUS, RX_OVERRUN);
        assert_eq!(rig.read(STATE), 0);
    }

    #[test]
    fn a_wire_is_bare_both_ways() {
        // DDI 0479, "APB UART": one byte of buffer, no check of the stop bit.
        let mut rig = rig(false);
        rig.host.wire = Some(Time::from_us(9));
        rig.write(CTRL, CTRL_TX_ENABLE | CTRL_RX_ENABLE);
        for byte in [1, 2] {
            rig.write(DATA, byte);
        }
        assert_eq!((rig.read(STATE), rig.signals.len()), (TX, 1));
        rig.run_for(after(2170));
        assert_eq!((rig.read(STATE), rig.signals.len(), sent(&rig)), (0, 2, vec![1]));
        for byte in *b"ab" {
            let character = rig.component.format().send(byte, rig.now);
            rig.run_until(character.end);
            rig.hear(0, Signal::Character(character));
        }
        assert_eq!((rig.read(STATE), rig.read(DATA)), (RX | RX_OVERRUN, u32::from(b'b')));
    }

    #[test]
    fn a_saved_uart_goes_on_as_if_never_stopped() {
        let mut straight = rig(true);
        straight.write(CTRL, CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_TX_INTERRUPT);
        straight.write(DATA, 1);
        straight.write(DATA, 2);
        straight.receive(b"xyz");
        straight.run_for(after(1000));
        let saved = straight.component.save().unwrap();
        let mut other = rig(true);
        other.component.restore(&saved).unwrap();
        (other.now, other.wake) = (straight.now, straight.wake);
        straight.run_for(after(5000));
        other.run_for(after(5000));
        assert_eq!(other.sent, straight.sent);
        assert_eq!(other.component.save(), straight.component.save());
    }
}
