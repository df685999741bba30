//! The steps in words: what is done to which shard, why, and what it leaves.

use std::fmt::Write as _;

use serde::Serialize;

use super::layout::{count, percent};
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Explanation, HandOver, Plan, Step, StepReason};
use crate::quota::Dimension;
use crate::stream::{Shard, ShardId};

/// A step as people read it; `plan.steps` has it with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// Its place in the plan, from 1.
    pub number: usize,
    /// "Split", "Merge", "UpdateShardCount" or "EnableShardMetrics".
    pub kind: &'static str,
    /// What is done.
    pub action: String,
    /// Why.
    pub reason: String,
    /// What it leaves; empty where no load changes.
    pub effect: String,
}

/// Words for each step of `plan`; `shards` are the owners of `plan.before`, `targets` tell which
/// dimension matters where the reason names none. Where the stream grows, loads lie so many thousandths above what
/// was measured.
pub(super) fn explain(
    plan: &Plan,
    shards: &[Option<ShardId>],
    targets: Loads,
    rise_per_mille: u64,
) -> Vec<StepReport> {
    let mut names = Names::new(plan, shards);
    let explanations = plan.explanations.iter().map(Some).chain(std::iter::repeat(None));
    plan.steps()
        .iter()
        .zip(explanations)
        .enumerate()
        .map(|(index, (step, explanation))| {
            let number = index + 1;
            let action = action(step, &names);
            names.learn(step, number);
            let (reason, effect) =
                explanation.map(|said| words(said, targets, &names, rise_per_mille)).unwrap_or_default();
            StepReport { number, kind: step.kind(), action, reason, effect }
        })
        .collect()
}

/// What `step` does to the shards of a listing, in words.
pub fn action_on(step: &Step, listing: &[Shard]) -> String {
    let names = listing.iter().map(|shard| (shard.range, named(&shard.id)));
    action(step, &Names(names.collect()))
}

/// What people call the shards of the ranges that a plan goes through. Those that a step makes
/// have no ID yet.
struct Names(Vec<(HashKeyRange, String)>);

impl Names {
    fn new(plan: &Plan, shards: &[Option<ShardId>]) -> Names {
        let open = plan.before.iter().zip(shards);
        Names(open.filter_map(|(load, id)| Some((load.range, named(id.as_ref()?)))).collect())
    }

    fn learn(&mut self, step: &Step, number: usize) {
        match step {
            Step::Split { range, at } => {
                if let Ok((low, high)) = range.split(*at) {
                    self.0.push((low, format!("the lower shard of step {number}")));
                    self.0.push((high, format!("the upper shard of step {number}")));
                }
            }
            Step::Merge { low, high } => {
                self.0.extend(low.merge(*high).map(|range| (range, format!("the shard of step {number}"))));
            }
            // No step follows that could name one of its shards.
            Step::UpdateShardCount { .. } | Step::EnableShardMetrics { .. } => {}
        }
    }

    /// The latest name: a range that was merged anew is no longer the shard it once was.
    fn of(&self, range: HashKeyRange) -> String {
        let known = self.0.iter().rev().find(|(of, _)| *of == range);
        known.map_or_else(|| format!("the shard of {}", range.place()), |(_, name)| name.clone())
    }
}

fn named(shard: &ShardId) -> String {
    format!("shard {}", shard.short())
}

fn action(step: &Step, names: &Names) -> String {
    match step {
        Step::Split { range, at } => {
            format!("split {} at {} of the hash keys", names.of(*range), range.place_of(*at))
        }
        Step::Merge { low, high } => format!("merge {} and {}", names.of(*low), names.of(*high)),
        Step::UpdateShardCount { .. } | Step::EnableShardMetrics { .. } => step.to_string(),
    }
}

fn words(explanation: &Explanation, targets: Loads, names: &Names, rise_per_mille: u64) -> (String, String) {
    let Explanation { reason, before, after } = explanation;
    let rising = match rise_per_mille {
        0 => String::new(),
        rise => format!(" (it rises: loads are {})", raised(rise)),
    };
    // What an earlier step has left of the heat that is the reason.
    let left = |dimension: Dimension, load: Load| {
        let [shard] = before.as_slice() else { return None };
        let slot = Dimension::SPLITTABLE.iter().position(|of| *of == dimension)?;
        let left = shard.loads.as_array()[slot];
        (left < load).then(|| format!("still {} at {}", dimension.label(), percent(left)))
    };
    let made: Loads = after.iter().fold(Loads::default(), |most, shard| most.max(shard.loads));
    let (why, dimension) = match reason {
        StepReason::Rejecting { dimension, load } => {
            let whole = || format!("rejects writes, {} at {}{rising}", dimension.label(), percent(*load));
            (left(*dimension, *load).unwrap_or_else(whole), *dimension)
        }
        StepReason::AboveTarget { dimension, load, target, hand_over } => {
            let whole =
                || format!("{} {} > target {}{rising}", dimension.label(), percent(*load), percent(*target));
            let mut why = left(*dimension, *load).unwrap_or_else(whole);
            if let Some(HandOver { to, dimension, load }) = hand_over {
                let (taker, dimension) = (names.of(*to), dimension.label());
                write!(
                    why,
                    "; {taker} can take the part beside it, once that is measured: together \
                     {dimension} {}",
                    percent(*load)
                )
                .expect("a string takes all");
            }
            (why, *dimension)
        }
        StepReason::Cold { dimension, load, limit } => (
            format!("cold: together {} peak at {} ≤ {}", dimension.label(), percent(*load), percent(*limit)),
            *dimension,
        ),
        StepReason::MovesBoundary => (
            "moves a boundary: a split and a merge that save a shard elsewhere".to_owned(),
            made.binding(targets).0,
        ),
        StepReason::SplitsTooSlow { splits, splits_left, serial_seconds, update_seconds } => {
            let left = match splits_left {
                0 => String::new(),
                left => format!(" and leaves {}", count(*left as usize, "split")),
            };
            (
                format!(
                    "heat: {} one after another would take {}, one call takes {}{left}",
                    count(*splits as usize, "split"),
                    minutes(*serial_seconds),
                    minutes(*update_seconds)
                ),
                made.binding(targets).0,
            )
        }
        StepReason::Foreseen {
            minutes: within,
            expected_per_mille,
            course,
            saved_shard_seconds,
            calls_made,
        } => (
            format!(
                "ahead: within {} up to {} of the load of now is expected, by {}; equal ranges save {:.1} \
                 shard-hours over the next day; {} made in the last 24 h",
                minutes(u64::from(*within) * 60),
                percent(Load(expected_per_mille * 1_000)),
                course,
                *saved_shard_seconds as f64 / 3_600.0,
                count(*calls_made as usize, "call")
            ),
            made.binding(targets).0,
        ),
        StepReason::BelowMinShards { min_shards } => {
            (format!("fewer shards than minShards ({min_shards})"), made.binding(targets).0)
        }
        StepReason::AboveMaxShards { max_shards } => {
            (format!("more shards than maxShards ({max_shards})"), made.binding(targets).0)
        }
        StepReason::ShardMetricsOff => {
            return ("decisions need the load of each shard".to_owned(), String::new());
        }
    };
    (why, effect(explanation, dimension))
}

/// What loads are of a stream that grows.
pub(super) fn raised(rise_per_mille: u64) -> String {
    format!(
        "up to {} above what was measured: what they will be in two minutes",
        percent(Load(rise_per_mille * 1_000))
    )
}

/// A time in minutes, in seconds where it is short.
fn minutes(seconds: u64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}

fn effect(explanation: &Explanation, dimension: Dimension) -> String {
    let Some(slot) = Dimension::SPLITTABLE.iter().position(|of| *of == dimension) else {
        return String::new();
    };
    let after = &explanation.after;
    let worst = after.iter().map(|shard| shard.evidence).max().unwrap_or(Evidence::Unknown);
    if worst == Evidence::Unknown {
        return "load not known".to_owned();
    }
    let loads: Vec<Load> = after.iter().map(|shard| shard.loads.as_array()[slot]).collect();
    let shown: Vec<String> = loads.iter().map(|load| percent(*load)).collect();
    let text = match (shown.as_slice(), loads.iter().min(), loads.iter().max()) {
        ([low, high], ..) if low == high => format!("2 × {low}"),
        ([_, _, _, ..], Some(least), Some(most)) => {
            format!("{} × {} to {}", loads.len(), percent(*least), percent(*most))
        }
        (shown, ..) => shown.join(" + "),
    };
    match worst {
        Evidence::Estimated => format!("{text} (estimated)"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures;
    use crate::plan::Course;

    #[test]
    fn shards_that_do_not_exist_yet_are_named_by_the_step_that_makes_them() {
        let mut sample = fixtures::with_loads(&[2_000_000, 100_000, 100_000]);
        fixtures::split(&mut sample, 0);
        fixtures::split(&mut sample, 1);
        fixtures::merge(&mut sample, 3);
        fixtures::merge(&mut sample, 2);
        let shards: Vec<_> = sample.snapshot.shards.iter().map(|shard| Some(shard.id.clone())).collect();
        let said = explain(&sample.plan, &shards, sample.policy.targets.limits, 0);
        let actions: Vec<_> = said.iter().map(|step| step.action.as_str()).collect();
        assert!(actions[0].starts_with("split shard 0 at "), "{}", actions[0]);
        assert!(actions[0].ends_with("at 16.67 % of the hash keys"), "{}", actions[0]);
        assert!(actions[1].starts_with("split the upper shard of step 1 at "), "{}", actions[1]);
        assert_eq!(actions[2], "merge shard 1 and shard 2");
        assert_eq!(actions[3], "merge the upper shard of step 2 and the shard of step 3");
    }

    #[test]
    fn equal_children_are_counted_and_estimates_are_called_so() {
        let sample = fixtures::one_hot_shard();
        let (reason, effect) =
            words(&sample.plan.explanations[0], sample.policy.targets.limits, &Names(Vec::new()), 0);
        assert_eq!(reason, "ingest bytes 143.0 % > target 70.0 %");
        assert_eq!(effect, "2 × 71.5 % (estimated)");
    }

    #[test]
    fn a_load_that_rises_is_not_told_as_if_it_were_measured() {
        let sample = fixtures::one_hot_shard();
        let (reason, _) =
            words(&sample.plan.explanations[0], sample.policy.targets.limits, &Names(Vec::new()), 194);
        assert_eq!(
            reason,
            "ingest bytes 143.0 % > target 70.0 % (it rises: loads are up to 19.4 % above what was measured: what they will be in two minutes)"
        );
    }

    #[test]
    fn a_later_cut_of_the_same_heat_says_what_the_earlier_ones_left() {
        let sample = fixtures::one_hot_shard();
        let mut second = sample.plan.explanations[0].clone();
        second.before[0].loads.ingest_bytes = Load::from_percent(90);
        let (reason, _) = words(&second, sample.policy.targets.limits, &Names(Vec::new()), 0);
        assert_eq!(reason, "still ingest bytes at 90.0 %");
    }

    #[test]
    fn a_hand_over_names_the_neighbour_and_foresight_what_is_expected() {
        let sample = fixtures::one_hot_shard();
        let shards: Vec<_> = sample.snapshot.shards.iter().map(|shard| Some(shard.id.clone())).collect();
        let names = Names::new(&sample.plan, &shards);
        let said = |reason: StepReason| {
            let explanation = Explanation { reason, ..sample.plan.explanations[0].clone() };
            words(&explanation, sample.policy.targets.limits, &names, 0).0
        };
        let dimension = Dimension::IngestBytes;
        let to = sample.plan.before[1].range;
        let hand_over = Some(HandOver { to, dimension, load: Load::from_percent(60) });
        let (load, target) = (Load::from_percent(143), Load::from_percent(70));
        assert_eq!(
            said(StepReason::AboveTarget { dimension, load, target, hand_over }),
            "ingest bytes 143.0 % > target 70.0 %; shard 1 can take the part beside it, once that is measured: \
             together ingest bytes 60.0 %"
        );
        assert_eq!(
            said(StepReason::Foreseen {
                minutes: 120,
                expected_per_mille: 1_500,
                course: Course::LastWeek,
                saved_shard_seconds: 9_000,
                calls_made: 2
            }),
            "ahead: within 120 min up to 150.0 % of the load of now is expected, by the course of a week ago; equal ranges \
             save 2.5 shard-hours over the next day; 2 calls made in the last 24 h"
        );
    }
}
