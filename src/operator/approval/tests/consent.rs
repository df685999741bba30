//! An approval: of which plan, for how often, and how it is taken back.

use super::*;

#[test]
fn an_approval_is_good_for_one_plan_once() {
    let mut world = World::hot();
    world.pass();
    world.approve();
    let plan = world.decision.plan.clone();
    world.pass();
    let before = world.sample.clone();
    world.shows(&plan, 1);
    world.pass();
    assert_eq!(world.state(), Some(PlanState::Done));
    // Somebody merges the two again, and the same plan comes up again.
    world.decides(before);
    let answer = world.pass();
    assert_eq!((index(&answer), answer.approval), (None, Approval::UsedUp));
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
    assert_eq!(index(&world.pass()), None, "nor later");
    world.approval = None;
    world.pass();
    world.approve();
    assert_eq!(index(&world.pass()), Some(0));
}

#[test]
fn a_decision_is_awaited_while_an_approval_is_good_and_not_once_it_is_used_up() {
    let mut world = World::hot();
    let awaited = |world: &World| is_awaited(&world.status, world.approval.as_deref());
    world.pass();
    assert!(!awaited(&world), "nobody has approved it");
    world.approve();
    assert!(awaited(&world));
    world.status.last_handled_approval = world.approval.clone();
    assert!(!awaited(&world), "each look at the shards is billed");
    world.status.last_handled_approval = None;
    world.pass();
    assert!(awaited(&world), "it runs");
}

#[test]
fn the_approval_of_another_plan_approves_nothing_and_is_told() {
    let mut world = World::hot();
    world.approval = Some("0123456789abcdef".to_owned());
    let answer = world.pass();
    assert_eq!(answer.approval, Approval::OfAnotherPlan("0123456789abcdef".to_owned()));
    let answer = world.pass();
    assert_eq!(answer.approval, Approval::OfAnotherPlan("0123456789abcdef".to_owned()));
    assert_eq!(index(&answer), None);
    world.approval = Some(String::new());
    assert_eq!(world.pass().approval, Approval::None);
}

#[test]
fn a_plan_that_is_approved_before_it_is_proposed_runs_at_once() {
    let mut world = World::hot();
    world.approval = Some(world.decision.plan.hash.to_string());
    assert_eq!(index(&world.pass()), Some(0));
    assert_eq!(world.state(), Some(PlanState::Running));
}

#[test]
fn an_edit_ends_plan_and_approval() {
    for begun in [0, 1] {
        let mut sample = fixtures::one_hot_shard();
        fixtures::split(&mut sample, 2);
        let mut world = World::begun(sample, begun);
        world.sample.policy.generation += 1;
        let answer = world.pass();
        assert_eq!((ending(&answer), index(&answer)), (Some(&Ending::Edited), None), "{begun} done");
        assert_eq!(world.state(), Some(PlanState::Refused));
    }
}

#[test]
fn an_approval_that_is_taken_back_ends_a_plan_that_has_begun() {
    let mut sample = fixtures::one_hot_shard();
    fixtures::split(&mut sample, 2);
    let mut world = World::begun(sample, 1);
    world.approval = None;
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (Some(&Ending::Revoked), None));
}
