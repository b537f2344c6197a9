//! SPI with TXD and RXD registers, and SPIM with EasyDMA.

use consort_core::Time;
use serde::{Deserialize, Serialize};

use super::super::dma;
use super::{
    CONFIG, END, ENDRX, ENDTX, FREQUENCY, Io, ORC, PSEL0, READY, RESUME, RXD_AMOUNT, RXD_MAXCNT, RXD_PTR,
    START, STARTED, STOP, STOPPED, SUSPEND, SUSPENDED, SerialConfig, TXD_AMOUNT, TXD_MAXCNT, TXD_PTR,
    bit_time, psel,
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
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Transfer {
    tx: (u32, u32),
    rx: (u32, u32),
}

/// Replaces bytes by their answers.
fn exchange(bytes: &mut [u8], config: &SerialConfig, io: &mut Io<'_, '_>) {
    let pin = psel(io.reg(PSEL0));
    if pin.is_none() || config.sck.is_some_and(|wired| pin != Some(wired)) {
        bytes.fill(0xFF);
        return;
    }
    // PS "SPIM", CONFIG, ORDER: the parts see bytes, most significant bit first.
    let reverse = io.reg(CONFIG) & 1 != 0;
    let turn = |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
    if reverse {
        turn(bytes);
    }
    io.cx.spi_bytes(bytes);
    if reverse {
        turn(bytes);
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

    /// RM "SPI", SPI master transaction sequence: TXD is double buffered.
    pub fn txd(&mut self, byte: u8, _: &SerialConfig, io: &Io<'_, '_>) {
        if self.shifting.is_none() {
            self.shifting = Some(byte);
            self.end = Some(io.now() + bit_time(io.reg(FREQUENCY), 8));
        } else {
            self.waiting = Some(byte);
        }
    }

    pub fn task(&mut self, task: u32, _: &SerialConfig, io: &mut Io<'_, '_>) {
        match task {
            START => {
                let transfer = Transfer {
                    tx: (io.reg(TXD_PTR), io.reg(TXD_MAXCNT)),
                    rx: (io.reg(RXD_PTR), io.reg(RXD_MAXCNT)),
                };
                let bytes = u64::from(transfer.tx.1.max(transfer.rx.1));
                self.transfer = Some(transfer);
                self.end = Some(io.now() + bit_time(io.reg(FREQUENCY), bytes * 8));
                io.raise(STARTED);
            }
            STOP => {
                if self.transfer.take().is_some() {
                    self.end = None;
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

    pub fn wake(&mut self, config: &SerialConfig, io: &mut Io<'_, '_>) {
        self.end = None;
        if let Some(transfer) = self.transfer.take() {
            self.move_all(transfer, config, io);
        } else if let Some(byte) = self.shifting.take() {
            let mut answer = [byte];
            exchange(&mut answer, config, io);
            let [answer] = answer;
            if let Some(next) = self.waiting.take() {
                self.txd(next, config, io);
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
    fn move_all(&mut self, transfer: Transfer, config: &SerialConfig, io: &mut Io<'_, '_>) {
        let out = dma::read(io, transfer.tx.0, transfer.tx.1 as usize);
        let over = io.reg(ORC) as u8;
        let count = transfer.tx.1.max(transfer.rx.1) as usize;
        let mut answers = out;
        answers.resize(count, over);
        exchange(&mut answers, config, io);
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
