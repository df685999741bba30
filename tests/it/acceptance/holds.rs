//! What no split cures ends in the right hold or verdict, in words and exit codes, and not in a split.

use jiff::SignedDuration;
use reshard::simulator::api::{DeleteStream, StreamModeDetails, UpdateStreamMode};
use reshard::simulator::fault::{MetricEffect, MetricFault, Operation};
use reshard::simulator::workload::{Consumer, ConsumerKind, HotSpot};
use reshard::stream::StreamMode;

use super::world::{World, all_shard_metrics, even, orders, steps};

const SPEC: &str = "maxShards: 16\ninterval: 10s\nmetrics: {maxAge: 30m}";

/// `plan` has nothing to do and says `words`; `apply` does nothing either.
fn is_left_alone(world: &World, words: &[&str]) {
    is_left_alone_by(world, words, &[]);
}

/// The same by `apply` with these flags.
fn is_left_alone_by(world: &World, words: &[&str], flags: &[&str]) {
    let manifest = world.files.manifest("orders.yaml", SPEC);
    let before = world.writes();
    let (code, shown) = world.planned(&manifest);
    assert_eq!(code, Some(0), "{shown}");
    let in_one_line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(in_one_line.contains(word), "{word} in {shown}");
    }
    let applied = world.apply(&manifest, flags);
    assert_eq!((applied.code, applied.stderr.as_str()), (Some(0), ""), "{}", applied.stdout);
    assert!(applied.stdout.starts_with("orders: no step was taken; "), "{}", applied.stdout);
    // The plan's last word is apply's as well: what to do about it.
    let advice = words[words.len() - 1];
    assert!(applied.stdout.contains(advice), "{advice} in {}", applied.stdout);
    assert_eq!(world.writes(), before);
}

#[test]
fn a_replaying_consumer_is_catching_up_and_no_reason_to_split() {
    let archive = Consumer::new("archive", ConsumerKind::Polling { interval: SignedDuration::from_secs(1) });
    let world = World::new(2, even(800_000).consumer(archive.clone()), 0);
    world.skip(10 * 60);
    let mut replay = Consumer::new("replay", archive.kind);
    replay.from_trim_horizon = true;
    world.load(even(800_000).consumer(archive).consumer(replay));
    world.skip(15);
    is_left_alone(&world, &["VERDICTS", "CatchingUp", "wait: a replay drains at 2 MB/s a shard by design"]);
}

#[test]
fn throttled_readers_and_their_lag_are_told_with_the_shard_that_they_sit_in() {
    let spot = HotSpot { share: 0.3, width: 0.05, position: Some(0.6), moves_every: None };
    let mut load = even(2_400_000);
    load.hot_spot = Some(spot);
    for name in ["a", "b", "c"] {
        let kind = ConsumerKind::Polling { interval: SignedDuration::from_secs(1) };
        load = load.consumer(Consumer::new(name, kind));
    }
    let world = World::new(4, load, 0);
    let report = world.plan(&world.files.manifest("orders.yaml", SPEC));
    let readers = report["readersByShard"].as_array().unwrap();
    let of = |place: usize, field: &str| readers[place][field].as_u64().unwrap();
    assert_eq!(readers.len(), 4);
    assert_eq!(readers[0]["shard"], "shardId-000000000002", "{readers:#?}");
    assert!(of(0, "throttledPerMinute") > 0 && of(0, "lagMillis") > 600_000, "{readers:#?}");
    assert!(of(0, "readBytesPerSecond") > 1_900_000, "{readers:#?}");
    assert!((1..4).all(|place| of(place, "throttledPerMinute") == 0), "{readers:#?}");
    let earned: Vec<_> =
        report["advice"].as_array().unwrap().iter().map(|advice| &advice["reason"]).collect();
    assert!(
        ["ReadsThrottled", "LagOfFewShards"].iter().all(|name| earned.contains(&&serde_json::json!(name)))
    );
}

#[test]
fn a_stream_without_shard_metrics_is_held_and_told_how_to_turn_them_on() {
    let world = World::new(2, even(1_960_000), 0);
    world.cloud(|cloud| cloud.disable_enhanced_monitoring(all_shard_metrics())).unwrap();
    world.skip(15);
    // What each shard carries is not known, and unknown is not zero.
    let unknown = "ingest bytes — — — 95.0 %";
    is_left_alone(&world, &["HOLDS", "ShardMetricsOff", unknown, "aws kinesis enable-enhanced-monitoring"]);
}

#[test]
fn a_stream_that_was_switched_to_on_demand_is_left_to_aws() {
    let world = World::new(2, even(1_960_000), 0);
    let manifest = world.files.manifest("orders.yaml", SPEC);
    let report = world.plan(&manifest);
    assert!(steps(&report) > 0, "while it is provisioned it is split");
    let stream_arn = report["stream"]["arn"].as_str().unwrap().to_owned();
    let stream_mode_details = StreamModeDetails { stream_mode: StreamMode::OnDemand };
    world
        .cloud(|cloud| cloud.update_stream_mode(UpdateStreamMode { stream_arn, stream_mode_details }))
        .unwrap();
    world.skip(15);
    let reasons: Vec<_> = world.plan(&manifest)["holds"].as_array().unwrap().to_vec();
    assert_eq!(reasons.len(), 1, "what its metrics say is of no interest: {reasons:?}");
    // The world's time stands still: a command that waited would not come back.
    is_left_alone_by(&world, &["HOLDS", "OnDemandStream", "on-demand"], &["--wait", "--timeout", "24h"]);
}

#[test]
fn a_stream_that_is_being_made_or_deleted_has_that_one_hold() {
    let world = World::new(2, even(1_960_000), 0);
    let manifest = world.files.manifest("orders.yaml", SPEC);
    let only_hold = |status: &str| {
        let holds = world.plan(&manifest)["holds"].as_array().unwrap().to_vec();
        assert_eq!(holds.len(), 1, "{holds:?}");
        is_left_alone(&world, &["HOLDS", "StreamNotActive", status]);
    };
    world.begin_anew(2);
    only_hold("CREATING");
    world.skip(1);
    let delete = DeleteStream { stream: orders(), ..DeleteStream::default() };
    world.cloud(|cloud| cloud.delete_stream(delete)).unwrap();
    only_hold("DELETING");
}

#[test]
fn what_only_a_person_can_lift_is_not_waited_for() {
    let world = World::new(2, even(1_960_000), 0);
    let suspended = world.files.manifest("orders.yaml", "maxShards: 16\nsuspend: true");
    // Besides, its metrics are late, which would pass.
    world.cloud(|cloud| {
        let (from, until) = (cloud.now(), cloud.now() + SignedDuration::from_hours(24));
        let (metric_name, dimension_value, effect) = (None, None, MetricEffect::Missing);
        cloud.inject_metric(MetricFault { metric_name, dimension_value, from, until, chance: 1.0, effect });
    });
    world.skip(15);
    let applied = world.apply(&suspended, &["--wait", "--timeout", "24h"]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert!(applied.stdout.contains("suspend"), "{}", applied.stdout);
}

#[test]
fn one_key_above_a_ceiling_ends_in_a_verdict_and_not_in_a_loop_of_splits() {
    let mut workload = even(2_500_000);
    workload.hot_spot = Some(HotSpot { share: 0.6, width: 0.0, position: Some(0.4), moves_every: None });
    let world = World::new(4, workload, 240);
    let manifest = world.files.manifest("orders.yaml", SPEC);
    // A few splits are tried before it is known that the heat sits in one key.
    for _ in 0..12 {
        let applied = world.apply(&manifest, &[]);
        assert_eq!(applied.code, Some(0), "{} {}", applied.stdout, applied.stderr);
        world.skip(10);
    }
    assert!(world.calls(Operation::SplitShard) <= 8, "{}", world.calls(Operation::SplitShard));
    is_left_alone(&world, &["VERDICTS", "HotKey", "spread the key: add a suffix to it"]);
}
