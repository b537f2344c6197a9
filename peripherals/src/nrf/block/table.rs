//! A block's registers, tasks, events and shorts as static data, and the table made of them.

use std::sync::OnceLock;

use consort_core::component::{Access, Coverage, Field, Register};

/// A task register.
pub const fn task(offset: u32, name: &'static str) -> Register {
    Register::wo(offset, name)
}

/// An event: its register and its bit in INTEN.
#[derive(Clone, Copy, Debug)]
pub struct EventInfo {
    /// Offset of the event's register.
    pub offset: u32,
    /// The manual's name.
    pub name: &'static str,
    /// Bit in INTEN, INTENSET and INTENCLR.
    pub bit: u8,
}

/// An event with its INTEN bit.
pub const fn event(offset: u32, name: &'static str, bit: u8) -> EventInfo {
    EventInfo { offset, name, bit }
}

/// A short: when its bit in SHORTS is set, the event triggers the task.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    /// Bit in SHORTS.
    pub bit: u8,
    /// Offset of the event's register.
    pub event: u32,
    /// Offset of the task's register.
    pub task: u32,
}

/// A short from an event to a task.
pub const fn short(bit: u8, event: u32, task: u32) -> Short {
    Short { bit, event, task }
}

/// A peripheral's static description, from which the register table is made.
pub struct Spec {
    /// Task registers, in groups.
    pub tasks: &'static [&'static [Register]],
    /// Events, in groups.
    pub events: &'static [&'static [EventInfo]],
    /// Shorts.
    pub shorts: &'static [Short],
    /// All other registers, in groups.
    pub registers: &'static [&'static [Register]],
    /// Built from the above at the first use.
    pub table: OnceLock<Table>,
}

impl Spec {
    /// A description.
    pub const fn new(
        tasks: &'static [&'static [Register]],
        events: &'static [&'static [EventInfo]],
        shorts: &'static [Short],
        registers: &'static [&'static [Register]],
    ) -> Self {
        Self { tasks, events, shorts, registers, table: OnceLock::new() }
    }

    pub(super) fn table(&'static self) -> &'static Table {
        self.table.get_or_init(|| Table::new(self))
    }
}

/// What lives at a word offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    None,
    Task,
    Event(u8),
    Plain(u16),
    Shorts,
    Inten,
    IntenSet,
    IntenClr,
}

/// The register table of a [`Spec`], with direct look-up by offset.
#[derive(Debug)]
pub struct Table {
    pub(super) registers: Vec<Register>,
    pub(super) events: Vec<EventInfo>,
    pub(super) slots: Vec<Slot>,
    pub(super) plain: Vec<(Register, u32)>,
    pub(super) int_mask: u32,
    pub(super) short_mask: u32,
}

/// Offset of SHORTS.
pub const SHORTS: u32 = 0x200;
/// Offset of INTEN.
pub const INTEN: u32 = 0x300;
/// Offset of INTENSET.
pub const INTENSET: u32 = 0x304;
/// Offset of INTENCLR.
pub const INTENCLR: u32 = 0x308;
/// Offset of POWER (nRF51 Reference Manual: "Peripheral power control"), where a block has it.
pub const POWER: u32 = 0xFFC;

const SIZE: u32 = 0x1000;

/// The bits of a register that exist.
fn mask_of(fields: &[Field]) -> u32 {
    if fields.is_empty() {
        return u32::MAX;
    }
    fields.iter().fold(0, |mask, field| {
        let ones = if field.width >= 32 { u32::MAX } else { (1 << field.width) - 1 };
        mask | ones << field.lsb
    })
}

impl Table {
    fn new(spec: &Spec) -> Self {
        let mut table = Self {
            registers: Vec::new(),
            events: Vec::new(),
            slots: vec![Slot::None; (SIZE / 4) as usize],
            plain: Vec::new(),
            int_mask: 0,
            short_mask: 0,
        };
        let mut place = |register: Register, slot: Slot| {
            if let Some(entry) = table.slots.get_mut((register.offset / 4) as usize) {
                *entry = slot;
                table.registers.push(register);
            }
        };
        for task in spec.tasks.iter().copied().flatten() {
            place(*task, Slot::Task);
        }
        for event in spec.events.iter().copied().flatten() {
            place(Register::rw(event.offset, event.name, 0), Slot::Event(table.events.len() as u8));
            table.events.push(*event);
            table.int_mask |= 1 << (event.bit & 31);
        }
        for short in spec.shorts {
            table.short_mask |= 1 << short.bit;
        }
        if !spec.shorts.is_empty() {
            place(Register::rw(SHORTS, "SHORTS", 0), Slot::Shorts);
        }
        if !table.events.is_empty() {
            place(Register::rw(INTEN, "INTEN", 0), Slot::Inten);
            place(Register::rw(INTENSET, "INTENSET", 0), Slot::IntenSet);
            place(Register::rw(INTENCLR, "INTENCLR", 0), Slot::IntenClr);
        }
        for register in spec.registers.iter().copied().flatten() {
            place(*register, Slot::Plain(table.plain.len() as u16));
            let mask = if register.access == Access::ReadOnly { 0 } else { mask_of(register.fields) };
            table.plain.push((*register, mask));
        }
        table.registers.sort_by_key(|register| register.offset);
        table
    }

    pub(super) fn slot(&self, offset: u32) -> Slot {
        self.slots.get((offset / 4) as usize).copied().unwrap_or(Slot::None)
    }
}

/// A field.
pub const fn f(name: &'static str, lsb: u8, width: u8) -> Field {
    Field::new(name, lsb, width)
}

/// A register that holds its value and nothing more.
pub const fn stub(offset: u32, name: &'static str, reset: u32) -> Register {
    Register::rw(offset, name, reset).coverage(Coverage::Stub)
}

/// A register that no manual has and that start-up code or a driver touches to work around an erratum: it is
/// named after the erratum, holds what is written and nothing more.
pub const fn erratum(offset: u32, name: &'static str, reset: u32) -> Register {
    stub(offset, name, reset)
}

/// Registers (`rw`, `ro`, `wo`), tasks or events of an array: `array!(rw 0x540, 4, "CC[", "]", 0; 0 1 2 3)`.
macro_rules! array {
    (rw $base:expr, $stride:expr, $before:literal, $after:literal, $reset:expr; $($n:literal)*) => {
        &[$(consort_core::component::Register::rw($base + $n * $stride, concat!($before, $n, $after), $reset)),*]
    };
    (rw $base:expr, $stride:expr, $before:literal, $after:literal, $reset:expr, $fields:expr; $($n:literal)*) => {
        &[$(consort_core::component::Register::rw($base + $n * $stride, concat!($before, $n, $after), $reset).fields($fields)),*]
    };
    (ro $base:expr, $stride:expr, $before:literal, $after:literal, $reset:expr; $($n:literal)*) => {
        &[$(consort_core::component::Register::ro($base + $n * $stride, concat!($before, $n, $after), $reset)),*]
    };
    (wo $base:expr, $stride:expr, $before:literal, $after:literal; $($n:literal)*) => {
        &[$(consort_core::component::Register::wo($base + $n * $stride, concat!($before, $n, $after))),*]
    };
    (partial $base:expr, $stride:expr, $before:literal, $after:literal, $reset:expr; $($n:literal)*) => {
        &[$(consort_core::component::Register::rw($base + $n * $stride, concat!($before, $n, $after), $reset)
            .coverage(consort_core::component::Coverage::Partial)),*]
    };
    (stub $base:expr, $stride:expr, $before:literal, $after:literal, $reset:expr; $($n:literal)*) => {
        &[$($crate::nrf::block::stub($base + $n * $stride, concat!($before, $n, $after), $reset)),*]
    };
    (event $base:expr, $stride:expr, $before:literal, $after:literal, $bit:expr, $step:expr; $($n:literal)*) => {
        &[$($crate::nrf::block::event($base + $n * $stride, concat!($before, $n, $after), $bit + $n * $step)),*]
    };
}
pub(crate) use array;

/// The POWER register at the end of a block's space: in the manual on nRF51, and still there on nRF52, where
/// work-arounds switch it.
pub const NRF51_POWER: &[Register] = &[Register::rw(POWER, "POWER", 1).fields(&[f("POWER", 0, 1)])];

/// A pin number of a PSEL register: port and pin, unless it is not connected.
///
/// nRF51: all bits one = disconnected, else the pin. nRF52: bit 31 = disconnected, bit 5 = port.
pub fn psel(value: u32) -> Option<u8> {
    (value >> 31 == 0).then_some((value & 0x3F) as u8)
}
