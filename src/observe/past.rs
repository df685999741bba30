//! The stream's writes over days: more than any decision looks at, for people who ask how a stream is
//! used.

use super::ObserveError;
use super::cache::ObservationCache;
use super::metrics::{MetricPlan, read_metrics};
use crate::control_plane::ControlPlane;
use crate::snapshot::{MetricHistory, Minute, Snapshot};

/// Reads the three metrics about writes of the stream of `snapshot`, minute by minute, over `days`
/// up to its settled minutes, yet not from before it was made. Three metrics are billed, whatever
/// the span: CloudWatch keeps data by the minute for 15 days.
///
/// # Errors
/// [`ObserveError`] where a request fails.
pub async fn writes_of_days<P: ControlPlane>(
    plane: &P,
    snapshot: &Snapshot,
    days: i64,
) -> Result<MetricHistory, ObserveError> {
    let settled_until = snapshot.metrics.settled_until;
    let mut history = MetricHistory { settled_until, ..MetricHistory::default() };
    let Some(end) = settled_until else { return Ok(history) };
    let made = Minute::from_start(snapshot.summary.created_at);
    let plan = MetricPlan::writes_of_the_stream(end.plus(-days * 24 * 60).max(made).min(end), end);
    read_metrics(plane, &snapshot.summary, plan, &mut ObservationCache::default(), &mut history).await?;
    Ok(history)
}
