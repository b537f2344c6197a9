//! The start: examples, files opened lately, and what is wrong with a file that cannot be run.

use std::path::PathBuf;

use consort_core::starter::Example;
use egui::{Align, ComboBox, Key, Layout, RichText, ScrollArea, Sense, Stroke, Ui, WidgetInfo, vec2};

use super::{input, mono, name_choice};
use crate::model::Model;
use crate::theme;
use crate::wish::Wish;

const CARD: egui::Vec2 = vec2(300.0, 120.0);

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.add_space(24.0);
        let wide = (CARD.x + 16.0) * ((ui.available_width() / (CARD.x + 16.0)).floor().clamp(1.0, 3.0));
        ui.vertical_centered(|ui| {
            ui.set_max_width(wide);
            ui.label(RichText::new("◆ consort").size(26.0).color(theme::accent()).strong());
            ui.colored_label(theme::quiet(), "Virtual phones, watches and sensors in one virtual time");
            ui.add_space(12.0);
            if let Some(trouble) = &model.trouble {
                ui.colored_label(theme::bad(), trouble);
            }
            if let Some(starting) = &model.home.starting {
                ui.label(format!("Starting {starting}…"));
            }
        });
        failed(ui, model);
        firmware(ui, model);
        if model.home.starts {
            examples(ui, model);
            recent(ui, model);
        }
        open(ui, model);
    });
}

fn title(ui: &mut Ui, text: &str) {
    ui.add_space(14.0);
    ui.label(RichText::new(text).strong());
    ui.add_space(4.0);
}

fn failed(ui: &mut Ui, model: &mut Model) {
    let Some((file, message)) = model.home.failed.clone() else { return };
    egui::Frame::new().stroke(Stroke::new(1.0, theme::bad())).inner_margin(10).corner_radius(4).show(
        ui,
        |ui| {
            ui.set_width(ui.available_width());
            ui.label(RichText::new(format!("{} cannot be run", file.display())).color(theme::bad()).strong());
            for line in message.lines() {
                ui.label(mono(line, theme::text()));
            }
            ui.horizontal(|ui| {
                if ui.button("Try again").clicked() {
                    model.wish(Wish::Open(file.clone()));
                }
                ui.colored_label(theme::quiet(), "It is tried again by itself when the file changes.");
            });
        },
    );
}

/// Firmware that was dropped on the window needs a board.
fn firmware(ui: &mut Ui, model: &mut Model) {
    let Some(file) = model.home.firmware.clone() else { return };
    title(ui, "Firmware without a fleet");
    ui.horizontal(|ui| {
        ui.label(format!("Run {} on", file.display()));
        let boards = model.home.boards.clone();
        if model.inputs.board.is_empty() {
            model.inputs.board = boards.first().cloned().unwrap_or_default();
        }
        let chosen = model.inputs.board.clone();
        let choice = ComboBox::from_id_salt("board").selected_text(&chosen).show_ui(ui, |ui| {
            for board in boards {
                let is = board == chosen;
                if ui.selectable_label(is, &board).clicked() {
                    model.inputs.board = board;
                }
            }
        });
        name_choice(&choice.response, "Board", &chosen);
        if ui.button("Boot").clicked() {
            model.wish(Wish::Boot { file, board: model.inputs.board.clone() });
        }
        if ui.button("Forget it").clicked() {
            model.home.firmware = None;
        }
    });
}

fn examples(ui: &mut Ui, model: &mut Model) {
    if model.home.examples.is_empty() {
        return;
    }
    title(ui, "Examples");
    let examples = model.home.examples.clone();
    let columns = ((ui.available_width() / (CARD.x + 16.0)) as usize).max(1);
    for row in examples.chunks(columns) {
        ui.horizontal(|ui| {
            for example in row {
                if card(ui, example) {
                    model.wish(Wish::Example(example.name.clone()));
                }
            }
        });
        ui.add_space(8.0);
    }
}

fn card(ui: &mut Ui, example: &Example) -> bool {
    let (rect, response) = ui.allocate_exact_size(CARD, Sense::click());
    response
        .widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, format!("example {}", example.name)));
    let line = if response.hovered() || response.has_focus() { theme::accent() } else { theme::line() };
    let painter = ui.painter_at(rect);
    painter.rect(rect.shrink(1.0), 6.0, theme::raised(), Stroke::new(1.0, line), egui::StrokeKind::Inside);
    let mut inside =
        ui.new_child(egui::UiBuilder::new().max_rect(rect.shrink(12.0)).layout(Layout::top_down(Align::Min)));
    // The whole card is one button: its text is not there to be selected.
    inside.style_mut().interaction.selectable_labels = false;
    inside.label(RichText::new(&example.name).strong().color(theme::accent()));
    inside.add(egui::Label::new(&example.doc).wrap());
    inside.colored_label(theme::quiet(), example.boards.join(", "));
    response.clicked()
}

fn recent(ui: &mut Ui, model: &mut Model) {
    if model.home.recent.is_empty() {
        return;
    }
    title(ui, "Opened lately");
    for file in model.home.recent.clone() {
        if ui.link(file.display().to_string()).clicked() {
            model.wish(Wish::Open(file));
        }
    }
}

fn open(ui: &mut Ui, model: &mut Model) {
    title(ui, if model.home.starts { "Open a fleet file or firmware" } else { "Look at a run" });
    ui.horizontal(|ui| {
        let hint = if model.home.starts { "Path, or ADDRESS#TOKEN" } else { "ADDRESS#TOKEN" };
        let typed = input(ui, &mut model.inputs.path, hint, 380.0);
        let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if (ui.button("Open").clicked() || entered) && !model.inputs.path.is_empty() {
            let path = model.inputs.path.trim().to_owned();
            let is_door = path.contains('#');
            model.wish(if is_door { Wish::Attach(path) } else { Wish::Open(PathBuf::from(path)) });
        }
    });
    if model.home.starts {
        ui.colored_label(theme::quiet(), "Or drop a fleet file (.json) or an ELF file on this window.");
    }
}
