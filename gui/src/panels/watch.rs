//! Values of the selected device's memory under watch; a watched value can halt the device when it is written.

use egui::{ComboBox, Grid, Key, ScrollArea, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::{input, mono, name_choice};
use crate::model::Model;
use crate::theme;
use crate::watch::{Form, Watch};

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    let device = model.name();
    ui.horizontal_wrapped(|ui| {
        let typed = input(ui, &mut model.inputs.watch_place, "Watch symbol or address", 180.0);
        let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if ui.button("Watch").clicked() || entered {
            add(model, &device);
        }
        let text = &model.inputs.watch_place;
        if !text.is_empty() && model.code.address(text).is_none() {
            let like = model.code.like(text, 3);
            let names: Vec<_> = like.iter().map(|symbol| symbol.name.as_str()).collect();
            match names.is_empty() {
                true => ui.colored_label(theme::bad(), "no symbol like this"),
                false => ui.colored_label(theme::quiet(), names.join(", ")),
            };
        }
    });
    let mut watches = model.watches.get(&device).cloned().unwrap_or_default();
    if watches.is_empty() {
        ui.label("Nothing of this device's memory is watched.");
        return;
    }
    let (mut gone, mut told) = (None, false);
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        Grid::new("watches").num_columns(6).striped(true).spacing([10.0, 4.0]).show(ui, |ui| {
            for (index, watch) in watches.iter_mut().enumerate() {
                ui.label(&watch.name).on_hover_text(format!("{:#010x}", watch.addr));
                let shown = watch.form.name();
                let choice = ComboBox::from_id_salt(("form", index))
                    .width(52.0)
                    .selected_text(shown)
                    .show_ui(ui, |ui| {
                        for form in Form::ALL {
                            if ui.selectable_label(watch.form == form, form.name()).clicked() {
                                watch.form = form;
                                watch.curve.clear();
                                told = true;
                            }
                        }
                    });
                name_choice(&choice.response, &format!("type of {}", watch.name), shown);
                let colour = if watch.changed { theme::changed() } else { theme::text() };
                ui.label(mono(&watch.shown, colour));
                curve(ui, watch);
                let halts = ui.checkbox(&mut watch.halts, "halt");
                let name = format!("halt when {} is written", watch.name);
                halts.widget_info(|| WidgetInfo::selected(egui::Role::CheckBox, true, watch.halts, &name));
                told |= halts.on_hover_text("when it is written").changed();
                let remove = ui.button("✖");
                remove.widget_info(|| {
                    WidgetInfo::labeled(egui::Role::Button, true, format!("forget {}", watch.name))
                });
                if remove.clicked() {
                    gone = Some(index);
                }
                ui.end_row();
            }
        });
    });
    if let Some(index) = gone {
        told |= watches.remove(index).halts;
    }
    model.watches.insert(device.clone(), watches);
    if told {
        model.tell_points(&device);
    }
}

fn add(model: &mut Model, device: &str) {
    let name = model.inputs.watch_place.trim().to_owned();
    let Some(addr) = model.code.address(&name) else { return };
    let symbol = model.code.symbols.iter().flatten().find(|symbol| symbol.name == name);
    let form = match symbol.map(|symbol| symbol.size) {
        Some(1) => Form::U8,
        Some(2) => Form::U16,
        Some(8) => Form::U64,
        _ => Form::U32,
    };
    let watches = model.watches.entry(device.to_owned()).or_default();
    watches.push(Watch { name, addr, form, ..Watch::default() });
    model.inputs.watch_place.clear();
}

fn curve(ui: &mut Ui, watch: &Watch) {
    let (rect, response) = ui.allocate_exact_size(vec2(90.0, 16.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, format!("curve of {}", watch.name)));
    let first = watch.curve.front().copied().unwrap_or(0.0);
    let (low, high) =
        watch.curve.iter().fold((first, first), |(low, high), value| (low.min(*value), high.max(*value)));
    if high <= low {
        return;
    }
    let count = watch.curve.len().max(2) as f32 - 1.0;
    let points = watch.curve.iter().enumerate().map(|(index, value)| {
        let y = ((value - low) / (high - low)) as f32;
        pos2(rect.min.x + index as f32 / count * rect.width(), rect.max.y - y * rect.height())
    });
    ui.painter_at(rect).line(points.collect(), Stroke::new(1.0, theme::accent()));
}
