//! One file per subcommand.

pub mod boards;
pub mod boot;
pub mod check;
pub mod completions;
pub mod diff;
pub mod gdb_config;
pub mod gui;
pub mod replay;
pub mod run;
pub mod schema;
pub mod test;
