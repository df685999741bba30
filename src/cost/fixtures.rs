//! Snapshots, policies and plans made by hand, for the tests of what shows them.

use jiff::Timestamp;

use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Explanation, PLAN_FORMAT, Plan, PlanIdentity, RangeLoad, Step, StepReason};
use crate::policy::ScalingPolicy;
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, Minute, SNAPSHOT_FORMAT, Series, ShardMetric, Snapshot, StreamMetric};
use crate::stream::{Shard, ShardId, StreamMode, StreamStatus, StreamSummary};

/// A stream, what is wanted of it, and what is planned.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub snapshot: Snapshot,
    pub policy: ScalingPolicy,
    pub plan: Plan,
}

/// `count` equal shards, each at `load` in bytes and half of it in the others, and no step.
pub(crate) fn even(count: u32, load: u64) -> Sample {
    with_loads(&vec![load; count as usize])
}

/// Equal shards with these loads in bytes, half of it in the other dimensions, and no step.
pub(crate) fn with_loads(ingest_bytes: &[u64]) -> Sample {
    let count = u32::try_from(ingest_bytes.len()).expect("few shards");
    let mut starts = vec![HashKey::MIN];
    starts.extend(HashKeyRange::WHOLE.inner_boundaries(count));
    let ends = starts.iter().skip(1).map(|next| HashKey(next.0 - 1)).chain([HashKey::MAX]);
    let ranges: Vec<_> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| HashKeyRange::new(*start, end).expect("ascending"))
        .collect();
    let before: Vec<_> =
        ranges.iter().zip(ingest_bytes).map(|(range, load)| measured(*range, *load)).collect();
    let created = at("2026-01-02T03:04:05Z");
    let shards: Vec<_> = ranges
        .iter()
        .enumerate()
        .map(|(id, range)| Shard {
            id: ShardId::new(format!("shardId-{id:012}")),
            range: *range,
            parent: None,
            adjacent_parent: None,
            closed: false,
        })
        .collect();
    let identity = PlanIdentity {
        format: PLAN_FORMAT,
        stream_arn: "arn:aws:kinesis:eu-west-1:111122223333:stream/orders".to_owned(),
        stream_created_at: created,
        generation: 0,
        start: ranges,
        steps: Vec::new(),
    };
    let plan = Plan {
        hash: identity.hash(),
        identity,
        explanations: Vec::new(),
        holds: Vec::new(),
        verdicts: Vec::new(),
        desired_shards: count,
        limits: policy().limits(None),
        after: before.clone(),
        before,
    };
    let snapshot = Snapshot {
        format: SNAPSHOT_FORMAT,
        observed_at: at("2026-11-22T04:17:31Z"),
        summary: StreamSummary {
            arn: plan.identity.stream_arn.clone(),
            name: "orders".to_owned(),
            status: StreamStatus::Active,
            mode: StreamMode::Provisioned,
            created_at: created,
            retention_hours: 24,
            open_shard_count: shards.len(),
            enhanced_metrics: ShardMetric::INGEST.iter().map(|metric| metric.name().to_owned()).collect(),
            consumer_count: 0,
        },
        shards,
        look_back_start: at("2026-11-21T04:32:31Z"),
        update_shard_count_refused: None,
        past_topologies: Vec::new(),
        metrics: MetricHistory::default(),
    };
    Sample { snapshot, policy: policy(), plan }
}

/// Four shards; the third is at 143 % of its ceiling and is split in the middle.
pub(crate) fn one_hot_shard() -> Sample {
    let mut sample = with_loads(&[310_000, 280_000, 1_430_000, 120_000]);
    split(&mut sample, 2);
    sample
}

/// The sample with what `figures` say of the readers of its first shards in each of the last three settled
/// minutes: bytes a second, throttled calls, lag in seconds; and those minutes.
pub(crate) fn read_by(mut sample: Sample, figures: &[(u64, u64, u64)]) -> (Sample, (Minute, Minute)) {
    let end = Minute::of(sample.snapshot.observed_at).plus(-3);
    let series = |value: u64| Series::new(end.plus(-3), vec![Some(value); 3], true);
    for (shard, (bytes, throttled, lag_seconds)) in sample.snapshot.shards.iter().zip(figures) {
        let of_shard = [
            (ShardMetric::OutgoingBytes, 60 * bytes),
            (ShardMetric::OutgoingRecords, 60 * bytes / 1_000),
            (ShardMetric::ReadProvisionedThroughputExceeded, *throttled),
            (ShardMetric::IteratorAgeMilliseconds, lag_seconds * 1_000),
        ];
        let of_shard = of_shard.map(|(metric, value)| (metric, series(value)));
        sample.snapshot.metrics.shards.insert(shard.id.clone(), of_shard.into());
    }
    let throttled = series(figures.iter().map(|(_, throttled, _)| throttled).sum());
    sample.snapshot.metrics.stream.insert(StreamMetric::ReadProvisionedThroughputExceeded, throttled);
    (sample, (end.plus(-3), end))
}

/// Adds the split of the shard at `index` of the projected shards.
pub(crate) fn split(sample: &mut Sample, index: usize) {
    let hot = sample.plan.after[index].clone();
    let at = hot.range.inner_boundaries(2).next().expect("two halves");
    let (low, high) = hot.range.split(at).expect("wide");
    let load = hot.loads.ingest_bytes.0.div_ceil(2);
    let halves =
        [low, high].map(|range| RangeLoad { evidence: Evidence::Estimated, ..measured(range, load) });
    let step = Step::Split { range: hot.range, at };
    let reason = StepReason::AboveTarget {
        dimension: Dimension::IngestBytes,
        load: hot.loads.ingest_bytes,
        target: Load::from_percent(70),
        hand_over: None,
    };
    push(sample, step, reason, vec![hot], halves.to_vec(), index);
}

/// Adds the merge of the shards at `index` and `index + 1` of the projected shards.
pub(crate) fn merge(sample: &mut Sample, index: usize) {
    let (low, high) = (sample.plan.after[index].clone(), sample.plan.after[index + 1].clone());
    let load = low.loads.ingest_bytes + high.loads.ingest_bytes;
    let merged = measured(low.range.merge(high.range).expect("neighbours"), load.0);
    let step = Step::Merge { low: low.range, high: high.range };
    let reason = StepReason::Cold { dimension: Dimension::IngestBytes, load, limit: Load::from_percent(56) };
    push(sample, step, reason, vec![low, high], vec![merged], index);
}

fn push(
    sample: &mut Sample,
    step: Step,
    reason: StepReason,
    before: Vec<RangeLoad>,
    after: Vec<RangeLoad>,
    index: usize,
) {
    let plan = &mut sample.plan;
    plan.after.splice(index..index + before.len(), after.clone());
    plan.identity.steps.push(step);
    plan.explanations.push(Explanation { reason, before, after });
    plan.desired_shards = u32::try_from(plan.after.len()).expect("few shards");
    plan.hash = plan.identity.hash();
}

fn measured(range: HashKeyRange, ingest_bytes: u64) -> RangeLoad {
    let loads = Loads {
        ingest_bytes: Load(ingest_bytes),
        ingest_records: Load(ingest_bytes / 2),
        read_bytes: Load(ingest_bytes / 2),
    };
    RangeLoad { range, loads, peak_loads: loads, evidence: Evidence::Measured }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time stamp")
}

fn policy() -> ScalingPolicy {
    let mut policy = ScalingPolicy::of_round_numbers("orders", 200);
    policy.stream.region = Some("eu-west-1".to_owned());
    policy
}
