//! PDM and I2S: sound in and out, as streams of buffers that hold and give silence.
//!
//! nRF52832 PS v1.4, "I2S" and "PDM".

use consort_core::Time;
use consort_core::component::{Coverage, NoConfig, Register};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Spec, erratum, event, f, stub, task};
use super::dma;

const START: u32 = 0x000;
const STOP: u32 = 0x004;
const ENABLE: u32 = 0x500;

const PDM_STARTED: u32 = 0x100;
const PDM_STOPPED: u32 = 0x104;
const PDM_END: u32 = 0x108;
const PDM_CLKCTRL: u32 = 0x504;
const PDM_MODE: u32 = 0x508;
const PDM_RATIO: u32 = 0x520;
const PDM_PTR: u32 = 0x560;
const PDM_MAXCNT: u32 = 0x564;

static PDM: Spec = Spec::new(
    &[&[task(START, "TASKS_START"), task(STOP, "TASKS_STOP")]],
    &[&[
        event(PDM_STARTED, "EVENTS_STARTED", 0),
        event(PDM_STOPPED, "EVENTS_STOPPED", 1),
        event(PDM_END, "EVENTS_END", 2),
    ]],
    &[],
    &[&[
        Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 1)]),
        Register::rw(PDM_CLKCTRL, "PDMCLKCTRL", 0x0840_0000),
        Register::rw(PDM_MODE, "MODE", 0)
            .fields(&[f("OPERATION", 0, 1), f("EDGE", 1, 1)])
            .coverage(Coverage::Partial),
        stub(0x518, "GAINL", 0x28),
        stub(0x51C, "GAINR", 0x28),
        Register::rw(PDM_RATIO, "RATIO", 0).fields(&[f("RATIO", 0, 1)]),
        stub(0x540, "PSEL.CLK", u32::MAX),
        stub(0x544, "PSEL.DIN", u32::MAX),
        Register::rw(PDM_PTR, "SAMPLE.PTR", 0),
        Register::rw(PDM_MAXCNT, "SAMPLE.MAXCNT", 0).fields(&[f("BUFFSIZE", 0, 15)]),
    ]],
);

/// PDM: a microphone in a silent room. Buffers fill with zeros at the sample rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pdm {
    buffer: Option<(u32, u32)>,
    end: Time,
}

impl Pdm {
    fn begin(&mut self, io: &mut Io<'_, '_>) {
        let (ptr, count) = (io.reg(PDM_PTR), io.reg(PDM_MAXCNT).max(1));
        self.buffer = Some((ptr, count));
        // PS "PDM", Module operation: samples per second = PDM_CLK / 64 (80); the register is the clock times
        // 2^32 / 32 MHz.
        let clock = ((u64::from(io.reg(PDM_CLKCTRL)) * 32_000_000) >> 32).max(1_000);
        let ratio = if io.reg(PDM_RATIO) & 1 != 0 { 80 } else { 64 };
        let both = if io.reg(PDM_MODE) & 1 != 0 { 1 } else { 2 };
        let ps = u64::from(count) * ratio * 1_000_000_000_000 / (clock * both);
        self.end = io.now() + Time::from_ps(ps);
        io.raise(PDM_STARTED);
    }
}

impl Logic for Pdm {
    const KIND: &'static str = "nordic-pdm";
    const DOC: &'static str = "The microphone interface; it records silence.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self { buffer: None, end: Time::MAX }
    }

    fn spec(&self) -> &'static Spec {
        &PDM
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self::new(NoConfig {});
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        if task == START && io.reg(ENABLE) != 0 {
            self.begin(io);
        } else if task == STOP {
            (self.buffer, self.end) = (None, Time::MAX);
            io.raise(PDM_STOPPED);
        }
    }

    fn deadline(&self) -> Time {
        self.end
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        self.end = Time::MAX;
        if let Some((ptr, count)) = self.buffer.take() {
            dma::write(io, ptr, &vec![0; count as usize * 2]);
            io.raise(PDM_END);
            self.begin(io);
        }
    }
}

const RXPTRUPD: u32 = 0x104;
const I2S_STOPPED: u32 = 0x108;
const TXPTRUPD: u32 = 0x114;
const MODE: u32 = 0x504;
const RXEN: u32 = 0x508;
const TXEN: u32 = 0x50C;
const MCKEN: u32 = 0x510;
const MCKFREQ: u32 = 0x514;
const RATIO: u32 = 0x518;
const SWIDTH: u32 = 0x51C;
const CHANNELS: u32 = 0x528;
const RXD_PTR: u32 = 0x538;
const TXD_PTR: u32 = 0x540;
const RXTXD_MAXCNT: u32 = 0x550;

static I2S: Spec = Spec::new(
    &[&[task(START, "TASKS_START"), task(STOP, "TASKS_STOP")]],
    &[&[
        event(RXPTRUPD, "EVENTS_RXPTRUPD", 1),
        event(I2S_STOPPED, "EVENTS_STOPPED", 2),
        event(TXPTRUPD, "EVENTS_TXPTRUPD", 5),
    ]],
    &[],
    &[&[
        Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 1)]),
        Register::rw(MODE, "CONFIG.MODE", 0).fields(&[f("MODE", 0, 1)]),
        Register::rw(RXEN, "CONFIG.RXEN", 0).fields(&[f("RXEN", 0, 1)]),
        Register::rw(TXEN, "CONFIG.TXEN", 1).fields(&[f("TXEN", 0, 1)]),
        Register::rw(MCKEN, "CONFIG.MCKEN", 1).fields(&[f("MCKEN", 0, 1)]),
        Register::rw(MCKFREQ, "CONFIG.MCKFREQ", 0x2000_0000),
        Register::rw(RATIO, "CONFIG.RATIO", 6).fields(&[f("RATIO", 0, 4)]),
        Register::rw(SWIDTH, "CONFIG.SWIDTH", 1).fields(&[f("SWIDTH", 0, 2)]),
        stub(0x520, "CONFIG.ALIGN", 0),
        stub(0x524, "CONFIG.FORMAT", 0),
        Register::rw(CHANNELS, "CONFIG.CHANNELS", 0).fields(&[f("CHANNELS", 0, 2)]),
        Register::rw(RXD_PTR, "RXD.PTR", 0),
        Register::rw(TXD_PTR, "TXD.PTR", 0),
        Register::rw(RXTXD_MAXCNT, "RXTXD.MAXCNT", 0).fields(&[f("MAXCNT", 0, 14)]),
        erratum(0x038, "ERRATUM_194[0]", 0),
        erratum(0x03C, "ERRATUM_194[1]", 0),
        stub(0x560, "PSEL.MCK", u32::MAX),
        stub(0x564, "PSEL.SCK", u32::MAX),
        stub(0x568, "PSEL.LRCK", u32::MAX),
        stub(0x56C, "PSEL.SDIN", u32::MAX),
        stub(0x570, "PSEL.SDOUT", u32::MAX),
    ]],
);

/// I2S: what is played is read from RAM and not heard, what is recorded is silence. A slave's clocks never come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct I2s {
    end: Time,
    receiving: Option<(u32, u32)>,
}

impl I2s {
    fn begin(&mut self, io: &mut Io<'_, '_>) {
        let words = io.reg(RXTXD_MAXCNT).max(1);
        self.receiving = (io.reg(RXEN) != 0).then(|| (io.reg(RXD_PTR), words));
        // PS "I2S", Left right clock (LRCK): LRCK = MCK / RATIO; a frame is a left and a right sample.
        let master = ((u64::from(io.reg(MCKFREQ)) * 32_000_000) >> 32).max(10_000);
        let ratio = [32, 48, 64, 96, 128, 192, 256, 384, 512][io.reg(RATIO).min(8) as usize];
        // PS "I2S", EasyDMA: a word holds four samples of 8 bits, two of 16, one of 24; with CHANNELS left or
        // right only one sample of each frame is in memory.
        let samples_per_word = [4, 2, 1, 1][(io.reg(SWIDTH) & 3) as usize];
        let samples = u64::from(words) * samples_per_word * if io.reg(CHANNELS) & 3 == 0 { 1 } else { 2 };
        let ps = u128::from(samples * ratio) * 500_000_000_000 / u128::from(master);
        let clocked = io.reg(MODE) & 1 == 0 && io.reg(MCKEN) & 1 != 0;
        self.end = if clocked { io.now() + Time::from_ps(ps as u64) } else { Time::MAX };
        if clocked && io.reg(TXEN) != 0 {
            dma::read(io, io.reg(TXD_PTR), words as usize * 4);
        }
        if self.receiving.is_some() {
            io.raise(RXPTRUPD);
        }
        if io.reg(TXEN) != 0 {
            io.raise(TXPTRUPD);
        }
    }
}

impl Logic for I2s {
    const KIND: &'static str = "nordic-i2s";
    const DOC: &'static str = "The I2S sound interface; it plays to nobody and records silence.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self { end: Time::MAX, receiving: None }
    }

    fn spec(&self) -> &'static Spec {
        &I2S
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self::new(NoConfig {});
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        if task == START && io.reg(ENABLE) != 0 {
            self.begin(io);
        } else if task == STOP {
            (self.end, self.receiving) = (Time::MAX, None);
            io.raise(I2S_STOPPED);
        }
    }

    fn deadline(&self) -> Time {
        self.end
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        if let Some((ptr, words)) = self.receiving.take() {
            dma::write(io, ptr, &vec![0; words as usize * 4]);
        }
        self.begin(io);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    #[test]
    fn words_of_sound_last_as_long_as_their_samples() {
        // PS "I2S", Left right clock (LRCK), EasyDMA: 32 MHz / 8 / 256 is 15625 frames a second.
        let took = |width: u32, channels: u32| {
            let mut rig = Rig::new(Block::<I2s>::new(NoConfig {}));
            rig.host.base = 0x2000_0000;
            rig.host.memory = vec![9; 64];
            for (offset, value) in [(MCKFREQ, 0x2000_0000), (RATIO, 6), (SWIDTH, width), (CHANNELS, channels)]
            {
                rig.write(offset, value);
            }
            for (offset, value) in [(RXEN, 1), (RXD_PTR, 0x2000_0000), (TXD_PTR, 0x2000_0020)] {
                rig.write(offset, value);
            }
            rig.write(RXTXD_MAXCNT, 4);
            rig.write(ENABLE, 1);
            rig.write(START, 1);
            assert_eq!((rig.read(RXPTRUPD), rig.read(TXPTRUPD)), (1, 1));
            rig.write(RXPTRUPD, 0);
            let end = rig.wake;
            rig.run_until(end - Time::from_ps(1));
            assert_eq!((rig.read(RXPTRUPD), rig.host.memory[0]), (0, 9));
            rig.run_until(end);
            assert_eq!((rig.read(RXPTRUPD), rig.host.memory[15], rig.host.memory[16]), (1, 0, 9));
            end
        };
        assert_eq!([took(0, 0), took(1, 0), took(2, 0)], [512, 256, 128].map(Time::from_us));
        assert_eq!(took(1, 1), Time::from_us(512));
    }

    #[test]
    fn a_slave_waits_for_its_clocks_and_flash_is_not_played() {
        // PS "I2S", Mode; EasyDMA: RAM only.
        let mut rig = Rig::new(Block::<I2s>::new(NoConfig {}));
        rig.write(ENABLE, 1);
        rig.write(MODE, 1);
        rig.write(START, 1);
        assert_eq!(rig.wake, Time::MAX);
        rig.write(STOP, 1);
        assert_eq!(rig.read(I2S_STOPPED), 1);
        rig.write(MODE, 0);
        rig.write(TXD_PTR, 0x1000);
        rig.write(START, 1);
        assert!(rig.log.iter().any(|(_, text)| text.contains("which is not RAM")));
    }

    #[test]
    fn buffers_fill_at_the_sample_rate() {
        // PS "I2S", "PDM": EasyDMA at the sample rate.
        let mut rig = Rig::new(Block::<Pdm>::new(NoConfig {}));
        rig.host.base = 0x2000_0000;
        rig.host.memory = vec![9; 64];
        rig.write(ENABLE, 1);
        rig.write(PDM_CLKCTRL, 0x0800_0000); // 1 MHz
        rig.write(PDM_MODE, 1);
        rig.write(PDM_PTR, 0x2000_0000);
        rig.write(PDM_MAXCNT, 16);
        rig.write(START, 1);
        rig.run_for(Time::from_us(64 * 16 - 1));
        assert_eq!((rig.read(PDM_STARTED), rig.read(PDM_END)), (1, 0));
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(PDM_END), rig.host.memory[31], rig.host.memory[32]), (1, 0, 9));
        rig.write(STOP, 1);
        assert_eq!((rig.read(PDM_STOPPED), rig.wake), (1, Time::MAX));
    }
}
