//! The console device (Virtio 1.1, 5.3) with one port.

use std::collections::VecDeque;

use consort_core::BusError;
use consort_core::component::{Cx, NoConfig, PortKind};
use serde::{Deserialize, Serialize};

use super::transport::{Device, Queues};

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
/// What waits for the guest at most.
const LONGEST_QUEUE: usize = 64 * 1024;

/// The device.
#[derive(Default, Serialize, Deserialize)]
pub struct Console {
    waiting: VecDeque<u8>,
}

impl Device for Console {
    const KIND: &'static str = "virtio-console";
    const DOC: &'static str = "Virtio console: a serial line without registers.";
    const ID: u32 = 3;
    const QUEUES: u16 = 2;
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self::default()
    }

    fn port(&self) -> Option<PortKind> {
        Some(PortKind::Uart)
    }

    fn receive(&mut self, data: &[u8], _: &mut Cx<'_>) {
        let room = LONGEST_QUEUE - self.waiting.len().min(LONGEST_QUEUE);
        self.waiting.extend(&data[..data.len().min(room)]);
    }

    fn work(&mut self, queues: &mut Queues, cx: &mut Cx<'_>) -> Result<(), BusError> {
        while let Some(chain) = queues.pop(TRANSMIT, cx)? {
            let text = chain.read(cx)?;
            if !text.is_empty() {
                cx.send(text);
            }
            queues.push(TRANSMIT, &chain, 0, cx)?;
        }
        while !self.waiting.is_empty()
            && let Some(chain) = queues.pop(RECEIVE, cx)?
        {
            let count = chain.room().min(self.waiting.len());
            let bytes: Vec<u8> = self.waiting.drain(..count).collect();
            let written = chain.write(&bytes, cx)?;
            queues.push(RECEIVE, &chain, written, cx)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use consort_core::component::Model as _;

    use super::super::transport::{Virtio, testing::Driver};
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        let mut driver = Driver::new(Virtio::<Console>::new(NoConfig {}));
        driver.offer(1, b"hello", 0);
        assert_eq!(&*driver.rig.sent[0].1, b"hello");
        assert_eq!(driver.returned(1), [0]);
        driver.rig.with(|console, cx| {
            consort_core::component::Component::receive(console, b"typed", cx);
        });
        let at = driver.offer(0, &[], 3);
        assert_eq!((driver.returned(0), driver.bytes(at, 3)), (vec![3], &b"typ"[..]));
        let at = driver.offer(0, &[], 8);
        assert_eq!((driver.returned(0), driver.bytes(at, 2)), (vec![2], &b"ed"[..]));
    }
}
