//! What each outcome says, and what stays of what was said.

use super::*;
use crate::cost::fixtures::{self, Sample};
use crate::executor::{ExecuteError, StepOutcome};
use crate::observe::ObserveError;
use crate::operator::approval::Answer;
use crate::operator::object::Key;
use crate::operator::outcome::Blocked;
use crate::operator::outcome::fixture::{decided, denied, pass, pass_of, stepped};
use crate::operator::status::PlanStatus;
use crate::resource::FieldError;
use crate::stream::ShardId;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// The conditions after a pass where these stand, and no step was taken.
fn after(before: &[Condition], pass: &Pass, now: Timestamp) -> Vec<Condition> {
    let before = Status { conditions: before.to_vec(), ..Status::default() };
    super::after(&before, pass, now)
}

/// The conditions that are true, or false where that is bad, with their reasons.
fn told(conditions: &[Condition]) -> Vec<String> {
    let notable = |condition: &&Condition| !is_well(condition);
    conditions
        .iter()
        .filter(notable)
        .map(|condition| format!("{} {}", condition.r#type, condition.reason))
        .collect()
}

fn reason<'a>(conditions: &'a [Condition], r#type: &str) -> &'a str {
    conditions.iter().find(|condition| condition.r#type == r#type).map_or("", |condition| &condition.reason)
}

fn of(outcome: Outcome) -> Vec<Condition> {
    after(&[], &pass(outcome), at(100))
}

fn of_decided(change: impl FnOnce(&mut Decided, &Sample)) -> Vec<Condition> {
    let sample = fixtures::one_hot_shard();
    let mut decided = decided(&sample);
    change(&mut decided, &sample);
    after(&[], &pass_of(decided), at(100))
}

fn proposal(sample: &Sample, state: PlanState) -> PlanStatus {
    PlanStatus {
        hash: sample.plan.hash.clone(),
        state,
        summary: "4 → 5 shards in 1 step (1 split)".to_owned(),
        generation: 3,
        steps: sample.plan.steps().to_vec(),
        targets: None,
        expires_at: Some(at(5_000)),
        message: None,
    }
}

#[test]
fn a_stream_in_control_is_ready_and_nothing_is_amiss() {
    let conditions = of_decided(|_, _| {});
    assert_eq!(told(&conditions), Vec::<String>::new());
    assert_eq!(reason(&conditions, "Ready"), "InControl");
    let types: Vec<_> = conditions.iter().map(|condition| condition.r#type.as_str()).collect();
    let present: Vec<_> = TYPES.into_iter().filter(|r#type| !ONLY_WHILE_TRUE.contains(r#type)).collect();
    assert_eq!(types, present, "reconciling and stalled are there only while they are true");
    assert!(conditions.iter().all(|condition| condition.observed_generation == Some(3)));
}

#[test]
fn a_step_under_way_is_no_failure() {
    let conditions = of_decided(|decided, _| decided.act = Act::Begins);
    assert_eq!((told(&conditions), reason(&conditions, "Ready")), (Vec::new(), "Scaling"));
}

#[test]
fn what_somebody_has_to_change_is_stalled() {
    let faults = vec![FieldError { path: "spec.maxShards".to_owned(), message: "is 0".to_owned() }];
    let all = |reason: &str| {
        ["Ready", "Stalled", "AbleToScale", "ScalingActive"].map(|of| format!("{of} {reason}")).to_vec()
    };
    let invalid = of(Outcome::Blocked(Blocked::InvalidSpec(faults)));
    assert_eq!(told(&invalid), all("InvalidSpec"));
    assert!(invalid[0].message.contains("spec.maxShards: is 0"));
    let rivals = vec![Key::new("payments", "twin")];
    let conflict = of(Outcome::Blocked(Blocked::Conflict(rivals)));
    assert_eq!(told(&conflict), all("Conflict"));
    assert!(conflict[0].message.contains("payments/twin"));
    let failure = Failure::Unobserved(ObserveError::Request(denied()));
    assert_eq!(told(&of(Outcome::Failed(failure))), all("AwsAccessDenied"));
}

#[test]
fn what_may_pass_is_reconciling() {
    let slow = of(Outcome::Failed(Failure::TooSlow(std::time::Duration::from_secs(120))));
    assert_eq!(told(&slow), ["Ready AwsTooSlow", "Reconciling AwsTooSlow", "AbleToScale AwsTooSlow"]);
    let well = after(&slow, &pass_of(decided(&fixtures::even(4, 100_000))), at(200));
    assert_eq!(told(&well), Vec::<String>::new(), "and gone when it has passed");
}

#[test]
fn holds_go_where_hpa_has_them() {
    let holding = |hold: Hold, stops: bool| {
        of_decided(|decided, _| {
            if stops {
                decided.stops.push(hold.clone());
            }
            decided.report.plan.identity.steps.clear();
            decided.report.plan.holds.push(hold);
        })
    };
    let lag = Hold::ConsumerLagging { consumer: None, lag_millis: 200_000, limit_millis: 120_000 };
    let stabilizing = holding(Hold::Stabilizing { window_seconds: 600 }, false);
    assert_eq!((told(&stabilizing), reason(&stabilizing, "AbleToScale")), (Vec::new(), "Stabilizing"));
    assert_eq!(told(&holding(lag, false)), ["ConsumerLagging ConsumerLagging"]);
    let frozen = Hold::Frozen { schedules: vec!["freeze".to_owned()], scale_up: true };
    assert_eq!(told(&holding(frozen, false)), ["ScalingLimited Frozen"]);
    let stale = Hold::MetricsStale { newest: None, max_age_seconds: 300 };
    assert_eq!(told(&holding(stale, true)), ["ScalingActive MetricsStale"]);
    let silent = holding(Hold::SilentStream, false);
    assert_eq!(
        (told(&silent), reason(&silent, "AbleToScale")),
        (vec!["ScalingActive SilentStream".to_owned()], "SilentStream")
    );
    let off = Hold::ShardMetricsOff { metrics: vec!["IncomingBytes".to_owned()], managed: false };
    let expected = ["Ready ShardMetricsOff", "Stalled ShardMetricsOff", "ScalingActive ShardMetricsOff"];
    assert_eq!(told(&holding(off, true)), expected);
    let updating = Hold::StreamNotActive { status: StreamStatus::Updating };
    assert_eq!(told(&holding(updating, true)), ["AbleToScale StreamNotActive"]);
    let suspended = holding(Hold::Suspended, true);
    assert_eq!(told(&suspended), ["ScalingActive Suspended"]);
    assert_eq!(reason(&suspended, "Ready"), "Suspended");
}

#[test]
fn verdicts_have_conditions_with_advice() {
    let conditions = of_decided(|decided, sample| {
        let shard = ShardId::new("shardId-000000000002");
        let range = sample.snapshot.shards[2].range;
        let (dimension, load) = (crate::quota::Dimension::IngestBytes, crate::load::Load(1_430_000));
        decided.report.plan.verdicts.push(Verdict::HotKey { range, shard, dimension, load });
    });
    assert_eq!(told(&conditions), ["HotKey HotKey"]);
    let hot = conditions.iter().find(|condition| condition.r#type == "HotKey").expect("there");
    assert!(hot.message.contains("spread the key"), "{}", hot.message);

    let mut silent = decided(&fixtures::even(4, 100_000));
    silent.report.plan.holds = vec![Hold::SilentStream];
    let still = after(&conditions, &pass_of(silent), at(200));
    assert_eq!(reason(&still, "HotKey"), "HotKey", "of a silent stream nothing is known");
}

#[test]
fn a_proposal_says_how_to_approve_it_and_what_the_annotation_names_instead() {
    let pending = |state, approval| {
        of_decided(|decided, sample| {
            let plan = Some(proposal(sample, state));
            decided.answer = Answer { plan, approval, ..decided.answer.clone() };
        })
    };
    let message = |conditions: &[Condition]| {
        let pending = conditions.iter().find(|condition| condition.r#type == "PlanPending");
        pending.map(|condition| condition.message.clone()).unwrap_or_default()
    };
    let hash = fixtures::one_hot_shard().plan.hash;
    let waits = pending(PlanState::AwaitingApproval, Approval::None);
    assert_eq!(told(&waits), ["PlanPending AwaitingApproval"]);
    assert!(message(&waits).contains(&format!("reshard.dev/approve={hash}")), "{}", message(&waits));
    assert_eq!(reason(&waits, "Ready"), "AwaitingApproval");
    let other = pending(PlanState::AwaitingApproval, Approval::OfAnotherPlan("0123".to_owned()));
    assert_eq!(told(&other), ["PlanPending ApprovalOfAnotherPlan"]);
    assert!(message(&other).contains("names 0123"), "{}", message(&other));
    let used = pending(PlanState::AwaitingApproval, Approval::UsedUp);
    assert_eq!(told(&used), ["PlanPending ApprovalUsedUp"]);
    let running = pending(PlanState::Running, Approval::Given);
    assert_eq!((told(&running), reason(&running, "Ready")), (Vec::new(), "Scaling"));
}

#[test]
fn a_step_that_failed_is_told_and_one_that_will_fail_again_stalls() {
    let ended = |result| of_decided(|decided, sample| decided.act = stepped(sample, result));
    assert_eq!(told(&ended(Ok(StepOutcome::Lost))), ["AbleToScale Lost"]);
    let denied = ended(Err(ExecuteError::AccessDenied(denied())));
    assert_eq!(
        told(&denied),
        ["Ready AwsAccessDenied", "Stalled AwsAccessDenied", "AbleToScale AwsAccessDenied"]
    );
    let took = std::time::Duration::from_secs(30);
    assert_eq!(told(&ended(Ok(StepOutcome::Done { took }))), Vec::<String>::new());
}

#[test]
fn transition_times_stay_while_a_status_stays() {
    let quiet = || pass_of(decided(&fixtures::even(4, 100_000)));
    let first = after(&[], &quiet(), at(100));
    assert!(first.iter().all(|condition| condition.last_transition_time == at(100)));
    let again = after(&first, &quiet(), at(200));
    assert_eq!(again, first);
    let mut suspended = decided(&fixtures::even(4, 100_000));
    suspended.stops.push(Hold::Suspended);
    let turned = after(&again, &pass_of(suspended), at(300));
    for condition in &turned {
        let since = if condition.r#type == "ScalingActive" { at(300) } else { at(100) };
        assert_eq!(condition.last_transition_time, since, "{}", condition.r#type);
    }
    let idle = after(&turned, &pass(Outcome::Idle { metrics_requested: 10 }), at(400));
    assert_eq!(idle, turned, "an idle pass has nothing to say");
}

#[test]
fn what_a_failed_pass_knows_nothing_about_stays() {
    let lag = Hold::ConsumerLagging { consumer: None, lag_millis: 200_000, limit_millis: 120_000 };
    let mut lagging = decided(&fixtures::even(4, 100_000));
    lagging.report.plan.holds.push(lag);
    let before = after(&[], &pass_of(lagging), at(100));
    let failed = Outcome::Failed(Failure::TooSlow(std::time::Duration::from_secs(120)));
    let later = after(&before, &pass(failed), at(200));
    assert_eq!(reason(&later, "ConsumerLagging"), "ConsumerLagging");
}

/// A status after a pass.
fn next(before: &Status, decided: Decided, second: i64) -> Status {
    before.after(&pass_of(decided), at(second))
}

/// A decision on which the first step of the sample's plan may be taken.
fn with_leave(sample: &Sample, act: Act) -> Decided {
    let mut decided = decided(sample);
    decided.answer.leave = Leave::Step { plan: Box::new(sample.plan.clone()), index: 0 };
    decided.act = act;
    decided
}

#[test]
fn while_a_step_that_has_failed_is_tried_again_what_it_has_turned_stays() {
    let sample = fixtures::one_hot_shard();
    let fails = || stepped(&sample, Err(ExecuteError::AccessDenied(denied())));
    let first = next(&Status::default(), with_leave(&sample, Act::Begins), 100);
    assert_eq!(told(&first.conditions), Vec::<String>::new(), "nothing has failed yet");
    let failed = next(&first, with_leave(&sample, fails()), 200);
    let expected = ["Ready AwsAccessDenied", "Stalled AwsAccessDenied", "AbleToScale AwsAccessDenied"];
    assert_eq!(told(&failed.conditions), expected);
    for act in [Act::AwaitsTurn, Act::Begins, fails()] {
        let again = next(&failed, with_leave(&sample, act.clone()), 300);
        assert_eq!(again.conditions, failed.conditions, "{act:?}");
    }
    // What a step has no part in is said anew.
    let mut hot = with_leave(&sample, Act::Begins);
    hot.report.plan.holds.push(Hold::ConsumerLagging { consumer: None, lag_millis: 2, limit_millis: 1 });
    let lags = next(&failed, hot, 300);
    assert_eq!(reason(&lags.conditions, "ConsumerLagging"), "ConsumerLagging");

    // Nor has it a part in what was wrong since, and is cured.
    let blocked =
        failed.after(&pass(Outcome::Blocked(Blocked::Conflict(vec![Key::new("a", "twin")]))), at(300));
    assert_eq!(reason(&blocked.conditions, "Stalled"), "Conflict");
    let cured = next(&blocked, with_leave(&sample, Act::AwaitsTurn), 400);
    assert_eq!(told(&cured.conditions), Vec::<String>::new());

    let took = std::time::Duration::from_secs(30);
    let done = next(&failed, with_leave(&sample, stepped(&sample, Ok(StepOutcome::Done { took }))), 400);
    assert_eq!(told(&done.conditions), Vec::<String>::new(), "and goes when one succeeds");
}

#[test]
fn a_call_that_is_refused_before_each_split_turns_nothing() {
    let split = fixtures::one_hot_shard();
    let mut call = split.clone();
    call.plan.identity.steps = vec![Step::UpdateShardCount { from: 4, to: 8 }];
    let refused = || stepped(&call, Err(ExecuteError::CountRefused(denied())));
    let made_up_for = |act| {
        let mut decided = with_leave(&split, act);
        decided.report.plan.holds.push(Hold::UpdateShardCountRefused { message: denied().to_string() });
        decided
    };
    let done = || {
        let took = std::time::Duration::from_secs(30);
        stepped(&split, Ok(StepOutcome::Done { took }))
    };
    let mut status = next(&Status::default(), with_leave(&call, Act::Begins), 100);
    status = next(&status, with_leave(&call, refused()), 100);
    assert_eq!(told(&status.conditions), Vec::<String>::new(), "what is decided instead will tell");
    let limited = next(&status, made_up_for(Act::Begins), 100).conditions;
    assert_eq!(told(&limited), ["ScalingLimited UpdateShardCountRefused"]);
    for _ in 0..2 {
        for decided in [
            made_up_for(Act::Begins),
            made_up_for(done()),
            with_leave(&call, Act::Begins),
            with_leave(&call, refused()),
        ] {
            status = next(&status, decided, 200);
            let limits = |conditions: &[Condition]| {
                conditions.iter().find(|one| one.r#type == "ScalingLimited").map(|one| one.status)
            };
            assert_eq!(limits(&status.conditions), limits(&limited));
            assert_eq!(told(&status.conditions), told(&limited));
        }
    }
}
