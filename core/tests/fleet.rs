//! The laws of the scheduler, on random fleets of chattering toy devices: threads, quantum, watching, stops and
//! snapshots never change what happens.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use consort_core::Time;
use consort_core::component::{PortKind, SetError, Value};
use consort_core::device::{Action, Activity, Debug, Device, Input, Port, Ran, Sent, Stats, What};
use consort_core::drift::Drifting;
use consort_core::fleet::{
    Carried, Endpoint, Fleet, FleetError, Observer, Pace, Stimulus, StimulusKind, Stop,
};
use consort_core::link::{Burst, Fault, Lan, LanConfig, Link as _, Reorder, Rule};
use consort_core::rng::Rng;
use consort_core::state::{self, StateError};
use consort_core::trace::{Digest, Event, Level, Recorder};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// A device that sends at random times and answers some of what it hears.
#[derive(Serialize, Deserialize)]
struct Toy {
    state: ToyState,
    #[serde(skip)]
    ports: Vec<Port>,
    #[serde(skip)]
    sent: Vec<Sent>,
}

#[derive(Clone, Serialize, Deserialize)]
struct ToyState {
    name: String,
    address: u8,
    now: Time,
    next: Time,
    rng: Rng,
    inbox: BTreeMap<(Time, u32, u64), Vec<u8>>,
    recorder: Recorder,
    received: u64,
    stream: u32,
}

impl Toy {
    fn new(index: usize, seed: u64) -> Self {
        let name = format!("toy-{index}");
        let state = ToyState {
            address: index as u8 + 1,
            now: Time::ZERO,
            next: Time::from_us(index as u64 % 3),
            rng: Rng::new(seed, &name),
            inbox: BTreeMap::new(),
            recorder: Recorder::default(),
            received: 0,
            stream: 0,
            name,
        };
        let ports = vec![Port { name: "lan".into(), kind: PortKind::Ethernet }];
        Self { state, ports, sent: Vec::new() }
    }

    /// Makes it a TCP segment that goes on where the last one ended.
    fn fill_segment(&mut self, data: &mut [u8]) {
        let total = (data.len() - 14) as u16;
        data[12..15].copy_from_slice(&[8, 0, 0x45]);
        data[16..18].copy_from_slice(&total.to_be_bytes());
        data[20..24].copy_from_slice(&[0, 0, 64, 6]);
        let addresses = [10, 0, 0, self.state.address, 10, 0, 0, data[5], 1, 1, 2, 2];
        data[26..38].copy_from_slice(&addresses);
        data[38..42].copy_from_slice(&self.state.stream.to_be_bytes());
        data[46..48].copy_from_slice(&[0x50, 0x10]);
        self.state.stream = self.state.stream.wrapping_add(u32::from(total) - 40);
    }

    fn send(&mut self, to: u8, len: usize) {
        let mut data = vec![self.state.rng.next_u32() as u8; len.max(14)];
        data[..6].copy_from_slice(&[0, 0, 0, 0, 0, to]);
        data[6..12].copy_from_slice(&[0, 0, 0, 0, 0, self.state.address]);
        if len >= 60 && self.state.rng.below(2) == 0 {
            self.fill_segment(&mut data);
        }
        let data: Arc<[u8]> = data.into();
        self.state.recorder.sent(self.state.now, 0, &data);
        self.sent.push(Sent { at: self.state.now, port: 0, data });
    }
}

impl Device for Toy {
    fn ports(&self) -> &[Port] {
        &self.ports
    }
    fn now(&self) -> Time {
        self.state.now
    }
    fn next_event(&self) -> Time {
        self.state.inbox.keys().next().map_or(Time::MAX, |(at, ..)| *at).min(self.state.next)
    }
    fn run_until(&mut self, end: Time) -> Ran {
        while self.next_event() < end {
            let heard = self.state.inbox.first_entry().filter(|entry| entry.key().0 <= self.state.next);
            if let Some(entry) = heard {
                let ((at, ..), data) = entry.remove_entry();
                self.state.now = at;
                self.state.received += 1;
                self.state.recorder.received(at, 0, &data.clone().into());
                if self.state.rng.below(3) == 0 && data.len() >= 12 {
                    self.send(data[11], 20 + self.state.rng.clone().below(200) as usize);
                }
            } else {
                self.state.now = self.state.next;
                let to = self.state.rng.below(8) as u8;
                self.send(to, 60);
                self.state.recorder.log(self.state.now, Level::Info, "toy", "sent".to_owned());
                let gap = 1 + self.state.rng.below(400);
                self.state.next = self.state.now + Time::from_us(gap);
            }
        }
        Ran::Reached
    }
    fn give(&mut self, input: Input) {
        let data = match input.what {
            What::Frame { data, .. } => data.to_vec(),
            What::Action(Action::Send { data, .. }) => data,
            What::Action(_) => return,
        };
        self.state.inbox.insert((input.at, input.source, input.seq), data);
    }
    fn check(&self, action: &Action) -> Result<(), SetError> {
        match action {
            Action::Send { port, .. } if port != "lan" => Err(SetError::NoChannel(port.clone())),
            _ => Ok(()),
        }
    }
    fn take_sent(&mut self, out: &mut Vec<Sent>) {
        out.append(&mut self.sent);
    }
    fn take_events(&mut self, out: &mut Vec<Event>) {
        self.state.recorder.take(out);
    }
    fn want_events(&mut self, wanted: bool) {
        self.state.recorder.want(wanted);
    }
    fn save(&self) -> Result<Vec<u8>, StateError> {
        state::to_bytes(&self.state)
    }
    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError> {
        self.state = state::from_bytes(saved)?;
        Ok(())
    }
    fn digest(&self) -> Result<Digest, StateError> {
        Ok(Digest(*blake3::hash(&self.save()?).as_bytes()))
    }
    fn stats(&self) -> Stats {
        Stats { received: self.state.received, ..Stats::default() }
    }
    fn activity(&self) -> Activity {
        Activity::Asleep
    }
    fn debug(&mut self) -> Option<&mut dyn Debug> {
        None
    }
}

#[derive(Clone, Debug)]
struct Plan {
    devices: usize,
    seed: u64,
    latencies: Vec<u64>,
    loss: u32,
    faults: Vec<Fault>,
    drifts: Vec<i32>,
}

fn fault() -> impl Strategy<Value = Fault> {
    let share = || 0u32..=1_000_000;
    let span = || (0u64..900).prop_map(Time::from_us);
    prop_oneof![
        Just(Fault::Cut),
        share().prop_map(Fault::Loss),
        (share(), share(), share()).prop_map(|(begin, end, loss)| Fault::BurstLoss(Burst {
            begin,
            end,
            loss
        })),
        span().prop_map(Fault::Delay),
        span().prop_map(Fault::Jitter),
        (100_000u64..20_000_000).prop_map(Fault::Bandwidth),
        share().prop_map(Fault::Duplicate),
        (share(), span()).prop_map(|(share, by)| Fault::Reorder(Reorder { share, by })),
        share().prop_map(Fault::Corrupt),
        (1u32..60).prop_map(Fault::Split),
        span().prop_map(Fault::Coalesce),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let faults = prop::collection::vec(fault(), 0..4);
    let drifts = prop::collection::vec(-100_000i32..=100_000, 0..7);
    (2usize..7, any::<u64>(), prop::collection::vec(5u64..300, 1..3), 0u32..300_000, faults, drifts).prop_map(
        |(devices, seed, latencies, loss, faults, drifts)| Plan {
            devices,
            seed,
            latencies,
            loss,
            faults,
            drifts,
        },
    )
}

/// One switch, or two with the devices shared out between them.
fn fleet(plan: &Plan) -> Fleet {
    let devices = (0..plan.devices).map(|index| {
        let toy: Box<dyn Device> = Box::new(Toy::new(index, plan.seed));
        let device = match plan.drifts.get(index) {
            Some(ppm) => Box::new(Drifting::new(toy, *ppm)),
            None => toy,
        };
        (format!("toy-{index}"), device)
    });
    let mut fleet = Fleet::new(devices.collect()).unwrap();
    if !plan.drifts.is_empty() {
        let (component, channel) = ("clock".to_owned(), "drift".to_owned());
        let what = Action::Set { component, channel, value: Value::Number(-70_000.0) };
        let what = StimulusKind::Device("toy-0".into(), what);
        fleet.inject(Stimulus { at: Time::from_us(2_500), what }).unwrap();
    }
    for (number, latency) in plan.latencies.iter().enumerate() {
        let ends: Vec<Endpoint> = (0..plan.devices)
            .filter(|index| index % plan.latencies.len() == number)
            .map(|device| Endpoint { device, port: 0 })
            .collect();
        let config = LanConfig { latency: Time::from_us(*latency), bandwidth: 10_000_000 };
        let mut lan = Lan::new(config, ends.len(), Rng::new(plan.seed, &format!("lan-{number}")));
        lan.rules_mut().add(Rule {
            after: Time::from_ms(1),
            before: Time::from_ms(3),
            from: None,
            to: None,
            fault: Fault::Loss(plan.loss),
        });
        for (index, fault) in plan.faults.iter().enumerate() {
            let (after, before) = (Time::from_ms(1 + index as u64), Time::from_ms(5 + index as u64));
            lan.rules_mut().add(Rule { after, before, from: None, to: None, fault: *fault });
        }
        fleet.join(&format!("lan-{number}"), Box::new(lan), ends).unwrap();
    }
    fleet
}

const END: Time = Time::from_ms(8);

fn digest(plan: &Plan, pace: Pace, stops: &[u64], watcher: &mut dyn Observer) -> (Digest, u64) {
    let mut fleet = fleet(plan);
    fleet.set_pace(pace);
    for stop in stops {
        let at = Time::from_us(*stop).min(END);
        if at > fleet.now() {
            assert_eq!(fleet.run_until(at, watcher), Stop::Reached);
        }
    }
    assert_eq!(fleet.run_until(END, watcher), Stop::Reached);
    assert_eq!(fleet.now(), END);
    (fleet.digest().unwrap(), fleet.totals().frames)
}

/// Checks that everything comes in order, and writes it down.
#[derive(Default)]
struct Ordered {
    last: Time,
    told: Vec<String>,
}

impl Observer for Ordered {
    fn sent(&mut self, device: usize, _: &Port, sent: &Sent) {
        assert!(sent.at >= self.last, "{} after {}", sent.at, self.last);
        self.last = sent.at;
        self.told.push(format!("{} {device} {:?}", sent.at, sent.data));
    }
    fn carried(&mut self, _: usize, frame: &Carried<'_>) {
        for delivery in frame.deliveries {
            assert!(delivery.at >= frame.at + Time::from_us(5), "faster than the link");
        }
    }
    fn window(&mut self, now: Time) -> ControlFlow<()> {
        assert!(now >= self.last);
        ControlFlow::Continue(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn threads_quantum_stops_and_watchers_do_not_change_the_result(
        plan in plan(),
        threads in 1usize..6,
        quantum in 1u64..2_000,
        stops in prop::collection::btree_set(1u64..8_000, 0..6),
    ) {
        let (base, frames) = digest(&plan, Pace { threads: 1, quantum: END }, &[], &mut ());
        prop_assert!(frames > 0);
        let pace = Pace { threads, quantum: Time::from_us(quantum) };
        let stops: Vec<u64> = stops.into_iter().collect();
        let mut watcher = Ordered::default();
        prop_assert_eq!((base, frames), digest(&plan, pace, &stops, &mut watcher));
        let mut again = Ordered::default();
        prop_assert_eq!((base, frames), digest(&plan, Pace::default(), &[], &mut again));
        prop_assert_eq!(watcher.told, again.told);
    }

    #[test]
    fn a_restored_run_is_the_uninterrupted_one(plan in plan(), cut in 1u64..7_999, threads in 1usize..3) {
        let pace = Pace { threads, quantum: Time::from_us(70) };
        let (base, _) = digest(&plan, pace, &[], &mut ());
        let mut first = fleet(&plan);
        first.run_until(Time::from_us(cut), &mut ());
        let saved = first.save().unwrap();
        let mut second = fleet(&plan);
        second.restore(&saved).unwrap();
        prop_assert_eq!(first.digest().unwrap(), second.digest().unwrap());
        second.set_pace(pace);
        second.run_until(END, &mut ());
        prop_assert_eq!(base, second.digest().unwrap());
    }

    #[test]
    fn another_seed_is_another_run(plan in plan()) {
        let other = Plan { seed: plan.seed.wrapping_add(1), ..plan.clone() };
        let pace = Pace::default();
        prop_assert_ne!(digest(&plan, pace, &[], &mut ()).0, digest(&other, pace, &[], &mut ()).0);
    }

    #[test]
    fn damaged_states_are_refused_or_read_but_never_panic(plan in plan(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut saved = fleet(&plan).save().unwrap();
        let at = at.index(saved.len());
        saved[at] ^= flip;
        let _ = fleet(&plan).restore(&saved);
        prop_assert!(fleet(&plan).restore(&saved[..at]).is_err());
    }
}

#[test]
fn stimuli_take_effect_at_their_time_and_are_in_the_journal() {
    let plan =
        Plan { devices: 2, seed: 1, latencies: vec![100], loss: 0, faults: Vec::new(), drifts: Vec::new() };
    let mut fleet = fleet(&plan);
    let send = |at, port: &str| Stimulus {
        at: Time::from_us(at),
        what: StimulusKind::Device("toy-1".into(), Action::Send { port: port.into(), data: vec![1, 2, 3] }),
    };
    fleet.run_until(Time::from_us(50), &mut ());
    fleet.inject(send(60, "lan")).unwrap();
    assert_eq!(
        fleet.inject(send(49, "lan")),
        Err(FleetError::Past { at: Time::from_us(49), now: Time::from_us(50) })
    );
    assert!(matches!(fleet.inject(send(60, "uart")), Err(FleetError::Set { .. })));
    assert_eq!(fleet.journal(), [send(60, "lan")]);
    let before = fleet.stats(1).received;
    fleet.run_until(Time::from_us(61), &mut ());
    assert_eq!(fleet.stats(1).received, before + 1);
}

#[test]
fn wrong_fleets_are_refused() {
    let toy = |name: &str| (name.to_owned(), Box::new(Toy::new(0, 0)) as Box<dyn Device>);
    assert_eq!(Fleet::new(vec![toy("a"), toy("a")]).err(), Some(FleetError::DuplicateName("a".into())));
    let mut fleet = Fleet::new(vec![toy("a"), toy("b")]).unwrap();
    let lan = || Box::new(Lan::new(LanConfig::default(), 2, Rng::new(0, "lan")));
    let end = |device, port| Endpoint { device, port };
    assert!(matches!(fleet.join("x", lan(), vec![end(0, 1)]), Err(FleetError::NoPort { .. })));
    assert!(matches!(fleet.join("x", lan(), vec![end(7, 0)]), Err(FleetError::NoPort { .. })));
    fleet.join("x", lan(), vec![end(0, 0), end(1, 0)]).unwrap();
    assert!(matches!(fleet.join("x", lan(), vec![]), Err(FleetError::DuplicateName(_))));
    assert!(matches!(fleet.join("y", lan(), vec![end(0, 0)]), Err(FleetError::PortTaken { .. })));
}

#[test]
fn a_fleet_that_sleeps_jumps() {
    let mut fleet = Fleet::new(Vec::new()).unwrap();
    assert_eq!(fleet.run_until(Time::from_secs(3_600 * 24 * 200), &mut ()), Stop::Reached);
    assert_eq!(fleet.totals().windows, 0);
}
