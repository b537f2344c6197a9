//! What a run has shown so far: UART text with the time of each byte, messages, exits, frames.

use std::collections::BTreeMap;
use std::sync::Arc;

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::device::{Port, Sent};
use consort_core::fleet::Carried;
use consort_core::trace::{Event, Kind, Report};

/// A stream of happenings in which a branch of a scenario remembers how far it has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    Uart(usize, u16),
    Log(usize),
    Exit(usize),
    Link(usize),
    Pins(usize),
    Reports(usize),
}

/// The output of one UART.
#[derive(Default)]
pub(super) struct Text {
    pub bytes: Vec<u8>,
    /// Where each piece begins and when it was sent.
    pieces: Vec<(usize, Time)>,
}

impl Text {
    fn add(&mut self, at: Time, data: &[u8]) {
        self.pieces.push((self.bytes.len(), at));
        self.bytes.extend_from_slice(data);
    }

    /// When the byte at `index` was sent.
    pub fn time(&self, index: usize) -> Time {
        let after = self.pieces.partition_point(|(start, _)| *start <= index);
        after.checked_sub(1).map_or(Time::ZERO, |piece| self.pieces[piece].1)
    }

    /// The last `count` lines, a line that has not ended included. What a pattern has to match is shown, even
    /// where a terminal would show nothing.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes[self.bytes.len().saturating_sub(count * 400)..]);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let shown = lines[lines.len().saturating_sub(count)..].iter();
        shown.map(|line| line.chars().map(visible).collect()).collect()
    }
}

fn visible(c: char) -> String {
    if c.is_control() && c != '\t' { format!("\\x{:02x}", u32::from(c)) } else { c.to_string() }
}

/// A frame on a link.
pub(super) struct Frame {
    pub at: Time,
    pub from: usize,
    pub data: Arc<[u8]>,
    /// The endpoints it was for, and whether it gets there.
    pub to: Vec<(usize, bool)>,
}

/// What is kept only when the scenario asks about it, for there may be much of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keep {
    pub frames: bool,
    pub pins: bool,
}

/// Everything seen.
#[derive(Default)]
pub(super) struct Seen {
    texts: BTreeMap<(usize, u16), Text>,
    logs: BTreeMap<usize, Vec<(Time, String)>>,
    exits: BTreeMap<usize, Vec<(Time, i32)>>,
    frames: BTreeMap<usize, Vec<Frame>>,
    pins: BTreeMap<usize, Vec<(Time, String, bool)>>,
    reports: BTreeMap<usize, Vec<(Time, Report)>>,
    keep: Keep,
}

const NO_TEXT: &Text = &Text { bytes: Vec::new(), pieces: Vec::new() };

impl Seen {
    pub fn new(keep: Keep) -> Self {
        Self { keep, ..Self::default() }
    }

    pub fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        if port.kind == PortKind::Uart {
            self.texts.entry((device, sent.port)).or_default().add(sent.at, &sent.data);
        }
    }

    pub fn event(&mut self, device: usize, event: &Event) {
        match &event.kind {
            Kind::Log { who, text, .. } => {
                self.logs.entry(device).or_default().push((event.at, format!("{who}: {text}")));
            }
            Kind::Report(report) => {
                let line = format!("{}: {report}", report.who);
                self.logs.entry(device).or_default().push((event.at, line));
                self.reports.entry(device).or_default().push((event.at, report.clone()));
            }
            Kind::Line { line, level } if self.keep.pins => {
                self.pins.entry(device).or_default().push((event.at, line.clone(), *level));
            }
            Kind::Exit { code } => self.exits.entry(device).or_default().push((event.at, *code)),
            _ => {}
        }
    }

    pub fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        if self.keep.frames {
            let to = frame.fates.iter().filter_map(|(to, fate)| Some(((*to)?, fate.arrives())));
            let (at, from, data, to) = (frame.at, frame.from, frame.data.clone(), to.collect());
            self.frames.entry(link).or_default().push(Frame { at, from, data, to });
        }
    }

    pub fn text(&self, device: usize, port: u16) -> &Text {
        self.texts.get(&(device, port)).unwrap_or(NO_TEXT)
    }

    pub fn texts(&self) -> impl Iterator<Item = (usize, u16, &Text)> {
        self.texts.iter().map(|((device, port), text)| (*device, *port, text))
    }

    pub fn logs(&self, device: usize) -> &[(Time, String)] {
        self.logs.get(&device).map_or(&[], Vec::as_slice)
    }

    pub fn exits(&self, device: usize) -> &[(Time, i32)] {
        self.exits.get(&device).map_or(&[], Vec::as_slice)
    }

    pub fn frames(&self, link: usize) -> &[Frame] {
        self.frames.get(&link).map_or(&[], Vec::as_slice)
    }

    pub fn pins(&self, device: usize) -> &[(Time, String, bool)] {
        self.pins.get(&device).map_or(&[], Vec::as_slice)
    }

    pub fn reports(&self, device: usize) -> &[(Time, Report)] {
        self.reports.get(&device).map_or(&[], Vec::as_slice)
    }

    /// How much of a stream there is.
    pub fn len(&self, stream: Stream) -> usize {
        match stream {
            Stream::Uart(device, port) => self.text(device, port).bytes.len(),
            Stream::Log(device) => self.logs(device).len(),
            Stream::Exit(device) => self.exits(device).len(),
            Stream::Link(link) => self.frames(link).len(),
            Stream::Pins(device) => self.pins(device).len(),
            Stream::Reports(device) => self.reports(device).len(),
        }
    }
}
