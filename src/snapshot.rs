//! The snapshot: all that a decision may see. Raw facts as AWS told them, so that a recorded
//! snapshot decides again, anywhere, to the same plan hash.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stream::{Shard, ShardId, StreamSummary};

pub use self::consumer::ConsumerId;
pub use self::quarters::{QUARTER_MINUTES, Quarters};
pub use self::series::Series;

mod consumer;
mod quarters;
mod series;

/// The format of recorded snapshots; raised when an older one can no longer be read.
pub const SNAPSHOT_FORMAT: u32 = 2;

/// A stream as it was observed at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// [`SNAPSHOT_FORMAT`] at the time of recording.
    pub format: u32,
    /// AWS's clock when the stream was last described.
    pub observed_at: Timestamp,
    /// `DescribeStreamSummary`.
    pub summary: StreamSummary,
    /// `ListShards` from the start of the look-back: every shard that was open then or since,
    /// closed ones included, in the order of the reply.
    pub shards: Vec<Shard>,
    /// Start of the look-back: max(now − 24 h, now − retention + 15 min, creation of the stream).
    /// What lies before is unknown.
    pub look_back_start: Timestamp,
    /// Which shards were open at some moments of the look-back, oldest first.
    pub past_topologies: Vec<PastTopology>,
    /// The metrics.
    pub metrics: MetricHistory,
    /// AWS's refusal, where it has just refused an UpdateShardCount: in this pass splits and merges
    /// have to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_shard_count_refused: Option<String>,
}

/// The shards that were open at a moment (`ListShards` with `AT_TIMESTAMP`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastTopology {
    /// The moment.
    pub at: Timestamp,
    /// The shards that were open, in hash-key order. Of one moment they are mostly those of the next.
    pub open: Arc<[ShardId]>,
}

/// A minute of the epoch: CloudWatch's finest period for Kinesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minute(pub i64);

impl Minute {
    /// The minute that holds `at`.
    pub fn of(at: Timestamp) -> Minute {
        Minute(at.as_second().div_euclid(60))
    }

    /// The first minute that begins at `at` or later.
    pub fn from_start(at: Timestamp) -> Minute {
        let minute = Minute::of(at);
        if minute.start() == at { minute } else { minute.plus(1) }
    }

    /// The minute `minutes` later.
    pub fn plus(self, minutes: i64) -> Minute {
        Minute(self.0.saturating_add(minutes))
    }

    /// Minutes from `earlier` to this one.
    pub fn since(self, earlier: Minute) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The first instant of the minute.
    pub fn start(self) -> Timestamp {
        Timestamp::from_second(self.0.saturating_mul(60)).unwrap_or(Timestamp::MAX)
    }
}

/// The metrics of a stream over its settled minutes. A metric that was not asked for has no
/// series; a minute without a data point is `None`, which is not zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricHistory {
    /// The first minute that is not settled yet: what series hold of later ones decides nothing.
    pub settled_until: Option<Minute>,
    /// The stream as a whole.
    pub stream: BTreeMap<StreamMetric, Series>,
    /// Shard by shard, closed shards of the look-back included.
    pub shards: BTreeMap<ShardId, BTreeMap<ShardMetric, Series>>,
    /// The lag of each declared consumer in milliseconds.
    pub consumer_lag: BTreeMap<ConsumerId, Series>,
    /// What was written over the last days, where a forecast is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarters: Option<Quarters>,
}

impl MetricHistory {
    /// The known values of a stream-level metric over the newest settled `minutes`.
    pub fn newest(&self, metric: StreamMetric, minutes: u32) -> impl Iterator<Item = u64> {
        let series = self.stream.get(&metric).zip(self.settled_until);
        (1..=i64::from(minutes)).filter_map(move |back| {
            let (series, end) = series?;
            series.at(end.plus(-back))
        })
    }
}

/// The statistic of a metric that reshard reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// The sum over the minute.
    Sum,
    /// The number of samples.
    SampleCount,
    /// The largest sample.
    Maximum,
}

impl Statistic {
    /// AWS's name.
    pub const fn name(self) -> &'static str {
        match self {
            Statistic::Sum => "Sum",
            Statistic::SampleCount => "SampleCount",
            Statistic::Maximum => "Maximum",
        }
    }
}

/// The seven shard-level metrics ("Monitoring Kinesis Data Streams with CloudWatch").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ShardMetric {
    /// Bytes of accepted records.
    IncomingBytes,
    /// Accepted records.
    IncomingRecords,
    /// Bytes read, enhanced fan-out included.
    OutgoingBytes,
    /// Records read, enhanced fan-out included.
    OutgoingRecords,
    /// Rejected records.
    WriteProvisionedThroughputExceeded,
    /// Throttled GetRecords calls.
    ReadProvisionedThroughputExceeded,
    /// Age of the last record read, in milliseconds; 0 when the reader is at the tip.
    IteratorAgeMilliseconds,
}

impl ShardMetric {
    /// All seven.
    pub const ALL: [ShardMetric; 7] = [
        ShardMetric::IncomingBytes,
        ShardMetric::IncomingRecords,
        ShardMetric::OutgoingBytes,
        ShardMetric::OutgoingRecords,
        ShardMetric::WriteProvisionedThroughputExceeded,
        ShardMetric::ReadProvisionedThroughputExceeded,
        ShardMetric::IteratorAgeMilliseconds,
    ];
    /// The three that every decision on shards needs.
    pub const INGEST: [ShardMetric; 3] = [
        ShardMetric::IncomingBytes,
        ShardMetric::IncomingRecords,
        ShardMetric::WriteProvisionedThroughputExceeded,
    ];

    /// AWS's name, also in `EnableEnhancedMonitoring`.
    pub const fn name(self) -> &'static str {
        match self {
            ShardMetric::IncomingBytes => "IncomingBytes",
            ShardMetric::IncomingRecords => "IncomingRecords",
            ShardMetric::OutgoingBytes => "OutgoingBytes",
            ShardMetric::OutgoingRecords => "OutgoingRecords",
            ShardMetric::WriteProvisionedThroughputExceeded => "WriteProvisionedThroughputExceeded",
            ShardMetric::ReadProvisionedThroughputExceeded => "ReadProvisionedThroughputExceeded",
            ShardMetric::IteratorAgeMilliseconds => "IteratorAgeMilliseconds",
        }
    }

    /// The statistic that is read.
    pub const fn statistic(self) -> Statistic {
        match self {
            ShardMetric::IteratorAgeMilliseconds => Statistic::Maximum,
            _ => Statistic::Sum,
        }
    }
}

/// The stream-level metrics that are read; they cost nothing to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StreamMetric {
    /// Bytes of accepted records.
    IncomingBytes,
    /// Accepted records.
    IncomingRecords,
    /// Rejected records.
    WriteProvisionedThroughputExceeded,
    /// Throttled GetRecords calls.
    ReadProvisionedThroughputExceeded,
    /// Bytes that polling consumers read; enhanced fan-out has metrics of its own.
    GetRecordsBytes,
    /// Records that polling consumers read.
    GetRecordsRecords,
    /// Successful GetRecords calls.
    GetRecordsSuccess,
    /// GetRecords calls, successful or not: the sample count of `GetRecords.Success`. That one
    /// sample stands for one call is stated for PutRecord.Success and inferred for this metric;
    /// this is the one place that decides it, and the report says so.
    GetRecordsCalls,
    /// The slowest GetRecords call, in milliseconds.
    GetRecordsLatency,
    /// Age of the last record read, over all shards and pollers, in milliseconds.
    GetRecordsIteratorAgeMilliseconds,
}

impl StreamMetric {
    /// All of them.
    pub const ALL: [StreamMetric; 10] = [
        StreamMetric::IncomingBytes,
        StreamMetric::IncomingRecords,
        StreamMetric::WriteProvisionedThroughputExceeded,
        StreamMetric::ReadProvisionedThroughputExceeded,
        StreamMetric::GetRecordsBytes,
        StreamMetric::GetRecordsRecords,
        StreamMetric::GetRecordsSuccess,
        StreamMetric::GetRecordsCalls,
        StreamMetric::GetRecordsLatency,
        StreamMetric::GetRecordsIteratorAgeMilliseconds,
    ];
    /// Those about writes, in the order of [`ShardMetric::INGEST`].
    pub const INGEST: [StreamMetric; 3] = [
        StreamMetric::IncomingBytes,
        StreamMetric::IncomingRecords,
        StreamMetric::WriteProvisionedThroughputExceeded,
    ];
    /// Those that tell whether a calm stream is worth a closer look.
    pub const WATCHED: [StreamMetric; 4] = [
        StreamMetric::IncomingBytes,
        StreamMetric::IncomingRecords,
        StreamMetric::WriteProvisionedThroughputExceeded,
        StreamMetric::GetRecordsBytes,
    ];

    /// AWS's name.
    pub const fn name(self) -> &'static str {
        match self {
            StreamMetric::IncomingBytes => "IncomingBytes",
            StreamMetric::IncomingRecords => "IncomingRecords",
            StreamMetric::WriteProvisionedThroughputExceeded => "WriteProvisionedThroughputExceeded",
            StreamMetric::ReadProvisionedThroughputExceeded => "ReadProvisionedThroughputExceeded",
            StreamMetric::GetRecordsBytes => "GetRecords.Bytes",
            StreamMetric::GetRecordsRecords => "GetRecords.Records",
            StreamMetric::GetRecordsSuccess | StreamMetric::GetRecordsCalls => "GetRecords.Success",
            StreamMetric::GetRecordsLatency => "GetRecords.Latency",
            StreamMetric::GetRecordsIteratorAgeMilliseconds => "GetRecords.IteratorAgeMilliseconds",
        }
    }

    /// The statistic that is read.
    pub const fn statistic(self) -> Statistic {
        match self {
            StreamMetric::GetRecordsCalls => Statistic::SampleCount,
            StreamMetric::GetRecordsLatency | StreamMetric::GetRecordsIteratorAgeMilliseconds => {
                Statistic::Maximum
            }
            _ => Statistic::Sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_of_an_instant_is_floored() {
        for (second, minute) in [(0, 0), (59, 0), (60, 1), (-1, -1)] {
            let at = Timestamp::from_second(second).expect("in range");
            assert_eq!(Minute::of(at), Minute(minute));
        }
    }
}
