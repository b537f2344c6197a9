//! Links in fleet files: what they join, and their faults.

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::device::Port;
use consort_core::fleet::{Endpoint, Fleet};
use consort_core::link::{Fault, Lan, LanConfig, Link, Rule, Wire, WireConfig};
use consort_core::radio::{Position, Radio, RadioConfig};
use consort_core::rng::Rng;
use consort_core::wire::WireKind;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FleetFile, LoadFleetError, device_index};
use crate::json::{Document, JsonError, pointer_of};
use crate::suggest;

/// A link.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LinkEntry {
    /// The medium.
    pub kind: LinkKind,
    /// What it joins: `device.port`, or `device` when the device has only one port the link can carry. Wires end at
    /// components, `device.uart0`, or at pins, `device.gpio.p5`; one that is named twice talks to itself.
    pub joins: Vec<String>,
    /// From the end of sending to the beginning of arriving; the shortest latency of all links bounds how long
    /// devices run between two exchanges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Time>,
    /// The highest rate, in bits per second, that a `uart`, `spi` or `i2c` wire allows; default 1000000, for `i2c`
    /// 400000. The higher it is, the shorter are the fleet's windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastest: Option<u64>,
    /// Which pin selects each slave of an `spi` wire, by the slave's name in `joins`:
    /// `{"sensor.serial1": "hub.gpio.p22"}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub select: IndexMap<String, String>,
    /// Bits per second of each device's connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
    /// Path loss and range of a radio link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub air: Option<RadioConfig>,
    /// Faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultEntry>,
}

/// Kinds of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// An Ethernet switch.
    Lan,
    /// The air between radios; `air` says how signals fade.
    Radio,
    /// Two UARTs, TXD to RXD both ways, RTS to CTS.
    Uart,
    /// Clock, MOSI and MISO of an SPI bus; `select` says what selects its slaves.
    Spi,
    /// Clock and data of an I2C bus.
    I2c,
    /// One wire between pins.
    Pin,
}

impl LinkKind {
    fn wire(self) -> Option<WireKind> {
        match self {
            Self::Lan | Self::Radio => None,
            Self::Uart => Some(WireKind::Uart),
            Self::Spi => Some(WireKind::Spi),
            Self::I2c => Some(WireKind::I2c),
            Self::Pin => Some(WireKind::Pin),
        }
    }
}

/// A fault on a link.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultEntry {
    /// From when; the beginning when absent.
    #[serde(default)]
    pub after: Time,
    /// Until when; the end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Time>,
    /// Only frames of this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only frames to this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only between a device of the first list and one of the second, both ways: with `"cut"`, a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<[Vec<String>; 2]>,
    /// `"cut"`, `{"loss": 50000}` (of a million), `{"delay": "2ms"}`, ...
    pub fault: Fault,
}

impl FleetFile {
    pub(super) fn join(
        &self,
        name: &str,
        entry: &LinkEntry,
        document: &Document,
        seed: u64,
        fleet: &mut Fleet,
    ) -> Result<(), LoadFleetError> {
        let pointer = format!("/links{}", pointer_of([name]));
        let carries = match entry.kind {
            LinkKind::Lan => PortKind::Ethernet,
            LinkKind::Radio => PortKind::Radio,
            LinkKind::Uart | LinkKind::Spi | LinkKind::I2c | LinkKind::Pin => PortKind::Wire,
        };
        let rng = Rng::new(seed, &format!("link {name}"));
        let mut endpoints = Vec::new();
        let wire = entry.kind.wire().map(|kind| entry.wire(kind, &pointer, document, fleet, &mut endpoints));
        let wire = wire.transpose()?;
        for (index, plug) in entry.joins.iter().enumerate().filter(|_| wire.is_none()) {
            let endpoint = find_port(fleet, plug, carries)
                .map_err(|message| document.error(&format!("{pointer}/joins/{index}"), message))?;
            endpoints.push(endpoint);
        }
        let error = |field: &str, message: &str| document.error(&format!("{pointer}/{field}"), message);
        if entry.latency.is_some_and(|latency| latency < Time::from_us(1)) {
            return Err(error("latency", "a latency is at least 1us: it is the fleet's lookahead").into());
        }
        if wire.is_none() && entry.fastest.is_some() {
            return Err(error("fastest", "only `uart`, `spi` and `i2c` wires have a highest rate").into());
        }
        if entry.kind != LinkKind::Spi && !entry.select.is_empty() {
            return Err(error("select", "only `spi` wires have slaves to select").into());
        }
        let mut link: Box<dyn Link> = match (entry.kind, wire) {
            (_, Some(config)) => Box::new(Wire::new(config, endpoints.len(), rng)),
            (LinkKind::Lan, None) => {
                if entry.air.is_some() {
                    return Err(error("air", "only radio links go through the air").into());
                }
                let defaults = LanConfig::default();
                let config = LanConfig {
                    latency: entry.latency.unwrap_or(defaults.latency),
                    bandwidth: entry.bandwidth.unwrap_or(defaults.bandwidth),
                };
                if config.bandwidth == 0 {
                    return Err(error("bandwidth", "a bandwidth of 0 carries nothing").into());
                }
                Box::new(Lan::new(config, endpoints.len(), rng))
            }
            (_, None) => {
                if entry.bandwidth.is_some() {
                    return Err(error("bandwidth", "a radio's bandwidth is its own mode's").into());
                }
                let mut config = entry.air.clone().unwrap_or_default();
                config.latency = entry.latency.unwrap_or(config.latency);
                let position = |device: usize| self.devices.get_index(device).and_then(|(_, d)| d.position);
                let positions: Vec<Position> =
                    endpoints.iter().map(|end| position(end.device).unwrap_or_default()).collect();
                Box::new(Radio::new(config, &positions, rng))
            }
        };
        for (index, fault) in entry.faults.iter().enumerate() {
            let at = format!("{pointer}/faults/{index}");
            let end = |device: &String| {
                let index = fleet.names().iter().position(|known| known == device);
                let end = endpoints.iter().position(|endpoint| Some(endpoint.device) == index);
                end.ok_or_else(|| document.error(&at, format!("the link does not join `{device}`")))
            };
            let ends = |devices: &[String]| devices.iter().map(end).collect::<Result<Vec<_>, _>>();
            fault.fault.check(carries).map_err(|message| document.error(&format!("{at}/fault"), message))?;
            let paths = match &fault.between {
                None => {
                    vec![(fault.from.as_ref().map(end).transpose()?, fault.to.as_ref().map(end).transpose()?)]
                }
                Some(_) if fault.from.is_some() || fault.to.is_some() => {
                    return Err(document.error(&at, "a fault has `between`, or `from` and `to`").into());
                }
                Some([one, other]) => {
                    let (one, other) = (ends(one)?, ends(other)?);
                    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
                    pairs.flat_map(|(a, b)| [(Some(a), Some(b)), (Some(b), Some(a))]).collect()
                }
            };
            for (from, to) in paths {
                let before = fault.before.unwrap_or(Time::MAX);
                link.rules_mut().add(Rule { after: fault.after, before, from, to, fault: fault.fault });
            }
        }
        fleet.join(name, link, endpoints).map_err(|error| document.error(&pointer, error.to_string()))?;
        Ok(())
    }
}

/// No wire has more ends.
const MOST_ENDS: usize = 32;
/// What a wire's highest rate can be.
const RATES: std::ops::RangeInclusive<u64> = 100..=50_000_000;

impl LinkEntry {
    /// Lets the wires end where the entry says; the ends of an SPI bus are followed by the pins that select them.
    fn wire(
        &self,
        kind: WireKind,
        pointer: &str,
        document: &Document,
        fleet: &mut Fleet,
        ends: &mut Vec<Endpoint>,
    ) -> Result<WireConfig, JsonError> {
        let error = |field: &str, message: String| document.error(&format!("{pointer}/{field}"), message);
        if self.air.is_some() || self.bandwidth.is_some() {
            let field = if self.air.is_some() { "air" } else { "bandwidth" };
            return Err(error(field, "wires have no such thing".to_owned()));
        }
        let latency = match (kind, self.latency, self.fastest) {
            (WireKind::Pin, _, Some(_)) => {
                return Err(error("fastest", "a wire between pins has a `latency`, and no rate".to_owned()));
            }
            (WireKind::Pin, latency, None) => latency.unwrap_or(kind.latency(0)),
            (_, Some(_), _) => {
                let message = format!("the latency of {kind} wires follows from `fastest`, its highest rate");
                return Err(error("latency", message));
            }
            (_, None, rate) => {
                let rate = rate.unwrap_or(kind.usual_rate());
                if !RATES.contains(&rate) {
                    let message =
                        format!("a rate is from {} to {} bits per second", RATES.start(), RATES.end());
                    return Err(error("fastest", message));
                }
                kind.latency(rate)
            }
        };
        let loops = matches!(self.joins.as_slice(), [one, other] if one == other);
        let right = match (kind, self.joins.len()) {
            (WireKind::Uart, count) => count == 2,
            (_, count) => (2..=MOST_ENDS).contains(&count),
        };
        if !right {
            let many =
                if kind == WireKind::Uart { "two ends".to_owned() } else { format!("2 to {MOST_ENDS} ends") };
            return Err(error("joins", format!("{kind} wires have {many}, not {}", self.joins.len())));
        }
        if loops && matches!(kind, WireKind::I2c | WireKind::Pin) {
            return Err(error("joins", format!("{kind} wires from a place to itself join nothing")));
        }
        for (index, place) in self.joins.iter().enumerate() {
            if loops && let Some(end) = ends.first().copied() {
                ends.push(end);
                continue;
            }
            let end = plug(fleet, place, kind, latency);
            ends.push(end.map_err(|message| error(&format!("joins/{index}"), message))?);
        }
        let mut selects = Vec::new();
        for (slave, pin) in &self.select {
            let at = format!("select{}", pointer_of([slave]));
            let to = self.joins.iter().position(|place| place == slave);
            let to = to.ok_or_else(|| {
                let known = suggest(slave, self.joins.iter().map(String::as_str));
                error(&at, format!("the wire does not join `{slave}`{known}"))
            })?;
            selects.push((ends.len(), to));
            let end = plug(fleet, pin, WireKind::Pin, latency);
            ends.push(end.map_err(|message| error(&at, message))?);
        }
        if kind == WireKind::Spi && !loops && selects.is_empty() {
            let message =
                "say in `select` which pin selects the slave: {\"sensor.serial1\": \"hub.gpio.p22\"}";
            return Err(document.error(pointer, message));
        }
        Ok(WireConfig { kind, latency, selects, loops })
    }
}

/// Lets a wire end at `device.component` or `device.component.pin`.
fn plug(fleet: &mut Fleet, place: &str, kind: WireKind, latency: Time) -> Result<Endpoint, String> {
    let (device, at) = place.split_once('.').unwrap_or((place, ""));
    let index = device_index(fleet, device)?;
    fleet.plug(index, at, kind, latency)
}

/// Finds `device.port`, or a device's only port of a kind.
fn find_port(fleet: &Fleet, plug: &str, kind: PortKind) -> Result<Endpoint, String> {
    let (device, port) = plug.split_once('.').map_or((plug, None), |(device, port)| (device, Some(port)));
    let index = device_index(fleet, device)?;
    let fitting: Vec<(usize, &Port)> =
        fleet.ports(index).iter().enumerate().filter(|(_, port)| port.kind == kind).collect();
    let listed = || fitting.iter().map(|(_, port)| port.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = match port {
        Some(port) => fitting.iter().find(|(_, known)| known.name == port),
        None if fitting.len() == 1 => fitting.first(),
        None => None,
    };
    match found {
        Some((port, _)) => Ok(Endpoint { device: index, port: *port as u16 }),
        None if fitting.is_empty() => Err(format!("`{device}` has no port that this link can carry")),
        None => Err(format!("say which port of `{device}`: {}", listed())),
    }
}
