//! OpenHarmony's LiteOS-M: `LosTaskCB` of its `los_task.h` (version 3 and later) on a 32-bit processor, saved contexts
//! of its Cortex-M3, M4 and M7 ports.

use consort_core::Addr;
use consort_core::device::Debug;
use gdbstub::common::Tid;

use super::{MOST_TASKS, SOFTWARE, Saved, Thread, Words, frame, half, name, word};

/// `LosTaskCB`.
pub(super) const STATUS: Addr = 4;
pub(super) const PRIORITY: Addr = 6;
pub(super) const STACK_SIZE: Addr = 40;
pub(super) const STACK: Addr = 44;
pub(super) const ID: Addr = 48;
pub(super) const NAME: Addr = 68;
/// Its size depends on the kernel's configuration: between these, a multiple of 8.
const SMALLEST: u64 = 72;
const LARGEST: u64 = 1024;
const NAME_LENGTH: u64 = 32;
/// States, the most telling first.
const STATES: [(u16, &str); 8] = [
    (0x0010, "running"),
    (0x0100, "ended"),
    (0x0002, "suspended"),
    (0x0020, "delayed"),
    (0x0080, "waiting for a time"),
    (0x0008, "waiting"),
    (0x0004, "ready"),
    (0x0000, "idle"),
];
const UNUSED: u16 = 0x0001;
/// Which coprocessors may be used (DDI 0403 B3.2.20).
const CPACR: Addr = 0xE000_ED88;

/// Where a LiteOS-M keeps its tasks.
#[derive(Clone, Debug)]
pub(crate) struct LiteOs {
    /// The task that runs, then the one that is about to.
    running: Addr,
    /// A pointer to the control blocks, which are in a row.
    blocks: Addr,
    count: Addr,
    scheduled: Addr,
}

impl LiteOs {
    pub(super) fn find(debug: &dyn Debug) -> Option<Self> {
        let at = |name| debug.symbol_named(name).map(|(addr, _)| addr);
        Some(Self {
            running: at("g_losTask")?,
            blocks: at("g_taskCBArray")?,
            count: at("g_taskMaxNum")?,
            scheduled: at("g_taskScheduled")?,
        })
    }

    pub(super) fn current(&self, debug: &dyn Debug) -> Option<Tid> {
        word(debug, self.scheduled).filter(|scheduled| *scheduled != 0)?;
        Tid::new(word(debug, self.running)? as usize)
    }

    pub(super) fn threads(&self, debug: &dyn Debug, current: Tid) -> Option<Vec<Thread>> {
        let blocks = u64::from(word(debug, self.blocks)?);
        // One block more than there may be tasks: what is deleted while it runs is kept there.
        let count = u64::from(word(debug, self.count)?).min(MOST_TASKS as u64) + 1;
        // A control block knows its number, which tells their distance.
        let numbered = |block: Addr, number: u64| word(debug, block + ID).map(u64::from) == Some(number);
        let fits = |size: &u64| (0..count.min(3)).all(|index| numbered(blocks + index * size, index));
        let size = (SMALLEST..=LARGEST).step_by(8).find(fits)?;
        let all = (0..count).map(|index| blocks + index * size);
        Some(all.filter_map(|block| thread(debug, block, current)).collect())
    }

    pub(super) fn saved(&self, debug: &dyn Debug, tid: Tid) -> Option<Vec<Saved>> {
        let mut words = Words { debug, at: u64::from(word(debug, tid.get() as u64)?) };
        // Floating-point registers are saved whenever the unit is on.
        let floats = word(debug, CPACR).unwrap_or(0) >> 20 & 0xF == 0xF;
        words.at += if floats { 16 * 4 } else { 0 };
        let mut registers = words.registers(&SOFTWARE)?;
        words.at += 4; // PRIMASK
        registers.extend(frame(debug, words.at, floats)?);
        Some(registers)
    }
}

fn thread(debug: &dyn Debug, block: Addr, current: Tid) -> Option<Thread> {
    let status = half(debug, block + STATUS)?;
    let (stack, size) = (word(debug, block + STACK)?, word(debug, block + STACK_SIZE)?);
    let saved = word(debug, block)?;
    // Blocks of older kernels have other fields there.
    let inside = saved.checked_sub(stack).is_some_and(|offset| offset <= size);
    if status & UNUSED != 0 || !inside {
        return None;
    }
    let tid = Tid::new(block as usize)?;
    let state = STATES.iter().find(|(bit, _)| status & bit != 0 || *bit == 0).map_or("", |(_, state)| state);
    let state = if tid == current { "running" } else { state };
    let priority = half(debug, block + PRIORITY)?;
    let name = name(debug, u64::from(word(debug, block + NAME)?), NAME_LENGTH);
    Some(Thread { tid, about: format!("{name}, priority {priority}, {state}") })
}
