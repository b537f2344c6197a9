//! What the selected device takes from the world: sliders for readings with their curves, switches, text.

use consort_core::Time;
use consort_core::control::ChannelInfo;
use consort_core::panel::{Takes, Value};
use egui::{ScrollArea, Sense, Slider, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::{input, mono, passes};
use crate::model::Model;
use crate::parts::{Place, Wave};
use crate::theme;

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    input(ui, &mut model.inputs.sensor_filter, "Filter sensors", 140.0);
    let device = model.name();
    let parts = model.parts.known.get(&device).cloned().unwrap_or_default();
    let filter = model.inputs.sensor_filter.clone();
    let mut any = false;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for part in &parts {
            let wanted = |channel: &&ChannelInfo| {
                let touch = matches!(channel.takes, Takes::Touch { .. });
                !touch && (passes(&filter, &part.name) || passes(&filter, &channel.name))
            };
            let channels: Vec<_> = part.channels.iter().filter(wanted).collect();
            if channels.is_empty() {
                continue;
            }
            any = true;
            ui.label(egui::RichText::new(&part.name).strong());
            for channel in channels {
                let place = (device.clone(), part.name.clone(), channel.name.clone());
                self::channel(ui, model, channel, &place);
            }
            ui.add_space(6.0);
        }
        if !any {
            ui.label("This device takes nothing from the world, or nothing of that name.");
        }
    });
}

fn channel(ui: &mut Ui, model: &mut Model, channel: &ChannelInfo, place: &Place) {
    let name = format!("{} {}", place.1, place.2);
    match &channel.takes {
        Takes::Number { min, max, unit } => {
            let present = match channel.value {
                Some(Value::Number(value)) => value,
                _ => min.max(0.0).min(*max),
            };
            ui.horizontal_wrapped(|ui| {
                ui.add_sized(vec2(90.0, 18.0), egui::Label::new(&channel.name).truncate())
                    .on_hover_text(&channel.doc);
                let mut value = model.parts.setting.get(place).copied().unwrap_or(present);
                let slider = Slider::new(&mut value, *min..=*max).suffix(format!(" {unit}"));
                let response = ui.add(slider.max_decimals(3));
                response.widget_info(|| WidgetInfo::slider(true, value, &name));
                if response.changed() {
                    model.parts.waves.remove(place);
                    model.set(place, Value::Number(value));
                }
                if response.dragged() || response.changed() {
                    model.parts.setting.insert(place.clone(), value);
                } else {
                    model.parts.setting.remove(place);
                }
                wave(ui, model, place, &name, (*min, *max), present);
                curve(ui, model, place, &name, present);
            });
        }
        Takes::Switch => {
            let mut on = channel.value == Some(Value::Bool(true));
            let response = ui.checkbox(&mut on, &channel.name).on_hover_text(&channel.doc);
            response.widget_info(|| WidgetInfo::selected(egui::Role::CheckBox, true, on, &name));
            if response.changed() {
                model.set(place, Value::Bool(on));
            }
        }
        Takes::Text => {
            ui.horizontal(|ui| {
                ui.label(&channel.name).on_hover_text(&channel.doc);
                let id = ui.scope_id().with(place);
                let mut text: String = ui.data(|data| data.get_temp(id)).unwrap_or_default();
                let typed = ui.add(egui::TextEdit::singleline(&mut text).desired_width(160.0));
                typed.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, &name));
                let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
                ui.data_mut(|data| data.insert_temp(id, text.clone()));
                if ui.button("Set").clicked() || entered {
                    model.set(place, Value::Text(text));
                }
            });
        }
        Takes::Touch { .. } => {}
    }
}

/// Lets a reading go up and down by itself.
fn wave(ui: &mut Ui, model: &mut Model, place: &Place, name: &str, (min, max): (f64, f64), present: f64) {
    let running = model.parts.waves.get(place).copied();
    let button =
        ui.selectable_label(running.is_some(), "〰").on_hover_text("let it go up and down by itself");
    button.widget_info(|| {
        WidgetInfo::selected(egui::Role::Button, true, running.is_some(), format!("wave of {name}"))
    });
    if button.clicked() {
        if running.is_some() {
            model.parts.waves.remove(place);
        } else {
            // Around the present, a fifth of the range wide.
            let reach = (max - min) / 10.0;
            let (low, high) = ((present - reach).max(min), (present + reach).min(max));
            let wave = Wave { period: Time::from_secs(10), low, high, last: Time::ZERO };
            model.parts.waves.insert(place.clone(), wave);
        }
    }
}

/// How a reading went.
fn curve(ui: &mut Ui, model: &Model, place: &Place, name: &str, present: f64) {
    let (rect, response) = ui.allocate_exact_size(vec2(120.0, 22.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, format!("curve of {name}")));
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 2.0, theme::raised());
    let Some(curve) = model.parts.curves.get(place) else { return };
    let values = curve.0.iter().map(|(_, value)| *value);
    let (low, high) = values.fold((present, present), |(low, high), value| (low.min(value), high.max(value)));
    let (Some(first), Some(last)) = (curve.0.front(), curve.0.back()) else { return };
    let span = last.0.since(first.0).as_secs_f64().max(1e-9);
    let height = (high - low).max(1e-9);
    let point = |(at, value): &(Time, f64)| {
        let x = at.since(first.0).as_secs_f64() / span;
        let y = if high > low { (value - low) / height } else { 0.5 };
        pos2(rect.min.x + x as f32 * rect.width(), rect.max.y - 2.0 - y as f32 * (rect.height() - 4.0))
    };
    painter.line(curve.0.iter().map(point).collect(), Stroke::new(1.2, theme::accent()));
    response.on_hover_ui(|ui| {
        ui.label(mono(format!("{low:.3} to {high:.3}"), theme::text()));
    });
}
