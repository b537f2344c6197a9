//! Breakpoints and watchpoints of several owners on one device: a debugger and an inspector do not take away
//! each other's.

use std::collections::BTreeMap;

use super::Fleet;
use crate::bus::Addr;
use crate::cpu::Watchpoint;
use crate::device::Occasions;

/// What one owner wants a device to halt at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Instructions, by address.
    pub breakpoints: Vec<Addr>,
    /// Accesses.
    pub watchpoints: Vec<Watchpoint>,
    /// What else.
    pub occasions: Occasions,
}

/// The points of each device and owner.
pub(super) type Owners = BTreeMap<(usize, u64), Points>;

impl Fleet {
    /// Whether anybody besides `owner` wants a device to halt somewhere.
    pub fn has_points_besides(&self, index: usize, owner: u64) -> bool {
        self.points.range((index, 0)..=(index, u64::MAX)).any(|((_, other), _)| *other != owner)
    }

    /// Replaces what `owner` (a number of its own choice) wants a device to halt at; the points of others
    /// stay. Halts do not change the run.
    pub fn set_points(&mut self, index: usize, owner: u64, points: Points) {
        let nothing = points == Points::default();
        let before = if nothing {
            self.points.remove(&(index, owner))
        } else {
            self.points.insert((index, owner), points.clone())
        };
        // Changing points costs translated code.
        if before.unwrap_or_default() == points {
            return;
        }
        let (mut breakpoints, mut watchpoints) = (Vec::new(), Vec::new());
        let mut occasions = Occasions::default();
        for points in self.points.range((index, 0)..=(index, u64::MAX)).map(|(_, points)| points) {
            breakpoints.extend(&points.breakpoints);
            watchpoints.extend(&points.watchpoints);
            occasions.calls |= points.occasions.calls;
            occasions.resets |= points.occasions.resets;
        }
        breakpoints.sort_unstable();
        breakpoints.dedup();
        self.device(index, |device| {
            if let Some(debug) = device.debug() {
                debug.set_breakpoints(&breakpoints);
                debug.set_watchpoints(&watchpoints);
                debug.set_occasions(occasions);
            }
        });
    }
}
