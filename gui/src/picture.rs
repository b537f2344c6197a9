//! What a part of a device shows, unpacked for the window.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consort_core::control::PictureInfo;
use consort_core::panel::Form;
use egui::{Color32, ColorImage};

use crate::theme;

/// No screen that is worth looking at has more.
const MOST: usize = 4096 * 4096;

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Its number.
    pub number: u64,
    /// Screen or lamps.
    pub form: Form,
    /// Pixels in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Colours as the eye sees them, dimmed by the backlight.
    pub colours: Vec<Color32>,
}

impl Pixels {
    /// Unpacks a picture; `None` when it is not what it says.
    pub fn of(info: &PictureInfo) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(&info.png).ok()?;
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().ok()?;
        let size = reader.output_buffer_size().filter(|size| *size <= MOST * 4)?;
        let mut data = vec![0; size];
        let frame = reader.next_frame(&mut data).ok()?;
        let (width, height) = (frame.width as usize, frame.height as usize);
        if (width, height) != (info.width.into(), info.height.into()) {
            return None;
        }
        let dim = |value: u8| (u16::from(value) * u16::from(info.backlight) / 255) as u8;
        let step = frame.color_type.samples();
        let colour = |pixel: &[u8]| match *pixel {
            [red, green, blue, ..] => Some(theme::pixel([dim(red), dim(green), dim(blue)])),
            [grey, ..] => Some(theme::pixel([dim(grey); 3])),
            [] => None,
        };
        let colours = data.chunks_exact(step).map(colour).collect::<Option<Vec<_>>>()?;
        let pixels = Self { number: info.number, form: info.form, width, height, colours };
        (pixels.colours.len() == width * height).then_some(pixels)
    }

    /// For a texture.
    pub fn image(&self) -> ColorImage {
        ColorImage::new([self.width, self.height], self.colours.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of these pixels, packed as a server does it.
    fn packed(width: u16, height: u16, rgb: &[u8], backlight: u8) -> PictureInfo {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width.into(), height.into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(rgb).unwrap();
        PictureInfo {
            number: 7,
            width,
            height,
            form: Form::Pixels,
            backlight,
            png: BASE64_STANDARD.encode(bytes),
        }
    }

    #[test]
    fn pictures_are_unpacked_and_dimmed() {
        let pixels = Pixels::of(&packed(2, 1, &[255, 0, 0, 0, 0, 254], 128)).unwrap();
        assert_eq!(pixels.colours, [theme::pixel([128, 0, 0]), theme::pixel([0, 0, 127])]);
        assert_eq!(pixels.image().size, [2, 1]);
    }

    #[test]
    fn what_is_no_picture_is_none() {
        let good = packed(2, 1, &[0; 6], 255);
        let broken = PictureInfo { png: good.png[..20].to_owned(), ..good.clone() };
        let other = PictureInfo { width: 3, ..good.clone() };
        let text = PictureInfo { png: "?".to_owned(), ..good };
        assert_eq!([Pixels::of(&broken), Pixels::of(&other), Pixels::of(&text)], [None, None, None]);
    }
}
