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
    if let Err(error) = writeln!(out, "{text}") {
        cannot_say(&error);
    }
}

/// Raw bytes on standard output, at once.
pub fn bytes(data: &[u8]) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(data).and_then(|()| out.flush()) {
        cannot_say(&error);
    }
}

/// Nobody listens any more, or what is said cannot be kept: then nobody may take silence for success.
fn cannot_say(why: &std::io::Error) -> ! {
    if why.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    error(&format!("standard output: {why}"));
    std::process::exit(2);
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
