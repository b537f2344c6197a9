//! The registers of RADIO.

use consort_core::component::{Coverage, Field, Register};

use super::block::{EventInfo, NRF51_POWER, Short, Spec, array, erratum, event, f, short, stub, task};

macro_rules! offsets {
    ($($name:ident = $offset:literal;)*) => { $(pub const $name: u32 = $offset;)* };
}
offsets! {
    TXEN = 0x000; RXEN = 0x004; START = 0x008; STOP = 0x00C; DISABLE = 0x010; RSSISTART = 0x014;
    RSSISTOP = 0x018; BCSTART = 0x01C; BCSTOP = 0x020; EDSTART = 0x024; EDSTOP = 0x028; CCASTART = 0x02C;
    CCASTOP = 0x030;
    READY = 0x100; ADDRESS = 0x104; PAYLOAD = 0x108; END = 0x10C; DISABLED = 0x110; DEVMATCH = 0x114;
    DEVMISS = 0x118; RSSIEND = 0x11C; BCMATCH = 0x128; CRCOK = 0x130; CRCERROR = 0x134; FRAMESTART = 0x138;
    EDEND = 0x13C; EDSTOPPED = 0x140; CCAIDLE = 0x144; CCABUSY = 0x148; CCASTOPPED = 0x14C; RATEBOOST = 0x150;
    TXREADY = 0x154; RXREADY = 0x158; MHRMATCH = 0x15C; SYNC = 0x168; PHYEND = 0x16C;
    CRCSTATUS = 0x400; RXMATCH = 0x408; RXCRC = 0x40C; DAI = 0x410; PDUSTAT = 0x414;
    PACKETPTR = 0x504; FREQUENCY = 0x508; TXPOWER = 0x50C; MODE = 0x510; PCNF0 = 0x514; PCNF1 = 0x518;
    BASE0 = 0x51C; BASE1 = 0x520; PREFIX0 = 0x524; TXADDRESS = 0x52C; RXADDRESSES = 0x530; CRCCNF = 0x534;
    CRCPOLY = 0x538; CRCINIT = 0x53C; TEST = 0x540; TIFS = 0x544; RSSISAMPLE = 0x548; STATE = 0x550; DATAWHITEIV = 0x554;
    BCC = 0x560; DAB = 0x600; DAP = 0x620; DACNF = 0x640; MHRMATCHCONF = 0x644; MHRMATCHMAS = 0x648;
    MODECNF0 = 0x650; SFD = 0x660; EDCNT = 0x664;
    EDSAMPLE = 0x668; CCACTRL = 0x66C;
}

const TASKS: &[Register] = &[
    task(TXEN, "TASKS_TXEN"),
    task(RXEN, "TASKS_RXEN"),
    task(START, "TASKS_START"),
    task(STOP, "TASKS_STOP"),
    task(DISABLE, "TASKS_DISABLE"),
    task(RSSISTART, "TASKS_RSSISTART"),
    task(RSSISTOP, "TASKS_RSSISTOP"),
    task(BCSTART, "TASKS_BCSTART"),
    task(BCSTOP, "TASKS_BCSTOP"),
];
const TASKS52: &[Register] = &[
    task(EDSTART, "TASKS_EDSTART"),
    task(EDSTOP, "TASKS_EDSTOP"),
    task(CCASTART, "TASKS_CCASTART"),
    task(CCASTOP, "TASKS_CCASTOP"),
];
const EVENTS: &[EventInfo] = &[
    event(READY, "EVENTS_READY", 0),
    event(ADDRESS, "EVENTS_ADDRESS", 1),
    event(PAYLOAD, "EVENTS_PAYLOAD", 2),
    event(END, "EVENTS_END", 3),
    event(DISABLED, "EVENTS_DISABLED", 4),
    event(DEVMATCH, "EVENTS_DEVMATCH", 5),
    event(DEVMISS, "EVENTS_DEVMISS", 6),
    event(RSSIEND, "EVENTS_RSSIEND", 7),
    event(BCMATCH, "EVENTS_BCMATCH", 10),
];
const EVENTS52: &[EventInfo] = &[
    event(CRCOK, "EVENTS_CRCOK", 12),
    event(CRCERROR, "EVENTS_CRCERROR", 13),
    event(FRAMESTART, "EVENTS_FRAMESTART", 14),
    event(EDEND, "EVENTS_EDEND", 15),
    event(EDSTOPPED, "EVENTS_EDSTOPPED", 16),
    event(CCAIDLE, "EVENTS_CCAIDLE", 17),
    event(CCABUSY, "EVENTS_CCABUSY", 18),
    event(CCASTOPPED, "EVENTS_CCASTOPPED", 19),
    event(RATEBOOST, "EVENTS_RATEBOOST", 20),
    event(TXREADY, "EVENTS_TXREADY", 21),
    event(RXREADY, "EVENTS_RXREADY", 22),
    event(MHRMATCH, "EVENTS_MHRMATCH", 23),
    event(SYNC, "EVENTS_SYNC", 26),
    event(PHYEND, "EVENTS_PHYEND", 27),
];
const SHORTS51: [Short; 8] = [
    short(0, READY, START),
    short(1, END, DISABLE),
    short(2, DISABLED, TXEN),
    short(3, DISABLED, RXEN),
    short(4, ADDRESS, RSSISTART),
    short(5, END, START),
    short(6, ADDRESS, BCSTART),
    short(8, DISABLED, RSSISTOP),
];
const SHORTS52: &[Short] = &[
    SHORTS51[0],
    SHORTS51[1],
    SHORTS51[2],
    SHORTS51[3],
    SHORTS51[4],
    SHORTS51[5],
    SHORTS51[6],
    SHORTS51[7],
    short(11, RXREADY, CCASTART),
    short(12, CCAIDLE, TXEN),
    short(13, CCABUSY, DISABLE),
    short(14, FRAMESTART, BCSTART),
    short(15, READY, EDSTART),
    short(16, EDEND, DISABLE),
    short(17, CCAIDLE, STOP),
    short(18, TXREADY, START),
    short(19, RXREADY, START),
    short(20, PHYEND, DISABLE),
    short(21, PHYEND, START),
];

const PREFIXES: &[Field] = &[f("AP0", 0, 8), f("AP1", 8, 8), f("AP2", 16, 8), f("AP3", 24, 8)];
const COMMON: &[Register] = &[
    Register::ro(CRCSTATUS, "CRCSTATUS", 0).fields(&[f("CRCSTATUS", 0, 1)]),
    Register::ro(RXMATCH, "RXMATCH", 0).fields(&[f("RXMATCH", 0, 3)]),
    Register::ro(RXCRC, "RXCRC", 0).fields(&[f("RXCRC", 0, 24)]),
    Register::ro(DAI, "DAI", 0).fields(&[f("DAI", 0, 3)]),
    Register::rw(PACKETPTR, "PACKETPTR", 0),
    Register::rw(FREQUENCY, "FREQUENCY", 2).fields(&[f("FREQUENCY", 0, 7), f("MAP", 8, 1)]),
    Register::rw(TXPOWER, "TXPOWER", 0).fields(&[f("TXPOWER", 0, 8)]),
    Register::rw(MODE, "MODE", 0).fields(&[f("MODE", 0, 4)]),
    Register::rw(PCNF0, "PCNF0", 0).fields(&[
        f("LFLEN", 0, 4),
        f("S0LEN", 8, 1),
        f("S1LEN", 16, 4),
        f("S1INCL", 20, 1),
        f("CILEN", 22, 2),
        f("PLEN", 24, 2),
        f("CRCINC", 26, 1),
        f("TERMLEN", 29, 2),
    ]),
    Register::rw(PCNF1, "PCNF1", 0).fields(&[
        f("MAXLEN", 0, 8),
        f("STATLEN", 8, 8),
        f("BALEN", 16, 3),
        f("ENDIAN", 24, 1),
        f("WHITEEN", 25, 1),
    ]),
    Register::rw(BASE0, "BASE0", 0),
    Register::rw(BASE1, "BASE1", 0),
    Register::rw(PREFIX0, "PREFIX0", 0).fields(PREFIXES),
    Register::rw(PREFIX0 + 4, "PREFIX1", 0).fields(PREFIXES),
    Register::rw(TXADDRESS, "TXADDRESS", 0).fields(&[f("TXADDRESS", 0, 3)]),
    Register::rw(RXADDRESSES, "RXADDRESSES", 0).fields(&[f("ADDR", 0, 8)]),
    Register::rw(CRCCNF, "CRCCNF", 0).fields(&[f("LEN", 0, 2), f("SKIPADDR", 8, 2)]),
    Register::rw(CRCPOLY, "CRCPOLY", 0).fields(&[f("CRCPOLY", 0, 24)]),
    Register::rw(CRCINIT, "CRCINIT", 0).fields(&[f("CRCINIT", 0, 24)]),
    Register::rw(TIFS, "TIFS", 0).fields(&[f("TIFS", 0, 10)]),
    Register::ro(RSSISAMPLE, "RSSISAMPLE", 0).fields(&[f("RSSISAMPLE", 0, 7)]),
    Register::ro(STATE, "STATE", 0).fields(&[f("STATE", 0, 4)]),
    Register::rw(DATAWHITEIV, "DATAWHITEIV", 0x40).fields(&[f("DATAWHITEIV", 0, 7)]),
    Register::rw(BCC, "BCC", 0),
    Register::rw(DACNF, "DACNF", 0).fields(&[f("ENA", 0, 8), f("TXADD", 8, 8)]),
];
const NRF51: &[Register] = &[
    Register::rw(TEST, "TEST", 0).fields(&[f("CONSTCARRIER", 0, 1), f("PLLLOCK", 1, 1)]),
    stub(0x724, "OVERRIDE0", 0),
    stub(0x728, "OVERRIDE1", 0),
    stub(0x72C, "OVERRIDE2", 0),
    stub(0x730, "OVERRIDE3", 0),
    stub(0x734, "OVERRIDE4", 0),
];
const NRF52: &[Register] = &[
    Register::ro(PDUSTAT, "PDUSTAT", 0).fields(&[f("PDUSTAT", 0, 1), f("CISTAT", 1, 2)]),
    Register::rw(MHRMATCHCONF, "MHRMATCHCONF", 0),
    Register::rw(MHRMATCHMAS, "MHRMATCHMAS", 0),
    Register::rw(MODECNF0, "MODECNF0", 0x200).fields(&[f("RU", 0, 1), f("DTX", 8, 2)]),
    erratum(0x038, "ERRATUM_172[0]", 0),
    erratum(0x040, "ERRATUM_172[1]", 0),
    erratum(0x574, "ERRATUM_172[2]", 0),
    erratum(0x584, "CONFIGURATION_254[1]", 0),
    erratum(0x588, "CONFIGURATION_254[2]", 0),
    erratum(0x73C, "ERRATUM_182", 0),
    erratum(0x740, "ERRATUM_191", 0),
    erratum(0x74C, "CONFIGURATION_254[0]", 0),
    erratum(0x774, "ERRATUM_106", 0),
    erratum(0x778, "RESERVED[0x778]", 0),
    erratum(0x77C, "ERRATUM_172[3]", 0),
    erratum(0x788, "ERRATUM_172[4]", 0),
    Register::rw(SFD, "SFD", 0xA7).fields(&[f("SFD", 0, 8)]),
    Register::rw(EDCNT, "EDCNT", 0).fields(&[f("EDCNT", 0, 21)]),
    Register::rw(EDSAMPLE, "EDSAMPLE", 0).fields(&[f("EDLVL", 0, 8)]),
    Register::rw(CCACTRL, "CCACTRL", 0x052D_0000)
        .fields(&[
            f("CCAMODE", 0, 3),
            f("CCAEDTHRES", 8, 8),
            f("CCACORRTHRES", 16, 8),
            f("CCACORRCNT", 24, 8),
        ])
        .coverage(Coverage::Partial),
];
const DEVICES: [&[Register]; 2] = [
    array!(rw DAB, 4, "DAB[", "]", 0; 0 1 2 3 4 5 6 7),
    array!(rw DAP, 4, "DAP[", "]", 0, &[f("DAP", 0, 16)]; 0 1 2 3 4 5 6 7),
];

/// Direction finding: its registers hold what is written; no tone is added to packets, none is sampled.
const FINDING: &[Register] = &[
    Register::ro(0x44C, "CTESTATUS", 0).coverage(Coverage::Stub),
    Register::ro(0x458, "DFESTATUS", 0).coverage(Coverage::Stub),
    stub(0x900, "DFEMODE", 0),
    stub(0x904, "CTEINLINECONF", 0x2800),
    stub(0x910, "DFECTRL1", 0x2_3282),
    stub(0x914, "DFECTRL2", 0),
    stub(0x928, "SWITCHPATTERN", 0),
    stub(0x92C, "CLEARPATTERN", 0),
    stub(0x950, "DFEPACKET.PTR", 0),
    stub(0x954, "DFEPACKET.MAXCNT", 0x1000),
    Register::ro(0x958, "DFEPACKET.AMOUNT", 0).coverage(Coverage::Stub),
];
const EVENTS52833: &[EventInfo] = &[event(0x170, "EVENTS_CTEPRESENT", 28)];

pub static SPEC51: Spec =
    Spec::new(&[TASKS], &[EVENTS], &SHORTS51, &[COMMON, NRF51, DEVICES[0], DEVICES[1], NRF51_POWER]);
pub static SPEC52: Spec = Spec::new(
    &[TASKS, TASKS52],
    &[EVENTS, EVENTS52],
    SHORTS52,
    &[COMMON, NRF52, DEVICES[0], DEVICES[1], NRF51_POWER],
);
pub static SPEC52833: Spec = Spec::new(
    &[TASKS, TASKS52],
    &[EVENTS, EVENTS52, EVENTS52833],
    SHORTS52,
    &[
        COMMON,
        NRF52,
        DEVICES[0],
        DEVICES[1],
        FINDING,
        array!(stub 0x930, 4, "PSEL.DFEGPIO[", "]", u32::MAX; 0 1 2 3 4 5 6 7),
        NRF51_POWER,
    ],
);
