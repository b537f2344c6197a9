//! Checks a scenario's steps against its fleet, and turns names into indices.

use std::collections::BTreeSet;
use std::path::PathBuf;

use consort_core::Time;
use consort_core::component::{PortKind, Value};
use consort_core::device::{Action, Segment};
use consort_core::fleet::Fleet;
use consort_core::link::Fault;
use consort_core::radio::Position;

use super::file::{
    Count, Expect, ExpectTime, FaultStep, Happening, Operand, Packet, PictureStep, Power, PowerWhat, Step,
    Touch,
};
use super::matcher::{Matcher, PacketMatcher, compile, references};
use super::picture::Image;
use crate::board::Board;
use crate::fleet_file::{ImageEntry, Images, has_antenna, load_images};
use crate::loader::Symbols;
use crate::suggest;

/// A step with its place in the file.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// JSON pointer.
    pub pointer: String,
    pub kind: &'static str,
    pub op: Op,
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Wait {
        matcher: Matcher,
        within: Option<Time>,
        only_new: bool,
        mark: Option<String>,
    },
    Forbid {
        matcher: Matcher,
        span: Time,
    },
    RunFor(Time),
    RunUntil(Time),
    Send {
        device: usize,
        port: String,
        text: String,
    },
    /// Inputs with their delays, and when the next step acts.
    Act {
        device: usize,
        actions: Vec<(Time, Action)>,
        then: Time,
    },
    Move {
        device: usize,
        to: Position,
    },
    Fault {
        link: usize,
        from: Option<usize>,
        to: Option<usize>,
        fault: Fault,
        span: Option<Time>,
    },
    Expect {
        device: Option<usize>,
        target: Target,
        expect: Box<Expect>,
    },
    Picture {
        device: usize,
        step: Box<PictureStep>,
        /// What it must show, or why there is no such file.
        wanted: Box<Result<Image, String>>,
    },
    ExpectTime(ExpectTime),
    Mark(String),
    Repeat {
        times: u32,
        steps: Vec<Planned>,
    },
    Parallel(Vec<Vec<Planned>>),
}

/// What an `expect` looks at.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Memory { at: u64, size: u8 },
    Register { peripheral: String, register: String },
    Core(String),
    Pin(String),
    Count(Count),
    Value(String),
}

/// A mistake in a step: where, and what.
pub(super) type Mistake = (String, String);

/// How often a swipe moves the finger.
const SWIPE_STEP: Time = Time::from_ms(10);

/// What a plan is made for.
pub(super) struct Planner<'a> {
    pub fleet: &'a mut Fleet,
    pub consoles: &'a [Option<u16>],
    /// Of each device's firmware: what it is when the steps planned so far are done.
    symbols: Vec<Symbols>,
    boards: Vec<Option<Board>>,
    /// Where a file that steps name is.
    place: &'a dyn Fn(&str) -> PathBuf,
    /// Names that steps capture, and marks they set.
    captured: BTreeSet<String>,
    marks: BTreeSet<String>,
}

impl<'a> Planner<'a> {
    pub fn new(
        fleet: &'a mut Fleet,
        consoles: &'a [Option<u16>],
        firmware: Vec<(Option<Board>, Symbols)>,
        place: &'a dyn Fn(&str) -> PathBuf,
    ) -> Self {
        let captured = BTreeSet::from(["seed".to_owned()]);
        let (boards, symbols) = firmware.into_iter().unzip();
        Self { fleet, consoles, symbols, boards, place, captured, marks: BTreeSet::new() }
    }

    pub fn plan(&mut self, steps: &[Step]) -> Result<Vec<Planned>, Mistake> {
        self.collect(steps);
        self.steps(steps, "/steps")
    }

    /// Branches may use each other's captures and marks, so that all names come first.
    fn collect(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Wait(wait) => {
                    let details = wait.report.iter().flat_map(|report| report.details.values());
                    for pattern in [&wait.line, &wait.text, &wait.log].into_iter().flatten().chain(details) {
                        let group = |rest: &str| rest.split_once('>').map(|(name, _)| name.to_owned());
                        self.captured.extend(pattern.split("(?<").skip(1).filter_map(group));
                        self.captured.extend(pattern.split("(?P<").skip(1).filter_map(group));
                    }
                    self.marks.extend(wait.mark.clone());
                }
                Step::Mark(name) => {
                    self.marks.insert(name.clone());
                }
                Step::Repeat(repeat) => self.collect(&repeat.steps),
                Step::Parallel(branches) => branches.iter().for_each(|branch| self.collect(branch)),
                _ => {}
            }
        }
    }

    fn steps(&mut self, steps: &[Step], pointer: &str) -> Result<Vec<Planned>, Mistake> {
        let planned = steps.iter().enumerate().map(|(index, step)| {
            let pointer = format!("{pointer}/{index}/{}", step.kind());
            Ok(Planned { op: self.op(step, &pointer)?, kind: step.kind(), pointer })
        });
        planned.collect()
    }

    fn op(&mut self, step: &Step, pointer: &str) -> Result<Op, Mistake> {
        let here = |message: String| (pointer.to_owned(), message);
        let field = |name: &str| format!("{pointer}/{name}");
        Ok(match step {
            Step::Wait(wait) => {
                if wait.span.is_some() {
                    return Err((field("for"), "`wait` takes `within`: how long at most".to_owned()));
                }
                Op::Wait {
                    matcher: self.matcher(wait, pointer)?,
                    within: wait.within,
                    only_new: wait.only_new,
                    mark: wait.mark.clone(),
                }
            }
            Step::Forbid(forbid) => Op::Forbid {
                matcher: self.forbidden(forbid, pointer)?,
                span: forbid.span.ok_or_else(|| here("`forbid` needs `for`: how long".to_owned()))?,
            },
            Step::RunFor(time) => Op::RunFor(*time),
            Step::RunUntil(time) => Op::RunUntil(*time),
            Step::Send(send) => {
                let device = self.device(&send.device, pointer)?;
                let port = self.uart(device, &send.uart, pointer)?;
                self.known(&send.text, &field("text"))?;
                let port = self.fleet.ports(device)[usize::from(port)].name.clone();
                Op::Send { device, port, text: send.text.clone() }
            }
            Step::Set(set) => {
                let device = self.device(&set.device, pointer)?;
                let points: Vec<(Time, &Value)> = match (&set.to, set.curve.as_slice()) {
                    (Some(value), []) => vec![(Time::ZERO, value)],
                    (None, points @ [_, ..]) => points.iter().map(|point| (point.after, &point.to)).collect(),
                    _ => return Err(here("`set` needs `to`, or `curve`".to_owned())),
                };
                let actions = points.into_iter().map(|(after, value)| {
                    Ok((after, self.set(device, &set.channel, value, &field("channel"))?))
                });
                let actions = actions.collect::<Result<_, Mistake>>()?;
                Op::Act { device, actions, then: Time::ZERO }
            }
            Step::Press(press) => {
                let device = self.device(&press.device, pointer)?;
                let at = field("button");
                let down = self.set(device, &press.button, &Value::Bool(true), &at)?;
                let up = self.set(device, &press.button, &Value::Bool(false), &at)?;
                Op::Act { device, actions: vec![(Time::ZERO, down), (press.span, up)], then: press.span }
            }
            Step::Touch(touch) => self.touch(touch, pointer)?,
            Step::Move(step) => {
                let device = self.device(&step.device, pointer)?;
                has_antenna(self.fleet, device).map_err(|message| (field("device"), message))?;
                Op::Move { device, to: step.to }
            }
            Step::Picture(step) => {
                let device = self.device(&step.device, pointer)?;
                let part = |device: &mut dyn consort_core::device::Device| {
                    let parts = device.parts().into_iter().filter(|part| part.shows.is_some());
                    (device.picture(&step.part).is_some(), parts.map(|part| part.name).collect::<Vec<_>>())
                };
                let (known, parts) = self.fleet.device(device, part).unwrap_or_default();
                if !known {
                    let near = suggest(&step.part, parts.iter().map(String::as_str));
                    return Err((field("part"), format!("nothing of that name shows a picture{near}")));
                }
                let wanted = Box::new(Image::read(&(self.place)(&step.is)));
                Op::Picture { device, step: Box::new(step.clone()), wanted }
            }
            Step::Power(power) => self.power(power, pointer)?,
            Step::Fault(fault) => self.fault(fault, pointer)?,
            Step::Expect(expect) => self.expect(expect, pointer)?,
            Step::ExpectTime(expect) => {
                for (name, mark) in [("from", &expect.from), ("to", &expect.to)] {
                    if let Some(mark) = mark.as_ref().filter(|mark| !self.marks.contains(*mark)) {
                        let near = suggest(mark, self.marks.iter().map(String::as_str));
                        return Err((field(name), format!("no step sets the mark `{mark}`{near}")));
                    }
                }
                if expect.at_least.is_none() && expect.at_most.is_none() {
                    return Err(here("`expect-time` needs `at-least` or `at-most`".to_owned()));
                }
                Op::ExpectTime(expect.clone())
            }
            Step::Mark(name) => Op::Mark(name.clone()),
            Step::Repeat(repeat) => {
                Op::Repeat { times: repeat.times, steps: self.steps(&repeat.steps, &field("steps"))? }
            }
            Step::Parallel(branches) => {
                let branches = branches.iter().enumerate();
                let planned =
                    branches.map(|(index, branch)| self.steps(branch, &format!("{pointer}/{index}")));
                Op::Parallel(planned.collect::<Result<_, _>>()?)
            }
        })
    }

    fn device(&self, name: &Option<String>, pointer: &str) -> Result<usize, Mistake> {
        let names = self.fleet.names();
        match name {
            None if names.len() == 1 => Ok(0),
            None => Err((pointer.to_owned(), format!("say which `device`; there are: {}", names.join(", ")))),
            Some(name) => self.index(name, &format!("{pointer}/device")),
        }
    }

    fn index(&self, name: &str, pointer: &str) -> Result<usize, Mistake> {
        let names = self.fleet.names();
        names.iter().position(|known| known == name).ok_or_else(|| {
            let near = suggest(name, names.iter().map(String::as_str));
            (pointer.to_owned(), format!("there is no device `{name}`{near}"))
        })
    }

    fn uart(&self, device: usize, name: &Option<String>, pointer: &str) -> Result<u16, Mistake> {
        let ports = (0..).zip(self.fleet.ports(device)).filter(|(_, port)| port.kind == PortKind::Uart);
        let ports: Vec<(u16, &str)> = ports.map(|(index, port)| (index, port.name.as_str())).collect();
        let Some(name) = name else {
            let console = self.consoles.get(device).copied().flatten();
            return console.ok_or_else(|| (pointer.to_owned(), "the device has no UART".to_owned()));
        };
        ports.iter().find(|(_, known)| known == name).map(|(index, _)| *index).ok_or_else(|| {
            let near = suggest(name, ports.iter().map(|(_, name)| *name));
            (format!("{pointer}/uart"), format!("the device has no UART `{name}`{near}"))
        })
    }

    fn link(&self, name: &str, pointer: &str) -> Result<usize, Mistake> {
        let names: Vec<&str> = self.fleet.links().map(|(name, _)| name).collect();
        names.iter().position(|known| *known == name).ok_or_else(|| {
            let near = suggest(name, names.iter().copied());
            (pointer.to_owned(), format!("there is no link `{name}`{near}"))
        })
    }

    fn endpoint(&self, link: usize, name: &Option<String>, at: &str) -> Result<Option<usize>, Mistake> {
        let Some(name) = name else { return Ok(None) };
        let device = self.index(name, at)?;
        let ends = self.fleet.links().nth(link).map(|(_, ends)| ends).unwrap_or_default();
        let end = ends.iter().position(|end| end.device == device);
        end.map(Some).ok_or_else(|| (at.to_owned(), format!("the link does not join `{name}`")))
    }

    /// Every `${name}` is one that some step captures.
    fn known(&self, text: &str, pointer: &str) -> Result<(), Mistake> {
        match references(text).find(|name| !self.captured.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let near = suggest(name, self.captured.iter().map(String::as_str));
                Err((pointer.to_owned(), format!("no step captures `{name}`{near}")))
            }
        }
    }

    fn touch(&mut self, touch: &Touch, pointer: &str) -> Result<Op, Mistake> {
        let device = self.device(&touch.device, pointer)?;
        let moves = touch.to.map_or(0, |_| touch.span.as_ps() / SWIPE_STEP.as_ps()).max(1);
        let to = touch.to.unwrap_or(touch.at);
        let mut actions = Vec::new();
        for step in 0..=moves {
            let part = step as f64 / moves as f64;
            let place = |index: usize| (touch.at[index] + (to[index] - touch.at[index]) * part).round();
            if step > 0 && touch.to.is_none() {
                break;
            }
            let after = Time::from_ps(touch.span.as_ps() / moves * step);
            let at = format!("{pointer}/panel");
            actions.push((
                after,
                self.set(device, &touch.panel, &Value::Numbers(vec![place(0), place(1)]), &at)?,
            ));
        }
        let at = format!("{pointer}/panel");
        actions.push((touch.span, self.set(device, &touch.panel, &Value::Bool(false), &at)?));
        Ok(Op::Act { device, actions, then: touch.span })
    }

    fn power(&mut self, power: &Power, pointer: &str) -> Result<Op, Mistake> {
        let device = self.device(&power.device, pointer)?;
        let program = match &power.firmware {
            None => None,
            Some(images) => Some(self.program(device, images, &format!("{pointer}/firmware"))?),
        };
        // Power or reset comes back after the new firmware is in place.
        let (before, after) = match power.what {
            PowerWhat::Reset => (None, Some(Action::Reset)),
            PowerWhat::Off => (Some(Action::PowerOff), None),
            PowerWhat::On => (None, Some(Action::PowerOn)),
            PowerWhat::Cycle => (Some(Action::PowerOff), Some(Action::PowerOn)),
        };
        let then = if power.what == PowerWhat::Cycle { power.span } else { Time::ZERO };
        let first = before.into_iter().map(|action| (Time::ZERO, action));
        let second = program.into_iter().chain(after).map(|action| (then, action));
        Ok(Op::Act { device, actions: first.chain(second).collect(), then })
    }

    fn program(&mut self, device: usize, images: &Images, at: &str) -> Result<Action, Mistake> {
        let mistake = |message: String| (at.to_owned(), message);
        let places = images.list().iter().map(|image| match image {
            ImageEntry::Path(path) => ((self.place)(path), None),
            ImageEntry::Raw { path, at } => ((self.place)(path), Some(at.0)),
        });
        let board = self.boards.get(device).and_then(Option::as_ref);
        let board = board.ok_or_else(|| mistake("the device has no board to program".to_owned()))?;
        let firmware =
            load_images(&places.collect::<Vec<_>>(), board).map_err(|error| mistake(error.to_string()))?;
        let segments =
            firmware.segments().map(|(_, segment)| Segment { at: segment.addr, data: segment.data.clone() });
        let (segments, symbols) = (segments.collect(), firmware.symbols.named_places());
        let action = Action::Program { segments, symbols };
        let checked = self.fleet.device(device, |device| device.check(&action));
        checked.unwrap_or(Ok(())).map_err(|error| mistake(error.to_string()))?;
        self.symbols[device] = firmware.symbols;
        Ok(action)
    }

    /// The matcher of a `forbid` or `never`.
    pub fn forbidden(&mut self, happening: &Happening, pointer: &str) -> Result<Matcher, Mistake> {
        let wrong = [
            ("within", happening.within.is_some()),
            ("only-new", happening.only_new),
            ("mark", happening.mark.is_some()),
        ];
        if let Some((name, _)) = wrong.into_iter().find(|(_, given)| *given) {
            return Err((format!("{pointer}/{name}"), format!("`{name}` goes with `wait`")));
        }
        self.matcher(happening, pointer)
    }

    /// An output, by `component.line`.
    fn pin(&mut self, device: usize, name: &str, at: &str) -> Result<(), Mistake> {
        let lines = self.fleet.device(device, |device| device.lines()).unwrap_or_default();
        if lines.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        let near = suggest(name, lines.iter().map(|(name, _)| name.as_str()));
        Err((at.to_owned(), format!("the board has no output `{name}`{near}")))
    }

    /// A regular expression that can be one, with names that some step captures.
    fn pattern(&self, pattern: &str, at: &str) -> Result<(), Mistake> {
        self.known(pattern, at)?;
        let sample = references(pattern)
            .fold(pattern.to_owned(), |pattern, name| pattern.replace(&format!("${{{name}}}"), "x"));
        compile(&sample).map(drop).map_err(|message| (at.to_owned(), message))
    }

    fn matcher(&mut self, happening: &Happening, pointer: &str) -> Result<Matcher, Mistake> {
        let here = |message: &str| (pointer.to_owned(), message.to_owned());
        let Happening { device, uart, line, text, log, report, exit, packet, pin, level, .. } = happening;
        let asked = [
            line.is_some(),
            text.is_some(),
            log.is_some(),
            report.is_some(),
            exit.is_some(),
            packet.is_some(),
            pin.is_some(),
        ];
        if asked.into_iter().filter(|asked| *asked).count() != 1 {
            return Err(here("say one of `line`, `text`, `log`, `report`, `exit`, `packet` and `pin`"));
        }
        if uart.is_some() && line.is_none() && text.is_none() {
            return Err(here("`uart` goes with `line` or `text`"));
        }
        if level.is_some() && pin.is_none() {
            return Err(here("`level` goes with `pin`"));
        }
        if let Some(packet) = packet {
            if device.is_some() {
                return Err(here("`packet` says its devices itself: `from`, `to`"));
            }
            return self.packet(packet, &format!("{pointer}/packet"));
        }
        let device = self.device(device, pointer)?;
        if let Some(pin) = pin {
            self.pin(device, pin, &format!("{pointer}/pin"))?;
            return Ok(Matcher::Pin { device, pin: pin.clone(), level: *level });
        }
        if let Some(report) = report {
            for (name, pattern) in &report.details {
                self.pattern(pattern, &format!("{pointer}/report/details/{name}"))?;
            }
            return Ok(Matcher::Report { device, report: report.clone() });
        }
        for (field, pattern) in [("line", line), ("text", text), ("log", log)] {
            let Some(pattern) = pattern else { continue };
            self.pattern(pattern, &format!("{pointer}/{field}"))?;
        }
        Ok(match (line, text, log, exit) {
            (Some(pattern), ..) => Matcher::Line {
                device,
                port: self.uart(device, uart, pointer)?,
                pattern: pattern.to_string(),
            },
            (_, Some(pattern), ..) => Matcher::Text {
                device,
                port: self.uart(device, uart, pointer)?,
                pattern: pattern.to_string(),
            },
            (_, _, Some(pattern), _) => Matcher::Log { device, pattern: pattern.to_string() },
            (_, _, _, code) => Matcher::Exit { device, code: code.unwrap_or_default() },
        })
    }

    fn packet(&self, packet: &Packet, pointer: &str) -> Result<Matcher, Mistake> {
        let field = |name: &str| format!("{pointer}/{name}");
        let link = self.link(&packet.link, &field("link"))?;
        let hex: String =
            packet.hex.as_deref().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
        let bytes = hex.as_bytes().chunks(2).map(|pair| match pair {
            b".." => Ok(None),
            pair => {
                let digits = std::str::from_utf8(pair).ok().filter(|digits| digits.len() == 2);
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let message = "expected pairs of hexadecimal digits, `..` for any byte";
                byte.map(Some).ok_or_else(|| (field("hex"), message.to_owned()))
            }
        });
        Ok(Matcher::Packet(PacketMatcher {
            link,
            from: self.endpoint(link, &packet.from, &field("from"))?,
            to: self.endpoint(link, &packet.to, &field("to"))?,
            bytes: bytes.collect::<Result<_, _>>()?,
            at: packet.at,
            lost: packet.lost,
        }))
    }

    /// A change of a channel, which the device confirms that it has.
    fn set(&mut self, device: usize, target: &str, value: &Value, at: &str) -> Result<Action, Mistake> {
        let (component, channel) = target.split_once('.').ok_or_else(|| {
            (at.to_owned(), "name component.channel, such as \"fpgaio.button0\"".to_owned())
        })?;
        let action = Action::Set {
            component: component.to_owned(),
            channel: channel.to_owned(),
            value: value.clone(),
        };
        let checked = self.fleet.device(device, |device| device.check(&action));
        checked.unwrap_or(Ok(())).map_err(|error| (at.to_owned(), error.to_string()))?;
        Ok(action)
    }

    fn fault(&self, step: &FaultStep, pointer: &str) -> Result<Op, Mistake> {
        let link = self.link(&step.link, &format!("{pointer}/link"))?;
        Ok(Op::Fault {
            link,
            from: self.endpoint(link, &step.from, &format!("{pointer}/from"))?,
            to: self.endpoint(link, &step.to, &format!("{pointer}/to"))?,
            fault: step.fault,
            span: step.span,
        })
    }

    fn expect(&mut self, expect: &Expect, pointer: &str) -> Result<Op, Mistake> {
        let here = |message: &str| (pointer.to_owned(), message.to_owned());
        let field = |name: &str| format!("{pointer}/{name}");
        let asked = [
            expect.symbol.is_some(),
            expect.memory.is_some(),
            expect.register.is_some(),
            expect.core.is_some(),
            expect.pin.is_some(),
            expect.count.is_some(),
            expect.value.is_some(),
        ];
        if asked.into_iter().filter(|asked| *asked).count() != 1 {
            return Err(here(
                "say one of `symbol`, `memory`, `register`, `core`, `pin`, `count` and `value`",
            ));
        }
        let operands = [&expect.is, &expect.not, &expect.at_least, &expect.at_most];
        if operands.iter().all(|operand| operand.is_none()) {
            return Err(here("say what it must be: `is`, `not`, `at-least`, `at-most`"));
        }
        for operand in operands.into_iter().flatten() {
            if let Operand::Text(text) = operand {
                self.known(text, pointer)?;
                if !text.contains("${") && expect.value.is_none() && number(text).is_none() {
                    return Err((pointer.to_owned(), format!("`{text}` is not a number")));
                }
            }
        }
        if expect.size.is_some_and(|size| ![1, 2, 4, 8].contains(&size)) {
            return Err((field("size"), "a number has 1, 2, 4 or 8 bytes".to_owned()));
        }
        if let Some(text) = &expect.value {
            self.known(text, &field("value"))?;
            let target = Target::Value(text.clone());
            return Ok(Op::Expect { device: None, target, expect: Box::new(expect.clone()) });
        }
        let device = self.device(&expect.device, pointer)?;
        let target = if let Some(name) = &expect.symbol {
            let symbols = &self.symbols[device];
            let symbol = symbols.named(name).ok_or_else(|| {
                let near = suggest(name, symbols.iter().map(|symbol| symbol.name.as_str()));
                (field("symbol"), format!("the firmware has no symbol `{name}`{near}"))
            })?;
            let natural = match symbol.size {
                size @ (1 | 2 | 4 | 8) if expect.offset.is_none() => size as u8,
                _ => 4,
            };
            let at = symbol.addr.wrapping_add(expect.offset.map_or(0, |offset| offset.0));
            Target::Memory { at, size: expect.size.unwrap_or(natural) }
        } else if let Some(at) = expect.memory {
            Target::Memory { at: at.0, size: expect.size.unwrap_or(4) }
        } else if let Some(name) = &expect.register {
            self.register(device, name, &field("register"))?
        } else if let Some(name) = &expect.core {
            let registers = self.fleet.device(device, |device| device.debug().map(|debug| debug.registers()));
            let registers = registers.flatten().unwrap_or_default();
            if !registers.iter().any(|register| register.name == name) {
                let near = suggest(name, registers.iter().map(|register| register.name));
                return Err((field("core"), format!("the processor has no register `{name}`{near}")));
            }
            Target::Core(name.clone())
        } else if let Some(name) = &expect.pin {
            self.pin(device, name, &field("pin"))?;
            Target::Pin(name.clone())
        } else if let Some(count) = expect.count {
            Target::Count(count)
        } else {
            return Err(here("say what to look at"));
        };
        Ok(Op::Expect { device: Some(device), target, expect: Box::new(expect.clone()) })
    }

    fn register(&mut self, device: usize, name: &str, at: &str) -> Result<Target, Mistake> {
        let (peripheral, register) = name
            .split_once('.')
            .ok_or_else(|| (at.to_owned(), "name peripheral.REGISTER, such as \"fpgaio.LED0\"".to_owned()))?;
        let views = self.fleet.device(device, |device| device.debug().map(|debug| debug.peripherals()));
        let views = views.flatten().unwrap_or_default();
        let view = views.iter().find(|view| view.name == peripheral).ok_or_else(|| {
            let near = suggest(peripheral, views.iter().map(|view| view.name.as_str()));
            (at.to_owned(), format!("the board has no peripheral `{peripheral}`{near}"))
        })?;
        if !view.registers.iter().any(|(known, _)| known.name == register) {
            let near = suggest(register, view.registers.iter().map(|(known, _)| known.name));
            return Err((at.to_owned(), format!("`{peripheral}` has no register `{register}`{near}")));
        }
        Ok(Target::Register { peripheral: peripheral.to_owned(), register: register.to_owned() })
    }
}

/// A number as text: decimal, hexadecimal, with a sign and `_`.
pub(super) fn number(text: &str) -> Option<i128> {
    let text = text.trim().replace('_', "");
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    value.ok().and_then(|value: i128| if negative { value.checked_neg() } else { Some(value) })
}
