//! Boards with a Cortex-A: Debian's U-Boot and kernel boot as on QEMU, and twice the same.
//!
//! `firmware/phone/linux.sh` makes the images from Debian's packages; without them the tests say that they are skipped,
//! except where `CI` is set.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests; a skipped one says so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The folder with the images of an architecture; the script makes what is not there yet.
fn images(architecture: &str) -> Option<PathBuf> {
    let place = std::env::var("CONSORT_PHONE_IMAGES")
        .map_or_else(|_| Path::new(env!("CARGO_TARGET_TMPDIR")).join("phone"), PathBuf::from);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware/phone/linux.sh");
    let problem = match Command::new(script).arg(&place).arg(architecture).output() {
        Ok(made) if made.status.success() => return Some(place),
        Ok(made) => String::from_utf8_lossy(&made.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("CI").is_none(), "CI needs Debian's {architecture} packages: {problem}");
    eprintln!("SKIPPED, Debian's {architecture} packages cannot be had: {problem}");
    None
}

fn consort(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_consort")).args(args).env("NO_COLOR", "1").output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same machine on QEMU with our device tree and a disk, and `more`: types at the shell's prompt or, without one,
/// at once; ends when `until` was seen.
fn qemu(
    program: &str,
    (tree, disk): (&str, &str),
    more: &[&str],
    typed: &str,
    until: &str,
) -> Option<String> {
    let drive = format!("if=none,id=disk,format=raw,file={disk}");
    let child = Command::new(program)
        .args(["-m", "256", "-dtb", tree])
        .args(["-nographic", "-monitor", "none", "-icount", "shift=0"])
        .args(["-rtc", "base=2020-01-01T00:00:00,clock=vm", "-global", "virtio-mmio.force-legacy=false"])
        .args(["-netdev", "hubport,id=net,hubid=0", "-drive", &drive])
        .args(["-device", "virtio-net-device,bus=virtio-mmio-bus.0,netdev=net"])
        .args(["-device", "virtio-blk-device,bus=virtio-mmio-bus.1,drive=disk"])
        .args(["-device", "virtio-rng-device,bus=virtio-mmio-bus.2"])
        .args(["-device", "virtio-serial-device,bus=virtio-mmio-bus.3"])
        .args(more)
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
    let Some(images) = images("arm64") else {
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
    let more = ["-M", "virt,gic-version=2", "-cpu", cpu, "-bios", &image];
    match qemu(program, (&tree, &disk), &more, " ", "=> ") {
        Some(theirs) => assert_eq!(masked(&ours), masked(&theirs)),
        None => eprintln!("{board}: not compared, {program} is not installed"),
    }
}

#[test]
fn u_boot_reaches_its_prompt_as_on_qemu() {
    uboot("virt-a53", "u-boot.bin", "qemu-system-aarch64", "cortex-a53");
    uboot("virt-a15", "u-boot32.bin", "qemu-system-arm", "cortex-a15");
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
r rng $(dd if=/dev/hwrng bs=64 count=4 2>/dev/null | wc -c)
date -u -s "2021-05-06 07:08:09" > /dev/null; hwclock -u -w; r clock $(hwclock -u -r | cut -c1-16)
echo +1 > /sys/class/rtc/rtc0/wakealarm; sleep 2; r alarms $(awk '/rtc-pl031/ { print $2 }' /proc/interrupts)
r interrupts $(grep -c -E "arch_timer|uart-pl011|virtio" /proc/interrupts); r end
poweroff -f
"#;

/// Less of it, for where the same processor was tried before.
const SHORT: &str = r#"
r() { echo "=""= $*"; }; r awk $(seq 1 300 | awk '{ s = s * 31 % 65521 + $1 / 7 } END { printf "%.6f\n", s }')
r gzip $(seq 1 2000 | gzip -9 | md5sum | cut -c1-16); r interrupts $(grep -c arch_timer /proc/interrupts); r end
poweroff -f
"#;

/// Boots a kernel with a RAM disk on our board and on QEMU's: what both say while they start, and what both compute.
fn linux(board: &str, files: [&Path; 2], (program, machine): (&str, &[&str]), script: &str, at: &str) {
    let disk = scratch(&format!("{board}.img"));
    std::fs::write(&disk, vec![0; 8 << 20]).unwrap();
    let typed = scratch(&format!("{board}.sh"));
    std::fs::write(&typed, script).unwrap();
    let [kernel, initrd] = files.map(|file| file.to_str().unwrap());
    let boot = ["boot", board, "--kernel", kernel, "--initrd", initrd, "--append", "console=ttyAMA0"];
    let boot = [&boot[..], &["--disk", &disk]].concat();
    let tree = scratch(&format!("{board}-linux.dtb"));
    stdout(&consort(&[&boot[..], &["--dump-dtb", &tree]].concat()));
    // A tree as others have it, without command line and RAM disk, serves as well.
    let plain = scratch(&format!("{board}-plain.dtb"));
    stdout(&consort(&["boot", board, "--kernel", kernel, "--dump-dtb", &plain]));
    let boot = [&boot[..], &["--dtb", &plain]].concat();
    // QEMU counts instructions; the kernel prints how long it took for some of its work.
    let keys = ["--send-at", at, "--send-file", &typed, "--for", "60s", "--timing", "instructions"];
    let ours = stdout(&consort(&[&boot[..], &keys[..]].concat()));
    let boot_text = |text: &str| {
        let reserved = regex::Regex::new(r"\d+K reserved").unwrap();
        let mut text = masked(text.split("phone# ").next().unwrap());
        // The A15 here is another revision, without powered debug registers: docs/phone.md.
        let apart = ["CPU: ARMv7", "Memory: ", "hw-breakpoint: "];
        text.retain(|line| board != "virt-a15" || !apart.iter().any(|words| line.contains(words)));
        // The kernel unpacks beside the rest of its start: the line comes sooner or later.
        let unpacks = |line: &String| line.contains("Trying to unpack rootfs image");
        assert!(text.iter().any(unpacks), "{text:?}");
        text.retain(|line| !unpacks(line));
        text.iter().map(|line| reserved.replace(line, "reserved").into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(results(&ours).last().map(String::as_str), Some("end"), "{ours}");
    assert!(ours.contains("reboot: Power down"), "{ours}");
    let more = ["-kernel", kernel, "-initrd", initrd, "-append", "console=ttyAMA0"];
    let more = [&more[..], machine].concat();
    let typed = format!("{}\n", script.trim());
    match qemu(program, (&tree, &disk), &more, &typed, "reboot: Power down") {
        Some(theirs) => {
            assert_eq!(boot_text(&ours), boot_text(&theirs));
            assert_eq!(results(&ours), results(&theirs));
        }
        None => eprintln!("{board}: not compared, {program} is not installed"),
    }
}

#[test]
fn linux_reaches_its_shell_and_works_as_on_qemu() {
    let Some(images) = images("arm64") else {
        return;
    };
    let files = ["Image", "initrd.gz"].map(|name| images.join(name));
    let files = [&*files[0], &*files[1]];
    linux(
        "virt-a53",
        files,
        ("qemu-system-aarch64", &["-M", "virt,gic-version=2", "-cpu", "cortex-a53"]),
        STRESS,
        "3s",
    );
    let el2 = ["-M", "virt,gic-version=2,virtualization=on", "-cpu", "cortex-a53"];
    linux("virt-a53-el2", files, ("qemu-system-aarch64", &el2), SHORT, "3s");
}

#[test]
fn linux_on_a_cortex_a57_and_an_a72_works_as_on_qemu() {
    let Some(images) = images("arm64") else {
        return;
    };
    let files = ["Image", "initrd.gz"].map(|name| images.join(name));
    for core in ["a57", "a72"] {
        let machine = ["-M", "virt,gic-version=2", "-cpu", &format!("cortex-{core}")];
        let board = format!("virt-{core}");
        linux(&board, [&files[0], &files[1]], ("qemu-system-aarch64", &machine), SHORT, "3s");
    }
}

/// Writes a fleet of one `phone` and its stimuli, each a time and what is typed.
fn typed_fleet(name: &str, device: &serde_json::Value, typed: &[(&str, &str)]) -> String {
    let stimuli: Vec<_> = typed
        .iter()
        .map(|(at, text)| serde_json::json!({ "at": at, "device": "phone", "send": text }))
        .collect();
    let path = scratch(name);
    let fleet = serde_json::json!({ "devices": { "phone": device }, "stimuli": stimuli });
    std::fs::write(&path, fleet.to_string()).unwrap();
    path
}

/// The digest does not depend on threads, quantum, or a restart from a state saved at `at`.
fn is_the_same_however_it_runs(fleet: &str, until: &str, at: &str, whole: &str) {
    for more in [["--threads", "2"], ["--quantum", "300us"]] {
        assert_eq!(run(fleet, &[&["--for", until, "--quiet"], &more[..]].concat()).1, whole, "{more:?}");
    }
    let state = format!("{fleet}.state");
    let _ = run(fleet, &["--for", until, "--save", &state, "--at", at, "--quiet"]);
    assert_eq!(resumed(fleet, &state, until), whole, "saved at {at}");
}

#[test]
fn u_boot_keeps_its_environment_in_flash_over_a_reset() {
    let Some(images) = images("arm64") else {
        return;
    };
    let device = serde_json::json!({
        "board": "virt-a53", "firmware": { "path": images.join("u-boot.bin"), "at": "0" }
    });
    let typed = [
        ("100ms", " "),
        ("150ms", "setenv who phone; saveenv\n"),
        ("190ms", "reset\n"),
        ("400ms", " "),
        ("420ms", "echo I am $who\n"),
    ];
    let fleet = typed_fleet("flash.json", &device, &typed);
    let (said, whole) = run(&fleet, &["--for", "450ms"]);
    assert!(said.contains("| I am phone"), "{said}");
    // While the flash is being written.
    is_the_same_however_it_runs(&fleet, "450ms", "160ms", &whole);
}

#[test]
fn uefi_reaches_its_shell_and_keeps_its_variables() {
    let Some(images) = images("arm64") else {
        return;
    };
    let board = scratch("no-network.json");
    // With a network, UEFI tries to boot from it for a minute.
    let text = r#"{ "doc": "No network", "chip": "virt", "processor": { "core": "cortex-a57" },
        "peripherals": { "net0": null } }"#;
    std::fs::write(&board, text).unwrap();
    let device = serde_json::json!({
        "board": board, "firmware": { "path": images.join("QEMU_EFI.fd"), "at": "0" }
    });
    let typed = [
        ("5500ms", "\x1b"),
        ("7s", "set who phone\r"),
        ("7200ms", "reset\r"),
        ("13s", "\x1b"),
        ("14500ms", "set who\r"),
        ("14700ms", "reset -s\r"),
    ];
    let fleet = typed_fleet("uefi.json", &device, &typed);
    let said = run(&fleet, &["--for", "16s"]).0;
    for wanted in ["UEFI Interactive Shell v2.2", "who = phone", "ended with exit code 0"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let state = scratch("uefi.consort");
    // While a variable is written.
    let (_, whole) = run(&fleet, &["--for", "7300ms", "--save", &state, "--at", "7010ms", "--quiet"]);
    assert_eq!(resumed(&fleet, &state, "7300ms"), whole);
}

#[test]
fn cores_gic_and_timers_answer_as_qemu_s() {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware/bin/virt-core.elf");
    let image = image.to_str().unwrap();
    for core in ["a53", "a57", "a72"] {
        let board = format!("virt-{core}");
        let ours = stdout(&consort(&["boot", &board, image, "--for", "1s"]));
        assert!(ours.contains("midr_el1 ") && ours.ends_with("end\n"), "{ours}");
        let theirs = Command::new("timeout")
            .args(["300", "qemu-system-aarch64", "-M", "virt,gic-version=2"])
            .args(["-cpu", &format!("cortex-{core}")])
            .args(["-m", "256", "-nographic", "-monitor", "none", "-nic", "none", "-icount", "shift=0"])
            .args(["-kernel", image])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if theirs.status.code() == Some(127) {
            assert!(std::env::var_os("CI").is_none(), "CI needs qemu-system-arm");
            eprintln!("{board}: not compared, qemu-system-aarch64 is not installed");
            continue;
        }
        let theirs = String::from_utf8_lossy(&theirs.stdout).replace('\r', "");
        let first = ours.lines().zip(theirs.lines()).position(|(a, b)| a != b);
        let around = |text: &str| {
            let from = first.unwrap_or(0).saturating_sub(5);
            text.lines().skip(from).take(9).collect::<Vec<_>>().join("\n")
        };
        assert!(ours == theirs, "{board}:\n{}\n{board} on QEMU:\n{}", around(&ours), around(&theirs));
    }
    let fleet = typed_fleet("core.json", &serde_json::json!({ "board": "virt-a53", "firmware": image }), &[]);
    let whole = run(&fleet, &["--for", "20ms"]).1;
    is_the_same_however_it_runs(&fleet, "20ms", "1ms", &whole);
}

/// Tries to boot with these arguments, and says why it cannot.
fn refused(args: &[&str]) -> String {
    let output = consort(&[&["boot"], args].concat());
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn files_that_cannot_be_booted_are_told() {
    let file = |name: &str, bytes: &[u8]| {
        let path = scratch(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    // The least that has a kernel's header: it branches to itself.
    let mut image = vec![0; 4096];
    image[..4].copy_from_slice(&0x1400_0000_u32.to_le_bytes());
    image[16..24].copy_from_slice(&4096_u64.to_le_bytes());
    image[0x38..0x3C].copy_from_slice(b"ARM\x64");
    let kernel = file("spin-image", &image);
    image[16..24].copy_from_slice(&(300_u64 << 20).to_le_bytes());
    let (large, text) = (file("large-image", &image), file("text-image", b"no kernel"));
    let (packed, empty) = (file("packed-image", &[0x1F, 0x8B, 8, 0]), file("empty-image", b""));
    let tree = scratch("spin.dtb");
    stdout(&consort(&["boot", "virt-a53", "--kernel", &kernel, "--dump-dtb", &tree]));
    let whole = std::fs::read(&tree).unwrap();
    let (cut, rubbish) = (file("cut.dtb", &whole[..whole.len() / 2]), file("rubbish.dtb", b"rubbish"));
    let huge = std::fs::File::create(scratch("huge-initrd")).unwrap();
    huge.set_len(300 << 20).unwrap();
    let huge = scratch("huge-initrd");
    let refusals: [(&[&str], &str); 10] = [
        (&["virt-a53", "--kernel", &text], "text-image: is no arm64 kernel Image"),
        (&["virt-a53", "--kernel", &empty], "empty-image: is no arm64 kernel Image"),
        (&["virt-a53", "--kernel", &packed], "packed-image: is packed with gzip, and damaged"),
        (&["virt-a15", "--kernel", &kernel], "spin-image: is no 32-bit zImage"),
        (&["virt-a53", "--kernel", &large], "the board has 256 MiB of RAM"),
        (&["virt-a53", "--kernel", &kernel, "--initrd", &huge], "the board has 256 MiB of RAM"),
        (&["virt-a53", "--kernel", &kernel, "--initrd", "not-here.gz"], "not-here.gz: No such file"),
        (
            &["virt-a53", "--kernel", &kernel, "--dtb", &cut],
            "cut.dtb: is no device tree blob: its header says",
        ),
        (&["virt-a53", "--kernel", &kernel, "--dtb", &rubbish], "rubbish.dtb: is no device tree blob"),
        (&["mps2-an385", "--kernel", &kernel], "this board has no device tree"),
    ];
    for (args, wanted) in refusals {
        let said = refused(args);
        assert!(said.contains(wanted), "{args:?}: {said}");
    }
    // In a fleet file, at the line that names the file.
    let fleet = typed_fleet(
        "damaged.json",
        &serde_json::json!({ "board": "virt-a53", "kernel": kernel, "dtb": cut }),
        &[],
    );
    let output = consort(&["run", &fleet, "--for", "1ms"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("cut.dtb: is no device tree blob"), "{said}");
    let image = serde_json::json!({ "board": "virt-a53", "firmware": { "file": kernel, "at": 0 } });
    let output = consort(&["run", &typed_fleet("image.json", &image, &[]), "--for", "1ms"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("an image is a path, or"), "{output:?}");
    // A tree of one's own gets the command line and the RAM disk; a tree that has them keeps them.
    let given = scratch("given.dtb");
    let own = ["boot", "virt-a53", "--kernel", &kernel, "--initrd", &text, "--append", "quiet", "--dump-dtb"];
    stdout(&consort(&[&own[..], &[&given, "--dtb", &tree]].concat()));
    let ours = scratch("ours.dtb");
    stdout(&consort(&[&own[..], &[&ours]].concat()));
    let words = |path: &str| {
        let bytes = std::fs::read(path).unwrap();
        ["bootargs\0", "linux,initrd-end\0", "quiet\0"]
            .map(|word| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
    };
    assert_eq!((words(&given), words(&ours), words(&tree)), ([true; 3], [true; 3], [false; 3]));
    let kept = scratch("kept.dtb");
    stdout(&consort(&["boot", "virt-a53", "--kernel", &kernel, "--dtb", &given, "--dump-dtb", &kept]));
    assert_eq!(std::fs::read(&kept).unwrap(), std::fs::read(&given).unwrap());
}

#[test]
fn linux_on_a_cortex_a15_works_as_on_qemu() {
    let Some(images) = images("armhf") else {
        return;
    };
    let files = ["zImage", "initrd32.gz"].map(|name| images.join(name));
    let machine = ["-M", "virt,gic-version=2", "-cpu", "cortex-a15"];
    linux("virt-a15", [&files[0], &files[1]], ("qemu-system-arm", &machine), SHORT, "6s");
}

/// What a run of a fleet file says, and its digest.
fn run(fleet: &str, more: &[&str]) -> (String, String) {
    let output = consort(&[&["run", fleet], more].concat());
    let said = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
    let digest = regex::Regex::new("digest ([0-9a-f]{32})").unwrap();
    let digest = digest.captures(&said).map(|found| found[1].to_owned());
    (said.clone(), digest.unwrap_or_else(|| panic!("no digest: {said}")))
}

/// The digest of a run from a saved state.
fn resumed(fleet: &str, state: &str, until: &str) -> String {
    run(fleet, &["--restore", state, "--for", until, "--quiet"]).1
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
    let Some(images) = images("arm64") else {
        return;
    };
    let fleet = linux_fleet(&images);
    let (said, whole) = run(&fleet, &["--for", "60s", "--threads", "1"]);
    for wanted in [
        "2 packets received",
        "sensor-1 joined",
        "sensor-2 joined",
        "watch-1 joined",
        "ALARM sensor",
        "3 of 3 here",
        "hub found",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert_eq!(run(&fleet, &["--for", "60s", "--threads", "2"]).1, whole, "two threads");
    // Cut in the middle of the kernel's start, and later.
    for at in ["400ms", "20s"] {
        let state = scratch("half.consort");
        let _ = run(&fleet, &["--for", "21s", "--save", &state, "--at", at, "--quiet"]);
        assert_eq!(resumed(&fleet, &state, "60s"), whole, "saved at {at}");
    }
}

/// What the results of a guest's script are: its lines behind `== `.
fn results(text: &str) -> Vec<String> {
    let after = |line: &str| line.find("== ").map(|at| line[at + 3..].trim_end_matches('\r').to_owned());
    text.lines().filter_map(after).collect()
}

/// Width and pixels of the only picture in a folder whose name begins with `name`.
fn picture(folder: &str, name: &str) -> (usize, Vec<[u8; 3]>) {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name));
    assert_eq!(names.len(), 1, "{names:?}");
    let file = std::io::BufReader::new(std::fs::File::open(&names[0]).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    (info.width as usize, bytes.as_chunks().0.to_vec())
}

/// A fresh folder for pictures.
fn shots(name: &str) -> String {
    let folder = scratch(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

#[test]
fn the_small_phone_feels_its_user_and_knows_its_battery() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = |at: &str, what: &str, to: serde_json::Value| serde_json::json!({ "at": at, "device": "phone", "set": what, "to": to });
    let fleet = serde_json::json!({
        "devices": { "phone": {
            "board": "phone",
            "firmware": root.join("firmware/bin/phone.elf"),
            "config": {
                "battery": { "charge": 42, "current": [["0s", -3000]] },
                "softbus": { "udid": "phone", "mac": "02:00:00:01:00:01", "ip": "10.0.0.1" }
            }
        } },
        "stimuli": [
            set("1s", "touch.touch", serde_json::json!([100, 500])), set("1100ms", "touch.touch", false.into()),
            set("2s", "power.pressed", true.into()), set("2100ms", "power.pressed", false.into()),
            set("3s", "touch.touch", serde_json::json!([200, 600])), set("3100ms", "touch.touch", false.into()),
            set("4s", "volume-down.pressed", true.into()), set("5s", "power.pressed", true.into()),
            set("40s", "battery.charge", 7.into()), set("50s", "power.pressed", false.into()),
            set("51s", "power.pressed", true.into()),
        ],
    });
    let path = scratch("small.json");
    std::fs::write(&path, fleet.to_string()).unwrap();
    let folder = shots("small-shots");
    let (said, whole) = run(&path, &["--for", "4500ms", "--screenshots", &folder]);
    let mut rest = &said[..];
    for line in ["battery 42 percent", "touched at 100, 500", "screen off", "screen on", "volume down"] {
        rest = &rest[rest.find(line).unwrap_or_else(|| panic!("no `{line}` in its place: {said}"))..];
    }
    assert!(!said.contains("touched at 200"), "the tap that woke the screen: {said}");
    let (width, pixels) = picture(&folder, "phone.screen.");
    assert_eq!((width, pixels[500 * width + 100]), (480, [0xF0, 0xC0, 0x40]));
    assert_ne!(pixels[600 * width + 200], [0xF0, 0xC0, 0x40]);
    for more in [["--threads", "2"], ["--quantum", "70us"]] {
        assert_eq!(run(&path, &[&["--for", "4500ms"], &more[..]].concat()).1, whole, "{more:?}");
    }
    let state = scratch("small.consort");
    let _ = run(&path, &["--for", "3s", "--save", &state, "--at", "1050ms", "--quiet"]);
    assert_eq!(resumed(&path, &state, "4500ms"), whole, "restored");
}

/// What the parts of the phone look like in Linux; the typing begins at 6 s, the user acts from 10 s on.
const PARTS: &str = r#"
r() { echo "=""= $*"; }; printf '\033[?25l' > /dev/tty1; echo "Hello from Linux" > /dev/tty1
e() { timeout 9 dd if=/dev/input/$1 bs=24 count=$2 2>/dev/null | od -An -v -tu2 -w24 | while read a b c d f g h i t k v w; do r $1 $t $k $v; done; }
e event0 6 & e event1 4 & r awk $(awk 'BEGIN { for (i = 1; i < 40000; i++) s += i / 7 * 1.0001; printf "%.9f", s }')
for to in 10.2.0.1 10.0.0.9; do r ping $to $(ping -c 2 -w 3 $to | grep -o "[0-9]* packets received"); done
r battery $(cat /sys/class/power_supply/*/capacity) $(cat /sys/class/power_supply/*/status)
wait; r battery $(cat /sys/class/power_supply/*/capacity) $(cat /sys/class/power_supply/*/current_now)
a=/sys/bus/iio/devices/iio:device; r $(cat ${a}0/name ${a}0/in_accel_[xyz]_raw)
r $(cat ${a}1/name ${a}1/in_magn_[xyz]_raw); fold -w60 /dev/vcs1 | sed "s/^/=""= |/"; echo; r end
"#;

#[test]
fn linux_finds_the_phone_s_parts_and_reaches_its_neighbours() {
    let Some(images) = images("arm64") else {
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = |at: &str, what: &str, to: serde_json::Value| serde_json::json!({ "at": at, "device": "phone", "set": what, "to": to });
    let fleet = serde_json::json!({
        "devices": {
            "phone": {
                "board": "phone", "kernel": images.join("Image"), "initrd": images.join("initrd.gz"),
                "append": "console=tty0 console=ttyAMA0 net=10.1.0.1/8"
            },
            "watch": {
                "board": "mps2-an386", "firmware": root.join("firmware/bin/watch.elf"),
                "config": { "ethernet": { "mac": "02:00:00:02:00:01" } }
            },
            "strap": { "scripted": { "node": { "udid": "STRAP", "mac": "02:00:00:00:00:09", "ip": "10.0.0.9", "prefix": 8 } } }
        },
        "links": { "home": { "kind": "lan", "joins": ["phone.net0", "watch", "strap"], "latency": "500us" } },
        "stimuli": [
            { "at": "6s", "device": "phone", "send": PARTS.trim().to_owned() + "\n" },
            set("9s", "accelerometer.x", 500.into()), set("9s", "battery.charge", 15.into()),
            set("9s", "battery.current", 500.into()), set("9s", "magnetometer.y", (-30).into()),
            set("10s", "touch.touch", serde_json::json!([123, 456])), set("10200ms", "touch.touch", false.into()),
            set("11s", "power.pressed", true.into()), set("11200ms", "power.pressed", false.into()),
        ],
    });
    let path = scratch("parts.json");
    std::fs::write(&path, fleet.to_string()).unwrap();
    let folder = shots("parts-shots");
    let (said, whole) = run(&path, &["--for", "15s", "--screenshots", &folder]);
    let said = results(&said);
    let has = |wanted: &str| assert!(said.iter().any(|line| line == wanted), "no `{wanted}`: {said:#?}");
    for wanted in [
        "ping 10.2.0.1 2 packets received",
        "ping 10.0.0.9 2 packets received",
        "battery 80 Discharging",
        "battery 15 500000",
        "event0 3 0 123",
        "event0 3 1 456",
        "event0 1 330 1",
        "event0 1 330 0",
        "event1 1 116 1",
        "event1 1 116 0",
        "mma8653 128 0 -256",
        "end",
    ] {
        has(wanted);
    }
    assert!(said.iter().any(|line| line.starts_with("mag3110 ")), "{said:#?}");
    // The picture is the console's text: equal characters look equal, others do not.
    let text: Vec<Vec<char>> =
        said.iter().filter_map(|line| Some(line.strip_prefix('|')?.chars().collect())).collect();
    assert_eq!((text.len(), text[0].len()), (50, 60));
    assert!(text.iter().any(|line| line.iter().collect::<String>().trim_end() == "Hello from Linux"));
    let (width, pixels) = picture(&folder, "phone.screen.");
    let mut looks = std::collections::BTreeMap::new();
    for (row, line) in text.iter().enumerate() {
        for (column, letter) in line.iter().enumerate() {
            let cell: Vec<[u8; 3]> =
                (0..16 * 8).map(|n| pixels[(row * 16 + n / 8) * width + column * 8 + n % 8]).collect();
            assert_eq!(
                looks.entry(*letter).or_insert_with(|| cell.clone()),
                &cell,
                "`{letter}` at {row}, {column}"
            );
        }
    }
    let different: std::collections::BTreeSet<_> = looks.values().collect();
    assert!(looks.len() > 40 && different.len() == looks.len(), "{:?}", looks.keys());
    // The same with two threads and cut in the middle of floating-point work.
    assert_eq!(run(&path, &["--for", "15s", "--threads", "2", "--quiet"]).1, whole, "two threads");
    let state = scratch("parts.consort");
    let _ = run(&path, &["--for", "6500ms", "--save", &state, "--at", "6100ms", "--quiet"]);
    assert_eq!(resumed(&path, &state, "15s"), whole, "restored");
}

#[test]
fn gdb_steps_and_watches_the_phone_and_changes_nothing() {
    use std::io::BufRead as _;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fleet = serde_json::json!({ "devices": { "phone": {
        "board": "phone",
        "firmware": root.join("firmware/bin/phone.elf"),
        "config": { "softbus": { "udid": "phone", "mac": "02:00:00:01:00:01", "ip": "10.0.0.1" } }
    } } });
    let path = scratch("debugged.json");
    std::fs::write(&path, fleet.to_string()).unwrap();
    let alone = run(&path, &["--for", "20ms"]).1;
    let mut child = Command::new(env!("CARGO_BIN_EXE_consort"))
        .args(["run", &path, "--for", "20ms", "--gdb", "0", "--wait-gdb"])
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let port = line.split("remote ").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let target = format!("target remote {port}");
    // The UART's control register is written at its start; the stack pointer's first value is `__stack_end`.
    let script = [
        "set remotetimeout 100",
        &target,
        "stepi",
        "stepi",
        "print/x $pc",
        "set $v3.d.u[1] = 0x1122334455667788",
        "print/x $v3.b.u[8]",
        "print/x $v3.d.u[1]",
        "set $v3.d.u[1] = 0",
        "break *0x40200020",
        "continue",
        "info line main",
        "delete",
        "watch *(unsigned *)0x09000030",
        "continue",
        "delete",
        "info registers vbar_el1 cpsr",
        "detach",
    ];
    let words = script.iter().flat_map(|command| ["-ex", command]);
    let elf = root.join("firmware/bin/phone.elf");
    let Ok(output) = Command::new("gdb-multiarch").args(["-batch", "-nx"]).args(words).arg(elf).output()
    else {
        let _ = child.kill();
        let _ = child.wait();
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI needs gdb-multiarch");
        eprintln!("phone: SKIPPED, gdb-multiarch is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for wanted in [
        "= 0x40200008",
        "= 0x88",
        "= 0x1122334455667788",
        "Breakpoint 1,",
        "of \"apps/bus_phone.c\"",
        "New value = 769",
        "vbar_el1       0x40200",
    ] {
        assert!(text.contains(wanted), "no `{wanted}`: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    let out = child.wait_with_output().unwrap();
    let all = rest + &String::from_utf8_lossy(&out.stdout);
    assert!(all.contains(&alone), "{alone} is not the digest of {all}");
}
