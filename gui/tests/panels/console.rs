//! UART consoles: typing, filter, search.

use consort_core::Time;
use consort_core::control::Command;
use consort_core::device::Action;
use consort_core::fleet::StimulusKind;
use consort_gui::model::Model;
use consort_gui::panels::Panel;
use consort_gui::theme;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{click, model, shown};

#[test]
fn what_is_typed_into_the_console_goes_to_the_guest() {
    let mut harness = shown(Panel::Console);
    assert!(harness.query_by_label("hello").is_some());
    assert!(harness.query_by_label("red").is_some());
    harness.get_by_label("Type to the guest").focus();
    harness.run_steps(2);
    harness.get_by_label("Type to the guest").type_text("ok");
    harness.run_steps(2);
    harness.key_press(egui::Key::Enter);
    harness.run_steps(2);
    let send = Action::Send { port: "uart0".to_owned(), data: b"ok\n".to_vec() };
    let what = StimulusKind::Device("hub".to_owned(), send);
    assert_eq!(harness.state_mut().take_asked(), [Command::Stimulus { at: None, after: Time::ZERO, what }]);
    assert_eq!(harness.state().inputs.line, "");
}

#[test]
fn the_console_shows_only_what_passes_its_filter() {
    let mut harness = shown(Panel::Console);
    harness.state_mut().inputs.console_filter = "HELL".to_owned();
    harness.run_steps(2);
    assert!(harness.query_by_label("hello").is_some());
    assert!(harness.query_by_label("red").is_none());
}

#[test]
fn a_low_console_can_still_be_typed_into() {
    for height in [60.0, 90.0, 140.0] {
        let mut harness = Harness::builder()
            .with_size([340.0, height])
            .with_context_setup(theme::set)
            .build_ui_state(|ui, model: &mut Model| Panel::Console.ui(ui, model), model());
        harness.run_steps(3);
        for name in ["Type to the guest", "Send"] {
            let bottom = harness.get_by_label(name).rect().bottom();
            assert!(bottom <= height, "{name} ends at {bottom} of {height}");
        }
    }
}

#[test]
fn the_console_is_searched_upwards() {
    let mut harness = shown(Panel::Console);
    harness.state_mut().inputs.console_search = "e".to_owned();
    harness.run_steps(2);
    let found = |harness: &Harness<'_, Model>| harness.state().inputs.console_line;
    click(&mut harness, "Up");
    assert_eq!(found(&harness), Some(1));
    click(&mut harness, "Up");
    assert_eq!(found(&harness), Some(0));
    click(&mut harness, "Up");
    assert_eq!(found(&harness), Some(1), "round again");
}
