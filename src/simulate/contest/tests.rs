//! Contests that were reckoned by hand, and one that is to be won.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::super::load::test_load;
use super::*;
use crate::manifest;
use crate::policy::{Allow, MetricsSource, Schedule, ShardBounds, UpdateShardCount};
use crate::quota::MAX_SHARDS;

/// A day and a half, a value every 5 minutes: by day two and a half times as much as by night, noise,
/// and three quarters of an hour in which all at once half as much again is written.
fn day_with_a_burst() -> Load {
    let mut dice = 12_345_u64;
    let rows = (0..=36 * 12).map(|row| {
        dice = (dice * 1_103_515_245 + 12_345) % (1 << 31);
        let noise = 0.94 + 0.12 * (dice >> 16) as f64 / f64::from(1 << 15);
        let hour = f64::from(row) / 12.0;
        let daily = 12.0 - 7.0 * ((hour - 4.0) * std::f64::consts::TAU / 24.0).cos();
        let burst = if (20.0..20.75).contains(&hour) { 1.6 } else { 1.0 };
        format!("{},{}\n", row * 300, daily * noise * burst)
    });
    let scale = Scale { peak_units: 30.0, peak_quantile: None, clip_units: None };
    let trace = Trace::from_csv(&rows.collect::<String>()).expect("a trace");
    let trace = trace.scaled(Span::default(), scale).expect("a trace of a day and a half");
    let options = LoadOptions { keys: 20_000, ..OPTIONS.load };
    Load::new(&trace, &options)
}

const OPTIONS: Options = Options {
    load: LoadOptions {
        tick_seconds: 30,
        record_bytes: 2_000,
        keys: 1_000_000,
        skew: 0.6,
        keys_per_tenant: 64,
        noise: 0.0,
        seed: 1,
    },
    stream: StreamOptions {
        step_seconds: 30,
        update_seconds: 180,
        retried_share: 0.0,
        free_boundaries: false,
    },
    metric_delay: SignedDuration::from_secs(120),
    jump_units: 60.0,
};

#[test]
fn who_names_only_a_stream_and_max_shards_does_better_than_every_peer() {
    let load = day_with_a_burst();
    let optimum = optimum_of(&load, &OPTIONS);
    let score = |contestant: &Contestant| {
        let course = play_one(&load, &OPTIONS, contestant, &|_| {});
        Score::of_course(&contestant.name(), &load, &course, &optimum, Money::default(), None)
    };
    let defaults = score(&ours(&ScalingPolicy::for_stream("orders", MAX_SHARDS)));
    let scorecard = manifest::read(Path::new("examples/scorecard.yaml")).expect("it is there, and right");
    let scorecard = score(&ours(&scorecard[0].policy));
    for peer in Contestant::peers().iter().map(score) {
        for ours in [&defaults, &scorecard] {
            assert!(ours.r20 < peer.r20 && ours.r200 < peer.r200, "{ours:#?}\nis no better than\n{peer:#?}");
        }
    }
}

/// What all of them come to on a trace, on-demand mode too.
fn contest(csv: &str, peak_units: f64, contestants: &[Contestant]) -> Contest {
    let scale = Scale { peak_units, peak_quantile: None, clip_units: None };
    let trace = Trace::from_csv(csv).and_then(|trace| trace.scaled(Span::default(), scale)).expect("a trace");
    let options = Options {
        jump_units: 2.0,
        load: LoadOptions { tick_seconds: 60, keys: 10_000, ..OPTIONS.load },
        ..OPTIONS
    };
    Contest::play(&trace, &options, contestants, &Prices::default(), &|_| {})
}

#[test]
fn nobody_beats_the_optimum_of_a_load_above_the_200_shards_that_reshard_keeps_to() {
    let defaults = ours(&ScalingPolicy::for_stream("orders", MAX_SHARDS));
    let contestants = [vec![defaults], Contestant::peers()].concat();
    let contest = contest("0,150\n1800,260\n3600,260\n", 260.0, &contestants);
    assert_eq!(contest.scores.len(), contestants.len() + 2);
    for score in &contest.scores {
        assert!(score.r20 >= 1.0 && score.r200 >= 1.0, "{score:#?}\nbeside {:?}", contest.optimum);
    }
    let above =
        contest.courses.iter().filter(|course| course.shards.iter().any(|shards| *shards > MAX_SHARDS));
    assert!(above.count() >= 5, "who is not bound follows it there");
}

#[test]
fn shards_and_on_demand_are_held_against_each_other_with_put_payload_units_or_without_on_either_side() {
    let Contest { scores, .. } = contest("0,0.5\n3600,0.5\n", 0.5, &[Contestant::FixedAtPeak]);
    let near = |of: f64, by_hand: f64| assert!((of - by_hand).abs() < 1e-4, "{of} beside {by_hand}");
    let [fixed, on_demand, advantage] = &scores[..] else { panic!("{scores:#?}") };
    // A shard-hour, and 250 records a second: 900,000 PUT payload units.
    near(fixed.dollars, 0.015 + 0.0126);
    near(fixed.r20, 1.0);
    // Of 2,000 bytes, which are billed as 2,048: 1.7166 GB, and a stream for an hour.
    near(on_demand.dollars, 0.04 + 0.08 * 1.716_614);
    near(on_demand.r20, (0.04 + 0.08 * 1.716_614 - 0.0126) / 0.015);
    // 25 MB/s in and out at the least: 83.8190 GB each.
    near(advantage.dollars, (0.032 + 0.016) * 83.819_032);
    near(advantage.r200, ((0.032 + 0.016) * 83.819_032 - 0.0126) / 0.015);
}

#[test]
fn progress_comes_to_all_that_is_played() {
    let csv = "0,1\n3600,1\n";
    let scale = Scale { peak_units: 2.0, peak_quantile: None, clip_units: None };
    let trace = Trace::from_csv(csv).and_then(|trace| trace.scaled(Span::default(), scale)).expect("a trace");
    let options = Options { jump_units: 2.0, ..OPTIONS };
    let contestants = [Contestant::FixedAtPeak, Contestant::ScalingUtils];
    let played = AtomicU64::new(0);
    Contest::play(&trace, &options, &contestants, &Prices::default(), &|ticks| {
        played.fetch_add(ticks, Ordering::Relaxed);
    });
    assert_eq!(played.into_inner(), Contest::ticks(&trace, &options, contestants.len()));
}

/// A constant load for so many hours from a whole hour on.
fn constant(units: f64, hours: u32) -> Load {
    test_load(&format!("0,{units}\n{},{units}\n", 3_600 * hours), units, OPTIONS.load.tick_seconds)
}

fn ours(policy: &ScalingPolicy) -> Contestant {
    Contestant::Ours("ours".to_owned(), Box::new(policy.clone()))
}

#[test]
fn a_policy_begins_within_the_bounds_that_hold_then_and_its_peers_as_if_there_were_none() {
    // As 70 % of 29 shards would carry it.
    let load = constant(20.0, 2);
    let bounded = |min, max| {
        let bounds = ShardBounds::new(min, max).expect("in order");
        ScalingPolicy { bounds, ..ScalingPolicy::for_stream("orders", max) }
    };
    let from_hour = |hour: u32| Schedule {
        name: "peak".to_owned(),
        cron: format!("0 {hour} * * *").parse().expect("a cron expression"),
        time_zone: TimeZone::UTC,
        duration: Duration::from_secs(3_600),
        lead_time: Duration::ZERO,
        min_shards: Some(35),
        allow: Allow::All,
    };
    let scheduled = |hour| ScalingPolicy { schedules: vec![from_hour(hour)], ..bounded(1, 200) };
    for (policy, first) in [
        (bounded(1, 200), 29),
        (bounded(1, 10), 10),
        (bounded(40, 50), 40),
        (scheduled(0), 35),
        (scheduled(1), 29),
    ] {
        for contestant in [vec![ours(&policy)], Contestant::relieved(&policy)].concat() {
            assert_eq!(contestant.first_shards(&load), first, "{contestant:?}");
        }
    }
    let beyond = constant(260.0, 2);
    for peer in Contestant::peers().into_iter().skip(1) {
        assert_eq!([&load, &beyond].map(|load| peer.first_shards(load)), [29, 372], "{peer:?}");
    }
    let course = play_one(&load, &OPTIONS, &ours(&bounded(1, 10)), &|_| {});
    assert!(course.shards.iter().all(|shards| *shards <= 10), "{:?}", course.shards);
}

#[test]
fn rejected_percent_is_never_above_100_however_often_records_are_put_again() {
    let load = constant(4.0, 1);
    let policy = ScalingPolicy::for_stream("orders", 1);
    let optimum = optimum_of(&load, &OPTIONS);
    let percent = |retried_share| {
        let options = Options { stream: StreamOptions { retried_share, ..OPTIONS.stream }, ..OPTIONS };
        let course = play_one(&load, &options, &ours(&policy), &|_| {});
        Score::of_course("ours", &load, &course, &optimum, Money::default(), None).rejected_percent
    };
    // One shard takes a quarter of what is put once.
    assert!((percent(0.0) - 75.0).abs() < 1e-6);
    // In the n-th of 120 ticks 3n are turned away, and so 3 × 120 × 121 ÷ 2 in all, and 120 are taken.
    assert!((percent(1.0) - 100.0 * 21_780.0 / 21_900.0).abs() < 1e-6, "{}", percent(1.0));
}

#[test]
fn dollars_hold_the_put_payload_units_and_what_cloudwatch_bills_for_shards_and_what_is_read_of_them() {
    let (load, prices) = (constant(0.5, 1), Prices::default());
    let played = |contestant: &Contestant| {
        let course = play_one(&load, &OPTIONS, contestant, &|_| {});
        assert_eq!(course.shards, [1; 120]);
        (course.monitoring, dollars_of(&course, &load, &prices).nano_dollars())
    };
    // One shard for an hour: $0.015. Half of the 500 records that it takes a second: 900,000 units at $0.014 a million,
    // $0.0126. A metric of it for an hour of a month's 730, at $0.30: $0.00041096.
    let shard = 15_000_000 + 12_600_000;
    let metrics = |count: u64| (count * 300_000_000 + 365) / 730;

    // Until a minute is public, at the third, each look waits for it and finds none. The one that finds it and 12 at
    // whole five minutes read ten metrics of the stream and three of the shard; the 45 others four, at $0.01 a thousand.
    let policy = ScalingPolicy::for_stream("orders", 1);
    let reads = 13 * (10 + 3) + 45 * 4;
    let monitoring = Monitoring { shard_metrics: 3, metrics_read: reads };
    assert_eq!(played(&ours(&policy)), (monitoring, shard + metrics(3) + reads * 10_000));

    // Who goes by the stream as a whole has none of the shard's.
    let mut by_stream = policy.clone();
    by_stream.metrics.source = MetricsSource::Stream;
    let reads = 13 * 10 + 45 * 4;
    let monitoring = Monitoring { shard_metrics: 0, metrics_read: reads };
    assert_eq!(played(&ours(&by_stream)), (monitoring, shard + reads * 10_000));

    // A forecast reads three when a quarter of an hour is public: at 20, 35 and 50 minutes.
    let looks_ahead = ScalingPolicy { update_shard_count: UpdateShardCount::Auto, ..policy.clone() };
    let more = played(&ours(&looks_ahead)).0.metrics_read - (13 * (10 + 3) + 45 * 4);
    assert_eq!(more, 3 * 3);

    let peers = Contestant::relieved(&policy).into_iter().chain(Contestant::peers());
    let peers: Vec<(String, u64)> = peers.map(|one| (one.name(), played(&one).1 - shard)).collect();
    let billed = |count, name: &str| (name.to_owned(), if count > 0 { metrics(count) } else { 0 });
    assert_eq!(
        peers,
        [
            billed(3, "… perfect forecast, 10 min"),
            billed(3, "… free boundaries"),
            billed(3, "… instant steps"),
            billed(0, "fixed at peak"),
            billed(0, "awslabs scaling-utils"),
            billed(0, "AWS sample Lambda"),
            billed(1, "per-shard Node scaler"),
            billed(0, "Epsagon"),
            billed(3, "target tracking 70 %, shard"),
            billed(3, "target tracking 70 %, mean"),
        ]
    );
}
