//! PPI: events trigger tasks without the CPU.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "PPI".

use consort_core::Addr;
use consort_core::component::Register;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use super::block::{Io, Logic, Regs, Series, SeriesConfig, Spec, array};
use consort_core::Time;

const CHEN: u32 = 0x500;
const CHENSET: u32 = 0x504;
const CHENCLR: u32 = 0x508;
const EEP: u32 = 0x510;
const TEP: u32 = 0x514;
const CHG: u32 = 0x800;
const FORK: u32 = 0x910;

/// PS "PPI", Pre-programmed channels: 20 to 31 have fixed ends.
const FIXED: [(u32, u32); 12] = [
    (0x4000_8140, 0x4000_1000), // TIMER0 COMPARE[0] -> RADIO TXEN
    (0x4000_8140, 0x4000_1004), // TIMER0 COMPARE[0] -> RADIO RXEN
    (0x4000_8144, 0x4000_1010), // TIMER0 COMPARE[1] -> RADIO DISABLE
    (0x4000_1128, 0x4000_F000), // RADIO BCMATCH -> AAR START
    (0x4000_1100, 0x4000_F000), // RADIO READY -> CCM KSGEN
    (0x4000_1104, 0x4000_F004), // RADIO ADDRESS -> CCM CRYPT
    (0x4000_1104, 0x4000_8044), // RADIO ADDRESS -> TIMER0 CAPTURE[1]
    (0x4000_110C, 0x4000_8048), // RADIO END -> TIMER0 CAPTURE[2]
    (0x4000_B140, 0x4000_1000), // RTC0 COMPARE[0] -> RADIO TXEN
    (0x4000_B140, 0x4000_1004), // RTC0 COMPARE[0] -> RADIO RXEN
    (0x4000_B140, 0x4000_800C), // RTC0 COMPARE[0] -> TIMER0 CLEAR
    (0x4000_B140, 0x4000_8000), // RTC0 COMPARE[0] -> TIMER0 START
];
const FIRST_FIXED: u32 = 20;

const COMMON: &[Register] = &[
    Register::rw(CHEN, "CHEN", 0),
    Register::rw(CHENSET, "CHENSET", 0),
    Register::rw(CHENCLR, "CHENCLR", 0),
];

static SPEC51: Spec = Spec::new(
    &[array!(wo 0, 8, "TASKS_CHG[", "].EN"; 0 1 2 3), array!(wo 4, 8, "TASKS_CHG[", "].DIS"; 0 1 2 3)],
    &[],
    &[],
    &[
        COMMON,
        array!(rw EEP, 8, "CH[", "].EEP", 0; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
        array!(rw TEP, 8, "CH[", "].TEP", 0; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
        array!(rw CHG, 4, "CHG[", "]", 0; 0 1 2 3),
    ],
);
static SPEC52: Spec = Spec::new(
    &[
        array!(wo 0, 8, "TASKS_CHG[", "].EN"; 0 1 2 3 4 5),
        array!(wo 4, 8, "TASKS_CHG[", "].DIS"; 0 1 2 3 4 5),
    ],
    &[],
    &[],
    &[
        COMMON,
        array!(rw EEP, 8, "CH[", "].EEP", 0; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19),
        array!(rw TEP, 8, "CH[", "].TEP", 0; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19),
        array!(rw CHG, 4, "CHG[", "]", 0; 0 1 2 3 4 5),
        array!(rw FORK, 4, "FORK[", "].TEP", 0;
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31),
    ],
);

/// PPI. It hears every event and, with the next edge of the 16 MHz clock, writes the tasks of the enabled channels
/// that wait for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ppi {
    series: Series,
    /// Tasks on their way, in order of time.
    due: VecDeque<(Time, u32)>,
}

/// A cycle of the 16 MHz clock.
const CYCLE_PS: u64 = 62_500;
/// More tasks than all channels can have on their way in one cycle are events that come in one instant.
const MOST_DUE: usize = 1_024;

impl Ppi {
    fn programmable(&self) -> u32 {
        match self.series {
            Series::Nrf51 => 16,
            Series::Nrf52 => 20,
        }
    }

    fn ends(&self, channel: u32, io: &Io<'_, '_>) -> (u32, u32) {
        match channel.checked_sub(FIRST_FIXED).and_then(|fixed| FIXED.get(fixed as usize)) {
            Some(ends) => *ends,
            None if channel < self.programmable() => (io.reg(EEP + channel * 8), io.reg(TEP + channel * 8)),
            None => (0, 0),
        }
    }
}

impl Logic for Ppi {
    const KIND: &'static str = "nordic-ppi";
    const DOC: &'static str = "Programmable peripheral interconnect: events trigger tasks.";
    type Config = SeriesConfig;

    fn new(config: SeriesConfig) -> Self {
        Self { series: config.series, due: VecDeque::new() }
    }

    fn spec(&self) -> &'static Spec {
        match self.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn lines(&self) -> &'static [&'static str] {
        &[]
    }

    fn listens(&self) -> bool {
        true
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        self.due.clear();
    }

    fn deadline(&self) -> Time {
        self.due.front().map_or(Time::MAX, |(at, _)| *at)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        while let Some((_, task)) = self.due.pop_front_if(|(at, _)| *at <= io.now()) {
            io.cx.bus_write(u64::from(task), 1);
        }
    }

    fn view(&self, offset: u32, regs: &Regs<'_>, _: Time) -> Option<u32> {
        matches!(offset, CHENSET | CHENCLR).then(|| regs.reg(CHEN))
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        let group = io.reg(CHG + task / 8 * 4);
        let enabled = io.reg(CHEN);
        io.set(CHEN, if task & 4 == 0 { enabled | group } else { enabled & !group });
    }

    fn write(&mut self, offset: u32, value: u32, _: u32, io: &mut Io<'_, '_>) {
        match offset {
            CHENSET => io.set(CHEN, io.reg(CHEN) | value),
            CHENCLR => io.set(CHEN, io.reg(CHEN) & !value),
            _ => {}
        }
    }

    fn bus_event(&mut self, addr: Addr, io: &mut Io<'_, '_>) {
        let Ok(event) = u32::try_from(addr) else { return };
        // PS "PPI": each channel is synchronised to the 16 MHz clock; what is synchronous to it is delayed by one
        // period, anything else by up to one.
        let at = Time::from_ps((io.now().as_ps() / CYCLE_PS + 1) * CYCLE_PS);
        let mut enabled = io.reg(CHEN);
        while enabled != 0 {
            let channel = enabled.trailing_zeros();
            enabled &= enabled - 1;
            let (from, to) = self.ends(channel, io);
            if from != event {
                continue;
            }
            for task in [to, io.reg(FORK + channel * 4)] {
                if task != 0 && self.due.len() < MOST_DUE {
                    self.due.push_back((at, task));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::{Component, Model};
    use consort_core::state::State as _;
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Ppi>> {
        Rig::new(Block::new(SeriesConfig::default()))
    }

    fn event(rig: &mut Rig<Block<Ppi>>, addr: u64) -> Vec<(u64, u32)> {
        rig.with(|ppi, cx| ppi.bus_event(addr, cx));
        assert_eq!(rig.writes, []);
        rig.run_for(Time::from_ps(CYCLE_PS));
        std::mem::take(&mut rig.writes)
    }

    #[test]
    fn an_enabled_channel_joins_event_and_task_and_its_fork() {
        // PS "PPI": CH[n].EEP, CH[n].TEP, FORK[n].TEP, CHENSET.
        let mut rig = rig();
        rig.write(EEP + 8, 0x4000_8140);
        rig.write(TEP + 8, 0x4000_6000);
        assert_eq!(event(&mut rig, 0x4000_8140), []);
        rig.write(CHENSET, 2);
        assert_eq!(event(&mut rig, 0x4000_8140), [(0x4000_6000, 1)]);
        assert_eq!(event(&mut rig, 0x4000_8144), []);
        rig.write(FORK + 4, 0x4000_8008);
        assert_eq!(event(&mut rig, 0x4000_8140), [(0x4000_6000, 1), (0x4000_8008, 1)]);
        rig.write(CHENCLR, 2);
        assert_eq!(event(&mut rig, 0x4000_8140), []);
    }

    #[test]
    fn a_task_comes_with_the_next_edge_of_the_16_mhz_clock() {
        // PS "PPI": synchronous events are delayed by one period, others by up to one.
        for (event, task) in [(0, 1), (62_499, 1), (62_500, 2), (100_000, 2), (125_000, 3)] {
            let mut rig = rig();
            rig.write(EEP, 0x4000_8140);
            rig.write(TEP, 0x4000_6000);
            rig.write(CHENSET, 1);
            rig.run_until(Time::from_ps(event));
            rig.with(|ppi, cx| ppi.bus_event(0x4000_8140, cx));
            rig.write(CHENCLR, 1); // it is on its way already
            let saved = rig.component.save().unwrap();
            rig.component.restore(&saved).unwrap();
            assert_eq!(rig.wake, Time::from_ps(task * CYCLE_PS), "{event}");
            rig.run_until(rig.wake);
            assert_eq!(rig.writes, [(0x4000_6000, 1)]);
        }
    }

    #[test]
    fn fixed_channels_have_their_ends() {
        // PS "PPI", Pre-programmed channels: 20 to 31.
        let mut rig = rig();
        rig.write(CHENSET, 1 << 20 | 1 << 26);
        assert_eq!(event(&mut rig, 0x4000_8140), [(0x4000_1000, 1)]);
        assert_eq!(event(&mut rig, 0x4000_1104), [(0x4000_8044, 1)]);
    }

    #[test]
    fn groups_switch_channels_together() {
        // PS "PPI": CHG[n] with its EN and DIS tasks.
        let mut rig = rig();
        rig.write(CHG + 4, 0b1010);
        rig.write(CHEN, 0b0100);
        rig.write(8, 1);
        assert_eq!(rig.read(CHENSET), 0b1110);
        rig.write(12, 1);
        assert_eq!(rig.read(CHENCLR), 0b0100);
    }
}
