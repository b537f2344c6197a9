//! A quantity of the world that changes with time: lines between points, as fleet files give them.

use consort_core::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Points `[time, value]` in order of time; between them the value follows a straight line, before the first
/// and after the last it stays: `[["0s", 72], ["30s", 120]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Points(Vec<(Time, f64)>);

/// A curve in whole units, with its integral.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Curve {
    points: Vec<(Time, i64)>,
    /// The integral up to the first point, in units times picoseconds.
    area: i128,
}

impl Curve {
    /// The value `value` for ever.
    pub fn flat(value: i64) -> Self {
        Self { points: vec![(Time::ZERO, value)], area: 0 }
    }

    /// The points' curve, in units of `1 / scale`, or `value` for ever when there are none.
    pub fn new(points: &Points, scale: f64, value: i64) -> Self {
        let units = |value: f64| (value * scale).round().clamp(-1e9, 1e9) as i64;
        let mut points: Vec<(Time, i64)> = points.0.iter().map(|(at, value)| (*at, units(*value))).collect();
        points.sort_by_key(|(at, _)| *at);
        match points.first().copied() {
            None => Self::flat(value),
            Some((at, first)) => {
                if at > Time::ZERO {
                    points.insert(0, (Time::ZERO, first));
                }
                Self { points, area: 0 }
            }
        }
    }

    /// From now on the value is `value`, and no longer what the points said.
    pub fn set(&mut self, value: i64, now: Time) {
        *self = Self { area: self.area(now), points: vec![(now, value)] };
    }

    /// The last point at or before `now` and the one after it.
    fn around(&self, now: Time) -> (usize, Option<(Time, i64)>) {
        let after = self.points.partition_point(|(at, _)| *at <= now);
        (after.saturating_sub(1), self.points.get(after).copied())
    }

    /// The value at `now`.
    pub fn at(&self, now: Time) -> i64 {
        let (before, after) = self.around(now);
        let Some((from, value)) = self.points.get(before).copied() else { return 0 };
        let Some((to, next)) = after else { return value };
        let (span, gone) = (to.since(from).as_ps().max(1), now.since(from).as_ps());
        value + (i128::from(next - value) * i128::from(gone) / i128::from(span)) as i64
    }

    /// The integral from the beginning of time to `now`, in units times picoseconds: phases come from it.
    pub fn area(&self, now: Time) -> i128 {
        let (before, _) = self.around(now);
        let mut area = self.area;
        for pair in self.points.get(..=before).unwrap_or(&[]).windows(2) {
            let ([(from, a), (to, b)] | [(from, a), (to, b), ..]) = pair else { continue };
            area += i128::from(a + b) * i128::from(to.since(*from).as_ps()) / 2;
        }
        let Some((from, value)) = self.points.get(before).copied() else { return area };
        area + i128::from(value + self.at(now)) * i128::from(now.since(from).as_ps()) / 2
    }

    /// Until when the value stays what it is at `now`.
    pub fn steady_until(&self, now: Time) -> Time {
        let (before, _) = self.around(now);
        let rest = self.points.get(before..).unwrap_or(&[]);
        let Some((_, value)) = rest.first() else { return Time::MAX };
        let change = rest.iter().position(|(_, other)| other != value);
        let last = change.and_then(|index| rest.get(index.saturating_sub(1)));
        last.map_or(Time::MAX, |(at, _)| (*at).max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> Curve {
        Curve::new(&serde_json::from_str(r#"[["10s", 60], ["20s", 120], ["30s", 120]]"#).unwrap(), 10.0, 0)
    }

    #[test]
    fn lines_between_points() {
        let curve = curve();
        let values = [0, 10, 15, 20, 25, 99].map(|at| curve.at(Time::from_secs(at)));
        assert_eq!(values, [600, 600, 900, 1_200, 1_200, 1_200]);
        let steady = [0, 10, 15, 20, 99].map(|at| curve.steady_until(Time::from_secs(at)));
        let s = Time::from_secs;
        assert_eq!(steady, [s(10), s(10), s(15), Time::MAX, Time::MAX]);
    }

    #[test]
    fn the_integral_goes_on_when_the_value_is_set() {
        let mut curve = curve();
        let second = Time::from_secs(1).as_ps() as i128;
        assert_eq!(curve.area(Time::from_secs(20)), (6_000 + 9_000) * second);
        curve.set(0, Time::from_secs(15));
        assert_eq!(curve.area(Time::from_secs(99)), (6_000 + 3_750) * second);
        assert_eq!(curve.at(Time::from_secs(15)), 0);
    }
}
