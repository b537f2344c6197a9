//! Figures and the clocks they are taken with.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Odd, so that the median is a measurement.
pub const ROUNDS: usize = 5;

/// A figure: the median of the rounds, with the lowest and highest.
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    /// In the order in which they were taken.
    pub rounds: Vec<f64>,
    /// Consort's figure over QEMU's or another way's, where both measure the same work.
    pub ratio: Option<f64>,
    /// What the figure should be, where there is a goal.
    pub goal: Option<Goal>,
}

/// What a figure or its ratio should be.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At least this ratio.
    Ratio(f64),
    /// At most this ratio.
    AtMost(f64),
    /// At least this value.
    AtLeast(f64),
    /// Less than this value.
    Below(f64),
}

impl Figure {
    pub fn new(name: impl Into<String>, unit: &'static str, rounds: Vec<f64>) -> Self {
        Self { name: name.into(), unit, rounds, ratio: None, goal: None }
    }

    pub fn value(&self) -> f64 {
        median(self.rounds.clone())
    }

    /// The lowest and the highest.
    pub fn range(&self) -> (f64, f64) {
        let rounds = self.rounds.iter().copied();
        (rounds.clone().fold(f64::INFINITY, f64::min), rounds.fold(f64::NEG_INFINITY, f64::max))
    }

    /// This figure over another, taken round by round: what the machine does besides meets both of a round alike.
    pub fn over(&self, other: &Self) -> f64 {
        median(self.rounds.iter().zip(&other.rounds).map(|(this, other)| this / other).collect())
    }

    pub fn ratio(self, ratio: f64) -> Self {
        Self { ratio: Some(ratio), ..self }
    }

    pub fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// Whether the goal is met; none without a goal.
    pub fn is_met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::Ratio(least) => self.ratio? >= least,
            Goal::AtMost(most) => self.ratio? <= most,
            Goal::AtLeast(least) => self.value() >= least,
            Goal::Below(bound) => self.value() < bound,
        })
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// By the clock on the wall.
pub fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// How long this thread has been on a processor; other load on the machine does not count.
pub fn on_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// How long work on this thread keeps a processor busy.
pub fn on_processor(work: impl FnOnce()) -> Duration {
    let before = on_cpu();
    work();
    on_cpu().saturating_sub(before)
}

/// Resident bytes of this process.
pub fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    let kib: f64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    kib * 1024.0
}
