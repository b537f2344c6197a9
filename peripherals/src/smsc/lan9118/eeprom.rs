//! The 93C46 serial EEPROM behind E2P_CMD and E2P_DATA (LAN9118 data sheet, "EEPROM interface").

use serde::{Deserialize, Serialize};

/// 128 bytes in the part's byte-wide organisation.
const SIZE: usize = 128;
/// The first byte of an EEPROM that holds a MAC address.
const MAC_PRESENT: u8 = 0xA5;

/// E2P_CMD[30:28].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Read,
    WriteDisable,
    WriteEnable,
    Write,
    WriteAll,
    Erase,
    EraseAll,
    Reload,
}

impl Command {
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 7 {
            0 => Self::Read,
            1 => Self::WriteDisable,
            2 => Self::WriteEnable,
            3 => Self::Write,
            4 => Self::WriteAll,
            5 => Self::Erase,
            6 => Self::EraseAll,
            _ => Self::Reload,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Eeprom {
    bytes: Vec<u8>,
    write_enabled: bool,
}

impl Eeprom {
    /// Erased, or holding a MAC address where the controller looks for it.
    pub fn new(mac: Option<[u8; 6]>) -> Self {
        let mut bytes = vec![0xFF; SIZE];
        if let Some(mac) = mac {
            bytes[0] = MAC_PRESENT;
            bytes[1..7].copy_from_slice(&mac);
        }
        Self { bytes, write_enabled: false }
    }

    pub fn mac(&self) -> Option<[u8; 6]> {
        let mac = self.bytes.get(1..7)?.try_into().ok()?;
        (self.bytes.first() == Some(&MAC_PRESENT)).then_some(mac)
    }

    /// Power-on: writes are disabled until EWEN.
    pub fn reset(&mut self) {
        self.write_enabled = false;
    }

    /// Carries out a command on `data` (E2P_DATA); false when the EEPROM does not answer, as it does not
    /// to writes while they are disabled.
    pub fn run(&mut self, command: Command, address: u8, data: &mut u8) -> bool {
        let address = usize::from(address) % SIZE;
        match command {
            Command::Read => *data = self.bytes.get(address).copied().unwrap_or(0xFF),
            Command::WriteDisable => self.write_enabled = false,
            Command::WriteEnable => self.write_enabled = true,
            Command::Reload => return self.mac().is_some(),
            _ if !self.write_enabled => return false,
            Command::WriteAll => self.bytes.fill(*data),
            Command::EraseAll => self.bytes.fill(0xFF),
            Command::Write | Command::Erase => {
                if let Some(byte) = self.bytes.get_mut(address) {
                    *byte = if command == Command::Write { *data } else { 0xFF };
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_need_ewen() {
        let mut eeprom = Eeprom::new(Some([2, 0, 0, 0, 0, 9]));
        let mut data = 7;
        assert!(!eeprom.run(Command::Write, 6, &mut data));
        assert_eq!(eeprom.mac(), Some([2, 0, 0, 0, 0, 9]));
        assert!(eeprom.run(Command::WriteEnable, 0, &mut data));
        assert!(eeprom.run(Command::Write, 6, &mut data));
        assert_eq!(eeprom.mac(), Some([2, 0, 0, 0, 0, 7]));
        assert!(eeprom.run(Command::EraseAll, 0, &mut data));
        assert_eq!(eeprom.mac(), None);
        assert!(!eeprom.run(Command::Reload, 0, &mut data));
        assert!(eeprom.run(Command::Read, 255, &mut data));
        assert_eq!(data, 0xFF);
    }
}
