//! What a run leaves behind for people and for the next run: pictures of screens, contents of memories.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use consort_core::Time;
use consort_core::component::Picture;
use consort_core::fleet::Fleet;

use crate::failure::Failure;
use crate::png;

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| Failure::bad(format!("{}: {error}", path.display())))
}

fn create(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::bad(format!("{}: {error}", folder.display())))
}

/// Pictures of all screens, taken at regular times.
pub struct Screenshots {
    folder: PathBuf,
    every: Option<Time>,
    /// When the next pictures are due.
    pub next: Time,
    last: BTreeMap<(usize, String), Picture>,
}

impl Screenshots {
    /// Pictures go to `folder`.
    pub fn new(folder: &Path, every: Option<Time>, begin: Time) -> Result<Self, Failure> {
        if every == Some(Time::ZERO) {
            return Err(Failure::bad(
                "--every: pictures cannot be taken without end in one instant".to_owned(),
            ));
        }
        create(folder)?;
        let next = every.map_or(Time::MAX, |every| begin + every);
        Ok(Self { folder: folder.to_owned(), every, next, last: BTreeMap::new() })
    }

    /// Takes pictures of everything that shows something and has changed.
    pub fn take(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        let now = fleet.now();
        if let Some(every) = self.every {
            self.next = now + every;
        }
        for (index, device) in fleet.names().to_vec().into_iter().enumerate() {
            let pictures = fleet.device(index, |device| {
                let parts = device.parts().into_iter().filter(|part| part.shows.is_some());
                parts.filter_map(|part| Some((device.picture(&part.name)?, part.name))).collect::<Vec<_>>()
            });
            for (picture, part) in pictures.unwrap_or_default() {
                if self.last.get(&(index, part.clone())) == Some(&picture) {
                    continue;
                }
                let seconds = format!("{:07.3}", now.as_secs_f64());
                let png =
                    png::encode(picture.width, picture.height, &picture.seen()).map_err(Failure::bad)?;
                write(&self.folder.join(format!("{device}.{part}.{seconds}.png")), &png)?;
                self.last.insert((index, part), picture);
            }
        }
        Ok(())
    }
}

/// Writes the contents of all memories that outlive power.
pub fn contents(fleet: &mut Fleet, folder: &Path) -> Result<(), Failure> {
    create(folder)?;
    for (index, device) in fleet.names().to_vec().into_iter().enumerate() {
        let memories = fleet.device(index, |device| device.contents()).unwrap_or_default();
        for (part, bytes) in memories {
            write(&folder.join(format!("{device}.{part}.bin")), &bytes)?;
        }
    }
    Ok(())
}
