//! The selected device's memory in hexadecimal and ASCII, read without side effects.

use consort_core::Addr;
use egui::{ScrollArea, Ui};

use super::{input, mono};
use crate::decode::printable;
use crate::model::Model;
use crate::theme;

/// How much is shown at a time.
pub const SHOWN: u32 = 1024;
const ROW: usize = 16;

/// An address as people write it: `0x2000_0000`, `20000000`.
fn address(text: &str) -> Option<Addr> {
    let digits: String = text.trim().replace('_', "");
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(&digits);
    Addr::from_str_radix(digits, 16).ok()
}

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    let ranges =
        model.fleet.devices.get(model.selected).map(|device| device.memory.clone()).unwrap_or_default();
    ui.horizontal_wrapped(|ui| {
        let typed = input(ui, &mut model.inputs.address, "Address", 100.0);
        let wanted = address(&model.inputs.address);
        if wanted.is_none() && !model.inputs.address.is_empty() {
            ui.colored_label(theme::BAD, "not a hexadecimal address");
        }
        if let Some(addr) = wanted.filter(|_| typed.changed()) {
            show(model, addr & !0xf);
        }
        for (label, by) in [("Back", -i64::from(SHOWN)), ("On", i64::from(SHOWN))] {
            if ui.button(label).clicked() {
                let addr = model.memory.addr.wrapping_add_signed(by);
                show(model, addr);
            }
        }
        for range in ranges {
            let kind = if range.writable { "RAM" } else { "ROM" };
            if ui.button(format!("{kind} {:#x}", range.base)).clicked() {
                show(model, range.base);
            }
        }
    });
    let Some(state) = &model.memory.state else {
        ui.label("Nothing is read yet.");
        return;
    };
    let rows = state.data.len().div_ceil(ROW);
    let height = ui.text_style_height(&egui::TextStyle::Monospace);
    ui.spacing_mut().item_spacing.y = 1.0;
    ScrollArea::both().auto_shrink(false).show_rows(ui, height, rows, |ui, shown| {
        for row in shown {
            let addr = state.addr.wrapping_add((row * ROW) as u64);
            let bytes = state.data.get(row * ROW..).unwrap_or_default();
            let bytes = &bytes[..bytes.len().min(ROW)];
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                ui.label(mono(format!("{addr:08x}"), theme::QUIET));
                ui.label(line(ui, addr, bytes, model));
                let text = bytes.iter().map(|byte| byte.map_or(' ', printable)).collect::<String>();
                ui.label(mono(text, theme::GOOD));
            });
        }
    });
}

/// A row's bytes in one piece of text, changed ones marked: much cheaper than a label for each.
fn line(ui: &Ui, addr: Addr, bytes: &[Option<u8>], model: &Model) -> egui::text::LayoutJob {
    let font = egui::TextStyle::Monospace.resolve(ui.style());
    let mut job = egui::text::LayoutJob::default();
    for (index, byte) in bytes.iter().enumerate() {
        let changed = model.memory.changed.contains(&addr.wrapping_add(index as u64));
        let colour = match byte {
            None => theme::LINE,
            Some(_) if changed => theme::CHANGED,
            Some(0) => theme::QUIET,
            Some(_) => theme::TEXT,
        };
        let gap = if index == ROW / 2 - 1 { "  " } else { " " };
        let text = byte.map_or_else(|| "??".to_owned(), |byte| format!("{byte:02x}"));
        job.append(&(text + gap), 0.0, egui::TextFormat::simple(font.clone(), colour));
    }
    job
}

fn show(model: &mut Model, addr: Addr) {
    model.memory.addr = addr;
    model.memory.changed.clear();
    model.inputs.address = format!("{addr:#x}");
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for text in ["0x2000_0000", "20000000", " 0X20000000 "] {
            assert_eq!(address(text), Some(0x2000_0000), "{text}");
        }
        assert_eq!(address("main"), None);
        assert_eq!(address("10000000000000000"), None);
    }
}
