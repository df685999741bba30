//! What is told, and what is not told again.

use jiff::Timestamp;

use super::*;
use crate::cost::fixtures;
use crate::executor::StepOutcome;
use crate::operator::approval::Approval;
use crate::operator::foreign::Foreign;
use crate::operator::object::Key;
use crate::operator::outcome::fixture::{decided, denied, pass, pass_of, stepped};
use crate::operator::outcome::{Blocked, Failure};
use crate::plan::Hold;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// The events of a pass, and the status after it.
fn told(pass: &Pass, before: &Status) -> (Vec<String>, Status) {
    let after = before.after(pass, at(100));
    let events = events(pass, before, &after);
    let text = |event: &Event| format!("{}{}", if event.warning { "!" } else { "" }, event.reason);
    (events.iter().map(text).collect(), after)
}

#[test]
fn nothing_is_told_of_what_is_well_from_the_start() {
    let quiet = pass_of(decided(&fixtures::even(4, 100_000)));
    let (events, _) = told(&quiet, &Status::default());
    assert_eq!(events, Vec::<String>::new());
}

#[test]
fn each_step_is_told_and_each_failure_is_a_warning() {
    let sample = fixtures::one_hot_shard();
    let mut done = decided(&sample);
    let took = std::time::Duration::from_secs(31);
    done.act = stepped(&sample, Ok(StepOutcome::Done { took }));
    assert_eq!(told(&pass_of(done), &Status::default()).0, ["Split"]);
    let mut failed = decided(&sample);
    failed.act = stepped(&sample, Err(ExecuteError::AccessDenied(denied())));
    let (events, status) = told(&pass_of(failed.clone()), &Status::default());
    assert_eq!(events, ["!SplitAwsAccessDenied", "!AwsAccessDenied"]);
    assert_eq!(told(&pass_of(failed), &status).0, ["!SplitAwsAccessDenied"], "the step, not the state");
    let mut stopped = decided(&sample);
    stopped.act = stepped(&sample, Err(ExecuteError::Stopped));
    let (events, _) = told(&pass_of(stopped), &Status::default());
    assert_eq!(events, Vec::<String>::new(), "nothing was sent");
}

#[test]
fn what_the_status_says_already_is_told_no_more() {
    let conflict = pass(Outcome::Blocked(Blocked::Conflict(vec![Key::new("payments", "twin")])));
    let (events, status) = told(&conflict, &Status::default());
    assert_eq!(events, ["!Conflict"], "once, though four conditions turn");
    assert_eq!(told(&conflict, &status).0, Vec::<String>::new());
    let slow = pass(Outcome::Failed(Failure::TooSlow(std::time::Duration::from_secs(120))));
    let (events, status) = told(&slow, &status);
    assert_eq!(events, ["!AwsTooSlow"]);
    let (events, _) = told(&pass_of(decided(&fixtures::even(4, 100_000))), &status);
    assert_eq!(events, ["ReadyForSteps", "ValidMetrics"], "and when it is over");
}

#[test]
fn a_hold_is_told_when_it_comes_and_when_it_changes() {
    let holding = |hold| {
        let mut decided = decided(&fixtures::even(4, 100_000));
        decided.report.plan.holds.push(hold);
        pass_of(decided)
    };
    let (events, status) = told(&holding(Hold::Stabilizing { window_seconds: 600 }), &Status::default());
    assert_eq!(events, ["Stabilizing"]);
    let (events, status) = told(&holding(Hold::Stabilizing { window_seconds: 600 }), &status);
    assert_eq!(events, Vec::<String>::new());
    let silent = Hold::ConsumerSilent { consumer: "billing".to_owned() };
    assert_eq!(told(&holding(silent), &status).0, ["ConsumerSilent"]);
}

#[test]
fn the_way_of_a_plan_is_told_step_by_step() {
    let sample = fixtures::one_hot_shard();
    let plan = |state, approval| {
        let mut decided = decided(&sample);
        decided.answer.plan = Some(PlanStatus {
            hash: sample.plan.hash.clone(),
            state,
            summary: "4 → 5 shards".to_owned(),
            generation: 3,
            steps: sample.plan.steps().to_vec(),
            targets: None,
            expires_at: Some(at(5_000)),
            message: None,
        });
        decided.answer.approval = approval;
        decided
    };
    let (events, status) =
        told(&pass_of(plan(PlanState::AwaitingApproval, Approval::None)), &Status::default());
    assert_eq!(events, ["PlanProposed"]);
    let wrong = |named: &str| {
        let approval = Approval::OfAnotherPlan(named.to_owned());
        pass_of(plan(PlanState::AwaitingApproval, approval))
    };
    let (events, status) = told(&wrong("0123"), &status);
    assert_eq!(events, ["!ApprovalOfAnotherPlan"]);
    let (events, status) = told(&wrong("0123"), &status);
    assert_eq!(events, Vec::<String>::new());
    let (events, status) = told(&wrong("4567"), &status);
    assert_eq!(events, ["!ApprovalOfAnotherPlan"], "another mistake");
    let (events, status) = told(&pass_of(plan(PlanState::Running, Approval::Given)), &status);
    assert_eq!(events, ["PlanBegins"]);
    let (events, _) = told(&pass_of(plan(PlanState::Running, Approval::Given)), &status);
    assert_eq!(events, Vec::<String>::new());
    for (ending, state, expected) in [
        (Ending::Done, PlanState::Running, "PlanDone"),
        (Ending::Moved, PlanState::Running, "!PlanRefused"),
        (Ending::Expired, PlanState::AwaitingApproval, "!PlanExpired"),
        (Ending::NoLongerWorth, PlanState::AwaitingApproval, "PlanWithdrawn"),
    ] {
        let stood = plan(state, Approval::None).answer.plan.expect("a plan");
        let mut decided = decided(&fixtures::even(4, 100_000));
        decided.answer.ended = Some((stood, ending));
        assert_eq!(told(&pass_of(decided), &Status::default()).0, [expected]);
    }
}

#[test]
fn a_plan_that_is_only_shown_is_told_once() {
    let sample = fixtures::one_hot_shard();
    let mut decided = decided(&sample);
    decided.answer.plan = Some(PlanStatus {
        hash: sample.plan.hash.clone(),
        state: PlanState::Planned,
        summary: "4 → 5 shards".to_owned(),
        generation: 3,
        steps: sample.plan.steps().to_vec(),
        targets: None,
        expires_at: None,
        message: None,
    });
    let (events, status) = told(&pass_of(decided.clone()), &Status::default());
    assert_eq!(events, ["PlanShown"]);
    assert_eq!(told(&pass_of(decided), &status).0, Vec::<String>::new());
}

#[test]
fn a_step_of_the_replica_before_is_told() {
    let sample = fixtures::one_hot_shard();
    let mut decided = decided(&sample);
    let Act::Stepped(missed) = stepped(&sample, Ok(StepOutcome::AlreadyDone)) else { panic!("a step") };
    decided.caught_up = Some(*missed);
    let (events, _) = told(&pass_of(decided), &Status::default());
    assert_eq!(events, ["Split"]);
}

#[test]
fn what_somebody_else_did_is_a_warning() {
    let mut decided = decided(&fixtures::even(4, 100_000));
    decided.foreign = Some(Foreign::Replaced { before: at(1), now: at(2) });
    assert_eq!(told(&pass_of(decided), &Status::default()).0, ["!StreamReplaced"]);
}

#[test]
fn a_note_fits_into_an_event() {
    let event = event(true, "Reason", "ä".repeat(2_000));
    assert!(event.note.len() <= MOST_BYTES && event.note.ends_with('…'));
}
