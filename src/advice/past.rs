//! How a stream was written to over hours and weeks, from its own metrics: as far as CloudWatch has them
//! by the minute, what lies before by several minutes.

use serde::Serialize;

use crate::load::Load;
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, StreamMetric};

/// How far back, in days: four weeks show what returns each week. CloudWatch keeps data by five
/// minutes for 63.
pub const PAST_DAYS: i64 = 28;
/// The spans that usage is told for, in minutes.
const SPANS: [i64; 4] = [60, 24 * 60, 7 * 24 * 60, PAST_DAYS * 24 * 60];

/// A stream's writes: stretches that follow one another, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// The stretches.
    pub stretches: Vec<Stretch>,
}

/// A stretch of time with points of the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// How many minutes a point stands for, at least one.
    pub minutes_per_point: u32,
    /// What each point carried, oldest first; `None` where CloudWatch has no data point.
    pub points: Vec<Option<Carried>>,
}

/// What a point carried.
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
    /// counting at most as much as the former, for retries count again. The mean over `minutes`.
    pub fn shards_worth(self, minutes: u32) -> Load {
        let Carried { bytes, records, rejected } = self;
        let offered = |amount: u64| {
            let more = u128::from(rejected.min(records)) * u128::from(amount) / u128::from(records.max(1));
            amount.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
        };
        let seconds = 60 * u64::from(minutes.max(1));
        let load = |dimension, amount| Load::from_sum(dimension, offered(amount), seconds);
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
    /// Bytes a second in the fullest point.
    pub peak_bytes_per_second: u64,
    /// Over how many minutes the longest points are means: what is fullest within one does not show.
    pub minutes_per_point: u32,
    /// Records a second in the mean.
    pub mean_records_per_second: u64,
    /// Records a second in the fullest point.
    pub peak_records_per_second: u64,
    /// Records that were rejected.
    pub rejected_records: u64,
}

impl Stretch {
    /// Reads the three metrics about writes, a point each `minutes_per_point`; nothing where bytes or
    /// records were not asked for. A point with bytes and records and without rejects rejected nothing.
    fn read(metrics: &MetricHistory, minutes_per_point: u32) -> Option<Stretch> {
        let of = |metric| metrics.stream.get(&metric);
        let (bytes, records) = (of(StreamMetric::IncomingBytes)?, of(StreamMetric::IncomingRecords)?);
        let rejected = of(StreamMetric::WriteProvisionedThroughputExceeded);
        let start = bytes.start.max(records.start);
        let end = bytes.end().min(records.end());
        let width = usize::try_from(minutes_per_point.max(1)).unwrap_or(1);
        let minutes = (0..end.since(start).max(0)).step_by(width).map(|minute| start.plus(minute));
        let points = minutes.map(|minute| {
            Some(Carried {
                bytes: bytes.at(minute)?,
                records: records.at(minute)?,
                rejected: rejected.and_then(|series| series.at(minute)).unwrap_or(0),
            })
        });
        Some(Stretch { minutes_per_point: minutes_per_point.max(1), points: points.collect() })
    }

    /// Its known points, newest first, each with its length in minutes.
    fn newest_first(&self) -> impl Iterator<Item = (u32, Option<Carried>)> {
        self.points.iter().rev().map(|point| (self.minutes_per_point, *point))
    }

    /// What each point carried in shards' worth, oldest first.
    pub fn loads(&self) -> Vec<Option<Load>> {
        let load = |carried: Carried| carried.shards_worth(self.minutes_per_point);
        self.points.iter().map(|point| point.map(load)).collect()
    }
}

impl Past {
    /// Reads stretches, oldest first, each with how many minutes a point of it stands for; nothing
    /// where there is none.
    pub fn read<'a>(stretches: impl IntoIterator<Item = (u32, &'a MetricHistory)>) -> Option<Past> {
        let read = stretches.into_iter().map(|(minutes, metrics)| Stretch::read(metrics, minutes));
        let stretches: Vec<Stretch> = read.collect::<Option<_>>()?;
        (!stretches.is_empty()).then_some(Past { stretches })
    }

    /// The minutes with a data point.
    pub fn known_minutes(&self) -> u64 {
        let points = self.stretches.iter().flat_map(Stretch::newest_first);
        points.filter(|(_, point)| point.is_some()).map(|(minutes, _)| u64::from(minutes)).sum()
    }

    /// The usage over each span that the past reaches into further than into the one before.
    pub fn usage(&self) -> Vec<Usage> {
        let length = |stretch: &Stretch| stretch.points.len() as i64 * i64::from(stretch.minutes_per_point);
        let reach: i64 = self.stretches.iter().map(length).sum();
        let shorter = std::iter::once(0).chain(SPANS);
        let told = SPANS.into_iter().zip(shorter).filter(|(_, shorter)| *shorter < reach);
        told.map(|(span, _)| self.over(span)).collect()
    }

    fn over(&self, span_minutes: i64) -> Usage {
        let mut left = span_minutes;
        let newest_first = self.stretches.iter().rev().flat_map(Stretch::newest_first);
        let last = newest_first.take_while(|(minutes, _)| {
            left -= i64::from(*minutes);
            left >= 0
        });
        let known: Vec<(u64, Carried)> =
            last.filter_map(|(minutes, point)| Some((60 * u64::from(minutes), point?))).collect();
        let sum =
            |of: fn(&Carried) -> u64| known.iter().map(|(_, point)| of(point)).fold(0, u64::saturating_add);
        let peak = |of: fn(&Carried) -> u64| {
            known.iter().map(|(seconds, point)| of(point) / seconds).max().unwrap_or(0)
        };
        let seconds: u64 = known.iter().map(|(seconds, _)| seconds).sum();
        let longest = known.iter().map(|(seconds, _)| seconds / 60).max().unwrap_or(1);
        Usage {
            span_minutes,
            known_minutes: seconds / 60,
            mean_bytes_per_second: sum(|of| of.bytes) / seconds.max(1),
            peak_bytes_per_second: peak(|of| of.bytes),
            minutes_per_point: u32::try_from(longest).unwrap_or(u32::MAX),
            mean_records_per_second: sum(|of| of.records) / seconds.max(1),
            peak_records_per_second: peak(|of| of.records),
            rejected_records: sum(|of| of.rejected),
        }
    }

    /// The fullest point of each hour of which half the points are known, in shards' worth: of fewer, the
    /// first minute of a stream for one, a low peak tells nothing.
    pub fn hourly_peaks(&self) -> Vec<Load> {
        let hourly = |stretch: &Stretch| -> Vec<Load> {
            let points = usize::try_from(60 / stretch.minutes_per_point).unwrap_or(1).max(1);
            let peak = |hour: &[Option<Load>]| {
                let known = hour.iter().flatten();
                known.clone().max().copied().filter(|_| 2 * known.count() >= points)
            };
            stretch.loads().rchunks(points).filter_map(peak).collect()
        };
        self.stretches.iter().flat_map(hourly).collect()
    }

    /// The fullest point of all in shards' worth, and the minutes that it is the mean over.
    pub fn peak(&self) -> Option<(Load, u32)> {
        let peak = |stretch: &Stretch| {
            let highest = stretch.loads().into_iter().flatten().max()?;
            Some((highest, stretch.minutes_per_point))
        };
        self.stretches.iter().filter_map(peak).max_by_key(|(load, _)| *load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Minute, Series};

    fn metrics(bytes: &[Option<u64>], records: &[Option<u64>], rejected: &[Option<u64>]) -> MetricHistory {
        let series = |values: &[Option<u64>]| Series::new(Minute(0), values.to_vec(), true);
        let stream = [
            (StreamMetric::IncomingBytes, series(bytes)),
            (StreamMetric::IncomingRecords, series(records)),
            (StreamMetric::WriteProvisionedThroughputExceeded, series(rejected)),
        ];
        MetricHistory { stream: stream.into(), ..MetricHistory::default() }
    }

    #[test]
    fn a_minute_without_bytes_or_records_is_unknown_and_one_without_rejects_rejected_none() {
        let (bytes, records) = ([Some(60_000_000), None, Some(6)], [Some(600), Some(1), Some(1)]);
        let metrics = metrics(&bytes, &records, &[Some(300), None, None]);
        let past = Past::read([(1, &metrics)]).expect("both were read");
        let points = &past.stretches[0].points;
        assert_eq!(points[1], None);
        assert_eq!(points[2], Some(Carried { bytes: 6, records: 1, rejected: 0 }));
        // A shard's worth of bytes was accepted, and half as many records rejected.
        assert_eq!(past.stretches[0].loads()[0], Some(Load::from_percent(150)));
        let [hour] = past.usage().try_into().expect("three minutes reach into the first span alone");
        assert_eq!(
            (hour.known_minutes, hour.peak_bytes_per_second, hour.rejected_records),
            (2, 1_000_000, 300)
        );
        assert_eq!(hour.mean_bytes_per_second, 500_000);
        assert_eq!(Past::read([(1, &MetricHistory::default())]), None);
        assert_eq!(Past::read([]), None);
    }

    #[test]
    fn points_of_five_minutes_are_means_over_them_and_come_before_those_of_a_minute() {
        // 300 MB in five minutes are 1 MB/s; half of that in the second five.
        let mut far = vec![None; 10];
        (far[0], far[5]) = (Some(300_000_000), Some(150_000_000));
        let records = far.iter().map(|bytes| bytes.map(|_| 300)).collect::<Vec<_>>();
        let far = metrics(&far, &records, &[]);
        let near = metrics(&[Some(120_000_000); 60], &[Some(60); 60], &[]);
        let past = Past::read([(5, &far), (1, &near)]).expect("all were read");
        assert_eq!(past.known_minutes(), 70);
        let [hour, day] = past.usage().try_into().expect("70 minutes reach into the second span");
        assert_eq!((hour.known_minutes, hour.mean_bytes_per_second), (60, 2_000_000));
        assert_eq!((day.known_minutes, day.peak_bytes_per_second), (70, 2_000_000));
        assert_eq!(day.mean_bytes_per_second, (60 * 120 + 450) * 1_000_000 / 4_200);
        assert_eq!([hour.minutes_per_point, day.minutes_per_point], [1, 5]);
        assert_eq!(past.peak(), Some((Load::from_percent(200), 1)));
    }

    #[test]
    fn an_hour_of_which_little_is_known_has_no_peak_of_its_own() {
        let mut values = vec![None; 150];
        values[29] = Some(6_000_000);
        values[30..60].fill(Some(60_000_000));
        values[90..119].fill(Some(120_000_000));
        let records = values.iter().map(|bytes| bytes.map(|_| 60)).collect::<Vec<_>>();
        let past = Past::read([(1, &metrics(&values, &records, &[]))]).expect("all were read");
        assert_eq!(past.hourly_peaks(), [Load::from_percent(100)], "30 minutes of the second hour are known");
        assert_eq!(past.peak(), Some((Load::from_percent(200), 1)));
    }
}
