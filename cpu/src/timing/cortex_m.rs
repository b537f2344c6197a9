//! What the instructions of the Cortex-M cores cost, as their Technical Reference Manuals give it.

use super::around::{self, Around};
use super::memory::Waits;
use super::table::Table;
use super::thumb::{self, Class, Single};
use crate::engine::{Cost, Insn, Timing};

/// Bytes of the instruction behind another one.
const NEXT: u8 = 4;

/// A core's table with the memory around it.
#[derive(Clone, Debug)]
pub(crate) struct CortexM {
    table: Table,
    waits: Waits,
}

impl CortexM {
    pub(crate) fn new(table: Table, waits: Waits) -> Self {
        Self { table, waits }
    }

    /// Cycles of a branch that is taken: to a known address, or to one that only the program knows.
    fn branch(&self, cycles: u8, pc: u64, offset: Option<i32>) -> u8 {
        let target = offset.map(|offset| pc.wrapping_add(4).wrapping_add_signed(offset.into()));
        let misaligned = if target.is_some_and(|t| t & 2 != 0) { self.table.wide_target } else { 0 };
        cycles.saturating_add(misaligned).saturating_add(self.waits.refill(pc, target))
    }

    /// A branch that may be taken: charged as what is likelier, backwards taken and forwards not, so that the
    /// difference needs code on the other way only.
    fn branch_if(&self, pc: u64, offset: i32) -> Cost {
        let taken = self.branch(self.table.branch_if, pc, Some(offset));
        let more = taken.saturating_sub(self.table.data);
        if offset < 0 {
            Cost { skipped: more, ..Cost::constant(taken) }
        } else {
            Cost { taken: more, ..Cost::constant(self.table.data) }
        }
    }

    /// A load, which the next one or a store may overlap.
    fn load(&self, insn: Insn<'_>, single: Single) -> Cost {
        let t = &self.table;
        let mut cycles = t.load;
        if single.base == 15 {
            cycles = cycles.saturating_add(self.waits.literal(insn.pc));
        }
        if t.load == t.load_overlapped {
            return Cost::constant(cycles);
        }
        let overlaps = next(insn).is_some_and(|next| match thumb::decode(next) {
            // The address of the next one must not come from this one.
            Class::Load(next) => next.base != single.register && next.index != Some(single.register),
            Class::Store(next) => {
                t.store_indexed > t.store
                    && next.index.is_some_and(|index| index != single.register)
                    && next.base != single.register
            }
            _ => false,
        });
        if overlaps {
            cycles = cycles.saturating_sub(t.load - t.load_overlapped);
        }
        Cost { looked_ahead: NEXT, ..Cost::constant(cycles) }
    }

    /// A store with an immediate offset, whose data is on its way while the next instruction begins.
    fn store(&self, insn: Insn<'_>) -> Cost {
        let t = &self.table;
        if t.store_then_access == 0 {
            return Cost::constant(t.store);
        }
        let waits = next(insn).is_some_and(|next| {
            !matches!(thumb::decode(next), Class::Store(_)) && thumb::decode(next).accesses_memory()
        });
        let more = if waits { t.store_then_access } else { 0 };
        Cost { looked_ahead: NEXT, ..Cost::constant(t.store + more) }
    }

    /// Data processing whose result the next instruction uses: as an address, or in the floating-point unit.
    fn data(&self, insn: Insn<'_>, cycles: u8) -> Cost {
        let t = &self.table;
        let address = if t.address_interlock > 0 { thumb::result(insn.code) } else { None };
        let float = if t.float_interlock > 0 { thumb::float_result(insn.code) } else { None };
        if address.is_none() && float.is_none() {
            return Cost::constant(cycles);
        }
        let next = next(insn).unwrap_or(0);
        let addresses = address.is_some_and(|result| match thumb::decode(next) {
            Class::Load(next) | Class::Store(next) => next.base == result || next.index == Some(result),
            class => class.accesses_memory() && thumb::base(next) == result,
        });
        let waits = if addresses { t.address_interlock } else { 0 };
        let float = float.is_some_and(|result| thumb::float_uses(next, result));
        let waits = waits + if float { t.float_interlock } else { 0 };
        Cost { looked_ahead: NEXT, ..Cost::constant(cycles.saturating_add(waits)) }
    }

    /// A floating-point division, behind which instructions that do not need that unit are executed meanwhile, up to
    /// a branch. Each of them takes a cycle at least.
    fn float_divide(&self, insn: Insn<'_>) -> Cost {
        let cost = self.data(insn, self.table.float_divide);
        let most = usize::from(self.table.float_divide.saturating_sub(1));
        let meanwhile = Around::new(insn)
            .after()
            .take(most)
            .take_while(|code| !thumb::is_float(*code) && !thumb::decode(*code).branches())
            .count();
        Cost { cycles: cost.cycles.saturating_sub(meanwhile as u8), looked_ahead: (4 * most) as u8, ..cost }
    }

    /// What the third of misaligned 32-bit instructions in a row waits for its fetch.
    fn wide_run(&self, insn: Insn<'_>) -> u8 {
        if self.table.wide_run == 0 || !thumb::is_wide(insn.code) || insn.pc & 2 == 0 {
            return 0;
        }
        let [first, second, third] = Around::new(insn).before().map(thumb::is_wide);
        if first && second && !third { self.table.wide_run } else { 0 }
    }

    fn of_class(&self, insn: Insn<'_>) -> Cost {
        let t = &self.table;
        let constant = Cost::constant;
        match thumb::decode(insn.code) {
            Class::Data => self.data(insn, t.data),
            Class::Multiply => constant(t.multiply),
            Class::MultiplyAccumulate => constant(t.multiply_accumulate),
            Class::MultiplyLong => constant(t.multiply_long),
            Class::MultiplyAccumulateLong => constant(t.multiply_accumulate_long),
            Class::Divide => {
                let (least, most) = t.divide;
                Cost { short_quotient: most.saturating_sub(least), ..constant(most) }
            }
            Class::Load(single) => self.load(insn, single),
            Class::Store(single) if single.index.is_some() => constant(t.store_indexed),
            Class::Store(_) => self.store(insn),
            Class::Dual => constant(t.multiple + 2),
            Class::Multiple(count) => constant(t.multiple + count),
            Class::MultiplePc(count) => constant(self.branch(t.multiple_pc + count, insn.pc, None)),
            Class::LoadPc => constant(self.branch(t.load_pc, insn.pc, None)),
            Class::TableBranch => constant(self.branch(t.table_branch, insn.pc, None)),
            Class::Branch(offset) => constant(self.branch(t.branch, insn.pc, Some(offset))),
            Class::BranchIf(offset) | Class::CompareBranch(offset) => self.branch_if(insn.pc, offset),
            Class::BranchLink(offset) => constant(self.branch(t.branch_link, insn.pc, Some(offset))),
            Class::BranchRegister => constant(self.branch(t.branch_register, insn.pc, None)),
            Class::Special => constant(t.special),
            Class::ChangeState => constant(t.change_state),
            Class::DataBarrier => constant(t.data_barrier),
            Class::InstructionBarrier => constant(self.branch(t.instruction_barrier, insn.pc, None)),
            Class::Wait => constant(t.wait),
            Class::IfThen => constant(t.if_then),
            Class::FloatMultiplyAccumulate => self.data(insn, t.float_multiply_accumulate),
            Class::FloatDivide(false) => self.float_divide(insn),
            Class::FloatDivide(true) => constant(t.float_divide_double),
            Class::FloatDouble => constant(t.float_double),
            Class::FloatMemory(words) | Class::FloatMultiple(words) => constant(1_u8.saturating_add(words)),
            Class::FloatPair => constant(2),
        }
    }
}

/// The instruction behind another one.
fn next(insn: Insn<'_>) -> Option<u32> {
    Around::new(insn).after().next()
}

impl Timing for CortexM {
    fn cost(&self, insn: Insn<'_>) -> Cost {
        let mut cost = self.of_class(insn);
        let mut fetch = self.wide_run(insn);
        if fetch > 0 || self.table.wide_run > 0 {
            cost.looked_back = around::BACK;
        }
        if self.waits.looks(insn.pc) {
            cost.looked_ahead = cost.looked_ahead.max(NEXT);
        }
        fetch += self.waits.fetch(insn.pc, thumb::is_wide(insn.code), next(insn).is_some_and(thumb::is_wide));
        cost.cycles = cost.cycles.saturating_add(fetch);
        if insn.conditional {
            // An instruction that is not executed takes its one cycle, and its fetch. No encoding has a condition of
            // its own here.
            let executed = cost.cycles.saturating_sub(fetch);
            cost.skipped = executed.saturating_sub(self.table.data);
        }
        cost
    }
}
