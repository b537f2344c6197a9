//! Saving and restoring a core: all but its memory, at any instruction boundary.

use serde::{Deserialize, Serialize};

use consort_core::state::{State, StateError, from_bytes, to_bytes};
use consort_core::time::Cycles;

use super::config::Model;
use super::core::{CortexA, Rest};
use super::gic::Gic;
use super::timer::Timers;
use crate::engine::Reg;

/// A core as it is written down.
#[derive(Serialize, Deserialize)]
struct Saved {
    model: Model,
    timing: bool,
    now: Cycles,
    instructions: u64,
    unreported_reset: bool,
    rest: Option<Rest>,
    event: bool,
    gic: Gic,
    timers: Timers,
    lines: u64,
    /// How many plain words there are, and those that are not 0.
    words: u16,
    plain: Vec<(u16, u64)>,
    others: Vec<u64>,
}

/// What the engine holds besides its plain words.
fn other_registers() -> impl Iterator<Item = Reg> {
    let vectors = (0..32).flat_map(|n| [Reg::v(n, 0), Reg::v(n, 1)]);
    vectors.chain([
        Reg::FPCR,
        Reg::FPSR,
        Reg::EXCLUSIVE_ADDRESS,
        Reg::EXCLUSIVE_VALUE,
        Reg::EXCLUSIVE_HIGH,
        Reg::CYCLES,
    ])
}

impl State for CortexA {
    fn save(&self) -> Result<Vec<u8>, StateError> {
        let model = self.config.model;
        let words = self.engine.reg(Reg::PLAIN_COUNT) as u16;
        let plain = (0..words).map(|n| (n, self.engine.reg(Reg::plain(n)))).filter(|(_, word)| *word != 0);
        to_bytes(&Saved {
            model,
            timing: self.config.timing,
            now: self.now,
            instructions: self.instructions,
            unreported_reset: self.unreported_reset,
            rest: self.rest,
            event: self.event,
            gic: self.private.gic.clone(),
            timers: self.private.timers.clone(),
            lines: self.private.lines,
            words,
            plain: plain.collect(),
            others: other_registers().map(|reg| self.engine.reg(reg)).collect(),
        })
    }

    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError> {
        let saved: Saved = from_bytes(saved)?;
        let words = self.engine.reg(Reg::PLAIN_COUNT) as u16;
        if saved.model != self.config.model || saved.words != words {
            let (theirs, own) = (saved.model.name(), self.config.model.name());
            return Err(StateError(format!("the saved core is a {theirs}, not this {own}")));
        }
        if saved.timing != self.config.timing {
            let how = |timing: bool| if timing { "cycles" } else { "instructions" };
            let (saved, own) = (how(saved.timing), how(self.config.timing));
            return Err(StateError(format!("it was saved with --timing {saved}, not {own}")));
        }
        self.engine.reset();
        let mut plain = vec![0; usize::from(words)];
        for (n, word) in saved.plain {
            if let Some(place) = plain.get_mut(usize::from(n)) {
                *place = word;
            }
        }
        for (n, word) in (0..words).zip(plain) {
            self.engine.set_reg(Reg::plain(n), word);
        }
        for (reg, value) in other_registers().zip(saved.others) {
            self.engine.set_reg(reg, value);
        }
        self.now = saved.now;
        self.instructions = saved.instructions;
        self.unreported_reset = saved.unreported_reset;
        self.rest = saved.rest;
        self.event = saved.event;
        self.private.gic = saved.gic;
        self.private.timers = saved.timers;
        self.private.lines = saved.lines;
        self.engine.set_reg(Reg::INTERRUPTS, saved.lines);
        self.forget_breakpoint();
        Ok(())
    }
}
