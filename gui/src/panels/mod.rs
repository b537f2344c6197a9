//! The panels: each draws a part of the model, and asks for what its user wants.

pub mod console;
pub mod fleet_map;
pub mod log;
pub mod memory;
pub mod packets;
pub mod peripherals;
pub mod registers;
pub mod run_bar;
pub mod timeline;

use egui::{Color32, RichText, TextEdit, Ui};
use serde::{Deserialize, Serialize};

use crate::model::Model;

/// A kind of panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Panel {
    /// Devices, links, packets on their way.
    FleetMap,
    /// UARTs.
    Console,
    /// What each device did when.
    Timeline,
    /// The selected device's registers.
    Registers,
    /// Its memory.
    Memory,
    /// Its on-chip blocks.
    Peripherals,
    /// Packets on links.
    Packets,
    /// What models say.
    Log,
}

impl Panel {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::FleetMap,
        Self::Console,
        Self::Timeline,
        Self::Registers,
        Self::Memory,
        Self::Peripherals,
        Self::Packets,
        Self::Log,
    ];

    /// What its tab says.
    pub fn title(self) -> &'static str {
        match self {
            Self::FleetMap => "Fleet map",
            Self::Console => "Console",
            Self::Timeline => "Timeline",
            Self::Registers => "Registers",
            Self::Memory => "Memory",
            Self::Peripherals => "Peripherals",
            Self::Packets => "Packets",
            Self::Log => "Log",
        }
    }

    /// Draws it.
    pub fn ui(self, ui: &mut Ui, model: &mut Model) {
        match self {
            Self::FleetMap => fleet_map::ui(ui, model),
            Self::Console => console::ui(ui, model),
            Self::Timeline => timeline::ui(ui, model),
            Self::Registers => registers::ui(ui, model),
            Self::Memory => memory::ui(ui, model),
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
fn input(ui: &mut Ui, text: &mut String, name: &'static str, width: f32) -> egui::Response {
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
