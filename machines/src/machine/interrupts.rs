//! The interrupt controller as a debugger lists it, read without side effects: the M-profile's, or a GIC.

use consort_core::Addr;
use consort_core::cpu::NMI;
use consort_core::device::{Debug as _, Interrupt};

use super::Machine;
use super::bus::Target;

const ICSR: Addr = 0xE000_ED04;
const VTOR: Addr = 0xE000_ED08;
const SHCSR: Addr = 0xE000_ED24;
const ISER: Addr = 0xE000_E100;
const ISPR: Addr = 0xE000_E200;
const IABR: Addr = 0xE000_E300;
const IPR: Addr = 0xE000_E400;
/// System handler priorities of exceptions 4 to 15, a byte each.
const SHPR: Addr = 0xE000_ED18;

/// An exception below 16 with its bits: SHCSR enable, pending (in SHCSR, or in ICSR when marked), SHCSR active
/// (ARM DDI 0403E B3.2.4 and B3.2.13).
struct System {
    number: u16,
    name: &'static str,
    enable: Option<u8>,
    pending: Option<(Addr, u8)>,
    active: Option<u8>,
}

const fn system(
    number: u16,
    name: &'static str,
    enable: Option<u8>,
    pending: Option<(Addr, u8)>,
    active: Option<u8>,
) -> System {
    System { number, name, enable, pending, active }
}

const SYSTEM: [System; 9] = [
    system(2, "NMI", None, Some((ICSR, 31)), None),
    system(3, "HardFault", None, None, None),
    system(4, "MemManage", Some(16), Some((SHCSR, 13)), Some(0)),
    system(5, "BusFault", Some(17), Some((SHCSR, 14)), Some(1)),
    system(6, "UsageFault", Some(18), Some((SHCSR, 12)), Some(3)),
    system(11, "SVCall", None, Some((SHCSR, 15)), Some(7)),
    system(12, "DebugMonitor", None, None, Some(8)),
    system(14, "PendSV", None, Some((ICSR, 28)), Some(10)),
    system(15, "SysTick", None, Some((ICSR, 26)), Some(11)),
];

/// Registers of a GIC's distributor (IHI 0048B 4.3).
mod gic {
    pub(super) const TYPER: u64 = 0x004;
    pub(super) const ISENABLER: u64 = 0x100;
    pub(super) const ISPENDR: u64 = 0x200;
    pub(super) const ISACTIVER: u64 = 0x300;
    pub(super) const IPRIORITYR: u64 = 0x400;
    /// Shared interrupts come behind what is private to the core.
    pub(super) const SHARED: u16 = 32;
    /// The generic timer's interrupts, where Arm's base system architecture has them.
    pub(super) const PRIVATE: [(u16, &str); 4] =
        [(26, "hypervisor timer"), (27, "virtual timer"), (29, "secure timer"), (30, "physical timer")];
}

impl Machine {
    fn word_at(&self, addr: Addr) -> u32 {
        let mut bytes = [0; 4];
        self.read(addr, &mut bytes).map_or(0, |()| u32::from_le_bytes(bytes))
    }

    /// The output lines that lead to each interrupt, in the order of interrupts.
    fn sources(&self) -> std::collections::BTreeMap<u16, Vec<String>> {
        let mut sources = std::collections::BTreeMap::<u16, Vec<String>>::new();
        for (index, node) in self.bus.nodes.iter().enumerate() {
            let component = self.bus.component(consort_core::component::NodeId(index as u16));
            let several = component.lines().len() > 1;
            for (line, targets) in node.targets.iter().enumerate() {
                for target in targets {
                    let Target::Irq(irq) = target else { continue };
                    let line = component.lines().get(line).filter(|_| several);
                    let name = line.map_or_else(|| node.name.clone(), |line| format!("{}.{line}", node.name));
                    sources.entry(*irq).or_default().push(name);
                }
            }
        }
        sources
    }

    /// Exceptions and interrupts that exist: the wired ones and those that software uses.
    pub(super) fn interrupt_list(&self) -> Vec<Interrupt> {
        if let Some(distributor) = self.core.gic() {
            return self.gic_list(distributor);
        }
        if !self.core.model().starts_with("cortex-m") {
            return Vec::new();
        }
        let table = u64::from(self.word_at(VTOR));
        let handler = |number: u16| match self.word_at(table + 4 * u64::from(number)) {
            0 => None,
            address => Some(u64::from(address & !1)),
        };
        let (shcsr, current) = (self.word_at(SHCSR), self.core.exception());
        let mut all: Vec<_> = SYSTEM
            .iter()
            .map(|system| {
                let bit = |bit: Option<u8>| bit.is_some_and(|bit| shcsr >> bit & 1 != 0);
                let pending = system.pending.is_some_and(|(at, bit)| self.word_at(at) >> bit & 1 != 0);
                let byte = SHPR + u64::from(system.number).saturating_sub(4);
                let priority = self.word_at(byte & !3) >> (byte % 4 * 8);
                Interrupt {
                    number: system.number,
                    name: system.name.to_owned(),
                    enabled: system.enable.is_none() || bit(system.enable),
                    pending,
                    active: bit(system.active) || current == system.number,
                    priority: (system.number > 3).then_some(priority as u8),
                    handler: handler(system.number),
                }
            })
            .collect();
        let mut sources = self.sources();
        for irq in 0..240u16 {
            let bit = |base: Addr| self.word_at(base + u64::from(irq / 32 * 4)) >> (irq % 32) & 1 != 0;
            let (enabled, pending) = (bit(ISER), bit(ISPR));
            let active = bit(IABR) || current == irq + 16;
            let named = sources.remove(&irq);
            if named.is_none() && !enabled && !pending && !active {
                continue;
            }
            let priority = self.word_at(IPR + u64::from(irq & !3)) >> (irq % 4 * 8);
            all.push(Interrupt {
                number: irq + 16,
                name: named.map_or_else(|| format!("irq {irq}"), |names| names.join(", ")),
                enabled,
                pending,
                active,
                priority: Some(priority as u8),
                handler: handler(irq + 16),
            });
        }
        if let (Some(names), Some(nmi)) =
            (sources.remove(&NMI), all.iter_mut().find(|known| known.number == 2))
        {
            nmi.name = format!("NMI ({})", names.join(", "));
        }
        all
    }

    /// The interrupts of a GIC by its own numbers. They share one vector: which handler belongs to which, only
    /// the guest knows.
    fn gic_list(&self, distributor: Addr) -> Vec<Interrupt> {
        let word = |offset: u64| self.core.peek_private(distributor + offset).unwrap_or(0);
        let count = (word(gic::TYPER) as u16 & 0x1F) * 32 + 32;
        let mut sources = self.sources();
        let mut all = Vec::new();
        for number in 0..count {
            let bit = |base: u64| word(base + u64::from(number / 32 * 4)) >> (number % 32) & 1 != 0;
            let (pending, active) = (bit(gic::ISPENDR), bit(gic::ISACTIVER));
            let wired = number.checked_sub(gic::SHARED).and_then(|irq| sources.remove(&irq));
            let private = gic::PRIVATE.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
            let name = match (wired, private) {
                (Some(names), _) => names.join(", "),
                (None, Some(name)) => name.to_owned(),
                // Software's own are always enabled; they are of interest when they are used.
                (None, None) if number < 16 && (pending || active) => format!("software {number}"),
                (None, None) if number >= 16 && (pending || active || bit(gic::ISENABLER)) => {
                    format!("interrupt {number}")
                }
                (None, None) => continue,
            };
            let priority = word(gic::IPRIORITYR + u64::from(number & !3)) >> (number % 4 * 8);
            all.push(Interrupt {
                number,
                name,
                enabled: bit(gic::ISENABLER),
                pending,
                active,
                priority: Some(priority as u8),
                handler: None,
            });
        }
        all
    }
}
