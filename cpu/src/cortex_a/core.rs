//! The core: instructions and exceptions by the engine, and between them what a machine sees.

use std::collections::BTreeSet;

use consort_core::bus::{Addr, Bus, BusError, Memory};
use consort_core::cpu::{
    Core, MapError, Region, RegionKind, RegisterInfo, Semihosting, Stop, WatchKind, Watchpoint,
};
use consort_core::time::Cycles;
use consort_core::trace::CoreEvent;
use serde::{Deserialize, Serialize};

use super::COUNTER_HZ;
use super::config::{ConfigError, CortexAConfig};
use super::gic::{self, Gic};
use super::live::{Port, Private};
use super::psci::{self, Answer};
use super::registers::{self, Name};
use super::timer::Timers;
use super::walk::Tables;
use crate::engine::{AccessKind, Engine, Exception, Exit, Options, Perms, Reg, Stop as EngineStop};
use crate::regions::Regions;
use crate::watch::Watched;

/// What a core waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Rest {
    /// WFI.
    Interrupt,
    /// WFE, until this cycle at the latest: the architecture lets an event come at any time, and the event stream
    /// that guests rely on (CNTKCTL_EL1.EVNTEN) brings one about as often.
    Event(Cycles),
    /// PSCI CPU_SUSPEND.
    Suspend,
}

/// The engine's numbers of the instructions that reach firmware.
const HVC: u32 = 11;
const SMC: u32 = 13;

/// How often WFE wakes by itself: every 100 us.
const EVENTS_PER_SECOND: u64 = 10_000;

/// Space for translated code: a Linux kernel and its programs are larger than a microcontroller's firmware.
const TRANSLATION_BUFFER: usize = 256 << 20;

/// A Cortex-A core with its GIC and generic timers.
pub struct CortexA {
    pub(super) engine: Engine,
    pub(super) config: CortexAConfig,
    pub(super) private: Private,
    regions: Regions,
    pub(super) now: Cycles,
    pub(super) instructions: u64,
    pub(super) rest: Option<Rest>,
    /// The event register of WFE.
    pub(super) event: bool,
    /// A reset that the trace does not know of yet.
    pub(super) unreported_reset: bool,
    breakpoints: BTreeSet<Addr>,
    watched: Watched,
    /// The breakpoint that the last run stopped at, by instruction count and address: the next one passes it.
    passing: Option<(u64, Addr)>,
}

impl CortexA {
    /// Builds a core; it has no memory yet, and must be reset once it has.
    pub fn new(config: CortexAConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let options = Options {
            translation_buffer: TRANSLATION_BUFFER,
            mpu_regions: 0,
            hypervisor: config.hypervisor,
            ..Options::default()
        };
        let mut engine = Engine::new(config.model.isa(), options)?;
        engine.set_timing(config.timing.then(|| config.model.timing()));
        let private =
            Private { gic: Gic::new(config.interrupts), timers: Timers::new(config.clock), lines: 0 };
        let mut core = Self {
            engine,
            private,
            regions: Regions::default(),
            now: Cycles(0),
            instructions: 0,
            rest: None,
            event: false,
            unreported_reset: false,
            breakpoints: BTreeSet::new(),
            watched: Watched::default(),
            passing: None,
            config,
        };
        core.engine.reset();
        Ok(core)
    }

    fn pc_reg(&self) -> Reg {
        if self.config.model.is_64() { Reg::PC64 } else { Reg::PC }
    }

    /// The `n`th general register.
    fn general(&self, n: u8) -> Reg {
        if self.config.model.is_64() { Reg::x(n) } else { Reg::r(n) }
    }

    /// The one loop. With `single` it ends after one instruction.
    fn go(&mut self, bus: &mut dyn Bus, until: Cycles, single: bool) -> Stop {
        if std::mem::take(&mut self.unreported_reset) {
            bus.note(self.now, CoreEvent::Reset);
        }
        loop {
            self.tick();
            if self.now >= until {
                return Stop::Reached;
            }
            if let Some(rest) = self.rest {
                if !self.would_wake() {
                    return Stop::Idle;
                }
                if rest == Rest::Suspend {
                    self.engine.set_reg(self.general(0), 0);
                }
                self.rest = None;
                bus.note(self.now, CoreEvent::Wake);
            }
            if let Some(stop) = self.execute(bus, until, single) {
                return stop;
            }
        }
    }

    /// Lets the timers know the time, and the core its interrupt lines.
    fn tick(&mut self) {
        let engine = &mut self.engine;
        self.private.timers.tick(self.now, |timer, control| engine.set_reg(Reg::timer_ctl(timer), control));
        self.settle();
    }

    fn settle(&mut self) {
        if self.private.settle() {
            self.engine.set_reg(Reg::INTERRUPTS, self.private.lines);
        }
    }

    /// Runs the engine once, and judges why it stopped.
    fn execute(&mut self, bus: &mut dyn Bus, until: Cycles, single: bool) -> Option<Stop> {
        if !single && !self.breakpoints.is_empty() && self.breakpoints.contains(&self.pc()) {
            let here = self.here();
            if self.passing != here {
                self.passing = here;
                return Some(Stop::Breakpoint);
            }
        }
        let end = until.min(self.private.timers.deadline());
        let budget = if single { 1 } else { end.since(self.now).max(1) };
        let mut port = Port {
            private: &mut self.private,
            config: &self.config,
            regions: &self.regions,
            bus: &mut *bus,
            start: self.now,
            attention: false,
        };
        let Exit { executed, cycles, stop } = self.engine.run(&mut port, budget);
        let attention = port.attention;
        self.instructions += executed;
        self.now += cycles;
        self.tick();
        let stop = match stop {
            EngineStop::Budget if executed == 0 => {
                Some(Stop::Unimplemented("the engine made no progress".into()))
            }
            EngineStop::Budget | EngineStop::Requested | EngineStop::Unmasked | EngineStop::Yield => None,
            EngineStop::Sev => {
                self.event = true;
                None
            }
            EngineStop::Wfi => self.sleep(bus, Rest::Interrupt),
            EngineStop::Wfe => {
                let most = self.config.clock / EVENTS_PER_SECOND;
                self.sleep(bus, Rest::Event(self.now + most))
            }
            // The engine passes a breakpoint only after it stopped there itself: ask again.
            EngineStop::Breakpoint if single || self.passing == self.here() => return None,
            EngineStop::Breakpoint => {
                self.passing = self.here();
                Some(Stop::Breakpoint)
            }
            EngineStop::Watchpoint { address, access, .. } => {
                let kind = if access == AccessKind::Write { WatchKind::Write } else { WatchKind::Read };
                Some(Stop::Watchpoint { addr: address, kind })
            }
            EngineStop::Exception(Exception::Other { number: HVC | SMC, .. }) => self.call(bus),
            EngineStop::Exception(other) => {
                Some(Stop::Unimplemented(format!("the engine stopped with {other:?}")))
            }
        };
        stop.or((attention || single).then_some(Stop::Reached))
    }

    /// SMC, or HVC where no hypervisor takes it: the firmware's part.
    fn call(&mut self, bus: &mut dyn Bus) -> Option<Stop> {
        let function = self.engine.reg(self.general(0)) as u32;
        match psci::call(function, self.engine.reg(self.general(1))) {
            Answer::Value(value) => {
                self.engine.set_reg(self.general(0), value as u64);
                None
            }
            Answer::Suspend => self.sleep(bus, Rest::Suspend),
            Answer::Reset => Some(Stop::ResetRequest),
            Answer::Off => Some(Stop::PowerOff),
        }
    }

    fn sleep(&mut self, bus: &mut dyn Bus, rest: Rest) -> Option<Stop> {
        self.rest = Some(rest);
        if self.would_wake() {
            self.rest = None;
            if rest == Rest::Suspend {
                self.engine.set_reg(self.general(0), 0);
            }
        } else {
            bus.note(self.now, CoreEvent::Sleep);
        }
        None
    }

    /// An interrupt that is signalled ends every rest, masked in the core or not (DDI 0487 D1.17).
    fn would_wake(&mut self) -> bool {
        if matches!(self.rest, Some(Rest::Event(_))) && std::mem::take(&mut self.event) {
            return true;
        }
        self.is_woken()
    }

    fn is_woken(&self) -> bool {
        let event = match self.rest {
            Some(Rest::Event(until)) => self.event || self.now >= until,
            _ => false,
        };
        self.private.lines != 0 || event
    }

    /// The translation tables in force; `None` with the MMU off, and in AArch32.
    fn tables(&self) -> Option<Tables> {
        if !self.config.model.is_64() {
            return None;
        }
        // SCTLR, TTBR and TCR of EL2 or EL1 differ in op1.
        let is_el2 = self.engine.reg(Reg::PSTATE) >> 2 & 3 == 2;
        let op1 = if is_el2 { 4 } else { 0 };
        let register = |crn, op2| self.engine.reg(Reg::system(3, op1, crn, 0, op2));
        let upper = (!is_el2).then(|| register(2, 1));
        (register(1, 0) & 1 != 0)
            .then(|| Tables { control: register(2, 2), bases: [Some(register(2, 0)), upper] })
    }

    /// A doubleword of physical memory.
    fn word(&self, at: Addr) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(at, &mut bytes).ok().map(|()| u64::from_le_bytes(bytes))
    }

    /// The present instant, as breakpoints need it.
    fn here(&self) -> Option<(u64, Addr)> {
        Some((self.instructions, self.pc()))
    }

    /// A run from here stops at a breakpoint at once.
    pub(super) fn forget_breakpoint(&mut self) {
        self.passing = None;
    }
}

impl Memory for CortexA {
    fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
        self.regions.check(addr, out.len())?;
        self.engine.read_memory(addr, out).map_err(|_| BusError::Unmapped(addr))
    }

    fn write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        self.regions.check(addr, data.len())?;
        self.engine.write_memory(addr, data).map_err(|_| BusError::Unmapped(addr))
    }
}

impl Core for CortexA {
    fn model(&self) -> &'static str {
        self.config.model.name()
    }

    fn map(&mut self, region: Region) -> Result<(), MapError> {
        let Region { base, size, kind } = region;
        let result = match kind {
            RegionKind::Ram => self.engine.map_ram(base, size, Perms::Rwx),
            RegionKind::Rom => self.engine.map_ram(base, size, Perms::Rx),
            RegionKind::Alias { target } => self.engine.map_alias(base, target, size),
        };
        result.map_err(|error| MapError { base, size, why: error.to_string() })?;
        self.regions.add(region);
        Ok(())
    }

    fn memory(&self) -> &dyn Memory {
        self
    }

    fn memory_mut(&mut self) -> &mut dyn Memory {
        self
    }

    fn physical(&self, addr: Addr) -> Addr {
        self.tables().and_then(|tables| tables.physical(addr, |at| self.word(at))).unwrap_or(addr)
    }

    fn peek_private(&self, addr: Addr) -> Option<u32> {
        self.private.peek(&self.config, addr)
    }

    fn gic(&self) -> Option<Addr> {
        Some(self.config.distributor)
    }

    fn reset(&mut self) {
        self.engine.reset();
        self.private.timers.reset();
        self.private.gic.reset();
        self.private.lines = 0;
        for n in 0..13 {
            self.engine.set_reg(self.general(n), 0);
        }
        if self.config.model.is_64() {
            self.engine.set_reg(Reg::system(3, 3, 14, 0, 0), COUNTER_HZ);
            self.engine.set_reg(Reg::x(0), self.config.argument);
        } else {
            // Linux' boot protocol for 32 bits: R1 is all ones with a device tree, which R2 points to.
            self.engine.set_reg(Reg::r(1), u32::MAX.into());
            self.engine.set_reg(Reg::r(2), self.config.argument);
        }
        self.engine.set_reg(self.pc_reg(), self.config.start);
        self.rest = None;
        self.event = false;
        self.unreported_reset = true;
        self.passing = None;
        self.settle();
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
        self.rest.is_some() && !self.is_woken()
    }

    fn is_locked_up(&self) -> bool {
        false
    }

    fn deadline(&self) -> Cycles {
        let event = match self.rest {
            Some(Rest::Event(until)) => until,
            _ => Cycles::MAX,
        };
        self.private.timers.deadline().min(event)
    }

    fn skip_to(&mut self, cycle: Cycles) {
        self.now = self.now.max(cycle);
        self.tick();
    }

    fn set_line(&mut self, irq: u16, level: bool) {
        self.private.gic.set_level(irq.saturating_add(gic::PRIVATE), level);
        self.settle();
    }

    fn pulse_line(&mut self, irq: u16) {
        self.private.gic.pulse(irq.saturating_add(gic::PRIVATE));
        self.settle();
    }

    fn semihosting(&self) -> Semihosting {
        let word = if self.config.model.is_64() { 8 } else { 4 };
        let [op, parameter] = [0, 1].map(|n| self.engine.reg(self.general(n)));
        Semihosting { op: op & 0xFFFF_FFFF, parameter, word }
    }

    fn finish_semihosting(&mut self, result: u64) {
        self.engine.set_reg(self.general(0), result);
        let pc = self.pc();
        self.engine.set_reg(self.pc_reg(), pc.wrapping_add(4));
        self.instructions += 1;
        self.now += 1;
        self.tick();
    }

    fn registers(&self) -> &'static [RegisterInfo] {
        registers::table(self.config.model)
    }

    fn register(&self, index: usize) -> Option<u128> {
        Some(match registers::name(self.config.model, index)? {
            Name::One(reg) => self.engine.reg(reg).into(),
            Name::Pair(low, high) => {
                u128::from(self.engine.reg(low)) | u128::from(self.engine.reg(high)) << 64
            }
        })
    }

    fn set_register(&mut self, index: usize, value: u128) -> bool {
        match registers::name(self.config.model, index) {
            None => return false,
            Some(Name::One(reg)) => self.engine.set_reg(reg, value as u64),
            Some(Name::Pair(low, high)) => {
                self.engine.set_reg(low, value as u64);
                self.engine.set_reg(high, (value >> 64) as u64);
            }
        }
        true
    }

    fn pc(&self) -> Addr {
        self.engine.reg(self.pc_reg())
    }

    fn exception(&self) -> u16 {
        self.private.gic.running().unwrap_or(0)
    }

    fn set_breakpoints(&mut self, at: &[Addr]) {
        let new: BTreeSet<Addr> = at.iter().copied().collect();
        for addr in self.breakpoints.difference(&new) {
            self.engine.remove_breakpoint(*addr);
        }
        for addr in new.difference(&self.breakpoints) {
            self.engine.add_breakpoint(*addr);
        }
        self.breakpoints = new;
    }

    fn set_watchpoints(&mut self, at: &[Watchpoint]) {
        self.watched.set(&mut self.engine, at);
    }
}
