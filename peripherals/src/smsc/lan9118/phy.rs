//! The LAN9118's internal PHY (data sheet, "PHY registers"), reached over MII at address 1.

use serde::{Deserialize, Serialize};

const BCR: u32 = 0;
const BSR: u32 = 1;
const ID1: u32 = 2;
const ID2: u32 = 3;
const ANAR: u32 = 4;
const ANLPAR: u32 = 5;
const ANER: u32 = 6;
const MODE_CONTROL_STATUS: u32 = 17;
const SPECIAL_MODES: u32 = 18;
const SPECIAL_CONTROL: u32 = 27;
const INTERRUPT_SOURCE: u32 = 29;
const INTERRUPT_MASK: u32 = 30;
const SPECIAL_STATUS: u32 = 31;

const BCR_RESET: u16 = 1 << 15;
const BCR_LOOPBACK: u16 = 1 << 14;
const BCR_SPEED_100: u16 = 1 << 13;
const BCR_AUTO_NEGOTIATE: u16 = 1 << 12;
const BCR_POWER_DOWN: u16 = 1 << 11;
const BCR_ISOLATE: u16 = 1 << 10;
const BCR_RESTART: u16 = 1 << 9;
const BCR_FULL_DUPLEX: u16 = 1 << 8;

/// 10 and 100 Mbit/s in both duplexes, can negotiate, has extended registers.
const BSR_ABILITIES: u16 = 0x7809;
const BSR_NEGOTIATED: u16 = 1 << 5;
const BSR_LINK: u16 = 1 << 2;
/// The partner can do everything, pause included, and has acknowledged.
const PARTNER: u16 = 0x45E1;

const INTERRUPT_ENERGY: u16 = 1 << 7;
const INTERRUPT_NEGOTIATED: u16 = 1 << 6;
const INTERRUPT_LINK_DOWN: u16 = 1 << 4;
const INTERRUPT_PARTNER_ACKNOWLEDGED: u16 = 1 << 3;
const INTERRUPTS: u16 = 0xFE;

const ENERGY_ON: u16 = 1 << 1;

/// The PHY. Auto-negotiation with the partner at the other end of the cable ends at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phy {
    control: u16,
    advertised: u16,
    mode: u16,
    special_modes: u16,
    special_control: u16,
    interrupts: u16,
    interrupt_mask: u16,
    /// Whether the cable is in.
    plugged: bool,
    /// BSR shows a link that was lost until somebody has read it.
    lost_link: bool,
}

impl Phy {
    pub fn new() -> Self {
        let mut phy = Self {
            control: 0,
            advertised: 0,
            mode: 0,
            special_modes: 0,
            special_control: 0,
            interrupts: 0,
            interrupt_mask: 0,
            plugged: true,
            lost_link: false,
        };
        phy.reset();
        phy
    }

    pub fn reset(&mut self) {
        self.control = BCR_SPEED_100 | BCR_AUTO_NEGOTIATE;
        self.advertised = 0x01E1;
        self.mode = 0;
        self.special_modes = 0x00E1;
        self.special_control = 0;
        self.interrupts = 0;
        self.interrupt_mask = 0;
        self.lost_link = false;
        self.note_link();
    }

    /// The cable is plugged in or pulled.
    pub fn plug(&mut self, plugged: bool) {
        let was = self.link();
        self.plugged = plugged;
        self.link_changed(was);
    }

    fn link_changed(&mut self, was: bool) {
        if was != self.link() {
            self.note_link();
        }
    }

    /// Latches what the present state of the link tells the interrupt source register.
    fn note_link(&mut self) {
        if self.link() {
            self.interrupts |= INTERRUPT_ENERGY;
            if self.control & BCR_AUTO_NEGOTIATE != 0 {
                self.interrupts |= INTERRUPT_NEGOTIATED | INTERRUPT_PARTNER_ACKNOWLEDGED;
            }
        } else {
            self.interrupts |= INTERRUPT_LINK_DOWN;
            self.lost_link = true;
        }
    }

    /// Whether frames pass.
    pub fn link(&self) -> bool {
        self.plugged && self.control & (BCR_POWER_DOWN | BCR_ISOLATE) == 0
    }

    /// Whether the PHY sends the MAC's own frames back to it.
    pub fn loops_back(&self) -> bool {
        self.control & BCR_LOOPBACK != 0
    }

    /// Whether the line runs at 100 Mbit/s rather than 10.
    pub fn is_fast(&self) -> bool {
        if self.control & BCR_AUTO_NEGOTIATE != 0 {
            self.advertised & PARTNER & 0x0180 != 0
        } else {
            self.control & BCR_SPEED_100 != 0
        }
    }

    fn is_full_duplex(&self) -> bool {
        if self.control & BCR_AUTO_NEGOTIATE == 0 {
            return self.control & BCR_FULL_DUPLEX != 0;
        }
        let common = self.advertised & PARTNER;
        common & 0x0100 != 0 || common & 0x01C0 == 0x0040
    }

    /// Whether INT_STS.PHY_INT is to be set.
    pub fn interrupts(&self) -> bool {
        self.interrupts & self.interrupt_mask != 0
    }

    /// A register without the effects of reading it.
    pub fn look(&self, register: u32) -> u16 {
        let if_link = |bits| if self.link() { bits } else { 0 };
        let negotiates = self.control & BCR_AUTO_NEGOTIATE != 0;
        match register {
            BCR => self.control,
            BSR => {
                let link = if self.lost_link { 0 } else { if_link(BSR_LINK) };
                BSR_ABILITIES | link | if negotiates { if_link(BSR_NEGOTIATED) } else { 0 }
            }
            ID1 => 0x0007,
            ID2 => 0xC0D1,
            ANAR => self.advertised,
            ANLPAR => if_link(PARTNER),
            ANER => if_link(0x0003),
            MODE_CONTROL_STATUS => self.mode | if self.plugged { ENERGY_ON } else { 0 },
            SPECIAL_MODES => self.special_modes,
            SPECIAL_CONTROL => self.special_control,
            INTERRUPT_SOURCE => self.interrupts,
            INTERRUPT_MASK => self.interrupt_mask,
            SPECIAL_STATUS => {
                let speed =
                    if self.is_fast() { 0b010 } else { 0b001 } | u16::from(self.is_full_duplex()) << 2;
                speed << 2 | if negotiates { if_link(1 << 12) } else { 0 }
            }
            _ => 0,
        }
    }

    pub fn read(&mut self, register: u32) -> u16 {
        let value = self.look(register);
        match register {
            BSR => self.lost_link = !self.link(),
            INTERRUPT_SOURCE => self.interrupts = 0,
            _ => {}
        }
        value
    }

    pub fn write(&mut self, register: u32, value: u16) {
        match register {
            BCR if value & BCR_RESET != 0 => self.reset(),
            BCR => {
                let was = self.link();
                self.control = value & 0x7D80;
                if value & BCR_RESTART != 0 {
                    self.note_link();
                }
                self.link_changed(was);
            }
            ANAR => self.advertised = value & 0xBDFF,
            MODE_CONTROL_STATUS => self.mode = value & 0x2CC0,
            SPECIAL_MODES => self.special_modes = value & 0x00FF,
            SPECIAL_CONTROL => self.special_control = value & 0xE010,
            INTERRUPT_MASK => self.interrupt_mask = value & INTERRUPTS,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulled_cable_is_latched_until_seen() {
        let mut phy = Phy::new();
        phy.write(INTERRUPT_MASK, INTERRUPT_LINK_DOWN);
        assert_eq!(phy.read(BSR), 0x782D);
        assert!(!phy.interrupts());
        phy.plug(false);
        assert!(phy.interrupts());
        phy.plug(true);
        assert_eq!(phy.read(BSR) & BSR_LINK, 0, "the loss is shown once");
        assert_eq!(phy.read(BSR) & BSR_LINK, BSR_LINK);
        assert_ne!(phy.read(INTERRUPT_SOURCE) & INTERRUPT_LINK_DOWN, 0);
        assert!(!phy.interrupts());
    }

    #[test]
    fn the_speed_follows_negotiation_or_control() {
        let mut phy = Phy::new();
        assert!(phy.is_fast());
        assert_eq!(phy.look(SPECIAL_STATUS) >> 2 & 7, 0b110);
        phy.write(ANAR, 0x0061);
        assert_eq!((phy.is_fast(), phy.look(SPECIAL_STATUS) >> 2 & 7), (false, 0b101));
        phy.write(BCR, BCR_SPEED_100);
        assert_eq!((phy.is_fast(), phy.look(SPECIAL_STATUS) >> 2 & 7), (true, 0b010));
        phy.write(BCR, BCR_POWER_DOWN);
        assert!(!phy.link());
        phy.write(BCR, BCR_RESET);
        assert_eq!(phy.look(BCR), 0x3000);
        assert!(phy.link());
    }
}
