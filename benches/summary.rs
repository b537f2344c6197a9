//! Measures Consort, and QEMU beside it in the same run: a table for people, `target/bench/summary.json` for
//! machines. Nothing here is part of a run's result, so the host's clock may be read.
#![expect(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

#[path = "summary/breakpoints.rs"]
mod breakpoints;
mod nrf;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use consort_core::Time;
use consort_core::fleet::{Fleet, Pace};
use consort_core::link::{Lan, LanConfig};
use consort_core::rng::Rng;
use consort_machines::Machine;
use consort_machines::board::{Board, Timing};
use consort_machines::fleet_file::load_images;
use consort_machines::machine::Options;
use serde_json::json;

/// Odd, so that the median is a measurement.
const ROUNDS: usize = 5;

/// A figure: the median of the rounds, with the lowest and highest.
struct Figure {
    name: String,
    unit: &'static str,
    rounds: Vec<f64>,
    /// Consort's figure over this one, where both measure the same work.
    ratio: Option<f64>,
}

impl Figure {
    fn new(name: impl Into<String>, unit: &'static str, mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        Self { name: name.into(), unit, rounds, ratio: None }
    }

    fn value(&self) -> f64 {
        self.rounds[self.rounds.len() / 2]
    }

    fn beside(self, consort: f64) -> Self {
        Self { ratio: Some(consort / self.value()), ..self }
    }
}

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("firmware/bin/bench-{name}.elf"))
}

fn machine(device: &str, image: &Path, timing: Timing) -> Machine {
    let (board, document) = Board::builtin("mps2-an385").unwrap().unwrap();
    let firmware = load_images(&[(image.to_owned(), None)], &board).unwrap();
    let options = Options { name: device.to_owned(), timing, ..Options::default() };
    Machine::build(&board, &document, &firmware, options).unwrap()
}

fn fleet(images: &[&Path], pace: Pace) -> Fleet {
    timed_fleet(images, pace, Timing::default())
}

fn timed_fleet(images: &[&Path], pace: Pace, timing: Timing) -> Fleet {
    let device = |(index, image): (usize, &&Path)| {
        let name = format!("device-{index}");
        let machine = machine(&name, image, timing);
        (name, Box::new(machine) as Box<_>)
    };
    let mut fleet = Fleet::new(images.iter().enumerate().map(device).collect()).unwrap();
    fleet.set_pace(pace);
    fleet
}

fn one_thread(quantum: Time) -> Pace {
    Pace { threads: 1, quantum }
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// Nanoseconds this thread has been on a processor; other load on the machine does not count.
fn on_cpu() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// How long work on this thread keeps a processor busy; what it takes by the clock where the system cannot say.
fn on_processor(work: impl FnOnce()) -> Duration {
    let before = on_cpu();
    let wall = timed(work);
    match (before, on_cpu()) {
        (Some(before), Some(after)) => Duration::from_nanos(after - before),
        _ => wall,
    }
}

/// How long QEMU takes from its start to the guest's exit.
fn qemu(image: &Path, icount: bool) -> Duration {
    let mut command = Command::new("qemu-system-arm");
    command.args([
        "-M",
        "mps2-an385",
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        "null",
        "-semihosting",
    ]);
    if icount {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    command.arg("-kernel").arg(image).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    timed(|| assert!(command.status().unwrap().success(), "QEMU failed on {}", image.display()))
}

fn has_qemu() -> bool {
    let version = Command::new("qemu-system-arm").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// A guest that ends at once: what QEMU takes to start and to stop.
fn write_empty_guest(dir: &Path) -> PathBuf {
    let words: [u32; 16] = std::array::from_fn(|index| if index == 0 { 0x2000_1000 } else { 0x41 });
    // movs r0, #0x18; ldr r1, =0x20026; bkpt 0xAB; b .
    let code: [u16; 6] = [0x2018, 0x4901, 0xBEAB, 0xE7FE, 0x0026, 0x0002];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    let path = dir.join("empty.bin");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Millions of guest instructions per second over a fixed piece of work.
fn speed(figures: &mut Vec<Figure>, dir: &Path) {
    let empty = write_empty_guest(dir);
    let with_qemu = has_qemu();
    if !with_qemu {
        println!("qemu-system-arm is not installed: no comparison (.ci/setup test installs it)");
    }
    for name in ["compute", "branchy", "copy"] {
        let path = image(&format!("{name}-fixed"));
        let (mut consort, mut free, mut counted) = (Vec::new(), Vec::new(), Vec::new());
        // The three take turns, so that a change of the machine's load meets all.
        for _ in 0..ROUNDS {
            let mut fleet = fleet(&[&path], Pace::default());
            let time = timed(|| {
                fleet.run_until(Time::from_secs(600), &mut ());
            });
            let instructions = fleet.stats(0).instructions as f64;
            let ended = fleet.device(0, |device| device.next_event() == Time::MAX);
            assert_eq!(ended, Some(true), "{name} must come to its end");
            consort.push(instructions / time.as_secs_f64() / 1e6);
            if with_qemu {
                for (icount, rounds) in [(false, &mut free), (true, &mut counted)] {
                    let time = qemu(&path, icount).saturating_sub(qemu(&empty, icount));
                    rounds.push(instructions / time.as_secs_f64() / 1e6);
                }
            }
        }
        let consort = Figure::new(format!("{name}/consort"), "MIPS", consort);
        let value = consort.value();
        figures.push(consort);
        if with_qemu {
            figures.push(Figure::new(format!("{name}/qemu-free"), "MIPS", free).beside(value));
            figures.push(Figure::new(format!("{name}/qemu-icount"), "MIPS", counted).beside(value));
        }
    }
}

/// What counting cycles costs: guest MIPS with `--timing instructions`, and with cycles beside them.
fn timing(figures: &mut Vec<Figure>) {
    for name in ["compute", "branchy", "copy"] {
        let path = image(&format!("{name}-fixed"));
        let (mut cycles, mut instructions) = (Vec::new(), Vec::new());
        for round in 0..4 * ROUNDS {
            let turns = [(Timing::Cycles, &mut cycles), (Timing::Instructions, &mut instructions)];
            let mut turns = Vec::from(turns);
            // Whoever comes second finds a warmer host.
            if round % 2 == 1 {
                turns.reverse();
            }
            for (timing, rounds) in turns {
                let mut fleet = timed_fleet(&[&path], Pace::default(), timing);
                let time = on_processor(|| {
                    fleet.run_until(Time::from_secs(600), &mut ());
                });
                rounds.push(fleet.stats(0).instructions as f64 / time.as_secs_f64() / 1e6);
            }
        }
        let cycles = Figure::new(format!("{name}/timing-cycles"), "MIPS", cycles);
        let value = cycles.value();
        figures.push(cycles);
        figures.push(Figure::new(format!("{name}/timing-instructions"), "MIPS", instructions).beside(value));
    }
}

/// What one access to a peripheral's register costs.
fn mmio(figures: &mut Vec<Figure>) {
    let path = image("mmio-fixed");
    let rounds = (0..ROUNDS).map(|_| {
        let mut fleet = fleet(&[&path], Pace::default());
        let time = on_processor(|| {
            fleet.run_until(Time::from_secs(600), &mut ());
        });
        // 200,000 steps of 64 reads (firmware/README.md).
        time.as_secs_f64() * 1e9 / (200_000.0 * 64.0)
    });
    figures.push(Figure::new("mmio/read", "ns", rounds.collect()));
}

/// What cutting the same run into more windows costs, per window.
fn windows(figures: &mut Vec<Figure>) {
    let busy = image("compute");
    let span = Time::from_secs(1);
    for (devices, threads) in [(1, 1), (8, 1), (8, 2)] {
        let images = vec![busy.as_path(); devices];
        let run = |quantum| {
            let mut fleet = fleet(&images, Pace { threads, quantum });
            // The first stretch translates the code.
            fleet.run_until(Time::from_ms(100), &mut ());
            let before = fleet.totals().windows;
            let run = || {
                fleet.run_until(Time::from_ms(100) + span, &mut ());
            };
            let time = if threads == 1 { on_processor(run) } else { timed(run) };
            (time.as_secs_f64(), (fleet.totals().windows - before) as f64)
        };
        let rounds = (0..ROUNDS).map(|_| {
            let (few, few_windows) = run(Time::from_ms(10));
            let (many, many_windows) = run(Time::from_us(20));
            (many - few) * 1e9 / (many_windows - few_windows)
        });
        let name = format!("window/{devices}-devices-{threads}-threads");
        figures.push(Figure::new(name, "ns", rounds.collect()));
    }
}

/// What devices that mostly sleep add to a fleet.
fn sleepers(figures: &mut Vec<Figure>) {
    const DEVICES: usize = 100;
    let (busy, second, millisecond) = (image("compute"), image("sleep1s"), image("sleep1ms"));
    let span = Time::from_secs(1);
    let run = |sleeper: Option<&Path>| {
        let mut images = vec![busy.as_path()];
        images.extend(sleeper.into_iter().flat_map(|image| std::iter::repeat_n(image, DEVICES)));
        let mut fleet = fleet(&images, one_thread(Time::from_ms(1)));
        fleet.run_until(Time::from_ms(100), &mut ());
        on_processor(|| {
            fleet.run_until(Time::from_ms(100) + span, &mut ());
        })
        .as_secs_f64()
    };
    let (mut idle, mut waking) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let alone = run(None);
        idle.push((run(Some(&second)) - alone) * 1e6 / DEVICES as f64);
        // A thousand wakes in the second.
        waking.push((run(Some(&millisecond)) - alone) * 1e9 / DEVICES as f64 / 1000.0);
    }
    figures.push(Figure::new("sleeper/per-virtual-second", "us", idle));
    figures.push(Figure::new("sleeper/per-wake", "ns", waking));
}

/// What one more device takes in memory, running, and to build.
fn size(figures: &mut Vec<Figure>) {
    const DEVICES: usize = 64;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware/bin/sensor.elf");
    let images = vec![path.as_path(); DEVICES];
    let before = resident();
    let mut small = None;
    let time = on_processor(|| small = Some(fleet(&images, Pace::default())));
    let mut small = small.unwrap();
    small.run_until(Time::from_ms(100), &mut ());
    let each = (resident() - before) / DEVICES as f64 / f64::from(1 << 20);
    figures.push(Figure::new("device/memory", "MiB", vec![each]));
    figures.push(Figure::new("device/build", "ms", vec![time.as_secs_f64() * 1e3 / DEVICES as f64]));
}

/// Resident bytes of this process.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    let kib: f64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    kib * 1024.0
}

/// What a frame costs from one device's port through a switch: the link alone.
fn frames(figures: &mut Vec<Figure>) {
    use consort_core::link::Link as _;
    const FRAMES: u64 = 1_000_000;
    let rounds = (0..ROUNDS).map(|_| {
        let mut lan = Lan::new(LanConfig::default(), 4, Rng::new(0, "lan"));
        let data: std::sync::Arc<[u8]> = [[0xFF; 6], [2; 6]].concat().into();
        let (mut deliveries, mut fates) = (Vec::new(), Vec::new());
        let time = on_processor(|| {
            for index in 0..FRAMES {
                lan.transmit(0, Time::from_us(index * 100), &data, &mut deliveries, &mut fates);
                deliveries.clear();
                fates.clear();
            }
        });
        time.as_secs_f64() * 1e9 / FRAMES as f64
    });
    figures.push(Figure::new("lan/broadcast-to-3", "ns", rounds.collect()));
}

fn main() {
    // Cargo passes --bench; a filter chooses groups by name.
    let filter: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |group: &str| filter.is_empty() || filter.iter().any(|word| group.contains(word.as_str()));
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&dir).unwrap();

    let mut figures = Vec::new();
    // Memory first, while the process is small.
    if wanted("size") {
        size(&mut figures);
    }
    if wanted("beacons") {
        nrf::beacons(&mut figures);
    }
    if wanted("speed") {
        speed(&mut figures, &dir);
    }
    if wanted("timing") {
        timing(&mut figures);
    }
    if wanted("mmio") {
        mmio(&mut figures);
    }
    if wanted("breakpoints") {
        breakpoints::measure(&mut figures);
    }
    if wanted("windows") {
        windows(&mut figures);
    }
    if wanted("sleepers") {
        sleepers(&mut figures);
    }
    if wanted("frames") {
        frames(&mut figures);
    }

    println!("{:<28} {:>10} {:<5} {:>22}  Consort / this", "figure", "median", "", "lowest to highest");
    for figure in &figures {
        let (low, high) = (figure.rounds[0], figure.rounds[figure.rounds.len() - 1]);
        let range = format!("{low:.1} to {high:.1}");
        let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        println!("{:<28} {:>10.1} {:<5} {range:>22}  {ratio}", figure.name, figure.value(), figure.unit);
    }
    let rows: Vec<_> = figures
        .iter()
        .map(|figure| {
            json!({
                "name": figure.name, "value": figure.value(), "unit": figure.unit, "ratio": figure.ratio,
                "lowest": figure.rounds[0], "highest": figure.rounds[figure.rounds.len() - 1],
            })
        })
        .collect();
    let path = dir.join("summary.json");
    std::fs::write(&path, serde_json::to_string_pretty(&rows).unwrap() + "\n").unwrap();
    println!("\nalso in {}", path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&path).display());
}
