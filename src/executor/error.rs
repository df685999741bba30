//! Why a step or a run ended without being done.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::control_plane::RequestError;
use crate::hash_key::HashKeyRange;
use crate::observe::ObserveError;
use crate::plan::{PlanHash, StepError};
use crate::stream::{OpenShards, StreamStatus, TilingError};

/// What stood against a step. Unless it says otherwise, nothing was sent or what was sent was
/// refused: no request is open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// The stop signal came before anything was sent.
    #[error("stopped before the next step was sent")]
    Stopped,
    /// The plan has no such step.
    #[error("the plan has no step {}", index + 1)]
    NoSuchStep {
        /// The step, counted from 0.
        index: usize,
    },
    /// The plan's steps do not fit each other: it was edited.
    #[error("the plan's steps do not fit together: {0}")]
    BrokenPlan(#[from] StepError),
    /// The plan's hash is not that of its content.
    #[error("the plan was edited: its hash is {stated}, its content hashes to {actual}")]
    PlanEdited {
        /// The hash that it states.
        stated: PlanHash,
        /// The hash of what it contains.
        actual: PlanHash,
    },
    /// The resource has changed since the plan was made.
    #[error("the plan was made for generation {planned} of the resource, which is at {current}")]
    OtherGeneration {
        /// In the plan.
        planned: u64,
        /// Of the resource.
        current: u64,
    },
    /// The stream could not be looked at.
    #[error("the stream cannot be read: {0}")]
    CannotLook(#[source] ObserveError),
    /// There is no such stream any more.
    #[error("the stream does not exist (any more)")]
    StreamGone,
    /// Another stream than the plan's.
    #[error(
        "the plan is for {planned_arn} made at {planned_at}; this stream is {found_arn} made at {found_at}"
    )]
    OtherStream {
        /// The plan's stream.
        planned_arn: String,
        /// When that was made.
        planned_at: Timestamp,
        /// The stream that was found.
        found_arn: String,
        /// When this was made.
        found_at: Timestamp,
    },
    /// The stream has been switched to on-demand.
    #[error("the stream is on-demand: AWS keeps its shards and refuses splits and merges")]
    OnDemand,
    /// The stream was not ready in time, and nothing was sent.
    #[error("the stream is still {status} after {} s; another reshard or change of it does not end", waited.as_secs())]
    NotReady {
        /// Its status.
        status: StreamStatus,
        /// How long was waited.
        waited: Duration,
    },
    /// The open shards do not tile the hash-key space, and kept not doing so.
    #[error("the listed shards do not cover the hash-key space exactly: {0}")]
    DoesNotTile(TilingError),
    /// Listing and count disagree, and kept doing so.
    #[error("ListShards shows {listed} open shards, DescribeStreamSummary counts {described}")]
    CountMismatch {
        /// The open shards that are listed.
        listed: usize,
        /// `OpenShardCount`.
        described: usize,
    },
    /// The shards are not those that the plan expects: somebody else has changed them.
    #[error("the shards are not as the plan expects them: {0}")]
    ShardsMoved(TilingDifference),
    /// `suspend` is set.
    #[error("suspend is set: nothing is done")]
    Suspended,
    /// The step would leave the bounds in force.
    #[error("{kind} refused: {open} shards are open, {min} to {max} are allowed now")]
    OutOfBounds {
        /// The kind of step.
        kind: &'static str,
        /// The open shards.
        open: u32,
        /// The fewest now.
        min: u32,
        /// The most now.
        max: u32,
    },
    /// A schedule bars the step.
    #[error("{kind} is barred now by {}", schedules.join(", "))]
    Frozen {
        /// The kind of step.
        kind: &'static str,
        /// The schedules in force.
        schedules: Vec<String>,
    },
    /// AWS does not allow it.
    #[error(transparent)]
    AccessDenied(RequestError),
    /// AWS refuses it for good.
    #[error(transparent)]
    Refused(RequestError),
    /// AWS refuses an UpdateShardCount: splits and merges have to do.
    #[error(transparent)]
    CountRefused(RequestError),
    /// The account has as many shards in the region as its quota allows.
    #[error(
        "the account's quota of {limit} shards in this region is used up ({open} are open): raise it in Service Quotas, or lower maxShards"
    )]
    ShardQuota {
        /// The quota.
        limit: u32,
        /// The open shards.
        open: u32,
    },
    /// AWS refuses it for now, each time.
    #[error("refused {tries} times, each time after a fresh look: {error}")]
    NotNow {
        /// How often it was sent.
        tries: u32,
        /// The last refusal.
        #[source]
        error: RequestError,
    },
    /// It was sent, and what became of it could not be seen. **It may still take effect**; nothing
    /// is sent again, and the next observation tells.
    #[error("it was sent, and {} s later it is still open whether it is complete: {last}", waited.as_secs())]
    Unconfirmed {
        /// How long was waited.
        waited: Duration,
        /// What was seen last.
        last: String,
    },
}

impl ExecuteError {
    /// Whether it comes again until somebody changes something.
    pub fn needs_a_person(&self) -> bool {
        matches!(
            self,
            ExecuteError::AccessDenied(_) | ExecuteError::Refused(_) | ExecuteError::ShardQuota { .. }
        )
    }
}

/// The first place where two tilings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilingDifference {
    /// The range that was expected there.
    pub expected: Option<HashKeyRange>,
    /// The range that is there.
    pub found: Option<HashKeyRange>,
}

impl TilingDifference {
    /// `None` if `open` are exactly the ranges `expected`.
    pub fn between(expected: &[HashKeyRange], open: &OpenShards) -> Option<Self> {
        let mut found = open.ranges();
        let mut expected = expected.iter().copied();
        loop {
            match (expected.next(), found.next()) {
                (None, None) => return None,
                (expected, found) if expected != found => {
                    return Some(TilingDifference { expected, found });
                }
                _ => {}
            }
        }
    }
}

impl fmt::Display for TilingDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range =
            |range: Option<HashKeyRange>| range.map_or("no shard".to_owned(), |range| range.to_string());
        write!(f, "{} is open where {} was expected", range(self.found), range(self.expected))
    }
}
