//! Runs a scenario: gives its inputs at their times, watches, and decides.
//!
//! What a step does after something observed takes effect [`REACTION`] after that event's own virtual time, and
//! no window is longer than that: so the time is the same whatever the windows are.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use consort_core::Time;
use consort_core::capture::{self, LinkType};
use consort_core::device::{Action, Halt, Port, Sent};
use consort_core::fleet::{Carried, Fleet, Observer, Pace, Stimulus, StimulusKind, Stop};
use consort_core::link::Rule;
use consort_core::trace::Event;

use super::Drive;
use super::compare::{self, Compared};
use super::matcher::{Hit, Matcher, Names, Scanner, fill};
use super::picture::{self, Pictures};
use super::plan::{Op, Planned};
use super::seen::{Keep, Seen, Stream};
use super::verdict::{Failure, LastLines};

/// How long after an observed event the next step acts.
pub const REACTION: Time = Time::from_ms(1);
/// How often `expect` with `within` looks.
const POLL: Time = Time::from_ms(1);
/// How many lines of a UART a failure shows.
const SHOWN_LINES: usize = 10;
/// How many bytes of a frame it shows: Ethernet, IP and UDP headers.
const SHOWN_BYTES: usize = 42;

/// How a run went, without its place in the file.
pub(super) struct Outcome {
    pub failure: Option<Failure>,
    /// False when the observer ended the run, or `until` came first.
    pub complete: bool,
    pub seen: Seen,
    pub pictures: Pictures,
    pub steps: u64,
}

/// What holds for a whole run.
pub(super) struct Terms {
    pub seed: u64,
    pub limit: Time,
    /// End undecided at this time.
    pub until: Option<Time>,
    /// No window is longer than this, which is at most [`REACTION`].
    pub quantum: Time,
    /// What steps ask about.
    pub keep: Keep,
}

pub(super) struct Judge<'p> {
    fleet: Fleet,
    consoles: Vec<Option<u16>>,
    limit: Time,
    until: Time,
    seen: Seen,
    branches: Vec<Branch<'p>>,
    never: Vec<Never<'p>>,
    pictures: Pictures,
    steps: u64,
}

/// A sequence of steps with its own present.
struct Branch<'p> {
    /// When it acts next.
    at: Time,
    stack: Vec<Round<'p>>,
    /// The rounds of the `repeat`s around the branch.
    outer: Vec<(u32, u32)>,
    state: State<'p>,
    cursors: BTreeMap<Stream, usize>,
    names: Names,
    marks: BTreeMap<String, Time>,
}

impl Branch<'_> {
    /// The round of each `repeat` it is in, and of how many.
    fn rounds(&self) -> Vec<(u32, u32)> {
        let own = self.stack.iter().filter(|round| round.times > 1).map(|round| (round.round, round.times));
        self.outer.iter().copied().chain(own).collect()
    }
}

/// Steps that a branch is in the middle of.
#[derive(Clone)]
struct Round<'p> {
    steps: &'p [Planned],
    next: usize,
    /// From 1.
    round: u32,
    times: u32,
}

enum State<'p> {
    Ready,
    Waiting { step: &'p Planned, scanner: Scanner, deadline: Time, mark: Option<&'p str>, hit: Option<Hit> },
    Forbidding { step: &'p Planned, scanner: Scanner, until: Time, hit: Option<Hit> },
    Polling { step: &'p Planned, until: Time },
    Joining(Vec<usize>),
    Failed(Box<Failure>),
    Ended,
}

/// Something that must not happen at any time.
pub(super) struct Never<'p> {
    pub pointer: String,
    pub matcher: &'p Matcher,
    pub scanner: Scanner,
    pub hit: Option<Hit>,
}

impl<'p> Judge<'p> {
    pub fn new(
        mut fleet: Fleet,
        consoles: Vec<Option<u16>>,
        steps: &'p [Planned],
        never: Vec<Never<'p>>,
        terms: &Terms,
    ) -> Self {
        fleet.set_pace(Pace { threads: 1, quantum: terms.quantum });
        let root = Branch {
            at: fleet.now(),
            stack: vec![Round { steps, next: 0, round: 1, times: 1 }],
            outer: Vec::new(),
            state: State::Ready,
            cursors: BTreeMap::new(),
            names: Names::from([("seed".to_owned(), terms.seed.to_string())]),
            marks: BTreeMap::new(),
        };
        let seen = Seen::new(terms.keep);
        let (limit, until) = (terms.limit, terms.until.unwrap_or(Time::MAX));
        Self {
            fleet,
            consoles,
            limit,
            until,
            seen,
            branches: vec![root],
            never,
            pictures: Pictures::new(),
            steps: 0,
        }
    }

    /// Runs to the end; the fleet comes back in its last state.
    pub fn run(mut self, also: &mut dyn Observer, drive: &mut Drive<'_>) -> (Fleet, Outcome) {
        let (failure, complete) = loop {
            // Every branch acts in each round, so this is no `any`, which would stop at the first.
            while (0..self.branches.len()).filter(|index| self.act(*index)).count() > 0 {}
            let now = self.fleet.now();
            if let Some(failure) = self.failure(now) {
                break (Some(failure), true);
            }
            if matches!(self.branches[0].state, State::Ended) {
                break (None, true);
            }
            if now >= self.until {
                break (None, false);
            }
            if now >= self.limit {
                break (Some(self.too_long(now)), true);
            }
            let stop = self.next_stop();
            let mut watch = Watch {
                seen: &mut self.seen,
                branches: &mut self.branches,
                never: &mut self.never,
                also,
                ended: false,
            };
            let stopped = drive(&mut self.fleet, stop, &mut watch);
            if watch.ended {
                break (None, false);
            }
            if let Stop::Halted(halts) = stopped {
                break (Some(self.halted(&halts)), true);
            }
            self.settle();
        };
        let Self { fleet, seen, pictures, steps, .. } = self;
        (fleet, Outcome { failure, complete, seen, pictures, steps })
    }

    /// When something must be done or decided next.
    fn next_stop(&self) -> Time {
        let due = self.branches.iter().map(|branch| match &branch.state {
            State::Ready | State::Polling { .. } | State::Failed(_) => branch.at,
            State::Waiting { deadline, .. } => *deadline,
            State::Forbidding { until, .. } => *until,
            State::Joining(_) | State::Ended => Time::MAX,
        });
        let never = self.never.iter().filter_map(|never| Some(never.hit.as_ref()?.at + REACTION));
        due.chain(never).fold(self.limit.min(self.until), Time::min)
    }

    /// What has failed by now, the first branch first.
    fn failure(&mut self, now: Time) -> Option<Failure> {
        for branch in &mut self.branches {
            if branch.at <= now && matches!(branch.state, State::Failed(_)) {
                let State::Failed(failure) = std::mem::replace(&mut branch.state, State::Ended) else {
                    continue;
                };
                return Some(*failure);
            }
        }
        let never = self.never.iter().find_map(|never| {
            let hit = never.hit.as_ref().filter(|hit| hit.at + REACTION <= now)?;
            Some((never.pointer.clone(), never.matcher, hit.clone()))
        });
        let (pointer, matcher, hit) = never?;
        let expected = format!("never a {}", self.describe(matcher, &self.branches[0].names));
        let found = self.came(matcher, &hit);
        let failure = Failure::new("never", &pointer, hit.at, expected, found);
        Some(self.with_lines(failure, matcher))
    }

    fn too_long(&self, now: Time) -> Failure {
        let busy =
            self.branches.iter().find(|branch| !matches!(branch.state, State::Ended | State::Joining(_)));
        let round = busy.and_then(|branch| branch.stack.last());
        let step = round.and_then(|round| round.steps.get(round.next.saturating_sub(1)));
        let (kind, pointer) = step.map_or(("", "/limit"), |step| (step.kind, step.pointer.as_str()));
        let expected = format!("the end of the scenario before its limit of {now} s");
        let mut failure = Failure::new(kind, pointer, now, expected, "steps are left".to_owned());
        failure.last_lines = self.all_lines();
        failure
    }

    fn halted(&self, halts: &[(usize, Halt)]) -> Failure {
        let now = self.fleet.now();
        let (device, what) = match halts.first() {
            Some((device, Halt::Unimplemented(what))) => (Some(*device), what.clone()),
            Some((device, halt)) => (Some(*device), format!("{halt:?}")),
            None => (None, String::new()),
        };
        let found = format!("Consort does not model what its guest needs: {what}");
        let mut failure = Failure::new("", "", now, "that the device can go on".to_owned(), found);
        failure.device = device.map(|device| self.fleet.names()[device].clone());
        failure.last_lines =
            device.map(|device| self.lines(device, self.console(device))).unwrap_or_default();
        failure
    }

    fn console(&self, device: usize) -> Option<u16> {
        self.consoles.get(device).copied().flatten()
    }

    /// Takes over what the last windows showed.
    fn settle(&mut self) {
        let now = self.fleet.now();
        for index in 0..self.branches.len() {
            match &self.branches[index].state {
                State::Waiting { scanner, mark, hit: Some(hit), .. } => {
                    let (stream, hit, mark) = (scanner.stream(), hit.clone(), *mark);
                    self.found(index, stream, hit, mark);
                }
                State::Waiting { step, scanner, deadline, hit: None, .. } if *deadline <= now => {
                    let step = *step;
                    if let Op::Wait { matcher, within, .. } = &step.op {
                        let span = match within {
                            Some(span) if now < self.limit => format!("within {}", span.to_text()),
                            _ => format!("before the limit of {}", self.limit.to_text()),
                        };
                        let names = &self.branches[index].names;
                        let expected = format!("{}, {span}", self.describe(matcher, names));
                        let found = self.what_came(matcher, scanner.start());
                        let failure = Failure::new(step.kind, &step.pointer, now, expected, found);
                        let failure = self.with_lines(failure, matcher);
                        self.fail(index, now, failure);
                    }
                }
                State::Forbidding { step, hit: Some(hit), .. } => {
                    let (step, hit) = (*step, hit.clone());
                    if let Op::Forbid { matcher, span } = &step.op {
                        let what = self.describe(matcher, &self.branches[index].names);
                        let expected = format!("no {what}, for {}", span.to_text());
                        let found = self.came(matcher, &hit);
                        let failure = Failure::new(step.kind, &step.pointer, hit.at, expected, found);
                        let failure = self.with_lines(failure, matcher);
                        self.fail(index, hit.at + REACTION, failure);
                    }
                }
                State::Forbidding { until, hit: None, .. } if *until <= now => {
                    let until = *until;
                    let branch = &mut self.branches[index];
                    (branch.at, branch.state) = (until, State::Ready);
                }
                _ => {}
            }
        }
    }

    /// The awaited has come: the branch goes on after its reaction time.
    fn found(&mut self, index: usize, stream: Stream, hit: Hit, mark: Option<&str>) {
        let branch = &mut self.branches[index];
        branch.cursors.insert(stream, hit.end);
        branch.names.extend(hit.names);
        if let Some(mark) = mark {
            branch.marks.insert(mark.to_owned(), hit.at);
        }
        branch.at = branch.at.max(hit.at + REACTION);
        branch.state = State::Ready;
    }

    fn fail(&mut self, index: usize, at: Time, mut failure: Failure) {
        let branch = &mut self.branches[index];
        failure.rounds = branch.rounds();
        (branch.at, branch.state) = (at, State::Failed(Box::new(failure)));
    }

    /// Does what a branch has to do now; true when something was done.
    fn act(&mut self, index: usize) -> bool {
        let now = self.fleet.now();
        match &self.branches[index].state {
            State::Ready if self.branches[index].at <= now => {
                self.next_step(index, now);
                true
            }
            State::Polling { step, until } if self.branches[index].at <= now => {
                let (step, until) = (*step, *until);
                self.look(index, step, now, until);
                true
            }
            State::Joining(children) => {
                let ended = |child: &usize| matches!(self.branches[*child].state, State::Ended);
                if !children.iter().all(ended) {
                    return false;
                }
                for child in children.clone() {
                    let child = &mut self.branches[child];
                    let (at, names, marks) =
                        (child.at, std::mem::take(&mut child.names), std::mem::take(&mut child.marks));
                    let cursors = std::mem::take(&mut child.cursors);
                    let branch = &mut self.branches[index];
                    branch.at = branch.at.max(at);
                    branch.names.extend(names);
                    branch.marks.extend(marks);
                    for (stream, cursor) in cursors {
                        let known = branch.cursors.entry(stream).or_default();
                        *known = cursor.max(*known);
                    }
                }
                self.branches[index].state = State::Ready;
                true
            }
            _ => false,
        }
    }

    fn next_step(&mut self, index: usize, now: Time) {
        let branch = &mut self.branches[index];
        let Some(round) = branch.stack.last_mut() else {
            branch.state = State::Ended;
            return;
        };
        let steps: &'p [Planned] = round.steps;
        let Some(step) = steps.get(round.next) else {
            if round.round < round.times {
                (round.round, round.next) = (round.round + 1, 0);
            } else {
                branch.stack.pop();
            }
            return;
        };
        round.next += 1;
        self.steps += 1;
        if let Err(found) = self.begin(index, step, now) {
            let failure =
                Failure::new(step.kind, &step.pointer, now, "a step that can be done".to_owned(), found);
            self.fail(index, now, failure);
        }
    }

    fn begin(&mut self, index: usize, step: &'p Planned, now: Time) -> Result<(), String> {
        match &step.op {
            Op::Wait { matcher, within, only_new, mark } => {
                let stream = matcher.stream();
                let branch = &self.branches[index];
                let from = match only_new {
                    true => self.seen.len(stream),
                    false => branch.cursors.get(&stream).copied().unwrap_or(0),
                };
                let mut scanner = matcher.scanner(from, &branch.names)?;
                let mark = mark.as_deref();
                if let Some(hit) = scanner.advance(&self.seen) {
                    self.found(index, stream, hit, mark);
                    return Ok(());
                }
                let deadline = within.map_or(self.limit, |span| (now + span).min(self.limit));
                self.branches[index].state = State::Waiting { step, scanner, deadline, mark, hit: None };
            }
            Op::Forbid { matcher, span } => {
                let from = self.seen.len(matcher.stream());
                let scanner = matcher.scanner(from, &self.branches[index].names)?;
                self.branches[index].state =
                    State::Forbidding { step, scanner, until: now + *span, hit: None };
            }
            Op::RunFor(span) => self.branches[index].at = now + *span,
            Op::RunUntil(time) => self.branches[index].at = now.max(*time),
            Op::Send { device, port, text } => {
                let text = fill(text, &self.branches[index].names, str::to_owned)?;
                self.give(*device, now, Action::Send { port: port.clone(), data: text.into_bytes() })?;
            }
            Op::Act { device, actions, then } => {
                for (after, action) in actions {
                    self.give(*device, now + *after, action.clone())?;
                }
                self.branches[index].at = now + *then;
            }
            Op::Move { device, to } => {
                let what = StimulusKind::Move(self.fleet.names()[*device].clone(), *to);
                self.fleet.inject(Stimulus { at: now, what }).map_err(|error| error.to_string())?;
            }
            Op::Fault { link, from, to, fault, span } => {
                let before = span.map_or(Time::MAX, |span| now + span);
                let rule = Rule { after: now, before, from: *from, to: *to, fault: *fault };
                let name = self.fleet.links().nth(*link).map(|(name, _)| name.to_owned()).unwrap_or_default();
                let stimulus = Stimulus { at: now, what: StimulusKind::Link(name, rule) };
                self.fleet.inject(stimulus).map_err(|error| error.to_string())?;
            }
            Op::Expect { expect, .. } => {
                let until = expect.within.map_or(now, |span| now + span);
                self.look(index, step, now, until);
            }
            Op::Picture { step: picture, .. } => {
                let until = picture.within.map_or(now, |span| now + span);
                self.look(index, step, now, until);
            }
            Op::ExpectTime(expect) => {
                let marks = &self.branches[index].marks;
                let time = |mark: &Option<String>, absent| match mark {
                    None => Ok(absent),
                    Some(mark) => marks.get(mark).copied().ok_or(format!("the mark `{mark}` is not set yet")),
                };
                let (from, to) = (time(&expect.from, Time::ZERO)?, time(&expect.to, now)?);
                if let Err(Compared { expected, found }) = compare::times(expect, from, to) {
                    let failure = Failure::new(step.kind, &step.pointer, now, expected, found);
                    self.fail(index, now, failure);
                }
            }
            Op::Mark(name) => {
                self.branches[index].marks.insert(name.clone(), now);
            }
            Op::Repeat { times, steps } => {
                if *times > 0 {
                    self.branches[index].stack.push(Round { steps, next: 0, round: 1, times: *times });
                }
            }
            Op::Parallel(parts) => {
                let first = self.branches.len();
                for steps in parts {
                    let branch = &self.branches[index];
                    let child = Branch {
                        at: now,
                        stack: vec![Round { steps, next: 0, round: 1, times: 1 }],
                        outer: branch.rounds(),
                        state: State::Ready,
                        cursors: branch.cursors.clone(),
                        names: branch.names.clone(),
                        marks: branch.marks.clone(),
                    };
                    self.branches.push(child);
                }
                self.branches[index].state = State::Joining((first..self.branches.len()).collect());
            }
        }
        Ok(())
    }

    fn give(&mut self, device: usize, at: Time, action: Action) -> Result<(), String> {
        let name = self.fleet.names()[device].clone();
        let stimulus = Stimulus { at, what: StimulusKind::Device(name, action) };
        self.fleet.inject(stimulus).map_err(|error| error.to_string())
    }

    /// Compares now; looks again later while there is time.
    fn look(&mut self, index: usize, step: &'p Planned, now: Time, until: Time) {
        let names = &self.branches[index].names;
        let (device, within, compared) = match &step.op {
            Op::Expect { device, target, expect } => {
                let compared = compare::state(&mut self.fleet, *device, target, expect, names);
                (*device, expect.within, compared.map_err(|compared| (compared, Pictures::new())))
            }
            Op::Picture { device, step, wanted } => {
                (Some(*device), step.within, picture::compare(&mut self.fleet, *device, step, wanted))
            }
            _ => return,
        };
        match compared {
            Ok(()) => (self.branches[index].at, self.branches[index].state) = (now, State::Ready),
            Err(_) if now < until => {
                self.branches[index].at = (now + POLL).min(until);
                self.branches[index].state = State::Polling { step, until };
            }
            Err((Compared { expected, found }, pictures)) => {
                let span = within.map(|span| format!(", within {}", span.to_text()));
                let expected = expected + &span.unwrap_or_default();
                let mut failure = Failure::new(step.kind, &step.pointer, now, expected, found);
                if let Some(device) = device {
                    failure.device = Some(self.fleet.names()[device].clone());
                    failure.last_lines = self.lines(device, self.console(device));
                }
                self.pictures = pictures;
                self.fail(index, now, failure);
            }
        }
    }

    /// A matcher in words, with its `${name}`s filled in.
    fn describe(&self, matcher: &Matcher, names: &Names) -> String {
        let devices = self.fleet.names();
        let filled =
            |pattern: &str| fill(pattern, names, str::to_owned).unwrap_or_else(|_| pattern.to_owned());
        match matcher {
            Matcher::Line { device, port, pattern } => {
                format!("line of {} that matches `{}`", self.label(*device, *port), filled(pattern))
            }
            Matcher::Text { device, port, pattern } => {
                format!("text from {} that matches `{}`", self.label(*device, *port), filled(pattern))
            }
            Matcher::Log { device, pattern } => {
                format!("message of {} that matches `{}`", devices[*device], filled(pattern))
            }
            Matcher::Exit { device, code } => {
                format!("end of the guest of {} with code {code}", devices[*device])
            }
            Matcher::Report { device, report } => {
                let details = report
                    .details
                    .iter()
                    .map(|(name, pattern)| format!(" {name} like `{}`", filled(pattern)));
                format!("report `{}` of {}{}", report.what, devices[*device], details.collect::<String>())
            }
            Matcher::Pin { device, pin, level } => {
                let edge =
                    level.map_or("an edge", |level| if level { "a rising edge" } else { "a falling edge" });
                format!("{edge} of {} {pin}", devices[*device])
            }
            Matcher::Packet(packet) => {
                let link = self.fleet.links().nth(packet.link).map(|(name, _)| name).unwrap_or_default();
                format!("frame of the kind asked for on link {link}")
            }
        }
    }

    /// What came although it must not, in words.
    fn came(&self, matcher: &Matcher, hit: &Hit) -> String {
        let what = match matcher {
            Matcher::Packet(packet) => self.frame(packet.link, hit.end).unwrap_or_default(),
            _ => hit.what.clone(),
        };
        format!("it came: {what}")
    }

    /// The frame before place `end` of what a link carried, in words.
    fn frame(&self, link: usize, end: usize) -> Option<String> {
        let frame = self.seen.frames(link).get(end.checked_sub(1)?)?;
        let (name, ends) = self.fleet.links().nth(link)?;
        let device = |end: usize| ends.get(end).map_or("?", |end| self.fleet.names()[end.device].as_str());
        let to: Vec<String> = frame
            .to
            .iter()
            .map(|(to, arrives)| format!("{}{}", device(*to), if *arrives { "" } else { " (lost)" }))
            .collect();
        let to = if to.is_empty() { "nobody".to_owned() } else { to.join(", ") };
        let kind = ends.first().map(|end| self.fleet.ports(end.device)[usize::from(end.port)].kind)?;
        let (kind, data) = capture::describe(kind, &frame.data);
        if kind == LinkType::Wire {
            let words = String::from_utf8_lossy(&data);
            return Some(format!(
                "on {name} at {} s, from {} to {to}: {words}",
                frame.at,
                device(frame.from)
            ));
        }
        let bytes: Vec<String> = data.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Some(format!(
            "on {name} at {} s, from {} to {to}: {kind}, {} bytes: {}{}",
            frame.at,
            device(frame.from),
            data.len(),
            bytes.join(" "),
            if data.len() > SHOWN_BYTES { " ..." } else { "" },
        ))
    }

    fn label(&self, device: usize, port: u16) -> String {
        format!("{}.{}", self.fleet.names()[device], self.fleet.ports(device)[usize::from(port)].name)
    }

    /// What came instead since the place in the stream at which the step began to look, in words.
    fn what_came(&self, matcher: &Matcher, from: usize) -> String {
        let stream = matcher.stream();
        let count = self.seen.len(stream) - from;
        let counted = |count: usize, one: &str| match count {
            0 => format!("no {one} came"),
            1 => format!("1 {one} came, and it does not match"),
            _ => format!("{count} {one}s came, none matches"),
        };
        match stream {
            Stream::Uart(device, port) => {
                let text = &self.seen.text(device, port).bytes[from..];
                match text.iter().filter(|byte| **byte == b'\n').count() {
                    0 if count > 0 => format!("{count} bytes came, without an end of line"),
                    lines => counted(lines, "line"),
                }
            }
            Stream::Log(_) => counted(count, "message"),
            Stream::Exit(_) => counted(count, "exit"),
            Stream::Link(_) => counted(count, "frame"),
            Stream::Pins(_) => counted(count, "edge of the device's outputs"),
            Stream::Reports(_) => counted(count, "report"),
        }
    }

    fn with_lines(&self, mut failure: Failure, matcher: &Matcher) -> Failure {
        let (device, port) = match matcher {
            Matcher::Line { device, port, .. } | Matcher::Text { device, port, .. } => (*device, Some(*port)),
            Matcher::Log { device, .. }
            | Matcher::Report { device, .. }
            | Matcher::Exit { device, .. }
            | Matcher::Pin { device, .. } => (*device, self.console(*device)),
            Matcher::Packet(_) => {
                failure.last_lines = self.all_lines();
                return failure;
            }
        };
        failure.device = Some(self.fleet.names()[device].clone());
        failure.last_lines = self.lines(device, port);
        failure
    }

    fn lines(&self, device: usize, port: Option<u16>) -> Vec<LastLines> {
        let shown = port.map(|port| LastLines {
            uart: self.label(device, port),
            lines: self.seen.text(device, port).last_lines(SHOWN_LINES),
        });
        shown.into_iter().collect()
    }

    fn all_lines(&self) -> Vec<LastLines> {
        let texts = self.seen.texts();
        let lines = texts.map(|(device, port, text)| LastLines {
            uart: self.label(device, port),
            lines: text.last_lines(SHOWN_LINES / 3),
        });
        lines.collect()
    }
}

/// Takes in what a window shows, and ends the run when somebody waits for it.
struct Watch<'a, 'p> {
    seen: &'a mut Seen,
    branches: &'a mut [Branch<'p>],
    never: &'a mut [Never<'p>],
    also: &'a mut dyn Observer,
    ended: bool,
}

impl Observer for Watch<'_, '_> {
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        self.seen.sent(device, port, sent);
        self.also.sent(device, port, sent);
    }

    fn event(&mut self, device: usize, event: &Event) {
        self.seen.event(device, event);
        self.also.event(device, event);
    }

    fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        self.seen.carried(link, frame);
        self.also.carried(link, frame);
    }

    fn window(&mut self, now: Time) -> ControlFlow<()> {
        let mut found = false;
        for branch in self.branches.iter_mut() {
            if let State::Waiting { scanner, hit: hit @ None, .. }
            | State::Forbidding { scanner, hit: hit @ None, .. } = &mut branch.state
            {
                *hit = scanner.advance(self.seen);
                found |= hit.is_some();
            }
        }
        for never in self.never.iter_mut().filter(|never| never.hit.is_none()) {
            never.hit = never.scanner.advance(self.seen);
            found |= never.hit.is_some();
        }
        self.ended = self.also.window(now).is_break();
        if found || self.ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
