//! Boards with a Cortex-A: Debian's U-Boot and kernel boot as on QEMU, and twice the same.
//!
//! `firmware/phone/linux.sh` makes the images from Debian's packages; without them the tests say that they are skipped,
//! except where `CI` is set.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests; a skipped one says so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Where the images are; made once by the script.
fn images() -> Option<&'static Path> {
    static IMAGES: OnceLock<Option<PathBuf>> = OnceLock::new();
    IMAGES
        .get_or_init(|| {
            let place = std::env::var("CONSORT_PHONE_IMAGES").map_or_else(
                |_| Path::new(env!("CARGO_TARGET_TMPDIR")).join("phone"),
                |place| Path::new(&place).to_owned(),
            );
            if !place.join("initrd.gz").exists() {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware/phone/linux.sh");
                let made = Command::new(script).arg(&place).output();
                if !made.is_ok_and(|made| made.status.success()) {
                    let required = std::env::var_os("CI").is_some();
                    assert!(!required, "firmware/phone/linux.sh failed: CI needs Debian's arm64 packages");
                    return None;
                }
            }
            Some(place)
        })
        .as_deref()
}

fn consort(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_consort")).args(args).env("NO_COLOR", "1").output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same machine on QEMU, with our device tree: types at the shell's prompt or, without one, at once; ends when
/// `until` was seen.
fn qemu(program: &str, args: &[&str], typed: &str, until: &str) -> Option<String> {
    let fixed = ["-nographic", "-monitor", "none", "-icount", "shift=0", "-m", "256"];
    let clock = ["-rtc", "base=2020-01-01T00:00:00,clock=vm"];
    let child = Command::new(program)
        .args(fixed)
        .args(clock)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.ok()?;
    let mut seen = Vec::new();
    let (mut out, mut keys) = (child.stdout.take().unwrap(), child.stdin.take());
    let mut byte = [0];
    while std::io::Read::read(&mut out, &mut byte).unwrap() == 1 {
        seen.push(byte[0]);
        let prompt: &[u8] = if typed.len() > 1 { b"phone# " } else { b"autoboot:  2" };
        if seen.ends_with(prompt)
            && let Some(mut keys) = keys.take()
        {
            std::io::Write::write_all(&mut keys, typed.as_bytes()).unwrap();
            std::mem::forget(keys); // the end of its input would end QEMU
        }
        if seen.ends_with(until.as_bytes()) {
            break;
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Some(String::from_utf8_lossy(&seen).into_owned())
}

/// Text without what differs from run to run: times, and what is counted in them.
fn masked(text: &str) -> Vec<String> {
    let time = regex::Regex::new(r"\[ *\d+\.\d+\]").unwrap();
    let lines = text.replace('\r', "");
    lines.lines().map(|line| time.replace_all(line, "[time]").trim_end().to_owned()).collect()
}

fn scratch(name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("phone-scratch");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name).to_str().unwrap().to_owned()
}

fn uboot(board: &str, image: &str, program: &str, cpu: &str) {
    let Some(images) = images() else {
        eprintln!("{board}: SKIPPED, Debian's packages cannot be had");
        return;
    };
    let image = images.join(image).to_str().unwrap().to_owned();
    let disk = scratch("small.img");
    std::fs::write(&disk, vec![0; 1 << 20]).unwrap();
    let run = |trace: &str| {
        let firmware = format!("{image}@0");
        let until = ["--until", "=> $", "--for", "10s", "--send", " ", "--send-at", "500ms"];
        let traced = ["--disk", &disk, "--trace", trace];
        consort(&[&["boot", board, &firmware], &until[..], &traced[..]].concat())
    };
    let (first, second) = (scratch(&format!("{board}-1.jsonl")), scratch(&format!("{board}-2.jsonl")));
    let output = run(&first);
    let ours = stdout(&output);
    assert!(ours.contains("U-Boot 20") && ours.ends_with("=> "), "{ours}");
    assert_eq!(stdout(&run(&second)), ours);
    assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap(), "two runs differ");
    let tree = scratch(&format!("{board}.dtb"));
    stdout(&consort(&["boot", board, &format!("{image}@0"), "--dump-dtb", &tree]));
    let drive = format!("if=none,id=disk,format=raw,file={disk}");
    let machine = [
        "-M",
        "virt,gic-version=2",
        "-cpu",
        cpu,
        "-global",
        "virtio-mmio.force-legacy=false",
        "-netdev",
        "hubport,id=net,hubid=0",
        "-device",
        "virtio-net-device,bus=virtio-mmio-bus.0,netdev=net",
        "-drive",
        &drive,
        "-device",
        "virtio-blk-device,bus=virtio-mmio-bus.1,drive=disk",
        "-device",
        "virtio-rng-device,bus=virtio-mmio-bus.2",
        "-device",
        "virtio-serial-device,bus=virtio-mmio-bus.3",
        "-bios",
        &image,
        "-dtb",
        &tree,
    ];
    match qemu(program, &machine, " ", "=> ") {
        Some(theirs) => assert_eq!(masked(&ours), masked(&theirs)),
        None => eprintln!("{board}: not compared, {program} is not installed"),
    }
}

#[test]
fn u_boot_reaches_its_prompt_as_on_qemu() {
    uboot("virt-a53", "u-boot.bin", "qemu-system-aarch64", "cortex-a53");
}

fn linux_arguments(images: &Path, append: &str) -> Vec<String> {
    let file = |name: &str| images.join(name).to_str().unwrap().to_owned();
    let words =
        ["boot", "virt-a53", "--kernel", &file("Image"), "--initrd", &file("initrd.gz"), "--append", append];
    words.map(str::to_owned).to_vec()
}

/// What a guest does to show that it computes as it should. Its results begin with `== `, which what is typed does not
/// contain: the terminal echoes type-ahead between them.
const STRESS: &str = r#"
r() { echo "=""= $*"; }
r hash $(dd if=/dev/zero bs=64k count=16 2>/dev/null | sha256sum | cut -c1-16)
r gzip $(seq 1 20000 | gzip -9 | md5sum | cut -c1-16) $(seq 1 20000 | gzip | gunzip | md5sum | cut -c1-16)
n=0; for i in $(seq 1 60); do n=$((n + $(echo $i | cat | wc -c))); done; r forks $n
trap 'r signal' USR1; kill -USR1 $$; (sleep 5; echo no) & kill $!; wait 2>/dev/null; r waited
r awk $(seq 1 3000 | sort -r | awk '{ s = s * 31 % 65521 + $1 / 7 } END { printf "%.6f\n", s }')
mkdir -p /tmp; for i in $(seq 1 200); do echo $i > /tmp/f$i; done; r files $(cat /tmp/f* | md5sum | cut -c1-16)
r removed $(ls /tmp | wc -l); rm -r /tmp; r slept $( (time sleep 0.3) 2>&1 | grep real)
mke2fs -q /dev/vda 2>&1; mount -t ext4 /dev/vda /mnt; seq 1 5000 > /mnt/a; sync; umount /mnt
mount -t ext4 /dev/vda /mnt; r disk $(md5sum < /mnt/a | cut -c1-16); umount /mnt
r interrupts $(grep -c -E "arch_timer|uart-pl011|virtio" /proc/interrupts); r end
poweroff -f
"#;

#[test]
fn linux_reaches_its_shell_and_works_as_on_qemu() {
    let Some(images) = images() else {
        eprintln!("virt-a53: SKIPPED, Debian's packages cannot be had");
        return;
    };
    let disk = scratch("disk.img");
    std::fs::write(&disk, vec![0; 8 << 20]).unwrap();
    let script = scratch("stress.sh");
    std::fs::write(&script, STRESS).unwrap();
    let mut boot = linux_arguments(images, "console=ttyAMA0");
    boot.extend(["--disk", &disk].map(str::to_owned));
    let words: Vec<&str> = boot.iter().map(String::as_str).collect();
    let tree = scratch("linux.dtb");
    stdout(&consort(&[&words[..], &["--dump-dtb", &tree]].concat()));
    // QEMU counts instructions; the kernel prints how long it took for some of its work.
    let typed = ["--send-at", "3s", "--send-file", &script, "--for", "60s", "--timing", "instructions"];
    let ours = stdout(&consort(&[&words[..], &typed[..]].concat()));
    let results = |text: &str| -> Vec<String> {
        let after = |line: &str| line.find("== ").map(|at| line[at..].trim_end().to_owned());
        text.lines().filter_map(after).collect()
    };
    let boot_text = |text: &str| {
        let reserved = regex::Regex::new(r"\d+K reserved").unwrap();
        let text = masked(text.split("phone# ").next().unwrap());
        text.iter().map(|line| reserved.replace(line, "reserved").into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(results(&ours).last().map(String::as_str), Some("== end"), "{ours}");
    assert!(ours.contains("reboot: Power down"), "{ours}");
    let file = |name: &str| images.join(name).to_str().unwrap().to_owned();
    let drive = format!("if=none,id=disk,format=raw,file={disk}");
    let (kernel, initrd) = (file("Image"), file("initrd.gz"));
    let machine = [
        "-M",
        "virt,gic-version=2",
        "-cpu",
        "cortex-a53",
        "-global",
        "virtio-mmio.force-legacy=false",
        "-netdev",
        "hubport,id=net,hubid=0",
        "-device",
        "virtio-net-device,bus=virtio-mmio-bus.0,netdev=net",
        "-drive",
        &drive,
        "-device",
        "virtio-blk-device,bus=virtio-mmio-bus.1,drive=disk",
        "-device",
        "virtio-rng-device,bus=virtio-mmio-bus.2",
        "-device",
        "virtio-serial-device,bus=virtio-mmio-bus.3",
        "-kernel",
        &kernel,
        "-initrd",
        &initrd,
        "-append",
        "console=ttyAMA0",
        "-dtb",
        &tree,
    ];
    let typed = format!("{}\n", STRESS.trim());
    match qemu("qemu-system-aarch64", &machine, &typed, "reboot: Power down") {
        Some(theirs) => {
            assert_eq!(boot_text(&ours), boot_text(&theirs));
            assert_eq!(results(&ours), results(&theirs));
        }
        None => eprintln!("virt-a53: not compared, qemu-system-aarch64 is not installed"),
    }
}

/// What a run of a fleet file says, and its digest.
fn run(fleet: &str, more: &[&str]) -> (String, String) {
    let output = consort(&[&["run", fleet], more].concat());
    let said = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
    let digest = regex::Regex::new("digest ([0-9a-f]{32})").unwrap();
    let digest = digest.captures(&said).map(|found| found[1].to_owned());
    (said.clone(), digest.unwrap_or_else(|| panic!("no digest: {said}")))
}

/// The demo's fleet with the images where this test has them.
fn linux_fleet(images: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("demo/linux.json")).unwrap();
    let text = text
        .replace("../target/phone", images.to_str().unwrap())
        .replace("../firmware", root.join("firmware").to_str().unwrap());
    let path = scratch("linux-fleet.json");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_linux_phone_a_watch_and_two_sensors_talk_for_a_minute_the_same_each_time() {
    let Some(images) = images() else {
        eprintln!("phone: SKIPPED, Debian's packages cannot be had");
        return;
    };
    let fleet = linux_fleet(images);
    let (said, whole) = run(&fleet, &["--for", "60s", "--threads", "1"]);
    for wanted in
        ["sensor-1 joined", "sensor-2 joined", "watch-1 joined", "ALARM sensor", "3 of 3 here", "hub found"]
    {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert_eq!(run(&fleet, &["--for", "60s", "--threads", "2"]).1, whole, "two threads");
    // Cut in the middle of the kernel's start, and later.
    for at in ["400ms", "20s"] {
        let state = scratch("half.consort");
        let _ = run(&fleet, &["--for", "21s", "--save", &state, "--at", at, "--quiet"]);
        let (_, resumed) = run(&fleet, &["--restore", &state, "--for", "60s", "--quiet"]);
        assert_eq!(resumed, whole, "saved at {at}");
    }
}
