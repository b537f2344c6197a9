//! Two radios and the air between them.

use super::*;
use crate::nrf::block::{Block, INTENSET, SHORTS};
use consort_core::component::{Component, Model};
use consort_core::state::State as _;
use consort_core::testing::Rig;

const RAM: u32 = 0x2000_0000;
const LATENCY: Time = Time::from_us(24);

/// Radios in one time; what one sends the others get one latency later, 50 dB weaker.
struct Air {
    radios: Vec<Rig<Block<Radio>>>,
    flying: Vec<(Time, usize, Packet)>,
    loss: i32,
}

impl Air {
    fn new(count: usize, series: Series) -> Self {
        let radio = || {
            let mut rig = Rig::new(Block::<Radio>::new(RadioConfig { series, ..RadioConfig::default() }));
            rig.host.base = u64::from(RAM);
            rig.host.memory = vec![0; 1024];
            rig
        };
        Self { radios: (0..count).map(|_| radio()).collect(), flying: Vec::new(), loss: 50_000 }
    }

    fn run_until(&mut self, until: Time) {
        loop {
            let next = self.radios.iter().map(|rig| rig.wake).chain(self.flying.iter().map(|f| f.0)).min();
            let now = next.unwrap_or(Time::MAX).min(until);
            for rig in &mut self.radios {
                rig.run_until(now);
            }
            for index in 0..self.flying.len() {
                let (at, to, packet) = self.flying[index].clone();
                if at <= now {
                    let frame = packet.encode();
                    self.radios[to].receive(&frame);
                }
            }
            self.flying.retain(|(at, ..)| *at > now);
            for from in 0..self.radios.len() {
                for (at, frame) in std::mem::take(&mut self.radios[from].sent) {
                    for to in (0..self.radios.len()).filter(|to| *to != from) {
                        let mut packet = Packet::decode(&frame).unwrap();
                        packet.power -= self.loss;
                        self.flying.push((at + LATENCY, to, packet));
                    }
                }
            }
            let pending = self.radios.iter().any(|rig| rig.wake <= now);
            if now >= until && !pending {
                break;
            }
        }
    }

    fn run_for(&mut self, span: Time) {
        let now = self.radios[0].now;
        self.run_until(now + span);
    }
}

/// BLE 1M advertising on channel 37.
fn ble(rig: &mut Rig<Block<Radio>>) {
    rig.write(MODE, 3);
    rig.write(FREQUENCY, 2);
    rig.write(PCNF0, 8 | 1 << 8);
    rig.write(PCNF1, 37 | 3 << 16 | 1 << 25);
    rig.write(BASE0, 0x89BE_D600);
    rig.write(PREFIX0, 0x8E);
    rig.write(RXADDRESSES, 1);
    rig.write(CRCCNF, 3 | 1 << 8);
    rig.write(CRCPOLY, 0x65B);
    rig.write(CRCINIT, 0x55_5555);
    rig.write(DATAWHITEIV, 37);
    rig.write(PACKETPTR, RAM);
}

fn put(rig: &mut Rig<Block<Radio>>, bytes: &[u8]) {
    rig.host.memory[..bytes.len()].copy_from_slice(bytes);
}

const PDU: [u8; 10] = [0x42, 8, 1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn a_packet_arrives_with_the_times_of_the_manual() {
    // nRF52832 PS "RADIO", Transmit sequence: READY after the ramp-up, ADDRESS after preamble and address,
    // PAYLOAD, END.
    let mut air = Air::new(2, Series::Nrf52);
    air.radios.iter_mut().for_each(ble);
    put(&mut air.radios[0], &PDU);
    air.radios[1].write(SHORTS, 1);
    air.radios[1].write(RXEN, 1);
    air.run_until(Time::from_us(500));
    assert_eq!(air.radios[1].read(STATE), State::Rx as u32);
    air.radios[0].write(SHORTS, 1 | 2);
    air.radios[0].write(TXEN, 1);
    air.run_for(Time::from_us(139));
    assert_eq!(air.radios[0].read(READY), 0);
    air.run_for(Time::from_us(1));
    assert_eq!((air.radios[0].read(READY), air.radios[0].read(STATE)), (1, State::Tx as u32));
    air.run_for(Time::from_us(40));
    assert_eq!((air.radios[0].read(ADDRESS), air.radios[1].read(ADDRESS)), (1, 0));
    air.run_for(Time::from_us(10)); // both chains: 0.6 us and 9.4 us
    assert_eq!((air.radios[1].read(ADDRESS), air.radios[1].read(RXMATCH)), (1, 0));
    air.run_for(Time::from_us(80 - 10));
    assert_eq!((air.radios[0].read(PAYLOAD), air.radios[0].read(END)), (1, 0));
    air.run_for(Time::from_us(24));
    assert_eq!((air.radios[0].read(END), air.radios[0].read(DISABLED)), (1, 0));
    air.run_for(Time::from_us(6));
    assert_eq!(air.radios[0].read(DISABLED), 1);
    assert_eq!(air.radios[1].read(END), 0);
    air.run_for(Time::from_us(4));
    let receiver = &mut air.radios[1];
    assert_eq!((receiver.read(END), receiver.read(CRCSTATUS), receiver.read(CRCOK)), (1, 1, 1));
    assert_eq!(receiver.host.memory[..10], PDU);
    assert_eq!(receiver.read(STATE), State::RxIdle as u32);
}

#[test]
fn every_mode_has_its_time_on_the_air() {
    // PS "RADIO", MODE, Packet configuration; Bluetooth Core v5.0, vol 6, part B, 2.2 (coded PHY). Preamble,
    // address, then the whole packet of S0, LENGTH, eight bytes and CRC, in nanoseconds.
    let bits = |count: u64, ns: u64| count * ns;
    let uncoded = 16 + 64 + 24;
    for (mode, plen, header, rest) in [
        (0, 0, bits(8 + 32, 1_000), bits(uncoded, 1_000)),
        (1, 0, bits(8 + 32, 500), bits(uncoded, 500)),
        (2, 0, bits(8 + 32, 4_000), bits(uncoded, 4_000)),
        (3, 0, bits(8 + 32, 1_000), bits(uncoded, 1_000)),
        (4, 1, bits(16 + 32, 500), bits(uncoded, 500)),
        (5, 3, 80_000 + bits(32, 8_000), 40_000 + bits(uncoded, 8_000) + bits(3, 8_000)),
        (6, 3, 80_000 + bits(32, 8_000), 40_000 + bits(uncoded, 2_000) + bits(3, 2_000)),
    ] {
        let mut air = Air::new(1, Series::Nrf52);
        let rig = &mut air.radios[0];
        ble(rig);
        rig.write(MODE, mode);
        rig.write(PCNF0, 8 | 1 << 8 | plen << 24);
        put(rig, &PDU);
        rig.write(SHORTS, 1 | 2);
        rig.write(TXEN, 1);
        let began = Time::from_us(140);
        let at = |ns: u64| began + Time::from_ns(ns);
        rig.run_until(at(header) - Time::from_ps(1));
        assert_eq!(rig.read(ADDRESS), 0, "mode {mode}");
        rig.run_until(at(header));
        assert_eq!(rig.read(ADDRESS), 1, "mode {mode}");
        rig.run_until(at(header + rest) - Time::from_ps(1));
        assert_eq!(rig.read(END), 0, "mode {mode}");
        rig.run_until(at(header + rest));
        assert_eq!((rig.read(END), rig.read(DISABLED)), (1, 0), "mode {mode}");
    }
}

#[test]
fn a_radio_promises_its_ramp_up() {
    // PS "RADIO", Radio timing: nothing leaves a radio before its shortest ramp-up, which is the fleet's lookahead.
    let mut air = Air::new(1, Series::Nrf52);
    let rig = &mut air.radios[0];
    ble(rig);
    rig.write(MODECNF0, 1);
    assert_eq!(rig.component.headroom(), RAMP_FAST);
    rig.write(SHORTS, 1);
    rig.write(TXEN, 1);
    assert_eq!(rig.component.headroom(), Time::ZERO);
    rig.run_until(Time::from_us(60));
    assert!(rig.sent[0].0 >= RAMP_FAST);
    rig.write(DISABLE, 1);
    rig.run_for(Time::from_us(10));
    rig.write(RXEN, 1);
    assert_eq!(rig.component.headroom(), TURN_ROUND);
    assert_eq!(Air::new(1, Series::Nrf51).radios[0].component.headroom(), RAMP_NRF51);
}

fn received(change: impl Fn(&mut Air)) -> bool {
    let mut air = Air::new(2, Series::Nrf51);
    air.radios.iter_mut().for_each(ble);
    put(&mut air.radios[0], &PDU);
    change(&mut air);
    air.radios[1].write(SHORTS, 1);
    air.radios[1].write(RXEN, 1);
    air.run_until(Time::from_us(300));
    air.radios[0].write(SHORTS, 1);
    air.radios[0].write(TXEN, 1);
    air.run_for(Time::from_ms(1));
    air.radios[1].read(END) == 1 && air.radios[1].read(CRCSTATUS) == 1
}

#[test]
fn only_who_agrees_hears() {
    assert!(received(|_| {}));
    assert!(!received(|air| air.radios[1].write(FREQUENCY, 26)), "another channel");
    assert!(!received(|air| air.radios[1].write(PREFIX0, 0x8F)), "another address");
    assert!(!received(|air| air.radios[1].write(MODE, 1)), "another mode");
    assert!(!received(|air| air.radios[1].write(CRCINIT, 1)), "another CRC");
    assert!(!received(|air| air.radios[1].write(DATAWHITEIV, 38)), "other whitening");
    assert!(!received(|air| air.loss = 94_000), "out of range");
    assert!(received(|air| air.loss = 92_000));
}

#[test]
fn logical_addresses_match_in_order() {
    // PS "RADIO", Address configuration: addresses 1 to 7 share BASE1.
    assert!(received(|air| {
        air.radios[0].write(TXADDRESS, 5);
        air.radios[0].write(BASE1, 0x1234_5600);
        air.radios[0].write(PREFIX0 + 4, 0xAB00);
        air.radios[1].write(BASE1, 0x1234_5600);
        air.radios[1].write(PREFIX0 + 4, 0xAB00);
        air.radios[1].write(RXADDRESSES, 0xFF);
    }));
}

#[test]
fn a_receiver_that_comes_late_hears_nothing() {
    // PS "RADIO", Receive sequence: only a receiver in RX finds an address.
    for (wait, expected) in [(2, true), (20, false)] {
        let mut air = Air::new(2, Series::Nrf52);
        air.radios.iter_mut().for_each(ble);
        put(&mut air.radios[0], &PDU);
        air.radios.iter_mut().for_each(|rig| rig.write(SHORTS, 1));
        air.radios[0].write(TXEN, 1);
        air.run_for(Time::from_us(wait));
        air.radios[1].write(RXEN, 1);
        air.run_for(Time::from_ms(1));
        assert_eq!(air.radios[1].read(END) == 1, expected, "{wait} us later");
    }
}

#[test]
fn the_inter_frame_space_is_kept_by_hardware() {
    // PS "RADIO", Interframe spacing: END to the next START is TIFS with END_DISABLE and DISABLED_RXEN /
    // DISABLED_TXEN.
    let mut air = Air::new(2, Series::Nrf52);
    air.radios.iter_mut().for_each(ble);
    air.radios.iter_mut().for_each(|rig| rig.write(TIFS, 150));
    put(&mut air.radios[0], &PDU);
    air.radios[1].write(SHORTS, 1 | 2 | 4);
    air.radios[1].write(RXEN, 1);
    air.run_until(Time::from_us(200));
    air.radios[0].write(SHORTS, 1 | 2 | 8);
    air.radios[0].write(TXEN, 1);
    let (mut end, mut answer) = (None, None);
    for _ in 0..6_000 {
        air.run_for(Time::from_ns(100));
        for (_, _, packet) in &air.flying {
            if air.radios[0].read(END) == 0 && end.is_none() {
                end = Some(packet.end);
            } else if end.is_some_and(|end| packet.start > end) {
                answer = Some(packet.start);
            }
        }
    }
    assert_eq!(answer.unwrap() - end.unwrap(), Time::from_us(150));
    air.run_for(Time::from_us(200));
    assert_eq!((air.radios[0].read(CRCSTATUS), air.radios[0].read(CRCOK)), (1, 1));
}

#[test]
fn the_fast_ramp_up_leaves_the_inter_frame_space_to_software() {
    // nRF5340 PS "RADIO", MODECNF0.RU, says of the same radio: "When enabled, TIFS is not enforced by hardware".
    let mut air = Air::new(1, Series::Nrf52);
    let rig = &mut air.radios[0];
    ble(rig);
    rig.write(MODECNF0, 1);
    rig.write(TIFS, 150);
    rig.write(SHORTS, 1 | 2 | 8);
    rig.write(TXEN, 1);
    while rig.read(DISABLED) == 0 {
        rig.run_for(Time::from_ns(100));
    }
    rig.run_for(RAMP_FAST);
    assert_eq!(rig.read(RXREADY), 1);
}

#[test]
fn a_transmitter_that_is_not_started_sends_a_carrier() {
    // nRF52 PS "RADIO", MODECNF0.DTX: what it transmits between READY and START, END and START; RM "RADIO", TEST.
    for (series, test, heard) in
        [(Series::Nrf52, 0, true), (Series::Nrf51, 0, false), (Series::Nrf51, 3, true)]
    {
        let mut air = Air::new(2, series);
        air.radios.iter_mut().for_each(ble);
        air.radios[0].write(TEST, test);
        air.radios[0].write(TXEN, 1);
        air.radios[1].write(RXEN, 1);
        let level = |air: &mut Air, ms| {
            air.run_for(Time::from_ms(ms));
            air.radios[1].write(RSSISTART, 1);
            air.run_for(Time::from_us(10));
            air.radios[1].read(RSSISAMPLE)
        };
        assert_eq!(level(&mut air, 1) == 50, heard, "{series:?}");
        assert_eq!(level(&mut air, 35) == 50, heard, "it goes on");
        air.radios[0].write(DISABLE, 1);
        assert_eq!(level(&mut air, 1), 100, "thermal noise again");
    }
}

#[test]
fn a_carrier_ends_where_the_packet_begins() {
    let mut air = Air::new(2, Series::Nrf52);
    air.radios.iter_mut().for_each(ble);
    put(&mut air.radios[0], &PDU);
    air.radios[1].write(SHORTS, 1);
    air.radios[1].write(RXEN, 1);
    air.radios[0].write(TXEN, 1);
    air.run_for(Time::from_ms(3));
    let saved = air.radios[0].component.save().unwrap();
    air.radios[0].component = Block::new(RadioConfig::default());
    air.radios[0].component.restore(&saved).unwrap();
    air.radios[0].write(START, 1);
    air.run_for(Time::from_ms(1));
    assert_eq!((air.radios[1].read(END), air.radios[1].read(CRCSTATUS)), (1, 1));
}

#[test]
fn the_stronger_of_two_packets_survives_and_equals_destroy_each_other() {
    // PS "RADIO", Receiver operation: co-channel C/I.
    for (difference, expected) in [(0, false), (20_000, true)] {
        let mut air = Air::new(2, Series::Nrf52);
        air.radios.iter_mut().for_each(ble);
        put(&mut air.radios[0], &PDU);
        air.radios[1].write(SHORTS, 1);
        air.radios[1].write(RXEN, 1);
        air.run_until(Time::from_us(200));
        air.radios[0].write(SHORTS, 1);
        air.radios[0].write(TXEN, 1);
        air.run_for(Time::from_us(150));
        let mut other = air.flying[0].2.clone();
        other.start += Time::from_us(60);
        other.address_end += Time::from_us(60);
        other.end += Time::from_us(60);
        other.power -= difference;
        other.bits[3] ^= 1;
        air.flying.push((air.radios[0].now + Time::from_us(50), 1, other));
        air.run_for(Time::from_ms(1));
        assert_eq!(air.radios[1].read(END), 1);
        assert_eq!(air.radios[1].read(CRCSTATUS) == 1, expected, "{difference}");
    }
}

#[test]
fn bit_counter_device_match_and_rssi() {
    // PS "RADIO", Bit counter: BCMATCH BCC bits after ADDRESS; Device address match: DEVMATCH; Received
    // signal strength indicator: RSSISAMPLE is minus dBm.
    let mut air = Air::new(2, Series::Nrf52);
    air.radios.iter_mut().for_each(ble);
    put(&mut air.radios[0], &PDU);
    let receiver = &mut air.radios[1];
    receiver.write(SHORTS, 1 | 1 << 4 | 1 << 6);
    receiver.write(BCC, 32);
    receiver.write(DAB + 4, 0x0403_0201);
    receiver.write(DAP + 4, 0x0605);
    receiver.write(DACNF, 1 << 1 | 1 << 9);
    receiver.write(INTENSET, 1 << 10);
    receiver.write(RXEN, 1);
    air.run_until(Time::from_us(200));
    air.radios[0].write(SHORTS, 1);
    air.radios[0].write(TXEN, 1);
    air.run_for(Time::from_us(140 + 40 + 10 + 32));
    let receiver = &mut air.radios[1];
    assert!(receiver.line("irq"));
    assert_eq!(receiver.host.memory[..5], [0x42, 8, 1, 2, 0], "two payload bytes are in");
    assert_eq!((receiver.read(RSSIEND), receiver.read(RSSISAMPLE)), (1, 50));
    assert_eq!(receiver.read(DEVMATCH), 0);
    air.run_for(Time::from_us(32));
    let receiver = &mut air.radios[1];
    assert_eq!((receiver.read(DEVMATCH), receiver.read(DAI)), (1, 1));
}

fn ieee(rig: &mut Rig<Block<Radio>>) {
    rig.write(MODE, 15);
    rig.write(FREQUENCY, 5);
    rig.write(PCNF0, 8 | 2 << 24 | 1 << 26);
    rig.write(PCNF1, 127);
    rig.write(CRCCNF, 2 | 2 << 8);
    rig.write(CRCPOLY, 0x1_1021);
    rig.write(CRCINIT, 0);
    rig.write(PACKETPTR, RAM);
}

#[test]
fn ieee_802_15_4_frames_cca_and_energy() {
    let mut air = Air::new(2, Series::Nrf52);
    air.radios.iter_mut().for_each(ieee);
    put(&mut air.radios[0], &[5, 0x02, 0x00, 0x6A]);
    air.radios[1].write(SHORTS, 1);
    air.radios[1].write(RXEN, 1);
    air.run_until(Time::from_us(200));
    air.radios[0].write(SHORTS, 1);
    air.radios[0].write(TXEN, 1);
    air.run_for(Time::from_us(130 + 160 + 32 + 24));
    assert_eq!((air.radios[1].read(FRAMESTART), air.radios[1].read(END)), (1, 0));
    air.run_for(Time::from_us(5 * 32));
    let receiver = &mut air.radios[1];
    assert_eq!((receiver.read(END), receiver.read(CRCOK)), (1, 1));
    // LQI stands where the CRC would begin: 0 dBm - 50 dB = -50 dBm is level 42.
    assert_eq!(receiver.host.memory[..5], [5, 0x02, 0x00, 0x6A, 42]);
    // CCA: the channel is idle once the other transmitter is off, and busy while somebody sends.
    receiver.write(CCACTRL, 20 << 8);
    air.radios[0].write(DISABLE, 1);
    air.run_for(Time::from_us(100));
    air.radios[1].write(CCASTART, 1);
    air.run_for(Time::from_us(128));
    assert_eq!((air.radios[1].read(CCAIDLE), air.radios[1].read(CCABUSY)), (1, 0));
    air.radios[0].write(TXEN, 1);
    air.run_for(Time::from_us(130 + 30));
    air.radios[1].write(CCASTART, 1);
    air.radios[1].write(EDCNT, 0);
    air.run_for(Time::from_us(128));
    assert_eq!(air.radios[1].read(CCABUSY), 1);
    air.radios[1].write(EDSTART, 1);
    air.run_for(Time::from_us(128));
    assert_eq!((air.radios[1].read(EDEND), air.radios[1].read(EDSAMPLE)), (1, 42));
}

#[test]
fn the_mac_header_is_matched_where_the_mask_has_ones() {
    // nRF52840 PS "RADIO", MHRMATCHCONF, MHRMATCHMAS.
    for (pattern, mask, expected) in
        [(0x0000_8841, 0xFFFF, 1), (0x0000_8842, 0xFFFF, 0), (0xAB00_0000, 0xFF00_0000, 1), (0, 0, 0)]
    {
        let mut air = Air::new(2, Series::Nrf52);
        air.radios.iter_mut().for_each(ieee);
        put(&mut air.radios[0], &[7, 0x41, 0x88, 0x6A, 0xAB, 1]);
        air.radios[1].write(MHRMATCHCONF, pattern);
        air.radios[1].write(MHRMATCHMAS, mask);
        air.radios[1].write(SHORTS, 1);
        air.radios[1].write(RXEN, 1);
        air.run_until(Time::from_us(200));
        air.radios[0].write(SHORTS, 1);
        air.radios[0].write(TXEN, 1);
        // Ramp-up, synchronization header, length, four bytes; then the receiver's delay.
        air.run_for(Time::from_us(130 + 160 + 32 + 4 * 32 + 22));
        assert_eq!(air.radios[1].read(MHRMATCH), 0);
        air.run_for(Time::from_us(2));
        assert_eq!(air.radios[1].read(MHRMATCH), expected, "{pattern:#x} {mask:#x}");
    }
}

#[test]
fn a_preamble_of_ieee_802_15_4_is_told() {
    // nRF52840 PS "RADIO", EVENTS_SYNC.
    for (channel, expected) in [(5, 1), (10, 0)] {
        let mut air = Air::new(2, Series::Nrf52);
        air.radios.iter_mut().for_each(ieee);
        put(&mut air.radios[0], &[5, 0x02, 0x00, 0x6A]);
        air.radios[1].write(FREQUENCY, channel);
        air.radios[1].write(SHORTS, 1);
        air.radios[1].write(RXEN, 1);
        air.run_until(Time::from_us(200));
        air.radios[0].write(SHORTS, 1 | 2);
        air.radios[0].write(TXEN, 1);
        air.run_for(Time::from_us(130 + 128 + 23));
        assert_eq!(air.radios[1].read(SYNC), 0);
        air.run_for(Time::from_us(1));
        assert_eq!((air.radios[1].read(SYNC), air.radios[1].read(ADDRESS)), (expected, 0));
    }
}

#[test]
fn a_length_beyond_the_most_is_told() {
    // nRF52 PS "RADIO", PDUSTAT.
    for (most, expected) in [(37, 0), (8, 0), (7, 1)] {
        let mut air = Air::new(2, Series::Nrf52);
        air.radios.iter_mut().for_each(ble);
        put(&mut air.radios[0], &PDU);
        air.radios[1].write(PCNF1, most | 3 << 16 | 1 << 25);
        air.radios[1].write(SHORTS, 1);
        air.radios[1].write(RXEN, 1);
        air.run_until(Time::from_us(200));
        air.radios[0].write(SHORTS, 1 | 2);
        air.radios[0].write(TXEN, 1);
        air.run_for(Time::from_us(400));
        assert_eq!((air.radios[1].read(END), air.radios[1].read(PDUSTAT)), (1, expected), "{most}");
    }
}

#[test]
fn saved_in_the_middle_of_a_packet_it_goes_on_the_same() {
    let mut air = Air::new(2, Series::Nrf52);
    air.radios.iter_mut().for_each(ble);
    put(&mut air.radios[0], &PDU);
    air.radios[1].write(SHORTS, 1);
    air.radios[1].write(RXEN, 1);
    air.run_until(Time::from_us(200));
    air.radios[0].write(SHORTS, 1);
    air.radios[0].write(TXEN, 1);
    air.run_for(Time::from_us(220));
    for rig in &mut air.radios {
        let saved = rig.component.save().unwrap();
        rig.component = Block::new(RadioConfig::default());
        rig.component.restore(&saved).unwrap();
    }
    air.run_for(Time::from_ms(1));
    assert_eq!((air.radios[1].read(END), air.radios[1].read(CRCSTATUS)), (1, 1));
}

#[test]
fn disable_answers_even_when_disabled() {
    // PS "RADIO", Transmit sequence, Radio states: DISABLE gives DISABLED.
    let mut air = Air::new(1, Series::Nrf51);
    air.radios[0].write(DISABLE, 1);
    assert_eq!(air.radios[0].read(DISABLED), 1);
    air.radios[0].write(DISABLED, 0);
    air.radios[0].with(|radio, cx| radio.receive(b"nonsense", cx));
    assert_eq!(air.radios[0].log.len(), 1);
}

#[test]
fn a_transmitter_turns_to_reception_without_being_disabled() {
    // nRF52840 PS "RADIO", Radio states: RXEN in TXIDLE ramps up the receiver.
    let mut air = Air::new(1, Series::Nrf52);
    let rig = &mut air.radios[0];
    ble(rig);
    rig.write(TXEN, 1);
    rig.run_for(Time::from_us(140));
    assert_eq!(rig.read(STATE), State::TxIdle as u32);
    rig.write(RXEN, 1);
    assert_eq!(rig.read(STATE), State::RxRu as u32);
    rig.run_for(Time::from_us(140));
    assert_eq!((rig.read(STATE), rig.read(RXREADY)), (State::RxIdle as u32, 1));
}

#[test]
fn an_ieee_802_15_4_radio_turns_round_within_the_time_that_its_drivers_count_on() {
    // nRF52840 PS "Radio timing": 40 us at the most; drivers look at STATE before.
    let mut air = Air::new(1, Series::Nrf52);
    let rig = &mut air.radios[0];
    ieee(rig);
    rig.write(MODECNF0, 1);
    rig.write(RXEN, 1);
    rig.run_for(Time::from_us(39));
    assert_eq!(rig.read(STATE), State::RxRu as u32, "from DISABLED the synthesizer must start");
    rig.run_for(Time::from_us(1));
    for (task, ramp, idle) in [(TXEN, State::TxRu, State::TxIdle), (RXEN, State::RxRu, State::RxIdle)] {
        rig.write(task, 1);
        rig.run_for(Time::from_us(19));
        assert_eq!(rig.read(STATE), ramp as u32);
        rig.run_for(Time::from_us(1));
        assert_eq!(rig.read(STATE), idle as u32);
    }
}

#[test]
fn a_channel_assessment_asked_for_in_ramp_up_begins_with_the_receiver() {
    // nRF52840 PS "RADIO", Clear channel assessment (CCA): the assessment takes 128 us.
    let mut air = Air::new(1, Series::Nrf52);
    let rig = &mut air.radios[0];
    rig.write(MODE, 15);
    rig.write(MODECNF0, 1);
    rig.write(CCACTRL, 20 << 8);
    rig.write(RXEN, 1);
    rig.write(CCASTART, 1);
    rig.run_for(Time::from_us(167));
    assert_eq!((rig.read(CCAIDLE), rig.read(CCABUSY)), (0, 0));
    rig.run_for(Time::from_us(1));
    assert_eq!((rig.read(CCAIDLE), rig.read(CCABUSY)), (1, 0));
}
