//! What models and devices say.

use egui::{ScrollArea, Ui};

use super::{input, mono, passes};
use crate::model::Model;
use crate::theme;

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    input(ui, &mut model.inputs.log_filter, "Filter log", 200.0);
    let filter = &model.inputs.log_filter;
    let shown = |device: &str, text: &str| passes(filter, device) || passes(filter, text);
    let lines: Vec<_> = model.log.iter().filter(|line| shown(&line.device, &line.text)).collect();
    let row = ui.text_style_height(&egui::TextStyle::Monospace);
    ScrollArea::both().auto_shrink(false).stick_to_bottom(true).show_rows(
        ui,
        row,
        lines.len(),
        |ui, rows| {
            for line in lines.get(rows).unwrap_or_default() {
                ui.horizontal(|ui| {
                    ui.label(mono(line.at.to_string(), theme::quiet()));
                    let colour = model.index(&line.device).map_or(theme::quiet(), theme::device);
                    ui.label(mono(&line.device, colour));
                    ui.label(mono(&line.text, theme::level(line.level)));
                });
            }
        },
    );
}
