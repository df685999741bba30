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
        Standing { status: object.status(), approval: object.annotation(APPROVE).map(str::to_owned) }
    }

    /// It is about to be judged.
    pub fn begin(&self) -> Judged {
        let Standing { status, approval } = self.clone();
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
