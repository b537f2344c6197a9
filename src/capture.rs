//! `--pcap`: the frames of a run as one pcapng file, an interface per link, with what faults did to them.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use consort_core::Time;
use consort_core::capture::{LinkType, Writer};
use consort_core::component::PortKind;
use consort_core::fleet::{Carried, Fleet};
use consort_core::link::{Fate, Rule};

use crate::failure::Failure;

/// Its name in the folder of `--pcap`.
pub const FILE: &str = "frames.pcapng";

struct Link {
    name: String,
    kind: PortKind,
    /// The devices at its ends.
    ends: Vec<String>,
}

/// An open capture.
pub struct Capture {
    path: PathBuf,
    out: Writer<BufWriter<File>>,
    error: Option<io::Error>,
    links: Vec<Link>,
}

impl Capture {
    /// Creates the file in `folder`, and the folder where needed.
    pub fn create(folder: &Path, fleet: &Fleet) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let application = concat!("consort ", env!("CARGO_PKG_VERSION"));
        let created = std::fs::create_dir_all(folder)
            .and_then(|()| File::create(&path))
            .and_then(|file| Writer::new(BufWriter::new(file), application));
        let out = created.map_err(|error| Failure::bad(format!("{}: {error}", path.display())))?;
        let links = fleet.links().map(|(name, ends)| {
            let port = |device: usize, port: u16| fleet.ports(device).get(usize::from(port));
            let kind = ends.first().and_then(|end| port(end.device, end.port)).map(|port| port.kind);
            Link {
                name: name.to_owned(),
                kind: kind.unwrap_or(PortKind::Ethernet),
                ends: ends.iter().map(|end| fleet.names()[end.device].clone()).collect(),
            }
        });
        let mut capture = Self { path, out, error: None, links: links.collect() };
        // An Ethernet link shows even when nothing is said on it.
        for link in capture.links.iter().filter(|link| link.kind == PortKind::Ethernet) {
            capture.error = capture.error.or(capture.out.interface(&link.name, LinkType::Ethernet).err());
        }
        Ok(capture)
    }

    /// Writes, unless something went wrong before.
    fn put(&mut self, link: usize, at: Time, data: &[u8], comment: &str) {
        if self.error.is_none() {
            let link = &self.links[link];
            self.error = self.out.frame(&link.name, link.kind, at, data, comment).err();
        }
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
    pub fn finish(self) -> Result<(), Failure> {
        let finished = self.out.finish();
        match self.error.or(finished.err()) {
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
