//! TWIS: an I2C slave that answers two addresses and stretches the clock until it is prepared.

use consort_core::Time;
use consort_core::wire::{Master, Signal, Slave};
use serde::{Deserialize, Serialize};

use super::super::dma;
use super::{
    ADDRESS, ADDRESS1, ERROR, Io, MATCH, ORC, PREPARERX, PREPARETX, PSEL0, PSEL1, READ, RESUME, RXD_AMOUNT,
    RXD_MAXCNT, RXD_PTR, STARTED, STOP, STOPPED, SUSPEND, TWIS_CONFIG, TWIS_ERRORSRC, TXD_AMOUNT, TXD_MAXCNT,
    TXD_PTR, TXSTARTED, WRITE, psel,
};

const OVERFLOW: u32 = 1 << 0;
const DNACK: u32 = 1 << 2;
const OVERREAD: u32 = 1 << 3;
/// What TWIM calls STARTED is TWIS' RXSTARTED.
const RXSTARTED: u32 = STARTED;

/// The slave's state (PS "TWIS", TWI slave state machine).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Twis {
    /// A master addressed it, for reading or not.
    addressed: Option<bool>,
    /// When the address is complete, until which READ and WRITE wait.
    complete: Option<Time>,
    /// What the master waits for: a byte to take (`Some`) or to give, with the clock held low.
    held: Option<Option<u8>>,
    prepared_rx: bool,
    prepared_tx: bool,
    suspended: bool,
    /// It is in the TX or RX state, with this buffer.
    started: bool,
    ptr: u32,
    len: u32,
    done: u32,
}

impl Twis {
    fn answer(act: Slave, io: &mut Io<'_, '_>) {
        let now = io.now();
        io.cx.signal(0, Signal::Slave(now, act));
    }

    pub fn hear(&mut self, signal: &Signal, io: &mut Io<'_, '_>) {
        let Signal::Master(_, end, act) = signal else { return };
        self.wake_by(Time::MAX, io);
        match act {
            Master::Start(address, read) => {
                self.started = false;
                self.addressed = None;
                let pins = [PSEL0, PSEL1].map(|offset| psel(io.reg(offset)).is_some());
                let enabled = io.reg(TWIS_CONFIG);
                let own = [ADDRESS, ADDRESS1].map(|offset| io.reg(offset) & 0x7F);
                let found = own
                    .iter()
                    .enumerate()
                    .find(|(index, own)| enabled >> index & 1 != 0 && **own == u32::from(*address));
                let Some((index, _)) = found.filter(|_| pins == [true, true]) else { return };
                io.set(MATCH, index as u32);
                (self.addressed, self.complete) = (Some(*read), Some(*end));
                Self::answer(Slave::Acknowledge(true), io);
            }
            Master::Write(byte) if self.addressed == Some(false) => {
                self.held = Some(Some(*byte));
                self.go_on(true, io);
            }
            Master::Read if self.addressed == Some(true) => {
                self.held = Some(None);
                self.go_on(true, io);
            }
            Master::Stop if self.addressed.is_some() => self.stopped(io),
            Master::Write(_) | Master::Read | Master::Stop => {}
        }
    }

    fn stopped(&mut self, io: &mut Io<'_, '_>) {
        *self = Self::default();
        io.raise(STOPPED);
    }

    /// Enters the state it is prepared for, and answers what the master waits for; says that it holds the clock when
    /// it cannot and the master does not know that yet.
    fn go_on(&mut self, tell: bool, io: &mut Io<'_, '_>) {
        if self.complete.is_none() && !self.started {
            match self.addressed {
                Some(true) if self.prepared_tx => {
                    self.prepared_tx = false;
                    self.start(TXD_PTR, TXD_MAXCNT, TXD_AMOUNT, TXSTARTED, io);
                }
                Some(false) if self.prepared_rx => {
                    self.prepared_rx = false;
                    self.start(RXD_PTR, RXD_MAXCNT, RXD_AMOUNT, RXSTARTED, io);
                }
                _ => {}
            }
        }
        let Some(asked) = self.held else { return };
        if !self.started || self.suspended {
            if tell {
                Self::answer(Slave::Hold, io);
            }
            return;
        }
        self.held = None;
        match asked {
            Some(byte) => self.take(byte, io),
            None => self.give(io),
        }
    }

    fn start(&mut self, ptr: u32, count: u32, amount: u32, event: u32, io: &mut Io<'_, '_>) {
        self.started = true;
        (self.ptr, self.len, self.done) = (io.reg(ptr), io.reg(count), 0);
        io.set(amount, 0);
        io.raise(event);
    }

    fn fail(source: u32, io: &mut Io<'_, '_>) {
        io.set(TWIS_ERRORSRC, io.reg(TWIS_ERRORSRC) | source);
        io.raise(ERROR);
    }

    /// PS "TWIS", TWI slave responding to a write command: what the buffer has no room for is discarded and not
    /// acknowledged.
    fn take(&mut self, byte: u8, io: &mut Io<'_, '_>) {
        let room = self.done < self.len;
        if room {
            dma::write(io, self.ptr.wrapping_add(self.done), &[byte]);
            self.done += 1;
            io.set(RXD_AMOUNT, self.done);
        } else {
            Self::fail(OVERFLOW | DNACK, io);
        }
        Self::answer(Slave::Acknowledge(room), io);
    }

    /// PS "TWIS", TWI slave responding to a read command: ORC after the buffer's end.
    fn give(&mut self, io: &mut Io<'_, '_>) {
        let byte = if self.done < self.len {
            let byte = dma::read(io, self.ptr.wrapping_add(self.done), 1)[0];
            self.done += 1;
            io.set(TXD_AMOUNT, self.done);
            byte
        } else {
            Self::fail(OVERREAD, io);
            io.reg(ORC) as u8
        };
        Self::answer(Slave::Byte(byte), io);
    }

    pub fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        match task {
            PREPARERX => self.prepared_rx = true,
            PREPARETX => self.prepared_tx = true,
            SUSPEND => self.suspended = true,
            RESUME => self.suspended = false,
            STOP => {
                self.release(io);
                self.stopped(io);
            }
            _ => return,
        }
        self.go_on(false, io);
    }

    /// It lets go the wires.
    pub fn release(&mut self, io: &mut Io<'_, '_>) {
        match self.held.take() {
            Some(Some(_)) => Self::answer(Slave::Acknowledge(false), io),
            Some(None) => Self::answer(Slave::Byte(0xFF), io),
            None => {}
        }
    }

    pub fn deadline(&self) -> Time {
        self.complete.unwrap_or(Time::MAX)
    }

    fn wake_by(&mut self, now: Time, io: &mut Io<'_, '_>) {
        if self.complete.is_some_and(|at| at <= now) {
            self.complete = None;
            io.raise(if self.addressed == Some(true) { READ } else { WRITE });
            self.go_on(false, io);
        }
    }

    pub fn wake(&mut self, io: &mut Io<'_, '_>) {
        self.wake_by(io.now(), io);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ENABLE, Serial, SerialConfig};
    use super::*;
    use crate::nrf::block::{Block, SHORTS};
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Serial>> {
        let mut rig = Rig::new(Block::new(SerialConfig::default()));
        rig.host.wire = Some(Time::from_us(10));
        rig.host.base = 0x2000_0000;
        rig.host.memory = b"ab______".to_vec();
        for (register, value) in [
            (PSEL0, 1),
            (PSEL1, 2),
            (ADDRESS, 0x33),
            (ADDRESS1, 0x44),
            (TWIS_CONFIG, 3),
            (TXD_PTR, 0x2000_0000),
            (TXD_MAXCNT, 2),
            (RXD_PTR, 0x2000_0004),
            (RXD_MAXCNT, 2),
            (ORC, 0xEE),
            (ENABLE, 9),
        ] {
            rig.write(register, value);
        }
        rig
    }

    fn act(rig: &mut Rig<Block<Serial>>, act: Master) -> Option<Slave> {
        let start = rig.now;
        rig.run_for(Time::from_us(10));
        rig.signals.clear();
        rig.hear(0, Signal::Master(start, start + Time::from_us(25), act));
        rig.run_until(start + Time::from_us(25));
        last(rig)
    }

    fn last(rig: &mut Rig<Block<Serial>>) -> Option<Slave> {
        match rig.signals.pop() {
            Some((at, 0, Signal::Slave(since, act))) => {
                assert_eq!(at, since);
                Some(act)
            }
            _ => None,
        }
    }

    #[test]
    fn two_addresses_are_answered_and_no_others() {
        // PS "TWIS", ADDRESS[n], CONFIG, MATCH.
        let mut rig = rig();
        assert_eq!(act(&mut rig, Master::Start(0x22, false)), None);
        assert_eq!(act(&mut rig, Master::Write(1)), None);
        assert_eq!(act(&mut rig, Master::Stop), None);
        assert_eq!((rig.read(WRITE), rig.read(STOPPED)), (0, 0));
        assert_eq!(act(&mut rig, Master::Start(0x44, false)), Some(Slave::Acknowledge(true)));
        assert_eq!((rig.read(WRITE), rig.read(MATCH)), (1, 1));
        rig.write(TWIS_CONFIG, 1);
        assert_eq!(act(&mut rig, Master::Start(0x44, true)), None);
        assert_eq!(act(&mut rig, Master::Start(0x33, true)), Some(Slave::Acknowledge(true)));
        assert_eq!((rig.read(READ), rig.read(MATCH)), (1, 0));
    }

    #[test]
    fn what_is_written_goes_to_the_buffer_once_prepared() {
        // PS "TWIS", TWI slave responding to a write command.
        let mut rig = rig();
        act(&mut rig, Master::Start(0x33, false));
        assert_eq!(act(&mut rig, Master::Write(b'x')), Some(Slave::Hold), "the clock is stretched");
        assert_eq!(rig.read(RXSTARTED), 0);
        rig.write(PREPARERX, 1);
        assert_eq!(last(&mut rig), Some(Slave::Acknowledge(true)));
        assert_eq!(rig.read(RXSTARTED), 1);
        assert_eq!(act(&mut rig, Master::Write(b'y')), Some(Slave::Acknowledge(true)));
        assert_eq!((rig.read(ERROR), rig.read(RXD_AMOUNT)), (0, 2));
        assert_eq!(act(&mut rig, Master::Write(b'z')), Some(Slave::Acknowledge(false)));
        assert_eq!((rig.read(ERROR), rig.read(TWIS_ERRORSRC)), (1, OVERFLOW | DNACK));
        rig.write(TWIS_ERRORSRC, OVERFLOW);
        assert_eq!(rig.read(TWIS_ERRORSRC), DNACK);
        act(&mut rig, Master::Stop);
        assert_eq!((rig.read(STOPPED), rig.host.memory.as_slice()), (1, &b"ab__xy__"[..]));
    }

    #[test]
    fn a_repeated_start_reads_the_other_buffer() {
        // PS "TWIS", Master repeated start sequence, TWI slave responding to a read command: no STOPPED between.
        let mut rig = rig();
        rig.write(PREPARERX, 1);
        rig.write(PREPARETX, 1);
        act(&mut rig, Master::Start(0x33, false));
        assert_eq!(act(&mut rig, Master::Write(7)), Some(Slave::Acknowledge(true)));
        act(&mut rig, Master::Start(0x33, true));
        assert_eq!((rig.read(STOPPED), rig.read(TXSTARTED)), (0, 1));
        let read: Vec<_> = (0..3).map(|_| act(&mut rig, Master::Read)).collect();
        assert_eq!(read, [b'a', b'b', 0xEE].map(|byte| Some(Slave::Byte(byte))));
        assert_eq!((rig.read(TWIS_ERRORSRC), rig.read(TXD_AMOUNT)), (OVERREAD, 2));
        act(&mut rig, Master::Stop);
        assert_eq!(rig.read(STOPPED), 1);
        // The flags are used up.
        act(&mut rig, Master::Start(0x33, true));
        assert_eq!(act(&mut rig, Master::Read), Some(Slave::Hold));
    }

    #[test]
    fn a_suspended_slave_holds_the_clock() {
        // PS "TWIS", SHORTS: WRITE_SUSPEND; RESUME lets go.
        let mut rig = rig();
        rig.write(SHORTS, 1 << 13);
        rig.write(PREPARERX, 1);
        act(&mut rig, Master::Start(0x33, false));
        assert_eq!(act(&mut rig, Master::Write(1)), Some(Slave::Hold));
        rig.write(RESUME, 1);
        assert_eq!(last(&mut rig), Some(Slave::Acknowledge(true)));
        // PS "TWIS", Terminating an ongoing TWI transaction: STOP.
        rig.write(SUSPEND, 1);
        assert_eq!(act(&mut rig, Master::Write(1)), Some(Slave::Hold));
        rig.write(STOP, 1);
        assert_eq!((last(&mut rig), rig.read(STOPPED)), (Some(Slave::Acknowledge(false)), 1));
    }

    #[test]
    fn who_is_switched_off_lets_the_clock_go() {
        let mut rig = rig();
        act(&mut rig, Master::Start(0x33, true));
        assert_eq!(act(&mut rig, Master::Read), Some(Slave::Hold));
        rig.write(ENABLE, 0);
        assert_eq!(last(&mut rig), Some(Slave::Byte(0xFF)));
    }
}
