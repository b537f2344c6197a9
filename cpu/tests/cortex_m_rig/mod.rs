//! A machine just large enough to test a core: MPS2's memory, a UART that only writes, a block that drives
//! interrupt lines.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "test code")]

pub mod code;
pub mod program;

use std::collections::BTreeMap;

use consort_core::bus::{Addr, Bus, BusError, Memory, Width};
use consort_core::cpu::{Core, Region, RegionKind, Stop};
use consort_core::time::Cycles;
use consort_core::trace::CoreEvent;
use consort_cpu::cortex_m::{CortexM, CortexMConfig, Model, Reference};

/// UART0 of the MPS2: writing its first register prints a byte.
pub const UART: u64 = 0x4000_4000;
/// The line block: `line | level << 8` drives a line at once, `line | 2 << 8` pulses it.
pub const LINES: u64 = 0x4001_F000;
/// A word of this block makes line 3 high after as many cycles.
pub const ALARM: u64 = 0x4001_F004;
/// Plain registers: words that keep what is written.
pub const WORDS: u64 = 0x4001_F100;

/// A CMSDK timer, as far as the conformance images measure time by it.
#[derive(Default)]
struct Timer {
    ctrl: u32,
    reload: u32,
    /// The value at cycle `anchor`.
    value: u32,
    anchor: u64,
    pending: bool,
}

impl Timer {
    fn deadline(&self) -> u64 {
        match (self.ctrl & 1, self.value, self.reload) {
            (0, ..) | (_, 0, 0) => u64::MAX,
            (_, 0, reload) => self.anchor + u64::from(reload) + 1,
            (_, value, _) => self.anchor + u64::from(value),
        }
    }

    fn advance(&mut self, at: u64) {
        while self.deadline() <= at {
            (self.anchor, self.value) = (self.deadline(), 0);
            self.pending |= self.ctrl & 8 != 0;
        }
        if self.ctrl & 1 != 0 && at > self.anchor {
            let gone = at - self.anchor;
            self.value = match (self.value, self.reload) {
                (0, 0) => 0,
                (0, reload) => reload - (gone as u32 - 1),
                (value, _) => value - gone as u32,
            };
        }
        self.anchor = at;
    }

    fn read(&self, offset: u64) -> u32 {
        match offset {
            0 => self.ctrl,
            4 => self.value,
            8 => self.reload,
            0xC => u32::from(self.pending),
            _ => 0,
        }
    }

    fn write(&mut self, offset: u64, value: u32) {
        match offset {
            0 => self.ctrl = value & 0xF,
            4 => self.value = value,
            8 => (self.reload, self.value) = (value, value),
            0xC if value & 1 != 0 => self.pending = false,
            _ => {}
        }
    }
}

/// What the bus did and still has to do.
#[derive(Default)]
pub struct TestBus {
    timers: [Timer; 2],
    pub uart: Vec<u8>,
    pub notes: Vec<(u64, CoreEvent)>,
    pub accesses: Vec<(u64, Addr, bool)>,
    pub words: BTreeMap<Addr, u32>,
    /// Line changes that the last access asked for.
    changes: Vec<(u16, u8)>,
    pub alarm: Option<u64>,
    attention: bool,
    /// Keeps `accesses`.
    pub log: bool,
}

impl Bus for TestBus {
    fn read(&mut self, at: Cycles, addr: Addr, _: Width, _: &mut dyn Memory) -> Result<u64, BusError> {
        self.attention = false;
        if self.log {
            self.accesses.push((at.0, addr, false));
        }
        match addr {
            0x4000_0000..0x4000_2000 => {
                let timer = &mut self.timers[(addr >> 12 & 1) as usize];
                timer.advance(at.0);
                Ok(u64::from(timer.read(addr & 0xFFF)))
            }
            0x4000_2000..0x4000_E000 => Ok(0),
            WORDS..0x4001_F200 | 0x4002_8000..0x4002_9000 => {
                Ok(u64::from(self.words.get(&addr).copied().unwrap_or(0)))
            }
            _ => Err(BusError::Unmapped(addr)),
        }
    }

    fn write(
        &mut self,
        at: Cycles,
        addr: Addr,
        _: Width,
        value: u64,
        _: &mut dyn Memory,
    ) -> Result<(), BusError> {
        self.attention = false;
        if self.log {
            self.accesses.push((at.0, addr, true));
        }
        match addr {
            UART => self.uart.push(value as u8),
            LINES => {
                self.changes.push((value as u8 as u16, (value >> 8) as u8));
                self.attention = true;
            }
            ALARM => {
                self.alarm = Some(at.0 + value);
                self.attention = true;
            }
            0x4000_0000..0x4000_2000 => {
                let timer = &mut self.timers[(addr >> 12 & 1) as usize];
                timer.advance(at.0);
                timer.write(addr & 0xFFF, value as u32);
                self.attention = true;
            }
            0x4000_2000..0x4000_E000 => {}
            WORDS..0x4001_F200 | 0x4002_8000..0x4002_9000 => {
                self.words.insert(addr, value as u32);
            }
            _ => return Err(BusError::Unmapped(addr)),
        }
        Ok(())
    }

    fn attention(&self) -> bool {
        self.attention
    }

    fn note(&mut self, at: Cycles, event: CoreEvent) {
        self.notes.push((at.0, event));
    }
}

/// A core on its test board.
pub struct Rig {
    pub core: CortexM,
    pub bus: TestBus,
}

pub fn config(model: Model) -> CortexMConfig {
    CortexMConfig {
        systick_reference: Some(Reference { cycles: 25, ticks: 1 }),
        ..CortexMConfig::new(model, 32)
    }
}

impl Rig {
    pub fn new(model: Model) -> Self {
        Self::with(config(model))
    }

    pub fn with(config: CortexMConfig) -> Self {
        let mut core = CortexM::new(config).unwrap();
        for (base, size, kind) in [
            (0, 0x40_0000, RegionKind::Ram),
            (0x40_0000, 0x40_0000, RegionKind::Alias { target: 0 }),
            (0x2000_0000, 0x40_0000, RegionKind::Ram),
            (0x2040_0000, 0x40_0000, RegionKind::Alias { target: 0x2000_0000 }),
            (0x2100_0000, 0x10_0000, RegionKind::Ram),
            (0x3000_0000, 0x1000, RegionKind::Rom),
        ] {
            core.map(Region { base, size, kind }).unwrap();
        }
        Self { core, bus: TestBus::default() }
    }

    /// Puts a little-endian image at an address.
    pub fn load(&mut self, at: u64, bytes: &[u8]) {
        self.core.memory_mut().write(at, bytes).unwrap();
    }

    pub fn load_words(&mut self, at: u64, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.load(at, &bytes);
    }

    pub fn load_halves(&mut self, at: u64, halves: &[u16]) {
        let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        self.load(at, &bytes);
    }

    /// Loads a 32-bit little-endian ELF's segments at their physical addresses.
    pub fn load_elf(&mut self, elf: &[u8]) {
        let word = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().unwrap()) as usize;
        let half = |at: usize| usize::from(u16::from_le_bytes([elf[at], elf[at + 1]]));
        for header in (0..half(44)).map(|n| word(28) + n * half(42)) {
            if word(header) == 1 {
                let (offset, address, size) = (word(header + 4), word(header + 12), word(header + 16));
                self.load(address as u64, &elf[offset..offset + size]);
            }
        }
    }

    /// A vector table at 0 whose handlers are given by exception number; others lead to 0xFFFFFFFF.
    pub fn vectors(&mut self, sp: u32, vectors: &[(u16, u32)]) {
        self.load_words(0, &[0xFFFF_FFFF; 80]);
        self.load_words(0, &[sp]);
        for (n, handler) in vectors {
            self.load_words(4 * u64::from(*n), &[handler | 1]);
        }
    }

    pub fn word(&self, at: u64) -> u32 {
        let mut bytes = [0; 4];
        self.core.memory().read(at, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }

    pub fn register(&self, name: &str) -> u32 {
        let index = self.core.registers().iter().position(|info| info.name == name).unwrap();
        self.core.register(index).unwrap() as u32
    }

    /// Everything that happens at the present cycle because of the bus.
    fn settle(&mut self) {
        let now = self.core.now().0;
        for (line, change) in std::mem::take(&mut self.bus.changes) {
            match change {
                2 => self.core.pulse_line(line),
                level => self.core.set_line(line, level == 1),
            }
        }
        for (line, timer) in (8..).zip(&mut self.bus.timers) {
            timer.advance(now);
            self.core.set_line(line, timer.pending);
        }
        if self.bus.alarm.is_some_and(|at| at <= now) {
            self.bus.alarm = None;
            self.core.set_line(3, true);
        }
    }

    /// Runs to `until` as a machine does: up to each event, on through sleep. Comes back early for a stop that
    /// needs someone.
    pub fn run(&mut self, until: u64) -> Stop {
        loop {
            self.settle();
            let timers = self.bus.timers.iter().map(Timer::deadline).min().unwrap();
            let event = self.bus.alarm.unwrap_or(u64::MAX).min(timers).min(until);
            if self.core.is_idle() {
                let next = self.core.deadline().0.min(event);
                self.core.skip_to(Cycles(next.max(self.core.now().0).min(until)));
                if next >= until {
                    return if self.core.is_locked_up() { Stop::Lockup } else { Stop::Idle };
                }
                continue;
            }
            if self.core.now().0 >= until {
                return Stop::Reached;
            }
            match self.core.run(&mut self.bus, Cycles(event)) {
                Stop::Reached | Stop::Idle | Stop::Lockup => {}
                stop => return stop,
            }
        }
    }

    /// One step as a debugger makes it, with what the bus has to do at its cycle; a stop that needs someone.
    pub fn step(&mut self) -> Option<Stop> {
        self.settle();
        if self.core.is_idle() {
            return Some(Stop::Idle);
        }
        match self.core.step(&mut self.bus) {
            Stop::Reached => None,
            stop => Some(stop),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bus.uart).into_owned()
    }
}
