//! Contests that were reckoned by hand, and one that is to be won.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::super::load::test_load;
use super::*;
use crate::cost::Money;
use crate::policy::{Allow, Schedule, ShardBounds};

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
    let policy = ScalingPolicy::for_stream("orders", MAX_SHARDS);
    let ours = score(&Contestant::Ours("ours".to_owned(), Box::new(policy)));
    for peer in Contestant::peers().iter().map(score) {
        assert!(ours.r20 < peer.r20 && ours.r200 < peer.r200, "{ours:#?}\nis no better than\n{peer:#?}");
    }
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
    for peer in Contestant::peers().into_iter().skip(1) {
        assert_eq!(peer.first_shards(&load), 29, "{peer:?}");
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
