//! Whose past must be known to tell whether splits help a hot shard.

use std::collections::{BTreeMap, BTreeSet};

use super::heat::NARROWED;
use super::{Demand, ShardDemand, assess};
use crate::policy::ScalingPolicy;
use crate::snapshot::Snapshot;
use crate::stream::{Shard, ShardId};

/// The shards whose metrics since the start of the look-back decide on verdicts: of each shard
/// that is hot now, the ancestors whose splits tell of a hot key, with all that came of them. Empty while nothing
/// is hot, so that calm streams cost nothing more.
pub fn ancestry_of_heat(snapshot: &Snapshot, policy: &ScalingPolicy) -> BTreeSet<ShardId> {
    ancestry_of(&assess(snapshot, policy), snapshot, policy)
}

/// The same for the demand that was assessed from `snapshot`.
pub fn ancestry_of(demand: &Demand, snapshot: &Snapshot, policy: &ScalingPolicy) -> BTreeSet<ShardId> {
    let by_id: BTreeMap<&ShardId, &Shard> = snapshot.shards.iter().map(|shard| (&shard.id, shard)).collect();
    let parent = |id: &ShardId| by_id.get(id).and_then(|shard| shard.parent.as_ref());
    let is_hot = |shard: &&ShardDemand| shard.rejecting || !shard.loads().within(policy.trigger());
    let mut family = BTreeSet::new();
    let mut next: Vec<&ShardId> = Vec::new();
    for hot in demand.shards.iter().filter(is_hot) {
        // Up to the first that is wide enough to tell of a hot key.
        let enough = hot.range.span().saturating_mul(NARROWED);
        let is_narrow = |id: &&ShardId| by_id.get(*id).is_some_and(|shard| shard.range.span() < enough);
        let ancestors: Vec<_> = std::iter::successors(parent(&hot.id), |id| parent(id)).collect();
        let narrow = ancestors.iter().take_while(|id| is_narrow(id)).count();
        next.extend(ancestors.into_iter().take(narrow + 1).next_back());
    }
    if next.is_empty() {
        return family;
    }
    let mut children: BTreeMap<&ShardId, Vec<&ShardId>> = BTreeMap::new();
    for shard in &snapshot.shards {
        for parent in shard.parents() {
            children.entry(parent).or_default().push(&shard.id);
        }
    }
    while let Some(id) = next.pop() {
        if family.insert(id.clone()) {
            next.extend(children.get(id).into_iter().flatten());
        }
    }
    family
}
