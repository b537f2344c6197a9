//! The entropy device (Virtio 1.1, 5.4): the device's own seeded stream.

use consort_core::BusError;
use consort_core::component::{Cx, NoConfig};
use serde::{Deserialize, Serialize};

use super::transport::{Device, Queues};

/// At most this much at once, as hardware would give little.
const MOST: usize = 4096;

/// The device.
#[derive(Serialize, Deserialize)]
pub struct Entropy;

impl Device for Entropy {
    const KIND: &'static str = "virtio-rng";
    const DOC: &'static str = "Virtio entropy: random numbers of the device's own seeded stream.";
    const ID: u32 = 4;
    const QUEUES: u16 = 1;
    type Config = NoConfig;

    fn new(_: NoConfig) -> Self {
        Self
    }

    fn work(&mut self, queues: &mut Queues, cx: &mut Cx<'_>) -> Result<(), BusError> {
        while let Some(chain) = queues.pop(0, cx)? {
            let mut bytes = Vec::new();
            while bytes.len() < chain.room().min(MOST) {
                bytes.extend(cx.rng().next_u64().to_le_bytes());
            }
            bytes.truncate(chain.room().min(MOST));
            let written = chain.write(&bytes, cx)?;
            queues.push(0, &chain, written, cx)?;
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
    fn buffers_come_back_full_of_noise() {
        let mut driver = Driver::new(Virtio::<Entropy>::new(NoConfig {}));
        let at = driver.offer(0, &[], 13);
        assert_eq!(driver.returned(0), [13]);
        assert_ne!(driver.bytes(at, 13), [0; 13]);
    }
}
