//! What the documentation shows works, and no damage to a file makes its reader panic.

#![expect(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use consort_machines::board::Board;
use consort_machines::fleet_file::FleetFile;
use consort_machines::scenario::Scenario;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_of(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty(), "{folder} holds no .{extension} file");
    files
}

/// The blocks of a Markdown file between "```json" and "```".
fn json_blocks(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let blocks = text.split("```json\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_json_in_the_documentation_is_accepted() {
    let mut seen = (0, 0, 0);
    for file in files_of("docs", "md") {
        for block in json_blocks(&file) {
            let name = file.display().to_string();
            if block.contains("\"steps\"") {
                Scenario::parse(&name, block, &root().join("docs")).unwrap();
                seen.2 += 1;
            } else if block.contains("\"devices\"") {
                FleetFile::parse(&name, &block).unwrap();
                seen.0 += 1;
            } else if block.contains("\"processor\"") {
                Board::parse(&name, &block).unwrap();
                seen.1 += 1;
            }
        }
    }
    assert!(seen.0 > 0 && seen.1 > 0 && seen.2 > 0, "{seen:?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut files = files_of("docs", "md");
    files.extend(files_of("docs/adr", "md"));
    files.extend(files_of(".", "md"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap().split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = file.parent().unwrap().join(target);
            assert!(path.exists(), "{}: {target} does not exist", file.display());
        }
    }
}

/// A linear congruential generator: any sequence will do, as long as it is the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// The text with a few of its characters removed, repeated or replaced by what JSON is made of.
fn damage(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(chars.len());
        match random.below(4) {
            0 => drop(chars.remove(at)),
            1 => chars.insert(at, chars[random.below(chars.len())]),
            2 => {
                chars[at] =
                    ['"', '{', '}', '[', ']', ',', ':', '0', '9', '-', '.', 'e', '\\', 'é'][random.below(14)]
            }
            _ => chars.truncate(at.max(1)),
        }
    }
    chars.into_iter().collect()
}

#[test]
fn damaged_board_and_fleet_files_give_errors_that_name_the_file() {
    let mut random = Random(1);
    let (mut refused, mut accepted) = (0, 0);
    let mut count = |result: Result<(), String>| match result {
        Ok(()) => accepted += 1,
        Err(message) => {
            assert!(message.starts_with("damaged.json"), "{message}");
            refused += 1;
        }
    };
    let boards = files_of("machines/boards", "json");
    let fleets = files_of("demo", "json");
    for (file, is_board) in
        boards.iter().map(|file| (file, true)).chain(fleets.iter().map(|file| (file, false)))
    {
        let text = std::fs::read_to_string(file).unwrap();
        for _ in 0..300 {
            let text = damage(&text, &mut random);
            count(if is_board {
                Board::parse("damaged.json", &text).map(drop).map_err(|error| error.to_string())
            } else {
                FleetFile::parse("damaged.json", &text).map(drop).map_err(|error| error.to_string())
            });
        }
    }
    assert!(refused > 500 && accepted > 50, "{refused} refused, {accepted} accepted");
}
