//! Any bytes as a firmware file: an error or an image in bounds, never a panic, a hang or a flood.

#![no_main]

use consort_machines::loader::{Format, Options, load_with};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, file)) = bytes.split_first() else { return };
    let format = [None, Some(Format::Elf), Some(Format::Hex), Some(Format::Uf2)][usize::from(choice & 3)];
    let options = Options {
        format,
        hex_boards: if choice & 4 == 0 { vec![] } else { vec![0x9903] },
        uf2_families: if choice & 8 == 0 { vec![] } else { vec![7] },
        ..Options::default()
    };
    match load_with(file, "fuzzed", &options) {
        Ok(image) => {
            let total: usize = image.segments.iter().map(|segment| segment.data.len()).sum();
            assert!(total <= 8 * file.len());
            assert!(image.segments.windows(2).all(|pair| pair[0].end() < pair[1].addr));
            for symbol in &image.symbols {
                let (found, _) = image.symbols.at(symbol.addr).expect("a symbol holds its own address");
                assert_eq!(found.addr, symbol.addr);
                symbol.display_name();
            }
        }
        Err(error) => assert!(error.to_string().starts_with("fuzzed: ")),
    }
});
