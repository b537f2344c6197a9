//! Kernels in made-up memories.

use std::collections::BTreeMap;

use consort_core::cpu::{RegisterInfo, Watchpoint};
use consort_core::device::{PeripheralView, Ran};
use consort_core::{BusError, Time};

use super::freertos::{LIST_END, NAME, NAME_LENGTH, NEXT, OWNER, PRIORITY, STATE_ITEM};
use super::zephyr::ABSENT;
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

    fn text(&mut self, at: Addr, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(NAME_LENGTH as usize, 0);
        let words: Vec<u32> = bytes
            .chunks(4)
            .map(|chunk| chunk.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
            .collect();
        self.put(at, &words);
    }

    fn task(&mut self, block: Addr, name: &str, priority: u32, stack: Addr) {
        self.put(block, &[stack as u32]);
        self.put(block + STATE_ITEM + OWNER, &[block as u32]);
        self.put(block + PRIORITY, &[priority]);
        self.text(block + NAME, name);
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

/// r4 to r11 and a frame without floating-point registers that an aligned stack precedes.
const CONTEXT: [u32; 8] = [4, 5, 6, 7, 8, 9, 10, 11];
const FRAME: [u32; 8] = [0, 1, 2, 3, 12, 14, 15, 0x0100_0200];

/// Three control blocks of 136 bytes: one runs, one waits, one is not in use.
fn liteos() -> Image {
    let names = ["g_losTask", "g_taskCBArray", "g_taskMaxNum", "g_taskScheduled"];
    let symbols = names.into_iter().zip((0x100..).step_by(8).map(|at| (at, 4))).collect();
    let mut image = Image { symbols, words: BTreeMap::new() };
    let blocks = 0x1000;
    for (at, value) in [(0x100, blocks), (0x108, blocks), (0x110, 2), (0x118, 1)] {
        image.put(at, &[value as u32]);
    }
    for (index, (status, name, saved)) in
        [(0x10, "shell", 0x2000), (0x28, "nap", 0x3000), (1, "", 0)].into_iter().enumerate()
    {
        let block = blocks + 136 * index as u64;
        image.put(block, &[0; 34]);
        image.put(block, &[saved, 5 << 16 | status]);
        image.put(block + liteos::STACK_SIZE, &[0x400, saved.saturating_sub(0x100), index as u32]);
        image.put(block + liteos::NAME, &[0x4000 + 64 * index as u32]);
        image.text(0x4000 + 64 * index as u64, name);
    }
    image.put(0x3000, &CONTEXT);
    image.put(0x3020, &[0]);
    image.put(0x3024, &FRAME);
    image
}

fn told(image: &Image) -> Vec<String> {
    let kernel = Kernel::find(image).unwrap();
    kernel.threads(image).into_iter().map(|thread| thread.about).collect()
}

fn registers(image: &Image, tid: usize) -> BTreeMap<&'static str, u32> {
    let kernel = Kernel::find(image).unwrap();
    kernel.saved(image, Tid::new(tid).unwrap()).unwrap().into_iter().collect()
}

#[test]
fn tasks_of_liteos_are_found_by_their_numbers() {
    let mut image = liteos();
    assert_eq!(told(&image), ["shell, priority 5, running", "nap, priority 5, delayed"]);
    let nap = registers(&image, 0x1000 + 136);
    assert_eq!((nap["r4"], nap["r0"], nap["pc"], nap["sp"]), (4, 0, 15, 0x3000 + 17 * 4 + 4));
    // With the floating-point unit on, S16 to S31 lie below, S0 to S15 and two words above.
    image.put(0xE000_ED88, &[0xF << 20]);
    image.put(0x3040, &CONTEXT);
    image.put(0x3060, &[0]);
    image.put(0x3064, &FRAME);
    assert_eq!(registers(&image, 0x1000 + 136)["sp"], 0x3000 + (16 + 17 + 18) * 4 + 4);
    image.put(0x118, &[0]);
    assert!(told(&image).is_empty(), "the scheduler does not run yet");
}

/// Two threads of 256 bytes with the offsets of a made-up configuration.
fn zephyr() -> Image {
    let names = ["_kernel", "_kernel_thread_info_offsets"];
    let symbols = names.into_iter().zip((0x100..).step_by(0x100).map(|at| (at, 4))).collect();
    let mut image = Image { symbols, words: BTreeMap::new() };
    let (main, idle) = (0x1000, 0x1100);
    let table = [1, 8, 0x20, 0x60, 0x64, 0x0D, 0x0C, 0x0E, 0x48, 0x6C, 0x90, ABSENT, ABSENT];
    image.put(0x200, &table);
    image.put(0x108, &[main]);
    image.put(0x120, &[main]);
    for (block, next, bits, name) in [(main, idle, 0x80 | 0xFF << 16, "main"), (idle, 0, 0x0F << 16, "idle")]
    {
        image.put(block.into(), &[0; 64]);
        image.put(u64::from(block) + 0x0C, &[bits << 8 & 0xFF00 | bits & 0xFF_0000]);
        image.put(u64::from(block) + 0x64, &[next]);
        image.text(u64::from(block) + 0x6C, name);
        image.put(u64::from(block) + 0x28, &CONTEXT);
        image.put(u64::from(block) + 0x48, &[0x2000]);
    }
    image.put(0x2000, &FRAME);
    image
}

#[test]
fn threads_of_zephyr_are_found_by_its_own_table() {
    let mut image = zephyr();
    assert_eq!(told(&image), ["main, priority -1, running", "idle, priority 15, ready"]);
    let idle = registers(&image, 0x1100);
    assert_eq!((idle["r11"], idle["r3"], idle["lr"], idle["sp"]), (11, 3, 14, 0x2000 + 8 * 4 + 4));
    // With floating-point registers shared, a thread keeps its EXC_RETURN.
    image.put(0x200 + 4 * zephyr::FLOATS, &[0]);
    image.put(0x1100 + 0x90 + 64, &[0xED << 8]);
    assert_eq!(registers(&image, 0x1100)["sp"], 0x2000 + (8 + 18) * 4 + 4);
    // The first table had no names.
    image.put(0x200, &[0]);
    assert_eq!(told(&image)[1], "0x00001100, priority 15, ready");
    image.put(0x108, &[0x5000]);
    assert!(told(&image).is_empty(), "a dummy runs before the scheduler does");
    image.put(0x108, &[0x1000]);
    image.put(0x1164, &[0x1000]);
    assert!(told(&image).is_empty(), "a list without an end");
}
