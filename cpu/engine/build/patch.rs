//! Reads and applies unified diffs strictly: every context and removed line must match, or the build stops.

use std::fs;
use std::path::{Path, PathBuf};

/// The hunks of one patch for one file.
pub struct FilePatch {
    /// The patch file's name, for messages.
    pub origin: String,
    /// The file it changes, relative to the source's root.
    pub path: PathBuf,
    hunks: Vec<Hunk>,
}

struct Hunk {
    /// The line its heading states, counted from zero.
    line: usize,
    heading: String,
    old: Vec<String>,
    new: Vec<String>,
}

/// Reads every `*.patch` of a folder in the order of their names.
pub fn read_all(dir: &Path) -> Result<Vec<FilePatch>, String> {
    let unreadable = |e: std::io::Error| format!("cannot read {}: {e}", dir.display());
    let mut names: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    names.retain(|name| name.extension().is_some_and(|extension| extension == "patch"));
    names.sort();
    let mut patches = Vec::new();
    for name in names {
        let text = fs::read_to_string(&name).map_err(|e| format!("cannot read {}: {e}", name.display()))?;
        let origin = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        parse(&text, &origin, &mut patches)?;
    }
    Ok(patches)
}

fn parse(text: &str, origin: &str, patches: &mut Vec<FilePatch>) -> Result<(), String> {
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            let path = PathBuf::from(path.trim_end());
            patches.push(FilePatch { origin: origin.to_owned(), path, hunks: Vec::new() });
        } else if line.starts_with("@@ -") {
            let (line_number, mut old_left, mut new_left) =
                heading(line).ok_or_else(|| format!("{origin}: unreadable hunk heading {line:?}"))?;
            let mut hunk = Hunk {
                line: line_number.saturating_sub(1),
                heading: line.trim_end().to_owned(),
                old: Vec::new(),
                new: Vec::new(),
            };
            while old_left > 0 || new_left > 0 {
                let body =
                    lines.next().ok_or_else(|| format!("{origin}: hunk {} is cut short", hunk.heading))?;
                let (kind, rest) = if body == "\n" { (" ", "\n") } else { body.split_at(1) };
                if kind == " " || kind == "-" {
                    hunk.old.push(rest.to_owned());
                    old_left = old_left.saturating_sub(1);
                }
                if kind == " " || kind == "+" {
                    hunk.new.push(rest.to_owned());
                    new_left = new_left.saturating_sub(1);
                }
                if !matches!(kind, " " | "-" | "+") {
                    return Err(format!("{origin}: unexpected line {body:?} in hunk {}", hunk.heading));
                }
            }
            match patches.last_mut() {
                Some(patch) if patch.origin == origin => patch.hunks.push(hunk),
                _ => return Err(format!("{origin}: hunk {} names no file", hunk.heading)),
            }
        }
    }
    Ok(())
}

/// Reads `@@ -line,old +line,new @@`.
fn heading(line: &str) -> Option<(usize, usize, usize)> {
    let mut ranges = line.strip_prefix("@@ -")?.split(" @@").next()?.split(" +");
    let mut range = || -> Option<(usize, usize)> {
        let (start, count) = ranges.next().map(|range| range.split_once(',').unwrap_or((range, "1")))?;
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let (start, old) = range()?;
    let (_, new) = range()?;
    Some((start, old, new))
}

impl Hunk {
    /// Where its old lines are: at the line it states or, as patches applied before may have moved it, at the only
    /// other place that has them.
    fn place(&self, lines: &[&str], from: usize) -> Result<usize, String> {
        let is_at =
            |start: usize| lines.get(start..start + self.old.len()).is_some_and(|old| old == self.old);
        if self.line >= from && is_at(self.line) {
            return Ok(self.line);
        }
        let mut places = (from..lines.len()).filter(|start| is_at(*start));
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place),
            (None, _) => Err(format!("does not match hunk `{}`", self.heading)),
            (Some(_), Some(_)) => Err(format!("has several places for hunk `{}`", self.heading)),
        }
    }
}

impl FilePatch {
    /// The patched content.
    pub fn apply(&self, content: &[u8]) -> Result<Vec<u8>, String> {
        let text = std::str::from_utf8(content).map_err(|_| self.mismatch("is not UTF-8"))?;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut patched = String::with_capacity(text.len() + 4096);
        let mut done = 0;
        for hunk in &self.hunks {
            let start = hunk.place(&lines, done).map_err(|what| self.mismatch(&what))?;
            patched.extend(lines[done..start].iter().copied());
            patched.extend(hunk.new.iter().map(String::as_str));
            done = start + hunk.old.len();
        }
        patched.extend(lines[done..].iter().copied());
        Ok(patched.into_bytes())
    }

    fn mismatch(&self, what: &str) -> String {
        format!(
            "{} {what} of {}: upstream's source changed under the patch; port the hunk to the new version",
            self.path.display(),
            self.origin
        )
    }
}
