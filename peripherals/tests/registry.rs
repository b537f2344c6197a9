//! Laws that every registered model obeys, whatever a guest or a link does to it.

#![expect(clippy::unwrap_used, clippy::panic)]

use consort_core::component::{Access, Built, Cx, Effect, ModelEntry, NodeId, Part, Peripheral, Value};
use consort_core::rng::Rng;
use consort_core::testing::RigHost;
use consort_core::{Time, Width};
use proptest::prelude::*;

/// Configurations to try, in this order: a model whose board has to say more adds one here.
fn samples() -> Vec<serde_json::Value> {
    vec![
        serde_json::json!({}),
        serde_json::json!({ "clock": 25_000_000 }),
        serde_json::json!({ "id": 0x4104_3850_u32 }),
        serde_json::json!({ "size": 0x10_0000 }),
        serde_json::json!({ "width": 48, "height": 80 }),
        serde_json::json!({ "width": 48, "height": 80, "base": 0 }),
    ]
}

fn build(entry: &ModelEntry) -> Built {
    samples()
        .into_iter()
        .find_map(|config| (entry.build)(config).ok())
        .unwrap_or_else(|| panic!("{}: no sample configuration fits, see samples()", entry.kind))
}

fn peripherals() -> Vec<(&'static str, Box<dyn Peripheral>)> {
    let built = consort_peripherals::models().iter().map(|entry| (entry.kind, build(entry)));
    built
        .filter_map(|(kind, built)| match built {
            Built::Peripheral(peripheral) => Some((kind, peripheral)),
            Built::Part(_) => None,
        })
        .collect()
}

#[test]
fn kinds_are_unique_kebab_case_and_documented() {
    let models = consort_peripherals::models();
    for (index, entry) in models.iter().enumerate() {
        let well_formed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(entry.kind.chars().all(well_formed), "{}", entry.kind);
        assert!(entry.doc.ends_with('.') && entry.doc.len() < 120, "{}: {}", entry.kind, entry.doc);
        assert!(models[..index].iter().all(|other| other.kind != entry.kind), "{} twice", entry.kind);
        build(entry);
    }
}

#[test]
fn unknown_words_in_a_configuration_are_refused() {
    for entry in consort_peripherals::models() {
        for mut config in samples() {
            config["no-such-word"] = 1.into();
            assert!((entry.build)(config).is_err(), "{}", entry.kind);
        }
    }
}

#[test]
fn registers_are_sorted_aligned_and_their_fields_fit() {
    for (kind, peripheral) in peripherals() {
        let registers = peripheral.registers();
        for pair in registers.windows(2) {
            assert!(pair[0].offset < pair[1].offset, "{kind}: {} and {}", pair[0].name, pair[1].name);
        }
        for register in registers {
            assert!(register.offset % 4 == 0 && !register.name.is_empty(), "{kind}: {}", register.name);
            let mut used = 0_u64;
            for field in register.fields {
                let bits = ((1_u64 << field.width) - 1) << field.lsb;
                assert!(bits <= u64::from(u32::MAX), "{kind}: {}.{}", register.name, field.name);
                assert_eq!(used & bits, 0, "{kind}: {}.{} overlaps", register.name, field.name);
                used |= bits;
            }
        }
    }
}

#[test]
fn registers_read_their_reset_value_after_reset() {
    // These hold what the board or the world says, not a constant.
    let from_outside =
        ["SCC_ID", "SCC_AID", "CFG_REG4", "RTCDR", "DeviceID", "DeviceFeatures", "SIZE", "STRIDE", "BASE"];
    for (kind, peripheral) in peripherals().into_iter().filter(|(kind, _)| !kind.starts_with("nordic")) {
        let mut bench = Bench::new(peripheral);
        bench.call(|peripheral, cx| peripheral.reset(cx));
        for register in bench.peripheral.registers() {
            if !from_outside.contains(&register.name) {
                let seen = bench.peripheral.peek(register.offset, bench.now);
                assert_eq!(seen, Some(register.reset), "{kind}: {}", register.name);
            }
        }
    }
}

/// One thing that can happen to a peripheral.
#[derive(Clone, Debug)]
enum Act {
    Read {
        place: u32,
        width: Width,
    },
    /// The same write so many times: FIFOs fill.
    Write {
        place: u32,
        width: Width,
        value: u32,
        times: u8,
    },
    Wait {
        ns: u64,
    },
    Receive {
        bytes: Vec<u8>,
    },
    Input {
        pin: u16,
        level: bool,
    },
    Set {
        channel: usize,
        value: Value,
    },
    Reset,
    /// Saved, and restored into a fresh instance; does nothing in a straight run.
    Restore,
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![6 => Just(Width::Word), 1 => Just(Width::Half), 1 => Just(Width::Byte)]
}

fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => 0_u32..16,
        2 => 0_u32..256,
        2 => (0_u32..32).prop_map(|bit| 1 << bit),
        2 => any::<u32>(),
        1 => Just(u32::MAX),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let times = prop_oneof![6 => Just(1), 1 => 2_u8..12];
    prop_oneof![
        6 => (any::<u32>(), width()).prop_map(|(place, width)| Act::Read { place, width }),
        12 => (any::<u32>(), width(), word(), times)
            .prop_map(|(place, width, value, times)| Act::Write { place, width, value, times }),
        4 => prop_oneof![0_u64..200, 0_u64..200_000, 0_u64..2_000_000_000].prop_map(|ns| Act::Wait { ns }),
        2 => prop::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| Act::Receive { bytes }),
        1 => (60_usize..2100).prop_map(|length| Act::Receive { bytes: vec![0xFF; length] }),
        2 => (0_u16..64, any::<bool>()).prop_map(|(pin, level)| Act::Input { pin, level }),
        1 => (0_usize..8, any::<bool>(), -1e3..1e3).prop_map(|(channel, on, number): (usize, bool, f64)| {
            Act::Set { channel, value: if number < 0.0 { Value::Bool(on) } else { Value::Number(number) } }
        }),
        2 => Just(Act::Restore),
    ]
}

/// A life between two resets, or several.
fn acts() -> impl Strategy<Value = Vec<Act>> {
    let life = || prop::collection::vec(act(), 1..250);
    (life(), any::<bool>(), life()).prop_map(|(mut first, more, second)| {
        if more {
            first.push(Act::Reset);
            first.extend(second);
        }
        first
    })
}

/// A machine of one peripheral.
struct Bench {
    peripheral: Box<dyn Peripheral>,
    now: Time,
    wake: Time,
    rng: Rng,
    host: RigHost,
    /// Everything it did, with the time.
    effects: Vec<(Time, Effect)>,
}

const MOST_EFFECTS_PER_CALL: usize = 1000;
const MOST_WAKES_PER_INSTANT: u32 = 8;
const MOST_STATE_BYTES: usize = 256 * 1024;

impl Bench {
    fn new(peripheral: Box<dyn Peripheral>) -> Self {
        let host = RigHost { memory: vec![0x5A; 4096], i2c_address: Some(0x1D), ..RigHost::default() };
        let rng = Rng::new(1, "bench");
        Self { peripheral, now: Time::ZERO, wake: Time::MAX, rng, host, effects: Vec::new() }
    }

    fn call<R>(&mut self, action: impl FnOnce(&mut dyn Peripheral, &mut Cx<'_>) -> R) -> R {
        let mut effects = Vec::new();
        let mut cx =
            Cx::new(self.now, NodeId(0), &mut effects, &mut self.wake, &mut self.rng, &mut self.host);
        let result = action(self.peripheral.as_mut(), &mut cx);
        assert!(effects.len() <= MOST_EFFECTS_PER_CALL, "{} effects of one call", effects.len());
        for (_, effect) in &effects {
            match effect {
                Effect::Line { line, .. } | Effect::Pulse { line } => {
                    assert!(usize::from(*line) < self.peripheral.lines().len(), "line {line}");
                }
                Effect::Volts { .. } => {}
                Effect::Send { .. } => assert!(self.peripheral.port().is_some(), "sends without a port"),
                _ => {}
            }
        }
        self.effects.extend(effects.into_iter().map(|(_, effect)| (self.now, effect)));
        result
    }

    fn wait(&mut self, until: Time) {
        let mut wakes_now = 0;
        for _ in 0..1000 {
            if self.wake > until {
                break;
            }
            wakes_now = if self.wake > self.now { 1 } else { wakes_now + 1 };
            assert!(wakes_now <= MOST_WAKES_PER_INSTANT, "wakes without end at {}", self.now);
            self.now = self.wake.max(self.now);
            self.wake = Time::MAX;
            self.call(|peripheral, cx| peripheral.wake(cx));
        }
        if self.wake > until {
            self.now = until;
        }
    }

    /// An aligned offset: mostly of a register that allows the access, sometimes of any or none.
    fn offset(&self, place: u32, width: Width, refused: Access) -> u32 {
        let all = self.peripheral.registers();
        let fitting: Vec<u32> = all
            .iter()
            .filter(|register| register.access != refused)
            .map(|register| register.offset)
            .collect();
        let pick = (place >> 5) as usize;
        let word = match place % 32 {
            0 => (place >> 5) & 0xFFC,
            1 if !all.is_empty() => all[pick % all.len()].offset,
            _ if fitting.is_empty() => (place >> 5) & 0xFC,
            _ => fitting[pick % fitting.len()],
        };
        word + (place >> 16 & 3 & !(width.bytes() - 1))
    }

    fn act(&mut self, act: &Act, fresh: impl Fn() -> Box<dyn Peripheral>, restores: bool) {
        match act {
            Act::Read { place, width } => {
                let offset = self.offset(*place, *width, Access::WriteOnly);
                let peeked = self.peripheral.peek(offset & !3, self.now);
                let read = self.call(|peripheral, cx| peripheral.read(offset, *width, cx));
                if let (Some(peeked), Ok(read), Width::Word) = (peeked, read, *width) {
                    assert_eq!(peeked, read, "peek shows what a read of {offset:#x} gives");
                }
            }
            Act::Write { place, width, value, times } => {
                let offset = self.offset(*place, *width, Access::ReadOnly);
                let value = value & width.mask() as u32;
                for _ in 0..*times {
                    let _ = self.call(|peripheral, cx| peripheral.write(offset, *width, value, cx));
                }
            }
            Act::Wait { ns } => self.wait(self.now + Time::from_ns(*ns)),
            Act::Receive { bytes } => {
                if self.peripheral.port().is_some() {
                    self.call(|peripheral, cx| peripheral.receive(bytes, cx));
                }
            }
            Act::Input { pin, level } => {
                let pins = self.peripheral.pins().len() as u16;
                if pins > 0 {
                    self.call(|peripheral, cx| peripheral.input(pin % pins, *level, cx));
                }
            }
            Act::Set { channel, value } => {
                let name = self.peripheral.channels().get(*channel).map_or("none", |channel| channel.name);
                let _ = self.call(|peripheral, cx| peripheral.set(name, value, cx));
            }
            Act::Reset => {
                self.wake = Time::MAX;
                self.call(|peripheral, cx| peripheral.reset(cx));
            }
            Act::Restore => {
                if restores {
                    let saved = self.peripheral.save().unwrap();
                    self.peripheral = fresh();
                    self.peripheral.restore(&saved).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_guest_breaks_a_peripheral(acts in acts()) {
        for entry in consort_peripherals::models() {
            let Built::Peripheral(straight) = build(entry) else { continue };
            let fresh = || match build(entry) {
                Built::Peripheral(peripheral) => peripheral,
                Built::Part(_) => unreachable!(),
            };
            let mut straight = Bench::new(straight);
            let mut restored = Bench::new(fresh());
            for bench in [&mut straight, &mut restored] {
                bench.call(|peripheral, cx| peripheral.reset(cx));
            }
            for act in &acts {
                straight.act(act, fresh, false);
                restored.act(act, fresh, true);
            }
            let saved = straight.peripheral.save().unwrap();
            prop_assert!(saved.len() <= MOST_STATE_BYTES, "{}: {} bytes of state", entry.kind, saved.len());
            for register in straight.peripheral.registers() {
                straight.peripheral.peek(register.offset, straight.now);
            }
            prop_assert_eq!(&straight.peripheral.save().unwrap(), &saved, "{}: peek has effects", entry.kind);
            prop_assert_eq!(&restored.peripheral.save().unwrap(), &saved, "{}: restoring shows", entry.kind);
            prop_assert_eq!(&restored.effects, &straight.effects, "{}: restoring shows", entry.kind);
        }
    }

    #[test]
    fn a_damaged_state_is_refused_or_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, mut peripheral) in peripherals() {
            let _ = peripheral.restore(&bytes);
        }
    }
}

#[test]
fn a_flood_of_frames_grows_nothing() {
    for (kind, peripheral) in peripherals() {
        if peripheral.port().is_none() {
            continue;
        }
        let mut bench = Bench::new(peripheral);
        bench.call(|peripheral, cx| peripheral.reset(cx));
        for _ in 0..2000 {
            bench.call(|peripheral, cx| peripheral.receive(&[0xFF; 1000], cx));
        }
        let size = bench.peripheral.save().unwrap().len();
        assert!(size <= MOST_STATE_BYTES, "{kind}: {size} bytes");
    }
}

#[test]
fn parts_answer_only_their_own_addresses() {
    for entry in consort_peripherals::models() {
        let Built::Part(part) = build(entry) else { continue };
        let part: Box<dyn Part> = part;
        assert!(part.i2c_addresses().iter().all(|address| *address < 0x80), "{}", entry.kind);
    }
}
