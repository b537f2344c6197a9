//! Each panel on a made-up fleet: what it shows, and what it asks for when people click and type.

mod raster;

use consort_core::Time;
use consort_core::component::{Access, Coverage, PortKind};
use consort_core::control::{
    Answer, Arrival, ChannelInfo, CodeState, Command, DeviceInfo, DeviceState, DeviceStatus, FleetInfo,
    Frame, LinkEnd, LinkInfo, LinkStatus, MemoryRange, MemoryState, Message, Next, PartInfo,
    PeripheralRegister, PeripheralState, RegisterField, RegisterState, SourceLine, Status, Symbol, VERSION,
    Welcome,
};
use consort_core::cpu::Role;
use consort_core::device::{Action, Activity, Interrupt, Port, Stats};
use consort_core::fleet::StimulusKind;
use consort_core::link::{Fate, Fault, Rule};
use consort_core::panel::{Form, Takes, Value};
use consort_core::radio::Position;
use consort_core::starter::Example;
use consort_core::trace::{CoreEvent, Kind, Level};
use consort_gui::model::Model;
use consort_gui::palette::{self, Palette};
use consort_gui::panels::{self, Panel, run_bar};
use consort_gui::picture::Pixels;
use consort_gui::svd::Book;
use consort_gui::wish::Wish;
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
    let links = vec![LinkStatus::default()];
    Status { now: Time::from_ms(ms), running, speed: Some(1.0), devices, links, ..Status::default() }
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
    data.extend([0x12, 0x34, 0x16, 0x35, 0, 12, 0, 0, b'p', b'i', b'n', b'g']);
    Message::Frame(Frame {
        link: "home".to_owned(),
        from: "watch".to_owned(),
        at,
        data,
        to: vec![Arrival { device: Some("hub".to_owned()), at: arrives, fate }],
    })
}

/// Three devices on one link.
fn fleet() -> FleetInfo {
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
    FleetInfo { seed: 42, devices: devices.to_vec(), links: vec![link], ..FleetInfo::default() }
}

/// What people asked devices to do, and how much later.
fn acts(harness: &mut Harness<'_, Model>) -> Vec<(Action, Time)> {
    let act = |command| match command {
        Command::Stimulus { at: None, after, what: StimulusKind::Device(device, action) } => {
            assert_eq!(device, "hub");
            (action, after)
        }
        other => panic!("{other:?}"),
    };
    harness.state_mut().take_asked().into_iter().map(act).collect()
}

/// What the hub shows and takes.
fn parts() -> Vec<PartInfo> {
    let part = |name: &str, channel: &str, takes, value, shows| PartInfo {
        name: name.to_owned(),
        channels: vec![ChannelInfo { name: channel.to_owned(), doc: String::new(), takes, value }],
        shows,
    };
    let celsius = Takes::Number { min: -40.0, max: 125.0, unit: "°C".into() };
    vec![
        part("screen", "dirt", Takes::Text, None, Some(1)),
        part("touch", "finger", Takes::Touch { width: 8, height: 8 }, None, None),
        part("leds", "none", Takes::Text, None, Some(1)),
        part("button", "pressed", Takes::Switch, Some(Value::Bool(false)), None),
        part("charger", "plugged", Takes::Switch, Some(Value::Bool(false)), None),
        part("thermometer", "celsius", celsius, Some(Value::Number(20.0)), None),
    ]
}

/// A fleet of three that has run for 2 s.
fn model() -> Model {
    let mut model = Model::default();
    let welcome =
        Welcome { version: VERSION, server: String::new(), fleet: fleet(), status: status(0, false) };
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
    let memory = || Some(Command::Memory { device: "hub".to_owned(), addr: 0, len: 1024 });
    reply(&mut model, bytes(0x11), memory());
    reply(&mut model, bytes(0x22), memory());
    let of = || Some(Command::Peripherals { device: "hub".to_owned() });
    reply(&mut model, Answer::Peripherals(vec![block(0)]), of());
    reply(&mut model, Answer::Peripherals(vec![block(6)]), of());
    reply(&mut model, Answer::Status(status(2_000, true)), None);
    let device = || "hub".to_owned();
    reply(&mut model, Answer::Parts(parts()), Some(Command::Parts { device: device() }));
    let colours = |count: usize| (0..count).map(|index| theme::pixel([index as u8 * 4, 90, 160])).collect();
    let screen = Pixels { number: 1, form: Form::Pixels, width: 8, height: 8, colours: colours(64) };
    let leds = Pixels { number: 1, form: Form::Lamps, width: 5, height: 1, colours: colours(5) };
    model.parts.show("hub", "screen", screen);
    model.parts.show("hub", "leds", leds);
    let symbol = |name: &str, addr| Symbol { name: name.to_owned(), addr, size: 8 };
    let symbols = vec![symbol("main", 0x100), symbol("later", 0x108)];
    let of = Command::Symbols { device: device(), text: String::new() };
    reply(&mut model, Answer::Symbols(symbols), Some(of));
    // push {r4, lr}; mov r6, r4; nop; bx lr; bl main
    let code = [0x10, 0xb5, 0x26, 0x46, 0x00, 0xbf, 0x70, 0x47, 0xff, 0xf7, 0xfa, 0xff];
    let lines = vec![SourceLine { addr: 0x102, file: "/src/main.c".to_owned(), line: 7 }];
    let state = CodeState { device: device(), addr: 0x100, data: code.map(Some).to_vec(), lines };
    reply(&mut model, Answer::Code(state), None);
    let interrupt = |number, name: &str, enabled, active| Interrupt {
        number,
        name: name.to_owned(),
        enabled,
        pending: false,
        active,
        priority: Some(32),
        handler: (number == 15).then_some(0x100),
    };
    let interrupts = vec![interrupt(15, "SysTick", true, true), interrupt(16, "uart0", false, false)];
    reply(&mut model, Answer::Interrupts(interrupts), Some(Command::Interrupts { device: device() }));
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
fn an_svd_file_names_what_the_models_do_not() {
    const CHIP: &str = "<device><name>tiny</name><addressUnitBits>8</addressUnitBits><width>32</width><size>32</size>\
        <peripherals><peripheral><name>UART0</name><baseAddress>0x40004000</baseAddress><registers>\
        <register><name>BAUD</name><addressOffset>0x10</addressOffset></register></registers></peripheral>\
        <peripheral><name>DAC</name><baseAddress>0x40006000</baseAddress><registers>\
        <register><name>LEVEL</name><addressOffset>4</addressOffset></register></registers></peripheral>\
        </peripherals></device>";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.svd");
    let mut harness = shown(Panel::Peripherals);
    harness.state_mut().inputs.book = file.display().to_string();
    click(&mut harness, "Read");
    assert_eq!(harness.state_mut().take_wished(), [Wish::Book(file.clone())]);
    let board = harness.state().board();
    harness.state_mut().books.insert(board.clone(), Book::read(&file));
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("tiny.svd: ").is_some(), "what is wrong with it is shown");
    std::fs::write(&file, CHIP).unwrap();
    harness.state_mut().books.insert(board, Book::read(&file));
    harness.run_steps(3);
    assert!(harness.query_by_label("with names from tiny.svd").is_some());
    click(&mut harness, "uart0 @ 0x40004000");
    harness.run_steps(20);
    assert!(harness.query_by_label("010 BAUD           -------- rw not modelled").is_some());
    assert!(harness.query_by_label_contains("CTRL").is_some());
    click(&mut harness, "DAC @ 0x40006000 not modelled");
    harness.run_steps(20);
    assert!(harness.query_by_label_contains("LEVEL").is_some());
    harness.state_mut().inputs.block_filter = "baud".to_owned();
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("uart0 @").is_some());
    assert!(harness.query_by_label_contains("DAC @").is_none());
    click(&mut harness, "Forget it");
    assert_eq!(harness.state_mut().take_wished(), [Wish::ForgetBook]);
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
    let [Command::Stimulus { at: None, what: StimulusKind::Link(link, rule), .. }] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((link.as_str(), rule.fault, rule.before), ("home", Fault::Cut, Time::from_secs(3)));
    harness.get_by_label("device sensor").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "Power off");
    let off = StimulusKind::Device("sensor".to_owned(), Action::PowerOff);
    assert_eq!(
        harness.state_mut().take_asked(),
        [Command::Stimulus { at: None, after: Time::ZERO, what: off }]
    );
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
    assert_eq!(harness.state_mut().take_asked(), [Command::Stimulus { at: None, after: Time::ZERO, what }]);
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
    assert!(harness.query_by_label_contains("0020  00 02 12 34").is_some(), "its bytes");
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
fn a_press_on_a_button_is_held_and_let_go() {
    let mut harness = shown(Panel::Screens);
    assert!(harness.query_by_label("screen of hub").is_some());
    assert!(harness.query_by_label("leds of hub").is_some());
    let button = harness.get_by_label("hub button pressed").rect().center();
    harness.hover_at(button);
    harness.run_steps(2);
    harness.drag_at(button);
    harness.run_steps(2);
    let set = |value| Action::Set { component: "button".to_owned(), channel: "pressed".to_owned(), value };
    assert_eq!(acts(&mut harness), [(set(Value::Bool(true)), Time::ZERO)]);
    harness.run_steps(3);
    assert_eq!(acts(&mut harness), [], "it is held");
    harness.drop_at(button);
    harness.run_steps(2);
    assert_eq!(
        acts(&mut harness),
        [(set(Value::Bool(false)), Time::from_ms(120))],
        "not too early to be seen"
    );
}

#[test]
fn a_finger_on_the_screen_is_where_it_is() {
    let mut harness = shown(Panel::Screens);
    let screen = harness.get_by_label("screen of hub").rect();
    let set = |value| Action::Set { component: "touch".to_owned(), channel: "finger".to_owned(), value };
    harness.hover_at(screen.min + screen.size() * 0.25);
    harness.run_steps(2);
    harness.drag_at(screen.min + screen.size() * 0.25);
    harness.run_steps(2);
    harness.hover_at(screen.min + screen.size() * 0.5);
    harness.run_steps(2);
    harness.state_mut().status.now = Time::from_secs(3);
    harness.drop_at(screen.min + screen.size() * 0.5);
    harness.run_steps(2);
    let at = |x| (set(Value::Numbers(vec![x, x])), Time::ZERO);
    assert_eq!(acts(&mut harness), [at(2.0), at(4.0), (set(Value::Bool(false)), Time::ZERO)]);
    // The screen has the focus now: an arrow is a swipe, a number a button.
    harness.key_press(egui::Key::ArrowLeft);
    harness.run_steps(2);
    let swipe = acts(&mut harness);
    assert_eq!((swipe.len(), &swipe[0]), (12, &(set(Value::Numbers(vec![6.0, 4.0])), Time::ZERO)));
    assert_eq!(swipe[11], (set(Value::Bool(false)), Time::from_ms(220)));
    harness.key_down(egui::Key::Num1);
    harness.run_steps(2);
    assert!(
        matches!(acts(&mut harness).as_slice(), [(Action::Set { component, .. }, _)] if component == "button")
    );
}

#[test]
fn sensors_are_set_within_their_range() {
    let mut harness = shown(Panel::Sensors);
    assert!(harness.query_by_label("curve of thermometer celsius").is_some());
    harness.get_by_label("thermometer celsius").increment_accesskit();
    harness.run_steps(2);
    let set = acts(&mut harness);
    let [(Action::Set { value: Value::Number(value), .. }, _)] = set.as_slice() else { panic!("{set:?}") };
    assert!((20.0..=125.0).contains(value) && *value != 20.0, "{value}");
    click(&mut harness, "charger plugged");
    assert!(matches!(acts(&mut harness).as_slice(), [(Action::Set { value: Value::Bool(true), .. }, _)]));
    click(&mut harness, "wave of thermometer celsius");
    harness.state_mut().status.now = Time::from_secs(5);
    harness.state_mut().wave();
    let set = acts(&mut harness);
    let [(Action::Set { value: Value::Number(value), .. }, _)] = set.as_slice() else { panic!("{set:?}") };
    assert!((value - 36.5).abs() < 1e-9, "at its highest after half a period: {value}");
    harness.state_mut().wave();
    assert_eq!(acts(&mut harness), [], "time stands still");
    harness.state_mut().inputs.sensor_filter = "nothing".to_owned();
    harness.run_steps(2);
    assert!(harness.query_by_label("thermometer celsius").is_none());
}

#[test]
fn a_click_in_the_margin_sets_a_breakpoint() {
    let mut harness = shown(Panel::Code);
    assert!(harness.query_by_label("main:").is_some());
    assert!(harness.query_by_label_contains("main.c:7").is_some());
    let row = "00000104  2046      mov     r6, r4";
    let _ = row;
    harness.get_by_label_contains("push").click();
    harness.run_steps(2);
    let points = |breakpoints: &[u64]| Command::Points {
        device: "hub".to_owned(),
        breakpoints: breakpoints.to_vec(),
        watchpoints: Vec::new(),
    };
    assert_eq!(harness.state_mut().take_asked(), [points(&[0x100])]);
    harness.get_by_label_contains("push").click();
    harness.run_steps(2);
    assert_eq!(harness.state_mut().take_asked(), [points(&[])]);
    harness.get_by_label("Symbol or address").focus();
    harness.run_steps(2);
    harness.get_by_label("Symbol or address").type_text("later");
    harness.run_steps(2);
    assert!(!harness.state().code.follow, "who goes elsewhere does not follow");
}

#[test]
fn interrupts_tell_who_raises_them() {
    let mut harness = shown(Panel::Interrupts);
    assert!(harness.query_by_label("uart0").is_some());
    click(&mut harness, "Only those in use");
    assert!(harness.query_by_label("uart0").is_none());
    assert!(harness.query_by_label("SysTick").is_some());
    click(&mut harness, "main");
    assert_eq!(harness.state_mut().take_wished(), [Wish::Show(Panel::Code)]);
}

#[test]
fn watched_values_show_and_halt() {
    let mut harness = shown(Panel::Watch);
    harness.get_by_label("Watch symbol or address").focus();
    harness.run_steps(2);
    harness.get_by_label("Watch symbol or address").type_text("later");
    harness.run_steps(2);
    click(&mut harness, "Watch");
    let of = || Some(Command::Memory { device: "hub".to_owned(), addr: 0x108, len: 8 });
    for value in [7u64, 9] {
        let data = value.to_le_bytes().map(Some).to_vec();
        let state = MemoryState { device: "hub".to_owned(), addr: 0x108, data };
        reply(harness.state_mut(), Answer::Memory(state), of());
    }
    harness.run_steps(2);
    assert!(harness.query_by_label("9 (0x9)").is_some());
    assert!(harness.state().watches["hub"][0].changed);
    click(&mut harness, "halt when later is written");
    let asked = harness.state_mut().take_asked();
    let [Command::Points { watchpoints, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((watchpoints[0].addr, watchpoints[0].len), (0x108, 8));
    click(&mut harness, "forget later");
    assert!(harness.state().watches["hub"].is_empty());
    assert_eq!(harness.state_mut().take_asked().len(), 1, "it halts no more");
}

#[test]
fn memory_is_searched() {
    let mut harness = shown(Panel::Memory);
    harness.state_mut().inputs.search = "0x436f".to_owned();
    harness.run_steps(2);
    click(&mut harness, "Find");
    let asked = harness.state_mut().take_asked();
    let [find @ Command::Find { addr: 0, data, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(data, &[0x43, 0x6f]);
    reply(harness.state_mut(), Answer::Found(Some(0x2000_0012)), Some(find.clone()));
    assert_eq!(harness.state().memory.addr, 0x2000_0010);
    click(&mut harness, "Find");
    let asked = harness.state_mut().take_asked();
    assert!(matches!(asked.as_slice(), [Command::Find { addr: 0x2000_0013, .. }]), "{asked:?}");
    reply(harness.state_mut(), Answer::Found(None), Some(asked[0].clone()));
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("not found").is_some());
}

#[test]
fn the_console_is_searched_upwards() {
    let mut harness = shown(Panel::Console);
    harness.state_mut().inputs.console_search = "e".to_owned();
    harness.run_steps(2);
    let found = |harness: &Harness<'_, Model>| harness.state().inputs.console_line;
    click(&mut harness, "Up");
    assert_eq!(found(&harness), Some(1));
    click(&mut harness, "Up");
    assert_eq!(found(&harness), Some(0));
    click(&mut harness, "Up");
    assert_eq!(found(&harness), Some(1), "round again");
}

#[test]
fn faults_of_a_link_can_be_ended() {
    let mut harness = shown(Panel::FleetMap);
    let rule = Rule { after: Time::ZERO, before: Time::MAX, from: Some(1), to: None, fault: Fault::Cut };
    harness.state_mut().status.links[0].faults.push((3, rule));
    harness.run_steps(2);
    harness.get_by_label("link home").click_secondary();
    harness.run_steps(3);
    click(&mut harness, "End: Cut, watch → all");
    let what = StimulusKind::Mend("home".to_owned(), Some(3));
    assert_eq!(harness.state_mut().take_asked(), [Command::Stimulus { at: None, after: Time::ZERO, what }]);
}

#[test]
fn a_device_with_a_radio_is_moved_in_metres() {
    let mut harness = shown(Panel::FleetMap);
    let places = [[0.0; 3], [10.0, 0.0, 0.0], [0.0, 10.0, 1.5]].map(Position).to_vec();
    harness.state_mut().status.links[0].places = places;
    harness.run_steps(2);
    let at = |harness: &Harness<'_, Model>, name: &str| harness.get_by_label(name).rect().center();
    let (hub, watch) = (at(&harness, "device hub"), at(&harness, "device watch"));
    assert!(watch.x > hub.x && (watch.y - hub.y).abs() < 1.0, "ten metres east");
    harness.hover_at(watch);
    harness.run_steps(1);
    harness.drag_at(watch);
    harness.run_steps(1);
    for step in 1..=10 {
        harness.hover_at(watch.lerp(hub, 0.05 * step as f32));
        harness.run_steps(1);
    }
    harness.drop_at(watch.lerp(hub, 0.5));
    harness.run_steps(2);
    let asked = harness.state_mut().take_asked();
    let Some(Command::Stimulus { what: StimulusKind::Move(device, place), .. }) = asked.last() else {
        panic!("{asked:?}")
    };
    assert_eq!(device, "watch");
    assert!((place.0[0] - 5.0).abs() < 0.6 && place.0[1].abs() < 0.2, "{place:?}");
}

/// A start with everything there can be.
fn start() -> Model {
    let mut model = Model::default();
    model.home.starts = true;
    let example = Example { name: "evening".to_owned(), doc: "A story".to_owned(), boards: Vec::new() };
    model.home.examples.push(example);
    model.home.boards = vec!["microbit".to_owned(), "pinetime".to_owned()];
    model.home.recent.push("fleets/old.json".into());
    model.home.failed = Some(("bad.json".into(), "bad.json:3:5: there is no board `mps3`".to_owned()));
    model.home.firmware = Some("app.elf".into());
    model
}

#[test]
fn the_start_offers_examples_and_tells_what_is_wrong() {
    let mut harness = Harness::builder()
        .with_size([1000.0, 800.0])
        .with_context_setup(theme::set)
        .build_ui_state(|ui, model: &mut Model| panels::home::ui(ui, model), start());
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("there is no board").is_some());
    click(&mut harness, "example evening");
    click(&mut harness, "fleets/old.json");
    click(&mut harness, "Try again");
    click(&mut harness, "Boot");
    let boot = Wish::Boot { file: "app.elf".into(), board: "microbit".to_owned() };
    let wished = harness.state_mut().take_wished();
    let open = |file: &str| Wish::Open(file.into());
    assert_eq!(
        wished,
        [Wish::Example("evening".to_owned()), open("fleets/old.json"), open("bad.json"), boot]
    );
}

#[test]
fn every_widget_has_a_name() {
    for panel in Panel::ALL {
        shown(panel).check_accessibility();
    }
    // What only a click brings up.
    let mut packets = shown(Panel::Packets);
    packets.state_mut().packet = Some(1);
    packets.run_steps(3);
    packets.check_accessibility();
    let mut blocks = shown(Panel::Peripherals);
    click(&mut blocks, "uart0 @ 0x40004000");
    blocks.run_steps(20);
    blocks.check_accessibility();
    for device in ["device hub", "link home"] {
        let mut map = shown(Panel::FleetMap);
        map.get_by_label(device).click_secondary();
        map.run_steps(3);
        map.check_accessibility();
    }
    let window = |state: Model, draw: fn(&mut egui::Ui, &mut Model)| {
        let mut harness = Harness::builder()
            .with_size([1200.0, 800.0])
            .with_context_setup(theme::set)
            .build_ui_state(draw, state);
        harness.run_steps(3);
        harness.check_accessibility();
    };
    window(start(), panels::home::ui);
    let mut model = model();
    model.home.starts = true;
    model.home.changed = Some("fleet.json".into());
    window(model, |ui, model| {
        let (mut palette, mut tree) = (Palette::default(), layout::first());
        palette.toggle();
        run_bar::ui(ui, model);
        layout::ui(ui, &mut tree, model);
        palette.ui(&ui.ctx().clone(), model);
    });
}

#[test]
fn the_palette_finds_and_does() {
    let mut palette = Palette::default();
    palette.toggle();
    let state = (palette, model());
    let mut harness =
        Harness::builder().with_size([800.0, 600.0]).with_context_setup(theme::set).build_ui_state(
            |ui, (palette, model): &mut (Palette, Model)| palette.ui(&ui.ctx().clone(), model),
            state,
        );
    harness.run_steps(3);
    harness.get_by_label("Command").type_text("power off sens");
    harness.run_steps(3);
    harness.key_press(egui::Key::Enter);
    harness.run_steps(3);
    let what = StimulusKind::Device("sensor".to_owned(), Action::PowerOff);
    let asked = harness.state_mut().1.take_asked();
    assert_eq!(asked, [Command::Stimulus { at: None, after: Time::ZERO, what }]);
    assert!(harness.query_by_label("Command").is_none(), "it has closed");
}

#[test]
fn keys_step_and_run() {
    let mut harness = Harness::builder()
        .with_size([100.0, 100.0])
        .with_context_setup(theme::set)
        .build_ui_state(|ui, model: &mut Model| palette::keys(&ui.ctx().clone(), model), model());
    for key in [egui::Key::F5, egui::Key::F10, egui::Key::F11, egui::Key::F6, egui::Key::F7] {
        harness.key_press(key);
        harness.run_steps(2);
    }
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::P);
    harness.run_steps(2);
    let device = || "hub".to_owned();
    let asked = harness.state_mut().take_asked();
    let expected = [
        Command::Pause,
        Command::StepInstruction { device: device() },
        Command::StepWindow,
        Command::RunTo { next: Next::Packet },
        Command::RunTo { next: Next::Interrupt { device: device() } },
    ];
    assert_eq!(asked, expected);
    assert_eq!(harness.state_mut().take_wished(), [Wish::Palette]);
}

#[test]
fn a_run_that_begins_again_keeps_what_people_set() {
    let mut model = model();
    model.toggle_breakpoint(0x100);
    model.take_asked();
    model.begin();
    assert!(model.fleet.devices.is_empty() && model.packets.is_empty());
    let welcome =
        Welcome { version: VERSION, server: String::new(), fleet: fleet(), status: status(0, false) };
    reply(&mut model, Answer::Welcome(Box::new(welcome)), None);
    let asked = model.take_asked();
    assert!(
        matches!(asked.as_slice(), [Command::Points { breakpoints, .. }] if breakpoints == &[0x100]),
        "{asked:?}"
    );
}

/// The window as `draw` fills it, as a picture.
fn picture(name: &str, scale: f32, light: bool, draw: impl FnMut(&mut egui::Ui, &mut Model) + 'static) {
    let state = if name.starts_with("start") { start() } else { model() };
    let mut harness = Harness::builder()
        .with_size(egui::vec2(1440.0, 880.0) / scale)
        .with_pixels_per_point(scale)
        .with_context_setup(move |context| {
            theme::set(context);
            theme::choose(context, light);
        })
        .renderer(raster::Raster::default())
        .build_ui_state(draw, state);
    harness.run_steps(5);
    harness.snapshot(name);
}

fn window() -> impl FnMut(&mut egui::Ui, &mut Model) {
    let mut tree = layout::first();
    move |ui, model| {
        egui::Panel::top("run bar").show(ui, |ui| run_bar::ui(ui, model));
        let ground = egui::Frame::new().fill(theme::ground());
        egui::CentralPanel::no_frame().frame(ground).show(ui, |ui| layout::ui(ui, &mut tree, model));
    }
}

#[test]
fn the_dark_window_looks_as_it_did() {
    picture("window-dark", 1.0, false, window());
}

#[test]
fn the_light_window_looks_as_it_did() {
    picture("window-light", 1.0, true, window());
}

#[test]
fn the_window_on_a_fine_screen_looks_as_it_did() {
    picture("window-fine", 2.0, false, window());
}

#[test]
fn the_start_looks_as_it_did() {
    picture("start", 1.0, false, panels::home::ui);
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
