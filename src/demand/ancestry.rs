//! Whose past must be known to tell whether splits help a hot shard.

use std::collections::{BTreeMap, BTreeSet};

use super::heat::LOPSIDED_SPLITS;
use super::{ShardDemand, assess};
use crate::policy::ScalingPolicy;
use crate::snapshot::Snapshot;
use crate::stream::{Shard, ShardId};

/// The shards whose metrics since the start of the look-back decide on verdicts: of each shard
/// that is hot now, the ancestors whose splits tell of a hot key, with all that came of them. Empty while nothing
/// is hot, so that calm streams cost nothing more.
pub fn ancestry_of_heat(snapshot: &Snapshot, policy: &ScalingPolicy) -> BTreeSet<ShardId> {
    let by_id: BTreeMap<&ShardId, &Shard> = snapshot.shards.iter().map(|shard| (&shard.id, shard)).collect();
    let parent = |id: &ShardId| by_id.get(id).and_then(|shard| shard.parent.as_ref());
    let is_hot = |shard: &&ShardDemand| shard.rejecting || !shard.loads().within(policy.trigger());
    let demand = assess(snapshot, policy);
    let mut family = BTreeSet::new();
    let mut next: Vec<&ShardId> = Vec::new();
    for hot in demand.shards.iter().filter(is_hot) {
        let ancestors = std::iter::successors(parent(&hot.id), |ancestor| parent(ancestor));
        next.extend(ancestors.take(LOPSIDED_SPLITS).last());
    }
    while let Some(id) = next.pop() {
        if family.insert(id.clone()) {
            let is_child = |shard: &&Shard| shard.parents().any(|parent| parent == id);
            next.extend(snapshot.shards.iter().filter(is_child).map(|child| &child.id));
        }
    }
    family
}
