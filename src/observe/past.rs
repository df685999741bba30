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
    let close = on_five(end.plus(-CLOSE_MINUTES)).max(made);
    let far = on_five(end.plus(-days * 24 * 60)).max(on_five(made));
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
