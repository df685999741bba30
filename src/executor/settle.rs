//! After a request was sent: looks until it is known what became of it, and sends nothing.

use std::time::Duration;

use super::backoff::Patience;
use super::look::Look;
use super::{Event, ExecuteError, Executor, StepOutcome, TilingDifference};
use crate::control_plane::{ControlPlane, ErrorClass, RequestError};
use crate::hash_key::HashKeyRange;
use crate::observe::ObserveError;
use crate::plan::{Plan, Step};
use crate::stream::StreamStatus;

/// What one look tells of a request that was sent.
enum Sign {
    /// It is complete.
    Complete,
    /// The stream is ACTIVE and the step's shards are as before.
    Untouched,
    /// The stream is ACTIVE and neither holds: somebody else has changed the shards.
    Overtaken(TilingDifference),
    /// The stream is being deleted.
    Gone,
    /// It cannot be told yet.
    Unclear(String),
}

impl<P: ControlPlane> Executor<'_, P> {
    /// Waits until the step is complete, or certainly is not. A stop signal does not end this: the
    /// step is in flight. `unclear` is the reply, if it was not a yes.
    pub(super) async fn settle(
        &self,
        plan: &Plan,
        index: usize,
        unclear: Option<RequestError>,
    ) -> Result<StepOutcome, ExecuteError> {
        let step = plan.steps().get(index).ok_or(ExecuteError::NoSuchStep { index })?;
        let mut patience = Patience::with(&self.options, step);
        let mut untouched_since: Option<Duration> = None;
        let mut last = unclear.map_or_else(String::new, |error| error.to_string());
        loop {
            let waited = patience.waited();
            let look = match self.look(&plan.identity).await {
                Ok(look) => Some(look),
                Err(error) if may_pass(&error) => {
                    last = error.to_string();
                    None
                }
                Err(error @ (ExecuteError::StreamGone | ExecuteError::OtherStream { .. })) => {
                    return Err(error);
                }
                Err(error) => return Err(ExecuteError::Unconfirmed { waited, last: error.to_string() }),
            };
            match look.as_ref().map(|look| sign(step, look)) {
                Some(Sign::Complete) => return Ok(StepOutcome::Done { took: waited }),
                Some(Sign::Overtaken(difference)) => return Ok(StepOutcome::Overtaken(difference)),
                Some(Sign::Gone) => return Err(ExecuteError::StreamGone),
                Some(Sign::Untouched) => {
                    let since = *untouched_since.get_or_insert(waited);
                    if waited - since >= self.options.lost_after {
                        return Ok(StepOutcome::Lost);
                    }
                }
                Some(Sign::Unclear(why)) => {
                    untouched_since = None;
                    last = why;
                }
                None => untouched_since = None,
            }
            let Some(wait) = patience.wait() else { return Err(ExecuteError::Unconfirmed { waited, last }) };
            let status = look.map(|look| look.summary.status);
            (self.progress)(&Event::Waiting { status, waited: patience.waited() });
            self.plane.sleep(wait).await;
        }
    }
}

fn sign(step: &Step, look: &Look) -> Sign {
    match look.summary.status {
        StreamStatus::Deleting => return Sign::Gone,
        status @ (StreamStatus::Updating | StreamStatus::Creating) => {
            return Sign::Unclear(format!("the stream is {status}"));
        }
        StreamStatus::Active => {}
    }
    let open = match look.open() {
        Ok(open) => open,
        // A listing that is behind the status: eventually it is not.
        Err(error) => return Sign::Unclear(error.to_string()),
    };
    if step.is_complete(open, &look.summary.enhanced_metrics) {
        return Sign::Complete;
    }
    if step.resolve(open).is_ok() {
        return Sign::Untouched;
    }
    let made: Vec<HashKeyRange> = match step {
        Step::Split { range, at } => range.split(*at).map_or(Vec::new(), |(low, high)| vec![low, high]),
        Step::Merge { low, high } => low.merge(*high).into_iter().collect(),
        Step::UpdateShardCount { to, .. } => HashKeyRange::WHOLE.equal_parts(*to),
        Step::EnableShardMetrics { .. } => Vec::new(),
    };
    let expected = made.into_iter().find(|range| open.owning(*range).is_none());
    let found = expected.and_then(|expected| open.ranges().find(|range| range.contains(expected.start())));
    Sign::Overtaken(TilingDifference { expected, found })
}

/// Whether looking again may go better.
fn may_pass(error: &ExecuteError) -> bool {
    match error {
        ExecuteError::CannotLook(ObserveError::Request(error)) => matches!(
            error.class,
            ErrorClass::Throttled
                | ErrorClass::LimitExceeded
                | ErrorClass::ResourceInUse
                | ErrorClass::ExpiredToken
                | ErrorClass::Unreachable
                | ErrorClass::Ambiguous
        ),
        ExecuteError::CannotLook(ObserveError::ListingExpires { .. }) => true,
        _ => false,
    }
}
