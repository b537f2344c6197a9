//! The input device (Virtio 1.1, 5.8): a touch panel and keys, as Linux' input events.

use std::collections::VecDeque;

use consort_core::BusError;
use consort_core::component::{Channel, Cx, SetError, Value};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::transport::{Device, Queues};

const EVENTS: usize = 0;
const STATUS: usize = 1;
/// Events that wait for the guest; more are lost.
const WAITING: usize = 1024;

/// Linux' event types and codes.
const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const EV_ABS: u16 = 3;
const ABS_X: u16 = 0;
const ABS_Y: u16 = 1;
const BTN_TOUCH: u16 = 0x14A;
const INPUT_PROP_DIRECT: u8 = 1;

/// What `select` asks for.
const ID_NAME: u8 = 0x01;
const ID_DEVIDS: u8 = 0x03;
const PROP_BITS: u8 = 0x10;
const EV_BITS: u8 = 0x11;
const ABS_INFO: u8 = 0x12;

/// What a board says about an input device.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Pixels in a line of the panel.
    width: u16,
    /// Lines of the panel.
    height: u16,
    /// Linux' codes of the keys that the channels `key0` to `key3` press, such as 116 for power.
    #[serde(default)]
    keys: Vec<u16>,
}

/// The keys' channels.
const KEYS: [&str; 4] = ["key0", "key1", "key2", "key3"];

/// The device.
#[derive(Serialize, Deserialize)]
pub struct Input {
    config: Config,
    select: u8,
    subselect: u8,
    finger: Option<(u16, u16)>,
    pressed: [bool; 4],
    waiting: VecDeque<(u16, u16, u32)>,
}

impl Input {
    fn event(&mut self, kind: u16, code: u16, value: u32) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back((kind, code, value));
        }
    }

    fn touch(&mut self, finger: Option<(u16, u16)>) {
        let before = std::mem::replace(&mut self.finger, finger);
        if before == finger {
            return;
        }
        if let Some((x, y)) = finger {
            self.event(EV_ABS, ABS_X, x.into());
            self.event(EV_ABS, ABS_Y, y.into());
        }
        if before.is_some() != finger.is_some() {
            self.event(EV_KEY, BTN_TOUCH, finger.is_some().into());
        }
        self.event(EV_SYN, 0, 0);
    }

    /// The answer to `select` and `subselect`.
    fn answer(&self) -> Vec<u8> {
        let bitmap = |codes: &[u16]| {
            let mut bits = vec![0; codes.iter().max().map_or(0, |most| usize::from(*most) / 8 + 1)];
            for code in codes {
                if let Some(byte) = bits.get_mut(usize::from(*code) / 8) {
                    *byte |= 1 << (code % 8);
                }
            }
            bits
        };
        match (self.select, u16::from(self.subselect)) {
            (ID_NAME, 0) => b"Consort touch panel".to_vec(),
            (ID_DEVIDS, 0) => [6_u16, 0x0627, 3, 1].iter().flat_map(|id| id.to_le_bytes()).collect(),
            (PROP_BITS, 0) => vec![1 << INPUT_PROP_DIRECT],
            (EV_BITS, EV_KEY) => {
                let mut codes = vec![BTN_TOUCH];
                codes.extend(self.config.keys.iter().take(KEYS.len()));
                bitmap(&codes)
            }
            (EV_BITS, EV_ABS) => bitmap(&[ABS_X, ABS_Y]),
            (ABS_INFO, ABS_X | ABS_Y) => {
                let x = u16::from(self.subselect) == ABS_X;
                let size = if x { self.config.width } else { self.config.height };
                let most = u32::from(size.saturating_sub(1));
                [0, most, 0, 0, 0].iter().flat_map(|number| number.to_le_bytes()).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Device for Input {
    const KIND: &'static str = "virtio-input";
    const DOC: &'static str = "Virtio input: a touch panel and up to four keys.";
    const ID: u32 = 18;
    const QUEUES: u16 = 2;
    type Config = Config;

    fn new(config: Config) -> Self {
        Self { config, select: 0, subselect: 0, finger: None, pressed: [false; 4], waiting: VecDeque::new() }
    }

    fn config(&self) -> Vec<u8> {
        let answer = self.answer();
        let mut config = vec![self.select, self.subselect, answer.len() as u8, 0, 0, 0, 0, 0];
        config.extend(answer);
        config
    }

    fn write_config(&mut self, offset: u32, value: u32) {
        match offset {
            0 => self.select = value as u8,
            1 => self.subselect = value as u8,
            _ => {}
        }
    }

    fn reset(&mut self) {
        self.waiting.clear();
        (self.select, self.subselect) = (0, 0);
    }

    fn channels(&self) -> Vec<Channel> {
        let mut channels =
            vec![Channel::touch("touch", "a finger on the panel", self.config.width, self.config.height)];
        let keys = KEYS.iter().take(self.config.keys.len());
        channels.extend(keys.map(|key| Channel::switch(key, "true while somebody presses it")));
        channels
    }

    fn set(&mut self, channel: &str, value: &Value) -> Result<bool, SetError> {
        let known = self.channels().into_iter().find(|known| known.name == channel);
        known.ok_or_else(|| SetError::NoChannel(channel.to_owned()))?.check(value)?;
        match value {
            Value::Numbers(place) => {
                // Checked to be two numbers within the panel.
                let at = |n: usize| place.get(n).map_or(0, |number| *number as u16);
                self.touch(Some((at(0), at(1))));
            }
            Value::Bool(pressed) => match KEYS.iter().position(|key| *key == channel) {
                None => self.touch(None),
                Some(key) => {
                    if std::mem::replace(&mut self.pressed[key], *pressed) != *pressed
                        && let Some(code) = self.config.keys.get(key).copied()
                    {
                        self.event(EV_KEY, code, (*pressed).into());
                        self.event(EV_SYN, 0, 0);
                    }
                }
            },
            Value::Number(_) | Value::Text(_) => {}
        }
        Ok(false)
    }

    fn get(&self, channel: &str) -> Option<Value> {
        if channel == "touch" {
            return Some(match self.finger {
                Some((x, y)) => Value::Numbers(vec![x.into(), y.into()]),
                None => Value::Bool(false),
            });
        }
        let key = KEYS.iter().position(|key| *key == channel)?;
        Some(Value::Bool(self.pressed[key]))
    }

    fn work(&mut self, queues: &mut Queues, cx: &mut Cx<'_>) -> Result<(), BusError> {
        while let Some(chain) = queues.pop(STATUS, cx)? {
            queues.push(STATUS, &chain, 0, cx)?; // there are no lamps to light
        }
        while !self.waiting.is_empty()
            && let Some(chain) = queues.pop(EVENTS, cx)?
        {
            let Some((kind, code, value)) = self.waiting.pop_front() else { break };
            let mut event = kind.to_le_bytes().to_vec();
            event.extend(code.to_le_bytes());
            event.extend(value.to_le_bytes());
            let written = chain.write(&event, cx)?;
            queues.push(EVENTS, &chain, written, cx)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use consort_core::Width;
    use consort_core::component::{Component as _, Model as _};

    use super::super::transport::{Virtio, testing::Driver};
    use super::*;

    #[test]
    fn a_finger_becomes_events() {
        let config = Config { width: 480, height: 800, keys: vec![116] };
        let mut driver = Driver::new(Virtio::<Input>::new(config));
        driver.rig.try_write(0x100, Width::Byte, u32::from(ABS_INFO)).unwrap();
        driver.rig.try_write(0x101, Width::Byte, 1).unwrap();
        assert_eq!(driver.rig.try_read(0x102, Width::Byte), Ok(20));
        assert_eq!(driver.rig.read(0x10C), 799);
        let at: Vec<u64> = (0..4).map(|_| driver.offer(0, &[], 8)).collect();
        driver.rig.with(|input, cx| input.set("touch", &Value::Numbers(vec![10.0, 20.0]), cx)).unwrap();
        assert_eq!(driver.returned(0), [8; 4]);
        assert_eq!(driver.bytes(at[1], 8), [3, 0, 1, 0, 20, 0, 0, 0]);
        assert_eq!(driver.bytes(at[2], 8), [1, 0, 0x4A, 1, 1, 0, 0, 0]);
        driver.rig.with(|input, cx| input.set("key0", &Value::Bool(true), cx)).unwrap();
        let at = driver.offer(0, &[], 8);
        assert_eq!(driver.bytes(at, 8), [1, 0, 116, 0, 1, 0, 0, 0]);
        assert!(driver.rig.with(|input, cx| input.set("key1", &Value::Bool(true), cx)).is_err());
    }
}
