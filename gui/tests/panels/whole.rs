//! The whole window: layout, names, pictures, rubbish.

use consort_core::Time;
use consort_core::control::{Answer, Arrival, Frame, Message, Status};
use consort_core::link::Fate;
use consort_core::trace::{CoreEvent, Kind};
use consort_gui::model::Model;
use consort_gui::palette::Palette;
use consort_gui::panels::{self, Panel, run_bar};
use consort_gui::wish::Wish;
use consort_gui::{layout, theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{click, model, reply, shown, start};
use crate::raster;

/// The window as `draw` fills it, as a picture.
fn picture(name: &str, scale: f32, light: bool, draw: impl FnMut(&mut egui::Ui, &mut Model) + 'static) {
    let state = if name.starts_with("start") { start() } else { model() };
    let mut harness = Harness::builder()
        .with_size(egui::vec2(1440.0, 880.0) / scale)
        .with_pixels_per_point(scale)
        .with_context_setup(move |context| {
            theme::set(context);
            theme::choose(context, light);
        })
        .renderer(raster::Raster::default())
        .build_ui_state(draw, state);
    harness.run_steps(5);
    harness.snapshot(name);
}

fn window() -> impl FnMut(&mut egui::Ui, &mut Model) {
    let mut tree = layout::first();
    move |ui, model| {
        egui::Panel::top("run bar").show(ui, |ui| run_bar::ui(ui, model));
        let ground = egui::Frame::new().fill(theme::ground());
        egui::CentralPanel::no_frame().frame(ground).show(ui, |ui| layout::ui(ui, &mut tree, model));
    }
}

#[test]
fn the_whole_window_draws_and_its_layout_survives_saving() {
    let tree = layout::first();
    assert!(layout::is_whole(&tree));
    let saved = serde_json::to_string(&tree).unwrap();
    let mut tree: egui_tiles::Tree<Panel> = serde_json::from_str(&saved).unwrap();
    assert!(layout::is_whole(&tree));
    let mut harness = Harness::builder()
        .with_size([1440.0, 860.0])
        .with_context_setup(theme::set)
        .build_ui_state(move |ui, model: &mut Model| layout::ui(ui, &mut tree, model), model());
    harness.run_steps(5);
    for title in ["Fleet map", "Console", "Timeline", "Registers", "Memory"] {
        assert!(harness.query_all_by_label(title).next().is_some(), "{title}");
    }
}

#[test]
fn the_start_offers_examples_and_tells_what_is_wrong() {
    let mut harness = Harness::builder()
        .with_size([1000.0, 800.0])
        .with_context_setup(theme::set)
        .build_ui_state(|ui, model: &mut Model| panels::home::ui(ui, model), start());
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("there is no board").is_some());
    click(&mut harness, "example evening");
    click(&mut harness, "fleets/old.json");
    click(&mut harness, "Try again");
    click(&mut harness, "Boot");
    let boot = Wish::Boot { file: "app.elf".into(), board: "microbit".to_owned() };
    let wished = harness.state_mut().take_wished();
    let open = |file: &str| Wish::Open(file.into());
    assert_eq!(
        wished,
        [Wish::Example("evening".to_owned()), open("fleets/old.json"), open("bad.json"), boot]
    );
}

#[test]
fn every_widget_has_a_name() {
    for panel in Panel::ALL {
        shown(panel).check_accessibility();
    }
    // What only a click brings up.
    let mut packets = shown(Panel::Packets);
    packets.state_mut().packet = Some(1);
    packets.run_steps(3);
    packets.check_accessibility();
    let mut blocks = shown(Panel::Peripherals);
    click(&mut blocks, "uart0 @ 0x40004000");
    blocks.run_steps(20);
    blocks.check_accessibility();
    for device in ["device hub", "link home"] {
        let mut map = shown(Panel::FleetMap);
        map.get_by_label(device).click_secondary();
        map.run_steps(3);
        map.check_accessibility();
    }
    let window = |state: Model, draw: fn(&mut egui::Ui, &mut Model)| {
        let mut harness = Harness::builder()
            .with_size([1200.0, 800.0])
            .with_context_setup(theme::set)
            .build_ui_state(draw, state);
        harness.run_steps(3);
        harness.check_accessibility();
    };
    window(start(), panels::home::ui);
    let mut model = model();
    model.home.starts = true;
    model.home.changed = Some("fleet.json".into());
    window(model, |ui, model| {
        let (mut palette, mut tree) = (Palette::default(), layout::first());
        palette.toggle();
        run_bar::ui(ui, model);
        layout::ui(ui, &mut tree, model);
        palette.ui(&ui.ctx().clone(), model);
    });
}

#[test]
fn the_dark_window_looks_as_it_did() {
    picture("window-dark", 1.0, false, window());
}

#[test]
fn the_light_window_looks_as_it_did() {
    picture("window-light", 1.0, true, window());
}

#[test]
fn the_window_on_a_fine_screen_looks_as_it_did() {
    picture("window-fine", 2.0, false, window());
}

#[test]
fn the_start_looks_as_it_did() {
    picture("start", 1.0, false, panels::home::ui);
}

#[test]
fn hostile_messages_are_harmless() {
    let mut model = model();
    let strange = |name: &str| name.to_owned();
    model.apply(
        Message::Uart { device: strange("nobody"), port: strange("x"), at: Time::MAX, data: vec![0xff; 99] },
        None,
    );
    let event = |at| Message::Event { device: strange("hub"), at, kind: Kind::Core(CoreEvent::Wake) };
    model.apply(event(Time::MAX), None);
    model.apply(event(Time::ZERO), None);
    model.apply(
        Message::Frame(Frame {
            link: strange("none"),
            from: strange("hub"),
            at: Time::MAX,
            data: Vec::new(),
            to: vec![Arrival { device: None, at: Some(Time::ZERO), fate: Fate::Overflow }],
        }),
        None,
    );
    reply(&mut model, Answer::Status(Status { now: Time::MAX, ..Status::default() }), None);
    for panel in Panel::ALL {
        let mut harness = Harness::builder()
            .with_size([300.0, 200.0])
            .with_context_setup(theme::set)
            .build_ui_state(move |ui, model: &mut Model| panel.ui(ui, model), std::mem::take(&mut model));
        harness.run_steps(3);
        model = harness.into_state();
    }
}
