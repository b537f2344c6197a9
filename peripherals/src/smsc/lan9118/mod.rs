//! SMSC LAN9118 Ethernet controller (data sheet revision 1.5): host interface, FIFOs and interrupts.

mod eeprom;
mod mac;
mod phy;
mod registers;
mod rx;
mod tx;

use std::collections::VecDeque;

use consort_core::component::{Channel, Component, Cx, Model, PortKind, SetError, Value};
use consort_core::{Clock, Time};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use self::eeprom::{Command, Eeprom};
use self::mac::{Mac, Verdict};
use self::phy::Phy;
use self::registers::*;
use self::rx::{Layout, RxFifo};
use self::tx::{Packet, TxFifo};
use crate::block::{self, Told, Words, word_registers};

const TX_STATUS_WORDS: usize = 128;
/// The shortest frame without FCS.
const SHORTEST: usize = 60;
/// The longest frame with FCS that the receive watchdog lets through.
const LONGEST: usize = 2048;
/// Preamble, start delimiter and FCS around a frame, and the gap after it, in bytes.
const WIRE_OVERHEAD: u64 = 8 + 4 + 12;
const DEASSERTION_UNIT: Time = Time::from_us(10);
const HZ_10K: Clock = Clock::of(10_000);
const HZ_25M: Clock = Clock::of(25_000_000);

const TOLD_FIFO_SIZE: u32 = 0;
const TOLD_POWER: u32 = 1;
const TOLD_BAD_FCS: u32 = 2;

/// A MAC address, written `52:54:00:12:34:56`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MacAddress([u8; 6]);

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || D::Error::custom(format!("`{text}` is not a MAC address such as 52:54:00:12:34:56"));
        let mut address = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut address {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(bad)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() {
            return Err(bad());
        }
        if address[0] & 1 != 0 {
            return Err(D::Error::custom(format!("`{text}` is a group address: its first byte is odd")));
        }
        Ok(Self(address))
    }
}

impl JsonSchema for MacAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MacAddress".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
            "description": "A MAC address: 52:54:00:12:34:56."
        })
    }
}

/// What a board or a fleet says about a LAN9118.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The station address in its EEPROM. Without one the EEPROM is erased and the address reads as
    /// ff:ff:ff:ff:ff:ff until the guest sets it.
    #[serde(default)]
    mac: Option<MacAddress>,
    /// Whether the board pulls the interrupt pin up: an open-drain pin (IRQ_TYPE = 0) rests high then, and
    /// low otherwise.
    #[serde(default)]
    pull_up: bool,
}

/// A packet that is being sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OnWire {
    packet: Packet,
    /// The frame, when it comes back instead of leaving.
    looped: Option<Vec<u8>>,
    status: u32,
    until: Time,
}

/// The general-purpose timer: down at 10 kHz, an interrupt each time it wraps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct GeneralTimer {
    config: u32,
    since: Time,
    wraps_seen: u64,
}

impl GeneralTimer {
    const RESET: Self = Self { config: 0xFFFF, since: Time::ZERO, wraps_seen: 0 };

    const fn load(self) -> u64 {
        (self.config & 0xFFFF) as u64
    }
    const fn runs(self) -> bool {
        self.config & GPT_ENABLE != 0
    }
    fn ticks(self, now: Time) -> u64 {
        HZ_10K.cycles_by(now.since(self.since)).0
    }
    fn count(self, now: Time) -> u32 {
        if !self.runs() {
            return 0xFFFF;
        }
        (self.load().wrapping_sub(self.ticks(now)) & 0xFFFF) as u32
    }
    fn wraps(self, now: Time) -> u64 {
        match self.ticks(now).checked_sub(self.load() + 1) {
            Some(beyond) if self.runs() => 1 + beyond / 0x1_0000,
            _ => 0,
        }
    }
    fn next_wrap(self) -> Time {
        let ticks = self.load() + 1 + self.wraps_seen * 0x1_0000;
        self.since + HZ_10K.time_of(consort_core::Cycles(ticks))
    }
}

/// The controller.
///
/// Frames leave when their first bit does; their TX status comes and their room in the FIFO is free when
/// the last bit and the gap have passed, at the PHY's speed. Resets, MAC, MII and EEPROM accesses end at
/// once. The line `irq` is the level of the pin: after reset it is an open-drain output at rest, which only
/// a pull-up on the board makes high, until IRQ_CFG makes it push-pull and active high.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lan9118 {
    irq_cfg: u32,
    int_sts: u32,
    int_en: u32,
    fifo_int: u32,
    rx_cfg: u32,
    tx_cfg: u32,
    hw_cfg: u32,
    pmt_ctrl: u32,
    gpio_cfg: u32,
    word_swap: u32,
    afc_cfg: u32,
    timer: GeneralTimer,
    /// When FREE_RUN was 0.
    free_run_since: Time,
    rx_dropped: u32,
    /// Words still to be read until RXD_INT.
    dma_count: u32,
    mac_csr_cmd: u32,
    mac_csr_data: u32,
    e2p_cmd: u32,
    e2p_data: u8,
    rx: RxFifo,
    tx: TxFifo,
    tx_status: VecDeque<u32>,
    on_wire: Option<OnWire>,
    /// The partner asked for silence until then.
    paused_until: Time,
    /// The interrupt may not be asserted before.
    deasserted_until: Time,
    asserted: bool,
    pin: bool,
    pull_up: bool,
    eeprom: Eeprom,
    mac: Mac,
    phy: Phy,
    told: Told,
}

impl Lan9118 {
    /// TX_FIF_SZ in KiB; 16 KiB are shared between the directions.
    fn tx_kib(&self) -> u32 {
        (self.hw_cfg >> 16 & 0xF).clamp(2, 14)
    }
    fn tx_words(&self) -> u32 {
        (self.tx_kib() * 1024 - 512) / 4
    }
    fn rx_layout(&self) -> Layout {
        let bytes = (16 - self.tx_kib()) * 1024;
        let alignment = match self.rx_cfg >> 30 {
            0b00 => 4,
            0b01 => 16,
            _ => 32,
        };
        Layout {
            offset: self.rx_cfg >> 8 & 0x1F,
            alignment,
            data_words: bytes / 16 * 15 / 4,
            status_words: (bytes / 16 / 4) as usize,
        }
    }

    /// HW_CFG.SRST: everything but the PHY, the EEPROM, and the pin's type.
    fn soft_reset(&mut self, now: Time) {
        let fresh = Self::with(self.eeprom.clone(), self.phy.clone(), self.pull_up, now);
        let irq_cfg = self.irq_cfg & IRQ_CFG_STICKY;
        *self = Self { irq_cfg, pin: self.pin, ..fresh };
        self.eeprom.reset();
    }

    fn with(eeprom: Eeprom, phy: Phy, pull_up: bool, now: Time) -> Self {
        let address = eeprom.mac();
        Self {
            irq_cfg: 0,
            int_sts: 0,
            int_en: 0,
            fifo_int: 0x4800_0000,
            rx_cfg: 0,
            tx_cfg: 0,
            hw_cfg: HW_CFG_RESET,
            pmt_ctrl: 0,
            gpio_cfg: 0,
            word_swap: 0,
            afc_cfg: 0,
            timer: GeneralTimer::RESET,
            free_run_since: now,
            rx_dropped: 0,
            dma_count: 0,
            mac_csr_cmd: 0,
            mac_csr_data: 0,
            e2p_cmd: if address.is_some() { E2P_MAC_LOADED } else { 0 },
            e2p_data: 0,
            rx: RxFifo::default(),
            tx: TxFifo::new(),
            tx_status: VecDeque::new(),
            on_wire: None,
            paused_until: Time::ZERO,
            deasserted_until: Time::ZERO,
            asserted: false,
            pin: false,
            pull_up,
            mac: Mac::new(address),
            eeprom,
            phy,
            told: Told::default(),
        }
    }

    /// How long a frame of `bytes` bytes keeps the wire busy, gap included.
    fn wire_time(&self, bytes: u64) -> Time {
        let per_byte = if self.phy.is_fast() { 80 } else { 800 };
        Time::from_ns((bytes + WIRE_OVERHEAD) * per_byte)
    }

    fn put_tx_status(&mut self, status: u32) {
        if self.tx_status.len() < TX_STATUS_WORDS {
            self.tx_status.push_back(status);
            return;
        }
        self.int_sts |= TXSO_INT;
        if self.tx_cfg & TX_CFG_ALLOW_OVERRUN == 0 {
            self.int_sts |= TXE_INT;
        }
    }

    /// Ends and begins transmissions up to `now`.
    fn transmit(&mut self, now: Time, cx: &mut Cx<'_>) {
        let mut at = now;
        loop {
            if let Some(sent) = self.on_wire.take_if(|sent| sent.until <= now) {
                at = sent.until;
                self.tx.release(&sent.packet);
                self.put_tx_status(sent.status);
                if let Some(frame) = &sent.looped {
                    self.receive_frame(frame, at);
                }
            }
            if self.on_wire.is_some() {
                return;
            }
            if self.tx_cfg & TX_CFG_STOP != 0 {
                self.tx_cfg &= !(TX_CFG_STOP | TX_CFG_ON);
                self.int_sts |= TXSTOP_INT;
            }
            at = at.max(self.paused_until);
            let room = self.tx_status.len() < TX_STATUS_WORDS || self.tx_cfg & TX_CFG_ALLOW_OVERRUN != 0;
            let ready = self.tx_cfg & TX_CFG_ON != 0 && self.mac.transmits() && room && at <= now;
            let Some(packet) = self.tx.take_if(ready) else { return };
            self.begin_frame(packet, at, cx);
        }
    }

    fn begin_frame(&mut self, packet: Packet, at: Time, cx: &mut Cx<'_>) {
        let mut frame = packet.bytes.clone();
        let mut intact = true;
        if packet.has_own_crc() {
            // The host's last four bytes are the FCS; ports carry frames without it.
            let end = frame.len().saturating_sub(4);
            intact = frame.get(end..) == Some(&mac::fcs(&frame[..end]).to_le_bytes());
            frame.truncate(end);
            if !intact && self.told.first(TOLD_BAD_FCS) {
                cx.log(
                    consort_core::trace::Level::Info,
                    "a frame with a bad FCS of the guest's is not carried",
                );
            }
        } else if packet.is_padded() && frame.len() < SHORTEST {
            frame.resize(SHORTEST, 0);
        }
        let until = at + self.wire_time(frame.len() as u64);
        let loops = self.mac.loops_back() || self.phy.loops_back();
        let carrier = loops || self.phy.link();
        let mut status = packet.tag() << 16;
        if !carrier && !self.mac.is_full_duplex() {
            status |= TX_STATUS_ERROR | TX_STATUS_NO_CARRIER;
        }
        if carrier && !loops && intact && !frame.is_empty() {
            cx.send(frame.as_slice());
        }
        let looped = (loops && intact).then_some(frame);
        self.on_wire = Some(OnWire { packet, looped, status, until });
    }

    fn receive_frame(&mut self, frame: &[u8], now: Time) {
        if !self.mac.receives() || self.pmt_ctrl & PMT_MODE != 0 {
            return;
        }
        if frame.len() + 4 > LONGEST {
            self.int_sts |= RWT_INT;
            return;
        }
        match self.mac.judge(frame) {
            Verdict::Ignore => {}
            Verdict::Pause(quanta) => {
                let bit = if self.phy.is_fast() { 10 } else { 100 };
                self.paused_until = now + Time::from_ns(u64::from(quanta) * 512 * bit);
            }
            Verdict::Accept(status, bytes) => {
                let layout = self.rx_layout();
                if self.rx.push(status, bytes, layout) {
                    if self.rx.status_used() == layout.status_words {
                        self.int_sts |= RSFF_INT;
                    }
                    return;
                }
                self.int_sts |= RXDF_INT;
                self.rx_dropped = self.rx_dropped.wrapping_add(1);
                if self.rx_dropped == 0x8000_0000 {
                    self.int_sts |= RXDFH_INT;
                }
            }
        }
    }

    /// Interrupt sources that are conditions rather than events set their bits for as long as they last.
    fn latch_levels(&mut self, now: Time) {
        let wraps = self.timer.wraps(now);
        if wraps > self.timer.wraps_seen {
            self.timer.wraps_seen = wraps;
            self.int_sts |= GPT_INT;
        }
        let free = (self.tx_words() - self.tx.used_words().min(self.tx_words())) * 4;
        let conditions = [
            (TDFA_INT, free > (self.fifo_int >> 24) * 64),
            (TSFF_INT, self.tx_status.len() >= TX_STATUS_WORDS),
            (TSFL_INT, self.tx_status.len() > (self.fifo_int >> 16 & 0xFF) as usize),
            (RSFL_INT, self.rx.status_used() > (self.fifo_int & 0xFF) as usize),
        ];
        for (bit, holds) in conditions {
            if holds {
                self.int_sts |= bit;
            }
        }
    }

    fn interrupt_status(&self) -> u32 {
        self.int_sts | if self.phy.interrupts() { PHY_INT } else { 0 }
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        self.transmit(now, cx);
        self.latch_levels(now);
        let wanted = self.interrupt_status() & self.int_en != 0;
        let interval = DEASSERTION_UNIT.as_ps() * u64::from(self.irq_cfg >> 24);
        if self.asserted && !wanted {
            self.deasserted_until = now + Time::from_ps(interval);
        }
        self.asserted = wanted && (self.asserted || now >= self.deasserted_until);
        let active = self.asserted && self.irq_cfg & IRQ_EN != 0;
        let pin = match self.irq_cfg & (IRQ_TYPE | IRQ_POL) {
            ACTIVE_HIGH => active,
            IRQ_TYPE => !active,
            _ => self.pull_up && !active, // open drain: it can only pull low
        };
        if pin != self.pin {
            self.pin = pin;
            cx.drive(0, pin);
        }
        let mut wake = self.on_wire.as_ref().map_or(Time::MAX, |sent| sent.until);
        if self.on_wire.is_none() && self.paused_until > now && self.tx.has_packet() {
            wake = wake.min(self.paused_until);
        }
        if wanted && !self.asserted {
            wake = wake.min(self.deasserted_until);
        }
        if self.timer.runs() && self.int_en & GPT_INT != 0 && self.int_sts & GPT_INT == 0 {
            wake = wake.min(self.timer.next_wrap());
        }
        if wake == Time::MAX { cx.no_wake() } else { cx.wake_at(wake) }
    }

    fn write_tx(&mut self, word: u32) {
        let outcome = self.tx.push(word, self.tx_words());
        for (bit, happened) in
            [(TX_IOC_INT, outcome.interrupt), (TXE_INT, outcome.error), (TDFO_INT, outcome.overrun)]
        {
            if happened {
                self.int_sts |= bit;
            }
        }
    }

    fn write_tx_cfg(&mut self, value: u32) {
        self.tx_cfg = value & (TX_CFG_ALLOW_OVERRUN | TX_CFG_ON | TX_CFG_STOP);
        if value & TX_CFG_STATUS_DUMP != 0 {
            self.tx_status.clear();
        }
        if value & TX_CFG_DATA_DUMP != 0 {
            self.tx.dump(self.on_wire.as_ref().map(|sent| &sent.packet));
        }
    }

    fn write_hw_cfg(&mut self, value: u32, cx: &mut Cx<'_>) {
        if value & HW_CFG_SRST != 0 {
            self.soft_reset(cx.now());
            return;
        }
        let size = value >> 16 & 0xF;
        let mut value = (value & HW_CFG_WRITABLE) | HW_CFG_32_BIT;
        if !(2..=14).contains(&size) {
            if self.told.first(TOLD_FIFO_SIZE) {
                cx.guest_error(format!("HW_CFG.TX_FIF_SZ = {size}: 2 to 14 are valid, the size stays"));
            }
            value = (value & !(0xF << 16)) | self.tx_kib() << 16;
        }
        self.hw_cfg = value;
    }

    fn write_pmt_ctrl(&mut self, value: u32, cx: &mut Cx<'_>) {
        if value & PMT_PHY_RESET != 0 {
            self.phy.reset();
        }
        if value & PMT_MODE != 0 && self.told.first(TOLD_POWER) {
            cx.unimplemented(
                "low power: frames are ignored until BYTE_TEST is written; nothing else wakes it",
            );
        }
        self.pmt_ctrl = value & PMT_WRITABLE;
    }

    fn mac_command(&mut self, value: u32, cx: &mut Cx<'_>) {
        self.mac_csr_cmd = value & (CSR_READ | 0xFF);
        if value & CSR_BUSY == 0 {
            return;
        }
        let register = value & 0xFF;
        if value & CSR_READ != 0 {
            self.mac_csr_data = self.mac.read(register);
            return;
        }
        let received = self.mac.receives();
        let pause = self.mac.write(register, self.mac_csr_data, &mut self.phy);
        if received && !self.mac.receives() {
            self.int_sts |= RXSTOP_INT;
        }
        if let Some(frame) = pause
            && self.phy.link()
        {
            cx.send(frame);
        }
    }

    fn eeprom_command(&mut self, value: u32) {
        // MAC_ADDRESS_LOADED and EPC_TIMEOUT are cleared by writing ones.
        let kept = self.e2p_cmd & !value & (E2P_MAC_LOADED | E2P_TIMEOUT);
        self.e2p_cmd = (value & 0x7000_00FF) | kept;
        if value & E2P_BUSY == 0 {
            return;
        }
        let command = Command::from_bits(value >> 28);
        let answered = self.eeprom.run(command, value as u8, &mut self.e2p_data);
        if command == Command::Reload {
            self.e2p_cmd &= !E2P_MAC_LOADED;
            if let Some(address) = self.eeprom.mac() {
                self.mac.set_address(address);
                self.e2p_cmd |= E2P_MAC_LOADED;
            }
        } else if !answered {
            self.e2p_cmd |= E2P_TIMEOUT;
        }
    }

    fn read_data(&mut self) -> u32 {
        let Some(word) = self.rx.pop() else {
            self.int_sts |= RXE_INT;
            return 0;
        };
        if self.dma_count > 0 {
            self.dma_count -= 1;
            if self.dma_count == 0 {
                self.int_sts |= RXD_INT;
            }
        }
        word
    }
}

impl Words for Lan9118 {
    fn look(&self, offset: u32, now: Time) -> u32 {
        match offset {
            RX_DATA_FIFO_PORT..TX_DATA_FIFO_PORT => self.rx.front().unwrap_or(0),
            RX_STATUS_FIFO_PORT | RX_STATUS_FIFO_PEEK => self.rx.status_front().unwrap_or(0),
            TX_STATUS_FIFO_PORT | TX_STATUS_FIFO_PEEK => self.tx_status.front().copied().unwrap_or(0),
            IRQ_CFG => {
                let raised = if self.interrupt_status() & self.int_en != 0 { IRQ_INT } else { 0 };
                let waits = if now < self.deasserted_until { IRQ_DEAS_STS } else { 0 };
                self.irq_cfg | raised | waits
            }
            INT_STS => {
                let wrapped = self.timer.wraps(now) > self.timer.wraps_seen;
                self.interrupt_status() | if wrapped { GPT_INT } else { 0 }
            }
            INT_EN => self.int_en,
            FIFO_INT => self.fifo_int,
            RX_CFG => self.rx_cfg,
            TX_CFG => self.tx_cfg,
            HW_CFG => self.hw_cfg,
            RX_DP_CTRL => 0,
            RX_FIFO_INF => (self.rx.used_words() * 4) | (self.rx.status_used() as u32) << 16,
            TX_FIFO_INF => {
                let free = self.tx_words() - self.tx.used_words().min(self.tx_words());
                (free * 4) | (self.tx_status.len() as u32) << 16
            }
            PMT_CTRL => self.pmt_ctrl | if self.pmt_ctrl & PMT_MODE == 0 { PMT_READY } else { 0 },
            GPIO_CFG => self.gpio_cfg,
            GPT_CFG => self.timer.config,
            GPT_CNT => self.timer.count(now),
            WORD_SWAP => self.word_swap,
            FREE_RUN => HZ_25M.cycles_by(now.since(self.free_run_since)).0 as u32,
            RX_DROP => self.rx_dropped,
            MAC_CSR_CMD => self.mac_csr_cmd,
            MAC_CSR_DATA => self.mac_csr_data,
            AFC_CFG => self.afc_cfg,
            E2P_CMD => self.e2p_cmd,
            E2P_DATA => self.e2p_data.into(),
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn load(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        let value = match offset {
            RX_DATA_FIFO_PORT..TX_DATA_FIFO_PORT => self.read_data(),
            RX_STATUS_FIFO_PORT => self.rx.pop_status().unwrap_or_else(|| {
                self.int_sts |= RXE_INT;
                0
            }),
            TX_STATUS_FIFO_PORT => self.tx_status.pop_front().unwrap_or(0),
            RX_DROP => std::mem::take(&mut self.rx_dropped),
            _ => return self.look(offset, cx.now()),
        };
        self.settle(cx);
        value
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let now = cx.now();
        self.latch_levels(now);
        match offset {
            TX_DATA_FIFO_PORT..RX_STATUS_FIFO_PORT => self.write_tx(value),
            IRQ_CFG => {
                self.irq_cfg = value & IRQ_CFG_WRITABLE;
                if value & IRQ_DEAS_CLR != 0 {
                    self.deasserted_until = now;
                }
            }
            INT_STS => self.int_sts &= !value,
            INT_EN => {
                // SW_INT comes with the rising edge of SW_INT_EN.
                self.int_sts |= value & !self.int_en & SW_INT;
                self.int_en = value & ALL_INTS;
            }
            // Any write wakes the part; the value is ignored.
            BYTE_TEST => self.pmt_ctrl &= !PMT_MODE,
            FIFO_INT => self.fifo_int = value,
            RX_CFG => {
                self.rx_cfg = value & RX_CFG_WRITABLE;
                self.dma_count = value >> 16 & 0xFFF;
                if value & RX_CFG_DUMP != 0 {
                    self.rx.clear();
                }
            }
            TX_CFG => self.write_tx_cfg(value),
            HW_CFG => self.write_hw_cfg(value, cx),
            RX_DP_CTRL if value & RX_DP_FFWD != 0 => self.rx.fast_forward(),
            PMT_CTRL => self.write_pmt_ctrl(value, cx),
            GPIO_CFG => self.gpio_cfg = value & GPIO_CFG_WRITABLE,
            GPT_CFG => {
                self.timer =
                    GeneralTimer { config: value & (GPT_ENABLE | 0xFFFF), since: now, wraps_seen: 0 };
            }
            WORD_SWAP => self.word_swap = value,
            MAC_CSR_CMD => self.mac_command(value, cx),
            MAC_CSR_DATA => self.mac_csr_data = value,
            AFC_CFG => self.afc_cfg = value & 0x00FF_FFFF,
            E2P_CMD => self.eeprom_command(value),
            E2P_DATA => self.e2p_data = value as u8,
            _ => {}
        }
        self.settle(cx);
    }

    fn told(&mut self) -> &mut Told {
        &mut self.told
    }
}

word_registers!(Lan9118, REGISTERS);

impl Component for Lan9118 {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }
    fn port(&self) -> Option<PortKind> {
        Some(PortKind::Ethernet)
    }
    fn channels(&self) -> Vec<Channel> {
        vec![Channel::switch("link", "the network cable is plugged in")]
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.eeprom.reset();
        self.phy.reset();
        *self = Self::with(self.eeprom.clone(), self.phy.clone(), self.pull_up, cx.now());
        self.settle(cx);
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
    }
    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        if self.phy.link() && !self.phy.loops_back() && !self.mac.loops_back() {
            self.receive_frame(data, cx.now());
            self.settle(cx);
        }
    }
    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        if channel != "link" {
            return Err(SetError::NoChannel(channel.to_owned()));
        }
        let Value::Bool(plugged) = value else {
            let expected = "true (cable in) or false".to_owned();
            return Err(SetError::BadValue { channel: channel.to_owned(), expected });
        };
        self.phy.plug(*plugged);
        self.settle(cx);
        Ok(())
    }
    fn get(&self, channel: &str) -> Option<Value> {
        (channel == "link").then(|| Value::Bool(self.phy.link()))
    }
}

impl Model for Lan9118 {
    const KIND: &'static str = "smsc-lan9118";
    const DOC: &'static str = "SMSC LAN9118: 10/100 Ethernet MAC and PHY behind FIFOs.";
    type Config = Config;

    fn new(config: Config) -> Self {
        Self::with(Eeprom::new(config.mac.map(|mac| mac.0)), Phy::new(), config.pull_up, Time::ZERO)
    }
}

#[cfg(test)]
mod tests;
