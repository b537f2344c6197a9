//! Random Thumb programs that end: what they compute depends on every instruction, exception and fault.

/// Where the pieces of an image are.
pub const HANDLER: u32 = 0x200;
pub const CODE: u32 = 0x400;
/// The bodies' data, and what each of them leaves behind: 16 words.
pub const DATA: u32 = 0x2000_0800;
pub const RESULTS: u32 = 0x2000_2000;
/// The handler's hash and its counts, by exception number.
pub const LOG: u32 = 0x2000_F000;
pub const STACK: u32 = 0x2000_8000;
pub const PROCESS_STACK: u32 = 0x2000_C000;

/// The handler of every exception. It hashes the exception's number, EXC_RETURN, the frame's place, stacked PC and
/// xPSR into LOG and counts it; steps over an instruction that faulted, with its IT block, and hashes and clears
/// CFSR and HFSR; lowers the line block's line of an interrupt 0 to 7.
const HANDLER_CODE: &[u16] = &[
    0xF01E, 0x0F04, 0xBF0C, 0xF3EF, 0x8008, 0xF3EF, 0x8009, 0xF3EF, 0x8305, 0xF24F, 0x0100, 0xF2C2, 0x0100,
    0x680A, 0xEB03, 0x1272, 0xF8D0, 0xC018, 0xEB0C, 0x1272, 0xF8D0, 0xC01C, 0xEB0C, 0x1272, 0xEB0E, 0x1272,
    0xEB00, 0x1272, 0x600A, 0xF851, 0x2023, 0x3201, 0xF841, 0x2023, 0x2B06, 0xD829, 0x6982, 0xF8B2, 0xC000,
    0xEA4F, 0x2CDC, 0xF1BC, 0x0F1D, 0xBF2C, 0x3204, 0x3202, 0x6182, 0x69C2, 0xF022, 0x62C0, 0xF422, 0x427C,
    0x61C2, 0xF64E, 0x5328, 0xF2CE, 0x0300, 0x681A, 0x601A, 0xF8D3, 0xC004, 0xF8C3, 0xC004, 0xEB0C, 0x02F2,
    0xF412, 0x4F00, 0xBF18, 0xF8D3, 0xC010, 0xEB0C, 0x02F2, 0xF8D1, 0xC000, 0xEB02, 0x02FC, 0x600A, 0x4770,
    0x2B10, 0xD307, 0x3B10, 0xF24F, 0x0100, 0xF2C4, 0x0101, 0x2B08, 0xBF38, 0x600B, 0x4770,
];

/// Prints the bytes from r0 to r1 on UART0, then ends the program by semihosting.
const DUMP_CODE: &[u16] = &[
    0xF244, 0x0200, 0xF2C4, 0x0200, 0x2310, 0x6113, 0x2301, 0x6093, 0x6853, 0x07DB, 0xD4FC, 0xF810, 0x3B01,
    0x6013, 0x4288, 0xD3F7, 0x2018, 0xF240, 0x0126, 0xF2C0, 0x0102, 0xBEAB, 0xE7FE,
];

/// A small generator of numbers; the same seed gives the same program everywhere.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }
    pub fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n)) as u32
    }
    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }
    fn word(&mut self) -> u32 {
        self.next() as u32
    }
}

/// What a program may do.
#[derive(Clone, Copy, Debug)]
pub struct Flavour {
    /// DSP and FPU instructions.
    pub m4f: bool,
    /// ARMv6-M instructions only.
    pub baseline: bool,
    /// SysTick, lines of the test bus and sleep: results depend on time.
    pub timed: bool,
    /// Faults and unprivileged or process-stack code.
    pub faults: bool,
}

/// An image for address 0, with its vector table.
pub struct Image {
    pub halves: Vec<u16>,
    pub bodies: usize,
}

/// Emits code.
struct Asm {
    at: u32,
    out: Vec<u16>,
}

impl Asm {
    fn h(&mut self, half: u32) {
        self.out.push(half as u16);
    }
    fn w(&mut self, high: u32, low: u32) {
        self.h(high);
        self.h(low);
    }
    fn here(&self) -> u32 {
        self.at + 2 * self.out.len() as u32
    }
    fn movw(&mut self, rd: u32, value: u32, top: bool) {
        let (imm4, i, imm3, imm8) = (value >> 12 & 15, value >> 11 & 1, value >> 8 & 7, value & 0xFF);
        self.w(if top { 0xF2C0 } else { 0xF240 } | i << 10 | imm4, imm3 << 12 | rd << 8 | imm8);
    }
    fn constant(&mut self, rd: u32, value: u32) {
        self.movw(rd, value & 0xFFFF, false);
        self.movw(rd, value >> 16, true);
    }
    /// `str rs, [address]`, by way of r12.
    fn store_to(&mut self, rs: u32, address: u32) {
        self.constant(12, address);
        self.w(0xF8CC, rs << 12);
    }
    fn store_value(&mut self, address: u32, value: u32) {
        self.constant(11, value);
        self.store_to(11, address);
    }
    fn load_from(&mut self, rd: u32, address: u32) {
        self.constant(12, address);
        self.w(0xF8DC, rd << 12);
    }
}

/// Work registers: r0 to r6. r7 holds DATA, r8 to r12 are scratch of the generator.
fn low(rng: &mut Rng) -> u32 {
    rng.below(7)
}

/// One 16-bit instruction without side effects beyond registers and flags.
fn narrow(rng: &mut Rng) -> u32 {
    let (d, m) = (low(rng), low(rng));
    match rng.below(7) {
        0 => rng.below(3) << 11 | rng.below(32) << 6 | m << 3 | d,
        1 => 0x1800 | rng.below(4) << 9 | low(rng) << 6 | m << 3 | d,
        2 => 0x2000 | rng.below(4) << 11 | d << 8 | rng.below(256),
        3 => 0x4000 | rng.below(16) << 6 | m << 3 | d,
        4 => 0xB200 | rng.below(4) << 6 | m << 3 | d,
        5 => 0xBA00 | [0, 1, 3][rng.below(3) as usize] << 6 | m << 3 | d,
        _ => 0x4400 | [0, 2][rng.below(2) as usize] << 8 | m << 3 | d,
    }
}

/// One 32-bit instruction without side effects beyond registers and flags.
fn wide(rng: &mut Rng, m4f: bool) -> (u32, u32) {
    let (d, n, m, a) = (low(rng), low(rng), low(rng), low(rng));
    let s = rng.below(2) << 4;
    let ops = [0, 1, 2, 3, 4, 8, 10, 11, 13, 14];
    let op = ops[rng.below(10) as usize] << 5;
    match rng.below(if m4f { 16 } else { 11 }) {
        0 => {
            let imm = rng.below(0x1000);
            (0xF000 | (imm >> 11) << 10 | op | s | n, (imm >> 8 & 7) << 12 | d << 8 | imm & 0xFF)
        }
        1 => (0xEA00 | op | s | n, rng.below(8) << 12 | d << 8 | rng.below(16) << 4 | m),
        2 => {
            let imm = rng.below(0x10000);
            let top = rng.below(2) << 7;
            (0xF240 | top | (imm >> 11 & 1) << 10 | imm >> 12, (imm >> 8 & 7) << 12 | d << 8 | imm & 0xFF)
        }
        3 => {
            let lsb = rng.below(32);
            let width = rng.below(32 - lsb);
            let which = [0xF3C0, 0xF340][rng.below(2) as usize];
            (which | n, (lsb >> 2) << 12 | d << 8 | (lsb & 3) << 6 | width)
        }
        4 => {
            let lsb = rng.below(32);
            let msb = lsb + rng.below(32 - lsb);
            let n = if rng.chance(30) { 15 } else { n };
            (0xF360 | n, (lsb >> 2) << 12 | d << 8 | (lsb & 3) << 6 | msb)
        }
        5 => {
            let shift = rng.below(32);
            let sh = if shift == 0 { 0 } else { rng.below(2) << 5 };
            let which = [0xF300, 0xF380][rng.below(2) as usize];
            (which | sh | n, (shift >> 2) << 12 | d << 8 | (shift & 3) << 6 | rng.below(32))
        }
        6 => {
            let a = if rng.chance(40) { 15 } else { a };
            let sub = if a == 15 { 0 } else { rng.below(2) << 4 };
            (0xFB00 | n, a << 12 | d << 8 | sub | m)
        }
        7 => {
            let high = (d + 1) % 7;
            let which = [0xFB80, 0xFBA0, 0xFBC0, 0xFBE0][rng.below(4) as usize];
            (which | n, d << 12 | high << 8 | m)
        }
        8 => ([0xFB90, 0xFBB0][rng.below(2) as usize] | n, 0xF0F0 | d << 8 | m),
        9 => match rng.below(5) {
            4 => (0xFAB0 | m, 0xF080 | d << 8 | m),
            op => (0xFA90 | m, 0xF080 | d << 8 | op << 4 | m),
        },
        10 => (0xFA00 | rng.below(4) << 5 | s | n, 0xF000 | d << 8 | m),
        11 => {
            // Parallel addition and subtraction: the GE bits.
            let prefix = [0, 1, 2, 4, 5, 6][rng.below(6) as usize];
            let op = [0, 1, 2, 4, 5, 6][rng.below(6) as usize];
            (0xFA80 | op << 4 | n, 0xF000 | d << 8 | prefix << 4 | m)
        }
        12 => (0xFAA0 | n, 0xF080 | d << 8 | m), // SEL
        13 => (0xFB10 | n, a << 12 | d << 8 | rng.below(4) << 4 | m), // SMLAxy
        14 => (0xFB20 | n, a << 12 | d << 8 | rng.below(2) << 4 | m), // SMLAD
        _ => (0xFA80 | n, 0xF080 | d << 8 | rng.below(4) << 4 | m), // QADD and its like
    }
}

/// One FPU instruction on s0 to s31.
fn float(rng: &mut Rng) -> (u32, u32) {
    let (d, n, m) = (rng.below(32), rng.below(32), rng.below(32));
    let dd = (d & 1) << 6;
    let vd = (d >> 1) << 12;
    let three =
        |op: u32, low: u32| (op | dd | n >> 1, 0x0A00 | vd | low | (n & 1) << 7 | (m & 1) << 5 | m >> 1);
    match rng.below(10) {
        0 => three(0xEE30, 0),
        1 => three(0xEE30, 0x40),
        2 => three(0xEE20, 0),
        3 => three(0xEE80, 0),
        4 => three(0xEE00, 0), // VMLA
        5 => (0xEEB0 | dd | [0, 1][rng.below(2) as usize], 0x0AC0 | vd | (m & 1) << 5 | m >> 1), // VABS, VSQRT
        6 => (0xEEB8 | dd, 0x0A40 | rng.below(2) << 7 | vd | (m & 1) << 5 | m >> 1), // VCVT from integer
        7 => (0xEEBD | dd, 0x0AC0 | vd | (m & 1) << 5 | m >> 1),                     // VCVT to integer
        8 => (0xEE00 | rng.below(2) << 4 | n >> 1, 0x0A10 | (n & 1) << 7 | low(rng) << 12), // VMOV core <-> s
        _ => (0xEEB0 | dd, 0x0A40 | vd | (m & 1) << 5 | m >> 1),                     // VMOV
    }
}

/// A load or store near r7.
fn memory(rng: &mut Rng, asm: &mut Asm, baseline: bool) {
    let t = low(rng);
    match rng.below(if baseline { 2 } else { 7 }) {
        0 => {
            let op = [0x6000, 0x6800, 0x7000, 0x7800, 0x8000, 0x8800][rng.below(6) as usize];
            asm.h(op | rng.below(32) << 6 | 7 << 3 | t);
        }
        1 => {
            let list = rng.below(127) + 1;
            asm.h(0xB400 | list); // push, and pop the same number into other registers
            let count = list.count_ones();
            let other = (0..7).fold(0, |l: u32, r| if l.count_ones() < count { l | 1 << r } else { l });
            asm.h(0xBC00 | other);
        }
        2 => {
            let op = [0xF8C0, 0xF8D0, 0xF880, 0xF890, 0xF8A0, 0xF8B0, 0xF990, 0xF9B0][rng.below(8) as usize];
            asm.w(op | 7, t << 12 | rng.below(0x400)); // unaligned ones too
        }
        3 => asm.w([0xE9C0, 0xE9D0][rng.below(2) as usize] | 7, t << 12 | ((t + 1) % 7) << 8 | rng.below(64)),
        4 => asm.w([0xE880, 0xE890][rng.below(2) as usize] | 7, rng.below(127) | 0x03 | 1 << low(rng)),
        5 => {
            let at = rng.below(64);
            asm.w(0xE857, t << 12 | 0xF00 | at); // ldrex, strex
            let (d, s) = ((t + 1) % 7, (t + 2) % 7);
            if rng.chance(20) {
                asm.w(0xF3BF, 0x8F2F); // clrex
            }
            asm.w(0xE847, s << 12 | d << 8 | at);
        }
        _ => {
            let op = [0xF807, 0xF817, 0xF847, 0xF857][rng.below(4) as usize];
            let negative = rng.below(0x80);
            asm.w(op, t << 12 | 0xC00 | negative); // [r7, #-n]
        }
    }
}

fn simple(rng: &mut Rng, asm: &mut Asm, flavour: Flavour) {
    if flavour.baseline || rng.chance(40) {
        let half = narrow(rng);
        asm.h(half);
    } else if flavour.m4f && rng.chance(25) {
        let (high, low) = float(rng);
        asm.w(high, low);
    } else {
        let (high, low) = wide(rng, flavour.m4f);
        asm.w(high, low);
    }
}

/// An IT block of one to four simple instructions.
fn it_block(rng: &mut Rng, asm: &mut Asm, flavour: Flavour) {
    let cond = rng.below(14);
    let count = rng.below(4) + 1;
    let mask = 1 << (4 - count) | rng.below(8) << (5 - count) & 0xF;
    asm.h(0xBF00 | cond << 4 | mask);
    for _ in 0..count {
        // In an IT block the 16-bit forms set no flags, but for the compares.
        simple(rng, asm, flavour);
    }
}

/// Something that concerns exceptions.
fn event(rng: &mut Rng, asm: &mut Asm, flavour: Flavour) {
    if flavour.baseline {
        match rng.below(3) {
            0 => asm.h(0xDF00 | rng.below(256)),
            1 => asm.h(0xB662 | rng.below(2) << 4), // CPSIE i, CPSID i
            _ => asm.h(0xBF00 | [0, 1, 4][rng.below(3) as usize] << 4),
        }
        if flavour.timed && rng.chance(30) {
            asm.h(0xBF30);
        }
        return;
    }
    match rng.below(if flavour.timed { 20 } else { 12 }) {
        0 => {
            asm.h(0xDF00 | rng.below(256));
            asm.h(0xBF00); // stepped over when SVC escalates
        }
        1 => asm.store_value(0xE000_ED04, 1 << 28),
        2 => {
            let which = rng.below(12) + 20;
            asm.store_value(0xE000_E200, 1 << which);
        }
        3 => asm.h(0xB660 | rng.below(2) << 4 | 2), // CPSIE i, CPSID i
        4 => {
            let priority = rng.below(8) << 5;
            asm.constant(11, priority);
            asm.w(0xF38B, 0x8811 | rng.below(2)); // MSR BASEPRI or BASEPRI_MAX
        }
        5 => {
            let which = rng.below(12) + 20;
            asm.store_value(0xE000_E280, 1 << which);
        }
        6 => {
            let (irq, priority) = (rng.below(12) + 20, rng.below(8) << 5);
            asm.constant(11, priority);
            asm.constant(12, 0xE000_E400 + irq);
            asm.w(0xF88C, 0xB000); // strb r11, [r12]
        }
        7 => {
            let rd = low(rng);
            let which = [0x00, 0x03, 0x05, 0x08, 0x09, 0x10, 0x11, 0x14][rng.below(8) as usize];
            asm.w(0xF3EF, 0x8000 | rd << 8 | which); // MRS
        }
        8 => {
            let rn = low(rng);
            asm.w(0xF380 | rn, 0x8800 | if flavour.m4f { 0x400 } else { 0 }); // MSR APSR_nzcvq(g)
        }
        9 => {
            let which = rng.below(12) + 20;
            asm.store_value(0xE000_EF00, which); // STIR
        }
        10 if flavour.faults => fault(rng, asm),
        11 if flavour.faults => {
            // The other stack for a while.
            asm.constant(11, rng.below(2) << 1);
            asm.w(0xF38B, 0x8814);
            asm.w(0xF3BF, 0x8F6F); // ISB
        }
        12 | 13 => {
            let length = rng.below(400) + 60;
            asm.store_value(0xE000_E014, length);
            if rng.chance(50) {
                asm.store_value(0xE000_E018, 0);
            }
            asm.store_value(0xE000_E010, 7 - (rng.below(4) / 3) * 2 - (rng.below(6) / 5) * 4);
        }
        14 => {
            let (rd, which) =
                (low(rng), [0xE000_E010, 0xE000_E018, 0xE000_1004, 0xE000_ED04][rng.below(4) as usize]);
            asm.load_from(rd, which);
        }
        15 | 16 => asm.store_value(0x4001_F000, rng.below(6) | rng.below(3) << 8),
        17 => asm.store_value(0x4001_F004, rng.below(150)),
        18 => {
            asm.h(0xBF30); // WFI
        }
        19 => asm.h(if rng.chance(50) { 0xBF20 } else { 0xBF40 }), // WFE, SEV
        _ => asm.h(0xBF00),
    }
}

/// An instruction that faults, or may.
fn fault(rng: &mut Rng, asm: &mut Asm) {
    let t = low(rng);
    match rng.below(7) {
        0 => asm.h(0xDE00 | rng.below(256)),
        1 => asm.w(0xF7F0 | rng.below(16), 0xA000 | rng.below(4096)), // UDF.W
        2 => {
            // A load or store where nothing is.
            asm.constant(11, 0x6000_0000 | rng.below(0x1000) << 2);
            asm.w([0xF8CB, 0xF8DB, 0xF88B, 0xF89B][rng.below(4) as usize], t << 12);
        }
        3 => {
            // Division by zero, trapped or not.
            asm.store_value(0xE000_ED14, 0x200 | rng.below(2) << 4);
            asm.constant(11, 0);
            asm.w(0xFBB0 | t, 0xF0FB | ((t + 1) % 7) << 8);
        }
        4 => {
            // An unaligned load, trapped or not.
            asm.store_value(0xE000_ED14, 0x200 | rng.below(2) << 3);
            asm.w(0xF8D7, t << 12 | rng.below(64) << 2 | 1);
            asm.store_value(0xE000_ED14, 0x200);
        }
        5 => asm.w(0xEE00 | rng.below(16), 0x0110 | rng.below(16) << 12), // a coprocessor that is not there
        _ => {
            // MemManage and the others on or off.
            asm.store_value(0xE000_ED24, rng.below(8) << 16);
        }
    }
}

fn body(rng: &mut Rng, asm: &mut Asm, flavour: Flavour, length: u32) {
    let mut left = length;
    while left > 0 {
        left -= 1;
        match rng.below(100) {
            0..55 => simple(rng, asm, flavour),
            55..70 => memory(rng, asm, flavour.baseline),
            70..78 if !flavour.baseline => it_block(rng, asm, flavour),
            78..84 => {
                // A forward branch over a few instructions.
                let at = asm.out.len();
                asm.h(0);
                for _ in 0..=rng.below(3) {
                    simple(rng, asm, flavour);
                }
                let skip = (asm.out.len() - at) as u32 - 2;
                asm.out[at] = (0xD000 | rng.below(14) << 8 | skip & 0xFF) as u16;
            }
            84..88 if !flavour.baseline => {
                // A loop counted by r10.
                asm.constant(10, rng.below(6) + 1);
                let start = asm.here();
                for _ in 0..=rng.below(4) {
                    simple(rng, asm, flavour);
                }
                if rng.chance(30) {
                    event(rng, asm, flavour);
                }
                asm.w(0xF1BA, 0x0A01); // subs r10, #1
                let back = (start.wrapping_sub(asm.here() + 4) as i32 / 2) as u32 & 0xFF;
                asm.h(0xD100 | back);
            }
            _ => event(rng, asm, flavour),
        }
    }
}

/// Builds an image of `bodies` random programs that run one after the other, print RAM from RESULTS, LOG and DATA,
/// and end by semihosting.
pub fn image(seed: u64, bodies: usize, length: u32, flavour: Flavour) -> Image {
    let mut rng = Rng::new(seed);
    let mut asm = Asm { at: 0, out: Vec::new() };
    for n in 0..64 {
        let vector = match n {
            0 => STACK,
            1 => CODE | 1,
            _ => HANDLER | 1,
        };
        asm.w(vector & 0xFFFF, vector >> 16);
    }
    asm.out.resize((HANDLER / 2) as usize, 0);
    if flavour.baseline {
        asm.out.extend_from_slice(&[0x4770]); // bx lr
    } else {
        asm.out.extend_from_slice(HANDLER_CODE);
    }
    asm.out.resize((CODE / 2) as usize, 0);
    if flavour.baseline {
        baseline(&mut rng, &mut asm, flavour, length);
        return Image { halves: asm.out, bodies: 1 };
    }
    prologue(&mut rng, &mut asm, flavour);
    for n in 0..bodies {
        for r in 0..7 {
            let value = if rng.chance(30) { rng.below(5) } else { rng.word() };
            asm.constant(r, value);
        }
        asm.constant(7, DATA);
        asm.w(0xF387, 0x8800); // MSR APSR_nzcvq, r7: all flags from DATA's top bits
        body(&mut rng, &mut asm, flavour, length);
        // Back to a quiet, privileged thread on the main stack.
        asm.h(0xB672); // CPSID i
        asm.constant(11, 0);
        asm.w(0xF38B, 0x8811);
        asm.w(0xF3EF, 0x8900); // MRS r9, APSR
        asm.w(0xF3EF, 0x8808 | 8 << 8); // MRS r8, MSP
        asm.constant(11, RESULTS + 64 * n as u32);
        asm.w(0xE88B, 0x037F); // STM r11, {r0-r6, r8, r9}
        asm.w(0xF3EF, 0x8A14); // MRS r10, CONTROL
        asm.w(0xF8CB, 0xA024);
        asm.w(0xF3EF, 0x8A09); // MRS r10, PSP
        asm.w(0xF8CB, 0xA028);
        asm.load_from(10, LOG);
        asm.constant(11, RESULTS + 64 * n as u32);
        asm.w(0xF8CB, 0xA02C);
        asm.h(0xB662); // CPSIE i
    }
    if flavour.m4f {
        asm.constant(0, RESULTS - 0x100);
        asm.w(0xECA0, 0x0A20); // VSTM r0!, {s0-s31}
        asm.w(0xEEF1, 0x1A10); // VMRS r1, FPSCR
        asm.h(0x6001);
    }
    asm.h(0xB672);
    // The log goes behind the results, so that one dump shows both.
    asm.constant(10, RESULTS + 64 * bodies as u32);
    asm.constant(11, LOG);
    for n in 0..48 {
        asm.w(0xF8DB, 4 * n);
        asm.w(0xF8CA, 4 * n);
    }
    asm.constant(0, DATA - 0x100);
    asm.constant(1, RESULTS + 64 * bodies as u32 + 4 * 48);
    asm.out.extend_from_slice(DUMP_CODE);
    Image { halves: asm.out, bodies }
}

/// Enables everything, with priorities in three groups.
fn prologue(rng: &mut Rng, asm: &mut Asm, flavour: Flavour) {
    asm.constant(11, PROCESS_STACK);
    asm.w(0xF38B, 0x8809); // MSR PSP, r11
    asm.store_value(0xE000_ED24, 7 << 16); // SHCSR
    asm.store_value(0xE000_ED1C, (rng.below(2) << 5) << 24); // SVCall
    asm.store_value(0xE000_ED20, (0xE0 << 16) | (rng.below(4) << 5) << 24); // PendSV, SysTick
    asm.store_value(0xE000_ED0C, 0x05FA_0000 | rng.below(6) << 8); // PRIGROUP
    for n in 0..8 {
        let word = (0..4).fold(0, |word, i| word | (2 + rng.below(6)) << (8 * i + 5));
        asm.store_value(0xE000_E400 + 4 * n, word);
    }
    asm.store_value(0xE000_E100, 0xFFF0_00FF); // interrupts 0 to 7 and 20 to 31
    if flavour.timed {
        asm.store_value(0xE000_EDFC, 1 << 24);
        asm.store_value(0xE000_1000, 1);
        asm.store_value(0xE000_ED10, rng.below(2) << 4); // SEVONPEND
    }
    if flavour.m4f {
        asm.store_value(0xE000_ED88, 0xF << 20);
        asm.w(0xF3BF, 0x8F6F);
        for s in 0..32 {
            let value = match rng.below(4) {
                0 => rng.word(),
                _ => (rng.below(2000) as f32 / 16.0 - 50.0).to_bits(),
            };
            asm.constant(0, value);
            asm.w(0xEE00 | s >> 1, 0x0A10 | (s & 1) << 7);
        }
    }
}

/// An ARMv6-M program: no constants but by literal, so a plainer frame.
fn baseline(rng: &mut Rng, asm: &mut Asm, flavour: Flavour, length: u32) {
    // r7 = DATA
    for half in [0x2720, 0x063F, 0x2301, 0x02DB, 0x431F] {
        asm.h(half);
    }
    body(rng, asm, flavour, length);
    // Stores r0 to r6 at r7, then asks for the end.
    asm.h(0xC77F);
    asm.h(0xB672);
    asm.h(0x2018);
    asm.h(0xBEAB);
}
