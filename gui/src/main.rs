//! `consort-gui`: the inspector's window. `consort gui` starts it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program talks")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use consort_gui::app::App;
use consort_gui::client::split;
use consort_gui::home::Starter;
use consort_gui::wish::Wish;
use consort_gui::{settings, theme};

const USAGE: &str = "Usage: consort-gui [--starter] [--frames N] [FLEET | ADDRESS#TOKEN]

Shows the run whose `consort run --control` printed ADDRESS#TOKEN.
The token may also be in the environment variable CONSORT_TOKEN.

  --starter    the program at standard input and output starts runs: `consort gui` is one
  --frames N   measures so many frames of the window, prints how long they took, and ends";

fn main() -> ExitCode {
    let (mut starts, mut frames, mut place) = (false, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--frames" => match arguments.next().and_then(|number| number.parse().ok()) {
                Some(number @ 1..=100_000) => frames = Some(number),
                _ => return usage("--frames needs a number"),
            },
            "--starter" => starts = true,
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
    match show(starts, frames, place) {
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

/// Whether anything but the processor draws: kernel devices of graphics cards, NVIDIA's own driver, WSL's.
fn has_graphics_card() -> bool {
    let nodes = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    nodes.map(|node| node.file_name()).any(|name| name.to_string_lossy().starts_with("renderD"))
        || ["/dev/nvidia0", "/dev/dxg"].into_iter().any(|node| Path::new(node).exists())
}

fn show(starts: bool, frames: Option<usize>, place: Option<String>) -> Result<(), String> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Consort")
        .with_inner_size([1520.0, 900.0])
        .with_drag_and_drop(true);
    let mut options = eframe::NativeOptions { viewport, ..Default::default() };
    // What is measured does not wait for the screen.
    options.glow_options.vsync = frames.is_none();
    let smooth = has_graphics_card();
    options.dithering = smooth;
    let start = move |creation: &eframe::CreationContext<'_>| {
        let context = &creation.egui_ctx;
        theme::set(context);
        if !smooth {
            theme::plain(context);
        }
        let mut app = App::new(context, settings::file());
        if starts {
            let window = context.clone();
            app = app.with_starter(Starter::listen(move || window.request_repaint()));
        }
        if let Some(frames) = frames {
            app.measure(frames);
        }
        let token = std::env::var("CONSORT_TOKEN").ok();
        match place {
            Some(fleet) if starts => app.model.wish(Wish::Open(PathBuf::from(fleet))),
            Some(place) => {
                let (address, own) = split(&place);
                let token = own.map(str::to_owned).or(token).ok_or("a token is missing")?;
                app.attach(address, &token, false)?;
            }
            None => {}
        }
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    eframe::run_native("consort", options, Box::new(start)).map_err(|error| error.to_string())
}
