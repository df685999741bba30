//! The plan that stands in a resource of the cluster, and its approval: `apply NAME` judges them as the
//! operator does, and carries out what was approved.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::decide::Decision;
use crate::operator::approval::{self, Answer, Approval, Leave, Question};
use crate::operator::object::{APPROVE, Autoscaler};
use crate::operator::status::{PlanState, Status};
use crate::plan::{Plan, PlanIdentity};
use crate::policy::ScalingPolicy;
use crate::snapshot::Snapshot;

/// What a resource says of its plan. What becomes of that meanwhile is kept here, not written to the
/// cluster: the stream shows how far the plan has come.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// Which resource, and which of its specs.
    version: (Option<String>, i64),
    status: Status,
    approval: Option<String>,
}

/// The standing plan during a run.
#[derive(Debug)]
pub(super) struct Judged {
    approval: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    status: Status,
    /// What is to be told of it.
    told: Vec<String>,
    last: Approval,
}

impl Standing {
    /// Of this resource.
    pub fn of(object: &Autoscaler) -> Standing {
        Standing {
            version: version(object),
            status: object.status(),
            approval: object.annotation(APPROVE).map(str::to_owned),
        }
    }

    /// What somebody has done to the resource since, which is `now` like this: what it said is not what it says.
    pub fn changed(&self, now: Option<&Autoscaler>) -> Option<&'static str> {
        let Some(now) = now.filter(|now| now.metadata.deletion_timestamp.is_none()) else {
            return Some("the resource was deleted");
        };
        if self.version != version(now) {
            return Some("the resource has changed");
        }
        (self.approval.as_deref() != now.annotation(APPROVE)).then_some("the approval has changed")
    }

    /// It is about to be judged.
    pub fn begin(&self) -> Judged {
        let Standing { status, approval, .. } = self.clone();
        let state = State { status, told: Vec::new(), last: Approval::None };
        Judged { approval, state: Mutex::new(state) }
    }
}

impl Judged {
    /// What may be done now: a plan whose first step comes next, or one without steps.
    pub fn next(
        &self,
        snapshot: &Snapshot,
        policy: &ScalingPolicy,
        decision: &Decision,
        summary: &str,
    ) -> Plan {
        let mut state = self.state();
        let answer = approval::consider(&Question {
            policy,
            snapshot,
            decision,
            summary,
            status: &state.status,
            approval: self.approval.as_deref(),
        });
        let Answer { ended, plan, leave, approval, handled } = answer;
        if let Some((plan, ending)) = ended {
            state.told.push(format!("the plan {} ({}): {ending}", plan.hash, plan.summary));
            if self.approval.as_deref() == Some(plan.hash.as_str()) {
                // It would approve the same plan again when that is next wanted.
                state.told.push(format!(
                    "its approval is used up, which nobody notes without an operator: remove the annotation {APPROVE}"
                ));
            }
        }
        state.status.plan = plan;
        state.status.last_handled_approval = handled;
        state.last = approval;
        match leave {
            Leave::Step { plan, index } => left(&plan, index, snapshot, decision),
            Leave::Nothing => left(&decision.plan, decision.plan.steps().len(), snapshot, decision),
        }
    }

    /// What is to be told of it at the end of a run.
    pub fn told(&self) -> Vec<String> {
        let state = self.state();
        let mut told = state.told.clone();
        let Some(plan) = &state.status.plan else { return told };
        let (hash, summary) = (&plan.hash, &plan.summary);
        told.extend(match (plan.state, &state.last) {
            (PlanState::AwaitingApproval, Approval::OfAnotherPlan(named)) => Some(format!(
                "{summary}: the annotation {APPROVE} names {named}, the plan is {hash}: nothing is done"
            )),
            (PlanState::AwaitingApproval, Approval::UsedUp) => Some(format!(
                "{summary}: the plan {hash} was approved before and has ended: remove the annotation {APPROVE} \
                 and set it again"
            )),
            (PlanState::AwaitingApproval, _) => Some(format!(
                "{summary}: waits for approval; approve it with the annotation {APPROVE}={hash}"
            )),
            (PlanState::Approved | PlanState::Running, _) => {
                let waits = plan.message.as_deref().unwrap_or("goes on with the next run");
                Some(format!("{summary}: the plan {hash} is approved; {waits}"))
            }
            (PlanState::Planned | PlanState::Done | PlanState::Refused, _) => None,
        });
        told
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(object: &Autoscaler) -> (Option<String>, i64) {
    (object.metadata.uid.clone(), object.generation())
}

/// The steps of `plan` from `index` on, as a plan that starts from the shards as they are now.
fn left(plan: &Plan, index: usize, snapshot: &Snapshot, decision: &Decision) -> Plan {
    let steps = plan.steps().get(index..).unwrap_or_default().to_vec();
    let start = decision.plan.identity.start.clone();
    let explanations = plan.explanations.get(index..).unwrap_or_default().to_vec();
    let identity =
        PlanIdentity { start, steps, stream_arn: snapshot.summary.arn.clone(), ..plan.identity.clone() };
    let Plan { holds, verdicts, desired_shards, limits, before, after, .. } = decision.plan.clone();
    Plan {
        hash: identity.hash(),
        identity,
        explanations,
        holds,
        verdicts,
        desired_shards,
        limits,
        before,
        after,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn what_somebody_does_to_a_resource_is_a_change_and_what_is_written_to_its_status_is_none() {
        let mut object = Autoscaler::default();
        object.metadata.uid = Some("7".to_owned());
        object.metadata.generation = Some(3);
        object.metadata.annotations = Some([(APPROVE.to_owned(), "9f3c2a1b5d6e7f80".to_owned())].into());
        let standing = Standing::of(&object);
        let after = |change: fn(&mut Autoscaler)| {
            let mut now = object.clone();
            change(&mut now);
            standing.changed(Some(&now))
        };
        assert_eq!(after(|now| now.status = serde_json::json!({"observedGeneration": 3})), None);
        assert_eq!(after(|now| now.metadata.generation = Some(4)), Some("the resource has changed"));
        assert_eq!(after(|now| now.metadata.uid = Some("8".to_owned())), Some("the resource has changed"));
        assert_eq!(after(|now| now.metadata.annotations = None), Some("the approval has changed"));
        let deleted = Some("the resource was deleted");
        let at = |now: &mut Autoscaler| {
            now.metadata.deletion_timestamp = Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        };
        assert_eq!((after(at), standing.changed(None)), (deleted, deleted));
    }
}
