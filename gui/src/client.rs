//! The connection to a run: a thread reads messages, the window never waits for either side.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use consort_core::control::{Answer, Command, Message, Request, Topic, VERSION};

use crate::picture::Pixels;

/// Messages that wait for the window; when it is that far behind, the server drops notices.
const WAITING: usize = 50_000;

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Something that the other side said.
pub struct Arrived {
    /// The message.
    pub message: Message,
    /// The request that it answers.
    pub of: Option<Command>,
    /// Its picture, unpacked.
    pub pixels: Option<Pixels>,
}

/// A connection.
pub struct Client {
    socket: Socket,
    arriving: Receiver<(Message, Option<Pixels>)>,
    /// What was asked and is not answered.
    open: BTreeMap<u64, Command>,
    id: u64,
    gone: bool,
}

/// An address and a token out of `ADDRESS#TOKEN`.
pub fn split(address: &str) -> (&str, Option<&str>) {
    address.rsplit_once('#').map_or((address, None), |(address, token)| (address, Some(token)))
}

impl Client {
    /// Connects and says hello; `wake` is called when something has arrived.
    pub fn connect(address: &str, token: &str, wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (give, arriving) = sync_channel(WAITING);
        let socket = if address.contains('/') {
            let socket = UnixStream::connect(address)?;
            socket.set_write_timeout(Some(Duration::from_secs(1)))?;
            let reader = socket.try_clone()?;
            std::thread::spawn(move || read(reader, &give, wake));
            Socket::Unix(socket)
        } else {
            let socket = TcpStream::connect(address)?;
            socket.set_nodelay(true)?;
            socket.set_write_timeout(Some(Duration::from_secs(1)))?;
            let reader = socket.try_clone()?;
            std::thread::spawn(move || read(reader, &give, wake));
            Socket::Tcp(socket)
        };
        let mut client = Self { socket, arriving, open: BTreeMap::new(), id: 0, gone: false };
        client.ask(Command::Hello { version: VERSION, token: token.to_owned() });
        client
            .ask(Command::Subscribe { topics: vec![Topic::Uart, Topic::Frames, Topic::Events, Topic::Logs] });
        Ok(client)
    }

    /// Sends a request.
    pub fn ask(&mut self, command: Command) {
        self.id += 1;
        let request = Request { id: self.id, command };
        let mut line = serde_json::to_string(&request).unwrap_or_default();
        line.push('\n');
        let sent = match &mut self.socket {
            Socket::Tcp(socket) => socket.write_all(line.as_bytes()),
            Socket::Unix(socket) => socket.write_all(line.as_bytes()),
        };
        self.gone |= sent.is_err();
        self.open.insert(self.id, request.command);
    }

    /// How many requests are not answered.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// The next message that has arrived.
    pub fn take(&mut self) -> Option<Arrived> {
        match self.arriving.try_recv() {
            Ok((message, pixels)) => {
                let of = match &message {
                    Message::Reply { id, .. } | Message::Error { id, .. } => self.open.remove(id),
                    _ => None,
                };
                self.gone |= message == Message::Ended;
                Some(Arrived { message, of, pixels })
            }
            Err(std::sync::mpsc::TryRecvError::Empty) => None,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                self.gone = true;
                None
            }
        }
    }

    /// Whether the connection has ended.
    pub fn is_gone(&self) -> bool {
        self.gone
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The other side may have left first.
        let _ = match &self.socket {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}

fn read(socket: impl Read, give: &SyncSender<(Message, Option<Pixels>)>, wake: impl Fn()) {
    let mut lines = BufReader::with_capacity(1 << 16, socket);
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            // What a newer server says besides is not for us.
            Ok(_) => {
                let Ok(message) = serde_json::from_slice(&line) else { continue };
                // Unpacked here, the window need not wait for it.
                let pixels = match &message {
                    Message::Reply { answer: Answer::Picture(Some(picture)), .. } => Pixels::of(picture),
                    _ => None,
                };
                if give.send((message, pixels)).is_err() {
                    break;
                }
            }
        }
        wake();
    }
    wake();
}
