//! One file per subcommand.

pub mod boards;
pub mod boot;
pub mod check;
pub mod completions;
pub mod run;
pub mod schema;
