//! The inside of a machine besides its processor: peripherals, parts, wires, and the queue of what they
//! want to happen.

use consort_core::bus::{Bus, Memory};
use consort_core::component::{Component, Cx, Effect, NodeId, Part, Peripheral, ResetCause, SetError, Value};
use consort_core::cpu::{Region, WatchKind, Watchpoint};
use consort_core::device::Sent;
use consort_core::rng::Rng;
use consort_core::state::StateError;
use consort_core::trace::{CoreEvent, Level, Recorder, Report};
use consort_core::wire::Signal;
use consort_core::{Addr, BusError, Clock, Cycles, Time, Width};
use serde::{Deserialize, Serialize};

use super::host::{PartCall, Wiring};
use super::plugs::Plug;

/// Where an output line leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An interrupt of the processor.
    Irq(u16),
    /// An input pin of a component.
    Pin(NodeId, u16),
}

/// A change of an interrupt line that the processor has not seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IrqChange {
    Level(u16, bool),
    Edge(u16),
}

/// What every component has besides its model.
pub(crate) struct Node {
    pub name: String,
    /// The levels of its output lines.
    pub levels: Vec<bool>,
    pub targets: Vec<Vec<Target>>,
    /// The device's port that is its port.
    pub port: Option<u16>,
}

/// A peripheral at its place.
pub(crate) struct Block {
    pub base: Addr,
    pub model: Box<dyn Peripheral>,
}

/// A part on its buses.
pub(crate) struct OffChip {
    /// The controllers it hangs on.
    pub on: Vec<NodeId>,
    pub model: Box<dyn Part>,
}

/// ROM whose writes a flash controller takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RomWrites {
    pub base: Addr,
    pub size: u64,
    pub to: usize,
}

/// Everything around the processor. Nodes are numbered: blocks first, then parts.
pub(crate) struct MachineBus {
    pub clock: Clock,
    pub nodes: Vec<Node>,
    /// When each node wants to be woken.
    pub wakes: Vec<Time>,
    pub blocks: Vec<Block>,
    pub parts: Parts,
    pub plugs: Vec<Plug>,
    pub rom_writes: Vec<RomWrites>,
    /// Who hears hardware events.
    pub listeners: Vec<NodeId>,
    /// Who hears of the processor's sleep.
    pub sleep_watchers: Vec<NodeId>,
    /// Blocks by address, for decoding.
    pub decode: Vec<(Addr, Addr, usize)>,
    /// The place in `decode` of the block that the processor accessed last: the likely next one.
    recent: usize,
    pub irqs: Vec<IrqChange>,
    pub sent: Vec<Sent>,
    pub recorder: Recorder,
    pub rng: Rng,
    pub reset_request: Option<ResetCause>,
    /// The processor waits for its program memory until then.
    pub stall: Option<Time>,
    /// A component switched the processor's cache of code.
    pub code_cache: Option<bool>,
    /// The processor and the clocks go off until a reset.
    pub power_down: bool,
    /// The component that watches the processor's accesses, and which.
    watcher: Option<NodeId>,
    watches: Vec<Watchpoint>,
    /// The processor does not know them yet.
    pub watches_changed: bool,
    /// The cycle the processor now runs to: an earlier wake needs its attention.
    pub horizon: Cycles,
    /// The earliest wake of all nodes.
    pub next_wake: Time,
    attention: bool,
    effects: Vec<(NodeId, Effect)>,
    exceptions: u64,
}

/// Parts and who of them an I2C master has addressed.
#[derive(Default)]
pub(crate) struct Parts {
    pub list: Vec<OffChip>,
    /// Per I2C controller in a transfer: the part that acknowledged.
    pub addressed: Vec<(NodeId, usize)>,
}

/// More effects than this from one access mean that components answer each other without end.
const EFFECT_LIMIT: usize = 100_000;
/// More wakes of one component at one instant than this mean the same.
const WAKE_LIMIT: u32 = 10_000;

impl MachineBus {
    pub fn new(clock: Clock, rng: Rng) -> Self {
        Self {
            clock,
            nodes: Vec::new(),
            wakes: Vec::new(),
            blocks: Vec::new(),
            parts: Parts::default(),
            plugs: Vec::new(),
            rom_writes: Vec::new(),
            listeners: Vec::new(),
            sleep_watchers: Vec::new(),
            decode: Vec::new(),
            recent: 0,
            irqs: Vec::new(),
            sent: Vec::new(),
            recorder: Recorder::default(),
            rng,
            reset_request: None,
            stall: None,
            code_cache: None,
            power_down: false,
            watcher: None,
            watches: Vec::new(),
            watches_changed: false,
            horizon: Cycles::MAX,
            next_wake: Time::MAX,
            attention: false,
            effects: Vec::new(),
            exceptions: 0,
        }
    }

    pub fn exceptions(&self) -> u64 {
        self.exceptions
    }

    /// Whether any block or part is there to be called.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name == name).map(|index| NodeId(index as u16))
    }

    pub fn component(&self, node: NodeId) -> &dyn Component {
        let index = usize::from(node.0);
        match index.checked_sub(self.blocks.len()) {
            None => self.blocks[index].model.as_ref(),
            Some(part) => self.parts.list[part].model.as_ref(),
        }
    }

    pub fn component_mut(&mut self, node: NodeId) -> &mut dyn Component {
        let index = usize::from(node.0);
        match index.checked_sub(self.blocks.len()) {
            None => self.blocks[index].model.as_mut(),
            Some(part) => self.parts.list[part].model.as_mut(),
        }
    }

    /// The block at an address, and the offset in it.
    pub fn block_at(&self, addr: Addr) -> Option<(usize, u32)> {
        let after = self.decode.partition_point(|(base, ..)| *base <= addr);
        let (base, end, index) = *self.decode.get(after.checked_sub(1)?)?;
        (addr < end).then(|| (index, (addr - base) as u32))
    }

    /// The same for the processor's accesses, which stay with a block for a while.
    fn decoded(&mut self, addr: Addr) -> Option<(usize, u32)> {
        match self.decode.get(self.recent) {
            Some((base, end, index)) if (*base..*end).contains(&addr) => Some((*index, (addr - base) as u32)),
            _ => {
                let found = self.block_at(addr)?;
                self.recent = self.decode.iter().position(|(.., index)| *index == found.0).unwrap_or(0);
                Some(found)
            }
        }
    }

    /// Calls a block with its context.
    fn with_block<R>(
        &mut self,
        index: usize,
        now: Time,
        memory: &mut dyn Memory,
        call: impl FnOnce(&mut dyn Peripheral, &mut Cx<'_>) -> R,
    ) -> R {
        let (own, of_parts) = self.wakes.split_at_mut(self.blocks.len());
        let wake = &mut own[index];
        let before = *wake;
        let (parts, plugs) = (Some((&mut self.parts, of_parts)), self.plugs.as_slice());
        let mut host = Wiring { parts, plugs, memory, called: Vec::new(), now };
        let mut cx = Cx::new(now, NodeId(index as u16), &mut self.effects, wake, &mut self.rng, &mut host);
        let result = call(self.blocks[index].model.as_mut(), &mut cx);
        let called = std::mem::take(&mut host.called);
        self.after_call(index, before);
        if !called.is_empty() {
            self.after_parts(called);
        }
        result
    }

    fn with_part<R>(
        &mut self,
        part: usize,
        now: Time,
        memory: &mut dyn Memory,
        call: impl FnOnce(&mut dyn Part, &mut Cx<'_>) -> R,
    ) -> R {
        let index = self.blocks.len() + part;
        let wake = &mut self.wakes[index];
        let before = *wake;
        let mut host = Wiring { parts: None, plugs: &self.plugs, memory, called: Vec::new(), now };
        let mut cx = Cx::new(now, NodeId(index as u16), &mut self.effects, wake, &mut self.rng, &mut host);
        let result = call(self.parts.list[part].model.as_mut(), &mut cx);
        self.after_call(index, before);
        result
    }

    /// Calls any component with its context.
    fn with<R>(
        &mut self,
        node: NodeId,
        now: Time,
        memory: &mut dyn Memory,
        call: impl FnOnce(&mut dyn Component, &mut Cx<'_>) -> R,
    ) -> R {
        let index = usize::from(node.0);
        match index.checked_sub(self.blocks.len()) {
            None => self.with_block(index, now, memory, |model, cx| call(model, cx)),
            Some(part) => self.with_part(part, now, memory, |model, cx| call(model, cx)),
        }
    }

    fn after_call(&mut self, index: usize, before: Time) {
        let wake = self.wakes[index];
        if wake == before {
            return;
        }
        if wake < self.next_wake {
            self.next_wake = wake;
            if self.clock.first_at(wake) < self.horizon {
                self.attention = true;
            }
        } else if before == self.next_wake {
            self.find_next_wake();
        }
    }

    /// Parts that a controller called during its own call left effects and wakes of their own.
    fn after_parts(&mut self, called: Vec<PartCall>) {
        for call in called {
            let index = self.blocks.len() + call.part;
            self.effects.extend(call.effects.into_iter().map(|(_, effect)| (NodeId(index as u16), effect)));
            self.after_call(index, call.before);
        }
    }

    pub fn find_next_wake(&mut self) {
        self.next_wake = self.wakes.iter().copied().min().unwrap_or(Time::MAX);
    }

    /// Carries out what components asked for, and what follows from that.
    fn settle(&mut self, now: Time, memory: &mut dyn Memory) {
        if self.effects.is_empty() {
            return;
        }
        let mut done = 0;
        while done < self.effects.len() {
            if done == EFFECT_LIMIT {
                let (node, effect) = &self.effects[done];
                let text = format!("wires without end, at last {effect:?}: the rest is dropped");
                let who = self.nodes[usize::from(node.0)].name.clone();
                self.recorder.log(now, Level::Unimplemented, &who, text);
                break;
            }
            let (node, effect) = self.effects[done].clone();
            done += 1;
            self.carry_out(node, effect, now, memory);
        }
        self.effects.clear();
    }

    fn carry_out(&mut self, node: NodeId, effect: Effect, now: Time, memory: &mut dyn Memory) {
        let index = usize::from(node.0);
        match effect {
            Effect::Line { line, level } => {
                let line = usize::from(line);
                match self.nodes[index].levels.get_mut(line) {
                    Some(old) if *old != level => *old = level,
                    _ => return,
                }
                if let Some(line) = self.component(node).lines().get(line) {
                    self.recorder.line(now, &self.nodes[index].name, line, level);
                }
                for target in 0..self.nodes[index].targets[line].len() {
                    match self.nodes[index].targets[line][target] {
                        Target::Irq(irq) => {
                            self.irqs.push(IrqChange::Level(irq, level));
                            self.attention = true;
                        }
                        Target::Pin(to, pin) => {
                            self.with(to, now, memory, |model, cx| model.input(pin, level, cx))
                        }
                    }
                }
            }
            Effect::Pulse { line } => {
                let targets = self.nodes[index].targets.get(usize::from(line)).cloned().unwrap_or_default();
                for target in targets {
                    match target {
                        Target::Irq(irq) => {
                            self.irqs.push(IrqChange::Edge(irq));
                            self.attention = true;
                        }
                        Target::Pin(to, pin) => self.with(to, now, memory, |model, cx| {
                            model.input(pin, true, cx);
                            model.input(pin, false, cx);
                        }),
                    }
                }
            }
            Effect::Volts { line, microvolts } => {
                let targets = self.nodes[index].targets.get(usize::from(line)).cloned().unwrap_or_default();
                for target in targets {
                    if let Target::Pin(to, pin) = target {
                        self.with(to, now, memory, |model, cx| model.volts(pin, microvolts, cx));
                    }
                }
            }
            Effect::Send { data } => {
                if let Some(port) = self.nodes[index].port {
                    self.recorder.sent(now, port, &data);
                    self.sent.push(Sent { at: now, port, data });
                }
            }
            Effect::Signal { pin, signal } => {
                if let Some(plug) = self.plugs.iter().find(|plug| plug.node == node && plug.pin == pin) {
                    let data = signal.encode(0);
                    self.recorder.sent(now, plug.port, &data);
                    self.sent.push(Sent { at: now, port: plug.port, data });
                }
            }
            Effect::Log { level, text } => {
                let Self { recorder, nodes, .. } = self;
                recorder.log(now, level, &nodes[index].name, text);
            }
            Effect::Report { what, details } => {
                let Self { recorder, nodes, .. } = self;
                let who = nodes[index].name.clone();
                recorder.report(now, Report { who, what: what.to_owned(), details });
            }
            Effect::Event { offset } => {
                let Some(block) = self.blocks.get(index) else { return };
                let addr = block.base + u64::from(offset);
                for listener in 0..self.listeners.len() {
                    let listener = self.listeners[listener];
                    self.with(listener, now, memory, |model, cx| model.bus_event(addr, cx));
                }
            }
            Effect::Write { addr, value } => {
                if let Some((block, offset)) = self.block_at(addr) {
                    // A bus master's failed write goes nowhere; hardware event systems have no error channel.
                    let _ = self.with_block(block, now, memory, |model, cx| {
                        model.write(offset, Width::Word, value, cx)
                    });
                }
            }
            Effect::Reset { cause } => {
                self.reset_request = Some(cause);
                self.attention = true;
            }
            Effect::Stall { until } => {
                self.stall = Some(until);
                self.attention = true;
            }
            Effect::CodeCache { on } => {
                self.code_cache = Some(on);
                self.attention = true;
            }
            Effect::Watch => {
                self.watches = self.component(node).watches();
                self.watcher = Some(node);
                self.watches_changed = true;
                self.attention = true;
            }
            Effect::PowerDown => {
                self.power_down = true;
                self.attention = true;
            }
        }
    }

    /// Watches of memory, which the processor has to see to, by their index; those of registers are seen here.
    pub fn memory_watches(&self, regions: &[Region]) -> Vec<(usize, Watchpoint)> {
        let watches = self.watches.iter().enumerate();
        let parts = watches.flat_map(|(index, watch)| {
            regions.iter().filter_map(move |region| {
                let addr = watch.addr.max(region.base);
                let end = (watch.addr.saturating_add(watch.len)).min(region.base.saturating_add(region.size));
                (addr < end).then(|| (index, Watchpoint { addr, len: end - addr, ..*watch }))
            })
        });
        parts.collect()
    }

    /// The processor touched watches.
    pub fn touched(&mut self, watches: &[usize], now: Time, memory: &mut dyn Memory) {
        if let Some(watcher) = self.watcher {
            for watch in watches {
                self.with(watcher, now, memory, |model, cx| model.touched(*watch, cx));
            }
            self.settle(now, memory);
        }
    }

    /// The processor accessed a register.
    fn touch(&mut self, addr: Addr, width: Width, kind: WatchKind, now: Time, memory: &mut dyn Memory) {
        let Some(watcher) = self.watcher.filter(|_| !self.watches.is_empty()) else { return };
        let end = addr + u64::from(width.bytes());
        for index in 0..self.watches.len() {
            // Whom it is told may watch something else from then on.
            let Some(watch) = self.watches.get(index).copied() else { break };
            let inside = addr < watch.addr.saturating_add(watch.len) && watch.addr < end;
            if inside && (watch.kind == kind || watch.kind == WatchKind::Access) {
                self.with(watcher, now, memory, |model, cx| model.touched(index, cx));
            }
        }
    }

    /// Wakes every component whose time has come by `time`, the first first.
    pub fn wake_next(&mut self, memory: &mut dyn Memory) {
        let time = self.next_wake;
        let Some(index) = self.wakes.iter().position(|wake| *wake == time) else {
            self.find_next_wake();
            return;
        };
        let node = NodeId(index as u16);
        let mut rounds = 0;
        while self.wakes[index] == time {
            self.wakes[index] = Time::MAX;
            self.with(node, time, memory, |model, cx| model.wake(cx));
            rounds += 1;
            if rounds == WAKE_LIMIT && self.wakes[index] == time {
                self.wakes[index] = time + Time::from_us(1);
                let Self { recorder, nodes, .. } = self;
                let text = "wants to be woken without end in one instant: delayed by 1 us".to_owned();
                recorder.log(time, Level::Unimplemented, &nodes[index].name, text);
            }
        }
        self.settle(time, memory);
        self.find_next_wake();
    }

    pub fn receive(&mut self, node: NodeId, data: &[u8], now: Time, memory: &mut dyn Memory) {
        self.with(node, now, memory, |model, cx| model.receive(data, cx));
        self.settle(now, memory);
    }

    /// A signal came over a wire.
    pub fn hear(&mut self, plug: &Plug, from: u8, signal: Signal, now: Time, memory: &mut dyn Memory) {
        self.with(plug.node, now, memory, |model, cx| model.hear(plug.pin, from, signal, cx));
        self.settle(now, memory);
    }

    /// Nobody holds a wire without power.
    pub fn power_off(&mut self, now: Time, memory: &mut dyn Memory) {
        let mut nodes: Vec<NodeId> = self.plugs.iter().map(|plug| plug.node).collect();
        nodes.dedup();
        for node in nodes {
            self.with(node, now, memory, |model, cx| model.power_off(cx));
        }
        self.settle(now, memory);
    }

    /// The processor fell asleep or woke.
    pub fn sleep(&mut self, asleep: bool, now: Time, memory: &mut dyn Memory) {
        for watcher in 0..self.sleep_watchers.len() {
            let watcher = self.sleep_watchers[watcher];
            self.with(watcher, now, memory, |model, cx| model.sleep(asleep, cx));
        }
        self.settle(now, memory);
    }

    pub fn set(
        &mut self,
        node: NodeId,
        channel: &str,
        value: &Value,
        now: Time,
        memory: &mut dyn Memory,
    ) -> Result<(), SetError> {
        let result = self.with(node, now, memory, |model, cx| model.set(channel, value, cx));
        self.settle(now, memory);
        result
    }

    /// Resets every component: lines fall, wakes are withdrawn, then each is told.
    pub fn reset(&mut self, cause: ResetCause, now: Time, memory: &mut dyn Memory) {
        (self.reset_request, self.stall, self.code_cache, self.power_down) = (None, None, None, false);
        self.effects.clear();
        self.watches.clear();
        self.watches_changed = true;
        self.parts.addressed.clear();
        self.wakes.fill(Time::MAX);
        // Nobody is told of a falling line before all are reset: it would act on a state that is gone.
        for node in &mut self.nodes {
            for (level, targets) in node.levels.iter_mut().zip(&node.targets) {
                if std::mem::replace(level, false) {
                    self.irqs.extend(targets.iter().filter_map(|target| match target {
                        Target::Irq(irq) => Some(IrqChange::Level(*irq, false)),
                        Target::Pin(..) => None,
                    }));
                }
            }
        }
        for index in 0..self.nodes.len() {
            self.with(NodeId(index as u16), now, memory, |model, cx| model.restart(cause, cx));
        }
        self.settle(now, memory);
        self.tell_low_wires(now, memory);
        self.find_next_wake();
        // Edges of the time before are forgotten; levels are what they are now.
        self.irqs.retain(|change| matches!(change, IrqChange::Level(..)));
    }

    /// A wire that is low after a reset may have been high before; and a pin must know a low wire from none.
    fn tell_low_wires(&mut self, now: Time, memory: &mut dyn Memory) {
        let mut low = Vec::new();
        let mut high = Vec::new();
        for node in &self.nodes {
            for (level, targets) in node.levels.iter().zip(&node.targets) {
                let pins = targets.iter().filter(|target| matches!(target, Target::Pin(..)));
                if *level { high.extend(pins) } else { low.extend(pins) }
            }
        }
        for target in low {
            if let Target::Pin(to, pin) = target
                && !high.contains(&target)
            {
                self.with(to, now, memory, |model, cx| model.input(pin, false, cx));
            }
        }
        self.settle(now, memory);
    }

    /// Peripherals stand still without their clocks; parts have their own.
    pub fn stop_clocks(&mut self) {
        let blocks = self.blocks.len();
        self.wakes[..blocks].fill(Time::MAX);
        self.find_next_wake();
    }

    /// A debugger's write to a register: as the guest would.
    pub fn debug_write(
        &mut self,
        now: Time,
        addr: Addr,
        width: Width,
        value: u64,
        memory: &mut dyn Memory,
    ) -> Result<(), BusError> {
        let (block, offset) = self.block_at(addr).ok_or(BusError::Unmapped(addr))?;
        let result =
            self.with_block(block, now, memory, |model, cx| model.write(offset, width, value as u32, cx));
        self.settle(now, memory);
        result
    }

    pub fn save(&self) -> Result<SavedBus, StateError> {
        let nodes = self.nodes.iter().enumerate().map(|(index, node)| {
            let model =
                self.component(NodeId(index as u16)).save().map_err(|error| error.within(&node.name))?;
            Ok(SavedNode {
                name: node.name.clone(),
                wake: self.wakes[index],
                levels: node.levels.clone(),
                model,
            })
        });
        Ok(SavedBus {
            nodes: nodes.collect::<Result<_, StateError>>()?,
            addressed: self.parts.addressed.clone(),
            recorder: self.recorder.clone(),
            rng: self.rng.clone(),
            exceptions: self.exceptions,
        })
    }

    pub fn restore(&mut self, saved: SavedBus) -> Result<(), StateError> {
        if !saved.nodes.iter().map(|node| &node.name).eq(self.nodes.iter().map(|node| &node.name)) {
            return Err(StateError("it was saved from a board with other components".to_owned()));
        }
        for (index, node) in saved.nodes.into_iter().enumerate() {
            self.component_mut(NodeId(index as u16))
                .restore(&node.model)
                .map_err(|error| error.within(&node.name))?;
            if node.levels.len() != self.nodes[index].levels.len() {
                return Err(StateError(format!("{}: it has other lines", node.name)));
            }
            self.wakes[index] = node.wake;
            self.nodes[index].levels = node.levels;
        }
        self.parts.addressed = saved.addressed;
        self.recorder = saved.recorder;
        self.rng = saved.rng;
        self.exceptions = saved.exceptions;
        self.effects.clear();
        self.irqs.clear();
        self.sent.clear();
        (self.reset_request, self.stall, self.code_cache, self.power_down) = (None, None, None, false);
        let mut nodes = (0..self.nodes.len()).map(|index| NodeId(index as u16));
        self.watcher = nodes.find(|node| !self.component(*node).watches().is_empty());
        self.watches = self.watcher.map(|node| self.component(node).watches()).unwrap_or_default();
        self.watches_changed = true;
        self.find_next_wake();
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedBus {
    nodes: Vec<SavedNode>,
    addressed: Vec<(NodeId, usize)>,
    recorder: Recorder,
    rng: Rng,
    exceptions: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedNode {
    name: String,
    wake: Time,
    levels: Vec<bool>,
    model: Vec<u8>,
}

impl Bus for MachineBus {
    fn read(
        &mut self,
        at: Cycles,
        addr: Addr,
        width: Width,
        memory: &mut dyn Memory,
    ) -> Result<u64, BusError> {
        self.attention = false;
        let now = self.clock.time_of(at);
        let (block, offset) = self.decoded(addr).ok_or(BusError::Unmapped(addr))?;
        let result = if width == Width::Double {
            self.with_block(block, now, memory, |model, cx| {
                let low = model.read(offset, Width::Word, cx)?;
                let high = model.read(offset + 4, Width::Word, cx)?;
                Ok(u64::from(low) | u64::from(high) << 32)
            })
        } else {
            self.with_block(block, now, memory, |model, cx| model.read(offset, width, cx)).map(u64::from)
        };
        self.touch(addr, width, WatchKind::Read, now, memory);
        self.settle(now, memory);
        // Models name offsets or nothing; the guest's fault registers want the address.
        result.map_err(|error| at_address(error, addr))
    }

    fn write(
        &mut self,
        at: Cycles,
        addr: Addr,
        width: Width,
        value: u64,
        memory: &mut dyn Memory,
    ) -> Result<(), BusError> {
        self.attention = false;
        let now = self.clock.time_of(at);
        let result = match self.decoded(addr) {
            Some((block, offset)) if width == Width::Double => {
                self.with_block(block, now, memory, |model, cx| {
                    model.write(offset, Width::Word, value as u32, cx)?;
                    model.write(offset + 4, Width::Word, (value >> 32) as u32, cx)
                })
            }
            Some((block, offset)) => {
                self.with_block(block, now, memory, |model, cx| model.write(offset, width, value as u32, cx))
            }
            None => {
                let rom = self.rom_writes.iter().find(|rom| addr.wrapping_sub(rom.base) < rom.size);
                let to = rom.map(|rom| rom.to).ok_or(BusError::Unmapped(addr))?;
                self.with_block(to, now, memory, |model, cx| model.rom_write(addr, width, value as u32, cx))
            }
        };
        self.touch(addr, width, WatchKind::Write, now, memory);
        self.settle(now, memory);
        result.map_err(|error| at_address(error, addr))
    }

    fn attention(&self) -> bool {
        self.attention
    }

    fn note(&mut self, at: Cycles, event: CoreEvent) {
        if matches!(event, CoreEvent::Entry { .. }) {
            self.exceptions += 1;
        }
        self.recorder.core(self.clock.time_of(at), event);
    }
}

fn at_address(error: BusError, addr: Addr) -> BusError {
    match error {
        BusError::Unmapped(_) => BusError::Unmapped(addr),
        BusError::Refused(_) => BusError::Refused(addr),
    }
}
