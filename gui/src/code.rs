//! The program of a device as rows: symbols, source lines, instructions.

use std::collections::BTreeMap;
use std::path::Path;

use capstone::prelude::*;
use capstone::{Capstone, arch};
use consort_core::Addr;
use consort_core::control::{CodeState, DeviceState, Symbol};

/// How much is asked for at a time.
pub const SHOWN: u32 = 2048;
/// How much of it lies before the instruction that is looked for.
const BEFORE: u64 = 256;
/// A larger source file is not read.
const LONGEST_SOURCE: u64 = 4 << 20;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A function or a label begins.
    Symbol(String),
    /// A line of source begins.
    Source {
        /// The file's name and the line's number.
        place: String,
        /// The line, where the file is there.
        text: Option<String>,
    },
    /// An instruction.
    Instruction {
        /// Where it is.
        addr: Addr,
        /// Its bytes in hexadecimal.
        bytes: String,
        /// What it does.
        mnemonic: String,
        /// With what.
        operands: String,
        /// What its operands mean.
        note: String,
    },
    /// Bytes that are no instruction.
    Data {
        /// Where they are.
        addr: Addr,
        /// The bytes in hexadecimal.
        bytes: String,
    },
}

impl Row {
    /// The address of an instruction or of data.
    pub fn addr(&self) -> Option<Addr> {
        match self {
            Self::Instruction { addr, .. } | Self::Data { addr, .. } => Some(*addr),
            Self::Symbol(_) | Self::Source { .. } => None,
        }
    }
}

/// The program of the selected device.
pub struct Code {
    /// Whether it stays at the next instruction.
    pub follow: bool,
    /// What is shown.
    pub rows: Vec<Row>,
    /// Where the panel shall scroll to.
    pub scroll_to: Option<Addr>,
    /// All symbols, in order of address; `None` before they are known.
    pub symbols: Option<Vec<Symbol>>,
    /// The place that is shown or wanted.
    place: Addr,
    state: Option<CodeState>,
    sources: BTreeMap<String, Option<Vec<String>>>,
}

impl Default for Code {
    fn default() -> Self {
        Self {
            follow: true,
            rows: Vec::new(),
            scroll_to: None,
            symbols: None,
            place: 0,
            state: None,
            sources: BTreeMap::new(),
        }
    }
}

impl Code {
    /// Forgets the program, not the source files.
    pub fn forget(&mut self) {
        let sources = std::mem::take(&mut self.sources);
        *self = Self { follow: self.follow, sources, ..Self::default() };
    }

    /// Shows the code at an address.
    pub fn go(&mut self, addr: Addr) {
        self.place = addr;
        self.scroll_to = Some(addr);
    }

    /// Follows the next instruction, if that is wanted.
    pub fn follow(&mut self, pc: Addr) {
        if self.follow && self.place != pc {
            self.go(pc);
        }
    }

    /// The piece of memory that is needed and not there.
    pub fn wanted(&self) -> Option<(Addr, u32)> {
        let has = self.state.as_ref().is_some_and(|state| {
            let end = state.addr.saturating_add(state.data.len() as u64);
            (state.addr..end.saturating_sub(BEFORE / 2)).contains(&self.place)
        });
        (!has).then(|| (self.begin(), SHOWN))
    }

    /// The piece of memory that is shown.
    pub fn present(&self) -> (Addr, u32) {
        self.state.as_ref().map_or((self.begin(), SHOWN), |state| (state.addr, SHOWN))
    }

    /// A place before the wanted one where an instruction begins for certain: a symbol, if there is one near.
    fn begin(&self) -> Addr {
        let near = self.place.saturating_sub(BEFORE);
        let symbols = self.symbols.as_deref().unwrap_or_default();
        let after = symbols.partition_point(|symbol| symbol.addr <= near);
        let symbol = after.checked_sub(1).and_then(|last| symbols.get(last));
        symbol.map_or(near, |symbol| symbol.addr).max(near.saturating_sub(u64::from(SHOWN) / 2)) & !1
    }

    /// Takes in all symbols.
    pub fn know(&mut self, mut symbols: Vec<Symbol>) {
        symbols.sort_by(|a, b| (a.addr, &a.name).cmp(&(b.addr, &b.name)));
        self.symbols = Some(symbols);
        self.state = None;
    }

    /// An address as people write it: a symbol's name, or hexadecimal.
    pub fn address(&self, text: &str) -> Option<Addr> {
        let symbols = self.symbols.as_deref().unwrap_or_default();
        let named = symbols.iter().find(|symbol| symbol.name == text.trim());
        named.map(|symbol| symbol.addr).or_else(|| crate::panels::memory::address(text))
    }

    /// Symbols with a text in them, the best first.
    pub fn like(&self, text: &str, most: usize) -> Vec<&Symbol> {
        let wanted = text.trim().to_lowercase();
        let symbols = self.symbols.as_deref().unwrap_or_default();
        let mut found: Vec<_> =
            symbols.iter().filter(|symbol| symbol.name.to_lowercase().contains(&wanted)).collect();
        found.sort_by_key(|symbol| (!symbol.name.to_lowercase().starts_with(&wanted), symbol.name.len()));
        found.truncate(most);
        found
    }

    /// The name of an address, with the offset.
    pub fn name_of(&self, addr: Addr) -> Option<String> {
        let symbols = self.symbols.as_deref().unwrap_or_default();
        let after = symbols.partition_point(|symbol| symbol.addr <= addr);
        let symbol = symbols.get(after.checked_sub(1)?)?;
        let offset = addr - symbol.addr;
        if offset == 0 {
            return Some(symbol.name.clone());
        }
        (offset < symbol.size).then(|| format!("{}+{offset:#x}", symbol.name))
    }

    /// Takes in a piece of the program of a `core`, whose registers tell which instruction set it uses.
    pub fn take(&mut self, core: &str, device: Option<&DeviceState>, state: CodeState) {
        if self.state.as_ref() == Some(&state) {
            return;
        }
        // Other rows: what was scrolled to is elsewhere among them.
        if self.state.as_ref().is_none_or(|before| before.addr != state.addr) {
            self.scroll_to = Some(self.place);
        }
        self.rows = self.rows_of(core, device, &state);
        self.state = Some(state);
    }

    fn rows_of(&mut self, core: &str, device: Option<&DeviceState>, state: &CodeState) -> Vec<Row> {
        let Some(decoder) = decoder(core, device) else { return Vec::new() };
        let end = state.addr.saturating_add(state.data.len() as u64);
        let symbols: BTreeMap<Addr, String> = self
            .symbols
            .iter()
            .flatten()
            .filter(|symbol| (state.addr..end).contains(&symbol.addr))
            .map(|symbol| (symbol.addr, symbol.name.clone()))
            .collect();
        let lines: BTreeMap<Addr, (String, u32)> =
            state.lines.iter().map(|line| (line.addr, (line.file.clone(), line.line))).collect();
        // Decoding begins anew where a symbol or unreadable memory tells that something else begins.
        let mut cuts: Vec<Addr> = symbols.keys().copied().chain([state.addr, end]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut rows = Vec::new();
        for piece in cuts.windows(2) {
            let &[from, to] = piece else { continue };
            if let Some(name) = symbols.get(&from) {
                rows.push(Row::Symbol(name.clone()));
            }
            let bytes = state.data.get((from - state.addr) as usize..(to - state.addr) as usize);
            let bytes: Vec<u8> = bytes.unwrap_or_default().iter().map_while(|byte| *byte).collect();
            let Ok(instructions) = decoder.disasm_all(&bytes, from) else { continue };
            for instruction in instructions.iter() {
                let addr = instruction.address();
                if let Some((file, line)) = lines.get(&addr) {
                    let text = self.source(file, *line);
                    let name = Path::new(file)
                        .file_name()
                        .map_or(file.as_str().into(), |name| name.to_string_lossy());
                    rows.push(Row::Source { place: format!("{name}:{line}"), text });
                }
                let hex: String = instruction.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                // What is no instruction is shown as data.
                if instruction.id().0 == 0 {
                    rows.push(Row::Data { addr, bytes: hex });
                    continue;
                }
                let operands = instruction.op_str().unwrap_or_default().to_owned();
                let note = self.note(state, addr, &operands);
                let mnemonic = instruction.mnemonic().unwrap_or_default().to_owned();
                rows.push(Row::Instruction { addr, bytes: hex, mnemonic, operands, note });
            }
        }
        rows
    }

    /// What an instruction's operands point at: a branch's target, a constant that is loaded.
    fn note(&self, state: &CodeState, addr: Addr, operands: &str) -> String {
        if let Some((_, offset)) = operands.split_once("[pc, #") {
            let offset = offset.trim_end_matches([']', '!']);
            let digits = offset.trim_start_matches("0x");
            let radix = if digits == offset { 10 } else { 16 };
            let Ok(offset) = u64::from_str_radix(digits, radix) else { return String::new() };
            // In Thumb the program counter reads as the address plus 4, aligned.
            let place = ((addr + 4) & !3).wrapping_add(offset);
            let at = place.checked_sub(state.addr).and_then(|at| usize::try_from(at).ok());
            let bytes = at.and_then(|at| state.data.get(at..at.checked_add(4)?));
            let value: Option<Vec<u8>> = bytes.and_then(|bytes| bytes.iter().copied().collect());
            let Some(&[a, b, c, d]) = value.as_deref() else { return String::new() };
            let value = u32::from_le_bytes([a, b, c, d]);
            // Pointers to Thumb functions have the lowest bit set.
            let name = self.name_of(u64::from(value & !1));
            return format!("={value:#x} {}", name.unwrap_or_default()).trim_end().to_owned();
        }
        let target = operands.rsplit(", ").next().and_then(|last| last.strip_prefix("#0x"));
        let target = target.and_then(|digits| Addr::from_str_radix(digits, 16).ok());
        // Small numbers are numbers.
        target.filter(|target| *target >= 0x40).and_then(|target| self.name_of(target)).unwrap_or_default()
    }

    /// A line of a source file on this computer.
    fn source(&mut self, file: &str, line: u32) -> Option<String> {
        let lines = self.sources.entry(file.to_owned()).or_insert_with(|| {
            let size = std::fs::metadata(file).ok().filter(|about| about.is_file())?.len();
            let text = (size <= LONGEST_SOURCE).then(|| std::fs::read_to_string(file).ok())??;
            Some(text.lines().map(|line| line.replace('\t', "    ")).collect())
        });
        lines.as_ref()?.get((line as usize).checked_sub(1)?).cloned()
    }
}

/// A decoder for a core's instructions.
fn decoder(core: &str, device: Option<&DeviceState>) -> Option<Capstone> {
    let register = |name: &str| {
        let register = device?.registers.iter().find(|register| register.name == name)?;
        u128::from_str_radix(&register.value, 16).ok()
    };
    let built = if core.starts_with("cortex-m") {
        use arch::arm::{ArchExtraMode, ArchMode};
        Capstone::new().arm().mode(ArchMode::Thumb).extra_mode([ArchExtraMode::MClass].into_iter()).build()
    } else if core.starts_with("riscv") || core.starts_with("rv") {
        use arch::riscv::{ArchExtraMode, ArchMode};
        let mode = if core.contains("64") { ArchMode::RiscV64 } else { ArchMode::RiscV32 };
        Capstone::new().riscv().mode(mode).extra_mode([ArchExtraMode::RiscVC].into_iter()).build()
    } else if let Some(status) = register("cpsr").filter(|_| register("r0").is_some()) {
        use arch::arm::ArchMode;
        let thumb = status >> 5 & 1 != 0;
        Capstone::new().arm().mode(if thumb { ArchMode::Thumb } else { ArchMode::Arm }).build()
    } else {
        Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).build()
    };
    let mut decoder = built.ok()?;
    decoder.set_skipdata(true).ok()?;
    Some(decoder)
}

#[cfg(test)]
mod tests {
    use consort_core::control::SourceLine;

    use super::*;

    fn shown(core: &str, addr: Addr, bytes: &[u8], lines: Vec<SourceLine>) -> Code {
        let mut code = Code::default();
        let symbol = |name: &str, addr| Symbol { name: name.to_owned(), addr, size: 8 };
        code.know(vec![symbol("later", 0x108), symbol("main", 0x100)]);
        let data = bytes.iter().copied().map(Some).chain([None; 4]).collect();
        code.take(core, None, CodeState { device: String::new(), addr, data, lines });
        code
    }

    fn texts(code: &Code) -> Vec<String> {
        let text = |row: &Row| match row {
            Row::Symbol(name) => format!("{name}:"),
            Row::Source { place, .. } => place.clone(),
            Row::Instruction { addr, mnemonic, operands, note, .. } => {
                format!("{addr:x} {mnemonic} {operands} {note}").trim_end().to_owned()
            }
            Row::Data { addr, bytes } => format!("{addr:x} .byte {bytes}"),
        };
        code.rows.iter().map(text).collect()
    }

    #[test]
    fn other_rows_are_scrolled_to_the_same_place() {
        let mut code = Code::default();
        code.follow(0x110);
        let piece = |addr, first: u8| {
            let data = [first, 0xbf].into_iter().chain([0x00, 0xbf].into_iter().cycle().take(62));
            CodeState { device: String::new(), addr, data: data.map(Some).collect(), lines: Vec::new() }
        };
        let take = |code: &mut Code, state| {
            code.take("cortex-m4f", None, state);
            code.scroll_to.take()
        };
        assert_eq!(take(&mut code, piece(0x108, 0)), Some(0x110));
        assert_eq!(take(&mut code, piece(0x108, 0x20)), None, "people may scroll while bytes change");
        code.know(vec![Symbol { name: "main".to_owned(), addr: 0x100, size: 64 }]);
        assert_eq!(take(&mut code, piece(0x100, 0)), Some(0x110));
    }

    #[test]
    fn thumb_code_is_told_with_names() {
        // push {r4, lr}; ldr r0, [pc, #0]; bl 0x108; then a word of data, which is the address of `later` + 1.
        let bytes = [0x10, 0xb5, 0x01, 0x48, 0x00, 0xf0, 0x00, 0xf8, 0x09, 0x01, 0x00, 0x00];
        let line = SourceLine { addr: 0x102, file: "/nowhere/main.c".to_owned(), line: 7 };
        let code = shown("cortex-m4f", 0x100, &bytes, vec![line]);
        let texts = texts(&code);
        assert_eq!(texts[0], "main:");
        assert_eq!(texts[1], "100 push {r4, lr}");
        assert_eq!(texts[2], "main.c:7");
        assert_eq!(texts[3], "102 ldr r0, [pc, #4] =0x109 later");
        assert_eq!(texts[4], "104 bl #0x108 later");
        assert_eq!(texts[5], "later:");
    }

    #[test]
    fn other_architectures_are_told_too() {
        let code = shown("riscv32", 0x100, &[0x13, 0x05, 0x10, 0x00], Vec::new());
        assert!(texts(&code)[1].starts_with("100 addi a0, zero, 1"), "{:?}", texts(&code));
        let code = shown("cortex-a53", 0x100, &[0xc0, 0x03, 0x5f, 0xd6], Vec::new());
        assert_eq!(texts(&code)[1], "100 ret");
    }

    #[test]
    fn what_is_wanted_begins_at_a_symbol() {
        let mut code = shown("cortex-m4f", 0, &[], Vec::new());
        code.know(vec![Symbol { name: "f".to_owned(), addr: 0x1000, size: 0x400 }]);
        code.go(0x1180);
        assert_eq!(code.wanted(), Some((0x1000, SHOWN)));
        code.go(0x9000);
        assert_eq!(code.wanted(), Some((0x8b00, SHOWN)), "not too far before it");
        assert_eq!(code.address("f"), Some(0x1000));
        assert_eq!(code.address("0x20"), Some(0x20));
        assert_eq!(code.name_of(0x1010).as_deref(), Some("f+0x10"));
    }
}
