//! What goes wrong on purpose: refused calls, lost replies, stale listings, endless reshards, and
//! metrics that are missing, late, partial or nonsense. Scripted, and seeded where chance has a part.

use jiff::{SignedDuration, Timestamp};

use super::ApiError;

/// The operations that a fault can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "these are AWS's own names")]
pub enum Operation {
    CreateStream,
    DeleteStream,
    DescribeStreamSummary,
    DescribeStream,
    ListStreams,
    ListShards,
    SplitShard,
    MergeShards,
    UpdateShardCount,
    UpdateStreamMode,
    IncreaseStreamRetentionPeriod,
    DecreaseStreamRetentionPeriod,
    EnableEnhancedMonitoring,
    DisableEnhancedMonitoring,
    DescribeLimits,
    AddTagsToStream,
    RemoveTagsFromStream,
    ListTagsForStream,
    RegisterStreamConsumer,
    DeregisterStreamConsumer,
    ListStreamConsumers,
    PutRecord,
    PutRecords,
    GetShardIterator,
    GetRecords,
    GetMetricData,
    ListMetrics,
    PutMetricData,
}

/// Which calls of an operation a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// The n-th from when the fault was set, counted from 1.
    Nth(u64),
    /// All.
    Always,
    /// Those between the two moments (the second excluded).
    During(Timestamp, Timestamp),
    /// Each with this chance, 0 to 1, drawn from the seed.
    Chance(f64),
}

/// What happens to a call that a fault strikes.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// It is refused with this error and has no effect.
    Refuse(ApiError),
    /// It takes effect, and the caller gets [`super::ApiErrorCode::ReplyLost`].
    LoseReply,
    /// It has no effect, and the caller gets [`super::ApiErrorCode::ReplyLost`].
    LoseRequest,
    /// ListShards tells what it would have told so long ago.
    Stale(SignedDuration),
    /// The change that it starts takes so long.
    Takes(SignedDuration),
}

/// A scripted fault of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Whose calls.
    pub operation: Operation,
    /// Which of them.
    pub when: When,
    /// What happens.
    pub effect: Effect,
}

/// What happens to metrics when they are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricEffect {
    /// There is no value.
    Missing,
    /// Values come so much later.
    Late(SignedDuration),
    /// Values are this share of the truth.
    Scaled(f64),
    /// Values are not numbers.
    NotANumber,
    /// Values are negated.
    Negative,
    /// A data point with a time stamp this far in the future comes besides.
    Future(SignedDuration),
    /// The query's status is `PartialData` and half its points are gone.
    PartialData,
}

/// A scripted fault of metrics, for those minutes that begin within `from..until`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricFault {
    /// Only this metric; `None`: all.
    pub metric_name: Option<String>,
    /// Only series with a dimension of this value (a stream's, shard's or consumer's name); `None`: all.
    pub dimension_value: Option<String>,
    /// The first minute.
    pub from: Timestamp,
    /// The first minute that is sound again.
    pub until: Timestamp,
    /// With what chance a minute is struck, 0 to 1, drawn from the seed.
    pub chance: f64,
    /// What happens.
    pub effect: MetricEffect,
}
