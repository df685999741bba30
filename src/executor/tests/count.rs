//! UpdateShardCount: sent once, read back, and given up for splits where AWS refuses it.

use super::*;

fn call(from: u32, to: u32) -> Step {
    Step::UpdateShardCount { from, to }
}

/// To eight shards by a call, or by splits once AWS has refused it.
fn to_eight(snapshot: &Snapshot, policy: &ScalingPolicy) -> Result<Plan, String> {
    let by_splits = towards(8)(snapshot, policy)?;
    if by_splits.steps().is_empty() || snapshot.update_shard_count_refused.is_some() {
        return Ok(by_splits);
    }
    let from = by_splits.identity.start.len() as u32;
    Ok(plan_for(&snapshot.summary, by_splits.identity.start, vec![call(from, 8)]))
}

fn stream() -> TestPlane {
    TestPlane::new(4).made_minutes_ago(6)
}

async fn run(plane: &TestPlane) -> Option<RunReport> {
    let policy = policy(1, 10);
    let executor = Executor::new(plane, &policy);
    let mut observer = Observer::one_shot();
    let run = executor.run_to_quiet(&mut observer, to_eight, Some(Duration::from_secs(600)));
    tokio::time::timeout(Duration::from_secs(1), run).await.ok()
}

#[tokio::test]
async fn a_call_is_carried_out_and_waited_for_however_long_it_takes() {
    let plane = TestPlane::new(4);
    plane.state().reshard_takes = Duration::from_secs(1_800);
    let outcome = execute(&plane, vec![call(4, 7)]).await.expect("it is carried out");
    assert!(
        matches!(outcome, StepOutcome::Done { took } if took >= Duration::from_secs(1_800)),
        "{outcome:?}"
    );
    assert_eq!(plane.ranges(), HashKeyRange::WHOLE.equal_parts(7));
    // A split is not given so much time.
    let plane = TestPlane::new(1);
    plane.state().reshard_takes = Duration::from_secs(1_800);
    let error = execute(&plane, vec![split_whole()]).await.expect_err("it takes too long");
    assert!(matches!(error, ExecuteError::Unconfirmed { .. }), "{error:?}");
}

#[tokio::test]
async fn boundaries_that_aws_rounds_otherwise_are_the_same() {
    let plane = TestPlane::new(4);
    let plan = plan_on(&plane, vec![call(4, 5)]);
    let ranges = HashKeyRange::WHOLE.equal_parts(5);
    let shifted = ranges[1].start().0 + 3;
    let low = HashKeyRange::new(HashKey(0), HashKey(shifted - 1)).expect("ascending");
    let high = HashKeyRange::new(HashKey(shifted), ranges[1].end()).expect("ascending");
    {
        let mut state = plane.state();
        let closes: Vec<_> = state.listing().iter().map(|shard| shard.id.clone()).collect();
        let closes: Vec<_> = closes.iter().collect();
        let opens = [&[low, high], &ranges[2..]].concat();
        state.reshard("UpdateShardCount", &closes, opens).expect("ACTIVE");
    }
    plane.advance(Duration::from_secs(60));
    let policy = policy(1, 10);
    let executor = Executor::new(&plane, &policy);
    assert_eq!(executor.execute_step(&plan, 0).await, Ok(StepOutcome::AlreadyDone));
    assert_eq!(executor.execute_approved(&plan, 0).await.end, End::PlanDone);
    assert_eq!(count(&plane, "UpdateShardCount"), 0);
}

#[tokio::test]
async fn a_lost_reply_is_read_back_and_nothing_is_sent_again() {
    for fault in [Fault::LoseReply, Fault::Refuse(ErrorClass::Ambiguous)] {
        let plane = TestPlane::new(4);
        // After DescribeStreamSummary and ListShards.
        plane.state().faults = vec![(2, fault)];
        let outcome = execute(&plane, vec![call(4, 8)]).await.expect("it is found out");
        let took_effect = fault == Fault::LoseReply;
        assert_eq!(matches!(outcome, StepOutcome::Done { .. }), took_effect, "{outcome:?}");
        assert_eq!(outcome == StepOutcome::Lost, !took_effect, "{outcome:?}");
        assert_eq!(count(&plane, "UpdateShardCount"), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_not_argued_with_and_splits_go_on_instead() {
    for class in [ErrorClass::LimitExceeded, ErrorClass::Invalid, ErrorClass::AccessDenied] {
        let plane = TestPlane::new(4);
        plane.state().refusals = vec![class; 20];
        let error = execute(&plane, vec![call(4, 8)]).await.expect_err("it is refused");
        assert!(matches!(&error, ExecuteError::CountRefused(error) if error.class == class), "{error:?}");
        assert_eq!(count(&plane, "UpdateShardCount"), 1);

        let plane = stream();
        plane.state().refuses_counts = Some(class);
        let report = run(&plane).await.expect("it ends");
        assert!(matches!(report.end, End::Quiet { .. }), "{class:?}: {report:?}");
        assert_eq!((count(&plane, "SplitShard"), plane.ranges().len()), (4, 8), "{class:?}");
        assert_eq!(count(&plane, "UpdateShardCount"), 4, "asked for before each split, and no oftener");
    }
}

#[tokio::test]
async fn a_refused_call_does_not_cost_the_turn_of_the_split_that_makes_up_for_it() {
    let (policy, turns) = (policy(1, 10), Turns::with_places(1));
    let planes = [0; 2].map(|_| stream());
    let runs = planes.each_ref().map(|plane| {
        plane.state().refuses_counts = Some(ErrorClass::AccessDenied);
        let executor = Executor::new(plane, &policy).with_turns(turns.clone());
        async move { executor.run_to_quiet(&mut Observer::one_shot(), to_eight, None).await }
    });
    let both = tokio::time::timeout(Duration::from_secs(1), futures::future::join_all(runs)).await;
    for (plane, report) in planes.iter().zip(both.expect("no turn goes round for calls alone")) {
        assert!(matches!(report.end, End::Quiet { .. }), "{report:?}");
        assert_eq!((count(plane, "UpdateShardCount"), count(plane, "SplitShard")), (4, 4));
    }
    assert!(turns.try_acquire(scope_of(ARN)).is_some());
}

#[tokio::test]
async fn bounds_and_freezes_hold_for_a_call() {
    let plane = TestPlane::new(4);
    let plan = plan_on(&plane, vec![call(4, 8)]);
    let bounded = policy(1, 7);
    let error = Executor::new(&plane, &bounded).execute_step(&plan, 0).await.expect_err("above maxShards");
    assert!(matches!(error, ExecuteError::OutOfBounds { kind: "UpdateShardCount", max: 7, .. }), "{error:?}");
    let plan = plan_on(&plane, vec![call(4, 2)]);
    let bounded = policy(3, 10);
    let error = Executor::new(&plane, &bounded).execute_step(&plan, 0).await.expect_err("below minShards");
    assert!(matches!(error, ExecuteError::OutOfBounds { min: 3, .. }), "{error:?}");
    assert_eq!(count(&plane, "UpdateShardCount"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_killed_or_failed_at_any_request_of_a_call_is_taken_up_and_the_call_not_repeated() {
    let plane = stream();
    run(&plane).await.expect("it ends");
    let requests = plane.state().requests.len();
    assert!(requests > 15 && plane.state().reshards == 1, "{requests}");
    for n in 0..requests {
        for fault in
            [Fault::Hang, Fault::EffectThenHang, Fault::LoseReply, Fault::Refuse(ErrorClass::Unreachable)]
        {
            let plane = stream();
            plane.state().faults = vec![(n, fault)];
            run(&plane).await;
            plane.state().faults.clear();
            let report = run(&plane).await.unwrap_or_else(|| panic!("request {n}, {fault:?}: it hangs"));
            assert!(matches!(report.end, End::Quiet { .. }), "request {n}, {fault:?}: {report:?}");
            assert_eq!(plane.ranges(), HashKeyRange::WHOLE.equal_parts(8), "request {n}, {fault:?}");
            assert_eq!(plane.state().reshards, 1, "request {n}, {fault:?}");
        }
    }
}
