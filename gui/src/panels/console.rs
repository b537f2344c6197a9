//! The guests' terminals.

use consort_core::component::PortKind;
use consort_core::device::Action;
use egui::{ComboBox, Key, ScrollArea, Ui};

use super::{input, mono, name_choice, passes};
use crate::model::Model;
use crate::theme;

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    let ports: Vec<(String, String)> = model
        .fleet
        .devices
        .iter()
        .flat_map(|device| {
            let uarts = device.ports.iter().filter(|port| port.kind == PortKind::Uart);
            uarts.map(|port| (device.name.clone(), port.name.clone()))
        })
        .collect();
    let shown = model.inputs.console.clone().or_else(|| ports.first().cloned());
    let Some(shown) = shown else {
        ui.label("No device has a UART.");
        return;
    };
    ui.horizontal(|ui| {
        let text = format!("{}.{}", shown.0, shown.1);
        let choice = ComboBox::from_id_salt("console").selected_text(&text).show_ui(ui, |ui| {
            for port in &ports {
                // Those that said something first catch the eye.
                let colour = if model.consoles.contains_key(port) { theme::TEXT } else { theme::QUIET };
                let text = mono(format!("{}.{}", port.0, port.1), colour);
                if ui.selectable_label(*port == shown, text).clicked() {
                    model.inputs.console = Some(port.clone());
                }
            }
        });
        name_choice(&choice.response, "UART", &text);
        input(ui, &mut model.inputs.console_filter, "Filter console", 140.0);
    });
    let height = (ui.available_height() - 30.0).max(40.0);
    let (filter, empty) = (model.inputs.console_filter.clone(), crate::console::Console::default());
    let console = model.consoles.get(&shown).unwrap_or(&empty);
    let lines: Vec<_> = console.lines.iter().filter(|line| passes(&filter, &line.text())).collect();
    let row = ui.text_style_height(&egui::TextStyle::Monospace);
    ScrollArea::both().max_height(height).auto_shrink(false).stick_to_bottom(true).show_rows(
        ui,
        row,
        lines.len(),
        |ui, rows| {
            for line in lines.get(rows).unwrap_or_default() {
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 0.0;
                    ui.label(mono(format!("{} ", line.at), theme::QUIET));
                    for span in &line.spans {
                        let colour = span.colour.map_or(theme::TEXT, |colour| theme::ansi(colour.into()));
                        ui.label(mono(visible(ui, &span.text), colour));
                    }
                });
            }
        },
    );
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 60.0).max(60.0);
        let typed = input(ui, &mut model.inputs.line, "Type to the guest", width);
        let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if ui.button("Send").clicked() || entered {
            let mut line = std::mem::take(&mut model.inputs.line);
            line.push('\n');
            model.act(&shown.0, Action::Send { port: shown.1.clone(), data: line.into_bytes() });
            if entered {
                typed.request_focus();
            }
        }
    });
}

/// A text in which characters that no font has are question marks.
fn visible(ui: &Ui, text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let font = egui::TextStyle::Monospace.resolve(ui.style());
    let shown = |character: char| ui.ctx().fonts_mut(|fonts| fonts.has_glyph(&font, character));
    text.chars().map(|character| if shown(character) { character } else { '?' }).collect()
}
