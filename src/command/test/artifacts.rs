//! What a failed scenario leaves behind: the failure file, the trace, frames, UART logs, the message.

use std::path::Path;

use consort_core::device::{Port, Sent};
use consort_core::fleet::{Carried, Observer};
use consort_core::trace::Event;
use consort_machines::scenario::{FailureFile, RunOptions, Scenario, Verdict};

use crate::capture::Capture;
use crate::failure::Failure;
use crate::png;
use crate::trace::{Trace, TraceTarget};

/// Its name in the folder.
pub const FAILURE_FILE: &str = "failure.consort";

/// A folder's name for a case.
pub fn folder_name(id: &str) -> String {
    let id = id.trim_end_matches(')').replace(" (seed ", ".seed-");
    let parts: Vec<String> = id
        .split(['/', '\\'])
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .map(|part| {
            part.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
        })
        .collect();
    parts.join("-")
}

/// Writes everything about a failed run. The trace comes from running once more: equal runs are equal.
pub fn write(folder: &Path, scenario: &Scenario, verdict: &Verdict) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::bad(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).map_err(failed);
    if let Some(file) = FailureFile::new(scenario, verdict)? {
        put(FAILURE_FILE, &file.to_bytes()?)?;
    }
    for (uart, bytes) in &verdict.uarts {
        put(&format!("{uart}.log"), bytes)?;
    }
    for (name, picture) in &verdict.pictures {
        let size = |pixels: u32| {
            u16::try_from(pixels).map_err(|_| Failure::bad("a picture is too large".to_owned()))
        };
        let file =
            png::encode(size(picture.width)?, size(picture.height)?, &picture.rgb).map_err(Failure::bad)?;
        put(name, &file)?;
    }
    let mut message = verdict.failure.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut recorder = Recorder::new(folder, scenario, verdict.seed)?;
    let options = RunOptions { every_event: true, ..RunOptions::default() };
    let again = scenario.run(verdict.seed, &options, &mut recorder)?;
    recorder.finish()?;
    if again.digest != verdict.digest {
        message.push_str(&format!(
            "\nThe second run, for the trace, differs: digest {} at {} s, not {} at {} s. This is a bug in Consort.",
            again.digest, again.at, verdict.digest, verdict.at
        ));
    }
    put("message.txt", format!("{message}\n").as_bytes())
}

struct Recorder {
    trace: Trace,
    capture: Capture,
}

impl Recorder {
    fn new(folder: &Path, scenario: &Scenario, seed: u64) -> Result<Self, Failure> {
        let fleet = scenario.fleet(seed)?.fleet;
        Ok(Self {
            trace: Trace::create(&TraceTarget::jsonl(&folder.join("trace.jsonl")), &fleet)?,
            capture: Capture::create(folder, &fleet)?,
        })
    }

    fn finish(self) -> Result<(), Failure> {
        self.trace.finish()?;
        self.capture.finish()
    }
}

impl Observer for Recorder {
    fn sent(&mut self, _: usize, _: &Port, _: &Sent) {}

    fn event(&mut self, device: usize, event: &Event) {
        self.trace.add(device, event);
    }

    fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        self.capture.carried(link, frame);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn folders_have_plain_names() {
        assert_eq!(super::folder_name("../a b/x.scenario.json (seed 3)"), "a-b-x.scenario.json.seed-3");
    }
}
