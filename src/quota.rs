//! The ceilings of Kinesis and CloudWatch, each with its source. No other file knows these numbers.
//!
//! Sources: Q is "Quotas and limits" of the Kinesis Data Streams Developer Guide
//! (docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html), API the Kinesis Data
//! Streams API Reference, CWQ "CloudWatch service quotas" of the CloudWatch User Guide.

use serde::{Deserialize, Serialize};

/// Bytes a second that a shard takes in. AWS says 1 MB in some places (Q) and 1 MiB in others;
/// we plan with the lower.
pub const SHARD_WRITE_BYTES_PER_SECOND: u64 = 1_000_000;
/// Records a second that a shard takes in (Q).
pub const SHARD_WRITE_RECORDS_PER_SECOND: u64 = 1_000;
/// Bytes a second that the polling consumers of a shard share (Q: 2 MB).
pub const SHARD_READ_BYTES_PER_SECOND: u64 = 2_000_000;
/// GetRecords calls a second that the polling consumers of a shard share (Q).
pub const SHARD_READ_CALLS_PER_SECOND: u64 = 5;

/// The fewest shards that reshard leaves a stream with.
pub const MIN_SHARDS: u32 = 1;
/// The most shards that reshard gives a stream: a bound of this product, far below AWS's own
/// (10,000 for UpdateShardCount; API).
pub const MAX_SHARDS: u32 = 200;

/// SplitShard and MergeShards calls a second. Q counts them per stream, API per account; the
/// stricter reading is used.
pub const RESHARD_CALLS_PER_SECOND: u32 = 5;
/// UpdateShardCount calls of a stream in any 24 hours (API), each to at most double and at least half
/// the shards.
pub const UPDATE_SHARD_COUNT_CALLS_PER_DAY: u32 = 10;
/// UpdateShardCount calls a second of an account (API).
pub const UPDATE_SHARD_COUNT_CALLS_PER_SECOND: u32 = 10;
/// DescribeStreamSummary calls a second of an account (Q).
pub const DESCRIBE_STREAM_SUMMARY_CALLS_PER_SECOND: u32 = 20;
/// DescribeLimits calls a second of an account (Q).
pub const DESCRIBE_LIMITS_CALLS_PER_SECOND: u32 = 1;
/// Shards in one page of ListShards at the most (API).
pub const LIST_SHARDS_PAGE: i32 = 1_000;
/// Enable- and DisableEnhancedMonitoring calls a second of a stream (Q).
pub const ENHANCED_MONITORING_CALLS_PER_SECOND: u32 = 5;
/// Streams of one account and region that reshard at once. AWS names no number; this is ours.
pub const CONCURRENT_RESHARDS_PER_REGION: u32 = 5;

/// MetricDataQueries in one GetMetricData call at the most (CWQ).
pub const GET_METRIC_DATA_QUERIES: usize = 500;
/// Data points in one GetMetricData reply at the most (CWQ).
pub const GET_METRIC_DATA_POINTS: usize = 100_800;
/// GetMetricData calls a second of an account (CWQ).
pub const GET_METRIC_DATA_CALLS_PER_SECOND: u32 = 50;
/// Data points a second that an account may ask for by GetMetricData, whether there are so many or
/// not, where the start lies at most [`RECENT_DATA_POINTS_HOURS`] back (CWQ).
pub const RECENT_DATA_POINTS_PER_SECOND: u32 = 180_000;
/// The same where it lies further back (CWQ).
pub const OLDER_DATA_POINTS_PER_SECOND: u32 = 396_000;
/// Hours up to which a start is recent (CWQ).
pub const RECENT_DATA_POINTS_HOURS: i64 = 3;

/// Of each rate of an account reshard takes one part in so many: others live on the rest.
pub const SHARE_OF_ACCOUNT: u32 = 5;
/// The same while there is something that was never read before, as after a start: it is over in
/// minutes, and nothing can be decided until then.
pub const SHARE_OF_ACCOUNT_AT_FIRST: u32 = 2;

/// Registered enhanced fan-out consumers of a stream at the most (Q; 50 with On-demand Advantage).
pub const FAN_OUT_CONSUMERS: u32 = 20;
/// Invocations of its transform function that a Firehose delivery stream has under way for one shard
/// at the most ("Amazon Data Firehose Quota"; 10 where the destination is Splunk).
pub const FIREHOSE_TRANSFORMS_PER_SHARD: u32 = 5;
/// Bytes of a batch for a transform function at the most ("Transform source data in Amazon Data
/// Firehose": 3 MB).
pub const FIREHOSE_TRANSFORM_BATCH_BYTES: u32 = 3 << 20;
/// Concurrent executions of an account's Lambda functions in a region, unless AWS granted more
/// ("Lambda quotas").
pub const LAMBDA_CONCURRENT_EXECUTIONS: u32 = 1_000;

/// A child range narrower than this share of the space (1/4096) is not split any further: heat
/// that sits in so few keys sits in one key, as far as a split can tell.
pub const NARROWEST_SPLIT_SHARE: u32 = 4_096;

/// What a shard can run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dimension {
    /// Bytes written a second.
    IngestBytes,
    /// Records written a second.
    IngestRecords,
    /// Bytes read a second by polling consumers. Enhanced fan-out never counts.
    ReadBytes,
    /// GetRecords calls a second. Every poller polls every shard, so no split relieves it.
    ReadCalls,
}

impl Dimension {
    /// All four.
    pub const ALL: [Dimension; 4] =
        [Dimension::IngestBytes, Dimension::IngestRecords, Dimension::ReadBytes, Dimension::ReadCalls];
    /// Those that a split relieves and a merge adds up.
    pub const SPLITTABLE: [Dimension; 3] =
        [Dimension::IngestBytes, Dimension::IngestRecords, Dimension::ReadBytes];

    /// The ceiling of one shard, in bytes, records or calls a second.
    pub const fn ceiling_per_second(self) -> u64 {
        match self {
            Dimension::IngestBytes => SHARD_WRITE_BYTES_PER_SECOND,
            Dimension::IngestRecords => SHARD_WRITE_RECORDS_PER_SECOND,
            Dimension::ReadBytes => SHARD_READ_BYTES_PER_SECOND,
            Dimension::ReadCalls => SHARD_READ_CALLS_PER_SECOND,
        }
    }

    /// The name as people read it.
    pub const fn label(self) -> &'static str {
        match self {
            Dimension::IngestBytes => "ingest bytes",
            Dimension::IngestRecords => "ingest records",
            Dimension::ReadBytes => "read bytes",
            Dimension::ReadCalls => "read calls",
        }
    }
}
