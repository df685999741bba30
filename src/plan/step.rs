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
            Step::EnableShardMetrics { .. } => {}
        }
        Ok(())
    }

    /// Takes the step back: replaces the ranges that it makes by those that it consumes.
    ///
    /// # Errors
    /// [`StepError`] if what the step makes is not in `ranges`, which then stay as they are.
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
            Step::EnableShardMetrics { .. } => 0,
        }
    }

    /// "Split", "Merge" or "EnableShardMetrics": the label in metrics and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Step::Split { .. } => "Split",
            Step::Merge { .. } => "Merge",
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
            Step::EnableShardMetrics { metrics } => {
                let names: Vec<_> = metrics.iter().map(|metric| metric.name()).collect();
                format!("enable-shard-metrics {}", names.join(","))
            }
        }
    }
}

/// The place of `range` among ranges in hash-key order.
fn find(ranges: &[HashKeyRange], range: &HashKeyRange) -> Result<usize, StepError> {
    ranges.binary_search(range).map_err(|_| StepError::NoSuchRange(*range))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Split { range, at } => write!(f, "split {range} at {at}"),
            Step::Merge { low, high } => write!(f, "merge {low} with {high}"),
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
