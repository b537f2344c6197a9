//! A made-up fleet, and windows that show it.

use consort_core::Time;
use consort_core::component::{Access, Coverage, PortKind};
use consort_core::control::{
    Answer, Arrival, ChannelInfo, CodeState, Command, DeviceInfo, DeviceState, DeviceStatus, FleetInfo,
    Frame, LinkEnd, LinkInfo, LinkStatus, MemoryRange, MemoryState, Message, PartInfo, PeripheralRegister,
    PeripheralState, RegisterField, RegisterState, SourceLine, Status, Symbol, VERSION, Welcome,
};
use consort_core::cpu::Role;
use consort_core::device::{Action, Activity, Interrupt, Port, Stats};
use consort_core::fleet::StimulusKind;
use consort_core::link::Fate;
use consort_core::panel::{Form, Takes, Value};
use consort_core::starter::Example;
use consort_core::trace::{CoreEvent, Kind, Level};
use consort_gui::model::Model;
use consort_gui::panels::Panel;
use consort_gui::picture::Pixels;
use consort_gui::theme;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

pub const NAMES: [&str; 3] = ["hub", "watch", "sensor"];

pub fn reply(model: &mut Model, answer: Answer, of: Option<Command>) {
    model.apply(Message::Reply { id: 1, answer }, of);
}

pub fn status(ms: u64, running: bool) -> Status {
    let stats = Stats { instructions: ms * 1_000, ..Stats::default() };
    let devices = NAMES.map(|_| DeviceStatus { activity: Activity::Asleep, stats }).to_vec();
    let links = vec![LinkStatus::default()];
    Status { now: Time::from_ms(ms), running, speed: Some(1.0), devices, links, ..Status::default() }
}

pub fn registers(pc: u32, r0: u32) -> DeviceState {
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

pub fn block(value: u32) -> PeripheralState {
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

pub fn packet(at: u64, lost: bool) -> Message {
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
pub fn fleet() -> FleetInfo {
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
pub fn acts(harness: &mut Harness<'_, Model>) -> Vec<(Action, Time)> {
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
pub fn parts() -> Vec<PartInfo> {
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
pub fn model() -> Model {
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

pub fn shown(panel: Panel) -> Harness<'static, Model> {
    let mut harness = Harness::builder()
        .with_size([700.0, 500.0])
        .with_context_setup(theme::set)
        .build_ui_state(move |ui, model: &mut Model| panel.ui(ui, model), model());
    harness.run_steps(3);
    harness
}

pub fn click(harness: &mut Harness<'_, Model>, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(3);
}

/// A start with everything there can be.
pub fn start() -> Model {
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
