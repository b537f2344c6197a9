//! FICR: the chip's identity and factory values; and the ROM table that some start-up code asks too.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "FICR".

use consort_core::component::{Coverage, Register};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Spec, array};

const CODEPAGESIZE: u32 = 0x010;
const CODESIZE: u32 = 0x014;
const NUMRAMBLOCK: u32 = 0x034;
const SIZERAMBLOCK: u32 = 0x038;
const DEVICEID: u32 = 0x060;
const ER: u32 = 0x080;
const IR: u32 = 0x090;
const DEVICEADDRTYPE: u32 = 0x0A0;
const DEVICEADDR: u32 = 0x0A4;
const INFO_PART: u32 = 0x100;
const INFO_VARIANT: u32 = 0x104;
const INFO_PACKAGE: u32 = 0x108;
const INFO_RAM: u32 = 0x10C;
const INFO_FLASH: u32 = 0x110;

const BLANK: u32 = u32::MAX;

const COMMON: &[Register] = &[
    Register::ro(CODEPAGESIZE, "CODEPAGESIZE", BLANK),
    Register::ro(CODESIZE, "CODESIZE", BLANK),
    Register::ro(DEVICEID, "DEVICEID[0]", BLANK),
    Register::ro(DEVICEID + 4, "DEVICEID[1]", BLANK),
    Register::ro(DEVICEADDRTYPE, "DEVICEADDRTYPE", BLANK),
    Register::ro(DEVICEADDR, "DEVICEADDR[0]", BLANK),
    Register::ro(DEVICEADDR + 4, "DEVICEADDR[1]", BLANK),
];
const NRF51: &[Register] = &[
    Register::ro(0x028, "CLENR0", BLANK),
    Register::ro(0x02C, "PPFC", BLANK),
    Register::ro(NUMRAMBLOCK, "NUMRAMBLOCK", 2),
    Register::ro(SIZERAMBLOCK, "SIZERAMBLOCK[0]", 0x2000),
    Register::ro(SIZERAMBLOCK + 4, "SIZERAMBLOCK[1]", 0x2000),
    Register::ro(SIZERAMBLOCK + 8, "SIZERAMBLOCK[2]", 0),
    Register::ro(SIZERAMBLOCK + 12, "SIZERAMBLOCK[3]", 0),
    Register::ro(0x05C, "CONFIGID", 0xFFFF_0072),
    Register::ro(0x0AC, "OVERRIDEEN", BLANK),
];
/// In no manual: trim values that start-up code copies where an erratum asks for it.
const RESERVED: &[Register] = &[
    Register::ro(0x244, "ERRATUM_31", BLANK).coverage(Coverage::Stub),
    Register::ro(0x258, "ERRATUM_115", BLANK).coverage(Coverage::Stub),
    Register::ro(0x320, "RESERVED[0x320]", BLANK).coverage(Coverage::Stub),
    Register::ro(0x324, "ERRATUM_12", BLANK).coverage(Coverage::Stub),
    Register::ro(0x330, "CONFIGURATION_254[0]", BLANK).coverage(Coverage::Stub),
    Register::ro(0x334, "CONFIGURATION_254[1]", BLANK).coverage(Coverage::Stub),
    Register::ro(0x338, "CONFIGURATION_254[2]", BLANK).coverage(Coverage::Stub),
];
const NRF52: &[Register] = &[
    Register::ro(INFO_PART, "INFO.PART", BLANK),
    Register::ro(INFO_VARIANT, "INFO.VARIANT", BLANK),
    Register::ro(INFO_PACKAGE, "INFO.PACKAGE", BLANK),
    Register::ro(INFO_RAM, "INFO.RAM", BLANK),
    Register::ro(INFO_FLASH, "INFO.FLASH", BLANK),
    Register::ro(0x350, "PRODTEST[0]", 0xBB42_319F),
    Register::ro(0x354, "PRODTEST[1]", 0xBB42_319F),
    Register::ro(0x358, "PRODTEST[2]", 0xBB42_319F),
    Register::ro(0x404, "TEMP.A0", 0x320),
    Register::ro(0x408, "TEMP.A1", 0x343),
    Register::ro(0x40C, "TEMP.A2", 0x35D),
    Register::ro(0x410, "TEMP.A3", 0x400),
    Register::ro(0x414, "TEMP.A4", 0x452),
    Register::ro(0x418, "TEMP.A5", 0x37B),
    Register::ro(0x41C, "TEMP.B0", 0x3FCC),
    Register::ro(0x420, "TEMP.B1", 0x3F98),
    Register::ro(0x424, "TEMP.B2", 0x3F98),
    Register::ro(0x428, "TEMP.B3", 0x12),
    Register::ro(0x42C, "TEMP.B4", 0x4D),
    Register::ro(0x430, "TEMP.B5", 0x3E10),
    Register::ro(0x434, "TEMP.T0", 0xE2),
    Register::ro(0x438, "TEMP.T1", 0),
    Register::ro(0x43C, "TEMP.T2", 0x14),
    Register::ro(0x440, "TEMP.T3", 0x19),
    Register::ro(0x444, "TEMP.T4", 0x50),
    Register::ro(0x450, "NFC.TAGHEADER0", 0xFFFF_FF5F).coverage(Coverage::Stub),
    Register::ro(0x454, "NFC.TAGHEADER1", BLANK).coverage(Coverage::Stub),
    Register::ro(0x458, "NFC.TAGHEADER2", BLANK).coverage(Coverage::Stub),
    Register::ro(0x45C, "NFC.TAGHEADER3", BLANK).coverage(Coverage::Stub),
    Register::ro(0xC00, "TRNG90B.BYTES", 0x210).coverage(Coverage::Stub),
    Register::ro(0xC04, "TRNG90B.RCCUTOFF", BLANK).coverage(Coverage::Stub),
    Register::ro(0xC08, "TRNG90B.APCUTOFF", BLANK).coverage(Coverage::Stub),
    Register::ro(0xC0C, "TRNG90B.STARTUP", BLANK).coverage(Coverage::Stub),
    Register::ro(0xC10, "TRNG90B.ROSC1", BLANK).coverage(Coverage::Stub),
    Register::ro(0xC14, "TRNG90B.ROSC2", BLANK).coverage(Coverage::Stub),
    Register::ro(0xC18, "TRNG90B.ROSC3", BLANK).coverage(Coverage::Stub),
    Register::ro(0xC1C, "TRNG90B.ROSC4", BLANK).coverage(Coverage::Stub),
];
const KEYS: [&[Register]; 2] =
    [array!(ro ER, 4, "ER[", "]", BLANK; 0 1 2 3), array!(ro IR, 4, "IR[", "]", BLANK; 0 1 2 3)];

static SPEC51: Spec = Spec::new(
    &[],
    &[],
    &[],
    &[
        COMMON,
        NRF51,
        KEYS[0],
        KEYS[1],
        array!(ro 0x0B0, 4, "NRF_1MBIT[", "]", BLANK; 0 1 2 3 4),
        array!(ro 0x0EC, 4, "BLE_1MBIT[", "]", BLANK; 0 1 2 3 4),
    ],
);
static SPEC52: Spec = Spec::new(
    &[],
    &[],
    &[],
    &[COMMON, NRF52, RESERVED, KEYS[0], KEYS[1], array!(ro 0x130, 4, "RESERVED[", "]", BLANK; 0 1)],
);

/// Which chip it is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// 256 KiB flash, 16 KiB RAM.
    Nrf51822,
    /// 256 KiB flash, 32 KiB RAM.
    Nrf51422,
    /// 512 KiB flash, 64 KiB RAM.
    #[default]
    Nrf52832,
    /// 512 KiB flash, 128 KiB RAM.
    Nrf52833,
    /// 1 MiB flash, 256 KiB RAM.
    Nrf52840,
}

/// What the chip is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FicrConfig {
    /// The chip, default `nrf52832`.
    #[serde(default)]
    pub part: Part,
}

/// FICR. Identity, keys and addresses are drawn from the device's random numbers at the first reset, so
/// every device of a fleet has its own and a fleet's seed gives the same again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ficr {
    config: FicrConfig,
    /// DEVICEID, ER, IR, DEVICEADDR.
    identity: Option<[u32; 12]>,
}

impl Logic for Ficr {
    const KIND: &'static str = "nordic-ficr";
    const DOC: &'static str = "Factory information: chip, identity, addresses.";
    type Config = FicrConfig;

    fn new(config: FicrConfig) -> Self {
        Self { config, identity: None }
    }

    fn spec(&self) -> &'static Spec {
        if matches!(self.config.part, Part::Nrf51822 | Part::Nrf51422) { &SPEC51 } else { &SPEC52 }
    }

    fn lines(&self) -> &'static [&'static str] {
        &[]
    }

    fn reset(&mut self, io: &mut Io<'_, '_>) {
        let identity = *self.identity.get_or_insert_with(|| std::array::from_fn(|_| io.cx.rng().next_u32()));
        for (index, offset) in
            [DEVICEID, DEVICEID + 4, ER, ER + 4, ER + 8, ER + 12, IR, IR + 4, IR + 8, IR + 12]
                .into_iter()
                .chain([DEVICEADDR, DEVICEADDR + 4])
                .enumerate()
        {
            io.set(offset, identity[index]);
        }
        io.set(DEVICEADDR + 4, identity[11] | 0xFFFF_0000);
        io.set(DEVICEADDRTYPE, BLANK); // bit 0: a random static address
        let (page, pages) = match self.config.part {
            Part::Nrf51822 | Part::Nrf51422 => (1024, 256),
            Part::Nrf52832 | Part::Nrf52833 => (4096, 128),
            Part::Nrf52840 => (4096, 256),
        };
        io.set(CODEPAGESIZE, page);
        io.set(CODESIZE, pages);
        // PART, VARIANT (ASCII), PACKAGE, RAM and flash in KiB; then what start-up code asks for errata.
        let info = match self.config.part {
            Part::Nrf51822 => return,
            Part::Nrf51422 => {
                io.set(NUMRAMBLOCK, 4);
                io.set(SIZERAMBLOCK + 8, 0x2000);
                io.set(SIZERAMBLOCK + 12, 0x2000);
                return;
            }
            Part::Nrf52832 => [0x52832, 0x4141_4530, 0x2000, 64, 512, 6, 5],
            Part::Nrf52833 => [0x52833, 0x4141_4230, 0x2004, 128, 512, 0xD, 3],
            Part::Nrf52840 => [0x52840, 0x4141_4430, 0x2004, 256, 1024, 8, 3],
        };
        let offsets = [INFO_PART, INFO_VARIANT, INFO_PACKAGE, INFO_RAM, INFO_FLASH, 0x130, 0x134];
        for (offset, value) in offsets.into_iter().zip(info) {
            io.set(offset, value);
        }
    }
}

static SPEC_ROM: Spec = Spec::new(
    &[],
    &[],
    &[],
    &[&[
        Register::ro(0xFE0, "PID0", 0),
        Register::ro(0xFE4, "PID1", 0),
        Register::ro(0xFE8, "PID2", 0),
        Register::ro(0xFEC, "PID3", 0),
    ]],
);

/// The ROM table at 0xF0000000, which names the chip and its revision to start-up code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RomTable {
    config: FicrConfig,
}

impl Logic for RomTable {
    const KIND: &'static str = "nordic-rom-table";
    const DOC: &'static str = "Chip and revision, as start-up code asks for errata.";
    type Config = FicrConfig;

    fn new(config: FicrConfig) -> Self {
        Self { config }
    }

    fn spec(&self) -> &'static Spec {
        &SPEC_ROM
    }

    fn lines(&self) -> &'static [&'static str] {
        &[]
    }

    fn reset(&mut self, io: &mut Io<'_, '_>) {
        let (part, revision) = match self.config.part {
            Part::Nrf51822 | Part::Nrf51422 => (1, 0x70),
            Part::Nrf52832 => (6, 0x60),
            Part::Nrf52833 => (0xD, 0x30),
            Part::Nrf52840 => (8, 0x30),
        };
        io.set(0xFE0, part);
        io.set(0xFE8, revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model};
    use consort_core::testing::Rig;

    #[test]
    fn the_identity_stays_through_resets() {
        // PS "FICR": written at production, read-only.
        let mut rig = Rig::new(Block::<Ficr>::new(FicrConfig { part: Part::Nrf52840 }));
        let read = |rig: &mut Rig<Block<Ficr>>| [rig.read(DEVICEID), rig.read(DEVICEADDR), rig.read(ER)];
        let before = read(&mut rig);
        rig.with(|ficr, cx| ficr.reset(cx));
        assert_eq!(read(&mut rig), before);
        assert_eq!((rig.read(INFO_PART), rig.read(CODESIZE)), (0x52840, 256));
        rig.write(INFO_PART, 0);
        assert_eq!(rig.read(INFO_PART), 0x52840);
    }
}
