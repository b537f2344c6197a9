//! `consort schema`.

use std::process::ExitCode;

use consort_machines::{board, fleet_file, scenario};

use crate::cli::SchemaKind;
use crate::failure::Failure;

/// Prints a schema.
pub fn run(kind: SchemaKind) -> Result<ExitCode, Failure> {
    let schema = match kind {
        SchemaKind::Fleet => fleet_file::schema(),
        SchemaKind::Board => board::schema(),
        SchemaKind::Scenario => scenario::schema(),
    };
    crate::console::line(&serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
