//! Builds a machine from a board and firmware.

use consort_core::component::{Built, Component, NodeId, ResetCause};
use consort_core::cpu::{Core, NMI, Region, RegionKind};
use consort_core::device::{Occasions, Port};
use consort_core::rng::Rng;
use consort_core::trace::Recorder;
use consort_core::{Clock, Time};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::bus::{Block, MachineBus, Node, OffChip, RomWrites, Target};
use super::inbox::Inbox;
use super::semihosting::{self, Semihosting};
use super::{Machine, Power};
use crate::board::{Board, Irq, MemoryKind, Timing, Wires};
use crate::boot::{self, Boot};
use crate::cores::application_core;
use crate::json::{Document, JsonError, pointer_of};
use crate::loader::{Firmware, Processor};
use crate::{cores, suggest};

/// Why a machine cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The board file says something that cannot be.
    #[error(transparent)]
    Board(#[from] JsonError),
    /// The device's own settings of a component cannot be.
    #[error("{message}")]
    Config {
        /// Where: the component's name, then names of fields, from the outside in.
        path: Vec<String>,
        /// What is wrong.
        message: String,
    },
    /// The firmware does not fit the board.
    #[error("{0}")]
    Firmware(String),
}

/// What a fleet says about one of its devices, besides board and firmware.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The device's name: its random numbers and its default Ethernet address come from it.
    pub name: String,
    /// The fleet's seed.
    pub seed: u64,
    /// Settings of components that replace the board's.
    pub config: IndexMap<String, Value>,
    /// What memories and disks that outlive power hold, by component.
    pub contents: IndexMap<String, Vec<u8>>,
    /// Console, command line and directory for semihosting.
    pub semihosting: Semihosting,
    /// What an instruction takes.
    pub timing: Timing,
    /// A kernel that is started instead of the board's firmware.
    pub boot: Boot,
}

/// The address an Ethernet port has when nobody gives it one: locally administered, from the device's name.
fn station_address(device: &str, component: &str) -> String {
    let hash = blake3::hash(format!("{device}.{component}").as_bytes());
    let b = hash.as_bytes();
    format!("02:00:00:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2])
}

impl Machine {
    /// Builds `board`, as read from `document`, with `firmware` in its memory, and resets it.
    pub fn build(
        board: &Board,
        document: &Document,
        firmware: &Firmware,
        options: Options,
    ) -> Result<Self, BuildError> {
        let clock = Clock::new(board.processor.clock)
            .map_err(|error| document.error("/processor/clock", error.to_string()))?;
        let prepared = boot::prepare(board, document, firmware, &options.boot, &options.name, options.seed)?;
        let mut core = cores::build(board, options.timing, &prepared).map_err(|error| {
            document.error("/processor", format!("the processor cannot be built: {error}"))
        })?;
        let regions = map_memory(board, document, core.as_mut())?;
        load(board, firmware, core.as_mut())?;
        for (at, file) in &prepared.loads {
            core.memory_mut().write(*at, &file.bytes).map_err(|_| {
                let (name, len) = (&file.name, file.bytes.len());
                BuildError::Firmware(format!(
                    "{name}: {len} bytes at {at:#x} are not inside the board's memory"
                ))
            })?;
        }
        let mut bus = MachineBus::new(clock, Rng::new(options.seed, &options.name));
        let (ports, port_nodes) = place(board, document, &options, &mut bus)?;
        for (name, contents) in &options.contents {
            load_contents(&mut bus, name, contents, &options.name)?;
        }
        let console =
            board.console.as_ref().and_then(|name| ports.iter().position(|port| port.name == *name));
        let console = console
            .or_else(|| ports.iter().position(|port| port.kind == consort_core::component::PortKind::Uart));
        let mut machine = Self {
            core,
            bus,
            clock,
            ports,
            port_nodes,
            regions,
            lockup_resets: board.processor.lockup_resets,
            symbols: firmware.symbols.clone(),
            inbox: Inbox::default(),
            prompt: false,
            state: Power::On,
            asleep: false,
            programmed: None,
            edition: 0,
            occasions: Occasions::default(),
            was_reset: false,
            semihosting: options.semihosting,
            received: 0,
            sent: 0,
            console: console.map(|index| index as u16),
            loads: prepared.loads,
            chip_watches: Vec::new(),
        };
        machine.bus.reset(ResetCause::PowerOn, Time::ZERO, machine.core.memory_mut());
        machine.core.reset();
        machine.apply_irqs();
        machine.bus.recorder = Recorder::default();
        Ok(machine)
    }
}

fn map_memory(board: &Board, document: &Document, core: &mut dyn Core) -> Result<Vec<Region>, BuildError> {
    let mut regions = Vec::new();
    // Aliases come last: what they show must be there.
    let (aliases, own): (Vec<_>, Vec<_>) =
        board.memory.iter().partition(|(_, m)| m.kind == MemoryKind::Alias);
    for (name, memory) in own.into_iter().chain(aliases) {
        let kind = match (memory.kind, memory.of) {
            (MemoryKind::Rom, _) => RegionKind::Rom,
            (MemoryKind::Alias, Some(of)) => RegionKind::Alias { target: of.0 },
            _ => RegionKind::Ram,
        };
        let region = Region { base: memory.at.0, size: memory.size.0, kind };
        core.map(region).map_err(|error| document.error(&format!("/memory/{name}"), error.to_string()))?;
        if memory.fill != 0 && memory.kind != MemoryKind::Alias {
            let chunk = vec![memory.fill; 4096];
            for at in (region.base..region.base + region.size).step_by(chunk.len()) {
                core.memory_mut()
                    .write(at, &chunk)
                    .map_err(|error| document.error(&format!("/memory/{name}"), error.to_string()))?;
            }
        }
        regions.push(region);
    }
    Ok(regions)
}

fn load(board: &Board, firmware: &Firmware, core: &mut dyn Core) -> Result<(), BuildError> {
    let is_64 = application_core(&board.processor).is_some_and(|model| model.is_64());
    let processor = if is_64 { Processor::Aarch64 } else { Processor::Arm };
    firmware.check_processor(processor).map_err(|error| BuildError::Firmware(error.to_string()))?;
    for (file, segment) in firmware.segments() {
        core.memory_mut().write(segment.addr, &segment.data).map_err(|_| {
            let memory: Vec<String> = board
                .memory
                .iter()
                .map(|(name, m)| format!("{name} {:#010x}-{:#010x}", m.at.0, m.at.0 + m.size.0 - 1))
                .collect();
            BuildError::Firmware(format!(
                "{file}: {} bytes at {:#010x} are not inside the board's memory ({})",
                segment.data.len(),
                segment.addr,
                memory.join(", ")
            ))
        })?;
    }
    Ok(())
}

/// Gives a component's memory that outlives power its contents.
fn load_contents(bus: &mut MachineBus, name: &str, contents: &[u8], device: &str) -> Result<(), BuildError> {
    let error =
        |text: String| BuildError::Firmware(format!("device `{device}`, contents of `{name}`: {text}"));
    let node = bus.find(name).ok_or_else(|| {
        let names = bus.nodes.iter().map(|node| node.name.as_str());
        error(format!("its board has no such component{}", suggest(name, names)))
    })?;
    bus.component_mut(node).load(contents).map_err(error)
}

/// Puts peripherals and parts in their places and wires them.
fn place(
    board: &Board,
    document: &Document,
    options: &Options,
    bus: &mut MachineBus,
) -> Result<(Vec<Port>, Vec<NodeId>), BuildError> {
    for name in options.config.keys() {
        if !board.peripherals.contains_key(name) && !board.parts.contains_key(name) {
            let names = board.peripherals.keys().chain(board.parts.keys()).map(String::as_str);
            let message = format!("the board has no component `{name}`{}", suggest(name, names));
            return Err(BuildError::Config { path: vec![name.clone()], message });
        }
    }
    for (name, peripheral) in &board.peripherals {
        let pointer = format!("/peripherals/{name}");
        let Built::Peripheral(model) =
            model(document, &pointer, &peripheral.kind, &peripheral.config, name, options)?
        else {
            return Err(document
                .error(&pointer, format!("`{}` is a part: it belongs under `parts`", peripheral.kind))
                .into());
        };
        add_node(bus, name, model.as_ref());
        bus.blocks.push(Block { base: peripheral.at.0, model });
        bus.decode.push((peripheral.at.0, peripheral.at.0 + peripheral.size.0, bus.blocks.len() - 1));
    }
    bus.decode.sort_unstable();
    for (name, part) in &board.parts {
        let pointer = format!("/parts/{name}");
        let Built::Part(model) = model(document, &pointer, &part.kind, &part.config, name, options)? else {
            return Err(document
                .error(&pointer, format!("`{}` is a peripheral, not a part", part.kind))
                .into());
        };
        add_node(bus, name, model.as_ref());
        let mut on = Vec::new();
        for controller in &part.on {
            let index = board.peripherals.get_index_of(controller).ok_or_else(|| {
                let names = board.peripherals.keys().map(String::as_str);
                document.error(
                    &format!("{pointer}/on"),
                    format!("there is no peripheral `{controller}`{}", suggest(controller, names)),
                )
            })?;
            on.push(NodeId(index as u16));
        }
        bus.parts.list.push(OffChip { on, model });
    }
    let peripherals = board.peripherals.iter().map(|(name, p)| (name, "peripherals", &p.irq, &p.wires));
    let parts = board.parts.iter().map(|(name, p)| (name, "parts", &p.irq, &p.wires));
    for (node, (name, section, irq, wires)) in peripherals.chain(parts).enumerate() {
        connect(board, document, bus, node, &format!("/{section}/{name}"), irq, wires)?;
    }
    for memory in board.memory.values() {
        if let Some(to) = memory.writes.as_ref().and_then(|name| board.peripherals.get_index_of(name)) {
            bus.rom_writes.push(RomWrites { base: memory.at.0, size: memory.size.0, to });
        }
    }
    let (mut ports, mut port_nodes) = (Vec::new(), Vec::new());
    for index in 0..bus.nodes.len() {
        let node = NodeId(index as u16);
        if let Some(kind) = bus.component(node).port() {
            bus.nodes[index].port = Some(ports.len() as u16);
            ports.push(Port { name: bus.nodes[index].name.clone(), kind });
            port_nodes.push(node);
        }
    }
    // Nothing arrives here; a guest's semihosting output leaves by it.
    ports.push(Port { name: semihosting::PORT.to_owned(), kind: consort_core::component::PortKind::Uart });
    Ok((ports, port_nodes))
}

fn add_node(bus: &mut MachineBus, name: &str, component: &dyn Component) {
    let lines = component.lines().len();
    if component.watches_sleep() {
        bus.sleep_watchers.push(NodeId(bus.nodes.len() as u16));
    }
    if component.listens() {
        bus.listeners.push(NodeId(bus.nodes.len() as u16));
    }
    bus.nodes.push(Node {
        name: name.to_owned(),
        levels: vec![false; lines],
        targets: vec![Vec::new(); lines],
        port: None,
    });
    bus.wakes.push(Time::MAX);
}

fn model(
    document: &Document,
    pointer: &str,
    kind: &str,
    config: &Value,
    name: &str,
    options: &Options,
) -> Result<Built, BuildError> {
    let models = consort_peripherals::models();
    let entry = models.iter().find(|entry| entry.kind == kind).ok_or_else(|| {
        let names = models.iter().map(|entry| entry.kind);
        document
            .error(&format!("{pointer}/kind"), format!("there is no model `{kind}`{}", suggest(kind, names)))
    })?;
    let mut config = config.clone();
    let own = options.config.get(name);
    if let Some(own) = own {
        json_patch::merge(&mut config, own);
    }
    let build = |config: &Value| {
        (entry.build)(config.clone()).map_err(|error| {
            let message = format!("{kind}: {error}");
            let inside = pointer_of(&error.path);
            if own.is_some_and(|own| own.pointer(&inside).is_some()) {
                let path = std::iter::once(name.to_owned()).chain(error.path).collect();
                return BuildError::Config { path, message };
            }
            document.error(&format!("{pointer}/config{inside}"), message).into()
        })
    };
    let built = build(&config)?;
    // An Ethernet controller without an address gets one of its own.
    let ethernet = match &built {
        Built::Peripheral(model) => model.port() == Some(consort_core::component::PortKind::Ethernet),
        Built::Part(model) => model.port() == Some(consort_core::component::PortKind::Ethernet),
    };
    if ethernet && config.get("mac").is_none() {
        json_patch::merge(&mut config, &json!({ "mac": station_address(&options.name, name) }));
        return build(&config);
    }
    Ok(built)
}

fn connect(
    board: &Board,
    document: &Document,
    bus: &mut MachineBus,
    node: usize,
    pointer: &str,
    irq: &IndexMap<String, Irq>,
    wires: &IndexMap<String, Wires>,
) -> Result<(), BuildError> {
    let lines = bus.component(NodeId(node as u16)).lines();
    let line = |section: &str, name: &str| {
        lines.iter().position(|line| *line == name).ok_or_else(|| {
            document.error(
                &format!("{pointer}/{section}/{name}"),
                format!("there is no line `{name}`{}", suggest(name, lines.iter().copied())),
            )
        })
    };
    for (name, irq) in irq {
        let line = line("irq", name)?;
        let number = match irq {
            Irq::Nmi(_) => NMI,
            Irq::Number(number) if *number < board.processor.interrupts => *number,
            Irq::Number(number) => {
                let message = format!(
                    "interrupt {number} does not exist: the processor has {}",
                    board.processor.interrupts
                );
                return Err(document.error(&format!("{pointer}/irq/{name}"), message).into());
            }
        };
        bus.nodes[node].targets[line].push(Target::Irq(number));
    }
    for (name, targets) in wires {
        let line = line("wires", name)?;
        for target in targets.targets() {
            let at = format!("{pointer}/wires/{name}");
            let (to, pin) = target
                .split_once('.')
                .ok_or_else(|| document.error(&at, format!("`{target}` is not of the form component.pin")))?;
            let to_node = bus.find(to).ok_or_else(|| {
                let names = bus.nodes.iter().map(|node| node.name.as_str());
                document.error(&at, format!("there is no component `{to}`{}", suggest(to, names)))
            })?;
            let pins = bus.component(to_node).pins();
            let pin = pins.iter().position(|known| *known == pin).ok_or_else(|| {
                document
                    .error(&at, format!("`{to}` has no pin `{pin}`{}", suggest(pin, pins.iter().copied())))
            })?;
            bus.nodes[node].targets[line].push(Target::Pin(to_node, pin as u16));
        }
    }
    Ok(())
}
