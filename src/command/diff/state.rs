//! What differs in the state of two runs whose events are the same, and since when.

use std::collections::{BTreeMap, BTreeSet};

use consort_core::device::Debug;
use consort_core::fleet::Fleet;
use consort_core::trace::Chain;
use consort_core::{Addr, Time};
use consort_machines::scenario::FailureFile;

use super::instruction;
use super::side::{Side, digest, look, names, place};
use crate::failure::Failure;

/// How closely the time is looked for from which the states differ.
const SPAN: Time = Time::from_ms(1);
/// So many differences of a kind are named, the rest is counted.
const NAMED: usize = 6;
/// Memory is compared in pieces of this.
const PIECE: usize = 1 << 16;

/// What differs, in words; nothing when it is all the same.
pub fn find(a: &FailureFile, b: &FailureFile) -> Result<Option<String>, Failure> {
    let end = a.at.min(b.at);
    let ends = (a.at != b.at).then(|| format!("one run ends at {} s, the other at {} s", a.at, b.at));
    let (a, b) = (Side::new(a)?, Side::new(b)?);
    let mut fleets = (a.at(end)?, b.at(end)?);
    if fleets.0.names() != fleets.1.names() {
        return Ok(Some("the fleets have other devices".to_owned()));
    }
    let devices = differing(&mut fleets)?;
    if devices.is_empty() {
        let link = fleets.0.digest()? != fleets.1.digest()?;
        return Ok(ends.or_else(|| link.then(|| links(&fleets))));
    }
    let mut words = format!("the state at {end} s differs");
    for name in &devices {
        words += &format!(" on {name}");
        words += &describe(&mut fleets, name)?;
    }
    if let Some(ends) = ends {
        words += &format!("\n{ends}");
    }
    words += "\n";
    words += &match since(&a, &b, end)? {
        Since::Start(name) => format!("{name} differs before its first instruction"),
        Since::Instruction(found) => format!("the first instruction that differs: {found}"),
        Since::Time(from, to) => format!(
            "it came between {from} s and {to} s; the processors execute the same instructions with the same registers"
        ),
        Since::Unseen => {
            "no processor ever shows it: each executes the same instructions with the same registers"
                .to_owned()
        }
    };
    Ok(Some(words))
}

/// The devices whose states differ.
fn differing(fleets: &mut (Fleet, Fleet)) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for name in names(fleets) {
        if digest(&mut fleets.0, &name)? != digest(&mut fleets.1, &name)? {
            found.push(name);
        }
    }
    Ok(found)
}

/// What differs of links when no device does.
fn links((a, b): &(Fleet, Fleet)) -> String {
    let states = a.links().zip(a.link_states().zip(b.link_states()));
    let differ = states.filter(|(_, (own, other))| own != other).map(|((name, _), _)| name);
    match differ.collect::<Vec<_>>().as_slice() {
        [] => "a link holds something else".to_owned(),
        names => format!("the faults of {} differ, which no frame met", names.join(" and ")),
    }
}

/// Since when states differ.
enum Since {
    /// This device's registers never were the same.
    Start(String),
    Instruction(String),
    Time(Time, Time),
    /// Nothing changes that was the same at first.
    Unseen,
}

/// What of each device was not the same at first, by its place in the view: other firmware, other numbers of the chip.
type Known = BTreeMap<String, BTreeSet<usize>>;

fn since(a: &Side<'_>, b: &Side<'_>, end: Time) -> Result<Since, Failure> {
    let mut fleets = (a.at(Time::ZERO)?, b.at(Time::ZERO)?);
    let mut known = Known::new();
    for (name, places) in changed(&mut fleets, &known)? {
        let registers = view(&mut fleets.0, &name)?.map_or(0, |view| view.registers.len());
        if places.iter().any(|place| *place < registers) {
            return Ok(Since::Start(name));
        }
        known.insert(name, places);
    }
    // Nothing else has changed at `low`; something has at `high`.
    let (mut low, mut high) = (Time::ZERO, end);
    if changed(&mut (a.at(end)?, b.at(end)?), &known)?.is_empty() {
        return Ok(Since::Unseen);
    }
    let mut saved = (fleets.0.save()?, fleets.1.save()?);
    while high.since(low) > SPAN {
        let middle = Time::from_ps(low.as_ps() + high.since(low).as_ps() / 2);
        for (fleet, saved) in [(&mut fleets.0, &saved.0), (&mut fleets.1, &saved.1)] {
            fleet.restore(saved)?;
            fleet.run_until(middle, &mut ());
        }
        if changed(&mut fleets, &known)?.is_empty() {
            low = middle;
            saved = (fleets.0.save()?, fleets.1.save()?);
        } else {
            high = middle;
        }
    }
    let mut first: Option<(Time, String)> = None;
    for name in changed(&mut (a.at(high)?, b.at(high)?), &known)?.into_keys() {
        let mut fleets = (a.at(low)?, b.at(low)?);
        if let Some(found) = instruction::walk(&mut fleets, &name, high + instruction::EFFECT)?
            && first.as_ref().is_none_or(|(at, _)| found.0 < *at)
        {
            first = Some(found);
        }
    }
    Ok(first.map_or(Since::Time(low, high), |(_, words)| Since::Instruction(words)))
}

/// What a debugger sees of a device.
struct View {
    registers: Vec<(String, String)>,
    peripherals: Vec<(String, String)>,
    memory: Vec<(Addr, u64)>,
}

fn view(fleet: &mut Fleet, device: &str) -> Result<Option<View>, Failure> {
    let device = fleet.find(device)?;
    Ok(look(fleet, device, |debug| {
        let number = |value: Option<u128>| value.map_or("?".to_owned(), |value| format!("{value:#x}"));
        let registers = debug.registers().iter().enumerate();
        let registers = registers.map(|(index, info)| (info.name.to_owned(), number(debug.register(index))));
        let peripherals = debug.peripherals().into_iter().flat_map(|block| {
            let registers = block.registers.into_iter();
            registers.map(move |(register, value)| {
                (format!("{}.{}", block.name, register.name), number(value.map(u128::from)))
            })
        });
        View {
            registers: registers.collect(),
            peripherals: peripherals.collect(),
            memory: debug.memory_map().into_iter().map(|(base, size, _)| (base, size)).collect(),
        }
    }))
}

/// Everything a debugger sees of a device, in an order that stays: registers, then peripherals, then memory by range.
fn sight(fleet: &mut Fleet, name: &str) -> Result<Vec<String>, Failure> {
    let Some(view) = view(fleet, name)? else { return Ok(Vec::new()) };
    let device = fleet.find(name)?;
    let memory = view.memory.into_iter().map(|(base, size)| {
        let mut chain = Chain::default();
        for (addr, length) in pieces(base, size) {
            let bytes = look(fleet, device, |debug| bytes(debug, addr, length)).flatten();
            chain.add(Time::ZERO, 0, &bytes.unwrap_or_default());
        }
        chain.digest().to_string()
    });
    let memory: Vec<_> = memory.collect();
    Ok(view.registers.into_iter().chain(view.peripherals).map(|(_, value)| value).chain(memory).collect())
}

/// The devices of which a debugger sees a difference that is not known, and where in its sight.
fn changed(fleets: &mut (Fleet, Fleet), known: &Known) -> Result<Known, Failure> {
    let mut found = Known::new();
    for name in names(fleets) {
        let (own, other) = (sight(&mut fleets.0, &name)?, sight(&mut fleets.1, &name)?);
        let differ = own.iter().zip(&other).enumerate().filter(|(_, (own, other))| own != other);
        let is_new = |place: &usize| !known.get(&name).is_some_and(|known| known.contains(place));
        let places: BTreeSet<usize> = differ.map(|(place, _)| place).filter(is_new).collect();
        if !places.is_empty() {
            found.insert(name, places);
        }
    }
    Ok(found)
}

/// A range of memory in pieces.
fn pieces(base: Addr, size: u64) -> impl Iterator<Item = (Addr, usize)> {
    let begins = (0..size).step_by(PIECE);
    begins.map(move |at| (base.wrapping_add(at), usize::try_from(size - at).unwrap_or(PIECE).min(PIECE)))
}

fn describe(fleets: &mut (Fleet, Fleet), name: &str) -> Result<String, Failure> {
    let (Some(a), Some(b)) = (view(&mut fleets.0, name)?, view(&mut fleets.1, name)?) else {
        return Ok(String::new());
    };
    let devices = (fleets.0.find(name)?, fleets.1.find(name)?);
    let mut lines = Vec::new();
    for (own, other) in [(&a.registers, &b.registers), (&a.peripherals, &b.peripherals)] {
        let differ = own.iter().zip(other).filter(|(own, other)| own != other);
        short(
            &mut lines,
            differ.map(|((name, own), (_, other))| format!("{name}: {own}, {other}")),
            "registers",
        );
    }
    let mut found = Vec::new();
    for (base, size) in a.memory {
        for (addr, length) in pieces(base, size) {
            let own = look(&mut fleets.0, devices.0, |debug| bytes(debug, addr, length)).flatten();
            let other = look(&mut fleets.1, devices.1, |debug| bytes(debug, addr, length)).flatten();
            if let (Some(own), Some(other)) = (own, other)
                && own != other
            {
                let differ = own.into_iter().zip(other).enumerate().filter(|(_, (own, other))| own != other);
                found.extend(differ.map(|(index, pair)| (addr.wrapping_add(index as u64), pair)));
            }
        }
    }
    let memory = found.into_iter().map(|(addr, (own, other))| {
        let place = look(&mut fleets.0, devices.0, |debug| place(debug, addr)).unwrap_or_default();
        format!("memory {place}: {own:02x}, {other:02x}")
    });
    short(&mut lines, memory, "bytes");
    if lines.is_empty() {
        lines.push("in what no register and no memory shows".to_owned());
    }
    Ok(lines.iter().map(|line| format!("\n    {line}")).collect())
}

fn bytes(debug: &dyn Debug, addr: Addr, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    debug.read(addr, &mut bytes).ok().map(|()| bytes)
}

/// The first few, and how many more there are.
fn short(lines: &mut Vec<String>, mut all: impl Iterator<Item = String>, what: &str) {
    lines.extend(all.by_ref().take(NAMED));
    let more = all.count();
    if more > 0 {
        lines.push(format!("and {more} more {what}"));
    }
}
