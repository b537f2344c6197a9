//! `consort completions`.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::failure::Failure;

/// Prints a completion script.
pub fn run(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "consort", &mut script);
    crate::console::bytes(&script);
    Ok(ExitCode::SUCCESS)
}
