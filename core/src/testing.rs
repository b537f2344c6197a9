//! A rig that holds one component, for its unit tests: virtual time, recorded effects, memory for DMA.

use std::sync::Arc;

use crate::bus::{Addr, BusError, Width};
use crate::component::{Component, Cx, Effect, Host, NodeId, Peripheral, ResetCause};
use crate::rng::Rng;
use crate::time::Time;
use crate::trace::{Level, Report};
use crate::wire::Signal;

/// Guest memory and scripted buses.
#[derive(Default)]
pub struct RigHost {
    /// Where guest memory begins, 0 unless changed.
    pub base: Addr,
    /// Guest memory; accesses outside it fail.
    pub memory: Vec<u8>,
    /// Every I2C and SPI action, in words: `start 1d w`, `w 00`, `r last`, `stop`, `spi ff/8`.
    pub bus_log: Vec<String>,
    /// The only I2C address that acknowledges.
    pub i2c_address: Option<u8>,
    /// What I2C reads and SPI exchanges return, in order; then 0xFF.
    pub bus_data: std::collections::VecDeque<u32>,
    /// How long a signal is underway on the wires that end at the component; no wire ends there when absent.
    pub wire: Option<Time>,
}

impl RigHost {
    fn range(&self, addr: Addr, len: usize) -> Result<std::ops::Range<usize>, BusError> {
        let start = addr.checked_sub(self.base).and_then(|start| usize::try_from(start).ok());
        let start = start.ok_or(BusError::Unmapped(addr))?;
        let end = start.checked_add(len).filter(|end| *end <= self.memory.len());
        Ok(start..end.ok_or(BusError::Unmapped(addr))?)
    }
}

impl Host for RigHost {
    fn dma_read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
        let range = self.range(addr, out.len())?;
        out.copy_from_slice(&self.memory[range]);
        Ok(())
    }
    fn dma_write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        let range = self.range(addr, data.len())?;
        self.memory[range].copy_from_slice(data);
        Ok(())
    }
    fn i2c_start(&mut self, _: NodeId, address: u8, read: bool) -> bool {
        self.bus_log.push(format!("start {address:02x} {}", if read { 'r' } else { 'w' }));
        self.i2c_address == Some(address)
    }
    fn i2c_write(&mut self, _: NodeId, byte: u8) -> bool {
        self.bus_log.push(format!("w {byte:02x}"));
        true
    }
    fn i2c_read(&mut self, _: NodeId, last: bool) -> u8 {
        self.bus_log.push(if last { "r last".into() } else { "r".into() });
        self.bus_data.pop_front().unwrap_or(0xFF) as u8
    }
    fn i2c_stop(&mut self, _: NodeId) {
        self.bus_log.push("stop".into());
    }
    fn spi(&mut self, _: NodeId, mosi: u32, bits: u8) -> u32 {
        self.bus_log.push(format!("spi {mosi:02x}/{bits}"));
        self.bus_data.pop_front().unwrap_or(u32::MAX)
    }
    fn wire(&self, _: NodeId, _: u16) -> Option<Time> {
        self.wire
    }
}

/// One component on the bench.
pub struct Rig<C> {
    /// The component under test.
    pub component: C,
    /// The present.
    pub now: Time,
    /// When the component wants to be woken; [`Time::MAX`] when not.
    pub wake: Time,
    /// The levels of its output lines.
    pub lines: Vec<bool>,
    /// How many pulses each output line gave.
    pub pulses: Vec<u32>,
    /// Voltages of analog output lines, as they were told.
    pub volts: Vec<(u16, i64)>,
    /// Frames sent, with their times.
    pub sent: Vec<(Time, Arc<[u8]>)>,
    /// Signals it gave on its wires, with their times.
    pub signals: Vec<(Time, u16, Signal)>,
    /// Log lines.
    pub log: Vec<(Level, String)>,
    /// Reports.
    pub reports: Vec<Report>,
    /// Hardware events it generated, by the offset of their registers.
    pub events: Vec<u32>,
    /// Words it wrote as a bus master.
    pub writes: Vec<(Addr, u32)>,
    /// Machine resets it asked for.
    pub resets: Vec<ResetCause>,
    /// Until when it let the processor wait.
    pub stalls: Vec<Time>,
    /// Whether the cache of code is on.
    pub code_cache: bool,
    /// Whether it switched the processor off.
    pub powered_down: bool,
    /// Its random numbers.
    pub rng: Rng,
    /// Memory and buses.
    pub host: RigHost,
}

impl<C: Component> Rig<C> {
    /// Puts a component on the bench and resets it, at time 0.
    pub fn new(component: C) -> Self {
        let lines = component.lines().len();
        let mut rig = Self {
            component,
            now: Time::ZERO,
            wake: Time::MAX,
            lines: vec![false; lines],
            pulses: vec![0; lines],
            volts: Vec::new(),
            sent: Vec::new(),
            signals: Vec::new(),
            log: Vec::new(),
            reports: Vec::new(),
            events: Vec::new(),
            writes: Vec::new(),
            resets: Vec::new(),
            stalls: Vec::new(),
            code_cache: false,
            powered_down: false,
            rng: Rng::new(0, "rig"),
            host: RigHost::default(),
        };
        rig.with(|component, cx| component.restart(ResetCause::PowerOn, cx));
        rig
    }

    /// Calls the component with a context, and carries out its effects.
    pub fn with<R>(&mut self, call: impl FnOnce(&mut C, &mut Cx<'_>) -> R) -> R {
        let mut effects = Vec::new();
        let result = {
            let mut cx =
                Cx::new(self.now, NodeId(0), &mut effects, &mut self.wake, &mut self.rng, &mut self.host);
            call(&mut self.component, &mut cx)
        };
        for (_, effect) in effects {
            match effect {
                Effect::Line { line, level } => self.lines[usize::from(line)] = level,
                Effect::Pulse { line } => self.pulses[usize::from(line)] += 1,
                Effect::Volts { line, microvolts } => self.volts.push((line, microvolts)),
                Effect::Send { data } => self.sent.push((self.now, data)),
                Effect::Signal { pin, signal } => self.signals.push((self.now, pin, signal)),
                Effect::Log { level, text } => self.log.push((level, text)),
                Effect::Report { what, details } => {
                    let report = Report { who: "rig".to_owned(), what: what.to_owned(), details };
                    self.reports.push(report);
                }
                Effect::Event { offset } => self.events.push(offset),
                Effect::Write { addr, value } => self.writes.push((addr, value)),
                Effect::Reset { cause } => self.resets.push(cause),
                Effect::Stall { until } => self.stalls.push(until),
                Effect::CodeCache { on } => self.code_cache = on,
                Effect::Watch => {}
                Effect::PowerDown => self.powered_down = true,
            }
        }
        result
    }

    /// Lets time pass until `until`, with every wake on the way.
    pub fn run_until(&mut self, until: Time) {
        while self.wake <= until {
            self.now = self.wake;
            self.wake = Time::MAX;
            self.with(|component, cx| component.wake(cx));
        }
        self.now = until;
    }

    /// Lets a span of time pass.
    pub fn run_for(&mut self, span: Time) {
        self.run_until(self.now + span);
    }

    /// Changes an input pin.
    pub fn input(&mut self, pin: u16, level: bool) {
        self.with(|component, cx| component.input(pin, level, cx));
    }

    /// Delivers a frame.
    pub fn receive(&mut self, data: &[u8]) {
        self.with(|component, cx| component.receive(data, cx));
    }

    /// Delivers a signal from end 1 of the wire at a pin.
    pub fn hear(&mut self, pin: u16, signal: Signal) {
        self.with(|component, cx| component.hear(pin, 1, signal, cx));
    }

    /// The level of the output line called `name`.
    ///
    /// # Panics
    /// When the component has no such line: the test is wrong.
    pub fn line(&self, name: &str) -> bool {
        let index = self.component.lines().iter().position(|line| *line == name);
        self.lines[index.unwrap_or_else(|| panic!("no line `{name}`"))]
    }
}

impl<P: Peripheral> Rig<P> {
    /// A word read.
    ///
    /// # Panics
    /// When the access is refused; use [`Rig::try_read`] to test refusals.
    pub fn read(&mut self, offset: u32) -> u32 {
        self.try_read(offset, Width::Word).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A word write.
    ///
    /// # Panics
    /// When the access is refused.
    pub fn write(&mut self, offset: u32, value: u32) {
        self.try_write(offset, Width::Word, value).unwrap_or_else(|error| panic!("{error}"));
    }

    /// A read of any width.
    pub fn try_read(&mut self, offset: u32, width: Width) -> Result<u32, BusError> {
        self.with(|component, cx| component.read(offset, width, cx))
    }

    /// A write of any width.
    pub fn try_write(&mut self, offset: u32, width: Width, value: u32) -> Result<(), BusError> {
        self.with(|component, cx| component.write(offset, width, value, cx))
    }

    /// A word as a debugger would see it.
    pub fn peek(&self, offset: u32) -> Option<u32> {
        self.component.peek(offset, self.now)
    }
}
