//! FreeRTOS: layouts of the kernel's `tasks.c` and `list.h` (versions 9 to 11) on a 32-bit processor, saved contexts of
//! its Cortex-M ports.

use consort_core::Addr;
use consort_core::device::Debug;
use gdbstub::common::Tid;

use super::{MOST_TASKS, SOFTWARE, Saved, Thread, Words, frame, name, word};

/// `List_t`: its end marker, which is also where its first item is found.
pub(super) const LIST_END: Addr = 8;
/// `ListItem_t`.
pub(super) const NEXT: Addr = 4;
pub(super) const OWNER: Addr = 12;
/// `TCB_t`, where no memory protection unit's settings come before these.
pub(super) const STATE_ITEM: Addr = 4;
pub(super) const PRIORITY: Addr = 44;
pub(super) const NAME: Addr = 52;
pub(super) const NAME_LENGTH: u64 = 16;

/// Where a FreeRTOS keeps its tasks.
#[derive(Clone, Debug)]
pub(crate) struct FreeRtos {
    current: Addr,
    running: Addr,
    /// Lists of tasks, with what the tasks on them do.
    lists: Vec<(Addr, &'static str)>,
}

impl FreeRtos {
    pub(super) fn find(debug: &dyn Debug) -> Option<Self> {
        const LIST: u64 = 20;
        let (current, _) = debug.symbol_named("pxCurrentTCB")?;
        let (running, _) = debug.symbol_named("xSchedulerRunning")?;
        let (ready, size) = debug.symbol_named("pxReadyTasksLists")?;
        let mut lists: Vec<_> = (0..size / LIST).rev().map(|index| (ready + index * LIST, "ready")).collect();
        for (name, state) in [
            ("xDelayedTaskList1", "blocked"),
            ("xDelayedTaskList2", "blocked"),
            ("xSuspendedTaskList", "suspended"),
            ("xTasksWaitingTermination", "deleted"),
        ] {
            lists.extend(debug.symbol_named(name).map(|(list, _)| (list, state)));
        }
        Some(Self { current, running, lists })
    }

    pub(super) fn current(&self, debug: &dyn Debug) -> Option<Tid> {
        word(debug, self.running).filter(|running| *running != 0)?;
        Tid::new(word(debug, self.current)? as usize)
    }

    pub(super) fn threads(&self, debug: &dyn Debug, current: Tid) -> Option<Vec<Thread>> {
        let mut threads = Vec::new();
        for (list, state) in &self.lists {
            let end = list + LIST_END;
            let mut item = word(debug, end + NEXT).map(u64::from);
            while let Some(at) = item.filter(|at| *at != end && *at != 0) {
                let Some(owner) = word(debug, at + OWNER).and_then(|owner| Tid::new(owner as usize)) else {
                    break;
                };
                if threads.len() == MOST_TASKS {
                    return None;
                }
                let state = if owner == current { "running" } else { state };
                threads.extend(thread(debug, owner, at, state));
                item = word(debug, at + NEXT).map(u64::from);
            }
        }
        Some(threads)
    }

    /// Not those of the port with memory protection, which keeps them in the control block.
    pub(super) fn saved(&self, debug: &dyn Debug, tid: Tid) -> Option<Vec<Saved>> {
        let block = tid.get() as u64;
        word(debug, block + STATE_ITEM + OWNER).filter(|owner| u64::from(*owner) == block)?;
        let mut words = Words { debug, at: u64::from(word(debug, block)?) };
        let mut registers = words.registers(&SOFTWARE)?;
        // The ports with an FPU save EXC_RETURN, which no r0 of a program is (DDI 0403 B1.5.8).
        let next = word(debug, words.at)?;
        let mut floats = false;
        if next >= 0xFFFF_FF80 {
            floats = next & 0x10 == 0;
            words.at += 4 + if floats { 16 * 4 } else { 0 };
        }
        registers.extend(frame(debug, words.at, floats)?);
        Some(registers)
    }
}

fn thread(debug: &dyn Debug, tid: Tid, item: Addr, state: &str) -> Option<Thread> {
    let block = tid.get() as u64;
    // Settings of a memory protection unit come before the list items.
    let more = item.checked_sub(block)?.checked_sub(STATE_ITEM)?;
    let priority = word(debug, block + more + PRIORITY)?;
    let name = name(debug, block + more + NAME, NAME_LENGTH);
    Some(Thread { tid, about: format!("{name}, priority {priority}, {state}") })
}
