//! A machine's state as bytes, and its digest.

use consort_core::Addr;
use consort_core::cpu::{Region, RegionKind};
use consort_core::device::Named;
use consort_core::state::{self, StateError};
use consort_core::trace::Digest;
use serde::{Deserialize, Serialize};

use super::bus::SavedBus;
use super::inbox::{Inbox, SavedInput};
use super::{Machine, Power, Semihosting};
use crate::loader::Symbols;

const PAGE: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Saved {
    core: Vec<u8>,
    bus: SavedBus,
    inbox: Vec<SavedInput>,
    state: Power,
    semihosting: Semihosting,
    counts: (u64, u64),
    /// Of firmware that came while it ran.
    symbols: Option<Vec<Named>>,
    memory: Vec<SavedRegion>,
}

/// Memory without its pages of zeros, compressed.
#[derive(Serialize, Deserialize)]
struct SavedRegion {
    base: Addr,
    size: u64,
    /// Indices of the pages that are not all zero.
    pages: Vec<u32>,
    /// Their bytes, one after the other, as an LZ4 block.
    bytes: Vec<u8>,
}

fn own_memory(regions: &[Region]) -> impl Iterator<Item = &Region> {
    regions.iter().filter(|region| !matches!(region.kind, RegionKind::Alias { .. }))
}

/// Calls `each` with the index and bytes of every page that is not all zero.
fn pages(machine: &Machine, region: &Region, mut each: impl FnMut(u32, &[u8])) -> Result<(), StateError> {
    let mut chunk = vec![0; 64 * PAGE];
    let mut offset = 0;
    while offset < region.size {
        let len = chunk.len().min((region.size - offset) as usize);
        let read = machine.core.memory().read(region.base + offset, &mut chunk[..len]);
        read.map_err(|error| StateError(format!("memory: {error}")))?;
        for (index, page) in chunk[..len].chunks(PAGE).enumerate() {
            if page.iter().any(|byte| *byte != 0) {
                each((offset as usize / PAGE + index) as u32, page);
            }
        }
        offset += len as u64;
    }
    Ok(())
}

pub(super) fn save(machine: &Machine) -> Result<Vec<u8>, StateError> {
    let mut memory = Vec::new();
    for region in own_memory(&machine.regions) {
        let (mut indices, mut bytes) = (Vec::new(), Vec::new());
        pages(machine, region, |index, page| {
            indices.push(index);
            bytes.extend_from_slice(page);
        })?;
        let bytes = lz4_flex::compress_prepend_size(&bytes);
        memory.push(SavedRegion { base: region.base, size: region.size, pages: indices, bytes });
    }
    state::to_bytes(&Saved {
        core: machine.core.save()?,
        bus: machine.bus.save()?,
        inbox: machine.inbox.save(),
        state: machine.state,
        semihosting: machine.semihosting.clone(),
        counts: (machine.received, machine.sent),
        symbols: machine.programmed.as_ref().map(Symbols::named_places),
        memory,
    })
}

pub(super) fn restore(machine: &mut Machine, saved: &[u8]) -> Result<(), StateError> {
    let saved: Saved = state::from_bytes(saved)?;
    let regions: Vec<Region> = own_memory(&machine.regions).copied().collect();
    if !saved.memory.iter().map(|r| (r.base, r.size)).eq(regions.iter().map(|r| (r.base, r.size))) {
        return Err(StateError("it was saved from a board with other memory".to_owned()));
    }
    let zeros = vec![0; PAGE];
    for region in &saved.memory {
        let bytes = lz4_flex::decompress_size_prepended(&region.bytes)
            .map_err(|error| StateError(format!("memory at {:#010x}: {error}", region.base)))?;
        let mut given = region.pages.iter().copied().zip(bytes.chunks(PAGE)).peekable();
        for index in 0..(region.size as usize / PAGE) as u32 {
            let page = match given.next_if(|(given, _)| *given == index) {
                Some((_, page)) => page,
                None => &zeros,
            };
            let (at, memory) = (region.base + u64::from(index) * PAGE as u64, machine.core.memory_mut());
            let mut old = [0; PAGE];
            let same = memory.read(at, &mut old).is_ok() && old == *page;
            if !same {
                memory.write(at, page).map_err(|error| StateError(format!("memory: {error}")))?;
            }
        }
    }
    machine.core.restore(&saved.core)?;
    machine.asleep = machine.core.is_idle();
    machine.bus.restore(saved.bus)?;
    machine.hand_over_watches();
    machine.inbox = Inbox::restore(saved.inbox, |port| machine.is_air(port))
        .map_err(|error| StateError(error.to_string()))?;
    machine.state = saved.state;
    machine.semihosting.restore(saved.semihosting);
    (machine.received, machine.sent) = saved.counts;
    machine.programmed = saved.symbols.map(Symbols::from);
    machine.edition += 1;
    Ok(())
}

/// A hash of the events so far, the registers, the components and the memory. Counters for people are
/// not in it.
pub(super) fn digest(machine: &Machine) -> Result<Digest, StateError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&machine.core.save()?);
    hasher.update(&state::to_bytes(&machine.bus.save()?)?);
    hasher.update(&state::to_bytes(&machine.inbox.save())?);
    hasher.update(&state::to_bytes(&machine.state)?);
    for region in own_memory(&machine.regions) {
        hasher.update(&region.base.to_le_bytes());
        pages(machine, region, |index, page| {
            hasher.update(&index.to_le_bytes()).update(page);
        })?;
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}
