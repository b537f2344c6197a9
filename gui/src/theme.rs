//! All colours and fonts of the inspector, dark and light.
#![expect(clippy::disallowed_methods, reason = "this is where colours are declared")]

use std::cell::Cell;

use consort_core::device::Activity;
use consort_core::trace::Level;
use egui::{Color32, Context, FontDefinitions, FontFamily, Stroke, Theme, Visuals};

/// The colours of one theme.
struct Palette {
    accent: Color32,
    bad: Color32,
    changed: Color32,
    good: Color32,
    quiet: Color32,
    text: Color32,
    line: Color32,
    ground: Color32,
    raised: Color32,
    violet: Color32,
    teal: Color32,
    rose: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

const DARK: Palette = Palette {
    accent: rgb(0x5bb8f0),
    bad: rgb(0xf07178),
    changed: rgb(0xffb454),
    good: rgb(0x7fd98a),
    quiet: rgb(0x848b98),
    text: rgb(0xd6dae0),
    line: rgb(0x3a404b),
    ground: rgb(0x14161a),
    raised: rgb(0x1d2026),
    violet: rgb(0xd29bff),
    teal: rgb(0x6ee0cf),
    rose: rgb(0xf08fb5),
};

const LIGHT: Palette = Palette {
    accent: rgb(0x0b69a8),
    bad: rgb(0xb82c3a),
    changed: rgb(0x9a5b00),
    good: rgb(0x1d7a36),
    quiet: rgb(0x626975),
    text: rgb(0x1c2026),
    line: rgb(0xc4c9d2),
    ground: rgb(0xfafbfc),
    raised: rgb(0xeceef2),
    violet: rgb(0x7d3cc8),
    teal: rgb(0x007a6c),
    rose: rgb(0xb03a72),
};

thread_local! {
    /// The window is drawn by one thread; tests draw theirs by others.
    static IS_LIGHT: Cell<bool> = const { Cell::new(false) };
}

fn palette() -> &'static Palette {
    if IS_LIGHT.get() { &LIGHT } else { &DARK }
}

/// The one colour that draws attention: selection, the present, running things.
pub fn accent() -> Color32 {
    palette().accent
}
/// Something went wrong or was lost.
pub fn bad() -> Color32 {
    palette().bad
}
/// Something changed.
pub fn changed() -> Color32 {
    palette().changed
}
/// Something is well.
pub fn good() -> Color32 {
    palette().good
}
/// Less important text.
pub fn quiet() -> Color32 {
    palette().quiet
}
/// Text.
pub fn text() -> Color32 {
    palette().text
}
/// Lines between things.
pub fn line() -> Color32 {
    palette().line
}
/// Panels' ground.
pub fn ground() -> Color32 {
    palette().ground
}
/// The ground of bars and inputs.
pub fn raised() -> Color32 {
    palette().raised
}

/// The colour of the `index`th device.
pub fn device(index: usize) -> Color32 {
    let own = palette();
    let all = [own.accent, own.good, own.changed, own.violet, own.teal, own.rose];
    all[index % all.len()]
}

/// A terminal's colour 0 to 7.
pub fn ansi(index: usize) -> Color32 {
    let own = palette();
    let all = [own.quiet, own.bad, own.good, own.changed, own.accent, own.violet, own.teal, own.text];
    all[index % all.len()]
}

/// The colour of what a device does.
pub fn activity(activity: Activity) -> Color32 {
    match activity {
        Activity::Running => good(),
        Activity::Asleep => quiet(),
        Activity::LockedUp => bad(),
        Activity::Exited => accent(),
        Activity::Off => line(),
    }
}

/// The colour of a log line.
pub fn level(level: Level) -> Color32 {
    match level {
        Level::Debug => quiet(),
        Level::Info => text(),
        Level::GuestError => bad(),
        Level::Unimplemented => changed(),
    }
}

/// The colour of a screen's pixel or a lamp, as the guest made it.
pub fn pixel([red, green, blue]: [u8; 3]) -> Color32 {
    Color32::from_rgb(red, green, blue)
}

/// Makes a context look as the inspector does, dark.
pub fn set(context: &Context) {
    let mut fonts = FontDefinitions::default();
    // The monospace font has the arrows and shapes that the proportional one lacks.
    if let Some(family) = fonts.families.get_mut(&FontFamily::Proportional)
        && fonts.font_data.contains_key("Hack")
    {
        family.push("Hack".to_owned());
    }
    context.set_fonts(fonts);
    choose(context, false);
}

/// Leaves out what only smooths edges: it costs half of the time where the processor draws.
pub fn plain(context: &Context) {
    context.tessellation_options_mut(|options| options.feathering = false);
}

/// Chooses between light and dark.
pub fn choose(context: &Context, light: bool) {
    IS_LIGHT.set(light);
    let mut visuals = if light { Visuals::light() } else { Visuals::dark() };
    visuals.panel_fill = ground();
    visuals.window_fill = raised();
    visuals.extreme_bg_color = raised();
    visuals.faint_bg_color = raised();
    visuals.override_text_color = Some(text());
    visuals.selection.bg_fill = accent().gamma_multiply(0.35);
    visuals.selection.stroke = Stroke::new(1.0, accent());
    visuals.hyperlink_color = accent();
    // Whatever the system prefers, ours is chosen here.
    context.set_visuals_of(Theme::Light, visuals.clone());
    context.set_visuals_of(Theme::Dark, visuals);
    context.set_theme(if light { Theme::Light } else { Theme::Dark });
}
