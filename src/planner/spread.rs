//! Of tilings that cost the same, the one that spreads the load most evenly: where `minShards`
//! asks for more splits than the load does, they go where the heat is.

use super::grid::{Grid, Rules};
use super::optimum::Tiling;
use super::order::fill;

/// Takes back every split that the load does not need, and cuts the fullest shards instead, as
/// often. Count and steps, and so the cost, stay as they are.
pub(super) fn even(grid: &Grid, rules: &Rules, tiling: Tiling) -> Tiling {
    let mut boundaries = tiling.boundaries().to_vec();
    let mut spare = 0;
    for position in tiling.inserted(grid) {
        let index = boundaries.partition_point(|boundary| *boundary < position);
        let (low, high) = (boundaries[index - 1], boundaries[index + 1]);
        if is_needless(grid, rules, low, high) {
            boundaries.remove(index);
            spare += 1;
        }
    }
    for _ in 0..spare {
        let Some(cut) = best_cut(grid, rules, &boundaries) else { return tiling };
        let index = boundaries.partition_point(|boundary| *boundary < cut);
        boundaries.insert(index, cut);
    }
    Tiling::of(&boundaries)
}

/// Whether the interval may be a shard as a part of one shard, or as that shard.
fn is_needless(grid: &Grid, rules: &Rules, low: usize, high: usize) -> bool {
    let shard = grid.shard_of(low);
    let whole = grid.is_shard_boundary(low) && grid.is_shard_boundary(high);
    shard == grid.shard_of(high - 1)
        && if whole { rules.may_keep(grid, shard, low, high) } else { rules.part_fits(grid, low, high) }
}

/// The cut of the fullest shard that can be cut, at the position that leaves the smaller rest; a
/// shard without load is cut in its middle.
fn best_cut(grid: &Grid, rules: &Rules, boundaries: &[usize]) -> Option<usize> {
    let fill = |low, high| fill(grid.loads(low, high), rules.limits.trigger);
    let can_be_cut = |pair: &&[usize]| {
        let shard = grid.shard_of(pair[0]);
        let (low, high) = (grid.shard_boundaries()[shard], grid.shard_boundaries()[shard + 1]);
        pair[1] <= high && pair[1] - pair[0] > 1 && rules.may_split(shard, low, high)
    };
    let width = |pair: &[usize]| grid.range(pair[0], pair[1]).span();
    let pair =
        boundaries.windows(2).filter(can_be_cut).max_by_key(|pair| (fill(pair[0], pair[1]), width(pair)))?;
    let (low, high) = (pair[0], pair[1]);
    (low + 1..high).min_by_key(|cut| {
        (fill(low, *cut).max(fill(*cut, high)), width(&[low, *cut]).abs_diff(width(&[*cut, high])))
    })
}
