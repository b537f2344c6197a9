//! The packets that links took, with their fates; a click shows the bytes.

use egui::{ScrollArea, Sense, Ui};
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
    packet.frame.to.iter().any(|to| to.at.is_none())
}

fn info(packet: &Packet) -> String {
    let lost: Vec<_> = packet.frame.to.iter().filter(|to| to.at.is_none()).collect();
    match lost.first() {
        None => packet.words.info.clone(),
        Some(first) => {
            let names: Vec<_> = lost.iter().filter_map(|to| to.device.as_deref()).collect();
            format!("lost for {} ({:?}) {}", names.join(", "), first.fate, packet.words.info)
        }
    }
}

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    input(ui, &mut model.inputs.packet_filter, "Filter packets", 200.0);
    let filter = &model.inputs.packet_filter;
    let shown: Vec<&Packet> = model
        .packets
        .iter()
        .filter(|packet| {
            filter.is_empty()
                || passes(filter, &path(packet))
                || passes(filter, packet.words.protocol)
                || passes(filter, &info(packet))
        })
        .collect();
    let chosen = model.packet.and_then(|number| model.packets.iter().find(|packet| packet.number == number));
    let height = ui.available_height() - if chosen.is_some() { 120.0 } else { 24.0 };
    let mut clicked = None;
    TableBuilder::new(ui)
        .striped(true)
        .sense(Sense::click())
        .stick_to_bottom(true)
        .auto_shrink(false)
        .min_scrolled_height(0.0)
        .max_scroll_height(height.max(40.0))
        .column(Column::exact(44.0))
        .column(Column::exact(84.0))
        .column(Column::initial(150.0).clip(true).resizable(true))
        .column(Column::exact(70.0))
        .column(Column::exact(44.0))
        .column(Column::remainder().clip(true))
        .header(18.0, |mut header| {
            for title in ["#", "time", "path", "protocol", "length", "info"] {
                header.col(|ui| {
                    ui.colored_label(theme::QUIET, title);
                });
            }
        })
        .body(|body| {
            body.rows(16.0, shown.len(), |mut row| {
                let packet = shown[row.index()];
                row.set_selected(model.packet == Some(packet.number));
                let colour = if is_lost(packet) { theme::BAD } else { theme::TEXT };
                row.col(|ui| {
                    ui.label(mono(packet.number.to_string(), theme::QUIET));
                });
                row.col(|ui| {
                    ui.label(mono(packet.frame.at.to_string(), theme::QUIET));
                });
                row.col(|ui| {
                    ui.colored_label(colour, path(packet));
                });
                row.col(|ui| {
                    ui.colored_label(theme::ACCENT, packet.words.protocol);
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
        for (row, chunk) in packet.frame.data.chunks(16).enumerate() {
            let hex: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
            let text: String = chunk.iter().map(|byte| printable(*byte)).collect();
            ui.label(mono(format!("{:04x}  {:<47}  {text}", row * 16, hex.join(" ")), theme::TEXT));
        }
    });
}
