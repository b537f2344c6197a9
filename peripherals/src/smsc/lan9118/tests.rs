//! Behaviour of the whole controller, from the data sheet's text.

use consort_core::state::State as _;
use consort_core::testing::Rig;

use super::*;

const MAC_CR_RUN: u32 = 1 << 20 | 1 << 3 | 1 << 2;
const A: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const B: [u8; 6] = [0x52, 0x54, 0, 0, 0, 2];

fn rig() -> Rig<Lan9118> {
    let config =
        serde_json::from_value(serde_json::json!({ "mac": "52:54:00:00:00:01", "pull_up": true })).unwrap();
    Rig::new(Lan9118::new(config))
}

fn mac_write(rig: &mut Rig<Lan9118>, register: u32, value: u32) {
    rig.write(MAC_CSR_DATA, value);
    rig.write(MAC_CSR_CMD, CSR_BUSY | register);
}

fn mac_read(rig: &mut Rig<Lan9118>, register: u32) -> u32 {
    rig.write(MAC_CSR_CMD, CSR_BUSY | CSR_READ | register);
    assert_eq!(rig.read(MAC_CSR_CMD) & CSR_BUSY, 0);
    rig.read(MAC_CSR_DATA)
}

/// As a driver starts it: push-pull, active high, both directions on.
fn started() -> Rig<Lan9118> {
    let mut rig = rig();
    rig.write(IRQ_CFG, IRQ_EN | IRQ_POL | IRQ_TYPE);
    rig.write(TX_CFG, TX_CFG_ON);
    mac_write(&mut rig, mac::MAC_CR, MAC_CR_RUN);
    rig
}

fn frame(to: [u8; 6], from: [u8; 6], payload: usize) -> Vec<u8> {
    let mut frame = [to, from].concat();
    frame.extend_from_slice(&[0x08, 0x00]);
    frame.extend((0..payload).map(|n| n as u8));
    frame
}

fn send(rig: &mut Rig<Lan9118>, frame: &[u8], tag: u32) {
    let length = frame.len() as u32;
    rig.write(TX_DATA_FIFO_PORT, 1 << 13 | 1 << 12 | length);
    rig.write(TX_DATA_FIFO_PORT, tag << 16 | length);
    for chunk in frame.chunks(4) {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        rig.write(TX_DATA_FIFO_PORT + 0x1C, u32::from_le_bytes(word));
    }
}

fn read_frame(rig: &mut Rig<Lan9118>) -> Vec<u8> {
    let length = rig.read(RX_STATUS_FIFO_PORT) >> 16 & 0x3FFF;
    let mut bytes: Vec<u8> =
        (0..length.div_ceil(4)).flat_map(|_| rig.read(RX_DATA_FIFO_PORT).to_le_bytes()).collect();
    bytes.truncate(length as usize - 4);
    bytes
}

#[test]
fn identification_and_reset_values() {
    let mut rig = rig();
    assert_eq!(rig.read(ID_REV) >> 16, 0x0118);
    assert_eq!(rig.read(BYTE_TEST), 0x8765_4321);
    assert_eq!(rig.read(HW_CFG), 0x0005_0004);
    assert_eq!(rig.read(TX_FIFO_INF), 4608);
    assert_eq!(rig.read(PMT_CTRL), PMT_READY);
    assert_eq!(rig.read(E2P_CMD), E2P_MAC_LOADED);
    assert_eq!((mac_read(&mut rig, 3), mac_read(&mut rig, 2)), (0x0000_5452, 0x0100));
    assert!(rig.line("irq"), "an open-drain pin rests high");
    assert_eq!(rig.wake, Time::MAX);
}

#[test]
fn a_frame_goes_out_padded_and_its_status_comes_at_wire_speed() {
    let mut rig = started();
    rig.write(FIFO_INT, 0);
    rig.write(INT_EN, TSFL_INT);
    send(&mut rig, &frame(B, A, 10), 0xBEEF);
    assert_eq!(rig.sent.len(), 1);
    assert_eq!(rig.sent[0].1.len(), 60);
    assert_eq!(rig.read(TX_FIFO_INF), 4608 - 8 - 24, "commands and six words");
    let wire = Time::from_ns((60 + 24) * 80);
    rig.run_until(Time::from_ps(wire.as_ps() - 1));
    assert!(!rig.line("irq"));
    rig.run_until(wire);
    assert!(rig.line("irq"));
    assert_eq!(rig.read(TX_FIFO_INF), 1 << 16 | 4608);
    assert_eq!(rig.read(TX_STATUS_FIFO_PEEK), 0xBEEF << 16);
    assert_eq!(rig.read(TX_STATUS_FIFO_PORT), 0xBEEF << 16);
    rig.write(INT_STS, TSFL_INT);
    assert!(!rig.line("irq"));
}

#[test]
fn frames_wait_for_the_transmitter_and_the_wire() {
    let mut rig = started();
    rig.write(TX_CFG, 0);
    send(&mut rig, &frame(B, A, 86), 1);
    send(&mut rig, &frame(B, A, 86), 2);
    rig.run_for(Time::from_ms(1));
    assert!(rig.sent.is_empty());
    rig.write(TX_CFG, TX_CFG_ON);
    rig.run_for(Time::from_ms(1));
    assert_eq!(rig.sent[1].0 - rig.sent[0].0, Time::from_ns((100 + 24) * 80));
    rig.write(TX_CFG, TX_CFG_ON | TX_CFG_STOP);
    assert_eq!((rig.read(TX_CFG), rig.read(INT_STS) & TXSTOP_INT), (0, TXSTOP_INT));
    rig.write(TX_CFG, TX_CFG_STATUS_DUMP);
    assert_eq!(rig.read(TX_FIFO_INF) >> 16, 0);
}

#[test]
fn reception_fills_both_fifos() {
    let mut rig = started();
    rig.write(FIFO_INT, 0);
    rig.write(INT_EN, RSFL_INT);
    let sent = frame(A, B, 100);
    rig.receive(&sent);
    assert!(rig.line("irq"));
    assert_eq!(rig.read(RX_FIFO_INF), 1 << 16 | 120);
    assert_eq!(rig.read(RX_STATUS_FIFO_PEEK), 118 << 16 | 1 << 5);
    assert_eq!(read_frame(&mut rig), sent);
    rig.write(INT_STS, RSFL_INT);
    assert!(!rig.line("irq"));
    rig.receive(&frame(B, A, 100));
    assert_eq!(rig.read(RX_FIFO_INF), 0, "not our address");
    rig.read(RX_DATA_FIFO_PORT);
    assert_eq!(rig.read(INT_STS) & RXE_INT, RXE_INT);
}

#[test]
fn a_full_fifo_drops_and_counts() {
    let mut rig = started();
    for _ in 0..100 {
        rig.receive(&frame(A, B, 1000));
    }
    // 1,018 bytes take 255 words of 2,640.
    assert_eq!(rig.read(RX_FIFO_INF) >> 16, 10);
    assert_eq!(rig.read(INT_STS) & RXDF_INT, RXDF_INT);
    assert_eq!(rig.peek(RX_DROP), Some(90));
    assert_eq!((rig.read(RX_DROP), rig.read(RX_DROP)), (90, 0), "reading clears");
    rig.read(RX_DATA_FIFO_PORT);
    rig.write(RX_DP_CTRL, RX_DP_FFWD);
    assert_eq!(rig.read(RX_FIFO_INF) & 0xFFFF, 9 * 1020);
    rig.write(RX_CFG, RX_CFG_DUMP);
    assert_eq!((rig.read(RX_FIFO_INF), rig.read(RX_CFG)), (0, 0));
}

#[test]
fn the_fifo_split_follows_hw_cfg() {
    let mut rig = rig();
    for (size, free) in [(2, 1536), (5, 4608), (14, 13824)] {
        rig.write(HW_CFG, size << 16);
        assert_eq!(rig.read(TX_FIFO_INF), free);
    }
    rig.write(HW_CFG, 15 << 16);
    assert_eq!((rig.read(TX_FIFO_INF), rig.log.len()), (13824, 1));
    rig.write(HW_CFG, 5 << 16);
    let layout = rig.component.rx_layout();
    assert_eq!((layout.data_words * 4, layout.status_words * 4), (10560, 704));
}

#[test]
fn the_dma_counter_and_ioc_interrupt() {
    let mut rig = started();
    rig.receive(&frame(A, B, 50));
    rig.write(RX_CFG, 2 << 16);
    rig.read(RX_DATA_FIFO_PORT);
    assert_eq!(rig.read(INT_STS) & RXD_INT, 0);
    rig.read(RX_DATA_FIFO_PORT);
    assert_eq!(rig.read(INT_STS) & RXD_INT, RXD_INT);
    rig.write(TX_DATA_FIFO_PORT, 1 << 31 | 1 << 13 | 4);
    rig.write(TX_DATA_FIFO_PORT, 8);
    rig.write(TX_DATA_FIFO_PORT, 0);
    assert_eq!(rig.read(INT_STS) & TX_IOC_INT, TX_IOC_INT);
}

#[test]
fn the_general_timer_wraps_through_zero() {
    let mut rig = started();
    rig.write(INT_EN, GPT_INT);
    rig.write(GPT_CFG, GPT_ENABLE | 9);
    rig.run_until(Time::from_us(999));
    assert_eq!((rig.read(GPT_CNT), rig.line("irq")), (0, false));
    rig.run_until(Time::from_us(1000));
    assert_eq!((rig.read(GPT_CNT), rig.line("irq")), (0xFFFF, true));
    rig.write(INT_STS, GPT_INT);
    assert!(!rig.line("irq"));
    rig.run_for(Time::from_us(100 * 0x1_0000));
    assert!(rig.line("irq"));
    rig.write(GPT_CFG, 0);
    assert_eq!(rig.read(GPT_CNT), 0xFFFF);
    assert_eq!(rig.read(FREE_RUN), HZ_25M.cycles_by(rig.now).0 as u32);
}

#[test]
fn the_deassertion_interval_holds_the_line_back() {
    let mut rig = started();
    rig.write(IRQ_CFG, 5 << 24 | IRQ_EN | IRQ_POL | IRQ_TYPE);
    rig.write(INT_EN, SW_INT);
    assert!(rig.line("irq"));
    rig.write(INT_STS, SW_INT);
    assert!(!rig.line("irq"));
    rig.write(INT_EN, 0);
    rig.write(INT_EN, SW_INT);
    assert_eq!(rig.read(IRQ_CFG) & (IRQ_INT | IRQ_DEAS_STS), IRQ_INT | IRQ_DEAS_STS);
    assert!(!rig.line("irq"));
    rig.run_until(Time::from_us(50));
    assert!(rig.line("irq"));
}

#[test]
fn the_pin_follows_type_and_polarity() {
    let mut rig = rig();
    rig.write(INT_EN, SW_INT);
    assert!(rig.line("irq"), "IRQ_EN is clear");
    rig.write(IRQ_CFG, IRQ_EN);
    assert!(!rig.line("irq"), "open drain pulls low");
    rig.write(IRQ_CFG, IRQ_EN | IRQ_TYPE | IRQ_POL);
    assert!(rig.line("irq"));
    rig.write(HW_CFG, HW_CFG_SRST);
    assert!(!rig.line("irq"));
    assert_eq!(rig.read(IRQ_CFG), IRQ_TYPE | IRQ_POL, "type and polarity survive a soft reset");
}

#[test]
fn loop_back_returns_frames() {
    let mut rig = started();
    mac_write(&mut rig, mac::MAC_CR, MAC_CR_RUN | 1 << 21);
    let sent = frame(A, A, 64);
    send(&mut rig, &sent, 0);
    assert_eq!(rig.read(RX_FIFO_INF), 0);
    rig.run_for(Time::from_ms(1));
    assert!(rig.sent.is_empty());
    assert_eq!(read_frame(&mut rig), sent);
}

#[test]
fn a_frame_with_its_own_fcs_is_checked() {
    let mut rig = started();
    let plain = frame(B, A, 60);
    for (flip, sent) in [(0, 1), (1, 1)] {
        let mut bytes = plain.clone();
        bytes.extend_from_slice(&(mac::fcs(&plain) ^ flip).to_le_bytes());
        let length = bytes.len() as u32;
        rig.write(TX_DATA_FIFO_PORT, 1 << 13 | 1 << 12 | length);
        rig.write(TX_DATA_FIFO_PORT, 1 << 13 | length);
        for chunk in bytes.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            rig.write(TX_DATA_FIFO_PORT, u32::from_le_bytes(word));
        }
        rig.run_for(Time::from_ms(1));
        assert_eq!(rig.sent.len(), sent);
    }
    assert_eq!(&*rig.sent[0].1, plain);
}

#[test]
fn the_phy_interrupt_and_a_pulled_cable() {
    let mut rig = started();
    let mii = |rig: &mut Rig<Lan9118>, register: u32, write: Option<u32>| {
        if let Some(value) = write {
            mac_write(rig, 7, value);
        }
        mac_write(rig, 6, 1 << 11 | register << 6 | u32::from(write.is_some()) << 1 | 1);
        mac_read(rig, 7)
    };
    assert_eq!(mii(&mut rig, 2, None), 7);
    mii(&mut rig, 29, None);
    mii(&mut rig, 30, Some(1 << 4));
    rig.write(INT_EN, PHY_INT);
    assert!(!rig.line("irq"));
    rig.with(|lan, cx| lan.set("link", &Value::Bool(false), cx)).unwrap();
    assert!(rig.line("irq"));
    rig.receive(&frame(A, B, 50));
    assert_eq!(rig.read(RX_FIFO_INF), 0);
    send(&mut rig, &frame(B, A, 50), 0);
    assert!(rig.sent.is_empty());
    rig.write(INT_STS, PHY_INT);
    assert!(rig.line("irq"), "the bit follows the PHY's own source register");
    assert_eq!(mii(&mut rig, 29, None) & 1 << 4, 1 << 4);
    assert!(!rig.line("irq"));
    mac_write(&mut rig, 6, 5 << 11 | 2 << 6 | 1);
    assert_eq!(mac_read(&mut rig, 7), 0xFFFF, "no PHY at address 5");
}

#[test]
fn a_pause_frame_silences_the_transmitter() {
    let mut rig = started();
    mac_write(&mut rig, mac::FLOW, 0b10);
    let mut pause = frame([1, 0x80, 0xC2, 0, 0, 1], B, 46);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0, 1, 0, 100]);
    rig.receive(&pause);
    assert_eq!(rig.read(RX_FIFO_INF), 0);
    send(&mut rig, &frame(B, A, 50), 0);
    rig.run_for(Time::from_ms(1));
    assert_eq!(rig.sent[0].0, Time::from_ns(100 * 512 * 10));
}

#[test]
fn eeprom_commands() {
    let mut rig = rig();
    let command = |rig: &mut Rig<Lan9118>, command: u32, address: u32| {
        rig.write(E2P_CMD, E2P_BUSY | command << 28 | address);
        rig.read(E2P_CMD)
    };
    command(&mut rig, 0, 1);
    assert_eq!(rig.read(E2P_DATA), 0x52);
    rig.write(E2P_DATA, 0x02);
    assert_eq!(command(&mut rig, 3, 1) & E2P_TIMEOUT, E2P_TIMEOUT, "writes are disabled");
    rig.write(E2P_CMD, E2P_TIMEOUT);
    command(&mut rig, 2, 0);
    assert_eq!(command(&mut rig, 3, 1) & E2P_TIMEOUT, 0);
    command(&mut rig, 7, 0);
    assert_eq!(mac_read(&mut rig, 3), 0x0000_5402);
}

#[test]
fn bad_addresses_are_refused_with_their_reason() {
    for bad in [
        "",
        "52:54:00:00:00",
        "52:54:00:00:00:01:02",
        "zz:54:00:00:00:01",
        "5:54:0:0:0:1",
        "01:00:5e:00:00:01",
    ] {
        assert!(serde_json::from_value::<Config>(serde_json::json!({ "mac": bad })).is_err(), "{bad}");
    }
}

#[test]
fn a_saved_controller_goes_on_as_if_never_stopped() {
    let mut straight = started();
    straight.write(INT_EN, TSFL_INT | RSFL_INT);
    straight.write(FIFO_INT, 0);
    send(&mut straight, &frame(B, A, 300), 1);
    send(&mut straight, &frame(B, A, 300), 2);
    straight.receive(&frame(A, B, 200));
    straight.read(RX_STATUS_FIFO_PORT);
    straight.read(RX_DATA_FIFO_PORT);
    straight.run_for(Time::from_us(10));
    let mut other = rig();
    other.component.restore(&straight.component.save().unwrap()).unwrap();
    (other.now, other.wake) = (straight.now, straight.wake);
    other.sent = straight.sent.clone();
    for rig in [&mut straight, &mut other] {
        rig.read(RX_DATA_FIFO_PORT);
        rig.run_for(Time::from_us(70));
    }
    assert_eq!(other.sent, straight.sent);
    assert_eq!(other.component.save(), straight.component.save());
}

/// What a driver with bugs does to a running controller.
#[derive(Clone, Debug)]
enum Abuse {
    Packet { a: u32, b: u32, words: usize },
    Frame { length: usize },
    Read { offset: u32 },
    Write { offset: u32, value: u32 },
    Wait { us: u64 },
}

fn abuse() -> impl proptest::strategy::Strategy<Value = Abuse> {
    use proptest::prelude::*;
    prop_oneof![
        4 => (any::<u32>(), any::<u32>(), 0_usize..600).prop_map(|(a, b, words)| Abuse::Packet { a, b, words }),
        2 => (0_u32..1600, 0_u32..32, 0_u32..4).prop_map(|(length, offset, alignment)| Abuse::Packet {
            a: 3 << 12 | alignment << 24 | offset << 16 | length,
            b: length,
            words: ((length + offset).next_multiple_of([4, 16, 32, 32][alignment as usize]) / 4) as usize,
        }),
        4 => (0_usize..2200).prop_map(|length| Abuse::Frame { length }),
        4 => (0_u32..0xB8 / 4).prop_map(|word| Abuse::Read { offset: word * 4 }),
        1 => (0x50_u32 / 4..0xB8 / 4, any::<u32>()).prop_map(|(word, value)| Abuse::Write { offset: word * 4, value }),
        3 => (0_u64..300).prop_map(|us| Abuse::Wait { us }),
    ]
}

proptest::proptest! {
    #[test]
    fn a_running_controller_survives_a_bad_driver(acts in proptest::collection::vec(abuse(), 1..120)) {
        let mut rig = started();
        mac_write(&mut rig, mac::MAC_CR, MAC_CR_RUN | 1 << 18);
        rig.write(INT_EN, u32::MAX);
        for act in acts {
            match act {
                Abuse::Packet { a, b, words } => {
                    rig.write(TX_DATA_FIFO_PORT, a);
                    rig.write(TX_DATA_FIFO_PORT, b);
                    for word in 0..words {
                        rig.write(TX_DATA_FIFO_PORT, word as u32);
                    }
                }
                Abuse::Frame { length } => rig.receive(&vec![2; length]),
                Abuse::Read { offset } => {
                    let peeked = rig.peek(offset).unwrap_or(0);
                    proptest::prop_assert_eq!(peeked, rig.read(offset), "offset {:#x}", offset);
                }
                Abuse::Write { offset, value } => rig.write(offset, value),
                Abuse::Wait { us } => rig.run_for(Time::from_us(us)),
            }
            let lan = &rig.component;
            // Shrinking TX_FIF_SZ under a full FIFO may leave more in it than fits, never more than it held.
            proptest::prop_assert!(lan.tx.used_words() * 4 <= 13824);
            proptest::prop_assert!(lan.rx.used_words() * 4 <= 13440);
            proptest::prop_assert!(lan.tx_status.len() <= TX_STATUS_WORDS && lan.rx.status_used() <= 224);
        }
        for (_, frame) in &rig.sent {
            proptest::prop_assert!(frame.len() <= 13824);
        }
        proptest::prop_assert!(rig.component.save().unwrap().len() < 64 * 1024);
    }
}
