//! `consort`: runs a fleet of virtual phones, watches and sensors in one deterministic virtual time.

mod capture;
mod cli;
mod command;
mod console;
mod control;
mod debug;
mod failure;
mod follow;
mod guests;
mod keep;
mod png;
mod record;
mod summary;
mod trace;
mod wall;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let result = match cli.command {
        cli::Command::Boot(args) => command::boot::run(&args),
        cli::Command::Run(args) => command::run::run(&args),
        cli::Command::Gui(args) => command::gui::run(&args),
        cli::Command::Test(args) => command::test::run(&args),
        cli::Command::Replay(args) => command::replay::run(&args),
        cli::Command::Diff(args) => command::diff::run(&args),
        cli::Command::Check(args) => command::check::run(&args),
        cli::Command::Boards(args) => command::boards::run(&args),
        cli::Command::Schema(args) => command::schema::run(args.kind),
        cli::Command::GdbConfig(args) => command::gdb_config::run(&args),
        cli::Command::Completions(args) => command::completions::run(args.shell),
    };
    result.unwrap_or_else(|failure| failure.report())
}
