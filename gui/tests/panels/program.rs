//! Registers, code, interrupts and watched values of the selected device.

use consort_core::control::{Answer, Command, MemoryState};
use consort_gui::model::Model;
use consort_gui::panels::Panel;
use consort_gui::wish::Wish;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{click, registers, reply, shown};

#[test]
fn changed_registers_are_marked_until_the_next_change() {
    let mut harness = shown(Panel::Registers);
    assert!(harness.query_by_label("00000002").is_some());
    assert!(harness.query_by_label("main+0x12").is_some());
    assert!(harness.query_by_label_contains("SysTick").is_some());
    let changed = |harness: &Harness<'_, Model>| harness.state().changed.iter().cloned().collect::<Vec<_>>();
    assert_eq!(changed(&harness), ["pc", "r0"]);
    reply(harness.state_mut(), Answer::Device(registers(0x104, 2)), None);
    assert_eq!(changed(&harness), ["pc", "r0"], "nothing moved: the marks stay");
    reply(harness.state_mut(), Answer::Device(registers(0x108, 2)), None);
    harness.run_steps(2);
    assert_eq!(changed(&harness), ["pc"]);
}

#[test]
fn a_click_in_the_margin_sets_a_breakpoint() {
    let mut harness = shown(Panel::Code);
    assert!(harness.query_by_label("main:").is_some());
    assert!(harness.query_by_label_contains("main.c:7").is_some());
    let row = "00000104  2046      mov     r6, r4";
    let _ = row;
    harness.get_by_label_contains("push").click();
    harness.run_steps(2);
    let points = |breakpoints: &[u64]| Command::Points {
        device: "hub".to_owned(),
        breakpoints: breakpoints.to_vec(),
        watchpoints: Vec::new(),
    };
    assert_eq!(harness.state_mut().take_asked(), [points(&[0x100])]);
    harness.get_by_label_contains("push").click();
    harness.run_steps(2);
    assert_eq!(harness.state_mut().take_asked(), [points(&[])]);
    harness.get_by_label("Symbol or address").focus();
    harness.run_steps(2);
    harness.get_by_label("Symbol or address").type_text("later");
    harness.run_steps(2);
    assert!(!harness.state().code.follow, "who goes elsewhere does not follow");
}

#[test]
fn interrupts_tell_who_raises_them() {
    let mut harness = shown(Panel::Interrupts);
    assert!(harness.query_by_label("uart0").is_some());
    click(&mut harness, "Only those in use");
    assert!(harness.query_by_label("uart0").is_none());
    assert!(harness.query_by_label("SysTick").is_some());
    click(&mut harness, "main");
    assert_eq!(harness.state_mut().take_wished(), [Wish::Show(Panel::Code)]);
}

#[test]
fn a_symbol_that_is_not_there_is_told() {
    for (panel, name) in [(Panel::Watch, "Watch symbol or address"), (Panel::Code, "Symbol or address")] {
        let mut harness = shown(panel);
        let type_in = |harness: &mut Harness<'static, Model>, text: &str| {
            harness.get_by_label(name).focus();
            harness.run_steps(2);
            harness.get_by_label(name).type_text(text);
            harness.run_steps(3);
        };
        type_in(&mut harness, "lat");
        assert!(harness.query_by_label("no symbol like this").is_none());
        type_in(&mut harness, "er_on");
        assert!(harness.query_by_label("no symbol like this").is_some());
    }
}

#[test]
fn watched_values_show_and_halt() {
    let mut harness = shown(Panel::Watch);
    harness.get_by_label("Watch symbol or address").focus();
    harness.run_steps(2);
    harness.get_by_label("Watch symbol or address").type_text("later");
    harness.run_steps(2);
    click(&mut harness, "Watch");
    let of = || Some(Command::Memory { device: "hub".to_owned(), addr: 0x108, len: 8 });
    for value in [7u64, 9] {
        let data = value.to_le_bytes().map(Some).to_vec();
        let state = MemoryState { device: "hub".to_owned(), addr: 0x108, data };
        reply(harness.state_mut(), Answer::Memory(state), of());
    }
    harness.run_steps(2);
    assert!(harness.query_by_label("9 (0x9)").is_some());
    assert!(harness.state().watches["hub"][0].changed);
    click(&mut harness, "halt when later is written");
    let asked = harness.state_mut().take_asked();
    let [Command::Points { watchpoints, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((watchpoints[0].addr, watchpoints[0].len), (0x108, 8));
    click(&mut harness, "forget later");
    assert!(harness.state().watches["hub"].is_empty());
    assert_eq!(harness.state_mut().take_asked().len(), 1, "it halts no more");
}
