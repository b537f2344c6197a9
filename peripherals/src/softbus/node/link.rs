//! Joining a device: identities, trust, device information, and the heartbeat that notices who is gone.
//!
//! The trust exchange (module 3) is the seam of HiChain: with pre-provisioned trust it names the exchange and
//! takes the key that the configuration gives both sides. Whether the keys are equal shows in the first
//! encrypted packet.

use std::net::Ipv4Addr;

use consort_core::Time;
use serde::{Deserialize, Serialize};

use super::{Event, Node};
use crate::softbus::codec::CodecError;
use crate::softbus::codec::auth::{DeviceInfo, Identity, Info, Trust};
use crate::softbus::codec::cipher::{self, AuthKey, IV};
use crate::softbus::codec::packet::{Module, Packet, REPLY};
use crate::softbus::error::ApiError;
use crate::softbus::net::Handle;

/// A join must be done by then, and authentication this long after the connection opened.
const JOIN_TIMEOUT: Time = Time::from_secs(15);
const AUTH_TIMEOUT: Time = Time::from_secs(10);
/// A device that is left has this long to end the connection from its side.
const LEAVE_TIMEOUT: Time = Time::from_secs(5);
/// The client asks for the device id again this often, and both sides give up after three silent spans.
const HEARTBEAT: Time = Time::from_secs(10);
const SILENCE: Time = Time::from_secs(31);
/// How long a client waits for an answer to the trust exchange before it goes on without, and with a stub that is
/// known to give none.
const PATIENCE: Time = Time::from_secs(3);
const STUB_PAUSE: Time = Time::from_ms(100);
/// The most authenticated connections.
const MOST_LINKS: usize = 30;
const BUS_VERSION: i32 = 2;
/// All media bits, as lite devices send them.
const CONN_CAP: u32 = 31;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Client: TCP is not open yet.
    Connecting,
    /// Client: asked for the identity. Server: waits to be asked.
    Identity,
    /// Client: began the trust exchange. Server: waits for it.
    Trust,
    /// Client: sent its device information. Server: waits for it.
    Info,
    /// Done.
    Online,
    /// The owner left: nothing more is sent, and the peer's end of it is awaited.
    Leaving,
}

/// A connection for authentication.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Link {
    peer: Ipv4Addr,
    client: bool,
    stage: Stage,
    udid: String,
    name: String,
    key: Option<(u32, AuthKey)>,
    session_port: u16,
    inbox: Vec<u8>,
    seq: u64,
    deadline: Time,
    next_beat: Time,
    online_since: Time,
    /// When to go on without an answer.
    go_on: Time,
}

impl Link {
    fn new(now: Time, peer: Ipv4Addr, client: bool, udid: String) -> Self {
        let stage = if client { Stage::Connecting } else { Stage::Identity };
        Self {
            peer,
            client,
            stage,
            udid,
            name: String::new(),
            key: None,
            session_port: 0,
            inbox: Vec::new(),
            seq: 0,
            deadline: now + if client { JOIN_TIMEOUT } else { AUTH_TIMEOUT },
            next_beat: Time::MAX,
            online_since: Time::MAX,
            go_on: Time::MAX,
        }
    }

    pub fn due(&self) -> Time {
        self.deadline.min(self.next_beat).min(self.go_on)
    }

    pub fn is_online(&self) -> bool {
        self.stage == Stage::Online
    }
}

impl Node {
    /// Authenticates with a device that was found; [`Event::Joined`] tells how it ended.
    pub fn join(&mut self, now: Time, udid: &str) -> Result<(), ApiError> {
        if !self.config.role.can_seek() {
            return Err(ApiError::NotImplement);
        }
        if self.online_link(udid).is_some() {
            self.tell(Event::Joined { udid: udid.to_owned(), result: Ok(()) });
            return Ok(());
        }
        if self.links.values().any(|link| link.client && link.udid == udid && link.stage != Stage::Leaving) {
            return Ok(());
        }
        let found = self.found_device(udid).ok_or(ApiError::NetworkNotFound)?;
        let (ip, port) = (found.ip, found.auth_port.ok_or(ApiError::NetworkNotFound)?);
        if self.config.trusted(udid).is_none() {
            return Err(ApiError::PermissionDenied);
        }
        if self.links.len() >= MOST_LINKS {
            return Err(ApiError::SessionCount);
        }
        let handle = self.net.connect(ip, port, &mut self.rng).ok_or(ApiError::SessionCount)?;
        self.links.insert(handle, Link::new(now, ip, true, udid.to_owned()));
        self.settle(now);
        Ok(())
    }

    /// Leaves a device: it is offline at once, and its sessions close; [`Event::Left`] tells when the peer let go too,
    /// or that it did not in time.
    pub fn leave(&mut self, now: Time, udid: &str) -> Result<(), ApiError> {
        self.online_link(udid).ok_or(ApiError::NetworkNotFound)?;
        while let Some((handle, _)) = self.online_link(udid) {
            let Some(link) = self.links.get_mut(&handle) else { break };
            link.stage = Stage::Leaving;
            link.deadline = now + LEAVE_TIMEOUT;
            link.next_beat = Time::MAX;
            if let Some(connection) = self.net.connection(handle) {
                connection.close();
            }
        }
        self.close_sessions_with(now, udid);
        self.tell(Event::Offline { udid: udid.to_owned() });
        self.settle(now);
        Ok(())
    }

    /// The devices that are online.
    pub fn online(&self) -> impl Iterator<Item = &str> {
        self.links.values().filter(|link| link.is_online()).map(|link| link.udid.as_str())
    }

    pub(super) fn online_link(&self, udid: &str) -> Option<(Handle, &Link)> {
        let mut links = self.links.iter();
        links.find(|(_, link)| link.is_online() && link.udid == udid).map(|(handle, link)| (*handle, link))
    }

    /// Where a device takes sessions, and the key to ask with.
    pub(super) fn session_door(&self, udid: &str) -> Option<(Ipv4Addr, u16, u32, AuthKey)> {
        let (_, link) = self.online_link(udid)?;
        let (index, key) = link.key?;
        Some((link.peer, link.session_port, index, key))
    }

    /// The device that a key index from an address belongs to.
    pub(super) fn key_owner(&self, from: Ipv4Addr, index: u32) -> Option<(String, AuthKey)> {
        self.links.values().filter(|link| link.is_online() && link.peer == from).find_map(|link| {
            let (known, key) = link.key?;
            (known == index).then(|| (link.udid.clone(), key))
        })
    }

    /// The key that packets are sealed with: the link's own, or with the lite stack's flaws whichever was agreed on
    /// last, with whomever.
    pub(super) fn sealing_key(&self, own: Option<(u32, AuthKey)>) -> Option<(u32, AuthKey)> {
        if !self.config.flaws {
            return own;
        }
        self.links.values().rev().find_map(|link| link.key).or(own)
    }

    /// Takes a connection for authentication.
    pub(super) fn accept_link(&mut self, now: Time, handle: Handle, from: Ipv4Addr) {
        if self.links.len() >= MOST_LINKS {
            self.malformed(from, "authentication: too many connections");
            self.net.abort(now, handle);
            return;
        }
        self.links.insert(handle, Link::new(now, from, false, String::new()));
    }

    pub(super) fn poll_links(&mut self, now: Time) {
        let handles: Vec<Handle> = self.links.keys().copied().collect();
        for handle in handles {
            self.poll_link(now, handle);
        }
    }

    fn poll_link(&mut self, now: Time, handle: Handle) {
        let limit = self.config.role.packet_limit();
        let Some(link) = self.links.get_mut(&handle) else { return };
        let Some(connection) = self.net.connection(handle) else {
            return self.drop_link(now, handle, ApiError::NetworkNotFound);
        };
        if link.stage == Stage::Connecting && connection.is_open() {
            link.stage = Stage::Identity;
            link.deadline = link.deadline.min(now + AUTH_TIMEOUT);
            let ask = Identity::Get { udid: self.udid.clone(), auth_id: self.udid.clone() };
            self.send_packet(now, handle, Module::TRUST_ENGINE, None, 0, &ask.encode());
        }
        let (mut whole, mut taken) = (Vec::new(), 0);
        while let Some(connection) = self.net.connection(handle) {
            let (from, ended) = (connection.remote.0, connection.has_ended());
            let Some(link) = self.links.get_mut(&handle) else { break };
            link.inbox.append(connection.input());
            if self.config.flaws && taken == 0 {
                whole.clone_from(&link.inbox);
            }
            match Packet::take(&mut link.inbox, limit) {
                Ok(Some(packet)) => {
                    taken += 1;
                    self.take_packet(now, handle, &packet);
                }
                Ok(None) if ended => return self.drop_link(now, handle, ApiError::NetworkNotFound),
                Ok(None) if self.config.flaws && taken > 0 && !link.inbox.is_empty() => {
                    // What is left should go to the buffer's front; the lite stack moves the front there instead.
                    let left = link.inbox.len();
                    if left > whole.len() - left {
                        return self.refuse_link(now, handle, ApiError::InvalidDataHead);
                    }
                    link.inbox = whole[..left].to_vec();
                    break;
                }
                Ok(None) => break,
                Err(error) => {
                    self.malformed(from, format!("authentication: {error}"));
                    return self.refuse_link(now, handle, ApiError::InvalidDataHead);
                }
            }
        }
        let Some(link) = self.links.get_mut(&handle) else { return };
        if link.go_on <= now {
            link.go_on = Time::MAX;
            link.stage = Stage::Info;
            self.send_info(now, handle, None);
        }
        let Some(link) = self.links.get_mut(&handle) else { return };
        if link.next_beat <= now {
            link.next_beat = now + HEARTBEAT;
            let ask = Info::VerifyDeviceId(self.udid.clone()).encode();
            self.send_packet(now, handle, Module::CONNECTION, None, 0, &ask);
        }
        let Some(link) = self.links.get(&handle) else { return };
        if link.deadline <= now {
            let connected = !matches!(link.stage, Stage::Connecting | Stage::Online | Stage::Leaving);
            let why = if connected { ApiError::AuthTimeout } else { ApiError::Timeout };
            self.refuse_link(now, handle, why);
        }
    }

    fn take_packet(&mut self, now: Time, handle: Handle, packet: &Packet) {
        let Some(link) = self.links.get_mut(&handle) else { return };
        let from = link.peer;
        if link.is_online() {
            link.deadline = now + SILENCE;
        }
        let result = match packet.module {
            Module::TRUST_ENGINE => self.take_identity(now, handle, packet),
            Module::AUTH_SDK => self.take_trust(now, handle, packet),
            Module::CONNECTION => self.take_info(now, handle, packet),
            other => {
                // A peer may use modules this stack does not have; it is told apart from a bad packet.
                self.malformed(
                    from,
                    format!("authentication: module {} ({}) is not used here", other.0, other.name()),
                );
                Ok(())
            }
        };
        if let Err((error, what)) = result {
            self.malformed(from, format!("{}: {what}", packet.module.name()));
            self.refuse_link(now, handle, error);
        }
    }

    fn take_identity(
        &mut self,
        now: Time,
        handle: Handle,
        packet: &Packet,
    ) -> Result<(), (ApiError, String)> {
        let identity =
            Identity::decode(&packet.body).map_err(|error| (ApiError::InvalidParam, error.to_string()))?;
        let Some(link) = self.links.get_mut(&handle) else { return Ok(()) };
        match identity {
            Identity::Get { udid, .. } if !link.client => {
                link.udid = udid;
                link.stage = Stage::Trust;
                let answer = Identity::Return { udid: self.udid.clone() };
                self.send_packet(now, handle, packet.module, Some(packet.seq), REPLY, &answer.encode());
                Ok(())
            }
            Identity::Return { udid } if link.client && link.stage == Stage::Identity => {
                if udid != link.udid {
                    return Err((ApiError::PermissionDenied, format!("expected {}, not {udid}", link.udid)));
                }
                let trusted = self.config.trusted(&udid);
                let Some(trusted) = trusted else {
                    return Err((ApiError::PermissionDenied, format!("{udid} is not trusted")));
                };
                link.seq += 1;
                let seq = link.seq;
                link.key = Some((seq as u32, trusted.key.0));
                link.stage = Stage::Trust;
                link.go_on = now + if trusted.answers { PATIENCE } else { STUB_PAUSE };
                self.send_packet(now, handle, Module::AUTH_SDK, Some(seq), 0, &Trust::Begin.encode());
                Ok(())
            }
            _ => Err((ApiError::InvalidParam, "not expected now".to_owned())),
        }
    }

    fn take_trust(&mut self, now: Time, handle: Handle, packet: &Packet) -> Result<(), (ApiError, String)> {
        let Some(link) = self.links.get_mut(&handle) else { return Ok(()) };
        let trust = match Trust::decode(&packet.body) {
            Ok(trust) => trust,
            // A stub of HiChain may answer anything: a wrong key shows itself in the first encrypted packet.
            Err(error) if link.client => {
                let from = link.peer;
                self.malformed(from, format!("{}: {error}", packet.module.name()));
                Trust::Agree
            }
            Err(error) => return Err((ApiError::InvalidParam, error.to_string())),
        };
        let Some(link) = self.links.get_mut(&handle) else { return Ok(()) };
        if trust == Trust::Refuse {
            return Err((ApiError::PermissionDenied, "the peer refuses".to_owned()));
        }
        match (link.client, link.stage) {
            (false, Stage::Trust) => {
                let trusted = self.config.trusted(&link.udid);
                let Some(trusted) = trusted else {
                    let what = format!("{} is not trusted", link.udid);
                    self.send_packet(
                        now,
                        handle,
                        packet.module,
                        Some(packet.seq),
                        0,
                        &Trust::Refuse.encode(),
                    );
                    return Err((ApiError::PermissionDenied, what));
                };
                link.key = Some((packet.seq as u32, trusted.key.0));
                link.stage = Stage::Info;
                self.send_packet(now, handle, packet.module, Some(packet.seq), 0, &Trust::Agree.encode());
            }
            (true, Stage::Trust) => {
                link.stage = Stage::Info;
                link.go_on = Time::MAX;
                self.send_info(now, handle, None);
            }
            // More rounds of a peer's own exchange change nothing here.
            _ => {}
        }
        Ok(())
    }

    fn take_info(&mut self, now: Time, handle: Handle, packet: &Packet) -> Result<(), (ApiError, String)> {
        let Some(link) = self.links.get_mut(&handle) else { return Ok(()) };
        let Some((index, key)) = link.key else {
            return Err((ApiError::InvalidParam, "comes before the key".to_owned()));
        };
        let opened = cipher::key_index(&packet.body).and_then(|seen| {
            if seen == index { cipher::open_packet(&key, &packet.body) } else { Err(CodecError::Decrypt) }
        });
        let plain = opened.map_err(|error| (ApiError::Decrypt, error.to_string()))?;
        let info = Info::decode(&plain).map_err(|error| (ApiError::InvalidParam, error.to_string()))?;
        let reply = packet.flag & REPLY != 0;
        match info {
            Info::VerifyIp(info) => {
                if !info.udid.is_empty() && info.udid != link.udid {
                    return Err((ApiError::PermissionDenied, format!("DEVICE_ID is {}", info.udid)));
                }
                if info.session_port == 0 {
                    return Err((ApiError::InvalidParam, "SESSION_PORT is 0".to_owned()));
                }
                let fresh = link.stage == Stage::Info && reply == link.client;
                link.session_port = info.session_port;
                link.name = info.name;
                if !reply {
                    self.send_info(now, handle, Some(packet.seq));
                }
                if fresh {
                    self.came_online(now, handle);
                }
            }
            Info::VerifyDeviceId(_) if !reply => {
                let answer = Info::VerifyDeviceId(self.udid.clone()).encode();
                self.send_packet(now, handle, Module::CONNECTION, Some(packet.seq), REPLY, &answer);
            }
            Info::VerifyDeviceId(_) => {}
        }
        Ok(())
    }

    fn came_online(&mut self, now: Time, handle: Handle) {
        let Some(link) = self.links.get(&handle) else { return };
        let (udid, name, ip, client) = (link.udid.clone(), link.name.clone(), link.peer, link.client);
        // A peer that moved or restarted knows nothing of what was open.
        let others = self.links.iter().filter(|(_, link)| link.is_online() && link.udid == udid);
        let gone = others.filter(|(_, link)| link.peer != ip || now.since(link.online_since) >= JOIN_TIMEOUT);
        for other in gone.map(|(other, _)| *other).collect::<Vec<_>>() {
            self.refuse_link(now, other, ApiError::NetworkNotFound);
        }
        // Two that join each other at once have two connections, and need only one of them to be online.
        let known = self.online_link(&udid).is_some();
        let Some(link) = self.links.get_mut(&handle) else { return };
        link.stage = Stage::Online;
        link.online_since = now;
        link.deadline = now + SILENCE;
        link.next_beat = if client { now + HEARTBEAT } else { Time::MAX };
        if !known {
            self.tell(Event::Online { udid: udid.clone(), name, ip });
        }
        if client {
            self.tell(Event::Joined { udid, result: Ok(()) });
        }
    }

    fn send_info(&mut self, now: Time, handle: Handle, answers: Option<u64>) {
        let info = Info::VerifyIp(DeviceInfo {
            max_version: BUS_VERSION,
            min_version: BUS_VERSION,
            auth_port: self.auth_port,
            session_port: self.session_port,
            conn_cap: CONN_CAP,
            name: self.config.name(),
            device_type: self.config.device_type.info_name(),
            udid: self.udid.clone(),
            version: "1.0.0".to_owned(),
        });
        let flag = if answers.is_some() { REPLY } else { 0 };
        self.send_packet(now, handle, Module::CONNECTION, answers, flag, &info.encode());
    }

    fn send_packet(
        &mut self,
        now: Time,
        handle: Handle,
        module: Module,
        seq: Option<u64>,
        flag: u32,
        plain: &[u8],
    ) {
        let Some(link) = self.links.get_mut(&handle) else { return };
        let seq = seq.unwrap_or_else(|| {
            link.seq += 1;
            link.seq
        });
        let key = link.key;
        let body = match self.sealing_key(key) {
            _ if module.is_plain() => plain.to_vec(),
            Some((index, key)) => {
                let iv = packet_iv(seq, self.rng.next_u32());
                cipher::seal_packet(&key, index, iv, plain)
            }
            None => return,
        };
        let bytes = Packet { module, seq, flag, body }.encode();
        self.net.write(now, handle, &bytes, 0);
    }

    /// Ends a link from this side.
    fn refuse_link(&mut self, now: Time, handle: Handle, why: ApiError) {
        match self.net.connection(handle) {
            // What was said last, such as a refusal, shall still arrive.
            Some(connection) if why == ApiError::PermissionDenied => connection.close(),
            _ => self.net.abort(now, handle),
        }
        self.drop_link(now, handle, why);
    }

    /// Forgets a link and tells what that means.
    pub(super) fn drop_link(&mut self, now: Time, handle: Handle, why: ApiError) {
        let Some(link) = self.links.remove(&handle) else { return };
        if let Some(connection) = self.net.connection(handle) {
            connection.close();
        }
        match link.stage {
            Stage::Online if self.online_link(&link.udid).is_none() => {
                self.close_sessions_with(now, &link.udid);
                self.tell(Event::Offline { udid: link.udid });
            }
            Stage::Online => {}
            Stage::Leaving => {
                let more =
                    self.links.values().any(|other| other.stage == Stage::Leaving && other.udid == link.udid);
                if !more {
                    let result = if why == ApiError::Timeout { Err(why) } else { Ok(()) };
                    self.tell(Event::Left { udid: link.udid, result });
                }
            }
            _ if link.client => self.tell(Event::Joined { udid: link.udid, result: Err(why) }),
            _ => {}
        }
    }
}

/// The IV of an encrypted packet: the sequence number, then random bytes.
pub(super) fn packet_iv(seq: u64, random: u32) -> [u8; IV] {
    let mut iv = [0; IV];
    iv[..8].copy_from_slice(&seq.to_le_bytes());
    iv[8..].copy_from_slice(&random.to_le_bytes());
    iv
}
