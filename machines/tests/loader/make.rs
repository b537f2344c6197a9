//! Writes small firmware files for the loader's tests.

/// A PT_LOAD segment.
#[derive(Clone)]
pub struct Load {
    pub paddr: u64,
    pub vaddr: u64,
    pub data: Vec<u8>,
    pub memsz: u64,
}

impl Load {
    pub fn at(paddr: u64, data: &[u8]) -> Self {
        Self { paddr, vaddr: paddr, data: data.to_vec(), memsz: data.len() as u64 }
    }
}

/// A symbol table entry; `info` is binding << 4 | type.
#[derive(Clone)]
pub struct Sym {
    pub name: &'static str,
    pub value: u64,
    pub size: u64,
    pub info: u8,
    pub section: u16,
}

/// A little-endian executable.
#[derive(Clone)]
pub struct Elf {
    pub wide: bool,
    pub machine: u16,
    pub loads: Vec<Load>,
    pub syms: Vec<Sym>,
}

impl Default for Elf {
    fn default() -> Self {
        Self { wide: false, machine: 40, loads: Vec::new(), syms: Vec::new() }
    }
}

impl Elf {
    pub fn bytes(&self) -> Vec<u8> {
        self.write(false)
    }

    /// All segments point to the first one's bytes, all symbols to the first one's name.
    pub fn bytes_with_shared_data(&self) -> Vec<u8> {
        self.write(true)
    }

    fn write(&self, shared: bool) -> Vec<u8> {
        let (header_size, program_size, section_size) = if self.wide { (64, 56, 64) } else { (52, 32, 40) };
        let mut data_at = header_size + program_size * self.loads.len() as u64;
        let mut programs = Vec::new();
        let mut data = Vec::new();
        for (index, load) in self.loads.iter().enumerate() {
            let (offset, size) = (data_at, load.data.len() as u64);
            if !shared || index == 0 {
                data.extend(&load.data);
            }
            if !shared {
                data_at += size;
            }
            let mut put = |values: &[u64], widths: &[usize]| put_all(&mut programs, values, widths);
            if self.wide {
                let values = [1, 5, offset, load.vaddr, load.paddr, size, load.memsz, 1];
                put(&values, &[4, 4, 8, 8, 8, 8, 8, 8]);
            } else {
                put(&[1, offset, load.vaddr, load.paddr, size, load.memsz, 5, 1], &[4; 8]);
            }
        }
        let (mut names, mut symbols) = (vec![0u8], vec![0u8; if self.wide { 24 } else { 16 }]);
        for (index, sym) in self.syms.iter().enumerate() {
            let name = if shared { 1 } else { names.len() as u64 };
            if !shared || index == 0 {
                names.extend(sym.name.as_bytes());
                names.push(0);
            }
            let (info, section) = (u64::from(sym.info), u64::from(sym.section));
            if self.wide {
                put_all(&mut symbols, &[name, info, 0, section, sym.value, sym.size], &[4, 1, 1, 2, 8, 8]);
            } else {
                put_all(&mut symbols, &[name, sym.value, sym.size, info, 0, section], &[4, 4, 4, 1, 1, 2]);
            }
        }
        let symbols_at = header_size + (programs.len() + data.len()) as u64;
        let names_at = symbols_at + symbols.len() as u64;
        let sections_at = names_at + names.len() as u64;
        let mut sections = vec![0u8; section_size as usize];
        let word = if self.wide { 8 } else { 4 };
        let widths = [4, 4, word, word, word, word, 4, 4, word, word];
        // Section 1 for the symbols to be in, then the symbol table, which names section 3, the strings.
        put_all(&mut sections, &[0, 1, 6, 0, header_size, 0, 0, 0, 1, 0], &widths);
        let entry = if self.wide { 24 } else { 16 };
        put_all(&mut sections, &[0, 2, 0, 0, symbols_at, symbols.len() as u64, 3, 0, 1, entry], &widths);
        put_all(&mut sections, &[0, 3, 0, 0, names_at, names.len() as u64, 0, 0, 1, 0], &widths);

        let mut file = b"\x7fELF".to_vec();
        file.extend([if self.wide { 2 } else { 1 }, 1, 1, 0]);
        file.extend([0; 8]);
        put_all(&mut file, &[2, self.machine.into(), 1], &[2, 2, 4]);
        put_all(&mut file, &[1, header_size, sections_at], &[word; 3]);
        let counts = [0, header_size, program_size, self.loads.len() as u64, section_size, 4, 0];
        put_all(&mut file, &counts, &[4, 2, 2, 2, 2, 2, 2]);
        assert_eq!(file.len() as u64, header_size);
        [file, programs, data, symbols, names, sections].concat()
    }
}

/// Little-endian values of the given widths in bytes.
fn put_all(out: &mut Vec<u8>, values: &[u64], widths: &[usize]) {
    assert_eq!(values.len(), widths.len());
    for (value, width) in values.iter().zip(widths) {
        out.extend(&value.to_le_bytes()[..*width]);
    }
}

/// A line of Intel HEX.
pub fn hex_text(kind: u8, offset: u16, data: &[u8]) -> String {
    let mut bytes = vec![data.len() as u8];
    bytes.extend(offset.to_be_bytes());
    bytes.push(kind);
    bytes.extend(data);
    bytes.push(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte)));
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!(":{digits}\n")
}

/// UF2 blocks of at most 256 bytes of payload.
pub fn uf2_bytes(parts: &[(u32, Vec<u8>)], family: Option<u32>) -> Vec<u8> {
    let blocks: Vec<(u32, &[u8])> = parts
        .iter()
        .flat_map(|(addr, data)| {
            data.chunks(256).enumerate().map(move |(index, chunk)| (addr + index as u32 * 256, chunk))
        })
        .collect();
    let mut file = Vec::new();
    for (number, (addr, data)) in blocks.iter().enumerate() {
        let flags = if family.is_some() { 0x2000 } else { 0 };
        let words = [0x0A32_4655, 0x9E5D_5157, flags, *addr, data.len() as u32, number as u32];
        let mut block: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        block.extend((blocks.len() as u32).to_le_bytes());
        block.extend(family.unwrap_or(0).to_le_bytes());
        block.extend(*data);
        block.resize(508, 0);
        block.extend(0x0AB1_6F30u32.to_le_bytes());
        file.extend(block);
    }
    file
}
