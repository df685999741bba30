//! What holds where the owner says nothing: every default of the resource, and no default stands
//! anywhere else.

use std::time::Duration;

use super::*;

/// What is done with a plan: to show is safe, to act is the owner's decision.
pub const MODE: Mode = Mode::DryRun;
/// The fewest shards.
pub const MIN_SHARDS: u32 = crate::quota::MIN_SHARDS;
/// Whether UpdateShardCount may be called: its IAM action cannot be scoped to one stream.
pub const UPDATE_SHARD_COUNT: UpdateShardCount = UpdateShardCount::Never;
/// Whether shards are cut for their neighbours: a plan is followed by merges then that it does not have.
pub const HAND_OVERS: bool = false;
/// Time between two passes of the loop: CloudWatch has a new minute each minute.
pub const INTERVAL: Duration = Duration::from_secs(60);
/// The iterator age above which nothing is merged.
pub const MAX_ITERATOR_AGE: Duration = Duration::from_secs(2 * 60);
/// `targets.*.utilization` of what a split relieves, in percent of the ceiling, of the fullest shard. Boundaries that
/// only halve and join leave the mean at about 69 % of that (`docs/decisions/0004-defaults.md`), so that tools which
/// hold the mean of the stream at 70 % let their fullest shards run as hot.
pub const TARGET_PERCENT: u32 = 95;
/// How far below the target shards are packed, in millionths. Little, for merges are judged by the
/// highest load of the stabilisation window: that, not a wide gap, keeps them from being undone.
pub const TOLERANCE_MILLIONTHS: u32 = 50_000;
/// Time between two polls of a KCL application on one shard (KCL's `idleTimeBetweenReadsInMillis`).
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// `consumers[].transform.batchBytes`: Firehose's own default, 1 MB ("Transform source data in Amazon
/// Data Firehose").
pub const TRANSFORM_BATCH_BYTES: u32 = 1 << 20;

impl ScalingPolicy {
    /// What a resource gives that names a stream and `maxShards` and nothing else. `max_shards` is
    /// brought into 1–200.
    pub fn for_stream(name: impl Into<String>, max_shards: u32) -> ScalingPolicy {
        ScalingPolicy {
            stream: StreamRef { name: name.into(), region: None, arn: None },
            generation: 0,
            role_arn: None,
            mode: MODE,
            suspend: false,
            interval: INTERVAL,
            bounds: ShardBounds { min: MIN_SHARDS, max: max_shards.clamp(MIN_SHARDS, MAX_SHARDS) },
            targets: Targets::default(),
            metrics: MetricsPolicy::default(),
            scale_up: ScalingRules::scale_up(),
            scale_down: ScalingRules::scale_down(),
            tolerance_millionths: TOLERANCE_MILLIONTHS,
            tradeoff: Tradeoff::default(),
            pace: Pace::default(),
            budgets: Budgets::default(),
            update_shard_count: UPDATE_SHARD_COUNT,
            hand_overs: HAND_OVERS,
            approval: Approval::default(),
            consumers: Vec::new(),
            max_iterator_age: MAX_ITERATOR_AGE,
            schedules: Vec::new(),
        }
    }
}

#[cfg(test)]
impl ScalingPolicy {
    /// For tests that reckon by hand: targets of 70 % (80 % for reads), packing to 80 % of them, means over
    /// three minutes, an hour's stabilisation, 150 merges a day; else the defaults.
    pub(crate) fn of_round_numbers(name: &str, max_shards: u32) -> ScalingPolicy {
        let mut policy = ScalingPolicy::for_stream(name, max_shards);
        policy.targets.limits = Loads::from_array([70, 70, 80].map(Load::from_percent));
        policy.tolerance_millionths = 200_000;
        policy.metrics.window_minutes = 3;
        policy.scale_down.stabilization_window = Duration::from_secs(3_600);
        policy.budgets.max_merges_per_day = 150;
        policy
    }
}

impl Default for Targets {
    fn default() -> Targets {
        Targets {
            limits: Loads::from_array([Load::from_percent(TARGET_PERCENT); 3]),
            learned: Vec::new(),
            read_calls: Load::from_percent(80),
        }
    }
}

/// The newest settled minute of shard metrics, which the owner turns on: it is two to three minutes old
/// when it is public, and what a minute too many adds is merged again within 40 minutes.
impl Default for MetricsPolicy {
    fn default() -> MetricsPolicy {
        MetricsPolicy {
            source: MetricsSource::Shard,
            window_minutes: 1,
            max_age: Duration::from_secs(5 * 60),
            enhanced_monitoring: EnhancedMonitoring::Require,
        }
    }
}

impl ScalingRules {
    /// Up: at once; in 5 minutes twice as many or 8 more, whichever is more.
    pub fn scale_up() -> ScalingRules {
        let period = Duration::from_secs(300);
        ScalingRules {
            stabilization_window: Duration::ZERO,
            select_policy: SelectPolicy::Max,
            policies: vec![
                RatePolicy { amount: RateAmount::Percent(100), period },
                RatePolicy { amount: RateAmount::Shards(8), period },
            ],
        }
    }

    /// Down: by the highest load of 40 minutes, fading with its age; in 15 minutes 50 % or 4 fewer, whichever is
    /// more (`docs/decisions/0008-rise-and-fade.md`).
    pub fn scale_down() -> ScalingRules {
        let period = Duration::from_secs(900);
        ScalingRules {
            stabilization_window: Duration::from_secs(2_400),
            select_policy: SelectPolicy::Max,
            policies: vec![
                RatePolicy { amount: RateAmount::Percent(50), period },
                RatePolicy { amount: RateAmount::Shards(4), period },
            ],
        }
    }
}

/// A step is worth a quarter of a shard-hour; savings count for 4 hours.
impl Default for Tradeoff {
    fn default() -> Tradeoff {
        Tradeoff { step_cost_shard_seconds: 900, horizon_seconds: 4 * 3_600 }
    }
}

/// Half a minute a step (awslabs/amazon-kinesis-scaling-utils#87 tells of 45 s and more), three minutes
/// an UpdateShardCount ("a few minutes", the FAQ).
impl Default for Pace {
    fn default() -> Pace {
        Pace { step_seconds: 30, update_seconds: 180 }
    }
}

/// 20 steps a plan; 1,000 merges a day, which only loads reach that never rest: who runs out of merges
/// keeps the shards of the last burst for the rest of the day.
impl Default for Budgets {
    fn default() -> Budgets {
        Budgets { max_steps_per_plan: 20, max_merges_per_day: 1_000 }
    }
}

/// Every plan needs approval and waits 4 hours for it.
impl Default for Approval {
    fn default() -> Approval {
        Approval { required: ApprovalRequired::All, expire_after: Duration::from_secs(4 * 3_600) }
    }
}
