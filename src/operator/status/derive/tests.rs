//! The status after passes.

use super::*;
use crate::cost::fixtures;
use crate::executor::StepOutcome;
use crate::operator::access::Grants;
use crate::operator::approval::{Approval, Leave};
use crate::operator::object::Key;
use crate::operator::outcome::fixture::{decided, pass, pass_of, stepped};
use crate::operator::status::PlanState;
use crate::policy::claim::Claim;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn proposal(hash: &crate::plan::PlanHash) -> PlanStatus {
    PlanStatus {
        hash: hash.clone(),
        state: PlanState::AwaitingApproval,
        summary: String::new(),
        generation: 3,
        steps: Vec::new(),
        targets: None,
        expires_at: Some(at(5_000)),
        message: None,
    }
}

#[test]
fn what_was_decided_is_in_the_status_and_an_idle_pass_leaves_it() {
    let sample = fixtures::one_hot_shard();
    let status = Status::default().after(&pass_of(decided(&sample)), at(100));
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.stream.as_ref().map(|stream| stream.name.as_str()), Some("orders"));
    let counts = ShardCounts { current: 4, desired: 5, hot: 1, cold: 0 };
    assert_eq!(
        status.shards,
        Some(ShardCounts { cold: status.shards.map_or(0, |shards| shards.cold), ..counts })
    );
    let targets = Targets { ingest_bytes_percent: 70, ingest_records_percent: 70, read_bytes_percent: 80 };
    assert_eq!(status.targets, Some(targets));
    assert_eq!(targets.loads(), sample.plan.limits.trigger);
    let idle = status.after(&pass(Outcome::Idle { metrics_requested: 10 }), at(200));
    assert_eq!(idle, status);
    assert_eq!(status.worth_of(&idle), Worth::Nothing);
}

#[test]
fn shards_are_cold_where_two_neighbours_fit_into_one() {
    let sample = fixtures::with_loads(&[100_000, 100_000, 550_000, 100_000]);
    let counts = counts(&sample.plan);
    assert_eq!((counts.current, counts.hot, counts.cold), (4, 0, 2), "packed up to 56 %");
}

#[test]
fn the_newest_steps_come_first_and_ten_are_kept() {
    let sample = fixtures::one_hot_shard();
    let mut status = Status::default();
    for seconds in 0..12 {
        let mut decided = decided(&sample);
        let took = std::time::Duration::from_secs(seconds);
        decided.act = stepped(&sample, Ok(StepOutcome::Done { took }));
        if let Act::Stepped(stepped) = &mut decided.act {
            stepped.took = took;
        }
        status = status.after(&pass_of(decided), at(100));
    }
    let seconds: Vec<_> = status.recent_steps.iter().map(|step| step.seconds).collect();
    assert_eq!(seconds, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    assert_eq!(status.recent_steps[0].result, "Done");
}

#[test]
fn the_plan_that_stands_ends_with_whatever_ends_the_work_and_so_does_its_approval() {
    let sample = fixtures::one_hot_shard();
    let plan = proposal(&sample.plan.hash);
    let mut decided = decided(&sample);
    decided.answer = crate::operator::approval::Answer {
        ended: None,
        plan: Some(plan.clone()),
        leave: Leave::Nothing,
        approval: Approval::None,
        handled: None,
    };
    let status = Status::default().after(&pass_of(decided), at(100));
    assert_eq!(status.plan, Some(plan.clone()));
    let rivals = vec![Key::new("payments", "twin")];
    let mut conflict = pass(Outcome::Blocked(Blocked::Conflict(rivals)));
    conflict.approval = Some(plan.hash.to_string());
    let blocked = status.after(&conflict, at(200));
    assert_eq!((blocked.plan.clone(), blocked.last_handled_approval), (None, Some(plan.hash.to_string())));
    assert_eq!(blocked.stream, status.stream, "which stream it is about is still told");
}

#[test]
fn what_was_seen_is_told_no_more_where_it_is_no_longer_allowed() {
    let sample = fixtures::one_hot_shard();
    let status = Status::default().after(&pass_of(decided(&sample)), at(100));
    let claim = Claim::from_arn(&sample.snapshot.summary.arn).expect("an ARN");
    let crate::operator::access::Access::Denied(denial) = Grants::default().check(&claim, None) else {
        panic!("denied")
    };
    let denied = status.after(&pass(Outcome::Blocked(Blocked::AccessDenied(denial))), at(200));
    assert_eq!((denied.stream, denied.shards, denied.plan), (None, None, None));
    assert!(denied.top_shards.is_empty());
}

#[test]
fn a_token_is_answered_by_any_pass() {
    let mut asked = pass(Outcome::Idle { metrics_requested: 0 });
    asked.token = Some("now".to_owned());
    let status = Status::default().after(&asked, at(100));
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
    assert_eq!(Status::default().worth_of(&status), Worth::Now);
}

#[test]
fn an_approval_that_is_taken_back_may_be_given_again_whatever_the_pass_that_sees_it() {
    let used_up = Status { last_handled_approval: Some("9f3c2a1b5d6e7f80".to_owned()), ..Status::default() };
    let idle = |approval: Option<&str>| {
        let mut idle = pass(Outcome::Idle { metrics_requested: 0 });
        idle.approval = approval.map(str::to_owned);
        used_up.after(&idle, at(100)).last_handled_approval
    };
    assert_eq!(idle(Some("9f3c2a1b5d6e7f80")), used_up.last_handled_approval, "it stays there");
    assert_eq!(idle(None), None);
    assert_eq!(idle(Some("0123456789abcdef")), None);
}

#[test]
fn a_step_of_the_replica_before_is_in_the_status_once_though_a_pass_writes_twice() {
    let sample = fixtures::one_hot_shard();
    let mut decided = decided(&sample);
    let Act::Stepped(mut missed) = stepped(&sample, Ok(StepOutcome::AlreadyDone)) else { panic!("a step") };
    missed.at = Timestamp::from_millisecond(1_500).expect("in range");
    decided.caught_up = Some(*missed);
    decided.act = Act::Begins;
    let begins = Status::default().after(&pass_of(decided.clone()), at(100));
    decided.act = stepped(&sample, Ok(StepOutcome::Done { took: std::time::Duration::from_secs(31) }));
    let done = begins.after(&pass_of(decided), at(100));
    let steps = |status: &Status| {
        let steps = status.recent_steps.iter();
        steps.map(|step| (step.result.clone(), step.number)).collect::<Vec<_>>()
    };
    assert_eq!(steps(&begins), [("AlreadyDone".to_owned(), Some(1))]);
    assert_eq!(steps(&done), [("Done".to_owned(), Some(1)), ("AlreadyDone".to_owned(), Some(1))]);
    assert_eq!(begins.recent_steps[0].at, at(1), "whole seconds");
}

#[test]
fn times_are_whole_seconds_as_kubernetes_writes_them() {
    let now = Timestamp::from_nanosecond(100_500_000_000).expect("in range");
    let status = Status::default().after(&pass_of(decided(&fixtures::one_hot_shard())), now);
    assert!(status.conditions.iter().all(|condition| condition.last_transition_time == at(100)));
}
