//! What the devices show: screens to touch, lamps, buttons to press.

use consort_core::control::PartInfo;
use consort_core::panel::{Form, Takes, Value};
use egui::{EventFilter, Key, Rect, Sense, Slider, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use crate::model::Model;
use crate::parts::Place;
use crate::picture::Pixels;
use crate::theme;

const SMALLEST: f32 = 60.0;
const LARGEST: f32 = 800.0;
/// About the size of a letter and of a line of buttons.
const LETTER: f32 = 7.0;
const LINE: f32 = 26.0;
const LARGEST_LAMP: f32 = 26.0;
const GAP: f32 = 12.0;
const NUMBERS: [Key; 9] =
    [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];

/// The channels of a device that are pressed and let go.
fn buttons(parts: &[PartInfo]) -> Vec<(String, String)> {
    let mut buttons = Vec::new();
    for part in parts {
        for channel in part.channels.iter().filter(|channel| channel.takes == Takes::Switch) {
            let words = format!("{} {} {}", part.name, channel.name, channel.doc).to_lowercase();
            if words.contains("button") || words.contains("pressed") || words.contains("key") {
                buttons.push((part.name.clone(), channel.name.clone()));
            }
        }
    }
    buttons
}

/// What is written on a button: the part's name when it has only one channel.
fn label(parts: &[PartInfo], part: &str, channel: &str) -> String {
    let alone = parts.iter().any(|known| known.name == part && known.channels.len() == 1);
    if alone { part.to_owned() } else { channel.to_owned() }
}

/// What a device shows, as far as its size goes.
struct Shape {
    /// Its pictures: pixels across and down, and their form.
    pictures: Vec<(f32, f32, Form)>,
    /// How long the line with its name and buttons is, unless it is wrapped.
    line: f32,
}

impl Shape {
    fn new(model: &Model, name: &str) -> Self {
        let parts = model.parts.known.get(name).map(Vec::as_slice).unwrap_or_default();
        let pictures = parts.iter().filter(|part| part.shows.is_some());
        let pictures = pictures.filter_map(|part| model.parts.picture(name, &part.name));
        let buttons = buttons(parts);
        let letters = |(part, channel): &(String, String)| label(parts, part, channel).len();
        let letters = name.len() + buttons.iter().map(letters).sum::<usize>();
        Self {
            pictures: pictures
                .map(|pixels| (pixels.width as f32, pixels.height as f32, pixels.form))
                .collect(),
            line: letters as f32 * LETTER + buttons.len() as f32 * LINE,
        }
    }

    fn height(&self, width: f32) -> f32 {
        let pictures = self.pictures.iter();
        let pictures =
            pictures.map(|(across, down, form)| down * scale(*form, *across, *down, width) + GAP / 2.0);
        pictures.sum::<f32>() + (self.line / width).ceil() * LINE + GAP
    }
}

/// How large a pixel or a lamp is drawn.
fn scale(form: Form, across: f32, down: f32, width: f32) -> f32 {
    match form {
        Form::Pixels => width / across.max(down).max(1.0),
        Form::Lamps => (width / across.max(1.0)).min(LARGEST_LAMP),
    }
}

fn columns(wide: f32, width: f32) -> usize {
    ((wide / (width + GAP)) as usize).max(1)
}

/// The largest width at which everything is seen at once; the smallest when that cannot be.
fn fitting(model: &Model, devices: &[(usize, String)], wide: f32, high: f32) -> f32 {
    let shapes: Vec<Shape> = devices.iter().map(|(_, name)| Shape::new(model, name)).collect();
    let fits = |width: f32| {
        let rows = shapes.chunks(columns(wide, width));
        let height = |row: &[Shape]| row.iter().map(|shape| shape.height(width)).fold(0.0, f32::max);
        width + GAP <= wide && rows.map(height).sum::<f32>() <= high
    };
    let widths = (SMALLEST as u16..=LARGEST as u16).rev().step_by(4).map(f32::from);
    widths.into_iter().find(|width| fits(*width)).unwrap_or(SMALLEST)
}

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    let wide = ui.available_width();
    let devices: Vec<(usize, String)> = model
        .fleet
        .devices
        .iter()
        .enumerate()
        .filter(|(_, device)| {
            let parts = model.parts.known.get(&device.name).map(Vec::as_slice).unwrap_or_default();
            parts.iter().any(|part| part.shows.is_some()) || !buttons(parts).is_empty()
        })
        .map(|(index, device)| (index, device.name.clone()))
        .collect();
    if devices.is_empty() {
        ui.label("No device of this fleet shows anything.");
        return;
    }
    let high = ui.available_height() - LINE;
    let mut width = model.inputs.screen_width;
    if width == 0.0 {
        width = fitting(model, &devices, wide, high);
    }
    ui.horizontal(|ui| {
        let fits = model.inputs.screen_width == 0.0;
        if ui.selectable_label(fits, "Fit").on_hover_text("as large as all can be seen at once").clicked() {
            model.inputs.screen_width = if fits { width } else { 0.0 };
        }
        ui.label("Size");
        let slider = ui.add(Slider::new(&mut width, SMALLEST..=LARGEST).show_value(false));
        if slider.changed() {
            model.inputs.screen_width = width;
        }
        let value = f64::from(width);
        slider.widget_info(|| WidgetInfo::slider(true, value, "Size of screens"));
    });
    let width = width.min((wide - GAP).max(SMALLEST));
    let columns = columns(wide, width);
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for row in devices.chunks(columns) {
            ui.horizontal_top(|ui| {
                for (index, name) in row {
                    ui.vertical(|ui| {
                        ui.set_width(width);
                        device(ui, model, *index, name, width);
                    });
                }
            });
            ui.add_space(GAP);
        }
    });
}

fn device(ui: &mut Ui, model: &mut Model, index: usize, name: &str, width: f32) {
    let parts = model.parts.known.get(name).cloned().unwrap_or_default();
    for part in parts.iter().filter(|part| part.shows.is_some()) {
        picture(ui, model, index, name, &part.name, width, &parts);
    }
    ui.horizontal_wrapped(|ui| {
        ui.colored_label(theme::device(index), name);
        for (part, channel) in buttons(&parts) {
            let place = (name.to_owned(), part.clone(), channel.clone());
            let held = model.parts.is_held(&place);
            let text = label(&parts, &part, &channel);
            let button =
                egui::Button::new(&text).selected(held).small().wrap_mode(egui::TextWrapMode::Extend);
            let response = ui.add(button.sense(Sense::click_and_drag()));
            response.widget_info(|| {
                WidgetInfo::selected(egui::Role::Button, true, held, format!("{name} {part} {channel}"))
            });
            momentary(model, &response, &place);
        }
    });
}

/// A button of the window that holds a button of a device.
fn momentary(model: &mut Model, response: &egui::Response, place: &Place) {
    let down = response.is_pointer_button_down_on();
    if down {
        model.hold(place, Value::Bool(true));
    } else if model.parts.is_held(place) && !keyed(response) {
        model.release(place);
    } else if response.clicked() {
        model.press(place, Value::Bool(true));
    }
}

/// Whether a key holds it: the screen lets it go.
fn keyed(response: &egui::Response) -> bool {
    response.ctx.input(|input| NUMBERS.iter().any(|key| input.key_down(*key)))
}

fn picture(
    ui: &mut Ui,
    model: &mut Model,
    index: usize,
    device: &str,
    part: &str,
    width: f32,
    parts: &[PartInfo],
) {
    let Some(pixels) = model.parts.picture(device, part) else {
        ui.allocate_exact_size(vec2(width, width * 0.25), Sense::hover());
        return;
    };
    let (across, down, form) = (pixels.width, pixels.height, pixels.form);
    let scale = scale(form, across as f32, down as f32, width);
    let size = vec2(across as f32, down as f32) * scale;
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    let name = format!("{part} of {device}");
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &name));
    match form {
        Form::Pixels => {
            if let Some(texture) = model.parts.texture(ui.ctx(), device, part) {
                let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                ui.painter().image(texture.id(), rect, whole, theme::pixel([255; 3]));
            }
        }
        Form::Lamps => {
            if let Some(pixels) = model.parts.picture(device, part) {
                lamps(ui, rect, scale, pixels);
            }
        }
    }
    let focused = response.has_focus();
    let stroke = match (focused, model.selected == index) {
        (true, _) => Stroke::new(2.0, theme::accent()),
        (_, true) => Stroke::new(1.0, theme::accent().gamma_multiply(0.6)),
        _ => Stroke::new(1.0, theme::line()),
    };
    ui.painter().rect_stroke(rect, 4.0, stroke, StrokeKind::Outside);
    if response.is_pointer_button_down_on() || response.clicked() {
        response.request_focus();
        model.select(index);
    }
    let touch = model.parts.touch(device, part, across as u16, down as u16);
    let touch = touch.map(|(part, channel)| (device.to_owned(), part, channel));
    if let Some(place) = &touch {
        self::touch(model, &response, rect, place, [across, down]);
    }
    if focused {
        keys(ui, model, &response, device, parts, touch.as_ref(), [across, down]);
    }
}

/// A finger on a screen.
fn touch(model: &mut Model, response: &egui::Response, rect: Rect, place: &Place, size: [usize; 2]) {
    let pixel =
        |part: f32, size: usize| (f64::from(part) * size as f64).floor().clamp(0.0, size as f64 - 1.0);
    let finger = response.interact_pointer_pos().map(|pointer| {
        let part = (pointer - rect.min) / rect.size();
        Value::Numbers(vec![pixel(part.x, size[0]), pixel(part.y, size[1])])
    });
    match finger {
        Some(at) if response.is_pointer_button_down_on() => model.hold(place, at),
        // A tap that came and went between two frames.
        Some(at) if response.clicked() && !model.parts.is_held(place) => model.press(place, at),
        _ => model.release(place),
    }
}

/// Keys for the screen that has the focus: numbers are its device's buttons, arrows are swipes.
fn keys(
    ui: &Ui,
    model: &mut Model,
    response: &egui::Response,
    device: &str,
    parts: &[PartInfo],
    touch: Option<&Place>,
    [across, down]: [usize; 2],
) {
    let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
    for ((part, channel), key) in buttons(parts).into_iter().zip(NUMBERS) {
        let place = (device.to_owned(), part, channel);
        let (pressed, released) = ui.input(|input| (input.key_pressed(key), input.key_released(key)));
        if pressed {
            model.hold(&place, Value::Bool(true));
        }
        if released {
            model.release(&place);
        }
    }
    let Some(place) = touch else { return };
    let (x, y) = (across as f64, down as f64);
    let middle = [(x / 2.0).floor(), (y / 2.0).floor()];
    for (key, from, to) in [
        (Key::ArrowLeft, [x * 0.8, middle[1]], [x * 0.2, middle[1]]),
        (Key::ArrowRight, [x * 0.2, middle[1]], [x * 0.8, middle[1]]),
        (Key::ArrowUp, [middle[0], y * 0.8], [middle[0], y * 0.2]),
        (Key::ArrowDown, [middle[0], y * 0.2], [middle[0], y * 0.8]),
    ] {
        if ui.input(|input| input.key_pressed(key)) {
            model.swipe(place, from.map(f64::floor), to.map(f64::floor));
        }
    }
}

fn lamps(ui: &Ui, rect: Rect, scale: f32, pixels: &Pixels) {
    let painter = ui.painter_at(rect.expand(1.0));
    for (index, colour) in pixels.colours.iter().enumerate() {
        let (x, y) = (index % pixels.width.max(1), index / pixels.width.max(1));
        let middle = rect.min + vec2(x as f32 + 0.5, y as f32 + 0.5) * scale;
        let lit = *colour != theme::pixel([0; 3]);
        if lit {
            painter.circle_filled(middle, scale * 0.48, colour.gamma_multiply(0.25));
            painter.circle_filled(middle, scale * 0.32, *colour);
        } else {
            painter.circle(middle, scale * 0.3, theme::raised(), Stroke::new(1.0, theme::line()));
        }
    }
}
