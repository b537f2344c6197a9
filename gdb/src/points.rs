//! A debugger's breakpoints and watchpoints on its device.

use std::collections::BTreeSet;

use consort_core::Addr;
use consort_core::cpu::{WatchKind, Watchpoint};
use consort_core::device::Occasions;
use consort_core::fleet::{self, Fleet};
use gdbstub::common::Signal;
use gdbstub::target::ext::breakpoints;

use crate::client::{Reason, signalled};
use crate::seat::CORE;

/// Kinds of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A software breakpoint.
    Soft,
    /// A hardware breakpoint.
    Hard,
    /// A watchpoint.
    Watch(WatchKind),
}

/// What a debugger has set. Software and hardware breakpoints stop alike, but GDB tells them apart.
#[derive(Debug, Default)]
pub(crate) struct Points {
    soft: BTreeSet<Addr>,
    hard: BTreeSet<Addr>,
    watched: Vec<Watchpoint>,
    /// Whether semihosting calls come to this debugger; resets, while `monitor reset halt` waits for one.
    occasions: Occasions,
    /// Whether the device does not know of the latest changes: GDB takes all points out at each stop and puts
    /// them in again before it goes on, which need not cost a translation.
    changed: bool,
}

/// Whose points these are among all that a fleet knows.
pub(crate) const OWNER: u64 = 0;
/// How often a program sets points at all, so that a client that never stops setting them ends somewhere.
const MAX_POINTS: usize = 100_000;

impl Points {
    /// Sets or removes a point. Both may be asked for twice.
    pub(crate) fn change(&mut self, set: bool, kind: Kind, addr: Addr, len: u64) -> Result<(), Refused> {
        let kind = match kind {
            Kind::Soft | Kind::Hard => {
                let points = if kind == Kind::Soft { &mut self.soft } else { &mut self.hard };
                if set && points.len() >= MAX_POINTS {
                    return Err(Refused);
                }
                self.changed |= if set { points.insert(addr) } else { points.remove(&addr) };
                return Ok(());
            }
            Kind::Watch(kind) => kind,
        };
        if len == 0 || addr.checked_add(len).is_none() {
            return Err(Refused);
        }
        let point = Watchpoint { addr, len, kind };
        let known = self.watched.iter().position(|known| *known == point);
        match (set, known) {
            (true, None) if self.watched.len() >= MAX_POINTS => return Err(Refused),
            (true, None) => self.watched.push(point),
            (false, Some(at)) => drop(self.watched.remove(at)),
            _ => return Ok(()),
        }
        self.changed = true;
        Ok(())
    }

    /// Tells the device, when there is something new.
    pub(crate) fn apply(&mut self, fleet: &mut Fleet, device: usize) {
        if std::mem::take(&mut self.changed) {
            let breakpoints = self.soft.union(&self.hard).copied().collect();
            fleet.set_points(
                device,
                OWNER,
                fleet::Points { breakpoints, watchpoints: self.watched.clone(), occasions: self.occasions },
            );
        }
    }

    /// Removes all.
    pub(crate) fn clear(&mut self) {
        *self = Self { changed: true, ..Self::default() };
    }

    /// Whether resets halt the device.
    pub(crate) fn take_resets(&mut self, wanted: bool) {
        self.changed |= self.occasions.resets != wanted;
        self.occasions.resets = wanted;
    }

    /// Whether semihosting calls for console and files come to this debugger.
    pub(crate) fn take_calls(&mut self, wanted: bool) {
        self.changed |= self.occasions.calls != wanted;
        self.occasions.calls = wanted;
    }

    /// Whether something is new to the device.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Whether there is a breakpoint at `pc`, and then whether it is one of hardware.
    pub(crate) fn breakpoint_at(&self, pc: Addr) -> Option<bool> {
        let hard = self.hard.contains(&pc);
        (hard || self.soft.contains(&pc)).then_some(hard)
    }

    /// How a stop at `pc` is explained.
    pub(crate) fn reason_at(&self, pc: Addr) -> Reason {
        match self.breakpoint_at(pc) {
            Some(true) => Reason::HwBreak(CORE),
            Some(false) => Reason::SwBreak(CORE),
            None => signalled(Signal::SIGTRAP),
        }
    }

    /// How a stop after an access of `kind` at `addr` is explained: by the watchpoint that it met.
    pub(crate) fn watched_at(&self, addr: Addr, kind: WatchKind) -> Reason {
        let covers = |point: &&Watchpoint| addr.wrapping_sub(point.addr) < point.len;
        // An access may begin before the watched bytes and reach into them.
        let near = |point: &&Watchpoint| point.addr.wrapping_sub(addr) < 16;
        let matches = |point: &&Watchpoint| point.kind == kind || point.kind == WatchKind::Access;
        let found = self
            .watched
            .iter()
            .filter(matches)
            .find(covers)
            .or_else(|| self.watched.iter().filter(matches).find(near));
        let (kind, at) =
            found.map_or((kind, addr), |point| (point.kind, if covers(&point) { addr } else { point.addr }));
        let kind = match kind {
            WatchKind::Write => breakpoints::WatchKind::Write,
            WatchKind::Read => breakpoints::WatchKind::Read,
            WatchKind::Access => breakpoints::WatchKind::ReadWrite,
        };
        Reason::Watch { tid: CORE, kind, addr: at }
    }
}

/// A point that covers nothing, or one more than anybody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_twice_is_setting_once() {
        let mut points = Points::default();
        for _ in 0..2 {
            points.change(true, Kind::Hard, 0x10, 2).unwrap();
            points.change(true, Kind::Watch(WatchKind::Write), 0x2000_0000, 4).unwrap();
        }
        assert_eq!(points.breakpoint_at(0x10), Some(true));
        points.change(true, Kind::Soft, 0x20, 2).unwrap();
        assert_eq!(points.breakpoint_at(0x20), Some(false));
        points.change(false, Kind::Hard, 0x10, 2).unwrap();
        points.change(false, Kind::Watch(WatchKind::Write), 0x2000_0000, 4).unwrap();
        assert_eq!(points.breakpoint_at(0x10), None);
        assert!(points.watched.is_empty());
    }

    #[test]
    fn an_access_is_told_by_the_watchpoint_it_met() {
        let mut points = Points::default();
        points.change(true, Kind::Watch(WatchKind::Access), 0x100, 4).unwrap();
        points.change(true, Kind::Watch(WatchKind::Write), 0x200, 4).unwrap();
        use breakpoints::WatchKind::{ReadWrite, Write};
        let met = |kind, addr| Reason::Watch { tid: CORE, kind, addr };
        assert_eq!(points.watched_at(0x102, WatchKind::Read), met(ReadWrite, 0x102));
        assert_eq!(points.watched_at(0x200, WatchKind::Write), met(Write, 0x200));
        assert_eq!(points.watched_at(0x1FE, WatchKind::Write), met(Write, 0x200));
        assert_eq!(points.change(true, Kind::Watch(WatchKind::Write), 0, 0), Err(Refused));
        assert_eq!(points.change(true, Kind::Watch(WatchKind::Write), u64::MAX, 2), Err(Refused));
    }
}
