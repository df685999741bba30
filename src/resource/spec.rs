//! The fields of `spec`, as the user guide and the custom resource definition describe them.
//!
//! Numbers are signed and wide, durations and names are text: what is out of range is to be
//! reported with its path and beside the other faults, not by the first decoder that meets it.

use serde::{Deserialize, Serialize};

pub use self::limits::*;
pub use self::readers::*;
use super::duration::DurationText;
#[cfg(feature = "operator")]
use super::{ranges, schema};
use crate::load::Load;
use crate::policy::{self, EnhancedMonitoring, MetricsSource, Mode, UpdateShardCount, defaults};

mod limits;
mod readers;

/// What is wanted for one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "operator",
    schemars(transform = schema::rule(
        "self.minShards <= self.maxShards",
        "must not be more than maxShards",
    ).at(".minShards")),
    schemars(transform = schema::rule(
        "!has(self.schedules) || self.schedules.all(s, !has(s.minShards) || s.minShards <= self.maxShards)",
        "no schedule may have more minShards than maxShards",
    ).at(".schedules")),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KinesisStreamAutoscalerSpec {
    /// The stream, by name or by ARN. Cannot be changed.
    pub stream_ref: StreamReference,
    /// How AWS is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsAccess>,
    /// What is done with a plan: `DryRun` shows it, `Approve` carries it out once its hash has
    /// been approved, `Apply` carries it out. Default: `DryRun`.
    #[serde(default = "mode")]
    pub mode: Mode,
    /// While true, nothing is done to the stream. Default: false.
    #[serde(default)]
    pub suspend: bool,
    /// Time between two looks at the stream, 10s to 1h. Looks come at whole multiples of it by AWS's clock: with
    /// whole minutes, as soon as another minute's metrics are settled. Default: 60s.
    #[serde(default = "interval")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::INTERVAL)))]
    pub interval: DurationText,
    /// The fewest shards, 1 to `maxShards`. Default: 1.
    #[serde(default = "min_shards")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::SHARDS)))]
    pub min_shards: i64,
    /// The most shards, `minShards` to 200.
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::SHARDS)))]
    pub max_shards: i64,
    /// How full a shard may be.
    #[serde(default)]
    pub targets: Targets,
    /// Which metrics decide.
    #[serde(default)]
    pub metrics: Metrics,
    /// How fast shards are added and removed, in the words of the HorizontalPodAutoscaler.
    #[serde(default)]
    pub behavior: Behavior,
    /// What a step is worth beside what shards cost.
    #[serde(default)]
    pub tradeoff: Tradeoff,
    /// How much may be done.
    #[serde(default)]
    pub budgets: Budgets,
    /// How long changes of the shards take.
    #[serde(default)]
    pub pace: Pace,
    /// Whether UpdateShardCount may be called: `Never`; `Emergency`, for heat that splits are too slow
    /// for; `Auto`, also for what the last days let expect, which merges wait for then. Its IAM action cannot be scoped to
    /// one stream. Default: `Never`.
    #[serde(default = "update_shard_count")]
    pub update_shard_count: UpdateShardCount,
    /// Whether a shard that must be split is cut so that a neighbour with room can take one part, by a merge
    /// that follows once the part is measured: fewer shards for more steps, of which a plan shows the first.
    /// Default: false.
    #[serde(default = "hand_overs")]
    pub hand_overs: bool,
    /// What needs approval in mode `Approve`, and for how long a proposal stands.
    #[serde(default)]
    pub approval: Approval,
    /// Who reads the stream. Without any, the readers are derived from metrics. At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::keyed_list(ranges::MOST_CONSUMERS, &["name", "type"])))]
    pub consumers: Vec<Consumer>,
    /// What the consumers' lag forbids.
    #[serde(default)]
    pub lag_guard: LagGuard,
    /// Times with other bounds. Where several hold, the highest `minShards` and the narrowest
    /// `allow` count. At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::keyed_list(ranges::MOST_SCHEDULES, &["name"])))]
    pub schedules: Vec<Schedule>,
}

impl KinesisStreamAutoscalerSpec {
    /// A spec that says no more than it must.
    pub fn new(stream: impl Into<String>, max_shards: u32) -> KinesisStreamAutoscalerSpec {
        KinesisStreamAutoscalerSpec {
            stream_ref: StreamReference { name: Some(stream.into()), ..StreamReference::default() },
            aws: None,
            mode: mode(),
            suspend: false,
            interval: interval(),
            min_shards: min_shards(),
            max_shards: i64::from(max_shards),
            targets: Targets::default(),
            metrics: Metrics::default(),
            behavior: Behavior::default(),
            tradeoff: Tradeoff::default(),
            budgets: Budgets::default(),
            pace: Pace::default(),
            update_shard_count: update_shard_count(),
            hand_overs: hand_overs(),
            approval: Approval::default(),
            consumers: Vec::new(),
            lag_guard: LagGuard::default(),
            schedules: Vec::new(),
        }
    }
}

fn mode() -> Mode {
    defaults::MODE
}

fn interval() -> DurationText {
    defaults::INTERVAL.into()
}

fn hand_overs() -> bool {
    defaults::HAND_OVERS
}

fn update_shard_count() -> UpdateShardCount {
    defaults::UPDATE_SHARD_COUNT
}

fn min_shards() -> i64 {
    i64::from(defaults::MIN_SHARDS)
}

/// A stream: its name or its ARN, never both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "operator",
    schemars(transform = schema::rule(
        "has(self.name) != has(self.arn)",
        "give either name or arn",
    )),
    schemars(transform = schema::rule(
        "!has(self.arn) || !has(self.region) || self.arn.contains(':kinesis:' + self.region + ':')",
        "must be the region in the ARN: leave it out",
    ).at(".region")),
    schemars(transform = schema::rule(
        "self == oldSelf",
        "cannot be changed: what is known of one stream says nothing about another; make a new resource",
    )),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamReference {
    /// The stream's name: letters, digits, `_`, `.` and `-`, at most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::STREAM_NAME, 128)))]
    pub name: Option<String>,
    /// The stream's ARN: `arn:aws:kinesis:<region>:<account>:stream/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::STREAM_ARN, 256)))]
    pub arn: Option<String>,
    /// The region, such as `eu-west-1`. Default: the ARN's, else the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::REGION, 64)))]
    pub region: Option<String>,
}

/// How AWS is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsAccess {
    /// The role to assume before any call: `arn:aws:iam::<account>:role/<path and name>`.
    /// Default: none, the credentials are used as they are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::ROLE_ARN, 640)))]
    pub role_arn: Option<String>,
}

/// How full a shard may be in each dimension, in percent of the shard's ceiling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Targets {
    /// Bytes written, of 1 MB/s. Default: 95.
    pub ingest_bytes: Target,
    /// Records written, of 1,000 a second. Default: 95.
    pub ingest_records: Target,
    /// Bytes read by the polling consumers together, of 2 MB/s. Default: 95.
    pub read_bytes: Target,
    /// GetRecords calls, of 5 a second. No split relieves them: above it there is a verdict only.
    /// Default: 80.
    pub read_calls: CallsTarget,
}

impl Default for Targets {
    fn default() -> Targets {
        let policy::Targets { limits, learned: _, read_calls } = policy::Targets::default();
        Targets {
            ingest_bytes: limits.ingest_bytes.into(),
            ingest_records: limits.ingest_records.into(),
            read_bytes: limits.read_bytes.into(),
            read_calls: CallsTarget { utilization: whole_percent(read_calls) },
        }
    }
}

/// How full a shard may be in one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// A whole percentage of the ceiling, 1 to 100; or `Auto`: as full as it was worth on the stream's own last day,
    /// by how much the load grew within minutes and the price of rejecting (95 until a quarter of a day is known).
    #[cfg_attr(
        feature = "operator",
        schemars(with = "i64", transform = schema::whole_or(ranges::TARGET_PERCENT, Utilization::AUTO))
    )]
    pub utilization: Utilization,
}

/// How many calls a shard may be read by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallsTarget {
    /// A whole percentage of the ceiling, 1 to 100.
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::TARGET_PERCENT)))]
    pub utilization: i64,
}

impl From<Load> for Target {
    fn from(load: Load) -> Target {
        Target { utilization: Utilization::Percent(whole_percent(load)) }
    }
}

fn whole_percent(load: Load) -> i64 {
    i64::try_from(load.0 / Load::from_percent(1).0).unwrap_or(i64::MAX)
}

/// Which metrics decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metrics {
    /// `Shard` reads each shard's metrics; `Stream` spreads the stream's load evenly over the key
    /// space, which is the owner's word that the keys are even. Default: `Shard`.
    pub source: MetricsSource,
    /// The span over which demand is averaged: whole minutes, 1m to 60m. Default: 1m.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::WINDOW)))]
    pub window: DurationText,
    /// How old the newest minute that CloudWatch has told of may be: it may come so late, and after that nothing is done
    /// that a load would have to justify. 3m to 1h. Default: 5m.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::MAX_AGE)))]
    pub max_age: DurationText,
    /// What happens where shard metrics are off: `Require` holds and says how to turn them on,
    /// `Manage` turns them on as a priced step. Default: `Require`.
    pub enhanced_monitoring: EnhancedMonitoring,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let policy::MetricsPolicy { source, window_minutes, max_age, enhanced_monitoring } =
            policy::MetricsPolicy::default();
        let window = std::time::Duration::from_secs(60 * u64::from(window_minutes));
        Metrics { source, window: window.into(), max_age: max_age.into(), enhanced_monitoring }
    }
}
