//! The one place that calls the C side: every `unsafe` of the engine is here.
//!
//! What Unicorn offers goes through the safe `unicorn-engine` crate; what the patch adds goes by that engine's handle.

use std::mem::MaybeUninit;

use unicorn_engine::{
    Arch, Arm64CpuModel, ArmCpuModel, Mode, Prot, Riscv32CpuModel, Riscv64CpuModel, Unicorn, uc_error,
};
use unicorn_engine_sys as sys;

use super::{
    Access, AccessKind, Cost, EngineError, Exception, Exit, FaultCause, Insn, Io, Isa, Options, Perms, Reg,
    Stop, SystemReg, Timing,
};

/// A reference-counted engine: [`Engine`](super::Engine) owns it, and a run holds it once more for its callbacks.
///
/// No Rust reference to the engine's state exists that a callback could alias: the state lives behind the handle, on
/// the C side alone.
#[derive(Clone)]
pub(super) struct Core {
    unicorn: Unicorn<'static, ()>,
    /// The engine's, which is live as long as `unicorn`; here for calls that are worth a look-up less.
    handle: *mut sys::uc_engine,
    isa: Isa,
}

/// What a run's callbacks need.
struct Session<'a> {
    core: Core,
    io: &'a mut dyn Io,
}

impl Core {
    pub fn open(isa: Isa, options: Options) -> Result<Self, EngineError> {
        let (arch, mode, model) = match isa {
            Isa::CortexM0 | Isa::CortexM0Plus => (Arch::ARM, Mode::THUMB, ArmCpuModel::CORTEX_M0 as i32),
            Isa::CortexM3 => (Arch::ARM, Mode::THUMB, ArmCpuModel::CORTEX_M3 as i32),
            Isa::CortexM4 => (Arch::ARM, Mode::THUMB, ArmCpuModel::CORTEX_M4 as i32),
            Isa::CortexM7 => (Arch::ARM, Mode::THUMB, ArmCpuModel::CORTEX_M7 as i32),
            Isa::CortexM33 => (Arch::ARM, Mode::THUMB, ArmCpuModel::CORTEX_M33 as i32),
            Isa::CortexA15 => (Arch::ARM, Mode::ARM, ArmCpuModel::CORTEX_A15 as i32),
            Isa::CortexA53 => (Arch::ARM64, Mode::ARM, Arm64CpuModel::A53 as i32),
            Isa::CortexA57 => (Arch::ARM64, Mode::ARM, Arm64CpuModel::A57 as i32),
            Isa::CortexA72 => (Arch::ARM64, Mode::ARM, Arm64CpuModel::A72 as i32),
            Isa::Rv32 => (Arch::RISCV, Mode::RISCV32, Riscv32CpuModel::SIFIVE_U34 as i32),
            Isa::Rv64 => (Arch::RISCV, Mode::RISCV64, Riscv64CpuModel::SIFIVE_U54 as i32),
        };
        let mut unicorn = Unicorn::new(arch, mode).map_err(|_| EngineError::Create)?;
        unicorn.ctl_set_cpu_model(model).map_err(|_| EngineError::Create)?;
        let handle = unicorn.get_handle();
        let options = sys::consort_options {
            translation_buffer: u32::try_from(options.translation_buffer).unwrap_or(u32::MAX),
            mpu_regions: if isa == Isa::CortexM0 { 0 } else { options.mpu_regions.into() },
            priority_bits: options.priority_bits.min(8).into(),
            unprivileged: isa == Isa::CortexM0Plus,
            hypervisor: options.hypervisor,
        };
        // SAFETY: the handle is live, and nothing but its model was set.
        let error = unsafe { sys::consort_attach(handle, &raw const options) };
        if error == uc_error::OK { Ok(Core { unicorn, handle, isa }) } else { Err(EngineError::Create) }
    }

    pub fn reset(&mut self) {
        // SAFETY: the handle is live (see `Core`).
        unsafe { sys::consort_reset(self.handle) }
    }

    pub fn map(&mut self, base: u64, size: u64, perms: Perms) -> Result<(), EngineError> {
        let perms = if perms == Perms::Rwx { Prot::ALL } else { Prot::READ | Prot::EXEC };
        self.unicorn.mem_map(base, size, perms).map_err(|_| EngineError::Map { base, size })
    }

    pub fn map_alias(&mut self, base: u64, target: u64, size: u64) -> Result<(), EngineError> {
        // SAFETY: the handle is live; the C side checks alignment, overlap, and that the target is inside one block.
        let error = unsafe { sys::consort_map_alias(self.handle, base, target, size) };
        if error == uc_error::OK { Ok(()) } else { Err(EngineError::Map { base, size }) }
    }

    pub fn read_memory(&self, address: u64, out: &mut [u8]) -> Result<(), EngineError> {
        self.unicorn.mem_read(address, out).map_err(|_| EngineError::NoMemory { address })
    }

    pub fn write_memory(&mut self, address: u64, data: &[u8]) -> Result<(), EngineError> {
        self.unicorn.mem_write(address, data).map_err(|_| EngineError::NoMemory { address })
    }

    pub fn clean(&mut self) {
        // SAFETY: the handle is live.
        unsafe { sys::consort_clean(self.handle) }
    }

    pub fn is_dirty(&self, address: u64) -> bool {
        // SAFETY: the handle is live.
        unsafe { sys::consort_is_dirty(self.handle, address) }
    }

    pub fn reg(&self, reg: Reg) -> u64 {
        match reg.unicorn(self.isa) {
            Some(number) => self.unicorn.reg_read(number).unwrap_or(0),
            // SAFETY: the handle is live; an unknown number reads 0.
            None => unsafe { sys::consort_reg_read(self.handle, reg.0) },
        }
    }

    pub fn set_reg(&mut self, reg: Reg, value: u64) {
        match reg.unicorn(self.isa) {
            Some(number) => drop(self.unicorn.reg_write(number, value)),
            // SAFETY: the handle is live; an unknown number is ignored.
            None => unsafe { sys::consort_reg_write(self.handle, reg.0, value) },
        }
    }

    pub fn context(&self) -> Result<unicorn_engine::Context, EngineError> {
        self.unicorn.context_init().map_err(|_| EngineError::Create)
    }

    pub fn restore_context(&mut self, context: &unicorn_engine::Context) -> Result<(), EngineError> {
        self.unicorn.context_restore(context).map_err(|_| EngineError::Create)
    }

    pub fn run(&mut self, io: &mut dyn Io, budget: u64) -> (Exit, u32) {
        let mut session = Session { core: self.clone(), io };
        let callbacks = sys::consort_io {
            opaque: (&raw mut session).cast(),
            read: Some(read_callback),
            write: Some(write_callback),
            system_read: Some(system_read_callback),
            system_write: Some(system_write_callback),
        };
        let mut exit = MaybeUninit::uninit();
        // SAFETY: the handle is live; the session and callbacks outlive the call, and only the callbacks use them; the
        // C side fills `exit` in.
        let exit = unsafe {
            sys::consort_run(self.handle, &raw const callbacks, budget, exit.as_mut_ptr());
            exit.assume_init()
        };
        let hits = exit.hits;
        (Exit { executed: exit.executed, cycles: exit.cycles, stop: stop(&exit) }, hits)
    }

    /// The model must outlive the engine's runs, or the next call of this.
    #[expect(clippy::borrowed_box, reason = "the C side keeps a thin pointer")]
    pub fn set_timing(&self, timing: Option<&Box<dyn Timing>>) {
        let timing = sys::consort_timing {
            opaque: timing.map_or(std::ptr::null_mut(), |model| (&raw const *model).cast_mut().cast()),
            cost: timing.map(|_| cost_callback as unsafe extern "C" fn(_, _, _)),
            system: timing.map_or(1, |model| model.system()),
            trap: timing.map_or(1, |model| model.trap()),
        };
        // SAFETY: the handle is live; the C side copies the structure.
        unsafe { sys::consort_set_timing(self.handle, &raw const timing) }
    }

    pub fn executed(&self) -> u64 {
        // SAFETY: the handle is live; called from a callback of a run.
        unsafe { sys::consort_executed(self.handle) }
    }

    pub fn cycles(&self) -> u64 {
        // SAFETY: as in `executed`.
        unsafe { sys::consort_cycles(self.handle) }
    }

    pub fn stall(&self, cycles: u32) {
        // SAFETY: as in `executed`.
        unsafe { sys::consort_stall(self.handle, cycles) }
    }

    pub fn access_pc(&self) -> u64 {
        // SAFETY: as in `executed`.
        unsafe { sys::consort_pc(self.handle) }
    }

    pub fn stop_after(&mut self) {
        // SAFETY: as in `executed`.
        unsafe { sys::consort_stop_after(self.handle) }
    }

    pub fn shorten(&mut self, total: u64) {
        // SAFETY: as in `executed`.
        unsafe { sys::consort_shorten(self.handle, total) }
    }

    pub fn watch_unmask(&mut self, on: bool) {
        // SAFETY: the handle is live.
        unsafe { sys::consort_watch_unmask(self.handle, on) }
    }

    pub fn breakpoint(&mut self, address: u64, on: bool) {
        // SAFETY: the handle is live.
        unsafe { sys::consort_breakpoint(self.handle, address, on) }
    }

    pub fn watchpoint(&mut self, slot: u8, address: u64, size: u64, access: AccessKind, on: bool) {
        let access = match access {
            AccessKind::Write => sys::CONSORT_ACCESS_WRITE,
            AccessKind::Read | AccessKind::Fetch => sys::CONSORT_ACCESS_READ,
        };
        // SAFETY: the handle is live.
        unsafe { sys::consort_watchpoint(self.handle, u32::from(slot & 31), address, size, access, on) }
    }
}

// A panic inside these aborts the process with its message: Rust lets no unwinding leave an `extern "C"` function, and
// there is no state to go on with.

unsafe extern "C" fn cost_callback(
    opaque: *mut core::ffi::c_void,
    insn: *const sys::consort_insn,
    cost: *mut sys::consort_cost,
) {
    // SAFETY: `opaque` is the model that `set_timing` was given, which its engine keeps; it is only read.
    let model = unsafe { &*opaque.cast_const().cast::<Box<dyn Timing>>() };
    // SAFETY: the C side passes a valid pointer.
    let sys::consort_insn { pc, code, page, page_size, conditional } = unsafe { insn.read() };
    let page = if page.is_null() {
        &[]
    } else {
        // SAFETY: the C side passes a page of the guest's memory, which nothing writes during this call.
        unsafe { core::slice::from_raw_parts(page, page_size as usize) }
    };
    let Cost { cycles, skipped, taken, short_quotient, looked_back, looked_ahead } =
        model.cost(Insn { pc, code, page, conditional });
    let priced =
        sys::consort_cost { cost: cycles.max(1), skipped, taken, short_quotient, looked_back, looked_ahead };
    // SAFETY: the C side passes a valid pointer.
    unsafe { cost.write(priced) };
}

unsafe extern "C" fn read_callback(
    opaque: *mut core::ffi::c_void,
    address: u64,
    size: u32,
    value: *mut u64,
) -> bool {
    // SAFETY: `opaque` is the session of the run that calls, which nothing else borrows meanwhile.
    let session = unsafe { &mut *opaque.cast::<Session<'_>>() };
    let mut cx = Access::new(&mut session.core);
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
    let mut cx = Access::new(&mut session.core);
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
    let mut cx = Access::new(&mut session.core);
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
    let mut cx = Access::new(&mut session.core);
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
