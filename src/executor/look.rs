//! A fresh look at the stream: what `DescribeStreamSummary` and `ListShards` say now.

use jiff::Timestamp;

use super::backoff::Patience;
use super::{Event, ExecuteError, Executor};
use crate::control_plane::{ControlPlane, ErrorClass, ShardFilter};
use crate::observe::{ObserveError, list_shards};
use crate::plan::{Plan, PlanIdentity};
use crate::stream::{OpenShards, StreamMode, StreamStatus, StreamSummary, TilingError};

/// The stream at one moment.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) now: Timestamp,
    pub(super) summary: StreamSummary,
    open: Result<OpenShards, TilingError>,
}

impl Look {
    /// The open shards: they tile the space, and there are as many as AWS counts.
    pub(super) fn open(&self) -> Result<&OpenShards, ExecuteError> {
        let open = self.open.as_ref().map_err(|error| ExecuteError::DoesNotTile(error.clone()))?;
        let (listed, described) = (open.len(), self.summary.open_shard_count);
        if listed == described { Ok(open) } else { Err(ExecuteError::CountMismatch { listed, described }) }
    }
}

impl<P: ControlPlane> Executor<'_, P> {
    /// Looks at the stream, which must be the plan's.
    pub(super) async fn look(&self, identity: &PlanIdentity) -> Result<Look, ExecuteError> {
        let described = self.plane.describe_stream_summary(&self.stream).await.map_err(ObserveError::from);
        let described = described.map_err(cannot_look)?;
        let (now, summary) = (described.at, described.value);
        if summary.arn != identity.stream_arn || summary.created_at != identity.stream_created_at {
            return Err(ExecuteError::OtherStream {
                planned_arn: identity.stream_arn.clone(),
                planned_at: identity.stream_created_at,
                found_arn: summary.arn,
                found_at: summary.created_at,
            });
        }
        // AWS refuses to list the shards of a stream that is being made.
        let shards = match summary.status {
            StreamStatus::Creating => Vec::new(),
            _ => {
                list_shards(self.plane, &self.stream, ShardFilter::AtLatest).await.map_err(cannot_look)?.value
            }
        };
        Ok(Look { now, summary, open: OpenShards::tile(&shards) })
    }

    /// Looks until the stream is ACTIVE and its listing makes sense.
    pub(super) async fn look_when_active(
        &self,
        plan: &Plan,
        patience: &mut Patience,
    ) -> Result<Look, ExecuteError> {
        loop {
            let look = self.look(&plan.identity).await?;
            let status = look.summary.status;
            if look.summary.mode == StreamMode::OnDemand {
                return Err(ExecuteError::OnDemand);
            }
            let unfit = match status {
                StreamStatus::Deleting => return Err(ExecuteError::StreamGone),
                StreamStatus::Active => match look.open() {
                    Ok(_) => return Ok(look),
                    Err(error) => error,
                },
                StreamStatus::Updating | StreamStatus::Creating => {
                    ExecuteError::NotReady { status, waited: patience.waited() }
                }
            };
            let Some(wait) = patience.wait() else { return Err(unfit) };
            (self.progress)(&Event::Waiting { status: Some(status), waited: patience.waited() });
            self.pause(wait).await;
            if self.stop.is_set() {
                return Err(ExecuteError::Stopped);
            }
        }
    }
}

fn cannot_look(error: ObserveError) -> ExecuteError {
    match error {
        ObserveError::Request(error) if error.class == ErrorClass::NotFound => ExecuteError::StreamGone,
        ObserveError::Request(error) if error.class == ErrorClass::AccessDenied => {
            ExecuteError::AccessDenied(error)
        }
        error => ExecuteError::CannotLook(error),
    }
}
