//! The files that a fleet file names: boards and firmware, read within limits.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use consort_core::Addr;

use super::LoadFleetError;
use crate::board::Board;
use crate::boot::File;
use crate::json::Document;
use crate::loader::{self, Firmware, LoadError};

/// The largest file that is read into memory.
const LARGEST: u64 = 4 << 30;

pub(super) fn read_text(path: &Path) -> Result<String, LoadFleetError> {
    String::from_utf8(read_bytes(path)?).map_err(|_| LoadFleetError::Io {
        path: path.display().to_string(),
        error: io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8 text"),
    })
}

/// Reads a file that is no text.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, LoadFleetError> {
    bounded(path).map_err(|error| LoadFleetError::Io { path: path.display().to_string(), error })
}

/// The bytes of a file or pipe. What never ends, such as `/dev/zero`, must not take the host's memory.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let about = file.metadata()?;
    if about.file_type().is_char_device() || about.file_type().is_block_device() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a device; name a file"));
    }
    let mut bytes = Vec::new();
    if about.len() <= LARGEST {
        bytes.reserve_exact(usize::try_from(about.len()).unwrap_or_default());
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    }
    if about.len().max(bytes.len() as u64) > LARGEST {
        let most = format!("is larger than {} GiB", LARGEST >> 30);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, most));
    }
    Ok(bytes)
}

/// Reads a file that is put into memory or a drive.
pub fn read_file(path: &Path) -> Result<File, LoadFleetError> {
    Ok(File { name: path.display().to_string(), bytes: read_bytes(path)?.into() })
}

/// Finds a board: by name among those that come with Consort, or by the path of a file.
pub fn find_board(name: &str, relative_to: &Path) -> Result<Option<(Board, Document)>, LoadFleetError> {
    if let Some(found) = Board::builtin(name) {
        return Ok(Some(found?));
    }
    if !name.ends_with(".json") {
        return Ok(None);
    }
    let path = relative_to.join(name);
    Ok(Some(Board::parse(&path.display().to_string(), &read_text(&path)?)?))
}

/// Reads several images as one firmware, for `board`.
pub fn load_images(images: &[(PathBuf, Option<Addr>)], board: &Board) -> Result<Firmware, ImageError> {
    // Identifiers have 16 bits; a larger number in a board file names no block.
    let hex_boards: Vec<u16> = board.hex_boards.iter().filter_map(|id| id.0.try_into().ok()).collect();
    let mut loaded = Vec::new();
    for (path, base) in images {
        let bytes = read_bytes(path).map_err(|error| ImageError::Read(Box::new(error)))?;
        let options =
            loader::Options { base: *base, hex_boards: hex_boards.clone(), ..loader::Options::default() };
        loaded.push(loader::load_with(&bytes, &path.display().to_string(), &options)?);
    }
    Ok(loader::merge(loaded)?)
}

/// Why images cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(Box<LoadFleetError>),
    /// Its contents are bad.
    #[error(transparent)]
    Load(#[from] LoadError),
}
