//! The registers of POWER, CLOCK and flash protection.

use consort_core::component::{Access, Field, Register};

use super::super::block::{Spec, erratum, event, f, stub, task};

pub const HFCLKSTART: u32 = 0x000;
pub const HFCLKSTOP: u32 = 0x004;
pub const LFCLKSTART: u32 = 0x008;
pub const LFCLKSTOP: u32 = 0x00C;
pub const CAL: u32 = 0x010;
pub const CTSTART: u32 = 0x014;
pub const CTSTOP: u32 = 0x018;
pub const HFCLKSTARTED: u32 = 0x100;
pub const LFCLKSTARTED: u32 = 0x104;
pub const DONE: u32 = 0x10C;
pub const CTTO: u32 = 0x110;
pub const POFWARN: u32 = 0x108;
pub const USBDETECTED: u32 = 0x11C;
pub const USBREMOVED: u32 = 0x120;
pub const USBPWRRDY: u32 = 0x124;
pub const SLEEPENTER: u32 = 0x114;
pub const SLEEPEXIT: u32 = 0x118;
pub const RESETREAS: u32 = 0x400;
pub const HFCLKRUN: u32 = 0x408;
pub const HFCLKSTAT: u32 = 0x40C;
pub const LFCLKRUN: u32 = 0x414;
pub const LFCLKSTAT: u32 = 0x418;
pub const LFCLKSRCCOPY: u32 = 0x41C;
pub const USBREGSTATUS: u32 = 0x438;
pub const RAMSTATUS: u32 = 0x428;
pub const SYSTEMOFF: u32 = 0x500;
pub const POFCON: u32 = 0x510;
pub const RAMON: u32 = 0x524;
pub const RAMONB: u32 = 0x554;
pub const RAM_POWER: u32 = 0x900;
pub const LFCLKSRC: u32 = 0x518;
pub const GPREGRET: u32 = 0x51C;
pub const GPREGRET2: u32 = 0x520;
pub const CTIV: u32 = 0x538;
pub const PROTECT0: u32 = 0x600;
pub const PROTECT1: u32 = 0x604;
pub const PROTECT2: u32 = 0x610;
pub const PROTECT3: u32 = 0x614;

pub const RESETPIN: u32 = 1;
pub const DOG: u32 = 1 << 1;
pub const SREQ: u32 = 1 << 2;
pub const LOCKUP: u32 = 1 << 3;
pub const OFF: u32 = 1 << 16;
pub const BY_LPCOMP: u32 = 1 << 17;
pub const BY_VBUS: u32 = 1 << 20;

pub const STATE: u32 = 1 << 16;

const TASKS: &[Register] = &[
    task(HFCLKSTART, "TASKS_HFCLKSTART"),
    task(HFCLKSTOP, "TASKS_HFCLKSTOP"),
    task(LFCLKSTART, "TASKS_LFCLKSTART"),
    task(LFCLKSTOP, "TASKS_LFCLKSTOP"),
    task(CAL, "TASKS_CAL"),
    task(CTSTART, "TASKS_CTSTART"),
    task(CTSTOP, "TASKS_CTSTOP"),
    task(0x078, "TASKS_CONSTLAT"),
    task(0x07C, "TASKS_LOWPWR"),
];

const COMMON: &[Register] = &[
    Register::rw(RESETREAS, "RESETREAS", 0).fields(&[
        f("RESETPIN", 0, 1),
        f("DOG", 1, 1),
        f("SREQ", 2, 1),
        f("LOCKUP", 3, 1),
        f("OFF", 16, 1),
        f("LPCOMP", 17, 1),
        f("DIF", 18, 1),
        f("NFC", 19, 1),
        f("VBUS", 20, 1),
    ]),
    Register::ro(HFCLKRUN, "HFCLKRUN", 0).fields(&[f("STATUS", 0, 1)]),
    Register::ro(HFCLKSTAT, "HFCLKSTAT", 0).fields(&[f("SRC", 0, 1), f("STATE", 16, 1)]),
    Register::ro(LFCLKRUN, "LFCLKRUN", 0).fields(&[f("STATUS", 0, 1)]),
    Register::ro(LFCLKSTAT, "LFCLKSTAT", 0).fields(&[f("SRC", 0, 2), f("STATE", 16, 1)]),
    Register::ro(LFCLKSRCCOPY, "LFCLKSRCCOPY", 0).fields(&[f("SRC", 0, 2)]),
    Register::ro(RAMSTATUS, "RAMSTATUS", 0xF),
    Register::wo(SYSTEMOFF, "SYSTEMOFF").fields(&[f("SYSTEMOFF", 0, 1)]),
    // THRESHOLDVDDH is for a supply at VDDH, which no board here has.
    Register::rw(POFCON, "POFCON", 0).fields(&[
        f("POF", 0, 1),
        f("THRESHOLD", 1, 4),
        f("THRESHOLDVDDH", 8, 4),
    ]),
    Register::rw(LFCLKSRC, "LFCLKSRC", 0).fields(&[f("SRC", 0, 2), f("BYPASS", 16, 1), f("EXTERNAL", 17, 1)]),
    Register::rw(GPREGRET, "GPREGRET", 0).fields(&[f("GPREGRET", 0, 8)]),
    Register::rw(CTIV, "CTIV", 0).fields(&[f("CTIV", 0, 7)]),
    stub(0x578, "DCDCEN", 0),
];

const RAM_BLOCKS: &[Field] =
    &[f("ONRAM0", 0, 1), f("ONRAM1", 1, 1), f("OFFRAM0", 16, 1), f("OFFRAM1", 17, 1)];

const NRF51: &[Register] = &[
    Register::rw(RAMON, "RAMON", 3).fields(RAM_BLOCKS),
    stub(0x528, "PERR0", 0),
    stub(0x52C, "RLENR0", 0),
    stub(0x544, "RESET", 0),
    stub(0x550, "XTALFREQ", 0xFFFF_FFFF),
    Register::rw(RAMONB, "RAMONB", 3).fields(RAM_BLOCKS),
    Register::rw(0x600, "PROTENSET0", 0),
    Register::rw(0x604, "PROTENSET1", 0),
    stub(0x608, "DISABLEINDEBUG", 1),
    stub(0x60C, "PROTBLOCKSIZE", 0),
    stub(0xA08, "DCDCFORCE", 0),
    erratum(0x504, "ERRATUM_26", 0),
];

const NRF52: &[Register] = &[
    Register::ro(USBREGSTATUS, "USBREGSTATUS", 0).fields(&[f("VBUSDETECT", 0, 1), f("OUTPUTRDY", 1, 1)]),
    Register::rw(GPREGRET2, "GPREGRET2", 0).fields(&[f("GPREGRET", 0, 8)]),
    stub(0x528, "HFXODEBOUNCE", 0x10),
    stub(0x55C, "TRACECONFIG", 0),
    stub(0x580, "DCDCEN0", 0),
    stub(0x5B4, "LFRCMODE", 0),
    Register::rw(0x600, "CONFIG0", 0),
    Register::rw(0x604, "CONFIG1", 0),
    stub(0x608, "DISABLEINDEBUG", 1),
    Register::rw(0x610, "CONFIG2", 0),
    Register::rw(0x614, "CONFIG3", 0),
    Register::ro(0x640, "MAINREGSTATUS", 0),
    stub(RAMON, "RAMON", 3),
    stub(0x52C, "LFXODEBOUNCE", 0),
    stub(RAMONB, "RAMONB", 3),
    stub(0x550, "APPROTECT.FORCEPROTECT", u32::MAX),
    stub(0x558, "APPROTECT.DISABLE", 0),
    erratum(0x508, "RESERVED[0x508]", 0),
    erratum(0x50C, "RESERVED[0x50C]", 0),
    erratum(0x53C, "ERRATUM_31", 0),
    erratum(0x54C, "RESERVED[0x54C]", 0),
    erratum(0x5A0, "ERRATUM_37", 0),
    erratum(0x638, "ERRATUM_197", 0),
    erratum(0xC34, "ERRATUM_192", 0),
    erratum(0xE00, "ERRATUM_198", 0),
    erratum(0xEE4, "ERRATUM_115", 0),
];

macro_rules! ram {
    ($($n:literal)*) => {
        &[$(
            Register::rw(RAM_POWER + $n * 0x10, concat!("RAM[", $n, "].POWER"), 0xFFFF),
            Register::new(RAM_POWER + 4 + $n * 0x10, concat!("RAM[", $n, "].POWERSET"), Access::WriteOnly, 0xFFFF),
            Register::new(RAM_POWER + 8 + $n * 0x10, concat!("RAM[", $n, "].POWERCLR"), Access::WriteOnly, 0xFFFF),
        )*]
    };
}
const RAM: &[Register] = ram!(0 1 2 3 4 5 6 7 8);

pub static SPEC51: Spec = Spec::new(
    &[TASKS],
    &[&[
        event(HFCLKSTARTED, "EVENTS_HFCLKSTARTED", 0),
        event(LFCLKSTARTED, "EVENTS_LFCLKSTARTED", 1),
        event(POFWARN, "EVENTS_POFWARN", 2),
        event(DONE, "EVENTS_DONE", 3),
        event(CTTO, "EVENTS_CTTO", 4),
    ]],
    &[],
    &[COMMON, NRF51],
);

pub static SPEC52: Spec = Spec::new(
    &[TASKS],
    &[&[
        event(HFCLKSTARTED, "EVENTS_HFCLKSTARTED", 0),
        event(LFCLKSTARTED, "EVENTS_LFCLKSTARTED", 1),
        event(POFWARN, "EVENTS_POFWARN", 2),
        event(DONE, "EVENTS_DONE", 3),
        event(CTTO, "EVENTS_CTTO", 4),
        event(SLEEPENTER, "EVENTS_SLEEPENTER", 5),
        event(SLEEPEXIT, "EVENTS_SLEEPEXIT", 6),
        event(USBDETECTED, "EVENTS_USBDETECTED", 7),
        event(USBREMOVED, "EVENTS_USBREMOVED", 8),
        event(USBPWRRDY, "EVENTS_USBPWRRDY", 9),
        event(0x128, "EVENTS_CTSTARTED", 10),
        event(0x12C, "EVENTS_CTSTOPPED", 11),
    ]],
    &[],
    &[COMMON, NRF52, RAM],
);
