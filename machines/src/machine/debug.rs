//! The debugger's door to a machine.

use consort_core::cpu::{RegionKind, RegisterInfo, Watchpoint};
use consort_core::device::{Debug, Interrupt, Occasions, PeripheralView, Ran};
use consort_core::{Addr, BusError, Cycles, Time, Width};

use super::Machine;

/// The smallest page of any core: translations hold for so many bytes.
const PAGE: u64 = 4096;

/// How many of `len` bytes at `addr` lie in one page.
fn in_page(addr: Addr, len: usize) -> usize {
    len.min((PAGE - addr % PAGE) as usize)
}

impl Machine {
    /// A debugger's write to physical memory or registers.
    fn put(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        if self.core.memory_mut().write(addr, data).is_ok() {
            return Ok(());
        }
        let width =
            u32::try_from(data.len()).ok().and_then(Width::from_bytes).ok_or(BusError::Refused(addr))?;
        let value = data.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let now = self.time();
        self.bus.debug_write(now, addr, width, value, self.core.memory_mut())?;
        self.apply_irqs();
        Ok(())
    }

    /// One byte without side effects: memory, then a peripheral's or the core's own register.
    fn peek(&self, addr: Addr) -> Result<u8, BusError> {
        let mut byte = [0];
        if self.core.memory().read(addr, &mut byte).is_ok() {
            return Ok(byte[0]);
        }
        let word = self.core.peek_private(addr & !3).or_else(|| {
            let (block, offset) = self.bus.block_at(addr)?;
            self.bus.blocks[block].model.peek(offset & !3, self.time())
        });
        word.map(|word| word.to_le_bytes()[(addr & 3) as usize]).ok_or(BusError::Unmapped(addr))
    }
}

impl Debug for Machine {
    fn core(&self) -> &'static str {
        self.core.model()
    }

    fn registers(&self) -> &'static [RegisterInfo] {
        self.core.registers()
    }

    fn register(&self, index: usize) -> Option<u128> {
        self.core.register(index)
    }

    fn set_register(&mut self, index: usize, value: u128) -> bool {
        self.core.set_register(index, value)
    }

    fn pc(&self) -> Addr {
        self.core.pc()
    }

    fn read(&self, mut addr: Addr, mut out: &mut [u8]) -> Result<(), BusError> {
        while !out.is_empty() {
            let count = in_page(addr, out.len());
            let (piece, rest) = out.split_at_mut(count);
            let at = self.core.physical(addr);
            if self.core.memory().read(at, piece).is_err() {
                for (byte, offset) in piece.iter_mut().zip(0..) {
                    *byte = self.peek(at.wrapping_add(offset))?;
                }
            }
            addr = addr.wrapping_add(piece.len() as u64);
            out = rest;
        }
        Ok(())
    }

    fn write(&mut self, mut addr: Addr, mut data: &[u8]) -> Result<(), BusError> {
        while !data.is_empty() {
            let (piece, rest) = data.split_at(in_page(addr, data.len()));
            self.put(self.core.physical(addr), piece)?;
            addr = addr.wrapping_add(piece.len() as u64);
            data = rest;
        }
        Ok(())
    }

    fn set_breakpoints(&mut self, at: &[Addr]) {
        self.core.set_breakpoints(at);
    }

    fn set_watchpoints(&mut self, at: &[Watchpoint]) {
        self.core.set_watchpoints(at);
    }

    fn step(&mut self, end: Time) -> Ran {
        let end: Cycles = self.clock.first_at(end);
        self.advance(end, Some(1))
    }

    fn set_occasions(&mut self, occasions: Occasions) {
        self.occasions = occasions;
        self.was_reset &= occasions.resets;
    }

    fn finish_call(&mut self, answer: Option<(u64, u32)>) {
        match answer {
            Some((result, errno)) => {
                self.semihosting.answered(errno);
                self.core.finish_semihosting(result);
            }
            None => self.semihosting_call(),
        }
        self.obey();
        self.apply_irqs();
    }

    fn edition(&self) -> u64 {
        self.edition
    }

    fn memory_map(&self) -> Vec<(Addr, u64, bool)> {
        self.regions.iter().map(|region| (region.base, region.size, region.kind != RegionKind::Rom)).collect()
    }

    fn peripherals(&self) -> Vec<PeripheralView> {
        let now = self.time();
        let views = self.bus.blocks.iter().zip(&self.bus.nodes).map(|(block, node)| PeripheralView {
            name: node.name.clone(),
            base: block.base,
            registers: block
                .model
                .registers()
                .iter()
                .map(|register| (register, block.model.peek(register.offset, now)))
                .collect(),
        });
        views.collect()
    }

    fn symbol_at(&self, addr: Addr) -> Option<(&str, u64)> {
        self.symbols().at(addr).map(|(symbol, offset)| (symbol.name.as_str(), offset))
    }

    fn symbol_named(&self, name: &str) -> Option<(Addr, u64)> {
        self.symbols().named(name).map(|symbol| (symbol.addr, symbol.size))
    }

    fn find_symbols(&self, text: &str, most: usize) -> Vec<(&str, Addr, u64)> {
        let wanted = text.to_lowercase();
        let found = self.symbols().iter().filter_map(|symbol| {
            let at = symbol.name.to_lowercase().find(&wanted)?;
            Some((at > 0, symbol.name.len(), symbol))
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|(inside, length, symbol)| (*inside, *length, symbol.addr));
        found
            .into_iter()
            .take(most)
            .map(|(_, _, symbol)| (symbol.name.as_str(), symbol.addr, symbol.size))
            .collect()
    }

    fn interrupts(&self) -> Vec<Interrupt> {
        self.interrupt_list()
    }
}
