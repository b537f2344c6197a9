//! The LAN9118's MAC (data sheet, "MAC control and status registers"): address filter, frame check sequence
//! and the registers behind MAC_CSR_CMD.

use serde::{Deserialize, Serialize};

use super::phy::Phy;

pub const MAC_CR: u32 = 1;
const ADDRH: u32 = 2;
const ADDRL: u32 = 3;
const HASHH: u32 = 4;
const HASHL: u32 = 5;
const MII_ACC: u32 = 6;
const MII_DATA: u32 = 7;
pub const FLOW: u32 = 8;
const VLAN1: u32 = 9;
const VLAN2: u32 = 10;
const WUFF: u32 = 11;
const WUCSR: u32 = 12;

const CR_RXALL: u32 = 1 << 31;
const CR_LOOPBK: u32 = 1 << 21;
const CR_FDPX: u32 = 1 << 20;
const CR_MCPAS: u32 = 1 << 19;
const CR_PRMS: u32 = 1 << 18;
const CR_INVFILT: u32 = 1 << 17;
const CR_PASSBAD: u32 = 1 << 16;
const CR_HO: u32 = 1 << 15;
const CR_HPFILT: u32 = 1 << 13;
const CR_BCAST: u32 = 1 << 11;
const CR_PADSTR: u32 = 1 << 8;
const CR_TXEN: u32 = 1 << 3;
const CR_RXEN: u32 = 1 << 2;
const CR_RESERVED: u32 = 0x7F40_4213;

const MII_WRITE: u32 = 1 << 1;
const MII_BUSY: u32 = 1 << 0;
/// The internal PHY's address on MII.
const PHY_ADDRESS: u32 = 1;

const FLOW_FCPASS: u32 = 1 << 2;
const FLOW_FCEN: u32 = 1 << 1;
const FLOW_BUSY: u32 = 1 << 0;

const STATUS_FILTER_FAIL: u32 = 1 << 30;
const STATUS_ERROR: u32 = 1 << 15;
const STATUS_BROADCAST: u32 = 1 << 13;
const STATUS_LENGTH_ERROR: u32 = 1 << 12;
const STATUS_RUNT: u32 = 1 << 11;
const STATUS_MULTICAST: u32 = 1 << 10;
const STATUS_TOO_LONG: u32 = 1 << 7;
const STATUS_TYPE: u32 = 1 << 5;

const HEADER: usize = 14;
/// Shorter frames, FCS excluded, are runts.
const SHORTEST: usize = 60;
const FCS: usize = 4;
const BROADCAST: [u8; 6] = [0xFF; 6];
const PAUSE_ADDRESS: [u8; 6] = [0x01, 0x80, 0xC2, 0x00, 0x00, 0x01];
const TYPE_MAC_CONTROL: u16 = 0x8808;

/// What the MAC makes of a frame from the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not for the host.
    Ignore,
    /// The partner wants silence for so many quanta of 512 bit times.
    Pause(u16),
    /// For the host: the RX status word without its length, and the frame with its FCS (or stripped).
    Accept(u32, Vec<u8>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mac {
    control: u32,
    address: [u8; 6],
    hash: u64,
    mii_access: u32,
    mii_data: u16,
    flow: u32,
    vlan: [u32; 2],
    wake_up_filter: u32,
    wake_up_control: u32,
}

impl Mac {
    pub fn new(address: Option<[u8; 6]>) -> Self {
        Self {
            control: CR_PRMS,
            address: address.unwrap_or([0xFF; 6]),
            hash: 0,
            mii_access: 0,
            mii_data: 0,
            flow: 0,
            vlan: [0xFFFF; 2],
            wake_up_filter: 0,
            wake_up_control: 0,
        }
    }

    pub fn set_address(&mut self, address: [u8; 6]) {
        self.address = address;
    }

    pub fn transmits(&self) -> bool {
        self.control & CR_TXEN != 0
    }

    pub fn receives(&self) -> bool {
        self.control & CR_RXEN != 0
    }

    pub fn loops_back(&self) -> bool {
        self.control & CR_LOOPBK != 0
    }

    pub fn is_full_duplex(&self) -> bool {
        self.control & CR_FDPX != 0
    }

    pub fn read(&self, register: u32) -> u32 {
        let [a, b, c, d, e, f] = self.address;
        match register {
            MAC_CR => self.control,
            ADDRH => u32::from_le_bytes([e, f, 0, 0]),
            ADDRL => u32::from_le_bytes([a, b, c, d]),
            HASHH => (self.hash >> 32) as u32,
            HASHL => self.hash as u32,
            MII_ACC => self.mii_access,
            MII_DATA => self.mii_data.into(),
            FLOW => self.flow,
            VLAN1 => self.vlan[0],
            VLAN2 => self.vlan[1],
            WUFF => self.wake_up_filter,
            WUCSR => self.wake_up_control,
            _ => 0,
        }
    }

    /// A write; the pause frame to send when FLOW.FCBSY asked for one.
    pub fn write(&mut self, register: u32, value: u32, phy: &mut Phy) -> Option<Vec<u8>> {
        match register {
            MAC_CR => self.control = value & !CR_RESERVED,
            ADDRH => self.address[4..].copy_from_slice(&value.to_le_bytes()[..2]),
            ADDRL => self.address[..4].copy_from_slice(&value.to_le_bytes()),
            HASHH => self.hash = (self.hash & 0xFFFF_FFFF) | u64::from(value) << 32,
            HASHL => self.hash = (self.hash >> 32 << 32) | u64::from(value),
            MII_ACC => {
                self.mii_access = value & 0xFFC2 & !MII_BUSY;
                self.mii_transfer(phy);
            }
            MII_DATA => self.mii_data = value as u16,
            FLOW => {
                self.flow = value & (0xFFFF_0000 | FLOW_FCPASS | FLOW_FCEN);
                if value & FLOW_BUSY != 0 && self.is_full_duplex() {
                    return Some(self.pause_frame());
                }
            }
            VLAN1 => self.vlan[0] = value & 0xFFFF,
            VLAN2 => self.vlan[1] = value & 0xFFFF,
            WUFF => self.wake_up_filter = value,
            WUCSR => self.wake_up_control = value & 0x0206,
            _ => {}
        }
        None
    }

    /// Transfers on MII end at once; nobody answers at another address than the PHY's.
    fn mii_transfer(&mut self, phy: &mut Phy) {
        let register = self.mii_access >> 6 & 0x1F;
        let here = self.mii_access >> 11 & 0x1F == PHY_ADDRESS;
        if self.mii_access & MII_WRITE == 0 {
            self.mii_data = if here { phy.read(register) } else { 0xFFFF };
        } else if here {
            phy.write(register, self.mii_data);
        }
    }

    fn pause_frame(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(SHORTEST);
        frame.extend_from_slice(&PAUSE_ADDRESS);
        frame.extend_from_slice(&self.address);
        frame.extend_from_slice(&TYPE_MAC_CONTROL.to_be_bytes());
        frame.extend_from_slice(&1_u16.to_be_bytes());
        frame.extend_from_slice(&((self.flow >> 16) as u16).to_be_bytes());
        frame.resize(SHORTEST, 0);
        frame
    }

    /// "Address filtering": the combinations of MCPAS, PRMS, INVFILT, HO and HPFILT.
    fn admits(&self, destination: [u8; 6]) -> bool {
        let is = |bit| self.control & bit != 0;
        if is(CR_PRMS) {
            return true;
        }
        if destination == BROADCAST {
            return !is(CR_BCAST);
        }
        let multicast = destination[0] & 1 != 0;
        if multicast && is(CR_MCPAS) {
            return true;
        }
        if is(CR_HPFILT) && (multicast || is(CR_HO)) {
            return self.hash >> hash_of(destination) & 1 != 0;
        }
        (destination == self.address) != is(CR_INVFILT)
    }

    /// Judges a frame from the wire, given without its FCS.
    pub fn judge(&self, frame: &[u8]) -> Verdict {
        let Some((destination, rest)) = frame.split_first_chunk::<6>() else { return Verdict::Ignore };
        let Some(kind) = rest.get(6..8).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]])) else {
            return Verdict::Ignore;
        };
        if kind == TYPE_MAC_CONTROL
            && *destination == PAUSE_ADDRESS
            && self.flow & FLOW_FCEN != 0
            && self.is_full_duplex()
            && self.flow & FLOW_FCPASS == 0
        {
            let quanta = match rest.get(8..12) {
                Some([0, 1, high, low]) => u16::from_be_bytes([*high, *low]),
                _ => return Verdict::Ignore,
            };
            return Verdict::Pause(quanta);
        }
        let admitted = self.admits(*destination);
        if !admitted && self.control & CR_RXALL == 0 {
            return Verdict::Ignore;
        }
        let mut status = if admitted { 0 } else { STATUS_FILTER_FAIL };
        if *destination == BROADCAST {
            status |= STATUS_BROADCAST;
        } else if destination[0] & 1 != 0 {
            status |= STATUS_MULTICAST;
        }
        if frame.len() < SHORTEST {
            status |= STATUS_RUNT | STATUS_ERROR;
            if self.control & CR_PASSBAD == 0 {
                return Verdict::Ignore;
            }
        }
        if frame.len() + FCS > self.longest(kind) {
            status |= STATUS_TOO_LONG | STATUS_ERROR;
        }
        let is_type = kind >= 0x600;
        let payload = frame.len() - HEADER;
        let padded = payload == SHORTEST - HEADER && usize::from(kind) < payload;
        if is_type {
            status |= STATUS_TYPE;
        } else if usize::from(kind) != payload && !padded {
            status |= STATUS_LENGTH_ERROR;
        }
        let mut bytes = frame.to_vec();
        if self.control & CR_PADSTR != 0 && !is_type && padded {
            bytes.truncate(HEADER + usize::from(kind));
        } else {
            bytes.extend_from_slice(&fcs(frame).to_le_bytes());
        }
        Verdict::Accept(status, bytes)
    }

    /// The longest legal frame with FCS: the tags that VLAN1 and VLAN2 name make it longer.
    fn longest(&self, kind: u16) -> usize {
        let kind = u32::from(kind);
        if kind == self.vlan[1] {
            1538
        } else if kind == self.vlan[0] {
            1522
        } else {
            1518
        }
    }
}

/// The frame check sequence, IEEE 802.3 clause 3.2.9; it goes out least significant byte first.
pub fn fcs(frame: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in frame {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0xEDB8_8320 };
        }
    }
    !crc
}

/// The upper six bits of the destination's CRC, as the hash filter takes them: bit 5 selects HASHH.
fn hash_of(destination: [u8; 6]) -> u32 {
    (!fcs(&destination)).reverse_bits() >> 26
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

    fn mac(control: u32) -> Mac {
        let mut mac = Mac::new(Some(OURS));
        mac.write(MAC_CR, control, &mut Phy::new());
        mac
    }

    fn frame(destination: [u8; 6], payload: usize, kind: u16) -> Vec<u8> {
        let mut frame = destination.to_vec();
        frame.extend_from_slice(&[2, 0, 0, 0, 0, 2]);
        frame.extend_from_slice(&kind.to_be_bytes());
        frame.resize(14 + payload, 0x55);
        frame
    }

    fn accepts(mac: &Mac, destination: [u8; 6]) -> bool {
        matches!(mac.judge(&frame(destination, 46, 0x800)), Verdict::Accept(..))
    }

    #[test]
    fn the_fcs_is_that_of_the_standard() {
        assert_eq!(fcs(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn filters_follow_the_control_bits() {
        let other = [2, 0, 0, 0, 0, 9];
        let group = [1, 0, 0x5E, 0, 0, 1];
        let perfect = mac(0);
        assert!(accepts(&perfect, OURS) && accepts(&perfect, BROADCAST));
        assert!(!accepts(&perfect, other) && !accepts(&perfect, group));
        assert!(!accepts(&mac(CR_BCAST), BROADCAST));
        assert!(accepts(&mac(CR_PRMS), other));
        assert!(accepts(&mac(CR_MCPAS), group) && !accepts(&mac(CR_MCPAS), other));
        assert!(!accepts(&mac(CR_INVFILT), OURS) && accepts(&mac(CR_INVFILT), other));
        let mut hashed = mac(CR_HPFILT);
        assert!(!accepts(&hashed, group) && accepts(&hashed, OURS));
        // All-hosts 01:00:5e:00:00:01 has the well-known hash index 31 in HASHL.
        hashed.write(HASHL, 1 << hash_of(group), &mut Phy::new());
        assert_eq!(hash_of(group), 31);
        assert!(accepts(&hashed, group));
    }

    #[test]
    fn rxall_marks_what_the_filter_refused() {
        let Verdict::Accept(status, _) = mac(CR_RXALL).judge(&frame([2, 9, 9, 9, 9, 9], 46, 0x800)) else {
            panic!("refused")
        };
        assert_eq!(status, STATUS_FILTER_FAIL | STATUS_TYPE);
    }

    #[test]
    fn runts_need_passbad_and_long_frames_are_marked() {
        assert_eq!(mac(0).judge(&frame(OURS, 10, 0x800)), Verdict::Ignore);
        let Verdict::Accept(status, _) = mac(CR_PASSBAD).judge(&frame(OURS, 10, 0x800)) else {
            panic!("refused")
        };
        assert_ne!(status & STATUS_RUNT & !STATUS_ERROR, 0);
        let Verdict::Accept(status, _) = mac(0).judge(&frame(OURS, 1501, 0x800)) else { panic!("refused") };
        assert_ne!(status & STATUS_TOO_LONG, 0);
        let mut vlan = mac(0);
        vlan.write(VLAN1, 0x8100, &mut Phy::new());
        let Verdict::Accept(status, _) = vlan.judge(&frame(OURS, 1504, 0x8100)) else { panic!("refused") };
        assert_eq!(status & STATUS_TOO_LONG, 0);
    }

    #[test]
    fn padding_is_stripped_on_request() {
        let Verdict::Accept(_, bytes) = mac(CR_PADSTR).judge(&frame(OURS, 46, 5)) else { panic!("refused") };
        assert_eq!(bytes.len(), 19);
        let Verdict::Accept(status, bytes) = mac(0).judge(&frame(OURS, 100, 99)) else { panic!("refused") };
        assert_eq!((status, bytes.len()), (STATUS_LENGTH_ERROR, 118));
    }

    #[test]
    fn a_pause_frame_is_understood_by_another_mac() {
        let mut sender = mac(CR_FDPX);
        let sent = sender.write(FLOW, 0x1234_0001, &mut Phy::new()).unwrap();
        let mut receiver = mac(CR_FDPX);
        assert_eq!(receiver.judge(&sent), Verdict::Ignore);
        receiver.write(FLOW, FLOW_FCEN, &mut Phy::new());
        assert_eq!(receiver.judge(&sent), Verdict::Pause(0x1234));
    }
}
