//! `--trace`: every event as a JSON object on a line of its own.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use consort_core::trace::Event;
use serde::Serialize;

use crate::failure::Failure;

/// An open trace file.
pub struct TraceFile {
    path: PathBuf,
    out: BufWriter<File>,
    error: Option<std::io::Error>,
}

#[derive(Serialize)]
struct Line<'a> {
    device: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

impl TraceFile {
    /// Creates the file.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file =
            File::create(path).map_err(|error| Failure::bad(format!("{}: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file), error: None })
    }

    /// Adds an event.
    pub fn add(&mut self, device: &str, event: &Event) {
        if self.error.is_some() {
            return;
        }
        let line = serde_json::to_string(&Line { device, event }).unwrap_or_default();
        self.error = writeln!(self.out, "{line}").err();
    }

    /// Ends the file; an error of any write comes out here.
    pub fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.out.flush();
        match self.error.take().or(flushed.err()) {
            None => Ok(()),
            Some(error) => Err(Failure::bad(format!("{}: {error}", self.path.display()))),
        }
    }
}
