//! Faults as data: what happens to the frames of a link, and the state and random numbers of that.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::PortKind;
use crate::rng::Rng;
use crate::time::Time;

/// Shares are of a million.
const WHOLE: u64 = 1_000_000;

/// A fault: what happens to frames between two instants on some paths of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// From when; the beginning when absent.
    #[serde(default)]
    pub after: Time,
    /// Until when; for ever when absent.
    #[serde(default = "never")]
    pub before: Time,
    /// Only frames of this endpoint; of all when absent.
    #[serde(default)]
    pub from: Option<usize>,
    /// Only frames to this endpoint; to all when absent.
    #[serde(default)]
    pub to: Option<usize>,
    /// What happens to them.
    pub fault: Fault,
}

fn never() -> Time {
    Time::MAX
}

/// What a [`Rule`] does to a frame. Shares are of a million, drawn from the link's seeded stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// All are lost: a cut wire.
    Cut,
    /// This share is lost.
    Loss(u32),
    /// They are lost in bursts (Gilbert-Elliott).
    BurstLoss(Burst),
    /// All arrive this much later.
    Delay(Time),
    /// Each arrives later by up to this, without overtaking others of its path.
    Jitter(Time),
    /// A bottleneck of so many bits per second before each receiver; 512 KiB wait before it.
    Bandwidth(u64),
    /// This share arrives twice.
    Duplicate(u32),
    /// A share is held back and overtaken.
    Reorder(Reorder),
    /// A bit is changed in this share, behind the receiver's check of the frame: as a faulty switch would.
    Corrupt(u32),
    /// TCP segments are cut into pieces of at most so many bytes (`lan` only).
    Split(u32),
    /// TCP segments wait this long for what follows them in their stream, and arrive as one (`lan` only).
    Coalesce(Time),
}

/// Loss in bursts: a path is calm or in a burst, and may change with every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Burst {
    /// How often a frame begins a burst.
    pub begin: u32,
    /// How often a frame ends it.
    pub end: u32,
    /// The share that is lost in a burst; all when absent.
    #[serde(default = "all")]
    pub loss: u32,
}

fn all() -> u32 {
    WHOLE as u32
}

/// Frames that are overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reorder {
    /// How many are.
    pub share: u32,
    /// For how long they are held back.
    pub by: Time,
}

impl Fault {
    /// Why the fault cannot be, if it cannot.
    pub fn check(&self, carries: PortKind) -> Result<(), &'static str> {
        let shares = match self {
            Self::Loss(share) | Self::Duplicate(share) | Self::Corrupt(share) => [*share, 0, 0],
            Self::BurstLoss(burst) => [burst.begin, burst.end, burst.loss],
            Self::Reorder(reorder) => [reorder.share, 0, 0],
            _ => [0; 3],
        };
        if shares.iter().any(|share| u64::from(*share) > WHOLE) {
            return Err("a share is of a million: at most 1000000");
        }
        match self {
            Self::Bandwidth(0) => Err("a bandwidth of 0 carries nothing; use \"cut\""),
            Self::Split(0) => Err("TCP segments are split into pieces of at least 1 byte"),
            Self::Bandwidth(_) | Self::Split(_) | Self::Coalesce(_) if carries != PortKind::Ethernet => {
                Err("only `lan` links have a bandwidth and TCP segments")
            }
            Self::Duplicate(_) | Self::Reorder(_) if carries == PortKind::Wire => {
                Err("a wire neither repeats nor reorders")
            }
            _ => Ok(()),
        }
    }
}

/// What the rules say of a frame that is not lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How much later it arrives.
    pub delay: Time,
    /// The rule that makes it late.
    pub late: Option<usize>,
    /// Whether it may not overtake earlier ones of its path.
    pub in_order: bool,
    /// The bottleneck on its path, with its rule.
    pub bottleneck: Option<(usize, u64)>,
    /// The rule that makes it arrive twice.
    pub twice: Option<usize>,
    /// The rule that changes a bit, and which.
    pub corrupt: Option<(usize, u64)>,
}

/// A link's rules, what they remember, and their random numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rules {
    list: Vec<Rule>,
    rng: Rng,
    /// Paths in a burst, by (rule, from, to).
    bursts: BTreeMap<(usize, usize, usize), bool>,
}

impl Rules {
    /// None yet.
    pub fn new(rng: Rng) -> Self {
        Self { list: Vec::new(), rng, bursts: BTreeMap::new() }
    }

    /// Adds one.
    pub fn add(&mut self, rule: Rule) {
        self.list.push(rule);
    }

    /// Ends one at `at`, or all; they keep their numbers.
    pub fn end(&mut self, which: Option<usize>, at: Time) {
        for (index, rule) in self.list.iter_mut().enumerate() {
            if which.is_none_or(|which| which == index) {
                rule.before = rule.before.min(at);
            }
        }
    }

    /// All of them.
    pub fn list(&self) -> &[Rule] {
        &self.list
    }

    /// The rules for a frame on a path.
    pub fn holding(&self, from: usize, to: Option<usize>, at: Time) -> impl Iterator<Item = (usize, Fault)> {
        let rules = self.list.iter().enumerate().filter(move |(_, rule)| {
            (rule.after..rule.before).contains(&at)
                && rule.from.is_none_or(|endpoint| endpoint == from)
                && rule.to.is_none_or(|endpoint| Some(endpoint) == to)
        });
        rules.map(|(index, rule)| (index, rule.fault))
    }

    /// What happens to a frame of `bits` bits; an error is the rule that loses it.
    pub fn judge(&mut self, from: usize, to: usize, at: Time, bits: u64) -> Result<Verdict, usize> {
        let mut verdict = Verdict::default();
        if self.list.is_empty() {
            return Ok(verdict);
        }
        let holding: Vec<(usize, Fault)> = self.holding(from, Some(to), at).collect();
        for (index, fault) in holding {
            let mut draw = |share: u32| self.rng.below(WHOLE) < u64::from(share);
            match fault {
                Fault::Cut => return Err(index),
                Fault::Loss(share) if draw(share) => return Err(index),
                Fault::BurstLoss(burst) => {
                    let inside = self.bursts.entry((index, from, to)).or_default();
                    *inside = if *inside { !draw(burst.end) } else { draw(burst.begin) };
                    if *inside && draw(burst.loss) {
                        return Err(index);
                    }
                }
                Fault::Delay(more) => {
                    verdict.delay += more;
                    verdict.late = Some(index);
                }
                Fault::Jitter(most) => {
                    verdict.delay += Time::from_ps(self.rng.below(most.as_ps().saturating_add(1)));
                    verdict.in_order = true;
                    verdict.late = Some(index);
                }
                Fault::Bandwidth(bits) => {
                    if verdict.bottleneck.is_none_or(|(_, narrower)| bits < narrower) {
                        verdict.bottleneck = Some((index, bits.max(1)));
                    }
                }
                Fault::Duplicate(share) if draw(share) => verdict.twice = Some(index),
                Fault::Reorder(reorder) if draw(reorder.share) => {
                    verdict.delay += reorder.by;
                    verdict.in_order = false;
                    verdict.late = Some(index);
                }
                Fault::Corrupt(share) if draw(share) => {
                    verdict.corrupt = Some((index, self.rng.below(bits)));
                }
                Fault::Loss(_)
                | Fault::Duplicate(_)
                | Fault::Reorder(_)
                | Fault::Corrupt(_)
                | Fault::Split(_)
                | Fault::Coalesce(_) => {}
            }
        }
        Ok(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(fault: Fault) -> Rules {
        let mut rules = Rules::new(Rng::new(1, "rules"));
        rules.add(Rule { after: Time::ZERO, before: Time::MAX, from: None, to: None, fault });
        rules
    }

    #[test]
    fn bursts_have_their_length_and_share() {
        // A burst begins with one frame in 100 and ends with one in 5: 1/21 of all are lost, about 5 in a row.
        let mut rules = rules(Fault::BurstLoss(Burst { begin: 10_000, end: 200_000, loss: 1_000_000 }));
        let lost: Vec<bool> = (0..100_000).map(|i| rules.judge(0, 1, Time::from_us(i), 8).is_err()).collect();
        let count = lost.iter().filter(|lost| **lost).count();
        let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!((4_200..5_400).contains(&count), "{count}");
        let mean = count as f64 / runs as f64;
        assert!((4.5..5.5).contains(&mean), "{mean}");
        // Another path is in its own state.
        assert!(rules.bursts.len() == 1 && rules.judge(1, 0, Time::ZERO, 8).is_ok());
    }

    #[test]
    fn shares_are_kept_and_draws_stay_within_bounds() {
        let mut rules = rules(Fault::Jitter(Time::from_us(10)));
        let all: Vec<Time> = (0..1_000).map(|_| rules.judge(0, 1, Time::ZERO, 8).unwrap().delay).collect();
        assert!(all.iter().all(|delay| *delay <= Time::from_us(10)));
        assert!(
            all.iter().any(|delay| *delay > Time::from_us(9)) && all.iter().any(|d| *d < Time::from_us(1))
        );
    }

    #[test]
    fn impossible_faults_are_named() {
        assert!(Fault::Duplicate(1).check(PortKind::Wire).is_err());
        assert!(Fault::Loss(1_000_001).check(PortKind::Radio).is_err());
        assert!(Fault::Bandwidth(0).check(PortKind::Ethernet).is_err());
        assert!(Fault::Split(9).check(PortKind::Radio).is_err());
        assert_eq!(Fault::Split(9).check(PortKind::Ethernet), Ok(()));
    }

    #[test]
    fn rules_are_read_as_documented() {
        for (text, fault) in [
            (r#""cut""#, Fault::Cut),
            (r#"{"burst-loss": {"begin": 1, "end": 2}}"#, {
                Fault::BurstLoss(Burst { begin: 1, end: 2, loss: 1_000_000 })
            }),
            (r#"{"jitter": "2ms"}"#, Fault::Jitter(Time::from_ms(2))),
            (r#"{"bandwidth": 64000}"#, Fault::Bandwidth(64_000)),
            (r#"{"reorder": {"share": 5, "by": "1ms"}}"#, {
                Fault::Reorder(Reorder { share: 5, by: Time::from_ms(1) })
            }),
            (r#"{"split": 7}"#, Fault::Split(7)),
            (r#"{"coalesce": "5ms"}"#, Fault::Coalesce(Time::from_ms(5))),
        ] {
            assert_eq!(serde_json::from_str::<Fault>(text).unwrap(), fault, "{text}");
        }
    }
}
