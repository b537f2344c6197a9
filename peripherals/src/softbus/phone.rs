//! A scripted node: a member of the fleet without firmware that behaves, or misbehaves, as its data says.
//!
//! It publishes and seeks, joins every trusted device it finds, opens the sessions of its plan with each, and
//! says its lines when a session is open. What happens is told in the trace's reports. Its state is saved whole:
//! no host resource and no library's hidden state is behind it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use consort_core::Time;
use consort_core::component::{Channel, PortKind, SetError, Value};
use consort_core::device::{Action, Activity, Debug, Device, Input, Port, Ran, Sent, Stats, What};
use consort_core::panel::PartState;
use consort_core::rng::Rng;
use consort_core::state::{self, StateError};
use consort_core::trace::{self, Chain, Digest, Level, Recorder, Report};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::{Capability, NodeConfig};
use super::node::{Event, Frequency, How, Misbehaviour, Node, Service, SessionId};
use super::report::report;

const PORT: u16 = 0;
/// The name of the only component, for stimuli.
const COMPONENT: &str = "phone";
const WHO: &str = "softbus";

fn yes() -> bool {
    true
}

fn default_every() -> Time {
    Time::from_secs(5)
}

/// What a scripted node seeks.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Seek {
    /// Devices that offer one of these.
    pub capabilities: Vec<Capability>,
    /// How often it broadcasts in one search.
    #[serde(default)]
    pub frequency: Frequency,
}

/// A session that is opened with every device that comes online and fits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SessionPlan {
    /// The own session server's name; it is created.
    pub name: String,
    /// The peer's; the own name when absent.
    #[serde(default)]
    pub peer: Option<String>,
    /// The peer's UDID; every device when absent.
    #[serde(default)]
    pub to: Option<String>,
}

/// Something said in sessions, at a time after they opened. One of `bytes`, `message` and `misbehave`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Line {
    /// The own session server's name.
    pub session: String,
    /// When, since the session opened.
    #[serde(default)]
    pub after: Time,
    /// Again after each such span.
    #[serde(default)]
    pub every: Option<Time>,
    /// How often in all; once, or without end when `every` is given.
    #[serde(default)]
    pub times: Option<u32>,
    /// Text to send as bytes.
    #[serde(default)]
    pub bytes: Option<String>,
    /// Text to send as a message.
    #[serde(default)]
    pub message: Option<String>,
    /// What to do wrong.
    #[serde(default)]
    pub misbehave: Option<Misbehaviour>,
}

/// What a scripted node is and does.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PhoneConfig {
    /// Its identity, address and trust.
    #[serde(default)]
    pub node: NodeConfig,
    /// What it offers from the beginning.
    #[serde(default)]
    pub publish: Vec<Capability>,
    /// What it seeks from the beginning.
    #[serde(default)]
    pub seek: Option<Seek>,
    /// Session servers it has besides those of its plan.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Whether it joins every trusted device it finds.
    #[serde(default = "yes")]
    pub join: bool,
    /// How often it seeks again and mends what is missing.
    #[serde(default = "default_every")]
    pub every: Time,
    /// Sessions it opens.
    #[serde(default)]
    pub sessions: Vec<SessionPlan>,
    /// What it says.
    #[serde(default)]
    pub lines: Vec<Line>,
    /// Whether it sends every payload it receives back as it came.
    #[serde(default)]
    pub echo: bool,
}

/// Words of a configuration that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PhoneError(String);

impl PhoneConfig {
    fn check(&self) -> Result<(), PhoneError> {
        for (index, line) in self.lines.iter().enumerate() {
            let ways = [line.bytes.is_some(), line.message.is_some(), line.misbehave.is_some()];
            if ways.into_iter().filter(|way| *way).count() != 1 {
                return Err(PhoneError(format!(
                    "line {index} needs one of `bytes`, `message` and `misbehave`"
                )));
            }
            if line.every == Some(Time::ZERO) {
                return Err(PhoneError(format!("line {index} would be said without end at one instant")));
            }
            let known = |name: &String| {
                self.servers.contains(name) || self.sessions.iter().any(|plan| plan.name == *name)
            };
            if !known(&line.session) {
                return Err(PhoneError(format!("line {index}: there is no session `{}`", line.session)));
            }
        }
        if self.every < Time::from_ms(1) {
            return Err(PhoneError("`every` is at least 1ms".to_owned()));
        }
        if !(8..=30).contains(&self.node.prefix) {
            return Err(PhoneError("`prefix` is 8 to 30".to_owned()));
        }
        Ok(())
    }
}

/// An input that has not taken effect; actions as JSON, because binary formats cannot read their values back.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Given {
    Frame(Vec<u8>),
    Action(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OpenSession {
    name: String,
    udid: String,
    /// Whether it is open, or still opening.
    open: bool,
    incoming: bool,
    /// Per line of the script: when it is next said, and how often still.
    lines: Vec<(Time, u32)>,
}

/// Everything that changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Live {
    node: Node,
    rng: Rng,
    now: Time,
    inbox: BTreeMap<(Time, u32, u64), Given>,
    recorder: Recorder,
    on: bool,
    started: bool,
    next_round: Time,
    sessions: BTreeMap<SessionId, OpenSession>,
    stats: Stats,
}

/// A scripted node of the fleet.
pub struct ScriptedPhone {
    config: PhoneConfig,
    ports: Vec<Port>,
    live: Live,
    sent: Vec<Sent>,
}

impl ScriptedPhone {
    /// A node called `name` in a fleet with `seed`.
    pub fn new(name: &str, seed: u64, mut config: PhoneConfig) -> Result<Self, PhoneError> {
        config.check()?;
        if config.node.name.is_empty() {
            config.node.name = name.to_owned();
        }
        let mut rng = Rng::new(seed, name);
        let node = Node::new(config.node.clone(), Rng::new(rng.next_u64(), name));
        let live = Live {
            node,
            rng,
            now: Time::ZERO,
            inbox: BTreeMap::new(),
            recorder: Recorder::default(),
            on: true,
            started: false,
            next_round: Time::ZERO,
            sessions: BTreeMap::new(),
            stats: Stats::default(),
        };
        let ports = vec![Port { name: "lan".to_owned(), kind: PortKind::Ethernet }];
        Ok(Self { config, ports, live, sent: Vec::new() })
    }

    fn log(&mut self, level: Level, text: String) {
        self.live.recorder.log(self.live.now, level, WHO, text);
    }

    fn restart(&mut self) {
        let rng = Rng::new(self.live.rng.next_u64(), "restart");
        self.live.node = Node::new(self.config.node.clone(), rng);
        self.live.sessions.clear();
        self.live.started = false;
        self.live.next_round = self.live.now;
    }

    fn own_wake(&self) -> Time {
        if !self.live.on {
            return Time::MAX;
        }
        let sessions = self.live.sessions.values().filter(|session| session.open);
        let lines = sessions.flat_map(|session| &session.lines).filter(|(_, left)| *left > 0);
        let lines = lines.map(|(at, _)| *at).min().unwrap_or(Time::MAX);
        self.live.next_round.min(self.live.node.next_wake()).min(lines)
    }

    fn next_input(&self) -> Time {
        self.live.inbox.first_key_value().map_or(Time::MAX, |((at, ..), _)| *at)
    }

    fn start(&mut self) {
        self.live.started = true;
        let now = self.live.now;
        let names: Vec<String> = self
            .config
            .servers
            .iter()
            .chain(self.config.sessions.iter().map(|plan| &plan.name))
            .cloned()
            .collect();
        for name in names {
            if let Err(error) = self.live.node.create_session_server("consort.scripted", &name) {
                self.log(Level::Info, format!("session server {name}: {error}"));
            }
        }
        if !self.config.publish.is_empty() {
            let capability = Capability::bits(&self.config.publish);
            let service = Service { id: 1, capability, ..Service::default() };
            if let Err(error) = self.live.node.publish(now, service) {
                self.log(Level::Info, format!("publish {capability:#x}: {error}"));
            }
        }
    }

    /// Seeks again, joins and opens what is missing.
    fn round(&mut self) {
        let now = self.live.now;
        self.live.next_round = now + self.config.every;
        if let Some(seek) = &self.config.seek {
            let service = Service {
                id: 1,
                capability: Capability::bits(&seek.capabilities),
                how: How::Active,
                frequency: seek.frequency,
                data: Vec::new(),
            };
            let missing = self.config.node.trust.iter();
            let online: Vec<&str> = self.live.node.online().collect();
            let all_there = missing.clone().count() > 0
                && missing.clone().all(|trusted| online.contains(&trusted.udid.as_str()));
            if !all_there && let Err(error) = self.live.node.refresh(now, service) {
                self.log(Level::Info, format!("seek: {error}"));
            }
        }
        self.mend();
    }

    fn mend(&mut self) {
        let now = self.live.now;
        if self.config.join {
            let trusted = |udid: &String| self.config.node.trusted(udid).is_some();
            let online: Vec<String> = self.live.node.online().map(str::to_owned).collect();
            let missing: Vec<String> = self
                .live
                .node
                .found()
                .map(|found| found.udid.clone())
                .filter(|udid| trusted(udid) && !online.contains(udid))
                .collect();
            for udid in missing {
                if let Err(error) = self.live.node.join(now, &udid) {
                    self.log(Level::Info, format!("join {udid}: {error}"));
                }
            }
        }
        let online: Vec<String> = self.live.node.online().map(str::to_owned).collect();
        for plan in self.config.sessions.clone() {
            for udid in online.iter().filter(|udid| plan.to.as_ref().is_none_or(|to| to == *udid)) {
                let known =
                    self.live.sessions.values().any(|session| {
                        session.name == plan.name && session.udid == *udid && !session.incoming
                    });
                if known {
                    continue;
                }
                let peer = plan.peer.as_ref().unwrap_or(&plan.name);
                match self.live.node.open_session(now, &plan.name, peer, udid) {
                    Ok(id) => {
                        let (name, udid) = (plan.name.clone(), udid.clone());
                        let session =
                            OpenSession { name, udid, open: false, incoming: false, lines: Vec::new() };
                        self.live.sessions.insert(id, session);
                    }
                    Err(error) => self.log(Level::Info, format!("open session {}: {error}", plan.name)),
                }
            }
        }
    }

    fn opened(&mut self, id: SessionId, name: String, udid: String, incoming: bool) {
        let now = self.live.now;
        let lines = self.config.lines.iter().map(|line| {
            let times = line.times.unwrap_or(if line.every.is_some() { u32::MAX } else { 1 });
            (now + line.after, if line.session == name { times } else { 0 })
        });
        let lines = lines.collect();
        self.live.sessions.insert(id, OpenSession { name, udid, open: true, incoming, lines });
    }

    fn say_lines(&mut self) {
        let now = self.live.now;
        let mut due = Vec::new();
        for (id, session) in self.live.sessions.iter_mut().filter(|(_, session)| session.open) {
            for (index, (at, left)) in session.lines.iter_mut().enumerate() {
                if *left == 0 || *at > now {
                    continue;
                }
                if *left != u32::MAX {
                    *left -= 1;
                }
                match self.config.lines.get(index).and_then(|line| line.every) {
                    Some(every) => *at = now + every,
                    None => *left = 0,
                }
                due.push((*id, index));
            }
        }
        for (id, index) in due {
            let Some(line) = self.config.lines.get(index).cloned() else { continue };
            let result = if let Some(text) = &line.bytes {
                self.live.node.send_bytes(now, id, text.as_bytes())
            } else if let Some(text) = &line.message {
                self.live.node.send_message(now, id, text.as_bytes()).map(|_| ())
            } else if let Some(how) = line.misbehave {
                self.log(Level::Info, format!("session {}: misbehaves: {how:?}", id.0));
                self.live.node.misbehave(now, id, how)
            } else {
                Ok(())
            };
            if let Err(error) = result {
                self.log(Level::Info, format!("session {}: line {index}: {error}", id.0));
            }
        }
    }

    /// Tells what happened and reacts to it.
    fn react(&mut self) {
        while let Some(event) = self.live.node.take_event() {
            let now = self.live.now;
            let (what, details) = report(&self.live.node, &event);
            self.live.recorder.report(now, Report { who: WHO.to_owned(), what: what.to_owned(), details });
            match event {
                Event::Found(_) | Event::Online { .. } => self.mend(),
                Event::SessionOpened { id, name, udid, incoming, result: Ok(()) } => {
                    self.opened(id, name, udid, incoming);
                }
                Event::SessionOpened { id, .. } | Event::SessionClosed { id, .. } => {
                    self.live.sessions.remove(&id);
                }
                Event::Bytes { id, data } if self.config.echo => {
                    let _ = self.live.node.send_bytes(now, id, &data);
                }
                Event::Message { id, data } if self.config.echo => {
                    let _ = self.live.node.send_message(now, id, &data);
                }
                _ => {}
            }
        }
    }

    fn emit(&mut self) {
        for frame in self.live.node.take_frames() {
            let (at, data) = (self.live.now, Arc::from(frame));
            self.live.recorder.sent(at, PORT, &data);
            self.live.stats.sent += 1;
            self.sent.push(Sent { at, port: PORT, data });
        }
    }

    fn take_input(&mut self, given: Given) {
        let now = self.live.now;
        match given {
            Given::Frame(data) if self.live.on => {
                let data = Arc::from(data);
                self.live.recorder.received(now, PORT, &data);
                self.live.stats.received += 1;
                self.live.node.receive(now, &data);
            }
            Given::Frame(_) => {}
            Given::Action(text) => {
                self.live.recorder.stimulus(now, &text);
                if let Ok(action) = serde_json::from_str(&text) {
                    self.act(action);
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Reset if self.live.on => self.restart(),
            Action::PowerOff => self.live.on = false,
            Action::PowerOn if !self.live.on => {
                self.live.on = true;
                self.restart();
            }
            Action::Set { channel, value, .. } if self.live.on => self.command(&channel, &value),
            Action::Send { .. }
            | Action::Set { .. }
            | Action::Reset
            | Action::PowerOn
            | Action::Program { .. } => {}
        }
    }

    fn command(&mut self, channel: &str, value: &Value) {
        let now = self.live.now;
        let Value::Text(text) = value else { return };
        match (channel, text.parse()) {
            ("ip", Ok(ip)) => return self.live.node.set_ip(now, ip),
            ("presence", _) => return self.live.node.say_presence(now, text == "online"),
            _ => {}
        }
        let open: Vec<SessionId> =
            self.live.sessions.iter().filter(|(_, session)| session.open).map(|(id, _)| *id).collect();
        for id in open {
            let result = match channel {
                "bytes" => self.live.node.send_bytes(now, id, text.as_bytes()),
                "message" => self.live.node.send_message(now, id, text.as_bytes()).map(|_| ()),
                _ => match misbehaviour(text) {
                    Some(how) => self.live.node.misbehave(now, id, how),
                    None => Ok(()),
                },
            };
            if let Err(error) = result {
                self.log(Level::Info, format!("session {}: {channel}: {error}", id.0));
            }
        }
    }

    /// What happens at the present instant besides inputs.
    fn wake(&mut self) {
        let now = self.live.now;
        if !self.live.on {
            return;
        }
        if !self.live.started {
            self.start();
        }
        if self.live.next_round <= now {
            self.round();
        }
        if self.live.node.next_wake() <= now {
            self.live.node.wake(now);
        }
        self.say_lines();
    }
}

/// What stimuli can set.
fn channels() -> [Channel; 5] {
    [
        Channel::text("bytes", "sent to every open session"),
        Channel::text("message", "sent to every open session as a message"),
        Channel::text("misbehave", "done wrong in every open session"),
        Channel::text("presence", "`online` or `offline`: told to everyone in a discovery message"),
        Channel::text("ip", "another IPv4 address, as when a lease ends"),
    ]
}

fn misbehaviour(text: &str) -> Option<Misbehaviour> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

impl Device for ScriptedPhone {
    fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn now(&self) -> Time {
        self.live.now
    }

    fn next_event(&self) -> Time {
        self.next_input().min(self.own_wake()).max(self.live.now)
    }

    fn run_until(&mut self, end: Time) -> Ran {
        loop {
            let (input, own) = (self.next_input(), self.own_wake());
            let next = input.min(own);
            if next >= end {
                return Ran::Reached;
            }
            self.live.now = self.live.now.max(next);
            if input <= own {
                if let Some((_, given)) = self.live.inbox.pop_first() {
                    self.take_input(given);
                }
            } else {
                self.wake();
            }
            self.react();
            self.emit();
        }
    }

    fn give(&mut self, input: Input) {
        let given = match input.what {
            What::Frame { data, .. } => Given::Frame(data.to_vec()),
            What::Action(action) => Given::Action(serde_json::to_string(&action).unwrap_or_default()),
        };
        self.live.inbox.insert((input.at, input.source, input.seq), given);
    }

    fn check(&self, action: &Action) -> Result<(), SetError> {
        match action {
            Action::Send { port, .. } => Err(SetError::NoChannel(port.clone())),
            Action::Set { component, channel, value } => {
                let name = || format!("{component}.{channel}");
                let channels = channels();
                let known = channels.iter().find(|known| component == COMPONENT && known.name == channel);
                known.ok_or_else(|| SetError::NoChannel(name()))?.check(value)?;
                let Value::Text(text) = value else { return Ok(()) };
                let expected = match channel.as_str() {
                    "misbehave" if misbehaviour(text).is_none() => {
                        "bad-magic, replay, bad-tag, huge-length, half-frame, garbage, reset or file-frames"
                    }
                    "presence" if !matches!(text.as_str(), "online" | "offline") => "online or offline",
                    "ip" if text.parse::<Ipv4Addr>().is_err() => "an IPv4 address such as 10.0.0.9",
                    _ => return Ok(()),
                };
                Err(SetError::BadValue { channel: name(), expected: expected.to_owned() })
            }
            Action::Reset | Action::PowerOff | Action::PowerOn => Ok(()),
            Action::Program { .. } => Err(SetError::NoChannel("memory".to_owned())),
        }
    }

    fn take_sent(&mut self, out: &mut Vec<Sent>) {
        out.append(&mut self.sent);
    }

    fn take_events(&mut self, out: &mut Vec<trace::Event>) {
        self.live.recorder.take(out);
    }

    fn want_events(&mut self, wanted: bool) {
        self.live.recorder.want(wanted);
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        state::to_bytes(&self.live)
    }

    fn restore(&mut self, saved: &[u8]) -> Result<(), StateError> {
        let live: Live = state::from_bytes(saved)?;
        if *live.node.config() != self.config.node {
            return Err(StateError("it was saved from a node with another configuration".to_owned()));
        }
        self.live = live;
        self.sent.clear();
        Ok(())
    }

    fn digest(&self) -> Result<Digest, StateError> {
        let mut chain = Chain::default();
        chain.add(self.live.now, 0, &self.live.recorder.digest().0);
        chain.add(self.live.now, 1, &self.save()?);
        Ok(chain.digest())
    }

    fn stats(&self) -> Stats {
        self.live.stats
    }

    fn activity(&self) -> Activity {
        if self.live.on { Activity::Asleep } else { Activity::Off }
    }

    fn parts(&self) -> Vec<PartState> {
        let present =
            |channel: &Channel| (channel.name == "ip").then(|| Value::Text(self.live.node.ip().to_string()));
        let channels = channels().map(|channel| (channel.clone(), present(&channel))).to_vec();
        vec![PartState { name: COMPONENT.to_owned(), channels, shows: None }]
    }

    fn debug(&mut self) -> Option<&mut dyn Debug> {
        None
    }
}
