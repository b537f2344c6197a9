//! The selected device's on-chip blocks by register and field, read without side effects.

use std::path::PathBuf;

use consort_core::component::{Access, Coverage};
use consort_core::control::PeripheralState;
use egui::{CollapsingHeader, Key, ScrollArea, Ui};

use super::{input, mono, passes};
use crate::model::Model;
use crate::svd::{self, Book, Row};
use crate::theme;
use crate::wish::Wish;

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    bar(ui, model);
    if model.peripherals.is_empty() {
        ui.label("Nothing is known of this device's blocks yet.");
    }
    let filter = &model.inputs.block_filter;
    let book = model.books.get(&model.board()).and_then(|book| book.as_ref().ok());
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for block in &model.peripherals {
            let found = || svd::rows(book, block).iter().any(|row| passes(filter, row.name));
            if passes(filter, &block.name) || found() {
                self::block(ui, model, book, block);
            }
        }
        for missing in book.into_iter().flat_map(|book| book.missing(&model.peripherals)) {
            if passes(filter, &missing.name) || missing.rows().iter().any(|row| passes(filter, row.name)) {
                let title = format!("{} @ {:#010x} not modelled", missing.name, missing.base);
                CollapsingHeader::new(mono(title, theme::quiet())).id_salt(&missing.name).show(ui, |ui| {
                    missing.rows().iter().for_each(|row| register(ui, row, &missing.name, false));
                });
            }
        }
    });
}

/// The filter, and the SVD file of the device's board.
fn bar(ui: &mut Ui, model: &mut Model) {
    let board = model.board();
    ui.horizontal_wrapped(|ui| {
        input(ui, &mut model.inputs.block_filter, "Filter blocks", 120.0);
        match model.books.get(&board) {
            Some(Ok(book)) => {
                let name = book.path.file_name().unwrap_or_default().to_string_lossy();
                ui.colored_label(theme::quiet(), format!("with names from {name}")).on_hover_text(format!(
                    "{}, {}",
                    book.chip,
                    book.path.display()
                ));
            }
            Some(Err(error)) => {
                ui.colored_label(theme::bad(), error);
            }
            None => {
                let typed = input(ui, &mut model.inputs.book, "SVD file", 120.0)
                    .on_hover_text("names for registers and fields; can be dropped on the window");
                let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                if (ui.button("Read").clicked() || entered) && !model.inputs.book.is_empty() {
                    let file = PathBuf::from(std::mem::take(&mut model.inputs.book));
                    model.wish(Wish::Book(file));
                }
                return;
            }
        }
        if ui.button("Forget it").on_hover_text("only the models' names").clicked() {
            model.wish(Wish::ForgetBook);
        }
    });
}

fn block(ui: &mut Ui, model: &Model, book: Option<&Book>, block: &PeripheralState) {
    let is_changed = |offset| model.changed_registers.contains(&(block.name.clone(), offset));
    let changed = block.registers.iter().any(|register| is_changed(register.offset));
    let colour = match (changed, block.registers.is_empty()) {
        (true, _) => theme::changed(),
        (_, true) => theme::quiet(),
        _ => theme::text(),
    };
    let title = mono(format!("{} @ {:#010x}", block.name, block.base), colour);
    CollapsingHeader::new(title).id_salt(&block.name).show(ui, |ui| {
        if block.registers.is_empty() {
            ui.colored_label(theme::quiet(), "not modelled");
        }
        for row in svd::rows(book, block) {
            register(ui, &row, &block.name, is_changed(row.offset));
        }
    });
}

fn register(ui: &mut Ui, row: &Row<'_>, block: &str, changed: bool) {
    let value = row.value.map_or_else(|| "--------".to_owned(), |value| format!("{value:08x}"));
    let colour = match row.value {
        _ if changed => theme::changed(),
        None => theme::quiet(),
        Some(value) if value == row.reset => theme::quiet(),
        Some(_) => theme::text(),
    };
    let note = match row.coverage {
        Some(Coverage::Modelled) => "",
        Some(Coverage::Partial) => " partly modelled",
        Some(Coverage::Stub) => " only stored",
        None => " not modelled",
    };
    let access = match row.access {
        Access::ReadWrite => "rw",
        Access::ReadOnly => "ro",
        Access::WriteOnly => "wo",
    };
    let title = mono(format!("{:03x} {:<14} {value} {access}{note}", row.offset, row.name), colour);
    if row.fields.is_empty() {
        ui.label(title);
        return;
    }
    CollapsingHeader::new(title).id_salt((block, row.offset)).show(ui, |ui| {
        for field in row.fields {
            let high = u32::from(field.lsb) + u32::from(field.width).saturating_sub(1);
            let value = row.value.map_or_else(|| "-".to_owned(), |value| format!("{:#x}", field.of(value)));
            ui.label(mono(format!("[{high}:{}] {} = {value}", field.lsb, field.name), theme::text()));
        }
    });
}
