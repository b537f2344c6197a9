//! Compares what a part shows with a PNG file.

use std::path::Path;

use consort_core::fleet::Fleet;

use super::compare::Compared;
use super::file::PictureStep;

/// An RGB picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Red, green and blue of each pixel, line after line.
    pub rgb: Vec<u8>,
}

/// Pictures larger than this are nothing that a device of a fleet shows.
const MOST_BYTES: usize = 64 << 20;

impl Image {
    /// Reads a PNG file of any kind; transparency is dropped.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bad = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = std::fs::File::open(path).map_err(|error| bad(&error))?;
        let limits = png::Limits { bytes: MOST_BYTES };
        let mut decoder = png::Decoder::new_with_limits(std::io::BufReader::new(file), limits);
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(|error| bad(&error))?;
        let size = reader.output_buffer_size().filter(|size| *size <= MOST_BYTES);
        let mut bytes = vec![0; size.ok_or_else(|| bad(&"is too large"))?];
        let frame = reader.next_frame(&mut bytes).map_err(|error| bad(&error))?;
        bytes.truncate(frame.buffer_size());
        let rgb = match frame.color_type {
            png::ColorType::Grayscale => bytes.iter().flat_map(|grey| [*grey; 3]).collect(),
            png::ColorType::GrayscaleAlpha => bytes.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
            png::ColorType::Rgba => {
                bytes.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
            }
            png::ColorType::Rgb | png::ColorType::Indexed => bytes,
        };
        Ok(Self { width: frame.width, height: frame.height, rgb })
    }

    /// Where the two differ by more than `tolerance`: red there, and dark elsewhere; and how often.
    fn difference(&self, other: &Self, tolerance: u8) -> (Self, u32) {
        let mut count = 0;
        let pairs = self.rgb.chunks_exact(3).zip(other.rgb.chunks_exact(3));
        let marked = pairs.flat_map(|(own, other)| {
            let far = own.iter().zip(other).any(|(own, other)| own.abs_diff(*other) > tolerance);
            count += u32::from(far);
            let grey = (own.iter().map(|value| u16::from(*value)).sum::<u16>() / 12) as u8;
            if far { [255, 0, 0] } else { [grey; 3] }
        });
        let rgb = marked.collect();
        (Self { width: self.width, height: self.height, rgb }, count)
    }
}

/// The pictures of a comparison that failed, by the names of their files.
pub(super) type Pictures = Vec<(String, Image)>;

/// Compares a part's picture, as it reaches the eye, with the file's.
pub(super) fn compare(
    fleet: &mut Fleet,
    device: usize,
    step: &PictureStep,
    wanted: &Result<Image, String>,
) -> Result<(), (Compared, Pictures)> {
    let name = format!("{}.{}", fleet.names()[device], step.part);
    let expected = format!("{name} shows {}", step.is);
    let shown = fleet.device(device, |device| device.picture(&step.part)).flatten();
    let Some(shown) = shown else {
        return Err((Compared { expected, found: "it shows nothing".to_owned() }, Vec::new()));
    };
    let shown = Image { width: shown.width.into(), height: shown.height.into(), rgb: shown.seen() };
    let failed = |found: String, more: Pictures| {
        let mut pictures = vec![(format!("{name}.png"), shown.clone())];
        pictures.extend(more);
        Err((Compared { expected: expected.clone(), found }, pictures))
    };
    let wanted = match wanted {
        Ok(wanted) => wanted.clone(),
        Err(error) => return failed(format!("there is no picture to compare with: {error}"), Vec::new()),
    };
    if (shown.width, shown.height) != (wanted.width, wanted.height) {
        let found = format!(
            "it shows {} x {} pixels, the file has {} x {}",
            shown.width, shown.height, wanted.width, wanted.height
        );
        return failed(found, vec![(format!("{name}.expected.png"), wanted)]);
    }
    let (difference, count) = shown.difference(&wanted, step.tolerance);
    if count <= step.differing {
        return Ok(());
    }
    let found = format!("{count} of {} pixels differ", shown.width * shown.height);
    failed(
        found,
        vec![(format!("{name}.expected.png"), wanted), (format!("{name}.difference.png"), difference)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_marked_and_counted() {
        let image = |rgb: &[u8]| Image { width: 2, height: 1, rgb: rgb.to_vec() };
        let (own, other) = (image(&[100, 100, 100, 0, 0, 0]), image(&[103, 100, 100, 0, 9, 0]));
        assert_eq!(own.difference(&other, 9).1, 0);
        let (marked, count) = own.difference(&other, 8);
        assert_eq!((count, marked.rgb), (1, vec![25, 25, 25, 255, 0, 0]));
        assert_eq!(own.difference(&other, 2).1, 2);
    }
}
