//! What the inspector and the program that starts runs for it tell each other: JSON objects, one a line, over
//! the inspector's standard input and output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the program that starts runs (`consort gui`) says, a JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Said {
    /// What there is to start.
    Offer {
        /// Examples that come with Consort.
        examples: Vec<Example>,
        /// Boards that firmware can be booted on.
        boards: Vec<String>,
    },
    /// A run is there.
    Opened {
        /// Its file.
        file: PathBuf,
        /// Where its door is.
        address: String,
        /// The secret.
        token: String,
    },
    /// A run cannot be.
    Failed {
        /// Its file.
        file: PathBuf,
        /// Why, in the words of `consort check`.
        message: String,
    },
    /// A file of the run is another one now.
    Changed {
        /// The file.
        file: PathBuf,
    },
}

/// What this program asks of the one that starts runs, a JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Ask {
    /// Run a fleet file; the run before ends.
    Open {
        /// The file.
        file: PathBuf,
    },
    /// Run firmware on a board.
    Boot {
        /// The firmware.
        file: PathBuf,
        /// The board.
        board: String,
    },
    /// Run an example.
    Example {
        /// Its name.
        name: String,
    },
}

/// A fleet that comes with Consort.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Example {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub doc: String,
    /// Its devices' boards.
    pub boards: Vec<String>,
}
