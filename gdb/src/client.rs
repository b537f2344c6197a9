//! One debugger: what it has said, what it waits for, and what it is told.

use consort_core::cpu::Role;
use consort_core::device::Halt;
use consort_core::fleet::Fleet;
use gdbstub::common::{Signal, Tid};
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};

use crate::arch::Number;
use crate::net::Line;
use crate::packet::{MAX_PACKET, console, frame};
use crate::seat::{CORE, Seat, Wants, debug, register_bytes};

/// The most bytes that one packet is answered with, or that may wait for the end of a monitor command.
const MAX_WAITING: usize = 1 << 20;

/// Why a device stands still.
pub(crate) type Reason = MultiThreadStopReason<u64>;

/// A stop for which there is a signal and no more to say.
pub(crate) fn signalled(signal: Signal) -> Reason {
    Reason::SignalWithThread { tid: CORE, signal }
}

/// The same reason, of this thread.
fn of_thread(reason: Reason, thread: Tid) -> Reason {
    match reason {
        Reason::SignalWithThread { signal, .. } => Reason::SignalWithThread { tid: thread, signal },
        Reason::SwBreak(_) => Reason::SwBreak(thread),
        Reason::HwBreak(_) => Reason::HwBreak(thread),
        Reason::Watch { kind, addr, .. } => Reason::Watch { tid: thread, kind, addr },
        other => other,
    }
}

type Stub = GdbStubStateMachine<'static, Seat, Outbox>;

/// What `gdbstub` has written and the line has not sent.
#[derive(Default)]
struct Outbox(Vec<u8>);

/// More was asked for than anybody reads.
struct TooMuch;

impl Connection for Outbox {
    type Error = TooMuch;

    fn write(&mut self, byte: u8) -> Result<(), TooMuch> {
        if self.0.len() >= MAX_WAITING {
            return Err(TooMuch);
        }
        self.0.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TooMuch> {
        Ok(())
    }
}

/// A connected debugger.
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) line: Line,
    pub(crate) seat: Seat,
    /// It was told whom it waits for.
    pub(crate) knows_it_waits: bool,
    /// Absent once it has said what no debugger says.
    stub: Option<Stub>,
    /// What it said while a monitor command was running.
    later: Vec<u8>,
}

impl Client {
    pub(crate) fn new(id: u64, device: usize, line: Line, fleet: &mut Fleet) -> Self {
        let mut seat = Seat::new(device, fleet);
        let stub = GdbStub::builder(Outbox::default()).packet_buffer_size(MAX_PACKET).build().ok();
        let stub = stub.and_then(|stub| stub.run_state_machine(&mut seat).ok());
        Self { id, line, seat, knows_it_waits: false, stub, later: Vec::new() }
    }

    /// Acts with the fleet at hand.
    fn seated<R>(&mut self, fleet: &mut Fleet, act: impl FnOnce(&mut Self) -> R) -> R {
        std::mem::swap(fleet, &mut self.seat.fleet);
        let result = act(self);
        std::mem::swap(fleet, &mut self.seat.fleet);
        result
    }

    /// The thread on its device's processor.
    pub(crate) fn thread(&mut self, fleet: &mut Fleet) -> Tid {
        self.seated(fleet, |client| client.seat.thread())
    }

    /// Bytes came in.
    pub(crate) fn hear(&mut self, bytes: &[u8], fleet: &mut Fleet) {
        self.seated(fleet, |client| client.take(bytes));
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if !self.seat.wants.in_command() {
                self.feed(*byte);
            } else if *byte == 3 {
                self.halt(signalled(Signal::SIGINT));
            } else if self.later.len() < MAX_WAITING {
                self.later.push(*byte);
            } else {
                self.stub = None;
            }
        }
        if self.stub.is_none() {
            self.seat.leave();
            self.line.cut();
        }
    }

    /// Gives `gdbstub` a byte. What it does not understand ends the connection, as its errors do.
    fn feed(&mut self, byte: u8) {
        use GdbStubStateMachine::{CtrlCInterrupt, Disconnected, Idle, Running};
        if byte == b'$' && self.seat.wants == Wants::Nothing {
            // The first word of a debugger halts the fleet.
            self.seat.wants = Wants::Halt;
        }
        let heard = match self.stub.take() {
            Some(Idle(stub)) => stub.incoming_data(&mut self.seat, byte).ok(),
            Some(Running(stub)) => stub.incoming_data(&mut self.seat, byte).ok(),
            other => other,
        };
        let interrupted = matches!(heard, Some(CtrlCInterrupt(_)));
        self.stub = match heard {
            // What stands is not stopped once more.
            Some(CtrlCInterrupt(stub)) => stub.interrupt_handled(&mut self.seat, None::<Reason>).ok(),
            Some(Disconnected(mut stub)) => {
                self.seat.leave();
                // `vKill` has an answer, and nobody waits for one after `k`.
                if stub.get_reason() == DisconnectReason::Kill {
                    stub.borrow_conn().0.extend(frame("OK"));
                }
                Some(stub.return_to_idle())
            }
            other => other,
        };
        if interrupted {
            self.halt(signalled(Signal::SIGINT));
        }
        self.send();
    }

    /// Sends what `gdbstub` has written, but keeps the answer of a monitor command until that is over.
    fn send(&mut self) {
        use GdbStubStateMachine::{CtrlCInterrupt, Disconnected, Idle, Running};
        let outbox = match &mut self.stub {
            Some(Idle(stub)) => stub.borrow_conn(),
            Some(Running(stub)) => stub.borrow_conn(),
            Some(CtrlCInterrupt(stub)) => stub.borrow_conn(),
            Some(Disconnected(stub)) => stub.borrow_conn(),
            None => return,
        };
        if !self.seat.wants.in_command() && !outbox.0.is_empty() {
            self.line.send(std::mem::take(&mut outbox.0));
        }
    }

    /// Shows text in the debugger's console; only while it waits for a stop or a monitor command.
    pub(crate) fn say(&mut self, text: &str) {
        self.line.send(console(text));
    }

    /// Its device stops.
    pub(crate) fn stop(&mut self, fleet: &mut Fleet, reason: Reason) {
        self.seated(fleet, |client| client.halt(reason));
    }

    /// The debugger is told once, in the form it waits for.
    fn halt(&mut self, reason: Reason) {
        let was = std::mem::replace(&mut self.seat.wants, Wants::Halt);
        self.knows_it_waits = false;
        match was {
            Wants::Run | Wants::Step { .. } => self.report(reason),
            Wants::RunFor(_) | Wants::ResetHalt(_) => {
                self.seat.points.expect(Vec::new());
                let text = crate::monitor::standing(&mut self.seat.fleet, self.seat.device);
                self.say(&format!("{text}\nthen: maintenance flush register-cache\n"));
                self.send();
                let later = std::mem::take(&mut self.later);
                self.take(&later);
            }
            Wants::Nothing => self.seat.wants = Wants::Nothing,
            Wants::Halt => {}
        }
    }

    /// A stop reply with the registers that GDB asks for next anyway.
    fn report(&mut self, reason: Reason) {
        let Some(GdbStubStateMachine::Running(stub)) = self.stub.take() else { return };
        let reason = of_thread(reason, self.seat.thread());
        let registers = self.seat.look(|debug| {
            let wanted =
                |role| matches!(role, Role::ProgramCounter | Role::StackPointer | Role::ReturnAddress);
            let known = debug.registers().iter().enumerate().filter(|(_, register)| wanted(register.role));
            known
                .filter_map(|(index, info)| {
                    Some((Number(index), register_bytes(debug.register(index)?, info)))
                })
                .collect::<Vec<_>>()
        });
        let registers = registers.unwrap_or_default();
        let mut registers = registers.iter().map(|(number, bytes)| (*number, bytes.as_slice()));
        self.stub = stub.report_stop_with_regs(&mut self.seat, reason, &mut registers).ok();
        self.send();
    }

    /// Its device halted by itself.
    pub(crate) fn halted(&mut self, fleet: &mut Fleet, halt: &Halt) {
        let reason = match halt {
            Halt::Breakpoint => {
                let pc = debug(fleet, self.seat.device, |debug| debug.pc()).unwrap_or_default();
                self.seat.points.reason_at(pc)
            }
            Halt::Watchpoint { addr, kind } => self.seat.points.watched_at(*addr, *kind),
            Halt::Unimplemented(what) => {
                if !self.seat.wants.holds() {
                    self.say(&format!("Consort does not model this: {what}\n"));
                }
                signalled(Signal::SIGILL)
            }
        };
        self.stop(fleet, reason);
    }

    /// The run is over: a debugger that waits for its device learns that it is gone.
    pub(crate) fn end(mut self, code: u8) {
        if matches!(self.seat.wants, Wants::Run | Wants::Step { .. }) {
            self.report(Reason::Exited(code));
        }
        self.line.finish();
    }
}
