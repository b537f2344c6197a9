//! Memory: bytes, text, search.

use consort_core::control::{Answer, Command, MemoryState};
use consort_gui::panels::Panel;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{click, reply, shown};

#[test]
fn memory_shows_bytes_and_text_and_goes_where_it_is_told() {
    let mut harness = shown(Panel::Memory);
    assert!(harness.query_by_label_contains("22 ?? 43 6f 6e 73").is_some());
    assert!(harness.query_by_label_contains("Consort").is_some());
    assert_eq!(harness.state().memory.changed.iter().copied().collect::<Vec<_>>(), [0]);
    click(&mut harness, "RAM 0x20000000");
    assert_eq!(harness.state().memory.addr, 0x2000_0000);
    click(&mut harness, "On");
    assert_eq!(harness.state().memory.addr, 0x2000_0400);
    let late = MemoryState { device: "hub".to_owned(), addr: 0, data: vec![Some(1)] };
    reply(harness.state_mut(), Answer::Memory(late), None);
    assert_eq!(harness.state().memory.state.as_ref().unwrap().data.len(), 9, "of another place: not taken");
}

#[test]
fn memory_is_searched() {
    let mut harness = shown(Panel::Memory);
    harness.state_mut().inputs.search = "0x436f".to_owned();
    harness.run_steps(2);
    click(&mut harness, "Find");
    let asked = harness.state_mut().take_asked();
    let [find @ Command::Find { addr: 0, data, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(data, &[0x43, 0x6f]);
    reply(harness.state_mut(), Answer::Found(Some(0x2000_0012)), Some(find.clone()));
    assert_eq!(harness.state().memory.addr, 0x2000_0010);
    click(&mut harness, "Find");
    let asked = harness.state_mut().take_asked();
    assert!(matches!(asked.as_slice(), [Command::Find { addr: 0x2000_0013, .. }]), "{asked:?}");
    reply(harness.state_mut(), Answer::Found(None), Some(asked[0].clone()));
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("not found").is_some());
}
