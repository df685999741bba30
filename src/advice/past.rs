//! How a stream was written to over hours and days, from its own metrics by the minute.

use serde::Serialize;

use crate::load::Load;
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, Minute, StreamMetric};

/// How far back, in days: CloudWatch keeps data by the minute for 15.
pub const PAST_DAYS: i64 = 14;
/// The spans that usage is told for, in minutes.
const SPANS: [i64; 4] = [60, 24 * 60, 7 * 24 * 60, PAST_DAYS * 24 * 60];

/// A stream's writes, minute by minute; `None` where CloudWatch has no data point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The first minute.
    pub start: Minute,
    /// What each minute carried.
    pub minutes: Vec<Option<Carried>>,
}

/// What a minute carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Bytes that were accepted.
    pub bytes: u64,
    /// Records that were accepted.
    pub records: u64,
    /// Records that were rejected.
    pub rejected: u64,
}

impl Carried {
    /// What was offered in shards' worth, in its fuller dimension: accepted and rejected, the latter
    /// counting at most as much as the former, for retries count again.
    pub fn shards_worth(self) -> Load {
        let Carried { bytes, records, rejected } = self;
        let offered = |amount: u64| {
            let more = u128::from(rejected.min(records)) * u128::from(amount) / u128::from(records.max(1));
            amount.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
        };
        let load = |dimension, amount| Load::from_sum(dimension, offered(amount), 60);
        load(Dimension::IngestBytes, bytes).max(load(Dimension::IngestRecords, records))
    }
}

/// How a stream was used over a span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The span in minutes.
    pub span_minutes: i64,
    /// The minutes of it with a data point.
    pub known_minutes: u64,
    /// Bytes a second in the mean of those minutes.
    pub mean_bytes_per_second: u64,
    /// Bytes a second in the fullest minute.
    pub peak_bytes_per_second: u64,
    /// Records a second in the mean.
    pub mean_records_per_second: u64,
    /// Records a second in the fullest minute.
    pub peak_records_per_second: u64,
    /// Records that were rejected.
    pub rejected_records: u64,
}

impl Past {
    /// Reads the three metrics about writes; nothing where bytes or records were not asked for. A
    /// minute with bytes and records and without a data point of rejects rejected nothing.
    pub fn read(metrics: &MetricHistory) -> Option<Past> {
        let of = |metric| metrics.stream.get(&metric);
        let (bytes, records) = (of(StreamMetric::IncomingBytes)?, of(StreamMetric::IncomingRecords)?);
        let rejected = of(StreamMetric::WriteProvisionedThroughputExceeded);
        let start = bytes.start.max(records.start);
        let end = bytes.end().min(records.end());
        let minutes = (0..end.since(start).max(0)).map(|minute| start.plus(minute)).map(|minute| {
            Some(Carried {
                bytes: bytes.at(minute)?,
                records: records.at(minute)?,
                rejected: rejected.and_then(|series| series.at(minute)).unwrap_or(0),
            })
        });
        Some(Past { start, minutes: minutes.collect() })
    }

    /// The usage over each span that the past reaches into further than into the one before.
    pub fn usage(&self) -> Vec<Usage> {
        let reach = i64::try_from(self.minutes.len()).unwrap_or(i64::MAX);
        let shorter = std::iter::once(0).chain(SPANS);
        let told = SPANS.into_iter().zip(shorter).filter(|(_, shorter)| *shorter < reach);
        told.map(|(span, _)| self.over(span)).collect()
    }

    fn over(&self, span_minutes: i64) -> Usage {
        let span = usize::try_from(span_minutes).unwrap_or(usize::MAX);
        let last = self.minutes.iter().skip(self.minutes.len().saturating_sub(span));
        let known: Vec<Carried> = last.flatten().copied().collect();
        let sum = |of: fn(&Carried) -> u64| known.iter().map(of).fold(0, u64::saturating_add);
        let peak = |of: fn(&Carried) -> u64| known.iter().map(of).max().unwrap_or(0) / 60;
        let seconds = 60 * known.len().max(1) as u64;
        Usage {
            span_minutes,
            known_minutes: known.len() as u64,
            mean_bytes_per_second: sum(|of| of.bytes) / seconds,
            peak_bytes_per_second: peak(|of| of.bytes),
            mean_records_per_second: sum(|of| of.records) / seconds,
            peak_records_per_second: peak(|of| of.records),
            rejected_records: sum(|of| of.rejected),
        }
    }

    /// The fullest minute of each hour that has any, in shards' worth, oldest first.
    pub fn hourly_peaks(&self) -> Vec<Load> {
        let hours = self.minutes.rchunks(60).rev();
        hours.filter_map(|hour| hour.iter().flatten().map(|minute| minute.shards_worth()).max()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Series;

    #[test]
    fn a_minute_without_bytes_or_records_is_unknown_and_one_without_rejects_rejected_none() {
        let series =
            |values: &[Option<u64>]| Series { start: Minute(0), values: values.to_vec(), complete: true };
        let stream = [
            (StreamMetric::IncomingBytes, series(&[Some(60_000_000), None, Some(6)])),
            (StreamMetric::IncomingRecords, series(&[Some(600), Some(1), Some(1)])),
            (StreamMetric::WriteProvisionedThroughputExceeded, series(&[Some(300), None, None])),
        ];
        let metrics = MetricHistory { stream: stream.into(), ..MetricHistory::default() };
        let past = Past::read(&metrics).expect("both were read");
        assert_eq!(past.minutes[1], None);
        assert_eq!(past.minutes[2], Some(Carried { bytes: 6, records: 1, rejected: 0 }));
        // A shard's worth of bytes was accepted, and half as many records rejected.
        assert_eq!(past.minutes[0].expect("known").shards_worth(), Load::from_percent(150));
        let [hour] = past.usage().try_into().expect("three minutes reach into the first span alone");
        assert_eq!(
            (hour.known_minutes, hour.peak_bytes_per_second, hour.rejected_records),
            (2, 1_000_000, 300)
        );
        assert_eq!(hour.mean_bytes_per_second, 500_000);
        assert_eq!(Past::read(&MetricHistory::default()), None);
    }
}
