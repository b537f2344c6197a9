//! The panels: each draws a part of the model, and asks for what its user wants.

pub mod code;
pub mod console;
pub mod fleet_map;
pub mod home;
pub mod interrupts;
pub mod log;
pub mod memory;
pub mod packets;
pub mod peripherals;
pub mod registers;
pub mod run_bar;
pub mod screens;
pub mod sensors;
pub mod timeline;
pub mod watch;

use egui::{Color32, RichText, TextEdit, Ui};
use serde::{Deserialize, Serialize};

use crate::model::Model;

/// A kind of panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Panel {
    /// Devices, links, packets on their way.
    FleetMap,
    /// Screens, lamps and buttons.
    Screens,
    /// What devices take from the world.
    Sensors,
    /// UARTs.
    Console,
    /// What each device did when.
    Timeline,
    /// The selected device's registers.
    Registers,
    /// Its program.
    Code,
    /// Its memory.
    Memory,
    /// Values of its memory.
    Watch,
    /// Its exceptions and interrupts.
    Interrupts,
    /// Its on-chip blocks.
    Peripherals,
    /// Packets on links.
    Packets,
    /// What models say.
    Log,
}

impl Panel {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::FleetMap,
        Self::Screens,
        Self::Sensors,
        Self::Console,
        Self::Timeline,
        Self::Registers,
        Self::Code,
        Self::Memory,
        Self::Watch,
        Self::Interrupts,
        Self::Peripherals,
        Self::Packets,
        Self::Log,
    ];

    /// What its tab says.
    pub fn title(self) -> &'static str {
        match self {
            Self::FleetMap => "Fleet map",
            Self::Screens => "Screens",
            Self::Sensors => "Sensors",
            Self::Console => "Console",
            Self::Timeline => "Timeline",
            Self::Registers => "Registers",
            Self::Code => "Code",
            Self::Memory => "Memory",
            Self::Watch => "Watch",
            Self::Interrupts => "Interrupts",
            Self::Peripherals => "Peripherals",
            Self::Packets => "Packets",
            Self::Log => "Log",
        }
    }

    /// Draws it.
    pub fn ui(self, ui: &mut Ui, model: &mut Model) {
        match self {
            Self::FleetMap => fleet_map::ui(ui, model),
            Self::Screens => screens::ui(ui, model),
            Self::Sensors => sensors::ui(ui, model),
            Self::Console => console::ui(ui, model),
            Self::Timeline => timeline::ui(ui, model),
            Self::Registers => registers::ui(ui, model),
            Self::Code => code::ui(ui, model),
            Self::Memory => memory::ui(ui, model),
            Self::Watch => watch::ui(ui, model),
            Self::Interrupts => interrupts::ui(ui, model),
            Self::Peripherals => peripherals::ui(ui, model),
            Self::Packets => packets::ui(ui, model),
            Self::Log => log::ui(ui, model),
        }
    }
}

/// Text in the fixed-width font.
fn mono(text: impl Into<String>, colour: Color32) -> RichText {
    RichText::new(text).monospace().color(colour)
}

/// A small input with a name for people who cannot see it.
pub fn input(ui: &mut Ui, text: &mut String, name: &'static str, width: f32) -> egui::Response {
    let response = ui.add(TextEdit::singleline(text).hint_text(name).desired_width(width));
    response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, name);
        info.current_text_value = Some(text.clone());
        info
    });
    response
}

/// Names a list to choose from for people who cannot see it.
fn name_choice(response: &egui::Response, name: &str, chosen: &str) {
    response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name);
        info.current_text_value = Some(chosen.to_owned());
        info
    });
}

/// Whether a text has the filter in it, in any case.
fn passes(filter: &str, text: &str) -> bool {
    filter.is_empty() || text.to_lowercase().contains(&filter.to_lowercase())
}
