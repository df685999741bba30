//! The decision: snapshot and policy in, plan out. The one place where demand and planner meet.

use crate::demand::{self, Demand};
use crate::plan::{PLAN_FORMAT, Plan, PlanIdentity};
use crate::planner::{self, Proposal};
use crate::policy::ScalingPolicy;
use crate::snapshot::Snapshot;

/// A plan with the demand that it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What the ranges need.
    pub demand: Demand,
    /// What is to be done about it.
    pub plan: Plan,
}

/// Decides. A pure function: the same snapshot and policy give the same plan, anywhere.
pub fn decide(snapshot: &Snapshot, policy: &ScalingPolicy) -> Decision {
    answer(demand::assess(snapshot, policy), snapshot, policy)
}

/// Decides on the demand that was assessed from `snapshot`.
pub fn answer(demand: Demand, snapshot: &Snapshot, policy: &ScalingPolicy) -> Decision {
    let proposal = propose(&demand, snapshot, policy);
    written(proposal, demand, snapshot, policy)
}

/// What a plan for this demand is to say. Whoever wants its steps alone, and only if there are any, looks here first:
/// most often there are none.
pub fn propose(demand: &Demand, snapshot: &Snapshot, policy: &ScalingPolicy) -> Proposal {
    planner::plan(demand, policy, &policy.in_force(snapshot.observed_at))
}

/// What was proposed for this demand as a plan.
pub fn written(proposal: Proposal, demand: Demand, snapshot: &Snapshot, policy: &ScalingPolicy) -> Decision {
    let Proposal {
        steps,
        explanations,
        holds,
        verdicts,
        desired_shards,
        before,
        after,
        cost_shard_seconds: _,
    } = proposal;
    let identity = PlanIdentity {
        format: PLAN_FORMAT,
        stream_arn: snapshot.summary.arn.clone(),
        stream_created_at: snapshot.summary.created_at,
        generation: policy.generation,
        start: demand.shards.iter().map(|shard| shard.range).collect(),
        steps,
    };
    let verdicts = demand.verdicts.iter().cloned().chain(verdicts).collect();
    let (hash, limits) = (identity.hash(), policy.limits(demand.learned_target));
    let plan = Plan { identity, hash, explanations, holds, verdicts, desired_shards, limits, before, after };
    Decision { demand, plan }
}
