//! One TCP connection as plain state (RFC 9293): no I/O, no clock of its own, and savable at any instant.
//!
//! It takes segments in order only and asks again for the rest, resends from the first missing byte after a time-out or
//! three duplicate acknowledgements, and estimates the round trip as RFC 6298 says. After a time-out it begins with one
//! segment and doubles what is under way with each round trip (RFC 5681, section 3.1); besides that, the windows of two
//! devices on one emulated link bound what is under way.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use consort_core::Time;
use serde::{Deserialize, Serialize};

/// The most bytes that wait to be read, and the window that is announced.
pub const RECEIVE_LIMIT: usize = 0xFFFF;
/// The most bytes that wait to be acknowledged: more than the longest message of the soft bus.
pub const SEND_LIMIT: usize = 5 << 20;
/// The largest segment on Ethernet.
pub const MSS: u16 = 1460;
const FIRST_RTO: Time = Time::from_secs(1);
const SMALLEST_RTO: Time = Time::from_ms(200);
const LARGEST_RTO: Time = Time::from_secs(60);
/// When nothing was acknowledged for so long the peer is gone: RFC 9293's default user time-out (section 3.9.1), above
/// the least its section 3.8.3 asks for. Time counts, not tries, so that no pattern of a bad wire ends a connection early.
const USER_TIMEOUT: Time = Time::from_secs(300);
/// How long a closed pair of ports stays reserved, far below the two minutes of RFC 9293.
const TIME_WAIT: Time = Time::from_secs(1);
/// How long a peer may be silent after both have agreed that nothing more comes from here.
const HALF_OPEN: Time = Time::from_secs(90);

/// A TCP segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// First sequence number.
    pub seq: u32,
    /// Acknowledgement, when the flag is set.
    pub ack: Option<u32>,
    /// SYN.
    pub syn: bool,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
    /// PSH.
    pub psh: bool,
    /// Receive window.
    pub window: u16,
    /// Option: largest segment.
    pub mss: Option<u16>,
    /// Data.
    pub payload: Vec<u8>,
}

impl Segment {
    /// How far it moves the sequence number.
    pub fn advance(&self) -> u32 {
        self.payload.len() as u32 + u32::from(self.syn) + u32::from(self.fin)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    SynSent,
    SynReceived,
    Open,
    Closed,
}

/// How the stack cuts its stream, for peers that must live with any cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The largest payload of a segment, when smaller than the peer's MSS.
    pub largest: Option<u16>,
    /// How long data waits for more data before it is sent.
    pub hold: Option<Time>,
}

/// A connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// The own port.
    pub local: u16,
    /// The peer.
    pub remote: (Ipv4Addr, u16),
    state: State,
    /// The first byte that is not acknowledged.
    una: u32,
    /// The next to send.
    nxt: u32,
    /// The highest that was ever sent.
    max: u32,
    window: u32,
    /// The most that may be under way after a time-out, until the peer has taken as much as its window.
    allowed: u32,
    mss: u16,
    /// Bytes from `una` on.
    out: VecDeque<u8>,
    rcv: u32,
    input: Vec<u8>,
    closing: bool,
    fin_acked: bool,
    ended: bool,
    active_close: bool,
    ack_due: bool,
    syn_due: bool,
    /// The reset that answers an acknowledgement of what was never sent: an older connection of the same ports is in
    /// the way at the peer.
    refusal: Option<u32>,
    probe: bool,
    srtt: Option<Time>,
    rttvar: Time,
    rto: Time,
    timed: Option<(u32, Time)>,
    timer: Option<Time>,
    /// Since when there was no progress, once a time-out says so.
    stuck: Option<Time>,
    duplicates: u8,
    gone_at: Option<Time>,
    held_until: Option<Time>,
    tos: u8,
}

fn scaled(time: Time, mul: u64, div: u64) -> Time {
    Time::from_ps(time.as_ps() / div * mul)
}

impl Connection {
    fn new(local: u16, remote: (Ipv4Addr, u16), iss: u32, state: State) -> Self {
        Self {
            local,
            remote,
            state,
            una: iss,
            nxt: iss,
            max: iss,
            window: 0,
            allowed: u32::MAX,
            mss: 536,
            out: VecDeque::new(),
            rcv: 0,
            input: Vec::new(),
            closing: false,
            fin_acked: false,
            ended: false,
            active_close: false,
            ack_due: false,
            syn_due: true,
            refusal: None,
            probe: false,
            srtt: None,
            rttvar: Time::ZERO,
            rto: FIRST_RTO,
            timed: None,
            timer: None,
            stuck: None,
            duplicates: 0,
            gone_at: None,
            held_until: None,
            tos: 0,
        }
    }

    /// Begins a connection: the SYN is the first output.
    pub fn connect(local: u16, remote: (Ipv4Addr, u16), iss: u32) -> Self {
        Self::new(local, remote, iss, State::SynSent)
    }

    /// Answers a SYN.
    pub fn accept(local: u16, remote: (Ipv4Addr, u16), iss: u32, syn: &Segment) -> Self {
        let mut new = Self::new(local, remote, iss, State::SynReceived);
        new.rcv = syn.seq.wrapping_add(1);
        new.window = syn.window.into();
        new.mss = syn.mss.unwrap_or(536).clamp(64, MSS);
        new
    }

    /// Whether both sides have agreed to talk.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }
    /// Whether it is over, in whatever way.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }
    /// Whether the peer will send no more.
    pub fn has_ended(&self) -> bool {
        self.ended || self.is_closed()
    }
    /// Whether everything written was acknowledged.
    pub fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }
    /// The type of service of its packets.
    pub fn tos(&self) -> u8 {
        self.tos
    }

    /// Sends bytes, with a type of service for this and what follows; false when too many wait already.
    #[must_use]
    pub fn write(&mut self, now: Time, bytes: &[u8], tos: u8, cut: Cut) -> bool {
        if self.is_closed() || self.closing || self.out.len() + bytes.len() > SEND_LIMIT {
            return false;
        }
        self.out.extend(bytes);
        self.tos = tos;
        if let (Some(hold), None) = (cut.hold, self.held_until) {
            self.held_until = Some(now + hold);
        }
        true
    }

    /// The bytes that came; the caller takes what it can use.
    pub fn input(&mut self) -> &mut Vec<u8> {
        &mut self.input
    }

    /// No more will be written.
    pub fn close(&mut self) {
        if self.state == State::SynSent {
            self.state = State::Closed;
        }
        if !self.closing {
            self.closing = true;
            self.active_close = !self.ended;
        }
    }

    /// Ends it at once; the reset to send.
    pub fn abort(&mut self) -> Segment {
        self.state = State::Closed;
        Segment { seq: self.nxt, ack: Some(self.rcv), rst: true, ..Segment::default() }
    }

    /// When [`Connection::tick`] has something to do.
    pub fn due(&self) -> Time {
        if self.is_closed() {
            return Time::MAX;
        }
        let times = [self.timer, self.gone_at, self.held_until];
        times.into_iter().flatten().min().unwrap_or(Time::MAX)
    }

    /// Lets time-outs happen that are due.
    pub fn tick(&mut self, now: Time) {
        if self.gone_at.is_some_and(|at| at <= now) {
            self.state = State::Closed;
        }
        if self.held_until.is_some_and(|at| at <= now) {
            self.held_until = None;
        }
        if self.is_closed() || self.timer.is_none_or(|at| at > now) {
            return;
        }
        let stuck = *self.stuck.get_or_insert(now);
        if now.since(stuck) >= USER_TIMEOUT {
            self.state = State::Closed;
            return;
        }
        self.allowed = self.mss.into();
        self.rto = scaled(self.rto, 2, 1).min(LARGEST_RTO);
        self.timer = Some(now + self.rto);
        self.timed = None;
        self.nxt = self.una;
        self.syn_due = self.state != State::Open;
        self.probe = true;
    }

    /// Takes a segment of this connection.
    pub fn receive(&mut self, now: Time, segment: &Segment) {
        if self.is_closed() {
            return;
        }
        if segment.rst {
            let fits = match self.state {
                State::SynSent => segment.ack == Some(self.max),
                _ => segment.seq == self.rcv,
            };
            if fits {
                self.state = State::Closed;
            }
            return;
        }
        match self.state {
            State::SynSent => {
                if segment.syn && segment.ack == Some(self.max) {
                    self.rcv = segment.seq.wrapping_add(1);
                    self.mss = segment.mss.unwrap_or(536).clamp(64, MSS);
                    self.opened(now, segment);
                    self.ack_due = true;
                } else if segment.ack != Some(self.max) {
                    self.refusal = segment.ack;
                }
                return;
            }
            State::SynReceived => {
                if segment.syn {
                    self.syn_due = segment.seq.wrapping_add(1) == self.rcv;
                    return;
                }
                if segment.ack != Some(self.max) {
                    return;
                }
                self.opened(now, segment);
            }
            State::Open if segment.syn => {
                self.ack_due = true;
                return;
            }
            State::Open | State::Closed => {}
        }
        if let Some(ack) = segment.ack {
            self.acknowledged(now, ack, segment);
        }
        self.take_data(segment);
        self.settle(now);
    }

    fn opened(&mut self, now: Time, segment: &Segment) {
        self.measure(now, self.max);
        self.state = State::Open;
        self.una = self.max;
        self.nxt = self.max;
        self.window = segment.window.into();
        self.timer = None;
        self.stuck = None;
        self.syn_due = false;
    }

    fn acknowledged(&mut self, now: Time, ack: u32, segment: &Segment) {
        let fresh = ack.wrapping_sub(self.una);
        if fresh > self.max.wrapping_sub(self.una) {
            return;
        }
        if fresh > 0 {
            self.measure(now, ack);
            let bytes = (fresh as usize).min(self.out.len());
            self.out.drain(..bytes);
            self.fin_acked |= fresh as usize > bytes;
            self.una = ack;
            if (self.nxt.wrapping_sub(ack) as i32) < 0 {
                self.nxt = ack;
            }
            self.stuck = None;
            self.allowed = self.allowed.saturating_add(fresh);
            self.duplicates = 0;
            self.probe = false;
            self.rto = self.estimate();
            self.timer = (self.una != self.max).then(|| now + self.rto);
        } else if segment.advance() == 0 && u32::from(segment.window) == self.window && self.una != self.nxt {
            self.duplicates = self.duplicates.saturating_add(1);
            if self.duplicates == 3 {
                self.nxt = self.una;
                self.timed = None;
            }
        }
        if segment.window == 0 {
            // It lives, it only has no room.
            self.stuck = None;
        }
        self.window = segment.window.into();
    }

    fn estimate(&self) -> Time {
        match self.srtt {
            Some(srtt) => (srtt + scaled(self.rttvar, 4, 1)).clamp(SMALLEST_RTO, LARGEST_RTO),
            None => FIRST_RTO,
        }
    }

    /// RFC 6298, section 2.
    fn measure(&mut self, now: Time, ack: u32) {
        let Some((seq, at)) = self.timed else { return };
        if (ack.wrapping_sub(seq) as i32) < 0 {
            return;
        }
        self.timed = None;
        let sample = now.since(at);
        let srtt = match self.srtt {
            None => {
                self.rttvar = scaled(sample, 1, 2);
                sample
            }
            Some(srtt) => {
                let apart = srtt.since(sample).max(sample.since(srtt));
                self.rttvar = scaled(self.rttvar, 3, 4) + scaled(apart, 1, 4);
                scaled(srtt, 7, 8) + scaled(sample, 1, 8)
            }
        };
        self.srtt = Some(srtt);
        self.rto = self.estimate();
    }

    fn take_data(&mut self, segment: &Segment) {
        if segment.payload.is_empty() && !segment.fin {
            return;
        }
        self.ack_due = true;
        let known = self.rcv.wrapping_sub(segment.seq) as usize;
        if self.ended || known > segment.payload.len() {
            return;
        }
        let room = RECEIVE_LIMIT - self.input.len().min(RECEIVE_LIMIT);
        let fresh = &segment.payload[known..];
        let taken = &fresh[..fresh.len().min(room)];
        self.input.extend_from_slice(taken);
        self.rcv = self.rcv.wrapping_add(taken.len() as u32);
        if segment.fin && taken.len() == fresh.len() {
            self.ended = true;
            self.rcv = self.rcv.wrapping_add(1);
        }
    }

    fn settle(&mut self, now: Time) {
        if !self.fin_acked {
            return;
        }
        match (self.ended, self.active_close) {
            (true, false) if !self.ack_due => self.state = State::Closed,
            (true, _) => self.gone_at = Some(now + TIME_WAIT),
            (false, _) => self.gone_at = Some(now + HALF_OPEN),
        }
    }

    fn window_now(&self) -> u16 {
        (RECEIVE_LIMIT - self.input.len().min(RECEIVE_LIMIT)) as u16
    }

    fn sent(&mut self, now: Time, length: u32) {
        self.nxt = self.nxt.wrapping_add(length);
        if (self.nxt.wrapping_sub(self.max) as i32) > 0 {
            self.max = self.nxt;
            if self.timed.is_none() {
                self.timed = Some((self.nxt, now));
            }
        }
        if self.timer.is_none() {
            self.timer = Some(now + self.rto);
        }
        self.ack_due = false;
    }

    /// The next segment to send now, if there is one.
    pub fn output(&mut self, now: Time, cut: Cut) -> Option<Segment> {
        let blank = Segment { window: self.window_now(), ack: Some(self.rcv), ..Segment::default() };
        match self.state {
            State::Closed => return None,
            State::SynSent | State::SynReceived => {
                if let Some(seq) = self.refusal.take() {
                    return Some(Segment { seq, rst: true, ..Segment::default() });
                }
                if !self.syn_due {
                    return None;
                }
                self.syn_due = false;
                let (seq, client) = (self.una, self.state == State::SynSent);
                self.nxt = self.una;
                self.sent(now, 1);
                let ack = if client { None } else { Some(self.rcv) };
                return Some(Segment { seq, ack, syn: true, mss: Some(MSS), ..blank });
            }
            State::Open => {}
        }
        let flying = self.nxt.wrapping_sub(self.una) as usize;
        let held = self.held_until.is_some() && !self.closing;
        if flying < self.out.len() && !held {
            let usable = (self.window.min(self.allowed) as usize).saturating_sub(flying);
            let largest = usize::from(cut.largest.unwrap_or(MSS).clamp(1, self.mss));
            let mut length = (self.out.len() - flying).min(largest).min(usable);
            if length == 0 && flying == 0 {
                // The window is shut: ask again with one byte when the timer says so.
                if self.probe {
                    length = 1;
                } else if self.timer.is_none() {
                    self.timer = Some(now + self.rto);
                }
            }
            if length > 0 {
                self.probe = false;
                let seq = self.nxt;
                let payload: Vec<u8> = self.out.range(flying..flying + length).copied().collect();
                let psh = flying + length == self.out.len();
                // The end rides on the last byte. On its own behind a resent segment, its answer would make a third of
                // each try, and a wire that loses every third frame would lose the same one for ever.
                let fin = psh && self.closing && !self.fin_acked;
                self.sent(now, length as u32 + u32::from(fin));
                return Some(Segment { seq, psh, fin, payload, ..blank });
            }
        }
        let allowed = flying == 0 || flying < self.allowed as usize;
        if self.closing && !self.fin_acked && flying == self.out.len() && allowed {
            let seq = self.nxt;
            self.sent(now, 1);
            return Some(Segment { seq, fin: true, ..blank });
        }
        if self.ack_due {
            self.ack_due = false;
            let seq = self.nxt;
            if self.fin_acked && self.ended && !self.active_close {
                self.state = State::Closed;
            }
            return Some(Segment { seq, ..blank });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::rng::Rng;
    use proptest::prelude::*;

    const PEERS: [(Ipv4Addr, u16); 2] = [(Ipv4Addr::new(10, 0, 0, 1), 1), (Ipv4Addr::new(10, 0, 0, 2), 2)];

    /// Two connections, and a wire that decides each segment's fate.
    struct Wire<F> {
        ends: [Connection; 2],
        flying: Vec<(Time, usize, Segment)>,
        now: Time,
        fate: F,
    }

    /// When a segment arrives, after how long; never, once or twice.
    type Copies = Vec<Time>;

    fn good() -> Copies {
        vec![Time::from_us(100)]
    }

    impl<F: FnMut() -> Copies> Wire<F> {
        fn new(iss: u32, fate: F) -> Self {
            let mut client = Connection::connect(1, PEERS[1], iss);
            let syn = client.output(Time::ZERO, Cut::default()).unwrap();
            let server = Connection::accept(2, PEERS[0], !iss, &syn);
            Self { ends: [client, server], flying: Vec::new(), now: Time::ZERO, fate }
        }

        fn pump(&mut self, cut: Cut) {
            for end in 0..2 {
                let mut burst = 0;
                while let Some(segment) = self.ends[end].output(self.now, cut) {
                    burst += 1;
                    assert!(burst < 5000, "sends without end");
                    for delay in (self.fate)() {
                        self.flying.push((self.now + delay, 1 - end, segment.clone()));
                    }
                }
            }
        }

        fn step(&mut self, cut: Cut) -> bool {
            self.pump(cut);
            let next = self.flying.iter().map(|(at, ..)| *at).min().unwrap_or(Time::MAX);
            let next = next.min(self.ends[0].due()).min(self.ends[1].due());
            if next == Time::MAX {
                return false;
            }
            self.now = self.now.max(next);
            if let Some(index) = self.flying.iter().position(|(at, ..)| *at <= self.now) {
                let (_, end, segment) = self.flying.remove(index);
                self.ends[end].receive(self.now, &segment);
            }
            for end in &mut self.ends {
                end.tick(self.now);
            }
            true
        }

        fn open(&mut self) {
            while !self.ends.iter().all(Connection::is_open) {
                assert!(self.step(Cut::default()));
            }
        }

        /// Both send what they have and close; what each end read, once everything is over.
        fn exchange(&mut self, data: [&[u8]; 2], cut: Cut) -> [Vec<u8>; 2] {
            let mut seen = [Vec::new(), Vec::new()];
            let (mut written, mut steps) = (false, 0);
            while self.step(cut) {
                steps += 1;
                assert!(steps < 200_000, "no end at {}", self.now);
                if !written && self.ends.iter().all(Connection::is_open) {
                    written = true;
                    for (end, data) in self.ends.iter_mut().zip(data) {
                        assert!(end.write(self.now, data, 0, cut));
                        end.close();
                    }
                }
                for (end, seen) in self.ends.iter_mut().zip(&mut seen) {
                    seen.append(end.input());
                }
            }
            assert!(self.ends.iter().all(Connection::is_closed));
            seen
        }
    }

    proptest! {
        #[test]
        fn streams_arrive_whole_over_a_bad_wire(
            seed: u64,
            iss: u32,
            there in 0_usize..40_000,
            back in 0_usize..5_000,
            largest in proptest::option::of(1_u16..2000),
        ) {
            let largest = if there > 2000 { largest.map(|largest| largest.max(200)) } else { largest };
            let mut rng = Rng::new(seed, "wire");
            // One in ten is lost, one in ten comes twice, and they overtake each other.
            let mut wire = Wire::new(iss, || {
                let copies = match rng.below(10) {
                    0 => 0,
                    1 => 2,
                    _ => 1,
                };
                (0..copies).map(|_| Time::from_us(100 + rng.below(5_000))).collect()
            });
            let back: Vec<u8> = (0..back).map(|n| n as u8).collect();
            let there = vec![1; there];
            let seen = wire.exchange([&there, &back], Cut { largest, hold: None });
            prop_assert!(seen == [back, there]);
        }

        #[test]
        fn any_segments_are_harmless(
            segments in prop::collection::vec(
                (any::<u32>(), any::<Option<u32>>(), 0_u8..16, any::<u16>(), 0_usize..2000, any::<bool>()), 0..30),
        ) {
            let mut wire = Wire::new(7, good);
            wire.open();
            let end = &mut wire.ends[0];
            prop_assert!(end.write(wire.now, &[0; 100], 0, Cut::default()));
            for (seq, ack, flags, window, length, near) in segments {
                let (seq, ack) = if near { (end.rcv.wrapping_add(seq % 8), ack.map(|_| end.max)) } else { (seq, ack) };
                let segment = Segment {
                    seq, ack, syn: flags & 1 != 0, fin: flags & 2 != 0, rst: flags & 12 == 12, psh: false,
                    window, mss: None, payload: vec![0; length],
                };
                end.receive(wire.now, &segment);
                while end.output(wire.now, Cut::default()).is_some() {}
                prop_assert!(end.input.len() <= RECEIVE_LIMIT);
            }
        }
    }

    #[test]
    fn no_rhythm_of_losses_ends_a_connection() {
        let data: Vec<u8> = (0..100_000).map(|n| (n / 3) as u8).collect();
        for every in 3..=20 {
            for first in 0..every {
                let mut count = first;
                let mut wire = Wire::new(1, || {
                    count += 1;
                    if count % every == 0 { Vec::new() } else { good() }
                });
                let seen = wire.exchange([&data, b"thanks"], Cut::default());
                assert!(seen[1] == data && seen[0] == b"thanks", "every {every}, first {first}");
            }
        }
    }

    #[test]
    fn a_dead_wire_ends_a_connection_after_the_user_time_out() {
        use std::cell::Cell;
        let (dead, tries) = (Cell::new(false), Cell::new(0));
        let mut wire = Wire::new(1, || {
            tries.set(tries.get() + 1);
            if dead.get() { Vec::new() } else { good() }
        });
        wire.open();
        dead.set(true);
        tries.set(0);
        let begin = wire.now;
        assert!(wire.ends[0].write(wire.now, &[7; 50_000], 0, Cut::default()));
        while !wire.ends[0].is_closed() {
            assert!(wire.step(Cut::default()));
        }
        let span = wire.now.since(begin);
        assert!(span >= USER_TIMEOUT && span <= USER_TIMEOUT + LARGEST_RTO + LARGEST_RTO, "{span}");
        // 35 segments in a burst, then one by one: a cut wire is not flooded.
        assert!((35 + 10..35 + 16).contains(&tries.get()), "{}", tries.get());
    }

    #[test]
    fn a_restarted_peer_gets_through_with_its_old_ports() {
        let mut wire = Wire::new(1, good);
        wire.open();
        // RFC 9293, section 3.5.1, figure 9: SYN, challenge ACK, RST, and the SYN again.
        wire.ends[0] = Connection::connect(1, PEERS[1], 77_777);
        while !wire.ends[1].is_closed() {
            assert!(wire.step(Cut::default()));
        }
        assert!(!wire.ends[0].is_closed());
        let syn = loop {
            wire.flying.clear();
            wire.now = wire.ends[0].due();
            wire.ends[0].tick(wire.now);
            if let Some(syn) = wire.ends[0].output(wire.now, Cut::default()) {
                break syn;
            }
        };
        wire.ends[1] = Connection::accept(2, PEERS[0], 5, &syn);
        wire.open();
        assert!(wire.now < Time::from_secs(3), "{}", wire.now);
    }

    #[test]
    fn a_shut_window_is_probed() {
        let mut wire = Wire::new(1, good);
        let big = vec![7; RECEIVE_LIMIT + 5000];
        wire.open();
        assert!(wire.ends[0].write(wire.now, &big, 0, Cut::default()));
        for _ in 0..300 {
            wire.step(Cut::default());
        }
        assert_eq!(wire.ends[1].input.len(), RECEIVE_LIMIT);
        wire.ends[1].input.clear();
        for _ in 0..300 {
            wire.step(Cut::default());
        }
        assert_eq!(wire.ends[1].input.len(), 5000);
    }
}
