//! Sitronix ST7789: a controller of a 240 x 320 colour screen, on a serial bus with a D/C pin.
//!
//! Data sheet ST7789V, version 1.6: 8.4 (4-line serial interface), 8.8 (data format), 8.12 (address control),
//! 9.1 (commands).

use consort_core::component::{Component, Cx, Form, Model, Part, Picture, ResetCause};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backlight::Backlight;
use super::bytes;

/// Columns and lines of the frame memory.
const COLUMNS: usize = 240;
const LINES: usize = 320;

const SWRESET: u8 = 0x01;
const SLPIN: u8 = 0x10;
const SLPOUT: u8 = 0x11;
const PTLON: u8 = 0x12;
const NORON: u8 = 0x13;
const INVOFF: u8 = 0x20;
const INVON: u8 = 0x21;
const DISPOFF: u8 = 0x28;
const DISPON: u8 = 0x29;
const CASET: u8 = 0x2A;
const RASET: u8 = 0x2B;
const RAMWR: u8 = 0x2C;
const PTLAR: u8 = 0x30;
const VSCRDEF: u8 = 0x33;
const MADCTL: u8 = 0x36;
const VSCRSADD: u8 = 0x37;
const IDMOFF: u8 = 0x38;
const IDMON: u8 = 0x39;
const COLMOD: u8 = 0x3A;
const WRMEMC: u8 = 0x3C;

/// MADCTL: line order, column order, exchange of both, BGR.
const MY: u8 = 0x80;
const MX: u8 = 0x40;
const MV: u8 = 0x20;
const BGR: u8 = 0x08;

/// The panel behind the controller.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct St7789Config {
    /// Pixels in a line that the panel has, default 240.
    #[serde(default = "columns")]
    pub width: u16,
    /// Lines that the panel has, default 240.
    #[serde(default = "columns")]
    pub height: u16,
    /// Whether the panel is dark where no voltage is (IPS): firmware then switches inversion on to see true
    /// colours. Default true.
    #[serde(default = "yes")]
    pub normally_black: bool,
    /// How many pins switch the backlight (`backlight0` ..., lit while low), default 0: it is always on.
    #[serde(default)]
    pub backlights: u8,
}

fn columns() -> u16 {
    240
}

fn yes() -> bool {
    true
}

/// The screen; pins `csn`, `dc` (data while high), `reset` (active low), `backlight0` to `backlight2`.
///
/// Gamma, voltages, porches and frame rates are taken and have no effect; nothing can be read (MISO is not
/// connected in a 4-line serial bus of this kind).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct St7789 {
    config: St7789Config,
    selected: bool,
    data: bool,
    in_reset: bool,
    sleeping: bool,
    on: bool,
    inverted: bool,
    idle: bool,
    partial: bool,
    /// First and last line that partial mode shows.
    partial_area: (u16, u16),
    madctl: u8,
    colmod: u8,
    columns: (u16, u16),
    lines: (u16, u16),
    /// Top fixed lines, lines that scroll, and the first of them that is shown.
    scroll: (u16, u16, u16),
    /// The command whose parameters come, those that came, and the place of the next pixel.
    command: u8,
    parameters: Vec<u8>,
    at: (u16, u16),
    /// Red, green and blue of each pixel.
    #[serde(with = "bytes")]
    memory: Vec<u8>,
    light: Backlight,
    changes: u64,
}

impl St7789 {
    /// 9.1.2: what the reset pin and SWRESET set; the frame memory stays.
    fn defaults(&mut self) {
        (self.sleeping, self.on, self.inverted, self.idle) = (true, false, false, false);
        (self.partial, self.partial_area) = (false, (0, LINES as u16 - 1));
        (self.madctl, self.colmod) = (0, 0x66);
        (self.columns, self.lines) = ((0, COLUMNS as u16 - 1), (0, LINES as u16 - 1));
        self.scroll = (0, LINES as u16, 0);
        (self.command, self.at) = (0, (0, 0));
        self.parameters.clear();
        self.changes += 1;
    }

    fn begin(&mut self, command: u8) {
        self.command = command;
        self.parameters.clear();
        match command {
            SWRESET => self.defaults(),
            SLPIN | SLPOUT => self.sleeping = command == SLPIN,
            // 9.1.14, 9.1.15: both end scrolling.
            PTLON | NORON => {
                self.partial = command == PTLON;
                self.scroll = (0, LINES as u16, 0);
            }
            INVOFF | INVON => self.inverted = command == INVON,
            DISPOFF | DISPON => self.on = command == DISPON,
            IDMOFF | IDMON => self.idle = command == IDMON,
            RAMWR => self.at = (self.columns.0, self.lines.0),
            _ => return,
        }
        if command != RAMWR {
            self.changes += 1;
        }
    }

    /// A parameter of the present command (not a pixel).
    fn parameter(&mut self, byte: u8) {
        if self.parameters.len() >= 6 {
            return;
        }
        self.parameters.push(byte);
        let word = |index: usize| {
            let byte = |at: usize| u16::from(self.parameters.get(at).copied().unwrap_or(0));
            byte(index * 2) << 8 | byte(index * 2 + 1)
        };
        match (self.command, self.parameters.len()) {
            (CASET, 4) => self.columns = (word(0), word(1)),
            (RASET, 4) => self.lines = (word(0), word(1)),
            (PTLAR, 4) => {
                self.partial_area = (word(0), word(1));
                self.changes += 1;
            }
            (VSCRDEF, 6) => self.scroll = (word(0), word(1), self.scroll.2),
            (VSCRSADD, 2) => {
                self.scroll.2 = word(0);
                self.changes += 1;
            }
            (MADCTL, 1) => {
                self.madctl = byte;
                self.changes += 1;
            }
            (COLMOD, 1) => self.colmod = byte,
            _ => {}
        }
    }

    /// 8.12: the pixel goes where MADCTL maps the present column and line; then on to the next.
    fn pixel(&mut self, rgb: [u8; 3]) {
        let (column, line) = self.at;
        if column >= self.columns.1 {
            self.at.0 = self.columns.0;
            self.at.1 = if line >= self.lines.1 { self.lines.0 } else { line + 1 };
        } else {
            self.at.0 = column + 1;
        }
        let (x, y) = if self.madctl & MV != 0 { (line, column) } else { (column, line) };
        let (mut x, mut y) = (usize::from(x), usize::from(y));
        if x >= COLUMNS || y >= LINES {
            return;
        }
        if self.madctl & MX != 0 {
            x = COLUMNS - 1 - x;
        }
        if self.madctl & MY != 0 {
            y = LINES - 1 - y;
        }
        let place = (y * COLUMNS + x) * 3;
        if let Some(pixel) = self.memory.get_mut(place..place + 3) {
            pixel.copy_from_slice(&rgb);
        }
    }

    /// 8.8.41 to 8.8.43: pixels of 12, 16 and 18 bits; a pixel may be cut between two transfers.
    fn pixels(&mut self, data: &[u8]) {
        let wide = |value: u8, bits: u32| {
            let value = u32::from(value) & ((1 << bits) - 1);
            (value * 255 / ((1 << bits) - 1)) as u8
        };
        self.changes += 1;
        let mut rest = data;
        let carried = std::mem::take(&mut self.parameters);
        let joined;
        if !carried.is_empty() {
            joined = [&carried[..], data].concat();
            rest = &joined;
        }
        match self.colmod & 7 {
            5 => {
                let mut chunks = rest.chunks_exact(2);
                for chunk in chunks.by_ref() {
                    if let [high, low] = *chunk {
                        let green = (high & 7) << 3 | low >> 5;
                        self.pixel([wide(high >> 3, 5), wide(green, 6), wide(low, 5)]);
                    }
                }
                self.parameters = chunks.remainder().to_vec();
            }
            3 => {
                let mut chunks = rest.chunks_exact(3);
                for chunk in chunks.by_ref() {
                    if let [a, b, c] = *chunk {
                        self.pixel([wide(a >> 4, 4), wide(a, 4), wide(b >> 4, 4)]);
                        self.pixel([wide(b, 4), wide(c >> 4, 4), wide(c, 4)]);
                    }
                }
                self.parameters = chunks.remainder().to_vec();
            }
            _ => {
                let mut chunks = rest.chunks_exact(3);
                for chunk in chunks.by_ref() {
                    if let [red, green, blue] = *chunk {
                        self.pixel([wide(red >> 2, 6), wide(green >> 2, 6), wide(blue >> 2, 6)]);
                    }
                }
                self.parameters = chunks.remainder().to_vec();
            }
        }
    }

    /// The last pixel of an odd number of 12-bit pixels comes in two bytes.
    fn end_of_transfer(&mut self) {
        if matches!(self.command, RAMWR | WRMEMC)
            && self.colmod & 7 == 3
            && let [a, b] = self.parameters[..]
        {
            self.pixel([a >> 4, a & 15, b >> 4].map(|value| value * 17));
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.in_reset {
            return;
        }
        match (self.data, self.command) {
            (false, _) => bytes.iter().for_each(|command| self.begin(*command)),
            (true, RAMWR | WRMEMC) => self.pixels(bytes),
            (true, _) => bytes.iter().for_each(|byte| self.parameter(*byte)),
        }
    }

    /// 9.1.28: whether line `y` of the panel shows something. An area that ends before it starts goes round.
    fn visible(&self, y: u16) -> bool {
        let (first, last) = self.partial_area;
        let (from, to) = (y >= first, y <= last);
        !self.partial || if first <= last { from && to } else { from || to }
    }

    /// 9.1.31, 9.1.33: the line of the frame memory that is shown in line `y` of the panel.
    fn shown(&self, y: u16) -> u16 {
        let (top, area, start) = self.scroll;
        if y < top || y >= top.saturating_add(area) {
            return y;
        }
        let offset = u32::from(start.saturating_sub(top)) + u32::from(y - top);
        top + (offset % u32::from(area.max(1))) as u16
    }

    fn light(&self) -> u8 {
        match self.config.backlights.min(3) {
            0 => 255,
            count => self.light.level(count.into()),
        }
    }

    fn watch_light(&self, cx: &mut Cx<'_>) {
        match self.light.deadline() {
            consort_core::Time::MAX => cx.no_wake(),
            at => cx.wake_at(at),
        }
    }
}

impl Model for St7789 {
    const KIND: &'static str = "sitronix-st7789";
    const DOC: &'static str = "A colour screen of up to 240 x 320 pixels on SPI, with its backlight.";
    type Config = St7789Config;
    fn new(config: St7789Config) -> Self {
        let mut screen = Self {
            config,
            selected: false,
            data: false,
            in_reset: false,
            sleeping: true,
            on: false,
            inverted: false,
            idle: false,
            partial: false,
            partial_area: (0, 0),
            madctl: 0,
            colmod: 0,
            columns: (0, 0),
            lines: (0, 0),
            scroll: (0, 0, 0),
            command: 0,
            parameters: Vec::new(),
            at: (0, 0),
            memory: vec![0; COLUMNS * LINES * 3],
            light: Backlight::default(),
            changes: 0,
        };
        screen.defaults();
        screen
    }
}

impl Component for St7789 {
    fn pins(&self) -> &'static [&'static str] {
        &["csn", "dc", "reset", "backlight0", "backlight1", "backlight2"]
    }

    /// The chip that drives the pins was reset; the screen goes on showing what it shows.
    fn reset(&mut self, cx: &mut Cx<'_>) {
        (self.selected, self.data, self.in_reset) = (false, false, false);
        self.watch_light(cx);
    }

    fn restart(&mut self, cause: ResetCause, cx: &mut Cx<'_>) {
        if cause == ResetCause::PowerOn {
            self.defaults();
            self.memory.fill(0);
        }
        self.reset(cx);
    }

    fn input(&mut self, pin: u16, level: bool, cx: &mut Cx<'_>) {
        match pin {
            0 => {
                if self.selected && level {
                    self.end_of_transfer();
                }
                self.selected = !level;
            }
            1 => self.data = level,
            2 => {
                self.in_reset = !level;
                if self.in_reset {
                    self.defaults();
                }
            }
            lamp => {
                let before = self.light();
                self.light.switch(usize::from(lamp) - 3, !level, cx.now());
                self.changes += u64::from(self.light() != before);
                self.watch_light(cx);
            }
        }
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        let before = self.light();
        self.light.settle(cx.now());
        self.changes += u64::from(self.light() != before);
        self.watch_light(cx);
    }

    fn shows(&self) -> Option<u64> {
        Some(self.changes)
    }

    fn picture(&self) -> Option<Picture> {
        let (width, height) =
            (self.config.width.clamp(1, COLUMNS as u16), self.config.height.clamp(1, LINES as u16));
        let mut rgb = vec![0; usize::from(width) * usize::from(height) * 3];
        // 9.1.12: asleep or off, the panel gets no picture.
        if !self.sleeping && self.on {
            let inverted = self.inverted != self.config.normally_black;
            for (y, line) in (0_u16..).zip(rgb.chunks_exact_mut(usize::from(width) * 3)) {
                if !self.visible(y) {
                    continue;
                }
                let start = usize::from(self.shown(y)) * COLUMNS * 3;
                let Some(stored) = self.memory.get(start..start + line.len()) else { continue };
                line.copy_from_slice(stored);
                if inverted {
                    line.iter_mut().for_each(|value| *value = !*value);
                }
                if self.idle {
                    // 9.1.34: eight colours, from the highest bits.
                    line.iter_mut().for_each(|value| *value = if *value & 0x80 != 0 { 255 } else { 0 });
                }
                if self.madctl & BGR != 0 {
                    line.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
                }
            }
        }
        Some(Picture { width, height, form: Form::Pixels, backlight: self.light(), rgb })
    }
}

impl Part for St7789 {
    fn spi(&mut self, mosi: u32, _: u8, _: &mut Cx<'_>) -> Option<u32> {
        self.selected.then(|| {
            self.take(&[mosi as u8]);
            u32::MAX
        })
    }

    fn spi_bytes(&mut self, bytes: &mut [u8], _: &mut Cx<'_>) -> bool {
        if self.selected {
            self.take(bytes);
            bytes.fill(0xFF);
        }
        self.selected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::Time;
    use consort_core::testing::Rig;

    fn rig(config: &str) -> Rig<St7789> {
        let mut rig = Rig::new(St7789::new(serde_json::from_str(config).unwrap()));
        rig.input(2, false);
        rig.input(2, true);
        for (command, data) in [(SLPOUT, &[][..]), (COLMOD, &[0x55]), (INVON, &[]), (DISPON, &[])] {
            send(&mut rig, command, data);
        }
        rig
    }

    fn send(rig: &mut Rig<St7789>, command: u8, data: &[u8]) {
        rig.input(0, false);
        rig.input(1, false);
        assert_eq!(rig.with(|screen, cx| screen.spi(command.into(), 8, cx)), Some(u32::MAX));
        rig.input(1, true);
        let mut data = data.to_vec();
        assert!(rig.with(|screen, cx| screen.spi_bytes(&mut data, cx)));
        rig.input(0, true);
    }

    fn pixel(rig: &Rig<St7789>, x: usize, y: usize) -> [u8; 3] {
        let picture = rig.component.picture().unwrap();
        let at = (y * usize::from(picture.width) + x) * 3;
        [picture.rgb[at], picture.rgb[at + 1], picture.rgb[at + 2]]
    }

    #[test]
    fn a_window_is_filled_line_by_line_and_wraps() {
        let mut rig = rig("{}");
        send(&mut rig, CASET, &[0, 10, 0, 11]);
        send(&mut rig, RASET, &[0, 20, 0, 21]);
        let before = rig.component.shows();
        // Red, green, blue, white, and red once more over the first.
        send(&mut rig, RAMWR, &[0xF8, 0, 0x07, 0xE0, 0, 0x1F, 0xFF, 0xFF, 0xF8, 0]);
        assert_ne!(rig.component.shows(), before);
        assert_eq!(pixel(&rig, 10, 20), [255, 0, 0]);
        assert_eq!(pixel(&rig, 11, 20), [0, 255, 0]);
        assert_eq!(pixel(&rig, 10, 21), [0, 0, 255]);
        assert_eq!(pixel(&rig, 11, 21), [255, 255, 255]);
        assert_eq!(pixel(&rig, 12, 21), [0, 0, 0]);
    }

    #[test]
    fn bytes_one_by_one_are_the_same_as_a_block() {
        let (mut block, mut single) = (rig("{}"), rig("{}"));
        let data: Vec<u8> = (0..2_001).map(|index| (index * 7) as u8).collect();
        for mode in [0x53, 0x55, 0x66] {
            for rig in [&mut block, &mut single] {
                send(rig, COLMOD, &[mode]);
            }
            send(&mut block, RAMWR, &data);
            send(&mut single, RAMWR, &[]);
            single.input(0, false);
            for byte in &data {
                single.with(|screen, cx| screen.spi((*byte).into(), 8, cx));
            }
            single.input(0, true);
            assert_eq!(block.component.picture(), single.component.picture(), "{mode:#x}");
        }
    }

    #[test]
    fn madctl_turns_what_is_written() {
        let mut rig = rig("{}");
        send(&mut rig, MADCTL, &[MX | MV]);
        send(&mut rig, CASET, &[0, 5, 0, 5]);
        send(&mut rig, RASET, &[0, 7, 0, 7]);
        send(&mut rig, RAMWR, &[0xF8, 0]);
        assert_eq!(pixel(&rig, 232, 5), [255, 0, 0]);
    }

    #[test]
    fn scrolling_moves_lines_within_its_area() {
        let mut rig = rig("{}");
        send(&mut rig, CASET, &[0, 0, 0, 0]);
        send(&mut rig, RASET, &[0, 100, 0, 100]);
        send(&mut rig, RAMWR, &[0x07, 0xE0]);
        send(&mut rig, VSCRDEF, &[0, 10, 0x01, 0x2C, 0, 10]); // 10 fixed, 300 scroll, 10 fixed
        send(&mut rig, VSCRSADD, &[0, 60]);
        assert_eq!(pixel(&rig, 0, 50), [0, 255, 0]);
        send(&mut rig, VSCRSADD, &[0, 110]); // 10 lines past: the area wraps behind line 309
        assert_eq!(rig.component.shown(10 + 290), 100);
    }

    #[test]
    fn dark_when_asleep_off_or_without_backlight() {
        let mut rig = rig(r#"{ "backlights": 3 }"#);
        send(&mut rig, CASET, &[0, 0, 0, 0]);
        send(&mut rig, RAMWR, &[0xFF, 0xFF]);
        assert_eq!((pixel(&rig, 0, 0), rig.component.picture().unwrap().backlight), ([255; 3], 0));
        rig.input(3, false);
        rig.run_for(Time::from_secs(1));
        assert_eq!(rig.component.picture().unwrap().backlight, 85);
        send(&mut rig, SLPIN, &[]);
        assert_eq!(pixel(&rig, 0, 0), [0; 3]);
        send(&mut rig, SLPOUT, &[]);
        send(&mut rig, INVOFF, &[]);
        assert_eq!(pixel(&rig, 0, 0), [0; 3]);
    }

    #[test]
    fn colours_of_12_16_and_18_bits() {
        for (mode, bytes, expected) in [
            (0x53, &[0xF0, 0x8A, 0xB3, 0x12, 0x30][..], [[255, 0, 136], [170, 187, 51], [17, 34, 51]]),
            (0x55, &[0xF8, 0x11, 0x04, 0x00, 0xFF, 0xFF], [[255, 0, 139], [0, 129, 0], [255, 255, 255]]),
            (0x66, &[0xFC, 0, 0x80, 0, 0x7C, 0, 4, 8, 0xFF], [[255, 0, 129], [0, 125, 0], [4, 8, 255]]),
        ] {
            let mut rig = rig("{}");
            send(&mut rig, COLMOD, &[mode]);
            send(&mut rig, RAMWR, bytes);
            assert_eq!([0, 1, 2].map(|x| pixel(&rig, x, 0)), expected, "{mode:#x}");
            assert_eq!(pixel(&rig, 3, 0), [0; 3]);
        }
    }

    #[test]
    fn writing_goes_on_where_it_stopped() {
        let mut rig = rig("{}");
        send(&mut rig, CASET, &[0, 4, 0, 5]);
        send(&mut rig, RAMWR, &[0xF8, 0]);
        send(&mut rig, WRMEMC, &[0x07, 0xE0, 0, 0x1F]);
        assert_eq!(
            [pixel(&rig, 4, 0), pixel(&rig, 5, 0), pixel(&rig, 4, 1)],
            [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
        );
        send(&mut rig, RAMWR, &[0xFF, 0xFF]);
        assert_eq!(pixel(&rig, 4, 0), [255; 3], "begins anew");
    }

    #[test]
    fn partial_mode_shows_some_lines() {
        let mut rig = rig("{}");
        send(&mut rig, CASET, &[0, 0, 0, 0]);
        send(&mut rig, RAMWR, &[0xFF; 640]);
        send(&mut rig, PTLAR, &[0, 10, 0, 20]);
        assert_eq!(pixel(&rig, 0, 9), [255; 3], "not yet");
        send(&mut rig, PTLON, &[]);
        assert_eq!([9, 10, 20, 21].map(|y| pixel(&rig, 0, y)[0]), [0, 255, 255, 0]);
        send(&mut rig, PTLAR, &[0, 200, 0, 20]);
        assert_eq!([20, 21, 199, 200].map(|y| pixel(&rig, 0, y)[0]), [255, 0, 0, 255], "round the end");
        send(&mut rig, NORON, &[]);
        assert_eq!(pixel(&rig, 0, 100), [255; 3]);
    }

    #[test]
    fn idle_mode_has_eight_colours_and_madctl_exchanges_red_and_blue() {
        let mut rig = rig("{}");
        send(&mut rig, COLMOD, &[0x66]);
        send(&mut rig, RAMWR, &[0x84, 0x7C, 0xFC]);
        assert_eq!(pixel(&rig, 0, 0), [133, 125, 255]);
        send(&mut rig, MADCTL, &[BGR]);
        assert_eq!(pixel(&rig, 0, 0), [255, 125, 133]);
        send(&mut rig, IDMON, &[]);
        assert_eq!(pixel(&rig, 0, 0), [255, 0, 255]);
        send(&mut rig, IDMOFF, &[]);
        send(&mut rig, MADCTL, &[0]);
        assert_eq!(pixel(&rig, 0, 0), [133, 125, 255]);
    }

    #[test]
    fn inversion_and_the_panels_kind() {
        for (config, normal) in [("{}", 255), (r#"{ "normally_black": false }"#, 0)] {
            let mut rig = rig(config);
            assert_eq!(pixel(&rig, 0, 0)[0], 255 - normal, "inverted");
            send(&mut rig, INVOFF, &[]);
            assert_eq!(pixel(&rig, 0, 0)[0], normal);
        }
    }

    #[test]
    fn resets_set_the_registers_and_leave_the_memory() {
        for by_pin in [false, true] {
            let mut rig = rig("{}");
            send(&mut rig, MADCTL, &[MY]);
            send(&mut rig, RAMWR, &[0xF8, 0]);
            send(&mut rig, MADCTL, &[0]);
            if by_pin {
                rig.input(2, false);
                send(&mut rig, DISPON, &[]); // nobody listens
                rig.input(2, true);
            } else {
                send(&mut rig, SWRESET, &[]);
            }
            assert_eq!((rig.component.sleeping, rig.component.on, rig.component.colmod), (true, false, 0x66));
            for command in [SLPOUT, INVON, DISPON] {
                send(&mut rig, command, &[]);
            }
            send(&mut rig, VSCRSADD, &[0x01, 0x3F]); // the last line of the memory comes first
            assert_eq!(pixel(&rig, 0, 0), [255, 0, 0], "by pin: {by_pin}");
        }
    }

    #[test]
    fn not_selected_it_hears_nothing() {
        let mut rig = rig("{}");
        assert_eq!(rig.with(|screen, cx| screen.spi(DISPOFF.into(), 8, cx)), None);
        assert!(rig.component.on);
    }
}
