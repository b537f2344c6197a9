//! RADIO: 2.4 GHz transceiver, nRF proprietary modes, Bluetooth LE and (nRF52840, nRF52833) IEEE 802.15.4.
//!
//! nRF51 Reference Manual v3.0, nRF52832 PS v1.4 and nRF52840 PS v1.1, "RADIO".
//!
//! Everything on the air has absolute times. A transmission is handed to the medium one microsecond after
//! START; a reception is scheduled when the medium delivers the packet, which is before the end of its
//! address. What else is on the air decides at the end of the address whether it is noticed, and at its end
//! which of its bits arrive.

mod energy;
mod packet;
mod receive;
mod registers;

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::radio::{Modulation, Packet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{self, Io, Logic, Regs, Series, Spec};
use super::dma;
use energy::Energy;
use packet::{Layout, address, address_ns, bit_ns, gap_ns, modulation, preamble_ns, tail_ns};
use receive::{Heard, Reception};
use registers::*;

/// Which chip's radio.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RadioConfig {
    /// The chip's family, default `nrf52`.
    #[serde(default)]
    pub series: Series,
    /// Added to TXPOWER and taken from what arrives, in dB: antenna gain or loss, default 0.
    #[serde(default)]
    pub antenna: i16,
    /// Whether it has the registers of direction finding (nRF52833), default false.
    #[serde(default)]
    pub direction_finding: bool,
}

/// STATE's values (PS "RADIO", STATE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[default]
    Disabled = 0,
    RxRu = 1,
    RxIdle = 2,
    Rx = 3,
    RxDisable = 4,
    TxRu = 9,
    TxIdle = 10,
    Tx = 11,
    TxDisable = 12,
}

/// Something that the radio will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Step {
    /// Ramp-up is over.
    Ready,
    /// The carrier of a transmitter that is not started goes on the air, or goes on.
    Carrier,
    /// The packet is read from RAM and goes on the air.
    Launch,
    /// The address is sent.
    TxAddress,
    /// The LENGTH field of an IEEE 802.15.4 frame is sent or received.
    FrameStart,
    /// The payload is sent.
    TxPayload,
    /// The CRC is sent.
    TxEnd,
    /// The long preamble of a coded or IEEE 802.15.4 packet is over.
    RxSync,
    /// The address of a packet that might be for us is complete.
    RxAddress,
    /// Six bytes of payload are in: the device address.
    RxDevice,
    /// Four bytes of an IEEE 802.15.4 MAC header are in.
    RxHeader,
    /// The payload is in.
    RxPayload,
    /// The CRC is in.
    RxEnd,
    /// The bit counter reaches BCC.
    BitCount,
    /// Ramp-down is over.
    Disabled,
    /// The RSSI sample is there.
    Rssi,
    /// Energy detection or CCA is over.
    Energy,
}

/// RADIO.
///
/// Limits: a receiver notices energy one medium latency (24 us unless the fleet says otherwise) after it
/// begins, so RSSI, ED and CCA miss what began later than that. CCA's correlator modes count any
/// IEEE 802.15.4 signal as a carrier. Bits of a packet that another one disturbs are random.
/// Direction finding is not modelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Radio {
    config: RadioConfig,
    state: State,
    /// What is to be done, earliest first.
    steps: Vec<(Time, Step)>,
    /// Since when it listens without a break.
    listening: Time,
    /// END_DISABLE and DISABLED_TXEN or _RXEN were on at the last END: when the packet ended on the air.
    spacing: Option<Time>,
    heard: Vec<Heard>,
    reception: Option<Reception>,
    transmission: Option<Packet>,
    /// When the bit counter began, and a bit's nanoseconds then.
    counting: Option<(Time, u64)>,
    energy: Option<Energy>,
    /// The unmodulated carrier that it has on the air.
    carrier: Option<Packet>,
}

const RAMP_NRF51: Time = Time::from_us(140);
const RAMP_FAST: Time = Time::from_us(40);
const TURN_ROUND: Time = Time::from_us(20);
/// More packets in the air at once than this are forgotten, oldest first.
const MOST_HEARD: usize = 64;
/// PS "RADIO", Interframe spacing: how long before the packet a receiver must be ready, under TIFS.
const EARLY: Time = Time::from_us(4);
/// The packet is read from RAM this long after START (PS "RADIO", EasyDMA: it fetches during the preamble),
/// so that CCM, started by READY through PPI, can write it.
const FETCH: Time = Time::from_us(1);
/// More than a medium's latency: what is told again is there before the last telling ends.
const LATE: Time = Time::from_ms(1);
/// A carrier that does not last so long is not told of: nobody could notice it.
const BRIEF: Time = Time::from_us(20);
/// A carrier is told again after so long, so that its end cannot be lost for ever.
const CARRIER: Time = Time::from_ms(10);
/// nRF52840 PS "RADIO", Energy detection (ED): ED_RSSIOFFS.
const ED_OFFSET: i32 = -92;

impl Radio {
    /// From TXEN or RXEN to READY: nRF51822 PS "Radio timing parameters"; nRF52832 and nRF52840 PS "Radio
    /// timing" (t_TXEN, t_RXEN; with RU fast the FAST ones).
    ///
    /// An IEEE 802.15.4 radio whose synthesizer runs already (RXIDLE, TXIDLE) turns round sooner; the PS
    /// gives 40 us as the most, Nordic's own driver for that mode counts with the 20 us that the hardware takes.
    fn ramp_up(&self, tx: bool, io: &Io<'_, '_>) -> Time {
        let ieee = modulation(io.reg(MODE)) == Some(Modulation::Oqpsk250k);
        let fast = io.reg(MODECNF0) & 1 != 0;
        match (self.config.series, tx) {
            (Series::Nrf51, true) => RAMP_NRF51,
            (Series::Nrf51, false) => Time::from_us(138),
            _ if fast && ieee && self.state != State::Disabled => TURN_ROUND,
            _ if fast => RAMP_FAST,
            _ if ieee => Time::from_us(130),
            _ => Time::from_us(140),
        }
    }

    /// Between the digital side and the antenna (measured figures that link layers for these chips use).
    fn tx_delay(&self) -> Time {
        Time::from_ns(if self.config.series == Series::Nrf51 { 1_000 } else { 600 })
    }
    fn rx_delay(&self, modulation: Modulation) -> Time {
        Time::from_ns(match (self.config.series, modulation) {
            (Series::Nrf51, _) => 3_000,
            (_, Modulation::Gfsk2M) => 5_450,
            (_, Modulation::Coded125k | Modulation::Coded500k) => 29_600,
            (_, Modulation::Oqpsk250k) => 23_000,
            _ => 9_400,
        })
    }

    /// Sensitivity in thousandths of dBm: nRF51822 PS "Receiver specifications", nRF52832 and nRF52840 PS
    /// "RADIO", Receiver operation.
    fn sensitivity(&self, modulation: Modulation) -> i32 {
        1_000
            * match (self.config.series, modulation) {
                (Series::Nrf51, Modulation::Gfsk250k) => -96,
                (Series::Nrf51, Modulation::Gfsk2M) => -85,
                (Series::Nrf51, _) => -93,
                (_, Modulation::Gfsk2M) => -92,
                (_, Modulation::Coded125k) => -103,
                (_, Modulation::Coded500k) => -99,
                (_, Modulation::Oqpsk250k) => -100,
                _ => -96,
            }
    }

    /// By how much a packet must be stronger than another one so many MHz away (PS "RADIO", RX selectivity, C/I), in
    /// thousandths of dB.
    fn selectivity(modulation: Modulation, apart: u16) -> i32 {
        let wide = matches!(modulation, Modulation::Gfsk2M | Modulation::Oqpsk250k);
        let steps = if wide { apart / 2 } else { apart };
        let same = if modulation == Modulation::Oqpsk250k { 3_000 } else { 9_000 };
        match steps {
            0 => same,
            1 => -2_000,
            2 => -28_000,
            _ => -40_000,
        }
    }

    fn mhz(io: &Io<'_, '_>) -> u16 {
        let frequency = io.reg(FREQUENCY);
        let base = if frequency & 0x100 != 0 { 2360 } else { 2400 };
        base + (frequency & 0x7F) as u16
    }

    fn plan(&mut self, at: Time, step: Step) {
        if self.steps.len() >= 4 * MOST_HEARD {
            return; // only a flood of packets in one instant comes here
        }
        let place = self.steps.partition_point(|planned| *planned <= (at, step));
        self.steps.insert(place, (at, step));
    }

    fn cancel(&mut self, steps: &[Step]) {
        self.steps.retain(|(_, step)| !steps.contains(step));
    }

    fn stop_air(&mut self) {
        self.cancel(&[
            Step::Carrier,
            Step::Launch,
            Step::TxAddress,
            Step::TxPayload,
            Step::TxEnd,
            Step::FrameStart,
            Step::RxSync,
            Step::RxAddress,
            Step::RxDevice,
            Step::RxHeader,
            Step::RxPayload,
            Step::RxEnd,
            Step::BitCount,
        ]);
        self.reception = None;
        self.transmission = None;
        self.counting = None;
    }

    /// PS "RADIO", MODECNF0.DTX: between READY and START, and between END and what follows, a transmitter sends a
    /// carrier; on nRF51 only with TEST.CONSTCARRIER (RM "RADIO", TEST).
    fn idle(&mut self, io: &Io<'_, '_>) {
        self.state = State::TxIdle;
        if self.config.series == Series::Nrf52 || io.reg(TEST) & 1 != 0 {
            self.plan(io.now() + BRIEF, Step::Carrier);
        }
    }

    /// Puts the carrier on the air, or tells that it goes on.
    fn carry(&mut self, io: &mut Io<'_, '_>) {
        let now = io.now();
        let start = self.carrier.as_ref().map_or(now + self.tx_delay(), |carrier| carrier.start);
        let carrier = Packet {
            start,
            address_end: start,
            end: now + CARRIER + LATE,
            mhz: Self::mhz(io),
            modulation: modulation(io.reg(MODE)).unwrap_or(Modulation::Gfsk1M),
            address: 0,
            address_bits: 0,
            power: self.power_sent(io),
            bits: Vec::new(),
            bit_count: 0,
        };
        io.cx.send(carrier.encode());
        self.carrier = Some(carrier);
        self.plan(now + CARRIER, Step::Carrier);
    }

    /// The carrier ends now.
    fn drop_carrier(&mut self, io: &mut Io<'_, '_>) {
        self.cancel(&[Step::Carrier]);
        if let Some(carrier) = self.carrier.take() {
            let end = (io.now() + self.tx_delay()).max(carrier.start);
            io.cx.send(Packet { end, ..carrier }.encode());
        }
    }

    fn power_sent(&self, io: &Io<'_, '_>) -> i32 {
        1_000 * (i32::from(io.reg(TXPOWER) as u8 as i8) + i32::from(self.config.antenna))
    }

    fn enable(&mut self, tx: bool, io: &mut Io<'_, '_>) {
        // PS "RADIO", Radio states: RXIDLE and TXIDLE can turn round without DISABLED.
        let turns = match self.state {
            State::Rx | State::RxIdle => tx,
            State::TxIdle => !tx,
            state => state == State::Disabled,
        };
        if !turns {
            return;
        }
        self.stop_air();
        self.drop_carrier(io);
        let mut ready = io.now() + self.ramp_up(tx, io);
        // PS "RADIO", Interframe spacing: TIFS is kept when the shorts do the turn-around; a longer
        // ramp-up wins.
        let spacing = Time::from_us(u64::from(io.reg(TIFS)));
        if let Some(end) = self.spacing.take().filter(|_| spacing > Time::ZERO) {
            let early = if tx { self.tx_delay() } else { EARLY };
            ready = ready.max(end + spacing - early);
        }
        self.state = if tx { State::TxRu } else { State::RxRu };
        self.plan(ready, Step::Ready);
    }

    fn disable(&mut self, io: &mut Io<'_, '_>) {
        let tx = matches!(self.state, State::TxRu | State::TxIdle | State::Tx);
        match self.state {
            State::Disabled => io.raise(DISABLED),
            State::TxDisable | State::RxDisable => {}
            _ => {
                self.stop_air();
                self.drop_carrier(io);
                self.stop_energy();
                self.cancel(&[Step::Ready]);
                self.state = if tx { State::TxDisable } else { State::RxDisable };
                // nRF52832 PS "RADIO", Radio timing: t_TXDIS, t_RXDIS.
                let us = match (tx, modulation(io.reg(MODE))) {
                    (false, _) => 0,
                    (true, Some(Modulation::Gfsk2M)) => 4,
                    (true, Some(Modulation::Oqpsk250k)) => 21,
                    (true, _) => 6,
                };
                if us == 0 {
                    self.disabled(io);
                } else {
                    self.plan(io.now() + Time::from_us(us), Step::Disabled);
                }
            }
        }
    }

    fn disabled(&mut self, io: &mut Io<'_, '_>) {
        self.state = State::Disabled;
        io.raise(DISABLED);
    }

    fn start(&mut self, io: &mut Io<'_, '_>) {
        match self.state {
            State::TxIdle => {
                self.state = State::Tx;
                self.drop_carrier(io);
                self.plan(io.now() + FETCH, Step::Launch);
            }
            State::RxIdle => {
                self.state = State::Rx;
                self.listening = io.now();
            }
            _ => {}
        }
    }

    /// The packet is read from RAM and put on the air; it began one FETCH ago.
    fn launch(&mut self, io: &mut Io<'_, '_>) {
        let began = Time::from_ps(io.now().as_ps().saturating_sub(FETCH.as_ps()));
        let Some(modulation) = modulation(io.reg(MODE)) else {
            io.cx.guest_error(format!("RADIO: MODE {} is reserved", io.reg(MODE)));
            return;
        };
        let layout = Layout::of(io);
        let ram = dma::read(io, io.reg(PACKETPTR), layout.ram_bytes());
        let on_air = address(io, io.reg(TXADDRESS));
        let (bits, payload_bits) = layout.encode(&ram, on_air);
        let bit = bit_ns(modulation);
        let address_at = preamble_ns(io, modulation) + address_ns(modulation, u32::from(on_air.1));
        let first_bit = address_at + gap_ns(modulation);
        let after = |ns: u64| began + Time::from_ns(ns);
        let end = first_bit + u64::from(bits.len) * bit + tail_ns(modulation);
        self.plan(after(address_at), Step::TxAddress);
        if modulation == Modulation::Oqpsk250k {
            self.plan(after(first_bit + 8 * bit), Step::FrameStart);
        }
        self.plan(after(first_bit + u64::from(payload_bits) * bit), Step::TxPayload);
        self.plan(after(end), Step::TxEnd);
        let packet = Packet {
            start: began + self.tx_delay(),
            address_end: after(address_at) + self.tx_delay(),
            end: after(end) + self.tx_delay(),
            mhz: Self::mhz(io),
            modulation,
            address: on_air.0,
            address_bits: on_air.1,
            power: self.power_sent(io),
            bits: bits.bytes,
            bit_count: bits.len,
        };
        io.cx.send(packet.encode());
        self.transmission = Some(packet);
    }

    /// END of either direction; `on_air` is when the packet ended there.
    fn finish(&mut self, on_air: Time, io: &mut Io<'_, '_>) {
        self.counting = None;
        self.cancel(&[Step::BitCount]);
        // PS "RADIO", MODECNF0.RU: with the fast ramp-up hardware does not keep TIFS.
        let fast = io.reg(MODECNF0) & 1 != 0;
        let turns = !fast && io.shorts() & (1 << 1 | 1 << 20) != 0 && io.shorts() & 0b1100 != 0;
        self.spacing = turns.then_some(on_air);
        io.raise(END);
        io.raise(PHYEND);
    }

    fn count_bits(&mut self, io: &Io<'_, '_>) {
        self.cancel(&[Step::BitCount]);
        if let Some((since, bit)) = self.counting {
            let at = since + Time::from_ns(u64::from(io.reg(BCC)).saturating_mul(bit));
            if at > io.now() {
                self.plan(at, Step::BitCount);
            }
        }
    }

    fn step(&mut self, step: Step, io: &mut Io<'_, '_>) {
        match step {
            Step::Ready => {
                let tx = self.state == State::TxRu;
                if tx {
                    self.idle(io);
                } else {
                    self.state = State::RxIdle;
                }
                io.raise(READY);
                io.raise(if tx { TXREADY } else { RXREADY });
            }
            Step::Carrier => self.carry(io),
            Step::Launch => self.launch(io),
            Step::TxAddress => io.raise(ADDRESS),
            Step::FrameStart => io.raise(FRAMESTART),
            Step::TxPayload => io.raise(PAYLOAD),
            Step::TxEnd => {
                self.idle(io);
                let on_air = self.transmission.take().map_or(io.now(), |packet| packet.end);
                self.finish(on_air, io);
            }
            Step::RxSync => self.sync(io),
            Step::RxAddress => self.rx_address(io),
            Step::RxDevice => self.device(io),
            Step::RxHeader => self.header(io),
            Step::RxPayload => {
                self.store(false, io);
                io.raise(PAYLOAD);
            }
            Step::RxEnd => self.rx_end(io),
            Step::BitCount => {
                self.store(false, io);
                io.raise(BCMATCH);
            }
            Step::Disabled => self.disabled(io),
            Step::Rssi => {
                let power = self.power(io.now(), io.now(), io);
                io.set(RSSISAMPLE, (-power / 1_000).clamp(0, 127) as u32);
                io.raise(RSSIEND);
            }
            Step::Energy => self.energy_done(io),
        }
    }
}

impl Logic for Radio {
    const KIND: &'static str = "nordic-radio";
    const DOC: &'static str = "The 2.4 GHz radio: nRF proprietary, Bluetooth LE, IEEE 802.15.4.";
    type Config = RadioConfig;

    fn new(config: RadioConfig) -> Self {
        Self {
            config,
            state: State::Disabled,
            steps: Vec::new(),
            listening: Time::ZERO,
            spacing: None,
            heard: Vec::new(),
            reception: None,
            transmission: None,
            counting: None,
            energy: None,
            carrier: None,
        }
    }

    fn spec(&self) -> &'static Spec {
        match self.config.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 if self.config.direction_finding => &SPEC52833,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn port(&self) -> Option<PortKind> {
        Some(PortKind::Radio)
    }

    /// A packet needs TXEN and the shortest ramp-up that may follow it.
    fn headroom(&self) -> Time {
        match (self.state, self.config.series) {
            (State::TxRu | State::TxIdle | State::Tx, _) => Time::ZERO,
            (_, Series::Nrf51) => RAMP_NRF51,
            (State::Disabled, _) => RAMP_FAST,
            _ => TURN_ROUND,
        }
    }

    /// What is on the air while it is off matters when it is switched on, or not at all.
    fn is_deaf(&self) -> bool {
        self.state == State::Disabled && self.steps.is_empty()
    }

    /// What is on the air does not care.
    fn reset(&mut self, io: &mut Io<'_, '_>) {
        self.drop_carrier(io);
        let heard = std::mem::take(&mut self.heard);
        *self = Self { heard, ..Self::new(self.config) };
    }

    fn view(&self, offset: u32, _: &Regs<'_>, _: Time) -> Option<u32> {
        (offset == STATE).then_some(self.state as u32)
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        match task {
            TXEN => self.enable(true, io),
            RXEN => self.enable(false, io),
            START => self.start(io),
            STOP => match self.state {
                State::Tx => {
                    self.stop_air();
                    self.idle(io);
                }
                State::Rx => {
                    self.stop_air();
                    self.state = State::RxIdle;
                }
                _ => {}
            },
            DISABLE => self.disable(io),
            RSSISTART => {
                // nRF51822 PS "Received signal strength indicator": 8.8 us; nRF52832 PS "RADIO", Received
                // signal strength indicator: 0.25 us.
                let ns = if self.config.series == Series::Nrf51 { 8_800 } else { 250 };
                self.cancel(&[Step::Rssi]);
                self.plan(io.now() + Time::from_ns(ns), Step::Rssi);
            }
            RSSISTOP => self.cancel(&[Step::Rssi]),
            BCSTART => {
                let bit = modulation(io.reg(MODE)).map_or(1_000, bit_ns);
                self.counting = Some((io.now(), bit));
                self.count_bits(io);
            }
            BCSTOP => {
                self.counting = None;
                self.cancel(&[Step::BitCount]);
            }
            EDSTART => self.start_energy(false, io),
            CCASTART => self.start_energy(true, io),
            EDSTOP | CCASTOP => {
                self.stop_energy();
                io.raise(if task == EDSTOP { EDSTOPPED } else { CCASTOPPED });
            }
            _ => {}
        }
    }

    fn write(&mut self, offset: u32, value: u32, _: u32, io: &mut Io<'_, '_>) {
        match offset {
            BCC => self.count_bits(io),
            CRCINIT | CRCPOLY | PCNF0 | PCNF1 if self.state == State::Tx => {
                io.cx.guest_error(format!(
                    "RADIO: offset {offset:#x} written ({value:#x}) while transmitting"
                ));
            }
            _ => {}
        }
    }

    fn receive(&mut self, data: &[u8], io: &mut Io<'_, '_>) {
        let Ok(mut packet) = Packet::decode(data) else {
            io.cx.guest_error("RADIO: what came from the medium is no packet");
            return;
        };
        let now = io.now();
        packet.power = packet.power.saturating_add(1_000 * i32::from(self.config.antenna));
        // The end of a carrier that it has heard of, or that the carrier goes on.
        let known = |heard: &&mut Heard| {
            heard.packet.address_bits == 0
                && heard.packet.start == packet.start
                && heard.packet.mhz == packet.mhz
        };
        if packet.address_bits == 0
            && let Some(carrier) = self.heard.iter_mut().find(known)
        {
            carrier.packet.end = packet.end;
            return;
        }
        // What ended long ago can neither be measured nor disturb a packet still being received.
        let oldest = self.reception.as_ref().map_or(now, |reception| reception.packet.start);
        let since = self.energy.map_or(oldest, |energy| oldest.min(energy.since));
        self.heard.retain(|heard| heard.packet.end + Time::from_us(50) > since);
        if self.heard.len() >= MOST_HEARD {
            self.heard.remove(0);
        }
        let audible = packet.power >= self.sensitivity(packet.modulation)
            && packet.bits.len() as u64 * 8 >= u64::from(packet.bit_count);
        let candidate = (audible && matches!(self.state, State::Rx | State::RxIdle | State::RxRu))
            .then(|| Self::matching(&packet, io))
            .flatten();
        if candidate.is_some() {
            let at = packet.address_end + self.rx_delay(packet.modulation);
            self.plan(at.max(now), Step::RxAddress);
        }
        let slow = matches!(
            packet.modulation,
            Modulation::Oqpsk250k | Modulation::Coded125k | Modulation::Coded500k
        );
        if audible && slow && packet.address_bits != 0 && self.state != State::Disabled {
            let over = packet.start + Time::from_ns(preamble_ns(io, packet.modulation));
            self.plan((over + self.rx_delay(packet.modulation)).max(now), Step::RxSync);
        }
        self.heard.push(Heard { packet, candidate });
    }

    fn deadline(&self) -> Time {
        self.steps.first().map_or(Time::MAX, |(at, _)| *at)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        if self.steps.first().is_some_and(|(at, _)| *at <= io.now()) {
            let (_, step) = self.steps.remove(0);
            self.step(step, io);
        }
    }
}

#[cfg(test)]
mod tests;
