//! Runs of bytes with their addresses.

use std::borrow::Cow;

use consort_core::Addr;

use super::error::Problem;

/// Bytes that belong at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Of the first byte.
    pub addr: Addr,
    /// The bytes, at least one.
    pub data: Vec<u8>,
}

impl Segment {
    /// The address after the last byte.
    pub fn end(&self) -> Addr {
        self.addr + self.data.len() as Addr
    }
}

/// Bytes of a file with the address they go to.
pub(super) type Piece<'a> = (Addr, Cow<'a, [u8]>);

/// Sorts pieces by address and joins adjoining ones. Pieces may overlap where they agree (files that
/// repeat records exist). No byte may lie above `top`, nor at the very last 64-bit address.
pub(super) fn assemble(mut pieces: Vec<Piece<'_>>, top: Addr) -> Result<Vec<Segment>, Problem> {
    pieces.sort_by_key(|(addr, _)| *addr);
    let mut segments: Vec<Segment> = Vec::new();
    for (addr, data) in pieces {
        let len = data.len() as u64;
        if len == 0 {
            continue;
        }
        let end = addr.checked_add(len).filter(|end| end - 1 <= top);
        end.ok_or(Problem::BeyondAddresses { addr, len, top })?;
        match segments.last_mut() {
            Some(last) if addr <= last.end() => {
                let begin = (addr - last.addr) as usize;
                let common = data.len().min(last.data.len() - begin);
                let known = &last.data[begin..begin + common];
                if let Some(differs) = known.iter().zip(&data[..common]).position(|(a, b)| a != b) {
                    return Err(Problem::Clash(addr + differs as Addr));
                }
                last.data.extend_from_slice(&data[common..]);
            }
            _ => segments.push(Segment { addr, data: data.into_owned() }),
        }
    }
    Ok(segments)
}

/// The first range, from start to before end, that both sorted lists claim.
pub(super) fn overlap(a: &[Segment], b: &[Segment]) -> Option<(Addr, Addr)> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let (start, end) = (x.addr.max(y.addr), x.end().min(y.end()));
        if start < end {
            return Some((start, end));
        }
        if x.end() <= y.end() {
            a.next()
        } else {
            b.next()
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(of: &[(Addr, &'static [u8])]) -> Vec<Piece<'static>> {
        of.iter().map(|(addr, data)| (*addr, Cow::Borrowed(*data))).collect()
    }

    #[test]
    fn adjoining_pieces_become_one_segment() {
        let segments = assemble(pieces(&[(14, b"ef"), (10, b"ab"), (12, b"cd"), (20, b"x")]), Addr::MAX);
        let expected =
            vec![Segment { addr: 10, data: b"abcdef".to_vec() }, Segment { addr: 20, data: b"x".to_vec() }];
        assert_eq!(segments, Ok(expected));
    }

    #[test]
    fn pieces_may_repeat_bytes_but_not_change_them() {
        let repeated = assemble(pieces(&[(0, b"abcdef"), (2, b"cd"), (4, b"efgh")]), Addr::MAX);
        assert_eq!(repeated, Ok(vec![Segment { addr: 0, data: b"abcdefgh".to_vec() }]));
        let changed = assemble(pieces(&[(0, b"abcdef"), (2, b"cX")]), Addr::MAX);
        assert_eq!(changed, Err(Problem::Clash(3)));
    }

    #[test]
    fn the_top_of_the_address_space_holds() {
        assert!(assemble(pieces(&[(0xFFFF_FFFE, b"ab")]), 0xFFFF_FFFF).is_ok());
        assert!(assemble(pieces(&[(0xFFFF_FFFF, b"ab")]), 0xFFFF_FFFF).is_err());
        assert!(assemble(pieces(&[(Addr::MAX, b"a")]), Addr::MAX).is_err());
    }

    #[test]
    fn overlaps_are_found_wherever_they_are() {
        let segment = |addr, len| Segment { addr, data: vec![0; len] };
        let a = [segment(0, 4), segment(10, 4), segment(100, 10)];
        assert_eq!(overlap(&a, &[segment(4, 6), segment(14, 86)]), None);
        assert_eq!(overlap(&a, &[segment(5, 1), segment(20, 81)]), Some((100, 101)));
        assert_eq!(overlap(&[segment(12, 1)], &a), Some((12, 13)));
    }
}
