//! The validated scaling policy: what the owner of a stream allows and wants.
//!
//! Every value here is already within its range; `resource` turns what people write into it and
//! reports what is wrong. Fractions are integers: loads in millionths of a ceiling, costs in
//! shard-seconds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::schedule::{Phase, Schedule};
pub use self::targets::{LOWEST_LEARNED_TARGET, Limits, Targets};
use crate::load::{Load, Loads};
use crate::quota::{MAX_SHARDS, MIN_SHARDS, UPDATE_SHARD_COUNT_CALLS_PER_DAY};

pub mod claim;
pub mod defaults;
mod schedule;
mod targets;

/// All that reshard needs to know of what is wanted for one stream.
#[derive(Debug, Clone)]
pub struct ScalingPolicy {
    /// Which stream.
    pub stream: StreamRef,
    /// The resource's generation, 0 where it has none (a file). Part of the plan hash.
    pub generation: u64,
    /// The role to assume before any call to AWS.
    pub role_arn: Option<String>,
    /// What may be done with a plan.
    pub mode: Mode,
    /// Nothing is done while set.
    pub suspend: bool,
    /// Time between two passes of the loop.
    pub interval: Duration,
    /// Fewest and most shards.
    pub bounds: ShardBounds,
    /// How full a shard may be.
    pub targets: Targets,
    /// Which metrics decide.
    pub metrics: MetricsPolicy,
    /// How fast to go up.
    pub scale_up: ScalingRules,
    /// How fast to go down.
    pub scale_down: ScalingRules,
    /// How far below the target shards are packed, in millionths: 200,000 packs to 80 % of the
    /// target, so that a plan's result does not trigger the next plan.
    pub tolerance_millionths: u32,
    /// What a step is worth beside what a shard costs.
    pub tradeoff: Tradeoff,
    /// How long changes of the shards take.
    pub pace: Pace,
    /// How much may be done.
    pub budgets: Budgets,
    /// Whether UpdateShardCount may be called.
    pub update_shard_count: UpdateShardCount,
    /// Whether a shard that must be split is cut so that a neighbour can take one part.
    pub hand_overs: bool,
    /// What needs approval in [`Mode::Approve`].
    pub approval: Approval,
    /// Who reads the stream. Empty: derived from metrics.
    pub consumers: Vec<Consumer>,
    /// The iterator age above which nothing is merged.
    pub max_iterator_age: Duration,
    /// Times with other bounds.
    pub schedules: Vec<Schedule>,
}

impl ScalingPolicy {
    /// The bounds and directions in force at `now`: of overlapping schedules the highest
    /// `minShards` and the narrowest `allow` win; `minShards` never exceeds `maxShards`.
    pub fn in_force(&self, now: Timestamp) -> InForce {
        let mut in_force = InForce { bounds: self.bounds, allow: Allow::All, schedules: Vec::new() };
        for schedule in &self.schedules {
            let phase = schedule.phase(now);
            if phase == Phase::Closed {
                continue;
            }
            in_force.schedules.push(schedule.name.clone());
            if let Some(min) = schedule.min_shards {
                in_force.bounds.min = in_force.bounds.min.max(min.min(self.bounds.max));
            }
            // Lead time brings capacity forward; it does not lengthen a freeze.
            if phase == Phase::Open {
                in_force.allow = in_force.allow.narrowed_by(schedule.allow);
            }
        }
        in_force
    }

    /// Seconds until there are `to` shards instead of `from`: one by one, or by calls of
    /// UpdateShardCount, each to double or half at the most, where the policy lets them follow the load
    /// and they are faster. The time that a look ahead has to cover.
    pub fn seconds_between(&self, from: u32, to: u32) -> u64 {
        let serial = self.pace.serial_seconds(u64::from(from.abs_diff(to)));
        let (mut calls, mut reached) = (0_u64, u64::from(from.max(1)));
        let to = u64::from(to.max(1));
        while reached != to {
            let next = if to > reached { to.min(2 * reached) } else { to.max(reached.div_ceil(2)) };
            (reached, calls) = (next, calls + 1);
        }
        match self.update_shard_count {
            UpdateShardCount::Never | UpdateShardCount::Emergency => serial,
            UpdateShardCount::Auto => serial.min(calls.saturating_mul(self.pace.update_seconds)),
        }
    }
}

/// What holds at one moment, schedules considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Fewest and most shards now.
    pub bounds: ShardBounds,
    /// The directions that are open now.
    pub allow: Allow,
    /// The names of the schedules that are active or lead.
    pub schedules: Vec<String>,
}

/// Which stream, by name and region; from an ARN both are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRef {
    /// The stream's name.
    pub name: String,
    /// The region, `eu-west-1`; `None` leaves it to the environment, as every AWS tool does.
    pub region: Option<String>,
    /// The ARN, where the owner gave it.
    pub arn: Option<String>,
}

/// What may be done with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum Mode {
    /// Show it.
    DryRun,
    /// Carry it out once a person has approved its hash.
    Approve,
    /// Carry it out.
    Apply,
}

/// The fewest and the most shards, 1 ≤ min ≤ max ≤ 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ShardBounds {
    min: u32,
    max: u32,
}

impl ShardBounds {
    /// `None` unless 1 ≤ `min` ≤ `max` ≤ 200.
    pub fn new(min: u32, max: u32) -> Option<Self> {
        (MIN_SHARDS <= min && min <= max && max <= MAX_SHARDS).then_some(ShardBounds { min, max })
    }

    /// The fewest shards.
    pub fn min(self) -> u32 {
        self.min
    }

    /// The most shards.
    pub fn max(self) -> u32 {
        self.max
    }
}

/// Which metrics decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricsPolicy {
    /// Shard level, or stream level spread evenly.
    pub source: MetricsSource,
    /// The settled minutes over which demand is averaged; whole minutes, at least 1.
    pub window_minutes: u32,
    /// How old the newest settled minute with data may be.
    pub max_age: Duration,
    /// What happens where shard metrics are off.
    pub enhanced_monitoring: EnhancedMonitoring,
}

impl MetricsPolicy {
    /// Whether metrics that are known up to a moment are too old at `now` to decide from.
    pub fn are_too_old(&self, known_until: Timestamp, now: Timestamp) -> bool {
        SignedDuration::try_from(self.max_age).is_ok_and(|max_age| now.duration_since(known_until) > max_age)
    }
}

/// Where loads come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum MetricsSource {
    /// Shard-level metrics.
    Shard,
    /// Stream-level metrics spread evenly over the key space: the owner's word that keys are even.
    Stream,
}

/// What happens where shard metrics are off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum EnhancedMonitoring {
    /// A hold that says how to turn them on.
    Require,
    /// They are turned on, as a priced step.
    Manage,
}

/// One direction of HPA's `behavior`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingRules {
    /// The span over which the most cautious recommendation counts; down, the less the longer ago it was.
    pub stabilization_window: Duration,
    /// Which of the policies counts.
    pub select_policy: SelectPolicy,
    /// The policies; empty: no limit.
    pub policies: Vec<RatePolicy>,
}

/// Which of several rate policies counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction at all.
    Disabled,
}

/// How many shards (net) may be added or removed within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RatePolicy {
    /// The change.
    pub amount: RateAmount,
    /// The period, looking back from now.
    pub period: Duration,
}

/// The change that a [`RatePolicy`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RateAmount {
    /// Of the shards at the period's start, rounded up.
    Percent(u32),
    /// So many shards.
    Shards(u32),
}

/// What a step is worth beside what a shard costs. A plan minimises
/// `shards × horizon + steps × step cost`, both in shard-seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tradeoff {
    /// What one split or merge costs, in shard-seconds.
    pub step_cost_shard_seconds: u64,
    /// The time over which a shard's cost counts, in seconds.
    pub horizon_seconds: u64,
}

/// How long changes of the shards take. AWS tells of neither, so it is the owner who knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// Seconds of a split or a merge; one goes on at a time.
    pub step_seconds: u64,
    /// Seconds of an UpdateShardCount.
    pub update_seconds: u64,
}

impl Pace {
    /// Seconds of so many splits and merges, one after another.
    pub fn serial_seconds(self, steps: u64) -> u64 {
        steps.saturating_mul(self.step_seconds)
    }
}

/// Whether UpdateShardCount may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum UpdateShardCount {
    /// Never: every change is a split or a merge.
    Never,
    /// For heat that splits are too slow for.
    Emergency,
    /// Also for what the last days let expect.
    Auto,
}

impl UpdateShardCount {
    /// How often it may be called in 24 hours: as often as AWS allows where there is no time for
    /// splits, and else less often, so that some calls are left for that.
    pub fn calls_a_day(self, is_emergency: bool) -> u32 {
        match self {
            UpdateShardCount::Never => 0,
            UpdateShardCount::Emergency | UpdateShardCount::Auto if is_emergency => {
                UPDATE_SHARD_COUNT_CALLS_PER_DAY
            }
            UpdateShardCount::Emergency => 0,
            UpdateShardCount::Auto => UPDATE_SHARD_COUNT_CALLS_PER_DAY - CALLS_KEPT_FOR_EMERGENCIES,
        }
    }
}

/// Calls of UpdateShardCount that are left for heat: two double a stream twice.
const CALLS_KEPT_FOR_EMERGENCIES: u32 = 2;

/// How much may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Budgets {
    /// Steps in one plan.
    pub max_steps_per_plan: u32,
    /// Merges in the last 24 hours, whoever did them.
    pub max_merges_per_day: u32,
}

/// What needs approval in [`Mode::Approve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Every plan, or only those that merge.
    pub required: ApprovalRequired,
    /// How long a proposal may be approved and begun.
    pub expire_after: Duration,
}

/// Which plans need approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum ApprovalRequired {
    /// All.
    All,
    /// Those with a merge: heat does not wait.
    ScaleDown,
}

/// A reader of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Consumer {
    /// Its own name: delivery stream, function, KCL application or registered consumer.
    pub name: String,
    /// What it is.
    pub kind: ConsumerKind,
}

/// What a consumer is, which tells how it reads and where its lag is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum ConsumerKind {
    /// A Firehose delivery stream: one GetRecords call a second for each shard (Firehose guide).
    Firehose {
        /// The Lambda function that it has transform the records, where the owner told of one.
        transform: Option<Transform>,
    },
    /// A Lambda event source mapping: one poll a second for each shard (Lambda guide).
    Lambda,
    /// A KCL application or another poller, with the time between its polls.
    Polling {
        /// Time between two GetRecords calls on one shard.
        poll_interval: Duration,
    },
    /// Enhanced fan-out: 2 MB/s of its own for each shard, outside the shared limits.
    EnhancedFanOut,
}

/// A Lambda function between Firehose and its destination. For advice: no decision reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transform {
    /// How long it takes for one batch.
    pub duration: Duration,
    /// Bytes of a batch: Firehose's buffering size for it.
    pub batch_bytes: u32,
}

impl ConsumerKind {
    /// GetRecords calls in 1,000 seconds on each shard.
    pub fn calls_per_kilosecond(self) -> u64 {
        match self {
            ConsumerKind::Firehose { .. } | ConsumerKind::Lambda => 1_000,
            ConsumerKind::Polling { poll_interval } => {
                let millis = u64::try_from(poll_interval.as_millis()).unwrap_or(u64::MAX);
                1_000_000_u64.div_ceil(millis.max(1))
            }
            ConsumerKind::EnhancedFanOut => 0,
        }
    }

    /// Whether it shares the shards' read limits.
    pub fn polls(self) -> bool {
        !matches!(self, ConsumerKind::EnhancedFanOut)
    }
}

/// The directions that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum Allow {
    /// Both.
    All,
    /// Splits only.
    ScaleUpOnly,
    /// Merges only.
    ScaleDownOnly,
    /// Neither.
    None,
}

impl Allow {
    /// Whether splits are open.
    pub fn scale_up(self) -> bool {
        matches!(self, Allow::All | Allow::ScaleUpOnly)
    }

    /// Whether merges are open.
    pub fn scale_down(self) -> bool {
        matches!(self, Allow::All | Allow::ScaleDownOnly)
    }

    /// What both allow.
    pub fn narrowed_by(self, other: Allow) -> Allow {
        match (self.scale_up() && other.scale_up(), self.scale_down() && other.scale_down()) {
            (true, true) => Allow::All,
            (true, false) => Allow::ScaleUpOnly,
            (false, true) => Allow::ScaleDownOnly,
            (false, false) => Allow::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_as_many_steps_or_calls_as_it_needs_whichever_is_sooner() {
        let mut policy = ScalingPolicy::for_stream("orders", 200);
        assert_eq!(policy.seconds_between(20, 60), 40 * 30);
        policy.update_shard_count = UpdateShardCount::Auto;
        // 20 → 40 → 60, and 60 → 30 → 20.
        for (from, to, seconds) in [
            (20, 60, 360),
            (60, 20, 360),
            (20, 40, 180),
            (20, 25, 150),
            (1, 200, 8 * 180),
            (7, 7, 0),
            (1, 1, 0),
        ] {
            assert_eq!(policy.seconds_between(from, to), seconds, "{from} to {to}");
        }
    }
}
