//! Which of the host's processors a thread runs on.
//!
//! Threads that work in short turns look idle to the host's scheduler, which then puts them where the thread that wakes
//! them runs, and they wait for each other.

/// The processors that a pool's threads may have.
pub(super) struct Processors(Vec<usize>);

impl Processors {
    /// Those that this process may run on, the caller's first; none where `threads` do not find one each, or where the
    /// host does not tell.
    pub(super) fn of_host(threads: usize) -> Self {
        let mut found = host::allowed();
        if found.len() < threads {
            found.clear();
        }
        Self(found)
    }

    /// Keeps the calling thread on its own processor; thread 0, which is the caller's own, roams.
    pub(super) fn keep(&self, thread: usize) {
        if let Some(&processor) = self.0.get(thread) {
            host::keep(processor);
        }
    }
}

#[cfg(target_os = "linux")]
mod host {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

    pub(super) fn allowed() -> Vec<usize> {
        let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
        let mut allowed: Vec<usize> =
            (0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect();
        let here = sched_getcpu();
        let first = allowed.iter().position(|processor| *processor == here).unwrap_or(0);
        allowed.rotate_left(first);
        allowed
    }

    pub(super) fn keep(processor: usize) {
        let mut set = CpuSet::new();
        set.set(processor);
        // Where it is refused, the thread runs where the host likes.
        let _ = sched_setaffinity(None, &set);
    }
}

#[cfg(not(target_os = "linux"))]
mod host {
    pub(super) fn allowed() -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn keep(_: usize) {}
}
