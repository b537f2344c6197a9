//! One debugger: what it has said, what it waits for, and what it is told.

use consort_core::cpu::Role;
use consort_core::device::Halt;
use consort_core::fleet::Fleet;
use gdbstub::common::{Signal, Tid};
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};

use crate::arch::Number;
use crate::files::{Call, Next};
use crate::net::Line;
use crate::packet::{MAX_PACKET, console, contents, frame};
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
    /// Whether it wants its packets acknowledged.
    acknowledged: bool,
    /// What it was asked on the guest's behalf.
    asked: Option<Asked>,
}

/// A semihosting call that waits for the debugger. For `gdbstub` the device has stopped meanwhile, for the debugger
/// it runs and may ask for memory.
struct Asked {
    call: Call,
    /// The guest was to make one step, which this call is.
    step: bool,
    /// The beginning of a packet that may be the answer.
    heard: Vec<u8>,
}

/// An answer is shorter than this.
const LONGEST_ANSWER: usize = 256;

impl Client {
    pub(crate) fn new(id: u64, device: usize, line: Line, fleet: &mut Fleet) -> Self {
        let mut seat = Seat::new(device, fleet);
        let stub = GdbStub::builder(Outbox::default()).packet_buffer_size(MAX_PACKET).build().ok();
        let stub = stub.and_then(|stub| stub.run_state_machine(&mut seat).ok());
        Self {
            id,
            line,
            seat,
            knows_it_waits: false,
            stub,
            later: Vec::new(),
            acknowledged: true,
            asked: None,
        }
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
            if self.asked.is_some() {
                self.listen(*byte);
            } else if !self.seat.wants.in_command() {
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
        if !self.seat.wants.holds() {
            // It went on without an answer: the guest will ask again.
            self.asked = None;
        }
        self.send();
    }

    /// Hears a byte while it is asked something: an answer is for us, all else for `gdbstub`.
    fn listen(&mut self, byte: u8) {
        let Some(asked) = &mut self.asked else { return };
        let beginning = match asked.heard.len() {
            0 => byte == b'$',
            1 => byte == b'F',
            length => length < LONGEST_ANSWER,
        };
        asked.heard.push(byte);
        let whole = beginning && asked.heard.iter().rev().nth(2) == Some(&b'#');
        if beginning && !whole {
            return;
        }
        let heard = std::mem::take(&mut asked.heard);
        match contents(&heard).filter(|_| whole) {
            Some(answer) => self.answered(&answer[1..]),
            None => heard.iter().for_each(|byte| self.feed(*byte)),
        }
    }

    /// It answers what it was asked.
    fn answered(&mut self, answer: &str) {
        let Some(mut asked) = self.asked.take() else { return };
        let (next, interrupted) = match self.seat.look(|debug| asked.call.answered(answer, debug)) {
            Some(next) => next,
            None => (Next::Done { result: u64::MAX, errno: 0 }, false),
        };
        match next {
            Next::Ask(question) => {
                let acknowledgement: &[u8] = if self.acknowledged { b"+" } else { b"" };
                self.line.send([acknowledgement, &frame(&question)].concat());
                self.asked = Some(asked);
            }
            Next::Done { result, errno } => {
                self.seat.look(|debug| debug.finish_call(Some((result, errno))));
                // For `gdbstub`, the debugger lets the device go on now.
                frame("vCont;c").iter().for_each(|byte| self.feed(*byte));
                if interrupted {
                    self.halt(signalled(Signal::SIGINT));
                } else if asked.step {
                    self.halt(signalled(Signal::SIGTRAP));
                }
            }
        }
    }

    /// The guest made a call that this debugger wants to answer.
    fn ask(&mut self, call: consort_core::cpu::Semihosting) {
        let step = matches!(self.seat.wants, Wants::Step { .. });
        let begun = (step || self.seat.wants == Wants::Run)
            .then(|| self.seat.look(|debug| Call::begin(call, debug)).flatten());
        let answer = match begun.flatten() {
            Some((call, Next::Ask(question))) => {
                self.asked = Some(Asked { call, step, heard: Vec::new() });
                self.report(signalled(Signal::SIGTRAP), Some(&question));
                self.seat.wants = Wants::Halt;
                return;
            }
            Some((_, Next::Done { result, errno })) => Some((result, errno)),
            None => None,
        };
        self.seat.look(|debug| debug.finish_call(answer));
        if step {
            self.halt(signalled(Signal::SIGTRAP));
        }
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
        if let Some(first) = outbox.0.first() {
            self.acknowledged = *first == b'+';
        }
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
            Wants::Run | Wants::Step { .. } => self.report(reason, None),
            Wants::RunFor(_) | Wants::ResetHalt(_) => {
                self.seat.points.take_resets(false);
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

    /// A stop reply with the registers that GDB asks for next anyway; a question in its place, when there is one.
    fn report(&mut self, reason: Reason, question: Option<&str>) {
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
        if let (Some(question), Some(GdbStubStateMachine::Idle(stub))) = (question, &mut self.stub) {
            stub.borrow_conn().0 = frame(question);
        }
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
            Halt::Reset => signalled(Signal::SIGTRAP),
            Halt::Call(call) => return self.seated(fleet, |client| client.ask(*call)),
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
            self.report(Reason::Exited(code), None);
        }
        self.line.finish();
    }
}
