//! Any bytes from two debuggers: never a panic, a hang or a fleet that is held for good.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A line feed, which no packet needs, ends a piece; a piece that begins with a space is the second debugger's.
    let pieces: Vec<(bool, Vec<u8>)> = bytes
        .split(|byte| *byte == b'\n')
        .map(|piece| match piece.split_first() {
            Some((b' ', rest)) => (true, framed(rest)),
            _ => (false, framed(piece)),
        })
        .collect();
    let pieces: Vec<(bool, &[u8])> = pieces.iter().map(|(second, bytes)| (*second, bytes.as_slice())).collect();
    let answered = consort_gdb::fuzzing::debuggers_say(&pieces);
    assert!(answered <= (bytes.len() + 2) << 16, "{answered} bytes answer {}", bytes.len());
});

/// A piece that begins with `$` gets the end it needs, so that what is in it is looked at; others stay as they are.
fn framed(piece: &[u8]) -> Vec<u8> {
    let Some(contents) = piece.strip_prefix(b"$") else { return piece.to_vec() };
    let sum = contents.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", contents, format!("#{sum:02x}").as_bytes()].concat()
}
