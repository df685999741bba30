//! What happens while a plan is carried out, for whoever shows it.

use std::fmt;
use std::time::Duration;

use super::StepOutcome;
use crate::control_plane::RequestError;
use crate::plan::{Plan, Step};
use crate::stream::StreamStatus;

/// Where events go.
pub type Progress<'a> = &'a (dyn Fn(&Event<'_>) + Sync);

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'e> {
    /// The stream was observed and a plan decided.
    Planned {
        /// The plan.
        plan: &'e Plan,
    },
    /// A step is wanted, and as many other streams as may reshard at once are at it.
    AwaitingTurn,
    /// A step's request is about to be sent.
    Sending {
        /// Its place in the plan, counted from 0.
        index: usize,
        /// How many steps the plan has.
        of: usize,
        /// The step.
        step: &'e Step,
    },
    /// A request did not get a clear yes.
    NotAccepted {
        /// What came instead.
        error: &'e RequestError,
    },
    /// The stream is not ready.
    Waiting {
        /// Its status, where it could be read.
        status: Option<StreamStatus>,
        /// For how long this has been waited for.
        waited: Duration,
    },
    /// A step ended.
    Finished {
        /// The step.
        step: &'e Step,
        /// How.
        outcome: StepOutcome,
    },
    /// No step may run now; the run sits it out.
    Holding {
        /// The plan with its holds.
        plan: &'e Plan,
        /// Until the next observation.
        next_look_in: Duration,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Planned { plan } => {
                write!(
                    f,
                    "plan {}: {} shards, {} steps",
                    plan.hash,
                    plan.identity.start.len(),
                    plan.steps().len()
                )
            }
            Event::AwaitingTurn => f.write_str("waiting for a turn: other streams reshard"),
            Event::Sending { index, of, step } => write!(f, "step {} of {of}: {step}", index + 1),
            Event::NotAccepted { error } => write!(f, "{error}"),
            Event::Waiting { status: Some(status), waited } => {
                write!(f, "the stream is {status}, waited {} s", waited.as_secs())
            }
            Event::Waiting { status: None, waited } => {
                write!(f, "the stream cannot be read, waited {} s", waited.as_secs())
            }
            Event::Finished { step, outcome } => write!(f, "{step}: {outcome}"),
            Event::Holding { plan, next_look_in } => {
                let reasons: Vec<_> = plan.holds.iter().map(ToString::to_string).collect();
                write!(f, "waiting {} s: {}", next_look_in.as_secs(), reasons.join("; "))
            }
        }
    }
}
