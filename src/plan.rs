//! The plan: an ordered list of steps that leaves execution no choices, what was held back and
//! why, and what no step can cure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

pub use self::hold::Hold;
pub use self::step::{ResolvedStep, Step, StepError};
pub use self::verdict::{ReadCallsSource, Verdict};
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::policy::Limits;
use crate::quota::Dimension;

mod gist;
mod hold;
mod sentence;
mod step;
mod verdict;

/// The format of written plans, part of the hash; raised when steps change their meaning.
pub const PLAN_FORMAT: u32 = 1;

/// What is to be done to one stream, and why nothing more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// What the hash is over: nothing else decides what is carried out.
    #[serde(flatten)]
    pub identity: PlanIdentity,
    /// The hash of `identity`.
    pub hash: PlanHash,
    /// Why each step is there and what it does, in the order of the steps.
    pub explanations: Vec<Explanation>,
    /// What is held back, and why.
    pub holds: Vec<Hold>,
    /// What no step can cure.
    pub verdicts: Vec<Verdict>,
    /// The shards that the policy asks for in the end, once nothing is held back.
    pub desired_shards: u32,
    /// The loads that it was decided by.
    pub limits: Limits,
    /// The load of each open shard now, in hash-key order.
    pub before: Vec<RangeLoad>,
    /// The load of each shard after the last step, in hash-key order.
    pub after: Vec<RangeLoad>,
}

impl Plan {
    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.identity.steps
    }

    /// Whether a shard lies above its target, or may: its load is not known.
    pub fn is_hot(&self) -> bool {
        let targets = self.limits.trigger;
        let within = |shard: &RangeLoad| shard.evidence != Evidence::Unknown && shard.loads.within(targets);
        !self.before.iter().all(within)
    }

    /// Whether no step may run now, and splits may be waiting for what may be over any minute. Then it is worth its
    /// price to look at the shards again soon.
    pub fn splits_wait(&self) -> bool {
        self.steps().is_empty() && splits_wait(&self.before, self.limits.trigger, &self.holds)
    }

    /// The ranges of the shards after the first `count` steps.
    ///
    /// # Errors
    /// [`StepError`] if a step does not fit the ranges that the steps before it leave: the plan is
    /// broken, or was edited.
    pub fn projected_ranges(&self, count: usize) -> Result<Vec<HashKeyRange>, StepError> {
        let mut ranges = self.identity.start.clone();
        for step in self.identity.steps.iter().take(count) {
            step.apply(&mut ranges)?;
        }
        Ok(ranges)
    }
}

/// Whether one of the holds may delay splits of these shards, and may be over any minute.
pub fn splits_wait(shards: &[RangeLoad], targets: Loads, holds: &[Hold]) -> bool {
    let is_hot = |shard: &RangeLoad| shard.evidence != Evidence::Unknown && !shard.loads.within(targets);
    let heat = shards.iter().any(is_hot);
    !holds.iter().any(Hold::awaits_a_person) && holds.iter().any(|hold| hold.delays_splits(heat))
}

/// What makes a plan this plan. Loads, times and prices are no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanIdentity {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The stream's ARN.
    pub stream_arn: String,
    /// When the stream was made: a plan for a stream is none for its namesake.
    pub stream_created_at: Timestamp,
    /// The resource's generation.
    pub generation: u64,
    /// The open ranges that the steps start from, in hash-key order.
    pub start: Vec<HashKeyRange>,
    /// The steps.
    pub steps: Vec<Step>,
}

impl PlanIdentity {
    /// The hash over every field.
    pub fn hash(&self) -> PlanHash {
        let PlanIdentity { format, stream_arn, stream_created_at, generation, start, steps } = self;
        let mut digest = Sha256::new();
        let mut field = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        field(&format.to_be_bytes());
        field(stream_arn.as_bytes());
        field(&stream_created_at.as_millisecond().to_be_bytes());
        field(&generation.to_be_bytes());
        for range in start {
            field(&range.start().0.to_be_bytes());
            field(&range.end().0.to_be_bytes());
        }
        for step in steps {
            field(step.canonical().as_bytes());
        }
        let hash = digest.finalize();
        PlanHash(hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The first 64 bits of a SHA-256 digest, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanHash(String);

impl PlanHash {
    /// The sixteen hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a step is there and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Why.
    pub reason: StepReason,
    /// The loads of the shards that it consumes.
    pub before: Vec<RangeLoad>,
    /// The loads of the shards that it makes.
    pub after: Vec<RangeLoad>,
}

/// A neighbour that can take the part beside it of a shard that is split, once that part is measured: a
/// merge that may follow, and that no plan promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandOver {
    /// The neighbour's hash keys.
    pub to: HashKeyRange,
    /// The dimension in which both together are fullest.
    pub dimension: Dimension,
    /// Their load in it, at its highest in the stabilisation window.
    pub load: Load,
}

/// Why a step is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum StepReason {
    /// The shard rejects writes.
    Rejecting {
        /// The dimension nearest its ceiling.
        dimension: Dimension,
        /// The demand in it.
        load: Load,
    },
    /// The shard's load lies above the target.
    AboveTarget {
        /// The dimension furthest above its target.
        dimension: Dimension,
        /// The load in it.
        load: Load,
        /// The target in it.
        target: Load,
        /// The neighbour that can take one part of it, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hand_over: Option<HandOver>,
    },
    /// The two together fit into one.
    Cold {
        /// The dimension in which the merged shard will be fullest.
        dimension: Dimension,
        /// The load of the merged shard in it, at its highest in the stabilisation window.
        load: Load,
        /// Up to where shards are packed.
        limit: Load,
    },
    /// Part of moving a boundary: a split and a merge that save a shard elsewhere.
    MovesBoundary,
    /// There are fewer shards than `minShards`.
    BelowMinShards {
        /// The fewest shards now.
        min_shards: u32,
    },
    /// One after another, the splits that the heat needs would take too long.
    SplitsTooSlow {
        /// The splits.
        splits: u32,
        /// Of these, the ones that are left.
        splits_left: u32,
        /// How long they all take one after another, in seconds.
        serial_seconds: u64,
        /// How long an UpdateShardCount takes, in seconds.
        update_seconds: u64,
    },
    /// One call now is worth it for what the stream is expected to be offered.
    Foreseen {
        /// The time to come that is told of.
        minutes: u32,
        /// The highest that is expected within it, in thousandths of what is offered now.
        expected_per_mille: u64,
        /// The days that the expectation goes by.
        course: Course,
        /// What the call saves over the next day beside the shards as they are.
        saved_shard_seconds: u64,
        /// The calls of the last 24 hours, as far as the shards tell.
        calls_made: u32,
    },
    /// There are more shards than `maxShards`.
    AboveMaxShards {
        /// The most shards now.
        max_shards: u32,
    },
    /// Shard-level metrics are off, and the policy manages them.
    ShardMetricsOff,
}

/// Which days a forecast goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Course {
    /// As it went yesterday.
    Yesterday,
    /// As it went a week ago.
    LastWeek,
    /// The mean of both.
    Both,
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Course::Yesterday => "yesterday's course",
            Course::LastWeek => "the course of a week ago",
            Course::Both => "the courses of yesterday and of a week ago",
        })
    }
}

/// A range with its load and how that is known. Of a part of the key space that the range cuts though
/// no split would, it has the share of the keys, rounded down at each end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RangeLoad {
    /// The hash keys.
    pub range: HashKeyRange,
    /// The load that decides splits: demand over the window.
    pub loads: Loads,
    /// The load that decides merges: the highest within the stabilisation window, or what is foreseen where that is
    /// more.
    pub peak_loads: Loads,
    /// How the loads are known.
    pub evidence: Evidence,
}

/// How a load is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Evidence {
    /// Metrics of exactly this range, over the whole span that the decision looks at.
    Measured,
    /// In part a share of what a wider shard carried. May justify a split, never a merge.
    Estimated,
    /// Not known.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_key::HashKey;
    use crate::stream::StreamStatus;

    /// A plan for one shard with so many percent of its ceiling, at targets of 70 %, of which these holds are told.
    fn plan(percent: u32, evidence: Evidence, holds: Vec<Hold>, steps: Vec<Step>) -> Plan {
        let identity = PlanIdentity {
            format: PLAN_FORMAT,
            stream_arn: String::new(),
            stream_created_at: Timestamp::UNIX_EPOCH,
            generation: 0,
            start: vec![HashKeyRange::WHOLE],
            steps,
        };
        let loads = Loads::from_array([percent, 0, 0].map(Load::from_percent));
        let targets = Loads::from_array([70, 70, 80].map(Load::from_percent));
        let before = vec![RangeLoad { range: HashKeyRange::WHOLE, loads, peak_loads: loads, evidence }];
        Plan {
            hash: identity.hash(),
            identity,
            explanations: Vec::new(),
            holds,
            verdicts: Vec::new(),
            desired_shards: 1,
            limits: Limits { trigger: targets, pack: targets },
            before,
            after: Vec::new(),
        }
    }

    #[test]
    fn a_split_waits_where_heat_is_known_and_what_holds_it_may_be_over_soon() {
        use Evidence::{Estimated, Measured, Unknown};
        let waits = |percent, evidence, holds: &[&Hold]| {
            let holds = holds.iter().copied().cloned().collect();
            plan(percent, evidence, holds, Vec::new()).splits_wait()
        };
        let draining = Hold::ParentsDraining { shards: Vec::new(), until_age_seconds: 120 };
        let missing = Hold::MetricsMissing { shards: Vec::new(), minute: Timestamp::UNIX_EPOCH };
        let updating = Hold::StreamNotActive { status: StreamStatus::Updating };
        for hold in [&draining, &missing, &updating] {
            let seen = [(71, Measured), (71, Estimated), (70, Measured), (71, Unknown)];
            let waits = seen.map(|(percent, evidence)| waits(percent, evidence, &[hold]));
            assert_eq!(waits, [true, true, false, false], "{hold}");
        }
        // Splits may be wanted for other reasons than heat, and a reply that is partial says nothing of any.
        let rates = |scale_up| Hold::RateLimited { scale_up, limit: 1 };
        let partial = Hold::MetricsIncomplete { what: String::new() };
        assert!(waits(10, Measured, &[&rates(true)]) && waits(10, Unknown, &[&partial]));
        // Of these none lets a split go soon, however hot a shard is.
        let frozen = Hold::Frozen { schedules: Vec::new(), scale_up: true };
        let stabilizing = Hold::Stabilizing { window_seconds: 600 };
        let full =
            Hold::AtMaxShards { max_shards: 1, load: Load::CEILING, dimension: Dimension::IngestBytes };
        for hold in [&rates(false), &frozen, &stabilizing, &full, &Hold::SilentStream] {
            assert!(!waits(200, Measured, &[hold]), "{hold}");
        }
        assert!(!waits(200, Measured, &[&draining, &Hold::Suspended]), "somebody has to act first");
        assert!(!waits(200, Measured, &[]), "what no step can cure waits for none");
        let split = Step::Split { range: HashKeyRange::WHOLE, at: HashKey(1 << 127) };
        let proposed = plan(200, Measured, vec![rates(true)], vec![split]);
        assert!(!proposed.splits_wait(), "a step is there: whether it is taken is said elsewhere");
    }
}
