//! Entry and return over made-up registers and memory.

use std::collections::BTreeMap;

use super::*;
use crate::cortex_m::nvic::number::{IRQ0, PENDSV, SVCALL, SYSTICK};
use crate::cortex_m::registers::testing::FakeRegisters;
use crate::cortex_m::{CortexMConfig, Model};

/// A core of nothing but numbers: memory from 0x20000000 for 4 KiB, vectors at 0.
#[derive(Default)]
struct FakeHart {
    regs: FakeRegisters,
    memory: BTreeMap<u32, u32>,
    events: Vec<CoreEvent>,
}

impl Registers for FakeHart {
    fn get(&self, reg: Reg) -> u32 {
        self.regs.get(reg)
    }
    fn set(&mut self, reg: Reg, value: u32) {
        self.regs.set(reg, value);
    }
}

const RAM: std::ops::Range<u32> = 0x2000_0000..0x2000_1000;

impl Hart for FakeHart {
    fn load(&mut self, addr: u32) -> Result<u32, BusError> {
        match self.memory.get(&addr) {
            Some(word) => Ok(*word),
            None if RAM.contains(&addr) => Ok(0),
            None => Err(BusError::Unmapped(u64::from(addr))),
        }
    }
    fn store(&mut self, addr: u32, value: u32) -> Result<(), BusError> {
        if !RAM.contains(&addr) {
            return Err(BusError::Unmapped(u64::from(addr)));
        }
        self.memory.insert(addr, value);
        Ok(())
    }
    fn peek(&self, addr: u32) -> Option<u32> {
        self.memory.get(&addr).copied()
    }
    fn note(&mut self, event: CoreEvent) {
        self.events.push(event);
    }
}

/// A thread at 0x1000 with MSP 0x20000800 and PSP 0x20000C04; handler `n` is at 0x100 * n.
fn setup(model: Model) -> (System, FakeHart) {
    let mut system = System::new(CortexMConfig::new(model, 16));
    system.nvic.write_enable(0, u32::MAX, true);
    let mut hart = FakeHart::default();
    for n in 2..32 {
        hart.memory.insert(4 * n, 0x100 * n + 1);
    }
    hart.set(Reg::MSP, RAM.start + 0x800);
    hart.set(Reg::PSP, RAM.start + 0xC04);
    hart.set(Reg::PC, 0x1000);
    hart.set(Reg::XPSR, THUMB | 0x8000_0000);
    for n in 0..13 {
        hart.set(Reg::r(n), 0x1111 * u32::from(n));
    }
    hart.set(Reg::LR, 0x0ABC);
    hart.set(Reg::FPCCR, fpccr::ASPEN | fpccr::LSPEN);
    (system, hart)
}

fn enter(system: &mut System, hart: &mut FakeHart, n: u16) {
    system.nvic.pend(n);
    assert_eq!(system.take(hart), Ok(true));
    assert_eq!(hart.ipsr(), n);
}

fn frame(hart: &FakeHart, at: u32) -> Vec<u32> {
    (0..8).map(|i| hart.memory.get(&(at + 4 * i)).copied().unwrap_or(0)).collect()
}

#[test]
fn entry_and_return_leave_everything_as_it_was() {
    for (control, sp) in [(0, Reg::MSP), (SPSEL, Reg::PSP), (SPSEL | NPRIV, Reg::PSP)] {
        let (mut system, mut hart) = setup(Model::M3);
        hart.set(Reg::CONTROL, control);
        let mut before = hart.regs.clone();
        let old_sp = hart.get(sp);
        enter(&mut system, &mut hart, IRQ0);
        assert_eq!(hart.get(Reg::PC), 0x100 * u32::from(IRQ0));
        assert_eq!(hart.get(Reg::CONTROL), control & NPRIV);
        let new_sp = hart.get(sp);
        assert_eq!(new_sp, (old_sp - 0x20) & !7);
        let realigned = if old_sp & 4 != 0 { REALIGNED } else { 0 };
        assert_eq!(
            frame(&hart, new_sp),
            [0, 0x1111, 0x2222, 0x3333, 0xCCCC, 0xABC, 0x1000, 0x8100_0000 | realigned]
        );
        let exc_return = hart.get(Reg::LR);
        assert_eq!(exc_return, if control == 0 { 0xFFFF_FFF9 } else { 0xFFFF_FFFD });
        for n in [0, 1, 2, 3, 12] {
            hart.set(Reg::r(n), 0xDEAD);
        }
        assert!(system.exception_return(&mut hart, exc_return).is_ok());
        before.set(Reg::EXCLUSIVE_ADDRESS, u32::MAX);
        before.set(Reg::FAULTMASK, 0);
        before.set(Reg::CONTROL, control);
        assert_eq!(hart.regs, before);
        let number = IRQ0;
        assert_eq!(
            hart.events,
            [CoreEvent::Entry { number, pc: 0x1000 }, CoreEvent::Return { number, pc: 0x1000 }]
        );
    }
}

#[test]
fn without_stkalign_the_stack_stays_where_it_is() {
    let (mut system, mut hart) = setup(Model::M3);
    system.scb.ccr = 0;
    hart.set(Reg::CONTROL, SPSEL);
    enter(&mut system, &mut hart, IRQ0);
    assert_eq!(hart.get(Reg::PSP), RAM.start + 0xC04 - 0x20);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFFD).is_ok());
    assert_eq!(hart.get(Reg::PSP), RAM.start + 0xC04);
}

#[test]
fn a_higher_priority_nests_and_returns_to_the_handler() {
    let (mut system, mut hart) = setup(Model::M4);
    system.nvic.set_priority(IRQ0, 0x40);
    enter(&mut system, &mut hart, IRQ0);
    enter(&mut system, &mut hart, SVCALL);
    assert_eq!(hart.get(Reg::LR), 0xFFFF_FFF1);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFF1).is_ok());
    assert_eq!((hart.ipsr(), hart.get(Reg::PC)), (IRQ0, 0x1000));
    assert!(system.exception_return(&mut hart, 0xFFFF_FFF9).is_ok());
    assert_eq!((hart.ipsr(), system.nvic.active_count()), (0, 0));
}

#[test]
fn the_next_exception_chains_on_the_same_frame() {
    let (mut system, mut hart) = setup(Model::M3);
    enter(&mut system, &mut hart, IRQ0);
    let sp = hart.get(Reg::MSP);
    system.nvic.pend(PENDSV);
    hart.set(Reg::LR, 0);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFF9).is_ok());
    assert_eq!((hart.ipsr(), hart.get(Reg::LR), hart.get(Reg::MSP)), (PENDSV, 0xFFFF_FFF9, sp));
    assert_eq!(hart.events.last(), Some(&CoreEvent::Entry { number: PENDSV, pc: 0x1000 }));
}

#[test]
fn a_stacked_pc_with_bit_0_set_is_accepted() {
    let (mut system, mut hart) = setup(Model::M3);
    enter(&mut system, &mut hart, SVCALL);
    let at = hart.get(Reg::MSP) + 0x18;
    hart.memory.insert(at, 0x2001);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFF9).is_ok());
    assert_eq!(hart.get(Reg::PC), 0x2000);
}

#[test]
fn illegal_returns_are_usage_faults() {
    // What is returned by, and what makes it illegal: the value, a nested thread, an inactive exception, the IPSR.
    for (value, case) in [
        (0xFFFF_FFF0, 0),
        (0xFFFF_FFF5, 0),
        (0xFFFF_FFE9, 0),
        (0xFFFF_FFF9, 1),
        (0xFFFF_FFF9, 2),
        (0xFFFF_FFF1, 3),
    ] {
        let (mut system, mut hart) = setup(Model::M3);
        system.nvic.enable(USAGE_FAULT, true);
        system.nvic.set_priority(IRQ0, 0x40);
        enter(&mut system, &mut hart, IRQ0);
        match case {
            1 => {
                system.nvic.set_priority(IRQ0 + 1, 0x60);
                system.nvic.set_active(IRQ0 + 1, true);
            }
            2 => system.nvic.set_active(IRQ0, false),
            _ => {}
        }
        let sp = hart.get(Reg::MSP);
        assert!(system.exception_return(&mut hart, value).is_ok());
        assert_eq!((hart.ipsr(), system.scb.cfsr), (USAGE_FAULT, cfsr::INVPC), "{value:#x} {case}");
        assert_eq!((hart.get(Reg::LR), hart.get(Reg::MSP)), (value, sp));
    }
}

#[test]
fn nonbasethrdena_allows_a_nested_thread() {
    let (mut system, mut hart) = setup(Model::M3);
    system.scb.ccr |= ccr::NONBASETHRDENA;
    enter(&mut system, &mut hart, IRQ0);
    system.nvic.set_priority(IRQ0 + 1, 0xE0);
    system.nvic.set_active(IRQ0 + 1, true);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFF9).is_ok());
    assert_eq!(hart.ipsr(), 0);
}

#[test]
fn a_bad_stack_gives_a_stacking_fault_instead() {
    let (mut system, mut hart) = setup(Model::M3);
    hart.set(Reg::MSP, 0x1000_0000);
    system.nvic.pend(IRQ0);
    assert_eq!(system.take(&mut hart), Ok(true));
    assert_eq!((hart.ipsr(), system.scb.cfsr), (HARD_FAULT, cfsr::STKERR));
    assert_eq!(system.scb.hfsr, hfsr::FORCED);
    assert!(system.nvic.is_pending(IRQ0), "it comes after the fault");
    // Returning from the fault, the frame cannot be read either.
    assert!(system.exception_return(&mut hart, 0xFFFF_FFF9).is_ok());
    assert_eq!(hart.ipsr(), IRQ0);
    system.nvic.enable(BUS_FAULT, true);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFF9).is_ok());
    assert_eq!((hart.ipsr(), system.scb.cfsr), (BUS_FAULT, cfsr::STKERR | cfsr::UNSTKERR));
}

#[test]
fn an_enabled_bus_fault_of_low_priority_waits_for_the_handler() {
    let (mut system, mut hart) = setup(Model::M3);
    system.nvic.enable(BUS_FAULT, true);
    system.nvic.set_priority(BUS_FAULT, 0x80);
    hart.set(Reg::MSP, 0x1000_0000);
    system.nvic.pend(IRQ0);
    assert_eq!(system.take(&mut hart), Ok(true));
    assert_eq!(hart.ipsr(), IRQ0);
    assert!(system.nvic.is_pending(BUS_FAULT));
}

#[test]
fn a_missing_vector_is_a_hardfault_and_a_missing_hardfault_vector_locks_up() {
    let (mut system, mut hart) = setup(Model::M3);
    hart.memory.remove(&(4 * u32::from(SYSTICK)));
    system.nvic.pend(SYSTICK);
    assert_eq!(system.take(&mut hart), Ok(true));
    assert_eq!((hart.ipsr(), system.scb.hfsr), (HARD_FAULT, hfsr::VECTTBL));
    let (mut system, mut hart) = setup(Model::M3);
    hart.memory.clear();
    system.nvic.pend(SYSTICK);
    assert_eq!(system.take(&mut hart), Err(Lockup));
}

#[test]
fn a_vector_without_bit_0_clears_the_thumb_state() {
    let (mut system, mut hart) = setup(Model::M3);
    hart.memory.insert(4 * u32::from(SYSTICK), 0x600);
    enter(&mut system, &mut hart, SYSTICK);
    assert_eq!(hart.get(Reg::XPSR) & THUMB, 0);
}

#[test]
fn the_mpu_guards_stacks() {
    let (mut system, mut hart) = setup(Model::M3);
    let mpu = crate::cortex_m::mpu::reg::CTRL;
    system.mpu.write(mpu, 5, &mut hart); // on, with the background for the privileged only
    system.nvic.enable(MEM_MANAGE, true);
    hart.set(Reg::CONTROL, SPSEL | NPRIV);
    system.nvic.pend(PENDSV);
    system.nvic.set_priority(PENDSV, 0xE0);
    assert_eq!(system.take(&mut hart), Ok(true));
    assert_eq!((hart.ipsr(), system.scb.cfsr), (MEM_MANAGE, cfsr::MSTKERR));
    assert!(system.exception_return(&mut hart, 0xFFFF_FFFD).is_ok());
    assert_eq!(hart.ipsr(), PENDSV, "chained");
    assert!(system.exception_return(&mut hart, 0xFFFF_FFFD).is_ok());
    assert_eq!((hart.ipsr(), system.scb.cfsr), (MEM_MANAGE, cfsr::MSTKERR | cfsr::MUNSTKERR));
}

#[test]
fn faultmask_ends_with_any_handler_but_nmis() {
    for (n, kept) in [(IRQ0, 0), (NMI, 1)] {
        let (mut system, mut hart) = setup(Model::M3);
        enter(&mut system, &mut hart, n);
        hart.set(Reg::FAULTMASK, 1);
        assert!(system.exception_return(&mut hart, 0xFFFF_FFF9).is_ok());
        assert_eq!(hart.get(Reg::FAULTMASK), kept);
    }
}

fn with_fp(hart: &mut FakeHart) {
    hart.set(Reg::CONTROL, FPCA);
    hart.set(Reg::CPACR, CPACR_FPU);
    for n in 0..32 {
        hart.set(Reg::s(n), 0x3F80_0000 + u32::from(n));
    }
    hart.set(Reg::FPSCR, 0x0300_0000);
}

#[test]
fn lazy_stacking_keeps_its_promise_only_when_asked() {
    let (mut system, mut hart) = setup(Model::M4F);
    with_fp(&mut hart);
    enter(&mut system, &mut hart, IRQ0);
    let sp = RAM.start + 0x800 - 0x68;
    assert_eq!((hart.get(Reg::MSP), hart.get(Reg::LR)), (sp, 0xFFFF_FFE9));
    assert_eq!((hart.get(Reg::FPCAR), hart.get(Reg::CONTROL)), (sp + 0x20, 0));
    assert_eq!(hart.get(Reg::FPCCR), 0xC000_0000 | fpccr::LSPACT | fpccr::THREAD | fpccr::HFRDY);
    assert!(!hart.memory.contains_key(&(sp + 0x20)));
    // Without an FPU instruction in the handler, nothing is stored or loaded.
    let (mut other, mut untouched) = (system.clone(), FakeHart::default());
    (untouched.regs, untouched.memory) = (hart.regs.clone(), hart.memory.clone());
    assert!(other.exception_return(&mut untouched, 0xFFFF_FFE9).is_ok());
    assert_eq!((untouched.get(Reg::CONTROL), untouched.get(Reg::FPCCR) & 1), (FPCA, 0));
    assert_eq!(untouched.get(Reg::s(3)), 0x3F80_0003);
    // With one, it comes back from the stack.
    assert_eq!(system.preserve_fp(&mut hart), Ok(()));
    assert_eq!(hart.memory.get(&(sp + 0x20 + 12)), Some(&0x3F80_0003));
    assert_eq!(hart.memory.get(&(sp + 0x60)), Some(&0x0300_0000));
    hart.set(Reg::s(3), 7);
    hart.set(Reg::CONTROL, FPCA);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFE9).is_ok());
    assert_eq!((hart.get(Reg::s(3)), hart.get(Reg::FPSCR)), (0x3F80_0003, 0x0300_0000));
    assert_eq!((hart.get(Reg::MSP), hart.get(Reg::CONTROL)), (RAM.start + 0x800, FPCA));
}

#[test]
fn without_lspen_the_fpu_is_stacked_at_once() {
    let (mut system, mut hart) = setup(Model::M4F);
    with_fp(&mut hart);
    hart.set(Reg::FPCCR, fpccr::ASPEN);
    enter(&mut system, &mut hart, IRQ0);
    assert_eq!(hart.memory.get(&(RAM.start + 0x800 - 0x48 + 60)), Some(&0x3F80_000F));
    assert_eq!(hart.get(Reg::FPCCR) & fpccr::LSPACT, 0);
}

#[test]
fn a_lazy_store_that_fails_is_a_fault_of_the_interrupted_code() {
    let (mut system, mut hart) = setup(Model::M4F);
    with_fp(&mut hart);
    system.nvic.enable(BUS_FAULT, true);
    system.nvic.set_priority(IRQ0, 0x40);
    enter(&mut system, &mut hart, IRQ0);
    hart.set(Reg::FPCAR, 0x1000_0000);
    assert_eq!(system.preserve_fp(&mut hart), Ok(()));
    assert_eq!(system.scb.cfsr, cfsr::LSPERR);
    assert_eq!(hart.get(Reg::FPCCR) & fpccr::LSPACT, fpccr::LSPACT, "the handler comes first");
    assert_eq!(system.take(&mut hart), Ok(true));
    assert_eq!(hart.ipsr(), BUS_FAULT);
}

#[test]
fn the_m33_has_its_own_return_values_and_stack_limits() {
    let (mut system, mut hart) = setup(Model::M33);
    hart.set(Reg::CONTROL, SPSEL);
    enter(&mut system, &mut hart, IRQ0);
    assert_eq!(hart.get(Reg::LR), 0xFFFF_FFBC);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFBC).is_ok());
    hart.set(Reg::PSPLIM, RAM.start + 0xC00);
    system.nvic.enable(USAGE_FAULT, true);
    system.nvic.pend(IRQ0);
    system.nvic.set_priority(IRQ0, 0x20);
    assert_eq!(system.take(&mut hart), Ok(true));
    assert_eq!((hart.ipsr(), system.scb.cfsr), (USAGE_FAULT, cfsr::STKOF));
    assert_eq!(hart.get(Reg::PSP), RAM.start + 0xC00);
}

#[test]
fn sleep_on_exit_waits_for_the_next_interrupt() {
    let (mut system, mut hart) = setup(Model::M3);
    system.scb.scr = SLEEPONEXIT;
    enter(&mut system, &mut hart, IRQ0);
    assert!(system.exception_return(&mut hart, 0xFFFF_FFF9).is_ok());
    assert_eq!(system.rest, Some(Rest::WaitForInterrupt));
    assert!(!system.would_wake(&hart));
    system.nvic.pend(IRQ0);
    assert!(system.would_wake(&hart));
}

#[test]
fn nmi_leaves_lockup_and_returns_into_it() {
    let (mut system, mut hart) = setup(Model::M3);
    enter(&mut system, &mut hart, HARD_FAULT);
    system.rest = Some(Rest::Lockup { pc: 0x300 });
    system.nvic.pend(IRQ0);
    assert!(!system.would_wake(&hart));
    system.nvic.pend(NMI);
    assert!(system.would_wake(&hart));
    assert_eq!(system.take(&mut hart), Ok(true));
    assert_eq!(frame(&hart, hart.get(Reg::MSP))[6], 0xFFFF_FFFE);
}
