//! The host's clock: for pacing and for figures, never for anything a guest can see.
#![expect(clippy::disallowed_methods, reason = "the only place that reads the host's clock")]

use std::time::{Duration, Instant};

use consort_core::Time;

/// A stop watch that starts with its creation.
pub struct Watch(Instant);

impl Watch {
    /// Starts.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// Sleeps until as much host time has passed as `virtual_time`.
    pub fn wait_for(&self, virtual_time: Time) {
        let due = Duration::from_nanos(virtual_time.as_ns());
        if let Some(rest) = due.checked_sub(self.0.elapsed()) {
            std::thread::sleep(rest);
        }
    }
}
