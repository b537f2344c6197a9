//! Packages with firmware that somebody else made, as tests fetch them from PyPI.

#![expect(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A package, installed into a folder of its own; `None` where that is not possible.
///
/// Without Python or the network a test says that it is skipped; with CI set it fails.
pub fn package(name: &str, options: &[&str]) -> Option<PathBuf> {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let home = temporary.join(name);
    if home.exists() {
        return Some(home);
    }
    // Tests run at the same time in several threads or processes: the first that is done gives the folder its name.
    let mine = temporary.join(format!("{name}.{}.{:?}", std::process::id(), std::thread::current().id()));
    let install = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
        .arg(&mine)
        .args(options)
        .arg(name)
        .output();
    let problem = match install {
        Ok(output) if output.status.success() => {
            if std::fs::rename(&mine, &home).is_err() {
                std::fs::remove_dir_all(&mine).unwrap();
            }
            return Some(home);
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("CI").is_none(), "{name} cannot be installed: {problem}");
    eprintln!("skipped: {name} cannot be installed: {problem}");
    None
}
