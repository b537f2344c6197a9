//! `consort diff`: the first event, and the first instruction, at which two runs differ, and the state they end in.

mod instruction;
mod side;
mod state;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use consort_core::Time;
use consort_core::fleet::Observer;
use consort_core::trace::Event;
use consort_machines::scenario::{FailureFile, RunOptions};
use serde_json::Value;

use self::side::Side;
use crate::cli::DiffArgs;
use crate::console;
use crate::failure::{Failure, NO};
use crate::trace::{Trace, TraceTarget};

/// A line longer than this is no event.
const LONGEST_LINE: u64 = 16 << 20;

/// Compares.
pub fn run(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let folder = tempfile::tempdir()?;
    let mut traces = Vec::new();
    for (index, path) in [&args.a, &args.b].into_iter().enumerate() {
        let trace = trace_of(path, &folder.path().join(format!("{index}.jsonl")))?;
        let file = File::open(&trace).map_err(|error| at(path, &error))?;
        traces.push((path, BufReader::new(file)));
    }
    let mut before: VecDeque<String> = VecDeque::new();
    let mut count = 0u64;
    loop {
        let mut lines = Vec::new();
        for (path, reader) in &mut traces {
            let mut line = String::new();
            let read =
                reader.by_ref().take(LONGEST_LINE).read_line(&mut line).map_err(|error| at(path, &error))?;
            lines.push((read > 0).then(|| line.trim_end().to_owned()));
        }
        match (&lines[0], &lines[1]) {
            (None, None) => return compare_states(args, count),
            (Some(a), Some(b)) if a == b => {
                if before.len() == args.context {
                    before.pop_front();
                }
                if args.context > 0 {
                    before.push_back(a.clone());
                }
                count += 1;
            }
            (a, b) => {
                console::line(&format!("the runs differ from event {} on{}", count + 1, place(a, b)));
                before.iter().for_each(|line| console::line(&format!("    {line}")));
                for (sign, line, (path, _)) in [("-", a, &traces[0]), ("+", b, &traces[1])] {
                    let ended = || format!("(the trace of {} ends here)", path.display());
                    console::line(&format!("  {sign} {}", line.clone().unwrap_or_else(ended)));
                }
                show_instruction(args)?;
                return Ok(ExitCode::from(NO));
            }
        }
    }
}

/// No event differs: the state may still, where both runs can begin again.
fn compare_states(args: &DiffArgs, count: u64) -> Result<ExitCode, Failure> {
    let (Some(a), Some(b)) = (failure_file(&args.a)?, failure_file(&args.b)?) else {
        console::line(&format!("no difference in {count} events"));
        return Ok(ExitCode::SUCCESS);
    };
    Ok(match state::find(&a, &b)? {
        None => {
            console::line(&format!("no difference in {count} events, nor in the state at {} s", a.at));
            ExitCode::SUCCESS
        }
        Some(words) => {
            console::line(&format!("no difference in {count} events, but {words}"));
            ExitCode::from(NO)
        }
    })
}

/// Tells the first instruction that differs, where both runs can begin again.
fn show_instruction(args: &DiffArgs) -> Result<(), Failure> {
    let (Some(a), Some(b)) = (failure_file(&args.a)?, failure_file(&args.b)?) else {
        console::note(
            "two failure files instead of traces would tell the first instruction that differs, too",
        );
        return Ok(());
    };
    let until = a.at.max(b.at);
    let (a, b) = (Side::new(&a)?, Side::new(&b)?);
    console::line(&match instruction::find(&a, &b, until)? {
        Some(words) => format!("the first instruction that differs: {words}"),
        None => {
            "no processor differs: each executes the same instructions with the same registers".to_owned()
        }
    });
    Ok(())
}

/// A failure file; nothing when it is a trace.
fn failure_file(path: &Path) -> Result<Option<FailureFile>, Failure> {
    let bytes = consort_machines::fleet_file::read_bytes(path)?;
    if bytes.first() == Some(&b'{') || bytes.is_empty() {
        return Ok(None);
    }
    let read = FailureFile::from_bytes(&bytes);
    read.map(Some)
        .map_err(|error| Failure::bad(format!("{}: {error}, and no trace of --trace either", path.display())))
}

/// Where and when the first of two events is, in words.
fn place(a: &Option<String>, b: &Option<String>) -> String {
    let read = |line: &Option<String>| serde_json::from_str::<Value>(line.as_deref()?).ok();
    let time = |event: &Value| serde_json::from_value(event["at"].clone()).unwrap_or(Time::MAX);
    let event = [read(a), read(b)].into_iter().flatten().min_by_key(time).unwrap_or_default();
    match (event["device"].as_str(), event["at"].as_str()) {
        (Some(device), Some(at)) => format!(", at {at} on {device}"),
        _ => String::new(),
    }
}

/// The trace of a file: itself, or that of the run of a failure file.
fn trace_of(path: &Path, scratch: &Path) -> Result<PathBuf, Failure> {
    let Some(file) = failure_file(path)? else { return Ok(path.to_owned()) };
    let folder = tempfile::tempdir()?;
    let scenario = file.unpack(folder.path())?;
    let fleet = scenario.fleet(file.seed)?.fleet;
    let mut tracer = Tracer(Trace::create(&TraceTarget::jsonl(scratch), &fleet)?);
    let options = RunOptions { every_event: true, ..RunOptions::default() };
    scenario.run(file.seed, &options, &mut tracer)?;
    tracer.0.finish()?;
    Ok(scratch.to_owned())
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::bad(format!("{}: {error}", path.display()))
}

struct Tracer(Trace);

impl Observer for Tracer {
    fn event(&mut self, device: usize, event: &Event) {
        self.0.add(device, event);
    }
}
