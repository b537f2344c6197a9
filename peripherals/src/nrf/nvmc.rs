//! NVMC: writing and erasing flash and UICR; ACL, which shares its base.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "NVMC"; nRF52840 PS v1.1, "NVMC" and "ACL".

use consort_core::component::{Coverage, Register};
use consort_core::{Addr, BusError, Time, Width};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Regs, Series, Spec, array, f};
use super::gpio::Signal;

const READY: u32 = 0x400;
const READYNEXT: u32 = 0x408;
const CONFIG: u32 = 0x504;
const ERASEPAGE: u32 = 0x508;
const ERASEALL: u32 = 0x50C;
const ERASEPCR0: u32 = 0x510;
const ERASEUICR: u32 = 0x514;
const ERASEPAGEPARTIAL: u32 = 0x518;
const ERASEPAGEPARTIALCFG: u32 = 0x51C;
const ICACHECNF: u32 = 0x540;
const ACL: u32 = 0x800;

const WRITE: u32 = 1;
const ERASE: u32 = 2;
/// ICACHECNF's bit that switches the cache on.
const CACHEEN: u32 = 1;
/// PERM's bit that blocks writing and erasing.
const ACL_WRITE: u32 = 2;

const COMMON: &[Register] = &[
    Register::ro(READY, "READY", 1).fields(&[f("READY", 0, 1)]),
    Register::rw(CONFIG, "CONFIG", 0).fields(&[f("WEN", 0, 2)]),
    Register::rw(ERASEPAGE, "ERASEPAGE", 0),
    Register::rw(ERASEALL, "ERASEALL", 0),
    Register::rw(ERASEPCR0, "ERASEPCR0", 0),
    Register::rw(ERASEUICR, "ERASEUICR", 0),
];
const NRF52: &[Register] = &[
    Register::ro(READYNEXT, "READYNEXT", 1).fields(&[f("READYNEXT", 0, 1)]),
    Register::wo(ERASEPAGEPARTIAL, "ERASEPAGEPARTIAL"),
    Register::rw(ERASEPAGEPARTIALCFG, "ERASEPAGEPARTIALCFG", 10).fields(&[f("DURATION", 0, 7)]),
    Register::rw(ICACHECNF, "ICACHECNF", 0)
        .fields(&[f("CACHEEN", 0, 1), f("CACHEPROFEN", 8, 1)])
        .coverage(Coverage::Partial),
    Register::rw(0x548, "IHIT", 0).coverage(Coverage::Stub),
    Register::rw(0x54C, "IMISS", 0).coverage(Coverage::Stub),
];

static SPEC51: Spec = Spec::new(&[], &[], &[], &[COMMON]);
static SPEC52: Spec = Spec::new(
    &[],
    &[],
    &[],
    &[
        COMMON,
        NRF52,
        array!(rw ACL, 0x10, "ACL[", "].ADDR", 0; 0 1 2 3 4 5 6 7),
        array!(rw ACL + 4, 0x10, "ACL[", "].SIZE", 0; 0 1 2 3 4 5 6 7),
        array!(partial ACL + 8, 0x10, "ACL[", "].PERM", 0; 0 1 2 3 4 5 6 7),
    ],
);

/// Where flash is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NvmcConfig {
    /// The chip's family, default `nrf52`.
    #[serde(default)]
    pub series: Series,
    /// Bytes of code flash from address 0, default 512 KiB.
    #[serde(default = "flash_size")]
    pub flash: u32,
    /// Bytes of a page: 1024 on nRF51, 4096 (default) on nRF52.
    #[serde(default = "page_size")]
    pub page: u32,
    /// Bytes of UICR from 0x10001000, default 1024.
    #[serde(default = "uicr_size")]
    pub uicr: u32,
}

fn flash_size() -> u32 {
    512 * 1024
}

fn page_size() -> u32 {
    4096
}

fn uicr_size() -> u32 {
    1024
}

const UICR: u32 = 0x1000_1000;

/// NVMC. The board gives it the care of writes to flash and UICR (`"rom_writes"`).
///
/// How often a word may be written between erases is not checked. ACL and BPROT protect against writing and
/// erasing; ACL does not protect against reading. The cache, once on, always hits, and its profile does not count.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nvmc {
    config: NvmcConfig,
    busy: Time,
    /// Blocks of 4 KiB that BPROT protects, as bits.
    protected: [u64; 8],
    /// Page and milliseconds of a partial erase under way.
    partial: (u32, u32),
    /// The supply is below POFCON's threshold.
    low: bool,
}

impl Nvmc {
    /// nRF51822 PS v3.1 and nRF52832 PS v1.4, NVMC's electrical specification: a word, a page, everything.
    fn times(&self) -> [Time; 3] {
        match self.config.series {
            Series::Nrf51 => [Time::from_us(46), Time::from_us(21_300), Time::from_us(21_300)],
            Series::Nrf52 => [Time::from_us(41), Time::from_ms(85), Time::from_ms(169)],
        }
    }

    /// PS "NVMC", Writing to flash, Erasing a page in flash: a CPU that executes from flash waits until it is
    /// written or erased.
    fn wait(&mut self, io: &mut Io<'_, '_>, time: Time) {
        self.busy = self.busy.max(io.now()) + time;
        io.cx.stall(self.busy);
    }

    /// Whether BPROT or ACL (nRF52840 PS "ACL") forbids changing `len` bytes at `from`.
    fn forbidden(&self, from: u32, len: u32, io: &Io<'_, '_>) -> bool {
        let end = from.saturating_add(len);
        let block = |number: u32| {
            self.protected.get((number / 64) as usize).map_or(0, |bits| bits >> (number % 64) & 1)
        };
        let by_block =
            from < self.config.flash && (from / 4096..end.div_ceil(4096)).any(|number| block(number) != 0);
        let by_list = (0..8).map(|n| ACL + n * 0x10).any(|acl| {
            let (addr, size) = (io.reg(acl), io.reg(acl + 4));
            io.reg(acl + 8) & ACL_WRITE != 0 && from < addr.saturating_add(size) && addr < end
        });
        by_block || by_list
    }

    /// PS "POWER", Power-fail comparator: below its threshold NVMC changes nothing.
    fn starves(&self, io: &mut Io<'_, '_>) -> bool {
        if self.low {
            io.cx.guest_error("NVMC: the supply is below POFCON's threshold, flash stays as it is");
        }
        self.low
    }

    fn erase(&mut self, io: &mut Io<'_, '_>, from: u32, len: u32) {
        if self.starves(io) {
            return;
        }
        if self.forbidden(from, len, io) {
            io.cx.guest_error(format!("NVMC: {from:#010x} is protected and stays as it is"));
            return;
        }
        let blank = [0xFF; 1024];
        let mut at = from;
        let end = from.saturating_add(len);
        while at < end {
            let chunk = (end - at).min(1024);
            if io.cx.dma_write(u64::from(at), &blank[..chunk as usize]).is_err() {
                io.cx.guest_error(format!("NVMC: there is no flash to erase at {at:#010x}"));
                return;
            }
            at += chunk;
        }
    }

    fn page(&self, addr: u32) -> Option<u32> {
        (addr < self.config.flash).then(|| addr / self.config.page.max(4) * self.config.page.max(4))
    }
}

impl Logic for Nvmc {
    const KIND: &'static str = "nordic-nvmc";
    const DOC: &'static str = "The flash controller: writes words, erases pages, flash and UICR.";
    type Config = NvmcConfig;

    fn new(config: NvmcConfig) -> Self {
        Self { config, busy: Time::ZERO, protected: [0; 8], partial: (0, 0), low: false }
    }

    fn spec(&self) -> &'static Spec {
        match self.config.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn lines(&self) -> &'static [&'static str] {
        &[]
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self::new(self.config); // POFCON is reset, too
    }

    fn listens(&self) -> bool {
        true
    }

    fn bus_event(&mut self, addr: Addr, _: &mut Io<'_, '_>) {
        match Signal::parse(addr) {
            Some(Signal::Protect { block }) => {
                if let Some(bits) = self.protected.get_mut(usize::from(block / 64)) {
                    *bits |= 1 << (block % 64);
                }
            }
            Some(Signal::Supply { low }) => self.low = low,
            _ => {}
        }
    }

    fn view(&self, offset: u32, _: &Regs<'_>, now: Time) -> Option<u32> {
        matches!(offset, READY | READYNEXT).then(|| u32::from(self.busy <= now))
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        // nRF52840 PS "ACL": a list entry can be written once between resets.
        if offset >= ACL {
            if old != 0 {
                io.set(offset, old);
            }
            return;
        }
        if offset == ICACHECNF {
            io.cx.code_cache(value & CACHEEN != 0);
            return;
        }
        let [_, page_time, all_time] = self.times();
        let erases = matches!(offset, ERASEPAGE | ERASEALL | ERASEPCR0 | ERASEUICR | ERASEPAGEPARTIAL);
        if !erases {
            return;
        }
        if io.reg(CONFIG) != ERASE {
            io.cx.guest_error("NVMC: an erase without CONFIG.WEN = Een");
            return;
        }
        match offset {
            ERASEPAGE | ERASEPCR0 => {
                if let Some(page) = self.page(value) {
                    self.erase(io, page, self.config.page);
                    self.wait(io, page_time);
                }
            }
            ERASEALL if value & 1 != 0 => {
                self.erase(io, 0, self.config.flash);
                self.erase(io, UICR, self.config.uicr);
                self.wait(io, all_time);
            }
            ERASEUICR if value & 1 != 0 => {
                self.erase(io, UICR, self.config.uicr);
                self.wait(io, page_time);
            }
            // nRF52840 PS "NVMC", Partial erase of a page in flash: the page is erased once the parts add up to t_ERASEPAGE.
            ERASEPAGEPARTIAL => {
                let Some(page) = self.page(value) else { return };
                let ms = io.reg(ERASEPAGEPARTIALCFG);
                let before = if self.partial.0 == page { self.partial.1 } else { 0 };
                self.partial = (page, before.saturating_add(ms));
                self.wait(io, Time::from_ms(u64::from(ms)));
                if Time::from_ms(u64::from(self.partial.1)) >= page_time {
                    self.partial = (0, 0);
                    self.erase(io, page, self.config.page);
                }
            }
            _ => {}
        }
    }

    /// PS "NVMC", Writing to flash: only zeros can be written, only whole words; anything else ends in a hard
    /// fault.
    fn rom_write(
        &mut self,
        addr: Addr,
        width: Width,
        value: u32,
        io: &mut Io<'_, '_>,
    ) -> Result<(), BusError> {
        if width != Width::Word || addr & 3 != 0 {
            return Err(BusError::Refused(addr));
        }
        if io.reg(CONFIG) & 3 != WRITE {
            io.cx.guest_error(format!("a write to flash at {addr:#010x} without CONFIG.WEN = Wen"));
            return Err(BusError::Refused(addr));
        }
        if self.forbidden(addr as u32, 4, io) {
            io.cx.guest_error(format!("a write to protected flash at {addr:#010x}"));
            return Err(BusError::Refused(addr));
        }
        if self.starves(io) {
            return Ok(());
        }
        let mut old = [0; 4];
        io.cx.dma_read(addr, &mut old)?;
        io.cx.dma_write(addr, &(u32::from_le_bytes(old) & value).to_le_bytes())?;
        let [word, ..] = self.times();
        self.wait(io, word);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model, Peripheral};
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Nvmc>> {
        let config = NvmcConfig { series: Series::Nrf51, flash: 4096, page: 1024, uicr: 1024 };
        let mut rig = Rig::new(Block::new(config));
        rig.host.memory = vec![0xFF; 4096];
        rig
    }

    fn store(rig: &mut Rig<Block<Nvmc>>, addr: u64, width: Width, value: u32) -> Result<(), BusError> {
        rig.with(|nvmc, cx| nvmc.rom_write(addr, width, value, cx))
    }

    #[test]
    fn words_are_written_when_enabled_and_only_clear_bits() {
        let mut rig = rig();
        assert!(store(&mut rig, 8, Width::Word, 0).is_err());
        rig.write(CONFIG, WRITE);
        assert!(store(&mut rig, 8, Width::Byte, 0).is_err());
        store(&mut rig, 8, Width::Word, 0xFFFF_00FF).unwrap();
        assert_eq!(rig.read(READY), 0);
        assert_eq!(rig.stalls, [Time::from_us(46)], "RM, NVMC, Writing to the NVM: the CPU waits");
        rig.run_for(Time::from_us(46));
        assert_eq!(rig.read(READY), 1);
        store(&mut rig, 8, Width::Word, 0x1234_FFFF).unwrap();
        assert_eq!(rig.host.memory[8..12], 0x1234_00FFu32.to_le_bytes());
    }

    #[test]
    fn pages_are_erased_when_enabled() {
        // RM "NVMC", Erasing a page in code region 1, READY: ERASEPAGE with CONFIG.WEN = Een; READY is 0 for
        // its time.
        let mut rig = rig();
        rig.host.memory.fill(0);
        rig.write(ERASEPAGE, 0x400);
        assert!(rig.host.memory.iter().all(|byte| *byte == 0), "CONFIG does not allow it");
        rig.write(CONFIG, ERASE);
        rig.write(ERASEPAGE, 0x400);
        assert_eq!((rig.host.memory[0x3FF], rig.host.memory[0x400]), (0, 0xFF));
        assert_eq!((rig.host.memory[0x7FF], rig.host.memory[0x800]), (0xFF, 0));
        assert_eq!(rig.read(READY), 0);
        rig.run_for(Time::from_us(21_300));
        assert_eq!(rig.read(READY), 1);
    }

    #[test]
    fn uicr_is_written_like_flash_and_erased_by_its_own_register() {
        // PS "NVMC", Writing to UICR, Erasing UICR.
        let config = NvmcConfig { series: Series::Nrf52, flash: 4096, page: 4096, uicr: 1024 };
        let mut rig = Rig::new(Block::<Nvmc>::new(config));
        rig.host.base = u64::from(UICR);
        rig.host.memory = vec![0xFF; 1024];
        let place = u64::from(UICR) + 0x80;
        rig.write(CONFIG, WRITE);
        store(&mut rig, place, Width::Word, 0x1234_5678).unwrap();
        assert_eq!(rig.host.memory[0x80..0x84], 0x1234_5678u32.to_le_bytes());
        rig.write(CONFIG, ERASE);
        rig.write(ERASEPAGE, UICR);
        assert_eq!(rig.host.memory[0x80], 0x78, "no page of flash");
        rig.write(ERASEUICR, 1);
        assert!(rig.host.memory.iter().all(|byte| *byte == 0xFF));
    }

    #[test]
    fn a_page_is_erased_in_parts() {
        // nRF52840 PS "NVMC", Partial erase of a page in flash: once the parts add up to t_ERASEPAGE.
        let config = NvmcConfig { series: Series::Nrf52, flash: 8192, page: 4096, uicr: 1024 };
        let mut rig = Rig::new(Block::<Nvmc>::new(config));
        rig.host.memory = vec![0; 8192];
        rig.write(CONFIG, ERASE);
        rig.write(ERASEPAGEPARTIALCFG, 30);
        for _ in 0..2 {
            rig.write(ERASEPAGEPARTIAL, 0x1000);
            assert_eq!(rig.read(READY), 0);
            rig.run_for(Time::from_ms(30));
            assert_eq!((rig.read(READY), rig.host.memory[0x1000]), (1, 0));
        }
        rig.write(ERASEPAGEPARTIAL, 0x1000);
        assert_eq!((rig.host.memory[0xFFF], rig.host.memory[0x1000]), (0, 0xFF));
    }

    #[test]
    fn the_cache_is_switched() {
        // nRF52832 PS "NVMC", ICACHECNF.CACHEEN.
        let config = NvmcConfig { series: Series::Nrf52, flash: 4096, page: 1024, uicr: 1024 };
        let mut rig = Rig::new(Block::<Nvmc>::new(config));
        rig.write(ICACHECNF, 0x101);
        assert!(rig.code_cache);
        rig.write(ICACHECNF, 0x100);
        assert!(!rig.code_cache);
    }

    #[test]
    fn protected_blocks_stay_as_they_are_until_a_reset() {
        // nRF52832 PS "BPROT".
        let mut rig = rig();
        rig.with(|nvmc, cx| nvmc.bus_event(Signal::Protect { block: 0 }.addr(), cx));
        rig.write(CONFIG, WRITE);
        assert!(store(&mut rig, 8, Width::Word, 0).is_err());
        rig.write(CONFIG, ERASE);
        rig.host.memory.fill(0);
        rig.write(ERASEPAGE, 0x400);
        assert_eq!(rig.host.memory[0x400], 0);
        rig.with(|nvmc, cx| nvmc.reset(cx));
        rig.write(CONFIG, ERASE);
        rig.write(ERASEPAGE, 0x400);
        assert_eq!(rig.host.memory[0x400], 0xFF);
    }

    #[test]
    fn nothing_is_written_while_the_supply_is_low() {
        // nRF52832 PS "POWER", Power-fail comparator.
        let mut rig = rig();
        let supply = |rig: &mut Rig<Block<Nvmc>>, low| {
            rig.with(|nvmc, cx| nvmc.bus_event(Signal::Supply { low }.addr(), cx));
        };
        supply(&mut rig, true);
        rig.write(CONFIG, WRITE);
        store(&mut rig, 8, Width::Word, 0).unwrap();
        assert_eq!(rig.host.memory[8], 0xFF);
        supply(&mut rig, false);
        store(&mut rig, 8, Width::Word, 0).unwrap();
        assert_eq!(rig.host.memory[8], 0);
    }

    #[test]
    fn access_control_lists_protect_their_region() {
        // nRF52840 PS "ACL": the entry is written once; PERM.WRITE blocks writing and erasing.
        let config = NvmcConfig { series: Series::Nrf52, flash: 0x3000, page: 4096, uicr: 1024 };
        let mut rig = Rig::new(Block::<Nvmc>::new(config));
        rig.host.memory = vec![0xFF; 0x3000];
        rig.write(ACL, 0x1000);
        rig.write(ACL + 4, 0x1000);
        rig.write(ACL + 8, ACL_WRITE);
        rig.write(ACL, 0x2000);
        assert_eq!(rig.read(ACL), 0x1000);
        rig.write(CONFIG, WRITE);
        let mut at = |addr| rig.with(|nvmc, cx| nvmc.rom_write(addr, Width::Word, 0, cx)).is_ok();
        assert_eq!([at(0xFFC), at(0x1000), at(0x1FFC), at(0x2000)], [true, false, false, true]);
    }
}
