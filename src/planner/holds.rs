//! Why the plan is less than the ideal: the holds.

use super::grid::{Grid, Limits};
use super::optimum::Tiling;
use super::order::Walk;
use crate::demand::Demand;
use crate::load::Loads;
use crate::plan::{Evidence, Hold, Verdict};
use crate::policy::{InForce, ScalingPolicy};

/// The guards and bars that keep the plan's goal from the ideal one.
pub(super) fn held_back(
    grid: &Grid,
    demand: &Demand,
    policy: &ScalingPolicy,
    goal: &Tiling,
    ideal: &Tiling,
) -> Vec<Hold> {
    let mut holds = Vec::new();
    for position in ideal.inserted(grid).filter(|position| !goal.contains(*position)) {
        holds.extend(demand.shards[grid.shard_of(position)].split_guard.clone());
        holds.extend_from_slice(&demand.split_bars);
    }
    for position in ideal.removed(grid).filter(|position| goal.contains(*position)) {
        let high = grid.shard_of(position);
        let before = holds.len();
        holds.extend_from_slice(&demand.merge_bars);
        for shard in &demand.shards[high - 1..=high] {
            let estimated = || {
                (shard.evidence != Evidence::Measured)
                    .then(|| Hold::LoadEstimated { shards: vec![shard.id.clone()] })
            };
            holds.extend(shard.merge_guard.clone().or_else(estimated));
        }
        let peaks: Loads = demand.shards[high - 1..=high].iter().map(|shard| shard.peak_loads()).sum();
        if holds.len() == before && !peaks.within(policy.pack()) {
            let window_seconds = policy.scale_down.stabilization_window.as_secs();
            holds.push(Hold::Stabilizing { window_seconds });
        }
    }
    let mut distinct: Vec<Hold> = Vec::new();
    for hold in holds {
        if !distinct.contains(&hold) {
            distinct.push(hold);
        }
    }
    distinct
}

/// That not everything fits under `maxShards`: the highest load that remains.
pub(super) fn at_max(grid: &Grid, walk: &Walk, limits: &Limits, in_force: &InForce) -> (Hold, Verdict) {
    let boundaries: Vec<usize> = walk.boundaries.iter().copied().collect();
    let most_used = |loads: &Loads| super::order::fill(*loads, limits.trigger);
    let fullest = boundaries
        .windows(2)
        .map(|pair| grid.loads(pair[0], pair[1]))
        .max_by_key(most_used)
        .unwrap_or_default();
    let (dimension, load) = fullest.binding(limits.trigger);
    let max_shards = in_force.bounds.max();
    (Hold::AtMaxShards { max_shards, load, dimension }, Verdict::AtMaxShards { max_shards })
}
