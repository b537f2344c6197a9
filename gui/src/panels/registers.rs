//! The selected device's registers; what the last step changed is marked.

use consort_core::cpu::Role;
use egui::{Grid, RichText, ScrollArea, Ui};

use super::mono;
use crate::model::Model;
use crate::theme;

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    let Some(state) = &model.device else {
        ui.label("Nothing is known of this device yet.");
        return;
    };
    let info = model.fleet.devices.get(model.selected);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(&state.device).strong());
        if let Some(info) = info {
            let core = info.core.as_deref().unwrap_or("no processor");
            ui.colored_label(theme::quiet(), format!("{} {core}", info.board));
        }
        ui.colored_label(theme::activity(state.activity), format!("{:?}", state.activity));
    });
    ui.horizontal_wrapped(|ui| {
        ui.label(mono(format!("{:#010x}", state.pc), theme::accent()));
        ui.label(mono(state.symbol.as_deref().unwrap_or("?"), theme::accent()));
    });
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        for (title, float) in [("", false), ("Floating point", true)] {
            let wanted = state.registers.iter().filter(|register| (register.role == Role::Float) == float);
            let wanted: Vec<_> = wanted.collect();
            if float && !wanted.is_empty() {
                ui.colored_label(theme::quiet(), title);
            }
            Grid::new(("registers", float)).num_columns(4).spacing([12.0, 2.0]).show(ui, |ui| {
                let rows = wanted.len().div_ceil(2);
                for row in 0..rows {
                    for register in [wanted.get(row), wanted.get(row + rows)].into_iter().flatten() {
                        let changed = model.changed.contains(&register.name);
                        let colour = match register.role {
                            _ if changed => theme::changed(),
                            Role::ProgramCounter | Role::StackPointer | Role::ReturnAddress => {
                                theme::accent()
                            }
                            _ => theme::text(),
                        };
                        ui.label(mono(&register.name, theme::quiet()));
                        let value = ui.label(mono(&register.value, colour));
                        if changed {
                            value.on_hover_text("changed");
                        }
                    }
                    ui.end_row();
                }
            });
        }
        let stats = state.stats;
        ui.colored_label(
            theme::quiet(),
            format!(
                "{} instructions, {} exceptions, {} sent, {} received, at {} s",
                stats.instructions, stats.exceptions, stats.sent, stats.received, state.now
            ),
        );
        if let Some(status) = state.registers.iter().find(|register| register.role == Role::Status) {
            ui.label(mono(flags(&status.name, &status.value), theme::good()));
        }
    });
}

/// What the program status register says: an M-profile core's (Armv7-M ARM, B1.4.2), or the one of an A-profile
/// core in either state (Armv8-A ARM, C5.2 and G1.9).
fn flags(name: &str, value: &str) -> String {
    let Ok(value) = u32::from_str_radix(value, 16) else { return String::new() };
    let shown = |flags: &[(u8, char)]| -> String {
        flags.iter().map(|(bit, name)| if value >> bit & 1 == 1 { *name } else { '-' }).collect()
    };
    let status = shown(&[(31, 'N'), (30, 'Z'), (29, 'C'), (28, 'V'), (27, 'Q')]);
    match name {
        "xpsr" => match value & 0x1ff {
            0 => format!("{status}  Thread"),
            15 => format!("{status}  SysTick"),
            number @ 1..16 => format!("{status}  exception {number}"),
            number => format!("{status}  interrupt {}", number - 16),
        },
        "cpsr" if value & 0x10 == 0 => {
            let (level, stack) = (value >> 2 & 3, if value & 1 == 0 { 't' } else { 'h' });
            format!(
                "{}  masked {}  EL{level}{stack}",
                &status[..4],
                shown(&[(9, 'D'), (8, 'A'), (7, 'I'), (6, 'F')])
            )
        }
        "cpsr" => {
            let mode = match value & 0x1f {
                0x10 => "User",
                0x11 => "FIQ",
                0x12 => "IRQ",
                0x13 => "Supervisor",
                0x16 => "Monitor",
                0x17 => "Abort",
                0x1a => "Hyp",
                0x1b => "Undefined",
                0x1f => "System",
                _ => "no mode",
            };
            let set = if value >> 5 & 1 == 1 { "Thumb" } else { "Arm" };
            format!("{status}  masked {}  {mode}, {set}", shown(&[(8, 'A'), (7, 'I'), (6, 'F')]))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::flags;

    #[test]
    fn the_status_register_is_told_in_words() {
        assert_eq!(flags("xpsr", "a1000000"), "N-C--  Thread");
        assert_eq!(flags("xpsr", "0100000f"), "-----  SysTick");
        assert_eq!(flags("xpsr", "01000013"), "-----  interrupt 3");
        assert_eq!(flags("cpsr", "600003c5"), "-ZC-  masked DAIF  EL1h");
        assert_eq!(flags("cpsr", "00000000"), "----  masked ----  EL0t");
        assert_eq!(flags("cpsr", "200001d3"), "--C--  masked AIF  Supervisor, Arm");
        assert_eq!(flags("cpsr", "00000030"), "-----  masked ---  User, Thumb");
        assert_eq!(flags("mstatus", "01000013"), "");
        assert_eq!(flags("cpsr", "no number"), "");
    }
}
