//! Conditions, derived from what a pass came to. Pure.
//!
//! `Ready` means *in control*, not "as many shards as desired": a long reshard is no failure.
//! `Stalled` (somebody has to change something) and `Reconciling` (an error that may pass) are
//! there only while they are true, as kstatus has it. `AbleToScale`, `ScalingActive` and
//! `ScalingLimited` mean what they mean in the HorizontalPodAutoscaler. What a pass knows nothing
//! about stays as it was.

use jiff::Timestamp;

use super::approval::{Approval, Leave};
use super::outcome::{Act, Decided, Failure, Outcome, Pass};
use super::status::{Condition, ConditionStatus, PlanState, RecentStep, Status};
use crate::executor::ExecuteError;
use crate::plan::{Hold, Step, Verdict};
use crate::policy::Mode;
use crate::stream::StreamStatus;

/// All types, in the order in which they are shown.
const TYPES: [&str; 10] = [
    "Ready",
    "Reconciling",
    "Stalled",
    "AbleToScale",
    "ScalingActive",
    "ScalingLimited",
    "PlanPending",
    "ConsumerLagging",
    "ReadCallsSaturated",
    "HotKey",
];
/// Those that are there only while they are true.
const ONLY_WHILE_TRUE: [&str; 2] = ["Reconciling", "Stalled"];
/// Those that a step which fails turns.
const TURNED_BY_A_STEP: [&str; 4] = ["Ready", "Stalled", "AbleToScale", "ScalingLimited"];

/// What is said of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    r#type: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: String,
}

/// The conditions after `pass`; `before` is the status that stands, `now` is when the pass ended.
/// Where a condition's status does not change, its transition time stays.
pub fn after(before: &Status, pass: &Pass, now: Timestamp) -> Vec<Condition> {
    let said = say(&pass.outcome);
    let merged = |r#type: &str| {
        let old = before.conditions.iter().find(|condition| condition.r#type == r#type);
        if let Some(old) = old.filter(|old| stays(old, &before.recent_steps, &pass.outcome)) {
            return Some(old.clone());
        }
        let Some(said) = said.iter().find(|said| said.r#type == r#type) else {
            let goes = ONLY_WHILE_TRUE.contains(&r#type) && !matches!(pass.outcome, Outcome::Idle { .. });
            return old.filter(|_| !goes).cloned();
        };
        let since = old.filter(|old| old.status == said.status).map(|old| old.last_transition_time);
        Some(Condition {
            r#type: said.r#type.to_owned(),
            status: said.status,
            reason: said.reason.to_owned(),
            message: said.message.clone(),
            last_transition_time: since.unwrap_or(now),
            observed_generation: Some(pass.generation),
        })
    };
    TYPES.into_iter().filter_map(merged).collect()
}

/// Whether a condition stays because it is open yet what it comes to: it says how the last step of a kind has
/// failed, and such a step is about to be tried again; or a refused call is about to be made up for. To say
/// meanwhile that all is well would turn it twice at each try.
fn stays(old: &Condition, recent: &[RecentStep], outcome: &Outcome) -> bool {
    let Outcome::Decided(decided) = outcome else { return false };
    let is_open = match (&decided.act, &decided.answer.leave) {
        (Act::Begins | Act::AwaitsTurn, Leave::Step { plan, index }) => {
            let kind = plan.steps().get(*index).map(Step::kind);
            let last = recent.iter().find(|step| Some(&*step.kind) == kind);
            last.is_some_and(|step| !step.is_done() && step.result == old.reason)
        }
        (Act::Stepped(stepped), _) => matches!(stepped.result, Err(ExecuteError::CountRefused(_))),
        _ => false,
    };
    is_open && TURNED_BY_A_STEP.contains(&&*old.r#type)
}

/// Whether a condition says that all is well in its respect.
pub fn is_well(condition: &Condition) -> bool {
    let good = match condition.r#type.as_str() {
        "Ready" | "AbleToScale" | "ScalingActive" => ConditionStatus::True,
        _ => ConditionStatus::False,
    };
    condition.status == good
}

fn say(outcome: &Outcome) -> Vec<Said> {
    match outcome {
        Outcome::Blocked(blocked) => not_looked_after(blocked.reason(), &blocked.to_string(), true, true),
        Outcome::Failed(failure) => failed(failure),
        // What was said last was said of the same shards under the same load.
        Outcome::Idle { .. } => Vec::new(),
        Outcome::Decided(decided) => of_decision(decided),
    }
}

fn failed(failure: &Failure) -> Vec<Said> {
    not_looked_after(failure.reason(), &failure.to_string(), failure.needs_a_person(), false)
}

fn not_looked_after(reason: &'static str, message: &str, stalled: bool, plan_ended: bool) -> Vec<Said> {
    let (yes, no) = (ConditionStatus::True, ConditionStatus::False);
    let mut said = vec![
        of("Ready", no, reason, message),
        of(if stalled { "Stalled" } else { "Reconciling" }, yes, reason, message),
        of("AbleToScale", no, reason, message),
    ];
    if stalled {
        said.push(of("ScalingActive", no, reason, message));
    }
    if plan_ended {
        said.push(of("PlanPending", no, reason, message));
    }
    said
}

fn of_decision(decided: &Decided) -> Vec<Said> {
    let mut said = vec![ready(decided)];
    said.extend(
        stalled(decided).map(|(reason, message)| of("Stalled", ConditionStatus::True, reason, message)),
    );
    said.extend([
        able_to_scale(decided),
        scaling_active(decided),
        scaling_limited(decided),
        plan_pending(decided),
    ]);
    // Where nothing can be decided, and of a silent stream, nothing is known of the readers or the keys.
    if decided.stops.is_empty() && !decided.report.plan.holds.contains(&Hold::SilentStream) {
        said.extend([consumer_lagging(decided), read_calls(decided), hot_key(decided)]);
    }
    said
}

/// What stays as it is until somebody changes something.
fn stalled(decided: &Decided) -> Option<(&'static str, String)> {
    if let Act::Stepped(stepped) = &decided.act
        && stepped.needs_a_person()
    {
        return Some((stepped.reason(), stepped.to_string()));
    }
    let cured = !decided.report.plan.steps().is_empty();
    let stays = |hold: &&Hold| match hold {
        Hold::OnDemandStream => true,
        Hold::ShardMetricsOff { .. } => !cured,
        Hold::StreamNotActive { status } => *status == StreamStatus::Deleting,
        _ => false,
    };
    decided.stops.iter().find(stays).map(|hold| (hold.reason(), hold.to_string()))
}

fn ready(decided: &Decided) -> Said {
    if let Some((reason, message)) = stalled(decided) {
        return of("Ready", ConditionStatus::False, reason, message);
    }
    let is = |state| decided.answer.plan.as_ref().is_some_and(|plan| plan.state == state);
    let suspended = decided.stops.contains(&Hold::Suspended);
    let reason = match &decided.act {
        _ if suspended => "Suspended",
        _ if decided.mode == Mode::DryRun => "DryRun",
        Act::Begins | Act::AwaitsTurn | Act::Stepped(_) | Act::Unconfirmed(_) => "Scaling",
        Act::Nothing if is(PlanState::AwaitingApproval) => "AwaitingApproval",
        Act::Nothing if is(PlanState::Approved) || is(PlanState::Running) => "Scaling",
        Act::Nothing => "InControl",
    };
    let message = match &decided.answer.plan {
        Some(plan) if !matches!(reason, "Suspended" | "InControl") => plan.summary.clone(),
        _ => decided.report.summary.clone(),
    };
    of("Ready", ConditionStatus::True, reason, message)
}

fn able_to_scale(decided: &Decided) -> Said {
    let (yes, no) = (ConditionStatus::True, ConditionStatus::False);
    match &decided.act {
        Act::Stepped(stepped) if !stepped.is_done() && stepped.result != Err(ExecuteError::Stopped) => {
            return of("AbleToScale", no, stepped.reason(), stepped.to_string());
        }
        Act::Unconfirmed(why) => return of("AbleToScale", no, "Unconfirmed", why.clone()),
        Act::AwaitsTurn => {
            let message = "other streams of the account and region reshard; their turn ends first";
            return of("AbleToScale", yes, "AwaitingTurn", message);
        }
        Act::Nothing | Act::Begins | Act::Stepped(_) => {}
    }
    let bars = |hold: &&Hold| {
        matches!(
            hold,
            Hold::StreamNotActive { .. }
                | Hold::OnDemandStream
                | Hold::ListingDoesNotTile { .. }
                | Hold::ShardCountMismatch { .. }
        )
    };
    if let Some(hold) = decided.stops.iter().find(bars) {
        return of("AbleToScale", no, hold.reason(), hold.to_string());
    }
    let waits: Vec<&Hold> = decided.report.plan.holds.iter().filter(|hold| is_wait(hold)).collect();
    match waits.first() {
        // As HPA's ScaleDownStabilized: able to, and waiting.
        Some(first) => {
            let all: Vec<_> = waits.iter().map(ToString::to_string).collect();
            of("AbleToScale", yes, first.reason(), all.join("; "))
        }
        None => of("AbleToScale", yes, "ReadyForSteps", "the next step may be taken when there is one"),
    }
}

/// What is waited for before more is done.
fn is_wait(hold: &Hold) -> bool {
    matches!(
        hold,
        Hold::MetricsMissing { .. }
            | Hold::MetricsSettling { .. }
            | Hold::LoadEstimated { .. }
            | Hold::Stabilizing { .. }
            | Hold::Rising { .. }
            | Hold::LoadForeseen { .. }
            | Hold::ConsumerLagging { .. }
            | Hold::ConsumerSilent { .. }
            | Hold::ParentsDraining { .. }
            | Hold::SilentStream
    )
}

fn scaling_active(decided: &Decided) -> Said {
    let no = ConditionStatus::False;
    let blind = |hold: &&Hold| {
        matches!(
            hold,
            Hold::ShardMetricsOff { .. }
                | Hold::MetricsStale { .. }
                | Hold::MetricsIncomplete { .. }
                | Hold::MetricsMissing { .. }
                | Hold::MetricsInconsistent { .. }
        )
    };
    let silent = |hold: &&Hold| **hold == Hold::SilentStream;
    let suspended = |hold: &&Hold| **hold == Hold::Suspended;
    let (stops, holds) = (&decided.stops, &decided.report.plan.holds);
    let stop = stops.iter().find(blind).or(holds.iter().find(silent)).or(stops.iter().find(suspended));
    match stop {
        Some(stop) => of("ScalingActive", no, stop.reason(), stop.to_string()),
        None if decided.mode == Mode::DryRun => {
            of("ScalingActive", no, "DryRun", "spec.mode is DryRun: plans are shown and not carried out")
        }
        None => of("ScalingActive", ConditionStatus::True, "ValidMetrics", "metrics are complete and recent"),
    }
}

fn scaling_limited(decided: &Decided) -> Said {
    let limits = |hold: &&Hold| {
        matches!(
            hold,
            Hold::AtMaxShards { .. }
                | Hold::BelowMinShards { .. }
                | Hold::RateLimited { .. }
                | Hold::StepBudget { .. }
                | Hold::MergeBudget { .. }
                | Hold::UpdateShardCountBudget { .. }
                | Hold::UpdateShardCountRefused { .. }
                | Hold::Frozen { .. }
        )
    };
    match decided.report.plan.holds.iter().find(limits) {
        Some(hold) => of("ScalingLimited", ConditionStatus::True, hold.reason(), hold.to_string()),
        None => {
            let message = "bounds, rates, budgets and schedules leave room for what is wanted";
            of("ScalingLimited", ConditionStatus::False, "WithinLimits", message)
        }
    }
}

fn plan_pending(decided: &Decided) -> Said {
    let yes = ConditionStatus::True;
    let pending = decided.answer.plan.as_ref().filter(|plan| plan.expires_at.is_some());
    let Some(plan) = pending else {
        return of("PlanPending", ConditionStatus::False, "NoPlan", "no plan waits for approval");
    };
    let (summary, hash) = (&plan.summary, &plan.hash);
    let until = plan.expires_at.map(|at| format!(" until {at}")).unwrap_or_default();
    let how = format!("{summary}: approve it{until} with the annotation reshard.dev/approve={hash}");
    match (plan.state, &decided.answer.approval) {
        (PlanState::AwaitingApproval, Approval::OfAnotherPlan(named)) => {
            let named: String = named.chars().take(64).collect();
            let message = format!("{how}; the annotation names {named}, which is not this plan");
            of("PlanPending", yes, "ApprovalOfAnotherPlan", message)
        }
        (PlanState::AwaitingApproval, Approval::UsedUp) => {
            let message = format!(
                "{how}; the annotation has approved an equal plan before and is used up: remove it and set it again"
            );
            of("PlanPending", yes, "ApprovalUsedUp", message)
        }
        (PlanState::AwaitingApproval, Approval::None | Approval::Given) => {
            of("PlanPending", yes, "AwaitingApproval", how)
        }
        (PlanState::Approved, _) => {
            let waits = plan.message.as_deref().unwrap_or("about to begin");
            of("PlanPending", yes, "Approved", format!("{summary}: plan {hash} is approved; {waits}"))
        }
        (PlanState::Planned | PlanState::Running | PlanState::Done | PlanState::Refused, _) => {
            of("PlanPending", ConditionStatus::False, "NoPlan", "no plan waits for approval")
        }
    }
}

fn consumer_lagging(decided: &Decided) -> Said {
    let yes = ConditionStatus::True;
    let verdict = verdict(decided, |verdict| {
        matches!(verdict, Verdict::DataLossRisk { .. } | Verdict::CatchingUp { .. })
    });
    let plan = &decided.report.plan;
    let lag = |hold: &&Hold| matches!(hold, Hold::ConsumerLagging { .. } | Hold::ConsumerSilent { .. });
    match (verdict, plan.holds.iter().find(lag)) {
        (Some((reason, message)), _) => of("ConsumerLagging", yes, reason, message),
        (None, Some(hold)) => of("ConsumerLagging", yes, hold.reason(), hold.to_string()),
        (None, None) => {
            of("ConsumerLagging", ConditionStatus::False, "KeepingUp", "no consumer is known to lag")
        }
    }
}

fn read_calls(decided: &Decided) -> Said {
    let saturated = verdict(decided, |verdict| matches!(verdict, Verdict::ReadCallsSaturated { .. }));
    match saturated {
        Some((reason, message)) => of("ReadCallsSaturated", ConditionStatus::True, reason, message),
        None => {
            let message = "the consumers' calls are not known to be near what each shard allows";
            of("ReadCallsSaturated", ConditionStatus::False, "WithinLimit", message)
        }
    }
}

fn hot_key(decided: &Decided) -> Said {
    let hot = verdict(decided, |verdict| {
        matches!(verdict, Verdict::HotKey { .. } | Verdict::Unsplittable { .. } | Verdict::Bursty { .. })
    });
    match hot {
        Some((reason, message)) => of("HotKey", ConditionStatus::True, reason, message),
        None => of("HotKey", ConditionStatus::False, "Spread", "nothing shows that heat sits in single keys"),
    }
}

/// The reason and the words of the first verdict of a kind.
fn verdict(decided: &Decided, kind: impl Fn(&Verdict) -> bool) -> Option<(&'static str, String)> {
    let verdict = decided.report.plan.verdicts.iter().find(|verdict| kind(verdict))?;
    Some((verdict.reason(), format!("{verdict}; {}", verdict.advice())))
}

fn of(
    r#type: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: impl Into<String>,
) -> Said {
    Said { r#type, status, reason, message: message.into() }
}

#[cfg(test)]
mod tests;
