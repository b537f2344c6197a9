//! The registry's safe `unicorn-engine` crate on the patched source: an engine that it opens behaves as upstream's.

use unicorn_engine::unicorn_const::{Arch, Mode, Prot, uc_error};
use unicorn_engine::{RegisterARM, Unicorn};

/// adds r0, #1; str r0, [r4]; ldr r1, [r4]; adds r1, #1; b to the start
const LOOP: &[u8] = &[0x01, 0x30, 0x20, 0x60, 0x21, 0x68, 0x01, 0x31, 0xfa, 0xe7];

#[test]
fn counts_hooks_and_errors_are_upstreams() {
    let mut uc = Unicorn::new_with_data(Arch::ARM, Mode::THUMB, 0_u64).unwrap();
    uc.mem_map(0x1000, 0x1000, Prot::ALL).unwrap();
    uc.mem_map(0x2000_0000, 0x1000, Prot::ALL).unwrap();
    uc.mem_write(0x1000, LOOP).unwrap();
    uc.reg_write(RegisterARM::R4, 0x2000_0010).unwrap();
    uc.add_code_hook(1, 0, |uc, _, _| *uc.get_data_mut() += 1).unwrap();
    uc.emu_start(0x1001, 0, 0, 25).unwrap();
    assert_eq!(*uc.get_data(), 25);
    assert_eq!(uc.reg_read(RegisterARM::R0), Ok(5));
    assert_eq!(uc.reg_read(RegisterARM::R1), Ok(6));
    uc.reg_write(RegisterARM::R4, 0x3000_0000).unwrap();
    assert_eq!(uc.emu_start(0x1001, 0, 0, 25), Err(uc_error::WRITE_UNMAPPED));
}
