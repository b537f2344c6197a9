//! The map: selecting, faults, moving.

use consort_core::Time;
use consort_core::control::Command;
use consort_core::device::Action;
use consort_core::fleet::StimulusKind;
use consort_core::link::{Fault, Rule};
use consort_core::radio::Position;
use consort_gui::model::Model;
use consort_gui::panels::Panel;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{click, shown};

#[test]
fn a_click_on_the_map_selects_a_device() {
    let mut harness = shown(Panel::FleetMap);
    click(&mut harness, "device watch");
    assert_eq!(harness.state().name(), "watch");
    assert!(harness.state().device.is_none(), "the other's registers are not its own");
    assert_eq!(harness.state().inputs.console, Some(("watch".to_owned(), "uart0".to_owned())));
}

#[test]
fn a_right_click_on_the_map_cuts_a_link() {
    let mut harness = shown(Panel::FleetMap);
    harness.get_by_label("link home").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "Cut for 1 s");
    let asked = harness.state_mut().take_asked();
    let [Command::Stimulus { at: None, what: StimulusKind::Link(link, rule), .. }] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((link.as_str(), rule.fault, rule.before), ("home", Fault::Cut, Time::from_secs(3)));
    harness.get_by_label("device sensor").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "Power off");
    let off = StimulusKind::Device("sensor".to_owned(), Action::PowerOff);
    assert_eq!(
        harness.state_mut().take_asked(),
        [Command::Stimulus { at: None, after: Time::ZERO, what: off }]
    );
}

#[test]
fn faults_of_a_link_can_be_ended() {
    let mut harness = shown(Panel::FleetMap);
    let rule = Rule { after: Time::ZERO, before: Time::MAX, from: Some(1), to: None, fault: Fault::Cut };
    harness.state_mut().status.links[0].faults.push((3, rule));
    harness.run_steps(2);
    harness.get_by_label("link home").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "End: Cut, watch → all");
    let what = StimulusKind::Mend("home".to_owned(), Some(3));
    assert_eq!(harness.state_mut().take_asked(), [Command::Stimulus { at: None, after: Time::ZERO, what }]);
}

#[test]
fn a_device_with_a_radio_is_moved_in_metres() {
    let mut harness = shown(Panel::FleetMap);
    let places = [[0.0; 3], [10.0, 0.0, 0.0], [0.0, 10.0, 1.5]].map(Position).to_vec();
    harness.state_mut().status.links[0].places = places;
    harness.run_steps(2);
    let at = |harness: &Harness<'_, Model>, name: &str| harness.get_by_label(name).rect().center();
    let (hub, watch) = (at(&harness, "device hub"), at(&harness, "device watch"));
    assert!(watch.x > hub.x && (watch.y - hub.y).abs() < 1.0, "ten metres east");
    harness.hover_at(watch);
    harness.run_steps(1);
    harness.drag_at(watch);
    harness.run_steps(1);
    for step in 1..=10 {
        harness.hover_at(watch.lerp(hub, 0.05 * step as f32));
        harness.run_steps(1);
    }
    harness.drop_at(watch.lerp(hub, 0.5));
    harness.run_steps(2);
    let asked = harness.state_mut().take_asked();
    let Some(Command::Stimulus { what: StimulusKind::Move(device, place), .. }) = asked.last() else {
        panic!("{asked:?}")
    };
    assert_eq!(device, "watch");
    assert!((place.0[0] - 5.0).abs() < 0.6 && place.0[1].abs() < 0.2, "{place:?}");
}
