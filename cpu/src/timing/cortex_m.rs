//! What the instructions of the Cortex-M cores cost, as their Technical Reference Manuals give it.

use super::memory::Waits;
use super::table::Table;
use super::thumb::{self, Class, Single};
use crate::engine::{Cost, Insn, Timing};

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
    fn load(&self, insn: Insn, single: Single) -> Cost {
        let t = &self.table;
        let mut cycles = t.load;
        if single.base == 15 {
            cycles = cycles.saturating_add(t.literal + self.waits.literal(insn.pc));
        }
        if t.load > t.load_overlapped && insn.next != 0 {
            let overlaps = match thumb::decode(insn.next) {
                // The address of the next one must not come from this one.
                Class::Load(next) => next.base != single.register && next.index != Some(single.register),
                Class::Store(next) => {
                    t.store_indexed > t.store
                        && next.index.is_some_and(|index| index != single.register)
                        && next.base != single.register
                }
                _ => false,
            };
            if overlaps {
                cycles = cycles.saturating_sub(t.load - t.load_overlapped);
            }
            return Cost { looked: true, ..Cost::constant(cycles) };
        }
        Cost::constant(cycles)
    }

    /// Data processing whose result the next instruction uses as an address.
    fn data(&self, insn: Insn) -> Cost {
        let t = &self.table;
        let Some(result) = (t.address_interlock > 0).then(|| thumb::result(insn.code)).flatten() else {
            return Cost::constant(t.data);
        };
        let uses = |next: Single| next.base == result || next.index == Some(result);
        let waits = match thumb::decode(insn.next) {
            Class::Load(next) | Class::Store(next) => insn.next != 0 && uses(next),
            _ => false,
        };
        Cost { looked: true, ..Cost::constant(t.data + if waits { t.address_interlock } else { 0 }) }
    }

    fn of_class(&self, insn: Insn) -> Cost {
        let t = &self.table;
        let constant = Cost::constant;
        match thumb::decode(insn.code) {
            Class::Data => self.data(insn),
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
            Class::Store(_) => constant(t.store),
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
            Class::FloatMultiplyAccumulate => constant(t.float_multiply_accumulate),
            Class::FloatDivide(false) => constant(t.float_divide),
            Class::FloatDivide(true) => constant(t.float_divide_double),
            Class::FloatDouble => constant(t.float_double),
            Class::FloatMemory(words) | Class::FloatMultiple(words) => constant(1_u8.saturating_add(words)),
            Class::FloatPair => constant(2),
        }
    }
}

impl Timing for CortexM {
    fn cost(&self, insn: Insn) -> Cost {
        let mut cost = self.of_class(insn);
        let fetch = self.waits.fetch(insn.pc, thumb::is_wide(insn.code), thumb::is_wide(insn.next));
        cost.looked |= self.waits.looks(insn.pc);
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
