//! Boards as data, the machine they build, firmware loading and fleet files.
//!
//! | module | what it is |
//! |---|---|
//! | [`board`] | board files |
//! | [`boot`] | device trees, and kernels in memory |
//! | [`fleet_file`] | fleet files, and the fleets they describe |
//! | [`json`] | JSON with comments, and errors that name the place |
//! | [`loader`] | ELF, Intel HEX, UF2 and raw binaries |
//! | [`machine`] | a processor with its memory and components, as a device of a fleet |
//! | [`scenario`] | scenario files: what is done to a fleet and expected of it, and the judge |

pub mod board;
pub mod boot;
mod cores;
pub mod fleet_file;
pub mod json;
pub mod loader;
pub mod machine;
pub mod scenario;

pub use machine::Machine;

/// ` (did you mean ...?)`, or the list of what there is when nothing is close, or nothing at all.
fn suggest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let near = known.iter().map(|name| (strsim::damerau_levenshtein(wrong, name), *name)).min();
    match near {
        Some((distance, name)) if distance <= 2.max(wrong.len() / 3) => format!(" (did you mean `{name}`?)"),
        _ if !known.is_empty() && known.len() <= 40 => format!("; there are: {}", known.join(", ")),
        _ => String::new(),
    }
}
