//! The window as a whole, without a run: files that are dropped on it, its arrangement, what it keeps.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use consort_core::Time;
use consort_core::control::{Answer, DeviceInfo, FleetInfo, Message, Status, VERSION, Welcome};
use consort_gui::app::App;
use consort_gui::panels::Panel;
use consort_gui::settings::Settings;
use consort_gui::theme;
use consort_gui::wish::Wish;
use egui::{DroppedFile, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

#[derive(Debug)]
struct File(PathBuf);

impl DroppedFile for File {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("nobody reads it here".to_owned())
    }
}

fn window(saved: Option<PathBuf>) -> Harness<'static, App> {
    let mut harness = Harness::builder()
        .with_size([1400.0, 900.0])
        .with_context_setup(theme::set)
        .build_ui_state(|ui, app: &mut App| app.draw(ui), App::new(&egui::Context::default(), saved));
    harness.run_steps(3);
    harness
}

fn drop(harness: &mut Harness<'_, App>, path: &str) {
    harness.input_mut().dropped_files.push(Arc::new(File(path.into())));
    harness.run_steps(4);
}

/// A fleet of one, as a run would tell it.
fn welcome(harness: &mut Harness<'_, App>) {
    let device = DeviceInfo {
        name: "hub".to_owned(),
        board: "microbit".to_owned(),
        core: Some("cortex-m0".to_owned()),
        ports: Vec::new(),
        console: None,
        memory: Vec::new(),
    };
    let fleet = FleetInfo { devices: vec![device], ..FleetInfo::default() };
    let status = Status { now: Time::from_ms(1), ..Status::default() };
    let welcome = Welcome { version: VERSION, server: String::new(), fleet, status };
    let answer = Answer::Welcome(Box::new(welcome));
    harness.state_mut().model.apply(Message::Reply { id: 1, answer }, None);
    harness.run_steps(3);
}

#[test]
fn files_that_are_dropped_are_taken_for_what_they_are() {
    let mut harness = window(None);
    drop(&mut harness, "/fleets/evening.json");
    assert_eq!(harness.state().model.home.recent, [PathBuf::from("/fleets/evening.json")]);
    drop(&mut harness, "/firmware/app.elf");
    assert_eq!(harness.state().model.home.firmware, Some("/firmware/app.elf".into()));
    assert!(harness.query_by_label_contains("Run /firmware/app.elf on").is_some());
    drop(&mut harness, "/chips/nrf51.svd");
    assert!(harness.query_by_label_contains("open a fleet first").is_some());
    assert!(harness.state().model.books.is_empty());
    welcome(&mut harness);
    drop(&mut harness, "/chips/nrf51.svd");
    assert!(harness.state().model.books["microbit"].is_err(), "there is no such file");
    assert!(harness.query_by_label_contains("/chips/nrf51.svd: ").is_some(), "and the panel says so");
}

#[test]
fn the_arrangement_can_be_changed_and_set_back() {
    let mut harness = window(None);
    welcome(&mut harness);
    assert!(harness.query_by_label("Filter log").is_none());
    harness.state_mut().model.wish(Wish::Show(Panel::Log));
    harness.run_steps(3);
    assert!(harness.query_by_label("Filter log").is_some());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::P);
    harness.run_steps(3);
    harness.get_by_label("Command").type_text("reset lay");
    harness.run_steps(3);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert!(harness.query_by_label("Filter log").is_none());
    assert!(harness.query_by_label("Filter packets").is_some());
}

#[test]
fn what_people_chose_is_there_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inspector.json");
    let book = folder.path().join("none.svd");
    let mut harness = window(Some(path.clone()));
    welcome(&mut harness);
    harness.state_mut().model.wish(Wish::Theme);
    harness.state_mut().model.wish(Wish::Book(book.clone()));
    harness.state_mut().model.wish(Wish::Show(Panel::Log));
    harness.run_steps(3);
    eframe::App::on_exit(harness.state_mut(), None);
    let kept = Settings::read(&path);
    assert!(kept.light && kept.layout.is_some());
    assert_eq!(kept.books["microbit"], book);
    let mut again = window(Some(path));
    welcome(&mut again);
    assert!(again.query_by_label("Filter log").is_some(), "the panel that was in front is");
    assert!(again.query_by_label("Filter packets").is_none());
}
