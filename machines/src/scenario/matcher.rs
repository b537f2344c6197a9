//! Finds the first place in a stream of happenings that a step waits for.

use std::collections::BTreeMap;

use consort_core::Time;
use regex::bytes::Regex;

use super::file::ReportStep;
use super::seen::{Seen, Stream};

/// Names and what was captured or given for them.
pub(super) type Names = BTreeMap<String, String>;

const NO_DETAILS: &BTreeMap<String, String> = &BTreeMap::new();
/// How far back a `text` pattern reaches.
const TEXT_REACH: usize = 8192;

/// What is looked for; regular expressions may still hold `${name}`.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    Line { device: usize, port: u16, pattern: String },
    Text { device: usize, port: u16, pattern: String },
    Log { device: usize, pattern: String },
    Exit { device: usize, code: i32 },
    Packet(PacketMatcher),
    Pin { device: usize, pin: String, level: Option<bool> },
    Report { device: usize, report: ReportStep },
}

#[derive(Clone, Debug)]
pub(super) struct PacketMatcher {
    pub link: usize,
    /// Endpoints of the link.
    pub from: Option<usize>,
    pub to: Option<usize>,
    /// `None` for any byte.
    pub bytes: Vec<Option<u8>>,
    pub at: Option<usize>,
    pub lost: Option<bool>,
}

impl Matcher {
    pub fn stream(&self) -> Stream {
        match self {
            Self::Line { device, port, .. } | Self::Text { device, port, .. } => Stream::Uart(*device, *port),
            Self::Log { device, .. } => Stream::Log(*device),
            Self::Exit { device, .. } => Stream::Exit(*device),
            Self::Packet(packet) => Stream::Link(packet.link),
            Self::Pin { device, .. } => Stream::Pins(*device),
            Self::Report { device, .. } => Stream::Reports(*device),
        }
    }

    /// A scanner that begins at `from`, with the names filled in.
    pub fn scanner(&self, from: usize, names: &Names) -> Result<Scanner, String> {
        let regex = match self {
            Self::Line { pattern, .. } | Self::Text { pattern, .. } | Self::Log { pattern, .. } => {
                Some(compile(&fill(pattern, names, regex::escape)?)?)
            }
            Self::Exit { .. } | Self::Packet(_) | Self::Pin { .. } | Self::Report { .. } => None,
        };
        let details = match self {
            Self::Report { report, .. } => report.details.iter(),
            _ => NO_DETAILS.iter(),
        };
        let details = details
            .map(|(name, pattern)| Ok((name.clone(), compile(&fill(pattern, names, regex::escape)?)?)));
        let details = details.collect::<Result<_, String>>()?;
        Ok(Scanner { matcher: self.clone(), regex, details, from, next: from, line: from })
    }
}

/// Compiles a regular expression, with a message of one line.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        format!("`{pattern}` is not a regular expression: {}", last.trim().trim_start_matches("error: "))
    })
}

/// Replaces each `${name}`.
pub(super) fn fill(text: &str, names: &Names, quote: fn(&str) -> String) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let Some(end) = rest[at..].find('}') else { break };
        let name = &rest[at + 2..at + end];
        let value = names.get(name).ok_or_else(|| {
            format!(
                "nothing was captured as `{name}`{}",
                crate::suggest(name, names.keys().map(String::as_str))
            )
        })?;
        out.push_str(&rest[..at]);
        out.push_str(&quote(value));
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The names that a text refers to.
pub(super) fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// Where a pattern was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// When what completes it happened.
    pub at: Time,
    /// Where in the stream the next search begins.
    pub end: usize,
    /// What was found, in words.
    pub what: String,
    /// Named groups.
    pub names: Names,
}

/// A search that goes on as the stream grows. Where it hits does not depend on how the stream came in pieces.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    matcher: Matcher,
    regex: Option<Regex>,
    details: Vec<(String, Regex)>,
    from: usize,
    next: usize,
    line: usize,
}

impl Scanner {
    pub fn stream(&self) -> Stream {
        self.matcher.stream()
    }

    /// Where in the stream it began.
    pub fn start(&self) -> usize {
        self.from
    }

    /// Looks at what is new.
    pub fn advance(&mut self, seen: &Seen) -> Option<Hit> {
        match (&self.matcher, self.regex.clone()) {
            (Matcher::Line { device, port, .. }, Some(regex)) => {
                let text = seen.text(*device, *port);
                while let Some(newline) = text.bytes[self.next..].iter().position(|byte| *byte == b'\n') {
                    let newline = self.next + newline;
                    let line = &text.bytes[self.line..newline];
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    (self.next, self.line) = (newline + 1, newline + 1);
                    if let Some(names) = captures(&regex, line) {
                        let what = String::from_utf8_lossy(line).into_owned();
                        return Some(Hit { at: text.time(newline), end: newline + 1, what, names });
                    }
                }
                self.next = text.bytes.len();
                None
            }
            (Matcher::Text { device, port, .. }, Some(regex)) => {
                let text = seen.text(*device, *port);
                while self.next < text.bytes.len() {
                    self.next += 1;
                    let begin = self.from.max(self.next.saturating_sub(TEXT_REACH));
                    let reached = &text.bytes[begin..self.next];
                    if let Some(names) = captures(&regex, reached) {
                        let last = reached.rsplit(|byte| *byte == b'\n').find(|line| !line.is_empty());
                        let what = String::from_utf8_lossy(last.unwrap_or_default()).into_owned();
                        return Some(Hit { at: text.time(self.next - 1), end: self.next, what, names });
                    }
                }
                None
            }
            (Matcher::Log { device, .. }, Some(regex)) => {
                while let Some((at, line)) = seen.logs(*device).get(self.next) {
                    self.next += 1;
                    if let Some(names) = captures(&regex, line.as_bytes()) {
                        return Some(Hit { at: *at, end: self.next, what: line.clone(), names });
                    }
                }
                None
            }
            (Matcher::Exit { device, code }, _) => {
                while let Some((at, found)) = seen.exits(*device).get(self.next) {
                    self.next += 1;
                    if found == code {
                        let what = format!("exit code {found}");
                        return Some(Hit { at: *at, end: self.next, what, names: Names::new() });
                    }
                }
                None
            }
            (Matcher::Packet(packet), _) => {
                while let Some(frame) = seen.frames(packet.link).get(self.next) {
                    self.next += 1;
                    if packet.fits(frame.from, &frame.data, &frame.to) {
                        // Its words need the fleet: the judge finds them.
                        let what = String::new();
                        return Some(Hit { at: frame.at, end: self.next, what, names: Names::new() });
                    }
                }
                None
            }
            (Matcher::Pin { device, pin, level }, _) => {
                while let Some((at, changed, now)) = seen.pins(*device).get(self.next) {
                    self.next += 1;
                    if changed == pin && level.is_none_or(|wanted| wanted == *now) {
                        let what = format!("{pin} went {}", if *now { "high" } else { "low" });
                        return Some(Hit { at: *at, end: self.next, what, names: Names::new() });
                    }
                }
                None
            }
            (Matcher::Report { device, report }, _) => {
                while let Some((at, found)) = seen.reports(*device).get(self.next) {
                    self.next += 1;
                    let fits =
                        found.what == report.what && report.who.as_ref().is_none_or(|who| *who == found.who);
                    let details = self
                        .details
                        .iter()
                        .map(|(name, regex)| captures(regex, found.details.get(name)?.as_bytes()));
                    if let Some(names) = details.collect::<Option<Vec<_>>>().filter(|_| fits) {
                        let what = format!("{}: {found}", found.who);
                        let names = names.into_iter().flatten().collect();
                        return Some(Hit { at: *at, end: self.next, what, names });
                    }
                }
                None
            }
            (_, None) => None,
        }
    }
}

impl PacketMatcher {
    fn fits(&self, from: usize, data: &[u8], to: &[(usize, bool)]) -> bool {
        let holds = |at: usize| {
            let window = data.get(at..at + self.bytes.len());
            window.is_some_and(|window| {
                window
                    .iter()
                    .zip(&self.bytes)
                    .all(|(byte, wanted)| wanted.is_none_or(|wanted| wanted == *byte))
            })
        };
        let path = to.iter().filter(|(to, _)| self.to.is_none_or(|wanted| wanted == *to));
        // Without a receiver to look at (a link of one), a frame is neither lost nor delivered.
        let path_fits = match (self.to, self.lost) {
            (None, None) => true,
            (_, lost) => path.into_iter().any(|(_, delivered)| lost.is_none_or(|lost| lost != *delivered)),
        };
        self.from.is_none_or(|wanted| wanted == from)
            && path_fits
            && match self.at {
                Some(at) => holds(at),
                None => (0..=data.len().saturating_sub(self.bytes.len())).any(holds),
            }
    }
}

/// The named groups, when it matches.
fn captures(regex: &Regex, text: &[u8]) -> Option<Names> {
    let found = regex.captures(text)?;
    let names = regex.capture_names().flatten();
    let named = names.filter_map(|name| Some((name.to_owned(), found.name(name)?.as_bytes())));
    Some(named.map(|(name, bytes)| (name, String::from_utf8_lossy(bytes).into_owned())).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use consort_core::component::PortKind;
    use consort_core::device::{Port, Sent};

    use super::*;

    fn seen(pieces: &[(u64, &str)]) -> Seen {
        let mut seen = Seen::default();
        let port = Port { name: "uart0".to_owned(), kind: PortKind::Uart };
        for (us, text) in pieces {
            let sent = Sent { at: Time::from_us(*us), port: 0, data: Arc::from(text.as_bytes()) };
            seen.sent(0, &port, &sent);
        }
        seen
    }

    fn find(matcher: &Matcher, seen: &Seen) -> Option<Hit> {
        matcher.scanner(0, &Names::new()).unwrap().advance(seen)
    }

    #[test]
    fn how_the_text_came_in_pieces_does_not_matter() {
        let whole = [(1, "boot\r\npulse 118 bpm\r\n> ")];
        let bytes: Vec<String> = whole[0].1.chars().map(String::from).collect();
        let single: Vec<(u64, &str)> = bytes.iter().map(|byte| (1, byte.as_str())).collect();
        for matcher in [
            Matcher::Line { device: 0, port: 0, pattern: r"^pulse (?<bpm>\d+)".to_owned() },
            Matcher::Text { device: 0, port: 0, pattern: r"pulse (?<bpm>\d+) ".to_owned() },
        ] {
            let hit = find(&matcher, &seen(&whole)).unwrap();
            assert_eq!(hit.names["bpm"], "118");
            assert_eq!(Some(hit), find(&matcher, &seen(&single)));
            // A scanner that looks after every byte finds the same.
            let mut scanner = matcher.scanner(0, &Names::new()).unwrap();
            let hits = (1..=single.len()).find_map(|count| scanner.advance(&seen(&single[..count])));
            assert_eq!(hits, find(&matcher, &seen(&whole)));
        }
    }

    #[test]
    fn lines_need_their_end_and_text_does_not() {
        let seen = seen(&[(1, "login: "), (5, "x")]);
        let pattern = "login: $".to_owned();
        assert_eq!(find(&Matcher::Line { device: 0, port: 0, pattern: pattern.clone() }, &seen), None);
        let hit = find(&Matcher::Text { device: 0, port: 0, pattern }, &seen).unwrap();
        assert_eq!((hit.at, hit.end), (Time::from_us(1), 7), "before the x came");
    }

    #[test]
    fn names_are_filled_in_and_quoted_for_patterns() {
        let names = Names::from([("who".to_owned(), "a.b".to_owned())]);
        assert_eq!(fill("^${who}$", &names, regex::escape), Ok(r"^a\.b$".to_owned()));
        assert_eq!(fill("hi ${who}", &names, str::to_owned), Ok("hi a.b".to_owned()));
        assert!(fill("${woh}", &names, str::to_owned).unwrap_err().contains("did you mean `who`"));
        assert!(compile("(").unwrap_err().contains("unclosed group"));
    }

    #[test]
    fn packets_are_told_by_bytes_and_path() {
        let packet = |bytes: &[Option<u8>], at, to, lost| PacketMatcher {
            link: 0,
            from: Some(1),
            to,
            bytes: bytes.to_vec(),
            at,
            lost,
        };
        let data = [1, 2, 3, 4];
        let any = [Some(2), None, Some(4)];
        assert!(packet(&any, None, None, None).fits(1, &data, &[]));
        assert!(!packet(&any, None, None, None).fits(0, &data, &[]));
        assert!(!packet(&any, Some(0), None, None).fits(1, &data, &[]));
        assert!(packet(&any, Some(1), Some(2), Some(false)).fits(1, &data, &[(0, false), (2, true)]));
        assert!(!packet(&any, Some(1), Some(2), Some(true)).fits(1, &data, &[(0, false), (2, true)]));
        assert!(!packet(&[Some(1); 9], None, None, None).fits(1, &data, &[]));
    }
}
