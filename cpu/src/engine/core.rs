//! The one place that calls the C side: every `unsafe` of the engine is here.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use unicorn_engine_sys as sys;

use super::{
    Access, AccessKind, EngineError, Exception, Exit, FaultCause, Io, Isa, Options, Perms, Reg, Stop,
    SystemReg,
};

/// A pointer to the C side's engine.
///
/// It is copied into [`Access`] while a run holds the engine, so no Rust reference to the engine's state exists that
/// a callback could alias: the state lives behind the pointer, on the C side alone.
#[derive(Clone, Copy)]
pub(super) struct Core(NonNull<sys::uc_engine>);

/// What a run's callbacks need.
struct Session<'a> {
    core: Core,
    io: &'a mut dyn Io,
}

impl Core {
    pub fn open(isa: Isa, options: Options) -> Result<Self, EngineError> {
        let (arch, mode, model) = match isa {
            Isa::CortexM0 => (sys::Arch::ARM, sys::Mode::THUMB, sys::ArmCpuModel::CORTEX_M0 as i32),
            Isa::CortexM3 => (sys::Arch::ARM, sys::Mode::THUMB, sys::ArmCpuModel::CORTEX_M3 as i32),
            Isa::CortexM4 => (sys::Arch::ARM, sys::Mode::THUMB, sys::ArmCpuModel::CORTEX_M4 as i32),
            Isa::CortexM7 => (sys::Arch::ARM, sys::Mode::THUMB, sys::ArmCpuModel::CORTEX_M7 as i32),
            Isa::CortexM33 => (sys::Arch::ARM, sys::Mode::THUMB, sys::ArmCpuModel::CORTEX_M33 as i32),
            Isa::CortexA15 => (sys::Arch::ARM, sys::Mode::ARM, sys::ArmCpuModel::CORTEX_A15 as i32),
            Isa::CortexA53 => (sys::Arch::ARM64, sys::Mode::ARM, sys::Arm64CpuModel::A53 as i32),
            Isa::Rv32 => (sys::Arch::RISCV, sys::Mode::RISCV32, sys::Riscv32CpuModel::SIFIVE_U34 as i32),
            Isa::Rv64 => (sys::Arch::RISCV, sys::Mode::RISCV64, sys::Riscv64CpuModel::SIFIVE_U54 as i32),
        };
        let buffer = u32::try_from(options.translation_buffer).unwrap_or(u32::MAX);
        let mut uc = std::ptr::null_mut();
        // SAFETY: the C side initialises `uc` when and only when it returns OK.
        let error = unsafe {
            sys::consort_open(arch, mode, model, buffer, u32::from(options.mpu_regions), &raw mut uc)
        };
        match NonNull::new(uc) {
            Some(uc) if error == sys::uc_error::OK => Ok(Core(uc)),
            _ => Err(EngineError::Create),
        }
    }

    /// Frees the C side; the pointer and its copies are dead afterwards.
    pub fn close(self) {
        // SAFETY: called once, from the owner's drop.
        unsafe { sys::consort_close(self.0.as_ptr()) }
    }

    pub fn reset(self) {
        // SAFETY: the pointer is live (see `Core`).
        unsafe { sys::consort_reset(self.0.as_ptr()) }
    }

    pub fn map(self, base: u64, size: u64, perms: Perms) -> Result<(), EngineError> {
        // SAFETY: the pointer is live; the C side checks alignment and overlap.
        let error = unsafe { sys::consort_map(self.0.as_ptr(), base, size, perms == Perms::Rwx) };
        if error == sys::uc_error::OK { Ok(()) } else { Err(EngineError::Map { base, size }) }
    }

    pub fn map_alias(self, base: u64, target: u64, size: u64) -> Result<(), EngineError> {
        // SAFETY: as in `map`; the C side also checks that the target is inside one block.
        let error = unsafe { sys::consort_map_alias(self.0.as_ptr(), base, target, size) };
        if error == sys::uc_error::OK { Ok(()) } else { Err(EngineError::Map { base, size }) }
    }

    /// The host memory behind a guest address, as far as it is contiguous.
    fn memory(self, address: u64) -> Result<(NonNull<u8>, usize), EngineError> {
        let mut length = 0;
        // SAFETY: the pointer is live; `length` is written when the result is not NULL.
        let host = unsafe { sys::consort_memory(self.0.as_ptr(), address, &raw mut length) };
        let host = NonNull::new(host).ok_or(EngineError::NoMemory { address })?;
        Ok((host, usize::try_from(length).unwrap_or(usize::MAX)))
    }

    pub fn read_memory(self, mut address: u64, mut out: &mut [u8]) -> Result<(), EngineError> {
        while !out.is_empty() {
            let (host, length) = self.memory(address)?;
            let (now, later) = out.split_at_mut(length.min(out.len()));
            // SAFETY: `length` bytes are readable at `host`, and no `out` of safe code is guest memory.
            unsafe { host.as_ptr().copy_to_nonoverlapping(now.as_mut_ptr(), now.len()) };
            address = address.wrapping_add(now.len() as u64);
            out = later;
        }
        Ok(())
    }

    pub fn write_memory(self, mut address: u64, mut data: &[u8]) -> Result<(), EngineError> {
        while !data.is_empty() {
            let (host, length) = self.memory(address)?;
            let (now, later) = data.split_at(length.min(data.len()));
            // SAFETY: `length` bytes are writable at `host` (ROM is read-only to the guest alone), and no `data` of
            // safe code is guest memory; the pointer is live.
            unsafe {
                host.as_ptr().copy_from_nonoverlapping(now.as_ptr(), now.len());
                sys::consort_written(self.0.as_ptr(), address, now.len() as u64);
            }
            address = address.wrapping_add(now.len() as u64);
            data = later;
        }
        Ok(())
    }

    pub fn clean(self) {
        // SAFETY: the pointer is live.
        unsafe { sys::consort_clean(self.0.as_ptr()) }
    }

    pub fn is_dirty(self, address: u64) -> bool {
        // SAFETY: the pointer is live.
        unsafe { sys::consort_is_dirty(self.0.as_ptr(), address) }
    }

    pub fn reg(self, reg: Reg) -> u64 {
        // SAFETY: the pointer is live; an unknown number reads 0.
        unsafe { sys::consort_reg_read(self.0.as_ptr(), reg.0) }
    }

    pub fn set_reg(self, reg: Reg, value: u64) {
        // SAFETY: the pointer is live; an unknown number is ignored.
        unsafe { sys::consort_reg_write(self.0.as_ptr(), reg.0, value) }
    }

    pub fn run(self, io: &mut dyn Io, budget: u64) -> Exit {
        let mut session = Session { core: self, io };
        let callbacks = sys::consort_io {
            opaque: (&raw mut session).cast(),
            read: Some(read_callback),
            write: Some(write_callback),
            system_read: Some(system_read_callback),
            system_write: Some(system_write_callback),
        };
        let mut exit = MaybeUninit::uninit();
        // SAFETY: the pointer is live; the session and callbacks outlive the call, and only the callbacks use them; the
        // C side fills `exit` in.
        let exit = unsafe {
            sys::consort_run(self.0.as_ptr(), &raw const callbacks, budget, exit.as_mut_ptr());
            exit.assume_init()
        };
        Exit { executed: exit.executed, stop: stop(&exit) }
    }

    pub fn executed(self) -> u64 {
        // SAFETY: the pointer is live; called from a callback of a run.
        unsafe { sys::consort_executed(self.0.as_ptr()) }
    }

    pub fn access_pc(self) -> u64 {
        // SAFETY: as in `executed`.
        unsafe { sys::consort_pc(self.0.as_ptr()) }
    }

    pub fn stop_after(self) {
        // SAFETY: as in `executed`.
        unsafe { sys::consort_stop_after(self.0.as_ptr()) }
    }

    pub fn shorten(self, total: u64) {
        // SAFETY: as in `executed`.
        unsafe { sys::consort_shorten(self.0.as_ptr(), total) }
    }

    pub fn watch_unmask(self, on: bool) {
        // SAFETY: the pointer is live.
        unsafe { sys::consort_watch_unmask(self.0.as_ptr(), on) }
    }

    pub fn breakpoint(self, address: u64, on: bool) {
        // SAFETY: the pointer is live.
        unsafe { sys::consort_breakpoint(self.0.as_ptr(), address, on) }
    }

    pub fn watchpoint(self, address: u64, size: u64, access: AccessKind, on: bool) {
        let access = match access {
            AccessKind::Write => sys::CONSORT_ACCESS_WRITE,
            AccessKind::Read | AccessKind::Fetch => sys::CONSORT_ACCESS_READ,
        };
        // SAFETY: the pointer is live.
        unsafe { sys::consort_watchpoint(self.0.as_ptr(), address, size, access, on) }
    }
}

// A panic inside these aborts the process with its message: Rust lets no unwinding leave an `extern "C"` function, and
// there is no state to go on with.

unsafe extern "C" fn read_callback(
    opaque: *mut core::ffi::c_void,
    address: u64,
    size: u32,
    value: *mut u64,
) -> bool {
    // SAFETY: `opaque` is the session of the run that calls, which nothing else borrows meanwhile.
    let session = unsafe { &mut *opaque.cast::<Session<'_>>() };
    let mut cx = Access::new(session.core);
    match session.io.read(&mut cx, address, size as u8) {
        Ok(read) => {
            // SAFETY: the C side passes a valid pointer.
            unsafe { value.write(read) };
            true
        }
        Err(_) => false,
    }
}

unsafe extern "C" fn write_callback(
    opaque: *mut core::ffi::c_void,
    address: u64,
    size: u32,
    value: u64,
) -> bool {
    // SAFETY: as in `read_callback`.
    let session = unsafe { &mut *opaque.cast::<Session<'_>>() };
    let mut cx = Access::new(session.core);
    let value = if size < 8 { value & ((1 << (size * 8)) - 1) } else { value };
    session.io.write(&mut cx, address, size as u8, value).is_ok()
}

unsafe extern "C" fn system_read_callback(
    opaque: *mut core::ffi::c_void,
    number: u32,
    value: *mut u64,
) -> bool {
    // SAFETY: as in `read_callback`.
    let session = unsafe { &mut *opaque.cast::<Session<'_>>() };
    let mut cx = Access::new(session.core);
    match system_register(number).and_then(|register| session.io.read_system(&mut cx, register)) {
        Some(read) => {
            // SAFETY: the C side passes a valid pointer.
            unsafe { value.write(read) };
            true
        }
        None => false,
    }
}

unsafe extern "C" fn system_write_callback(opaque: *mut core::ffi::c_void, number: u32, value: u64) {
    // SAFETY: as in `read_callback`.
    let session = unsafe { &mut *opaque.cast::<Session<'_>>() };
    let mut cx = Access::new(session.core);
    if let Some(register) = system_register(number) {
        session.io.write_system(&mut cx, register, value);
    }
}

fn system_register(number: u32) -> Option<SystemReg> {
    const CTL: u32 = sys::CONSORT_SYSTEM_TIMER_CTL0;
    const CVAL: u32 = sys::CONSORT_SYSTEM_TIMER_CVAL0;
    match number {
        sys::CONSORT_SYSTEM_TIME => Some(SystemReg::Time),
        sys::CONSORT_SYSTEM_COUNTER => Some(SystemReg::Counter),
        CTL..CVAL => Some(SystemReg::TimerControl((number - CTL) as u8)),
        CVAL.. => Some(SystemReg::TimerCompare((number - CVAL) as u8)),
        _ => None,
    }
}

fn stop(exit: &sys::consort_exit) -> Stop {
    match exit.stop {
        sys::CONSORT_STOP_REQUESTED => Stop::Requested,
        sys::CONSORT_STOP_UNMASKED => Stop::Unmasked,
        sys::CONSORT_STOP_WFI => Stop::Wfi,
        sys::CONSORT_STOP_WFE => Stop::Wfe,
        sys::CONSORT_STOP_SEV => Stop::Sev,
        sys::CONSORT_STOP_YIELD => Stop::Yield,
        sys::CONSORT_STOP_BREAKPOINT => Stop::Breakpoint,
        sys::CONSORT_STOP_WATCHPOINT => {
            Stop::Watchpoint { address: exit.address, size: exit.size as u8, access: access(exit) }
        }
        sys::CONSORT_STOP_EXCEPTION => Stop::Exception(exception(exit)),
        _ => Stop::Budget,
    }
}

fn access(exit: &sys::consort_exit) -> AccessKind {
    match exit.access {
        sys::CONSORT_ACCESS_WRITE => AccessKind::Write,
        sys::CONSORT_ACCESS_FETCH => AccessKind::Fetch,
        _ => AccessKind::Read,
    }
}

fn exception(exit: &sys::consort_exit) -> Exception {
    let immediate = exit.syndrome as u32;
    match exit.exception {
        sys::CONSORT_EXCEPTION_SVC => Exception::Svc { number: immediate },
        sys::CONSORT_EXCEPTION_BKPT => Exception::Bkpt { number: immediate },
        sys::CONSORT_EXCEPTION_UNDEFINED => Exception::Undefined,
        sys::CONSORT_EXCEPTION_NO_COPROCESSOR => Exception::NoCoprocessor,
        sys::CONSORT_EXCEPTION_INVALID_STATE => Exception::InvalidState,
        sys::CONSORT_EXCEPTION_RETURN => Exception::ExceptionReturn { value: immediate },
        sys::CONSORT_EXCEPTION_LAZY_STACKING => Exception::LazyStacking,
        sys::CONSORT_EXCEPTION_DIVIDE_BY_ZERO => Exception::DivideByZero,
        sys::CONSORT_EXCEPTION_STACK_OVERFLOW => Exception::StackOverflow,
        sys::CONSORT_EXCEPTION_FAULT => Exception::Fault {
            access: access(exit),
            cause: match exit.fault {
                sys::CONSORT_FAULT_BUS => FaultCause::Bus,
                sys::CONSORT_FAULT_UNALIGNED => FaultCause::Unaligned,
                _ => FaultCause::Protection,
            },
            address: exit.address,
        },
        _ => Exception::Other { number: exit.number, syndrome: exit.syndrome, address: exit.address },
    }
}
