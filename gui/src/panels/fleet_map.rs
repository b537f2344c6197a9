//! Devices and links; packets fly along the links in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use consort_core::Time;
use consort_core::device::{Action, Activity};
use consort_core::fleet::StimulusKind;
use consort_core::link::{Fault, Rule};
use consort_core::radio::Position;
use egui::{Align2, FontId, Pos2, Rect, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::model::Model;
use crate::theme;

/// A packet is shown at least this long, or nobody could see one.
const SHOWN: Time = Time::from_ms(250);
const RADIUS: f32 = 16.0;

/// Where the `index`th of `count` stands when nobody moved it: on an ellipse.
fn place(index: usize, count: usize) -> Pos2 {
    let angle = std::f32::consts::TAU * (index as f32 / count.max(1) as f32 - 0.25);
    pos2(0.5 + 0.36 * angle.cos(), 0.5 + 0.36 * angle.sin())
}

fn on(rect: Rect, place: Pos2) -> Pos2 {
    rect.min + vec2(place.x * rect.width(), place.y * rect.height())
}

/// How the ground is drawn: devices with radios stand where their antennas are.
#[derive(Clone, Copy)]
struct Ground {
    rect: Rect,
    /// The place in metres that is in the middle, and how many points a metre has.
    metres: Option<([f64; 2], f32)>,
}

impl Ground {
    fn new(rect: Rect, model: &Model) -> Self {
        let places: Vec<[f64; 3]> =
            model.status.links.iter().flat_map(|link| link.places.iter().map(|place| place.0)).collect();
        let side = |axis: usize| {
            let values = || places.iter().map(|place| place[axis]);
            (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max))
        };
        let ((west, east), (south, north)) = (side(0), side(1));
        let metres = (!places.is_empty()).then(|| {
            let (width, height) = ((east - west).max(4.0), (north - south).max(4.0));
            let scale = (f64::from(rect.width()) * 0.7 / width).min(f64::from(rect.height()) * 0.6 / height);
            ([(west + east) / 2.0, (south + north) / 2.0], scale as f32)
        });
        Self { rect, metres }
    }

    /// Where a place in metres is drawn: north is up.
    fn on(&self, place: Position) -> Option<Pos2> {
        let (middle, scale) = self.metres?;
        let [east, north, _] = place.0;
        let away = vec2((east - middle[0]) as f32, (middle[1] - north) as f32);
        Some(self.rect.center() + away * scale)
    }

    /// The place in metres of a point.
    fn at(&self, point: Pos2, up: f64) -> Option<Position> {
        let (middle, scale) = self.metres?;
        let away = (point - self.rect.center()) / scale;
        let tenth = |metres: f64| (metres * 10.0).round() / 10.0;
        let (east, north) = (middle[0] + f64::from(away.x), middle[1] - f64::from(away.y));
        Some(Position([tenth(east), tenth(north), up]))
    }
}

/// Where a device's antenna is, if it has one.
fn antenna(model: &Model, device: &str) -> Option<Position> {
    let mut links = model.fleet.links.iter().zip(&model.status.links);
    links.find_map(|(link, status)| {
        let end = link.joins.iter().position(|end| end.device == device)?;
        status.places.get(end).copied()
    })
}

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    let (rect, _) = ui.allocate_exact_size(ui.available_size().max(Vec2::splat(120.0)), Sense::hover());
    let painter = ui.painter_at(rect);
    // While a device is dragged the ground stays as it is: it would run away under the hand.
    let kept = ui.scope_id().with("ground");
    let dragging = ui.input(|input| input.pointer.primary_down());
    let before: Option<Ground> = ui.data(|data| data.get_temp(kept));
    let ground = before.filter(|_| dragging).unwrap_or_else(|| Ground::new(rect, model));
    ui.data_mut(|data| data.insert_temp(kept, ground));
    let count = model.fleet.devices.len();
    let places: Vec<Pos2> = (0..count)
        .map(|index| {
            let name = &model.fleet.devices[index].name;
            let radio = antenna(model, name).and_then(|place| ground.on(place));
            let own = model.places.get(name).copied();
            radio.unwrap_or_else(|| on(rect, own.unwrap_or_else(|| place(index, count))))
        })
        .collect();
    if let Some((_, scale)) = ground.metres {
        ruler(&painter, rect, scale);
    }
    let links = model.fleet.links.clone();
    let hubs: Vec<Pos2> = (0..links.len()).map(|index| hub(rect, &places, model, index)).collect();
    for (link, hub) in links.iter().zip(&hubs) {
        for end in &link.joins {
            if let Some(index) = model.index(&end.device) {
                painter.line_segment([places[index], *hub], Stroke::new(1.0, theme::line()));
            }
        }
    }
    packets(&painter, model, &places, &hubs);
    for (index, (link, hub)) in links.iter().zip(&hubs).enumerate() {
        let area = Rect::from_center_size(*hub, Vec2::splat(RADIUS * 1.3));
        let faults = model.status.links.get(index).map_or(0, |link| link.faults.len());
        let colour = if faults > 0 { theme::bad() } else { theme::quiet() };
        painter.rect(area, 3.0, theme::raised(), Stroke::new(1.5, colour), egui::StrokeKind::Inside);
        let below = *hub + vec2(0.0, RADIUS);
        painter.text(below, Align2::CENTER_TOP, &link.name, FontId::proportional(12.0), theme::quiet());
        let response = ui.interact(area, ui.scope_id().with(("link", index)), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, format!("link {}", link.name)));
        let response = if faults > 0 { response.on_hover_text(format!("{faults} faults")) } else { response };
        response.context_menu(|ui| {
            self::faults(ui, model, &link.name, None);
            mend(ui, model, index);
        });
    }
    for (index, place) in places.iter().enumerate() {
        device(ui, &painter, model, ground, index, *place);
    }
}

/// Where a link's switch stands: in the middle of what it joins.
fn hub(rect: Rect, places: &[Pos2], model: &Model, link: usize) -> Pos2 {
    let joined = model.fleet.links[link].joins.iter().filter_map(|end| model.index(&end.device));
    let (sum, count) =
        joined.fold((Vec2::ZERO, 0.0), |(sum, count), index| (sum + places[index].to_vec2(), count + 1.0));
    if count == 0.0 { rect.center() } else { (sum / count).to_pos2() + vec2(0.0, 40.0 * link as f32) }
}

fn packets(painter: &egui::Painter, model: &Model, places: &[Pos2], hubs: &[Pos2]) {
    let now = model.status.now;
    // On a busy radio hundreds of arrivals are in the same place: each place and each way is drawn once.
    let mut ways = BTreeSet::new();
    let mut dots = BTreeMap::new();
    // Old packets have all arrived: the newest few hundred are enough.
    for packet in model.packets.iter().rev().take(400) {
        let frame = &packet.frame;
        let Some(hub) = model.fleet.links.iter().position(|link| link.name == frame.link) else { continue };
        let Some(from) = model.index(&frame.from) else { continue };
        for arrival in &frame.to {
            let Some(to) = arrival.device.as_deref().and_then(|name| model.index(name)) else { continue };
            let span = arrival.at.map_or(Time::ZERO, |at| at - frame.at).max(SHOWN);
            let part = now.since(frame.at).as_secs_f64() / span.as_secs_f64();
            if now < frame.at || part > 1.0 {
                continue;
            }
            let lost = arrival.at.is_none();
            // A lost packet stops at the switch.
            let part = if lost { (part as f32).min(0.5) } else { part as f32 };
            let at = if part < 0.5 {
                places[from].lerp(hubs[hub], part * 2.0)
            } else {
                hubs[hub].lerp(places[to], part * 2.0 - 1.0)
            };
            ways.insert((lost, from, hub));
            if !lost {
                ways.insert((lost, to, hub));
            }
            dots.insert((lost, at.x.round() as i32, at.y.round() as i32), at);
        }
    }
    let colour = |lost: bool| if lost { theme::bad() } else { theme::accent() };
    for (lost, device, hub) in ways {
        let stroke = Stroke::new(1.5, colour(lost).gamma_multiply(0.35));
        painter.line_segment([places[device], hubs[hub]], stroke);
    }
    for ((lost, ..), at) in dots {
        painter.circle_filled(at, 6.0, colour(lost).gamma_multiply(0.3));
        painter.circle_filled(at, 3.5, colour(lost));
    }
}

/// A length on the ground, for distances that matter to radios.
fn ruler(painter: &egui::Painter, rect: Rect, scale: f32) {
    let lengths = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
    let length = lengths.into_iter().find(|length| length * scale > 50.0).unwrap_or(1000.0);
    let left = rect.left_bottom() + vec2(10.0, -10.0);
    let right = left + vec2(length * scale, 0.0);
    painter.line_segment([left, right], Stroke::new(1.5, theme::quiet()));
    let text = format!("{length} m");
    painter.text(
        left - vec2(0.0, 3.0),
        Align2::LEFT_BOTTOM,
        text,
        FontId::proportional(11.0),
        theme::quiet(),
    );
}

fn device(ui: &mut Ui, painter: &egui::Painter, model: &mut Model, ground: Ground, index: usize, at: Pos2) {
    let rect = ground.rect;
    let name = model.fleet.devices[index].name.clone();
    let activity = model.status.devices.get(index).map_or(Activity::Off, |device| device.activity);
    let area = Rect::from_center_size(at, Vec2::splat(RADIUS * 2.4));
    let response = ui.interact(area, ui.scope_id().with(("device", index)), Sense::click_and_drag());
    response.widget_info(|| {
        WidgetInfo::selected(egui::Role::Button, true, model.selected == index, format!("device {name}"))
    });
    if response.clicked() {
        model.select(index);
    }
    let antenna = antenna(model, &name);
    let at_metres = |point| antenna.and_then(|place| ground.at(point, place.0[2]));
    if let (true, Some(place)) = (response.dragged(), at_metres(at + response.drag_delta())) {
        // Shown at once; the run tells the same with its next status.
        for (link, status) in model.fleet.links.iter().zip(&mut model.status.links) {
            for (end, known) in
                link.joins.iter().zip(&mut status.places).filter(|(end, _)| end.device == name)
            {
                let _ = end;
                *known = place;
            }
        }
        model.stimulate(StimulusKind::Move(name.clone(), place));
    } else if response.dragged() && rect.width() > 0.0 && rect.height() > 0.0 {
        let moved = at + response.drag_delta() - rect.min;
        let place = pos2(moved.x / rect.width(), moved.y / rect.height());
        model.places.insert(name.clone(), place.clamp(pos2(0.05, 0.05), pos2(0.95, 0.95)));
    }
    let colour = theme::device(index);
    painter.circle_filled(at, RADIUS, theme::ground());
    painter.circle_filled(at, RADIUS, colour.gamma_multiply(0.15));
    painter.circle_filled(at, 5.0, theme::activity(activity));
    let width = if model.selected == index { 3.0 } else { 1.5 };
    painter.circle_stroke(at, RADIUS, Stroke::new(width, colour));
    let below = at + vec2(0.0, RADIUS + 3.0);
    painter.text(below, Align2::CENTER_TOP, &name, FontId::proportional(13.0), theme::text());
    let board = &model.fleet.devices[index].board;
    painter.text(
        below + vec2(0.0, 15.0),
        Align2::CENTER_TOP,
        board,
        FontId::proportional(11.0),
        theme::quiet(),
    );
    let place =
        antenna.map(|Position([east, north, up])| format!(" at {east:.1} m, {north:.1} m, {up:.1} m"));
    response.on_hover_text(format!("{activity:?}{}", place.unwrap_or_default())).context_menu(|ui| {
        ui.label(&name);
        for (label, action) in
            [("Reset", Action::Reset), ("Power off", Action::PowerOff), ("Power on", Action::PowerOn)]
        {
            if ui.button(label).clicked() {
                model.act(&name, action);
                ui.close();
            }
        }
        let links = model.fleet.links.clone();
        for link in &links {
            if let Some(end) = link.joins.iter().position(|end| end.device == name) {
                ui.menu_button(format!("Disturb {}", link.name), |ui| {
                    faults(ui, model, &link.name, Some(end))
                });
            }
        }
    });
}

/// Offers faults of a link, of one of its ends or of all.
fn faults(ui: &mut Ui, model: &mut Model, link: &str, end: Option<usize>) {
    let second = model.status.now + Time::from_secs(1);
    for (label, fault, before) in [
        ("Cut for 1 s", Fault::Cut, second),
        ("Cut for good", Fault::Cut, Time::MAX),
        ("Lose 10 % for 10 s", Fault::Loss(100_000), second + Time::from_secs(9)),
        ("Delay by 20 ms for 10 s", Fault::Delay(Time::from_ms(20)), second + Time::from_secs(9)),
    ] {
        if !ui.button(label).clicked() {
            continue;
        }
        let ways = match end {
            None => vec![(None, None)],
            Some(end) => vec![(Some(end), None), (None, Some(end))],
        };
        for (from, to) in ways {
            let rule = Rule { after: Time::ZERO, before, from, to, fault };
            model.stimulate(StimulusKind::Link(link.to_owned(), rule));
        }
        ui.close();
    }
}

/// Offers to end a link's faults.
fn mend(ui: &mut Ui, model: &mut Model, link: usize) {
    let (Some(info), Some(status)) = (model.fleet.links.get(link), model.status.links.get(link)) else {
        return;
    };
    if status.faults.is_empty() {
        return;
    }
    let name = info.name.clone();
    let end = |index: Option<usize>| {
        index.and_then(|index| info.joins.get(index)).map_or("all".to_owned(), |end| end.device.clone())
    };
    let faults: Vec<_> = status
        .faults
        .iter()
        .map(|(number, rule)| {
            let what = format!("{:?}", rule.fault);
            (*number, format!("End: {what}, {} → {}", end(rule.from), end(rule.to)))
        })
        .collect();
    ui.separator();
    for (number, text) in faults {
        if ui.button(text).clicked() {
            model.stimulate(StimulusKind::Mend(name.clone(), Some(number)));
            ui.close();
        }
    }
    if ui.button("End all faults").clicked() {
        model.stimulate(StimulusKind::Mend(name, None));
        ui.close();
    }
}
