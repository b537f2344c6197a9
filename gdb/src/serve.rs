//! The packets of the protocol and their answers ("Packets", "General Query Packets").

use consort_core::Addr;
use consort_core::cpu::RegisterInfo;
use consort_core::device::Debug;
use consort_core::fleet::Fleet;

use crate::client::{Client, Wants, debug, register_hex, signal};
use crate::description::{memory_map_xml, target_xml};
use crate::monitor::{self, Room};
use crate::packet::MAX_PACKET;
use crate::points::Refused;
use crate::text::{from_hex, number, range, split, to_hex};

/// The protocol asks for error numbers; GDB shows them as they are (EINVAL, EFAULT, ENOSPC).
const BAD: &str = "E16";
const FAULT: &str = "E0e";
const FULL: &str = "E1c";
/// "Not understood".
const UNKNOWN: &str = "";

/// The most bytes that one answer in hexadecimal can hold.
const MAX_READ: u64 = (MAX_PACKET / 2) as u64 - 8;

impl Client {
    /// A packet came in.
    pub(crate) fn packet(&mut self, packet: &[u8], fleet: &mut Fleet, room: &mut Room<'_>) {
        if !self.wants.holds() && self.wants != Wants::Nothing {
            // While the device runs, only the way out is open.
            if matches!(packet.first(), Some(b'D' | b'k')) || packet.starts_with(b"vKill") {
                self.leave(packet);
            }
            return;
        }
        if self.wants == Wants::Nothing {
            if packet.first() == Some(&b'D') || packet == b"k" {
                return self.leave(packet);
            }
            // The first word of a debugger halts the fleet.
            self.wants = Wants::Halt;
            self.stop(fleet, signal::TRAP, "");
        }
        let Some((kind, rest)) = packet.split_first() else { return self.send(UNKNOWN) };
        match kind {
            b'?' => self.send(self.last_stop.clone()),
            b'g' => self.send(read_all(fleet, self.device)),
            b'G' => self.send(write_all(fleet, self.device, rest)),
            b'p' => self.send(read_one(fleet, self.device, rest)),
            b'P' => self.send(write_one(fleet, self.device, rest)),
            b'm' => self.send(read_memory(fleet, self.device, rest)),
            b'M' => {
                let parsed =
                    split(rest, b':').and_then(|(place, data)| Some((range(place)?, from_hex(data)?)));
                self.send(write_memory(fleet, self.device, parsed));
            }
            b'X' => {
                let parsed = split(rest, b':').and_then(|(place, data)| Some((range(place)?, data.to_vec())));
                self.send(write_memory(fleet, self.device, parsed));
            }
            b'Z' | b'z' => {
                let answer = self.point(*kind == b'Z', rest);
                self.send(answer);
            }
            b'c' | b's' => self.resume(*kind, rest, fleet),
            b'C' | b'S' => self.resume(*kind | 0x20, split(rest, b';').map_or(&[], |(_, addr)| addr), fleet),
            b'D' | b'k' => self.leave(packet),
            b'H' | b'T' | b'!' => self.send("OK"),
            b'v' => self.v_packet(rest, fleet),
            b'q' => self.query(rest, fleet, room),
            b'Q' if rest == b"StartNoAckMode" => {
                // The answer is still acknowledged; the acknowledgement means nothing to the parser.
                self.acks = false;
                self.send("OK");
            }
            _ => self.send(UNKNOWN),
        }
    }

    /// Detaches; `kill` is no more than that, for a fleet is not its debugger's to end.
    fn leave(&mut self, packet: &[u8]) {
        if packet != b"k" {
            self.send("OK");
        }
        self.wants = Wants::Nothing;
        self.points.clear();
    }

    fn resume(&mut self, how: u8, from: &[u8], fleet: &mut Fleet) {
        if !from.is_empty() {
            let moved = number(from).and_then(|pc| debug(fleet, self.device, |debug| set_pc(debug, pc)));
            if moved != Some(true) {
                return self.send(BAD);
            }
        }
        self.wants = if how == b'c' { Wants::Run } else { Wants::Step(None) };
    }

    fn point(&mut self, set: bool, rest: &[u8]) -> &'static str {
        let Some(([kind], place)) = split(rest, b',') else { return BAD };
        // Conditions and commands, which come after `;`, are not offered.
        let Some((addr, len)) = range(split(place, b';').map_or(place, |(place, _)| place)) else {
            return BAD;
        };
        match self.points.change(set, *kind, addr, len) {
            Ok(()) => "OK",
            Err(Refused::Unknown) => UNKNOWN,
            Err(Refused::TooMany) => FULL,
        }
    }

    fn v_packet(&mut self, rest: &[u8], fleet: &mut Fleet) {
        if rest == b"Cont?" {
            return self.send("vCont;c;C;s;S;r");
        }
        if let Some(actions) = rest.strip_prefix(b"Cont;") {
            // There is one thread: the first action is the one that counts for it.
            let action = actions.split(|byte| *byte == b';').next().unwrap_or_default();
            let action = split(action, b':').map_or(action, |(action, _)| action);
            return match action.split_first() {
                Some((b'c' | b'C', _)) => self.wants = Wants::Run,
                Some((b's' | b'S', _)) => self.wants = Wants::Step(None),
                Some((b'r', ends)) => match range(ends) {
                    Some(ends) => self.wants = Wants::Step(Some(ends)),
                    None => self.send(BAD),
                },
                _ => self.send(UNKNOWN),
            };
        }
        if rest.starts_with(b"Kill") {
            return self.leave(b"vKill");
        }
        if rest.starts_with(b"Attach;") {
            return self.send(self.last_stop.clone());
        }
        if let Some(place) = rest.strip_prefix(b"FlashErase:") {
            let answer = match range(place) {
                Some(place) => self.erase(fleet, place),
                None => BAD,
            };
            return self.send(answer);
        }
        if let Some(write) = rest.strip_prefix(b"FlashWrite:") {
            let parsed = split(write, b':')
                .and_then(|(addr, data)| Some(((number(addr)?, data.len() as u64), data.to_vec())));
            return self.send(match parsed {
                Some(((addr, len), data)) if self.is_rom(fleet, addr, len) => {
                    write_memory(fleet, self.device, Some(((addr, len), data)))
                }
                Some(_) => "E.memtype",
                None => BAD,
            });
        }
        self.send(if rest == b"FlashDone" { "OK" } else { UNKNOWN });
    }

    fn is_rom(&self, fleet: &mut Fleet, addr: Addr, len: u64) -> bool {
        let map = debug(fleet, self.device, |debug| debug.memory_map()).unwrap_or_default();
        let inside = |(base, size, writable): &(Addr, u64, bool)| {
            !writable && addr.checked_sub(*base).is_some_and(|offset| len <= *size && offset <= size - len)
        };
        map.iter().any(inside)
    }

    /// Erased flash reads as ones.
    fn erase(&self, fleet: &mut Fleet, (addr, len): (Addr, u64)) -> &'static str {
        if !self.is_rom(fleet, addr, len) {
            return "E.memtype";
        }
        let ones = [0xFF; 4096];
        let mut offset = 0;
        while offset < len {
            let part = (len - offset).min(ones.len() as u64);
            let done = debug(fleet, self.device, |debug| debug.write(addr + offset, &ones[..part as usize]));
            if !matches!(done, Some(Ok(()))) {
                return FAULT;
            }
            offset += part;
        }
        "OK"
    }

    fn query(&mut self, rest: &[u8], fleet: &mut Fleet, room: &mut Room<'_>) {
        if let Some(features) = rest.strip_prefix(b"Supported") {
            self.tells_breakpoints = features.windows(8).any(|word| word == b"swbreak+");
            return self.send(format!(
                "PacketSize={MAX_PACKET:x};QStartNoAckMode+;qXfer:features:read+;qXfer:memory-map:read+;\
                 vContSupported+;swbreak+;hwbreak+"
            ));
        }
        if let Some(request) = rest.strip_prefix(b"Xfer:features:read:target.xml:") {
            let xml = debug(fleet, self.device, |debug| target_xml(debug.registers())).unwrap_or_default();
            return self.send(part(&xml, request));
        }
        if let Some(request) = rest.strip_prefix(b"Xfer:memory-map:read::") {
            let xml = debug(fleet, self.device, |debug| {
                memory_map_xml(
                    &debug.memory_map(),
                    debug.registers().iter().any(|info| info.bits == 64 && is_pc(info)),
                )
            });
            return self.send(part(&xml.unwrap_or_default(), request));
        }
        if let Some(command) = rest.strip_prefix(b"Rcmd,") {
            let Some(command) = from_hex(command) else { return self.send(BAD) };
            return monitor::run(self, &String::from_utf8_lossy(&command), fleet, room);
        }
        if let Some(place) = rest.strip_prefix(b"CRC:") {
            let answer = range(place).map_or(BAD.to_owned(), |place| crc(fleet, self.device, place));
            return self.send(answer);
        }
        if rest.starts_with(b"ThreadExtraInfo,") {
            let name = fleet.names()[self.device].clone();
            let core = debug(fleet, self.device, |debug| debug.core()).unwrap_or("no processor");
            return self.send(to_hex(format!("{name}: {core}").as_bytes()));
        }
        self.send(match rest {
            b"C" => "QC1",
            b"fThreadInfo" => "m1",
            b"sThreadInfo" => "l",
            b"Symbol::" => "OK",
            _ if rest.starts_with(b"Attached") => "1",
            _ => UNKNOWN,
        });
    }
}

fn is_pc(info: &RegisterInfo) -> bool {
    info.role == consort_core::cpu::Role::ProgramCounter
}

fn set_pc(debug: &mut dyn Debug, pc: Addr) -> bool {
    debug.registers().iter().position(is_pc).is_some_and(|index| debug.set_register(index, u128::from(pc)))
}

/// A piece of a document that is asked for by `OFFSET,LENGTH`.
fn part(document: &str, request: &[u8]) -> String {
    let Some((offset, len)) = range(request) else { return BAD.to_owned() };
    let (offset, len) =
        (usize::try_from(offset).unwrap_or(usize::MAX), usize::try_from(len).unwrap_or(usize::MAX));
    // All documents are ASCII.
    let rest = document.get(offset..).unwrap_or_default();
    match rest.get(..len.min(MAX_PACKET / 2)) {
        Some(piece) if piece.len() < rest.len() => format!("m{piece}"),
        _ => format!("l{rest}"),
    }
}

fn read_all(fleet: &mut Fleet, device: usize) -> String {
    let values = debug(fleet, device, |debug| {
        let infos = debug.registers().iter().enumerate();
        infos.map(|(index, info)| register_hex(debug.register(index).unwrap_or(0), info.bits)).collect()
    });
    values.unwrap_or_else(|| FAULT.to_owned())
}

fn write_all(fleet: &mut Fleet, device: usize, values: &[u8]) -> &'static str {
    let Some(values) = from_hex(values) else { return BAD };
    let done = debug(fleet, device, |debug| {
        let total: usize = debug.registers().iter().map(|info| usize::from(info.bits.div_ceil(8))).sum();
        if values.len() != total {
            return false;
        }
        let mut rest = values.as_slice();
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
    if done == Some(true) { "OK" } else { BAD }
}

fn little_endian(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

fn read_one(fleet: &mut Fleet, device: usize, rest: &[u8]) -> String {
    let index = number(rest).and_then(|index| usize::try_from(index).ok());
    let value = index.and_then(|index| {
        debug(fleet, device, |debug| {
            Some(register_hex(debug.register(index)?, debug.registers().get(index)?.bits))
        })
        .flatten()
    });
    value.unwrap_or_else(|| BAD.to_owned())
}

fn write_one(fleet: &mut Fleet, device: usize, rest: &[u8]) -> &'static str {
    let parsed = split(rest, b'=').and_then(|(index, value)| {
        Some((usize::try_from(number(index)?).ok()?, from_hex(value).filter(|value| value.len() <= 16)?))
    });
    let Some((index, value)) = parsed else { return BAD };
    let done = debug(fleet, device, |debug| debug.set_register(index, little_endian(&value)));
    if done == Some(true) { "OK" } else { BAD }
}

fn read_memory(fleet: &mut Fleet, device: usize, rest: &[u8]) -> String {
    let Some((addr, len)) = range(rest) else { return BAD.to_owned() };
    let mut bytes = vec![0; len.min(MAX_READ) as usize];
    let got = debug(fleet, device, |debug| {
        if debug.read(addr, &mut bytes).is_ok() {
            return bytes.len();
        }
        // What can be read, up to the first byte that cannot.
        let readable = |(byte, offset): &mut (&mut u8, u64)| {
            let at = addr.checked_add(*offset);
            at.is_some_and(|at| debug.read(at, std::slice::from_mut(byte)).is_ok())
        };
        bytes.iter_mut().zip(0..).map_while(|mut item| readable(&mut item).then_some(())).count()
    });
    bytes.truncate(got.unwrap_or(0));
    if bytes.is_empty() && len > 0 {
        return FAULT.to_owned();
    }
    to_hex(&bytes)
}

fn write_memory(fleet: &mut Fleet, device: usize, parsed: Option<((Addr, u64), Vec<u8>)>) -> &'static str {
    let Some(((addr, len), data)) = parsed.filter(|((_, len), data)| *len == data.len() as u64) else {
        return BAD;
    };
    if len == 0 {
        return "OK"; // GDB's probe for `X`
    }
    if addr.checked_add(len).is_none() {
        return FAULT;
    }
    let done = debug(fleet, device, |debug| {
        if debug.write(addr, &data).is_ok() {
            return true;
        }
        if matches!(data.len(), 1 | 2 | 4 | 8) {
            return false;
        }
        // Registers of a peripheral, several at once: as the guest would write them, word by word.
        let mut offset = 0;
        while offset < data.len() {
            let at = addr + offset as u64;
            let natural = [4, 2, 1]
                .into_iter()
                .find(|size| at.is_multiple_of(*size) && data.len() - offset >= *size as usize);
            let end = offset + natural.unwrap_or(1) as usize;
            if debug.write(at, &data[offset..end]).is_err() {
                return false;
            }
            offset = end;
        }
        true
    });
    if done == Some(true) { "OK" } else { FAULT }
}

/// `compare-sections`: CRC-32 with the polynomial 0x04c11db7, most significant bit first, from all ones.
fn crc(fleet: &mut Fleet, device: usize, (addr, len): (Addr, u64)) -> String {
    /// Larger than any memory here, smaller than what keeps the fleet's thread for long.
    const MAX_CRC: u64 = 1 << 28;
    if len > MAX_CRC || addr.checked_add(len).is_none() {
        return BAD.to_owned();
    }
    let (mut sum, mut offset) = (u32::MAX, 0);
    let mut chunk = [0; 4096];
    while offset < len {
        let part = (len - offset).min(chunk.len() as u64) as usize;
        let bytes = &mut chunk[..part];
        if !matches!(debug(fleet, device, |debug| debug.read(addr + offset, bytes)), Some(Ok(()))) {
            return FAULT.to_owned();
        }
        for byte in bytes.iter() {
            sum ^= u32::from(*byte) << 24;
            for _ in 0..8 {
                sum = if sum >> 31 != 0 { sum << 1 ^ 0x04C1_1DB7 } else { sum << 1 };
            }
        }
        offset += part as u64;
    }
    format!("C{sum:08x}")
}
