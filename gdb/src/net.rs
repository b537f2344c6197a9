//! Sockets: one listener per device, two threads per connection, bytes to and from the fleet's thread.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{self, Receiver, Sender};

use crate::packet::frame;

/// Packets that may wait for a client to read them before it counts as gone.
const OUTBOX: usize = 256;
/// Blocks of bytes that may wait for the fleet's thread; then TCP holds the sender back.
const INBOX: usize = 256;
/// How long a client may leave its socket full.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// A debugger that quit and one that starts may overlap a little.
const BUSY_PAUSE: Duration = Duration::from_millis(10);
const BUSY_PAUSES: u32 = 50;
/// How long a client that is refused may take to say its first word; the answer to it is the reason.
const REFUSAL: Duration = Duration::from_millis(500);
/// More than this is no debugger's first word.
const FIRST_WORD: usize = 4096;

/// Tells whoever started the run what a debugger cannot know.
pub type Tell = fn(&str);

/// Why a port cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// The device it was for.
    pub device: String,
    /// The port.
    pub port: u32,
    /// Why.
    pub error: io::Error,
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no GDB port {} for `{}`: {}", self.port, self.device, self.error)
    }
}

impl std::error::Error for ListenError {}

/// What the threads tell the fleet's.
pub(crate) enum Incoming {
    /// A client is there.
    Connected(Caller, Line),
    /// It sent bytes.
    Bytes(Caller, Vec<u8>),
    /// It is gone.
    Closed(Caller),
}

/// A connection to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The device's index.
    pub device: usize,
    /// No two connections have the same.
    pub id: u64,
}

/// The way back to a client.
pub(crate) struct Line {
    outbox: Option<Sender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    stream: Option<TcpStream>,
}

impl Line {
    fn open(stream: &TcpStream) -> io::Result<Self> {
        let (outbox, letters) = channel::bounded::<Vec<u8>>(OUTBOX);
        let mut socket = stream.try_clone()?;
        let writer = thread::spawn(move || {
            for letter in letters {
                if socket.write_all(&letter).is_err() {
                    break;
                }
            }
            let _ = socket.shutdown(Shutdown::Both);
        });
        Ok(Self { outbox: Some(outbox), writer: Some(writer), stream: Some(stream.try_clone()?) })
    }

    /// Never waits: a client that does not read is cut off.
    pub(crate) fn send(&self, bytes: Vec<u8>) {
        if let Some(outbox) = &self.outbox
            && outbox.try_send(bytes).is_err()
        {
            self.cut();
        }
    }

    /// Ends the connection at once.
    pub(crate) fn cut(&self) {
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Ends the connection when all is sent, or cannot be.
    pub(crate) fn finish(mut self) {
        self.outbox = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }

    /// A line to nobody, whose letters a test reads.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn to_test() -> (Self, Receiver<Vec<u8>>) {
        let (outbox, letters) = channel::unbounded();
        (Self { outbox: Some(outbox), writer: None, stream: None }, letters)
    }
}

/// All listeners.
pub(crate) struct Listeners {
    addresses: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl Listeners {
    /// Listens for every device on consecutive ports from `base`, or on any free ports when it is 0.
    pub(crate) fn open(
        address: IpAddr,
        base: u16,
        names: &[String],
        tell: Tell,
    ) -> Result<(Self, Receiver<Incoming>), ListenError> {
        let mut sockets = Vec::new();
        for (device, name) in names.iter().enumerate() {
            let port = if base == 0 { 0 } else { u32::from(base).saturating_add(device as u32) };
            let failed = |error| ListenError { device: name.clone(), port, error };
            let past = |_| failed(io::Error::other("ports end at 65535; begin at a lower one"));
            let number = u16::try_from(port).map_err(past)?;
            let socket = TcpListener::bind((address, number)).map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            sockets.push((socket, address));
        }
        let (inbox, incoming) = channel::bounded(INBOX);
        let (over, ids) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let addresses = sockets.iter().map(|(_, address)| *address).collect();
        let threads = sockets.into_iter().zip(names).enumerate().map(|(device, ((socket, _), name))| {
            let (name, inbox, over, ids) = (name.clone(), inbox.clone(), over.clone(), ids.clone());
            let door = Door { device, name, inbox, over, ids, tell };
            thread::spawn(move || door.keep(&socket))
        });
        let threads = threads.collect();
        Ok((Self { addresses, threads, over }, incoming))
    }

    /// Where each device's listener is.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for address in &self.addresses {
            // Wakes the listener up; what is listened on everywhere is reached at home.
            let mut address = *address;
            if address.ip().is_unspecified() {
                address.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            let _ = TcpStream::connect_timeout(&address, WRITE_TIMEOUT);
        }
        for thread in self.threads.drain(..) {
            // One that could not be reached ends with the program.
            if thread.is_finished() || self.addresses.iter().all(|address| address.is_ipv4()) {
                let _ = thread.join();
            }
        }
    }
}

/// What the listener of one device needs.
struct Door {
    device: usize,
    name: String,
    inbox: Sender<Incoming>,
    over: Arc<AtomicBool>,
    ids: Arc<AtomicU64>,
    tell: Tell,
}

impl Door {
    /// Lets one debugger in at a time.
    fn keep(&self, socket: &TcpListener) {
        let busy = Arc::new(AtomicBool::new(false));
        loop {
            let stream = socket.accept();
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let Ok((stream, from)) = stream else {
                thread::sleep(BUSY_PAUSE); // out of descriptors, most likely: not a reason to spin
                continue;
            };
            let mut pauses = 0;
            while busy.load(Ordering::SeqCst) && pauses < BUSY_PAUSES {
                thread::sleep(BUSY_PAUSE);
                pauses += 1;
            }
            if busy.load(Ordering::SeqCst) {
                let Self { name, tell, .. } = self;
                tell(&format!("a second debugger, from {from}, was refused: {name} has one already"));
                refuse(stream, name);
                continue;
            }
            let caller = Caller { device: self.device, id: self.ids.fetch_add(1, Ordering::Relaxed) };
            let _ = stream.set_nodelay(true);
            let _ = stream.set_write_timeout(Some(WRITE_TIMEOUT));
            let Ok(line) = Line::open(&stream) else { continue };
            busy.store(true, Ordering::SeqCst);
            if self.inbox.send(Incoming::Connected(caller, line)).is_err() {
                return;
            }
            let (inbox, busy) = (self.inbox.clone(), busy.clone());
            thread::spawn(move || {
                read(stream, caller, &inbox);
                busy.store(false, Ordering::SeqCst);
            });
        }
    }
}

/// Answers the first word of a debugger with the reason, which GDB and LLDB show, and hangs up. GDB throws away
/// what comes before it has asked.
fn refuse(mut stream: TcpStream, name: &str) {
    let _ = stream.set_read_timeout(Some(REFUSAL));
    let _ = stream.set_write_timeout(Some(REFUSAL));
    let (mut heard, mut buffer) = (Vec::new(), [0; 256]);
    while heard.len() < FIRST_WORD && !heard.contains(&b'#') {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(len) => heard.extend_from_slice(&buffer[..len]),
        }
    }
    let words = frame(&format!("E.{name} has a debugger already and can have only one: detach that first"));
    let _ = stream.write_all(&[b"+", words.as_slice()].concat());
    let _ = stream.shutdown(Shutdown::Both);
}

fn read(mut stream: TcpStream, caller: Caller, inbox: &Sender<Incoming>) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(len) => {
                if inbox.send(Incoming::Bytes(caller, buffer[..len].to_vec())).is_err() {
                    return;
                }
            }
        }
    }
    let _ = inbox.send(Incoming::Closed(caller));
}
