//! `--trace`: what happened, event by event, as a file.

mod jsonl;
mod perfetto;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use consort_core::fleet::Fleet;
use consort_core::trace::Event;

use crate::failure::Failure;
use perfetto::Perfetto;

/// What a trace is written as, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceTarget {
    format: Format,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A JSON object a line.
    Jsonl,
    /// A timeline that ui.perfetto.dev opens.
    Perfetto,
}

impl TraceTarget {
    /// JSON lines.
    pub fn jsonl(path: &Path) -> Self {
        Self { format: Format::Jsonl, path: path.to_owned() }
    }
}

impl FromStr for TraceTarget {
    type Err = String;

    /// `FORMAT`, `FORMAT:FILE` or `FILE`, whose name tells the format.
    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) =
            match text.split_once(':').map_or((text, None), |(word, path)| (word, Some(path))) {
                ("perfetto", path) => (Format::Perfetto, path.unwrap_or("trace.perfetto.json")),
                ("jsonl", path) => (Format::Jsonl, path.unwrap_or("trace.jsonl")),
                _ if text.ends_with(".perfetto.json") => (Format::Perfetto, text),
                _ => (Format::Jsonl, text),
            };
        if path.is_empty() {
            return Err("expected a file's name".to_owned());
        }
        Ok(Self { format, path: path.into() })
    }
}

/// An open trace.
pub struct Trace {
    names: Vec<String>,
    out: Out,
    timeline: Option<Perfetto>,
}

/// The file; its first error is told at the end.
struct Out {
    path: PathBuf,
    file: BufWriter<File>,
    error: Option<std::io::Error>,
}

impl Out {
    fn line(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = writeln!(self.file, "{text}").err();
        }
    }
}

impl Trace {
    /// Creates the file for a run of the fleet. Whoever runs it must want all events.
    pub fn create(target: &TraceTarget, fleet: &Fleet) -> Result<Self, Failure> {
        let path = target.path.clone();
        let file =
            File::create(&path).map_err(|error| Failure::bad(format!("{}: {error}", path.display())))?;
        let mut out = Out { path, file: BufWriter::new(file), error: None };
        let timeline = (target.format == Format::Perfetto).then(|| Perfetto::begin(&mut out, fleet));
        Ok(Self { names: fleet.names().to_vec(), out, timeline })
    }

    /// Adds an event.
    pub fn add(&mut self, device: usize, event: &Event) {
        match &mut self.timeline {
            Some(timeline) => timeline.add(&mut self.out, device, event),
            None => self.out.line(&jsonl::line(&self.names[device], event)),
        }
    }

    /// Ends the file; an error of any write comes out here.
    pub fn finish(mut self) -> Result<(), Failure> {
        if let Some(timeline) = self.timeline.take() {
            timeline.end(&mut self.out);
        }
        let flushed = self.out.file.flush();
        match self.out.error.take().or(flushed.err()) {
            None => Ok(()),
            Some(error) => Err(Failure::bad(format!("{}: {error}", self.out.path.display()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_said_or_told_by_the_name() {
        let read = |text: &str| text.parse::<TraceTarget>().unwrap();
        let target = |format, path: &str| TraceTarget { format, path: path.into() };
        assert_eq!(read("perfetto"), target(Format::Perfetto, "trace.perfetto.json"));
        assert_eq!(read("perfetto:a.json"), target(Format::Perfetto, "a.json"));
        assert_eq!(read("b.perfetto.json"), target(Format::Perfetto, "b.perfetto.json"));
        assert_eq!(read("jsonl"), target(Format::Jsonl, "trace.jsonl"));
        assert_eq!(read("events"), target(Format::Jsonl, "events"));
        assert!("jsonl:".parse::<TraceTarget>().is_err());
    }
}
