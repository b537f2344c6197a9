//! `monitor` commands: what the protocol has no packet for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::device::Action;
use consort_core::fleet::{Fleet, FleetError, Stimulus, StimulusKind};
use consort_core::link::{Fault, Rule};

use crate::seat::{Seat, Wants, debug};

const HELP: &str = "\
Commands of Consort:
  time                               virtual time, instructions, place
  devices                            all devices of the fleet, their GDB ports and what they do
  peripherals [NAME]                 peripherals, or the registers of one (read without side effects)
  irqs                               interrupts that are enabled, pending or active
  reset                              pull the reset pin when the fleet goes on
  reset halt                         pull it now and halt at the first instruction
  run-for TIME                       let the fleet run for a virtual time, such as 10ms
  uart send [PORT] TEXT              type on a UART; \\n \\r \\t \\\\ \\xNN are understood
  set COMPONENT.CHANNEL VALUE        a button, a sensor: true, 36.6, text
  link                               the links
  link NAME cut [TIME]               lose every frame, for a time or for good
  link NAME loss PER-MILLION [TIME]  lose some
  link NAME delay TIME [TIME]        bring all later
  snapshot save|restore|drop NAME    keep the whole fleet's state, or go back to it
  snapshot                           the snapshots kept
  semihosting gdb|consort            who answers the firmware's calls for console and files
Resets, UART text, values and link faults are stimuli: they go into the journal and change the run.
";

/// How long the reset may take to come: it waits for the end of a window.
const RESET_PATIENCE: Time = Time::from_secs(1);
/// Snapshots that are kept at once.
const MAX_SNAPSHOTS: usize = 64;

/// What a command can see besides its own device and the fleet.
#[derive(Default)]
pub(crate) struct Room {
    /// Where each device's debugger is expected.
    pub addresses: Vec<SocketAddr>,
    /// What the debuggers of the other devices do.
    pub others: Vec<(usize, Wants)>,
    /// Devices that wait for their first debugger.
    pub held: Vec<usize>,
    /// Kept states of the fleet.
    pub snapshots: BTreeMap<String, Vec<u8>>,
}

impl Room {
    /// Why the fleet cannot go on by this debugger's wish alone.
    fn holder(&self, fleet: &Fleet) -> Option<String> {
        let name = |device: &usize| fleet.names().get(*device).cloned().unwrap_or_default();
        let other = self.others.iter().find(|(_, wants)| wants.holds()).map(|(device, _)| device);
        let other = other.map(|device| format!("{} is halted by its debugger", name(device)));
        other.or_else(|| self.held.first().map(|held| format!("{} waits for its debugger", name(held))))
    }
}

/// Runs a command and gives what it prints. One that lets the fleet run sets what the debugger wants; its answer
/// waits until the fleet has halted again.
pub(crate) fn run(seat: &mut Seat, command: &str) -> String {
    answer(seat, command).unwrap_or_else(|error| format!("error: {error}\n"))
}

fn answer(seat: &mut Seat, command: &str) -> Result<String, String> {
    let (device, fleet, room) = (seat.device, &mut seat.fleet, &mut seat.room);
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        [] | ["help"] => Ok(HELP.to_owned()),
        ["time"] => Ok(standing(fleet, device) + "\n"),
        ["devices"] => Ok(devices(fleet, device, room)),
        ["peripherals"] => Ok(peripherals(fleet, device)),
        ["peripherals", name] => peripheral(fleet, device, name),
        ["irqs"] => irqs(fleet, device),
        ["reset"] | ["reset", "run"] => {
            let name = fleet.names()[device].clone();
            inject(fleet, StimulusKind::Device(name, Action::Reset)).map(|at| format!("reset at {at} s\n"))
        }
        ["reset", "halt" | "init"] => reset_halt(seat),
        ["run-for", span] => run_for(seat, span),
        ["uart", "send", ..] => uart(fleet, device, command),
        ["set", place, value, ..] => set(fleet, device, place, value, command),
        ["link"] => Ok(links(fleet)),
        ["link", name, fault @ ..] => link(fleet, name, fault),
        ["semihosting", who @ ("gdb" | "consort")] => {
            seat.points.take_calls(*who == "gdb");
            Ok(String::new())
        }
        ["snapshot"] => Ok(snapshots(room)),
        ["snapshot", what, name] => snapshot(what, name, fleet, room),
        _ => Err(format!("`{command}` is no command of Consort: see `monitor help`")),
    }
}

/// One line on where a device is.
pub(crate) fn standing(fleet: &mut Fleet, device: usize) -> String {
    let name = fleet.names()[device].clone();
    let at = now(fleet, device);
    let instructions = fleet.stats(device).instructions;
    format!("{name} at {at} s, {instructions} instructions, {}", place(fleet, device))
}

/// The time of a device, which may be far ahead of the fleet's in a long window.
fn now(fleet: &mut Fleet, device: usize) -> Time {
    fleet.device(device, |device| device.now()).unwrap_or_default().max(fleet.now())
}

fn place(fleet: &mut Fleet, device: usize) -> String {
    let place = debug(fleet, device, |debug| {
        let pc = debug.pc();
        format!("pc {pc:#010x}{}", symbol(debug.symbol_at(pc)))
    });
    place.unwrap_or_else(|| "no processor".to_owned())
}

fn symbol(symbol: Option<(&str, u64)>) -> String {
    match symbol {
        Some((name, 0)) => format!(" <{name}>"),
        Some((name, offset)) => format!(" <{name}+{offset}>"),
        None => String::new(),
    }
}

fn devices(fleet: &mut Fleet, own: usize, room: &Room) -> String {
    let names = fleet.names().to_vec();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let mut out = format!("virtual time {} s\n", fleet.now());
    for (device, name) in names.iter().enumerate() {
        let debugger = match room.others.iter().find(|(other, _)| *other == device) {
            _ if device == own => "this debugger",
            Some((_, Wants::Nothing)) => "detached",
            Some((_, Wants::Halt)) => "halted by its debugger",
            Some(_) => "debugged",
            None if room.held.contains(&device) => "waits for its debugger",
            None => "not debugged",
        };
        let activity = fleet.device(device, |device| format!("{:?}", device.activity())).unwrap_or_default();
        let port = room.addresses.get(device).map_or(0, SocketAddr::port);
        let place = place(fleet, device);
        let _ = writeln!(out, "{name:<width$}  :{port:<5}  {activity:<8}  {debugger}, {place}");
    }
    out
}

fn peripherals(fleet: &mut Fleet, device: usize) -> String {
    let views = debug(fleet, device, |debug| debug.peripherals()).unwrap_or_default();
    let width = views.iter().map(|view| view.name.len()).max().unwrap_or(0);
    let lines = views.iter().map(|view| {
        format!("{:<width$}  {:#010x}  {} registers\n", view.name, view.base, view.registers.len())
    });
    lines.collect()
}

fn peripheral(fleet: &mut Fleet, device: usize, name: &str) -> Result<String, String> {
    let views = debug(fleet, device, |debug| debug.peripherals()).unwrap_or_default();
    let view = views.iter().find(|view| view.name == name);
    let view = view.ok_or_else(|| format!("there is no peripheral `{name}`: see `monitor peripherals`"))?;
    let width = view.registers.iter().map(|(register, _)| register.name.len()).max().unwrap_or(0);
    let lines = view.registers.iter().map(|(register, value)| {
        let value = value.map_or("-".to_owned(), |value| format!("{value:#010x}"));
        let at = view.base + u64::from(register.offset);
        format!("{at:#010x}  {:<width$}  {value}\n", register.name)
    });
    Ok(lines.collect())
}

fn irqs(fleet: &mut Fleet, device: usize) -> Result<String, String> {
    let lines = debug(fleet, device, |debug| {
        let all = debug.interrupts();
        if all.is_empty() {
            return Err(format!("the interrupt controller of a {} is not shown", debug.core()));
        }
        let flag = |on: bool, name: &'static str| if on { name } else { "" };
        let busy = all.iter().filter(|interrupt| {
            // The architecture's own exceptions are always enabled, or nearly so.
            (interrupt.enabled && interrupt.number >= 16) || interrupt.pending || interrupt.active
        });
        let lines = busy.map(|interrupt| {
            let number = match interrupt.number.checked_sub(16) {
                Some(irq) => format!("irq {irq}"),
                None => format!("exception {}", interrupt.number),
            };
            let handler = interrupt.handler.map_or(String::new(), |handler| {
                format!("{handler:#010x}{}", symbol(debug.symbol_at(handler)))
            });
            let priority =
                interrupt.priority.map_or("fixed".to_owned(), |priority| format!("{priority:#04x}"));
            format!(
                "{number:<12}  {:<8}{:<8}{:<7}  priority {priority}  {}  {handler}\n",
                flag(interrupt.enabled, "enabled"),
                flag(interrupt.pending, "pending"),
                flag(interrupt.active, "active"),
                interrupt.name,
            )
        });
        let out: String = lines.collect();
        Ok(if out.is_empty() { "none is enabled, pending or active\n".to_owned() } else { out })
    });
    lines.unwrap_or_else(|| Err("the device has no processor".to_owned()))
}

/// Gives a stimulus as early as can be, and tells when that is: at the end of the window that a halt interrupted.
fn inject(fleet: &mut Fleet, what: StimulusKind) -> Result<Time, String> {
    let mut at = fleet.now();
    let mut result = fleet.inject(Stimulus { at, what: what.clone() });
    if let Err(FleetError::Past { now, .. }) = result {
        at = now;
        result = fleet.inject(Stimulus { at, what });
    }
    result.map(|()| at).map_err(|error| error.to_string())
}

fn reset_halt(seat: &mut Seat) -> Result<String, String> {
    if let Some(holder) = seat.room.holder(&seat.fleet) {
        return Err(format!("{holder}: the reset needs the fleet to go on"));
    }
    let name = seat.fleet.names()[seat.device].clone();
    let at = inject(&mut seat.fleet, StimulusKind::Device(name, Action::Reset))?;
    seat.points.take_resets(true);
    seat.wants = Wants::ResetHalt(at + RESET_PATIENCE);
    Ok(String::new())
}

fn run_for(seat: &mut Seat, span: &str) -> Result<String, String> {
    let span: Time = span.parse().map_err(|error| format!("{error}"))?;
    if let Some(holder) = seat.room.holder(&seat.fleet) {
        return Err(holder);
    }
    seat.wants = Wants::RunFor(now(&mut seat.fleet, seat.device) + span);
    Ok(String::new())
}

/// The rest of a command after its first `count` words, spaces included.
fn rest_after(command: &str, count: usize) -> &str {
    let mut rest = command.trim_start();
    for _ in 0..count {
        rest = rest.trim_start().split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
    }
    rest
}

fn uart(fleet: &mut Fleet, device: usize, command: &str) -> Result<String, String> {
    let uarts: Vec<String> = fleet
        .ports(device)
        .iter()
        .filter(|port| port.kind == PortKind::Uart)
        .map(|port| port.name.clone())
        .collect();
    let text = rest_after(command, 2);
    let named =
        text.split_once(char::is_whitespace).filter(|(first, _)| uarts.iter().any(|uart| uart == first));
    let (port, text) = match named {
        Some((port, text)) => (port.to_owned(), text),
        None => (uarts.first().ok_or("the device has no UART")?.clone(), text),
    };
    let data = unescape(text)?;
    if data.is_empty() {
        return Err("there is nothing to send".to_owned());
    }
    let (name, count) = (fleet.names()[device].clone(), data.len());
    let at = inject(fleet, StimulusKind::Device(name, Action::Send { port: port.clone(), data }))?;
    Ok(format!("{count} bytes to {port} at {at} s\n"))
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digit = |byte: Option<u8>| char::from(byte.unwrap_or(0)).to_digit(16);
                let (high, low) = (digit(bytes.next()), digit(bytes.next()));
                let both = high.zip(low).ok_or("\\x takes two hexadecimal digits")?;
                (both.0 << 4 | both.1) as u8
            }
            _ => return Err("only \\n \\r \\t \\\\ \\xNN are escapes".to_owned()),
        });
    }
    Ok(out)
}

fn set(fleet: &mut Fleet, device: usize, place: &str, first: &str, command: &str) -> Result<String, String> {
    use consort_core::component::Value;
    let (component, channel) =
        place.split_once('.').ok_or_else(|| format!("`{place}` is not COMPONENT.CHANNEL"))?;
    let value = match first {
        "true" | "on" => Value::Bool(true),
        "false" | "off" => Value::Bool(false),
        text => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Number(number),
            _ => Value::Text(rest_after(command, 2).to_owned()),
        },
    };
    let action = Action::Set { component: component.to_owned(), channel: channel.to_owned(), value };
    let name = fleet.names()[device].clone();
    inject(fleet, StimulusKind::Device(name, action)).map(|at| format!("{place} at {at} s\n"))
}

fn links(fleet: &Fleet) -> String {
    let mut out = String::new();
    for (name, ends) in fleet.links() {
        let ends: Vec<String> = ends
            .iter()
            .map(|end| {
                let port = &fleet.ports(end.device)[usize::from(end.port)];
                format!("{}.{}", fleet.names()[end.device], port.name)
            })
            .collect();
        let _ = writeln!(out, "{name}: {}", ends.join(", "));
    }
    if out.is_empty() { "the fleet has no links\n".to_owned() } else { out }
}

fn link(fleet: &mut Fleet, name: &str, fault: &[&str]) -> Result<String, String> {
    let time = |text: &str| text.parse::<Time>().map_err(|error| error.to_string());
    let (fault, lasting) = match fault {
        ["cut", lasting @ ..] => (Fault::Cut, lasting),
        ["loss", share, lasting @ ..] => {
            let share = share.parse().ok().filter(|share| *share <= 1_000_000);
            (Fault::Loss(share.ok_or("the loss is a number of a million")?), lasting)
        }
        ["delay", span, lasting @ ..] => (Fault::Delay(time(span)?), lasting),
        _ => return Err("faults are: cut, loss PER-MILLION, delay TIME".to_owned()),
    };
    let after = fleet.now();
    let before = match lasting {
        [] => Time::MAX,
        [lasting] => after + time(lasting)?,
        _ => return Err("one time at most says how long it lasts".to_owned()),
    };
    let rule = Rule { after, before, from: None, to: None, fault };
    let at = inject(fleet, StimulusKind::Link(name.to_owned(), rule))?;
    Ok(format!("{name}: {fault:?} from {at} s until {before} s\n"))
}

fn snapshots(room: &Room) -> String {
    if room.snapshots.is_empty() {
        return "no snapshot is kept\n".to_owned();
    }
    room.snapshots.iter().map(|(name, bytes)| format!("{name}: {} KiB\n", bytes.len() / 1024)).collect()
}

fn snapshot(what: &str, name: &str, fleet: &mut Fleet, room: &mut Room) -> Result<String, String> {
    match what {
        "save" if room.snapshots.len() >= MAX_SNAPSHOTS && !room.snapshots.contains_key(name) => {
            Err("no more snapshots can be kept: drop some".to_owned())
        }
        "save" => {
            let saved = fleet.save().map_err(|error| match error {
                FleetError::MidWindow => format!("{error} (monitor run-for 0s)"),
                error => error.to_string(),
            })?;
            room.snapshots.insert(name.to_owned(), saved);
            Ok(format!("kept as {name}: {} s\n", fleet.now()))
        }
        "restore" => {
            let saved = room.snapshots.get(name).ok_or_else(|| format!("there is no snapshot `{name}`"))?;
            fleet.restore(saved).map_err(|error| error.to_string())?;
            let now = fleet.now();
            Ok(format!("the fleet is at {now} s again; then: maintenance flush register-cache\n"))
        }
        "drop" => match room.snapshots.remove(name) {
            Some(_) => Ok(String::new()),
            None => Err(format!("there is no snapshot `{name}`")),
        },
        _ => Err("snapshot save, restore or drop".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_spaces_and_loses_its_escapes() {
        assert_eq!(rest_after("uart send  a  b ", 2), " a  b ");
        assert_eq!(unescape(r"a b\n\x41\\").unwrap(), b"a b\nA\\");
        for bad in ["\\", "\\q", "\\x4", "\\xg0"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }
}
