//! What waits to be written to one client: bounded, so that a client that does not read costs nothing more.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use consort_core::control::Message;

/// Notices beyond this many waiting bytes are dropped and counted.
const MOST_NOTICES: usize = 4 << 20;
/// Answers beyond this many end the connection: the client asks and does not listen.
const MOST: usize = 8 << 20;
/// How long notices gather when nobody waits for an answer: a wake-up for each would cost more than the run.
const GATHER: Duration = Duration::from_millis(5);

/// Lines for one client.
#[derive(Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Default)]
struct Inner {
    text: String,
    /// Somebody waits for what is in it.
    urgent: bool,
    dropped: u64,
    closed: bool,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a notice would still be taken; one that is not need not be written, it counts as dropped.
    pub fn has_room(&self) -> bool {
        let mut inner = self.lock();
        let full = inner.text.len() > MOST_NOTICES;
        inner.dropped += u64::from(full && !inner.closed);
        !full && !inner.closed
    }

    /// Adds a notice, for which there is room.
    pub fn notice(&self, line: &str) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        let first = inner.text.is_empty();
        inner.tell_dropped();
        inner.text.push_str(line);
        if first {
            self.filled.notify_one();
        }
    }

    /// Adds an answer.
    pub fn answer(&self, message: &Message) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        let line = line_of(message);
        if inner.text.len() + line.len() > MOST {
            inner.closed = true;
            inner.text.clear();
        } else {
            inner.text.push_str(&line);
            inner.urgent = true;
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
        while inner.text.is_empty() && !inner.closed {
            inner = self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if !inner.urgent && !inner.closed {
            let calm = |inner: &mut Inner| !inner.urgent && !inner.closed;
            let waited = self.filled.wait_timeout_while(inner, GATHER, calm);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.urgent = false;
        let text = std::mem::take(&mut inner.text);
        (!text.is_empty()).then_some(text)
    }
}

impl Inner {
    fn tell_dropped(&mut self) {
        if self.dropped > 0 {
            let count = std::mem::take(&mut self.dropped);
            self.text.push_str(&line_of(&Message::Dropped { count }));
        }
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
        let taken = (0..10).filter(|_| outbox.has_room()).inspect(|_| outbox.notice(&line)).count();
        assert_eq!(taken, 5, "the last one may pass the limit");
        assert_eq!(outbox.take().unwrap().len(), 5 << 20);
        assert!(outbox.has_room());
        outbox.notice("y\n");
        assert_eq!(outbox.take().unwrap(), "{\"is\":\"dropped\",\"count\":5}\ny\n");
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
