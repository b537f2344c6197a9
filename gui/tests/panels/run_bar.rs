//! The bar, its keys, the palette, and what stays of a run that begins again.

use consort_core::Time;
use consort_core::control::{Answer, Command, Next, VERSION, Welcome};
use consort_core::device::Action;
use consort_core::fleet::StimulusKind;
use consort_gui::model::Model;
use consort_gui::palette::{self, Palette};
use consort_gui::panels::run_bar;
use consort_gui::theme;
use consort_gui::wish::Wish;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{click, fleet, model, reply, status};

#[test]
fn the_run_bar_runs_pauses_steps_and_tells_the_time() {
    let mut harness = Harness::builder()
        .with_size([1200.0, 60.0])
        .with_context_setup(theme::set)
        .build_ui_state(|ui, model: &mut Model| run_bar::ui(ui, model), model());
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("2.000000").is_some());
    assert!(harness.query_by_label_contains("seed 42").is_some());
    click(&mut harness, "⏸ Pause");
    click(&mut harness, "Step instruction");
    click(&mut harness, "Step window");
    click(&mut harness, "Digest");
    let step = Command::StepInstruction { device: "hub".to_owned() };
    let asked = harness.state_mut().take_asked();
    assert_eq!(asked, [Command::Pause, step, Command::StepWindow, Command::Digest]);
    harness.state_mut().status.running = false;
    harness.run_steps(2);
    click(&mut harness, "▶ Run");
    assert_eq!(harness.state_mut().take_asked(), [Command::Run { until: None }]);
    reply(harness.state_mut(), Answer::Digest("0123456789abcdef".to_owned()), None);
    harness.run_steps(2);
    assert!(harness.query_by_label("01234567").is_some());
}

#[test]
fn keys_step_and_run() {
    let mut harness = Harness::builder()
        .with_size([100.0, 100.0])
        .with_context_setup(theme::set)
        .build_ui_state(|ui, model: &mut Model| palette::keys(&ui.ctx().clone(), model), model());
    for key in [egui::Key::F5, egui::Key::F10, egui::Key::F11, egui::Key::F6, egui::Key::F7] {
        harness.key_press(key);
        harness.run_steps(2);
    }
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::P);
    harness.run_steps(2);
    let device = || "hub".to_owned();
    let asked = harness.state_mut().take_asked();
    let expected = [
        Command::Pause,
        Command::StepInstruction { device: device() },
        Command::StepWindow,
        Command::RunTo { next: Next::Packet },
        Command::RunTo { next: Next::Interrupt { device: device() } },
    ];
    assert_eq!(asked, expected);
    assert_eq!(harness.state_mut().take_wished(), [Wish::Palette]);
}

#[test]
fn the_palette_finds_and_does() {
    let mut palette = Palette::default();
    palette.toggle();
    let state = (palette, model());
    let mut harness =
        Harness::builder().with_size([800.0, 600.0]).with_context_setup(theme::set).build_ui_state(
            |ui, (palette, model): &mut (Palette, Model)| palette.ui(&ui.ctx().clone(), model),
            state,
        );
    harness.run_steps(3);
    harness.get_by_label("Command").type_text("power off sens");
    harness.run_steps(3);
    harness.key_press(egui::Key::Enter);
    harness.run_steps(3);
    let what = StimulusKind::Device("sensor".to_owned(), Action::PowerOff);
    let asked = harness.state_mut().1.take_asked();
    assert_eq!(asked, [Command::Stimulus { at: None, after: Time::ZERO, what }]);
    assert!(harness.query_by_label("Command").is_none(), "it has closed");
}

#[test]
fn a_run_that_begins_again_keeps_what_people_set() {
    let mut model = model();
    model.toggle_breakpoint(0x100);
    model.take_asked();
    model.begin();
    assert!(model.fleet.devices.is_empty() && model.packets.is_empty());
    let welcome =
        Welcome { version: VERSION, server: String::new(), fleet: fleet(), status: status(0, false) };
    reply(&mut model, Answer::Welcome(Box::new(welcome)), None);
    let asked = model.take_asked();
    assert!(
        matches!(asked.as_slice(), [Command::Points { breakpoints, .. }] if breakpoints == &[0x100]),
        "{asked:?}"
    );
}
