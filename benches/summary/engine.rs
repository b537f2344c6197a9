//! The engine alone: speed by instruction set, loop and budget beside QEMU, windows, device accesses, creation.

use std::path::Path;
use std::time::Duration;

use consort_cpu::engine::{Access, BusError, Engine, Io, Isa, Options, Perms, Reg};

use crate::figure::{Figure, Goal, ROUNDS, on_cpu, on_processor, resident};
use crate::qemu::{Qemu, elf};

/// A guest loop: an image that QEMU runs too (see the sources), and the least ratio to QEMU at budgets of 1,000,
/// 10,000 and 100,000.
struct Loop {
    set: Set,
    name: &'static str,
    image: &'static [u8],
    goals: [Option<f64>; 3],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Thumb,
    Rv32,
    A64,
}

macro_rules! guest_loop {
    ($set:expr, $name:literal, $goals:expr) => {
        Loop {
            set: $set,
            name: $name,
            image: include_bytes!(concat!("../loops/", $name, ".bin")),
            goals: $goals,
        }
    };
}

const MIX: [Option<f64>; 3] = [Some(1.0), Some(1.1), None];
const BRANCHY: [Option<f64>; 3] = [None, Some(1.3), None];
const MEMCPY: [Option<f64>; 3] = [None, Some(0.95), None];

const LOOPS: [Loop; 9] = [
    guest_loop!(Set::Thumb, "thumb-mix", MIX),
    guest_loop!(Set::Thumb, "thumb-branchy", BRANCHY),
    guest_loop!(Set::Thumb, "thumb-memcpy", MEMCPY),
    guest_loop!(Set::Rv32, "rv32-mix", MIX),
    guest_loop!(Set::Rv32, "rv32-branchy", BRANCHY),
    guest_loop!(Set::Rv32, "rv32-memcpy", MEMCPY),
    guest_loop!(Set::A64, "a64-mix", MIX),
    guest_loop!(Set::A64, "a64-branchy", BRANCHY),
    guest_loop!(Set::A64, "a64-memcpy", MEMCPY),
];

const BUDGETS: [u64; 3] = [1_000, 10_000, 100_000];

impl Set {
    fn isa(self) -> Isa {
        match self {
            Self::Thumb => Isa::CortexM3,
            Self::Rv32 => Isa::Rv32,
            Self::A64 => Isa::CortexA53,
        }
    }

    fn base(self) -> u64 {
        match self {
            Self::Thumb => 0,
            Self::Rv32 => 0x8000_0000,
            Self::A64 => 0x4000_0000,
        }
    }

    /// The register that counts rounds down.
    fn counter(self) -> Reg {
        match self {
            Self::Thumb => Reg::r(8),
            Self::Rv32 => Reg::x(27),
            Self::A64 => Reg::x(28),
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Thumb => "qemu-system-arm",
            Self::Rv32 => "qemu-system-riscv32",
            Self::A64 => "qemu-system-aarch64",
        }
    }

    fn engine(self, image: &[u8]) -> Engine {
        let mut engine = Engine::new(self.isa(), Options::default()).unwrap();
        if self == Self::Thumb {
            engine.map_ram(0, 256 << 10, Perms::Rx).unwrap();
            engine.map_ram(0x2000_0000, 64 << 10, Perms::Rwx).unwrap();
            engine.write_memory(0, image).unwrap();
            engine.set_reg(Reg::SP, 0x2000_8000);
            engine.set_reg(Reg::PC, 0x100);
        } else {
            engine.map_ram(self.base(), 64 << 10, Perms::Rwx).unwrap();
            engine.write_memory(self.base(), image).unwrap();
            engine.set_reg(Reg::PC64, self.base());
        }
        engine
    }
}

impl Loop {
    fn qemu(&self, dir: &Path) -> Option<Qemu> {
        let (board, counter, file): (&[&str], _, _) = match self.set {
            Set::Thumb => (&["-M", "mps2-an385"], "R08", self.image.to_vec()),
            Set::Rv32 => {
                (&["-M", "virt", "-bios", "none"], "x27/s11", elf(self.image, self.set.base(), 243, false))
            }
            Set::A64 => {
                (&["-M", "virt", "-cpu", "cortex-a53"], "X28", elf(self.image, self.set.base(), 183, true))
            }
        };
        let path = dir.join(self.name);
        std::fs::write(&path, file).unwrap();
        Qemu::start(self.set.program(), board, &path, counter)
    }

    /// Instructions in a round, on average over many.
    fn length(&self) -> f64 {
        let mut engine = self.set.engine(self.image);
        engine.run(&mut Inert, 1_000);
        let before = engine.reg(self.set.counter()) as u32;
        let executed = engine.run(&mut Inert, 20_000_000).executed;
        let rounds = before.wrapping_sub(engine.reg(self.set.counter()) as u32);
        executed as f64 / f64::from(rounds)
    }
}

/// A device that does nothing.
struct Inert;

impl Io for Inert {
    fn read(&mut self, _: &mut Access<'_>, _: u64, _: u8) -> Result<u64, BusError> {
        Ok(0)
    }

    fn write(&mut self, _: &mut Access<'_>, _: u64, _: u8, _: u64) -> Result<(), BusError> {
        Ok(())
    }
}

/// A device whose every access asks for the exact count.
struct Counting(u64);

impl Io for Counting {
    fn read(&mut self, cx: &mut Access<'_>, _: u64, _: u8) -> Result<u64, BusError> {
        self.0 = self.0.wrapping_add(cx.executed());
        Ok(0)
    }

    fn write(&mut self, _: &mut Access<'_>, _: u64, _: u8, _: u64) -> Result<(), BusError> {
        Ok(())
    }
}

/// Runs windows of `budget` for about the time given; instructions per microsecond on a processor.
fn mips(engine: &mut Engine, io: &mut dyn Io, budget: u64, time: Duration) -> f64 {
    let start = on_cpu();
    let mut executed = 0;
    let windows = (500_000 / budget).max(1);
    loop {
        for _ in 0..windows {
            executed += engine.run(io, budget).executed;
        }
        let elapsed = on_cpu() - start;
        if elapsed >= time {
            return executed as f64 / elapsed.as_secs_f64() / 1e6;
        }
    }
}

/// The table by which the engine is judged: all loops, budgets and QEMUs take turns in each round.
pub fn speed(figures: &mut Vec<Figure>, dir: &Path, time: Duration) {
    let mut guests: Vec<_> = LOOPS
        .iter()
        .map(|guest| {
            (guest, guest.set.engine(guest.image), guest.qemu(dir), [const { Vec::new() }; 3], Vec::new())
        })
        .collect();
    for set in [Set::Thumb, Set::Rv32, Set::A64] {
        if guests.iter().any(|(guest, _, qemu, ..)| guest.set == set && qemu.is_none()) {
            println!("{} is not installed: no comparison (.ci/setup bench installs it)", set.program());
        }
    }
    for _ in 0..ROUNDS {
        for (guest, engine, qemu, ours, theirs) in &mut guests {
            for (budget, rounds) in BUDGETS.into_iter().zip(ours) {
                rounds.push(mips(engine, &mut Inert, budget, time));
            }
            if let Some(qemu) = qemu {
                let (rounds, cpu) = qemu.run(time);
                theirs.push(rounds * guest.length() / cpu.as_secs_f64() / 1e6);
            }
        }
    }
    for (guest, _, _, ours, theirs) in guests {
        let icount =
            (!theirs.is_empty()).then(|| Figure::new(format!("{}/qemu-icount", guest.name), "MIPS", theirs));
        for ((budget, rounds), goal) in BUDGETS.into_iter().zip(ours).zip(guest.goals) {
            let mut figure = Figure::new(format!("{}/budget-{}k", guest.name, budget / 1000), "MIPS", rounds);
            if let Some(icount) = &icount {
                let ratio = figure.over(icount);
                figure = figure.ratio(ratio);
            }
            if let Some(goal) = goal {
                figure = figure.goal(Goal::Ratio(goal));
            }
            figures.push(figure);
        }
        figures.extend(icount);
    }
}

/// What a window and a device access cost the engine.
pub fn costs(figures: &mut Vec<Figure>, time: Duration) {
    // b .
    let mut idle = Set::Thumb.engine(&[]);
    idle.write_memory(0x100, &0xe7fe_u16.to_le_bytes()).unwrap();
    // ldr r1, [r4]; adds r0, #1; b back, against adds r1, #1; adds r0, #1; b back
    let code: [u16; 6] = [0x6821, 0x3001, 0xe7fc, 0x3101, 0x3001, 0xe7fc];
    let mut device = Set::Thumb.engine(&[]);
    device.write_memory(0x100, &code.map(u16::to_le_bytes).concat()).unwrap();
    device.set_reg(Reg::r(4), 0x4000_0000);
    let (mut window, mut inert, mut counting) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        window.push(1000.0 / mips(&mut idle, &mut Inert, 1, time));
        device.set_reg(Reg::PC, 0x106);
        let plain = 3000.0 / mips(&mut device, &mut Inert, 300_000, time);
        device.set_reg(Reg::PC, 0x100);
        inert.push(3000.0 / mips(&mut device, &mut Inert, 300_000, time) - plain);
        counting.push(3000.0 / mips(&mut device, &mut Counting(0), 300_000, time) - plain);
    }
    figures.push(Figure::new("engine/window", "ns", window).goal(Goal::Below(300.0)));
    figures.push(Figure::new("engine/access", "ns", inert).goal(Goal::Below(50.0)));
    figures.push(Figure::new("engine/access-with-count", "ns", counting).goal(Goal::Below(50.0)));
}

/// Creation, memory and total speed of many engines with long windows.
pub fn many(figures: &mut Vec<Figure>, time: Duration) {
    let mut speeds = Vec::new();
    for count in [1, 10, 100, 1000] {
        let before = resident();
        let mut engines = Vec::new();
        let created = on_processor(|| engines.extend((0..count).map(|_| Set::Thumb.engine(LOOPS[0].image))));
        for engine in &mut engines {
            engine.run(&mut Inert, 10_000);
        }
        let memory = (resident() - before) / f64::from(count) / f64::from(1 << 20);
        let name = |what| format!("engines-{count}/{what}");
        // The first of a process pays for what all share; memory that was freed before is not counted twice.
        figures.push(
            Figure::new(name("create"), "ms", vec![created.as_secs_f64() * 1e3 / f64::from(count)])
                .goal(Goal::Below(2.0)),
        );
        figures.push(Figure::new(name("memory"), "MiB", vec![memory]).goal(Goal::Below(2.0)));
        let rounds = (0..ROUNDS).map(|_| {
            let start = on_cpu();
            let mut executed = 0;
            loop {
                for engine in &mut engines {
                    executed += engine.run(&mut Inert, 100_000).executed;
                }
                let elapsed = on_cpu() - start;
                if elapsed >= time {
                    break executed as f64 / elapsed.as_secs_f64() / 1e6;
                }
            }
        });
        speeds.push(Figure::new(name("budget-100k"), "MIPS", rounds.collect()));
    }
    figures.extend(speeds);
}
