//! Peripherals by register and field, with names of SVD files.

use consort_gui::panels::Panel;
use consort_gui::svd::Book;
use consort_gui::wish::Wish;
use egui_kittest::kittest::Queryable as _;

use crate::fleet::{click, shown};

#[test]
fn peripherals_open_to_registers_and_fields() {
    let mut harness = shown(Panel::Peripherals);
    assert!(harness.query_by_label_contains("CTRL").is_none());
    click(&mut harness, "uart0 @ 0x40004000");
    harness.run_steps(20);
    let register = "008 CTRL           00000006 rw";
    assert!(harness.query_by_label_contains("DATA").is_some());
    click(&mut harness, register);
    harness.run_steps(20);
    assert!(harness.query_by_label("[2:1] ENABLE = 0x3").is_some());
    assert!(harness.state().changed_registers.contains(&("uart0".to_owned(), 8)));
    harness.state_mut().inputs.block_filter = "spi".to_owned();
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("uart0").is_none());
}

#[test]
fn an_svd_file_names_what_the_models_do_not() {
    const CHIP: &str = "<device><name>tiny</name><addressUnitBits>8</addressUnitBits><width>32</width><size>32</size>\
        <peripherals><peripheral><name>UART0</name><baseAddress>0x40004000</baseAddress><registers>\
        <register><name>BAUD</name><addressOffset>0x10</addressOffset></register></registers></peripheral>\
        <peripheral><name>DAC</name><baseAddress>0x40006000</baseAddress><registers>\
        <register><name>LEVEL</name><addressOffset>4</addressOffset></register></registers></peripheral>\
        </peripherals></device>";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.svd");
    let mut harness = shown(Panel::Peripherals);
    harness.state_mut().inputs.book = file.display().to_string();
    click(&mut harness, "Read");
    assert_eq!(harness.state_mut().take_wished(), [Wish::Book(file.clone())]);
    let board = harness.state().board();
    harness.state_mut().books.insert(board.clone(), Book::read(&file));
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("tiny.svd: ").is_some(), "what is wrong with it is shown");
    std::fs::write(&file, CHIP).unwrap();
    harness.state_mut().books.insert(board, Book::read(&file));
    harness.run_steps(3);
    assert!(harness.query_by_label("with names from tiny.svd").is_some());
    click(&mut harness, "uart0 @ 0x40004000");
    harness.run_steps(20);
    assert!(harness.query_by_label("010 BAUD           -------- rw not modelled").is_some());
    assert!(harness.query_by_label_contains("CTRL").is_some());
    click(&mut harness, "DAC @ 0x40006000 not modelled");
    harness.run_steps(20);
    assert!(harness.query_by_label_contains("LEVEL").is_some());
    harness.state_mut().inputs.block_filter = "baud".to_owned();
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("uart0 @").is_some());
    assert!(harness.query_by_label_contains("DAC @").is_none());
    click(&mut harness, "Forget it");
    assert_eq!(harness.state_mut().take_wished(), [Wish::ForgetBook]);
}
