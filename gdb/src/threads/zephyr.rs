//! Zephyr built with `CONFIG_DEBUG_THREAD_INFO`: the kernel's own table of offsets (`subsys/debug/thread_info.c`,
//! versions 0 and 1) tells where everything is; saved contexts of its Cortex-M port.

use consort_core::Addr;
use consort_core::device::Debug;
use gdbstub::common::Tid;

use super::{MOST_TASKS, SOFTWARE, Saved, Thread, Words, byte, frame, name, word};

/// Places in the table of offsets.
pub(super) const VERSION: u64 = 0;
pub(super) const CURRENT: u64 = 1;
pub(super) const THREADS: u64 = 2;
pub(super) const NEXT: u64 = 4;
pub(super) const STATE: u64 = 5;
pub(super) const PRIORITY: u64 = 7;
pub(super) const STACK_POINTER: u64 = 8;
pub(super) const NAME: u64 = 9;
pub(super) const ARCH: u64 = 10;
pub(super) const FLOATS: u64 = 11;
/// What has no place.
pub(super) const ABSENT: u32 = u32::MAX;
const NAME_LENGTH: u64 = 32;
/// Bits of a thread's state.
const STATES: [(u8, &str); 5] =
    [(0x08, "dead"), (0x10, "suspended"), (0x04, "sleeping"), (0x02, "pending"), (0x80, "ready")];

/// Where a Zephyr keeps its threads.
#[derive(Clone, Debug)]
pub(crate) struct Zephyr {
    kernel: Addr,
    offsets: Addr,
}

impl Zephyr {
    pub(super) fn find(debug: &dyn Debug) -> Option<Self> {
        let table = ["_kernel_thread_info_offsets", "_kernel_openocd_offsets"];
        let (kernel, _) = debug.symbol_named("_kernel")?;
        let (offsets, _) = table.iter().find_map(|name| debug.symbol_named(name))?;
        Some(Self { kernel, offsets })
    }

    /// Read each time: a firmware's table is in its flash, which may be written later than this is asked.
    fn offset(&self, debug: &dyn Debug, place: u64) -> Option<u64> {
        let newest = if word(debug, self.offsets + 4 * VERSION)? == 0 { STACK_POINTER } else { FLOATS };
        let offset = word(debug, self.offsets + 4 * place).filter(|_| place <= newest)?;
        (offset != ABSENT).then_some(u64::from(offset))
    }

    pub(super) fn current(&self, debug: &dyn Debug) -> Option<Tid> {
        let current = Tid::new(word(debug, self.kernel + self.offset(debug, CURRENT)?)? as usize)?;
        // Before the scheduler runs, it is a dummy that is on no list.
        let known = self.list(debug)?.contains(&(current.get() as u64));
        known.then_some(current)
    }

    /// The control blocks of all threads.
    fn list(&self, debug: &dyn Debug) -> Option<Vec<Addr>> {
        let next = self.offset(debug, NEXT)?;
        let mut blocks = Vec::new();
        let mut at = word(debug, self.kernel + self.offset(debug, THREADS)?)?;
        while at != 0 {
            if blocks.len() == MOST_TASKS {
                return None;
            }
            blocks.push(u64::from(at));
            at = word(debug, u64::from(at) + next)?;
        }
        Some(blocks)
    }

    pub(super) fn threads(&self, debug: &dyn Debug, current: Tid) -> Option<Vec<Thread>> {
        let (state, priority) = (self.offset(debug, STATE)?, self.offset(debug, PRIORITY)?);
        let names = self.offset(debug, NAME);
        let thread = |block: Addr| {
            let tid = Tid::new(block as usize)?;
            let bits = byte(debug, block + state)?;
            let state = STATES.iter().find(|(bit, _)| bits & bit != 0).map_or("ready", |(_, state)| state);
            let state = if tid == current { "running" } else { state };
            let priority = byte(debug, block + priority)? as i8;
            let name = names.map(|at| name(debug, block + at, NAME_LENGTH)).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| format!("{block:#010x}"));
            Some(Thread { tid, about: format!("{name}, priority {priority}, {state}") })
        };
        Some(self.list(debug)?.into_iter().filter_map(thread).collect())
    }

    pub(super) fn saved(&self, debug: &dyn Debug, tid: Tid) -> Option<Vec<Saved>> {
        let block = tid.get() as u64;
        let stack = block + self.offset(debug, STACK_POINTER)?;
        let mut words = Words { debug, at: stack.checked_sub(4 * SOFTWARE.len() as u64)? };
        let mut registers = words.registers(&SOFTWARE)?;
        // `arch.mode` follows S16 to S31; its second byte is that of EXC_RETURN (DDI 0403 B1.5.8).
        let floats = match (self.offset(debug, ARCH), self.offset(debug, FLOATS)) {
            (Some(arch), Some(floats)) => byte(debug, block + arch + floats + 16 * 4 + 1)? & 0x10 == 0,
            _ => false,
        };
        registers.extend(frame(debug, u64::from(words.take()?), floats)?);
        Some(registers)
    }
}
