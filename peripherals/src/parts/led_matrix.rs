//! A matrix of LEDs, lit where a row pin is high and a column pin low, seen as an image.

use consort_core::Time;
use consort_core::component::{Component, Cx, Form, Model, Part, Picture};
use consort_core::trace::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the LEDs are wired.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedMatrixConfig {
    /// LEDs in a line of the image, default 5.
    #[serde(default = "five")]
    pub width: u8,
    /// Row and column pin of each LED, line after line; empty: row = line, column = place in it, 5 lines.
    #[serde(default)]
    pub map: Vec<[u8; 2]>,
    /// How long the eye collects light, default 100 ms.
    #[serde(default = "persistence")]
    pub persistence: Time,
}

fn five() -> u8 {
    5
}

fn persistence() -> Time {
    Time::from_ms(100)
}

const ROWS: usize = 10;
const COLUMNS: usize = 10;

/// The matrix: pins `row0` to `row9`, `col0` to `col9`.
///
/// A LED's brightness is the part of its row's time in which its column was low too, so multiplexing and
/// grey scales by time are seen as the eye sees them. A changed image is told in the log as lines of digits
/// from 0 (dark) to 9 (bright), `00900:09990:...`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LedMatrix {
    config: LedMatrixConfig,
    rows: u16,
    columns: u16,
    /// When the light was last counted.
    counted: Time,
    row_time: [u64; ROWS],
    lit: [[u64; COLUMNS]; ROWS],
    changed: bool,
    frame_end: Option<Time>,
    image: String,
    /// How often the image changed.
    images: u64,
}

impl LedMatrix {
    fn count(&mut self, now: Time) {
        let span = now.since(self.counted).as_ps();
        self.counted = now;
        for row in (0..ROWS).filter(|row| self.rows >> row & 1 != 0) {
            self.row_time[row] += span;
            for column in (0..COLUMNS).filter(|column| self.columns >> column & 1 == 0) {
                self.lit[row][column] += span;
            }
        }
    }

    fn frame(&self) -> String {
        let width = usize::from(self.config.width.clamp(1, 10));
        // A row on for less than a hundredth of the frame is not seen.
        let least = self.config.persistence.as_ps() / 100;
        let mut image = String::new();
        for (index, [row, column]) in self.config.map.iter().enumerate() {
            if index > 0 && index % width == 0 {
                image.push(':');
            }
            let (row, column) = (usize::from(*row).min(ROWS - 1), usize::from(*column).min(COLUMNS - 1));
            let (lit, total) = (self.lit[row][column], self.row_time[row]);
            let level = if total <= least {
                0
            } else {
                (u128::from(lit) * 9 + u128::from(total) / 2) / u128::from(total)
            };
            image.push(char::from(b'0' + (level.min(9) as u8)));
        }
        image
    }
}

impl Model for LedMatrix {
    const KIND: &'static str = "led-matrix";
    const DOC: &'static str = "A matrix of LEDs on row and column pins; the image goes to the log.";
    type Config = LedMatrixConfig;
    fn new(mut config: LedMatrixConfig) -> Self {
        if config.map.is_empty() {
            config.map = (0..5).flat_map(|row| (0..config.width).map(move |column| [row, column])).collect();
        }
        config.map.truncate(ROWS * COLUMNS);
        config.persistence = config.persistence.max(Time::from_us(100));
        Self {
            config,
            rows: 0,
            columns: 0,
            counted: Time::ZERO,
            row_time: [0; ROWS],
            lit: [[0; COLUMNS]; ROWS],
            changed: false,
            frame_end: None,
            image: String::new(),
            images: 0,
        }
    }
}

impl Component for LedMatrix {
    fn pins(&self) -> &'static [&'static str] {
        &[
            "row0", "row1", "row2", "row3", "row4", "row5", "row6", "row7", "row8", "row9", "col0", "col1",
            "col2", "col3", "col4", "col5", "col6", "col7", "col8", "col9",
        ]
    }

    fn reset(&mut self, cx: &mut Cx<'_>) {
        if let Some(end) = self.frame_end {
            cx.wake_at(end);
        }
    }

    fn input(&mut self, pin: u16, level: bool, cx: &mut Cx<'_>) {
        self.count(cx.now());
        let (word, bit) =
            if pin < 10 { (&mut self.rows, 1 << pin) } else { (&mut self.columns, 1 << ((pin - 10) & 15)) };
        *word = if level { *word | bit } else { *word & !bit };
        self.changed = true;
        if self.frame_end.is_none() {
            (self.row_time, self.lit) = Default::default();
            self.frame_end = Some(cx.now() + self.config.persistence);
        }
        if let Some(end) = self.frame_end {
            cx.wake_at(end);
        }
    }

    fn shows(&self) -> Option<u64> {
        Some(self.images)
    }

    fn picture(&self) -> Option<Picture> {
        let width = u16::from(self.config.width.clamp(1, 10));
        let lamps = self.config.map.len() as u16;
        let height = lamps.div_ceil(width);
        let mut rgb = Vec::with_capacity(usize::from(width * height) * 3);
        let levels = self.image.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0');
        for level in levels.chain(std::iter::repeat(0)).take(usize::from(width * height)) {
            let light = u16::from(level) * 255 / 9;
            rgb.extend([light as u8, (light / 8) as u8, (light / 16) as u8]);
        }
        Some(Picture { width, height, form: Form::Lamps, backlight: 255, rgb })
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.count(cx.now());
        let image = self.frame();
        if image != self.image {
            cx.log(Level::Info, format!("shows {image}"));
            self.image = image;
            self.images += 1;
        }
        (self.row_time, self.lit) = Default::default();
        // One more frame after the last change shows what stays.
        self.frame_end = self.changed.then(|| cx.now() + self.config.persistence);
        self.changed = false;
        if let Some(end) = self.frame_end {
            cx.wake_at(end);
        }
    }
}

impl Part for LedMatrix {}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn multiplexed_rows_are_seen_at_once() {
        let config = LedMatrixConfig {
            width: 2,
            map: vec![[0, 0], [0, 1], [1, 0], [1, 1]],
            persistence: persistence(),
        };
        let mut rig = Rig::new(LedMatrix::new(config));
        rig.input(10, true);
        rig.input(11, true);
        for _ in 0..30 {
            // Row 0 lights column 0, row 1 lights column 1 for half of its time.
            rig.input(10, false);
            rig.input(0, true);
            rig.run_for(Time::from_ms(6));
            rig.input(0, false);
            rig.input(10, true);
            rig.input(11, false);
            rig.input(1, true);
            rig.run_for(Time::from_ms(3));
            rig.input(11, true);
            rig.run_for(Time::from_ms(3));
            rig.input(1, false);
        }
        assert!(rig.log.iter().any(|(_, text)| text == "shows 90:05"), "{:?}", rig.log);
        rig.run_for(Time::from_secs(1));
        assert_eq!(rig.log.last().unwrap().1, "shows 00:00");
        assert_eq!(rig.wake, Time::MAX);
        let picture = rig.component.picture().unwrap();
        assert_eq!((picture.width, picture.height, picture.rgb), (2, 2, vec![0; 12]));
        assert!(rig.component.shows() > Some(1));
    }
}
