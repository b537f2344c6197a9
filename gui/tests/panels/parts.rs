//! Screens, buttons and sensors.

use consort_core::Time;
use consort_core::control::{Answer, Command};
use consort_core::device::Action;
use consort_core::panel::{Form, Value};
use consort_gui::model::Model;
use consort_gui::panels::Panel;
use consort_gui::picture::Pixels;
use consort_gui::theme;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{acts, click, parts, reply, shown};

#[test]
fn a_press_on_a_button_is_held_and_let_go() {
    let mut harness = shown(Panel::Screens);
    assert!(harness.query_by_label("screen of hub").is_some());
    assert!(harness.query_by_label("leds of hub").is_some());
    let button = harness.get_by_label("hub button pressed").rect().center();
    harness.hover_at(button);
    harness.run_steps(2);
    harness.drag_at(button);
    harness.run_steps(2);
    let set = |value| Action::Set { component: "button".to_owned(), channel: "pressed".to_owned(), value };
    assert_eq!(acts(&mut harness), [(set(Value::Bool(true)), Time::ZERO)]);
    harness.run_steps(3);
    assert_eq!(acts(&mut harness), [], "it is held");
    harness.drop_at(button);
    harness.run_steps(2);
    assert_eq!(
        acts(&mut harness),
        [(set(Value::Bool(false)), Time::from_ms(120))],
        "not too early to be seen"
    );
}

#[test]
fn a_finger_on_the_screen_is_where_it_is() {
    let mut harness = shown(Panel::Screens);
    let screen = harness.get_by_label("screen of hub").rect();
    let set = |value| Action::Set { component: "touch".to_owned(), channel: "finger".to_owned(), value };
    harness.hover_at(screen.min + screen.size() * 0.25);
    harness.run_steps(2);
    harness.drag_at(screen.min + screen.size() * 0.25);
    harness.run_steps(2);
    harness.hover_at(screen.min + screen.size() * 0.5);
    harness.run_steps(2);
    harness.state_mut().status.now = Time::from_secs(3);
    harness.drop_at(screen.min + screen.size() * 0.5);
    harness.run_steps(2);
    let at = |x| (set(Value::Numbers(vec![x, x])), Time::ZERO);
    assert_eq!(acts(&mut harness), [at(2.0), at(4.0), (set(Value::Bool(false)), Time::ZERO)]);
    // A tap that comes and goes between two frames stays long enough for firmware to see it.
    let pos = screen.min + screen.size() * 0.5;
    for pressed in [true, false] {
        let (button, modifiers) = (egui::PointerButton::Primary, egui::Modifiers::NONE);
        harness.input_mut().events.push(egui::Event::PointerButton { pos, button, pressed, modifiers });
    }
    harness.run_steps(3);
    assert_eq!(acts(&mut harness), [at(4.0), (set(Value::Bool(false)), Time::from_ms(120))]);
    // The screen has the focus now: an arrow is a swipe, a number a button.
    harness.key_press(egui::Key::ArrowLeft);
    harness.run_steps(2);
    let swipe = acts(&mut harness);
    assert_eq!((swipe.len(), &swipe[0]), (12, &(set(Value::Numbers(vec![6.0, 4.0])), Time::ZERO)));
    assert_eq!(swipe[11], (set(Value::Bool(false)), Time::from_ms(220)));
    harness.key_down(egui::Key::Num1);
    harness.run_steps(2);
    assert!(
        matches!(acts(&mut harness).as_slice(), [(Action::Set { component, .. }, _)] if component == "button")
    );
}

#[test]
fn screens_are_as_large_as_all_can_be_seen_at_once() {
    let mut harness = shown(Panel::Screens);
    let high = |harness: &Harness<'_, Model>, name: &str| harness.get_by_label(name).rect().max.y;
    let alone = harness.get_by_label("screen of hub").rect().width();
    assert!(high(&harness, "hub button pressed") < 500.0 && alone > 250.0, "{alone}");
    for name in ["watch", "sensor"] {
        let of = Some(Command::Parts { device: name.to_owned() });
        reply(harness.state_mut(), Answer::Parts(parts()), of);
        let colours = vec![theme::pixel([9; 3]); 64];
        let screen = Pixels { number: 1, form: Form::Pixels, width: 8, height: 8, colours };
        harness.state_mut().parts.show(name, "screen", screen);
    }
    harness.run_steps(3);
    let (three, low) =
        (harness.get_by_label("screen of hub").rect().width(), high(&harness, "sensor button pressed"));
    assert!(three < alone && low < 500.0, "{three} of {alone}, {low}");
    harness.state_mut().inputs.screen_width = 400.0;
    harness.run_steps(3);
    assert_eq!(harness.get_by_label("screen of hub").rect().width(), 400.0, "as people like it");
}

#[test]
fn sensors_are_set_within_their_range() {
    let mut harness = shown(Panel::Sensors);
    assert!(harness.query_by_label("curve of thermometer celsius").is_some());
    harness.get_by_label("thermometer celsius").increment_accesskit();
    harness.run_steps(2);
    let set = acts(&mut harness);
    let [(Action::Set { value: Value::Number(value), .. }, _)] = set.as_slice() else { panic!("{set:?}") };
    assert!((20.0..=125.0).contains(value) && *value != 20.0, "{value}");
    click(&mut harness, "charger plugged");
    assert!(matches!(acts(&mut harness).as_slice(), [(Action::Set { value: Value::Bool(true), .. }, _)]));
    click(&mut harness, "wave of thermometer celsius");
    harness.state_mut().status.now = Time::from_secs(5);
    harness.state_mut().wave();
    let set = acts(&mut harness);
    let [(Action::Set { value: Value::Number(value), .. }, _)] = set.as_slice() else { panic!("{set:?}") };
    assert!((value - 36.5).abs() < 1e-9, "at its highest after half a period: {value}");
    harness.state_mut().wave();
    assert_eq!(acts(&mut harness), [], "time stands still");
    harness.state_mut().inputs.sensor_filter = "nothing".to_owned();
    harness.run_steps(2);
    assert!(harness.query_by_label("thermometer celsius").is_none());
}
