//! Steps: each knows its text, what must hold before it, when it is complete and what it leaves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash_key::{HashKey, HashKeyError, HashKeyRange};
use crate::snapshot::ShardMetric;
use crate::stream::{OpenShards, ShardId};

/// One call to AWS. Shards are named by their ranges: IDs of shards that do not exist yet are
/// unknown, ranges are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Step {
    /// One shard becomes two.
    Split {
        /// The range of the shard.
        range: HashKeyRange,
        /// The first key of the upper child.
        at: HashKey,
    },
    /// Two adjacent shards become one.
    Merge {
        /// The range of the lower shard.
        low: HashKeyRange,
        /// The range of the higher shard.
        high: HashKeyRange,
    },
    /// The whole space is cut anew into equal ranges, in one call: between half and double as many as
    /// there are. No other step stands beside it in a plan: AWS does not say to the key where the
    /// new boundaries lie.
    UpdateShardCount {
        /// The open shards before.
        from: u32,
        /// The open shards after.
        to: u32,
    },
    /// Shard-level metrics are turned on.
    EnableShardMetrics {
        /// Those that are off.
        metrics: Vec<ShardMetric>,
    },
}

/// Why a step cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// No open shard owns exactly the range that the step names.
    #[error("no open shard owns exactly {0}")]
    NoSuchRange(HashKeyRange),
    /// The two ranges of a merge are not neighbours in ascending order.
    #[error("{low} is not followed by {high}")]
    NotAdjacent {
        /// The range that should come first.
        low: HashKeyRange,
        /// The range that should follow at once.
        high: HashKeyRange,
    },
    /// AWS would refuse the split point.
    #[error(transparent)]
    SplitPoint(#[from] HashKeyError),
    /// There are other shards than the step is to start from.
    #[error("{found} shards are open where {expected} were expected")]
    OtherCount {
        /// The shards that the step starts from.
        expected: u32,
        /// The shards that are there.
        found: usize,
    },
    /// AWS would refuse the count.
    #[error("UpdateShardCount leads from {from} shards to between half and double as many, and not to {to}")]
    CountOutOfReach {
        /// The shards before.
        from: u32,
        /// The shards asked for.
        to: u32,
    },
    /// Equal ranges do not tell which ranges there were before them.
    #[error("what UpdateShardCount found, it does not leave to be seen")]
    CannotBeTakenBack,
}

/// A step with the IDs of the open shards that it consumes: ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedStep {
    /// `SplitShard`.
    Split {
        /// The shard to split.
        shard: ShardId,
        /// The new starting hash key.
        at: HashKey,
    },
    /// `MergeShards`.
    Merge {
        /// The shard to merge.
        shard: ShardId,
        /// Its higher neighbour.
        adjacent: ShardId,
    },
    /// `UpdateShardCount`.
    UpdateShardCount {
        /// `TargetShardCount`.
        target: u32,
    },
    /// `EnableEnhancedMonitoring`.
    EnableShardMetrics {
        /// The metrics to turn on.
        metrics: Vec<ShardMetric>,
    },
}

impl Step {
    /// Replaces the ranges that the step consumes by those that it makes.
    ///
    /// # Errors
    /// [`StepError`] if the step does not fit `ranges`, which then stay as they are.
    pub fn apply(&self, ranges: &mut Vec<HashKeyRange>) -> Result<(), StepError> {
        match self {
            Step::Split { range, at } => {
                let index = find(ranges, range)?;
                let (low, high) = range.split(*at)?;
                ranges.splice(index..=index, [low, high]);
            }
            Step::Merge { low, high } => {
                let index = find(ranges, low)?;
                find(ranges, high)?;
                let merged = low.merge(*high).ok_or(StepError::NotAdjacent { low: *low, high: *high })?;
                ranges.splice(index..=index + 1, [merged]);
            }
            Step::UpdateShardCount { from, to } => {
                within_reach(*from, *to, ranges.len())?;
                *ranges = HashKeyRange::WHOLE.equal_parts(*to);
            }
            Step::EnableShardMetrics { .. } => {}
        }
        Ok(())
    }

    /// Takes the step back: replaces the ranges that it makes by those that it consumes.
    ///
    /// # Errors
    /// [`StepError`] if what the step makes is not in `ranges`, or does not tell what was there
    /// before; they then stay as they are.
    pub fn undo(&self, ranges: &mut Vec<HashKeyRange>) -> Result<(), StepError> {
        match self {
            Step::Split { range, at } => {
                let (low, high) = range.split(*at)?;
                let index = find(ranges, &low)?;
                find(ranges, &high)?;
                ranges.splice(index..=index + 1, [*range]);
            }
            Step::Merge { low, high } => {
                let merged = low.merge(*high).ok_or(StepError::NotAdjacent { low: *low, high: *high })?;
                let index = find(ranges, &merged)?;
                ranges.splice(index..=index, [*low, *high]);
            }
            Step::UpdateShardCount { .. } => return Err(StepError::CannotBeTakenBack),
            Step::EnableShardMetrics { .. } => {}
        }
        Ok(())
    }

    /// The precondition: finds the open shards that the step consumes.
    ///
    /// # Errors
    /// [`StepError`] if no open shard owns exactly a range that the step names.
    pub fn resolve(&self, open: &OpenShards) -> Result<ResolvedStep, StepError> {
        let owner = |range: &HashKeyRange| {
            open.owning(*range).map(|shard| shard.id.clone()).ok_or(StepError::NoSuchRange(*range))
        };
        Ok(match self {
            Step::Split { range, at } => {
                range.split(*at)?;
                ResolvedStep::Split { shard: owner(range)?, at: *at }
            }
            Step::Merge { low, high } => {
                low.merge(*high).ok_or(StepError::NotAdjacent { low: *low, high: *high })?;
                ResolvedStep::Merge { shard: owner(low)?, adjacent: owner(high)? }
            }
            Step::UpdateShardCount { from, to } => {
                within_reach(*from, *to, open.len())?;
                ResolvedStep::UpdateShardCount { target: *to }
            }
            Step::EnableShardMetrics { metrics } => {
                ResolvedStep::EnableShardMetrics { metrics: metrics.clone() }
            }
        })
    }

    /// The completion test: whether the shards that the step makes are open. For
    /// [`Step::EnableShardMetrics`] `enhanced_metrics` tells.
    pub fn is_complete(&self, open: &OpenShards, enhanced_metrics: &[String]) -> bool {
        let is_open = |range: HashKeyRange| open.owning(range).is_some();
        match self {
            Step::Split { range, at } => {
                range.split(*at).is_ok_and(|(low, high)| is_open(low) && is_open(high))
            }
            Step::Merge { low, high } => low.merge(*high).is_some_and(is_open),
            Step::UpdateShardCount { to, .. } => {
                open.len() == *to as usize && HashKeyRange::are_equal(open.ranges())
            }
            Step::EnableShardMetrics { metrics } => {
                metrics.iter().all(|metric| enhanced_metrics.iter().any(|on| on == metric.name()))
            }
        }
    }

    /// By how much the step changes the number of shards.
    pub fn shard_delta(&self) -> i32 {
        match self {
            Step::Split { .. } => 1,
            Step::Merge { .. } => -1,
            Step::UpdateShardCount { from, to } => {
                let count = |count: &u32| i32::try_from(*count).unwrap_or(i32::MAX);
                count(to) - count(from)
            }
            Step::EnableShardMetrics { .. } => 0,
        }
    }

    /// "Split", "Merge", "UpdateShardCount" or "EnableShardMetrics": the label in metrics and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Step::Split { .. } => "Split",
            Step::Merge { .. } => "Merge",
            Step::UpdateShardCount { .. } => "UpdateShardCount",
            Step::EnableShardMetrics { .. } => "EnableShardMetrics",
        }
    }

    /// The text that the plan hash is over: every field, and nothing that a release may reword.
    pub(super) fn canonical(&self) -> String {
        match self {
            Step::Split { range, at } => format!("split {}-{} {at}", range.start(), range.end()),
            Step::Merge { low, high } => {
                format!("merge {}-{} {}-{}", low.start(), low.end(), high.start(), high.end())
            }
            Step::UpdateShardCount { from, to } => format!("update-shard-count {from} {to}"),
            Step::EnableShardMetrics { metrics } => {
                let names: Vec<_> = metrics.iter().map(|metric| metric.name()).collect();
                format!("enable-shard-metrics {}", names.join(","))
            }
        }
    }
}

/// Whether `UpdateShardCount` leads from the shards that are there to so many.
fn within_reach(from: u32, to: u32, found: usize) -> Result<(), StepError> {
    if found != from as usize {
        return Err(StepError::OtherCount { expected: from, found });
    }
    let (half, double) = (u64::from(from).div_ceil(2), 2 * u64::from(from));
    if to == from || !(half..=double).contains(&u64::from(to)) {
        return Err(StepError::CountOutOfReach { from, to });
    }
    Ok(())
}

/// The place of `range` among ranges in hash-key order.
fn find(ranges: &[HashKeyRange], range: &HashKeyRange) -> Result<usize, StepError> {
    ranges.binary_search(range).map_err(|_| StepError::NoSuchRange(*range))
}

/// For people: of keys it tells where they lie. The keys themselves, of 39 digits, are in the step's fields.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Split { range, at } => {
                write!(f, "split {} of the hash keys at {}", range.place(), range.place_of(*at))
            }
            Step::Merge { low, high } => {
                write!(f, "merge {} and {} of the hash keys", low.place(), high.place())
            }
            Step::UpdateShardCount { from, to } => {
                write!(f, "update the shard count from {from} to {to}, all of equal ranges")
            }
            Step::EnableShardMetrics { metrics } => {
                let names: Vec<_> = metrics.iter().map(|metric| metric.name()).collect();
                write!(f, "turn on the shard-level metrics {}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(HashKey(start), HashKey(end)).expect("ascending")
    }

    #[test]
    fn a_split_and_the_merge_of_its_children_leave_the_ranges_as_they_were() {
        let start = vec![range(0, 99), range(100, u128::MAX)];
        let mut ranges = start.clone();
        Step::Split { range: range(0, 99), at: HashKey(50) }.apply(&mut ranges).expect("fits");
        assert_eq!(ranges, [range(0, 49), range(50, 99), range(100, u128::MAX)]);
        Step::Merge { low: range(0, 49), high: range(50, 99) }.apply(&mut ranges).expect("fits");
        assert_eq!(ranges, start);
    }

    #[test]
    fn a_step_that_is_taken_back_leaves_what_it_found() {
        let start = vec![range(0, 99), range(100, 199), range(200, u128::MAX)];
        for step in [
            Step::Split { range: range(100, 199), at: HashKey(120) },
            Step::Merge { low: range(0, 99), high: range(100, 199) },
            Step::EnableShardMetrics { metrics: vec![ShardMetric::IncomingBytes] },
        ] {
            let mut ranges = start.clone();
            step.apply(&mut ranges).expect("fits");
            let after = ranges.clone();
            step.undo(&mut ranges).expect("it was taken");
            assert_eq!(ranges, start, "{step}");
            if step.shard_delta() != 0 {
                assert!(step.undo(&mut ranges).is_err(), "{step} is not there any more");
                assert_eq!(ranges, start, "{step}");
                assert!(step.apply(&mut after.clone()).is_err());
            }
        }
    }

    #[test]
    fn an_update_of_the_count_leaves_equal_ranges_and_cannot_be_taken_back() {
        let start = vec![range(0, 99), range(100, 199), range(200, u128::MAX)];
        for (to, reached) in [(1, false), (2, true), (3, false), (6, true), (7, false)] {
            let mut ranges = start.clone();
            let step = Step::UpdateShardCount { from: 3, to };
            assert_eq!(step.apply(&mut ranges).is_ok(), reached, "{step}");
            if !reached {
                assert_eq!(ranges, start);
                continue;
            }
            assert_eq!(ranges, HashKeyRange::WHOLE.equal_parts(to));
            assert_eq!(step.shard_delta(), to as i32 - 3);
            assert_eq!(step.undo(&mut ranges), Err(StepError::CannotBeTakenBack));
            assert_eq!(ranges.len(), to as usize);
        }
        let other = Step::UpdateShardCount { from: 4, to: 6 };
        assert_eq!(other.apply(&mut start.clone()), Err(StepError::OtherCount { expected: 4, found: 3 }));
    }

    #[test]
    fn a_step_that_does_not_fit_changes_nothing_and_says_why() {
        let start = vec![range(0, 99), range(100, 199), range(200, u128::MAX)];
        let mut ranges = start.clone();
        let split = Step::Split { range: range(0, 98), at: HashKey(50) };
        assert_eq!(split.apply(&mut ranges), Err(StepError::NoSuchRange(range(0, 98))));
        let merge = Step::Merge { low: range(0, 99), high: range(200, u128::MAX) };
        assert_eq!(
            merge.apply(&mut ranges),
            Err(StepError::NotAdjacent { low: range(0, 99), high: range(200, u128::MAX) })
        );
        let edge = Step::Split { range: range(0, 99), at: HashKey(1) };
        assert!(matches!(edge.apply(&mut ranges), Err(StepError::SplitPoint(_))));
        assert_eq!(ranges, start);
    }
}
