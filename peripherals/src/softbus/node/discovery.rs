//! Publishing and finding: broadcasts on their schedules, answers, and the list of devices found.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use consort_core::Time;
use consort_core::rng::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Event, Node};
use crate::softbus::codec::discovery::{self as wire, Datagram, Message, Mode, PORT, Path};
use crate::softbus::error::ApiError;
use crate::softbus::net;

/// Devices that are remembered.
const MOST_FOUND: usize = 20;
/// When the list is full, an entry this old gives way to a new device.
const AGING: Time = Time::from_secs(1);
/// Messages that are looked at per second.
const MESSAGES_PER_SECOND: u32 = 200;
/// The longest data of a service.
const MOST_DATA: usize = 512;
/// RFC 7252, section 4.8: ACK_TIMEOUT and MAX_RETRANSMIT.
const ACK_TIMEOUT: Time = Time::from_secs(2);
const MAX_RETRANSMIT: u8 = 4;
const MOST_CONFIRMABLE: usize = 32;

/// How often a service is announced or sought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Frequency {
    /// 12 broadcasts: after 100, 200 and 200 ms, then every 500 ms.
    #[default]
    Standard,
    /// 12 in 5 seconds.
    Low,
    /// 24 in 5 seconds.
    Mid,
    /// 36 in 5 seconds.
    High,
    /// 48 in 10 seconds.
    SuperHigh,
}

impl Frequency {
    /// How many broadcasts there are.
    pub const fn count(self) -> u32 {
        match self {
            Self::Standard | Self::Low => 12,
            Self::Mid => 24,
            Self::High => 36,
            Self::SuperHigh => 48,
        }
    }

    /// The span between broadcast `index` and the one before, counted from 0.
    pub const fn gap(self, index: u32) -> Time {
        match (self, index) {
            (_, 0) => Time::ZERO,
            (Self::Standard, 1) => Time::from_ms(100),
            (Self::Standard, 2 | 3) => Time::from_ms(200),
            (Self::Standard, _) => Time::from_ms(500),
            (Self::SuperHigh, _) => Time::from_us(10_000_000 / 48),
            (_, _) => Time::from_us(5_000_000 / self.count() as u64),
        }
    }
}

/// Who speaks first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Only listen, and answer (0x55 in the public API).
    #[default]
    Passive,
    /// Broadcast (0xAA).
    Active,
}

/// A service that is published or sought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The caller's number for it.
    pub id: u32,
    /// The capability, as a bitmap.
    pub capability: u32,
    /// Who speaks first.
    pub how: How,
    /// How often.
    pub frequency: Frequency,
    /// Data of the capability, at most 512 bytes.
    pub data: Vec<u8>,
}

/// A device that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its UDID.
    pub udid: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub device_type: u32,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Where it takes authentication.
    pub auth_port: Option<u16>,
    /// What it can do.
    pub capability: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Running {
    service: Service,
    sent: u32,
    /// The next broadcast; [`Time::MAX`] when there is none.
    next: Time,
}

impl Running {
    fn new(now: Time, service: Service) -> Self {
        let next = if service.how == How::Active { now } else { Time::MAX };
        Self { service, sent: 0, next }
    }

    /// Notes a broadcast.
    fn advance(&mut self, now: Time) {
        self.sent += 1;
        let more = self.sent < self.service.frequency.count();
        self.next = if more { now + self.service.frequency.gap(self.sent) } else { Time::MAX };
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Confirmable {
    to: Ipv4Addr,
    bytes: Vec<u8>,
    next: Time,
    wait: Time,
    tries: u8,
}

/// The state of discovery.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Discovery {
    published: Vec<Running>,
    sought: Vec<Running>,
    found: BTreeMap<String, (Found, Time)>,
    confirmable: BTreeMap<u16, Confirmable>,
    message_id: u16,
    hash: u64,
    seq_no: u16,
    /// The present second, and the messages in it.
    rate: (u64, u32),
}

impl Discovery {
    pub fn new(rng: &mut Rng) -> Self {
        Self {
            published: Vec::new(),
            sought: Vec::new(),
            found: BTreeMap::new(),
            confirmable: BTreeMap::new(),
            message_id: rng.next_u32() as u16,
            hash: rng.next_u64(),
            seq_no: 0,
            rate: (0, 0),
        }
    }

    pub fn due(&self) -> Time {
        let running = self.published.iter().chain(&self.sought).map(|running| running.next);
        let confirmable = self.confirmable.values().map(|waiting| waiting.next);
        running.chain(confirmable).min().unwrap_or(Time::MAX)
    }

    /// The capabilities of all published services.
    pub fn published(&self) -> u32 {
        self.published.iter().fold(0, |bits, running| bits | running.service.capability)
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn seq_no(&self) -> u16 {
        self.seq_no
    }

    fn next_id(&mut self) -> u16 {
        self.message_id = self.message_id.wrapping_add(1);
        self.message_id
    }

    fn begin(list: &mut Vec<Running>, most: usize, now: Time, service: Service) -> Result<(), ApiError> {
        let known = list.iter().position(|running| running.service.id == service.id);
        if service.data.len() > MOST_DATA || service.capability == 0 || known.is_none() && list.len() >= most
        {
            return Err(ApiError::InvalidParam);
        }
        let running = Running::new(now, service);
        match known {
            Some(index) => list[index] = running,
            None => list.push(running),
        }
        Ok(())
    }

    fn end(list: &mut Vec<Running>, id: u32) -> Result<(), ApiError> {
        let index = list.iter().position(|running| running.service.id == id).ok_or(ApiError::InvalidParam)?;
        list.remove(index);
        Ok(())
    }
}

impl Node {
    /// Publishes a service: answers who seeks, and broadcasts when active.
    pub fn publish(&mut self, now: Time, service: Service) -> Result<(), ApiError> {
        let id = service.id;
        Discovery::begin(&mut self.discovery.published, self.config.role.most_services(), now, service)?;
        self.tell(Event::Published { id });
        self.poll_discovery(now);
        self.settle(now);
        Ok(())
    }

    /// Withdraws a service.
    pub fn unpublish(&mut self, id: u32) -> Result<(), ApiError> {
        Discovery::end(&mut self.discovery.published, id)
    }

    /// Seeks devices with a capability.
    pub fn refresh(&mut self, now: Time, service: Service) -> Result<(), ApiError> {
        if !self.config.role.can_seek() {
            return Err(ApiError::NotImplement);
        }
        let id = service.id;
        Discovery::begin(&mut self.discovery.sought, self.config.role.most_services(), now, service)?;
        self.tell(Event::Discovering { id });
        self.poll_discovery(now);
        self.settle(now);
        Ok(())
    }

    /// Seeks no more.
    pub fn stop_refresh(&mut self, id: u32) -> Result<(), ApiError> {
        Discovery::end(&mut self.discovery.sought, id)
    }

    /// Tells everyone that this node comes online (true) or goes offline; nobody answers.
    pub fn say_presence(&mut self, now: Time, online: bool) {
        self.broadcast(now, if online { Mode::UPLINE } else { Mode::OFFLINE }, None);
        self.settle(now);
    }

    /// The devices found so far.
    pub fn found(&self) -> impl Iterator<Item = &Found> {
        self.discovery.found.values().map(|(found, _)| found)
    }

    pub(super) fn found_device(&self, udid: &str) -> Option<&Found> {
        self.discovery.found.get(udid).map(|(found, _)| found)
    }

    pub(super) fn poll_discovery(&mut self, now: Time) {
        for index in 0..self.discovery.published.len() {
            if self.discovery.published[index].next <= now {
                self.broadcast(now, Mode::PUBLISH, None);
                self.discovery.published[index].advance(now);
            }
        }
        for index in 0..self.discovery.sought.len() {
            if self.discovery.sought[index].next <= now {
                let capability = self.discovery.sought[index].service.capability;
                self.broadcast(now, Mode::DISCOVER, Some(capability));
                self.discovery.sought[index].advance(now);
            }
        }
        let due: Vec<u16> = self
            .discovery
            .confirmable
            .iter()
            .filter(|(_, waiting)| waiting.next <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(waiting) = self.discovery.confirmable.get_mut(&id) else { continue };
            if waiting.tries >= MAX_RETRANSMIT {
                self.discovery.confirmable.remove(&id);
                continue;
            }
            waiting.tries += 1;
            waiting.wait = waiting.wait + waiting.wait;
            waiting.next = now + waiting.wait;
            let (to, bytes) = (waiting.to, waiting.bytes.clone());
            self.net.send_udp(now, PORT, (to, PORT), &bytes);
        }
    }

    fn broadcast(&mut self, now: Time, mode: Mode, seeking: Option<u32>) {
        self.discovery.seq_no = self.discovery.seq_no.wrapping_add(1);
        let to = self.net.station().broadcast();
        let mut announcement = self.announcement(mode, seeking);
        announcement.coap_uri =
            Some(format!("coap://{}/{}", self.net.station().ip, Path::DeviceDiscover.name()));
        let message = Message {
            path: Path::DeviceDiscover,
            id: self.discovery.next_id(),
            confirmable: false,
            host: to.to_string(),
            announcement,
        };
        if let Ok(bytes) = message.encode(self.config.role.style()) {
            self.net.send_udp(now, PORT, (to, PORT), &bytes);
        }
    }

    fn answer(&mut self, now: Time, to: Ipv4Addr, business_type: Option<u8>) {
        let confirmable = self.config.role.answers_confirmably(business_type.unwrap_or(0));
        let id = self.discovery.next_id();
        let mut announcement = self.announcement(Mode::DEFAULT, None);
        if announcement.business_type.is_some() && business_type.is_some() {
            announcement.business_type = business_type;
        }
        let message =
            Message { path: Path::DeviceDiscover, id, confirmable, host: to.to_string(), announcement };
        let Ok(bytes) = message.encode(self.config.role.style()) else { return };
        self.net.send_udp(now, PORT, (to, PORT), &bytes);
        if confirmable && self.discovery.confirmable.len() < MOST_CONFIRMABLE {
            // RFC 7252: between ACK_TIMEOUT and one and a half of it.
            let wait = ACK_TIMEOUT + Time::from_us(self.rng.below(1_000_000));
            let waiting = Confirmable { to, bytes, next: now + wait, wait, tries: 0 };
            self.discovery.confirmable.insert(id, waiting);
        }
    }

    pub(super) fn take_datagram(&mut self, now: Time, datagram: &net::Datagram) {
        let second = now.as_ps() / Time::from_secs(1).as_ps();
        if self.discovery.rate.0 != second {
            self.discovery.rate = (second, 0);
        }
        self.discovery.rate.1 = self.discovery.rate.1.saturating_add(1);
        if self.discovery.rate.1 > MESSAGES_PER_SECOND {
            if self.discovery.rate.1 == MESSAGES_PER_SECOND + 1 {
                self.malformed(
                    datagram.from,
                    "more than 200 discovery messages in a second: the rest is dropped",
                );
            }
            return;
        }
        let message = match Message::decode(&datagram.data) {
            Ok(Datagram::Message(message)) => message,
            Ok(Datagram::Acknowledged(id)) => {
                self.discovery.confirmable.remove(&id);
                return;
            }
            Err(error) => return self.malformed(datagram.from, format!("discovery message: {error}")),
        };
        if message.confirmable {
            let reply = Message::acknowledge(message.id);
            self.net.send_udp(now, PORT, (datagram.from, PORT), &reply);
        }
        if message.path != Path::DeviceDiscover || message.announcement.udid == self.udid {
            return;
        }
        let mode = message.announcement.mode;
        let asks = message.announcement.coap_uri.is_some() && !mode.is_silent();
        if mode == Mode::OFFLINE {
            self.discovery.found.remove(&message.announcement.udid);
        } else if mode != Mode::DISCOVER || message.announcement.coap_uri.is_none() {
            // A seeker's bitmap is what it seeks, not what it offers.
            self.note(now, datagram.from, &message.announcement);
        }
        if asks && !self.discovery.published.is_empty() {
            self.answer(now, datagram.from, message.announcement.business_type);
        }
    }

    fn note(&mut self, now: Time, from: Ipv4Addr, announcement: &wire::Announcement) {
        let capability = announcement.capability.first().copied().unwrap_or(0);
        let wanted = self.discovery.sought.iter().any(|sought| sought.service.capability & capability != 0);
        if !wanted {
            return;
        }
        let found = Found {
            udid: announcement.udid.clone(),
            name: announcement.name.clone(),
            device_type: announcement.device_type,
            ip: from,
            auth_port: announcement.auth_port,
            capability,
        };
        let list = &mut self.discovery.found;
        if !list.contains_key(&found.udid) && list.len() >= MOST_FOUND {
            let oldest =
                list.iter().min_by_key(|(_, (_, at))| *at).map(|(udid, (_, at))| (udid.clone(), *at));
            match oldest {
                Some((udid, at)) if now.since(at) >= AGING => list.remove(&udid),
                _ => return,
            };
        }
        let old = list.insert(found.udid.clone(), (found.clone(), now));
        if old.is_none_or(|(old, _)| old != found) {
            self.tell(Event::Found(Box::new(found)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_have_their_counts_and_lengths() {
        let length = |frequency: Frequency| {
            (1..frequency.count()).fold(Time::ZERO, |sum, index| sum + frequency.gap(index))
        };
        // 100 + 200 + 200 + 8 * 500 ms.
        assert_eq!(length(Frequency::Standard), Time::from_ms(4500));
        for (frequency, count, span) in [
            (Frequency::Low, 12, 5),
            (Frequency::Mid, 24, 5),
            (Frequency::High, 36, 5),
            (Frequency::SuperHigh, 48, 10),
        ] {
            assert_eq!(frequency.count(), count);
            let whole = length(frequency) + frequency.gap(1);
            assert!(Time::from_secs(span).since(whole) < Time::from_ms(1), "{frequency:?} {whole}");
        }
    }
}
