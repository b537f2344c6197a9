//! What one device did when, in buckets of virtual time: enough for the timeline, bounded for ever.

use std::collections::VecDeque;

use consort_core::Time;

/// One bucket.
pub const BUCKET: Time = Time::from_ms(1);
/// How many are kept: the last minute.
const KEPT: u64 = 60_000;

/// What happened in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// How long the processor ran.
    pub busy: Time,
    /// Exceptions taken.
    pub interrupts: u32,
    /// Packets sent or received.
    pub packets: u32,
    /// Times bytes left a UART.
    pub uart: u32,
}

impl Bucket {
    fn add(&mut self, other: &Self) {
        self.busy += other.busy;
        self.interrupts += other.interrupts;
        self.packets += other.packets;
        self.uart += other.uart;
    }
}

/// A device's life.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// The number of the first bucket.
    first: u64,
    buckets: VecDeque<Bucket>,
    /// Since when it runs, as far as its running is not in the buckets yet.
    awake: Option<Time>,
}

impl Lane {
    /// A life of which nothing is known before `now`.
    pub fn from(now: Time) -> Self {
        Self { first: number(now), buckets: VecDeque::new(), awake: None }
    }

    fn bucket(&mut self, number: u64) -> Option<&mut Bucket> {
        if number >= self.first + KEPT {
            let drop = number + 1 - KEPT - self.first;
            self.buckets.drain(..self.buckets.len().min(usize::try_from(drop).unwrap_or(usize::MAX)));
            self.first += drop;
        }
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        if index >= self.buckets.len() {
            self.buckets.resize(index + 1, Bucket::default());
        }
        self.buckets.get_mut(index)
    }

    fn at(&mut self, at: Time, change: impl FnOnce(&mut Bucket)) {
        self.bucket(number(at)).map(change);
    }

    fn fill(&mut self, begin: Time, end: Time) {
        // A sleeper wakes late and often; nothing older than what is kept needs filling.
        let oldest = number(end).saturating_sub(KEPT);
        let mut from = begin.max(Time::from_ps(oldest * BUCKET.as_ps()));
        while from < end {
            let next = Time::from_ps((number(from) + 1).saturating_mul(BUCKET.as_ps())).min(end);
            self.at(from, |bucket| bucket.busy += next - from);
            from = next;
        }
    }

    /// It went to sleep.
    pub fn sleep(&mut self, at: Time) {
        if let Some(awake) = self.awake.take() {
            self.fill(awake, at);
        }
    }

    /// It woke up.
    pub fn wake(&mut self, at: Time) {
        self.awake.get_or_insert(at);
    }

    /// The fleet is at `now`, and the device runs or not.
    pub fn reach(&mut self, now: Time, running: bool) {
        if let Some(awake) = self.awake.take() {
            self.fill(awake, now);
        }
        self.awake = running.then_some(now);
    }

    /// It took an exception.
    pub fn interrupt(&mut self, at: Time) {
        self.at(at, |bucket| bucket.interrupts += 1);
    }

    /// A packet left or arrived.
    pub fn packet(&mut self, at: Time) {
        self.at(at, |bucket| bucket.packets += 1);
    }

    /// Bytes left its UART.
    pub fn uart(&mut self, at: Time) {
        self.at(at, |bucket| bucket.uart += 1);
    }

    /// All that happened from `begin` up to `end`, rounded to whole buckets.
    pub fn sum(&self, begin: Time, end: Time) -> Bucket {
        let index = |at: Time| {
            let index = number(at).saturating_sub(self.first);
            usize::try_from(index).unwrap_or(usize::MAX).min(self.buckets.len())
        };
        let mut sum = Bucket::default();
        self.buckets.range(index(begin)..index(end).max(index(begin))).for_each(|bucket| sum.add(bucket));
        sum
    }
}

fn number(at: Time) -> u64 {
    at.as_ps() / BUCKET.as_ps()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u64) -> Time {
        Time::from_us(us)
    }

    #[test]
    fn running_fills_the_buckets_it_touches() {
        let mut lane = Lane::from(Time::ZERO);
        lane.wake(us(500));
        lane.sleep(us(2_250));
        lane.wake(us(3_000));
        lane.reach(us(3_100), false);
        let busy = |ms| lane.sum(Time::from_ms(ms), Time::from_ms(ms + 1)).busy;
        assert_eq!([busy(0), busy(1), busy(2), busy(3)], [us(500), us(1_000), us(250), us(100)]);
        assert_eq!(lane.sum(Time::ZERO, Time::MAX).busy, us(1_850));
    }

    #[test]
    fn a_long_life_is_forgotten_from_its_beginning() {
        let mut lane = Lane::from(Time::ZERO);
        lane.interrupt(us(1));
        lane.wake(us(1));
        lane.interrupt(Time::from_secs(400));
        lane.sleep(Time::from_secs(400) + us(1_000));
        assert!(lane.buckets.len() <= KEPT as usize + 1);
        let all = lane.sum(Time::ZERO, Time::MAX);
        assert_eq!(all.interrupts, 1);
        assert!(all.busy <= Time::from_secs(61) && all.busy >= Time::from_secs(59), "{}", all.busy);
    }
}
