//! Faults strike what they are scripted for, and again in the same way.

use super::super::fault::{Effect, Fault, MetricEffect, MetricFault, Operation, When};
use super::super::workload::Curve;
use super::*;

fn inject(cloud: &mut Cloud, operation: Operation, when: When, effect: Effect) {
    cloud.inject(Fault { operation, when, effect });
}

#[test]
fn a_call_is_refused_when_its_turn_comes() {
    let mut cloud = cloud(1);
    let denied =
        ApiError::new(ApiErrorCode::AccessDenied, "User is not authorized to perform: kinesis:SplitShard");
    inject(&mut cloud, Operation::SplitShard, When::Nth(2), Effect::Refuse(denied.clone()));
    assert_eq!(code(split(&mut cloud, 0, HashKey(0))), Some(ApiErrorCode::InvalidArgument));
    assert_eq!(split(&mut cloud, 0, MIDDLE), Err(denied));
    assert_eq!((status(&mut cloud), cloud.calls(Operation::SplitShard)), (StreamStatus::Active, 2));
    assert_eq!(split(&mut cloud, 0, MIDDLE), Ok(()));
}

#[test]
fn a_lost_reply_leaves_its_effect_and_a_lost_request_none() {
    let mut cloud = cloud(1);
    inject(&mut cloud, Operation::SplitShard, When::Nth(1), Effect::LoseRequest);
    inject(&mut cloud, Operation::SplitShard, When::Nth(2), Effect::LoseReply);
    assert_eq!(code(split(&mut cloud, 0, MIDDLE)), Some(ApiErrorCode::ReplyLost));
    assert_eq!(status(&mut cloud), StreamStatus::Active);
    assert_eq!(code(split(&mut cloud, 0, MIDDLE)), Some(ApiErrorCode::ReplyLost));
    assert_eq!(status(&mut cloud), StreamStatus::Updating);
    cloud.advance_seconds(30);
    assert_eq!(open(&mut cloud).len(), 2);
}

#[test]
fn a_lost_reply_hides_a_refusal_too() {
    let mut cloud = cloud(1);
    inject(&mut cloud, Operation::SplitShard, When::Always, Effect::LoseReply);
    assert_eq!(code(split(&mut cloud, 0, HashKey(0))), Some(ApiErrorCode::ReplyLost), "no reply is no reply");
}

#[test]
fn a_stale_listing_is_what_was_listed_then() {
    let mut cloud = cloud(1);
    split(&mut cloud, 0, MIDDLE).expect("a split point");
    cloud.advance_seconds(40);
    inject(&mut cloud, Operation::ListShards, When::Nth(1), Effect::Stale(SignedDuration::from_secs(20)));
    let stale = modelled(&list(&mut cloud, None));
    assert!(matches!(&stale[..], [only] if !only.closed), "{stale:?}");
    assert_eq!(open(&mut cloud).len(), 2);
}

#[test]
fn a_listing_from_before_the_stream_is_empty() {
    let mut cloud = cloud(1);
    inject(&mut cloud, Operation::ListShards, When::Always, Effect::Stale(SignedDuration::from_hours(2)));
    let at_trim_horizon =
        ShardFilter { r#type: ShardFilterType::AtTimestamp, shard_id: None, timestamp: Some(cloud.now()) };
    assert_eq!(list(&mut cloud, Some(at_trim_horizon)), []);
}

#[test]
fn a_reshard_takes_as_long_as_it_is_told_to() {
    let mut cloud = cloud(1);
    inject(&mut cloud, Operation::SplitShard, When::Always, Effect::Takes(SignedDuration::from_hours(2)));
    split(&mut cloud, 0, MIDDLE).expect("a split point");
    cloud.advance_seconds(7_199);
    assert_eq!(status(&mut cloud), StreamStatus::Updating);
    cloud.advance_seconds(1);
    assert_eq!(status(&mut cloud), StreamStatus::Active);
}

#[test]
fn chance_strikes_again_in_the_same_way() {
    let run = |seed| {
        let mut config = Config { seed, ..Config::default() };
        config.limits.control_plane_rates = false;
        let mut cloud = cloud_with(config, 1);
        let throttled = ApiError::new(ApiErrorCode::Throttling, "Rate exceeded");
        inject(&mut cloud, Operation::DescribeStreamSummary, When::Chance(0.3), Effect::Refuse(throttled));
        let mut call = || cloud.describe_stream_summary(DescribeStreamSummary { stream: orders() }).is_err();
        (0..300).map(|_| call()).collect::<Vec<_>>()
    };
    let struck = run(5);
    assert_eq!(struck, run(5));
    assert_ne!(struck, run(6));
    let count = struck.iter().filter(|struck| **struck).count();
    assert!((60..120).contains(&count), "{count} of 300 at 30 %");
}

#[test]
fn metrics_go_wrong_as_they_are_told_to() {
    let mut cloud = cloud(1);
    load(&mut cloud, Workload::new(Curve::constant(500_000)));
    let from = cloud.now() + SignedDuration::from_secs(120);
    let until = from + SignedDuration::from_secs(120);
    cloud.advance_seconds(600);
    let sound = values(&mut cloud, kinesis_metric("IncomingBytes", None), "Sum");
    let mut read = |effect, chance| {
        cloud.clear_faults();
        let (metric_name, dimension_value) = (Some("IncomingBytes".to_owned()), Some("orders".to_owned()));
        cloud.inject_metric(MetricFault { metric_name, dimension_value, from, until, chance, effect });
        let other = values(&mut cloud, kinesis_metric("IncomingRecords", None), "Sum");
        assert_eq!(other.len(), sound.len(), "another metric is as it was");
        values(&mut cloud, kinesis_metric("IncomingBytes", None), "Sum")
    };
    let seconds = SignedDuration::from_secs;
    assert_eq!(read(MetricEffect::Missing, 0.0), sound);
    assert_eq!(read(MetricEffect::Missing, 1.0), [&sound[..2], &sound[4..]].concat());
    assert_eq!(read(MetricEffect::Late(seconds(3_600)), 1.0).len(), sound.len() - 2);
    assert_eq!(read(MetricEffect::Scaled(0.5), 1.0)[2].1, sound[2].1 / 2.0);
    assert_eq!(read(MetricEffect::Negative, 1.0)[2].1, -sound[2].1);
    assert!(read(MetricEffect::NotANumber, 1.0)[2].1.is_nan());
    let future = read(MetricEffect::Future(seconds(3_600)), 1.0);
    assert!(future.last().is_some_and(|last| last.0 > sound[sound.len() - 1].0 + seconds(3_000)));
    assert_eq!(read(MetricEffect::PartialData, 1.0).len(), sound.len() - 1);
}
