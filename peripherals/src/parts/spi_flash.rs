//! Serial NOR flash with the usual commands, as the XT25F32B, the P25Q32H and the MX25R6435F have them.
//!
//! Data sheets XTX XT25F32B revision 1.5, chapters 7 (commands) and 9.5 (times); Puya P25Q32H version 1.4. Macronix
//! MX25R6435F: times, sizes and commands as its own SFDP table (JESD216B) gives them.

use std::collections::BTreeMap;

use consort_core::Time;
use consort_core::component::{Component, Cx, Model, Part, ResetCause};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bytes;

/// Bytes of a sector, the smallest that can be erased, and of a page, the most that is programmed at once.
const SECTOR: u32 = 4096;
const PAGE: u32 = 256;

const WRSR: u8 = 0x01;
const PP: u8 = 0x02;
const READ: u8 = 0x03;
const WRDI: u8 = 0x04;
const RDSR: u8 = 0x05;
const WREN: u8 = 0x06;
const FAST_READ: u8 = 0x0B;
const RDCR: u8 = 0x15;
const SE: u8 = 0x20;
const RDSCUR: u8 = 0x2B;
const WRSR2: u8 = 0x31;
const RDSR2: u8 = 0x35;
const READ2O: u8 = 0x3B;
const PP4IO: u8 = 0x38;
const BE32: u8 = 0x52;
const SFDP: u8 = 0x5A;
const CE: u8 = 0x60;
const RSTEN: u8 = 0x66;
const READ4O: u8 = 0x6B;
const REMS: u8 = 0x90;
const RST: u8 = 0x99;
const RDID: u8 = 0x9F;
const RDP: u8 = 0xAB;
const DP: u8 = 0xB9;
const READ2IO: u8 = 0xBB;
const CE2: u8 = 0xC7;
const BE64: u8 = 0xD8;
const READ4IO: u8 = 0xEB;

const WIP: u8 = 1 << 0;
const WEL: u8 = 1 << 1;
/// BP0 to BP4, SRP0: what WRSR changes.
const PROTECTION: u8 = 0xFC;
/// CMP, in the second status byte.
const CMP: u8 = 1 << 6;
/// Macronix: QE, in the status register, allows the commands on four lines; TB, in the configuration register.
const QE: u8 = 1 << 6;
const TB: u8 = 1 << 3;

/// Which chip it is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chip {
    /// XTX XT25F32B, 4 MiB.
    #[default]
    Xt25f32b,
    /// Puya P25Q32H, 4 MiB.
    P25q32h,
    /// Macronix MX25R6435F, 8 MiB, on the nRF52840 DK.
    Mx25r6435f,
}

/// What a chip is and how long it takes, typically.
struct Data {
    id: [u8; 3],
    signature: u8,
    program: Time,
    sector: Time,
    block32: Time,
    block64: Time,
    all: Time,
    status: Time,
    /// From the release of deep power-down to the next command.
    release: Time,
    /// What RDSFDP reads.
    sfdp: &'static [u8],
}

/// JESD216B: header, one parameter header, and at 0x30 the basic flash parameter table.
const MX25R6435F_SFDP: [u8; 0x70] = {
    let head = *b"SFDP\x06\x01\x00\xFF\x00\x06\x01\x10\x30\x00\x00\xFF";
    let table: [u32; 16] = [
        0xFFF1_20E5,
        0x03FF_FFFF,
        0x6B08_EB44,
        0xBB04_3B08,
        0xFFFF_FFEE,
        0xFF00_FFFF,
        0xFF00_FFFF,
        0x520F_200C,
        0xFF00_D810,
        0x00F5_7223,
        0xCC04_ED82,
        0x4468_8344,
        0xB030_B030,
        0x5CD5_C4F7,
        0xFF29_BE00,
        0xFFFF_D0F0,
    ];
    let mut all = [0xFF; 0x70];
    let mut at = 0;
    while at < head.len() {
        all[at] = head[at];
        at += 1;
    }
    let mut at = 0;
    while at < 64 {
        all[0x30 + at] = table[at / 4].to_le_bytes()[at % 4];
        at += 1;
    }
    all
};

impl Chip {
    const fn data(self) -> Data {
        match self {
            Self::Xt25f32b => Data {
                id: [0x0B, 0x40, 0x16],
                signature: 0x15,
                program: Time::from_us(400),
                sector: Time::from_ms(70),
                block32: Time::from_ms(160),
                block64: Time::from_ms(250),
                all: Time::from_ms(15_000),
                status: Time::from_ms(5),
                release: Time::from_us(20),
                sfdp: &[],
            },
            Self::P25q32h => Data {
                id: [0x85, 0x60, 0x16],
                signature: 0x15,
                program: Time::from_ms(2),
                sector: Time::from_ms(16),
                block32: Time::from_ms(16),
                block64: Time::from_ms(16),
                all: Time::from_ms(16),
                status: Time::from_ms(8),
                release: Time::from_us(8),
                sfdp: &[],
            },
            Self::Mx25r6435f => Data {
                id: [0xC2, 0x28, 0x17],
                signature: 0x17,
                program: Time::from_us(896),
                sector: Time::from_ms(48),
                block32: Time::from_ms(240),
                block64: Time::from_ms(480),
                all: Time::from_ms(52_000),
                status: Time::from_ms(10),
                release: Time::from_us(35),
                sfdp: &MX25R6435F_SFDP,
            },
        }
    }
}

/// The flash's settings.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpiFlashConfig {
    /// Which chip, default `xt25f32b`.
    #[serde(default)]
    pub chip: Chip,
}

/// A sector's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sector(#[serde(with = "bytes")] Vec<u8>);

/// The flash; pin `csn`. Its contents outlive resets and power, and can be given and taken as a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpiFlash {
    config: SpiFlashConfig,
    /// Sectors that are not erased.
    sectors: BTreeMap<u32, Sector>,
    selected: bool,
    /// What came since the chip was selected: command, address and, of PP, the last 256 bytes of data.
    command: Option<u8>,
    header: Vec<u8>,
    page: Vec<u8>,
    /// Data bytes moved.
    moved: u32,
    enabled: bool,
    protection: u8,
    second: u8,
    third: u8,
    busy: Time,
    asleep: bool,
    reset_enabled: bool,
}

impl SpiFlash {
    /// Bytes of the whole chip, from its identification.
    fn size(&self) -> u32 {
        1 << u32::from(self.config.chip.data().id[2])
    }

    fn byte(&self, address: u32) -> u8 {
        let sector = self.sectors.get(&(address / SECTOR));
        sector.and_then(|sector| sector.0.get((address % SECTOR) as usize)).copied().unwrap_or(0xFF)
    }

    fn erase(&mut self, address: u32, size: u32) {
        let first = address / size * (size / SECTOR);
        self.sectors.retain(|sector, _| !(first..first + size / SECTOR).contains(sector));
    }

    /// Bits only go from 1 to 0; the address wraps within its page.
    fn program(&mut self, address: u32) {
        let data = std::mem::take(&mut self.page);
        // More than a page: the last 256 bytes count, and lie where they would have come to lie.
        let first = self.moved.saturating_sub(data.len() as u32);
        let sector = self.sectors.entry(address / SECTOR);
        let sector = sector.or_insert_with(|| Sector(vec![0xFF; SECTOR as usize]));
        let page = address % SECTOR / PAGE * PAGE;
        for (index, byte) in (first..).zip(data) {
            let place = page + (address.wrapping_add(index)) % PAGE;
            if let Some(stored) = sector.0.get_mut(place as usize) {
                *stored &= byte;
            }
        }
        if sector.0.iter().all(|byte| *byte == 0xFF) {
            self.sectors.remove(&(address / SECTOR));
        }
    }

    fn is_busy(&self, now: Time) -> bool {
        now < self.busy
    }

    fn status(&self, now: Time) -> u8 {
        let flag = |bit: u8, set: bool| if set { bit } else { 0 };
        self.protection | flag(WIP, self.is_busy(now)) | flag(WEL, self.enabled)
    }

    /// Chapter 6 of the data sheet, "Memory Protection": BP0 to BP2 say how much, in blocks or (BP4) sectors; BP3
    /// says at which end; CMP protects the rest instead.
    fn protects(&self, from: u32, size: u32) -> bool {
        let all = self.size();
        if self.quad() {
            // Macronix: BP0 to BP3 count blocks of 64 KiB in powers of two; TB, in the configuration register,
            // says at which end.
            let amount = match u32::from(self.protection >> 2 & 0xF) {
                0 => 0,
                power => (16 * SECTOR).checked_shl(power - 1).unwrap_or(all).min(all),
            };
            let (first, end) = if self.second & TB != 0 { (0, amount) } else { (all - amount, all) };
            return from < end && from + size > first;
        }
        let amount = match (u32::from(self.protection >> 2 & 7), self.protection & 0x40 != 0) {
            (0, _) => 0,
            (7, _) => all,
            (power, false) => all >> (7 - power),
            (power, true) => SECTOR << (power - 1).min(3),
        };
        let (first, end) = if self.protection & 0x20 != 0 { (0, amount) } else { (all - amount, all) };
        if self.second & CMP != 0 {
            from < first || from + size > end
        } else {
            from < end && from + size > first
        }
    }

    /// Whether it is the chip with commands on four lines.
    fn quad(&self) -> bool {
        matches!(self.config.chip, Chip::Mx25r6435f)
    }

    /// Whether the chip has a command, as it is set now.
    fn knows(&self, command: u8) -> bool {
        match command {
            READ4O | READ4IO | PP4IO => self.quad() && self.protection & QE != 0,
            RDSR2 | WRSR2 => !self.quad(),
            SFDP => self.quad(),
            _ => true,
        }
    }

    /// How many bytes of address and waiting follow a command.
    fn header_length(command: u8) -> usize {
        match command {
            PP | PP4IO | READ | SE | BE32 | BE64 | REMS | RDP => 3,
            FAST_READ | READ2O | READ2IO | READ4O | SFDP => 4,
            READ4IO => 6,
            _ => 0,
        }
    }

    fn address(&self) -> u32 {
        let word = self.header.iter().take(3).fold(0, |word, byte| word << 8 | u32::from(*byte));
        word % self.size()
    }

    /// One byte in, one out.
    fn exchange(&mut self, mosi: u8, now: Time) -> u8 {
        let Some(command) = self.command else {
            self.command = Some(mosi);
            return 0xFF;
        };
        if !self.knows(command) {
            return 0xFF;
        }
        if self.asleep && command != RDP
            || self.is_busy(now) && !matches!(command, RDSR | RDSR2 | RDCR | RDSCUR)
        {
            return 0xFF;
        }
        if self.header.len() < Self::header_length(command) {
            self.header.push(mosi);
            return 0xFF;
        }
        let index = self.moved;
        self.moved = self.moved.wrapping_add(1);
        let data = self.config.chip.data();
        let cycle = |bytes: &[u8]| bytes.get(index as usize % bytes.len()).copied().unwrap_or(0xFF);
        match command {
            READ | FAST_READ | READ2O | READ2IO | READ4O | READ4IO => {
                self.byte((self.address().wrapping_add(index)) % self.size())
            }
            RDSR => self.status(now),
            RDSR2 => self.second,
            RDID => cycle(&data.id),
            REMS => cycle(&if self.address() & 1 == 0 {
                [data.id[0], data.signature]
            } else {
                [data.signature, data.id[0]]
            }),
            RDP => data.signature,
            SFDP => data.sfdp.get(self.address().wrapping_add(index) as usize).copied().unwrap_or(0xFF),
            RDCR if self.quad() => cycle(&[self.second, self.third]),
            RDCR | RDSCUR => 0,
            PP | PP4IO | WRSR | WRSR2 => {
                if self.page.len() == PAGE as usize {
                    self.page.remove(0);
                }
                self.page.push(mosi);
                0xFF
            }
            _ => 0xFF,
        }
    }

    /// Commands that change something do so when the chip is deselected.
    fn deselected(&mut self, cx: &mut Cx<'_>) {
        let Some(command) = self.command.take() else { return };
        let (header, moved) = (self.header.len(), self.moved);
        let now = cx.now();
        if self.asleep {
            if command == RDP {
                self.asleep = false;
                self.busy = now + self.config.chip.data().release;
            }
        } else if self.is_busy(now) {
            if !matches!(command, RDSR | RDSR2 | RDCR | RDSCUR) {
                cx.guest_error(format!("command {command:#04x} while the flash is busy is not taken"));
            }
        } else if header == Self::header_length(command) || command == RDP {
            self.carry_out(command, moved, cx);
        }
        let armed = command == RSTEN;
        self.reset_enabled = armed;
    }

    fn carry_out(&mut self, command: u8, moved: u32, cx: &mut Cx<'_>) {
        let (data, address) = (self.config.chip.data(), self.address());
        if !self.knows(command) {
            cx.guest_error(format!("command {command:#04x} is none of this chip's, or not allowed by QE"));
            return;
        }
        let writes = matches!(command, PP | PP4IO | SE | BE32 | BE64 | CE | CE2 | WRSR | WRSR2);
        if writes && !self.enabled {
            cx.guest_error(format!("command {command:#04x} without WREN before it is not taken"));
            return;
        }
        let size = match command {
            PP | PP4IO => PAGE,
            SE => SECTOR,
            BE32 => 8 * SECTOR,
            BE64 => 16 * SECTOR,
            CE | CE2 => self.size(),
            _ => 0,
        };
        if size != 0 && self.protects(address / size * size, size) {
            cx.guest_error(format!(
                "command {command:#04x} at {address:#x}: protected by the status register"
            ));
            self.enabled = false;
            return;
        }
        let time = match command {
            WREN | WRDI => {
                self.enabled = command == WREN;
                return;
            }
            DP => {
                self.asleep = true;
                return;
            }
            RST if self.reset_enabled => {
                self.enabled = false;
                self.busy = cx.now() + Time::from_us(30);
                return;
            }
            PP | PP4IO if moved > 0 => {
                self.program(address);
                data.program
            }
            SE => {
                self.erase(address, SECTOR);
                data.sector
            }
            BE32 => {
                self.erase(address, 8 * SECTOR);
                data.block32
            }
            BE64 => {
                self.erase(address, 16 * SECTOR);
                data.block64
            }
            CE | CE2 => {
                self.sectors.clear();
                data.all
            }
            WRSR if moved > 0 => {
                self.protection = self.page.first().copied().unwrap_or(0) & PROTECTION;
                self.second = self.page.get(1).copied().unwrap_or(self.second);
                self.third = self.page.get(2).copied().unwrap_or(self.third);
                data.status
            }
            WRSR2 if moved > 0 => {
                self.second = self.page.first().copied().unwrap_or(0);
                data.status
            }
            _ => return,
        };
        self.enabled = false;
        self.busy = cx.now() + time;
    }
}

impl Model for SpiFlash {
    const KIND: &'static str = "spi-flash";
    const DOC: &'static str =
        "Serial NOR flash (XT25F32B, P25Q32H, MX25R6435F); its contents can come from a file.";
    type Config = SpiFlashConfig;
    fn new(config: SpiFlashConfig) -> Self {
        Self {
            config,
            sectors: BTreeMap::new(),
            selected: false,
            command: None,
            header: Vec::new(),
            page: Vec::new(),
            moved: 0,
            enabled: false,
            protection: 0,
            second: 0,
            third: 0,
            busy: Time::ZERO,
            asleep: false,
            reset_enabled: false,
        }
    }
}

impl Component for SpiFlash {
    fn pins(&self) -> &'static [&'static str] {
        &["csn"]
    }

    /// The chip that drives the pins was reset; the flash keeps power.
    fn reset(&mut self, _: &mut Cx<'_>) {
        self.selected = false;
        self.command = None;
    }

    fn restart(&mut self, cause: ResetCause, cx: &mut Cx<'_>) {
        if cause == ResetCause::PowerOn {
            (self.enabled, self.asleep, self.busy) = (false, false, Time::ZERO);
        }
        self.reset(cx);
    }

    fn input(&mut self, _: u16, level: bool, cx: &mut Cx<'_>) {
        if level == self.selected {
            self.selected = !level;
            if level {
                self.deselected(cx);
            }
            self.command = None;
            self.header.clear();
            self.page.clear();
            self.moved = 0;
        }
    }

    fn contents(&self) -> Option<Vec<u8>> {
        let mut all = vec![0xFF; self.size() as usize];
        for (index, sector) in &self.sectors {
            let start = (index * SECTOR) as usize;
            if let Some(place) = all.get_mut(start..start + sector.0.len()) {
                place.copy_from_slice(&sector.0);
            }
        }
        Some(all)
    }

    fn load(&mut self, contents: &[u8]) -> Result<(), String> {
        if contents.len() > self.size() as usize {
            return Err(format!("{} bytes do not fit its {} bytes", contents.len(), self.size()));
        }
        self.sectors.clear();
        for (index, chunk) in (0..).zip(contents.chunks(SECTOR as usize)) {
            if chunk.iter().any(|byte| *byte != 0xFF) {
                let mut sector = chunk.to_vec();
                sector.resize(SECTOR as usize, 0xFF);
                self.sectors.insert(index, Sector(sector));
            }
        }
        Ok(())
    }
}

impl Part for SpiFlash {
    fn spi(&mut self, mosi: u32, _: u8, cx: &mut Cx<'_>) -> Option<u32> {
        self.selected.then(|| u32::from(self.exchange(mosi as u8, cx.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    fn rig() -> Rig<SpiFlash> {
        let mut rig = Rig::new(SpiFlash::new(SpiFlashConfig::default()));
        rig.input(0, true);
        rig
    }

    /// A command's bytes, and how many to read after them.
    fn talk(rig: &mut Rig<SpiFlash>, bytes: &[u8], read: usize) -> Vec<u8> {
        rig.input(0, false);
        let mut all = [bytes, &vec![0; read][..]].concat();
        assert!(rig.with(|flash, cx| flash.spi_bytes(&mut all, cx)));
        rig.input(0, true);
        all.split_off(bytes.len())
    }

    #[test]
    fn it_says_who_it_is() {
        let mut rig = rig();
        assert_eq!(talk(&mut rig, &[RDID], 3), [0x0B, 0x40, 0x16]);
        assert_eq!(talk(&mut rig, &[REMS, 0, 0, 0], 2), [0x0B, 0x15]);
        assert_eq!(rig.with(|flash, cx| flash.spi(RDID.into(), 8, cx)), None, "not selected");
    }

    #[test]
    fn pages_are_programmed_and_sectors_erased_in_their_time() {
        let mut rig = rig();
        talk(&mut rig, &[PP, 0, 0x10, 0xFE, 1, 2, 3], 0);
        assert_eq!(talk(&mut rig, &[READ, 0, 0x10, 0xFE], 2), [0xFF, 0xFF], "without WREN");
        talk(&mut rig, &[WREN], 0);
        assert_eq!(talk(&mut rig, &[RDSR], 1), [WEL]);
        talk(&mut rig, &[PP, 0, 0x10, 0xFE, 1, 2, 3], 0);
        assert_eq!(talk(&mut rig, &[RDSR], 1), [WIP]);
        assert_eq!(talk(&mut rig, &[READ, 0, 0x10, 0xFE], 1), [0xFF], "busy");
        rig.run_for(Time::from_us(400));
        assert_eq!(talk(&mut rig, &[RDSR], 1), [0]);
        assert_eq!(talk(&mut rig, &[READ, 0, 0x10, 0xFE], 3), [1, 2, 0xFF]);
        assert_eq!(talk(&mut rig, &[FAST_READ, 0, 0x10, 0, 9], 1), [3], "wrapped within its page");
        talk(&mut rig, &[WREN], 0);
        talk(&mut rig, &[PP, 0, 0x10, 0xFE, 0xFE, 0xFF], 0);
        rig.run_for(Time::from_ms(1));
        assert_eq!(talk(&mut rig, &[READ, 0, 0x10, 0xFE], 2), [0, 2], "bits only fall");
        talk(&mut rig, &[WREN], 0);
        talk(&mut rig, &[SE, 0, 0x12, 0x34], 0);
        rig.run_for(Time::from_ms(69));
        assert_eq!(talk(&mut rig, &[RDSR], 1), [WIP]);
        rig.run_for(Time::from_ms(1));
        assert_eq!(talk(&mut rig, &[READ, 0, 0x10, 0xFE], 2), [0xFF, 0xFF]);
    }

    fn chip(name: &str) -> Rig<SpiFlash> {
        let mut rig =
            Rig::new(SpiFlash::new(serde_json::from_str(&format!(r#"{{ "chip": "{name}" }}"#)).unwrap()));
        rig.input(0, true);
        rig
    }

    /// A command that WREN allows, to its end; how long the chip says it is busy with it.
    fn busy(rig: &mut Rig<SpiFlash>, bytes: &[u8]) -> Time {
        talk(rig, &[WREN], 0);
        talk(rig, bytes, 0);
        let time = rig.component.busy.max(rig.now).since(rig.now);
        if time > Time::ZERO {
            rig.run_for(time - Time::from_ns(1));
            assert_eq!(talk(rig, &[RDSR], 1)[0] & WIP, WIP);
            rig.run_for(Time::from_ns(1));
        }
        assert_eq!(talk(rig, &[RDSR], 1)[0] & (WIP | WEL), 0);
        time
    }

    #[test]
    fn everything_takes_its_chips_time_and_erases_its_size() {
        let data: [(&str, [u64; 6]); 2] = [
            ("xt25f32b", [400, 70_000, 160_000, 250_000, 15_000_000, 5_000]),
            ("p25q32h", [2_000, 16_000, 16_000, 16_000, 16_000, 8_000]),
        ];
        for (name, times) in data {
            let mut rig = chip(name);
            let mut image = vec![0; 4 << 20];
            for (command, end, time) in [
                (PP, 0, times[0]),
                (SE, 0x1_9000, times[1]),
                (BE32, 0x2_0000, times[2]),
                (BE64, 0x2_0000, times[3]),
                (CE, 0x40_0000, times[4]),
                (CE2, 0x40_0000, times[4]),
            ] {
                image.fill(0);
                rig.component.load(&image).unwrap();
                let bytes = [command, 1, 0x8F, 0xFF, 7];
                let bytes = match command {
                    PP => &bytes[..],
                    CE | CE2 => &bytes[..1],
                    _ => &bytes[..4],
                };
                assert_eq!(busy(&mut rig, bytes), Time::from_us(time), "{name} {command:#x}");
                let contents = rig.component.contents().unwrap();
                let erased: Vec<usize> =
                    (0..4 << 20).step_by(0x1000).filter(|at| contents[*at] == 0xFF).collect();
                let size = match command {
                    PP => 0,
                    SE => 0x1000,
                    BE32 => 0x8000,
                    BE64 => 0x1_0000,
                    _ => 0x40_0000,
                };
                assert_eq!(erased.len() * 0x1000, size, "{name} {command:#x}");
                assert_eq!(erased.last().map_or(0, |at| at + 0x1000), end, "{name} {command:#x}");
            }
            assert_eq!(busy(&mut rig, &[WRSR, 0]), Time::from_us(times[5]), "{name}");
        }
    }

    #[test]
    fn the_status_register_protects_what_it_says() {
        // Status bytes; the first and last byte that cannot be programmed, none for nothing.
        for (status, range) in [
            ([0x00, 0], None),
            ([0x04, 0], Some((0x3F_0000, 0x3F_FFFF))),
            ([0x18, 0], Some((0x20_0000, 0x3F_FFFF))),
            ([0x24, 0], Some((0, 0xFFFF))),
            ([0x44, 0], Some((0x3F_F000, 0x3F_FFFF))),
            ([0x6C, 0], Some((0, 0x3FFF))),
            ([0x1C, 0], Some((0, 0x3F_FFFF))),
            ([0x24, CMP], Some((0x1_0000, 0x3F_FFFF))),
            ([0x00, CMP], Some((0, 0x3F_FFFF))),
            ([0x1C, CMP], None),
        ] {
            let mut rig = rig();
            busy(&mut rig, &[WRSR, status[0], status[1]]);
            assert_eq!((talk(&mut rig, &[RDSR], 1)[0], talk(&mut rig, &[RDSR2], 1)[0]), status.into());
            let mut programs = |address: u32| {
                let [_, a, b, c] = address.to_be_bytes();
                busy(&mut rig, &[PP, a, b, c, 0]);
                rig.component.byte(address) == 0
            };
            let mut free = 0;
            for address in [0, 0x3FFF, 0x4000, 0xFFFF, 0x1_0000, 0x1F_FFFF, 0x20_0000, 0x3E_FFFF]
                .into_iter()
                .chain([0x3F_0000, 0x3F_EFFF, 0x3F_F000, 0x3F_FFFF])
            {
                let protected = range.is_some_and(|(first, last)| (first..=last).contains(&address));
                assert_eq!(programs(address), !protected, "{status:x?} {address:#x}");
                free += u32::from(!protected);
            }
            busy(&mut rig, &[CE]);
            assert_eq!(rig.component.sectors.is_empty(), range.is_none() || free == 0, "{status:x?}");
        }
    }

    #[test]
    fn four_lines_need_their_bit() {
        // JESD216B: the table at 0x30 says 64 Mbit; QE is bit 6 of the status register.
        let mut rig = chip("mx25r6435f");
        assert_eq!(talk(&mut rig, &[RDID], 3), [0xC2, 0x28, 0x17]);
        assert_eq!(talk(&mut rig, &[SFDP, 0, 0, 0, 0], 4), *b"SFDP");
        assert_eq!(talk(&mut rig, &[SFDP, 0, 0, 0x34, 0], 4), 0x03FF_FFFFu32.to_le_bytes());
        busy(&mut rig, &[PP, 0x7F, 0xFF, 0, 5]);
        let read = [READ4IO, 0x7F, 0xFF, 0, 0, 0, 0];
        assert_eq!(talk(&mut rig, &read, 1), [0xFF], "not allowed");
        busy(&mut rig, &[WRSR, QE, 0, 2]);
        assert_eq!((talk(&mut rig, &[RDSR], 1), talk(&mut rig, &[RDCR], 2)), (vec![QE], vec![0, 2]));
        assert_eq!(talk(&mut rig, &read, 1), [5]);
        assert_eq!(busy(&mut rig, &[PP4IO, 0x7F, 0xFF, 0, 4]), Time::from_us(896));
        assert_eq!(talk(&mut rig, &[READ2IO, 0x7F, 0xFF, 0, 0], 1), [4]);
        // BP0 to BP3: the upper 128 KiB, then (TB) the lower.
        for (registers, top, bottom) in
            [([QE | 2 << 2, 0, 0], false, true), ([QE | 2 << 2, TB, 0], true, false)]
        {
            busy(&mut rig, &[WRSR, registers[0], registers[1], registers[2]]);
            busy(&mut rig, &[PP, 0x7E, 0, 0, 0]);
            busy(&mut rig, &[PP, 0x01, 0, 0, 0]);
            let written = |rig: &Rig<SpiFlash>, at| rig.component.byte(at) == 0;
            assert_eq!((written(&rig, 0x7E_0000), written(&rig, 0x01_0000)), (top, bottom));
            rig.component.sectors.clear();
        }
    }

    #[test]
    fn a_reset_needs_its_two_commands() {
        let mut rig = rig();
        talk(&mut rig, &[WREN], 0);
        talk(&mut rig, &[RST], 0);
        assert_eq!(talk(&mut rig, &[RDSR], 1), [WEL], "not enabled");
        talk(&mut rig, &[RSTEN], 0);
        talk(&mut rig, &[RST], 0);
        rig.run_for(Time::from_us(30));
        assert_eq!(talk(&mut rig, &[RDSR], 1), [0]);
        talk(&mut rig, &[WREN], 0);
        talk(&mut rig, &[WRDI], 0);
        assert_eq!(talk(&mut rig, &[RDSR], 1), [0]);
    }

    #[test]
    fn contents_and_protection_outlive_power() {
        let mut rig = rig();
        busy(&mut rig, &[PP, 0, 0, 0, 5]);
        busy(&mut rig, &[WRSR, 0x1C]);
        talk(&mut rig, &[DP], 0);
        rig.with(|flash, cx| flash.restart(ResetCause::PowerOn, cx));
        assert_eq!(talk(&mut rig, &[READ, 0, 0, 0], 1), [5], "awake again");
        assert_eq!(talk(&mut rig, &[RDSR], 1), [0x1C]);
    }

    #[test]
    fn deep_power_down_hears_only_the_release() {
        let mut rig = rig();
        talk(&mut rig, &[DP], 0);
        assert_eq!(talk(&mut rig, &[RDID], 3), [0xFF; 3]);
        assert_eq!(talk(&mut rig, &[RDP, 0, 0, 0], 1), [0x15]);
        rig.run_for(Time::from_us(20));
        assert_eq!(talk(&mut rig, &[RDID], 1), [0x0B]);
    }

    #[test]
    fn contents_come_and_go_as_bytes() {
        let mut rig = rig();
        let mut image = vec![0xFF; 5_000];
        image[4_999] = 7;
        rig.component.load(&image).unwrap();
        assert_eq!(rig.component.sectors.len(), 1);
        assert_eq!(talk(&mut rig, &[READ, 0, 0x13, 0x87], 2), [7, 0xFF]);
        let out = rig.component.contents().unwrap();
        assert_eq!((out.len(), &out[..5_000]), (4 << 20, &image[..]));
        assert!(rig.component.load(&vec![0; (4 << 20) + 1]).is_err());
    }

    #[test]
    fn a_long_program_keeps_its_last_page() {
        let mut rig = rig();
        talk(&mut rig, &[WREN], 0);
        let data: Vec<u8> = (0..=255).chain([0, 1]).collect();
        talk(&mut rig, &[&[PP, 0, 0, 0][..], &data].concat(), 0);
        rig.run_for(Time::from_ms(1));
        assert_eq!(talk(&mut rig, &[READ, 0, 0, 0], 3), [0, 1, 2]);
    }
}
