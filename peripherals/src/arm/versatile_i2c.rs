//! The two-wire serial bus block of Arm's boards (SBCon; MPS2 TRM, "I2C"): two bits that the guest toggles,
//! from which bus conditions and bytes are decoded.

use consort_core::Time;
use consort_core::component::{Component, Cx, Field, Model, NoConfig, Register};
use serde::{Deserialize, Serialize};

use crate::block::{Told, Words, word_registers};

const CONTROL: u32 = 0x0;
const CONTROLC: u32 = 0x4;

const SCL: u32 = 1 << 0;
const SDA: u32 = 1 << 1;
const WIRES: &[Field] = &[Field::new("SCL", 0, 1), Field::new("SDA", 1, 1)];

/// CONTROL reads the wires; a write of one there (CONTROLS) releases a wire, at CONTROLC it pulls it low.
static REGISTERS: &[Register] = &[
    Register::rw(CONTROL, "SB_CONTROL", SCL | SDA).fields(WIRES),
    Register::wo(CONTROLC, "SB_CONTROLC").fields(WIRES),
];

/// Where in a transfer the bus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// No transfer, or one that no part takes part in any more.
    Idle,
    /// The master sends a byte, of which so many bits have come; the first byte is the address.
    Receive { address: bool, bits: u8, byte: u8 },
    /// A part answers the byte; then it reads on, or sends.
    Acknowledge { answered: bool, sends: bool },
    /// A part sends a byte; so many bits have been clocked.
    Send { bits: u8, byte: u8 },
    /// The master answers a part's byte.
    MasterAcknowledge { answered: bool },
}

/// The block. Parts never stretch the clock.
///
/// Whether the master will acknowledge a byte is known only after it: parts are always told that more may
/// follow, and learn the end from STOP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VersatileI2c {
    /// What the master lets float (1) or pulls low (0).
    master: u32,
    /// Whether the part in the transfer lets SDA float.
    part_sda: bool,
    phase: Phase,
    /// An address was sent since START, so that the parts must hear of STOP.
    addressed: bool,
    told: Told,
}

impl VersatileI2c {
    fn wires(&self) -> u32 {
        if self.part_sda { self.master } else { self.master & !SDA }
    }

    fn drive(&mut self, wanted: u32, cx: &mut Cx<'_>) {
        // Data is stable around a clock edge: SDA moves before SCL rises and after it falls.
        if wanted & SCL != 0 {
            self.move_data(wanted, cx);
            self.move_clock(wanted, cx);
        } else {
            self.move_clock(wanted, cx);
            self.move_data(wanted, cx);
        }
    }

    fn move_data(&mut self, wanted: u32, cx: &mut Cx<'_>) {
        let before = self.wires();
        self.master = (self.master & !SDA) | (wanted & SDA);
        let after = self.wires();
        if before == after || after & SCL == 0 {
            return;
        }
        self.part_sda = true;
        if after & SDA == 0 {
            self.phase = Phase::Receive { address: true, bits: 0, byte: 0 };
        } else {
            self.phase = Phase::Idle;
            if std::mem::take(&mut self.addressed) {
                cx.i2c_stop();
            }
        }
    }

    fn move_clock(&mut self, wanted: u32, cx: &mut Cx<'_>) {
        let rises = wanted & !self.master & SCL != 0;
        let falls = self.master & !wanted & SCL != 0;
        self.master = (self.master & !SCL) | (wanted & SCL);
        if rises {
            self.clock_rises();
        } else if falls {
            self.clock_falls(cx);
        }
    }

    fn clock_rises(&mut self) {
        let sda = self.master & SDA != 0;
        match &mut self.phase {
            Phase::Receive { bits, byte, .. } if *bits < 8 => {
                *byte = *byte << 1 | u8::from(sda);
                *bits += 1;
            }
            Phase::MasterAcknowledge { answered } => *answered = !sda,
            Phase::Send { bits, .. } => *bits += 1,
            _ => {}
        }
    }

    fn clock_falls(&mut self, cx: &mut Cx<'_>) {
        self.phase = match self.phase {
            Phase::Receive { address, bits: 8, byte } => {
                let sends = address && byte & 1 != 0;
                let answered = if address {
                    self.addressed = true;
                    cx.i2c_start(byte >> 1, sends)
                } else {
                    cx.i2c_write(byte)
                };
                self.part_sda = !answered;
                Phase::Acknowledge { answered, sends }
            }
            Phase::Acknowledge { answered: true, sends: true } => self.next_byte(cx),
            Phase::Acknowledge { answered: true, sends: false } => {
                self.part_sda = true;
                Phase::Receive { address: false, bits: 0, byte: 0 }
            }
            Phase::Send { bits: 8.., .. } => {
                self.part_sda = true;
                Phase::MasterAcknowledge { answered: false }
            }
            Phase::Send { bits, byte } => {
                self.part_sda = byte << bits & 0x80 != 0;
                self.phase
            }
            Phase::MasterAcknowledge { answered: true } => self.next_byte(cx),
            Phase::MasterAcknowledge { answered: false } | Phase::Acknowledge { answered: false, .. } => {
                self.part_sda = true;
                Phase::Idle
            }
            phase @ (Phase::Idle | Phase::Receive { .. }) => phase,
        };
    }

    fn next_byte(&mut self, cx: &mut Cx<'_>) -> Phase {
        let byte = cx.i2c_read(false);
        self.part_sda = byte & 0x80 != 0;
        Phase::Send { bits: 0, byte }
    }
}

impl Words for VersatileI2c {
    fn look(&self, offset: u32, _: Time) -> u32 {
        if offset == CONTROL { self.wires() } else { 0 }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let bits = value & (SCL | SDA);
        let wanted = if offset == CONTROL { self.master | bits } else { self.master & !bits };
        self.drive(wanted, cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(VersatileI2c, REGISTERS);

impl Component for VersatileI2c {
    fn reset(&mut self, _: &mut Cx<'_>) {
        *self = Self::new(NoConfig {});
    }
}

impl Model for VersatileI2c {
    const KIND: &'static str = "arm-versatile-i2c";
    const DOC: &'static str = "Two-wire serial bus block of Arm's boards: bit-banged I2C.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {
            master: SCL | SDA,
            part_sda: true,
            phase: Phase::Idle,
            addressed: false,
            told: Told::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::state::State as _;
    use consort_core::testing::Rig;

    fn rig() -> Rig<VersatileI2c> {
        let mut rig = Rig::new(VersatileI2c::new(NoConfig {}));
        rig.host.i2c_address = Some(0x1D);
        rig
    }

    fn set(rig: &mut Rig<VersatileI2c>, wire: u32, high: bool) {
        rig.write(if high { CONTROL } else { CONTROLC }, wire);
    }

    fn start(rig: &mut Rig<VersatileI2c>) {
        set(rig, SDA, true);
        set(rig, SCL, true);
        set(rig, SDA, false);
        set(rig, SCL, false);
    }

    fn stop(rig: &mut Rig<VersatileI2c>) {
        set(rig, SDA, false);
        set(rig, SCL, true);
        set(rig, SDA, true);
    }

    fn bit(rig: &mut Rig<VersatileI2c>, high: bool) -> bool {
        set(rig, SDA, high);
        set(rig, SCL, true);
        let seen = rig.read(CONTROL) & SDA != 0;
        set(rig, SCL, false);
        seen
    }

    fn write(rig: &mut Rig<VersatileI2c>, byte: u8) -> bool {
        for n in (0..8).rev() {
            bit(rig, byte >> n & 1 != 0);
        }
        !bit(rig, true)
    }

    fn read(rig: &mut Rig<VersatileI2c>, acknowledge: bool) -> u8 {
        let byte = (0..8).fold(0, |byte, _| byte << 1 | u8::from(bit(rig, true)));
        bit(rig, !acknowledge);
        byte
    }

    #[test]
    fn a_register_read_with_repeated_start() {
        let mut rig = rig();
        rig.host.bus_data = [0xA5, 0x3C].into();
        start(&mut rig);
        assert!(write(&mut rig, 0x3A));
        assert!(write(&mut rig, 0x0D));
        start(&mut rig);
        assert!(write(&mut rig, 0x3B));
        assert_eq!((read(&mut rig, true), read(&mut rig, false)), (0xA5, 0x3C));
        stop(&mut rig);
        assert_eq!(rig.host.bus_log, ["start 1d w", "w 0d", "start 1d r", "r", "r", "stop"]);
        assert_eq!(rig.read(CONTROL), SCL | SDA);
    }

    #[test]
    fn nobody_answers_a_wrong_address() {
        let mut rig = rig();
        start(&mut rig);
        assert!(!write(&mut rig, 0x42));
        assert!(!write(&mut rig, 0x00), "what follows reaches nobody");
        stop(&mut rig);
        assert_eq!(rig.host.bus_log, ["start 21 w", "stop"]);
    }

    #[test]
    fn start_then_stop_is_silent() {
        let mut rig = rig();
        start(&mut rig);
        stop(&mut rig);
        assert!(rig.host.bus_log.is_empty());
    }

    #[test]
    fn a_saved_block_goes_on_within_a_byte() {
        let mut rig = rig();
        start(&mut rig);
        for n in 0..5 {
            bit(&mut rig, 0x3A >> (7 - n) & 1 != 0);
        }
        let mut other = self::rig();
        other.component.restore(&rig.component.save().unwrap()).unwrap();
        for n in 5..8 {
            bit(&mut other, 0x3A >> (7 - n) & 1 != 0);
        }
        assert!(!bit(&mut other, true), "acknowledged");
        assert_eq!(other.host.bus_log, ["start 1d w"]);
    }
}
