//! Every kind of violation, and ways to break a sound plan that must be found as one of them.

use super::*;

/// Names every kind of violation: a new one does not compile until it has a name here, and fails
/// the test below until something triggers it.
macro_rules! kinds {
    ($($pattern:pat => $name:literal,)*) => {
        pub(super) fn kind(violation: &Violation) -> &'static str {
            match violation { $($pattern => $name,)* }
        }
        pub(super) const KINDS: &[&str] = &[$($name,)*];
    };
}

use StepFlaw as F;
use Violation as V;

kinds! {
    V::Format { .. } => "format",
    V::Stream { .. } => "stream",
    V::CreationTime { .. } => "creation time",
    V::Generation { .. } => "generation",
    V::Hash { .. } => "hash",
    V::Start { .. } => "start",
    V::DemandOfOtherShards => "demand of other shards",
    V::Segments { .. } => "segments",
    V::NotExactCover { .. } => "cover",
    V::ShardCountMismatch { .. } => "shard count",
    V::NotActive { .. } => "not active",
    V::OnDemand => "on-demand",
    V::Suspended => "suspended",
    V::StepBudget { .. } => "step budget",
    V::MergeBudget { .. } => "merge budget",
    V::ExplanationCount { .. } => "explanation count",
    V::Explanation { .. } => "explanation",
    V::ProjectedRanges { .. } => "projected ranges",
    V::ProjectedLoads { .. } => "projected loads",
    V::OverstatedEvidence { .. } => "overstated evidence",
    V::Desired { .. } => "desired",
    V::Limits => "limits",
    V::Step { flaw: F::NoSuchShard(_), .. } => "no such shard",
    V::Step { flaw: F::IllegalSplitPoint, .. } => "illegal split point",
    V::Step { flaw: F::CutsSegment(_), .. } => "cuts segment",
    V::Step { flaw: F::NotAdjacent, .. } => "not adjacent",
    V::Step { flaw: F::Stopped(_), .. } => "stopped",
    V::Step { flaw: F::SplitBarred(_), .. } => "split barred",
    V::Step { flaw: F::MergeBarred(_), .. } => "merge barred",
    V::Step { flaw: F::Frozen, .. } => "frozen",
    V::Step { flaw: F::SplitGuarded { .. }, .. } => "split guarded",
    V::Step { flaw: F::MergeGuarded { .. }, .. } => "merge guarded",
    V::Step { flaw: F::MergeOfUnmeasured { .. }, .. } => "unmeasured",
    V::Step { flaw: F::MergeOfUnknownPart { .. }, .. } => "unknown part",
    V::Step { flaw: F::AboveMaxShards { .. }, .. } => "above max",
    V::Step { flaw: F::BelowMinShards { .. }, .. } => "below min",
    V::Step { flaw: F::AboveScaleUpLimit { .. }, .. } => "scale-up limit",
    V::Step { flaw: F::BelowScaleDownLimit { .. }, .. } => "scale-down limit",
    V::Step { flaw: F::PeakAbovePackLimit { .. }, .. } => "peak above pack limit",
    V::Step { flaw: F::RaisesLoad { .. }, .. } => "raises load",
    V::Step { flaw: F::OtherCount { .. }, .. } => "other count",
    V::Step { flaw: F::CountOutOfReach { .. }, .. } => "count out of reach",
    V::Step { flaw: F::CountNotAllowed, .. } => "count not allowed",
    V::Step { flaw: F::NotAlone, .. } => "not alone",
    V::Step { flaw: F::CallBudget { .. }, .. } => "call budget",
    V::Step { flaw: F::JustRefused(_), .. } => "just refused",
    V::Step { flaw: F::MayExceedCeiling { .. }, .. } => "may exceed the ceiling",
    V::Step { flaw: F::MonitoringNotManaged, .. } => "monitoring not managed",
    V::Step { flaw: F::NoMetrics, .. } => "no metrics",
    V::Step { flaw: F::MetricIsOn(_), .. } => "metric is on",
}

/// A way to break the sound case, and what it is to be found as.
pub(super) type Bug = (&'static str, fn(&mut Case));

#[rustfmt::skip]
pub(super) const BUGS: &[Bug] = &[
    ("format", |c| { c.plan.identity.format += 1; c.describe(); }),
    ("stream", |c| { c.plan.identity.stream_arn.push('2'); c.describe(); }),
    ("creation time", |c| c.snapshot.summary.created_at = at(1)),
    ("generation", |c| c.policy.generation = 8),
    ("hash", |c| c.plan.hash = PlanIdentity { generation: 8, ..c.plan.identity.clone() }.hash()),
    ("start", |c| {
        let (low, high) = quarter(2).split(HashKey(quarter(2).start().0 + QUARTER / 2)).expect("legal");
        c.plan.identity.start.splice(2..=2, [low, high]);
        c.describe();
    }),
    ("start", |c| { c.steps([]); c.plan.identity.start.pop(); c.describe(); }),
    ("demand of other shards", |c| { c.demand.shards.pop(); c.steps([merge_first()]); }),
    ("demand of other shards", |c| {
        let shard = c.shard(2);
        shard.range = range(shard.range.start().0, shard.range.end().0 - 1);
        shard.segments[3].range = range(shard.segments[3].range.start().0, shard.range.end().0);
        c.describe();
    }),
    ("demand of other shards", |c| c.shard(2).id = ShardId::new("shardId-000000000009")),
    ("segments", |c| {
        let last = &mut c.shard(2).segments[3].range;
        *last = range(last.start().0, last.end().0 - 1);
    }),
    ("cover", |c| {
        c.snapshot.shards.retain(|shard| shard.range != quarter(2));
        c.snapshot.summary.open_shard_count = 3;
        c.demand.shards.remove(2);
        c.plan.identity.start.remove(2);
        c.describe();
    }),
    ("shard count", |c| c.snapshot.summary.open_shard_count = 5),
    ("not active", |c| c.snapshot.summary.status = StreamStatus::Updating),
    ("on-demand", |c| c.snapshot.summary.mode = StreamMode::OnDemand),
    ("suspended", |c| c.policy.suspend = true),
    ("step budget", |c| c.policy.budgets.max_steps_per_plan = 2),
    ("merge budget", |c| c.demand.merges_in_the_last_day = 150),
    ("explanation count", |c| drop(c.plan.explanations.pop())),
    ("explanation", |c| c.plan.explanations[0].after[0].loads = Loads::default()),
    ("explanation", |c| c.plan.explanations[1].before.reverse()),
    ("explanation", |c| c.plan.explanations.swap(0, 1)),
    ("projected ranges", |c| c.plan.after.truncate(2)),
    ("projected ranges", |c| c.plan.before.truncate(2)),
    ("projected loads", |c| c.plan.after[0].loads.read_bytes += Load(1)),
    ("projected loads", |c| c.plan.before[3].peak_loads = Loads::default()),
    ("overstated evidence", |c| c.shard(2).evidence = Evidence::Estimated),
    ("desired", |c| c.plan.desired_shards = 1),
    ("desired", |c| c.plan.desired_shards = 7),
    ("limits", |c| c.plan.limits.trigger.read_bytes += Load(1)),
    ("limits", |c| {
        c.policy.targets.learned = vec![Dimension::IngestBytes];
        c.demand.learned_target = Some(Load(750_000));
    }),
    ("no such shard", |c| c.steps([Step::Split { range: range(0, QUARTER), at: HashKey(QUARTER / 2) }])),
    ("no such shard", |c| c.steps([merge_first(), merge(1, 2)])),
    ("illegal split point", |c| c.steps([Step::Split { range: quarter(3), at: HashKey(3 * QUARTER + 1) }])),
    ("illegal split point", |c| c.steps([Step::Split { range: quarter(3), at: HashKey::MAX }])),
    ("cuts segment", |c| c.steps([split_at(3, 7)])),
    ("not adjacent", |c| c.steps([merge(0, 2)])),
    ("not adjacent", |c| c.steps([merge(1, 0)])),
    ("stopped", |c| c.demand.stops.push(Hold::SilentStream)),
    ("stopped", |c| {
        c.demand.stops.push(Hold::SilentStream);
        c.steps([enable(&[ShardMetric::OutgoingBytes])]);
    }),
    ("split barred", |c| c.demand.split_bars.push(Hold::SilentStream)),
    ("merge barred", |c| c.demand.merge_bars.push(Hold::SilentStream)),
    ("frozen", |c| c.policy.schedules.push(always(Allow::ScaleUpOnly))),
    ("frozen", |c| c.policy.schedules.push(always(Allow::ScaleDownOnly))),
    ("split guarded", |c| c.shard(3).split_guard = Some(Hold::SilentStream)),
    ("merge guarded", |c| c.shard(0).merge_guard = Some(Hold::SilentStream)),
    ("merge guarded", |c| c.shard(1).merge_guard = Some(Hold::SilentStream)),
    ("unmeasured", |c| { c.shard(1).evidence = Evidence::Estimated; c.describe(); }),
    ("unmeasured", |c| { c.shard(0).evidence = Evidence::Unknown; c.describe(); }),
    ("unmeasured", |c| {
        // A piece of a shard whose load is estimated.
        c.shard(1).evidence = Evidence::Estimated;
        let (low, _) = quarter(1).split(HashKey(quarter(1).start().0 + QUARTER / 2)).expect("legal");
        c.steps([split_at(1, 8), Step::Merge { low: quarter(0), high: low }]);
    }),
    ("unknown part", |c| {
        c.shard(1).density = Evidence::Estimated;
        let (low, _) = quarter(1).split(HashKey(quarter(1).start().0 + QUARTER / 2)).expect("legal");
        c.steps([split_at(1, 8), Step::Merge { low: quarter(0), high: low }]);
    }),
    ("unknown part", |c| {
        c.shard(1).density = Evidence::Estimated;
        let (_, high) = quarter(1).split(HashKey(quarter(1).start().0 + QUARTER / 2)).expect("legal");
        c.steps([split_at(1, 8), Step::Merge { low: high, high: quarter(2) }]);
    }),
    ("overstated evidence", |c| c.plan.after[2].evidence = Evidence::Measured),
    ("above max", |c| c.policy.bounds = bounds(2, 4)),
    ("above max", |c| { c.policy.bounds = bounds(1, 2); c.plan.desired_shards = 2; }),
    ("below min", |c| { c.policy.bounds = bounds(4, 6); c.steps([merge_first(), split_last()]); }),
    ("below min", |c| { c.policy.bounds = bounds(5, 6); c.plan.desired_shards = 5; c.steps([merge_first()]); }),
    ("scale-up limit", |c| c.demand.scale_up_limit = 4),
    ("scale-up limit", |c| { c.demand.scale_up_limit = 4; c.shard(2).rejecting = true; }),
    ("scale-down limit", |c| c.demand.scale_down_limit = 5),
    ("peak above pack limit", |c| {
        for segment in &mut c.shard(0).segments { segment.peak_loads.read_bytes = Load(150_000) }
        c.describe();
    }),
    ("raises load", |c| {
        for i in [0, 1] {
            for segment in &mut c.shard(i).segments { segment.loads.ingest_records = Load(75_000) }
        }
        c.describe();
    }),
    ("other count", |c| { c.call(6); c.steps([Step::UpdateShardCount { from: 5, to: 6 }]); }),
    ("count out of reach", |c| c.call(9)),
    ("count out of reach", |c| c.call(4)),
    ("count out of reach", |c| c.call(1)),
    ("count not allowed", |c| { c.call(6); c.policy.update_shard_count = UpdateShardCount::Never; }),
    ("count not allowed", |c| { c.call_for_less(); c.policy.update_shard_count = UpdateShardCount::Emergency; }),
    ("not alone", |c| { c.call(6); c.steps([Step::UpdateShardCount { from: 4, to: 6 }, enable(&[ShardMetric::OutgoingBytes])]); }),
    ("call budget", |c| { c.call(6); c.demand.count_updates_minutes_ago = vec![0; 10]; }),
    ("call budget", |c| { c.call_for_less(); c.demand.count_updates_minutes_ago = vec![0; 8]; }),
    ("just refused", |c| { c.call(6); c.demand.count_update_refused = Some("no".to_owned()); }),
    ("may exceed the ceiling", |c| {
        // The last holds all of its shard and a third of the one before: 997, and as dense 1,040.
        c.policy.targets.limits = Loads::from_array([Load::CEILING; 3]);
        c.policy.tolerance_millionths = 0;
        for (i, load) in [20_000, 20_000, 650_000, 780_000].into_iter().enumerate() {
            c.demand.shards[i] = ShardDemand { density: Evidence::Estimated, ..shard_demand((i, load)) };
        }
        c.call(3);
    }),
    ("raises load", |c| { c.call_for_less(); c.demand.shards[2] = shard_demand((2, 600_000)); c.demand.shards[3] = shard_demand((3, 700_000)); c.without_peaks(); c.describe(); }),
    ("above max", |c| { c.policy.bounds = bounds(2, 5); c.call(6); }),
    ("below min", |c| { c.policy.bounds = bounds(4, 6); c.call_for_less(); }),
    ("scale-up limit", |c| { c.demand.scale_up_limit = 5; c.call(6); }),
    ("scale-down limit", |c| { c.demand.scale_down_limit = 4; c.call_for_less(); }),
    ("frozen", |c| { c.policy.schedules.push(always(Allow::ScaleDownOnly)); c.call(6); }),
    ("frozen", |c| { c.policy.schedules.push(always(Allow::ScaleUpOnly)); c.call_for_less(); }),
    ("split guarded", |c| { c.shard(1).split_guard = Some(Hold::SilentStream); c.call(6); }),
    ("split barred", |c| { c.demand.split_bars.push(Hold::SilentStream); c.call(6); }),
    ("merge barred", |c| { c.demand.merge_bars.push(Hold::SilentStream); c.call(6); }),
    ("merge barred", |c| { c.demand.merge_bars.push(Hold::Rising { per_mille: 60 }); c.call_for_less(); }),
    ("merge guarded", |c| { c.shard(1).merge_guard = Some(Hold::SilentStream); c.call(6); }),
    ("unmeasured", |c| { c.shard(1).unsettled = Some(Hold::SilentStream); c.call(6); }),
    ("unmeasured", |c| { c.call_for_less(); c.shard(1).evidence = Evidence::Estimated; c.describe(); }),
    ("monitoring not managed", |c| c.policy.metrics.enhanced_monitoring = EnhancedMonitoring::Require),
    ("no metrics", |c| c.steps([enable(&[])])),
    ("metric is on", |c| c.steps([enable(&[ShardMetric::IncomingBytes])])),
    ("metric is on", |c| c.steps([enable(&[ShardMetric::OutgoingBytes, ShardMetric::OutgoingBytes])])),
];
