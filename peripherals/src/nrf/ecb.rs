//! ECB: AES-128 of one block.
//!
//! nRF51 Reference Manual v3.0 and nRF52832 PS v1.4, "ECB".

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use consort_core::Time;
use consort_core::component::Register;
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, NRF51_POWER, Series, SeriesConfig, Spec, event, task};
use super::dma;

const STARTECB: u32 = 0x000;
const STOPECB: u32 = 0x004;
const ENDECB: u32 = 0x100;
const ERRORECB: u32 = 0x104;
const ECBDATAPTR: u32 = 0x504;

/// AES-128 of one block.
pub fn encrypt(key: &[u8; 16], block: &[u8; 16]) -> [u8; 16] {
    let mut block = (*block).into();
    Aes128::new(&(*key).into()).encrypt_block(&mut block);
    block.into()
}

static SPEC51: Spec = Spec::new(
    &[&[task(STARTECB, "TASKS_STARTECB"), task(STOPECB, "TASKS_STOPECB")]],
    &[&[event(ENDECB, "EVENTS_ENDECB", 0), event(ERRORECB, "EVENTS_ERRORECB", 1)]],
    &[],
    &[&[Register::rw(ECBDATAPTR, "ECBDATAPTR", 0)], NRF51_POWER],
);
static SPEC52: Spec = Spec::new(
    &[&[task(STARTECB, "TASKS_STARTECB"), task(STOPECB, "TASKS_STOPECB")]],
    &[&[event(ENDECB, "EVENTS_ENDECB", 0), event(ERRORECB, "EVENTS_ERRORECB", 1)]],
    &[],
    &[&[Register::rw(ECBDATAPTR, "ECBDATAPTR", 0)]],
);

/// ECB. The structure in RAM: key, cleartext, ciphertext. CCM and AAR never take the AES core from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ecb {
    series: Series,
    end: Time,
}

impl Logic for Ecb {
    const KIND: &'static str = "nordic-ecb";
    const DOC: &'static str = "AES-128 electronic codebook encryption.";
    type Config = SeriesConfig;

    fn new(config: SeriesConfig) -> Self {
        Self { series: config.series, end: Time::MAX }
    }

    fn spec(&self) -> &'static Spec {
        match self.series {
            Series::Nrf51 => &SPEC51,
            Series::Nrf52 => &SPEC52,
        }
    }

    fn reset(&mut self, _: &mut Io<'_, '_>) {
        self.end = Time::MAX;
    }

    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        if task == STARTECB {
            // nRF51822 PS "ECB" and nRF52832 PS "ECB": t_ECB.
            let ns = if self.series == Series::Nrf51 { 8_500 } else { 7_200 };
            self.end = io.now() + Time::from_ns(ns);
        } else if self.end != Time::MAX {
            self.end = Time::MAX;
            io.raise(ERRORECB);
        }
    }

    fn deadline(&self) -> Time {
        self.end
    }

    fn wake(&mut self, io: &mut Io<'_, '_>) {
        self.end = Time::MAX;
        let ptr = io.reg(ECBDATAPTR);
        let data = dma::read(io, ptr, 32);
        let (mut key, mut text) = ([0; 16], [0; 16]);
        key.copy_from_slice(&data[..16]);
        text.copy_from_slice(&data[16..]);
        dma::write(io, ptr.wrapping_add(32), &encrypt(&key, &text));
        io.raise(ENDECB);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    #[test]
    fn it_encrypts_as_fips_197_says() {
        let mut rig = Rig::new(Block::<Ecb>::new(SeriesConfig::default()));
        rig.host.base = 0x2000_0000;
        // FIPS 197, appendix C.1.
        rig.host.memory = (0..16).chain((0..16).map(|n| n * 0x11)).chain([0; 16]).collect();
        rig.write(ECBDATAPTR, 0x2000_0000);
        rig.write(STARTECB, 1);
        assert_eq!(rig.read(ENDECB), 0);
        rig.run_for(Time::from_us(8));
        assert_eq!(rig.read(ENDECB), 1);
        let cipher = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55au128.to_be_bytes();
        assert_eq!(rig.host.memory[32..], cipher);
    }
}
