//! What is around a run: the program that starts runs, the examples, the files opened lately.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use consort_core::control::FleetInfo;
use consort_core::starter::{Ask, Example, Said};

/// Everything that the start screen and the bar need to know.
#[derive(Default)]
pub struct Home {
    /// Runs can be started from here.
    pub starts: bool,
    /// Examples.
    pub examples: Vec<Example>,
    /// Boards.
    pub boards: Vec<String>,
    /// Files opened lately, the latest first.
    pub recent: Vec<PathBuf>,
    /// The file of the run.
    pub file: Option<PathBuf>,
    /// Firmware that waits for its board to be chosen.
    pub firmware: Option<PathBuf>,
    /// A file that cannot be run, and why.
    pub failed: Option<(PathBuf, String)>,
    /// A file of the run that is another one now.
    pub changed: Option<PathBuf>,
    /// A run is being started.
    pub starting: Option<String>,
    /// The fleet before, while a run begins again.
    pub again: Option<FleetInfo>,
}

impl Home {
    /// Remembers a file as the latest.
    pub fn remember(&mut self, file: PathBuf) {
        self.recent.retain(|known| *known != file);
        self.recent.insert(0, file);
        self.recent.truncate(12);
    }
}

/// The line to the program that starts runs: its standard output is our input.
pub struct Starter {
    heard: Receiver<Said>,
}

impl Starter {
    /// Listens on standard input; `wake` is called when something was said.
    pub fn listen(wake: impl Fn() + Send + 'static) -> Self {
        let (give, heard) = channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if let Ok(said) = serde_json::from_str(&line)
                    && give.send(said).is_err()
                {
                    return;
                }
                wake();
            }
        });
        Self { heard }
    }

    /// What was said since the last call.
    pub fn take(&self) -> Option<Said> {
        self.heard.try_recv().ok()
    }

    /// Asks for a run.
    pub fn ask(&self, ask: &Ask) {
        let line = serde_json::to_string(ask).unwrap_or_default();
        let mut out = std::io::stdout().lock();
        // When nobody listens any more, nobody can start runs either; the window says so by itself.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_file_comes_first_and_once() {
        let mut home = Home::default();
        for index in 0..20 {
            home.remember(PathBuf::from(format!("{}.json", index % 15)));
        }
        assert_eq!(home.recent.len(), 12);
        assert_eq!(home.recent[..2], [PathBuf::from("4.json"), PathBuf::from("3.json")]);
    }
}
