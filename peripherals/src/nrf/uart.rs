//! UART and, on nRF52, UARTE with EasyDMA: one block, told apart by ENABLE.
//!
//! nRF51 Reference Manual v3.0, "UART"; nRF52832 PS v1.4, "UART" and "UARTE".

use std::collections::VecDeque;

use consort_core::Time;
use consort_core::component::{Coverage, Field, PortKind, Register};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{
    EventInfo, Io, Logic, NRF51_POWER, Regs, Series, Short, Spec, event, f, psel, short, task,
};
use super::dma;

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
const PSEL_TXD: u32 = 0x50C;
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
    Register::rw(ERRORSRC, "ERRORSRC", 0)
        .fields(&[f("OVERRUN", 0, 1), f("PARITY", 1, 1), f("FRAMING", 2, 1), f("BREAK", 3, 1)])
        .coverage(Coverage::Partial),
    Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 4)]),
    Register::rw(0x508, "PSELRTS", u32::MAX).coverage(Coverage::Stub),
    Register::rw(PSEL_TXD, "PSELTXD", u32::MAX),
    Register::rw(0x510, "PSELCTS", u32::MAX).coverage(Coverage::Stub),
    Register::rw(PSEL_RXD, "PSELRXD", u32::MAX),
    Register::ro(RXD, "RXD", 0).fields(BYTE),
    Register::wo(TXD, "TXD").fields(BYTE),
    Register::rw(BAUDRATE, "BAUDRATE", 0x0400_0000),
    Register::rw(CONFIG, "CONFIG", 0)
        .fields(&[f("HWFC", 0, 1), f("PARITY", 1, 3), f("STOP", 4, 1)])
        .coverage(Coverage::Partial),
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

static SPEC51: Spec = Spec::new(&[TASKS], &[EVENTS], &SHORTS, &[REGISTERS, NRF51_POWER]);
static SPEC52: Spec = Spec::new(
    &[TASKS, &[task(FLUSHRX, "TASKS_FLUSHRX")]],
    &[EVENTS, EVENTS_DMA],
    &[SHORTS[0], SHORTS[1], short(5, ENDRX, STARTRX), short(6, ENDRX, STOPRX)],
    &[REGISTERS, REGISTERS_DMA],
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

/// UART / UARTE.
///
/// Bytes come one per character time at most and wait for the receiver: a peer or a person that sends
/// while it is off or full is held back, as by RTS, and loses nothing. So OVERRUN does not happen, nor do
/// the other line errors; CTS is always active.
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
        if self.shift.is_some() || !self.tx_on {
            return;
        }
        self.shift = if Self::dma(io) { self.tx_dma.pop_front() } else { self.holding.take() };
        if self.shift.is_some() {
            self.tx_end = io.now() + Self::character(io);
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
            dma::write(io, self.rx_ptr.wrapping_add(self.rx_done), &[byte]);
            self.rx_done += 1;
            self.rx_left = self.rx_left.saturating_sub(1);
            io.raise(RXDRDY);
            if self.rx_left == 0 {
                self.end_rx(io);
            }
        } else {
            self.fifo.push_back(byte);
            self.fill_rxd(io);
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

    /// What waits on the line is outside the chip and stays.
    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self { line: std::mem::take(&mut self.line), ..Self::new(self.config) };
    }

    fn view(&self, offset: u32, _: &Regs<'_>, _: Time) -> Option<u32> {
        (offset == RXD).then(|| u32::from(self.rxd.unwrap_or(self.last_rxd)))
    }

    fn read(&mut self, offset: u32, io: &mut Io<'_, '_>) {
        if offset == RXD && self.rxd.take().is_some() {
            self.fill_rxd(io);
            self.listen(io);
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
            // Nothing is left between the line and RAM; the flush of an empty FIFO ends at once.
            FLUSHRX if Self::dma(io) => {
                self.rx_done = 0;
                self.rx_armed = true;
                self.end_rx(io);
            }
            _ => {}
        }
        self.listen(io);
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
                let line = std::mem::take(&mut self.line);
                *self = Self { line, ..Self::new(self.config) };
            }
            _ => {}
        }
        self.listen(io);
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
        self.tx_end.min(self.arrives).min(self.timeout)
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
        if self.timeout <= now {
            self.timeout = Time::MAX;
            io.raise(RXTO);
        }
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
