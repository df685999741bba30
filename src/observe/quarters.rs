//! The stream's writes by quarters of an hour, for a forecast. Three metrics are asked for when a quarter is over,
//! and not before the next one is: then for what is new, for what CloudWatch publishes late, and again for what
//! is not known, or was silent within a day: CloudWatch may have told nothing because it was out of order.

use super::ObserveError;
use super::cache::ObservationCache;
use super::metrics::{MetricPlan, read_metrics};
use crate::control_plane::{ControlPlane, Period};
use crate::snapshot::{MetricHistory, Minute, QUARTER_MINUTES, Quarters, StreamMetric};
use crate::stream::StreamSummary;

/// So many days a forecast looks back: to the same hour a week before each of the last four days.
const DAYS: i64 = 12;
/// Minutes that are asked for again, for what CloudWatch publishes late.
const ASKED_AGAIN_MINUTES: i64 = 4 * QUARTER_MINUTES;
/// Minutes that are asked for again where nothing was written in them.
const SILENCE_ASKED_AGAIN_MINUTES: i64 = 24 * 60;

/// The first quarter of those that a forecast looks at, of a stream whose minutes are settled up to `settled_until`:
/// none that began before the stream was made.
pub(crate) fn first_of(summary: &StreamSummary, settled_until: Minute) -> Minute {
    let made = Minute::from_start(summary.created_at).plus(QUARTER_MINUTES - 1);
    Quarters::on_the_clock(settled_until.plus(-DAYS * 24 * 60).max(made))
}

/// The quarters up to the last one that is settled, with how many metrics were asked for.
///
/// # Errors
/// [`ObserveError`] where a request fails.
pub(super) async fn read<P: ControlPlane>(
    plane: &P,
    summary: &StreamSummary,
    settled_until: Minute,
    cache: &mut ObservationCache,
) -> Result<(Quarters, u64), ObserveError> {
    let (first, end) = (first_of(summary, settled_until), Quarters::on_the_clock(settled_until));
    let mut quarters = cache.quarters().filter(|known| known.start <= first).unwrap_or(Quarters::from(first));
    quarters.begin_at(first);
    // They end later where a clock went back.
    if quarters.end() >= end {
        quarters.end_at(end);
        return Ok((quarters, 0));
    }
    let published_late = quarters.end().plus(-ASKED_AGAIN_MINUTES).max(first);
    let doubtful = quarters.end().plus(-SILENCE_ASKED_AGAIN_MINUTES);
    let may_change = quarters.first(|from, writes| writes.is_none_or(|of| of == [0; 3] && from >= doubtful));
    let from = may_change.map_or(published_late, |first| first.min(published_late));
    let mut fetched = MetricHistory { settled_until: Some(settled_until), ..MetricHistory::default() };
    let plan = MetricPlan::writes_of_the_stream(from, end, Period::QuarterHour);
    let asked =
        read_metrics(plane, summary, plan, &mut ObservationCache::for_one_pass(), &mut fetched).await?;
    quarters.end_at(from);
    let new = (from.0..end.0).step_by(QUARTER_MINUTES as usize);
    quarters.values.extend(new.map(|minute| writes_of(&fetched, Minute(minute))));
    cache.keep_quarters(&quarters);
    Ok((quarters, asked))
}

/// What a quarter brought: of one that CloudWatch has no data point of at all, nothing, if it says that it has told all.
/// Of one of which it has bytes and records, but no rejects, there were none.
fn writes_of(history: &MetricHistory, quarter: Minute) -> Option<[u64; 3]> {
    let of = |metric: StreamMetric| {
        let series = history.stream.get(&metric)?;
        let may_be_zero = series.complete && series.covers(quarter);
        Some((series.at(quarter), may_be_zero.then_some(0)))
    };
    let [(bytes, no_bytes), (records, no_records), (rejected, no_rejected)] = [
        of(StreamMetric::IncomingBytes)?,
        of(StreamMetric::IncomingRecords)?,
        of(StreamMetric::WriteProvisionedThroughputExceeded)?,
    ];
    match (bytes, records) {
        (Some(bytes), Some(records)) => Some([bytes, records, rejected.or(no_rejected)?]),
        (None, None) => Some([no_bytes?, no_records?, rejected.or(no_rejected)?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Series;

    const QUARTER: Minute = Minute(900);

    /// What is told of one quarter: bytes, records and rejects.
    fn told(values: [Option<u64>; 3], complete: bool) -> Option<[u64; 3]> {
        let series = values.map(|value| Series::new(QUARTER, vec![value], complete));
        let stream = StreamMetric::INGEST.into_iter().zip(series).collect();
        writes_of(&MetricHistory { stream, ..MetricHistory::default() }, QUARTER)
    }

    #[test]
    fn a_quarter_without_any_point_brought_nothing_and_one_that_is_half_told_is_not_known() {
        assert_eq!(told([Some(7), Some(2), Some(1)], true), Some([7, 2, 1]));
        assert_eq!(told([None; 3], true), Some([0; 3]), "nobody wrote");
        assert_eq!(told([Some(7), Some(2), None], true), Some([7, 2, 0]), "and nothing was rejected");
        assert_eq!(told([None, None, Some(3)], true), Some([0, 0, 3]), "all of it was rejected");
        for half in [[None, Some(2), None], [Some(7), None, Some(1)]] {
            assert_eq!(told(half, true), None, "bytes and records are of the same writes");
        }
        for partial in [[None; 3], [Some(7), Some(2), None]] {
            assert_eq!(told(partial, false), None, "more may come");
        }
    }
}
