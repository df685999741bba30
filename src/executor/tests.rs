//! Guards, refusals and endings of the executor, on a small stand-in for Kinesis.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::control_plane::{GetMetricData, MetricQuery, RequestId, ShardFilter};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::{Load, Loads};
use crate::observe::test_plane::{ARN, Fault, TestPlane, error, policy};
use crate::observe::{Observer, list_shards};
use crate::plan::{Evidence, Hold, PLAN_FORMAT, PlanIdentity, RangeLoad};
use crate::policy::{Allow, Schedule};
use crate::rounds::MARGIN;
use crate::snapshot::{ShardMetric, Snapshot};
use crate::stream::{OpenShards, StreamMode, StreamStatus, StreamSummary};

mod count;
mod crash;
mod runs;

fn plan_for(summary: &StreamSummary, start: Vec<HashKeyRange>, steps: Vec<Step>) -> Plan {
    let identity = PlanIdentity {
        format: PLAN_FORMAT,
        stream_arn: summary.arn.clone(),
        stream_created_at: summary.created_at,
        generation: 0,
        start,
        steps,
    };
    Plan {
        hash: identity.hash(),
        identity,
        explanations: Vec::new(),
        holds: Vec::new(),
        verdicts: Vec::new(),
        desired_shards: 0,
        limits: policy(1, 10).limits(None),
        before: Vec::new(),
        after: Vec::new(),
    }
}

fn plan_on(plane: &TestPlane, steps: Vec<Step>) -> Plan {
    let summary = plane.state().summary.clone();
    plan_for(&summary, plane.ranges(), steps)
}

fn split_whole() -> Step {
    Step::Split { range: HashKeyRange::WHOLE, at: HashKey(1 << 127) }
}

fn halves() -> [HashKeyRange; 2] {
    HashKeyRange::WHOLE.split(HashKey(1 << 127)).expect("a split point").into()
}

/// Splits until the stream has `parts` equal shards: a decision that depends on what is open alone.
fn towards(parts: u32) -> impl Fn(&Snapshot, &ScalingPolicy) -> Result<Plan, String> {
    move |snapshot, _| {
        let open = OpenShards::tile(&snapshot.shards).map_err(|error| error.to_string())?;
        let ranges: Vec<_> = open.ranges().collect();
        let cuts: Vec<_> = HashKeyRange::WHOLE.inner_boundaries(parts).collect();
        let mut steps = Vec::new();
        if snapshot.summary.status == StreamStatus::Active {
            for range in &ranges {
                let at = cuts.iter().find(|at| range.start() < **at && range.contains(**at));
                steps.extend(at.map(|at| Step::Split { range: *range, at: *at }));
            }
        }
        let mut plan = plan_for(&snapshot.summary, ranges, steps);
        if snapshot.summary.status != StreamStatus::Active {
            plan.holds.push(Hold::StreamNotActive { status: snapshot.summary.status });
        }
        Ok(plan)
    }
}

async fn execute(plane: &TestPlane, steps: Vec<Step>) -> Result<StepOutcome, ExecuteError> {
    let plan = plan_on(plane, steps);
    Executor::new(plane, &policy(1, 10)).execute_step(&plan, 0).await
}

fn count(plane: &TestPlane, operation: &str) -> usize {
    plane.state().requests.iter().filter(|request| **request == operation).count()
}

#[tokio::test]
async fn a_split_and_the_merge_of_its_children_are_carried_out_and_confirmed() {
    let plane = TestPlane::new(1);
    let outcome = execute(&plane, vec![split_whole()]).await.expect("it is carried out");
    assert!(matches!(outcome, StepOutcome::Done { took } if took >= Duration::from_secs(30)), "{outcome:?}");
    let [low, high] = halves();
    assert_eq!(plane.ranges(), [low, high]);
    execute(&plane, vec![Step::Merge { low, high }]).await.expect("it is carried out");
    assert_eq!(plane.ranges(), [HashKeyRange::WHOLE]);
    assert_eq!(plane.state().reshards, 2);
}

#[tokio::test]
async fn shard_metrics_are_turned_on_once() {
    let plane = TestPlane::new(1);
    plane.state().summary.enhanced_metrics.clear();
    let step = Step::EnableShardMetrics { metrics: ShardMetric::INGEST.to_vec() };
    let outcome = execute(&plane, vec![step.clone()]).await;
    assert_eq!(outcome, Ok(StepOutcome::Done { took: Duration::ZERO }));
    assert_eq!(execute(&plane, vec![step]).await, Ok(StepOutcome::AlreadyDone));
    assert_eq!(count(&plane, "EnableEnhancedMonitoring"), 1);
}

#[tokio::test]
async fn a_step_that_is_complete_already_sends_nothing() {
    let plane = TestPlane::new(1);
    let plan = plan_on(&plane, vec![split_whole()]);
    execute(&plane, vec![split_whole()]).await.expect("it is carried out");
    let policy = policy(1, 10);
    let again = Executor::new(&plane, &policy).execute_step(&plan, 0).await;
    assert_eq!(again, Ok(StepOutcome::AlreadyDone));
    assert_eq!(count(&plane, "SplitShard"), 1);
}

#[tokio::test]
async fn each_try_after_a_refusal_for_now_comes_after_a_fresh_look_and_they_are_bounded() {
    for class in
        [ErrorClass::LimitExceeded, ErrorClass::Throttled, ErrorClass::Unreachable, ErrorClass::ResourceInUse]
    {
        let plane = TestPlane::new(1);
        plane.state().refusals = vec![class; 20];
        let error = execute(&plane, vec![split_whole()]).await.expect_err("it is refused");
        assert!(matches!(error, ExecuteError::NotNow { tries: 5, .. }), "{class:?}: {error:?}");
        let requests = plane.state().requests.clone();
        let mut expected = ["DescribeStreamSummary", "ListShards", "SplitShard"].repeat(5);
        // Which limit it was.
        expected.extend((class == ErrorClass::LimitExceeded).then_some("DescribeLimits"));
        assert_eq!(requests, expected, "{class:?}");
        assert!(plane.state().slept >= Duration::from_secs(15), "{class:?} is not tried again at once");
    }
}

#[tokio::test]
async fn a_used_up_quota_stands_against_a_split_and_a_merge_waits_for_its_rate() {
    let [low, high] = halves();
    let (range, at) = (low, HashKey(1 << 126));
    for (step, is_quota) in [(Step::Split { range, at }, true), (Step::Merge { low, high }, false)] {
        let plane = TestPlane::new(2);
        plane.state().refusals = vec![ErrorClass::LimitExceeded; 20];
        plane.state().shard_limit = 2;
        let error = execute(&plane, vec![step]).await.expect_err("it is refused");
        let expected = match error {
            ExecuteError::ShardQuota { limit: 2, open: 2 } => is_quota,
            ExecuteError::NotNow { tries: 5, .. } => !is_quota,
            _ => false,
        };
        assert!(expected, "{error:?}");
    }
}

#[tokio::test]
async fn a_refusal_for_now_that_passes_is_overcome() {
    let plane = TestPlane::new(1);
    plane.state().refusals = vec![ErrorClass::LimitExceeded, ErrorClass::ResourceInUse];
    assert!(execute(&plane, vec![split_whole()]).await.is_ok());
    assert_eq!((count(&plane, "SplitShard"), plane.state().reshards), (3, 1));
}

#[tokio::test]
async fn what_is_not_allowed_stops_at_once() {
    for class in [ErrorClass::AccessDenied, ErrorClass::Credentials] {
        let plane = TestPlane::new(1);
        plane.state().refusals = vec![class; 20];
        let error = execute(&plane, vec![split_whole()]).await.expect_err("it is refused");
        assert!(error.to_string().contains("SplitShard"), "{error}");
        assert_eq!(count(&plane, "SplitShard"), 1);
    }
}

#[test]
fn the_source_of_an_error_says_which_request_failed_and_its_words_do_not() {
    let request_id = Some(RequestId("6d70b9d2".to_owned()));
    let refused = RequestError { request_id, ..error("SplitShard", ErrorClass::Throttled) };
    for error in [
        ExecuteError::CannotLook(refused.clone().into()),
        ExecuteError::NotNow { tries: 5, error: refused.clone() },
        ExecuteError::AccessDenied(refused),
    ] {
        assert_eq!(RequestId::of(&error), Some("6d70b9d2"), "{error:?}");
        assert!(!error.to_string().contains("6d70b9d2"), "{error}");
    }
}

#[tokio::test]
async fn a_request_that_aws_calls_invalid_twice_is_given_up() {
    let plane = TestPlane::new(1);
    plane.state().refusals = vec![ErrorClass::Invalid; 20];
    let error = execute(&plane, vec![split_whole()]).await.expect_err("it is refused");
    assert!(matches!(error, ExecuteError::NotNow { tries: 2, .. }), "{error:?}");
}

#[tokio::test]
async fn a_lost_reply_is_read_back_and_the_request_never_sent_again() {
    for (fault, reshards, expected) in
        [(Fault::LoseReply, 1, "done"), (Fault::Refuse(ErrorClass::Ambiguous), 0, "lost")]
    {
        let plane = TestPlane::new(1);
        plane.state().faults = vec![(2, fault)];
        let outcome = execute(&plane, vec![split_whole()]).await.expect("it is known what became of it");
        assert!(outcome.to_string().contains(expected), "{outcome}");
        assert_eq!((count(&plane, "SplitShard"), plane.state().reshards), (1, reshards));
    }
}

#[tokio::test]
async fn reads_that_fail_while_a_step_is_in_flight_do_not_end_it() {
    for class in [ErrorClass::Throttled, ErrorClass::Unreachable, ErrorClass::Ambiguous] {
        let plane = TestPlane::new(1);
        plane.state().faults = (3..9).map(|n| (n, Fault::Refuse(class))).collect();
        assert!(matches!(execute(&plane, vec![split_whole()]).await, Ok(StepOutcome::Done { .. })));
    }
}

#[tokio::test]
async fn a_listing_that_is_behind_the_status_confirms_nothing() {
    let plane = TestPlane::new(1);
    plane.state().stale_listings = 20;
    plane.state().reshard_takes = Duration::from_secs(10);
    let outcome = execute(&plane, vec![split_whole()]).await.expect("it is confirmed in the end");
    assert!(matches!(outcome, StepOutcome::Done { took } if took >= Duration::from_secs(80)), "{outcome:?}");
    assert_eq!((count(&plane, "SplitShard"), plane.state().stale_listings), (1, 0));

    // One that stays behind is not taken for a lost request either.
    let plane = TestPlane::new(1);
    plane.state().stale_listings = 1_000;
    let error = execute(&plane, vec![split_whole()]).await.expect_err("it cannot be confirmed");
    assert!(error.to_string().contains("shows 1 open shards, DescribeStreamSummary counts 2"), "{error}");
}

#[tokio::test]
async fn a_reshard_that_does_not_end_is_given_up_with_a_clear_word() {
    let plane = TestPlane::new(1);
    plane.state().reshard_takes = Duration::from_secs(3_600);
    let error = execute(&plane, vec![split_whole()]).await.expect_err("it does not end");
    assert!(error.to_string().contains("the stream is UPDATING"), "{error}");
    let ExecuteError::Unconfirmed { waited, .. } = error else { panic!("{error:?}") };
    assert!((600..605).contains(&waited.as_secs()), "{waited:?}");

    // The next run finds it under way, and sends nothing.
    let error = execute(&plane, vec![split_whole()]).await.expect_err("it is still UPDATING");
    assert!(matches!(error, ExecuteError::NotReady { status: StreamStatus::Updating, .. }), "{error:?}");
    assert_eq!(count(&plane, "SplitShard"), 1);
}

#[tokio::test]
async fn a_stream_that_is_gone_or_another_or_on_demand_is_not_touched() {
    let refused = |change: fn(&mut crate::observe::test_plane::State)| async move {
        let plane = TestPlane::new(1);
        let plan = plan_on(&plane, vec![split_whole()]);
        change(&mut plane.state());
        let error = Executor::new(&plane, &policy(1, 10)).execute_step(&plan, 0).await.expect_err("refused");
        assert_eq!(count(&plane, "SplitShard"), 0, "{error}");
        error
    };
    let error = refused(|state| state.exists = false).await;
    assert_eq!(error, ExecuteError::StreamGone);
    let error = refused(|state| state.summary.status = StreamStatus::Deleting).await;
    assert_eq!(error, ExecuteError::StreamGone);
    let error = refused(|state| state.summary.created_at = state.now).await;
    assert!(matches!(error, ExecuteError::OtherStream { .. }), "{error:?}");
    let error = refused(|state| state.summary.mode = StreamMode::OnDemand).await;
    assert_eq!(error, ExecuteError::OnDemand);
    let error = refused(|state| state.summary.open_shard_count = 2).await;
    assert_eq!(error, ExecuteError::CountMismatch { listed: 1, described: 2 });
    let error = refused(|state| state.lives[0].shard.range = halves()[0]).await;
    assert!(matches!(error, ExecuteError::DoesNotTile(_)), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_is_deleted_or_made_anew_in_flight_is_named() {
    for gone in [true, false] {
        let plane = TestPlane::new(1);
        let plan = plan_on(&plane, vec![split_whole()]);
        let policy = policy(1, 10);
        let progress = |event: &Event<'_>| {
            if let Event::Sending { .. } = event {
                plane.state().exists = !gone;
            }
            if let Event::Waiting { .. } = event {
                let mut state = plane.state();
                state.summary.created_at = state.now;
            }
        };
        plane.state().faults = vec![(2, Fault::Refuse(ErrorClass::Ambiguous))];
        let executor = Executor::new(&plane, &policy).with_progress(&progress);
        let error = executor.execute_step(&plan, 0).await.expect_err("the stream is another");
        match error {
            ExecuteError::StreamGone => assert!(gone),
            ExecuteError::OtherStream { .. } => assert!(!gone),
            error => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn shards_that_somebody_else_changed_stop_a_step() {
    let plane = TestPlane::new(1);
    let plan = plan_on(&plane, vec![split_whole()]);
    let other = Step::Split { range: HashKeyRange::WHOLE, at: HashKey(1_000) };
    execute(&plane, vec![other]).await.expect("somebody else's split");
    let policy = policy(1, 10);
    let error = Executor::new(&plane, &policy).execute_step(&plan, 0).await.expect_err("the shards moved");
    assert!(error.to_string().contains("[0, 999] is open where [0, 3402"), "{error}");
    assert_eq!(plane.state().reshards, 1);
}

#[tokio::test]
async fn a_reshard_by_somebody_else_in_flight_is_waited_for_and_seen() {
    let plane = TestPlane::new(2);
    let [low, high] = halves();
    let merge = Step::Merge { low, high };
    let plan = plan_on(&plane, vec![merge.clone()]);
    let at = HashKey(1_000);
    let progress = |event: &Event<'_>| {
        if let Event::Sending { .. } = event {
            // Between the look and the request, somebody else's split begins.
            let mut state = plane.state();
            if state.pending.is_none() {
                let shard = state.lives[0].shard.clone();
                let (a, b) = shard.range.split(at).expect("a split point");
                state.reshard("SplitShard", &[&shard.id], vec![a, b]).expect("it is ACTIVE");
            }
        }
    };
    let policy = policy(1, 10);
    let executor = Executor::new(&plane, &policy).with_progress(&progress);
    let error = executor.execute_step(&plan, 0).await.expect_err("the shards moved");
    assert!(matches!(error, ExecuteError::ShardsMoved(_)), "{error:?}");
    assert_eq!((count(&plane, "MergeShards"), plane.state().reshards), (1, 1));
}

#[tokio::test]
async fn bounds_suspend_and_freezes_hold_at_the_last_moment() {
    let frozen = |allow| Schedule {
        name: "freeze".to_owned(),
        cron: "* * * * *".parse().expect("a cron expression"),
        time_zone: jiff::tz::TimeZone::UTC,
        duration: Duration::from_secs(3_600),
        lead_time: Duration::ZERO,
        min_shards: None,
        allow,
    };
    let [low, high] = halves();
    let merge = Step::Merge { low, high };
    let suspended = ScalingPolicy { suspend: true, ..policy(1, 10) };
    let no_split = ScalingPolicy { schedules: vec![frozen(Allow::ScaleDownOnly)], ..policy(1, 10) };
    let no_merge = ScalingPolicy { schedules: vec![frozen(Allow::ScaleUpOnly)], ..policy(1, 10) };
    for (shards, step, policy, word) in [
        (1, split_whole(), policy(1, 1), "1 to 1 are allowed"),
        (2, merge.clone(), policy(2, 4), "2 to 4 are allowed"),
        (1, split_whole(), suspended, "suspend"),
        (1, split_whole(), no_split, "barred now by freeze"),
        (2, merge, no_merge, "barred now by freeze"),
    ] {
        let plane = TestPlane::new(shards);
        let plan = plan_on(&plane, vec![step]);
        let error = Executor::new(&plane, &policy).execute_step(&plan, 0).await.expect_err("barred");
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(plane.state().reshards, 0);
    }
}

#[tokio::test]
async fn the_listing_that_confirms_a_step_is_read_to_its_last_page() {
    let plane = TestPlane::new(5);
    plane.state().page_size = 2;
    plane.state().expire_tokens = 1;
    let shards = list_shards(&plane, &stream_id(&policy(1, 10).stream), ShardFilter::AtLatest).await;
    assert_eq!(shards.expect("begun anew after the token expired").value.len(), 5);
    let range = plane.ranges()[0];
    let at = range.inner_boundaries(2).next().expect("two parts");
    execute(&plane, vec![Step::Split { range, at }]).await.expect("it is carried out");
}
