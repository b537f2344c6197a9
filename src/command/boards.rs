//! `consort boards`.

use std::process::ExitCode;

use consort_core::device::Device as _;
use consort_core::panel::Takes;
use consort_machines::Machine;
use consort_machines::board::{Board, MemoryKind};
use consort_machines::loader::Firmware;
use consort_machines::machine::Options;
use serde_json::json;

use crate::cli::BoardsArgs;
use crate::console;
use crate::failure::Failure;

/// Lists boards or models, or shows one board.
pub fn run(args: &BoardsArgs) -> Result<ExitCode, Failure> {
    if args.models {
        return models(args.json);
    }
    match &args.name {
        Some(name) => show(name, args.json),
        None => list(args.json),
    }
}

fn list(as_json: bool) -> Result<ExitCode, Failure> {
    let mut boards = Vec::new();
    for name in Board::names() {
        if let Some(board) = Board::builtin(name) {
            boards.push((name, board?.0));
        }
    }
    if as_json {
        let list: Vec<_> =
            boards.iter().map(|(name, board)| json!({ "name": name, "doc": board.doc })).collect();
        console::line(&serde_json::to_string_pretty(&list)?);
    } else {
        let width = boards.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, board) in boards {
            console::line(&format!("{name:<width$}  {}", board.doc));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn models(as_json: bool) -> Result<ExitCode, Failure> {
    let models = consort_peripherals::models();
    if as_json {
        let list: Vec<_> =
            models.iter().map(|model| json!({ "kind": model.kind, "doc": model.doc })).collect();
        console::line(&serde_json::to_string_pretty(&list)?);
    } else {
        let width = models.iter().map(|model| model.kind.len()).max().unwrap_or(0);
        for model in models {
            console::line(&format!("{:<width$}  {}", model.kind, model.doc));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let found = consort_machines::fleet_file::find_board(name, std::path::Path::new(""))?;
    let (board, document) = found.ok_or_else(|| {
        Failure::bad(format!("there is no board `{name}`; there are: {}", Board::names().join(", ")))
    })?;
    if as_json {
        console::line(&serde_json::to_string_pretty(&board)?);
        return Ok(ExitCode::SUCCESS);
    }
    console::line(&board.doc);
    let core = serde_json::to_value(board.processor.core)?;
    console::line(&format!(
        "processor  {} at {} Hz, {} interrupts{}{}",
        core.as_str().unwrap_or_default(),
        board.processor.clock,
        board.processor.interrupts,
        if board.processor.fpu { ", FPU" } else { "" },
        if board.processor.mpu_regions > 0 {
            format!(", MPU with {} regions", board.processor.mpu_regions)
        } else {
            String::new()
        },
    ));
    for (name, memory) in &board.memory {
        let kind = match memory.kind {
            MemoryKind::Ram => "ram",
            MemoryKind::Rom => "rom",
            MemoryKind::Alias => "alias",
        };
        let end = memory.at.0 + memory.size.0 - 1;
        console::line(&format!("{:#010x}-{end:#010x}  {name} ({kind})", memory.at.0));
    }
    for (name, peripheral) in &board.peripherals {
        let irqs: Vec<String> = peripheral
            .irq
            .iter()
            .map(|(line, irq)| match irq {
                consort_machines::board::Irq::Number(number) => format!("{line} irq {number}"),
                consort_machines::board::Irq::Nmi(_) => format!("{line} NMI"),
            })
            .collect();
        let irqs = if irqs.is_empty() { String::new() } else { format!(", {}", irqs.join(", ")) };
        let place = match peripheral.size.0 {
            0 => "without registers".to_owned(),
            size => format!("{:#010x}-{:#010x}", peripheral.at.0, peripheral.at.0 + size - 1),
        };
        console::line(&format!("{place:21}  {name} ({}{irqs})", peripheral.kind));
    }
    for (name, part) in &board.parts {
        let on = if part.on.is_empty() { String::new() } else { format!(" on {}", part.on.join(", ")) };
        console::line(&format!("part  {name} ({}){on}", part.kind));
    }
    // What links join, stimuli set and pictures show, the models themselves know.
    let machine = Machine::build(&board, &document, &Firmware::default(), Options::default())?;
    for port in machine.ports() {
        let kind = serde_json::to_value(port.kind)?;
        console::line(&format!("port  {} ({})", port.name, kind.as_str().unwrap_or_default()));
    }
    for part in machine.parts() {
        for (channel, _) in &part.channels {
            let takes = takes(&channel.takes);
            console::line(&format!("set   {}.{} ({takes}): {}", part.name, channel.name, channel.doc));
        }
        if part.shows.is_some() {
            console::line(&format!("shows {}", part.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a channel takes, as a fleet file writes it.
fn takes(takes: &Takes) -> String {
    match takes {
        Takes::Switch => "true or false".to_owned(),
        Takes::Number { min, max, unit } => format!("{min} to {max} {unit}").trim_end().to_owned(),
        Takes::Text => "text".to_owned(),
        Takes::Touch { width, height } => format!("[x, y] of {width} x {height} pixels, or false"),
    }
}
