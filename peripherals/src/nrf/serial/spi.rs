//! SPI with TXD and RXD registers, and SPIM with EasyDMA.

use consort_core::Time;
use consort_core::wire::{Signal, Transfer as Clocked};
use serde::{Deserialize, Serialize};

use super::super::dma;
use super::{
    CONFIG, END, ENDRX, ENDTX, FREQUENCY, Io, ORC, PSEL0, READY, RESUME, RXD_AMOUNT, RXD_MAXCNT, RXD_PTR,
    START, STARTED, STOP, STOPPED, SUSPEND, SUSPENDED, SerialConfig, TXD_AMOUNT, TXD_MAXCNT, TXD_PTR,
    bit_time, keeps_up, mode_of, psel,
};

/// The master's shifter: one byte at a time (SPI), or a whole transfer (SPIM).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Spi {
    /// SPI: the byte on the wire and the one that waits in TXD.
    shifting: Option<u8>,
    waiting: Option<u8>,
    /// SPI: RXD and the byte behind it.
    received: Option<u8>,
    behind: Option<u8>,
    last: u8,
    /// SPIM: a transfer is under way, with its pointers and counts.
    transfer: Option<Transfer>,
    end: Option<Time>,
    /// What slaves on the wire answer to what is under way; wires that nobody drives are high.
    answer: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Transfer {
    tx: (u32, u32),
    rx: (u32, u32),
}

/// PS "SPIM", CONFIG, ORDER: parts and wires have bytes with the first bit highest.
fn turn(bytes: &mut [u8], io: &Io<'_, '_>) {
    if io.reg(CONFIG) & 1 != 0 {
        bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
    }
}

/// Replaces bytes by their answers: of the board's parts, and of the slaves on the wire; low wins.
fn exchange(bytes: &mut [u8], answer: Option<Vec<u8>>, config: &SerialConfig, io: &mut Io<'_, '_>) {
    let pin = psel(io.reg(PSEL0));
    if pin.is_none() || config.sck.is_some_and(|wired| pin != Some(wired)) {
        bytes.fill(0xFF);
    } else {
        turn(bytes, io);
        io.cx.spi_bytes(bytes);
        turn(bytes, io);
    }
    if let Some(mut answer) = answer {
        turn(&mut answer, io);
        bytes.iter_mut().zip(answer).for_each(|(byte, own)| *byte &= own);
    }
}

impl Spi {
    pub fn rxd(&self) -> u32 {
        u32::from(self.received.unwrap_or(self.last))
    }

    /// RM "SPI", SPI master transaction sequence: RXD is double buffered; READY for each byte that moves into
    /// it.
    pub fn rxd_read(&mut self, io: &mut Io<'_, '_>) {
        if self.received.take().is_some()
            && let Some(byte) = self.behind.take()
        {
            self.fill(byte, io);
        }
    }

    fn fill(&mut self, byte: u8, io: &mut Io<'_, '_>) {
        self.received = Some(byte);
        self.last = byte;
        io.raise(READY);
    }

    /// Begins to clock bytes.
    fn clock(&mut self, mut bytes: Vec<u8>, refused: &mut bool, io: &mut Io<'_, '_>) {
        let (start, byte_time) = (io.now(), bit_time(io.reg(FREQUENCY), 8));
        let end = start + bit_time(io.reg(FREQUENCY), bytes.len() as u64 * 8);
        (self.end, self.answer) = (Some(end), None);
        let asks = !bytes.is_empty() && psel(io.reg(PSEL0)).is_some();
        if asks && keeps_up(byte_time, refused, io) {
            turn(&mut bytes, io);
            let mode = mode_of(io);
            io.cx.signal(0, Signal::Transfer(Clocked { start, end, mode, bytes }));
        }
    }

    /// A slave on the wire answers.
    pub fn answered(&mut self, bytes: Vec<u8>) {
        match &mut self.answer {
            Some(before) => before.iter_mut().zip(bytes).for_each(|(byte, other)| *byte &= other),
            None if self.end.is_some() => self.answer = Some(bytes),
            None => {}
        }
    }

    /// It stops in the middle of what it clocks.
    pub fn abort(&mut self, io: &mut Io<'_, '_>) {
        if self.end.take().is_some() {
            io.cx.signal(0, Signal::Abort);
        }
    }

    /// What a transfer sends: PS "SPIM", ORC behind the end of its buffer.
    fn outgoing(transfer: Transfer, io: &mut Io<'_, '_>) -> Vec<u8> {
        let mut out = dma::read(io, transfer.tx.0, transfer.tx.1 as usize);
        out.resize(transfer.tx.1.max(transfer.rx.1) as usize, io.reg(ORC) as u8);
        out
    }

    /// RM "SPI", SPI master transaction sequence: TXD is double buffered.
    pub fn txd(&mut self, byte: u8, refused: &mut bool, io: &mut Io<'_, '_>) {
        if self.shifting.is_none() {
            self.shifting = Some(byte);
            self.clock(vec![byte], refused, io);
        } else {
            self.waiting = Some(byte);
        }
    }

    pub fn task(&mut self, task: u32, refused: &mut bool, io: &mut Io<'_, '_>) {
        match task {
            START => {
                let transfer = Transfer {
                    tx: (io.reg(TXD_PTR), io.reg(TXD_MAXCNT)),
                    rx: (io.reg(RXD_PTR), io.reg(RXD_MAXCNT)),
                };
                self.transfer = Some(transfer);
                let out = Self::outgoing(transfer, io);
                self.clock(out, refused, io);
                io.raise(STARTED);
            }
            STOP => {
                if self.transfer.take().is_some() {
                    self.abort(io);
                    io.set(TXD_AMOUNT, 0);
                    io.set(RXD_AMOUNT, 0);
                }
                io.raise(STOPPED);
            }
            SUSPEND => io.raise(SUSPENDED),
            RESUME => {}
            _ => {}
        }
    }

    pub fn deadline(&self) -> Time {
        self.end.unwrap_or(Time::MAX)
    }

    pub fn wake(&mut self, config: &SerialConfig, refused: &mut bool, io: &mut Io<'_, '_>) {
        self.end = None;
        let remote = self.answer.take();
        if let Some(transfer) = self.transfer.take() {
            Self::move_all(transfer, remote, config, io);
        } else if let Some(byte) = self.shifting.take() {
            let mut answer = [byte];
            exchange(&mut answer, remote, config, io);
            let [answer] = answer;
            if let Some(next) = self.waiting.take() {
                self.txd(next, refused, io);
            }
            if self.received.is_none() {
                self.fill(answer, io);
            } else {
                self.behind = Some(answer);
            }
        }
    }

    /// PS "SPIM", SPI master transaction sequence: all bytes are exchanged when the last one is done; parts
    /// have no finer time than that.
    fn move_all(transfer: Transfer, remote: Option<Vec<u8>>, config: &SerialConfig, io: &mut Io<'_, '_>) {
        let mut answers = Self::outgoing(transfer, io);
        exchange(&mut answers, remote, config, io);
        answers.truncate(transfer.rx.1 as usize);
        dma::write(io, transfer.rx.0, &answers);
        io.set(TXD_AMOUNT, transfer.tx.1);
        io.set(RXD_AMOUNT, transfer.rx.1);
        io.raise(ENDTX);
        io.raise(ENDRX);
        io.raise(END);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ENABLE, RXD, Serial, Series, TXD};
    use super::*;
    use crate::nrf::block::{Block, INTENSET};
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    fn rig(series: Series, enable: u32) -> Rig<Block<Serial>> {
        let mut rig = Rig::new(Block::new(SerialConfig { series, ..Default::default() }));
        rig.write(PSEL0, 3);
        rig.write(ENABLE, enable);
        rig.write(FREQUENCY, 0x1000_0000); // 1 Mbit/s
        rig
    }

    #[test]
    fn bytes_are_exchanged_at_the_chosen_rate() {
        // RM "SPI", SPI master transaction sequence: TXD and RXD are double buffered; READY for each byte.
        let mut rig = rig(Series::Nrf51, 1);
        rig.host.bus_data = [0x11, 0x22].into();
        rig.write(TXD, 0xA5);
        rig.write(TXD, 0x5A);
        rig.run_for(Time::from_us(7));
        assert_eq!(rig.read(READY), 0);
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(READY), rig.peek(RXD)), (1, Some(0x11)));
        rig.write(READY, 0);
        rig.run_for(Time::from_us(8));
        assert_eq!(rig.read(RXD), 0x11);
        assert_eq!((rig.read(READY), rig.read(RXD)), (1, 0x22));
        assert_eq!(rig.host.bus_log, ["spi a5/8", "spi 5a/8"]);
    }

    #[test]
    fn spim_moves_buffers_and_fills_up_with_orc() {
        // PS "SPIM", EasyDMA, ORC: EasyDMA lists, over-read character, END.
        let mut rig = rig(Series::Nrf52, 7);
        rig.host.base = 0x2000_0000;
        rig.host.memory = vec![1, 2, 0, 0, 0, 0];
        rig.host.bus_data = [0xA, 0xB, 0xC].into();
        rig.write(INTENSET, 1 << 6);
        rig.write(ORC, 0xEE);
        rig.write(TXD_PTR, 0x2000_0000);
        rig.write(TXD_MAXCNT, 2);
        rig.write(RXD_PTR, 0x2000_0002);
        rig.write(RXD_MAXCNT, 3);
        rig.write(START, 1);
        assert_eq!((rig.read(STARTED), rig.read(END)), (1, 0));
        rig.run_for(Time::from_us(24));
        assert_eq!((rig.read(END), rig.line("irq"), rig.read(RXD_AMOUNT)), (1, true, 3));
        assert_eq!(rig.host.bus_log, ["spi 01/8", "spi 02/8", "spi ee/8"]);
        assert_eq!(rig.host.memory, [1, 2, 0xA, 0xB, 0xC, 0]);
    }
}
