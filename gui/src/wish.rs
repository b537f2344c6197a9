//! What people want of the program itself, not of the run.

use std::path::PathBuf;

use crate::panels::Panel;

/// A wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Run a fleet file, or firmware that was dropped on the window.
    Open(PathBuf),
    /// Run firmware on a board.
    Boot {
        /// The firmware.
        file: PathBuf,
        /// The board, by name.
        board: String,
    },
    /// Run an example that comes with Consort, by name.
    Example(String),
    /// Begin the run again, from its files as they are now.
    Again,
    /// Look at a run that somebody else started.
    Attach(String),
    /// Leave the run and show the start.
    Home,
    /// Register names for the selected device's board, out of an SVD file.
    Book(PathBuf),
    /// Only the models' names for that board.
    ForgetBook,
    /// Light or dark.
    Theme,
    /// The arrangement of the panels as it was at first.
    ResetLayout,
    /// Bring a panel to the front.
    Show(Panel),
    /// List all commands.
    Palette,
    /// Forget the files opened lately.
    ForgetRecent,
    /// End.
    Quit,
}
