//! Lag, ages, freezes and rates.

use super::super::fixture::{FIRST, ago, kilobytes};
use super::*;
use crate::policy::{Allow, Consumer, ConsumerKind, RateAmount, RatePolicy, Schedule, SelectPolicy};
use crate::snapshot::{PastTopology, Series, StreamMetric};
use crate::stream::ShardId;
use std::time::Duration;

const FIREHOSE: ConsumerKind = ConsumerKind::Firehose { transform: None };

fn consumer(name: &str, kind: ConsumerKind) -> Consumer {
    Consumer { name: name.to_owned(), kind }
}

fn lag(millis: u64) -> Series {
    Series::new(FIRST, vec![Some(millis); 20], true)
}

#[test]
fn lag_above_the_guard_bars_merges_and_the_largest_consumer_is_named() {
    let mut declared = policy();
    let [archive, fraud] = ["archive", "fraud"].map(|name| consumer(name, FIREHOSE));
    declared.consumers = vec![archive.clone(), fraud.clone()];
    let mut snapshot = two([40, 20]).snapshot();
    snapshot.metrics.consumer_lag = [&archive, &fraud].map(|of| (of.into(), lag(120_000))).into();
    assert!(assess(&snapshot, &declared).merge_bars.is_empty());
    snapshot.metrics.consumer_lag.insert((&fraud).into(), lag(120_001));
    let consumer = Some("fraud".to_owned());
    let expected = Hold::ConsumerLagging { consumer, lag_millis: 120_001, limit_millis: 120_000 };
    assert_eq!(assess(&snapshot, &declared).merge_bars, [expected]);
    snapshot.metrics.consumer_lag.insert((&fraud).into(), lag(43_200_001));
    assert!(
        assess(&snapshot, &declared)
            .verdicts
            .contains(&Verdict::DataLossRisk { lag_millis: 43_200_001, retention_hours: 24 })
    );
}

#[test]
fn consumers_of_one_name_and_two_types_lag_each_for_itself() {
    let mut declared = policy();
    let (function, delivery) = (consumer("orders", ConsumerKind::Lambda), consumer("orders", FIREHOSE));
    declared.consumers = vec![function.clone(), delivery.clone()];
    let mut snapshot = two([40, 20]).snapshot();
    for (late, in_time) in [(&function, &delivery), (&delivery, &function)] {
        snapshot.metrics.consumer_lag = [(late.into(), lag(46_800_000)), (in_time.into(), lag(0))].into();
        let demand = assess(&snapshot, &declared);
        assert_eq!(reasons(&demand.merge_bars), ["ConsumerLagging"], "{late:?} is late");
        assert_eq!(demand.summary.lag_millis, Some(46_800_000), "{late:?} is late");
    }
}

#[test]
fn a_declared_consumer_without_data_bars_merges() {
    let mut declared = policy();
    let fraud = consumer("fraud", ConsumerKind::EnhancedFanOut);
    declared.consumers = vec![fraud.clone()];
    let silent = [Hold::ConsumerSilent { consumer: "fraud".to_owned() }];
    let mut snapshot = two([40, 20]).snapshot();
    assert_eq!(assess(&snapshot, &declared).merge_bars, silent);
    let nothing = Series::new(FIRST, vec![None; 20], true);
    snapshot.metrics.consumer_lag.insert((&fraud).into(), nothing);
    assert_eq!(assess(&snapshot, &declared).merge_bars, silent);
}

#[test]
fn the_iterator_age_stands_for_undeclared_consumers() {
    let mut snapshot = two([40, 20]).snapshot();
    snapshot.metrics.stream.insert(StreamMetric::GetRecordsIteratorAgeMilliseconds, lag(300_000));
    let demand = assess(&snapshot, &policy());
    assert_eq!(reasons(&demand.merge_bars), ["ConsumerLagging"]);
    assert_eq!(demand.summary.lag_millis, Some(300_000));
    // Calls without an iterator age: somebody polls, and nobody can tell how late.
    let nothing = Series::new(FIRST, vec![None; 20], true);
    snapshot.metrics.stream.insert(StreamMetric::GetRecordsIteratorAgeMilliseconds, nothing.clone());
    assert_eq!(reasons(&assess(&snapshot, &policy()).merge_bars), ["MetricsIncomplete"]);
    // Neither, in one window: a consumer that crashed is silent too.
    snapshot.metrics.stream.insert(StreamMetric::GetRecordsCalls, nothing);
    assert_eq!(reasons(&assess(&snapshot, &policy()).merge_bars), ["MetricsIncomplete"]);
}

#[test]
fn a_lag_that_nobody_reports_is_taken_to_be_at_the_guard() {
    let mut story = two([40, 20]);
    story.split(0);
    let mut declared = policy();
    declared.consumers = vec![consumer("fraud", ConsumerKind::Lambda)];
    let demand = assess(&story.snapshot(), &declared);
    let shards = vec![demand.shards[0].id.clone()];
    let expected = Hold::ParentsDraining { shards, until_age_seconds: 240 };
    assert_eq!(demand.shards[0].split_guard, Some(expected));
}

#[test]
fn a_consumers_partial_reply_is_no_reply() {
    let mut declared = policy();
    let fraud = consumer("fraud", ConsumerKind::Lambda);
    declared.consumers = vec![fraud.clone()];
    let mut snapshot = two([40, 20]).snapshot();
    snapshot.metrics.consumer_lag.insert((&fraud).into(), Series { complete: false, ..lag(1) });
    assert_eq!(reasons(&assess(&snapshot, &declared).merge_bars), ["ConsumerSilent"]);
}

#[test]
fn a_stream_that_was_still_being_made_is_no_size_to_grow_from() {
    let mut snapshot = twenty(20);
    snapshot.past_topologies = vec![PastTopology { at: ago(&snapshot, 5), open: [].into() }];
    let mut rates = policy();
    rates.scale_up.policies = vec![rule(RateAmount::Shards(15), 5)];
    assert_eq!(assess(&snapshot, &rates).scale_up_limit, 35);
}

/// A shard is split, and `minutes` pass.
fn split_and_wait(minutes: usize) -> Story {
    let mut story = two([40, 20]);
    story.split(0);
    story.pass(minutes, |range| by_width(range, percent(60)));
    story
}

#[test]
fn a_young_shard_is_left_alone_until_readers_are_done_with_its_parents() {
    let snapshot = split_and_wait(0).snapshot();
    // Split three minutes ago, and a topology read then proves it: old enough without lag.
    assert_eq!(guard(&assess(&snapshot, &policy()).shards[0].split_guard), None);
    let mut lagging = snapshot.clone();
    lagging.metrics.stream.insert(StreamMetric::GetRecordsIteratorAgeMilliseconds, lag(60_001));
    let demand = assess(&lagging, &policy());
    let shards = vec![demand.shards[0].id.clone()];
    let expected = Some(Hold::ParentsDraining { shards, until_age_seconds: 181 });
    assert_eq!(demand.shards[0].split_guard, expected);
    assert_eq!(demand.shards[0].merge_guard, expected);
    assert_eq!(demand.shards[2].split_guard, None);
    let mut unproved = snapshot;
    unproved.past_topologies.retain(|topology| topology.at < FIRST.plus(20).start());
    let demand = assess(&unproved, &policy());
    assert_eq!(guard(&demand.shards[0].split_guard), Some("ParentsDraining"));
}

#[test]
fn a_young_shard_that_rejects_may_be_split() {
    let mut story = two([40, 20]);
    story.split(0);
    story.pass(2, |range| Amounts { rejected: 900, ..by_width(range, percent(180)) });
    let mut snapshot = story.snapshot();
    snapshot.metrics.stream.insert(StreamMetric::GetRecordsIteratorAgeMilliseconds, lag(3_600_000));
    let demand = assess(&snapshot, &policy());
    assert!(demand.shards[0].rejecting);
    assert_eq!(demand.shards[0].split_guard, None);
    assert_eq!(guard(&demand.shards[0].merge_guard), Some("ParentsDraining"));
}

#[test]
fn a_freeze_bars_its_direction() {
    let mut frozen = policy();
    frozen.schedules.push(Schedule {
        name: "freeze".to_owned(),
        cron: "* * * * *".parse().expect("a cron expression"),
        time_zone: jiff::tz::TimeZone::UTC,
        duration: Duration::from_secs(3_600),
        lead_time: Duration::ZERO,
        min_shards: None,
        allow: Allow::ScaleUpOnly,
    });
    let demand = assess(&two([40, 20]).snapshot(), &frozen);
    let schedules = vec!["freeze".to_owned()];
    assert_eq!(demand.merge_bars, [Hold::Frozen { schedules: schedules.clone(), scale_up: false }]);
    assert!(demand.split_bars.is_empty());
    frozen.schedules[0].allow = Allow::None;
    let demand = assess(&two([40, 20]).snapshot(), &frozen);
    assert_eq!(demand.split_bars, [Hold::Frozen { schedules, scale_up: true }]);
}

fn rule(amount: RateAmount, minutes: u64) -> RatePolicy {
    RatePolicy { amount, period: Duration::from_secs(60 * minutes) }
}

/// Ten shards at the look-back's start, `five` five minutes ago, and 20 now.
fn twenty(five: usize) -> crate::snapshot::Snapshot {
    let mut story = Story::of(20);
    let mut snapshot = story.pass(20, |_| kilobytes(1_000)).snapshot();
    let at = |minutes, shards: usize| {
        let open = (0..shards).map(|at| ShardId::new(format!("shardId-{at:012}"))).collect();
        PastTopology { at: ago(&snapshot, minutes), open }
    };
    snapshot.past_topologies = vec![at(60, 10), at(5, five)];
    snapshot
}

#[test]
fn behavior_counts_from_the_shards_at_the_periods_start() {
    let limits = |select_policy, policies: &[RatePolicy], five| {
        let mut rates = policy();
        rates.scale_up.select_policy = select_policy;
        rates.scale_up.policies = policies.to_vec();
        rates.scale_down.select_policy = select_policy;
        rates.scale_down.policies = policies.to_vec();
        let demand = assess(&twenty(five), &rates);
        (demand.scale_up_limit, demand.scale_down_limit)
    };
    let both = [rule(RateAmount::Percent(15), 5), rule(RateAmount::Shards(6), 5)];
    assert_eq!(limits(SelectPolicy::Max, &both, 21), (27, 15));
    assert_eq!(limits(SelectPolicy::Min, &both, 21), (25, 17));
    assert_eq!(limits(SelectPolicy::Disabled, &both, 21), (20, 20));
    assert_eq!(limits(SelectPolicy::Max, &[], 21), (200, 1));
    // Already further than the rate allows: no further, and not back.
    assert_eq!(limits(SelectPolicy::Max, &both, 10), (20, 4));
    assert_eq!(limits(SelectPolicy::Max, &both, 30), (36, 20));
}

#[test]
fn where_the_periods_start_is_not_known_the_most_cautious_count_is_taken() {
    let mut rates = policy();
    rates.scale_up.policies = vec![rule(RateAmount::Shards(15), 30)];
    rates.scale_down.policies = vec![rule(RateAmount::Shards(6), 30)];
    let demand = assess(&twenty(25), &rates);
    assert_eq!((demand.scale_up_limit, demand.scale_down_limit), (25, 19));
}

#[test]
fn without_any_past_topology_the_lineage_tells_how_many_shards_there_were() {
    let mut story = Story::of(4);
    story.pass(10, |range| by_width(range, percent(60)));
    for shard in story.open_shards() {
        story.split(shard);
    }
    let mut snapshot = story.snapshot();
    snapshot.past_topologies.clear();
    let mut rates = policy();
    rates.scale_up.policies = vec![rule(RateAmount::Percent(100), 5)];
    assert_eq!(assess(&snapshot, &rates).scale_up_limit, 8, "four shards doubled are eight");
}

#[test]
fn merges_of_the_last_day_are_counted_and_older_ones_are_not() {
    let mut story = Story::of(6);
    story.merge(0, 1, false);
    story.pass(10, |range| by_width(range, percent(60)));
    let recent = story.merge(2, 3, false);
    story.pass(10, |range| by_width(range, percent(60)));
    let mut snapshot = story.snapshot();
    assert_eq!(assess(&snapshot, &policy()).merges_in_the_last_day, 1);
    // Without the past, no merge is proved to be older.
    snapshot.past_topologies.clear();
    assert_eq!(assess(&snapshot, &policy()).merges_in_the_last_day, 2);
    assert!(snapshot.shards[recent].adjacent_parent.is_some());
}
