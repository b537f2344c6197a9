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

#[cfg(test)]
mod tests {
    use crate::nrf::block::{Block, SeriesConfig};
    use crate::nrf::ecb::Ecb;
    use consort_core::Time;
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    #[test]
    fn what_is_not_data_ram_is_neither_read_nor_written() {
        // nRF52832 PS "EasyDMA"; "Memory", Memory map: flash, UICR and the code alias of RAM are no Data RAM.
        for place in [0x0000_0000u32, 0x0080_0000, 0x1000_1000, 0x4000_0000] {
            let mut rig = Rig::new(Block::<Ecb>::new(SeriesConfig::default()));
            rig.host.base = u64::from(place);
            rig.host.memory = vec![7; 64];
            rig.write(0x504, place);
            rig.write(0x000, 1);
            rig.run_for(Time::from_us(8));
            assert_eq!(rig.host.memory, [7; 64], "{place:#x}");
            assert_eq!(rig.log.len(), 2, "told for the read and the write");
        }
    }
}
