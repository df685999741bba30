//! Data points as they came into a dense series. What cannot be is unknown, never zero and never a
//! guess, and it marks the series.

use crate::control_plane::{DataPoint, MetricQuery, Period};
use crate::quota::Dimension;
use crate::snapshot::{Minute, Series, ShardMetric};

/// A sum or a maximum that no shard and no stream reaches within a minute; above it a value is a
/// broken one.
const IMPOSSIBLE: u64 = 1_000_000_000_000_000_000;
/// More than so many times its ceiling a shard has not accepted, however CloudWatch has spread the writes over the
/// minutes.
const TIMES_THE_CEILING: u64 = 10;

/// Above this a value of the metric cannot be. What a shard accepts has a ceiling; what it rejects, what is read
/// from it, and what a stream of any number of shards does have none.
pub(super) fn highest_possible(query: &MetricQuery, period: Period) -> u64 {
    let accepted = match query {
        MetricQuery::Shard(_, ShardMetric::IncomingBytes) => Dimension::IngestBytes,
        MetricQuery::Shard(_, ShardMetric::IncomingRecords) => Dimension::IngestRecords,
        _ => return u64::MAX,
    };
    accepted.ceiling_per_second() * TIMES_THE_CEILING * 60 * u64::from(period.minutes())
}

/// The minutes `start..end`. `complete` is what CloudWatch says of its reply; it becomes false
/// where a point is not a number, negative, absurdly large or above `highest_possible`, outside of the minutes asked
/// for, not on a minute, or doubled.
pub(super) fn dense(
    points: &[DataPoint],
    [start, end]: [Minute; 2],
    complete: bool,
    highest_possible: u64,
) -> Series {
    let length = usize::try_from(end.since(start)).unwrap_or(0);
    let mut series = Series::new(start, vec![None; length], complete);
    let mut seen = vec![false; length];
    for point in points {
        let Some(index) = index_of(*point, start).filter(|index| *index < length) else {
            series.complete = false;
            continue;
        };
        if std::mem::replace(&mut seen[index], true) {
            series.complete = false;
            series.values[index] = None;
            continue;
        }
        series.values[index] = possible(point.value).filter(|value| *value <= highest_possible);
        series.complete &= series.values[index].is_some();
    }
    series
}

/// How many minutes after `start` the minute is that begins with `point`.
fn index_of(point: DataPoint, start: Minute) -> Option<usize> {
    point.begins_a_minute().then(|| usize::try_from(point.minute().since(start)).ok())?
}

/// Sums of whole things are whole; where a server's arithmetic leaves a fraction, it is rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value lies between 0 and 10^18, which u64 holds"
)]
fn possible(value: f64) -> Option<u64> {
    (0.0..IMPOSSIBLE as f64).contains(&value).then(|| value.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::StreamMetric;
    use crate::stream::ShardId;

    fn at(second: i64, value: f64) -> DataPoint {
        DataPoint { at_millis: second * 1_000, value }
    }

    #[test]
    fn minutes_without_a_point_are_unknown() {
        let series = dense(&[at(120, 7.0), at(60, 0.0)], [Minute(1), Minute(4)], true, u64::MAX);
        assert_eq!(series, Series::new(Minute(1), vec![Some(0), Some(7), None], true));
    }

    #[test]
    fn what_cannot_be_is_unknown_and_marks_the_series() {
        for (points, values) in [
            (vec![at(60, f64::NAN)], vec![None, None]),
            (vec![at(60, -1.0)], vec![None, None]),
            (vec![at(60, f64::INFINITY)], vec![None, None]),
            (vec![at(60, 1e19)], vec![None, None]),
            (vec![at(61, 1.0)], vec![None, None]),
            (vec![at(0, 1.0)], vec![None, None]),
            (vec![at(180, 1.0)], vec![None, None]),
            (vec![DataPoint { at_millis: i64::MAX, value: 1.0 }, at(60, 3.0)], vec![Some(3), None]),
            (vec![DataPoint { at_millis: i64::MIN, value: 1.0 }, at(60, 3.0)], vec![Some(3), None]),
            (vec![DataPoint { at_millis: 60_001, value: 1.0 }], vec![None, None]),
            (vec![at(60, 1.0), at(60, 1.0)], vec![None, None]),
            (vec![at(60, 1.0), at(60, 1.0), at(60, 1.0)], vec![None, None]),
        ] {
            let series = dense(&points, [Minute(1), Minute(3)], true, u64::MAX);
            assert_eq!(series, Series::new(Minute(1), values, false), "{points:?}");
        }
    }

    #[test]
    fn a_shard_has_not_accepted_more_than_ten_times_what_it_takes_and_nothing_else_is_bounded_so() {
        let shard = |metric| MetricQuery::Shard(ShardId::new("shardId-000000000000"), metric);
        let read = |query: &MetricQuery, value: u64| {
            let highest = highest_possible(query, Period::Minute);
            dense(&[at(60, value as f64)], [Minute(1), Minute(2)], true, highest)
        };
        let unknown = Series::new(Minute(1), vec![None], false);
        let told = |value| Series::new(Minute(1), vec![Some(value)], true);
        for (metric, of_ten) in
            [(ShardMetric::IncomingBytes, 600_000_000), (ShardMetric::IncomingRecords, 600_000)]
        {
            assert_eq!(read(&shard(metric), of_ten + 1), unknown, "{metric:?}");
            assert_eq!(read(&shard(metric), of_ten), told(of_ten), "{metric:?}");
            assert_eq!(
                highest_possible(&shard(metric), Period::QuarterHour),
                15 * of_ten,
                "of fifteen minutes"
            );
        }
        let rejected = shard(ShardMetric::WriteProvisionedThroughputExceeded);
        for query in [rejected, MetricQuery::Stream(StreamMetric::IncomingBytes)] {
            assert_eq!(read(&query, 9 * IMPOSSIBLE / 10), told(9 * IMPOSSIBLE / 10), "{query:?}");
        }
    }

    #[test]
    fn a_span_that_is_empty_or_reversed_has_no_values() {
        for end in [5, 4] {
            let series = dense(&[], [Minute(5), Minute(end)], true, u64::MAX);
            assert!(series.values.is_empty() && series.complete);
        }
    }
}
