//! What the readers of each shard do, where its metrics about them were read: they are on suspicion
//! alone (reads that are throttled, a lag, far more read than written).

use std::fmt;

use serde::Serialize;

use super::{Advice, Seen};
use crate::cost::grouped;
use crate::quota::SHARD_READ_BYTES_PER_SECOND;
use crate::snapshot::{Minute, Series, ShardMetric, Snapshot, StreamMetric};
use crate::stream::ShardId;
use crate::units::{duration, rate};

/// So many shards are named at the most.
const NAMED: usize = 3;
/// A lag sits in some shards where it is at least half as large in so many percent of them at the most,
/// yet in one.
const FEW_PERCENT: usize = 20;

/// Four fifths of what a shard gives: in some seconds of the minute that is all.
const EXHAUSTED_BYTES_PER_SECOND: u64 = SHARD_READ_BYTES_PER_SECOND / 5 * 4;

/// What the readers of one shard do, in the mean over the window; `None` where CloudWatch has no data
/// point, or where the metric is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardReaders {
    /// The shard.
    pub shard: ShardId,
    /// Bytes read a second, by enhanced fan-out too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes_per_second: Option<u64>,
    /// Records read a second, by enhanced fan-out too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_records_per_second: Option<u64>,
    /// GetRecords calls that were throttled, a minute, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_per_minute: Option<u64>,
    /// The largest lag of any minute, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_millis: Option<u64>,
}

impl ShardReaders {
    /// Whether its readers take about all the bytes that a shard gives.
    pub(super) fn is_exhausted(&self) -> bool {
        self.read_bytes_per_second.is_some_and(|bytes| bytes >= EXHAUSTED_BYTES_PER_SECOND)
    }
}

impl fmt::Display for ShardReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShardReaders {
            shard,
            read_bytes_per_second,
            read_records_per_second,
            throttled_per_minute,
            lag_millis,
        } = self;
        let said = [
            read_bytes_per_second.map(|bytes| format!("{} read", rate(bytes, "B"))),
            read_records_per_second.map(|records| format!("{} records/s", grouped(records))),
            throttled_per_minute.map(|calls| format!("{} calls a minute throttled", grouped(calls))),
            lag_millis.map(|lag| format!("{} behind", duration(lag / 1_000))),
        ];
        write!(f, "{shard}: {}", said.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// The open shards whose readers are known, worst first: by throttled calls, by lag, by bytes read.
pub fn readers_by_shard(snapshot: &Snapshot, window: Option<(Minute, Minute)>) -> Vec<ShardReaders> {
    let Some(window) = window else { return Vec::new() };
    let open = snapshot.shards.iter().filter(|shard| !shard.closed);
    let mut known: Vec<ShardReaders> = open
        .filter_map(|shard| {
            let metrics = snapshot.metrics.shards.get(&shard.id)?;
            let of = |metric| Known::of(metrics.get(&metric)?, window);
            let per_second = |metric| of(metric).map(|known| known.sum / (60 * known.minutes));
            let readers = ShardReaders {
                shard: shard.id.clone(),
                read_bytes_per_second: per_second(ShardMetric::OutgoingBytes),
                read_records_per_second: per_second(ShardMetric::OutgoingRecords),
                throttled_per_minute: of(ShardMetric::ReadProvisionedThroughputExceeded)
                    .map(|known| known.sum.div_ceil(known.minutes)),
                lag_millis: of(ShardMetric::IteratorAgeMilliseconds).map(|known| known.highest),
            };
            let ShardReaders {
                shard: _,
                read_bytes_per_second: bytes,
                read_records_per_second: records,
                throttled_per_minute: throttled,
                lag_millis: lag,
            } = &readers;
            [bytes, records, throttled, lag].iter().any(|of| of.is_some()).then_some(readers)
        })
        .collect();
    known.sort_by_key(|of| {
        std::cmp::Reverse((of.throttled_per_minute, of.lag_millis, of.read_bytes_per_second))
    });
    known
}

/// GetRecords calls of the stream that were throttled, a minute in the mean over the window, rounded up.
pub fn throttled_reads_per_minute(snapshot: &Snapshot, window: Option<(Minute, Minute)>) -> Option<u64> {
    let series = snapshot.metrics.stream.get(&StreamMetric::ReadProvisionedThroughputExceeded)?;
    Known::of(series, window?).map(|known| known.sum.div_ceil(known.minutes))
}

/// The minutes of a window that have a data point.
struct Known {
    sum: u64,
    highest: u64,
    /// One at the least.
    minutes: u64,
}

impl Known {
    fn of(series: &Series, (from, to): (Minute, Minute)) -> Option<Known> {
        let values = series.within(from, to).1.iter().flatten();
        values.fold(None, |known: Option<Known>, value| {
            let Known { sum, highest, minutes } = known.unwrap_or(Known { sum: 0, highest: 0, minutes: 0 });
            Some(Known {
                sum: sum.saturating_add(*value),
                highest: highest.max(*value),
                minutes: minutes + 1,
            })
        })
    }
}

/// Calls are throttled: where, as far as that is known.
pub(super) fn throttled(seen: Seen) -> Option<Advice> {
    let window = seen.summary.window;
    let per_minute = throttled_reads_per_minute(seen.snapshot, window).filter(|calls| *calls > 0)?;
    let mut worst = readers_by_shard(seen.snapshot, window);
    worst.retain(|of| of.throttled_per_minute.is_some_and(|calls| calls > 0));
    Some(Advice::ReadsThrottled {
        per_minute,
        throttled_shards: worst.len(),
        shards: seen.shards(),
        calls: seen.summary.read_calls.map(|(load, _)| load),
        worst: worst.into_iter().take(NAMED).collect(),
    })
}

/// A lag above the guard that few shards have.
pub(super) fn lag_of_few(seen: Seen) -> Option<Advice> {
    let mut lagging = readers_by_shard(seen.snapshot, seen.summary.window);
    lagging.retain(|of| of.lag_millis.is_some());
    lagging.sort_by_key(|of| std::cmp::Reverse(of.lag_millis));
    let lag_millis = lagging.first()?.lag_millis?;
    let behind = |of: &&ShardReaders| of.lag_millis.is_some_and(|lag| lag >= lag_millis / 2);
    let (known, few) = (lagging.len(), lagging.iter().filter(behind).count());
    let is_few = known > 1 && few <= (known * FEW_PERCENT / 100).max(1);
    (u128::from(lag_millis) > seen.policy.max_iterator_age.as_millis() && is_few).then(|| {
        let others_millis = lagging[few..].first().and_then(|of| of.lag_millis).unwrap_or(0);
        let worst = lagging.into_iter().take(few.min(NAMED)).collect();
        Advice::LagOfFewShards { lag_millis, others_millis, lagging: few, shards: known, worst }
    })
}
