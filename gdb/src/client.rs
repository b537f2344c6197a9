//! One debugger: what it has said, what it waits for, and what it is told.

use consort_core::cpu::Role;
use consort_core::device::{Debug, Halt};
use consort_core::fleet::Fleet;
use consort_core::{Addr, Time};

use crate::net::Line;
use crate::packet::{Parser, frame};
use crate::points::Points;
use crate::text::to_hex;

/// What a debugger wants of its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Nothing: it has not begun, or has detached.
    Nothing,
    /// That it stands still, and with it the fleet.
    Halt,
    /// That it runs.
    Run,
    /// One instruction, or as many as stay in a range.
    Step(Option<(Addr, Addr)>),
    /// `monitor run-for`: that it runs until then.
    RunFor(Time),
    /// `monitor reset halt`: that it runs to its first instruction after the reset, or until then.
    ResetHalt(Time),
}

impl Wants {
    /// Whether the fleet may go on as far as this debugger is concerned.
    pub(crate) fn holds(&self) -> bool {
        matches!(self, Self::Halt)
    }

    /// How far the fleet may go.
    pub(crate) fn limit(&self) -> Time {
        match self {
            Self::RunFor(until) | Self::ResetHalt(until) => *until,
            _ => Time::MAX,
        }
    }
}

/// Signal numbers of the protocol (GDB's own, `include/gdb/signals.def`).
pub(crate) mod signal {
    pub(crate) const INT: u8 = 2;
    pub(crate) const ILL: u8 = 4;
    pub(crate) const TRAP: u8 = 5;
}

/// A connected debugger.
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) device: usize,
    pub(crate) line: Line,
    pub(crate) parser: Parser,
    /// Whether packets are acknowledged: until `QStartNoAckMode`.
    pub(crate) acks: bool,
    pub(crate) wants: Wants,
    pub(crate) points: Points,
    /// What the client knows of breakpoints' reasons (`qSupported`).
    pub(crate) tells_breakpoints: bool,
    /// The answer to `?`.
    pub(crate) last_stop: String,
    /// For `-`.
    pub(crate) last_sent: Vec<u8>,
    /// It was told whom it waits for.
    pub(crate) knows_it_waits: bool,
}

impl Client {
    pub(crate) fn new(id: u64, device: usize, line: Line) -> Self {
        Self {
            id,
            device,
            line,
            parser: Parser::new(),
            acks: true,
            wants: Wants::Nothing,
            points: Points::default(),
            tells_breakpoints: false,
            last_stop: String::new(),
            last_sent: Vec::new(),
            knows_it_waits: false,
        }
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, contents: impl AsRef<[u8]>) {
        let bytes = frame(contents.as_ref());
        self.last_sent.clone_from(&bytes);
        self.line.send(bytes);
    }

    /// Shows text in the debugger's console; only while it waits for a stop or a monitor command.
    pub(crate) fn say(&mut self, text: &str) {
        // Each byte takes two digits, and a packet has its limit.
        for part in text.as_bytes().chunks(crate::packet::MAX_PACKET / 2 - 1) {
            self.send(format!("O{}", to_hex(part)));
        }
    }

    /// Its device stops: the debugger is told once, in the form it waits for.
    pub(crate) fn stop(&mut self, fleet: &mut Fleet, signal: u8, reason: &str) {
        let was = std::mem::replace(&mut self.wants, Wants::Halt);
        self.knows_it_waits = false;
        self.last_stop = stop_reply(fleet, self.device, signal, reason);
        match was {
            Wants::Run | Wants::Step(_) => self.send(self.last_stop.clone()),
            Wants::RunFor(_) | Wants::ResetHalt(_) => {
                self.points.expect(Vec::new());
                let text = crate::monitor::standing(fleet, self.device);
                self.say(&format!("{text}\nthen: maintenance flush register-cache\n"));
                self.send("OK");
            }
            Wants::Nothing | Wants::Halt => {}
        }
    }

    /// Its device halted by itself.
    pub(crate) fn halted(&mut self, fleet: &mut Fleet, halt: &Halt) {
        match halt {
            Halt::Breakpoint => {
                let pc = debug(fleet, self.device, |debug| debug.pc()).unwrap_or_default();
                let reason = self.breakpoint_reason(pc);
                self.stop(fleet, signal::TRAP, reason);
            }
            Halt::Watchpoint { addr, kind } => {
                let (word, at) = self.points.watched_at(*addr, *kind);
                self.stop(fleet, signal::TRAP, &format!("{word}:{at:x};"));
            }
            Halt::Unimplemented(what) => {
                if !self.wants.holds() {
                    self.say(&format!("Consort does not model this: {what}\n"));
                }
                self.stop(fleet, signal::ILL, "");
            }
        }
    }

    /// How a stop at `pc` is explained to the client ("Stop Reply Packets").
    pub(crate) fn breakpoint_reason(&self, pc: Addr) -> &'static str {
        match self.points.breakpoint_at(pc).filter(|_| self.tells_breakpoints) {
            Some(true) => "hwbreak:;",
            Some(false) => "swbreak:;",
            None => "",
        }
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

/// A stop reply with the registers that GDB asks for next anyway.
fn stop_reply(fleet: &mut Fleet, device: usize, signal: u8, reason: &str) -> String {
    let mut out = format!("T{signal:02x}");
    let registers = debug(fleet, device, |debug| {
        let wanted = |role| matches!(role, Role::ProgramCounter | Role::StackPointer | Role::ReturnAddress);
        let known = debug.registers().iter().enumerate().filter(|(_, register)| wanted(register.role));
        let values = known.filter_map(|(index, info)| {
            Some(format!("{index:02x}:{};", register_hex(debug.register(index)?, info.bits)))
        });
        values.collect::<String>()
    });
    out.push_str(&registers.unwrap_or_default());
    out.push_str("thread:1;");
    out.push_str(reason);
    out
}

/// A register's value in the guest's byte order, little-endian.
pub(crate) fn register_hex(value: u128, bits: u16) -> String {
    to_hex(&value.to_le_bytes()[..usize::from(bits.div_ceil(8)).min(16)])
}
