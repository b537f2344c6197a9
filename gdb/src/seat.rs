//! Where `gdbstub` sits: a device of the fleet with everything a debugger may ask of it.

use std::convert::Infallible;

use consort_core::cpu::{RegisterInfo, Role, WatchKind};
use consort_core::device::Debug;
use consort_core::fleet::Fleet;
use consort_core::{Addr, Time};
use gdbstub::common::{Signal, Tid};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume,
    MultiThreadResumeOps, MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps, MultiThreadSingleStep,
    MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::breakpoints::{
    self, Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps,
    SwBreakpoint, SwBreakpointOps,
};
use gdbstub::target::ext::flash::{Flash, FlashOps};
use gdbstub::target::ext::memory_map::{MemoryMap, MemoryMapOps};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};

use crate::arch::{AnyArch, Bytes, Number};
use crate::description::{memory_map_xml, target_xml};
use crate::monitor::{self, Room};
use crate::packet::MAX_PACKET;
use crate::points::{Kind, Points};
use crate::threads::{Kernel, Saved, Thread};

/// Error numbers of the protocol, which GDB shows as they are: EINVAL, EFAULT, ENOSPC.
const BAD: TargetError<Infallible> = TargetError::Errno(22);
const FAULT: TargetError<Infallible> = TargetError::Errno(14);
const FULL: TargetError<Infallible> = TargetError::Errno(28);

/// The processor as a thread.
pub(crate) const CORE: Tid = Tid::MIN;

/// What a debugger wants of its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Nothing: it has not begun, or has detached.
    Nothing,
    /// That it stands still, and with it the fleet.
    Halt,
    /// That it runs.
    Run,
    /// One instruction of a thread, or as many as stay in a range; others run meanwhile.
    Step {
        /// The thread.
        tid: Tid,
        /// The range.
        range: Option<(Addr, Addr)>,
    },
    /// `monitor run-for`: that it runs until then.
    RunFor(Time),
    /// `monitor reset halt`: that it runs to the reset, or until then.
    ResetHalt(Time),
}

impl Wants {
    /// Whether the fleet must stand still for this debugger.
    pub(crate) fn holds(&self) -> bool {
        matches!(self, Self::Halt)
    }

    /// Whether a monitor command lets the fleet run; its answer comes when that is over.
    pub(crate) fn in_command(&self) -> bool {
        matches!(self, Self::RunFor(_) | Self::ResetHalt(_))
    }

    /// How far the fleet may go.
    pub(crate) fn limit(&self) -> Time {
        match self {
            Self::RunFor(until) | Self::ResetHalt(until) => *until,
            _ => Time::MAX,
        }
    }
}

/// A debugger's place at a device. The fleet is in it only while the debugger is listened to.
pub(crate) struct Seat {
    pub(crate) fleet: Fleet,
    pub(crate) device: usize,
    pub(crate) wants: Wants,
    pub(crate) points: Points,
    pub(crate) room: Room,
    description: String,
    memory_map: String,
    name: String,
    kernel: Option<Kernel>,
    /// The edition of the firmware in which the kernel was looked for.
    edition: u64,
    /// What GDB was last told of threads, for it asks about each.
    threads: Vec<Thread>,
}

impl Seat {
    pub(crate) fn new(device: usize, fleet: &mut Fleet) -> Self {
        let documents = debug(fleet, device, |debug| {
            let wide = debug.registers().iter().any(|info| info.bits == 64 && is_pc(info));
            let map = memory_map_xml(&debug.memory_map(), wide);
            (target_xml(debug.registers()), map, debug.core(), (Kernel::find(debug), debug.edition()))
        });
        let (description, memory_map, core, (kernel, edition)) = documents
            .unwrap_or_else(|| (target_xml(&[]), memory_map_xml(&[], false), "no processor", (None, 0)));
        let name = fleet.names().get(device).map_or("", String::as_str);
        Self {
            device,
            wants: Wants::Nothing,
            points: Points::default(),
            room: Room::default(),
            description,
            memory_map,
            name: format!("{name}: {core}"),
            kernel,
            edition,
            threads: Vec::new(),
            fleet: Fleet::default(),
        }
    }

    /// Detaches; `kill` is no more than that, for a fleet is not its debugger's to end.
    pub(crate) fn leave(&mut self) {
        self.wants = Wants::Nothing;
        self.points.clear();
    }

    /// Looks at the processor.
    pub(crate) fn look<R>(&mut self, look: impl FnOnce(&mut dyn Debug) -> R) -> Option<R> {
        debug(&mut self.fleet, self.device, look)
    }

    /// Looks at the kernel of the firmware that is there now.
    fn ask<R>(&mut self, ask: impl FnOnce(&Kernel, &dyn Debug) -> R) -> Option<R> {
        let Self { kernel, edition, fleet, device, .. } = self;
        let answer = debug(fleet, *device, |debug| {
            if std::mem::replace(edition, debug.edition()) != debug.edition() {
                *kernel = Kernel::find(debug);
            }
            Some(ask(kernel.as_ref()?, debug))
        });
        answer.flatten()
    }

    /// The thread on the processor.
    pub(crate) fn thread(&mut self) -> Tid {
        self.ask(|kernel, debug| kernel.current(debug)).flatten().unwrap_or(CORE)
    }

    /// The registers of a thread that is not on the processor; nothing for the one that is.
    fn saved(&mut self, tid: Tid) -> TargetResult<Option<Vec<Saved>>, Self> {
        // A thread that has not begun, or has ended, is what GDB thinks the processor is.
        if tid == CORE || tid == self.thread() || self.kernel.is_none() {
            return Ok(None);
        }
        self.ask(|kernel, debug| kernel.saved(debug, tid)).flatten().map(Some).ok_or(FAULT)
    }

    fn point(&mut self, set: bool, kind: Kind, addr: Addr, len: u64) -> TargetResult<bool, Self> {
        self.points.change(set, kind, addr, len).map(|()| true).map_err(|_| FULL)
    }

    fn is_rom(&mut self, addr: Addr, len: u64) -> bool {
        let map = self.look(|debug| debug.memory_map()).unwrap_or_default();
        let inside = |(base, size, writable): &(Addr, u64, bool)| {
            !writable && addr.checked_sub(*base).is_some_and(|offset| len <= *size && offset <= size - len)
        };
        map.iter().any(inside)
    }
}

/// Looks at a device's processor.
pub(crate) fn debug<R>(
    fleet: &mut Fleet,
    device: usize,
    look: impl FnOnce(&mut dyn Debug) -> R,
) -> Option<R> {
    fleet.device(device, |device| device.debug().map(look)).flatten()
}

fn is_pc(info: &RegisterInfo) -> bool {
    info.role == Role::ProgramCounter
}

/// A register's value in the guest's byte order, little-endian.
pub(crate) fn register_bytes(value: u128, info: &RegisterInfo) -> Vec<u8> {
    let mut bytes = value.to_le_bytes().to_vec();
    bytes.truncate(usize::from(info.bits.div_ceil(8)));
    bytes
}

/// A saved register's value.
fn of(saved: &Option<Vec<Saved>>, info: &RegisterInfo) -> Option<u128> {
    let (_, value) = saved.as_ref()?.iter().find(|(name, _)| *name == info.name)?;
    Some(u128::from(*value))
}

fn little_endian(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// Copies the piece of a document that was asked for.
fn piece(document: &str, offset: u64, len: usize, out: &mut [u8]) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| document.as_bytes().get(offset..));
    let rest = rest.unwrap_or_default();
    let len = len.min(rest.len()).min(out.len());
    out[..len].copy_from_slice(&rest[..len]);
    len
}

impl Target for Seat {
    type Arch = AnyArch;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::MultiThread(self)
    }
    fn use_rle(&self) -> bool {
        false // the wire is never slow
    }
    fn use_fork_stop_reason(&self) -> bool {
        false
    }
    fn use_vfork_stop_reason(&self) -> bool {
        false
    }
    fn use_vforkdone_stop_reason(&self) -> bool {
        false
    }
    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
    fn support_flash_operations(&mut self) -> Option<FlashOps<'_, Self>> {
        Some(self)
    }
    fn support_memory_map(&mut self) -> Option<MemoryMapOps<'_, Self>> {
        Some(self)
    }
    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Seat {
    fn read_registers(&mut self, registers: &mut Bytes, tid: Tid) -> TargetResult<(), Self> {
        let saved = self.saved(tid)?;
        let values = self.look(|debug| {
            let infos = debug.registers().iter().enumerate();
            let value = |index, info| of(&saved, info).or(debug.register(index)).unwrap_or(0);
            infos.flat_map(|(index, info)| register_bytes(value(index, info), info)).collect()
        });
        registers.0 = values.ok_or(FAULT)?;
        Ok(())
    }

    fn write_registers(&mut self, registers: &Bytes, tid: Tid) -> TargetResult<(), Self> {
        if self.saved(tid)?.is_some() {
            return Err(BAD);
        }
        let done = self.look(|debug| {
            let total: usize = debug.registers().iter().map(|info| usize::from(info.bits.div_ceil(8))).sum();
            if registers.0.len() != total {
                return false;
            }
            let mut rest = registers.0.as_slice();
            for (index, info) in debug.registers().iter().enumerate() {
                let (value, after) = rest.split_at(usize::from(info.bits.div_ceil(8)));
                rest = after;
                let value = little_endian(value);
                // Some of the registers are views of others (sp, msp): only what differs is meant.
                if debug.register(index) != Some(value) {
                    debug.set_register(index, value);
                }
            }
            true
        });
        if done == Some(true) { Ok(()) } else { Err(BAD) }
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, addr: u64, out: &mut [u8], _: Tid) -> TargetResult<usize, Self> {
        // `gdbstub` adds the length to the address when it asks for more.
        addr.checked_add(out.len() as u64).ok_or(FAULT)?;
        let got = self.look(|debug| {
            if debug.read(addr, out).is_ok() {
                return out.len();
            }
            // What can be read, up to the first byte that cannot.
            let bytes = out.iter_mut().zip(addr..);
            bytes.map_while(|(byte, at)| debug.read(at, std::slice::from_mut(byte)).ok()).count()
        });
        got.filter(|got| *got > 0 || out.is_empty()).ok_or(FAULT)
    }

    fn write_addrs(&mut self, addr: u64, data: &[u8], _: Tid) -> TargetResult<(), Self> {
        if data.is_empty() {
            return Ok(()); // GDB's probe for `X`
        }
        addr.checked_add(data.len() as u64).ok_or(FAULT)?;
        let done = self.look(|debug| {
            if debug.write(addr, data).is_ok() {
                return true;
            }
            if matches!(data.len(), 1 | 2 | 4 | 8) {
                return false;
            }
            // Registers of a peripheral, several at once: as the guest would write them, word by word.
            let (mut at, mut rest) = (addr, data);
            while !rest.is_empty() {
                let fits = |size: &usize| at.is_multiple_of(*size as u64) && rest.len() >= *size;
                let (now, later) = rest.split_at([4, 2].into_iter().find(fits).unwrap_or(1));
                if debug.write(at, now).is_err() {
                    return false;
                }
                at += now.len() as u64;
                rest = later;
            }
            true
        });
        if done == Some(true) { Ok(()) } else { Err(FAULT) }
    }

    fn list_active_threads(&mut self, thread_is_active: &mut dyn FnMut(Tid)) -> Result<(), Self::Error> {
        self.threads = self.ask(Kernel::threads).unwrap_or_default();
        self.threads.iter().for_each(|thread| thread_is_active(thread.tid));
        if self.threads.is_empty() {
            // The one that is reported when it stops, too.
            thread_is_active(self.thread());
        }
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl ThreadExtraInfo for Seat {
    fn thread_extra_info(&self, tid: Tid, out: &mut [u8]) -> Result<usize, Self::Error> {
        let known = self.threads.iter().find(|thread| thread.tid == tid);
        Ok(piece(known.map_or(&self.name, |thread| &thread.about), 0, out.len(), out))
    }
}

impl SingleRegisterAccess<Tid> for Seat {
    fn read_register(&mut self, tid: Tid, register: Number, out: &mut [u8]) -> TargetResult<usize, Self> {
        let saved = self.saved(tid)?;
        let value = self.look(|debug| {
            let info = debug.registers().get(register.0)?;
            Some(register_bytes(of(&saved, info).or(debug.register(register.0))?, info))
        });
        let value = value.flatten().filter(|value| value.len() <= out.len()).ok_or(BAD)?;
        out[..value.len()].copy_from_slice(&value);
        Ok(value.len())
    }

    fn write_register(&mut self, tid: Tid, register: Number, value: &[u8]) -> TargetResult<(), Self> {
        if self.saved(tid)?.is_some() {
            return Err(BAD);
        }
        let value = (value.len() <= 16).then(|| little_endian(value)).ok_or(BAD)?;
        let done = self.look(|debug| debug.set_register(register.0, value));
        if done == Some(true) { Ok(()) } else { Err(BAD) }
    }
}

impl MultiThreadResume for Seat {
    fn clear_resume_actions(&mut self) -> Result<(), Self::Error> {
        self.wants = Wants::Run;
        Ok(())
    }
    fn set_resume_action_continue(&mut self, _: Tid, _: Option<Signal>) -> Result<(), Self::Error> {
        Ok(())
    }
    fn resume(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }
    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Seat {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Self::Error> {
        self.wants = Wants::Step { tid, range: None };
        Ok(())
    }
}

impl MultiThreadRangeStepping for Seat {
    fn set_resume_action_range_step(&mut self, tid: Tid, start: u64, end: u64) -> Result<(), Self::Error> {
        self.wants = Wants::Step { tid, range: Some((start, end)) };
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Seat {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Self::Error> {
        // The threads share a processor whose scheduler is the guest's own.
        Ok(())
    }
}

impl Breakpoints for Seat {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Seat {
    fn add_sw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        self.point(true, Kind::Soft, addr, 1)
    }
    fn remove_sw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        self.point(false, Kind::Soft, addr, 1)
    }
}

impl HwBreakpoint for Seat {
    fn add_hw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        self.point(true, Kind::Hard, addr, 1)
    }
    fn remove_hw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        self.point(false, Kind::Hard, addr, 1)
    }
}

impl HwWatchpoint for Seat {
    fn add_hw_watchpoint(
        &mut self,
        addr: u64,
        len: u64,
        kind: breakpoints::WatchKind,
    ) -> TargetResult<bool, Self> {
        self.point(true, watch(kind), addr, len)
    }
    fn remove_hw_watchpoint(
        &mut self,
        addr: u64,
        len: u64,
        kind: breakpoints::WatchKind,
    ) -> TargetResult<bool, Self> {
        self.point(false, watch(kind), addr, len)
    }
}

fn watch(kind: breakpoints::WatchKind) -> Kind {
    Kind::Watch(match kind {
        breakpoints::WatchKind::Write => WatchKind::Write,
        breakpoints::WatchKind::Read => WatchKind::Read,
        breakpoints::WatchKind::ReadWrite => WatchKind::Access,
    })
}

impl Flash for Seat {
    /// Erased flash reads as ones.
    fn flash_erase(&mut self, addr: u64, len: u64) -> TargetResult<(), Self> {
        if !self.is_rom(addr, len) {
            return Err(BAD);
        }
        let ones = [0xFF; 4096];
        let mut offset = 0;
        while offset < len {
            let part = (len - offset).min(ones.len() as u64);
            self.write_addrs(addr + offset, &ones[..part as usize], CORE)?;
            offset += part;
        }
        Ok(())
    }

    fn flash_write(&mut self, addr: u64, data: &[u8]) -> TargetResult<(), Self> {
        if !self.is_rom(addr, data.len() as u64) {
            return Err(BAD);
        }
        self.write_addrs(addr, data, CORE)
    }

    fn flash_done(&mut self) -> TargetResult<(), Self> {
        Ok(())
    }
}

impl MemoryMap for Seat {
    fn memory_map_xml(&self, offset: u64, len: usize, out: &mut [u8]) -> TargetResult<usize, Self> {
        Ok(piece(&self.memory_map, offset, len, out))
    }
}

impl TargetDescriptionXmlOverride for Seat {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        len: usize,
        out: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(BAD);
        }
        Ok(piece(&self.description, offset, len, out))
    }
}

impl MonitorCmd for Seat {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Self::Error> {
        let text = monitor::run(self, &String::from_utf8_lossy(command));
        // Each byte takes two digits, and a packet has its limit.
        for part in text.as_bytes().chunks(MAX_PACKET / 2 - 1) {
            out.write_raw(part);
            out.flush();
        }
        Ok(())
    }
}
