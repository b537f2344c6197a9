//! What is kept from one start to the next: the arrangement of the panels, the theme, files opened lately.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use egui_tiles::Tree;
use serde::{Deserialize, Serialize};

use crate::layout;
use crate::panels::Panel;

/// The settings.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The light theme.
    pub light: bool,
    /// How much larger than usual everything is.
    pub zoom: Option<f32>,
    /// Files opened lately, the latest first.
    pub recent: Vec<PathBuf>,
    /// SVD files, by board.
    pub books: BTreeMap<String, PathBuf>,
    /// The arrangement of the panels.
    pub layout: Option<Tree<Panel>>,
}

impl Settings {
    /// Reads them; what cannot be read is as at first.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut settings: Self = serde_json::from_str(&text).unwrap_or_default();
        settings.layout = settings.layout.filter(layout::is_whole);
        settings.zoom = settings.zoom.filter(|zoom| (0.2..=5.0).contains(zoom));
        settings
    }

    /// Writes them. Settings that cannot be kept are no reason to complain.
    pub fn write(&self, path: &Path) {
        let Ok(text) = serde_json::to_string(self) else { return };
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(path, text);
    }
}

/// Where people's settings are (XDG base directories).
pub fn file() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
    Some(config.join("consort").join("inspector.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_and_nonsense_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("inspector.json");
        let layout = Some(layout::first());
        let recent = vec![PathBuf::from("a.json")];
        let books = BTreeMap::from([("microbit".to_owned(), PathBuf::from("nrf51.svd"))]);
        Settings { light: true, zoom: Some(1.5), recent: recent.clone(), books: books.clone(), layout }
            .write(&path);
        let read = Settings::read(&path);
        assert_eq!((read.light, read.zoom, read.recent, read.books), (true, Some(1.5), recent, books));
        assert!(read.layout.is_some());
        for nonsense in ["", "[]", r#"{"light":true,"layout":{"root":null,"tiles":{}},"zoom":1e9}"#] {
            std::fs::write(&path, nonsense).unwrap();
            let read = Settings::read(&path);
            assert!(read.layout.is_none() && read.zoom.is_none(), "{nonsense}");
        }
    }
}
