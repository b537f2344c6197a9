//! TWI with TXD and RXD registers, and TWIM with EasyDMA: an I2C master.

use consort_core::Time;
use consort_core::wire::{Master, Signal, Slave};
use serde::{Deserialize, Serialize};

use super::super::dma;
use super::{
    ADDRESS, BB, ENABLE, ERROR, ERRORSRC, FREQUENCY, Io, LASTRX, LASTTX, Mode, PSEL0, PSEL1, READY, RESUME,
    RXD_AMOUNT, RXD_MAXCNT, RXD_PTR, STARTED, STARTRX, STARTTX, STOP, STOPPED, SUSPEND, SUSPENDED,
    SerialConfig, TXD_AMOUNT, TXD_MAXCNT, TXD_PTR, TXDSENT, TXSTARTED, bit_time, keeps_up, psel,
};

const ANACK: u32 = 1 << 1;
const DNACK: u32 = 1 << 2;

/// What is on the wires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Wires {
    /// Nobody holds the bus.
    #[default]
    Free,
    /// A START and the address; for reading or not.
    Address(bool),
    /// A byte to the part.
    Send(u8),
    /// A byte from the part.
    Receive,
    /// SCL is held low: the master waits, addressed for reading or not.
    Held(bool),
    /// A STOP condition.
    Stop,
}

/// The master's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Twi {
    wires: Wires,
    end: Option<Time>,
    suspended: bool,
    /// A STARTTX (false), STARTRX (true) or STOP that waits for the end of the byte on the wires.
    next: Option<Next>,
    /// TWI: TXD when it waits for the wires, RXD when it was not read yet.
    txd: Option<u8>,
    received: Option<u8>,
    last: u8,
    /// TWIM: the buffer in use, how much of it is done and how long it is.
    ptr: u32,
    done: u32,
    len: u32,
    failed: bool,
    /// It is somebody on the wire that acknowledged the address.
    on_wire: bool,
    /// What a slave on the wire said to what is on the wires.
    answer: Option<Slave>,
    /// The bits are over, but a slave on the wire holds the clock.
    stretched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Next {
    Start(bool),
    Stop,
}

impl Twi {
    pub fn rxd(&self) -> u32 {
        u32::from(self.received.unwrap_or(self.last))
    }

    pub fn rxd_read(&mut self, refused: &mut bool, io: &mut Io<'_, '_>) {
        if self.received.take().is_some() {
            self.go_on(refused, io);
        }
    }

    pub fn txd(&mut self, byte: u8, refused: &mut bool, io: &mut Io<'_, '_>) {
        self.txd = Some(byte);
        self.go_on(refused, io);
    }

    /// The interface is switched off in the middle of a transfer.
    pub fn release(&mut self, io: &mut Io<'_, '_>) {
        if self.wires != Wires::Free {
            io.cx.i2c_stop();
            let now = io.now();
            io.cx.signal(0, Signal::Master(now, now, Master::Stop));
        }
    }

    fn dma(io: &Io<'_, '_>) -> bool {
        Mode::of(io.reg(ENABLE)) == Mode::Twim
    }

    fn put(&mut self, wires: Wires, bits: u64, refused: &mut bool, io: &mut Io<'_, '_>) {
        let end = io.now() + bit_time(io.reg(FREQUENCY), bits);
        self.wires = wires;
        self.end = Some(end);
        (self.answer, self.stretched) = (None, false);
        let act = match wires {
            Wires::Address(read) => Master::Start((io.reg(ADDRESS) & 0x7F) as u8, read),
            Wires::Send(byte) => Master::Write(byte),
            Wires::Receive => Master::Read,
            Wires::Stop => Master::Stop,
            Wires::Free | Wires::Held(_) => return,
        };
        if Self::pins(io).iter().all(Option::is_some) && keeps_up(bit_time(io.reg(FREQUENCY), 9), refused, io)
        {
            let start = io.now();
            io.cx.signal(0, Signal::Master(start, end, act));
        }
    }

    fn pins(io: &Io<'_, '_>) -> [Option<u8>; 2] {
        [PSEL0, PSEL1].map(|offset| psel(io.reg(offset)))
    }

    /// A slave on the wire answers. One that held the clock lets the byte's nine bits begin only now.
    pub fn answered(&mut self, since: Time, act: Slave, io: &Io<'_, '_>) {
        let held = self.answer == Some(Slave::Hold);
        self.answer = Some(act);
        if held && act != Slave::Hold && matches!(self.wires, Wires::Send(_) | Wires::Receive) {
            self.stretched = false;
            self.end = Some(io.now().max(since + bit_time(io.reg(FREQUENCY), 9)));
        }
    }

    pub fn task(&mut self, task: u32, refused: &mut bool, io: &mut Io<'_, '_>) {
        match task {
            STARTTX | STARTRX => self.next = Some(Next::Start(task == STARTRX)),
            STOP => {
                self.next = Some(Next::Stop);
                // PS "TWIM": a suspended TWIM must be resumed for STOP to take effect; TWI stops by itself.
                if !Self::dma(io) {
                    self.suspended = false;
                }
            }
            SUSPEND => {
                self.suspended = true;
                if Self::dma(io) && matches!(self.wires, Wires::Held(_) | Wires::Free) {
                    io.raise(SUSPENDED);
                }
            }
            RESUME => self.suspended = false,
            _ => return,
        }
        self.go_on(refused, io);
    }

    /// Puts the next thing on the wires, when they are not busy.
    fn go_on(&mut self, refused: &mut bool, io: &mut Io<'_, '_>) {
        if self.end.is_some() || self.stretched {
            return;
        }
        let reading = match self.wires {
            Wires::Free if self.next == Some(Next::Stop) => {
                // There is nothing to stop; the event comes all the same.
                self.next = None;
                self.put(Wires::Stop, 1, refused, io);
                return;
            }
            Wires::Free => {
                if let Some(Next::Start(read)) = self.next {
                    self.suspended = false;
                    self.begin(read, refused, io);
                }
                return;
            }
            Wires::Held(reading) => reading,
            _ => return,
        };
        if self.suspended {
            return;
        }
        match self.next {
            Some(Next::Stop) => {
                self.next = None;
                self.put(Wires::Stop, 1, refused, io);
                return;
            }
            Some(Next::Start(read)) => {
                self.begin(read, refused, io);
                return;
            }
            None => {}
        }
        if self.failed {
            return;
        }
        if Self::dma(io) {
            if self.done < self.len {
                if self.done + 1 == self.len {
                    io.raise(if reading { LASTRX } else { LASTTX });
                }
                if reading {
                    self.put(Wires::Receive, 9, refused, io);
                } else {
                    let byte = dma::read(io, self.ptr.wrapping_add(self.done), 1)[0];
                    self.put(Wires::Send(byte), 9, refused, io);
                }
            }
        } else if reading {
            if self.received.is_none() {
                self.put(Wires::Receive, 9, refused, io);
            }
        } else if let Some(byte) = self.txd.take() {
            self.put(Wires::Send(byte), 9, refused, io);
        }
    }

    fn begin(&mut self, read: bool, refused: &mut bool, io: &mut Io<'_, '_>) {
        self.next = None;
        self.failed = false;
        self.received = None;
        if Self::dma(io) {
            let (ptr, len) = if read { (RXD_PTR, RXD_MAXCNT) } else { (TXD_PTR, TXD_MAXCNT) };
            (self.ptr, self.len, self.done) = (io.reg(ptr), io.reg(len), 0);
            io.set(if read { RXD_AMOUNT } else { TXD_AMOUNT }, 0);
            io.raise(if read { STARTED } else { TXSTARTED });
        }
        self.put(Wires::Address(read), 10, refused, io);
    }

    /// A byte from whoever is addressed.
    fn byte(&self, answer: Option<Slave>, last: bool, io: &mut Io<'_, '_>) -> u8 {
        match answer {
            Some(Slave::Byte(byte)) if self.on_wire => byte,
            _ if self.on_wire => 0xFF,
            _ => io.cx.i2c_read(last),
        }
    }

    fn fail(&mut self, cause: u32, io: &mut Io<'_, '_>) {
        self.failed = true;
        io.set(ERRORSRC, io.reg(ERRORSRC) | cause);
        io.raise(ERROR);
    }

    pub fn deadline(&self) -> Time {
        self.end.unwrap_or(Time::MAX)
    }

    pub fn wake(&mut self, config: &SerialConfig, refused: &mut bool, io: &mut Io<'_, '_>) {
        self.end = None;
        if self.on_wire
            && self.answer == Some(Slave::Hold)
            && matches!(self.wires, Wires::Send(_) | Wires::Receive)
        {
            self.stretched = true;
            return;
        }
        let answer = self.answer.take();
        match self.wires {
            Wires::Address(read) => {
                self.wires = Wires::Held(read);
                let mut pins = Self::pins(io).into_iter().zip([config.scl, config.sda]);
                let reached =
                    pins.all(|(pin, wired)| pin.is_some() && wired.is_none_or(|wired| pin == Some(wired)));
                let here = reached && io.cx.i2c_start((io.reg(ADDRESS) & 0x7F) as u8, read);
                self.on_wire = !here && answer == Some(Slave::Acknowledge(true));
                if !here && !self.on_wire {
                    self.fail(ANACK, io);
                } else if !Self::dma(io) && read {
                    self.go_on(refused, io);
                    return;
                }
            }
            Wires::Send(byte) => {
                self.wires = Wires::Held(false);
                let acknowledged = if self.on_wire {
                    answer == Some(Slave::Acknowledge(true))
                } else {
                    io.cx.i2c_write(byte)
                };
                if Self::dma(io) {
                    self.done += 1;
                    io.set(TXD_AMOUNT, self.done);
                } else {
                    io.raise(BB);
                    io.raise(TXDSENT);
                }
                if !acknowledged {
                    self.fail(DNACK, io);
                }
            }
            Wires::Receive => {
                self.wires = Wires::Held(true);
                if Self::dma(io) {
                    let byte = self.byte(answer, self.done + 1 == self.len, io);
                    dma::write(io, self.ptr.wrapping_add(self.done), &[byte]);
                    self.done += 1;
                    io.set(RXD_AMOUNT, self.done);
                } else {
                    // RM "TWI", Master read sequence: BB before the acknowledge; its shorts to STOP make this
                    // the last byte.
                    let last = io.shorts() & 2 != 0 || self.next == Some(Next::Stop);
                    let byte = self.byte(answer, last, io);
                    io.raise(BB);
                    self.received = Some(byte);
                    self.last = byte;
                    io.raise(READY);
                }
            }
            Wires::Stop => {
                self.wires = Wires::Free;
                self.on_wire = false;
                io.cx.i2c_stop();
                self.suspended = false;
                self.txd = None;
                io.raise(STOPPED);
            }
            Wires::Free | Wires::Held(_) => {}
        }
        if self.suspended && Self::dma(io) && matches!(self.wires, Wires::Held(_)) {
            io.raise(SUSPENDED);
        }
        // Shorts of the events above (BB_STOP, BB_SUSPEND) act first.
        if self.wires == Wires::Held(true) && !Self::dma(io) && io.shorts() & 3 != 0 {
            return;
        }
        self.go_on(refused, io);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RXD, Serial, Series, TXD};
    use super::*;
    use crate::nrf::block::{Block, SHORTS};
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    fn rig(series: Series, enable: u32) -> Rig<Block<Serial>> {
        let mut rig = Rig::new(Block::new(SerialConfig { series, ..Default::default() }));
        rig.write(PSEL0, 0);
        rig.write(PSEL1, 30);
        rig.write(ENABLE, enable);
        rig.write(ADDRESS, 0x1D);
        rig.write(FREQUENCY, 0x0640_0000); // about 400 kbit/s
        rig.host.i2c_address = Some(0x1D);
        rig
    }

    #[test]
    fn a_register_is_written_and_read_back_as_drivers_do_it() {
        // RM "TWI", Master write sequence, Master read sequence: TXD, TXDSENT; STARTRX with BB_SUSPEND,
        // BB_STOP before the last byte.
        let mut rig = rig(Series::Nrf51, 5);
        rig.host.bus_data = [0x5A, 0xA5].into();
        rig.write(STARTTX, 1);
        rig.write(TXD, 0x0D);
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.read(TXDSENT), 1);
        rig.write(SHORTS, 1);
        rig.write(STARTRX, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(READY), rig.read(RXD)), (1, 0x5A));
        rig.run_for(Time::from_ms(1));
        rig.write(READY, 0);
        rig.write(SHORTS, 2);
        rig.write(RESUME, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(READY), rig.read(RXD), rig.read(STOPPED)), (1, 0xA5, 1));
        assert_eq!(rig.host.bus_log, ["start 1d w", "w 0d", "start 1d r", "r", "r last", "stop"]);
    }

    #[test]
    fn nobody_there_is_an_address_nack() {
        // RM "TWI", ERRORSRC: ANACK.
        let mut rig = rig(Series::Nrf51, 5);
        rig.write(ADDRESS, 0x55);
        rig.write(STARTTX, 1);
        rig.write(TXD, 0);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(ERROR), rig.read(ERRORSRC), rig.read(TXDSENT)), (1, ANACK, 0));
        rig.write(ERRORSRC, ANACK);
        rig.write(STOP, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(STOPPED), rig.read(ERRORSRC)), (1, 0));
    }

    #[test]
    fn twim_writes_then_reads_by_shorts() {
        // PS "TWIM", Master repeated start sequence: LASTTX_STARTRX and LASTRX_STOP make one transfer with a
        // repeated start.
        let mut rig = rig(Series::Nrf52, 6);
        rig.host.base = 0x2000_0000;
        rig.host.memory = vec![0x28, 0, 0, 0];
        rig.host.bus_data = [1, 2, 3].into();
        rig.write(TXD_PTR, 0x2000_0000);
        rig.write(TXD_MAXCNT, 1);
        rig.write(RXD_PTR, 0x2000_0001);
        rig.write(RXD_MAXCNT, 3);
        rig.write(SHORTS, 1 << 7 | 1 << 12);
        rig.write(STARTTX, 1);
        rig.run_for(Time::from_us(100));
        assert_eq!(rig.read(STOPPED), 0);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(STOPPED), rig.read(RXD_AMOUNT), rig.read(TXD_AMOUNT)), (1, 3, 1));
        assert_eq!(rig.host.memory, [0x28, 1, 2, 3]);
        assert_eq!(rig.host.bus_log, ["start 1d w", "w 28", "start 1d r", "r", "r", "r last", "stop"]);
    }

    #[test]
    fn other_pins_reach_nobody() {
        let config = SerialConfig { series: Series::Nrf51, scl: Some(8), sda: Some(16), sck: None };
        let mut rig = Rig::new(Block::<Serial>::new(config));
        rig.host.i2c_address = Some(0x1D);
        rig.write(PSEL0, 8);
        rig.write(PSEL1, 30);
        rig.write(ENABLE, 5);
        rig.write(ADDRESS, 0x1D);
        rig.write(STARTTX, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.read(ERRORSRC), ANACK);
    }
}
