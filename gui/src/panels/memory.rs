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

/// An address in hexadecimal: `0x2000_0000`, `20000000`.
pub fn address(text: &str) -> Option<Addr> {
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
            ui.colored_label(theme::bad(), "not a hexadecimal address");
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
    ui.horizontal_wrapped(|ui| {
        let typed = input(ui, &mut model.inputs.search, "Search text or 0x bytes", 160.0);
        let entered = typed.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let next = ui.button("Find").clicked() || entered;
        if next && let Some(data) = wanted(&model.inputs.search) {
            // From behind the last place on.
            let addr =
                if model.memory.found.is_empty() { 0 } else { model.memory.found.start.wrapping_add(1) };
            let device = model.name();
            model.ask(consort_core::control::Command::Find { device, addr, len: u64::MAX - addr, data });
        }
        if let Some(missed) = &model.memory.missed {
            ui.colored_label(theme::changed(), missed);
            if ui.button("From the beginning").clicked() {
                model.memory.found = 0..0;
                model.memory.missed = None;
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
                ui.label(mono(format!("{addr:08x}"), theme::quiet()));
                ui.label(line(ui, addr, bytes, model));
                let text = bytes.iter().map(|byte| byte.map_or(' ', printable)).collect::<String>();
                ui.label(mono(text, theme::good()));
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
        let found = model.memory.found.contains(&addr.wrapping_add(index as u64));
        let colour = match byte {
            _ if found => theme::accent(),
            None => theme::line(),
            Some(_) if changed => theme::changed(),
            Some(0) => theme::quiet(),
            Some(_) => theme::text(),
        };
        let gap = if index == ROW / 2 - 1 { "  " } else { " " };
        let text = byte.map_or_else(|| "??".to_owned(), |byte| format!("{byte:02x}"));
        job.append(&(text + gap), 0.0, egui::TextFormat::simple(font.clone(), colour));
    }
    job
}

/// What is searched for: text, or bytes in hexadecimal behind `0x`.
fn wanted(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.trim().strip_prefix("0x") else {
        return (!text.is_empty()).then(|| text.as_bytes().to_vec());
    };
    let digits: Vec<u32> = digits
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .map(|digit| digit.to_digit(16))
        .collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((high << 4 | low) as u8),
        _ => None,
    });
    bytes.collect::<Option<Vec<_>>>().filter(|bytes| !bytes.is_empty())
}

fn show(model: &mut Model, addr: Addr) {
    model.memory.addr = addr;
    model.memory.changed.clear();
    model.inputs.address = format!("{addr:#x}");
}

#[cfg(test)]
mod tests {
    use super::{address, wanted};

    #[test]
    fn text_and_bytes_are_searched_for() {
        assert_eq!(wanted("ok"), Some(b"ok".to_vec()));
        assert_eq!(wanted("0x ba be"), Some(vec![0xba, 0xbe]));
        assert_eq!([wanted(""), wanted("0x"), wanted("0xb"), wanted("0xzz")], [None, None, None, None]);
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for text in ["0x2000_0000", "20000000", " 0X20000000 "] {
            assert_eq!(address(text), Some(0x2000_0000), "{text}");
        }
        assert_eq!(address("main"), None);
        assert_eq!(address("10000000000000000"), None);
    }
}
