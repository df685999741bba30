//! The stream's writes over weeks: more than any decision looks at, for people who ask how a stream is
//! used.

use super::ObserveError;
use super::cache::ObservationCache;
use super::metrics::{MetricPlan, read_metrics};
use crate::control_plane::{ControlPlane, Period};
use crate::snapshot::{MetricHistory, Minute, Snapshot};

/// So many minutes up to now are read minute by minute: CloudWatch keeps those for 15 days, and a day is
/// left for the clocks.
const CLOSE_MINUTES: i64 = 14 * 24 * 60;

/// Reads the three metrics about writes of the stream of `snapshot` over `days` up to its settled
/// minutes, yet not from before it was made: the last two weeks by the minute, what lies before by
/// five minutes. Oldest first, each with its period; a point stands in the first minute of its period, and
/// the others are unknown. Six metrics are billed, whatever the span.
///
/// # Errors
/// [`ObserveError`] where a request fails.
pub async fn writes_of_days<P: ControlPlane>(
    plane: &P,
    snapshot: &Snapshot,
    days: i64,
) -> Result<Vec<(Period, MetricHistory)>, ObserveError> {
    let settled_until = snapshot.metrics.settled_until;
    let Some(end) = settled_until else { return Ok(Vec::new()) };
    let made = Minute::from_start(snapshot.summary.created_at).min(end);
    // CloudWatch's points of five minutes begin on minutes that five divides.
    let first_by_the_minute = on_five(end.plus(-CLOSE_MINUTES));
    let close = first_by_the_minute.max(made);
    // Of a stream that is younger than that nothing lies before: its first minutes would count twice.
    let far = on_five(end.plus(-days * 24 * 60)).max(if made < first_by_the_minute {
        on_five(made)
    } else {
        close
    });
    let spans = [(Period::FiveMinutes, far, close), (Period::Minute, close, end)];
    let mut read = Vec::new();
    for (period, from, until) in spans.into_iter().filter(|(_, from, until)| from < until) {
        let mut history = MetricHistory { settled_until, ..MetricHistory::default() };
        let plan = MetricPlan::writes_of_the_stream(from, until, period);
        let cache = &mut ObservationCache::for_one_pass();
        read_metrics(plane, &snapshot.summary, plan, cache, &mut history).await?;
        read.push((period, history));
    }
    Ok(read)
}

/// The last minute up to this one that five divides.
fn on_five(Minute(minute): Minute) -> Minute {
    Minute(minute - minute.rem_euclid(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::observe;
    use crate::observe::test_plane::{TestPlane, policy};
    use crate::snapshot::StreamMetric;

    /// Of each stretch the period, how many points there are, and what was written.
    async fn written(made_minutes_ago: i64, days: i64) -> Vec<(u32, usize, u64)> {
        let plane = TestPlane::new(1).made_minutes_ago(made_minutes_ago);
        let snapshot = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
        let read = writes_of_days(&plane, &snapshot, days).await.expect("it is read");
        let stretch = |(period, history): (Period, MetricHistory)| {
            let series = &history.stream[&StreamMetric::IncomingBytes];
            let points: Vec<u64> = series.all_values().flatten().collect();
            (period.minutes(), points.len(), points.iter().sum())
        };
        read.into_iter().map(stretch).collect()
    }

    #[tokio::test]
    async fn each_minute_counts_once_whatever_minute_a_stream_was_made_in() {
        for made in 60..65 {
            let minutes = made - 2;
            assert_eq!(written(made, 28).await, [(1, minutes as usize, 1_000 * minutes as u64)], "{made}");
        }
        let close = CLOSE_MINUTES as usize;
        let of_weeks = written(16 * 24 * 60, 28).await;
        assert_eq!(of_weeks.iter().map(|(period, ..)| *period).collect::<Vec<_>>(), [5, 1]);
        assert!(of_weeks[1].1 >= close && of_weeks[1].1 < close + 5, "{of_weeks:?}");
        let (minutes, all) = (of_weeks[0].1 * 5 + of_weeks[1].1, of_weeks[0].2 + of_weeks[1].2);
        assert_eq!(all, 1_000 * minutes as u64, "{of_weeks:?}");
        assert_eq!(minutes, 16 * 24 * 60 - 2);
    }
}
