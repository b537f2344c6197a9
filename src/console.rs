//! What people see: lines with colour on a terminal, plain text in a pipe.

use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};

/// Colours that tell devices apart.
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Red,
];

/// The style of the `index`th device's name.
pub fn device_style(index: usize) -> Style {
    COLOURS[index % COLOURS.len()].on_default().bold()
}

/// A quiet style.
pub fn dim() -> Style {
    Style::new().dimmed()
}

/// The style of what went well.
pub fn good() -> Style {
    AnsiColor::Green.on_default().bold()
}

/// The style of what did not.
pub fn bad() -> Style {
    AnsiColor::Red.on_default().bold()
}

/// A line on standard output; a closed pipe ends the program quietly, as other tools do.
pub fn line(text: &str) {
    let mut out = anstream::stdout().lock();
    if writeln!(out, "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Raw bytes on standard output, at once.
pub fn bytes(data: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(data).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// A message on standard error.
pub fn note(text: &str) {
    anstream::eprintln!("{text}");
}

/// An error on standard error.
pub fn error(text: &str) {
    let red = AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{red}error{red:#}: {text}");
}

/// A warning on standard error.
pub fn warning(text: &str) {
    let yellow = AnsiColor::Yellow.on_default().bold();
    anstream::eprintln!("{yellow}warning{yellow:#}: {text}");
}

/// Whether standard error is a terminal, where a progress line makes sense.
pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}
