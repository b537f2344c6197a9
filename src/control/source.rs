//! Source lines of the devices' programs, out of their debug information (DWARF).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use addr2line::Context;
use consort_core::Addr;
use consort_core::control::SourceLine;
use gimli::{Dwarf, EndianArcSlice, RunTimeEndian};
use goblin::elf::Elf;
use goblin::elf::section_header::SHF_COMPRESSED;

type Lines = Context<EndianArcSlice<RunTimeEndian>>;

/// The programs of a fleet; each is read when somebody asks for its lines.
pub struct Sources {
    programs: Vec<Option<PathBuf>>,
    known: BTreeMap<usize, Option<Lines>>,
}

impl Sources {
    /// Of the devices' files with symbols.
    pub fn new(programs: Vec<Option<PathBuf>>) -> Self {
        Self { programs, known: BTreeMap::new() }
    }

    /// The lines that begin in a piece of a device's program; none when its file does not tell.
    pub fn lines(&mut self, device: usize, addr: Addr, len: u32) -> Vec<SourceLine> {
        let program = self.programs.get(device).and_then(Option::as_ref);
        let lines = self.known.entry(device).or_insert_with(|| read(program?));
        let Some(lines) = lines else { return Vec::new() };
        let Ok(found) = lines.find_location_range(addr, addr.saturating_add(u64::from(len))) else {
            return Vec::new();
        };
        let line = |(at, _, location): (u64, u64, addr2line::Location<'_>)| {
            let (file, line) = (location.file?.to_owned(), location.line?);
            (at >= addr && line > 0).then_some(SourceLine { addr: at, file, line })
        };
        let mut lines: Vec<_> = found.filter_map(line).collect();
        lines.sort_by_key(|line| line.addr);
        lines.dedup_by(|next, line| next.file == line.file && next.line == line.line);
        lines
    }
}

/// The line table of a program, from memory: the file may be written anew while the run goes on.
fn read(path: &PathBuf) -> Option<Lines> {
    let bytes = std::fs::read(path).ok()?;
    let elf = Elf::parse(&bytes).ok()?;
    let endian = if elf.little_endian { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let section = |name: &str| -> Option<Cow<'_, [u8]>> {
        let wanted =
            |header: &&goblin::elf::SectionHeader| elf.shdr_strtab.get_at(header.sh_name) == Some(name);
        let header = elf.section_headers.iter().find(wanted)?;
        let range = header.file_range().filter(|_| header.sh_flags & u64::from(SHF_COMPRESSED) == 0)?;
        Some(Cow::Borrowed(bytes.get(range)?))
    };
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let data = section(id.name()).unwrap_or_default();
        Ok(EndianArcSlice::new(Arc::from(data.as_ref()), endian))
    };
    Context::from_dwarf(Dwarf::load(load).ok()?).ok()
}
