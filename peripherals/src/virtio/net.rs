//! The network device (Virtio 1.1, 5.1): one pair of queues, no offloads.

use std::collections::VecDeque;

use consort_core::BusError;
use consort_core::component::{Channel, Cx, PortKind, SetError, Value};

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::transport::{Device, Queues};

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
/// struct virtio_net_hdr.
const HEADER: usize = 12;
/// Frames that wait for a receive buffer; more are lost, as in a full FIFO.
const WAITING: usize = 64;
/// The shortest Ethernet frame without its check sequence.
const SHORTEST: usize = 60;

/// VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS.
const FEATURES: u64 = 1 << 5 | 1 << 16;

/// What a board says about a network device.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its Ethernet address, `"02:00:00:00:00:01"`; made from the device's name when absent.
    #[serde(default, deserialize_with = "address")]
    #[schemars(with = "String")]
    mac: [u8; 6],
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 6], D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes: Option<Vec<u8>> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)).collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| D::Error::custom(format!("`{text}` is no Ethernet address such as 02:00:00:00:00:01")))
}

/// The device. It hears every frame: a switch sends it little that is for others.
#[derive(Serialize, Deserialize)]
pub struct Net {
    mac: [u8; 6],
    cable: bool,
    waiting: VecDeque<Vec<u8>>,
    lost: u64,
}

impl Device for Net {
    const KIND: &'static str = "virtio-net";
    const DOC: &'static str = "Virtio network: an Ethernet port without registers.";
    const ID: u32 = 1;
    const QUEUES: u16 = 2;
    type Config = Config;

    fn new(config: Config) -> Self {
        Self { mac: config.mac, cable: true, waiting: VecDeque::new(), lost: 0 }
    }

    fn features(&self) -> u64 {
        FEATURES
    }

    fn config(&self) -> Vec<u8> {
        let mut config = self.mac.to_vec();
        config.extend(u16::from(self.cable).to_le_bytes());
        config
    }

    fn reset(&mut self) {
        self.waiting.clear();
    }

    fn port(&self) -> Option<PortKind> {
        Some(PortKind::Ethernet)
    }

    fn channels(&self) -> Vec<Channel> {
        vec![Channel::switch("cable", "whether the cable is plugged in")]
    }

    fn set(&mut self, channel: &str, value: &Value) -> Result<bool, SetError> {
        match (channel, value) {
            ("cable", Value::Bool(plugged)) => Ok(std::mem::replace(&mut self.cable, *plugged) != *plugged),
            ("cable", _) => {
                Err(SetError::BadValue { channel: channel.to_owned(), expected: "true or false".to_owned() })
            }
            _ => Err(SetError::NoChannel(channel.to_owned())),
        }
    }

    fn get(&self, channel: &str) -> Option<Value> {
        (channel == "cable").then_some(Value::Bool(self.cable))
    }

    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        if !self.cable {
            return;
        }
        if self.waiting.len() >= WAITING {
            if self.lost == 0 {
                cx.guest_error("the guest does not read: 64 frames wait for it, what comes now is lost");
            }
            self.lost += 1;
            return;
        }
        self.waiting.push_back(data.to_vec());
    }

    fn work(&mut self, queues: &mut Queues, cx: &mut Cx<'_>) -> Result<(), BusError> {
        while let Some(chain) = queues.pop(TRANSMIT, cx)? {
            let bytes = chain.read(cx)?;
            if let Some(frame) = bytes.get(HEADER..)
                && !frame.is_empty()
                && self.cable
            {
                let mut frame = frame.to_vec();
                frame.resize(frame.len().max(SHORTEST), 0);
                cx.send(frame);
            }
            queues.push(TRANSMIT, &chain, 0, cx)?;
        }
        while !self.waiting.is_empty()
            && let Some(chain) = queues.pop(RECEIVE, cx)?
        {
            let Some(frame) = self.waiting.pop_front() else { break };
            let mut bytes = vec![0; HEADER];
            bytes[10] = 1; // num_buffers
            bytes.extend(frame);
            // A frame that does not fit its buffer is lost.
            let fits = bytes.len() <= chain.room();
            let written = if fits { chain.write(&bytes, cx)? } else { 0 };
            queues.push(RECEIVE, &chain, written, cx)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use consort_core::component::{Component as _, Model as _};

    use super::super::transport::{Virtio, testing::Driver};
    use super::*;

    #[test]
    fn frames_go_both_ways() {
        let config = serde_json::from_str(r#"{"mac": "02:00:00:00:00:07"}"#).unwrap();
        let mut driver = Driver::new(Virtio::<Net>::new(config));
        assert_eq!(driver.rig.read(0x104), 0x0001_0700);
        let mut sent = vec![0; HEADER];
        sent.extend([0xAB; 42]);
        driver.offer(1, &sent, 0);
        assert_eq!(driver.rig.sent[0].1.len(), SHORTEST);
        assert_eq!(driver.returned(1), [0]);
        driver.rig.with(|net, cx| net.receive(&[0xCD; 60], cx));
        let at = driver.offer(0, &[], 1526);
        assert_eq!(driver.returned(0), [72]);
        assert_eq!(driver.bytes(at + 12, 60), [0xCD; 60]);
        driver.rig.with(|net, cx| net.set("cable", &Value::Bool(false), cx)).unwrap();
        assert!(driver.rig.line("irq"), "the configuration changed");
        assert!(serde_json::from_str::<Config>(r#"{"mac": "02:00"}"#).is_err());
    }
}
