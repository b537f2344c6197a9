//! docs/nrf-coverage.md tells how much of each register of the Nordic chips works, as the models declare it.
//! `UPDATE_DOCS=1 cargo test -p consort-machines --test coverage` writes it anew.

#![expect(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use consort_core::component::{Built, Coverage, Register};
use consort_machines::board::Board;

const BOARDS: [(&str, &str); 4] = [
    ("nRF51822", "microbit"),
    ("nRF52832", "nrf52dk"),
    ("nRF52833", "microbit-v2"),
    ("nRF52840", "nrf52840dk"),
];

const HEAD: &str = "# How much of each Nordic register works

Generated from the register tables of the models (`UPDATE_DOCS=1 cargo test -p consort-machines --test \
coverage`). A register is **modelled** when it behaves as the manual says, **partial** when some field or effect \
is missing, a **stub** when it holds its value and nothing more. Tasks and events are registers too. An access to \
any other offset reads 0 and is told once in the log. The events of `usbd` and `nfct` are registers as all \
others, but nothing outside makes most of them happen.

A cell holds the numbers of modelled / partial / stub registers; `named` is a block that only logs its accesses.

";

/// The registers of one block on one chip; none when the block has no model.
fn registers(kind: &str, config: &serde_json::Value) -> Option<&'static [Register]> {
    let models = consort_peripherals::models();
    let entry = models.iter().find(|entry| entry.kind == kind && entry.kind != "unmodelled")?;
    match (entry.build)(config.clone()).unwrap() {
        Built::Peripheral(model) => Some(model.registers()),
        Built::Part(_) => None,
    }
}

fn page() -> String {
    let mut rows: BTreeMap<String, [String; BOARDS.len()]> = BTreeMap::new();
    let mut weak: BTreeMap<String, [BTreeMap<u32, &'static str>; 2]> = BTreeMap::new();
    for (column, (_, board)) in BOARDS.iter().enumerate() {
        let (board, _) = Board::builtin(board).unwrap().unwrap();
        for (name, peripheral) in &board.peripherals {
            let cell = match registers(&peripheral.kind, &peripheral.config) {
                None => "named".to_owned(),
                Some(registers) => {
                    let count = |coverage| registers.iter().filter(|r| r.coverage == coverage).count();
                    let lists = weak.entry(peripheral.kind.clone()).or_default();
                    for register in registers {
                        match register.coverage {
                            Coverage::Modelled => continue,
                            Coverage::Partial => lists[0].insert(register.offset, register.name),
                            Coverage::Stub => lists[1].insert(register.offset, register.name),
                        };
                    }
                    let [modelled, partial, stub] =
                        [Coverage::Modelled, Coverage::Partial, Coverage::Stub].map(count);
                    format!("{modelled} / {partial} / {stub}")
                }
            };
            rows.entry(format!("{name} (`{}`)", peripheral.kind)).or_default()[column] = cell;
        }
    }
    let mut page = HEAD.to_owned();
    let chips: Vec<&str> = BOARDS.iter().map(|(chip, _)| *chip).collect();
    writeln!(page, "| block | {} |\n|---|{}", chips.join(" | "), "---|".repeat(chips.len())).unwrap();
    for (block, cells) in rows {
        writeln!(page, "| {block} | {} |", cells.join(" | ")).unwrap();
    }
    page.push_str("\n## Partial and stub registers\n\n");
    for (kind, lists) in weak.iter().filter(|(_, lists)| lists.iter().any(|list| !list.is_empty())) {
        for (what, list) in ["partial", "stub"].iter().zip(lists).filter(|(_, list)| !list.is_empty()) {
            let names: Vec<String> = list.values().map(|name| format!("`{name}`")).collect();
            writeln!(page, "- `{kind}`, {what}: {}", names.join(", ")).unwrap();
        }
    }
    page
}

#[test]
fn the_coverage_page_says_what_the_models_declare() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/nrf-coverage.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/nrf-coverage.md is old: UPDATE_DOCS=1 cargo test -p consort-machines --test coverage"
    );
}
