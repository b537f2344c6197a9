//! The sockets of the control protocol: one thread accepts, two serve each client, none touches the fleet.
#![expect(clippy::disallowed_methods, reason = "sockets have threads of their own, away from the fleet's")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use consort_core::control::{Command, LONGEST_REQUEST, Message, Request, VERSION};

use super::outbox::Outbox;
use crate::failure::Failure;

/// Requests that wait for the fleet; more make their clients wait.
const WAITING: usize = 256;
/// More clients at a time are refused.
const MOST_CLIENTS: usize = 32;

/// A request with the way back to its client.
pub struct Asked {
    pub client: Arc<Client>,
    pub request: Request,
}

/// A connection that has said hello with the token.
pub struct Client {
    pub outbox: Outbox,
    /// Its number, for what is its own.
    pub number: u64,
    /// Bits of the topics it subscribed to; only the fleet's thread looks at them.
    pub topics: AtomicUsize,
    socket: Mutex<Option<Socket>>,
}

impl Client {
    /// Ends the connection after what waits has been written.
    pub fn close(&self) {
        self.outbox.close();
    }

    fn hang_up(&self) {
        self.outbox.close();
        if let Some(socket) = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
            socket.shut();
        }
    }
}

/// The open door.
pub struct Server {
    /// Where clients connect.
    pub address: String,
    /// What they must know.
    pub token: String,
    pub asked: Receiver<Asked>,
    /// How many requests wait: one atomic, so that the fleet's thread can look between any two windows.
    pub waiting: Arc<AtomicUsize>,
    path: Option<PathBuf>,
    writers: Arc<AtomicUsize>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn shut(&self) {
        // It may be gone already, which is what is wanted.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Both),
        };
    }

    fn again(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }
}

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(out),
            Self::Unix(stream) => stream.read(out),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(data),
            Self::Unix(stream) => stream.write(data),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Server {
    /// Listens at `host:port` of this computer (port 0 is any), or at a path as a Unix socket.
    pub fn open(address: &str) -> Result<Self, Failure> {
        let token = token()?;
        let bad = |error: std::io::Error| Failure::bad(format!("cannot listen at {address}: {error}"));
        let (listener, address, path) = if address.contains('/') {
            let listener = UnixListener::bind(address).map_err(bad)?;
            std::fs::set_permissions(address, std::fs::Permissions::from_mode(0o600)).map_err(bad)?;
            (Listener::Unix(listener), address.to_owned(), Some(PathBuf::from(address)))
        } else {
            let listener = TcpListener::bind(loopback(address)?).map_err(bad)?;
            let bound = listener.local_addr().map_err(bad)?;
            (Listener::Tcp(listener), bound.to_string(), None)
        };
        let (give, asked) = sync_channel(WAITING);
        let (waiting, writers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let door = Door {
            token: token.clone(),
            give,
            waiting: waiting.clone(),
            writers: writers.clone(),
            next: AtomicU64::new(0),
        };
        thread::spawn(move || accept(&listener, &Arc::new(door)));
        Ok(Self { address, token, asked, waiting, path, writers })
    }

    /// Waits until what clients are owed is written, but not for long: they may not read.
    pub fn drain(&self) {
        for _ in 0..100 {
            if self.writers.load(Ordering::Acquire) == 0 {
                return;
            }
            thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The socket address of `host:port` when it can be reached from this computer only.
fn loopback(address: &str) -> Result<SocketAddr, Failure> {
    let mut found = address
        .to_socket_addrs()
        .map_err(|error| Failure::bad(format!("`{address}` is no HOST:PORT and no path: {error}")))?;
    let first = found.next();
    first.filter(|found| IpAddr::is_loopback(&found.ip())).ok_or_else(|| {
        Failure::bad(format!(
            "`{address}` can be reached from other computers: use 127.0.0.1 or a path, and tunnel to it"
        ))
    })
}

/// 128 random bits of the operating system.
fn token() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Failure::bad(format!("no random numbers for a token: /dev/urandom: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What all connections share.
struct Door {
    token: String,
    give: SyncSender<Asked>,
    waiting: Arc<AtomicUsize>,
    writers: Arc<AtomicUsize>,
    next: AtomicU64,
}

fn accept(listener: &Listener, door: &Arc<Door>) {
    loop {
        let socket = match listener {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| {
                // Answers are short and awaited.
                let _ = stream.set_nodelay(true);
                Socket::Tcp(stream)
            }),
            Listener::Unix(listener) => listener.accept().map(|(stream, _)| Socket::Unix(stream)),
        };
        match socket {
            Ok(socket) if door.writers.load(Ordering::Acquire) < MOST_CLIENTS => {
                let door = door.clone();
                thread::spawn(move || serve(socket, &door));
            }
            Ok(socket) => socket.shut(),
            // Out of file descriptors, or a client that left at once: others may come.
            Err(_) => thread::sleep(std::time::Duration::from_millis(50)),
        }
    }
}

/// Reads one client's requests until it leaves.
fn serve(socket: Socket, door: &Arc<Door>) {
    let (Ok(writer), Ok(closer)) = (socket.again(), socket.again()) else { return };
    let client = Arc::new(Client {
        outbox: Outbox::default(),
        number: door.next.fetch_add(1, Ordering::Relaxed),
        topics: AtomicUsize::new(0),
        socket: Mutex::new(Some(closer)),
    });
    door.writers.fetch_add(1, Ordering::AcqRel);
    let (writing, counted) = (client.clone(), door.clone());
    thread::spawn(move || {
        write(writer, &writing);
        counted.writers.fetch_sub(1, Ordering::AcqRel);
    });
    read(socket, &client, door);
    // What was answered before, such as why it is refused, still goes out.
    client.close();
}

fn write(mut socket: Socket, client: &Client) {
    while let Some(text) = client.outbox.take() {
        if socket.write_all(text.as_bytes()).is_err() {
            break;
        }
    }
    client.hang_up();
}

fn read(socket: Socket, client: &Arc<Client>, door: &Door) {
    let mut reader = BufReader::new(socket);
    let (mut line, mut known) = (Vec::new(), false);
    let refuse = |id, message: String| client.outbox.answer(&Message::Error { id, message });
    while !client.outbox.is_closed() {
        line.clear();
        match reader.by_ref().take(LONGEST_REQUEST as u64 + 1).read_until(b'\n', &mut line) {
            Ok(1..=LONGEST_REQUEST) => {}
            Ok(0) | Err(_) => return,
            Ok(_) => return refuse(0, format!("a request is at most {LONGEST_REQUEST} bytes long")),
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let request: Request = match serde_json::from_slice(&line) {
            Ok(request) => request,
            Err(error) => {
                refuse(id_of(&line), format!("not a request of version {VERSION}: {error}"));
                if known {
                    continue;
                }
                return;
            }
        };
        match (&request.command, known) {
            (Command::Hello { version, .. }, _) if *version != VERSION => {
                return refuse(request.id, format!("version {version} is not spoken here, only {VERSION}"));
            }
            (Command::Hello { token, .. }, _) if !same(token, &door.token) => {
                return refuse(request.id, "the token is wrong".to_owned());
            }
            (Command::Hello { .. }, _) => known = true,
            (_, true) => {}
            (_, false) => return refuse(request.id, "say hello first".to_owned()),
        }
        door.waiting.fetch_add(1, Ordering::Release);
        if door.give.send(Asked { client: client.clone(), request }).is_err() {
            return;
        }
    }
}

/// The id of a request that is otherwise wrong, so that the client knows which.
fn id_of(line: &[u8]) -> u64 {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    value.and_then(|value| value.get("id")?.as_u64()).unwrap_or(0)
}

/// Compares without telling by its time where a difference is.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_computer_can_connect() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            assert!(loopback(address).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "127.0.0.1", ""] {
            assert!(loopback(address).is_err(), "{address}");
        }
    }

    #[test]
    fn tokens_differ_and_compare_whole() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
        assert!(same(&one, &one) && !same(&one, &other) && !same(&one, &one[..31]) && !same("", &one));
    }
}
