//! Threads of a real-time operating system, as far as its symbols tell where it keeps them.

mod freertos;
mod liteos;
#[cfg(test)]
mod tests;
mod zephyr;

use consort_core::Addr;
use consort_core::device::Debug;
use gdbstub::common::Tid;

use freertos::FreeRtos;
use liteos::LiteOs;
use zephyr::Zephyr;

/// More tasks, or longer lists, are a kernel that is not set up yet.
const MOST_TASKS: usize = 500;

/// A register of a thread that is not on the processor.
pub(crate) type Saved = (&'static str, u32);

/// The kernel in a device's firmware.
#[derive(Clone, Debug)]
pub(crate) enum Kernel {
    FreeRtos(FreeRtos),
    LiteOs(LiteOs),
    Zephyr(Zephyr),
}

/// A task.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) tid: Tid,
    /// Its name, priority and state.
    pub(crate) about: String,
}

impl Kernel {
    /// The kernel in a device's firmware.
    pub(crate) fn find(debug: &dyn Debug) -> Option<Self> {
        if !debug.core().starts_with("cortex-m") {
            return None;
        }
        let freertos = || FreeRtos::find(debug).map(Self::FreeRtos);
        let liteos = || LiteOs::find(debug).map(Self::LiteOs);
        freertos().or_else(liteos).or_else(|| Zephyr::find(debug).map(Self::Zephyr))
    }

    /// The task on the processor, once the scheduler runs.
    pub(crate) fn current(&self, debug: &dyn Debug) -> Option<Tid> {
        match self {
            Self::FreeRtos(kernel) => kernel.current(debug),
            Self::LiteOs(kernel) => kernel.current(debug),
            Self::Zephyr(kernel) => kernel.current(debug),
        }
    }

    /// All tasks, the present one first; none where the kernel is not set up yet, or in ruins.
    pub(crate) fn threads(&self, debug: &dyn Debug) -> Vec<Thread> {
        let Some(current) = self.current(debug) else { return Vec::new() };
        let threads = match self {
            Self::FreeRtos(kernel) => kernel.threads(debug, current),
            Self::LiteOs(kernel) => kernel.threads(debug, current),
            Self::Zephyr(kernel) => kernel.threads(debug, current),
        };
        let mut threads = threads.unwrap_or_default();
        threads.sort_by_key(|thread| thread.tid != current);
        if threads.first().is_none_or(|thread| thread.tid != current) { Vec::new() } else { threads }
    }

    /// The registers that a task which is not on the processor will have when it is, by name.
    pub(crate) fn saved(&self, debug: &dyn Debug, tid: Tid) -> Option<Vec<Saved>> {
        if !self.threads(debug).iter().any(|thread| thread.tid == tid) {
            return None;
        }
        match self {
            Self::FreeRtos(kernel) => kernel.saved(debug, tid),
            Self::LiteOs(kernel) => kernel.saved(debug, tid),
            Self::Zephyr(kernel) => kernel.saved(debug, tid),
        }
    }
}

fn word(debug: &dyn Debug, addr: Addr) -> Option<u32> {
    let mut bytes = [0; 4];
    debug.read(addr, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

fn half(debug: &dyn Debug, addr: Addr) -> Option<u16> {
    let mut bytes = [0; 2];
    debug.read(addr, &mut bytes).ok()?;
    Some(u16::from_le_bytes(bytes))
}

fn byte(debug: &dyn Debug, addr: Addr) -> Option<u8> {
    let mut bytes = [0];
    debug.read(addr, &mut bytes).ok()?;
    Some(bytes[0])
}

/// Text of at most so many bytes, up to what no name has in it.
fn name(debug: &dyn Debug, addr: Addr, most: u64) -> String {
    let bytes = (addr..addr.saturating_add(most)).map_while(|at| byte(debug, at));
    bytes.take_while(|byte| byte.is_ascii_graphic() || *byte == b' ').map(char::from).collect()
}

/// Words one after the other.
struct Words<'a> {
    debug: &'a dyn Debug,
    at: Addr,
}

impl Words<'_> {
    fn take(&mut self) -> Option<u32> {
        let word = word(self.debug, self.at)?;
        self.at += 4;
        Some(word)
    }

    /// A register each.
    fn registers(&mut self, names: &[&'static str]) -> Option<Vec<Saved>> {
        names.iter().map(|name| Some((*name, self.take()?))).collect()
    }
}

/// What software saves, in the order of a multiple load.
const SOFTWARE: [&str; 8] = ["r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11"];

/// The exception frame at `at`, with floating-point registers or without, and the stack pointer behind it (DDI 0403
/// B1.5.6 and B1.5.7).
fn frame(debug: &dyn Debug, at: Addr, floats: bool) -> Option<Vec<Saved>> {
    let mut words = Words { debug, at };
    let mut registers = words.registers(&["r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr"])?;
    let status = registers.last().map_or(0, |(_, value)| *value);
    // S0 to S15, FPSCR and a reserved word; then what aligned the stack.
    let sp = words.at + if floats { 18 * 4 } else { 0 } + if status >> 9 & 1 != 0 { 4 } else { 0 };
    registers.extend([("sp", sp as u32), ("psp", sp as u32)]);
    Some(registers)
}
