//! MPS2 serial configuration controller (MPS2 TRM, "SCC registers"): what the board's motherboard
//! controller (MCC) tells the FPGA, and the clock generators behind it.

use consort_core::Time;
use consort_core::component::{
    Channel, Component, Coverage, Cx, Field, Model, Picture, Register, SetError, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{Lines, Told, Words, word_registers};

const CFG_REG0: u32 = 0x000;
const CFG_REG1: u32 = 0x004;
const CFG_REG3: u32 = 0x00C;
const CFG_REG4: u32 = 0x010;
const SYS_CFGDATA_RTN: u32 = 0x0A0;
const SYS_CFGDATA_OUT: u32 = 0x0A4;
const SYS_CFGCTRL: u32 = 0x0A8;
const SYS_CFGSTAT: u32 = 0x0AC;
const SCC_DLL: u32 = 0x100;
const SCC_AID: u32 = 0xFF8;
const SCC_ID: u32 = 0xFFC;

const CFGCTRL_START: u32 = 1 << 31;
const CFGCTRL_WRITE: u32 = 1 << 30;
const CFGCTRL_DEFINED: u32 = 0x7FF0_0FFF;
const CFGSTAT_COMPLETE: u32 = 1 << 0;
const CFGSTAT_ERROR: u32 = 1 << 1;
const FUNCTION_OSC: u32 = 1;
/// All DLLs unmasked and locked.
const DLL_LOCKED: u32 = 0xFFFF_0001;

const TOLD_OSC: u32 = 0;

static REGISTERS: &[Register] = &[
    Register::rw(CFG_REG0, "CFG_REG0", 0).fields(&[Field::new("REMAP", 0, 1)]),
    Register::rw(CFG_REG1, "CFG_REG1", 0).fields(&[Field::new("MCC_LEDS", 0, 8)]),
    Register::ro(CFG_REG3, "CFG_REG3", 0).fields(&[Field::new("MCC_SWITCHES", 0, 8)]),
    Register::ro(CFG_REG4, "CFG_REG4", 0).fields(&[Field::new("BOARD_REVISION", 0, 4)]),
    Register::rw(SYS_CFGDATA_RTN, "SYS_CFGDATA_RTN", 0),
    Register::rw(SYS_CFGDATA_OUT, "SYS_CFGDATA_OUT", 0),
    Register::rw(SYS_CFGCTRL, "SYS_CFGCTRL", 0)
        .fields(&[
            Field::new("DEVICE", 0, 12),
            Field::new("FUNCTION", 20, 6),
            Field::new("WRITE", 30, 1),
            Field::new("START", 31, 1),
        ])
        .coverage(Coverage::Partial),
    Register::rw(SYS_CFGSTAT, "SYS_CFGSTAT", 0)
        .fields(&[Field::new("COMPLETE", 0, 1), Field::new("ERROR", 1, 1)]),
    Register::rw(SCC_DLL, "SCC_DLL", DLL_LOCKED).fields(&[
        Field::new("LOCKED", 0, 1),
        Field::new("DLL_LOCKED", 16, 8),
        Field::new("LOCK_MASK", 24, 8),
    ]),
    Register::ro(SCC_AID, "SCC_AID", 0).fields(&[
        Field::new("CFG_REGS", 0, 8),
        Field::new("HAS_DLL", 8, 1),
        Field::new("HAS_LED", 9, 1),
        Field::new("HAS_SWITCH", 10, 1),
        Field::new("TARGET_REVISION", 20, 4),
        Field::new("BUILD", 24, 8),
    ]),
    Register::ro(SCC_ID, "SCC_ID", 0).fields(&[
        Field::new("REVISION", 0, 4),
        Field::new("PART", 4, 12),
        Field::new("ARCHITECTURE", 16, 4),
        Field::new("VARIANT", 20, 4),
        Field::new("IMPLEMENTER", 24, 8),
    ]),
];

/// What a board says about its SCC.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// SCC_ID: which FPGA image runs; 0x41043850 for AN385 (1090795600 in decimal).
    id: u32,
    /// SCC_AID: FPGA build, board revision, which registers exist.
    #[serde(default = "default_aid")]
    aid: u32,
    /// CFG_REG4: the board's revision (0 = A, 1 = B, 2 = C).
    #[serde(default = "default_revision")]
    #[schemars(range(max = 15))]
    revision: u32,
    /// The board's clock generators, in Hz: OSC0 (twice the system clock), OSC1 (audio), OSC2 (CLCD).
    #[serde(default = "default_oscillators")]
    oscillators: [u32; 3],
}

fn default_aid() -> u32 {
    0x0020_0008
}

fn default_revision() -> u32 {
    2
}

fn default_oscillators() -> [u32; 3] {
    [50_000_000, 24_576_000, 25_000_000]
}

/// The controller. Setting a clock generator is remembered and reads back, but changes no block's clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mps2Scc {
    config: Config,
    oscillators: [u32; 3],
    remap: u32,
    leds: u32,
    switches: u32,
    data_return: u32,
    data_out: u32,
    control: u32,
    status: u32,
    dll_mask: u32,
    lines: Lines,
    told: Told,
}

impl Mps2Scc {
    /// A configuration transfer; it completes at once.
    fn transfer(&mut self, cx: &mut Cx<'_>) {
        let function = self.control >> 20 & 0x3F;
        let device = (self.control & 0xFFF) as usize;
        self.status = CFGSTAT_COMPLETE;
        match self.oscillators.get_mut(device) {
            Some(hz) if function == FUNCTION_OSC => {
                if self.control & CFGCTRL_WRITE == 0 {
                    self.data_return = *hz;
                } else {
                    *hz = self.data_out;
                    if self.told.first(TOLD_OSC) {
                        cx.unimplemented(format!("OSC{device} set to {hz} Hz: no block's clock changes"));
                    }
                }
            }
            _ => self.status |= CFGSTAT_ERROR,
        }
    }
}

impl Words for Mps2Scc {
    fn look(&self, offset: u32, _: Time) -> u32 {
        match offset {
            CFG_REG0 => self.remap,
            CFG_REG1 => self.leds,
            CFG_REG3 => self.switches,
            CFG_REG4 => self.config.revision & 0xF,
            SYS_CFGDATA_RTN => self.data_return,
            SYS_CFGDATA_OUT => self.data_out,
            SYS_CFGCTRL => self.control,
            SYS_CFGSTAT => self.status,
            SCC_DLL => (DLL_LOCKED & 0x00FF_FFFF) | self.dll_mask,
            SCC_AID => self.config.aid,
            SCC_ID => self.config.id,
            _ => 0,
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        match offset {
            CFG_REG0 => self.remap = value & 1,
            CFG_REG1 => self.leds = value & 0xFF,
            SYS_CFGDATA_RTN => self.data_return = value,
            SYS_CFGDATA_OUT => self.data_out = value,
            SYS_CFGCTRL => {
                self.control = value & CFGCTRL_DEFINED;
                if value & CFGCTRL_START != 0 {
                    self.transfer(cx);
                }
            }
            SYS_CFGSTAT => self.status = value & (CFGSTAT_COMPLETE | CFGSTAT_ERROR),
            SCC_DLL => self.dll_mask = value & 0xFF00_0000,
            _ => {}
        }
        self.lines.drive(u64::from(self.leds | self.remap << 8), 9, cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(Mps2Scc, REGISTERS);

const SWITCHES: [&str; 8] =
    ["switch0", "switch1", "switch2", "switch3", "switch4", "switch5", "switch6", "switch7"];

impl Component for Mps2Scc {
    fn lines(&self) -> &'static [&'static str] {
        &["led0", "led1", "led2", "led3", "led4", "led5", "led6", "led7", "remap"]
    }
    fn channels(&self) -> Vec<Channel> {
        SWITCHES.iter().map(|name| Channel::switch(name, "the MCC user switch is on")).collect()
    }
    fn reset(&mut self, _: &mut Cx<'_>) {
        let switches = self.switches;
        *self = Self::new(self.config.clone());
        self.switches = switches;
    }
    fn set(&mut self, channel: &str, value: &Value, _: &mut Cx<'_>) -> Result<(), SetError> {
        let Some(index) = SWITCHES.iter().position(|name| *name == channel) else {
            return Err(SetError::NoChannel(channel.to_owned()));
        };
        let Value::Bool(on) = value else {
            let expected = "true (on) or false".to_owned();
            return Err(SetError::BadValue { channel: channel.to_owned(), expected });
        };
        self.switches = (self.switches & !(1 << index)) | u32::from(*on) << index;
        Ok(())
    }
    fn get(&self, channel: &str) -> Option<Value> {
        let index = SWITCHES.iter().position(|name| *name == channel)?;
        Some(Value::Bool(self.switches >> index & 1 != 0))
    }
    fn shows(&self) -> Option<u64> {
        Some(u64::from(self.leds))
    }
    fn picture(&self) -> Option<Picture> {
        Some(Picture::row_of_lamps(self.leds, 8, [0, 255, 0]))
    }
}

impl Model for Mps2Scc {
    const KIND: &'static str = "arm-mps2-scc";
    const DOC: &'static str = "MPS2 serial configuration controller: board identity, MCC LEDs and switches.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self {
            oscillators: config.oscillators,
            config,
            remap: 0,
            leds: 0,
            switches: 0,
            data_return: 0,
            data_out: 0,
            control: 0,
            status: 0,
            dll_mask: DLL_LOCKED & 0xFF00_0000,
            lines: Lines::default(),
            told: Told::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::state::State as _;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Mps2Scc> {
        let config = serde_json::from_value(serde_json::json!({ "id": 0x4104_3850_u32 })).unwrap();
        Rig::new(Mps2Scc::new(config))
    }

    #[test]
    fn it_names_the_image() {
        let mut rig = rig();
        assert_eq!(rig.read(SCC_ID), 0x4104_3850);
        assert_eq!(rig.read(SCC_AID), 0x0020_0008);
        assert_eq!(rig.read(SCC_DLL) & 1, 1, "the DLLs are locked");
        rig.write(SCC_ID, 0);
        assert_eq!(rig.read(SCC_ID), 0x4104_3850);
    }

    #[test]
    fn clock_generators_are_read_and_set_by_transfers() {
        let mut rig = rig();
        rig.write(SYS_CFGCTRL, CFGCTRL_START | FUNCTION_OSC << 20 | 1);
        assert_eq!(rig.read(SYS_CFGSTAT), CFGSTAT_COMPLETE);
        assert_eq!(rig.read(SYS_CFGDATA_RTN), 24_576_000);
        assert_eq!(rig.read(SYS_CFGCTRL) & CFGCTRL_START, 0);
        rig.write(SYS_CFGDATA_OUT, 40_000_000);
        rig.write(SYS_CFGCTRL, CFGCTRL_START | CFGCTRL_WRITE | FUNCTION_OSC << 20);
        rig.write(SYS_CFGCTRL, CFGCTRL_START | FUNCTION_OSC << 20);
        assert_eq!(rig.read(SYS_CFGDATA_RTN), 40_000_000);
        rig.write(SYS_CFGCTRL, CFGCTRL_START | FUNCTION_OSC << 20 | 3);
        assert_eq!(rig.read(SYS_CFGSTAT), CFGSTAT_COMPLETE | CFGSTAT_ERROR);
        let mut other = self::rig();
        other.component.restore(&rig.component.save().unwrap()).unwrap();
        other.write(SYS_CFGCTRL, CFGCTRL_START | FUNCTION_OSC << 20);
        assert_eq!(other.read(SYS_CFGDATA_RTN), 40_000_000);
    }

    #[test]
    fn leds_switches_and_remap() {
        let mut rig = rig();
        rig.write(CFG_REG1, 0x181);
        rig.write(CFG_REG0, 1);
        assert_eq!(rig.read(CFG_REG1), 0x81);
        assert!(rig.line("led0") && rig.line("led7") && !rig.line("led1") && rig.line("remap"));
        rig.with(|scc, cx| scc.set("switch5", &Value::Bool(true), cx)).unwrap();
        assert_eq!(rig.read(CFG_REG3), 0x20);
    }
}
