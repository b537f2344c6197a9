//! Blocks whose other side is not there: USBD without a host, NFCT without a field. Firmware that enables them
//! goes on.
//!
//! nRF52840 PS v1.1, "USBD", "NFCT".

use consort_core::Time;
use consort_core::component::{Coverage, NoConfig, Register};
use serde::{Deserialize, Serialize};

use super::block::{EventInfo, Io, Logic, NRF51_POWER, Spec, array, erratum, event, f, short, stub, task};

const ENABLE: u32 = 0x500;

const USBEVENT: u32 = 0x158;
const EVENTCAUSE: u32 = 0x400;
const USB_READY: u32 = 1 << 11;

const USBD_EVENTS: &[EventInfo] = &[
    event(0x100, "EVENTS_USBRESET", 0),
    event(0x104, "EVENTS_STARTED", 1),
    event(0x128, "EVENTS_EP0DATADONE", 10),
    event(0x12C, "EVENTS_ENDISOIN", 11),
    event(0x150, "EVENTS_ENDISOOUT", 20),
    event(0x154, "EVENTS_SOF", 21),
    event(USBEVENT, "EVENTS_USBEVENT", 22),
    event(0x15C, "EVENTS_EP0SETUP", 23),
    event(0x160, "EVENTS_EPDATA", 24),
];
const USBD_REGISTERS: &[Register] = &[
    Register::rw(EVENTCAUSE, "EVENTCAUSE", 0).coverage(Coverage::Partial),
    stub(0x468, "EPSTATUS", 0),
    stub(0x46C, "EPDATASTATUS", 0),
    Register::ro(0x470, "USBADDR", 0),
    Register::ro(0x480, "BMREQUESTTYPE", 0),
    Register::ro(0x484, "BREQUEST", 0),
    Register::ro(0x488, "WVALUEL", 0),
    Register::ro(0x48C, "WVALUEH", 0),
    Register::ro(0x490, "WINDEXL", 0),
    Register::ro(0x494, "WINDEXH", 0),
    Register::ro(0x498, "WLENGTHL", 0),
    Register::ro(0x49C, "WLENGTHH", 0),
    Register::ro(0x4C0, "SIZE.ISOOUT", 0x1_0000),
    Register::rw(ENABLE, "ENABLE", 0).fields(&[f("ENABLE", 0, 1)]),
    stub(0x504, "USBPULLUP", 0),
    stub(0x508, "DPDMVALUE", 0),
    stub(0x50C, "DTOGGLE", 0x100),
    stub(0x510, "EPINEN", 1),
    stub(0x514, "EPOUTEN", 1),
    stub(0x518, "EPSTALL", 0),
    stub(0x51C, "ISOSPLIT", 0),
    Register::ro(0x520, "FRAMECNTR", 0),
    stub(0x52C, "LOWPOWER", 0),
    stub(0x530, "ISOINCONFIG", 0),
    stub(0x6A0, "ISOIN.PTR", 0),
    stub(0x6A4, "ISOIN.MAXCNT", 0),
    Register::ro(0x6A8, "ISOIN.AMOUNT", 0),
    stub(0x7A0, "ISOOUT.PTR", 0),
    stub(0x7A4, "ISOOUT.MAXCNT", 0),
    Register::ro(0x7A8, "ISOOUT.AMOUNT", 0),
    // Start-up code unlocks and writes these to work around errata.
    stub(0x800, "RESERVED[0]", 0),
    stub(0x804, "RESERVED[1]", 0),
    stub(0xC00, "RESERVED[2]", 0),
    stub(0xC04, "RESERVED[3]", 0),
    stub(0xD14, "RESERVED[4]", 0),
    erratum(0xC1C, "ERRATUM_199", 0),
];

static USBD: Spec = Spec::new(
    &[
        array!(wo 0x004, 4, "TASKS_STARTEPIN[", "]"; 0 1 2 3 4 5 6 7),
        array!(wo 0x028, 4, "TASKS_STARTEPOUT[", "]"; 0 1 2 3 4 5 6 7),
        &[
            task(0x024, "TASKS_STARTISOIN").coverage(Coverage::Stub),
            task(0x048, "TASKS_STARTISOOUT").coverage(Coverage::Stub),
            task(0x04C, "TASKS_EP0RCVOUT").coverage(Coverage::Stub),
            task(0x050, "TASKS_EP0STATUS").coverage(Coverage::Stub),
            task(0x054, "TASKS_EP0STALL").coverage(Coverage::Stub),
            task(0x058, "TASKS_DPDMDRIVE").coverage(Coverage::Stub),
            task(0x05C, "TASKS_DPDMNODRIVE").coverage(Coverage::Stub),
        ],
    ],
    &[
        USBD_EVENTS,
        array!(event 0x108, 4, "EVENTS_ENDEPIN[", "]", 2, 1; 0 1 2 3 4 5 6 7),
        array!(event 0x130, 4, "EVENTS_ENDEPOUT[", "]", 12, 1; 0 1 2 3 4 5 6 7),
    ],
    &[
        short(0, 0x128, 0x004),
        short(1, 0x128, 0x028),
        short(2, 0x128, 0x050),
        short(3, 0x130, 0x050),
        short(4, 0x130, 0x04C),
    ],
    &[
        USBD_REGISTERS,
        array!(stub 0x420, 4, "HALTED.EPIN[", "]", 0; 0 1 2 3 4 5 6 7),
        array!(stub 0x444, 4, "HALTED.EPOUT[", "]", 0; 0 1 2 3 4 5 6 7),
        array!(stub 0x4A0, 4, "SIZE.EPOUT[", "]", 0; 0 1 2 3 4 5 6 7),
        array!(stub 0x600, 0x14, "EPIN[", "].PTR", 0; 0 1 2 3 4 5 6 7),
        array!(stub 0x604, 0x14, "EPIN[", "].MAXCNT", 0; 0 1 2 3 4 5 6 7),
        array!(stub 0x608, 0x14, "EPIN[", "].AMOUNT", 0; 0 1 2 3 4 5 6 7),
        array!(stub 0x700, 0x14, "EPOUT[", "].PTR", 0; 0 1 2 3 4 5 6 7),
        array!(stub 0x704, 0x14, "EPOUT[", "].MAXCNT", 0; 0 1 2 3 4 5 6 7),
        array!(stub 0x708, 0x14, "EPOUT[", "].AMOUNT", 0; 0 1 2 3 4 5 6 7),
    ],
);

/// USBD: it becomes ready, and no host ever resets the bus.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usbd {
    ready: Time,
}

impl Logic for Usbd {
    const KIND: &'static str = "nordic-usbd";
    const DOC: &'static str = "The USB device, with nothing plugged in.";
    type Config = NoConfig;
    fn new(_: NoConfig) -> Self {
        Self { ready: Time::MAX }
    }
    fn spec(&self) -> &'static Spec {
        &USBD
    }
    fn reset(&mut self, _: &mut Io<'_, '_>) {
        self.ready = Time::MAX;
    }
    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        match offset {
            ENABLE if value != old => {
                self.ready = if value != 0 { io.now() + Time::from_us(300) } else { Time::MAX };
            }
            EVENTCAUSE => io.set(EVENTCAUSE, old & !value),
            _ => {}
        }
    }
    fn deadline(&self) -> Time {
        self.ready
    }
    fn wake(&mut self, io: &mut Io<'_, '_>) {
        self.ready = Time::MAX;
        io.set(EVENTCAUSE, io.reg(EVENTCAUSE) | USB_READY);
        io.raise(USBEVENT);
    }
}

const NFC_READY: u32 = 0x100;

const NFC_ERRATA: &[Register] = &[
    erratum(0x010, "ERRATUM_116", 0),
    erratum(0x610, "ERRATUM_57[0]", 0),
    erratum(0x614, "ERRATUM_57[1]", 0),
    erratum(0x618, "ERRATUM_57[2]", 0),
    erratum(0x688, "ERRATUM_57[3]", 0),
    erratum(0x68C, "ERRATUM_98", 0),
    erratum(0x61C, "ERRATUM_144[0]", 0),
    erratum(0x62C, "ERRATUM_144[1]", 0),
    erratum(0x63C, "ERRATUM_144[2]", 0),
];

static NFCT: Spec = Spec::new(
    &[&[
        task(0x000, "TASKS_ACTIVATE"),
        task(0x004, "TASKS_DISABLE"),
        task(0x008, "TASKS_SENSE"),
        task(0x00C, "TASKS_STARTTX").coverage(Coverage::Stub),
        task(0x01C, "TASKS_ENABLERXDATA").coverage(Coverage::Stub),
        task(0x024, "TASKS_GOIDLE").coverage(Coverage::Stub),
        task(0x028, "TASKS_GOSLEEP").coverage(Coverage::Stub),
    ]],
    &[&[
        event(NFC_READY, "EVENTS_READY", 0),
        event(0x104, "EVENTS_FIELDDETECTED", 1),
        event(0x108, "EVENTS_FIELDLOST", 2),
        event(0x10C, "EVENTS_TXFRAMESTART", 3),
        event(0x110, "EVENTS_TXFRAMEEND", 4),
        event(0x114, "EVENTS_RXFRAMESTART", 5),
        event(0x118, "EVENTS_RXFRAMEEND", 6),
        event(0x11C, "EVENTS_ERROR", 7),
        event(0x128, "EVENTS_RXERROR", 10),
        event(0x12C, "EVENTS_ENDRX", 11),
        event(0x130, "EVENTS_ENDTX", 12),
        event(0x138, "EVENTS_AUTOCOLRESSTARTED", 14),
        event(0x148, "EVENTS_COLLISION", 18),
        event(0x14C, "EVENTS_SELECTED", 19),
        event(0x150, "EVENTS_STARTED", 20),
    ]],
    &[short(0, 0x104, 0x000), short(1, 0x108, 0x008), short(5, 0x110, 0x01C)],
    &[
        NFC_ERRATA,
        NRF51_POWER,
        &[
            stub(0x404, "ERRORSTATUS", 0),
            stub(0x40C, "FRAMESTATUS.RX", 0),
            Register::ro(0x410, "NFCTAGSTATE", 0).coverage(Coverage::Stub),
            Register::ro(0x420, "SLEEPSTATE", 0).coverage(Coverage::Stub),
            Register::ro(0x430, "CURRENTLOADCTRL", 0).coverage(Coverage::Stub),
            Register::ro(0x43C, "FIELDPRESENT", 0),
            stub(0x504, "FRAMEDELAYMIN", 0x480),
            stub(0x508, "FRAMEDELAYMAX", 0x1000),
            stub(0x50C, "FRAMEDELAYMODE", 1),
            stub(0x510, "PACKETPTR", 0),
            stub(0x514, "MAXLEN", 0),
            stub(0x518, "TXD.FRAMECONFIG", 0x17),
            stub(0x51C, "TXD.AMOUNT", 0),
            stub(0x520, "RXD.FRAMECONFIG", 0x15),
            Register::ro(0x524, "RXD.AMOUNT", 0).coverage(Coverage::Stub),
            stub(0x52C, "MODULATIONCTRL", 1),
            stub(0x538, "MODULATIONPSEL", u32::MAX),
            stub(0x590, "NFCID1_LAST", 0x6363),
            stub(0x594, "NFCID1_2ND_LAST", 0),
            stub(0x598, "NFCID1_3RD_LAST", 0),
            stub(0x59C, "AUTOCOLRESCONFIG", 2),
            stub(0x5A0, "SENSRES", 1),
            stub(0x5A4, "SELRES", 0),
        ],
    ],
);

/// NFCT: no reader is ever near.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Nfct {}

impl Logic for Nfct {
    const KIND: &'static str = "nordic-nfct";
    const DOC: &'static str = "The NFC tag, with no reader near.";
    type Config = NoConfig;
    fn new(_: NoConfig) -> Self {
        Self {}
    }
    fn spec(&self) -> &'static Spec {
        &NFCT
    }
    fn task(&mut self, task: u32, io: &mut Io<'_, '_>) {
        if task == 0 {
            io.raise(NFC_READY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::Block;
    use consort_core::component::Model;
    use consort_core::testing::Rig;

    #[test]
    fn usbd_becomes_ready() {
        // nRF52840 PS "USBD": USBEVENT with EVENTCAUSE.READY once enabled.
        let mut rig = Rig::new(Block::<Usbd>::new(NoConfig {}));
        rig.write(ENABLE, 1);
        rig.run_for(Time::from_us(300));
        assert_eq!((rig.read(USBEVENT), rig.read(EVENTCAUSE)), (1, USB_READY));
        rig.write(EVENTCAUSE, USB_READY);
        assert_eq!(rig.read(EVENTCAUSE), 0);
    }
}
