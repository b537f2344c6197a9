//! POWER and CLOCK, which share one base, and the flash protection registers that live there too.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "POWER" and "CLOCK"; "MPU" of the one, "BPROT" of the
//! other.

mod registers;

use consort_core::component::{Channel, ResetCause, SetError, Value};
use consort_core::{Addr, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Regs, Series, Spec, number};
use super::gpio::Signal;
use registers::*;

/// What the board says about power and clocks.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockConfig {
    /// The chip's family, default `nrf52`.
    #[serde(default)]
    pub series: Series,
    /// Whether USB power is present at the beginning (nRF52833, nRF52840).
    #[serde(default)]
    pub vbus: bool,
}

/// POWER and CLOCK. Channels `vdd` and, on nRF52, `vbus`. What a section of RAM held is lost when it is switched
/// off, or in System OFF without retention; accesses to one that is off are not refused. Line `lfclk` is high
/// while the low-frequency clock runs: RTC and WDT count on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clock {
    config: ClockConfig,
    /// In System OFF, where DETECT and ANADETECT wake the chip.
    off: bool,
    /// The bit in RESETREAS of what woke it.
    woken_by: u32,
    /// Levels of the DETECT signals of both ports.
    detect: [bool; 2],
    retained: [u32; 3],
    hf_requested: bool,
    hf_ready: Time,
    hf_running: bool,
    lf_requested: bool,
    lf_runs: bool,
    lf_starting: Option<Lf>,
    lf_source: u32,
    cal_done: Time,
    timeout: Time,
    /// Microvolts of the supply.
    vdd: i64,
    vbus: bool,
    /// The supply is below POFCON's threshold.
    failing: bool,
}

/// A low-frequency clock on its way: first RC where the crystal takes long, then the source asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Lf {
    source: u32,
    runs_at: Time,
    ready_at: Time,
}

const LFCLK: u16 = 1;

impl Clock {
    /// nRF51822 PS v3.1 and nRF52832 PS v1.4, clock sources' electrical specification: typical start-up times.
    fn hfxo_start(&self) -> Time {
        match self.config.series {
            Series::Nrf51 => Time::from_us(800),
            Series::Nrf52 => Time::from_us(360),
        }
    }
    fn lf_start(&self, source: u32, now: Time) -> Lf {
        let rc = match self.config.series {
            Series::Nrf51 => Time::from_us(390),
            Series::Nrf52 => Time::from_us(600),
        };
        let ready = match source {
            1 => Time::from_ms(250), // crystal; LFCLK runs from RC until then
            2 => Time::from_us(100), // synthesised from HFCLK
            _ => rc,
        };
        Lf { source, runs_at: now + rc.min(ready), ready_at: now + ready }
    }

    /// The source that LFCLK was last started with.
    fn lf_selected(&self) -> u32 {
        self.lf_starting.map_or(self.lf_source, |lf| lf.source)
    }

    /// The sections of RAM with their bits in POWER (or RAMON) and where they are: nRF52 PS "POWER",
    /// RAM[n].POWER; RM "POWER", RAMON, RAMONB.
    fn sections(&self) -> impl Iterator<Item = (u32, u32, u32, usize)> + use<> {
        let series = self.config.series;
        (0..9u32).flat_map(move |block| {
            let sections = match (series, block) {
                (Series::Nrf51, 0..4) => 1,
                (Series::Nrf51, _) => 0,
                (Series::Nrf52, 8) => 6,
                (Series::Nrf52, _) => 2,
            };
            (0..sections).map(move |section| match series {
                Series::Nrf51 => {
                    let register = if block < 2 { RAMON } else { RAMONB };
                    (register, block % 2, 0x2000_0000 + block * 0x2000, 0x2000)
                }
                Series::Nrf52 => {
                    let size = if block == 8 { 0x8000 } else { 0x1000 };
                    let at = 0x2000_0000 + block * 0x2000 + section * size;
                    (RAM_POWER + block * 0x10, section, at, size as usize)
                }
            })
        })
    }

    /// What RAM without power holds: anything.
    fn lose(at: u32, size: usize, io: &mut Io<'_, '_>) {
        let mut bytes = vec![0; size];
        if io.cx.dma_read(u64::from(at), &mut bytes).is_err() {
            return; // this chip's RAM ends before
        }
        for word in bytes.chunks_exact_mut(4) {
            word.copy_from_slice(&io.cx.rng().next_u32().to_le_bytes());
        }
        let _ = io.cx.dma_write(u64::from(at), &bytes);
    }

    /// The POWER register of RAM has changed.
    fn ram_power(&self, register: u32, old: u32, io: &mut Io<'_, '_>) {
        // nRF52: a section that is off keeps what it holds with RETENTION; nRF51's OFFRAM is for System OFF.
        let kept = if self.config.series == Series::Nrf52 { io.reg(register) >> 16 } else { 0 };
        let fallen = old & !io.reg(register) & !kept;
        for (_, bit, at, size) in self.sections().filter(|section| section.0 == register) {
            if fallen >> bit & 1 != 0 {
                Self::lose(at, size, io);
            }
        }
    }

    /// PS "POWER", Power-fail comparator: the warning comes when the supply falls below the threshold, with 50 mV
    /// of hysteresis.
    fn supply(&mut self, io: &mut Io<'_, '_>) {
        let control = io.reg(POFCON);
        let threshold = match self.config.series {
            Series::Nrf51 => 2_100_000 + 200_000 * i64::from(control >> 1 & 3),
            Series::Nrf52 => 1_700_000 + 100_000 * (i64::from(control >> 1 & 0xF).max(4) - 4),
        };
        let limit = if self.failing { threshold + 50_000 } else { threshold };
        let failing = control & 1 != 0 && self.vdd < limit;
        if failing && !self.failing {
            io.raise(POFWARN);
        }
        if failing != std::mem::replace(&mut self.failing, failing) {
            Signal::Supply { low: failing }.send(io);
        }
    }

    fn wake_up(&mut self, by: u32, io: &mut Io<'_, '_>) {
        self.woken_by = by;
        io.cx.reset_machine(ResetCause::WakeUp);
    }
}

impl Logic for Clock {
    const KIND: &'static str = "nordic-clock";
    const DOC: &'static str = "POWER, CLOCK and flash protection of nRF51 / nRF52 (one base, one interrupt).";
    type Config = ClockConfig;

    fn new(config: ClockConfig) -> Self {
        Self {
            config,
            off: false,
            woken_by: 0,
            detect: [false; 2],
            retained: [0; 3],
            hf_requested: false,
            hf_ready: Time::MAX,
            hf_running: false,
            lf_requested: false,
            lf_runs: false,
            lf_starting: None,
            lf_source: 0,
            cal_done: Time::MAX,
            timeout: Time::MAX,
            vdd: 3_000_000,
            vbus: config.vbus,
            failing: false,
        }
    }

    fn channels(&self) -> Vec<Channel> {
        let mut channels = vec![Channel::number("vdd", "voltage of the supply", (1.7, 3.6), "V")];
        if self.config.series == Series::Nrf52 {
            channels.push(Channel::number("vbus", "whether USB power is present, 0 or 1", (0.0, 1.0), ""));
        }
        channels
    }

    fn channel(&mut self, channel: &str, value: &Value, io: &mut Io<'_, '_>) -> Result<(), SetError> {
        match channel {
            "vdd" => {
                self.vdd = (number(channel, value, 1.7, 3.6, "V")? * 1e6).round() as i64;
                self.supply(io);
            }
            "vbus" if self.config.series == Series::Nrf52 => {
                let present = number(channel, value, 0.0, 1.0, "")? >= 0.5;
                if present != std::mem::replace(&mut self.vbus, present) {
                    // PS "POWER", USB supply: the regulator's output follows.
                    for event in if present { &[USBDETECTED, USBPWRRDY][..] } else { &[USBREMOVED] } {
                        io.raise(*event);
                    }
                    if self.off && present {
                        self.wake_up(BY_VBUS, io);
                    }
                }
            }
            _ => return Err(SetError::NoChannel(channel.to_owned())),
        }
        Ok(())
    }

    fn present(&self, channel: &str) -> Option<Value> {
        match channel {
            "vdd" => Some(Value::Number(self.vdd as f64 / 1e6)),
            "vbus" if self.config.series == Series::Nrf52 => {
                Some(Value::Number(f64::from(u8::from(self.vbus))))
            }
            _ => None,
        }
    }

    fn spec(&self) -> &'static Spec {
        match self.config.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn lines(&self) -> &'static [&'static str] {
        &["irq", "lfclk"]
    }

    fn listens(&self) -> bool {
        true
    }

    /// A reset by POWER register or rig, without a cause.
    fn reset(&mut self, io: &mut Io<'_, '_>) {
        let Self { retained, detect, vdd, vbus, .. } = *self;
        *self = Self { retained, detect, vdd, vbus, ..Self::new(self.config) };
        io.set(RESETREAS, retained[0]);
        io.set(GPREGRET, retained[1]);
        io.set(GPREGRET2, retained[2]);
        if self.vbus {
            io.raise(USBDETECTED);
            io.raise(USBPWRRDY);
        }
    }

    /// PS "POWER", Reset behavior: RESETREAS accumulates until power goes; retained registers survive what is
    /// not the pin, the watchdog or power.
    fn restart(&mut self, cause: ResetCause, io: &mut Io<'_, '_>) {
        let reason = match cause {
            ResetCause::PowerOn => 0,
            ResetCause::Pin => RESETPIN,
            ResetCause::Watchdog => DOG,
            ResetCause::Software => SREQ,
            ResetCause::Lockup => LOCKUP,
            ResetCause::WakeUp => self.woken_by,
        };
        let kept = if cause == ResetCause::PowerOn { 0 } else { self.retained[0] };
        self.retained[0] = kept | reason;
        if matches!(cause, ResetCause::PowerOn | ResetCause::Pin | ResetCause::Watchdog) {
            (self.retained[1], self.retained[2]) = (0, 0);
        }
        self.reset(io);
    }

    fn watches_sleep(&self) -> bool {
        self.config.series == Series::Nrf52
    }

    /// PS "POWER", Events: SLEEPENTER, SLEEPEXIT.
    fn sleep(&mut self, asleep: bool, io: &mut Io<'_, '_>) {
        io.raise(if asleep { SLEEPENTER } else { SLEEPEXIT });
    }

    fn view(&self, offset: u32, regs: &Regs<'_>, _: Time) -> Option<u32> {
        Some(match offset {
            HFCLKRUN => u32::from(self.hf_requested),
            // The CPU runs from HFCLK, so it is running whenever somebody looks; SRC tells from what.
            HFCLKSTAT => STATE | u32::from(self.hf_running),
            LFCLKRUN => u32::from(self.lf_requested),
            LFCLKSTAT if self.lf_runs => STATE | self.lf_source,
            LFCLKSTAT => 0,
            LFCLKSRCCOPY => self.lf_selected(),
            USBREGSTATUS => u32::from(self.vbus) * 3,
            RAMSTATUS if self.config.series == Series::Nrf51 => {
                regs.reg(RAMON) & 3 | (regs.reg(RAMONB) & 3) << 2
            }
            0x904..=0x98F if matches!(offset & 0xF, 4 | 8) => regs.reg(offset & !0xF),
            _ => return None,
        })
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        let now = io.now();
        match task {
            HFCLKSTART => {
                self.hf_requested = true;
                self.hf_ready = if self.hf_running { now } else { now + self.hfxo_start() };
            }
            HFCLKSTOP => {
                (self.hf_requested, self.hf_running, self.hf_ready) = (false, false, Time::MAX);
            }
            LFCLKSTART => {
                // Another source than the one that runs is started beside it, and takes over.
                let source = io.reg(LFCLKSRC) & 3;
                if !self.lf_requested || source != self.lf_selected() {
                    self.lf_requested = true;
                    self.lf_starting = Some(self.lf_start(source, now));
                }
            }
            LFCLKSTOP => {
                (self.lf_requested, self.lf_runs, self.lf_starting) = (false, false, None);
                io.cx.drive(LFCLK, false);
            }
            CAL => self.cal_done = now + Time::from_ms(16),
            CTSTART => {
                self.timeout = now + Time::from_ms(250 * u64::from(io.reg(CTIV)));
                io.raise(0x128);
            }
            CTSTOP => {
                self.timeout = Time::MAX;
                io.raise(0x12C);
            }
            _ => {}
        }
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        match offset {
            RESETREAS => {
                self.retained[0] = old & !value;
                io.set(RESETREAS, old & !value);
            }
            GPREGRET => self.retained[1] = value,
            GPREGRET2 => self.retained[2] = value,
            SYSTEMOFF if value & 1 != 0 => {
                // PS "POWER", System OFF mode: DETECT that is high already wakes it at once.
                self.off = true;
                io.cx.power_down();
                // PS "POWER", RAM[n].POWER: only sections with retention keep what they hold.
                for (register, bit, at, size) in self.sections() {
                    if io.reg(register) >> (16 + bit) & 1 == 0 {
                        Self::lose(at, size, io);
                    }
                }
                if self.detect != [false; 2] {
                    self.wake_up(OFF, io);
                }
            }
            // PS "BPROT", RM "MPU", Protection of program memory: ones protect blocks of 4 KiB against
            // writing and erasing until a reset.
            PROTECT0 | PROTECT1 | PROTECT2 | PROTECT3 => {
                io.set(offset, old | value);
                let first = match offset {
                    PROTECT0 => 0,
                    PROTECT1 => 32,
                    PROTECT2 => 64,
                    _ => 96,
                };
                for bit in (0..32).filter(|bit| value & !old & 1 << bit != 0) {
                    Signal::Protect { block: first + bit }.send(io);
                }
            }
            POFCON => self.supply(io),
            RAMON | RAMONB if self.config.series == Series::Nrf51 => self.ram_power(offset, old, io),
            RAM_POWER..=0x98F => {
                let register = offset & !0xF;
                let before = if offset == register { old } else { io.reg(register) };
                match offset & 0xF {
                    4 => io.set(register, before | value),
                    8 => io.set(register, before & !value),
                    _ => {}
                }
                self.ram_power(register, before, io);
            }
            _ => {}
        }
    }

    fn bus_event(&mut self, addr: Addr, io: &mut Io<'_, '_>) {
        match Signal::parse(addr) {
            Some(Signal::Detect { port, level }) => {
                self.detect[usize::from(port & 1)] = level;
                if self.off && level {
                    self.wake_up(OFF, io);
                }
            }
            Some(Signal::AnaDetect) if self.off => self.wake_up(BY_LPCOMP, io),
            _ => {}
        }
    }

    fn deadline(&self) -> Time {
        let lf = self.lf_starting.map_or(Time::MAX, |lf| if self.lf_runs { lf.ready_at } else { lf.runs_at });
        self.hf_ready.min(lf).min(self.cal_done).min(self.timeout)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        let now = io.now();
        if self.hf_ready <= now {
            (self.hf_running, self.hf_ready) = (true, Time::MAX);
            io.raise(HFCLKSTARTED);
        }
        if let Some(lf) = self.lf_starting {
            if !self.lf_runs && lf.runs_at <= now {
                self.lf_runs = true;
                self.lf_source = if lf.runs_at == lf.ready_at { lf.source } else { 0 };
                io.cx.drive(LFCLK, true);
            }
            if lf.ready_at <= now {
                (self.lf_source, self.lf_starting) = (lf.source, None);
                io.raise(LFCLKSTARTED);
            }
        }
        if self.cal_done <= now {
            self.cal_done = Time::MAX;
            io.raise(DONE);
        }
        if self.timeout <= now {
            self.timeout = Time::MAX;
            io.raise(CTTO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::{Block, INTENSET};
    use consort_core::component::{Component, Model};
    use consort_core::state::State;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Clock>> {
        Rig::new(Block::new(ClockConfig::default()))
    }

    #[test]
    fn the_cpus_sleep_gives_events() {
        // nRF52832 PS "POWER", Registers: EVENTS_SLEEPENTER, EVENTS_SLEEPEXIT.
        let mut rig = Rig::new(Block::<Clock>::new(ClockConfig::default()));
        rig.with(|clock, cx| clock.sleep(true, cx));
        assert_eq!((rig.read(SLEEPENTER), rig.read(SLEEPEXIT)), (1, 0));
        rig.write(INTENSET, 1 << 6);
        rig.with(|clock, cx| clock.sleep(false, cx));
        assert_eq!((rig.read(SLEEPEXIT), rig.line("irq")), (1, true));
    }

    #[test]
    fn clocks_start_after_their_time_and_say_so() {
        // PS "CLOCK", HFCLK clock controller, LFCLK clock controller: STAT tells the running source, STARTED
        // comes once it is stable.
        let mut rig = rig();
        assert_eq!(rig.read(HFCLKSTAT), STATE);
        rig.write(INTENSET, 1);
        rig.write(HFCLKSTART, 1);
        assert_eq!((rig.read(HFCLKRUN), rig.read(HFCLKSTAT)), (1, STATE));
        rig.run_for(Time::from_us(359));
        assert_eq!(rig.read(HFCLKSTARTED), 0);
        rig.run_for(Time::from_us(1));
        assert_eq!((rig.read(HFCLKSTARTED), rig.read(HFCLKSTAT), rig.line("irq")), (1, STATE | 1, true));
        rig.write(HFCLKSTARTED, 0);
        assert!(!rig.line("irq"));
        rig.write(HFCLKSTOP, 1);
        assert_eq!(rig.read(HFCLKSTAT), STATE);
    }

    #[test]
    fn start_up_times_are_the_chips() {
        // nRF51822 PS "Clock sources", nRF52832 PS "CLOCK", Electrical specification: HFXO, LFRC, synthesised LFCLK.
        let took = |series, source: u32, start: u32, started: u32| {
            let mut rig = Rig::new(Block::<Clock>::new(ClockConfig { series, vbus: false }));
            rig.write(LFCLKSRC, source);
            rig.write(start, 1);
            while rig.read(started) == 0 && rig.now < Time::from_secs(1) {
                rig.run_until(rig.wake);
            }
            rig.now
        };
        for (series, hfxo, lfrc) in [(Series::Nrf51, 800, 390), (Series::Nrf52, 360, 600)] {
            assert_eq!(took(series, 0, HFCLKSTART, HFCLKSTARTED), Time::from_us(hfxo));
            assert_eq!(took(series, 0, LFCLKSTART, LFCLKSTARTED), Time::from_us(lfrc));
            assert_eq!(took(series, 1, LFCLKSTART, LFCLKSTARTED), Time::from_ms(250));
            assert_eq!(took(series, 2, LFCLKSTART, LFCLKSTARTED), Time::from_us(100));
        }
    }

    #[test]
    fn blocks_of_flash_stay_protected_until_a_reset() {
        // nRF52832 PS "BPROT", CONFIG0 to CONFIG3; RM "MPU", PROTENSET0 and PROTENSET1: ones cannot be cleared.
        let blocks = |rig: &mut Rig<Block<Clock>>| -> Vec<u16> {
            let told = rig.events.drain(..).filter_map(|event| Signal::parse(u64::from(event)));
            told.filter_map(|signal| match signal {
                Signal::Protect { block } => Some(block),
                _ => None,
            })
            .collect()
        };
        let mut rig = rig();
        rig.write(PROTECT0, 0b101);
        rig.write(PROTECT3, 1 << 31);
        assert_eq!(blocks(&mut rig), [0, 2, 127]);
        rig.write(PROTECT0, 0b010);
        assert_eq!((rig.read(PROTECT0), blocks(&mut rig)), (0b111, vec![1]));
        rig.with(|clock, cx| clock.restart(ResetCause::Software, cx));
        assert_eq!(rig.read(PROTECT0), 0);
    }

    #[test]
    fn the_crystal_takes_over_from_rc() {
        // PS "CLOCK", LFCLK clock controller: LFCLK runs from LFRC while LFXO starts.
        let mut rig = rig();
        rig.write(LFCLKSRC, 1);
        rig.write(LFCLKSTART, 1);
        assert_eq!((rig.read(LFCLKSTAT), rig.read(LFCLKSRCCOPY)), (0, 1));
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(LFCLKSTAT), rig.line("lfclk"), rig.read(LFCLKSTARTED)), (STATE, true, 0));
        let saved = rig.component.save().unwrap();
        rig.component.restore(&saved).unwrap();
        rig.run_for(Time::from_ms(249));
        assert_eq!((rig.read(LFCLKSTAT), rig.read(LFCLKSTARTED)), (STATE | 1, 1));
        rig.write(LFCLKSTOP, 1);
        assert_eq!((rig.read(LFCLKSTAT), rig.line("lfclk")), (0, false));
    }

    #[test]
    fn a_start_with_another_source_changes_over() {
        // Zephyr begins with RC and starts the crystal once that runs.
        let mut rig = rig();
        rig.write(LFCLKSTART, 1);
        rig.run_for(Time::from_ms(1));
        assert_eq!((rig.read(LFCLKSTAT), rig.read(LFCLKSTARTED)), (STATE, 1));
        rig.write(LFCLKSTARTED, 0);
        rig.write(LFCLKSTART, 1);
        rig.run_for(Time::from_ms(300));
        assert_eq!(
            (rig.read(LFCLKSTAT), rig.read(LFCLKSTARTED)),
            (STATE, 0),
            "it runs from this source already"
        );
        rig.write(LFCLKSRC, 1);
        rig.write(LFCLKSTART, 1);
        assert_eq!((rig.read(LFCLKSTAT), rig.read(LFCLKSRCCOPY), rig.line("lfclk")), (STATE, 1, true));
        rig.run_for(Time::from_ms(250));
        assert_eq!((rig.read(LFCLKSTAT), rig.read(LFCLKSTARTED)), (STATE | 1, 1));
    }

    #[test]
    fn the_calibration_timer_counts_quarter_seconds() {
        // PS "CLOCK", Calibration timer: CTIV counts quarters of a second.
        let mut rig = rig();
        rig.write(CTIV, 4);
        rig.write(CTSTART, 1);
        rig.run_for(Time::from_ms(999));
        assert_eq!(rig.read(CTTO), 0);
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.read(CTTO), 1);
    }

    #[test]
    fn reset_reasons_accumulate_and_are_cleared_by_ones() {
        // PS "POWER", RESETREAS, Reset behavior (which reset keeps what).
        let mut rig = rig();
        assert_eq!(rig.read(RESETREAS), 0);
        rig.write(GPREGRET, 0x1B1);
        rig.with(|clock, cx| clock.restart(ResetCause::Software, cx));
        assert_eq!((rig.read(RESETREAS), rig.read(GPREGRET)), (SREQ, 0xB1));
        rig.with(|clock, cx| clock.restart(ResetCause::Lockup, cx));
        assert_eq!((rig.read(RESETREAS), rig.read(GPREGRET)), (SREQ | LOCKUP, 0xB1));
        rig.with(|clock, cx| clock.restart(ResetCause::Watchdog, cx));
        assert_eq!((rig.read(RESETREAS), rig.read(GPREGRET)), (SREQ | LOCKUP | DOG, 0));
        rig.write(RESETREAS, SREQ | LOCKUP | RESETPIN);
        assert_eq!(rig.read(RESETREAS), DOG);
        rig.with(|clock, cx| clock.restart(ResetCause::Pin, cx));
        assert_eq!(rig.read(RESETREAS), DOG | RESETPIN);
        rig.with(|clock, cx| clock.restart(ResetCause::PowerOn, cx));
        assert_eq!(rig.read(RESETREAS), 0);
    }

    #[test]
    fn ram_keeps_what_it_holds_only_with_power_and_retention() {
        // PS "POWER", RAM[n].POWER; RM "POWER", RAMON, RAMONB.
        let kept = |series, retain: (u32, u32), off: (u32, u32), size: usize| {
            let mut rig = Rig::new(Block::<Clock>::new(ClockConfig { series, vbus: false }));
            rig.host.base = 0x2000_0000;
            rig.host.memory = vec![7; 0x6000];
            rig.write(retain.0, retain.1);
            rig.write(off.0, off.1);
            let awake: Vec<bool> = rig.host.memory.chunks(size).map(|part| part == vec![7; size]).collect();
            rig.write(SYSTEMOFF, 1);
            let after: Vec<bool> = rig.host.memory.chunks(size).map(|part| part == vec![7; size]).collect();
            (awake, after)
        };
        // Section 1 of block 0 is retained, section 0 of block 2 is switched off.
        let (awake, after) = kept(Series::Nrf52, (RAM_POWER + 4, 1 << 17), (RAM_POWER + 0x28, 1), 0x1000);
        assert_eq!(awake, [true, true, true, true, false, true]);
        assert_eq!(after, [false, true, false, false, false, false]);
        // One that is off with retention keeps what it holds.
        let (awake, after) = kept(Series::Nrf52, (RAM_POWER + 4, 1 << 16), (RAM_POWER + 8, 1), 0x1000);
        assert_eq!((awake, after), (vec![true; 6], vec![true, false, false, false, false, false]));
        let (awake, after) = kept(Series::Nrf51, (RAMON, 3 | 1 << 17), (RAMONB, 2), 0x2000);
        assert_eq!((awake, after), (vec![true, true, false], vec![false, true, false]));
    }

    #[test]
    fn a_falling_supply_warns() {
        // PS "POWER", Power-fail comparator: THRESHOLD 14 is 2.7 V.
        let mut rig = rig();
        let set = |rig: &mut Rig<Block<Clock>>, volts: f64| {
            rig.with(|clock, cx| clock.set("vdd", &Value::Number(volts), cx)).unwrap();
        };
        rig.write(POFCON, 14 << 1 | 1);
        rig.write(INTENSET, 4);
        set(&mut rig, 2.71);
        assert_eq!(rig.read(POFWARN), 0);
        set(&mut rig, 2.69);
        assert_eq!((rig.read(POFWARN), rig.line("irq")), (1, true));
        let told = rig.events.iter().rev().find_map(|event| Signal::parse(u64::from(*event)));
        assert_eq!(told, Some(Signal::Supply { low: true }));
        rig.write(POFWARN, 0);
        set(&mut rig, 2.72);
        set(&mut rig, 2.69);
        assert_eq!(rig.read(POFWARN), 0, "within the hysteresis");
        set(&mut rig, 2.76);
        set(&mut rig, 2.6);
        assert_eq!(rig.read(POFWARN), 1);
    }

    #[test]
    fn usb_power_comes_and_goes() {
        // nRF52840 PS "POWER", USB supply: USBDETECTED, USBPWRRDY, USBREMOVED, USBREGSTATUS.
        let mut rig = rig();
        let set = |rig: &mut Rig<Block<Clock>>, volts: f64| {
            rig.with(|clock, cx| clock.set("vbus", &Value::Number(volts), cx)).unwrap();
        };
        assert_eq!(rig.read(USBREGSTATUS), 0);
        set(&mut rig, 1.0);
        let status = rig.read(USBREGSTATUS);
        assert_eq!((rig.read(USBDETECTED), rig.read(USBPWRRDY), status), (1, 1, 3));
        set(&mut rig, 0.0);
        assert_eq!((rig.read(USBREMOVED), rig.read(USBREGSTATUS)), (1, 0));
        rig.write(SYSTEMOFF, 1);
        set(&mut rig, 1.0);
        assert_eq!(rig.resets, [ResetCause::WakeUp]);
    }

    #[test]
    fn detect_wakes_from_system_off() {
        // PS "POWER", System OFF mode: the wake-up is a reset, and RESETREAS.OFF says so.
        let detect = |rig: &mut Rig<Block<Clock>>, level| {
            let at = Signal::Detect { port: 0, level }.addr();
            rig.with(|clock, cx| clock.bus_event(at, cx));
        };
        let mut rig = rig();
        detect(&mut rig, true);
        detect(&mut rig, false);
        rig.write(SYSTEMOFF, 1);
        assert!(rig.powered_down && rig.resets.is_empty());
        let saved = rig.component.save().unwrap();
        rig.component.restore(&saved).unwrap();
        detect(&mut rig, true);
        assert_eq!(rig.resets, [ResetCause::WakeUp]);
        rig.with(|clock, cx| clock.restart(ResetCause::WakeUp, cx));
        assert_eq!(rig.read(RESETREAS), OFF);
        // It is still high: the next System OFF ends at once.
        rig.write(SYSTEMOFF, 1);
        assert_eq!(rig.resets.len(), 2);
    }
}
