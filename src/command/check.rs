//! `consort check`.

use std::path::Path;
use std::process::ExitCode;

use consort_machines::board::Board;
use consort_machines::fleet_file::{FleetFile, Overrides, read_bytes};
use consort_machines::json::Document;
use consort_machines::loader;
use consort_machines::scenario::Scenario;

use crate::cli::CheckArgs;
use crate::console;
use crate::failure::{BAD, Failure};

/// Reads every file as thoroughly as a run would, and tells what is wrong.
pub fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let mut bad = 0;
    for path in &args.file {
        match check(path) {
            Ok(what) => console::line(&format!("{}: ok, {what}", path.display())),
            Err(failure) => {
                bad += 1;
                failure.report();
            }
        }
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

fn check(path: &Path) -> Result<String, Failure> {
    let name = path.display().to_string();
    let bytes = read_bytes(path)?;
    if path.extension().is_none_or(|extension| extension != "json") {
        let image = loader::load(&bytes, &name, None, None)?;
        let size: usize = image.segments.iter().map(|segment| segment.data.len()).sum();
        return Ok(format!("{}: {size} bytes, {} symbols", image.format, image.symbols.len()));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::bad(format!("{name}: is not UTF-8 text")))?;
    let document = Document::parse(&name, &text)?;
    if document.value.get("steps").is_some() {
        let steps = Scenario::load(path)?.check()?;
        Ok(format!("a scenario of {steps} steps"))
    } else if document.value.get("devices").is_some() {
        let loaded = FleetFile::load(path, &Overrides::default())?;
        let links = loaded.fleet.links().count();
        Ok(format!("a fleet of {} devices and {links} links", loaded.fleet.names().len()))
    } else {
        let (board, document) = Board::parse(&name, &text)?;
        consort_machines::Machine::build(
            &board,
            &document,
            &loader::Firmware::default(),
            consort_machines::machine::Options::default(),
        )?;
        Ok(format!("a board with {} peripherals", board.peripherals.len()))
    }
}
