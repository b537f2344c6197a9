//! Hexadecimal numbers and bytes, as the protocol writes them.

/// Bytes as pairs of digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Pairs of digits as bytes; nothing when a digit is none or one is left over.
pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// A number in hexadecimal digits without a sign.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// What stands before and after the first `separator`.
pub(crate) fn split(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// `ADDRESS,LENGTH`.
pub(crate) fn range(text: &[u8]) -> Option<(u64, u64)> {
    let (start, len) = split(text, b',')?;
    Some((number(start)?, number(len)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_goes_there_and_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(to_hex(&bytes).as_bytes()), Some(bytes));
        assert_eq!(from_hex(b"0"), None);
        assert_eq!(from_hex(b"0g"), None);
    }

    #[test]
    fn numbers_have_neither_sign_nor_too_many_digits() {
        assert_eq!(number(b"20000000"), Some(0x2000_0000));
        assert_eq!(number(b"00000000000000000001"), Some(1));
        for bad in [&b""[..], b"+1", b"-1", b"1 ", b"10000000000000000"] {
            assert_eq!(number(bad), None);
        }
        assert_eq!(range(b"10,4"), Some((16, 4)));
        assert_eq!(range(b"10"), None);
    }
}
