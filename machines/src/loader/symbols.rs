//! Names of a firmware's functions and objects, for messages and debuggers.

use std::fmt;

use consort_core::Addr;
use consort_core::device::Named;

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// Data.
    Object,
    /// A place that assembly or a linker script named without saying what it is.
    Label,
}

/// A named place in the guest's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// As in the file, mangled.
    pub name: String,
    /// Without the Thumb bit.
    pub addr: Addr,
    /// In bytes; 0 when the file does not say.
    pub size: u64,
    /// What it names.
    pub kind: SymbolKind,
}

/// A demangled name is cut here: a hostile one can grow without end.
const MAX_DEMANGLED: usize = 4096;

impl Symbol {
    /// The name as the programmer wrote it: C++ and Rust names are demangled.
    pub fn display_name(&self) -> String {
        if let Ok(name) = rustc_demangle::try_demangle(&self.name) {
            return Bounded::collect(|out| fmt::Write::write_fmt(out, format_args!("{name:#}")));
        }
        if self.name.starts_with("_Z")
            && let Ok(name) = cpp_demangle::BorrowedSymbol::new(self.name.as_bytes())
        {
            let options = cpp_demangle::DemangleOptions::new();
            let text = Bounded::collect(|out| name.structured_demangle(out, &options));
            if !text.is_empty() {
                return text;
            }
        }
        self.name.clone()
    }
}

/// Text that stops growing.
struct Bounded(String);

impl Bounded {
    fn collect(write: impl FnOnce(&mut Self) -> fmt::Result) -> String {
        let mut bounded = Self(String::new());
        // An error means that the bound was reached: what fits is shown.
        let _ = write(&mut bounded);
        bounded.0
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_DEMANGLED {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Symbols in order of address; at one address, functions before objects before labels, and the ones
/// other files can see before local and weak ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols(Vec<Symbol>);

impl From<Vec<Named>> for Symbols {
    /// In their order where addresses are equal.
    fn from(named: Vec<Named>) -> Self {
        let symbol = |Named { name, at, size }| Symbol { name, addr: at, size, kind: SymbolKind::Label };
        let mut symbols: Vec<Symbol> = named.into_iter().map(symbol).collect();
        symbols.sort_by_key(|symbol| symbol.addr);
        Self(symbols)
    }
}

/// How many symbols before an address are asked whether they contain it: symbols hardly nest.
const MAX_NESTING: usize = 32;

impl Symbols {
    /// Of symbols in any order, each with its rank among those at the same address (the lowest wins).
    pub(super) fn new(mut ranked: Vec<(u8, Symbol)>) -> Self {
        ranked.sort_by(|(rank_a, a), (rank_b, b)| {
            (a.addr, a.kind, rank_a, &a.name, a.size).cmp(&(b.addr, b.kind, rank_b, &b.name, b.size))
        });
        ranked.dedup_by(|(_, a), (_, b)| a == b);
        Self(ranked.into_iter().map(|(_, symbol)| symbol).collect())
    }

    /// As a device takes them along with other firmware.
    pub fn named_places(&self) -> Vec<Named> {
        let named = |symbol: &Symbol| Named { name: symbol.name.clone(), at: symbol.addr, size: symbol.size };
        self.iter().map(named).collect()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Symbol> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The symbol that holds `addr`, with the offset in it. A symbol without a size reaches to the next
    /// one.
    pub fn at(&self, addr: Addr) -> Option<(&Symbol, u64)> {
        let after = self.0.partition_point(|symbol| symbol.addr <= addr);
        let nearest = self.0[..after].last()?.addr;
        let holds = |symbol: &&Symbol| match symbol.size {
            0 => symbol.addr == nearest,
            size => addr - symbol.addr < size,
        };
        let candidates = self.0[after.saturating_sub(MAX_NESTING)..after].iter().filter(holds);
        // The nearest start wins, and within it the first by the order of the list.
        let best = candidates.reduce(|best, next| if next.addr > best.addr { next } else { best })?;
        Some((best, addr - best.addr))
    }

    /// The first symbol of this (mangled) name.
    pub fn named(&self, name: &str) -> Option<&Symbol> {
        self.0.iter().find(|symbol| symbol.name == name)
    }

    /// Adds another file's.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
        // Stable: the order within an address stays, the first file's first.
        self.0.sort_by_key(|symbol| symbol.addr);
    }
}

impl<'a> IntoIterator for &'a Symbols {
    type Item = &'a Symbol;
    type IntoIter = std::slice::Iter<'a, Symbol>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, addr: Addr, size: u64, kind: SymbolKind) -> Symbol {
        Symbol { name: name.to_owned(), addr, size, kind }
    }

    fn found(symbols: &Symbols, addr: Addr) -> Option<(&str, u64)> {
        symbols.at(addr).map(|(symbol, offset)| (symbol.name.as_str(), offset))
    }

    #[test]
    fn an_address_finds_the_symbol_that_holds_it() {
        let symbols = Symbols::new(vec![
            (0, symbol("outer", 0x100, 0x40, SymbolKind::Function)),
            (0, symbol("inner", 0x110, 4, SymbolKind::Function)),
            (0, symbol("label", 0x200, 0, SymbolKind::Label)),
            (0, symbol("table", 0x300, 8, SymbolKind::Object)),
        ]);
        assert_eq!(found(&symbols, 0xFF), None);
        assert_eq!(found(&symbols, 0x100), Some(("outer", 0)));
        assert_eq!(found(&symbols, 0x112), Some(("inner", 2)));
        assert_eq!(found(&symbols, 0x114), Some(("outer", 0x14)), "after the inner one");
        assert_eq!(found(&symbols, 0x150), None, "between symbols");
        assert_eq!(found(&symbols, 0x250), Some(("label", 0x50)), "up to the next symbol");
        assert_eq!(found(&symbols, 0x307), Some(("table", 7)));
        assert_eq!(found(&symbols, 0x308), None);
    }

    #[test]
    fn the_real_handler_hides_its_weak_aliases() {
        let symbols = Symbols::new(vec![
            (2, symbol("ADC_IRQHandler", 0x10, 2, SymbolKind::Function)),
            (0, symbol("Default_Handler", 0x10, 2, SymbolKind::Function)),
            (1, symbol("$somewhere", 0x10, 0, SymbolKind::Label)),
        ]);
        assert_eq!(found(&symbols, 0x11), Some(("Default_Handler", 1)));
        assert_eq!(symbols.named("ADC_IRQHandler").map(|symbol| symbol.addr), Some(0x10));
    }

    #[test]
    fn names_are_shown_as_they_were_written() {
        for (mangled, written) in [
            ("_ZN6sensor4readEi", "sensor::read(int)"),
            ("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("main", "main"),
            ("_Znonsense", "_Znonsense"),
        ] {
            assert_eq!(symbol(mangled, 0, 0, SymbolKind::Function).display_name(), written);
        }
    }

    #[test]
    fn a_name_that_grows_without_end_is_cut() {
        // Each level of a pair doubles the text: substitutions refer to what came before.
        let mut name = String::from("_Z1fSt4pairIiiE");
        for level in 0..30 {
            let reference = if level == 0 { "S_".to_owned() } else { format!("S{}_", level - 1) };
            name.push_str(&format!("St4pairI{reference}{reference}E"));
        }
        assert!(symbol(&name, 0, 0, SymbolKind::Function).display_name().len() <= MAX_DEMANGLED);
    }
}
