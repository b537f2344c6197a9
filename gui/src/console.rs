//! A guest's terminal: lines with their times and the colours of ANSI escape sequences.

use std::collections::VecDeque;

use consort_core::Time;

/// Older lines than this many are forgotten.
const KEPT: usize = 5_000;
/// A longer line is shown in pieces.
const LONGEST: usize = 1_000;

/// A piece of a line in one colour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The terminal's colour 0 to 7, or the usual one.
    pub colour: Option<u8>,
    /// The text.
    pub text: String,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 0.
    pub number: u64,
    /// When its first byte came.
    pub at: Time,
    /// Its pieces.
    pub spans: Vec<Span>,
    length: usize,
}

impl Line {
    /// Without colours.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }
}

#[derive(Debug, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    /// In a control sequence, with its parameters so far.
    Control(String),
}

/// What came out of one UART.
#[derive(Debug, Default)]
pub struct Console {
    /// Whole lines and the open one, oldest first.
    pub lines: VecDeque<Line>,
    open: bool,
    count: u64,
    colour: Option<u8>,
    escape: Escape,
    /// Bytes of a UTF-8 character that is not complete.
    partial: Vec<u8>,
}

impl Console {
    /// Takes bytes that left the UART at `at`.
    pub fn add(&mut self, at: Time, data: &[u8]) {
        for &byte in data {
            match std::mem::take(&mut self.escape) {
                Escape::Begun if byte == b'[' => self.escape = Escape::Control(String::new()),
                Escape::Begun => {}
                Escape::Control(parameters) => self.control(parameters, byte),
                Escape::None => self.byte(at, byte),
            }
        }
    }

    fn control(&mut self, mut parameters: String, byte: u8) {
        match byte {
            b'0'..=b';' if parameters.len() < 64 => {
                parameters.push(char::from(byte));
                self.escape = Escape::Control(parameters);
            }
            b'm' => {
                for parameter in parameters.split(';') {
                    match parameter.parse::<u8>().unwrap_or(0) {
                        0 | 39 => self.colour = None,
                        code @ (30..=37 | 90..=97) => self.colour = Some(code % 10),
                        _ => {}
                    }
                }
            }
            // Cursor movements mean nothing in a list of lines.
            _ => {}
        }
    }

    fn byte(&mut self, at: Time, byte: u8) {
        match byte {
            0x1b => self.escape = Escape::Begun,
            b'\n' => {
                self.line(at);
                self.open = false;
                self.partial.clear();
            }
            b'\t' => self.push(at, '\t'),
            0..0x20 | 0x7f => {}
            0x20..0x80 => self.push(at, char::from(byte)),
            _ => {
                self.partial.push(byte);
                match std::str::from_utf8(&self.partial) {
                    Ok(text) => {
                        let whole = text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                        self.partial.clear();
                        self.push(at, whole);
                    }
                    Err(error) if error.error_len().is_some() || self.partial.len() >= 4 => {
                        self.partial.clear();
                        self.push(at, '?');
                    }
                    Err(_) => {}
                }
            }
        }
    }

    fn line(&mut self, at: Time) -> &mut Line {
        if !self.open {
            if self.lines.len() == KEPT {
                self.lines.pop_front();
            }
            self.lines.push_back(Line { at, number: self.count, ..Line::default() });
            self.count += 1;
            self.open = true;
        }
        let last = self.lines.len() - 1;
        &mut self.lines[last]
    }

    fn push(&mut self, at: Time, character: char) {
        let colour = self.colour;
        let line = self.line(at);
        line.length += 1;
        let long = line.length == LONGEST;
        match line.spans.last_mut() {
            Some(span) if span.colour == colour => span.text.push(character),
            _ => line.spans.push(Span { colour, text: character.to_string() }),
        }
        if long {
            self.open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]]) -> Console {
        let mut console = Console::default();
        for (index, piece) in pieces.iter().enumerate() {
            console.add(Time::from_us(index as u64), piece);
        }
        console
    }

    #[test]
    fn lines_come_together_from_pieces() {
        let console = shown(&[b"he", b"llo\r\n", b"\n", "w\u{f6}".as_bytes(), b"rld"]);
        let lines: Vec<_> = console.lines.iter().map(|line| (line.at.as_ns() / 1000, line.text())).collect();
        assert_eq!(lines, [(0, "hello".to_owned()), (2, String::new()), (3, "w\u{f6}rld".to_owned())]);
    }

    #[test]
    fn colours_are_kept_and_other_sequences_are_not() {
        let console = shown(&[b"a\x1b[1;3", b"1mred\x1b[0m\x1b[2Kb\x1b[91mc"]);
        let spans: Vec<_> =
            console.lines[0].spans.iter().map(|span| (span.colour, span.text.as_str())).collect();
        assert_eq!(spans, [(None, "a"), (Some(1), "red"), (None, "b"), (Some(1), "c")]);
    }

    #[test]
    fn nonsense_is_harmless_and_bounded() {
        let mut console = Console::default();
        for round in 0..200u32 {
            let bytes: Vec<u8> = (0..4096u32).map(|byte| (byte * 31 + round * 7) as u8).collect();
            console.add(Time::ZERO, &bytes);
            console.add(Time::ZERO, &[b'x'; 5000]);
        }
        assert!(console.lines.len() <= KEPT);
        assert!(console.lines.iter().all(|line| line.length <= LONGEST));
    }
}
