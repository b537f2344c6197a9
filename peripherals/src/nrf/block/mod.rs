//! What all Nordic peripherals share: TASKS, EVENTS, SHORTS, INTEN and register storage, written once.
//!
//! nRF52832 Product Specification v1.4, "Peripheral interface": a task is triggered by writing
//! 1 to its register or by an event (through PPI or a short); an event sets its register, raises the
//! peripheral's interrupt while its INTEN bit is set, and is seen by PPI.

mod table;

use consort_core::component::{
    Access, Channel, Component, Cx, Model, Peripheral, PortKind, Register, ResetCause, SetError, Value,
};
use consort_core::cpu::Watchpoint;
use consort_core::wire::{Signal, WireKind};
use consort_core::{Addr, BusError, Time, Width};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use table::Slot;
pub(crate) use table::array;
pub use table::{
    EventInfo, INTEN, INTENCLR, INTENSET, NRF51_POWER, POWER, SHORTS, Short, Spec, Table, erratum, event, f,
    psel, short, stub, task,
};

/// The family a block belongs to, where the two differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Series {
    /// nRF51 (Cortex-M0).
    Nrf51,
    /// nRF52 (Cortex-M4).
    #[default]
    Nrf52,
}

/// The configuration of a block whose only choice is the family.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesConfig {
    /// The chip's family, default `nrf52`.
    #[serde(default)]
    pub series: Series,
}

/// How many unknown offsets are remembered, so that each is logged once.
const UNKNOWN_KEPT: usize = 32;
/// More tasks than this in one instant can only be shorts that feed each other for ever.
const MAX_CHAIN: usize = 64;

/// The state that every block has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Common {
    events: u64,
    inten: u32,
    shorts: u32,
    irq: bool,
    plain: Vec<u32>,
    unknown: Vec<u16>,
    #[serde(skip)]
    chain: Vec<u32>,
}

/// What a block's logic sees and does: its registers, its events, and the world through [`Cx`].
pub struct Io<'a, 'cx> {
    /// The world.
    pub cx: &'a mut Cx<'cx>,
    common: &'a mut Common,
    table: &'static Table,
    spec: &'static Spec,
}

impl Io<'_, '_> {
    /// The present.
    pub fn now(&self) -> Time {
        self.cx.now()
    }

    /// The stored value of a plain register, 0 where there is none.
    pub fn reg(&self, offset: u32) -> u32 {
        match self.table.slot(offset) {
            Slot::Plain(index) => self.common.plain.get(usize::from(index)).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Changes a plain register, read-only ones too.
    pub fn set(&mut self, offset: u32, value: u32) {
        if let Slot::Plain(index) = self.table.slot(offset)
            && let Some(stored) = self.common.plain.get_mut(usize::from(index))
        {
            *stored = value;
        }
    }

    /// Generates an event: its register, the event systems that listen, and the shorts that are on.
    pub fn raise(&mut self, event: u32) {
        let Slot::Event(index) = self.table.slot(event) else { return };
        self.common.events |= 1 << index;
        self.cx.event(event);
        for short in self.spec.shorts {
            if short.event == event && self.common.shorts >> short.bit & 1 != 0 {
                self.common.chain.push(short.task);
            }
        }
    }

    /// Whether an event's register is set.
    pub fn raised(&self, event: u32) -> bool {
        matches!(self.table.slot(event), Slot::Event(index) if self.common.events >> index & 1 != 0)
    }

    /// The registers alone.
    pub fn regs(&self) -> Regs<'_> {
        Regs { common: self.common, table: self.table }
    }

    /// INTEN.
    pub fn inten(&self) -> u32 {
        self.common.inten
    }

    /// SHORTS.
    pub fn shorts(&self) -> u32 {
        self.common.shorts
    }
}

/// The stored registers, for views without effects.
pub struct Regs<'a> {
    common: &'a Common,
    table: &'static Table,
}

impl Regs<'_> {
    /// The stored value of a plain register, 0 where there is none.
    pub fn reg(&self, offset: u32) -> u32 {
        match self.table.slot(offset) {
            Slot::Plain(index) => self.common.plain.get(usize::from(index)).copied().unwrap_or(0),
            _ => 0,
        }
    }
}

/// What makes one block different from the others. Registers that only hold a value need no code.
pub trait Logic: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// See [`Model::KIND`].
    const KIND: &'static str;
    /// See [`Model::DOC`].
    const DOC: &'static str;
    /// See [`Model::Config`].
    type Config: DeserializeOwned + JsonSchema;
    /// An instance.
    fn new(config: Self::Config) -> Self;
    /// Its registers.
    fn spec(&self) -> &'static Spec;
    /// Output lines; the first one is the interrupt.
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }
    /// See [`Component::pins`].
    fn pins(&self) -> &'static [&'static str] {
        &[]
    }
    /// See [`Component::port`].
    fn port(&self) -> Option<PortKind> {
        None
    }
    /// See [`Component::channels`].
    fn channels(&self) -> Vec<Channel> {
        Vec::new()
    }
    /// See [`Component::wires`].
    fn wires(&self) -> &'static [WireKind] {
        &[]
    }
    /// See [`Component::wire_pins`].
    fn wire_pins(&self) -> &'static [&'static str] {
        &[]
    }
    /// See [`Component::hear`].
    fn hear(&mut self, pin: u16, from: u8, signal: Signal, io: &mut Io<'_, '_>) {
        let _ = (pin, from, signal, io);
    }
    /// See [`Component::power_off`].
    fn power_off(&mut self, io: &mut Io<'_, '_>) {
        let _ = io;
    }
    /// See [`Component::headroom`].
    fn headroom(&self) -> Time {
        Time::ZERO
    }
    /// See [`Component::is_deaf`].
    fn is_deaf(&self) -> bool {
        false
    }
    /// See [`Component::listens`].
    fn listens(&self) -> bool {
        false
    }
    /// The registers have their reset values; what else resets.
    fn reset(&mut self, io: &mut Io<'_, '_>) {
        let _ = io;
    }
    /// See [`Component::restart`].
    fn restart(&mut self, cause: ResetCause, io: &mut Io<'_, '_>) {
        let _ = cause;
        self.reset(io);
    }
    /// Whether this reset leaves the block as it is (PS "POWER", Reset behavior).
    fn survives(&self, cause: ResetCause) -> bool {
        let _ = cause;
        false
    }
    /// It survived a reset; all its lines have fallen.
    fn survive(&mut self, io: &mut Io<'_, '_>) {
        let _ = io;
    }
    /// A task is triggered.
    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        let _ = (task, io);
    }
    /// The value of a register that is more than storage, without effects.
    fn view(&self, offset: u32, regs: &Regs<'_>, now: Time) -> Option<u32> {
        let _ = (offset, regs, now);
        None
    }
    /// The guest has read a register; only for reads that have effects.
    fn read(&mut self, offset: u32, io: &mut Io<'_, '_>) {
        let _ = (offset, io);
    }
    /// The guest wrote a plain register: `old` was there, the writable bits of `value` are there now.
    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        let _ = (offset, value, old, io);
    }
    /// INTEN changed or an event was cleared: only for blocks whose events depend on it.
    fn interrupts_changed(&mut self, io: &mut Io<'_, '_>) {
        let _ = io;
    }
    /// When it wants [`Logic::wake`] next; asked after every call.
    fn deadline(&self) -> Time {
        Time::MAX
    }
    /// The deadline has come.
    fn wake(&mut self, io: &mut Io<'_, '_>) {
        let _ = io;
    }
    /// See [`Component::input`].
    fn input(&mut self, pin: u16, level: bool, io: &mut Io<'_, '_>) {
        let _ = (pin, level, io);
    }
    /// See [`Component::volts`].
    fn volts(&mut self, pin: u16, microvolts: i64) {
        let _ = (pin, microvolts);
    }
    /// See [`Component::receive`].
    fn receive(&mut self, data: &[u8], io: &mut Io<'_, '_>) {
        let _ = (data, io);
    }
    /// See [`Component::bus_event`].
    fn bus_event(&mut self, addr: Addr, io: &mut Io<'_, '_>) {
        let _ = (addr, io);
    }
    /// See [`Component::watches_sleep`].
    fn watches_sleep(&self) -> bool {
        false
    }
    /// See [`Component::sleep`].
    fn sleep(&mut self, asleep: bool, io: &mut Io<'_, '_>) {
        let _ = (asleep, io);
    }
    /// See [`Component::watches`].
    fn watches(&self, regs: &Regs<'_>) -> Vec<Watchpoint> {
        let _ = regs;
        Vec::new()
    }
    /// See [`Component::touched`].
    fn touched(&mut self, watch: usize, io: &mut Io<'_, '_>) {
        let _ = (watch, io);
    }
    /// See [`Component::set`].
    fn channel(&mut self, channel: &str, value: &Value, io: &mut Io<'_, '_>) -> Result<(), SetError> {
        let _ = (value, io);
        Err(SetError::NoChannel(channel.to_owned()))
    }
    /// See [`Component::get`].
    fn present(&self, channel: &str) -> Option<Value> {
        let _ = channel;
        None
    }
    /// See [`Peripheral::rom_write`].
    fn rom_write(
        &mut self,
        addr: Addr,
        width: Width,
        value: u32,
        io: &mut Io<'_, '_>,
    ) -> Result<(), BusError> {
        let _ = (width, value, io);
        Err(BusError::Refused(addr))
    }
}

/// A number for a channel, within a range.
pub fn number(channel: &str, value: &Value, least: f64, most: f64, unit: &str) -> Result<f64, SetError> {
    match value {
        Value::Number(number) if (least..=most).contains(number) => Ok(*number),
        _ => Err(SetError::BadValue {
            channel: channel.to_owned(),
            expected: format!("a number from {least} to {most} ({unit})"),
        }),
    }
}

/// A Nordic peripheral: the shared state and its logic.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "L: Serialize", deserialize = "L: DeserializeOwned"))]
pub struct Block<L> {
    common: Common,
    /// What is special about it.
    pub logic: L,
}

impl<L: Logic> Block<L> {
    fn io<R>(&mut self, cx: &mut Cx<'_>, call: impl FnOnce(&mut L, &mut Io<'_, '_>) -> R) -> R {
        let spec = self.logic.spec();
        let mut io = Io { cx, common: &mut self.common, table: spec.table(), spec };
        let result = call(&mut self.logic, &mut io);
        let mut left = MAX_CHAIN;
        while !io.common.chain.is_empty() {
            let task = io.common.chain.remove(0);
            if left == 0 {
                io.common.chain.clear();
                io.cx.guest_error("shorts trigger each other without end; the chain is cut");
                break;
            }
            left -= 1;
            self.logic.task(task, &mut io);
        }
        self.settle(cx);
        result
    }

    /// The interrupt line and the next wake follow from the state.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let table = self.logic.spec().table();
        let irq = self.common.inten != 0
            && table.events.iter().enumerate().any(|(index, event)| {
                self.common.events >> index & 1 != 0 && self.common.inten >> event.bit & 1 != 0
            });
        if irq != self.common.irq {
            self.common.irq = irq;
            cx.drive(0, irq);
        }
        match self.logic.deadline() {
            Time::MAX => cx.no_wake(),
            at => cx.wake_at(at),
        }
    }

    fn reset_registers(&mut self) {
        let table = self.logic.spec().table();
        self.common.events = 0;
        self.common.inten = 0;
        self.common.shorts = 0;
        self.common.plain.clear();
        self.common.plain.extend(table.plain.iter().map(|(register, _)| register.reset));
    }

    fn unknown(&mut self, offset: u32, what: &str, cx: &mut Cx<'_>) {
        let offset = (offset & !3) as u16;
        if self.common.unknown.len() < UNKNOWN_KEPT && !self.common.unknown.contains(&offset) {
            self.common.unknown.push(offset);
            cx.unimplemented(format!("{}: {what} of offset {offset:#05x}, where no register is", L::KIND));
        }
    }

    fn view(&self, offset: u32, now: Time) -> Option<u32> {
        let table = self.logic.spec().table();
        Some(match table.slot(offset) {
            Slot::None => return None,
            Slot::Task => 0,
            Slot::Event(index) => (self.common.events >> index & 1) as u32,
            Slot::Shorts => self.common.shorts,
            Slot::Inten | Slot::IntenSet | Slot::IntenClr => self.common.inten,
            Slot::Plain(index) => {
                let (register, _) = &table.plain[usize::from(index)];
                match self.logic.view(offset, &Regs { common: &self.common, table }, now) {
                    Some(value) => value,
                    None if register.access == Access::WriteOnly => 0,
                    None => self.common.plain.get(usize::from(index)).copied().unwrap_or(0),
                }
            }
        })
    }

    fn write_word(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let table = self.logic.spec().table();
        match table.slot(offset) {
            Slot::None => self.unknown(offset, "write", cx),
            Slot::Task => {
                if value & 1 != 0 {
                    self.io(cx, |logic, io| logic.task(offset, io));
                }
            }
            Slot::Event(index) => {
                self.common.events &= !(1 << index);
                self.common.events |= u64::from(value & 1) << index;
                self.io(cx, L::interrupts_changed);
            }
            Slot::Shorts => self.common.shorts = value & table.short_mask,
            slot @ (Slot::Inten | Slot::IntenSet | Slot::IntenClr) => {
                self.common.inten = table.int_mask
                    & match slot {
                        Slot::IntenSet => self.common.inten | value,
                        Slot::IntenClr => self.common.inten & !value,
                        _ => value,
                    };
                self.io(cx, L::interrupts_changed);
            }
            Slot::Plain(index) => {
                let (register, mask) = &table.plain[usize::from(index)];
                if register.access == Access::ReadOnly {
                    return;
                }
                if offset == POWER && value & 1 == 0 {
                    self.reset_registers();
                    self.io(cx, |logic, io| {
                        logic.reset(io);
                        io.set(POWER, 0);
                    });
                    return;
                }
                let Some(stored) = self.common.plain.get_mut(usize::from(index)) else { return };
                let old = *stored;
                *stored = value & mask;
                self.io(cx, |logic, io| logic.write(offset, value & mask, old, io));
            }
        }
    }
}

impl<L: Logic> Model for Block<L> {
    const KIND: &'static str = L::KIND;
    const DOC: &'static str = L::DOC;
    type Config = L::Config;
    fn new(config: L::Config) -> Self {
        let mut block = Self { common: Common::default(), logic: L::new(config) };
        block.reset_registers();
        block
    }
}

impl<L: Logic> Component for Block<L> {
    fn lines(&self) -> &'static [&'static str] {
        self.logic.lines()
    }
    fn pins(&self) -> &'static [&'static str] {
        self.logic.pins()
    }
    fn port(&self) -> Option<PortKind> {
        self.logic.port()
    }
    fn channels(&self) -> Vec<Channel> {
        self.logic.channels()
    }
    fn get(&self, channel: &str) -> Option<Value> {
        self.logic.present(channel)
    }
    fn wires(&self) -> &'static [WireKind] {
        self.logic.wires()
    }
    fn wire_pins(&self) -> &'static [&'static str] {
        self.logic.wire_pins()
    }
    fn hear(&mut self, pin: u16, from: u8, signal: Signal, cx: &mut Cx<'_>) {
        self.io(cx, |logic, io| logic.hear(pin, from, signal, io));
    }
    fn power_off(&mut self, cx: &mut Cx<'_>) {
        self.io(cx, L::power_off);
    }
    fn headroom(&self) -> Time {
        self.logic.headroom()
    }
    fn is_deaf(&self) -> bool {
        self.logic.is_deaf()
    }
    fn listens(&self) -> bool {
        self.logic.listens()
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.reset_registers();
        self.common.irq = false; // the machine has let the line fall
        self.io(cx, L::reset);
    }
    fn restart(&mut self, cause: ResetCause, cx: &mut Cx<'_>) {
        self.common.irq = false;
        if self.logic.survives(cause) {
            self.io(cx, L::survive);
        } else {
            self.reset_registers();
            self.io(cx, |logic, io| logic.restart(cause, io));
        }
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.io(cx, L::wake);
    }
    fn input(&mut self, pin: u16, level: bool, cx: &mut Cx<'_>) {
        self.io(cx, |logic, io| logic.input(pin, level, io));
    }
    fn volts(&mut self, pin: u16, microvolts: i64, _: &mut Cx<'_>) {
        self.logic.volts(pin, microvolts);
    }
    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        self.io(cx, |logic, io| logic.receive(data, io));
    }
    fn bus_event(&mut self, addr: Addr, cx: &mut Cx<'_>) {
        self.io(cx, |logic, io| logic.bus_event(addr, io));
    }
    fn watches_sleep(&self) -> bool {
        self.logic.watches_sleep()
    }
    fn sleep(&mut self, asleep: bool, cx: &mut Cx<'_>) {
        self.io(cx, |logic, io| logic.sleep(asleep, io));
    }
    fn watches(&self) -> Vec<Watchpoint> {
        let table = self.logic.spec().table();
        self.logic.watches(&Regs { common: &self.common, table })
    }
    fn touched(&mut self, watch: usize, cx: &mut Cx<'_>) {
        self.io(cx, |logic, io| logic.touched(watch, io));
    }
    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        self.io(cx, |logic, io| logic.channel(channel, value, io))
    }
}

impl<L: Logic> Peripheral for Block<L> {
    fn registers(&self) -> &'static [Register] {
        &self.logic.spec().table().registers
    }

    fn read(&mut self, offset: u32, width: Width, cx: &mut Cx<'_>) -> Result<u32, BusError> {
        let Some(value) = self.view(offset & !3, cx.now()) else {
            self.unknown(offset, "read", cx);
            return Ok(0);
        };
        if let Slot::Plain(_) = self.logic.spec().table().slot(offset) {
            self.io(cx, |logic, io| logic.read(offset & !3, io));
        }
        Ok(value >> (8 * (offset & 3)) & width.mask() as u32)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        let shift = 8 * (offset & 3);
        let mask = (width.mask() as u32) << shift;
        let value = if mask == u32::MAX {
            value
        } else {
            let rest = self.view(offset & !3, cx.now()).unwrap_or(0);
            rest & !mask | value << shift & mask
        };
        self.write_word(offset & !3, value, cx);
        Ok(())
    }

    fn rom_write(&mut self, addr: Addr, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        self.io(cx, |logic, io| logic.rom_write(addr, width, value, io))
    }

    fn peek(&self, offset: u32, now: Time) -> Option<u32> {
        self.view(offset & !3, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::egu::Egu;
    use crate::nrf::timer::{Timer, TimerConfig};
    use consort_core::component::NoConfig;
    use consort_core::testing::Rig;
    use consort_core::trace::Level;

    #[test]
    fn the_interrupt_is_high_while_an_event_and_its_bit_are_set() {
        // PS "Peripheral interface", Interrupts: INTEN, INTENSET, INTENCLR; Tasks: a task is triggered by
        // writing 1.
        let mut rig = Rig::new(Block::<Egu>::new(NoConfig {}));
        rig.write(0x000, 0);
        assert_eq!(rig.read(0x100), 0);
        rig.write(0x000, 1);
        rig.write(INTENSET, 0b11);
        assert_eq!((rig.read(0x100), rig.read(INTENCLR), rig.line("irq")), (1, 0b11, true));
        rig.write(INTENCLR, 0b01);
        assert_eq!((rig.read(INTEN), rig.line("irq")), (0b10, false));
        rig.write(INTEN, 0b01);
        assert!(rig.line("irq"));
        rig.write(0x100, 0);
        assert_eq!((rig.read(0x100), rig.line("irq")), (0, false));
    }

    #[test]
    fn only_shorts_and_interrupts_that_exist_can_be_set() {
        let mut rig = Rig::new(Block::<Timer>::new(TimerConfig::default()));
        rig.write(SHORTS, u32::MAX);
        rig.write(INTEN, u32::MAX);
        assert_eq!((rig.read(SHORTS), rig.read(INTEN)), (0x0F0F, 0x000F_0000));
    }

    #[test]
    fn power_off_and_on_resets_an_nrf51_block() {
        // RM "Peripheral interface", Peripheral power control.
        let config = TimerConfig { series: Series::Nrf51, cc: 4, bits: 32 };
        let mut rig = Rig::new(Block::<Timer>::new(config));
        rig.write(0x540, 7);
        rig.write(POWER, 0);
        assert_eq!((rig.read(0x540), rig.read(POWER)), (0, 0));
        rig.write(POWER, 1);
        assert_eq!(rig.read(POWER), 1);
    }

    #[test]
    fn an_offset_without_a_register_is_told_once() {
        let mut rig = Rig::new(Block::<Egu>::new(NoConfig {}));
        for _ in 0..3 {
            assert_eq!(rig.read(0xABC), 0);
            rig.write(0xABC, 1);
        }
        assert_eq!(rig.log.iter().filter(|(level, _)| *level == Level::Unimplemented).count(), 1);
    }
}
