//! Saving and restoring a core: all but its memory, at any instruction boundary.

use serde::{Deserialize, Serialize};

use consort_core::state::{State, StateError, from_bytes, to_bytes};
use consort_core::time::Cycles;

use super::config::CycleTiming;
use super::core::CortexM;
use super::registers::Registers;
use super::system::System;
use crate::engine::Reg;

/// A core as it is written down.
#[derive(Serialize, Deserialize)]
struct Saved {
    model: String,
    timing: Option<CycleTiming>,
    now: Cycles,
    instructions: u64,
    code_cache: bool,
    unreported_reset: bool,
    registers: Vec<u32>,
    system: System,
}

/// What the engine holds, in an order in which it can be put back: the mode and CONTROL decide which stack pointer
/// is in use, and come before both.
fn engine_registers(system: &System) -> Vec<Reg> {
    let mut regs = vec![Reg::XPSR, Reg::CONTROL, Reg::MSP, Reg::PSP, Reg::LR, Reg::PC];
    regs.extend((0..13).map(Reg::r));
    regs.extend([Reg::PRIMASK, Reg::BASEPRI, Reg::FAULTMASK]);
    regs.extend([Reg::EXCLUSIVE_ADDRESS, Reg::EXCLUSIVE_VALUE]);
    if system.config.is_v8() {
        regs.extend([Reg::MSPLIM, Reg::PSPLIM]);
    }
    if system.config.has_fpu() {
        regs.extend((0..32).map(Reg::s));
        regs.extend([Reg::FPSCR, Reg::CPACR, Reg::FPCCR, Reg::FPCAR, Reg::FPDSCR]);
    }
    regs
}

impl State for CortexM {
    fn save(&self) -> Result<Vec<u8>, StateError> {
        let registers = engine_registers(&self.system).into_iter().map(|reg| self.engine.get(reg)).collect();
        to_bytes(&Saved {
            model: self.system.config.model.name().to_owned(),
            timing: self.system.config.timing.clone(),
            now: self.now,
            instructions: self.instructions,
            code_cache: self.code_cache,
            unreported_reset: self.unreported_reset,
            registers,
            system: self.system.clone(),
        })
    }

    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError> {
        let saved: Saved = from_bytes(saved)?;
        let regs = engine_registers(&self.system);
        let own = self.system.config.model.name();
        if saved.model != own || saved.registers.len() != regs.len() {
            return Err(StateError(format!("the saved core is a {}, not this {own}", saved.model)));
        }
        if saved.timing != self.system.config.timing {
            let how = |timing: &Option<_>| if timing.is_some() { "cycles" } else { "instructions" };
            let (saved, own) = (how(&saved.timing), how(&self.system.config.timing));
            return Err(StateError(format!(
                "it was saved with --timing {saved}, not {own}, or on another board"
            )));
        }
        self.system.adopt(saved.system)?;
        self.now = saved.now;
        self.instructions = saved.instructions;
        self.switch_code_cache(saved.code_cache);
        self.unreported_reset = saved.unreported_reset;
        for (reg, value) in regs.into_iter().zip(saved.registers) {
            self.engine.set(reg, value);
        }
        self.system.load_into(&mut self.engine);
        self.forget_breakpoint();
        Ok(())
    }
}
