//! Checks a scenario's steps against its fleet, and turns names into indices.

use std::collections::BTreeSet;

use consort_core::Time;
use consort_core::component::{PortKind, Value};
use consort_core::device::Action;
use consort_core::fleet::Fleet;
use consort_core::link::Fault;

use super::file::{Count, Expect, ExpectTime, FaultStep, Forbid, Operand, Packet, PowerWhat, Step, Wait};
use super::matcher::{Matcher, PacketMatcher, compile, references};
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
    Count(Count),
    Value(String),
}

/// A mistake in a step: where, and what.
pub(super) type Mistake = (String, String);

/// What a plan is made for.
pub(super) struct Planner<'a> {
    pub fleet: &'a mut Fleet,
    pub consoles: &'a [Option<u16>],
    pub symbols: &'a [Symbols],
    /// Names that steps capture, and marks they set.
    captured: BTreeSet<String>,
    marks: BTreeSet<String>,
}

impl<'a> Planner<'a> {
    pub fn new(fleet: &'a mut Fleet, consoles: &'a [Option<u16>], symbols: &'a [Symbols]) -> Self {
        let captured = BTreeSet::from(["seed".to_owned()]);
        Self { fleet, consoles, symbols, captured, marks: BTreeSet::new() }
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
                    for pattern in [&wait.line, &wait.text, &wait.log].into_iter().flatten() {
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
            Step::Wait(wait) => Op::Wait {
                matcher: self.matcher(&Happening::from(wait), pointer)?,
                within: wait.within,
                only_new: wait.only_new,
                mark: wait.mark.clone(),
            },
            Step::Forbid(forbid) => Op::Forbid {
                matcher: self.matcher(&Happening::from(forbid), pointer)?,
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
            Step::Power(power) => {
                let device = self.device(&power.device, pointer)?;
                let (actions, then) = match power.what {
                    PowerWhat::Reset => (vec![(Time::ZERO, Action::Reset)], Time::ZERO),
                    PowerWhat::Off => (vec![(Time::ZERO, Action::PowerOff)], Time::ZERO),
                    PowerWhat::On => (vec![(Time::ZERO, Action::PowerOn)], Time::ZERO),
                    PowerWhat::Cycle => {
                        (vec![(Time::ZERO, Action::PowerOff), (power.span, Action::PowerOn)], power.span)
                    }
                };
                Op::Act { device, actions, then }
            }
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

    pub fn matcher(&self, happening: &Happening<'_>, pointer: &str) -> Result<Matcher, Mistake> {
        let here = |message: &str| (pointer.to_owned(), message.to_owned());
        let Happening { device, uart, line, text, log, exit, packet } = happening;
        let asked = [line.is_some(), text.is_some(), log.is_some(), exit.is_some(), packet.is_some()];
        if asked.into_iter().filter(|asked| *asked).count() != 1 {
            return Err(here("say one of `line`, `text`, `log`, `exit` and `packet`"));
        }
        if uart.is_some() && line.is_none() && text.is_none() {
            return Err(here("`uart` goes with `line` or `text`"));
        }
        if let Some(packet) = packet {
            if device.is_some() {
                return Err(here("`packet` says its devices itself: `from`, `to`"));
            }
            return self.packet(packet, &format!("{pointer}/packet"));
        }
        let device = self.device(device, pointer)?;
        for (field, pattern) in [("line", line), ("text", text), ("log", log)] {
            let Some(pattern) = pattern else { continue };
            let at = format!("{pointer}/{field}");
            self.known(pattern, &at)?;
            let sample = references(pattern)
                .fold(pattern.to_string(), |pattern, name| pattern.replace(&format!("${{{name}}}"), "x"));
            compile(&sample).map_err(|message| (at, message))?;
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
            (.., code) => Matcher::Exit { device, code: code.unwrap_or_default() },
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
            expect.count.is_some(),
            expect.value.is_some(),
        ];
        if asked.into_iter().filter(|asked| *asked).count() != 1 {
            return Err(here("say one of `symbol`, `memory`, `register`, `core`, `count` and `value`"));
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

/// What `wait`, `forbid` and `never` have in common.
pub(super) struct Happening<'a> {
    device: &'a Option<String>,
    uart: &'a Option<String>,
    line: &'a Option<String>,
    text: &'a Option<String>,
    log: &'a Option<String>,
    exit: Option<i32>,
    packet: &'a Option<Packet>,
}

impl<'a> From<&'a Wait> for Happening<'a> {
    fn from(wait: &'a Wait) -> Self {
        let Wait { device, uart, line, text, log, exit, packet, .. } = wait;
        Self { device, uart, line, text, log, exit: *exit, packet }
    }
}

impl<'a> From<&'a Forbid> for Happening<'a> {
    fn from(forbid: &'a Forbid) -> Self {
        let Forbid { device, uart, line, text, log, exit, packet, .. } = forbid;
        Self { device, uart, line, text, log, exit: *exit, packet }
    }
}
