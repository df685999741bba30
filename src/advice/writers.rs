//! Advice for who writes: keys, record sizes, retries.

use super::{Advice, Seen};
use crate::cost::{self, Traffic};
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Step};
use crate::policy::ConsumerKind;
use crate::quota::{Dimension, MIN_SHARDS};

/// Rejections under a tenth of a percent are noise (as in demand).
const REJECTED_MILLIONTHS: u64 = 1_000;
/// A mean record of a packed stream in bytes: one PUT payload unit.
const PACKED_RECORD_BYTES: u64 = 25 * 1_024;

/// The loads of all shards together; `None` where any is not known.
fn total(seen: Seen) -> Option<Loads> {
    let known = !seen.plan.before.is_empty()
        && seen.plan.before.iter().all(|shard| shard.evidence != Evidence::Unknown);
    known.then(|| seen.plan.before.iter().map(|shard| shard.loads).sum())
}

/// How many shards `load` fills up to `limit`.
fn shards_for(load: Load, limit: Load) -> u32 {
    let shards = load.0.div_ceil(limit.0.max(1));
    u32::try_from(shards).unwrap_or(u32::MAX).max(MIN_SHARDS)
}

/// Only Firehose reads, some shard is above its target, and evenly spread the same load would fit
/// into the shards there are.
pub(super) fn random_keys(seen: Seen) -> Option<Advice> {
    let consumers = &seen.policy.consumers;
    let firehose = |kind: ConsumerKind| matches!(kind, ConsumerKind::Firehose { .. });
    if consumers.is_empty() || !consumers.iter().all(|consumer| firehose(consumer.kind)) {
        return None;
    }
    let (total, targets) = (total(seen)?, seen.plan.limits.trigger);
    let hottest = seen.plan.before.iter().map(|shard| shard.loads.binding(targets));
    let used = |(of, load): &(Dimension, Load)| {
        u128::from(load.0) * 1_000_000 / u128::from(targets.of(*of).0.max(1))
    };
    let (dimension, hottest) = hottest.max_by_key(used)?;
    let shards = seen.shards().max(1);
    let pack = seen.plan.limits.pack;
    let even_shards =
        Dimension::SPLITTABLE.map(|of| shards_for(total.of(of), pack.of(of))).into_iter().max()?;
    let splits = seen.plan.steps().iter().filter(|step| matches!(step, Step::Split { .. })).count();
    (hottest > targets.of(dimension) && even_shards <= shards).then(|| Advice::RandomKeysFirst {
        dimension,
        hottest,
        mean: Load(total.of(dimension).0 / u64::from(shards)),
        shards,
        even_shards,
        planned_splits: u32::try_from(splits).unwrap_or(u32::MAX),
    })
}

/// The number of records needs a third more shards than bytes do, and one more at least.
pub(super) fn pack_records(seen: Seen) -> Option<Advice> {
    let (total, pack) = (total(seen)?, seen.plan.limits.pack);
    let by = |of: Dimension| shards_for(total.of(of), pack.of(of));
    let by_records = by(Dimension::IngestRecords);
    let by_bytes = by(Dimension::IngestBytes).max(by(Dimension::ReadBytes));
    let records_per_second = seen.summary.ingest_records_per_second;
    let mean_bytes = seen.summary.ingest_bytes_per_second.checked_div(records_per_second)?;
    if by_records <= by_bytes || u64::from(by_records) * 3 < u64::from(by_bytes) * 4 {
        return None;
    }
    let now = Traffic {
        bytes_per_second: seen.summary.ingest_bytes_per_second,
        records_per_second,
        read_bytes_per_second: 0,
    };
    let packed = Traffic { records_per_second: now.bytes_per_second.div_ceil(PACKED_RECORD_BYTES), ..now };
    let monthly = |traffic, shards| {
        cost::put_payload_units_monthly(traffic, seen.prices) + cost::shards_monthly(shards, seen.prices)
    };
    let saves_monthly = monthly(now, by_records).minus(monthly(packed, by_bytes));
    Some(Advice::PackRecords { mean_bytes, by_records, by_bytes, saves_monthly })
}

pub(super) fn lost_while_rejecting(seen: Seen) -> Option<Advice> {
    let rejected_millionths = seen.summary.rejected_millionths;
    let accepted = 1_000_000_u64.saturating_sub(rejected_millionths).max(1);
    let per_minute =
        u128::from(seen.summary.ingest_records_per_second) * 60 * u128::from(rejected_millionths)
            / u128::from(accepted);
    (rejected_millionths > REJECTED_MILLIONTHS).then(|| Advice::LostWhileRejecting {
        rejected_per_minute: u64::try_from(per_minute).unwrap_or(u64::MAX),
        rejected_millionths,
    })
}
