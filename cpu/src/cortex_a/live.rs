//! A core at work: what its instructions reach beyond memory.

use consort_core::bus::{Addr, Bus, BusError, Width};
use consort_core::time::Cycles;
use consort_core::trace::CoreEvent;

use super::config::CortexAConfig;
use super::gic::{Event, Gic};
use super::timer::{INTERRUPTS, Timers};
use crate::engine::{Access, BusError as Refused, Io, Reg, SystemReg};
use crate::regions::{Guest, Regions};

/// ELR_EL1.
pub(super) const ELR_EL1: Reg = Reg::system(3, 0, 4, 0, 1);
/// Of each half of the GIC.
const GIC_SIZE: u64 = 0x2000;

/// What is private to the core besides its registers.
#[derive(Clone, Debug)]
pub(super) struct Private {
    pub(super) gic: Gic,
    pub(super) timers: Timers,
    /// The lines that the engine's core sees.
    pub(super) lines: u64,
}

impl Private {
    /// Carries the timers' interrupts to the GIC; true when the lines to the core changed.
    pub(super) fn settle(&mut self) -> bool {
        for (irq, level) in INTERRUPTS.into_iter().zip(self.timers.levels()) {
            self.gic.set_level(irq, level);
        }
        let lines = self.gic.lines();
        std::mem::replace(&mut self.lines, lines) != lines
    }

    /// A word of the GIC without side effects, or `None` where it is not.
    pub(super) fn peek(&self, config: &CortexAConfig, addr: Addr) -> Option<u32> {
        let distributor = addr.wrapping_sub(config.distributor);
        if distributor < GIC_SIZE / 2 {
            return Some(self.gic.read_distributor(distributor as u32 & !3, Width::Word));
        }
        let interface = addr.wrapping_sub(config.cpu_interface);
        (interface < GIC_SIZE).then(|| self.gic.peek_interface(interface as u32 & !3))
    }
}

/// The core's surroundings while the engine runs.
pub(super) struct Port<'a> {
    pub(super) private: &'a mut Private,
    pub(super) config: &'a CortexAConfig,
    pub(super) regions: &'a Regions,
    pub(super) bus: &'a mut dyn Bus,
    /// The cycle at which the engine's run began.
    pub(super) start: Cycles,
    /// Whether an access made the bus want attention.
    pub(super) attention: bool,
}

impl Port<'_> {
    fn at(&self, cx: &Access<'_>) -> Cycles {
        self.start + cx.cycles()
    }

    /// After something that may have changed the interrupt lines.
    fn settle(&mut self, cx: &mut Access<'_>) {
        if self.private.settle() {
            cx.set_interrupts(self.private.lines);
        }
    }

    fn note(&mut self, cx: &Access<'_>, event: Event) {
        let at = self.at(cx);
        let pc = if self.config.model.is_64() { cx.reg(ELR_EL1) } else { cx.reg(Reg::LR) };
        self.bus.note(
            at,
            match event {
                Event::Acknowledged(number) => CoreEvent::Entry { number, pc },
                Event::Ended(number) => CoreEvent::Return { number, pc },
            },
        );
    }

    fn attend(&mut self, cx: &mut Access<'_>) {
        if self.bus.attention() {
            self.attention = true;
            cx.stop_after();
        }
    }
}

/// An access to the GIC: which half, and where in it.
enum Place {
    Distributor(u32),
    Interface(u32),
}

fn place(config: &CortexAConfig, address: u64) -> Option<Place> {
    let distributor = address.wrapping_sub(config.distributor);
    if distributor < GIC_SIZE / 2 {
        return Some(Place::Distributor(distributor as u32));
    }
    let interface = address.wrapping_sub(config.cpu_interface);
    (interface < GIC_SIZE).then_some(Place::Interface(interface as u32))
}

impl Io for Port<'_> {
    fn read(&mut self, cx: &mut Access<'_>, address: u64, size: u8) -> Result<u64, Refused> {
        let width = Width::from_bytes(u32::from(size)).ok_or(Refused)?;
        match place(self.config, address) {
            Some(_) if width == Width::Double => Err(Refused),
            Some(Place::Distributor(offset)) => Ok(self.private.gic.read_distributor(offset, width).into()),
            // IHI 0048B 4.1.4: words only.
            Some(Place::Interface(_)) if width != Width::Word => Err(Refused),
            Some(Place::Interface(offset)) => {
                let (value, event) = self.private.gic.read_interface(offset);
                if let Some(event) = event {
                    self.note(cx, event);
                    self.settle(cx);
                }
                Ok(value.into())
            }
            None => {
                let at = self.at(cx);
                let memory = &mut Guest { access: &mut *cx, regions: self.regions };
                let value = self.bus.read(at, address, width, memory);
                self.attend(cx);
                value.map_err(|_| Refused)
            }
        }
    }

    fn write(&mut self, cx: &mut Access<'_>, address: u64, size: u8, value: u64) -> Result<(), Refused> {
        let width = Width::from_bytes(u32::from(size)).ok_or(Refused)?;
        match place(self.config, address) {
            Some(_) if width == Width::Double => Err(Refused),
            Some(Place::Distributor(offset)) => {
                self.private.gic.write_distributor(offset, width, value as u32);
                self.settle(cx);
                Ok(())
            }
            Some(Place::Interface(_)) if width != Width::Word => Err(Refused),
            Some(Place::Interface(offset)) => {
                if let Some(event) = self.private.gic.write_interface(offset, value as u32) {
                    self.note(cx, event);
                }
                self.settle(cx);
                Ok(())
            }
            None => {
                let at = self.at(cx);
                let memory = &mut Guest { access: &mut *cx, regions: self.regions };
                let result = self.bus.write(at, address, width, value, memory);
                self.attend(cx);
                // What is written to ROM that nobody takes is lost, as on a bus without a flash controller.
                match result {
                    Err(BusError::Unmapped(_)) if self.regions.check(address, 1).is_ok() => Ok(()),
                    result => result.map_err(|_| Refused),
                }
            }
        }
    }

    fn read_system(&mut self, cx: &mut Access<'_>, register: SystemReg) -> Option<u64> {
        (register == SystemReg::Counter).then(|| self.private.timers.count(self.at(cx)))
    }

    fn write_system(&mut self, cx: &mut Access<'_>, register: SystemReg, value: u64) {
        match register {
            // The engine tells both after each write, the control last.
            SystemReg::TimerCompare(timer) => return self.private.timers.set_compare(timer, value),
            SystemReg::TimerControl(timer) => self.private.timers.set_control(timer, value),
            SystemReg::Time | SystemReg::Counter => return,
        }
        let until = self.private.timers.deadline().since(self.start);
        cx.shorten(until);
        self.settle(cx);
    }
}
