//! MWU: the memory watch unit, which tells of the processor's accesses to regions of RAM and registers.
//!
//! nRF52832 PS v1.4 and nRF52840 PS v1.1, "MWU".

use consort_core::component::{NoConfig, Register};
use consort_core::cpu::{WatchKind, Watchpoint};
use serde::{Deserialize, Serialize};

use super::block::{Io, Logic, Regs, Spec, array};

const NMIEN: u32 = 0x320;
const NMIENSET: u32 = 0x324;
const NMIENCLR: u32 = 0x328;
const SUBSTAT: u32 = 0x400;
const REGIONEN: u32 = 0x510;
const REGIONENSET: u32 = 0x514;
const REGIONENCLR: u32 = 0x518;
const REGION: u32 = 0x600;
const PREGION: u32 = 0x6C0;
const SUBS: u32 = 0x6C8;

/// The bits that INTEN, NMIEN and REGIONEN have.
const BITS: u32 = 0x0F00_00FF;
/// Only Data RAM and peripherals are watched (PS "Memory", Memory map).
const DATA_RAM: u32 = 0x2000_0000;
const LAST: u32 = 0x5FFF_FFFF;
/// Where PREGION[0] begins; the regions and their subregions follow each other.
const PERIPHERALS: u32 = 0x4000_0000;
const SUBREGION: u32 = 0x1000;

static SPEC: Spec = Spec::new(
    &[],
    &[
        array!(event 0x100, 8, "EVENTS_REGION[", "].WA", 0, 2; 0 1 2 3),
        array!(event 0x104, 8, "EVENTS_REGION[", "].RA", 1, 2; 0 1 2 3),
        array!(event 0x160, 8, "EVENTS_PREGION[", "].WA", 24, 2; 0 1),
        array!(event 0x164, 8, "EVENTS_PREGION[", "].RA", 25, 2; 0 1),
    ],
    &[],
    &[
        &[
            Register::rw(NMIEN, "NMIEN", 0),
            Register::rw(NMIENSET, "NMIENSET", 0),
            Register::rw(NMIENCLR, "NMIENCLR", 0),
            Register::rw(REGIONEN, "REGIONEN", 0),
            Register::rw(REGIONENSET, "REGIONENSET", 0),
            Register::rw(REGIONENCLR, "REGIONENCLR", 0),
            Register::ro(PREGION, "PREGION[0].START", PERIPHERALS),
            Register::ro(PREGION + 4, "PREGION[0].END", PERIPHERALS + 0x1_FFFF),
            Register::ro(PREGION + 0x10, "PREGION[1].START", PERIPHERALS + 0x2_0000),
            Register::ro(PREGION + 0x14, "PREGION[1].END", PERIPHERALS + 0x3_FFFF),
        ],
        array!(rw SUBSTAT, 8, "PERREGION[", "].SUBSTATWA", 0; 0 1),
        array!(rw SUBSTAT + 4, 8, "PERREGION[", "].SUBSTATRA", 0; 0 1),
        array!(rw REGION, 0x10, "REGION[", "].START", 0; 0 1 2 3),
        array!(rw REGION + 4, 0x10, "REGION[", "].END", 0; 0 1 2 3),
        array!(rw SUBS, 0x10, "PREGION[", "].SUBS", 0; 0 1),
    ],
);

/// The event's register of a bit of INTEN.
fn event_of(bit: u32) -> u32 {
    0x100 + 4 * bit
}

/// MWU.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mwu {
    nmi: bool,
}

/// A watch: its bit in REGIONEN, the subregion, and what is watched.
struct Watch {
    bit: u32,
    subregion: Option<u32>,
    range: Watchpoint,
}

/// What the registers say is to be watched, always in the same order.
fn watches(regs: &Regs<'_>) -> Vec<Watch> {
    let mut all = Vec::new();
    for bit in (0..32).filter(|bit| regs.reg(REGIONEN) & BITS & 1 << bit != 0) {
        let kind = if bit & 1 == 0 { WatchKind::Write } else { WatchKind::Read };
        let watch = |subregion, start: u32, end: u32| {
            let len = u64::from(end.wrapping_sub(start)) + 1;
            Watch { bit, subregion, range: Watchpoint { addr: u64::from(start), len, kind } }
        };
        if bit < 8 {
            let region = REGION + 0x10 * (bit / 2);
            let (start, end) = (regs.reg(region), regs.reg(region + 4));
            let (start, end) = (start.max(DATA_RAM), end.min(LAST));
            // Both ends are inside; a region that ends before it starts is none.
            all.extend((start <= end).then(|| watch(None, start, end)));
        } else {
            let n = (bit - 24) / 2;
            let subs = regs.reg(SUBS + 0x10 * n);
            all.extend((0..32).filter(|sub| subs >> sub & 1 != 0).map(|sub| {
                let start = PERIPHERALS + SUBREGION * (32 * n + sub);
                watch(Some(sub), start, start + SUBREGION - 1)
            }));
        }
    }
    all
}

impl Mwu {
    fn settle_nmi(&mut self, io: &mut Io<'_, '_>) {
        let enabled = io.reg(NMIEN) & BITS;
        let nmi = (0..32).any(|bit| enabled >> bit & 1 != 0 && io.raised(event_of(bit)));
        if nmi != std::mem::replace(&mut self.nmi, nmi) {
            io.cx.drive(1, nmi);
        }
    }
}

impl Logic for Mwu {
    const KIND: &'static str = "nordic-mwu";
    const DOC: &'static str = "The memory watch unit: events when the processor touches regions of memory.";
    type Config = NoConfig;
    fn new(_: NoConfig) -> Self {
        Self::default()
    }
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn lines(&self) -> &'static [&'static str] {
        &["irq", "nmi"]
    }
    fn reset(&mut self, _: &mut Io<'_, '_>) {
        self.nmi = false;
    }
    fn view(&self, offset: u32, regs: &Regs<'_>, _: consort_core::Time) -> Option<u32> {
        match offset {
            NMIENSET | NMIENCLR => Some(regs.reg(NMIEN)),
            REGIONENSET | REGIONENCLR => Some(regs.reg(REGIONEN)),
            _ => None,
        }
    }
    fn write(&mut self, offset: u32, value: u32, old: u32, io: &mut Io<'_, '_>) {
        let (nmi, regions) = (io.reg(NMIEN), io.reg(REGIONEN));
        match offset {
            NMIEN => io.set(NMIEN, value & BITS),
            NMIENSET => io.set(NMIEN, (nmi | value) & BITS),
            NMIENCLR => io.set(NMIEN, nmi & !value),
            REGIONEN => io.set(REGIONEN, value & BITS),
            REGIONENSET => io.set(REGIONEN, (regions | value) & BITS),
            REGIONENCLR => io.set(REGIONEN, regions & !value),
            // A one clears.
            SUBSTAT..REGIONEN => io.set(offset, old & !value),
            _ => {}
        }
        match offset {
            NMIEN..=NMIENCLR => self.settle_nmi(io),
            REGIONEN.. => io.cx.watch(),
            _ => {}
        }
    }
    fn interrupts_changed(&mut self, io: &mut Io<'_, '_>) {
        self.settle_nmi(io);
    }
    fn watches(&self, regs: &Regs<'_>) -> Vec<Watchpoint> {
        watches(regs).into_iter().map(|watch| watch.range).collect()
    }
    fn touched(&mut self, watch: usize, io: &mut Io<'_, '_>) {
        let Some(Watch { bit, subregion, .. }) = watches(&io.regs()).into_iter().nth(watch) else { return };
        if let Some(sub) = subregion {
            let stat = SUBSTAT + 4 * (bit - 24);
            io.set(stat, io.reg(stat) | 1 << sub);
        }
        io.raise(event_of(bit));
        self.settle_nmi(io);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nrf::block::{Block, INTENSET};
    use consort_core::component::{Component as _, Model as _};
    use consort_core::testing::Rig;

    fn rig() -> Rig<Block<Mwu>> {
        Rig::new(Block::<Mwu>::new(NoConfig {}))
    }

    #[test]
    fn regions_have_both_their_ends_and_both_kinds_of_access() {
        // PS "MWU": START and END are byte aligned and inclusive; a pair of events for each region.
        let mut rig = rig();
        rig.write(REGION + 0x10, 0x2000_0101);
        rig.write(REGION + 0x14, 0x2000_0102);
        rig.write(REGIONENSET, 0b1100);
        let range = |kind| Watchpoint { addr: 0x2000_0101, len: 2, kind };
        assert_eq!(rig.component.watches(), [range(WatchKind::Write), range(WatchKind::Read)]);
        rig.write(INTENSET, 0b1000);
        rig.with(|mwu, cx| mwu.touched(0, cx));
        assert_eq!((rig.read(0x108), rig.read(0x10C), rig.line("irq")), (1, 0, false));
        rig.with(|mwu, cx| mwu.touched(1, cx));
        assert_eq!((rig.read(0x10C), rig.line("irq"), rig.line("nmi")), (1, true, false));
        rig.write(NMIENSET, 0b1000);
        assert!(rig.line("nmi"));
        rig.write(0x10C, 0);
        assert!(!rig.line("nmi") && !rig.line("irq"));
        rig.write(REGIONENCLR, 0b0100);
        assert_eq!(rig.component.watches(), [range(WatchKind::Read)]);
        rig.write(REGION + 0x14, 0x2000_0100);
        assert_eq!(rig.component.watches(), [], "it ends before it starts");
        rig.write(REGION + 0x10, 0);
        let ram = Watchpoint { addr: 0x2000_0000, len: 0x101, kind: WatchKind::Read };
        assert_eq!(rig.component.watches(), [ram], "flash is not watched");
    }

    #[test]
    fn subregions_are_the_peripherals_and_note_who_was_touched() {
        // PS "MWU": PREGION[0] is 0x40000000 to 0x4001FFFF, PREGION[1] what follows, of 32 subregions each;
        // SUBSTATWA and SUBSTATRA tell the subregion until a one is written.
        let mut rig = rig();
        assert_eq!((rig.read(PREGION), rig.read(PREGION + 4)), (0x4000_0000, 0x4001_FFFF));
        assert_eq!((rig.read(PREGION + 0x10), rig.read(PREGION + 0x14)), (0x4002_0000, 0x4003_FFFF));
        rig.write(SUBS + 0x10, 1 << 31 | 1);
        rig.write(REGIONEN, 1 << 27);
        let range = |addr| Watchpoint { addr, len: 0x1000, kind: WatchKind::Read };
        assert_eq!(rig.component.watches(), [range(0x4002_0000), range(0x4003_F000)]);
        rig.with(|mwu, cx| mwu.touched(1, cx));
        assert_eq!((rig.read(0x16C), rig.read(0x168)), (1, 0));
        assert_eq!((rig.read(SUBSTAT + 0xC), rig.read(SUBSTAT + 8)), (1 << 31, 0));
        rig.write(SUBSTAT + 0xC, 1 << 31);
        assert_eq!(rig.read(SUBSTAT + 0xC), 0);
    }
}
