//! Firmware files, good ones and bad ones, through the loader's front door.

#![expect(clippy::unwrap_used)]

use consort_machines::loader::{
    ElfProblem, Format, HexProblem, Image, Options, Problem, Processor, Segment, SymbolKind, Uf2Problem,
    load, load_with, merge,
};
use proptest::prelude::*;

#[path = "loader/make.rs"]
mod make;
use make::{Elf, Load, Sym, hex_text, uf2_bytes};

fn firmware(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware/bin/").to_owned() + name;
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn problem(bytes: &[u8], name: &str) -> Problem {
    load(bytes, name, None, None).unwrap_err().problem
}

fn elf_problem(bytes: &[u8]) -> ElfProblem {
    match problem(bytes, "bad.elf") {
        Problem::Elf(problem) => problem,
        other => panic!("{other}"),
    }
}

fn hex_problem(text: &str) -> (usize, HexProblem) {
    match problem(text.as_bytes(), "bad.hex") {
        Problem::Hex { line, problem } => (line, problem),
        other => panic!("{other}"),
    }
}

#[test]
fn our_own_firmware_loads_with_its_symbols() {
    let image = load(&firmware("hub.elf"), "hub.elf", None, None).unwrap();
    assert_eq!(image.format, Format::Elf);
    assert_eq!(image.processor, Some(Processor::Arm));
    image.check_processor(Processor::Arm).unwrap();

    // The vector table: a stack in SSRAM2/3, and the reset handler with its Thumb bit, where ENTRY says.
    let vectors = &image.segments[0];
    assert_eq!(vectors.addr, 0);
    let word = |at: usize| u32::from_le_bytes(vectors.data[at..at + 4].try_into().unwrap());
    assert!((0x2000_0000..=0x2040_0000).contains(&word(0)), "{:#x}", word(0));
    assert_eq!(Some(u64::from(word(4))), image.entry);

    let (reset, offset) = image.symbols.at(u64::from(word(4) & !1)).unwrap();
    assert_eq!((reset.kind, offset), (SymbolKind::Function, 0));
    let main = image.symbols.named("main").unwrap();
    assert_eq!(main.addr % 2, 0, "the Thumb bit is no part of an address");
    assert_eq!(image.symbols.at(main.addr + 2).unwrap().0.name, "main");
    assert!(image.symbols.iter().all(|symbol| !symbol.name.starts_with('$')));
    assert!(image.symbols.iter().is_sorted_by_key(|symbol| symbol.addr));
}

#[test]
fn segments_go_to_their_load_addresses_and_bss_stays_untouched() {
    let bytes = Elf {
        loads: vec![
            Load { paddr: 0x0, vaddr: 0x0, data: vec![1, 2, 3, 4], memsz: 4 },
            Load { paddr: 0x1000, vaddr: 0x2000_0000, data: vec![5, 6], memsz: 64 },
            Load { paddr: 0x2000_0100, vaddr: 0x2000_0100, data: vec![], memsz: 4096 },
        ],
        ..Elf::default()
    };
    for wide in [false, true] {
        let image = load(&Elf { wide, ..bytes.clone() }.bytes(), "a.elf", None, None).unwrap();
        let expected =
            [Segment { addr: 0, data: vec![1, 2, 3, 4] }, Segment { addr: 0x1000, data: vec![5, 6] }];
        assert_eq!(image.segments, expected);
    }
}

#[test]
fn elf_symbols_have_kind_size_and_no_thumb_bit() {
    let elf = Elf {
        loads: vec![Load::at(0, &[0; 64])],
        syms: vec![
            Sym { name: "weak", value: 0x11, size: 4, info: 0x22, section: 1 },
            Sym { name: "strong", value: 0x11, size: 4, info: 0x12, section: 1 },
            Sym { name: "table", value: 0x21, size: 8, info: 0x11, section: 1 },
            Sym { name: "$t", value: 0x10, size: 0, info: 0x00, section: 1 },
            Sym { name: "stack_size", value: 0x400, size: 0, info: 0x10, section: 0xFFF1 },
            Sym { name: "undefined", value: 0, size: 0, info: 0x10, section: 0 },
            Sym { name: "file.c", value: 0, size: 0, info: 0x04, section: 0xFFF1 },
        ],
        ..Elf::default()
    };
    let image = load(&elf.bytes(), "a.elf", None, None).unwrap();
    let symbols: Vec<_> = image.symbols.iter().map(|s| (s.name.as_str(), s.addr, s.size, s.kind)).collect();
    assert_eq!(
        symbols,
        [
            ("strong", 0x10, 4, SymbolKind::Function),
            ("weak", 0x10, 4, SymbolKind::Function),
            ("table", 0x21, 8, SymbolKind::Object),
        ]
    );
    // On RISC-V bit 0 is an address bit.
    let riscv = Elf { machine: 243, ..elf };
    let image = load(&riscv.bytes(), "a.elf", None, None).unwrap();
    assert_eq!(image.symbols.named("strong").unwrap().addr, 0x11);
    assert_eq!(image.processor, Some(Processor::RiscV32));
}

#[test]
fn a_file_for_another_processor_is_named() {
    let elf = Elf { machine: 243, wide: true, loads: vec![Load::at(0, &[1])], ..Elf::default() };
    let image = load(&elf.bytes(), "linux.elf", None, None).unwrap();
    let error = image.check_processor(Processor::Arm).unwrap_err();
    assert_eq!(
        error.to_string(),
        "linux.elf: it is made for 64-bit RISC-V, but 32-bit Arm is needed; build it for this board or choose another board"
    );
    let unknown = Elf { machine: 94, loads: vec![Load::at(0, &[1])], ..Elf::default() };
    let image = load(&unknown.bytes(), "esp.elf", None, None).unwrap();
    assert!(image.check_processor(Processor::Arm).unwrap_err().to_string().contains("ELF machine 94"));
}

#[test]
fn every_truncation_of_an_elf_is_an_error_that_names_the_file() {
    let whole = firmware("sensor.elf");
    let lengths = (0..200).chain((200..whole.len()).step_by(997)).chain([whole.len() - 1]);
    for len in lengths {
        let error = load(&whole[..len], "sensor.elf", None, None).expect_err("truncated");
        assert!(error.to_string().starts_with("sensor.elf: "), "{len}: {error}");
    }
}

#[test]
fn damaged_elf_headers_are_named() {
    let good = Elf { loads: vec![Load::at(0, &[1, 2, 3, 4])], ..Elf::default() }.bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut copy = good.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        copy
    };
    assert!(load(&good, "a.elf", None, None).is_ok());
    assert_eq!(elf_problem(&with(0, b"\x7fELG")), ElfProblem::Magic, "by its extension");
    assert!(matches!(elf_problem(&with(4, &[9])), ElfProblem::Header { offset: 4, value: 9, .. }));
    assert_eq!(elf_problem(&with(5, &[2])), ElfProblem::BigEndian);
    assert!(matches!(elf_problem(&with(5, &[7])), ElfProblem::Header { offset: 5, .. }));
    assert_eq!(elf_problem(&with(0x10, &[1, 0])), ElfProblem::NotExecutable("an object file"));
    assert!(matches!(elf_problem(&with(0x10, &[0x77, 0])), ElfProblem::Header { .. }));
    assert!(matches!(elf_problem(&with(0x1C, &[0xF0; 4])), ElfProblem::BeyondEnd { .. }), "e_phoff");
    assert!(matches!(elf_problem(&with(0x2A, &[31, 0])), ElfProblem::Malformed { .. }), "e_phentsize");
    assert!(matches!(elf_problem(&with(0x2C, &[0xFF, 0xFF])), ElfProblem::BeyondEnd { .. }), "e_phnum");
    assert!(matches!(elf_problem(&with(0x20, &[0xF0; 4])), ElfProblem::BeyondEnd { .. }), "e_shoff");
    assert_eq!(problem(&with(0x2C, &[0, 0]), "a.elf"), Problem::Nothing, "no program headers");
}

#[test]
fn segments_that_claim_what_the_file_has_not_are_named() {
    let good = Elf { loads: vec![Load::at(0x100, &[1, 2, 3, 4])], ..Elf::default() }.bytes();
    // The first program header begins at 0x34: offset +4, vaddr +8, paddr +12, filesz +16, memsz +20.
    let with = |fields: &[(usize, u32)]| {
        let mut copy = good.clone();
        for (at, value) in fields {
            copy[0x34 + at..0x34 + at + 4].copy_from_slice(&value.to_le_bytes());
        }
        copy
    };
    for claim in [5000, 0x7FFF_FFFF, 0xFFFF_FFFF] {
        let bytes = with(&[(16, claim), (20, claim)]);
        let ElfProblem::BeyondEnd { what, size, .. } = elf_problem(&bytes) else { panic!() };
        assert_eq!((what.as_str(), size), ("segment 0", claim.into()));
    }
    assert!(matches!(elf_problem(&with(&[(4, 0xFFFF_FFFE)])), ElfProblem::BeyondEnd { .. }));
    assert!(matches!(elf_problem(&with(&[(20, 1)])), ElfProblem::Malformed { .. }), "memsz < filesz");
    let beyond = Problem::BeyondAddresses { addr: 0xFFFF_FFFE, len: 4, top: 0xFFFF_FFFF };
    assert_eq!(problem(&with(&[(12, 0xFFFF_FFFE)]), "a.elf"), beyond);
    assert_eq!(problem(&with(&[(16, 0)]), "a.elf"), Problem::Nothing, "zero length");
}

#[test]
fn many_headers_cannot_multiply_a_file() {
    let data = vec![0xA5; 1 << 16];
    let one = Load::at(0, &data);
    let mut elf = Elf { loads: vec![one; 300], ..Elf::default() };
    for (index, load) in elf.loads.iter_mut().enumerate() {
        load.paddr = index as u64 * 0x10_0000;
    }
    let bytes = elf.bytes_with_shared_data();
    assert!(bytes.len() < 100_000);
    assert!(matches!(elf_problem(&bytes), ElfProblem::Malformed { .. }));

    let name: &'static str = Box::leak("n".repeat(10_000).into_boxed_str());
    let syms = vec![Sym { name, value: 0x10, size: 4, info: 0x12, section: 1 }; 5000];
    let elf = Elf { loads: vec![Load::at(0, &[0; 64])], syms, ..Elf::default() };
    assert!(matches!(elf_problem(&elf.bytes_with_shared_data()), ElfProblem::Malformed { .. }));
}

#[test]
fn parts_of_one_file_that_disagree_are_an_error() {
    let elf = Elf { loads: vec![Load::at(0, &[1, 2, 3, 4]), Load::at(2, &[3, 9])], ..Elf::default() };
    assert_eq!(problem(&elf.bytes(), "a.elf"), Problem::Clash(3));
}

#[test]
fn hex_records_land_where_their_address_records_say() {
    let text = ":020000040001F9\r\n:0400000001020304F2\r\n:0400040005060708DE\r\n\
                :02000002F0000C\r\n:02FFFF00AABB9B\r\n:04000005000000C136\r\n:00000001FF\r\n";
    let image = load(text.as_bytes(), "a.hex", None, None).unwrap();
    // 0xF0000 + 0xFFFF, then the offset wraps within the 64 KiB of the segment (record type 02).
    assert_eq!(
        image.segments,
        [
            Segment { addr: 0x1_0000, data: vec![1, 2, 3, 4, 5, 6, 7, 8] },
            Segment { addr: 0xF_0000, data: vec![0xBB] },
            Segment { addr: 0xF_FFFF, data: vec![0xAA] },
        ]
    );
    assert_eq!(image.entry, Some(0xC1));
    assert_eq!((image.format, image.processor), (Format::Hex, None));
}

#[test]
fn bad_hex_lines_are_named() {
    let good = ":0400000001020304F2\n";
    let end = ":00000001FF\n";
    for (line, expected) in [
        ("0400000001020304F2", HexProblem::NoColon),
        (":04000000010203G4F2", HexProblem::BadDigit { column: 16 }),
        (":0400000001020304F3", HexProblem::Checksum { found: 0xF3, computed: 0xF2 }),
        (":0500000001020304F2", HexProblem::WrongCount { said: 5, found: 4 }),
        (":0400000001020304F", HexProblem::WrongCount { said: 4, found: 3 }),
        (":00", HexProblem::TooShort),
        (":", HexProblem::TooShort),
        (":00000009F7", HexProblem::UnknownType(9)),
        (":0100000400FB", HexProblem::WrongLength { kind: 4, wanted: 2, found: 1 }),
        (":0100000AFFF6", HexProblem::WrongLength { kind: 10, wanted: 4, found: 1 }),
        (":\u{e9}0400000001020304F2", HexProblem::BadDigit { column: 2 }),
    ] {
        assert_eq!(hex_problem(&format!("{good}\n{line}\n{end}")), (3, expected), "{line}");
    }
    assert_eq!(hex_problem(good), (1, HexProblem::NoEnd));
    assert_eq!(hex_problem(&format!("{end}\n{good}")), (3, HexProblem::AfterEnd { end: 1 }));
    assert_eq!(problem(end.as_bytes(), "a.hex"), Problem::Nothing);
    let error = load(b":0400000001020304F3\n", "dir/fw.hex", None, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dir/fw.hex: line 1: the checksum is F3 but the record's bytes give F2; the line is damaged"
    );
    // 4 GiB is the end of what the format can address.
    let beyond = ":02000004FFFFFC\n:04FFFE0001020304F5\n:00000001FF\n";
    assert!(matches!(problem(beyond.as_bytes(), "a.hex"), Problem::BeyondAddresses { .. }));
}

#[test]
fn a_universal_hex_gives_each_board_its_own_data() {
    // The layout of the Universal Hex Specification, section format: an address record, a block start
    // with the board's identifier, data (type 0D for the V2), padding, block end.
    let text = [
        hex_text(4, 0, &[0, 0]),
        hex_text(0x0A, 0, &[0x99, 0x00, 0xC0, 0xDE]),
        hex_text(0, 0, b"one"),
        hex_text(0x0E, 0, b"editor's notes"),
        hex_text(0x0C, 0, &[0xFF; 8]),
        hex_text(0x0B, 0, &[0xFF; 4]),
        hex_text(4, 0, &[0, 0]),
        hex_text(0x0A, 0, &[0x99, 0x03, 0xC0, 0xDE]),
        hex_text(0x0D, 0, b"two"),
        hex_text(4, 0, &[0x10, 0x00]),
        hex_text(0x0D, 0x1014, b"uicr"),
        hex_text(0x0B, 0, &[0xFF; 4]),
        hex_text(1, 0, &[]),
    ]
    .concat();
    let read = |boards: &[u16]| {
        let options = Options { hex_boards: boards.to_vec(), ..Options::default() };
        load_with(text.as_bytes(), "universal.hex", &options)
    };
    let v1 = read(&[0x9900, 0x9901]).unwrap();
    assert_eq!(v1.segments, [Segment { addr: 0, data: b"one".to_vec() }]);
    let v2 = read(&[0x9903, 0x9904]).unwrap();
    assert_eq!(
        v2.segments,
        [Segment { addr: 0, data: b"two".to_vec() }, Segment { addr: 0x1000_1014, data: b"uicr".to_vec() }]
    );
    let error = read(&[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "universal.hex: this universal hex holds firmware for the boards 0x9900, 0x9903; this board does not say which of them it takes"
    );
    assert!(read(&[0x1234]).unwrap_err().to_string().ends_with("this board takes 0x1234"));
    // With one board's data only, nobody needs to choose.
    let single = [hex_text(0x0A, 0, &[0x99, 3, 0xC0, 0xDE]), hex_text(0x0D, 0, b"two"), hex_text(1, 0, &[])];
    let image = load(single.concat().as_bytes(), "v2.hex", None, None).unwrap();
    assert_eq!(image.segments, [Segment { addr: 0, data: b"two".to_vec() }]);
}

#[test]
fn uf2_blocks_are_joined_and_checked() {
    let data: Vec<u8> = (0..=255).cycle().take(700).map(|byte: u16| byte as u8).collect();
    let good = uf2_bytes(&[(0x2000, data.clone())], Some(0xADA5_2840));
    let image = load(&good, "a.uf2", None, None).unwrap();
    assert_eq!(image.segments, [Segment { addr: 0x2000, data }]);

    let with = |at: usize, value: u32| {
        let mut copy = good.clone();
        copy[at..at + 4].copy_from_slice(&value.to_le_bytes());
        match problem(&copy, "a.uf2") {
            Problem::Uf2 { block, problem } => (block, problem),
            other => panic!("{other}"),
        }
    };
    assert_eq!(with(512 + 508, 7), (1, Uf2Problem::Magic { offset: 508, found: 7 }));
    assert_eq!(with(16, 477), (0, Uf2Problem::Payload { found: 477, most: 476 }));
    assert_eq!(with(20, 3), (0, Uf2Problem::Number { number: 3, total: 3 }));
    assert_eq!(with(1024 + 24, 4), (2, Uf2Problem::Total { found: 4, total: 3 }));
    assert_eq!(
        problem(&good[..1500], "a.uf2"),
        Problem::Uf2 { block: 2, problem: Uf2Problem::Truncated(476) }
    );
    assert_eq!(problem(&good[..1024], "a.uf2"), Problem::Uf2Missing { number: 2, total: 3 });

    // Not for main flash: a comment.
    let mut comment = good.clone();
    comment[512 + 8..512 + 12].copy_from_slice(&0x2001u32.to_le_bytes());
    assert_eq!(load(&comment, "a.uf2", None, None).unwrap().segments.len(), 2);
}

#[test]
fn uf2_families_are_told_apart() {
    let mut both = uf2_bytes(&[(0x1000, vec![1; 8])], Some(0xE48B_FF56));
    both.extend(uf2_bytes(&[(0x1000, vec![2; 8])], Some(0xADA5_2840)));
    assert!(matches!(problem(&both, "a.uf2"), Problem::Uf2Families { .. }));
    let options = Options { uf2_families: vec![0xADA5_2840], ..Options::default() };
    let image = load_with(&both, "a.uf2", &options).unwrap();
    assert_eq!(image.segments, [Segment { addr: 0x1000, data: vec![2; 8] }]);
    let options = Options { uf2_families: vec![0x1234], ..Options::default() };
    let error = load_with(&both, "a.uf2", &options).unwrap_err().to_string();
    assert!(error.contains("0xada52840, 0xe48bff56; this board takes 0x1234"), "{error}");
}

#[test]
fn a_raw_binary_needs_an_address_and_other_files_bring_their_own() {
    assert_eq!(problem(b"raw", "a.bin"), Problem::NeedsBase);
    assert_eq!(problem(b"raw", "a.xyz"), Problem::UnknownFormat);
    assert_eq!(problem(b"", "a.elf"), Problem::Empty);
    for name in ["a.bin", "a.xyz", "a"] {
        let image = load(b"raw", name, None, Some(0x8000)).unwrap();
        assert_eq!(image.segments, [Segment { addr: 0x8000, data: b"raw".to_vec() }]);
    }
    let elf = firmware("watch.elf");
    let error = load(&elf, "watch.elf", None, Some(0)).unwrap_err();
    assert_eq!(error.problem, Problem::HasAddresses(Format::Elf));
    let raw = load(&elf, "watch.elf", Some(Format::Bin), Some(0x8000)).unwrap();
    assert_eq!(raw.segments[0].data, elf, "said to be raw, it is raw");
    assert!(load(b"raw", "a.bin", None, Some(u64::MAX - 1)).is_err());
}

#[test]
fn content_decides_over_the_extension() {
    let elf = firmware("watch.elf");
    assert_eq!(load(&elf, "watch.hex", None, None).unwrap().format, Format::Elf);
    let hex = b":0400000001020304F2\n:00000001FF\n";
    assert_eq!(load(hex, "watch.bin", None, None).unwrap().format, Format::Hex);
}

#[test]
fn files_of_one_device_must_not_overlap() {
    let image = |name: &str, addr, len| load(&vec![7; len], name, None, Some(addr)).unwrap();
    let (boot, app) = (image("boot.bin", 0, 0x1000), image("app.bin", 0x1000, 0x1000));
    let firmware = merge(vec![app.clone(), boot.clone()]).unwrap();
    let segments: Vec<_> = firmware.segments().map(|(file, segment)| (file, segment.addr)).collect();
    assert_eq!(segments, [("app.bin", 0x1000), ("boot.bin", 0)]);

    let config = image("config.bin", 0x1FF0, 0x20);
    let error = merge(vec![boot.clone(), app, config]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "config.bin: it overlaps app.bin at 0x1ff0 to 0x1fff; leave one of them out or link them to different addresses"
    );
    assert!(merge(vec![boot.clone(), boot]).is_err(), "the same file twice");

    let elf = |machine, paddr| Elf { machine, loads: vec![Load::at(paddr, &[1])], ..Elf::default() };
    let read = |elf: Elf, name: &str| load(&elf.bytes(), name, None, None).unwrap();
    let mixed = merge(vec![read(elf(40, 0), "arm.elf"), read(elf(243, 0x100), "riscv.elf")]);
    let error = mixed.unwrap_err();
    assert!(matches!(error.problem, Problem::WrongProcessor { .. }));
    assert_eq!(error.file, "riscv.elf");
    let firmware = merge(vec![read(elf(40, 0), "arm.elf")]).unwrap();
    assert_eq!(firmware.check_processor(Processor::Aarch64).unwrap_err().file, "arm.elf");
}

/// A few segments that neither touch nor overlap.
fn apart() -> impl Strategy<Value = Vec<Segment>> {
    proptest::collection::vec((1u64..5000, proptest::collection::vec(any::<u8>(), 1..700)), 1..5).prop_map(
        |parts| {
            let mut next = 0;
            let place = |(gap, data): (u64, Vec<u8>)| {
                let addr = next + gap;
                next = addr + data.len() as u64;
                Segment { addr, data }
            };
            parts.into_iter().map(place).collect()
        },
    )
}

fn check_bounds(image: &Image, file: usize) {
    let total: usize = image.segments.iter().map(|segment| segment.data.len()).sum();
    assert!(total <= 8 * file, "{total} bytes from a file of {file}");
    for pair in image.segments.windows(2) {
        assert!(pair[0].end() < pair[1].addr, "sorted, apart");
    }
    let names: usize = image.symbols.iter().map(|symbol| symbol.name.len()).sum();
    assert!(names <= 24 * file, "lossy names may triple");
}

proptest! {
    #[test]
    fn the_same_memory_comes_out_of_every_format(segments in apart(), wide: bool) {
        let loads = segments.iter().map(|s| Load::at(s.addr, &s.data)).collect();
        let elf = Elf { wide, loads, ..Elf::default() }.bytes();
        prop_assert_eq!(&load(&elf, "a.elf", None, None).unwrap().segments, &segments);

        // The `ihex` crate writes the records: an independent view of the format.
        let mut records = Vec::new();
        for segment in &segments {
            for (index, data) in segment.data.chunks(16).enumerate() {
                let addr = segment.addr as u32 + index as u32 * 16;
                records.push(ihex::Record::ExtendedLinearAddress((addr >> 16) as u16));
                records.push(ihex::Record::Data { offset: addr as u16, value: data.to_vec() });
            }
        }
        records.push(ihex::Record::EndOfFile);
        let hex = ihex::create_object_file_representation(&records).unwrap();
        prop_assert_eq!(&load(hex.as_bytes(), "a.hex", None, None).unwrap().segments, &segments);

        let blocks: Vec<_> = segments.iter().map(|s| (s.addr as u32, s.data.clone())).collect();
        let uf2 = uf2_bytes(&blocks, None);
        prop_assert_eq!(&load(&uf2, "a.uf2", None, None).unwrap().segments, &segments);
    }

    #[test]
    fn damage_gives_an_error_or_a_bounded_image(
        which in 0..4usize,
        cut in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let elf = Elf {
            loads: vec![Load::at(0, &[0; 64]), Load::at(0x2000_0000, &[1; 32])],
            syms: vec![Sym { name: "_ZN6sensor4readEi", value: 1, size: 8, info: 0x12, section: 1 }; 3],
            ..Elf::default()
        };
        let mut bytes = match which {
            0 => elf.bytes(),
            1 => Elf { wide: true, ..elf }.bytes(),
            2 => [hex_text(4, 0, &[1, 2]), hex_text(0, 4, &[9; 16]), hex_text(1, 0, &[])].concat().into(),
            _ => uf2_bytes(&[(0x100, vec![3; 600])], Some(7)),
        };
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // Half of the cases stay whole.
        let len = bytes.len() / 2 + cut.index(bytes.len());
        bytes.truncate(len);
        for name in ["a.elf", "a.hex", "a.uf2", "a"] {
            match load(&bytes, name, None, None) {
                Ok(image) => {
                    check_bounds(&image, bytes.len());
                    for symbol in &image.symbols {
                        let _ = symbol.display_name();
                        prop_assert!(image.symbols.at(symbol.addr).is_some());
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    prop_assert!(text.starts_with(&format!("{name}: ")) && !text.contains('\n'), "{}", text);
                }
            }
        }
    }

    #[test]
    fn noise_is_no_firmware_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for format in [Format::Elf, Format::Hex, Format::Uf2, Format::Bin] {
            if let Ok(image) = load(&bytes, "noise", Some(format), None) {
                check_bounds(&image, bytes.len());
            }
        }
    }
}
