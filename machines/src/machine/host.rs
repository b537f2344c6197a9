//! What a component reaches while it is called: guest memory, the parts on its bus, its wires.

use consort_core::bus::Memory;
use consort_core::component::{Cx, Effect, Host, NodeId, Part};
use consort_core::rng::Rng;
use consort_core::{Addr, BusError, Time};

use super::bus::Parts;
use super::plugs::Plug;

/// What a part did while a controller talked to it.
pub(super) struct PartCall {
    pub part: usize,
    /// Its wake before the call.
    pub before: Time,
    pub effects: Vec<(NodeId, Effect)>,
}

/// The host side of a component's call: guest memory and the parts on its bus.
pub(super) struct Wiring<'a> {
    /// The parts and their wakes; none while a part is called: parts are no bus masters.
    pub parts: Option<(&'a mut Parts, &'a mut [Time])>,
    pub plugs: &'a [Plug],
    pub memory: &'a mut dyn Memory,
    pub called: Vec<PartCall>,
    pub now: Time,
}

impl Wiring<'_> {
    fn call<R>(&mut self, part: usize, call: impl FnOnce(&mut dyn Part, &mut Cx<'_>) -> R) -> Option<R> {
        let (parts, wakes) = self.parts.as_mut()?;
        let (model, wake) = (&mut parts.list.get_mut(part)?.model, wakes.get_mut(part)?);
        let (mut effects, before) = (Vec::new(), *wake);
        let (memory, plugs) = (&mut *self.memory, self.plugs);
        let mut nothing = Wiring { parts: None, plugs, memory, called: Vec::new(), now: self.now };
        // Bus transfers are short: a part that needs random numbers draws them when it is woken.
        let mut rng = Rng::new(self.now.as_ps(), "bus transfer");
        let mut cx = Cx::new(self.now, NodeId(part as u16), &mut effects, wake, &mut rng, &mut nothing);
        let result = call(model.as_mut(), &mut cx);
        if *wake != before || !effects.is_empty() {
            self.called.push(PartCall { part, before, effects });
        }
        Some(result)
    }

    fn addressed(&self, bus: NodeId) -> Option<usize> {
        let (parts, _) = self.parts.as_ref()?;
        parts.addressed.iter().find(|(node, _)| *node == bus).map(|(_, part)| *part)
    }
}

impl Host for Wiring<'_> {
    fn wire(&self, node: NodeId, pin: u16) -> Option<Time> {
        let plug = self.plugs.iter().find(|plug| plug.node == node && plug.pin == pin)?;
        Some(plug.latency)
    }

    fn dma_read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
        self.memory.read(addr, out)
    }

    fn dma_write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        self.memory.write(addr, data)
    }

    fn i2c_start(&mut self, bus: NodeId, address: u8, read: bool) -> bool {
        let Some((parts, _)) = self.parts.as_mut() else { return false };
        parts.addressed.retain(|(node, _)| *node != bus);
        let candidates: Vec<usize> = (0..parts.list.len())
            .filter(|index| {
                let part = &parts.list[*index];
                part.on.contains(&bus) && part.model.i2c_addresses().contains(&address)
            })
            .collect();
        for part in candidates {
            if self.call(part, |model, cx| model.i2c_start(address, read, cx)) == Some(true) {
                if let Some((parts, _)) = self.parts.as_mut() {
                    parts.addressed.push((bus, part));
                }
                return true;
            }
        }
        false
    }

    fn i2c_write(&mut self, bus: NodeId, byte: u8) -> bool {
        let part = self.addressed(bus);
        part.and_then(|part| self.call(part, |model, cx| model.i2c_write(byte, cx))).unwrap_or(false)
    }

    fn i2c_read(&mut self, bus: NodeId, last: bool) -> u8 {
        let part = self.addressed(bus);
        part.and_then(|part| self.call(part, |model, cx| model.i2c_read(last, cx))).unwrap_or(0xFF)
    }

    fn i2c_stop(&mut self, bus: NodeId) {
        if let Some(part) = self.addressed(bus) {
            self.call(part, |model, cx| model.i2c_stop(cx));
        }
        if let Some((parts, _)) = self.parts.as_mut() {
            parts.addressed.retain(|(node, _)| *node != bus);
        }
    }

    fn spi(&mut self, bus: NodeId, mosi: u32, bits: u8) -> u32 {
        let count = self.parts.as_ref().map_or(0, |(parts, _)| parts.list.len());
        let ones = if bits >= 32 { u32::MAX } else { (1 << bits) - 1 };
        let mut miso = ones;
        for part in 0..count {
            let here = self.parts.as_ref().is_some_and(|(parts, _)| parts.list[part].on.contains(&bus));
            if here && let Some(Some(out)) = self.call(part, |model, cx| model.spi(mosi, bits, cx)) {
                miso &= out; // two selected parts fight; low wins, as on an open-drain wire
            }
        }
        miso & ones
    }

    fn spi_bytes(&mut self, bus: NodeId, bytes: &mut [u8]) {
        let count = self.parts.as_ref().map_or(0, |(parts, _)| parts.list.len());
        let sent = bytes.to_vec();
        bytes.fill(0xFF);
        for part in 0..count {
            let here = self.parts.as_ref().is_some_and(|(parts, _)| parts.list[part].on.contains(&bus));
            let mut answer = sent.clone();
            if here && self.call(part, |model, cx| model.spi_bytes(&mut answer, cx)) == Some(true) {
                bytes.iter_mut().zip(answer).for_each(|(byte, own)| *byte &= own);
            }
        }
    }
}
