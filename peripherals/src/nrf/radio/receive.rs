//! Reception: what a receiver notices of the packets on the air, and how they come into RAM.

use consort_core::Time;
use consort_core::radio::{Modulation, Packet};
use serde::{Deserialize, Serialize};

use super::super::block::Io;
use super::super::dma;
use super::packet::{Bits, Layout, Parsed, address, bit_ns, gap_ns, modulation, preamble_ns, tail_ns};
use super::registers::*;
use super::{ED_OFFSET, Radio, State, Step};

/// A packet on the air as this receiver hears it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Heard {
    pub(super) packet: Packet,
    /// The logical address it matched, when it was noticed in time.
    pub(super) candidate: Option<u8>,
}

/// A reception under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reception {
    pub(super) packet: Packet,
    pub(super) ptr: u32,
    /// When its first bit after the address came in.
    pub(super) first_bit: Time,
    /// Nanoseconds of a bit.
    pub(super) bit: u64,
    pub(super) ram_done: usize,
}

impl Radio {
    /// The logical address that a packet's address matches (PS "RADIO", Address configuration), lowest first.
    pub(super) fn matching(packet: &Packet, io: &Io<'_, '_>) -> Option<u8> {
        let enabled = if io.reg(MODE) == 15 { 1 } else { io.reg(RXADDRESSES) };
        (0..8u8)
            .filter(|n| enabled >> n & 1 != 0)
            .find(|n| address(io, u32::from(*n)) == (packet.address, packet.address_bits))
    }

    /// Whether something else on the air disturbs `packet` between two instants.
    pub(super) fn disturbed(&self, packet: &Packet, from: Time, to: Time) -> bool {
        self.heard.iter().map(|heard| &heard.packet).any(|other| {
            let another = other.start != packet.start || other.bits != packet.bits || other.mhz != packet.mhz;
            another
                && other.start < to
                && other.end > from
                && packet.power - other.power
                    < Self::selectivity(packet.modulation, packet.mhz.abs_diff(other.mhz))
        })
    }

    /// PS "RADIO", EVENTS_SYNC: a preamble that this receiver has listened to from its beginning.
    pub(super) fn sync(&mut self, io: &mut Io<'_, '_>) {
        let listens = self.state == State::Rx && self.reception.is_none();
        let here = |heard: &Heard| {
            let packet = &heard.packet;
            let over = packet.start + Time::from_ns(preamble_ns(io, packet.modulation));
            over + self.rx_delay(packet.modulation) == io.now()
                && self.listening <= packet.start
                && packet.mhz == Self::mhz(io)
                && modulation(io.reg(MODE)) == Some(packet.modulation)
                && !self.disturbed(packet, packet.start, over)
        };
        if listens && self.heard.iter().any(here) {
            io.raise(SYNC);
        }
    }

    /// The address is complete: the reception begins if the receiver heard all of it undisturbed.
    pub(super) fn rx_address(&mut self, io: &mut Io<'_, '_>) {
        let now = io.now();
        let mut found = None;
        for heard in &mut self.heard {
            let at = heard.packet.address_end;
            if heard.candidate.is_some() && at <= now {
                let candidate = heard.candidate.take();
                found = found.or(candidate.map(|n| (n, heard.packet.clone())));
            }
        }
        let Some((n, mut packet)) = found else { return };
        let preamble = packet.start + Time::from_ns(preamble_ns(io, packet.modulation) / 2);
        let noticed = self.state == State::Rx
            && self.reception.is_none()
            && self.listening <= preamble
            && packet.mhz == Self::mhz(io)
            && modulation(io.reg(MODE)) == Some(packet.modulation)
            && Self::matching(&packet, io) == Some(n)
            && !self.disturbed(&packet, packet.start, packet.address_end);
        if !noticed {
            return;
        }
        let layout = Layout::of(io);
        let bits = Bits { bytes: std::mem::take(&mut packet.bits), len: packet.bit_count };
        packet.bits = bits.bytes.clone();
        let parsed = layout.parse(&layout.whiten(&bits), address(io, u32::from(n)));
        let bit = bit_ns(packet.modulation);
        let delay = self.rx_delay(packet.modulation);
        let first_bit = packet.address_end + Time::from_ns(gap_ns(packet.modulation));
        let at = |bits: u32| first_bit + Time::from_ns(u64::from(bits) * bit) + delay;
        if packet.modulation == Modulation::Oqpsk250k {
            self.plan(at(8), Step::FrameStart);
        }
        if io.reg(DACNF) & 0xFF != 0 && parsed.payload_bits >= parsed.head_bits + 48 {
            self.plan(at(parsed.head_bits + 48), Step::RxDevice);
        }
        let header = packet.modulation == Modulation::Oqpsk250k && io.reg(MHRMATCHMAS) != 0;
        if header && parsed.payload_bits >= parsed.head_bits + 32 {
            self.plan(at(parsed.head_bits + 32), Step::RxHeader);
        }
        self.plan(at(parsed.payload_bits), Step::RxPayload);
        self.plan(at(parsed.bits) + Time::from_ns(tail_ns(packet.modulation)), Step::RxEnd);
        io.set(RXMATCH, u32::from(n));
        let ci = u32::from(packet.modulation == Modulation::Coded500k);
        io.set(PDUSTAT, ci << 1 | u32::from(parsed.cut));
        let ptr = io.reg(PACKETPTR);
        self.reception = Some(Reception { packet, ptr, first_bit: first_bit + delay, bit, ram_done: 0 });
        io.raise(ADDRESS);
        if ci != 0 {
            io.raise(RATEBOOST);
        }
    }

    /// The packet as it arrives by the end: disturbed bits are random.
    pub(super) fn arrived(&self, reception: &Reception, io: &mut Io<'_, '_>) -> (Bits, bool) {
        let packet = &reception.packet;
        let mut bits = Bits { bytes: packet.bits.clone(), len: packet.bit_count };
        let mut broken = false;
        let delay = self.rx_delay(packet.modulation);
        for index in 0..bits.bytes.len() {
            let from = reception.first_bit - delay + Time::from_ns(index as u64 * 8 * reception.bit);
            if self.disturbed(packet, from, from + Time::from_ns(8 * reception.bit)) {
                bits.bytes[index] ^= io.cx.rng().next_u32() as u8 | 1;
                broken = true;
            }
        }
        (bits, broken)
    }

    /// Writes what came in until now to RAM.
    pub(super) fn store(&mut self, whole: bool, io: &mut Io<'_, '_>) -> Option<Parsed> {
        let mut reception = self.reception.take()?;
        let layout = Layout::of(io);
        let (bits, _) = if whole {
            self.arrived(&reception, io)
        } else {
            (Bits { bytes: reception.packet.bits.clone(), len: reception.packet.bit_count }, false)
        };
        let on_air = address(io, io.reg(RXMATCH));
        let parsed = layout.parse(&layout.whiten(&bits), on_air);
        let upto = if whole {
            reception.ram_done = 0;
            parsed.ram.len()
        } else {
            let in_bits = (io.now() - reception.first_bit).as_ns() / reception.bit.max(1);
            let payload = in_bits.saturating_sub(u64::from(parsed.head_bits)) as usize / 8;
            (parsed.head + payload).min(parsed.ram.len())
        };
        if upto > reception.ram_done {
            let ptr = reception.ptr.wrapping_add(reception.ram_done as u32);
            dma::write(io, ptr, &parsed.ram[reception.ram_done..upto]);
            reception.ram_done = upto;
        }
        self.reception = Some(reception);
        Some(parsed)
    }

    pub(super) fn rx_end(&mut self, io: &mut Io<'_, '_>) {
        let Some(parsed) = self.store(true, io) else { return };
        let Some(reception) = self.reception.take() else { return };
        self.state = State::RxIdle;
        io.set(RXCRC, parsed.crc);
        io.set(CRCSTATUS, u32::from(parsed.crc_ok));
        if reception.packet.modulation == Modulation::Oqpsk250k {
            // nRF52840 PS "RADIO", Receive sequence: LQI takes the place of the first CRC byte.
            let level = (reception.packet.power / 1_000 - ED_OFFSET).clamp(0, 127) as u8;
            dma::write(io, reception.ptr.wrapping_add(parsed.ram.len() as u32), &[level]);
        }
        self.finish(reception.packet.end, io);
        io.raise(if parsed.crc_ok { CRCOK } else { CRCERROR });
    }

    /// PS "RADIO", Device address match: on the first 48 bits of the payload and TxAdd in S0.
    pub(super) fn device(&mut self, io: &mut Io<'_, '_>) {
        let Some(parsed) = self.store(false, io) else { return };
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(parsed.ram.iter().skip(parsed.head).take(6)) {
            *to = *from;
        }
        let device = u64::from_le_bytes(bytes);
        let tx_add = parsed.ram.first().is_some_and(|s0| s0 & 0x40 != 0);
        let dacnf = io.reg(DACNF);
        let found = (0..8).find(|n| {
            let mine = u64::from(io.reg(DAB + n * 4)) | u64::from(io.reg(DAP + n * 4)) << 32;
            dacnf >> n & 1 != 0 && (dacnf >> (8 + n) & 1 != 0) == tx_add && mine == device
        });
        if let Some(n) = found {
            io.set(DAI, n);
        }
        io.raise(if found.is_some() { DEVMATCH } else { DEVMISS });
    }

    /// PS "RADIO", MHRMATCHCONF, MHRMATCHMAS: the first four bytes after the length, where the mask has ones.
    pub(super) fn header(&mut self, io: &mut Io<'_, '_>) {
        let Some(parsed) = self.store(false, io) else { return };
        let first = parsed.ram.get(parsed.head..).and_then(|bytes| bytes.first_chunk());
        let header = first.map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if (header ^ io.reg(MHRMATCHCONF)) & io.reg(MHRMATCHMAS) == 0 {
            io.raise(MHRMATCH);
        }
    }
}
