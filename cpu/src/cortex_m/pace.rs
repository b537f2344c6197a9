//! The core's own events in cycles: exception entry, return and tail-chaining, accesses outside memory.

use super::model::Model;
use crate::engine::Timing;
use crate::timing::{self, SlowBus, Table, Waits, tables};

use super::config::CycleTiming;

/// Words of a frame without floating-point registers, whose stacking an entry's cycles include.
pub(super) const FRAME: u32 = 8;

/// What passes between instructions. Without a model nothing does, and each instruction takes one cycle.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    model: Option<(Table, Waits, Vec<SlowBus>)>,
}

impl Pace {
    pub(super) fn new(model: Model, timing: Option<&CycleTiming>) -> Self {
        let model = timing.map(|timing| {
            let mut table = match model {
                Model::M0 => tables::M0,
                Model::M0Plus => tables::M0_PLUS,
                Model::M3 => tables::M3,
                Model::M4 | Model::M4F => tables::M4,
                Model::M7 => tables::M7,
                Model::M33 => tables::M33,
            };
            if let Some(cycles) = timing.multiply {
                table.multiply = cycles;
            }
            (table, Waits::new(&timing.slow, false), timing.buses.clone())
        });
        Self { model }
    }

    /// Switches the cache of code; true when that changes what instructions cost.
    pub(super) fn set_code_cache(&mut self, timing: Option<&CycleTiming>, on: bool) -> bool {
        let (Some((_, waits, _)), Some(timing)) = (&mut self.model, timing) else { return false };
        let changes = timing.slow.iter().any(|slow| slow.cached.is_some());
        if changes {
            *waits = Waits::new(&timing.slow, on);
        }
        changes
    }

    /// The model of the instructions.
    pub(super) fn instructions(&self) -> Option<Box<dyn Timing>> {
        let (table, waits, _) = self.model.as_ref()?;
        Some(Box::new(timing::CortexM::new(*table, waits.clone())))
    }

    /// Cycles between the last instruction before an exception and its handler's first, when `words` went to the stack
    /// at `stack`.
    pub(super) fn entry(&self, words: u32, stack: u32) -> u64 {
        let Some((table, waits, _)) = &self.model else { return 0 };
        u64::from(table.entry) + self.stacking(waits, words, stack)
    }

    /// Cycles of an exception return beyond its branch, when `words` came from the stack at `stack`; 0 words are a
    /// tail-chain.
    pub(super) fn exit(&self, words: u32, stack: u32) -> u64 {
        let Some((table, waits, _)) = &self.model else { return 0 };
        let whole = if words == 0 { table.tail_chain } else { table.exit };
        u64::from(whole.saturating_sub(table.branch_register)) + self.stacking(waits, words, stack)
    }

    /// Cycles of storing the floating-point registers late.
    pub(super) fn lazy_stacking(&self, words: u32, stack: u32) -> u64 {
        self.model
            .as_ref()
            .map_or(0, |(_, waits, _)| u64::from(words) * (1 + u64::from(waits.data(u64::from(stack)))))
    }

    fn stacking(&self, waits: &Waits, words: u32, stack: u32) -> u64 {
        u64::from(words.saturating_sub(FRAME)) + u64::from(words) * u64::from(waits.data(u64::from(stack)))
    }

    /// The buses that make an access to a peripheral wait.
    pub(super) fn buses(&self) -> &[SlowBus] {
        self.model.as_ref().map_or(&[], |(_, _, buses)| buses)
    }
}
