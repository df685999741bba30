//! The fields that bound what is done: rates, costs, budgets, approval.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::{self, ApprovalRequired, RateAmount, ScalingRules, SelectPolicy, defaults};
use crate::resource::duration::DurationText;
#[cfg(feature = "operator")]
use crate::resource::{ranges, schema};

/// How fast shards are added and removed. Counts are net: a split and a merge cancel out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Behavior {
    /// How fast shards are added.
    pub scale_up: ScaleUp,
    /// How fast shards are removed.
    pub scale_down: ScaleDown,
}

/// How fast shards are added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ScaleUp {
    /// The span over which the lowest recommendation counts, in seconds, 0 to 82800. Default: 0.
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::STABILIZATION_SECONDS)))]
    pub stabilization_window_seconds: i64,
    /// Which of the policies counts: `Max`, the one that allows the most; `Min`, the one that
    /// allows the least; `Disabled`, no shards are added. Default: `Max`.
    pub select_policy: SelectPolicy,
    /// How many shards may be added in a period. An empty list sets no limit; at most 10.
    /// Default: 100 % or 8 shards in 300 seconds.
    #[cfg_attr(feature = "operator", schemars(transform = schema::list(ranges::MOST_RATE_POLICIES)))]
    pub policies: Vec<RatePolicy>,
}

impl Default for ScaleUp {
    fn default() -> ScaleUp {
        let rules = ScalingRules::scale_up();
        ScaleUp {
            stabilization_window_seconds: seconds(rules.stabilization_window),
            select_policy: rules.select_policy,
            policies: rules.policies.into_iter().map(RatePolicy::from).collect(),
        }
    }
}

/// How fast shards are removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ScaleDown {
    /// The span over which the highest load counts, the less the longer ago, in seconds, 0 to 82800. Default: 2400.
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::STABILIZATION_SECONDS)))]
    pub stabilization_window_seconds: i64,
    /// Which of the policies counts: `Max`, the one that allows the most; `Min`, the one that
    /// allows the least; `Disabled`, no shards are removed. Default: `Max`.
    pub select_policy: SelectPolicy,
    /// How far below its target a merged shard must stay, as a share of the target, 0 to 0.9.
    /// Default: 0.05, which merges up to 95 % of the target.
    #[cfg_attr(feature = "operator", schemars(transform = schema::number(ranges::TOLERANCE)))]
    pub tolerance: f64,
    /// How many shards may be removed in a period. An empty list sets no limit; at most 10.
    /// Default: 50 % or 4 shards in 900 seconds.
    #[cfg_attr(feature = "operator", schemars(transform = schema::list(ranges::MOST_RATE_POLICIES)))]
    pub policies: Vec<RatePolicy>,
}

impl Default for ScaleDown {
    fn default() -> ScaleDown {
        let rules = ScalingRules::scale_down();
        ScaleDown {
            stabilization_window_seconds: seconds(rules.stabilization_window),
            select_policy: rules.select_policy,
            tolerance: f64::from(defaults::TOLERANCE_MILLIONTHS) / 1e6,
            policies: rules.policies.into_iter().map(RatePolicy::from).collect(),
        }
    }
}

/// How many shards may be added or removed in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "operator",
    schemars(transform = schema::rule(
        format!("self.type != 'Shards' || self.value <= {}", ranges::SHARDS.end()),
        format!("must not be more than {} shards", ranges::SHARDS.end()),
    ).at(".value")),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RatePolicy {
    /// What `value` counts.
    pub r#type: RatePolicyType,
    /// The change: 1 to 1000 percent of the shards at the period's start, or 1 to 200 shards.
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::CHANGE_PERCENT)))]
    pub value: i64,
    /// The period, looking back from now, in seconds, 1 to 86400.
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::PERIOD_SECONDS)))]
    pub period_seconds: i64,
}

impl From<policy::RatePolicy> for RatePolicy {
    fn from(policy: policy::RatePolicy) -> RatePolicy {
        let (r#type, value) = match policy.amount {
            RateAmount::Percent(percent) => (RatePolicyType::Percent, percent),
            RateAmount::Shards(shards) => (RatePolicyType::Shards, shards),
        };
        RatePolicy { r#type, value: i64::from(value), period_seconds: seconds(policy.period) }
    }
}

/// What the value of a [`RatePolicy`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum RatePolicyType {
    /// Percent of the shards at the period's start, rounded up.
    Percent,
    /// Shards.
    Shards,
}

/// What a step is worth beside what shards cost: a plan minimises
/// `shards × horizon + steps × stepCost`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tradeoff {
    /// What one split or merge is worth, in shard-hours, 0 to 100. Default: 0.25.
    #[cfg_attr(feature = "operator", schemars(transform = schema::number(ranges::STEP_COST)))]
    pub step_cost: f64,
    /// The time over which what shards cost counts, 5m to 720h. Default: 4h.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::HORIZON)))]
    pub horizon: DurationText,
}

impl Default for Tradeoff {
    fn default() -> Tradeoff {
        let policy::Tradeoff { step_cost_shard_seconds, horizon_seconds } = policy::Tradeoff::default();
        Tradeoff {
            step_cost: step_cost_shard_seconds as f64 / 3_600.0,
            horizon: Duration::from_secs(horizon_seconds).into(),
        }
    }
}

/// How long changes of the shards take. AWS tells of neither: measure, where it matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pace {
    /// One split or merge, 1s to 10m. Default: 30s.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::STEP_TIME)))]
    pub step: DurationText,
    /// One UpdateShardCount, 10s to 2h. Default: 3m.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::UPDATE_TIME)))]
    pub update_shard_count: DurationText,
}

impl Default for Pace {
    fn default() -> Pace {
        let policy::Pace { step_seconds, update_seconds } = policy::Pace::default();
        Pace {
            step: Duration::from_secs(step_seconds).into(),
            update_shard_count: Duration::from_secs(update_seconds).into(),
        }
    }
}

/// How much may be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Budgets {
    /// Steps in one plan, 1 to 400. Default: 20.
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::STEPS_PER_PLAN)))]
    pub max_steps_per_plan: i64,
    /// Merges in the last 24 hours, whoever did them, 0 to 10000. Default: 1000.
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::MERGES_PER_DAY)))]
    pub max_merges_per_day: i64,
}

impl Default for Budgets {
    fn default() -> Budgets {
        let policy::Budgets { max_steps_per_plan, max_merges_per_day } = policy::Budgets::default();
        Budgets {
            max_steps_per_plan: i64::from(max_steps_per_plan),
            max_merges_per_day: i64::from(max_merges_per_day),
        }
    }
}

/// What needs approval in mode `Approve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Approval {
    /// `All`: every plan; `ScaleDown`: those with a merge, heat does not wait. Default: `All`.
    pub required: ApprovalRequired,
    /// How long a proposal may be approved and begun, 1m to 168h. Default: 4h.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::EXPIRE_AFTER)))]
    pub expire_after: DurationText,
}

impl Default for Approval {
    fn default() -> Approval {
        let policy::Approval { required, expire_after } = policy::Approval::default();
        Approval { required, expire_after: expire_after.into() }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
