//! Which loads decide: rejects, bursts, peaks, readers, segments.

use super::super::fixture::kilobytes;
use super::*;
use crate::hash_key::HashKey;
use crate::policy::{Consumer, ConsumerKind};
use crate::snapshot::StreamMetric;
use std::time::Duration;

fn one(minutes: &[Amounts]) -> Story {
    let mut story = Story::of(1);
    story.pass(20, |_| percent(10));
    for amounts in minutes {
        story.pass(1, |_| *amounts);
    }
    story
}

fn rejects(accepted: u64, rejected: u64) -> Amounts {
    Amounts { rejected, ..kilobytes(accepted) }
}

#[test]
fn rejected_records_are_added_back_at_the_mean_record_size() {
    let demand = assess(&one(&[rejects(50_000, 10_000); 4]).snapshot(), &policy());
    assert_eq!(heat(&demand), [10_000]);
    let demand = assess(&one(&[rejects(60_000, 30_000); 4]).snapshot(), &policy());
    let loads = demand.shards[0].loads();
    assert_eq!((loads.ingest_bytes, loads.ingest_records), (Load(1_500_000), Load(1_500_000)));
}

#[test]
fn retries_do_not_inflate_demand_beyond_twice_what_was_accepted() {
    // Whether it is constant or has just risen.
    for minutes in [3, 4] {
        let demand = assess(&one(&vec![rejects(60_000, 600_000); minutes]).snapshot(), &policy());
        assert_eq!(heat(&demand), [20_000]);
    }
}

#[test]
fn rejects_in_two_of_three_minutes_lift_demand_to_the_ceiling_of_the_fuller_dimension() {
    let calm = kilobytes(6_000);
    let burst = Amounts { bytes: 3_000_000, records: 6_000, rejected: 7 };
    let demand = assess(&one(&[burst, calm, burst]).snapshot(), &policy());
    assert!(demand.shards[0].rejecting);
    let loads = demand.shards[0].loads();
    assert_eq!(loads.ingest_records, Load::CEILING);
    assert!(loads.ingest_bytes < Load(100_000), "{loads:?}");
    // Nothing more is read because more is asked for.
    assert!(loads.read_bytes < Load(50_000), "{loads:?}");
    for minutes in [[calm, calm, burst], [burst, calm, calm]] {
        let demand = assess(&one(&minutes).snapshot(), &policy());
        assert!(!demand.shards[0].rejecting);
        assert!(demand.shards[0].loads().ingest_records < Load(200_000));
    }
    // 0.1 % is not above 0.1 %.
    let demand = assess(&one(&[rejects(6_993, 7); 3]).snapshot(), &policy());
    assert!(!demand.shards[0].rejecting);
}

#[test]
fn what_a_parent_rejected_does_not_make_its_children_reject() {
    let mut story = one(&[rejects(30_000, 3_000); 4]);
    story.split(0);
    let demand = assess(&story.snapshot(), &policy());
    assert!(demand.shards.iter().all(|shard| !shard.rejecting), "{demand:?}");
    assert_eq!(heat(&demand), [2_750; 2]);
}

#[test]
fn merges_look_at_the_highest_window_of_the_stabilisation_window_which_fades_with_its_age() {
    let spike = percent(60);
    let demand = assess(&one(&[&[spike; 3][..], &[percent(10); 7]].concat()).snapshot(), &policy());
    // It ended seven minutes before the newest, of ten: three tenths of it count.
    assert_eq!((heat(&demand), peaks(&demand)), (vec![1_000], vec![1_800]));
    let demand = assess(&one(&[&[spike; 3][..], &[percent(10); 2]].concat()).snapshot(), &policy());
    assert_eq!(peaks(&demand), [4_800]);
    // A spike of one minute counts as one window, a third of it; the last that holds it ended two minutes ago.
    let demand = assess(&one(&[&[percent(70)][..], &[percent(10); 4]].concat()).snapshot(), &policy());
    assert_eq!(peaks(&demand), [2_400]);
    // Windows begin within the stabilisation window.
    let demand = assess(&one(&[&[spike; 3][..], &[percent(10); 10]].concat()).snapshot(), &policy());
    assert_eq!(peaks(&demand), [1_000]);
}

#[test]
fn scale_up_stabilisation_takes_the_smallest_window_unless_writes_are_rejected() {
    let mut patient = policy();
    patient.scale_up.stabilization_window = Duration::from_secs(120);
    let story = one(&[percent(90); 4]);
    assert_eq!(heat(&assess(&story.snapshot(), &policy())), [9_000]);
    // The window that ended two minutes ago holds one calm minute.
    assert_eq!(heat(&assess(&story.snapshot(), &patient)), [(9_000 * 2 + 1_000) / 3]);
    let story = one(&[rejects(54_000, 100); 3]);
    assert_eq!(heat(&assess(&story.snapshot(), &patient)), [10_000]);
}

#[test]
fn read_bytes_are_pollers_times_ingest_and_not_what_was_read() {
    let mut snapshot = two([40, 20]).snapshot();
    let replay = snapshot.metrics.stream.get_mut(&StreamMetric::GetRecordsBytes).expect("told");
    for value in &mut replay.values[15..] {
        *value = Some(200_000_000);
    }
    let demand = assess(&snapshot, &policy());
    // One poller of the 2 MB/s: half of the ingest utilization.
    assert_eq!(demand.shards[0].loads().read_bytes, Load(200_000));
    assert_eq!(demand.summary.pollers_thousandths, Some(1_000));
    assert!(matches!(
        demand.verdicts[..],
        [Verdict::CatchingUp { read_bytes_per_second: 3_333_333, expected_bytes_per_second: 600_000 }]
    ));
}

#[test]
fn declared_consumers_tell_the_pollers_and_fan_out_does_not_count() {
    let consumer = |name: &str, kind| Consumer { name: name.to_owned(), kind };
    let mut declared = policy();
    declared.consumers = vec![
        consumer("archive", ConsumerKind::Firehose { transform: None }),
        consumer("billing", ConsumerKind::Polling { poll_interval: Duration::from_millis(250) }),
        consumer("search", ConsumerKind::EnhancedFanOut),
    ];
    let demand = assess(&two([40, 20]).snapshot(), &declared);
    assert_eq!(demand.summary.pollers_thousandths, Some(2_000));
    assert_eq!(demand.shards[0].loads().read_bytes, Load(400_000));
    let saturated = demand.verdicts.iter().find(|verdict| verdict.reason() == "ReadCallsSaturated");
    let expected =
        Verdict::ReadCallsSaturated { load: Load::CEILING, source: ReadCallsSource::DeclaredConsumers };
    assert_eq!(saturated, Some(&expected));
}

#[test]
fn a_day_of_reading_tells_the_pollers_where_none_are_declared() {
    for (read, pollers) in [(2_080, 2_000), (1_950, 2_000), (1_500, 1_500), (0, 0), (40, 40)] {
        let mut snapshot = two([40, 20]).snapshot();
        let bytes = snapshot.metrics.stream.get_mut(&StreamMetric::GetRecordsBytes).expect("told");
        for value in &mut bytes.values {
            *value = value.map(|value| value * read / 1_000);
        }
        let demand = assess(&snapshot, &policy());
        assert_eq!(demand.summary.pollers_thousandths, Some(pollers), "read {read}");
    }
}

#[test]
fn minutes_with_little_traffic_tell_little_of_the_pollers() {
    // Most minutes are nearly idle, and readers re-read a little in them.
    let mut story = Story::of(2);
    story.pass(10, |_| percent(60)).pass(23, |_| kilobytes(10));
    let mut snapshot = story.snapshot();
    let bytes = snapshot.metrics.stream.get_mut(&StreamMetric::GetRecordsBytes).expect("told");
    for value in &mut bytes.values[..10] {
        *value = value.map(|value| value * 2);
    }
    bytes.values[10..].fill(Some(200_000));
    assert_eq!(assess(&snapshot, &policy()).summary.pollers_thousandths, Some(2_000));
}

#[test]
fn unknown_pollers_bar_merges() {
    let mut snapshot = two([40, 20]).snapshot();
    snapshot.metrics.stream.remove(&StreamMetric::GetRecordsBytes);
    let demand = assess(&snapshot, &policy());
    assert_eq!(demand.summary.pollers_thousandths, None);
    assert_eq!(reasons(&demand.merge_bars), ["MetricsIncomplete"]);
}

#[test]
fn counted_calls_saturate_where_none_are_declared() {
    let mut snapshot = two([40, 20]).snapshot();
    let calls = snapshot.metrics.stream.get_mut(&StreamMetric::GetRecordsCalls).expect("told");
    calls.values = vec![Some(2 * 60 * 4 + 1); calls.values.len()];
    let demand = assess(&snapshot, &policy());
    let source = ReadCallsSource::GetRecordsSuccessSampleCount;
    assert!(
        matches!(demand.verdicts[..], [Verdict::ReadCallsSaturated { source: from, .. }] if from == source),
        "{:?}",
        demand.verdicts
    );
}

#[test]
fn large_records_are_named() {
    let large = |_| Amounts { bytes: 18_000_000, records: 60, rejected: 0 };
    let demand = assess(&Story::of(2).pass(20, large).snapshot(), &policy());
    assert_eq!(demand.verdicts, [Verdict::LargeRecords { mean_bytes: 300_000 }]);
}

#[test]
fn a_shard_is_sixteen_equal_segments_where_nothing_tells_more() {
    let demand = assess(&two([40, 20]).snapshot(), &policy());
    let shard = &demand.shards[0];
    assert_eq!(shard.segments.len(), 16);
    assert_eq!(shard.density, Evidence::Estimated);
    let loads: Vec<_> = shard.segments.iter().map(|segment| segment.loads.ingest_bytes.0).collect();
    assert_eq!(loads, [25_000; 16]);
    assert_eq!(shard.segments[8].range.start(), HashKey(1 << 126));
}

#[test]
fn the_borders_of_merged_shards_are_borders_of_segments_with_what_they_carried() {
    let mut story = two([60, 4]);
    story.merge(0, 1, false);
    let demand = assess(&story.snapshot(), &policy());
    let segments = &demand.shards[0].segments;
    let border = segments.iter().position(|segment| segment.range.start() == HashKey(1 << 127));
    let below: Load = segments[..border.expect("a border")].iter().map(|s| s.loads.ingest_bytes).sum();
    assert_eq!(below, Load(600_000));
    // Cuts are finer where more is carried.
    assert_eq!(segments.len(), 16);
    assert!(border > Some(12), "{border:?}");
}

#[test]
fn a_narrow_range_is_one_segment() {
    for (parts, segments) in [(4_096, 16), (4_097, 1)] {
        let mut story = Story::of(1);
        story.pass(20, |_| percent(10));
        let edge = HashKeyRange::WHOLE.inner_boundaries(parts).next().expect("wide");
        story.split_at(0, edge, false);
        let demand = assess(&story.snapshot(), &policy());
        assert_eq!(demand.shards[0].segments.len(), segments, "1/{parts}");
    }
}
