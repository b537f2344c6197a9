//! What the fleet looks like from outside: reads its state for answers, without side effects.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use consort_core::Addr;
use consort_core::control::{
    ChannelInfo, CodeState, DeviceInfo, DeviceState, DeviceStatus, FleetInfo, LinkEnd, LinkInfo, MOST_MEMORY,
    MOST_SYMBOLS, MemoryRange, MemoryState, PartInfo, PeripheralRegister, PeripheralState, PictureInfo,
    RegisterField, RegisterState, Symbol,
};
use consort_core::device::{Debug, Device, Halt, PeripheralView};
use consort_core::fleet::Fleet;
use consort_core::panel::{Channel, PartState, Value};
use consort_machines::fleet_file::FleetFile;

/// What does not change in a run of the fleet file at `path`.
pub fn describe(
    fleet: &mut Fleet,
    path: &Path,
    file: Option<&FleetFile>,
    seed: u64,
    consoles: &[Option<u16>],
) -> FleetInfo {
    let names = fleet.names().to_vec();
    let devices = names.iter().enumerate().map(|(index, name)| {
        let ports = fleet.ports(index).to_vec();
        let look = fleet.device(index, |device| {
            let debug = device.debug()?;
            let range = |(base, size, writable)| MemoryRange { base, size, writable };
            Some((debug.core().to_owned(), debug.memory_map().into_iter().map(range).collect()))
        });
        let (core, memory) = look.flatten().map_or((None, Vec::new()), |(core, memory)| (Some(core), memory));
        let entry = file.and_then(|file| file.devices.get(name));
        let console = consoles.get(index).copied().flatten();
        DeviceInfo {
            name: name.clone(),
            board: entry.map_or_else(String::new, |entry| match &entry.scripted {
                Some(_) => "scripted".to_owned(),
                None => entry.board.clone(),
            }),
            core,
            console: console.and_then(|port| Some(ports.get(usize::from(port))?.name.clone())),
            ports,
            memory,
        }
    });
    let devices: Vec<DeviceInfo> = devices.collect();
    let links = fleet.links().filter_map(|(name, ends)| {
        let port = |device: usize, port: u16| devices.get(device)?.ports.get(usize::from(port));
        let carries = ends.first().and_then(|end| port(end.device, end.port))?.kind;
        let joins = ends.iter().filter_map(|end| {
            Some(LinkEnd {
                device: devices.get(end.device)?.name.clone(),
                port: port(end.device, end.port)?.name.clone(),
            })
        });
        Some(LinkInfo { name: name.to_owned(), carries, joins: joins.collect() })
    });
    let links = links.collect();
    FleetInfo {
        file: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        doc: file.map(|file| file.doc.clone()).unwrap_or_default(),
        seed,
        devices,
        links,
    }
}

/// How every device is, in short.
pub fn devices(fleet: &mut Fleet) -> Vec<DeviceStatus> {
    let look = |device: &mut dyn Device| DeviceStatus { activity: device.activity(), stats: device.stats() };
    (0..fleet.names().len()).filter_map(|index| fleet.device(index, look)).collect()
}

/// How one device is.
pub fn device(name: &str, device: &mut dyn Device) -> DeviceState {
    let (now, activity, stats) = (device.now(), device.activity(), device.stats());
    let debug = device.debug();
    let (pc, symbol, registers) = debug.map_or((0, None, Vec::new()), |debug| {
        let symbol = debug.symbol_at(debug.pc()).map(|(symbol, offset)| match offset {
            0 => symbol.to_owned(),
            offset => format!("{symbol}+{offset:#x}"),
        });
        (debug.pc(), symbol, registers(debug))
    });
    DeviceState { device: name.to_owned(), now, activity, stats, pc, symbol, registers }
}

fn registers(debug: &dyn Debug) -> Vec<RegisterState> {
    let all = debug.registers().iter().enumerate().filter_map(|(index, register)| {
        let value = debug.register(index)?;
        let digits = usize::from(register.bits).div_ceil(4);
        Some(RegisterState {
            name: register.name.to_owned(),
            bits: register.bits,
            role: register.role,
            value: format!("{value:0digits$x}"),
        })
    });
    all.collect()
}

/// A piece of memory; what does not answer is left out byte by byte.
pub fn memory(name: &str, debug: &dyn Debug, addr: Addr, len: u32) -> Result<MemoryState, String> {
    if len > MOST_MEMORY {
        return Err(format!("at most {MOST_MEMORY} bytes at a time"));
    }
    let mut bytes = vec![0; len as usize];
    let data = if debug.read(addr, &mut bytes).is_ok() {
        bytes.into_iter().map(Some).collect()
    } else {
        let one = |offset: u32| {
            let mut byte = [0];
            debug.read(addr.checked_add(u64::from(offset))?, &mut byte).ok().map(|()| byte[0])
        };
        (0..len).map(one).collect()
    };
    Ok(MemoryState { device: name.to_owned(), addr, data })
}

/// How much of memory is compared at a time.
const CHUNK: usize = 1 << 16;

/// Where bytes are next in memory; what does not answer is passed over.
pub fn find(debug: &dyn Debug, addr: Addr, len: u64, wanted: &[u8]) -> Option<Addr> {
    let (first, end) = (*wanted.first()?, addr.saturating_add(len));
    let mut ranges = debug.memory_map();
    ranges.sort_unstable();
    for (base, size, _) in ranges {
        let (mut at, stop) = (base.max(addr), base.saturating_add(size).min(end));
        while at < stop {
            // Pieces overlap, so that no place lies between two.
            let take = stop.saturating_sub(at).min((CHUNK + wanted.len()) as u64) as usize;
            let mut bytes = vec![0; take];
            if debug.read(at, &mut bytes).is_ok() {
                let mut places = bytes.windows(wanted.len());
                if let Some(index) = places.position(|place| place[0] == first && place == wanted) {
                    return Some(at + index as u64);
                }
            }
            at += CHUNK as u64;
        }
    }
    None
}

/// A piece of a program, without its source lines.
pub fn code(name: &str, debug: &dyn Debug, addr: Addr, len: u32) -> Result<CodeState, String> {
    let MemoryState { device, addr, data } = memory(name, debug, addr, len)?;
    Ok(CodeState { device, addr, data, lines: Vec::new() })
}

/// Symbols by a part of their names.
pub fn symbols(debug: &dyn Debug, text: &str) -> Vec<Symbol> {
    let found = debug.find_symbols(text, MOST_SYMBOLS).into_iter();
    found.map(|(name, addr, size)| Symbol { name: name.to_owned(), addr, size }).collect()
}

/// All on-chip blocks.
pub fn peripherals(debug: &dyn Debug) -> Vec<PeripheralState> {
    let block = |view: PeripheralView| {
        let registers = view.registers.into_iter().map(|(register, value)| PeripheralRegister {
            name: register.name.to_owned(),
            offset: register.offset,
            access: register.access,
            coverage: register.coverage,
            reset: register.reset,
            value,
            fields: register
                .fields
                .iter()
                .map(|field| RegisterField {
                    name: field.name.to_owned(),
                    lsb: field.lsb,
                    width: field.width,
                })
                .collect(),
        });
        PeripheralState { name: view.name, base: view.base, registers: registers.collect() }
    };
    debug.peripherals().into_iter().map(block).collect()
}

/// What of a device shows or takes something.
pub fn parts(device: &dyn Device) -> Vec<PartInfo> {
    let channel = |(channel, value): (Channel, Option<Value>)| ChannelInfo {
        name: channel.name.to_owned(),
        doc: channel.doc.to_owned(),
        takes: channel.takes,
        value,
    };
    let part = |part: PartState| PartInfo {
        name: part.name,
        channels: part.channels.into_iter().map(channel).collect(),
        shows: part.shows,
    };
    device.parts().into_iter().map(part).collect()
}

/// What a part shows, unless the client has the picture of number `after` and that is the present one.
pub fn picture(device: &dyn Device, part: &str, after: Option<u64>) -> Result<Option<PictureInfo>, String> {
    let number = device.parts().into_iter().find(|known| known.name == part).and_then(|part| part.shows);
    let number = number.ok_or_else(|| format!("`{part}` shows nothing"))?;
    if after == Some(number) {
        return Ok(None);
    }
    let picture = device.picture(part).ok_or_else(|| format!("`{part}` shows nothing"))?;
    let png = crate::png::encode(picture.width, picture.height, &picture.rgb)?;
    Ok(Some(PictureInfo {
        number,
        width: picture.width,
        height: picture.height,
        form: picture.form,
        backlight: picture.backlight,
        png: BASE64_STANDARD.encode(png),
    }))
}

/// A halt in words.
pub fn halt(name: &str, halt: &Halt) -> String {
    match halt {
        Halt::Breakpoint => format!("{name}: at a breakpoint"),
        Halt::Watchpoint { addr, .. } => format!("{name}: watched memory at {addr:#010x} was accessed"),
        Halt::Call(call) => format!("{name}: semihosting call {:#x}", call.op),
        Halt::Reset => format!("{name}: reset"),
        Halt::Unimplemented(what) => format!("{name}: cannot go on: {what}"),
    }
}
