//! Whose past must be known to tell whether splits help a hot shard.

use std::collections::BTreeSet;

use super::heat::NARROWED;
use super::{Demand, ShardDemand, assess};
use crate::policy::ScalingPolicy;
use crate::snapshot::Snapshot;
use crate::stream::{Shard, ShardId, ShardIndex};

/// The shards whose metrics since the start of the look-back decide on verdicts: of each shard
/// that is hot now, the ancestors whose splits tell of a hot key, with all that came of them. Empty while nothing
/// is hot, so that calm streams cost nothing more.
pub fn ancestry_of_heat(snapshot: &Snapshot, policy: &ScalingPolicy) -> BTreeSet<ShardId> {
    // Shards of a stream that was never resharded have no past to know.
    if snapshot.shards.iter().all(|shard| shard.parents().next().is_none()) {
        return BTreeSet::new();
    }
    ancestry_of(&assess(snapshot, policy), snapshot, policy)
}

/// The same for the demand that was assessed from `snapshot`.
pub fn ancestry_of(demand: &Demand, snapshot: &Snapshot, policy: &ScalingPolicy) -> BTreeSet<ShardId> {
    let trigger = policy.limits(demand.learned_target).trigger;
    let is_hot = |shard: &&ShardDemand| shard.rejecting || !shard.loads().within(trigger);
    if !demand.shards.iter().any(|shard| is_hot(&shard)) {
        return BTreeSet::new();
    }
    let index = ShardIndex::of(&snapshot.shards);
    let parent = |id: &ShardId| index.get(id).and_then(|shard| shard.parent.as_ref());
    let mut family = BTreeSet::new();
    let mut next: Vec<usize> = Vec::new();
    for hot in demand.shards.iter().filter(is_hot) {
        // Up to the first that is wide enough to tell of a hot key.
        let enough = hot.range.span().saturating_mul(NARROWED);
        let is_narrow = |id: &&ShardId| index.get(id).is_some_and(|shard| shard.range.span() < enough);
        let mut ancestors = std::iter::successors(parent(&hot.id), |id| parent(id)).peekable();
        let mut top = None;
        while let Some(narrow) = ancestors.next_if(is_narrow) {
            top = Some(narrow);
        }
        let Some(top) = ancestors.next().or(top) else { continue };
        match index.place(top) {
            Some(place) => next.push(place),
            // It has expired; what came of it is listed.
            None if family.insert(top.clone()) => {
                let came_of = |shard: &Shard| shard.parents().any(|parent| parent == top);
                next.extend((0..snapshot.shards.len()).filter(|place| came_of(&snapshot.shards[*place])));
            }
            None => {}
        }
    }
    if next.is_empty() {
        return family;
    }
    // By the place of the parent.
    let mut children = Vec::with_capacity(2 * snapshot.shards.len());
    for (child, shard) in snapshot.shards.iter().enumerate() {
        children.extend(shard.parents().filter_map(|parent| Some((index.place(parent)?, child))));
    }
    children.sort_unstable();
    let mut is_of_it = vec![false; snapshot.shards.len()];
    while let Some(place) = next.pop() {
        if !std::mem::replace(&mut is_of_it[place], true) {
            let first = children.partition_point(|(parent, _)| *parent < place);
            let of_place = children[first..].iter().take_while(|(parent, _)| *parent == place);
            next.extend(of_place.map(|(_, child)| *child));
        }
    }
    let listed = snapshot.shards.iter().zip(is_of_it).filter(|(_, is_of_it)| *is_of_it);
    // Listed in their order, they need no more than to be joined.
    family.append(&mut listed.map(|(shard, _)| shard.id.clone()).collect());
    family
}
