//! A renderer without a graphics card: the same pixels on every computer.

use consort_gui::theme;
use egui::epaint::{ImageData, Mesh, Primitive};
use egui::{Color32, ColorImage, Context, FullOutput, Rect, TextureId, TexturesDelta};
use egui_kittest::TestRenderer;
use image::{Rgba, RgbaImage};

/// Textures, and how triangles of them become pixels.
#[derive(Default)]
pub struct Raster {
    textures: Vec<(TextureId, ColorImage)>,
}

impl Raster {
    fn texture(&self, id: TextureId) -> Option<&ColorImage> {
        self.textures.iter().find(|(known, _)| *known == id).map(|(_, image)| image)
    }

    fn mesh(&self, out: &mut RgbaImage, clip: Rect, mesh: &Mesh, scale: f32) {
        let Some(texture) = self.texture(mesh.texture_id) else { return };
        let (width, height) = (out.width() as f32, out.height() as f32);
        let left = (clip.min.x * scale).round().clamp(0.0, width) as i32;
        let top = (clip.min.y * scale).round().clamp(0.0, height) as i32;
        let right = (clip.max.x * scale).round().clamp(0.0, width) as i32;
        let bottom = (clip.max.y * scale).round().clamp(0.0, height) as i32;
        for corners in mesh.indices.chunks_exact(3) {
            let mut corners = [0, 1, 2].map(|corner| mesh.vertices[corners[corner] as usize]);
            let at = |corner: usize, corners: &[egui::epaint::Vertex; 3]| corners[corner].pos * scale;
            let cross = |a: egui::Pos2, b: egui::Pos2, p: egui::Pos2| {
                (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x)
            };
            if cross(at(0, &corners), at(1, &corners), at(2, &corners)) < 0.0 {
                corners.swap(1, 2);
            }
            let points = [0, 1, 2].map(|corner| at(corner, &corners));
            let area = cross(points[0], points[1], points[2]);
            if area <= 0.0 || !area.is_finite() {
                continue;
            }
            let low = |axis: fn(&egui::Pos2) -> f32| points.iter().map(axis).fold(f32::MAX, f32::min);
            let high = |axis: fn(&egui::Pos2) -> f32| points.iter().map(axis).fold(f32::MIN, f32::max);
            let columns = (low(|p| p.x).floor() as i32).max(left)..(high(|p| p.x).ceil() as i32).min(right);
            let rows = (low(|p| p.y).floor() as i32).max(top)..(high(|p| p.y).ceil() as i32).min(bottom);
            for y in rows {
                for x in columns.clone() {
                    let p = egui::pos2(x as f32 + 0.5, y as f32 + 0.5);
                    let parts = [(1, 2), (2, 0), (0, 1)].map(|(a, b)| {
                        let (a, b) = (points[a], points[b]);
                        let side = cross(a, b, p);
                        // Pixels on an edge belong to the triangle on its right or below it.
                        let owns = b.y < a.y || (b.y == a.y && b.x > a.x);
                        if side > 0.0 || (side == 0.0 && owns) { Some(side / area) } else { None }
                    });
                    let [Some(a), Some(b), Some(c)] = parts else { continue };
                    let mix = |value: fn(&egui::epaint::Vertex) -> f32| {
                        a * value(&corners[0]) + b * value(&corners[1]) + c * value(&corners[2])
                    };
                    let texel =
                        |part: f32, size: usize| ((part * size as f32) as usize).min(size.saturating_sub(1));
                    let (u, v) = (mix(|corner| corner.uv.x), mix(|corner| corner.uv.y));
                    let sample = texture[(texel(u, texture.size[0]), texel(v, texture.size[1]))];
                    let tint = [
                        mix(|corner| corner.color.r().into()),
                        mix(|corner| corner.color.g().into()),
                        mix(|corner| corner.color.b().into()),
                        mix(|corner| corner.color.a().into()),
                    ];
                    blend(out.get_pixel_mut(x as u32, y as u32), sample, tint);
                }
            }
        }
    }
}

/// Premultiplied colours over what is there.
fn blend(pixel: &mut Rgba<u8>, sample: Color32, tint: [f32; 4]) {
    let source = sample.to_array().map(f32::from);
    let alpha = source[3] * tint[3] / (255.0 * 255.0);
    for channel in 0..3 {
        let over = source[channel] * tint[channel] / 255.0;
        let under = f32::from(pixel[channel]) * (1.0 - alpha);
        pixel[channel] = (over + under).round().clamp(0.0, 255.0) as u8;
    }
}

impl TestRenderer for Raster {
    #[expect(clippy::iter_over_hash_type, reason = "each texture has its own changes, in their order")]
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        let free = std::mem::take(&mut delta.free);
        for (id, changes) in delta.set.drain() {
            for change in changes {
                let ImageData::Color(image) = change.image;
                match (change.pos, self.textures.iter_mut().find(|(known, _)| *known == id)) {
                    (Some([left, top]), Some((_, texture))) => {
                        for y in 0..image.size[1] {
                            for x in 0..image.size[0] {
                                texture[(left + x, top + y)] = image[(x, y)];
                            }
                        }
                    }
                    (None, Some((_, texture))) => *texture = image.as_ref().clone(),
                    (_, None) => self.textures.push((id, image.as_ref().clone())),
                }
            }
        }
        self.textures.retain(|(id, _)| !free.contains(id));
    }

    fn render(&mut self, context: &Context, output: &FullOutput) -> Result<RgbaImage, String> {
        let scale = output.pixels_per_point;
        let size = context.content_rect().size() * scale;
        let [red, green, blue, _] = theme::ground().to_array();
        let ground = Rgba([red, green, blue, 255]);
        let mut out = RgbaImage::from_pixel(size.x.round() as u32, size.y.round() as u32, ground);
        for clipped in context.tessellate(output.shapes.clone(), scale) {
            if let Primitive::Mesh(mesh) = &clipped.primitive {
                self.mesh(&mut out, clipped.clip_rect, mesh, scale);
            }
        }
        Ok(out)
    }
}
