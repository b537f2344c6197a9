//! How long a frame of the whole window takes while twelve devices' screens change: the real window, on a
//! display without a graphics card, of a run that is played to it.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command as Program, Stdio};
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consort_core::Time;
use consort_core::capture::air::whiten;
use consort_core::component::PortKind;
use consort_core::control::{
    Answer, Arrival, CodeState, Command, DeviceInfo, DeviceState, DeviceStatus, FleetInfo, Frame, LinkEnd,
    LinkInfo, LinkStatus, MemoryState, Message, PartInfo, PictureInfo, RegisterState, Request, Status,
    Symbol, VERSION, Welcome,
};
use consort_core::cpu::Role;
use consort_core::device::{Activity, Port, Stats};
use consort_core::link::Fate;
use consort_core::panel::Form;
use consort_core::radio::{Modulation, Packet};

const DEVICES: usize = 12;
const SIDE: u16 = 240;
const FRAMES: &str = "300";

fn name(index: usize) -> String {
    format!("watch-{}", index + 1)
}

fn fleet() -> FleetInfo {
    let port = |name: &str, kind| Port { name: name.to_owned(), kind };
    let device = |index| DeviceInfo {
        name: name(index),
        board: "pinetime".to_owned(),
        core: Some("cortex-m4f".to_owned()),
        ports: vec![port("uart0", PortKind::Uart), port("radio", PortKind::Radio)],
        console: Some("uart0".to_owned()),
        memory: Vec::new(),
    };
    let joins = (0..DEVICES).map(|index| LinkEnd { device: name(index), port: "radio".to_owned() }).collect();
    let link = LinkInfo { name: "air".to_owned(), carries: PortKind::Radio, joins };
    FleetInfo { devices: (0..DEVICES).map(device).collect(), links: vec![link], ..FleetInfo::default() }
}

fn status(now: Time) -> Status {
    let stats = Stats { instructions: now.as_ns() / 16, ..Stats::default() };
    let devices = vec![DeviceStatus { activity: Activity::Running, stats }; DEVICES];
    Status { now, running: true, devices, links: vec![LinkStatus::default()], ..Status::default() }
}

/// A hand that goes round, so that every picture is another one.
fn picture(index: usize, now: Time) -> PictureInfo {
    let number = now.as_ns() / 1_000_000;
    let side = i32::from(SIDE);
    let turn = (number as f64 / 1e3 + index as f64) * std::f64::consts::TAU;
    let (x, y) = (turn.cos() * 80.0, turn.sin() * 80.0);
    let mut rgb = vec![10u8; usize::from(SIDE) * usize::from(SIDE) * 3];
    for step in 0..200 {
        let part = f64::from(step) / 200.0;
        let (column, row) = (side / 2 + (x * part) as i32, side / 2 + (y * part) as i32);
        for (right, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let at = ((row + down) * side + column + right) as usize * 3;
            rgb[at..at + 3].copy_from_slice(&[255, 230, 180]);
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE.into(), SIDE.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header().unwrap().write_image_data(&rgb).unwrap();
    let png = BASE64_STANDARD.encode(bytes);
    PictureInfo { number, width: SIDE, height: SIDE, form: Form::Pixels, backlight: 255, png }
}

/// A processor that goes through its program.
fn registers(device: String, now: Time) -> DeviceState {
    let count = now.as_ns() / 1_000_000;
    let register = |index: u64| RegisterState {
        name: if index == 15 { "pc".to_owned() } else { format!("r{index}") },
        bits: 32,
        role: if index == 15 { Role::ProgramCounter } else { Role::General },
        value: format!("{:08x}", count * index),
    };
    let pc = 0x1000 + count % 600 * 2;
    let registers = (0..16).map(register).collect();
    let symbol = Some("function_0+2".to_owned());
    DeviceState { device, now, activity: Activity::Running, stats: Stats::default(), pc, symbol, registers }
}

/// What a watch says on the air, heard by the next one and missed by the others.
fn advertisement(index: usize, at: Time) -> Frame {
    let mut bits =
        vec![0x40, 15, 1, 2, 3, 4, index as u8, 0xc6, 2, 1, 6, 5, 9, b'W', b'a', b't', b'c', 1, 2, 3];
    whiten(&mut bits, 37);
    let packet = Packet {
        start: at,
        address_end: at,
        end: at,
        mhz: 2402,
        modulation: Modulation::Gfsk1M,
        address: 0x8e89_bed6,
        address_bits: 32,
        power: -40_000,
        bit_count: bits.len() as u32 * 8,
        bits,
    };
    let arrival = |other: usize| {
        let heard = other == (index + 1) % DEVICES;
        let fate = if heard { Fate::Delivered } else { Fate::Dropped { rule: 0 } };
        Arrival { device: Some(name(other)), at: heard.then_some(at), fate }
    };
    let to = (0..DEVICES).filter(|other| *other != index).map(arrival).collect();
    Frame { link: "air".to_owned(), from: name(index), at, data: packet.encode().to_vec(), to }
}

/// Plays a run to one client.
fn play(mut socket: TcpStream) {
    let begin = Instant::now();
    let lines = BufReader::new(socket.try_clone().unwrap()).lines();
    for line in lines {
        let Ok(line) = line else { return };
        let Request { id, command } = serde_json::from_str(&line).unwrap();
        let now = Time::from_ns(begin.elapsed().as_nanos() as u64);
        let answer = match command {
            Command::Hello { .. } => Answer::Welcome(Box::new(Welcome {
                version: VERSION,
                server: "bench".to_owned(),
                fleet: fleet(),
                status: status(now),
            })),
            Command::Status => Answer::Status(status(now)),
            Command::Parts { .. } => Answer::Parts(vec![PartInfo {
                name: "screen".to_owned(),
                channels: Vec::new(),
                shows: Some(1),
            }]),
            Command::Picture { device, .. } => {
                let index = (0..DEVICES).find(|index| name(*index) == device).unwrap();
                Answer::Picture(Some(picture(index, now)))
            }
            Command::Device { device } => Answer::Device(registers(device, now)),
            Command::Code { device, .. } => {
                // push {r4, lr}; mov r6, r4; nop; bl; bx lr
                let code = [0x10, 0xb5, 0x26, 0x46, 0x00, 0xbf, 0xff, 0xf7, 0xfa, 0xff, 0x70, 0x47];
                let data = code.iter().copied().cycle().take(1200).map(Some).collect();
                Answer::Code(CodeState { device, addr: 0x1000, data, lines: Vec::new() })
            }
            Command::Symbols { .. } => {
                let symbol = |index: u64| Symbol {
                    name: format!("function_{index}"),
                    addr: 0x1000 + index * 96,
                    size: 96,
                };
                Answer::Symbols((0..12).map(symbol).collect())
            }
            Command::Memory { device, addr, len } => {
                let data = (0..len).map(|at| Some((u64::from(at) + now.as_ns() / 1_000_000) as u8)).collect();
                Answer::Memory(MemoryState { device, addr, data })
            }
            _ => Answer::Done,
        };
        let mut text = serde_json::to_string(&Message::Reply { id, answer }).unwrap() + "\n";
        let uart = Message::Uart {
            device: name((id % DEVICES as u64) as usize),
            port: "uart0".to_owned(),
            at: now,
            data: format!("line {id} of a talkative guest\n").into_bytes(),
        };
        text += &(serde_json::to_string(&uart).unwrap() + "\n");
        let packet = Message::Frame(advertisement((id % DEVICES as u64) as usize, now));
        text += &(serde_json::to_string(&packet).unwrap() + "\n");
        if socket.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn main() {
    let xvfb = Program::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1920x1080x24"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut display) = xvfb else {
        println!("window: skipped, Xvfb is not installed (.ci/setup test installs it)");
        return;
    };
    let mut number = String::new();
    BufReader::new(display.stdout.take().unwrap()).read_line(&mut number).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || play(listener.accept().unwrap().0));
    let settings = std::env::temp_dir().join(format!("consort-frames-{}", std::process::id()));
    let output = Program::new(env!("CARGO_BIN_EXE_consort-gui"))
        .args(["--frames", FRAMES, &address])
        .env("CONSORT_TOKEN", "none")
        .env("DISPLAY", format!(":{}", number.trim()))
        .env("XDG_CONFIG_HOME", &settings)
        .output()
        .unwrap();
    display.kill().unwrap();
    display.wait().unwrap();
    // Settings that were never written need not be removed.
    let _ = std::fs::remove_dir_all(&settings);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = String::from_utf8(output.stdout).unwrap();
    let figures: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    println!(
        "window with {DEVICES} screens of {SIDE}x{SIDE} changing, 1520x900: a frame takes {:.1} ms (median), \
         {:.1} ms (95 of 100), that is {:.0} frames a second",
        figures["median"].as_f64().unwrap(),
        figures["most"].as_f64().unwrap(),
        1e3 / figures["median"].as_f64().unwrap()
    );
}
