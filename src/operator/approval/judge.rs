//! The judgement of a plan that stands: whether it still does, and whether its next step may be
//! taken.

use super::{Approval, Ending, Question, is_current, recover, was_approved};
use crate::checks::{Violation, check_steps};
use crate::decision::Decision;
use crate::demand::ShardDemand;
use crate::hash_key::HashKeyRange;
use crate::operator::status::{PlanStatus, Targets};
use crate::plan::{Evidence, Hold, PlanIdentity, Step, StepReason};
use crate::vetted;

/// What becomes of a standing plan.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Judgement {
    /// It stands.
    Stands {
        /// The plan with its start, and how many steps are done; `None` while that cannot be seen.
        begun: Option<(PlanIdentity, usize)>,
        /// Why its next step may not be taken now.
        waits: Option<String>,
    },
    /// It does not.
    Ended(Ending),
}

pub(super) fn judge(question: &Question<'_>, plan: &PlanStatus) -> Judgement {
    if !is_current(plan, question.policy) {
        return Judgement::Ended(Ending::Edited);
    }
    if let Some(hold) = hidden(question.decision) {
        return Judgement::Stands { begun: None, waits: Some(hold.to_string()) };
    }
    let Some((identity, done)) = recover(question.snapshot, plan) else {
        return Judgement::Ended(Ending::Moved);
    };
    let approved = question.approval_of(plan) == Approval::Given;
    let verdict = match done {
        0 => not_begun(question, plan, &identity, approved),
        done if done == plan.steps.len() && (approved || was_approved(plan)) => Err(Ending::Done),
        _ if approved => begun(question, plan, &identity, done),
        _ if was_approved(plan) => Err(Ending::Revoked),
        // Somebody else has done what was proposed, or a part of it.
        _ => Err(Ending::Moved),
    };
    match verdict {
        Ok(waits) => Judgement::Stands { begun: Some((identity, done)), waits },
        Err(ending) => Judgement::Ended(ending),
    }
}

/// The hold, if any, during which the open shards are on the way to something else, or not to be trusted.
pub(super) fn hidden(decision: &Decision) -> Option<&Hold> {
    let hides = |hold: &&Hold| {
        matches!(
            hold,
            Hold::StreamNotActive { .. } | Hold::ListingDoesNotTile { .. } | Hold::ShardCountMismatch { .. }
        )
    };
    decision.demand.stops.iter().find(hides)
}

/// A plan of which no step is done: why it waits, if it does.
fn not_begun(
    question: &Question<'_>,
    plan: &PlanStatus,
    identity: &PlanIdentity,
    approved: bool,
) -> Result<Option<String>, Ending> {
    if plan.expires_at.is_some_and(|expires_at| question.now() > expires_at) {
        return Err(Ending::Expired);
    }
    let mut waits = None;
    for violation in violations(question, plan, identity) {
        if !violation.may_pass(question.decision.plan.limits.trigger) {
            return Err(Ending::Unsafe(violation.to_string()));
        }
        waits = waits.or(Some(in_short(&violation)));
    }
    let fresh = &question.decision.plan;
    if !fresh.steps().is_empty() && !vetted::needs_approval(question.policy, fresh) {
        return Err(Ending::Overtaken(format!("{}, which needs no approval", question.summary)));
    }
    if !approved {
        if let Some(hot) = heat_elsewhere(question, plan) {
            return Err(Ending::Overtaken(hot));
        }
        if is_no_longer_worth_it(question, identity) {
            return Err(Ending::NoLongerWorth);
        }
    }
    Ok(waits)
}

/// A plan that has begun goes on, unless what is left has become wrong.
fn begun(
    question: &Question<'_>,
    plan: &PlanStatus,
    identity: &PlanIdentity,
    done: usize,
) -> Result<Option<String>, Ending> {
    let start: Vec<HashKeyRange> = question.decision.demand.shards.iter().map(|shard| shard.range).collect();
    let left = PlanIdentity { start, steps: identity.steps[done..].to_vec(), ..identity.clone() };
    let targets = question.decision.plan.limits.trigger;
    let mut found = violations(question, plan, &left).into_iter();
    if let Some(violation) = found.find(|violation| violation.stops_what_has_begun(targets)) {
        return Err(Ending::Unsafe(violation.to_string()));
    }
    let fresh = &question.decision.plan;
    let heat_waits_for_nothing = !fresh.steps().is_empty() && !vetted::needs_approval(question.policy, fresh);
    match heat_among(question, &identity.steps[done..]) {
        Some(hot) if heat_waits_for_nothing => Err(Ending::Overtaken(hot)),
        _ => Ok(None),
    }
}

/// What the checks say now of `identity`, which is the plan or what is left of it. The status is no evidence: what
/// it says of the plan's targets lets no shard be packed above those of now.
fn violations(question: &Question<'_>, plan: &PlanStatus, identity: &PlanIdentity) -> Vec<Violation> {
    let Question { policy, snapshot, decision, .. } = question;
    let decided_by = plan.targets.map_or(decision.plan.limits.trigger, Targets::loads);
    check_steps(identity, decided_by, snapshot, policy, &decision.demand)
        .err()
        .map_or_else(Vec::new, |violations| violations.as_slice().to_vec())
}

/// What bars a step, without the step: people see the plan beside it.
fn in_short(violation: &Violation) -> String {
    match (violation.hold(), violation) {
        (Some(hold), _) => hold.to_string(),
        (None, Violation::Step { flaw, .. }) => flaw.to_string(),
        (None, violation) => violation.to_string(),
    }
}

/// A shard that the fresh plan has to split for its heat, and no step of the standing one splits.
fn heat_elsewhere(question: &Question<'_>, plan: &PlanStatus) -> Option<String> {
    heat_among(question, &plan.steps)
}

fn heat_among(question: &Question<'_>, steps: &[Step]) -> Option<String> {
    let fresh = &question.decision.plan;
    let splits = |range: HashKeyRange| {
        steps.iter().any(|step| match step {
            Step::Split { range: split, .. } => *split == range,
            // It makes more of every shard.
            Step::UpdateShardCount { from, to } => to > from,
            Step::Merge { .. } | Step::EnableShardMetrics { .. } => false,
        })
    };
    let hot = fresh.steps().iter().zip(&fresh.explanations).find_map(|(step, explanation)| {
        let Step::Split { range, .. } = step else { return None };
        let is_heat =
            matches!(explanation.reason, StepReason::Rejecting { .. } | StepReason::AboveTarget { .. });
        let shard = shard_of(question, *range)?;
        (is_heat && !splits(*range)).then_some(shard)
    })?;
    Some(format!("{} lies above its target, and this plan does not split it", hot.id))
}

/// Whether all that the plan is to relieve is relieved, and nothing else asks for a split.
fn is_no_longer_worth_it(question: &Question<'_>, identity: &PlanIdentity) -> bool {
    let demand = &question.decision.demand;
    let is_free = demand.stops.is_empty() && demand.split_bars.is_empty();
    let wants_a_split = question.decision.plan.steps().iter().any(|step| step.shard_delta() > 0);
    let is_split = |shard: &&ShardDemand| {
        identity.steps.iter().any(|step| match step {
            Step::Split { range, .. } => *range == shard.range,
            Step::UpdateShardCount { from, to } => to > from,
            Step::Merge { .. } | Step::EnableShardMetrics { .. } => false,
        })
    };
    let mut split = demand.shards.iter().filter(is_split).peekable();
    let is_cool = |shard: &ShardDemand| {
        shard.evidence != Evidence::Unknown
            && !shard.rejecting
            && shard.loads().within(question.decision.plan.limits.pack)
    };
    // What merges as well moves a boundary or saves shards, and is judged by its merges.
    let only_splits = identity.steps.iter().all(|step| step.shard_delta() >= 0);
    is_free && !wants_a_split && only_splits && split.peek().is_some() && split.all(is_cool)
}

/// The open shard of exactly this range.
fn shard_of<'a>(question: &Question<'a>, range: HashKeyRange) -> Option<&'a ShardDemand> {
    question.decision.demand.shards.iter().find(|shard| shard.range == range)
}
