//! The window: takes in messages, draws the panels, sends what they ask.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use consort_core::control::Command;
use egui::{Key, RichText, Ui};
use egui_tiles::Tree;

use crate::client::Client;
use crate::model::Model;
use crate::panels::{Panel, memory, run_bar};
use crate::{layout, theme};

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(33);
/// The most messages taken in before the window is drawn again.
const AT_ONCE: usize = 20_000;

/// The inspector.
pub struct App {
    /// What is shown.
    pub model: Model,
    client: Client,
    tree: Tree<Panel>,
    /// Where the arrangement is kept.
    saved: Option<PathBuf>,
    looked: Option<Instant>,
    looks: u64,
    /// When the instructions were last counted, and how many there were.
    counted: Option<(Instant, u64)>,
    /// The run ends with the window.
    owns: bool,
}

impl App {
    /// An inspector of the run behind `client`; it `owns` the run when closing it shall end the run.
    pub fn new(client: Client, owns: bool, saved: Option<PathBuf>) -> Self {
        let tree = saved.as_ref().and_then(|path| {
            let text = std::fs::read_to_string(path).ok()?;
            serde_json::from_str(&text).ok().filter(layout::is_whole)
        });
        Self {
            model: Model::default(),
            client,
            tree: tree.unwrap_or_else(layout::first),
            saved,
            looked: None,
            looks: 0,
            counted: None,
            owns,
        }
    }

    fn listen(&mut self) {
        for _ in 0..AT_ONCE {
            let Some((message, of)) = self.client.take() else { break };
            self.model.apply(message, of);
        }
        if self.client.is_gone() && self.model.trouble.is_none() {
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

    /// Asks how the run is, unless earlier questions are still open.
    fn look(&mut self) {
        if self.client.open() > 0 || self.looked.is_some_and(|last| last.elapsed() < LOOK) {
            return;
        }
        (self.looked, self.looks) = (Some(Instant::now()), self.looks + 1);
        self.client.ask(Command::Status);
        let device = self.model.name();
        if device.is_empty() {
            return;
        }
        for panel in layout::visible(&self.tree) {
            let device = device.clone();
            match panel {
                Panel::Registers => self.client.ask(Command::Device { device }),
                Panel::Memory => {
                    let addr = self.model.memory.addr;
                    self.client.ask(Command::Memory { device, addr, len: memory::SHOWN });
                }
                // Many values that nobody reads thirty times a second.
                Panel::Peripherals if self.looks.is_multiple_of(6) => {
                    self.client.ask(Command::Peripherals { device });
                }
                _ => {}
            }
        }
    }

    fn keys(&mut self, ui: &Ui) {
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        if pressed(Key::F5) {
            let running = self.model.status.running;
            self.model.ask(if running { Command::Pause } else { Command::Run { until: None } });
        }
        if pressed(Key::F10) {
            let device = self.model.name();
            self.model.ask(Command::StepInstruction { device });
        }
        if ui.input(|input| input.modifiers.command && input.key_pressed(Key::Q)) {
            ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close);
        }
        if pressed(Key::F11) {
            self.model.ask(Command::StepWindow);
        }
    }

    /// Draws everything.
    fn draw(&mut self, ui: &mut Ui) {
        egui::Panel::top("run bar").show(ui, |ui| {
            ui.horizontal(|ui| {
                run_bar::ui(ui, &mut self.model);
                if ui.button("Reset layout").clicked() {
                    self.tree = layout::first();
                }
            });
        });
        egui::CentralPanel::no_frame().frame(egui::Frame::new().fill(theme::GROUND)).show(ui, |ui| {
            if self.model.fleet.devices.is_empty() {
                ui.centered_and_justified(|ui| {
                    let text = self.model.trouble.as_deref().unwrap_or("Waiting for the run…");
                    ui.label(RichText::new(text).color(theme::QUIET));
                });
            } else {
                layout::ui(ui, &mut self.tree, &mut self.model);
            }
        });
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.listen();
        self.keys(ui);
        self.draw(ui);
        for command in self.model.take_asked() {
            self.client.ask(command);
        }
        self.look();
        ui.ctx().request_repaint_after(LOOK);
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        if let Some(path) = &self.saved
            && let Ok(text) = serde_json::to_string(&self.tree)
        {
            // An arrangement that cannot be kept is no reason to complain at the end.
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(path, text);
        }
        if self.owns {
            self.client.ask(Command::End);
        }
    }
}
