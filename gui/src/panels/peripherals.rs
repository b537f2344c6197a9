//! The selected device's on-chip blocks by register and field, read without side effects.

use consort_core::component::{Access, Coverage};
use consort_core::control::{PeripheralRegister, PeripheralState};
use egui::{CollapsingHeader, ScrollArea, Ui};

use super::{input, mono, passes};
use crate::model::Model;
use crate::theme;

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    input(ui, &mut model.inputs.block_filter, "Filter blocks", 140.0);
    if model.peripherals.is_empty() {
        ui.label("Nothing is known of this device's blocks yet.");
    }
    let filter = &model.inputs.block_filter;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for block in &model.peripherals {
            let found = |register: &PeripheralRegister| passes(filter, &register.name);
            if passes(filter, &block.name) || block.registers.iter().any(found) {
                self::block(ui, model, block);
            }
        }
    });
}

fn block(ui: &mut Ui, model: &Model, block: &PeripheralState) {
    let changed = block.registers.iter().any(|register| is_changed(model, block, register));
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
        for register in &block.registers {
            self::register(ui, model, block, register);
        }
    });
}

fn is_changed(model: &Model, block: &PeripheralState, register: &PeripheralRegister) -> bool {
    model.changed_registers.contains(&(block.name.clone(), register.offset))
}

fn register(ui: &mut Ui, model: &Model, block: &PeripheralState, register: &PeripheralRegister) {
    let value = register.value.map_or_else(|| "--------".to_owned(), |value| format!("{value:08x}"));
    let colour = match register.value {
        _ if is_changed(model, block, register) => theme::changed(),
        None => theme::quiet(),
        Some(value) if value == register.reset => theme::quiet(),
        Some(_) => theme::text(),
    };
    let note = match register.coverage {
        Coverage::Modelled => "",
        Coverage::Partial => " partly modelled",
        Coverage::Stub => " only stored",
    };
    let access = match register.access {
        Access::ReadWrite => "rw",
        Access::ReadOnly => "ro",
        Access::WriteOnly => "wo",
    };
    let title = mono(format!("{:03x} {:<14} {value} {access}{note}", register.offset, register.name), colour);
    if register.fields.is_empty() {
        ui.label(title);
        return;
    }
    CollapsingHeader::new(title).id_salt((&block.name, register.offset)).show(ui, |ui| {
        for field in &register.fields {
            let high = u32::from(field.lsb) + u32::from(field.width).saturating_sub(1);
            let value =
                register.value.map_or_else(|| "-".to_owned(), |value| format!("{:#x}", field.of(value)));
            ui.label(mono(format!("[{high}:{}] {} = {value}", field.lsb, field.name), theme::text()));
        }
    });
}
