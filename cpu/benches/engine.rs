//! The engine's speed: guest MIPS by loop and budget, window overhead, device accesses, creation.
//!
//! `cargo bench -p consort-cpu --bench engine` prints a table and, with `--json FILE`, the same numbers for the
//! comparison with QEMU. Rounds are interleaved and medians reported, so that a busy machine disturbs all rows alike.
#![expect(clippy::disallowed_methods, reason = "a bench reads the host's clock")]
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use consort_cpu::engine::{Access, BusError, Engine, Io, Isa, Options, Perms, Reg};

/// The loops, as images that QEMU runs too (see their sources).
const LOOPS: [(Isa, &str, &[u8]); 9] = [
    (Isa::CortexM3, "thumb mix", include_bytes!("loops/thumb-mix.bin")),
    (Isa::CortexM3, "thumb branchy", include_bytes!("loops/thumb-branchy.bin")),
    (Isa::CortexM3, "thumb memcpy", include_bytes!("loops/thumb-memcpy.bin")),
    (Isa::Rv32, "rv32 mix", include_bytes!("loops/rv32-mix.bin")),
    (Isa::Rv32, "rv32 branchy", include_bytes!("loops/rv32-branchy.bin")),
    (Isa::Rv32, "rv32 memcpy", include_bytes!("loops/rv32-memcpy.bin")),
    (Isa::CortexA53, "a64 mix", include_bytes!("loops/a64-mix.bin")),
    (Isa::CortexA53, "a64 branchy", include_bytes!("loops/a64-branchy.bin")),
    (Isa::CortexA53, "a64 memcpy", include_bytes!("loops/a64-memcpy.bin")),
];

const BUDGETS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const ROUNDS: usize = 5;

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

    fn write(&mut self, cx: &mut Access<'_>, _: u64, _: u8, _: u64) -> Result<(), BusError> {
        self.0 = self.0.wrapping_add(cx.executed());
        Ok(())
    }
}

fn engine(isa: Isa, image: &[u8]) -> Engine {
    let mut engine = Engine::new(isa, Options::default()).unwrap();
    match isa {
        Isa::Rv32 | Isa::CortexA53 => {
            let base = if isa == Isa::Rv32 { 0x8000_0000 } else { 0x4000_0000 };
            engine.map_ram(base, 64 << 10, Perms::Rwx).unwrap();
            engine.write_memory(base, image).unwrap();
            engine.set_reg(Reg::PC64, base);
        }
        _ => {
            engine.map_ram(0, 256 << 10, Perms::Rx).unwrap();
            engine.map_ram(0x2000_0000, 64 << 10, Perms::Rwx).unwrap();
            engine.write_memory(0, image).unwrap();
            engine.set_reg(Reg::SP, 0x2000_8000);
            engine.set_reg(Reg::PC, 0x100);
        }
    }
    engine
}

/// This thread's time on a processor, which other programs' load does not inflate; the clock's where /proc is not.
fn now() -> Duration {
    thread_local!(static START: Instant = Instant::now());
    let on_cpu = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    match on_cpu.and_then(|text| text.split(' ').next()?.parse().ok()) {
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
        None => START.with(Instant::elapsed),
    }
}

/// Runs windows of `budget` for about the time given and returns MIPS.
fn mips(engine: &mut Engine, io: &mut dyn Io, budget: u64, time: Duration) -> f64 {
    let start = now();
    let mut executed = 0;
    let windows = (2_000_000 / budget).max(1);
    loop {
        for _ in 0..windows {
            executed += engine.run(io, budget).executed;
        }
        let elapsed = now() - start;
        if elapsed >= time {
            return executed as f64 / elapsed.as_secs_f64() / 1e6;
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let json = args.iter().position(|arg| arg == "--json").and_then(|at| args.get(at + 1));
    let time = Duration::from_millis(if args.iter().any(|arg| arg == "--quick") { 50 } else { 300 });
    let mut results: BTreeMap<String, f64> = BTreeMap::new();

    // Loops by budget, rounds interleaved.
    let mut engines: Vec<Engine> = LOOPS.iter().map(|(isa, _, image)| engine(*isa, image)).collect();
    let mut samples: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for ((_, name, _), engine) in LOOPS.iter().zip(&mut engines) {
            for budget in BUDGETS {
                let value = mips(engine, &mut Inert, budget, time);
                samples.entry(format!("mips/{name}/{budget:07}")).or_default().push(value);
            }
        }
    }

    // A window that runs one instruction of an endless branch: entry, exit and one block.
    let mut idle = engine(Isa::CortexM3, &[]);
    idle.write_memory(0x100, &0xe7fe_u16.to_le_bytes()).unwrap();
    // ldr r1, [r4]; adds r0, #1; b back, against adds r1, #1; adds r0, #1; b back
    let code: [u16; 6] = [0x6821, 0x3001, 0xe7fc, 0x3101, 0x3001, 0xe7fc];
    let mut device = engine(Isa::CortexM3, &[]);
    device.write_memory(0x100, &code.map(u16::to_le_bytes).concat()).unwrap();
    device.set_reg(Reg::r(4), 0x4000_0000);
    for _ in 0..ROUNDS {
        let windows = mips(&mut idle, &mut Inert, 1, time);
        samples.entry("ns/window".into()).or_default().push(1000.0 / windows);
        device.set_reg(Reg::PC, 0x106);
        let plain = 3000.0 / mips(&mut device, &mut Inert, 300_000, time);
        device.set_reg(Reg::PC, 0x100);
        let inert = 3000.0 / mips(&mut device, &mut Inert, 300_000, time);
        let counting = 3000.0 / mips(&mut device, &mut Counting(0), 300_000, time);
        samples.entry("ns/access inert".into()).or_default().push(inert - plain);
        samples.entry("ns/access counting".into()).or_default().push(counting - plain);
    }

    // Creation, and many devices at once.
    for count in [1, 10, 100, 1000] {
        let before = resident_kib();
        let start = now();
        let mut many: Vec<Engine> = (0..count).map(|_| engine(Isa::CortexM3, LOOPS[0].2)).collect();
        let created = now() - start;
        for engine in &mut many {
            engine.run(&mut Inert, 10_000);
        }
        let resident = resident_kib().saturating_sub(before);
        if count == 100 {
            results.insert("ms/create".into(), created.as_secs_f64() * 1000.0 / f64::from(count));
            results.insert("kib/engine".into(), resident as f64 / f64::from(count));
        }
        for budget in [10_000, 100_000] {
            let start = now();
            let mut executed = 0;
            while now() - start < time {
                for engine in &mut many {
                    executed += engine.run(&mut Inert, budget).executed;
                }
            }
            let value = executed as f64 / (now() - start).as_secs_f64() / 1e6;
            results.insert(format!("mips/devices {count:04}/{budget:07}"), value);
        }
    }

    results.extend(samples.into_iter().map(|(name, mut values)| (name, median(&mut values))));
    for (name, value) in &results {
        println!("{name:34} {value:10.2}");
    }
    if let Some(path) = json {
        std::fs::write(path, serde_json::to_string_pretty(&results).unwrap()).unwrap();
    }
}

/// Resident memory of this process; 0 where /proc is not.
fn resident_kib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 4
}
