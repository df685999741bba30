//! Approval: what becomes of the plan that stands in the status, and what may be done now. Pure.
//! Before a step of a plan is taken the status is written with it, so whoever takes over finds it.
//!
//! In mode `Approve` a plan is proposed once and then stands, whatever a minute's load says. Its
//! steps and its hash are in the status; the ranges that it starts from are what the open ranges
//! are with the steps already done undone, and the hash tells whether they are: nobody has to
//! remember how far a plan has come, the stream says it.
//!
//! A standing plan that has not begun ends when it expires, when it no longer fits the open ranges
//! or the generation, and when it has become wrong:
//! - *unsafe*: the checks veto a step of it under today's demand. What passes with time (lag, late
//!   metrics, rates, a freeze, a peak that was or is foreseen) vetoes nothing, it lets the plan wait;
//!   and so does a merged shard above where shards are packed to by the load of now, as long as it
//!   stays within its target. A learned target that has fallen since lets the plan neither wait nor
//!   fall, as long as no shard would lie above it.
//! - *no longer worth it*: the fresh decision, free to split, wants no split at all, and every shard
//!   that the plan splits is back below where shards are packed to. Between that and the target
//!   nothing changes: this is the band in which nothing flutters.
//! - *overtaken*, unless it is approved: another shard has become too hot, and no step of the plan
//!   splits it. Where only merges need approval, heat does not wait for an approved plan either.
//!
//! A plan that has begun is carried out whole, while the open ranges are those that it projects.
//! Before each of its steps only this is asked: that the bounds in force and the schedules allow
//! what is left, that no merge that is left makes a shard above its target, and that the approval
//! has not been taken back.
//!
//! An approval is good for one plan, once: when that ends, the annotation's value is noted in the
//! status as handled, and does not approve the same plan when it is proposed again.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::status::{PlanState, PlanStatus, RecentStep, Status, Targets, whole_second};
use crate::decision::Decision;
use crate::hash_key::HashKeyRange;
use crate::plan::{PLAN_FORMAT, Plan, PlanIdentity, Step};
use crate::policy::{Mode, ScalingPolicy};
use crate::snapshot::Snapshot;
use crate::stream::{OpenShards, StreamStatus};
use crate::vetted;

mod judge;
#[cfg(test)]
mod tests;

/// All that the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is wanted.
    pub policy: &'a ScalingPolicy,
    /// What was observed.
    pub snapshot: &'a Snapshot,
    /// What is decided from it now.
    pub decision: &'a Decision,
    /// That decision in one line.
    pub summary: &'a str,
    /// The status as it was written last: with the plan that stands, and what has been handled.
    pub status: &'a Status,
    /// The value of the annotation `reshard.dev/approve`.
    pub approval: Option<&'a str>,
}

/// What may be done now, and what the status says of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The plan that stood and no longer does, with why.
    pub ended: Option<(PlanStatus, Ending)>,
    /// The plan that the status is to show.
    pub plan: Option<PlanStatus>,
    /// What may be done.
    pub leave: Leave,
    /// What the annotation says of the plan that waits.
    pub approval: Approval,
    /// The value of the annotation that approves nothing any more.
    pub handled: Option<String>,
}

/// What may be done now.
#[derive(Debug, Clone, PartialEq)]
pub enum Leave {
    /// Nothing.
    Nothing,
    /// The step at `index` of the plan, whose hash has been verified.
    Step {
        /// The plan: the one that was decided now, or the approved one, of which only the
        /// identity is known.
        plan: Box<Plan>,
        /// The step, counted from 0.
        index: usize,
    },
}

/// What the annotation says of the plan that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// No plan waits, or there is no annotation.
    None,
    /// It approves the plan.
    Given,
    /// It names another plan.
    OfAnotherPlan(String),
    /// It names this plan, and was used up for it before.
    UsedUp,
}

/// Why a plan no longer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All its steps are done.
    Done,
    /// It was not begun in time.
    Expired,
    /// The resource has changed.
    Edited,
    /// The open ranges are not those that it starts from or projects.
    Moved,
    /// The approval was taken back.
    Revoked,
    /// A step of it must not be taken any more.
    Unsafe(String),
    /// What it is for has gone.
    NoLongerWorth,
    /// Something more urgent has come.
    Overtaken(String),
}

impl Ending {
    /// The name in events.
    pub fn reason(&self, was_approved: bool) -> &'static str {
        match self {
            Ending::Done => "PlanDone",
            Ending::Expired => "PlanExpired",
            _ if was_approved => "PlanRefused",
            _ => "PlanWithdrawn",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Done => f.write_str("all its steps are done"),
            Ending::Expired => f.write_str("it was not approved and begun before it expired"),
            Ending::Edited => f.write_str("the resource has changed since it was made"),
            Ending::Moved => f.write_str("the shards are not, or no longer, those that it projects"),
            Ending::Revoked => f.write_str("its approval was taken back"),
            Ending::Unsafe(why) => write!(f, "it may not be carried out any more: {why}"),
            Ending::NoLongerWorth => f.write_str("no shard that it splits is near its target any more"),
            Ending::Overtaken(why) => write!(f, "something more urgent has come: {why}"),
        }
    }
}

/// What becomes of the plan that stands, and what may be done now.
pub fn consider(question: &Question<'_>) -> Answer {
    let standing = question.status.plan.as_ref().filter(|plan| stands(plan));
    let ended = match standing {
        None => None,
        Some(plan) => match judge::judge(question, plan) {
            judge::Judgement::Stands { begun, waits } => {
                return standing_answer(question, plan, begun, waits);
            }
            judge::Judgement::Ended(ending) => Some((plan.clone(), ending)),
        },
    };
    fresh_answer(question, ended)
}

/// Whether a plan waits for approval, or is carried out by it.
pub(super) fn stands(plan: &PlanStatus) -> bool {
    let open = matches!(plan.state, PlanState::AwaitingApproval | PlanState::Approved | PlanState::Running);
    open && plan.expires_at.is_some()
}

/// Whether somebody waits for what is decided: the plan that stands is approved, or the annotation, which is
/// `named`, has just approved it. What is used up approves nothing for as long as it stays there.
pub(super) fn is_awaited(status: &Status, named: Option<&str>) -> bool {
    let names = |plan: &PlanStatus| {
        named == Some(plan.hash.as_str()) && named != status.last_handled_approval.as_deref()
    };
    status.plan.as_ref().is_some_and(|plan| stands(plan) && (was_approved(plan) || names(plan)))
}

/// Whether the plan was approved, as far as its state says.
pub(super) fn was_approved(plan: &PlanStatus) -> bool {
    matches!(plan.state, PlanState::Approved | PlanState::Running)
}

impl Question<'_> {
    fn now(&self) -> Timestamp {
        self.snapshot.observed_at
    }

    /// The annotation's value, where there is one.
    fn named(&self) -> Option<&str> {
        self.approval.filter(|value| !value.is_empty())
    }

    fn is_handled(&self) -> bool {
        self.named().is_some() && self.named() == self.status.last_handled_approval.as_deref()
    }

    fn approval_of(&self, plan: &PlanStatus) -> Approval {
        match self.named() {
            None => Approval::None,
            Some(named) if named != plan.hash.as_str() => {
                // What was used up for an earlier plan is no mistake.
                if self.is_handled() { Approval::None } else { Approval::OfAnotherPlan(named.to_owned()) }
            }
            Some(_) if self.is_handled() => Approval::UsedUp,
            Some(_) => Approval::Given,
        }
    }
}

/// The plan that stands goes on standing, and runs if it may.
fn standing_answer(
    question: &Question<'_>,
    plan: &PlanStatus,
    begun: Option<(PlanIdentity, usize)>,
    waits: Option<String>,
) -> Answer {
    let approval = question.approval_of(plan);
    let (state, leave) = match (&approval, begun) {
        (Approval::Given, Some((identity, index))) if waits.is_none() => {
            (PlanState::Running, Leave::Step { plan: Box::new(of_identity(identity, question)), index })
        }
        (Approval::Given, _) if plan.state == PlanState::Running => (PlanState::Running, Leave::Nothing),
        (Approval::Given, _) => (PlanState::Approved, Leave::Nothing),
        _ => (PlanState::AwaitingApproval, Leave::Nothing),
    };
    let message = waits.map(|why| format!("waits: {why}"));
    let handled = question.status.last_handled_approval.clone().filter(|_| question.is_handled());
    Answer {
        ended: None,
        plan: Some(PlanStatus { state, message, ..plan.clone() }),
        leave,
        approval,
        handled,
    }
}

/// What is decided now takes its course.
fn fresh_answer(question: &Question<'_>, ended: Option<(PlanStatus, Ending)>) -> Answer {
    let Question { policy, decision, status, .. } = question;
    let fresh = &decision.plan;
    let used_up = ended.as_ref().is_some_and(|(plan, _)| question.named() == Some(plan.hash.as_str()));
    let handled = question.named().filter(|_| used_up || question.is_handled()).map(str::to_owned);
    let mut answer =
        Answer { ended: None, plan: None, leave: Leave::Nothing, approval: Approval::None, handled };
    if fresh.steps().is_empty() {
        answer.plan = match &ended {
            Some((plan, ending)) => epitaph(plan, ending),
            // While the shards are on their way to something else, what is under way stays.
            None if judge::hidden(decision).is_some() => status.plan.clone(),
            None => status.plan.clone().filter(|plan| is_over(plan) && is_current(plan, policy)),
        };
    } else if policy.mode == Mode::DryRun {
        answer.plan = Some(shown(question));
    } else if vetted::needs_approval(policy, fresh) {
        let expires_at = expiry(question);
        let mut plan =
            PlanStatus { expires_at: Some(expires_at), ..proposal(question, PlanState::AwaitingApproval) };
        answer.approval = match &answer.handled {
            Some(handled) if handled == plan.hash.as_str() => Approval::UsedUp,
            Some(_) => Approval::None,
            None => question.approval_of(&plan),
        };
        if answer.approval == Approval::Given {
            plan.state = PlanState::Running;
            answer.leave = Leave::Step { plan: Box::new(fresh.clone()), index: 0 };
        }
        answer.plan = Some(plan);
    } else {
        answer.plan = Some(proposal(question, PlanState::Running));
        answer.leave = Leave::Step { plan: Box::new(fresh.clone()), index: 0 };
    }
    answer.ended = ended;
    answer
}

/// The plan that was decided now, as the status has it.
fn proposal(question: &Question<'_>, state: PlanState) -> PlanStatus {
    let plan = &question.decision.plan;
    PlanStatus {
        hash: plan.hash.clone(),
        state,
        summary: question.summary.to_owned(),
        generation: i64::try_from(question.policy.generation).unwrap_or(i64::MAX),
        steps: plan.steps().to_vec(),
        targets: Some(Targets::of(plan.limits.trigger)),
        expires_at: None,
        message: None,
    }
}

/// In mode `DryRun`: the plan that is shown already, where the fresh one does the same in kind.
/// Where exactly a shard is cut may change with each minute's load.
fn shown(question: &Question<'_>) -> PlanStatus {
    let fresh = proposal(question, PlanState::Planned);
    let kept = question.status.plan.as_ref().filter(|plan| {
        plan.state == PlanState::Planned
            && plan.summary == fresh.summary
            && matches!(recover(question.snapshot, plan), Some((_, 0)))
    });
    kept.cloned().unwrap_or(fresh)
}

fn expiry(question: &Question<'_>) -> Timestamp {
    let lasts =
        SignedDuration::try_from(question.policy.approval.expire_after).unwrap_or(SignedDuration::MAX);
    whole_second(question.now().checked_add(lasts).unwrap_or(Timestamp::MAX))
}

/// What is left to say of a plan that has ended: nothing, if nobody had approved it.
fn epitaph(plan: &PlanStatus, ending: &Ending) -> Option<PlanStatus> {
    let state = match ending {
        Ending::Done => PlanState::Done,
        _ if was_approved(plan) => PlanState::Refused,
        _ => return None,
    };
    Some(PlanStatus { state, message: Some(ending.to_string()), ..plan.clone() })
}

fn is_over(plan: &PlanStatus) -> bool {
    matches!(plan.state, PlanState::Done | PlanState::Refused)
}

fn is_current(plan: &PlanStatus, policy: &ScalingPolicy) -> bool {
    u64::try_from(plan.generation) == Ok(policy.generation)
}

/// The step that the stream shows and `status` does not tell of: whoever took it died before he could.
/// Only the latest can be missing, for before each step the status is written.
pub fn untold(snapshot: &Snapshot, status: &Status) -> Option<(PlanIdentity, usize)> {
    let plan = status.plan.as_ref().filter(|plan| plan.state == PlanState::Running)?;
    if snapshot.summary.status != StreamStatus::Active {
        return None;
    }
    let (identity, done) = recover(snapshot, plan)?;
    let told =
        |step: &RecentStep| step.plan == plan.hash.as_str() && step.number == Some(done) && step.is_done();
    (done > 0 && !status.recent_steps.iter().any(told)).then(|| (identity, done - 1))
}

/// The plan with its start, and how many of its steps the stream shows; `None` where the open
/// ranges are on none of the plan's stations.
///
/// Equal ranges do not tell what an UpdateShardCount began with. It stands alone in its plan: where the
/// stream shows what it leaves, all of the plan is done, and from where does not matter any more.
pub(super) fn recover(snapshot: &Snapshot, plan: &PlanStatus) -> Option<(PlanIdentity, usize)> {
    let open = OpenShards::tile(&snapshot.shards).ok()?;
    let ranges: Vec<_> = open.ranges().collect();
    let identity_from = |start: Vec<HashKeyRange>| {
        Some(PlanIdentity {
            format: PLAN_FORMAT,
            stream_arn: snapshot.summary.arn.clone(),
            stream_created_at: snapshot.summary.created_at,
            generation: u64::try_from(plan.generation).ok()?,
            start,
            steps: plan.steps.clone(),
        })
    };
    if let [call @ Step::UpdateShardCount { .. }] = &plan.steps[..]
        && call.is_complete(&open, &[])
    {
        return identity_from(ranges).map(|identity| (identity, 1));
    }
    let starts_after = |done: usize| {
        let mut start = ranges.clone();
        for step in plan.steps.iter().take(done).rev() {
            step.undo(&mut start).ok()?;
        }
        let identity = identity_from(start)?;
        (identity.hash() == plan.hash).then_some((identity, done))
    };
    let (identity, mut done) = (0..=plan.steps.len()).find_map(starts_after)?;
    // A step that changes no range is seen elsewhere.
    let is_on =
        |step: &Step| step.shard_delta() == 0 && step.is_complete(&open, &snapshot.summary.enhanced_metrics);
    while plan.steps.get(done).is_some_and(is_on) {
        done += 1;
    }
    Some((identity, done))
}

/// A plan of which only the identity is known: all that execution looks at.
fn of_identity(identity: PlanIdentity, question: &Question<'_>) -> Plan {
    Plan {
        hash: identity.hash(),
        identity,
        explanations: Vec::new(),
        holds: Vec::new(),
        verdicts: Vec::new(),
        desired_shards: question.decision.plan.desired_shards,
        limits: question.decision.plan.limits,
        before: Vec::new(),
        after: Vec::new(),
    }
}
