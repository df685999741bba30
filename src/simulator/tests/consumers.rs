//! The load's consumers: what they read, what they cost a shard, and how far they fall behind.

use super::super::workload::{Consumer, ConsumerKind, Curve};
use super::*;

const EACH_SECOND: ConsumerKind = ConsumerKind::Polling { interval: SignedDuration::from_secs(1) };

fn with_consumers(shards: i32, rate: u64, consumers: &[Consumer]) -> Cloud {
    let mut cloud = cloud(shards);
    monitor(&mut cloud);
    let workload = Workload { consumers: consumers.to_vec(), ..Workload::new(Curve::constant(rate)) };
    load(&mut cloud, workload);
    cloud
}

fn lag(namespace: &str, name: &str, dimension: (&str, &str)) -> Metric {
    let dimensions = vec![Dimension::new(dimension.0, dimension.1)];
    Metric { namespace: namespace.into(), metric_name: name.into(), dimensions }
}

fn of_shard(cloud: &mut Cloud, metric: &str, stat: &str) -> Vec<(Timestamp, f64)> {
    values(cloud, kinesis_metric(metric, Some(0)), stat)
}

#[test]
fn consumers_that_keep_up_read_what_is_written_and_have_no_lag() {
    let consumers = [
        Consumer::new("archive", ConsumerKind::Firehose),
        Consumer::new("fraud", ConsumerKind::Lambda),
        Consumer::new("search", ConsumerKind::EnhancedFanOut),
    ];
    let mut cloud = with_consumers(1, 500_000, &consumers);
    cloud.advance_seconds(1_200);
    let written = sum(&of_shard(&mut cloud, "IncomingBytes", "Sum")[..10]);
    assert_eq!(sum(&of_shard(&mut cloud, "OutgoingBytes", "Sum")[..10]), 3.0 * written, "fan-out counts");
    let by_calls = values(&mut cloud, kinesis_metric("GetRecords.Bytes", None), "Sum");
    assert_eq!(sum(&by_calls[..10]), 2.0 * written, "fan-out makes no GetRecords calls");
    assert_eq!(sum(&of_shard(&mut cloud, "ReadProvisionedThroughputExceeded", "Sum")), 0.0);
    // Two polls and one event a second.
    assert_eq!(of_shard(&mut cloud, "OutgoingBytes", "SampleCount")[1].1, 180.0);
    for metric in [
        lag("AWS/Firehose", "KinesisMillisBehindLatest", ("DeliveryStreamName", "archive")),
        lag("AWS/Lambda", "IteratorAge", ("FunctionName", "fraud")),
    ] {
        assert_eq!(largest(&values(&mut cloud, metric, "Maximum")), 0.0);
    }
}

#[test]
fn more_than_five_polls_a_second_are_throttled_whatever_the_bytes() {
    let consumers: Vec<_> = (0..7).map(|i| Consumer::new(format!("app{i}"), EACH_SECOND)).collect();
    let mut cloud = with_consumers(1, 1_000, &consumers);
    cloud.advance_seconds(1_200);
    let throttled = of_shard(&mut cloud, "ReadProvisionedThroughputExceeded", "Sum");
    assert_eq!(throttled[5].1, 120.0, "two of seven, each second");
    assert_eq!(of_shard(&mut cloud, "ReadProvisionedThroughputExceeded", "SampleCount")[5].1, 420.0);
    let success = values(&mut cloud, kinesis_metric("GetRecords.Success", None), "Average");
    assert!((success[5].1 - 5.0 / 7.0).abs() < 1e-9);
}

#[test]
fn a_consumer_slower_than_its_shard_falls_behind_and_catches_up() {
    let slow = Consumer { bytes_per_second: Some(400_000), ..Consumer::new("slow", EACH_SECOND) };
    let mut cloud = cloud(1);
    let (at, lasting) = (cloud.now(), SignedDuration::from_secs(600));
    let curve = Curve::Spike { base: 200_000, peak: 600_000, at, lasting };
    load(&mut cloud, Workload::new(curve).consumer(slow));
    let metric = || lag("slow", "MillisBehindLatest", ("Operation", "ProcessTask"));
    cloud.advance_seconds(600 + 180);
    let behind = values(&mut cloud, metric(), "Maximum");
    // After 600 s, 600 × 200,000 bytes of 600,000 a second are unread: 200 s.
    let largest_behind = largest(&behind);
    assert!((190_000.0..=270_000.0).contains(&largest_behind), "{largest_behind}");
    assert!(behind[1].1 < behind[5].1 && behind[5].1 < behind[9].1, "{behind:?}");
    cloud.advance_seconds(1_200);
    assert_eq!(values(&mut cloud, metric(), "Maximum").last().map(|last| last.1), Some(0.0));
}

#[test]
fn a_replay_reads_two_megabytes_a_second_with_a_high_age() {
    let mut cloud = cloud(1);
    monitor(&mut cloud);
    let replay = Consumer {
        from_trim_horizon: true,
        starts_at: Some(cloud.now() + SignedDuration::from_hours(2)),
        ..Consumer::new("replay", EACH_SECOND)
    };
    let live = Consumer::new("live", EACH_SECOND);
    load(&mut cloud, Workload::new(Curve::constant(500_000)).consumer(live).consumer(replay));
    cloud.advance_seconds(7_200 + 600);
    let outgoing = of_shard(&mut cloud, "OutgoingBytes", "Sum");
    assert_eq!(outgoing[100].1, 30_000_000.0, "before the replay");
    let during = outgoing[122].1;
    assert!((110e6..=130e6).contains(&during), "{during}");
    let age = of_shard(&mut cloud, "IteratorAgeMilliseconds", "Maximum");
    assert_eq!(age[100].1, 0.0);
    assert!(age[122].1 > 6_000_000.0, "{:?}", age[122]);
    // The live consumer shares the shard with it and may wait for a few seconds, no more.
    let waits =
        values(&mut cloud, lag("live", "MillisBehindLatest", ("Operation", "ProcessTask")), "Maximum");
    assert!(largest(&waits) < 60_000.0, "{waits:?}");
    // 3.6 GB at 1.5 MB/s more than what comes in.
    cloud.advance_seconds(3_600);
    let age = of_shard(&mut cloud, "IteratorAgeMilliseconds", "Maximum");
    assert_eq!(age[age.len() - 3].1, 0.0, "it has caught up");
}

#[test]
fn children_are_read_after_their_parents() {
    let slow = Consumer { bytes_per_second: Some(100_000), ..Consumer::new("slow", EACH_SECOND) };
    let mut cloud = with_consumers(1, 200_000, &[slow]);
    cloud.advance_seconds(600);
    split(&mut cloud, 0, MIDDLE).expect("a split point");
    cloud.advance_seconds(600);
    let read =
        |cloud: &mut Cloud, shard| sum(&values(cloud, kinesis_metric("OutgoingBytes", Some(shard)), "Sum"));
    assert_eq!((read(&mut cloud, 1), read(&mut cloud, 2)), (0.0, 0.0), "the parent has a backlog");
    cloud.advance_seconds(300);
    assert!(read(&mut cloud, 1) > 0.0 && read(&mut cloud, 2) > 0.0);
    let parent = read(&mut cloud, 0);
    assert_eq!(parent, 200_000.0 * 630.0, "it was read to its end");
}

#[test]
fn a_slow_poller_polls_as_often_as_it_says() {
    let every_five = ConsumerKind::Polling { interval: SignedDuration::from_secs(5) };
    let often = ConsumerKind::Polling { interval: SignedDuration::from_millis(400) };
    let consumers = [Consumer::new("slow", every_five), Consumer::new("often", often)];
    let mut cloud = with_consumers(1, 100_000, &consumers);
    cloud.advance_seconds(600);
    let calls = values(&mut cloud, kinesis_metric("GetRecords.Success", None), "SampleCount");
    assert_eq!(calls[3].1, 12.0 + 150.0);
}

#[test]
fn hungry_consumers_share_a_shard_evenly() {
    let mut cloud = cloud(1);
    let starts_at = Some(cloud.now() + SignedDuration::from_hours(1));
    let replay = |name| Consumer { from_trim_horizon: true, starts_at, ..Consumer::new(name, EACH_SECOND) };
    let workload = Workload::new(Curve::constant(900_000));
    load(&mut cloud, workload.consumer(replay("one")).consumer(replay("other")));
    cloud.advance_seconds(3_600 + 900);
    let mut behind = |name| {
        let lags =
            values(&mut cloud, lag(name, "MillisBehindLatest", ("Operation", "ProcessTask")), "Maximum");
        lags.last().map_or(f64::MAX, |last| last.1)
    };
    let (one, other) = (behind("one"), behind("other"));
    assert!(one > 0.0 && (one - other).abs() < 0.05 * one, "{one} {other}");
}

#[test]
fn an_idle_stream_has_a_firehose_lag_of_zero_and_no_lambda_age() {
    let consumers =
        [Consumer::new("archive", ConsumerKind::Firehose), Consumer::new("fraud", ConsumerKind::Lambda)];
    let mut cloud = with_consumers(1, 0, &consumers);
    cloud.advance_seconds(600);
    let firehose = lag("AWS/Firehose", "KinesisMillisBehindLatest", ("DeliveryStreamName", "archive"));
    assert_eq!(largest(&values(&mut cloud, firehose, "Maximum")), 0.0);
    assert_eq!(
        values(&mut cloud, lag("AWS/Lambda", "IteratorAge", ("FunctionName", "fraud")), "Maximum"),
        []
    );
}
