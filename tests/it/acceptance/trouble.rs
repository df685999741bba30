//! Trouble on the wire of Kinesis while steps are carried out: each is told by name, nothing is sent
//! twice that may have taken effect, and what can go on goes on.

use reshard::simulator::fault::{Effect, Fault, Operation, When};
use reshard::simulator::{ApiError, ApiErrorCode};

use super::world::{World, even, finished};
use crate::cli::Ran;

/// Two shards at 95 %, each of which is split once; time runs, so that what waits comes to its end.
fn two_splits_ahead() -> World {
    World::new(2, even(1_960_000), 240)
}

fn strike(world: &World, operation: Operation, when: When, effect: Effect) {
    world.cloud(|cloud| cloud.inject(Fault { operation, when, effect }));
}

fn refused(code: ApiErrorCode, message: &str) -> Effect {
    Effect::Refuse(ApiError::new(code, message))
}

fn limit_exceeded() -> Effect {
    refused(ApiErrorCode::LimitExceeded, "Rate exceeded for stream orders under account 123456789012")
}

fn apply(world: &World) -> Ran {
    let manifest = world.files.manifest("orders.yaml", "maxShards: 8");
    world.apply(&manifest, &[])
}

/// Both shards were split, with so many requests in all.
fn is_done_with(world: &World, ran: &Ran, requests: u64, lost: usize) {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert_eq!(finished(ran), 2, "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("was lost on the way").count(), lost, "{}", ran.stdout);
    assert_eq!(world.calls(Operation::SplitShard), requests, "{}", ran.stdout);
    let manifest = world.files.path("orders.yaml");
    assert_eq!(world.plan(&manifest)["stream"]["shards"], 4);
}

#[test]
fn a_split_whose_reply_is_lost_is_read_back_and_not_sent_again() {
    let world = two_splits_ahead();
    strike(&world, Operation::SplitShard, When::Nth(1), Effect::LoseReply);
    is_done_with(&world, &apply(&world), 2, 0);
}

#[test]
fn a_split_that_never_arrived_is_seen_to_be_missing_and_planned_anew() {
    let world = two_splits_ahead();
    strike(&world, Operation::SplitShard, When::Nth(1), Effect::LoseRequest);
    is_done_with(&world, &apply(&world), 3, 1);
}

#[test]
fn a_stream_that_is_in_use_is_waited_for() {
    let world = two_splits_ahead();
    let in_use = refused(ApiErrorCode::ResourceInUse, "Stream orders under account 123456789012 is in use");
    strike(&world, Operation::SplitShard, When::Nth(1), in_use);
    is_done_with(&world, &apply(&world), 3, 0);
}

#[test]
fn a_rate_that_is_used_up_is_waited_for() {
    let world = two_splits_ahead();
    strike(&world, Operation::SplitShard, When::Nth(1), limit_exceeded());
    is_done_with(&world, &apply(&world), 3, 0);
}

#[test]
fn a_limit_that_stays_is_told_after_some_tries_and_a_look_at_the_quota() {
    let world = two_splits_ahead();
    strike(&world, Operation::SplitShard, When::Always, limit_exceeded());
    let ran = apply(&world);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("refused 5 times") && told.contains("Rate exceeded"), "{told}");
    assert_eq!((world.calls(Operation::SplitShard), world.calls(Operation::DescribeLimits)), (5, 1));
}

#[test]
fn reads_that_are_throttled_are_repeated() {
    let world = two_splits_ahead();
    for operation in [Operation::DescribeStreamSummary, Operation::ListShards, Operation::GetMetricData] {
        strike(&world, operation, When::Nth(2), refused(ApiErrorCode::Throttling, "Rate exceeded"));
    }
    is_done_with(&world, &apply(&world), 2, 0);
}

#[test]
fn what_is_not_allowed_is_told_by_its_action_and_sent_once() {
    let world = two_splits_ahead();
    let denied =
        refused(ApiErrorCode::AccessDenied, "User: arn:aws:iam::123456789012:user/me is not authorized");
    strike(&world, Operation::SplitShard, When::Always, denied);
    let ran = apply(&world);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in ["orders", "kinesis:SplitShard", "user/me is not authorized"] {
        assert!(ran.stdout.contains(part) || ran.stderr.contains(part), "{part} in {ran:?}");
    }
    assert_eq!(world.calls(Operation::SplitShard), 1, "no second try would fare better");
    assert_eq!(world.plan(&world.files.path("orders.yaml"))["stream"]["shards"], 2);
}
