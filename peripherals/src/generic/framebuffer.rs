//! A display controller that scans a framebuffer in guest memory out: what the device tree calls a simple
//! framebuffer.

use consort_core::bus::Memory;
use consort_core::component::{Component, Cx, Field, Form, Model, Picture, Register};
use consort_core::{Addr, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block::{self, Told, Words, word_registers};

const ID: u32 = 0x00;
const SIZE: u32 = 0x04;
const BASE: u32 = 0x08;
const STRIDE: u32 = 0x0C;
const BACKLIGHT: u32 = 0x10;

/// "FB01".
const ID_VALUE: u32 = 0x3130_4246;
const BYTES_PER_PIXEL: usize = 4;

static REGISTERS: &[Register] = &[
    Register::ro(ID, "ID", ID_VALUE),
    Register::ro(SIZE, "SIZE", 0).fields(&[Field::new("WIDTH", 0, 16), Field::new("HEIGHT", 16, 16)]),
    Register::ro(BASE, "BASE", 0),
    Register::ro(STRIDE, "STRIDE", 0),
    Register::rw(BACKLIGHT, "BACKLIGHT", 255).fields(&[Field::new("LEVEL", 0, 8)]),
];

/// What a board says about the display.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Pixels in a line, at most 4096.
    width: u16,
    /// Lines, at most 4096.
    height: u16,
    /// Where the pixels lie: 32 bits each, blue in the lowest byte, then green and red.
    base: u32,
}

/// The controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Framebuffer {
    config: Config,
    backlight: u8,
    told: Told,
}

impl Words for Framebuffer {
    fn look(&self, offset: u32, _: Time) -> u32 {
        match offset {
            SIZE => u32::from(self.config.height) << 16 | u32::from(self.config.width),
            BASE => self.config.base,
            STRIDE => u32::from(self.config.width) * BYTES_PER_PIXEL as u32,
            BACKLIGHT => self.backlight.into(),
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn store(&mut self, offset: u32, value: u32, _: &mut Cx<'_>) {
        if offset == BACKLIGHT {
            self.backlight = value as u8;
        }
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(Framebuffer, REGISTERS);

impl Component for Framebuffer {
    fn reset(&mut self, _: &mut Cx<'_>) {
        self.backlight = 255;
    }

    fn scan_out(&self, memory: &dyn Memory) -> Option<Picture> {
        let (width, height) = (usize::from(self.config.width), usize::from(self.config.height));
        let mut bytes = vec![0; width * height * BYTES_PER_PIXEL];
        memory.read(Addr::from(self.config.base), &mut bytes).ok()?;
        let rgb = bytes.as_chunks::<BYTES_PER_PIXEL>().0.iter().flat_map(|[b, g, r, _]| [*r, *g, *b]);
        Some(Picture {
            width: self.config.width,
            height: self.config.height,
            form: Form::Pixels,
            backlight: self.backlight,
            rgb: rgb.collect(),
        })
    }
}

impl Model for Framebuffer {
    const KIND: &'static str = "framebuffer";
    const DOC: &'static str = "A screen that shows pixels which lie in memory (a simple framebuffer).";
    type Config = Config;

    fn new(config: Config) -> Self {
        let config = Config { width: config.width.min(4096), height: config.height.min(4096), ..config };
        Self { config, backlight: 255, told: Told::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::BusError;
    use consort_core::testing::Rig;

    struct Pixels(Vec<u8>);

    impl Memory for Pixels {
        fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
            let bytes = self.0.get(addr as usize..addr as usize + out.len());
            out.copy_from_slice(bytes.ok_or(BusError::Unmapped(addr))?);
            Ok(())
        }
        fn write(&mut self, addr: Addr, _: &[u8]) -> Result<(), BusError> {
            Err(BusError::Refused(addr))
        }
    }

    #[test]
    fn pixels_in_memory_are_the_picture() {
        let mut rig = Rig::new(Framebuffer::new(Config { width: 2, height: 1, base: 4 }));
        assert_eq!(rig.read(SIZE), 0x0001_0002);
        rig.write(BACKLIGHT, 100);
        let memory = Pixels(vec![0, 0, 0, 0, 3, 2, 1, 0, 6, 5, 4, 0]);
        let picture = rig.component.scan_out(&memory).unwrap();
        assert_eq!((picture.rgb, picture.backlight), (vec![1, 2, 3, 4, 5, 6], 100));
        assert!(rig.component.scan_out(&Pixels(vec![0; 8])).is_none());
    }
}
