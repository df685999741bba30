//! Load that grows.

use super::super::rise::Rise;
use super::*;
use crate::policy::ScalingPolicy;
use std::time::Duration;

/// Of two shards, one idle, after 20 minutes at the first of these: the other's heat and what merges see, in
/// hundredths of a percent.
fn after(percents: &[u64], policy: &ScalingPolicy) -> (u64, u64) {
    let mut story = Story::of(2);
    story.pass(20, |range| percent(if range.start().0 == 0 { percents[0] } else { 0 }));
    for share in percents {
        story.pass(1, |range| percent(if range.start().0 == 0 { *share } else { 0 }));
    }
    let demand = assess(&story.snapshot(), policy);
    (heat(&demand)[0], peaks(&demand)[0])
}

fn by_the_minute() -> ScalingPolicy {
    let mut policy = policy();
    policy.metrics.window_minutes = 1;
    policy
}

#[test]
fn growth_beyond_noise_is_carried_on_for_two_minutes() {
    // A tenth in a minute: 7 % beyond noise, twice.
    assert_eq!(after(&[40, 50, 55], &by_the_minute()), (6_270, 6_270));
    // By half as much again at the most.
    assert_eq!(after(&[20, 40], &by_the_minute()), (6_000, 6_000));
    assert_eq!(after(&[50, 50], &by_the_minute()), (5_000, 5_000));
}

#[test]
fn the_summary_tells_by_how_much_loads_are_raised_and_what_was_written_as_it_was() {
    let mut story = Story::of(1);
    story.pass(20, |_| percent(55));
    story.pass(1, |_| percent(66));
    let summary = assess(&story.snapshot(), &by_the_minute()).summary;
    // A fifth in a minute: 17 % beyond noise, twice.
    assert_eq!(summary.rise_per_mille, 340);
    assert_eq!(summary.ingest_bytes_per_second, 660_000);
}

#[test]
fn merges_wait_while_the_stream_rises_and_calls_to_more_shards_do_not() {
    let bars = |share| {
        let mut story = Story::of(2);
        story.pass(20, |_| percent(20)).pass(1, |_| percent(share));
        let demand = assess(&story.snapshot(), &by_the_minute());
        assert_eq!(demand.bars_on_joins(true).count(), 0);
        assert_eq!(demand.is_steady, demand.merge_bars.is_empty());
        demand.merge_bars
    };
    assert_eq!(bars(22), [Hold::Rising { per_mille: 140 }]);
    assert_eq!((bars(20), bars(10)), (Vec::new(), Vec::new()));
}

#[test]
fn noise_and_a_fall_are_not_carried_on() {
    assert_eq!(after(&[60, 61], &by_the_minute()), (6_100, 6_100));
    assert_eq!(after(&[60, 30], &by_the_minute()).0, 3_000);
}

#[test]
fn growth_is_of_windows_where_loads_are() {
    // 30, 30, 36: the mean of three minutes grew by a fifteenth.
    let (heat, _) = after(&[30, 30, 36], &policy());
    assert_eq!(heat, 3_200 + 3_200 * 72 / 1_000);
    // Whatever else is looked at: the window before is, for this.
    let mut hasty = policy();
    hasty.scale_down.stabilization_window = Duration::ZERO;
    assert_eq!(after(&[30, 30, 36], &hasty).0, heat);
}

#[test]
fn who_waits_before_shards_are_added_believes_no_rise() {
    let mut patient = by_the_minute();
    patient.scale_up.stabilization_window = Duration::from_secs(120);
    assert_eq!(after(&[20, 40], &patient).0, 2_000);
    patient.scale_up.stabilization_window = Duration::from_secs(60);
    assert_eq!(after(&[20, 40, 40], &patient).0, 4_000);
}

#[test]
fn without_a_minute_to_compare_with_there_is_no_rise() {
    let mut story = Story::of(1);
    story.pass(20, |_| percent(20));
    story.pass(1, |_| percent(40));
    let mut snapshot = story.snapshot();
    let policy = by_the_minute();
    assert_eq!(heat(&assess(&snapshot, &policy)), [6_000]);
    for series in snapshot.metrics.stream.values_mut() {
        let before = series.values.len() - 2;
        series.values[before] = None;
    }
    let unknown = assess(&snapshot, &policy);
    assert_eq!((heat(&unknown), unknown.is_steady), (vec![4_000], false), "nor is it known to be steady");
}

#[test]
fn totals_that_no_stream_reaches_are_the_most_there_is() {
    let most = Amounts { bytes: u64::MAX, records: u64::MAX, rejected: u64::MAX };
    let risen = |minutes| {
        let mut story = Story::of(1);
        story.pass(20, |_| percent(1)).pass(minutes, |_| most);
        assess(&story.snapshot(), &policy()).summary.rise_per_mille
    };
    // Of three minutes one, and then all of them.
    assert_eq!((risen(1), risen(4)), (500, 0));
    assert_eq!(Rise::between(0, u64::MAX).per_mille, 500);
}
