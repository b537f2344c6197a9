//! `--record`: what people and programs did to a run, as a journal and as the steps of a scenario.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use consort_core::Time;
use consort_core::device::Action;
use consort_core::fleet::{Fleet, Stimulus, StimulusKind};
use consort_core::link::Rule;
use consort_machines::fleet_file::read_bytes;
use consort_machines::scenario::SUFFIX;
use serde_json::{Value, json};

use crate::console;
use crate::failure::Failure;

/// Writes the stimuli after the first `given` ones, which the fleet file gives itself: to `path` as a scenario, and
/// beside it as a journal.
pub fn write(path: &Path, fleet_file: &Path, fleet: &Fleet, given: usize, seed: u64) -> Result<(), Failure> {
    let mut stimuli: Vec<&Stimulus> = fleet.journal().iter().skip(given).collect();
    stimuli.sort_by_key(|stimulus| stimulus.at);
    let (mut steps, mut now, mut untold) = (Vec::new(), Time::ZERO, 0);
    for stimulus in &stimuli {
        let Some(step) = step(fleet, stimulus) else {
            untold += 1;
            continue;
        };
        if stimulus.at > now {
            now = stimulus.at;
            steps.push(json!({ "run-until": now }));
        }
        steps.push(step);
    }
    steps.push(json!({ "run-until": fleet.now() }));
    let scenario = json!({
        "doc": "A recorded session: what was done, at the times it was done; add what is expected",
        "fleet": relative(fleet_file, path),
        "seeds": [seed],
        "limit": fleet.now() + Time::from_secs(1),
        "steps": steps,
    });
    let lines = stimuli.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    let journal = journal_path(path);
    put(path, &format!("{scenario:#}\n"))?;
    put(&journal, &lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    let count = stimuli.len();
    console::note(&format!("{count} inputs recorded: {} and {}", path.display(), journal.display()));
    if untold > 0 {
        console::warning(&format!("{untold} of them are no steps of a scenario; the journal has them all"));
    }
    Ok(())
}

/// Gives a fleet the stimuli of a journal.
pub fn give(fleet: &mut Fleet, path: &Path) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(&read_bytes(path)?).into_owned();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = |error: &dyn std::fmt::Display| {
            Failure::bad(format!("{}:{}: {error}", path.display(), index + 1))
        };
        let stimulus: Stimulus = serde_json::from_str(line).map_err(|error| at(&error))?;
        fleet.inject(stimulus).map_err(|error| at(&error))?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::bad(format!("{}: {error}", path.display())))
}

/// The journal beside a scenario.
fn journal_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{}.journal.jsonl", name.strip_suffix(SUFFIX).unwrap_or(&name)))
}

/// A stimulus as a step.
fn step(fleet: &Fleet, stimulus: &Stimulus) -> Option<Value> {
    match &stimulus.what {
        StimulusKind::Device(device, action) => Some(match action {
            Action::Send { port, data } => {
                let text = std::str::from_utf8(data).ok().filter(|text| !text.contains("${"))?;
                json!({ "send": { "device": device, "uart": port, "text": text } })
            }
            Action::Set { component, channel, value } => {
                let channel = format!("{component}.{channel}");
                json!({ "set": { "device": device, "channel": channel, "to": value } })
            }
            Action::Reset => json!({ "power": { "device": device, "do": "reset" } }),
            Action::PowerOff => json!({ "power": { "device": device, "do": "off" } }),
            Action::PowerOn => json!({ "power": { "device": device, "do": "on" } }),
            _ => return None,
        }),
        StimulusKind::Link(link, Rule { before, from, to, fault, .. }) => {
            let (_, ends) = fleet.links().find(|(name, _)| name == link)?;
            let name = |end: &Option<usize>| Some(fleet.names().get(ends.get((*end)?)?.device)?.clone());
            let mut step = json!({ "link": link, "fault": fault });
            for (word, end) in [("from", from), ("to", to)] {
                if end.is_some() {
                    step[word] = name(end)?.into();
                }
            }
            if *before != Time::MAX {
                step["for"] = json!(before.since(stimulus.at));
            }
            Some(json!({ "fault": step }))
        }
        StimulusKind::Move(device, to) => Some(json!({ "move": { "device": device, "to": to } })),
        // No step says it: only the journal.
        StimulusKind::Mend(..) => None,
    }
}

/// The path of `file` as seen from the folder of `from`.
fn relative(file: &Path, from: &Path) -> String {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = from.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (file, folder) = (whole(file), whole(folder));
    let (mut file_parts, mut folder_parts) = (file.components().peekable(), folder.components().peekable());
    while file_parts.peek().is_some() && file_parts.peek() == folder_parts.peek() {
        file_parts.next();
        folder_parts.next();
    }
    let up = folder_parts.map(|_| OsString::from(".."));
    let down = file_parts.map(|part: Component<'_>| part.as_os_str().to_owned());
    up.chain(down).collect::<PathBuf>().to_string_lossy().replace('\\', "/")
}
