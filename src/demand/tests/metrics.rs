//! Metrics that are off, late, partial or contradictory stop everything; silence bars merges.

use super::*;
use crate::plan::Hold;
use crate::policy::EnhancedMonitoring;
use crate::snapshot::{Series, ShardMetric, Snapshot, StreamMetric};
use jiff::SignedDuration;

fn stops(change: impl Fn(&mut Snapshot)) -> Vec<Hold> {
    let mut snapshot = two([40, 20]).snapshot();
    change(&mut snapshot);
    assess(&snapshot, &policy()).stops
}

fn stream(snapshot: &mut Snapshot, metric: StreamMetric) -> &mut Series {
    snapshot.metrics.stream.get_mut(&metric).expect("told")
}

#[test]
fn shard_metrics_that_are_off_stop_and_nothing_else_is_said_of_metrics() {
    let mut snapshot = two([40, 20]).snapshot();
    snapshot.summary.enhanced_metrics.remove(1);
    snapshot.metrics.shards.clear();
    let mut policy = policy();
    let told = [EnhancedMonitoring::Require, EnhancedMonitoring::Manage].map(|setting| {
        policy.metrics.enhanced_monitoring = setting;
        assess(&snapshot, &policy).stops
    });
    let off = |managed| Hold::ShardMetricsOff { metrics: vec!["IncomingRecords".to_owned()], managed };
    assert_eq!(told, [false, true].map(|managed| vec![off(managed)]));
    // Who has them turned on is not told how to do it.
    let says_how =
        [false, true].map(|managed| off(managed).to_string().contains("enable-enhanced-monitoring"));
    assert_eq!(says_how, [true, false]);
}

#[test]
fn of_a_stream_that_shows_nothing_no_shard_is_hot_or_cold_and_each_may_be_split() {
    let of_silence = |minutes: usize| {
        let mut snapshot = two([40, 20]).snapshot();
        for series in snapshot
            .metrics
            .stream
            .values_mut()
            .chain(snapshot.metrics.shards.values_mut().flat_map(|shard| shard.values_mut()))
        {
            let from = series.values.len() - minutes;
            series.values[from..].fill(None);
        }
        assess(&snapshot, &policy())
    };
    let Demand { shards, stops, forecast, .. } = of_silence(3);
    assert_eq!((stops, forecast, shards.len()), (Vec::new(), None, 2));
    for shard in shards {
        assert_eq!(
            (shard.loads(), shard.evidence, shard.rejecting),
            (Loads::default(), Evidence::Unknown, false)
        );
        assert_eq!(
            (shard.unsettled, shard.merge_guard),
            (Some(Hold::SilentStream), Some(Hold::SilentStream))
        );
        assert_eq!(shard.split_guard, None);
    }
    assert_ne!(of_silence(1).shards[0].unsettled, Some(Hold::SilentStream));
}

#[test]
fn shards_that_report_what_the_stream_does_not_are_never_merged() {
    let unheard_of = |told: Option<u64>| {
        let mut snapshot = two([40, 20]).snapshot();
        for metric in StreamMetric::INGEST {
            stream(&mut snapshot, metric).values.fill(None);
        }
        for series in snapshot.metrics.shards.values_mut().flat_map(|shard| shard.values_mut()) {
            series.values.iter_mut().for_each(|value| *value = told.or(*value));
        }
        let Demand { stops, merge_bars, .. } = assess(&snapshot, &policy());
        (reasons(&stops), merge_bars.contains(&Hold::SilentStream))
    };
    assert_eq!(unheard_of(None), (vec!["MetricsInconsistent"], true));
    assert_eq!(unheard_of(Some(0)), (vec![], true), "by all that is told nothing was written");
}

#[test]
fn metrics_older_than_max_age_stop() {
    assert_eq!(
        reasons(&stops(|snapshot| snapshot.observed_at += SignedDuration::from_mins(2))),
        Vec::<&str>::new()
    );
    let late = stops(|snapshot| snapshot.observed_at += SignedDuration::from_secs(121));
    assert_eq!(reasons(&late), ["MetricsStale"]);
    let none = stops(|snapshot| snapshot.metrics.settled_until = None);
    assert!(!none.is_empty());
}

#[test]
fn silence_in_minutes_that_are_too_old_is_not_called_silence() {
    let stops = stops(|snapshot| {
        snapshot.observed_at += SignedDuration::from_mins(3);
        for series in snapshot.metrics.stream.values_mut() {
            series.values.fill(None);
        }
    });
    assert_eq!(reasons(&stops), ["MetricsStale"]);
}

#[test]
fn the_newest_data_within_a_long_window_must_not_be_too_old_either() {
    let mut snapshot = two([40, 20]).snapshot();
    for series in snapshot.metrics.stream.values_mut() {
        series.values[16..].fill(None);
    }
    let mut long = policy();
    long.metrics.window_minutes = 10;
    assert_eq!(reasons(&assess(&snapshot, &long).stops), ["MetricsStale"]);
}

#[test]
fn a_partial_reply_for_the_stream_or_an_open_shard_stops() {
    let partial = stops(|snapshot| stream(snapshot, StreamMetric::IncomingBytes).complete = false);
    assert_eq!(reasons(&partial), ["MetricsIncomplete"]);
    let missing = stops(|snapshot| {
        snapshot.metrics.stream.remove(&StreamMetric::WriteProvisionedThroughputExceeded);
    });
    assert_eq!(reasons(&missing), ["MetricsIncomplete"]);
    let shard = stops(|snapshot| {
        let id = snapshot.shards[1].id.clone();
        let series = snapshot
            .metrics
            .shards
            .get_mut(&id)
            .and_then(|shard| shard.get_mut(&ShardMetric::IncomingRecords));
        series.expect("told").complete = false;
    });
    assert_eq!(reasons(&shard), ["MetricsIncomplete"]);
    let gone = stops(|snapshot| {
        let id = snapshot.shards[1].id.clone();
        snapshot.metrics.shards.remove(&id);
    });
    assert_eq!(reasons(&gone), ["MetricsIncomplete"]);
}

#[test]
fn a_shard_too_young_to_have_been_asked_for_stops_nothing() {
    let mut story = two([40, 20]);
    story.split(0);
    let mut snapshot = story.snapshot();
    for at in [2, 3] {
        let id = snapshot.shards[at].id.clone();
        snapshot.metrics.shards.remove(&id);
    }
    assert_eq!(reasons(&assess(&snapshot, &policy()).stops), Vec::<&str>::new());
}

#[test]
fn shards_that_do_not_sum_to_the_stream_stop() {
    let change = |numerator: u64| {
        stops(move |snapshot| {
            for value in &mut stream(snapshot, StreamMetric::IncomingBytes).values {
                *value = value.map(|value| value * numerator / 1_000);
            }
        })
    };
    assert_eq!(reasons(&change(1_009)), Vec::<&str>::new());
    assert_eq!(reasons(&change(1_011)), ["MetricsInconsistent"]);
    assert_eq!(reasons(&change(980)), ["MetricsInconsistent"]);
}

#[test]
fn loads_are_shown_even_where_everything_is_stopped() {
    let mut snapshot = two([40, 20]).snapshot();
    snapshot.summary.status = crate::stream::StreamStatus::Updating;
    let demand = assess(&snapshot, &policy());
    assert_eq!(reasons(&demand.stops), ["StreamNotActive"]);
    assert_eq!(heat(&demand), [4_000, 2_000]);
}

#[test]
fn the_state_of_the_stream_stops() {
    let stopped = |change: &dyn Fn(&mut Snapshot)| reasons(&stops(change));
    assert_eq!(stopped(&|s| s.summary.mode = crate::stream::StreamMode::OnDemand), ["OnDemandStream"]);
    assert_eq!(stopped(&|s| s.summary.open_shard_count = 3), ["ShardCountMismatch"]);
    assert_eq!(stopped(&|s| s.shards[1].closed = true)[0], "ListingDoesNotTile");
    let mut suspended = policy();
    suspended.suspend = true;
    assert_eq!(reasons(&assess(&two([40, 20]).snapshot(), &suspended).stops), ["Suspended"]);
}

#[test]
fn bytes_that_are_lost_where_records_came_are_unknown_and_not_zero() {
    for lost in [StreamMetric::IncomingBytes, StreamMetric::IncomingRecords] {
        let mut snapshot = two([40, 20]).snapshot();
        stream(&mut snapshot, lost).values.fill(None);
        for shard in snapshot.metrics.shards.values_mut() {
            let of_shard = shard.iter_mut().find(|(metric, _)| metric.name() == lost.name());
            of_shard.expect("told").1.values.fill(None);
        }
        let demand = assess(&snapshot, &policy());
        let evidence: Vec<_> = demand.shards.iter().map(|shard| shard.evidence).collect();
        assert_eq!(evidence, [crate::plan::Evidence::Unknown; 2], "{}", lost.name());
    }
}

/// Takes the newest minute, all but the readers' data points and the metrics `kept`, from the
/// stream and its shards.
fn lose_the_newest_minute(snapshot: &mut Snapshot, kept: &[StreamMetric]) {
    for (metric, series) in &mut snapshot.metrics.stream {
        let is_ingest = StreamMetric::INGEST.contains(metric);
        if is_ingest && !kept.contains(metric) {
            *series.values.last_mut().expect("told") = None;
        }
    }
    for series in snapshot.metrics.shards.values_mut().flat_map(|shard| shard.values_mut()) {
        *series.values.last_mut().expect("told") = None;
    }
}

#[test]
fn readers_that_poll_do_not_prove_that_nothing_was_written() {
    let rejected = StreamMetric::WriteProvisionedThroughputExceeded;
    for kept in [&[][..], &[rejected]] {
        let mut snapshot = two([40, 20]).snapshot();
        *stream(&mut snapshot, rejected).values.last_mut().expect("told") = Some(5);
        lose_the_newest_minute(&mut snapshot, kept);
        let demand = assess(&snapshot, &policy());
        assert_eq!(evidence(&demand), [Evidence::Unknown; 2], "{kept:?}");
        for shard in &demand.shards {
            assert_eq!(guard(&shard.split_guard), Some("MetricsMissing"));
            assert_eq!(guard(&shard.merge_guard), Some("MetricsMissing"));
        }
        assert_eq!(heat(&demand), [4_000, 2_000]);
    }
}

#[test]
fn zero_bytes_are_zero_records_and_no_rejects_and_the_reverse() {
    for kept in [StreamMetric::IncomingBytes, StreamMetric::IncomingRecords] {
        let mut snapshot = two([30, 30]).snapshot();
        lose_the_newest_minute(&mut snapshot, &[kept]);
        *stream(&mut snapshot, kept).values.last_mut().expect("told") = Some(0);
        let demand = assess(&snapshot, &policy());
        assert_eq!((heat(&demand), evidence(&demand)), (vec![2_000; 2], vec![Evidence::Measured; 2]));
        assert_eq!(reasons(&demand.stops), Vec::<&str>::new());
    }
}

#[test]
fn rejects_that_are_not_told_are_none_only_where_bytes_and_records_are_known() {
    let newest = |lost: &[StreamMetric]| {
        let mut snapshot = two([40, 20]).snapshot();
        for metric in lost {
            *stream(&mut snapshot, *metric).values.last_mut().expect("told") = None;
        }
        let span = span(&snapshot, Windows::of(&policy()));
        Totals::read(&snapshot.metrics, span).at(span.len() - 1)
    };
    let [bytes, records, _] = StreamMetric::INGEST;
    assert_eq!(newest(&[]), [Some(36_000_000), Some(36_000), Some(0)]);
    assert_eq!(newest(&[bytes]), [None, Some(36_000), None]);
    assert_eq!(newest(&[records]), [Some(36_000_000), None, None]);
    assert_eq!(newest(&[bytes, records]), [None; 3]);
}
