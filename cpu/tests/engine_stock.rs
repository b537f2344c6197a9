//! The registry's safe `unicorn-engine` crate on the patched source: an engine that it opens behaves as upstream's.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use unicorn_engine::unicorn_const::{Arch, Mode, Prot, uc_error};
use unicorn_engine::{
    ArmCpuModel, Context, RegisterARM, RegisterARM64, RegisterRISCV, Riscv32CpuModel, Unicorn,
};

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

/// Opens two engines, saves a register of the first and restores it into the second; both close afterwards.
fn move_context(
    arch: Arch,
    mode: Mode,
    model: Option<i32>,
    register: impl Into<i32> + Copy,
    prepare: impl Fn(&mut Unicorn<'_, ()>),
) {
    let open = || {
        let mut uc = Unicorn::new(arch, mode).unwrap();
        if let Some(model) = model {
            uc.ctl_set_cpu_model(model).unwrap();
        }
        uc.mem_map(0x1000, 0x1000, Prot::ALL).unwrap();
        prepare(&mut uc);
        uc
    };
    // Several rounds, so that memory freed twice is met again.
    for round in 0..4 {
        let (first, mut second) = (open(), open());
        let mut first = first;
        first.reg_write(register, 0x1234 + round).unwrap();
        let context: Context = first.context_init().unwrap();
        if round % 2 == 0 {
            drop(first);
        }
        second.context_restore(&context).unwrap();
        assert_eq!(second.reg_read(register), Ok(0x1234 + round));
        second.context_restore(&context).unwrap();
        second.reg_write(register, 7).unwrap();
    }
}

#[test]
fn a_context_can_be_restored_into_another_engine() {
    for model in [ArmCpuModel::CORTEX_M3, ArmCpuModel::CORTEX_M33] {
        move_context(Arch::ARM, Mode::THUMB, Some(model as i32), RegisterARM::R4, |_| {});
    }
    let model = ArmCpuModel::CORTEX_R5 as i32;
    move_context(Arch::ARM, Mode::ARM, Some(model), RegisterARM::R4, |_| {});
    move_context(Arch::ARM, Mode::ARM, None, RegisterARM::SP, |_| {});
    move_context(Arch::ARM64, Mode::ARM, None, RegisterARM64::X7, |_| {});
    let model = Riscv32CpuModel::SIFIVE_U34 as i32;
    move_context(Arch::RISCV, Mode::RISCV32, Some(model), RegisterRISCV::X9, |_| {});
    move_context(Arch::RISCV, Mode::RISCV64, None, RegisterRISCV::X9, |_| {});
}

#[test]
fn a_moved_context_runs_on_by_the_new_engines_memory() {
    let open = |value: u32| {
        let mut uc = Unicorn::new(Arch::ARM, Mode::THUMB).unwrap();
        uc.ctl_set_cpu_model(ArmCpuModel::CORTEX_M4 as i32).unwrap();
        uc.mem_map(0x1000, 0x1000, Prot::ALL).unwrap();
        uc.mem_map(0x2000_0000, 0x1000, Prot::ALL).unwrap();
        // ldr r1, [r4]; adds r0, r0, r1; b to the start
        uc.mem_write(0x1000, &[0x21, 0x68, 0x40, 0x18, 0xfc, 0xe7]).unwrap();
        uc.mem_write(0x2000_0010, &value.to_le_bytes()).unwrap();
        uc.reg_write(RegisterARM::R4, 0x2000_0010).unwrap();
        uc
    };
    let (mut first, mut second) = (open(3), open(50));
    first.emu_start(0x1001, 0, 0, 30).unwrap();
    second.emu_start(0x1001, 0, 0, 3).unwrap();
    second.context_restore(&first.context_init().unwrap()).unwrap();
    drop(first);
    assert_eq!(second.reg_read(RegisterARM::R0), Ok(30));
    second.emu_start(0x1001, 0, 0, 3).unwrap();
    assert_eq!(second.reg_read(RegisterARM::R0), Ok(80));
}
