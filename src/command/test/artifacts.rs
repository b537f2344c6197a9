//! What a failed scenario leaves behind: the failure file, the trace, frames, UART logs, the message.

use std::collections::BTreeMap;
use std::path::Path;

use consort_core::device::{Port, Sent};
use consort_core::fleet::{Carried, Observer};
use consort_core::trace::Event;
use consort_machines::scenario::{FailureFile, RunOptions, Scenario, Verdict};

use super::pcapng::Pcapng;
use crate::failure::Failure;
use crate::trace_file::TraceFile;

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
    let mut message = verdict.failure.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut recorder = Recorder::new(folder, scenario, verdict.seed)?;
    let options = RunOptions { every_event: true, ..RunOptions::default() };
    let again = scenario.run(verdict.seed, &options, &mut recorder)?;
    recorder.finish(folder)?;
    if again.digest != verdict.digest {
        message.push_str(&format!(
            "\nThe second run, for the trace, differs: digest {} at {} s, not {} at {} s. This is a bug in Consort.",
            again.digest, again.at, verdict.digest, verdict.at
        ));
    }
    put("message.txt", format!("{message}\n").as_bytes())
}

struct Recorder {
    names: Vec<String>,
    links: Vec<String>,
    trace: TraceFile,
    frames: BTreeMap<usize, Pcapng>,
}

impl Recorder {
    fn new(folder: &Path, scenario: &Scenario, seed: u64) -> Result<Self, Failure> {
        let fleet = scenario.fleet(seed)?.fleet;
        Ok(Self {
            names: fleet.names().to_vec(),
            links: fleet.links().map(|(name, _)| name.to_owned()).collect(),
            trace: TraceFile::create(&folder.join("trace.jsonl"))?,
            frames: BTreeMap::new(),
        })
    }

    fn finish(self, folder: &Path) -> Result<(), Failure> {
        self.trace.finish()?;
        for (link, frames) in self.frames {
            let path = folder.join(format!("{}.pcapng", self.links[link]));
            std::fs::write(&path, frames.bytes())
                .map_err(|error| Failure::bad(format!("{}: {error}", path.display())))?;
        }
        Ok(())
    }
}

impl Observer for Recorder {
    fn sent(&mut self, _: usize, _: &Port, _: &Sent) {}

    fn event(&mut self, device: usize, event: &Event) {
        self.trace.add(&self.names[device], event);
    }

    fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        self.frames.entry(link).or_insert_with(|| Pcapng::new(&self.links[link])).add(frame.at, frame.data);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn folders_have_plain_names() {
        assert_eq!(super::folder_name("../a b/x.scenario.json (seed 3)"), "a-b-x.scenario.json.seed-3");
    }
}
