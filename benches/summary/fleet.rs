//! Fleets: speed beside QEMU, register accesses, windows, threads, sleepers, memory, frames.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use consort_core::Time;
use consort_core::fleet::{Fleet, Pace};
use consort_core::link::{Lan, LanConfig};
use consort_core::rng::Rng;
use consort_machines::Machine;
use consort_machines::board::{Board, Timing};
use consort_machines::fleet_file::load_images;
use consort_machines::machine::Options;

use crate::figure::{Figure, Goal, ROUNDS, on_processor, resident, timed};

pub fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("firmware/bin/bench-{name}.elf"))
}

fn machine(device: &str, image: &Path, timing: Timing) -> Machine {
    let (board, document) = Board::builtin("mps2-an385").unwrap().unwrap();
    let firmware = load_images(&[(image.to_owned(), None)], &board).unwrap();
    let options = Options { name: device.to_owned(), timing, ..Options::default() };
    Machine::build(&board, &document, &firmware, options).unwrap()
}

pub fn fleet(images: &[&Path], pace: Pace) -> Fleet {
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

/// How long QEMU keeps a processor busy from its start to the guest's exit.
fn qemu(image: &Path, icount: bool) -> Duration {
    let mut command = Command::new("qemu-system-arm");
    command.args("-M mps2-an385 -display none -monitor none -serial null -semihosting".split(' '));
    if icount {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    command.arg("-kernel").arg(image).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // What a process took can be read from its end until someone waits for it.
    let path = format!("/proc/{}/stat", child.id());
    let ticks = loop {
        let text = std::fs::read_to_string(&path).unwrap();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        if fields[0] == "Z" {
            break fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert!(child.wait().unwrap().success(), "QEMU failed on {}", image.display());
    Duration::from_secs(ticks) / rustix::param::clock_ticks_per_second() as u32
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
pub fn speed(figures: &mut Vec<Figure>, dir: &Path) {
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
            let time = on_processor(|| {
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
        if with_qemu {
            let free = Figure::new(format!("{name}/qemu-free"), "MIPS", free);
            let ratio = consort.over(&free);
            figures.push(free.ratio(ratio));
            let counted = Figure::new(format!("{name}/qemu-icount"), "MIPS", counted);
            let ratio = consort.over(&counted);
            figures.push(counted.ratio(ratio));
        }
        figures.push(consort);
    }
}

/// What counting cycles costs: guest MIPS with `--timing instructions`, and with cycles beside them.
pub fn timing(figures: &mut Vec<Figure>) {
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
        let instructions = Figure::new(format!("{name}/timing-instructions"), "MIPS", instructions);
        let ratio = cycles.over(&instructions);
        figures.push(cycles.ratio(ratio).goal(Goal::Ratio(0.97)));
        figures.push(instructions);
    }
}

/// What one access to a peripheral's register costs.
pub fn mmio(figures: &mut Vec<Figure>) {
    let path = image("mmio-fixed");
    let rounds = (0..ROUNDS).map(|_| {
        let mut fleet = fleet(&[&path], Pace::default());
        let time = on_processor(|| {
            fleet.run_until(Time::from_secs(600), &mut ());
        });
        // 200,000 steps of 64 reads (firmware/README.md).
        time.as_secs_f64() * 1e9 / (200_000.0 * 64.0)
    });
    figures.push(Figure::new("mmio/read", "ns", rounds.collect()).goal(Goal::Below(50.0)));
}

/// What cutting the same run into more windows costs, per window.
pub fn windows(figures: &mut Vec<Figure>) {
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
        let figure = Figure::new(name, "ns", rounds.collect());
        figures.push(if devices == 1 { figure.goal(Goal::Below(300.0)) } else { figure });
    }
}

/// How much faster two threads run eight busy devices in windows of 100 us; needs two processors at leisure.
pub fn threads(figures: &mut Vec<Figure>) {
    let busy = image("compute");
    let images = vec![busy.as_path(); 8];
    // Two fleets that take turns: what is measured is the same code at the same places.
    let [mut one, mut two] =
        [1, 2].map(|threads| fleet(&images, Pace { threads, quantum: Time::from_us(100) }));
    let rounds = (0..=2 * ROUNDS as u64).map(|round| {
        let end = Time::from_ms(100 + 1_500 * round);
        let [alone, together] = [&mut one, &mut two].map(|fleet| {
            timed(|| {
                fleet.run_until(end, &mut ());
            })
            .as_secs_f64()
        });
        alone / together
    });
    // The first stretch translates the code.
    let rounds = rounds.skip(1);
    figures.push(Figure::new("threads/2-of-8-devices", "x", rounds.collect()).goal(Goal::AtLeast(1.7)));
}

/// What devices that mostly sleep add to a fleet.
pub fn sleepers(figures: &mut Vec<Figure>) {
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
pub fn size(figures: &mut Vec<Figure>) {
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

/// What a frame costs from one device's port through a switch: the link alone.
pub fn frames(figures: &mut Vec<Figure>) {
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
