//! Of tilings that cost the same, the one that spreads the load most evenly: where `minShards`
//! asks for more splits than the load does, they go where the heat is.

use super::grid::{Grid, Rules, fill};
use super::optimum::Tiling;

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

/// The cut of the fullest shard that can be cut into two parts that fit, at the position that
/// leaves the smaller rest; a shard without load is cut in its middle.
fn best_cut(grid: &Grid, rules: &Rules, boundaries: &[usize]) -> Option<usize> {
    let fill = |low, high| fill(grid.loads(low, high), rules.limits.trigger);
    let width = |low, high| grid.range(low, high).span();
    let mut pairs: Vec<&[usize]> =
        boundaries.windows(2).filter(|pair| rules.may_cut(grid, pair[0], pair[1])).collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse((fill(pair[0], pair[1]), width(pair[0], pair[1]))));
    pairs.into_iter().find_map(|pair| {
        let (low, high) = (pair[0], pair[1]);
        (low + 1..high)
            .filter(|cut| rules.part_fits(grid, low, *cut) && rules.part_fits(grid, *cut, high))
            .min_by_key(|cut| {
                let uneven = width(low, *cut).abs_diff(width(*cut, high));
                (fill(low, *cut).max(fill(*cut, high)), uneven)
            })
    })
}
