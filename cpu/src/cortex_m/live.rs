//! A core at work: its engine, its memory and the bus behind it, as exceptions and accesses see them.

use consort_core::bus::{Addr, Bus, BusError, Memory, Width};
use consort_core::time::Cycles;
use consort_core::trace::CoreEvent;

use super::bitband;
use super::exceptions::Hart;
use super::registers::Registers;
use super::system::System;
use crate::engine::{Access, AccessKind, BusError as Refused, Engine, Io, Reg};
use crate::regions::{Guest, Regions};
use crate::timing::SlowBus;
use crate::watch::Watched;

/// Memory through whoever holds the engine.
struct Through<'a, T>(&'a mut T);

impl Memory for Through<'_, Engine> {
    fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
        self.0.read_memory(addr, out).map_err(|_| BusError::Unmapped(addr))
    }
    fn write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        self.0.write_memory(addr, data).map_err(|_| BusError::Unmapped(addr))
    }
}

/// A core between two instructions.
pub(super) struct Live<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) regions: &'a Regions,
    pub(super) bus: &'a mut dyn Bus,
    pub(super) now: Cycles,
    /// Whether an access made the bus want attention, or touched what the chip watches.
    pub(super) attention: bool,
    /// What the chip watches, and what of it was touched.
    pub(super) watches: &'a Watched,
    pub(super) touched: &'a mut u32,
}

impl Live<'_> {
    /// The chip hears of stacking and unstacking as of any other access.
    fn touch(&mut self, addr: u32, words: usize, access: AccessKind) {
        let touched = self.watches.touched_by(u64::from(addr), 4 * words as u64, access);
        *self.touched |= touched;
        self.attention |= touched != 0;
    }
}

impl Registers for Live<'_> {
    fn get(&self, reg: Reg) -> u32 {
        self.engine.get(reg)
    }
    fn set(&mut self, reg: Reg, value: u32) {
        self.engine.set(reg, value);
    }
}

impl Hart for Live<'_> {
    fn load(&mut self, addr: u32) -> Result<u32, BusError> {
        let mut bytes = [0; 4];
        if self.engine.read_memory(u64::from(addr), &mut bytes).is_ok() {
            return Ok(u32::from_le_bytes(bytes));
        }
        if addr >> 20 == 0xE00 {
            return Err(BusError::Refused(u64::from(addr)));
        }
        let value = self.bus.read(self.now, u64::from(addr), Width::Word, &mut Through(&mut *self.engine));
        self.attention |= self.bus.attention();
        value.map(|value| value as u32)
    }

    fn store(&mut self, addr: u32, value: u32) -> Result<(), BusError> {
        let at = u64::from(addr);
        if self.regions.is_ram(at, 4) {
            return self.engine.write_memory(at, &value.to_le_bytes()).map_err(|_| BusError::Unmapped(at));
        }
        if addr >> 20 == 0xE00 {
            return Err(BusError::Refused(at));
        }
        let memory = &mut Through(&mut *self.engine);
        let result = self.bus.write(self.now, at, Width::Word, u64::from(value), memory);
        self.attention |= self.bus.attention();
        result
    }

    fn peek(&self, addr: u32) -> Option<u32> {
        let mut bytes = [0; 4];
        self.engine.read_memory(u64::from(addr), &mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    fn note(&mut self, event: CoreEvent) {
        self.bus.note(self.now, event);
    }

    fn load_block(&mut self, addr: u32, out: &mut [u32]) -> Result<(), BusError> {
        self.touch(addr, out.len(), AccessKind::Read);
        let mut bytes = [0; 4 * MOST_WORDS];
        if let Some(bytes) = bytes.get_mut(..4 * out.len())
            && self.engine.read_memory(u64::from(addr), bytes).is_ok()
        {
            for (word, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            return Ok(());
        }
        for (addr, word) in (addr..).step_by(4).zip(out) {
            *word = self.load(addr)?;
        }
        Ok(())
    }

    fn store_block(&mut self, addr: u32, words: &[u32]) -> Result<(), BusError> {
        self.touch(addr, words.len(), AccessKind::Write);
        let mut bytes = [0; 4 * MOST_WORDS];
        if let Some(bytes) = bytes.get_mut(..4 * words.len())
            && self.regions.is_ram(u64::from(addr), bytes.len() as u64)
        {
            for (word, bytes) in words.iter().zip(bytes.as_chunks_mut().0) {
                *bytes = word.to_le_bytes();
            }
            let result = self.engine.write_memory(u64::from(addr), bytes);
            return result.map_err(|_| BusError::Unmapped(u64::from(addr)));
        }
        (addr..).step_by(4).zip(words).try_for_each(|(addr, word)| self.store(addr, *word))
    }
}

/// The longest block that stacking moves: S0 to S15 and FPSCR.
const MOST_WORDS: usize = 17;

/// What instructions reach beyond memory while the engine runs.
pub(super) struct Port<'a> {
    pub(super) system: &'a mut System,
    pub(super) regions: &'a Regions,
    pub(super) bus: &'a mut dyn Bus,
    /// The buses that make an access wait.
    pub(super) buses: &'a [SlowBus],
    /// The cycle at which the engine's run began.
    pub(super) start: Cycles,
    /// Whether an access made the bus want attention.
    pub(super) attention: bool,
}

impl Port<'_> {
    fn at(&self, cx: &Access<'_>) -> Cycles {
        self.start + cx.cycles()
    }

    /// Checks what every access to the private peripheral bus must fulfil, and gives its offset there.
    fn private(&self, cx: &Access<'_>, addr: u32, size: u8, write: bool) -> Result<Option<u32>, Refused> {
        if addr >> 20 != 0xE00 {
            return Ok(None);
        }
        let offset = addr & 0x000F_FFFF;
        if !cx.is_privileged() && !self.system.allows_unprivileged(offset, write) {
            return Err(Refused); // DDI 0403 B3.1.1
        }
        // DDI 0419 B3.1: words only; DDI 0403 B3.1.1: unaligned or double accesses are unpredictable.
        if size > 4 || addr & (u32::from(size) - 1) != 0 || (size != 4 && !self.system.is_mainline()) {
            return Err(Refused);
        }
        Ok(System::private_offset(addr))
    }

    /// After something that may have made an exception takeable, in the middle of the engine's run.
    fn reconsider(&mut self, cx: &mut Access<'_>) {
        let nvic = &self.system.nvic;
        let takeable = nvic.has_candidate() && nvic.takeable(cx.masks()).is_some();
        if takeable || self.system.reset_request.is_some() || self.system.debug.has_changed() {
            cx.stop_after();
            return;
        }
        cx.watch_unmask(self.system.nvic.is_masked_only());
        let until = self.system.systick.deadline().since(self.start);
        cx.shorten(until);
    }

    fn bus_read(&mut self, cx: &mut Access<'_>, addr: u32, size: u8) -> Result<u64, BusError> {
        let at = self.at(cx);
        let addr = u64::from(addr);
        let width = Width::from_bytes(u32::from(size)).ok_or(BusError::Refused(addr))?;
        cx.stall(SlowBus::stall(self.buses, addr, false));
        let value = self.bus.read(at, addr, width, &mut Guest { access: &mut *cx, regions: self.regions });
        self.attend(cx);
        value
    }

    fn bus_write(&mut self, cx: &mut Access<'_>, addr: u32, size: u8, value: u64) -> Result<(), BusError> {
        let at = self.at(cx);
        let addr = u64::from(addr);
        let width = Width::from_bytes(u32::from(size)).ok_or(BusError::Refused(addr))?;
        cx.stall(SlowBus::stall(self.buses, addr, true));
        let memory = &mut Guest { access: &mut *cx, regions: self.regions };
        let result = self.bus.write(at, addr, width, value, memory);
        self.attend(cx);
        result
    }

    fn attend(&mut self, cx: &mut Access<'_>) {
        if self.bus.attention() {
            self.attention = true;
            cx.stop_after();
        }
    }

    /// A load or store of the unit that holds an aliased bit.
    fn unit_read(&mut self, cx: &mut Access<'_>, addr: u32, size: u8) -> Result<u64, BusError> {
        let mut bytes = [0; 8];
        let unit = bytes.get_mut(..usize::from(size));
        if unit.is_none_or(|unit| cx.read_memory(u64::from(addr), unit).is_err()) {
            return self.bus_read(cx, addr, size);
        }
        Ok(u64::from_le_bytes(bytes))
    }

    fn unit_write(&mut self, cx: &mut Access<'_>, addr: u32, size: u8, value: u64) -> Result<(), BusError> {
        if self.regions.is_ram(u64::from(addr), u64::from(size)) {
            let bytes = value.to_le_bytes();
            let bytes = bytes.get(..usize::from(size)).unwrap_or(&bytes);
            return cx.write_memory(u64::from(addr), bytes).map_err(|_| BusError::Unmapped(u64::from(addr)));
        }
        self.bus_write(cx, addr, size, value)
    }

    fn alias(&self, addr: u32, size: u8) -> Option<bitband::Bit> {
        if self.system.config.has_bit_band() && matches!(size, 1 | 2 | 4) {
            bitband::bit_of(addr, u32::from(size))
        } else {
            None
        }
    }

    /// The end of an access that the bus may have refused.
    fn settle<T: Default>(
        &mut self,
        cx: &Access<'_>,
        addr: u32,
        result: Result<T, BusError>,
    ) -> Result<T, Refused> {
        match result {
            Ok(value) => Ok(value),
            Err(_) if self.system.ignores_bus_error(addr, cx) => Ok(T::default()),
            Err(_) => Err(Refused),
        }
    }
}

impl Io for Port<'_> {
    fn read(&mut self, cx: &mut Access<'_>, address: u64, size: u8) -> Result<u64, Refused> {
        let addr = address as u32;
        if let Some(offset) = self.private(cx, addr, size, false)? {
            let at = self.at(cx);
            self.system.tick(at);
            return Ok(u64::from(self.system.read(offset, u32::from(size), at, cx)));
        }
        let result = match self.alias(addr, size) {
            Some(bit) => self.unit_read(cx, bit.addr, size).map(|unit| unit >> bit.shift & 1),
            None => self.bus_read(cx, addr, size),
        };
        self.settle(cx, addr, result)
    }

    fn write(&mut self, cx: &mut Access<'_>, address: u64, size: u8, value: u64) -> Result<(), Refused> {
        let addr = address as u32;
        if let Some(offset) = self.private(cx, addr, size, true)? {
            let at = self.at(cx);
            self.system.tick(at);
            self.system.write(offset, u32::from(size), value as u32, at, cx);
            self.reconsider(cx);
            return Ok(());
        }
        let result = match self.alias(addr, size) {
            Some(bit) => self.unit_read(cx, bit.addr, size).and_then(|unit| {
                let unit = unit & !(1 << bit.shift) | (value & 1) << bit.shift;
                self.unit_write(cx, bit.addr, size, unit)
            }),
            None => self.bus_write(cx, addr, size, value),
        };
        self.settle(cx, addr, result)
    }
}
