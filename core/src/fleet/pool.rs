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

use crate::device::{Device, Ran};
use crate::time::Time;

use super::lock;

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
    /// The outcome of each position, where it is not [`Ran::Reached`].
    halts: Mutex<Vec<(usize, Ran)>>,
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
            halts: Mutex::new(Vec::new()),
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
        thread::scope(|scope| {
            let parkers = std::mem::take(&mut *self.parkers.lock().unwrap_or_else(PoisonError::into_inner));
            for (index, parker) in parkers.into_iter().enumerate() {
                scope.spawn(move || self.work(index + 1, &parker));
            }
            debug_assert_eq!(self.sleepers.len() + 1, self.threads);
            let _over = Over(self);
            body(self)
        })
    }

    /// Runs the devices at `active` to `end`, on all threads, and gives their outcomes in that order.
    pub(super) fn run(&self, active: &[usize], end: Time) -> Vec<Ran> {
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
        self.claim_and_run(0, window, active.len());
        let mut spins = 0u32;
        while self.left.load(Ordering::Acquire) > 0 {
            assert!(!self.failed.load(Ordering::Relaxed), "a device's thread failed; see its message above");
            wait(&mut spins);
        }
        let mut outcomes = vec![Ran::Reached; active.len()];
        for (position, ran) in self.halts.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            outcomes[position] = ran;
        }
        outcomes
    }

    /// A thread's own part of the positions.
    fn part(&self, thread: usize, positions: usize) -> Range<usize> {
        positions * thread / self.threads..positions * (thread + 1) / self.threads
    }

    fn claim_and_run(&self, me: usize, window: u64, positions: usize) {
        for thread in (me..self.threads).chain(0..me) {
            let first = self.part(thread, positions).start;
            while let Some(position) = self.claim(thread, window) {
                self.run_position(first + position);
            }
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

    fn run_position(&self, position: usize) {
        let index = self.active[position].load(Ordering::Relaxed) as usize;
        let end = Time::from_ps(self.end.load(Ordering::Relaxed));
        let ran = lock(&self.slots[index]).run_until(end);
        if ran != Ran::Reached {
            self.halts.lock().unwrap_or_else(PoisonError::into_inner).push((position, ran));
        }
        self.left.fetch_sub(1, Ordering::Release);
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
        let mut seen = 0;
        let mut spins = 0u32;
        while !self.over.load(Ordering::Acquire) {
            let window = self.window.load(Ordering::Acquire);
            if window != seen {
                seen = window;
                spins = 0;
                self.claim_and_run(me, window, self.positions.load(Ordering::Relaxed));
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
