//! Packets, the log and the timeline: what happened when.

use consort_core::Time;
use consort_gui::panels::Panel;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{click, packet, shown};

#[test]
fn packets_tell_their_protocol_and_their_fate() {
    let mut harness = shown(Panel::Packets);
    assert!(harness.query_all_by_label("UDP").count() == 2);
    assert!(harness.query_by_label_contains("lost for hub").is_some());
    harness.state_mut().packet = Some(1);
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("0020  00 02 12 34").is_some(), "its bytes");
    harness.state_mut().inputs.packet_filter = "lost".to_owned();
    harness.run_steps(2);
    assert_eq!(harness.query_all_by_label("UDP").count(), 1);
}

#[test]
fn late_packets_show_their_whole_time() {
    let mut harness = shown(Panel::Packets);
    let late = Time::from_secs(12_345);
    harness.state_mut().apply(packet(12_345_000, false), None);
    harness.run_steps(3);
    let time = harness.get_by_label(&late.to_string()).rect();
    let paths = harness.query_all_by_label_contains("watch →").map(|path| path.rect().left());
    let path = paths.fold(f32::MAX, f32::min);
    let glyph = time.width() / late.to_string().len() as f32;
    assert!(glyph > 6.0 && time.right() < path, "{time} is cut before the path at {path}");
}

#[test]
fn the_log_filters() {
    let mut harness = shown(Panel::Log);
    assert!(harness.query_by_label("uart0: overrun").is_some());
    assert!(harness.query_by_label("ended with exit code 3").is_some());
    harness.state_mut().inputs.log_filter = "exit".to_owned();
    harness.run_steps(2);
    assert!(harness.query_by_label("uart0: overrun").is_none());
}

#[test]
fn the_timeline_zooms() {
    let mut harness = shown(Panel::Timeline);
    assert!(harness.query_by_label("timeline of all devices").is_some());
    let before = harness.state().inputs.span;
    click(&mut harness, "Zoom in");
    assert_eq!(harness.state().inputs.span.as_ps() * 2, before.as_ps());
    (0..20).for_each(|_| click(&mut harness, "Zoom out"));
    assert_eq!(harness.state().inputs.span, Time::from_secs(60));
    let sum = harness.state().lanes[0].sum(Time::ZERO, Time::from_secs(2));
    assert_eq!((sum.interrupts, sum.packets, sum.uart), (1, 2, 1));
}
