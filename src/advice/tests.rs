//! Each piece of advice on a stream that earns it and on one that does not.

use std::time::Duration;

use super::*;
use crate::cost::fixtures::{self, Sample};
use crate::plan::{Evidence, ReadCallsSource};
use crate::policy::{Consumer, ConsumerKind, Transform};

/// What demand would say of the sample; two pollers at the tip, nothing rejected.
fn summary(sample: &Sample) -> DemandSummary {
    let total: crate::load::Loads = sample.plan.before.iter().map(|shard| shard.loads).sum();
    DemandSummary {
        read_calls: Some((Load::from_percent(40), ReadCallsSource::DeclaredConsumers)),
        pollers_thousandths: Some(1_000),
        lag_millis: Some(1_000),
        ingest_bytes_per_second: total.ingest_bytes.0,
        ingest_records_per_second: total.ingest_records.0 / 1_000,
        ..DemandSummary::default()
    }
}

fn advise(sample: &Sample, change: impl Fn(&mut DemandSummary)) -> Vec<Advice> {
    let mut summary = summary(sample);
    change(&mut summary);
    super::advise(&sample.snapshot, &sample.policy, &summary, &sample.plan, &Prices::default())
}

fn find(advice: Vec<Advice>, reason: &str) -> Option<Advice> {
    advice.into_iter().find(|advice| advice.reason() == reason)
}

fn consumer(name: &str, kind: ConsumerKind) -> Consumer {
    Consumer { name: name.to_owned(), kind }
}

fn firehose(transform: Option<(u64, u32)>) -> Consumer {
    let transform = transform
        .map(|(millis, batch_bytes)| Transform { duration: Duration::from_millis(millis), batch_bytes });
    consumer("archive", ConsumerKind::Firehose { transform })
}

fn polling(name: &str, millis: u64) -> Consumer {
    consumer(name, ConsumerKind::Polling { poll_interval: Duration::from_millis(millis) })
}

#[test]
fn skewed_keys_that_only_firehose_reads_are_made_random_before_splits_are_bought() {
    let mut sample = fixtures::one_hot_shard();
    sample.policy.consumers = vec![firehose(None)];
    let Some(Advice::RandomKeysFirst { hottest, mean, shards, even_shards, planned_splits, .. }) =
        find(advise(&sample, |_| ()), "RandomKeysFirst")
    else {
        panic!("earned")
    };
    // 2.14 shards' worth of bytes at 56 % each.
    assert_eq!((hottest, mean), (Load(1_430_000), Load(535_000)));
    assert_eq!((shards, even_shards, planned_splits), (4, 4, 1));

    sample.policy.consumers.push(polling("billing", 1_000));
    assert_eq!(find(advise(&sample, |_| ()), "RandomKeysFirst"), None, "billing may need the order");
    sample.policy.consumers.clear();
    assert_eq!(find(advise(&sample, |_| ()), "RandomKeysFirst"), None, "who reads is not known");
    let mut full = fixtures::even(4, 900_000);
    full.policy.consumers = vec![firehose(None)];
    assert_eq!(find(advise(&full, |_| ()), "RandomKeysFirst"), None, "even keys need more shards too");
}

#[test]
fn small_records_are_packed_before_shards_are_bought() {
    let mut sample = fixtures::even(40, 168_000);
    for shard in &mut sample.plan.before {
        shard.loads.ingest_records = Load(560_000);
        shard.loads.read_bytes = Load(84_000);
    }
    let advice = find(advise(&sample, |_| ()), "PackRecords").expect("earned");
    let Advice::PackRecords { mean_bytes, by_records, by_bytes, saves_monthly } = advice else { panic!() };
    assert_eq!((mean_bytes, by_records, by_bytes), (300, 40, 12));
    // 28 shards × $10.95, and 22,400 PUT payload units a second that become 263.
    assert_eq!(saves_monthly.to_string(), "$1,121.06");

    let large = fixtures::even(40, 560_000);
    assert_eq!(find(advise(&large, |_| ()), "PackRecords"), None, "bytes bind");
    sample.plan.before[3].evidence = Evidence::Unknown;
    assert_eq!(find(advise(&sample, |_| ()), "PackRecords"), None, "a total that leaves one out is none");
}

#[test]
fn a_transform_is_measured_against_what_a_shard_may_carry() {
    let mut sample = fixtures::even(4, 100_000);
    sample.policy.consumers = vec![firehose(Some((10_000, 1_000_000)))];
    let advice = find(advise(&sample, |_| ()), "TransformTooSlow").expect("earned");
    let Advice::TransformTooSlow { ceiling_bytes_per_second, target_bytes_per_second, needed_millis, .. } =
        &advice
    else {
        panic!()
    };
    // Five batches of 1 MB in ten seconds, beside 70 % of 1 MB/s.
    assert_eq!((*ceiling_bytes_per_second, *target_bytes_per_second), (500_000, 700_000));
    assert_eq!(*needed_millis, 7_142);
    assert!(advice.remedy().starts_with("a larger buffer"), "{}", advice.remedy());

    sample.policy.consumers = vec![firehose(Some((7_142, 1_000_000)))];
    assert_eq!(find(advise(&sample, |_| ()), "TransformTooSlow"), None, "just fast enough");
    sample.policy.consumers = vec![firehose(None)];
    assert_eq!(find(advise(&sample, |_| ()), "TransformTooSlow"), None, "no transform is known");
}

#[test]
fn two_hundred_shards_of_a_transform_may_need_all_executions_of_the_account() {
    let mut sample = fixtures::even(200, 100_000);
    sample.policy.consumers = vec![firehose(Some((1_000, 1 << 20)))];
    let advice = find(advise(&sample, |_| ()), "LambdaConcurrency").expect("earned");
    assert_eq!(
        advice,
        Advice::LambdaConcurrency { shards: 200, most: 1_000, transforms: 1_000, quota: 1_000 }
    );
    let mut fewer = fixtures::even(199, 100_000);
    fewer.policy.consumers = sample.policy.consumers.clone();
    assert_eq!(find(advise(&fewer, |_| ()), "LambdaConcurrency"), None, "995");
    fewer.policy.consumers.push(consumer("fraud", ConsumerKind::Lambda));
    assert!(find(advise(&fewer, |_| ()), "LambdaConcurrency").is_some(), "995 and 199");
}

#[test]
fn an_outage_of_an_hour_is_told_by_how_long_it_takes_to_drain() {
    let sample = fixtures::even(4, 600_000);
    let seen = |pollers: u64| {
        let summary = DemandSummary { pollers_thousandths: Some(pollers), ..summary(&sample) };
        recovery(&sample.snapshot, &sample.policy, &summary, &sample.plan)
    };
    // 0.6 MB/s × 3,600 s at 2 − 0.6 MB/s, at 2 − 0.6 − 0.6, and with four pollers never.
    assert_eq!(seen(1_000).expect("known").drain_seconds, Some(1_543));
    assert_eq!(seen(2_000).expect("known").drain_seconds, Some(2_700));
    assert_eq!(seen(4_000).expect("known").drain_seconds, None);
    assert_eq!(seen(0), None, "nobody polls");
    assert!(find(advise(&sample, |_| ()), "SlowRecovery").is_none(), "26 minutes");
    let slow = find(advise(&sample, |summary| summary.pollers_thousandths = Some(3_000)), "SlowRecovery");
    assert!(slow.expect("earned").to_string().contains("needs 3 h 0 min"));
}

#[test]
fn splits_shorten_the_recovery_and_a_slow_transform_lengthens_it() {
    let mut sample = fixtures::one_hot_shard();
    let told = |sample: &Sample| {
        recovery(&sample.snapshot, &sample.policy, &summary(sample), &sample.plan).expect("known")
    };
    let recovery = told(&sample);
    // A full shard takes in its ceiling: as much again is left for reading.
    assert_eq!((recovery.written_bytes_per_second, recovery.drain_seconds), (1_000_000, Some(3_600)));
    assert_eq!(recovery.drain_seconds_planned, Some(2_004));
    sample.policy.consumers = vec![firehose(Some((5_000, 1_000_000)))];
    assert_eq!(told(&sample).drain_seconds, None);
}

#[test]
fn a_lag_that_comes_near_the_retention_asks_for_a_longer_one() {
    let sample = fixtures::even(10, 100_000);
    let lagging = |hours: u64, tenths: u64| {
        let millis = (hours * 10 + tenths) * 360_000;
        find(advise(&sample, |summary| summary.lag_millis = Some(millis)), "ExtendRetention")
    };
    let advice = lagging(12, 5).expect("earned");
    assert!(advice.to_string().contains("52 % of the retention of 24 h"), "{advice}");
    let Advice::ExtendRetention { next_hours, costs_monthly, .. } = advice else { panic!() };
    assert_eq!((next_hours, costs_monthly.expect("by the shard").to_string()), (168, "$146.00".to_owned()));
    assert_eq!(lagging(5, 9), None);
}

#[test]
fn rejected_writes_are_lost_by_agents_that_give_up() {
    let sample = fixtures::one_hot_shard();
    let at = |millionths| {
        find(advise(&sample, |summary| summary.rejected_millionths = millionths), "LostWhileRejecting")
    };
    let Some(Advice::LostWhileRejecting { rejected_per_minute, .. }) = at(20_000) else { panic!("earned") };
    // 1,070 accepted a second are 98 % of what was offered.
    assert_eq!(rejected_per_minute, 1_310);
    assert_eq!(at(1_000), None);
}

#[test]
fn too_many_pollers_move_to_enhanced_fan_out_the_busiest_first() {
    let mut sample = fixtures::even(10, 100_000);
    sample.policy.consumers = vec![firehose(None), polling("slow", 1_000), polling("busy", 250)];
    let calls = |summary: &mut DemandSummary| {
        summary.read_calls = Some((Load::from_percent(120), ReadCallsSource::DeclaredConsumers));
    };
    let advice = find(advise(&sample, calls), "MoveToFanOut").expect("earned");
    let Advice::MoveToFanOut { consumers, left, each_monthly, .. } = &advice else { panic!() };
    assert_eq!((consumers.as_slice(), *left), (["busy".to_owned()].as_slice(), Some(Load::from_percent(40))));
    // 10 shards × 730 h × $0.015, and 1 MB/s at $0.013 a GB.
    assert_eq!(each_monthly.to_string(), "$141.32");
    assert!(advice.remedy().contains("busy"), "{}", advice.remedy());
    assert_eq!(find(advise(&sample, |_| ()), "MoveToFanOut"), None);

    sample.policy.consumers = vec![firehose(None); 6];
    let firehoses = find(advise(&sample, calls), "MoveToFanOut").expect("earned");
    assert!(firehoses.remedy().contains("Firehose cannot"), "{}", firehoses.remedy());
}

#[test]
fn throttled_reads_are_told_with_the_shards_they_sit_in_and_what_binds_there() {
    let (sample, window) = fixtures::read_by(
        fixtures::even(4, 100_000),
        &[(100_000, 0, 0), (1_900_000, 30, 50), (200_000, 2, 1)],
    );
    let told = |change: fn(&mut DemandSummary)| {
        let seen = |summary: &mut DemandSummary| {
            summary.window = Some(window);
            change(summary);
        };
        find(advise(&sample, seen), "ReadsThrottled")
    };
    let advice = told(|_| ()).expect("earned");
    assert_eq!(
        advice.to_string(),
        "32 GetRecords calls a minute are throttled, in 2 of 4 shards, most in shardId-000000000001, shardId-000000000002"
    );
    assert!(advice.remedy().contains("2 MB/s of a shard"), "{}", advice.remedy());
    let figure = advice.figures().iter().map(|of| of.value.clone()).find(|of| of.contains("0001"));
    assert_eq!(
        figure.expect("named"),
        "shardId-000000000001: 1.90 MB/s read, 1,900 records/s, 30 calls a minute throttled, 50 s behind"
    );
    let calls = told(|summary| {
        summary.read_calls = Some((Load::from_percent(90), ReadCallsSource::DeclaredConsumers));
    });
    assert!(calls.expect("earned").remedy().starts_with("poll less often"));
    assert_eq!(told(|summary| summary.window = None), None, "nothing is known");

    let (mut off, _) = (sample.clone(), window);
    off.snapshot.metrics.shards.clear();
    let seen = |summary: &mut DemandSummary| summary.window = Some(window);
    let unnamed = find(advise(&off, seen), "ReadsThrottled").expect("the stream tells it");
    assert!(unnamed.remedy().contains("turn on"), "{}", unnamed.remedy());
    let (calm, window) = fixtures::read_by(fixtures::even(4, 100_000), &[(100_000, 0, 0)]);
    let seen = |summary: &mut DemandSummary| summary.window = Some(window);
    assert_eq!(find(advise(&calm, seen), "ReadsThrottled"), None);
}

#[test]
fn a_lag_that_sits_in_one_shard_is_told_apart_from_one_of_all() {
    let told = |lags: [u64; 4]| {
        let (sample, window) =
            fixtures::read_by(fixtures::even(4, 100_000), &lags.map(|lag| (100_000, 0, lag)));
        find(advise(&sample, |summary| summary.window = Some(window)), "LagOfFewShards")
    };
    let advice = told([3, 900, 0, 7]).expect("earned");
    assert_eq!(
        advice.to_string(),
        "readers are 15 min behind in 1 of 4 shards (shardId-000000000001), and 7 s at the most in the others"
    );
    assert_eq!(told([450, 900, 0, 7]), None, "two of four");
    assert_eq!(told([3, 120, 0, 7]), None, "within the guard");
}

#[test]
fn every_piece_of_advice_has_figures_and_each_says_where_it_comes_from() {
    let mut sample = fixtures::one_hot_shard();
    sample.policy.consumers = vec![firehose(Some((10_000, 1 << 20)))];
    let all = advise(&sample, |summary| {
        summary.rejected_millionths = 50_000;
        summary.lag_millis = Some(50_000_000);
        summary.read_calls = Some((Load::from_percent(140), ReadCallsSource::DeclaredConsumers));
    });
    assert!(all.len() >= 6, "{all:?}");
    for advice in all {
        assert!(!advice.figures().is_empty() && !advice.remedy().is_empty(), "{advice:?}");
        for Figure { name, value, source } in advice.figures() {
            assert!(!name.is_empty() && !value.is_empty() && !source.is_empty(), "{advice:?}");
        }
    }
}
