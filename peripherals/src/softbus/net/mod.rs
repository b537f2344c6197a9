//! Ethernet, ARP, IPv4, UDP and TCP of one node: plain state over smoltcp's packet formats, so that a node
//! can be saved at any instant.

pub mod tcp;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use consort_core::Time;
use consort_core::rng::Rng;
use serde::{Deserialize, Serialize};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4Packet,
    Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket,
    UdpRepr,
};

use tcp::{Connection, Cut, Segment};

/// The most neighbours, connections, waiting datagrams: a flood cannot make a node grow.
const MOST_NEIGHBOURS: usize = 256;
const MOST_CONNECTIONS: usize = 64;
const MOST_DATAGRAMS: usize = 256;
/// Packets that wait for one neighbour's address.
const MOST_WAITING: usize = 16;
const ARP_RETRY: Time = Time::from_secs(1);
const ARP_TRIES: u8 = 3;
const ARP_LIFE: Time = Time::from_secs(60);
const FIRST_EPHEMERAL: u16 = 49_152;
const TTL: u8 = 64;

/// A station's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    /// MAC address.
    pub mac: [u8; 6],
    /// IPv4 address.
    pub ip: Ipv4Addr,
    /// Bits of the subnet mask.
    pub prefix: u8,
}

impl Station {
    /// The subnet's broadcast address.
    pub fn broadcast(&self) -> Ipv4Addr {
        let hosts = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
        Ipv4Addr::from_bits(self.ip.to_bits() | hosts)
    }

    fn is_broadcast(&self, ip: Ipv4Addr) -> bool {
        ip.is_broadcast() || ip == self.broadcast()
    }
}

/// A connection's number within its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Handle(u32);

/// A UDP datagram that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datagram {
    /// The sender.
    pub from: Ipv4Addr,
    /// The port it came to.
    pub port: u16,
    /// Its content.
    pub data: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    packets: Vec<Vec<u8>>,
    again: Time,
    tries: u8,
}

/// The network side of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Net {
    station: Station,
    neighbours: BTreeMap<Ipv4Addr, ([u8; 6], Time)>,
    waiting: BTreeMap<Ipv4Addr, Waiting>,
    udp_ports: BTreeSet<u16>,
    listeners: BTreeSet<u16>,
    connections: BTreeMap<Handle, Connection>,
    next_handle: u32,
    next_port: u16,
    packet_id: u16,
    datagrams: VecDeque<Datagram>,
    accepted: VecDeque<(Handle, u16)>,
    out: Vec<Vec<u8>>,
    cut: Cut,
}

fn caps() -> ChecksumCapabilities {
    ChecksumCapabilities::default()
}

impl Net {
    /// A station that listens nowhere.
    pub fn new(station: Station, cut: Cut) -> Self {
        Self {
            station,
            neighbours: BTreeMap::new(),
            waiting: BTreeMap::new(),
            udp_ports: BTreeSet::new(),
            listeners: BTreeSet::new(),
            connections: BTreeMap::new(),
            next_handle: 1,
            next_port: FIRST_EPHEMERAL,
            packet_id: 0,
            datagrams: VecDeque::new(),
            accepted: VecDeque::new(),
            out: Vec::new(),
            cut,
        }
    }

    /// Its addresses.
    pub fn station(&self) -> &Station {
        &self.station
    }

    /// Goes on with another address and tells the neighbours (RFC 5227, section 3). What was connected from the
    /// old one is forgotten without a word.
    pub fn move_to(&mut self, ip: Ipv4Addr) {
        self.station.ip = ip;
        self.neighbours.clear();
        self.waiting.clear();
        self.connections.clear();
        self.accepted.clear();
        self.datagrams.clear();
        self.send_arp(ArpOperation::Request, EthernetAddress([0; 6]), ip);
    }

    /// Takes datagrams to a UDP port.
    pub fn bind(&mut self, port: u16) {
        self.udp_ports.insert(port);
    }

    /// Takes connections to a TCP port.
    pub fn listen(&mut self, port: u16) {
        self.listeners.insert(port);
    }

    /// A port that the system chooses.
    pub fn ephemeral(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_EPHEMERAL);
            let taken = self.connections.values().any(|connection| connection.local == port);
            if !taken && !self.listeners.contains(&port) {
                return port;
            }
        }
    }

    /// Begins a connection; `None` when there are too many.
    pub fn connect(&mut self, ip: Ipv4Addr, port: u16, rng: &mut Rng) -> Option<Handle> {
        if self.connections.len() >= MOST_CONNECTIONS {
            return None;
        }
        let local = self.ephemeral();
        Some(self.add(Connection::connect(local, (ip, port), rng.next_u32())))
    }

    fn add(&mut self, connection: Connection) -> Handle {
        let handle = Handle(self.next_handle);
        self.next_handle = self.next_handle.wrapping_add(1);
        self.connections.insert(handle, connection);
        handle
    }

    /// A connection; `None` once it is over and gone.
    pub fn connection(&mut self, handle: Handle) -> Option<&mut Connection> {
        self.connections.get_mut(&handle)
    }

    /// Sends on a connection; false when it takes no more.
    pub fn write(&mut self, now: Time, handle: Handle, bytes: &[u8], tos: u8) -> bool {
        let cut = self.cut;
        self.connections.get_mut(&handle).is_some_and(|connection| connection.write(now, bytes, tos, cut))
    }

    /// The next connection that came to a listening port.
    pub fn accepted(&mut self) -> Option<(Handle, u16)> {
        self.accepted.pop_front()
    }

    /// The next datagram that came.
    pub fn datagram(&mut self) -> Option<Datagram> {
        self.datagrams.pop_front()
    }

    /// Ends a connection with a reset.
    pub fn abort(&mut self, now: Time, handle: Handle) {
        if let Some(mut connection) = self.connections.remove(&handle)
            && !connection.is_closed()
        {
            let reset = connection.abort();
            self.send_segment(now, connection.local, connection.remote, 0, &reset);
        }
    }

    /// Sends a datagram.
    pub fn send_udp(&mut self, now: Time, from: u16, to: (Ipv4Addr, u16), data: &[u8]) {
        let (source, target) = (self.station.ip, to.0);
        let repr = UdpRepr { src_port: from, dst_port: to.1 };
        let length = repr.header_len() + data.len();
        self.send_ip(now, target, IpProtocol::Udp, 0, length, |bytes| {
            let mut packet = UdpPacket::new_unchecked(bytes);
            repr.emit(
                &mut packet,
                &source.into(),
                &target.into(),
                data.len(),
                |body| body.copy_from_slice(data),
                &caps(),
            );
        });
    }

    fn send_segment(&mut self, now: Time, local: u16, remote: (Ipv4Addr, u16), tos: u8, segment: &Segment) {
        let (source, target) = (self.station.ip, remote.0);
        let repr = TcpRepr {
            src_port: local,
            dst_port: remote.1,
            control: match segment {
                Segment { rst: true, .. } => TcpControl::Rst,
                Segment { syn: true, .. } => TcpControl::Syn,
                Segment { fin: true, .. } => TcpControl::Fin,
                Segment { psh: true, .. } => TcpControl::Psh,
                _ => TcpControl::None,
            },
            seq_number: TcpSeqNumber(segment.seq as i32),
            ack_number: segment.ack.map(|ack| TcpSeqNumber(ack as i32)),
            window_len: segment.window,
            window_scale: None,
            max_seg_size: segment.mss,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &segment.payload,
        };
        self.send_ip(now, target, IpProtocol::Tcp, tos, repr.buffer_len(), |bytes| {
            let mut packet = TcpPacket::new_unchecked(bytes);
            repr.emit(&mut packet, &source.into(), &target.into(), &caps());
        });
    }

    fn send_ip(
        &mut self,
        now: Time,
        target: Ipv4Addr,
        next_header: IpProtocol,
        tos: u8,
        payload_len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) {
        let repr = Ipv4Repr {
            src_addr: self.station.ip,
            dst_addr: target,
            next_header,
            payload_len,
            hop_limit: TTL,
        };
        let head = repr.buffer_len();
        let mut bytes = vec![0; head + payload_len];
        fill(&mut bytes[head..]);
        let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
        repr.emit(&mut packet, &caps());
        packet.set_ident(self.packet_id);
        packet.set_dscp(tos >> 2);
        packet.set_ecn(tos & 3);
        packet.fill_checksum();
        self.packet_id = self.packet_id.wrapping_add(1);
        if self.station.is_broadcast(target) {
            self.frame(EthernetAddress::BROADCAST, EthernetProtocol::Ipv4, &bytes);
            return;
        }
        if let Some((mac, until)) = self.neighbours.get(&target)
            && *until > now
        {
            let mac = EthernetAddress(*mac);
            self.frame(mac, EthernetProtocol::Ipv4, &bytes);
            return;
        }
        let room = self.waiting.len() < MOST_NEIGHBOURS;
        match self.waiting.get_mut(&target) {
            Some(waiting) if waiting.packets.len() < MOST_WAITING => waiting.packets.push(bytes),
            Some(_) => {}
            None if room => {
                let again = now + ARP_RETRY;
                self.waiting.insert(target, Waiting { packets: vec![bytes], again, tries: 1 });
                self.send_arp(ArpOperation::Request, EthernetAddress([0; 6]), target);
            }
            None => {}
        }
    }

    fn send_arp(&mut self, operation: ArpOperation, mac: EthernetAddress, ip: Ipv4Addr) {
        let repr = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress(self.station.mac),
            source_protocol_addr: self.station.ip,
            target_hardware_addr: mac,
            target_protocol_addr: ip,
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        let to = if operation == ArpOperation::Request { EthernetAddress::BROADCAST } else { mac };
        self.frame(to, EthernetProtocol::Arp, &bytes);
    }

    fn frame(&mut self, to: EthernetAddress, kind: EthernetProtocol, payload: &[u8]) {
        let mut bytes = vec![0; EthernetFrame::<&[u8]>::buffer_len(payload.len())];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes);
        frame.set_dst_addr(to);
        frame.set_src_addr(EthernetAddress(self.station.mac));
        frame.set_ethertype(kind);
        frame.payload_mut().copy_from_slice(payload);
        // A real controller pads; frames on a link have at least 60 bytes.
        bytes.resize(bytes.len().max(60), 0);
        self.out.push(bytes);
    }

    /// Takes a frame from the wire; an error says what was wrong with one that was meant for this station.
    pub fn receive(&mut self, now: Time, frame: &[u8], rng: &mut Rng) -> Result<(), &'static str> {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return Err("a short Ethernet frame") };
        let (to, from) = (frame.dst_addr(), frame.src_addr());
        if (to.0 != self.station.mac && !to.is_broadcast()) || from.0 == self.station.mac {
            return Ok(());
        }
        match frame.ethertype() {
            EthernetProtocol::Arp => self.receive_arp(now, frame.payload()),
            EthernetProtocol::Ipv4 => self.receive_ip(now, frame.payload(), rng),
            _ => Ok(()),
        }
    }

    fn receive_arp(&mut self, now: Time, payload: &[u8]) -> Result<(), &'static str> {
        let repr = ArpPacket::new_checked(payload).and_then(|packet| ArpRepr::parse(&packet));
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: mac,
            source_protocol_addr: ip,
            target_protocol_addr: target,
            ..
        }) = repr
        else {
            return Err("a bad ARP packet");
        };
        if !mac.is_unicast() || ip == self.station.ip || ip.is_unspecified() || ip.is_multicast() {
            return Ok(());
        }
        // RFC 826: known addresses are always updated, new ones only learned from who talks to this station.
        let known = self.neighbours.contains_key(&ip) || self.waiting.contains_key(&ip);
        if known || target == self.station.ip {
            if !self.neighbours.contains_key(&ip) && self.neighbours.len() >= MOST_NEIGHBOURS {
                self.neighbours.pop_first();
            }
            self.neighbours.insert(ip, (mac.0, now + ARP_LIFE));
            if let Some(waiting) = self.waiting.remove(&ip) {
                for packet in waiting.packets {
                    self.frame(mac, EthernetProtocol::Ipv4, &packet);
                }
            }
        }
        if operation == ArpOperation::Request && target == self.station.ip {
            self.send_arp(ArpOperation::Reply, mac, ip);
        }
        Ok(())
    }

    fn receive_ip(&mut self, now: Time, payload: &[u8], rng: &mut Rng) -> Result<(), &'static str> {
        let packet = Ipv4Packet::new_checked(payload).map_err(|_| "a bad IPv4 header")?;
        if packet.more_frags() || packet.frag_offset() != 0 {
            return Err("an IPv4 fragment");
        }
        let repr = Ipv4Repr::parse(&packet, &caps()).map_err(|_| "a bad IPv4 header")?;
        let (source, target) = (repr.src_addr, repr.dst_addr);
        let broadcast = self.station.is_broadcast(target);
        if target != self.station.ip && !broadcast || source == self.station.ip {
            return Ok(());
        }
        if source.is_unspecified() || source.is_multicast() || self.station.is_broadcast(source) {
            return Err("an IPv4 packet from an impossible address");
        }
        match repr.next_header {
            IpProtocol::Udp => {
                let packet = UdpPacket::new_checked(packet.payload()).map_err(|_| "a bad UDP header")?;
                let repr = UdpRepr::parse(&packet, &source.into(), &target.into(), &caps());
                let port = repr.map_err(|_| "a bad UDP datagram")?.dst_port;
                if self.udp_ports.contains(&port) && self.datagrams.len() < MOST_DATAGRAMS {
                    self.datagrams.push_back(Datagram {
                        from: source,
                        port,
                        data: packet.payload().to_vec(),
                    });
                }
                Ok(())
            }
            IpProtocol::Tcp if !broadcast => {
                let packet = TcpPacket::new_checked(packet.payload()).map_err(|_| "a bad TCP header")?;
                let repr = TcpRepr::parse(&packet, &source.into(), &target.into(), &caps());
                let repr = repr.map_err(|_| "a bad TCP segment")?;
                self.receive_segment(now, source, &repr, rng);
                Ok(())
            }
            IpProtocol::Icmp if !broadcast => {
                let packet = Icmpv4Packet::new_checked(packet.payload()).map_err(|_| "a bad ICMP packet")?;
                let repr = Icmpv4Repr::parse(&packet, &caps()).map_err(|_| "a bad ICMP packet")?;
                if let Icmpv4Repr::EchoRequest { ident, seq_no, data } = repr {
                    let reply = Icmpv4Repr::EchoReply { ident, seq_no, data };
                    self.send_ip(now, source, IpProtocol::Icmp, 0, reply.buffer_len(), |bytes| {
                        reply.emit(&mut Icmpv4Packet::new_unchecked(bytes), &caps());
                    });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn receive_segment(&mut self, now: Time, source: Ipv4Addr, repr: &TcpRepr<'_>, rng: &mut Rng) {
        let segment = Segment {
            seq: repr.seq_number.0 as u32,
            ack: repr.ack_number.map(|ack| ack.0 as u32),
            syn: repr.control == TcpControl::Syn,
            fin: repr.control == TcpControl::Fin,
            rst: repr.control == TcpControl::Rst,
            psh: repr.control == TcpControl::Psh,
            window: repr.window_len,
            mss: repr.max_seg_size,
            payload: repr.payload.to_vec(),
        };
        let remote = (source, repr.src_port);
        let found = self
            .connections
            .values_mut()
            .find(|known| known.local == repr.dst_port && known.remote == remote && !known.is_closed());
        if let Some(connection) = found {
            connection.receive(now, &segment);
            return;
        }
        let opens = segment.syn && segment.ack.is_none() && self.listeners.contains(&repr.dst_port);
        if opens && self.connections.len() < MOST_CONNECTIONS {
            let handle = self.add(Connection::accept(repr.dst_port, remote, rng.next_u32(), &segment));
            self.accepted.push_back((handle, repr.dst_port));
        } else if !segment.rst {
            let reset = match segment.ack {
                Some(ack) => Segment { seq: ack, rst: true, ..Segment::default() },
                None => Segment {
                    ack: Some(segment.seq.wrapping_add(segment.advance())),
                    rst: true,
                    ..Segment::default()
                },
            };
            self.send_segment(now, repr.dst_port, remote, 0, &reset);
        }
    }

    /// Lets time-outs happen and sends what can be sent.
    pub fn poll(&mut self, now: Time) {
        let due: Vec<Ipv4Addr> =
            self.waiting.iter().filter(|(_, waiting)| waiting.again <= now).map(|(ip, _)| *ip).collect();
        for ip in due {
            let Some(waiting) = self.waiting.get_mut(&ip) else { continue };
            if waiting.tries >= ARP_TRIES {
                self.waiting.remove(&ip);
                continue;
            }
            waiting.tries += 1;
            waiting.again = now + ARP_RETRY;
            self.send_arp(ArpOperation::Request, EthernetAddress([0; 6]), ip);
        }
        let handles: Vec<Handle> = self.connections.keys().copied().collect();
        for handle in handles {
            while let Some(connection) = self.connections.get_mut(&handle) {
                connection.tick(now);
                let Some(segment) = connection.output(now, self.cut) else { break };
                let (local, remote, tos) = (connection.local, connection.remote, connection.tos());
                self.send_segment(now, local, remote, tos, &segment);
            }
        }
    }

    /// Forgets connections that are over; their owners were told by [`Connection::is_closed`].
    pub fn sweep(&mut self) {
        self.connections.retain(|_, connection| !connection.is_closed() || !connection.input().is_empty());
    }

    /// When [`Net::poll`] has something to do.
    pub fn due(&self) -> Time {
        let waiting = self.waiting.values().map(|waiting| waiting.again);
        let connections = self.connections.values().map(Connection::due);
        waiting.chain(connections).min().unwrap_or(Time::MAX)
    }

    /// The frames that were sent since the last call.
    pub fn take_frames(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.out)
    }
}
