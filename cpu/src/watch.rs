//! A core's watchpoints, as its engine has them.

use consort_core::cpu::{CHIP_WATCHES, WatchKind, Watchpoint};

use crate::engine::{AccessKind, Engine};

/// What the engine was told to watch: for a debugger, all in one slot, or for the chip, each in its own.
#[derive(Debug, Default)]
pub(crate) struct Watched(Vec<(u8, u64, u64, AccessKind)>);

/// The debugger's slot among the engine's watchpoints; the next eight are the DWT's.
const DEBUGGER: u8 = 0;
/// The chip's first slot.
pub(crate) const CHIP: u8 = 9;

impl Watched {
    /// Watches these places for a debugger, and no others.
    pub(crate) fn set(&mut self, engine: &mut Engine, at: &[Watchpoint]) {
        self.replace(engine, at.iter().map(|place| (DEBUGGER, place)));
    }

    /// Watches these places for the chip, the nth in its nth slot, and no others.
    pub(crate) fn set_each(&mut self, engine: &mut Engine, at: &[Watchpoint]) {
        self.replace(engine, (CHIP..).zip(at.iter().take(CHIP_WATCHES)));
    }

    /// The chip's watches, bit n for the nth, that an access to these bytes touches.
    pub(crate) fn touched_by(&self, addr: u64, len: u64, access: AccessKind) -> u32 {
        let touches = |(_, at, size, kind): &&(u8, u64, u64, AccessKind)| {
            *kind == access && addr < at.saturating_add(*size) && *at < addr.saturating_add(len)
        };
        self.0.iter().filter(touches).fold(0, |all, (slot, ..)| all | 1 << slot.saturating_sub(CHIP))
    }

    fn replace<'a>(&mut self, engine: &mut Engine, at: impl Iterator<Item = (u8, &'a Watchpoint)>) {
        for (slot, addr, len, access) in self.0.drain(..) {
            engine.remove_watchpoint(slot, addr, len, access);
        }
        for (slot, Watchpoint { addr, len, kind }) in at {
            let accesses: &[AccessKind] = match kind {
                WatchKind::Read => &[AccessKind::Read],
                WatchKind::Write => &[AccessKind::Write],
                WatchKind::Access => &[AccessKind::Read, AccessKind::Write],
            };
            for access in accesses {
                engine.add_watchpoint(slot, *addr, *len, *access);
                self.0.push((slot, *addr, *len, *access));
            }
        }
    }
}
