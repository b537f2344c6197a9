//! A phone's start beside QEMU's with the same images and device tree: U-Boot to its prompt, Debian's Linux to
//! busybox' shell.

use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use consort_core::Time;
use consort_core::device::{Action, Port, Sent};
use consort_core::fleet::{Fleet, Observer, Pace, Stimulus, StimulusKind};
use consort_machines::Machine;
use consort_machines::board::Board;
use consort_machines::boot::Boot;
use consort_machines::fleet_file::{load_images, read_file};
use consort_machines::machine::Options;

use crate::figure::{Figure, Goal, ROUNDS, on_processor};

/// What is started, and when it is there.
struct Start {
    name: &'static str,
    /// What QEMU gets besides board and device tree.
    qemu: Vec<String>,
    /// At which text a blank is typed.
    interrupt: Option<&'static [u8]>,
    prompt: &'static [u8],
}

/// Where `firmware/phone/linux.sh` puts the images.
fn images() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let images = root.join("target/phone");
    let made = Command::new(root.join("firmware/phone/linux.sh")).arg(&images).output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!(
            "firmware/phone/linux.sh failed: no figures of U-Boot and Linux (it needs Debian's arm64 packages)"
        );
        return None;
    }
    Some(images)
}

fn machine(images: &Path, start: &Start) -> Machine {
    let (board, document) = Board::builtin("virt-a53").unwrap().unwrap();
    let linux = start.interrupt.is_none();
    let boot = if linux {
        Boot {
            kernel: Some(read_file(&images.join("Image")).unwrap()),
            initrd: Some(read_file(&images.join("initrd.gz")).unwrap()),
            append: "console=ttyAMA0".to_owned(),
            tree: None,
        }
    } else {
        Boot::default()
    };
    let loaded = if linux { Vec::new() } else { vec![(images.join("u-boot.bin"), Some(0))] };
    let firmware = load_images(&loaded, &board).unwrap();
    let options = Options { name: "phone".to_owned(), boot, ..Options::default() };
    Machine::build(&board, &document, &firmware, options).unwrap()
}

/// Ends the run at a text, whatever follows it in the same window.
struct UntilText {
    seen: Vec<u8>,
    text: &'static [u8],
    reached: Option<Time>,
}

impl Observer for UntilText {
    fn sent(&mut self, _: usize, port: &Port, sent: &Sent) {
        if port.name == "uart0" && self.reached.is_none() {
            let new = self.seen.len().saturating_sub(self.text.len());
            self.seen.extend(&*sent.data);
            let reached = self.seen[new..].windows(self.text.len()).any(|text| text == self.text);
            self.reached = reached.then_some(sent.at);
        }
    }

    fn window(&mut self, _: Time) -> ControlFlow<()> {
        if self.reached.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Runs until the text, with a blank typed at `key`; when the text was there.
fn run(images: &Path, start: &Start, key: Option<Time>, text: &'static [u8]) -> Time {
    let mut fleet =
        Fleet::new(vec![("phone".to_owned(), Box::new(machine(images, start)) as Box<_>)]).unwrap();
    fleet.set_pace(Pace { threads: 1, quantum: Time::from_ms(10) });
    if let Some(at) = key {
        let action = Action::Send { port: "uart0".to_owned(), data: b" ".to_vec() };
        let what = StimulusKind::Device("phone".to_owned(), action);
        fleet.inject(Stimulus { at, what }).unwrap();
    }
    let mut seen = UntilText { seen: Vec::new(), text, reached: None };
    fleet.run_until(Time::from_secs(20), &mut seen);
    let said = String::from_utf8_lossy(&seen.seen);
    seen.reached.unwrap_or_else(|| panic!("{}: the prompt was not reached: {said}", start.name))
}

/// Processor seconds of QEMU until the prompt; `None` when it is not installed.
fn qemu(tree: &Path, start: &Start) -> Option<f64> {
    let mut child = Command::new("qemu-system-aarch64")
        .args(["-M", "virt,gic-version=2", "-cpu", "cortex-a53", "-m", "256", "-nographic", "-nic", "none"])
        .args(["-monitor", "none", "-icount", "shift=0,sleep=off", "-dtb"])
        .arg(tree)
        .args(&start.qemu)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (mut out, mut keys) = (child.stdout.take()?, child.stdin.take()?);
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while out.read(&mut byte).is_ok_and(|count| count == 1) {
        seen.push(byte[0]);
        if start.interrupt.is_some_and(|text| seen.ends_with(text)) {
            keys.write_all(b" ").ok()?;
        }
        if seen.ends_with(start.prompt) {
            break;
        }
    }
    assert!(seen.ends_with(start.prompt), "{}: QEMU did not reach the prompt", start.name);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).ok()?;
    let nanoseconds = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    let time = Duration::from_nanos(nanoseconds.sum());
    let _ = child.kill();
    let _ = child.wait();
    Some(time.as_secs_f64())
}

/// Processor seconds to the prompts.
pub fn starts(figures: &mut Vec<Figure>) {
    let Some(images) = images() else { return };
    let file = |name: &str| images.join(name).to_str().unwrap().to_owned();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (kernel, initrd, loader) = (file("Image"), file("initrd.gz"), file("u-boot.bin"));
    let starts = [
        Start {
            name: "u-boot-to-prompt",
            qemu: words(&["-bios", &loader]),
            interrupt: Some(b"autoboot:  2"),
            prompt: b"=> ",
        },
        Start {
            name: "linux-to-shell",
            qemu: words(&["-kernel", &kernel, "-initrd", &initrd, "-append", "console=ttyAMA0"]),
            interrupt: None,
            prompt: b"phone# ",
        },
    ];
    for start in starts {
        let tree = images.join("bench.dtb");
        std::fs::write(&tree, machine(&images, &start).device_tree().unwrap()).unwrap();
        // As on QEMU, which is typed at when it asks: virtual time is the same in each run.
        let key = start.interrupt.map(|text| run(&images, &start, None, text));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let time = on_processor(|| {
                run(&images, &start, key, start.prompt);
            });
            ours.push(time.as_secs_f64());
            theirs.extend(qemu(&tree, &start));
        }
        let figure = Figure::new(format!("{}/consort", start.name), "s", ours);
        if theirs.is_empty() {
            println!("qemu-system-aarch64 is not installed: {} is not compared", start.name);
            figures.push(figure);
            continue;
        }
        let theirs = Figure::new(format!("{}/qemu-icount", start.name), "s", theirs);
        let ratio = figure.over(&theirs);
        figures.push(figure.ratio(ratio).goal(Goal::AtMost(1.5)));
        figures.push(theirs);
    }
}
