//! Of tilings that cost the same, the one that spreads the load most evenly: where `minShards`
//! asks for more splits than the load does, they go where the heat is, and the cuts of one shard
//! leave parts as equal as they can be.

use super::grid::{Grid, Rules, fill};
use super::optimum::Tiling;

/// The same number of shards and steps, and so the same cost, with the load spread evenly.
pub(super) fn even(grid: &Grid, rules: &Rules, tiling: Tiling) -> Tiling {
    equal_parts(grid, rules, cuts_where_the_heat_is(grid, rules, tiling))
}

/// Takes back every split that the load does not need, and cuts the fullest shards instead, as
/// often.
fn cuts_where_the_heat_is(grid: &Grid, rules: &Rules, tiling: Tiling) -> Tiling {
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

/// Cuts each shard that stays within its own boundaries anew, into as many parts.
fn equal_parts(grid: &Grid, rules: &Rules, tiling: Tiling) -> Tiling {
    let mut boundaries = vec![0];
    for pair in grid.shard_boundaries().windows(2) {
        let (low, high) = (pair[0], pair[1]);
        let inside = || tiling.boundaries().iter().copied().filter(|cut| low < *cut && *cut < high);
        if inside().next().is_some() && tiling.contains(low) && tiling.contains(high) {
            boundaries.extend(most_equal_cuts(grid, rules, low, high, inside().count()));
        } else {
            boundaries.extend(inside());
        }
        if tiling.contains(high) {
            boundaries.push(high);
        }
    }
    Tiling::of(&boundaries)
}

/// The `cuts` positions between `low` and `high` that leave parts which fit, the sum of their
/// squared loads being the least: a shortest path over the shard's few segments. Of equal loads
/// the more equal widths.
fn most_equal_cuts(grid: &Grid, rules: &Rules, low: usize, high: usize, cuts: usize) -> Vec<usize> {
    type Unevenness = (u128, u128);
    let part = |from: usize, to: usize| -> Unevenness {
        let load = fill(grid.loads(from, to), rules.limits.trigger);
        let width = grid.range(from, to).span() >> 72;
        (load.saturating_mul(load), width * width)
    };
    let positions = high - low + 1;
    // By position: the least unevenness up to it, and by number of parts the start of the last one.
    let mut reached: Vec<Option<Unevenness>> = vec![None; positions];
    reached[0] = Some((0, 0));
    let mut starts = Vec::with_capacity(cuts + 1);
    for _ in 0..=cuts {
        let (mut next, mut start_of_last) = (vec![None; positions], vec![low; positions]);
        for from in low..high {
            let Some(sum) = reached[from - low] else { continue };
            // Parts are hereditary: where one does not fit, no longer one does.
            for to in (from + 1..=high).take_while(|to| rules.part_fits(grid, from, *to)) {
                let more = part(from, to);
                let sum = (sum.0.saturating_add(more.0), sum.1.saturating_add(more.1));
                if next[to - low].is_none_or(|least| sum < least) {
                    next[to - low] = Some(sum);
                    start_of_last[to - low] = from;
                }
            }
        }
        reached = next;
        starts.push(start_of_last);
    }
    let mut cuts: Vec<usize> = starts[1..]
        .iter()
        .rev()
        .scan(high, |end, start_of_last| {
            *end = start_of_last[*end - low];
            Some(*end)
        })
        .collect();
    cuts.reverse();
    cuts
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
