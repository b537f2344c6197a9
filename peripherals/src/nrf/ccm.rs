//! CCM and AAR: packet encryption and address resolution of Bluetooth LE, which share one base.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "CCM" and "AAR";
//! Bluetooth Core v5.0, vol 6, part E, chapter 2.

use consort_core::component::Register;
use consort_core::{Addr, Time};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, NRF51_POWER, Series, SeriesConfig, Spec, event, f, short, task};
use super::dma;
use super::ecb::encrypt;

const KSGEN: u32 = 0x000; // AAR: START
const CRYPT: u32 = 0x004;
const STOP: u32 = 0x008;
const OVERRIDE: u32 = 0x00C;
const ENDKSGEN: u32 = 0x100; // AAR: END
const ENDCRYPT: u32 = 0x104; // AAR: RESOLVED
const ERROR: u32 = 0x108; // AAR: NOTRESOLVED
const STATUS: u32 = 0x400; // CCM: MICSTATUS
const ENABLE: u32 = 0x500;
const MODE: u32 = 0x504; // AAR: NIRK
const CNFPTR: u32 = 0x508; // AAR: IRKPTR
const INPTR: u32 = 0x50C;
const OUTPTR: u32 = 0x510; // AAR: ADDRPTR
const MAXPACKETSIZE: u32 = 0x518;
const RATEOVERRIDE: u32 = 0x51C;
const HEADERMASK: u32 = 0x520;

const RADIO_ADDRESS: Addr = 0x4000_1104;
const RADIO_PAYLOAD: Addr = 0x4000_1108;
const RADIO_END: Addr = 0x4000_110C;
const RADIO_DISABLED: Addr = 0x4000_1110;

const COMMON: &[Register] = &[
    Register::ro(STATUS, "MICSTATUS / AAR STATUS", 0).fields(&[f("STATUS", 0, 4)]),
    Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 2)]),
    Register::rw(MODE, "MODE / NIRK", 1),
    Register::rw(CNFPTR, "CNFPTR / IRKPTR", 0),
    Register::rw(INPTR, "INPTR", 0),
    Register::rw(OUTPTR, "OUTPTR / ADDRPTR", 0),
    // What the block keeps there in between is its own affair.
    Register::rw(0x514, "SCRATCHPTR", 0),
];

static SPEC51: Spec = Spec::new(
    &[&[task(KSGEN, "TASKS_KSGEN / START"), task(CRYPT, "TASKS_CRYPT"), task(STOP, "TASKS_STOP")]],
    &[&[
        event(ENDKSGEN, "EVENTS_ENDKSGEN / END", 0),
        event(ENDCRYPT, "EVENTS_ENDCRYPT / RESOLVED", 1),
        event(ERROR, "EVENTS_ERROR / NOTRESOLVED", 2),
    ]],
    &[short(0, ENDKSGEN, CRYPT)],
    &[COMMON, NRF51_POWER],
);
static SPEC52: Spec = Spec::new(
    &[&[
        task(KSGEN, "TASKS_KSGEN / START"),
        task(CRYPT, "TASKS_CRYPT"),
        task(STOP, "TASKS_STOP"),
        task(OVERRIDE, "TASKS_RATEOVERRIDE"),
    ]],
    &[&[
        event(ENDKSGEN, "EVENTS_ENDKSGEN / END", 0),
        event(ENDCRYPT, "EVENTS_ENDCRYPT / RESOLVED", 1),
        event(ERROR, "EVENTS_ERROR / NOTRESOLVED", 2),
    ]],
    &[short(0, ENDKSGEN, CRYPT)],
    &[
        COMMON,
        &[
            Register::rw(MAXPACKETSIZE, "MAXPACKETSIZE", 0xFB).fields(&[f("MAXPACKETSIZE", 0, 8)]),
            Register::rw(RATEOVERRIDE, "RATEOVERRIDE", 0).fields(&[f("RATEOVERRIDE", 0, 2)]),
            Register::rw(HEADERMASK, "HEADERMASK", 0xE3).fields(&[f("HEADERMASK", 0, 8)]),
        ],
    ],
);

/// Keystream generation takes at most this long (PS "CCM").
const KEYSTREAM: Time = Time::from_us(50);

/// CCM (ENABLE 2) and AAR (ENABLE 3).
///
/// Encryption is done when it is certain to be wanted (CRYPT, or KSGEN with its short), so that a radio
/// that fetches the packet from then on finds it; the events come at their times. Decryption of a packet
/// that the radio is receiving is done when the radio has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ccm {
    series: Series,
    keystream: Time,
    crypt: Time,
    resolve: Time,
    /// Between the radio's ADDRESS and PAYLOAD.
    on_air: bool,
    /// A decryption waits for the radio's PAYLOAD.
    waiting: bool,
    encrypted: bool,
    /// TASKS_RATEOVERRIDE came: the rate of RATEOVERRIDE counts until ENDCRYPT.
    overridden: bool,
}

/// Encrypts or decrypts a payload and gives the MIC of its clear text and of the (masked) header.
fn ccm(cnf: &[u8], header: u8, payload: &mut [u8], decrypt: bool) -> [u8; 4] {
    let mut key = [0; 16];
    key.copy_from_slice(&cnf[..16]);
    // Core specification 2.1: 39 bits of packet counter, the direction, the IV.
    let mut nonce = [0; 13];
    nonce[..5].copy_from_slice(&cnf[16..21]);
    nonce[4] = nonce[4] & 0x7F | (cnf[24] & 1) << 7;
    nonce[5..].copy_from_slice(&cnf[25..33]);
    let block = |flags: u8, last: u16| {
        let mut block = [0; 16];
        block[0] = flags;
        block[1..14].copy_from_slice(&nonce);
        block[14..].copy_from_slice(&last.to_be_bytes());
        block
    };
    let keystream = |index: u16| encrypt(&key, &block(0x01, index));
    let apply = |payload: &mut [u8]| {
        for (index, chunk) in payload.chunks_mut(16).enumerate() {
            for (byte, key) in chunk.iter_mut().zip(keystream(index as u16 + 1)) {
                *byte ^= key;
            }
        }
    };
    if decrypt {
        apply(payload);
    }
    let mut mac = encrypt(&key, &block(0x49, payload.len() as u16));
    let mut extra = [0; 16];
    (extra[1], extra[2]) = (1, header);
    for chunk in std::iter::once(&extra[..]).chain(payload.chunks(16)) {
        for (byte, data) in mac.iter_mut().zip(chunk) {
            *byte ^= data;
        }
        mac = encrypt(&key, &mac);
    }
    let mask = keystream(0);
    let mic = std::array::from_fn(|index| mac[index] ^ mask[index]);
    if !decrypt {
        apply(payload);
    }
    mic
}

impl Ccm {
    fn decrypts(io: &Io<'_, '_>) -> bool {
        io.reg(MODE) & 3 != 0 // Decryption, FastDecryption
    }

    /// PS "CCM", MODE.DATARATE, RATEOVERRIDE: 1 Mbit, 2 Mbit, 125 kbit, 500 kbit; nanoseconds of a byte on the
    /// air, at which encryption runs. FastDecryption takes what the AES takes: 16 bytes in 7.2 us ("ECB").
    fn byte(&self, io: &Io<'_, '_>) -> Time {
        let rate = if self.overridden { io.reg(RATEOVERRIDE) } else { io.reg(MODE) >> 16 } & 3;
        let fast = io.reg(MODE) & 3 == 2;
        Time::from_ns(if fast { 450 } else { [8_000, 4_000, 64_000, 16_000][rate as usize] })
    }

    /// PS "CCM", MODE.LENGTH, MAXPACKETSIZE: five bits of the length field, or eight; longer packets are cut.
    fn length(&self, field: u8, io: &Io<'_, '_>) -> usize {
        let extended = self.series == Series::Nrf52 && io.reg(MODE) >> 24 & 1 != 0;
        let mic = if Self::decrypts(io) { 4 } else { 0 };
        if extended {
            usize::from(field).min(io.reg(MAXPACKETSIZE) as usize + mic)
        } else {
            usize::from(field & 0x1F)
        }
    }

    fn process(&mut self, io: &mut Io<'_, '_>) {
        let cnf = dma::read(io, io.reg(CNFPTR), 33);
        let head = dma::read(io, io.reg(INPTR), 3);
        let length = self.length(head[1], io);
        let mut payload = dma::read(io, io.reg(INPTR).wrapping_add(3), length);
        // The header without NESN, SN and MD is authenticated too; nRF52833 PS "CCM", HEADERMASK.
        let header = head[0] & if self.series == Series::Nrf51 { 0xE3 } else { io.reg(HEADERMASK) as u8 };
        let mut out = vec![head[0], head[1], head[2]];
        if Self::decrypts(io) {
            // PS "CCM", Decryption: an empty packet has no MIC and passes.
            let mut ok = true;
            if payload.len() >= 4 {
                let mic = payload.split_off(payload.len() - 4);
                ok = ccm(&cnf, header, &mut payload, true)[..] == mic[..];
                out[1] = payload.len() as u8;
            }
            io.set(STATUS, u32::from(ok));
        } else if !payload.is_empty() {
            payload.truncate(251);
            let mic = ccm(&cnf, header, &mut payload, false);
            payload.extend(mic);
            out[1] = payload.len() as u8;
        }
        out.extend(payload);
        dma::write(io, io.reg(OUTPTR), &out);
    }

    fn crypt(&mut self, io: &mut Io<'_, '_>) {
        if Self::decrypts(io) {
            if self.on_air {
                self.waiting = true;
                return;
            }
            let length = dma::read(io, io.reg(INPTR), 2)[1];
            self.crypt = io.now() + Time::from_ps(self.byte(io).as_ps() * (u64::from(length) + 3));
        } else {
            if !std::mem::take(&mut self.encrypted) {
                self.process(io);
            }
            let length = dma::read(io, io.reg(OUTPTR), 2)[1];
            self.crypt = io.now() + Time::from_ps(self.byte(io).as_ps() * (u64::from(length) + 3));
        }
    }

    /// PS "AAR", Resolving a resolvable address: the first IRK whose hash of the random part is the address's
    /// other part.
    fn resolved(io: &mut Io<'_, '_>) -> Option<u32> {
        let address = dma::read(io, io.reg(OUTPTR).wrapping_add(3), 6);
        let mut random = [0; 16];
        (random[13], random[14], random[15]) = (address[5], address[4], address[3]);
        let count = (io.reg(MODE) & 0x1F).min(16);
        for n in 0..count {
            let bytes = dma::read(io, io.reg(CNFPTR).wrapping_add(n * 16), 16);
            let mut key = [0; 16];
            key.copy_from_slice(&bytes);
            if encrypt(&key, &random)[13..] == [address[2], address[1], address[0]] {
                return Some(n);
            }
        }
        None
    }

    fn stop(&mut self) {
        (self.keystream, self.crypt, self.resolve) = (Time::MAX, Time::MAX, Time::MAX);
        (self.waiting, self.encrypted, self.overridden) = (false, false, false);
    }
}

impl Logic for Ccm {
    const KIND: &'static str = "nordic-ccm";
    const DOC: &'static str = "CCM packet encryption and AAR address resolution of Bluetooth LE.";
    type Config = SeriesConfig;

    fn new(config: SeriesConfig) -> Self {
        Self {
            series: config.series,
            keystream: Time::MAX,
            crypt: Time::MAX,
            resolve: Time::MAX,
            on_air: false,
            waiting: false,
            encrypted: false,
            overridden: false,
        }
    }

    fn spec(&self) -> &'static Spec {
        match self.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn listens(&self) -> bool {
        true
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        self.stop();
        self.on_air = false;
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        match (io.reg(ENABLE), task) {
            (2, KSGEN) => {
                self.stop();
                self.keystream = io.now() + KEYSTREAM;
                if !Self::decrypts(io) && io.shorts() & 1 != 0 {
                    self.encrypted = true;
                    self.process(io);
                }
            }
            (2, CRYPT) => self.crypt(io),
            (2, OVERRIDE) => self.overridden = true,
            // PS "AAR", Resolving a resolvable address: about 6 us for each IRK.
            (3, KSGEN) => {
                let count = u64::from(io.reg(MODE) & 0x1F).min(16);
                self.resolve = io.now() + Time::from_us(6 * count.max(1));
            }
            (2 | 3, STOP) => self.stop(),
            _ => {}
        }
    }

    fn write(&mut self, offset: u32, value: u32, old: u32, _: &mut Io<'_, '_>) {
        if offset == ENABLE && value != old {
            self.stop();
        }
    }

    fn bus_event(&mut self, addr: Addr, io: &mut Io<'_, '_>) {
        match addr {
            RADIO_ADDRESS => self.on_air = true,
            // It decrypts while bytes come in and is done with the MIC before the CRC has: link layers look at
            // MICSTATUS as soon as END comes.
            RADIO_PAYLOAD | RADIO_END | RADIO_DISABLED => {
                self.on_air = false;
                if std::mem::take(&mut self.waiting) {
                    self.crypt = io.now() + Time::from_us(2);
                }
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Time {
        self.keystream.min(self.crypt).min(self.resolve)
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        let now = io.now();
        if self.keystream <= now {
            self.keystream = Time::MAX;
            io.raise(ENDKSGEN);
        }
        if self.crypt <= now {
            self.crypt = Time::MAX;
            self.overridden = false;
            if Self::decrypts(io) {
                self.process(io);
            }
            io.raise(ENDCRYPT);
        }
        if self.resolve <= now {
            self.resolve = Time::MAX;
            let found = Self::resolved(io);
            io.set(STATUS, found.unwrap_or(0));
            io.raise(if found.is_some() { ENDCRYPT } else { ERROR });
            io.raise(ENDKSGEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::{Block, SHORTS};
    use consort_core::component::{Component as _, Model};
    use consort_core::testing::Rig;

    const RAM: u32 = 0x2000_0000;

    /// Bluetooth Core v5.0, vol 6, part C, 1.2: session key, IV, and the first encrypted packets.
    fn rig() -> Rig<Block<Ccm>> {
        let mut rig = Rig::new(Block::<Ccm>::new(SeriesConfig::default()));
        rig.host.base = u64::from(RAM);
        rig.host.memory = vec![0; 256];
        let key = 0x99AD_1B52_26A3_7E3E_058E_3B8E_27C2_C666u128.to_be_bytes();
        rig.host.memory[..16].copy_from_slice(&key);
        rig.host.memory[24] = 1; // master to slave
        rig.host.memory[25..33].copy_from_slice(&[0x24, 0xAB, 0xDC, 0xBA, 0xBE, 0xBA, 0xAF, 0xDE]);
        rig.write(ENABLE, 2);
        rig.write(CNFPTR, RAM);
        rig.write(INPTR, RAM + 64);
        rig.write(OUTPTR, RAM + 128);
        rig
    }

    #[test]
    fn the_sample_packet_of_the_core_specification_is_encrypted_and_decrypted() {
        // Bluetooth Core v5.0, vol 6, part C, 1: sample data; PS "CCM".
        let mut rig = rig();
        rig.write(MODE, 0);
        rig.host.memory[64..68].copy_from_slice(&[0x0F, 1, 0, 0x06]); // LL_START_ENC_RSP
        rig.write(SHORTS, 1);
        rig.write(KSGEN, 1);
        let expected = [0x0F, 5, 0, 0x9F, 0xCD, 0xA7, 0xF4, 0x48];
        assert_eq!(rig.host.memory[128..136], expected);
        rig.run_for(Time::from_us(50));
        assert_eq!((rig.read(ENDKSGEN), rig.read(ENDCRYPT)), (1, 0));
        rig.run_for(Time::from_us(64));
        assert_eq!(rig.read(ENDCRYPT), 1);
        // And back.
        let mut rig = self::rig();
        rig.write(MODE, 1);
        rig.host.memory[64..72].copy_from_slice(&expected);
        rig.write(KSGEN, 1);
        rig.run_for(Time::from_us(50));
        rig.write(CRYPT, 1);
        rig.run_for(Time::from_us(64));
        assert_eq!((rig.read(ENDCRYPT), rig.read(STATUS)), (1, 1));
        assert_eq!(rig.host.memory[128..132], [0x0F, 1, 0, 0x06]);
        rig.host.memory[70] ^= 1;
        rig.write(CRYPT, 1);
        rig.run_for(Time::from_us(64));
        assert_eq!(rig.read(STATUS), 0);
        // FastDecryption (nRF52840 PS "CCM", MODE) does the same, sooner.
        rig.host.memory[70] ^= 1;
        rig.write(ENDCRYPT, 0);
        rig.write(MODE, 2);
        rig.write(CRYPT, 1);
        rig.run_for(Time::from_us(4));
        assert_eq!((rig.read(ENDCRYPT), rig.read(STATUS)), (1, 1));
    }

    #[test]
    fn the_rate_of_the_air_is_the_rate_of_encryption() {
        // PS "CCM", MODE.DATARATE, RATEOVERRIDE, TASKS_RATEOVERRIDE.
        let took = |mode: u32, overriding: bool| {
            let mut rig = rig();
            rig.write(MODE, mode);
            rig.host.memory[64..68].copy_from_slice(&[0x0F, 1, 0, 0x06]);
            rig.write(KSGEN, 1);
            rig.run_for(Time::from_us(50));
            rig.write(RATEOVERRIDE, 3);
            rig.write(OVERRIDE, u32::from(overriding));
            rig.write(CRYPT, 1);
            (1..1_000).find(|_| {
                rig.run_for(Time::from_us(1));
                rig.read(ENDCRYPT) != 0
            })
        };
        let rates = [0, 1 << 16, 2 << 16, 3 << 16].map(|mode| took(mode, false));
        assert_eq!(rates, [Some(64), Some(32), Some(512), Some(128)]);
        assert_eq!(took(2 << 16, true), Some(128));
    }

    #[test]
    fn lengths_have_five_bits_unless_they_are_extended() {
        // PS "CCM", MODE.LENGTH, MAXPACKETSIZE.
        let sealed = |mode: u32, most: u32| {
            let mut rig = rig();
            rig.write(MODE, mode);
            rig.write(MAXPACKETSIZE, most);
            rig.host.memory[64..66].copy_from_slice(&[0x0F, 40]);
            rig.write(KSGEN, 1);
            rig.write(CRYPT, 1);
            rig.host.memory[129]
        };
        assert_eq!([sealed(0, 251), sealed(1 << 24, 251), sealed(1 << 24, 30)], [8 + 4, 40 + 4, 30 + 4]);
    }

    #[test]
    fn a_packet_from_the_air_is_decrypted_before_its_crc_is_over() {
        // PS "CCM", Decrypting packets on-the-fly in radio receive mode: a CRC of 24 us follows the MIC.
        let mut rig = rig();
        rig.write(MODE, 1);
        rig.host.memory[64..72].copy_from_slice(&[0x0F, 5, 0, 0x9F, 0xCD, 0xA7, 0xF4, 0x48]);
        rig.write(KSGEN, 1);
        rig.run_for(Time::from_us(50));
        rig.with(|ccm, cx| ccm.bus_event(RADIO_ADDRESS, cx));
        rig.write(CRYPT, 1);
        rig.run_for(Time::from_us(80));
        assert_eq!(rig.read(ENDCRYPT), 0);
        rig.with(|ccm, cx| ccm.bus_event(RADIO_PAYLOAD, cx));
        rig.run_for(Time::from_us(23));
        assert_eq!((rig.read(ENDCRYPT), rig.read(STATUS)), (1, 1));
    }

    #[test]
    fn an_address_is_resolved_by_its_key() {
        // Bluetooth Core v5.0, vol 3, part H, D.7: ah().
        let mut rig = rig();
        rig.write(ENABLE, 3);
        rig.write(MODE, 2);
        let irk = 0xEC02_34A3_57C8_AD05_3410_10A6_0A39_7D9Bu128.to_be_bytes();
        rig.host.memory[16..32].copy_from_slice(&irk);
        rig.host.memory[131..137].copy_from_slice(&[0xAA, 0xFB, 0x0D, 0x94, 0x81, 0x70]);
        rig.write(KSGEN, 1);
        rig.run_for(Time::from_us(12));
        assert_eq!((rig.read(ENDKSGEN), rig.read(ENDCRYPT), rig.read(STATUS)), (1, 1, 1));
        rig.host.memory[131] = 0;
        rig.write(KSGEN, 1);
        rig.run_for(Time::from_us(12));
        assert_eq!(rig.read(ERROR), 1);
    }
}
