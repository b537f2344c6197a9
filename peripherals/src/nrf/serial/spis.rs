//! SPIS: an SPI slave, whose buffers it shares with the processor by a semaphore.

use consort_core::Time;
use consort_core::wire::{Signal, Transfer};
use serde::{Deserialize, Serialize};

use super::super::dma;
use super::{
    ACQUIRE, ACQUIRED, CONFIG, DEF, ENDRX, Io, ORC, PSEL_CSN, PSEL0, PSEL1, RELEASE, RXD_AMOUNT, RXD_MAXCNT,
    RXD_PTR, SEMSTAT, STATUS, STOPPED, TXD_AMOUNT, TXD_MAXCNT, TXD_PTR, mode_of, psel, shifted,
};

/// SPIS' END event is where other interfaces have STOPPED.
const END: u32 = STOPPED;
const SHORT_END_ACQUIRE: u32 = 1 << 2;
const OVERREAD: u32 = 1 << 0;
const OVERFLOW: u32 = 1 << 1;

/// SEMSTAT.
const FREE: u32 = 0;
const CPU: u32 = 1;
const SPIS: u32 = 2;
const CPU_PENDING: u32 = 3;

/// The slave's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Spis {
    /// A transaction that was granted: from CSN's fall to its rise.
    granted: Option<Granted>,
    /// What the master is clocking, granted or not.
    transfer: Option<Transfer>,
    /// An ACQUIRE was served at the present END, so that the short's is not.
    served: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Granted {
    /// What is to be sent.
    out: Vec<u8>,
    /// Bytes clocked.
    clocked: u32,
    /// Where what comes goes, how much may, and how much did.
    ptr: u32,
    most: u32,
    received: u32,
    status: u32,
}

impl Spis {
    /// PS "SPIS", Semaphore operation.
    pub fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        match (task, io.reg(SEMSTAT)) {
            (ACQUIRE, FREE | CPU) => {
                io.set(SEMSTAT, CPU);
                if !std::mem::take(&mut self.served) {
                    io.raise(ACQUIRED);
                }
            }
            (ACQUIRE, _) => io.set(SEMSTAT, CPU_PENDING),
            (RELEASE, CPU) => io.set(SEMSTAT, FREE),
            (RELEASE, CPU_PENDING) => io.set(SEMSTAT, SPIS),
            _ => {}
        }
    }

    pub fn hear(&mut self, signal: Signal, selected: bool, io: &mut Io<'_, '_>) {
        match signal {
            Signal::Select(true) => self.begin(io),
            Signal::Select(false) => self.finish(io),
            Signal::Transfer(transfer) if selected && psel(io.reg(PSEL0)).is_some() => {
                self.exchange(transfer, io);
            }
            Signal::Abort => {
                let latency = io.cx.wire(0).unwrap_or_default();
                self.absorb(io.now().since(latency), io);
            }
            _ => {}
        }
    }

    /// CSN falls: the slave tries to get the semaphore.
    fn begin(&mut self, io: &mut Io<'_, '_>) {
        self.finish(io);
        if psel(io.reg(PSEL_CSN)).is_none() || io.reg(SEMSTAT) != FREE {
            return;
        }
        io.set(SEMSTAT, SPIS);
        let out = dma::read(io, io.reg(TXD_PTR), io.reg(TXD_MAXCNT) as usize);
        let (ptr, most) = (io.reg(RXD_PTR), io.reg(RXD_MAXCNT));
        self.granted = Some(Granted { out, clocked: 0, ptr, most, received: 0, status: 0 });
    }

    /// The master clocks bytes: the answer is known at once, because the buffer is the slave's until CSN rises.
    fn exchange(&mut self, transfer: Transfer, io: &mut Io<'_, '_>) {
        self.absorb(Time::MAX, io);
        let mut answer = match &self.granted {
            Some(granted) => {
                let left = granted.out.iter().skip(granted.clocked as usize);
                left.copied().take(transfer.bytes.len()).collect()
            }
            None => Vec::new(),
        };
        let rest = if self.granted.is_some() { ORC } else { DEF };
        answer.resize(transfer.bytes.len(), io.reg(rest) as u8);
        if io.reg(CONFIG) & 1 != 0 {
            answer.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        if transfer.mode != mode_of(io) {
            io.cx.guest_error(format!(
                "SPIS: the master clocks in mode {}, CONFIG says {}: bits are one place late",
                transfer.mode,
                mode_of(io)
            ));
            answer = shifted(&answer);
        }
        if psel(io.reg(PSEL1)).is_some() {
            io.cx.signal(0, Signal::Answer(answer));
        }
        self.transfer = Some(transfer);
    }

    /// Takes what the master has clocked by `now`.
    fn absorb(&mut self, now: Time, io: &mut Io<'_, '_>) {
        let Some(mut transfer) = self.transfer.take() else { return };
        let Some(granted) = &mut self.granted else { return };
        if now < transfer.end {
            let span = u128::from(transfer.end.since(transfer.start).as_ps().max(1));
            let done = u128::from(now.since(transfer.start).as_ps()) * transfer.bytes.len() as u128 / span;
            transfer.bytes.truncate(done as usize);
        }
        if transfer.mode != mode_of(io) {
            transfer.bytes = shifted(&transfer.bytes);
        }
        if io.reg(CONFIG) & 1 != 0 {
            transfer.bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        let count = transfer.bytes.len() as u32;
        granted.clocked = granted.clocked.saturating_add(count);
        if granted.clocked as usize > granted.out.len() {
            granted.status |= OVERREAD;
        }
        let room = granted.most - granted.received;
        if count > room {
            granted.status |= OVERFLOW;
        }
        transfer.bytes.truncate(room as usize);
        let (place, kept) = (granted.ptr.wrapping_add(granted.received), transfer.bytes.len() as u32);
        granted.received += kept;
        let full = kept > 0 && granted.received == granted.most;
        dma::write(io, place, &transfer.bytes);
        if full {
            io.raise(ENDRX);
        }
    }

    /// CSN rises: PS "SPIS", SPI slave operation.
    fn finish(&mut self, io: &mut Io<'_, '_>) {
        self.absorb(io.now(), io);
        self.transfer = None;
        let Some(granted) = self.granted.take() else { return };
        io.set(RXD_AMOUNT, granted.received);
        io.set(TXD_AMOUNT, granted.clocked.min(granted.out.len() as u32));
        io.set(STATUS, io.reg(STATUS) | granted.status);
        let pending = io.reg(SEMSTAT) == CPU_PENDING;
        io.set(SEMSTAT, if pending { CPU } else { FREE });
        io.raise(END);
        if pending {
            io.raise(ACQUIRED);
            self.served = io.shorts() & SHORT_END_ACQUIRE != 0;
        }
    }

    pub fn deadline(&self) -> Time {
        self.transfer.as_ref().map_or(Time::MAX, |transfer| transfer.end)
    }

    pub fn wake(&mut self, io: &mut Io<'_, '_>) {
        if self.deadline() <= io.now() {
            self.absorb(io.now(), io);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ENABLE, Serial, SerialConfig};
    use super::*;
    use crate::nrf::block::{Block, SHORTS};
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    const TX: u32 = 0x2000_0000;
    const RX: u32 = 0x2000_0004;

    fn rig() -> Rig<Block<Serial>> {
        let mut rig = Rig::new(Block::new(SerialConfig::default()));
        rig.host.wire = Some(Time::from_ns(3500));
        rig.host.base = 0x2000_0000;
        rig.host.memory = b"abcd____".to_vec();
        for psel in [0x508, 0x50C, 0x510, 0x514] {
            rig.write(psel, psel & 0xF);
        }
        for (register, value) in [(TXD_PTR, TX), (TXD_MAXCNT, 3), (RXD_PTR, RX), (RXD_MAXCNT, 3)] {
            rig.write(register, value);
        }
        rig.write(DEF, 0xDD);
        rig.write(ORC, 0xEE);
        rig.write(ENABLE, 2);
        rig
    }

    fn clock(rig: &mut Rig<Block<Serial>>, mode: u8, bytes: &[u8]) -> Vec<u8> {
        let start = rig.now;
        let end = start + Time::from_us(8 * bytes.len() as u64);
        rig.signals.clear();
        rig.hear(0, Signal::Transfer(Transfer { start, end, mode, bytes: bytes.to_vec() }));
        rig.run_until(end);
        match rig.signals.pop() {
            Some((_, 0, Signal::Answer(bytes))) => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_cpu_owns_the_buffers_first_and_the_master_gets_def() {
        // PS "SPIS", Semaphore operation: by default the CPU owns it; a transaction that begins then is ignored, also
        // when the semaphore is released in the middle.
        let mut rig = rig();
        assert_eq!(rig.read(SEMSTAT), CPU);
        rig.hear(0, Signal::Select(true));
        assert_eq!(clock(&mut rig, 0, b"x"), [0xDD]);
        rig.write(RELEASE, 1);
        assert_eq!(clock(&mut rig, 0, b"y"), [0xDD]);
        rig.hear(0, Signal::Select(false));
        assert_eq!((rig.read(END), rig.read(SEMSTAT)), (0, FREE));
        assert_eq!(rig.host.memory, b"abcd____");
    }

    #[test]
    fn a_granted_transaction_exchanges_the_buffers() {
        // PS "SPIS", SPI slave operation, STATUS, AMOUNT: over-read characters and discarded bytes do not count.
        let mut rig = rig();
        rig.write(RELEASE, 1);
        rig.hear(0, Signal::Select(true));
        assert_eq!(rig.read(SEMSTAT), SPIS);
        assert_eq!(clock(&mut rig, 0, b"12"), b"ab");
        assert_eq!((rig.read(ENDRX), rig.read(RXD_AMOUNT)), (0, 0));
        rig.write(ACQUIRE, 1);
        assert_eq!((rig.read(SEMSTAT), rig.read(ACQUIRED)), (CPU_PENDING, 0));
        assert_eq!(clock(&mut rig, 0, b"34"), [b'c', 0xEE]);
        assert_eq!(rig.read(ENDRX), 1);
        rig.hear(0, Signal::Select(false));
        assert_eq!((rig.read(END), rig.read(ACQUIRED), rig.read(SEMSTAT)), (1, 1, CPU));
        assert_eq!((rig.read(RXD_AMOUNT), rig.read(TXD_AMOUNT)), (3, 3));
        assert_eq!(rig.host.memory, b"abcd123_");
        assert_eq!(rig.read(STATUS), OVERREAD | OVERFLOW);
        rig.write(STATUS, OVERREAD);
        assert_eq!(rig.read(STATUS), OVERFLOW);
    }

    #[test]
    fn the_short_hands_the_buffers_over_after_each_transaction() {
        // PS "SPIS", Semaphore operation: END_ACQUIRE.
        let mut rig = rig();
        rig.write(SHORTS, SHORT_END_ACQUIRE);
        rig.write(RELEASE, 1);
        rig.hear(0, Signal::Select(true));
        clock(&mut rig, 0, b"1");
        rig.hear(0, Signal::Select(false));
        assert_eq!((rig.read(END), rig.read(ACQUIRED), rig.read(SEMSTAT)), (1, 1, CPU));
        rig.write(ACQUIRED, 0);
        rig.write(ACQUIRE, 1);
        assert_eq!(rig.read(ACQUIRED), 1);
    }

    #[test]
    fn only_what_was_clocked_before_csn_rose_counts() {
        let mut rig = rig();
        rig.write(RELEASE, 1);
        rig.hear(0, Signal::Select(true));
        let (start, end) = (rig.now, rig.now + Time::from_us(24));
        rig.hear(0, Signal::Transfer(Transfer { start, end, mode: 0, bytes: b"123".to_vec() }));
        rig.run_for(Time::from_us(17));
        rig.hear(0, Signal::Select(false));
        assert_eq!((rig.read(RXD_AMOUNT), rig.host.memory.as_slice()), (2, &b"abcd12__"[..]));
    }

    #[test]
    fn order_and_mode_are_those_of_config() {
        // PS "SPIS", CONFIG.
        let mut rig = rig();
        rig.write(CONFIG, 1);
        rig.write(RELEASE, 1);
        rig.hear(0, Signal::Select(true));
        assert_eq!(clock(&mut rig, 0, &[0x80]), [b'a'.reverse_bits()]);
        assert_eq!(rig.host.memory[4], 0x01);
        assert!(rig.log.is_empty());
        clock(&mut rig, 3, &[0x80]);
        assert_eq!(rig.log.len(), 1);
    }
}
