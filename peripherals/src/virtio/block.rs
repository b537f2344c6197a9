//! The block device (Virtio 1.1, 5.2): a disk whose first contents the fleet gives.

use std::collections::BTreeMap;

use consort_core::BusError;
use consort_core::component::Cx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::transport::{Device, Queues};

const SECTOR: usize = 512;
/// type, reserved, sector.
const HEADER: usize = 16;

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;

const OK: u8 = 0;
const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;

/// VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_RO.
const FEATURE_FLUSH: u64 = 1 << 9;
const FEATURE_READ_ONLY: u64 = 1 << 5;

/// What a board says about a disk.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its least size in bytes: what the medium does not fill reads as zeros.
    #[serde(default)]
    size: u64,
    /// Whether it refuses writes.
    #[serde(default)]
    read_only: bool,
}

/// The device. What the guest writes is kept beside the medium, and is all that a saved state holds.
#[derive(Serialize, Deserialize)]
pub struct Block {
    size: u64,
    read_only: bool,
    /// The contents it began with; a restored disk keeps its own.
    #[serde(skip)]
    medium: Vec<u8>,
    written: BTreeMap<u64, Vec<u8>>,
}

impl Block {
    fn sectors(&self) -> u64 {
        self.size.div_ceil(SECTOR as u64)
    }

    fn read(&self, sector: u64, out: &mut [u8]) {
        for (sector, out) in (sector..).zip(out.chunks_mut(SECTOR)) {
            if let Some(bytes) = self.written.get(&sector) {
                out.copy_from_slice(&bytes[..out.len()]);
                continue;
            }
            let start = usize::try_from(sector).ok().and_then(|sector| sector.checked_mul(SECTOR));
            let rest = start.and_then(|start| self.medium.get(start..)).unwrap_or(&[]);
            let count = rest.len().min(out.len());
            out[..count].copy_from_slice(&rest[..count]);
            out[count..].fill(0);
        }
    }

    /// Carries out a request; the data for the driver and the status.
    fn request(&mut self, request: &[u8], room: usize) -> (Vec<u8>, u8) {
        let Some((header, data)) = request.split_first_chunk::<HEADER>() else {
            return (Vec::new(), IO_ERROR);
        };
        let [t0, t1, t2, t3, _, _, _, _, s0, s1, s2, s3, s4, s5, s6, s7] = *header;
        let sector = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
        let inside = |len: usize| {
            let end = sector.checked_add(len.div_ceil(SECTOR) as u64);
            len.is_multiple_of(SECTOR) && end.is_some_and(|end| end <= self.sectors())
        };
        match u32::from_le_bytes([t0, t1, t2, t3]) {
            IN if inside(room) => {
                let mut out = vec![0; room];
                self.read(sector, &mut out);
                (out, OK)
            }
            OUT if inside(data.len()) && !self.read_only => {
                for (sector, bytes) in (sector..).zip(data.chunks(SECTOR)) {
                    self.written.insert(sector, bytes.to_vec());
                }
                (Vec::new(), OK)
            }
            IN | OUT => (Vec::new(), IO_ERROR),
            FLUSH => (Vec::new(), OK),
            GET_ID => {
                let mut name = b"consort-disk".to_vec();
                name.resize(room.min(20), 0);
                (name, OK)
            }
            _ => (Vec::new(), UNSUPPORTED),
        }
    }
}

impl Device for Block {
    const KIND: &'static str = "virtio-block";
    const DOC: &'static str = "Virtio disk; the fleet's `contents` or `--disk` give it contents.";
    const ID: u32 = 2;
    const QUEUES: u16 = 1;
    type Config = Config;

    fn new(config: Config) -> Self {
        Self { size: config.size, read_only: config.read_only, medium: Vec::new(), written: BTreeMap::new() }
    }

    fn features(&self) -> u64 {
        FEATURE_FLUSH | if self.read_only { FEATURE_READ_ONLY } else { 0 }
    }

    fn config(&self) -> Vec<u8> {
        let mut config = self.sectors().to_le_bytes().to_vec();
        config.resize(36, 0);
        config
    }

    /// `None` for a disk that nobody gave a size.
    fn contents(&self) -> Option<Vec<u8>> {
        let size = usize::try_from(self.size).ok().filter(|size| *size > 0)?;
        let mut contents = vec![0; size];
        self.read(0, &mut contents);
        Some(contents)
    }

    fn load(&mut self, contents: &[u8]) -> Result<(), String> {
        self.size = self.size.max(contents.len() as u64);
        self.medium = contents.to_vec();
        Ok(())
    }

    fn keep(&mut self, before: Self) {
        self.medium = before.medium;
    }

    fn work(&mut self, queues: &mut Queues, cx: &mut Cx<'_>) -> Result<(), BusError> {
        while let Some(chain) = queues.pop(0, cx)? {
            let request = chain.read(cx)?;
            // The status is the last byte of what the device writes.
            let room = chain.room().saturating_sub(1);
            let (mut data, status) = self.request(&request, room);
            data.resize(room, 0);
            data.push(status);
            let written = chain.write(&data, cx)?;
            queues.push(0, &chain, written, cx)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use consort_core::component::{Component as _, Model as _};
    use consort_core::state::State as _;

    use super::super::transport::{Virtio, testing::Driver};
    use super::*;

    fn request(kind: u32, sector: u64, data: &[u8]) -> Vec<u8> {
        let mut request = kind.to_le_bytes().to_vec();
        request.extend([0; 4]);
        request.extend(sector.to_le_bytes());
        request.extend(data);
        request
    }

    #[test]
    fn sectors_are_read_and_written() {
        let mut disk = Virtio::<Block>::new(Config { size: 4096, read_only: false });
        disk.load(&[7; 700]).unwrap();
        let mut driver = Driver::new(disk);
        assert_eq!(driver.rig.read(0x100), 8);
        let at = driver.offer(0, &request(IN, 1, &[]), 513);
        assert_eq!(driver.returned(0), [513]);
        assert_eq!((driver.bytes(at, 188), driver.bytes(at + 188, 2)), (&[7; 188][..], &[0, 0][..]));
        assert_eq!(driver.bytes(at + 512, 1), [OK]);
        let status = driver.offer(0, &request(OUT, 1, &[9; 512]), 1);
        assert_eq!((driver.returned(0), driver.bytes(status, 1)), (vec![1], &[OK][..]));
        let saved = driver.rig.component.save().unwrap();
        let status = driver.offer(0, &request(OUT, 1, &[8; 512]), 1);
        assert_eq!(driver.bytes(status, 1), [OK]);
        driver.returned(0);
        let status = driver.offer(0, &request(OUT, 8, &[9; 512]), 1);
        assert_eq!(driver.bytes(status, 1), [IO_ERROR]);
        let mut other = Virtio::<Block>::new(Config { size: 4096, read_only: false });
        other.load(&[7; 700]).unwrap();
        other.restore(&saved).unwrap();
        let mut out = [0; 1024];
        other.device().read(0, &mut out);
        assert_eq!((&out[..512], &out[512..]), (&[7; 512][..], &[9; 512][..]));
        let all = other.contents().unwrap();
        assert_eq!((all.len(), &all[..1024], &all[1024..]), (4096, &out[..], &[0; 3072][..]));
    }
}
