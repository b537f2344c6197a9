//! ELF files (System V ABI, chapters 4 and 5): loadable segments at their physical addresses, and symbols.
//!
//! What `memsz` has beyond `filesz` is not zeroed: on real hardware the start-up code does that, and the
//! physical address of such a segment is often in flash.

use std::borrow::Cow;

use consort_core::Addr;
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{SHN_ABS, SHN_UNDEF, SHT_SYMTAB, SectionHeader};
use goblin::elf::sym::{self, Symtab};
use goblin::elf::{Elf, sym::Sym};

use super::error::{ElfProblem, Problem};
use super::segments::Piece;
use super::symbols::{Symbol, SymbolKind, Symbols};
use super::{Contents, Processor, segments};

pub(super) const MAGIC: &[u8] = header::ELFMAG;

const EI_DATA: u64 = header::EI_DATA as u64;
const EI_CLASS: u64 = header::EI_CLASS as u64;

/// Strings and segments may be shared between entries, but files that share more than this many times
/// their own size are made to exhaust memory.
const MAX_SHARING: u64 = 8;

pub(super) fn read(bytes: &[u8]) -> Result<Contents, Problem> {
    let (header, ctx) = file_header(bytes)?;
    let top = if ctx.is_big() { Addr::MAX } else { u32::MAX.into() };
    Ok(Contents {
        segments: segments::assemble(pieces(bytes, &header, ctx)?, top)?,
        entry: (header.e_entry != 0).then_some(header.e_entry),
        symbols: symbols(bytes, &header, ctx)?,
        processor: Some(processor(&header, ctx)),
    })
}

fn file_header(bytes: &[u8]) -> Result<(Header, Ctx), ElfProblem> {
    if !bytes.starts_with(MAGIC) {
        return Err(ElfProblem::Magic);
    }
    let unknown = |what, offset, value: u64| ElfProblem::Header { what, offset, value };
    let ident = |offset: u64| bytes.get(offset as usize).copied().unwrap_or(0);
    let container = match ident(EI_CLASS) {
        header::ELFCLASS32 => Container::Little,
        header::ELFCLASS64 => Container::Big,
        other => return Err(unknown("the class", EI_CLASS, other.into())),
    };
    match ident(EI_DATA) {
        header::ELFDATA2LSB => {}
        header::ELFDATA2MSB => return Err(ElfProblem::BigEndian),
        other => return Err(unknown("the byte order", EI_DATA, other.into())),
    }
    let ctx = Ctx::new(container, Endian::Little);
    in_file(bytes, "the ELF header".into(), 0, Header::size(ctx) as u64)?;
    let header = Elf::parse_header(bytes).map_err(|_| malformed("the ELF header", 0, "cannot be read"))?;
    match header.e_type {
        header::ET_EXEC | header::ET_DYN => Ok((header, ctx)),
        header::ET_REL => Err(ElfProblem::NotExecutable("an object file")),
        header::ET_CORE => Err(ElfProblem::NotExecutable("a core dump")),
        other => Err(unknown("the type", 0x10, other.into())),
    }
}

fn processor(header: &Header, ctx: Ctx) -> Processor {
    match header.e_machine {
        header::EM_ARM => Processor::Arm,
        header::EM_AARCH64 => Processor::Aarch64,
        header::EM_RISCV if ctx.is_big() => Processor::RiscV64,
        header::EM_RISCV => Processor::RiscV32,
        other => Processor::Other(other),
    }
}

fn pieces<'a>(bytes: &'a [u8], header: &Header, ctx: Ctx) -> Result<Vec<Piece<'a>>, ElfProblem> {
    let (offset, count) = (header.e_phoff, usize::from(header.e_phnum));
    if count == 0 {
        return Ok(Vec::new());
    }
    let table = || "the program header table".to_owned();
    if usize::from(header.e_phentsize) != ProgramHeader::size(ctx) {
        return Err(malformed(table(), offset, "has entries of a wrong size"));
    }
    in_file(bytes, table(), offset, (count * ProgramHeader::size(ctx)) as u64)?;
    let headers = ProgramHeader::parse(bytes, offset as usize, count, ctx)
        .map_err(|_| malformed(table(), offset, "cannot be read"))?;

    let mut pieces = Vec::new();
    let mut total = 0u64;
    for (index, segment) in headers.iter().enumerate() {
        if segment.p_type != PT_LOAD || segment.p_filesz == 0 {
            continue;
        }
        let what = || format!("segment {index}");
        let data = in_file(bytes, what(), segment.p_offset, segment.p_filesz)?;
        total = total.saturating_add(segment.p_filesz);
        if total > MAX_SHARING * bytes.len() as u64 {
            return Err(malformed(table(), offset, "loads the same bytes again and again"));
        }
        if segment.p_memsz < segment.p_filesz {
            return Err(malformed(what(), segment.p_offset, "is larger in the file than in memory"));
        }
        pieces.push((segment.p_paddr, Cow::Borrowed(data)));
    }
    Ok(pieces)
}

fn symbols(bytes: &[u8], header: &Header, ctx: Ctx) -> Result<Symbols, ElfProblem> {
    let (offset, count) = (header.e_shoff, u64::from(header.e_shnum));
    if offset == 0 {
        return Ok(Symbols::default());
    }
    let table = || "the section header table".to_owned();
    if usize::from(header.e_shentsize) != SectionHeader::size(ctx) {
        return Err(malformed(table(), offset, "has entries of a wrong size"));
    }
    in_file(bytes, table(), offset, count.max(1) * SectionHeader::size(ctx) as u64)?;
    let sections = SectionHeader::parse(bytes, offset as usize, count as usize, ctx)
        .map_err(|_| malformed(table(), offset, "cannot be read"))?;

    let Some((index, table)) = sections.iter().enumerate().find(|(_, s)| s.sh_type == SHT_SYMTAB) else {
        return Ok(Symbols::default());
    };
    let what = format!("the symbol table (section {index})");
    in_file(bytes, what.clone(), table.sh_offset, table.sh_size)?;
    let Some(strings) = sections.get(table.sh_link as usize) else {
        return Err(malformed(what, table.sh_offset, "names no string table"));
    };
    let names_what = format!("the symbols' string table (section {})", table.sh_link);
    let names = in_file(bytes, names_what.clone(), strings.sh_offset, strings.sh_size)?;
    if table.sh_size == 0 {
        return Ok(Symbols::default());
    }
    let entries = table.sh_size as usize / Sym::size(ctx.container);
    let entries = Symtab::parse(bytes, table.sh_offset as usize, entries, ctx)
        .map_err(|_| malformed(what, table.sh_offset, "cannot be read"))?;

    let mut ranked = Vec::new();
    let mut total = 0u64;
    for entry in entries.iter() {
        let Some((rank, kind)) = classify(&entry) else { continue };
        let text = names.get(entry.st_name..).unwrap_or_default();
        let text = text.iter().position(|byte| *byte == 0).map_or(text, |end| &text[..end]);
        total += text.len() as u64;
        if total > MAX_SHARING * names.len() as u64 {
            return Err(malformed(names_what, strings.sh_offset, "is used again and again"));
        }
        // `$t`, `$d`, `$x` mark code and data for disassemblers (ELF for the Arm Architecture, 5.5.5).
        if text.is_empty() || text[0] == b'$' {
            continue;
        }
        let thumb = u64::from(header.e_machine == header::EM_ARM && kind == SymbolKind::Function);
        let name = String::from_utf8_lossy(text).into_owned();
        ranked.push((rank, Symbol { name, addr: entry.st_value & !thumb, size: entry.st_size, kind }));
    }
    Ok(Symbols::new(ranked))
}

/// What a symbol names and how it ranks among those at one address; `None` for what has no place in
/// memory.
fn classify(entry: &Sym) -> Option<(u8, SymbolKind)> {
    let section = entry.st_shndx as u32;
    let kind = match entry.st_type() {
        _ if section == SHN_UNDEF => return None,
        sym::STT_FUNC | sym::STT_GNU_IFUNC => SymbolKind::Function,
        sym::STT_OBJECT | sym::STT_COMMON => SymbolKind::Object,
        // Absolute labels are numbers that a linker script names, such as a stack's size.
        sym::STT_NOTYPE if section != SHN_ABS => SymbolKind::Label,
        _ => return None,
    };
    let rank = match entry.st_bind() {
        sym::STB_GLOBAL => 0,
        sym::STB_LOCAL => 1,
        _ => 2,
    };
    Some((rank, kind))
}

fn malformed(what: impl Into<String>, offset: u64, why: &'static str) -> ElfProblem {
    ElfProblem::Malformed { what: what.into(), offset, why }
}

/// The bytes of the file at `offset`, or the error that says what is not there.
fn in_file(bytes: &[u8], what: String, offset: u64, size: u64) -> Result<&[u8], ElfProblem> {
    let len = bytes.len() as u64;
    match offset.checked_add(size) {
        Some(end) if end <= len => Ok(&bytes[offset as usize..end as usize]),
        _ => Err(ElfProblem::BeyondEnd { what, offset, size, len }),
    }
}
