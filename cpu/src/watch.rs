//! A core's watchpoints, as its engine has them.

use consort_core::cpu::{WatchKind, Watchpoint};

use crate::engine::{AccessKind, Engine};

/// The debugger's slot among the engine's watchpoints.
const SLOT: u8 = 0;

/// What the engine was told to watch for a debugger.
#[derive(Debug, Default)]
pub(crate) struct Watched(Vec<(u64, u64, AccessKind)>);

impl Watched {
    /// Watches these places and no others.
    pub(crate) fn set(&mut self, engine: &mut Engine, at: &[Watchpoint]) {
        for (addr, len, access) in self.0.drain(..) {
            engine.remove_watchpoint(SLOT, addr, len, access);
        }
        for Watchpoint { addr, len, kind } in at {
            let accesses: &[AccessKind] = match kind {
                WatchKind::Read => &[AccessKind::Read],
                WatchKind::Write => &[AccessKind::Write],
                WatchKind::Access => &[AccessKind::Read, AccessKind::Write],
            };
            for access in accesses {
                engine.add_watchpoint(SLOT, *addr, *len, *access);
                self.0.push((*addr, *len, *access));
            }
        }
    }
}
