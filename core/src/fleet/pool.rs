//! Host threads that run the devices of a window.
//!
//! Which thread runs which device is left to chance; results cannot depend on it, because a device's run
//! touches nothing but the device. Windows are short (microseconds), so threads spin for the next one
//! before they sleep. Each thread begins with its own part of the devices, the same in each window as far as
//! they are the same, because a device's state is still in that processor's cache; then it helps the others.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam::sync::{Parker, Unparker};
use crossbeam::utils::CachePadded;

use crate::device::Device;
use crate::time::Time;

use super::lock;
use super::processor::Processors;
use super::said::Said;

/// Rounds of spinning before a thread gives up its core, and before it sleeps.
const SPINS_BEFORE_YIELD: u32 = 2_000;
const YIELDS_BEFORE_SLEEP: u32 = 50;

pub(super) struct Pool<'a> {
    slots: &'a [Mutex<Box<dyn Device>>],
    threads: usize,
    /// The device indices of the window.
    active: Vec<AtomicU32>,
    /// How many there are.
    positions: AtomicUsize,
    end: AtomicU64,
    /// The window's number.
    window: CachePadded<AtomicU64>,
    /// For each thread's part: half of the window's number in the upper half, how many of the part's positions
    /// are unclaimed in the lower: one word, so that a thread late from the last window cannot claim in the next.
    claims: Vec<CachePadded<AtomicU64>>,
    left: CachePadded<AtomicUsize>,
    /// When the device at each position next has something to do, in picoseconds.
    next: Vec<AtomicU64>,
    /// What the devices had to say.
    said: Mutex<Said>,
    over: AtomicBool,
    failed: AtomicBool,
    sleepers: Vec<(AtomicBool, Unparker)>,
    parkers: Mutex<Vec<Parker>>,
}

/// The lower half of a claim.
const UNCLAIMED: u64 = 0xFFFF_FFFF;

impl<'a> Pool<'a> {
    pub(super) fn new(slots: &'a [Mutex<Box<dyn Device>>], threads: usize) -> Self {
        let parkers: Vec<Parker> = (1..threads).map(|_| Parker::new()).collect();
        Self {
            slots,
            threads,
            active: slots.iter().map(|_| AtomicU32::new(0)).collect(),
            positions: AtomicUsize::new(0),
            end: AtomicU64::new(0),
            window: CachePadded::new(AtomicU64::new(0)),
            claims: (0..threads).map(|_| CachePadded::new(AtomicU64::new(0))).collect(),
            left: CachePadded::new(AtomicUsize::new(0)),
            next: slots.iter().map(|_| AtomicU64::new(0)).collect(),
            said: Mutex::default(),
            over: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            sleepers: parkers.iter().map(|p| (AtomicBool::new(false), p.unparker().clone())).collect(),
            parkers: Mutex::new(parkers),
        }
    }

    pub(super) fn slots(&self) -> &'a [Mutex<Box<dyn Device>>] {
        self.slots
    }

    /// Runs `body` with the pool's threads at work beside it.
    pub(super) fn scope<R>(&self, body: impl FnOnce(&Self) -> R) -> R {
        struct Over<'p, 'a>(&'p Pool<'a>);
        impl Drop for Over<'_, '_> {
            fn drop(&mut self) {
                self.0.over.store(true, Ordering::SeqCst);
                self.0.wake_sleepers();
            }
        }
        let processors = Processors::of_host(self.threads);
        thread::scope(|scope| {
            let parkers = std::mem::take(&mut *self.parkers.lock().unwrap_or_else(PoisonError::into_inner));
            for (index, parker) in parkers.into_iter().enumerate() {
                let processors = &processors;
                scope.spawn(move || {
                    processors.keep(index + 1);
                    self.work(index + 1, &parker);
                });
            }
            debug_assert_eq!(self.sleepers.len() + 1, self.threads);
            let _over = Over(self);
            body(self)
        })
    }

    /// Runs the devices at `active` to `end`, on all threads: notes when they next have something to do, and what they
    /// had to say.
    pub(super) fn run(&self, active: &[usize], end: Time, next: &mut [Time], said: &mut Said) {
        for (slot, &index) in self.active.iter().zip(active) {
            slot.store(index as u32, Ordering::Relaxed);
        }
        self.positions.store(active.len(), Ordering::Relaxed);
        self.end.store(end.as_ps(), Ordering::Relaxed);
        self.left.store(active.len(), Ordering::Relaxed);
        let window = self.window.load(Ordering::Relaxed) + 1;
        for (thread, claim) in self.claims.iter().enumerate() {
            let part = self.part(thread, active.len());
            claim.store(window << 32 | part.len() as u64, Ordering::Release);
        }
        self.window.store(window, Ordering::SeqCst);
        self.wake_sleepers();
        self.claim_and_run(0, window, active.len(), said);
        let mut spins = 0u32;
        while self.left.load(Ordering::Acquire) > 0 {
            assert!(!self.failed.load(Ordering::Relaxed), "a device's thread failed; see its message above");
            wait(&mut spins);
        }
        for (slot, &index) in self.next.iter().zip(active) {
            next[index] = Time::from_ps(slot.load(Ordering::Relaxed));
        }
        said.append(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A thread's own part of the positions.
    fn part(&self, thread: usize, positions: usize) -> Range<usize> {
        positions * thread / self.threads..positions * (thread + 1) / self.threads
    }

    /// Runs what this thread can claim.
    fn claim_and_run(&self, me: usize, window: u64, positions: usize, said: &mut Said) {
        let mut done = 0;
        for thread in (me..self.threads).chain(0..me) {
            let first = self.part(thread, positions).start;
            while let Some(position) = self.claim(thread, window) {
                self.run_position(first + position, said);
                done += 1;
            }
        }
        if me > 0 && !said.is_empty() {
            self.said.lock().unwrap_or_else(PoisonError::into_inner).append(said);
        }
        if done > 0 {
            self.left.fetch_sub(done, Ordering::Release);
        }
    }

    /// Claims a position of a part, counted from the part's first.
    fn claim(&self, thread: usize, window: u64) -> Option<usize> {
        let claim = &self.claims[thread];
        let mut seen = claim.load(Ordering::Acquire);
        loop {
            let unclaimed = (seen & UNCLAIMED) as usize;
            if seen >> 32 != window & UNCLAIMED || unclaimed == 0 {
                return None;
            }
            match claim.compare_exchange_weak(seen, seen - 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(unclaimed - 1),
                Err(now) => seen = now,
            }
        }
    }

    fn run_position(&self, position: usize, said: &mut Said) {
        let index = self.active[position].load(Ordering::Relaxed) as usize;
        let end = Time::from_ps(self.end.load(Ordering::Relaxed));
        let next = said.run(index, lock(&self.slots[index]).as_mut(), end);
        self.next[position].store(next.as_ps(), Ordering::Relaxed);
    }

    fn work(&self, me: usize, parker: &Parker) {
        struct Failed<'p>(&'p AtomicBool);
        impl Drop for Failed<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    self.0.store(true, Ordering::Relaxed);
                }
            }
        }
        let _failed = Failed(&self.failed);
        let mut said = Said::default();
        let mut seen = 0;
        let mut spins = 0u32;
        while !self.over.load(Ordering::Acquire) {
            let window = self.window.load(Ordering::Acquire);
            if window != seen {
                seen = window;
                spins = 0;
                self.claim_and_run(me, window, self.positions.load(Ordering::Relaxed), &mut said);
            } else if wait(&mut spins) {
                let (asleep, _) = &self.sleepers[me - 1];
                asleep.store(true, Ordering::SeqCst);
                let idle = self.window.load(Ordering::SeqCst) == seen && !self.over.load(Ordering::SeqCst);
                if idle {
                    parker.park();
                }
                asleep.store(false, Ordering::SeqCst);
                spins = 0;
            }
        }
    }

    fn wake_sleepers(&self) {
        for (asleep, unparker) in &self.sleepers {
            if asleep.load(Ordering::SeqCst) {
                unparker.unpark();
            }
        }
    }
}

/// Waits a little, longer each time; true when it has waited long enough to sleep.
fn wait(spins: &mut u32) -> bool {
    *spins += 1;
    if *spins < SPINS_BEFORE_YIELD {
        std::hint::spin_loop();
        false
    } else {
        thread::yield_now();
        *spins > SPINS_BEFORE_YIELD + YIELDS_BEFORE_SLEEP
    }
}
