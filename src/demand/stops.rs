//! What bars every step: the owner's word, the stream's state, a listing that cannot be trusted,
//! and metrics that are off, late, partial or contradictory.

use crate::plan::Hold;
use crate::policy::{EnhancedMonitoring, MetricsSource, ScalingPolicy};
use crate::snapshot::{Minute, Series, ShardMetric, Snapshot, StreamMetric};
use crate::stream::{OpenShards, StreamMode, StreamStatus, StreamSummary, TilingError};

use super::history::{Reports, Totals, newest};
use super::lineage::Lineage;

/// What bars every step whatever the metrics say.
pub(super) fn of_the_stream(
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    open: &Result<OpenShards, TilingError>,
) -> Vec<Hold> {
    let summary = &snapshot.summary;
    let mut stops = Vec::new();
    if policy.suspend {
        stops.push(Hold::Suspended);
    }
    if summary.mode == StreamMode::OnDemand {
        stops.push(Hold::OnDemandStream);
    }
    if summary.status != StreamStatus::Active {
        stops.push(Hold::StreamNotActive { status: summary.status });
    }
    match open {
        // AWS lists no shards of a stream that is being made.
        _ if summary.status == StreamStatus::Creating => {}
        Err(error) => stops.push(Hold::ListingDoesNotTile { error: error.clone() }),
        Ok(open) if open.len() != summary.open_shard_count => {
            let (listed, described) = (open.len(), summary.open_shard_count);
            stops.push(Hold::ShardCountMismatch { listed, described });
        }
        Ok(_) => {}
    }
    stops
}

/// Whether steps could follow from what the metrics say.
pub(super) fn metrics_matter(summary: &StreamSummary) -> bool {
    summary.mode == StreamMode::Provisioned
        && matches!(summary.status, StreamStatus::Active | StreamStatus::Updating)
}

/// The first thing that is wrong with the metrics as a whole, if any: where they are off, late or
/// partial, all that they say afterwards is a consequence. Silence is among them, though it bars no split.
pub(super) fn of_the_stream_metrics(
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    window: [Minute; 2],
) -> Option<Hold> {
    if policy.metrics.source == MetricsSource::Shard {
        let on =
            |metric: &ShardMetric| snapshot.summary.enhanced_metrics.iter().any(|on| on == metric.name());
        let off: Vec<_> = ShardMetric::INGEST.into_iter().filter(|metric| !on(metric)).collect();
        if !off.is_empty() {
            let metrics = off.iter().map(|metric| metric.name().to_owned()).collect();
            let managed = policy.metrics.enhanced_monitoring == EnhancedMonitoring::Manage;
            return Some(Hold::ShardMetricsOff { metrics, managed });
        }
    }
    incomplete_stream(snapshot, window).or_else(|| silent_or_stale(snapshot, policy, window))
}

fn incomplete_stream(snapshot: &Snapshot, window: [Minute; 2]) -> Option<Hold> {
    StreamMetric::INGEST.into_iter().find_map(|metric| {
        let wrong = match snapshot.metrics.stream.get(&metric) {
            None => "is missing",
            Some(series) => wrong_with(series, window)?,
        };
        Some(Hold::MetricsIncomplete { what: format!("{} of the stream {wrong}", metric.name()) })
    })
}

fn silent_or_stale(snapshot: &Snapshot, policy: &ScalingPolicy, [from, to]: [Minute; 2]) -> Option<Hold> {
    let newest = StreamMetric::INGEST
        .into_iter()
        .filter_map(|metric| newest(snapshot.metrics.stream.get(&metric)?, to))
        .max();
    let is_old = |end: Minute| policy.metrics.are_too_old(end.start(), snapshot.observed_at);
    let stale = || Hold::MetricsStale {
        newest: newest.map(Minute::start),
        max_age_seconds: policy.metrics.max_age.as_secs(),
    };
    match newest {
        // What was asked for ends too early: that nothing is in it says nothing.
        _ if is_old(to) => Some(stale()),
        None => Some(Hold::SilentStream),
        Some(newest) if newest < from => Some(Hold::SilentStream),
        Some(newest) if is_old(newest.plus(1)) => Some(stale()),
        Some(_) => None,
    }
}

/// The first thing that is wrong with the shards' metrics over the window: a reply that is partial
/// for an open shard, or sums that are not the stream's: of a silent stream, which has no `totals`, nothing.
pub(super) fn of_the_shard_metrics(
    lineage: &Lineage,
    reports: &Reports,
    totals: Option<&Totals>,
    places: std::ops::Range<usize>,
    window: [Minute; 2],
) -> Option<Hold> {
    let newest_minute = window[1].plus(-1);
    for (at, member) in lineage.members().iter().enumerate() {
        // A shard of the last minutes may not have been asked for yet.
        if member.shard.closed || !member.had_opened_before(newest_minute) {
            continue;
        }
        for (metric, series) in ShardMetric::INGEST.into_iter().zip(reports.series(at)) {
            let wrong = match series {
                None => Some("is missing"),
                Some(series) => wrong_with(series, [newest_minute, window[1]]),
            };
            if let Some(wrong) = wrong {
                let what = format!("{} of {} {wrong}", metric.name(), member.shard.id);
                return Some(Hold::MetricsIncomplete { what });
            }
        }
    }
    // What was accepted decides. Rejects are few and far between, so that a single one is more than
    // 1 %, and must not keep the shard that counts them from being split.
    (0..2).find_map(|of| {
        let total = |at: usize| totals.map_or(Some(0), |totals| totals.at(at)[of]);
        let stream = places.clone().try_fold(0_u64, |sum, at| Some(sum.saturating_add(total(at)?)))?;
        let shards = places.clone().fold(0_u64, |sum, at| sum.saturating_add(reports.sums(at)[of]));
        (stream.abs_diff(shards).saturating_mul(100) > stream).then(|| {
            let metric = StreamMetric::INGEST[of].name().to_owned();
            Hold::MetricsInconsistent { shards, stream, metric }
        })
    })
}

fn wrong_with(series: &Series, [from, to]: [Minute; 2]) -> Option<&'static str> {
    if !series.complete {
        Some("came in part, or with impossible values")
    } else if to <= from {
        None
    } else if !(series.covers(from) && series.covers(to.plus(-1))) {
        Some("does not cover the window")
    } else {
        None
    }
}
