//! Energy on the air: RSSI, energy detection (ED) and clear channel assessment (CCA).

use consort_core::Time;
use consort_core::radio::Modulation;
use serde::{Deserialize, Serialize};

use super::super::block::Io;
use super::registers::*;
use super::{ED_OFFSET, Radio, State, Step};

/// Nothing on the air: thermal noise in the receiver's bandwidth, thousandths of dBm.
const NOISE: i32 = -100_000;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Energy {
    pub(super) cca: bool,
    pub(super) since: Time,
}

impl Radio {
    /// The strongest thing on this frequency at some time between two instants.
    pub(super) fn power(&self, from: Time, to: Time, io: &Io<'_, '_>) -> i32 {
        let mhz = Self::mhz(io);
        let heard = self.heard.iter().map(|heard| &heard.packet);
        heard
            .filter(|packet| packet.start <= to && packet.end >= from && packet.mhz.abs_diff(mhz) <= 1)
            .map(|packet| packet.power)
            .fold(NOISE, i32::max)
    }

    pub(super) fn stop_energy(&mut self) {
        self.energy = None;
        self.cancel(&[Step::Energy]);
    }

    pub(super) fn start_energy(&mut self, cca: bool, io: &Io<'_, '_>) {
        if !matches!(self.state, State::RxIdle | State::Rx | State::RxRu) {
            return;
        }
        self.stop_energy();
        // nRF52840 PS "RADIO", Energy detection (ED), Clear channel assessment (CCA): eight symbols of 16 us;
        // ED repeats EDCNT times.
        let times = if cca { 1 } else { u64::from(io.reg(EDCNT)) + 1 };
        // Asked for during ramp-up, the measurement begins with the receiver.
        let ready = self.steps.iter().find(|(_, step)| *step == Step::Ready);
        let since = ready.map_or(io.now(), |(at, _)| *at);
        self.energy = Some(Energy { cca, since });
        self.plan(since + Time::from_us(128 * times), Step::Energy);
    }

    pub(super) fn energy_done(&mut self, io: &mut Io<'_, '_>) {
        let Some(energy) = self.energy.take() else { return };
        let power = self.power(energy.since, io.now(), io);
        let level = (power / 1_000 - ED_OFFSET).clamp(0, 127) as u32;
        if !energy.cca {
            io.set(EDSAMPLE, level);
            io.raise(EDEND);
            return;
        }
        let control = io.reg(CCACTRL);
        let loud = level >= control >> 8 & 0xFF;
        let mhz = Self::mhz(io);
        let carrier = self.heard.iter().map(|heard| &heard.packet).any(|packet| {
            packet.modulation == Modulation::Oqpsk250k
                && packet.address_bits != 0
                && packet.mhz == mhz
                && packet.power >= self.sensitivity(packet.modulation)
                && packet.start <= io.now()
                && packet.end >= energy.since
        });
        let busy = match control & 7 {
            0 => loud,
            1 => carrier,
            2 => carrier && loud,
            3 => carrier || loud,
            _ => loud,
        };
        io.raise(if busy { CCABUSY } else { CCAIDLE });
    }
}
