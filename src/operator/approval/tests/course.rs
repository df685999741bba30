//! The course of an approved plan: how far it is, what stops it, when it is done and told.

use super::*;

#[test]
fn an_approved_plan_runs_whole_and_how_far_it_is_the_shards_tell() {
    let mut sample = fixtures::with_loads(&[210_000, 180_000, 1_430_000, 120_000]);
    fixtures::split(&mut sample, 2);
    fixtures::split(&mut sample, 2);
    fixtures::merge(&mut sample, 0);
    let mut world = World::new(sample);
    world.pass();
    world.approve();
    let plan = world.decision.plan.clone();
    for done in 0..plan.steps().len() {
        if done > 0 {
            world.shows(&plan, done);
        }
        // Whether or not what was answered last has been written.
        let answer = if done % 2 == 0 { world.pass() } else { world.consider() };
        let Leave::Step { plan: run, index } = answer.leave else { panic!("step {done} is to run") };
        assert_eq!((index, &run.identity), (done, &plan.identity));
    }
    world.shows(&plan, plan.steps().len());
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (Some(&Ending::Done), None));
    assert_eq!(world.state(), Some(PlanState::Done));
    assert_eq!(ending(&world.pass()), None, "it is told once");
    assert_eq!(world.state(), Some(PlanState::Done), "and shown until there is another");
}

#[test]
fn shards_that_somebody_else_has_moved_end_the_plan() {
    let mut world = World::hot();
    world.pass();
    world.approve();
    world.pass();
    world.now_carries(&[100_000; 3]);
    let answer = world.pass();
    assert_eq!(ending(&answer), Some(&Ending::Moved));
    assert_eq!(world.state(), Some(PlanState::Refused));
    // Nor is a plan ours of which somebody else has done a part before anybody approved it.
    let mut world = World::hot();
    world.pass();
    let plan = world.decision.plan.clone();
    world.shows(&plan, 1);
    assert_eq!(ending(&world.pass()), Some(&Ending::Moved));
}

#[test]
fn another_stream_of_the_same_name_ends_the_plan() {
    let mut world = World::hot();
    world.pass();
    world.sample.snapshot.summary.created_at += SignedDuration::from_hours(1);
    assert_eq!(ending(&world.pass()), Some(&Ending::Moved));
}

#[test]
fn while_the_stream_changes_nothing_is_concluded() {
    let mut world = World::hot();
    world.pass();
    world.approve();
    world.now_carries(&[100_000; 3]);
    world.decision.demand.stops = vec![Hold::StreamNotActive { status: StreamStatus::Updating }];
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (None, None));
}

#[test]
fn a_merge_that_would_be_above_its_target_now_is_unsafe_and_between_it_waits() {
    let mut world = World::cold();
    world.pass();
    let proposed = world.hash();
    // 56 % is where shards are packed to, 70 % the target.
    world.now_carries(&[300_000, 300_000, 100_000, 100_000]);
    assert_eq!(ending(&world.pass()), None);
    world.approve();
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (None, None));
    assert_eq!((world.state(), world.hash()), (Some(PlanState::Approved), proposed));
    world.now_carries(&[360_000, 360_000, 100_000, 100_000]);
    assert!(matches!(ending(&world.pass()), Some(Ending::Unsafe(_))));
    assert_eq!(world.state(), Some(PlanState::Refused));
}

#[test]
fn a_peak_past_or_foreseen_lets_an_approved_merge_wait_until_it_is_over() {
    let mut world = World::cold();
    world.pass();
    world.approve();
    let peaks = |world: &mut World, load| {
        for segment in world.decision.demand.shards.iter_mut().flat_map(|shard| &mut shard.segments) {
            segment.peak_loads = Loads::from_array([Load(load); 3]);
        }
    };
    // Four segments a shard, two shards: 80 % in all, where 70 is the target.
    peaks(&mut world, 100_000);
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer), world.state()), (None, None, Some(PlanState::Approved)));
    let message = world.status.plan.as_ref().and_then(|plan| plan.message.clone()).unwrap_or_default();
    assert!(message.contains("at 80.0 % in what it joins"), "{message}");
    peaks(&mut world, 25_000);
    assert_eq!(index(&world.pass()), Some(0));
}

#[test]
fn a_learned_target_that_falls_ends_an_approved_plan_only_where_a_shard_would_lie_above_it() {
    let world = |then| {
        let mut world = World::cold();
        world.learns(then);
        world.pass();
        world.approve();
        world
    };
    // By 75 % shards are packed to 60; the two together have 58.
    let now = |world: &mut World, learned| {
        world.now_carries(&[290_000, 290_000, 100_000, 100_000]);
        world.learns(learned);
        world.pass()
    };
    let answer = now(&mut world(75), 60);
    assert_eq!((ending(&answer), index(&answer)), (None, Some(0)), "packed to 48 % now, and hot from 60 on");
    let answer = now(&mut world(75), 55);
    let Some(Ending::Unsafe(why)) = ending(&answer) else { panic!("{answer:?}") };
    assert!(why.ends_with("the learned target fell from 75.0 % to 55.0 % since the plan was made"), "{why}");
    let answer = now(&mut world(65), 60);
    assert_eq!((ending(&answer), index(&answer)), (None, None), "packed to 52 % then: the load has grown");
    let mut of_an_older_operator = world(75);
    of_an_older_operator.status.plan.as_mut().expect("a plan").targets = None;
    let answer = now(&mut of_an_older_operator, 60);
    assert_eq!((ending(&answer), index(&answer)), (None, None), "what it was decided by is not known");
}

#[test]
fn a_begun_plan_is_not_carried_on_over_a_shard_that_would_be_too_hot() {
    let mut sample = fixtures::even(4, 100_000);
    fixtures::merge(&mut sample, 0);
    fixtures::merge(&mut sample, 1);
    let mut world = World::begun(sample, 1);
    assert_eq!(index(&world.consider()), Some(1), "as long as it fits");
    for shard in &mut world.decision.demand.shards {
        shard.segments = quarters(shard.range, Loads::from_array([Load(400_000); 3]));
    }
    let answer = world.pass();
    assert!(matches!(ending(&answer), Some(Ending::Unsafe(_))), "{answer:?}");
    assert_eq!(index(&answer), None);
}

#[test]
fn metrics_that_are_turned_on_by_a_plan_end_it_though_no_range_has_changed() {
    let mut sample = fixtures::even(4, 100_000);
    let metrics = vec![crate::snapshot::ShardMetric::IteratorAgeMilliseconds];
    sample.plan.identity.steps.push(Step::EnableShardMetrics { metrics: metrics.clone() });
    sample.plan.explanations.push(crate::plan::Explanation {
        reason: StepReason::ShardMetricsOff,
        before: Vec::new(),
        after: Vec::new(),
    });
    sample.plan.hash = sample.plan.identity.hash();
    sample.policy.metrics.enhanced_monitoring = crate::policy::EnhancedMonitoring::Manage;
    let mut world = World::new(sample);
    world.pass();
    world.approve();
    assert_eq!(index(&world.pass()), Some(0));
    let names = metrics.iter().map(|metric| metric.name().to_owned());
    world.sample.snapshot.summary.enhanced_metrics.extend(names);
    world.decision.plan.identity.steps.clear();
    assert_eq!(ending(&world.pass()), Some(&Ending::Done));
}

#[test]
fn the_step_that_nobody_has_told_of_is_the_latest_that_the_stream_shows() {
    let mut world = World::hot();
    let plan = world.sample.plan.clone();
    world.pass();
    world.approve();
    world.pass();
    let told = |world: &World, number, result: &str| {
        let mut status = world.status.clone();
        status.recent_steps.push(RecentStep {
            step: String::new(),
            why: None,
            kind: "Split".to_owned(),
            result: result.to_owned(),
            plan: plan.hash.to_string(),
            number: Some(number),
            at: Timestamp::UNIX_EPOCH,
            seconds: 30,
        });
        untold(&world.sample.snapshot, &status).map(|(_, index)| index)
    };
    assert_eq!(untold(&world.sample.snapshot, &world.status), None, "nothing is done yet");
    world.shows(&plan, 1);
    assert_eq!(untold(&world.sample.snapshot, &world.status).map(|(_, index)| index), Some(0));
    assert_eq!(told(&world, 1, "Done"), None);
    assert_eq!(told(&world, 1, "Unconfirmed"), Some(0), "it was not known then");
    assert_eq!(told(&world, 2, "Done"), Some(0), "another step");
    world.sample.snapshot.summary.status = StreamStatus::Updating;
    assert_eq!(untold(&world.sample.snapshot, &world.status), None, "it is not done yet");
}

#[test]
fn a_step_that_is_under_way_stays_in_the_status_while_the_stream_changes() {
    let mut world = World::hot();
    world.sample.policy.mode = Mode::Apply;
    let running = world.pass().plan.expect("a step is taken");
    assert_eq!(running.state, PlanState::Running);
    let plan = world.sample.plan.clone();
    world.shows(&plan, 0);
    world.decision.demand.stops = vec![Hold::StreamNotActive { status: StreamStatus::Updating }];
    assert_eq!(world.pass().plan, Some(running));
    world.shows(&plan, 1);
    world.decision.demand.stops.clear();
    assert_eq!(untold(&world.sample.snapshot, &world.status).map(|(_, index)| index), Some(0));
    assert_eq!(world.pass().plan, None);
}
