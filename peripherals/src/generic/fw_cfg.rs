//! QEMU's firmware configuration device, as far as firmware looks for it: signature, features, an empty directory.

use consort_core::component::{Access, Component, Coverage, Cx, Model, NoConfig, Peripheral, Register};
use consort_core::{Addr, BusError, Time, Width};
use serde::{Deserialize, Serialize};

const DATA: u32 = 0x00;
const SELECTOR: u32 = 0x08;
const DMA: u32 = 0x10;
const END: u32 = 0x18;

const SIGNATURE: u16 = 0x00;
const ID: u16 = 0x01;

/// Bits of a DMA request's control word.
const DMA_ERROR: u32 = 1 << 0;
const DMA_READ: u32 = 1 << 1;
const DMA_SKIP: u32 = 1 << 2;
const DMA_SELECT: u32 = 1 << 3;
const DMA_WRITE: u32 = 1 << 4;
/// More than this in one request is an error: no item is longer.
const DMA_LIMIT: u32 = 1 << 20;

static REGISTERS: &[Register] = &[
    Register::new(DATA, "DATA", Access::ReadOnly, 0x554D_4551),
    Register::wo(SELECTOR, "SELECTOR"),
    Register::rw(DMA, "DMA_HIGH", 0x554D_4551).coverage(Coverage::Partial),
    Register::rw(DMA + 4, "DMA_LOW", 0x4746_4320).coverage(Coverage::Partial),
];

/// The device: all its numbers are big-endian.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FwCfg {
    item: u16,
    at: u32,
    dma_high: u32,
}

impl FwCfg {
    /// The next byte of the selected item; items that are not there, and what is behind an item's end, read 0.
    fn next(&mut self) -> u8 {
        let byte = self.byte(self.at);
        self.at = self.at.saturating_add(1);
        byte
    }

    fn byte(&self, at: u32) -> u8 {
        let bytes: &[u8] = match self.item {
            SIGNATURE => b"QEMU",
            ID => &[3, 0, 0, 0], // the plain interface and DMA
            _ => &[],
        };
        bytes.get(at as usize).copied().unwrap_or(0)
    }

    fn select(&mut self, item: u16) {
        (self.item, self.at) = (item, 0);
    }

    /// Carries out the request that lies at `at` in guest memory: control, length, address.
    fn request(&mut self, at: Addr, cx: &mut Cx<'_>) -> Result<(), BusError> {
        let mut request = [0; 16];
        cx.dma_read(at, &mut request)?;
        let [control, length, high, low] = [0, 4, 8, 12]
            .map(|i| u32::from_be_bytes([request[i], request[i + 1], request[i + 2], request[i + 3]]));
        if control & DMA_SELECT != 0 {
            self.select((control >> 16) as u16);
        }
        let target = u64::from(high) << 32 | u64::from(low);
        let fine = if length > DMA_LIMIT || control & DMA_WRITE != 0 {
            false
        } else if control & DMA_READ != 0 {
            let bytes: Vec<u8> = (0..length).map(|_| self.next()).collect();
            cx.dma_write(target, &bytes).is_ok()
        } else {
            if control & DMA_SKIP != 0 {
                self.at = self.at.saturating_add(length);
            }
            true
        };
        let result = if fine { 0 } else { DMA_ERROR };
        cx.dma_write(at, &result.to_be_bytes())
    }
}

impl Component for FwCfg {
    fn reset(&mut self, _: &mut Cx<'_>) {
        *self = Self::default();
    }
}

impl Peripheral for FwCfg {
    fn registers(&self) -> &'static [Register] {
        REGISTERS
    }
    fn read(&mut self, offset: u32, width: Width, _: &mut Cx<'_>) -> Result<u32, BusError> {
        Ok(match offset {
            // Memory keeps the bytes' order, whatever the width.
            DATA..SELECTOR => (0..width.bytes()).fold(0, |word, n| word | u32::from(self.next()) << (8 * n)),
            // "QEMU CFG", big-endian.
            DMA => u32::from_le_bytes(*b"QEMU"),
            0x14 => u32::from_le_bytes(*b" CFG"),
            _ => 0,
        })
    }
    fn write(&mut self, offset: u32, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        match offset {
            SELECTOR if width == Width::Half => self.select((value as u16).swap_bytes()),
            DMA if width == Width::Word => self.dma_high = value.swap_bytes(),
            0x14 if width == Width::Word => {
                let at = u64::from(self.dma_high) << 32 | u64::from(value.swap_bytes());
                self.dma_high = 0;
                if self.request(at, cx).is_err() {
                    cx.guest_error(format!("DMA request at {at:#x}, which is no memory"));
                }
            }
            DATA..END => cx.guest_error(format!("write of {value:#x} to offset {offset:#x} has no meaning")),
            _ => {}
        }
        Ok(())
    }
    fn peek(&self, offset: u32, _: Time) -> Option<u32> {
        match offset & !3 {
            DATA | 0x04 => {
                let bytes = (0..4).map(|n| self.byte(self.at.saturating_add(n)));
                Some(bytes.rev().fold(0, |word, byte| word << 8 | u32::from(byte)))
            }
            SELECTOR => Some(0),
            DMA => Some(u32::from_le_bytes(*b"QEMU")),
            0x14 => Some(u32::from_le_bytes(*b" CFG")),
            _ => None,
        }
    }
}

impl Model for FwCfg {
    const KIND: &'static str = "qemu-fw-cfg";
    const DOC: &'static str = "QEMU's firmware configuration device with nothing in it but its signature.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn firmware_finds_the_signature_both_ways() {
        let mut rig = Rig::new(FwCfg::new(NoConfig {}));
        rig.try_write(SELECTOR, Width::Half, 0).unwrap();
        assert_eq!(rig.try_read(DATA, Width::Byte), Ok(u32::from(b'Q')));
        assert_eq!(rig.try_read(DATA, Width::Byte), Ok(u32::from(b'E')));
        rig.host.memory = vec![0xEE; 64];
        let mut request = Vec::new();
        for word in [DMA_SELECT | DMA_READ, 4, 0, 32] {
            request.extend_from_slice(&u32::to_be_bytes(word));
        }
        rig.host.memory[..16].copy_from_slice(&request);
        rig.write(DMA, 0);
        rig.write(DMA + 4, 0);
        assert_eq!(&rig.host.memory[32..36], b"QEMU");
        assert_eq!(rig.host.memory[..4], [0; 4]);
        rig.write(DMA + 4, 0x1000_u32.swap_bytes());
        assert_eq!(rig.log.len(), 1);
    }
}
