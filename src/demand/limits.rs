//! Limits: what `behavior` allows now, from how many shards there were at the start of each
//! period, and the merges of the last day.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::policy::{RateAmount, RatePolicy, ScalingRules, SelectPolicy};
use crate::quota::{MAX_SHARDS, MIN_SHARDS};
use crate::snapshot::Snapshot;

use super::count_updates::CountUpdates;
use super::lineage::Lineage;

/// How long before a period's start a topology may have been read and still stand for it.
const SAME_MOMENT: SignedDuration = SignedDuration::from_secs(60);

/// The span of `budgets.maxMergesPerDay`.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The most shards that `behavior.scaleUp` allows, at least as many as there are.
pub(super) fn scale_up_limit(
    snapshot: &Snapshot,
    lineage: &Lineage,
    rules: &ScalingRules,
    current: u32,
) -> u32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = shards_at_start(snapshot, lineage, policy, current, Ord::min);
        start.saturating_add(amount(policy, start))
    });
    let limit = match rules.select_policy {
        SelectPolicy::Disabled => Some(current),
        SelectPolicy::Max => proposals.max(),
        SelectPolicy::Min => proposals.min(),
    };
    limit.unwrap_or(MAX_SHARDS).max(current)
}

/// The fewest shards that `behavior.scaleDown` allows, at most as many as there are.
pub(super) fn scale_down_limit(
    snapshot: &Snapshot,
    lineage: &Lineage,
    rules: &ScalingRules,
    current: u32,
) -> u32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = shards_at_start(snapshot, lineage, policy, current, Ord::max);
        start.saturating_sub(amount(policy, start))
    });
    let limit = match rules.select_policy {
        SelectPolicy::Disabled => Some(current),
        SelectPolicy::Max => proposals.min(),
        SelectPolicy::Min => proposals.max(),
    };
    limit.unwrap_or(MIN_SHARDS).clamp(MIN_SHARDS, current.max(MIN_SHARDS))
}

fn amount(policy: &RatePolicy, start: u32) -> u32 {
    match policy.amount {
        RateAmount::Shards(shards) => shards,
        RateAmount::Percent(percent) => {
            let shards = (u64::from(start) * u64::from(percent)).div_ceil(100);
            u32::try_from(shards).unwrap_or(u32::MAX)
        }
    }
}

/// The shards at the period's start. Where no topology was read at that moment, the most cautious
/// (`cautious` picks it) of the last known before it, all known since, the shards now, and what the
/// lineage says there were.
fn shards_at_start(
    snapshot: &Snapshot,
    lineage: &Lineage,
    policy: &RatePolicy,
    current: u32,
    cautious: impl Fn(u32, u32) -> u32,
) -> u32 {
    let start = before(snapshot.observed_at, policy.period);
    // A stream that was still being made had no shards, which is no size to grow from.
    let topologies = || snapshot.past_topologies.iter().filter(|topology| !topology.open.is_empty());
    let count = |open: usize| u32::try_from(open).unwrap_or(u32::MAX);
    let earlier = topologies().filter(|topology| topology.at <= start).max_by_key(|topology| topology.at);
    if let Some(exact) = earlier.filter(|topology| start.duration_since(topology.at) <= SAME_MOMENT) {
        return count(exact.open.len());
    }
    let later = topologies().filter(|topology| topology.at > start);
    let known = later.chain(earlier).map(|topology| count(topology.open.len()));
    known.chain([counted_back(lineage, start, current)]).fold(current, cautious)
}

/// The shards now without the splits and with the merges that are not proved to be older than
/// `start`.
fn counted_back(lineage: &Lineage, start: Timestamp, current: u32) -> u32 {
    let young = lineage.members().iter().filter(|member| member.opened_by().is_none_or(|by| by > start));
    let (mut split_children, mut merges) = (0_u32, 0_u32);
    for member in young {
        match (&member.shard.parent, &member.shard.adjacent_parent) {
            (Some(_), Some(_)) => merges += 1,
            (Some(_), None) => split_children += 1,
            (None, _) => {}
        }
    }
    current.saturating_add(merges).saturating_sub(split_children / 2).max(MIN_SHARDS)
}

fn before(now: Timestamp, period: Duration) -> Timestamp {
    SignedDuration::try_from(period)
        .ok()
        .and_then(|period| now.checked_sub(period).ok())
        .unwrap_or(Timestamp::MIN)
}

/// The start of the last 24 hours, or of the look-back where that is shorter.
pub(super) fn day(snapshot: &Snapshot) -> Timestamp {
    snapshot.observed_at.checked_sub(DAY).unwrap_or(Timestamp::MIN).max(snapshot.look_back_start)
}

/// Merges in the last day, as far as the look-back goes: merged shards that are not proved to be
/// older, and that no UpdateShardCount has made for sure, whose calls have a budget of their own.
pub(super) fn merges_in_the_last_day(snapshot: &Snapshot, lineage: &Lineage, updates: &CountUpdates) -> u32 {
    let day = day(snapshot);
    let merged = lineage.members().iter().enumerate().filter(|(at, member)| {
        member.shard.adjacent_parent.is_some()
            && member.opened_by().is_none_or(|by| by > day)
            && !updates.surely_made(*at)
    });
    u32::try_from(merged.count()).unwrap_or(u32::MAX)
}
