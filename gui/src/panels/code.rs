//! The selected device's program: symbols, source lines, instructions; a click on the margin sets a breakpoint.

use egui::text::LayoutJob;
use egui::{Align, FontId, Rect, ScrollArea, Sense, TextFormat, TextStyle, Ui, WidgetInfo, vec2};

use super::{input, mono};
use crate::code::Row;
use crate::model::Model;
use crate::theme;

const MARGIN: f32 = 18.0;

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    bar(ui, model);
    let pc = model.device.as_ref().map(|device| device.pc);
    if let Some(pc) = pc {
        model.code.follow(pc);
    }
    if model.code.rows.is_empty() {
        ui.label("Nothing is known of this device's program yet.");
        return;
    }
    let font = TextStyle::Monospace.resolve(ui.style());
    let height = ui.text_style_height(&TextStyle::Monospace) + 2.0;
    ui.spacing_mut().item_spacing.y = 0.0;
    let mut area = ScrollArea::both().auto_shrink(false);
    if let Some(place) = model.code.scroll_to {
        let row = model.code.rows.iter().position(|row| row.addr().is_some_and(|addr| addr >= place));
        if let Some(row) = row {
            let middle = (ui.available_height() / height * 0.35).floor();
            area = area.vertical_scroll_offset(((row as f32) - middle).max(0.0) * height);
            model.code.scroll_to = None;
        }
    }
    let device = model.name();
    let mut toggled = None;
    area.show_rows(ui, height, model.code.rows.len(), |ui, shown| {
        for row in model.code.rows.get(shown).unwrap_or_default() {
            let addr = row.addr();
            let is_next = addr.is_some() && addr == pc;
            let halts = addr
                .is_some_and(|addr| model.breakpoints.get(&device).is_some_and(|own| own.contains(&addr)));
            let job = text(row, &font, is_next);
            let galley = ui.painter().layout_job(job);
            let size = vec2((MARGIN + galley.size().x).max(ui.available_width()), height);
            let (rect, response) = ui.allocate_exact_size(size, Sense::click());
            if is_next {
                ui.painter().rect_filled(rect, 2.0, theme::accent().gamma_multiply(0.25));
            }
            let margin = Rect::from_min_size(rect.min, vec2(MARGIN, height));
            if halts {
                ui.painter().circle_filled(margin.center(), 4.5, theme::bad());
            } else if response.hovered() && addr.is_some() {
                ui.painter().circle_stroke(margin.center(), 4.5, egui::Stroke::new(1.0, theme::quiet()));
            }
            ui.painter().galley(rect.min + vec2(MARGIN, 1.0), galley.clone(), theme::text());
            let said = galley.text().trim().to_owned();
            response.widget_info(|| match addr {
                Some(_) => WidgetInfo::selected(egui::Role::Button, true, halts, said.clone()),
                None => WidgetInfo::labeled(egui::Role::Label, true, said.clone()),
            });
            if response.clicked() {
                toggled = addr.or(toggled);
            }
        }
    });
    if let Some(addr) = toggled {
        model.toggle_breakpoint(addr);
    }
}

fn bar(ui: &mut Ui, model: &mut Model) {
    ui.horizontal_wrapped(|ui| {
        let typed = input(ui, &mut model.inputs.code_place, "Symbol or address", 150.0);
        if typed.changed()
            && let Some(addr) = model.code.address(&model.inputs.code_place)
        {
            model.code.follow = false;
            model.code.go(addr & !1);
        }
        if typed.has_focus() && model.inputs.code_place.len() > 1 {
            let place = typed.rect.left_bottom();
            suggestions(ui, model, place);
        }
        let text = &model.inputs.code_place;
        if !text.is_empty() && model.code.address(text).is_none() && model.code.like(text, 1).is_empty() {
            ui.colored_label(theme::bad(), "no symbol like this");
        }
        ui.checkbox(&mut model.code.follow, "Follow pc");
        let device = model.name();
        let points = model.breakpoints.get(&device).map_or(0, std::collections::BTreeSet::len);
        if points > 0 {
            let all: Vec<_> = model.breakpoints.get(&device).into_iter().flatten().copied().collect();
            let several = if points == 1 { "" } else { "s" };
            ui.menu_button(format!("{points} breakpoint{several}"), |ui| {
                for addr in all {
                    let name = model.code.name_of(addr).unwrap_or_default();
                    if ui.button(mono(format!("{addr:#010x} {name}"), theme::text())).clicked() {
                        model.code.follow = false;
                        model.code.go(addr);
                    }
                }
                if ui.button("Remove all").clicked() {
                    model.breakpoints.remove(&device);
                    model.tell_points(&device);
                    ui.close();
                }
            });
        }
    });
}

/// Symbols like what is being typed.
fn suggestions(ui: &Ui, model: &mut Model, place: egui::Pos2) {
    let found: Vec<_> = model.code.like(&model.inputs.code_place, 8).into_iter().cloned().collect();
    if found.is_empty() || found.iter().any(|symbol| symbol.name == model.inputs.code_place) {
        return;
    }
    let area = egui::Area::new(ui.scope_id().with("symbols")).fixed_pos(place).order(egui::Order::Foreground);
    area.show(ui.ctx(), |ui| {
        egui::Frame::popup(ui.style()).show(ui, |ui| {
            for symbol in found {
                if ui.button(mono(&symbol.name, theme::text())).clicked() {
                    model.inputs.code_place.clone_from(&symbol.name);
                    model.code.follow = false;
                    model.code.go(symbol.addr & !1);
                }
            }
        });
    });
}

/// A row in one piece of text.
fn text(row: &Row, font: &FontId, is_next: bool) -> LayoutJob {
    let mut job = LayoutJob::default();
    let mut add = |text: String, colour| {
        let format = TextFormat { valign: Align::Center, ..TextFormat::simple(font.clone(), colour) };
        job.append(&text, 0.0, format);
    };
    match row {
        Row::Symbol(name) => add(format!("{name}:"), theme::accent()),
        Row::Source { place, text } => {
            add(format!("    {place}  "), theme::quiet());
            add(text.clone().unwrap_or_default(), theme::quiet());
        }
        Row::Instruction { addr, bytes, mnemonic, operands, note } => {
            add(format!("{addr:08x}  "), if is_next { theme::text() } else { theme::quiet() });
            add(format!("{bytes:<9} "), theme::quiet().gamma_multiply(0.6));
            add(format!("{mnemonic:<7} "), theme::accent());
            add(operands.clone(), theme::text());
            if !note.is_empty() {
                add(format!("  ; {note}"), theme::good());
            }
        }
        Row::Data { addr, bytes } => {
            add(format!("{addr:08x}  "), theme::quiet());
            add(format!("{bytes:<9} .data"), theme::quiet());
        }
    }
    job
}
