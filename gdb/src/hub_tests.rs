//! Scripted debuggers against a fleet of fake devices.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use consort_core::fleet::Pace;
use consort_core::trace::Digest;
use crossbeam::channel::{self, Sender};
use proptest::prelude::*;

use super::*;
use crate::fake::{BLOCK, CALL, COUNT, Fake, NAP, OPERATION, RAM, ROM};
use crate::net::{Caller, Line};
use crate::packet::to_hex;

const END: Time = Time::from_ms(50);

/// A packet of any bytes.
fn frame(contents: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'$' | b'#' | b'}' | b'*' => vec![b'}', byte ^ 0x20],
        byte => vec![*byte],
    };
    let raw: Vec<u8> = contents.iter().flat_map(escape).collect();
    let sum = raw.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", raw.as_slice(), format!("#{sum:02x}").as_bytes()].concat()
}

/// The packets in what a debugger was sent, without acknowledgements.
fn packets_in(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let packets = text.split('$').skip(1);
    packets.map(|packet| packet.split_once('#').unwrap().0.to_owned()).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn fleet() -> Fleet {
    Fleet::new(vec![("one".into(), Fake::boxed()), ("two".into(), Fake::boxed())]).unwrap()
}

fn undisturbed() -> Digest {
    let mut fleet = fleet();
    assert_eq!(fleet.run_until(END, &mut ()), Stop::Reached);
    fleet.digest().unwrap()
}

/// A fleet, its hub without sockets, and the ends of two debuggers.
struct Bench {
    fleet: Fleet,
    hub: Hub,
    sender: Sender<Incoming>,
    letters: Vec<Receiver<Vec<u8>>>,
}

impl Bench {
    fn new() -> Self {
        let (sender, incoming) = channel::unbounded();
        let hub = Hub::over(vec![(Ipv4Addr::LOCALHOST, 3333).into(); 2], incoming, None);
        let mut bench = Self { fleet: fleet(), hub, sender, letters: Vec::new() };
        for device in 0..2 {
            let (line, letters) = Line::to_test();
            bench.letters.push(letters);
            bench.sender.send(Incoming::Connected(caller(device), line)).unwrap();
        }
        bench
    }

    fn raw(&mut self, device: usize, bytes: &[u8]) {
        self.sender.send(Incoming::Bytes(caller(device), bytes.to_vec())).unwrap();
    }

    fn say(&mut self, device: usize, packet: &str) {
        self.raw(device, &frame(packet.as_bytes()));
    }

    fn close(&mut self, device: usize) {
        self.sender.send(Incoming::Closed(caller(device))).unwrap();
    }

    /// Lets the fleet go on until the debuggers hold it with nothing left to hear, or its end.
    fn drive(&mut self) -> Stop {
        self.hub.drive(&mut self.fleet, END, &mut UntilHeld::default())
    }

    /// What a debugger was sent, without acknowledgements.
    fn heard(&mut self, device: usize) -> Vec<String> {
        packets_in(&self.letters[device].try_iter().flatten().collect::<Vec<u8>>())
    }

    fn pc(&mut self, device: usize) -> u64 {
        debug(&mut self.fleet, device, |debug| debug.pc()).unwrap()
    }
}

fn caller(device: usize) -> Caller {
    Caller { device, id: device as u64 }
}

/// Ends the run when the fleet is held at the same time as before.
#[derive(Default)]
struct UntilHeld(Option<Time>);

impl Observer for UntilHeld {
    fn window(&mut self, now: Time) -> ControlFlow<()> {
        let held = self.0.replace(now) == Some(now);
        if held { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Begins a session and forgets its greetings.
fn attached(devices: &[usize]) -> Bench {
    let mut bench = Bench::new();
    for device in devices {
        bench.say(*device, "QStartNoAckMode");
        bench.say(*device, "qSupported:swbreak+;hwbreak+");
        bench.say(*device, "?");
    }
    assert_eq!(bench.drive(), Stop::Ended, "it is held");
    for device in devices {
        let heard = bench.heard(*device);
        assert!(heard.last().unwrap().starts_with("T05"), "{heard:?}");
    }
    bench
}

#[test]
fn a_session_leaves_the_digest_alone() {
    let mut bench = attached(&[0, 1]);
    bench.say(0, &format!("Z0,{COUNT:x},2"));
    bench.say(1, &format!("Z2,{RAM:x},4"));
    bench.say(0, "vCont;c");
    bench.say(1, "vCont;c");
    assert_eq!(bench.drive(), Stop::Ended);
    let (one, two) = (bench.heard(0), bench.heard(1));
    assert!(one.last().unwrap().starts_with("T05thread:01;swbreak:;"), "{one:?}");
    assert!(two.last().unwrap().starts_with(&format!("T05thread:01;watch:{RAM:x};")), "{two:?}");
    assert_eq!((one.len(), two.len()), (2, 2), "one stop reply per stop");
    for _ in 0..20 {
        bench.say(0, "vCont;s:1");
        bench.drive();
        assert_eq!(bench.heard(0).len(), 1);
    }
    bench.say(0, &format!("vCont;r0,{NAP:x}:1;c"));
    bench.drive();
    assert!(bench.heard(0)[0].starts_with("T05"));
    bench.say(0, "D");
    bench.say(1, "D");
    assert_eq!(bench.drive(), Stop::Reached);
    assert_eq!(bench.fleet.digest().unwrap(), undisturbed());
}

#[test]
fn the_fleet_stands_while_one_debugger_halts() {
    let mut bench = attached(&[0, 1]);
    bench.say(0, "c");
    assert_eq!(bench.drive(), Stop::Ended);
    assert_eq!(bench.fleet.now(), Time::ZERO);
    assert!(bench.heard(0).is_empty());
    bench.say(1, "c");
    assert_eq!(bench.drive(), Stop::Reached);
    assert_eq!(bench.fleet.now(), END);
    assert_eq!(bench.fleet.digest().unwrap(), undisturbed());
    drop(bench.hub);
    let letters: Vec<u8> = bench.letters[0].try_iter().flatten().collect();
    assert_eq!(packets_in(&letters), ["W00"]);
}

#[test]
fn ctrl_c_is_answered_once() {
    let mut bench = attached(&[0]);
    bench.say(0, "c");
    bench.raw(0, b"\x03\x03\x03");
    assert_eq!(bench.drive(), Stop::Ended);
    let heard = bench.heard(0);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with("T02"));
}

#[test]
fn a_client_that_vanishes_is_detached() {
    let mut bench = attached(&[0, 1]);
    bench.say(0, &format!("Z1,{COUNT:x},2"));
    bench.say(0, "c");
    bench.say(1, "D");
    assert_eq!(bench.drive(), Stop::Ended);
    assert!(bench.heard(0).last().unwrap().contains("hwbreak:;"));
    bench.close(0);
    bench.close(1);
    assert_eq!(bench.drive(), Stop::Reached);
    assert_eq!(bench.fleet.digest().unwrap(), undisturbed());
}

#[test]
fn a_step_sleeps_until_the_processor_wakes() {
    let mut bench = attached(&[0]);
    bench.say(0, &format!("Z0,{NAP:x},2"));
    bench.say(0, "c");
    bench.drive();
    bench.say(0, "s");
    bench.drive();
    assert_eq!(bench.pc(0), NAP + 2);
    bench.heard(0);
    bench.say(0, "s");
    bench.drive();
    assert_eq!(bench.pc(0), NAP + 4);
    assert_eq!(bench.heard(0).len(), 1);
    let now = bench.fleet.device(0, |device| device.now()).unwrap();
    assert_eq!(now, Time::from_us(1001));
    bench.say(0, "D");
    assert_eq!(bench.drive(), Stop::Reached);
    assert_eq!(bench.fleet.digest().unwrap(), undisturbed());
}

#[test]
fn a_step_waits_for_a_fleet_that_another_holds() {
    let mut bench = attached(&[0, 1]);
    bench.fleet.set_pace(Pace { threads: 1, quantum: Time::from_us(300) });
    bench.say(0, &format!("Pf={NAP:02x}000000"));
    bench.say(0, "c");
    bench.raw(0, b"\x03");
    bench.drive();
    bench.say(0, "s");
    bench.drive();
    assert_eq!(bench.heard(0).len(), 3, "one for the register, for Ctrl-C, for the step into the nap");
    // Out of the nap it gets only when the rest of the fleet may move.
    bench.say(0, "s");
    bench.drive();
    let heard = bench.heard(0);
    assert_eq!(printed(&heard), "the step goes on when the debugger of two continues\n");
    assert_eq!(heard.len(), 1);
    bench.say(1, "c");
    bench.drive();
    assert!(bench.heard(0)[0].starts_with("T05"));
    assert!(bench.heard(1).is_empty());
    assert_eq!(bench.pc(0), NAP + 4);
}

#[test]
fn registers_and_memory_can_be_read_and_written() {
    let mut bench = attached(&[0]);
    bench.say(0, "P3=78563412");
    bench.say(0, "p3");
    bench.say(0, "p11");
    bench.say(0, &format!("M{RAM:x},4:01020304"));
    bench.raw(0, &frame(&[format!("X{:x},4:", RAM + 4).as_bytes(), b"$#}*"].concat()));
    bench.say(0, &format!("m{RAM:x},8"));
    bench.say(0, &format!("m{:x},8", ROM - 4));
    bench.say(0, &format!("m{ROM:x},8"));
    bench.say(0, "mffffffffffffffff,8");
    bench.say(0, &format!("vFlashErase:0,{:x}", ROM));
    bench.raw(0, &frame(b"vFlashWrite:10:\x01\x02#$"));
    bench.say(0, "vFlashDone");
    bench.say(0, "m10,5");
    bench.say(0, &format!("vFlashErase:{RAM:x},4"));
    bench.say(0, "vFlashWrite:ffffffffffffffff:12");
    bench.say(0, "qCRC:12,4");
    bench.drive();
    let heard = bench.heard(0);
    assert_eq!(
        heard,
        [
            "OK",
            "78563412",
            "E16",
            "OK",
            "OK",
            "0102030424237d2a",
            "00000000",
            "E0e",
            "E0e",
            "OK",
            "OK",
            "OK",
            "01022324ff",
            "E16",
            "E16",
            ""
        ]
    );
    bench.say(0, "g");
    bench.drive();
    let all = bench.heard(0).remove(0);
    assert_eq!(all.len(), 17 * 8);
    bench.say(0, &format!("G{}", all.replace("78563412", "11111111")));
    bench.say(0, "p3");
    bench.say(0, "G00");
    bench.drive();
    assert_eq!(bench.heard(0), ["OK", "11111111", "E16"]);
}

fn command(text: &str) -> String {
    format!("qRcmd,{}", to_hex(text.as_bytes()))
}

/// What a monitor command printed.
fn printed(heard: &[String]) -> String {
    let texts = heard.iter().filter_map(|packet| packet.strip_prefix('O').filter(|text| *text != "K"));
    texts.map(|text| String::from_utf8(from_hex(text)).unwrap()).collect()
}

#[test]
fn monitor_commands_answer_once() {
    let mut bench = attached(&[0]);
    for (text, expected) in [
        ("help", "snapshot save|restore|drop"),
        ("", "run-for TIME"),
        ("time", "one at 0.000000 s, 0 instructions, pc 0x00000000"),
        ("devices", "two  :3333   Running   detached"),
        ("peripherals", ""),
        ("peripherals uart", "there is no peripheral `uart`"),
        ("irqs", "the interrupt controller of a fake is not shown"),
        ("run-for 1500us", "one at 0.0"),
        ("snapshot save a", "kept as a: 0.0"),
        ("snapshot", "a: "),
        ("run-for 3ms", "one at 0.0"),
        ("snapshot restore a", "again"),
        ("snapshot drop a", ""),
        ("snapshot drop a", "there is no snapshot"),
        ("uart send x", "the device has no UART"),
        ("link", "the fleet has no links"),
        ("link lan cut", "no link `lan`"),
        ("link lan loss 2000000", "of a million"),
        ("reset", "reset at 0.0"),
        ("dance", "`dance` is no command"),
    ] {
        bench.say(0, &command(text));
        assert_eq!(bench.drive(), Stop::Ended);
        let heard = bench.heard(0);
        assert!(printed(&heard).contains(expected), "{text}: {}", printed(&heard));
        assert_eq!(heard.iter().filter(|packet| *packet == "OK").count(), 1, "{text}: {heard:?}");
        assert!(!heard.iter().any(|packet| packet.starts_with('T')), "{text}");
    }
}

#[test]
fn run_for_counts_from_where_the_device_stands() {
    let mut bench = attached(&[0]);
    bench.say(0, &format!("Z0,{COUNT:x},2"));
    // Once a millisecond; windows are longer, and the fleet's own time is where the present one began.
    for _ in 0..25 {
        bench.say(0, "c");
        assert_eq!(bench.drive(), Stop::Ended);
    }
    bench.say(0, &format!("z0,{COUNT:x},2"));
    assert_eq!(bench.drive(), Stop::Ended);
    bench.heard(0);
    let mut at = |text: &str| {
        bench.say(0, &command(text));
        assert_eq!(bench.drive(), Stop::Ended);
        let said = printed(&bench.heard(0));
        let time = said.split(' ').nth(2).unwrap_or_else(|| panic!("{said}"));
        time.parse::<f64>().unwrap_or_else(|_| panic!("{said}"))
    };
    let before = at("time");
    assert!((0.024..0.025).contains(&before), "{before}");
    let after = at("run-for 9ms");
    assert!((0.0089..0.0101).contains(&(after - before)), "{before} {after}");
}

#[test]
fn a_debugger_answers_the_guests_calls_when_it_wants_to() {
    let mut bench = attached(&[0]);
    bench.say(0, &command("semihosting gdb"));
    bench.say(0, &format!("M{OPERATION:x},1:05"));
    bench.drive();
    bench.heard(0);
    // SYS_WRITE of 9 bytes to the debugger's descriptor 1.
    let fields: String = [0x101u32, RAM as u32, 9].iter().map(|field| to_hex(&field.to_le_bytes())).collect();
    bench.say(0, &format!("M{BLOCK:x},c:{fields}"));
    bench.say(0, "vCont;c");
    assert_eq!(bench.drive(), Stop::Ended, "it is held");
    assert_eq!(bench.heard(0), ["OK".to_owned(), format!("Fwrite,1,{RAM:x},9")]);
    assert_eq!(bench.pc(0), CALL);
    let held = bench.fleet.now();
    // The debugger looks at memory before it answers, and asks for an end.
    bench.say(0, &format!("m{RAM:x},4"));
    bench.say(0, "F7,0,C");
    bench.drive();
    let heard = bench.heard(0);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[1].starts_with("T02"), "{heard:?}");
    assert_eq!((bench.pc(0), bench.fleet.now()), (CALL + 2, held));
    bench.say(0, "p0");
    bench.drive();
    assert_eq!(bench.heard(0), ["02000000"], "what was not written");
    // A step over a call is one step.
    bench.say(0, &format!("Pf={CALL:02x}000000"));
    bench.say(0, "vCont;s:1");
    bench.drive();
    assert_eq!(bench.heard(0), ["OK".to_owned(), format!("Fwrite,1,{RAM:x},9")]);
    bench.say(0, "F-1,9");
    bench.drive();
    assert!(bench.heard(0)[0].starts_with("T05"));
    assert_eq!(bench.pc(0), CALL + 2);
    // Whoever goes on without an answer is asked again; whoever leaves is not.
    bench.say(0, "vCont;c");
    bench.drive();
    bench.say(0, "vCont;c");
    bench.drive();
    assert_eq!(bench.heard(0).len(), 2);
    bench.say(0, "D");
    assert_eq!(bench.drive(), Stop::Reached);
}

#[test]
fn going_back_to_a_snapshot_gives_the_same_run() {
    let mut bench = attached(&[0]);
    for text in ["run-for 7ms", "snapshot save here", "run-for 9ms", "snapshot restore here"] {
        bench.say(0, &command(text));
        bench.drive();
    }
    bench.say(0, "D");
    assert_eq!(bench.drive(), Stop::Reached);
    assert_eq!(bench.fleet.digest().unwrap(), undisturbed());
}

#[test]
fn reset_halt_stops_before_the_first_instruction() {
    let mut bench = attached(&[0]);
    bench.say(0, &command("run-for 2ms"));
    bench.drive();
    bench.say(0, "P0=01000000");
    bench.say(0, &command("reset halt"));
    bench.say(0, "p0");
    bench.drive();
    bench.say(0, "p0");
    bench.drive();
    assert_eq!(bench.heard(0).last().unwrap(), "00000000");
    assert_eq!(bench.pc(0), 0);
}

#[test]
fn a_device_can_hold_the_fleet_for_its_first_debugger() {
    let mut bench = Bench::new();
    bench.hub.wait_for(0);
    bench.say(1, "?");
    bench.say(1, "c");
    assert_eq!(bench.drive(), Stop::Ended);
    assert_eq!(bench.fleet.now(), Time::ZERO);
    bench.say(0, "?");
    bench.say(0, "c");
    assert_eq!(bench.drive(), Stop::Reached);
}

#[test]
fn silent_and_second_clients_do_not_stop_the_fleet() {
    let mut fleet = fleet();
    let mut hub = Hub::listen(Ipv4Addr::LOCALHOST.into(), 0, &["one".into(), "two".into()], |_| ()).unwrap();
    let address = hub.addresses()[0];
    let mut first = TcpStream::connect(address).unwrap();
    let mut second = TcpStream::connect(address).unwrap();
    second.write_all(&frame(b"qSupported")).unwrap();
    let mut reason = String::new();
    second.read_to_string(&mut reason).unwrap();
    assert!(reason.starts_with("+$E.one has a debugger already"), "{reason}");
    assert_eq!(hub.drive(&mut fleet, Time::from_ms(10), &mut ()), Stop::Reached);
    first.write_all(&[b'x'; 0x2_0000]).unwrap();
    let mut rest = Vec::new();
    while hub.clients.contains_key(&0) {
        let end = fleet.now() + Time::from_ms(1);
        assert_eq!(hub.drive(&mut fleet, end, &mut ()), Stop::Reached);
        std::thread::yield_now();
    }
    // Cut off, whether the end arrives as such or as a reset.
    let _ = first.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let now = fleet.now();
    assert_eq!(hub.drive(&mut fleet, now + Time::from_ms(1), &mut ()), Stop::Reached);
}

/// Packets a debugger might send, and what it never would.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "?",
        "g",
        "G",
        "p",
        "p1",
        "P0=",
        "m",
        "m0,",
        "M0,1:",
        "X0,1:",
        "Z0,10,2",
        "z0,10,2",
        "Z2,20000000,4",
        "Z",
        "Z9,0,0",
        "vCont?",
        "vCont;",
        "vCont;c",
        "vCont;s",
        "vCont;r0,40",
        "vFlashErase:",
        "vFlashWrite:0:",
        "vFlashDone",
        "vKill;1",
        "vAttach;1",
        "qSupported:",
        "qXfer:features:read:target.xml:",
        "qXfer:memory-map:read::",
        "qRcmd,",
        "qCRC:",
        "qC",
        "qfThreadInfo",
        "QStartNoAckMode",
        "D",
        "k",
        "H",
        "T",
        "c",
        "s",
        "C05;",
        "!",
        "F",
        "F7",
        "F-1,4,C",
        "F-1,9;rest",
    ]);
    let tail = prop_oneof![
        Just(Vec::new()),
        "[0-9a-f]{0,17}(,[0-9a-f]{0,17})?".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
        prop::sample::select(vec![
            "help",
            "reset",
            "reset halt",
            "run-for 1ms",
            "snapshot save x",
            "link x cut",
            "semihosting gdb",
            "semihosting consort",
        ])
        .prop_map(|text| to_hex(text.as_bytes()).into_bytes()),
    ];
    let packet = (word, tail).prop_map(|(word, tail)| frame(&[word.as_bytes(), &tail].concat()));
    prop_oneof![4 => packet, 1 => Just(vec![3]), 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_clients_send_the_fleet_gets_to_its_end(
        script in prop::collection::vec((0usize..2, packets()), 0..40),
        operation in prop::option::of(0u8..0x14),
    ) {
        let mut bench = Bench::new();
        // The guest may have something to ask the debugger.
        if let Some(operation) = operation {
            bench.say(0, &command("semihosting gdb"));
            bench.say(0, &format!("M{OPERATION:x},1:{operation:02x}"));
            bench.say(0, &format!("M{BLOCK:x},4:01010000"));
            bench.say(0, "c");
        }
        for (device, bytes) in script {
            bench.raw(device, &bytes);
        }
        bench.drive();
        bench.close(0);
        bench.close(1);
        prop_assert_eq!(bench.drive(), Stop::Reached);
        prop_assert!(bench.fleet.now() >= END);
    }
}
