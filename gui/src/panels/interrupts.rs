//! The selected device's exceptions and interrupts: what raises them, their state, their handlers.

use egui::Ui;
use egui_extras::{Column, TableBuilder};

use super::mono;
use crate::model::Model;
use crate::panels::Panel;
use crate::theme;
use crate::wish::Wish;

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    ui.checkbox(&mut model.inputs.busy_interrupts, "Only those in use");
    if model.interrupts.is_empty() {
        ui.label("This device's interrupt controller is not known.");
        return;
    }
    let busy = model.inputs.busy_interrupts;
    let shown: Vec<_> = model
        .interrupts
        .iter()
        .filter(|known| !busy || known.pending || known.active || (known.enabled && known.number > 15))
        .cloned()
        .collect();
    let mut go = None;
    TableBuilder::new(ui)
        .striped(true)
        .auto_shrink(false)
        .min_scrolled_height(0.0)
        .column(Column::exact(32.0))
        .column(Column::initial(110.0).clip(true).resizable(true))
        .column(Column::exact(52.0))
        .column(Column::exact(54.0))
        .column(Column::exact(46.0))
        .column(Column::exact(50.0))
        .column(Column::remainder().clip(true))
        .header(18.0, |mut header| {
            for title in ["#", "source", "enabled", "pending", "active", "priority", "handler"] {
                header.col(|ui| {
                    ui.colored_label(theme::quiet(), title);
                });
            }
        })
        .body(|body| {
            body.rows(17.0, shown.len(), |mut row| {
                let known = &shown[row.index()];
                let colour = match () {
                    () if known.active => theme::good(),
                    () if known.pending => theme::changed(),
                    () if known.enabled => theme::text(),
                    () => theme::quiet(),
                };
                row.col(|ui| {
                    ui.label(mono(known.number.to_string(), theme::quiet()));
                });
                row.col(|ui| {
                    ui.colored_label(colour, &known.name);
                });
                for (is, word) in
                    [(known.enabled, "enabled"), (known.pending, "pending"), (known.active, "active")]
                {
                    row.col(|ui| {
                        ui.colored_label(colour, if is { word } else { "" });
                    });
                }
                row.col(|ui| {
                    let priority = known.priority.map_or_else(|| "fixed".to_owned(), |own| own.to_string());
                    ui.label(mono(priority, theme::quiet()));
                });
                row.col(|ui| {
                    let Some(handler) = known.handler else { return };
                    let name = model.code.name_of(handler).unwrap_or_else(|| format!("{handler:#x}"));
                    if ui.link(mono(name, theme::accent())).clicked() {
                        go = Some(handler);
                    }
                });
            });
        });
    if let Some(handler) = go {
        model.code.follow = false;
        model.code.go(handler);
        model.wish(Wish::Show(Panel::Code));
    }
}
