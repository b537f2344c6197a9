//! An engine with a little memory, and a device that notes what is asked of it.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "test code")]

use consort_cpu::engine::{Access, BusError, Engine, Io, Isa, Options, Perms, Reg};

pub const FLASH: u64 = 0;
pub const RAM: u64 = 0x2000_0000;
pub const DEVICE: u32 = 0x4000_0000;

/// Notes every access with the count and PC at it; reads answer the count.
#[derive(Default)]
pub struct Log {
    pub accesses: Vec<(u64, u64, u64, u8, Option<u64>)>,
    pub stop_at: Option<u64>,
    pub shorten_at: Option<(u64, u64)>,
    pub refuse: Option<u64>,
}

impl Log {
    fn note(
        &mut self,
        cx: &mut Access<'_>,
        address: u64,
        size: u8,
        value: Option<u64>,
    ) -> Result<(), BusError> {
        self.accesses.push((cx.executed(), cx.pc(), address, size, value));
        if self.stop_at == Some(address) {
            cx.stop_after();
        }
        if let Some((at, total)) = self.shorten_at
            && at == address
        {
            cx.shorten(total);
        }
        if self.refuse == Some(address) { Err(BusError) } else { Ok(()) }
    }
}

impl Io for Log {
    fn read(&mut self, cx: &mut Access<'_>, address: u64, size: u8) -> Result<u64, BusError> {
        let count = cx.executed();
        self.note(cx, address, size, None)?;
        Ok(count)
    }

    fn write(&mut self, cx: &mut Access<'_>, address: u64, size: u8, value: u64) -> Result<(), BusError> {
        self.note(cx, address, size, Some(value))
    }
}

pub fn engine(isa: Isa, code: &[u16]) -> Engine {
    let mut engine = Engine::new(isa, Options::default()).unwrap();
    engine.map_ram(FLASH, 0x1_0000, Perms::Rx).unwrap();
    engine.map_ram(RAM, 0x1_0000, Perms::Rwx).unwrap();
    load(&mut engine, 0x100, code);
    engine.set_reg(Reg::PC, 0x100);
    engine.set_reg(Reg::SP, RAM + 0x8000);
    engine
}

pub fn load(engine: &mut Engine, address: u64, code: &[u16]) {
    let bytes: Vec<u8> = code.iter().flat_map(|half| half.to_le_bytes()).collect();
    engine.write_memory(address, &bytes).unwrap();
}

/// adds r0, #1; adds r1, #2; adds r2, #3; b to the start
pub const LOOP: &[u16] = &[0x3001, 0x3102, 0x3203, 0xe7fb];
