//! UART and, on nRF52, UARTE with EasyDMA: one block, told apart by ENABLE.
//!
//! nRF51 Reference Manual v3.0, "UART"; nRF52832 PS v1.4, "UART" and "UARTE".

use std::collections::VecDeque;

use consort_core::Time;
use consort_core::component::{Field, PortKind, Register};
use consort_core::wire::{Format, Heard, Parity, Signal, WireKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{
    EventInfo, Io, Logic, NRF51_POWER, Regs, Series, Short, Spec, erratum, event, f, psel, short, task,
};
use super::dma;
use crate::line::Line;

const STARTRX: u32 = 0x000;
const STOPRX: u32 = 0x004;
const STARTTX: u32 = 0x008;
const STOPTX: u32 = 0x00C;
const SUSPEND: u32 = 0x01C;
const FLUSHRX: u32 = 0x02C;
const CTS: u32 = 0x100;
const NCTS: u32 = 0x104;
const RXDRDY: u32 = 0x108;
const ENDRX: u32 = 0x110;
const TXDRDY: u32 = 0x11C;
const ENDTX: u32 = 0x120;
const ERROR: u32 = 0x124;
const RXTO: u32 = 0x144;
const RXSTARTED: u32 = 0x14C;
const TXSTARTED: u32 = 0x150;
const TXSTOPPED: u32 = 0x158;
const ERRORSRC: u32 = 0x480;
const ENABLE: u32 = 0x500;
const PSEL_RTS: u32 = 0x508;
const PSEL_TXD: u32 = 0x50C;
const PSEL_CTS: u32 = 0x510;
const PSEL_RXD: u32 = 0x514;
const RXD: u32 = 0x518;
const TXD: u32 = 0x51C;
const BAUDRATE: u32 = 0x524;
const RXD_PTR: u32 = 0x534;
const RXD_MAXCNT: u32 = 0x538;
const RXD_AMOUNT: u32 = 0x53C;
const TXD_PTR: u32 = 0x544;
const TXD_MAXCNT: u32 = 0x548;
const TXD_AMOUNT: u32 = 0x54C;
const CONFIG: u32 = 0x56C;

const TASKS: &[Register] = &[
    task(STARTRX, "TASKS_STARTRX"),
    task(STOPRX, "TASKS_STOPRX"),
    task(STARTTX, "TASKS_STARTTX"),
    task(STOPTX, "TASKS_STOPTX"),
    task(SUSPEND, "TASKS_SUSPEND"),
];
const EVENTS: &[EventInfo] = &[
    event(CTS, "EVENTS_CTS", 0),
    event(NCTS, "EVENTS_NCTS", 1),
    event(RXDRDY, "EVENTS_RXDRDY", 2),
    event(TXDRDY, "EVENTS_TXDRDY", 7),
    event(ERROR, "EVENTS_ERROR", 9),
    event(RXTO, "EVENTS_RXTO", 17),
];
const EVENTS_DMA: &[EventInfo] = &[
    event(ENDRX, "EVENTS_ENDRX", 4),
    event(ENDTX, "EVENTS_ENDTX", 8),
    event(RXSTARTED, "EVENTS_RXSTARTED", 19),
    event(TXSTARTED, "EVENTS_TXSTARTED", 20),
    event(TXSTOPPED, "EVENTS_TXSTOPPED", 22),
];
const SHORTS: [Short; 2] = [short(3, CTS, STARTRX), short(4, NCTS, STOPRX)];
const BYTE: &[Field] = &[f("DATA", 0, 8)];
const REGISTERS: &[Register] = &[
    Register::rw(ERRORSRC, "ERRORSRC", 0).fields(&[
        f("OVERRUN", 0, 1),
        f("PARITY", 1, 1),
        f("FRAMING", 2, 1),
        f("BREAK", 3, 1),
    ]),
    Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 4)]),
    Register::rw(PSEL_RTS, "PSELRTS", u32::MAX),
    Register::rw(PSEL_TXD, "PSELTXD", u32::MAX),
    Register::rw(PSEL_CTS, "PSELCTS", u32::MAX),
    Register::rw(PSEL_RXD, "PSELRXD", u32::MAX),
    Register::ro(RXD, "RXD", 0).fields(BYTE),
    Register::wo(TXD, "TXD").fields(BYTE),
    Register::rw(BAUDRATE, "BAUDRATE", 0x0400_0000),
    Register::rw(CONFIG, "CONFIG", 0).fields(&[f("HWFC", 0, 1), f("PARITY", 1, 3), f("STOP", 4, 1)]),
];
const COUNT: &[Field] = &[f("MAXCNT", 0, 16)];
const REGISTERS_DMA: &[Register] = &[
    Register::rw(RXD_PTR, "RXD.PTR", 0),
    Register::rw(RXD_MAXCNT, "RXD.MAXCNT", 0).fields(COUNT),
    Register::ro(RXD_AMOUNT, "RXD.AMOUNT", 0),
    Register::rw(TXD_PTR, "TXD.PTR", 0),
    Register::rw(TXD_MAXCNT, "TXD.MAXCNT", 0).fields(COUNT),
    Register::ro(TXD_AMOUNT, "TXD.AMOUNT", 0),
];

/// What nrfx reads before it enables a UARTE, lest the last user left it receiving or sending.
const UNDOCUMENTED: &[Register] =
    &[erratum(0x564, "RESERVED[0x564]", 0), erratum(0x568, "RESERVED[0x568]", 0)];

static SPEC51: Spec = Spec::new(&[TASKS], &[EVENTS], &SHORTS, &[REGISTERS, NRF51_POWER]);
static SPEC52: Spec = Spec::new(
    &[TASKS, &[task(FLUSHRX, "TASKS_FLUSHRX")]],
    &[EVENTS, EVENTS_DMA],
    &[SHORTS[0], SHORTS[1], short(5, ENDRX, STARTRX), short(6, ENDRX, STOPRX)],
    &[REGISTERS, REGISTERS_DMA, UNDOCUMENTED, NRF51_POWER],
);

/// What the board says about a UART.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UartConfig {
    /// The chip's family, default `nrf52`: with UARTE.
    #[serde(default)]
    pub series: Series,
    /// The pin (P1 from 32) that is wired to the port's receiver; any connected pin when absent.
    #[serde(default)]
    pub txd: Option<u8>,
    /// The pin that the port drives; any connected pin when absent.
    #[serde(default)]
    pub rxd: Option<u8>,
    /// Whether the port is reached with no pin selected too, and then at once: images made for other
    /// emulators
    /// neither select pins nor wait for TXDRDY.
    #[serde(default)]
    pub unrouted: bool,
}

/// What the receiver holds between the line and RXD (nRF51 RM "UART", Reception: six bytes).
const FIFO: usize = 6;
/// Bytes that wait on the line; more are lost.
const LINE: usize = 128 * 1024;
/// With so many bytes in it RTS goes high: four more can come (PS "UARTE", Reception).
const FIFO_READY: usize = 2;

const OVERRUN: u32 = 1 << 0;
const PARITY: u32 = 1 << 1;
const FRAMING: u32 = 1 << 2;
const BREAK: u32 = 1 << 3;

/// UART / UARTE.
///
/// What a person types comes one byte per character time at most and waits for the receiver: a person that sends
/// while it is off or full is held back, as by RTS, and loses nothing.
///
/// Over a wire characters come as the other end sends them: with line errors, overruns, and RTS and CTS where
/// CONFIG.HWFC is on and their pins are selected. Without a wire CTS is always active.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uart {
    config: UartConfig,
    // Transmitter.
    tx_on: bool,
    shift: Option<u8>,
    holding: Option<u8>,
    tx_end: Time,
    tx_dma: VecDeque<u8>,
    tx_done: u32,
    tx_busy: bool,
    // Receiver.
    rx_on: bool,
    line: VecDeque<u8>,
    arrives: Time,
    fifo: VecDeque<u8>,
    rxd: Option<u8>,
    last_rxd: u8,
    rx_ptr: u32,
    rx_left: u32,
    rx_done: u32,
    rx_armed: bool,
    timeout: Time,
    wire: Line,
}

impl Uart {
    fn dma(io: &Io<'_, '_>) -> bool {
        io.reg(ENABLE) == 8
    }
    fn on(io: &Io<'_, '_>) -> bool {
        matches!(io.reg(ENABLE), 4 | 8)
    }

    /// PS "UARTE", BAUDRATE: it is the rate times 2^32 / 16 MHz.
    fn character(io: &Io<'_, '_>) -> Time {
        let config = io.reg(CONFIG);
        let bits = 10 + u64::from(config >> 1 & 7 == 7) + u64::from(config >> 4 & 1);
        let rate = match io.reg(BAUDRATE) {
            0 => 0x0400_0000,
            rate => u64::from(rate),
        };
        Time::from_ps((bits * 62_500) * (1 << 32) / rate)
    }

    fn format(io: &Io<'_, '_>) -> Format {
        let config = io.reg(CONFIG);
        let parity = if config >> 1 & 7 == 7 { Parity::Even } else { Parity::None };
        Format { length: Self::character(io), data: 8, parity, stops: 1 + (config >> 4 & 1) as u8 }
    }

    /// Whether a flow control pin is in use.
    fn flow(io: &Io<'_, '_>, select: u32) -> bool {
        Self::on(io) && io.reg(CONFIG) & 1 != 0 && psel(io.reg(select)).is_some()
    }

    /// PS "UARTE", Reception: RTS is active while the receiver is on, has where to put bytes, and its FIFO room for
    /// four.
    fn tell_ready(&mut self, io: &mut Io<'_, '_>) {
        if Self::flow(io, PSEL_RTS) {
            let ready = self.rx_on && (!Self::dma(io) || self.rx_armed) && self.fifo.len() < FIFO_READY;
            self.wire.tell_ready(ready, io.cx);
        } else if self.wire.has_told() {
            // Nobody drives it any more, so it is pulled up.
            self.wire.tell_ready(false, io.cx);
        }
    }

    /// Whether the pin that a PSEL register selects leads to the port.
    fn wired(&self, select: u32, wire: Option<u8>, io: &Io<'_, '_>) -> bool {
        match psel(io.reg(select)) {
            Some(pin) => wire.is_none_or(|wire| pin == wire),
            None => self.config.unrouted,
        }
    }

    /// A transmitter without a pin that the board lets speak nonetheless.
    fn speaks_at_once(&self, io: &Io<'_, '_>) -> bool {
        self.config.unrouted && self.tx_on && !Self::dma(io) && psel(io.reg(PSEL_TXD)).is_none()
    }

    fn shift_next(&mut self, io: &mut Io<'_, '_>) {
        if self.shift.is_some() || !self.tx_on || (self.wire.is_held() && Self::flow(io, PSEL_CTS)) {
            return;
        }
        self.shift = if Self::dma(io) { self.tx_dma.pop_front() } else { self.holding.take() };
        if let Some(byte) = self.shift {
            self.tx_end = io.now() + Self::character(io);
            if psel(io.reg(PSEL_TXD)).is_some() {
                self.wire.send(byte, io.now(), Self::format(io), io.cx);
            }
        }
    }

    fn sent(&mut self, io: &mut Io<'_, '_>) {
        self.tx_end = Time::MAX;
        let Some(byte) = self.shift.take() else { return };
        if self.wired(PSEL_TXD, self.config.txd, io) {
            io.cx.send(&[byte][..]);
        }
        io.raise(TXDRDY);
        if Self::dma(io) {
            self.tx_done += 1;
            if self.tx_dma.is_empty() && self.tx_busy {
                self.tx_busy = false;
                io.set(TXD_AMOUNT, self.tx_done);
                io.raise(ENDTX);
            }
        }
        self.shift_next(io);
    }

    fn room(&self, io: &Io<'_, '_>) -> bool {
        self.wired(PSEL_RXD, self.config.rxd, io)
            && self.rx_on
            && Self::on(io)
            && if Self::dma(io) { self.rx_armed && self.rx_left > 0 } else { self.fifo.len() < FIFO }
    }

    /// The next byte of the line begins to arrive, if one waits and there is room for it.
    fn listen(&mut self, io: &Io<'_, '_>) {
        if !self.room(io) {
            self.arrives = Time::MAX;
        } else if self.arrives == Time::MAX && !self.line.is_empty() {
            self.arrives = io.now() + Self::character(io);
        }
    }

    fn arrived(&mut self, io: &mut Io<'_, '_>) {
        self.arrives = Time::MAX;
        let Some(byte) = self.line.pop_front() else { return };
        if Self::dma(io) {
            io.raise(RXDRDY);
            self.deposit(byte, io);
        } else {
            self.fifo.push_back(byte);
            self.fill_rxd(io);
        }
    }

    fn error(&mut self, source: u32, io: &mut Io<'_, '_>) {
        io.set(ERRORSRC, io.reg(ERRORSRC) | source);
        io.raise(ERROR);
    }

    /// A character came over the wire: whether or not there is room for it.
    fn heard(&mut self, heard: Heard, io: &mut Io<'_, '_>) {
        let errors = [(heard.parity, PARITY), (heard.framing, FRAMING), (heard.line_break, BREAK)];
        let source = errors.iter().filter(|(is, _)| *is).fold(0, |all, (_, bit)| all | bit);
        if source != 0 {
            self.error(source, io);
        }
        if Self::dma(io) && self.rx_armed && self.rx_left > 0 && self.fifo.is_empty() {
            io.raise(RXDRDY);
            self.deposit(heard.byte, io);
        } else if self.fifo.len() < FIFO {
            self.fifo.push_back(heard.byte);
            if Self::dma(io) {
                io.raise(RXDRDY);
            } else {
                self.fill_rxd(io);
            }
        } else {
            self.error(OVERRUN, io);
        }
    }

    /// EasyDMA takes a byte.
    fn deposit(&mut self, byte: u8, io: &mut Io<'_, '_>) {
        dma::write(io, self.rx_ptr.wrapping_add(self.rx_done), &[byte]);
        self.rx_done += 1;
        self.rx_left = self.rx_left.saturating_sub(1);
        if self.rx_left == 0 {
            self.end_rx(io);
        }
    }

    /// PS "UARTE", Reception: what came while there was no buffer goes into the next one.
    fn empty_fifo(&mut self, io: &mut Io<'_, '_>) {
        while self.rx_armed
            && self.rx_left > 0
            && let Some(byte) = self.fifo.pop_front()
        {
            self.deposit(byte, io);
        }
    }

    fn fill_rxd(&mut self, io: &mut Io<'_, '_>) {
        if self.rxd.is_none()
            && let Some(byte) = self.fifo.pop_front()
        {
            self.rxd = Some(byte);
            self.last_rxd = byte;
            io.raise(RXDRDY);
        }
    }

    /// Everything but what is outside the chip: what waits on the line, what the other end of the wire does.
    fn start_anew(&mut self) {
        let (line, mut wire) = (std::mem::take(&mut self.line), std::mem::take(&mut self.wire));
        wire.reset();
        *self = Self { line, wire, ..Self::new(self.config) };
    }

    fn end_rx(&mut self, io: &mut Io<'_, '_>) {
        if self.rx_armed {
            self.rx_armed = false;
            io.set(RXD_AMOUNT, self.rx_done);
            io.raise(ENDRX);
        }
    }
}

impl Logic for Uart {
    const KIND: &'static str = "nordic-uart";
    const DOC: &'static str = "UART and, on nRF52, UARTE with EasyDMA.";
    type Config = UartConfig;

    fn new(config: UartConfig) -> Self {
        Self {
            config,
            tx_on: false,
            shift: None,
            holding: None,
            tx_end: Time::MAX,
            tx_dma: VecDeque::new(),
            tx_done: 0,
            tx_busy: false,
            rx_on: false,
            line: VecDeque::new(),
            arrives: Time::MAX,
            fifo: VecDeque::new(),
            rxd: None,
            last_rxd: 0,
            rx_ptr: 0,
            rx_left: 0,
            rx_done: 0,
            rx_armed: false,
            timeout: Time::MAX,
            wire: Line::default(),
        }
    }

    fn spec(&self) -> &'static Spec {
        match self.config.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn port(&self) -> Option<PortKind> {
        Some(PortKind::Uart)
    }

    fn wires(&self) -> &'static [WireKind] {
        &[WireKind::Uart]
    }

    fn reset(&mut self, io: &mut Io<'_, '_>) {
        self.start_anew();
        self.tell_ready(io);
    }

    fn power_off(&mut self, io: &mut Io<'_, '_>) {
        if self.wire.has_told() {
            self.wire.tell_ready(false, io.cx);
        }
    }

    fn hear(&mut self, _: u16, _: u8, signal: Signal, io: &mut Io<'_, '_>) {
        // PS "UARTE", Reception: the receiver hears until RXTO.
        let hears =
            Self::on(io) && (self.rx_on || self.timeout != Time::MAX) && psel(io.reg(PSEL_RXD)).is_some();
        if self.wire.hear(&signal, hears.then(|| Self::format(io)))
            && Self::on(io)
            && psel(io.reg(PSEL_CTS)).is_some()
        {
            io.raise(if self.wire.is_held() { NCTS } else { CTS });
            self.shift_next(io);
        }
        self.wake(io);
    }

    fn view(&self, offset: u32, _: &Regs<'_>, _: Time) -> Option<u32> {
        (offset == RXD).then(|| u32::from(self.rxd.unwrap_or(self.last_rxd)))
    }

    fn read(&mut self, offset: u32, io: &mut Io<'_, '_>) {
        if offset == RXD && self.rxd.take().is_some() {
            self.fill_rxd(io);
            self.listen(io);
            self.tell_ready(io);
        }
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        if !Self::on(io) {
            return;
        }
        match task {
            STARTTX if Self::dma(io) => {
                let len = io.reg(TXD_MAXCNT) as usize;
                let data = dma::read(io, io.reg(TXD_PTR), len);
                self.tx_dma = data.into();
                (self.tx_on, self.tx_busy, self.tx_done) = (true, true, 0);
                io.raise(TXSTARTED);
                if self.tx_dma.is_empty() {
                    self.tx_busy = false;
                    io.set(TXD_AMOUNT, 0);
                    io.raise(ENDTX);
                }
                self.shift_next(io);
            }
            STARTTX => {
                self.tx_on = true;
                self.shift_next(io);
            }
            STOPTX | SUSPEND => {
                self.tx_on = false;
                if Self::dma(io) {
                    self.tx_dma.clear();
                    if self.tx_busy {
                        self.tx_busy = false;
                        io.set(TXD_AMOUNT, self.tx_done);
                        io.raise(ENDTX);
                    }
                    io.raise(TXSTOPPED);
                }
                if task == SUSPEND {
                    self.rx_on = false;
                }
            }
            STARTRX => {
                self.rx_on = true;
                self.timeout = Time::MAX;
                if Self::dma(io) {
                    (self.rx_ptr, self.rx_left) = (io.reg(RXD_PTR), io.reg(RXD_MAXCNT));
                    (self.rx_done, self.rx_armed) = (0, true);
                    io.raise(RXSTARTED);
                    if self.rx_left == 0 {
                        self.end_rx(io);
                    }
                    self.empty_fifo(io);
                }
            }
            // PS "UARTE", Reception: ENDRX comes before RXTO, which comes when the receiver has come to a
            // full stop.
            STOPRX if self.rx_on => {
                self.rx_on = false;
                if Self::dma(io) {
                    self.end_rx(io);
                }
                self.timeout = io.now() + Self::character(io);
            }
            // PS "UARTE", Reception: what is left in the FIFO moves to the buffer, and ENDRX tells when.
            FLUSHRX if Self::dma(io) => {
                (self.rx_ptr, self.rx_left) = (io.reg(RXD_PTR), io.reg(RXD_MAXCNT));
                (self.rx_done, self.rx_armed) = (0, true);
                self.empty_fifo(io);
                self.end_rx(io);
            }
            _ => {}
        }
        self.listen(io);
        self.tell_ready(io);
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        match offset {
            TXD if Self::on(io) && self.speaks_at_once(io) => {
                io.cx.send(&[value as u8][..]);
                io.raise(TXDRDY);
            }
            TXD if Self::on(io) => {
                self.holding = Some(value as u8);
                self.shift_next(io);
            }
            ERRORSRC => io.set(ERRORSRC, old & !value),
            ENABLE if value != old => {
                self.start_anew();
            }
            _ => {}
        }
        self.listen(io);
        self.tell_ready(io);
    }

    fn receive(&mut self, data: &[u8], io: &mut Io<'_, '_>) {
        let room = LINE.saturating_sub(self.line.len());
        if data.len() > room {
            io.cx.guest_error("UART: the guest does not read; bytes on the line are lost");
        }
        self.line.extend(data.iter().take(room));
        self.listen(io);
    }

    fn deadline(&self) -> Time {
        self.tx_end.min(self.arrives).min(self.timeout).min(self.wire.due())
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        let now = io.now();
        if self.tx_end <= now {
            self.sent(io);
        }
        if self.arrives <= now {
            self.arrived(io);
            self.listen(io);
        }
        while let Some(heard) = self.wire.take(now) {
            self.heard(heard, io);
        }
        if self.timeout <= now {
            self.timeout = Time::MAX;
            io.raise(RXTO);
        }
        self.tell_ready(io);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::{Block, INTENSET};
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    fn rig(series: Series, enable: u32) -> Rig<Block<Uart>> {
        let mut rig = Rig::new(Block::new(UartConfig { series, ..UartConfig::default() }));
        rig.write(ENABLE, enable);
        rig.write(PSEL_TXD, 24);
        rig.write(PSEL_RXD, 25);
        rig.write(BAUDRATE, 0x01D7_E000); // 115200
        rig
    }

    /// Guest RAM for EasyDMA is at 0x20000000, beyond what the rig has: it holds the low addresses.
    fn bytes(rig: &Rig<Block<Uart>>) -> Vec<u8> {
        rig.sent.iter().flat_map(|(_, data)| data.iter().copied()).collect()
    }

    #[test]
    fn a_byte_takes_its_time_and_then_says_txdrdy() {
        // RM "UART", Transmission.
        let mut rig = rig(Series::Nrf51, 4);
        rig.write(INTENSET, 1 << 7);
        rig.write(STARTTX, 1);
        rig.write(TXD, 0x41);
        rig.run_for(Time::from_us(86));
        assert!(rig.sent.is_empty());
        rig.run_for(Time::from_us(1));
        assert_eq!((bytes(&rig), rig.read(TXDRDY), rig.line("irq")), (vec![0x41], 1, true));
    }

    #[test]
    fn received_bytes_come_one_by_one_through_rxd() {
        // RM "UART", Reception: RXDRDY for each byte that moves into RXD.
        let mut rig = rig(Series::Nrf51, 4);
        rig.receive(b"ab");
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.read(RXDRDY), 0, "the receiver is off");
        rig.write(STARTRX, 1);
        rig.run_for(Time::from_us(87));
        assert_eq!((rig.read(RXDRDY), rig.peek(RXD)), (1, Some(0x61)));
        rig.write(RXDRDY, 0);
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.read(RXDRDY), 0, "RXD is full");
        assert_eq!(rig.read(RXD), 0x61);
        assert_eq!((rig.read(RXDRDY), rig.read(RXD)), (1, 0x62));
    }

    #[test]
    fn nothing_typed_is_lost() {
        let mut rig = rig(Series::Nrf51, 4);
        rig.write(STARTRX, 1);
        rig.receive(&[b'x'; 100]);
        let mut got = 0;
        for _ in 0..400 {
            rig.run_for(Time::from_us(50));
            if rig.read(RXDRDY) == 1 {
                rig.write(RXDRDY, 0);
                assert_eq!(rig.read(RXD), 0x78);
                got += 1;
            }
        }
        assert_eq!(got, 100);
    }

    #[test]
    fn pins_that_lead_elsewhere_do_not_reach_the_port() {
        let mut rig = Rig::new(Block::<Uart>::new(UartConfig {
            series: Series::Nrf51,
            txd: Some(24),
            ..UartConfig::default()
        }));
        rig.write(ENABLE, 4);
        rig.write(PSEL_TXD, 3);
        rig.write(STARTTX, 1);
        rig.write(TXD, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(TXDRDY), rig.sent.len()), (1, 0));
    }

    #[test]
    fn without_a_pin_only_a_board_that_allows_it_speaks_and_does_so_at_once() {
        // Not of the manual, by which neither would be heard: see docs/nrf.md, "Images that are no nRF
        // images".
        for (unrouted, expected) in [(true, &b"abc"[..]), (false, b"")] {
            let config = UartConfig { series: Series::Nrf51, unrouted, ..UartConfig::default() };
            let mut rig = Rig::new(Block::<Uart>::new(config));
            rig.write(ENABLE, 4);
            rig.write(STARTTX, 1);
            for byte in b"abc" {
                rig.write(TXD, u32::from(*byte));
            }
            assert_eq!(bytes(&rig), expected);
        }
    }

    #[test]
    fn uarte_moves_buffers() {
        // PS "UARTE", Transmission: TXSTARTED, a TXDRDY for each byte, ENDTX; Reception: ENDRX when MAXCNT is
        // reached.
        let mut rig = rig(Series::Nrf52, 8);
        rig.host.base = 0x2000_0000;
        rig.host.memory = b"hello___".to_vec();
        rig.write(TXD_PTR, 0x2000_0000);
        rig.write(TXD_MAXCNT, 5);
        rig.write(STARTTX, 1);
        assert_eq!((rig.read(TXSTARTED), rig.read(ENDTX)), (1, 0));
        rig.run_for(Time::from_us(434));
        assert_eq!(rig.read(ENDTX), 0);
        rig.run_for(Time::from_us(1));
        assert_eq!((bytes(&rig), rig.read(ENDTX), rig.read(TXD_AMOUNT)), (b"hello".to_vec(), 1, 5));
        rig.write(RXD_PTR, 0x2000_0005);
        rig.write(RXD_MAXCNT, 3);
        rig.write(STARTRX, 1);
        rig.receive(b"xyzw");
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(ENDRX), rig.read(RXD_AMOUNT)), (1, 3));
        assert_eq!(rig.host.memory, b"helloxyz");
        rig.write(STOPRX, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.read(RXTO), 1);
    }

    fn wired(series: Series, enable: u32) -> Rig<Block<Uart>> {
        let mut rig = rig(series, enable);
        rig.host.wire = Some(Time::from_us(9));
        rig.host.base = 0x2000_0000;
        rig.host.memory = b"hello___".to_vec();
        rig
    }

    /// The other end's way of sending, at a rate in percent of 115200 baud.
    fn other(percent: u64, parity: Parity) -> Format {
        let bits = if parity == Parity::None { 10 } else { 11 };
        let length = Time::from_ps(bits * 1_000_000_000_000 / (115_200 * percent / 100));
        Format { length, data: 8, parity, stops: 1 }
    }

    fn hear(rig: &mut Rig<Block<Uart>>, format: Format, bytes: &[u8]) {
        for byte in bytes {
            let sent = format.send(*byte, rig.now);
            rig.run_until(sent.end);
            rig.hear(0, Signal::Character(sent));
        }
    }

    fn characters(rig: &Rig<Block<Uart>>) -> Vec<Signal> {
        rig.signals.iter().map(|(.., signal)| signal.clone()).collect()
    }

    #[test]
    fn a_character_is_on_the_wire_from_its_start_bit_on() {
        // RM "UART", Transmission; a second one follows without a gap.
        let mut rig = wired(Series::Nrf51, 4);
        rig.write(STARTTX, 1);
        rig.write(TXD, 0x41);
        let Some(Signal::Character(first)) = characters(&rig).pop() else { panic!("nothing sent") };
        assert_eq!((first.start, first.end.as_ns() / 100, first.levels >> 1 & 0xFF), (Time::ZERO, 868, 0x41));
        rig.write(TXD, 0x42);
        rig.run_until(first.end);
        assert_eq!(rig.signals.last().map(|(at, ..)| *at), Some(first.end));
        // Faster than the wire allows: said once, not sent.
        rig.host.wire = Some(Time::from_us(100));
        rig.write(TXD, 0x43);
        rig.write(TXD, 0x44);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.signals.len(), rig.log.len()), (2, 1));
    }

    #[test]
    fn what_comes_over_a_wire_overruns_a_receiver_that_is_not_read() {
        // RM "UART", Reception: six bytes of FIFO behind RXD; ERRORSRC: OVERRUN.
        let mut rig = wired(Series::Nrf51, 4);
        hear(&mut rig, other(100, Parity::None), b"x");
        assert_eq!(rig.read(RXDRDY), 0, "the receiver is off");
        rig.write(STARTRX, 1);
        hear(&mut rig, other(100, Parity::None), b"abcdefg");
        assert_eq!((rig.read(ERROR), rig.read(RXDRDY)), (0, 1));
        hear(&mut rig, other(100, Parity::None), b"h");
        assert_eq!((rig.read(ERROR), rig.read(ERRORSRC)), (1, OVERRUN));
        let got: Vec<u8> = (0..7).map(|_| rig.read(RXD) as u8).collect();
        assert_eq!(got, b"abcdefg");
        rig.write(ERRORSRC, OVERRUN);
        assert_eq!(rig.read(ERRORSRC), 0);
    }

    #[test]
    fn line_errors_are_those_of_the_samples() {
        // RM "UART", Reception, ERRORSRC: FRAMING when no valid stop bit is seen, BREAK when the line is low for longer
        // than a character, PARITY.
        let mut rig = wired(Series::Nrf51, 4);
        rig.write(STARTRX, 1);
        hear(&mut rig, other(90, Parity::None), &[0x40]);
        assert_eq!((rig.read(ERROR), rig.read(ERRORSRC)), (1, FRAMING));
        rig.write(ERRORSRC, FRAMING);
        hear(&mut rig, other(10, Parity::None), &[0x00]);
        assert_eq!(rig.read(ERRORSRC), FRAMING | BREAK);
        rig.write(ERRORSRC, 15);
        rig.write(CONFIG, 7 << 1);
        hear(&mut rig, other(100, Parity::Even), &[0x01]);
        assert_eq!(rig.read(ERRORSRC), 0);
        hear(&mut rig, other(100, Parity::Odd), &[0x01]);
        assert_eq!(rig.read(ERRORSRC), PARITY);
    }

    #[test]
    fn hardware_flow_control_holds_both_sides_back() {
        // PS "UARTE", Reception, Transmission: RTS goes high with room for four bytes; CTS keeps the next byte back and
        // has its events.
        let mut rig = wired(Series::Nrf52, 4);
        rig.write(PSEL_RTS, 5);
        rig.write(PSEL_CTS, 7);
        rig.write(CONFIG, 1);
        rig.write(STARTRX, 1);
        hear(&mut rig, other(100, Parity::None), b"abc");
        assert_eq!(characters(&rig), [Signal::Ready(false), Signal::Ready(true), Signal::Ready(false)]);
        assert_eq!(rig.read(RXD), u32::from(b'a'));
        assert_eq!(characters(&rig).last(), Some(&Signal::Ready(true)));
        rig.hear(0, Signal::Ready(false));
        assert_eq!((rig.read(NCTS), rig.read(CTS)), (1, 0));
        let before = rig.signals.len();
        rig.write(STARTTX, 1);
        rig.write(TXD, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.signals.len(), rig.read(TXDRDY)), (before, 0));
        rig.hear(0, Signal::Ready(true));
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.signals.len(), rig.read(TXDRDY), rig.read(CTS)), (before + 1, 1, 1));
    }

    #[test]
    fn bytes_between_two_buffers_wait_in_the_fifo() {
        // PS "UARTE", Reception: after ENDRX the FIFO takes bytes until the next STARTRX; FLUSHRX moves what is left.
        let mut rig = wired(Series::Nrf52, 8);
        rig.write(RXD_PTR, 0x2000_0000);
        rig.write(RXD_MAXCNT, 2);
        rig.write(STARTRX, 1);
        hear(&mut rig, other(100, Parity::None), b"wxyz!");
        assert_eq!((rig.read(ENDRX), rig.read(RXD_AMOUNT)), (1, 2));
        rig.write(ENDRX, 0);
        rig.write(RXD_PTR, 0x2000_0002);
        rig.write(STARTRX, 1);
        assert_eq!((rig.read(ENDRX), rig.read(RXD_AMOUNT)), (1, 2));
        rig.write(STOPRX, 1);
        rig.write(RXD_PTR, 0x2000_0004);
        rig.write(RXD_MAXCNT, 4);
        rig.write(FLUSHRX, 1);
        assert_eq!(rig.read(RXD_AMOUNT), 1);
        assert_eq!(rig.host.memory, b"wxyz!___");
    }

    #[test]
    fn easydma_outside_ram_is_the_guests_error() {
        // PS "EasyDMA": it reaches Data RAM only.
        let mut rig = rig(Series::Nrf52, 8);
        rig.write(TXD_PTR, 0x100);
        rig.write(TXD_MAXCNT, 1);
        rig.write(STARTTX, 1);
        assert_eq!(rig.log.len(), 1);
    }
}
