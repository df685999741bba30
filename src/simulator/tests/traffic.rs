//! The load generator's writes.

use proptest::prelude::*;

use super::super::workload::{Bursts, Curve, HotSpot, KeySkew, Totals};
use super::*;
use crate::snapshot::ShardMetric;

fn totals(cloud: &Cloud) -> Totals {
    cloud.workload_totals("orders").expect("there is a load")
}

#[test]
fn a_shard_takes_its_ceiling_and_rejects_the_rest() {
    let mut cloud = cloud(1);
    load(&mut cloud, Workload::new(Curve::constant(1_500_000)));
    cloud.advance_seconds(600);
    let Totals { offered_records, accepted_records, rejected_records } = totals(&cloud);
    assert_eq!(offered_records, 1_500 * 600);
    assert_eq!(accepted_records + rejected_records, offered_records);
    assert_eq!(accepted_records, 1_000 * 600, "1,000 records a second come before 1 MiB");
    let mut cloud = self::cloud(1);
    load(&mut cloud, Workload { record_bytes: 2_048, ..Workload::new(Curve::constant(2 << 20)) });
    cloud.advance_seconds(600);
    assert_eq!(totals(&cloud).accepted_records, 512 * 600, "1 MiB comes before 1,000 records");
}

#[test]
fn a_load_below_the_ceiling_loses_nothing() {
    let mut cloud = cloud(4);
    load(&mut cloud, Workload::new(Curve::constant(3_333_333)));
    cloud.advance_seconds(3_600);
    let totals = totals(&cloud);
    assert_eq!(totals.rejected_records, 0);
    assert!(totals.offered_records.abs_diff(3_333_333 * 3_600 / 1_000) <= 4, "fractions of records add up");
}

#[test]
fn a_single_hot_key_stays_hot_however_often_its_shard_is_split() {
    let mut cloud = cloud(1);
    let spot = HotSpot { share: 0.9, width: 0.0, position: Some(0.6), moves_every: None };
    load(&mut cloud, Workload { hot_spot: Some(spot), ..Workload::new(Curve::constant(2_000_000)) });
    for _ in 0..5 {
        let shards = open(&mut cloud);
        let hot = shards.ranges().find(|range| range.contains(HashKey((0.6 * 2f64.powi(128)) as u128)));
        let hot = shards.owning(hot.expect("open shards tile")).expect("it is one of them");
        let middle = hot.range.inner_boundaries(2).next().expect("it is wide");
        split(&mut cloud, stream::shard_number(hot.id.as_str()).expect("ours"), middle)
            .expect("a split point");
        cloud.advance_seconds(30);
        let offered = cloud.offered_bytes_per_second("orders");
        let hottest = offered.values().copied().fold(0.0, f64::max);
        assert!(hottest >= 1_800_000.0, "{offered:?}");
    }
}

#[test]
fn a_moving_hot_spot_moves_when_it_is_told_to() {
    let mut cloud = cloud(16);
    let moves_every = Some(SignedDuration::from_secs(600));
    let spot = HotSpot { share: 0.8, width: 0.01, position: Some(0.0), moves_every };
    load(&mut cloud, Workload { hot_spot: Some(spot), ..Workload::new(Curve::constant(1_000_000)) });
    let hottest = |cloud: &Cloud| {
        let offered = cloud.offered_bytes_per_second("orders");
        offered.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|hottest| hottest.0)
    };
    let stays: Vec<_> = (0..6)
        .map(|_| {
            let first = hottest(&cloud);
            cloud.advance_seconds(599);
            assert_eq!(hottest(&cloud), first, "it stays for ten minutes");
            cloud.advance_seconds(1);
            first
        })
        .collect();
    assert_eq!(stays[0].as_deref(), Some("shardId-000000000000"));
    assert!(stays.windows(2).any(|pair| pair[0] != pair[1]), "{stays:?}");
}

#[test]
fn bursts_reject_though_the_mean_is_low() {
    let bursts = Some(Bursts { every: 20, length: 2, factor: 8.0 });
    let mut cloud = cloud(1);
    load(&mut cloud, Workload { bursts, ..Workload::new(Curve::constant(250_000)) });
    cloud.advance_seconds(1_200);
    let totals = totals(&cloud);
    let mean = totals.offered_records as f64 / 1_200.0;
    assert!((mean - 250.0).abs() < 1.0, "the mean stays: {mean}");
    assert_eq!(totals.rejected_records, 1_000 * 2 * 60, "2,000 a second for two seconds in each 20");
}

#[test]
fn retried_records_are_offered_again() {
    let mut cloud = cloud(1);
    let curve = Curve::Spike {
        base: 500_000,
        peak: 2_000_000,
        at: cloud.now(),
        lasting: SignedDuration::from_secs(10),
    };
    load(&mut cloud, Workload { retried_share: 1.0, ..Workload::new(curve) });
    cloud.advance_seconds(600);
    let totals = totals(&cloud);
    let fresh = 2_000 * 10 + 500 * 590;
    assert_eq!(totals.accepted_records, fresh, "in the end each is taken");
    assert_eq!(totals.offered_records, fresh + totals.rejected_records);
    assert!(totals.rejected_records > 10_000);
}

#[test]
fn a_reshard_loses_no_retried_record() {
    let mut cloud = cloud(1);
    let (at, lasting) = (cloud.now(), SignedDuration::from_secs(100));
    let curve = Curve::Spike { base: 0, peak: 1_500_000, at, lasting };
    let keys = KeySkew::zipf(50, 0.7);
    load(&mut cloud, Workload { retried_share: 1.0, ..Workload::new(curve).keys(keys) });
    cloud.advance_seconds(50);
    split(&mut cloud, 0, MIDDLE).expect("a split point");
    cloud.advance_seconds(600);
    let Totals { offered_records, accepted_records, rejected_records } = totals(&cloud);
    assert_eq!(offered_records, accepted_records + rejected_records);
    // Each shard's fraction of a record is dropped when the shards change.
    assert!((149_997..=150_000).contains(&accepted_records), "{accepted_records}");
}

#[test]
fn what_is_out_of_bounds_is_refused_by_name() {
    let mut cloud = cloud(1);
    let base = || Workload::new(Curve::constant(1));
    let spot = |share| Some(HotSpot { share, width: 0.1, position: None, moves_every: None });
    for (workload, said) in [
        (Workload { record_bytes: 0, ..base() }, "record_bytes"),
        (Workload::new(Curve::constant(u64::MAX)), "curve"),
        (base().keys(KeySkew::zipf(0, 1.0)), "keys"),
        (base().keys(KeySkew::zipf(5, f64::NAN)), "skew"),
        (base().keys(KeySkew::Weighted(vec![])), "weights"),
        (Workload { hot_spot: spot(1.5), ..base() }, "hot spot's share"),
        (Workload { noise: -1.0, ..base() }, "noise"),
        (Workload { bursts: Some(Bursts { every: 10, length: 2, factor: 6.0 }), ..base() }, "bursts"),
        (Workload { retried_share: 2.0, ..base() }, "retried share"),
    ] {
        let error = cloud.set_workload("orders", workload).expect_err(said);
        assert!(error.message.contains(said), "{} does not name {said}", error.message);
    }
    assert_eq!(code(cloud.set_workload("gone", base())), Some(ApiErrorCode::ResourceNotFound));
}

fn any_workload() -> impl Strategy<Value = Workload> {
    let keys = prop_oneof![
        Just(KeySkew::Even),
        (1u32..300, 0.0f64..2.0).prop_map(|(keys, skew)| KeySkew::zipf(keys, skew)),
    ];
    let spot =
        proptest::option::of((0.0f64..1.0, 0.0f64..1.0, 30i64..400).prop_map(|(share, width, seconds)| {
            let moves_every = Some(SignedDuration::from_secs(seconds));
            HotSpot { share, width, position: None, moves_every }
        }));
    (100_000u64..6_000_000, 100u32..20_000, keys, spot, 0.0f64..0.5, 0.0f64..1.0).prop_map(
        |(rate, record_bytes, keys, hot_spot, noise, retried_share)| Workload {
            record_bytes,
            keys,
            hot_spot,
            noise,
            retried_share,
            ..Workload::new(Curve::constant(rate))
        },
    )
}

/// Runs a load over 20 minutes with a split and a merge in between.
fn run(workload: &Workload, seed: u64) -> Cloud {
    let mut cloud = cloud_with(Config { seed, ..Config::default() }, 3);
    monitor(&mut cloud);
    load(&mut cloud, workload.clone());
    cloud.advance_seconds(290);
    split(&mut cloud, 1, MIDDLE).expect("a split point");
    cloud.advance_seconds(433);
    merge(&mut cloud, 0, 3).expect("they are adjacent");
    cloud.advance_seconds(477);
    cloud
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_offered_is_accepted_or_rejected_and_shards_sum_to_the_stream(
        workload in any_workload(), seed: u64
    ) {
        let mut cloud = run(&workload, seed);
        let Totals { offered_records, accepted_records, rejected_records } = totals(&cloud);
        prop_assert_eq!(accepted_records + rejected_records, offered_records);
        cloud.clear_workload("orders").expect("it is there");
        cloud.advance_seconds(300);
        let of_stream = |cloud: &mut Cloud, metric: &str| values(cloud, kinesis_metric(metric, None), "Sum");
        let records = of_stream(&mut cloud, "IncomingRecords");
        prop_assert_eq!(sum(&records), accepted_records as f64);
        let bytes = of_stream(&mut cloud, "IncomingBytes");
        prop_assert_eq!(sum(&bytes), accepted_records as f64 * f64::from(workload.record_bytes));
        let rejected = of_stream(&mut cloud, "WriteProvisionedThroughputExceeded");
        prop_assert_eq!(sum(&rejected), rejected_records as f64);
        for metric in ShardMetric::INGEST {
            let mut by_minute = std::collections::BTreeMap::<Timestamp, f64>::new();
            for shard in 0..6 {
                for (at, value) in values(&mut cloud, kinesis_metric(metric.name(), Some(shard)), "Sum") {
                    *by_minute.entry(at).or_default() += value;
                }
            }
            let of_shards: Vec<_> = by_minute.into_iter().collect();
            prop_assert_eq!(of_shards, of_stream(&mut cloud, metric.name()));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_run(workload in any_workload(), seed: u64) {
        let observe = |seed| {
            let mut cloud = run(&workload, seed);
            let shards = list(&mut cloud, None);
            let bytes: Vec<_> =
                (0..6).map(|shard| values(&mut cloud, kinesis_metric("IncomingBytes", Some(shard)), "Sum")).collect();
            (totals(&cloud), shards, bytes)
        };
        prop_assert_eq!(observe(seed), observe(seed));
    }
}

#[test]
fn another_seed_gives_another_run() {
    let workload = Workload::new(Curve::constant(2_500_000)).keys(KeySkew::zipf(200, 1.0));
    assert_ne!(totals(&run(&workload, 1)), totals(&run(&workload, 2)));
}
