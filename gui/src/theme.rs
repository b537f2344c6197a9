//! All colours and fonts of the inspector.
#![expect(clippy::disallowed_methods, reason = "this is where colours are declared")]

use consort_core::device::Activity;
use consort_core::trace::Level;
use egui::{Color32, Context, FontDefinitions, FontFamily, Stroke, Visuals};

/// The one colour that draws attention: selection, the present, running things.
pub const ACCENT: Color32 = Color32::from_rgb(0x5b, 0xb8, 0xf0);
/// Something went wrong or was lost.
pub const BAD: Color32 = Color32::from_rgb(0xf0, 0x71, 0x78);
/// Something changed.
pub const CHANGED: Color32 = Color32::from_rgb(0xff, 0xb4, 0x54);
/// Something is well.
pub const GOOD: Color32 = Color32::from_rgb(0x7f, 0xd9, 0x8a);
/// Less important text.
pub const QUIET: Color32 = Color32::from_rgb(0x84, 0x8b, 0x98);
/// Text.
pub const TEXT: Color32 = Color32::from_rgb(0xd6, 0xda, 0xe0);
/// Lines between things.
pub const LINE: Color32 = Color32::from_rgb(0x3a, 0x40, 0x4b);
/// Panels' ground.
pub const GROUND: Color32 = Color32::from_rgb(0x14, 0x16, 0x1a);
/// The ground of bars and inputs.
pub const RAISED: Color32 = Color32::from_rgb(0x1d, 0x20, 0x26);

/// Colours that tell devices apart.
const DEVICES: [Color32; 6] = [
    ACCENT,
    Color32::from_rgb(0x7f, 0xd9, 0x8a),
    Color32::from_rgb(0xff, 0xb4, 0x54),
    Color32::from_rgb(0xd2, 0x9b, 0xff),
    Color32::from_rgb(0x6e, 0xe0, 0xcf),
    Color32::from_rgb(0xf0, 0x8f, 0xb5),
];

/// The eight colours of a terminal.
const ANSI: [Color32; 8] = [
    QUIET,
    BAD,
    GOOD,
    CHANGED,
    ACCENT,
    Color32::from_rgb(0xd2, 0x9b, 0xff),
    Color32::from_rgb(0x6e, 0xe0, 0xcf),
    TEXT,
];

/// The colour of the `index`th device.
pub fn device(index: usize) -> Color32 {
    DEVICES[index % DEVICES.len()]
}

/// A terminal's colour 0 to 7.
pub fn ansi(index: usize) -> Color32 {
    ANSI[index % ANSI.len()]
}

/// The colour of what a device does.
pub fn activity(activity: Activity) -> Color32 {
    match activity {
        Activity::Running => GOOD,
        Activity::Asleep => QUIET,
        Activity::LockedUp => BAD,
        Activity::Exited => ACCENT,
        Activity::Off => LINE,
    }
}

/// The colour of a log line.
pub fn level(level: Level) -> Color32 {
    match level {
        Level::Debug => QUIET,
        Level::Info => TEXT,
        Level::GuestError => BAD,
        Level::Unimplemented => CHANGED,
    }
}

/// Makes a context look as the inspector does.
pub fn set(context: &Context) {
    let mut fonts = FontDefinitions::default();
    // The monospace font has the arrows and shapes that the proportional one lacks.
    if let Some(family) = fonts.families.get_mut(&FontFamily::Proportional)
        && fonts.font_data.contains_key("Hack")
    {
        family.push("Hack".to_owned());
    }
    context.set_fonts(fonts);
    let mut visuals = Visuals::dark();
    visuals.panel_fill = GROUND;
    visuals.window_fill = RAISED;
    visuals.extreme_bg_color = RAISED;
    visuals.faint_bg_color = RAISED;
    visuals.override_text_color = Some(TEXT);
    visuals.selection.bg_fill = ACCENT.gamma_multiply(0.35);
    visuals.selection.stroke = Stroke::new(1.0, ACCENT);
    visuals.hyperlink_color = ACCENT;
    context.set_theme(egui::Theme::Dark);
    context.set_visuals(visuals);
}
