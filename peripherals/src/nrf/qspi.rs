//! QSPI: a serial flash on up to four data lines, read, written and erased without the processor.
//!
//! nRF52840 PS v1.1, "QSPI".

use std::collections::VecDeque;

use consort_core::Time;
use consort_core::component::{Coverage, Field, NoConfig, Register};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Regs, Spec, event, f, psel, stub, task};
use super::dma;
use super::gpio::Signal;

const ACTIVATE: u32 = 0x000;
const READSTART: u32 = 0x004;
const WRITESTART: u32 = 0x008;
const ERASESTART: u32 = 0x00C;
const DEACTIVATE: u32 = 0x010;
const READY: u32 = 0x100;
const ENABLE: u32 = 0x500;
const READ_SRC: u32 = 0x504;
const READ_DST: u32 = 0x508;
const READ_CNT: u32 = 0x50C;
const WRITE_DST: u32 = 0x510;
const WRITE_SRC: u32 = 0x514;
const WRITE_CNT: u32 = 0x518;
const ERASE_PTR: u32 = 0x51C;
const ERASE_LEN: u32 = 0x520;
const PSEL_CSN: u32 = 0x528;
const IFCONFIG0: u32 = 0x544;
const IFCONFIG1: u32 = 0x600;
const STATUS: u32 = 0x604;
const DPMDUR: u32 = 0x614;
const ADDRCONF: u32 = 0x624;
const CINSTRCONF: u32 = 0x634;
const CINSTRDAT0: u32 = 0x638;
const CINSTRDAT1: u32 = 0x63C;

/// Commands that it knows by itself.
const RDSR: u8 = 0x05;
const WREN: u8 = 0x06;
const DPM_ENTER: u8 = 0xB9;
const DPM_EXIT: u8 = 0xAB;
/// The flash's status bit while it writes or erases.
const WIP: u8 = 1;

const LONG: &[Field] = &[f("CNT", 0, 18)];

static SPEC: Spec = Spec::new(
    &[&[
        task(ACTIVATE, "TASKS_ACTIVATE"),
        task(READSTART, "TASKS_READSTART"),
        task(WRITESTART, "TASKS_WRITESTART"),
        task(ERASESTART, "TASKS_ERASESTART"),
        task(DEACTIVATE, "TASKS_DEACTIVATE"),
        task(0x054, "ERRATUM_122").coverage(Coverage::Stub),
    ]],
    &[&[event(READY, "EVENTS_READY", 0)]],
    &[],
    &[&[
        Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 1)]),
        Register::rw(READ_SRC, "READ.SRC", 0),
        Register::rw(READ_DST, "READ.DST", 0),
        Register::rw(READ_CNT, "READ.CNT", 0).fields(LONG),
        Register::rw(WRITE_DST, "WRITE.DST", 0),
        Register::rw(WRITE_SRC, "WRITE.SRC", 0),
        Register::rw(WRITE_CNT, "WRITE.CNT", 0).fields(LONG),
        Register::rw(ERASE_PTR, "ERASE.PTR", 0),
        Register::rw(ERASE_LEN, "ERASE.LEN", 0).fields(&[f("LEN", 0, 2)]),
        stub(0x524, "PSEL.SCK", u32::MAX),
        Register::rw(PSEL_CSN, "PSEL.CSN", u32::MAX),
        stub(0x530, "PSEL.IO0", u32::MAX),
        stub(0x534, "PSEL.IO1", u32::MAX),
        stub(0x538, "PSEL.IO2", u32::MAX),
        stub(0x53C, "PSEL.IO3", u32::MAX),
        stub(0x540, "XIPOFFSET", 0),
        Register::rw(IFCONFIG0, "IFCONFIG0", 0).fields(&[
            f("READOC", 0, 3),
            f("WRITEOC", 3, 3),
            f("ADDRMODE", 6, 1),
            f("DPMENABLE", 7, 1),
            f("PPSIZE", 12, 1),
        ]),
        Register::rw(IFCONFIG1, "IFCONFIG1", 0x0004_0480),
        Register::ro(STATUS, "STATUS", 0),
        Register::rw(DPMDUR, "DPMDUR", u32::MAX).fields(&[f("ENTER", 0, 16), f("EXIT", 16, 16)]),
        Register::rw(ADDRCONF, "ADDRCONF", 0xB7),
        Register::rw(CINSTRCONF, "CINSTRCONF", 0x2000),
        Register::rw(CINSTRDAT0, "CINSTRDAT0", 0),
        Register::rw(CINSTRDAT1, "CINSTRDAT1", 0),
        stub(0x640, "IFTIMING", 0x200),
    ]],
);

/// Something to be done on the wires.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Job {
    /// RDSR until the flash is not busy.
    WaitIdle,
    /// A command with its bytes; clocks that it takes.
    Send(Vec<u8>, u64),
    /// A page from RAM.
    Program { from: u32, to: u32, count: u32 },
    /// Flash to RAM.
    Read { from: u32, to: u32, count: u32 },
    /// CINSTRDAT out and in; the chip select stays when a long frame goes on.
    Custom { opcode: Option<u8>, length: u32, last: bool },
    /// Deep power-down begins or ends: nothing else goes on for DPMDUR.
    Deep(bool),
    /// READY.
    Ready,
}

/// QSPI. The flash is a part on this block; PSEL.CSN's pad selects it. SCK and the data lines are taken to be
/// wired as the board has them; XIP is not modelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Qspi {
    jobs: VecDeque<Job>,
    /// When the job under way is over, or begins.
    at: Time,
    /// The job under way has the chip select low.
    selected: bool,
    /// The pad of the chip select that it has taken.
    csn: Option<u8>,
    /// A long frame of custom instructions is open.
    frame: bool,
    /// The flash's status as last read.
    status: u8,
    deep: bool,
}

/// PS "QSPI", IFCONFIG0: opcode, lines for the address, lines for data, bytes between them.
const READS: [(u8, u64, u64, usize); 5] =
    [(0x0B, 1, 1, 1), (0x3B, 1, 2, 1), (0xBB, 2, 2, 1), (0x6B, 1, 4, 1), (0xEB, 4, 4, 3)];
const WRITES: [(u8, u64, u64, usize); 4] =
    [(0x02, 1, 1, 0), (0xA2, 1, 2, 0), (0x32, 1, 4, 0), (0x38, 4, 4, 0)];

impl Qspi {
    /// PS "QSPI", IFCONFIG1, SCKFREQ: 32 MHz / (SCKFREQ + 1).
    fn clocks(count: u64, io: &Io<'_, '_>) -> Time {
        Time::from_ps(count * 31_250 * (u64::from(io.reg(IFCONFIG1) >> 28) + 1))
    }

    /// Opcode, address and what follows it; and the clocks of these and of `data` bytes.
    fn head(how: (u8, u64, u64, usize), at: u32, data: u32, io: &Io<'_, '_>) -> (Vec<u8>, u64) {
        let (opcode, address, lines, pause) = how;
        let wide = io.reg(IFCONFIG0) >> 6 & 1 != 0;
        let mut bytes = vec![opcode];
        bytes.extend(&at.to_be_bytes()[usize::from(!wide)..]);
        let clocks = 8 + (bytes.len() as u64 - 1 + pause as u64) * 8 / address + u64::from(data) * 8 / lines;
        bytes.extend(vec![0; pause]);
        (bytes, clocks)
    }

    fn push(&mut self, jobs: impl IntoIterator<Item = Job>, io: &Io<'_, '_>) {
        if self.jobs.is_empty() {
            self.at = io.now();
        }
        self.jobs.extend(jobs);
    }

    fn command(opcode: u8) -> Job {
        Job::Send(vec![opcode], 8)
    }

    fn write_pages(&mut self, io: &Io<'_, '_>) {
        // PS "QSPI", Write operation: split into pages of PPSIZE.
        let page = 256 << (io.reg(IFCONFIG0) >> 12 & 1);
        let (mut to, mut from) = (io.reg(WRITE_DST), io.reg(WRITE_SRC));
        let mut left = io.reg(WRITE_CNT);
        let mut jobs = Vec::new();
        while left > 0 {
            let count = left.min(page - to % page);
            jobs.extend([Job::WaitIdle, Self::command(WREN), Job::Program { from, to, count }]);
            (to, from, left) = (to.wrapping_add(count), from.wrapping_add(count), left - count);
        }
        jobs.push(Job::Ready);
        self.push(jobs, io);
    }

    fn select(&mut self, io: &mut Io<'_, '_>) {
        self.csn = psel(io.reg(PSEL_CSN));
        self.level(false, io);
        self.selected = true;
    }

    fn level(&self, level: bool, io: &mut Io<'_, '_>) {
        if let Some(pin) = self.csn {
            Signal::Take { pin, level: Some(level) }.send(io);
        }
    }

    /// Without a chip select nobody answers: the lines float, which reads as zeros where work-arounds look.
    fn exchange(&self, mut bytes: Vec<u8>, io: &mut Io<'_, '_>) -> Vec<u8> {
        match self.csn {
            Some(_) => io.cx.spi_bytes(&mut bytes),
            None => bytes.fill(0),
        }
        bytes
    }

    fn release(&mut self, io: &mut Io<'_, '_>) {
        if let Some(pin) = self.csn.take() {
            Signal::Take { pin, level: None }.send(io);
        }
        *self = Self { status: self.status, deep: self.deep, ..Self::new(NoConfig {}) };
    }

    fn how_to_write(io: &Io<'_, '_>) -> (u8, u64, u64, usize) {
        WRITES[(io.reg(IFCONFIG0) >> 3 & 7).min(3) as usize]
    }

    fn how_to_read(io: &Io<'_, '_>) -> (u8, u64, u64, usize) {
        READS[(io.reg(IFCONFIG0) & 7).min(4) as usize]
    }

    /// How long the job takes on the wires.
    fn duration(job: &Job, io: &Io<'_, '_>) -> Time {
        let clocks = match *job {
            Job::WaitIdle => 16,
            Job::Send(_, clocks) => clocks,
            Job::Program { to, count, .. } => Self::head(Self::how_to_write(io), to, count, io).1,
            Job::Read { from, count, .. } => Self::head(Self::how_to_read(io), from, count, io).1,
            Job::Custom { opcode, length, .. } => {
                8 * (u64::from(length.clamp(1, 9)) - u64::from(opcode.is_none()))
            }
            Job::Deep(_) | Job::Ready => 0,
        };
        Self::clocks(clocks, io)
    }

    /// The selected flash gets the job's bytes.
    fn transfer(&mut self, job: &Job, io: &mut Io<'_, '_>) {
        match *job {
            Job::WaitIdle => {
                self.status = self.exchange(vec![RDSR, 0], io).get(1).copied().unwrap_or(0);
            }
            Job::Send(ref bytes, _) => {
                self.exchange(bytes.clone(), io);
            }
            Job::Program { from, to, count } => {
                let mut bytes = Self::head(Self::how_to_write(io), to, count, io).0;
                bytes.extend(dma::read(io, from, count as usize));
                self.exchange(bytes, io);
            }
            Job::Read { from, to, count } => {
                let mut bytes = Self::head(Self::how_to_read(io), from, count, io).0;
                let head = bytes.len();
                bytes.resize(head + count as usize, 0);
                let bytes = self.exchange(bytes, io);
                dma::write(io, to, bytes.get(head..).unwrap_or_default());
            }
            Job::Custom { opcode, length, .. } => {
                let data = u64::from(io.reg(CINSTRDAT1)) << 32 | u64::from(io.reg(CINSTRDAT0));
                let count = length.clamp(1, 9) as usize - 1;
                let mut bytes: Vec<u8> = opcode.into_iter().collect();
                let head = bytes.len();
                bytes.extend(&data.to_le_bytes()[..count]);
                let bytes = self.exchange(bytes, io);
                let mut data = data.to_le_bytes();
                for (to, from) in data.iter_mut().zip(bytes.iter().skip(head)) {
                    *to = *from;
                }
                let data = u64::from_le_bytes(data);
                io.set(CINSTRDAT0, data as u32);
                io.set(CINSTRDAT1, (data >> 32) as u32);
            }
            Job::Deep(_) | Job::Ready => {}
        }
    }
}

impl Logic for Qspi {
    const KIND: &'static str = "nordic-qspi";
    const DOC: &'static str =
        "The quad SPI memory interface; a `spi-flash` on it is what it reads and writes.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {
            jobs: VecDeque::new(),
            at: Time::MAX,
            selected: false,
            csn: None,
            frame: false,
            status: 0,
            deep: false,
        }
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn reset(&mut self, io: &mut Io<'_, '_>) {
        self.release(io);
        *self = Self::new(NoConfig {});
    }

    fn view(&self, offset: u32, _: &Regs<'_>, _: Time) -> Option<u32> {
        let ready = u32::from(self.jobs.is_empty());
        (offset == STATUS).then(|| u32::from(self.status) << 24 | ready << 3 | u32::from(self.deep) << 2)
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        if task == DEACTIVATE {
            self.release(io);
            return;
        }
        if io.reg(ENABLE) == 0 {
            return;
        }
        if !self.jobs.is_empty() {
            io.cx.guest_error("QSPI: a task while STATUS.READY is 0 is not taken");
            return;
        }
        match task {
            ACTIVATE => self.push([Job::WaitIdle, Job::Ready], io),
            READSTART => {
                let job = Job::Read { from: io.reg(READ_SRC), to: io.reg(READ_DST), count: io.reg(READ_CNT) };
                self.push([Job::WaitIdle, job, Job::Ready], io);
            }
            WRITESTART => self.write_pages(io),
            ERASESTART => {
                let erase = match io.reg(ERASE_LEN) {
                    0 => Self::head((0x20, 1, 1, 0), io.reg(ERASE_PTR), 0, io),
                    1 => Self::head((0xD8, 1, 1, 0), io.reg(ERASE_PTR), 0, io),
                    _ => (vec![0xC7], 8),
                };
                self.push([Job::WaitIdle, Self::command(WREN), Job::Send(erase.0, erase.1), Job::Ready], io);
            }
            _ => {}
        }
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        let flag = |bit: u32| value >> bit & 1 != 0;
        match offset {
            ENABLE if value & 1 == 0 => self.release(io),
            // PS "QSPI", CINSTRCONF: a custom instruction.
            CINSTRCONF if io.reg(ENABLE) != 0 => {
                let (long, stop) = (flag(16), flag(17));
                let opcode = (!self.frame).then_some(value as u8);
                let mut jobs = Vec::new();
                if !self.frame {
                    jobs.extend(flag(14).then_some(Job::WaitIdle));
                    jobs.extend(flag(15).then(|| Self::command(WREN)));
                }
                self.frame = long && !stop;
                jobs.push(Job::Custom { opcode, length: value >> 8 & 0xF, last: !self.frame });
                jobs.push(Job::Ready);
                self.push(jobs, io);
            }
            // PS "QSPI", ADDRCONF.
            ADDRCONF if io.reg(ENABLE) != 0 && value >> 24 & 3 != 0 => {
                let [opcode, first, second, _] = value.to_le_bytes();
                let bytes = [opcode, first, second][..(value >> 24 & 3) as usize].to_vec();
                let mut jobs = Vec::new();
                jobs.extend(flag(26).then_some(Job::WaitIdle));
                jobs.extend(flag(27).then(|| Self::command(WREN)));
                let clocks = 8 * bytes.len() as u64;
                jobs.extend([Job::Send(bytes, clocks), Job::Ready]);
                self.push(jobs, io);
            }
            // PS "QSPI", IFCONFIG1.DPMEN, where IFCONFIG0.DPMENABLE allows it.
            IFCONFIG1 if (value ^ old) >> 24 & 1 != 0 && io.reg(IFCONFIG0) >> 7 & 1 != 0 => {
                let opcode = if flag(24) { DPM_ENTER } else { DPM_EXIT };
                self.push([Self::command(opcode), Job::Deep(flag(24))], io);
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Time {
        self.at
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        self.at = Time::MAX;
        let Some(job) = self.jobs.front().cloned() else { return };
        let now = io.now();
        match job {
            Job::Ready => {
                self.jobs.pop_front();
                io.raise(READY);
            }
            // DPMDUR counts in units of 16 us (256 cycles of 16 MHz).
            Job::Deep(deep) if self.deep != deep => {
                self.deep = deep;
                let units = io.reg(DPMDUR) >> if deep { 0 } else { 16 } & 0xFFFF;
                self.at = now + Time::from_us(16 * u64::from(units));
                return;
            }
            Job::Deep(_) => {
                self.jobs.pop_front();
            }
            _ if !self.selected => {
                self.select(io);
                self.at = now + Self::duration(&job, io);
                return;
            }
            _ => {
                self.transfer(&job, io);
                self.selected = false;
                // In a long frame the flash stays selected.
                if !matches!(job, Job::Custom { last: false, .. }) {
                    self.level(true, io);
                }
                // 0xFF is nobody's status.
                if matches!(job, Job::WaitIdle) && self.status & WIP != 0 && self.status != 0xFF {
                    self.at = now + POLL;
                    return;
                }
                self.jobs.pop_front();
            }
        }
        if !self.jobs.is_empty() {
            self.at = now;
        }
    }
}

/// How often the flash is asked whether it is done.
const POLL: Time = Time::from_us(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Qspi>> {
        let mut rig = Rig::new(Block::<Qspi>::new(NoConfig {}));
        rig.host.base = 0x2000_0000;
        rig.host.memory = (0..=255).cycle().take(1024).collect();
        rig.write(PSEL_CSN, 17);
        rig.write(ENABLE, 1);
        rig
    }

    #[test]
    fn a_task_ends_with_ready_and_selects_the_flash() {
        // PS "QSPI", EVENTS_READY, STATUS.READY, PSEL.CSN.
        let mut rig = rig();
        rig.write(ACTIVATE, 1);
        assert_eq!(rig.read(STATUS) >> 3 & 1, 0);
        rig.run_for(Time::from_us(20));
        assert_eq!((rig.read(READY), rig.read(STATUS) >> 3 & 1), (1, 1));
        let levels: Vec<_> = rig.events.iter().filter_map(|event| Signal::parse(u64::from(*event))).collect();
        let take = |level| Signal::Take { pin: 17, level: Some(level) };
        assert_eq!(levels, [take(false), take(true)]);
        rig.write(DEACTIVATE, 1);
        let last = rig.events.iter().rev().find_map(|event| Signal::parse(u64::from(*event)));
        assert_eq!(last, Some(Signal::Take { pin: 17, level: None }));
    }

    #[test]
    fn reading_takes_the_lines_and_the_clock_that_are_configured() {
        // PS "QSPI", IFCONFIG0.READOC, IFCONFIG1.SCKFREQ.
        let took = |mode: u32, frequency: u32| {
            let mut rig = rig();
            rig.write(IFCONFIG0, mode);
            rig.write(IFCONFIG1, 0x0004_0480 | frequency << 28);
            rig.write(READ_DST, 0x2000_0000);
            rig.write(READ_CNT, 256);
            rig.write(READSTART, 1);
            while rig.read(READY) == 0 {
                rig.run_until(rig.wake);
            }
            rig.now
        };
        // RDSR, then opcode, address, pause, data at 32 MHz.
        let clocks = |count: u64| Time::from_ps(31_250 * count);
        assert_eq!(took(0, 0), clocks(16 + 40 + 2048));
        assert_eq!(took(2, 0), clocks(16 + 8 + 16 + 1024));
        assert_eq!(took(4, 0), clocks(16 + 8 + 12 + 512));
        assert_eq!(took(4, 3), Time::from_ps(4 * clocks(16 + 8 + 12 + 512).as_ps()));
    }

    #[test]
    fn what_nobody_drives_reads_as_ones_and_flash_is_no_place_for_it() {
        // PS "QSPI", EasyDMA: RAM only.
        let mut rig = rig();
        rig.write(READ_DST, 0x2000_0000);
        rig.write(READ_CNT, 4);
        rig.write(READSTART, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.host.memory[..5], [255, 255, 255, 255, 4]);
        rig.write(READ_DST, 0x1000);
        rig.write(READSTART, 1);
        rig.run_for(Time::from_ms(1));
        assert!(rig.log.iter().any(|(_, text)| text.contains("which is not RAM")));
    }
}
