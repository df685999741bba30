//! Holds: why something is not done now, typed. They read the same in report, metric, event and
//! condition: `reason` names them, `Display` ([`super::sentence`]) tells them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::load::Load;
use crate::plan::Course;
use crate::quota::Dimension;
use crate::stream::{ShardId, StreamStatus, TilingError};

/// Why something is not done now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all_fields = "camelCase")]
pub enum Hold {
    /// `suspend` is set.
    Suspended,
    /// The stream is being made, changed or deleted.
    StreamNotActive {
        /// Its status.
        status: StreamStatus,
    },
    /// AWS keeps the shards of an on-demand stream.
    OnDemandStream,
    /// The listed open shards do not tile the hash-key space.
    ListingDoesNotTile {
        /// What is missing or doubled.
        error: TilingError,
    },
    /// `ListShards` and `OpenShardCount` disagree.
    ShardCountMismatch {
        /// The open shards that are listed.
        listed: usize,
        /// `OpenShardCount`.
        described: usize,
    },
    /// Shard-level metrics that decisions need are off.
    ShardMetricsOff {
        /// Those that are off, by AWS's names.
        metrics: Vec<String>,
        /// Whether reshard turns them on itself (`metrics.enhancedMonitoring: Manage`).
        #[serde(default)]
        managed: bool,
    },
    /// The newest settled minute with data is too old, or there is none.
    MetricsStale {
        /// The newest minute that has data.
        newest: Option<Timestamp>,
        /// `metrics.maxAge`, in seconds.
        max_age_seconds: u64,
    },
    /// CloudWatch did not answer in full, or answered what cannot be.
    MetricsIncomplete {
        /// What is missing or impossible.
        what: String,
    },
    /// Shards have no data point in a minute in which they were open, and what the others reported
    /// does not account for the stream's total: whether they were idle cannot be told.
    MetricsMissing {
        /// The shards.
        shards: Vec<ShardId>,
        /// The newest such minute.
        minute: Timestamp,
    },
    /// The shards' metrics do not sum to the stream's.
    MetricsInconsistent {
        /// What the shards sum to over the window.
        shards: u64,
        /// What the stream reports over the window.
        stream: u64,
        /// Of which metric, by AWS's name.
        metric: String,
    },
    /// The stream reports nothing at all: idle, or its metrics are late. Nobody can tell.
    SilentStream,
    /// Shards whose load of now is in part a share of what a wider shard carried.
    MetricsSettling {
        /// The shards.
        shards: Vec<ShardId>,
    },
    /// A merge waits for measurements over three minutes: part of what its shards
    /// carried is a share of what a wider shard carried, or not known.
    LoadEstimated {
        /// The shards.
        shards: Vec<ShardId>,
    },
    /// A merge waits until what was higher has faded, over the stabilisation window.
    Stabilizing {
        /// The window, in seconds.
        window_seconds: u64,
    },
    /// Merges wait while more and more is written to the stream: where a rise ends nobody knows.
    Rising {
        /// By how many thousandths the loads of shards are raised for it.
        per_mille: u64,
    },
    /// A merge waits for what the next quarter of an hour is expected to bring: more than shards are packed to.
    LoadForeseen {
        /// The load that is expected, in thousandths of that of now.
        expected_per_mille: u64,
        /// The days that this goes by.
        course: Course,
    },
    /// `behavior` allows no more change in this direction now.
    RateLimited {
        /// Whether it is splits that wait.
        scale_up: bool,
        /// The number of shards that is allowed now: the most for splits, the fewest for merges.
        limit: u32,
    },
    /// `budgets.maxStepsPerPlan` is used up; the rest follows in the next plan.
    StepBudget {
        /// The budget.
        max_steps_per_plan: u32,
        /// How many steps were left out.
        left_out: u32,
    },
    /// `budgets.maxMergesPerDay` is used up.
    MergeBudget {
        /// The budget.
        max_merges_per_day: u32,
        /// The merges within the last 24 hours.
        merged: u32,
    },
    /// AWS allows so many calls of UpdateShardCount in 24 hours, and some are kept for emergencies:
    /// splits and merges have to do.
    UpdateShardCountBudget {
        /// The calls that may be made for this.
        calls_a_day: u32,
        /// The calls of the last 24 hours, as far as the shards tell.
        made: u32,
    },
    /// AWS has refused an UpdateShardCount in this pass: splits and merges have to do.
    UpdateShardCountRefused {
        /// What AWS said.
        message: String,
    },
    /// No merge while a consumer lags.
    ConsumerLagging {
        /// Which consumer; none where it is the stream's own iterator age.
        consumer: Option<String>,
        /// Its lag in milliseconds.
        lag_millis: u64,
        /// `lagGuard.maxIteratorAge`, in milliseconds.
        limit_millis: u64,
    },
    /// A declared consumer reports no lag: unknown is not zero.
    ConsumerSilent {
        /// Which consumer.
        consumer: String,
    },
    /// Shards so young that readers may still be busy with their parents.
    ParentsDraining {
        /// The shards.
        shards: Vec<ShardId>,
        /// The age, in seconds, from which they may be changed.
        until_age_seconds: u64,
    },
    /// More shards are needed than `maxShards` allows.
    AtMaxShards {
        /// The most shards now.
        max_shards: u32,
        /// The highest load that remains, in its dimension.
        load: Load,
        /// That dimension.
        dimension: Dimension,
    },
    /// `minShards` asks for more shards, and none can be split.
    BelowMinShards {
        /// The fewest shards now.
        min_shards: u32,
    },
    /// A schedule bars this direction.
    Frozen {
        /// The schedules in force.
        schedules: Vec<String>,
        /// Whether it is splits that wait; else merges.
        scale_up: bool,
    },
}

impl Hold {
    /// Takes over the shards of `other`, if both are the same hold of different shards.
    pub fn absorb(&mut self, other: &Hold) -> bool {
        match (&mut *self, other) {
            (Hold::MetricsSettling { shards }, Hold::MetricsSettling { shards: more })
            | (Hold::LoadEstimated { shards }, Hold::LoadEstimated { shards: more }) => {
                add(shards, more);
            }
            (
                Hold::ParentsDraining { shards, until_age_seconds: age },
                Hold::ParentsDraining { shards: more, until_age_seconds: other_age },
            ) if age == other_age => add(shards, more),
            (
                Hold::MetricsMissing { shards, minute },
                Hold::MetricsMissing { shards: more, minute: other_minute },
            ) => {
                add(shards, more);
                *minute = (*minute).max(*other_minute);
            }
            (mine, other) => return mine == other,
        }
        true
    }

    /// Whether waiting can lift it; the others need a person, or a day.
    pub fn passes_with_time(&self) -> bool {
        match self {
            Hold::StreamNotActive { status } => *status != StreamStatus::Deleting,
            Hold::ListingDoesNotTile { .. }
            | Hold::ShardCountMismatch { .. }
            | Hold::MetricsStale { .. }
            | Hold::MetricsIncomplete { .. }
            | Hold::MetricsMissing { .. }
            | Hold::MetricsInconsistent { .. }
            | Hold::SilentStream
            | Hold::MetricsSettling { .. }
            | Hold::LoadEstimated { .. }
            | Hold::Stabilizing { .. }
            | Hold::Rising { .. }
            | Hold::LoadForeseen { .. }
            | Hold::RateLimited { .. }
            | Hold::StepBudget { .. }
            | Hold::MergeBudget { .. }
            | Hold::UpdateShardCountBudget { .. }
            | Hold::UpdateShardCountRefused { .. }
            | Hold::ConsumerLagging { .. }
            | Hold::ConsumerSilent { .. }
            | Hold::ParentsDraining { .. }
            | Hold::Frozen { .. } => true,
            Hold::Suspended
            | Hold::OnDemandStream
            | Hold::ShardMetricsOff { .. }
            | Hold::AtMaxShards { .. }
            | Hold::BelowMinShards { .. } => false,
        }
    }

    /// Whether no step of any kind may run until a person acts, so that it is vain to wait for what
    /// else may pass.
    pub fn awaits_a_person(&self) -> bool {
        match self {
            Hold::Suspended | Hold::OnDemandStream | Hold::ShardMetricsOff { .. } => true,
            Hold::StreamNotActive { status } => *status == StreamStatus::Deleting,
            _ => false,
        }
    }

    /// Whether it may keep a split waiting and be over any minute, where there is `heat`: a shard that is
    /// known to lie above its target. Without heat, what may last for as long as a stream is at rest does not.
    pub fn delays_splits(&self, heat: bool) -> bool {
        match self {
            // These come and go within minutes, or bar splits that are wanted for other reasons than heat.
            Hold::ListingDoesNotTile { .. }
            | Hold::ShardCountMismatch { .. }
            | Hold::MetricsIncomplete { .. }
            | Hold::MetricsStale { .. }
            | Hold::RateLimited { scale_up: true, .. } => true,
            Hold::StreamNotActive { status } => heat && *status != StreamStatus::Deleting,
            Hold::MetricsMissing { .. }
            | Hold::MetricsInconsistent { .. }
            | Hold::MetricsSettling { .. }
            | Hold::ParentsDraining { .. } => heat,
            // The next step follows at once, the end of a schedule is known, and a day is a day.
            Hold::StepBudget { .. }
            | Hold::Frozen { .. }
            | Hold::UpdateShardCountBudget { .. }
            | Hold::UpdateShardCountRefused { .. } => false,
            Hold::LoadEstimated { .. }
            | Hold::Stabilizing { .. }
            | Hold::Rising { .. }
            | Hold::LoadForeseen { .. }
            | Hold::RateLimited { scale_up: false, .. }
            | Hold::MergeBudget { .. }
            | Hold::ConsumerLagging { .. }
            | Hold::ConsumerSilent { .. } => false,
            // Nobody writes, or somebody has to act.
            Hold::SilentStream
            | Hold::Suspended
            | Hold::OnDemandStream
            | Hold::ShardMetricsOff { .. }
            | Hold::AtMaxShards { .. }
            | Hold::BelowMinShards { .. } => false,
        }
    }

    /// The name in metrics, events and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Hold::Suspended => "Suspended",
            Hold::StreamNotActive { .. } => "StreamNotActive",
            Hold::OnDemandStream => "OnDemandStream",
            Hold::ListingDoesNotTile { .. } => "ListingDoesNotTile",
            Hold::ShardCountMismatch { .. } => "ShardCountMismatch",
            Hold::ShardMetricsOff { .. } => "ShardMetricsOff",
            Hold::MetricsStale { .. } => "MetricsStale",
            Hold::MetricsIncomplete { .. } => "MetricsIncomplete",
            Hold::MetricsMissing { .. } => "MetricsMissing",
            Hold::MetricsInconsistent { .. } => "MetricsInconsistent",
            Hold::SilentStream => "SilentStream",
            Hold::MetricsSettling { .. } => "MetricsSettling",
            Hold::LoadEstimated { .. } => "LoadEstimated",
            Hold::Stabilizing { .. } => "Stabilizing",
            Hold::Rising { .. } => "Rising",
            Hold::LoadForeseen { .. } => "LoadForeseen",
            Hold::RateLimited { .. } => "RateLimited",
            Hold::StepBudget { .. } => "StepBudget",
            Hold::MergeBudget { .. } => "MergeBudget",
            Hold::UpdateShardCountBudget { .. } => "UpdateShardCountBudget",
            Hold::UpdateShardCountRefused { .. } => "UpdateShardCountRefused",
            Hold::ConsumerLagging { .. } => "ConsumerLagging",
            Hold::ConsumerSilent { .. } => "ConsumerSilent",
            Hold::ParentsDraining { .. } => "ParentsDraining",
            Hold::AtMaxShards { .. } => "AtMaxShards",
            Hold::BelowMinShards { .. } => "BelowMinShards",
            Hold::Frozen { .. } => "Frozen",
        }
    }
}

/// Adds the shards that are not there yet.
fn add(shards: &mut Vec<ShardId>, more: &[ShardId]) {
    for shard in more {
        if !shards.contains(shard) {
            shards.push(shard.clone());
        }
    }
}
