//! Why the plan is less than the ideal: the holds.

use super::grid::{Grid, Rules, fill};
use super::optimum::Tiling;
use crate::demand::Demand;
use crate::demand::forecast::Forecast;
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
        let (low, high) = ideal.around(position);
        let pack = policy.limits(demand.learned_target).pack;
        if holds.len() == before && !grid.peaks(low, high).within(pack) {
            let expected_per_mille = demand.foreseen_per_mille;
            let is_foreseen = !grid.loads(low, high).scaled(expected_per_mille, 1_000).within(pack);
            holds.push(match demand.forecast.as_ref().filter(|_| is_foreseen) {
                Some(Forecast { course, .. }) => Hold::LoadForeseen { expected_per_mille, course: *course },
                None => {
                    Hold::Stabilizing { window_seconds: policy.scale_down.stabilization_window.as_secs() }
                }
            });
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

/// That not everything fits under `maxShards`: the highest load that the goal leaves above its
/// target though a cut would relieve it, or the highest of all where even the goal has too many.
pub(super) fn at_max(
    grid: &Grid,
    rules: &Rules,
    goal: &Tiling,
    in_force: &InForce,
) -> Option<(Hold, Verdict)> {
    let limit = rules.limits.trigger;
    let max_shards = in_force.bounds.max();
    let too_many = goal.shard_count() > max_shards as usize;
    let wants_relief = |low, high| rules.may_cut(grid, low, high) && !grid.loads(low, high).within(limit);
    let fullest = goal
        .boundaries()
        .windows(2)
        .filter(|pair| too_many || wants_relief(pair[0], pair[1]))
        .map(|pair| grid.loads(pair[0], pair[1]))
        .max_by_key(|loads| fill(*loads, limit))?;
    // Where no load is known, nobody knows that more shards are needed.
    let shards = grid.range_loads(grid.shard_boundaries());
    if shards.iter().all(|shard| shard.evidence == Evidence::Unknown) {
        return None;
    }
    let (dimension, load) = fullest.binding(limit);
    Some((Hold::AtMaxShards { max_shards, load, dimension }, Verdict::AtMaxShards { max_shards }))
}
