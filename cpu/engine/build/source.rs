//! Finds the registry's source of the pinned version and copies it, patched, without touching unchanged files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::patch::FilePatch;

const VERSION: &str = "2.1.5";

/// The published crate's SHA-256, as the registry's index states it and cargo verifies it.
const CHECKSUM: &str = "685282714d35a6fbfed0ae14d81bb11c91838bc7a165cac778321679a7bb91d8";

/// Lets cargo fetch the published crate and returns the folder of its source.
pub fn fetch(dir: &Path) -> Result<PathBuf, String> {
    let manifest = dir.join("Cargo.toml");
    fs::create_dir_all(dir).map_err(|e| format!("cannot create {}: {e}", dir.display()))?;
    // The empty workspace table keeps cargo from finding ours above, whose patch would lead back to this crate.
    let text = format!(
        "[package]\nname = \"unicorn-source\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \
         \"lib.rs\"\n\n[dependencies]\nunicorn-engine-sys = {{ version = \"={VERSION}\", default-features = false \
         }}\n\n[workspace]\n"
    );
    write_if_changed(&manifest, text.as_bytes())?;
    write_if_changed(&dir.join("lib.rs"), b"")?;

    // The cache usually has it: only ask the network when it does not.
    let metadata = match metadata(&manifest, true) {
        Ok(metadata) => metadata,
        Err(offline) => metadata(&manifest, false).map_err(|online| {
            format!("cargo cannot fetch unicorn-engine-sys {VERSION}:\n{online}\n(and it is not cached: {offline})")
        })?,
    };
    verify_checksum(&dir.join("Cargo.lock"))?;
    let package = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "unicorn-engine-sys" && package["version"] == VERSION)
        .ok_or_else(|| format!("cargo metadata does not list unicorn-engine-sys {VERSION}"))?;
    let found = package["manifest_path"].as_str().unwrap_or_default();
    Path::new(found)
        .parent()
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("cargo metadata gives no folder: {found:?}"))
}

fn metadata(manifest: &Path, offline: bool) -> Result<serde_json::Value, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version=1", "--manifest-path"]).arg(manifest);
    if offline {
        command.arg("--offline");
    }
    let output = command.output().map_err(|e| format!("cannot run cargo: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata is not JSON: {e}"))
}

/// Cargo verified the archive against the index; this holds the index to the archive the patch was made for.
fn verify_checksum(lock: &Path) -> Result<(), String> {
    let text = fs::read_to_string(lock).map_err(|e| format!("cannot read {}: {e}", lock.display()))?;
    let entry = text
        .split("[[package]]")
        .find(|entry| entry.contains("name = \"unicorn-engine-sys\""))
        .ok_or("the lock file does not name unicorn-engine-sys")?;
    if entry.contains(&format!("checksum = \"{CHECKSUM}\"")) {
        Ok(())
    } else {
        Err(format!(
            "the registry's unicorn-engine-sys {VERSION} is not the archive the patch was made for:{entry}"
        ))
    }
}

/// Copies `from` to `to`, applying the patches; a file whose content stays the same keeps its time stamp, so that
/// cmake rebuilds only what changed.
pub fn copy(from: &Path, to: &Path, patches: &[FilePatch]) -> Result<(), String> {
    let mut used = vec![false; patches.len()];
    copy_folder(from, to, Path::new(""), patches, &mut used)?;
    match used.iter().position(|used| !used) {
        None => Ok(()),
        Some(unused) => Err(format!(
            "{} changes {}, which upstream {VERSION} does not have",
            patches[unused].origin,
            patches[unused].path.display()
        )),
    }
}

fn copy_folder(
    from: &Path,
    to: &Path,
    inside: &Path,
    patches: &[FilePatch],
    used: &mut [bool],
) -> Result<(), String> {
    let problem = |e: std::io::Error| format!("cannot copy {}: {e}", from.join(inside).display());
    fs::create_dir_all(to.join(inside)).map_err(problem)?;
    for entry in fs::read_dir(from.join(inside)).map_err(problem)? {
        let entry = entry.map_err(problem)?;
        let path = inside.join(entry.file_name());
        if entry.file_type().map_err(problem)?.is_dir() {
            copy_folder(from, to, &path, patches, used)?;
            continue;
        }
        let mut content = fs::read(entry.path()).map_err(problem)?;
        for (patch, used) in patches.iter().zip(used.iter_mut()).filter(|(patch, _)| patch.path == path) {
            *used = true;
            content = patch.apply(&content)?;
        }
        write_if_changed(&to.join(&path), &content)?;
    }
    Ok(())
}

fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(path, content).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
