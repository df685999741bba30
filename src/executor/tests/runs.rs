//! Runs until nothing may be done, and approved plans: what they do, and where they end.

use super::*;

#[tokio::test]
async fn a_run_goes_on_until_no_step_may_run_and_tells_what_it_did() {
    let plane = TestPlane::new(1).made_minutes_ago(30);
    let policy = policy(1, 10);
    let events = Mutex::new(Vec::new());
    let progress = |event: &Event<'_>| events.lock().expect("not poisoned").push(event.to_string());
    let executor = Executor::new(&plane, &policy).with_progress(&progress);
    let report = executor.run_to_quiet(&mut Observer::one_shot(), towards(4), None).await;
    assert!(report.end.is_success() && matches!(report.end, End::Quiet { .. }), "{report:?}");
    assert_eq!(report.done.len(), 3);
    assert_eq!(plane.ranges().len(), 4);
    assert_eq!(report.end.to_string(), "nothing is left to do");
    let events = events.into_inner().expect("not poisoned");
    assert!(events.iter().any(|event| event.starts_with("step 1 of 1: split")), "{events:#?}");
}

#[tokio::test]
async fn a_stop_ends_a_run_after_the_step_in_flight() {
    let plane = TestPlane::new(1).made_minutes_ago(30);
    let policy = policy(1, 10);
    let (handle, signal) = stop_signal();
    let progress = |event: &Event<'_>| {
        if let Event::Sending { .. } = event {
            handle.stop();
        }
    };
    let executor = Executor::new(&plane, &policy).with_stop(signal).with_progress(&progress);
    let report = executor.run_to_quiet(&mut Observer::one_shot(), towards(4), None).await;
    assert_eq!(report.end, End::Stopped);
    assert!(matches!(report.done[..], [DoneStep { outcome: StepOutcome::Done { .. }, .. }]), "{report:?}");
    assert_eq!((plane.ranges().len(), plane.state().reshards), (2, 1));
}

#[tokio::test]
async fn holds_that_time_lifts_are_sat_out_up_to_the_limit() {
    let plane = TestPlane::new(1).made_minutes_ago(30);
    let start = plane.state().now;
    let policy = policy(1, 10);
    let decide = |until: i64| {
        move |snapshot: &Snapshot, policy: &ScalingPolicy| {
            let mut plan = towards(2)(snapshot, policy)?;
            let waited = snapshot.observed_at.as_second() - start.as_second();
            if waited < until {
                plan = plan_for(&snapshot.summary, plan.identity.start, Vec::new());
                plan.holds.push(Hold::Stabilizing { window_seconds: 300 });
            }
            Ok::<_, String>(plan)
        }
    };
    let executor = Executor::new(&plane, &policy);
    let wait = Duration::from_secs(200);
    let report = executor.run_to_quiet(&mut Observer::one_shot(), decide(300), Some(wait)).await;
    assert!(matches!(report.end, End::WaitedEnough { waited, .. } if waited == wait), "{report:?}");
    assert_eq!(report.done, []);
    let report = executor.run_to_quiet(&mut Observer::one_shot(), decide(300), Some(wait)).await;
    assert!(matches!(report.end, End::Quiet { .. }), "{report:?}");
    assert_eq!(report.done.len(), 1);
}

#[tokio::test]
async fn a_run_that_sits_holds_out_looks_as_soon_as_a_minute_is_over() {
    let plane = TestPlane::new(1).made_minutes_ago(30);
    plane.advance(Duration::from_secs(37));
    let policy = policy(1, 10);
    let decide = |snapshot: &Snapshot, _: &ScalingPolicy| {
        let mut plan = plan_for(&snapshot.summary, vec![HashKeyRange::WHOLE], Vec::new());
        plan.holds.push(Hold::Stabilizing { window_seconds: 300 });
        Ok::<_, String>(plan)
    };
    let waits = Mutex::new(Vec::new());
    let progress = |event: &Event<'_>| {
        if let Event::Holding { next_look_in, .. } = event {
            waits.lock().expect("not poisoned").push(next_look_in.as_millis());
        }
    };
    let executor = Executor::new(&plane, &policy).with_progress(&progress);
    let wait = Some(Duration::from_secs(150));
    executor.run_to_quiet(&mut Observer::one_shot(), decide, wait).await;
    assert_eq!(waits.into_inner().expect("not poisoned"), [28_000, 60_000, 60_000, 2_000]);
}

#[tokio::test]
async fn while_merges_alone_wait_the_shards_are_read_when_the_gate_says_so_and_at_each_look_while_a_split_does()
 {
    let of = |percent| RangeLoad {
        range: HashKeyRange::WHOLE,
        loads: Loads::from_array([percent, 0, 0].map(Load::from_percent)),
        peak_loads: Loads::default(),
        evidence: Evidence::Measured,
    };
    let rates = Hold::RateLimited { scale_up: true, limit: 1 };
    let merges = Hold::Stabilizing { window_seconds: 3_600 };
    let parents = Hold::ParentsDraining { shards: Vec::new(), until_age_seconds: 120 };
    for (hold, load, closely) in
        [(&merges, 70, 3), (&merges, 71, 3), (&parents, 70, 3), (&parents, 71, 11), (&rates, 70, 11)]
    {
        let plane = TestPlane::new(4).made_minutes_ago(90);
        // As a round begins.
        plane.advance(MARGIN);
        let policy = policy(1, 10);
        let decided = Mutex::new(0);
        let decide = |snapshot: &Snapshot, _: &ScalingPolicy| {
            *decided.lock().expect("not poisoned") += 1;
            let mut plan = plan_for(&snapshot.summary, vec![HashKeyRange::WHOLE], Vec::new());
            (plan.holds, plan.before) = (vec![hold.clone()], vec![of(load)]);
            Ok::<_, String>(plan)
        };
        let executor = Executor::new(&plane, &policy);
        let report =
            executor.run_to_quiet(&mut Observer::gated(), decide, Some(Duration::from_secs(600))).await;
        let End::WaitedEnough { plan, waited } = report.end else { panic!("{report:?}") };
        assert_eq!((plan.holds, waited), (vec![hold.clone()], Duration::from_secs(600)));
        let of_shards = |call: &GetMetricData| {
            call.queries
                .iter()
                .any(|metric| matches!(metric.query, MetricQuery::Shard(..)))
                .then_some(call.end)
        };
        let mut minutes: Vec<_> = plane.state().asked.iter().filter_map(of_shards).collect();
        minutes.dedup();
        let decided = decided.into_inner().expect("not poisoned");
        assert_eq!((decided, minutes.len()), (closely, closely), "{hold} at {load} %");
    }
}

#[tokio::test]
async fn a_run_that_begins_with_a_glance_at_a_calm_stream_ends_with_it() {
    let plane = TestPlane::new(4).made_minutes_ago(90);
    let (policy, mut observer) = (policy(1, 10), Observer::gated());
    let executor = Executor::new(&plane, &policy);
    let report = executor.run_to_quiet(&mut observer, towards(4), None).await;
    assert!(matches!(report.end, End::Quiet { .. }), "{report:?}");
    let requests = plane.state().requests.len();
    let report =
        executor.run_to_quiet(&mut observer, |_: &_, _: &_| Err("decided from a glance"), None).await;
    assert_eq!((report.end, plane.state().requests.len() - requests), (End::Calm, 2));
}

#[tokio::test]
async fn holds_that_need_a_person_are_not_sat_out() {
    let plane = TestPlane::new(1).made_minutes_ago(30);
    let policy = policy(1, 10);
    let decide = |snapshot: &Snapshot, _: &ScalingPolicy| {
        let mut plan = plan_for(&snapshot.summary, vec![HashKeyRange::WHOLE], Vec::new());
        plan.holds.push(Hold::Suspended);
        Ok::<_, String>(plan)
    };
    let executor = Executor::new(&plane, &policy);
    let report =
        executor.run_to_quiet(&mut Observer::one_shot(), decide, Some(Duration::from_secs(600))).await;
    assert!(matches!(report.end, End::Quiet { .. }), "{report:?}");
    assert_eq!(plane.state().slept, Duration::ZERO);
}

#[tokio::test]
async fn a_vetoed_plan_is_not_carried_out() {
    let plane = TestPlane::new(1).made_minutes_ago(30);
    let policy = policy(1, 10);
    let executor = Executor::new(&plane, &policy);
    let veto = |_: &Snapshot, _: &ScalingPolicy| Err::<Plan, _>("a gap in the tiling");
    let report = executor.run_to_quiet(&mut Observer::one_shot(), veto, None).await;
    assert_eq!(report.end, End::Vetoed("a gap in the tiling".to_owned()));
    assert_eq!(plane.state().reshards, 0);
}

#[tokio::test]
async fn a_run_that_makes_no_progress_ends() {
    let plane = TestPlane::new(1).made_minutes_ago(30);
    plane.state().refusals = vec![ErrorClass::Ambiguous; 20];
    let policy = policy(1, 10);
    let executor = Executor::new(&plane, &policy);
    let report = executor.run_to_quiet(&mut Observer::one_shot(), towards(4), None).await;
    assert_eq!(report.end, End::NoProgress { times: 3 });
    assert_eq!(count(&plane, "SplitShard"), 3);
}

fn plan_to_four(plane: &TestPlane) -> Plan {
    let [low, high] = halves();
    let at = |range: HashKeyRange| range.inner_boundaries(2).next().expect("two parts");
    let steps = vec![
        split_whole(),
        Step::Split { range: low, at: at(low) },
        Step::Split { range: high, at: at(high) },
    ];
    plan_on(plane, steps)
}

#[tokio::test]
async fn an_approved_plan_is_carried_out_whole_and_taken_up_again_where_it_was_left() {
    for already in 0..=3 {
        let plane = TestPlane::new(1);
        let policy = policy(1, 10);
        let plan = plan_to_four(&plane);
        let executor = Executor::new(&plane, &policy);
        for index in 0..already {
            executor.execute_step(&plan, index).await.expect("it is carried out");
        }
        let report = executor.execute_approved(&plan, 0).await;
        assert_eq!((report.end, report.done.len()), (End::PlanDone, 3 - already));
        assert_eq!((plane.ranges(), plane.state().reshards), (plan.projected_ranges(3).expect("fits"), 3));
    }
}

#[tokio::test]
async fn an_approved_plan_stops_where_the_shards_are_not_as_it_projects_them() {
    let plane = TestPlane::new(1);
    let plan = plan_to_four(&plane);
    let finished = Mutex::new(0);
    let [_, high] = halves();
    let progress = |event: &Event<'_>| {
        if let Event::Finished { .. } = event {
            *finished.lock().expect("not poisoned") += 1;
            // Somebody else splits the upper half elsewhere.
            let mut state = plane.state();
            if state.reshards == 1 {
                let id =
                    state.lives.iter().find(|life| life.shard.range == high).expect("open").shard.id.clone();
                let (a, b) = high.split(HashKey(high.start().0 + 5)).expect("a split point");
                state.reshard("SplitShard", &[&id], vec![a, b]).expect("it is ACTIVE");
            }
        }
    };
    let policy = policy(1, 10);
    let executor = Executor::new(&plane, &policy).with_progress(&progress);
    let report = executor.execute_approved(&plan, 0).await;
    assert_eq!(report.done.len(), 1);
    let End::Failed { step: Some(step), error: ExecuteError::ShardsMoved(difference) } = report.end else {
        panic!("{report:?}");
    };
    assert_eq!(step, plan.steps()[1]);
    assert_eq!(difference.expected, Some(high));
}

#[tokio::test]
async fn a_plan_that_was_edited_or_is_outdated_is_not_begun() {
    let plane = TestPlane::new(1);
    let plan = plan_to_four(&plane);
    let mut edited = plan.clone();
    edited.identity.steps.pop();
    let later = ScalingPolicy { generation: 1, ..policy(1, 10) };
    for (plan, policy, word) in [(&edited, policy(1, 10), "was edited"), (&plan, later, "generation 0")] {
        let report = Executor::new(&plane, &policy).execute_approved(plan, 0).await;
        assert!(!report.end.is_success() && report.end.to_string().contains(word), "{report:?}");
    }
    assert_eq!(plane.state().requests.len(), 0);
}

#[tokio::test]
async fn a_run_holds_a_turn_for_its_steps_only_and_looks_anew_after_it_waited_for_one() {
    let plane = TestPlane::new(1).made_minutes_ago(30);
    let policy = policy(1, 10);
    let (turns, scope) = (Turns::with_places(1), scope_of(ARN));
    let others = Mutex::new(turns.try_acquire(scope));
    let free_at = Mutex::new(Vec::new());
    let progress = |event: &Event<'_>| match event {
        // Another stream is at it until this one waits; and meanwhile this one is split by hand.
        Event::AwaitingTurn => {
            let id = plane.state().lives[0].shard.id.clone();
            plane.state().reshard("SplitShard", &[&id], halves().to_vec()).expect("it is ACTIVE");
            drop(others.lock().expect("not poisoned").take());
        }
        Event::Sending { .. } => {
            free_at.lock().expect("not poisoned").push(turns.try_acquire(scope).is_some())
        }
        Event::Holding { .. } => assert!(turns.try_acquire(scope).is_some(), "no turn is kept over a hold"),
        _ => {}
    };
    let executor = Executor::new(&plane, &policy).with_turns(turns.clone()).with_progress(&progress);
    let decide = towards(4);
    let wait = Some(Duration::from_secs(600));
    let report = executor.run_to_quiet(&mut Observer::one_shot(), decide, wait).await;
    assert!(matches!(report.end, End::Quiet { .. }), "{report:?}");
    assert_eq!((report.done.len(), plane.ranges().len()), (2, 4), "the split by hand is not made again");
    assert_eq!(free_at.into_inner().expect("not poisoned"), [false, false]);
    assert!(turns.try_acquire(scope).is_some());
}

#[tokio::test]
async fn an_approved_plan_takes_a_turn_for_each_step_and_a_stop_ends_the_wait_for_it() {
    let plane = TestPlane::new(1);
    let (policy, plan) = (policy(1, 10), plan_to_four(&plane));
    let (turns, scope) = (Turns::with_places(1), scope_of(ARN));
    let (handle, signal) = stop_signal();
    let progress = |event: &Event<'_>| match event {
        Event::Sending { .. } => assert!(turns.try_acquire(scope).is_none(), "it is this stream's turn"),
        Event::AwaitingTurn => handle.stop(),
        _ => {}
    };
    let executor =
        Executor::new(&plane, &policy).with_turns(turns.clone()).with_stop(signal).with_progress(&progress);
    let others = turns.try_acquire(scope);
    let report = executor.execute_approved(&plan, 0).await;
    assert_eq!((report.end, report.done.len(), plane.state().reshards), (End::Stopped, 0, 0));

    drop(others);
    let executor = executor.with_stop(StopSignal::never());
    let report = executor.execute_approved(&plan, 0).await;
    assert_eq!((report.end, report.done.len()), (End::PlanDone, 3));
    assert!(turns.try_acquire(scope).is_some());
}
