//! How many metrics an observer would have asked of `GetMetricData` to have what is seen, each billed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::observe::{ClosedShards, Span};
use crate::policy::{MetricsSource, ScalingPolicy};
use crate::snapshot::{MetricHistory, Minute, Series, ShardMetric, Snapshot, StreamMetric};
use crate::stream::ShardId;

/// What was asked for, and what an observer remembers of it.
#[derive(Debug, Default)]
pub(super) struct ReadLedger {
    metrics_read: u64,
    closed: ClosedShards,
    /// From when on all that a closed shard told is known for good.
    told_out: HashMap<ShardId, Minute>,
    /// Where the quarters of an hour end that are known.
    quarters_end: Option<Minute>,
}

impl ReadLedger {
    /// How many were asked for.
    pub(super) fn metrics_read(&self) -> u64 {
        self.metrics_read
    }

    /// An idle pass.
    pub(super) fn idle(&mut self, metrics: &MetricHistory) {
        self.metrics_read +=
            asked(StreamMetric::WATCHED.iter().filter_map(|metric| metrics.stream.get(metric)));
    }

    /// A full pass.
    pub(super) fn full(&mut self, snapshot: &Snapshot, policy: &ScalingPolicy) {
        let Snapshot { observed_at, shards, metrics, .. } = snapshot;
        self.closed.note(shards, Minute::of(*observed_at));
        // Now and then, for it costs a look at each.
        if self.told_out.len() > 2 * shards.len() {
            let mut before = std::mem::take(&mut self.told_out);
            self.told_out = shards.iter().filter_map(|shard| before.remove_entry(&shard.id)).collect();
        }
        self.metrics_read += asked(metrics.stream.values());
        if policy.metrics.source == MetricsSource::Shard {
            for (shard, series) in &metrics.shards {
                self.of_shard(shard, series, snapshot, policy);
            }
        }
        let known = metrics.quarters.as_ref().filter(|quarters| !quarters.values.is_empty());
        let end = known.map(|quarters| quarters.end());
        if end > self.quarters_end {
            self.quarters_end = end;
            self.metrics_read += StreamMetric::INGEST.len() as u64;
        }
    }

    /// What a full pass reads besides: the whole look-back of some shards.
    pub(super) fn since_the_look_back(
        &mut self,
        shards: &BTreeSet<ShardId>,
        snapshot: &Snapshot,
        policy: &ScalingPolicy,
    ) {
        for shard in shards {
            if let Some(series) = snapshot.metrics.shards.get(shard) {
                self.of_shard(shard, series, snapshot, policy);
            }
        }
    }

    fn of_shard(
        &mut self,
        shard: &ShardId,
        metrics: &BTreeMap<ShardMetric, Series>,
        snapshot: &Snapshot,
        policy: &ScalingPolicy,
    ) {
        let Some(from) = metrics.values().map(|series| series.start).min() else { return };
        if self.told_out.get(shard).is_some_and(|known_from| *known_from <= from) {
            return;
        }
        self.metrics_read += asked(metrics.values());
        let known_end = Span::of(snapshot.observed_at, &snapshot.summary).settled_until;
        if self.closed.is_told_out(shard, known_end, policy.metrics.max_age) {
            self.told_out.insert(shard.clone(), from);
        }
    }
}

/// How many of these are asked for: none of which there is no minute to ask for.
fn asked<'s>(series: impl Iterator<Item = &'s Series>) -> u64 {
    series.filter(|series| series.minutes() > 0).count() as u64
}
