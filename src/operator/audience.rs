//! Who is told of every pass: the metrics, and a line in the log.

use std::time::Duration;

use super::metrics::Metrics;
use super::object::Key;
use super::outcome::{Act, Outcome, Pass};
use super::status::Status;

/// Who is told of every pass.
pub trait Audience: Send + Sync + 'static {
    /// A pass ended, after `took`; `status` is what the resource's status is after it.
    fn passed(&self, pass: &Pass, status: &Status, took: Duration);

    /// A resource is gone, or no longer this operator's.
    fn gone(&self, key: &Key);

    /// Whether this replica leads now.
    fn leads(&self, leads: bool);
}

/// Nobody.
impl Audience for () {
    fn passed(&self, _: &Pass, _: &Status, _: Duration) {}

    fn gone(&self, _: &Key) {}

    fn leads(&self, _: bool) {}
}

impl Audience for Metrics {
    fn passed(&self, pass: &Pass, status: &Status, took: Duration) {
        let (namespace, name) = (&*pass.key.namespace, &*pass.key.name);
        Metrics::passed(self, namespace, name, pass.outcome.reason(), took);
        self.conditions(namespace, name, &status.conditions);
        match &pass.outcome {
            Outcome::Blocked(_) => self.undecided(namespace, name),
            // What was decided last is as old as it says.
            Outcome::Failed(_) | Outcome::Idle { .. } => {}
            Outcome::Decided(decided) => {
                self.decided(namespace, name, &decided.report);
                if let Act::Stepped(stepped) = &decided.act {
                    self.stepped(namespace, name, stepped.step.kind(), stepped.reason(), stepped.took);
                }
            }
        }
    }

    fn gone(&self, key: &Key) {
        self.forget(&key.namespace, &key.name);
    }

    fn leads(&self, leads: bool) {
        self.leading(leads);
        if !leads {
            self.forget_all();
        }
    }
}

/// Logs a pass: quietly where nothing is `new`, unless it failed. Whose pass it is, the span around it
/// says.
pub fn log(pass: &Pass, took: Duration, new: bool) {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match &pass.outcome {
        Outcome::Blocked(blocked) if new => {
            tracing::warn!(reason = blocked.reason(), "not looked after: {blocked}");
        }
        Outcome::Blocked(blocked) => {
            tracing::debug!(reason = blocked.reason(), "not looked after: {blocked}");
        }
        Outcome::Failed(failure) => {
            let (reason, request_id) = (failure.reason(), failure.request_id());
            tracing::warn!(reason, request_id, took_ms, "the pass failed: {failure}");
        }
        Outcome::Idle { metrics_requested } => {
            tracing::debug!(took_ms, metrics_requested, "nothing to look into");
        }
        Outcome::Decided(decided) => {
            let plan = decided.report.plan.hash.as_str();
            let summary = &decided.report.summary;
            match &decided.act {
                Act::Stepped(stepped) if stepped.is_done() => {
                    tracing::info!(plan = stepped.plan.as_str(), took_ms, "{stepped}");
                }
                Act::Stepped(stepped) => {
                    let (plan, request_id) = (stepped.plan.as_str(), stepped.request_id());
                    tracing::warn!(plan, request_id, took_ms, "{stepped}");
                }
                Act::Unconfirmed(why) => tracing::warn!(plan, "no step: {why}"),
                Act::AwaitsTurn => tracing::info!(plan, "a step waits for its turn"),
                Act::Nothing | Act::Begins if new => tracing::info!(plan, took_ms, "{summary}"),
                Act::Nothing | Act::Begins => tracing::debug!(plan, took_ms, "{summary}"),
            }
        }
    }
}
