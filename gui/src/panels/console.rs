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
                let colour = if model.consoles.contains_key(port) { theme::text() } else { theme::quiet() };
                let text = mono(format!("{}.{}", port.0, port.1), colour);
                if ui.selectable_label(*port == shown, text).clicked() {
                    model.inputs.console = Some(port.clone());
                }
            }
        });
        name_choice(&choice.response, "UART", &text);
        // In a narrow panel they are short: what is wider than the panel would take Send along.
        let width = (ui.available_width() / 2.0 - 40.0).clamp(30.0, 110.0);
        input(ui, &mut model.inputs.console_filter, "Filter console", width);
        let typed = input(ui, &mut model.inputs.console_search, "Search console", width);
        let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if ui.button("Up").on_hover_text("to the next older line").clicked() || entered {
            search(model, &shown);
        }
    });
    // The row for typing is always there; what is left of a low panel is for the lines.
    let typing = ui.spacing().interact_size.y + 2.0 * ui.spacing().item_spacing.y;
    let height = (ui.available_height() - typing).max(0.0);
    let (filter, empty) = (model.inputs.console_filter.clone(), crate::console::Console::default());
    let console = model.consoles.get(&shown).unwrap_or(&empty);
    let lines: Vec<_> =
        console.lines.iter().filter(|line| filter.is_empty() || passes(&filter, &line.text())).collect();
    let row = ui.text_style_height(&egui::TextStyle::Monospace);
    let mut area = ScrollArea::both()
        .min_scrolled_height(0.0)
        .max_height(height)
        .auto_shrink(false)
        .stick_to_bottom(true);
    let found = model.inputs.console_line;
    let is_found = |line: &crate::console::Line| found == Some(line.number);
    if let Some(at) = lines.iter().position(|line| is_found(line))
        && std::mem::take(&mut model.inputs.console_scroll)
    {
        let spacing = ui.spacing().item_spacing.y;
        area = area.vertical_scroll_offset((at as f32 * (row + spacing) - height / 2.0).max(0.0));
    }
    area.show_rows(ui, row, lines.len(), |ui, rows| {
        for line in lines.get(rows).unwrap_or_default() {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 0.0;
                let time = if is_found(line) { theme::accent() } else { theme::quiet() };
                ui.label(mono(format!("{} ", line.at), time));
                for span in &line.spans {
                    let colour = span.colour.map_or(theme::text(), |colour| theme::ansi(colour.into()));
                    ui.label(mono(visible(ui, &span.text), colour));
                }
            });
        }
    });
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

/// Goes to the next older line that has what is searched for, and from the oldest to the newest.
fn search(model: &mut Model, shown: &(String, String)) {
    let (wanted, from) = (&model.inputs.console_search, model.inputs.console_line.unwrap_or(u64::MAX));
    let lines = model.consoles.get(shown).map(|console| &console.lines);
    let has = |line: &&crate::console::Line| !wanted.is_empty() && passes(wanted, &line.text());
    let older = lines.and_then(|lines| lines.iter().rev().filter(has).find(|line| line.number < from));
    let newest = || lines.and_then(|lines| lines.iter().rev().find(has));
    model.inputs.console_line = older.or_else(newest).map(|line| line.number);
    model.inputs.console_scroll = true;
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
