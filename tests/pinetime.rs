//! The PineTime with our own watch firmware: what it shows, what it keeps, who hears it.

#![expect(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// An empty folder for one test.
fn scratch(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pinetime").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a fleet file; all that was said.
fn run(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_consort"))
        .arg("run")
        .args(args)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

fn digest(said: &str) -> &str {
    said.split("digest ").nth(1).unwrap().split_whitespace().next().unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A watch alone, with these additions to its entry and these stimuli.
fn watch(folder: &Path, entry: Value, stimuli: Value) {
    let mut fleet = json!({
        "devices": { "watch": { "board": "pinetime", "firmware": root().join("firmware/bin/pinetime.elf") } },
        "stimuli": stimuli,
    });
    for (key, value) in entry.as_object().unwrap() {
        fleet["devices"]["watch"][key] = value.clone();
    }
    fs::write(folder.join("fleet.json"), fleet.to_string()).unwrap();
}

fn at(ms: u64, what: &str, to: Value) -> Value {
    json!({ "at": format!("{ms}ms"), "device": "watch", "set": what, "to": to })
}

/// Width, height and pixels.
fn pixels(file: &Path) -> (u32, u32, Vec<u8>) {
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(fs::File::open(file).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

#[test]
fn a_walk_is_shown_as_it_was_given() {
    let folder = scratch("walk");
    let shots = folder.join("shots");
    let demo = root().join("demo/pinetime.json");
    let args = [demo.to_str().unwrap(), "--for", "32s"];
    let said =
        run(&folder, &[&args[..], &["--screenshots", shots.to_str().unwrap(), "--every", "1s"]].concat());
    let mut rest = &said[..];
    for line in [
        "start 1 (power-on), colour white, battery 3999 mV",
        "page 1",
        "page 2",
        "colour green",
        "page 0",
        "phone | watch 2f:7c: pulse",
        "steps 19",
        "screen off: nobody looks",
        "screen on: wrist",
    ] {
        let at = rest.find(line);
        assert!(at.is_some(), "no `{line}` in its place in\n{said}");
        rest = &rest[at.unwrap()..];
    }
    assert!(said.contains("motor: vibrated for"), "{said}");
    // UPDATE_PICTURES=1 takes new ones: look at them before they are committed.
    let expected = root().join("tests/pinetime");
    for (second, name) in
        [("002", "face"), ("003", "pulse"), ("005", "settings"), ("017", "walking"), ("025", "dark")]
    {
        // The last picture up to then: an unchanged one is not written again.
        let mut names: Vec<_> = fs::read_dir(&shots)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let limit = format!("watch.screen.{second}.999");
        let shot = names.iter().rfind(|name| name.starts_with("watch.screen.") && ***name < *limit).unwrap();
        let wanted = expected.join(format!("{name}.png"));
        if std::env::var_os("UPDATE_PICTURES").is_some() {
            fs::create_dir_all(&expected).unwrap();
            fs::copy(shots.join(shot), &wanted).unwrap();
        }
        assert!(
            pixels(&shots.join(shot)) == pixels(&wanted),
            "{} is not {}",
            shots.join(shot).display(),
            wanted.display()
        );
    }
    // Pictures, threads and windows change nothing.
    assert_eq!(
        digest(&run(&folder, &[&args[..], &["--threads", "2", "--quantum", "500us"]].concat())),
        digest(&said)
    );
}

#[test]
fn settings_are_found_again_and_the_file_is_not_touched() {
    let folder = scratch("settings");
    let tap = |ms| [at(ms, "touch.touch", json!([100, 100])), at(ms + 60, "touch.touch", json!(false))];
    let swipe = |ms| {
        [
            at(ms, "touch.touch", json!([30, 100])),
            at(ms + 50, "touch.touch", json!([200, 100])),
            at(ms + 100, "touch.touch", json!(false)),
        ]
    };
    let stimuli: Vec<Value> = swipe(1_000).into_iter().chain(tap(2_000)).chain(tap(3_000)).collect();
    watch(&folder, json!({}), json!(stimuli));
    let said = run(&folder, &["fleet.json", "--for", "4s", "--contents", "kept"]);
    assert!(said.contains("colour orange"), "{said}");
    let kept = fs::read(folder.join("kept/watch.flash.bin")).unwrap();
    assert_eq!(kept.len(), 4 << 20);

    watch(&folder, json!({ "contents": { "flash": "kept/watch.flash.bin" } }), json!([]));
    let said = run(&folder, &["fleet.json", "--for", "1s"]);
    assert!(said.contains("start 2 (power-on), colour orange"), "{said}");
    assert_eq!(fs::read(folder.join("kept/watch.flash.bin")).unwrap(), kept, "never written silently");
}

#[test]
fn a_phone_connects_and_stays() {
    let folder = scratch("connection");
    let config = json!({
        "accelerometer": { "motion": { "cadence": [["3s", 0], ["3.001s", 120], ["8s", 120], ["8.001s", 0]] } },
        "heart": { "pulse": [["0s", 72]] },
        "battery": { "voltage": [["0s", 3.85]] }
    });
    watch(
        &folder,
        json!({ "config": config }),
        json!([at(20_000, "touch.touch", json!([10, 10])), at(20_100, "touch.touch", json!(false))]),
    );
    let mut fleet: Value = serde_json::from_slice(&fs::read(folder.join("fleet.json")).unwrap()).unwrap();
    fleet["devices"]["phone"] =
        json!({ "board": "nrf52dk", "firmware": root().join("firmware/bin/central.elf") });
    fleet["links"] = json!({ "air": { "kind": "radio", "joins": ["watch", "phone"] } });
    fs::write(folder.join("fleet.json"), fleet.to_string()).unwrap();
    let args = ["fleet.json", "--for", "30s"];
    let said = run(&folder, &args);
    for line in [
        "watch | connected",
        "phone | its name is Consort",
        "phone | 900 of 9",
        "screen on: tap",
        // What the fleet file says, over the air.
        "phone | battery 53 %",
        "phone | pulse 72",
        "phone | steps 10",
    ] {
        assert!(said.contains(line), "no `{line}` in\n{said}");
    }
    assert!(!said.contains("lost after") && !said.contains("disconnected"), "{said}");
    assert_eq!(digest(&run(&folder, &[&args[..], &["--threads", "2"]].concat())), digest(&said));
}

#[test]
fn a_held_button_ends_in_the_watchdogs_reset() {
    let folder = scratch("watchdog");
    let stimuli = [at(1_000, "button.pressed", json!(true)), at(9_500, "button.pressed", json!(false))];
    watch(&folder, json!({}), json!(stimuli));
    let args = ["fleet.json", "--for", "11s"];
    let said = run(&folder, &args);
    assert!(said.contains("start 2 (watchdog)"), "{said}");
    // Saved in the middle and restored, it is the same life.
    let saved = [&args[..], &["--save", "state", "--at", "5s"]].concat();
    assert_eq!(digest(&run(&folder, &saved)), digest(&said));
    assert_eq!(digest(&run(&folder, &[&args[..], &["--restore", "state"]].concat())), digest(&said));
}

/// What an ELF file of `firmware/bin` puts behind the bootloader.
fn binary(name: &str) -> Vec<u8> {
    let elf = fs::read(root().join("firmware/bin").join(name)).unwrap();
    let number = |at: usize, size: usize| {
        elf[at..at + size].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let mut image = Vec::new();
    // e_phoff, e_phentsize, e_phnum; p_type, p_offset, p_paddr, p_filesz.
    for header in (0..number(44, 2)).map(|index| number(28, 4) + index * number(42, 2)) {
        let (from, to, size) = (number(header + 4, 4), number(header + 12, 4), number(header + 16, 4));
        if number(header, 4) == 1 && size != 0 {
            let to = to - 0x8000;
            image.resize(image.len().max(to + size), 0xFF);
            image[to..to + size].copy_from_slice(&elf[from..from + size]);
        }
    }
    image
}

fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Version 1 behind the bootloader, and `image`, which may have been damaged since `sent`, in the external flash.
fn update(folder: &Path, sent: &[u8], image: &[u8], stimuli: Value) {
    let mut flash = vec![0xFF; 4 << 20];
    for (index, word) in [0x544F_4C53, sent.len() as u32, crc(sent)].into_iter().enumerate() {
        flash[0x40000 + 4 * index..][..4].copy_from_slice(&word.to_le_bytes());
    }
    flash[0x41000..0x41000 + image.len()].copy_from_slice(image);
    fs::write(folder.join("flash.bin"), flash).unwrap();
    let bin = root().join("firmware/bin");
    let firmware = json!([bin.join("bootloader.elf"), bin.join("version-1.elf")]);
    watch(folder, json!({ "firmware": firmware, "contents": { "flash": "flash.bin" } }), stimuli);
}

/// Everything in this order.
fn in_order(said: &str, texts: &[&str]) {
    let mut rest = said;
    for text in texts {
        rest = rest.split_once(text).unwrap_or_else(|| panic!("no {text:?} in its place: {said}")).1;
    }
}

#[test]
fn an_update_is_tried_kept_and_taken_back_by_the_button() {
    let folder = scratch("update");
    let image = binary("version-2.elf");
    let stimuli = [at(4_500, "button.pressed", json!(true)), at(8_000, "button.pressed", json!(false))];
    update(&folder, &image, &image, json!(stimuli));
    let args = ["fleet.json", "--for", "10s", "--contents", "kept"];
    let said = run(&folder, &args);
    in_order(
        &said,
        &["a new image", "version 2 (power-on)", "confirmed", "button, back", "version 1 (watchdog)"],
    );
    // The image that was taken back is where it came from.
    assert!(!said.contains("not confirmed"), "{said}");
    let kept = fs::read(folder.join("kept/watch.flash.bin")).unwrap();
    assert_eq!(kept[0x41000..][..image.len()], image);
    let straight = digest(&said);
    assert_eq!(
        digest(&run(&folder, &[&args[..], &["--threads", "2", "--quantum", "3ms"]].concat())),
        straight
    );
    // Saved while the images change places.
    run(&folder, &[&args[..], &["--save", "state", "--at", "700ms"]].concat());
    assert_eq!(digest(&run(&folder, &[&args[..], &["--restore", "state"]].concat())), straight);
}

#[test]
fn an_update_that_hangs_or_is_damaged_leaves_the_old_version() {
    let folder = scratch("bad-update");
    let hangs = binary("version-3.elf");
    update(&folder, &hangs, &hangs, json!([]));
    let args = ["fleet.json", "--for", "12s"];
    let said = run(&folder, &args);
    in_order(&said, &["a new image", "version 3", "not confirmed, back", "version 1 (watchdog)"]);

    let sent = binary("version-2.elf");
    let mut damaged = sent.clone();
    damaged[100] ^= 0x10;
    update(&folder, &sent, &damaged, json!([]));
    let said = run(&folder, &args);
    in_order(&said, &["the new image is damaged", "version 1 (power-on)"]);
    assert!(!said.contains("version 2"), "{said}");
}
