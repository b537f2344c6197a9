//! The engine's page in docs/ names every file and function that the patches change.

use std::path::Path;

#[test]
fn the_page_lists_every_patched_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../docs/engine.md")).unwrap();
    let sections: Vec<&str> = page.split("\n### ").collect();
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(root.join("engine/patches")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let section = sections.iter().find(|section| section.starts_with(&name)).copied().unwrap_or_default();
        let patch = std::fs::read_to_string(&path).unwrap();
        for file in patch.lines().filter_map(|line| line.strip_prefix("+++ b/")) {
            let short = file.rsplit('/').next().unwrap_or(file);
            if !section.contains(file) && !section.contains(&format!("`{short}`")) {
                missing.push(format!("{name}: {file}"));
            }
        }
        // Every hunk tells its reason in a comment of ours.
        for file in patch.split("\n--- a/").skip(1) {
            if !file.contains("consort") {
                missing.push(format!("{name}: no comment in {}", file.lines().next().unwrap_or_default()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
