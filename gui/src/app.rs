//! The window: takes in messages, draws the panels, sends what they ask.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use consort_core::control::Command;
use consort_core::starter::{Ask, Said};
use egui::{Context, RichText, Ui};
use egui_tiles::Tree;

use crate::client::{Client, split};
use crate::home::Starter;
use crate::model::Model;
use crate::palette::{self, Palette};
use crate::panels::{Panel, home, memory, run_bar};
use crate::settings::Settings;
use crate::svd::Book;
use crate::wish::Wish;
use crate::{layout, theme};

/// How often a run is looked at while it runs: nobody sees more pictures in a second.
const LOOK: Duration = Duration::from_millis(33);
/// The same while it rests and nobody touches the window: only other clients may change anything.
const REST: Duration = Duration::from_millis(200);
/// Frames that are not measured at first: fonts and pictures come to the graphics card.
const WARM_UP: usize = 30;
/// The most messages taken in before the window is drawn again.
const AT_ONCE: usize = 20_000;

/// The inspector.
pub struct App {
    /// What is shown.
    pub model: Model,
    context: Context,
    client: Option<Client>,
    /// The program that starts runs.
    starter: Option<Starter>,
    tree: Tree<Panel>,
    palette: Palette,
    settings: Settings,
    /// Where the settings are kept.
    saved: Option<PathBuf>,
    looked: Option<Instant>,
    looks: u64,
    /// When the instructions were last counted, and how many there were.
    counted: Option<(Instant, u64)>,
    /// The run ends with the window.
    owns: bool,
    /// How many frames are still to be measured, and when they began.
    measured: Option<(usize, Vec<Instant>)>,
}

impl App {
    /// An inspector without a run; settings are kept at `saved`.
    pub fn new(context: &Context, saved: Option<PathBuf>) -> Self {
        let mut settings = saved.as_deref().map(Settings::read).unwrap_or_default();
        theme::choose(context, settings.light);
        if let Some(zoom) = settings.zoom {
            context.set_zoom_factor(zoom);
        }
        let mut model = Model::default();
        model.home.recent = std::mem::take(&mut settings.recent);
        model.books = settings.books.iter().map(|(board, path)| (board.clone(), Book::read(path))).collect();
        Self {
            model,
            context: context.clone(),
            client: None,
            starter: None,
            tree: settings.layout.take().unwrap_or_else(layout::first),
            palette: Palette::default(),
            settings,
            saved,
            looked: None,
            looks: 0,
            counted: None,
            owns: false,
            measured: None,
        }
    }

    /// Measures so many frames, prints how long they took, and ends.
    pub fn measure(&mut self, frames: usize) {
        self.measured = Some((frames, Vec::new()));
    }

    /// A frame begins; the first ones, before there is a fleet, do not count.
    fn count(&mut self) {
        let Some((frames, begun)) = &mut self.measured else { return };
        if self.model.fleet.devices.is_empty() {
            return;
        }
        begun.push(Instant::now());
        self.context.request_repaint();
        if begun.len() <= *frames + WARM_UP {
            return;
        }
        let mut took: Vec<f64> = begun
            .windows(2)
            .skip(WARM_UP)
            .map(|pair| pair[1].duration_since(pair[0]).as_secs_f64() * 1e3)
            .collect();
        took.sort_by(f64::total_cmp);
        let (median, most) = (took[took.len() / 2], took[took.len() * 95 / 100]);
        let line = serde_json::json!({ "frames": took.len(), "median": median, "most": most });
        let mut out = std::io::stdout().lock();
        let _ = std::io::Write::write_all(&mut out, format!("{line}\n").as_bytes());
        self.measured = None;
        self.context.send_viewport_cmd(egui::ViewportCommand::Close);
    }

    /// With a program that starts runs.
    pub fn with_starter(mut self, starter: Starter) -> Self {
        self.starter = Some(starter);
        self.model.home.starts = true;
        self
    }

    /// Shows the run at an address; it `owns` the run when closing it shall end the run.
    pub fn attach(&mut self, address: &str, token: &str, owns: bool) -> Result<(), String> {
        let window = self.context.clone();
        let client = Client::connect(address, token, move || window.request_repaint_after(LOOK))
            .map_err(|error| format!("cannot reach a run at {address}: {error}"))?;
        self.leave();
        self.model.begin();
        (self.client, self.owns) = (Some(client), owns);
        (self.looked, self.looks, self.counted) = (None, 0, None);
        Ok(())
    }

    /// Lets go of the run, which ends if it is this window's own.
    fn leave(&mut self) {
        if let Some(mut client) = self.client.take()
            && self.owns
        {
            client.ask(Command::End);
        }
        self.owns = false;
    }

    fn listen(&mut self) {
        while let Some(said) = self.starter.as_ref().and_then(Starter::take) {
            self.hear(said);
        }
        let Some(client) = &mut self.client else { return };
        for _ in 0..AT_ONCE {
            let Some(arrived) = client.take() else { break };
            self.model.arrive(arrived);
        }
        if client.is_gone() && self.model.trouble.is_none() {
            self.model.trouble = Some("The connection has ended.".to_owned());
        }
        let total = self.model.status.devices.iter().map(|device| device.stats.instructions).sum();
        let (since, before) = *self.counted.get_or_insert_with(|| (Instant::now(), total));
        let passed = since.elapsed();
        if passed >= Duration::from_millis(500) {
            self.model.mips = total.saturating_sub(before) as f64 / passed.as_secs_f64() / 1e6;
            self.counted = Some((Instant::now(), total));
        }
    }

    fn hear(&mut self, said: Said) {
        let home = &mut self.model.home;
        match said {
            Said::Offer { examples, boards } => (home.examples, home.boards) = (examples, boards),
            Said::Opened { file, address, token } => {
                (home.starting, home.failed, home.changed, home.firmware) = (None, None, None, None);
                let path = file.clone();
                match self.attach(&address, &token, true) {
                    Ok(()) => self.model.home.file = Some(path),
                    Err(message) => self.model.home.failed = Some((path, message)),
                }
            }
            Said::Failed { file, message } => {
                (home.starting, home.failed) = (None, Some((file, message)));
                // What is wrong is shown in place of the run.
                self.leave();
                self.model.begin();
            }
            Said::Changed { file } => {
                if home.failed.is_some() {
                    if let Some((file, _)) = home.failed.clone() {
                        self.model.wish(Wish::Open(file));
                    }
                } else {
                    home.changed = Some(file);
                }
            }
        }
    }

    /// How long it is until the run is looked at again.
    fn pace(&self) -> Duration {
        let touched = self.context.input(|input| !input.events.is_empty());
        if self.model.status.running || touched { LOOK } else { REST }
    }

    /// Asks how the run is, unless earlier questions are still open.
    fn look(&mut self) {
        let pace = self.pace();
        let Some(client) = &mut self.client else { return };
        if client.open() > 0 || self.looked.is_some_and(|last| last.elapsed() < pace) {
            return;
        }
        (self.looked, self.looks) = (Some(Instant::now()), self.looks + 1);
        client.ask(Command::Status);
        let model = &self.model;
        let device = model.name();
        if device.is_empty() {
            return;
        }
        // Many values that nobody reads thirty times a second.
        let slowly = self.looks.is_multiple_of(6);
        if model.code.symbols.is_none() {
            client.ask(Command::Symbols { device: device.clone(), text: String::new() });
        }
        for info in &model.fleet.devices {
            if !model.parts.known.contains_key(&info.name) {
                client.ask(Command::Parts { device: info.name.clone() });
            }
        }
        let visible = layout::visible(&self.tree);
        if visible.iter().any(|panel| matches!(panel, Panel::Registers | Panel::Code)) {
            client.ask(Command::Device { device: device.clone() });
        }
        for panel in visible {
            let device = device.clone();
            match panel {
                Panel::Code => {
                    let wanted = model.code.wanted().or_else(|| slowly.then(|| model.code.present()));
                    if let Some((addr, len)) = wanted {
                        client.ask(Command::Code { device, addr, len });
                    }
                }
                Panel::Memory => {
                    let addr = model.memory.addr;
                    client.ask(Command::Memory { device, addr, len: memory::SHOWN });
                }
                Panel::Watch => {
                    for watch in model.watches.get(&device).into_iter().flatten() {
                        let (addr, len) = (watch.addr, watch.form.size());
                        client.ask(Command::Memory { device: device.clone(), addr, len });
                    }
                }
                Panel::Screens => {
                    for (device, part) in model.parts.shown() {
                        let after = model.parts.picture(device, &part.name).map(|pixels| pixels.number);
                        let (device, part) = (device.to_owned(), part.name.clone());
                        client.ask(Command::Picture { device, part, after });
                    }
                }
                Panel::Sensors if slowly => client.ask(Command::Parts { device }),
                Panel::Peripherals if slowly => client.ask(Command::Peripherals { device }),
                Panel::Interrupts if slowly => client.ask(Command::Interrupts { device }),
                _ => {}
            }
        }
    }

    fn start(&mut self, ask: &Ask, name: String) {
        if let Some(starter) = &self.starter {
            starter.ask(ask);
            self.model.home.starting = Some(name);
        }
    }

    fn open(&mut self, file: PathBuf) {
        let is = |wanted| file.extension().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
        if is("svd") && self.model.fleet.devices.is_empty() {
            self.model.trouble =
                Some("An SVD file is for the board of a device: open a fleet first.".to_owned());
        } else if is("svd") {
            self.model.wish(Wish::Book(file));
            self.model.wish(Wish::Show(Panel::Peripherals));
        } else if is("json") {
            let file = std::path::absolute(&file).unwrap_or(file);
            self.model.home.remember(file.clone());
            let name = file.display().to_string();
            self.start(&Ask::Open { file }, name);
        } else {
            self.leave();
            self.model.begin();
            self.model.home.firmware = Some(file);
        }
    }

    fn fulfil(&mut self, wish: Wish) {
        match wish {
            Wish::Open(file) => self.open(file),
            Wish::Boot { file, board } => {
                let name = format!("{} on {board}", file.display());
                self.start(&Ask::Boot { file, board }, name);
            }
            Wish::Example(name) => self.start(&Ask::Example { name: name.clone() }, name),
            Wish::Again => {
                if let Some(file) = self.model.home.file.clone() {
                    let name = file.display().to_string();
                    self.start(&Ask::Open { file }, name);
                }
            }
            Wish::Attach(place) => {
                let (address, token) = split(&place);
                if let Err(message) = self.attach(address, token.unwrap_or_default(), false) {
                    self.model.trouble = Some(message);
                }
            }
            Wish::Home => {
                self.leave();
                self.model.begin();
                self.model.home.file = None;
            }
            Wish::Book(file) => {
                let board = self.model.board();
                let file = std::path::absolute(&file).unwrap_or(file);
                self.model.books.insert(board.clone(), Book::read(&file));
                self.settings.books.insert(board, file);
            }
            Wish::ForgetBook => {
                let board = self.model.board();
                self.model.books.remove(&board);
                self.settings.books.remove(&board);
            }
            Wish::Theme => {
                self.settings.light = !self.settings.light;
                theme::choose(&self.context, self.settings.light);
            }
            Wish::ResetLayout => self.tree = layout::first(),
            Wish::Show(panel) => layout::show(&mut self.tree, panel),
            Wish::Palette => self.palette.toggle(),
            Wish::ForgetRecent => self.model.home.recent.clear(),
            Wish::Quit => self.context.send_viewport_cmd(egui::ViewportCommand::Close),
        }
    }

    /// Files that were dropped on the window.
    fn dropped(&mut self, ui: &Ui) {
        let files = ui.input(|input| input.raw.dropped_files.clone());
        for file in files.into_iter().map(|file| file.path().to_owned()) {
            self.model.wish(Wish::Open(file));
        }
    }

    /// Draws everything, and does what people want.
    pub fn draw(&mut self, ui: &mut Ui) {
        self.context = ui.ctx().clone();
        self.count();
        self.listen();
        self.dropped(ui);
        palette::keys(&self.context, &mut self.model);
        self.model.wave();
        if !self.model.fleet.devices.is_empty() {
            egui::Panel::top("run bar").show(ui, |ui| run_bar::ui(ui, &mut self.model));
        }
        // The ground is what the window is cleared with.
        egui::CentralPanel::no_frame().show(ui, |ui| {
            if !self.model.fleet.devices.is_empty() {
                layout::ui(ui, &mut self.tree, &mut self.model);
            } else if self.client.is_some() {
                ui.centered_and_justified(|ui| {
                    let text = self.model.trouble.as_deref().unwrap_or("Waiting for the run…");
                    ui.label(RichText::new(text).color(theme::quiet()));
                });
            } else {
                egui::Frame::new().inner_margin(16).show(ui, |ui| home::ui(ui, &mut self.model));
            }
        });
        self.palette.ui(&self.context, &mut self.model);
        for wish in self.model.take_wished() {
            self.fulfil(wish);
        }
        for command in self.model.take_asked() {
            if let Some(client) = &mut self.client {
                client.ask(command);
                // What it changes shall be seen at once.
                self.looked = None;
            }
        }
        self.look();
        ui.ctx().request_repaint_after(self.pace());
    }

    fn keep(&mut self, path: &Path) {
        self.settings.recent = self.model.home.recent.clone();
        self.settings.zoom = Some(self.context.zoom_factor());
        self.settings.layout = Some(self.tree.clone());
        self.settings.write(path);
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.draw(ui);
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        theme::ground().to_normalized_gamma_f32()
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        if let Some(path) = self.saved.clone() {
            self.keep(&path);
        }
        self.leave();
    }
}
