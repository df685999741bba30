//! The load's consumers: a read position in each shard, in bytes, and what reading costs the shard.
//!
//! A consumer reads a shard only after it has read that shard's parents to their end, as the Kinesis
//! Client Library, Lambda and Firehose do.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::Config;
use super::api::{Dimension, Metric, StatisticSet};
use super::metrics::minute::{CallMetric, KINESIS};
use super::records::{CALL_BYTES, CALL_RECORDS, READ_LATENCY_MILLISECONDS};
use super::stream::{Shard, Stream};
use super::workload::{Consumer, ConsumerKind};
use crate::snapshot::{Minute, ShardMetric};

/// Bytes a second of an enhanced fan-out consumer and shard (quota page: 2 MB).
const FAN_OUT_BYTES_PER_SECOND: u64 = 2 << 20;

/// What was written to a shard over time, in bytes since it opened, and how far each consumer has
/// read.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    written: u64,
    /// Bytes before these have left the retention.
    trimmed: u64,
    /// Minutes in which something was written, with what had been written at their end.
    minutes: VecDeque<(Minute, u64)>,
    /// By the consumer's place in the workload; `None`: it has not come upon this shard yet.
    positions: Vec<Option<u64>>,
}

impl Arrivals {
    /// Notes that `bytes` came in.
    pub fn write(&mut self, bytes: u64, at: Timestamp) {
        if bytes == 0 {
            return;
        }
        self.written += bytes;
        let minute = Minute::of(at);
        match self.minutes.back_mut() {
            Some(last) if last.0 == minute => last.1 = self.written,
            _ => self.minutes.push_back((minute, self.written)),
        }
    }

    /// Drops what came in before `horizon`.
    pub fn trim(&mut self, horizon: Timestamp) {
        while let Some(&(minute, written)) = self.minutes.front()
            && minute.plus(1).start() <= horizon
        {
            self.trimmed = written;
            self.minutes.pop_front();
        }
    }

    /// Forgets the consumers of an earlier workload.
    pub fn forget_positions(&mut self) {
        self.positions.clear();
    }

    /// How long ago the byte at `position` came in, in milliseconds; 0 at the tip. Within a minute
    /// bytes are taken to have come evenly.
    fn age_milliseconds(&self, position: u64, now: Timestamp) -> f64 {
        if position >= self.written {
            return 0.0;
        }
        let at = self.minutes.partition_point(|(_, written)| *written <= position);
        let Some(&(minute, until)) = self.minutes.get(at) else { return 0.0 };
        let from = at.checked_sub(1).map_or(self.trimmed, |before| self.minutes[before].1);
        let start = minute.start();
        let length = now.duration_since(start).as_millis().clamp(0, 60_000) as f64;
        let into = (position.saturating_sub(from)) as f64 / (until - from) as f64 * length;
        (now.duration_since(start).as_millis() as f64 - into).max(0.0)
    }
}

/// What the consumers of a workload are, apart from their positions.
#[derive(Debug)]
pub(super) struct Readers(Vec<Reader>);

#[derive(Debug)]
struct Reader {
    consumer: Consumer,
    started: bool,
    lag_metric: Metric,
    fan_out: Option<FanOutMetrics>,
}

#[derive(Debug)]
struct FanOutMetrics {
    bytes: Metric,
    records: Metric,
    success: Metric,
}

impl Readers {
    /// The consumers of a workload on the stream called `stream`.
    pub fn new(consumers: &[Consumer], stream: &str) -> Self {
        let metric = |namespace: &str, metric_name: &str, dimensions: &[(&str, &str)]| Metric {
            namespace: namespace.to_owned(),
            metric_name: metric_name.to_owned(),
            dimensions: dimensions.iter().map(|(name, value)| Dimension::new(*name, *value)).collect(),
        };
        Readers(
            consumers
                .iter()
                .map(|consumer| {
                    let name = consumer.name.as_str();
                    let of_consumer = [("ConsumerName", name), ("StreamName", stream)];
                    let lag_metric = match consumer.kind {
                        ConsumerKind::Polling { .. } => {
                            metric(name, "MillisBehindLatest", &[("Operation", "ProcessTask")])
                        }
                        ConsumerKind::Firehose => metric(
                            "AWS/Firehose",
                            "KinesisMillisBehindLatest",
                            &[("DeliveryStreamName", name)],
                        ),
                        ConsumerKind::Lambda => {
                            metric("AWS/Lambda", "IteratorAge", &[("FunctionName", name)])
                        }
                        ConsumerKind::EnhancedFanOut => {
                            metric(KINESIS, "SubscribeToShardEvent.MillisBehindLatest", &of_consumer)
                        }
                    };
                    let fan_out = (consumer.kind == ConsumerKind::EnhancedFanOut).then(|| FanOutMetrics {
                        bytes: metric(KINESIS, "SubscribeToShardEvent.Bytes", &of_consumer),
                        records: metric(KINESIS, "SubscribeToShardEvent.Records", &of_consumer),
                        success: metric(KINESIS, "SubscribeToShardEvent.Success", &of_consumer),
                    });
                    Reader { consumer: consumer.clone(), started: false, lag_metric, fan_out }
                })
                .collect(),
        )
    }
}

/// How many GetRecords calls a consumer makes of a shard in the second that ends at `second`.
fn calls(kind: ConsumerKind, second: i64) -> u64 {
    let ConsumerKind::Polling { interval } = kind else { return 1 };
    let interval = interval.as_millis().clamp(1, i64::MAX.into()) as i64;
    let until = |second: i64| second.saturating_mul(1_000).div_euclid(interval);
    (until(second) - until(second - 1)).unsigned_abs()
}

impl Stream {
    /// One second of reading, which ends at `now`.
    pub fn read_second(&mut self, readers: &mut Readers, record_bytes: u64, now: Timestamp, config: &Config) {
        let count = readers.0.len();
        let second = now.as_second();
        let mut lag = vec![StatisticSet::EMPTY; count];
        let mut fan_out = vec![[StatisticSet::EMPTY; 3]; count];
        let mut calls_made = CallTotals::default();
        for at in 0..self.shards.len() {
            for turn in 0..count {
                // Whose turn it is first changes, so that a shared budget starves nobody.
                let number = (turn + second.unsigned_abs() as usize) % count;
                let reader = &readers.0[number];
                if !reader.started || !self.may_read(at, number) {
                    continue;
                }
                let shard = &mut self.shards[at];
                let mut read = Read { shard, number, record_bytes, now, config, consumer: &reader.consumer };
                if reader.fan_out.is_some() {
                    read.push(&mut lag[number], &mut fan_out[number]);
                } else {
                    for _ in 0..calls(reader.consumer.kind, second) {
                        read.poll(&mut lag[number], &mut calls_made);
                    }
                }
            }
        }
        for (metric, samples) in calls_made.0 {
            self.minute.of(metric).merge(&samples);
        }
        for (number, reader) in readers.0.iter().enumerate() {
            self.minute.merge_consumer(&reader.lag_metric, &lag[number]);
            if let Some(metrics) = &reader.fan_out {
                let [bytes, records, success] = &fan_out[number];
                self.minute.merge_consumer(&metrics.bytes, bytes);
                self.minute.merge_consumer(&metrics.records, records);
                self.minute.merge_consumer(&metrics.success, success);
            }
        }
    }

    /// Gives those consumers whose time has come their first positions.
    pub fn start_readers(&mut self, readers: &mut Readers, now: Timestamp) {
        for (number, reader) in readers.0.iter_mut().enumerate() {
            let due = reader.consumer.starts_at.is_none_or(|at| at <= now);
            if reader.started || !due {
                continue;
            }
            reader.started = true;
            for shard in &mut self.shards {
                let arrivals = &mut shard.arrivals;
                let first =
                    if reader.consumer.from_trim_horizon { arrivals.trimmed } else { arrivals.written };
                set_position(&mut arrivals.positions, number, first);
            }
        }
    }

    /// Whether the consumer has something left to do in the shard: it has read the shard's parents
    /// to their end, and not the shard itself to its own. A shard that it comes upon it reads from
    /// the start.
    fn may_read(&mut self, at: usize, number: usize) -> bool {
        let shard = &self.shards[at];
        let position = shard.arrivals.positions.get(number).copied().flatten();
        if let Some(position) = position {
            return shard.closed_at.is_none() || position < shard.arrivals.written;
        }
        let parents_read = shard.parents().all(|parent| {
            self.shard(parent).is_none_or(|parent| {
                parent.closed_at.is_some()
                    && parent.arrivals.positions.get(number).copied().flatten()
                        >= Some(parent.arrivals.written)
            })
        });
        if parents_read {
            set_position(&mut self.shards[at].arrivals.positions, number, 0);
        }
        parents_read
    }
}

fn set_position(positions: &mut Vec<Option<u64>>, number: usize, position: u64) {
    if positions.len() <= number {
        positions.resize(number + 1, None);
    }
    positions[number] = Some(position);
}

/// Samples of the stream-level metrics of GetRecords.
#[derive(Debug)]
struct CallTotals([(CallMetric, StatisticSet); 5]);

impl Default for CallTotals {
    fn default() -> Self {
        let metrics = [
            CallMetric::GetRecordsSuccess,
            CallMetric::GetRecordsLatency,
            CallMetric::GetRecordsBytes,
            CallMetric::GetRecordsRecords,
            CallMetric::GetRecordsIteratorAge,
        ];
        CallTotals(metrics.map(|metric| (metric, StatisticSet::EMPTY)))
    }
}

/// One consumer at one shard, within one second.
struct Read<'a> {
    shard: &'a mut Shard,
    number: usize,
    record_bytes: u64,
    now: Timestamp,
    config: &'a Config,
    consumer: &'a Consumer,
}

impl Read<'_> {
    /// One GetRecords call: throttled, or it reads what there is up to a reply's limits.
    fn poll(&mut self, lag: &mut StatisticSet, totals: &mut CallTotals) {
        let limits = &self.config.limits;
        let shard = &mut *self.shard;
        let throttled = limits.read_rates
            && !(shard.read_calls.take(self.now, 1) && shard.read_bytes.available(self.now) > 0);
        let rejected = f64::from(u8::from(throttled));
        shard.minute.of(ShardMetric::ReadProvisionedThroughputExceeded).add(rejected);
        totals.0[0].1.add(1.0 - rejected);
        totals.0[1].1.add(READ_LATENCY_MILLISECONDS);
        if throttled {
            return;
        }
        let per_second = self.consumer.bytes_per_second.unwrap_or(u64::MAX);
        let calls_per_second = match self.consumer.kind {
            ConsumerKind::Polling { interval } => interval.as_secs_f64(),
            _ => 1.0,
        };
        // A consumer that polls every other second can process two seconds' worth a call.
        let own = (per_second as f64 * calls_per_second) as u64;
        let most = CALL_BYTES.min(CALL_RECORDS.saturating_mul(self.record_bytes)).min(own);
        let (bytes, age) = self.take(most);
        if limits.read_rates {
            self.shard.read_bytes.spend(bytes);
        }
        let records = (bytes / self.record_bytes) as f64;
        totals.0[2].1.add(bytes as f64);
        totals.0[3].1.add(records);
        totals.0[4].1.add(age);
        self.shard.minute.of(ShardMetric::IteratorAgeMilliseconds).add(age);
        // Lambda publishes an age only for batches that it has processed.
        if bytes > 0 || self.consumer.kind != ConsumerKind::Lambda {
            lag.add(age);
        }
    }

    /// One event of an enhanced fan-out subscription.
    fn push(&mut self, lag: &mut StatisticSet, fan_out: &mut [StatisticSet; 3]) {
        let own = self.consumer.bytes_per_second.unwrap_or(u64::MAX);
        let (bytes, age) = self.take(FAN_OUT_BYTES_PER_SECOND.min(own));
        fan_out[0].add(bytes as f64);
        fan_out[1].add((bytes / self.record_bytes) as f64);
        fan_out[2].add(1.0);
        lag.add(age);
    }

    /// Moves the position by up to `most` bytes; gives the bytes and the age at the new position.
    fn take(&mut self, most: u64) -> (u64, f64) {
        let arrivals = &mut self.shard.arrivals;
        let position = arrivals.positions[self.number].unwrap_or_default().max(arrivals.trimmed);
        let bytes = most.min(arrivals.written - position);
        arrivals.positions[self.number] = Some(position + bytes);
        let age = arrivals.age_milliseconds(position + bytes, self.now);
        self.shard.minute.of(ShardMetric::OutgoingBytes).add(bytes as f64);
        self.shard.minute.of(ShardMetric::OutgoingRecords).add((bytes / self.record_bytes) as f64);
        (bytes, age)
    }
}
