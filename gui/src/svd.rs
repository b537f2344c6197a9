//! Names of registers and fields out of an SVD file (CMSIS-SVD), where the models' own leave gaps.

use std::path::{Path, PathBuf};

use consort_core::Addr;
use consort_core::component::{Access, Coverage};
use consort_core::control::{PeripheralRegister, PeripheralState, RegisterField};
use svd_parser::svd::{self, MaybeArray};

/// A larger file is none.
const LARGEST: u64 = 64 << 20;

/// What a file says about a chip.
pub struct Book {
    /// The chip.
    pub chip: String,
    /// The file.
    pub path: PathBuf,
    /// Its blocks, in order of address.
    pub blocks: Vec<Block>,
}

/// A block of the chip.
pub struct Block {
    /// The manual's name.
    pub name: String,
    /// Its base address.
    pub base: Addr,
    /// Its registers, in order of their offsets.
    registers: Vec<Register>,
}

struct Register {
    name: String,
    offset: u32,
    access: Access,
    reset: u32,
    fields: Vec<RegisterField>,
}

/// A register as the panel shows it, whoever knows it.
pub struct Row<'a> {
    /// Its name.
    pub name: &'a str,
    /// Offset from the block's base.
    pub offset: u32,
    /// Reads, writes or both.
    pub access: Access,
    /// Value after reset.
    pub reset: u32,
    /// Its present value, where the model can tell it.
    pub value: Option<u32>,
    /// How much of it is modelled; absent when nothing is.
    pub coverage: Option<Coverage>,
    /// Its fields.
    pub fields: &'a [RegisterField],
}

impl<'a> Row<'a> {
    fn known(register: &'a PeripheralRegister, book: Option<&'a Register>) -> Self {
        let own = register.fields.as_slice();
        Self {
            name: &register.name,
            offset: register.offset,
            access: register.access,
            reset: register.reset,
            value: register.value,
            coverage: Some(register.coverage),
            fields: if own.is_empty() { book.map_or(own, |book| &book.fields) } else { own },
        }
    }

    fn unknown(book: &'a Register) -> Self {
        Self {
            name: &book.name,
            offset: book.offset,
            access: book.access,
            reset: book.reset,
            value: None,
            coverage: None,
            fields: &book.fields,
        }
    }
}

impl Book {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let about = std::fs::metadata(path).map_err(|error| told(&error))?;
        if !about.is_file() {
            return Err(told(&"is no file"));
        }
        if about.len() > LARGEST {
            return Err(told(&"larger than any SVD file"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
        Self::of(path, &text).map_err(|error| told(&error))
    }

    fn of(path: &Path, text: &str) -> Result<Self, String> {
        // Real files break rules that do not matter here.
        let rules = svd_parser::Config::default()
            .validate_level(svd_parser::ValidateLevel::Disabled)
            .expand(true)
            .expand_properties(true)
            .ignore_enums(true);
        // So Nordic writes it, against the schema.
        let text = text.replace(">read-writeonce<", ">read-writeOnce<").replace(">writeonce<", ">writeOnce<");
        let device = svd_parser::parse_with_config(&text, &rules)
            .map_err(|error| format!("not an SVD file: {error:#}"))?;
        let mut blocks: Vec<Block> = device.peripherals.iter().map(Block::of).collect();
        blocks.sort_by_key(|block| block.base);
        Ok(Self { chip: device.name, path: path.to_owned(), blocks })
    }

    /// The block that a model's block is: the only one there, or of several the one with its name.
    fn block(&self, name: &str, base: Addr) -> Option<&Block> {
        let here: Vec<_> = self.blocks.iter().filter(|block| block.base == base).collect();
        match here.as_slice() {
            [only] => Some(only),
            several => several.iter().find(|block| plain(&block.name) == plain(name)).copied(),
        }
    }

    /// The blocks of the chip that have no model at all.
    pub fn missing<'a>(&'a self, known: &'a [PeripheralState]) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(|block| known.iter().all(|known| known.base != block.base))
    }
}

/// A block's registers: the model's with what the book knows besides, and those that only the book has.
pub fn rows<'a>(book: Option<&'a Book>, block: &'a PeripheralState) -> Vec<Row<'a>> {
    let told = book.and_then(|book| book.block(&block.name, block.base));
    let mut told: Vec<&Register> = told.map_or_else(Vec::new, |told| told.registers.iter().collect());
    let known = |register: &'a PeripheralRegister| {
        let at = told.iter().position(|told| told.offset == register.offset);
        Row::known(register, at.map(|at| told.remove(at)))
    };
    let mut rows: Vec<_> = block.registers.iter().map(known).collect();
    rows.extend(told.into_iter().map(Row::unknown));
    rows.sort_by_key(|row| row.offset);
    rows
}

impl Block {
    fn of(told: &svd::Peripheral) -> Self {
        let mut registers: Vec<_> = told.all_registers().map(Register::of).collect();
        registers.sort_by_key(|register| register.offset);
        Self { name: told.name.clone(), base: told.base_address, registers }
    }

    /// Its registers, none of which has a value.
    pub fn rows(&self) -> Vec<Row<'_>> {
        self.registers.iter().map(Row::unknown).collect()
    }
}

impl Register {
    fn of(told: &svd::Register) -> Self {
        let access = match told.properties.access {
            Some(svd::Access::ReadOnly) => Access::ReadOnly,
            Some(svd::Access::WriteOnly | svd::Access::WriteOnce) => Access::WriteOnly,
            Some(svd::Access::ReadWrite | svd::Access::ReadWriteOnce) | None => Access::ReadWrite,
        };
        let field = |field: &MaybeArray<svd::FieldInfo>| {
            let bits = field.bit_range;
            let part = |value: u32| u8::try_from(value).ok();
            Some(RegisterField {
                name: field.name.clone(),
                lsb: part(bits.offset)?,
                width: part(bits.width)?,
            })
        };
        let mut fields: Vec<_> = told.fields().filter_map(field).collect();
        fields.sort_by_key(|field| field.lsb);
        // A field as wide as its register tells nothing.
        fields.retain(|field| field.width < 32);
        Self {
            name: told.name.clone(),
            offset: told.address_offset,
            access,
            reset: told.properties.reset_value.unwrap_or(0) as u32,
            fields,
        }
    }
}

/// A name without what people write in different ways.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHIP: &str = r#"<?xml version="1.0"?>
<device schemaVersion="1.3">
  <name>tiny</name><version>1</version><description>A chip</description>
  <addressUnitBits>8</addressUnitBits><width>32</width><size>32</size><resetValue>0</resetValue>
  <peripherals>
    <peripheral>
      <name>UART0</name><description>Serial port</description><baseAddress>0x40004000</baseAddress>
      <registers>
        <register><name>DATA</name><addressOffset>0</addressOffset><access>read-writeonce</access></register>
        <register><name>CTRL</name><addressOffset>8</addressOffset><fields>
          <field><name>TXEN</name><bitRange>[0:0]</bitRange></field>
          <field><name>MODE</name><bitOffset>4</bitOffset><bitWidth>2</bitWidth></field>
        </fields></register>
        <register><dim>2</dim><dimIncrement>4</dimIncrement><name>PIN[%s]</name>
          <addressOffset>0x10</addressOffset><access>read-only</access><resetValue>7</resetValue></register>
      </registers>
    </peripheral>
    <peripheral derivedFrom="UART0"><name>UART1</name><baseAddress>0x40005000</baseAddress></peripheral>
    <peripheral derivedFrom="UART0"><name>SPI1</name><baseAddress>0x40005000</baseAddress></peripheral>
  </peripherals>
</device>"#;

    fn modelled(name: &str, base: Addr) -> PeripheralState {
        let register = PeripheralRegister {
            name: "CONTROL".to_owned(),
            offset: 8,
            access: Access::ReadWrite,
            coverage: Coverage::Modelled,
            reset: 0,
            value: Some(0x21),
            fields: Vec::new(),
        };
        PeripheralState { name: name.to_owned(), base, registers: vec![register] }
    }

    fn names(rows: &[Row<'_>]) -> Vec<String> {
        rows.iter().map(|row| row.name.to_owned()).collect()
    }

    #[test]
    fn a_book_fills_what_the_model_leaves_open() {
        let book = Book::of(Path::new("tiny.svd"), CHIP).unwrap();
        assert_eq!(book.chip, "tiny");
        let block = modelled("uart0", 0x4000_4000);
        let rows = rows(Some(&book), &block);
        assert_eq!(names(&rows), ["DATA", "CONTROL", "PIN0", "PIN1"], "the model's names stay");
        let control = &rows[1];
        assert_eq!((control.value, control.coverage), (Some(0x21), Some(Coverage::Modelled)));
        let fields: Vec<_> =
            control.fields.iter().map(|field| (field.name.as_str(), field.of(0x21))).collect();
        assert_eq!(fields, [("TXEN", 1), ("MODE", 2)]);
        let pin = &rows[3];
        assert_eq!((pin.offset, pin.value, pin.reset, pin.access), (0x14, None, 7, Access::ReadOnly));
        assert_eq!(pin.coverage, None);
        assert_eq!(
            book.missing(&[block]).map(|block| block.name.as_str()).collect::<Vec<_>>(),
            ["UART1", "SPI1"]
        );
    }

    #[test]
    fn of_several_blocks_at_one_address_the_name_decides() {
        let book = Book::of(Path::new("tiny.svd"), CHIP).unwrap();
        let rows_of = |name| names(&rows(Some(&book), &modelled(name, 0x4000_5000)));
        assert_eq!(rows_of("uart_1").len(), 4);
        assert_eq!(rows_of("twi1"), ["CONTROL"], "neither is meant");
        assert_eq!(names(&rows(None, &modelled("uart0", 0x4000_4000))), ["CONTROL"]);
    }

    #[test]
    fn what_is_no_book_is_told() {
        for text in ["", "<device/>", "<a><b></a>", "\u{0}", &CHIP[..300]] {
            let error = Book::of(Path::new("x.svd"), text).err().unwrap();
            assert!(error.starts_with("not an SVD file"), "{error}");
        }
        assert!(Book::read(Path::new("/nowhere.svd")).err().unwrap().contains("/nowhere.svd"));
    }
}
