//! Hynitron CST816S: a touch controller for one finger, with gestures.
//!
//! Data sheet CST816S V1.3 (4.5 low-power modes) and the register description AN-CST816S.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Model, Part, ResetCause, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bytes;
use super::i2c::Pointer;

const ADDRESS: u8 = 0x15;

const GESTURE_ID: u8 = 0x01;
const FINGER_NUM: u8 = 0x02;
const XPOS_H: u8 = 0x03;
const CHIP_ID: u8 = 0xA7;
const FW_VERSION: u8 = 0xA9;
const SLEEP_MODE: u8 = 0xA5;
const MOTION_MASK: u8 = 0xEC;
const IRQ_PULSE_WIDTH: u8 = 0xED;
const NOR_SCAN_PER: u8 = 0xEE;
const AUTO_SLEEP_TIME: u8 = 0xF9;
const IRQ_CTL: u8 = 0xFA;
const DIS_AUTO_SLEEP: u8 = 0xFE;

/// IRQ_CTL: a pulse at every report of a touch, at its beginning and end, at a gesture.
const EN_TOUCH: u8 = 0x40;
const EN_CHANGE: u8 = 0x20;
const EN_MOTION: u8 = 0x10;
/// MOTION_MASK: double clicks are told apart.
const EN_DCLICK: u8 = 0x01;

const DOWN: u8 = 0x01;
const UP: u8 = 0x02;
const LEFT: u8 = 0x03;
const RIGHT: u8 = 0x04;
const CLICK: u8 = 0x05;
const DOUBLE_CLICK: u8 = 0x0B;
const LONG_PRESS: u8 = 0x0C;

/// How far a finger moves until it slides, and how long it rests for a long press.
const SLIDE: i32 = 40;
const LONG: Time = Time::from_ms(800);
/// Between two clicks that are one double click.
const DOUBLE: Time = Time::from_ms(400);

/// The panel.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cst816sConfig {
    /// Pixels in a line, default 240.
    #[serde(default = "pixels")]
    pub width: u16,
    /// Lines, default 240.
    #[serde(default = "pixels")]
    pub height: u16,
}

fn pixels() -> u16 {
    240
}

/// 4.5 of the data sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Mode {
    /// Scans and answers.
    Dynamic,
    /// Scans slowly, does not answer; a touch wakes it.
    Standby,
    /// Neither; only the reset pin wakes it.
    Sleep,
    /// The reset pin is low.
    Reset,
}

/// The controller; line `irq` (low pulses), pin `reset` (active low), channel `touch`.
///
/// Gesture codes are those of a panel whose connector is at its lower edge: sliding down is 1, up 2.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cst816s {
    config: Cst816sConfig,
    mode: Mode,
    #[serde(with = "bytes")]
    registers: Vec<u8>,
    pointer: Pointer,
    /// Where the finger is, where and when it came down.
    finger: Option<[u16; 2]>,
    came: ([u16; 2], Time),
    /// The gesture of this touch is known already.
    recognised: bool,
    clicked: Option<Time>,
    /// Ends of the present pulse, of the pause before the next report, and of dynamic mode.
    pulse: Time,
    report: Time,
    doze: Time,
}

impl Cst816s {
    fn register(&self, register: u8) -> u8 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn set_register(&mut self, register: u8, value: u8) {
        if let Some(stored) = self.registers.get_mut(usize::from(register)) {
            *stored = value;
        }
    }

    fn power_up(&mut self, now: Time) {
        self.registers = vec![0; 256];
        for (register, value) in [
            (CHIP_ID, 0xB4),
            (FW_VERSION, 1),
            (IRQ_PULSE_WIDTH, 10),
            (NOR_SCAN_PER, 1),
            (AUTO_SLEEP_TIME, 2),
            (IRQ_CTL, EN_TOUCH | EN_CHANGE | EN_MOTION),
        ] {
            self.set_register(register, value);
        }
        self.mode = Mode::Dynamic;
        (self.clicked, self.pulse, self.report) = (None, Time::MAX, Time::MAX);
        self.stay_awake(now);
    }

    fn stay_awake(&mut self, now: Time) {
        let seconds = u64::from(self.register(AUTO_SLEEP_TIME)).max(1);
        self.doze = if self.register(DIS_AUTO_SLEEP) == 0 && self.finger.is_none() {
            now + Time::from_secs(seconds)
        } else {
            Time::MAX
        };
    }

    fn scan(&self) -> Time {
        Time::from_ms(10 * u64::from(self.register(NOR_SCAN_PER)).clamp(1, 30))
    }

    fn store_place(&mut self, [x, y]: [u16; 2]) {
        for (offset, value) in (0..).zip([(x >> 8) as u8 & 15, x as u8, (y >> 8) as u8 & 15, y as u8]) {
            self.set_register(XPOS_H + offset, value);
        }
    }

    fn interrupt(&mut self, why: u8, cx: &mut Cx<'_>) {
        if self.register(IRQ_CTL) & why != 0 {
            cx.drive(0, false);
            // In steps of 100 us.
            let width = u64::from(self.register(IRQ_PULSE_WIDTH)).clamp(1, 200);
            self.pulse = cx.now() + Time::from_us(100 * width);
        }
    }

    /// The finger comes, moves or goes.
    fn touch(&mut self, finger: Option<[u16; 2]>, cx: &mut Cx<'_>) {
        let (before, now) = (std::mem::replace(&mut self.finger, finger), cx.now());
        if before.is_none()
            && let Some(place) = finger
        {
            (self.came, self.recognised) = ((place, now), false);
        }
        if matches!(self.mode, Mode::Sleep | Mode::Reset) {
            return;
        }
        self.mode = Mode::Dynamic;
        match (before, finger) {
            (None, Some(place)) => {
                self.set_register(GESTURE_ID, 0);
                self.set_register(FINGER_NUM, 1);
                self.store_place(place);
                self.report = now + self.scan();
                self.interrupt(EN_TOUCH | EN_CHANGE, cx);
            }
            (Some(_), None) => self.lifted(cx),
            _ => {} // A moved finger is seen at the next scan.
        }
        self.stay_awake(now);
    }

    fn lifted(&mut self, cx: &mut Cx<'_>) {
        self.set_register(FINGER_NUM, 0);
        self.report = Time::MAX;
        let mut why = EN_CHANGE;
        if !self.recognised {
            let doubles = self.register(MOTION_MASK) & EN_DCLICK != 0;
            let second = self.clicked.is_some_and(|at| cx.now().since(at) <= DOUBLE);
            let gesture = if doubles && second { DOUBLE_CLICK } else { CLICK };
            self.clicked = (gesture == CLICK).then(|| cx.now());
            self.set_register(GESTURE_ID, gesture);
            why |= EN_MOTION;
        }
        self.interrupt(why, cx);
    }

    /// A scan while the finger is down.
    fn scanned(&mut self, cx: &mut Cx<'_>) {
        let Some(place) = self.finger else {
            self.report = Time::MAX;
            return;
        };
        self.report = cx.now() + self.scan();
        self.store_place(place);
        let mut why = EN_TOUCH;
        if !self.recognised {
            let ([x, y], since) = self.came;
            let (dx, dy) = (i32::from(place[0]) - i32::from(x), i32::from(place[1]) - i32::from(y));
            let gesture = if dx.abs().max(dy.abs()) >= SLIDE {
                match (dx.abs() > dy.abs(), dx > 0, dy > 0) {
                    (true, true, _) => RIGHT,
                    (true, false, _) => LEFT,
                    (false, _, true) => DOWN,
                    (false, _, false) => UP,
                }
            } else if cx.now().since(since) >= LONG {
                LONG_PRESS
            } else {
                0
            };
            if gesture != 0 {
                self.recognised = true;
                self.set_register(GESTURE_ID, gesture);
                why |= EN_MOTION;
            }
        }
        self.interrupt(why, cx);
    }

    fn settle(&self, cx: &mut Cx<'_>) {
        match self.pulse.min(self.report).min(self.doze) {
            Time::MAX => cx.no_wake(),
            at => cx.wake_at(at),
        }
    }
}

impl Model for Cst816s {
    const KIND: &'static str = "hynitron-cst816s";
    const DOC: &'static str = "A touch panel for one finger on I2C, with taps, slides and long presses.";
    type Config = Cst816sConfig;
    fn new(config: Cst816sConfig) -> Self {
        let mut panel = Self {
            config,
            mode: Mode::Dynamic,
            registers: Vec::new(),
            pointer: Pointer::default(),
            finger: None,
            came: ([0, 0], Time::ZERO),
            recognised: false,
            clicked: None,
            pulse: Time::MAX,
            report: Time::MAX,
            doze: Time::MAX,
        };
        panel.power_up(Time::ZERO);
        panel
    }
}

impl Component for Cst816s {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }

    fn pins(&self) -> &'static [&'static str] {
        &["reset"]
    }

    fn channels(&self) -> Vec<Channel> {
        vec![Channel::touch("touch", "a finger on the panel", self.config.width, self.config.height)]
    }

    /// The chip that drives the pins was reset; the panel keeps power.
    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.pulse = Time::MAX;
        cx.drive(0, true);
        self.settle(cx);
    }

    fn restart(&mut self, cause: ResetCause, cx: &mut Cx<'_>) {
        if cause == ResetCause::PowerOn {
            self.power_up(cx.now());
        }
        self.reset(cx);
    }

    fn input(&mut self, _: u16, level: bool, cx: &mut Cx<'_>) {
        if level && self.mode == Mode::Reset {
            self.power_up(cx.now());
        } else if !level {
            self.mode = Mode::Reset;
            (self.pulse, self.report, self.doze) = (Time::MAX, Time::MAX, Time::MAX);
            cx.drive(0, true);
        }
        self.settle(cx);
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        if self.pulse <= now {
            self.pulse = Time::MAX;
            cx.drive(0, true);
        }
        if self.report <= now {
            self.scanned(cx);
        }
        if self.doze <= now {
            self.doze = Time::MAX;
            if self.mode == Mode::Dynamic {
                self.mode = Mode::Standby;
            }
        }
        self.settle(cx);
    }

    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        let known = self.channels().into_iter().find(|known| known.name == channel);
        known.ok_or_else(|| SetError::NoChannel(channel.to_owned()))?.check(value)?;
        let place = match value {
            Value::Numbers(place) => match place[..] {
                [x, y] => Some([x as u16, y as u16]),
                _ => None,
            },
            _ => None,
        };
        self.touch(place, cx);
        self.settle(cx);
        Ok(())
    }

    fn get(&self, channel: &str) -> Option<Value> {
        let place = |[x, y]: [u16; 2]| Value::Numbers(vec![x.into(), y.into()]);
        (channel == "touch").then(|| self.finger.map_or(Value::Bool(false), place))
    }
}

impl Part for Cst816s {
    fn i2c_addresses(&self) -> &[u8] {
        &[ADDRESS]
    }

    fn i2c_start(&mut self, _: u8, read: bool, _: &mut Cx<'_>) -> bool {
        self.pointer.start(read);
        self.mode == Mode::Dynamic
    }

    fn i2c_write(&mut self, byte: u8, cx: &mut Cx<'_>) -> bool {
        let Some(register) = self.pointer.write(byte) else { return true };
        self.pointer.set(register.wrapping_add(1));
        match register {
            SLEEP_MODE => {
                // 3 is deep sleep, 1 standby.
                self.mode = match byte {
                    3 => Mode::Sleep,
                    1 => Mode::Standby,
                    _ => self.mode,
                };
                if self.mode != Mode::Dynamic {
                    (self.report, self.doze) = (Time::MAX, Time::MAX);
                }
            }
            0..=0x06 | CHIP_ID..=FW_VERSION => {}
            _ => {
                self.set_register(register, byte);
                if matches!(register, AUTO_SLEEP_TIME | DIS_AUTO_SLEEP) {
                    self.stay_awake(cx.now());
                }
            }
        }
        self.settle(cx);
        true
    }

    fn i2c_read(&mut self, _: bool, _: &mut Cx<'_>) -> u8 {
        let register = self.pointer.register();
        self.pointer.set(register.wrapping_add(1));
        self.register(register)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Cst816s> {
        let mut rig = Rig::new(Cst816s::new(serde_json::from_str("{}").unwrap()));
        write(&mut rig, MOTION_MASK, 0x05);
        rig
    }

    fn write(rig: &mut Rig<Cst816s>, register: u8, value: u8) {
        assert!(rig.with(|part, cx| part.i2c_start(ADDRESS, false, cx)));
        rig.with(|part, cx| part.i2c_write(register, cx) && part.i2c_write(value, cx));
    }

    /// Gesture, fingers, x, y.
    fn report(rig: &mut Rig<Cst816s>) -> (u8, u8, u16, u16) {
        let bytes: [u8; 6] = rig.with(|part, cx| {
            assert!(part.i2c_start(ADDRESS, false, cx));
            part.i2c_write(GESTURE_ID, cx);
            part.i2c_start(ADDRESS, true, cx);
            std::array::from_fn(|_| part.i2c_read(false, cx))
        });
        let [gesture, fingers, xh, xl, yh, yl] = bytes;
        (gesture, fingers, u16::from_be_bytes([xh, xl]), u16::from_be_bytes([yh, yl]))
    }

    fn touch(rig: &mut Rig<Cst816s>, place: Option<(f64, f64)>) {
        let value = place.map_or(Value::Bool(false), |(x, y)| Value::Numbers(vec![x, y]));
        rig.with(|part, cx| part.set("touch", &value, cx)).unwrap();
    }

    #[test]
    fn a_tap_a_second_and_a_later_one() {
        let mut rig = rig();
        let mut tap = |pause| {
            rig.run_for(Time::from_ms(pause));
            touch(&mut rig, Some((100.0, 200.0)));
            assert!(!rig.line("irq"));
            assert_eq!(report(&mut rig), (0, 1, 100, 200));
            rig.run_for(Time::from_ms(1));
            assert!(rig.line("irq"));
            rig.run_for(Time::from_ms(60));
            touch(&mut rig, None);
            report(&mut rig)
        };
        assert_eq!(tap(0), (CLICK, 0, 100, 200));
        assert_eq!(tap(100).0, DOUBLE_CLICK);
        assert_eq!(tap(100).0, CLICK);
        assert_eq!(tap(900).0, CLICK);
    }

    #[test]
    fn slides_are_told_while_the_finger_is_down() {
        for (to, gesture) in
            [((120.0, 200.0), DOWN), ((120.0, 20.0), UP), ((20.0, 120.0), LEFT), ((220.0, 130.0), RIGHT)]
        {
            let mut rig = rig();
            touch(&mut rig, Some((120.0, 120.0)));
            rig.run_for(Time::from_ms(20));
            touch(&mut rig, Some(to));
            rig.run_for(Time::from_ms(10));
            assert_eq!(report(&mut rig), (gesture, 1, to.0 as u16, to.1 as u16));
            touch(&mut rig, None);
            assert_eq!(report(&mut rig), (gesture, 0, to.0 as u16, to.1 as u16));
        }
    }

    #[test]
    fn a_finger_that_stays_is_a_long_press() {
        let mut rig = rig();
        touch(&mut rig, Some((1.0, 1.0)));
        rig.run_for(Time::from_ms(790));
        assert_eq!(report(&mut rig).0, 0);
        rig.run_for(Time::from_ms(10));
        assert_eq!(report(&mut rig), (LONG_PRESS, 1, 1, 1));
    }

    #[test]
    fn it_dozes_off_and_sleeps() {
        let mut rig = rig();
        rig.run_for(Time::from_secs(3));
        assert!(!rig.with(|part, cx| part.i2c_start(ADDRESS, true, cx)), "standby");
        touch(&mut rig, Some((5.0, 6.0)));
        assert_eq!(report(&mut rig), (0, 1, 5, 6));
        touch(&mut rig, None);
        write(&mut rig, SLEEP_MODE, 3);
        rig.run_for(Time::from_ms(50));
        touch(&mut rig, Some((5.0, 6.0)));
        assert!(rig.line("irq"));
        assert!(!rig.with(|part, cx| part.i2c_start(ADDRESS, true, cx)), "deep sleep");
        touch(&mut rig, None);
        rig.input(0, false);
        rig.input(0, true);
        assert!(rig.with(|part, cx| part.i2c_start(ADDRESS, true, cx)));
        assert_eq!(rig.component.register(CHIP_ID), 0xB4);
    }

    /// Interrupts that a finger makes that comes, rests for 100 ms and goes.
    fn pulses(rig: &mut Rig<Cst816s>) -> usize {
        let mut count = 0;
        let mut before = rig.line("irq");
        let mut look = |rig: &mut Rig<Cst816s>, ms: u64| {
            for _ in 0..ms * 10 {
                count += usize::from(before && !rig.line("irq"));
                before = rig.line("irq");
                rig.run_for(Time::from_us(100));
            }
        };
        touch(rig, Some((9.0, 9.0)));
        look(rig, 96);
        touch(rig, None);
        look(rig, 50);
        count
    }

    #[test]
    fn interrupts_come_for_what_they_were_asked() {
        // Every 10 ms while it is down and when it comes, at both ends, at the gesture (the tap).
        for (control, expected) in [(EN_TOUCH, 10), (EN_CHANGE, 2), (EN_MOTION, 1), (0, 0), (0x70, 11)] {
            let mut rig = rig();
            write(&mut rig, IRQ_CTL, control);
            assert_eq!(pulses(&mut rig), expected, "{control:#x}");
        }
        let mut rig = rig();
        write(&mut rig, IRQ_CTL, EN_TOUCH);
        write(&mut rig, NOR_SCAN_PER, 5);
        assert_eq!(pulses(&mut rig), 2, "every 50 ms");
    }

    #[test]
    fn a_pulse_is_as_wide_as_asked() {
        let mut rig = rig();
        write(&mut rig, IRQ_PULSE_WIDTH, 30);
        touch(&mut rig, Some((9.0, 9.0)));
        rig.run_for(Time::from_us(2_999));
        assert!(!rig.line("irq"));
        rig.run_for(Time::from_us(1));
        assert!(rig.line("irq"));
    }

    #[test]
    fn without_double_clicks_there_are_two_clicks() {
        let mut rig = rig();
        write(&mut rig, MOTION_MASK, 0);
        for _ in 0..2 {
            touch(&mut rig, Some((9.0, 9.0)));
            rig.run_for(Time::from_ms(50));
            touch(&mut rig, None);
            assert_eq!(report(&mut rig).0, CLICK);
            rig.run_for(Time::from_ms(100));
        }
    }

    #[test]
    fn it_dozes_when_it_was_told_to_and_not_otherwise() {
        let answers = |rig: &mut Rig<Cst816s>| rig.with(|part, cx| part.i2c_start(ADDRESS, true, cx));
        let mut rig = rig();
        write(&mut rig, AUTO_SLEEP_TIME, 5);
        rig.run_for(Time::from_ms(4_999));
        assert!(answers(&mut rig));
        rig.run_for(Time::from_ms(1));
        assert!(!answers(&mut rig));
        touch(&mut rig, Some((9.0, 9.0)));
        write(&mut rig, DIS_AUTO_SLEEP, 1);
        touch(&mut rig, None);
        rig.run_for(Time::from_secs(100));
        assert!(answers(&mut rig));
        write(&mut rig, SLEEP_MODE, 1);
        assert!(!answers(&mut rig), "standby");
    }

    #[test]
    fn a_reset_forgets_settings_and_the_finger_counts_again_when_it_comes_again() {
        let mut rig = rig();
        write(&mut rig, IRQ_CTL, EN_MOTION);
        touch(&mut rig, Some((9.0, 9.0)));
        rig.input(0, false);
        assert!(!rig.with(|part, cx| part.i2c_start(ADDRESS, true, cx)) && rig.line("irq"));
        rig.run_for(Time::from_ms(5));
        rig.input(0, true);
        assert_eq!(report(&mut rig), (0, 0, 0, 0));
        assert_eq!(rig.component.register(IRQ_CTL), EN_TOUCH | EN_CHANGE | EN_MOTION);
        touch(&mut rig, None);
        touch(&mut rig, Some((8.0, 7.0)));
        assert_eq!(report(&mut rig), (0, 1, 8, 7));
    }
}
