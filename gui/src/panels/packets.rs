//! The packets that links took, with their fates; a click shows the bytes.

use consort_core::control::Arrival;
use consort_core::link::Fate;
use egui::{CollapsingHeader, RichText, ScrollArea, Sense, Ui};
use egui_extras::{Column, TableBuilder};

use super::{input, mono, passes};
use crate::decode::printable;
use crate::model::{Model, Packet};
use crate::theme;

fn path(packet: &Packet) -> String {
    let receivers: Vec<_> = packet.frame.to.iter().filter_map(|to| to.device.as_deref()).collect();
    let to = match receivers.as_slice() {
        [one] => (*one).to_owned(),
        [] => "nobody".to_owned(),
        many => format!("{} devices", many.len()),
    };
    format!("{} → {to}", packet.frame.from)
}

fn is_lost(packet: &Packet) -> bool {
    packet.frame.to.iter().any(lost)
}

/// Whether a receiver never gets it: what is only held back comes later.
fn lost(to: &Arrival) -> bool {
    !to.fate.arrives() && !matches!(to.fate, Fate::Held { .. })
}

fn info(packet: &Packet) -> String {
    let lost: Vec<_> = packet.frame.to.iter().filter(|to| lost(to)).collect();
    match lost.first() {
        None => packet.inner().info.clone(),
        Some(first) => {
            let names: Vec<_> = lost.iter().filter_map(|to| to.device.as_deref()).collect();
            format!("lost for {} ({:?}) {}", names.join(", "), first.fate, packet.inner().info)
        }
    }
}

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    let mut export = false;
    ui.horizontal_wrapped(|ui| {
        input(ui, &mut model.inputs.packet_filter, "Filter packets", 200.0);
        export = ui.button("Export").on_hover_text("those that pass the filter, as pcapng").clicked();
        if let Some(said) = &model.inputs.exported {
            ui.colored_label(theme::quiet(), said);
        }
    });
    let filter = &model.inputs.packet_filter;
    let shown: Vec<&Packet> = model
        .packets
        .iter()
        .filter(|packet| {
            filter.is_empty()
                || passes(filter, &path(packet))
                || packet.layers.iter().any(|layer| passes(filter, layer.protocol))
                || passes(filter, &packet.frame.link)
                || passes(filter, &info(packet))
        })
        .collect();
    if export {
        let said = crate::capture::write(&shown);
        model.inputs.exported = Some(said);
        return;
    }
    let chosen = model.packet.and_then(|number| model.packets.iter().find(|packet| packet.number == number));
    // The newest has the longest number and time.
    let glyph = ui.fonts_mut(|fonts| fonts.glyph_width(&egui::TextStyle::Monospace.resolve(ui.style()), '0'));
    let newest = model.packets.back();
    let wide =
        |text: Option<String>, least: f32| least.max(text.map_or(0, |text| text.len()) as f32 * glyph + 2.0);
    let number = wide(newest.map(|packet| packet.number.to_string()), 36.0);
    let time = wide(newest.map(|packet| packet.frame.at.to_string()), 76.0);
    let height = ui.available_height() - if chosen.is_some() { 200.0 } else { 24.0 };
    let mut clicked = None;
    TableBuilder::new(ui)
        .striped(true)
        .sense(Sense::click())
        .stick_to_bottom(true)
        .auto_shrink(false)
        .min_scrolled_height(0.0)
        .max_scroll_height(height.max(40.0))
        .column(Column::exact(number))
        .column(Column::exact(time))
        .column(Column::initial(112.0).clip(true).resizable(true))
        .column(Column::exact(70.0))
        .column(Column::exact(44.0))
        .column(Column::remainder().clip(true))
        .header(18.0, |mut header| {
            for title in ["#", "time", "path", "protocol", "length", "info"] {
                header.col(|ui| {
                    ui.colored_label(theme::quiet(), title);
                });
            }
        })
        .body(|body| {
            body.rows(16.0, shown.len(), |mut row| {
                let packet = shown[row.index()];
                row.set_selected(model.packet == Some(packet.number));
                let colour = if is_lost(packet) { theme::bad() } else { theme::text() };
                row.col(|ui| {
                    ui.label(mono(packet.number.to_string(), theme::quiet()));
                });
                row.col(|ui| {
                    ui.label(mono(packet.frame.at.to_string(), theme::quiet()));
                });
                row.col(|ui| {
                    ui.colored_label(colour, path(packet));
                });
                row.col(|ui| {
                    ui.colored_label(theme::accent(), packet.inner().protocol);
                });
                row.col(|ui| {
                    ui.label(packet.frame.data.len().to_string());
                });
                row.col(|ui| {
                    ui.colored_label(colour, info(packet));
                });
                if row.response().clicked() {
                    clicked = Some(packet.number);
                }
            });
        });
    if let Some(packet) = chosen {
        ui.separator();
        bytes(ui, packet);
    }
    if clicked.is_some() {
        model.packet = clicked;
    }
}

fn bytes(ui: &mut Ui, packet: &Packet) {
    ScrollArea::both().id_salt("packet bytes").auto_shrink(false).show(ui, |ui| {
        ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Extend);
        for (index, layer) in packet.layers.iter().enumerate() {
            let last = index + 1 == packet.layers.len();
            let title = RichText::new(format!("{}: {}", layer.protocol, layer.info)).color(theme::accent());
            CollapsingHeader::new(title).id_salt((packet.number, index)).default_open(last).show(ui, |ui| {
                for (name, value) in &layer.fields {
                    ui.horizontal(|ui| {
                        ui.colored_label(theme::quiet(), *name);
                        ui.label(mono(value, theme::text()));
                    });
                }
            });
        }
        for (row, chunk) in packet.frame.data.chunks(16).enumerate() {
            let hex: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
            let text: String = chunk.iter().map(|byte| printable(*byte)).collect();
            ui.label(mono(format!("{:04x}  {:<47}  {text}", row * 16, hex.join(" ")), theme::text()));
        }
    });
}
