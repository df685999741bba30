//! Advice for who reads: pollers, transforms, retention.

use super::{Advice, Seen};
use crate::cost;
use crate::load::Load;
use crate::policy::{Consumer, ConsumerKind, Transform};
use crate::quota::{
    Dimension, FIREHOSE_TRANSFORMS_PER_SHARD, LAMBDA_CONCURRENT_EXECUTIONS, SHARD_WRITE_BYTES_PER_SECOND,
};

/// From this share of the retention on, a lag is worth a longer one: in the time that an hour of
/// outage takes to drain it can double.
const WORRYING_LAG_THOUSANDTHS: u64 = 250;
/// Retention up to here is priced by the shard.
const WEEK_HOURS: u32 = 168;
/// The longest retention.
const YEAR_HOURS: u32 = 8_760;

/// What Firehose takes of one shard through a transform, in bytes a second.
pub(super) fn transform_bytes_per_second(transform: Transform) -> u64 {
    let Transform { duration, batch_bytes } = transform;
    let at_once = u128::from(FIREHOSE_TRANSFORMS_PER_SHARD) * u128::from(batch_bytes) * 1_000;
    u64::try_from(at_once / duration.as_millis().max(1)).unwrap_or(u64::MAX)
}

fn transforms(consumers: &[Consumer]) -> impl Iterator<Item = (&str, Transform)> {
    consumers.iter().filter_map(|Consumer { name, kind }| match kind {
        ConsumerKind::Firehose { transform } => Some((name.as_str(), (*transform)?)),
        ConsumerKind::Lambda | ConsumerKind::Polling { .. } | ConsumerKind::EnhancedFanOut => None,
    })
}

/// The transforms whose ceiling lies under the ingest target of a shard.
pub(super) fn slow_transforms(seen: Seen) -> Vec<Advice> {
    let target = seen.plan.limits.trigger.ingest_bytes;
    let target_bytes_per_second = SHARD_WRITE_BYTES_PER_SECOND * target.0 / Load::CEILING.0;
    transforms(&seen.policy.consumers)
        .map(|(name, transform)| (name, transform, transform_bytes_per_second(transform)))
        .filter(|(.., ceiling)| *ceiling < target_bytes_per_second)
        .map(|(name, transform, ceiling_bytes_per_second)| {
            let Transform { duration, batch_bytes } = transform;
            let at_once = u64::from(FIREHOSE_TRANSFORMS_PER_SHARD) * u64::from(batch_bytes) * 1_000;
            Advice::TransformTooSlow {
                consumer: name.to_owned(),
                ceiling_bytes_per_second,
                target_bytes_per_second,
                batch_bytes,
                duration_millis: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                needed_millis: at_once / target_bytes_per_second.max(1),
            }
        })
        .collect()
}

/// All transforms of all shards at once, and an execution a shard for each event source mapping,
/// reach what an account has.
pub(super) fn lambda_concurrency(seen: Seen) -> Option<Advice> {
    let consumers = &seen.policy.consumers;
    let shards = seen.planned_shards();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let functions = count(transforms(consumers).count());
    let mappings = count(consumers.iter().filter(|consumer| consumer.kind == ConsumerKind::Lambda).count());
    let transforms = shards.saturating_mul(FIREHOSE_TRANSFORMS_PER_SHARD).saturating_mul(functions);
    let most = transforms.saturating_add(shards.saturating_mul(mappings));
    let quota = LAMBDA_CONCURRENT_EXECUTIONS;
    (most >= quota).then_some(Advice::LambdaConcurrency { shards, most, transforms, quota })
}

pub(super) fn retention(seen: Seen) -> Option<Advice> {
    let (lag_millis, stream) = (seen.summary.lag_millis?, &seen.snapshot.summary);
    let retention_hours = stream.retention_hours;
    let share = u128::from(lag_millis) * 1_000 / (u128::from(retention_hours) * 3_600_000).max(1);
    let share_thousandths = u64::try_from(share).unwrap_or(u64::MAX);
    if share_thousandths < WORRYING_LAG_THOUSANDTHS || retention_hours >= YEAR_HOURS {
        return None;
    }
    let next_hours = if retention_hours < WEEK_HOURS { WEEK_HOURS } else { YEAR_HOURS };
    let paid_already = retention_hours > 24;
    let costs_monthly = (next_hours == WEEK_HOURS).then(|| match paid_already {
        true => cost::Money::ZERO,
        false => cost::extended_retention_monthly(seen.planned_shards(), seen.prices),
    });
    Some(Advice::ExtendRetention {
        lag_millis,
        retention_hours,
        share_thousandths,
        next_hours,
        costs_monthly,
    })
}

/// The pollers call more than the target. Of the declared ones those that call most are moved first;
/// Firehose cannot be.
pub(super) fn fan_out(seen: Seen) -> Option<Advice> {
    let (load, _) = seen.summary.read_calls?;
    let target = seen.policy.targets.read_calls;
    if load <= target {
        return None;
    }
    let calls = |consumer: &&Consumer| consumer.kind.calls_per_kilosecond();
    let of = |calls: u64| Load::from_sum(Dimension::ReadCalls, calls, 1_000);
    let mut left: u64 = seen.policy.consumers.iter().map(|consumer| calls(&consumer)).sum();
    let mut movable: Vec<&Consumer> = seen
        .policy
        .consumers
        .iter()
        .filter(|consumer| matches!(consumer.kind, ConsumerKind::Lambda | ConsumerKind::Polling { .. }))
        .collect();
    movable.sort_by_key(|consumer| std::cmp::Reverse(calls(consumer)));
    let mut consumers = Vec::new();
    for consumer in movable {
        if of(left) <= target {
            break;
        }
        left -= calls(&consumer);
        consumers.push(consumer.name.clone());
    }
    let declared = !seen.policy.consumers.is_empty();
    let bytes = seen.summary.ingest_bytes_per_second;
    Some(Advice::MoveToFanOut {
        load,
        target,
        left: (declared && !consumers.is_empty()).then(|| of(left)),
        consumers,
        each_monthly: cost::fan_out_monthly(1, seen.planned_shards(), bytes, seen.prices),
    })
}
