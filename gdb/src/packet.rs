//! Packets that the server sends on its own account, between those of `gdbstub`.

/// The longest packet either side sends, in bytes between `$` and `#`.
pub(crate) const MAX_PACKET: usize = 0x4000;

/// A packet of printable characters, ready to send ("Overview" of the remote protocol).
pub(crate) fn frame(contents: &str) -> Vec<u8> {
    let sum = contents.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
    format!("${contents}#{sum:02x}").into_bytes()
}

/// What is in a packet of text whose sum is right.
pub(crate) fn contents(packet: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(packet).ok()?;
    let (contents, sum) = text.strip_prefix('$')?.rsplit_once('#')?;
    let added = contents.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
    (u8::from_str_radix(sum, 16) == Ok(added)).then_some(contents)
}

/// Text for the debugger's console, in as many packets as it takes ("Stop Reply Packets").
pub(crate) fn console(text: &str) -> Vec<u8> {
    // Each byte takes two digits.
    let parts = text.as_bytes().chunks(MAX_PACKET / 2 - 1);
    parts.flat_map(|part| frame(&format!("O{}", to_hex(part)))).collect()
}

/// Bytes as pairs of digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_the_manual_has_them() {
        assert_eq!(frame("m0,4"), b"$m0,4#fd");
        assert_eq!(contents(b"$m0,4#fd"), Some("m0,4"));
        assert_eq!(contents(b"$m0,4#fe"), None);
        assert_eq!(console("hi\n"), b"$O68690a#bd");
        assert_eq!(console(&"x".repeat(MAX_PACKET / 2)).iter().filter(|byte| **byte == b'$').count(), 2);
    }
}
