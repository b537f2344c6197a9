//! The bar on top: run, pause, step, speed, time.

use consort_core::control::{Command, Next};
use egui::{ComboBox, RichText, Ui};

use super::mono;
use crate::model::Model;
use crate::theme;
use crate::wish::Wish;

/// Speeds to choose from.
pub const SPEEDS: [(&str, Option<f64>); 7] = [
    ("x0.01", Some(0.01)),
    ("x0.1", Some(0.1)),
    ("x0.5", Some(0.5)),
    ("real time", Some(1.0)),
    ("x2", Some(2.0)),
    ("x10", Some(10.0)),
    ("maximum", None),
];

/// A speed in words.
fn speed(times: Option<f64>) -> String {
    let known = SPEEDS.iter().find(|(_, speed)| *speed == times);
    known.map_or_else(|| format!("x{}", times.unwrap_or(1.0)), |(name, _)| (*name).to_owned())
}

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("◆ consort").color(theme::accent()).strong());
        let running = model.status.running;
        let (label, command) =
            if running { ("⏸ Pause", Command::Pause) } else { ("▶ Run", Command::Run { until: None }) };
        if ui.button(label).on_hover_text("F5").clicked() {
            model.ask(command);
        }
        let name = model.name();
        if ui.button("Step instruction").on_hover_text(format!("of {name}, F10")).clicked() {
            model.ask(Command::StepInstruction { device: name });
        }
        if ui.button("Step window").on_hover_text("the whole fleet, F11").clicked() {
            model.ask(Command::StepWindow);
        }
        if ui.button("Next packet").on_hover_text("F6").clicked() {
            model.ask(Command::RunTo { next: Next::Packet });
        }
        let name = model.name();
        if ui.button("Next interrupt").on_hover_text(format!("of {name}, F7")).clicked() {
            model.ask(Command::RunTo { next: Next::Interrupt { device: name } });
        }
        if model.home.starts
            && ui.button("Begin again").on_hover_text("Ctrl+R: from the files as they are now").clicked()
        {
            model.wish(Wish::Again);
        }
        let shown = speed(model.status.speed);
        let choice = ComboBox::from_id_salt("speed").selected_text(&shown).show_ui(ui, |ui| {
            for (name, times) in SPEEDS {
                if ui.selectable_label(model.status.speed == times, name).clicked() {
                    model.ask(Command::Speed { times });
                }
            }
        });
        super::name_choice(&choice.response, "Speed", &shown);
        ui.separator();
        ui.label(mono(format!("t = {} s", model.status.now), theme::text()));
        ui.label(RichText::new(format!("seed {}", model.fleet.seed)).color(theme::quiet()));
        ui.separator();
        ui.label(format!("{} devices", model.fleet.devices.len()));
        ui.label(format!("{} packets", model.status.frames));
        ui.label(mono(format!("{:.1} MIPS", model.mips), theme::good()));
        if ui.button("Digest").on_hover_text("of the run so far").clicked() {
            model.ask(Command::Digest);
        }
        if let Some((at, digest)) = &model.digest {
            ui.label(mono(digest.get(..8).unwrap_or(digest), theme::accent()))
                .on_hover_text(format!("{digest} at {at} s"));
        }
        if model.dropped > 0 {
            ui.colored_label(theme::changed(), format!("{} notices dropped", model.dropped));
        }
        if let Some(halted) = &model.status.halted {
            ui.colored_label(theme::bad(), halted);
        }
        if let Some(trouble) = &model.trouble {
            ui.colored_label(theme::bad(), trouble);
        }
        if let Some(changed) = &model.home.changed {
            let name = changed.file_name().unwrap_or_default().to_string_lossy();
            ui.colored_label(theme::changed(), format!("{name} changed on disk"));
            if ui.button("Reload").clicked() {
                model.wish(Wish::Again);
            }
        }
    });
}
