//! What a pass came to: one type, and the only source of conditions, status, events, metrics and
//! logs, which are all derived from it by pure functions.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::access::Denial;
use super::approval::Answer;
use super::foreign::Foreign;
use super::object::Key;
use super::status::{ShardCounts, TopShard};
use crate::control_plane::{ErrorClass, RequestError, RequestId};
use crate::executor::{ExecuteError, StepOutcome};
use crate::observe::ObserveError;
use crate::plan::{Hold, PlanHash, Step};
use crate::policy::Mode;
use crate::report::Report;
use crate::resource::FieldError;
use crate::stream::OtherRegion;

#[cfg(test)]
pub(crate) mod fixture;

/// One pass over one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// The resource.
    pub key: Key,
    /// The generation of its spec.
    pub generation: i64,
    /// The value of `reshard.dev/reconcile-at` that this pass answers, if there is one.
    pub token: Option<String>,
    /// The value of `reshard.dev/approve`, if there is one.
    pub approval: Option<String>,
    /// What the pass came to.
    pub outcome: Outcome,
}

/// What a pass came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing was asked of AWS, or nothing but the stream's ARN.
    Blocked(Blocked),
    /// The stream could not be looked at, or nothing could be decided.
    Failed(Failure),
    /// Nothing calls for a decision: no more than the stream's own metrics was read.
    Idle {
        /// How many metrics were asked for, each billed.
        metrics_requested: u64,
    },
    /// A decision was made, and perhaps a step was taken.
    Decided(Box<Decided>),
}

/// Why a resource is not looked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// Its spec is at fault.
    InvalidSpec(Vec<FieldError>),
    /// Its namespace does not allow it.
    AccessDenied(Denial),
    /// Other resources lay claim to its stream.
    Conflict(Vec<Key>),
}

/// Why a pass came to no decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// There is no way to AWS in the name that the resource asks for.
    NoWay(String),
    /// What AWS calls by the stream's name is a stream of another region.
    OtherRegion(OtherRegion),
    /// A request failed.
    Unobserved(ObserveError),
    /// The stream was not observed in time.
    TooSlow(Duration),
    /// The checks vetoed what was decided: a mistake of ours.
    Vetoed(String),
}

/// A decision, and what was done about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// What may be done with a plan.
    pub mode: Mode,
    /// The decision with all that explains it.
    pub report: Report,
    /// What bars every step.
    pub stops: Vec<Hold>,
    /// How many shards there are.
    pub counts: ShardCounts,
    /// The fullest shards.
    pub top: Vec<TopShard>,
    /// What may be done, and what becomes of the plan that stood.
    pub answer: Answer,
    /// What was done.
    pub act: Act,
    /// What somebody else did since the last look.
    pub foreign: Option<Foreign>,
    /// The step that the stream shows and the status does not: who took it died before it could tell.
    pub caught_up: Option<Stepped>,
    /// How many metrics were asked for, each billed.
    pub metrics_requested: u64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Nothing: there was nothing to do, or no leave.
    Nothing,
    /// The step that comes next is about to be sent, once this has been written.
    Begins,
    /// Nothing: as many other streams as may reshard at once are at it.
    AwaitsTurn,
    /// Nothing: the API server has not confirmed that the resource still asks for it.
    Unconfirmed(String),
    /// A step was taken, or tried.
    Stepped(Box<Stepped>),
}

/// A step that was taken, or tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The step.
    pub step: Step,
    /// What it does, for people: with the shards that were open.
    pub action: String,
    /// Why, for people; where the plan was decided in this pass.
    pub why: Option<String>,
    /// The plan that it is part of.
    pub plan: PlanHash,
    /// Its place in the plan, counted from 0.
    pub index: usize,
    /// How many steps the plan has.
    pub of: usize,
    /// How it ended.
    pub result: Result<StepOutcome, ExecuteError>,
    /// When it ended, by AWS's clock, to the second or so.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// The name in metrics: what was decided tells more.
    pub fn reason(&self) -> &'static str {
        match self {
            Outcome::Blocked(blocked) => blocked.reason(),
            Outcome::Failed(failure) => failure.reason(),
            Outcome::Idle { .. } => "Idle",
            Outcome::Decided(_) => "Decided",
        }
    }
}

impl Blocked {
    /// The name in conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Blocked::InvalidSpec(_) => "InvalidSpec",
            Blocked::AccessDenied(_) => "AccessDenied",
            Blocked::Conflict(_) => "Conflict",
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blocked::InvalidSpec(faults) => f.write_str(&list(faults, "; ", 5)),
            Blocked::AccessDenied(denial) => denial.fmt(f),
            Blocked::Conflict(rivals) => write!(
                f,
                "{} asks for the same stream; nothing is done to it until one resource is left",
                list(rivals, ", ", 5)
            ),
        }
    }
}

impl Failure {
    /// The name in conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::NoWay(_) => "NoAccessToAws",
            Failure::OtherRegion(_) => "OtherRegion",
            Failure::Unobserved(ObserveError::Request(error)) => request_reason(error),
            Failure::Unobserved(_) => "ListingBroken",
            Failure::TooSlow(_) => "AwsTooSlow",
            Failure::Vetoed(_) => "Vetoed",
        }
    }

    /// AWS's name for the request that failed.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Failure::Unobserved(error) => RequestId::of(error),
            _ => None,
        }
    }

    /// Whether it stays until somebody changes something.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Failure::NoWay(_) | Failure::OtherRegion(_) | Failure::Vetoed(_) => true,
            Failure::Unobserved(ObserveError::Request(error)) => is_final(error.class),
            Failure::Unobserved(_) | Failure::TooSlow(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoWay(why) => f.write_str(why),
            Failure::OtherRegion(error) => error.fmt(f),
            Failure::Unobserved(error) => error.fmt(f),
            Failure::TooSlow(after) => write!(f, "AWS has not answered in full after {} s", after.as_secs()),
            Failure::Vetoed(why) => write!(f, "internal error, nothing was done: {why}"),
        }
    }
}

impl Stepped {
    /// The name of how it ended, in status, events and metrics.
    pub fn reason(&self) -> &'static str {
        match &self.result {
            Ok(StepOutcome::Done { .. }) => "Done",
            Ok(StepOutcome::AlreadyDone) => "AlreadyDone",
            Ok(StepOutcome::Lost) => "Lost",
            Ok(StepOutcome::Overtaken(_)) => "Overtaken",
            Err(error) => step_reason(error),
        }
    }

    /// AWS's name for the request that it refused.
    pub fn request_id(&self) -> Option<&str> {
        self.result.as_ref().err().and_then(|error| RequestId::of(error))
    }

    /// How long it took by AWS's clock, where that is known; else by ours.
    pub fn seconds(&self) -> u64 {
        match self.result {
            Ok(StepOutcome::Done { took }) => took.as_secs(),
            _ => self.took.as_secs(),
        }
    }

    /// Whether the stream shows the step now.
    pub fn is_done(&self) -> bool {
        matches!(self.result, Ok(StepOutcome::Done { .. } | StepOutcome::AlreadyDone))
    }

    /// Whether the request may have been sent, and may take effect yet.
    pub fn may_take_effect(&self) -> bool {
        match &self.result {
            Ok(_) | Err(ExecuteError::Unconfirmed { .. } | ExecuteError::StreamGone) => true,
            Err(_) => false,
        }
    }

    /// Whether it fails until somebody changes something.
    pub fn needs_a_person(&self) -> bool {
        self.result.as_ref().is_err_and(ExecuteError::needs_a_person)
    }
}

impl fmt::Display for Stepped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stepped { step: _, action, why, plan, index, of, result, at: _, took: _ } = self;
        f.write_str(action)?;
        if let Some(why) = why {
            write!(f, " ({why})")?;
        }
        match result {
            Ok(outcome) => write!(f, ": {outcome}")?,
            Err(error) => write!(f, ": {error}")?,
        }
        write!(f, " (step {} of {of} of plan {plan})", index + 1)
    }
}

fn request_reason(error: &RequestError) -> &'static str {
    match error.class {
        ErrorClass::AccessDenied => "AwsAccessDenied",
        ErrorClass::Credentials => "AwsCredentials",
        ErrorClass::NotFound => "StreamNotFound",
        ErrorClass::Invalid => "AwsRefuses",
        ErrorClass::Throttled | ErrorClass::LimitExceeded => "AwsThrottles",
        ErrorClass::ResourceInUse => "StreamInUse",
        ErrorClass::ExpiredToken | ErrorClass::Unreachable | ErrorClass::Ambiguous => "AwsUnreachable",
    }
}

fn is_final(class: ErrorClass) -> bool {
    match class {
        ErrorClass::AccessDenied | ErrorClass::Credentials | ErrorClass::NotFound | ErrorClass::Invalid => {
            true
        }
        ErrorClass::ResourceInUse
        | ErrorClass::LimitExceeded
        | ErrorClass::Throttled
        | ErrorClass::ExpiredToken
        | ErrorClass::Unreachable
        | ErrorClass::Ambiguous => false,
    }
}

fn step_reason(error: &ExecuteError) -> &'static str {
    match error {
        ExecuteError::Stopped => "Stopped",
        ExecuteError::NoSuchStep { .. } | ExecuteError::BrokenPlan(_) | ExecuteError::PlanEdited { .. } => {
            "BrokenPlan"
        }
        ExecuteError::OtherGeneration { .. } => "OtherGeneration",
        ExecuteError::CannotLook(_) => "CannotLook",
        ExecuteError::StreamGone => "StreamGone",
        ExecuteError::OtherStream { .. } => "StreamReplaced",
        ExecuteError::OnDemand => "OnDemandStream",
        ExecuteError::NotReady { .. } => "NotReady",
        ExecuteError::DoesNotTile(_) => "ListingDoesNotTile",
        ExecuteError::CountMismatch { .. } => "ShardCountMismatch",
        ExecuteError::ShardsMoved(_) => "ShardsMoved",
        ExecuteError::Suspended => "Suspended",
        ExecuteError::OutOfBounds { .. } => "OutOfBounds",
        ExecuteError::Frozen { .. } => "Frozen",
        ExecuteError::AccessDenied(_) => "AwsAccessDenied",
        ExecuteError::Refused(_) => "AwsRefuses",
        ExecuteError::CountRefused(_) => "UpdateShardCountRefused",
        ExecuteError::ShardQuota { .. } => "ShardQuota",
        ExecuteError::NotNow { .. } => "NotNow",
        ExecuteError::Unconfirmed { .. } => "Unconfirmed",
    }
}

/// The first `most` of `items`, and how many more there are.
fn list(items: &[impl fmt::Display], separator: &str, most: usize) -> String {
    let shown: Vec<_> = items.iter().take(most).map(ToString::to_string).collect();
    match items.len().saturating_sub(most) {
        0 => shown.join(separator),
        more => format!("{} and {more} more", shown.join(separator)),
    }
}
