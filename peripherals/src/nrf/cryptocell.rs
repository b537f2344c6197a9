//! CryptoCell 310: its power switch, clocks, interrupts, life cycle and true random number generator.
//!
//! nRF52840 PS, "CRYPTOCELL" with its register interfaces CC_HOST_RGF, CC_MISC, CC_CTL, CC_RNG and CC_RNG_SRAM.
//! The engines for AES, CHACHA, HASH and PKA and their DMA are no part of this model.

use consort_core::Time;
use consort_core::component::{NoConfig, Register};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Regs, Spec, array, f, stub};

const ENABLE: u32 = 0x500;

static SWITCH_SPEC: Spec =
    Spec::new(&[], &[], &[], &[&[Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 1)])]]);

/// The register that switches the subsystem on; its line goes to the engines.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Switch {}

impl Logic for Switch {
    const KIND: &'static str = "nordic-cryptocell";
    const DOC: &'static str = "The register that switches CryptoCell on.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {}
    }

    fn spec(&self) -> &'static Spec {
        &SWITCH_SPEC
    }

    fn lines(&self) -> &'static [&'static str] {
        &["enabled"]
    }

    fn write(&mut self, _: u32, value: u32, _: u32, io: &mut Io<'_, '_>) {
        io.cx.drive(0, value != 0);
    }
}

const RNG_IMR: u32 = 0x100;
const RNG_ISR: u32 = 0x104;
const RNG_ICR: u32 = 0x108;
const TRNG_VALID: u32 = 0x110;
const EHR: u32 = 0x114;
const EHR_LAST: u32 = 0x128;
const NOISE_SOURCE: u32 = 0x12C;
const SAMPLE_CNT: u32 = 0x130;
const TRNG_DEBUG: u32 = 0x138;
const RNG_SW_RESET: u32 = 0x140;
const RNG_BUSY: u32 = 0x1B8;
const TRNG_RESET: u32 = 0x1BC;
const RNG_DMA: u32 = 0x1C8;
const DMA_ROSC_LEN: u32 = 0x1CC;
const DMA_SRAM_ADDR: u32 = 0x1D0;
const DMA_SAMPLES: u32 = 0x1D4;
const WATCHDOG_VAL: u32 = 0x1D8;
const RNG_DMA_BUSY: u32 = 0x1DC;
const AES_CLK: u32 = 0x810;
const HASH_CLK: u32 = 0x818;
const PKA_CLK: u32 = 0x81C;
const DMA_CLK: u32 = 0x820;
const CLK_STATUS: u32 = 0x824;
const CHACHA_CLK: u32 = 0x858;
const IRR: u32 = 0xA00;
const IMR: u32 = 0xA04;
const ICR: u32 = 0xA08;
const KPRTL_LOCK: u32 = 0xA4C;
const KDR: u32 = 0xA50;
const KDR_LAST: u32 = 0xA5C;
const LCS: u32 = 0xA60;
const SRAM_DATA: u32 = 0xF00;
const SRAM_ADDR: u32 = 0xF04;

/// RNG_ISR: 192 bits are there.
const EHR_VALID: u32 = 1;
/// RNG_ISR: a collection took more cycles than RNG_WATCHDOG_VAL.
const WATCHDOG: u32 = 1 << 4;
/// RNG_ISR: the DMA has filled the SRAM.
const DMA_DONE: u32 = 1 << 5;
/// IRR and IMR: something of RNG_ISR that RNG_IMR lets through.
const RNG_INT: u32 = 1 << 10;
/// TRNG_DEBUG: no von Neumann corrector.
const VNC_BYPASS: u32 = 1 << 1;
/// HOST_IOT_LCS: the life cycle has been set since the reset.
const LCS_VALID: u32 = 1 << 8;
/// Words of a collection: 192 bits.
const WORDS: u32 = 6;
/// RNG_DMA_SRAM_ADDR has 11 bits.
const SRAM_BYTES: u32 = 2048;
const CYCLE: u64 = 15_625;

const CAUSES: &[consort_core::component::Field] = &[
    f("EHR_VALID", 0, 1),
    f("AUTOCORR_ERR", 1, 1),
    f("CRNGT_ERR", 2, 1),
    f("VNC_ERR", 3, 1),
    f("WATCHDOG", 4, 1),
    f("DMA_DONE", 5, 1),
];

const ON: &[consort_core::component::Field] = &[f("ENABLE", 0, 1)];

const RNG: &[Register] = &[
    Register::rw(RNG_IMR, "RNG_IMR", 0x3F).fields(CAUSES),
    Register::ro(RNG_ISR, "RNG_ISR", 0).fields(CAUSES),
    Register::wo(RNG_ICR, "RNG_ICR").fields(CAUSES),
    stub(0x10C, "TRNG_CONFIG", 0).fields(&[f("ROSC_LEN", 0, 2)]),
    Register::ro(TRNG_VALID, "TRNG_VALID", 0).fields(&[f("EHR_DATA", 0, 1)]),
    Register::rw(NOISE_SOURCE, "NOISE_SOURCE", 0).fields(ON),
    Register::rw(SAMPLE_CNT, "SAMPLE_CNT", 0xFFFF),
    stub(0x134, "AUTOCORR_STATISTIC", 0).fields(&[f("AUTOCORR_TRYS", 0, 14), f("AUTOCORR_FAILS", 14, 8)]),
    Register::rw(TRNG_DEBUG, "TRNG_DEBUG", 0).fields(&[
        f("VNC_BYPASS", 1, 1),
        f("CRNGT_BYPASS", 2, 1),
        f("AUTOCORR_BYPASS", 3, 1),
    ]),
    Register::wo(RNG_SW_RESET, "RNG_SW_RESET"),
    Register::ro(RNG_BUSY, "RNG_BUSY", 0).fields(&[f("STATUS", 0, 1), f("TRNG_STATUS", 1, 1)]),
    Register::wo(TRNG_RESET, "TRNG_RESET"),
    Register::ro(0x1C0, "RNG_HW_FLAGS", 0xF),
    stub(0x1C4, "RNG_CLK", 0).fields(ON),
    Register::rw(RNG_DMA, "RNG_DMA", 0).fields(ON),
    Register::rw(DMA_ROSC_LEN, "RNG_DMA_ROSC_LEN", 0).fields(&[f("ROSC", 0, 4)]),
    Register::rw(DMA_SRAM_ADDR, "RNG_DMA_SRAM_ADDR", 0).fields(&[f("RNG_SRAM_DMA_ADDR", 0, 11)]),
    Register::rw(DMA_SAMPLES, "RNG_DMA_SAMPLES_NUM", 0).fields(&[f("RNG_SAMPLES_NUM", 0, 8)]),
    Register::rw(WATCHDOG_VAL, "RNG_WATCHDOG_VAL", 0),
    Register::ro(RNG_DMA_BUSY, "RNG_DMA_BUSY", 0).fields(&[f("STATUS", 0, 1)]),
    Register::rw(SRAM_DATA, "SRAM_DATA", 0),
    Register::wo(SRAM_ADDR, "SRAM_ADDR").fields(&[f("SRAM_ADDR", 0, 15)]),
    Register::ro(0xF08, "SRAM_DATA_READY", 1),
];
const EHR_DATA: &[Register] = array!(ro EHR, 4, "EHR_DATA[", "]", 0; 0 1 2 3 4 5);

const HOST: &[Register] = &[
    Register::wo(AES_CLK, "AES_CLK").fields(ON),
    Register::wo(HASH_CLK, "HASH_CLK").fields(ON),
    Register::wo(PKA_CLK, "PKA_CLK").fields(ON),
    Register::wo(DMA_CLK, "DMA_CLK").fields(ON),
    Register::ro(CLK_STATUS, "CLK_STATUS", 0x100),
    Register::wo(CHACHA_CLK, "CHACHA_CLK").fields(ON),
    Register::ro(0x910, "CRYPTO_BUSY", 0),
    Register::ro(0x91C, "HASH_BUSY", 0),
    Register::rw(0x930, "CONTEXT_ID", 0).fields(&[f("CONTEXT_ID", 0, 8)]),
    Register::ro(IRR, "IRR", 0),
    Register::rw(IMR, "IMR", 0x01FF_FFFF).fields(&[f("MASK", 0, 25)]),
    Register::wo(ICR, "ICR").fields(&[f("CLEAR", 0, 25)]),
    stub(0xA0C, "ENDIANNESS", 0).fields(&[
        f("DOUT_WR_BG", 3, 1),
        f("DIN_RD_BG", 7, 1),
        f("DOUT_WR_WBG", 11, 1),
        f("DIN_RD_WBG", 15, 1),
    ]),
    Register::ro(0xA24, "HOST_SIGNATURE", 0x20E0_0000),
    Register::ro(0xA28, "HOST_BOOT", 0x4622_982C),
    stub(0xA38, "HOST_CRYPTOKEY_SEL", 0).fields(&[f("HOST_CRYPTOKEY_SEL", 0, 2)]),
    Register::rw(KPRTL_LOCK, "HOST_IOT_KPRTL_LOCK", 0).fields(&[f("HOST_IOT_KPRTL_LOCK", 0, 1)]),
    Register::rw(KDR, "HOST_IOT_KDR0", 0),
    Register::wo(0xA54, "HOST_IOT_KDR1"),
    Register::wo(0xA58, "HOST_IOT_KDR2"),
    Register::wo(KDR_LAST, "HOST_IOT_KDR3"),
    Register::rw(LCS, "HOST_IOT_LCS", 2).fields(&[f("LCS", 0, 3), f("LCS_IS_VALID", 8, 1)]),
];

static SPEC: Spec = Spec::new(&[], &[], &[], &[RNG, EHR_DATA, HOST]);

/// Whether the register keeps its value while the subsystem is off: what is in the always-on domain.
fn always_on(offset: u32) -> bool {
    (KPRTL_LOCK..=LCS).contains(&offset)
}

/// The engines behind the switch, as far as they are modelled. A noise source gives a bit for each sample, or
/// one for each four through the von Neumann corrector, which is its mean for noise without bias.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CryptoCell {
    enabled: bool,
    irq: bool,
    keys: u8,
    done: Time,
    overdue: Time,
    dma: Time,
    sram: Vec<u32>,
    at: u32,
}

impl CryptoCell {
    /// What the noise source takes for some collections of 192 bits.
    fn take(io: &Io<'_, '_>, collections: u32) -> Time {
        let per_bit = if io.reg(TRNG_DEBUG) & VNC_BYPASS != 0 { 1 } else { 4 };
        let bits = u64::from(collections) * u64::from(WORDS) * 32 * per_bit;
        Time::from_ps(bits.saturating_mul(u64::from(io.reg(SAMPLE_CNT).max(1))).saturating_mul(CYCLE))
    }

    /// Begins a collection if the source runs and the last one was taken.
    fn collect(&mut self, io: &mut Io<'_, '_>) {
        if io.reg(NOISE_SOURCE) == 0 || io.reg(TRNG_VALID) != 0 || self.done != Time::MAX {
            return;
        }
        let now = io.now();
        let limit = Time::from_ps(u64::from(io.reg(WATCHDOG_VAL)) * CYCLE);
        self.done = now + Self::take(io, 1);
        self.overdue = Time::MAX;
        if limit != Time::ZERO && now + limit < self.done {
            self.overdue = now + limit;
        }
    }

    fn forget(&mut self, io: &mut Io<'_, '_>) {
        (self.done, self.overdue) = (Time::MAX, Time::MAX);
        io.set(TRNG_VALID, 0);
        for offset in (EHR..=EHR_LAST).step_by(4) {
            io.set(offset, 0);
        }
    }

    fn cause(&mut self, cause: u32, io: &mut Io<'_, '_>) {
        io.set(RNG_ISR, io.reg(RNG_ISR) | cause);
        self.settle(io);
    }

    /// IRR follows RNG_ISR until it is cleared after it; the line follows IRR.
    fn settle(&mut self, io: &mut Io<'_, '_>) {
        if io.reg(RNG_ISR) & !io.reg(RNG_IMR) != 0 {
            io.set(IRR, io.reg(IRR) | RNG_INT);
        }
        let irq = io.reg(IRR) & !io.reg(IMR) != 0;
        if irq != self.irq {
            self.irq = irq;
            io.cx.drive(0, irq);
        }
    }

    fn registers_reset(&mut self, which: impl Fn(u32) -> bool, io: &mut Io<'_, '_>) {
        for register in [RNG, EHR_DATA, HOST].into_iter().flatten().filter(|register| which(register.offset))
        {
            io.set(register.offset, register.reset);
        }
        (self.done, self.overdue, self.dma) = (Time::MAX, Time::MAX, Time::MAX);
        self.settle(io);
    }

    fn clock(offset: u32) -> u32 {
        match offset {
            AES_CLK => 1,
            HASH_CLK => 1 << 2,
            PKA_CLK => 1 << 3,
            CHACHA_CLK => 1 << 7,
            _ => 1 << 8,
        }
    }

    fn step(&mut self) -> usize {
        let word = (self.at % SRAM_BYTES / 4) as usize;
        self.at = (self.at + 4) % SRAM_BYTES;
        word
    }
}

impl Logic for CryptoCell {
    const KIND: &'static str = "nordic-cc310";
    const DOC: &'static str =
        "CryptoCell 310: clocks, interrupts, life cycle and random numbers; no ciphers.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {
            enabled: false,
            irq: false,
            keys: 0,
            done: Time::MAX,
            overdue: Time::MAX,
            dma: Time::MAX,
            sram: vec![0; (SRAM_BYTES / 4) as usize],
            at: 0,
        }
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn pins(&self) -> &'static [&'static str] {
        &["enabled"]
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self::new(NoConfig {});
    }

    fn input(&mut self, _: u16, level: bool, io: &mut Io<'_, '_>) {
        self.enabled = level;
        if !level {
            self.sram.fill(0);
            self.at = 0;
            self.registers_reset(|offset| !always_on(offset), io);
        }
    }

    fn view(&self, offset: u32, _: &Regs<'_>, _: Time) -> Option<u32> {
        if !self.enabled {
            return Some(0);
        }
        let collecting = self.done != Time::MAX || self.dma != Time::MAX;
        match offset {
            RNG_BUSY => Some(if collecting { 3 } else { 0 }),
            RNG_DMA_BUSY => Some(u32::from(self.dma != Time::MAX)),
            SRAM_DATA => Some(self.sram.get((self.at % SRAM_BYTES / 4) as usize).copied().unwrap_or(0)),
            KDR => Some(u32::from(self.keys == 0xF)),
            _ => None,
        }
    }

    fn read(&mut self, offset: u32, io: &mut Io<'_, '_>) {
        if !self.enabled {
            return;
        }
        match offset {
            // The last word is taken: the next 192 bits are collected.
            EHR_LAST if io.reg(TRNG_VALID) != 0 => {
                self.forget(io);
                self.collect(io);
            }
            SRAM_DATA => {
                self.step();
            }
            _ => {}
        }
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        if !self.enabled {
            io.set(offset, old);
            return;
        }
        match offset {
            RNG_IMR | IMR => self.settle(io),
            // An autocorrelation error stays until the reset.
            RNG_ICR => io.set(RNG_ISR, io.reg(RNG_ISR) & !(value & !2)),
            ICR => {
                io.set(IRR, io.reg(IRR) & !value);
                self.settle(io);
            }
            NOISE_SOURCE if value == 0 => (self.done, self.overdue) = (Time::MAX, Time::MAX),
            NOISE_SOURCE => self.collect(io),
            TRNG_RESET => {
                self.forget(io);
                self.collect(io);
            }
            RNG_SW_RESET => self.registers_reset(|offset| (RNG_IMR..0x200).contains(&offset), io),
            RNG_DMA if value == 0 => self.dma = Time::MAX,
            RNG_DMA => {
                let rings = io.reg(DMA_ROSC_LEN).count_ones().max(1);
                self.dma = io.now() + Self::take(io, io.reg(DMA_SAMPLES) * rings);
            }
            AES_CLK | HASH_CLK | PKA_CLK | DMA_CLK | CHACHA_CLK => {
                let bit = Self::clock(offset);
                let others = io.reg(CLK_STATUS) & !bit;
                io.set(CLK_STATUS, if value != 0 { others | bit } else { others });
            }
            KPRTL_LOCK => io.set(offset, value | old),
            KDR..=KDR_LAST => self.keys |= 1 << ((offset - KDR) / 4),
            LCS if old & LCS_VALID != 0 => io.set(LCS, old),
            LCS => io.set(LCS, (value & 7) | LCS_VALID),
            SRAM_ADDR => self.at = (value % SRAM_BYTES) & !3,
            SRAM_DATA => {
                let word = self.step();
                if let Some(stored) = self.sram.get_mut(word) {
                    *stored = value;
                }
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Time {
        self.done.min(self.overdue).min(self.dma)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        let now = io.now();
        if self.overdue <= now {
            self.overdue = Time::MAX;
            self.cause(WATCHDOG, io);
        }
        if self.done <= now {
            (self.done, self.overdue) = (Time::MAX, Time::MAX);
            for offset in (EHR..=EHR_LAST).step_by(4) {
                let word = io.cx.rng().next_u32();
                io.set(offset, word);
            }
            io.set(TRNG_VALID, 1);
            self.cause(EHR_VALID, io);
        }
        if self.dma <= now {
            self.dma = Time::MAX;
            let first = (io.reg(DMA_SRAM_ADDR) / 4) as usize;
            let words = io.reg(DMA_SAMPLES) * WORDS * io.reg(DMA_ROSC_LEN).count_ones().max(1);
            for stored in self.sram.iter_mut().skip(first).take(words as usize) {
                *stored = io.cx.rng().next_u32();
            }
            io.set(RNG_DMA, 0);
            self.cause(DMA_DONE, io);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    fn on() -> Rig<Block<CryptoCell>> {
        let mut rig = Rig::new(Block::<CryptoCell>::new(NoConfig {}));
        rig.input(0, true);
        rig
    }

    #[test]
    fn the_switch_drives_the_engines() {
        // PS "CRYPTOCELL", ENABLE; HOST_SIGNATURE verifies the presence.
        let mut switch = Rig::new(Block::<Switch>::new(NoConfig {}));
        switch.write(ENABLE, 1);
        assert!(switch.line("enabled"));
        switch.write(ENABLE, 0);
        assert!(!switch.line("enabled"));
        let mut rig = Rig::new(Block::<CryptoCell>::new(NoConfig {}));
        assert_eq!(rig.read(0xA24), 0);
        rig.write(0x930, 7);
        rig.input(0, true);
        assert_eq!((rig.read(0xA24), rig.read(0x930)), (0x20E0_0000, 0));
    }

    #[test]
    fn random_bits_come_after_their_samples_and_interrupt() {
        // CC_RNG: 192 bits, SAMPLE_CNT cycles between samples, VNC_BYPASS, EHR_VALID, IRR after RNG_ISR.
        let mut rig = on();
        rig.write(SAMPLE_CNT, 100);
        rig.write(TRNG_DEBUG, VNC_BYPASS);
        rig.write(RNG_IMR, !EHR_VALID);
        rig.write(IMR, !RNG_INT);
        rig.write(NOISE_SOURCE, 1);
        assert_eq!(rig.read(RNG_BUSY), 3);
        rig.run_for(Time::from_us(299));
        assert_eq!(rig.read(TRNG_VALID), 0);
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(TRNG_VALID), rig.read(RNG_ISR), rig.read(IRR)), (1, EHR_VALID, RNG_INT));
        assert!(rig.line("irq"));
        // IRR cannot be cleared before RNG_ISR.
        rig.write(ICR, RNG_INT);
        assert!(rig.line("irq"));
        rig.write(RNG_ICR, EHR_VALID);
        rig.write(ICR, RNG_INT);
        assert!(!rig.line("irq"));
        let first: Vec<u32> = (EHR..=EHR_LAST).step_by(4).map(|offset| rig.read(offset)).collect();
        assert_eq!(rig.read(TRNG_VALID), 0, "taken");
        rig.run_for(Time::from_us(300));
        let second: Vec<u32> = (EHR..=EHR_LAST).step_by(4).map(|offset| rig.read(offset)).collect();
        assert!(first != second && first.iter().any(|word| *word != 0));
    }

    #[test]
    fn the_corrector_takes_four_samples_and_the_watchdog_counts_cycles() {
        // CC_RNG: TRNG_DEBUG.VNC_BYPASS, RNG_WATCHDOG_VAL, TRNG_RESET.
        let mut rig = on();
        rig.write(SAMPLE_CNT, 100);
        rig.write(WATCHDOG_VAL, 64_000);
        rig.write(NOISE_SOURCE, 1);
        rig.run_for(Time::from_us(1000));
        assert_eq!((rig.read(TRNG_VALID), rig.read(RNG_ISR)), (0, WATCHDOG));
        rig.run_for(Time::from_us(200));
        assert_eq!(rig.read(TRNG_VALID), 1);
        rig.write(TRNG_RESET, 1);
        assert_eq!((rig.read(TRNG_VALID), rig.read(EHR)), (0, 0));
    }

    #[test]
    fn the_dma_fills_the_sram() {
        // CC_RNG: RNG_DMA, RNG_DMA_SAMPLES_NUM, RNG_DMA_ROSC_LEN; CC_RNG_SRAM: the address increments.
        let mut rig = on();
        rig.write(SAMPLE_CNT, 10);
        rig.write(TRNG_DEBUG, VNC_BYPASS);
        rig.write(DMA_ROSC_LEN, 3);
        rig.write(DMA_SAMPLES, 2);
        rig.write(DMA_SRAM_ADDR, 8);
        rig.write(RNG_DMA, 1);
        assert_eq!(rig.read(RNG_DMA_BUSY), 1);
        rig.run_for(Time::from_us(120));
        assert_eq!((rig.read(RNG_ISR), rig.read(RNG_DMA), rig.read(RNG_DMA_BUSY)), (DMA_DONE, 0, 0));
        rig.write(SRAM_ADDR, 0);
        let words: Vec<u32> = (0..28).map(|_| rig.read(SRAM_DATA)).collect();
        assert_eq!((words[0], words[1], words[26], words[27]), (0, 0, 0, 0));
        assert!(words[2..26].iter().filter(|word| **word != 0).count() > 20);
    }

    #[test]
    fn clocks_and_the_life_cycle() {
        // CC_MISC: CLK_STATUS; CC_HOST_RGF: HOST_IOT_LCS is write-once, K_DR is valid when it is whole and kept
        // while the subsystem is off.
        let mut rig = on();
        rig.write(AES_CLK, 1);
        rig.write(DMA_CLK, 0);
        assert_eq!(rig.read(CLK_STATUS), 1);
        rig.write(LCS, 0);
        rig.write(LCS, 2);
        assert_eq!(rig.read(LCS), LCS_VALID);
        for offset in (KDR..=KDR_LAST).step_by(4) {
            assert_eq!(rig.read(KDR), 0);
            rig.write(offset, 0x1234);
        }
        rig.input(0, false);
        rig.input(0, true);
        assert_eq!((rig.read(KDR), rig.read(LCS), rig.read(CLK_STATUS)), (1, LCS_VALID, 0x100));
    }
}
