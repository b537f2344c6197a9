//! `--pcap`: the frames of a run as one pcapng file, an interface per link, with what faults did to them.

mod air;
mod pcapng;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::fleet::{Carried, Fleet};
use consort_core::link::{Fate, Rule};
use consort_core::radio::Packet;

use crate::failure::Failure;
use pcapng::LinkType;

/// Its name in the folder of `--pcap`.
pub const FILE: &str = "frames.pcapng";

struct Link {
    name: String,
    radio: bool,
    /// The devices at its ends.
    ends: Vec<String>,
}

/// An open capture.
pub struct Capture {
    path: PathBuf,
    out: BufWriter<File>,
    error: Option<io::Error>,
    links: Vec<Link>,
    interfaces: BTreeMap<(usize, LinkType), u32>,
}

impl Capture {
    /// Creates the file in `folder`, and the folder where needed.
    pub fn create(folder: &Path, fleet: &Fleet) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let created = std::fs::create_dir_all(folder).and_then(|()| File::create(&path));
        let file = created.map_err(|error| Failure::bad(format!("{}: {error}", path.display())))?;
        let links = fleet.links().map(|(name, ends)| {
            let port = |device: usize, port: u16| fleet.ports(device).get(usize::from(port));
            let kind = ends.first().and_then(|end| port(end.device, end.port)).map(|port| port.kind);
            Link {
                name: name.to_owned(),
                radio: kind == Some(PortKind::Radio),
                ends: ends.iter().map(|end| fleet.names()[end.device].clone()).collect(),
            }
        });
        let links = links.collect();
        let mut capture =
            Self { path, out: BufWriter::new(file), error: None, links, interfaces: BTreeMap::new() };
        let application = concat!("consort ", env!("CARGO_PKG_VERSION"));
        capture.note(|out, _| pcapng::section(out, application));
        for link in 0..capture.links.len() {
            if !capture.links[link].radio {
                capture.interface(link, LinkType::Ethernet);
            }
        }
        Ok(capture)
    }

    /// Writes, unless something went wrong before.
    fn note(&mut self, write: impl FnOnce(&mut BufWriter<File>, &[Link]) -> io::Result<()>) {
        if self.error.is_none() {
            self.error = write(&mut self.out, &self.links).err();
        }
    }

    /// The number of a link's interface; radio links have one for each kind of packet that is seen.
    fn interface(&mut self, link: usize, kind: LinkType) -> u32 {
        if let Some(number) = self.interfaces.get(&(link, kind)) {
            return *number;
        }
        let number = self.interfaces.len() as u32;
        self.interfaces.insert((link, kind), number);
        self.note(|out, links| pcapng::interface(out, kind, &links[link].name));
        number
    }

    fn put(&mut self, link: usize, at: Time, data: &[u8], comment: &str) {
        let (kind, bytes) = match self.links[link].radio.then(|| Packet::decode(data)) {
            Some(Ok(packet)) => air::describe(&packet),
            Some(Err(_)) => (LinkType::Air, data.to_vec()),
            None => (LinkType::Ethernet, data.to_vec()),
        };
        let interface = self.interface(link, kind);
        self.note(|out, _| pcapng::frame(out, interface, at, &bytes, comment));
    }

    /// Adds a frame as it was sent, and once more for each receiver that gets other bytes.
    pub fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        let comment = comment(&self.links[link].ends, frame);
        self.put(link, frame.at, frame.data, &comment);
        let mut deliveries = frame.deliveries.iter();
        for (to, fate) in frame.fates.iter().filter(|(_, fate)| fate.arrives()) {
            let Some(delivery) = deliveries.next() else { break };
            if matches!(fate, Fate::Corrupted { .. } | Fate::Split { .. }) {
                let words = told(&self.links[link].ends, *to, fate, frame.rules);
                self.put(link, delivery.at, &delivery.data, &format!("as received: {words}"));
            }
        }
    }

    /// Ends the file; an error of any write comes out here.
    pub fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.out.flush();
        match self.error.take().or(flushed.err()) {
            None => Ok(()),
            Some(error) => Err(Failure::bad(format!("{}: {error}", self.path.display()))),
        }
    }
}

/// What became of a frame, unless it simply arrived.
fn comment(ends: &[String], frame: &Carried<'_>) -> String {
    let unusual = frame.fates.iter().filter(|(_, fate)| !matches!(fate, Fate::Delivered));
    let mut words: Vec<String> = unusual.map(|(to, fate)| told(ends, *to, fate, frame.rules)).collect();
    words.dedup();
    words.join("; ")
}

/// A fate in words: `lost on the way to watch-1 by rule 0, "cut"`.
fn told(ends: &[String], to: Option<usize>, fate: &Fate, rules: &[Rule]) -> String {
    let (what, rule) = match fate {
        Fate::Delivered => ("arrives at", None),
        Fate::Late { rule } => ("late at", Some(rule)),
        Fate::Duplicated { rule } => ("arrives twice at", Some(rule)),
        Fate::Corrupted { rule } => ("damaged on the way to", Some(rule)),
        Fate::Split { rule } => ("cut in pieces on the way to", Some(rule)),
        Fate::Held { rule } => ("held back on the way to", Some(rule)),
        Fate::Dropped { rule } => ("LOST on the way to", Some(rule)),
        Fate::Overflow => ("LOST in the full queue to", None),
        Fate::OutOfRange => ("out of range of", None),
    };
    let to = to.and_then(|to| ends.get(to)).map_or("everyone", String::as_str);
    match rule {
        None => format!("{what} {to}"),
        Some(rule) => {
            let fault = rules.get(*rule).and_then(|rule| serde_json::to_string(&rule.fault).ok());
            format!("{what} {to} by rule {rule}, {}", fault.unwrap_or_default())
        }
    }
}
