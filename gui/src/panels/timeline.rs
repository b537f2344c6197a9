//! Lanes of virtual time: when each device ran, was interrupted, sent and received.

use consort_core::Time;
use egui::{Align2, FontId, Mesh, Rect, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::lane::BUCKET;
use crate::model::Model;
use crate::theme;

const NAMES: f32 = 90.0;
const DEFAULT_SPAN: Time = Time::from_secs(2);
const SHORTEST: Time = Time::from_ms(50);
const LONGEST: Time = Time::from_secs(60);

/// Draws it.
pub fn ui(ui: &mut Ui, model: &mut Model) {
    if model.inputs.span == Time::ZERO {
        model.inputs.span = DEFAULT_SPAN;
    }
    ui.horizontal_wrapped(|ui| {
        let span = model.inputs.span;
        if ui.button("Zoom in").clicked() {
            model.inputs.span = Time::from_ps(span.as_ps() / 2).max(SHORTEST);
        }
        if ui.button("Zoom out").clicked() {
            model.inputs.span = (span + span).min(LONGEST);
        }
        let mut follow = model.inputs.timeline_end.is_none();
        if ui.checkbox(&mut follow, "Follow").changed() {
            model.inputs.timeline_end = (!follow).then_some(model.status.now);
        }
        for (colour, text) in [
            (theme::good(), "runs"),
            (theme::quiet(), "asleep"),
            (theme::changed(), "interrupt"),
            (theme::accent(), "packet"),
            (theme::text(), "UART"),
        ] {
            ui.colored_label(colour, text);
        }
    });
    let (rect, response) = ui.allocate_exact_size(ui.available_size().max(Vec2::splat(60.0)), Sense::drag());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, "timeline of all devices"));
    if response.hovered() {
        let zoom = ui.input(|input| input.zoom_delta() * (input.smooth_scroll_delta().y / 200.0).exp());
        if zoom != 1.0 && zoom > 0.0 {
            let span = (model.inputs.span.as_ps() as f64 / f64::from(zoom)) as u64;
            model.inputs.span = Time::from_ps(span).clamp(SHORTEST, LONGEST);
        }
    }
    let (now, span) = (model.status.now, model.inputs.span);
    let width = f64::from((rect.width() - NAMES - 6.0).max(1.0));
    if response.dragged() && response.drag_delta().x != 0.0 {
        // The hand takes the past along; at the present it lets go and follows again.
        let by = (span.as_ps() as f64 / width * f64::from(-response.drag_delta().x)) as i64;
        let end =
            model.inputs.timeline_end.unwrap_or(now).as_ps().saturating_add_signed(by).max(span.as_ps());
        model.inputs.timeline_end = (end < now.as_ps()).then_some(Time::from_ps(end));
    }
    let end = model.inputs.timeline_end.unwrap_or(now);
    let begin = Time::from_ps(end.as_ps().saturating_sub(span.as_ps()));
    let lanes = Rect::from_min_max(rect.min + vec2(NAMES, 0.0), rect.max - vec2(6.0, 18.0));
    let painter = ui.painter_at(rect);
    let x_of =
        |at: Time| lanes.min.x + (at.since(begin).as_secs_f64() / span.as_secs_f64()) as f32 * lanes.width();
    axis(&painter, lanes, begin, span, x_of);
    let height = lanes.height() / model.lanes.len().max(1) as f32;
    // One column for at least one bucket and at least two points.
    let columns = ((lanes.width() / 2.0) as u64).min(span.as_ps() / BUCKET.as_ps()).max(1);
    // Thousands of small shapes: one mesh of them costs the least.
    let mut mesh = Mesh::default();
    for (index, lane) in model.lanes.iter().enumerate() {
        let middle = lanes.min.y + height * (index as f32 + 0.5);
        let name = model.fleet.devices.get(index).map_or("", |device| device.name.as_str());
        let colour = theme::device(index);
        let label = pos2(lanes.min.x - 6.0, middle);
        painter.text(label, Align2::RIGHT_CENTER, name, FontId::proportional(12.0), colour);
        painter.line_segment(
            [pos2(lanes.min.x, middle), pos2(lanes.max.x, middle)],
            Stroke::new(1.0, theme::line()),
        );
        let half = (height * 0.3).clamp(2.0, 14.0);
        let mut bar: Option<Rect> = None;
        for column in 0..columns {
            let at = |column: u64| {
                Time::from_ps(
                    begin.as_ps()
                        + (u128::from(span.as_ps()) * u128::from(column) / u128::from(columns)) as u64,
                )
            };
            let (from, to) = (at(column), at(column + 1));
            let sum = lane.sum(from, to);
            if from >= now || sum == Default::default() {
                continue;
            }
            let (left, right) = (x_of(from), x_of(to));
            let part = (sum.busy.as_secs_f64() / to.since(from).as_secs_f64()).min(1.0) as f32;
            if part > 0.0 {
                let top = middle - half * part.max(0.1);
                // Columns that look alike are one bar.
                match &mut bar {
                    Some(bar) if bar.min.y == top && bar.max.x == left => bar.max.x = right,
                    _ => {
                        bar.into_iter().for_each(|bar| mesh.add_colored_rect(bar, theme::good()));
                        bar = Some(Rect::from_min_max(pos2(left, top), pos2(right, middle)));
                    }
                }
            }
            if sum.interrupts > 0 {
                let tick =
                    Rect::from_min_max(pos2(left, middle + 1.0), pos2(left + 1.0, middle + half * 0.5));
                mesh.add_colored_rect(tick, theme::changed());
            }
            if sum.uart > 0 {
                let dot = Rect::from_center_size(pos2(left, middle + half), Vec2::splat(3.0));
                mesh.add_colored_rect(dot, theme::text());
            }
            if sum.packets > 0 {
                painter.circle_filled(pos2(left, middle - half), 2.5, theme::accent());
            }
        }
        bar.into_iter().for_each(|bar| mesh.add_colored_rect(bar, theme::good()));
    }
    painter.add(mesh);
    if now <= begin + span {
        painter.vline(x_of(now), lanes.y_range(), Stroke::new(1.5, theme::accent()));
    }
    if let Some(pointer) = response.hover_pos().filter(|pointer| lanes.contains(*pointer)) {
        hover(&painter, model, lanes, pointer, begin, span, height);
    }
}

fn axis(painter: &egui::Painter, lanes: Rect, begin: Time, span: Time, x_of: impl Fn(Time) -> f32) {
    let steps = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000].map(Time::from_ms);
    let most = (lanes.width() / 70.0).max(1.0) as u64;
    let step = steps.into_iter().find(|step| span.as_ps() / step.as_ps() <= most).unwrap_or(LONGEST);
    let mut at = Time::from_ps(begin.as_ps().div_ceil(step.as_ps()).saturating_mul(step.as_ps()));
    for _ in 0..=most {
        if at > begin + span {
            break;
        }
        let x = x_of(at);
        painter.vline(x, lanes.y_range(), Stroke::new(0.5, theme::line()));
        let text = format!("{:.3} s", at.as_secs_f64());
        painter.text(
            // The last one stays whole.
            pos2(x.min(lanes.max.x - 14.0), lanes.max.y + 2.0),
            Align2::CENTER_TOP,
            text,
            FontId::proportional(11.0),
            theme::quiet(),
        );
        at += step;
    }
}

fn hover(
    painter: &egui::Painter,
    model: &Model,
    lanes: Rect,
    pointer: egui::Pos2,
    begin: Time,
    span: Time,
    height: f32,
) {
    let index = ((pointer.y - lanes.min.y) / height) as usize;
    let (Some(lane), Some(device)) = (model.lanes.get(index), model.fleet.devices.get(index)) else { return };
    let part = f64::from((pointer.x - lanes.min.x) / lanes.width());
    let at = begin + Time::from_ps((span.as_ps() as f64 * part) as u64);
    let sum = lane.sum(at, at + BUCKET);
    painter.vline(pointer.x, lanes.y_range(), Stroke::new(0.5, theme::quiet()));
    let text = format!(
        "{} at {at} s: ran {} us, {} interrupts, {} packets, UART {}",
        device.name,
        sum.busy.as_ns() / 1_000,
        sum.interrupts,
        sum.packets,
        sum.uart
    );
    let galley = painter.layout_no_wrap(text, FontId::monospace(12.0), theme::text());
    let place = pos2((lanes.left() + 4.0).min(lanes.right() - galley.size().x), lanes.top());
    painter.rect_filled(Rect::from_min_size(place, galley.size()).expand(2.0), 2.0, theme::ground());
    painter.galley(place, galley, theme::text());
}
