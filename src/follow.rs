//! Follows a run: UART output as lines, logs as messages.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use consort_core::Time;
use consort_core::trace::Level;

/// A line of UART output longer than this is shown in pieces.
const LONGEST_LINE: usize = 4096;

/// Collects the bytes of UARTs into lines.
#[derive(Default)]
pub struct Lines {
    open: BTreeMap<(usize, u16), (Time, Vec<u8>)>,
}

impl Lines {
    /// Takes bytes of one UART, and calls `each` with the time and text of every line they complete. A line's
    /// time is that of its last byte, so that lines come in the order of their times.
    pub fn add(&mut self, device: usize, port: u16, at: Time, data: &[u8], mut each: impl FnMut(Time, &str)) {
        for byte in data {
            match byte {
                b'\n' => {
                    let (_, line) = self.open.remove(&(device, port)).unwrap_or_default();
                    each(at, &text(&line));
                }
                b'\r' => {}
                byte => {
                    let entry = match self.open.entry((device, port)) {
                        Entry::Occupied(entry) => entry.into_mut(),
                        Entry::Vacant(entry) => entry.insert((at, Vec::new())),
                    };
                    entry.0 = at;
                    entry.1.push(*byte);
                    if entry.1.len() == LONGEST_LINE {
                        let (_, line) = self.open.remove(&(device, port)).unwrap_or_default();
                        each(at, &text(&line));
                    }
                }
            }
        }
    }

    /// Gives the lines that have not ended.
    pub fn rest(&mut self) -> Vec<(usize, u16, Time, String)> {
        let open = std::mem::take(&mut self.open);
        open.into_iter().map(|((device, port), (at, line))| (device, port, at, text(&line))).collect()
    }
}

/// Bytes as text that cannot disturb a terminal: escape sequences for colours stay, other controls go.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\t' | '\u{1b}'))
        .collect()
}

/// How many messages of one component are shown before it is hushed.
const HUSH_AFTER: u32 = 5;

/// Shows logs, each component's first few.
#[derive(Default)]
pub struct Logs {
    shown: BTreeMap<(usize, String), u32>,
}

impl Logs {
    /// The message for a log line, or nothing when there were enough of this component's.
    pub fn message(
        &mut self,
        device: usize,
        name: &str,
        at: Time,
        level: Level,
        who: &str,
        text: &str,
    ) -> Option<String> {
        let kind = match level {
            Level::Debug => return None,
            Level::Info => "",
            Level::GuestError => "guest error: ",
            Level::Unimplemented => "not modelled: ",
        };
        let shown = self.shown.entry((device, who.to_owned())).or_default();
        *shown += 1;
        let more = if *shown == HUSH_AFTER { " (more of this component is in the trace only)" } else { "" };
        (*shown <= HUSH_AFTER).then(|| format!("{at:>12} {name}: {who}: {kind}{text}{more}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_the_time_of_their_last_byte() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for (at, data) in [(1, "he"), (2, "llo\r\nwor"), (3, "ld")] {
            lines.add(0, 0, Time::from_us(at), data.as_bytes(), |at, line| seen.push((at, line.to_owned())));
        }
        assert_eq!(seen, [(Time::from_us(2), "hello".to_owned())]);
        assert_eq!(lines.rest(), [(0, 0, Time::from_us(3), "world".to_owned())]);
    }

    #[test]
    fn endless_lines_are_cut() {
        let (mut lines, mut count) = (Lines::default(), 0);
        lines.add(0, 0, Time::ZERO, &[b'x'; 3 * LONGEST_LINE], |_, _| count += 1);
        assert_eq!(count, 3);
    }
}
