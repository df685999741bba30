//! A plan of one UpdateShardCount: proposed, approved, begun and found done like any other.

use super::*;
use crate::hash_key::HashKeyRange;
use crate::policy::UpdateShardCount;

/// Four shards above their target that are to be eight.
fn doubling() -> World {
    let mut sample = fixtures::even(4, 900_000);
    sample.policy.update_shard_count = UpdateShardCount::Emergency;
    sample.plan.identity.steps = vec![Step::UpdateShardCount { from: 4, to: 8 }];
    sample.plan.hash = sample.plan.identity.hash();
    World::new(sample)
}

#[test]
fn an_approved_call_is_made_once_and_found_done_by_the_ranges_that_it_leaves() {
    let mut world = doubling();
    let plan = world.sample.plan.clone();
    assert_eq!(index(&world.pass()), None);
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
    world.approve();
    assert_eq!(index(&world.pass()), Some(0));
    // As after a restart in between: nothing but the status and the stream tell.
    world.shows(&plan, 1);
    let answer = world.pass();
    assert_eq!(index(&answer), None);
    assert!(matches!(answer.ended, Some((_, Ending::Done))), "{:?}", answer.ended);
    assert_eq!(world.state(), Some(PlanState::Done));
}

#[test]
fn a_call_that_nobody_has_approved_and_somebody_has_made_is_withdrawn() {
    let mut world = doubling();
    let plan = world.sample.plan.clone();
    world.pass();
    world.shows(&plan, 1);
    let answer = world.pass();
    assert!(matches!(answer.ended, Some((_, Ending::Moved))), "{:?}", answer.ended);
}

#[test]
fn an_approved_call_from_other_shards_than_these_is_not_made() {
    let mut world = doubling();
    world.pass();
    world.approve();
    let mut split = world.sample.plan.clone();
    let range = HashKeyRange::WHOLE.equal_parts(4)[2];
    let at = range.inner_boundaries(2).next().expect("a wide range");
    split.identity.steps = vec![Step::Split { range, at }];
    world.shows(&split, 1);
    let answer = world.pass();
    assert_eq!(index(&answer), None);
    assert!(matches!(answer.ended, Some((_, Ending::Moved))), "{:?}", answer.ended);
}

#[test]
fn a_call_for_less_needs_approval_where_heat_does_not_wait() {
    let mut world = doubling();
    world.sample.policy.approval.required = ApprovalRequired::ScaleDown;
    assert_eq!(index(&world.pass()), Some(0));
    let mut world = doubling();
    world.sample.policy.approval.required = ApprovalRequired::ScaleDown;
    world.sample.policy.update_shard_count = UpdateShardCount::Auto;
    world.decision.plan.identity.steps = vec![Step::UpdateShardCount { from: 4, to: 3 }];
    world.decision.plan.hash = world.decision.plan.identity.hash();
    assert_eq!(index(&world.pass()), None);
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
}

#[test]
fn a_call_waits_while_aws_or_the_budget_say_not_now_and_ends_once_the_heat_has_gone() {
    let mut world = doubling();
    world.pass();
    world.approve();
    world.decision.demand.count_updates_minutes_ago = vec![0; 10];
    let answer = world.pass();
    assert_eq!((index(&answer), world.state()), (None, Some(PlanState::Approved)));
    world.decision.demand.count_updates_minutes_ago.clear();
    assert_eq!(index(&world.pass()), Some(0));

    let mut world = doubling();
    world.pass();
    world.now_carries(&[300_000; 4]);
    let answer = world.pass();
    assert!(answer.ended.is_some(), "{answer:?}");
}
