//! Arm semihosting (Semihosting for AArch32 and AArch64, version 3): console, exit, clocks; files only in
//! a directory the user named.

use std::fmt;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use consort_core::bus::Memory;
use consort_core::cpu;
use consort_core::{Addr, Time};
use serde::{Deserialize, Serialize};

/// The name of the port on which the guest's semihosting console appears.
pub(super) const PORT: &str = "semihosting";

/// No console write or file transfer moves more at once.
const TRANSFER_LIMIT: u64 = 1 << 20;
const FAILED: u64 = u64::MAX;
/// `errno` values as Newlib has them.
const ENOENT: u32 = 2;
const EBADF: u32 = 9;
const EACCES: u32 = 13;
const EINVAL: u32 = 22;
const EMFILE: u32 = 24;
/// 2020-01-01 00:00:00 UTC: the calendar starts here in every run.
const EPOCH: u64 = 1_577_836_800;

/// The semihosting state of one machine.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Semihosting {
    command_line: String,
    errno: u32,
    handles: Vec<Handle>,
    #[serde(skip)]
    directory: Option<Arc<Dir>>,
}

impl fmt::Debug for Semihosting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semihosting").field("handles", &self.handles).finish_non_exhaustive()
    }
}

/// An open file; the position is ours, so that a saved run finds it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Handle {
    Closed,
    Console,
    File { path: String, mode: u32, position: u64 },
}

/// What a call brought about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub result: u64,
    pub console: Vec<u8>,
    pub exit: Option<i32>,
    pub complaint: Option<String>,
}

const MAX_HANDLES: usize = 64;

/// Whether an operation is about a console or files, which a debugger can have in our place; the clocks, the command
/// line and the exit stay the machine's.
pub(super) fn is_for_people(op: u64) -> bool {
    matches!(op, 0x01..=0x07 | 0x09 | 0x0A | 0x0C | 0x0E | 0x0F)
}

impl Semihosting {
    /// Semihosting that answers SYS_GET_CMDLINE with `command_line` and may open files below `directory`.
    pub fn new(command_line: &str, directory: Option<&Path>) -> std::io::Result<Self> {
        let directory = directory.map(|path| Dir::open_ambient_dir(path, ambient_authority())).transpose()?;
        Ok(Self {
            command_line: command_line.to_owned(),
            errno: 0,
            handles: Vec::new(),
            directory: directory.map(Arc::new),
        })
    }

    pub(super) fn restore(&mut self, saved: Self) {
        *self = Self { directory: self.directory.take(), ..saved };
    }

    /// Somebody else answered a call: SYS_ERRNO tells this.
    pub(super) fn answered(&mut self, errno: u32) {
        if errno != 0 {
            self.errno = errno;
        }
    }

    pub(super) fn call(
        &mut self,
        call: cpu::Semihosting,
        at: Time,
        instructions: u64,
        memory: &mut dyn Memory,
    ) -> Outcome {
        let mut guest = Guest { memory, block: call.parameter, word: call.word };
        let mut outcome = Outcome::default();
        let result = self.dispatch(call, at, instructions, &mut guest, &mut outcome);
        outcome.result = result.unwrap_or_else(|errno| {
            self.errno = errno;
            FAILED
        });
        outcome
    }

    fn dispatch(
        &mut self,
        call: cpu::Semihosting,
        at: Time,
        instructions: u64,
        guest: &mut Guest<'_>,
        outcome: &mut Outcome,
    ) -> Result<u64, u32> {
        match call.op {
            0x01 => {
                let name = guest.text(guest.field(0)?, guest.field(2)?)?;
                self.open(&name, guest.field(1)?)
            }
            0x02 => {
                let handle = self.handle(guest.field(0)?)?;
                *handle = Handle::Closed;
                Ok(0)
            }
            0x03 => {
                outcome.console = guest.bytes(guest.block, 1)?;
                Ok(0)
            }
            0x04 => {
                outcome.console = guest.c_string(guest.block)?;
                Ok(0)
            }
            0x05 => {
                let data = guest.bytes(guest.field(1)?, guest.field(2)?)?;
                let handle = guest.field(0)?;
                self.write(handle, data, outcome)
            }
            0x06 => self.read(guest),
            0x07 => Ok(FAILED), // SYS_READC: nobody types on the semihosting console
            0x08 => {
                let failed = guest.field(0)? as i64 as i32;
                Ok(u64::from(failed < 0))
            }
            0x09 => Ok(u64::from(*self.handle(guest.field(0)?)? == Handle::Console)),
            0x0A => {
                let to = guest.field(1)?;
                match self.handle(guest.field(0)?)? {
                    Handle::File { position, .. } => *position = to,
                    _ => return Err(EBADF),
                }
                Ok(0)
            }
            0x0C => {
                let mut file = self.file(guest.field(0)?)?;
                file.seek(SeekFrom::End(0)).map_err(|error| errno(&error))
            }
            0x0E => {
                let name = guest.text(guest.field(0)?, guest.field(1)?)?;
                self.directory()?.remove_file(name).map_err(|error| errno(&error))?;
                Ok(0)
            }
            0x0F => {
                let from = guest.text(guest.field(0)?, guest.field(1)?)?;
                let to = guest.text(guest.field(2)?, guest.field(3)?)?;
                let directory = self.directory()?;
                directory.rename(from, &directory, to).map_err(|error| errno(&error))?;
                Ok(0)
            }
            0x10 => Ok(at.as_ps() / 10_000_000_000), // SYS_CLOCK: centiseconds
            0x11 => Ok(EPOCH + at.as_ps() / 1_000_000_000_000),
            0x13 => Ok(u64::from(self.errno)),
            0x15 => {
                let (buffer, size) = (guest.field(0)?, guest.field(1)?);
                let mut text = self.command_line.clone().into_bytes();
                text.push(0);
                if text.len() as u64 > size {
                    return Err(EINVAL);
                }
                guest.write(buffer, &text)?;
                guest.set_field(1, text.len() as u64 - 1)?;
                Ok(0)
            }
            0x16 => {
                // SYS_HEAPINFO: zeros tell the library to use its own linker symbols.
                let block = guest.field(0)?;
                guest.write(block, &vec![0; 4 * guest.word as usize])?;
                Ok(0)
            }
            0x18 | 0x20 => {
                // SYS_EXIT has the reason in the register on AArch32, in a block otherwise.
                let (reason, code) = if call.op == 0x18 && guest.word == 4 {
                    (guest.block, 0)
                } else {
                    (guest.field(0)?, guest.field(1)? as i32)
                };
                const APPLICATION_EXIT: u64 = 0x20026;
                outcome.exit = Some(if reason == APPLICATION_EXIT { code } else { 1 });
                Ok(0)
            }
            0x30 => {
                // One field of 64 bits, or two of 32, the lower first; a field takes what fits it.
                guest.set_field(0, instructions)?;
                if guest.word == 4 {
                    guest.set_field(1, instructions >> 32)?;
                }
                Ok(0)
            }
            0x31 => Ok(FAILED), // SYS_TICKFREQ: ticks are instructions; their rate is not promised
            op => {
                outcome.complaint = Some(format!("operation {op:#x} is not provided; it fails"));
                Err(EINVAL)
            }
        }
    }

    fn directory(&self) -> Result<Arc<Dir>, u32> {
        self.directory.clone().ok_or(EACCES)
    }

    fn handle(&mut self, number: u64) -> Result<&mut Handle, u32> {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).ok_or(EBADF)?;
        self.handles.get_mut(index).filter(|handle| **handle != Handle::Closed).ok_or(EBADF)
    }

    fn open(&mut self, name: &str, mode: u64) -> Result<u64, u32> {
        if mode > 11 {
            return Err(EINVAL);
        }
        let handle = if name == ":tt" {
            Handle::Console
        } else if name == ":semihosting-features" {
            return Err(ENOENT); // no extensions
        } else {
            let handle = Handle::File { path: name.to_owned(), mode: mode as u32, position: 0 };
            self.open_file(name, mode as u32, true)?;
            handle
        };
        let free = self.handles.iter().position(|handle| *handle == Handle::Closed);
        let index = match free {
            Some(index) => index,
            None if self.handles.len() < MAX_HANDLES => {
                self.handles.push(Handle::Closed);
                self.handles.len() - 1
            }
            None => return Err(EMFILE),
        };
        self.handles[index] = handle;
        Ok(index as u64 + 1)
    }

    /// Opens a file as C's `fopen` modes say: r, rb, r+, r+b, w, wb, w+, w+b, a, ab, a+, a+b.
    fn open_file(&self, path: &str, mode: u32, first: bool) -> Result<File, u32> {
        let (kind, plus) = (mode / 4, mode & 2 != 0);
        let mut options = OpenOptions::new();
        options.read(kind == 0 || plus).write(kind > 0 || plus);
        if kind == 1 && first {
            options.create(true).truncate(true);
        } else if kind == 2 {
            options.append(true).create(true);
        }
        self.directory()?.open_with(path, &options).map_err(|error| errno(&error))
    }

    fn file(&mut self, number: u64) -> Result<File, u32> {
        match self.handle(number)?.clone() {
            Handle::File { path, mode, position } => {
                let mut file = self.open_file(&path, mode, false)?;
                file.seek(SeekFrom::Start(position)).map_err(|error| errno(&error))?;
                Ok(file)
            }
            _ => Err(EBADF),
        }
    }

    /// Gives the number of bytes not written.
    fn write(&mut self, number: u64, data: Vec<u8>, outcome: &mut Outcome) -> Result<u64, u32> {
        if *self.handle(number)? == Handle::Console {
            outcome.console = data;
            return Ok(0);
        }
        let mut file = self.file(number)?;
        file.write_all(&data).map_err(|error| errno(&error))?;
        if let Handle::File { position, .. } = self.handle(number)? {
            *position += data.len() as u64;
        }
        Ok(0)
    }

    /// Gives the number of bytes not read.
    fn read(&mut self, guest: &mut Guest<'_>) -> Result<u64, u32> {
        let (number, buffer, len) = (guest.field(0)?, guest.field(1)?, guest.field(2)?);
        if *self.handle(number)? == Handle::Console {
            return Ok(len);
        }
        let mut data = vec![0; len.min(TRANSFER_LIMIT) as usize];
        let mut file = self.file(number)?;
        let mut count = 0;
        while count < data.len() {
            match file.read(&mut data[count..]).map_err(|error| errno(&error))? {
                0 => break,
                more => count += more,
            }
        }
        guest.write(buffer, &data[..count])?;
        if let Handle::File { position, .. } = self.handle(number)? {
            *position += count as u64;
        }
        Ok(len - count as u64)
    }
}

fn errno(error: &std::io::Error) -> u32 {
    match error.kind() {
        std::io::ErrorKind::NotFound => ENOENT,
        std::io::ErrorKind::InvalidInput => EINVAL,
        _ => EACCES,
    }
}

/// The caller's memory and parameter block.
struct Guest<'a> {
    memory: &'a mut dyn Memory,
    block: Addr,
    word: u64,
}

impl Guest<'_> {
    fn field(&self, index: u64) -> Result<u64, u32> {
        let mut bytes = [0; 8];
        let len = self.word.min(8) as usize;
        let at = self.block.wrapping_add(index * self.word);
        self.memory.read(at, &mut bytes[..len]).map_err(|_| EINVAL)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn set_field(&mut self, index: u64, value: u64) -> Result<(), u32> {
        let at = self.block.wrapping_add(index * self.word);
        self.write(at, &value.to_le_bytes()[..self.word.min(8) as usize])
    }

    fn write(&mut self, at: Addr, data: &[u8]) -> Result<(), u32> {
        self.memory.write(at, data).map_err(|_| EINVAL)
    }

    fn bytes(&self, at: Addr, len: u64) -> Result<Vec<u8>, u32> {
        if len > TRANSFER_LIMIT {
            return Err(EINVAL);
        }
        let mut data = vec![0; len as usize];
        self.memory.read(at, &mut data).map_err(|_| EINVAL)?;
        Ok(data)
    }

    fn text(&self, at: Addr, len: u64) -> Result<String, u32> {
        String::from_utf8(self.bytes(at, len.min(4096))?).map_err(|_| EINVAL)
    }

    fn c_string(&self, at: Addr) -> Result<Vec<u8>, u32> {
        let mut text = Vec::new();
        while (text.len() as u64) < TRANSFER_LIMIT {
            let byte = self.bytes(at.wrapping_add(text.len() as u64), 1)?[0];
            if byte == 0 {
                return Ok(text);
            }
            text.push(byte);
        }
        Err(EINVAL)
    }
}
