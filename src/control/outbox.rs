//! What waits to be written to one client: bounded, so that a client that does not read costs nothing more.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use consort_core::control::Message;

/// Notices beyond this many waiting bytes are dropped and counted.
const MOST_NOTICES: usize = 4 << 20;
/// Answers beyond this many end the connection: the client asks and does not listen.
const MOST: usize = 8 << 20;

/// Lines for one client.
#[derive(Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Default)]
struct Inner {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: u64,
    closed: bool,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a notice, or drops it and counts.
    pub fn notice(&self, line: &str) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        if inner.bytes + line.len() > MOST_NOTICES {
            inner.dropped += 1;
            return;
        }
        if inner.dropped > 0 {
            let count = std::mem::take(&mut inner.dropped);
            inner.push(line_of(&Message::Dropped { count }));
        }
        inner.push(line.to_owned());
        self.filled.notify_one();
    }

    /// Adds an answer.
    pub fn answer(&self, message: &Message) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        let line = line_of(message);
        if inner.bytes + line.len() > MOST {
            inner.closed = true;
            inner.lines.clear();
        } else {
            inner.push(line);
        }
        self.filled.notify_one();
    }

    /// Ends it: what waits is still written, nothing is added.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Everything that waits, as one text; waits for it. `None` at the end.
    pub fn take(&self) -> Option<String> {
        let mut inner = self.lock();
        while inner.lines.is_empty() && !inner.closed {
            inner = self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if inner.lines.is_empty() {
            return None;
        }
        inner.bytes = 0;
        Some(inner.lines.drain(..).collect())
    }
}

impl Inner {
    fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }
}

/// A message as it goes over the wire.
pub fn line_of(message: &Message) -> String {
    let mut line = serde_json::to_string(message).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::control::Answer;

    #[test]
    fn a_client_that_does_not_read_loses_notices_and_is_told() {
        let outbox = Outbox::default();
        let line = "x".repeat(1 << 20);
        (0..10).for_each(|_| outbox.notice(&line));
        assert_eq!(outbox.take().unwrap().len(), 4 << 20);
        outbox.notice("y\n");
        assert_eq!(outbox.take().unwrap(), "{\"is\":\"dropped\",\"count\":6}\ny\n");
    }

    #[test]
    fn a_client_that_only_asks_is_let_go() {
        let outbox = Outbox::default();
        let answer = Message::Reply { id: 1, answer: Answer::Digest("x".repeat(1 << 20)) };
        (0..7).for_each(|_| outbox.answer(&answer));
        assert!(!outbox.is_closed());
        outbox.answer(&answer);
        assert!(outbox.is_closed());
        assert_eq!(outbox.take(), None);
    }

    #[test]
    fn what_waits_at_the_end_is_still_written() {
        let outbox = Outbox::default();
        outbox.answer(&Message::Ended);
        outbox.close();
        outbox.notice("late\n");
        assert_eq!(outbox.take().as_deref(), Some("{\"is\":\"ended\"}\n"));
        assert_eq!(outbox.take(), None);
    }
}
