//! What a stream and its shards do within a minute, and its publication at the minute's end.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{MetricStore, SeriesId};
use crate::simulator::api::{Dimension, Metric, StatisticSet};
use crate::simulator::stream::Stream;
use crate::snapshot::{Minute, ShardMetric};

/// The namespace of the service's own metrics.
pub(in crate::simulator) const KINESIS: &str = "AWS/Kinesis";

/// The seven shard-level metrics of the current minute, in the order of [`ShardMetric::ALL`].
#[derive(Debug, Clone)]
pub(in crate::simulator) struct ShardMinute([StatisticSet; 7]);

impl Default for ShardMinute {
    fn default() -> Self {
        ShardMinute([StatisticSet::EMPTY; 7])
    }
}

impl ShardMinute {
    /// The samples of `metric`.
    pub fn of(&mut self, metric: ShardMetric) -> &mut StatisticSet {
        &mut self.0[metric as usize]
    }
}

/// The stream-level metrics that are not sums of the shards', by AWS's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::simulator) enum CallMetric {
    GetRecordsBytes,
    GetRecordsIteratorAge,
    GetRecordsLatency,
    GetRecordsRecords,
    GetRecordsSuccess,
    PutRecordBytes,
    PutRecordLatency,
    PutRecordSuccess,
    PutRecordsBytes,
    PutRecordsLatency,
    PutRecordsSuccess,
    PutRecordsTotal,
    PutRecordsSuccessful,
    PutRecordsFailed,
    PutRecordsThrottled,
}

impl CallMetric {
    const fn name(self) -> &'static str {
        match self {
            CallMetric::GetRecordsBytes => "GetRecords.Bytes",
            CallMetric::GetRecordsIteratorAge => "GetRecords.IteratorAgeMilliseconds",
            CallMetric::GetRecordsLatency => "GetRecords.Latency",
            CallMetric::GetRecordsRecords => "GetRecords.Records",
            CallMetric::GetRecordsSuccess => "GetRecords.Success",
            CallMetric::PutRecordBytes => "PutRecord.Bytes",
            CallMetric::PutRecordLatency => "PutRecord.Latency",
            CallMetric::PutRecordSuccess => "PutRecord.Success",
            CallMetric::PutRecordsBytes => "PutRecords.Bytes",
            CallMetric::PutRecordsLatency => "PutRecords.Latency",
            CallMetric::PutRecordsSuccess => "PutRecords.Success",
            CallMetric::PutRecordsTotal => "PutRecords.TotalRecords",
            CallMetric::PutRecordsSuccessful => "PutRecords.SuccessfulRecords",
            CallMetric::PutRecordsFailed => "PutRecords.FailedRecords",
            CallMetric::PutRecordsThrottled => "PutRecords.ThrottledRecords",
        }
    }
}

/// Everything else that a stream publishes, of the current minute.
#[derive(Debug, Default)]
pub(in crate::simulator) struct StreamMinute {
    calls: BTreeMap<CallMetric, StatisticSet>,
    consumers: BTreeMap<Metric, StatisticSet>,
}

impl StreamMinute {
    /// The samples of `metric`.
    pub fn of(&mut self, metric: CallMetric) -> &mut StatisticSet {
        self.calls.entry(metric).or_insert(StatisticSet::EMPTY)
    }

    /// Adds to a metric of a consumer.
    pub fn merge_consumer(&mut self, metric: &Metric, samples: &StatisticSet) {
        if samples.is_empty() {
            return;
        }
        if let Some(known) = self.consumers.get_mut(metric) {
            known.merge(samples);
        } else {
            self.consumers.insert(metric.clone(), *samples);
        }
    }
}

/// The handles of a shard's seven series.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct ShardSeries([SeriesId; 7]);

/// Stream-level metrics that sum the shards'. Outgoing traffic is not among them: at stream level
/// AWS has `GetRecords.Bytes` and `GetRecords.Records` instead.
const SUMMED: [ShardMetric; 4] = [
    ShardMetric::IncomingBytes,
    ShardMetric::IncomingRecords,
    ShardMetric::WriteProvisionedThroughputExceeded,
    ShardMetric::ReadProvisionedThroughputExceeded,
];

/// AWS keeps points of a minute for 15 days ("CloudWatch concepts"): decisions look at weeks of a stream's writes.
const KEPT_BY_AWS_MINUTES: i64 = 15 * 24 * 60;

impl MetricStore {
    /// Publishes what `stream` did in the minute that ends at `end`. A shard's metrics are published
    /// if they have been turned on since before the minute began.
    pub fn publish(&mut self, stream: &mut Stream, end: Timestamp, retention: SignedDuration) {
        let minute = Minute(end.as_second().div_euclid(60) - 1);
        let retention_minutes = retention.as_secs() / 60;
        let mut sums = ShardMinute::default();
        let dimension = |name: &str, value: &str| Dimension::new(name, value);
        for shard in &mut stream.shards {
            if shard.minute.0.iter().all(StatisticSet::is_empty) {
                continue;
            }
            let id = shard.id();
            for metric in ShardMetric::ALL {
                let samples = std::mem::replace(shard.minute.of(metric), StatisticSet::EMPTY);
                sums.of(metric).merge(&samples);
                let on = stream.monitored.get(&metric).is_some_and(|since| *since <= minute.start());
                if !on || samples.is_empty() {
                    continue;
                }
                let series = shard.series.get_or_insert_with(|| {
                    ShardSeries(ShardMetric::ALL.map(|metric| {
                        self.series(Metric {
                            namespace: KINESIS.to_owned(),
                            metric_name: metric.name().to_owned(),
                            dimensions: vec![
                                dimension("ShardId", &id),
                                dimension("StreamName", &stream.name),
                            ],
                        })
                    }))
                });
                let id = series.0[metric as usize];
                self.record(id, minute, &samples, retention_minutes);
            }
        }
        let own = |name: &'static str| Metric {
            namespace: KINESIS.to_owned(),
            metric_name: name.to_owned(),
            dimensions: vec![dimension("StreamName", &stream.name)],
        };
        for metric in SUMMED {
            let id = self.series(own(metric.name()));
            self.record(id, minute, sums.of(metric), retention_minutes.max(KEPT_BY_AWS_MINUTES));
        }
        for (metric, samples) in &mut stream.minute.calls {
            let id = self.series(own(metric.name()));
            self.record(id, minute, samples, retention_minutes);
            *samples = StatisticSet::EMPTY;
        }
        for (metric, samples) in &mut stream.minute.consumers {
            let id = self.series(metric.clone());
            self.record(id, minute, samples, retention_minutes);
            *samples = StatisticSet::EMPTY;
        }
    }
}
