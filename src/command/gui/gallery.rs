//! Fleets that come with Consort, and fleets of one device for firmware that has none.

use std::path::{Path, PathBuf};

use consort_core::starter::Example;
use consort_machines::board::Board;
use consort_machines::fleet_file::FleetFile;
use include_dir::{Dir, include_dir};
use serde_json::json;
use tempfile::TempDir;

use crate::failure::Failure;

static DEMO: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/demo");
static FIRMWARE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/firmware/bin");

/// The boards by name.
pub fn boards() -> Vec<String> {
    Board::names().into_iter().map(str::to_owned).collect()
}

/// The examples, and a folder for files that are made here; it goes with the program.
#[derive(Default)]
pub struct Gallery {
    folder: Option<TempDir>,
    booted: usize,
}

impl Gallery {
    /// What there is.
    pub fn examples(&self) -> Vec<Example> {
        let example = |file: &include_dir::File<'_>| {
            let name = file.path().file_stem()?.to_str()?.to_owned();
            let (fleet, _) = FleetFile::parse(&name, file.contents_utf8()?).ok()?;
            let mut boards: Vec<_> = fleet.devices.values().map(|device| device.board.clone()).collect();
            boards.sort();
            boards.dedup();
            Some(Example { name, doc: fleet.doc, boards })
        };
        // A fleet of images that have to be made first is no example to click.
        let ready = |file: &&include_dir::File<'_>| {
            file.contents_utf8().is_some_and(|text| !text.contains("../target/"))
        };
        DEMO.files().filter(ready).filter_map(example).collect()
    }

    fn folder(&mut self) -> Result<&Path, Failure> {
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => tempfile::Builder::new().prefix("consort-").tempdir()?,
        };
        Ok(self.folder.insert(folder).path())
    }

    /// Writes an example and its firmware as they lie in the source.
    pub fn unpack(&mut self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.folder()?;
        let file = DEMO.get_file(format!("{name}.json"));
        file.ok_or_else(|| Failure::bad(format!("there is no example `{name}`")))?;
        let path = folder.join("demo").join(format!("{name}.json"));
        if !path.exists() {
            for (at, files) in [("demo", &DEMO), ("firmware/bin", &FIRMWARE)] {
                let at = folder.join(at);
                std::fs::create_dir_all(&at)?;
                files.extract(&at)?;
            }
        }
        Ok(path)
    }

    /// Writes a fleet of one device.
    pub fn boot(&mut self, firmware: &Path, board: &str) -> Result<PathBuf, Failure> {
        let firmware = std::path::absolute(firmware)?;
        let stem = firmware.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let name: String = stem.chars().map(plain).collect();
        self.booted += 1;
        let path = format!("boot-{}.json", self.booted);
        let path = self.folder()?.join(path);
        let device = json!({ "board": board, "firmware": firmware });
        let fleet = json!({ "doc": format!("{stem} on {board}"), "devices": { (name): device } });
        std::fs::write(&path, format!("{fleet:#}\n"))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_machines::fleet_file::Overrides;

    #[test]
    fn every_example_runs_wherever_it_is_unpacked() {
        let mut gallery = Gallery::default();
        let examples = gallery.examples();
        assert!(!examples.is_empty());
        for example in examples {
            assert!(!example.doc.is_empty(), "{}", example.name);
            let path = gallery.unpack(&example.name).unwrap();
            FleetFile::load(&path, &Overrides::default()).unwrap();
        }
        assert!(gallery.unpack("../Cargo").is_err());
    }

    #[test]
    fn firmware_gets_a_fleet_of_its_own() {
        let mut gallery = Gallery::default();
        let firmware = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware/bin/test-uart.elf");
        let path = gallery.boot(&firmware, "mps2-an385").unwrap();
        let loaded = FleetFile::load(&path, &Overrides::default()).unwrap();
        assert_eq!(loaded.fleet.names(), ["test-uart"]);
    }
}
