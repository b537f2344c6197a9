//! A device for tests: one instruction a microsecond, in a circle, with a nap in each round.

#![allow(clippy::unwrap_used, reason = "a device of tests, where a panic is a failure")]

use std::collections::{BTreeMap, BTreeSet};

use consort_core::component::SetError;
use consort_core::cpu::{RegisterInfo, Role, Semihosting, WatchKind, Watchpoint};
use consort_core::device::{
    Action, Activity, Debug, Device, Halt, Input, Occasions, PeripheralView, Port, Ran, Sent, Stats, What,
};
use consort_core::state::StateError;
use consort_core::trace::{Digest, Event};
use consort_core::{Addr, BusError, Time};

pub(crate) const ROM: u64 = 0x1000;
pub(crate) const RAM: Addr = 0x2000_0000;
/// The instruction that counts up the word at [`RAM`].
pub(crate) const COUNT: Addr = 0x10;
/// The instruction that sleeps until the next millisecond.
pub(crate) const NAP: Addr = 0x20;
/// The instruction that makes the semihosting call whose number is at [`OPERATION`], with the block at [`BLOCK`].
pub(crate) const CALL: Addr = 0x18;
pub(crate) const OPERATION: Addr = RAM + 0x10;
pub(crate) const BLOCK: Addr = RAM + 0x20;
/// The last instruction; the first follows.
pub(crate) const LAST: Addr = 0x3E;
const STEP: Time = Time::from_us(1);
const PC: usize = 15;

const fn register(name: &'static str, role: Role) -> RegisterInfo {
    RegisterInfo { name, bits: 32, feature: "org.gnu.gdb.arm.m-profile", role }
}

static REGISTERS: [RegisterInfo; 17] = [
    register("r0", Role::General),
    register("r1", Role::General),
    register("r2", Role::General),
    register("r3", Role::General),
    register("r4", Role::General),
    register("r5", Role::General),
    register("r6", Role::General),
    register("r7", Role::General),
    register("r8", Role::General),
    register("r9", Role::General),
    register("r10", Role::General),
    register("r11", Role::General),
    register("r12", Role::General),
    register("sp", Role::StackPointer),
    register("lr", Role::ReturnAddress),
    register("pc", Role::ProgramCounter),
    register("xpsr", Role::Status),
];

#[derive(Default)]
pub(crate) struct Fake {
    now: Time,
    asleep_until: Option<Time>,
    instructions: u64,
    registers: [u32; 17],
    rom: Vec<u8>,
    ram: Vec<u8>,
    inputs: BTreeMap<(Time, u64), Action>,
    breakpoints: BTreeSet<Addr>,
    watched: Vec<Watchpoint>,
    passing: Option<u64>,
    occasions: Occasions,
    was_reset: bool,
}

impl Fake {
    pub(crate) fn boxed() -> Box<dyn Device> {
        Box::new(Self { rom: vec![0; ROM as usize], ram: vec![0; 0x1000], ..Self::default() })
    }

    fn inputs_due(&mut self) {
        while let Some(entry) = self.inputs.first_entry().filter(|entry| entry.key().0 <= self.now) {
            if entry.remove() == Action::Reset {
                self.registers = [0; 17];
                self.asleep_until = None;
                self.was_reset = self.occasions.resets;
            }
        }
    }

    fn instruction(&mut self) -> Option<Halt> {
        let pc = u64::from(self.registers[PC]);
        self.now += STEP;
        self.instructions += 1;
        self.registers[PC] = if pc >= LAST { 0 } else { pc as u32 + 2 };
        if pc == NAP {
            self.asleep_until = Some(Time::from_ms(self.now.as_ns() / 1_000_000 + 1));
        }
        if pc != COUNT {
            return None;
        }
        let word = u32::from_le_bytes(self.ram[..4].try_into().unwrap()) + 1;
        self.ram[..4].copy_from_slice(&word.to_le_bytes());
        let met = self.watched.iter().any(|point| point.addr == RAM && point.kind != WatchKind::Read);
        met.then_some(Halt::Watchpoint { addr: RAM, kind: WatchKind::Write })
    }

    fn advance(&mut self, end: Time, mut steps: Option<u64>) -> Ran {
        loop {
            if let Some(until) = self.asleep_until {
                let next = until.min(self.inputs.first_key_value().map_or(Time::MAX, |((at, _), _)| *at));
                if next >= end {
                    return Ran::Reached;
                }
                self.now = self.now.max(next);
                if self.now >= until {
                    self.asleep_until = None;
                }
            }
            self.inputs_due();
            if std::mem::take(&mut self.was_reset) {
                return Ran::Halted(Halt::Reset);
            }
            if self.asleep_until.is_some() {
                continue;
            }
            if self.now >= end {
                return Ran::Reached;
            }
            match &mut steps {
                Some(0) => return Ran::Reached,
                Some(steps) => *steps -= 1,
                None => {
                    let at_one = self.breakpoints.contains(&u64::from(self.registers[PC]));
                    if at_one && self.passing != Some(self.instructions) {
                        self.passing = Some(self.instructions);
                        return Ran::Halted(Halt::Breakpoint);
                    }
                }
            }
            if self.occasions.calls && u64::from(self.registers[PC]) == CALL {
                let op = self.ram[(OPERATION - RAM) as usize].into();
                return Ran::Halted(Halt::Call(Semihosting { op, parameter: BLOCK, word: 4 }));
            }
            if let Some(halt) = self.instruction() {
                return Ran::Halted(halt);
            }
        }
    }

    fn memory(&mut self, addr: Addr, len: usize) -> Result<&mut [u8], BusError> {
        let (bytes, base) = if addr < RAM { (&mut self.rom, 0) } else { (&mut self.ram, RAM) };
        let from = usize::try_from(addr - base).unwrap();
        bytes.get_mut(from..from.saturating_add(len)).ok_or(BusError::Unmapped(addr))
    }
}

impl Device for Fake {
    fn ports(&self) -> &[Port] {
        &[]
    }
    fn now(&self) -> Time {
        self.now
    }
    fn next_event(&self) -> Time {
        let input = self.inputs.first_key_value().map_or(Time::MAX, |((at, _), _)| *at);
        self.asleep_until.map_or(self.now, |until| until.min(input))
    }
    fn run_until(&mut self, end: Time) -> Ran {
        self.advance(end, None)
    }
    fn give(&mut self, input: Input) {
        if let What::Action(action) = input.what {
            self.inputs.insert((input.at, input.seq), action);
        }
    }
    fn check(&self, _: &Action) -> Result<(), SetError> {
        Ok(())
    }
    fn take_sent(&mut self, _: &mut Vec<Sent>) {}
    fn take_events(&mut self, _: &mut Vec<Event>) {}
    fn want_events(&mut self, _: bool) {}
    fn save(&self) -> Result<Vec<u8>, StateError> {
        let Self { now, asleep_until, instructions, registers, rom, ram, .. } = self;
        consort_core::state::to_bytes(&(now, asleep_until, instructions, registers, rom, ram))
    }
    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError> {
        (self.now, self.asleep_until, self.instructions, self.registers, self.rom, self.ram) =
            consort_core::state::from_bytes(saved)?;
        Ok(())
    }
    fn digest(&self) -> Result<Digest, StateError> {
        Ok(Digest(*blake3::hash(&self.save()?).as_bytes()))
    }
    fn stats(&self) -> Stats {
        Stats { instructions: self.instructions, ..Stats::default() }
    }
    fn activity(&self) -> Activity {
        if self.asleep_until.is_some() { Activity::Asleep } else { Activity::Running }
    }
    fn debug(&mut self) -> Option<&mut dyn Debug> {
        Some(self)
    }
}

impl Debug for Fake {
    fn core(&self) -> &'static str {
        "fake"
    }
    fn registers(&self) -> &'static [RegisterInfo] {
        &REGISTERS
    }
    fn register(&self, index: usize) -> Option<u128> {
        self.registers.get(index).copied().map(u128::from)
    }
    fn set_register(&mut self, index: usize, value: u128) -> bool {
        let Some(register) = self.registers.get_mut(index) else { return false };
        *register = value as u32 & if index == PC { 0x3E } else { u32::MAX };
        true
    }
    fn pc(&self) -> Addr {
        u64::from(self.registers[PC])
    }
    fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
        let (bytes, base) = if addr < RAM { (&self.rom, 0) } else { (&self.ram, RAM) };
        let from = usize::try_from(addr - base).unwrap();
        let found = bytes.get(from..from.saturating_add(out.len())).ok_or(BusError::Unmapped(addr))?;
        out.copy_from_slice(found);
        Ok(())
    }
    fn write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        self.memory(addr, data.len())?.copy_from_slice(data);
        Ok(())
    }
    fn set_breakpoints(&mut self, at: &[Addr]) {
        self.breakpoints = at.iter().copied().collect();
    }
    fn set_watchpoints(&mut self, at: &[Watchpoint]) {
        self.watched = at.to_vec();
    }
    fn set_occasions(&mut self, occasions: Occasions) {
        self.occasions = occasions;
    }
    fn finish_call(&mut self, answer: Option<(u64, u32)>) {
        if let Some((result, _)) = answer {
            self.registers[0] = result as u32;
        }
        self.instruction();
    }
    fn step(&mut self, end: Time) -> Ran {
        self.advance(end, Some(1))
    }
    fn memory_map(&self) -> Vec<(Addr, u64, bool)> {
        vec![(0, ROM, false), (RAM, 0x1000, true)]
    }
    fn peripherals(&self) -> Vec<PeripheralView> {
        Vec::new()
    }
    fn symbol_at(&self, _: Addr) -> Option<(&str, u64)> {
        None
    }
}
