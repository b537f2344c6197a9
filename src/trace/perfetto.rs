//! A timeline for ui.perfetto.dev, in the Trace Event Format: a process for each device, with tracks for its
//! processor, its interrupts, its messages and its ports, and a counter for each output line.

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::device::Port;
use consort_core::fleet::Fleet;
use consort_core::trace::{CoreEvent, Event, Kind};
use serde_json::{Value, json};

use super::Out;
use crate::follow::Lines;

/// Tracks of a device; those of its ports follow.
const PROCESSOR: usize = 1;
const INTERRUPTS: usize = 2;
const MESSAGES: usize = 3;
const PORTS: usize = 4;
/// Of a frame, so many bytes are shown.
const SHOWN: usize = 64;

/// What is open on the timeline.
pub struct Perfetto {
    ports: Vec<Vec<Port>>,
    lines: Lines,
    /// Exceptions that a device is in.
    depth: Vec<usize>,
    last: Time,
}

impl Perfetto {
    /// Writes the beginning: what the tracks are called.
    pub fn begin(out: &mut Out, fleet: &Fleet) -> Self {
        let names = fleet.names();
        let ports: Vec<Vec<Port>> = (0..names.len()).map(|device| fleet.ports(device).to_vec()).collect();
        out.line("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
        for (device, name) in names.iter().enumerate() {
            let pid = device + 1;
            let title = |out: &mut Out, what: &str, tid: usize, name: &str| {
                let args = json!({ "name": name });
                let title =
                    json!({ "ph": "M", "name": what, "pid": pid, "tid": thread(device, tid), "args": args });
                out.line(&format!("{},", with_category(title, "__metadata")));
            };
            title(out, "process_name", PROCESSOR, name);
            for (tid, track) in [(PROCESSOR, "processor"), (INTERRUPTS, "interrupts"), (MESSAGES, "messages")]
            {
                title(out, "thread_name", tid, track);
            }
            for (index, port) in ports[device].iter().enumerate() {
                title(out, "thread_name", PORTS + index, &port.name);
            }
        }
        let timeline =
            Self { depth: vec![0; names.len()], ports, lines: Lines::default(), last: fleet.now() };
        for device in 0..names.len() {
            timeline.slice(out, device, PROCESSOR, timeline.last, Some("running"));
        }
        timeline
    }

    /// Adds an event.
    pub fn add(&mut self, out: &mut Out, device: usize, event: &Event) {
        let at = event.at;
        self.last = self.last.max(at);
        match &event.kind {
            Kind::Core(core) => self.core(out, device, at, core),
            Kind::Sent { port, data } => self.frame(out, device, at, *port, data, "sent"),
            Kind::Received { port, data } => self.frame(out, device, at, *port, data, "received"),
            Kind::Line { line, level } => {
                let args = json!({ "level": u8::from(*level) });
                self.put(out, device, MESSAGES, at, json!({ "ph": "C", "name": line, "args": args }));
            }
            Kind::Stimulus { what } => self.instant(out, device, MESSAGES, at, &format!("stimulus: {what}")),
            Kind::Log { who, text, .. } => {
                self.instant(out, device, MESSAGES, at, &format!("{who}: {text}"));
            }
            Kind::Exit { code } => self.instant(out, device, PROCESSOR, at, &format!("exit code {code}")),
            Kind::Report(report) => {
                self.instant(out, device, MESSAGES, at, &format!("{}: {report}", report.who));
            }
        }
    }

    /// Writes the end.
    pub fn end(mut self, out: &mut Out) {
        for (device, port, at, line) in self.lines.rest() {
            self.instant(out, device, PORTS + usize::from(port), at, &line);
        }
        for device in 0..self.ports.len() {
            for _ in 0..std::mem::take(&mut self.depth[device]) {
                self.slice(out, device, INTERRUPTS, self.last, None);
            }
            self.slice(out, device, PROCESSOR, self.last, None);
        }
        // The format has no place for a comma after the last event.
        out.line("{\"cat\":\"__metadata\",\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":1,\"args\":{\"sort_index\":0}}]}");
    }

    fn core(&mut self, out: &mut Out, device: usize, at: Time, event: &CoreEvent) {
        let becomes = match event {
            CoreEvent::Sleep => "asleep",
            CoreEvent::Wake => "running",
            CoreEvent::Lockup { .. } => "locked up",
            CoreEvent::Reset => {
                for _ in 0..std::mem::take(&mut self.depth[device]) {
                    self.slice(out, device, INTERRUPTS, at, None);
                }
                self.instant(out, device, PROCESSOR, at, "reset");
                "running"
            }
            CoreEvent::Entry { number, pc } => {
                self.depth[device] += 1;
                let args = json!({ "returns to": format!("{pc:#010x}") });
                let name = format!("exception {number}");
                return self.put(
                    out,
                    device,
                    INTERRUPTS,
                    at,
                    json!({ "ph": "B", "name": name, "args": args }),
                );
            }
            CoreEvent::Return { .. } => {
                // A trace that begins inside of an exception sees its end only.
                if let Some(depth) = self.depth[device].checked_sub(1) {
                    self.depth[device] = depth;
                    self.slice(out, device, INTERRUPTS, at, None);
                }
                return;
            }
        };
        self.slice(out, device, PROCESSOR, at, None);
        self.slice(out, device, PROCESSOR, at, Some(becomes));
    }

    fn frame(&mut self, out: &mut Out, device: usize, at: Time, port: u16, data: &[u8], verb: &str) {
        let track = PORTS + usize::from(port);
        let kind = self.ports[device].get(usize::from(port)).map(|port| port.kind);
        if kind == Some(PortKind::Uart) && verb == "sent" {
            let mut whole = Vec::new();
            self.lines.add(device, port, at, data, |at, line| whole.push((at, line.to_owned())));
            for (at, line) in whole {
                self.instant(out, device, track, at, &line);
            }
            return;
        }
        let hex: String = data.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{verb} {} bytes", data.len());
        let args = json!({ "bytes": hex });
        self.put(out, device, track, at, json!({ "ph": "i", "s": "t", "name": name, "args": args }));
    }

    fn instant(&self, out: &mut Out, device: usize, track: usize, at: Time, name: &str) {
        self.put(out, device, track, at, json!({ "ph": "i", "s": "t", "name": name }));
    }

    /// Begins what has a name, or ends what was begun last.
    fn slice(&self, out: &mut Out, device: usize, track: usize, at: Time, name: Option<&str>) {
        let event = name.map_or(json!({ "ph": "E" }), |name| json!({ "ph": "B", "name": name }));
        self.put(out, device, track, at, event);
    }

    fn put(&self, out: &mut Out, device: usize, track: usize, at: Time, mut event: Value) {
        (event["pid"], event["tid"]) = ((device + 1).into(), thread(device, track).into());
        let category = ["", "processor", "interrupts", "messages"].get(track);
        let event = with_category(event, category.unwrap_or(&"ports"));
        // In microseconds, to the picosecond: a number of JSON has as many digits as it takes.
        let text = event.to_string();
        let body = text.strip_suffix('}').unwrap_or(&text);
        let (us, rest) = (at.as_ps() / 1_000_000, at.as_ps() % 1_000_000);
        out.line(&format!("{body},\"ts\":{us}.{rest:06}}},"));
    }
}

/// A track's thread: one number for the whole fleet. The processor's is its process', by which viewers know what a
/// process is about.
fn thread(device: usize, track: usize) -> usize {
    const PER_DEVICE: usize = 1000;
    if track <= PROCESSOR { device + 1 } else { (device + 1) * PER_DEVICE + track }
}

/// With the category that some readers of the format want of each event.
fn with_category(mut event: Value, category: &str) -> Value {
    event["cat"] = category.into();
    event
}
