//! Each panel on a made-up fleet: what it shows, and what it asks for when people click and type.

use consort_core::Time;
use consort_core::component::{Access, Coverage, PortKind};
use consort_core::control::{
    Answer, Arrival, Command, DeviceInfo, DeviceState, DeviceStatus, FleetInfo, Frame, LinkEnd, LinkInfo,
    MemoryRange, MemoryState, Message, PeripheralRegister, PeripheralState, RegisterField, RegisterState,
    Status, VERSION, Welcome,
};
use consort_core::cpu::Role;
use consort_core::device::{Action, Activity, Port, Stats};
use consort_core::fleet::StimulusKind;
use consort_core::link::{Fate, Fault};
use consort_core::trace::{CoreEvent, Kind, Level};
use consort_gui::model::Model;
use consort_gui::panels::{Panel, run_bar};
use consort_gui::{layout, theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

const NAMES: [&str; 3] = ["hub", "watch", "sensor"];

fn reply(model: &mut Model, answer: Answer, of: Option<Command>) {
    model.apply(Message::Reply { id: 1, answer }, of);
}

fn status(ms: u64, running: bool) -> Status {
    let stats = Stats { instructions: ms * 1_000, ..Stats::default() };
    let devices = NAMES.map(|_| DeviceStatus { activity: Activity::Asleep, stats }).to_vec();
    Status { now: Time::from_ms(ms), running, speed: Some(1.0), devices, ..Status::default() }
}

fn registers(pc: u32, r0: u32) -> DeviceState {
    let register = |name: &str, role, value: u32| RegisterState {
        name: name.to_owned(),
        bits: 32,
        role,
        value: format!("{value:08x}"),
    };
    DeviceState {
        device: "hub".to_owned(),
        now: Time::from_us(u64::from(pc)),
        activity: Activity::Running,
        stats: Stats::default(),
        pc: u64::from(pc),
        symbol: Some("main+0x12".to_owned()),
        registers: vec![
            register("r0", Role::General, r0),
            register("pc", Role::ProgramCounter, pc),
            register("xpsr", Role::Status, 0x4100_000f),
        ],
    }
}

fn block(value: u32) -> PeripheralState {
    let register = |name: &str, offset, value, fields| PeripheralRegister {
        name: name.to_owned(),
        offset,
        access: Access::ReadWrite,
        coverage: Coverage::Modelled,
        reset: 0,
        value,
        fields,
    };
    let field = RegisterField { name: "ENABLE".to_owned(), lsb: 1, width: 2 };
    PeripheralState {
        name: "uart0".to_owned(),
        base: 0x4000_4000,
        registers: vec![register("DATA", 0, None, Vec::new()), register("CTRL", 8, Some(value), vec![field])],
    }
}

fn packet(at: u64, lost: bool) -> Message {
    let at = Time::from_ms(at);
    let arrives = (!lost).then_some(at + Time::from_us(500));
    let fate = if lost { Fate::Dropped { rule: 0 } } else { Fate::Delivered };
    let mut data = vec![0xff; 12];
    data.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    data.extend([0x16, 0x34, 0x16, 0x35, 0, 12, 0, 0, b'p', b'i', b'n', b'g']);
    Message::Frame(Frame {
        link: "home".to_owned(),
        from: "watch".to_owned(),
        at,
        data,
        to: vec![Arrival { device: Some("hub".to_owned()), at: arrives, fate }],
    })
}

/// A fleet of three that has run for 2 s.
fn model() -> Model {
    let port = |name: &str, kind| Port { name: name.to_owned(), kind };
    let devices = NAMES.map(|name| DeviceInfo {
        name: name.to_owned(),
        board: "mps2-an386".to_owned(),
        core: Some("cortex-m4".to_owned()),
        ports: vec![port("uart0", PortKind::Uart), port("ethernet", PortKind::Ethernet)],
        console: Some("uart0".to_owned()),
        memory: vec![MemoryRange { base: 0x2000_0000, size: 0x1000, writable: true }],
    });
    let joins = NAMES.map(|name| LinkEnd { device: name.to_owned(), port: "ethernet".to_owned() });
    let link = LinkInfo { name: "home".to_owned(), carries: PortKind::Ethernet, joins: joins.to_vec() };
    let fleet = FleetInfo { seed: 42, devices: devices.to_vec(), links: vec![link], ..FleetInfo::default() };
    let mut model = Model::default();
    let welcome = Welcome { version: VERSION, server: String::new(), fleet, status: status(0, false) };
    reply(&mut model, Answer::Welcome(Box::new(welcome)), None);
    let (hub, at) = (|| "hub".to_owned(), Time::from_ms);
    model.apply(
        Message::Uart {
            device: hub(),
            port: "uart0".to_owned(),
            at: at(5),
            data: b"hello\n\x1b[31mred\n".to_vec(),
        },
        None,
    );
    for kind in [
        Kind::Core(CoreEvent::Wake),
        Kind::Core(CoreEvent::Entry { number: 15, pc: 0 }),
        Kind::Core(CoreEvent::Sleep),
        Kind::Log { level: Level::GuestError, who: "uart0".to_owned(), text: "overrun".to_owned() },
        Kind::Exit { code: 3 },
    ] {
        model.apply(Message::Event { device: hub(), at: at(10), kind }, None);
    }
    model.apply(packet(1_000, false), None);
    model.apply(packet(1_990, true), None);
    reply(&mut model, Answer::Device(registers(0x100, 1)), None);
    reply(&mut model, Answer::Device(registers(0x104, 2)), None);
    let bytes = |first| {
        let mut data = vec![Some(first), None];
        data.extend(b"Consort".map(Some));
        Answer::Memory(MemoryState { device: "hub".to_owned(), addr: 0, data })
    };
    reply(&mut model, bytes(0x11), None);
    reply(&mut model, bytes(0x22), None);
    let of = || Some(Command::Peripherals { device: "hub".to_owned() });
    reply(&mut model, Answer::Peripherals(vec![block(0)]), of());
    reply(&mut model, Answer::Peripherals(vec![block(6)]), of());
    reply(&mut model, Answer::Status(status(2_000, true)), None);
    model
}

fn shown(panel: Panel) -> Harness<'static, Model> {
    let mut harness = Harness::builder()
        .with_size([700.0, 500.0])
        .with_context_setup(theme::set)
        .build_ui_state(move |ui, model: &mut Model| panel.ui(ui, model), model());
    harness.run_steps(3);
    harness
}

fn click(harness: &mut Harness<'_, Model>, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(3);
}

#[test]
fn the_run_bar_runs_pauses_steps_and_tells_the_time() {
    let mut harness = Harness::builder()
        .with_size([1200.0, 60.0])
        .with_context_setup(theme::set)
        .build_ui_state(|ui, model: &mut Model| run_bar::ui(ui, model), model());
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("2.000000").is_some());
    assert!(harness.query_by_label_contains("seed 42").is_some());
    click(&mut harness, "⏸ Pause");
    click(&mut harness, "Step instruction");
    click(&mut harness, "Step window");
    click(&mut harness, "Digest");
    let step = Command::StepInstruction { device: "hub".to_owned() };
    let asked = harness.state_mut().take_asked();
    assert_eq!(asked, [Command::Pause, step, Command::StepWindow, Command::Digest]);
    harness.state_mut().status.running = false;
    harness.run_steps(2);
    click(&mut harness, "▶ Run");
    assert_eq!(harness.state_mut().take_asked(), [Command::Run { until: None }]);
    reply(harness.state_mut(), Answer::Digest("0123456789abcdef".to_owned()), None);
    harness.run_steps(2);
    assert!(harness.query_by_label("01234567").is_some());
}

#[test]
fn a_click_on_the_map_selects_a_device() {
    let mut harness = shown(Panel::FleetMap);
    click(&mut harness, "device watch");
    assert_eq!(harness.state().name(), "watch");
    assert!(harness.state().device.is_none(), "the other's registers are not its own");
    assert_eq!(harness.state().inputs.console, Some(("watch".to_owned(), "uart0".to_owned())));
}

#[test]
fn a_right_click_on_the_map_cuts_a_link() {
    let mut harness = shown(Panel::FleetMap);
    harness.get_by_label("link home").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "Cut for 1 s");
    let asked = harness.state_mut().take_asked();
    let [Command::Stimulus { at: None, what: StimulusKind::Link(link, rule) }] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((link.as_str(), rule.fault, rule.before), ("home", Fault::Cut, Time::from_secs(3)));
    harness.get_by_label("device sensor").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "Power off");
    let off = StimulusKind::Device("sensor".to_owned(), Action::PowerOff);
    assert_eq!(harness.state_mut().take_asked(), [Command::Stimulus { at: None, what: off }]);
}

#[test]
fn what_is_typed_into_the_console_goes_to_the_guest() {
    let mut harness = shown(Panel::Console);
    assert!(harness.query_by_label("hello").is_some());
    assert!(harness.query_by_label("red").is_some());
    harness.get_by_label("Type to the guest").focus();
    harness.run_steps(2);
    harness.get_by_label("Type to the guest").type_text("ok");
    harness.run_steps(2);
    harness.key_press(egui::Key::Enter);
    harness.run_steps(2);
    let send = Action::Send { port: "uart0".to_owned(), data: b"ok\n".to_vec() };
    let what = StimulusKind::Device("hub".to_owned(), send);
    assert_eq!(harness.state_mut().take_asked(), [Command::Stimulus { at: None, what }]);
    assert_eq!(harness.state().inputs.line, "");
}

#[test]
fn the_console_shows_only_what_passes_its_filter() {
    let mut harness = shown(Panel::Console);
    harness.state_mut().inputs.console_filter = "HELL".to_owned();
    harness.run_steps(2);
    assert!(harness.query_by_label("hello").is_some());
    assert!(harness.query_by_label("red").is_none());
}

#[test]
fn changed_registers_are_marked_until_the_next_change() {
    let mut harness = shown(Panel::Registers);
    assert!(harness.query_by_label("00000002").is_some());
    assert!(harness.query_by_label("main+0x12").is_some());
    assert!(harness.query_by_label_contains("SysTick").is_some());
    let changed = |harness: &Harness<'_, Model>| harness.state().changed.iter().cloned().collect::<Vec<_>>();
    assert_eq!(changed(&harness), ["pc", "r0"]);
    reply(harness.state_mut(), Answer::Device(registers(0x104, 2)), None);
    assert_eq!(changed(&harness), ["pc", "r0"], "nothing moved: the marks stay");
    reply(harness.state_mut(), Answer::Device(registers(0x108, 2)), None);
    harness.run_steps(2);
    assert_eq!(changed(&harness), ["pc"]);
}

#[test]
fn memory_shows_bytes_and_text_and_goes_where_it_is_told() {
    let mut harness = shown(Panel::Memory);
    assert!(harness.query_by_label_contains("22 ?? 43 6f 6e 73").is_some());
    assert!(harness.query_by_label_contains("Consort").is_some());
    assert_eq!(harness.state().memory.changed.iter().copied().collect::<Vec<_>>(), [0]);
    click(&mut harness, "RAM 0x20000000");
    assert_eq!(harness.state().memory.addr, 0x2000_0000);
    click(&mut harness, "On");
    assert_eq!(harness.state().memory.addr, 0x2000_0400);
    let late = MemoryState { device: "hub".to_owned(), addr: 0, data: vec![Some(1)] };
    reply(harness.state_mut(), Answer::Memory(late), None);
    assert_eq!(harness.state().memory.state.as_ref().unwrap().data.len(), 9, "of another place: not taken");
}

#[test]
fn peripherals_open_to_registers_and_fields() {
    let mut harness = shown(Panel::Peripherals);
    assert!(harness.query_by_label_contains("CTRL").is_none());
    click(&mut harness, "uart0 @ 0x40004000");
    harness.run_steps(20);
    let register = "008 CTRL           00000006 rw";
    assert!(harness.query_by_label_contains("DATA").is_some());
    click(&mut harness, register);
    harness.run_steps(20);
    assert!(harness.query_by_label("[2:1] ENABLE = 0x3").is_some());
    assert!(harness.state().changed_registers.contains(&("uart0".to_owned(), 8)));
    harness.state_mut().inputs.block_filter = "spi".to_owned();
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("uart0").is_none());
}

#[test]
fn packets_tell_their_protocol_and_their_fate() {
    let mut harness = shown(Panel::Packets);
    assert!(harness.query_all_by_label("UDP").count() == 2);
    assert!(harness.query_by_label_contains("lost for hub").is_some());
    harness.state_mut().packet = Some(1);
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("0020  00 02 16 34").is_some(), "its bytes");
    harness.state_mut().inputs.packet_filter = "lost".to_owned();
    harness.run_steps(2);
    assert_eq!(harness.query_all_by_label("UDP").count(), 1);
}

#[test]
fn the_log_filters() {
    let mut harness = shown(Panel::Log);
    assert!(harness.query_by_label("uart0: overrun").is_some());
    assert!(harness.query_by_label("ended with exit code 3").is_some());
    harness.state_mut().inputs.log_filter = "exit".to_owned();
    harness.run_steps(2);
    assert!(harness.query_by_label("uart0: overrun").is_none());
}

#[test]
fn the_timeline_zooms() {
    let mut harness = shown(Panel::Timeline);
    assert!(harness.query_by_label("timeline of all devices").is_some());
    let before = harness.state().inputs.span;
    click(&mut harness, "Zoom in");
    assert_eq!(harness.state().inputs.span.as_ps() * 2, before.as_ps());
    (0..20).for_each(|_| click(&mut harness, "Zoom out"));
    assert_eq!(harness.state().inputs.span, Time::from_secs(60));
    let sum = harness.state().lanes[0].sum(Time::ZERO, Time::from_secs(2));
    assert_eq!((sum.interrupts, sum.packets, sum.uart), (1, 2, 1));
}

#[test]
fn the_whole_window_draws_and_its_layout_survives_saving() {
    let tree = layout::first();
    assert!(layout::is_whole(&tree));
    let saved = serde_json::to_string(&tree).unwrap();
    let mut tree: egui_tiles::Tree<Panel> = serde_json::from_str(&saved).unwrap();
    assert!(layout::is_whole(&tree));
    let mut harness = Harness::builder()
        .with_size([1440.0, 860.0])
        .with_context_setup(theme::set)
        .build_ui_state(move |ui, model: &mut Model| layout::ui(ui, &mut tree, model), model());
    harness.run_steps(5);
    for title in ["Fleet map", "Console", "Timeline", "Registers", "Memory"] {
        assert!(harness.query_all_by_label(title).next().is_some(), "{title}");
    }
}

#[test]
fn hostile_messages_are_harmless() {
    let mut model = model();
    let strange = |name: &str| name.to_owned();
    model.apply(
        Message::Uart { device: strange("nobody"), port: strange("x"), at: Time::MAX, data: vec![0xff; 99] },
        None,
    );
    let event = |at| Message::Event { device: strange("hub"), at, kind: Kind::Core(CoreEvent::Wake) };
    model.apply(event(Time::MAX), None);
    model.apply(event(Time::ZERO), None);
    model.apply(
        Message::Frame(Frame {
            link: strange("none"),
            from: strange("hub"),
            at: Time::MAX,
            data: Vec::new(),
            to: vec![Arrival { device: None, at: Some(Time::ZERO), fate: Fate::Overflow }],
        }),
        None,
    );
    reply(&mut model, Answer::Status(Status { now: Time::MAX, ..Status::default() }), None);
    for panel in Panel::ALL {
        let mut harness = Harness::builder()
            .with_size([300.0, 200.0])
            .with_context_setup(theme::set)
            .build_ui_state(move |ui, model: &mut Model| panel.ui(ui, model), std::mem::take(&mut model));
        harness.run_steps(3);
        model = harness.into_state();
    }
}
