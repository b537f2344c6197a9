//! The core: instructions by the engine, exceptions between them, and what a machine sees of both.

use std::collections::{BTreeMap, BTreeSet};

use consort_core::bus::{Addr, Bus, BusError, Memory};
use consort_core::cpu::{
    Core, MapError, Region, RegionKind, RegisterInfo, Semihosting, Stop, WatchKind, Watchpoint,
};
use consort_core::time::Cycles;
use consort_core::trace::CoreEvent;

use super::config::{ConfigError, CortexMConfig};
use super::debug::{Comparator, Compared};
use super::exceptions::{FP_WORDS, Lockup};
use super::fault::Verdict;
use super::live::{Live, Port};
use super::nvic::number::{IRQ0, NMI};
use super::pace::Pace;
use super::registers::{self, Registers, THUMB};
use super::scb;
use super::system::{ResetRequest, Rest, System};
use crate::engine::{AccessKind, Engine, Exception, Exit, Options, Perms, Reg, Stop as EngineStop};
use crate::regions::Regions;
use crate::watch::{self, Watched};

/// The line number by which [`Core::set_line`] and [`Core::pulse_line`] mean NMI.
pub const NMI_LINE: u16 = u16::MAX;

/// The bytes of an instruction range that a comparator compares; the architecture leaves the widest mask to the maker.
const MOST_COMPARED: u32 = 1 << 8;

/// A Cortex-M core with its NVIC, SysTick and the other core-private peripherals.
pub struct CortexM {
    pub(super) engine: Engine,
    pub(super) system: System,
    regions: Regions,
    pub(super) now: Cycles,
    pub(super) instructions: u64,
    pace: Pace,
    /// Whether the chip's cache of code is on.
    pub(super) code_cache: bool,
    /// A reset that the trace does not know of yet.
    pub(super) unreported_reset: bool,
    breakpoints: BTreeSet<Addr>,
    watched: Watched,
    /// The guest's own: DWT comparators of instructions, as breakpoints of the engine, and of data.
    matching: BTreeMap<Addr, u8>,
    comparing: Vec<(u8, u64, u64, AccessKind)>,
    /// The chip's, and which of them were touched.
    chip_watches: Watched,
    touched: u32,
    /// The breakpoint that the last run stopped at, by instruction count and address: the next one passes it.
    passing: Option<(u64, Addr)>,
}

impl CortexM {
    /// Builds a core; it has no memory yet, and must be reset once it has.
    pub fn new(config: CortexMConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let options = Options {
            mpu_regions: config.mpu_regions,
            priority_bits: config.priority_bits,
            ..Options::default()
        };
        let mut engine = Engine::new(config.model.isa(), options)?;
        let pace = Pace::new(config.model, config.timing.as_ref());
        engine.set_timing(pace.instructions());
        let mut core = Self {
            engine,
            system: System::new(config),
            regions: Regions::default(),
            now: Cycles(0),
            instructions: 0,
            pace,
            code_cache: false,
            unreported_reset: false,
            breakpoints: BTreeSet::new(),
            watched: Watched::default(),
            matching: BTreeMap::new(),
            comparing: Vec::new(),
            chip_watches: Watched::default(),
            touched: 0,
            passing: None,
        };
        core.reset_registers();
        Ok(core)
    }

    /// Every register to a fixed value; the architecture leaves most of them UNKNOWN.
    fn reset_registers(&mut self) {
        self.engine.reset();
        self.engine.set(Reg::XPSR, THUMB);
        for n in 0..13 {
            self.engine.set(Reg::r(n), 0);
        }
        for reg in [Reg::CONTROL, Reg::PRIMASK, Reg::BASEPRI, Reg::FAULTMASK, Reg::MSP, Reg::PSP] {
            self.engine.set(reg, 0);
        }
        self.engine.set(Reg::LR, u32::MAX);
        self.engine.set(Reg::EXCLUSIVE_ADDRESS, u32::MAX);
        if self.system.config.is_v8() {
            self.engine.set(Reg::MSPLIM, 0);
            self.engine.set(Reg::PSPLIM, 0);
        }
        if self.system.config.has_fpu() {
            for n in 0..32 {
                self.engine.set(Reg::s(n), 0);
            }
            self.engine.set(Reg::FPSCR, 0);
            self.engine.set(Reg::FPCCR, scb::fpccr::ASPEN | scb::fpccr::LSPEN);
            self.engine.set(Reg::FPCAR, 0);
            self.engine.set(Reg::FPDSCR, 0);
        }
        self.engine.set(Reg::CPACR, 0);
        self.system.load_into(&mut self.engine);
    }

    /// Reset of the core alone (DDI 0403 B1.5.5).
    fn local_reset(&mut self) {
        self.system.reset();
        self.reset_registers();
        let mut vectors = [0; 8];
        let table = u64::from(self.system.scb.vtor);
        if Memory::read(self, table, &mut vectors).is_err() {
            self.system.rest = Some(Rest::Lockup { pc: 0 });
        } else {
            let [sp, pc] = [0, 4].map(|at| {
                u32::from_le_bytes([vectors[at], vectors[at + 1], vectors[at + 2], vectors[at + 3]])
            });
            self.engine.set(Reg::MSP, sp & !3);
            self.engine.set(Reg::XPSR, if pc & 1 != 0 { THUMB } else { 0 });
            self.engine.set(Reg::PC, pc & !1);
        }
        self.unreported_reset = true;
        self.passing = None;
    }

    /// Prices instructions with the cache of code on or off.
    pub(super) fn switch_code_cache(&mut self, on: bool) {
        if self.code_cache == on {
            return;
        }
        self.code_cache = on;
        if self.pace.set_code_cache(self.system.config.timing.as_ref(), on) {
            self.engine.set_timing(self.pace.instructions());
        }
    }

    /// The core between two instructions, and what is private to it.
    fn live<'a>(&'a mut self, bus: &'a mut dyn Bus) -> (&'a mut System, Live<'a>) {
        let live = Live {
            engine: &mut self.engine,
            regions: &self.regions,
            bus,
            now: self.now,
            attention: false,
            watches: &self.chip_watches,
            touched: &mut self.touched,
        };
        (&mut self.system, live)
    }

    fn lock_up(&mut self, bus: &mut dyn Bus) {
        let pc = self.engine.get(Reg::PC);
        self.system.rest = Some(Rest::Lockup { pc });
        bus.note(self.now, CoreEvent::Lockup { pc: u64::from(pc) });
    }

    /// The one loop: exceptions, then instructions up to the next point where something can happen. With `single`
    /// it ends after one exception entry or one instruction.
    fn go(&mut self, bus: &mut dyn Bus, until: Cycles, single: bool) -> Stop {
        if std::mem::take(&mut self.unreported_reset) {
            bus.note(self.now, CoreEvent::Reset);
            if let Some(Rest::Lockup { pc }) = self.system.rest {
                bus.note(self.now, CoreEvent::Lockup { pc: u64::from(pc) });
            }
        }
        loop {
            self.system.tick(self.now);
            self.system.notice_pending();
            if self.now >= until {
                return Stop::Reached;
            }
            if let Some(rest) = self.system.rest {
                if !self.system.would_wake(&self.engine) {
                    return if matches!(rest, Rest::Lockup { .. }) { Stop::Lockup } else { Stop::Idle };
                }
                if rest == Rest::WaitForEvent {
                    self.system.event = false;
                }
                if !matches!(rest, Rest::Lockup { .. }) {
                    self.system.rest = None;
                    bus.note(self.now, CoreEvent::Wake);
                }
            }
            if self.system.stacking.is_none() {
                let entry = |words| self.now + self.pace.entry(words, self.stack().wrapping_sub(4));
                self.system.stacking = self.system.stacks(&self.engine).map(entry);
            }
            if let Some(stacked) = self.system.stacking {
                // Stacking does not depend on the exception. The one that is most urgent at its end is taken, be it one
                // that arrived late (DDI 0337I 3.9).
                if self.now < stacked {
                    self.now = stacked.min(until).min(self.system.systick.deadline().max(self.now + 1));
                    continue;
                }
                self.system.stacking = None;
                let (system, mut live) = self.live(bus);
                match (system.take(&mut live), live.attention) {
                    (Ok(taken), attention) if taken && (single || attention) => return Stop::Reached,
                    (Ok(_), _) => continue,
                    (Err(Lockup), _) => {
                        self.lock_up(bus);
                        return Stop::Lockup;
                    }
                }
            }
            if let Some(stop) = self.execute(bus, until, single) {
                return stop;
            }
        }
    }

    /// Runs the engine once, and judges why it stopped.
    fn execute(&mut self, bus: &mut dyn Bus, until: Cycles, single: bool) -> Option<Stop> {
        let at_breakpoint =
            !self.breakpoints.is_empty() && self.breakpoints.contains(&self.engine.reg(Reg::PC));
        if !single && at_breakpoint && self.passing != self.here() {
            self.passing = self.here();
            return Some(Stop::Breakpoint);
        }
        if let Some(comparators) = self.system.debug.take_changed() {
            self.compare(&comparators);
        }
        // An instruction that a comparator matches is executed alone: the event comes after it.
        let matching = match self.matching.is_empty() {
            true => 0,
            false => self.matching.get(&self.engine.reg(Reg::PC)).copied().unwrap_or(0),
        };
        let end = until.min(self.system.systick.deadline());
        // No instruction takes less than a cycle.
        let alone = single || matching != 0;
        let budget = if alone { 1 } else { end.since(self.now).max(1) };
        self.engine.watch_unmask(self.system.nvic.is_masked_only());
        let mut port = Port {
            system: &mut self.system,
            regions: &self.regions,
            buses: self.pace.buses(),
            bus: &mut *bus,
            start: self.now,
            attention: false,
        };
        let Exit { executed, cycles, stop } = self.engine.run(&mut port, budget);
        let attention = port.attention;
        self.count(executed, Cycles(cycles));
        let matched = if executed != 0 { matching } else { 0 } | (self.engine.watched() >> 1) as u8;
        if matched != 0 {
            self.system.comparators_match(matched, &self.engine);
        }
        self.touched |= self.engine.watched() >> watch::CHIP;
        let attention = attention || self.touched != 0;
        let stop = match stop {
            EngineStop::Budget if executed == 0 => {
                Some(Stop::Unimplemented("the engine made no progress".into()))
            }
            EngineStop::Budget | EngineStop::Requested | EngineStop::Unmasked | EngineStop::Yield => None,
            EngineStop::Sev => {
                self.system.event = true;
                None
            }
            EngineStop::Wfi => self.sleep(bus, Rest::WaitForInterrupt),
            EngineStop::Wfe if self.system.event => {
                self.system.event = false;
                None
            }
            EngineStop::Wfe => self.sleep(bus, Rest::WaitForEvent),
            // The engine passes a breakpoint only after it stopped there itself: ask again.
            EngineStop::Breakpoint if single || self.passing == self.here() => return None,
            EngineStop::Breakpoint if !self.breakpoints.contains(&self.engine.reg(Reg::PC)) => None,
            EngineStop::Breakpoint => {
                self.passing = self.here();
                Some(Stop::Breakpoint)
            }
            EngineStop::Watchpoint { .. } if self.engine.watched() & 1 == 0 => None,
            EngineStop::Watchpoint { address, access, .. } => {
                let kind = if access == AccessKind::Write { WatchKind::Write } else { WatchKind::Read };
                Some(Stop::Watchpoint { addr: address, kind })
            }
            EngineStop::Exception(exception) => self.except(bus, exception),
        };
        match self.system.reset_request.take() {
            None => {}
            Some(ResetRequest::System) => return Some(Stop::ResetRequest),
            Some(ResetRequest::Local) => {
                self.local_reset();
                return Some(Stop::Reached);
            }
        }
        stop.or((attention || single).then_some(Stop::Reached))
    }

    fn stack(&self) -> u32 {
        self.engine.get(Reg::SP)
    }

    /// Gives the engine the guest's comparators instead of those before.
    fn compare(&mut self, comparators: &[Comparator]) {
        for (slot, addr, len, access) in self.comparing.drain(..) {
            self.engine.remove_watchpoint(slot, addr, len, access);
        }
        let before = std::mem::take(&mut self.matching);
        for Comparator { number, compared, base, size } in comparators {
            match compared {
                Compared::Instruction => {
                    for addr in (*base..=base.saturating_add(size.min(&MOST_COMPARED) - 1)).step_by(2) {
                        *self.matching.entry(u64::from(addr & !1)).or_default() |= 1 << number;
                    }
                }
                Compared::Data { read, write } => {
                    for (_, access) in
                        [(read, AccessKind::Read), (write, AccessKind::Write)].iter().filter(|(on, _)| **on)
                    {
                        let (slot, addr, len) = (number + 1, u64::from(*base), u64::from(*size));
                        self.engine.add_watchpoint(slot, addr, len, *access);
                        self.comparing.push((slot, addr, len, *access));
                    }
                }
            }
        }
        for addr in
            before.keys().filter(|addr| !self.matching.contains_key(addr) && !self.breakpoints.contains(addr))
        {
            self.engine.remove_breakpoint(*addr);
        }
        for addr in
            self.matching.keys().filter(|addr| !before.contains_key(addr) && !self.breakpoints.contains(addr))
        {
            self.engine.add_breakpoint(*addr);
        }
    }

    /// The present instant, as breakpoints need it.
    fn here(&self) -> Option<(u64, Addr)> {
        Some((self.instructions, self.engine.reg(Reg::PC)))
    }

    fn count(&mut self, executed: u64, cycles: Cycles) {
        self.instructions += executed;
        self.now += cycles.0;
        self.system.tick(self.now);
    }

    fn sleep(&mut self, bus: &mut dyn Bus, rest: Rest) -> Option<Stop> {
        self.system.rest = Some(rest);
        if self.system.would_wake(&self.engine) {
            self.system.rest = None;
        } else {
            bus.note(self.now, CoreEvent::Sleep);
        }
        None
    }

    /// An exception that the engine stopped for.
    fn except(&mut self, bus: &mut dyn Bus, exception: Exception) -> Option<Stop> {
        let verdict = self.system.judge(exception, &self.engine);
        let (done, attention) = match verdict {
            Ok(Verdict::Pending) => (Ok(()), false),
            Ok(Verdict::Return(value)) => {
                let stack = self.stack();
                let (system, mut live) = self.live(bus);
                let (moved, attention) = (system.exception_return(&mut live, value), live.attention);
                self.now += moved.map_or(0, |words| self.pace.exit(words, stack));
                (moved.map(|_| ()), attention)
            }
            Ok(Verdict::PreserveFp) => {
                let (system, mut live) = self.live(bus);
                let (done, attention) = (system.preserve_fp(&mut live), live.attention);
                self.now += self.pace.lazy_stacking(FP_WORDS, self.engine.get(Reg::FPCAR));
                (done, attention)
            }
            Ok(Verdict::Semihosting) => return Some(Stop::Semihosting),
            Ok(Verdict::Unknown(why)) => return Some(Stop::Unimplemented(why)),
            Err(lockup) => (Err(lockup), false),
        };
        if done.is_err() {
            self.lock_up(bus);
            return Some(Stop::Lockup);
        }
        if let Some(rest) = self.system.rest.take() {
            return self.sleep(bus, rest); // SLEEPONEXIT
        }
        attention.then_some(Stop::Reached)
    }

    /// A run from here stops at a breakpoint at once.
    pub(super) fn forget_breakpoint(&mut self) {
        self.passing = None;
    }

    fn line(&mut self, irq: u16) -> u16 {
        if irq == NMI_LINE { NMI } else { irq.saturating_add(IRQ0) }
    }
}

impl Memory for CortexM {
    fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
        self.regions.check(addr, out.len())?;
        self.engine.read_memory(addr, out).map_err(|_| BusError::Unmapped(addr))
    }

    fn write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        self.regions.check(addr, data.len())?;
        self.engine.write_memory(addr, data).map_err(|_| BusError::Unmapped(addr))
    }
}

impl Core for CortexM {
    fn model(&self) -> &'static str {
        self.system.config.model.name()
    }

    fn map(&mut self, region: Region) -> Result<(), MapError> {
        let Region { base, size, kind } = region;
        let beyond = base.checked_add(size).is_none_or(|end| end > 1 << 32);
        let result = if beyond {
            Err("it ends beyond the address space".to_owned())
        } else {
            match kind {
                RegionKind::Ram => self.engine.map_ram(base, size, Perms::Rwx),
                RegionKind::Rom => self.engine.map_ram(base, size, Perms::Rx),
                RegionKind::Alias { target } => self.engine.map_alias(base, target, size),
            }
            .map_err(|error| error.to_string())
        };
        match result {
            Ok(()) => {
                self.regions.add(region);
                Ok(())
            }
            Err(why) => Err(MapError { base, size, why }),
        }
    }

    fn memory(&self) -> &dyn Memory {
        self
    }

    fn memory_mut(&mut self) -> &mut dyn Memory {
        self
    }

    fn peek_private(&self, addr: Addr) -> Option<u32> {
        let offset = System::private_offset(u32::try_from(addr).ok()?)?;
        Some(self.system.peek(offset & !3, self.now, &self.engine))
    }

    fn reset(&mut self) {
        self.switch_code_cache(false);
        self.local_reset();
    }

    fn set_code_cache(&mut self, on: bool) {
        self.switch_code_cache(on);
    }

    fn now(&self) -> Cycles {
        self.now
    }

    fn instructions(&self) -> u64 {
        self.instructions
    }

    fn run(&mut self, bus: &mut dyn Bus, until: Cycles) -> Stop {
        self.go(bus, until, false)
    }

    fn step(&mut self, bus: &mut dyn Bus) -> Stop {
        self.go(bus, Cycles::MAX, true)
    }

    fn is_idle(&self) -> bool {
        self.system.rest.is_some() && !self.system.would_wake(&self.engine)
    }

    fn is_locked_up(&self) -> bool {
        matches!(self.system.rest, Some(Rest::Lockup { .. }))
    }

    fn deadline(&self) -> Cycles {
        self.system.idle_deadline()
    }

    fn skip_to(&mut self, cycle: Cycles) {
        self.now = self.now.max(cycle);
        self.system.tick(self.now);
    }

    fn set_line(&mut self, irq: u16, level: bool) {
        let n = self.line(irq);
        self.system.nvic.set_level(n, level);
        self.system.notice_pending();
    }

    fn pulse_line(&mut self, irq: u16) {
        let n = self.line(irq);
        self.system.nvic.pend(n);
        self.system.notice_pending();
    }

    fn semihosting(&self) -> Semihosting {
        Semihosting { op: self.engine.reg(Reg::r(0)), parameter: self.engine.reg(Reg::r(1)), word: 4 }
    }

    fn finish_semihosting(&mut self, result: u64) {
        self.engine.set(Reg::r(0), result as u32);
        let pc = self.engine.get(Reg::PC);
        self.engine.set(Reg::PC, pc.wrapping_add(2));
        self.count(1, Cycles(1));
    }

    fn registers(&self) -> &'static [RegisterInfo] {
        registers::table(self.system.is_mainline(), self.system.config.has_fpu())
    }

    fn register(&self, index: usize) -> Option<u128> {
        let config = &self.system.config;
        let reg = registers::engine_register(config.model.is_mainline(), config.has_fpu(), index)?;
        Some(u128::from(self.engine.reg(reg)))
    }

    fn set_register(&mut self, index: usize, value: u128) -> bool {
        let config = &self.system.config;
        let reg = registers::engine_register(config.model.is_mainline(), config.has_fpu(), index);
        let Some(reg) = reg else { return false };
        let bits = self.registers().get(index).map_or(32, |info| info.bits);
        let value = if bits == 64 { value as u64 } else { u64::from(value as u32) };
        match reg {
            Reg::PC => self.engine.set_reg(reg, value & !1),
            Reg::SP | Reg::MSP | Reg::PSP => self.engine.set_reg(reg, value & !3),
            _ => self.engine.set_reg(reg, value),
        }
        true
    }

    fn pc(&self) -> Addr {
        self.engine.reg(Reg::PC)
    }

    fn exception(&self) -> u16 {
        self.engine.ipsr()
    }

    fn set_breakpoints(&mut self, at: &[Addr]) {
        let new: BTreeSet<Addr> = at.iter().map(|addr| addr & !1).collect();
        for addr in self.breakpoints.difference(&new).filter(|addr| !self.matching.contains_key(addr)) {
            self.engine.remove_breakpoint(*addr);
        }
        for addr in new.difference(&self.breakpoints).filter(|addr| !self.matching.contains_key(addr)) {
            self.engine.add_breakpoint(*addr);
        }
        self.breakpoints = new;
    }

    fn set_chip_watches(&mut self, at: &[Watchpoint]) {
        self.chip_watches.set_each(&mut self.engine, at);
        self.touched = 0;
    }

    fn take_touched(&mut self) -> u32 {
        std::mem::take(&mut self.touched)
    }

    fn set_watchpoints(&mut self, at: &[Watchpoint]) {
        self.watched.set(&mut self.engine, at);
    }
}
