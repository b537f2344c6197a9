//! PWM: sequences of duty cycles played from RAM.
//!
//! nRF52832 PS v1.4, "PWM".

use consort_core::Time;
use consort_core::component::{Field, NoConfig, Register};
use serde::{Deserialize, Serialize};

use super::block::{EventInfo, Io, Logic, Spec, array, event, f, psel, short, task};
use super::dma;
use super::gpio::Signal;

const STOP: u32 = 0x004;
const SEQSTART: u32 = 0x008;
const NEXTSTEP: u32 = 0x010;
const STOPPED: u32 = 0x104;
const SEQSTARTED: u32 = 0x108;
const SEQEND: u32 = 0x110;
const PWMPERIODEND: u32 = 0x118;
const LOOPSDONE: u32 = 0x11C;
const ENABLE: u32 = 0x500;
const MODE: u32 = 0x504;
const COUNTERTOP: u32 = 0x508;
const PRESCALER: u32 = 0x50C;
const DECODER: u32 = 0x510;
const LOOP: u32 = 0x514;
const SEQ: u32 = 0x520;
const PSEL_OUT: u32 = 0x560;

const EVENTS: &[EventInfo] = &[
    event(STOPPED, "EVENTS_STOPPED", 1),
    event(PWMPERIODEND, "EVENTS_PWMPERIODEND", 6),
    event(LOOPSDONE, "EVENTS_LOOPSDONE", 7),
];
const CNT: &[Field] = &[f("CNT", 0, 15)];
const LONG: &[Field] = &[f("CNT", 0, 24)];

static SPEC: Spec = Spec::new(
    &[
        &[task(STOP, "TASKS_STOP"), task(NEXTSTEP, "TASKS_NEXTSTEP")],
        array!(wo SEQSTART, 4, "TASKS_SEQSTART[", "]"; 0 1),
    ],
    &[
        EVENTS,
        array!(event SEQSTARTED, 4, "EVENTS_SEQSTARTED[", "]", 2, 1; 0 1),
        array!(event SEQEND, 4, "EVENTS_SEQEND[", "]", 4, 1; 0 1),
    ],
    &[
        short(0, SEQEND, STOP),
        short(1, SEQEND + 4, STOP),
        short(2, LOOPSDONE, SEQSTART),
        short(3, LOOPSDONE, SEQSTART + 4),
        short(4, LOOPSDONE, STOP),
    ],
    &[
        &[
            Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 1)]),
            Register::rw(MODE, "MODE", 0).fields(&[f("UPDOWN", 0, 1)]),
            Register::rw(COUNTERTOP, "COUNTERTOP", 0x3FF).fields(&[f("COUNTERTOP", 0, 15)]),
            Register::rw(PRESCALER, "PRESCALER", 0).fields(&[f("PRESCALER", 0, 3)]),
            Register::rw(DECODER, "DECODER", 0).fields(&[f("LOAD", 0, 2), f("MODE", 8, 1)]),
            Register::rw(LOOP, "LOOP", 0).fields(&[f("CNT", 0, 16)]),
        ],
        array!(rw SEQ, 0x20, "SEQ[", "].PTR", 0; 0 1),
        array!(rw SEQ + 4, 0x20, "SEQ[", "].CNT", 0, CNT; 0 1),
        array!(rw SEQ + 8, 0x20, "SEQ[", "].REFRESH", 1, LONG; 0 1),
        array!(rw SEQ + 12, 0x20, "SEQ[", "].ENDDELAY", 0, LONG; 0 1),
        array!(rw PSEL_OUT, 4, "PSEL.OUT[", "]", u32::MAX; 0 1 2 3),
    ],
);

/// PWM. It wakes at the end of each period, and at each edge of a pad. A constant level that stays after the
/// sequence needs neither: then PWMPERIODEND comes only while its interrupt is enabled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pwm {
    playing: Option<Playing>,
    /// When the present period ends.
    next: Time,
    /// TASKS_NEXTSTEP came in this period.
    stepped: bool,
    stopping: bool,
    pins: [Option<u8>; 4],
    /// What is on the pads; it stays after the sequence's end, until STOP.
    wave: Option<Wave>,
    /// When it next changes a pad.
    edge: Time,
}

/// The waveform of one step.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Wave {
    begun: Time,
    tick: Time,
    top: u32,
    up_and_down: bool,
    /// Compare value of each channel, with the polarity in bit 15.
    compare: [u16; 4],
}

impl Wave {
    fn period(&self) -> u64 {
        u64::from(self.top) << u32::from(self.up_and_down)
    }

    /// The ticks of a period between which the counter is past the compare value.
    fn past(&self, channel: usize) -> (u64, u64) {
        let compare = u64::from(self.compare[channel] & 0x7FFF).min(u64::from(self.top));
        let end = if self.up_and_down { self.period() - compare } else { self.period() };
        (compare, end)
    }

    /// When the period ends that `now` is in.
    fn period_end(&self, now: Time) -> Time {
        let span = self.tick.as_ps().saturating_mul(self.period()).max(1);
        let periods = now.since(self.begun).as_ps() / span + 1;
        self.begun + Time::from_ps(span.saturating_mul(periods))
    }

    fn ticks(&self, now: Time) -> u64 {
        now.since(self.begun).as_ps() / self.tick.as_ps().max(1)
    }

    /// PS "PWM", Wave counter: POLARITY 0 begins low and rises at the compare, 1 the other way round.
    fn level(&self, channel: usize, now: Time) -> bool {
        let (from, to) = self.past(channel);
        let phase = self.ticks(now) % self.period().max(1);
        (from..to).contains(&phase) != (self.compare[channel] & 0x8000 != 0)
    }

    /// When the channel next changes its level.
    fn next(&self, channel: usize, now: Time) -> Time {
        let (from, to) = self.past(channel);
        let period = self.period();
        if from >= to || from == 0 && to == period {
            return Time::MAX;
        }
        let phase = self.ticks(now) % period;
        let ahead = [from, to % period].map(|at| if at > phase { at } else { at + period });
        let ticks = self.ticks(now) - phase + ahead[0].min(ahead[1]);
        self.begun + Time::from_ps(self.tick.as_ps().saturating_mul(ticks))
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Playing {
    sequence: u32,
    step: u32,
    /// Periods of the step still to come.
    periods: u32,
    loops: u32,
    /// The delay after the last step.
    ending: bool,
}

impl Pwm {
    /// Halfwords that one step takes from RAM (PS "PWM", Decoder with EasyDMA, DECODER.LOAD).
    fn width(io: &Io<'_, '_>) -> u32 {
        [1, 2, 4, 4][(io.reg(DECODER) & 3) as usize]
    }

    fn setting(sequence: u32, offset: u32, io: &Io<'_, '_>) -> u32 {
        io.reg(SEQ + sequence * 0x20 + offset)
    }

    /// Loads a step: duty cycles to the pads, and how long it lasts.
    fn load(&mut self, mut playing: Playing, io: &mut Io<'_, '_>) {
        let width = Self::width(io);
        let at = Self::setting(playing.sequence, 0, io).wrapping_add(playing.step * width * 2);
        let data = dma::read(io, at, (width * 2) as usize);
        let value = |index: u32| {
            let at = (index * 2) as usize;
            u16::from_le_bytes([data[at], data[at + 1]])
        };
        let waveform = io.reg(DECODER) & 3 == 3;
        let top = if waveform { u32::from(value(3) & 0x7FFF) } else { io.reg(COUNTERTOP) };
        let compare = std::array::from_fn(|channel| match width {
            1 => value(0),
            2 => value(channel as u32 / 2),
            // PS "PWM", Decoder with EasyDMA, WaveForm: the fourth value is COUNTERTOP, so there is no fourth
            // channel.
            _ if waveform && channel == 3 => 0x8000,
            _ => value(channel as u32),
        });
        self.wave = Some(Wave {
            begun: io.now(),
            tick: Time::from_ps(62_500 << io.reg(PRESCALER).min(7)),
            top: top.max(3),
            up_and_down: io.reg(MODE) & 1 != 0,
            compare,
        });
        self.put(io);
        self.next = self.wave.map_or(Time::MAX, |wave| wave.period_end(io.now()));
        playing.periods = Self::setting(playing.sequence, 8, io);
        self.playing = Some(playing);
    }

    fn start(&mut self, sequence: u32, loops: u32, io: &mut Io<'_, '_>) {
        (self.stopping, self.stepped) = (false, false);
        io.raise(SEQSTARTED + sequence * 4);
        self.load(Playing { sequence, step: 0, periods: 0, loops, ending: false }, io);
    }

    fn sequence_end(&mut self, playing: Playing, io: &mut Io<'_, '_>) {
        io.raise(SEQEND + playing.sequence * 4);
        let delay = Self::setting(playing.sequence, 12, io);
        if delay > 0 {
            self.playing = Some(Playing { ending: true, periods: delay - 1, ..playing });
        } else {
            self.after(playing, io);
        }
    }

    /// PS "PWM", Decoder with EasyDMA: with LOOP, sequence 0 and 1 take turns; without, the last value stays.
    fn after(&mut self, playing: Playing, io: &mut Io<'_, '_>) {
        if io.reg(LOOP) == 0 {
            return;
        }
        if playing.sequence == 0 {
            self.start(1, playing.loops, io);
        } else if playing.loops > 1 {
            self.start(0, playing.loops - 1, io);
        } else {
            io.raise(LOOPSDONE);
        }
    }

    /// Puts the waveform's present levels on the pads.
    fn put(&mut self, io: &mut Io<'_, '_>) {
        self.edge = Time::MAX;
        let Some(wave) = self.wave else { return };
        for (channel, pin) in self.pins.into_iter().enumerate() {
            let Some(pin) = pin else { continue };
            Signal::Take { pin, level: Some(wave.level(channel, io.now())) }.send(io);
            self.edge = self.edge.min(wave.next(channel, io.now()));
        }
    }

    /// After the sequence nobody needs the ends of the periods of a constant level.
    fn rest(&mut self, io: &Io<'_, '_>) {
        let told = io.inten() >> 6 & 1 != 0;
        if self.playing.is_none() && self.edge == Time::MAX && !told && !self.stopping {
            self.next = Time::MAX;
        }
    }

    fn stopped(&mut self, io: &mut Io<'_, '_>) {
        (self.playing, self.stopping, self.next) = (None, false, Time::MAX);
        self.release(io);
        io.raise(STOPPED);
    }

    /// PS "PWM", Pin configuration: without a waveform the pads are GPIO's.
    fn release(&mut self, io: &mut Io<'_, '_>) {
        self.edge = Time::MAX;
        if self.wave.take().is_some() {
            for pin in self.pins.into_iter().flatten() {
                Signal::Take { pin, level: None }.send(io);
            }
        }
    }
}

impl Logic for Pwm {
    const KIND: &'static str = "nordic-pwm";
    const DOC: &'static str = "Pulse width modulation with sequences from RAM.";
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self {
            playing: None,
            next: Time::MAX,
            stepped: false,
            stopping: false,
            pins: [None; 4],
            wave: None,
            edge: Time::MAX,
        }
    }

    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        *self = Self::new(NoConfig {});
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        if io.reg(ENABLE) == 0 {
            return;
        }
        match task {
            SEQSTART | 0x00C => self.start((task - SEQSTART) / 4, io.reg(LOOP), io),
            STOP => {
                // PS "PWM", TASKS_STOP: STOPPED at the end of the present period; at once when none is played.
                self.stopping = true;
                self.next = self.wave.map_or(io.now(), |wave| wave.period_end(io.now()));
            }
            // PS "PWM", DECODER.MODE: it does not start what does not run.
            NEXTSTEP if self.playing.is_some() => self.stepped = true,
            _ => {}
        }
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        if offset != ENABLE || value == old {
            return;
        }
        self.release(io);
        if value & 1 != 0 {
            self.pins = std::array::from_fn(|n| psel(io.reg(PSEL_OUT + n as u32 * 4)));
        } else {
            (self.playing, self.next) = (None, Time::MAX);
        }
    }

    fn deadline(&self) -> Time {
        self.next.min(self.edge)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        if self.next > io.now() {
            self.put(io);
            return;
        }
        let Some(wave) = self.wave else {
            self.next = Time::MAX;
            self.stopped(io);
            return;
        };
        io.raise(PWMPERIODEND);
        if self.stopping {
            self.stopped(io);
            return;
        }
        self.next = wave.period_end(io.now());
        self.put(io);
        let Some(playing) = self.playing.take() else {
            self.rest(io);
            return;
        };
        // PS "PWM", DECODER.MODE: the step lasts for REFRESH more periods, or until NEXTSTEP.
        let by_task = io.reg(DECODER) >> 8 & 1 != 0 && !playing.ending;
        let stepped = std::mem::take(&mut self.stepped);
        if by_task && !stepped {
            self.playing = Some(playing);
        } else if !by_task && playing.periods > 0 {
            self.playing = Some(Playing { periods: playing.periods - 1, ..playing });
        } else if playing.ending {
            self.after(playing, io);
            self.rest(io);
        } else if (playing.step + 2) * Self::width(io) <= Self::setting(playing.sequence, 4, io) {
            self.load(Playing { step: playing.step + 1, ..playing }, io);
        } else {
            self.sequence_end(playing, io);
            self.rest(io);
        }
    }

    fn interrupts_changed(&mut self, io: &mut Io<'_, '_>) {
        if let Some(wave) = self.wave.filter(|_| self.next == Time::MAX) {
            self.next = wave.period_end(io.now());
            self.rest(io);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    #[test]
    fn a_sequence_plays_and_loops() {
        let mut rig = Rig::new(Block::<Pwm>::new(NoConfig {}));
        rig.host.base = 0x2000_0000;
        rig.host.memory = vec![0x10, 0, 0x20, 0x80, 0, 0, 0, 0];
        rig.write(COUNTERTOP, 1_600); // 100 us
        for sequence in [0, 0x20] {
            rig.write(SEQ + sequence, 0x2000_0000);
            rig.write(SEQ + sequence + 4, 2);
            rig.write(SEQ + sequence + 8, 0);
        }
        rig.write(LOOP, 1);
        rig.write(ENABLE, 1);
        rig.write(SEQSTART, 1);
        assert_eq!(rig.read(SEQSTARTED), 1);
        rig.run_for(Time::from_us(199));
        assert_eq!((rig.read(PWMPERIODEND), rig.read(SEQEND)), (1, 0));
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(SEQEND), rig.read(SEQSTARTED + 4), rig.read(LOOPSDONE)), (1, 1, 0));
        rig.run_for(Time::from_us(200));
        assert_eq!((rig.read(SEQEND + 4), rig.read(LOOPSDONE)), (1, 1));
        rig.write(STOP, 1);
        rig.run_for(Time::from_us(100));
        assert_eq!(rig.read(STOPPED), 1);
    }

    /// When a pad got which level, in microseconds.
    fn edges(rig: &mut Rig<Block<Pwm>>, us: u64) -> Vec<(u64, Option<bool>)> {
        let mut edges = Vec::new();
        for at in 0..=us {
            rig.events.clear();
            rig.run_until(Time::from_us(at));
            for event in &rig.events {
                if let Some(Signal::Take { pin: 7, level }) = Signal::parse(u64::from(*event))
                    && edges.last().is_none_or(|(_, last)| *last != level)
                {
                    edges.push((at, level));
                }
            }
        }
        edges
    }

    fn one_channel(duty: u16, mode: u32) -> Rig<Block<Pwm>> {
        let mut rig = Rig::new(Block::<Pwm>::new(NoConfig {}));
        rig.host.base = 0x2000_0000;
        rig.host.memory = duty.to_le_bytes().to_vec();
        rig.write(PSEL_OUT, 7);
        rig.write(PRESCALER, 4); // 1 MHz
        rig.write(COUNTERTOP, 10);
        rig.write(MODE, mode);
        rig.write(SEQ, 0x2000_0000);
        rig.write(SEQ + 4, 1);
        rig.write(SEQ + 8, 0);
        rig.write(ENABLE, 1);
        rig.write(SEQSTART, 1);
        rig
    }

    #[test]
    fn the_pad_has_the_waveforms_edges() {
        // PS "PWM", Wave counter: edge-aligned; POLARITY 1 falls at the compare. The last value stays after
        // the sequence.
        let mut rig = one_channel(0x8003, 0);
        let expected = [(0, Some(true)), (3, Some(false)), (10, Some(true)), (13, Some(false))];
        rig.wake = rig.wake.min(Time::ZERO);
        assert_eq!(edges(&mut rig, 19), expected);
        rig.write(STOP, 1);
        let after = edges(&mut rig, 40);
        assert_eq!(after.last().map(|(_, level)| *level), Some(None), "GPIO's again");
    }

    #[test]
    fn centre_aligned_waves_are_high_around_the_middle() {
        // PS "PWM", Wave counter, up-and-down mode, POLARITY 0.
        let mut rig = one_channel(4, 1);
        rig.wake = rig.wake.min(Time::ZERO);
        assert_eq!(
            edges(&mut rig, 25),
            [(0, Some(false)), (4, Some(true)), (16, Some(false)), (24, Some(true))]
        );
    }

    #[test]
    fn a_constant_level_needs_no_wakes() {
        let mut rig = one_channel(10, 0);
        rig.run_for(Time::from_us(20));
        assert_eq!(rig.wake, Time::MAX);
        rig.write(PWMPERIODEND, 0);
        rig.write(crate::nrf::block::INTENSET, 1 << 6);
        rig.run_for(Time::from_us(10));
        assert_eq!((rig.read(PWMPERIODEND), rig.line("irq")), (1, true));
    }

    #[test]
    fn every_period_ends_with_its_event() {
        // PS "PWM", SEQ[n].REFRESH, EVENTS_PWMPERIODEND: emitted at the end of each PWM period.
        let mut rig = one_channel(3, 0);
        rig.write(SEQ + 8, 4);
        let mut ends = Vec::new();
        for us in 1..=60 {
            rig.run_until(Time::from_us(us));
            if rig.read(PWMPERIODEND) != 0 {
                rig.write(PWMPERIODEND, 0);
                ends.push(us);
            }
        }
        assert_eq!(ends, [10, 20, 30, 40, 50, 60]);
    }

    #[test]
    fn a_task_can_be_what_steps() {
        // PS "PWM", DECODER.MODE NextStep: a value stays until TASKS_NEXTSTEP.
        let mut rig = Rig::new(Block::<Pwm>::new(NoConfig {}));
        rig.host.base = 0x2000_0000;
        rig.host.memory = vec![2, 0, 5, 0];
        rig.write(PSEL_OUT, 7);
        rig.write(PRESCALER, 4); // 1 MHz
        rig.write(COUNTERTOP, 10);
        rig.write(DECODER, 1 << 8);
        rig.write(SEQ, 0x2000_0000);
        rig.write(SEQ + 4, 2);
        rig.write(ENABLE, 1);
        rig.write(SEQSTART, 1);
        rig.run_until(Time::from_us(35));
        let first = rig.component.logic.wave.map(|wave| wave.compare[0]);
        rig.write(NEXTSTEP, 1);
        rig.run_until(Time::from_us(55));
        let second = rig.component.logic.wave.map(|wave| wave.compare[0]);
        assert_eq!((first, second, rig.read(SEQEND)), (Some(2), Some(5), 0));
        rig.write(NEXTSTEP, 1);
        rig.run_until(Time::from_us(60));
        assert_eq!(rig.read(SEQEND), 1);
    }
}
