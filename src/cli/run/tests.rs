//! The loop of one stream, on a small stand-in for Kinesis.

use super::*;
use crate::cli::output::ColorChoice;
use crate::control_plane::ErrorClass;
use crate::executor::{StopHandle, stop_signal};
use crate::observe::test_plane::{ARN, Fault, TestPlane, policy};
use crate::policy::{Pace, UpdateShardCount};
use crate::rounds::LEAST_GAP;
use crate::snapshot::Minute;

const MINUTE: Duration = Duration::from_secs(60);

/// A loop that wants to merge, of whom `turns` may act at once.
fn cold_stream(turns: usize, stop: StopSignal) -> StreamLoop<TestPlane> {
    StreamLoop {
        policy: policy(1, 8),
        region: "eu-west-1".to_owned(),
        plane: TestPlane::new(4),
        turns: Turns::with_places(turns),
        stop,
        output: Arc::new(Output::new(ColorChoice::Never)),
        lines: PassLines::default(),
        alone: true,
        offset: Duration::ZERO,
        clock_speed: 1,
        seen: false,
        steps: 0,
    }
}

/// A loop whose stream is so hot that a call is wanted again and again, which AWS refuses.
fn refused_stream(turns: Turns, stop: StopSignal, class: ErrorClass) -> StreamLoop<TestPlane> {
    let plane = TestPlane::new(8).made_minutes_ago(60);
    plane.state().rises = (Minute(0), 6_600.0);
    plane.state().refuses_counts = Some(class);
    let policy = ScalingPolicy {
        update_shard_count: UpdateShardCount::Emergency,
        pace: Pace { step_seconds: 300, update_seconds: 60 },
        ..policy(1, 64)
    };
    StreamLoop { policy, plane, turns, ..cold_stream(0, stop) }
}

/// How often a stream was asked for an UpdateShardCount, and for a split.
fn calls_and_splits(stream: &StreamLoop<TestPlane>) -> [usize; 2] {
    let requests = &stream.plane.state().requests;
    ["UpdateShardCount", "SplitShard"].map(|of| requests.iter().filter(|request| **request == of).count())
}

/// Gives the stop signal after so many moments, of which a request takes one.
async fn stops_after(moments: usize, handle: &StopHandle) {
    for _ in 0..moments {
        tokio::task::yield_now().await;
    }
    handle.stop();
}

fn scope() -> &'static str {
    scope_of(ARN)
}

#[tokio::test]
async fn with_a_turn_that_is_free_the_pass_acts_at_once() {
    let mut stream = cold_stream(1, StopSignal::never());
    let next = stream.pass(&mut Observer::gated(), None, None).await.expect("a pass");
    assert!(matches!(next, Next::LookAgain), "{next:?}");
    assert_eq!((stream.steps, stream.plane.state().reshards), (1, 1));
    assert!(stream.turns.try_acquire(scope()).is_some(), "the turn is given back");
}

#[tokio::test]
async fn what_was_decided_before_a_turn_was_waited_for_is_not_acted_on() {
    let (mut stream, mut observer) = (cold_stream(1, StopSignal::never()), Observer::gated());
    let others = stream.turns.try_acquire(scope()).expect("free");
    let next = stream.pass(&mut observer, None, None).await.expect("a pass");
    assert!(matches!(&next, Next::AwaitTurn { scope: of, urgency: 0 } if of == scope()), "{next:?}");
    assert_eq!(stream.plane.state().reshards, 0);

    // Meanwhile somebody turns the metrics off that a merge rests on.
    stream.plane.state().summary.enhanced_metrics.clear();
    drop(others);
    let turn = stream.turn(&mut observer, scope(), 0).await;
    assert!(turn.is_some());
    let next = stream.pass(&mut observer, turn, None).await.expect("a pass");
    assert!(matches!(next, Next::Rest), "it looked anew: {next:?}");
    assert_eq!(stream.plane.state().reshards, 0);
}

#[tokio::test]
async fn with_a_turn_that_was_waited_for_the_pass_acts_though_the_stream_is_calm() {
    let (mut stream, mut observer) = (cold_stream(1, StopSignal::never()), Observer::gated());
    let others = stream.turns.try_acquire(scope()).expect("free");
    stream.pass(&mut observer, None, None).await.expect("a pass");
    drop(others);
    let turn = stream.turn(&mut observer, scope(), 0).await;
    let next = stream.pass(&mut observer, turn, None).await.expect("a pass");
    assert!(matches!(next, Next::LookAgain), "{next:?}");
    assert_eq!(stream.plane.state().reshards, 1);
}

#[tokio::test]
async fn a_step_that_failed_is_tried_at_the_next_pass_and_one_that_is_not_allowed_when_the_clock_says_so() {
    for (class, tries) in [(ErrorClass::Throttled, 3), (ErrorClass::AccessDenied, 1)] {
        let (mut stream, mut observer) = (cold_stream(1, StopSignal::never()), Observer::gated());
        stream.plane.state().refusals = vec![class; 100];
        let mut refused = 0;
        for _ in 0..3 {
            refused += usize::from(stream.pass(&mut observer, None, None).await.is_err());
        }
        assert_eq!(refused, tries, "{class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_comes_as_soon_as_a_minute_is_over_and_a_step_does_not_move_the_next() {
    for (mode, steps) in [(Mode::DryRun, 0), (Mode::Apply, 2)] {
        let mut stream = StreamLoop { offset: MARGIN, ..cold_stream(1, StopSignal::never()) };
        stream.policy.mode = mode;
        // What a pass takes is told by the clock of the process.
        let took = Duration::from_secs(7);
        stream.plane.advance(Duration::from_secs(37));
        for pass in 0..6 {
            let mut observer = Observer::gated();
            while let Next::LookAgain = stream.pass(&mut observer, None, None).await.expect("a pass") {}
            let seen = stream.plane.state().now;
            tokio::time::advance(took).await;
            let wait = stream.until_next_round(observer.clock());
            stream.plane.advance(took + wait);
            let now = stream.plane.state().now;
            assert_eq!(now.as_second() % 60, 5, "{mode:?}, pass {pass}: from {seen}");
            assert!(now.duration_since(seen).unsigned_abs() <= MINUTE + LEAST_GAP, "{mode:?}, pass {pass}");
        }
        assert!(stream.steps >= steps, "{mode:?}: {}", stream.steps);
    }
}

#[tokio::test(start_paused = true)]
async fn the_loop_waits_for_the_next_round() {
    let (handle, stop) = stop_signal();
    let mut stream = StreamLoop { offset: MARGIN, ..cold_stream(1, stop) };
    stream.policy.mode = Mode::DryRun;
    stream.plane.advance(Duration::from_secs(37));
    tokio::join!(async { stream.passes().await.expect("they succeed") }, stops_after(1_000, &handle));
    let state = stream.plane.state();
    assert!(state.slept > 3 * MINUTE, "{:?}", state.slept);
    assert_eq!(state.now.as_second() % 60, 5);
}

#[tokio::test]
async fn who_waits_for_a_turn_can_be_stopped() {
    let (handle, stop) = stop_signal();
    let stream = cold_stream(0, stop);
    handle.stop();
    assert!(stream.turn(&mut Observer::gated(), scope(), 0).await.is_none());
}

#[tokio::test]
async fn of_several_streams_a_first_pass_that_fails_is_told_of_and_tried_again() {
    for alone in [true, false] {
        let (handle, stop) = stop_signal();
        let mut stream = StreamLoop { alone, ..cold_stream(1, stop) };
        stream.plane.state().faults = vec![(0, Fault::Refuse(ErrorClass::Unreachable))];
        let (ended, ()) = tokio::join!(stream.passes(), stops_after(1_000, &handle));
        let requests = stream.plane.state().requests.len();
        if alone {
            let told = ended.expect_err("it shows at once").to_string();
            assert!(told.contains("stream orders in eu-west-1") && requests == 1, "{told}, {requests}");
        } else {
            ended.expect("it is stopped");
            assert!(stream.steps > 0, "{requests} requests and no step");
        }
    }
}

#[tokio::test]
async fn a_single_stream_whose_first_step_fails_has_been_seen_and_is_tried_again() {
    for class in [ErrorClass::Throttled, ErrorClass::AccessDenied] {
        let (handle, stop) = stop_signal();
        let mut stream = cold_stream(1, stop);
        // As many as a step is tried.
        stream.plane.state().refusals = vec![class; 5];
        let (ended, ()) = tokio::join!(stream.passes(), stops_after(1_000, &handle));
        ended.unwrap_or_else(|error| panic!("{class:?}: {error:#}"));
        assert!(stream.steps > 0, "{class:?}");
    }
}

#[tokio::test]
async fn a_refused_call_is_made_up_for_by_a_split_at_once_though_it_came_first() {
    for class in [ErrorClass::LimitExceeded, ErrorClass::Invalid, ErrorClass::AccessDenied] {
        let (handle, stop) = stop_signal();
        let mut stream = refused_stream(Turns::with_places(1), stop, class);
        let (ended, ()) = tokio::join!(stream.passes(), stops_after(200, &handle));
        ended.unwrap_or_else(|error| panic!("{class:?}: {error:#}"));
        let [calls, splits] = calls_and_splits(&stream);
        assert!(splits > 1 && calls <= splits + 1, "{class:?}: {calls} calls, {splits} splits");
    }
}

#[tokio::test]
async fn a_refused_call_does_not_cost_the_turn_of_the_split_that_makes_up_for_it() {
    let (handle, stop) = stop_signal();
    let turns = Turns::with_places(1);
    let mut streams = [0; 2].map(|_| refused_stream(turns.clone(), stop.clone(), ErrorClass::AccessDenied));
    let [one, other] = &mut streams;
    let (one, other, ()) = tokio::join!(one.passes(), other.passes(), stops_after(200, &handle));
    one.and(other).expect("they are stopped");
    for stream in &streams {
        let [calls, splits] = calls_and_splits(stream);
        assert!(splits > 1 && calls <= splits + 1, "{calls} calls, {splits} splits");
    }
}
