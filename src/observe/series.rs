//! Data points as they came into a dense series. What cannot be is unknown, never zero and never a
//! guess, and it marks the series.

use crate::control_plane::DataPoint;
use crate::snapshot::{Minute, Series};

/// A sum or a maximum that no shard and no stream reaches within a minute; above it a value is a
/// broken one.
const IMPOSSIBLE: f64 = 1e18;

/// The minutes `start..end`. `complete` is what CloudWatch says of its reply; it becomes false
/// where a point is not a number, negative, absurdly large, outside of the minutes asked for, not
/// on a minute, or doubled.
pub(super) fn dense(points: &[DataPoint], start: Minute, end: Minute, complete: bool) -> Series {
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
        series.values[index] = possible(point.value);
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
    (0.0..IMPOSSIBLE).contains(&value).then(|| value.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64, value: f64) -> DataPoint {
        DataPoint { at_millis: second * 1_000, value }
    }

    #[test]
    fn minutes_without_a_point_are_unknown() {
        let series = dense(&[at(120, 7.0), at(60, 0.0)], Minute(1), Minute(4), true);
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
            let series = dense(&points, Minute(1), Minute(3), true);
            assert_eq!(series, Series::new(Minute(1), values, false), "{points:?}");
        }
    }

    #[test]
    fn a_span_that_is_empty_or_reversed_has_no_values() {
        for end in [5, 4] {
            let series = dense(&[], Minute(5), Minute(end), true);
            assert!(series.values.is_empty() && series.complete);
        }
    }
}
