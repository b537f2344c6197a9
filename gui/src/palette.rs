//! All commands by name: the palette lists them, and their shortcuts are theirs alone.

use consort_core::control::{Command, Next};
use consort_core::device::Action;
use egui::{Align2, Context, Key, KeyboardShortcut, Modifiers, RichText, ScrollArea, vec2};

use crate::model::Model;
use crate::panels::{Panel, input};
use crate::theme;
use crate::wish::Wish;

/// Something that can be done.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is called.
    pub name: String,
    /// Its keys.
    pub keys: Option<KeyboardShortcut>,
    /// What is done.
    pub what: What,
}

/// What an entry does.
#[derive(Clone, Debug)]
pub enum What {
    /// Asks the run.
    Ask(Command),
    /// Acts on a device.
    Act(String, Action),
    /// Looks at another device.
    Select(usize),
    /// Wants something of this program.
    Wish(Wish),
}

const fn key(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::NONE, key))
}

const fn command(key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(Modifiers::COMMAND, key))
}

/// All that can be done now, the most usual first.
pub fn entries(model: &Model) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut add = |name: &str, keys, what| all.push(Entry { name: name.to_owned(), keys, what });
    if !model.fleet.devices.is_empty() {
        let device = model.name();
        if model.status.running {
            add("Pause", key(Key::F5), What::Ask(Command::Pause));
        } else {
            add("Run", key(Key::F5), What::Ask(Command::Run { until: None }));
        }
        let step = Command::StepInstruction { device: device.clone() };
        add(&format!("Step an instruction of {device}"), key(Key::F10), What::Ask(step));
        add("Step a window of the fleet", key(Key::F11), What::Ask(Command::StepWindow));
        let packet = Command::RunTo { next: Next::Packet };
        add("Run to the next packet", key(Key::F6), What::Ask(packet));
        let interrupt = Command::RunTo { next: Next::Interrupt { device: device.clone() } };
        add(&format!("Run to the next interrupt of {device}"), key(Key::F7), What::Ask(interrupt));
        if model.home.starts {
            add("Begin again", command(Key::R), What::Wish(Wish::Again));
        }
        for (name, times) in crate::panels::run_bar::SPEEDS {
            add(&format!("Speed: {name}"), None, What::Ask(Command::Speed { times }));
        }
        add("Digest of the run so far", None, What::Ask(Command::Digest));
        for (index, device) in model.fleet.devices.iter().enumerate() {
            add(&format!("Look at {}", device.name), None, What::Select(index));
        }
        for device in &model.fleet.devices {
            for (name, action) in
                [("Reset", Action::Reset), ("Power off", Action::PowerOff), ("Power on", Action::PowerOn)]
            {
                add(&format!("{name} {}", device.name), None, What::Act(device.name.clone(), action));
            }
        }
        for panel in Panel::ALL {
            add(&format!("Show {}", panel.title()), None, What::Wish(Wish::Show(panel)));
        }
        add("Leave the run", command(Key::W), What::Wish(Wish::Home));
    }
    if model.home.starts {
        for file in &model.home.recent {
            add(&format!("Open {}", file.display()), None, What::Wish(Wish::Open(file.clone())));
        }
        for example in &model.home.examples {
            let name = format!("Open example {}", example.name);
            add(&name, None, What::Wish(Wish::Example(example.name.clone())));
        }
        add("Forget the files opened lately", None, What::Wish(Wish::ForgetRecent));
    }
    add("Light or dark", command(Key::L), What::Wish(Wish::Theme));
    add("Reset layout", None, What::Wish(Wish::ResetLayout));
    add("All commands", command(Key::P), What::Wish(Wish::Palette));
    add("Quit", command(Key::Q), What::Wish(Wish::Quit));
    all
}

/// Does what an entry says.
pub fn run(model: &mut Model, what: What) {
    match what {
        What::Ask(command) => model.ask(command),
        What::Act(device, action) => model.act(&device, action),
        What::Select(index) => model.select(index),
        What::Wish(wish) => model.wish(wish),
    }
}

/// Does what the keys that were pressed stand for.
pub fn keys(context: &Context, model: &mut Model) {
    for entry in entries(model) {
        let Some(keys) = entry.keys else { continue };
        if context.input_mut(|input| input.consume_shortcut(&keys)) {
            run(model, entry.what);
        }
    }
}

/// The palette: a list of commands that is filtered by typing.
#[derive(Default)]
pub struct Palette {
    open: bool,
    text: String,
    chosen: usize,
}

impl Palette {
    /// Opens or closes it.
    pub fn toggle(&mut self) {
        *self = Self { open: !self.open, ..Self::default() };
    }

    /// Draws it when it is open.
    pub fn ui(&mut self, context: &Context, model: &mut Model) {
        if !self.open {
            return;
        }
        let words: Vec<String> = self.text.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let fits = |entry: &Entry| {
            let name = entry.name.to_lowercase();
            words.iter().all(|word| name.contains(word))
        };
        let shown: Vec<Entry> = entries(model).into_iter().filter(fits).collect();
        let pressed = |key| context.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        if pressed(Key::Escape) {
            self.open = false;
            return;
        }
        if pressed(Key::ArrowDown) {
            self.chosen += 1;
        }
        if pressed(Key::ArrowUp) {
            self.chosen = self.chosen.saturating_sub(1);
        }
        self.chosen = self.chosen.min(shown.len().saturating_sub(1));
        let mut done = pressed(Key::Enter).then(|| shown.get(self.chosen).cloned()).flatten();
        let window = egui::Window::new("Commands").title_bar(false).collapsible(false).resizable(false);
        window.anchor(Align2::CENTER_TOP, vec2(0.0, 60.0)).show(context, |ui| {
            let before = self.text.clone();
            let typed = input(ui, &mut self.text, "Command", 420.0);
            typed.request_focus();
            if before != self.text {
                self.chosen = 0;
            }
            ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
                for (index, entry) in shown.iter().enumerate() {
                    ui.horizontal(|ui| {
                        let response = ui.selectable_label(index == self.chosen, &entry.name);
                        if let Some(keys) = entry.keys {
                            let keys = context.format_shortcut(&keys);
                            ui.label(RichText::new(keys).color(theme::quiet()).small());
                        }
                        if response.clicked() {
                            done = Some(entry.clone());
                        }
                    });
                }
            });
        });
        if let Some(entry) = done {
            self.open = false;
            run(model, entry.what);
        }
    }
}
