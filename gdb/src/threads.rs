//! Threads of a real-time operating system, as far as its symbols tell where it keeps them: FreeRTOS.
//!
//! Layouts are those of the kernel's `tasks.c` and `list.h` (versions 9 to 11) on a 32-bit processor, saved contexts
//! those of its Cortex-M ports.

use consort_core::Addr;
use consort_core::device::Debug;
use gdbstub::common::Tid;

/// More tasks, or longer lists, are a kernel that is not set up yet.
const MOST_TASKS: usize = 500;
/// `List_t`: its end marker, which is also where its first item is found.
const LIST_END: Addr = 8;
/// `ListItem_t`.
const NEXT: Addr = 4;
const OWNER: Addr = 12;
/// `TCB_t`, where no memory protection unit's settings come before these.
const STATE_ITEM: Addr = 4;
const PRIORITY: Addr = 44;
const NAME: Addr = 52;
const NAME_LENGTH: usize = 16;

/// Where a FreeRTOS keeps its tasks.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    current: Addr,
    running: Addr,
    /// Lists of tasks, with what the tasks on them do.
    lists: Vec<(Addr, &'static str)>,
}

/// A task.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) tid: Tid,
    /// Its name, priority and state.
    pub(crate) about: String,
    /// Its control block has no room for more than the manual's layout has.
    plain: bool,
}

fn word(debug: &dyn Debug, addr: Addr) -> Option<u32> {
    let mut bytes = [0; 4];
    debug.read(addr, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

impl Kernel {
    /// The kernel in a device's firmware.
    pub(crate) fn find(debug: &dyn Debug) -> Option<Self> {
        const LIST: u64 = 20;
        if !debug.core().starts_with("cortex-m") {
            return None;
        }
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

    /// The task on the processor, once the scheduler runs.
    pub(crate) fn current(&self, debug: &dyn Debug) -> Option<Tid> {
        word(debug, self.running).filter(|running| *running != 0)?;
        Tid::new(word(debug, self.current)? as usize)
    }

    /// All tasks, the present one first.
    pub(crate) fn threads(&self, debug: &dyn Debug) -> Vec<Thread> {
        let Some(current) = self.current(debug) else { return Vec::new() };
        let mut threads = Vec::new();
        for (list, state) in &self.lists {
            let end = list + LIST_END;
            let mut item = word(debug, end + NEXT).map(u64::from);
            while let Some(at) = item.filter(|at| *at != end && *at != 0) {
                let Some(owner) = word(debug, at + OWNER).and_then(|owner| Tid::new(owner as usize)) else {
                    break;
                };
                if threads.len() == MOST_TASKS {
                    return Vec::new();
                }
                let state = if owner == current { "running" } else { state };
                threads.extend(thread(debug, owner, at, state));
                item = word(debug, at + NEXT).map(u64::from);
            }
        }
        threads.sort_by_key(|thread| thread.tid != current);
        if threads.first().is_none_or(|thread| thread.tid != current) { Vec::new() } else { threads }
    }

    /// The registers that a task which is not on the processor will have when it is, by name.
    pub(crate) fn saved(&self, debug: &dyn Debug, tid: Tid) -> Option<Vec<(&'static str, u32)>> {
        let thread = self.threads(debug).into_iter().find(|thread| thread.tid == tid && thread.plain)?;
        let mut at = u64::from(word(debug, thread.tid.get() as u64)?);
        let mut take = || {
            at += 4;
            word(debug, at - 4)
        };
        let mut registers = Vec::new();
        for name in ["r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11"] {
            registers.push((name, take()?));
        }
        let mut next = take()?;
        // The ports with an FPU save EXC_RETURN, which no r0 of a program is (DDI 0403 B1.5.8).
        let mut floats = false;
        if next >= 0xFFFF_FF80 {
            floats = next & 0x10 == 0;
            for _ in 0..if floats { 16 } else { 0 } {
                take()?;
            }
            next = take()?;
        }
        registers.push(("r0", next));
        for name in ["r1", "r2", "r3", "r12", "lr", "pc", "xpsr"] {
            registers.push((name, take()?));
        }
        let status = registers.last().map_or(0, |(_, value)| *value);
        // S0 to S15, FPSCR and a reserved word; then what aligned the stack (DDI 0403 B1.5.7).
        let sp = at + if floats { 18 * 4 } else { 0 } + if status >> 9 & 1 != 0 { 4 } else { 0 };
        registers.extend([("sp", sp as u32), ("psp", sp as u32)]);
        Some(registers)
    }
}

fn thread(debug: &dyn Debug, tid: Tid, item: Addr, state: &str) -> Option<Thread> {
    let block = tid.get() as u64;
    // Settings of a memory protection unit come before the list items.
    let more = item.checked_sub(block)?.checked_sub(STATE_ITEM)?;
    let priority = word(debug, block + more + PRIORITY)?;
    let mut name = [0; NAME_LENGTH];
    debug.read(block + more + NAME, &mut name).ok()?;
    let name: String = name
        .iter()
        .take_while(|byte| byte.is_ascii_graphic() || **byte == b' ')
        .map(|byte| char::from(*byte))
        .collect();
    Some(Thread { tid, about: format!("{name}, priority {priority}, {state}"), plain: more == 0 })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use consort_core::cpu::{RegisterInfo, Watchpoint};
    use consort_core::device::{PeripheralView, Ran};
    use consort_core::{BusError, Time};

    use super::*;

    /// Memory with symbols.
    struct Image {
        words: BTreeMap<Addr, u32>,
        symbols: BTreeMap<&'static str, (Addr, u64)>,
    }

    impl Image {
        fn put(&mut self, at: Addr, words: &[u32]) {
            self.words.extend(words.iter().enumerate().map(|(index, word)| (at + 4 * index as u64, *word)));
        }

        /// A list of these items, in a ring with its end marker.
        fn list(&mut self, list: Addr, items: &[Addr]) {
            let end = list + LIST_END;
            let ring: Vec<Addr> = [&[end], items, &[end]].concat();
            for pair in ring.windows(2) {
                self.put(pair[0] + NEXT, &[pair[1] as u32]);
            }
        }

        fn task(&mut self, block: Addr, name: &str, priority: u32, stack: Addr) {
            self.put(block, &[stack as u32]);
            self.put(block + STATE_ITEM + OWNER, &[block as u32]);
            self.put(block + PRIORITY, &[priority]);
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(NAME_LENGTH, 0);
            let words: Vec<u32> = bytes
                .chunks(4)
                .map(|chunk| chunk.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
                .collect();
            self.put(block + NAME, &words);
        }
    }

    impl Debug for Image {
        fn core(&self) -> &'static str {
            "cortex-m4"
        }
        fn registers(&self) -> &'static [RegisterInfo] {
            &[]
        }
        fn register(&self, _: usize) -> Option<u128> {
            None
        }
        fn set_register(&mut self, _: usize, _: u128) -> bool {
            false
        }
        fn pc(&self) -> Addr {
            0
        }
        fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
            for (byte, at) in out.iter_mut().zip(addr..) {
                let word = self.words.get(&(at & !3)).ok_or(BusError::Unmapped(at))?;
                *byte = word.to_le_bytes()[(at & 3) as usize];
            }
            Ok(())
        }
        fn write(&mut self, addr: Addr, _: &[u8]) -> Result<(), BusError> {
            Err(BusError::Unmapped(addr))
        }
        fn set_breakpoints(&mut self, _: &[Addr]) {}
        fn set_watchpoints(&mut self, _: &[Watchpoint]) {}
        fn step(&mut self, _: Time) -> Ran {
            Ran::Reached
        }
        fn memory_map(&self) -> Vec<(Addr, u64, bool)> {
            Vec::new()
        }
        fn peripherals(&self) -> Vec<PeripheralView> {
            Vec::new()
        }
        fn symbol_at(&self, _: Addr) -> Option<(&str, u64)> {
            None
        }
        fn symbol_named(&self, name: &str) -> Option<(Addr, u64)> {
            self.symbols.get(name).copied()
        }
    }

    /// Two priorities; `run` runs, `wait` is ready behind it, `nap` sleeps with floating-point registers saved.
    fn image() -> Image {
        let symbols = BTreeMap::from([
            ("pxCurrentTCB", (0x100, 4)),
            ("xSchedulerRunning", (0x104, 4)),
            ("pxReadyTasksLists", (0x110, 40)),
            ("xDelayedTaskList1", (0x140, 20)),
        ]);
        let mut image = Image { symbols, words: BTreeMap::new() };
        let (run, wait, nap) = (0x1000, 0x1100, 0x1200);
        image.put(0x100, &[run as u32, 1]);
        image.list(0x110, &[wait + STATE_ITEM]);
        image.list(0x124, &[run + STATE_ITEM]);
        image.list(0x140, &[nap + STATE_ITEM]);
        image.task(run, "run", 1, 0);
        image.task(wait, "wait", 0, 0x2000);
        image.task(nap, "a-name-of-16-cha", 1, 0x3000);
        // r4 to r11, r0 to r3, r12, lr, pc, xpsr with an aligned stack.
        image.put(0x2000, &[4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 12, 14, 15, 0x0100_0200]);
        let floats = [7; 16];
        image.put(0x3000, &[4, 5, 6, 7, 8, 9, 10, 11, 0xFFFF_FFED]);
        image.put(0x3024, &floats);
        image.put(0x3064, &[0, 1, 2, 3, 12, 14, 15, 0x0100_0000]);
        image
    }

    #[test]
    fn tasks_are_found_with_their_states() {
        let mut image = image();
        let kernel = Kernel::find(&image).unwrap();
        let about: Vec<String> = kernel.threads(&image).into_iter().map(|thread| thread.about).collect();
        assert_eq!(
            about,
            ["run, priority 1, running", "wait, priority 0, ready", "a-name-of-16-cha, priority 1, blocked"]
        );
        image.put(0x104, &[0]);
        assert!(kernel.threads(&image).is_empty(), "the scheduler does not run yet");
    }

    #[test]
    fn saved_registers_are_those_of_the_port() {
        let image = image();
        let kernel = Kernel::find(&image).unwrap();
        let saved = |tid| BTreeMap::from_iter(kernel.saved(&image, Tid::new(tid).unwrap()).unwrap());
        let wait = saved(0x1100);
        assert_eq!((wait["r0"], wait["r11"], wait["lr"], wait["pc"]), (0, 11, 14, 15));
        assert_eq!(wait["sp"], 0x2000 + 16 * 4 + 4, "one word aligned the stack");
        let nap = saved(0x1200);
        assert_eq!((nap["r3"], nap["r12"], nap["pc"]), (3, 12, 15));
        assert_eq!(nap["psp"], 0x3000 + (9 + 16 + 8 + 18) * 4);
    }

    #[test]
    fn a_kernel_in_ruins_has_no_threads() {
        let mut image = image();
        let kernel = Kernel::find(&image).unwrap();
        // A ring that never meets its end, and a list that leads nowhere.
        image.put(0x1000 + STATE_ITEM + NEXT, &[0x1000 + STATE_ITEM as u32]);
        assert!(kernel.threads(&image).is_empty());
        image.words.clear();
        assert!(kernel.threads(&image).is_empty());
    }
}
