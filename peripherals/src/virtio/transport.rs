//! The memory-mapped transport (Virtio 1.1, 4.2.2): what the driver sees of every device.

use consort_core::component::{
    Channel, Component, Cx, Model, Peripheral, PortKind, Register, SetError, Value,
};
use consort_core::state::{State, StateError, from_bytes, to_bytes};
use consort_core::{BusError, Time, Width};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::queue::{Chain, MOST, Queue};
use crate::block::{self, Told};

const MAGIC: u32 = 0x000;
const VERSION: u32 = 0x004;
const DEVICE_ID: u32 = 0x008;
const VENDOR_ID: u32 = 0x00C;
const DEVICE_FEATURES: u32 = 0x010;
const DEVICE_FEATURES_SEL: u32 = 0x014;
const DRIVER_FEATURES: u32 = 0x020;
const DRIVER_FEATURES_SEL: u32 = 0x024;
const QUEUE_SEL: u32 = 0x030;
const QUEUE_NUM_MAX: u32 = 0x034;
const QUEUE_NUM: u32 = 0x038;
const QUEUE_READY: u32 = 0x044;
const QUEUE_NOTIFY: u32 = 0x050;
const INTERRUPT_STATUS: u32 = 0x060;
const INTERRUPT_ACK: u32 = 0x064;
const STATUS: u32 = 0x070;
const QUEUE_DESC_LOW: u32 = 0x080;
const QUEUE_DESC_HIGH: u32 = 0x084;
const QUEUE_DRIVER_LOW: u32 = 0x090;
const QUEUE_DRIVER_HIGH: u32 = 0x094;
const QUEUE_DEVICE_LOW: u32 = 0x0A0;
const QUEUE_DEVICE_HIGH: u32 = 0x0A4;
const CONFIG_GENERATION: u32 = 0x0FC;
const CONFIG: u32 = 0x100;

static REGISTERS: &[Register] = &[
    Register::ro(MAGIC, "MagicValue", 0x7472_6976),
    Register::ro(VERSION, "Version", 2),
    Register::ro(DEVICE_ID, "DeviceID", 0),
    Register::ro(VENDOR_ID, "VendorID", 0x5453_4E43),
    Register::ro(DEVICE_FEATURES, "DeviceFeatures", 0),
    Register::wo(DEVICE_FEATURES_SEL, "DeviceFeaturesSel"),
    Register::wo(DRIVER_FEATURES, "DriverFeatures"),
    Register::wo(DRIVER_FEATURES_SEL, "DriverFeaturesSel"),
    Register::wo(QUEUE_SEL, "QueueSel"),
    Register::ro(QUEUE_NUM_MAX, "QueueNumMax", MOST),
    Register::wo(QUEUE_NUM, "QueueNum"),
    Register::rw(QUEUE_READY, "QueueReady", 0),
    Register::wo(QUEUE_NOTIFY, "QueueNotify"),
    Register::ro(INTERRUPT_STATUS, "InterruptStatus", 0),
    Register::wo(INTERRUPT_ACK, "InterruptACK"),
    Register::rw(STATUS, "Status", 0),
    Register::wo(QUEUE_DESC_LOW, "QueueDescLow"),
    Register::wo(QUEUE_DESC_HIGH, "QueueDescHigh"),
    Register::wo(QUEUE_DRIVER_LOW, "QueueDriverLow"),
    Register::wo(QUEUE_DRIVER_HIGH, "QueueDriverHigh"),
    Register::wo(QUEUE_DEVICE_LOW, "QueueDeviceLow"),
    Register::wo(QUEUE_DEVICE_HIGH, "QueueDeviceHigh"),
    Register::ro(CONFIG_GENERATION, "ConfigGeneration", 0),
];

/// VIRTIO_F_VERSION_1.
const VERSION_1: u64 = 1 << 32;
/// Status: the driver is ready.
const DRIVER_OK: u32 = 4;
/// Status: the device needs a reset.
const NEEDS_RESET: u32 = 0x40;
const USED_BUFFER: u32 = 1;
const CONFIG_CHANGED: u32 = 2;

/// What makes one kind of device differ from the others.
pub trait Device: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// The name in board files.
    const KIND: &'static str;
    /// One sentence for lists.
    const DOC: &'static str;
    /// The device's type (Virtio 1.1, 5).
    const ID: u32;
    /// How many queues it has.
    const QUEUES: u16;
    /// What the board file may say.
    type Config: DeserializeOwned + JsonSchema;

    /// An instance.
    fn new(config: Self::Config) -> Self;
    /// The features it offers besides VERSION_1.
    fn features(&self) -> u64 {
        0
    }
    /// Its configuration space.
    fn config(&self) -> Vec<u8> {
        Vec::new()
    }
    /// The driver writes to the configuration space.
    fn write_config(&mut self, offset: u32, value: u32) {
        let _ = (offset, value);
    }
    /// The driver reset it.
    fn reset(&mut self) {}
    /// The driver is ready, or has put something into a queue.
    fn work(&mut self, queues: &mut Queues, cx: &mut Cx<'_>) -> Result<(), BusError>;
    /// See [`Component::port`].
    fn port(&self) -> Option<PortKind> {
        None
    }
    /// See [`Component::channels`].
    fn channels(&self) -> Vec<Channel> {
        Vec::new()
    }
    /// See [`Component::receive`]; [`Device::work`] follows.
    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        let _ = (data, cx);
    }
    /// See [`Component::set`]; [`Device::work`] follows. True when the configuration space changed.
    fn set(&mut self, channel: &str, value: &Value) -> Result<bool, SetError> {
        let _ = value;
        Err(SetError::NoChannel(channel.to_owned()))
    }
    /// See [`Component::get`].
    fn get(&self, channel: &str) -> Option<Value> {
        let _ = channel;
        None
    }
    /// After a restored state replaced `before`: takes over what a state does not hold.
    fn keep(&mut self, before: Self) {
        let _ = before;
    }
    /// See [`Component::contents`].
    fn contents(&self) -> Option<Vec<u8>> {
        None
    }
    /// See [`Component::load`].
    fn load(&mut self, contents: &[u8]) -> Result<(), String> {
        let _ = contents;
        Err("it has no memory that outlives power".to_owned())
    }
}

/// A device's queues.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Queues {
    list: Vec<Queue>,
    /// InterruptStatus.
    interrupt: u32,
}

impl Queues {
    fn new(count: u16) -> Self {
        Self { list: vec![Queue::default(); usize::from(count)], interrupt: 0 }
    }

    /// The next chain of a queue.
    pub(super) fn pop(&mut self, queue: usize, cx: &mut Cx<'_>) -> Result<Option<Chain>, BusError> {
        self.list.get_mut(queue).map_or(Ok(None), |queue| queue.pop(cx))
    }

    /// Gives a chain back.
    pub(super) fn push(
        &mut self,
        queue: usize,
        chain: &Chain,
        written: u32,
        cx: &mut Cx<'_>,
    ) -> Result<(), BusError> {
        if let Some(queue) = self.list.get_mut(queue)
            && queue.push(chain, written, cx)?
        {
            self.interrupt |= USED_BUFFER;
        }
        Ok(())
    }
}

/// A device behind the transport.
pub struct Virtio<D: Device> {
    device: D,
    common: Common,
}

/// The transport's own state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Common {
    queues: Queues,
    status: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    queue_sel: u32,
    generation: u32,
    line: bool,
    told: Told,
}

impl<D: Device> Virtio<D> {
    #[cfg(test)]
    pub(super) fn device(&self) -> &D {
        &self.device
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let level = self.common.queues.interrupt != 0;
        if level != self.common.line {
            self.common.line = level;
            cx.drive(0, level);
        }
    }

    fn work(&mut self, cx: &mut Cx<'_>) {
        if self.common.status & DRIVER_OK != 0
            && self.common.status & NEEDS_RESET == 0
            && let Err(error) = self.device.work(&mut self.common.queues, cx)
        {
            cx.guest_error(format!("a queue leads nowhere: {error}"));
            self.common.status |= NEEDS_RESET;
            self.common.queues.interrupt |= CONFIG_CHANGED;
        }
        self.settle(cx);
    }

    fn clear(&mut self) {
        self.common.queues = Queues::new(D::QUEUES);
        self.common.status = 0;
        self.common.driver_features = 0;
        (self.common.device_features_sel, self.common.driver_features_sel, self.common.queue_sel) = (0, 0, 0);
        self.device.reset();
    }

    fn queue(&self) -> Option<&Queue> {
        self.common.queues.list.get(self.common.queue_sel as usize)
    }

    fn look(&self, offset: u32) -> u32 {
        let features = self.device.features() | VERSION_1;
        match offset {
            DEVICE_ID => D::ID,
            DEVICE_FEATURES => match self.common.device_features_sel {
                0 => features as u32,
                1 => (features >> 32) as u32,
                _ => 0,
            },
            QUEUE_NUM_MAX => self.queue().map_or(0, |_| MOST),
            QUEUE_READY => self.queue().is_some_and(|queue| queue.ready).into(),
            INTERRUPT_STATUS => self.common.queues.interrupt,
            STATUS => self.common.status,
            CONFIG_GENERATION => self.common.generation,
            _ => block::reset_of(REGISTERS, offset),
        }
    }

    fn store(&mut self, offset: u32, value: u32, cx: &mut Cx<'_>) {
        let half = |old: &mut u64, high: bool| {
            *old = if high {
                *old & 0xFFFF_FFFF | u64::from(value) << 32
            } else {
                *old & !0xFFFF_FFFF | u64::from(value)
            };
        };
        match offset {
            DEVICE_FEATURES_SEL => self.common.device_features_sel = value,
            DRIVER_FEATURES_SEL => self.common.driver_features_sel = value,
            DRIVER_FEATURES if self.common.driver_features_sel < 2 => {
                half(&mut self.common.driver_features, self.common.driver_features_sel == 1);
            }
            QUEUE_SEL => self.common.queue_sel = value,
            QUEUE_NOTIFY => self.work(cx),
            INTERRUPT_ACK => {
                self.common.queues.interrupt &= !value;
                self.settle(cx);
            }
            STATUS if value == 0 => {
                self.clear();
                self.settle(cx);
            }
            STATUS => {
                self.common.status = value & 0xFF;
                if value & DRIVER_OK != 0 {
                    self.work(cx);
                }
            }
            _ => {
                let Some(queue) = self.common.queues.list.get_mut(self.common.queue_sel as usize) else {
                    return;
                };
                match offset {
                    QUEUE_NUM => queue.size = value.min(MOST),
                    QUEUE_READY if value & 1 == 0 => *queue = Queue::default(),
                    QUEUE_READY => queue.ready = true,
                    QUEUE_DESC_LOW | QUEUE_DESC_HIGH => {
                        half(&mut queue.descriptors, offset == QUEUE_DESC_HIGH);
                    }
                    QUEUE_DRIVER_LOW | QUEUE_DRIVER_HIGH => {
                        half(&mut queue.available, offset == QUEUE_DRIVER_HIGH);
                    }
                    QUEUE_DEVICE_LOW | QUEUE_DEVICE_HIGH => {
                        half(&mut queue.used, offset == QUEUE_DEVICE_HIGH);
                    }
                    _ => {}
                }
            }
        }
    }

    fn config_word(&self, offset: u32, width: Width) -> u32 {
        let config = self.device.config();
        let at = (offset - CONFIG) as usize;
        (0..width.bytes() as usize)
            .fold(0, |word, n| word | u32::from(config.get(at + n).copied().unwrap_or(0)) << (8 * n))
    }
}

impl<D: Device> State for Virtio<D> {
    fn save(&self) -> Result<Vec<u8>, StateError> {
        to_bytes(&(&self.device, &self.common))
    }
    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError> {
        let (device, common): (D, Common) = from_bytes(saved)?;
        let before = std::mem::replace(&mut self.device, device);
        self.device.keep(before);
        self.common = common;
        Ok(())
    }
}

impl<D: Device> Component for Virtio<D> {
    fn lines(&self) -> &'static [&'static str] {
        &["irq"]
    }
    fn port(&self) -> Option<PortKind> {
        self.device.port()
    }
    fn channels(&self) -> Vec<Channel> {
        self.device.channels()
    }
    fn reset(&mut self, _: &mut Cx<'_>) {
        self.clear();
        self.common.line = false;
        self.common.told = Told::default();
    }
    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.work(cx);
    }
    fn receive(&mut self, data: &[u8], cx: &mut Cx<'_>) {
        // Typed text waits for its reader; a network's frames do not.
        let ready = self.common.status & DRIVER_OK != 0;
        if ready || self.device.port() == Some(PortKind::Uart) {
            self.device.receive(data, cx);
            self.work(cx);
        }
    }
    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        if self.device.set(channel, value)? {
            self.common.generation = self.common.generation.wrapping_add(1);
            self.common.queues.interrupt |= CONFIG_CHANGED;
        }
        self.work(cx);
        Ok(())
    }
    fn get(&self, channel: &str) -> Option<Value> {
        self.device.get(channel)
    }
    fn contents(&self) -> Option<Vec<u8>> {
        self.device.contents()
    }
    fn load(&mut self, contents: &[u8]) -> Result<(), String> {
        self.device.load(contents)
    }
}

impl<D: Device> Peripheral for Virtio<D> {
    fn registers(&self) -> &'static [Register] {
        REGISTERS
    }
    fn read(&mut self, offset: u32, width: Width, cx: &mut Cx<'_>) -> Result<u32, BusError> {
        if offset >= CONFIG {
            return Ok(self.config_word(offset, width));
        }
        if block::find(REGISTERS, offset & !3).is_none() && self.common.told.first(0) {
            cx.unimplemented(format!("read of offset {offset:#x}"));
        }
        Ok(block::pick(self.look(offset & !3), offset, width))
    }
    fn write(&mut self, offset: u32, width: Width, value: u32, cx: &mut Cx<'_>) -> Result<(), BusError> {
        if offset >= CONFIG {
            self.device.write_config(offset - CONFIG, value);
        } else if width == Width::Word {
            self.store(offset & !3, value, cx);
        } else if self.common.told.first(1) {
            cx.guest_error(format!("narrow write to offset {offset:#x} is ignored"));
        }
        Ok(())
    }
    fn peek(&self, offset: u32, _: Time) -> Option<u32> {
        if offset >= CONFIG {
            return Some(self.config_word(offset & !3, Width::Word));
        }
        block::find(REGISTERS, offset & !3).map(|register| self.look(register.offset))
    }
}

impl<D: Device> Model for Virtio<D> {
    const KIND: &'static str = D::KIND;
    const DOC: &'static str = D::DOC;
    type Config = D::Config;

    fn new(config: D::Config) -> Self {
        let common = Common { queues: Queues::new(D::QUEUES), ..Common::default() };
        Self { device: D::new(config), common }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use consort_core::testing::Rig;

    use super::*;

    /// A driver for tests: its queues lie in the rig's memory, 4 KiB each, its buffers behind them.
    pub(crate) struct Driver<D: Device> {
        pub rig: Rig<Virtio<D>>,
        /// Per queue: how many chains were made available, how many came back.
        counts: Vec<(u16, u16)>,
        free: u64,
    }

    const QUEUE: u64 = 0x1000;
    const SIZE: u16 = 8;

    impl<D: Device> Driver<D> {
        pub(crate) fn new(device: Virtio<D>) -> Self {
            let mut rig = Rig::new(device);
            rig.host.memory = vec![0; 0x4_0000];
            assert_eq!((rig.read(MAGIC), rig.read(DEVICE_ID)), (0x7472_6976, D::ID));
            for queue in 0..u32::from(D::QUEUES) {
                rig.write(QUEUE_SEL, queue);
                assert_eq!(rig.read(QUEUE_NUM_MAX), MOST);
                rig.write(QUEUE_NUM, SIZE.into());
                let base = queue * QUEUE as u32;
                rig.write(QUEUE_DESC_LOW, base);
                rig.write(QUEUE_DRIVER_LOW, base + 0x400);
                rig.write(QUEUE_DEVICE_LOW, base + 0x800);
                rig.write(QUEUE_READY, 1);
            }
            rig.write(STATUS, 15);
            let counts = vec![(0, 0); usize::from(D::QUEUES)];
            let free = QUEUE * u64::from(D::QUEUES);
            Self { rig, counts, free }
        }

        fn put(&mut self, at: u64, bytes: &[u8]) {
            self.rig.host.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        }

        fn half(&self, at: u64) -> u16 {
            let at = at as usize;
            u16::from_le_bytes([self.rig.host.memory[at], self.rig.host.memory[at + 1]])
        }

        /// Makes a chain available; where its writable part lies.
        pub(crate) fn offer(&mut self, queue: u16, readable: &[u8], room: u32) -> u64 {
            let base = u64::from(queue) * QUEUE;
            let offered = self.counts[usize::from(queue)].0;
            let first = (offered * 2) % SIZE;
            let (source, target) = (self.free, self.free + readable.len() as u64);
            self.free = (target + u64::from(room)).next_multiple_of(16);
            self.put(source, readable);
            let mut pieces = Vec::new();
            if !readable.is_empty() {
                pieces.push((source, readable.len() as u32, 0));
            }
            if room > 0 {
                pieces.push((target, room, 2));
            }
            for (n, (addr, len, flags)) in pieces.iter().enumerate() {
                let more = u16::from(n + 1 < pieces.len());
                let mut descriptor = addr.to_le_bytes().to_vec();
                descriptor.extend(len.to_le_bytes());
                descriptor.extend((flags | more).to_le_bytes());
                descriptor.extend((first + n as u16 + 1).to_le_bytes());
                self.put(base + 16 * u64::from(first + n as u16), &descriptor);
            }
            self.put(base + 0x404 + 2 * u64::from(offered % SIZE), &first.to_le_bytes());
            self.counts[usize::from(queue)].0 += 1;
            self.put(base + 0x402, &(offered + 1).to_le_bytes());
            self.rig.write(QUEUE_NOTIFY, queue.into());
            target
        }

        /// The lengths of the chains that came back since the last call.
        pub(crate) fn returned(&mut self, queue: u16) -> Vec<u32> {
            let base = u64::from(queue) * QUEUE + 0x800;
            let mut lengths = Vec::new();
            while self.counts[usize::from(queue)].1 != self.half(base + 2) {
                let slot = u64::from(self.counts[usize::from(queue)].1 % SIZE);
                lengths.push(self.half(base + 4 + 8 * slot + 4).into());
                self.counts[usize::from(queue)].1 += 1;
            }
            if !lengths.is_empty() {
                assert!(self.rig.line("irq"));
                self.rig.write(INTERRUPT_ACK, 1);
            }
            lengths
        }

        pub(crate) fn bytes(&self, at: u64, len: usize) -> &[u8] {
            &self.rig.host.memory[at as usize..at as usize + len]
        }
    }
}
