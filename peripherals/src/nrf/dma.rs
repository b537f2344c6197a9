//! EasyDMA: reading and writing Data RAM as a bus master.
//!
//! nRF52832 PS v1.4, "EasyDMA": it reaches Data RAM only; a pointer elsewhere is the guest's error.

use super::block::Io;

/// Data RAM of all nRF51 and nRF52 chips lies in this region (PS "Memory", Memory map).
fn in_ram(ptr: u32) -> bool {
    ptr >> 28 == 2
}

/// Reads `len` bytes; zeros when the pointer is not in RAM.
pub fn read(io: &mut Io<'_, '_>, ptr: u32, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    if len != 0 && !(in_ram(ptr) && io.cx.dma_read(u64::from(ptr), &mut data).is_ok()) {
        io.cx.guest_error(format!("EasyDMA reads {len} bytes at {ptr:#010x}, which is not RAM"));
        data.fill(0);
    }
    data
}

/// Writes bytes; nothing happens when the pointer is not in RAM.
pub fn write(io: &mut Io<'_, '_>, ptr: u32, data: &[u8]) {
    let done = data.is_empty() || in_ram(ptr) && io.cx.dma_write(u64::from(ptr), data).is_ok();
    if !done {
        io.cx.guest_error(format!("EasyDMA writes {} bytes at {ptr:#010x}, which is not RAM", data.len()));
    }
}
