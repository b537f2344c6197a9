//! `consort-gui`: the inspector's window. `consort gui` starts it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program talks")]

use std::path::PathBuf;
use std::process::ExitCode;

use consort_gui::app::App;
use consort_gui::client::{Client, split};
use consort_gui::theme;

const USAGE: &str = "Usage: consort-gui [--own] ADDRESS[#TOKEN]

Shows the run whose `consort run --control` printed ADDRESS#TOKEN.
The token may also be in the environment variable CONSORT_TOKEN.

  --own    closing the window ends the run";

fn main() -> ExitCode {
    let (mut owns, mut place) = (false, None);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--own" => owns = true,
            "--help" | "-h" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            "--version" | "-V" => {
                println!("consort-gui {}", env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            other if other.starts_with('-') || place.is_some() => {
                return usage(&format!("what is `{other}`?"));
            }
            _ => place = Some(argument),
        }
    }
    let Some(place) = place else { return usage("an address is missing") };
    let (address, token) = split(&place);
    let Some(token) = token.map(str::to_owned).or_else(|| std::env::var("CONSORT_TOKEN").ok()) else {
        return usage("a token is missing");
    };
    match show(address, &token, owns) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("consort-gui: {message}");
            ExitCode::FAILURE
        }
    }
}

fn usage(wrong: &str) -> ExitCode {
    eprintln!("consort-gui: {wrong}\n\n{USAGE}");
    ExitCode::from(2)
}

fn show(address: &str, token: &str, owns: bool) -> Result<(), String> {
    let viewport = egui::ViewportBuilder::default().with_title("Consort").with_inner_size([1520.0, 900.0]);
    let options = eframe::NativeOptions { viewport, ..Default::default() };
    let (address, token) = (address.to_owned(), token.to_owned());
    let start = move |context: &eframe::CreationContext<'_>| {
        theme::set(&context.egui_ctx);
        let window = context.egui_ctx.clone();
        let client = Client::connect(&address, &token, move || window.request_repaint())
            .map_err(|error| format!("cannot reach a run at {address}: {error}"))?;
        Ok(Box::new(App::new(client, owns, layout_file())) as Box<dyn eframe::App>)
    };
    eframe::run_native("consort", options, Box::new(start)).map_err(|error| error.to_string())
}

/// Where people's settings are (XDG base directories).
fn layout_file() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
    Some(config.join("consort").join("layout.json"))
}
