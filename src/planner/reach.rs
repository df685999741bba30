//! Whether any order of steps leads to a tiling within the bounds; `planner` has the proof.

use super::grid::{Grid, Rules};
use super::optimum::Tiling;

/// Two neighbouring shards of B₀ that may be merged before any other step. The boundary between
/// them is taken away by the intervals that begin at or below the one position and end at or above
/// the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColdPair {
    pub(super) latest_low: usize,
    pub(super) earliest_high: usize,
}

/// All cold pairs, in their order. Where one shard must not be split, its pair is none if the other
/// one is yet to be cut.
pub(super) fn cold_pairs(grid: &Grid, rules: &Rules) -> Vec<ColdPair> {
    let pair = |(shard, boundaries): (usize, &[usize])| {
        let &[low, middle, high] = boundaries else { return None };
        rules.may_be_merged(grid, low, high).then(|| ColdPair {
            latest_low: if rules.bars_splits(shard + 1) { low } else { middle - 1 },
            earliest_high: if rules.bars_splits(shard) { high } else { middle + 1 },
        })
    };
    grid.shard_boundaries().windows(3).enumerate().filter_map(pair).collect()
}

/// Whether an order of steps leads from B₀ to the tiling, rates and budgets aside.
pub(super) fn is_reachable(grid: &Grid, rules: &Rules, goal: &Tiling, min: usize, max: usize) -> bool {
    let (open, count) = (grid.shard_count(), goal.shard_count());
    let splits = goal.inserted(grid).count();
    let merges = open + splits - count;
    if count > max || splits == 0 || merges == 0 {
        return count <= max && (count >= min || merges == 0);
    }
    min < max
        && count >= min
        && (count < max || last_splits(grid, goal).next().is_some())
        && (open < max || merges_before_splits(grid, rules, goal, grid.shard_boundaries()) > open - max)
}

/// How many merges can be made before a first split, at most: as few shards as there can be, each
/// made of shards as they are, and each as large as it can be.
pub(super) fn merges_before_splits(grid: &Grid, rules: &Rules, goal: &Tiling, boundaries: &[usize]) -> usize {
    let mut low = 0;
    let is_merged = |pair: &&[usize]| {
        let (position, high) = (pair[0], pair[1]);
        let merged = !goal.contains(position) && may_merge(grid, rules, goal, low, high);
        low = if merged { low } else { position };
        merged
    };
    boundaries.windows(2).filter(is_merged).count()
}

/// Whether what lies between two positions may be merged on the way to the goal: it fits, and if it
/// is yet to be cut, none of its shards is one that must not be split.
pub(super) fn may_merge(grid: &Grid, rules: &Rules, goal: &Tiling, low: usize, high: usize) -> bool {
    let barred = || (grid.shard_of(low)..=grid.shard_of(high - 1)).any(|shard| rules.bars_splits(shard));
    rules.may_be_merged(grid, low, high) && !(goal.cuts(low, high) && barred())
}

/// The splits that can be the last step though they lead to as many shards as there may be: those
/// between two parts of one shard, which no merge waits for.
pub(super) fn last_splits<'a>(grid: &'a Grid, goal: &'a Tiling) -> impl Iterator<Item = usize> + 'a {
    let parts = |three: &&[usize]| grid.shard_of(three[0]) == grid.shard_of(three[2] - 1);
    goal.boundaries().windows(3).filter(parts).map(|three| three[1])
}
