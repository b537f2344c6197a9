//! `consort test`: finds scenario files, runs them, and sums up.

mod artifacts;
mod junit;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use consort_core::Time;
use consort_core::fleet::{Carried, Fleet, Observer};
use consort_machines::scenario::{RunOptions, SUFFIX, Scenario, Verdict};
use indicatif::{ProgressBar, ProgressStyle};
use regex::Regex;

use crate::capture::Capture;
use crate::cli::TestArgs;
use crate::console;
use crate::failure::{BAD, Failure, NO};
use crate::guests::Guests;
use crate::wall::Watch;

/// A scenario with one of its seeds.
struct Case {
    scenario: Arc<Scenario>,
    seed: u64,
    /// The file, and the seed where there are several.
    id: String,
}

/// How a case went.
struct Report {
    id: String,
    result: Result<Verdict, String>,
    wall_seconds: f64,
    /// Where the artefacts of a failure are, or why there are none.
    artifacts: Option<Result<PathBuf, String>>,
}

impl Report {
    fn passed(&self) -> bool {
        self.result.as_ref().is_ok_and(|verdict| verdict.complete && verdict.failure.is_none())
    }

    /// What to tell about a case that did not pass.
    fn message(&self) -> String {
        let mut message = match &self.result {
            Err(error) => error.clone(),
            Ok(Verdict { failure: Some(failure), .. }) => failure.to_string(),
            Ok(Verdict { complete: false, at, .. }) => format!("interrupted at {at} s"),
            Ok(_) => String::new(),
        };
        match &self.artifacts {
            Some(Ok(folder)) => {
                let file = folder.join(artifacts::FAILURE_FILE);
                message.push_str(&format!(
                    "\n  artefacts: {}\n  again:     consort replay {}",
                    folder.display(),
                    file.display()
                ));
            }
            Some(Err(error)) => message.push_str(&format!("\n  no artefacts: {error}")),
            None => {}
        }
        message
    }
}

/// Runs all that is asked for.
pub fn run(args: &TestArgs) -> Result<ExitCode, Failure> {
    let mut bad = Vec::new();
    let mut cases = Vec::new();
    for path in discover(&args.path)? {
        match cases_of(&path, args) {
            Ok(found) => cases.extend(found),
            Err(failure) => bad.push((path, failure)),
        }
    }
    if let Some(filter) = &args.filter {
        let filter = Regex::new(filter).map_err(|error| Failure::bad(format!("--filter: {error}")))?;
        cases.retain(|case| filter.is_match(&case.id));
        bad.retain(|(path, _)| filter.is_match(&path.display().to_string()));
    }
    if let Some(shard) = args.shard {
        let mut index = 0;
        cases.retain(|_| {
            index += 1;
            (index - 1) % shard.count == shard.index - 1
        });
    }
    if args.list {
        cases.iter().for_each(|case| console::line(&case.id));
        return Ok(if bad.is_empty() { ExitCode::SUCCESS } else { report_bad(bad) });
    }
    if cases.is_empty() && bad.is_empty() {
        return Err(Failure::bad(format!("there is nothing to run: no file ending in {SUFFIX} was chosen")));
    }
    if has_guests(args) && cases.len() != 1 {
        return Err(Failure::bad(format!(
            "--gdb and --control are for one scenario with one seed: {} were chosen",
            cases.len()
        )));
    }
    let watch = Watch::start();
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || {
        // The second Ctrl-C does not wait.
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })?;
    let mut reports = run_cases(&cases, args, &interrupted);
    reports.sort_by_key(|(index, _)| *index);
    let reports: Vec<Report> = reports.into_iter().map(|(_, report)| report).collect();
    let bad_files: Vec<(String, String)> =
        bad.iter().map(|(path, failure)| (path.display().to_string(), failure.to_string())).collect();
    if let Some(path) = &args.junit {
        junit::write(path, &reports, &bad_files, watch.seconds())?;
    }
    Ok(sum_up(&reports, bad, cases.len(), watch.seconds()))
}

fn has_guests(args: &TestArgs) -> bool {
    args.debug.base().is_some() || args.door.control.is_some()
}

/// All scenario files at or below the paths, sorted.
fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let data = std::fs::metadata(path).map_err(|error| at(path, &error))?;
        if data.is_dir() {
            walk(path, &mut found, 0)?;
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Deeper folders are a mistake, or a link that leads around.
const MAX_DEPTH: usize = 32;

fn walk(folder: &Path, found: &mut Vec<PathBuf>, depth: usize) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder).map_err(|error| at(folder, &error))? {
        let entry = entry.map_err(|error| at(folder, &error))?;
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        if path.is_dir() {
            if !hidden && depth < MAX_DEPTH && !entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                walk(&path, found, depth + 1)?;
            }
        } else if name.to_string_lossy().ends_with(SUFFIX) {
            found.push(path);
        }
    }
    Ok(())
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::bad(format!("{}: {error}", path.display()))
}

fn cases_of(path: &Path, args: &TestArgs) -> Result<Vec<Case>, Failure> {
    let mut scenario = Scenario::load(path)?;
    scenario.set_timing(args.timing.map(Into::into));
    let scenario = Arc::new(scenario);
    scenario.check()?;
    let seeds: Vec<u64> = match args.seeds {
        Some(range) => (range.first..=range.last).collect(),
        None => scenario.seeds()?,
    };
    let several = seeds.len() > 1;
    let cases = seeds.into_iter().map(|seed| {
        let name = scenario.name();
        let id = if several { format!("{name} (seed {seed})") } else { name.to_owned() };
        Case { scenario: scenario.clone(), seed, id }
    });
    Ok(cases.collect())
}

fn run_cases(cases: &[Case], args: &TestArgs, interrupted: &AtomicBool) -> Vec<(usize, Report)> {
    let progress = console::is_terminal().then(|| {
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} [{wide_bar}] {msg}");
        let bar = ProgressBar::new(cases.len() as u64);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    });
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut reports = Vec::new();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..args.jobs.clamp(1, cases.len().max(1)) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && !interrupted.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    if sender.send((index, run_case(case, args, interrupted))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (index, report) in receiver {
            if !report.passed() && args.fail_fast {
                stop.store(true, Ordering::Relaxed);
            }
            let show = || show(&report);
            match &progress {
                Some(progress) => {
                    progress.suspend(show);
                    progress.inc(1);
                    progress.set_message(report.id.clone());
                }
                None => show(),
            }
            reports.push((index, report));
        }
    });
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    reports
}

/// Ends a run when the person at the terminal has had enough, and captures its frames when asked to.
struct Onlooker<'a> {
    interrupted: &'a AtomicBool,
    capture: Option<Capture>,
}

impl Observer for Onlooker<'_> {
    fn window(&mut self, _: Time) -> ControlFlow<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        if let Some(capture) = &mut self.capture {
            capture.carried(link, frame);
        }
    }
}

fn run_case(case: &Case, args: &TestArgs, interrupted: &AtomicBool) -> Report {
    let watch = Watch::start();
    // A panic is a bug in Consort: the other cases still have an answer.
    let run = std::panic::AssertUnwindSafe(|| judge(case, args, interrupted));
    let result = match std::panic::catch_unwind(run) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("consort itself failed: please report this with the scenario".to_owned()),
    };
    let wall_seconds = watch.seconds();
    let failed = result.as_ref().ok().filter(|verdict| verdict.failure.is_some());
    let artifacts = failed.map(|verdict| {
        let folder = args.artifacts.join(artifacts::folder_name(&case.id));
        artifacts::write(&folder, &case.scenario, verdict).map_err(|error| error.to_string()).map(|()| folder)
    });
    Report { id: case.id.clone(), result, wall_seconds, artifacts }
}

fn judge(case: &Case, args: &TestArgs, interrupted: &AtomicBool) -> Result<Verdict, Failure> {
    let capture = args.pcap.as_ref().map(|folder| {
        let folder = folder.join(artifacts::folder_name(&case.id));
        Capture::create(&folder, &case.scenario.fleet(case.seed)?.fleet)
    });
    let mut onlooker = Onlooker { interrupted, capture: capture.transpose()? };
    let options = RunOptions::default();
    let verdict = if has_guests(args) {
        let mut guests = Guests::of_scenario(&args.debug, &args.door, &case.scenario, case.seed)?;
        let mut drive = |fleet: &mut Fleet, until, observer: &mut dyn Observer| {
            let stop = guests.run_until(fleet, until, observer);
            if guests.has_ended_it() {
                interrupted.store(true, Ordering::SeqCst);
                // The judge hears of it as of Ctrl-C.
                let _ = observer.window(fleet.now());
            }
            stop
        };
        let verdict = case.scenario.run_driven(case.seed, &options, &mut onlooker, &mut drive);
        guests.finish();
        verdict?
    } else {
        case.scenario.run(case.seed, &options, &mut onlooker)?
    };
    onlooker.capture.map_or(Ok(()), Capture::finish)?;
    Ok(verdict)
}

fn show(report: &Report) {
    let (word, style) = match report.passed() {
        true => ("PASS", console::good()),
        false => ("FAIL", console::bad()),
    };
    let mut line = format!("{style}{word:>8}{style:#} [{:>8.3}s] {}", report.wall_seconds, report.id);
    if let (true, Ok(verdict)) = (report.passed(), &report.result) {
        let dim = console::dim();
        line.push_str(&format!("{dim}  {} s virtual, digest {}{dim:#}", verdict.at, verdict.digest));
    }
    console::line(&line);
    if !report.passed() {
        report.message().lines().for_each(|line| console::line(&format!("         {line}")));
    }
}

fn report_bad(bad: Vec<(PathBuf, Failure)>) -> ExitCode {
    for (_, failure) in bad {
        failure.report();
    }
    ExitCode::from(BAD)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn sum_up(reports: &[Report], bad: Vec<(PathBuf, Failure)>, cases: usize, seconds: f64) -> ExitCode {
    let passed = reports.iter().filter(|report| report.passed()).count();
    let failed = reports.len() - passed;
    let unusable = reports.iter().filter(|report| report.result.is_err()).count();
    let skipped = cases - reports.len();
    console::line("------------");
    let mut line = format!(
        " Summary [{seconds:>8.3}s] {} run: {passed} passed, {failed} failed",
        count(reports.len(), "scenario")
    );
    if skipped > 0 {
        line.push_str(&format!(", {skipped} not run"));
    }
    if !bad.is_empty() {
        line.push_str(&format!(", {} cannot be used", count(bad.len(), "file")));
    }
    console::line(&line);
    let style = console::bad();
    for report in reports.iter().filter(|report| !report.passed()) {
        console::line(&format!("{style}    FAIL{style:#} {}", report.id));
    }
    if !bad.is_empty() || unusable > 0 {
        report_bad(bad)
    } else if failed + skipped > 0 {
        ExitCode::from(NO)
    } else {
        ExitCode::SUCCESS
    }
}
