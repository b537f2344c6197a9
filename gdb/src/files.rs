//! The guest's semihosting calls for console and files, answered by the debugger: Arm's operations (Semihosting for
//! AArch32 and AArch64, version 3) as requests of GDB's "File-I/O Remote Protocol Extension".

use consort_core::Addr;
use consort_core::cpu::{Role, Semihosting};
use consort_core::device::Debug;

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The debugger is asked.
    Ask(String),
    /// The guest gets its result.
    Done {
        /// The result.
        result: u64,
        /// Why it failed, 0 when it did not.
        errno: u32,
    },
}

/// A call that waits for an answer.
#[derive(Debug)]
pub(crate) struct Call {
    waits: Waits,
}

/// What the answer means.
#[derive(Debug)]
enum Waits {
    /// A descriptor becomes a handle.
    Handle,
    /// 0, or -1 when it failed.
    Success,
    /// What it says, 0 when it failed.
    Flag,
    /// So many bytes of these were moved.
    Moved(u64),
    /// A character for SYS_READC, put where the stack ends; what was there before.
    Character {
        at: Addr,
        before: u8,
    },
    /// The length of a file: the place in it, the end of it, and back.
    Place {
        file: u64,
    },
    End {
        file: u64,
        place: u64,
    },
    Back {
        length: u64,
    },
}

/// Handles of the debugger's files are its descriptors and this; smaller ones are the machine's own.
const HANDLES: u64 = 0x100;
const CONSOLE_IN: u64 = 0;
const CONSOLE_OUT: u64 = 1;
const CONSOLE_ERROR: u64 = 2;
/// No call moves more at once; the guest asks again for the rest.
const MOST: u64 = 1 << 16;
const FAILED: u64 = u64::MAX;
const EINVAL: u32 = 22;
/// Of a new file: read and written by its owner, read by others.
const MODE: u32 = 0o644;

const BAD: Next = Next::Done { result: FAILED, errno: EINVAL };
const FINE: Next = Next::Done { result: 0, errno: 0 };

/// The caller's memory.
struct Guest<'a> {
    debug: &'a dyn Debug,
    call: Semihosting,
}

impl Guest<'_> {
    /// A field of the parameter block.
    fn field(&self, index: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        let width = self.call.word.min(8);
        let at = self.call.parameter.checked_add(index * width)?;
        self.debug.read(at, bytes.get_mut(..width as usize)?).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    fn byte(&self, at: Addr) -> Option<u8> {
        let mut byte = [0];
        self.debug.read(at, &mut byte).ok()?;
        Some(byte[0])
    }

    /// Text at a field, with its length in another, as a request names it: with the zero at its end.
    fn text(&self, at: u64, length: u64) -> Option<String> {
        let (at, length) = (self.field(at)?, self.field(length)?);
        let ends = length < MOST && self.byte(at.checked_add(length)?)? == 0;
        ends.then(|| format!("{at:x}/{:x}", length + 1))
    }

    /// A descriptor of the debugger's.
    fn file(&self) -> Option<u64> {
        self.field(0)?.checked_sub(HANDLES)
    }
}

impl Call {
    /// Begins; nothing when the machine is to answer as ever.
    pub(crate) fn begin(call: Semihosting, debug: &mut dyn Debug) -> Option<(Self, Next)> {
        let guest = Guest { debug, call };
        let (waits, next) = match call.op {
            0x01 => open(&guest)?,
            0x02 => match guest.file()? {
                ..=CONSOLE_ERROR => (Waits::Success, FINE),
                file => (Waits::Success, Next::Ask(format!("Fclose,{file:x}"))),
            },
            0x03 => (Waits::Success, write(CONSOLE_OUT, call.parameter, 1)),
            0x04 => {
                let length = (0..MOST).find(|offset| {
                    let byte = call.parameter.checked_add(*offset).and_then(|at| guest.byte(at));
                    byte.is_none_or(|byte| byte == 0)
                });
                (Waits::Success, write(CONSOLE_OUT, call.parameter, length.unwrap_or(MOST)))
            }
            0x05 => {
                let (file, at, length) = (guest.file()?, guest.field(1)?, guest.field(2)?);
                (Waits::Moved(length), write(file, at, length.min(MOST)))
            }
            0x06 => {
                let (file, at, length) = (guest.file()?, guest.field(1)?, guest.field(2)?);
                let next = match length {
                    0 => FINE,
                    length => Next::Ask(format!("Fread,{file:x},{at:x},{:x}", length.min(MOST))),
                };
                (Waits::Moved(length), next)
            }
            0x07 => {
                let stack = debug.registers().iter().position(|info| info.role == Role::StackPointer);
                let stack = stack.and_then(|index| debug.register(index)).unwrap_or(0) as u64;
                let at = stack.checked_sub(8)?;
                let before = guest.byte(at)?;
                (Waits::Character { at, before }, Next::Ask(format!("Fread,{CONSOLE_IN:x},{at:x},1")))
            }
            0x09 => (Waits::Flag, Next::Ask(format!("Fisatty,{:x}", guest.file()?))),
            0x0A => {
                let (file, to) = (guest.file()?, guest.field(1)?);
                (Waits::Success, seek(file, to, 0))
            }
            0x0C => {
                let file = guest.file()?;
                (Waits::Place { file }, seek(file, 0, 1))
            }
            0x0E => {
                let next = guest.text(0, 1).map_or(BAD, |name| Next::Ask(format!("Funlink,{name}")));
                (Waits::Success, next)
            }
            0x0F => {
                let names = guest.text(0, 1).zip(guest.text(2, 3));
                let next = names.map_or(BAD, |(from, to)| Next::Ask(format!("Frename,{from},{to}")));
                (Waits::Success, next)
            }
            _ => return None,
        };
        Some((Self { waits }, next))
    }

    /// Takes the answer that follows `F`: a result, an error number, and whether Ctrl-C was pressed meanwhile.
    pub(crate) fn answered(&mut self, answer: &str, debug: &mut dyn Debug) -> (Next, bool) {
        let answer = answer.split_once(';').map_or(answer, |(answer, _)| answer);
        let mut words = answer.split(',');
        let number = |text: &str| match text.strip_prefix('-') {
            Some(_) => None,
            None => u64::from_str_radix(text, 16).ok(),
        };
        let result = words.next().and_then(number);
        let errno = words.next().and_then(number).map_or(0, |errno| errno as u32);
        let interrupted = words.next() == Some("C");
        // What cannot be read failed, too.
        let errno = if result.is_none() && errno == 0 { EINVAL } else { errno };
        (self.take(result.ok_or(errno), debug), interrupted)
    }

    fn take(&mut self, answer: Result<u64, u32>, debug: &mut dyn Debug) -> Next {
        let failed = |result: u64| {
            let errno = answer.err().unwrap_or(0);
            Next::Done { result, errno }
        };
        let done = |result: u64| Next::Done { result, errno: 0 };
        match (&self.waits, answer) {
            (Waits::Handle, Ok(file)) => done(file.saturating_add(HANDLES)),
            (Waits::Success, Ok(_)) => FINE,
            (Waits::Flag, Ok(flag)) => done(flag),
            (Waits::Flag, Err(_)) => failed(0),
            (Waits::Moved(length), Ok(moved)) => done(length.saturating_sub(moved)),
            (Waits::Moved(length), Err(_)) => failed(*length),
            (Waits::Character { at, before }, answer) => {
                let mut byte = [0];
                let read = answer == Ok(1) && debug.read(*at, &mut byte).is_ok();
                let kept = debug.write(*at, &[*before]).is_ok();
                if read && kept { done(byte[0].into()) } else { failed(FAILED) }
            }
            (Waits::Place { file }, Ok(place)) => {
                let file = *file;
                self.waits = Waits::End { file, place };
                seek(file, 0, 2)
            }
            (Waits::End { file, place }, Ok(length)) => {
                let (file, place) = (*file, *place);
                self.waits = Waits::Back { length };
                seek(file, place, 0)
            }
            (Waits::Back { length }, Ok(_)) => done(*length),
            (_, Err(_)) => failed(FAILED),
        }
    }
}

fn write(file: u64, at: Addr, length: u64) -> Next {
    if length == 0 { FINE } else { Next::Ask(format!("Fwrite,{file:x},{at:x},{length:x}")) }
}

fn seek(file: u64, to: u64, from: u32) -> Next {
    Next::Ask(format!("Flseek,{file:x},{to:x},{from:x}"))
}

/// `:tt` is the console; other files have one of C's modes: r, rb, r+, r+b, w, wb, w+, w+b, a, ab, a+, a+b.
fn open(guest: &Guest<'_>) -> Option<(Waits, Next)> {
    let (at, mode, length) = (guest.field(0)?, guest.field(1)?, guest.field(2)?);
    let is = |name: &[u8]| {
        length == name.len() as u64
            && name.iter().zip(at..).all(|(byte, place)| guest.byte(place) == Some(*byte))
    };
    if is(b":semihosting-features") {
        return None;
    }
    let (kind, plus) = (mode / 4, mode & 2 != 0);
    if is(b":tt") {
        let console = [CONSOLE_IN, CONSOLE_OUT, CONSOLE_ERROR].get(kind as usize);
        let next = console.map_or(BAD, |file| Next::Done { result: file + HANDLES, errno: 0 });
        return Some((Waits::Handle, next));
    }
    let access = if plus { 2 } else { u32::from(kind > 0) };
    let more = match kind {
        0 => 0,
        1 => 0x200 | 0x400, // O_CREAT, O_TRUNC
        2 => 0x200 | 0x008, // O_CREAT, O_APPEND
        _ => return Some((Waits::Handle, BAD)),
    };
    let name = guest.text(0, 2);
    let next = name.map_or(BAD, |name| Next::Ask(format!("Fopen,{name},{:x},{MODE:x}", access | more)));
    Some((Waits::Handle, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, RAM};

    /// A call with these fields, and what is at the beginning of the memory.
    fn begin(op: u64, fields: &[u32], memory: &[u8]) -> (Box<dyn consort_core::device::Device>, Call, Next) {
        let mut device = Fake::boxed();
        let debug = device.debug().unwrap();
        debug.write(RAM, memory).unwrap();
        let block: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        debug.write(RAM + 0x100, &block).unwrap();
        let parameter = if matches!(op, 3 | 4) { RAM } else { RAM + 0x100 };
        let (call, next) = Call::begin(Semihosting { op, parameter, word: 4 }, debug).unwrap();
        (device, call, next)
    }

    fn asks(op: u64, fields: &[u32], memory: &[u8]) -> String {
        match begin(op, fields, memory).2 {
            Next::Ask(question) => question,
            done => panic!("{done:?}"),
        }
    }

    const AT: u32 = RAM as u32;

    #[test]
    fn requests_are_those_of_the_manual() {
        assert_eq!(asks(1, &[AT, 0, 1], b"a\0"), "Fopen,20000000/2,0,1a4");
        assert_eq!(asks(1, &[AT, 5, 1], b"a\0"), "Fopen,20000000/2,601,1a4");
        assert_eq!(asks(1, &[AT, 10, 1], b"a\0"), "Fopen,20000000/2,20a,1a4");
        assert_eq!(asks(2, &[0x105], b""), "Fclose,5");
        assert_eq!(asks(3, &[], b"x"), "Fwrite,1,20000000,1");
        assert_eq!(asks(4, &[], b"four\0"), "Fwrite,1,20000000,4");
        assert_eq!(asks(5, &[0x103, AT, 9], b""), "Fwrite,3,20000000,9");
        assert_eq!(asks(6, &[0x103, AT, 9], b""), "Fread,3,20000000,9");
        assert_eq!(asks(9, &[0x101], b""), "Fisatty,1");
        assert_eq!(asks(0xA, &[0x103, 7], b""), "Flseek,3,7,0");
        assert_eq!(asks(0xE, &[AT, 2], b"ab\0"), "Funlink,20000000/3");
        assert_eq!(asks(0xF, &[AT, 1, AT + 2, 1], b"a\0b\0"), "Frename,20000000/2,20000002/2");
    }

    #[test]
    fn answers_become_results() {
        let result = |op: u64, fields: &[u32], memory: &[u8], answer: &str| {
            let (mut device, mut call, _) = begin(op, fields, memory);
            match call.answered(answer, device.debug().unwrap()) {
                (Next::Done { result, errno }, _) => (result as u32, errno),
                (next, _) => panic!("{next:?}"),
            }
        };
        assert_eq!(result(1, &[AT, 0, 1], b"a\0", "4"), (0x104, 0));
        assert_eq!(result(1, &[AT, 0, 1], b"a\0", "-1,2"), (u32::MAX, 2));
        assert_eq!(result(5, &[0x103, AT, 9], b"", "7"), (2, 0), "what was not written");
        assert_eq!(result(6, &[0x103, AT, 9], b"", "-1,9"), (9, 9));
        assert_eq!(result(6, &[0x103, AT, 9], b"", "rubbish"), (9, EINVAL));
        assert_eq!(result(9, &[0x103], b"", "0"), (0, 0));
        let console = begin(1, &[AT, 4, 3], b":tt\0").2;
        assert_eq!(console, Next::Done { result: 0x101, errno: 0 });
        assert_eq!(begin(1, &[AT, 0, 1], b"ab\0").2, BAD, "a name without its end");
        let (mut device, mut call, _) = begin(5, &[0x103, AT, 9], b"");
        let interrupted = call.answered("-1,4,C", device.debug().unwrap());
        assert_eq!(interrupted, (Next::Done { result: 9, errno: 4 }, true));
    }

    #[test]
    fn a_length_takes_three_requests_and_leaves_the_place() {
        let (mut device, mut call, next) = begin(0xC, &[0x103], b"");
        let debug = device.debug().unwrap();
        assert_eq!(next, Next::Ask("Flseek,3,0,1".to_owned()));
        assert_eq!(call.answered("5", debug).0, Next::Ask("Flseek,3,0,2".to_owned()));
        assert_eq!(call.answered("20", debug).0, Next::Ask("Flseek,3,5,0".to_owned()));
        assert_eq!(call.answered("5", debug).0, Next::Done { result: 0x20, errno: 0 });
    }

    #[test]
    fn handles_of_the_machine_stay_the_machines() {
        let mut device = Fake::boxed();
        let debug = device.debug().unwrap();
        debug.write(RAM, &[1, 0, 0, 0]).unwrap();
        assert!(Call::begin(Semihosting { op: 5, parameter: RAM, word: 4 }, debug).is_none());
    }
}
