//! Sessions: servers, opening, bytes, acknowledged messages, and their ends.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use consort_core::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::link::packet_iv;
use super::{Event, Node};
use crate::softbus::codec::cipher::{self, AuthKey, SessionKey};
use crate::softbus::codec::data::{Flag, Frame, ReplayWindow, Sealed};
use crate::softbus::codec::packet::{Module, Packet, REPLY};
use crate::softbus::codec::session::{LONGEST_NAME, Reply, Request};
use crate::softbus::codec::{CodecError, MAGIC};
use crate::softbus::error::ApiError;
use crate::softbus::net::Handle;

/// A request for a session must be answered by then.
const HANDSHAKE_TIMEOUT: Time = Time::from_secs(19);
/// A message must be acknowledged by then.
const ACK_TIMEOUT: Time = Time::from_secs(20);
/// Types of service.
const TOS_BYTES: u8 = 0x60;
const TOS_MESSAGE: u8 = 0xC0;
/// Frames up to this length are remembered, so that one can be sent again on purpose.
const MOST_REMEMBERED: usize = 2048;
/// Messages of one session that wait for their acknowledgement.
const MOST_PENDING: usize = 64;
/// Connections to the session port that have not asked for anything yet.
const MOST_ASKING: usize = 8;
/// The longest request or reply: it fits TCP's window.
const MOST_REQUEST: usize = 32 * 1024;

/// A session's number within its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u32);

/// What a scripted peer can do wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Misbehaviour {
    /// A frame whose first word is not the magic.
    BadMagic,
    /// The last frame again, sequence number and all.
    Replay,
    /// A frame whose tag is wrong.
    BadTag,
    /// A header that announces more than anyone takes.
    HugeLength,
    /// Half of a frame, and silence.
    HalfFrame,
    /// Bytes that mean nothing.
    Garbage,
    /// A reset in the middle.
    Reset,
    /// The five kinds of frames of a file, which are not implemented here.
    FileFrames,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Connecting,
    Handshake,
    Open,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    handle: Handle,
    name: String,
    peer_name: String,
    udid: String,
    incoming: bool,
    stage: Stage,
    key: SessionKey,
    /// Index and key of the authenticated connection that the request is sealed with.
    auth: (u32, AuthKey),
    next_seq: i32,
    window: ReplayWindow,
    /// When the handshake must be done; [`Time::MAX`] once it is.
    deadline: Time,
    pending: BTreeMap<i32, Time>,
    last: Vec<u8>,
    /// What came of the next frame: more than TCP's window may be under way.
    inbox: Vec<u8>,
}

/// All sessions of a node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sessions {
    /// Names of the session servers, with their packages.
    servers: BTreeMap<String, String>,
    open: BTreeMap<SessionId, Session>,
    /// Connections that have not asked for a session yet, until when they may.
    asking: BTreeMap<Handle, (Ipv4Addr, Time)>,
    last_id: u32,
}

impl Sessions {
    pub fn due(&self) -> Time {
        let deadlines = self.open.values().map(|session| {
            session.deadline.min(session.pending.values().copied().min().unwrap_or(Time::MAX))
        });
        let asking = self.asking.values().map(|(_, until)| *until);
        deadlines.chain(asking).min().unwrap_or(Time::MAX)
    }
}

impl Node {
    /// The own session server's name of a session that is not over.
    pub fn session_name(&self, id: SessionId) -> Option<&str> {
        self.sessions.open.get(&id).map(|session| session.name.as_str())
    }

    /// Lets peers open sessions called `name`.
    pub fn create_session_server(&mut self, package: &str, name: &str) -> Result<(), ApiError> {
        let fits = |text: &str, most| !text.is_empty() && text.len() <= most;
        if !fits(package, 64) || !fits(name, LONGEST_NAME) {
            return Err(ApiError::InvalidParam);
        }
        let servers = &mut self.sessions.servers;
        if !servers.contains_key(name) && servers.len() >= self.config.role.most_servers() {
            return Err(ApiError::SessionCount);
        }
        servers.insert(name.to_owned(), package.to_owned());
        Ok(())
    }

    /// Withdraws a session server; its sessions stay.
    pub fn remove_session_server(&mut self, name: &str) -> Result<(), ApiError> {
        self.sessions.servers.remove(name).map(|_| ()).ok_or(ApiError::InvalidParam)
    }

    /// Begins to open a session from the own server `name` to the peer's `peer_name`;
    /// [`Event::SessionOpened`] tells how it ended.
    pub fn open_session(
        &mut self,
        now: Time,
        name: &str,
        peer_name: &str,
        udid: &str,
    ) -> Result<SessionId, ApiError> {
        if !self.config.role.can_seek() {
            return Err(ApiError::NotImplement);
        }
        if !self.sessions.servers.contains_key(name) || peer_name.is_empty() || peer_name.len() > LONGEST_NAME
        {
            return Err(ApiError::InvalidParam);
        }
        if self.sessions.open.len() >= self.config.role.most_sessions() {
            return Err(ApiError::SessionCount);
        }
        let (ip, port, index, auth) = self.session_door(udid).ok_or(ApiError::NetworkNotFound)?;
        let handle = self.net.connect(ip, port, &mut self.rng).ok_or(ApiError::SessionCount)?;
        let mut key = [0; 32];
        for chunk in key.chunks_mut(8) {
            chunk.copy_from_slice(&self.rng.next_u64().to_le_bytes());
        }
        let session = Session {
            handle,
            name: name.to_owned(),
            peer_name: peer_name.to_owned(),
            udid: udid.to_owned(),
            incoming: false,
            stage: Stage::Connecting,
            key,
            auth: (index, auth),
            next_seq: 1,
            window: ReplayWindow::default(),
            deadline: now + HANDSHAKE_TIMEOUT,
            pending: BTreeMap::new(),
            last: Vec::new(),
            inbox: Vec::new(),
        };
        let id = self.add_session(session);
        self.settle(now);
        Ok(id)
    }

    fn add_session(&mut self, session: Session) -> SessionId {
        self.sessions.last_id = self.sessions.last_id.wrapping_add(1).max(1);
        let id = SessionId(self.sessions.last_id);
        self.sessions.open.insert(id, session);
        id
    }

    /// Closes a session.
    pub fn close_session(&mut self, now: Time, id: SessionId) -> Result<(), ApiError> {
        let session = self.sessions.open.remove(&id).ok_or(ApiError::InvalidSessionId)?;
        if let Some(connection) = self.net.connection(session.handle) {
            connection.close();
        }
        self.settle(now);
        Ok(())
    }

    /// Sends bytes; nobody acknowledges them.
    pub fn send_bytes(&mut self, now: Time, id: SessionId, data: &[u8]) -> Result<(), ApiError> {
        let limit = self.config.role.most_bytes();
        self.send(now, id, Flag::BYTES, data, limit).map(|_| ())
    }

    /// Sends a message and tells its number; [`Event::MessageSent`] tells when the peer has it.
    pub fn send_message(&mut self, now: Time, id: SessionId, data: &[u8]) -> Result<i32, ApiError> {
        let limit = self.config.role.most_message();
        self.send(now, id, Flag::MESSAGE, data, limit)
    }

    fn send(
        &mut self,
        now: Time,
        id: SessionId,
        flag: Flag,
        data: &[u8],
        limit: usize,
    ) -> Result<i32, ApiError> {
        let session = self.sessions.open.get_mut(&id).ok_or(ApiError::InvalidSessionId)?;
        if session.stage != Stage::Open {
            return Err(ApiError::SessionOpening);
        }
        if data.is_empty() {
            return Err(ApiError::InvalidParam);
        }
        if data.len() > limit {
            return Err(ApiError::SendLength);
        }
        if flag == Flag::MESSAGE && session.pending.len() >= MOST_PENDING {
            return Err(ApiError::Timeout);
        }
        let frame = Frame { seq: session.next_seq, flag, payload: data.to_vec() };
        let bytes = frame.encode(&session.key, self.rng.next_u64().to_le_bytes());
        let tos = if flag == Flag::MESSAGE { TOS_MESSAGE } else { TOS_BYTES };
        if !self.net.write(now, session.handle, &bytes, tos) {
            return Err(ApiError::SessionNotEnabled);
        }
        let seq = session.next_seq;
        session.next_seq = seq.wrapping_add(1);
        session.last = if bytes.len() <= MOST_REMEMBERED { bytes } else { Vec::new() };
        if flag == Flag::MESSAGE {
            session.pending.insert(seq, now + ACK_TIMEOUT);
        }
        self.settle(now);
        Ok(seq)
    }

    /// Does something wrong on an open session.
    pub fn misbehave(&mut self, now: Time, id: SessionId, how: Misbehaviour) -> Result<(), ApiError> {
        let session = self.sessions.open.get(&id).ok_or(ApiError::InvalidSessionId)?;
        if session.stage != Stage::Open {
            return Err(ApiError::SessionOpening);
        }
        let handle = session.handle;
        let frame = Frame { seq: session.next_seq, flag: Flag::BYTES, payload: b"misbehaviour".to_vec() };
        let mut bytes = frame.encode(&session.key, [0; 8]);
        match how {
            Misbehaviour::BadMagic => bytes[0] ^= 0xFF,
            Misbehaviour::Replay => bytes = session.last.clone(),
            Misbehaviour::BadTag => {
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
            }
            Misbehaviour::HugeLength => bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes()),
            Misbehaviour::HalfFrame => bytes.truncate(bytes.len() / 2),
            Misbehaviour::Garbage => {
                bytes = (0..64).map(|_| self.rng.next_u32() as u8).collect();
                bytes[..4].copy_from_slice(&(!MAGIC).to_le_bytes());
            }
            Misbehaviour::Reset => {
                self.net.abort(now, handle);
                bytes.clear();
            }
            Misbehaviour::FileFrames => {
                let Some(session) = self.sessions.open.get_mut(&id) else { return Ok(()) };
                bytes.clear();
                for flag in Flag::FILE_FIRST.0..=Flag::FILE_ALL_SENT.0 {
                    let frame = Frame { seq: session.next_seq, flag: Flag(flag), payload: b"file".to_vec() };
                    bytes.extend(frame.encode(&session.key, [0; 8]));
                    session.next_seq = session.next_seq.wrapping_add(1);
                }
            }
        }
        if !bytes.is_empty() {
            self.net.write(now, handle, &bytes, TOS_BYTES);
        }
        self.settle(now);
        Ok(())
    }

    pub(super) fn accept_session(&mut self, now: Time, handle: Handle, from: Ipv4Addr) {
        if self.sessions.asking.len() >= MOST_ASKING {
            self.malformed(from, "session request: too many connections");
            self.net.abort(now, handle);
            return;
        }
        self.sessions.asking.insert(handle, (from, now + HANDSHAKE_TIMEOUT));
    }

    pub(super) fn close_sessions_with(&mut self, now: Time, udid: &str) {
        let with: Vec<SessionId> = self
            .sessions
            .open
            .iter()
            .filter(|(_, session)| session.udid == udid)
            .map(|(id, _)| *id)
            .collect();
        for id in with {
            self.end_session(now, id, ApiError::NetworkNotFound);
        }
    }

    pub(super) fn poll_sessions(&mut self, now: Time) {
        let asking: Vec<Handle> = self.sessions.asking.keys().copied().collect();
        for handle in asking {
            self.poll_asking(now, handle);
        }
        let open: Vec<SessionId> = self.sessions.open.keys().copied().collect();
        for id in open {
            self.poll_session(now, id);
        }
    }

    fn poll_asking(&mut self, now: Time, handle: Handle) {
        let Some((from, until)) = self.sessions.asking.get(&handle).copied() else { return };
        let limit = self.config.role.packet_limit().min(MOST_REQUEST);
        let Some(connection) = self.net.connection(handle) else {
            self.sessions.asking.remove(&handle);
            return;
        };
        let ended = connection.has_ended();
        match Packet::take(connection.input(), limit) {
            Ok(Some(packet)) => {
                self.sessions.asking.remove(&handle);
                if let Err(what) = self.take_request(now, handle, from, &packet) {
                    self.malformed(from, format!("session request: {what}"));
                    self.net.abort(now, handle);
                }
            }
            Ok(None) if ended || until <= now => {
                self.sessions.asking.remove(&handle);
                self.net.abort(now, handle);
            }
            Ok(None) => {}
            Err(error) => {
                self.sessions.asking.remove(&handle);
                self.malformed(from, format!("session request: {error}"));
                self.net.abort(now, handle);
            }
        }
    }

    fn take_request(
        &mut self,
        now: Time,
        handle: Handle,
        from: Ipv4Addr,
        packet: &Packet,
    ) -> Result<(), String> {
        if packet.module != Module::SESSION {
            return Err(format!("module {} instead of a session request", packet.module.0));
        }
        let told = |error: CodecError| error.to_string();
        let index = cipher::key_index(&packet.body).map_err(told)?;
        let Some((udid, auth)) = self.key_owner(from, index) else {
            return Err(format!("key index {index} belongs to no device that is online"));
        };
        let request =
            Request::decode(&cipher::open_packet(&auth, &packet.body).map_err(told)?).map_err(told)?;
        let refusal = if !self.sessions.servers.contains_key(&request.bus_name) {
            Some(ApiError::PeerSessionNotCreated)
        } else if self.sessions.open.len() >= self.config.role.most_sessions() {
            Some(ApiError::SessionCount)
        } else {
            None
        };
        let reply = match refusal {
            Some(error) => Reply::Refused { code: error.code(), why: error.to_string() },
            None => Reply::Opened { udid: self.udid.clone(), pkg_name: request.bus_name.clone() },
        };
        let iv = packet_iv(packet.seq, self.rng.next_u32());
        let (sealing, with) = self.sealing_key(None).unwrap_or((index, auth));
        let body = cipher::seal_packet(&with, sealing, iv, &reply.encode());
        let answer = Packet { module: Module::SESSION, seq: packet.seq, flag: REPLY, body };
        self.net.write(now, handle, &answer.encode(), 0);
        if refusal.is_some() {
            if let Some(connection) = self.net.connection(handle) {
                connection.close();
            }
            return Ok(());
        }
        let name = request.bus_name;
        let id = self.add_session(Session {
            handle,
            name: name.clone(),
            peer_name: request.client_bus_name,
            udid: udid.clone(),
            incoming: true,
            stage: Stage::Open,
            key: request.key,
            auth: (index, auth),
            next_seq: 1,
            window: ReplayWindow::default(),
            deadline: Time::MAX,
            pending: BTreeMap::new(),
            last: Vec::new(),
            inbox: Vec::new(),
        });
        self.tell(Event::SessionOpened { id, name, udid, incoming: true, result: Ok(()) });
        Ok(())
    }

    fn poll_session(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.open.get_mut(&id) else { return };
        let handle = session.handle;
        let Some(connection) = self.net.connection(handle) else {
            return self.end_session(now, id, ApiError::NetworkNotFound);
        };
        if session.stage == Stage::Connecting && connection.is_open() {
            session.stage = Stage::Handshake;
            self.send_request(now, id);
        }
        if self.sessions.open.get(&id).is_some_and(|session| session.stage == Stage::Handshake) {
            self.poll_handshake(now, id);
        }
        if self.sessions.open.get(&id).is_some_and(|session| session.stage == Stage::Open) {
            self.poll_frames(now, id);
        }
        let Some(session) = self.sessions.open.get_mut(&id) else { return };
        let late: Vec<i32> =
            session.pending.iter().filter(|(_, until)| **until <= now).map(|(seq, _)| *seq).collect();
        for seq in &late {
            session.pending.remove(seq);
        }
        let timed_out = session.deadline <= now;
        for seq in late {
            self.tell(Event::MessageSent { id, seq, result: Err(ApiError::Timeout) });
        }
        let ended = self
            .net
            .connection(handle)
            .is_none_or(|connection| connection.is_closed() || connection.has_ended());
        if timed_out {
            self.end_session(now, id, ApiError::HandshakeTimeout);
        } else if ended {
            self.end_session(now, id, ApiError::NetworkNotFound);
        }
    }

    fn send_request(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.open.get(&id) else { return };
        let request = Request {
            bus_name: session.peer_name.clone(),
            client_bus_name: session.name.clone(),
            pkg_name: self.sessions.servers.get(&session.name).cloned().unwrap_or_default(),
            group_id: String::new(),
            key: session.key,
            mtu: self.config.role.most_message() as u32,
            route_type: 1,
            business_type: 0,
            capability: 0,
        };
        let seq = u64::from(id.0);
        let iv = packet_iv(seq, self.rng.next_u32());
        let body = cipher::seal_packet(&session.auth.1, session.auth.0, iv, &request.encode());
        let bytes = Packet { module: Module::SESSION, seq, flag: 0, body }.encode();
        self.net.write(now, session.handle, &bytes, 0);
    }

    fn poll_handshake(&mut self, now: Time, id: SessionId) {
        let limit = self.config.role.packet_limit().min(MOST_REQUEST);
        let Some(session) = self.sessions.open.get_mut(&id) else { return };
        let Some(connection) = self.net.connection(session.handle) else { return };
        let from = connection.remote.0;
        let reply = match Packet::take(connection.input(), limit) {
            Ok(None) => return,
            Ok(Some(packet)) if packet.module == Module::SESSION => {
                cipher::open_packet(&session.auth.1, &packet.body).and_then(|plain| Reply::decode(&plain))
            }
            Ok(Some(_)) => Err(CodecError::Field("module")),
            Err(error) => Err(error),
        };
        match reply {
            Ok(Reply::Opened { .. }) => {
                session.stage = Stage::Open;
                session.deadline = Time::MAX;
                let (name, udid) = (session.name.clone(), session.udid.clone());
                self.tell(Event::SessionOpened { id, name, udid, incoming: false, result: Ok(()) });
            }
            Ok(Reply::Refused { code, .. }) => {
                let all = [ApiError::SessionCount, ApiError::PermissionDenied];
                let error = all.into_iter().find(|error| error.code() == code);
                self.end_session(now, id, error.unwrap_or(ApiError::PeerSessionNotCreated));
            }
            Err(error) => {
                self.malformed(from, format!("session reply: {error}"));
                let decrypts = error != CodecError::Decrypt;
                self.end_session(
                    now,
                    id,
                    if decrypts { ApiError::InvalidDataHead } else { ApiError::Decrypt },
                );
            }
        }
    }

    fn poll_frames(&mut self, now: Time, id: SessionId) {
        let limit = self.config.role.most_bytes().max(self.config.role.most_message());
        loop {
            let Some(session) = self.sessions.open.get_mut(&id) else { return };
            let Some(connection) = self.net.connection(session.handle) else { return };
            let from = connection.remote.0;
            session.inbox.append(connection.input());
            let taken = if self.config.flaws {
                Sealed::take_all(&mut session.inbox)
            } else {
                Sealed::take(&mut session.inbox, limit)
            };
            let sealed = match taken {
                Ok(Some(sealed)) => sealed,
                Ok(None) => return,
                Err(error) => {
                    self.malformed(from, format!("session {}: {error}", id.0));
                    return self.end_session(now, id, ApiError::InvalidDataHead);
                }
            };
            match sealed.open(&session.key) {
                Ok(frame) => self.take_frame(now, id, from, frame),
                Err(error) => {
                    self.malformed(from, format!("session {}: frame {}: {error}", id.0, sealed.seq))
                }
            }
        }
    }

    fn take_frame(&mut self, now: Time, id: SessionId, from: Ipv4Addr, frame: Frame) {
        let Some(session) = self.sessions.open.get_mut(&id) else { return };
        let Frame { seq, flag, payload } = frame;
        if flag == Flag::ACK {
            // It carries the number of what it acknowledges, so it takes no number of its own.
            let acked = payload.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
            match acked.filter(|seq| session.pending.remove(seq).is_some()) {
                Some(seq) => self.tell(Event::MessageSent { id, seq, result: Ok(()) }),
                None => self.malformed(from, format!("session {}: an acknowledgement of nothing", id.0)),
            }
            return;
        }
        if !self.config.flaws && !session.window.accept(seq) {
            return self
                .malformed(from, format!("session {}: frame {seq} was seen before or is too old", id.0));
        }
        match flag {
            Flag::BYTES => self.tell(Event::Bytes { id, data: payload }),
            Flag::MESSAGE => {
                let ack = Frame { seq, flag: Flag::ACK, payload: seq.to_be_bytes().to_vec() };
                let bytes = ack.encode(&session.key, self.rng.next_u64().to_le_bytes());
                let handle = session.handle;
                self.net.write(now, handle, &bytes, TOS_MESSAGE);
                self.tell(Event::Message { id, data: payload });
            }
            Flag::ASYNC_MESSAGE => self.tell(Event::Message { id, data: payload }),
            Flag(other) => {
                self.malformed(
                    from,
                    format!("session {}: frames with flag {other} are not implemented", id.0),
                );
            }
        }
    }

    fn end_session(&mut self, now: Time, id: SessionId, why: ApiError) {
        let Some(session) = self.sessions.open.remove(&id) else { return };
        match self.net.connection(session.handle) {
            Some(connection) if connection.has_ended() => connection.close(),
            _ => self.net.abort(now, session.handle),
        }
        for seq in session.pending.keys() {
            self.tell(Event::MessageSent { id, seq: *seq, result: Err(why) });
        }
        if session.stage == Stage::Open {
            self.tell(Event::SessionClosed { id, name: session.name });
        } else {
            let (name, udid) = (session.name, session.udid);
            self.tell(Event::SessionOpened { id, name, udid, incoming: session.incoming, result: Err(why) });
        }
    }
}
