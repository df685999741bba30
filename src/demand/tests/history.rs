//! History follows ranges, and unknown is not zero.

use super::super::fixture::{FIRST, kilobytes};
use super::*;
use crate::hash_key::HashKey;
use crate::snapshot::ShardMetric;

#[test]
fn a_merged_child_inherits_the_sum_of_its_parents_and_it_is_measured() {
    let mut story = two([40, 20]);
    story.merge(0, 1, false);
    let demand = assess(&story.snapshot(), &policy());
    assert_eq!((heat(&demand), evidence(&demand)), (vec![6_000], vec![Evidence::Measured]));
    assert_eq!(peaks(&demand), [6_000]);
}

#[test]
fn a_split_child_inherits_a_share_by_width_and_it_is_an_estimate() {
    let mut story = two([40, 20]);
    story.split_at(0, HashKey(1 << 125), false);
    let demand = assess(&story.snapshot(), &policy());
    assert_eq!(heat(&demand), [1_000, 3_000, 2_000]);
    assert_eq!(evidence(&demand), [Evidence::Estimated, Evidence::Estimated, Evidence::Measured]);
}

#[test]
fn estimates_bar_merges_until_three_minutes_are_measured() {
    let mut story = two([40, 20]);
    story.split(0);
    let traffic = |range| by_width(range, percent(60));
    story.pass(2, traffic);
    let demand = assess(&story.snapshot(), &policy());
    assert_eq!(guard(&demand.shards[0].merge_guard), Some("LoadEstimated"));
    assert_eq!(guard(&demand.shards[0].split_guard), Some("MetricsSettling"));
    assert_eq!(demand.shards[2].merge_guard, None);
    let demand = assess(&story.pass(1, traffic).snapshot(), &policy());
    assert_eq!(evidence(&demand), [Evidence::Measured; 3]);
    assert_eq!(demand.shards[0].merge_guard, None);
}

#[test]
fn three_measured_minutes_are_wanted_for_a_merge_however_short_the_window_is() {
    let mut policy = policy();
    policy.metrics.window_minutes = 1;
    let mut story = two([40, 20]);
    story.split(0);
    let traffic = |range| by_width(range, percent(60));
    let demand = assess(&story.pass(2, traffic).snapshot(), &policy);
    assert_eq!(guard(&demand.shards[0].merge_guard), Some("LoadEstimated"));
    assert_eq!(demand.shards[0].split_guard, None, "a measured window is enough for a split");
    let demand = assess(&story.pass(1, traffic).snapshot(), &policy);
    assert_eq!(demand.shards[0].merge_guard, None);
    // Where no past is asked about, none is.
    policy.scale_down.stabilization_window = std::time::Duration::ZERO;
    story.split(2);
    let demand = assess(&story.pass(1, traffic).snapshot(), &policy);
    assert!(demand.shards.iter().all(|shard| shard.merge_guard.is_none()), "{demand:?}");
}

#[test]
fn in_the_minute_of_a_reshard_what_parent_and_child_report_is_added() {
    let even = |range| by_width(range, percent(80));
    let mut split = Story::of(2);
    split.pass(20, even);
    split.split_at(0, HashKey(1 << 126), true);
    let demand = assess(&split.pass(1, even).snapshot(), &policy());
    assert_eq!(heat(&demand), [2_000, 2_000, 4_000]);
    let mut merge = Story::of(2);
    merge.pass(20, even);
    merge.merge(0, 1, true);
    let demand = assess(&merge.pass(1, even).snapshot(), &policy());
    assert_eq!((heat(&demand), evidence(&demand)), (vec![8_000], vec![Evidence::Measured]));
}

#[test]
fn a_split_undoing_a_merge_gives_each_side_what_it_was_measured_to_carry() {
    let mut story = two([60, 20]);
    let merged = story.merge(0, 1, false);
    story.pass(1, |_| percent(80));
    story.split(merged);
    let demand = assess(&story.snapshot(), &policy());
    assert_eq!(heat(&demand), [6_000, 2_000]);
}

#[test]
fn history_is_inherited_through_generations() {
    let mut story = Story::of(1);
    story.pass(20, |_| percent(80));
    let [low, high] = story.split(0);
    let [_, second] = story.split(low);
    story.merge(second, high, false);
    let demand = assess(&story.snapshot(), &policy());
    assert_eq!(heat(&demand), [2_000, 6_000]);
    assert_eq!(evidence(&demand), [Evidence::Estimated; 2]);
}

#[test]
fn what_lies_before_the_creation_of_the_stream_belongs_to_another_stream() {
    // Every metric has data, so that nothing but the creation tells the streams apart.
    let rejecting = |range| Amounts { rejected: 2, ..by_width(range, percent(60)) };
    let mut snapshot = Story::of(2).pass(20, rejecting).snapshot();
    snapshot.summary.created_at = FIRST.plus(12).start();
    let demand = assess(&snapshot, &policy());
    assert_eq!(evidence(&demand), [Evidence::Estimated; 2]);
    assert_eq!(guard(&demand.shards[0].merge_guard), Some("LoadEstimated"));
    assert_eq!(guard(&demand.shards[0].split_guard), None);
    snapshot.summary.created_at = FIRST.plus(18).start();
    let demand = assess(&snapshot, &policy());
    assert_eq!(evidence(&demand), [Evidence::Unknown; 2]);
    assert_eq!(guard(&demand.shards[0].split_guard), Some("MetricsSettling"));
}

#[test]
fn what_lies_before_the_look_back_is_unknown() {
    let mut snapshot = two([40, 20]).snapshot();
    snapshot.look_back_start = FIRST.plus(12).start();
    let demand = assess(&snapshot, &policy());
    assert_eq!(guard(&demand.shards[0].merge_guard), Some("LoadEstimated"));
}

#[test]
fn a_stabilisation_window_longer_than_the_known_history_bars_merges() {
    let mut long = policy();
    long.scale_down.stabilization_window = std::time::Duration::from_secs(21 * 60);
    let demand = assess(&two([40, 20]).snapshot(), &long);
    // The story tells 20 minutes.
    assert!(demand.shards.iter().all(|shard| shard.merge_guard.is_some()));
}

#[test]
fn an_idle_shard_that_was_open_throughout_carried_nothing() {
    let demand = assess(&two([40, 0]).snapshot(), &policy());
    assert_eq!((heat(&demand), evidence(&demand)), (vec![4_000, 0], vec![Evidence::Measured; 2]));
    assert_eq!(demand.shards[1].merge_guard, None);
}

#[test]
fn an_idle_shard_that_is_not_proved_to_have_been_open_is_unknown() {
    let mut snapshot = two([40, 0]).snapshot();
    snapshot.past_topologies.clear();
    let demand = assess(&snapshot, &policy());
    // The busy shard proves itself by its data points; the idle one has nothing.
    assert_eq!(evidence(&demand), [Evidence::Measured, Evidence::Unknown]);
    assert_eq!(guard(&demand.shards[1].merge_guard), Some("MetricsSettling"));
}

#[test]
fn a_missing_minute_that_the_totals_do_not_account_for_is_unknown() {
    let mut snapshot = two([40, 20]).snapshot();
    let id = snapshot.shards[1].id.clone();
    for metric in ShardMetric::INGEST {
        let series = snapshot.metrics.shards.get_mut(&id).and_then(|shard| shard.get_mut(&metric));
        series.expect("told").values[14] = None;
    }
    let demand = assess(&snapshot, &policy());
    assert!(demand.stops.is_empty(), "{:?}", demand.stops);
    assert_eq!(guard(&demand.shards[1].merge_guard), Some("MetricsMissing"));
    assert_eq!(demand.shards[0].merge_guard, None);
}

#[test]
fn on_a_wide_stream_one_percent_of_the_total_does_not_pass_for_an_idle_shard() {
    let mut story = Story::of(128);
    story.pass(20, |_| percent(50));
    let mut snapshot = story.snapshot();
    let id = snapshot.shards[1].id.clone();
    for metric in ShardMetric::INGEST {
        let series = snapshot.metrics.shards.get_mut(&id).and_then(|shard| shard.get_mut(&metric));
        series.expect("told").values[14] = None;
    }
    let demand = assess(&snapshot, &policy());
    assert_eq!(guard(&demand.shards[1].merge_guard), Some("MetricsMissing"));
}

#[test]
fn a_minute_in_which_the_stream_tells_of_no_writes_is_unknown_whoever_reads() {
    let mut story = two([40, 20]);
    story.pass(1, |_| kilobytes(0)).pass(1, |range| by_width(range, percent(60)));
    let mut snapshot = story.snapshot();
    let mut by_stream = policy();
    by_stream.metrics.source = crate::policy::MetricsSource::Stream;
    for readers_poll in [true, false] {
        if !readers_poll {
            snapshot.metrics.stream.values_mut().for_each(|series| series.values[20] = None);
        }
        for policy in [policy(), by_stream.clone()] {
            assert_eq!(evidence(&assess(&snapshot, &policy)), [Evidence::Unknown; 2]);
        }
    }
    // Zero by its own word is measured.
    let bytes = snapshot.metrics.stream.get_mut(&crate::snapshot::StreamMetric::IncomingBytes);
    bytes.expect("told").values[20] = Some(0);
    for policy in [policy(), by_stream] {
        assert_eq!(evidence(&assess(&snapshot, &policy)), [Evidence::Measured; 2]);
    }
}

#[test]
fn a_parent_that_is_listed_nowhere_leaves_its_childs_past_unknown_and_not_empty() {
    let mut story = two([40, 20]);
    story.split(0);
    story.pass(2, |range| by_width(range, percent(60)));
    let mut snapshot = story.snapshot();
    // A listing that lost the parent's line, and a stream that began after it.
    snapshot.shards.remove(0);
    snapshot.look_back_start = FIRST.plus(20).start();
    let demand = assess(&snapshot, &policy());
    assert_eq!(demand.shards[0].evidence, Evidence::Unknown);
}

#[test]
fn with_stream_metrics_the_totals_are_spread_by_width_without_loss() {
    let mut by_stream = policy();
    by_stream.metrics.source = MetricsSource::Stream;
    let mut story = two([60, 20]);
    story.split(0);
    let mut snapshot = story.snapshot();
    snapshot.metrics.shards.clear();
    snapshot.summary.enhanced_metrics.clear();
    let demand = assess(&snapshot, &by_stream);
    assert!(demand.stops.is_empty(), "{:?}", demand.stops);
    assert_eq!(heat(&demand), [2_000, 2_000, 4_000]);
    assert_eq!(evidence(&demand), [Evidence::Measured; 3]);
    assert!(demand.shards.iter().all(|shard| shard.density == Evidence::Measured));
}
