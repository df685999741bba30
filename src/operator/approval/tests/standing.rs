//! A proposal stands: what replaces it, what ends it, what it waits for.

use super::*;

#[test]
fn a_proposal_waits_for_its_hash_and_then_runs() {
    let mut world = World::hot();
    assert_eq!(index(&world.pass()), None);
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
    let proposed = world.status.plan.clone().expect("a plan");
    let hour = SignedDuration::from_hours(1);
    assert_eq!(proposed.expires_at, Some(world.sample.snapshot.observed_at + hour));
    world.later(10);
    world.pass();
    assert_eq!(world.status.plan, Some(proposed), "it stands, expiry included");
    world.approve();
    let answer = world.pass();
    assert_eq!(index(&answer), Some(0));
    let Leave::Step { plan, .. } = answer.leave else { panic!("it runs") };
    assert_eq!(plan.identity, world.decision.plan.identity, "the start is recovered");
    assert_eq!(world.state(), Some(PlanState::Running));
}

#[test]
fn in_mode_apply_the_fresh_plan_runs_and_in_dry_run_it_is_shown() {
    let mut world = World::hot();
    world.sample.policy.mode = Mode::Apply;
    assert_eq!(index(&world.pass()), Some(0));
    assert_eq!(world.state(), Some(PlanState::Running));
    world.sample.policy.mode = Mode::DryRun;
    assert_eq!(index(&world.pass()), None);
    assert_eq!(world.state(), Some(PlanState::Planned));
}

#[test]
fn a_shown_plan_is_not_replaced_by_one_that_cuts_a_little_elsewhere() {
    let mut world = World::hot();
    world.sample.policy.mode = Mode::DryRun;
    world.pass();
    let shown = world.hash();
    let Step::Split { range, .. } = world.decision.plan.identity.steps[0] else { panic!("a split") };
    let at = crate::hash_key::HashKey(range.start().0 + range.span() / 3);
    world.decision.plan.identity.steps[0] = Step::Split { range, at };
    world.decision.plan.hash = world.decision.plan.identity.hash();
    world.pass();
    assert_eq!(world.hash(), shown);
}

#[test]
fn a_standing_proposal_is_not_replaced_because_a_minutes_load_differs() {
    let mut world = World::hot();
    world.pass();
    let proposed = world.hash();
    // The target is 70 %, packed is up to 56 %: between the two nothing changes.
    for load in [1_390_000, 900_000, 690_000, 570_000] {
        world.now_carries(&[310_000, 280_000, load, 120_000]);
        assert_eq!(ending(&world.pass()), None, "{load}");
        assert_eq!(world.hash(), proposed, "{load}");
    }
    world.now_carries(&[310_000, 280_000, 550_000, 120_000]);
    assert_eq!(ending(&world.pass()), Some(&Ending::NoLongerWorth));
    assert_eq!(world.state(), None, "nobody had approved it");
}

#[test]
fn what_cannot_be_known_now_takes_no_proposal_back() {
    let mut world = World::hot();
    world.pass();
    world.now_carries(&[310_000, 280_000, 550_000, 120_000]);
    let stale = Hold::MetricsStale { newest: None, max_age_seconds: 300 };
    world.decision.demand.stops = vec![stale.clone()];
    assert_eq!(ending(&world.pass()), None);
    world.approve();
    let answer = world.pass();
    assert_eq!(index(&answer), None, "it waits");
    assert_eq!(world.state(), Some(PlanState::Approved));
    let message = answer.plan.and_then(|plan| plan.message).expect("why it waits");
    assert_eq!(message, format!("waits: {stale}"));
    world.decision.demand.stops.clear();
    assert_eq!(index(&world.pass()), Some(0), "approved, it is worth it to whoever approved it");
}

#[test]
fn a_proposal_expires_and_expiry_bounds_the_start_alone() {
    let mut world = World::hot();
    world.pass();
    let plan = world.decision.plan.clone();
    let proposed = world.hash();
    world.later(60);
    assert_eq!(ending(&world.consider()), None, "at the very end it may begin");
    world.later(1);
    world.approve();
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (Some(&Ending::Expired), None));
    assert_eq!(world.hash(), proposed, "the same plan is proposed anew");
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
    assert_eq!(answer.approval, Approval::UsedUp, "and the late approval is not one of it");
    // Taken away and given again it is.
    world.approval = None;
    world.pass();
    world.approve();
    assert_eq!(index(&world.pass()), Some(0));
    // Begun, it has all the time it needs.
    let mut two = fixtures::one_hot_shard();
    fixtures::split(&mut two, 2);
    let mut world = World::new(two);
    world.pass();
    let whole = world.decision.plan.clone();
    world.approve();
    world.pass();
    world.shows(&whole, 1);
    world.later(600);
    assert_eq!(index(&world.pass()), Some(1));
    assert_ne!(plan.hash, whole.hash);
}

#[test]
fn heat_elsewhere_overtakes_a_proposal_that_nobody_has_approved() {
    let hot_elsewhere = |world: &World| {
        let mut sample = fixtures::with_loads(&[100_000, 100_000, 100_000, 900_000]);
        fixtures::split(&mut sample, 3);
        sample.policy = world.sample.policy.clone();
        sample
    };
    let mut world = World::cold();
    world.pass();
    let proposed = world.hash();
    world.decides(hot_elsewhere(&world));
    let answer = world.pass();
    assert!(matches!(ending(&answer), Some(Ending::Overtaken(_))), "{answer:?}");
    assert_ne!(world.hash(), proposed, "the heat is proposed");
    // Whoever has approved gets what he approved.
    let mut world = World::cold();
    world.pass();
    world.approve();
    world.decides(hot_elsewhere(&world));
    assert_eq!(index(&world.pass()), Some(0));
    assert_eq!(world.hash(), proposed);
    // But where heat needs no approval, it waits for nobody.
    let mut world = World::cold();
    world.sample.policy.approval.required = ApprovalRequired::ScaleDown;
    world.pass();
    world.approve();
    world.decides(hot_elsewhere(&world));
    let answer = world.pass();
    assert!(matches!(ending(&answer), Some(Ending::Overtaken(_))), "{answer:?}");
    assert_eq!(index(&answer), Some(0));
    assert_ne!(world.hash(), proposed);
    assert_eq!(answer.plan.and_then(|plan| plan.expires_at), None, "it needs no approval");
}

#[test]
fn where_only_merges_need_approval_splits_run_without() {
    let mut world = World::hot();
    world.sample.policy.approval.required = ApprovalRequired::ScaleDown;
    assert_eq!(index(&world.pass()), Some(0));
    let mut world = World::cold();
    world.sample.policy.approval.required = ApprovalRequired::ScaleDown;
    assert_eq!(index(&world.pass()), None);
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
}
